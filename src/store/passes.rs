//! Passes and windows as rows: beginning, resuming and ending passes; history.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::days::day_of;
use super::gaps;
use super::open::Cached;
use super::{
    Counts, ListState, NewWindow, Pass, PassId, PassKind, PassState, Place, Reader, SourceId, Span,
    Store, StoreError, Version, Window, WindowId, WindowState,
};
use crate::oai::{Datestamp, ResumptionToken};

const PASS_COLUMNS: &str =
    "id, source_id, kind, state, moves_watermark, started_at, ended_at, note,
    requests, pages, bytes, wait_ms, created, changed, unchanged, deleted, quarantined, repaired";

const WINDOW_COLUMNS: &str = "id, pass_id, set_spec, from_datestamp, until_datestamp, state, token,
    pages, items, list_size, bound, reads, last_items, note, part, token_at, place_datestamp, place_items,
    failures";

impl Store {
    /// Begins a pass with its first windows. With `replaces_open`, open passes of the source are abandoned;
    /// without, they are resumed after it. A pass over identifiers or gaps always stays open, because no
    /// other pass does its work.
    pub fn begin_pass(
        &self,
        source: SourceId,
        kind: PassKind,
        moves_watermark: bool,
        replaces_open: bool,
        windows: &[NewWindow],
        now_ms: i64,
    ) -> Result<PassId, StoreError> {
        self.write("beginning a pass", |transaction| {
            transaction.run(
                "UPDATE pass SET state = 'abandoned', ended_at = ?2
                 WHERE source_id = ?1 AND state = 'open' AND kind NOT IN ('identifiers', 'gaps')
                    AND ?3",
                params![source.0, now_ms, replaces_open],
            )?;
            transaction.run(
                "INSERT INTO pass (source_id, kind, state, moves_watermark, started_at, after_version)
                 VALUES (?1, ?2, 'open', ?3, ?4, ?5)",
                params![
                    source.0,
                    kind.word(),
                    moves_watermark,
                    now_ms,
                    Version::last(transaction)?.0,
                ],
            )?;
            let pass = PassId(transaction.last_insert_rowid());
            for window in windows {
                let of_list = windows
                    .iter()
                    .filter(|other| other.set_spec == window.set_spec);
                let origin = Origin::Planned {
                    part: kind == PassKind::Gaps || of_list.count() > 1,
                };
                insert_windows(transaction, pass, std::slice::from_ref(window), origin)?;
            }
            Ok(pass)
        })
    }

    /// The interrupted pass over the records of a source, if there is one.
    pub fn open_pass(&self, source: SourceId) -> Result<Option<Pass>, StoreError> {
        self.newest_pass(
            source,
            "state = 'open' AND kind NOT IN ('identifiers', 'gaps')",
        )
    }

    /// The interrupted pass over the gaps of a source, if there is one.
    pub fn open_gaps_pass(&self, source: SourceId) -> Result<Option<Pass>, StoreError> {
        self.newest_pass(source, "state = 'open' AND kind = 'gaps'")
    }

    /// The interrupted pass over the identifiers of a source, if there is one.
    pub fn open_identifiers_pass(&self, source: SourceId) -> Result<Option<Pass>, StoreError> {
        self.newest_pass(source, "state = 'open' AND kind = 'identifiers'")
    }

    /// The newest complete pass over all records or identifiers of a source.
    pub fn last_whole_list(&self, source: SourceId) -> Result<Option<Pass>, StoreError> {
        self.newest_pass(
            source,
            "state = 'complete' AND kind IN ('full', 'identifiers')",
        )
    }

    /// The newest pass that listed everything, but for the gaps that it may have left.
    pub fn last_full_list(&self, source: SourceId) -> Result<Option<Pass>, StoreError> {
        self.newest_pass(
            source,
            "state IN ('complete', 'incomplete') AND kind IN ('full', 'identifiers')",
        )
    }

    /// Abandons an open pass.
    pub fn abandon_pass(&self, pass: PassId, why: &str, now_ms: i64) -> Result<(), StoreError> {
        self.write("abandoning a pass", |transaction| {
            transaction.run(
                "UPDATE pass SET state = 'abandoned', note = ?2, ended_at = ?3
                 WHERE id = ?1 AND state = 'open'",
                params![pass.0, why, now_ms],
            )
        })?;
        Ok(())
    }

    fn newest_pass(&self, source: SourceId, which: &str) -> Result<Option<Pass>, StoreError> {
        self.read("reading the newest pass", |connection| {
            connection
                .one(
                    &format!(
                        "SELECT {PASS_COLUMNS} FROM pass WHERE source_id = ?1 AND {which}
                         ORDER BY id DESC LIMIT 1"
                    ),
                    [source.0],
                    pass_from_row,
                )
                .optional()
        })
    }

