//! The other states of records: states that lists have shown, and that are not the stored state, or not yet.

use rusqlite::{Connection, Row, params};

use super::pack::Packed;
use super::payload::Compressed;
use super::{PassId, Reader, Source, SourceId, Store, StoreError, WindowId};

/// What is decided about a state that is not the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A tombstone, or an older state, that waits for the end of its pass.
    Held,
    /// GetRecord has to decide.
    Doubted,
    /// It has lost. It is ignored as long as nothing changes.
    Refused,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Doubted => "doubted",
            Self::Refused => "refused",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Held, Self::Doubted, Self::Refused]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// Another state of a stored record, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OtherState {
    /// The row of the record.
    pub(super) record: i64,
    /// The set of the list; empty for the whole repository.
    pub(super) set: String,
    pub(super) hash: [u8; 16],
    pub(super) datestamp: Option<i64>,
    pub(super) datestamp_text: Option<String>,
    /// The combination of sets that its header names.
    pub(super) set_list: i64,
    pub(super) deleted: bool,
    pub(super) standing: Standing,
    /// The same list shows the record live, so that a tombstone does not mean that the record has left
    /// the set.
    pub(super) own: bool,
    /// A pass that showed it, or a later one, showed the record live as well.
    pub(super) listed_live: bool,
    /// The last pass that showed it.
    pub(super) seen_pass: i64,
}

const COLUMNS: &str = "record_id, set_spec, content_hash, datestamp, datestamp_text, set_list_id,
    deleted, state, own, listed_live, seen_pass";

/// The other states of the records of one source, within a write transaction.
pub(super) struct OtherStates<'a> {
    connection: &'a Connection,
    source: SourceId,
    /// False where the source has none, so that most records cost no statement.
    has_rows: bool,
    /// The repository ignores sets: the list of a set is that of everything.
    ignores_sets: bool,
}

