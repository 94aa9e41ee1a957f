//! `harvestd pause`, `resume` and `run`: what the running service does with a source.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use url::Url;

use super::exit::UsageError;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Client, ClientSettings, Protocol, UNRESERVED_ONLY, error_text};
use crate::store::{JobChange, JobKey, JobKind, Store, StoreError};

/// The longest wait for the service's answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `pause`, `resume` and `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks the running service at the address listen of [daemon], with the token of [daemon]. Commands that another
user runs need that token in a file: --token-file.

Without a running service, pause and resume are noted in the store and hold from its next start.")]
pub struct Args {
    /// Names of configured sources
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,
    /// A file with the token, if the configuration has none that this user can read
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
}

/// What the service is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Begin no run until it is resumed; a run stops after its page.
    Pause,
    /// Begin runs again.
    Resume,
    /// Harvest now.
    Run,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Run => "run",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Run => "its harvest begins",
        }
    }
}

/// Sends the command for each source.
///
/// # Errors
/// If there is no token, the service does not answer or refuses, or has no such source.
pub async fn run(
    action: Action,
    args: &Args,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut results: Vec<Value> = Vec::new();
    for source in &args.sources {
        let done = one(action, source, args, config).await?;
        if as_json {
            results.push(json!({ "source": source, "result": done }));
        } else {
            writeln!(out, "{source}: {done}")?;
        }
    }
    if as_json {
        writeln!(out, "{}", json!({ "sources": results }))?;
    }
    Ok(())
}

async fn one(action: Action, source: &str, args: &Args, config: &Config) -> anyhow::Result<String> {
    if let Some(store) = store_without_service(config)? {
        return without_service(action, source, config, &store);
    }
    let token = token(args, config)?;
    let base = service_url(config);
    let name = utf8_percent_encode(source, UNRESERVED_ONLY);
    let url = base.join(&format!("/api/v1/sources/{name}/{}", action.word()))?;
    let protocol = Protocol {
        accept: "application/json",
        arguments: &[],
        is_whole: |_| false,
    };
    let client = Client::new(&ClientSettings::new(base.clone()), protocol)?;
    let request = client
        .request(Method::POST, url)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .timeout(PATIENCE);
    let answer = client.send(request).await.map_err(|error| {
        anyhow::anyhow!(
            "a service is running, but it does not answer at {base}: {}; check listen under [daemon]",
            error_text(&error.without_url())
        )
    })?;
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap_or_default();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let message = body["error"].as_str().unwrap_or("no reason given");
    match status {
        200..=299 => Ok(action.done().to_owned()),
        404 => Err(UsageError(format!(
            "the service has no source {source:?}; harvestd sources shows all names"
        ))
        .into()),
        401 => Err(UsageError(format!(
            "the service refuses the token: {message}; if the token has changed, restart the service"
        ))
        .into()),
        403 => Err(UsageError(format!(
            "the service takes no commands: {message}. Write a token into a file, name it as token_file \
             under [daemon], and reload the service"
        ))
        .into()),
        _ => bail!("the service answers HTTP {status}: {message}"),
    }
}

/// The store, if it exists and no service uses it.
fn store_without_service(config: &Config) -> anyhow::Result<Option<Store>> {
    // This command does not create a store.
    drop(crate::store::Reader::open(&config.store)?);
    let store = Store::open(&config.store)?;
    let locked = store.lock_daemon();
    match locked {
        Ok(_) => Ok(Some(store)),
        Err(StoreError::DaemonLocked { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Notes a pause or its end in the store.
fn without_service(
    action: Action,
    source: &str,
    config: &Config,
    store: &Store,
) -> anyhow::Result<String> {
    config.source(source)?;
    let paused = match action {
        Action::Pause => true,
        Action::Resume => false,
        Action::Run => {
            return Err(UsageError(format!(
                "no service is running with the store {}; without one: harvestd harvest {source}",
                config.store.display()
            ))
            .into());
        }
    };
    let change = |kind| (JobKey::new(kind, source), JobChange::Paused(paused));
    let changes = [JobKind::Harvest, JobKind::Reconcile].map(change);
    store.change_jobs(&changes, Clock::System.now_ms())?;
    Ok(format!(
        "{}; no service is running, and it holds from its next start",
        action.done()
    ))
}

fn token(args: &Args, config: &Config) -> anyhow::Result<String> {
    if let Some(path) = &args.token_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the token from {}", path.display()))?;
        return Ok(text.trim().to_owned());
    }
    match &config.daemon.token {
        Some(token) => Ok(token.expose().to_owned()),
        None => Err(UsageError(
            "commands to the service need its token: name a file as token_file under [daemon], or give \
             --token-file"
                .to_owned(),
        )
        .into()),
    }
}

/// The address at which this machine reaches the service.
fn service_url(config: &Config) -> Url {
    let mut listen = config.daemon.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Url::parse(&format!("http://{listen}/")).expect("an address and a port are a URL")
}
