//! What is in the table is what `export` says: read back by the kernel and by plain parquet.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use delta_kernel::arrow::array::RecordBatch;
use delta_kernel::arrow::json::LineDelimitedWriter;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::settings::DeltaSettings;
use super::table::Table;
use super::{RestoreError, RestoreOptions, RestoreReport, restore};
use crate::clock::Clock;
use crate::end::End;
use crate::harvest::proven;
use crate::oai::{Datestamp, Header, Record};
use crate::output::push::{PushContext, PushOptions, PushReport, push, push_to_table};
use crate::output::target::TableTarget as _;
use crate::output::vufind::DocumentOptions;
use crate::output::{Format, OutputKind, OutputSettings, Rendered, Renderer};
use crate::record::samples;
use crate::stop::{Stop, StopSwitch, stop_switch};
use crate::store::{
    ChangeFilter, Clustering, Ending, NewWindow, PageOrder, PageStep, PassKind, PassPacker,
    PassWriter, SourceDefinition, Span, Step, Store, StoreError, Version,
};

/// A store, and an output to a table.
struct Scene {
    settings: OutputSettings,
    context: PushContext,
    /// The time in milliseconds since 1970. Each page is stored a second later.
    now_ms: i64,
    folder: TempDir,
    _switch: StopSwitch,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = Url::from_directory_path(folder.path().join("table")).unwrap();
        Self::at(folder, table)
    }

    fn at(folder: TempDir, table: Url) -> Self {
        let kind = OutputKind::Delta(Box::new(DeltaSettings::new(table)));
        let settings = OutputSettings {
            batch_documents: 4,
            ..OutputSettings::new("lake", kind)
        };
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let (switch, stop) = stop_switch();
        Self {
            settings,
            context: context(Arc::new(store), stop),
            now_ms: 1_780_272_000_000,
            folder,
            _switch: switch,
        }
    }

    /// Ten articles in sets, a tombstone, and a record that cannot be read.
    fn filled() -> Self {
        let mut scene = Self::new();
        scene.put_articles("doaj");
        let tombstone = Record::tombstone(header("oai:doaj.org/article:gone", true, &[]));
        let broken = Record {
            metadata: Some("<doajArticle><title>cut".to_owned()),
            ..Record::tombstone(header("oai:doaj.org/article:broken", false, &["b"]))
        };
        scene.store("doaj", vec![tombstone, broken]);
        scene
    }

    fn put_articles(&mut self, source: &str) {
        let page = include_str!("../../../tests/fixtures/oai_doaj-2017-ten.xml");
        let records = samples::records(page).into_iter().map(|sample| Record {
            metadata: Some(sample.metadata),
            extra: Some("<about xmlns=\"http://www.openarchives.org/OAI/2.0/\"/>".to_owned()),
            ..Record::tombstone(Header {
                datestamp: sample.datestamp,
                ..header(&sample.identifier, false, &["a", "b:c"])
            })
        });
        self.store(source, records.collect());
    }

    /// Stores records of a source as a pass of its own, which proves a watermark.
    fn store(&mut self, source: &str, records: Vec<Record>) {
        self.now_ms += 1000;
        let store = &self.context.store;
        let definition = SourceDefinition {
            name: source.to_owned(),
            base_url: format!("http://{source}.example/oai"),
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
                PassKind::Since,
                true,
                true,
                &[whole],
                self.now_ms,
            )
            .unwrap();
        let step = PageStep {
            window: store.pending_windows(pass).unwrap()[0].id,
            order: PageOrder::First {
                bound: Some(Datestamp::from_unix(self.now_ms / 1000)),
            },
            records,
            ending: Some(Ending::Complete),
            ..PageStep::default()
        };
        let mut packer = PassPacker::new(Arc::clone(store), source.id, "oai_doaj").unwrap();
        let packed = packer.pack(Step::Page(step)).unwrap();
        PassWriter::new(Arc::clone(store), source.id, pass, proven)
            .apply(&[packed], self.now_ms)
            .unwrap();
    }

    async fn push(&self) -> PushReport {
        self.push_with(&PushOptions::default()).await
    }

    async fn push_with(&self, options: &PushOptions) -> PushReport {
        let report = push(&self.context, &self.settings, options).await.unwrap();
        assert_eq!((&report.end, report.behind), (&End::Complete, 0));
        report
    }

    fn table(&self) -> &DeltaSettings {
        let OutputKind::Delta(table) = &self.settings.kind else {
            panic!("the output is a table");
        };
        table
    }

    /// The rows of the table as the kernel reads them, each as JSON.
    async fn rows(&self) -> Vec<Value> {
        let settings = self.table().clone();
        blocking(move || {
            let table = Table::open(&settings).unwrap();
            let Some(snapshot) = table.snapshot().unwrap() else {
                return Vec::new();
            };
            let scan = snapshot.scan_builder().build().unwrap();
            let rows = scan.execute(table.shared_engine()).unwrap();
            rows.flat_map(|rows| {
                let rows = ArrowEngineData::try_from_engine_data(rows.unwrap()).unwrap();
                as_json(rows.record_batch())
            })
            .collect()
        })
        .await
    }

    /// The newest row of each record, in the form of a line of the JSONL export, by source and identifier.
    async fn newest(&self) -> BTreeMap<(String, String), Value> {
        let mut newest: BTreeMap<(String, String), Value> = BTreeMap::new();
        for row in self.rows().await {
            let key = |name: &str| row[name].as_str().unwrap().to_owned();
            let line = as_line(&row);
            let known = newest
                .entry((key("source"), key("identifier")))
                .or_insert_with(|| line.clone());
            if known["version"].as_i64() < line["version"].as_i64() {
                *known = line;
            }
        }
        newest
    }

    fn exported(&self) -> BTreeMap<(String, String), Value> {
        exported(&self.context.store)
    }

    /// Commits of the table, besides the one that created it.
    fn commits(&self) -> usize {
        let log = self.folder.path().join("table/_delta_log");
        let files = std::fs::read_dir(log).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json")).count() - 1
    }

    /// Restores the table into a new store.
    async fn restore(
        &self,
        options: RestoreOptions,
    ) -> (Result<RestoreReport, RestoreError>, Arc<Store>) {
        let path = self.folder.path().join("restored.db");
        let store = Arc::new(Store::open(&path).unwrap());
        let (settings, stop) = (self.table().clone(), self.context.stop.clone());
        let into = Arc::clone(&store);
        let report = blocking(move || restore(&into, &settings, &options, &stop, &|_| {})).await;
        (report, store)
    }
}

