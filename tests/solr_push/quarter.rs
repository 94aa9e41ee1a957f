//! Three months of passes and pushes with every kind of fault: in the end each index has exactly the
//! documents of an export.
//!
//! One seed decides everything except the moments at which a harvest is killed: these depend on the clock
//! of the machine. `QUARTER_SEED` and `QUARTER_DAYS` set seed and length; `WEEK_SEED` and `WEEK_DAYS` those
//! of the shorter test with a real index.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use harvestd::demo::{Size, articles};
use serde_json::Value;

use super::support::model::{Behaviour, Item, Model};
use super::support::solr::{Crash, Documents};
use super::support::{FakeSolr, Output, RealSolr, Repository};
use super::{Scene, is_held};

const DAY: Duration = Duration::from_secs(86_400);

/// The number of works. At any time each source has records of some of them.
const WORKS: usize = 40;

/// The words in an abstract for which the scripted index refuses the document.
const POISONS: [&str; 3] = ["venom one", "venom two", "venom three"];

fn refusal(document: &Value) -> Option<String> {
    let id = document["id"].as_str()?;
    let text = document["description"].as_str()?;
    let kind = POISONS.iter().position(|poison| text.contains(poison))?;
    Some(match kind {
        0 => format!("ERROR: [doc={id}] Error adding field 'x'='y' msg=Invalid Date String:'y'"),
        1 => format!(
            "Exception writing document id {id} to the index; possible analysis error: Document \
             contains at least one immense term in field=\"title_fullStr\""
        ),
        _ => "a message that names nobody".to_owned(),
    })
}

/// What happened. A quarter in which too little happened proves nothing and fails.
#[derive(Debug, Default)]
struct Happened {
    harvests_killed: usize,
    pushes_killed: usize,
    pushes_failed: usize,
    rejected: usize,
    quarantined: u64,
    repaired: u64,
}

/// One index of records and one of works.
enum Indices {
    Played([FakeSolr; 2]),
    /// Two cores of one server.
    Real(RealSolr),
}

impl Indices {
    fn urls(&self) -> [String; 2] {
        match self {
            Self::Played(played) => [0, 1].map(|number: usize| played[number].url.clone()),
            Self::Real(real) => [real.url.clone(), real.url.replace("biblio", CORES[1])],
        }
    }

    fn played(&self) -> &[FakeSolr] {
        match self {
            Self::Played(played) => played,
            Self::Real(_) => &[],
        }
    }

    /// Keeps a copy of each index.
    async fn copy(&self) -> Vec<Documents> {
        match self {
            Self::Played(played) => {
                let copy = |index: &FakeSolr| index.state().documents.clone();
                played.iter().map(copy).collect()
            }
            Self::Real(real) => {
                for core in CORES {
                    real.copy(core, false).await;
                }
                vec![Documents::new(); 2]
            }
        }
    }

    /// Restores an index from its copy.
    async fn put_back(&self, number: usize, copy: Documents) {
        match self {
            Self::Played(played) => played[number].state().documents = copy,
            Self::Real(real) => real.copy(CORES[number], true).await,
        }
    }

    /// Compares an index with the expected documents.
    async fn hold(&self, number: usize, expected: &Documents) {
        let mut held = match self {
            Self::Played(played) => played[number].state().documents.clone(),
            Self::Real(real) => real.documents_of(CORES[number]).await,
        };
        let ids = |documents: &Documents| documents.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&held), ids(expected), "{}", NAMES[number]);
        for (id, document) in &mut held {
            is_held(document, expected[id].as_object().unwrap());
            document.as_object_mut().unwrap().remove("version_str");
        }
        // A real index adds fields that are copies.
        if let Self::Played(_) = self {
            assert_eq!(held, *expected, "{}", NAMES[number]);
        }
    }
}

/// The cores of a real server.
const CORES: [&str; 2] = ["biblio", "next"];

struct Quarter {
    rng: Rng,
    /// Two sources of the same works; the configuration is that of the first.
    sources: [Scene; 2],
    indices: Indices,
    /// The records whose present state an index refuses: source and work.
    poisoned: BTreeSet<(usize, usize)>,
    /// A counter that makes each state different.
    states: usize,
    happened: Happened,
}

