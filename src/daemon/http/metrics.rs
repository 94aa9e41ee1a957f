//! `/metrics` for Prometheus: text format 0.0.4.
//!
//! Gauges tell what the store has; counters count from the start of the process.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{Ctx, Failure};
use crate::daemon::board::{DeliveryState, State as SourceState};
use crate::daemon::overview::{DeliveryView, OutputView, Overview, SourceView};
use crate::store::PassState;

/// `GET /metrics`
pub(super) async fn metrics(State(context): State<Ctx>) -> Result<Response, Failure> {
    let overview = context.overview().await?;
    let text = render(&overview, context.shared.board.requests());
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Families of metrics, each with its samples together, as the format wants them.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        let mut separator = '{';
        for (label, text) in labels {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.0, "{separator}{label}=\"{escaped}\"");
            separator = ',';
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// One sample for each source for which `value` gives one.
    fn each(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        sources: &[SourceView],
        value: impl Fn(&SourceView) -> Option<f64>,
    ) {
        self.family(name, kind, help);
        for source in sources {
            if let Some(value) = value(source) {
                self.sample(name, &[("source", &source.name)], value);
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has only floats; counts and times are exact up to 2^53"
)]
fn render(overview: &Overview, requests: u64) -> String {
    let mut text = Text(String::new());
    let sources = &overview.sources;
    let count = |number: u64| number as f64;
    let seconds = |ms: i64| ms as f64 / 1000.0;

    text.family("harvestd_build_info", "gauge", "The program, always 1.");
    text.sample("harvestd_build_info", &[("version", overview.version)], 1.0);
    text.single(
        "harvestd_start_time_seconds",
        "gauge",
        "When the daemon began.",
        seconds(overview.started_ms),
    );
    text.single(
        "harvestd_ready",
        "gauge",
        "Whether passes can be started.",
        f64::from(u8::from(overview.trouble.is_none())),
    );
    let refused = overview
        .reload
        .as_ref()
        .is_some_and(|reload| reload.refused.is_some());
    text.single(
        "harvestd_config_last_reload_successful",
        "gauge",
        "Whether the last reading of the configuration was taken over.",
        f64::from(u8::from(!refused)),
    );
    text.single(
        "harvestd_http_requests_total",
        "counter",
        "HTTP requests.",
        count(requests),
    );
    text.single(
        "harvestd_store_bytes",
        "gauge",
        "Size of the database file.",
        count(overview.store_bytes),
    );
    text.single(
        "harvestd_store_log_bytes",
        "gauge",
        "Size of the write-ahead log.",
        count(overview.log_bytes),
    );
    text.single(
        "harvestd_store_last_change_time_seconds",
        "gauge",
        "When the store last changed.",
        seconds(overview.last_version.unix_ms()),
    );
    let paused = overview
        .hosts
        .iter()
        .filter(|host| host.left(overview.now_ms).is_some());
    text.single(
        "harvestd_hosts_paused",
        "gauge",
        "Hosts that are left alone now.",
        count(paused.count() as u64),
    );
    text.family(
        "harvestd_host_pause_until_seconds",
        "gauge",
        "Until when a host is left alone.",
    );
    for host in &overview.hosts {
        text.sample(
            "harvestd_host_pause_until_seconds",
            &[("host", &host.host)],
            seconds(host.not_before_at),
        );
    }

    text.family(
        "harvestd_source_state",
        "gauge",
        "1 for the state that a source is in.",
    );
    for source in sources {
        let Some(state) = &source.state else { continue };
        for word in SourceState::WORDS {
            let is = f64::from(u8::from(state.word() == word));
            let labels = [("source", source.name.as_str()), ("state", word)];
            text.sample("harvestd_source_state", &labels, is);
        }
    }
    text.family(
        "harvestd_source_records",
        "gauge",
        "Records in the store, live or deleted.",
    );
    for source in sources {
        for (kind, records) in [
            ("live", source.live_records),
            ("deleted", source.deleted_records),
        ] {
            let labels = [("source", source.name.as_str()), ("kind", kind)];
            text.sample("harvestd_source_records", &labels, count(records));
        }
    }
    text.each(
        (
            "harvestd_source_quarantined_items",
            "gauge",
            "Items that could not become records.",
        ),
        sources,
        |source| Some(count(source.quarantined)),
    );
    text.each(
        (
            "harvestd_source_watermark_seconds",
            "gauge",
            "Up to where on the repository's clock everything is in the store.",
        ),
        sources,
        |source| source.watermark.map(|at| at.unix() as f64),
    );
    text.each(
        (
            "harvestd_source_behind_seconds",
            "gauge",
            "How long ago the watermark is.",
        ),
        sources,
        |source| source.behind_seconds.map(|seconds| seconds as f64),
    );
    text.each(
        (
            "harvestd_source_pending_windows",
            "gauge",
            "Windows of an open pass that are not at their end.",
        ),
        sources,
        |source| Some(count(source.pending_windows.len() as u64)),
    );
    text.each(
        ("harvestd_source_warnings", "gauge", "Standing warnings."),
        sources,
        |source| Some(count(source.warnings.len() as u64)),
    );
    text.family(
        "harvestd_source_warning",
        "gauge",
        "1 for each kind of warning that stands.",
    );
    for source in sources {
        for warning in &source.warnings {
            let labels = [
                ("source", source.name.as_str()),
                ("kind", warning.kind.word()),
            ];
            text.sample("harvestd_source_warning", &labels, 1.0);
        }
    }
    text.each(
        (
            "harvestd_source_last_complete_pass_seconds",
            "gauge",
            "When the newest complete pass ended, of those that are remembered.",
        ),
        sources,
        |source| {
            let mut passes = source.passes.iter();
            let complete = passes.find(|pass| pass.state == PassState::Complete)?;
            complete.ended_at.map(seconds)
        },
    );
    text.family(
        "harvestd_passes_total",
        "counter",
        "Runs over a source that ended.",
    );
    for source in sources {
        for (result, runs) in [
            ("complete", source.counters.complete),
            ("incomplete", source.counters.incomplete),
        ] {
            let labels = [("source", source.name.as_str()), ("result", result)];
            text.sample("harvestd_passes_total", &labels, count(runs));
        }
    }
    text.each(
        ("harvestd_pages_total", "counter", "Pages stored."),
        sources,
        |source| Some(count(source.counters.pages)),
    );
    text.family(
        "harvestd_records_total",
        "counter",
        "Records that arrived, by what became of them.",
    );
    for source in sources {
        let counters = &source.counters;
        for (result, records) in [
            ("new", counters.new),
            ("changed", counters.changed),
            ("unchanged", counters.unchanged),
            ("deleted", counters.deleted),
        ] {
            let labels = [("source", source.name.as_str()), ("result", result)];
            text.sample("harvestd_records_total", &labels, count(records));
        }
    }
    text.each(
        (
            "harvestd_server_wait_seconds_total",
            "counter",
            "Time from requests to the ends of their answers.",
        ),
        sources,
        |source| Some(source.counters.server_wait.as_secs_f64()),
    );
    text.each(
        (
            "harvestd_own_time_seconds_total",
            "counter",
            "Time for parsing and storing.",
        ),
        sources,
        |source| Some(source.counters.own_time.as_secs_f64()),
    );
    text.family(
        "harvestd_condition",
        "gauge",
        "1 for each thing that is wrong, as alerts tell it.",
    );
    for condition in &overview.conditions {
        let labels = [
            ("subject", condition.subject.as_str()),
            ("name", condition.name.as_str()),
            ("condition", condition.kind.as_str()),
        ];
        text.sample("harvestd_condition", &labels, 1.0);
    }
    text.single(
        "harvestd_pending_alerts",
        "gauge",
        "Alerts that have not arrived.",
        count(overview.pending_alerts),
    );
    let outputs = &overview.outputs;
    for (name, help, value) in [
        (
            "harvestd_output_behind_changes",
            "Changes that an output has not confirmed; a million at most are counted.",
            (|output| output.behind as f64) as fn(&OutputView) -> f64,
        ),
        (
            "harvestd_output_behind_seconds",
            "How long ago the oldest of these changes was stored.",
            |output| output.behind_seconds as f64,
        ),
        (
            "harvestd_output_rejected_documents",
            "Documents that an output did not take.",
            |output| output.rejected as f64,
        ),
        (
            "harvestd_output_position_time_seconds",
            "When the newest change that an output has confirmed came into the store.",
            |output| output.known.position.unix_ms() as f64 / 1000.0,
        ),
        (
            "harvestd_output_failures",
            "Pushes in vain since an output last had everything.",
            |output| f64::from(output.delivery.failures),
        ),
    ] {
        text.family(name, "gauge", help);
        for output in outputs {
            text.sample(name, &[("output", &output.known.name)], value(output));
        }
    }
    text.family(
        "harvestd_output_last_confirmed_seconds",
        "gauge",
        "When an output last confirmed anything.",
    );
    for output in outputs {
        if let Some(at) = output.known.confirmed_at {
            let labels = [("output", output.known.name.as_str())];
            text.sample(
                "harvestd_output_last_confirmed_seconds",
                &labels,
                seconds(at),
            );
        }
    }
    let outputs: Vec<(&str, &DeliveryView)> = outputs
        .iter()
        .map(|output| (output.known.name.as_str(), &output.delivery))
        .collect();
    deliveries(&mut text, "output", "pushes", &outputs);
    let exports: Vec<(&str, &DeliveryView)> = overview
        .exports
        .iter()
        .map(|export| (export.known.name.as_str(), &export.delivery))
        .collect();
    deliveries(&mut text, "export", "exports", &exports);
    text.family(
        "harvestd_export_done_time_seconds",
        "gauge",
        "When an export last had everything.",
    );
    for export in &overview.exports {
        if let Some(done_at) = export.known.done_at {
            let labels = [("export", export.known.name.as_str())];
            text.sample(
                "harvestd_export_done_time_seconds",
                &labels,
                seconds(done_at),
            );
        }
    }
    if let Some(index) = &overview.search.index {
        text.single(
            "harvestd_search_behind_changes",
            "gauge",
            "Changes that the search index does not have; a million at most are counted.",
            count(index.behind),
        );
        text.single(
            "harvestd_search_bytes",
            "gauge",
            "Size of the search index.",
            count(index.bytes),
        );
    }
    text.0
}

/// What outputs and exports (`kind`) have in common.
#[expect(
    clippy::cast_precision_loss,
    reason = "the format has only floats; counts are exact up to 2^53"
)]
fn deliveries(text: &mut Text, kind: &str, runs: &str, all: &[(&str, &DeliveryView)]) {
    let name = format!("harvestd_{kind}_state");
    text.family(&name, "gauge", "1 for the state that it is in.");
    for (of, delivery) in all {
        for word in DeliveryState::WORDS {
            let is = f64::from(u8::from(delivery.state.word() == word));
            text.sample(&name, &[(kind, of), ("state", word)], is);
        }
    }
    let name = format!("harvestd_{runs}_total");
    text.family(&name, "counter", "Runs that ended.");
    for (of, delivery) in all {
        for (result, runs) in ["complete", "incomplete"].into_iter().zip(delivery.runs) {
            text.sample(&name, &[(kind, of), ("result", result)], runs as f64);
        }
    }
    let name = format!("harvestd_{kind}_documents_total");
    text.family(
        &name,
        "counter",
        "Documents and records delivered, by what became of them.",
    );
    for (of, delivery) in all {
        let sums = delivery.sums;
        for (result, documents) in [
            ("added", sums.records),
            ("deleted", sums.deletions),
            ("set_aside", sums.set_aside),
        ] {
            text.sample(&name, &[(kind, of), ("result", result)], documents as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_labels() {
        let mut text = Text(String::new());
        text.family("m", "gauge", "Help.");
        text.sample("m", &[("a", "x\"y\\z\nw"), ("b", "c")], 1.5);
        text.sample("m", &[], 3.0);
        assert_eq!(
            text.0,
            "# HELP m Help.\n# TYPE m gauge\nm{a=\"x\\\"y\\\\z\\nw\",b=\"c\"} 1.5\nm 3\n"
        );
    }
}
