//! The arguments that every command has, and the list of commands.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::{
    audit, backup, check_config, completions, control, daemon, dedup, export, forget, harvest,
    identify, init, man, migrate, push, quarantine, reconcile, rejected, report, restore, show,
    sources, status, verify,
};
use crate::config::{LogFormat, Overrides};
use crate::oai::{Datestamp, Granularity};

const AFTER_HELP: &str = "\
Examples:
  harvestd harvest --demo                 try it, without network or configuration
  harvestd init https://REPOSITORY/oai    write a configuration for a repository
  harvestd harvest                        harvest every configured source
  harvestd harvest https://doaj.org/oai.article --prefix oai_doaj
  harvestd status                         show records and problems of each source
  harvestd push                           send changes to the configured outputs
  harvestd export --format jsonl -o all.jsonl

Exit status:
  0  success; every source and output is complete
  1  another error
  2  wrong usage or configuration; correct it before you run the command again
  3  a source or an output is incomplete: the work done so far is kept, and the
     next run resumes; or some records could not be exported, all others were

Files:
  Configuration: ~/.config/harvestd/harvestd.toml, or else
  /etc/harvestd/harvestd.toml
  Store: ~/.local/share/harvestd/harvestd.db; /var/lib/harvestd/harvestd.db with
  the configuration in /etc; $STATE_DIRECTORY/harvestd.db as a systemd service

Environment:
  HARVESTD_CONFIG, HARVESTD_STORE, HARVESTD_CONTACT, HARVESTD_LOG,
  HARVESTD_LOG_FORMAT, HARVESTD_DAEMON_<KEY> for each key of [daemon],
  HARVESTD_SOURCE_<NAME>_<KEY> for each key of a source, and
  HARVESTD_OUTPUT_<NAME>_<KEY> for each key of an output";

/// Keeps a faithful copy of OAI-PMH repositories and feeds it to catalogues.
#[derive(Debug, Parser)]
#[command(name = "harvestd", version, propagate_version = true, after_help = AFTER_HELP)]
#[command(max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// Arguments of all commands.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands and options that delete records or confirm that they may be deleted. A slip of the fingers must not
/// lead to one of them.
const DESTRUCTIVE: [&str; 6] = [
    "forget",
    "reconcile",
    "--records",
    "--confirm",
    "--repair",
    "--all",
];

impl Cli {
    /// The arguments of this process. With wrong ones, the process ends with a message and exit status 2.
    pub fn of_process() -> Self {
        Self::try_parse().unwrap_or_else(|error| without_destructive_hints(error).exit())
    }
}

/// The error without suggestions of [`DESTRUCTIVE`] commands and options.
fn without_destructive_hints(mut error: clap::Error) -> clap::Error {
    for kind in [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
        ContextKind::Suggested,
    ] {
        let destroys = |text: &str| {
            text.split(|c: char| c.is_whitespace() || "'`\"".contains(c))
                .any(|word| DESTRUCTIVE.contains(&word))
        };
        let suggested = match error.get(kind) {
            Some(ContextValue::String(one)) => destroys(one),
            Some(ContextValue::Strings(all)) => all.iter().any(|one| destroys(one)),
            Some(ContextValue::StyledStrs(all)) => all.iter().any(|one| destroys(&one.to_string())),
            Some(ContextValue::StyledStr(one)) => destroys(&one.to_string()),
            _ => false,
        };
        if suggested {
            error.remove(kind);
        }
    }
    error
}

/// Arguments that every command has.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The configuration file [env: HARVESTD_CONFIG]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The store's database file [env: HARVESTD_STORE]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub store: Option<PathBuf>,
    /// Show only warnings and errors, and no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show more: -v also shows splits and repairs of lists, -vv what the libraries do
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Write the result to standard output as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// The format of log lines [default: text] [env: HARVESTD_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Use colours in log lines and progress; auto respects NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

