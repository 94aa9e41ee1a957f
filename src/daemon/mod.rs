//! The service: `harvestd daemon` from its start to its end.
//!
//! - `scheduler`: starts passes, reconciles, pushes and exports when they are due
//! - `status`: how far running jobs are, and whether the daemon works
//! - `overview`: the status together with what the store has
//! - `http`: status page, metrics, API; the only module with types of the HTTP server
//! - `alert`: tells people when something fails and when it works again
//! - `upkeep`: the daily work on the store
//! - `digest`: the summary of the last day, in one line
//! - `search`: keeps the search index up to date
//! - `usage`: who harvests the OAI-PMH provider
//! - `memory`: gives memory back while no job runs
//! - `systemd`: messages to the service manager

mod alert;
mod digest;
mod http;
mod memory;
mod overview;
mod scheduler;
mod search;
mod status;
mod systemd;
mod upkeep;
mod usage;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Config;
use crate::files;
use crate::harvest::progress::Progress;
use crate::stop::Stop;
use crate::store::Store;
use scheduler::{Scheduler, ticker};
use status::{Observer, StatusRegistry};

/// Commands that may wait for the scheduler.
const WAITING_COMMANDS: usize = 16;

/// What the service is given by its starter.
pub struct Service {
    /// Our clock.
    pub clock: Clock,
    /// Observes the passes.
    pub progress: Arc<dyn Progress>,
    /// Reads the configuration again, or says what is wrong with it.
    pub reload: Box<dyn Fn() -> Result<Config, String>>,
}

/// Runs the service until `stop`: runs jobs by schedule, serves HTTP, and reads the configuration again for
/// each message of `reload`.
///
/// An error means that it cannot start: the store or the address is not available. Later errors are logged
/// and shown, and the service goes on.
pub async fn run(
    config: Config,
    mut service: Service,
    stop: Stop,
    reload: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let listen = config.daemon.listen;
    let listener = http::bind(listen).with_context(|| format!("listening on {listen}"))?;
    let address = listener.local_addr().context("asking for our address")?;
    let oai = config.daemon.oai.clone();
    let oai_listener = match oai.as_ref().and_then(|oai| oai.listen) {
        Some(listen) => Some(http::bind(listen).with_context(|| format!("listening on {listen}"))?),
        None => None,
    };
    let store = Arc::new(Store::open(&config.store)?);
    let _lock = store.lock_daemon()?;
    let path = config.store.clone();
    let config_connections = config.daemon.max_connections;
    let limits = http::Limits {
        connections: config.daemon.max_connections,
        http2: config.daemon.http2,
        ..http::Limits::default()
    };
    let registry = Arc::new(StatusRegistry::new(
        service.clock.clone(),
        Arc::new(config.clone()),
    ));
    service.progress = Arc::new(Observer {
        registry: Arc::clone(&registry),
        next: Arc::clone(&service.progress),
    });
    for settings in &config.exports {
        files::remove_leftovers(&settings.path);
    }
    let scheduler = Scheduler::new(config, Arc::clone(&store), Arc::clone(&registry), service)?;

    let (requests, commands) = mpsc::channel(WAITING_COMMANDS);
    let ticks = Arc::new(Notify::new());
    let mut ticker = ticker::start(Arc::clone(&ticks))
        .await
        .context("starting the ticker")?;
    let mut helpers = JoinSet::new();
    helpers.spawn(upkeep::run(Arc::clone(&store), Arc::clone(&registry)));
    helpers.spawn(memory::run(Arc::clone(&store), Arc::clone(&registry)));
    helpers.spawn(alert::run(Arc::clone(&store), Arc::clone(&registry)));
    helpers.spawn(search::follow(path.clone(), Arc::clone(&registry)));
    helpers.spawn(systemd::feed_watchdog(Arc::clone(&registry), path.clone()));
    if oai.is_some() {
        registry.usage().load(store.reader()?.harvesters()?);
        helpers.spawn(usage::save_always(
            Arc::clone(&store),
            Arc::clone(&registry),
        ));
    }
    let provider = oai.map(|oai| {
        let connections = config_connections;
        let provider = http::Provider::new(Arc::clone(&registry), path.clone(), connections);
        (provider, oai.path)
    });
    let provider = match (provider, oai_listener) {
        (Some((provider, oai_path)), Some(listener)) => {
            let stop = stop.clone();
            let address = listener.local_addr().context("asking for our address")?;
            tracing::info!("OAI-PMH at http://{address}{oai_path}");
            helpers.spawn(http::serve_provider(
                listener,
                limits.clone(),
                provider,
                oai_path,
                stop,
            ));
            None
        }
        (provider, _) => provider,
    };
    helpers.spawn(http::serve(
        listener,
        limits,
        http::Shared {
            registry: Arc::clone(&registry),
            store: path,
            commands: requests,
            stop: stop.clone(),
            provider,
        },
    ));
    tracing::info!("ready; status at http://{address}/");
    systemd::ready();

    scheduler.run(stop, ticks, commands, reload).await;

    if let Err(error) = ticker.shutdown().await {
        tracing::warn!("ending the ticker: {error}");
    }
    helpers.shutdown().await;
    let saved = registry.usage().save(&store, registry.now_ms());
    if let Err(error) = saved
        .and_then(|()| store.optimize())
        .and_then(|()| store.checkpoint())
    {
        tracing::warn!("{error}");
    }
    tracing::info!("stopped");
    Ok(())
}
