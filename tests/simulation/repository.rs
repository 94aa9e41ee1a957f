//! The repository of one source: what it holds, how it changes, and the truth about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use harvestd::oai::{Datestamp, Granularity};

use crate::model::{
    Behaviour, CompleteListSize, Cursor, DeletedRecord, Item, Model, Order, Tokens,
};

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600;

const DAY: i64 = 86_400;

/// `LCC:Medicine`, `LCC:Science`, `LCC:Law` as DOAJ writes them.
const SETS: [&str; 3] = ["TENDOk1lZGljaW5l", "TENDOlNjaWVuY2U~", "TENDOkxhdw~~"];

/// How much there is in the world of a seed. Nearly everything that can go wrong does so with a few
/// records on a few pages, of which many more can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorldSize {
    /// Up to 15 records, and up to three runs while there are faults.
    Small,
    /// Up to 400 records, and up to seven runs.
    Large,
}

impl WorldSize {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        if rng.u8(0..8) == 0 {
            Self::Large
        } else {
            Self::Small
        }
    }
}

/// One state of an item, as a harvester can see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) datestamp: String,
    pub(crate) deleted: bool,
    pub(crate) set_specs: Vec<String>,
    pub(crate) metadata: Option<String>,
}

/// The state that an item was last put in.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) item: Item,
    /// From when on lists can show it, the clamp aside; seconds since 1970.
    pub(crate) visible_at: i64,
}

/// A second state of an item, which lists show beside the present one.
#[derive(Debug, Clone)]
pub(crate) struct SecondState {
    pub(crate) item: Item,
    /// The only list that shows it; `None` for all.
    pub(crate) list: Option<String>,
    /// Whether it comes first on its page.
    pub(crate) leads: bool,
}

/// What a harvester is about while the repository changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// It reads no list.
    None,
    /// It has left a list, for longer than a pause between two pages.
    Left,
    /// It reads a list.
    UnderWay,
}

/// One change of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Insert,
    Update,
    Delete,
    Remove,
    /// New datestamps, all the same, and nothing else.
    Restamp,
    /// Datestamps of a while ago: what was prepared then is written now.
    CleanUp,
}

/// A repository and all that was ever true of it.
pub(crate) struct Repository {
    pub(crate) model: Model,
    /// Its clock, in seconds since 1970. Never runs backwards.
    pub(crate) now: i64,
    pub(crate) prefix: &'static str,
    /// The sets that the source asks for; empty for the whole.
    pub(crate) sets: Vec<String>,
    /// How late a change may show at the most, in seconds after its datestamp.
    pub(crate) late: i64,
    pub(crate) current: BTreeMap<String, Current>,
    pub(crate) disappeared: BTreeMap<String, Item>,
    /// Some answers come from a cache.
    pub(crate) has_cache: bool,
    /// What decides about lists that contradict themselves, if there are any.
    contradictions: Option<Rng>,
    /// What they show beside what is true.
    pub(crate) second_states: Vec<SecondState>,
    /// All that they ever showed.
    second_history: HashMap<String, Vec<State>>,
    history: HashMap<String, Vec<State>>,
    number: usize,
    /// Metadata is padded to about this many bytes.
    text_bytes: usize,
    /// How many records changed so far.
    pub(crate) changes: u64,
    /// Records that lists of other sets have shown. Where a harvester cannot tell whether the set was
    /// forgotten or is ignored, it stores them and warns.
    pub(crate) strangers: BTreeSet<String>,
    /// The last items of pages since lists began: where one of them leaves its second, DOAJ's
    /// tokens skip another one, and nothing a harvester sees tells of it.
    page_ends: BTreeSet<String>,
}

