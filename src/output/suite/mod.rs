//! What every pushed output must hold: order, replay, deletion, outage, rejection.
//!
//! A type of output is tested by one line `suite!(NAME, SUBJECT);` below, where `SUBJECT` implements
//! [`Subject`]. The suite fills a store, pushes it, breaks the target, and compares the target's
//! documents with the store.

mod memory;
mod opensearch;
mod solr;

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;

use super::OutputSettings;
use super::push::{PushContext, PushOptions, PushReport, push_to};
use super::target::{Connection, Target};
use crate::clock::Clock;
use crate::end::End;
use crate::harvest::proven;
use crate::oai::{Datestamp, Header, Record};
use crate::stop::{Stop, stop_switch};
use crate::store::{
    Ending, NewWindow, PageOrder, PageStep, PassKind, PassPacker, PassWriter, SourceDefinition,
    Span, Step, Store, Version,
};

/// Declares the tests of one type of output.
macro_rules! suite {
    ($name:ident, $subject:ty) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn documents_arrive_in_the_order_of_versions() {
                if <$subject>::is_available() {
                    order::<$subject>().await;
                }
            }

            #[tokio::test]
            async fn a_repeated_push_changes_nothing() {
                if <$subject>::is_available() {
                    replay::<$subject>().await;
                }
            }

            #[tokio::test]
            async fn deleted_records_lose_their_documents() {
                if <$subject>::is_available() {
                    deletion::<$subject>().await;
                }
            }

            #[tokio::test]
            async fn a_push_continues_after_an_outage() {
                if <$subject>::is_available() {
                    outage::<$subject>().await;
                }
            }

            #[tokio::test]
            async fn a_rejected_document_does_not_hold_up_the_others() {
                if <$subject>::is_available() {
                    rejection::<$subject>().await;
                }
            }

            #[tokio::test]
            async fn batches_in_flight_together_give_the_same_documents() {
                if <$subject>::is_available() {
                    parallel::<$subject>().await;
                }
            }
        }
    };
}

suite!(in_memory, memory::Memory);
suite!(scripted_solr, solr::ScriptedSolr);
suite!(scripted_opensearch, opensearch::Scripted);
suite!(real_opensearch, opensearch::RealOpenSearch);
suite!(real_elasticsearch, opensearch::RealElasticsearch);

/// A target under test.
trait Subject: Send + Sync {
    /// Whether this target can be tested here. One that cannot says so.
    fn is_available() -> bool {
        true
    }

    /// An empty target.
    async fn start() -> Self;

    /// The settings of an output to the target.
    fn settings(&self) -> OutputSettings;

    /// Connects to the target.
    fn connect(&self, settings: &OutputSettings, stop: Stop) -> Box<dyn Target> {
        match settings.connect(stop) {
            Ok(Connection::Index(target)) => target,
            Ok(Connection::Table(_)) => panic!("this suite is about indices"),
            Err(error) => panic!("a client can be made from the settings of a test: {error}"),
        }
    }

    /// The titles of the target's documents by their ids.
    fn documents(&self) -> BTreeMap<String, String>;

    /// The ids of the documents that arrived, in their order; deletions have a minus.
    fn arrived(&self) -> Vec<String>;

    /// The target takes `batches` more batches. Of the next one it applies this share of the changes,
    /// from 0 to 1, and confirms nothing from there on until [`Subject::heal`].
    fn fail_after(&self, batches: usize, share: f64);

    /// The target refuses this document until [`Subject::heal`].
    fn refuse(&self, id: &str);

    /// Ends outages and refusals.
    fn heal(&self);
}

/// A store with one source, and the documents that an output is to have.
struct Scene<S> {
    subject: S,
    settings: OutputSettings,
    context: PushContext,
    expected: BTreeMap<String, String>,
    /// The time in milliseconds since 1970. Each page is stored a second later.
    now_ms: i64,
    _folder: TempDir,
}

