//! `harvestd daemon`: the service.

use anyhow::Context;
use tokio::sync::mpsc;

use super::args::Global;
use super::exit::{Exit, UsageError};
use super::harvest::demo_source;
use super::{dedup, progress, signals};
use crate::clock::Clock;
use crate::config::{self, Config, Environment, Secrets};
use crate::daemon::{self, Service};
use crate::demo;
use crate::schedule::{Schedule, SourceSchedule, ticks};
use crate::stop::stop_switch;
use crate::store::Store;

/// Arguments of `daemon`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Harvests each configured source by its schedule, pushes to outputs, writes exports, and shows the status at
http://127.0.0.1:8017/.

Signals:
  TERM, INT  stop after the current page, within seconds; a second signal stops at once
  HUP        read the configuration again; a wrong one is refused, and the old one stays

Examples:
  harvestd daemon --demo        try it without network or configuration
  harvestd daemon
  harvestd daemon --config /etc/harvestd/harvestd.toml")]
pub struct Args {
    /// Harvest a sample repository inside the program each minute, and nothing else
    #[arg(long)]
    pub demo: bool,
}

impl Args {
    /// Which secrets the configuration has to have. The demo needs none.
    pub fn secrets(&self) -> Secrets {
        match self.demo {
            true => Secrets::Unread,
            false => Secrets::Required,
        }
    }
}

/// Runs the service until a signal ends it.
pub async fn run(args: &Args, global: &Global, config: Config) -> anyhow::Result<Exit> {
    let demo = match args.demo {
        true => Some(
            demo::start()
                .await
                .context("starting the demo repository on a loopback port")?,
        ),
        false => None,
    };
    let url = demo.as_ref().map(|server| server.base_url());
    let own_store = global.store.is_some();
    let arranged = move |config: Config| match &url {
        Some(url) => for_demo(config, url, own_store),
        None => Ok(config),
    };
    let config = arranged(config)?;
    if config.sources.is_empty() {
        let message = match &config.file {
            Some(file) => format!(
                "no source is configured in {}: add a [[source]]",
                file.display()
            ),
            None => "no source is configured; there is no configuration file".to_owned(),
        };
        return Err(UsageError(message).into());
    }
    let (switch, stop) = stop_switch();
    signals::stop_at_signal(switch, "stopping when what runs has reached a safe point")?;
    let (hangups, reload) = mpsc::channel(1);
    signals::tell_hangups(hangups)?;
    let (overrides, secrets) = (global.overrides(), args.secrets());
    let service = Service {
        clock: Clock::System,
        progress: progress::lines(),
        reload: Box::new(move || {
            let config = config::load(&overrides, &Environment::of_process(), secrets)
                .map_err(|error| error.to_string())?;
            arranged(config).map_err(|error| error.to_string())
        }),
    };
    dedup::prepare(
        &Store::open_and_migrate(&config.store)?,
        &config.dedup,
        Clock::System.now_ms(),
    )?;
    daemon::run(config, service, stop, reload).await?;
    if let Some(server) = demo {
        server.shutdown().await;
    }
    Ok(Exit::Done)
}

/// `config` with the demo repository as its only source, in a store of its own, without outputs and
/// exports.
fn for_demo(mut config: Config, url: &str, own_store: bool) -> anyhow::Result<Config> {
    let mut source = demo_source(url)?;
    source.schedule = SourceSchedule {
        pass: Schedule {
            ticks: ticks("* * * * *").map_err(anyhow::Error::msg)?,
            ..Schedule::on_request()
        },
        ..SourceSchedule::default()
    };
    if !own_store {
        config.store.set_file_name("harvestd-demo.db");
    }
    config.sources = vec![source];
    config.outputs.clear();
    config.exports.clear();
    Ok(config)
}
