//! Storing the steps of a pass: the records of a page and the progress of its window, in one
//! transaction.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::contradiction::ShownBy;
use super::days;
use super::gaps;
use super::listed::Listed;
use super::open::Cached;
use super::pack::Payload;
use super::passes::Origin;
use super::record_writer::RecordWriter;
use super::{
    Applied, Cost, Counts, Ending, PackedStep, PageOrder, PageStep, PassId, ProofRule, Proven,
    SourceId, Step, Store, StoreError, Watermark, Window, WindowId, WindowState, passes,
};
use crate::oai::{Datestamp, ResumptionToken};

/// Stores the steps of one pass. Owned by one thread.
#[derive(Debug)]
pub struct PassWriter {
    store: Arc<Store>,
    source: SourceId,
    pass: PassId,
    proof_rule: ProofRule,
    listed: Listed,
}

impl PassWriter {
    /// A writer for the steps of `pass`. `proof_rule` says what a list proves when one of its windows has ended.
    pub fn new(store: Arc<Store>, source: SourceId, pass: PassId, proof_rule: ProofRule) -> Self {
        Self {
            store,
            source,
            pass,
            proof_rule,
            listed: Listed::default(),
        }
    }

    /// Stores steps in order, in one transaction: all of them, or none.
    ///
    /// `now_ms` is our wall clock in milliseconds since 1970; it only dates versions.
    pub fn apply(&mut self, steps: &[PackedStep], now_ms: i64) -> Result<Vec<Applied>, StoreError> {
        let batch = Batch {
            writer: self,
            steps,
            now_ms,
        };
        let applied = Self::apply_together(&mut [batch])?;
        Ok(applied.into_iter().flatten().collect())
    }

    /// Stores the steps of several passes in one transaction: all of them, or none. Gives what became of
    /// the steps of each batch, in their order.
    ///
    /// All writers are of one store.
    pub fn apply_together(batches: &mut [Batch<'_>]) -> Result<Vec<Vec<Applied>>, StoreError> {
        let Some(first) = batches.first() else {
            return Ok(Vec::new());
        };
        let store = Arc::clone(&first.writer.store);
        let applied = store.write_patiently("storing a page", |transaction| {
            batches
                .iter_mut()
                .map(|batch| batch.apply(&store, transaction))
                .collect()
        })?;
        for batch in batches {
            batch.writer.listed.keep();
        }
        Ok(applied)
    }
}

/// Steps of one pass, to be stored in order together with those of other passes.
pub struct Batch<'a> {
    /// The writer of the pass.
    pub writer: &'a mut PassWriter,
    /// The steps.
    pub steps: &'a [PackedStep],
    /// Our wall clock in milliseconds since 1970; it only dates versions.
    pub now_ms: i64,
}

impl Batch<'_> {
    fn apply(
        &mut self,
        store: &Store,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<Vec<Applied>> {
        let PassWriter {
            source,
            pass,
            proof_rule,
            listed,
            ..
        } = &mut *self.writer;
        listed.begin();
        // All steps of a pass have one format.
        let Some(first) = self.steps.first() else {
            return Ok(Vec::new());
        };
        let recent_keys = store.take_recent_keys();
        let now_ms = self.now_ms;
        let records = RecordWriter::begin(
            transaction,
            *source,
            *pass,
            now_ms,
            &first.metadata_prefix,
            &first.compressor,
            recent_keys,
        )?;
        let mut writer = StepWriter {
            connection: transaction,
            source: *source,
            pass: *pass,
            proof_rule: *proof_rule,
            now_ms,
            listed,
            records,
        };
        let applied: Vec<Applied> = self
            .steps
            .iter()
            .map(|step| writer.apply(step))
            .collect::<rusqlite::Result<_>>()?;
        for (step, applied) in self.steps.iter().zip(&applied) {
            step.forecast.learn(&applied.counts);
        }
        store.keep_recent_keys(writer.records.finish()?);
        Ok(applied)
    }
}

/// The steps of one pass within one write transaction.
struct StepWriter<'a> {
    connection: &'a Connection,
    source: SourceId,
    pass: PassId,
    proof_rule: ProofRule,
    now_ms: i64,
    listed: &'a mut Listed,
    records: RecordWriter<'a>,
}

