//! The page of one record: its metadata, its state in the store, and every format.

use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::components::{address, badge, record_address};
use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::highlight;
use super::prose::paragraphs;
use super::verdict::Tone;
use super::visitor::{Times, Visitor};
use super::words;
use crate::daemon::http::listener::Client;
use crate::daemon::http::places::LargePlace;
use crate::daemon::http::render::{Body, MAX_FIELD_BYTES, renderer, shorten};
use crate::daemon::http::{Ctx, arguments, lookup};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::record::flat::Flat;
use crate::record::resource::{Identifier, IdentifierKind, Role};
use crate::record::{Resource, crosswalk, doi};
use crate::store::{
    Cluster, ClusterState, Deletion, Reader, RepairedRecord, StoreError, StoredRecord,
};

/// What the page shows of each format and of each field. More would stop a browser.
const MAX_SHOWN_BYTES: usize = 64 << 10;

/// A record with more metadata is not rendered for the page: that takes seconds for each format.
const MAX_RENDERED_BYTES: usize = 8 << 20;

/// Parts of one field, such as authors, that the page shows.
const MAX_PARTS: usize = 50;

/// Records of a cluster that the page names.
const MAX_MEMBERS: usize = 50;

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
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: RecordQuery = arguments::read(&query.unwrap_or_default())?;
    let visitor = Visitor::of(&context, &headers);
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
            parts.push(one(&read(reader, record)?, documents, visitor.times));
        }
        Ok((status, page(identifier, &parts, &visitor)))
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

fn page(identifier: &str, records: &[Markup], visitor: &Visitor) -> Markup {
    let content = html! {
        @if records.is_empty() {
            h1 { "No such record" }
            p { "The store has no record " (shorten(identifier, MAX_FIELD_BYTES)) "." }
        }
        @for record in records { (record) }
    };
    Page::of(&shorten(identifier, MAX_FIELD_BYTES), Nav::Search, visitor).with(&content)
}

