//! What a page means for the window it belongs to: whether to go on, and how the window ended.

mod ends;
mod order;
mod tokens;
mod watch;

use std::collections::HashSet;

use ends::End;
use order::Order;
pub(super) use tokens::Tokens;

use super::resume::Named;
use super::watermark::{self, Evidence};
use super::{resume, span};
use crate::oai::response::{ErrorCode, List, OaiError, Paging};
use crate::oai::{Content, Datestamp, Granularity, Record, Response, ResumptionToken};
use crate::store::{Cost, NewWindow, PageStep, Traits, Window};

/// What is known of the source, as far as it bears on reading its lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The granularity that works.
    pub(super) granularity: Granularity,
    /// A larger list is cut.
    pub(super) window_records: u64,
    /// The repository's hint of its oldest datestamp.
    pub(super) earliest: Option<Datestamp>,
    /// `from` and `until` have no effect, so nothing is cut.
    pub(super) ignores_dates: bool,
    /// `completeListSize` is not to be believed.
    pub(super) list_size_lies: bool,
    /// A token names the item after which to go on.
    pub(super) tokens_name_items: bool,
    /// Lists of so many items and no token are whole.
    pub(super) whole_at: Option<u64>,
    /// Lists of so many items and no token are cut off.
    pub(super) cut_off_at: Option<u64>,
    /// A list has ended in this run with so many items, twice, which were fewer than announced.
    pub(super) short_at: Option<u64>,
}

/// Why a list that ended in due form may not have been whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Exactly so many items, and no token.
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
    /// What the last page that stated it announced.
    last_size: Option<u64>,
    /// How far the first page proves.
    bound: Option<Datestamp>,
    /// Pages, each as what it lists.
    fingerprints: HashSet<u64>,
    /// Items, by a hash of their identifiers.
    seen: HashSet<u64>,
    /// An item came twice, or the list became smaller: others may have slipped between two pages.
    moved: bool,
    /// Most of a page lies outside of what was asked for.
    strangers: bool,
    empty_pages: u32,
    tokens: Tokens,
    /// Each token so far has named the item after which the list goes on.
    tokens_name_items: Option<bool>,
    /// What they name is a datestamp.
    tokens_name_datestamps: bool,
    order: Order,
}

/// A page as it came.
#[derive(Debug)]
pub(super) struct Arrival {
    /// What the repository answered.
    pub(super) response: Response,
    /// The `until` as it was sent; `None` on resumptions and open lists.
    pub(super) asked_until: Option<String>,
    /// The repository's clock, as far as it is believed.
    pub(super) clock: Option<Datestamp>,
    /// What it took.
    pub(super) cost: Cost,
}

/// What a page means.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Store it, and go on with this token.
    Go(PageStep, ResumptionToken),
    /// Store it; the window has ended.
    End(PageStep),
    /// Store it; the rest of the list is cut off, or may be, and there is no smaller window.
    CutOff {
        /// The page.
        page: PageStep,
        /// Why.
        why: String,
        /// Whether lists of this size are known to be cut off.
        known: bool,
    },
    /// Store it, and read these windows instead.
    Cut {
        /// The page.
        page: PageStep,
        /// What replaces the window.
        into: Vec<NewWindow>,
        /// Why.
        note: String,
        /// What the parts are to show.
        doubt: Option<Doubt>,
    },
    /// The token is dead: read the window again.
    Restart(String),
    /// The window cannot be read like this.
    Fail(String),
    /// The repository ignores `from` and `until`: windows are of no use.
    IgnoresDates,
    /// The repository refuses the request itself.
    Refused(OaiError),
}

