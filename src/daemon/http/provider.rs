//! The OAI-PMH provider over HTTP: on the address of the status page, or on one of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Extension, RawQuery, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;

use super::headers;
use super::listener::{self, Client, Connections, Limits};
use super::places::{LargePlace, Places};
use crate::daemon::status::StatusRegistry;
use crate::provider::{Answer, ProviderSettings, Repository};
use crate::stop::Stop;
use crate::store::{Reader, ServingClock, SetMap, StoreError};

/// Connections to the store that are kept between requests.
const READERS: usize = 4;

/// Answers below this size are not compressed.
const SMALL_BYTES: usize = 1_024;

/// When to come again after an answer without content.
const RETRY_AFTER: &str = "10";

/// What the handler works with.
pub(in crate::daemon) struct Provider {
    registry: Arc<StatusRegistry>,
    store: PathBuf,
    places: Arc<Places>,
    readers: Mutex<Vec<Reader>>,
    clock: Mutex<ShownClock>,
    set_map: SetMap,
}

/// The store's clock, and the second that it was moved to last.
#[derive(Default)]
struct ShownClock {
    clock: Option<ServingClock>,
    second: i64,
}

impl Provider {
    /// The provider of a daemon with this many connections at most.
    pub(in crate::daemon) fn new(
        registry: Arc<StatusRegistry>,
        store: PathBuf,
        connections: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry,
            store,
            places: Arc::new(Places::new(connections)),
            readers: Mutex::default(),
            clock: Mutex::default(),
            set_map: SetMap::default(),
        })
    }

    /// Answers on a thread that may block.
    fn answer(
        &self,
        settings: &ProviderSettings,
        base_url: &str,
        arguments: &str,
    ) -> Result<Answer, StoreError> {
        self.move_clock()?;
        let kept = self.lock_readers().pop();
        let reader = match kept {
            Some(reader) => reader,
            None => Reader::open(&self.store)?,
        };
        let repository = Repository {
            settings,
            base_url,
            set_map: &self.set_map,
        };
        let answer = repository.answer(&reader, arguments)?;
        let mut readers = self.lock_readers();
        if readers.len() < READERS {
            readers.push(reader);
        }
        Ok(answer)
    }

    /// Moves the store's clock to the present second, so that no later change gets an earlier one.
    fn move_clock(&self) -> Result<(), StoreError> {
        let second = self.registry.now_ms().div_euclid(1000);
        let mut shown = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        if second > shown.second {
            let clock = match shown.clock.take() {
                Some(clock) => clock,
                None => ServingClock::open(&self.store)?,
            };
            let moved = clock.advance(second);
            shown.clock = Some(clock);
            moved?;
            shown.second = second;
        }
        Ok(())
    }

    fn lock_readers(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes of the provider, at this path.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(
    provider: Arc<Provider>,
    path: &str,
) -> Router<S> {
    Router::new()
        .route(path, get(respond).post(respond))
        .with_state(provider)
}

/// Serves the provider alone on `listener` until the daemon stops.
pub(in crate::daemon) async fn serve_provider(
    listener: TcpListener,
    limits: Limits,
    provider: Arc<Provider>,
    path: String,
    stop: Stop,
) {
    let router: Router = routes(provider, &path)
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            plain(StatusCode::METHOD_NOT_ALLOWED, "send GET or POST")
        })
        .layer(middleware::from_fn(headers::add));
    let connections = Arc::new(Connections::new(limits));
    listener::serve(listener, router, connections, stop).await;
}