fn one(shown: &Shown, documents: &DocumentOptions, times: Times) -> Markup {
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
            p {
                (deletion_badge(record.deletion)) " "
                a href=(address("source", &record.source)) { (record.source) } " · " code { (record.identifier) }
            }
            @match &resource {
                Some(Ok(resource)) => { (resource_fields(resource)) }
                Some(Err(error)) => { p class="notice t-bad" { "The metadata cannot be read: " (error) } }
                None => {}
            }
            @if let Some(cluster) = &shown.cluster { (members(record, cluster)) }
            (history(shown, times))
            h2 { "Formats" }
            @if let Some(metadata) = metadata {
                details open[metadata.len() < 16_384] {
                    summary { "As received (" (record.metadata_prefix) ")" }
                    (start(metadata.as_bytes(), true))
                }
            }
            @if let Some(extra) = &record.extra {
                details { summary { "Additional information (about)" } (start(extra.as_bytes(), true)) }
            }
            @if let Some(repaired) = &shown.repaired {
                details { summary { "Before the repair" } (start(&repaired.raw, true)) }
            }
            @for (format, name) in Format::named() {
                // Browsers close the open one of a group when another one is opened.
                details name="format" {
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

fn deletion_badge(deletion: Option<Deletion>) -> Markup {
    match deletion {
        None | Some(Deletion::Withheld) => badge(Tone::Good, "live"),
        Some(Deletion::Declared) => badge(Tone::Idle, "deleted in the repository"),
        Some(Deletion::Disappeared) => badge(Tone::Idle, "deleted, because it disappeared"),
    }
}

/// The start of a text, as it is, and how much more there is.
fn start(text: &[u8], is_xml: bool) -> Markup {
    let shown = &text[..text.len().min(MAX_SHOWN_BYTES)];
    html! {
        @if shown.len() < text.len() {
            p class="hint" {
                "The first " (words::number(shown.len() as u64)) " of "
                (words::number(text.len() as u64)) " bytes."
            }
        }
        @let text = String::from_utf8_lossy(shown);
        pre { @if is_xml { (highlight::xml(&text)) } @else { (text) } }
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

/// What happened to the record, as far as the store knows: it keeps only the present state.
fn history(shown: &Shown, times: Times) -> Markup {
    let record = &shown.record;
    let seen = |version: crate::store::Version| {
        html! {
            (times.ago(version.unix_ms()))
            span class="soft" { ", " (times.text(version.unix_ms())) ", version " (version) }
        }
    };
    html! {
        h2 { "History" }
        dl class="pairs" {
            dt { "First stored" } dd { (seen(record.created_version)) }
            dt { "Last change" }
            dd {
                @if record.version == record.created_version { "none since" }
                @else { (seen(record.version)) }
            }
            dt { "Datestamp" } dd { (record.datestamp) span class="soft" { ", by the repository" } }
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
        p class="hint" { "The store keeps only the present state." }
    }
}

fn members(record: &StoredRecord, cluster: &Cluster) -> Markup {
    let all = cluster.members.len();
    html! {
        h2 { "Same work" }
        @if all == 1 {
            p { "No other record describes this work." }
        } @else {
            p { (words::counted(all as u64, "record describes", "records describe")) " this work." }
            ol {
                @for (place, member) in cluster.members.iter().take(MAX_MEMBERS).enumerate() {
                    @let is_this = member.source == record.source && member.identifier == record.identifier;
                    li {
                        @if is_this { (member.identifier) }
                        @else {
                            a href=(record_address(&member.source, &member.identifier)) { (member.identifier) }
                        }
                        " · " (member.source)
                        @if place == 0 { " " (badge(Tone::Good, "preferred")) }
                        @if is_this { " " (badge(Tone::Info, "this record")) }
                    }
                }
            }
            @if all > MAX_MEMBERS { p class="hint" { "The first " (MAX_MEMBERS) " of them." } }
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
        @else { (link(record, name)) (start(&text, text.trim_ascii_start().starts_with(b"<"))) }
    }
}

/// A part of a value: a text, where it leads, and what stands behind it.
#[derive(Default)]
struct Part {
    text: String,
    href: Option<String>,
    note: Option<String>,
}

impl Part {
    fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// A link, if the address is one that a browser can open without harm.
    fn link(text: impl Into<String>, address: &str) -> Self {
        Self {
            text: text.into(),
            href: web_address(address),
            note: None,
        }
    }
}

/// The address, if it is one of the web. The repository chooses it, so nothing else is a link: no `javascript:`.
fn web_address(text: &str) -> Option<String> {
    let url = url::Url::parse(text.trim()).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

/// Where an identifier leads.
fn resolver(identifier: &Identifier) -> Option<String> {
    let value = identifier.value.trim();
    let at = |base: &str, value: &str| {
        let mut url = url::Url::parse(base).ok()?;
        url.set_path(value);
        Some(url.to_string())
    };
    match identifier.kind {
        IdentifierKind::Doi => at("https://doi.org/", &doi::normalise(value)?),
        IdentifierKind::Handle => {
            let handle = value.strip_prefix("hdl:").unwrap_or(value);
            web_address(handle).or_else(|| at("https://hdl.handle.net/", handle))
        }
        IdentifierKind::Urn => {
            let is_national = value.to_ascii_lowercase().starts_with("urn:nbn:");
            is_national.then(|| at("https://nbn-resolving.org/", value))?
        }
        IdentifierKind::Ark => {
            let ark = value.find("ark:").map(|start| &value[start..])?;
            at("https://n2t.net/", ark)
        }
        IdentifierKind::Pmid => at("https://pubmed.ncbi.nlm.nih.gov/", value),
        IdentifierKind::Pmcid => at(
            "https://pmc.ncbi.nlm.nih.gov/",
            &format!("articles/{value}"),
        ),
        IdentifierKind::Arxiv => {
            let number = value
                .trim_start_matches("arXiv:")
                .trim_start_matches("arxiv:");
            at("https://arxiv.org/", &format!("abs/{number}"))
        }
        IdentifierKind::Isbn
        | IdentifierKind::Number
        | IdentifierKind::Publisher
        | IdentifierKind::Other => web_address(value),
    }
}

/// The fields of a resource for reading: names and values, empty ones left out.
fn fields(resource: &Resource) -> Vec<(&'static str, Vec<Part>)> {
    let flat = Flat::from(resource);
    let people = |of_authors: bool| -> Vec<Part> {
        let agents = resource.agents.iter();
        let wanted = agents.filter(|agent| (agent.role == Role::Author) == of_authors);
        wanted
            .filter(|agent| !agent.name.trim().is_empty())
            .map(|agent| {
                let orcid = agent
                    .orcid
                    .as_deref()
                    .map(|orcid| match orcid.contains("://") {
                        true => orcid.to_owned(),
                        false => format!("https://orcid.org/{orcid}"),
                    });
                Part {
                    text: agent.name.clone(),
                    href: orcid.as_deref().and_then(web_address),
                    note: agent.affiliations.first().cloned(),
                }
            })
            .collect()
    };
    let one = |text: Option<&str>| text.map(Part::text).into_iter().collect::<Vec<_>>();
    let many = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Part::text(*text))
            .collect::<Vec<_>>()
    };
    let host = [
        flat.journal.map(str::to_owned),
        flat.volume.map(|volume| format!("volume {volume}")),
        flat.issue.map(|issue| format!("issue {issue}")),
        match (flat.start_page, flat.end_page) {
            (Some(start), Some(end)) => Some(format!("pages {start} to {end}")),
            (Some(start), None) => Some(format!("page {start}")),
            _ => None,
        },
    ];
    let host: Vec<String> = host.into_iter().flatten().collect();
    let identifiers = resource.identifiers.iter().map(|identifier| {
        let kind = serde_json::to_value(identifier.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default().to_uppercase();
        let text = match identifier.kind {
            IdentifierKind::Other | IdentifierKind::Number | IdentifierKind::Publisher => {
                identifier.value.clone()
            }
            _ => format!("{kind} {}", identifier.value),
        };
        Part {
            text,
            href: resolver(identifier),
            note: None,
        }
    });
    let links = resource
        .links
        .iter()
        .map(|link| Part::link(&link.url, &link.url));
    let rights = resource.rights.iter().filter_map(|rights| {
        let text = rights.text.clone().or_else(|| rights.url.clone())?;
        Some(match &rights.url {
            Some(url) => Part::link(text, url),
            None => Part::text(text),
        })
    });
    let all = [
        ("Type", vec![Part::text(resource.kind.name())]),
        ("Authors", people(true)),
        ("Contributors", people(false)),
        (
            "Published in",
            one((!host.is_empty()).then(|| host.join(", ")).as_deref()),
        ),
        ("Publisher", one(flat.publisher)),
        ("Published", one(flat.published)),
        ("Identifiers", identifiers.collect()),
        ("ISBN", many(&flat.isbns)),
        ("ISSN", one(flat.issn)),
        ("EISSN", one(flat.eissn)),
        ("Links", links.collect()),
        ("Languages", many(&flat.languages)),
        ("Keywords", many(&flat.keywords)),
        ("Rights", rights.collect()),
    ];
    all.into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .collect()
}

fn resource_fields(resource: &Resource) -> Markup {
    let abstracts: Vec<Vec<String>> = resource
        .abstracts
        .iter()
        .map(|text| paragraphs(&shorten(&text.text, MAX_SHOWN_BYTES)))
        .filter(|paragraphs| !paragraphs.is_empty())
        .collect();
    html! {
        dl class="pairs" {
            @for (name, parts) in fields(resource) {
                dt { (name) }
                dd {
                    @for (place, part) in parts.iter().take(MAX_PARTS).enumerate() {
                        @if place > 0 { "; " }
                        @let text = shorten(&part.text, MAX_FIELD_BYTES);
                        @match &part.href {
                            Some(href) => { a href=(href) rel="noopener noreferrer nofollow" { (text) } }
                            None => (text),
                        }
                        @if let Some(note) = &part.note {
                            span class="soft" { " (" (shorten(note, MAX_FIELD_BYTES)) ")" }
                        }
                    }
                    @if parts.len() > MAX_PARTS { "; and " (parts.len() - MAX_PARTS) " more" }
                }
            }
        }
        @if !abstracts.is_empty() {
            h2 { "Abstract" }
            @for text in &abstracts {
                @for paragraph in text { p { (paragraph) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::visitor::Access;
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
        let visitor = Visitor::at(0, Access::Off);
        let parts = [record, titled].map(|record| one(&shown(record), &documents, visitor.times));
        let page = page(hostile, &parts, &visitor).into_string();
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
            let times = Visitor::at(0, Access::Off).times;
            let text = one(&shown, &DocumentOptions::default(), times).into_string();
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

    #[test]
    fn only_addresses_of_the_web_are_links() {
        let identifier = |kind, value: &str| Identifier {
            kind,
            value: value.to_owned(),
        };
        use IdentifierKind::{Ark, Arxiv, Doi, Handle, Isbn, Other, Pmcid, Pmid, Urn};
        let cases = [
            (
                Doi,
                "https://doi.org/10.1000/A.b",
                Some("https://doi.org/10.1000/a.b"),
            ),
            (Handle, "hdl:10/7", Some("https://hdl.handle.net/10/7")),
            (
                Handle,
                "https://hdl.handle.net/10/7",
                Some("https://hdl.handle.net/10/7"),
            ),
            (
                Urn,
                "urn:nbn:de:1",
                Some("https://nbn-resolving.org/urn:nbn:de:1"),
            ),
            (Urn, "urn:isbn:1", None),
            (Ark, "ark:/12148/x", Some("https://n2t.net/ark:/12148/x")),
            (Pmid, "123", Some("https://pubmed.ncbi.nlm.nih.gov/123")),
            (
                Pmcid,
                "PMC1",
                Some("https://pmc.ncbi.nlm.nih.gov/articles/PMC1"),
            ),
            (Arxiv, "arXiv:2001.1", Some("https://arxiv.org/abs/2001.1")),
            (Isbn, "9783161484100", None),
            (Other, "http://x.org/1", Some("http://x.org/1")),
            (Other, "javascript:alert(1)", None),
            (Other, "data:text/html,x", None),
        ];
        for (kind, value, expected) in cases {
            let href = resolver(&identifier(kind, value));
            assert_eq!(href.as_deref(), expected, "{value}");
        }
    }
}
