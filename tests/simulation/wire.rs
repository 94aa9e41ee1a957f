//! The way between harvester and repository: faults, lost answers, crashes, and the clocks that
//! go on meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use harvestd::harvest::progress::{Event, Progress};
use harvestd::http::{Times, Turn};
use harvestd::oai::client::{Answer, Transport};
use harvestd::oai::error::FetchError;
use harvestd::oai::request::Verb;
use harvestd::oai::{Datestamp, Granularity, Request};
use tokio::sync::Notify;

use crate::faults::{self, Fault};
use crate::model::{CompleteListSize, Item, Tokens};
use crate::repository::{Listing, Repository, WorldSize};

/// A run that asks more often than this goes round and round. The longest that do not read 400 items
/// of one second, one a page, in each of some forty spans that are halved down to this second, since
/// the repository announces more.
const MOST_CALLS: u32 = 20_000;

/// When a run is cut off, by the number of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The process dies before the request reaches the repository.
    Before(u32),
    /// It dies when the repository has answered.
    After(u32),
    /// The switch is turned while the request is on its way.
    Stop(u32),
}

/// One source's repository and the way to it.
pub(crate) struct Site {
    pub(crate) repository: Repository,
    pub(crate) rng: Rng,
    /// Our clock, in milliseconds since 1970.
    pub(crate) clock: Arc<AtomicI64>,
    /// How many requests of a thousand meet a fault; 0 once faults have healed.
    pub(crate) fault_rate: u32,
    /// How many requests of a thousand find the repository changed.
    pub(crate) change_rate: u32,
    /// How many requests of a thousand find our clock set.
    pub(crate) jump_rate: u32,
    /// When the present run is cut off.
    pub(crate) cut: Option<Cut>,
    pub(crate) calls: u32,
    /// Our clock was set since the list began.
    pub(crate) clock_was_set: bool,
    /// How often the list was left for long.
    pub(crate) rests: u32,
    /// What happened, for a replay.
    pub(crate) log: Option<Vec<String>>,
    /// Faults that certain requests of a run meet, by the number of the request.
    pub(crate) script: HashMap<u32, Fault>,
    outage: Option<(Fault, u32)>,
    /// Tokens that are refused, so many times more.
    dead_tokens: HashMap<String, u32>,
    /// Items that no page can be made with.
    pub(crate) poison: Vec<String>,
    /// Lists of identifiers fail at these items too.
    poison_hides_identifiers: bool,
    /// An empty list is answered by HTTP 500.
    empty_lists_fail: bool,
    /// Answers that only a count can tell from the truth. A harvester that gets the same wrong
    /// count twice believes it, so there is one of these at most.
    deceits_left: u32,
    /// A cache keeps each answer that nothing has changed, for ever, by its question.
    keeps_empty: bool,
    /// The questions that were answered so.
    empty_questions: HashSet<Vec<(String, String)>>,
    /// Later pages of a set's list also show records of other sets.
    forgets_set: bool,
    /// How many lists of a thousand have a page with an old date.
    old_date_rate: u32,
    /// How many questions of a thousand are answered from a cache, if it has an answer.
    cache_rate: u32,
    /// Draws what comes of caches.
    cache_rng: Rng,
    /// The answers of one page that a cache keeps, by their questions.
    cache: HashMap<Vec<(String, String)>, Vec<u8>>,
    /// The oldest date that a list of this run has shown, in seconds since 1970.
    pub(crate) oldest_date: Option<i64>,
    /// The pages since the list began.
    pages: Vec<Vec<u8>>,
    /// Whether a run asked more than [`MOST_CALLS`] times.
    pub(crate) endless: bool,
}

