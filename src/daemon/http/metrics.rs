//! `/metrics`: what Prometheus can read.
//!
//! Gauges show the state of the store and the daemon. Counters start at 0 with the process.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::exposition::Kind::{Counter, Gauge};
use super::exposition::{Exposition, MEDIA_TYPE};
use super::failure::ErrorBody;
use super::listener::{Connections, Cut};
use super::{Ctx, Failure};
use crate::daemon::overview::{
    self, ExportView, JobView, OutputView, Overview, SourceView, Totals,
};
use crate::daemon::usage::Usage;
use crate::store::{Health, JobState, SourceState};

/// Get the metrics, in the text format of Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Health",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(super) async fn get_metrics(State(context): State<Ctx>) -> Result<Response, Failure> {
    let most = context.shared.registry.config().daemon.metrics_per_source;
    let read = context.state(move |reader, registry, store| {
        let totals = overview::totals(reader, registry)?;
        // Thousands of sources would be tens of thousands of series.
        let each = match totals.sources <= most {
            true => overview::sources(reader, registry, None, most)?.sources,
            false => Vec::new(),
        };
        Ok((overview::overview(reader, registry, store)?, totals, each))
    });
    let (overview, totals, each) = read.await?;
    let mut text = Exposition::default();
    daemon(&mut text, &overview, context.shared.registry.requests());
    connections(&mut text, &context.connections);
    source_totals(&mut text, &totals);
    if totals.sources <= most {
        sources(&mut text, &each);
    }
    outputs(&mut text, &overview.outputs);
    exports(&mut text, &overview.exports);
    if let Some(usage) = &overview.provider {
        provider(&mut text, usage);
    }
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text.finish()).into_response())
}

fn connections(text: &mut Exposition, connections: &Connections) {
    text.single(
        "harvestd_http_connections",
        Gauge,
        "HTTP connections at the moment.",
        count(connections.count() as u64),
    );
    let mut cut = text.family(
        "harvestd_http_connections_cut_total",
        Counter,
        "HTTP connections that the daemon closed before their clients did.",
    );
    for why in Cut::ALL {
        cut.sample(&[("reason", why.name())], count(connections.cut(why)));
    }
}

fn provider(text: &mut Exposition, usage: &Usage) {
    let mut requests = text.family(
        "harvestd_oai_requests_total",
        Counter,
        "Requests to the OAI-PMH provider, by verb and result.",
    );
    for ((verb, outcome), number) in &usage.requests {
        let labels = [("verb", verb.unwrap_or("none")), ("result", outcome.name())];
        requests.sample(&labels, count(*number));
    }
    let mut items = text.family(
        "harvestd_oai_items_total",
        Counter,
        "Records and headers that the OAI-PMH provider has sent, by verb.",
    );
    for (verb, number) in &usage.items {
        items.sample(&[("verb", verb)], count(*number));
    }
    text.single(
        "harvestd_oai_response_bytes_total",
        Counter,
        "Bytes of answers of the OAI-PMH provider, before compression.",
        count(usage.bytes),
    );
    let others = ("other", &usage.others);
    let clients = usage.clients.iter();
    let clients = clients.map(|client| (client.client.as_str(), client));
    let clients: Vec<_> = clients.chain([others]).collect();
    let mut requests = text.family(
        "harvestd_oai_client_requests_total",
        Counter,
        "Requests to the OAI-PMH provider, by client. Only the last hundred clients have a sample of their own.",
    );
    for (address, client) in &clients {
        for (verb, number) in &client.verbs {
            requests.sample(&[("client", address), ("verb", verb)], count(*number));
        }
    }
    let mut items = text.family(
        "harvestd_oai_client_items_total",
        Counter,
        "Records and headers that the OAI-PMH provider has sent, by client.",
    );
    for (address, client) in &clients {
        items.sample(&[("client", address)], count(client.items));
    }
    let mut errors = text.family(
        "harvestd_oai_client_errors_total",
        Counter,
        "Requests to the OAI-PMH provider that were answered with an error or not answered, by client.",
    );
    for (address, client) in &clients {
        errors.sample(&[("client", address)], count(client.errors));
    }
    let mut position = text.family(
        "harvestd_oai_client_list_items",
        Gauge,
        "How many items of its last list a client has read.",
    );
    for (address, client) in &clients {
        if let Some(page) = &client.last_page {
            position.sample(
                &[("client", address), ("verb", &page.verb)],
                count(page.items),
            );
        }
    }
    let mut last = text.family(
        "harvestd_oai_client_last_request_timestamp_seconds",
        Gauge,
        "When a client last asked the OAI-PMH provider.",
    );
    for (address, client) in clients.iter().filter(|(_, client)| client.last_ms > 0) {
        last.sample(&[("client", address)], seconds(client.last_ms));
    }
}

