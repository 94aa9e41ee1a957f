//! How long to leave a host alone: shared by its sources, and kept over restarts.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::clock::pause_left;
use super::open::Cached;
use super::{Reader, Store, StoreError};

/// A host that is not to be asked for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostPause {
    /// Host and port.
    pub host: String,
    /// Not before this time, in milliseconds since 1970 on our clock.
    pub not_before_at: i64,
    /// How many times in a row it could not be harvested.
    pub failures: u32,
    /// Why.
    pub reason: String,
}

impl HostPause {
    /// A host is left alone for a day at most, whatever it says: one wrong number must not silence it
    /// for years.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

    /// For how long the host is still to be left alone, at `now_ms` on our clock; `None` if it may be
    /// asked. See [`pause_left`].
    pub fn left(&self, now_ms: i64) -> Option<Duration> {
        pause_left(self.not_before_at, Self::LONGEST, now_ms)
    }
}

impl Store {
    /// The pause of a host; `None` if there is none. It may lie in the past.
    pub fn host_pause(&self, host: &str) -> Result<Option<HostPause>, StoreError> {
        self.read("reading the pause of a host", |connection| {
            connection
                .prepare_cached(
                    "SELECT host, not_before_at, failures, reason FROM host WHERE host = ?1",
                )?
                .query_row([host], from_row)
                .optional()
        })
    }

    /// Remembers a pause.
    pub fn set_host_pause(&self, pause: &HostPause) -> Result<(), StoreError> {
        self.write("storing the pause of a host", |transaction| {
            transaction.run(
                "INSERT OR REPLACE INTO host (host, not_before_at, failures, reason)
                 VALUES (?1, ?2, ?3, ?4)",
                params![
                    pause.host,
                    pause.not_before_at,
                    pause.failures,
                    pause.reason
                ],
            )
        })?;
        Ok(())
    }

    /// Forgets the pause of a host that has answered.
    pub fn clear_host_pause(&self, host: &str) -> Result<(), StoreError> {
        self.write("clearing the pause of a host", |transaction| {
            transaction.run("DELETE FROM host WHERE host = ?1", [host])
        })?;
        Ok(())
    }
}

impl Reader {
    /// All hosts that are to be left alone, or were until lately.
    pub fn host_pauses(&self) -> Result<Vec<HostPause>, StoreError> {
        self.read("reading the pauses of hosts", |connection| {
            connection
                .prepare_cached(
                    "SELECT host, not_before_at, failures, reason FROM host ORDER BY host",
                )?
                .query_map([], from_row)?
                .collect()
        })
    }
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<HostPause> {
    Ok(HostPause {
        host: row.get(0)?,
        not_before_at: row.get(1)?,
        failures: row.get(2)?,
        reason: row.get(3)?,
    })
}
