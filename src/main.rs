//! The `harvestd` program: arguments, configuration, logs, one command, exit status.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use harvestd::allocator;
use harvestd::cli::args::{Cli, Command, Global};
use harvestd::cli::exit::Exit;
use harvestd::cli::{
    audit, backup, check_config, completions, control, daemon, dedup, export, forget, harvest,
    identify, import, init, logging, man, migrate, progress, push, quarantine, reconcile, rejected,
    report, restore, show, sources, status, table::Screen, verify,
};
use harvestd::clock::Clock;
use harvestd::config::{self, Config, Environment, Overrides, Secrets};
use indicatif::MultiProgress;
use rustix::process::Resource;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = Cli::of_process();
    allocator::tune();
    allow_many_files();
    let exit = match run(&cli) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = Exit::after(&error);
            if exit != Exit::Done {
                report(&error);
            }
            exit
        }
    };
    exit.into()
}

/// Writes an error to standard error; a configuration has one line for each fault.
fn report(error: &anyhow::Error) {
    let mut stderr = io::stderr().lock();
    for line in format!("{error:#}").lines() {
        // Without standard error there is nobody to tell.
        let _ = writeln!(stderr, "error: {line}");
    }
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let mut out = io::stdout();
    match &cli.command {
        Command::Completions(args) => completions::run(args, &mut out)?,
        Command::Man(args) => man::run(args, &mut out)?,
        Command::CheckConfig(args) if args.print_sample => {
            out.write_all(config::sample().as_bytes())?;
        }
        Command::CheckConfig(args) if args.print_reference => {
            out.write_all(config::reference().as_bytes())?;
        }
        Command::CheckConfig(args) => {
            let (config, _) = start(&cli.global, Secrets::Reported)?;
            // As JSON there is one object: what was asked for.
            if !(args.online && cli.global.json) {
                check_config::run(&config, cli.global.json, &mut out)?;
            }
            if args.online {
                let asked = check_config::ask_outputs(&config, cli.global.json, &mut out);
                return runtime()?.block_on(asked);
            }
        }
        Command::Harvest(args) => {
            let started = match start(&cli.global, args.secrets()) {
                Err(error) if args.demo && cli.global.config.is_none() => {
                    let overrides = Overrides {
                        ignore_usual_places: true,
                        ..cli.global.overrides()
                    };
                    // To a newcomer the demo says more than the faults of a file.
                    let started = start_with(&cli.global, &overrides, args.secrets());
                    tracing::warn!("the demo goes on without the configuration: {error:#}");
                    started
                }
                started => started,
            };
            let (mut config, bars) = started?;
            if args.demo && cli.global.store.is_none() {
                config.store.set_file_name("harvestd-demo.db");
            }
            return runtime()?.block_on(harvest::run(args, &cli.global, &config, &bars, &mut out));
        }
        Command::Reconcile(args) => {
            let (config, bars) = start(&cli.global, Secrets::Required)?;
            let work = reconcile::run(args, &cli.global, &config, &bars, &mut out);
            return runtime()?.block_on(work);
        }
        // The secrets of sources may be for another user; one that the output lacks is told by it.
        Command::Push(args) => {
            let (config, bars) = start(&cli.global, Secrets::Reported)?;
            return runtime()?.block_on(push::run(args, &cli.global, &config, &bars, &mut out));
        }
        Command::Rejected(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            rejected::run(args, &config, cli.global.json, &mut out)?;
        }
        Command::Quarantine(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            quarantine::run(args, &config, cli.global.json, &mut out)?;
        }
        Command::Audit(args) => {
            let (config, bars) = start(&cli.global, Secrets::Reported)?;
            return runtime()?.block_on(audit::run(args, &cli.global, &config, &bars, &mut out));
        }
        Command::Report(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            let (screen, now_ms) = (Screen::of_stdout(&cli.global), Clock::System.now_ms());
            report::run(args, &config, cli.global.json, now_ms, screen, &mut out)?;
        }
        Command::Status(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            let (screen, now_ms) = (Screen::of_stdout(&cli.global), Clock::System.now_ms());
            status::run(args, &config, cli.global.json, now_ms, screen, &mut out)?;
        }
        Command::Sources(args) => return sources(args, &cli.global, &mut out),
        Command::Pause(args) => control(control::Action::Pause, args, &cli.global, &mut out)?,
        Command::Resume(args) => control(control::Action::Resume, args, &cli.global, &mut out)?,
        Command::Run(args) => control(control::Action::Run, args, &cli.global, &mut out)?,
        Command::Forget(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            forget::run(args, &config, cli.global.json, &mut out)?;
        }
        Command::Export(args) => {
            let (config, bars) = start(&cli.global, Secrets::Unread)?;
            return runtime()?.block_on(export::run(args, &cli.global, &config, &bars, &mut out));
        }
        Command::Show(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            let exit = show::run(args, cli.global.json, &config, &mut out)?;
            out.flush()?;
            return Ok(exit);
        }
        Command::Identify(args) => {
            let (config, _) = start(&cli.global, args.secrets())?;
            let exit = runtime()?.block_on(identify::run(args, &cli.global, &config, &mut out))?;
            out.flush()?;
            return Ok(exit);
        }
        Command::Init(args) => {
            // A configuration that is there may be of no use, and is not needed.
            let overrides = Overrides {
                config: None,
                ignore_usual_places: true,
                ..cli.global.overrides()
            };
            let (_, bars) = start_with(&cli.global, &overrides, Secrets::Unread)?;
            let work = init::run(args, &cli.global, &bars, &mut out);
            let exit = runtime()?.block_on(work)?;
            out.flush()?;
            return Ok(exit);
        }
        Command::Dedup(args) => {
            let mut overrides = cli.global.overrides();
            if args.action.is_filter() {
                // A filter gives the same on every machine, whatever is configured there, and opens no store.
                overrides.ignore_usual_places = true;
                overrides.store.get_or_insert_default();
            }
            let (config, _) = start_with(&cli.global, &overrides, Secrets::Unread)?;
            let (json, now_ms) = (cli.global.json, Clock::System.now_ms());
            let screen = Screen::of_stdout(&cli.global);
            let exit = dedup::run(args, &config, json, now_ms, screen, &mut out)?;
            out.flush()?;
            return Ok(exit);
        }
        Command::Daemon(args) => {
            let (config, _) = start(&cli.global, args.secrets())?;
            return runtime()?.block_on(daemon::run(args, &cli.global, config));
        }
        Command::Restore(args) => {
            let (config, bars) = start(&cli.global, Secrets::Reported)?;
            let restored = restore::run(args, cli.global.json, &config, &bars, &mut out);
            return runtime()?.block_on(restored);
        }
        Command::Backup(args) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            backup::run(args, &config, cli.global.json, &mut out)?;
        }
        Command::Migrate(_) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            migrate::run(&config, cli.global.json, &mut out)?;
        }
        Command::Verify(_) => {
            let (config, _) = start(&cli.global, Secrets::Unread)?;
            let exit = verify::run(&config, cli.global.json, &mut out)?;
            out.flush()?;
            return Ok(exit);
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Loads the configuration and starts the log; what is returned with it draws the progress bars.
fn start(global: &Global, secrets: Secrets) -> anyhow::Result<(Config, MultiProgress)> {
    start_with(global, &global.overrides(), secrets)
}

fn start_with(
    global: &Global,
    overrides: &Overrides,
    secrets: Secrets,
) -> anyhow::Result<(Config, MultiProgress)> {
    let config = config::load(overrides, &Environment::of_process(), secrets)?;
    let bars = progress::bars(logging::bars_fit(global, &config));
    logging::init(global, &config, &bars)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok((config, bars))
}

fn control(
    action: control::Action,
    args: &control::Args,
    global: &Global,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    // Only the token of the daemon is needed, and what is missing is told then.
    let (config, _) = start(global, Secrets::Reported)?;
    runtime()?.block_on(control::run(action, args, &config, global.json, out))
}

/// Runs `harvestd sources`, whose actions are those of other commands too.
fn sources(args: &sources::Args, global: &Global, out: &mut impl Write) -> anyhow::Result<Exit> {
    use sources::Action;
    let json = global.json;
    let (screen, now_ms) = (Screen::of_stdout(global), Clock::System.now_ms());
    let config = || start(global, Secrets::Unread).map(|(config, _)| config);
    match &args.action {
        None => sources::list(&args.list, &config()?, json, now_ms, screen, out)?,
        Some(Action::List(list)) => sources::list(list, &config()?, json, now_ms, screen, out)?,
        Some(Action::Show(args)) => {
            let args = status::Args {
                sources: args.sources.clone(),
                all: false,
            };
            status::run(&args, &config()?, json, now_ms, screen, out)?;
        }
        Some(Action::Enable(args)) => control(control::Action::Resume, args, global, out)?,
        Some(Action::Disable(args)) => control(control::Action::Pause, args, global, out)?,
        Some(Action::Forget(args)) => forget::run(args, &config()?, json, out)?,
        Some(Action::Import(args)) => {
            return runtime()?.block_on(import::run(args, &config()?, json, out));
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Each host that is harvested takes a connection, and the usual limit of open files is for programs of the
/// past.
fn allow_many_files() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Then the program has to do with the files that it may open.
        let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    }
}

/// The threads that may block: those that store and parse pages, resolve names, read the store for answers
/// and write exports. All of these are bounded, whatever the number of sources.
const BLOCKING_THREADS: usize = 32;

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("starting the runtime")
}
