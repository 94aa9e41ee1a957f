//! The first page: the verdict, outputs and exports, and the list of sources.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::components::{
    address, badge, cards, job_badge, state_badge, state_word, with_arguments,
};
use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::strip;
use super::verdict::{Facts, Tone, Verdict, reason, verdict};
use super::visitor::{Times, Visitor};
use super::words;
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::{Ctx, Failure};
use crate::daemon::overview::{self, ExportView, JobView, OutputView};
use crate::daemon::status::{Reload, StatusRegistry};
use crate::store::{
    HostPause, JobKind, Reader, RunDay, SourceList, SourceListOrder, SourceListQuery, SourceRow,
    SourceState, StoreError,
};

/// Sources on one page.
const ROWS: u32 = 100;

/// Problems that the verdict names.
const PROBLEMS: u32 = 5;

/// Outputs and exports above the list; the page of outputs has all.
const DELIVERIES: usize = 8;

/// Hosts that asked for a pause, as the page names them.
const HOSTS: usize = 5;

/// The page renews itself after so many seconds, unless `refresh` says otherwise.
const REFRESH_SECONDS: u64 = 30;

/// What `refresh` can be.
const REFRESH: std::ops::RangeInclusive<u64> = 10..=86_400;

/// The longest text to filter by, in bytes. Names and addresses are shorter.
const MAX_TEXT_BYTES: usize = 2_000;

/// Which sources to list. The older words stay, for addresses that people keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum StateFilter {
    /// Those that failed, are held or are incomplete.
    Problems,
    #[serde(alias = "failing")]
    Failed,
    Held,
    Incomplete,
    New,
    #[serde(alias = "good")]
    Complete,
    Paused,
    #[serde(alias = "removed")]
    NotConfigured,
    Forgotten,
}

impl StateFilter {
    fn of(state: SourceState) -> Self {
        match state {
            SourceState::Failed => Self::Failed,
            SourceState::Held => Self::Held,
            SourceState::Incomplete => Self::Incomplete,
            SourceState::New => Self::New,
            SourceState::Complete => Self::Complete,
            SourceState::Paused => Self::Paused,
            SourceState::NotConfigured => Self::NotConfigured,
            SourceState::Forgotten => Self::Forgotten,
        }
    }

    fn states(self) -> Vec<SourceState> {
        let is_meant = |state: &SourceState| match self {
            Self::Problems => state.is_problem(),
            one => one == Self::of(*state),
        };
        SourceState::ALL.into_iter().filter(is_meant).collect()
    }

    fn word(self) -> &'static str {
        match self.states()[..] {
            [state] => state.word(),
            _ => "problems",
        }
    }
}

/// The order of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum Sort {
    /// Problems first, then by name.
    #[default]
    State,
    Name,
    /// The most live records first.
    Records,
    /// The most changes of today first.
    Today,
    /// The oldest watermark first.
    Behind,
    /// The soonest next run first.
    Next,
}

impl Sort {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::State, "state", "problems first"),
        (Self::Name, "name", "name"),
        (Self::Records, "records", "most records"),
        (Self::Today, "today", "most changes today"),
        (Self::Behind, "behind", "oldest state"),
        (Self::Next, "next", "next run"),
    ];

    /// The word for it in addresses.
    fn word(self) -> &'static str {
        let known = Self::ALL.into_iter().find(|(sort, ..)| *sort == self);
        known.map_or("", |(_, word, _)| word)
    }

    fn order(self) -> SourceListOrder {
        match self {
            Self::State => SourceListOrder::State,
            Self::Name => SourceListOrder::Name,
            Self::Records => SourceListOrder::Records,
            Self::Today => SourceListOrder::Today,
            Self::Behind => SourceListOrder::Behind,
            Self::Next => SourceListOrder::Next,
        }
    }
}

