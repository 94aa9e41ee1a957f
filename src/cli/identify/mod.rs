//! `harvestd identify`: describes a repository and what it offers.

mod findings;
mod report;
pub(super) mod survey;

use std::io::Write;

use anyhow::Context;
use serde_json::json;
use url::Url;

use self::survey::{Survey, survey};
use super::args::Global;
use super::endings;
use super::exit::Exit;
use super::harvest::is_url;
use super::status::{traits_as_value, traits_in_words};
use super::table::Screen;
use crate::clock::Clock;
use crate::config::{Config, Secrets, source_from_url};
use crate::harvest::first_contact;
use crate::harvest::settings::SourceSettings;
use crate::http::show_url;
use crate::oai::client::{Client, base_of_request};
use crate::store::{Reader, StoreError, Traits};

/// Arguments of `identify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sends a few requests with a pause between them, and stores nothing: Identify, formats, sets, and the
first page of records in one format. Each finding says what it means for a harvest. For a harvested
source, the report also lists what its harvests have learnt.
The exit status is 1 if the server does not answer as an OAI-PMH repository.

Examples:
  harvestd identify https://doaj.org/oai.article
  harvestd identify doaj-articles --json
  harvestd identify https://doaj.org/oai.article --prefix oai_dc")]
pub struct Args {
    /// A base URL, or the name of a configured source to use with its credentials
    #[arg(value_name = "URL|SOURCE")]
    pub repository: String,
    /// The metadata format of the records [default: the source's, or the best one announced]
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

impl Args {
    /// The secrets that this command needs: those of its source, if it names one.
    pub fn secrets(&self) -> Secrets {
        if is_url(&self.repository) {
            Secrets::Unread
        } else {
            Secrets::Required
        }
    }
}

/// Surveys the repository and writes the report to `out`.
///
/// # Errors
/// If the source is unknown, or the URL or the settings cannot be used. A request that fails is part
/// of the report.
pub async fn run(
    args: &Args,
    global: &Global,
    config: &Config,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let (settings, stripped) = settings(args, config)?;
    let prefix = match &args.prefix {
        Some(prefix) => Some(prefix.as_str()),
        None if is_url(&args.repository) => None,
        None => Some(settings.metadata_prefix.as_str()),
    };
    let client =
        Client::new(&settings.client).with_context(|| format!("source {}", settings.name))?;
    let survey = survey(&client, &settings, prefix, || Clock::System.now_seconds()).await;
    let url = &settings.client.url;
    let mut findings = findings::of(url, &survey);
    if stripped {
        findings.insert(
            0,
            format!(
                "the URL was a whole request; this report is about its base URL {}",
                show_url(url)
            ),
        );
    }
    if exit(&survey) == Exit::Failed
        && let Some(unreached) = first_contact(&client, &settings).await
    {
        // What came instead says more than what is missing.
        findings = vec![unreached.why];
        if unreached.has_server {
            findings.push(endings::advice(&settings.client).await);
        }
    }
    let learnt = learnt(args, config)?;
    if global.json {
        let mut found = report::as_json(&show_url(url), &survey, &findings);
        found["learnt"] = json!(learnt.as_ref().map(traits_as_value));
        writeln!(out, "{found}")?;
    } else {
        let screen = Screen::of_stdout(global);
        let mut text = report::as_text(&show_url(url), &survey, &findings, screen);
        if let Some(traits) = &learnt {
            report::push_learnt(&traits_in_words(traits), &mut text);
        }
        out.write_all(report::wrapped(&text, screen).as_bytes())?;
    }
    Ok(exit(&survey))
}

/// What harvests of a configured source have learnt; `None` if there was none.
fn learnt(args: &Args, config: &Config) -> Result<Option<Traits>, StoreError> {
    if is_url(&args.repository) {
        return Ok(None);
    }
    let reader = match Reader::open(&config.store) {
        Ok(reader) => reader,
        Err(StoreError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let sources = reader.sources()?;
    let source = sources
        .into_iter()
        .find(|source| source.name == args.repository);
    Ok(source.map(|source| source.traits))
}

fn exit(survey: &Survey) -> Exit {
    let answered = survey.identify.given().is_some()
        || survey.formats.given().is_some()
        || survey.sample.given().is_some();
    if answered { Exit::Done } else { Exit::Failed }
}

/// The settings for the survey, and whether the URL was reduced to a base URL.
fn settings(args: &Args, config: &Config) -> anyhow::Result<(SourceSettings, bool)> {
    let prefix = args.prefix.as_deref();
    if !is_url(&args.repository) {
        return Ok((config.source(&args.repository)?.clone(), false));
    }
    let (url, stripped) = without_request(&args.repository);
    let settings = source_from_url(&url, prefix, &[], config.contact.as_deref())?;
    Ok((settings, stripped))
}

/// A URL without the arguments of an OAI-PMH request, and whether it had any. A text that is no URL
/// stays as it is; the caller reports it.
fn without_request(text: &str) -> (String, bool) {
    match Url::parse(text).ok().as_ref().and_then(base_of_request) {
        Some(base) => (base.to_string(), true),
        None => (text.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_requests_become_base_urls() {
        let cases = [
            ("https://x.org/oai", "https://x.org/oai", false),
            ("https://x.org/oai?verb=Identify", "https://x.org/oai", true),
            (
                "https://x.org/oai?repo=1&verb=ListRecords&metadataPrefix=oai_dc&set=a",
                "https://x.org/oai?repo=1",
                true,
            ),
            ("https://x.org/oai?set=1", "https://x.org/oai?set=1", false),
            ("no url", "no url", false),
        ];
        for (text, expected, stripped) in cases {
            assert_eq!(
                without_request(text),
                (expected.to_owned(), stripped),
                "{text}"
            );
        }
    }
}
