//! The settings that only outputs of type `delta` have.

use std::time::Duration;

use url::Url;

use crate::http::{ClientSettings, Secret, Timeouts};
use crate::output::OutputSettings;
use crate::output::target::{OutputError, TableTarget};
use crate::stop::Stop;

/// The URL schemes of storage that a table can be on.
pub(crate) const SCHEMES: [&str; 6] = ["file", "s3", "s3a", "az", "abfss", "gs"];

/// The settings of a table. Each names the configuration key that sets it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaSettings {
    /// `url`: the folder of the table.
    pub url: Url,
    /// `endpoint`: the address of the object storage; `None` for the one of the cloud.
    pub endpoint: Option<Url>,
    /// `region`: the region of the bucket.
    pub region: Option<String>,
    /// `virtual_hosted`: whether the host name of the endpoint has the bucket.
    pub virtual_hosted: bool,
    /// `access_key_id`: the id of the access key, or the storage account.
    pub access_key_id: Option<String>,
    /// `secret_access_key`: the secret access key, account key or service account.
    pub secret_access_key: Option<Secret>,
    /// How to connect to object storage. Its credentials are not used.
    pub client: ClientSettings,
}

impl DeltaSettings {
    /// The defaults for the table at `url`.
    pub fn new(url: Url) -> Self {
        let mut client = ClientSettings::new(url.clone());
        client.timeouts = Timeouts {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(300),
            ..Timeouts::default()
        };
        Self {
            url,
            endpoint: None,
            region: None,
            virtual_hosted: false,
            access_key_id: None,
            secret_access_key: None,
            client,
        }
    }

    /// Connects to the storage of the table, see [`ConnectTable`](crate::output::target::ConnectTable).
    #[cfg(feature = "delta")]
    pub(crate) fn connect(
        &self,
        output: &OutputSettings,
        stop: Stop,
    ) -> Result<Box<dyn TableTarget>, OutputError> {
        Ok(Box::new(super::table::Table::connect(self, output, stop)?))
    }

    /// Says that this build has no outputs of this type.
    #[cfg(not(feature = "delta"))]
    pub(crate) fn connect(
        &self,
        _: &OutputSettings,
        _: Stop,
    ) -> Result<Box<dyn TableTarget>, OutputError> {
        Err(self.not_built())
    }

    /// Says that this build has no outputs of this type.
    #[cfg(not(feature = "delta"))]
    pub(crate) fn not_built(&self) -> OutputError {
        OutputError::Unusable {
            address: self.url.to_string(),
            why: NOT_BUILT.to_owned(),
            advice: "use a program that was built with the feature delta".to_owned(),
        }
    }
}

/// What a program without this type of output says.
#[cfg(not(feature = "delta"))]
pub(crate) const NOT_BUILT: &str = "this program was built without the delta output";