/// The query of the page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct StatusQuery {
    /// The page renews itself after so many seconds; 30 by default.
    #[param(value_type = usize, required = false, minimum = 10, maximum = 86_400)]
    refresh: Option<Number>,
    /// Only sources whose name or base URL contains this text.
    #[serde(default)]
    #[param(required = false)]
    q: String,
    /// Only sources in this state.
    #[param(inline, required = false)]
    state: Option<StateFilter>,
    /// The order of the sources.
    #[param(inline, required = false)]
    sort: Option<Sort>,
    /// The page of the list, from 1.
    #[param(value_type = usize, required = false, minimum = 1)]
    page: Option<Number>,
}

/// Show the status page
#[utoipa::path(
    get,
    path = "/",
    tag = "Pages",
    params(StatusQuery),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn status_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: StatusQuery = arguments::read(&query.unwrap_or_default())?;
    let refresh = query
        .refresh
        .map_or(REFRESH_SECONDS, |Number(seconds)| seconds);
    if !REFRESH.contains(&refresh) {
        let message = format!("refresh={refresh} is outside of 10 to 86400 seconds");
        return Err(Failure::bad_request(message).into());
    }
    if query.page == Some(Number(0)) {
        return Err(Failure::bad_request("page must be at least 1").into());
    }
    if query.q.len() > MAX_TEXT_BYTES {
        let message = format!("q is longer than {MAX_TEXT_BYTES} bytes");
        return Err(Failure::bad_request(message).into());
    }
    let visitor = Visitor::of(&context, &headers);
    let registry = std::sync::Arc::clone(&context.shared.registry);
    let store = context.shared.store.clone();
    let wanted = query.clone();
    let read = context.read(move |reader| {
        let bytes = overview::bytes_on_disk(&store);
        Front::read(reader, &registry, &wanted, bytes)
    });
    let page = page(&read.await?, &query, refresh, &visitor);
    Ok(respond(StatusCode::OK, page))
}

/// What the page shows.
struct Front {
    listed: SourceList,
    /// The sources with the most urgent problems.
    urgent: Vec<SourceRow>,
    /// The progress of the running jobs among the listed sources, by source.
    running: BTreeMap<String, JobView>,
    runs: BTreeMap<String, Vec<RunDay>>,
    deliveries: Deliveries,
    hosts: Vec<HostPause>,
    trouble: Option<String>,
    reload: Option<Reload>,
    started_ms: i64,
    bytes: u64,
}

/// Outputs and exports with their runs.
pub(super) struct Deliveries {
    pub(super) outputs: Vec<OutputView>,
    pub(super) exports: Vec<ExportView>,
    pub(super) pushes: BTreeMap<String, Vec<RunDay>>,
    pub(super) writes: BTreeMap<String, Vec<RunDay>>,
}

impl Deliveries {
    pub(super) fn read(reader: &Reader, registry: &StatusRegistry) -> Result<Self, StoreError> {
        let since_ms = strip::since_ms(registry.now_ms());
        let outputs = overview::outputs(reader, registry, None)?;
        let exports = overview::exports(reader, registry, None)?;
        let pushed: Vec<&str> = outputs
            .iter()
            .map(|view| view.known.name.as_str())
            .collect();
        let written: Vec<&str> = exports
            .iter()
            .map(|view| view.known.name.as_str())
            .collect();
        Ok(Self {
            pushes: reader.run_days(JobKind::Push, &pushed, since_ms)?,
            writes: reader.run_days(JobKind::Export, &written, since_ms)?,
            outputs,
            exports,
        })
    }
}

