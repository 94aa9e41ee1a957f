//! Two stores of one changing repository: one that is disturbed, and one that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use fastrand::Rng;
use harvestd::demo::{Sample, Size, articles};
use harvestd::oai::Datestamp;
use harvestd::store::{
    ChangeFilter, Cluster, ClusterFilter, Deletion, Reader, StoredRecord, Version,
};

use crate::support::clock::Clock;
use crate::support::model::{Behaviour, Model};
use crate::support::{NOW, Output, Program, Repository, TempStore, temp_store};

/// The random numbers that decide when a disturbance happens.
pub fn rng() -> Rng {
    let seed = std::env::var("CRASHES_SEED")
        .map_or(1, |seed| seed.parse().expect("CRASHES_SEED is a number"));
    println!("CRASHES_SEED={seed}");
    Rng::with_seed(seed)
}

/// A store, the program that harvests into it, and a follower of its changes.
pub struct Twin {
    pub place: TempStore,
    store: PathBuf,
    config: String,
    /// Every record as the follower has it.
    records: BTreeMap<String, StoredRecord>,
    since: Version,
    /// The changes of this round, in their order.
    pub news: Vec<StoredRecord>,
    clusters: bool,
}

impl Twin {
    /// A store at `path`, or in a folder of its own.
    fn new(repository: &Repository, path: Option<PathBuf>, further: &str) -> Self {
        let place = temp_store();
        let store = path.unwrap_or_else(|| place.path());
        let config = place.dir().join("harvestd.toml");
        let text = format!(
            "store = '{}'\n{further}\n[[source]]\nname = 'x'\nurl = '{}'\n\
             metadata_prefix = 'oai_dc'\ndelay = '0s'\nretries = 1\nretry_pause = '1ms'\n\
             window_records = 50\nschedule = '*/1 * * * * *'\nspread = '0s'\n",
            store.display(),
            repository.base_url()
        );
        std::fs::write(&config, text).unwrap();
        Self {
            store,
            config: config.to_str().unwrap().to_owned(),
            place,
            records: BTreeMap::new(),
            since: Version::default(),
            news: Vec::new(),
            clusters: further.contains("[dedup]"),
        }
    }

    /// A command of the program.
    pub fn program(&self, command: &[&str]) -> Program {
        Program::new(&[command, &["--config", &self.config]].concat())
    }

    /// Runs a command of the program to its end.
    pub async fn run(&self, command: &[&str]) -> Output {
        self.program(command).run().await
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.store).unwrap()
    }

    /// Reads the changes since the last call, as an output does: each once, in order. Changes that were
    /// read before must not be undone.
    pub fn follow(&mut self) {
        if !self.store.exists() {
            assert!(self.records.is_empty(), "the store is gone");
            return;
        }
        let filter = ChangeFilter {
            since: Some(self.since),
            ..ChangeFilter::default()
        };
        let mut last = self.since;
        let upto = self.reader().changes_with_tombstones(&filter, |record| {
            assert!(record.version > last, "{record:#?} after {last}");
            last = record.version;
            let before = self
                .records
                .insert(record.identifier.clone(), record.clone());
            assert!(
                self.clusters || before.is_none_or(|before| content(&before) != content(&record)),
                "it came twice: {record:#?}"
            );
            self.news.push(record);
            ControlFlow::Continue(())
        });
        self.since = upto.unwrap();
        assert!(self.since >= last);
    }

    /// Panics if the program finds damage in its store, or if the follower has other records than the
    /// store.
    pub fn verify(&self) {
        let reader = self.reader();
        let faults = reader.verify(|_| {}).unwrap().faults;
        assert!(faults.is_empty(), "{faults:#?}");
        let stored = self.stored();
        for (identifier, record) in &stored {
            let followed = self.records.get(identifier);
            // A new datestamp alone is no change.
            let same = followed.is_some_and(|followed| {
                content(followed) == content(record) && followed.version == record.version
            });
            assert!(
                same,
                "{identifier} is stored as {record:?} and was read as {followed:?}"
            );
        }
        assert_eq!(stored.len(), self.records.len());
    }

    /// All records by identifier.
    fn stored(&self) -> BTreeMap<String, StoredRecord> {
        let mut stored = BTreeMap::new();
        let each = |record: StoredRecord| {
            stored.insert(record.identifier.clone(), record);
            ControlFlow::Continue(())
        };
        self.reader()
            .changes(&ChangeFilter::default(), each)
            .unwrap();
        stored
    }

    /// The members of each cluster. The names of clusters depend on where a run was interrupted; the
    /// members do not.
    fn clusters(&self) -> BTreeSet<BTreeSet<String>> {
        let clusters = self.reader().clusters(&ClusterFilter::default()).unwrap();
        let members = |cluster: &Cluster| {
            let members = cluster.members.iter();
            members.map(|member| member.identifier.clone()).collect()
        };
        clusters.iter().map(members).collect()
    }

    pub fn watermark(&self) -> Option<Datestamp> {
        let sources = self.reader().sources().unwrap();
        sources
            .first()?
            .watermark(None)
            .map(|watermark| watermark.datestamp)
    }
}

/// The content of a record, without what depends on when it was stored.
fn content(record: &StoredRecord) -> (&str, Option<Deletion>, &[String], Option<&str>) {
    (
        &record.identifier,
        record.deletion,
        &record.set_specs,
        record.metadata.as_deref(),
    )
}