impl<'a> OtherStates<'a> {
    pub(super) fn new(connection: &'a Connection, source: SourceId) -> rusqlite::Result<Self> {
        let (has_rows, ignores_sets) = connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM other_state WHERE source_id = source.id),
                        coalesce(traits ->> 'ignores_sets', 0)
                 FROM source WHERE id = ?1",
            )?
            .query_row([source.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self {
            connection,
            source,
            has_rows,
            ignores_sets,
        })
    }

    /// The sets that a record has left, by the tombstones among its other states.
    pub(super) fn left_sets<'o>(&self, others: &'o [OtherState]) -> Vec<&'o str> {
        let left = |other: &&OtherState| {
            let is_decided = other.standing == Standing::Refused;
            other.deleted && is_decided && !other.own && !other.set.is_empty()
        };
        match self.ignores_sets {
            true => Vec::new(),
            false => others
                .iter()
                .filter(left)
                .map(|other| other.set.as_str())
                .collect(),
        }
    }

    /// The other states of one record.
    pub(super) fn of(&self, record: i64) -> rusqlite::Result<Vec<OtherState>> {
        if !self.has_rows {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM other_state WHERE record_id = ?1 ORDER BY datestamp DESC, set_spec"
            ))?
            .query_map([record], from_row)?
            .collect()
    }

    /// The tombstones that wait or are in doubt, and the older states that wait; those of one record come
    /// together, the newest first.
    pub(super) fn waiting(&self) -> rusqlite::Result<Vec<OtherState>> {
        if !self.has_rows {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM other_state
                 WHERE source_id = ?1 AND state IN ('held', 'doubted')
                    AND (deleted OR state = 'held')
                 ORDER BY record_id, datestamp DESC, set_spec"
            ))?
            .query_map([self.source.0], from_row)?
            .collect()
    }

    /// The refused states that `pass` showed without the stored state of their records.
    pub(super) fn alone(&self, pass: PassId) -> rusqlite::Result<Vec<OtherState>> {
        if !self.has_rows {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM other_state
                 WHERE source_id = ?1 AND state = 'refused' AND seen_pass = ?2
                    AND (SELECT seen_pass FROM record WHERE id = record_id) < ?2"
            ))?
            .query_map(params![self.source.0, pass.0], from_row)?
            .collect()
    }

    /// Adds a state, or renews it unless its datestamp would become older. A doubt stays a doubt.
    pub(super) fn put(&mut self, other: &OtherState) -> rusqlite::Result<()> {
        self.has_rows = true;
        self.connection
            .prepare_cached(
                "INSERT INTO other_state (source_id, record_id, set_spec, content_hash, datestamp,
                    datestamp_text, set_list_id, deleted, state, own, listed_live, seen_pass)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT (record_id, set_spec, content_hash) DO UPDATE
                 SET datestamp = excluded.datestamp, datestamp_text = excluded.datestamp_text,
                    state = iif(state = 'doubted', state, excluded.state),
                    own = max(own, excluded.own),
                    listed_live = max(listed_live, excluded.listed_live),
                    seen_pass = max(seen_pass, excluded.seen_pass)
                 WHERE coalesce(excluded.datestamp >= datestamp, true)",
            )?
            .execute(params![
                self.source.0,
                other.record,
                other.set,
                other.hash,
                other.datestamp,
                other.datestamp_text,
                other.set_list,
                other.deleted,
                other.standing.word(),
                other.own,
                other.listed_live,
                other.seen_pass,
            ])?;
        Ok(())
    }

    /// Notes which reading shows a state that waits.
    pub(super) fn set_window(&self, other: &OtherState, window: WindowId) -> rusqlite::Result<()> {
        self.change(other, "window_id = ?4", window.0)
    }

    /// Whether the reading that shows a state has not come to the end of its window.
    pub(super) fn is_of_unfinished_list(&self, other: &OtherState) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM other_state JOIN window ON window.id = window_id
                    WHERE record_id = ?1 AND other_state.set_spec = ?2 AND content_hash = ?3
                        AND window.state <> 'complete')",
            )?
            .query_row(params![other.record, other.set, other.hash], |row| {
                row.get(0)
            })
    }

    /// Forgets what waits because of an earlier reading of a window: it is read again, and what is still
    /// there comes again.
    pub(super) fn forget_reading(&self, window: WindowId) -> rusqlite::Result<()> {
        if self.has_rows {
            self.connection
                .prepare_cached(
                    "DELETE FROM other_state WHERE source_id = ?1 AND state = 'held' AND window_id = ?2",
                )?
                .execute(params![self.source.0, window.0])?;
        }
        Ok(())
    }

    /// Keeps the content of a state that waits.
    pub(super) fn put_content(&self, other: &OtherState, packed: &Packed) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE other_state SET dictionary_id = ?4, metadata = ?5, extra = ?6
                 WHERE record_id = ?1 AND set_spec = ?2 AND content_hash = ?3",
            )?
            .execute(params![
                other.record,
                other.set,
                other.hash,
                packed.dictionary_id(),
                packed.metadata.as_ref().map(|metadata| &*metadata.bytes),
                packed.extra.as_ref().map(|extra| &*extra.bytes),
            ])?;
        Ok(())
    }

    /// The content of a state that waits.
    pub(super) fn content(&self, other: &OtherState) -> rusqlite::Result<Packed> {
        self.connection
            .prepare_cached(
                "SELECT coalesce(dictionary_id, 0), metadata, extra FROM other_state
                 WHERE record_id = ?1 AND set_spec = ?2 AND content_hash = ?3",
            )?
            .query_row(params![other.record, other.set, other.hash], |row| {
                let dictionary_id = row.get(0)?;
                let compressed = |bytes: Option<Vec<u8>>| {
                    bytes.map(|bytes| Compressed {
                        dictionary_id,
                        bytes,
                    })
                };
                Ok(Packed {
                    metadata: compressed(row.get(1)?),
                    extra: compressed(row.get(2)?),
                })
            })
    }

    /// Notes that a state has lost.
    pub(super) fn refuse(&self, other: &OtherState) -> rusqlite::Result<()> {
        let refused = Standing::Refused.word();
        let nothing = "dictionary_id = NULL, metadata = NULL, extra = NULL";
        self.change(other, &format!("state = ?4, {nothing}"), refused)
    }

    /// Notes that a pass showed a state.
    pub(super) fn see(&self, other: &OtherState, pass: PassId) -> rusqlite::Result<()> {
        self.change(other, "seen_pass = max(seen_pass, ?4)", pass.0)
    }

    /// Notes that GetRecord has to decide about a state.
    pub(super) fn doubt(&self, other: &OtherState) -> rusqlite::Result<()> {
        self.change(other, "state = ?4", Standing::Doubted.word())
    }

    /// Notes whether the list of the other state shows the record live.
    pub(super) fn set_own(&self, other: &OtherState, own: bool) -> rusqlite::Result<()> {
        self.change(other, "own = ?4", own)
    }

    fn change(
        &self,
        other: &OtherState,
        assignment: &str,
        value: impl rusqlite::ToSql,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(&format!(
                "UPDATE other_state SET {assignment}
                 WHERE record_id = ?1 AND set_spec = ?2 AND content_hash = ?3"
            ))?
            .execute(params![other.record, other.set, other.hash, value])?;
        Ok(())
    }

    /// Notes that lists show the record live as well.
    pub(super) fn set_listed_live(&self, other: &OtherState) -> rusqlite::Result<()> {
        self.change(other, "listed_live = ?4", true)
    }

    /// Removes a state.
    pub(super) fn remove(&self, other: &OtherState) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "DELETE FROM other_state WHERE record_id = ?1 AND set_spec = ?2 AND content_hash = ?3",
            )?
            .execute(params![other.record, other.set, other.hash])?;
        Ok(())
    }

    /// Removes the refused states that the complete full pass `pass` did not show again.
    pub(super) fn forget_unseen(&self, pass: PassId) -> rusqlite::Result<()> {
        if self.has_rows {
            self.connection
                .prepare_cached(
                    "DELETE FROM other_state WHERE source_id = ?1 AND state = 'refused' AND seen_pass < ?2",
                )?
                .execute(params![self.source.0, pass.0])?;
        }
        Ok(())
    }
}

