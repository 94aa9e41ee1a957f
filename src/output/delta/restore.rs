//! Reads a table back into an empty store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use delta_kernel::arrow::array::cast::AsArray as _;
use delta_kernel::arrow::array::types::Int64Type;
use delta_kernel::arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::expressions::{Expression, Predicate};
use delta_kernel::schema::StructType;
use delta_kernel::{KernelError, KernelResult, SnapshotRef};
use serde_json::Value;

use super::settings::DeltaSettings;
use super::table::{Table, application};
use super::{RestoreError, RestoreOptions, RestoreReport};
use crate::oai::{Datestamp, Header, Record};
use crate::output::target::OutputError;
use crate::stop::Stop;
use crate::store::{
    Deletion, RestoredRecord, RestoredSource, Restoring, SourceDefinition, Store, Version,
    Watermark,
};

/// States that are stored in one transaction.
const TOGETHER: usize = 2_000;

/// A transaction is stored earlier when its metadata reach this size.
const TOGETHER_BYTES: usize = 16 << 20;

/// The columns that tell what a table has.
const CONTENTS: [&str; 4] = ["store_id", "source", "metadata_prefix", "source_state"];

/// The columns of records.
const RECORDS: [&str; 10] = [
    "store_id",
    "source",
    "identifier",
    "version",
    "datestamp",
    "created_version",
    "deletion",
    "set_specs",
    "metadata",
    "extra",
];

/// What the table has of one source of one store.
#[derive(Debug, Default)]
struct Found {
    metadata_prefix: String,
    /// Its newest state, with the version up to which the changes reach that it speaks of.
    newest: Option<(i64, String)>,
    /// The newest state whose changes the table has all.
    complete: Option<(i64, String)>,
}

/// See [`super::restore`].
pub(super) fn restore(
    store: &Arc<Store>,
    settings: &DeltaSettings,
    options: &RestoreOptions,
    stop: &Stop,
    progress: &dyn Fn(u64),
) -> Result<RestoreReport, RestoreError> {
    let mut restoring = Restoring::begin(Arc::clone(store))?;
    let table = Table::open(settings)?;
    let snapshot = table.snapshot()?.ok_or_else(|| RestoreError::NoTable {
        url: settings.url.to_string(),
    })?;
    let reading = Reading {
        table: &table,
        snapshot,
    };
    let contents = reading.contents(stop)?;
    let store_id = choose(&contents.stores, options)?;
    let found = &contents.stores[&store_id];
    let mut report = RestoreReport {
        store_id: store_id.clone(),
        ..RestoreReport::default()
    };
    let mut restored = Vec::new();
    let wanted: Vec<_> = found
        .iter()
        .filter(|(name, _)| options.sources.is_empty() || options.sources.contains(name))
        .collect();
    for (name, found) in wanted {
        let (definition, state) = parse(name, found, options);
        let Some(definition) = definition else {
            return Err(RestoreError::Unknown(name.clone()));
        };
        restoring.add_source(&definition)?;
        match &state {
            Some(state) if !state.watermarks.is_empty() => {}
            _ => report.without_watermark.push(name.clone()),
        }
        restored.push((name.clone(), state.unwrap_or_default()));
    }
    report.sources = restored.len();
    let names: HashSet<&str> = restored.iter().map(|(name, _)| name.as_str()).collect();
    let mut pending = Pending::default();
    reading.each(&RECORDS, Some(&store_id), |batch| {
        if stop.is_requested() {
            return Err(OutputError::Stopped.into());
        }
        let columns = Columns::of(&batch);
        for at in 0..batch.num_rows() {
            let (source, record) = columns.record(at);
            // The id is compared here too: the storage leaves out whole files alone.
            if columns.store_id(at) != store_id || !names.contains(source) {
                continue;
            }
            let Some(record) = record else { continue };
            report.states += 1;
            if pending.add(source, record) {
                pending.store(&mut restoring)?;
            }
        }
        progress(report.states);
        Ok(())
    })?;
    pending.store(&mut restoring)?;
    let newest = contents.notes.get(&store_id).copied().unwrap_or_default();
    let id = u128::from_str_radix(&store_id, 16).map_err(|_| RestoreError::Damaged {
        url: settings.url.to_string(),
        what: format!("{store_id:?} is not the id of a store"),
    })?;
    restoring.finish(&restored, id.to_be_bytes(), Version(newest))?;
    Ok(report)
}

