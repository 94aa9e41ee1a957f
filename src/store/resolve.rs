//! Deciding about listed states that are not stored: tombstones whose list has ended, and states about
//! which GetRecord was asked.

use rusqlite::{OptionalExtension, params};

use super::Counts;
use super::contradiction::{Decision, Held, ShownBy, decide};
use super::other_states::{OtherState, Standing};
use super::pack::{Packed, Payload, content_hash_of};
use super::payload::{Compressed, Decompressor};
use super::record_writer::{Known, NewState, RecordWriter, is_below_any};
use crate::oai::{Datestamp, Header, Record};

impl RecordWriter<'_> {
    /// Decides about the tombstones that waited for the end of the pass, which is over or cannot go on
    /// for now. `is_complete` if all of it was read.
    pub(super) fn decide_held(
        &mut self,
        is_complete: bool,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let waiting = self.others.waiting()?;
        let has_lied = !waiting.is_empty() && self.has_listed_false_tombstones()?;
        for other in waiting {
            let known = self.known_by_id(other.record)?;
            if !other.deleted {
                self.decide_older(&known, &other, counts)?;
                continue;
            }
            if known.is_deleted() {
                // Another list had a tombstone of it, which is stored.
                self.refuse(&known, &other)?;
                continue;
            }
            let is_whole = is_complete && self.lists_all;
            if is_whole && other.standing == Standing::Doubted && other.seen_pass < self.pass.0 {
                // It is listed no more, so that there is nothing to believe.
                self.others.remove(&other)?;
                continue;
            }
            let held = Held {
                is_listed_live: self.is_listed_live(&known, &other)?,
                is_in_other_set: self.is_in_other_set(&known, &other)?,
                doubted: has_lied || other.standing == Standing::Doubted,
                is_unfinished: !is_complete && self.others.is_of_unfinished_list(&other)?,
                is_outdated: self.is_outdated(&known, &other)?,
                is_whole,
            };
            if held.is_listed_live {
                self.others.set_listed_live(&other)?;
            }
            match decide(held) {
                Decision::Believe => self.believe(&known, &other, counts)?,
                Decision::Ask => self.others.doubt(&other)?,
            }
        }
        for other in self.others.alone(self.pass)? {
            let known = self.known_by_id(other.record)?;
            if known.is_deleted() && other.deleted {
                self.see(&known)?;
            } else {
                self.others.doubt(&other)?;
            }
        }
        Ok(())
    }

    /// Decides about a live state that is older than the stored one. If the pass has listed the time of the
    /// stored state without showing it, the older one is the present state. If it has not listed that time,
    /// because it listed only gaps, for example, GetRecord decides. Of two versions the newer one stays. Beside a tombstone
    /// GetRecord decides; until then a record that this pass has brought is live.
    fn decide_older(
        &mut self,
        known: &Known,
        other: &OtherState,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        if known.seen_pass >= other.seen_pass {
            if !known.is_deleted() {
                return self.refuse(known, other);
            }
            if !self.is_new(known) {
                return self.others.doubt(other);
            }
            let shown_by = ShownBy {
                is_list: true,
                set: &other.set,
            };
            self.doubt_stored_tombstone(known, other.datestamp, shown_by)?;
        } else if !self.has_listed_time_of(known, &other.set)? {
            return self.others.doubt(other);
        }
        let packed = self.others.content(other)?;
        let record = Record {
            metadata: self.text(packed.metadata.as_ref())?,
            extra: self.text(packed.extra.as_ref())?,
            ..self.header_of(known, other)?
        };
        let payload = Payload::of_packed(other.hash, packed);
        self.take(known, other, &record, &payload, counts)
    }

    /// Whether a state is older than the stored one, whose time the pass has not listed.
    fn is_outdated(&self, known: &Known, other: &OtherState) -> rusqlite::Result<bool> {
        Ok(other.datestamp < known.datestamp && !self.has_listed_time_of(known, &other.set)?)
    }

    /// Whether the pass has read a list of this set that includes every change at the datestamp of the stored state.
    ///
    /// A list from a cache lacks the changes that are newer than the cache. A change later in the same second (or day)
    /// has the same datestamp, so the list must reach beyond that second (or day).
    fn has_listed_time_of(&self, known: &Known, set: &str) -> rusqlite::Result<bool> {
        const DATE: usize = "2026-01-05".len();
        let is_date = known.datestamp_text.as_ref().map(String::len) == Some(DATE);
        let unit = if is_date { 86_400 } else { 1 };
        let after = known.datestamp.map(|at| at + unit);
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM window
                    WHERE pass_id = ?1 AND coalesce(set_spec, '') = ?2 AND state = 'complete'
                        AND coalesce(from_datestamp <= ?3, true)
                        AND coalesce(until_datestamp >= ?3, true)
                        AND coalesce(bound >= ?4, true))",
            )?
            .query_row(params![self.pass.0, set, known.datestamp, after], |row| {
                row.get(0)
            })
    }

    /// Takes up the answer of GetRecord about a record in doubt.
    pub(super) fn resolve_found(
        &mut self,
        found: &Record,
        payload: &Payload,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let nothing = super::listed::Listed::default();
        let Some(known) = self.known(&found.header.identifier)? else {
            return self.store(found, payload, ShownBy::BY_NAME, &nothing, counts);
        };
        let mut dated = found.clone();
        if found.header.datestamp.is_empty() {
            let at = known.datestamp.map(Datestamp::from_unix);
            let text = known.datestamp_text.clone();
            dated.header.datestamp = text
                .or_else(|| at.map(|at| at.to_string()))
                .unwrap_or_default();
        }
        let found = &dated;
        let doubted = self.doubted(&known)?;
        let tombstone = doubted.iter().find(|other| other.deleted);
        match (tombstone, known.is_deleted(), found.header.deleted) {
            (_, true, true) => self.see(&known)?,
            (Some(tombstone), false, true) => {
                if known.seen_pass >= self.pass.0 {
                    // The list shows it live and will do so again.
                    let live = known.as_other("", Standing::Refused);
                    self.others.put(&live)?;
                }
                // The list's own header, so that the list shows the same again; unless that is older.
                if found.header.instant().map(Datestamp::unix) > tombstone.datestamp {
                    self.store(found, payload, ShownBy::BY_NAME, &nothing, counts)?;
                } else {
                    self.believe(&known, tombstone, counts)?;
                }
            }
            (Some(_), false, false) if doubted.iter().all(|other| other.deleted) => {
                let is_listed_live = known.seen_pass >= self.pass.0;
                self.see(&known)?;
                for other in &doubted {
                    // What a list from a cache calls deleted has not left its set.
                    if self.is_outdated(&known, other)? {
                        self.others.remove(other)?;
                        continue;
                    }
                    self.others.refuse(other)?;
                    // The list may have shown the record live before it left the set: earlier in this pass, or in a
                    // pass that had the same tombstone.
                    let sets = &found.header.set_specs;
                    let is_in_set = sets.iter().any(|spec| is_below_any(spec, &[&other.set]));
                    let came_later = !is_listed_live || other.datestamp > known.datestamp;
                    if came_later && !sets.is_empty() && !is_in_set {
                        self.others.set_own(other, false)?;
                    }
                }
                let found_at = found.header.instant().map(Datestamp::unix);
                if known.seen_pass < self.pass.0 && found_at > known.datestamp {
                    self.store(found, payload, ShownBy::BY_NAME, &nothing, counts)?;
                }
                let known = self.known_by_id(known.id)?;
                self.leave_sets(&known, counts)?;
            }
            _ => self.store(found, payload, ShownBy::BY_NAME, &nothing, counts)?,
        }
        let known = self.known_by_id(known.id)?;
        for other in self.doubted(&known)? {
            self.refuse(&known, &other)?;
        }
        Ok(())
    }

    /// Takes up that GetRecord does not know a record in doubt. A tombstone is believed then, unless
    /// lists show the record live beside it: that GetRecord does not know it is a fault too.
    pub(super) fn resolve_unknown(
        &mut self,
        identifier: &str,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let Some(known) = self.known(identifier)? else {
            return Ok(());
        };
        let doubted = self.doubted(&known)?;
        let tombstone = doubted.iter().find(|other| other.deleted);
        match tombstone.filter(|_| !doubted.iter().any(|other| other.listed_live)) {
            Some(tombstone) if !known.is_deleted() => self.believe(&known, tombstone, counts),
            _ => Ok(()),
        }
    }

    fn doubted(&self, known: &Known) -> rusqlite::Result<Vec<OtherState>> {
        let mut others = self.others.of(known.id)?;
        others.retain(|other| other.standing == Standing::Doubted);
        Ok(others)
    }

    /// Notes that a state has lost, or forgets it if it is the stored state itself.
    fn refuse(&self, known: &Known, other: &OtherState) -> rusqlite::Result<()> {
        if other.hash == known.hash {
            self.others.remove(other)
        } else {
            self.others.refuse(other)
        }
    }

    /// Stores a tombstone that waited.
    fn believe(
        &mut self,
        known: &Known,
        other: &OtherState,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let mut payload = Payload::of_packed(other.hash, Packed::default());
        payload.description = Some(None);
        let record = self.header_of(known, other)?;
        self.take(known, other, &record, &payload, counts)
    }

    /// A state that is not stored, as a record without content.
    fn header_of(&self, known: &Known, other: &OtherState) -> rusqlite::Result<Record> {
        let instant = other.datestamp.map(Datestamp::from_unix);
        let text = other.datestamp_text.clone();
        Ok(Record::tombstone(Header {
            identifier: known.identifier.clone(),
            datestamp: text
                .or_else(|| instant.map(|instant| instant.to_string()))
                .unwrap_or_default(),
            set_specs: self.set_specs(other.set_list)?,
            deleted: other.deleted,
        }))
    }

    /// Puts another state in the place of the stored state.
    fn take(
        &mut self,
        known: &Known,
        other: &OtherState,
        record: &Record,
        payload: &Payload,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let shown_by = ShownBy {
            is_list: false,
            set: &other.set,
        };
        self.replace(known, &NewState::new(record, payload), shown_by, counts)?;
        self.others.remove(other)
    }

    /// Notes that this pass has shown a record, in whichever state.
    fn see(&self, known: &Known) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE record SET seen_pass = max(seen_pass, ?2) WHERE id = ?1")?
            .execute(params![known.id, self.pass.0])?;
        Ok(())
    }

    /// Whether the pass that showed a tombstone, or a later one, showed the record live, in any version.
    fn is_listed_live(&self, known: &Known, tombstone: &OtherState) -> rusqlite::Result<bool> {
        let others = self.others.of(known.id)?;
        let mut versions = others.iter().filter(|other| !other.deleted);
        Ok(known.seen_pass >= tombstone.seen_pass
            || versions.any(|other| other.seen_pass >= tombstone.seen_pass))
    }

    /// Whether the source has listed records as deleted that live.
    fn has_listed_false_tombstones(&self) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT coalesce(traits ->> 'false_tombstones', 0) FROM source WHERE id = ?1",
            )?
            .query_row([self.source.0], |row| row.get(0))
    }

    /// Whether another configured set has the record, as far as is known: its list shows it live, and
    /// has no tombstone of it.
    fn is_in_other_set(&self, known: &Known, other: &OtherState) -> rusqlite::Result<bool> {
        let others: Vec<String> = self
            .connection
            .prepare_cached(
                "SELECT value FROM source, json_each(source.sets)
                 WHERE source.id = ?1 AND ?2 <> '' AND value <> ?2",
            )?
            .query_map(params![self.source.0, other.set], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if others.is_empty() {
            return Ok(false);
        }
        let deleted: Vec<OtherState> = self.others.of(known.id)?;
        let is_deleted_in = |set: &String| {
            let mut others = deleted.iter();
            others.any(|other| other.deleted && !other.own && other.set == *set)
        };
        let mut others = others.into_iter().filter(|set| !is_deleted_in(set));
        Ok(match known.listed_in {
            Some(_) => {
                let lists = self.sets_listing(known)?;
                others.any(|set| lists.contains(&set))
            }
            // Not known, so that any of them may have it.
            None => others.next().is_some(),
        })
    }

    /// Takes a live record out of the sets whose lists call it deleted.
    fn leave_sets(&mut self, known: &Known, counts: &mut Counts) -> rusqlite::Result<()> {
        let others = self.others.of(known.id)?;
        let left = self.others.left_sets(&others);
        if left.is_empty() {
            return Ok(());
        }
        let mut lists = self.sets_listing(known)?;
        lists.retain(|set| !left.contains(&set.as_str()));
        if known.listed_in.is_some() {
            let listed_in = self.set_list(&lists)?;
            self.connection
                .prepare_cached("UPDATE record SET listed_in = ?2 WHERE id = ?1")?
                .execute(params![known.id, listed_in])?;
        }
        let stored = self.set_specs(known.set_list)?;
        let mut set_specs = stored.clone();
        set_specs.retain(|spec| !is_below_any(spec, &left));
        if set_specs == stored {
            return Ok(());
        }
        if set_specs.is_empty() {
            // Its header named only the set of that list.
            set_specs = lists;
        }
        let (metadata, extra) = self.content(known)?;
        let hash = content_hash_of(false, &set_specs, metadata.as_deref(), extra.as_deref());
        let payload = Payload::of_hash(hash);
        let record = Record {
            metadata,
            extra,
            ..Record::tombstone(Header {
                identifier: known.identifier.clone(),
                datestamp: String::new(),
                set_specs,
                deleted: false,
            })
        };
        let set_list = self.set_list(&record.header.set_specs)?;
        let version = self.next_version();
        self.connection
            .prepare_cached(
                "UPDATE record SET set_list_id = ?2, content_hash = ?3, version = ?4 WHERE id = ?1",
            )?
            .execute(params![known.id, set_list, hash, version])?;
        self.note_left_sets(known, set_list)?;
        self.note_changed(known.id, true, &record, &payload);
        counts.changed += 1;
        Ok(())
    }

    /// The stored metadata and further parts of a record.
    fn content(&self, known: &Known) -> rusqlite::Result<(Option<String>, Option<String>)> {
        let stored: Option<(Option<Compressed>, Option<Compressed>)> = self
            .connection
            .prepare_cached(
                "SELECT dictionary_id, metadata, extra FROM payload WHERE record_id = ?1",
            )?
            .query_row([known.id], |row| {
                let dictionary_id = row.get(0)?;
                let compressed = |bytes: Option<Vec<u8>>| {
                    bytes.map(|bytes| Compressed {
                        dictionary_id,
                        bytes,
                    })
                };
                Ok((compressed(row.get(1)?), compressed(row.get(2)?)))
            })
            .optional()?;
        let (metadata, extra) = stored.unwrap_or_default();
        let metadata = self.text(metadata.as_ref())?;
        Ok((metadata, self.text(extra.as_ref())?))
    }

    /// The text of a part of a payload.
    pub(super) fn text(&self, part: Option<&Compressed>) -> rusqlite::Result<Option<String>> {
        let Some(Compressed {
            dictionary_id,
            bytes,
        }) = part
        else {
            return Ok(None);
        };
        let mut decompressor = Decompressor::default();
        let bytes = decompressor.decompress(self.connection, *dictionary_id, bytes)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}
