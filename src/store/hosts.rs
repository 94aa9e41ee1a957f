//! Pauses of hosts: shared by the sources of a host, and kept across restarts.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::clock::pause_left;
use super::open::Cached;
use super::{Reader, Store, StoreError};

/// A pause during which a host gets no requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostPause {
    /// Host and port.
    pub host: String,
    /// The end of the pause, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub not_before_at: i64,
    /// The number of failures in a row.
    pub failures: u32,
    /// The reason.
    pub reason: String,
}

impl HostPause {
    /// The longest pause. A wrong number in a response must not stop harvesting for years.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

    /// The rest of the pause at `now_ms` on our clock; `None` if it is over. See [`pause_left`].
    pub fn left(&self, now_ms: i64) -> Option<Duration> {
        pause_left(self.not_before_at, Self::LONGEST, now_ms)
    }
}

impl Store {
    /// The last pause of a host, which may be over; `None` if it has none.
    pub fn host_pause(&self, host: &str) -> Result<Option<HostPause>, StoreError> {
        self.read("reading the pause of a host", |connection| {
            by_name(connection, host)
        })
    }

    /// Stores a pause.
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

    /// Deletes the pause of a host that has answered.
    pub fn clear_host_pause(&self, host: &str) -> Result<(), StoreError> {
        self.write("clearing the pause of a host", |transaction| {
            transaction.run("DELETE FROM host WHERE host = ?1", [host])
        })?;
        Ok(())
    }
}

impl Reader {
    /// As [`Store::host_pause`].
    pub fn host_pause(&self, host: &str) -> Result<Option<HostPause>, StoreError> {
        self.read("reading the pause of a host", |connection| {
            by_name(connection, host)
        })
    }

    /// The pauses of all hosts, including those that are over.
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

fn by_name(connection: &Connection, host: &str) -> rusqlite::Result<Option<HostPause>> {
    connection
        .prepare_cached("SELECT host, not_before_at, failures, reason FROM host WHERE host = ?1")?
        .query_row([host], from_row)
        .optional()
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<HostPause> {
    Ok(HostPause {
        host: row.get(0)?,
        not_before_at: row.get(1)?,
        failures: row.get(2)?,
        reason: row.get(3)?,
    })
}
