//! The search index: which searches find a record, and that the index follows the store.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use harvestd::demo::{Sample, Size, articles};
use harvestd::harvest::proven;
use harvestd::oai::Record;
use harvestd::oai::response::Header;
use harvestd::store::{
    FoundBy, MatchCounts, NewWindow, PageStep, PassKind, PassPacker, PassWriter, Query, Reader,
    SearchIndex, SourceDefinition, Span, Step, Store, StoredRecord,
};

const NOW: i64 = 1_780_272_000_000;

struct World {
    store: Arc<Store>,
    reader: Reader,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(Store::open(&path).unwrap());
        Self {
            reader: Reader::open(&path).unwrap(),
            store,
            path,
            _folder: folder,
        }
    }

    /// Stores a page of DOAJ's articles.
    fn put(&self, records: Vec<Record>) {
        self.put_into("a", records);
    }

    fn put_into(&self, name: &str, records: Vec<Record>) {
        let definition = SourceDefinition {
            name: name.to_owned(),
            base_url: format!("http://{name}.example/oai"),
            metadata_prefix: "oai_doaj".to_owned(),
            sets: Vec::new(),
            floor: None,
        };
        let (source, _) = self.store.register_source(&definition).unwrap();
        let whole = NewWindow {
            set_spec: None,
            span: Span::default(),
        };
        let pass = self
            .store
            .begin_pass(source.id, PassKind::Full, false, true, &[whole], NOW)
            .unwrap();
        let page = PageStep {
            window: self.store.pending_windows(pass).unwrap()[0].id,
            records,
            ..PageStep::default()
        };
        let mut packer = PassPacker::new(Arc::clone(&self.store), source.id, "oai_doaj").unwrap();
        let packed = packer.pack(Step::Page(page)).unwrap();
        let mut writer = PassWriter::new(Arc::clone(&self.store), source.id, pass, proven);
        writer.apply(&[packed], NOW).unwrap();
    }

    /// Brings the index up to date, in steps of 7 records; gives the number of records that it read.
    fn follow(&self) -> u64 {
        let mut index = SearchIndex::open(&self.path).unwrap();
        let mut records = 0;
        loop {
            let step = index.follow(&self.reader, 7).unwrap();
            records += step.records;
            if step.done {
                assert_eq!(step.position, self.reader.last_version().unwrap());
                return records;
            }
        }
    }

    /// The found identifiers, each with the field that matched.
    fn search(&self, text: &str) -> Vec<(FoundBy, String)> {
        self.ask(text, true)
    }

    fn ask(&self, text: &str, use_index: bool) -> Vec<(FoundBy, String)> {
        let query = Query {
            text: text.to_owned(),
            most: 20,
            ..Query::default()
        };
        let show = |by, record: StoredRecord| (by, record.identifier);
        self.reader.search(&query, use_index, show).unwrap().records
    }
}

fn live(identifier: &str, metadata: String) -> Record {
    Record {
        metadata: Some(metadata),
        ..Record::tombstone(header(identifier, false))
    }
}

fn header(identifier: &str, deleted: bool) -> Header {
    Header {
        identifier: identifier.to_owned(),
        datestamp: "2026-05-01T00:00:00Z".to_owned(),
        set_specs: Vec::new(),
        deleted,
    }
}

fn article(identifier: &str, title: &str, doi: &str) -> Record {
    let metadata = format!("<doajArticle><title>{title}</title><doi>{doi}</doi></doajArticle>");
    live(identifier, metadata)
}

