//! Writing the records of a pass: a record is compared with its stored state, then inserted, updated
//! or left as it is.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::cluster::{self, ChangedRecord, Clusters, RecentKeys};
use super::contradiction::{Choice, Shown, ShownBy, State, choose};
use super::listed::Listed;
use super::open::Cached;
use super::other_states::{OtherState, OtherStates, Standing};
use super::pack::{Payload, content_hash_of};
use super::payload::{SharedCompressor, compress_alone};
use super::quarantine::Quarantine;
use super::serving::not_before_shown;
use super::{Counts, PassId, PassKind, SourceId, Version};
use crate::oai::response::BadItem;
use crate::oai::{Datestamp, Header, Record};

/// The records of one pass within one write transaction.
pub(super) struct RecordWriter<'a> {
    pub(super) connection: &'a Connection,
    pub(super) source: SourceId,
    pub(super) pass: PassId,
    now_ms: i64,
    /// The time for versions, which is not before what responses have shown.
    version_ms: i64,
    metadata_prefix: &'a str,
    /// Compresses the content that is stored and not compressed yet.
    compressor: &'a SharedCompressor,
    /// The last version that was given out.
    version: Version,
    quarantine: Quarantine<'a>,
    pub(super) others: OtherStates<'a>,
    /// Whether the pass lists everything.
    pub(super) lists_all: bool,
    /// The last version before the pass.
    after_version: i64,
    /// The numbers of the combinations of sets that this transaction has met.
    set_lists: HashMap<String, i64>,
    /// Combinations of sets that the source is known to have.
    noted_set_lists: HashSet<i64>,
    /// By how much the source's numbers of live and deleted records change.
    live: i64,
    deleted: i64,
    /// `None` while the store's clusters are not up to date.
    clusters: Option<Clusters<'a>>,
    /// Records with new content that are not clustered yet.
    changed: Vec<ChangedRecord>,
    /// Unchanged records that the pass has seen, which is not written yet.
    seen: Vec<i64>,
}

/// The statement that reads [`Known`] records.
macro_rules! select_known {
    ($condition:literal) => {
        concat!(
            "SELECT id, identifier, datestamp, datestamp_text, deleted, content_hash, set_list_id,
                listed_in, seen_pass, iif(version = created_version, version, NULL)
             FROM record WHERE ",
            $condition
        )
    };
}

/// The stored state of a record that arrives again.
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) identifier: String,
    pub(super) datestamp: Option<i64>,
    pub(super) datestamp_text: Option<String>,
    pub(super) deletion: i64,
    pub(super) hash: [u8; 16],
    pub(super) set_list: i64,
    /// The configured sets whose lists show this state.
    pub(super) listed_in: Option<i64>,
    pub(super) seen_pass: i64,
    /// The version of its first state, if it has had no other.
    pub(super) only_version: Option<i64>,
}

impl Known {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            identifier: row.get(1)?,
            datestamp: row.get(2)?,
            datestamp_text: row.get(3)?,
            deletion: row.get(4)?,
            hash: row.get(5)?,
            set_list: row.get(6)?,
            listed_in: row.get(7)?,
            seen_pass: row.get(8)?,
            only_version: row.get(9)?,
        })
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deletion != 0
    }

    fn has_disappeared(&self) -> bool {
        self.deletion == 2
    }

    fn state(&self) -> State {
        State {
            deleted: self.is_deleted(),
            datestamp: self.datestamp,
        }
    }

    /// The stored state as it is kept when a new state takes its place.
    pub(super) fn as_other(&self, set: &str, standing: Standing) -> OtherState {
        OtherState {
            record: self.id,
            set: set.to_owned(),
            hash: self.hash,
            datestamp: self.datestamp,
            datestamp_text: self.datestamp_text.clone(),
            set_list: self.set_list,
            deleted: self.is_deleted(),
            standing,
            own: false,
            listed_live: false,
            seen_pass: self.seen_pass,
        }
    }
}

/// A state of a record that is to be stored.
pub(super) struct NewState<'a> {
    pub(super) record: &'a Record,
    pub(super) payload: &'a Payload,
    pub(super) datestamp: Option<i64>,
    /// The sets of the header, less those that the record has left.
    pub(super) set_specs: Cow<'a, [String]>,
    pub(super) hash: [u8; 16],
}