impl Global {
    /// The configuration settings that the arguments override.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            config: self.config.clone(),
            store: self.store.clone(),
            ..Overrides::default()
        }
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch new, changed and deleted records of the sources into the store
    Harvest(harvest::Args),
    /// Find records that disappeared from the repository, and delete them
    Reconcile(reconcile::Args),
    /// Run as a service: harvest and deliver by schedule, with a status page
    Daemon(daemon::Args),
    /// Show the sources and their states
    Sources(sources::Args),
    /// Begin no run of a source until it is resumed
    Pause(control::Args),
    /// Begin runs of a paused source again
    Resume(control::Args),
    /// Let the running service harvest a source now
    Run(control::Args),
    /// Remove a source from the store
    Forget(forget::Args),
    /// Send changes to the outputs
    Push(push::Args),
    /// Show the documents that an output rejected, and why
    Rejected(rejected::Args),
    /// Compare an index with the store, and repair it
    Audit(audit::Args),
    /// Show the items that could not be read as records, and why
    Quarantine(quarantine::Args),
    /// Show the state of the store, of each source and of each output
    Status(status::Args),
    /// Show what each source brought in a period, and what is wrong with it
    Report(report::Args),
    /// Write a first configuration
    Init(init::Args),
    /// Show what a repository is: its name, formats, sets and peculiarities
    Identify(identify::Args),
    /// Write the records of the store to a file
    Export(export::Args),
    /// Show one record of the store
    Show(show::Args),
    /// Show, decide and rebuild which records describe one work
    Dedup(dedup::Args),
    /// Write a copy of the store while it is in use
    Backup(backup::Args),
    /// Make a store from a table that an output has written
    Restore(restore::Args),
    /// Check that the store is undamaged
    Verify(verify::Args),
    /// Bring the store of an older harvestd to the schema of this one
    Migrate(migrate::Args),
    /// Check the configuration and show what would be harvested
    CheckConfig(check_config::Args),
    /// Write a completion script for a shell
    Completions(completions::Args),
    /// Write the manual pages
    Man(man::Args),
}

/// Reads a lower bound: a day (its first second) or an instant.
pub(crate) fn lower_bound(text: &str) -> Result<Datestamp, String> {
    bound(text).map(|(datestamp, _)| datestamp)
}

/// Reads an upper bound, inclusive: a day (its last second) or an instant.
pub(crate) fn upper_bound(text: &str) -> Result<Datestamp, String> {
    bound(text).map(|(datestamp, granularity)| match granularity {
        Granularity::Day => datestamp.day_end(),
        Granularity::Second => datestamp,
    })
}

