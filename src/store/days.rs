//! What each day brought: the records of a source, and how the runs of a job ended. Pages draw their strips
//! and charts from these rows, so that their cost does not grow with the history.
//!
//! A day is a number: days since 1970 in UTC.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::jobs::{JobKey, JobKind, JobOutcome};
use super::open::Cached;
use super::{Counts, Reader, SourceId, StoreError};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Days after which the rows of a job or source are deleted, when the next one is written.
const KEPT_DAYS: i64 = 400;

/// The day of a time in milliseconds since 1970.
pub fn day_of(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(DAY_MS)
}

/// How the runs of one day of a job ended. Interrupted runs are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RunDay {
    /// Days since 1970 in UTC.
    pub day: i64,
    /// Runs that did all there was to do.
    pub complete: u64,
    /// Runs that left something, such as a gap.
    pub incomplete: u64,
    /// Runs that failed.
    pub failed: u64,
}

/// Adds the records of a page to the present day of its source.
pub(super) fn add_records(
    connection: &Connection,
    source: SourceId,
    counts: &Counts,
    now_ms: i64,
) -> rusqlite::Result<()> {
    if counts.new + counts.changed + counts.deleted == 0 {
        return Ok(());
    }
    let day = day_of(now_ms);
    connection.run(
        "INSERT INTO source_day (source_id, day, created, changed, deleted)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source_id, day) DO UPDATE SET created = created + excluded.created,
            changed = changed + excluded.changed, deleted = deleted + excluded.deleted",
        params![source.0, day, counts.new, counts.changed, counts.deleted],
    )?;
    Ok(())
}

/// Counts the end of a run on the present day of its job, and deletes old days of the job.
pub(super) fn add_run(
    connection: &Connection,
    key: &JobKey,
    outcome: JobOutcome,
    has_message: bool,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let (complete, incomplete, failed) = match outcome {
        JobOutcome::Succeeded if has_message => (0, 1, 0),
        JobOutcome::Succeeded => (1, 0, 0),
        JobOutcome::Failed => (0, 0, 1),
        JobOutcome::Interrupted => return Ok(()),
    };
    let (kind, day) = (key.kind.word(), day_of(now_ms));
    connection.run(
        "INSERT INTO job_day (kind, name, day, complete, incomplete, failed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (kind, name, day) DO UPDATE SET complete = complete + excluded.complete,
            incomplete = incomplete + excluded.incomplete, failed = failed + excluded.failed",
        params![kind, key.name, day, complete, incomplete, failed],
    )?;
    connection.run(
        "DELETE FROM job_day WHERE kind = ?1 AND name = ?2 AND day < ?3",
        params![kind, key.name, day - KEPT_DAYS],
    )?;
    if matches!(key.kind, JobKind::Harvest) {
        connection.run(
            "DELETE FROM source_day WHERE day < ?2
                AND source_id = (SELECT id FROM source WHERE name = ?1)",
            params![key.name, day - KEPT_DAYS],
        )?;
    }
    Ok(())
}

impl Reader {
    /// How the runs of each day ended since the day of `since_ms`, the oldest day first, for each of the
    /// jobs of one kind with these names. Names and days without runs are left out.
    pub fn run_days(
        &self,
        kind: JobKind,
        names: &[&str],
        since_ms: i64,
    ) -> Result<BTreeMap<String, Vec<RunDay>>, StoreError> {
        self.read("reading the runs of each day", |connection| {
            let names = serde_json::Value::from(names.to_vec()).to_string();
            let mut days: BTreeMap<String, Vec<RunDay>> = BTreeMap::new();
            let mut statement = connection.prepare_cached(
                "SELECT wanted.value, day, complete, incomplete, failed
                 FROM json_each(?2) AS wanted CROSS JOIN job_day
                    ON kind = ?1 AND name = wanted.value AND day >= ?3
                 ORDER BY wanted.value, day",
            )?;
            let mut rows = statement.query(params![kind.word(), names, day_of(since_ms)])?;
            while let Some(row) = rows.next()? {
                days.entry(row.get(0)?).or_default().push(RunDay {
                    day: row.get(1)?,
                    complete: row.get(2)?,
                    incomplete: row.get(3)?,
                    failed: row.get(4)?,
                });
            }
            Ok(days)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{JobChange, Store};

    #[test]
    fn runs_are_counted_on_the_day_of_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        let end = |name: &str, outcome, message: Option<&str>, day: i64| {
            let key = JobKey::new(JobKind::Harvest, name);
            let message = message.map(str::to_owned);
            let change = JobChange::Ended { outcome, message };
            store
                .change_jobs(&[(key, change)], day * DAY_MS + 5)
                .unwrap();
        };
        end("a", JobOutcome::Succeeded, None, 100);
        end("a", JobOutcome::Succeeded, None, 100);
        end("a", JobOutcome::Succeeded, Some("1 gap"), 101);
        end("a", JobOutcome::Failed, Some("HTTP 500"), 101);
        end("a", JobOutcome::Interrupted, None, 102);
        end("b", JobOutcome::Failed, Some("HTTP 500"), 101);
        end("c", JobOutcome::Failed, Some("HTTP 500"), 101);
        let day = |day, complete, incomplete, failed| RunDay {
            day,
            complete,
            incomplete,
            failed,
        };
        let days = |names: &[&str], since: i64| {
            reader
                .run_days(JobKind::Harvest, names, since * DAY_MS)
                .unwrap()
        };
        let expected = [
            ("a".to_owned(), vec![day(100, 2, 0, 0), day(101, 0, 1, 1)]),
            ("b".to_owned(), vec![day(101, 0, 0, 1)]),
        ];
        assert_eq!(days(&["a", "b"], 100), BTreeMap::from(expected));
        assert_eq!(days(&["a"], 101)["a"], [day(101, 0, 1, 1)]);
        let pushes = reader.run_days(JobKind::Push, &["a"], 0).unwrap();
        assert_eq!(pushes, BTreeMap::new());

        end("a", JobOutcome::Succeeded, None, 101 + KEPT_DAYS);
        let kept: Vec<i64> = days(&["a"], 0)["a"].iter().map(|day| day.day).collect();
        assert_eq!(kept, [101, 101 + KEPT_DAYS], "day 100 is deleted");
    }
}