impl<'a> NewState<'a> {
    pub(super) fn new(record: &'a Record, payload: &'a Payload) -> Self {
        Self {
            record,
            payload,
            datestamp: record.header.instant().map(Datestamp::unix),
            set_specs: Cow::Borrowed(&record.header.set_specs),
            hash: payload.hash,
        }
    }

    fn state(&self) -> State {
        State {
            deleted: self.record.header.deleted,
            datestamp: self.datestamp,
        }
    }
}

impl<'a> RecordWriter<'a> {
    pub(super) fn begin(
        transaction: &'a Transaction<'_>,
        source: SourceId,
        pass: PassId,
        now_ms: i64,
        metadata_prefix: &'a str,
        compressor: &'a SharedCompressor,
        recent_keys: Option<RecentKeys>,
    ) -> rusqlite::Result<Self> {
        let (lists_all, after_version) = kind_of_pass(transaction, pass)?;
        Ok(Self {
            connection: transaction,
            source,
            pass,
            now_ms,
            version_ms: not_before_shown(transaction, now_ms)?,
            metadata_prefix,
            compressor,
            version: Version::last(transaction)?,
            quarantine: Quarantine::new(transaction, source)?,
            others: OtherStates::new(transaction, source)?,
            lists_all,
            after_version,
            set_lists: HashMap::new(),
            noted_set_lists: HashSet::new(),
            live: 0,
            deleted: 0,
            clusters: Clusters::begin(transaction, recent_keys)?,
            changed: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// Clusters the last records and stores what the transaction counted. Returns the recent match
    /// keys for the next transaction.
    pub(super) fn finish(mut self) -> rusqlite::Result<Option<RecentKeys>> {
        self.write_seen()?;
        self.update_clusters()?;
        self.version.keep_as_last(self.connection)?;
        self.connection
            .prepare_cached(
                "UPDATE source SET live_records = live_records + ?2,
                                   deleted_records = deleted_records + ?3 WHERE id = ?1",
            )?
            .execute(params![self.source.0, self.live, self.deleted])?;
        self.clusters.map(Clusters::finish).transpose()
    }

    /// The last version that was given out.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn next_version(&mut self) -> i64 {
        self.version = self.version.next(self.version_ms);
        self.version.0
    }

    /// Updates the clusters for the records changed since the last call. Many records at once cost
    /// less than one page after the other.
    pub(super) fn update_clusters(&mut self) -> rusqlite::Result<()> {
        let changed = std::mem::take(&mut self.changed);
        let Some(clusters) = &mut self.clusters else {
            return Ok(());
        };
        let moved = clusters.update(changed)?;
        cluster::stamp(self.connection, moved, || self.next_version())?;
        Ok(())
    }

    /// Stores a record. `listed` has the items that the same reading has shown before.
    pub(super) fn store(
        &mut self,
        record: &Record,
        payload: &Payload,
        shown_by: ShownBy<'_>,
        listed: &Listed,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        if !record.repairs.is_empty() {
            counts.repaired += 1;
        }
        let identifier = &record.header.identifier;
        let mut new = NewState::new(record, payload);
        if listed.may_have(identifier) {
            self.write_seen()?;
        }
        let Some(known) = self.stored(identifier)? else {
            let version = self.next_version();
            let listed_in = self.list_in(None, record.header.deleted, shown_by)?;
            let id = self.insert(&new, version, listed_in)?;
            self.note_changed(id, false, record, payload);
            counts.new += 1;
            *if record.header.deleted {
                &mut self.deleted
            } else {
                &mut self.live
            } += 1;
            return self.clear_quarantine(&record.header, shown_by);
        };
        let shown = match known.seen_pass >= self.pass.0 {
            // That it disappeared is a conclusion, which no list has shown.
            _ if known.has_disappeared() => Shown::Before,
            true if listed.may_have(identifier) => Shown::ThisReading,
            true => Shown::ThisPass,
            false => Shown::Before,
        };
        let others = self.others.of(known.id)?;
        self.take_up_sets(&mut new, &known, &others, shown, shown_by)?;
        if new.hash == known.hash {
            counts.unchanged += 1;
            // Of states with the same content, the newest datestamp of the pass stays.
            // Without a datestamp, as some repositories answer GetRecord, the known one stays.
            let is_newest = !record.header.datestamp.is_empty()
                && (shown == Shown::Before || new.datestamp >= known.datestamp);
            self.touch(&known, is_newest.then_some(&new), shown_by)?;
            return self.clear_quarantine(&record.header, shown_by);
        }
        if shown_by.is_list
            && let Some(other) = others.iter().find(|other| new.is(other, shown_by))
        {
            counts.unchanged += 1;
            return self.others.see(other, self.pass);
        }
        let choice = if shown_by.is_list {
            choose(known.state(), new.state(), shown)
        } else {
            Choice::Take
        };
        let is_bare = !payload.has_metadata(record) && !record.header.deleted;
        let is_kept = is_bare
            && match choice {
                Choice::Take | Choice::Replace | Choice::Revive => {
                    (known.is_deleted() && shown_by.is_list) || self.has_metadata(known.id)?
                }
                Choice::Keep | Choice::Doubt | Choice::Hold => false,
            };
        if is_kept {
            return self.keep_stored(&known, record, counts);
        }
        match choice {
            Choice::Take => {}
            Choice::Replace => {
                self.others
                    .put(&known.as_other(shown_by.set, Standing::Refused))?;
            }
            Choice::Revive => self.doubt_stored_tombstone(&known, new.datestamp, shown_by)?,
            Choice::Keep | Choice::Doubt => {
                let state = match choice {
                    Choice::Doubt => Standing::Doubted,
                    _ => Standing::Refused,
                };
                let other = self.other_state(&known, &new, shown_by, state)?;
                self.others.put(&other)?;
                counts.unchanged += 1;
                return Ok(());
            }
            Choice::Hold => {
                let own = shown == Shown::ThisReading;
                let other = self.other_state(&known, &new, shown_by, Standing::Held)?;
                self.others.put(&OtherState {
                    own,
                    ..other.clone()
                })?;
                self.others.set_window(&other, listed.window())?;
                if !record.header.deleted {
                    let packed = payload.packed(record, self.compressor);
                    self.others.put_content(&other, &packed)?;
                }
                return self.clear_quarantine(&record.header, shown_by);
            }
        }
        self.replace(&known, &new, shown_by, counts)?;
        self.clear_quarantine(&record.header, shown_by)
    }

    /// Removes the items of a record from the quarantine, now that a state of it can be read. A list may show
    /// an older state beside the one that cannot be read, which stays in the quarantine then.
    fn clear_quarantine(&self, header: &Header, shown_by: ShownBy<'_>) -> rusqlite::Result<()> {
        if shown_by.is_list {
            self.quarantine
                .clear_up_to(&header.identifier, &header.datestamp)
        } else {
            self.quarantine.clear(&header.identifier)
        }
    }

    /// Whether this pass has stored a record for the first time, and has not changed it since.
    pub(super) fn is_new(&self, known: &Known) -> bool {
        known
            .only_version
            .is_some_and(|version| version > self.after_version)
    }

    /// Puts another state in the place of a stored one.
    pub(super) fn replace(
        &mut self,
        known: &Known,
        new: &NewState<'_>,
        shown_by: ShownBy<'_>,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let version = self.next_version();
        let deleted = new.record.header.deleted;
        let listed_in = self.list_in(Some(known), deleted, shown_by)?;
        self.update(known, new, version, listed_in)?;
        self.note_changed(known.id, true, new.record, new.payload);
        match (known.is_deleted(), deleted) {
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
        Ok(())
    }

    /// Takes from a listed state the sets that the record has left, and adds those that the lists of
    /// other sets vouch for: some repositories name in each header only the set of the list.
    fn take_up_sets(
        &mut self,
        new: &mut NewState<'_>,
        known: &Known,
        others: &[OtherState],
        shown: Shown,
        shown_by: ShownBy<'_>,
    ) -> rusqlite::Result<()> {
        if new.record.header.deleted {
            return Ok(());
        }
        let is_own =
            |other: &&OtherState| shown_by.is_list && other.deleted && other.set == shown_by.set;
        for other in others.iter().filter(is_own) {
            self.others.set_own(other, true)?;
        }
        let mut left = self.others.left_sets(others);
        left.retain(|set| *set != shown_by.set);
        if new.set_specs.iter().any(|spec| is_below_any(spec, &left)) {
            let mut stay = new.set_specs.to_vec();
            stay.retain(|spec| !is_below_any(spec, &left));
            self.set_sets(new, stay)?;
        }
        let is_other = new.hash != known.hash && new.datestamp == known.datestamp;
        if shown_by.set.is_empty() || known.is_deleted() || !is_other {
            return Ok(());
        }
        let stored = self.set_specs(known.set_list)?;
        if self.hash_with(new, &stored)? != known.hash {
            return Ok(());
        }
        // Nothing but the sets differs.
        let lists = self.sets_listing(known)?;
        let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
        let is_vouched = |spec: &String| new.set_specs.contains(spec) || is_below_any(spec, &lists);
        let further: Vec<String> = new
            .set_specs
            .iter()
            .filter(|spec| !stored.contains(spec))
            .cloned()
            .collect();
        if stored.iter().all(is_vouched) && (further.is_empty() || shown != Shown::Before) {
            self.set_sets(new, [stored, further].concat())?;
        }
        Ok(())
    }

    /// Gives a state other sets than those of its header.
    fn set_sets(&self, new: &mut NewState<'_>, set_specs: Vec<String>) -> rusqlite::Result<()> {
        new.hash = self.hash_with(new, &set_specs)?;
        new.set_specs = Cow::Owned(set_specs);
        Ok(())
    }

    /// The hash that a state would have with these sets.
    fn hash_with(&self, new: &NewState<'_>, set_specs: &[String]) -> rusqlite::Result<[u8; 16]> {
        let deleted = new.record.header.deleted;
        let hash = |metadata: &Option<String>, extra: &Option<String>| {
            content_hash_of(deleted, set_specs, metadata.as_deref(), extra.as_deref())
        };
        let Some(packed) = new.payload.as_packed() else {
            return Ok(hash(&new.record.metadata, &new.record.extra));
        };
        let metadata = self.text(packed.metadata.as_ref())?;
        let extra = self.text(packed.extra.as_ref())?;
        Ok(hash(&metadata, &extra))
    }

    /// Notes that the pass shows the stored state, with the datestamp of `new` if there is one.
    fn touch(
        &mut self,
        known: &Known,
        new: Option<&NewState<'_>>,
        shown_by: ShownBy<'_>,
    ) -> rusqlite::Result<()> {
        let listed_in = self.list_in(Some(known), known.is_deleted(), shown_by)?;
        let (datestamp, text) = match new {
            Some(new) => (new.datestamp, datestamp_text(&new.record.header.datestamp)),
            None => (known.datestamp, known.datestamp_text.as_deref()),
        };
        if listed_in != known.listed_in {
            self.connection.run(
                "UPDATE record SET listed_in = ?2 WHERE id = ?1",
                params![known.id, listed_in],
            )?;
        }
        if known.seen_pass < self.pass.0 {
            self.seen.push(known.id);
        }
        // Apart, because SQLite would look up each `listed_in` that it writes.
        if datestamp != known.datestamp || text != known.datestamp_text.as_deref() {
            self.connection.run(
                "UPDATE record SET datestamp = ?2, datestamp_text = ?3 WHERE id = ?1",
                params![known.id, datestamp, text],
            )?;
        }
        Ok(())
    }

    /// Writes which unchanged records the pass has seen. A list mostly shows records in the order in which they
    /// were stored, so that one statement writes many.
    pub(super) fn write_seen(&mut self) -> rusqlite::Result<()> {
        self.seen.sort_unstable();
        self.seen.dedup();
        for run in self.seen.chunk_by(|one, next| one + 1 == *next) {
            self.connection.run(
                "UPDATE record SET seen_pass = ?3 WHERE id BETWEEN ?1 AND ?2",
                params![run[0], run[run.len() - 1], self.pass.0],
            )?;
        }
        self.seen.clear();
        Ok(())
    }

    /// A listed state of a record whose stored state is another.
    fn other_state(
        &mut self,
        known: &Known,
        new: &NewState<'_>,
        shown_by: ShownBy<'_>,
        standing: Standing,
    ) -> rusqlite::Result<OtherState> {
        let header = &new.record.header;
        Ok(OtherState {
            record: known.id,
            set: shown_by.set.to_owned(),
            hash: new.hash,
            datestamp: new.datestamp,
            datestamp_text: datestamp_text(&header.datestamp).map(str::to_owned),
            set_list: self.set_list(&new.set_specs)?,
            deleted: header.deleted,
            standing,
            own: false,
            listed_live: false,
            seen_pass: self.pass.0,
        })
    }

    /// A list shows a record live whose tombstone this pass has stored: GetRecord decides. `live_at` is the
    /// datestamp of the live state.
    pub(super) fn doubt_stored_tombstone(
        &mut self,
        known: &Known,
        live_at: Option<i64>,
        shown_by: ShownBy<'_>,
    ) -> rusqlite::Result<()> {
        let mut lists = self.sets_listing(known)?;
        if lists.is_empty() {
            lists.push(shown_by.set.to_owned());
        }
        // A record that was deleted in all its sets, and lives again in one of them, has left none of the
        // others: their lists are older.
        if live_at > known.datestamp && lists.iter().any(|set| set == shown_by.set) {
            lists.retain(|set| set == shown_by.set);
        }
        for set in lists {
            let own = set == shown_by.set;
            let other = known.as_other(&set, Standing::Doubted);
            let listed_live = true;
            self.others.put(&OtherState {
                own,
                listed_live,
                ..other
            })?;
        }
        Ok(())
    }

    /// The combination of configured sets whose lists show a record, now that `shown_by` shows it.
    fn list_in(
        &mut self,
        known: Option<&Known>,
        deleted: bool,
        shown_by: ShownBy<'_>,
    ) -> rusqlite::Result<Option<i64>> {
        let same = known.filter(|known| known.is_deleted() == deleted);
        let before = same.and_then(|known| known.listed_in);
        if shown_by.set.is_empty() {
            return Ok(before);
        }
        let mut sets = match before {
            Some(before) => self.set_specs(before)?,
            // Stored before sets were noted: only a list of everything tells of all its sets.
            None if same.is_some() && !self.lists_all => return Ok(None),
            None => Vec::new(),
        };
        if sets.iter().any(|set| set == shown_by.set) {
            return Ok(before);
        }
        sets.push(shown_by.set.to_owned());
        sets.sort_unstable();
        self.set_list(&sets).map(Some)
    }

    /// The configured sets whose lists show the stored state, as far as they are known.
    pub(super) fn sets_listing(&self, known: &Known) -> rusqlite::Result<Vec<String>> {
        match known.listed_in {
            Some(sets) => self.set_specs(sets),
            None => Ok(Vec::new()),
        }
    }

    /// Marks a record as listed live by its identifier alone. If the store should have it live and does
    /// not, it goes to quarantine, so that the next pass requests it by name.
    pub(super) fn mark_seen(
        &mut self,
        header: &Header,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        counts.unchanged += 1;
        if let Some(known) = self.known(&header.identifier)? {
            // A long-interrupted pass over identifiers is older than the harvests that ran since.
            self.connection
                .prepare_cached("UPDATE record SET seen_pass = max(seen_pass, ?2) WHERE id = ?1")?
                .execute(params![known.id, self.pass.0])?;
            if !known.is_deleted() {
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
        let reason = "its identifier is listed as live, and the store has no live record of it; the \
                      next pass requests it by name";
        self.add_to_quarantine(
            &BadItem {
                identifier: Some(header.identifier.clone()),
                datestamp: Some(header.datestamp.clone()),
                reason: reason.to_owned(),
                raw: header.identifier.clone().into_bytes(),
            },
            counts,
        )
    }

    /// Leaves a stored record as it is, because its new state is live and has no metadata: that can be
    /// an emptied record or a broken list. The new state goes to quarantine.
    fn keep_stored(
        &mut self,
        known: &Known,
        record: &Record,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE record SET seen_pass = max(seen_pass, ?2) WHERE id = ?1")?
            .execute(params![known.id, self.pass.0])?;
        counts.unchanged += 1;
        let identifier = &record.header.identifier;
        let item = BadItem {
            identifier: Some(identifier.clone()),
            datestamp: Some(record.header.datestamp.clone()),
            reason: "a live record without metadata; the metadata stored before is kept".to_owned(),
            raw: record
                .raw
                .clone()
                .unwrap_or_else(|| identifier.clone().into_bytes()),
        };
        self.add_to_quarantine(&item, counts)
    }

    /// Turns a live record that the repository no longer has into a tombstone, unless a list has shown
    /// it since.
    pub(super) fn tombstone(
        &mut self,
        identifier: &str,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let Some(known) = self.known(identifier)? else {
            return Ok(());
        };
        if known.is_deleted() || known.seen_pass >= self.pass.0 {
            return Ok(());
        }
        let version = self.next_version();
        self.connection
            .prepare_cached(
                "UPDATE record SET deleted = 2, content_hash = zeroblob(16), version = ?2,
                    seen_pass = max(seen_pass, ?3), listed_in = NULL WHERE id = ?1",
            )?
            .execute(params![known.id, version, self.pass.0])?;
        self.delete_payload(known.id)?;
        if self.clusters.is_some() {
            self.changed.push(ChangedRecord {
                record: known.id,
                known: true,
                description: None,
            });
        }
        counts.deleted += 1;
        self.live -= 1;
        self.deleted += 1;
        Ok(())
    }

    /// Adds an item to the quarantine.
    pub(super) fn add_to_quarantine(
        &mut self,
        item: &BadItem,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        counts.quarantined += 1;
        self.quarantine.add(item, self.now_ms)
    }

    /// The source's quarantine.
    pub(super) fn quarantine(&self) -> &Quarantine<'a> {
        &self.quarantine
    }

    pub(super) fn note_changed(
        &mut self,
        id: i64,
        known: bool,
        record: &Record,
        payload: &Payload,
    ) {
        if self.clusters.is_some() {
            let describe = || cluster::describe_record(self.metadata_prefix, record);
            self.changed.push(ChangedRecord {
                record: id,
                known,
                description: payload.description.clone().unwrap_or_else(describe),
            });
        }
    }

    /// The record with this identifier, as it is after all that the transaction has done.
    pub(super) fn known(&mut self, identifier: &str) -> rusqlite::Result<Option<Known>> {
        self.write_seen()?;
        self.stored(identifier)
    }

    /// As [`Self::known`]; what is not written yet about the record is left out.
    fn stored(&self, identifier: &str) -> rusqlite::Result<Option<Known>> {
        self.connection
            .prepare_cached(select_known!("identifier = ?1 AND source_id = ?2"))?
            .query_row(params![identifier, self.source.0], Known::from_row)
            .optional()
    }

    pub(super) fn known_by_id(&mut self, id: i64) -> rusqlite::Result<Known> {
        self.write_seen()?;
        self.connection
            .one(select_known!("id = ?1"), [id], Known::from_row)
    }

    fn has_metadata(&self, id: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM payload
                    WHERE record_id = ?1 AND metadata IS NOT NULL)",
            )?
            .query_row([id], |row| row.get(0))
    }

    fn insert(
        &mut self,
        new: &NewState<'_>,
        version: i64,
        listed_in: Option<i64>,
    ) -> rusqlite::Result<i64> {
        let set_list = self.set_list(&new.set_specs)?;
        let header = &new.record.header;
        self.connection
            .prepare_cached(
                "INSERT INTO record (source_id, identifier, datestamp, datestamp_text, set_list_id,
                    deleted, content_hash, version, created_version, seen_pass, listed_in)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10)",
            )?
            .execute(params![
                self.source.0,
                header.identifier,
                new.datestamp,
                datestamp_text(&header.datestamp),
                set_list,
                header.deleted,
                new.hash,
                version,
                self.pass.0,
                listed_in,
            ])?;
        let id = self.connection.last_insert_rowid();
        self.note_set_list(set_list)?;
        self.insert_payload(id, new.record, new.payload)?;
        Ok(id)
    }

