//! harvestd follows harvestd: a store is harvested from another one through a virtual quarter of changes,
//! deletions, moves between sets, killed runs on both sides and clocks that are set. In the end both hold
//! the same.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use harvestd::clock::Clock;
use harvestd::end::End;
use harvestd::harvest::progress::{Event, Progress};
use harvestd::harvest::settings::SourceSettings;
use harvestd::harvest::{CommitMode, Context, Pace, Place, RunOptions, harvest};
use harvestd::http::{ClientSettings, Fault, Times, Turn};
use harvestd::oai::Request;
use harvestd::oai::client::{Answer, Transport};
use harvestd::oai::error::FetchError;
use harvestd::stop::stop_switch;
use harvestd::store::{ChangeFilter, Reader, Store};

use super::world::{BEGIN, World, gone, live};

const DAY: i64 = 86_400;

struct Silent;

impl Progress for Silent {
    fn event(&self, _: &str, _: Event) {}
}

/// The upstream store with what changes it.
struct Upstream {
    world: World,
    rng: Rng,
    /// Its clock, in seconds.
    now: i64,
    /// The number of records, and a number that tells states apart.
    records: usize,
    states: usize,
    /// How often it was killed while it answered.
    kills: usize,
}

impl Upstream {
    /// Some records are new, change, move to other sets, or are deleted.
    fn change(&mut self) {
        self.now += self.rng.i64(0..3);
        let mut page = Vec::new();
        for _ in 0..self.rng.usize(1..30) {
            self.states += 1;
            let number = match self.rng.u8(0..3) {
                0 => {
                    self.records += 1;
                    self.records
                }
                _ => self.rng.usize(0..self.records.max(1)),
            };
            let identifier = format!("oai:a:{number:05}");
            if page
                .iter()
                .any(|other: &harvestd::oai::Record| other.header.identifier == identifier)
            {
                continue;
            }
            let sets: &[&str] = match self.rng.u8(0..5) {
                0 => &["x:y"],
                1 => &["x:z", "w"],
                2 => &["w"],
                _ => &[],
            };
            page.push(match self.rng.u8(0..8) {
                0 => gone(&identifier),
                _ => live(&identifier, sets, &format!("State {}", self.states)),
            });
        }
        let source = ["a", "b"][self.rng.usize(0..2)];
        for record in &mut page {
            record.header.identifier = record
                .header
                .identifier
                .replace(":a:", &format!(":{source}:"));
        }
        self.world.put(source, self.now, page);
    }
}

/// The way from the downstream harvester to the upstream store.
struct Line {
    upstream: Arc<Mutex<Upstream>>,
    /// Whether the upstream store changes while it is read.
    is_busy: bool,
    /// The request at which the harvester is killed.
    killed_at: Option<usize>,
    requests: Mutex<usize>,
}

impl Transport for Line {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        let number = {
            let mut requests = self.requests.lock().unwrap();
            *requests += 1;
            *requests
        };
        if self.killed_at == Some(number) {
            std::future::pending::<()>().await;
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in request.arguments() {
            query.append_pair(name, value);
        }
        let mut upstream = self.upstream.lock().unwrap();
        if self.is_busy && upstream.rng.u8(0..3) == 0 {
            upstream.change();
        }
        // It has been restarted since the last request; a token must not notice.
        if upstream.rng.u8(0..10) == 0 {
            upstream.world.reopen();
        }
        let answer = upstream.world.answer_at(upstream.now, &query.finish());
        // It is killed before the answer has arrived, and its clock is another one after the restart.
        if self.is_busy && upstream.rng.u8(0..25) == 0 {
            upstream.world.reopen();
            upstream.now += upstream.rng.i64(-100..300);
            upstream.kills += 1;
            return Err(FetchError::Retry {
                fault: Fault::Cut("killed".to_owned()),
                retry_after: None,
                exchange: Box::default(),
            });
        }
        Ok(Answer {
            wire_bytes: answer.body.len() as u64,
            unclean_end: None,
            body: answer.body,
            status: 200,
            content_type: None,
            charset: None,
            date: None,
            moved_to: None,
            times: Times::default(),
            turn: Turn::default(),
        })
    }
}

/// A store that harvests the upstream one.
struct Downstream {
    path: PathBuf,
    sets: Vec<String>,
    requests: usize,
    /// Whether pages are stored on other threads.
    has_pool: bool,
}