    /// One pass.
    pub fn pass(&self, pass: PassId) -> Result<Pass, StoreError> {
        self.read("reading a pass", |connection| {
            connection.one(
                &format!("SELECT {PASS_COLUMNS} FROM pass WHERE id = ?1"),
                [pass.0],
                pass_from_row,
            )
        })
    }

    /// The windows of a pass that are still to be read, in reading order: a started window first, then by
    /// set, the oldest first. Parts of failed windows come last, the newest of them first.
    pub fn pending_windows(&self, pass: PassId) -> Result<Vec<Window>, StoreError> {
        self.read("reading the windows of a pass", |connection| {
            pending_windows(connection, pass)
        })
    }

    /// Resumes an interrupted pass. Clears the reason of the interruption, and reopens the empty parts after
    /// the last part with items: they can have items now, since a repository's limit on `until` moves
    /// with time and changes with the key.
    pub fn resume_pass(&self, pass: PassId) -> Result<(), StoreError> {
        self.write("resuming a pass", |transaction| {
            transaction.run(
                "UPDATE pass SET note = NULL, ended_at = NULL WHERE id = ?1 AND state = 'open'",
                [pass.0],
            )?;
            transaction.run(
                "UPDATE window SET state = 'open'
                 WHERE pass_id = ?1 AND state = 'complete' AND part AND items = 0
                    AND EXISTS (SELECT 1 FROM window AS other
                        WHERE other.pass_id = ?1 AND other.set_spec IS window.set_spec
                            AND other.state IN ('open', 'suspicious', 'failed'))
                    AND NOT EXISTS (SELECT 1 FROM window AS later
                        WHERE later.pass_id = ?1 AND later.set_spec IS window.set_spec
                            AND later.state = 'complete' AND later.items > 0
                            AND later.from_datestamp >= window.from_datestamp)",
                [pass.0],
            )
        })?;
        Ok(())
    }

    /// Stores a remark about a pass that has ended.
    pub fn note_completion(&self, pass: PassId, remark: &str) -> Result<(), StoreError> {
        self.write("storing a remark about a pass", |transaction| {
            transaction.run(
                "UPDATE pass SET note = ?2
                 WHERE id = ?1 AND state IN ('complete', 'incomplete')",
                params![pass.0, remark],
            )
        })?;
        Ok(())
    }

    /// Stores why a pass was interrupted; it stays open.
    pub fn note_interruption(
        &self,
        pass: PassId,
        note: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write("storing why a pass was interrupted", |transaction| {
            transaction.run(
                "UPDATE pass SET note = ?2, ended_at = ?3 WHERE id = ?1 AND state = 'open'",
                params![pass.0, note, now_ms],
            )
        })?;
        Ok(())
    }
}

impl Reader {
    /// The totals of the passes of a source that ran after `since_ms`: passes, new records, changed
    /// records, deleted records.
    pub fn passes_since(&self, source: SourceId, since_ms: i64) -> Result<[u64; 4], StoreError> {
        self.read("summing up passes", |connection| {
            connection.one(
                "SELECT count(*), coalesce(sum(created), 0), coalesce(sum(changed), 0),
                    coalesce(sum(deleted), 0)
                 FROM pass WHERE source_id = ?1 AND coalesce(ended_at, started_at) > ?2",
                params![source.0, since_ms],
                |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
            )
        })
    }

    /// When the oldest stored pass of a source began, in milliseconds since 1970 on our clock.
    pub fn first_pass_at(&self, source: SourceId) -> Result<Option<i64>, StoreError> {
        self.read("reading when the first pass began", |connection| {
            connection.one(
                "SELECT min(started_at) FROM pass WHERE source_id = ?1",
                [source.0],
                |row| row.get(0),
            )
        })
    }

    /// The last passes of a source, the newest first, at most `limit`.
    pub fn passes(&self, source: SourceId, limit: u32) -> Result<Vec<Pass>, StoreError> {
        self.read("reading the passes", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {PASS_COLUMNS} FROM pass WHERE source_id = ?1
                     ORDER BY id DESC LIMIT ?2"
                ))?
                .query_map(params![source.0, limit], pass_from_row)?
                .collect()
        })
    }

    /// When the last complete pass over a source ended, in milliseconds since 1970 on our clock. `None` if the
    /// store has no such pass, or not any more.
    pub fn last_complete_pass_at(&self, source: SourceId) -> Result<Option<i64>, StoreError> {
        self.read("looking for the last complete pass", |connection| {
            connection
                .prepare_cached(
                    "SELECT ended_at FROM pass WHERE source_id = ?1 AND state = 'complete'
                     ORDER BY id DESC LIMIT 1",
                )?
                .query_row([source.0], |row| row.get(0))
                .optional()
                .map(Option::flatten)
        })
    }

    /// The windows of a pass that are still to be read.
    pub fn pending_windows(&self, pass: PassId) -> Result<Vec<Window>, StoreError> {
        self.read("reading the windows of a pass", |connection| {
            pending_windows(connection, pass)
        })
    }
}

