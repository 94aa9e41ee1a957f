//! Clusters in the store: across sources, after each change, by decision, and as outputs read them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use harvestd::dedup::memory::KEY_CAP;
use harvestd::dedup::rules::Versions;
use harvestd::demo::{Sample, Size, articles};
use harvestd::harvest::proven;
use harvestd::oai::Record;
use harvestd::oai::response::Header;
use harvestd::output::enrich::Part;
use harvestd::output::vufind::DocumentOptions;
use harvestd::output::{Format, Rendered, Renderer};
use harvestd::record::Kind;
use harvestd::record::crosswalk;
use harvestd::store::{
    ChangeFilter, ClusterFilter, ClusterState, Clustering, Deletion, Imported, Judgement,
    NewWindow, PageStep, PassKind, PassPacker, PassWriter, Per, Reader, RecordId, SourceDefinition,
    Span, Step, Store, StoreError, StoredRecord, Version,
};
use proptest::prelude::*;

const NOW: i64 = 1_780_272_000_000;

/// A store with deduplication on, in a folder of its own.
struct World {
    store: Arc<Store>,
    reader: Reader,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(order: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(Store::open(&path).unwrap());
        let state = store.set_clustering(&clustering(order)).unwrap();
        assert_eq!(state, ClusterState::Current);
        Self {
            reader: Reader::open(&path).unwrap(),
            store,
            _folder: folder,
        }
    }

    /// Harvests one page of a source; its name is its metadata format, after an optional `x-`.
    fn put(&self, source: &str, records: Vec<Record>) {
        put(&self.store, source, records);
    }

    fn id(&self, source: &str, identifier: &str) -> RecordId {
        let members = self.reader.members(identifier).unwrap();
        let member = members.iter().find(|member| member.source == source);
        member.unwrap().record
    }

    /// The cluster of a record: its name, then its members, the preferred one first.
    fn cluster(&self, source: &str, identifier: &str) -> (String, Vec<String>) {
        let id = self.id(source, identifier);
        let cluster = self.reader.cluster_of(id).unwrap().unwrap();
        let members = cluster.members.iter();
        let members = members.map(|member| format!("{}/{}", member.source, member.identifier));
        (cluster.name.to_string(), members.collect())
    }

    /// All clusters of two or more.
    fn clusters(&self) -> BTreeSet<BTreeSet<(String, String)>> {
        let clusters = self.reader.clusters(&ClusterFilter::default()).unwrap();
        let members = clusters.into_iter().map(|cluster| {
            let members = cluster.members.into_iter();
            members
                .map(|member| (member.source, member.identifier))
                .collect()
        });
        members.collect()
    }

    /// The changes since a position, as `+name` or `-name`, and the next position.
    fn changes(&self, since: Option<Version>, per: Per) -> (BTreeSet<String>, Version) {
        let filter = ChangeFilter {
            since,
            per,
            ..ChangeFilter::default()
        };
        let mut items = BTreeSet::new();
        let upto = self
            .reader
            .changes(&filter, |record| {
                let sign = if record.deletion.is_some() { '-' } else { '+' };
                assert_eq!(record.metadata.is_none(), record.deletion.is_some());
                items.insert(format!("{sign}{}/{}", record.source, record.identifier));
                ControlFlow::Continue(())
            })
            .unwrap();
        (items, upto)
    }
}

fn clustering(order: &[&str]) -> Clustering {
    Clustering {
        enabled: true,
        sources: order.iter().map(|name| (*name).to_owned()).collect(),
        ..Clustering::default()
    }
}

fn put(store: &Arc<Store>, source: &str, records: Vec<Record>) {
    let definition = SourceDefinition {
        name: source.to_owned(),
        base_url: format!("http://{source}.example/oai"),
        metadata_prefix: source.trim_start_matches("x-").to_owned(),
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
        .begin_pass(source.id, PassKind::Full, false, true, &[whole], NOW)
        .unwrap();
    let window = store.pending_windows(pass).unwrap()[0].id;
    let prefix = &source.metadata_prefix;
    let mut packer = PassPacker::new(Arc::clone(store), source.id, prefix).unwrap();
    let mut writer = PassWriter::new(Arc::clone(store), source.id, pass, proven);
    let page = PageStep {
        window,
        records,
        ..PageStep::default()
    };
    let packed = packer.pack(Step::Page(page)).unwrap();
    writer.apply(&[packed], NOW).unwrap();
}

fn header(identifier: &str, deleted: bool) -> Header {
    Header {
        identifier: identifier.to_owned(),
        datestamp: "2026-05-01T00:00:00Z".to_owned(),
        set_specs: Vec::new(),
        deleted,
    }
}

fn live(identifier: &str, metadata: String) -> Record {
    Record {
        metadata: Some(metadata),
        ..Record::tombstone(header(identifier, false))
    }
}

fn gone(identifier: &str) -> Record {
    Record::tombstone(header(identifier, true))
}

fn samples(count: usize) -> Vec<Sample> {
    articles(count, 5, Size::Bytes(2_000)).collect()
}

fn rendered(samples: &[Sample], prefix: &str) -> Vec<Record> {
    let records = samples
        .iter()
        .map(|sample| live(&sample.identifier, sample.metadata(prefix).unwrap()));
    records.collect()
}

const TITLE: &str = "The heart of the matter in small mammals";

/// An article as `oai_dc`. `extra` is further elements.
fn dc(title: &str, doi: &str, extra: &str) -> String {
    format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title>\
         <dc:creator>Li, Wei</dc:creator><dc:date>2001</dc:date>\
         <dc:identifier>{doi}</dc:identifier>{extra}</oai_dc:dc>"
    )
}

#[test]
fn an_article_in_three_formats_is_one_work_and_its_journal_another() {
    let doaj = "<oai_doaj:doajArticle xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\">\
        <oai_doaj:journalTitle>Sensors</oai_doaj:journalTitle><oai_doaj:issn>14248220</oai_doaj:issn>\
        <oai_doaj:publicationDate>2001-03-01</oai_doaj:publicationDate>\
        <oai_doaj:volume>19</oai_doaj:volume><oai_doaj:startPage>1042</oai_doaj:startPage>\
        <oai_doaj:doi>10.3390/s19051042</oai_doaj:doi>\
        <oai_doaj:title>The heart of the matter in small mammals</oai_doaj:title><oai_doaj:authors>\
        <oai_doaj:author><oai_doaj:name>Wei Li</oai_doaj:name></oai_doaj:author></oai_doaj:authors>\
        </oai_doaj:doajArticle>";
    let json = r#"{"bibjson":{"title":"The Heart of the Matter in Small Mammals.","year":"2001",
        "identifier":[{"type":"doi","id":"10.3390/S19051042"},{"type":"eissn","id":"1424-8220"}],
        "author":[{"name":"W. Li"}],"start_page":"1042",
        "journal":{"title":"Sensors","volume":"19","number":"5"}}}"#;
    let dublin_core = dc(
        TITLE,
        "https://doi.org/10.3390/s19051042",
        "<dc:type>article</dc:type>",
    );
    let journal = |title: &str| {
        let extra = "<dc:identifier>1424-8220</dc:identifier><dc:type>journal</dc:type>";
        dc(title, "https://doi.org/10.3390/s19051042", extra)
    };
    let pages = [
        ("oai_doaj", live("a", doaj.to_owned())),
        ("oai_dc", live("b", dublin_core)),
        ("doaj_json", live("c", json.to_owned())),
        ("x-oai_dc", live("d", journal(TITLE))),
        ("x-x-oai_dc", live("e", journal("Sensors"))),
    ];
    for first in 0..pages.len() {
        let world = World::new(&[]);
        let mut order = pages.clone();
        order.rotate_left(first);
        for (source, record) in order {
            world.put(source, vec![record]);
        }
        let article = [("oai_doaj", "a"), ("oai_dc", "b"), ("doaj_json", "c")];
        let article = article.map(|(source, name)| (source.to_owned(), name.to_owned()));
        let clusters = world.clusters();
        assert!(clusters.contains(&BTreeSet::from(article)), "{clusters:?}");
        let stats = world.reader.cluster_stats().unwrap();
        assert_eq!(
            (stats.described, stats.clusters),
            (5, clusters.len() as u64)
        );
        for cluster in &clusters {
            let journals = cluster
                .iter()
                .filter(|(_, name)| ["d", "e"].contains(&name.as_str()));
            assert!(
                [0, cluster.len()].contains(&journals.count()),
                "{clusters:?}"
            );
        }
    }
}

