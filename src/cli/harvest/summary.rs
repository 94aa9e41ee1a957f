//! The summary at the end of a run.

use serde_json::json;

use crate::cli::table::{self, Align};
use crate::harvest::Report;

/// The summary as a table with a line for each source.
pub(super) fn as_text(reports: &[Report]) -> String {
    let columns = [
        ("source", Align::Left),
        ("records", Align::Right),
        ("new", Align::Right),
        ("changed", Align::Right),
        ("unchanged", Align::Right),
        ("deleted", Align::Right),
        ("quarantined", Align::Right),
        ("seconds", Align::Right),
        ("watermark", Align::Left),
        ("state", Align::Left),
    ];
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let counts = &report.counts;
            let least = report
                .watermarks
                .iter()
                .map(|watermark| watermark.datestamp)
                .min();
            vec![
                report.source.clone(),
                counts.records().to_string(),
                counts.new.to_string(),
                counts.changed.to_string(),
                counts.unchanged.to_string(),
                counts.deleted.to_string(),
                counts.quarantined.to_string(),
                format!("{:.1}", report.elapsed.as_secs_f64()),
                least.map_or_else(|| "none".to_owned(), |least| least.to_string()),
                report.end.word().to_owned(),
            ]
        })
        .collect();
    table::render(&columns, &rows)
}

/// The summary as JSON.
pub(super) fn as_json(reports: &[Report]) -> serde_json::Value {
    let sources: Vec<serde_json::Value> = reports
        .iter()
        .map(|report| {
            json!({
                "source": report.source,
                "state": report.end.word(),
                "why": report.end.why(),
                "counts": report.counts,
                "watermarks": report.watermarks,
                "seconds": report.elapsed.as_secs_f64(),
            })
        })
        .collect();
    json!({ "sources": sources })
}