/// The store that is restored.
fn choose(
    stores: &BTreeMap<String, BTreeMap<String, Found>>,
    options: &RestoreOptions,
) -> Result<String, RestoreError> {
    let has_source = |found: &BTreeMap<String, Found>| {
        let mut sources = options.sources.iter();
        sources.all(|source| found.contains_key(source))
    };
    let is_wanted = |id: &String| options.store_id.as_ref().is_none_or(|wanted| wanted == id);
    let fitting: Vec<&String> = stores
        .iter()
        .filter(|(id, found)| is_wanted(id) && has_source(found))
        .map(|(id, _)| id)
        .collect();
    match fitting.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let known = stores.values().flat_map(BTreeMap::keys);
            let known: HashSet<&String> = known.collect();
            let mut missing = options.sources.iter();
            Err(match missing.find(|source| !known.contains(source)) {
                Some(source) => RestoreError::NoSource(source.clone()),
                None => RestoreError::NoStore(list(stores)),
            })
        }
        _ => Err(RestoreError::SeveralStores(list(stores))),
    }
}

/// The stores of a table, one a line with their sources.
fn list(stores: &BTreeMap<String, BTreeMap<String, Found>>) -> String {
    let mut text = String::new();
    for (id, sources) in stores {
        let names: Vec<&str> = sources.keys().take(5).map(String::as_str).collect();
        let more = if sources.len() > 5 { ", …" } else { "" };
        text += &format!("\n  {id}: {}{more}", names.join(", "));
    }
    text
}

/// The definition of a source, from its newest state or else the configuration, and what it is proven to have,
/// from its newest complete state.
fn parse(
    name: &str,
    found: &Found,
    options: &RestoreOptions,
) -> (Option<SourceDefinition>, Option<RestoredSource>) {
    let read = |state: &Option<(i64, String)>| -> Option<Value> {
        serde_json::from_str(&state.as_ref()?.1).ok()
    };
    let date = |value: &Value| Some(Datestamp::parse(value.as_str()?)?.0);
    let definition = match read(&found.newest) {
        Some(state) => {
            let sets = state["sets"].as_array().into_iter().flatten();
            let sets = sets.filter_map(Value::as_str);
            Some(SourceDefinition {
                name: name.to_owned(),
                base_url: state["base_url"].as_str().unwrap_or_default().to_owned(),
                metadata_prefix: found.metadata_prefix.clone(),
                sets: sets.map(str::to_owned).collect(),
                floor: date(&state["floor"]),
            })
        }
        None => {
            let mut configured = options.configured.iter();
            configured
                .find(|known| known.name == name)
                .map(|known| SourceDefinition {
                    metadata_prefix: found.metadata_prefix.clone(),
                    ..known.clone()
                })
        }
    };
    let restored = read(&found.complete).map(|state| {
        let watermarks = state["watermarks"].as_array().into_iter().flatten();
        let watermarks = watermarks.filter_map(|watermark| {
            Some(Watermark {
                set_spec: watermark["set_spec"].as_str().map(str::to_owned),
                datestamp: date(&watermark["datestamp"])?,
                version: Version(watermark["version"].as_i64()?),
            })
        });
        RestoredSource {
            watermarks: watermarks.collect(),
            traits: serde_json::from_value(state["traits"].clone()).unwrap_or_default(),
        }
    });
    (definition, restored)
}

/// What a table has.
struct Contents {
    stores: BTreeMap<String, BTreeMap<String, Found>>,
    /// The newest note of each store.
    notes: HashMap<String, i64>,
}