/// What one day brought to a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The day's beginning in UTC, in milliseconds since 1970.
    pub day_ms: i64,
    /// New records.
    pub new: u64,
    /// Changed records.
    pub changed: u64,
    /// Deletions.
    pub deleted: u64,
    /// Passes and reconciles that ended, other than by an interruption.
    pub passes: u64,
}

/// The number of windows in each state.
pub type WindowCounts = Vec<(WindowState, u64)>;

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Reader {
    /// The totals of each day since that of `since_ms` for a source, the oldest first. Days without
    /// changes and without runs are left out. The cost does not depend on the number of passes.
    pub fn days(&self, source: SourceId, since_ms: i64) -> Result<Vec<Day>, StoreError> {
        self.read("counting the records of each day", |connection| {
            connection
                .prepare_cached(
                    "SELECT day, sum(created), sum(changed), sum(deleted), sum(runs) FROM (
                        SELECT day, created, changed, deleted, 0 AS runs
                        FROM source_day WHERE source_id = ?1 AND day >= ?2
                        UNION ALL
                        SELECT day, 0, 0, 0, complete + incomplete + failed
                        FROM job_day WHERE kind IN ('harvest', 'reconcile') AND day >= ?2
                            AND name = (SELECT name FROM source WHERE id = ?1))
                     GROUP BY day ORDER BY day",
                )?
                .query_map(params![source.0, day_of(since_ms)], |row| {
                    Ok(Day {
                        day_ms: row.get::<_, i64>(0)? * DAY_MS,
                        new: row.get(1)?,
                        changed: row.get(2)?,
                        deleted: row.get(3)?,
                        passes: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// A pass of a source, if it is still stored.
    pub fn pass(&self, source: SourceId, pass: PassId) -> Result<Option<Pass>, StoreError> {
        self.read("reading a pass", |connection| {
            connection
                .one(
                    &format!("SELECT {PASS_COLUMNS} FROM pass WHERE id = ?1 AND source_id = ?2"),
                    params![pass.0, source.0],
                    pass_from_row,
                )
                .optional()
        })
    }

    /// The windows of a pass by set and span, at most `limit`, and the number of windows in each state.
    pub fn windows(
        &self,
        pass: PassId,
        limit: u32,
    ) -> Result<(Vec<Window>, WindowCounts), StoreError> {
        self.read("reading the windows of a pass", |connection| {
            let windows = connection
                .prepare_cached(&format!(
                    "SELECT {WINDOW_COLUMNS} FROM window WHERE pass_id = ?1
                     ORDER BY set_spec, from_datestamp, id LIMIT ?2"
                ))?
                .query_map(params![pass.0, limit], window_from_row)?
                .collect::<rusqlite::Result<_>>()?;
            let states = connection
                .prepare_cached(
                    "SELECT state, count(*) FROM window WHERE pass_id = ?1 GROUP BY state",
                )?
                .query_map([pass.0], |row| {
                    Ok((word(row, 0, WindowState::from_word)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok((windows, states))
        })
    }
}

/// Where new windows come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// The pass begins with them.
    Planned {
        /// Whether the list has other windows too.
        part: bool,
    },
    /// They are parts of a window. `failures` counts the failed windows above them.
    SplitOf {
        /// See [`Window::failures`].
        failures: u32,
    },
}

pub(super) fn insert_windows(
    connection: &Connection,
    pass: PassId,
    windows: &[NewWindow],
    origin: Origin,
) -> rusqlite::Result<()> {
    let (part, failures) = match origin {
        Origin::Planned { part } => (part, 0),
        Origin::SplitOf { failures } => (true, failures),
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO window (pass_id, set_spec, from_datestamp, until_datestamp, part, failures,
            state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open')",
    )?;
    for window in windows {
        insert.execute(params![
            pass.0,
            window.set_spec,
            window.span.from.map(Datestamp::unix),
            window.span.until.map(Datestamp::unix),
            part,
            failures,
        ])?;
    }
    Ok(())
}

pub(super) fn pending_windows(
    connection: &Connection,
    pass: PassId,
) -> rusqlite::Result<Vec<Window>> {
    connection
        .prepare_cached(&format!(
            "SELECT {WINDOW_COLUMNS} FROM window
             WHERE pass_id = ?1 AND state IN ('open', 'suspicious', 'failed')
             ORDER BY token IS NULL, failures > 0, set_spec,
                CASE failures WHEN 0 THEN from_datestamp
                    ELSE -coalesce(from_datestamp, -9000000000000000000) END, id"
        ))?
        .query_map([pass.0], window_from_row)?
        .collect()
}

/// The sets whose lists a pass has read; one `None` for a pass without sets.
pub(super) fn sets(connection: &Connection, pass: PassId) -> rusqlite::Result<Vec<Option<String>>> {
    connection
        .prepare_cached("SELECT DISTINCT set_spec FROM window WHERE pass_id = ?1")?
        .query_map([pass.0], |row| row.get(0))?
        .collect()
}

/// Whether a pass has read a window of the list of `set`.
pub(super) fn has_read(
    connection: &Connection,
    pass: PassId,
    set: Option<&str>,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM window
                WHERE pass_id = ?1 AND set_spec IS ?2 AND state = 'complete')",
        )?
        .query_row(params![pass.0, set], |row| row.get(0))
}

/// The state of the list of `set` in a pass.
pub(super) fn list_state(
    connection: &Connection,
    source: SourceId,
    pass: PassId,
    set: Option<&str>,
) -> rusqlite::Result<ListState> {
    let windows = connection
        .prepare_cached(&format!(
            "SELECT {WINDOW_COLUMNS} FROM window WHERE pass_id = ?1 AND set_spec IS ?2"
        ))?
        .query_map(params![pass.0, set], window_from_row)?
        .collect::<rusqlite::Result<_>>()?;
    let datestamp = |row: &Row<'_>, column| -> rusqlite::Result<Option<Datestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Datestamp::from_unix))
    };
    connection
        .prepare_cached(
            "SELECT kind, moves_watermark,
                (SELECT datestamp FROM watermark
                    WHERE source_id = ?2 AND set_spec = coalesce(?3, '')),
                (SELECT datestamp FROM head
                    WHERE source_id = ?2 AND set_spec = coalesce(?3, ''))
             FROM pass WHERE id = ?1",
        )?
        .query_row(params![pass.0, source.0, set], |row| {
            Ok(ListState {
                windows,
                only_gaps: word(row, 0, PassKind::from_word)? == PassKind::Gaps,
                moves_watermark: row.get(1)?,
                watermark: datestamp(row, 2)?,
                head: datestamp(row, 3)?,
                gaps: gaps::of_list(connection, source, set)?,
            })
        })
}

pub(super) fn window(connection: &Connection, id: WindowId) -> rusqlite::Result<Window> {
    connection
        .prepare_cached(&format!(
            "SELECT {WINDOW_COLUMNS} FROM window WHERE id = ?1"
        ))?
        .query_row([id.0], window_from_row)
}

fn pass_from_row(row: &Row<'_>) -> rusqlite::Result<Pass> {
    Ok(Pass {
        id: PassId(row.get(0)?),
        source_id: SourceId(row.get(1)?),
        kind: word(row, 2, PassKind::from_word)?,
        state: word(row, 3, PassState::from_word)?,
        moves_watermark: row.get(4)?,
        started_at: row.get(5)?,
        ended_at: row.get(6)?,
        note: row.get(7)?,
        requests: row.get(8)?,
        pages: row.get(9)?,
        bytes: row.get(10)?,
        wait_ms: row.get(11)?,
        counts: Counts {
            new: row.get(12)?,
            changed: row.get(13)?,
            unchanged: row.get(14)?,
            deleted: row.get(15)?,
            quarantined: row.get(16)?,
            repaired: row.get(17)?,
        },
    })
}

fn window_from_row(row: &Row<'_>) -> rusqlite::Result<Window> {
    let datestamp = |column| -> rusqlite::Result<Option<Datestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Datestamp::from_unix))
    };
    Ok(Window {
        id: WindowId(row.get(0)?),
        pass_id: PassId(row.get(1)?),
        set_spec: row.get(2)?,
        span: Span {
            from: datestamp(3)?,
            until: datestamp(4)?,
        },
        state: word(row, 5, WindowState::from_word)?,
        token: row
            .get::<_, Option<String>>(6)?
            .and_then(|token| ResumptionToken::new(&token)),
        pages: row.get(7)?,
        items: row.get(8)?,
        list_size: row.get(9)?,
        bound: datestamp(10)?,
        reads: row.get(11)?,
        last_items: row.get(12)?,
        note: row.get(13)?,
        part: row.get(14)?,
        token_at: row.get(15)?,
        place: match datestamp(16)? {
            Some(datestamp) => Some(Place {
                datestamp,
                items: row.get(17)?,
            }),
            None => None,
        },
        failures: row.get(18)?,
    })
}

fn word<T>(row: &Row<'_>, column: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    read(&word).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            format!("{word:?} is not a value of this column").into(),
        )
    })
}