/// The format has only floating point numbers; counts are exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn count(number: u64) -> f64 {
    number as f64
}

/// A time in seconds since 1970, or a span in seconds.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 milliseconds")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn flag(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

fn daemon(text: &mut Exposition, overview: &Overview, requests: u64) {
    text.family(
        "harvestd_build_info",
        Gauge,
        "The version of the program; the value is always 1.",
    )
    .sample(&[("version", overview.version)], 1.0);
    let reload_refused = overview
        .reload
        .as_ref()
        .is_some_and(|reload| reload.refused.is_some());
    let paused_hosts = overview
        .hosts
        .iter()
        .filter(|host| host.left(overview.now_ms).is_some())
        .count();
    for (name, kind, help, value) in [
        (
            "harvestd_start_timestamp_seconds",
            Gauge,
            "When the daemon started.",
            seconds(overview.started_ms),
        ),
        (
            "harvestd_ready",
            Gauge,
            "1 if the daemon can start jobs, else 0.",
            flag(overview.trouble.is_none()),
        ),
        (
            "harvestd_config_last_reload_successful",
            Gauge,
            "1 if the last reload of the configuration succeeded, else 0.",
            flag(!reload_refused),
        ),
        (
            "harvestd_http_requests_total",
            Counter,
            "HTTP requests received.",
            count(requests),
        ),
        (
            "harvestd_store_bytes",
            Gauge,
            "Size of the database file.",
            count(overview.store_bytes),
        ),
        (
            "harvestd_store_wal_bytes",
            Gauge,
            "Size of the write-ahead log of the database.",
            count(overview.log_bytes),
        ),
        (
            "harvestd_store_last_change_timestamp_seconds",
            Gauge,
            "When a record in the store last changed.",
            seconds(overview.last_version.unix_ms()),
        ),
        (
            "harvestd_hosts_paused",
            Gauge,
            "Hosts that get no requests at the moment, because they failed or asked for a pause.",
            count(paused_hosts as u64),
        ),
        (
            "harvestd_pending_alerts",
            Gauge,
            "Alerts that are not delivered yet.",
            count(overview.pending_alerts),
        ),
    ] {
        text.single(name, kind, help, value);
    }
    let mut pauses = text.family(
        "harvestd_host_pause_until_timestamp_seconds",
        Gauge,
        "When the pause of a host ends.",
    );
    for host in &overview.hosts {
        pauses.sample(&[("host", &host.host)], seconds(host.not_before_at));
    }
    let mut conditions = text.family(
        "harvestd_condition",
        Gauge,
        "Problems that alerts report; the value is always 1.",
    );
    for condition in &overview.conditions {
        let labels = [
            ("subject", condition.subject.as_str()),
            ("name", condition.name.as_str()),
            ("condition", condition.kind.as_str()),
        ];
        conditions.sample(&labels, 1.0);
    }
    if let Some(index) = &overview.search.index {
        text.single(
            "harvestd_search_index_behind_changes",
            Gauge,
            "Changes that the search index lacks, counted up to 100,000.",
            count(index.behind),
        );
        text.single(
            "harvestd_search_index_bytes",
            Gauge,
            "Size of the search index.",
            count(index.bytes),
        );
    }
}

/// Name, kind, help and value of a metric with one sample for each thing that has a value.
type Metric<T> = (
    &'static str,
    super::exposition::Kind,
    &'static str,
    fn(&T) -> Option<f64>,
);

const OF_SOURCES: &[Metric<SourceView>] = &[
    (
        "harvestd_source_quarantined_items",
        Gauge,
        "Items in quarantine, because they could not be stored as records.",
        |source| Some(count(source.quarantined)),
    ),
    (
        "harvestd_source_watermark_timestamp_seconds",
        Gauge,
        "The store has every change of the repository up to this time, on the repository's clock.",
        |source| source.watermark.map(|at| seconds(at.unix() * 1000)),
    ),
    (
        "harvestd_source_behind_seconds",
        Gauge,
        "Age of the watermark.",
        |source| source.behind_seconds.map(|behind| seconds(behind * 1000)),
    ),
    (
        "harvestd_source_pending_windows",
        Gauge,
        "Windows of the open pass that are not complete.",
        |source| Some(count(source.pending_windows.len() as u64)),
    ),
    (
        "harvestd_source_gaps",
        Gauge,
        "Spans of datestamps that could not be read.",
        |source| Some(count(source.gaps.len() as u64)),
    ),
    (
        "harvestd_source_warnings",
        Gauge,
        "Active warnings.",
        |source| Some(count(source.warnings.len() as u64)),
    ),
    (
        "harvestd_source_last_complete_pass_timestamp_seconds",
        Gauge,
        "When the last complete pass ended.",
        |source| source.last_complete_pass_at.map(seconds),
    ),
    (
        "harvestd_pages_total",
        Counter,
        "Pages of lists stored.",
        |source| Some(count(source.counters().pages)),
    ),
    (
        "harvestd_response_wait_seconds_total",
        Counter,
        "Time spent waiting for responses of the repository.",
        |source| Some(source.counters().server_wait.as_secs_f64()),
    ),
    (
        "harvestd_processing_seconds_total",
        Counter,
        "Time spent parsing and storing pages.",
        |source| Some(source.counters().own_time.as_secs_f64()),
    ),
];