impl Store {
    /// The identifiers of the records about which lists contradict themselves and GetRecord has to
    /// decide, at most `limit`, in the order of the records' numbers.
    pub fn doubted_identifiers(
        &self,
        source: SourceId,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.read("reading the records in doubt", |connection| {
            identifiers(connection, source, &[Standing::Doubted], limit)
        })
    }

    /// The records of which lists show several states, at most `limit`: their identifiers, and how many
    /// states each has beside the stored one.
    pub fn other_states(
        &self,
        source: SourceId,
        limit: u32,
    ) -> Result<Vec<(String, u32)>, StoreError> {
        self.read("reading records with several states", |connection| {
            connection
                .prepare_cached(
                    "SELECT identifier, count(*) FROM other_state JOIN record ON record.id = record_id
                     WHERE other_state.source_id = ?1 GROUP BY record_id LIMIT ?2",
                )?
                .query_map(params![source.0, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }

    /// Whether a list has a tombstone of a record in doubt that means the record: the list of everything, or that of a
    /// set which shows the record live as well. Another tombstone in the list of a set may mean that set alone.
    pub fn is_listed_as_deleted(
        &self,
        source: &Source,
        identifier: &str,
    ) -> Result<bool, StoreError> {
        let lists_all = !source.is_read_by_sets();
        self.read("reading a record in doubt", |connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM record JOIN other_state ON record_id = record.id
                     WHERE record.source_id = ?1 AND identifier = ?2
                        AND other_state.deleted AND state = 'doubted' AND (own OR ?3))",
                )?
                .query_row(params![source.id.0, identifier, lists_all], |row| {
                    row.get(0)
                })
        })
    }

    /// Whether states of records wait for the end of their pass.
    pub fn has_held_states(&self, source: SourceId) -> Result<bool, StoreError> {
        self.read("looking for states that wait", |connection| {
            Ok(!identifiers(connection, source, &[Standing::Held], 1)?.is_empty())
        })
    }
}

impl Reader {
    /// The identifiers of the records about which lists contradict themselves, at most `limit`: those
    /// in doubt, and those that are listed as deleted while their pass is not over. Such records stay as
    /// they were.
    pub fn undecided_identifiers(
        &self,
        source: SourceId,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let states = [Standing::Doubted, Standing::Held];
        self.read("reading the records in doubt", |connection| {
            identifiers(connection, source, &states, limit)
        })
    }
}

fn identifiers(
    connection: &Connection,
    source: SourceId,
    states: &[Standing],
    limit: u32,
) -> rusqlite::Result<Vec<String>> {
    let words: Vec<&str> = states.iter().map(|state| state.word()).collect();
    let words = serde_json::Value::from(words).to_string();
    connection
        .prepare_cached(
            "SELECT identifier FROM record WHERE id IN (SELECT record_id FROM other_state
                WHERE other_state.source_id = ?1 AND state IN (SELECT value FROM json_each(?2)))
             ORDER BY id LIMIT ?3",
        )?
        .query_map(params![source.0, words, limit], |row| row.get(0))?
        .collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<OtherState> {
    let standing: String = row.get(7)?;
    Ok(OtherState {
        record: row.get(0)?,
        set: row.get(1)?,
        hash: row.get(2)?,
        datestamp: row.get(3)?,
        datestamp_text: row.get(4)?,
        set_list: row.get(5)?,
        deleted: row.get(6)?,
        standing: Standing::from_word(&standing).unwrap_or(Standing::Doubted),
        own: row.get(8)?,
        listed_live: row.get(9)?,
        seen_pass: row.get(10)?,
    })
}