    fn update(
        &mut self,
        known: &Known,
        new: &NewState<'_>,
        version: i64,
        listed_in: Option<i64>,
    ) -> rusqlite::Result<()> {
        let set_list = self.set_list(&new.set_specs)?;
        let header = &new.record.header;
        self.connection
            .prepare_cached(
                "UPDATE record SET datestamp = ?2, datestamp_text = ?3, set_list_id = ?4,
                    deleted = ?5, content_hash = ?6, version = ?7, seen_pass = max(seen_pass, ?8),
                    listed_in = ?9
                 WHERE id = ?1",
            )?
            .execute(params![
                known.id,
                new.datestamp,
                datestamp_text(&header.datestamp),
                set_list,
                header.deleted,
                new.hash,
                version,
                self.pass.0,
                listed_in,
            ])?;
        self.note_left_sets(known, set_list)?;
        self.delete_payload(known.id)?;
        self.insert_payload(known.id, new.record, new.payload)
    }

    /// Notes which sets a record has left, now that it has the combination `set_list`.
    pub(super) fn note_left_sets(&mut self, known: &Known, set_list: i64) -> rusqlite::Result<()> {
        if known.set_list == set_list {
            return Ok(());
        }
        self.note_set_list(set_list)?;
        let former: Option<i64> = self
            .connection
            .prepare_cached("SELECT former_list_id FROM record WHERE id = ?1")?
            .query_row([known.id], |row| row.get(0))?;
        let mut left: BTreeSet<String> = self.set_specs(known.set_list)?.into_iter().collect();
        if let Some(former) = former {
            left.extend(self.set_specs(former)?);
        }
        for set in self.set_specs(set_list)? {
            left.remove(&set);
        }
        let left: Vec<String> = left.into_iter().collect();
        let left = match left.is_empty() {
            true => None,
            false => Some(self.set_list(&left)?),
        };
        if left != former {
            self.connection
                .prepare_cached("UPDATE record SET former_list_id = ?2 WHERE id = ?1")?
                .execute(params![known.id, left])?;
        }
        Ok(())
    }