impl Repository {
    /// A repository of random behaviour, filled with records of its first years.
    pub(crate) fn new(size: WorldSize, rng: &mut Rng) -> Self {
        let behaviour = behaviour(rng);
        let records = match rng.u8(0..10) {
            _ if size == WorldSize::Small => rng.usize(0..16),
            0 => 0,
            1..6 => rng.usize(1..40),
            6..9 => rng.usize(40..160),
            _ => rng.usize(160..400),
        };
        let page_size = rng.usize(1..=(records / 3).max(4));
        let late = if behaviour.index_lag.is_zero() && rng.bool() {
            rng.i64(1..3 * DAY)
        } else {
            behaviour.index_lag.as_secs().cast_signed()
        };
        let sets = if behaviour.sets && rng.u8(0..4) == 0 {
            SETS[..rng.usize(1..=2)]
                .iter()
                .map(ToString::to_string)
                .collect()
        } else {
            Vec::new()
        };
        let prefix = if rng.bool() { "oai_doaj" } else { "oai_dc" };
        let mut repository = Self::empty(
            Behaviour {
                page_size,
                ..behaviour
            },
            prefix,
        );
        repository.sets = sets;
        repository.late = late;
        let behaviour = &repository.model.behaviour;
        // What else a list shows would make its announced size wrong, and what is held back is not
        // held back in part. Tokens that name a datestamp come from an index, which has one state of each
        // record and lists it by its datestamp.
        let is_fit = behaviour.tokens != Tokens::Doaj
            && behaviour.complete_list_size != CompleteListSize::Exact
            && behaviour.clamp.is_none()
            && behaviour.index_lag.is_zero();
        // A copy, so that all else of the seed stays as it is.
        let mut own = rng.clone();
        repository.contradictions = (is_fit && own.bool()).then_some(own);
        repository.text_bytes = if size == WorldSize::Large && rng.u8(0..40) == 0 {
            4_000
        } else {
            rng.usize(0..200)
        };
        let step = rng.i64(1..2 * DAY);
        for _ in 0..records {
            if rng.u8(0..4) > 0 {
                repository.now += rng.i64(0..step);
            }
            repository.insert(rng);
        }
        if rng.u8(0..6) == 0 {
            repository.apply(Change::Restamp, records, Listing::None, rng);
        }
        repository.now += repository.late;
        repository
    }

    /// A repository without records.
    pub(crate) fn empty(behaviour: Behaviour, prefix: &'static str) -> Self {
        Self {
            model: Model::new(behaviour),
            now: START,
            prefix,
            sets: Vec::new(),
            late: 0,
            current: BTreeMap::new(),
            disappeared: BTreeMap::new(),
            has_cache: false,
            contradictions: None,
            second_states: Vec::new(),
            second_history: HashMap::new(),
            history: HashMap::new(),
            number: 0,
            text_bytes: 0,
            changes: 0,
            strangers: BTreeSet::new(),
            page_ends: BTreeSet::new(),
        }
    }

    /// Changes a few records, or a lot at once.
    ///
    /// While a list is being read, only such changes are made as cannot make a record that did not
    /// change fall between two pages: where tokens are offsets, any record that leaves its place
    /// does that, and nothing a harvester sees tells of it.
    pub(crate) fn change(&mut self, listing: Listing, rng: &mut Rng) {
        // Some of them move records, as below.
        if listing == Listing::None
            && let Some(mut own) = self.contradictions.take()
        {
            let is_due = own.u8(0..3) == 0;
            if is_due {
                self.contradict(&mut own);
            }
            self.contradictions = Some(own);
            if is_due {
                return;
            }
        }
        let kind = match rng.u8(0..12) {
            0..5 => Change::Insert,
            5..8 => Change::Update,
            8 => Change::Delete,
            9 => Change::Remove,
            10 => Change::Restamp,
            _ => Change::CleanUp,
        };
        let many = match kind {
            Change::Restamp | Change::CleanUp => rng.usize(1..=self.current.len().max(1)),
            _ => rng.usize(1..6),
        };
        self.apply(kind, many, listing, rng);
    }

    /// Notes where a page ended.
    pub(crate) fn note_page(&mut self, page: &str) {
        if let Some((_, last)) = page.rsplit_once("<identifier>")
            && let Some((identifier, _)) = last.split_once('<')
        {
            self.page_ends.insert(identifier.to_owned());
        }
    }

    /// No list is being read.
    pub(crate) fn forget_pages(&mut self) {
        self.page_ends.clear();
    }

