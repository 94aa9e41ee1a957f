//! A repository without network or clock that behaves as tests want it: the demo repository, with
//! its requests and answers altered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use harvestd::demo;
use harvestd::oai::{Datestamp, Granularity};
use memchr::memmem;
use serde_json::{Map, Value};

pub use harvestd::demo::{Format, Item, Reply};

const DAY: Duration = Duration::from_secs(86_400);

/// How a repository behaves. Start from [`Behaviour::doaj`] or [`Behaviour::plain`].
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// The formats of the repository, in the order of ListMetadataFormats.
    pub formats: Vec<Format>,
    /// Items on a page of ListRecords and ListIdentifiers; 0 counts as 1.
    pub page_size: usize,
    /// The order of lists.
    pub order: Order,
    /// Without the premium key, lists end this long before now; see `demo::Settings`.
    pub clamp: Option<Duration>,
    /// The value of the argument `api_key` that lifts the clamp. Another value is no error.
    pub premium_key: Option<String>,
    /// What resumption tokens are made of.
    pub tokens: Tokens,
    /// The time from an answer to the `expirationDate` of its token. Only session tokens expire.
    pub token_lifetime: Option<Duration>,
    /// What becomes of a deleted item, and what Identify says of it.
    pub deleted_record: DeletedRecord,
    /// How datestamps are written, and which `from` and `until` are accepted.
    pub granularity: Granularity,
    /// Whether a list of identifiers can be resumed without the premium key; if not, the answer
    /// is badArgument.
    pub list_identifiers_resumes: bool,
    /// What `completeListSize` says.
    pub complete_list_size: CompleteListSize,
    /// What `cursor` counts.
    pub cursor: Cursor,
    /// A change shows only so long after its datestamp; until then the former state does.
    pub index_lag: Duration,
    /// Lists hold everything, whatever `from` says; `<request>` does not echo it.
    pub ignores_from: bool,
    /// Lists hold everything, whatever `set` says; `<request>` does not echo it.
    pub ignores_set: bool,
    /// Whether there are sets at all; if not, ListSets and `set` are answered noSetHierarchy.
    pub sets: bool,
    /// Accepts verbs in any case, unknown and repeated arguments, mixed granularities, and a
    /// `from` after `until`, as DOAJ does. Otherwise these are errors.
    pub lenient: bool,
}

impl Behaviour {
    /// DOAJ's article endpoint for an anonymous caller, with no premium key set.
    pub fn doaj() -> Self {
        let doaj = demo::Settings::doaj();
        Self {
            formats: doaj.formats,
            page_size: doaj.page_size,
            order: Order::NewestFirst,
            clamp: doaj.clamp,
            premium_key: None,
            tokens: Tokens::Doaj,
            token_lifetime: Some(DAY),
            deleted_record: DeletedRecord::Transient,
            granularity: doaj.granularity,
            list_identifiers_resumes: doaj.list_identifiers_resumes,
            complete_list_size: CompleteListSize::Exact,
            cursor: Cursor::PageEnd,
            index_lag: Duration::ZERO,
            ignores_from: false,
            ignores_set: false,
            sets: true,
            lenient: true,
        }
    }

    /// A repository without quirks: pages of 100, oldest first, persistent deletions, no clamp.
    pub fn plain() -> Self {
        Self {
            page_size: 100,
            order: Order::OldestFirst,
            clamp: None,
            tokens: Tokens::Offset,
            token_lifetime: None,
            deleted_record: DeletedRecord::Persistent,
            list_identifiers_resumes: true,
            cursor: Cursor::PageStart,
            lenient: false,
            ..Self::doaj()
        }
    }

    /// The part that the demo repository knows.
    fn settings(&self) -> demo::Settings {
        demo::Settings {
            formats: self.formats.clone(),
            page_size: self.page_size,
            newest_first: self.order == Order::NewestFirst,
            clamp: self.clamp,
            premium_key: self.premium_key.clone(),
            granularity: self.granularity,
            list_identifiers_resumes: self.list_identifiers_resumes,
        }
    }
}

