//! Scheduled exports: the version up to which their files reach.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{Reader, Store, StoreError, Version};

/// A scheduled export as the store knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// The settings that decide its records and their form, as text.
    #[serde(skip)]
    pub definition: String,
    /// The version up to which its files have all changes.
    pub position: Version,
    /// When its last run succeeded, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub done_at: Option<i64>,
    /// The newest file.
    pub file: Option<String>,
    /// Records written so far; a record counts each time.
    pub records: u64,
    /// Deletions written so far.
    pub deletions: u64,
}

/// The result of a run of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportRun {
    /// The version up to which its files have all changes.
    pub upto: Version,
    /// The file; `None` if there was nothing to write.
    pub file: Option<String>,
    /// Records in the file.
    pub records: u64,
    /// Deletions in the file.
    pub deletions: u64,
    /// The time of the run, in milliseconds since 1970 on our clock.
    pub at: i64,
}

const COLUMNS: &str = "name, definition, position, done_at, file, records, deletions";

impl Store {
    /// Stores the result of a successful run.
    pub fn note_export(
        &self,
        name: &str,
        definition: &str,
        exported: &ExportRun,
    ) -> Result<(), StoreError> {
        self.write("storing the result of an export", |transaction| {
            transaction.execute(
                "INSERT INTO export (name, definition, position, done_at, file, records, deletions)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (name) DO UPDATE SET definition = ?2, position = ?3, done_at = ?4,
                    file = coalesce(?5, file), records = records + ?6, deletions = deletions + ?7",
                params![
                    name,
                    definition,
                    exported.upto.0,
                    exported.at,
                    exported.file,
                    exported.records,
                    exported.deletions,
                ],
            )?;
            Ok(())
        })
    }
}

impl Reader {
    /// All scheduled exports that have run, by name.
    pub fn exports(&self) -> Result<Vec<Export>, StoreError> {
        self.read("reading the exports", |connection| {
            connection
                .prepare(&format!("SELECT {COLUMNS} FROM export ORDER BY name"))?
                .query_map([], from_row)?
                .collect()
        })
    }

    /// The scheduled export `name`; `None` if it has never run.
    pub fn export(&self, name: &str) -> Result<Option<Export>, StoreError> {
        self.read("reading an export", |connection| by_name(connection, name))
    }
}

fn by_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<Export>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM export WHERE name = ?1"))?
        .query_row([name], from_row)
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Export> {
    Ok(Export {
        name: row.get(0)?,
        definition: row.get(1)?,
        position: Version(row.get(2)?),
        done_at: row.get(3)?,
        file: row.get(4)?,
        records: row.get(5)?,
        deletions: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_keeps_its_newest_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        assert_eq!(reader.export("all").unwrap(), None);
        let mut exported = ExportRun {
            upto: Version(7),
            file: Some("all.jsonl".to_owned()),
            records: 5,
            deletions: 1,
            at: 4,
        };
        store.note_export("all", "one", &exported).unwrap();
        exported.file = None;
        exported.upto = Version(9);
        store.note_export("all", "one", &exported).unwrap();
        assert_eq!(
            reader.exports().unwrap(),
            [Export {
                name: "all".to_owned(),
                definition: "one".to_owned(),
                position: Version(9),
                done_at: Some(4),
                file: Some("all.jsonl".to_owned()),
                records: 10,
                deletions: 2,
            }]
        );
    }
}