const NAMES: [&str; 2] = ["records", "works"];

impl Quarter {
    async fn begin(seed: u64, indices: Indices) -> Self {
        let scene = async || {
            let model = Model::new(Behaviour {
                page_size: 10,
                ..Behaviour::plain()
            });
            Scene::of(Repository::of(model).start().await)
        };
        let quarter = Self {
            rng: Rng::with_seed(seed),
            sources: [scene().await, scene().await],
            indices,
            poisoned: BTreeSet::new(),
            states: 0,
            happened: Happened::default(),
        };
        for index in quarter.indices.played() {
            index.poison(refusal);
        }
        quarter.configure("['doaj', 'other']");
        quarter
    }

    /// Writes the configuration, with an order of preference.
    fn configure(&self, order: &str) {
        let [records, works_url] = self.indices.urls();
        // A real index cannot be told what to refuse. It refuses a second value of this field.
        let renames = match self.indices {
            Indices::Played(_) => "",
            Indices::Real(_) => "rename_fields = { issn = 'author_sort_str' }\nretries = 3",
        };
        let works = format!(
            "{}\n[[output]]\nname = 'works'\ntype = 'solr'\nurls = [{works_url:?}]\n\
             retry_pause = '1ms'\nbatch_documents = 7\nper = 'cluster'\n{renames}\n\
             version_field = 'version_str'\n[dedup]\nenabled = true\nsources = {order}",
            self.sources[1].as_second_source(),
        );
        let renames = renames.lines().next().unwrap_or_default();
        let keys = format!(
            "batch_documents = 4\nparallel_requests = 3\nversion_field = 'version_str'\n{renames}"
        );
        let scene = &self.sources[0];
        scene.configure_with(&[&records], &keys, &works);
        // The scene's own output has one name. Here each output is named after its documents.
        let config = std::fs::read_to_string(scene.config()).unwrap();
        let config = config.replace("name = 'vufind'", "name = 'records'");
        std::fs::write(scene.config(), config).unwrap();
    }

    fn scene(&self) -> &Scene {
        &self.sources[0]
    }

    /// Changes a record of one repository.
    fn change(&mut self) {
        let source = self.rng.usize(..2);
        let work = self.rng.usize(..WORKS);
        let kind = self.rng.u8(..100);
        self.put(source, work, kind);
    }

    /// Gives a record another state or deletes it. `kind`, from 0 to 99, decides which.
    fn put(&mut self, source: usize, work: usize, kind: u8) {
        let is_real = matches!(self.indices, Indices::Real(_));
        self.states += 1;
        self.poisoned.remove(&(source, work));
        let repository = &self.sources[source].repository;
        let at = repository.clock().now();
        let mut sample = articles(work + 1, 7, Size::Demo).nth(work).unwrap();
        sample.identifier = format!("oai:doaj.org/article:{:03}", 100 * source + work);
        let mut text = format!("State {}.", self.states);
        if is_real {
            sample.article.eissn = None;
        }
        match kind {
            0..15 => {
                repository.with_model(|model| model.delete(&sample.identifier, at));
                return;
            }
            15..30 => {
                self.poisoned.insert((source, work));
                match usize::from(kind) % 3 {
                    poison if !is_real => text += POISONS[poison],
                    0 => {
                        sample.article.issn = Some("1234-5678".to_owned());
                        sample.article.eissn = Some("8765-4321".to_owned());
                    }
                    _ => sample.article.title = Some("x".repeat(33_000)),
                }
            }
            // It is no longer the same work as the record of the other source.
            30..35 => sample.article.title = Some(format!("A title of its own {}", self.states)),
            _ => {}
        }
        sample.article.abstract_text = Some(text);
        let mut item: Item = sample.into_item(at, &["oai_doaj"]);
        let metadata: Option<Arc<str>> = match kind {
            35..40 => Some("<doajArticle><title>cut off</doajArticle>".into()),
            40..45 => Some("<x:other xmlns:x=\"urn:x\"/>".into()),
            _ => None,
        };
        if let Some(metadata) = metadata {
            item.metadata = vec![("oai_doaj".to_owned(), metadata)];
        }
        repository.with_model(|model| model.insert(item));
    }