/// The order of lists: by datestamp, then by identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Both descending, as DOAJ does.
    NewestFirst,
    /// Both ascending.
    OldestFirst,
}

/// What resumption tokens are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// The selection and a position within the list's datestamps.
    Doaj,
    /// The selection and how many items were given; whatever moves shifts the rest of the list.
    Offset,
    /// A number that stands for a copy of the list made at its first page: the same text on each
    /// page. A page that got lost on the way cannot be had again, and the list is forgotten when
    /// it was not read for [`Behaviour::token_lifetime`].
    Session,
}

/// What becomes of a deleted item, and what Identify says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedRecord {
    /// It becomes a tombstone.
    Persistent,
    /// It becomes a tombstone, but other items may disappear without one.
    Transient,
    /// It disappears.
    No,
}

impl DeletedRecord {
    /// The word for it in Identify.
    pub fn name(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Transient => "transient",
            Self::No => "no",
        }
    }
}

/// What `completeListSize` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompleteListSize {
    /// The truth at the time of the page.
    Exact,
    /// Nothing: the attribute is left out.
    Absent,
    /// Always this number.
    Wrong(u64),
}

/// What `cursor` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Items up to the end of the page, as DOAJ does.
    PageEnd,
    /// Items before the page, as the protocol has it.
    PageStart,
}

/// A repository of some behaviour. Times must not run backwards between calls.
#[derive(Debug, Clone)]
pub struct Model {
    /// How it behaves. May be changed between requests.
    pub behaviour: Behaviour,
    /// The behaviour that `demo` has.
    in_force: Behaviour,
    /// What it holds. Lists behind session tokens share it until it changes.
    demo: Arc<demo::Model>,
    /// Changes that are not indexed yet, with the time at which they will be.
    pending: Vec<(Datestamp, Change)>,
    sessions_opened: u64,
    sessions: BTreeMap<String, Session>,
}

#[derive(Debug, Clone)]
enum Change {
    Put(Item),
    Update(String, Vec<(String, Arc<str>)>, Datestamp),
    Restamp(Vec<String>, Datestamp),
    Delete(String, Datestamp),
    Remove(String),
}

/// A list behind a session token.
#[derive(Debug, Clone)]
struct Session {
    /// The repository when the list began.
    copy: Arc<demo::Model>,
    /// The copy's own token for the next page.
    next: String,
    read_at: Datestamp,
}

