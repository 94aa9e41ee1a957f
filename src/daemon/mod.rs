//! The service: `harvestd daemon` from its start to its end.
//!
//! - `conductor`: which passes run now
//! - `delivery`: which outputs are pushed to, and which files are written
//! - `standing`: what is known of the last pass
//! - `wish`: what someone may want of a source
//! - `nudge`: ticks
//! - `alert`: who is told of what
//! - `board`: what everybody may see of what goes on
//! - `overview`: the same with what the store has
//! - `http`: status page, metrics, API; the only place with types of the HTTP server
//! - `upkeep`: what is done once a day
//! - `search`: the search index
//! - `rest`: giving memory back when nothing runs
//! - `digest`: how the last day was, in a line
//! - `systemd`: what the service manager is told

mod alert;
mod board;
mod conductor;
mod delivery;
mod digest;
mod http;
mod nudge;
mod overview;
mod rest;
mod search;
mod standing;
mod systemd;
mod upkeep;
mod wish;

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Config;
use crate::harvest::progress::Progress;
use crate::stop::Stop;
use crate::store::Store;
use board::{Board, Watch};
use conductor::Conductor;
use delivery::Deliveries;

/// Wishes that may wait for the conductor.
const WAITING_WISHES: usize = 16;

/// What the service is given by whoever starts it.
pub struct Service {
    /// Our clock.
    pub clock: Clock,
    /// Who watches the passes.
    pub progress: Arc<dyn Progress>,
    /// Reads the configuration again, or says what is wrong with it.
    pub reload: Box<dyn Fn() -> Result<Config, String>>,
}

/// Runs the service until `stop`: harvests by schedule, serves HTTP, reads the configuration again
/// whenever `reload` has something.
///
/// # Errors
/// If it cannot start: the store or the address cannot be had. Once it runs, troubles are told and
/// not given up over.
pub async fn run(
    config: Config,
    mut service: Service,
    stop: Stop,
    reload: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let listen = config.daemon.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen}"))?;
    let address = listener.local_addr().context("asking for our address")?;
    let store = Arc::new(Store::open(&config.store)?);
    let _lock = store.lock_daemon()?;
    let path = config.store.clone();
    let board = Arc::new(Board::new(service.clock.clone(), Arc::new(config.clone())));
    service.progress = Arc::new(Watch {
        board: Arc::clone(&board),
        next: Arc::clone(&service.progress),
    });
    let clock = service.clock.clone();
    let conductor = Conductor::new(config, Arc::clone(&store), Arc::clone(&board), service)?;
    let deliveries = Deliveries::new(Arc::clone(&store), Arc::clone(&board), clock)?;

    let (wishes, commands) = mpsc::channel(WAITING_WISHES);
    let (delivery_wishes, delivery_commands) = mpsc::channel(WAITING_WISHES);
    let look = Arc::new(Notify::new());
    let mut ticks = nudge::start(Arc::clone(&look))
        .await
        .context("starting the scheduler")?;
    let mut helpers = JoinSet::new();
    helpers.spawn(upkeep::run(Arc::clone(&store), Arc::clone(&board)));
    helpers.spawn(rest::run(Arc::clone(&store), Arc::clone(&board)));
    helpers.spawn(alert::run(Arc::clone(&store), Arc::clone(&board)));
    let delivering = tokio::spawn(deliveries.run(stop.clone(), delivery_commands));
    helpers.spawn(search::follow(path.clone(), Arc::clone(&board)));
    helpers.spawn(systemd::feed_watchdog(Arc::clone(&board), path.clone()));
    helpers.spawn(http::serve(
        listener,
        http::Shared {
            board: Arc::clone(&board),
            store: path,
            wishes,
            deliveries: delivery_wishes,
            stop: stop.clone(),
        },
    ));
    tracing::info!("ready; status at http://{address}/");
    systemd::ready();

    conductor.run(stop, look, commands, reload).await;
    if let Err(error) = delivering.await {
        tracing::error!("deliveries broke off: {error}");
    }

    if let Err(error) = ticks.shutdown().await {
        tracing::warn!("ending the scheduler: {error}");
    }
    helpers.shutdown().await;
    if let Err(error) = store.optimize().and_then(|()| store.checkpoint()) {
        tracing::warn!("{error}");
    }
    tracing::info!("stopped");
    Ok(())
}
