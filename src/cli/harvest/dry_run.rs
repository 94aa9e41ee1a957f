//! `harvestd harvest --dry-run`: the requests of the next pass, and the sizes of its lists.

use std::io::Write;

use serde_json::json;

use crate::cli::endings;
use crate::cli::exit::Exit;
use crate::clock::Clock;
use crate::config::Config;
use crate::harvest::settings::SourceSettings;
use crate::harvest::{Preview, RunOptions, first_contact, preview};
use crate::oai::client::Client;
use crate::store::{Gap, Reader, Source, StoreError};

/// Requests the first page of each list, and writes the next pass to `out`.
pub(super) async fn run(
    sources: &[SourceSettings],
    options: &RunOptions,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let mut failed = false;
    let mut previews = Vec::new();
    for source in sources {
        let (known, gaps) = known_source(config, &source.name)?;
        let client = Client::new(&source.client)?;
        let preview = preview(
            &client,
            known.as_ref(),
            &gaps,
            source,
            options,
            &Clock::System,
        )
        .await;
        failed |= preview.as_ref().is_ok_and(is_refused);
        match preview {
            Ok(preview) if as_json => previews.push(preview_as_json(source, &preview)),
            Ok(preview) => out.write_all(preview_as_text(source, &preview).as_bytes())?,
            Err(why) => {
                failed = true;
                let unreached = match known {
                    None => first_contact(&client, source).await,
                    // Patience belongs to sources that have worked before.
                    Some(_) => None,
                };
                match unreached {
                    Some(unreached) => {
                        tracing::error!(source.id = %source.name, "{}", unreached.why);
                        if unreached.has_server {
                            let advice = endings::advice(&source.client).await;
                            tracing::warn!(source.id = %source.name, "{advice}");
                        }
                    }
                    None => tracing::error!(source.id = %source.name, "nothing to list: {why}"),
                }
            }
        }
    }
    if as_json {
        writeln!(out, "{}", json!({ "sources": previews }))?;
    }
    Ok(if failed { Exit::Incomplete } else { Exit::Done })
}

/// The source in the store, and its gaps; `None` if it is new or there is no store yet.
fn known_source(config: &Config, name: &str) -> Result<(Option<Source>, Vec<Gap>), StoreError> {
    match Reader::open(&config.store) {
        Ok(reader) => {
            let mut sources = reader.sources()?.into_iter();
            let known = sources.find(|source| source.name == name);
            let gaps = match &known {
                Some(source) => reader.gaps(source)?,
                None => Vec::new(),
            };
            Ok((known, gaps))
        }
        Err(StoreError::Missing { .. }) => Ok((None, Vec::new())),
        Err(error) => Err(error),
    }
}

/// Whether the repository refuses a list. An empty list is no refusal.
fn is_refused(preview: &Preview) -> bool {
    let refusals = preview
        .lists
        .iter()
        .filter_map(|list| list.refused.as_ref());
    { refusals }.any(|error| !error.starts_with("noRecordsMatch"))
}

fn preview_as_text(source: &SourceSettings, preview: &Preview) -> String {
    let mut text = format!("{} ({} pass)\n", source.name, preview.kind.word());
    for list in &preview.lists {
        let size = match (list.list_size, list.ends) {
            (Some(size), _) => format!("{size} records"),
            (None, true) => format!("{} records", list.first_page),
            (None, false) => format!("more than {} records, size not stated", list.first_page),
        };
        let bound = list.bound.map_or_else(
            || "would not move the watermark".to_owned(),
            |at| format!("proves up to {at}"),
        );
        let windows = if list.windows > 1 {
            format!(", in {} windows or more", list.windows)
        } else {
            String::new()
        };
        text.push_str(&match &list.refused {
            Some(error) => format!("  {}\n    the repository answers {error}\n", list.request),
            None => format!("  {}\n    {size}{windows}; {bound}\n", list.request),
        });
    }
    text
}

fn preview_as_json(source: &SourceSettings, preview: &Preview) -> serde_json::Value {
    let lists: Vec<serde_json::Value> = preview
        .lists
        .iter()
        .map(|list| {
            json!({
                "request": list.request,
                "first_page": list.first_page,
                "list_size": list.list_size,
                "ends": list.ends,
                "bound": list.bound,
                "windows": list.windows,
                "refused": list.refused,
            })
        })
        .collect();
    json!({ "source": source.name, "kind": preview.kind, "lists": lists })
}
