//! Alerts: the conditions that were reported and persist, and the messages that are not delivered yet.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::{Reader, Store, StoreError};

/// A problem that was reported and persists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `source`, `output`, `export` or `store`.
    pub subject: String,
    /// Which one.
    pub name: String,
    /// The kind of problem, in one word.
    pub kind: String,
    /// The problem as text.
    pub message: String,
    /// When it began, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub since_at: i64,
}

/// An alert that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingAlert {
    /// Its row.
    pub id: i64,
    /// The alert itself, as JSON.
    pub body: String,
    /// When it was made, in milliseconds since 1970 on our clock.
    pub at: i64,
    /// The number of failed attempts.
    pub tries: u32,
    /// When to try again.
    pub next_at: i64,
}

impl Store {
    /// Stores the conditions that have begun, those that are over, and the alerts about them, one for each
    /// of `channels`. All of it or nothing is stored, so that no alert is lost or sent twice.
    pub fn change_conditions(
        &self,
        begun: &[Condition],
        over: &[Condition],
        alerts: &[String],
        channels: &[&str],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write("storing conditions and alerts", |transaction| {
            for condition in over {
                transaction.execute(
                    "DELETE FROM condition WHERE subject = ?1 AND name = ?2 AND kind = ?3",
                    params![condition.subject, condition.name, condition.kind],
                )?;
            }
            for condition in begun {
                transaction.execute(
                    "INSERT OR REPLACE INTO condition (subject, name, kind, message, since_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        condition.subject,
                        condition.name,
                        condition.kind,
                        condition.message,
                        condition.since_at,
                    ],
                )?;
            }
            for body in alerts {
                for channel in channels {
                    transaction.execute(
                        "INSERT INTO alert (way, body, at, next_at) VALUES (?1, ?2, ?3, ?3)",
                        params![channel, body, now_ms],
                    )?;
                }
            }
            Ok(())
        })
    }

    /// The alert that is due first of those that are not delivered on this channel. Of several about
    /// one condition of one subject, only the oldest counts: an end is not told before its beginning.
    pub fn next_alert(&self, channel: &str) -> Result<Option<PendingAlert>, StoreError> {
        self.read("reading an alert", |connection| {
            connection
                .prepare_cached(
                    // Of the other columns, SQLite takes the values in the row of the minimum.
                    "SELECT min(id) AS id, body, at, tries, next_at FROM alert WHERE way = ?1
                     GROUP BY CASE WHEN json_valid(body) THEN
                         json_array(body ->> 'subject', body ->> 'name', body ->> 'condition')
                     ELSE id END
                     ORDER BY next_at, id LIMIT 1",
                )?
                .query_row([channel], |row| {
                    Ok(PendingAlert {
                        id: row.get(0)?,
                        body: row.get(1)?,
                        at: row.get(2)?,
                        tries: row.get(3)?,
                        next_at: row.get(4)?,
                    })
                })
                .optional()
        })
    }

    /// Stores that an attempt to deliver an alert failed, and when to try again.
    pub fn postpone_alert(&self, id: i64, next_at: i64) -> Result<(), StoreError> {
        self.write("postponing an alert", |transaction| {
            transaction.execute(
                "UPDATE alert SET tries = tries + 1, next_at = ?2 WHERE id = ?1",
                params![id, next_at],
            )?;
            Ok(())
        })
    }

    /// Deletes an alert that is delivered, or that is given up.
    pub fn delete_alert(&self, id: i64) -> Result<(), StoreError> {
        self.write("deleting an alert", |transaction| {
            transaction.execute("DELETE FROM alert WHERE id = ?1", [id])?;
            Ok(())
        })
    }
}

impl Reader {
    /// The conditions that persist.
    pub fn conditions(&self) -> Result<Vec<Condition>, StoreError> {
        self.read("reading conditions", |connection| {
            connection
                .prepare_cached(
                    "SELECT subject, name, kind, message, since_at FROM condition
                     ORDER BY subject, name, kind",
                )?
                .query_map([], |row| {
                    Ok(Condition {
                        subject: row.get(0)?,
                        name: row.get(1)?,
                        kind: row.get(2)?,
                        message: row.get(3)?,
                        since_at: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// The number of alerts that are not delivered.
    pub fn count_alerts(&self) -> Result<u64, StoreError> {
        self.read("counting alerts", |connection| {
            connection.query_row("SELECT count(*) FROM alert", [], |row| row.get(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_wait_in_order_until_they_are_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        let failing = Condition {
            subject: "source".to_owned(),
            name: "a".to_owned(),
            kind: "failing".to_owned(),
            message: "HTTP 500".to_owned(),
            since_at: 5,
        };
        let begun = std::slice::from_ref(&failing);
        let alert = |text: &str| [text.to_owned()];
        store
            .change_conditions(begun, &[], &alert("first"), &["webhook", "command"], 5)
            .unwrap();
        assert_eq!(reader.conditions().unwrap(), begun);
        store
            .change_conditions(&[], begun, &alert("second"), &["webhook"], 6)
            .unwrap();
        assert_eq!(reader.conditions().unwrap(), []);
        assert_eq!(reader.count_alerts().unwrap(), 3);
        let next = || store.next_alert("webhook").unwrap();
        let first = next().unwrap();
        assert_eq!(
            (first.body.as_str(), first.next_at, first.tries),
            ("first", 5, 0)
        );
        store.postpone_alert(first.id, 9).unwrap();
        // One that waits for its next attempt holds up no other.
        let second = next().unwrap();
        assert_eq!(second.body, "second");
        store.postpone_alert(second.id, 20).unwrap();
        let first = next().unwrap();
        assert_eq!(
            (first.body.as_str(), first.next_at, first.tries),
            ("first", 9, 1)
        );
        store.delete_alert(first.id).unwrap();
        assert_eq!(next().unwrap().body, "second");
        store.delete_alert(next().unwrap().id).unwrap();
        assert_eq!(next(), None);
        assert_eq!(store.next_alert("command").unwrap().unwrap().body, "first");
    }

    #[test]
    fn the_end_of_a_condition_waits_for_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let alert = |name: &str, state: &str| {
            format!(
                "{{\"subject\":\"source\",\"name\":\"{name}\",\"condition\":\"failing\",\
                 \"state\":\"{state}\"}}"
            )
        };
        let alerts = [alert("a", "begun"), alert("a", "over"), alert("b", "begun")];
        store
            .change_conditions(&[], &[], &alerts, &["webhook"], 5)
            .unwrap();
        let next = || store.next_alert("webhook").unwrap().unwrap();
        assert_eq!(next().body, alerts[0]);
        store.postpone_alert(next().id, 50).unwrap();
        assert_eq!(next().body, alerts[2]);
        store.delete_alert(next().id).unwrap();
        assert_eq!(next().body, alerts[0]);
        store.delete_alert(next().id).unwrap();
        assert_eq!(next().body, alerts[1]);
    }
}