#[test]
fn records_with_one_full_text_link_are_explained_with_the_link() {
    let world = World::new(&[]);
    let longer = format!("{TITLE}: a study in four countries");
    let link = |url: &str| format!("<dc:identifier>{url}</dc:identifier>");
    let (one, other) = (
        link("https://www.example.org/article/view/2/"),
        link("http://example.org/article/view/2#abstract"),
    );
    world.put("oai_dc", vec![live("a", dc(TITLE, "a-1", &one))]);
    world.put("x-oai_dc", vec![live("b", dc(&longer, "b-1", &other))]);
    assert_eq!(world.clusters().len(), 1);

    let path = world.store.path().to_owned();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(["dedup", "explain", "a", "b", "--store"])
        .arg(path)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("same by full-text-link: "), "{told}");
    let shown = "full-text link: same: \"https://www.example.org/article/view/2/\" / \
                 \"http://example.org/article/view/2#abstract\"";
    assert!(told.contains(shown), "{told}");
}

#[test]
fn one_work_in_two_sources_is_one_cluster() {
    let world = World::new(&["oai_doaj"]);
    let samples = samples(300);
    world.put("oai_doaj", rendered(&samples, "oai_doaj"));
    let within = world.clusters().len();
    assert!(within > 2, "the duplicates within one source: {within}");
    world.put("oai_dc", rendered(&samples, "oai_dc"));
    let together = samples
        .iter()
        .filter(|sample| {
            let (_, members) = world.cluster("oai_doaj", &sample.identifier);
            members.contains(&format!("oai_dc/{}", sample.identifier))
        })
        .count();
    assert!(together * 100 >= samples.len() * 98, "{together} of 300");
    let stats = world.reader.cluster_stats().unwrap();
    assert_eq!(stats.described, 600);
    assert!(stats.across_sources as usize + within >= 290, "{stats:?}");
    assert_eq!(stats.works + stats.clustered - stats.clusters, 600);

    let all = ChangeFilter {
        per: Per::Cluster,
        ..ChangeFilter::default()
    };
    let mut works = BTreeMap::new();
    world
        .reader
        .changes(&all, |record| {
            if record.deletion.is_none() {
                *works.entry(record.source).or_insert(0_u64) += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(works.values().sum::<u64>(), stats.works);
    assert!(works["oai_doaj"] > 280 && works.get("oai_dc").copied().unwrap_or(0) < 10);
}

#[test]
fn a_journal_is_no_article() {
    let world = World::new(&[]);
    let issn = "<dc:identifier>0300-8428</dc:identifier>";
    let journal = dc(TITLE, "", &format!("<dc:type>journal</dc:type>{issn}"));
    let article = dc(TITLE, "10.1000/182", issn);
    assert_eq!(
        crosswalk::resource("oai_dc", &journal).unwrap().kind,
        Kind::Journal
    );
    world.put(
        "oai_dc",
        vec![live("j", journal.clone()), live("a", article.clone())],
    );
    world.put("x-oai_dc", vec![live("j", journal), live("a", article)]);
    let (_, journals) = world.cluster("oai_dc", "j");
    let (_, articles) = world.cluster("oai_dc", "a");
    assert_eq!(journals, ["oai_dc/j", "x-oai_dc/j"]);
    assert_eq!(articles, ["oai_dc/a", "x-oai_dc/a"]);
}

#[test]
fn clusters_keep_their_names_when_a_record_leaves_and_returns() {
    let world = World::new(&[]);
    let one = |title: &str| dc(title, "10.1000/182", "");
    world.put("oai_dc", vec![live("a", one(TITLE))]);
    world.put("oai_dc", vec![live("b", one(TITLE))]);
    world.put("oai_dc", vec![live("c", one(TITLE))]);
    assert_eq!(
        world.cluster("oai_dc", "c"),
        (
            "oai_dc/a".into(),
            vec!["oai_dc/a".into(), "oai_dc/b".into(), "oai_dc/c".into()]
        )
    );
    let (_, position) = world.changes(None, Per::Record);

    // The record that gave the cluster its name becomes another work: the others keep the name.
    let other = dc(
        "Quite another thing on the soil of rivers",
        "10.1000/999",
        "",
    );
    world.put("oai_dc", vec![live("a", other)]);
    assert_eq!(
        world.cluster("oai_dc", "b"),
        (
            "oai_dc/a".into(),
            vec!["oai_dc/b".into(), "oai_dc/c".into()]
        )
    );
    assert_eq!(
        world.cluster("oai_dc", "a"),
        ("oai_dc/a~1".into(), vec!["oai_dc/a".into()])
    );
    // The new preferred record gets a new version.
    let (changed, position) = world.changes(Some(position), Per::Record);
    assert_eq!(
        changed,
        BTreeSet::from(["+oai_dc/a", "+oai_dc/b", "+oai_dc/c"].map(str::to_owned))
    );

    world.put("oai_dc", vec![live("a", one(TITLE))]);
    let (name, members) = world.cluster("oai_dc", "a");
    assert_eq!((name.as_str(), members.len()), ("oai_dc/a", 3));
    let a = world.id("oai_dc", "a");
    let led = world.reader.cluster_named(a, 1).unwrap().unwrap();
    assert_eq!(led.name.to_string(), "oai_dc/a");

    world.put("oai_dc", vec![gone("a"), gone("b")]);
    assert_eq!(
        world.cluster("oai_dc", "c"),
        ("oai_dc/a".into(), vec!["oai_dc/c".into()])
    );
    assert_eq!(world.reader.cluster_of(a).unwrap(), None);
    let (changed, position) = world.changes(Some(position), Per::Cluster);
    assert_eq!(
        changed,
        BTreeSet::from(["-oai_dc/a", "-oai_dc/b", "+oai_dc/c"].map(str::to_owned))
    );
    // The same state again is no change.
    world.put("oai_dc", vec![live("c", one(TITLE))]);
    assert_eq!(world.changes(Some(position), Per::Cluster).0.len(), 0);
    world.put("oai_dc", vec![gone("c")]);
    assert_eq!(world.clusters().len(), 0);
    assert_eq!(world.reader.cluster_named(a, 0).unwrap(), None);
}

#[test]
fn versions_are_together_or_apart_as_configured() {
    let world = World::new(&[]);
    let preprint = dc(TITLE, "", "<dc:type>preprint</dc:type>");
    let article = dc(TITLE, "10.1000/182", "<dc:type>article</dc:type>");
    world.put("oai_dc", vec![live("p", preprint), live("a", article)]);
    assert_eq!(world.cluster("oai_dc", "a").1.len(), 2);
    let set = |versions| {
        let wanted = Clustering {
            versions,
            ..clustering(&[])
        };
        world.store.set_clustering(&wanted).unwrap()
    };
    assert_eq!(set(Versions::Together), ClusterState::Current);
    assert_eq!(set(Versions::Apart), ClusterState::Due);
    assert_eq!(world.store.rebuild_clusters(NOW, |_| ()).unwrap().moved, 2);
    assert_eq!(set(Versions::Apart), ClusterState::Current);
    assert_eq!(world.reader.versions().unwrap(), Versions::Apart);
    assert_eq!(world.cluster("oai_dc", "a").1.len(), 1);
    // A later change follows the setting, and a decision overrides it.
    let again = dc(
        TITLE,
        "10.1000/182",
        "<dc:subject>s</dc:subject><dc:type>article</dc:type>",
    );
    world.put("oai_dc", vec![live("a", again)]);
    assert_eq!(world.clusters().len(), 0);
    let pair = [(world.id("oai_dc", "a"), world.id("oai_dc", "p"))];
    world
        .store
        .judge(&pair, Judgement::Join, "me", "", NOW)
        .unwrap();
    assert_eq!(world.cluster("oai_dc", "a").1.len(), 2);
    assert_eq!(set(Versions::Together), ClusterState::Due);
}

#[test]
fn decisions_override_rules_and_stay() {
    let world = World::new(&[]);
    let one = || dc(TITLE, "10.1000/182", "");
    let other = || {
        dc(
            "Quite another thing on the soil of rivers",
            "10.1000/999",
            "",
        )
    };
    world.put(
        "oai_dc",
        vec![live("a", one()), live("b", one()), live("z", other())],
    );
    let [a, b, z] = ["a", "b", "z"].map(|id| world.id("oai_dc", id));
    let (_, position) = world.changes(None, Per::Cluster);

    let moved = world
        .store
        .judge(&[(b, a)], Judgement::Split, "me", "two editions", NOW);
    assert_eq!(moved.unwrap(), 2);
    assert_eq!(world.clusters().len(), 0);
    let (changed, position) = world.changes(Some(position), Per::Cluster);
    assert_eq!(
        changed,
        BTreeSet::from(["+oai_dc/a", "+oai_dc/b"].map(str::to_owned))
    );
    // Later harvests and a rebuild do not change it.
    world.put(
        "oai_dc",
        vec![live(
            "b",
            dc(TITLE, "10.1000/182", "<dc:subject>s</dc:subject>"),
        )],
    );
    world.put(
        "oai_dc",
        vec![live("a", dc(&format!("{TITLE}."), "10.1000/182", ""))],
    );
    assert_eq!(world.clusters().len(), 0);
    world.store.rebuild_clusters(NOW, |_| ()).unwrap();
    assert_eq!(world.clusters().len(), 0);

    world
        .store
        .judge(&[(a, z)], Judgement::Join, "me", "the same", NOW + 1)
        .unwrap();
    let (name, members) = world.cluster("oai_dc", "z");
    assert_eq!((name.as_str(), members.len()), ("oai_dc/a", 2));
    world.put(
        "oai_dc",
        vec![live(
            "z",
            dc("Something else again, and more of it", "", ""),
        )],
    );
    assert_eq!(world.cluster("oai_dc", "z").1.len(), 2);
    let (changed, _) = world.changes(Some(position), Per::Cluster);
    assert!(changed.contains("-oai_dc/z"), "{changed:?}");

    // A later decision about a pair replaces the earlier one.
    world
        .store
        .judge(&[(a, b)], Judgement::Join, "me", "one after all", NOW + 2)
        .unwrap();
    assert_eq!(world.cluster("oai_dc", "b").1.len(), 3);
    let decisions = world.reader.decisions(a).unwrap();
    let told: Vec<_> = decisions
        .iter()
        .map(|d| (d.why.as_str(), d.judgement))
        .collect();
    assert_eq!(
        told,
        [
            ("one after all", Judgement::Join),
            ("the same", Judgement::Join)
        ]
    );
}

#[test]
fn imported_clusters_override_rules_and_people_override_them() {
    let world = World::new(&[]);
    let titles = [
        (TITLE, "10.1000/182"),
        (TITLE, "10.1000/182"),
        ("Quite another thing on the soil of rivers", "10.1000/999"),
    ];
    let records = titles.iter().zip(["a", "b", "z"]);
    let records = records.map(|((title, doi), id)| live(id, dc(title, doi, "")));
    world.put("oai_dc", records.collect());
    let [a, b, z] = ["a", "b", "z"].map(|id| world.id("oai_dc", id));
    let (_, position) = world.changes(None, Per::Cluster);
    let import = |clusters: &[Vec<RecordId>]| {
        let imported = world.store.import_clusters("spark", clusters, NOW);
        imported.unwrap()
    };
    let named = |clusters: &[&[&str]]| -> BTreeSet<BTreeSet<(String, String)>> {
        let clusters = clusters.iter().map(|members| {
            let members = members.iter();
            members
                .map(|id| ("oai_dc".to_owned(), (*id).to_owned()))
                .collect()
        });
        clusters.collect()
    };

    // What the rules found already moves nothing.
    let same = import(&[vec![a, b]]);
    assert_eq!((same.changed, same.moved), (2, 0));
    let other = import(&[vec![a, z], vec![b]]);
    assert_eq!((other.changed, other.moved), (2, 3));
    assert_eq!(world.clusters(), named(&[&["a", "z"]]));
    let (changed, _) = world.changes(Some(position), Per::Cluster);
    let wanted = ["+oai_dc/a", "+oai_dc/b", "-oai_dc/z"];
    assert_eq!(changed, BTreeSet::from(wanted.map(str::to_owned)));
    let imported = world.reader.imported_clusters(z).unwrap();
    assert_eq!(
        (imported[0].origin.as_str(), imported[0].at),
        ("spark", NOW)
    );
    assert_eq!(
        imported[0].joins(&world.reader.imported_clusters(b).unwrap()),
        Some(false)
    );

    // Later harvests and a rebuild do not change it.
    world.put(
        "oai_dc",
        vec![live(
            "z",
            dc("Something else again, and more of it", "", ""),
        )],
    );
    world.store.rebuild_clusters(NOW, |_| ()).unwrap();
    assert_eq!(world.clusters(), named(&[&["a", "z"]]));

    let judge = |pair, judgement| {
        world
            .store
            .judge(&[pair], judgement, "me", "", NOW)
            .unwrap()
    };
    judge((a, z), Judgement::Split);
    assert_eq!(world.clusters(), named(&[]));
    judge((a, z), Judgement::Join);
    judge((a, b), Judgement::Join);
    assert_eq!(world.clusters(), named(&[&["a", "b", "z"]]));

    // Without the origin, the rules and the decisions are left.
    judge((a, z), Judgement::Split);
    let forgotten = import(&[]);
    assert_eq!(forgotten.changed, 3);
    assert_eq!(world.clusters(), named(&[&["a", "b"]]));
    assert!(world.reader.origins().unwrap().is_empty());
}

#[test]
fn clusters_imported_while_a_rebuild_is_due_come_with_it() {
    let (store, samples, folder) = due(40);
    let reader = store.reader().unwrap();
    let ids: Vec<RecordId> = samples[..3]
        .iter()
        .map(|sample| reader.members(&sample.identifier).unwrap()[0].record)
        .collect();
    let imported = store
        .import_clusters("spark", std::slice::from_ref(&ids), NOW)
        .unwrap();
    assert_eq!((imported.changed, imported.moved), (3, 0));
    store.rebuild_clusters(NOW, |_| ()).unwrap();
    let cluster = reader.cluster_of(ids[0]).unwrap().unwrap();
    for id in &ids {
        assert!(cluster.members.iter().any(|member| member.record == *id));
    }
    drop(folder);
}

#[test]
fn a_decision_can_join_a_record_that_cannot_be_read() {
    let world = World::new(&["mods", "oai_dc"]);
    let strange = |note: &str| live("s", format!("<strange note=\"{note}\"/>"));
    let article = |identifier| live(identifier, dc(TITLE, "10.1000/182", ""));
    world.put(
        "mods",
        vec![strange(""), live("other", "<strange/>".into())],
    );
    world.put("oai_dc", vec![article("a")]);
    let stats = world.reader.cluster_stats().unwrap();
    assert_eq!((stats.described, stats.works), (1, 3));
    let (s, a) = (world.id("mods", "s"), world.id("oai_dc", "a"));
    let judge = |judgement| world.store.judge(&[(s, a)], judgement, "me", "a scan", NOW);
    assert_eq!(judge(Judgement::Join).unwrap(), 2);
    // Its source is preferred, but no document can be made of the record.
    let joined = ["oai_dc/a", "mods/s"].map(str::to_owned);
    assert_eq!(world.cluster("mods", "s").1, joined);
    let (items, _) = world.changes(None, Per::Cluster);
    let expected = ["+mods/other", "+oai_dc/a", "-mods/s"].map(str::to_owned);
    assert_eq!(items, BTreeSet::from(expected));

    // It prevents no other match, and stays in the cluster after changes, harvests and rebuilds.
    world.put("x-oai_dc", vec![article("b")]);
    let all = ["oai_dc/a", "x-oai_dc/b", "mods/s"].map(str::to_owned);
    assert_eq!(world.cluster("x-oai_dc", "b").1, all);
    world.put("mods", vec![strange("changed")]);
    assert_eq!(world.store.rebuild_clusters(NOW, |_| ()).unwrap().moved, 0);
    assert_eq!(world.cluster("mods", "s").1, all);
    // A rebuild from nothing gives the same.
    world.store.set_clustering(&Clustering::default()).unwrap();
    world.put(
        "mods",
        vec![strange("unseen"), live("new", "<strange/>".into())],
    );
    world
        .store
        .set_clustering(&clustering(&["mods", "oai_dc"]))
        .unwrap();
    let rebuilt = world.store.rebuild_clusters(NOW, |_| ()).unwrap();
    assert_eq!(
        (rebuilt.records, rebuilt.described, rebuilt.moved),
        (5, 2, 0)
    );
    assert_eq!(world.cluster("mods", "s").1, all);
    assert_eq!(world.reader.cluster_stats().unwrap().works, 3);

    judge(Judgement::Split).unwrap();
    assert_eq!(world.cluster("mods", "s").1, ["mods/s"]);
    judge(Judgement::Join).unwrap();
    world.put("oai_dc", vec![gone("a")]);
    assert_eq!(world.cluster("mods", "s").1, ["mods/s"]);
    world.put("mods", vec![gone("s")]);
    assert!(world.reader.cluster_of(s).unwrap().is_none());
}

#[test]
fn a_new_preferred_record_gives_a_deletion_and_an_addition() {
    let world = World::new(&["oai_dc", "x-oai_dc"]);
    let one = || dc(TITLE, "10.1000/182", "");
    world.put("x-oai_dc", vec![live("b", one())]);
    let (items, position) = world.changes(None, Per::Cluster);
    assert_eq!(items, BTreeSet::from(["+x-oai_dc/b".to_owned()]));

    world.put("oai_dc", vec![live("a", one())]);
    assert_eq!(world.cluster("oai_dc", "a").1, ["oai_dc/a", "x-oai_dc/b"]);
    let (items, position) = world.changes(Some(position), Per::Cluster);
    let switched = BTreeSet::from(["+oai_dc/a", "-x-oai_dc/b"].map(str::to_owned));
    assert_eq!(items, switched);

    world.put("oai_dc", vec![gone("a")]);
    let (items, position) = world.changes(Some(position), Per::Cluster);
    let back = BTreeSet::from(["-oai_dc/a", "+x-oai_dc/b"].map(str::to_owned));
    assert_eq!(items, back);

    // A record that was never preferred does not appear as added.
    world.put("x-oai_dc", vec![live("c", one())]);
    let (items, position) = world.changes(Some(position), Per::Cluster);
    assert_eq!(items, BTreeSet::from(["+x-oai_dc/b".to_owned()]));
    world.put("x-oai_dc", vec![gone("c")]);
    let (items, _) = world.changes(Some(position), Per::Cluster);
    assert_eq!(
        items,
        BTreeSet::from(["-x-oai_dc/c", "+x-oai_dc/b"].map(str::to_owned))
    );
}

#[test]
fn a_selection_of_sources_has_its_own_preferred_record() {
    let world = World::new(&["oai_dc", "x-oai_dc"]);
    let one = || dc(TITLE, "10.1000/182", "");
    world.put("oai_dc", vec![live("a", one())]);
    world.put("x-oai_dc", vec![live("b", one()), live("c", one())]);
    let filter = ChangeFilter {
        sources: vec!["x-oai_dc".to_owned()],
        per: Per::Cluster,
        ..ChangeFilter::default()
    };
    let mut items = Vec::new();
    world
        .reader
        .changes(&filter, |record| {
            items.push((record.identifier, record.deletion));
            ControlFlow::Continue(())
        })
        .unwrap();
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(
        items,
        [
            ("b".to_owned(), None),
            ("c".to_owned(), Some(Deletion::Withheld))
        ]
    );
}

#[test]
fn a_reader_by_identifier_keeps_a_record_that_another_source_has() {
    let world = World::new(&["oai_dc", "x-oai_dc"]);
    let article = |extra: &str| live("a", dc(TITLE, "10.1000/182", extra));
    world.put("oai_dc", vec![article("")]);
    world.put("x-oai_dc", vec![article("")]);
    let changes = |since: Option<Version>, per: Per| {
        let filter = ChangeFilter {
            since,
            per,
            by_identifier: true,
            ..ChangeFilter::default()
        };
        let mut items = Vec::new();
        let upto = world.reader.changes(&filter, |record| {
            items.push((record.source, record.deletion));
            ControlFlow::Continue(())
        });
        (items, upto.unwrap())
    };
    let preferred = || ("oai_dc".to_owned(), None);
    let whole = changes(None, Per::Cluster);
    assert_eq!(whole.0.len(), 2, "{:?}", whole.0);
    // A change of the record that is not preferred does not delete the document of the other one.
    world.put("x-oai_dc", vec![article("<dc:subject>More</dc:subject>")]);
    let (items, upto) = changes(Some(whole.1), Per::Cluster);
    assert_eq!(items, [preferred()]);
    // It is deleted, and the other one stays.
    world.put("x-oai_dc", vec![gone("a")]);
    for per in [Per::Cluster, Per::Record] {
        let items = changes(Some(upto), per).0;
        assert!(!items.is_empty());
        assert!(items.iter().all(|item| *item == preferred()), "{items:?}");
    }
    // The last one is deleted.
    let (_, upto) = changes(Some(upto), Per::Record);
    world.put("oai_dc", vec![gone("a")]);
    let deleted = ("oai_dc".to_owned(), Some(Deletion::Declared));
    assert_eq!(changes(Some(upto), Per::Record).0, [deleted]);
}

/// The enriched works: identifier, whether it is live, version, and the text in all formats that are made
/// from the article.
fn works(
    world: &World,
    since: Option<Version>,
    sources: &[&str],
) -> Vec<(String, bool, Version, String)> {
    let filter = ChangeFilter {
        since,
        sources: sources.iter().map(|name| (*name).to_owned()).collect(),
        per: Per::Cluster,
        with_others: true,
        ..ChangeFilter::default()
    };
    let mut items = Vec::new();
    let each = |record: StoredRecord| {
        let mut out = Vec::new();
        for format in [
            Format::Jsonl,
            Format::OaiDc,
            Format::VufindJson,
            Format::Marcxml,
        ] {
            let renderer = Renderer {
                format,
                documents: &DocumentOptions::default(),
                enrich: &[Part::Abstract, Part::Languages],
                changes: true,
            };
            let rendered = renderer.push(&record, &mut out);
            assert!(matches!(rendered, Rendered::Written(_)), "{rendered:?}");
        }
        let text = String::from_utf8(out).unwrap();
        items.push((
            record.identifier,
            record.deletion.is_none(),
            record.version,
            text,
        ));
        ControlFlow::Continue(())
    };
    world.reader.changes(&filter, each).unwrap();
    items
}

#[test]
fn a_work_is_enriched_from_its_other_records() {
    let world = World::new(&["oai_dc", "x-oai_dc"]);
    let with = |extra: &str| dc(TITLE, "10.1000/182", extra);
    let own = with("<dc:subject>Own</dc:subject>");
    let other = |text: &str| {
        with(&format!(
            "<dc:description>{text}</dc:description><dc:subject>Not asked for</dc:subject>"
        ))
    };
    world.put("oai_dc", vec![live("a", own)]);
    world.put("x-oai_dc", vec![live("b", other("Of the second."))]);
    world.put(
        "x-oai_dc",
        vec![live("c", with("<dc:language>de</dc:language>"))],
    );
    assert_eq!(world.cluster("oai_dc", "a").1.len(), 3);
    let works_of = |since, sources: &[&str]| works(&world, since, sources);
    let count = |text: &str, what: &str| text.matches(what).count();

    let all = works_of(None, &[]);
    let (identifier, _, _, text) = all.iter().find(|(_, live, ..)| *live).unwrap();
    assert_eq!(identifier, "a");
    // Once in each format, twice in JSONL, and once more in the field with all text of the catalogue
    // document.
    assert_eq!(count(text, "Of the second."), 6, "{text}");
    assert_eq!(count(text, "Own"), 6, "{text}");
    assert_eq!(count(text, "Not asked for"), 0, "{text}");
    assert!(text.contains("<dc:language>ger<"), "{text}");

    // With a selection of sources, the others add nothing.
    let alone = works_of(None, &["oai_dc"]);
    assert_eq!(alone.len(), 1);
    assert!(!alone[0].3.contains("Of the second."));

    // If an added value changes, the work changes, even if the rules do not use the value.
    let position = world.reader.last_version().unwrap();
    assert_eq!(works_of(Some(position), &[]), []);
    world.put(
        "x-oai_dc",
        vec![
            live("b", other("Of the second, anew.")),
            live("c", with("<dc:language>fr</dc:language>")),
        ],
    );
    let items = works_of(Some(position), &[]);
    let plain: Vec<(&str, bool)> = items.iter().map(|(id, live, ..)| (&**id, *live)).collect();
    // The work appears once, at the place of its newest record.
    assert_eq!(plain, [("b", false), ("a", true), ("c", false)]);
    assert!(items[1].3.contains("Of the second, anew."));
    assert!(items[1].3.contains("<dc:language>fre<"));
    assert!(items.iter().map(|(_, _, version, _)| version).is_sorted());

    // A reader that stops at the work also gets the changes at the same place, and nothing twice.
    let filter = ChangeFilter {
        since: Some(position),
        per: Per::Cluster,
        with_others: true,
        ..ChangeFilter::default()
    };
    let mut got = Vec::new();
    let stopped = world.reader.changes(&filter, |record| {
        let is_last = record.identifier == "a";
        got.push(record.identifier);
        match is_last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    assert_eq!(got, ["b", "a", "c"]);
    assert_eq!(works_of(Some(stopped.unwrap()), &[]), []);
}

/// A reader's copy: by source and identifier, the version and the metadata that it was made from.
type Copy = BTreeMap<(String, String), (Version, Vec<String>)>;

/// Applies changes to a copy, at most `stop_after` at a time, so that reading is resumed in the middle of
/// a work.
fn take(world: &World, filter: &mut ChangeFilter, copy: &mut Copy, stop_after: usize) {
    loop {
        let mut count = 0;
        let upto = world.reader.changes_with_tombstones(filter, |record| {
            count += 1;
            let key = (record.source, record.identifier);
            match record.deletion {
                Some(_) => drop(copy.remove(&key)),
                None => {
                    let others = record.others.into_iter().map(|other| other.metadata);
                    let texts = record.metadata.into_iter().chain(others).collect();
                    copy.insert(key, (record.version, texts));
                }
            }
            match count >= stop_after {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        filter.since = Some(upto.unwrap());
        if count < stop_after {
            return;
        }
    }
}

/// Records are added, changed, deleted, and moved between sets and works. After each step, a reader that
/// follows the changes has the same as one that reads everything, and the state of each record agrees.
#[test]
fn following_changes_gives_the_same_as_reading_everything() {
    let sets = |names: &[(&str, &[&str])]| {
        let list = |sets: &[&str]| sets.iter().map(|set| (*set).to_owned()).collect();
        names
            .iter()
            .map(|(name, sets)| ((*name).to_owned(), list(sets)))
            .collect::<BTreeMap<String, Vec<String>>>()
    };
    let filters = [
        (
            "sets of records",
            &[][..],
            sets(&[("oai_dc", &["a"])]),
            Per::Record,
            false,
        ),
        (
            "a set beside a source",
            &["x-oai_dc"][..],
            sets(&[("oai_dc", &["a:b"])]),
            Per::Record,
            false,
        ),
        ("works", &[][..], sets(&[]), Per::Cluster, false),
        (
            "works of a set",
            &[][..],
            sets(&[("oai_dc", &["a"])]),
            Per::Cluster,
            false,
        ),
        (
            "works of sets",
            &[][..],
            sets(&[("oai_dc", &["a"]), ("x-oai_dc", &["a:b", "c"])]),
            Per::Cluster,
            false,
        ),
        ("full works", &[][..], sets(&[]), Per::Cluster, true),
        (
            "full works of a source",
            &["x-oai_dc"][..],
            sets(&[]),
            Per::Cluster,
            true,
        ),
        (
            "full works of sets",
            &["y-oai_dc"][..],
            sets(&[("x-oai_dc", &["a"])]),
            Per::Cluster,
            true,
        ),
    ];
    let mut most_texts = 0;
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new(&["oai_dc", "x-oai_dc", "y-oai_dc"]);
        let mut followed: Vec<(ChangeFilter, Copy)> = filters
            .iter()
            .map(|(_, sources, sets, per, with_others)| {
                let filter = ChangeFilter {
                    since: Some(Version::default()),
                    sources: sources.iter().map(|name| (*name).to_owned()).collect(),
                    sets: sets.clone(),
                    per: *per,
                    with_others: *with_others,
                    by_identifier: false,
                    id_spaces: BTreeMap::new(),
                };
                (filter, Copy::new())
            })
            .collect();
        for step in 0..60 {
            let source = ["oai_dc", "x-oai_dc", "y-oai_dc"][random.usize(..3)];
            let identifier = format!("{source}-{}", random.u8(..4));
            let mut record = match random.u8(..5) {
                0 => gone(&identifier),
                _ => {
                    let work = random.u8(..3);
                    let title =
                        format!("{TITLE} {}", ["alpha", "beta", "gamma"][usize::from(work)]);
                    let more = format!("<dc:subject>{step}</dc:subject>");
                    live(&identifier, dc(&title, &format!("10.1000/{work}"), &more))
                }
            };
            for set in ["a", "a:b", "ab", "c"] {
                if random.u8(..3) == 0 {
                    record.header.set_specs.push(set.to_owned());
                }
            }
            world.put(source, vec![record]);
            for ((name, ..), (filter, copy)) in filters.iter().zip(&mut followed) {
                // Some readers fall behind for a while.
                if random.bool() && step < 59 {
                    continue;
                }
                let context = format!("{name}, seed {seed}, step {step}");
                take(&world, filter, copy, random.usize(1..5));
                let mut whole = Copy::new();
                let mut everything = ChangeFilter {
                    since: None,
                    ..filter.clone()
                };
                take(&world, &mut everything, &mut whole, usize::MAX);
                assert_eq!(*copy, whole, "{context}");
                let mut states = BTreeMap::new();
                world
                    .reader
                    .states(filter, 0, |state| {
                        if !state.deleted {
                            states.insert((state.source, state.identifier), state.version);
                        }
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                let versions: BTreeMap<_, _> = copy
                    .iter()
                    .map(|(key, (version, _))| (key.clone(), *version))
                    .collect();
                assert_eq!(states, versions, "{context}");
                for ((source, identifier), (version, texts)) in &*copy {
                    let items = world.reader.find_items(identifier, filter).unwrap();
                    let item = items.iter().find(|item| item.source == *source).unwrap();
                    assert_eq!(item.version, *version, "{context}");
                    assert_eq!(item.others.len() + 1, texts.len(), "{context}");
                    most_texts = most_texts.max(texts.len());
                }
            }
        }
    }
    assert!(most_texts > 2, "works of several records were among them");
}

/// Applies the changes since `position` to a reader's documents.
fn follow(world: &World, documents: &mut BTreeSet<String>, position: &mut Option<Version>) {
    let (items, upto) = world.changes(*position, Per::Cluster);
    for item in items {
        let (sign, name) = item.split_at(1);
        if sign == "+" {
            documents.insert(name.to_owned());
        } else {
            documents.remove(name);
        }
    }
    *position = Some(upto);
}

#[test]
fn a_store_without_clusters_is_due_for_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Arc::new(Store::open(&path).unwrap());
    let one = || dc(TITLE, "10.1000/182", "");
    put(&store, "oai_dc", vec![live("a", one())]);
    let state = |enabled, order: &[&str]| {
        let wanted = Clustering {
            enabled,
            ..clustering(order)
        };
        store.set_clustering(&wanted).unwrap()
    };
    assert_eq!(state(true, &["oai_dc"]), ClusterState::Due);
    // Until the rebuild, records can be stored, and clusters cannot be read.
    put(&store, "oai_dc", vec![live("b", one())]);
    let reader = Reader::open(&path).unwrap();
    let refused = reader.clusters(&ClusterFilter::default()).unwrap_err();
    assert!(matches!(refused, StoreError::NotClustered { .. }));
    assert!(refused.to_string().contains("dedup rebuild"), "{refused}");

    let mut told = 0;
    let rebuilt = store
        .rebuild_clusters(NOW, |records| told = records)
        .unwrap();
    assert_eq!((rebuilt.records, rebuilt.moved, told), (2, 2, 2));
    assert_eq!(state(true, &["oai_dc"]), ClusterState::Current);
    assert_eq!(reader.clusters(&ClusterFilter::default()).unwrap().len(), 1);
    put(&store, "oai_dc", vec![live("c", one())]);
    assert_eq!(
        reader.clusters(&ClusterFilter::default()).unwrap()[0]
            .members
            .len(),
        3
    );
    // A new order of sources needs a rebuild only if it changes a preferred record.
    assert_eq!(state(true, &["x-oai_dc", "oai_dc"]), ClusterState::Current);
    put(&store, "x-oai_dc", vec![live("d", one())]);
    assert_eq!(state(true, &["x-oai_dc"]), ClusterState::Current);
    assert_eq!(state(true, &["oai_dc"]), ClusterState::Due);
    assert_eq!(state(false, &[]), ClusterState::Off);
    let all = ChangeFilter {
        per: Per::Cluster,
        ..ChangeFilter::default()
    };
    let refused = reader
        .changes(&all, |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(refused.to_string().contains("enabled = true"), "{refused}");
}

/// A store with records that were stored without clusters, so that a rebuild is due.
fn due(records: usize) -> (Arc<Store>, Vec<Sample>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("store.db")).unwrap());
    let samples = samples(records);
    put(&store, "oai_dc", rendered(&samples, "oai_dc"));
    let state = store.set_clustering(&clustering(&["oai_dc"])).unwrap();
    assert_eq!(state, ClusterState::Due);
    (store, samples, folder)
}

#[test]
fn records_stored_during_a_rebuild_are_clustered_too() {
    let (store, samples, folder) = due(9_000);
    let second = |at: usize| {
        live(
            &format!("second-{at}"),
            samples[at].metadata("oai_dc").unwrap(),
        )
    };
    let changed = |at: usize, record: Record| {
        let identifier = samples[at].identifier.clone();
        put(
            &store,
            "oai_dc",
            vec![Record {
                header: header(&identifier, record.metadata.is_none()),
                ..record
            }],
        );
    };
    let mut turn = 0;
    let rebuilt = store.rebuild_clusters(NOW, |_| {
        turn += 1;
        match turn {
            // Records that the rebuild has read, and records that it has not.
            1 => put(&store, "x-oai_dc", vec![second(5), second(8_500)]),
            2 => {
                changed(7, gone(""));
                changed(8_600, live("", dc("Quite another one", "10.1/x", "")));
                put(&store, "x-oai_dc", vec![second(7), second(8_600)]);
                put(&store, "x-oai_dc", vec![gone("second-8500")]);
            }
            _ => {}
        }
    });
    assert!(turn > 2, "{turn}");
    assert!(rebuilt.unwrap().records >= 9_000);
    let world = World {
        reader: Reader::open(store.path()).unwrap(),
        store,
        _folder: folder,
    };
    let together = |at: usize| {
        let cluster = world.cluster("x-oai_dc", &format!("second-{at}")).1;
        cluster.contains(&format!("oai_dc/{}", samples[at].identifier))
    };
    assert_eq!([5, 7, 8_600].map(together), [true, false, false]);
    // A rebuild without changes meanwhile gives the same.
    let before = world.clusters();
    let again = world.store.rebuild_clusters(NOW, |_| ()).unwrap();
    assert_eq!((again.moved, world.clusters()), (0, before));
}

/// All rows that a rebuild makes.
fn rebuilt_rows(store: &Store) -> Vec<String> {
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let mut rows = Vec::new();
    for sql in [
        "SELECT 'd ' || record_id || ' ' || hex(packed) FROM description ORDER BY record_id",
        "SELECT 'k ' || key || ' ' || record_id FROM match_key ORDER BY key, record_id",
        "SELECT 'm ' || cluster_member.record_id || ' ' || cluster.record_id || ' ' || generation
            || ' ' || rank
         FROM cluster_member JOIN cluster ON cluster.id = cluster_id
         ORDER BY cluster_member.record_id",
    ] {
        let mut statement = connection.prepare(sql).unwrap();
        let found = statement.query_map([], |row| row.get(0)).unwrap();
        rows.extend(found.map(Result::unwrap));
    }
    rows
}

#[test]
fn a_rebuild_of_current_clusters_holds_up_nobody() {
    let (store, samples, _folder) = due(300);
    store.rebuild_clusters(NOW, |_| ()).unwrap();
    let reader = store.reader().unwrap();
    // Another process, whose transactions begin only if this one's have ended.
    let other = Arc::new(Store::open(store.path()).unwrap());
    let second = |at: usize| {
        let text = samples[at].metadata("oai_dc").unwrap();
        live(&format!("second-{at}"), text)
    };
    let clusters = || reader.clusters(&ClusterFilter::default()).unwrap();
    let assert_clustered = || {
        let clusters = clusters();
        let mut members = clusters.iter().flat_map(|cluster| &cluster.members);
        for at in [5, 8, 9] {
            let identifier = format!("second-{at}");
            assert!(
                members
                    .clone()
                    .any(|member| member.identifier == identifier)
            );
        }
        assert!(members.all(|member| !member.deleted));
    };
    let mut steps = 0;
    let rebuilt = store.rebuild_clusters(NOW, |_| {
        steps += 1;
        put(&other, "x-oai_dc", vec![second(5), second(8)]);
        put(&store, "x-oai_dc", vec![second(9)]);
        assert_clustered();
    });
    // What was stored after the first step is read by a second one.
    assert_eq!((rebuilt.unwrap().records, steps), (303, 2));
    assert_clustered();
    let kept = clusters();

    // A rebuild from nothing gives the same.
    store.set_clustering(&Clustering::default()).unwrap();
    let state = store.set_clustering(&clustering(&["oai_dc"])).unwrap();
    assert_eq!(state, ClusterState::Due);
    assert_eq!(store.rebuild_clusters(NOW, |_| ()).unwrap().moved, 0);
    assert_eq!(clusters(), kept);
}

#[test]
fn a_rebuild_of_current_clusters_mends_what_is_damaged() {
    let (store, samples, _folder) = due(300);
    let again = |at: usize| {
        live(
            &format!("again-{at}"),
            samples[at].metadata("oai_dc").unwrap(),
        )
    };
    put(&store, "x-oai_dc", (0..40).map(again).collect());
    store.rebuild_clusters(NOW, |_| ()).unwrap();
    let before = rebuilt_rows(&store);
    assert!(before.iter().any(|row| row.starts_with('k')));
    let damages = [
        (
            "a description",
            "UPDATE description SET packed = \
            (SELECT packed FROM description WHERE record_id = 99) WHERE record_id IN (7, 305)",
        ),
        (
            "no descriptions",
            "DELETE FROM description WHERE record_id < 50",
        ),
        (
            "keys",
            "DELETE FROM match_key WHERE record_id BETWEEN 300 AND 320;
            INSERT INTO match_key VALUES (77, 3), (1099511627775, 4)",
        ),
        (
            "clusters",
            "DELETE FROM cluster_member WHERE record_id IN (5, 6, 301)",
        ),
        (
            "ranks",
            "UPDATE cluster_member SET rank = 1 - rank WHERE cluster_id IN (1, 2)",
        ),
    ];
    for (case, sql) in damages {
        rusqlite::Connection::open(store.path())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        assert_ne!(rebuilt_rows(&store), before, "{case}");
        store.rebuild_clusters(NOW, |_| ()).unwrap();
        assert_eq!(rebuilt_rows(&store), before, "{case}");
        assert_eq!(
            store.rebuild_clusters(NOW, |_| ()).unwrap().moved,
            0,
            "{case}"
        );
    }
}

#[test]
fn a_second_rebuild_stops_the_first() {
    let (store, ..) = due(100);
    let mut other = None;
    let first = store.rebuild_clusters(NOW, |_| other = Some(store.rebuild_clusters(NOW, |_| ())));
    let error = first.unwrap_err();
    assert!(
        matches!(error, StoreError::RebuiltElsewhere { .. }),
        "{error}"
    );
    assert_eq!(other.unwrap().unwrap().records, 100);
    assert_eq!(store.cluster_state().unwrap(), ClusterState::Current);
}

#[test]
fn a_key_of_too_many_records_is_not_used() {
    let world = World::new(&[]);
    let same = |number: usize| live(&number.to_string(), dc(TITLE, "10.1000/182", ""));
    let largest = || world.reader.cluster_stats().unwrap().largest;
    let as_rebuilt = || world.store.rebuild_clusters(NOW, |_| ()).unwrap().moved == 0;
    world.put("oai_dc", (0..KEY_CAP).map(same).collect());
    assert_eq!(largest(), KEY_CAP as u64);
    let (_, position) = world.changes(None, Per::Record);
    world.put("oai_dc", vec![same(KEY_CAP)]);
    assert_eq!(largest(), 0);
    assert!(as_rebuilt());
    let (changed, _) = world.changes(Some(position), Per::Cluster);
    assert_eq!(changed.len(), KEY_CAP + 1);
    world.put("oai_dc", vec![gone("7")]);
    assert_eq!(largest(), KEY_CAP as u64);
    assert!(as_rebuilt());
}

#[test]
fn changes_of_another_process_are_noticed() {
    let world = World::new(&[]);
    let one = || dc(TITLE, "10.1000/182", "");
    world.put("oai_dc", vec![live("a", one())]);
    let second = Arc::new(Store::open(world.store.path()).unwrap());
    put(&second, "x-oai_dc", vec![live("b", one())]);
    assert_eq!(world.cluster("oai_dc", "a").1.len(), 2);
    world.put("oai_dc", vec![live("c", one())]);
    put(&second, "x-oai_dc", vec![live("d", one())]);
    assert_eq!(world.cluster("oai_dc", "a").1.len(), 4);
}

#[derive(Debug, Clone)]
enum Change {
    /// A record gets the content of a sample, in one of the two formats.
    Put(usize, usize),
    Remove(usize),
    Judge(usize, usize, bool),
    /// Clusters of one of two origins: records, and the cluster of each. Those without a cluster are left out.
    Import(bool, Vec<Option<u8>>),
}

fn a_change(records: usize, samples: usize) -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0..records, 0..samples).prop_map(|(record, sample)| Change::Put(record, sample)),
        1 => (0..records).prop_map(Change::Remove),
        1 => (0..records, 0..records, any::<bool>())
            .prop_filter("two records", |(a, b, _)| a != b)
            .prop_map(|(a, b, must)| Change::Judge(a, b, must)),
        1 => (any::<bool>(), prop::collection::vec(prop::option::of(0..3_u8), records))
            .prop_map(|(origin, clusters)| Change::Import(origin, clusters)),
    ]
}

/// Some articles. Those that describe one work several times come first.
fn few_samples() -> Vec<Sample> {
    let all = samples(400);
    let mut by_title: HashMap<String, Vec<Sample>> = HashMap::new();
    for sample in all {
        let title = sample
            .article
            .title
            .clone()
            .unwrap_or_default()
            .to_lowercase();
        let title = title.trim_end_matches('.').to_owned();
        by_title.entry(title).or_default().push(sample);
    }
    let mut groups: Vec<Vec<Sample>> = by_title.into_values().collect();
    groups.sort_by_key(|group| (usize::MAX - group.len(), group[0].identifier.clone()));
    groups.into_iter().flatten().take(10).collect()
}

/// Makes changes page by page. After each page the clusters must be those of a rebuild, and the documents
/// those of the preferred records.
fn assert_as_rebuilt(changes: &[Vec<Change>]) {
    let samples = few_samples();
    let world = World::new(&["oai_doaj"]);
    let source = |record: usize| {
        if record.is_multiple_of(2) {
            "oai_doaj"
        } else {
            "oai_dc"
        }
    };
    let mut known = BTreeSet::new();
    let (mut documents, mut position) = (BTreeSet::new(), None);
    for page in changes {
        for side in ["oai_doaj", "oai_dc"] {
            let mut records = Vec::new();
            for change in page {
                match change {
                    Change::Put(record, sample) if source(*record) == side => {
                        let metadata = samples[*sample].metadata(side).unwrap();
                        known.insert(*record);
                        records.push(live(&record.to_string(), metadata));
                    }
                    Change::Remove(record) if source(*record) == side => {
                        known.insert(*record);
                        records.push(gone(&record.to_string()));
                    }
                    _ => {}
                }
            }
            if !records.is_empty() {
                world.put(side, records);
            }
        }
        for change in page {
            let Change::Judge(a, b, must) = change else {
                continue;
            };
            if known.contains(a) && known.contains(b) {
                let id = |record: usize| world.id(source(record), &record.to_string());
                let judgement = if *must {
                    Judgement::Join
                } else {
                    Judgement::Split
                };
                world
                    .store
                    .judge(&[(id(*a), id(*b))], judgement, "me", "", NOW)
                    .unwrap();
            }
        }
        for change in page {
            let Change::Import(origin, clusters) = change else {
                continue;
            };
            let mut members: BTreeMap<u8, Vec<RecordId>> = BTreeMap::new();
            for (record, cluster) in clusters.iter().enumerate() {
                if let (Some(cluster), true) = (cluster, known.contains(&record)) {
                    let id = world.id(source(record), &record.to_string());
                    members.entry(*cluster).or_default().push(id);
                }
            }
            let members: Vec<Vec<RecordId>> = members.into_values().collect();
            let origin = if *origin { "one" } else { "other" };
            world.store.import_clusters(origin, &members, NOW).unwrap();
            let again = world.store.import_clusters(origin, &members, NOW);
            assert_eq!(again.unwrap(), Imported::default());
        }
        follow(&world, &mut documents, &mut position);
        let incremental = world.clusters();
        let named = world.reader.clusters(&ClusterFilter::default()).unwrap();
        let rebuilt = world.store.rebuild_clusters(NOW, |_| ()).unwrap();
        assert_eq!(&world.clusters(), &incremental);
        assert_eq!(rebuilt.moved, 0);
        // From nothing.
        let settings = [Clustering::default(), clustering(&["oai_doaj"])];
        for settings in settings {
            world.store.set_clustering(&settings).unwrap();
        }
        let rebuilt = world.store.rebuild_clusters(NOW, |_| ()).unwrap();
        assert_eq!(&world.clusters(), &incremental);
        assert_eq!(rebuilt.moved, 0);
        assert_eq!(
            world.reader.clusters(&ClusterFilter::default()).unwrap(),
            named
        );
        let (all, _) = world.changes(None, Per::Cluster);
        let wanted: BTreeSet<String> = all
            .iter()
            .filter_map(|item| item.strip_prefix('+').map(str::to_owned))
            .collect();
        assert_eq!(&documents, &wanted);
    }
}

/// A record is deleted, its cluster keeps its name, it comes back as another work, and then a person
/// joins it with a member of that cluster.
#[test]
fn a_record_that_comes_back_does_not_share_the_name_of_its_old_cluster() {
    use Change::{Judge, Put, Remove};
    assert_as_rebuilt(&[
        vec![Put(12, 8)],
        vec![Put(0, 8), Put(1, 8)],
        vec![Remove(12)],
        vec![Put(4, 8)],
        vec![
            Put(2, 4),
            Judge(4, 12, true),
            Put(8, 9),
            Put(12, 6),
            Put(8, 3),
        ],
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// After changes in any order, the clusters are those of a rebuild, and a reader of the changes has
    /// one document for each work: that of the preferred record.
    #[test]
    fn single_changes_give_the_clusters_of_a_rebuild(
        changes in proptest::collection::vec(
            proptest::collection::vec(a_change(14, 10), 1..6), 1..8),
    ) {
        assert_as_rebuilt(&changes);
    }

    #[test]
    fn clusters_do_not_depend_on_the_order_of_arrival(
        order in Just((0..60).collect::<Vec<usize>>()).prop_shuffle(),
        pages in 1_usize..20,
    ) {
        let samples = few_samples();
        // Three records of each sample on each side.
        let record = |number: usize| {
            let prefix = if number.is_multiple_of(2) { "oai_doaj" } else { "oai_dc" };
            let metadata = samples[number % samples.len()].metadata(prefix).unwrap();
            (prefix, live(&number.to_string(), metadata))
        };
        let shuffled = World::new(&["oai_doaj"]);
        for page in order.chunks(order.len().div_ceil(pages)) {
            for side in ["oai_doaj", "oai_dc"] {
                let records: Vec<Record> = page
                    .iter()
                    .map(|number| record(*number))
                    .filter(|(prefix, _)| *prefix == side)
                    .map(|(_, record)| record)
                    .collect();
                shuffled.put(side, records);
            }
        }
        let sorted = World::new(&["oai_doaj"]);
        for side in ["oai_dc", "oai_doaj"] {
            let records = (0..60).map(record).filter(|(prefix, _)| *prefix == side);
            sorted.put(side, records.map(|(_, record)| record).collect());
        }
        prop_assert_eq!(shuffled.clusters(), sorted.clusters());
        prop_assert!(sorted.clusters().len() > 1);
    }
}

/// The number of a store's schema.
fn version(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    let read = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    read.unwrap()
}

/// Removes what the schemas after the seventh added, except match keys.
fn remove_newest(connection: &rusqlite::Connection) {
    connection
        .execute_batch(
            "DROP INDEX record_source_version;
             DROP TABLE IF EXISTS job; DROP TABLE gap; DROP TABLE head; DROP TABLE other_state;
             DROP TABLE source_day; DROP TABLE job_day; DROP INDEX pass_start;
             DROP TABLE provider; DROP TABLE source_set_list;
             DROP TABLE imported; DROP TABLE origin; DROP TABLE unclustered;
             DROP TABLE set_name; DROP TABLE harvester;
             DROP TABLE review_pair; DROP TABLE review_rule; DROP TABLE review_cluster; DROP TABLE review;
             ALTER TABLE record DROP COLUMN former_list_id;
             ALTER TABLE record DROP COLUMN listed_in;
             ALTER TABLE pass DROP COLUMN after_version;
             ALTER TABLE window DROP COLUMN failures;
             ALTER TABLE window DROP COLUMN place_datestamp;
             ALTER TABLE window DROP COLUMN place_items;
             UPDATE meta SET key = 'last_version' WHERE key = 'newest_version';",
        )
        .unwrap();
    for table in ["output", "export"] {
        if connection.table_exists(None, table).unwrap() {
            let add = format!(
                "ALTER TABLE {table} ADD COLUMN last_error TEXT;
                 ALTER TABLE {table} ADD COLUMN error_at INTEGER;"
            );
            connection.execute_batch(&add).unwrap();
        }
    }
}

#[test]
fn a_store_of_the_first_schema_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Arc::new(Store::open(&path).unwrap());
    put(
        &store,
        "oai_dc",
        vec![live("a", dc(TITLE, "10.1000/182", ""))],
    );
    drop(store);
    let newest = version(&path);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DROP TABLE dedup; DROP TABLE description; DROP TABLE match_key;
             DROP TABLE cluster; DROP TABLE cluster_member;
             DROP TABLE cluster_redirect; DROP TABLE decision;
             DROP TABLE rejected; DROP TABLE output;
             ALTER TABLE window DROP COLUMN token_at;
             DROP TABLE export; DROP TABLE condition; DROP TABLE alert; PRAGMA user_version = 1;",
        )
        .unwrap();
    remove_newest(&connection);
    drop(connection);
    let store = Store::open_and_migrate(&path).unwrap();
    assert_eq!(version(&path), newest);
    assert_eq!(
        store.set_clustering(&clustering(&[])).unwrap(),
        ClusterState::Due
    );
    assert_eq!(store.rebuild_clusters(NOW, |_| ()).unwrap().described, 1);
    // Its record is found, and is updated when it arrives again.
    let store = Arc::new(store);
    let other = dc(TITLE, "10.1000/183", "");
    put(&store, "oai_dc", vec![live("a", other.clone())]);
    let reader = store.reader().unwrap();
    let found = reader.find("a").unwrap();
    let found: Vec<Option<&String>> = found.iter().map(|found| found.metadata.as_ref()).collect();
    assert_eq!(found, [Some(&other)]);
    assert_eq!(reader.verify(|_| ()).unwrap().faults, [""; 0]);
}

#[test]
fn a_migrated_store_keeps_its_clusters_and_their_names() {
    let World {
        store,
        reader,
        _folder,
    } = World::new(&[]);
    let works = [
        ("a", TITLE, "10.1000/182"),
        ("b", "Quite another one", "10.1000/7"),
    ];
    for source in ["oai_dc", "x-oai_dc"] {
        let records = works.map(|(identifier, title, doi)| live(identifier, dc(title, doi, "")));
        put(&store, source, records.to_vec());
    }
    let path = store.path().to_owned();
    let all = || {
        let reader = Reader::open(&path).unwrap();
        let clusters = reader.clusters(&ClusterFilter::default()).unwrap();
        let named = clusters.into_iter().map(|cluster| {
            let members = cluster.members.into_iter().map(|member| member.identifier);
            (cluster.name.to_string(), members.collect::<Vec<_>>())
        });
        named.collect::<Vec<_>>()
    };
    let before = all();
    assert_eq!(before.len(), 2);
    drop((store, reader));
    let newest = version(&path);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "ALTER TABLE dedup DROP COLUMN indexed_to;
             CREATE TABLE recent_keys (record_id INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
             INSERT INTO match_key VALUES (1, 1); INSERT INTO recent_keys VALUES (2, x'00');
             UPDATE dedup SET rules_version = 1;",
        )
        .unwrap();
    connection.pragma_update(None, "user_version", 5).unwrap();
    remove_newest(&connection);
    drop(connection);

    let store = Arc::new(Store::open_and_migrate(&path).unwrap());
    assert_eq!(version(&path), newest);
    assert_eq!(store.cluster_state().unwrap(), ClusterState::Due);
    assert_eq!(store.rebuild_clusters(NOW, |_| ()).unwrap().moved, 0);
    assert_eq!(store.cluster_state().unwrap(), ClusterState::Current);
    assert_eq!(all(), before);
    // The new index is in use.
    let third = live("c", dc(TITLE, "10.1000/182", ""));
    put(&store, "x-oai_dc", vec![third]);
    let sizes = all().into_iter().map(|(_, members)| members.len());
    assert_eq!(sizes.collect::<BTreeSet<_>>(), BTreeSet::from([2, 3]));
}

#[test]
fn a_store_with_partial_keys_keeps_its_clusters_up_to_date() {
    let World {
        store,
        reader,
        _folder,
    } = World::new(&[]);
    let record = |identifier| live(identifier, dc(TITLE, "10.1000/182", ""));
    put(&store, "oai_dc", vec![record("a")]);
    // The keys are in the table now.
    store.rebuild_clusters(NOW, |_| ()).unwrap();
    let path = store.path().to_owned();
    drop((store, reader));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            // The migration computes the keys again, so the parts can be empty.
            "DROP TABLE match_key;
             CREATE TABLE match_keys (part INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
             INSERT INTO match_keys SELECT value, x'' FROM
                 (WITH RECURSIVE part(value) AS
                     (VALUES (0) UNION ALL SELECT value + 1 FROM part WHERE value < 255)
                  SELECT value FROM part);
             PRAGMA user_version = 6;",
        )
        .unwrap();
    remove_newest(&connection);
    drop(connection);

    let store = Arc::new(Store::open_and_migrate(&path).unwrap());
    assert_eq!(store.cluster_state().unwrap(), ClusterState::Current);
    put(&store, "x-oai_dc", vec![record("b")]);
    let clusters = Reader::open(&path)
        .unwrap()
        .clusters(&ClusterFilter::default())
        .unwrap();
    assert_eq!(clusters.len(), 1);
    assert_eq!(clusters[0].members.len(), 2);
    // A rebuild leaves the clusters as they are.
    assert_eq!(store.rebuild_clusters(NOW, |_| ()).unwrap().moved, 0);
}
