//! A year of passes over a repository that behaves as DOAJ does, in one process: the clamp, newest first,
//! stateless tokens, tombstones. In the end the store has every record that the repository shows.

#[path = "support/model.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "this test uses a part of the model that all tests share"
)]
mod model;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harvestd::clock::Clock;
use harvestd::end::End;
use harvestd::harvest::progress::{Event, Progress};
use harvestd::harvest::settings::SourceSettings;
use harvestd::harvest::{CommitMode, Context, Pace, Place, Report, RunOptions, harvest};
use harvestd::http::{ClientSettings, Times, Turn};
use harvestd::oai::client::{Answer, Transport};
use harvestd::oai::error::FetchError;
use harvestd::oai::{Datestamp, Request};
use harvestd::stop::stop_switch;
use harvestd::store::{ChangeFilter, Reader, Store, StoredRecord};
use model::{Behaviour, Item, Model};

const DAY: i64 = 86_400;
const START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

struct Silent;

impl Progress for Silent {
    fn event(&self, _: &str, _: Event) {}
}

struct World {
    model: Mutex<Model>,
    now: AtomicI64,
    requests: Mutex<Vec<Request>>,
}

impl World {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            model: Mutex::new(Model::new(behaviour)),
            now: AtomicI64::new(START),
            requests: Mutex::new(Vec::new()),
        })
    }

    fn now(&self) -> Datestamp {
        Datestamp::from_unix(self.now.load(Ordering::Relaxed))
    }

    fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn put(&self, number: usize, text: &str) {
        let metadata: Arc<str> = format!(
            "<oai_doaj:doajArticle xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\">\
             <oai_doaj:title>{text}</oai_doaj:title></oai_doaj:doajArticle>"
        )
        .into();
        let item = Item {
            identifier: identifier(number),
            datestamp: self.now(),
            set_specs: vec!["TENDOk1lZGljaW5l".to_owned()],
            deleted: false,
            metadata: vec![("oai_doaj".to_owned(), metadata)],
        };
        self.model.lock().unwrap().insert(item);
    }

    fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

fn identifier(number: usize) -> String {
    format!("oai:doaj.org/article:{number:032x}")
}

struct Line(Arc<World>);

impl Transport for Line {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        self.0.requests.lock().unwrap().push(request.clone());
        let arguments: Vec<(String, String)> = request
            .arguments()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let reply = self
            .0
            .model
            .lock()
            .unwrap()
            .answer(&arguments, self.0.now());
        Ok(Answer {
            wire_bytes: reply.body.len() as u64,
            unclean_end: None,
            body: reply.body,
            status: reply.status,
            content_type: None,
            charset: None,
            date: None,
            moved_to: None,
            times: Times::default(),
            turn: Turn::default(),
        })
    }
}

fn settings() -> SourceSettings {
    let url = "http://repository.example/oai".parse().unwrap();
    SourceSettings {
        delay: Duration::ZERO,
        retry_pause: Duration::ZERO,
        window_records: 1_000,
        ..SourceSettings::new("doaj", ClientSettings::new(url), "oai_doaj")
    }
}

async fn pass(world: &Arc<World>, path: &Path, options: &RunOptions) -> Report {
    let (_switch, stop) = stop_switch();
    let context = Context {
        pace: Pace::default(),
        place: Place::default(),
        commit_mode: CommitMode::default(),
        store: Arc::new(Store::open(path).unwrap()),
        clock: Clock::Manual(Arc::new(AtomicI64::new(world.now().unix() * 1000))),
        stop,
        progress: Arc::new(Silent),
    };
    harvest(&context, &Line(Arc::clone(world)), &settings(), options).await
}

