//! Forgetting a source: what is known of it, and then the source itself.

use std::path::Path;
use std::time::Duration;

use rusqlite::{ErrorCode, OpenFlags, params};

use super::open::{Cached, open_for_writing};
use super::upkeep::delete_tombstones;
use super::{SourceId, Store, StoreError, Version};
use crate::files;

/// What is left of a source after [`Store::remove_source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// The store has no source of this name.
    Unknown,
    /// Nothing is left.
    Whole,
    /// It stays, because it has records.
    Kept {
        /// Live records.
        live: u64,
        /// Tombstones that an output has not confirmed, or that are part of decisions or clusters.
        tombstones: u64,
    },
}

impl Store {
    /// Deletes what is known of a source apart from its records: watermarks, gaps, traits, warnings, quarantined
    /// items and its jobs. An open pass is abandoned.
    pub fn clear_source(&self, source: SourceId, now_ms: i64) -> Result<(), StoreError> {
        self.write("forgetting a source", |transaction| {
            for table in [
                "watermark",
                "head",
                "gap",
                "warning",
                "quarantine",
                "other_state",
            ] {
                let delete = format!("DELETE FROM {table} WHERE source_id = ?1");
                transaction.execute(&delete, [source.0])?;
            }
            transaction.run(
                "UPDATE pass SET state = 'abandoned', ended_at = coalesce(ended_at, ?2),
                    note = 'the source was forgotten'
                 WHERE source_id = ?1 AND state = 'open'",
                params![source.0, now_ms],
            )?;
            for table in ["job", "job_day"] {
                let delete = format!(
                    "DELETE FROM {table} WHERE kind IN ('harvest', 'reconcile')
                        AND name = (SELECT name FROM source WHERE id = ?1)"
                );
                transaction.run(&delete, [source.0])?;
            }
            transaction.run("UPDATE source SET traits = '{}' WHERE id = ?1", [source.0])?;
            Ok(())
        })
    }

    /// Removes the file at `path` and the files beside it, if it knows nothing of any source, output or export.
    /// Returns whether it did.
    /// A store that another process has open stays.
    ///
    /// # Errors
    /// `Io` if a file cannot be removed.
    pub fn discard_empty(path: &Path) -> Result<bool, StoreError> {
        let connection = open_for_writing(path, OpenFlags::empty())?;
        // Whoever opens the store from now on waits.
        let is_empty = || -> rusqlite::Result<bool> {
            connection.busy_timeout(Duration::ZERO)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            connection.query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM source) AND NOT EXISTS (SELECT 1 FROM job)
                    AND NOT EXISTS (SELECT 1 FROM output) AND NOT EXISTS (SELECT 1 FROM export)",
                [],
                |row| row.get(0),
            )
        };
        match is_empty() {
            Ok(false) => return Ok(false),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                return Ok(false);
            }
            Err(error) => return Err(StoreError::from_sqlite(path, "looking for sources", error)),
            Ok(true) => {}
        }
        files::remove_store(path).map_err(|error| {
            StoreError::from_io(path, "removing the empty store".to_owned(), error)
        })?;
        Ok(true)
    }

    /// Removes the source called `name` and its tombstones, unless it has live records or an output has not
    /// confirmed its last changes. Whoever follows the change feed and has not read these tombstones yet is told
    /// to begin again.
    pub fn remove_source(&self, name: &str) -> Result<Removed, StoreError> {
        loop {
            let (removed, again) = self.write("removing a source", |transaction| {
                let found = transaction.prepare_cached("SELECT id FROM source WHERE name = ?1")?;
                let id: Option<i64> = { found }.query_map([name], |row| row.get(0))?.next().transpose()?;
                let Some(id) = id else {
                    for table in ["job", "job_day"] {
                        let delete = format!(
                            "DELETE FROM {table}
                             WHERE kind IN ('harvest', 'reconcile') AND name = ?1"
                        );
                        transaction.run(&delete, [name])?;
                    }
                    return Ok((Removed::Unknown, false));
                };
                let upto: Option<i64> = transaction.one(
                    "SELECT min(position) FROM (SELECT position FROM output
                        UNION ALL SELECT position FROM export)",
                    [],
                    |row| row.get(0),
                )?;
                let upto = Version(upto.unwrap_or(i64::MAX));
                let deleted = delete_tombstones(transaction, upto, Some(SourceId(id)))?;
                let (live, tombstones): (u64, u64) = transaction.one(
                    "SELECT count(*) FILTER (WHERE deleted = 0), count(*) FILTER (WHERE deleted <> 0)
                     FROM record WHERE source_id = ?1",
                    [id],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                if live + tombstones > 0 {
                    return Ok((Removed::Kept { live, tombstones }, deleted > 0));
                }
                for statement in [
                    "DELETE FROM job WHERE kind IN ('harvest', 'reconcile') AND name = ?1",
                    "DELETE FROM job_day WHERE kind IN ('harvest', 'reconcile') AND name = ?1",
                    "DELETE FROM source WHERE name = ?1",
                ] {
                    transaction.run(statement, [name])?;
                }
                Ok((Removed::Whole, false))
            })?;
            if !again {
                return Ok(removed);
            }
        }
    }
}