    fn apply(&mut self, kind: Change, many: usize, listing: Listing, rng: &mut Rng) {
        let lag = !self.model.behaviour.index_lag.is_zero();
        let listed = listing != Listing::None;
        let free = match self.model.behaviour.tokens {
            Tokens::Session => true,
            // Nobody goes on at a token that old.
            Tokens::Doaj if listing == Listing::Left => !lag,
            _ => !(lag || listed),
        };
        let offset = self.model.behaviour.tokens == Tokens::Offset;
        let keeps_all = self.model.behaviour.deleted_record == DeletedRecord::Persistent;
        let kind = match kind {
            _ if !free && (offset || lag) => Change::Insert,
            Change::Remove if keeps_all => Change::Delete,
            // A pass that reads a window again takes an older datestamp for an older state, and a
            // pass may last for longer than any overlap.
            Change::CleanUp if lag || listed || self.late == 0 => Change::Restamp,
            kind => kind,
        };
        if kind == Change::Insert {
            // So many at the most, or a repository would double with each change.
            for _ in 0..many.min(6) {
                self.insert(rng);
            }
            return;
        }
        let mut candidates = self.candidates(free);
        rng.shuffle(&mut candidates);
        candidates.truncate(many);
        let at = match kind {
            Change::CleanUp => self.now - rng.i64(0..=self.late),
            _ => self.now,
        };
        for identifier in candidates {
            self.edit(&identifier, kind, at, rng);
        }
    }

    /// The records that may change; unless `free`, those that share their datestamp with none, so
    /// that a token that counts within a datestamp stays right.
    fn candidates(&self, free: bool) -> Vec<String> {
        let granularity = self.model.behaviour.granularity;
        let mut sharing: HashMap<String, usize> = HashMap::new();
        for current in self.current.values() {
            *sharing
                .entry(current.item.datestamp.render(granularity))
                .or_default() += 1;
        }
        let alone = |current: &Current| sharing[&current.item.datestamp.render(granularity)] == 1;
        self.current
            .iter()
            .filter(|(name, current)| free || (alone(current) && !self.page_ends.contains(*name)))
            .map(|(identifier, _)| identifier.clone())
            .collect()
    }

    /// Adds a record.
    pub(crate) fn insert(&mut self, rng: &mut Rng) {
        // Now and then something comes back that was there before.
        if let Some(gone) = self.disappeared.values().next()
            && rng.u8(0..4) == 0
        {
            let mut item = gone.clone();
            item.datestamp = Datestamp::from_unix(self.now);
            item.deleted = false;
            let prefix = item.metadata[0].0.clone();
            item.metadata[0].1 = self.text(&prefix, rng);
            self.put(item);
            return;
        }
        self.number += 1;
        let scattered = self.number.wrapping_mul(0x9E37_79B9) % 0xFFFF;
        let identifier = format!("oai:repository.example:{scattered:04x}/{}", self.number);
        let set_specs = match rng.u8(0..5) {
            0 => Vec::new(),
            1 => vec![SETS[0].to_owned(), SETS[1].to_owned()],
            number => vec![SETS[usize::from(number) - 2].to_owned()],
        };
        // An item that the source's format does not have is invisible to it.
        let prefix = match rng.u8(0..12) {
            0 if self.prefix == "oai_dc" => "oai_doaj",
            0 => "oai_dc",
            _ => self.prefix,
        };
        let item = Item {
            identifier,
            datestamp: Datestamp::from_unix(self.now),
            set_specs,
            deleted: false,
            metadata: vec![(prefix.to_owned(), self.text(prefix, rng))],
        };
        self.put(item);
    }

    /// Lists show another state of a record from now on: an old version of it, or a tombstone. Where two
    /// sets are asked for, a record may leave one of them, of which only the list of that set tells.
    fn contradict(&mut self, rng: &mut Rng) {
        let names: Vec<&String> = self.current.keys().collect();
        if names.is_empty() {
            return;
        }
        let identifier = names[rng.usize(0..names.len())].clone();
        let current = self.current[&identifier].clone();
        let lists = |item: &Item, set: &String| item.set_specs.contains(set);
        if current.item.deleted
            || self
                .second_states
                .iter()
                .any(|second| second.item.identifier == identifier)
        {
            return;
        }
        let mut second = SecondState {
            item: current.item.clone(),
            list: None,
            leads: rng.bool(),
        };
        second.item.deleted = true;
        let leaves = self.sets.len() == 2 && self.sets.iter().all(|set| lists(&current.item, set));
        if leaves && rng.bool() {
            let set = self.sets[rng.usize(0..2)].clone();
            let mut item = current.item;
            item.set_specs.retain(|spec| *spec != set);
            second.item.set_specs = vec![set.clone()];
            second.item.datestamp = Datestamp::from_unix(self.now);
            second.list = Some(set);
            self.put(item);
        } else if rng.bool() {
            second.item.deleted = false;
            let granularity = self.model.behaviour.granularity;
            let day = |at: Datestamp| at.render(granularity);
            if day(second.item.datestamp) >= day(Datestamp::from_unix(self.now)) {
                return;
            }
            let mut item = current.item;
            item.datestamp = Datestamp::from_unix(self.now);
            let prefix = item.metadata[0].0.clone();
            item.metadata[0].1 = self.text(&prefix, rng);
            self.put(item);
        }
        self.changes += 1;
        self.second_states.push(second);
        self.note_second_states(&identifier);
    }

