//! Records that a full list did not show: candidates for burial, and their counting.

use rusqlite::{OptionalExtension, params};

use super::{PassId, SourceId, Store, StoreError};

impl Store {
    /// How many live records of a source `pass`, a full one, did not show.
    ///
    /// Reads every record of the source, so it is for slow, scheduled work.
    pub fn count_unseen(&self, source: SourceId, pass: PassId) -> Result<u64, StoreError> {
        self.reader()?
            .read("counting what a list did not show", |connection| {
                connection.query_row(
                    "SELECT count(*) FROM record
                 WHERE source_id = ?1 AND deleted = 0 AND seen_pass < ?2",
                    params![source.0, pass.0],
                    |row| row.get(0),
                )
            })
    }

    /// A live record that `pass` did show, any.
    pub fn any_seen(&self, source: SourceId, pass: PassId) -> Result<Option<String>, StoreError> {
        self.reader()?
            .read("reading a record that a list did show", |connection| {
                connection
                    .query_row(
                        "SELECT identifier FROM record
                     WHERE source_id = ?1 AND deleted = 0 AND seen_pass >= ?2 LIMIT 1",
                        params![source.0, pass.0],
                        |row| row.get(0),
                    )
                    .optional()
            })
    }

    /// The identifiers of the next `most` such records after `after`, in the order in which they
    /// came into the store, with the place to go on from.
    pub fn unseen(
        &self,
        source: SourceId,
        pass: PassId,
        after: i64,
        most: u32,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        self.reader()?
            .read("reading what a list did not show", |connection| {
                connection
                    .prepare_cached(
                        "SELECT id, identifier FROM record
                     WHERE source_id = ?1 AND deleted = 0 AND seen_pass < ?2 AND id > ?3
                     ORDER BY id LIMIT ?4",
                    )?
                    .query_map(params![source.0, pass.0, after, most], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?
                    .collect()
            })
    }
}
