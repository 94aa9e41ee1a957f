//! Pages for people: plain HTML without scripts. Every text is escaped by the templates, so that a
//! title from a repository stays a text.

use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::arguments::Arguments;
use super::chart::chart;
use super::{Ctx, Failure, words};
use crate::daemon::overview::{Overview, SourceView};
use crate::record::{Article, crosswalk};
use crate::store::{Deletion, Pass, PassState, StoredRecord, Window};

/// Passes and windows in a table; more are in the API.
const ROWS: usize = 15;

/// `GET /style.css`
pub(super) async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("style.css")).into_response()
}

/// `GET /`
pub(super) async fn status(State(context): State<Ctx>) -> Result<Response, Failure> {
    let overview = context.overview().await?;
    Ok(respond(StatusCode::OK, &status_page(&overview)))
}

/// `GET /source/{name}`
pub(super) async fn source(
    State(context): State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let overview = context.overview().await?;
    let found = overview.sources.iter().find(|source| source.name == name);
    Ok(match found {
        Some(source) => respond(StatusCode::OK, &source_page(source, overview.now_ms)),
        None => respond(
            StatusCode::NOT_FOUND,
            &frame(
                "No such source",
                None,
                &html! { h1 { "There is no source " (name) } },
            ),
        ),
    })
}

/// `GET /record?identifier=`
pub(super) async fn record(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let arguments = Arguments::read(query.as_deref(), &["identifier"], &[])?;
    let identifier = arguments.text("identifier").unwrap_or_default().trim();
    let wanted = identifier.to_owned();
    let records = context.read(move |reader| reader.find(&wanted)).await?;
    let status = if records.is_empty() {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    Ok(respond(status, &record_page(identifier, &records)))
}

fn respond(status: StatusCode, page: &Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.0.clone()).into_response()
}

/// A whole page; `refresh` is after how many seconds it asks for itself again.
fn frame(title: &str, refresh: Option<u32>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = refresh {
                    meta http-equiv="refresh" content=(seconds);
                }
                title { (title) " - harvestd" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header {
                    a href="/" { strong { "harvestd" } }
                    form action="/record" method="get" role="search" {
                        input type="search" name="identifier" aria-label="Identifier of a record"
                            placeholder="oai:example.org:1" required;
                        button { "Show record" }
                    }
                }
                main { (content) }
            }
        }
    }
}

fn status_page(overview: &Overview) -> Markup {
    let now_ms = overview.now_ms;
    let up = words::span((now_ms - overview.started_ms) / 1000);
    let refused = overview
        .reload
        .as_ref()
        .and_then(|reload| Some((reload.at_ms, reload.refused.as_ref()?)));
    let waiting = overview
        .hosts
        .iter()
        .filter(|host| host.not_before_at > now_ms);
    let content = html! {
        h1 { (words::counted(overview.sources.len() as u64, "source", "sources")) }
        p class="hint" {
            "harvestd " (overview.version) ", running for " (up) "; store "
            (words::number(overview.store_bytes >> 20)) " MiB; " (words::instant(now_ms))
        }
        @if let Some(trouble) = &overview.trouble {
            p class="bad" { "No pass can be started: " (trouble) }
        }
        @if let Some((at_ms, why)) = refused {
            p class="bad" {
                "The configuration of " (words::instant(at_ms)) " was refused, the old one is in force: "
                (why)
            }
        }
        @for host in waiting {
            p { "Host " (host.host) " is left alone until " (words::instant(host.not_before_at)) ": "
                (host.reason) }
        }
        @for source in &overview.sources {
            section class="source" {
                h2 { a href={ "/source/" (source.name) } { (source.name) } }
                (summary(source, now_ms))
                (chart(&source.passes))
            }
        }
        p class="hint" {
            a href="/metrics" { "Metrics" } " · " a href="/api/v1/status" { "JSON" } " · "
            a href="/api/v1/openapi.json" { "API" }
        }
    };
    frame("Status", Some(30), &content)
}

