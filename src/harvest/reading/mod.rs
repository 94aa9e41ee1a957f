//! One reading of a window: the verdict on each page, and how the window ends.

mod asked;
mod ends;
mod identifiers;
mod order;
mod tokens;
mod watch;

use std::collections::{HashMap, HashSet};

pub(super) use asked::Asked;
pub(super) use asked::{names, names_only_others};
use ends::ListEnd;
pub(super) use identifiers::identifiers_to_records;
use order::Order;
pub(super) use tokens::Tokens;
pub(super) use tokens::{in_request as token_in_request, names_another};

use super::resume::Named;
use super::watermark::{self, Evidence};
use super::{resume, span};
use crate::oai::response::{ErrorCode, List, OaiError, Paging};
use crate::oai::{Content, Datestamp, Granularity, Header, Record, Response, ResumptionToken};
use crate::store::{Cost, NewWindow, PageOrder, PageStep, Traits, Window};

/// The facts about a source that the verdicts on its pages depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The granularity that works.
    pub(super) granularity: Granularity,
    /// A list with more items is split.
    pub(super) window_records: u64,
    /// The repository's hint of its oldest datestamp.
    pub(super) earliest: Option<Datestamp>,
    /// Whether smaller windows can be requested.
    pub(super) may_split: bool,
    /// `from` and `until` have no effect.
    pub(super) ignores_dates: bool,
    /// `completeListSize` is not to be believed.
    pub(super) list_size_lies: bool,
    /// A token names the item after which to go on.
    pub(super) tokens_name_items: bool,
    /// Lists of this many items and without a token are whole.
    pub(super) whole_at: Option<u64>,
    /// Lists of this many items and without a token are cut off.
    pub(super) cut_off_at: Option<u64>,
    /// A list of this run ended twice with this many items, which were fewer than announced.
    pub(super) short_at: Option<u64>,
}

/// Why a list with a proper end may be incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SizeDoubt {
    /// Exactly this many items, and no token.
    RoundCount(u64),
    /// Fewer items than were announced, each time.
    Short {
        /// Items of the list.
        items: u64,
        /// Items announced.
        size: u64,
    },
}

/// One reading of a window, from its first page or from the token where it was cut off.
#[derive(Debug)]
pub(super) struct Reading {
    /// The window as it stood when the reading began.
    pub(super) window: Window,
    /// Whether the next page is the first.
    first: bool,
    items: u64,
    bad: u64,
    list_size: Option<u64>,
    /// The last announced size.
    last_size: Option<u64>,
    /// How far the first page proves the list.
    bound: Option<Datestamp>,
    /// The least `until` that pages of this reading have echoed in place of the requested one.
    echoed: Option<Datestamp>,
    /// Hashes of the pages, two for each: over its items, and over their content.
    fingerprints: HashSet<u64>,
    /// The hash of the last page that had items.
    fingerprint: u64,
    /// Pages in a row with items that had come before.
    pages_of_versions: u32,
    /// Hashes of the items' identifiers.
    seen: HashSet<u64>,
    /// How often items that had come before may come again, by the hashes of their identifiers.
    again: HashMap<u64, u32>,
    /// An item came twice, or the list became smaller: other items may be missing between two pages.
    moved: bool,
    /// Most items of a page have other dates than were asked for.
    other_dates: bool,
    empty_pages: u32,
    tokens: Tokens,
    /// The token that the next page answers stood only in `<request>`, and may be none.
    guesses: bool,
    asked: Asked,
    /// Whether each token so far has named the last item of its page.
    tokens_name_items: Option<bool>,
    /// Tokens name the datestamp of the last item.
    tokens_name_datestamps: bool,
    order: Order,
}

/// One answer to a list request.
#[derive(Debug)]
pub(super) struct ListAnswer {
    /// The answer.
    pub(super) response: Response,
    /// The `until` as it was sent; `None` on resumptions and open lists.
    pub(super) asked_until: Option<String>,
    /// The repository's clock, as far as it is believed.
    pub(super) clock: Option<Datestamp>,
    /// Its cost.
    pub(super) cost: Cost,
}

