//! Serves a model over HTTP on a loopback port.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::form_urlencoded;

use super::{Clock, Model, Reply};

/// The path of the only resource, DOAJ's own for articles.
const PATH: &str = "/oai.article";

/// A form with the arguments of one request is far below this many bytes.
const MAX_FORM_BYTES: usize = 1 << 20;

/// A served model. Dropping it stops the server without waiting for requests in progress.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

#[derive(Debug)]
struct Shared {
    model: Mutex<Model>,
    clock: Clock,
    gzip: bool,
    requests: Mutex<Vec<LoggedRequest>>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct LoggedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The arguments in order, decoded: those of the URL, then those of the form.
    pub arguments: Vec<(String, String)>,
    /// The `User-Agent`, if it could be read.
    pub user_agent: Option<String>,
    /// All header fields that could be read, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When it had arrived, arguments and all.
    pub at: Instant,
}

impl LoggedRequest {
    /// The first argument of this name.
    pub fn argument(&self, name: &str) -> Option<&str> {
        let (_, value) = self.arguments.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// The first header field of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(value)
    }
}

impl Server {
    /// Serves `model` on a free port of 127.0.0.1, uncompressed.
    ///
    /// # Errors
    /// If no loopback port can be had.
    pub async fn start(model: Model, clock: Clock) -> io::Result<Self> {
        Self::listen(model, clock, false).await
    }

    /// As [`Server::start`], but answers are compressed with gzip for clients that accept it.
    ///
    /// # Errors
    /// If no loopback port can be had.
    pub async fn start_with_gzip(model: Model, clock: Clock) -> io::Result<Self> {
        Self::listen(model, clock, true).await
    }

    async fn listen(mut model: Model, clock: Clock, gzip: bool) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        model.base_url = base_url(address);
        let shared = Arc::new(Shared {
            model: Mutex::new(model),
            clock,
            gzip,
            requests: Mutex::default(),
        });
        let app = Router::new()
            .route(PATH, axum::routing::get(handle).post(handle))
            .with_state(shared.clone());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            axum::serve(listener, app)
                // A dropped sender stops the server as well.
                .with_graceful_shutdown(async { drop(stopped.await) })
                .await
        });
        Ok(Self {
            address,
            shared,
            stop,
            task,
        })
    }

    /// The base URL to harvest.
    pub fn base_url(&self) -> String {
        base_url(self.address)
    }

    /// The clock that answers go by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Looks into the model or changes it, between requests.
    pub fn with_model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut lock(&self.shared.model))
    }

    /// The requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Stops listening and waits until the requests in progress are answered.
    pub async fn shutdown(self) {
        drop(self.stop);
        // Neither a failed accept nor a panic of the server concerns those who stop it.
        drop(self.task.await);
    }
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}{PATH}")
}

/// A model is whole after every call, so one that panicked elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let mut arguments = pairs(query.as_bytes());
    if is_form(&parts.headers) {
        let Ok(form) = to_bytes(body, MAX_FORM_BYTES).await else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE);
        };
        arguments.extend(pairs(&form));
    }
    let readable = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    let headers: Vec<(String, String)> = parts.headers.iter().filter_map(readable).collect();
    let mut logged = LoggedRequest {
        method: parts.method.to_string(),
        arguments,
        user_agent: None,
        headers,
        at: Instant::now(),
    };
    logged.user_agent = logged.header("user-agent").map(str::to_owned);
    let gzip = shared.gzip
        && logged
            .header("accept-encoding")
            .is_some_and(|accepted| accepted.contains("gzip"));
    let reply = lock(&shared.model).answer(&logged.arguments, shared.clock.now());
    lock(&shared.requests).push(logged);
    respond(reply, gzip)
}

fn respond(reply: Reply, gzip: bool) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body = if gzip {
        response = response.header(header::CONTENT_ENCODING, "gzip");
        compress(&reply.body)
    } else {
        Ok(reply.body)
    };
    body.ok()
        .and_then(|body| response.body(Body::from(body)).ok())
        .unwrap_or_else(|| refuse(StatusCode::INTERNAL_SERVER_ERROR))
}

fn refuse(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn compress(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}