/// Two stores, their repository, and random numbers.
pub struct Twins {
    pub repository: Repository,
    pub disturbed: Twin,
    undisturbed: Twin,
    pub rng: Rng,
    unused: std::iter::Peekable<Box<dyn Iterator<Item = Sample> + Send>>,
    now: Datestamp,
}

impl Twins {
    /// A repository with this many records of this size on small pages, and two stores that do not exist
    /// yet; the disturbed one is at `path`, if that is given.
    pub async fn new(records: usize, size: Size, path: Option<PathBuf>, further: &str) -> Self {
        let now = Datestamp::from_unix(NOW);
        let repository = Repository::of(Model::new(Behaviour {
            page_size: 7,
            ..Behaviour::plain()
        }));
        let repository = repository.clock(Clock::at(now)).start().await;
        let unused: Box<dyn Iterator<Item = Sample> + Send> = Box::new(articles(100_000, 7, size));
        let mut twins = Self {
            disturbed: Twin::new(&repository, path, further),
            undisturbed: Twin::new(&repository, None, further),
            repository,
            rng: rng(),
            unused: unused.peekable(),
            now,
        };
        twins.insert(records);
        twins
    }

    /// Changes the repository, and moves its clock by a day.
    pub fn change(&mut self) {
        let identifiers: Vec<String> = self
            .repository
            .visible()
            .into_iter()
            .map(|item| item.identifier)
            .collect();
        for _ in 0..self.rng.usize(4..10) {
            let mut some = self.rng.choose_multiple(&identifiers, 20);
            let count = self.rng.usize(0..=some.len());
            some.truncate(count);
            match self.rng.u8(0..4) {
                0 => self.insert(count),
                1 => some
                    .into_iter()
                    .for_each(|identifier| self.update(identifier)),
                2 => {
                    let at = self.pass(60);
                    self.repository.with_model(|model| {
                        some.into_iter().for_each(|name| model.delete(name, at));
                    });
                }
                _ => {
                    let at = self.pass(60);
                    self.repository
                        .with_model(|model| model.restamp_bulk(some.into_iter().cloned(), at));
                }
            }
        }
        self.pass(86_400);
    }

    /// Moves the repository's clock forward, and gives its time.
    pub fn pass(&mut self, seconds: i64) -> Datestamp {
        self.now = self.now.plus_seconds(seconds);
        self.repository.clock().set(self.now);
        self.now
    }

    fn insert(&mut self, count: usize) {
        for _ in 0..count {
            let at = self.pass(60);
            let article = self.unused.next().expect("there are enough articles");
            let item = article.into_item(at, &["oai_dc"]);
            self.repository.with_model(|model| model.insert(item));
        }
    }

    fn update(&mut self, identifier: &str) {
        let at = self.pass(1);
        let article = self.unused.peek().expect("there are enough articles");
        let text = article.metadata("oai_dc").expect("every article has it");
        let text = text.replacen("<dc:title>", &format!("<dc:title>{} ", at.unix()), 1);
        let metadata = [("oai_dc".to_owned(), Arc::from(text))];
        self.repository
            .with_model(|model| model.update(identifier, metadata, at));
    }

    /// Harvests into the undisturbed store, and compares both: records, order of the changes since the last
    /// comparison, and watermark.
    pub async fn compare(&mut self) {
        self.undisturbed.run(&["harvest"]).await.success();
        self.undisturbed.follow();
        self.disturbed.follow();
        self.undisturbed.verify();
        self.disturbed.verify();
        let feed = |twin: &mut Twin| -> Vec<StoredRecord> {
            let strip = |record| StoredRecord {
                number: 0,
                version: Version::default(),
                created_version: Version::default(),
                ..record
            };
            std::mem::take(&mut twin.news)
                .into_iter()
                .map(strip)
                .collect()
        };
        let (disturbed, undisturbed) = (feed(&mut self.disturbed), feed(&mut self.undisturbed));
        if self.disturbed.clusters {
            assert_eq!(self.disturbed.clusters(), self.undisturbed.clusters());
        } else {
            for (disturbed, undisturbed) in disturbed.iter().zip(&undisturbed) {
                assert_eq!(disturbed, undisturbed);
            }
            assert_eq!(disturbed.len(), undisturbed.len());
        }
        let (mut disturbed, mut undisturbed) = (self.disturbed.stored(), self.undisturbed.stored());
        for item in self.repository.visible() {
            let disturbed = disturbed.remove(&item.identifier);
            let undisturbed = undisturbed
                .remove(&item.identifier)
                .expect("an undisturbed harvest stores everything");
            let disturbed = disturbed.unwrap_or_else(|| panic!("{} is lost", item.identifier));
            assert_eq!(content(&disturbed), content(&undisturbed));
            assert_eq!(
                disturbed.datestamp, undisturbed.datestamp,
                "{}",
                item.identifier
            );
            assert_eq!(undisturbed.datestamp, item.datestamp.to_string());
            assert_eq!(
                undisturbed.deletion.is_some(),
                item.deleted,
                "{}",
                item.identifier
            );
        }
        assert_eq!((disturbed.len(), undisturbed.len()), (0, 0));
        assert_eq!(self.disturbed.watermark(), self.undisturbed.watermark());
    }
}