impl Site {
    /// A repository of random behaviour, and a way to it with random faults.
    pub(crate) fn new(size: WorldSize, rng: &mut Rng, clock: Arc<AtomicI64>) -> Self {
        let repository = Repository::new(size, rng);
        let names: Vec<String> = repository.current.keys().cloned().collect();
        let mut site = Self::undisturbed(repository, rng.fork(), clock);
        if !names.is_empty() && rng.u8(0..6) == 0 {
            let poisoned = |_| names[rng.usize(0..names.len())].clone();
            site.poison = (0..2).map(poisoned).collect();
        }
        // By the day, there are too few questions that were not asked yet.
        site.keeps_empty =
            site.repository.model.behaviour.granularity == Granularity::Second && rng.u8(0..6) == 0;
        site.forgets_set = !site.repository.sets.is_empty()
            && !site.repository.model.behaviour.ignores_from
            && rng.bool();
        site.fault_rate = [0, 10, 50, 200][rng.usize(0..4)];
        site.change_rate = [0, 50, 300][rng.usize(0..3)];
        site.jump_rate = [0, 10][rng.usize(0..2)];
        // Drawn apart, so that each seed keeps the world that it had.
        let mut more = Rng::with_seed(rng.clone().u64(..) ^ 0x6761_7073);
        site.poison_hides_identifiers = more.bool();
        site.empty_lists_fail = more.u8(0..8) == 0;
        site.old_date_rate = [0, 0, 100, 400][more.usize(0..4)];
        // What shows late in a list shows later still in one from a cache, and no overlap covers that.
        if site.repository.late == 0 {
            site.cache_rate = [0, 0, 100, 400][more.usize(0..4)];
            site.repository.has_cache = site.cache_rate > 0;
        }
        site.cache_rng = more;
        site
    }

    /// A repository that nothing happens to.
    pub(crate) fn undisturbed(repository: Repository, rng: Rng, clock: Arc<AtomicI64>) -> Self {
        Self {
            repository,
            rng,
            clock,
            fault_rate: 0,
            change_rate: 0,
            jump_rate: 0,
            cut: None,
            calls: 0,
            clock_was_set: false,
            rests: 0,
            log: None,
            script: HashMap::new(),
            outage: None,
            dead_tokens: HashMap::new(),
            poison: Vec::new(),
            poison_hides_identifiers: false,
            empty_lists_fail: false,
            deceits_left: 1,
            keeps_empty: false,
            empty_questions: HashSet::new(),
            forgets_set: false,
            old_date_rate: 0,
            cache_rate: 0,
            cache_rng: Rng::with_seed(0),
            cache: HashMap::new(),
            oldest_date: None,
            pages: Vec::new(),
            endless: false,
        }
    }

    /// From here on nothing changes, and only the faults that last are left.
    pub(crate) fn calm(&mut self) {
        self.fault_rate = 0;
        self.change_rate = 0;
        self.jump_rate = 0;
        self.outage = None;
        self.cut = None;
        self.dead_tokens.clear();
        self.cache_rate = 0;
        self.old_date_rate = 0;
    }

    /// Whether some records cannot be read. Where empty lists fail as well, nothing tells an empty part of a
    /// list from a poisoned one, and a run that cuts both has no end.
    pub(crate) fn has_lasting_faults(&self) -> bool {
        !self.poison.is_empty() && !self.empty_lists_fail
    }

    /// Whether a record can be read: its list can be cut, by dates or by names, so that no page shows it
    /// together with a poisoned one. The shortest lists are of one unit.
    pub(crate) fn is_readable(&self, item: &Item) -> bool {
        let behaviour = &self.repository.model.behaviour;
        let is_poisoned = |name: &String| self.poison.contains(name);
        if is_poisoned(&item.identifier) {
            return false;
        }
        if self.poison.is_empty()
            || (!self.poison_hides_identifiers && behaviour.list_identifiers_resumes)
        {
            return true;
        }
        let unit = match behaviour.granularity {
            Granularity::Day => 86_400,
            Granularity::Second => 1,
        };
        let number = |item: &Item| item.datestamp.unix().div_euclid(unit);
        let present = self.repository.current.values().map(|known| &known.item);
        let beside = self.repository.second_states.iter();
        let mut others = present.chain(beside.map(|second| &second.item));
        !behaviour.ignores_from
            && !others.any(|other| is_poisoned(&other.identifier) && number(other) == number(item))
    }

    /// From here on everything works, and nothing changes.
    pub(crate) fn heal(&mut self) {
        self.calm();
        self.forgets_set = false;
        self.poison.clear();
        self.empty_lists_fail = false;
    }