    /// Notes that records of the source have a combination of sets.
    fn note_set_list(&mut self, set_list: i64) -> rusqlite::Result<()> {
        if self.noted_set_lists.insert(set_list) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO source_set_list VALUES (?1, ?2)")?
                .execute(params![self.source.0, set_list])?;
        }
        Ok(())
    }

    /// The number of a combination of sets.
    pub(super) fn set_list(&mut self, set_specs: &[String]) -> rusqlite::Result<i64> {
        let text = set_specs.join("\n");
        if let Some(id) = self.set_lists.get(&text) {
            return Ok(*id);
        }
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO set_list (set_specs) VALUES (?1)")?
            .execute([&text])?;
        let id = self
            .connection
            .prepare_cached("SELECT id FROM set_list WHERE set_specs = ?1")?
            .query_row([&text], |row| row.get(0))?;
        self.set_lists.insert(text, id);
        Ok(id)
    }

    /// The sets of a combination.
    pub(super) fn set_specs(&self, set_list: i64) -> rusqlite::Result<Vec<String>> {
        let text: String = self
            .connection
            .prepare_cached("SELECT set_specs FROM set_list WHERE id = ?1")?
            .query_row([set_list], |row| row.get(0))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn insert_payload(&self, id: i64, record: &Record, payload: &Payload) -> rusqlite::Result<()> {
        let packed = payload.packed(record, self.compressor);
        if let Some(dictionary_id) = packed.dictionary_id() {
            self.connection
                .prepare_cached(
                    "INSERT INTO payload (record_id, dictionary_id, metadata, extra)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    id,
                    dictionary_id,
                    packed.metadata.as_ref().map(|metadata| &*metadata.bytes),
                    packed.extra.as_ref().map(|extra| &*extra.bytes),
                ])?;
        }
        if let Some(raw) = &record.raw {
            let repairs = serde_json::to_string(&record.repairs).expect("repairs are plain values");
            self.connection
                .prepare_cached("INSERT INTO repair (record_id, repairs, raw) VALUES (?1, ?2, ?3)")?
                .execute(params![id, repairs, compress_alone(raw)])?;
        }
        Ok(())
    }

    fn delete_payload(&self, id: i64) -> rusqlite::Result<()> {
        for statement in [
            "DELETE FROM payload WHERE record_id = ?1",
            "DELETE FROM repair WHERE record_id = ?1",
        ] {
            self.connection.prepare_cached(statement)?.execute([id])?;
        }
        Ok(())
    }
}

