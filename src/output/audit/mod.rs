//! Compares an index with the store: which documents are missing in it, surplus or outdated.
//!
//! The audit reads the index once in the order of ids and looks up each id in the store. Then it looks
//! up in the index those records that the first reading did not meet. Before a document counts as wrong,
//! the audit asks for it by its id, since searches do not show the newest documents. Memory: one bit
//! for each record.

mod ids;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::ids::family;
use super::OutputSettings;
use super::bits::Bits;
use super::push::batch;
use super::push::confirm::delivery;
use super::push::deliver::{DeliverError, Delivered, Streak, deliver};
use super::push::doubt::{Probes, find_probes};
use super::target::{
    AuditProblem, AuditTarget, Change, ComparedBy, Connection, DocumentState, IdPrefixes,
    OutputError, Target, Unsupported,
};
use super::vufind::Command;
use crate::clock::Clock;
use crate::stop::Stop;
use crate::store::{Output, Reader, RecordState, Store, StoreError, StoredRecord};

/// The number of documents that are asked for by their ids in one request.
const GROUP: usize = 250;

/// The number of examples in each finding.
const EXAMPLES: usize = 20;

/// With more different beginnings than this, ids have no beginnings that tell them apart.
const MAX_PREFIXES: usize = 100;

/// Why an audit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index cannot be asked.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Outputs of this type cannot be audited.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The index refuses the documents that would repair it.
    #[error("repairing: {0}")]
    Repair(String),
    /// No position says what the index should contain.
    #[error("output {0} has not been pushed to with its present settings; push first")]
    NeverPushed(String),
    /// The settings do not fit the index.
    #[error("output {output}: {reason}")]
    Settings {
        /// The output.
        output: String,
        /// The problem.
        reason: String,
    },
}

impl From<DeliverError> for AuditError {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::Output(error) => Self::Output(error),
            DeliverError::Misfit { .. } => Self::Repair(error.to_string()),
        }
    }
}

/// Documents with one kind of difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The number of documents.
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

/// The result of an audit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuditReport {
    /// The output.
    pub output: String,
    /// The number of this output's documents in the index.
    pub documents: u64,
    /// The number of pushed records that should have a document.
    pub records: u64,
    /// Documents that should be in the index and are not.
    pub missing: Finding,
    /// Documents that should not be in the index.
    pub surplus: Finding,
    /// Documents that differ from their records in the compared fields.
    pub outdated: Finding,
    /// The compared fields.
    pub compared_by: Vec<String>,
    /// Documents that are missing or outdated because the index rejected them.
    pub rejected: u64,
    /// Records whose last change has not been pushed yet; they were not compared.
    pub pending: u64,
    /// Documents and deletions that were sent to repair the differences.
    pub repaired: u64,
    /// The time it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

impl AuditReport {
    /// Whether nothing differs, or all differences have been repaired.
    pub fn is_well(&self) -> bool {
        self.missing.count + self.surplus.count + self.outdated.count <= self.repaired
    }
}

/// What an audit needs beside its settings.
pub struct AuditContext<'a> {
    /// The store.
    pub store: &'a Arc<Store>,
    /// Dates what is stored.
    pub clock: &'a Clock,
    /// Ends the audit.
    pub stop: Stop,
    /// Called after each page, with the number of documents read.
    pub progress: &'a dyn Fn(u64),
}

/// Compares an index with the store, and with `repair` sends what differs.
///
/// Of `others`, the audit leaves alone the documents of those outputs that share the index.
///
/// # Errors
/// See [`AuditError`].
pub async fn audit(
    context: &AuditContext<'_>,
    settings: &OutputSettings,
    others: &[OutputSettings],
    repair: bool,
) -> Result<AuditReport, AuditError> {
    let started = Instant::now();
    let target = match settings.connect(context.stop.clone())? {
        Connection::Index(target) => target,
        Connection::Table(_) => return Err(settings.table_has_no("audit").into()),
    };
    let index = target.auditable()?;
    let _lock = context.store.lock_output(&settings.name)?;
    let reader = context.store.reader()?;
    let output = reader
        .output(&settings.name)?
        .filter(|output| settings.is_position_of(output))
        .ok_or_else(|| AuditError::NeverPushed(settings.name.clone()))?;
    let rejected = reader.rejected(output.id)?;
    let compared_by = index.compared_fields().await.map_err(|error| match error {
        AuditProblem::Output(error) => error.into(),
        AuditProblem::Settings(reason) => AuditError::Settings {
            output: settings.name.clone(),
            reason,
        },
    })?;
    let is_beside =
        |other: &&OutputSettings| other.name != settings.name && other.shares_index_with(settings);
    let mut run = Run {
        context,
        reader,
        target: &*target,
        index,
        settings,
        beside: others.iter().filter(is_beside).collect(),
        output,
        rejected: rejected
            .into_iter()
            .map(|document| document.document_id)
            .collect(),
        seen: Bits::default(),
        repair,
        report: AuditReport {
            output: settings.name.clone(),
            compared_by: match &compared_by {
                ComparedBy::Version(field) => vec![field.clone()],
                ComparedBy::Fields(fields) => fields.clone(),
            },
            ..AuditReport::default()
        },
        compared_by,
    };
    run.read_index().await?;
    run.read_store().await?;
    run.report.elapsed = started.elapsed();
    Ok(run.report)
}

