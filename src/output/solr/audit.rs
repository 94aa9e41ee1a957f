//! Whether an index is as the store is: what is missing in it, surplus or outdated.
//!
//! The index is read once in the order of ids, and each id is looked up in the store; then the
//! store's records that did not come up are looked up in the index. What seems wrong is asked for
//! again by its id, which answers for what is not yet visible to searches too. Memory is one bit
//! for each record.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::batch::{self, Change};
use super::check::Schema;
use super::client::{Client, SolrError};
use super::deliver::{DeliverError, Delivered, Streak, deliver, is_taken};
use super::parts::{Bits, documents, escape, family, values};
use super::push::{Probes, find_probes};
use super::settings::SolrSettings;
use crate::clock::Clock;
use crate::output::vufind::Command;
use crate::store::{
    Delivery, Output, Reader, RecordState, RejectedDocument, Store, StoreError, StoredRecord,
};

/// Documents in one page of the index. Each page costs the index a look at all ids, however few it asks for.
const PAGE: usize = 5000;

/// Documents that are asked for by their ids in one request.
const GROUP: usize = 250;

/// Examples that are shown of each kind.
const EXAMPLES: usize = 20;

/// More kinds of ids than this are no kinds.
const MAX_PREFIXES: usize = 100;

/// Why an audit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index cannot be asked.
    #[error(transparent)]
    Solr(#[from] SolrError),
    /// The index does not take what would repair it.
    #[error("repairing: {0}")]
    Repair(String),
    /// There is nothing to compare with yet.
    #[error("output {0} has not been pushed to with its settings as they are now; push first")]
    NeverPushed(String),
    /// The settings do not fit the index.
    #[error("output {output}: {reason}")]
    Settings {
        /// The output.
        output: String,
        /// What is wrong.
        reason: String,
    },
}

/// Documents of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How many.
    pub count: u64,
    /// The ids of the first of them.
    pub examples: Vec<String>,
}

impl Finding {
    fn add(&mut self, id: &str) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(id.to_owned());
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuditReport {
    /// The output.
    pub output: String,
    /// Documents of ours in the index.
    pub documents: u64,
    /// Records that are to have a document, as far as they were pushed.
    pub records: u64,
    /// Documents that should be there and are not.
    pub missing: Finding,
    /// Documents that should not be there.
    pub surplus: Finding,
    /// Documents that are not as they should be, as far as was compared.
    pub outdated: Finding,
    /// By what documents were compared.
    pub compared_by: Vec<String>,
    /// Documents that are not as they should be because they were set aside.
    pub set_aside: u64,
    /// Records whose last change has not been pushed yet; they were not compared.
    pub pending: u64,
    /// Documents and deletions that were sent to repair what was found.
    pub repaired: u64,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

fn not_repaired(error: DeliverError) -> AuditError {
    match error {
        DeliverError::Solr(error) => AuditError::Solr(error),
        DeliverError::Misfit { .. } => AuditError::Repair(error.to_string()),
    }
}

impl AuditReport {
    /// Whether nothing is wrong, or everything that was has been repaired.
    pub fn is_well(&self) -> bool {
        self.missing.count + self.surplus.count + self.outdated.count <= self.repaired
    }
}

/// Compares an index with the store, and with `repair` sends what it lacks.
///
/// `beside` are the other outputs that go to the same index: their documents are left alone.
///
/// # Errors
/// See [`AuditError`].
pub async fn audit(
    store: &Arc<Store>,
    client: &Client,
    (settings, beside): (&SolrSettings, &[SolrSettings]),
    repair: bool,
    clock: &Clock,
    progress: &dyn Fn(u64),
) -> Result<AuditReport, AuditError> {
    let started = Instant::now();
    let _lock = store.lock_output(&settings.name)?;
    let reader = store.reader()?;
    let output = reader
        .output(&settings.name)?
        .filter(|output| output.definition == settings.definition())
        .ok_or_else(|| AuditError::NeverPushed(settings.name.clone()))?;
    let rejected = reader.rejected(output.id)?;
    let compared_by = match &settings.version_field {
        Some(field) => vec![field.clone()],
        None => settings.compare_fields.clone(),
    };
    let schema = Schema::of(client).await?;
    if let Some(field) = compared_by.iter().find(|field| !schema.is_stored(field)) {
        return Err(AuditError::Settings {
            output: settings.name.clone(),
            reason: format!("the index does not store {field}, so it cannot be compared"),
        });
    }
    let mut run = Run {
        store,
        reader,
        client,
        settings,
        beside,
        output,
        id_field: settings.documents.default.field_name("id").into_owned(),
        fields: compared_by.clone(),
        set_aside: rejected
            .into_iter()
            .map(|document| document.document_id)
            .collect(),
        seen: Bits::default(),
        repair,
        clock,
        report: AuditReport {
            output: settings.name.clone(),
            compared_by,
            ..AuditReport::default()
        },
    };
    run.read_index(progress).await?;
    run.read_store().await?;
    run.report.elapsed = started.elapsed();
    Ok(run.report)
}

struct Run<'a> {
    store: &'a Arc<Store>,
    reader: Reader,
    client: &'a Client,
    settings: &'a SolrSettings,
    beside: &'a [SolrSettings],
    output: Output,
    /// The name of the unique key.
    id_field: String,
    /// The fields that are compared.
    fields: Vec<String>,
    /// The ids of documents that were set aside.
    set_aside: HashSet<String>,
    /// The numbers of records whose documents were found.
    seen: Bits,
    repair: bool,
    clock: &'a Clock,
    report: AuditReport,
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    Surplus,
    Outdated,
}

impl Run<'_> {
    /// From the index to the store: surplus and outdated documents.
    async fn read_index(&mut self, progress: &dyn Fn(u64)) -> Result<(), AuditError> {
        let Some(filter) = self.filter()? else {
            return Ok(());
        };
        let mut cursor = "*".to_owned();
        loop {
            let arguments = [
                ("q", "*:*".to_owned()),
                ("fq", filter.clone()),
                ("defType", "lucene".to_owned()),
                ("sort", format!("{} asc", self.id_field)),
                ("rows", PAGE.to_string()),
                ("fl", self.wanted_fields()),
                ("spellcheck", "false".to_owned()),
                ("cursorMark", cursor.clone()),
            ];
            let answer = self.client.ask("select", &arguments).await?;
            let found = documents(&answer);
            self.report.documents += found.len() as u64;
            self.page(&found).await?;
            progress(self.report.documents);
            match answer["nextCursorMark"].as_str() {
                Some(next) if next != cursor => next.clone_into(&mut cursor),
                _ => return Ok(()),
            }
        }
    }

