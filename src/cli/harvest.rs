//! `harvestd harvest`: one pass over each source.

use std::num::NonZeroU64;

use super::args::{lower_bound, upper_bound};
use super::exit::UsageError;
use crate::config::{Config, Secrets, source_from_url};
use crate::harvest::settings::SourceSettings;
use crate::oai::Datestamp;

/// Arguments of `harvest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd harvest                             every configured source
  harvestd harvest doaj-articles               one of them
  harvestd harvest https://doaj.org/oai --limit 100
                                               a repository that is not configured
  harvestd harvest doaj-journals --full        list everything again

A pass that was cut off goes on where it stopped when it is run again.")]
pub struct Args {
    /// Names of configured sources, or base URLs; without any, every configured source
    #[arg(value_name = "SOURCE|URL")]
    pub sources: Vec<String>,
    /// The metadata format to ask the URLs for [default: oai_dc]
    #[arg(long, value_name = "PREFIX", requires = "sources")]
    pub prefix: Option<String>,
    /// A set to harvest from the URLs; can be repeated
    #[arg(long = "set", value_name = "SET", requires = "sources")]
    pub sets: Vec<String>,
    /// Only records with datestamps from this day or instant on
    #[arg(long, value_name = "DATE", value_parser = lower_bound)]
    pub from: Option<Datestamp>,
    /// Only records with datestamps up to this day or instant, inclusive
    #[arg(long, value_name = "DATE", value_parser = upper_bound)]
    pub until: Option<Datestamp>,
    /// Stop each source after the page that brings it to N records; the next run goes on
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU64>,
    /// List everything again, not only what changed since the last pass
    #[arg(long, conflicts_with_all = ["from", "until"])]
    pub full: bool,
    /// Ask the repositories, and store nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Harvest a repository inside this program, without network or configuration
    #[arg(long, conflicts_with_all = ["sources", "prefix", "sets"])]
    pub demo: bool,
}

/// Whether an argument that may name a source is a base URL. No source's name has a colon.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}

impl Args {
    /// What this run needs of the configured secrets: those of its sources, so none for URLs alone
    /// or the demo.
    pub fn secrets(&self) -> Secrets {
        let all_urls = !self.sources.is_empty() && self.sources.iter().all(|text| is_url(text));
        if self.demo || all_urls {
            Secrets::Unread
        } else {
            Secrets::Required
        }
    }

    /// The sources to harvest, in the order of the arguments or of the configuration, with the
    /// bounds of the arguments. Not for the demo, whose source is its own.
    ///
    /// # Errors
    /// [`UsageError`] or a configuration error if a name is unknown, a URL wrong, a source given
    /// twice, or the arguments do not fit the sources.
    pub fn select(&self, config: &Config) -> anyhow::Result<Vec<SourceSettings>> {
        let contact = config.contact.as_deref();
        let mut selected: Vec<SourceSettings> = Vec::new();
        for text in &self.sources {
            let source = if is_url(text) {
                source_from_url(text, self.prefix.as_deref(), &self.sets, contact)?
            } else {
                if self.prefix.is_some() || !self.sets.is_empty() {
                    return usage(format!(
                        "--prefix and --set are for URLs; source {text} has its own"
                    ));
                }
                config.source(text)?.clone()
            };
            if selected.iter().any(|other| other.name == source.name) {
                return usage(format!("source {} is given twice", source.name));
            }
            selected.push(source);
        }
        if self.sources.is_empty() {
            selected.clone_from(&config.sources);
        }
        if selected.is_empty() {
            return usage(
                "no source is configured; write one into the configuration or give a base URL"
                    .to_owned(),
            );
        }
        for source in &mut selected {
            source.from = self.from.or(source.from);
            source.until = self.until.or(source.until);
            if let (Some(from), Some(until)) = (source.from, source.until)
                && from > until
            {
                return usage(format!(
                    "source {}: from {from} is after until {until}",
                    source.name
                ));
            }
        }
        Ok(selected)
    }
}

fn usage<T>(message: String) -> anyhow::Result<T> {
    Err(UsageError(message).into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::cli::exit::Exit;
    use crate::config::LogFormat;

    fn args(line: &str) -> Args {
        let words = std::iter::once("harvestd").chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Harvest(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn config(names: &[&str]) -> Config {
        let source = |name: &&str| {
            let mut source =
                source_from_url("https://x.org/oai", Some("oai_doaj"), &[], None).unwrap();
            source.name = (*name).to_owned();
            source.from = Datestamp::parse("2020-01-01").map(|(from, _)| from);
            source
        };
        Config {
            file: None,
            store: "s.db".into(),
            contact: Some("a@b.org".to_owned()),
            log: None,
            log_format: LogFormat::Text,
            sources: names.iter().map(source).collect(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn arguments_choose_the_sources() {
        let both = config(&["a", "b"]);
        let cases = [
            ("all", "harvest", Ok("a b")),
            ("one", "harvest b", Ok("b")),
            ("order of the arguments", "harvest b a", Ok("b a")),
            (
                "url",
                "harvest https://x.org/oai a",
                Ok("x.org-oai-oai_dc a"),
            ),
            (
                "two urls",
                "harvest https://x.org/oai https://y.org/oai --prefix mods --set s",
                Ok("x.org-oai-mods-s y.org-oai-mods-s"),
            ),
            ("twice", "harvest a a", Err("source a is given twice")),
            (
                "prefix for a name",
                "harvest a --prefix mods",
                Err("--prefix and --set are for URLs; source a has its own"),
            ),
            (
                "unknown",
                "harvest c",
                Err("command line: no source \"c\" is configured; there is a, b"),
            ),
            (
                "bounds that cross",
                "harvest a --until 2019-12-31",
                Err("source a: from 2020-01-01T00:00:00Z is after until 2019-12-31T23:59:59Z"),
            ),
        ];
        for (case, line, expected) in cases {
            let selected = args(line).select(&both).map_err(|error| {
                assert_eq!(Exit::after(&error), Exit::Usage, "{case}");
                error.to_string()
            });
            let names = selected.map(|sources| {
                let names: Vec<String> = sources.into_iter().map(|source| source.name).collect();
                names.join(" ")
            });
            assert_eq!(names.as_deref().map_err(String::as_str), expected, "{case}");
        }
        assert!(args("harvest").select(&config(&[])).is_err());
    }

    #[test]
    fn arguments_reach_the_settings() {
        let config = config(&["a"]);
        let selected = args("harvest a https://y.org/oai --from 2021-01-01")
            .select(&config)
            .unwrap();
        for source in &selected {
            let from = source.from.map(|from| from.to_string());
            assert_eq!(
                from.as_deref(),
                Some("2021-01-01T00:00:00Z"),
                "{}",
                source.name
            );
        }
        assert_eq!(selected[1].client.contact.as_deref(), Some("a@b.org"));
    }

    #[test]
    fn only_configured_sources_need_secrets() {
        let cases = [
            ("harvest", Secrets::Required),
            ("harvest a https://x.org/", Secrets::Required),
            ("harvest https://x.org/", Secrets::Unread),
            ("harvest --demo", Secrets::Unread),
        ];
        for (line, expected) in cases {
            assert_eq!(args(line).secrets(), expected, "{line}");
        }
    }
}