impl Front {
    fn read(
        reader: &Reader,
        registry: &StatusRegistry,
        query: &StatusQuery,
        bytes: u64,
    ) -> Result<Self, StoreError> {
        let now_ms = registry.now_ms();
        let config = registry.config();
        let names: Vec<&str> = config
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        let query = SourceListQuery {
            configured: serde_json::Value::from(names).to_string(),
            text: query.q.trim().to_owned(),
            states: query.state.map(StateFilter::states).unwrap_or_default(),
            order: query.sort.unwrap_or_default().order(),
            offset: u64::from(ROWS) * (query.number() - 1),
            limit: ROWS,
            now_ms,
        };
        let listed = reader.source_list(&query)?;
        let has_problems = listed.counts.iter().any(|(state, _)| state.is_problem());
        let begins_with_problems = query.text.is_empty()
            && query.states.is_empty()
            && query.order == SourceListOrder::State;
        let urgent = if !has_problems {
            Vec::new()
        } else if begins_with_problems && query.offset == 0 {
            let urgent = listed.rows.iter().filter(|row| row.state.is_problem());
            urgent.take(PROBLEMS as usize).cloned().collect()
        } else {
            let urgent = SourceListQuery {
                text: String::new(),
                states: StateFilter::Problems.states(),
                order: SourceListOrder::State,
                offset: 0,
                limit: PROBLEMS,
                ..query
            };
            reader.source_list(&urgent)?.rows
        };
        let shown: Vec<&str> = listed.rows.iter().map(|row| row.name.as_str()).collect();
        let running = listed.rows.iter().filter_map(|row| {
            let jobs = [&row.reconcile, &row.harvest];
            let job = jobs.into_iter().find(|job| job.is_running())?;
            Some((row.name.clone(), JobView::of(job.clone(), registry)))
        });
        Ok(Self {
            running: running.collect(),
            runs: reader.run_days(JobKind::Harvest, &shown, strip::since_ms(now_ms))?,
            deliveries: Deliveries::read(reader, registry)?,
            hosts: reader.host_pauses()?,
            trouble: registry.trouble(),
            reload: registry.reload(),
            started_ms: registry.started_ms(),
            bytes,
            listed,
            urgent,
        })
    }

    fn verdict(&self) -> Verdict {
        verdict(&Facts {
            counts: &self.listed.counts,
            sources: &self.urgent,
            outputs: &self.deliveries.outputs,
            exports: &self.deliveries.exports,
            trouble: self.trouble.as_deref(),
            reload: self.reload.as_ref(),
        })
    }
}

impl StatusQuery {
    /// The page of the list, from 1.
    fn number(&self) -> u64 {
        // A page that far beyond any list is empty too.
        self.page.map_or(1, |Number(page)| page.clamp(1, 1 << 32))
    }

    /// The address of the list with another order, state or page.
    fn address(&self, state: Option<StateFilter>, sort: Sort, page: u64) -> String {
        let page = if page > 1 {
            page.to_string()
        } else {
            String::new()
        };
        let arguments = [
            ("q", self.q.as_str()),
            ("state", state.map_or("", StateFilter::word)),
            // The default needs no argument.
            (
                "sort",
                if sort == Sort::default() {
                    ""
                } else {
                    sort.word()
                },
            ),
            ("page", &page),
        ];
        with_arguments("/", &arguments)
    }
}

fn page(front: &Front, query: &StatusQuery, refresh: u64, visitor: &Visitor) -> Markup {
    let times = visitor.times;
    let verdict = front.verdict();
    let content = html! {
        div id="live" {
            (verdict_box(&verdict, times))
            (pauses(&front.hosts, times))
            (deliveries(&front.deliveries, times))
            @if front.listed.counts.is_empty() {
                p {
                    "Add a " code { "[[source]]" } " to the configuration and reload it, or start with "
                    code { "harvestd daemon --demo" } "."
                }
            } @else { (sources(front, query, times)) }
            p class="hint" {
                "harvestd " (env!("CARGO_PKG_VERSION")) ", started " (times.ago(front.started_ms))
                ". On disk: " (words::bytes(front.bytes)) ", with the write-ahead log and the search index. "
                "This page renews itself every " (refresh) " s."
            }
        }
    };
    let page = Page {
        refresh: Some(refresh),
        is_alarming: verdict.is_alarming(),
        ..Page::of(&verdict.headline, Nav::Sources, visitor)
    };
    page.with(&content)
}

