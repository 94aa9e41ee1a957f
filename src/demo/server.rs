//! Serves a model over HTTP on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::form_urlencoded;

use super::Model;
use crate::clock::Clock;
use crate::oai::Datestamp;

/// The path of the only resource, DOAJ's own for articles.
const PATH: &str = "/oai.article";

/// A served model. Dropping it stops the server without waiting for requests in progress.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `model` on a free port of 127.0.0.1, with the system's clock.
    ///
    /// # Errors
    /// If no loopback port can be had.
    pub async fn start(mut model: Model) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        model.base_url = base_url(address);
        let app = Router::new()
            .route(PATH, axum::routing::get(handle))
            .with_state(Arc::new(model));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            axum::serve(listener, app)
                // A dropped sender stops the server as well.
                .with_graceful_shutdown(async { drop(stopped.await) })
                .await
        });
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// The base URL to harvest.
    pub fn base_url(&self) -> String {
        base_url(self.address)
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

async fn handle(State(model): State<Arc<Model>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let arguments: Vec<(String, String)> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let now = Datestamp::from_unix(Clock::System.now_seconds());
    let reply = model.answer(&arguments, now);
    ([(CONTENT_TYPE, "text/xml; charset=utf-8")], reply.body)
}
