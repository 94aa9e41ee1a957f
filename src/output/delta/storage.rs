//! The storage of a table: a folder, or object storage.

use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use delta_kernel::object_store::client::{HttpClient, HttpConnector};
use delta_kernel::object_store::local::LocalFileSystem;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{
    self, BackoffConfig, ClientOptions, DynObjectStore, ObjectStoreScheme, RetryConfig,
};
use delta_kernel::object_store::{aws, azure, gcp};
use delta_kernel::{Engine, KernelError};
use delta_kernel_default_engine::executor::TaskExecutor;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};
use url::Url;

use super::settings::DeltaSettings;
use crate::http::{ClientSettings, Secret, one_line, storage_client};
use crate::output::target::OutputError;

/// Threads that wait for the storage.
const THREADS: usize = 2;

/// The longest pause between two attempts of a request, unless the settings have a longer first one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Files that are read at the same time, and the rows that are read of one at once.
const READ_AHEAD: NonZero<usize> = NonZero::new(2).expect("two is not zero");
const READ_ROWS: NonZero<usize> = NonZero::new(500).expect("it is not zero");

/// A connected storage, with the engine that reads and writes Delta tables there.
pub(super) struct Storage {
    /// The folder of the table, with a slash at the end.
    pub(super) url: Url,
    objects: Arc<DynObjectStore>,
    executor: Arc<TokioMultiThreadExecutor>,
    engine: Arc<DefaultEngine<TokioMultiThreadExecutor>>,
}

impl Storage {
    /// Connects. No request is sent yet.
    ///
    /// # Errors
    /// [`OutputError::Unusable`] if the settings do not fit the storage.
    pub(super) fn connect(
        settings: &DeltaSettings,
        (retries, pause): (u32, Duration),
    ) -> Result<Self, OutputError> {
        let mut url = settings.url.clone();
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let unusable = |why: String| OutputError::Unusable {
            address: url.to_string(),
            why,
            advice: "correct this output's settings".to_owned(),
        };
        let retries = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: pause,
                max_backoff: LONGEST_PAUSE.max(pause),
                base: 2.0,
            },
            max_retries: retries as usize,
            retry_timeout: Duration::from_secs(300),
        };
        let objects = objects(settings, &url, retries)
            .map_err(|error| unusable(one_line(&error.to_string())))?;
        let executor =
            TokioMultiThreadExecutor::new_owned_runtime(Some(THREADS), Some(2 * THREADS))
                .map_err(|error| unusable(one_line(&error.to_string())))?;
        let executor = Arc::new(executor);
        let engine = DefaultEngineBuilder::new(Arc::clone(&objects))
            .with_task_executor(Arc::clone(&executor))
            .with_buffer_size(READ_AHEAD)
            .with_batch_size(READ_ROWS)
            .build();
        Ok(Self {
            url,
            objects,
            executor,
            engine: Arc::new(engine),
        })
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(super) fn shared_engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine) as Arc<dyn Engine>
    }

    pub(super) fn objects(&self) -> Arc<DynObjectStore> {
        Arc::clone(&self.objects)
    }

    /// Waits for work on the storage.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.executor.block_on(work)
    }

    /// The path of a file of the table, as the storage names it.
    pub(super) fn path(&self, url: &Url) -> Result<Path, OutputError> {
        Path::from_url_path(url.path()).map_err(|error| self.unusable(&error))
    }

    /// A fault of the storage or of the table: whether a later attempt may succeed.
    pub(super) fn fault(&self, error: &KernelError) -> OutputError {
        match error {
            KernelError::IOError(_) | KernelError::ObjectStore(_) => self.unavailable(error),
            KernelError::Backtraced { source, .. } => self.fault(source),
            error => self.unusable(error),
        }
    }

    /// A later attempt may succeed.
    pub(super) fn unavailable(&self, error: &dyn std::fmt::Display) -> OutputError {
        OutputError::Unavailable {
            address: self.url.to_string(),
            why: one_line(&error.to_string()),
            tries: 1,
        }
    }

    pub(super) fn unusable(&self, error: &dyn std::fmt::Display) -> OutputError {
        OutputError::Unusable {
            address: self.url.to_string(),
            why: one_line(&error.to_string()),
            advice: "look at the table and this output's settings".to_owned(),
        }
    }
}

fn objects(
    settings: &DeltaSettings,
    url: &Url,
    retries: RetryConfig,
) -> object_store::Result<Arc<DynObjectStore>> {
    let (scheme, _) = ObjectStoreScheme::parse(url)?;
    let connector = Connector(settings.client.clone());
    let secret = settings.secret_access_key.as_ref().map(Secret::expose);
    let is_http = |endpoint: &Url| endpoint.scheme() == "http";
    let options =
        ClientOptions::new().with_allow_http(settings.endpoint.as_ref().is_some_and(is_http));
    // An endpoint has no slash at its end: the bucket comes after it.
    let endpoint = settings.endpoint.as_ref().map(Url::as_str);
    let endpoint = endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned());
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let mut builder = aws::AmazonS3Builder::from_env()
                .with_url(url.as_str())
                .with_client_options(options)
                .with_virtual_hosted_style_request(settings.virtual_hosted)
                .with_http_connector(connector)
                .with_retry(retries);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            if let Some(region) = &settings.region {
                builder = builder.with_region(region);
            }
            if let Some(id) = &settings.access_key_id {
                builder = builder.with_access_key_id(id);
            }
            if let Some(secret) = secret {
                builder = builder.with_secret_access_key(secret);
            }
            Arc::new(builder.build()?)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let mut builder = azure::MicrosoftAzureBuilder::from_env()
                .with_url(url.as_str())
                .with_client_options(options)
                .with_http_connector(connector)
                .with_retry(retries);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            if let Some(account) = &settings.access_key_id {
                builder = builder.with_account(account);
            }
            if let Some(secret) = secret {
                builder = builder.with_access_key(secret);
            }
            Arc::new(builder.build()?)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let mut builder = gcp::GoogleCloudStorageBuilder::from_env()
                .with_url(url.as_str())
                .with_client_options(options)
                .with_http_connector(connector)
                .with_retry(retries);
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(&endpoint);
            }
            if let Some(secret) = secret {
                builder = builder.with_service_account_key(secret);
            }
            Arc::new(builder.build()?)
        }
        _ => Arc::new(LocalFileSystem::new()),
    })
}

/// Sends the requests of object storage with our own client: TLS, proxy and timeouts are those of the settings.
#[derive(Debug)]
struct Connector(ClientSettings);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        match storage_client(&self.0) {
            Ok(client) => Ok(HttpClient::new(client)),
            Err(error) => Err(object_store::Error::Generic {
                store: "HTTP client",
                source: error.into(),
            }),
        }
    }
}