fn stored(path: &Path) -> Vec<StoredRecord> {
    let mut records = Vec::new();
    Reader::open(path)
        .unwrap()
        .changes(&ChangeFilter::default(), |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
    records.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    records
}

/// The store has each visible record with its title and state. Hidden records are not compared.
fn assert_store_has_all_that_shows(world: &World, path: &Path) {
    let stored: HashMap<String, StoredRecord> = stored(path)
        .into_iter()
        .map(|record| (record.identifier.clone(), record))
        .collect();
    for item in world.model.lock().unwrap().visible(world.now()) {
        let record = stored
            .get(&item.identifier)
            .unwrap_or_else(|| panic!("{} of {} is not stored", item.identifier, item.datestamp));
        assert_eq!(
            record.datestamp,
            item.datestamp.to_string(),
            "{}",
            item.identifier
        );
        assert_eq!(
            record.deletion.is_some(),
            item.deleted,
            "{}",
            item.identifier
        );
        let shown = item.metadata("oai_doaj").filter(|_| !item.deleted);
        assert_eq!(record.metadata.as_deref(), shown, "{}", item.identifier);
    }
}

#[tokio::test]
async fn a_year_of_daily_passes_loses_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let world = World::new(Behaviour::doaj());
    let mut chance = fastrand::Rng::with_seed(7);
    // The records before the first pass, in groups that share a second.
    for number in 0..2_500 {
        if chance.u8(..) < 20 {
            world.advance(3_000);
        }
        world.put(number, "old");
    }
    let mut count = 2_500;
    for day in 0..365 {
        for _ in 0..chance.usize(0..30) {
            world.advance(chance.i64(0..DAY / 60));
            match chance.u8(0..10) {
                0 => {
                    let gone = identifier(chance.usize(0..count));
                    world.model.lock().unwrap().delete(&gone, world.now());
                }
                1..4 => world.put(chance.usize(0..count), &format!("changed on day {day}")),
                _ => {
                    world.put(count, "new");
                    count += 1;
                }
            }
        }
        world.advance(DAY / 2);
        let report = pass(&world, &path, &RunOptions::default()).await;
        assert_eq!(report.end, End::Complete, "day {day}");
        assert_store_has_all_that_shows(&world, &path);
    }
    let store = Store::open(&path).unwrap();
    let source = store.source("doaj").unwrap().unwrap();
    assert_eq!(source.traits.delayed_seconds, Some(30 * DAY));
    assert_eq!(source.traits.newest_first, Some(true));
    // Once the clamp no longer hides the last change, no record is missing.
    world.advance(31 * DAY);
    assert_eq!(
        pass(&world, &path, &RunOptions::default()).await.end,
        End::Complete
    );
    let everything = world.model.lock().unwrap().everything(world.now());
    assert_eq!(stored(&path).len(), everything.len());
    assert_store_has_all_that_shows(&world, &path);
}

#[tokio::test]
async fn an_unchanged_repository_costs_one_request_and_no_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let world = World::new(Behaviour::doaj());
    // A number that does not look like a list truncated at a round number.
    for number in 0..201 {
        world.put(number, "same");
    }
    world.advance(31 * DAY);
    assert_eq!(
        pass(&world, &path, &RunOptions::default()).await.end,
        End::Complete
    );
    let version = Reader::open(&path).unwrap().last_version().unwrap();
    world.take_requests();
    for _ in 0..3 {
        world.advance(3_600);
        let report = pass(&world, &path, &RunOptions::default()).await;
        assert_eq!(report.end, End::Complete);
        assert_eq!(world.take_requests().len(), 1);
    }
    assert_eq!(
        Reader::open(&path).unwrap().last_version().unwrap(),
        version
    );
    let report = pass(
        &world,
        &path,
        &RunOptions {
            full: true,
            ..RunOptions::default()
        },
    )
    .await;
    assert_eq!((report.counts.unchanged, report.counts.new), (201, 0));
    assert_eq!(
        Reader::open(&path).unwrap().last_version().unwrap(),
        version
    );
}

#[tokio::test]
async fn passes_interrupted_after_each_page_give_the_same_store() {
    let world = World::new(Behaviour::doaj());
    for number in 0..4_000 {
        if number % 7 == 0 {
            world.advance(500);
        }
        world.put(number, "text");
    }
    world.advance(40 * DAY);
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = folder.path().join("undisturbed.db");
    assert_eq!(
        pass(&world, &undisturbed, &RunOptions::default()).await.end,
        End::Complete
    );
    let requests = world.take_requests().len();

    let path = folder.path().join("disturbed.db");
    let a_page = RunOptions {
        limit: Some(1),
        ..RunOptions::default()
    };
    let mut runs = 0;
    loop {
        let report = pass(&world, &path, &a_page).await;
        runs += 1;
        assert!(runs < 3 * requests, "{:?}", report.end);
        if report.end == End::Complete {
            break;
        }
        let source = Store::open(&path).unwrap().source("doaj").unwrap().unwrap();
        assert_eq!(source.watermarks, [], "run {runs}");
    }
    assert!(
        runs > 10,
        "each run stops after a page, but there were only {runs}"
    );
    let content = |path: &Path| -> Vec<(String, String, Option<String>)> {
        stored(path)
            .into_iter()
            .map(|record| (record.identifier, record.datestamp, record.metadata))
            .collect()
    };
    assert_eq!(content(&path), content(&undisturbed));
}
