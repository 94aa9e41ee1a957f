//! The report of an export: failed records, counts, the version for the next one.

use std::io::{self, Write};
use std::path::Path;

use indicatif::{HumanCount, MultiProgress};
use serde_json::{Value, json};

use crate::output::Format;
use crate::output::export::pipeline::{Batch, Fault};
use crate::output::vufind::Command;
use crate::store::Version;

/// The most failed records that are named in the log.
const NAMED: u64 = 20;

/// Counts over the batches of an export.
#[derive(Debug, Default)]
pub(super) struct Tally {
    written: u64,
    deletions: u64,
    left_out: u64,
    failed: u64,
}

impl Tally {
    /// Counts a batch, and logs its failed records.
    pub(super) fn add(&mut self, batch: &Batch) {
        let deletions = batch
            .pieces
            .iter()
            .filter(|(command, _)| *command == Command::Delete)
            .count() as u64;
        self.deletions += deletions;
        self.written += batch.pieces.len() as u64 - deletions;
        self.left_out += batch.left_out;
        for fault in &batch.faults {
            self.failed += 1;
            if self.failed <= NAMED {
                let Fault {
                    source,
                    identifier,
                    reason,
                } = fault;
                tracing::warn!(source.id = %source, "record {identifier}: {reason}");
            }
        }
    }

    /// Logs the number of failed records that were not named.
    pub(super) fn close(&self) {
        if self.failed > NAMED {
            tracing::warn!("{} more records like these", self.failed - NAMED);
        }
    }

    /// The number of failed records.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// The counts in one line, with the next `--since`.
    pub(super) fn as_text(&self, next: Version) -> String {
        let counted = |count: u64, one: &str, many: &str| {
            format!(
                "{} {}",
                HumanCount(count),
                if count == 1 { one } else { many }
            )
        };
        let mut line = counted(self.written, "record", "records");
        for (count, one, many) in [
            (self.deletions, "deletion", "deletions"),
            (self.left_out, "tombstone left out", "tombstones left out"),
            (
                self.failed,
                "with unreadable metadata",
                "with unreadable metadata",
            ),
        ] {
            if count > 0 {
                line.push_str(", ");
                line.push_str(&counted(count, one, many));
            }
        }
        format!("{line}; next time: --since {next}")
    }

    /// The counts as JSON. `complete` says that the export was not stopped.
    pub(super) fn as_json(
        &self,
        format: Format,
        file: Option<&Path>,
        next: Version,
        complete: bool,
    ) -> Value {
        json!({
            "format": format.name(),
            "file": file,
            "records": self.written,
            "deletions": self.deletions,
            "left_out": self.left_out,
            "failed": self.failed,
            "complete": complete,
            "since": next,
        })
    }
}

/// Writes a line to standard error, past the bars.
pub(super) fn tell(bars: &MultiProgress, line: &str) {
    // Without standard error there is nobody to tell.
    let _ = bars.suspend(|| writeln!(io::stderr().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::logging;

    #[test]
    fn names_some_and_counts_all() {
        let fault = |number: u32| Fault {
            source: "a".to_owned(),
            identifier: format!("oai:{number}"),
            reason: "no metadata".to_owned(),
        };
        let batch = Batch {
            pieces: vec![(Command::Add, 1), (Command::Delete, 2), (Command::Add, 3)],
            faults: (0..23).map(fault).collect(),
            left_out: 1_000,
            ..Batch::default()
        };
        let mut tally = Tally::default();
        let lines = logging::tests::captured(|| {
            tally.add(&batch);
            tally.close();
        });
        assert_eq!(lines.len(), 21, "{lines:?}");
        assert!(
            lines[0].contains("record oai:0: no metadata source.id=a"),
            "{}",
            lines[0]
        );
        assert!(
            lines[20].contains("3 more records like these"),
            "{}",
            lines[20]
        );
        assert_eq!(
            tally.as_text(Version(7)),
            "2 records, 1 deletion, 1,000 tombstones left out, 23 with unreadable metadata; \
             next time: --since 7"
        );
        assert_eq!(
            tally
                .as_json(Format::OaiDc, None, Version(7), true)
                .to_string(),
            "{\"format\":\"oai_dc\",\"file\":null,\"records\":2,\"deletions\":1,\"left_out\":1000,\
             \"failed\":23,\"complete\":true,\"since\":7}"
        );
    }
}