#[test]
fn all_that_match_are_counted_and_can_be_chosen_by_source() {
    let world = World::new();
    let heat = |number: u32| {
        let doi = format!("10.1000/heat.{number}");
        article(
            &format!("oai:x:{number}"),
            &format!("Heat of the kind {number}"),
            &doi,
        )
    };
    world.put_into("early", (0..7).map(heat).collect());
    world.put_into("late", (100..330).map(heat).collect());
    world.put_into(
        "other",
        vec![article("oai:x:999", "Light", "10.1000/light")],
    );
    world.follow();
    let search = |text: &str, source: Option<&str>, deleted| {
        let query = Query {
            text: text.to_owned(),
            most: 20,
            source: source.map(str::to_owned),
            deleted,
            counts: true,
            ..Query::default()
        };
        let show = |_, record: StoredRecord| record.source;
        world.reader.search(&query, true, show).unwrap()
    };
    let counts = |early, late| {
        let group = |name: &str, count| ((name.to_owned(), false), count);
        MatchCounts {
            groups: [group("early", early), group("late", late)].into(),
            more: false,
        }
    };
    for (source, deleted, sources, more) in [
        (None, None, vec!["late"; 20], true),
        (Some("late"), Some(false), vec!["late"; 20], true),
        // All of these are older than the newest 20.
        (Some("early"), None, vec!["early"; 7], false),
        (Some("early"), Some(true), vec![], false),
        (Some("other"), None, vec![], false),
    ] {
        let found = search("heat kind", source, deleted);
        assert_eq!(found.records, sources, "{source:?}");
        assert_eq!(found.more, more, "{source:?}");
        assert_eq!(found.counts, Some(counts(7, 230)), "{source:?}");
    }
    let one = search("oai:x:3", None, None);
    assert_eq!(one.records, ["early"]);
    assert_eq!(one.counts.unwrap().groups.len(), 1);
    // Who does not ask for counts gets none, and the filter all the same.
    let query = Query {
        text: "heat".to_owned(),
        most: 20,
        source: Some("early".to_owned()),
        ..Query::default()
    };
    let found = world.reader.search(&query, true, |_, _| ()).unwrap();
    assert_eq!((found.records.len(), found.counts), (7, None));
}

#[test]
fn records_are_found_by_identifier_doi_and_title() {
    let world = World::new();
    world.put(vec![
        article(
            "oai:doaj.org/article:AB12",
            "Über die Wärme &amp; &lt;i&gt;das&lt;/i&gt; Licht",
            "https://doi.org/10.1000/Heat.1",
        ),
        article(
            "oai:b.org:10/heat.2",
            "Light and heat: a study",
            "10.1000/light.2",
        ),
        article("oai:b.org:10/heat.3", "A study of light, and of heat", ""),
        article("oai:b.org:77", "学术出版的未来", ""),
        live("oai:b.org:78", "<nothing of ours/>".to_owned()),
    ]);
    assert_eq!(world.follow(), 5);
    let by = |by: FoundBy, identifiers: &[&str]| -> Vec<(FoundBy, String)> {
        let each = identifiers.iter();
        each.map(|identifier| (by, (*identifier).to_owned()))
            .collect()
    };
    let (first, second, third) = (
        "oai:doaj.org/article:AB12",
        "oai:b.org:10/heat.2",
        "oai:b.org:10/heat.3",
    );
    let cases = [
        ("identifier", second, by(FoundBy::Identifier, &[second])),
        ("end of it", "ab12", by(FoundBy::LastPart, &[first])),
        (
            "page of the article",
            "https://doaj.org/article/ab12",
            by(FoundBy::LastPart, &[first]),
        ),
        ("a number", "78", by(FoundBy::LastPart, &["oai:b.org:78"])),
        ("DOI", "10.1000/heat.1", by(FoundBy::Doi, &[first])),
        (
            "DOI as a link",
            " https://doi.org/10.1000/HEAT.1 ",
            by(FoundBy::Doi, &[first]),
        ),
        ("another DOI", "10.1000/heat.9", vec![]),
        (
            "words, newest first",
            "heat light",
            by(FoundBy::Title, &[third, second]),
        ),
        (
            "the whole title comes first",
            "LIGHT and Heat - a study",
            by(FoundBy::Title, &[second, third]),
        ),
        (
            "accents and markup",
            "uber das warme",
            by(FoundBy::Title, &[first]),
        ),
        (
            "beginning of the last word",
            "uber warm",
            by(FoundBy::Title, &[first]),
        ),
        (
            "long enough a beginning",
            "stud",
            by(FoundBy::Title, &[third, second]),
        ),
        ("not in the title", "heat death", vec![]),
        (
            "part of a Chinese title",
            "出版",
            by(FoundBy::Title, &["oai:b.org:77"]),
        ),
        ("nothing", "  ", vec![]),
        ("signs alone", "\"*' OR (", vec![]),
        ("the language of the index", "heat NOT light", vec![]),
    ];
    for (case, text, expected) in cases {
        assert_eq!(world.search(text), expected, "{case}");
    }
    assert_eq!(
        world.ask("heat light", false),
        vec![],
        "without the index, only identifiers are looked for"
    );
    assert_eq!(world.ask(third, false), by(FoundBy::Identifier, &[third]));
}

