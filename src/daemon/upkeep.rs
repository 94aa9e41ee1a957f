//! Once a day: old passes and tombstones are forgotten, unused pages are given back, the write-ahead
//! log is emptied, and the log gets a line on the day that was.

use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::digest::digest;
use crate::config::Config;
use crate::output::solr::settings::REBUILD;
use crate::schedule::{Last, Schedule, Standing, Verdict, ticks, verdict};
use crate::store::{Store, StoreError, Version};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// At an hour when few read and few harvest.
const WHEN: &str = "40 4 * * *";

/// When it was last done, among what the store remembers.
const DONE: &str = "upkeep_at";

/// A wall clock can be set, so no sleep trusts it for longer.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Pages that are given back in one day, so that the file's tail is not copied for hours.
const MOST_PAGES: u64 = 100_000;

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    passes: u64,
    tombstones: u64,
    pages: u64,
}

/// Puts the store in order once a day; a day that was missed is made up. Ends only with its task.
pub(super) async fn run(store: Arc<Store>, board: Arc<Board>) {
    loop {
        let (store, config, now_ms) = (Arc::clone(&store), board.config(), board.now_ms());
        let done = tokio::task::spawn_blocking(move || if_due(&store, &config, now_ms)).await;
        match done {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("putting the store in order: {error}"),
            Err(error) => tracing::error!("putting the store in order: {error}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Gives what was done, if it was time for it.
fn if_due(store: &Store, config: &Config, now_ms: i64) -> Result<Option<Done>, StoreError> {
    let reader = store.reader()?;
    let Some(last_ms) = reader.meta_value(DONE)? else {
        store.set_meta_value(DONE, Some(now_ms))?;
        return Ok(None);
    };
    let daily = Schedule {
        ticks: ticks(WHEN).ok().flatten(),
        spread: Duration::ZERO,
        ..Schedule::default()
    };
    let standing = Standing {
        last: Some(Last::Complete(last_ms)),
        ..Standing::default()
    };
    if verdict(&daily, &standing, now_ms) != Verdict::Due {
        return Ok(None);
    }
    tracing::info!("{}", digest(&reader, config, last_ms, now_ms)?);
    // Should it fail, then not every minute.
    store.set_meta_value(DONE, Some(now_ms))?;
    let done = put_in_order(store, config, now_ms)?;
    let Done {
        passes,
        tombstones,
        pages,
    } = done;
    tracing::info!(
        "the store is in order: {passes} old passes and {tombstones} old tombstones forgotten, \
         {pages} pages given back"
    );
    Ok(Some(done))
}

fn put_in_order(store: &Store, config: &Config, now_ms: i64) -> Result<Done, StoreError> {
    let before = |days: u32| now_ms - i64::from(days) * DAY_MS;
    let mut done = Done::default();
    if config.daemon.history_days > 0 {
        done.passes = store.prune_history(before(config.daemon.history_days))?;
    }
    if config.daemon.tombstone_days > 0 {
        let old = Version::default().next(before(config.daemon.tombstone_days));
        let heard = heard_by_all(store, config, before(config.daemon.tombstone_days))?;
        done.tombstones = store.prune_tombstones(heard.map_or(old, |heard| heard.min(old)))?;
    }
    done.pages = store.free_pages(MOST_PAGES)?;
    store.optimize()?;
    if !store.checkpoint()? {
        tracing::debug!("the write-ahead log is in use and is emptied another day");
    }
    Ok(done)
}

/// What every configured output and export has, and every index that is being built for one and has
/// taken something since `lately_ms`; `None` if there is none that has begun.
fn heard_by_all(
    store: &Store,
    config: &Config,
    lately_ms: i64,
) -> Result<Option<Version>, StoreError> {
    let reader = store.reader()?;
    let outputs = reader.outputs()?.into_iter();
    let outputs = outputs.filter(|output| match output.name.strip_suffix(REBUILD) {
        // One that has nothing yet will not get what is deleted already, and some are given up.
        Some(name) => {
            config.output(name).is_ok()
                && output.position > Version::default()
                && output.confirmed_at.is_some_and(|at| at >= lately_ms)
        }
        None => config.output(&output.name).is_ok(),
    });
    let exports = reader.exports()?.into_iter().filter(|export| {
        let mut configured = config.exports.iter();
        configured.any(|(settings, _)| settings.name == export.name && settings.since_previous)
    });
    let exports = exports.map(|export| export.position);
    Ok(outputs.map(|output| output.position).chain(exports).min())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::solr::settings::SolrSettings;
    use crate::store::{Delivery, PassKind, SourceDefinition};

    fn filled(folder: &tempfile::TempDir) -> Store {
        let store = Store::open(&folder.path().join("store.db")).unwrap();
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
        store
    }

    #[test]
    fn history_is_kept_for_its_days() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder);
        let mut config = Config::bare(store.path());
        let now_ms = 20 * DAY_MS;
        config.daemon.history_days = 0;
        assert_eq!(put_in_order(&store, &config, now_ms).unwrap().passes, 0);
        config.daemon.history_days = 15;
        assert_eq!(put_in_order(&store, &config, now_ms).unwrap().passes, 4);
        let log = folder.path().join("store.db-wal");
        assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
    }

    #[test]
    fn an_index_that_is_being_built_has_to_hear_of_deletions_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder);
        let settings = SolrSettings::new("v", "http://a.org/solr/b".parse().unwrap());
        let rebuild = settings.rebuild("http://a.org/solr/next".parse().unwrap());
        let mut config = Config::bare(store.path());
        config.outputs.push(settings.clone());
        let put = |settings: &SolrSettings, position: i64| {
            let (output, _) = store
                .register_output(&settings.name, &settings.definition())
                .unwrap();
            let delivery = Delivery {
                at: 50,
                ..Delivery::default()
            };
            store.confirm(output.id, &delivery).unwrap();
            store.set_position(output.id, Version(position)).unwrap();
        };
        for (live, next, lately, expected) in
            [(9, 5, 50, 5), (3, 5, 50, 3), (9, 0, 50, 9), (9, 5, 51, 9)]
        {
            put(&settings, live);
            put(&rebuild, next);
            let heard = heard_by_all(&store, &config, lately).unwrap();
            assert_eq!(heard, Some(Version(expected)));
        }
    }

    #[test]
    fn it_comes_once_a_day_and_a_missed_one_is_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder);
        let config = Config::bare(store.path());
        let hour = DAY_MS / 24;
        let due = |hours: i64| if_due(&store, &config, hours * hour).unwrap().is_some();
        assert!(!due(1_000), "the first day is not over");
        assert!(!due(1_001));
        assert!(due(1_001 + 24), "one has come between");
        assert!(!due(1_002 + 24));
        assert!(due(1_100), "several were missed");
        assert!(!due(1_101));
    }
}
