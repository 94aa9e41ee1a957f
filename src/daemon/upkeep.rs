//! Once a day: old passes are forgotten, and the write-ahead log is emptied.

use std::sync::Arc;

use tokio::sync::Notify;

use super::board::Board;
use crate::store::{Store, StoreError};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Puts the store in order at each notification. Ends only with its task.
pub(super) async fn run(store: Arc<Store>, board: Arc<Board>, due: Arc<Notify>) {
    loop {
        due.notified().await;
        let (store, days, now_ms) = (Arc::clone(&store), board.history_days(), board.now_ms());
        let done = tokio::task::spawn_blocking(move || put_in_order(&store, days, now_ms)).await;
        match done {
            Ok(Ok(0)) => tracing::debug!("the store is in order"),
            Ok(Ok(gone)) => tracing::info!("{gone} passes of more than {days} days ago forgotten"),
            Ok(Err(error)) => tracing::warn!("putting the store in order: {error}"),
            Err(error) => tracing::error!("putting the store in order: {error}"),
        }
    }
}

/// Gives how many passes were forgotten; `history_days` 0 keeps them all.
fn put_in_order(store: &Store, history_days: u32, now_ms: i64) -> Result<u64, StoreError> {
    let gone = match history_days {
        0 => 0,
        days => store.prune_history(now_ms - i64::from(days) * DAY_MS)?,
    };
    store.checkpoint()?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{PassKind, SourceDefinition};

    #[test]
    fn history_is_kept_for_its_days() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&path).unwrap();
        let definition = SourceDefinition {
            name: "a".into(),
            base_url: "https://a.org/oai".into(),
            metadata_prefix: "oai_dc".into(),
            sets: Vec::new(),
            floor: None,
        };
        let (source, _) = store.register_source(&definition).unwrap();
        for day in 0..20 {
            store
                .begin_pass(source.id, PassKind::Full, true, true, &[], day * DAY_MS)
                .unwrap();
        }
        let now_ms = 20 * DAY_MS;
        assert_eq!(put_in_order(&store, 0, now_ms).unwrap(), 0);
        assert_eq!(put_in_order(&store, 15, now_ms).unwrap(), 4);
        let log = folder.path().join("store.db-wal");
        assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
    }
}