fn verdict_box(verdict: &Verdict, times: Times) -> Markup {
    html! {
        section class={ "verdict " (verdict.tone.class()) } aria-label="Verdict" {
            h1 { (verdict.headline) }
            @if !verdict.problems.is_empty() {
                ul {
                    @for problem in &verdict.problems {
                        li {
                            @if let Some(href) = &problem.href { a href=(href) { (problem.name) } ": " }
                            (problem.text)
                            @if let Some(since) = problem.since { ", for " (times.age(since)) }
                        }
                    }
                    @if verdict.more > 0 {
                        li { a href="/?state=problems" { (words::number(verdict.more)) " more" } }
                    }
                }
            }
            @if !verdict.notes.is_empty() { p { (verdict.notes.join("; ")) "." } }
        }
    }
}

fn pauses(hosts: &[HostPause], times: Times) -> Markup {
    let waiting = || {
        hosts
            .iter()
            .filter(|host| host.left(times.now_ms).is_some())
    };
    let more = waiting().count().saturating_sub(HOSTS);
    html! {
        @for host in waiting().take(HOSTS) {
            p class="notice" {
                "No requests to " (host.host) " until " (times.text(host.not_before_at)) ": " (host.reason)
            }
        }
        @if more > 0 { p class="hint" { "Requests to " (more) " more hosts wait." } }
    }
}

/// Outputs and exports as small cards, those with problems first.
fn deliveries(deliveries: &Deliveries, times: Times) -> Markup {
    let mut shown: Vec<(bool, Markup)> = Vec::new();
    for view in &deliveries.outputs {
        let behind = words::counted(view.behind, "change", "changes");
        let text = match view.behind {
            0 => "Nothing waits".to_owned(),
            _ => format!(
                "{behind} behind, the oldest {}",
                words::span(view.behind_seconds)
            ),
        };
        let runs = deliveries.pushes.get(&view.known.name);
        shown.push((
            view.job.job.failures == 0,
            card(
                "output",
                &view.known.name,
                &view.job,
                view.behind > 0,
                &text,
                runs,
                times,
            ),
        ));
    }
    for view in &deliveries.exports {
        let text = view.known.file.as_deref().unwrap_or("No file yet");
        let runs = deliveries.writes.get(&view.known.name);
        shown.push((
            view.job.job.failures == 0,
            card(
                "export",
                &view.known.name,
                &view.job,
                false,
                text,
                runs,
                times,
            ),
        ));
    }
    let all = shown.len();
    shown.sort_by_key(|(is_good, _)| *is_good);
    html! {
        @if all > 0 {
            h2 { "Outputs" }
            div class="grid" { @for (_, card) in shown.iter().take(DELIVERIES) { (card) } }
            @if all > DELIVERIES { p { a href="/outputs" { "All " (all) " outputs and exports" } } }
        }
    }
}

fn card(
    kind: &str,
    name: &str,
    job: &JobView,
    is_behind: bool,
    text: &str,
    runs: Option<&Vec<RunDay>>,
    times: Times,
) -> Markup {
    html! {
        section class="card" {
            h3 { a href=(address(kind, name)) { (name) } (job_badge(job, is_behind)) }
            p class="hint" { (text) }
            (strip::strip(runs.map_or(&[][..], Vec::as_slice), times.now_ms))
        }
    }
}

fn sources(front: &Front, query: &StatusQuery, times: Times) -> Markup {
    let sort = query.sort.unwrap_or_default();
    let listed = &front.listed;
    let all: u64 = listed.counts.iter().map(|(_, count)| count).sum();
    html! {
        h2 { "Sources" }
        (chips(front, query, all))
        (filter(query, sort))
        @if listed.rows.is_empty() {
            p { "No source matches. " a href="/" { "Show all" } }
        } @else {
            (cards("Sources", &head(query, sort), &html! {
                @for row in &listed.rows { (line(row, front, times)) }
            }))
            (pages(query, sort, listed))
        }
    }
}

/// The numbers of sources by state, each a link to these.
fn chips(front: &Front, query: &StatusQuery, all: u64) -> Markup {
    let sort = query.sort.unwrap_or_default();
    let current = |state: Option<StateFilter>| (query.state == state).then_some("true");
    html! {
        ul class="chips" {
            li {
                a href=(query.address(None, sort, 1)) aria-current=[current(None)] {
                    "All " (words::number(all))
                }
            }
            @for (state, count) in &front.listed.counts {
                @let filter = Some(StateFilter::of(*state));
                li {
                    a href=(query.address(filter, sort, 1)) aria-current=[current(filter)] {
                        (state_word(*state)) " " (words::number(*count))
                    }
                }
            }
        }
    }
}