impl StepWriter<'_> {
    fn apply(&mut self, packed: &PackedStep) -> rusqlite::Result<Applied> {
        self.records.write_seen()?;
        match &packed.step {
            Step::Page(page) => self.page(page, &packed.payloads),
            Step::Reconcile { found, gone, cost } => {
                let mut counts = Counts::default();
                for (record, payload) in found.iter().zip(&packed.payloads) {
                    self.records.store(
                        record,
                        payload,
                        ShownBy::BY_NAME,
                        self.listed,
                        &mut counts,
                    )?;
                }
                for identifier in gone {
                    self.records.tombstone(identifier, &mut counts)?;
                }
                self.add_to_pass(0, cost, &counts)?;
                Ok(Applied {
                    counts,
                    ..Applied::default()
                })
            }
            Step::ResolveContradictions { found, unknown } => {
                let mut counts = Counts::default();
                let is_complete = self.is_complete()?;
                self.records.decide_held(is_complete, &mut counts)?;
                for (record, payload) in found.iter().zip(&packed.payloads) {
                    self.records.resolve_found(record, payload, &mut counts)?;
                }
                for identifier in unknown {
                    self.records.resolve_unknown(identifier, &mut counts)?;
                }
                self.add_to_pass(0, &Cost::default(), &counts)?;
                Ok(Applied {
                    counts,
                    ..Applied::default()
                })
            }
            Step::Split {
                window,
                into,
                note,
                has_failed,
            } => {
                let window = passes::window(self.connection, *window)?;
                if *has_failed {
                    // The parts are read from their beginnings.
                    self.records.others.forget_reading(window.id)?;
                }
                self.set_state(window.id, WindowState::Split, Some(note))?;
                let origin = Origin::SplitOf {
                    failures: window.failures + u32::from(*has_failed),
                };
                passes::insert_windows(self.connection, window.pass_id, into, origin)?;
                Ok(Applied::default())
            }
            Step::Restart { window, note } => {
                self.records.others.forget_reading(*window)?;
                self.connection
                    .prepare_cached(
                        "UPDATE window SET state = 'open', token = NULL, note = ?2 WHERE id = ?1",
                    )?
                    .execute(params![window.0, note])?;
                Ok(Applied::default())
            }
            Step::LeaveGaps { unanswered } => self.leave_gaps(unanswered),
            Step::End {
                window,
                ending,
                cost,
            } => {
                self.add_to_pass(0, cost, &Counts::default())?;
                // Only complete readings are compared, so the items of this one do not count.
                self.connection
                    .prepare_cached("UPDATE window SET items = 0 WHERE id = ?1")?
                    .execute([window.0])?;
                let window = passes::window(self.connection, *window)?;
                self.end(&window, ending, Counts::default())
            }
        }
    }

    fn page(&mut self, page: &PageStep, payloads: &[Payload]) -> rusqlite::Result<Applied> {
        let mut counts = Counts::default();
        let is_first = matches!(page.order, PageOrder::First { .. });
        self.listed.page(page.window, is_first);
        if is_first {
            self.records.others.forget_reading(page.window)?;
        }
        let set = self.set_of(page.window)?;
        for (record, payload) in page.records.iter().zip(payloads) {
            let identifier = &record.header.identifier;
            let shown_by = ShownBy {
                is_list: page.is_list && !page.by_name.contains(identifier),
                set: if page.is_list { &set } else { "" },
            };
            if page.only_headers && !record.header.deleted {
                self.records.mark_seen(&record.header, &mut counts)?;
            } else {
                self.records
                    .store(record, payload, shown_by, self.listed, &mut counts)?;
            }
            self.listed.note(identifier);
        }
        self.records.write_seen()?;
        for identifier in &page.gone {
            self.records.quarantine().clear(identifier)?;
        }
        for bad in &page.bad {
            self.records.add_to_quarantine(bad, &mut counts)?;
        }
        self.add_to_pass(1, &page.cost, &counts)?;
        if let PageOrder::First { bound } = page.order {
            self.connection
                .prepare_cached(
                    "UPDATE window SET items = 0, pages = 0,
                        last_items = CASE WHEN state IN ('suspicious', 'failed') THEN items END,
                        reads = reads + 1, list_size = NULL, bound = ?2 WHERE id = ?1",
                )?
                .execute(params![page.window.0, bound.map(Datestamp::unix)])?;
        }
        self.connection
            .prepare_cached(
                "UPDATE window SET token = ?2, token_at = ?5,
                    place_datestamp = ?6, place_items = ?7,
                    pages = pages + 1,
                    items = items + ?3,
                    list_size = coalesce(min(list_size, ?4), list_size, ?4) WHERE id = ?1",
            )?
            .execute(params![
                page.window.0,
                page.token.as_ref().map(ResumptionToken::as_str),
                page.items(),
                page.list_size,
                page.token.as_ref().map(|_| self.now_ms),
                page.place.map(|place| place.datestamp.unix()),
                page.place.map(|place| place.items),
            ])?;
        if let Some(lowers) = page.lowers {
            self.connection
                .prepare_cached(
                    "UPDATE window SET bound = min(coalesce(bound, ?2), ?2) WHERE id = ?1",
                )?
                .execute(params![page.window.0, lowers.unix()])?;
        }
        match &page.ending {
            None => Ok(Applied {
                counts,
                ..Applied::default()
            }),
            Some(ending) => {
                let window = passes::window(self.connection, page.window)?;
                self.end(&window, ending, counts)
            }
        }
    }

    fn add_to_pass(&self, pages: u64, cost: &Cost, counts: &Counts) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE pass SET pages = pages + ?2, requests = requests + ?3, bytes = bytes + ?4,
                    wait_ms = wait_ms + ?5, created = created + ?6, changed = changed + ?7,
                    unchanged = unchanged + ?8, deleted = deleted + ?9,
                    quarantined = quarantined + ?10, repaired = repaired + ?11 WHERE id = ?1",
            )?
            .execute(params![
                self.pass.0,
                pages,
                cost.requests,
                cost.bytes,
                cost.wait_ms,
                counts.new,
                counts.changed,
                counts.unchanged,
                counts.deleted,
                counts.quarantined,
                counts.repaired,
            ])?;
        days::add_records(self.connection, self.source, counts, self.now_ms)
    }

    /// Ends the reading of a window, moves the watermark of its list as far as the rule says, and
    /// completes the pass if no window of it is left.
    fn end(
        &mut self,
        window: &Window,
        ending: &Ending,
        mut counts: Counts,
    ) -> rusqlite::Result<Applied> {
        match ending {
            Ending::Complete => self.set_state(window.id, WindowState::Complete, None)?,
            Ending::Suspicious(note) => {
                self.set_state(window.id, WindowState::Suspicious, Some(note))?;
            }
            Ending::Failed(note) => self.set_state(window.id, WindowState::Failed, Some(note))?,
        }
        let is_complete: bool = self
            .connection
            .prepare_cached(
                "SELECT NOT EXISTS (SELECT 1 FROM window
                    WHERE pass_id = ?1 AND state IN ('open', 'suspicious', 'failed'))",
            )?
            .query_row([self.pass.0], |row| row.get(0))?;
        let mut decided = Counts::default();
        if is_complete {
            self.records.decide_held(true, &mut decided)?;
        }
        self.add_to_pass(0, &Cost::default(), &decided)?;
        counts.add(&decided);
        // The watermark's version must cover these deletions, and the changes that its records made to
        // clusters.
        self.records.update_clusters()?;
        let mut applied = Applied {
            counts,
            ..Applied::default()
        };
        let set = window.set_spec.as_deref();
        applied.watermarks.extend(self.take_proof(set)?);
        if is_complete {
            self.end_pass()?;
            applied.pass_complete = true;
        }
        Ok(applied)
    }

    /// Ends the pass although windows are pending. Each becomes a gap, or is left to the next pass if it has
    /// no end.
    fn leave_gaps(&mut self, unanswered: &[Option<String>]) -> rusqlite::Result<Applied> {
        // What waits for these windows may wait for weeks. What nothing contradicts so far is stored.
        let mut counts = Counts::default();
        self.records.decide_held(false, &mut counts)?;
        self.add_to_pass(0, &Cost::default(), &counts)?;
        self.records.update_clusters()?;
        let mut applied = Applied {
            counts,
            pass_complete: true,
            ..Applied::default()
        };
        let mut unread = Vec::new();
        for set in unanswered {
            if !passes::has_read(self.connection, self.pass, set.as_deref())? {
                unread.push(set.clone());
            }
        }
        for window in passes::pending_windows(self.connection, self.pass)? {
            if !unread.contains(&window.set_spec) {
                gaps::open(self.connection, self.source, &window, self.now_ms)?;
            }
            self.set_state(window.id, WindowState::Unread, window.note.as_ref())?;
        }
        let sets = passes::sets(self.connection, self.pass)?;
        // If the repository ignores sets, one list of everything has replaced the lists of the sets.
        let is_replaced = |set: &Option<String>| set.is_some() && sets.contains(&None);
        for set in &sets {
            if !unread.contains(set) && !is_replaced(set) {
                applied.watermarks.extend(self.take_proof(set.as_deref())?);
            }
        }
        self.end_pass()?;
        Ok(applied)
    }

    /// Ends the pass. It is complete if it has read all that there is.
    fn end_pass(&mut self) -> rusqlite::Result<()> {
        self.connection.run(
            "UPDATE pass SET note = NULL, ended_at = ?2, state = CASE
                WHEN EXISTS (SELECT 1 FROM window WHERE pass_id = ?1 AND state = 'unread')
                    OR (kind = 'full' AND EXISTS (SELECT 1 FROM gap
                        WHERE source_id = pass.source_id AND set_spec IN
                            (SELECT coalesce(set_spec, '') FROM window WHERE pass_id = ?1)))
                THEN 'incomplete' ELSE 'complete' END
             WHERE id = ?1",
            params![self.pass.0, self.now_ms],
        )?;
        if self.records.lists_all && self.is_complete()? {
            self.records.others.forget_unseen(self.pass)?;
        }
        self.records
            .quarantine()
            .clear_nameless(self.pass, self.now_ms)
    }

    /// Whether all windows of the pass were read.
    fn is_complete(&self) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT state = 'complete' FROM pass WHERE id = ?1")?
            .query_row([self.pass.0], |row| row.get(0))
    }

    /// The set of a window; empty for the whole repository.
    fn set_of(&self, window: WindowId) -> rusqlite::Result<String> {
        self.connection
            .prepare_cached("SELECT coalesce(set_spec, '') FROM window WHERE id = ?1")?
            .query_row([window.0], |row| row.get(0))
    }

    /// Stores what the list of `set` proves as it is in this transaction: its gaps, its head and its
    /// watermark.
    fn take_proof(&mut self, set: Option<&str>) -> rusqlite::Result<Option<Watermark>> {
        let list = passes::list_state(self.connection, self.source, self.pass, set)?;
        let Proven::List {
            closed,
            empty,
            head,
            watermark,
        } = (self.proof_rule)(&list)
        else {
            return Ok(None);
        };
        for gap in &list.gaps {
            if closed.contains(&gap.id) {
                gaps::close(self.connection, gap.id)?;
            } else if empty.contains(&gap.id) {
                gaps::note_empty_read(self.connection, gap, self.now_ms)?;
            }
        }
        let has_gaps = list.gaps.len() > closed.len();
        if has_gaps || list.head.is_some() {
            let head = head.filter(|_| has_gaps);
            gaps::set_head(self.connection, self.source, set, head)?;
        }
        let Some(datestamp) = watermark else {
            return Ok(None);
        };
        let version = self.records.version();
        self.connection.run(
            "INSERT INTO watermark (source_id, set_spec, datestamp, version)
             VALUES (?1, coalesce(?2, ''), ?3, ?4)
             ON CONFLICT (source_id, set_spec) DO UPDATE
             SET datestamp = excluded.datestamp, version = excluded.version",
            params![self.source.0, set, datestamp.unix(), version.0],
        )?;
        Ok(Some(Watermark {
            set_spec: set.map(str::to_owned),
            datestamp,
            version,
        }))
    }

    fn set_state(
        &self,
        window: WindowId,
        state: WindowState,
        note: Option<&String>,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE window SET state = ?2, token = NULL, note = ?3 WHERE id = ?1")?
            .execute(params![window.0, state.word(), note])?;
        Ok(())
    }
}
