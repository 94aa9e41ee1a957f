//! The page of works that several records describe: those whose records have changed lately.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::components::{address, record_address};
use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::visitor::{Times, Visitor};
use super::words;
use crate::daemon::http::Ctx;
use crate::daemon::http::render::{MAX_FIELD_BYTES, shorten};
use crate::store::{ClusterState, RecentCluster};

/// Works on the page.
const WORKS: usize = 50;

/// Records of a work that the page names.
const MEMBERS: usize = 10;

/// Show the works that several records describe
#[utoipa::path(get, path = "/duplicates", tag = "Pages", responses(PageResponses))]
pub(in crate::daemon::http) async fn duplicates_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
) -> PageResult {
    let visitor = Visitor::of(&context, &headers);
    let read = context.read(|reader| {
        let state = reader.cluster_state()?;
        let recent = match state {
            ClusterState::Current => reader.recent_clusters(WORKS, MEMBERS)?,
            ClusterState::Off | ClusterState::Due => Vec::new(),
        };
        Ok((state, recent))
    });
    let (state, recent) = read.await?;
    Ok(respond(StatusCode::OK, page(state, &recent, &visitor)))
}

fn page(state: ClusterState, recent: &[RecentCluster], visitor: &Visitor) -> Markup {
    let content = html! {
        h1 { "Duplicates" }
        @match state {
            ClusterState::Off => {
                p {
                    "Deduplication is off. Set " code { "enabled = true" } " under " code { "[dedup]" }
                    " to find the records that describe the same work."
                }
            }
            ClusterState::Due => {
                p {
                    "The clusters are not up to date, because the rules have changed. Run "
                    code { "harvestd dedup rebuild" } "."
                }
            }
            ClusterState::Current if recent.is_empty() => {
                p { "None of the newest changes belongs to a work with several records." }
            }
            ClusterState::Current => {
                p class="hint" {
                    "The works with several records among the newest changes, the newest first. The first record "
                    "of each is the preferred one. " code { "harvestd dedup report" } " counts them all."
                }
                @for work in recent { (one(work, visitor.times)) }
            }
        }
    };
    Page::of("Duplicates", Nav::Duplicates, visitor).with(&content)
}

fn one(work: &RecentCluster, times: Times) -> Markup {
    let name = work.cluster.name.to_string();
    html! {
        section class="card" {
            h2 { (words::counted(work.size, "record", "records")) ", changed " (times.ago(work.changed.unix_ms())) }
            ol {
                @for member in &work.cluster.members {
                    li {
                        a href=(record_address(&member.source, &member.identifier)) {
                            (shorten(&member.identifier, MAX_FIELD_BYTES))
                        }
                        " · " a href=(address("source", &member.source)) { (member.source) }
                    }
                }
            }
            @if work.size > work.cluster.members.len() as u64 {
                p class="hint" { "The first " (work.cluster.members.len()) " of them." }
            }
            p class="hint" { "Cluster " (shorten(&name, MAX_FIELD_BYTES)) }
        }
    }
}