/// The verdict on a page.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Store the page, and go on with this token.
    Continue(PageStep, ResumptionToken),
    /// Store the page; the window has ended.
    End(PageStep),
    /// Store the page. The rest of the list is cut off, or may be, and there is no smaller window.
    CutOff {
        /// The page.
        page: PageStep,
        /// Why.
        why: String,
        /// Whether lists of this size are known to be cut off.
        known: bool,
    },
    /// Store the page, and read smaller windows instead.
    Split {
        /// The page.
        page: PageStep,
        /// The smaller windows.
        into: Vec<NewWindow>,
        /// Why.
        note: String,
        /// The doubt that the smaller windows are to resolve.
        doubt: Option<SizeDoubt>,
        /// The token of the next page, in case that the list has to be read as a whole.
        token: Option<ResumptionToken>,
    },
    /// The token is refused or may be stale: read the window again.
    Restart(String),
    /// The window fails, for this reason.
    Fail(String),
    /// The repository answers in another format, for this reason, from the first page on.
    OtherFormat(String),
    /// The repository ignores `from` and `until`, so that windows do not help.
    IgnoresDates,
    /// The repository refuses the request itself.
    Refused(OaiError),
}

impl Verdict {
    /// The page to store, if the verdict has one.
    pub(super) fn page_mut(&mut self) -> Option<&mut PageStep> {
        match self {
            Self::Continue(page, _)
            | Self::End(page)
            | Self::CutOff { page, .. }
            | Self::Split { page, .. } => Some(page),
            Self::Restart(_)
            | Self::Fail(_)
            | Self::OtherFormat(_)
            | Self::IgnoresDates
            | Self::Refused(_) => None,
        }
    }
}

impl Reading {
    /// Begins a window, or goes on with it. `asked_already` if an interrupted run may have requested
    /// the next page.
    pub(super) fn new(window: Window, asked_already: bool, newest_first: Option<bool>) -> Self {
        let resumed = window.token.is_some();
        Self {
            first: !resumed,
            items: if resumed { window.items } else { 0 },
            bad: 0,
            list_size: if resumed { window.list_size } else { None },
            last_size: None,
            bound: window.bound.or(window.span.until),
            echoed: None,
            fingerprints: HashSet::new(),
            fingerprint: 0,
            pages_of_versions: 0,
            seen: HashSet::new(),
            again: HashMap::new(),
            moved: false,
            other_dates: false,
            empty_pages: 0,
            tokens: Tokens::from(window.token.clone(), asked_already),
            guesses: false,
            asked: Asked::default(),
            tokens_name_items: None,
            tokens_name_datestamps: false,
            order: Order::new(resumed, window.place, newest_first),
            window,
        }
    }