impl<S: Subject> Scene<S> {
    /// A store with `count` live records, and an output in batches of three.
    async fn with(count: usize) -> Self {
        let subject = S::start().await;
        let mut settings = subject.settings();
        settings.batch_documents = 3;
        settings.parallel_requests = 1;
        settings.retries = 0;
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store.db")).unwrap());
        // Nothing in this suite stops a push.
        let (_, stop) = stop_switch();
        let mut scene = Self {
            subject,
            settings,
            context: PushContext {
                store,
                clock: Clock::System,
                stop,
                progress: Arc::new(|_| {}),
            },
            expected: BTreeMap::new(),
            now_ms: 1_780_272_000_000,
            _folder: folder,
        };
        for number in 0..count {
            scene.put(number, "First");
        }
        scene
    }

    /// Stores a record with this title.
    fn put(&mut self, number: usize, title: &str) {
        let title = format!("{title} {number}");
        let header = self.header(number, false);
        self.store(Record {
            metadata: Some(format!("<doajArticle><title>{title}</title></doajArticle>")),
            ..Record::tombstone(header)
        });
        self.expected.insert(id(number), title);
    }

    /// Deletes a record.
    fn delete(&mut self, number: usize) {
        let header = self.header(number, true);
        self.store(Record::tombstone(header));
        self.expected.remove(&id(number));
    }

    fn header(&self, number: usize, deleted: bool) -> Header {
        Header {
            identifier: format!("oai:doaj.org/article:{number:03}"),
            datestamp: Datestamp::from_unix(self.now_ms / 1000).to_string(),
            set_specs: Vec::new(),
            deleted,
        }
    }

    /// Stores a record as a pass of its own.
    fn store(&mut self, record: Record) {
        let store = &self.context.store;
        self.now_ms += 1000;
        let definition = SourceDefinition {
            name: "doaj".to_owned(),
            base_url: "http://repository.example/oai".to_owned(),
            metadata_prefix: "oai_doaj".to_owned(),
            sets: Vec::new(),
            floor: None,
        };
        let (source, _) = store.register_source(&definition).unwrap();
        let whole = NewWindow {
            set_spec: None,
            span: Span {
                from: None,
                until: None,
            },
        };
        let pass = store
            .begin_pass(
                source.id,
                PassKind::Full,
                false,
                true,
                &[whole],
                self.now_ms,
            )
            .unwrap();
        let step = PageStep {
            window: store.pending_windows(pass).unwrap()[0].id,
            order: PageOrder::First { bound: None },
            records: vec![record],
            ending: Some(Ending::Complete),
            ..PageStep::default()
        };
        let mut packer = PassPacker::new(Arc::clone(store), source.id, "oai_doaj").unwrap();
        let packed = packer.pack(Step::Page(step)).unwrap();
        PassWriter::new(Arc::clone(store), source.id, pass, proven)
            .apply(&[packed], self.now_ms)
            .unwrap();
    }

    async fn push(&self, options: PushOptions) -> PushReport {
        let target = self
            .subject
            .connect(&self.settings, self.context.stop.clone());
        push_to(&self.context, &self.settings, &options, Ok(target))
            .await
            .unwrap()
    }

    /// Pushes everything since the output's position.
    async fn push_complete(&self) -> PushReport {
        self.push_from(None).await
    }

    async fn push_from(&self, from: Option<Version>) -> PushReport {
        let options = PushOptions {
            from,
            ..PushOptions::default()
        };
        let report = self.push(options).await;
        assert_eq!((&report.end, report.behind), (&End::Complete, 0));
        report
    }

    fn assert_mirrored(&self, case: &str) {
        assert_eq!(self.subject.documents(), self.expected, "{case}");
    }

    /// The documents that arrived since `earlier` had.
    fn arrived_since(&self, earlier: usize) -> Vec<String> {
        self.subject.arrived().split_off(earlier)
    }
}

/// The id of the document of a record.
fn id(number: usize) -> String {
    format!("doaj-art-{number:03}")
}

fn deletion_of(number: usize) -> String {
    format!("-{}", id(number))
}