fn keep_newer(known: &mut Option<(i64, String)>, (version, state): (i64, &str)) {
    if known.as_ref().is_none_or(|(known, _)| *known < version) {
        *known = Some((version, state.to_owned()));
    }
}

struct Reading<'a> {
    table: &'a Table,
    snapshot: SnapshotRef,
}

impl Reading<'_> {
    /// Looks which sources of which stores the table has. Reads few columns.
    fn contents(&self, stop: &Stop) -> Result<Contents, RestoreError> {
        let mut stores: BTreeMap<String, BTreeMap<String, Found>> = BTreeMap::new();
        let mut notes: HashMap<(String, String), Option<i64>> = HashMap::new();
        self.each(&CONTENTS, None, |batch| {
            if stop.is_requested() {
                return Err(OutputError::Stopped.into());
            }
            let store_ids = texts(&batch, "store_id");
            let sources = texts(&batch, "source");
            let prefixes = texts(&batch, "metadata_prefix");
            let states = batch
                .column_by_name("source_state")
                .expect("the scan has this column")
                .as_struct();
            let field = |name: &str| states.column_by_name(name).expect("the column has it");
            let outputs: &StringArray = field("output").as_string();
            let texts: &StringArray = field("state").as_string();
            let complete: &Int64Array = field("complete_at").as_primitive::<Int64Type>();
            for at in 0..batch.num_rows() {
                let store_id = store_ids.value(at);
                if !stores.contains_key(store_id) {
                    stores.insert(store_id.to_owned(), BTreeMap::new());
                }
                let of_store = stores.get_mut(store_id).expect("it was added above");
                let source = sources.value(at);
                if !of_store.contains_key(source) {
                    of_store.insert(source.to_owned(), Found::default());
                }
                let found = of_store.get_mut(source).expect("it was added above");
                if found.metadata_prefix != prefixes.value(at) {
                    found.metadata_prefix = prefixes.value(at).to_owned();
                }
                if states.is_null(at) {
                    continue;
                }
                let key = (store_id.to_owned(), outputs.value(at).to_owned());
                let note = match notes.get(&key) {
                    Some(note) => *note,
                    None => {
                        let note = self
                            .table
                            .note(&self.snapshot, &application(&key.0, &key.1))?;
                        notes.insert(key, note);
                        note
                    }
                };
                let at_version = complete.value(at);
                let state = (at_version, texts.value(at));
                keep_newer(&mut found.newest, state);
                if note.is_some_and(|note| at_version <= note) {
                    keep_newer(&mut found.complete, state);
                }
            }
            Ok(())
        })?;
        let mut newest: HashMap<String, i64> = HashMap::new();
        for ((store_id, _), note) in notes {
            let known = newest.entry(store_id).or_default();
            *known = (*known).max(note.unwrap_or_default());
        }
        Ok(Contents {
            stores,
            notes: newest,
        })
    }

    /// Calls `each` with all rows of some columns, in no particular order; files without rows of the store are
    /// left out.
    fn each(
        &self,
        columns: &[&str],
        store_id: Option<&str>,
        mut each: impl FnMut(RecordBatch) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let fault = |error: KernelError| RestoreError::from(self.table.fault(&error));
        let rows = self.rows(columns, store_id).map_err(fault)?;
        for rows in rows {
            each(rows.map_err(fault)?)?;
        }
        Ok(())
    }

    fn rows(
        &self,
        columns: &[&str],
        store_id: Option<&str>,
    ) -> KernelResult<impl Iterator<Item = KernelResult<RecordBatch>> + use<>> {
        let schema = self.snapshot.schema();
        let fields = columns.iter().filter_map(|name| schema.field(name));
        let schema = StructType::try_new(fields.cloned())?;
        let predicate = store_id.map(|id| {
            Arc::new(Predicate::eq(
                Expression::column(["store_id"]),
                Expression::literal(id.to_owned()),
            ))
        });
        let scan = Arc::clone(&self.snapshot)
            .scan_builder()
            .with_schema(Arc::new(schema))
            .with_predicate(predicate)
            .build()?;
        let rows = scan.execute(self.table.shared_engine())?;
        Ok(rows.map(|rows| {
            let rows = ArrowEngineData::try_from_engine_data(rows?)?;
            Ok((*rows).into())
        }))
    }
}

