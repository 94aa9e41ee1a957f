//! Outputs: how far each has confirmed the changes, and the documents that it rejected.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{Reader, Store, StoreError, Version};

/// An output's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct OutputId(pub i64);

/// An output as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Its row.
    #[serde(skip)]
    pub id: OutputId,
    /// Its name.
    pub name: String,
    /// The settings that decide its documents, as text.
    #[serde(skip)]
    pub definition: String,
    /// The version up to which it has confirmed all changes.
    pub position: Version,
    /// When it last confirmed changes, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub confirmed_at: Option<i64>,
    /// Documents that it has accepted so far; a document counts each time.
    pub added: u64,
    /// Deletions that it has accepted so far.
    pub deleted: u64,
}

impl Output {
    /// An output that the store does not have yet.
    pub fn unknown(name: String) -> Self {
        Self {
            id: OutputId(0),
            name,
            definition: String::new(),
            position: Version::default(),
            confirmed_at: None,
            added: 0,
            deleted: 0,
        }
    }
}

/// A document that an output rejected, or that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedDocument {
    /// The document's id.
    pub document_id: String,
    /// The record's source.
    pub source: String,
    /// The record's identifier.
    pub identifier: String,
    /// The rejected version of the record.
    pub version: Version,
    /// The reason, from the target or from the crosswalk.
    pub reason: String,
    /// When, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub at: i64,
}

/// What an output has confirmed.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The new position; `None` leaves it as it is.
    pub upto: Option<Version>,
    /// The ids of documents that it accepted or deleted; they are no longer rejected.
    pub accepted: Vec<String>,
    /// The rejected documents.
    pub rejected: Vec<RejectedDocument>,
    /// The number of accepted documents.
    pub added: u64,
    /// The number of accepted deletions.
    pub deleted: u64,
    /// When, in milliseconds since 1970 on our clock.
    pub at: i64,
}

const COLUMNS: &str = "id, name, definition, position, confirmed_at, added, deleted";

impl Store {
    /// The output of this name, registered if it is new.
    ///
    /// If its definition has changed, its position goes back to zero, so that the next push sends
    /// everything again. The second value is then true.
    pub fn register_output(
        &self,
        name: &str,
        definition: &str,
    ) -> Result<(Output, bool), StoreError> {
        self.write("registering an output", |transaction| {
            let known = by_name(transaction, name)?;
            let changed = known
                .as_ref()
                .is_some_and(|known| known.definition != definition);
            transaction.execute(
                "INSERT INTO output (name, definition) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET definition = ?2,
                    position = CASE WHEN definition = ?2 THEN position ELSE 0 END",
                params![name, definition],
            )?;
            let output = by_name(transaction, name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            if changed {
                // Everything is sent again, possibly under other ids.
                transaction.execute("DELETE FROM rejected WHERE output_id = ?1", [output.id.0])?;
            }
            Ok((output, changed))
        })
    }

    /// Replaces the definition of an output by one of the same meaning. The position stays.
    pub fn set_definition(&self, output: OutputId, definition: &str) -> Result<(), StoreError> {
        self.write("storing the definition of an output", |transaction| {
            transaction.execute(
                "UPDATE output SET definition = ?2 WHERE id = ?1",
                params![output.0, definition],
            )?;
            Ok(())
        })
    }

    /// Sets the position of an output, forwards or backwards. Later changes will be sent.
    pub fn set_position(&self, output: OutputId, position: Version) -> Result<(), StoreError> {
        self.write("setting a position", |transaction| {
            transaction.execute(
                "UPDATE output SET position = ?2 WHERE id = ?1",
                params![output.0, position.0],
            )?;
            Ok(())
        })
    }

    /// Moves an output's position over changes that do not concern it, unless the position is another one
    /// than `output` says by now. Waits for no other writer: then the position stays for now.
    pub fn pass_over(&self, output: &Output, upto: Version) -> Result<(), StoreError> {
        self.write_if_free("moving a position", |transaction| {
            transaction.execute(
                "UPDATE output SET position = ?4
                 WHERE id = ?1 AND definition = ?2 AND position = ?3 AND position < ?4",
                params![output.id.0, output.definition, output.position.0, upto.0],
            )?;
            Ok(())
        })?;
        Ok(())
    }

    /// Stores what an output has confirmed, all of it or nothing. The position never goes back.
    pub fn confirm(&self, output: OutputId, delivery: &Delivery) -> Result<(), StoreError> {
        self.write_patiently("storing what an output has confirmed", |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE output SET position = max(position, coalesce(?2, position)),
                        confirmed_at = ?3, added = added + ?4, deleted = deleted + ?5
                     WHERE id = ?1",
                )?
                .execute(params![
                    output.0,
                    delivery.upto.map(|version| version.0),
                    delivery.at,
                    delivery.added,
                    delivery.deleted,
                ])?;
            let any_rejected: bool = transaction
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM rejected WHERE output_id = ?1)")?
                .query_row([output.0], |row| row.get(0))?;
            if any_rejected {
                let mut forget = transaction.prepare_cached(
                    "DELETE FROM rejected WHERE output_id = ?1 AND document_id = ?2",
                )?;
                for id in &delivery.accepted {
                    forget.execute(params![output.0, id])?;
                }
            }
            let mut keep = transaction.prepare_cached(
                "INSERT OR REPLACE INTO rejected
                    (output_id, document_id, source, identifier, version, reason, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for document in &delivery.rejected {
                keep.execute(params![
                    output.0,
                    document.document_id,
                    document.source,
                    document.identifier,
                    document.version.0,
                    document.reason,
                    document.at,
                ])?;
            }
            Ok(())
        })
    }

