//! The steps of a pass: what a page brought, and what that makes of its window, in one
//! transaction.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::cluster::{self, Clusters, Touched};
use super::identifiers::Identifiers;
use super::listed::Listed;
use super::open::{Cached, Kept};
use super::pack::Payload;
use super::payload::pack_alone;
use super::{
    Applied, Cost, Counts, Ending, NextWatermark, PackedStep, PageStep, PassId, SourceId, Step,
    Store, StoreError, Version, Watermark, WatermarkRule, Window, WindowId, WindowState, passes,
};
use crate::oai::response::BadItem;
use crate::oai::{Datestamp, Header, Record, ResumptionToken};

/// Stores the steps of one pass. Owned by one thread.
#[derive(Debug)]
pub struct PassWriter {
    store: Arc<Store>,
    source: SourceId,
    pass: PassId,
    watermark_rule: WatermarkRule,
    listed: Listed,
}

impl PassWriter {
    /// A writer for the steps of `pass`. `watermark_rule` says where the watermark stands when a
    /// window has ended.
    pub fn new(
        store: Arc<Store>,
        source: SourceId,
        pass: PassId,
        watermark_rule: WatermarkRule,
    ) -> Self {
        Self {
            store,
            source,
            pass,
            watermark_rule,
            listed: Listed::default(),
        }
    }

    /// Stores steps in order, in one transaction: all of them, or none.
    ///
    /// `now_ms` is our wall clock in milliseconds since 1970; it only dates versions.
    ///
    /// # Errors
    /// As any write; nothing of the steps is stored then.
    pub fn apply(&mut self, steps: &[PackedStep], now_ms: i64) -> Result<Vec<Applied>, StoreError> {
        let (store, source, pass) = (&self.store, self.source, self.pass);
        let (rule, listed) = (self.watermark_rule, &mut self.listed);
        store.write("storing a page", |transaction| {
            let kept = store.take_kept();
            let mut writing =
                Writing::begin(transaction, source, pass, rule, now_ms, listed, kept)?;
            // The steps of a pass are all of one format.
            writing.metadata_prefix = steps.first().map_or("", |step| &step.metadata_prefix);
            let applied = steps
                .iter()
                .map(|step| writing.apply(step))
                .collect::<rusqlite::Result<_>>()?;
            store.keep(writing.finish()?);
            Ok(applied)
        })
    }
}

/// One write transaction over the steps of a pass.
struct Writing<'a> {
    connection: &'a Connection,
    source: SourceId,
    pass: PassId,
    watermark_rule: WatermarkRule,
    now_ms: i64,
    version: Version,
    has_quarantine: bool,
    /// Combinations of sets that this transaction has met.
    set_lists: RefCell<HashMap<String, i64>>,
    live: i64,
    deleted: i64,
    identifiers: Identifiers<'a>,
    clusters: Option<Clusters<'a>>,
    metadata_prefix: &'a str,
    /// Records that have other content than before.
    touched: Vec<Touched>,
    listed: &'a mut Listed,
}

/// What the store knows of a record that arrives again.
struct Known {
    id: i64,
    datestamp: Option<i64>,
    deleted: bool,
    hash: [u8; 16],
    seen_pass: i64,
}

