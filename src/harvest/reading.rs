//! What a page means for the window it belongs to: whether to go on, and how the window ended.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::proof::{self, Evidence};
use super::span;
use crate::oai::response::{ErrorCode, List, OaiError, Paging};
use crate::oai::{Content, Datestamp, Granularity, Record, Response, ResumptionToken};
use crate::store::{Cost, Ending, NewWindow, PageStep, Window};

/// So many pages without items may follow one another; a list that has more never ends.
const MOST_EMPTY_PAGES: u32 = 50;

/// A window that keeps ending with other counts is left for a later run after so many readings.
const MOST_READINGS: u32 = 3;

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
    /// Lists of so many items and no token are whole.
    pub(super) whole_at: Option<u64>,
    /// Lists of so many items and no token are cut off.
    pub(super) cut_off_at: Option<u64>,
}

/// One reading of a window, from its first page or from the token where it was cut off.
#[derive(Debug)]
pub(super) struct Reading {
    /// The window as it stood when the reading began.
    pub(super) window: Window,
    /// Whether the next page is the first.
    first: bool,
    items: u64,
    list_size: Option<u64>,
    fingerprints: HashSet<u64>,
    empty_pages: u32,
}

/// A page as it came.
#[derive(Debug)]
pub(super) struct Arrival {
    /// What the repository answered.
    pub(super) response: Response,
    /// The `until` as it was sent; `None` on resumptions and open lists.
    pub(super) asked_until: Option<String>,
    /// The repository's clock as the HTTP answer has it.
    pub(super) http_date: Option<Datestamp>,
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
    /// Store it, and read these windows instead.
    Cut {
        /// The page.
        page: PageStep,
        /// What replaces the window.
        into: Vec<NewWindow>,
        /// Why.
        note: String,
        /// The list may have been cut off at this many items.
        suspected_at: Option<u64>,
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
    /// Begins, or goes on with, a window.
    pub(super) fn new(window: Window) -> Self {
        let resumed = window.token.is_some();
        Self {
            first: !resumed,
            items: if resumed { window.items } else { 0 },
            list_size: if resumed { window.list_size } else { None },
            fingerprints: HashSet::new(),
            empty_pages: 0,
            window,
        }
    }

    /// Whether the next request is the window's first.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// Judges the next page of the window.
    pub(super) fn judge(&mut self, arrival: Arrival, rules: &Rules) -> Verdict {
        let Arrival {
            response,
            asked_until,
            http_date,
            cost,
        } = arrival;
        let Response {
            response_date,
            request,
            content,
            ..
        } = response;
        let list = match content {
            Content::Records(list) => list,
            Content::Errors(errors) => return self.judge_errors(errors, cost),
            other => {
                return Verdict::Fail(format!("asked for ListRecords, got {}", name(&other)));
            }
        };
        let bound = proof::bound(Evidence {
            asked_until: self.window.span.until,
            asked_text: asked_until.as_deref(),
            echoed_until: request.until.as_deref(),
            response_date: response_date.or(http_date),
        });
        let first = std::mem::replace(&mut self.first, false);
        if first && self.window.part && !rules.ignores_dates && self.is_outside(&list) {
            return Verdict::IgnoresDates;
        }
        if let Some(note) = self.goes_in_circles(&list) {
            return Verdict::Fail(note);
        }
        self.items += list.len() as u64;
        if let Some(size) = list.paging.complete_list_size {
            self.list_size = Some(self.list_size.map_or(size, |least| least.min(size)));
        }
        let begins = first.then(|| self.bound_to_keep(bound));
        let cut = if first {
            self.cut(&list, bound, rules)
        } else {
            None
        };
        let token = list.token.clone();
        let mut page = PageStep {
            window: self.window.id,
            begins,
            token: token.clone(),
            list_size: list.paging.complete_list_size,
            records: list.items,
            bad: list.bad,
            ending: None,
            cost,
        };
        if let Some((into, note, suspected_at)) = cut {
            page.token = None;
            return Verdict::Cut {
                page,
                into,
                note,
                suspected_at,
            };
        }
        match token {
            Some(token) => Verdict::Go(page, token),
            None => {
                page.ending = Some(self.ending(&list.paging, rules));
                Verdict::End(page)
            }
        }
    }

    fn judge_errors(&mut self, errors: Vec<OaiError>, cost: Cost) -> Verdict {
        let code = errors.iter().find_map(OaiError::known_code);
        let error = errors.into_iter().next().unwrap_or(OaiError {
            code: "(none)".to_owned(),
            message: String::new(),
        });
        let empty = PageStep {
            window: self.window.id,
            cost,
            ..PageStep::default()
        };
        if self.first {
            return match code {
                // An empty list. It proves nothing about how far it reaches.
                Some(ErrorCode::NoRecordsMatch) => Verdict::End(PageStep {
                    begins: Some(None),
                    ending: Some(Ending::Complete),
                    ..empty
                }),
                _ => Verdict::Refused(error),
            };
        }
        let said = format!("{} ({})", error.code, error.message);
        match code {
            // One token too many: an end, if everything announced has come.
            Some(ErrorCode::NoRecordsMatch) => {
                let whole = self.list_size.is_some_and(|size| self.items >= size);
                let again = self.window.last_items == Some(self.items);
                let ending = if whole || again {
                    Ending::Complete
                } else {
                    Ending::Suspicious(format!(
                        "{said} in answer to a token after {} items of {}",
                        self.items,
                        size_in_words(self.list_size)
                    ))
                };
                Verdict::End(PageStep {
                    ending: Some(ending),
                    ..empty
                })
            }
            _ => Verdict::Restart(format!(
                "{said} in answer to a token after {} items",
                self.items
            )),
        }
    }

    /// How a list that ended in due form ended, by its counts.
    fn ending(&self, paging: &Paging, rules: &Rules) -> Ending {
        let Some(size) = self.list_size.filter(|_| !rules.list_size_lies) else {
            return Ending::Complete;
        };
        if self.items >= size {
            return Ending::Complete;
        }
        // The same count twice, and a formal end: the announcement is wrong, not the list.
        if self.window.last_items == Some(self.items) && *paging != Paging::default() {
            return Ending::Complete;
        }
        if self.window.reads >= MOST_READINGS {
            return Ending::Failed(format!(
                "{} items of {size} announced, after {MOST_READINGS} readings with other counts",
                self.items
            ));
        }
        Ending::Suspicious(format!("{} items of {size} announced", self.items))
    }

    /// A complete reading whose count contradicts the announcement once more: it lies.
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

    /// Most of the items lie more than a day outside of what was asked for.
    fn is_outside(&self, list: &List<Record>) -> bool {
        const DAY: i64 = 86_400;
        let span = self.window.span;
        let outside = |at: Datestamp| {
            span.from.is_some_and(|from| at < from.plus_seconds(-DAY))
                || span.until.is_some_and(|until| at > until.plus_seconds(DAY))
        };
        let strangers = list
            .items
            .iter()
            .filter(|record| record.header.instant().is_some_and(outside))
            .count();
        strangers * 2 > list.items.len()
    }

    fn goes_in_circles(&mut self, list: &List<Record>) -> Option<String> {
        if list.is_empty() {
            self.empty_pages += 1;
            return (self.empty_pages > MOST_EMPTY_PAGES)
                .then(|| format!("{MOST_EMPTY_PAGES} pages without records in a row"));
        }
        self.empty_pages = 0;
        // A list that ends here goes in no circle, whatever it repeats.
        (!self.fingerprints.insert(fingerprint(list)) && list.token.is_some()).then(|| {
            format!(
                "the list goes in circles: a page came again after {} items",
                self.items
            )
        })
    }

    /// Smaller windows, if the list is too large to be read in one go, or may have been cut off.
    fn cut(
        &self,
        list: &List<Record>,
        bound: Option<Datestamp>,
        rules: &Rules,
    ) -> Option<(Vec<NewWindow>, String, Option<u64>)> {
        let count = list.len() as u64;
        let too_large = list.token.is_some()
            && list
                .paging
                .complete_list_size
                .is_some_and(|size| size > rules.window_records);
        let cut_off = list.token.is_none()
            && list.paging == Paging::default()
            && rules.cut_off_at.map_or_else(
                || {
                    count >= 100
                        && count.is_multiple_of(50)
                        && rules.whole_at.is_none_or(|at| count > at)
                },
                |limit| count >= limit,
            );
        if rules.ignores_dates || !(too_large || cut_off) {
            return None;
        }
        let spans = span::cut(self.window.span, bound?, rules.earliest, rules.granularity)?;
        let into = spans
            .into_iter()
            .map(|span| NewWindow {
                set_spec: self.window.set_spec.clone(),
                span,
            })
            .collect();
        let note = if too_large {
            let size = size_in_words(list.paging.complete_list_size);
            format!("{size} items, more than {} at a time", rules.window_records)
        } else {
            format!("exactly {count} items and no token: the list may be cut off")
        };
        Some((into, note, cut_off.then_some(count)))
    }
}

fn size_in_words(size: Option<u64>) -> String {
    size.map_or_else(|| "an unknown number".to_owned(), |size| size.to_string())
}

fn fingerprint(list: &List<Record>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in &list.items {
        record.header.identifier.hash(&mut hasher);
        record.header.datestamp.hash(&mut hasher);
    }
    for bad in &list.bad {
        bad.raw.hash(&mut hasher);
    }
    hasher.finish()
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
