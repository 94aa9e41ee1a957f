//! The daily work on the store: forgets old passes and tombstones, gives unused pages back, empties the
//! write-ahead log, and logs a summary of the last day.

use std::sync::Arc;
use std::time::Duration;

use super::digest::digest;
use super::status::StatusRegistry;
use crate::config::Config;
use crate::output::OutputSettings;
use crate::schedule::{NextRun, Schedule, Situation, next_run, ticks};
use crate::store::{Store, StoreError, Version};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// A time of day when few people read and few sources are harvested.
const WHEN: &str = "40 4 * * *";

/// The key of the store under which the time of the last upkeep is kept.
const DONE: &str = "upkeep_at";

/// A wall clock can be set, so no sleep trusts it for longer.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Pages that are given back in one day. More would copy the end of the file for hours.
const MOST_PAGES: u64 = 100_000;

/// What one upkeep has done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    passes: u64,
    tombstones: u64,
    pages: u64,
}

/// Does the upkeep once a day, and makes up for a missed day. Ends only with its task.
pub(super) async fn run(store: Arc<Store>, registry: Arc<StatusRegistry>) {
    loop {
        let (store, config, now_ms) = (Arc::clone(&store), registry.config(), registry.now_ms());
        let done = tokio::task::spawn_blocking(move || if_due(&store, &config, now_ms)).await;
        match done {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("upkeep of the store: {error}"),
            Err(error) => tracing::error!("upkeep of the store: {error}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Does the upkeep if it is due, and gives what it has done.
fn if_due(store: &Store, config: &Config, now_ms: i64) -> Result<Option<Done>, StoreError> {
    let reader = store.reader()?;
    let Some(last_ms) = reader.meta_value(DONE)? else {
        store.set_meta_value(DONE, Some(now_ms))?;
        return Ok(None);
    };
    let daily = Schedule {
        ticks: ticks(WHEN).ok().flatten(),
        ..Schedule::on_request()
    };
    let situation = Situation {
        last_at: last_ms,
        ..Situation::default()
    };
    if next_run(&daily, &situation, now_ms) != NextRun::Now {
        return Ok(None);
    }
    tracing::info!("{}", digest(&reader, config, last_ms, now_ms)?);
    // A failing upkeep is not tried again each minute.
    store.set_meta_value(DONE, Some(now_ms))?;
    let done = tidy(store, config, now_ms)?;
    let Done {
        passes,
        tombstones,
        pages,
    } = done;
    tracing::info!(
        "upkeep of the store: {passes} old passes and {tombstones} old tombstones forgotten, \
         {pages} pages given back"
    );
    Ok(Some(done))
}

fn tidy(store: &Store, config: &Config, now_ms: i64) -> Result<Done, StoreError> {
    let before = |days: u32| now_ms - i64::from(days) * DAY_MS;
    let mut done = Done::default();
    if config.daemon.history_days > 0 {
        done.passes = store.prune_history(before(config.daemon.history_days))?;
    }
    if config.daemon.tombstone_days > 0 {
        let old = Version::default().next(before(config.daemon.tombstone_days));
        let delivered = delivered_to_all(store, config, before(config.daemon.tombstone_days))?;
        done.tombstones =
            store.prune_tombstones(delivered.map_or(old, |delivered| delivered.min(old)))?;
    }
    done.pages = store.free_pages(MOST_PAGES)?;
    store.optimize()?;
    if !store.checkpoint()? {
        tracing::debug!("the write-ahead log is in use and is emptied another day");
    }
    Ok(done)
}

/// The least position of all configured outputs and exports, and of all indices that are being rebuilt and
/// have confirmed something since `lately_ms`. `None` if nothing has a position yet.
fn delivered_to_all(
    store: &Store,
    config: &Config,
    lately_ms: i64,
) -> Result<Option<Version>, StoreError> {
    let reader = store.reader()?;
    let outputs = reader.outputs()?.into_iter();
    let outputs = outputs.filter(
        |output| match OutputSettings::rebuilt_output(&output.name) {
            // A rebuild without any document does not need old deletions, and some rebuilds are given up.
            Some(name) => {
                config.output(name).is_ok()
                    && output.position > Version::default()
                    && output.confirmed_at.is_some_and(|at| at >= lately_ms)
            }
            None => config.output(&output.name).is_ok(),
        },
    );
    let exports = reader.exports()?.into_iter().filter(|export| {
        let mut configured = config.exports.iter();
        configured.any(|settings| settings.name == export.name && settings.since_previous)
    });
    let exports = exports.map(|export| export.position);
    Ok(outputs.map(|output| output.position).chain(exports).min())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::OutputKind;
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
        assert_eq!(tidy(&store, &config, now_ms).unwrap().passes, 0);
        config.daemon.history_days = 15;
        assert_eq!(tidy(&store, &config, now_ms).unwrap().passes, 4);
        let log = folder.path().join("store.db-wal");
        assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
    }

    #[test]
    fn a_rebuild_needs_deletions_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder);
        let solr = SolrSettings::new("http://a.org/solr/b".parse().unwrap());
        let settings = OutputSettings::new("v", OutputKind::Solr(Box::new(solr)));
        let next = "http://a.org/solr/next".parse().unwrap();
        let rebuild = settings.rebuild(&next).unwrap();
        let mut config = Config::bare(store.path());
        config.outputs.push(settings.clone());
        let put = |settings: &OutputSettings, position: i64| {
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
            let delivered = delivered_to_all(&store, &config, lately).unwrap();
            assert_eq!(delivered, Some(Version(expected)));
        }
    }

    #[test]
    fn it_runs_once_a_day_and_makes_up_for_missed_days() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder);
        let config = Config::bare(store.path());
        let hour = DAY_MS / 24;
        let due = |hours: i64| if_due(&store, &config, hours * hour).unwrap().is_some();
        assert!(!due(1_000), "the first day is not over");
        assert!(!due(1_001));
        assert!(due(1_001 + 24), "a day has passed");
        assert!(!due(1_002 + 24));
        assert!(due(1_100), "several were missed");
        assert!(!due(1_101));
    }
}
