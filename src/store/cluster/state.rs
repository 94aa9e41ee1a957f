//! Whether records are clustered, and whether the stored clusters are up to date.

use rusqlite::{Connection, params};
use serde::Serialize;

use crate::dedup::VERSION;
use crate::dedup::rules::Versions;
use crate::store::{Reader, Store, StoreError};

/// How records are to be clustered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clustering {
    /// Whether records are clustered.
    pub enabled: bool,
    /// The sources whose records are preferred, the best first. All other sources rank after them.
    pub sources: Vec<String>,
    /// Whether a preprint and the published article are one work.
    pub versions: Versions,
}

/// Whether the clusters of a store are up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterState {
    /// Records are not clustered.
    Off,
    /// A rebuild is due: records were stored without clustering, under other rules or settings, or with
    /// another order of sources. Until the rebuild, new records are not clustered.
    Due,
    /// Every record is in its cluster.
    Current,
}

impl Store {
    /// Sets how records are clustered from now on. Returns the new state; writes only what changes.
    ///
    /// The state is `Due` after a change that outdates the clusters of stored records. The rebuild takes
    /// long, so it is a separate call: [`Store::rebuild_clusters`].
    pub fn set_clustering(&self, wanted: &Clustering) -> Result<ClusterState, StoreError> {
        self.write("setting up clusters", |transaction| {
            let found = Stored::read(transaction)?;
            let state = if !wanted.enabled {
                ClusterState::Off
            } else if is_empty(transaction)?
                || (found.state == ClusterState::Current
                    && found.versions == wanted.versions
                    && same_order(transaction, &found.sources, &wanted.sources)?)
            {
                ClusterState::Current
            } else {
                ClusterState::Due
            };
            let stored = Stored {
                state,
                sources: match state {
                    ClusterState::Off => found.sources.clone(),
                    _ => wanted.sources.clone(),
                },
                versions: match state {
                    ClusterState::Off => found.versions,
                    _ => wanted.versions,
                },
                ..found.clone()
            };
            if stored != found {
                stored.write(transaction)?;
            }
            Ok(state)
        })
    }

    /// Whether the clusters are up to date.
    pub fn cluster_state(&self) -> Result<ClusterState, StoreError> {
        self.read("reading the state of clusters", |connection| {
            Ok(Stored::read(connection)?.state)
        })
    }
}

impl Reader {
    /// Whether the clusters are up to date.
    pub fn cluster_state(&self) -> Result<ClusterState, StoreError> {
        self.read("reading the state of clusters", |connection| {
            Ok(Stored::read(connection)?.state)
        })
    }
}

/// The row of the table `dedup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) state: ClusterState,
    pub(super) sources: Vec<String>,
    pub(super) versions: Versions,
    pub(super) recent_token: i64,
}

/// Added to the version of the rules while they keep versions of a work apart: they are other rules then.
const APART: u32 = 1 << 16;

impl Stored {
    /// Clusters made by other rules count as due.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare_cached("SELECT state, rules_version, sources, recent_token FROM dedup")?
            .query_row([], |row| {
                let rules: u32 = row.get(1)?;
                let (version, apart) = (rules & !APART, rules & APART != 0);
                let sources: String = row.get(2)?;
                Ok(Self {
                    state: match row.get_ref(0)?.as_str()? {
                        "current" if version == VERSION => ClusterState::Current,
                        "off" => ClusterState::Off,
                        _ => ClusterState::Due,
                    },
                    // An unreadable order differs from every wanted one, so a rebuild is due.
                    sources: serde_json::from_str(&sources).unwrap_or_default(),
                    versions: match apart {
                        true => Versions::Apart,
                        false => Versions::Together,
                    },
                    recent_token: row.get(3)?,
                })
            })
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE dedup SET state = ?1, rules_version = ?2, sources = ?3, recent_token = ?4",
            )?
            .execute(params![
                match self.state {
                    ClusterState::Off => "off",
                    ClusterState::Due => "due",
                    ClusterState::Current => "current",
                },
                match self.versions {
                    Versions::Together => VERSION,
                    Versions::Apart => VERSION | APART,
                },
                serde_json::to_string(&self.sources).expect("a list of texts is plain JSON"),
                self.recent_token,
            ])?;
        Ok(())
    }
}

/// Whether two orders rank the sources that have records in the same way. A source without records
/// ranks nowhere.
fn same_order(connection: &Connection, a: &[String], b: &[String]) -> rusqlite::Result<bool> {
    if a == b {
        return Ok(true);
    }
    let filled: Vec<String> = connection
        .prepare("SELECT name FROM source WHERE live_records + deleted_records > 0")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let with_records = |order: &[String]| -> Vec<String> {
        let names = order.iter().filter(|name| filled.contains(name));
        names.cloned().collect()
    };
    let (a, b) = (with_records(a), with_records(b));
    // The source in the last place ranks as if it were not named.
    let trimmed = |order: &[String]| -> Vec<String> {
        match order.split_last() {
            Some((_, rest)) if order.len() == filled.len() => rest.to_vec(),
            _ => order.to_vec(),
        }
    };
    Ok(trimmed(&a) == trimmed(&b))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM record)", [], |row| {
        row.get(0)
    })
}