impl<'a> Writing<'a> {
    fn begin(
        transaction: &'a Transaction<'_>,
        source: SourceId,
        pass: PassId,
        watermark_rule: WatermarkRule,
        now_ms: i64,
        listed: &'a mut Listed,
        kept: Kept,
    ) -> rusqlite::Result<Self> {
        let has_quarantine = transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM quarantine WHERE source_id = ?1)")?
            .query_row([source.0], |row| row.get(0))?;
        Ok(Self {
            connection: transaction,
            source,
            pass,
            watermark_rule,
            now_ms,
            version: Version::last(transaction)?,
            has_quarantine,
            set_lists: RefCell::default(),
            live: 0,
            deleted: 0,
            identifiers: Identifiers::begin(transaction, kept.identifiers)?,
            clusters: Clusters::begin(transaction, kept.keys)?,
            metadata_prefix: "",
            touched: Vec::new(),
            listed,
        })
    }

    fn finish(mut self) -> rusqlite::Result<Kept> {
        self.settle_clusters()?;
        self.version.keep_as_last(self.connection)?;
        self.connection
            .prepare_cached(
                "UPDATE source SET live_records = live_records + ?2,
                                   deleted_records = deleted_records + ?3 WHERE id = ?1",
            )?
            .execute(params![self.source.0, self.live, self.deleted])?;
        Ok(Kept {
            keys: self.clusters.map(Clusters::finish).transpose()?,
            identifiers: self.identifiers.finish()?,
        })
    }

    fn next_version(&mut self) -> i64 {
        self.version = self.version.next(self.now_ms);
        self.version.0
    }

    fn apply(&mut self, packed: &PackedStep) -> rusqlite::Result<Applied> {
        match &packed.step {
            Step::Page(page) => self.page(page, &packed.payloads),
            Step::Settle { found, gone, cost } => {
                let mut counts = Counts::default();
                for (record, payload) in found.iter().zip(&packed.payloads) {
                    self.record(record, payload, &mut counts)?;
                }
                for identifier in gone {
                    self.bury(identifier, &mut counts)?;
                }
                self.add_to_pass(0, cost, &counts)?;
                Ok(Applied {
                    counts,
                    ..Applied::default()
                })
            }
            Step::Split { window, into, note } => {
                let window = passes::window(self.connection, *window)?;
                self.set_state(window.id, WindowState::Split, Some(note))?;
                passes::insert_windows(self.connection, window.pass_id, into, true)?;
                Ok(Applied::default())
            }
            Step::Restart { window, note } => {
                self.connection
                    .prepare_cached(
                        "UPDATE window SET state = 'open', token = NULL, note = ?2 WHERE id = ?1",
                    )?
                    .execute(params![window.0, note])?;
                Ok(Applied::default())
            }
            Step::End {
                window,
                ending,
                cost,
            } => {
                self.add_to_pass(0, cost, &Counts::default())?;
                // What was read of it counts for nothing: only readings to an end are compared.
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
        self.listed.page(page.window, page.begins.is_some());
        for (record, payload) in page.records.iter().zip(payloads) {
            if page.only_headers && !record.header.deleted {
                self.sight(&record.header, &mut counts)?;
            } else {
                self.record(record, payload, &mut counts)?;
            }
            self.listed.note(&record.header.identifier);
        }
        for identifier in &page.gone {
            self.released(identifier)?;
        }
        for bad in &page.bad {
            self.quarantine(bad)?;
            counts.quarantined += 1;
        }
        self.add_to_pass(1, &page.cost, &counts)?;
        if page.begins.is_some() {
            self.connection
                .prepare_cached(
                    "UPDATE window SET items = 0, pages = 0,
                        last_items = CASE WHEN state IN ('suspicious', 'failed') THEN items END,
                        reads = reads + 1, list_size = NULL, bound = ?2 WHERE id = ?1",
                )?
                .execute(params![
                    page.window.0,
                    page.begins.flatten().map(Datestamp::unix)
                ])?;
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
                page.records.len() + page.bad.len(),
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

    fn record(
        &mut self,
        record: &Record,
        payload: &Payload,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        if !record.repairs.is_empty() {
            counts.repaired += 1;
        }
        let parsed = Datestamp::parse(&record.header.datestamp);
        let datestamp = parsed.map(|(datestamp, _)| datestamp.unix());
        let known = self.known(&record.header.identifier)?;
        let Some(known) = known else {
            let version = self.next_version();
            let id = self.insert(record, datestamp, payload, version)?;
            self.touch(id, false, record, payload);
            counts.new += 1;
            *if record.header.deleted {
                &mut self.deleted
            } else {
                &mut self.live
            } += 1;
            return self.released(&record.header.identifier);
        };
        let older = matches!((datestamp, known.datestamp), (Some(new), Some(old)) if new < old);
        if older
            && known.seen_pass == self.pass.0
            && self.listed.may_have(&record.header.identifier)
        {
            // The list shows two states of one item; the newer one was first.
            counts.unchanged += 1;
            return Ok(());
        }
        if record.metadata.is_none() && !record.header.deleted && self.has_metadata(known.id)? {
            return self.keep(&known, record, counts);
        }
        if known.hash == payload.hash {
            self.connection
                .prepare_cached(
                    "UPDATE record SET datestamp = ?2, datestamp_text = ?3, seen_pass = ?4
                     WHERE id = ?1",
                )?
                .execute(params![
                    known.id,
                    datestamp,
                    datestamp_text(&record.header.datestamp),
                    self.pass.0
                ])?;
            counts.unchanged += 1;
            return self.released(&record.header.identifier);
        }
        let version = self.next_version();
        self.update(&known, record, datestamp, payload, version)?;
        self.touch(known.id, true, record, payload);
        match (known.deleted, record.header.deleted) {
            (false, true) => {
                counts.deleted += 1;
                self.live -= 1;
                self.deleted += 1;
            }
            (true, false) => {
                counts.changed += 1;
                self.live += 1;
                self.deleted -= 1;
            }
            _ => counts.changed += 1,
        }
        self.released(&record.header.identifier)
    }

    /// An identifier was listed as live. Where the store should have such a record and has not, it is
    /// set aside, so that the next pass asks for it by name.
    fn sight(&mut self, header: &Header, counts: &mut Counts) -> rusqlite::Result<()> {
        counts.unchanged += 1;
        let known = self.known(&header.identifier)?;
        if let Some(known) = &known {
            // An identifiers' pass that was cut off for long is older than what harvests saw since.
            self.connection
                .prepare_cached("UPDATE record SET seen_pass = max(seen_pass, ?2) WHERE id = ?1")?
                .execute(params![known.id, self.pass.0])?;
            if !known.deleted {
                return Ok(());
            }
        }
        let datestamp = Datestamp::parse(&header.datestamp).map(|(at, _)| at.unix());
        let should_be_stored: bool = self
            .connection
            .prepare_cached(
                "SELECT coalesce(?2 <= min(datestamp), 0) FROM watermark WHERE source_id = ?1",
            )?
            .query_row(params![self.source.0, datestamp], |row| row.get(0))?;
        if !should_be_stored {
            return Ok(());
        }
        counts.quarantined += 1;
        self.quarantine(&BadItem {
            identifier: Some(header.identifier.clone()),
            datestamp: Some(header.datestamp.clone()),
            reason: "listed by its identifier as live, and not so in the store; asked for by name \
                     by the next pass"
                .to_owned(),
            raw: header.identifier.clone().into_bytes(),
        })
    }

    /// A live record that came without metadata, which the store has: what is stored stays, and what
    /// came is set aside, since nobody can tell a record that was emptied from a list that is broken.
    fn keep(
        &mut self,
        known: &Known,
        record: &Record,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE record SET seen_pass = ?2 WHERE id = ?1")?
            .execute(params![known.id, self.pass.0])?;
        counts.unchanged += 1;
        counts.quarantined += 1;
        let identifier = &record.header.identifier;
        self.quarantine(&BadItem {
            identifier: Some(identifier.clone()),
            datestamp: Some(record.header.datestamp.clone()),
            reason: "a live record without metadata; what was stored of it before is kept"
                .to_owned(),
            raw: record
                .raw
                .clone()
                .unwrap_or_else(|| identifier.clone().into_bytes()),
        })
    }

    fn has_metadata(&self, id: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM payload
                    WHERE record_id = ?1 AND metadata IS NOT NULL)",
            )?
            .query_row([id], |row| row.get(0))
    }

    /// A live record that the repository no longer has becomes a tombstone, unless a list has shown
    /// it since.
    fn bury(&mut self, identifier: &str, counts: &mut Counts) -> rusqlite::Result<()> {
        let Some(known) = self.known(identifier)? else {
            return Ok(());
        };
        if known.deleted || known.seen_pass >= self.pass.0 {
            return Ok(());
        }
        let version = self.next_version();
        self.connection
            .prepare_cached(
                "UPDATE record SET deleted = 2, content_hash = zeroblob(16), version = ?2,
                    seen_pass = ?3 WHERE id = ?1",
            )?
            .execute(params![known.id, version, self.pass.0])?;
        self.drop_payload(known.id)?;
        if self.clusters.is_some() {
            self.touched.push(Touched {
                record: known.id,
                known: true,
                seen: None,
            });
        }
        counts.deleted += 1;
        self.live -= 1;
        self.deleted += 1;
        Ok(())
    }

    fn drop_payload(&self, id: i64) -> rusqlite::Result<()> {
        for statement in [
            "DELETE FROM payload WHERE record_id = ?1",
            "DELETE FROM repair WHERE record_id = ?1",
        ] {
            self.connection.prepare_cached(statement)?.execute([id])?;
        }
        Ok(())
    }

    /// Notes a record that has other content than before.
    fn touch(&mut self, id: i64, known: bool, record: &Record, payload: &Payload) {
        if self.clusters.is_some() {
            let describe = || cluster::seen_of(self.metadata_prefix, record);
            self.touched.push(Touched {
                record: id,
                known,
                seen: payload.seen.clone().unwrap_or_else(describe),
            });
        }
    }

    /// Brings the clusters up to date with the records since the last time: many at once cost less
    /// than one page after the other.
    fn settle_clusters(&mut self) -> rusqlite::Result<()> {
        let touched = std::mem::take(&mut self.touched);
        let Some(clusters) = &mut self.clusters else {
            return Ok(());
        };
        let moved = clusters.settle(touched)?;
        cluster::stamp(self.connection, moved, || self.next_version())?;
        Ok(())
    }

    fn known(&self, identifier: &str) -> rusqlite::Result<Option<Known>> {
        for id in self.identifiers.candidates(identifier)? {
            let known = self
                .connection
                .prepare_cached(
                    "SELECT datestamp, deleted, content_hash, seen_pass FROM record
                     WHERE id = ?1 AND identifier = ?2 AND source_id = ?3",
                )?
                .query_row(params![id, identifier, self.source.0], |row| {
                    Ok(Known {
                        id,
                        datestamp: row.get(0)?,
                        deleted: row.get::<_, i64>(1)? != 0,
                        hash: row.get(2)?,
                        seen_pass: row.get(3)?,
                    })
                })
                .optional()?;
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }

    fn insert(
        &mut self,
        record: &Record,
        datestamp: Option<i64>,
        payload: &Payload,
        version: i64,
    ) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO record (source_id, identifier, datestamp, datestamp_text, set_list_id,
                    deleted, content_hash, version, created_version, seen_pass)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
            )?
            .execute(params![
                self.source.0,
                record.header.identifier,
                datestamp,
                datestamp_text(&record.header.datestamp),
                self.set_list(&record.header.set_specs)?,
                record.header.deleted,
                payload.hash,
                version,
                self.pass.0,
            ])?;
        let id = self.connection.last_insert_rowid();
        self.identifiers.add(&record.header.identifier, id)?;
        self.put_payload(id, record, payload)?;
        Ok(id)
    }

    fn update(
        &self,
        known: &Known,
        record: &Record,
        datestamp: Option<i64>,
        payload: &Payload,
        version: i64,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE record SET datestamp = ?2, datestamp_text = ?3, set_list_id = ?4,
                    deleted = ?5, content_hash = ?6, version = ?7, seen_pass = ?8 WHERE id = ?1",
            )?
            .execute(params![
                known.id,
                datestamp,
                datestamp_text(&record.header.datestamp),
                self.set_list(&record.header.set_specs)?,
                record.header.deleted,
                payload.hash,
                version,
                self.pass.0,
            ])?;
        self.drop_payload(known.id)?;
        self.put_payload(known.id, record, payload)
    }

    /// The number of a combination of sets.
    fn set_list(&self, set_specs: &[String]) -> rusqlite::Result<i64> {
        let text = set_specs.join("\n");
        let mut known = self.set_lists.borrow_mut();
        if let Some(id) = known.get(&text) {
            return Ok(*id);
        }
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO set_list (set_specs) VALUES (?1)")?
            .execute([&text])?;
        let id = self
            .connection
            .prepare_cached("SELECT id FROM set_list WHERE set_specs = ?1")?
            .query_row([&text], |row| row.get(0))?;
        known.insert(text, id);
        Ok(id)
    }

    fn put_payload(&self, id: i64, record: &Record, payload: &Payload) -> rusqlite::Result<()> {
        if payload.metadata.is_some() || payload.extra.is_some() {
            let packed = payload.metadata.as_ref().or(payload.extra.as_ref());
            self.connection
                .prepare_cached(
                    "INSERT INTO payload (record_id, dictionary_id, metadata, extra)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    id,
                    packed.map_or(0, |packed| packed.dictionary_id),
                    payload
                        .metadata
                        .as_ref()
                        .map(|packed| packed.bytes.as_slice()),
                    payload.extra.as_ref().map(|packed| packed.bytes.as_slice()),
                ])?;
        }
        if let Some(raw) = &record.raw {
            let repairs = serde_json::to_string(&record.repairs).expect("repairs are plain values");
            self.connection
                .prepare_cached("INSERT INTO repair (record_id, repairs, raw) VALUES (?1, ?2, ?3)")?
                .execute(params![id, repairs, pack_alone(raw)])?;
        }
        Ok(())
    }

    /// A readable state of an item has arrived, or there is none any more: earlier unreadable ones
    /// have had their time.
    fn released(&self, identifier: &str) -> rusqlite::Result<()> {
        if self.has_quarantine {
            self.connection
                .prepare_cached("DELETE FROM quarantine WHERE source_id = ?1 AND identifier = ?2")?
                .execute(params![self.source.0, identifier])?;
        }
        Ok(())
    }

    fn quarantine(&mut self, bad: &BadItem) -> rusqlite::Result<()> {
        // The same error page may stand for any number of records.
        let name = bad.identifier.as_deref().unwrap_or_default();
        let mut hash = [0; 16];
        blake3::Hasher::new()
            .update(name.as_bytes())
            .update(&bad.raw)
            .finalize_xof()
            .fill(&mut hash);
        if let Some(identifier) = &bad.identifier {
            // Its latest state is what counts; a failing page may look different each time.
            self.connection
                .prepare_cached(
                    "DELETE FROM quarantine
                     WHERE source_id = ?1 AND identifier = ?2 AND raw_hash <> ?3",
                )?
                .execute(params![self.source.0, identifier, hash])?;
        }
        self.connection
            .prepare_cached(
                "INSERT INTO quarantine (source_id, identifier, datestamp_text, reason, raw,
                    raw_hash, first_at, last_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                 ON CONFLICT (source_id, raw_hash)
                 DO UPDATE SET reason = excluded.reason, last_at = excluded.last_at",
            )?
            .execute(params![
                self.source.0,
                bad.identifier,
                bad.datestamp,
                bad.reason,
                pack_alone(&bad.raw),
                hash,
                self.now_ms,
            ])?;
        self.has_quarantine = true;
        Ok(())
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
        Ok(())
    }

    /// Ends the reading of a window, moves the watermark of its list as far as the rule says, and
    /// ends the pass if no window of it is left.
    fn end(
        &mut self,
        window: &Window,
        ending: &Ending,
        counts: Counts,
    ) -> rusqlite::Result<Applied> {
        // A watermark's version covers what its records did to clusters.
        self.settle_clusters()?;
        let mut applied = Applied {
            counts,
            ..Applied::default()
        };
        match ending {
            Ending::Complete => self.set_state(window.id, WindowState::Complete, None)?,
            Ending::Suspicious(note) => {
                self.set_state(window.id, WindowState::Suspicious, Some(note))?;
            }
            Ending::Failed(note) => self.set_state(window.id, WindowState::Failed, Some(note))?,
        }
        applied.watermark = self.move_watermark(window.set_spec.as_deref())?;
        let is_complete: bool = self
            .connection
            .prepare_cached(
                "SELECT NOT EXISTS (SELECT 1 FROM window
                    WHERE pass_id = ?1 AND state IN ('open', 'suspicious', 'failed'))",
            )?
            .query_row([self.pass.0], |row| row.get(0))?;
        if is_complete {
            self.connection.run(
                "UPDATE pass SET state = 'complete', note = NULL, ended_at = ?2 WHERE id = ?1",
                params![self.pass.0, self.now_ms],
            )?;
            self.release_nameless()?;
            applied.pass_complete = true;
        }
        Ok(applied)
    }

    /// Items without an identifier cannot be asked for again. A whole list that no longer has them, as
    /// they were, says that they can be read now or are gone.
    fn release_nameless(&self) -> rusqlite::Result<()> {
        if self.has_quarantine {
            self.connection.run(
                "DELETE FROM quarantine WHERE source_id = ?1 AND identifier IS NULL AND last_at <
                    (SELECT started_at FROM pass
                     WHERE id = ?2 AND kind = 'full' AND started_at <= ?3)",
                params![self.source.0, self.pass.0, self.now_ms],
            )?;
        }
        Ok(())
    }

    /// Stores the watermark that follows from the list of `set` as it stands in this transaction.
    fn move_watermark(&mut self, set: Option<&str>) -> rusqlite::Result<Option<Watermark>> {
        let list = passes::list_state(self.connection, self.source, self.pass, set)?;
        let NextWatermark::At(datestamp) = (self.watermark_rule)(&list) else {
            return Ok(None);
        };
        self.connection.run(
            "INSERT INTO watermark (source_id, set_spec, datestamp, version)
             VALUES (?1, coalesce(?2, ''), ?3, ?4)
             ON CONFLICT (source_id, set_spec) DO UPDATE
             SET datestamp = excluded.datestamp, version = excluded.version",
            params![self.source.0, set, datestamp.unix(), self.version.0],
        )?;
        Ok(Some(Watermark {
            set_spec: set.map(str::to_owned),
            datestamp,
            version: self.version,
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

/// The datestamp as written, where it says more than its instant in the usual form.
fn datestamp_text(text: &str) -> Option<&str> {
    Datestamp::canonical(text).is_none().then_some(text)
}