    /// Moves the clock by a day, with some changes during the day.
    fn day_of_changes(&mut self) {
        let changes = self.rng.usize(2..12);
        for _ in 0..changes {
            for source in &self.sources {
                source.repository.clock().advance(DAY / 12);
            }
            self.change();
        }
    }

    async fn harvest(&mut self) {
        let running = self.scene().program(&["harvest", "-q"]).spawn();
        if self.rng.u8(..4) > 0 {
            running.wait().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(self.rng.u64(5..120))).await;
        running.signal("KILL");
        let ended = running.wait().await;
        self.happened.harvests_killed += usize::from(ended.status.is_none());
    }

    /// Chooses the faults of the indices for today.
    fn trouble(&mut self) {
        for index in self.indices.played() {
            let mut played = index.state();
            played.gone_after = None;
            played.crash = match self.rng.u8(..10) {
                0..4 => Some(Crash {
                    after: self.rng.usize(..3),
                    share: self.rng.f64(),
                    hangs: self.rng.bool(),
                }),
                _ => None,
            };
            if self.rng.u8(..10) == 0 {
                played.gone_after = Some(played.updates.len() + self.rng.usize(..2));
            }
        }
    }

    /// Pushes. The push is killed when a scripted index hangs, and some pushes at a random moment, together
    /// with a real index.
    async fn push(&mut self, is_troubled: bool) -> Output {
        let running = self.scene().program(&["push", "-q"]).spawn();
        let process = running.id();
        let waiting = running.wait();
        tokio::pin!(waiting);
        let kill = || {
            let mut kill = Command::new("kill");
            kill.args(["-s", "KILL", &process.to_string()]);
            assert!(kill.status().unwrap().success());
        };
        let moment = Duration::from_millis(self.rng.u64(20..400));
        let index_dies = self.rng.bool();
        let output = match &mut self.indices {
            Indices::Played([records, works]) => tokio::select! {
                output = &mut waiting => output,
                () = either(records, works) => {
                    kill();
                    waiting.await
                }
            },
            Indices::Real(_) if !is_troubled => waiting.await,
            Indices::Real(solr) => tokio::select! {
                output = &mut waiting => output,
                () = tokio::time::sleep(moment) => match index_dies {
                    true => {
                        solr.kill();
                        let output = waiting.await;
                        solr.start_again().await;
                        output
                    }
                    false => {
                        kill();
                        waiting.await
                    }
                }
            },
        };
        match output.status {
            None => self.happened.pushes_killed += 1,
            Some(3) => self.happened.pushes_failed += 1,
            // No push may fail so that a person is needed: bad documents are always among good ones.
            Some(status) => assert_eq!(status, 0, "{output:#?}"),
        }
        output
    }

    async fn status(&mut self) {
        let output = self.scene().run("status --json").await.success();
        let status: Value = serde_json::from_str(&output.stdout).unwrap();
        for source in status["sources"].as_array().unwrap() {
            let quarantined = source["quarantined"].as_u64().unwrap_or_default();
            self.happened.quarantined = self.happened.quarantined.max(quarantined);
        }
        for output in status["outputs"].as_array().unwrap() {
            let rejected = output["rejected"].as_u64().unwrap_or_default();
            self.happened.rejected = self.happened.rejected.max(rejected as usize);
        }
    }

    fn heal(&self) {
        for index in self.indices.played() {
            let mut played = index.state();
            (played.gone_after, played.crash) = (None, None);
        }
    }

    /// Restores an index from an old copy, and audits it.
    async fn restore(&mut self, number: usize, copy: Documents) {
        self.heal();
        self.scene().harvest().await;
        self.push(false).await.success();
        self.indices.put_back(number, copy).await;
        let line = format!("audit {} --json --repair", NAMES[number]);
        let output = self.scene().run(&line).await.success();
        let said: Value = serde_json::from_str(&output.stdout).unwrap();
        self.happened.repaired += said["repaired"].as_u64().unwrap();
        let line = format!("audit {} --json", NAMES[number]);
        self.scene().run(&line).await.success();
    }