fn bound(text: &str) -> Result<(Datestamp, Granularity), String> {
    Datestamp::parse(text).ok_or_else(|| "not YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn command_lines_are_understood_or_refused() {
        let cases: [(&str, &str, Option<ErrorKind>); 39] = [
            ("all sources", "harvest", None),
            (
                "options after the command",
                "harvest -vv --store s.db --log-format json",
                None,
            ),
            (
                "one url",
                "harvest https://x.org/oai --prefix oai_dc --set a --set b",
                None,
            ),
            ("demo", "harvest --demo --limit 5", None),
            (
                "bounds",
                "harvest a --from 2020-01-01 --until 2020-12-31T00:00:00Z",
                None,
            ),
            (
                "demo and source",
                "harvest a --demo",
                Some(ErrorKind::ArgumentConflict),
            ),
            (
                "full and from",
                "harvest --full --from 2020-01-01",
                Some(ErrorKind::ArgumentConflict),
            ),
            (
                "prefix alone",
                "harvest --prefix oai_dc",
                Some(ErrorKind::MissingRequiredArgument),
            ),
            (
                "bad date",
                "harvest --from yesterday",
                Some(ErrorKind::ValueValidation),
            ),
            (
                "limit of nothing",
                "harvest --limit 0",
                Some(ErrorKind::ValueValidation),
            ),
            (
                "quiet and verbose",
                "harvest -q -v",
                Some(ErrorKind::ArgumentConflict),
            ),
            ("status", "status --json", None),
            ("identify", "identify https://x.org/oai", None),
            (
                "identify nothing",
                "identify",
                Some(ErrorKind::MissingRequiredArgument),
            ),
            (
                "export",
                "export --format xml --since 5 --source a --source b -o f",
                None,
            ),
            (
                "export that follows",
                "export --follow --interval 1m --institution X",
                None,
            ),
            (
                "interval alone",
                "export --interval 5s",
                Some(ErrorKind::MissingRequiredArgument),
            ),
            (
                "interval of nothing",
                "export --follow --interval 0s",
                Some(ErrorKind::ValueValidation),
            ),
            (
                "version beyond all",
                "export --since 18446744073709551615",
                Some(ErrorKind::ValueValidation),
            ),
            (
                "export format",
                "export --format pdf",
                Some(ErrorKind::InvalidValue),
            ),
            (
                "export since",
                "export --since x",
                Some(ErrorKind::ValueValidation),
            ),
            ("show", "show oai:doaj.org/article:1 --format xml", None),
            ("dedup explain", "dedup explain a doaj/b", None),
            (
                "dedup explain three",
                "dedup explain a b c",
                Some(ErrorKind::TooManyValues),
            ),
            (
                "dedup decision without a reason",
                "dedup join a b",
                Some(ErrorKind::MissingRequiredArgument),
            ),
            (
                "dedup score without truth",
                "dedup score --records r",
                Some(ErrorKind::MissingRequiredArgument),
            ),
            ("dedup list", "dedup list --min-size 3 --json", None),
            ("dedup match", "dedup match --versions apart", None),
            (
                "dedup match of other versions",
                "dedup match --versions both",
                Some(ErrorKind::ValueValidation),
            ),
            ("push", "push a b --retry-rejected --since 5", None),
            (
                "push all and since",
                "push --all --since 5",
                Some(ErrorKind::ArgumentConflict),
            ),
            (
                "push since before all",
                "push --since=-1",
                Some(ErrorKind::ValueValidation),
            ),
            ("rejected", "rejected a --json", None),
            ("quarantine", "quarantine a --json", None),
            (
                "quarantine raw of a source",
                "quarantine a --raw 1",
                Some(ErrorKind::ArgumentConflict),
            ),
            ("audit", "audit a --repair", None),
            ("completions", "completions bash", None),
            ("man", "man --dir /tmp", None),
            ("unknown", "harvests", Some(ErrorKind::InvalidSubcommand)),
        ];
        for (case, line, expected) in cases {
            let arguments = std::iter::once("harvestd").chain(line.split(' '));
            let kind = Cli::try_parse_from(arguments)
                .err()
                .map(|error| error.kind());
            assert_eq!(kind, expected, "{case}");
        }
    }

    #[test]
    fn a_typing_error_is_not_led_to_a_command_that_deletes() {
        let cases = [
            ("forge x", "forget", false),
            ("reconcil", "reconcile", false),
            ("forget x --record", "--records", false),
            ("reconcile x --confrim", "--confirm", false),
            ("harvst", "harvest", true),
            ("harvest --ful", "--full", true),
        ];
        for (line, hint, expected) in cases {
            let arguments = std::iter::once("harvestd").chain(line.split(' '));
            let error = without_destructive_hints(Cli::try_parse_from(arguments).unwrap_err());
            let text = error.to_string();
            let tip = text
                .lines()
                .any(|line| line.contains("tip:") && line.contains(hint));
            assert_eq!(tip, expected, "{line}: {text}");
        }
    }

    #[test]
    fn a_last_day_is_whole() {
        let read = |text| upper_bound(text).map(|datestamp| datestamp.to_string());
        assert_eq!(read("2020-12-31").as_deref(), Ok("2020-12-31T23:59:59Z"));
        assert_eq!(
            read("2020-12-31T10:00:00Z").as_deref(),
            Ok("2020-12-31T10:00:00Z")
        );
    }
}