impl Model {
    /// An empty repository.
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            demo: Arc::new(demo::Model::new(behaviour.settings())),
            in_force: behaviour.clone(),
            behaviour,
            pending: Vec::new(),
            sessions_opened: 0,
            sessions: BTreeMap::new(),
        }
    }

    /// Sets the base URL that Identify and `<request>` give.
    pub fn set_base_url(&mut self, base_url: String) {
        Arc::make_mut(&mut self.demo).base_url = base_url;
    }

    /// Adds an item, or puts it in place of the one with its identifier.
    pub fn insert(&mut self, item: Item) {
        self.change(item.datestamp, Change::Put(item));
    }

    /// Gives an item new metadata in the formats named, and revives it if it was deleted.
    ///
    /// Nothing happens if there is no such item when the change is indexed.
    pub fn update(
        &mut self,
        identifier: &str,
        metadata: impl IntoIterator<Item = (String, Arc<str>)>,
        at: Datestamp,
    ) {
        let metadata = metadata.into_iter().collect();
        self.change(at, Change::Update(identifier.to_owned(), metadata, at));
    }

    /// Gives items a new datestamp and changes nothing else, as DOAJ's bulk jobs do.
    pub fn restamp_bulk<I: Into<String>>(
        &mut self,
        identifiers: impl IntoIterator<Item = I>,
        at: Datestamp,
    ) {
        let identifiers = identifiers.into_iter().map(Into::into).collect();
        self.change(at, Change::Restamp(identifiers, at));
    }

    /// Deletes an item as [`Behaviour::deleted_record`] says.
    pub fn delete(&mut self, identifier: &str, at: Datestamp) {
        let identifier = identifier.to_owned();
        let change = match self.behaviour.deleted_record {
            DeletedRecord::No => Change::Remove(identifier),
            DeletedRecord::Persistent | DeletedRecord::Transient => Change::Delete(identifier, at),
        };
        self.change(at, change);
    }

    /// Removes an item without a tombstone, whatever Identify promises.
    pub fn remove(&mut self, identifier: &str, at: Datestamp) {
        self.change(at, Change::Remove(identifier.to_owned()));
    }

    /// Forgets all lists behind session tokens.
    pub fn expire_sessions(&mut self) {
        self.sessions.clear();
    }

    /// What ListRecords shows at `now` to a caller without a key, however often it asks: all that
    /// is indexed and not clamped, tombstones included, in order of identifier.
    pub fn visible(&mut self, now: Datestamp) -> Vec<Item> {
        let limit = self.limit(now);
        let mut items = self.everything(now);
        items.retain(|item| limit.is_none_or(|limit| item.datestamp <= limit));
        items
    }

    /// What GetRecord, or a caller with a key, can see at `now`: all that is indexed, tombstones
    /// included, in order of identifier.
    pub fn everything(&mut self, now: Datestamp) -> Vec<Item> {
        self.settle(now);
        let mut items: Vec<Item> = self.demo.items().cloned().collect();
        items.sort_unstable_by(|a, b| a.identifier.cmp(&b.identifier));
        items
    }

    /// The last instant that lists reach without the premium key; `None` for no limit.
    fn limit(&self, now: Datestamp) -> Option<Datestamp> {
        let clamp = self.behaviour.clamp?.as_secs().cast_signed();
        Some(now.plus_seconds(-clamp))
    }

    fn change(&mut self, at: Datestamp, change: Change) {
        self.set_behaviour();
        if self.behaviour.index_lag.is_zero() && self.pending.is_empty() {
            self.apply(change);
        } else {
            let lag = self.behaviour.index_lag.as_secs().cast_signed();
            self.pending.push((at.plus_seconds(lag), change));
        }
    }

    /// Puts changes of the behaviour into force.
    fn set_behaviour(&mut self) {
        if self.behaviour != self.in_force {
            self.in_force = self.behaviour.clone();
            Arc::make_mut(&mut self.demo).settings = self.behaviour.settings();
        }
    }

    /// Indexes the changes that are due at `now`.
    fn settle(&mut self, now: Datestamp) {
        self.set_behaviour();
        let due: Vec<_> = self.pending.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, change) in due {
            self.apply(change);
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(item) => Arc::make_mut(&mut self.demo).insert(item),
            Change::Update(identifier, metadata, at) => self.edit(&identifier, at, |item| {
                item.deleted = false;
                for (prefix, xml) in metadata {
                    item.metadata.retain(|(name, _)| *name != prefix);
                    item.metadata.push((prefix, xml));
                }
            }),
            Change::Restamp(identifiers, at) => {
                for identifier in identifiers {
                    self.edit(&identifier, at, |_| {});
                }
            }
            Change::Delete(identifier, at) => self.edit(&identifier, at, |item| {
                item.deleted = true;
            }),
            Change::Remove(identifier) => Arc::make_mut(&mut self.demo).remove(&identifier),
        }
    }

    fn edit(&mut self, identifier: &str, at: Datestamp, change: impl FnOnce(&mut Item)) {
        if let Some(mut item) = self.demo.item(identifier).cloned() {
            item.datestamp = at;
            change(&mut item);
            Arc::make_mut(&mut self.demo).insert(item);
        }
    }

    /// Answers one request, given by its arguments in any order, at `now`.
    ///
    /// Session tokens make this a change of the model, as do changes that come due by `now`.
    pub fn answer(&mut self, arguments: &[(String, String)], now: Datestamp) -> Reply {
        self.settle(now);
        let refused = |model: &Self, code| model.demo.refuse(code, "The test wants it so.", now);
        if let Err(code) = self.check(arguments, now) {
            return refused(self, code);
        }
        let mut arguments = arguments.to_vec();
        arguments.retain(|(name, _)| match name.as_str() {
            "from" => !self.behaviour.ignores_from,
            "set" => !self.behaviour.ignores_set,
            _ => true,
        });
        let token = arguments.iter_mut().find(|(n, _)| n == "resumptionToken");
        let mut session = None;
        let reply = match (self.behaviour.tokens, token) {
            (Tokens::Session, Some((_, token))) => {
                let name = token.clone();
                let lifetime = self.behaviour.token_lifetime.unwrap_or(Duration::MAX);
                let alive = |session: &&mut Session| {
                    now.unix().abs_diff(session.read_at.unix()) <= lifetime.as_secs()
                };
                let Some(open) = self.sessions.get_mut(&name).filter(alive) else {
                    self.sessions.remove(&name);
                    return refused(self, "badResumptionToken");
                };
                open.read_at = now;
                token.clone_from(&open.next);
                session = Some(name);
                open.copy.answer(&arguments, now)
            }
            _ => self.demo.answer(&arguments, now),
        };
        let mut reply = self.alter_identify(reply);
        self.alter_token(&mut reply.body, session, now);
        reply
    }

    /// Refuses, with an error code, what a strict repository or one without sets does not accept.
    fn check(&self, arguments: &[(String, String)], now: Datestamp) -> Result<(), &'static str> {
        let get = |name: &str| {
            let (_, value) = arguments.iter().find(|(key, _)| key == name)?;
            Some(value.as_str())
        };
        if !self.behaviour.sets && (get("verb") == Some("ListSets") || get("set").is_some()) {
            return Err("noSetHierarchy");
        }
        if self.behaviour.lenient {
            return Ok(());
        }
        let allowed: &[&str] = match get("verb") {
            Some("Identify") => &[],
            Some("ListMetadataFormats") => &["identifier"],
            Some("GetRecord") => &["identifier", "metadataPrefix"],
            Some("ListSets") => &["resumptionToken"],
            Some("ListRecords" | "ListIdentifiers") if get("resumptionToken").is_some() => {
                &["resumptionToken"]
            }
            Some("ListRecords" | "ListIdentifiers") => &["metadataPrefix", "from", "until", "set"],
            _ => return Err("badVerb"),
        };
        let names: BTreeSet<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() < arguments.len() {
            let verbs = arguments.iter().filter(|(name, _)| name == "verb").count();
            return Err(if verbs > 1 { "badVerb" } else { "badArgument" });
        }
        let known = |name: &&str| ["verb", "api_key"].contains(name) || allowed.contains(name);
        let bound = |name| get(name).and_then(Datestamp::parse);
        let key = self.behaviour.premium_key.as_deref();
        let limit = self
            .limit(now)
            .filter(|_| key.is_none() || get("api_key") != key);
        let later = |limit: Datestamp| {
            let granularity = self.behaviour.granularity;
            let reached = |(at, given)| match given {
                Granularity::Day => Datestamp::day_end(at) > limit,
                Granularity::Second => at > limit,
            };
            let lowered = Datestamp::parse(&limit.render(granularity));
            lowered.filter(|_| bound("until").is_none_or(reached))
        };
        let until = limit.and_then(later).or_else(|| bound("until"));
        let backwards = match (bound("from"), until) {
            (Some(from), Some(until)) => from.1 != until.1 || from.0 > until.0,
            _ => false,
        };
        if backwards || !names.iter().all(known) {
            return Err("badArgument");
        }
        Ok(())
    }

    fn alter_identify(&self, mut reply: Reply) -> Reply {
        const SAID: &[u8] = b"<deletedRecord>transient<";
        // Identify is short; a page of records is not searched to its end.
        let head = &reply.body[..reply.body.len().min(2_000)];
        if let Some(at) = memmem::find(head, SAID) {
            let name = self.behaviour.deleted_record.name();
            let says = format!("<deletedRecord>{name}<").into_bytes();
            reply.body.splice(at..at + SAID.len(), says);
        }
        reply
    }

    /// Writes the page's resumption token as this repository does, if the page has one. `session`
    /// is the session whose list the page is of.
    fn alter_token(&mut self, body: &mut Vec<u8>, session: Option<String>, now: Datestamp) {
        let Some(start) = memmem::rfind(body, b"<resumptionToken ") else {
            return;
        };
        let tail = String::from_utf8(body.split_off(start)).expect("the demo writes UTF-8");
        let (element, rest) = tail.split_at(tail.find("</List").expect("the list is closed"));
        let attribute = |name: &str| {
            let (_, value) = element.split_once(&format!("{name}=\""))?;
            value.split_once('"')?.0.parse::<u64>().ok()
        };
        let (_, token) = element.split_once('>').expect("a start tag ends");
        let token = token.trim_end_matches("</resumptionToken>");
        let size = match self.behaviour.complete_list_size {
            CompleteListSize::Exact => attribute("completeListSize"),
            CompleteListSize::Absent => None,
            CompleteListSize::Wrong(size) => Some(size),
        };
        let on_page = memmem::find_iter(body, b"</header>").count() as u64;
        let cursor = attribute("cursor").map(|end| match self.behaviour.cursor {
            Cursor::PageEnd => end,
            Cursor::PageStart => end.saturating_sub(on_page),
        });
        let lifetime = self.behaviour.token_lifetime;
        let expires = lifetime.map(|life| now.plus_seconds(life.as_secs().cast_signed()));
        let token = match self.behaviour.tokens {
            _ if token.is_empty() => {
                session.map(|name| self.sessions.remove(&name));
                String::new()
            }
            Tokens::Doaj => token.to_owned(),
            Tokens::Offset => without_position(token),
            Tokens::Session => self.remember(token, session, now),
        };
        let mut altered = "<resumptionToken".to_owned();
        for (name, value) in [
            ("completeListSize", size.map(|size| size.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
            ("expirationDate", expires.map(|at| at.to_string())),
        ] {
            if let Some(value) = value {
                altered.push_str(&format!(" {name}=\"{value}\""));
            }
        }
        altered.push_str(&match token.as_str() {
            "" => "/>".to_owned(),
            token => format!(">{token}</resumptionToken>"),
        });
        body.extend_from_slice(altered.as_bytes());
        body.extend_from_slice(rest.as_bytes());
    }

    /// Opens a session, or moves one on to its next page; gives its name.
    fn remember(&mut self, next: &str, session: Option<String>, now: Datestamp) -> String {
        if let Some(name) = session {
            if let Some(open) = self.sessions.get_mut(&name) {
                next.clone_into(&mut open.next);
            }
            return name;
        }
        self.sessions_opened += 1;
        let name = format!("session-{}", self.sessions_opened);
        let opened = Session {
            copy: Arc::clone(&self.demo),
            next: next.to_owned(),
            read_at: now,
        };
        self.sessions.insert(name.clone(), opened);
        name
    }
}

/// The token without its position, as DOAJ wrote it in 2017: it counts from the list's start.
fn without_position(token: &str) -> String {
    let json = URL_SAFE.decode(token).expect("the demo writes base64url");
    let mut token: Map<String, Value> = serde_json::from_slice(&json).expect("it writes JSON");
    token.remove("a");
    URL_SAFE.encode(Value::from(token).to_string())
}