fn filter(query: &StatusQuery, sort: Sort) -> Markup {
    html! {
        form class="filter" method="get" action="/" {
            @if let Some(state) = query.state { input type="hidden" name="state" value=(state.word()); }
            label { "Name or address" input type="search" name="q" value=(query.q); }
            label {
                "Order"
                select name="sort" {
                    @for (other, word, text) in Sort::ALL {
                        option value=(word) selected[other == sort] { (text) }
                    }
                }
            }
            button { "Filter" }
        }
    }
}

fn head(query: &StatusQuery, sort: Sort) -> Markup {
    let column = |of: Sort, direction: &'static str, number: bool, text: &str| {
        let sorted = (of == sort).then_some(direction);
        html! {
            th scope="col" aria-sort=[sorted] class=[number.then_some("number")] {
                a href=(query.address(query.state, of, 1)) { (text) }
            }
        }
    };
    html! {
        (column(Sort::Name, "ascending", false, "Source"))
        (column(Sort::State, "ascending", false, "State"))
        (column(Sort::Records, "descending", true, "Records"))
        (column(Sort::Today, "descending", true, "Today"))
        (column(Sort::Behind, "ascending", true, "Complete to"))
        th scope="col" { "Last 30 days" }
        th scope="col" { "Last run" }
        (column(Sort::Next, "ascending", false, "Next run"))
    }
}

fn line(row: &SourceRow, front: &Front, times: Times) -> Markup {
    let running = front.running.get(&row.name);
    let runs = front.runs.get(&row.name).map_or(&[][..], Vec::as_slice);
    html! {
        tr {
            td class="name" { a href=(address("source", &row.name)) { (row.name) } }
            td data-label="State" {
                (state_badge(row.state))
                @if running.is_some() { " " (badge(Tone::Info, "Running")) }
                @if let Some(view) = running {
                    small { (words::job(view, times)) }
                } @else if let Some((text, _)) = reason(row) {
                    small { (text) }
                }
            }
            td class="number" data-label="Records" {
                (words::number(row.live_records))
                @if row.quarantined > 0 {
                    small {
                        a href=(with_arguments("/quarantine", &[("source", &row.name)])) {
                            (words::number(row.quarantined)) " quarantined"
                        }
                    }
                }
            }
            td class="number" data-label="Today" {
                @if row.new_today > 0 { "+" (words::number(row.new_today)) " new" }
                @else if row.today > 0 { (words::counted(row.today, "change", "changes")) }
                @else { span class="soft" { "none" } }
            }
            td class="number" data-label="Complete to" {
                @match row.watermark {
                    Some(at) => { (times.ago(at.unix() * 1000)) }
                    None => { span class="soft" { "unknown" } }
                }
            }
            td data-label="30 days" { (strip::strip(runs, times.now_ms)) }
            td data-label="Last run" {
                @match row.harvest.ended_at {
                    Some(at) => { (times.ago(at)) }
                    None => { span class="soft" { "never" } }
                }
            }
            td data-label="Next run" {
                @if let Some(at) = row.harvest.next_at { (times.until(at)) }
                @else { span class="soft" { "none" } }
            }
        }
    }
}

fn pages(query: &StatusQuery, sort: Sort, listed: &SourceList) -> Markup {
    let number = query.number();
    let first = u64::from(ROWS) * (number - 1) + 1;
    let last = first + listed.rows.len() as u64 - 1;
    html! {
        @if listed.matching > listed.rows.len() as u64 {
            div class="pages" {
                @if number > 1 { a rel="prev" href=(query.address(query.state, sort, number - 1)) { "Previous" } }
                span { (first) " to " (last) " of " (words::number(listed.matching)) }
                @if last < listed.matching {
                    a rel="next" href=(query.address(query.state, sort, number + 1)) { "Next" }
                }
            }
        }
    }
}