impl Reading {
    /// Begins, or goes on with, a window. `asked_already` if whoever was cut off may have asked for
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
            fingerprints: HashSet::new(),
            seen: HashSet::new(),
            moved: false,
            strangers: false,
            empty_pages: 0,
            tokens: Tokens::from(window.token.clone(), asked_already),
            tokens_name_items: None,
            tokens_name_datestamps: false,
            order: Order::new(resumed, window.place, newest_first),
            window,
        }
    }

    /// Whether the next request is the window's first.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// Whether the repository has shown that it ignores `from` and `until`.
    pub(super) fn has_strangers(&self) -> bool {
        self.strangers
    }

    /// The token that the next page answers, as the list had it.
    pub(super) fn token(&self) -> Option<&ResumptionToken> {
        self.tokens.sent()
    }

    /// Adds what its tokens and its order show so far to what is known; whether that is news.
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
        traits.tokens_name_items = names_items;
        traits.tokens_name_datestamps = names_datestamps;
        traits.newest_first = newest_first;
        is_news
    }

    /// Judges the next page of the window.
    pub(super) fn judge(&mut self, arrival: Arrival, rules: &Rules) -> Verdict {
        let Arrival {
            response,
            asked_until,
            clock,
            cost,
        } = arrival;
        let Response {
            request, content, ..
        } = response;
        let list = match content {
            Content::Records(list) => list,
            Content::Errors(errors) => return self.judge_errors(errors, cost, rules),
            other => {
                return Verdict::Fail(format!("asked for ListRecords, got {}", name(&other)));
            }
        };
        let first = std::mem::replace(&mut self.first, false);
        let asked_until = if first {
            asked_until
        } else {
            // Some repositories echo what the whole list was asked for.
            span::render(self.window.span, rules.granularity).1
        };
        let evidence = Evidence {
            asked_until: self.window.span.until,
            asked_text: asked_until.as_deref(),
            echoed_until: request.until.as_deref(),
            clock,
        };
        let bound = watermark::bound(evidence);
        // A part that has to be cut again is looked at more closely: where only `from` is ignored
        // and the newest come first, the page begins within the part, and each cut brings another.
        // So is one that was cut small since the larger ones failed.
        let closely = first && self.window.part && (is_too_large(&list, rules) || self.is_narrow());
        if !rules.ignores_dates && self.is_outside(&list, rules.granularity, closely) {
            self.strangers = true;
            if self.window.part {
                return Verdict::IgnoresDates;
            }
        }
        if let Some(note) = self.goes_in_circles(&list) {
            return Verdict::Fail(note);
        }
        if self.tokens.page(list.token.as_ref(), cost.requests > 1) {
            return Verdict::Restart(format!(
                "a page may have been lost after {} items, and the repository alone knows the place",
                self.items
            ));
        }
        self.watch_for_moves(&list);
        self.items += list.len() as u64;
        self.bad += list.bad.len() as u64;
        if let Some(size) = list.paging.complete_list_size {
            self.moved |= self.list_size.is_some_and(|least| size < least);
            self.list_size = Some(self.list_size.map_or(size, |least| least.min(size)));
            self.last_size = Some(size);
        }
        // A key that expires while the list is read brings the clamp back, on every page, and the
        // rest is of another list than the beginning.
        let lowers = watermark::echoed_bound(evidence)
            .filter(|lowered| !first && self.bound.is_some_and(|bound| *lowered < bound));
        if first {
            self.bound = bound;
        } else if lowers.is_some() {
            self.bound = lowers;
            self.moved = true;
        }
        let begins = first.then(|| self.bound_to_keep(bound));
        let too_many = if first {
            Excess::of(&list, rules)
        } else {
            Excess::No
        };
        let cut = match too_many {
            Excess::No => None,
            _ => self.cut_at(bound, rules),
        };
        let token = list.token.clone();
        if let (Some(token), Some(last)) = (&token, list.items.last())
            && let Some(named) = resume::named(token, &last.header, self.window.span)
        {
            let names_item = named != Named::Nothing;
            self.tokens_name_items = Some(names_item && self.tokens_name_items != Some(false));
            self.tokens_name_datestamps |= named == Named::Datestamp;
        }
        self.order.follow(&list.items);
        let mut page = PageStep {
            window: self.window.id,
            begins,
            token: token.clone(),
            place: self.order.place().filter(|_| token.is_some()),
            list_size: list.paging.complete_list_size,
            records: list.items,
            bad: list.bad,
            lowers,
            cost,
            ..PageStep::default()
        };
        if let Some(into) = cut {
            page.token = None;
            return Verdict::Cut {
                page,
                into,
                note: too_many.in_words(rules),
                doubt: too_many.doubt(),
            };
        }
        let known = match too_many {
            // More than that disproves it.
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
            Some(token) => Verdict::Go(page, token),
            None => self.end(page, End::Token(&list.paging), rules),
        }
    }

    fn judge_errors(&mut self, errors: Vec<OaiError>, cost: Cost, rules: &Rules) -> Verdict {
        // Of several, one that is a fault says more than one that is an answer.
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
                // It proves nothing about how far the list reaches.
                Some(ErrorCode::NoRecordsMatch) => Verdict::End(PageStep {
                    begins: Some(None),
                    ending: Some(self.end_of_empty_list()),
                    ..empty
                }),
                _ => Verdict::Refused(error),
            };
        }
        match code {
            // One token too many: an end, if everything announced has come.
            Some(ErrorCode::NoRecordsMatch) => self.end(empty, End::NoRecordsMatch, rules),
            _ => Verdict::Restart(format!(
                "{} ({}) in answer to a token after {} items",
                error.code, error.message, self.items
            )),
        }
    }

    /// A complete reading whose count contradicts the announcement, by items and announcement.
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

    /// The window in parts, if it can be cut.
    fn cut_at(&self, bound: Option<Datestamp>, rules: &Rules) -> Option<Vec<NewWindow>> {
        if rules.ignores_dates {
            return None;
        }
        let spans = span::cut(self.window.span, bound?, rules.earliest, rules.granularity)?;
        let part = |span| NewWindow {
            set_spec: self.window.set_spec.clone(),
            span,
        };
        Some(spans.into_iter().map(part).collect())
    }
}

/// Why a list is to be read in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    No,
    /// A list of several pages, of this size.
    TooLarge(Option<u64>),
    /// So many items and no token, as lists of this repository have that are cut off.
    CutOff(u64),
    /// A round number of items and no token.
    MayBeCutOff(u64),
}

impl Excess {
    /// By a first page.
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

    /// What the parts are to show.
    fn doubt(self) -> Option<Doubt> {
        match self {
            Self::CutOff(count) | Self::MayBeCutOff(count) => Some(Doubt::RoundCount(count)),
            Self::No | Self::TooLarge(_) => None,
        }
    }
}

/// A list of several pages that is to be read in parts.
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