    /// Ends all faults, and checks that no document is missing or surplus.
    async fn end(mut self, days: usize) {
        self.heal();
        self.scene().harvest().await;
        self.push(false).await.success();
        self.status().await;
        match &self.indices {
            Indices::Played(played) => {
                played.iter().for_each(FakeSolr::heal);
                self.scene().run("push -q --retry-rejected").await.success();
            }
            Indices::Real(_) => {
                for (source, work) in self.poisoned.clone() {
                    self.put(source, work, 99);
                }
                self.scene().harvest().await;
                self.push(false).await.success();
            }
        }
        for (number, unit) in ["record", "cluster"].iter().enumerate() {
            let renames = match self.indices {
                Indices::Played(_) => "",
                Indices::Real(_) => " --rename-field issn=author_sort_str",
            };
            let line = format!("--per {unit}{renames}");
            let expected = self.scene().exported(&line).await;
            self.indices.hold(number, &expected).await;
            assert!(expected.len() > WORKS / 4, "{unit}: {}", expected.len());
            self.scene()
                .run(&format!("audit {}", NAMES[number]))
                .await
                .success();
        }
        eprintln!("{days} days: {:?}", self.happened);
        if days >= 90 {
            let Happened {
                harvests_killed,
                pushes_killed,
                pushes_failed,
                rejected,
                quarantined,
                repaired,
            } = self.happened;
            let counts = [harvests_killed, pushes_killed, pushes_failed, rejected];
            assert!(counts.iter().all(|count| *count > 0), "{:?}", self.happened);
            assert!(quarantined > 0 && repaired > 0, "{:?}", self.happened);
        }
    }
}

async fn either(one: &FakeSolr, other: &FakeSolr) {
    tokio::select! {
        () = one.hung.notified() => {}
        () = other.hung.notified() => {}
    }
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

/// Plays this many days.
async fn pass(mut quarter: Quarter, days: usize) {
    // Before the first day there is no store.
    quarter.scene().harvest().await;
    let mut copies: Vec<Documents> = Vec::new();
    for day in 0..days {
        quarter.day_of_changes();
        quarter.harvest().await;
        quarter.trouble();
        quarter.push(true).await;
        if day % 7 == 0 {
            quarter.status().await;
        }
        if day == days / 4 {
            copies = quarter.indices.copy().await;
        }
        if day == days / 3 {
            // A decision that two records are one work, or are not. Without one of them there is no decision.
            let pair = format!(
                "oai:doaj.org/article:{:03} oai:doaj.org/article:{:03}",
                3, 103
            );
            let split = format!("dedup split {pair} --who tester --why test");
            quarter.scene().run(&split).await;
        }
        if day == days / 2 {
            quarter.configure("['other', 'doaj']");
        }
        if day == days * 2 / 3 {
            for (number, copy) in std::mem::take(&mut copies).into_iter().enumerate() {
                quarter.restore(number, copy).await;
            }
        }
    }
    quarter.end(days).await;
}

#[tokio::test]
async fn after_a_quarter_of_faults_each_index_has_the_exported_documents() {
    let seed = from_environment("QUARTER_SEED", 1);
    let days = from_environment("QUARTER_DAYS", 90) as usize;
    let indices = Indices::Played([FakeSolr::start().await, FakeSolr::start().await]);
    pass(Quarter::begin(seed, indices).await, days).await;
}

/// The same with a real Solr, which is killed and restarted.
#[tokio::test]
async fn after_a_week_of_faults_a_real_solr_has_the_exported_documents() {
    let Some(solr) = RealSolr::start(RealSolr::own_configuration()).await else {
        return;
    };
    solr.another_core(CORES[1]).await;
    let seed = from_environment("WEEK_SEED", 1);
    let days = from_environment("WEEK_DAYS", 5) as usize;
    let mut quarter = Quarter::begin(seed, Indices::Real(solr)).await;
    // Enough records at the start, because the time is short.
    for source in 0..2 {
        for work in 0..WORKS {
            quarter.put(source, work, 99);
        }
    }
    pass(quarter, days).await;
}
