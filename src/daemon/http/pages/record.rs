//! The page of one record: its metadata, its state in the store, and every format.

use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::components::{address, record_address};
use super::failure::{PageResponses, PageResult};
use super::frame::{Page, respond};
use super::words;
use crate::daemon::http::listener::Client;
use crate::daemon::http::places::LargePlace;
use crate::daemon::http::render::{Body, MAX_FIELD_BYTES, renderer, shorten};
use crate::daemon::http::{Ctx, arguments, lookup};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::record::flat::Flat;
use crate::record::{Resource, crosswalk};
use crate::store::{
    Cluster, ClusterState, Deletion, Reader, RepairedRecord, StoreError, StoredRecord,
};

/// What the page shows of each format and of each field. More would stop a browser.
const MAX_SHOWN_BYTES: usize = 64 << 10;

/// A record with more metadata is not rendered for the page: that takes seconds for each format.
const MAX_RENDERED_BYTES: usize = 8 << 20;

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
    Extension(client): Extension<Client>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: RecordQuery = arguments::read(&query.unwrap_or_default())?;
    let config = context.shared.registry.config();
    let place = context.places.records(&client).await?;
    let write = move |reader: &Reader, place: &LargePlace| {
        let documents = &config.documents;
        let identifier = query.identifier.trim();
        let found = lookup::records(documents, identifier, query.source.as_deref())(reader)?;
        let status = if found.is_empty() {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        let mut parts = Vec::new();
        for record in found {
            place.weigh(&record)?;
            parts.push(one(&read(reader, record)?, documents));
        }
        Ok((status, page(identifier, &parts)))
    };
    let ((status, page), place) = context.read_large(place, write).await?;
    // The page is no longer large.
    drop(place);
    Ok(respond(status, page))
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

fn page(identifier: &str, records: &[Markup]) -> Markup {
    let content = html! {
        @if records.is_empty() {
            h1 { "No such record" }
            p { "The store has no record " (shorten(identifier, MAX_FIELD_BYTES)) "." }
        }
        @for record in records { (record) }
    };
    Page::new(&shorten(identifier, MAX_FIELD_BYTES)).with(&content)
}

fn one(shown: &Shown, documents: &DocumentOptions) -> Markup {
    let record = &shown.record;
    let metadata = record.metadata.as_deref();
    let is_heavy = metadata.is_some_and(|metadata| metadata.len() > MAX_RENDERED_BYTES);
    let metadata_read = metadata.filter(|_| !is_heavy);
    let resource = metadata_read
        .map(|metadata| crosswalk::resource_of(&record.metadata_prefix, metadata, record.header()));
    let title = match &resource {
        Some(Ok(resource)) => resource.titles.first().map(|title| title.full()),
        _ => None,
    };
    html! {
        article {
            h1 { (shorten(title.as_deref().unwrap_or(&record.identifier), MAX_FIELD_BYTES)) }
            @match &resource {
                Some(Ok(resource)) => { (resource_fields(resource)) }
                Some(Err(error)) => { p class="bad" { "The metadata cannot be read: " (error) } }
                None => {}
            }
            (in_the_store(shown))
            @if let Some(cluster) = &shown.cluster { (members(record, cluster)) }
            h2 { "Formats" }
            @if let Some(metadata) = metadata {
                details {
                    summary { "As received (" (record.metadata_prefix) ")" }
                    (start(metadata.as_bytes()))
                }
            }
            @if let Some(extra) = &record.extra {
                details { summary { "Additional information (about)" } (start(extra.as_bytes())) }
            }
            @if let Some(repaired) = &shown.repaired {
                details { summary { "Before the repair" } (start(&repaired.raw)) }
            }
            @for (format, name) in Format::named() {
                details {
                    summary { (name) }
                    @if is_heavy {
                        p { "Not shown, because the record is larger than 8 MiB." }
                        (link(record, &name))
                    } @else { (rendered(record, documents, format, &name)) }
                }
            }
        }
    }
}

/// The start of a text, as it is, and how much more there is.
fn start(text: &[u8]) -> Markup {
    let shown = &text[..text.len().min(MAX_SHOWN_BYTES)];
    html! {
        @if shown.len() < text.len() {
            p class="hint" {
                "The first " (words::number(shown.len() as u64)) " of "
                (words::number(text.len() as u64)) " bytes."
            }
        }
        pre { (String::from_utf8_lossy(shown)) }
    }
}

/// A link to the record in one format.
fn link(record: &StoredRecord, format: &str) -> Markup {
    let arguments = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", &record.identifier)
        .append_pair("source", &record.source)
        .append_pair("format", format)
        .finish();
    html! { p class="hint" { a href={ "/api/v1/records?" (arguments) } { "Only this format" } } }
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
                dt { "Sets" } dd { (shorten(&record.set_specs.join(", "), MAX_SHOWN_BYTES)) }
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
    let text = body.end();
    html! {
        @if let Some(trouble) = trouble { p class="bad" { "Not possible: " (trouble) } }
        @if text.trim_ascii().is_empty() { p { "Nothing: this format has no deleted records." } }
        @else { (link(record, name)) (start(&text)) }
    }
}

fn resource_fields(resource: &Resource) -> Markup {
    let flat = Flat::from(resource);
    let authors: Vec<&str> = flat.authors.iter().map(|author| author.name).collect();
    let authors = (!authors.is_empty()).then(|| authors.join("; "));
    let keywords = (!flat.keywords.is_empty()).then(|| flat.keywords.join("; "));
    let isbns = (!flat.isbns.is_empty()).then(|| flat.isbns.join("; "));
    let fields = [
        ("Type", Some(resource.kind.name())),
        ("Authors", authors.as_deref()),
        ("Published in", flat.journal),
        ("Publisher", flat.publisher),
        ("Published", flat.published),
        ("ISBN", isbns.as_deref()),
        ("ISSN", flat.issn),
        ("EISSN", flat.eissn),
        ("DOI", flat.doi),
        // Not a link, because the repository chooses the address.
        ("Full text", flat.fulltext_url),
        ("Keywords", keywords.as_deref()),
        ("Abstract", flat.abstract_text),
    ];
    html! {
        dl {
            @for (name, value) in fields {
                @if let Some(value) = value {
                    dt { (name) } dd { (shorten(value, MAX_SHOWN_BYTES)) }
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
        let parts = [record, titled].map(|record| one(&shown(record), &documents));
        let page = page(hostile, &parts).into_string();
        assert!(page.contains("<h1>&lt;script&gt;alert(2)"), "{page}");
        for tag in ["<script", "<img", "onerror=alert(1)>\""] {
            assert!(!page.contains(tag), "{tag} in {page}");
        }
    }

    #[test]
    fn a_page_shows_the_start_of_what_is_long() {
        let long = |bytes: usize| {
            format!(
                "<doajArticle><title>{}</title></doajArticle>",
                "x ".repeat(bytes / 2)
            )
        };
        let cases = [
            ("long", 1 << 20, true),
            ("too long", MAX_RENDERED_BYTES, false),
        ];
        for (case, bytes, is_rendered) in cases {
            let record = StoredRecord {
                number: 1,
                source: "a".into(),
                metadata_prefix: "oai_doaj".into(),
                identifier: "oai:x:1".into(),
                datestamp: "2020-01-01".into(),
                set_specs: Vec::new(),
                deletion: None,
                version: Version(1 << 20),
                created_version: Version(1 << 20),
                metadata: Some(long(bytes)),
                extra: None,
                others: Vec::new(),
            };
            let shown = Shown {
                record,
                repaired: None,
                cluster: None,
            };
            let text = one(&shown, &DocumentOptions::default()).into_string();
            let formats = Format::named().count();
            assert!(
                text.len() < (formats + 2) * MAX_SHOWN_BYTES,
                "{case}: {}",
                text.len()
            );
            assert_eq!(text.matches("Only this format").count(), formats, "{case}");
            // The cells of a table end before.
            let starts = if is_rendered { formats } else { 1 };
            assert_eq!(text.matches("The first 65").count(), starts, "{case}");
        }
    }
}
