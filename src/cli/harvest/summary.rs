//! The summary at the end of a run.

use serde_json::json;

use crate::cli::table::{Cell, Column, Screen, Tone, fit};
use crate::end::End;
use crate::harvest::Report;
use crate::store::Counts;

/// With more sources than this, the table has only those that are not complete.
const MOST_SOURCES: usize = 50;

/// The summary as a table with a line for each source, those that failed first. Of many sources, the complete
/// ones are only counted.
pub(super) fn as_text(reports: &[Report], screen: Screen) -> String {
    let mut shown: Vec<&Report> = reports.iter().collect();
    shown.sort_by_key(|report| match report.end {
        End::Failed(_) => 0,
        End::Incomplete(_) => 1,
        End::GapsLeft(_) => 2,
        End::Complete => 3,
    });
    if reports.len() <= MOST_SOURCES {
        return table(&shown, screen);
    }
    shown.retain(|report| report.end != End::Complete);
    let mut counts = Counts::default();
    for report in reports {
        counts.add(&report.counts);
    }
    let sums = format!(
        "{} of {} sources complete: {} records, {} new, {} changed, {} deleted\n",
        reports.len() - shown.len(),
        reports.len(),
        counts.records(),
        counts.new,
        counts.changed,
        counts.deleted
    );
    match shown.is_empty() {
        true => sums,
        false => table(&shown, screen) + &sums,
    }
}

fn table(reports: &[&Report], screen: Screen) -> String {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(source: &str, end: End) -> Report {
        Report {
            source: source.to_owned(),
            end,
            refused: false,
            counts: Counts {
                new: 2,
                ..Counts::default()
            },
            watermarks: Vec::new(),
            elapsed: Duration::ZERO,
            unreached: None,
        }
    }

    #[test]
    fn what_failed_comes_first_and_many_complete_sources_are_counted() {
        let mut reports = vec![
            report("well", End::Complete),
            report("later", End::Incomplete("down".to_owned())),
            report("broken", End::Failed("disk".to_owned())),
        ];
        let places = |text: &str| ["broken", "later", "well"].map(|name| text.find(name));
        let places = places(&as_text(&reports, Screen::PLAIN));
        assert!(
            places.is_sorted() && places.iter().all(Option::is_some),
            "{places:?}"
        );
        for number in 0..MOST_SOURCES {
            reports.push(report(&format!("s{number}"), End::Complete));
        }
        let text = as_text(&reports, Screen::PLAIN);
        assert!(text.contains("broken") && !text.contains("well"), "{text}");
        assert!(
            text.ends_with(
                "51 of 53 sources complete: 106 records, 106 new, 0 changed, 0 deleted\n"
            ),
            "{text}"
        );
    }
}