    fn edit(&mut self, identifier: &str, kind: Change, at: i64, rng: &mut Rng) {
        let datestamp = Datestamp::from_unix(at);
        let mut item = self.current[identifier].item.clone();
        item.datestamp = datestamp;
        match kind {
            Change::Insert => {}
            Change::Update => {
                item.deleted = false;
                let prefix = item.metadata[0].0.clone();
                // Sets that are asked for are kept: an item that leaves them is seen no more.
                if self.sets.is_empty() && rng.u8(0..4) == 0 {
                    item.set_specs.push(SETS[rng.usize(0..3)].to_owned());
                    item.set_specs.dedup();
                } else {
                    item.metadata[0].1 = self.text(&prefix, rng);
                }
                self.put(item);
            }
            Change::Delete if self.model.behaviour.deleted_record != DeletedRecord::No => {
                item.deleted = true;
                self.model.delete(identifier, datestamp);
                self.note(item);
            }
            Change::Delete | Change::Remove => {
                self.model.remove(identifier, datestamp);
                self.second_states
                    .retain(|second| second.item.identifier != identifier);
                self.current.remove(identifier);
                self.disappeared.insert(identifier.to_owned(), item);
                self.changes += 1;
            }
            Change::Restamp | Change::CleanUp => {
                if kind == Change::CleanUp && !item.deleted && rng.bool() {
                    let prefix = item.metadata[0].0.clone();
                    item.metadata[0].1 = self.text(&prefix, rng);
                    self.put(item);
                } else {
                    self.model.restamp_bulk([identifier], datestamp);
                    self.note(item);
                }
            }
        }
    }

    fn put(&mut self, item: Item) {
        self.model.insert(item.clone());
        self.note(item);
    }

    fn note(&mut self, item: Item) {
        self.changes += 1;
        self.disappeared.remove(&item.identifier);
        // No list shows such a tombstone alone. It would be believed.
        for second in &mut self.second_states {
            let is_beside = second.item.deleted && second.list.is_none();
            if is_beside && second.item.identifier == item.identifier {
                second.item.datestamp = item.datestamp;
            }
        }
        self.note_second_states(&item.identifier);
        let state = self.state(&item);
        self.history
            .entry(item.identifier.clone())
            .or_default()
            .push(state);
        let lag = self.model.behaviour.index_lag.as_secs().cast_signed();
        let visible_at = self.now.max(item.datestamp.unix() + lag);
        self.current
            .insert(item.identifier.clone(), Current { item, visible_at });
    }

    fn note_second_states(&mut self, identifier: &str) {
        let of_item = |second: &&SecondState| second.item.identifier == identifier;
        let states: Vec<State> = self
            .second_states
            .iter()
            .filter(of_item)
            .map(|second| self.state(&second.item))
            .collect();
        let history = self.second_history.entry(identifier.to_owned());
        history.or_default().extend(states);
    }

    /// Whether lists ever showed the item like this beside what was true.
    pub(crate) fn was_second_state(&self, identifier: &str, state: &State) -> bool {
        let history = self.second_history.get(identifier);
        history.is_some_and(|states| states.contains(state))
    }

    /// Whether lists ever showed an item in another state beside the true one.
    pub(crate) fn has_second_states(&self, identifier: &str) -> bool {
        let history = self.second_history.get(identifier);
        history.is_some_and(|states| !states.is_empty())
    }

