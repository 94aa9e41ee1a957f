//! The page of one record: its metadata, its state in the store, and every format.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::components::{address, record_address};
use super::failure::{PageResponses, PageResult};
use super::frame::{Page, respond};
use super::words;
use crate::daemon::http::render::{Body, renderer};
use crate::daemon::http::{Ctx, arguments, lookup};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::record::{Article, crosswalk};
use crate::store::{
    Cluster, ClusterState, Deletion, Reader, RepairedRecord, StoreError, StoredRecord,
};

/// A record and what the page shows with it.
struct Shown {
    record: StoredRecord,
    repaired: Option<RepairedRecord>,
    /// The records of the same work; `None` without an up-to-date deduplication.
    cluster: Option<Cluster>,
}

/// The query of the page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct RecordQuery {
    /// The OAI identifier, or the id in the catalogue.
    identifier: String,
    /// Only the record of this source.
    #[param(value_type = String, required = false)]
    source: Option<String>,
}

/// Show one record in every format
#[utoipa::path(
    get,
    path = "/record",
    tag = "Pages",
    params(RecordQuery),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn record_page(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: RecordQuery = arguments::read(&query.unwrap_or_default())?;
    let identifier = query.identifier.trim();
    let config = context.shared.registry.config();
    let documents = &config.documents;
    let wanted = lookup::records(documents, identifier, query.source.as_deref());
    let read_all = move |reader: &Reader| {
        let found = wanted(reader)?.into_iter();
        found.map(|record| read(reader, record)).collect()
    };
    let records: Vec<Shown> = context.read(read_all).await?;
    let status = if records.is_empty() {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    Ok(respond(status, page(identifier, &records, documents)))
}

fn read(reader: &Reader, record: StoredRecord) -> Result<Shown, StoreError> {
    let cluster = match reader.cluster_state()? {
        ClusterState::Current => {
            let members = reader.members(&record.identifier)?;
            let own = members.iter().find(|member| member.source == record.source);
            match own {
                Some(own) => reader.cluster_of(own.record)?,
                None => None,
            }
        }
        ClusterState::Off | ClusterState::Due => None,
    };
    Ok(Shown {
        repaired: reader.repairs(&record.source, &record.identifier)?,
        cluster,
        record,
    })
}

fn page(identifier: &str, records: &[Shown], documents: &DocumentOptions) -> Markup {
    let content = html! {
        @if records.is_empty() {
            h1 { "No such record" }
            p { "The store has no record " (identifier) "." }
        }
        @for shown in records { (one(shown, documents)) }
    };
    Page::new(identifier).with(&content)
}

fn one(shown: &Shown, documents: &DocumentOptions) -> Markup {
    let record = &shown.record;
    let article = record
        .metadata
        .as_deref()
        .map(|metadata| crosswalk::article(&record.metadata_prefix, metadata));
    let title = match &article {
        Some(Ok(article)) => article.title.as_deref(),
        _ => None,
    };
    html! {
        article {
            h1 { (title.unwrap_or(&record.identifier)) }
            @match &article {
                Some(Ok(article)) => { (article_fields(article)) }
                Some(Err(error)) => { p class="bad" { "The metadata cannot be read: " (error) } }
                None => {}
            }
            (in_the_store(shown))
            @if let Some(cluster) = &shown.cluster { (members(record, cluster)) }
            h2 { "Formats" }
            @if let Some(metadata) = &record.metadata {
                details { summary { "As received (" (record.metadata_prefix) ")" } pre { (metadata) } }
            }
            @if let Some(extra) = &record.extra {
                details { summary { "Additional information (about)" } pre { (extra) } }
            }
            @if let Some(repaired) = &shown.repaired {
                details {
                    summary { "Before the repair" }
                    pre { (String::from_utf8_lossy(&repaired.raw)) }
                }
            }
            @for (format, name) in Format::named() { (rendered(record, documents, format, &name)) }
        }
    }
}

fn in_the_store(shown: &Shown) -> Markup {
    let record = &shown.record;
    html! {
        h2 { "In the store" }
        dl {
            dt { "Identifier" } dd { (record.identifier) }
            dt { "Source" } dd { a href=(address("source", &record.source)) { (record.source) } }
            dt { "Datestamp" } dd { (record.datestamp) }
            dt { "State" }
            dd {
                @match record.deletion {
                    None | Some(Deletion::Withheld) => "live",
                    Some(Deletion::Declared) => "deleted in the repository",
                    Some(Deletion::Disappeared) => "deleted, because it disappeared from the repository",
                }
            }
            dt { "First seen" }
            dd { (words::instant(record.created_version.unix_ms())) ", version " (record.created_version) }
            dt { "Last change" }
            dd {
                @if record.version == record.created_version { "none" }
                @else { (words::instant(record.version.unix_ms())) ", version " (record.version) }
                "; the store keeps only the current state"
            }
            @if !record.set_specs.is_empty() {
                dt { "Sets" } dd { (record.set_specs.join(", ")) }
            }
            @if let Some(repaired) = &shown.repaired {
                dt { "Repaired" }
                dd {
                    @for (place, repair) in repaired.repairs.iter().enumerate() {
                        @if place > 0 { ", " }
                        (words::repair(repair.kind)) " (" (repair.count) ")"
                    }
                }
            }
        }
    }
}

fn members(record: &StoredRecord, cluster: &Cluster) -> Markup {
    html! {
        h2 { "Same work" }
        @if cluster.members.len() == 1 {
            p { "No other record describes this work." }
        } @else {
            p { "These records describe the same work. The first is the preferred one." }
            ol {
                @for member in &cluster.members {
                    @let is_this = member.source == record.source && member.identifier == record.identifier;
                    li {
                        @if is_this { (member.identifier) " (" (member.source) "), this record" }
                        @else {
                            a href=(record_address(&member.source, &member.identifier)) { (member.identifier) }
                            " (" (member.source) ")"
                        }
                    }
                }
            }
        }
        p class="hint" { "Cluster " (cluster.name) }
    }
}

fn rendered(
    record: &StoredRecord,
    documents: &DocumentOptions,
    format: Format,
    name: &str,
) -> Markup {
    let mut body = Body::new(renderer(documents, format));
    let trouble = body.push(record).err();
    let text = String::from_utf8_lossy(&body.end()).into_owned();
    let arguments = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", &record.identifier)
        .append_pair("source", &record.source)
        .append_pair("format", name)
        .finish();
    html! {
        details {
            summary { (name) }
            @if let Some(trouble) = trouble { p class="bad" { "Not possible: " (trouble) } }
            @if text.trim().is_empty() { p { "Nothing: this format has no deleted records." } }
            @else {
                p class="hint" { a href={ "/api/v1/records?" (arguments) } { "Only this format" } }
                pre { (text) }
            }
        }
    }
}

fn article_fields(article: &Article) -> Markup {
    let authors: Vec<&str> = article
        .authors
        .iter()
        .map(|author| author.name.as_str())
        .collect();
    let authors = (!authors.is_empty()).then(|| authors.join("; "));
    let keywords = (!article.keywords.is_empty()).then(|| article.keywords.join("; "));
    let fields = [
        ("Authors", authors.as_deref()),
        ("Journal", article.journal.as_deref()),
        ("Publisher", article.publisher.as_deref()),
        ("Published", article.published.as_deref()),
        ("ISSN", article.issn.as_deref()),
        ("EISSN", article.eissn.as_deref()),
        ("DOI", article.doi.as_deref()),
        // Not a link, because the repository chooses the address.
        ("Full text", article.fulltext_url()),
        ("Keywords", keywords.as_deref()),
        ("Abstract", article.abstract_text.as_deref()),
    ];
    html! {
        dl {
            @for (name, value) in fields {
                @if let Some(value) = value {
                    dt { (name) } dd { (value) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Version;

    #[test]
    fn hostile_texts_stay_text() {
        let hostile = "</pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
        let record = StoredRecord {
            number: 1,
            source: "a".into(),
            metadata_prefix: "oai_dc".into(),
            identifier: hostile.into(),
            datestamp: hostile.into(),
            set_specs: vec![hostile.into()],
            deletion: None,
            version: Version(1 << 20),
            created_version: Version(1 << 20),
            metadata: Some(format!(
                "<doajArticle><title>&lt;script&gt;alert(2)&lt;/script&gt;</title></doajArticle>{hostile}"
            )),
            extra: Some(hostile.into()),
            others: Vec::new(),
        };
        let titled = StoredRecord {
            metadata: Some(
                "<doajArticle><title>&lt;script&gt;alert(2)&lt;/script&gt;</title>\
                 <doi>x</doi></doajArticle>"
                    .into(),
            ),
            ..record.clone()
        };
        let shown = |record| Shown {
            record,
            repaired: Some(RepairedRecord {
                repairs: Vec::new(),
                raw: hostile.into(),
            }),
            cluster: None,
        };
        let documents = DocumentOptions::default();
        let page = page(hostile, &[shown(record), shown(titled)], &documents).into_string();
        assert!(page.contains("<h1>&lt;script&gt;alert(2)"), "{page}");
        for tag in ["<script", "<img", "onerror=alert(1)>\""] {
            assert!(!page.contains(tag), "{tag} in {page}");
        }
    }
}