/// What does not grow with the number of sources.
fn source_totals(text: &mut Exposition, totals: &Totals) {
    let harvests = || totals.harvests.iter();
    let mut healths = text.family(
        "harvestd_sources",
        Gauge,
        "Configured sources by how well their last harvests went.",
    );
    for health in Health::ALL {
        let these = harvests().filter(|job| job.health() == health);
        let number = count(these.count() as u64);
        healths.sample(&[("health", health.word())], number);
    }
    let mut states = text.family(
        "harvestd_source_jobs",
        Gauge,
        "Configured sources by what their harvests are doing.",
    );
    for state in JobState::ALL {
        let these = harvests().filter(|job| job.state == state);
        states.sample(&[("state", state.word())], count(these.count() as u64));
    }
    let mut states = text.family(
        "harvestd_sources_in_state",
        Gauge,
        "Sources of configuration and store by their state, as the page and `harvestd sources` show it.",
    );
    for state in SourceState::ALL {
        let these = totals.states.values().filter(|other| **other == state);
        states.sample(&[("state", state.word())], count(these.count() as u64));
    }
    let stored = &totals.stored;
    let mut records = text.family(
        "harvestd_store_records",
        Gauge,
        "Records of all sources in the store.",
    );
    records.sample(&[("kind", "live")], count(stored.live_records));
    records.sample(&[("kind", "deleted")], count(stored.deleted_records));
    let counters = &totals.counters;
    let mut received = text.family(
        "harvestd_store_received_total",
        Counter,
        "Records received from all sources, by their effect on the store.",
    );
    for (result, number) in [
        ("new", counters.new),
        ("changed", counters.changed),
        ("unchanged", counters.unchanged),
        ("deleted", counters.deleted),
    ] {
        received.sample(&[("result", result)], count(number));
    }
    for (name, help, value) in [
        (
            "harvestd_store_quarantined_items",
            "Items of all sources in quarantine.",
            stored.quarantined,
        ),
        (
            "harvestd_store_gaps",
            "Spans of datestamps of all sources that could not be read.",
            stored.gaps,
        ),
    ] {
        text.single(name, Gauge, help, count(value));
    }
}

fn sources(text: &mut Exposition, sources: &[SourceView]) {
    let mut states = text.family(
        "harvestd_source_state",
        Gauge,
        "1 for the current state of the source, 0 for the others.",
    );
    for source in sources {
        if !source.configured {
            continue;
        }
        for state in JobState::ALL {
            let labels = [("source", source.name.as_str()), ("state", state.word())];
            states.sample(&labels, flag(source.pass.job.state == state));
        }
    }
    let by = |text: &mut Exposition,
              (name, kind, help): (&str, _, &str),
              label: &str,
              values: &dyn Fn(&SourceView) -> Vec<(&'static str, u64)>| {
        let mut family = text.family(name, kind, help);
        for source in sources {
            for (word, value) in values(source) {
                family.sample(&[("source", &source.name), (label, word)], count(value));
            }
        }
    };
    by(
        text,
        ("harvestd_source_records", Gauge, "Records in the store."),
        "kind",
        &|source| {
            vec![
                ("live", source.live_records),
                ("deleted", source.deleted_records),
            ]
        },
    );
    by(
        text,
        ("harvestd_passes_total", Counter, "Passes that ended."),
        "result",
        &|source| {
            let (pass, reconcile) = (&source.pass.status, &source.reconcile.status);
            vec![
                ("complete", pass.succeeded + reconcile.succeeded),
                ("incomplete", pass.not_succeeded + reconcile.not_succeeded),
            ]
        },
    );
    by(
        text,
        (
            "harvestd_records_total",
            Counter,
            "Records received, by their effect on the store.",
        ),
        "result",
        &|source| {
            let counters = source.counters();
            vec![
                ("new", counters.new),
                ("changed", counters.changed),
                ("unchanged", counters.unchanged),
                ("deleted", counters.deleted),
            ]
        },
    );
    each(text, "source", sources, |source| &source.name, OF_SOURCES);
    let mut warnings = text.family(
        "harvestd_source_warning",
        Gauge,
        "Kinds of active warnings; the value is always 1.",
    );
    for source in sources {
        for warning in &source.warnings {
            let labels = [
                ("source", source.name.as_str()),
                ("kind", warning.kind.word()),
            ];
            warnings.sample(&labels, 1.0);
        }
    }
}

