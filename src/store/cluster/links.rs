//! Reading the matches that hold clusters together.

use rusqlite::{Connection, params};

use super::read::{Cluster, cluster, require_current};
use crate::dedup::description::Description;
use crate::dedup::evidence::{Link, links};
use crate::dedup::packed;
use crate::dedup::rules::Versions;
use crate::store::{Reader, StoreError};

/// Clusters that are read in one transaction, so that none is open for long.
const CLUSTERS_AT_ONCE: u32 = 500;

impl Reader {
    /// Calls `visit` with each cluster of two records or more, and the matches that hold it together, in
    /// the order of their rows. Members that only decisions of people join have no match.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] if the clusters are not up to date. What `visit` returns ends the
    /// reading.
    pub fn visit_links<E: From<StoreError>>(
        &self,
        mut visit: impl FnMut(&Cluster, &[Link]) -> Result<(), E>,
    ) -> Result<(), E> {
        require_current(self)?;
        let versions = self.versions()?;
        let mut after = 0;
        loop {
            let found = self.read("reading the matches of clusters", |connection| {
                let mut found = Vec::new();
                for row in rows_after(connection, after)? {
                    let cluster = cluster(connection, row)?;
                    let links = links_of(connection, row, versions)?;
                    found.push((row, cluster, links));
                }
                Ok(found)
            })?;
            let Some((last, ..)) = found.last() else {
                return Ok(());
            };
            after = *last;
            for (_, cluster, links) in &found {
                visit(cluster, links)?;
            }
        }
    }
}

/// The next clusters of two records or more.
fn rows_after(connection: &Connection, after: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT id FROM cluster
             WHERE id > ?1 AND (SELECT count(*) FROM cluster_member WHERE cluster_id = cluster.id) > 1
             ORDER BY id LIMIT ?2",
        )?
        .query_map(params![after, CLUSTERS_AT_ONCE], |row| row.get(0))?
        .collect()
}

/// The matches between the members of a cluster; the members are in their order of rank.
fn links_of(connection: &Connection, row: i64, versions: Versions) -> rusqlite::Result<Vec<Link>> {
    let descriptions: Vec<Description> = connection
        .prepare_cached(
            "SELECT description.packed FROM cluster_member
             LEFT JOIN description ON description.record_id = cluster_member.record_id
             WHERE cluster_id = ?1 ORDER BY rank",
        )?
        .query_map([row], |row| {
            let packed: Option<Vec<u8>> = row.get(0)?;
            Ok(packed
                .and_then(|packed| packed::unpack(&packed))
                .unwrap_or_default())
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(links(&descriptions, versions))
}
