//! Who harvests the OAI-PMH provider.

use std::collections::BTreeMap;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::open::Cached;
use super::{Reader, Store, StoreError};

/// What one client of the OAI-PMH provider got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Harvester {
    /// Its address or network. Empty for the sum of the clients that are not told apart any more.
    pub client: String,
    /// Requests.
    pub requests: u64,
    /// Requests that were answered with an error, an empty list included, or not answered.
    pub errors: u64,
    /// Records and headers.
    pub items: u64,
    /// Requests by verb.
    pub verbs: BTreeMap<String, u64>,
    /// The first request, in milliseconds since 1970.
    pub first_ms: i64,
    /// The last request, in milliseconds since 1970.
    pub last_ms: i64,
    /// The last page of a list.
    pub last_page: Option<HarvestedPage>,
}

/// How far a client has read a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarvestedPage {
    /// `ListRecords`, `ListIdentifiers` or `ListSets`.
    pub verb: String,
    /// Items of the list up to the end of the page.
    pub items: u64,
    /// Items of the list, if that is known.
    pub total: Option<u64>,
    /// The resumption token on the page; `None` on the last page.
    pub token: Option<String>,
}

impl Store {
    /// Replaces all that is known of the clients.
    pub fn put_harvesters(&self, harvesters: &[Harvester]) -> Result<(), StoreError> {
        self.write("storing who harvests", |transaction| {
            transaction.run("DELETE FROM harvester", [])?;
            for harvester in harvesters {
                transaction.run(
                    "INSERT INTO harvester VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![
                        harvester.client,
                        harvester.requests,
                        harvester.errors,
                        harvester.items,
                        as_json(&harvester.verbs),
                        harvester.first_ms,
                        harvester.last_ms,
                        harvester.last_page.as_ref().map(as_json),
                    ],
                )?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// All that is known of the clients, the last one first.
    pub fn harvesters(&self) -> Result<Vec<Harvester>, StoreError> {
        self.read("reading who harvests", |connection| {
            connection
                .prepare_cached(
                    "SELECT client, requests, errors, items, verbs, first_at, last_at, last_page
                     FROM harvester ORDER BY client = '', last_at DESC, client",
                )?
                .query_map([], |row| {
                    let page: Option<String> = row.get(7)?;
                    Ok(Harvester {
                        client: row.get(0)?,
                        requests: row.get(1)?,
                        errors: row.get(2)?,
                        items: row.get(3)?,
                        // What another release has written differently is left out.
                        verbs: serde_json::from_str(row.get_ref(4)?.as_str()?).unwrap_or_default(),
                        first_ms: row.get(5)?,
                        last_ms: row.get(6)?,
                        last_page: page.and_then(|page| serde_json::from_str(&page).ok()),
                    })
                })?
                .collect()
        })
    }
}

fn as_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harvesters_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let harvester = |client: &str, last_ms| Harvester {
            client: client.to_owned(),
            requests: 3,
            errors: 1,
            items: 400,
            verbs: BTreeMap::from([("ListRecords".to_owned(), 3)]),
            first_ms: 1,
            last_ms,
            last_page: (last_ms > 5).then(|| HarvestedPage {
                verb: "ListRecords".to_owned(),
                items: 400,
                total: Some(1_000),
                token: Some("abc".to_owned()),
            }),
        };
        let all = [
            harvester("192.0.2.7", 9),
            harvester("192.0.2.1", 5),
            harvester("", 20),
        ];
        store.put_harvesters(&[harvester("192.0.2.9", 7)]).unwrap();
        store.put_harvesters(&all).unwrap();
        assert_eq!(store.reader().unwrap().harvesters().unwrap(), all);
    }
}