/// Adds each of `metrics`, with one sample for each of `things`.
fn each<T>(
    text: &mut Exposition,
    label: &str,
    things: &[T],
    name_of: fn(&T) -> &String,
    metrics: &[Metric<T>],
) {
    for (name, kind, help, value) in metrics {
        let mut family = text.family(name, *kind, help);
        for thing in things {
            if let Some(value) = value(thing) {
                family.sample(&[(label, name_of(thing))], value);
            }
        }
    }
}

const OF_OUTPUTS: &[Metric<OutputView>] = &[
    (
        "harvestd_output_behind_changes",
        Gauge,
        "Changes that the output has not confirmed, counted up to 100,000.",
        |output| Some(count(output.behind)),
    ),
    (
        "harvestd_output_behind_seconds",
        Gauge,
        "Age of the oldest change that the output has not confirmed.",
        |output| Some(seconds(output.behind_seconds * 1000)),
    ),
    (
        "harvestd_output_rejected_documents",
        Gauge,
        "Documents that the output rejected.",
        |output| Some(count(output.rejected)),
    ),
    (
        "harvestd_output_position_timestamp_seconds",
        Gauge,
        "When the newest change that the output has confirmed was stored.",
        |output| Some(seconds(output.known.position.unix_ms())),
    ),
    (
        "harvestd_output_last_confirmed_timestamp_seconds",
        Gauge,
        "When the output last confirmed a change.",
        |output| output.known.confirmed_at.map(seconds),
    ),
    (
        "harvestd_output_consecutive_failures",
        Gauge,
        "Failed pushes since the last complete one.",
        |output| Some(f64::from(output.job.job.failures)),
    ),
];

fn outputs(text: &mut Exposition, outputs: &[OutputView]) {
    each(
        text,
        "output",
        outputs,
        |output| &output.known.name,
        OF_OUTPUTS,
    );
    let deliveries: Vec<_> = outputs
        .iter()
        .map(|output| (output.known.name.as_str(), &output.job))
        .collect();
    runs(
        text,
        "output",
        ["harvestd_output_state", "harvestd_pushes_total"],
        (
            "harvestd_output_documents_total",
            "Documents sent, by result.",
        ),
        &deliveries,
    );
}

fn exports(text: &mut Exposition, exports: &[ExportView]) {
    let last_complete: Metric<ExportView> = (
        "harvestd_export_last_complete_timestamp_seconds",
        Gauge,
        "When the export was last complete.",
        |export| export.known.done_at.map(seconds),
    );
    each(
        text,
        "export",
        exports,
        |export| &export.known.name,
        &[last_complete],
    );
    let deliveries: Vec<_> = exports
        .iter()
        .map(|export| (export.known.name.as_str(), &export.job))
        .collect();
    runs(
        text,
        "export",
        ["harvestd_export_state", "harvestd_exports_total"],
        (
            "harvestd_export_documents_total",
            "Records written, by result.",
        ),
        &deliveries,
    );
}

/// State and runs of outputs or exports; `label` says which.
fn runs(
    text: &mut Exposition,
    label: &str,
    [state, runs]: [&str; 2],
    (documents, documents_help): (&str, &str),
    all: &[(&str, &JobView)],
) {
    let help = format!("1 for the current state of the {label}, 0 for the others.");
    let mut states = text.family(state, Gauge, &help);
    for (name, view) in all {
        for state in JobState::ALL {
            let is = flag(view.job.state == state);
            states.sample(&[(label, name), ("state", state.word())], is);
        }
    }
    let mut ended = text.family(runs, Counter, "Runs that ended.");
    for (name, view) in all {
        for (result, runs) in [
            ("complete", view.status.succeeded),
            ("incomplete", view.status.not_succeeded),
        ] {
            ended.sample(&[(label, name), ("result", result)], count(runs));
        }
    }
    let mut delivered = text.family(documents, Counter, documents_help);
    for (name, view) in all {
        let sums = view.status.delivered;
        for (result, documents) in [
            ("added", sums.added),
            ("deleted", sums.deleted),
            ("rejected", sums.rejected),
        ] {
            delivered.sample(&[(label, name), ("result", result)], count(documents));
        }
    }
}