    /// Whether lists ever contradicted themselves. Of what they showed then, something may still be in doubt.
    pub(crate) fn has_contradicted(&self) -> bool {
        self.second_history
            .values()
            .any(|states| !states.is_empty())
    }

    /// Whether a record has left a set, of which only the list of that set tells.
    pub(crate) fn has_left(&self, identifier: &str) -> bool {
        let mut second_states = self.second_states.iter();
        second_states.any(|second| second.list.is_some() && second.item.identifier == identifier)
    }

    /// Adds to the first page of a list the second states that it shows.
    pub(crate) fn add_second_states(
        &self,
        arguments: &[(String, String)],
        body: Vec<u8>,
    ) -> Vec<u8> {
        let argument = |name: &str| {
            let found = arguments.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        let verb = argument("verb").unwrap_or_default();
        let is_list = matches!(verb, "ListRecords" | "ListIdentifiers");
        if self.second_states.is_empty() || !is_list || argument("resumptionToken").is_some() {
            return body;
        }
        let behaviour = &self.model.behaviour;
        let granularity = behaviour.granularity;
        let from = argument("from").filter(|_| !behaviour.ignores_from);
        let set = argument("set").filter(|_| !behaviour.ignores_set);
        let mut text = String::from_utf8(body).expect("the model writes UTF-8");
        let is_empty = text.contains("<error code=\"noRecordsMatch\"");
        if !is_empty && text.contains("<error ") {
            return text.into_bytes();
        }
        for second in &self.second_states {
            let item = &second.item;
            // Both ends may be days.
            let at = item.datestamp.render(granularity);
            let is_shown = from.is_none_or(|from| at.as_str() >= &from[..from.len().min(at.len())])
                && argument("until").is_none_or(|until| {
                    let length = until.len().min(at.len());
                    at[..length] <= until[..length]
                })
                && match &second.list {
                    Some(list) => set == Some(list.as_str()),
                    None => set.is_none_or(|set| item.set_specs.iter().any(|spec| spec == set)),
                }
                && (item.deleted || item.metadata(self.prefix).is_some());
            if !is_shown {
                continue;
            }
            let xml = self.render(item, verb == "ListRecords");
            let element = if verb == "ListRecords" {
                "<record>"
            } else {
                "<header"
            };
            if let Some(at) = if second.leads {
                text.find(element)
            } else {
                text.rfind(element)
            } {
                text.insert_str(at, &xml);
            } else if let Some((before, rest)) = text.split_once("<error ") {
                let after = rest.split_once("</error>").map_or("", |(_, after)| after);
                text = format!("{before}<{verb}>{xml}</{verb}>{after}");
            }
        }
        text.into_bytes()
    }

    fn render(&self, item: &Item, is_record: bool) -> String {
        let sets: String = item
            .set_specs
            .iter()
            .map(|set| format!("<setSpec>{set}</setSpec>"))
            .collect();
        let status = if item.deleted {
            " status=\"deleted\""
        } else {
            ""
        };
        let header = format!(
            "<header{status}><identifier>{}</identifier><datestamp>{}</datestamp>{sets}</header>",
            item.identifier,
            item.datestamp.render(self.model.behaviour.granularity)
        );
        if !is_record {
            return header;
        }
        let metadata = item
            .metadata(self.prefix)
            .map(|xml| format!("<metadata>{xml}</metadata>"))
            .unwrap_or_default();
        format!("<record>{header}{metadata}</record>")
    }

    fn text(&self, prefix: &str, rng: &mut Rng) -> Arc<str> {
        let space = if prefix == "oai_dc" {
            "http://www.openarchives.org/OAI/2.0/oai_dc/"
        } else {
            "http://doaj.org/features/oai_doaj/1.0/"
        };
        let word: String = (0..rng.usize(1..12)).map(|_| rng.lowercase()).collect();
        let filling: String = (0..self.text_bytes).map(|_| rng.alphanumeric()).collect();
        let oddity = [
            "",
            "&amp; &lt;b&gt;",
            "<![CDATA[<x>]]>",
            "Żółć 漢字",
            "<!-- -->",
        ][rng.usize(0..5)];
        format!(
            "<{prefix}:root xmlns:{prefix}=\"{space}\"><{prefix}:title>{word} {}{oddity}\
             </{prefix}:title>{filling}</{prefix}:root>",
            self.changes
        )
        .into()
    }

    /// What an item looks like to the source.
    pub(crate) fn state(&self, item: &Item) -> State {
        State {
            datestamp: item.datestamp.render(self.model.behaviour.granularity),
            deleted: item.deleted,
            set_specs: item.set_specs.clone(),
            metadata: item.metadata(self.prefix).map(str::to_owned),
        }
    }

    /// Whether the item was ever like this.
    pub(crate) fn ever(&self, identifier: &str, state: &State) -> bool {
        let states = self.history.get(identifier).map_or(&[][..], Vec::as_slice);
        if states.contains(state) {
            return true;
        }
        // What the list of a set calls deleted leaves the set, until a list shows the record in it again.
        let has_tombstones =
            self.has_second_states(identifier) || states.iter().any(|known| known.deleted);
        let may_have_left = |spec: &String| {
            has_tombstones && self.sets.iter().any(|set| spec.starts_with(set.as_str()))
        };
        states.iter().any(|known| {
            let mut stays = known.clone();
            stays
                .set_specs
                .retain(|spec| state.set_specs.contains(spec) || !may_have_left(spec));
            stays == *state
        })
    }

    /// How many different contents the item had.
    pub(crate) fn contents(&self, identifier: &str) -> usize {
        let mut seen: Vec<(&bool, &Vec<String>, &Option<String>)> = Vec::new();
        for state in self.history.get(identifier).into_iter().flatten() {
            let content = (&state.deleted, &state.set_specs, &state.metadata);
            if !seen.contains(&content) {
                seen.push(content);
            }
        }
        seen.len()
    }

    /// Whether lists of the source, or of one set, show the item once it is not held back.
    pub(crate) fn listed(&self, item: &Item, set: Option<&str>) -> bool {
        let asked: Vec<&str> = match set {
            Some(set) => vec![set],
            None => self.sets.iter().map(String::as_str).collect(),
        };
        let in_set = asked.is_empty()
            || self.model.behaviour.ignores_set
            || item
                .set_specs
                .iter()
                .any(|spec| asked.contains(&spec.as_str()));
        in_set && (item.deleted || item.metadata(self.prefix).is_some())
    }

    /// How long after its last change everything shows, in seconds.
    pub(crate) fn settled_after(&self) -> i64 {
        let clamp = self.model.behaviour.clamp.unwrap_or_default();
        clamp.as_secs().cast_signed() + self.late + 2 * DAY
    }
}

fn behaviour(rng: &mut Rng) -> Behaviour {
    let base = if rng.bool() {
        Behaviour::doaj()
    } else {
        Behaviour::plain()
    };
    if rng.u8(0..5) == 0 {
        return base;
    }
    let tokens = [Tokens::Doaj, Tokens::Offset, Tokens::Session][rng.usize(0..3)];
    let order = [Order::NewestFirst, Order::OldestFirst][rng.usize(0..2)];
    Behaviour {
        order,
        tokens,
        clamp: (rng.u8(0..3) == 0).then(|| Duration::from_secs(rng.u64(1..40) * 86_400)),
        token_lifetime: rng.bool().then(|| Duration::from_secs(rng.u64(60..90_000))),
        deleted_record: [
            DeletedRecord::Persistent,
            DeletedRecord::Transient,
            DeletedRecord::No,
        ][rng.usize(0..3)],
        granularity: if rng.u8(0..4) == 0 {
            Granularity::Day
        } else {
            Granularity::Second
        },
        list_identifiers_resumes: rng.bool(),
        complete_list_size: match rng.u8(0..4) {
            0 => CompleteListSize::Absent,
            1 => CompleteListSize::Wrong(rng.u64(0..1_000)),
            _ => CompleteListSize::Exact,
        },
        cursor: [Cursor::PageEnd, Cursor::PageStart][rng.usize(0..2)],
        index_lag: if rng.u8(0..4) == 0 {
            Duration::from_secs(rng.u64(1..2 * 86_400))
        } else {
            Duration::ZERO
        },
        ignores_from: rng.u8(0..12) == 0,
        ignores_set: rng.u8(0..12) == 0,
        sets: rng.u8(0..4) > 0,
        lenient: rng.bool(),
        ..base
    }
}