fn context(store: Arc<Store>, stop: Stop) -> PushContext {
    PushContext {
        store,
        clock: Clock::System,
        stop,
        progress: Arc::new(|_| {}),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn header(identifier: &str, deleted: bool, sets: &[&str]) -> Header {
    Header {
        identifier: identifier.to_owned(),
        datestamp: "2026-01-01T00:00:00Z".to_owned(),
        set_specs: sets.iter().map(|&set| set.to_owned()).collect(),
        deleted,
    }
}

fn as_json(rows: &RecordBatch) -> Vec<Value> {
    let mut text = Vec::new();
    LineDelimitedWriter::new(&mut text).write(rows).unwrap();
    let lines = std::str::from_utf8(&text).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A row as a line of the JSONL export, without `article`.
fn as_line(row: &Value) -> Value {
    let mut resource = row["resource"].clone();
    if let Some(further) = resource["further"].as_str() {
        resource["further"] = serde_json::from_str(further).unwrap();
    }
    let mut line = json!({
        "source": row["source"],
        "identifier": row["identifier"],
        "datestamp": row["datestamp"],
        "deleted": row["deleted"],
        "version": row["version"],
        "metadata_prefix": row["metadata_prefix"],
        "set_specs": row["set_specs"],
        "schema_version": row["schema_version"],
        "resource": resource,
    });
    if row["error"].is_string() {
        line["error"] = row["error"].clone();
    }
    line
}

/// The lines of the JSONL export, without `article`.
fn exported(store: &Store) -> BTreeMap<(String, String), Value> {
    let documents = DocumentOptions::default();
    let renderer = Renderer {
        format: Format::Jsonl,
        documents: &documents,
        enrich: &[],
        changes: false,
    };
    let mut lines = BTreeMap::new();
    let each = |record: crate::store::StoredRecord| {
        let mut text = Vec::new();
        assert_ne!(renderer.push(&record, &mut text), Rendered::LeftOut);
        let mut line: Value = serde_json::from_slice(&text).unwrap();
        line.as_object_mut().unwrap().shift_remove("article");
        lines.insert((record.source, record.identifier), line);
        std::ops::ControlFlow::Continue(())
    };
    let reader = store.reader().unwrap();
    reader.changes(&ChangeFilter::default(), each).unwrap();
    lines
}

#[tokio::test]
async fn the_table_has_what_export_says() {
    let mut scene = Scene::filled();
    let report = scene.push().await;
    assert_eq!((report.progress.added, report.progress.deleted), (11, 1));
    assert_eq!(scene.newest().await, scene.exported());
    assert_eq!((scene.rows().await.len(), scene.commits()), (12, 1));

    // A change is a new row; nothing else is written again.
    let gone = header("oai:doaj.org/article:broken", true, &[]);
    scene.store("doaj", vec![Record::tombstone(gone)]);
    let report = scene.push().await;
    assert_eq!((report.progress.added, report.progress.deleted), (0, 1));
    assert_eq!(scene.newest().await, scene.exported());
    assert_eq!((scene.rows().await.len(), scene.commits()), (13, 2));

    // Without changes there is no commit.
    scene.push().await;
    assert_eq!(scene.commits(), 2);
}

#[tokio::test]
async fn plain_parquet_readers_find_the_rows() {
    let scene = Scene::filled();
    scene.push().await;
    let mut count = 0;
    for file in std::fs::read_dir(scene.folder.path().join("table")).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            let file = std::fs::File::open(path).unwrap();
            let rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            for rows in rows.build().unwrap() {
                for row in as_json(&rows.unwrap()) {
                    let key = (row["source"].as_str(), row["identifier"].as_str());
                    let key = (key.0.unwrap().to_owned(), key.1.unwrap().to_owned());
                    assert_eq!(as_line(&row), scene.exported()[&key]);
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 12);
}

#[tokio::test]
async fn rows_have_what_is_beside_the_record() {
    let mut scene = Scene::new();
    let clustering = Clustering {
        enabled: true,
        ..Clustering::default()
    };
    scene.context.store.set_clustering(&clustering).unwrap();
    scene.put_articles("doaj");
    scene.put_articles("copy");
    scene.push().await;
    let rows = scene.rows().await;
    let id = scene
        .context
        .store
        .reader()
        .unwrap()
        .serving_state()
        .unwrap()
        .store_id;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut clusters: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for row in &rows {
        assert_eq!(row["store_id"], id);
        assert!(row["metadata"].as_str().unwrap().starts_with('<'), "{row}");
        assert!(row["extra"].as_str().unwrap().starts_with("<about"));
        assert!(!row["match_keys"].as_array().unwrap().is_empty());
        let state = &row["source_state"];
        assert_eq!(state["output"], "lake");
        assert!(
            state["watermark"].as_str().unwrap().starts_with("20"),
            "{state}"
        );
        let members = clusters
            .entry(row["cluster_id"].as_str().unwrap())
            .or_default();
        members.push(row["is_canonical"].as_bool().unwrap());
    }
    // The copies changed the clusters of the originals, so these have changed too.
    assert_eq!(clusters.len(), 10);
    for members in clusters.values() {
        assert!(members.contains(&true) && members.contains(&false));
    }
}

#[tokio::test]
async fn a_push_killed_after_its_commit_sends_nothing_twice() {
    let mut scene = Scene::filled();
    scene.push().await;
    scene.put_articles("other");
    let store = Arc::clone(&scene.context.store);
    let before = store.reader().unwrap().output("lake").unwrap().unwrap();
    scene.push().await;
    let (rows, commits) = (scene.rows().await.len(), scene.commits());
    // As if the position had not been stored.
    store.set_position(before.id, before.position).unwrap();
    let report = scene.push().await;
    assert_eq!((report.progress.done, report.progress.total), (0, 0));
    assert_eq!((scene.rows().await.len(), scene.commits()), (rows, commits));
    let after = store.reader().unwrap().output("lake").unwrap().unwrap();
    assert!(after.position > before.position);

    // A table that was lost gets everything again, whatever the position says.
    std::fs::remove_dir_all(scene.folder.path().join("table")).unwrap();
    scene.push().await;
    assert_eq!(scene.newest().await, scene.exported());
}

#[tokio::test]
async fn everything_is_sent_again_on_demand_and_with_new_settings() {
    let mut scene = Scene::filled();
    scene.push().await;
    let again = PushOptions {
        from: Some(Version::default()),
        ..PushOptions::default()
    };
    scene.push_with(&again).await;
    assert_eq!(scene.rows().await.len(), 24);
    assert_eq!(scene.newest().await, scene.exported());

    // Only the note went back; then the process was killed.
    let settings = scene.settings.clone();
    let id = scene
        .context
        .store
        .reader()
        .unwrap()
        .serving_state()
        .unwrap()
        .store_id;
    blocking(move || {
        let mut table = Table::connect(&table_of(&settings), &settings, stop_switch().1).unwrap();
        table.begin(&id, 0).unwrap();
        table.commit(Version::default()).unwrap();
    })
    .await;
    scene.push().await;
    assert_eq!(scene.rows().await.len(), 36);

    scene
        .settings
        .sets
        .insert("doaj".to_owned(), vec!["a".to_owned()]);
    let report = scene.push().await;
    assert!(report.starts_over);
    let withheld = |row: &&Value| row["deletion"] == "withheld";
    assert_eq!(scene.rows().await.iter().filter(withheld).count(), 1);
}

fn table_of(settings: &OutputSettings) -> DeltaSettings {
    match &settings.kind {
        OutputKind::Delta(table) => (**table).clone(),
        _ => panic!("the output is a table"),
    }
}

#[tokio::test]
async fn long_pushes_write_several_files_and_commits() {
    let mut scene = Scene::new();
    for number in 0..6 {
        scene.put_articles(&format!("source-{number}"));
    }
    let settings = scene.settings.clone();
    let store = Arc::clone(&scene.context.store);
    let mut table = Table::connect(&table_of(&settings), &settings, stop_switch().1).unwrap();
    // Every batch fills a file.
    table.set_file_bytes(1);
    let context = scene.context.clone();
    let report = push_to_table(&context, &settings, Box::new(|| Ok(Box::new(table))))
        .await
        .unwrap();
    assert_eq!(report.end, End::Complete);
    assert_eq!(report.progress.added, 60);
    // 60 records in batches of four are 15 files, four of which are a commit.
    assert_eq!(scene.commits(), 4);
    let parquet = std::fs::read_dir(scene.folder.path().join("table")).unwrap();
    let parquet = parquet.filter(|file| file.as_ref().unwrap().path().extension().is_some());
    assert_eq!(parquet.count(), 15);
    assert_eq!(scene.newest().await, exported(&store));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_write_one_table_at_the_same_time() {
    let mut one = Scene::new();
    let table = one.table().url.clone();
    let mut other = Scene::at(tempfile::tempdir().unwrap(), table);
    for round in 0..4 {
        one.put_articles(&format!("one-{round}"));
        other.put_articles(&format!("other-{round}"));
        let (a, b) = tokio::join!(one.push(), other.push());
        assert_eq!((a.progress.added, b.progress.added), (10, 10));
    }
    assert_eq!(one.commits(), 8);
    let mut expected = one.exported();
    expected.extend(other.exported());
    assert_eq!(one.newest().await, expected);
    assert_eq!(one.rows().await.len(), 80);

    // Which of the two is restored has to be said.
    let (refused, _) = one.restore(RestoreOptions::default()).await;
    assert!(
        matches!(refused, Err(RestoreError::SeveralStores(_))),
        "{refused:?}"
    );
    let by_source = RestoreOptions {
        sources: vec!["other-1".to_owned()],
        ..RestoreOptions::default()
    };
    let (report, store) = one.restore(by_source).await;
    assert_eq!(report.unwrap().states, 10);
    let of_source = |(key, _): &(&(String, String), &Value)| key.0 == "other-1";
    let expected = other.exported();
    let restored = exported(&store);
    assert!(restored.iter().eq(expected.iter().filter(of_source)));
}

#[tokio::test]
async fn a_copy_of_a_store_cannot_write_under_the_same_name() {
    let mut scene = Scene::filled();
    let settings = scene.settings.clone();
    let store_id = scene
        .context
        .store
        .reader()
        .unwrap()
        .serving_state()
        .unwrap()
        .store_id;
    let begin = |settings: OutputSettings| {
        blocking(move || {
            let mut table =
                Table::connect(&table_of(&settings), &settings, stop_switch().1).unwrap();
            table.begin(&store_id, 0).unwrap();
            table
        })
    };
    let mut slow = begin(settings).await;
    scene.put_articles("other");
    scene.push().await;
    let error = blocking(move || slow.commit(Version(1))).await.unwrap_err();
    assert!(
        error.to_string().contains("a copy of this store"),
        "{error}"
    );
}

#[tokio::test]
async fn a_restored_store_is_as_the_lost_one() {
    let mut scene = Scene::filled();
    scene.push().await;
    let gone = header("oai:doaj.org/article:broken", true, &[]);
    scene.store("doaj", vec![Record::tombstone(gone)]);
    scene.put_articles("second");
    scene.push().await;
    let (report, store) = scene.restore(RestoreOptions::default()).await;
    let report = report.unwrap();
    assert_eq!((report.sources, report.states), (2, 23));
    assert_eq!(report.without_watermark, [""; 0]);
    assert_eq!(exported(&store), scene.exported());

    let (old, new) = (
        scene.context.store.reader().unwrap(),
        store.reader().unwrap(),
    );
    let (old_state, new_state) = (old.serving_state().unwrap(), new.serving_state().unwrap());
    assert_eq!(new_state.store_id, old_state.store_id);
    assert_eq!(new_state.newest, old_state.newest);
    for (was, is) in old.sources().unwrap().iter().zip(new.sources().unwrap()) {
        assert_eq!((&is.name, &is.base_url), (&was.name, &was.base_url));
        assert_eq!(is.watermarks, was.watermarks);
        assert_eq!(
            (is.live_records, is.deleted_records),
            (was.live_records, was.deleted_records)
        );
        assert_eq!(is.traits, was.traits);
    }
    let all = |store: &Store| {
        let mut records = Vec::new();
        let each = |mut record: crate::store::StoredRecord| {
            record.number = 0;
            records.push(record);
            std::ops::ControlFlow::Continue(())
        };
        let reader = store.reader().unwrap();
        reader.changes(&ChangeFilter::default(), each).unwrap();
        records
    };
    assert_eq!(all(&store), all(&scene.context.store));

    // The next push goes on where the lost store stopped.
    let mut next = Scene::at(tempfile::tempdir().unwrap(), scene.table().url.clone());
    next.context = context(Arc::clone(&store), next.context.stop.clone());
    next.now_ms = scene.now_ms + 60_000;
    assert_eq!(next.push().await.progress.done, 0);
    next.put_articles("third");
    assert_eq!(next.push().await.progress.added, 10);
    assert_eq!(scene.newest().await, next.exported());

    // Nothing is restored over records.
    let (refused, _) = scene.restore(RestoreOptions::default()).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, RestoreError::Store(StoreError::NotEmpty { .. })),
        "{refused}"
    );
}

#[tokio::test]
async fn an_interrupted_push_restores_no_watermark_beyond_it() {
    let mut scene = Scene::new();
    scene.put_articles("doaj");
    let settings = scene.settings.clone();
    let mut table = Table::connect(&table_of(&settings), &settings, stop_switch().1).unwrap();
    table.set_file_bytes(1);
    // The push stops after a commit of four files with four records, before the rest.
    scene.put_articles("more");
    let stopped = {
        let (switch, stop) = stop_switch();
        let mut context = context(Arc::clone(&scene.context.store), stop);
        context.progress = Arc::new(move |progress| {
            if progress.added > 0 {
                switch.stop();
            }
        });
        push_to_table(&context, &settings, Box::new(|| Ok(Box::new(table))))
            .await
            .unwrap()
    };
    assert!(
        matches!(stopped.end, End::Incomplete(_)),
        "{:?}",
        stopped.end
    );
    assert!(stopped.behind > 0);
    let (report, store) = scene.restore(RestoreOptions::default()).await;
    assert_eq!(report.unwrap().without_watermark, ["doaj", "more"]);
    for source in store.reader().unwrap().sources().unwrap() {
        assert_eq!(source.watermarks, []);
    }
    scene.push().await;
    assert_eq!(scene.newest().await, scene.exported());
}

#[tokio::test]
async fn a_table_of_another_program_is_refused() {
    let scene = Scene::filled();
    let log = scene.folder.path().join("table/_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    write_commit(&log);
    let report = push(&scene.context, &scene.settings, &PushOptions::default())
        .await
        .unwrap();
    let End::Failed(why) = report.end else {
        panic!("{:?}", report.end);
    };
    assert!(why.contains("no column store_id"), "{why}");
    let (_, stop) = stop_switch();
    let problems = crate::output::check(&scene.settings, &stop).await.unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

/// The first commit of a table with one column.
fn write_commit(log: &Path) {
    let schema = json!({"type": "struct", "fields": [
        {"name": "n", "type": "long", "nullable": true, "metadata": {}}]});
    let actions = [
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.to_string(), "partitionColumns": [], "configuration": {}}}),
    ];
    let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
    std::fs::write(log.join("00000000000000000000.json"), lines.join("\n")).unwrap();
}
