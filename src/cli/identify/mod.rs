//! `harvestd identify`: who a repository is, and what it offers.

mod odd;
mod survey;
mod words;

use std::io::Write;

use anyhow::Context;
use serde_json::json;
use url::Url;

use self::survey::{Survey, survey};
use super::args::Global;
use super::exit::Exit;
use super::harvest::is_url;
use super::status::traits_in_words;
use crate::clock::Clock;
use crate::config::{Config, Secrets, source_from_url};
use crate::harvest::settings::SourceSettings;
use crate::http::show_url;
use crate::oai::client::Client;
use crate::store::{Reader, StoreError, Traits};

/// Arguments of `identify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks a handful of questions with a pause between them, and stores nothing: Identify, formats, sets,
and the first page of records in one format. What looks odd is told with what it means for a harvest;
of a source that was harvested, also what was learnt of it.
The exit status is 1 if nothing at the address speaks OAI-PMH.

Examples:
  harvestd identify https://doaj.org/oai.article
  harvestd identify doaj-articles --json
  harvestd identify https://doaj.org/oai.article --prefix oai_dc")]
pub struct Args {
    /// A base URL, or the name of a configured source, whose credentials are then used
    #[arg(value_name = "URL|SOURCE")]
    pub repository: String,
    /// The metadata format to look at [default: the source's, or the best one announced]
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

impl Args {
    /// What this run needs of the configured secrets: those of its source, if it names one.
    pub fn secrets(&self) -> Secrets {
        if is_url(&self.repository) {
            Secrets::Unread
        } else {
            Secrets::Required
        }
    }
}

/// Asks the repository and writes to `out` what was found.
///
/// # Errors
/// If the source is unknown, the URL is none, or no client can be made of the settings. What the
/// repository does not answer is no error but told.
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
    let survey = survey(&client, &settings, prefix, || {
        Clock::System.now_ms().div_euclid(1000)
    })
    .await;
    let url = &settings.client.url;
    let mut odd = odd::oddities(url, &survey);
    if stripped {
        odd.insert(
            0,
            format!(
                "the address was a whole request; its base URL {} was asked",
                show_url(url)
            ),
        );
    }
    let learnt = learnt(args, config)?;
    if global.json {
        let mut found = words::as_json(&show_url(url), &survey, &odd);
        found["learnt"] = json!(learnt);
        writeln!(out, "{found}")?;
    } else {
        let mut text = words::as_text(&show_url(url), &survey, &odd);
        if let Some(traits) = &learnt {
            words::push_learnt(&traits_in_words(traits), &mut text);
        }
        out.write_all(text.as_bytes())?;
    }
    Ok(exit(&survey))
}

/// What harvests have learnt of a configured source; `None` if it was never harvested.
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

/// The settings to ask with, and whether the URL was cut down to a base URL.
fn settings(args: &Args, config: &Config) -> anyhow::Result<(SourceSettings, bool)> {
    let prefix = args.prefix.as_deref();
    if !is_url(&args.repository) {
        return Ok((config.source(&args.repository)?.clone(), false));
    }
    let (url, stripped) = without_request(&args.repository);
    let settings = source_from_url(&url, prefix, &[], config.contact.as_deref())?;
    Ok((settings, stripped))
}

/// A URL without the arguments of an OAI-PMH request, and whether it had any. What is no URL stays
/// as it is, for whoever says so.
fn without_request(text: &str) -> (String, bool) {
    const ARGUMENTS: [&str; 7] = [
        "verb",
        "metadataPrefix",
        "identifier",
        "from",
        "until",
        "set",
        "resumptionToken",
    ];
    let Ok(mut url) = Url::parse(text) else {
        return (text.to_owned(), false);
    };
    let is_request = url.query_pairs().any(|(name, _)| name == "verb");
    if !is_request {
        return (text.to_owned(), false);
    }
    let kept: Vec<&str> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !name.is_empty() && !ARGUMENTS.contains(&name)
        })
        .collect();
    let kept = kept.join("&");
    url.set_query((!kept.is_empty()).then_some(kept.as_str()));
    (url.to_string(), true)
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
