//! The page of works that several records describe: those that changed lately, the largest ones, and their
//! number.

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
use crate::store::{ClusterState, RecentCluster, Review};

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
        Ok((state, recent, reader.review()?))
    });
    let (state, recent, review) = read.await?;
    let page = page(state, &recent, review.as_ref(), &visitor);
    Ok(respond(StatusCode::OK, page))
}

fn page(
    state: ClusterState,
    recent: &[RecentCluster],
    review: Option<&Review>,
    visitor: &Visitor,
) -> Markup {
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
            ClusterState::Current => {
                p {
                    a href=(super::review::ADDRESS) { "Judge matches" }
                    " to learn how many of them are right."
                }
                @if let Some(review) = review { (figures(review, visitor.times)) }
                h2 { "Changed lately" }
                @if recent.is_empty() {
                    p { "None of the newest changes belongs to a work with several records." }
                } @else {
                    p class="hint" {
                        "The works with several records among the newest changes, the newest first. The first "
                        "record of each is the preferred one."
                    }
                }
                @for work in recent { (one(work, visitor.times)) }
            }
        }
    };
    Page::of("Duplicates", Nav::Duplicates, visitor).with(&content)
}

/// What the last report has counted, and the largest clusters.
fn figures(review: &Review, times: Times) -> Markup {
    let facts = [
        ("Works of several records", review.clusters),
        ("Records in them", review.clustered),
        ("Works of several sources", review.across_sources),
    ];
    html! {
        dl class="facts" {
            @for (what, count) in facts {
                div {
                    dt { (what) }
                    dd { (words::number(count)) small { "counted " (times.ago(review.drawn_at)) } }
                }
            }
        }
        @if !review.largest.is_empty() {
            h2 { "The largest works" }
            ol {
                @for (preferred, size) in &review.largest {
                    li {
                        a href=(record_address(&preferred.source, &preferred.identifier)) {
                            (shorten(&preferred.identifier, MAX_FIELD_BYTES))
                        }
                        " · " (words::counted(*size, "record", "records"))
                        " · " a href=(address("source", &preferred.source)) { (preferred.source) }
                    }
                }
            }
        }
    }
}

fn one(work: &RecentCluster, times: Times) -> Markup {
    let name = work.cluster.name.to_string();
    html! {
        section class="card" {
            h3 { (words::counted(work.size, "record", "records")) ", changed " (times.ago(work.changed.unix_ms())) }
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