impl NewState<'_> {
    /// Whether a list has shown this state before, and it was not stored. A tombstone is the same only in the list
    /// of the same set.
    fn is(&self, other: &OtherState, shown_by: ShownBy<'_>) -> bool {
        other.hash == self.hash
            && other.datestamp == self.datestamp
            && (!other.deleted || other.set == shown_by.set)
    }
}

/// Whether a set is one of `sets` or below one of them.
pub(super) fn is_below_any(spec: &str, sets: &[&str]) -> bool {
    sets.iter().any(|set| {
        let rest = spec.strip_prefix(set);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}

/// Whether a pass lists everything, and the last version before it.
fn kind_of_pass(connection: &Connection, pass: PassId) -> rusqlite::Result<(bool, i64)> {
    let found: Option<(String, i64)> = connection
        .prepare_cached("SELECT kind, after_version FROM pass WHERE id = ?1")?
        .query_row([pass.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (kind, after_version) = found.unwrap_or_default();
    let all = [PassKind::Full, PassKind::Identifiers];
    Ok((all.iter().any(|all| all.word() == kind), after_version))
}

/// The datestamp as written; `None` if it is written in the canonical form, which its instant gives.
pub(super) fn datestamp_text(text: &str) -> Option<&str> {
    Datestamp::canonical(text).is_none().then_some(text)
}
