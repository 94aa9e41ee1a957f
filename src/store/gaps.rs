//! Gaps: spans of datestamps that could not be read, and how far lists are proven outside of them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::open::Cached;
use super::window::gap_pause_ms;
use super::{Gap, Reader, Source, SourceId, Span, Store, StoreError, Window, WindowState};
use crate::oai::Datestamp;

const COLUMNS: &str = "id, set_spec, from_datestamp, until_datestamp, reason, attempts, empty_reads, first_at, next_at";

impl Store {
    /// The gaps in the present lists of a source, by set, the oldest first.
    pub fn gaps(&self, source: &Source) -> Result<Vec<Gap>, StoreError> {
        self.read("reading the gaps", |connection| {
            of_source(connection, source)
        })
    }
}

impl Reader {
    /// The gaps in the present lists of a source, by set, the oldest first.
    pub fn gaps(&self, source: &Source) -> Result<Vec<Gap>, StoreError> {
        self.read("reading the gaps", |connection| {
            of_source(connection, source)
        })
    }
}

fn of_source(connection: &Connection, source: &Source) -> rusqlite::Result<Vec<Gap>> {
    let gaps: Vec<Gap> = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM gap WHERE source_id = ?1 ORDER BY set_spec, from_datestamp, id"
        ))?
        .query_map([source.id.0], from_row)?
        .collect::<rusqlite::Result<_>>()?;
    let is_present = |gap: &Gap| source.has_list(gap.set_spec.as_ref());
    Ok(gaps.into_iter().filter(is_present).collect())
}

/// The gaps of the list of `set`, the oldest first.
pub(super) fn of_list(
    connection: &Connection,
    source: SourceId,
    set: Option<&str>,
) -> rusqlite::Result<Vec<Gap>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM gap WHERE source_id = ?1 AND set_spec = coalesce(?2, '')
             ORDER BY from_datestamp, id"
        ))?
        .query_map(params![source.0, set], from_row)?
        .collect()
}

/// Makes a gap of a window that was not read.
///
/// If the window is a gap already, or a part of one, its attempts count on. If it was not even tried,
/// nothing is counted. A window without an end is no gap.
pub(super) fn open(
    connection: &Connection,
    source: SourceId,
    window: &Window,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let (from, until) = ends(window.span);
    let Some(until) = until else {
        return Ok(());
    };
    let was_tried = window.state == WindowState::Failed;
    let around = around(connection, source, window)?;
    let before = around.as_ref().map_or(0, |gap| gap.attempts);
    let attempts = (before + u32::from(was_tried)).max(1);
    let next_at = now_ms + gap_pause_ms(attempts);
    let known_reason = around.as_ref().map(|gap| gap.reason.as_str());
    let reason = window.note.as_deref().or(known_reason);
    let reason = reason.unwrap_or("not tried yet");
    match &around {
        Some(gap) if gap.span == window.span => {
            if was_tried {
                connection
                    .prepare_cached(
                        "UPDATE gap SET reason = ?2, attempts = ?3, empty_reads = 0, next_at = ?4
                         WHERE id = ?1",
                    )?
                    .execute(params![gap.id, reason, attempts, next_at])?;
            }
        }
        around => {
            let first_at = around.as_ref().map_or(now_ms, |gap| gap.first_at);
            connection
                .prepare_cached(
                    "INSERT INTO gap (source_id, set_spec, from_datestamp, until_datestamp, reason,
                        attempts, empty_reads, first_at, next_at)
                     VALUES (?1, coalesce(?2, ''), ?3, ?4, ?5, ?6, 0, ?7, ?8)",
                )?
                .execute(params![
                    source.0,
                    window.set_spec,
                    from,
                    until,
                    reason,
                    attempts,
                    first_at,
                    next_at
                ])?;
        }
    }
    Ok(())
}

/// The smallest gap of the window's list that contains the window.
fn around(
    connection: &Connection,
    source: SourceId,
    window: &Window,
) -> rusqlite::Result<Option<Gap>> {
    let (from, until) = ends(window.span);
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM gap
             WHERE source_id = ?1 AND set_spec = coalesce(?2, '')
                AND (from_datestamp IS NULL OR from_datestamp <= ?3) AND until_datestamp >= ?4
             ORDER BY from_datestamp DESC, until_datestamp LIMIT 1"
        ))?
        .query_row(params![source.0, window.set_spec, from, until], from_row)
        .optional()
}

/// Removes a gap that is closed.
pub(super) fn close(connection: &Connection, gap: i64) -> rusqlite::Result<()> {
    connection.run("DELETE FROM gap WHERE id = ?1", [gap])?;
    Ok(())
}

/// Notes that a gap brought an empty list.
pub(super) fn note_empty_read(
    connection: &Connection,
    gap: &Gap,
    now_ms: i64,
) -> rusqlite::Result<()> {
    connection.run(
        "UPDATE gap SET empty_reads = empty_reads + 1, next_at = ?2 WHERE id = ?1",
        params![gap.id, now_ms + gap_pause_ms(gap.attempts)],
    )?;
    Ok(())
}

/// Stores how far a list with gaps is proven outside of them; `None` for a list without gaps.
pub(super) fn set_head(
    connection: &Connection,
    source: SourceId,
    set: Option<&str>,
    head: Option<Datestamp>,
) -> rusqlite::Result<()> {
    match head {
        Some(head) => connection.run(
            "INSERT INTO head (source_id, set_spec, datestamp) VALUES (?1, coalesce(?2, ''), ?3)
             ON CONFLICT (source_id, set_spec) DO UPDATE SET datestamp = excluded.datestamp",
            params![source.0, set, head.unix()],
        )?,
        None => connection.run(
            "DELETE FROM head WHERE source_id = ?1 AND set_spec = coalesce(?2, '')",
            params![source.0, set],
        )?,
    };
    Ok(())
}

fn ends(span: Span) -> (Option<i64>, Option<i64>) {
    (
        span.from.map(Datestamp::unix),
        span.until.map(Datestamp::unix),
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Gap> {
    let set_spec: String = row.get(1)?;
    Ok(Gap {
        id: row.get(0)?,
        set_spec: (!set_spec.is_empty()).then_some(set_spec),
        span: Span {
            from: row.get::<_, Option<i64>>(2)?.map(Datestamp::from_unix),
            until: Some(Datestamp::from_unix(row.get(3)?)),
        },
        reason: row.get(4)?,
        attempts: row.get(5)?,
        empty_reads: row.get(6)?,
        first_at: row.get(7)?,
        next_at: row.get(8)?,
    })
}