struct Run<'a> {
    context: &'a AuditContext<'a>,
    reader: Reader,
    target: &'a dyn Target,
    index: &'a dyn AuditTarget,
    settings: &'a OutputSettings,
    /// The other outputs that write to this index.
    beside: Vec<&'a OutputSettings>,
    output: Output,
    compared_by: ComparedBy,
    /// The ids of rejected documents.
    rejected: HashSet<String>,
    /// The numbers of the records whose documents were found.
    seen: Bits,
    repair: bool,
    report: AuditReport,
}

/// The difference of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    Missing,
    Surplus,
    Outdated,
}

impl Run<'_> {
    /// Reads the index and finds surplus and outdated documents.
    async fn read_index(&mut self) -> Result<(), AuditError> {
        let mut prefixes = Vec::new();
        if !self.index.knows_own_documents() {
            prefixes = self.id_prefixes()?;
            if prefixes.is_empty() {
                return Ok(());
            }
        }
        let mut cursor: Option<String> = None;
        loop {
            let page = self.index.page(&prefixes, cursor.as_deref()).await?;
            self.report.documents += page.documents.len() as u64;
            self.page(page.documents).await?;
            (self.context.progress)(self.report.documents);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn page(&mut self, found: Vec<DocumentState>) -> Result<(), AuditError> {
        let documents = self.settings.documents();
        let mut identifiers = BTreeSet::new();
        for document in &found {
            identifiers.extend(documents.identifiers(&document.id));
        }
        let identifiers: Vec<String> = identifiers.into_iter().collect();
        let mut states: HashMap<String, Vec<RecordState>> = HashMap::new();
        let filter = self.settings.filter(None);
        for state in self.reader.states_of(&identifiers, &filter)? {
            let id = documents.document_id(&state.source, &state.identifier);
            states.entry(id).or_default().push(state);
        }
        let mut suspects = Vec::new();
        for document in found {
            let states = states.get(&document.id).map_or(&[][..], Vec::as_slice);
            for state in states.iter().filter(|state| !state.deleted) {
                self.seen.insert(state.number);
            }
            if !self.is_right(Some(&document), states)?
                && !self.is_of_another(&document.id, states)?
            {
                suspects.push((document.id, states.to_vec()));
            }
        }
        self.look_again(suspects).await
    }

    /// Whether a document belongs to no record of this output, but to one of another output of the
    /// same index.
    fn is_of_another(&self, id: &str, states: &[RecordState]) -> Result<bool, AuditError> {
        if states.iter().any(|state| !state.deleted) {
            return Ok(false);
        }
        for other in &self.beside {
            let documents = other.documents();
            let identifiers = documents.identifiers(id);
            let states = self.reader.states_of(&identifiers, &other.filter(None))?;
            let has_document = |state: &RecordState| {
                !state.deleted && documents.document_id(&state.source, &state.identifier) == id
            };
            if states.iter().any(has_document) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the store and looks up the documents that the reading of the index did not meet.
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
                if !seen.contains(state.number) {
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
            let documents = self.settings.documents();
            let suspects = unseen
                .into_iter()
                .map(|state| {
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

    /// Asks for documents by their ids, counts those that still differ, and repairs them.
    async fn look_again(
        &mut self,
        suspects: Vec<(String, Vec<RecordState>)>,
    ) -> Result<(), AuditError> {
        for group in suspects.chunks(GROUP) {
            let ids: Vec<&str> = group.iter().map(|(id, _)| id.as_str()).collect();
            let found: HashMap<String, DocumentState> = self
                .index
                .get(&ids)
                .await?
                .into_iter()
                .map(|document| (document.id.clone(), document))
                .collect();
            let mut changes = Vec::new();
            for (id, states) in group {
                let document = found.get(id);
                if self.is_right(document, states)? {
                    continue;
                }
                let change = self.change(id, states)?;
                let difference = match (document, change.command) {
                    // The record has no document.
                    (None, Command::Delete) => continue,
                    (Some(_), Command::Delete) => Difference::Surplus,
                    (None, Command::Add) => Difference::Missing,
                    (Some(_), Command::Add) => Difference::Outdated,
                };
                if difference != Difference::Surplus && self.rejected.contains(id) {
                    self.report.rejected += 1;
                    continue;
                }
                match difference {
                    Difference::Missing => self.report.missing.add(id),
                    Difference::Surplus => self.report.surplus.add(id),
                    Difference::Outdated => self.report.outdated.add(id),
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
        let store = self.context.store;
        let mut delivered = Delivered::default();
        let mut rest = changes;
        while !rest.is_empty() {
            delivered.append(deliver(self.target, rest, None, &Streak::default()).await?);
            // Many documents in a row may be bad, but not one that the index has taken before.
            if delivered.any_added().is_none()
                && let Some(doubt) = delivered.doubt.take()
            {
                let refused = delivered.refused.iter();
                let refused = refused.map(|(change, _)| change.id.clone()).collect();
                let is_to_blame = match find_probes(store, self.settings, self.output.id, &refused)?
                {
                    probes @ Probes::Taken(_) => !probes.any_taken(self.target).await?,
                    Probes::Later(_) => doubt.are_several,
                };
                if is_to_blame {
                    return Err(AuditError::Repair(doubt.misfit.to_string()));
                }
            }
            rest = std::mem::take(&mut delivered.rest);
        }
        self.report.repaired += delivered.taken.len() as u64;
        let delivery = delivery(delivered, None, self.context.clock.now_ms());
        store.confirm(self.output.id, &delivery)?;
        Ok(())
    }

    /// Whether a document, or its absence, is what the records with its id require, or the next push
    /// makes it so.
    fn is_right(
        &self,
        document: Option<&DocumentState>,
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
        let fields = match &self.compared_by {
            ComparedBy::Version(_) => {
                let is_same = |state: &&RecordState| {
                    document.values.as_slice() == [[state.version.to_string()]]
                };
                return Ok(live.iter().any(is_same));
            }
            ComparedBy::Fields(fields) => fields,
        };
        for state in live {
            if let Some(record) = self.record(state)? {
                let documents = self.settings.documents();
                let values = documents.values(&record, &self.settings.enrich, fields);
                if values.is_ok_and(|values| values == document.values) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The change that makes a document right.
    fn change(&self, id: &str, states: &[RecordState]) -> Result<Change, AuditError> {
        for state in states.iter().filter(|state| !state.deleted) {
            if let Some(record) = self.record(state)? {
                let change = batch::change(&record, self.settings);
                return Ok(self.repair_of(change));
            }
        }
        let deletion = batch::deletion(id, self.output.position, self.settings);
        Ok(self.repair_of(deletion))
    }

    /// The change as a repair: the document was looked up and is wrong, up to the output's position.
    fn repair_of(&self, change: Change) -> Change {
        Change {
            order: change.order.max(self.output.position),
            is_repair: true,
            ..change
        }
    }

    fn record(&self, state: &RecordState) -> Result<Option<StoredRecord>, StoreError> {
        let filter = self.settings.filter(None);
        let records = self.reader.find_items(&state.identifier, &filter)?;
        Ok(records
            .into_iter()
            .find(|record| record.source == state.source))
    }

    /// The beginnings of the ids of this output's documents; none if the store has no records for it.
    fn id_prefixes(&self) -> Result<Vec<String>, AuditError> {
        let documents = self.settings.documents();
        let IdPrefixes {
            own,
            are_complete,
            possible,
        } = documents.id_prefixes();
        let mut prefixes: BTreeSet<String> = own.into_iter().map(str::to_owned).collect();
        if are_complete {
            return Ok(prefixes.into_iter().collect());
        }
        let mut are_known = true;
        let filter = self.settings.filter(None);
        self.reader.states(&filter, 0, |state| {
            let id = documents.document_id(&state.source, &state.identifier);
            let begins_with = |prefix: &str| id.starts_with(prefix);
            if !prefixes.iter().any(|prefix| begins_with(prefix)) {
                // A beginning that no record of the store has may belong to somebody else's documents.
                let known = possible.iter().copied().find(|prefix| begins_with(prefix));
                match known.or_else(|| family(&id)) {
                    Some(prefix) => drop(prefixes.insert(prefix.to_owned())),
                    None => are_known = false,
                }
            }
            match are_known && prefixes.len() <= MAX_PREFIXES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        if !are_known || prefixes.len() > MAX_PREFIXES {
            return Err(AuditError::Settings {
                output: self.settings.name.clone(),
                reason: "the ids of its documents have no common beginning that tells them from \
                         others; set id_prefix or audit_filter"
                    .to_owned(),
            });
        }
        Ok(prefixes.into_iter().collect())
    }
}