/// What is most worth knowing of a source.
fn summary(source: &SourceView, now_ms: i64) -> Markup {
    html! {
        p { (words::state(source.state.as_ref(), now_ms)) "." }
        dl {
            dt { "Complete up to" }
            dd {
                @match (source.watermark, source.behind_seconds) {
                    (Some(at), Some(behind)) => { (at) " (" (words::span(behind)) " behind)" }
                    _ => "nothing is proven yet",
                }
                @if let Some(seconds) = source.traits.delayed_seconds {
                    "; the repository itself holds back " (words::span(seconds))
                }
            }
            dt { "Records" }
            dd {
                (words::number(source.live_records)) " live, "
                (words::number(source.deleted_records)) " deleted"
                @if source.quarantined > 0 {
                    ", " span class="bad" { (words::number(source.quarantined)) " set aside" }
                }
            }
            @if let Some(pass) = source.passes.first() {
                dt { "Last pass" }
                dd { (pass_in_words(pass, source, now_ms)) }
            }
            @if !source.pending_windows.is_empty() {
                dt { "Open windows" }
                dd { (words::number(source.pending_windows.len() as u64)) }
            }
        }
        @if let Some(message) = source.last_run.as_ref().and_then(|run| run.message.as_ref()) {
            p class="bad" { "The last run was not complete: " (message) }
        }
        @for warning in &source.warnings {
            p class="bad" { "Since " (words::instant(warning.since_at)) ": " (warning.message) }
        }
    }
}

fn pass_in_words(pass: &Pass, source: &SourceView, now_ms: i64) -> Markup {
    let at = pass.ended_at.unwrap_or(pass.started_at);
    let ago = words::span((now_ms - at) / 1000);
    let word = state_of(pass, source);
    html! {
        span class=(if pass.state == PassState::Complete { "good" } else { "" }) { (word) }
        " " (ago) " ago: " (words::number(pass.counts.new)) " new, "
        (words::number(pass.counts.changed)) " changed, "
        (words::number(pass.counts.deleted)) " deleted, "
        (words::number(pass.counts.unchanged)) " unchanged"
    }
}

fn state_of(pass: &Pass, source: &SourceView) -> &'static str {
    let runs = source
        .state
        .as_ref()
        .is_some_and(|state| state.word() == "running");
    match pass.state {
        PassState::Complete => "complete",
        PassState::Open if runs => "running",
        PassState::Open => "cut off",
        PassState::Abandoned => "given up",
    }
}

fn source_page(source: &SourceView, now_ms: i64) -> Markup {
    let content = html! {
        h1 { (source.name) }
        (summary(source, now_ms))
        dl {
            @if let Some(name) = &source.traits.repository_name {
                dt { "Repository" } dd { (name) }
            }
            dt { "Base URL" } dd { (source.base_url) }
            dt { "Format" } dd { (source.metadata_prefix) }
            @if !source.sets.is_empty() {
                dt { "Sets" } dd { (source.sets.join(", ")) }
            }
        }
        (chart(&source.passes))
        @if source.watermarks.len() > 1 {
            h2 { "Proven lists" }
            div class="wide" { table {
                tr { th { "Set" } th { "Complete up to" } }
                @for watermark in &source.watermarks {
                    tr {
                        td class="text" { (watermark.set_spec.as_deref().unwrap_or("all")) }
                        td { (watermark.datestamp) }
                    }
                }
            } }
        }
        @if !source.passes.is_empty() {
            h2 { "Last passes" }
            (passes(source))
        }
        @if !source.pending_windows.is_empty() {
            h2 { "Open windows" }
            (windows(&source.pending_windows))
        }
        @if !source.quarantine.is_empty() {
            h2 { "Set aside" }
            div class="wide" { table {
                tr { th { "Last seen" } th { "Identifier" } th { "Reason" } }
                @for item in &source.quarantine {
                    tr {
                        td { (words::instant(item.last_at)) }
                        td class="text" { (item.identifier.as_deref().unwrap_or("none")) }
                        td class="text" { (item.reason) }
                    }
                }
            } }
            @if source.quarantined > source.quarantine.len() as u64 {
                p class="hint" { "The newest of " (words::number(source.quarantined)) "." }
            }
        }
    };
    frame(&source.name, Some(30), &content)
}