async fn respond(
    State(provider): State<Arc<Provider>>,
    Extension(client): Extension<Client>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let registry = Arc::clone(&provider.registry);
    let settings = registry.config().daemon.oai.clone();
    let Some(settings) = settings else {
        return plain(StatusCode::NOT_FOUND, "there is nothing at this path");
    };
    let mut arguments = query.unwrap_or_default();
    if method == Method::POST {
        if !is_form(&headers) {
            let message = "send the arguments as application/x-www-form-urlencoded";
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        if !arguments.is_empty() {
            arguments.push('&');
        }
        // What is not UTF-8 stays wrong.
        arguments.push_str(&String::from_utf8_lossy(&body).replace('\u{fffd}', "%FF"));
    }
    let base_url = base_url(&settings, &headers, &registry);
    let address = client.network();
    let is_small = method == Method::HEAD;
    let accepts_gzip = !is_small && accepts_gzip(&headers);
    let made = match provider.places.records(&client).await {
        Ok(place) => {
            let provider = Arc::clone(&provider);
            let work = move || {
                make(
                    &provider,
                    place,
                    &settings,
                    &base_url,
                    &arguments,
                    accepts_gzip,
                )
            };
            tokio::task::spawn_blocking(work).await.ok().flatten()
        }
        Err(_) => None,
    };
    let answer = made.as_ref().map(|made| (&made.answer, made.bytes));
    registry.usage().count(address, registry.now_ms(), answer);
    let Some(made) = made else {
        let message = "the repository is busy; come again in some seconds";
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, message);
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        return response;
    };
    let mut response = Response::new(made.body);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if made.is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// An answer that is ready to be sent.
struct Made {
    /// The answer, without its document.
    answer: Answer,
    /// The size of the document, before compression.
    bytes: usize,
    body: Body,
    is_compressed: bool,
}

/// Makes an answer; `None` if the store cannot be read.
fn make(
    provider: &Provider,
    place: LargePlace,
    settings: &ProviderSettings,
    base_url: &str,
    arguments: &str,
    accepts_gzip: bool,
) -> Option<Made> {
    match provider.answer(settings, base_url, arguments) {
        Ok(mut answer) => {
            let mut bytes = std::mem::take(&mut answer.body);
            let whole = bytes.len();
            let is_compressed = accepts_gzip && whole >= SMALL_BYTES;
            if is_compressed {
                let mut encoder =
                    GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
                encoder.write_all(&bytes).ok()?;
                bytes = encoder.finish().ok()?;
            }
            Some(Made {
                answer,
                bytes: whole,
                body: place.body(bytes),
                is_compressed,
            })
        }
        Err(error) => {
            tracing::warn!("answering an OAI-PMH request: {error}");
            None
        }
    }
}

/// An answer for people. It says nothing of the store.
fn plain(status: StatusCode, message: &'static str) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        message,
    )
        .into_response()
}

fn is_form(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether the client takes gzip.
///
/// Source: RFC 9110, 12.5.3.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for part in value.to_str().unwrap_or_default().split(',') {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            let is_wanted = weight
                .trim()
                .parse::<f32>()
                .is_ok_and(|weight| weight > 0.0);
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => return is_wanted,
                "*" => any = Some(is_wanted),
                _ => {}
            }
        }
    }
    any.unwrap_or(false)
}

/// The base URL: the configured one, or the one that the request was sent to.
fn base_url(settings: &ProviderSettings, headers: &HeaderMap, registry: &StatusRegistry) -> String {
    if let Some(url) = &settings.base_url {
        return url.clone();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let host = host.filter(|host| !host.as_str().contains('@'));
    let listen = settings.listen.unwrap_or(registry.config().daemon.listen);
    let host = host.map_or_else(|| listen.to_string(), |host| host.to_string());
    format!("http://{host}{}", settings.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::store::ChangeFilter;

    fn provider() -> Arc<Provider> {
        let mut config = Config::bare("no such store");
        config.daemon.oai = Some(ProviderSettings {
            listen: None,
            path: "/oai".to_owned(),
            repository_name: "name".to_owned(),
            admin_emails: vec!["a@b.org".to_owned()],
            base_url: None,
            page_size: 200,
            formats: Vec::new(),
            filter: ChangeFilter::default(),
            identifier_namespace: "example.org".to_owned(),
            forgets_deletions: false,
        });
        let clock = Clock::Manual(Arc::new(1_000.into()));
        let registry = Arc::new(StatusRegistry::new(clock, Arc::new(config)));
        Provider::new(registry, "no such store".into(), 128)
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_for_which_there_is_no_place_is_asked_to_come_again() {
        let provider = provider();
        let client = |number: u8| Client::of([192, 0, 2, number].into());
        let mut others = Vec::new();
        for number in 1..=4 {
            let place = provider.places.records(&client(number)).await;
            others.push(place.expect("four answers are made at a time"));
        }
        let begun = tokio::time::Instant::now();
        let answer = respond(
            State(Arc::clone(&provider)),
            Extension(client(5)),
            Method::GET,
            HeaderMap::new(),
            RawQuery(Some("verb=ListRecords&metadataPrefix=oai_dc".to_owned())),
            Bytes::new(),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], RETRY_AFTER);
        assert_eq!(begun.elapsed().as_secs(), 30);
        others.pop();
        assert!(provider.places.records(&client(5)).await.is_ok());
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (given, expected) in [
            ("", false),
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("*", true),
            ("*;q=0", false),
            ("*, gzip;q=0", false),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(given));
            assert_eq!(accepts_gzip(&headers), expected, "{given}");
        }
    }
}
