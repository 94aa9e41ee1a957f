//! `harvestd daemon`: the service.

use tokio::sync::mpsc;

use super::args::Global;
use super::exit::{Exit, UsageError};
use super::{dedup, progress, signals};
use crate::config::{self, Config, Environment, Secrets};
use crate::daemon::{self, Service};
use crate::harvest::{Clock, stop_switch};
use crate::store::Store;

/// Arguments of `daemon`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Harvests each configured source by its schedule, and shows what goes on at http://127.0.0.1:8017/.

Signals:
  TERM, INT  stop after the page at hand, within seconds; a second one stops at once
  HUP        read the configuration again; a wrong one is refused, and the old one stays

Examples:
  harvestd daemon
  harvestd daemon --config /etc/harvestd/harvestd.toml")]
pub struct Args {}

/// Runs the service until a signal ends it.
///
/// # Errors
/// If it cannot start.
pub async fn run(global: &Global, config: Config) -> anyhow::Result<Exit> {
    if config.sources.is_empty() {
        let message = match &config.file {
            Some(file) => format!("no source is configured in {}", file.display()),
            None => "no source is configured; there is no configuration file".to_owned(),
        };
        return Err(UsageError(message).into());
    }
    let (switch, stop) = stop_switch();
    signals::stop_on_signal(switch)?;
    let (hangups, reload) = mpsc::channel(1);
    signals::tell_hangups(hangups)?;
    let overrides = global.overrides();
    let service = Service {
        clock: Clock::System,
        progress: progress::lines(),
        reload: Box::new(move || {
            config::load(&overrides, &Environment::of_process(), Secrets::Required)
                .map_err(|error| error.to_string())
        }),
    };
    dedup::prepare(
        &Store::open(&config.store)?,
        &config.dedup,
        Clock::System.now_ms(),
    )?;
    daemon::run(config, service, stop, reload).await?;
    Ok(Exit::Done)
}