fn passes(source: &SourceView) -> Markup {
    html! {
        div class="wide" { table {
            tr {
                th { "Began" } th { "Kind" } th { "State" }
                th class="number" { "New" } th class="number" { "Changed" }
                th class="number" { "Deleted" } th class="number" { "Unchanged" }
                th class="number" { "Pages" } th { "Note" }
            }
            @for pass in source.passes.iter().take(ROWS) {
                tr {
                    td { (words::instant(pass.started_at)) }
                    td { (pass.kind.word()) }
                    td { (state_of(pass, source)) }
                    td class="number" { (words::number(pass.counts.new)) }
                    td class="number" { (words::number(pass.counts.changed)) }
                    td class="number" { (words::number(pass.counts.deleted)) }
                    td class="number" { (words::number(pass.counts.unchanged)) }
                    td class="number" { (words::number(pass.pages)) }
                    td class="text" { (pass.note.as_deref().unwrap_or_default()) }
                }
            }
        } }
    }
}

fn windows(windows: &[Window]) -> Markup {
    html! {
        div class="wide" { table {
            tr {
                th { "From" } th { "Until" } th { "State" } th class="number" { "Items" } th { "Note" }
            }
            @for window in windows.iter().take(ROWS) {
                tr {
                    td { @match window.span.from { Some(at) => (at), None => "the beginning" } }
                    td { @match window.span.until { Some(at) => (at), None => "now" } }
                    td { (window.state.word()) }
                    td class="number" { (words::number(window.items)) }
                    td class="text" { (window.note.as_deref().unwrap_or_default()) }
                }
            }
        } }
        @if windows.len() > ROWS {
            p class="hint" { "The first of " (words::number(windows.len() as u64)) "." }
        }
    }
}

fn record_page(identifier: &str, records: &[StoredRecord]) -> Markup {
    let content = html! {
        @if records.is_empty() {
            h1 { "No such record" }
            p { "The store has no record " (identifier) "." }
        }
        @for record in records { (one_record(record)) }
    };
    frame(identifier, None, &content)
}

fn one_record(record: &StoredRecord) -> Markup {
    let article = record
        .metadata
        .as_deref()
        .map(|metadata| crosswalk::article(&record.metadata_prefix, metadata));
    let title = match &article {
        Some(Ok(article)) => article.title.as_deref(),
        _ => None,
    };
    html! {
        h1 { (title.unwrap_or(&record.identifier)) }
        @match &article {
            Some(Ok(article)) => { (article_fields(article)) }
            Some(Err(error)) => { p class="bad" { "Its metadata cannot be read: " (error) } }
            None => {}
        }
        h2 { "In the store" }
        dl {
            dt { "Identifier" } dd { (record.identifier) }
            dt { "Source" } dd { a href={ "/source/" (record.source) } { (record.source) } }
            dt { "Datestamp" } dd { (record.datestamp) }
            dt { "State" }
            dd {
                @match record.deletion {
                    None | Some(Deletion::Represented) => "live",
                    Some(Deletion::Declared) => "deleted, as the repository says",
                    Some(Deletion::Vanished) => "deleted, since the repository no longer has it",
                }
            }
            dt { "Last change" } dd { (words::instant(record.version.unix_ms())) ", version " (record.version) }
            dt { "First seen" } dd { (words::instant(record.created_version.unix_ms())) }
            @if !record.set_specs.is_empty() {
                dt { "Sets" } dd { (record.set_specs.join(", ")) }
            }
        }
        @if let Some(metadata) = &record.metadata {
            h2 { "As received (" (record.metadata_prefix) ")" }
            pre { (metadata) }
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
    let fields = [
        ("Authors", authors.as_deref()),
        ("Journal", article.journal.as_deref()),
        ("Publisher", article.publisher.as_deref()),
        ("Published", article.published.as_deref()),
        ("ISSN", article.issn.as_deref()),
        ("EISSN", article.eissn.as_deref()),
        ("DOI", article.doi.as_deref()),
        // Not a link: it would be the repository's choice where it leads.
        ("Full text", article.fulltext_url()),
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
    fn hostile_texts_stay_texts() {
        let hostile = "</pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
        let record = StoredRecord {
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
            extra: None,
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
        let page = record_page(hostile, &[record, titled]).into_string();
        assert!(page.contains("<h1>&lt;script&gt;alert(2)"), "{page}");
        for tag in ["<script", "<img", "onerror=alert(1)>\""] {
            assert!(!page.contains(tag), "{tag} in {page}");
        }
    }
}