    /// The same reading, which compares records with what was asked for.
    pub(super) fn comparing(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    /// The first record of another set on a later page, if the first page had none.
    pub(super) fn record_of_other_set<'c>(&self, content: &'c Content) -> Option<&'c Header> {
        match content {
            Content::Records(list) if !self.first => self.asked.record_of_other_set(&list.items),
            _ => None,
        }
    }

    /// From here on, records of other sets are left out.
    pub(super) fn leave_out_other_sets(&mut self) {
        self.asked.leave_out();
        self.forget_pages();
    }

    /// From here on, the sets that headers name are not compared with the set of the list.
    pub(super) fn trust_list_of_set(&mut self) {
        self.asked.trust_list();
    }

    /// Whether the list has shown records of other sets.
    pub(super) fn forgets_set(&self) -> bool {
        self.asked.forgets_set()
    }

    /// Whether all records of an answer are in another format than was asked for.
    pub(super) fn is_in_other_format(&self, content: &Content) -> bool {
        let Content::Records(list) = content else {
            return false;
        };
        self.asked.other_format(&list.items).is_some()
    }

    /// Whether the next request is the window's first.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// A hash of the items of the last page.
    pub(super) fn last_page(&self) -> u64 {
        self.fingerprint
    }

    /// Whether the repository has shown that it ignores `from` and `until`.
    pub(super) fn shows_other_dates(&self) -> bool {
        self.other_dates
    }

    /// The token that the next page answers, as the list had it.
    pub(super) fn token(&self) -> Option<&ResumptionToken> {
        self.tokens.sent()
    }

    /// Adds to `traits` what tokens and order of the list show so far; whether that is new.
    pub(super) fn teach(&self, traits: &mut Traits) -> bool {
        let names_items = self.tokens_name_items.or(traits.tokens_name_items);
        let names_datestamps = match self.tokens_name_items {
            Some(_) => self.tokens_name_datestamps,
            None => traits.tokens_name_datestamps,
        };
        let newest_first = self.order.newest_first().or(traits.newest_first);
        let is_news = traits.tokens_name_items != names_items
            || traits.tokens_name_datestamps != names_datestamps
            || traits.newest_first != newest_first;
        let is_news = self.asked.teach(traits) || is_news;
        traits.tokens_name_items = names_items;
        traits.tokens_name_datestamps = names_datestamps;
        traits.newest_first = newest_first;
        is_news
    }

    /// Judges the next page of the window.
    pub(super) fn judge(&mut self, answer: ListAnswer, rules: &Rules) -> Verdict {
        let ListAnswer {
            response,
            asked_until,
            clock,
            cost,
        } = answer;
        let Response {
            request, content, ..
        } = response;
        let mut list = match content {
            Content::Records(list) => list,
            Content::Errors(errors) => return self.judge_errors(errors, cost, rules),
            other => {
                return Verdict::Fail(format!("asked for ListRecords, got {}", name(&other)));
            }
        };
        let first = std::mem::replace(&mut self.first, false);
        if let Some(why) = self.asked.other_format(&list.items) {
            let page = if first { "the first page" } else { "a page" };
            let why = format!("{page} after {} items cannot be used: {why}", self.items);
            return match first {
                true => Verdict::OtherFormat(why),
                false => Verdict::Fail(why),
            };
        }
        self.asked.reject_other_formats(&mut list);
        if first {
            self.asked.learn(&list.items);
        }
        let guessed = std::mem::replace(&mut self.guesses, false);
        if guessed && self.repeats(&list) {
            return self.end_of_guess(cost, rules);
        }
        if list.token.is_none() && list.paging == Paging::default() {
            list.token = token_in_request(request.resumption_token.as_deref(), self.tokens.sent());
            self.guesses = list.token.is_some();
        }
        let asked_until = if first {
            asked_until
        } else {
            // Some repositories echo what the whole list was asked for.
            span::render(self.window.span, rules.granularity).1
        };
        let evidence = Evidence {
            asked_from: self.window.span.from,
            echoed_from: request.from.as_deref(),
            asked_until: self.window.span.until,
            asked_text: asked_until.as_deref(),
            echoed_until: request.until.as_deref(),
            clock,
        };
        let bound = watermark::bound(evidence);
        let echoed = watermark::echoed_bound(evidence);
        self.echoed = self.echoed.into_iter().chain(echoed).min();
        // A part that has to be split again is checked more closely. If only `from` is ignored and the
        // newest items come first, the page begins within the part, and each split causes another.
        // The same goes for a narrow part, which comes from larger ones that failed.
        let closely = first && self.window.part && (is_too_large(&list, rules) || self.is_narrow());
        if !rules.ignores_dates && self.is_outside(&list, rules.granularity, closely) {
            if !std::mem::replace(&mut self.other_dates, true) && !first {
                self.forget_pages();
            }
            if self.window.part {
                return Verdict::IgnoresDates;
            }
        }
        if let Some(note) = self.goes_in_circles(&list) {
            return Verdict::Fail(note);
        }
        if self.tokens.add_page(list.token.as_ref(), cost.requests > 1) {
            return Verdict::Restart(format!(
                "a page may have been lost after {} items, and the repository alone knows the place",
                self.items
            ));
        }
        // They do not count, neither against the announced size nor for it.
        self.asked.leave_out_other_sets(&mut list.items);
        self.watch_for_moves(&list);
        self.items += list.len() as u64;
        self.bad += list.bad.len() as u64;
        if let Some(size) = list.paging.complete_list_size {
            self.moved |= self.list_size.is_some_and(|least| size < least);
            self.list_size = Some(self.list_size.map_or(size, |least| least.min(size)));
            self.last_size = Some(size);
        }
        // A key that expires while the list is read brings the clamp back. Then the rest belongs to
        // another list than the beginning.
        let lowers =
            echoed.filter(|lowered| !first && self.bound.is_some_and(|bound| *lowered < bound));
        self.moved |= lowers.is_some();
        // A page from a cache shows how the list was when the cache was filled.
        let older = clock.filter(|clock| !first && self.bound.is_some_and(|bound| *clock < bound));
        let lowers = [lowers, older].into_iter().flatten().min();
        if first {
            self.bound = bound;
        } else if lowers.is_some() {
            self.bound = lowers;
        }
        let order = if first {
            PageOrder::First {
                bound: self.bound_to_keep(bound),
            }
        } else {
            PageOrder::Later
        };
        // Of a list that cannot be read, smaller windows bring nothing.
        let too_many = if first && !list.items.is_empty() {
            Excess::of(&list, rules)
        } else {
            Excess::No
        };
        let split = match too_many {
            Excess::No => None,
            _ => self.split_at(bound, rules),
        };
        let token = list.token.clone();
        if !self.asked.forgets_set()
            && let (Some(token), Some(last)) = (&token, list.items.last())
            && let Some(named) = resume::named(token, &last.header, self.window.span)
        {
            let names_item = named != Named::Nothing;
            self.tokens_name_items = Some(names_item && self.tokens_name_items != Some(false));
            self.tokens_name_datestamps |= named == Named::Datestamp;
        }
        self.order.follow(&list.items);
        let mut page = PageStep {
            window: self.window.id,
            order,
            token: token.clone(),
            place: self.order.place().filter(|_| token.is_some()),
            list_size: list.paging.complete_list_size,
            records: list.items,
            is_list: true,
            bad: list.bad,
            lowers,
            cost,
            ..PageStep::default()
        };
        if let Some(into) = split {
            page.token = None;
            return Verdict::Split {
                page,
                into,
                note: too_many.in_words(rules),
                doubt: too_many.doubt(),
                token,
            };
        }
        let known = match too_many {
            // A longer list disproves the limit.
            Excess::CutOff(count) if rules.cut_off_at == Some(count) => Some(true),
            Excess::MayBeCutOff(_) => Some(false),
            Excess::CutOff(_) | Excess::No | Excess::TooLarge(_) => None,
        };
        if let Some(known) = known {
            return Verdict::CutOff {
                page,
                why: too_many.in_words(rules),
                known,
            };
        }
        match token {
            Some(token) => Verdict::Continue(page, token),
            None => self.end(page, ListEnd::Token(&list.paging), rules),
        }
    }

    fn judge_errors(&mut self, errors: Vec<OaiError>, cost: Cost, rules: &Rules) -> Verdict {
        // Of several errors, an unknown code says most.
        let faulty = errors.iter().position(|error| error.known_code().is_none());
        let error = errors
            .into_iter()
            .nth(faulty.unwrap_or(0))
            .unwrap_or(OaiError {
                code: "(none)".to_owned(),
                message: String::new(),
            });
        let code = error.known_code();
        let empty = PageStep {
            window: self.window.id,
            cost,
            ..PageStep::default()
        };
        if self.first {
            return match code {
                // An empty list proves nothing.
                Some(ErrorCode::NoRecordsMatch) => Verdict::End(PageStep {
                    order: PageOrder::First { bound: None },
                    ending: Some(self.end_of_empty_list()),
                    ..empty
                }),
                _ => Verdict::Refused(error),
            };
        }
        self.tokens.add_error(cost.requests > 1);
        if std::mem::replace(&mut self.guesses, false) {
            return self.end_of_guess(cost, rules);
        }
        match code {
            // One token too many: an end, if all announced items have come.
            Some(ErrorCode::NoRecordsMatch) => self.end(empty, ListEnd::NoRecordsMatch, rules),
            Some(ErrorCode::BadResumptionToken) if self.may_be_behind_the_end(rules) => {
                self.end_at_refused_token(empty, rules)
            }
            _ => Verdict::Restart(format!(
                "{} ({}) in answer to a token after {} items",
                error.code, error.message, self.items
            )),
        }
    }

    /// The end of a list whose last page had no token but one in `<request>`, which has turned out
    /// not to lead on.
    fn end_of_guess(&mut self, cost: Cost, rules: &Rules) -> Verdict {
        let page = PageStep {
            window: self.window.id,
            cost,
            ..PageStep::default()
        };
        self.end(page, ListEnd::Token(&Paging::default()), rules)
    }

    /// The items and the announced size of a complete reading, if it has fewer items than announced.
    pub(super) fn contradicts_size(&self) -> Option<(u64, u64)> {
        self.list_size
            .filter(|size| self.items < *size)
            .map(|size| (self.items, size))
    }

    /// A part proves its own `until` unless the repository lowered it.
    fn bound_to_keep(&self, bound: Option<Datestamp>) -> Option<Datestamp> {
        match (bound, self.window.span.until) {
            (Some(bound), Some(until)) if self.window.part && bound >= until => None,
            _ => bound,
        }
    }

    /// The smaller windows into which the window can be split.
    ///
    /// The end of a part lay in the repository's past when the part was split off. A clock that is older now comes
    /// from a cache, and is no reason to leave the end of the part out.
    fn split_at(&self, bound: Option<Datestamp>, rules: &Rules) -> Option<Vec<NewWindow>> {
        if !rules.may_split {
            return None;
        }
        let end = match self.window.span.until {
            Some(until) if self.window.part => {
                self.echoed.map_or(until, |echoed| echoed.min(until))
            }
            _ => bound?,
        };
        let spans = span::split(self.window.span, end, rules.earliest, rules.granularity)?;
        let part = |span| NewWindow {
            set_spec: self.window.set_spec.clone(),
            span,
        };
        Some(spans.into_iter().map(part).collect())
    }
}

