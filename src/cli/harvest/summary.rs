//! The summary at the end of a run.

use serde_json::json;

use crate::cli::table::{Cell, Column, Screen, Tone, fit};
use crate::harvest::Report;

/// The summary as a table with a line for each source.
pub(super) fn as_text(reports: &[Report], screen: Screen) -> String {
    let columns = [
        Column::left("source").cut(),
        Column::left("state"),
        Column::right("records"),
        Column::right("new"),
        Column::right("changed").drop(3),
        Column::right("unchanged").drop(4),
        Column::right("deleted").drop(2),
        Column::right("quarantined").drop(5),
        Column::right("seconds").drop(6),
        Column::left("complete up to").drop(1),
    ];
    let rows: Vec<Vec<Cell>> = reports
        .iter()
        .map(|report| {
            let counts = &report.counts;
            let least = { report.watermarks.iter() }
                .map(|watermark| watermark.datestamp)
                .min();
            vec![
                report.source.as_str().into(),
                Cell::new(report.end.word(), Tone::of(&report.end)),
                counts.records().to_string().into(),
                counts.new.to_string().into(),
                counts.changed.to_string().into(),
                counts.unchanged.to_string().into(),
                counts.deleted.to_string().into(),
                counts.quarantined.to_string().into(),
                format!("{:.1}", report.elapsed.as_secs_f64()).into(),
                least
                    .map_or_else(|| "none".to_owned(), |least| least.to_string())
                    .into(),
            ]
        })
        .collect();
    fit(&columns, &rows, screen)
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