    /// Lets both clocks go on.
    pub(crate) fn advance(&mut self, seconds: i64) {
        self.repository.now += seconds;
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    fn chance(&mut self, of_a_thousand: u32) -> bool {
        self.rng.u32(0..1_000) < of_a_thousand
    }

    /// What the request brings; `None` if the process dies of it.
    fn take(&mut self, request: &Request, stop: &dyn Fn()) -> Option<Result<Answer, FetchError>> {
        self.calls += 1;
        if self.calls > MOST_CALLS {
            self.endless = true;
            return None;
        }
        if self.cut == Some(Cut::Before(self.calls)) {
            self.say(|| "crash before the request".to_owned());
            return None;
        }
        if self.cut == Some(Cut::Stop(self.calls)) {
            self.say(|| "switch turned".to_owned());
            stop();
        }
        let seconds = 1 + self.rng.i64(0..40);
        self.advance(seconds);
        if self.chance(self.jump_rate) {
            let days = self.rng.i64(-9..10);
            self.clock.fetch_add(days * 86_400_000, Ordering::Relaxed);
            self.clock_was_set = true;
            self.say(|| format!("our clock jumps by {days} days"));
        }
        // A repository that grows as fast as it is read has no end to come to.
        if self.calls < 100 && self.chance(self.change_rate) {
            let before = self.repository.changes;
            let mut rng = self.rng.fork();
            self.repository.change(Listing::UnderWay, &mut rng);
            let count = self.repository.changes - before;
            self.say(|| format!("{count} records change"));
        }
        let fault = self.fault(request);
        let result = self.exchange(request, fault);
        if self.log.is_some() {
            let now = Datestamp::from_unix(self.repository.now);
            let arguments = request.arguments();
            let what = match &result {
                Ok(answer) => format!("{} bytes", answer.body.len()),
                Err(error) => error.to_string(),
            };
            self.say(|| format!("{now} {arguments:?} fault {fault:?}: {what}"));
        }
        if self.cut == Some(Cut::After(self.calls)) {
            self.say(|| "crash after the answer".to_owned());
            return None;
        }
        Some(result)
    }

    /// The fault that this request meets.
    fn fault(&mut self, request: &Request) -> Option<Fault> {
        if let Some(fault) = self.script.remove(&self.calls) {
            return Some(fault);
        }
        if let Some((fault, left)) = self.outage {
            self.outage = (left > 1).then(|| (fault, left - 1));
            return Some(fault);
        }
        if let Request::Resume { token, .. } = request
            && let Some(left) = self.dead_tokens.get_mut(token.as_str())
            && *left > 0
        {
            *left -= 1;
            return Some(Fault::DeadToken);
        }
        if !self.chance(self.fault_rate) {
            return None;
        }
        let fault = Fault::any(&mut self.rng);
        match fault {
            Fault::DeadToken => {
                if let Request::Resume { token, .. } = request {
                    let times = self.rng.u32(0..6);
                    self.dead_tokens.insert(token.as_str().to_owned(), times);
                }
            }
            Fault::NothingMore | Fault::NoToken => {
                let size = self.repository.model.behaviour.complete_list_size;
                let shows = match fault {
                    Fault::NoToken => size == CompleteListSize::Exact,
                    // A wrong count may happen to agree with it.
                    _ => !matches!(size, CompleteListSize::Wrong(_)),
                };
                if self.deceits_left == 0 || !shows {
                    return None;
                }
                self.deceits_left -= 1;
            }
            _ if self.rng.u8(0..6) == 0 => self.outage = Some((fault, self.rng.u32(1..30))),
            _ => {}
        }
        Some(fault)
    }

    fn exchange(&mut self, request: &Request, fault: Option<Fault>) -> Result<Answer, FetchError> {
        let resumed = matches!(request, Request::Resume { .. });
        let lists = request.verb() == Verb::ListRecords;
        if let Some(fault) = fault
            && fault.before_the_repository()
        {
            return self.reply(fault, request);
        }
        if fault == Some(Fault::Repeated) && resumed && lists && !self.pages.is_empty() {
            let again = self.pages[self.rng.usize(0..self.pages.len())].clone();
            return Ok(answer(again, Datestamp::from_unix(self.repository.now)));
        }
        if fault == Some(Fault::Restarted) {
            self.repository.model.expire_sessions();
        }
        let arguments: Vec<(String, String)> = request
            .arguments()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let now = Datestamp::from_unix(self.repository.now);
        if !resumed
            && self.cache_rng.u32(0..1_000) < self.cache_rate
            && let Some(body) = self.cache.get(&arguments).cloned()
        {
            self.say(|| "an answer from a cache".to_owned());
            if lists {
                self.pages.clear();
            }
            return Ok(self.old_answer(body));
        }
        let body = self.repository.model.answer(&arguments, now).body;
        let mut body = self.repository.add_second_states(&arguments, body);
        let text = String::from_utf8_lossy(&body);
        if lists || request.verb() == Verb::ListIdentifiers {
            self.repository.note_page(&text);
        }
        let is_question = matches!(request, Request::ListRecords(asked) if asked.from.is_some());
        let is_empty = text.contains("noRecordsMatch");
        if self
            .poison
            .iter()
            .any(|name| text.contains(&format!("{name}<")))
            && (request.verb() != Verb::ListIdentifiers || self.poison_hides_identifiers)
        {
            return Err(faults::server_error(500));
        }
        if self.empty_lists_fail && !resumed && text.contains("code=\"noRecordsMatch\"") {
            return Err(faults::server_error(500));
        }
        if lists && !resumed {
            self.pages.clear();
        }
        if self.keeps_empty && is_question {
            if is_empty {
                self.empty_questions.insert(arguments.clone());
            } else if self.empty_questions.contains(&arguments) {
                return self.reply(Fault::NothingMore, request);
            }
        }
        if self.forgets_set && lists && resumed {
            body = self.with_other_sets(&body, now);
        }
        let received = matches!(fault, None | Some(Fault::Restarted))
            && self.cut != Some(Cut::After(self.calls));
        let is_list = lists || request.verb() == Verb::ListIdentifiers;
        let result = match fault {
            None | Some(Fault::Restarted) if is_list => Ok(self.dated(arguments, body.clone())),
            None | Some(Fault::Restarted) => Ok(answer(body.clone(), now)),
            Some(fault) => match faults::spoil(fault, &body, resumed && lists, &mut self.rng) {
                Some(body) => Ok(answer(body, now)),
                None => self.reply(fault, request),
            },
        };
        // Only what was received can come again.
        if lists && received {
            self.pages.push(body);
        }
        result
    }

    /// A page of a list, which a cache keeps if it is the only one, and which may have an old date.
    fn dated(&mut self, arguments: Vec<(String, String)>, body: Vec<u8>) -> Answer {
        let text = String::from_utf8_lossy(&body);
        let is_whole = text.contains("</ListRecords>") && !text.contains("<resumptionToken");
        if is_whole && self.cache_rate > 0 {
            self.cache.insert(arguments, body.clone());
        }
        if self.cache_rng.u32(0..1_000) >= self.old_date_rate {
            return answer(body, Datestamp::from_unix(self.repository.now));
        }
        let then = self.repository.now - self.cache_rng.i64(0..4 * 86_400);
        let then = Datestamp::from_unix(then).render(Granularity::Second);
        let Some((before, rest)) = text.split_once("<responseDate>") else {
            return answer(body, Datestamp::from_unix(self.repository.now));
        };
        let after = rest
            .split_once("</responseDate>")
            .map_or("", |(_, after)| after);
        let text = format!("{before}<responseDate>{then}</responseDate>{after}");
        self.say(|| format!("a page with the date {then}"));
        self.old_answer(text.into_bytes())
    }

    /// An answer whose document has an old date. So has its HTTP header, or not: some caches write their own.
    fn old_answer(&mut self, body: Vec<u8>) -> Answer {
        let text = String::from_utf8_lossy(&body);
        let date = text
            .split_once("<responseDate>")
            .and_then(|(_, rest)| rest.split_once('<'))
            .and_then(|(date, _)| Datestamp::parse(date))
            .map(|(date, _)| date);
        let then = date.expect("the model dates its answers");
        let oldest = self.oldest_date.unwrap_or(then.unix());
        self.oldest_date = Some(oldest.min(then.unix()));
        let now = Datestamp::from_unix(self.repository.now);
        answer(body, if self.cache_rng.bool() { then } else { now })
    }

    /// A page with records of sets that were not asked for among the others.
    fn with_other_sets(&mut self, body: &[u8], now: Datestamp) -> Vec<u8> {
        let asked_for = &self.repository.sets;
        let others: Vec<String> = self
            .repository
            .current
            .iter()
            .filter(|(_, current)| {
                let sets = &current.item.set_specs;
                !sets.is_empty() && !sets.iter().any(|set| asked_for.contains(set))
            })
            .map(|(identifier, _)| identifier.clone())
            .collect();
        let mut text = String::from_utf8_lossy(body).into_owned();
        let end = text
            .find("<resumptionToken")
            .or_else(|| text.find("</ListRecords>"));
        let (Some(end), false) = (end, others.is_empty()) else {
            return text.into_bytes();
        };
        let other = others[self.rng.usize(0..others.len())].clone();
        let arguments = [
            ("verb", "GetRecord"),
            ("identifier", &other),
            ("metadataPrefix", self.repository.prefix),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = self.repository.model.answer(&arguments, now).body;
        let answer = String::from_utf8_lossy(&answer);
        if let Some((_, rest)) = answer.split_once("<record>")
            && let Some((record, _)) = rest.rsplit_once("</record>")
        {
            text.insert_str(end, &format!("<record>{record}</record>"));
            self.repository.strangers.insert(other);
        }
        text.into_bytes()
    }

    /// An answer that owes nothing to what the repository holds.
    fn reply(&mut self, fault: Fault, request: &Request) -> Result<Answer, FetchError> {
        let now = Datestamp::from_unix(self.repository.now);
        let page = |inner: &str| {
            let date = now.render(Granularity::Second);
            let text = format!(
                "<?xml version=\"1.0\"?><OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
                 <responseDate>{date}</responseDate><request>http://repository.example/oai</request>\
                 {inner}</OAI-PMH>"
            );
            Ok(answer(text.into_bytes(), now))
        };
        let stateless = self.repository.model.behaviour.tokens != Tokens::Session;
        match (fault, request) {
            (Fault::DeadToken, Request::Resume { .. }) => {
                page("<error code=\"badResumptionToken\">gone</error>")
            }
            (
                Fault::NothingMore,
                Request::Resume { .. } | Request::ListRecords(_) | Request::ListIdentifiers(_),
            ) => page("<error code=\"noRecordsMatch\">nothing more</error>"),
            (
                Fault::EmptyPage,
                Request::Resume {
                    verb: Verb::ListRecords,
                    token,
                    ..
                },
            ) if stateless => page(&format!(
                "<ListRecords><resumptionToken>{}</resumptionToken></ListRecords>",
                token.as_str()
            )),
            (Fault::OtherVerb, _) => page(
                "<ListMetadataFormats><metadataFormat><metadataPrefix>oai_dc</metadataPrefix>\
                 <schema>x</schema><metadataNamespace>x</metadataNamespace></metadataFormat>\
                 </ListMetadataFormats>",
            ),
            _ => Err(faults::failure(fault, &mut self.rng)),
        }
    }
}

fn answer(body: Vec<u8>, now: Datestamp) -> Answer {
    Answer {
        wire_bytes: body.len() as u64,
        unclean_end: None,
        body,
        status: 200,
        content_type: None,
        charset: None,
        date: Some(now),
        moved_to: None,
        times: Times::default(),
        turn: Turn::default(),
    }
}

/// The transport of one run.
pub(crate) struct Wire {
    pub(crate) site: Arc<Mutex<Site>>,
    pub(crate) switch: harvestd::stop::StopSwitch,
    /// Told when the process is to die.
    pub(crate) death: Arc<Notify>,
}

impl Transport for Wire {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        let taken = self
            .site
            .lock()
            .unwrap()
            .take(request, &|| self.switch.stop());
        match taken {
            Some(result) => result,
            None => {
                self.death.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// Watches one run: pauses take their time on both clocks.
pub(crate) struct Watch {
    pub(crate) site: Arc<Mutex<Site>>,
    /// Told when a run waits, which it does on the runtime's own clock.
    pub(crate) waits: Arc<Notify>,
}

impl Progress for Watch {
    fn event(&self, _: &str, event: Event) {
        match event {
            Event::Waiting { pause, .. } => {
                let mut site = self.site.lock().unwrap();
                site.advance(
                    pause
                        .min(Duration::from_secs(3_600))
                        .as_secs()
                        .cast_signed(),
                );
                self.waits.notify_one();
            }
            Event::Note(note) => self.site.lock().unwrap().say(|| format!("note: {note}")),
            _ => {}
        }
    }
}