    /// Replaces an output by another one at `position`, with the documents that the other has rejected.
    pub fn replace_output(
        &self,
        output: OutputId,
        by: OutputId,
        position: Version,
    ) -> Result<(), StoreError> {
        self.write("replacing an output", |transaction| {
            transaction.execute("DELETE FROM rejected WHERE output_id = ?1", [output.0])?;
            transaction.execute(
                "UPDATE rejected SET output_id = ?1 WHERE output_id = ?2",
                params![output.0, by.0],
            )?;
            transaction.execute(
                "UPDATE output SET (position, confirmed_at, added, deleted) =
                    (SELECT ?3, confirmed_at, added, deleted FROM output WHERE id = ?2)
                 WHERE id = ?1",
                params![output.0, by.0, position.0],
            )?;
            transaction.execute("DELETE FROM output WHERE id = ?1", [by.0])?;
            Ok(())
        })
    }
}

impl Reader {
    /// All outputs that have had a push, by name.
    pub fn outputs(&self) -> Result<Vec<Output>, StoreError> {
        self.read("reading the outputs", |connection| {
            connection
                .prepare(&format!("SELECT {COLUMNS} FROM output ORDER BY name"))?
                .query_map([], from_row)?
                .collect()
        })
    }

    /// The output `name`; `None` if it has had no push.
    pub fn output(&self, name: &str) -> Result<Option<Output>, StoreError> {
        self.read("reading an output", |connection| by_name(connection, name))
    }

    /// The rejected documents of an output, by their ids.
    pub fn rejected(&self, output: OutputId) -> Result<Vec<RejectedDocument>, StoreError> {
        self.read("reading rejected documents", |connection| {
            connection
                .prepare(
                    "SELECT document_id, source, identifier, version, reason, at FROM rejected
                     WHERE output_id = ?1 ORDER BY document_id",
                )?
                .query_map([output.0], |row| {
                    Ok(RejectedDocument {
                        document_id: row.get(0)?,
                        source: row.get(1)?,
                        identifier: row.get(2)?,
                        version: Version(row.get(3)?),
                        reason: row.get(4)?,
                        at: row.get(5)?,
                    })
                })?
                .collect()
        })
    }

    /// The number of rejected documents of an output.
    pub fn count_rejected(&self, output: OutputId) -> Result<u64, StoreError> {
        self.read("counting rejected documents", |connection| {
            connection.query_row(
                "SELECT count(*) FROM rejected WHERE output_id = ?1",
                [output.0],
                |row| row.get(0),
            )
        })
    }
}

fn by_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<Output>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM output WHERE name = ?1"))?
        .query_row([name], from_row)
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Output> {
    Ok(Output {
        id: OutputId(row.get(0)?),
        name: row.get(1)?,
        definition: row.get(2)?,
        position: Version(row.get(3)?),
        confirmed_at: row.get(4)?,
        added: row.get(5)?,
        deleted: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(id: &str) -> RejectedDocument {
        RejectedDocument {
            document_id: id.to_owned(),
            source: "a".to_owned(),
            identifier: format!("oai:{id}"),
            version: Version(3),
            reason: "too long".to_owned(),
            at: 7,
        }
    }

    #[test]
    fn positions_only_move_with_what_was_confirmed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        let (output, changed) = store.register_output("vufind", "one").unwrap();
        assert_eq!((output.position, changed), (Version(0), false));

        let mut delivery = Delivery {
            upto: Some(Version(5)),
            rejected: vec![rejected("x"), rejected("y")],
            added: 2,
            at: 7,
            ..Delivery::default()
        };
        let known = || reader.output("vufind").unwrap().unwrap();
        store.confirm(output.id, &delivery).unwrap();
        assert_eq!((known().position, known().added), (Version(5), 2));
        assert_eq!(
            reader.rejected(output.id).unwrap(),
            [rejected("x"), rejected("y")]
        );

        delivery.upto = Some(Version(4));
        delivery.rejected.clear();
        delivery.accepted = vec!["x".to_owned()];
        store.confirm(output.id, &delivery).unwrap();
        assert_eq!(known().position, Version(5), "not back");
        assert_eq!(reader.count_rejected(output.id).unwrap(), 1);

        let (output, changed) = store.register_output("vufind", "one").unwrap();
        assert_eq!((output.position, changed), (Version(5), false));
        let (other, _) = store.register_output("other", "one").unwrap();
        let sent = Delivery {
            upto: Some(Version(9)),
            rejected: vec![rejected("z")],
            ..Delivery::default()
        };
        store.confirm(other.id, &sent).unwrap();
        store
            .replace_output(output.id, other.id, Version(9))
            .unwrap();
        assert_eq!(known().position, Version(9));
        assert_eq!(reader.rejected(output.id).unwrap(), [rejected("z")]);
        assert_eq!(reader.output("other").unwrap(), None);

        let (output, changed) = store.register_output("vufind", "two").unwrap();
        assert_eq!(
            (output.position, changed),
            (Version(0), true),
            "another definition"
        );
        assert_eq!(reader.outputs().unwrap().len(), 1);
        assert_eq!(reader.count_rejected(output.id).unwrap(), 0);
    }
}