    async fn page(&mut self, found: &[&Value]) -> Result<(), AuditError> {
        let mut identifiers = BTreeSet::new();
        for document in found {
            let id = self.id_of(document);
            identifiers.extend(self.settings.documents.identifiers(id));
        }
        let identifiers: Vec<String> = identifiers.into_iter().collect();
        let mut states: HashMap<String, Vec<RecordState>> = HashMap::new();
        let filter = self.settings.filter(None);
        for state in self.reader.states_of(&identifiers, &filter)? {
            let documents = &self.settings.documents;
            let id = documents.document_id(&state.source, &state.identifier);
            states.entry(id).or_default().push(state);
        }
        let mut suspects = Vec::new();
        for document in found {
            let id = self.id_of(document);
            let states = states.get(id).map_or(&[][..], Vec::as_slice);
            for state in states.iter().filter(|state| !state.deleted) {
                self.seen.set(state.number);
            }
            if !self.is_right(Some(document), states)? && !self.is_of_another(id, states)? {
                suspects.push((id.to_owned(), states.to_vec()));
            }
        }
        self.look_again(suspects).await
    }

    /// Whether no record of this output stands for a document, and one of another output does that
    /// goes to the same index.
    fn is_of_another(&self, id: &str, states: &[RecordState]) -> Result<bool, AuditError> {
        if states.iter().any(|state| !state.deleted) {
            return Ok(false);
        }
        for other in self.beside {
            let identifiers = other.documents.identifiers(id);
            let states = self.reader.states_of(&identifiers, &other.filter(None))?;
            let is_its_own = |state: &RecordState| {
                other
                    .documents
                    .document_id(&state.source, &state.identifier)
                    == id
            };
            if states
                .iter()
                .any(|state| !state.deleted && is_its_own(state))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// From the store to the index: documents that did not come up.
    async fn read_store(&mut self) -> Result<(), AuditError> {
        let mut after = 0;
        loop {
            let mut unseen = Vec::new();
            let (mut live, mut pending) = (0, 0);
            let (seen, position) = (&self.seen, self.output.position);
            let filter = self.settings.filter(None);
            self.reader.states(&filter, after, |state| {
                after = state.number;
                if state.deleted {
                    return ControlFlow::Continue(());
                }
                if state.version > position {
                    pending += 1;
                    return ControlFlow::Continue(());
                }
                live += 1;
                if !seen.has(state.number) {
                    unseen.push(state);
                }
                match unseen.len() {
                    GROUP => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            })?;
            self.report.records += live;
            self.report.pending += pending;
            let last = unseen.len() < GROUP;
            let suspects = unseen
                .into_iter()
                .map(|state| {
                    let documents = &self.settings.documents;
                    let id = documents.document_id(&state.source, &state.identifier);
                    (id, vec![state])
                })
                .collect();
            self.look_again(suspects).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// Asks for documents by their ids, counts those that are wrong all the same, and repairs them.
    async fn look_again(
        &mut self,
        suspects: Vec<(String, Vec<RecordState>)>,
    ) -> Result<(), AuditError> {
        for group in suspects.chunks(GROUP) {
            // This handler leaves out the header unless told otherwise, and with it every sign that it
            // is Solr that answers.
            let mut arguments = vec![
                ("fl", self.wanted_fields()),
                ("omitHeader", "false".to_owned()),
            ];
            arguments.extend(group.iter().map(|(id, _)| ("id", id.clone())));
            let answer = self.client.ask("get", &arguments).await?;
            let found: HashMap<&str, &Value> = documents(&answer)
                .into_iter()
                .map(|document| (self.id_of(document), document))
                .collect();
            let mut changes = Vec::new();
            for (id, states) in group {
                let document = found.get(id.as_str()).copied();
                if self.is_right(document, states)? {
                    continue;
                }
                let change = self.change(id, states)?;
                let fault = match (document, change.command) {
                    // Neither is there to be: a record without a document.
                    (None, Command::Delete) => continue,
                    (Some(_), Command::Delete) => Fault::Surplus,
                    (None, Command::Add) => Fault::Missing,
                    (Some(_), Command::Add) => Fault::Outdated,
                };
                if fault != Fault::Surplus && self.set_aside.contains(id) {
                    self.report.set_aside += 1;
                    continue;
                }
                match fault {
                    Fault::Missing => self.report.missing.add(id),
                    Fault::Surplus => self.report.surplus.add(id),
                    Fault::Outdated => self.report.outdated.add(id),
                }
                changes.push(change);
            }
            if self.repair && !changes.is_empty() {
                self.send(changes).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, changes: Vec<Change>) -> Result<(), AuditError> {
        let mut delivered = Delivered::default();
        let mut rest = changes;
        while !rest.is_empty() {
            let part = deliver(self.client, rest, None, &Streak::default())
                .await
                .map_err(not_repaired)?;
            delivered.append(part);
            // Many may be bad in a row, but not one that the index has taken before.
            if delivered.any_added().is_none()
                && let Some(doubt) = delivered.doubt.take()
            {
                let refused = delivered.refused.iter();
                let under_way = refused.map(|(change, _)| change.id.clone()).collect();
                let probes = find_probes(self.store, self.settings, self.output.id, &under_way)?;
                let is_to_blame = match probes {
                    Probes::Taken(known) => {
                        let again = is_taken(self.client, known).await;
                        !again.map_err(not_repaired)?
                    }
                    Probes::Later(_) => doubt.are_several,
                };
                if is_to_blame {
                    return Err(AuditError::Repair(doubt.misfit.to_string()));
                }
            }
            rest = std::mem::take(&mut delivered.rest);
        }
        self.report.repaired += delivered.taken.len() as u64;
        let at = self.clock.now_ms();
        let is_add = |change: &&Change| change.command == Command::Add;
        let added = delivered.taken.iter().filter(is_add).count() as u64;
        let delivery = Delivery {
            upto: None,
            settled: delivered
                .taken
                .iter()
                .map(|change| change.id.clone())
                .collect(),
            rejected: delivered
                .refused
                .into_iter()
                .map(|(change, reason)| RejectedDocument {
                    document_id: change.id.clone(),
                    source: change.source.clone(),
                    identifier: change.identifier.clone(),
                    version: change.version,
                    reason,
                    at,
                })
                .collect(),
            added,
            deleted: delivered.taken.len() as u64 - added,
            at,
        };
        self.store.confirm(self.output.id, &delivery)?;
        Ok(())
    }

    /// Whether a document (or its absence) is what the records with its id want, or a push that is
    /// still to come will see to it.
    fn is_right(
        &self,
        document: Option<&Value>,
        states: &[RecordState],
    ) -> Result<bool, AuditError> {
        if states
            .iter()
            .any(|state| state.version > self.output.position)
        {
            return Ok(true);
        }
        let live: Vec<&RecordState> = states.iter().filter(|state| !state.deleted).collect();
        let Some(document) = document else {
            return Ok(live.is_empty());
        };
        if let Some(field) = &self.settings.version_field {
            let has = values(&document[field]);
            return Ok(live.iter().any(|state| has == [state.version.to_string()]));
        }
        for state in live {
            if let Some(record) = self.record(state)?
                && let Ok(wanted) = batch::document(&record, self.settings)
            {
                let is_same = |name: &String| {
                    let field = wanted
                        .fields()
                        .iter()
                        .find(|field| field.name == name.as_str());
                    let wanted = field.map_or(&[][..], |field| field.values.as_slice());
                    values(&document[name]) == wanted
                };
                if self.fields.iter().all(is_same) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What would make a document right.
    fn change(&self, id: &str, states: &[RecordState]) -> Result<Change, AuditError> {
        for state in states.iter().filter(|state| !state.deleted) {
            if let Some(record) = self.record(state)? {
                return Ok(batch::change(&record, self.settings));
            }
        }
        Ok(batch::deletion(id))
    }

    fn record(&self, state: &RecordState) -> Result<Option<StoredRecord>, StoreError> {
        let filter = self.settings.filter(None);
        let records = self.reader.find_items(&state.identifier, &filter)?;
        Ok(records
            .into_iter()
            .find(|record| record.source == state.source))
    }

    fn id_of<'v>(&self, document: &'v Value) -> &'v str {
        document[&self.id_field].as_str().unwrap_or_default()
    }

    fn wanted_fields(&self) -> String {
        let mut fields = vec![self.id_field.as_str()];
        fields.extend(self.fields.iter().map(String::as_str));
        fields.join(",")
    }

    /// The query for documents of ours; `None` if the store has never had any.
    fn filter(&self) -> Result<Option<String>, AuditError> {
        if let Some(filter) = &self.settings.audit_filter {
            return Ok(Some(filter.clone()));
        }
        let documents = &self.settings.documents;
        let mut prefixes: BTreeSet<String> = BTreeSet::new();
        let mut are_told = true;
        let all_prefixes = documents.all().map(|options| options.id_prefix.clone());
        prefixes.extend(all_prefixes.filter(|prefix| !prefix.is_empty()));
        if documents.all().any(|options| options.id_prefix.is_empty()) {
            let filter = self.settings.filter(None);
            self.reader.states(&filter, 0, |state| {
                let options = documents.for_source(&state.source);
                let id = options.document_id(&state.identifier);
                let is_in = |prefix: &str| id.starts_with(prefix);
                if !prefixes.iter().any(|prefix| is_in(prefix)) {
                    // What no record of ours begins with may be somebody else's.
                    let rewritten = options.id_rewrites.iter().map(|(_, to)| to.as_str());
                    let own = rewritten
                        .filter(|to| !to.is_empty())
                        .find(|prefix| is_in(prefix));
                    match own.or_else(|| family(&id)) {
                        Some(prefix) => drop(prefixes.insert(prefix.to_owned())),
                        None => are_told = false,
                    }
                }
                match are_told && prefixes.len() <= MAX_PREFIXES {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })?;
        }
        if !are_told || prefixes.len() > MAX_PREFIXES {
            return Err(AuditError::Settings {
                output: self.settings.name.clone(),
                reason: "its documents cannot be told by how their ids begin; set id_prefix or \
                         audit_filter"
                    .to_owned(),
            });
        }
        let queries: Vec<String> = prefixes
            .iter()
            .map(|prefix| format!("{}:{}*", self.id_field, escape(prefix)))
            .collect();
        Ok((!queries.is_empty()).then(|| queries.join(" OR ")))
    }
}
