//! Records that a full list did not show: candidates for deletion. If the list left gaps, records whose
//! datestamps lie in a gap are none.

use rusqlite::{OptionalExtension, params};

use super::{PassId, SourceId, Store, StoreError};

/// The condition for the live records of source `?1` that pass `?2` did not show, and that its list would have
/// shown. A gap is as wide as the unit of its dates, which may be a day.
macro_rules! unseen {
    () => {
        "source_id = ?1 AND deleted = 0 AND seen_pass < ?2
            AND NOT EXISTS (SELECT 1 FROM gap
                WHERE gap.source_id = ?1
                    AND (SELECT state FROM pass WHERE id = ?2) = 'incomplete'
                    AND coalesce(record.datestamp > from_datestamp - 86400, true)
                    AND coalesce(record.datestamp < until_datestamp + 86400, true))"
    };
}

impl Store {
    /// The number of live records of a source that the full pass `pass` did not show. Reads every record of
    /// the source, so it is slow.
    pub fn count_unseen(&self, source: SourceId, pass: PassId) -> Result<u64, StoreError> {
        self.reader()?.read(
            "counting the records that a list did not show",
            |connection| {
                connection.query_row(
                    concat!("SELECT count(*) FROM record NOT INDEXED WHERE ", unseen!()),
                    params![source.0, pass.0],
                    |row| row.get(0),
                )
            },
        )
    }

    /// The identifier of any live record that `pass` showed.
    pub fn any_seen(&self, source: SourceId, pass: PassId) -> Result<Option<String>, StoreError> {
        self.reader()?
            .read("reading a record that a list showed", |connection| {
                connection
                    .query_row(
                        "SELECT identifier FROM record NOT INDEXED
                     WHERE source_id = ?1 AND deleted = 0 AND seen_pass >= ?2 LIMIT 1",
                        params![source.0, pass.0],
                        |row| row.get(0),
                    )
                    .optional()
            })
    }

    /// The next live records, at most `limit`, that `pass` did not show, in the order of their numbers. Each
    /// is given with its number; the last number is the next `after`.
    pub fn unseen(
        &self,
        source: SourceId,
        pass: PassId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        self.reader()?.read(
            "reading the records that a list did not show",
            |connection| {
                connection
                    .prepare_cached(concat!(
                        "SELECT id, identifier FROM record NOT INDEXED WHERE ",
                        unseen!(),
                        " AND id > ?3 ORDER BY id LIMIT ?4"
                    ))?
                    .query_map(params![source.0, pass.0, after, limit], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?
                    .collect()
            },
        )
    }
}
