//! What the passes of one source did in a period.

use rusqlite::params;

use super::{Counts, Reader, SourceId, StoreError};

/// What the passes of one source did in a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeriodTotals {
    /// Passes that began.
    pub passes: u64,
    /// Those of them that did not read all that there is.
    pub not_complete: u64,
    /// Requests sent.
    pub requests: u64,
    /// Bytes received.
    pub bytes: u64,
    /// What happened to the records.
    pub counts: Counts,
    /// When the last pass of all began that brought a change, in milliseconds since 1970 on our clock.
    pub changed_at: Option<i64>,
}

impl Reader {
    /// What the passes of a source did that began in a period: from `from_ms` on, before `until_ms`.
    pub fn period(
        &self,
        source: SourceId,
        from_ms: i64,
        until_ms: i64,
    ) -> Result<PeriodTotals, StoreError> {
        self.read("adding up the passes of a period", |connection| {
            let mut totals = connection
                .prepare_cached(
                    "SELECT count(*), count(*) FILTER (WHERE state NOT IN ('complete', 'open')),
                        sum(requests), sum(bytes), sum(created), sum(changed), sum(unchanged),
                        sum(deleted), sum(quarantined), sum(repaired)
                     FROM pass WHERE source_id = ?1 AND started_at >= ?2 AND started_at < ?3",
                )?
                .query_row(params![source.0, from_ms, until_ms], |row| {
                    let sum = |column: usize| -> rusqlite::Result<u64> {
                        Ok(row.get::<_, Option<u64>>(column)?.unwrap_or_default())
                    };
                    Ok(PeriodTotals {
                        passes: row.get(0)?,
                        not_complete: row.get(1)?,
                        requests: sum(2)?,
                        bytes: sum(3)?,
                        counts: Counts {
                            new: sum(4)?,
                            changed: sum(5)?,
                            unchanged: sum(6)?,
                            deleted: sum(7)?,
                            quarantined: sum(8)?,
                            repaired: sum(9)?,
                        },
                        changed_at: None,
                    })
                })?;
            totals.changed_at = connection
                .prepare_cached(
                    "SELECT max(started_at) FROM pass
                     WHERE source_id = ?1 AND created + changed + deleted > 0",
                )?
                .query_row([source.0], |row| row.get(0))?;
            Ok(totals)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn only_passes_of_the_period_count() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        store
            .write("test", |connection| {
                connection.execute_batch(
                    "INSERT INTO source (id, name, base_url, metadata_prefix, sets)
                     VALUES (1, 'a', 'https://a.org/oai', 'oai_dc', '[]');
                     INSERT INTO pass (source_id, kind, state, moves_watermark, started_at, requests,
                        created, deleted)
                     VALUES (1, 'full', 'complete', 1, 10, 3, 5, 0), (1, 'since', 'incomplete', 1, 20, 2, 0, 1),
                            (1, 'since', 'complete', 1, 30, 1, 0, 0);",
                )
            })
            .unwrap();
        let reader = store.reader().unwrap();
        let period = |from, until| reader.period(SourceId(1), from, until).unwrap();
        let both = period(10, 30);
        assert_eq!((both.passes, both.not_complete, both.requests), (2, 1, 5));
        assert_eq!((both.counts.new, both.counts.deleted), (5, 1));
        assert_eq!(both.changed_at, Some(20), "also outside of the period");
        let last = period(30, 99);
        assert_eq!((last.passes, last.counts.records()), (1, 0));
        let none = reader.period(SourceId(2), 0, 99).unwrap();
        assert_eq!(none, PeriodTotals::default());
    }
}