/// Why a list is to be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    No,
    /// A list of several pages, of this size.
    TooLarge(Option<u64>),
    /// This many items and no token, as cut-off lists of this repository have.
    CutOff(u64),
    /// A round number of items and no token.
    MayBeCutOff(u64),
}

impl Excess {
    /// Judges a first page.
    fn of(list: &List<Record>, rules: &Rules) -> Self {
        let count = list.len() as u64;
        let is_bare = list.token.is_none() && list.paging == Paging::default();
        let is_round = count >= 100 && count.is_multiple_of(50);
        match rules.cut_off_at {
            _ if is_too_large(list, rules) => Self::TooLarge(list.paging.complete_list_size),
            _ if !is_bare => Self::No,
            Some(limit) if count >= limit => Self::CutOff(count),
            None if is_round && rules.whole_at.is_none_or(|at| count > at) => {
                Self::MayBeCutOff(count)
            }
            _ => Self::No,
        }
    }

    fn in_words(self, rules: &Rules) -> String {
        match self {
            Self::No => String::new(),
            Self::TooLarge(size) => {
                let size = size_in_words(size);
                format!("{size} items, more than {} at a time", rules.window_records)
            }
            Self::CutOff(count) => format!("{count} items and no token: the list is cut off"),
            Self::MayBeCutOff(count) => {
                format!("exactly {count} items and no token: the list may be cut off")
            }
        }
    }

    /// The doubt that smaller windows are to resolve.
    fn doubt(self) -> Option<SizeDoubt> {
        match self {
            Self::CutOff(count) | Self::MayBeCutOff(count) => Some(SizeDoubt::RoundCount(count)),
            Self::No | Self::TooLarge(_) => None,
        }
    }
}

/// Whether a list of several pages has too many items.
fn is_too_large(list: &List<Record>, rules: &Rules) -> bool {
    let size = list.paging.complete_list_size;
    list.token.is_some() && size.is_some_and(|size| size > rules.window_records)
}

fn size_in_words(size: Option<u64>) -> String {
    size.map_or_else(|| "an unknown number".to_owned(), |size| size.to_string())
}

fn name(content: &Content) -> &'static str {
    match content {
        Content::Identify(_) => "Identify",
        Content::MetadataFormats(_) => "ListMetadataFormats",
        Content::Sets(_) => "ListSets",
        Content::Identifiers(_) => "ListIdentifiers",
        Content::Records(_) => "ListRecords",
        Content::Record(_) => "GetRecord",
        Content::Errors(_) => "error",
    }
}
