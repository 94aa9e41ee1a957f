//! From what is written to the checked settings of one output.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::checked::{Common, Findings, Reader, Table};
use super::credentials;
use super::documents;
use super::keys;
use super::raw::{Layer, Value};
use super::values;
use crate::output::enrich::Part;
use crate::output::solr::settings::SolrSettings;
use crate::store::Per;

/// Checks one output; `None` if something in it is wrong, which is then among the findings.
///
/// `sources` are the names of all configured sources; `are_clustered` says whether records are;
/// `enrich` is what works take from their other records.
pub(crate) fn output(
    common: &Common<'_>,
    layers: [&Layer; 3],
    sources: &[&str],
    are_clustered: bool,
    enrich: &[Part],
    findings: &mut Findings,
) -> Option<SolrSettings> {
    let found_before = findings.problems.len();
    let mut reader = Reader::new(common, layers, Table::Output, findings);
    let name = reader.required("name", values::name);
    reader.required("type", |value| match values::text(value)?.as_str() {
        "solr" => Ok(()),
        other => Err(format!(
            "{other:?} is not a type of output; there is \"solr\""
        )),
    });
    let urls = reader.required("urls", core_urls);
    let credentials = credentials::read(&mut reader);
    let ca_file = reader.path("ca_file");
    let proxy = reader.read("proxy", values::proxy_url);
    let connect = reader.read("connect_timeout", values::timeout);
    let total = reader.read("total_timeout", values::timeout);
    let wanted = reader.read("sources", |value| known_sources(value, sources));
    let sets = read_sets(&mut reader, sources, wanted.as_deref());
    let per = reader.read("per", |value| per(value, are_clustered));
    let batch_documents = reader.read("batch_documents", |value| {
        values::narrow(values::some_count(value)?)
    });
    let batch_bytes = reader.read("batch_bytes", values::some_size);
    let parallel_requests = reader.read("parallel_requests", parallel_requests);
    let commit_within = reader.read("commit_within", commit_within);
    let retries = reader.read("retries", |value| values::narrow(values::count(value)?));
    let retry_pause = reader.read("retry_pause", values::timeout);
    let version_field = reader.read("version_field", values::text);
    let audit_filter = reader.read("audit_filter", values::text);
    let compare_fields = reader.read("compare_fields", values::texts);
    let options = documents::read(&mut reader);
    reader.warn_of_unencrypted(urls.as_deref().unwrap_or_default());
    if findings.problems.len() > found_before {
        return None;
    }
    let urls = urls?;
    let built_in = SolrSettings::new(name?, urls.first()?.clone());
    let mut client = built_in.client;
    client.credentials = credentials;
    client.ca_file = ca_file;
    client.proxy = proxy;
    client.timeouts.connect = connect.unwrap_or(client.timeouts.connect);
    client.timeouts.total = total.unwrap_or(client.timeouts.total);
    Some(SolrSettings {
        name: built_in.name,
        urls,
        client,
        is_rebuild: built_in.is_rebuild,
        sources: wanted.unwrap_or(built_in.sources),
        sets,
        per: per.unwrap_or(built_in.per),
        enrich: match per {
            Some(Per::Cluster) => enrich.to_vec(),
            Some(Per::Record) | None => built_in.enrich,
        },
        parallel_requests: parallel_requests.unwrap_or(built_in.parallel_requests),
        batch_documents: batch_documents.unwrap_or(built_in.batch_documents),
        batch_bytes: batch_bytes.unwrap_or(built_in.batch_bytes),
        commit_within: commit_within.unwrap_or(built_in.commit_within),
        retries: retries.unwrap_or(built_in.retries),
        retry_pause: retry_pause.unwrap_or(built_in.retry_pause),
        version_field: version_field.or(built_in.version_field),
        audit_filter: audit_filter.or(built_in.audit_filter),
        compare_fields: compare_fields.unwrap_or(built_in.compare_fields),
        documents: options.into(),
    })
}

/// Addresses of a core, without the slash and the request handler after it.
fn core_urls(value: &Value) -> Result<Vec<Url>, String> {
    let texts = values::texts(value)?;
    if texts.is_empty() {
        return Err("must have at least one address".to_owned());
    }
    texts
        .iter()
        .map(|text| {
            let mut url = values::base_url(&Value::Text(text.clone()))?;
            if url.query().is_some() {
                return Err("must be addresses of a core alone, without arguments".to_owned());
            }
            let path = url.path().trim_end_matches('/').to_owned();
            if path.ends_with("/update") || path.ends_with("/select") {
                return Err(
                    "must be addresses of a core, such as http://localhost:8983/solr/biblio".into(),
                );
            }
            url.set_path(&path);
            Ok(url)
        })
        .collect()
}

pub(super) fn known_sources(value: &Value, known: &[&str]) -> Result<Vec<String>, String> {
    let names = values::texts(value)?;
    for name in &names {
        check_source(name, known)?;
    }
    Ok(names)
}

fn check_source(name: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(match keys::nearest(name, known.iter().copied()) {
        Some(meant) => format!("no source {name:?} is configured; did you mean {meant}?"),
        None => format!("no source {name:?} is configured"),
    })
}

/// `sets`: a table of sources to setSpecs. A source of which all records are sent has no place there.
pub(super) fn read_sets(
    reader: &mut Reader<'_>,
    known: &[&str],
    whole: Option<&[String]>,
) -> BTreeMap<String, Vec<String>> {
    let sets = reader.read("sets", |value| {
        let mut sets = BTreeMap::new();
        for (name, texts) in documents::fields(value)? {
            check_source(&name, known)?;
            if whole.is_some_and(|whole| whole.contains(&name)) {
                return Err(format!(
                    "{name} stands in sources too, which takes all of its records"
                ));
            }
            // In the environment, sets are separated by blanks; no setSpec has one.
            let specs: Vec<String> = texts
                .iter()
                .flat_map(|text| text.split_whitespace())
                .map(str::to_owned)
                .collect();
            if specs.is_empty() {
                return Err(format!("{name}: must have at least one setSpec"));
            }
            if let Some(wrong) = specs.iter().find(|spec| spec.split(':').any(str::is_empty)) {
                return Err(format!("{name}: {wrong:?} is no setSpec"));
            }
            sets.insert(name, specs);
        }
        Ok(sets)
    });
    sets.unwrap_or_default()
}

/// What one document is; works need clusters.
pub(super) fn per(value: &Value, are_clustered: bool) -> Result<Per, String> {
    match values::text(value)?.as_str() {
        "record" => Ok(Per::Record),
        "cluster" if are_clustered => Ok(Per::Cluster),
        "cluster" => Err("\"cluster\" needs enabled = true under [dedup]".to_owned()),
        other => Err(format!("{other:?} is neither \"record\" nor \"cluster\"")),
    }
}

/// More would wait for each other in the index, and each takes memory here.
const MOST_PARALLEL: usize = 16;

fn parallel_requests(value: &Value) -> Result<usize, String> {
    match values::narrow(values::some_count(value)?)? {
        number if number <= MOST_PARALLEL => Ok(number),
        number => Err(format!("{number} is more than {MOST_PARALLEL}")),
    }
}

/// A length of time from a millisecond on, or "none".
fn commit_within(value: &Value) -> Result<Option<Duration>, String> {
    if matches!(value, Value::Text(text) if text.trim() == "none") {
        return Ok(None);
    }
    values::timeout(value)
        .map(Some)
        .map_err(|error| format!("{error}, or \"none\""))
}