/// The states of records that are stored next.
#[derive(Default)]
struct Pending {
    by_source: HashMap<String, Vec<RestoredRecord>>,
    count: usize,
    bytes: usize,
}

impl Pending {
    /// Adds a state. Returns whether they should be stored now.
    fn add(&mut self, source: &str, state: RestoredRecord) -> bool {
        self.count += 1;
        self.bytes += state.record.metadata.as_ref().map_or(0, String::len);
        match self.by_source.get_mut(source) {
            Some(states) => states.push(state),
            None => {
                self.by_source.insert(source.to_owned(), vec![state]);
            }
        }
        self.count >= TOGETHER || self.bytes >= TOGETHER_BYTES
    }

    fn store(&mut self, restoring: &mut Restoring) -> Result<(), RestoreError> {
        for (source, states) in std::mem::take(self).by_source {
            restoring.put(&source, states)?;
        }
        Ok(())
    }
}

/// The columns of a batch of records.
struct Columns<'a> {
    store_id: &'a StringArray,
    source: &'a StringArray,
    identifier: &'a StringArray,
    version: &'a Int64Array,
    datestamp: &'a StringArray,
    created_version: &'a Int64Array,
    deletion: &'a StringArray,
    set_specs: &'a dyn Array,
    metadata: &'a StringArray,
    extra: &'a StringArray,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        Self {
            store_id: texts(batch, "store_id"),
            source: texts(batch, "source"),
            identifier: texts(batch, "identifier"),
            version: numbers(batch, "version"),
            datestamp: texts(batch, "datestamp"),
            created_version: numbers(batch, "created_version"),
            deletion: texts(batch, "deletion"),
            set_specs: &**batch
                .column_by_name("set_specs")
                .expect("the scan has this column"),
            metadata: texts(batch, "metadata"),
            extra: texts(batch, "extra"),
        }
    }

    fn store_id(&self, at: usize) -> &'a str {
        self.store_id.value(at)
    }

    /// The source and the state in a row; `None` if the row says only that the output must not have the record.
    fn record(&self, at: usize) -> (&'a str, Option<RestoredRecord>) {
        let text =
            |column: &StringArray| (!column.is_null(at)).then(|| column.value(at).to_owned());
        let deletion = match text(self.deletion).as_deref() {
            None => None,
            Some("disappeared") => Some(Deletion::Disappeared),
            Some("withheld") => return (self.source.value(at), None),
            Some(_) => Some(Deletion::Declared),
        };
        let lists = self.set_specs.as_list::<i32>();
        let sets = (!lists.is_null(at)).then(|| lists.value(at));
        let set_specs = sets.map_or_else(Vec::new, |sets| {
            let sets: &StringArray = sets.as_string();
            sets.iter().flatten().map(str::to_owned).collect()
        });
        let header = Header {
            identifier: self.identifier.value(at).to_owned(),
            datestamp: self.datestamp.value(at).to_owned(),
            set_specs,
            deleted: deletion.is_some(),
        };
        let state = RestoredRecord {
            record: Record {
                metadata: text(self.metadata),
                extra: text(self.extra),
                ..Record::tombstone(header)
            },
            deletion,
            version: Version(self.version.value(at)),
            created_version: Version(self.created_version.value(at)),
        };
        (self.source.value(at), Some(state))
    }
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> &'a StringArray {
    let column = batch.column_by_name(name);
    column.expect("the scan has this column").as_string()
}

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> &'a Int64Array {
    let column = batch.column_by_name(name);
    column
        .expect("the scan has this column")
        .as_primitive::<Int64Type>()
}