#[test]
fn words_are_found_with_and_without_what_an_apostrophe_parts() {
    let world = World::new();
    world.put(vec![
        article("oai:b.org:1", "L'étude des cœurs", ""),
        article("oai:b.org:2", "Qu’est-ce que l’eau ?", ""),
        article("oai:b.org:3", "The rat's heart", ""),
    ]);
    assert_eq!(world.follow(), 3);
    for (text, number) in [
        ("étude", 1),
        ("L'étude", 1),
        ("l’étude coeurs", 1),
        ("letude", 1),
        ("eau", 2),
        ("est ce que", 2),
        ("rats", 3),
        ("rat heart", 3),
    ] {
        let found = world.search(text);
        assert_eq!(
            found,
            [(FoundBy::Title, format!("oai:b.org:{number}"))],
            "{text}"
        );
    }
}

#[test]
fn the_index_follows_changes_and_deletions() {
    let world = World::new();
    world.put(vec![
        article("oai:x:1", "Old words", "10.1/old"),
        article("oai:x:2", "Other words", "10.1/other"),
    ]);
    assert_eq!(world.follow(), 2);
    world.put(vec![
        article("oai:x:1", "New words", "10.1/new"),
        Record::tombstone(header("oai:x:2", true)),
    ]);
    // Before the index is updated, a record that no longer matches is not shown.
    assert_eq!(world.search("old words"), vec![]);
    assert_eq!(world.search("10.1/other"), vec![]);
    let query = Query::default();
    let state = world
        .reader
        .search(&query, true, |_, _| ())
        .unwrap()
        .index
        .unwrap();
    assert_eq!(state.behind, 2);
    assert_eq!(world.follow(), 2);
    assert_eq!(world.search("words").len(), 1);
    assert_eq!(world.search("10.1/new").len(), 1);
    assert_eq!(world.search("10.1/old"), vec![]);
    // A tombstone still has an identifier.
    assert_eq!(world.search("oai:x:2").len(), 1);
    assert_eq!(world.follow(), 0);
}

#[test]
fn a_lost_damaged_or_foreign_index_is_rebuilt() {
    let world = World::new();
    world.put(vec![article("oai:x:1", "Some words", "10.1/x")]);
    assert_eq!(world.follow(), 1);
    let index = world.path.with_file_name("store.db.search");
    std::fs::write(&index, "no database at all, but long enough to look at").unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(world.path.with_file_name(format!("store.db.search{end}")));
    }
    assert_eq!(world.follow(), 1, "damaged");
    assert_eq!(world.search("some words").len(), 1);
    std::fs::remove_file(&index).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(world.path.with_file_name(format!("store.db.search{end}")));
    }
    assert_eq!(world.search("some words"), vec![], "lost");
    assert_eq!(world.follow(), 1, "lost");
    world.store.set_meta_value("spread_seed", Some(5)).unwrap();
    assert_eq!(world.follow(), 1, "of another store");
    assert_eq!(world.follow(), 0);
}

#[test]
fn every_article_is_found_by_each_of_its_identifiers() {
    let world = World::new();
    let samples: Vec<Sample> = articles(300, 5, Size::Bytes(2_000)).collect();
    let records = samples
        .iter()
        .map(|sample| live(&sample.identifier, sample.metadata("oai_doaj").unwrap()));
    world.put(records.collect());
    assert_eq!(world.follow(), 300);
    let mut by_doi = 0;
    for sample in &samples {
        let found = |text: &str| -> BTreeSet<String> {
            let found = world.search(text).into_iter();
            found.map(|(_, identifier)| identifier).collect()
        };
        let end = sample.identifier.rsplit(':').next().unwrap();
        assert!(found(end).contains(&sample.identifier), "{end}");
        if let Some(title) = &sample.article.title {
            assert!(found(title).contains(&sample.identifier), "{title}");
        }
        if let Some(doi) = &sample.article.doi
            && harvestd::record::doi::normalise(doi).is_some()
        {
            by_doi += 1;
            assert!(found(doi).contains(&sample.identifier), "{doi}");
        }
    }
    assert!(by_doi > 100, "{by_doi}");
}