impl Downstream {
    /// Runs a pass; `false` if it was killed.
    async fn harvest(
        &mut self,
        upstream: &Arc<Mutex<Upstream>>,
        is_busy: bool,
        killed_at: Option<usize>,
    ) -> bool {
        let now = upstream.lock().unwrap().now;
        let line = Line {
            upstream: Arc::clone(upstream),
            is_busy,
            killed_at,
            requests: Mutex::new(0),
        };
        let (_switch, stop) = stop_switch();
        let context = Context {
            pace: Pace::default(),
            place: Place::default(),
            commit_mode: match self.has_pool {
                true => CommitMode::default(),
                false => CommitMode::Inline,
            },
            store: Arc::new(Store::open(&self.path).unwrap()),
            clock: Clock::Manual(Arc::new(AtomicI64::new(now * 1000))),
            stop,
            progress: Arc::new(Silent),
        };
        let url = "http://upstream.example/oai".parse().unwrap();
        let settings = SourceSettings {
            delay: Duration::ZERO,
            retry_pause: Duration::ZERO,
            // Each change is to come by the rules of the protocol alone.
            overlap: Duration::ZERO,
            window_records: 300,
            sets: self.sets.clone(),
            ..SourceSettings::new("up", ClientSettings::new(url), "oai_dc")
        };
        let options = RunOptions::default();
        let run = async {
            loop {
                let kills = upstream.lock().unwrap().kills;
                let report = harvest(&context, &line, &settings, &options).await;
                match &report.end {
                    // A thread that stores outlives a killed run, which is one process with this one.
                    End::Incomplete(why) if why.ends_with("not started twice") => {
                        tokio::task::yield_now().await;
                    }
                    // A kill of the upstream store can cost an answer that is not asked for again.
                    End::Incomplete(_) if upstream.lock().unwrap().kills > kills => {}
                    _ => break report,
                }
            }
        };
        let killed = async {
            let Some(killed_at) = killed_at else {
                return std::future::pending::<()>().await;
            };
            while *line.requests.lock().unwrap() < killed_at {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::select! {
            report = run => Some(report),
            () = killed => None,
        };
        self.requests += *line.requests.lock().unwrap();
        if let Some(report) = &ended {
            assert_eq!(report.end, End::Complete, "{report:?}");
        }
        ended.is_some()
    }
}

/// Identifiers of live records with their metadata and sets, as the provider names these.
fn held(path: &Path, in_set: Option<&str>) -> BTreeMap<String, (String, Vec<String>)> {
    let mut held = BTreeMap::new();
    Reader::open(path)
        .unwrap()
        .changes(&ChangeFilter::default(), |record| {
            let is_own = record.source != "up";
            let mut sets: Vec<String> = match is_own {
                true => {
                    let own = record.set_specs.iter();
                    let own = own.map(|set| format!("{}:{set}", record.source));
                    own.chain([record.source.clone()]).collect()
                }
                false => record.set_specs.clone(),
            };
            sets.sort();
            let is_in = in_set.is_none_or(|set| {
                sets.iter()
                    .any(|own| own == set || own.starts_with(&format!("{set}:")))
            });
            if let Some(metadata) = record.metadata.filter(|_| is_in) {
                held.insert(record.identifier, (metadata, sets));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    held
}

async fn follow(seed: u64, sets: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Arc::new(Mutex::new(Upstream {
        world: World::new(),
        rng: Rng::with_seed(seed),
        now: BEGIN,
        records: 0,
        states: 0,
        kills: 0,
    }));
    let mut rng = Rng::with_seed(seed ^ 1);
    let mut downstream = Downstream {
        path: folder.path().join("down.db"),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        requests: 0,
        has_pool: seed.is_multiple_of(4),
    };
    let (mut killed, mut stepped_back, mut days, mut kills) = (0, 0, 0, 0);
    for _ in 0..30 {
        upstream.lock().unwrap().change();
    }
    // A quarter, or until enough has happened.
    while days < 91 || killed <= 3 || stepped_back <= 3 || kills == 0 {
        {
            let mut upstream = upstream.lock().unwrap();
            let seconds = rng.i64(0..2 * DAY);
            days += (seconds + DAY / 2) / DAY;
            upstream.now += seconds;
            if rng.u8(0..8) == 0 {
                upstream.now -= rng.i64(0..3 * DAY);
                stepped_back += 1;
            }
            for _ in 0..rng.usize(0..5) {
                upstream.change();
            }
        }
        let killed_at = (rng.u8(0..4) == 0).then(|| rng.usize(1..4));
        killed += usize::from(!downstream.harvest(&upstream, true, killed_at).await);
        kills = upstream.lock().unwrap().kills;
    }
    assert!(downstream.harvest(&upstream, false, None).await);
    let path = upstream.lock().unwrap().world.store.path().to_owned();
    let all = held(&path, None);
    assert!(all.len() > 100, "{}", all.len());
    if sets.is_empty() {
        let own = held(&downstream.path, None);
        assert_same(&all, &own, seed);
    }
    for set in sets {
        let expected = held(&path, Some(set));
        assert!(!expected.is_empty());
        let own = held(&downstream.path, Some(set));
        let names = |held: &BTreeMap<String, _>| held.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&own), names(&expected), "seed {seed}, set {set}");
    }
}

fn assert_same<T: PartialEq + std::fmt::Debug>(
    expected: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    seed: u64,
) {
    for (identifier, record) in expected {
        assert_eq!(
            found.get(identifier),
            Some(record),
            "seed {seed}, {identifier}"
        );
    }
    for identifier in found.keys() {
        assert!(
            expected.contains_key(identifier),
            "seed {seed}, {identifier} is deleted"
        );
    }
}

#[tokio::test]
async fn a_store_that_follows_another_one_holds_the_same() {
    for seed in super::seeds(16) {
        follow(seed, &[]).await;
    }
}

#[tokio::test]
async fn a_store_that_follows_sets_of_another_one_holds_the_same() {
    for seed in super::seeds(16) {
        follow(seed, &["a:x", "b"]).await;
    }
}
