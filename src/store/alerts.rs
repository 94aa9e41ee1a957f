//! What people were told of that is not over yet, and what they are still to be told.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::{Reader, Store, StoreError};

/// Something that people were told of, and that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `source`, `output`, `export` or `store`.
    pub subject: String,
    /// Which one.
    pub name: String,
    /// What is the matter with it, in one word.
    pub kind: String,
    /// The same for people.
    pub message: String,
    /// Since when, in milliseconds since 1970 on our clock.
    pub since_at: i64,
}

/// An alert that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingAlert {
    /// Its row.
    pub id: i64,
    /// The alert itself, as JSON.
    pub body: String,
    /// When it came up, in milliseconds since 1970 on our clock.
    pub at: i64,
    /// How often it was tried.
    pub tries: u32,
    /// When to try it again.
    pub next_at: i64,
}

impl Store {
    /// Stores which conditions have begun, which are over, and what is to be told of it (`alerts`
    /// in each of `ways`): all of it or nothing, so that nothing is told twice or forgotten.
    pub fn change_conditions(
        &self,
        begun: &[Condition],
        over: &[Condition],
        alerts: &[String],
        ways: &[&str],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write("storing what has changed", |transaction| {
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
                for way in ways {
                    transaction.execute(
                        "INSERT INTO alert (way, body, at, next_at) VALUES (?1, ?2, ?3, ?3)",
                        params![way, body, now_ms],
                    )?;
                }
            }
            Ok(())
        })
    }

    /// The oldest alert that has not arrived in this way.
    pub fn next_alert(&self, way: &str) -> Result<Option<PendingAlert>, StoreError> {
        self.read("reading an alert", |connection| {
            connection
                .prepare_cached(
                    "SELECT id, body, at, tries, next_at FROM alert WHERE way = ?1
                     ORDER BY id LIMIT 1",
                )?
                .query_row([way], |row| {
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

    /// Notes that an alert was tried in vain, and when to try it again.
    pub fn postpone_alert(&self, id: i64, next_at: i64) -> Result<(), StoreError> {
        self.write("postponing an alert", |transaction| {
            transaction.execute(
                "UPDATE alert SET tries = tries + 1, next_at = ?2 WHERE id = ?1",
                params![id, next_at],
            )?;
            Ok(())
        })
    }

    /// Forgets an alert: it has arrived, or never will.
    pub fn forget_alert(&self, id: i64) -> Result<(), StoreError> {
        self.write("forgetting an alert", |transaction| {
            transaction.execute("DELETE FROM alert WHERE id = ?1", [id])?;
            Ok(())
        })
    }
}

impl Reader {
    /// What people were told of and is not over.
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

    /// How many alerts have not arrived.
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
    fn alerts_wait_in_their_order_until_they_have_arrived() {
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
        let first = next().unwrap();
        assert_eq!(
            (first.body.as_str(), first.next_at, first.tries),
            ("first", 9, 1)
        );
        store.forget_alert(first.id).unwrap();
        assert_eq!(next().unwrap().body, "second");
        store.forget_alert(next().unwrap().id).unwrap();
        assert_eq!(next(), None);
        assert_eq!(store.next_alert("command").unwrap().unwrap().body, "first");
    }
}