async fn order<S: Subject>() {
    let mut scene = Scene::<S>::with(7).await;
    // The newest state of a record comes at the place of its newest version.
    scene.put(2, "Second");
    scene.delete(4);
    let report = scene.push_complete().await;
    let in_order = [0, 1, 3, 5, 6, 2].map(id).into_iter();
    let in_order: Vec<String> = in_order.chain([deletion_of(4)]).collect();
    assert_eq!(scene.subject.arrived(), in_order);
    scene.assert_mirrored("after the first push");

    scene.put(0, "Third");
    let next = scene.push_complete().await;
    assert_eq!(scene.arrived_since(in_order.len()), [id(0)]);
    assert!(next.position > report.position);
    scene.assert_mirrored("after the second push");
}

async fn replay<S: Subject>() {
    let mut scene = Scene::<S>::with(5).await;
    let mut positions = vec![Version::default()];
    for number in [1, 3] {
        positions.push(scene.push_complete().await.position);
        scene.put(number, "Second");
    }
    scene.delete(0);
    let last = scene.push_complete().await.position;
    scene.assert_mirrored("before any repetition");
    for from in positions {
        let before = scene.subject.arrived().len();
        let report = scene.push_from(Some(from)).await;
        assert!(!scene.arrived_since(before).is_empty(), "from {from}");
        assert_eq!(report.position, last, "from {from}");
        scene.assert_mirrored(&format!("again from {from}"));
    }
}

async fn deletion<S: Subject>() {
    let mut scene = Scene::<S>::with(4).await;
    scene.push_complete().await;
    scene.delete(1);
    // The target never had this one.
    scene.put(4, "Short-lived");
    scene.delete(4);
    let before = scene.subject.arrived().len();
    let report = scene.push_complete().await;
    assert_eq!(
        scene.arrived_since(before),
        [deletion_of(1), deletion_of(4)]
    );
    assert_eq!(report.progress.deleted, 2);
    scene.assert_mirrored("after the deletions");
    scene.put(1, "Back");
    scene.push_complete().await;
    scene.assert_mirrored("after one is back");
}

async fn outage<S: Subject>() {
    for taken in 0..3 {
        for share in [0.0, 0.5, 1.0] {
            let case = format!("{taken} batches and {share} of the next one");
            let mut scene = Scene::<S>::with(9).await;
            scene.subject.fail_after(taken, share);
            let report = scene.push(PushOptions::default()).await;
            assert!(
                matches!(report.end, End::Incomplete(_)),
                "{case}: {report:?}"
            );
            assert_eq!(report.behind, 9 - 3 * taken as u64, "{case}");
            assert_eq!(report.progress.added, 3 * taken as u64, "{case}");
            // It stays down, and the position stays.
            let again = scene.push(PushOptions::default()).await;
            assert_eq!(again.position, report.position, "{case}");
            // The target has taken some of these without confirming them.
            scene.delete(3 * taken);
            scene.put(3 * taken + 1, "Second");
            scene.subject.heal();
            scene.push_complete().await;
            scene.assert_mirrored(&case);
        }
    }
}

async fn rejection<S: Subject>() {
    let mut scene = Scene::<S>::with(8).await;
    scene.subject.refuse(&id(4));
    let report = scene.push_complete().await;
    assert_eq!((report.progress.added, report.progress.rejected), (7, 1));
    let title = scene.expected.remove(&id(4)).unwrap();
    scene.assert_mirrored("without the refused document");
    // A document that is refused in a new state keeps nothing else from the target.
    scene.put(5, "Second");
    scene.push_complete().await;
    scene.assert_mirrored("after a later change");
    scene.subject.heal();
    let options = PushOptions {
        retry_rejected: true,
        ..PushOptions::default()
    };
    let report = scene.push(options).await;
    assert_eq!((&report.end, report.progress.added), (&End::Complete, 1));
    scene.expected.insert(id(4), title);
    scene.assert_mirrored("after it was sent again");
}

async fn parallel<S: Subject>() {
    let mut scene = Scene::<S>::with(12).await;
    scene.settings.parallel_requests = 4;
    scene.settings.batch_documents = 1;
    scene.push_complete().await;
    for number in 0..12 {
        scene.put(number, "Second");
    }
    scene.delete(7);
    scene.push_complete().await;
    scene.assert_mirrored("after two pushes");
}
