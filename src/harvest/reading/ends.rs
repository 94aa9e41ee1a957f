//! The verdict on the end of a list: complete, suspicious or failed, by its counts.

use super::{Reading, Rules, SizeDoubt, Verdict, size_in_words};
use crate::oai::response::Paging;
use crate::store::{Ending, PageStep, WindowState};

/// A window whose counts differ each time is read at most this often.
const MAX_READINGS: u32 = 3;

/// A list of fewer items is soon read again, and its announced size may just be the number of items
/// on its pages.
const FEW_ITEMS: u64 = 1_000;

/// How programs write that there is no token.
const NO_VALUES: [&str; 4] = ["null", "none", "nil", "undefined"];

/// The formal end of a list.
#[derive(Clone, Copy)]
pub(super) enum ListEnd<'a> {
    /// An empty token with these attributes, or no token.
    Token(&'a Paging),
    /// The error `noRecordsMatch`.
    NoRecordsMatch,
}

impl ListEnd<'_> {
    /// Whether the same end in reading number `reading` weighs more than the counts: an empty token at
    /// once, a missing token if it is missing each time.
    fn is_formal(self, reading: u32) -> bool {
        match self {
            Self::Token(paging) => *paging != Paging::default() || reading >= MAX_READINGS,
            Self::NoRecordsMatch => false,
        }
    }
}

impl Reading {
    /// The verdict on the end of a list, by its counts.
    ///
    /// A list with fewer items than announced is read again, and so is a list that moved. If the same
    /// number of items comes again, the announced size is wrong or the list is always cut off there.
    /// Smaller windows show which.
    pub(super) fn end(&self, mut page: PageStep, end: ListEnd<'_>, rules: &Rules) -> Verdict {
        let size = self.list_size.filter(|_| !rules.list_size_lies);
        let again = self.items_before() == Some(self.items);
        let reading = self.number();
        let in_words = format!("{} items of {}", self.items, size_in_words(size));
        let ending = if self.bad > self.items / 4 + 3 {
            Ending::Failed(format!(
                "{} of {} items cannot be read",
                self.bad, self.items
            ))
        } else if self.tokens.may_lack_a_page() && !self.is_counted() {
            let note = format!("{in_words}, and a page may have been lost");
            if reading >= MAX_READINGS {
                // A page that fails each time is passed over by such tokens. Smaller windows keep to it.
                return Verdict::Fail(note);
            }
            Ending::Suspicious(note)
        } else if let Some(size) = size.filter(|size| self.items < *size) {
            let counted = match end {
                // Lists that are cut off all have the same number of items.
                ListEnd::Token(_) => rules.short_at.is_some_and(|items| items != self.items),
                ListEnd::NoRecordsMatch => false,
            };
            let suspected = again || rules.short_at == Some(self.items);
            if counted {
                Ending::Complete
            } else if suspected || reading >= MAX_READINGS {
                let note = format!("{in_words} announced, again; reading smaller windows");
                let items = self.items;
                match self.split_at(self.bound, rules) {
                    Some(into) => {
                        page.token = None;
                        return Verdict::Split {
                            page,
                            into,
                            note,
                            doubt: Some(SizeDoubt::Short { items, size }),
                            token: None,
                        };
                    }
                    None if again && end.is_formal(reading) => Ending::Complete,
                    None if reading > MAX_READINGS => Ending::Failed(note),
                    None => Ending::Suspicious(note),
                }
            } else {
                Ending::Suspicious(format!("{in_words} announced"))
            }
        } else if matches!(end, ListEnd::NoRecordsMatch) && !self.is_as_announced(rules) && !again {
            let note = format!("noRecordsMatch in answer to a token after {in_words}");
            if reading > MAX_READINGS {
                Ending::Failed(note)
            } else {
                Ending::Suspicious(note)
            }
        } else if self.moved && !again && reading < MAX_READINGS {
            Ending::Suspicious(format!("the list moved while it was read: {in_words}"))
        } else if self.has_grown(rules) && !again && reading < MAX_READINGS {
            let grown = size_in_words(self.last_size);
            Ending::Suspicious(format!(
                "the list grew while it was read: {} items of {grown}",
                self.items
            ))
        } else if self.may_have_moved(end, rules) && !again && reading < MAX_READINGS {
            Ending::Suspicious(format!(
                "the list may have moved while nobody read it: {in_words}, which its end does not say"
            ))
        } else {
            Ending::Complete
        };
        page.ending = Some(ending);
        Verdict::End(page)
    }

    /// Whether a refused token may be one too many, behind the last page: its text stands for no value, as some
    /// programs write it, or all announced items have come.
    pub(super) fn may_be_behind_the_end(&self, rules: &Rules) -> bool {
        let stands_for_nothing = self.tokens.sent().is_some_and(|token| {
            let is_it = |word: &&str| token.as_str().eq_ignore_ascii_case(word);
            NO_VALUES.iter().any(is_it)
        });
        stands_for_nothing || (self.items > 0 && self.is_as_announced(rules))
    }

    /// The end of a list at such a token. A token can be refused for other reasons, and a wrong size can be the number
    /// of items so far, so that a short list is read again.
    pub(super) fn end_at_refused_token(&self, mut page: PageStep, rules: &Rules) -> Verdict {
        let again = self.items_before() == Some(self.items);
        if again || self.is_counted() {
            return self.end(page, ListEnd::NoRecordsMatch, rules);
        }
        let note = format!(
            "a token was refused after {} items, perhaps all",
            self.items
        );
        if self.number() > MAX_READINGS {
            return Verdict::Restart(note);
        }
        page.ending = Some(Ending::Suspicious(note));
        Verdict::End(page)
    }

    /// The end of a list whose first request is answered by `noRecordsMatch`.
    ///
    /// An empty list moves no watermark, so the next pass asks for it again. An empty part of a list
    /// is different: parts with records move the watermark past it. A list that had records before may
    /// still have them. Both are requested once more.
    pub(super) fn end_of_empty_list(&self) -> Ending {
        let items = self.window.items;
        let is_behind = self.window.part || items > 0;
        let again = self.items_before() == Some(0);
        let reading = self.number();
        if !is_behind || again || (items == 0 && reading >= MAX_READINGS) {
            Ending::Complete
        } else if reading <= MAX_READINGS {
            Ending::Suspicious("noRecordsMatch, though there may be some: asked again".to_owned())
        } else {
            Ending::Failed(format!("noRecordsMatch in place of {items} items"))
        }
    }

    /// The end of a list of one page that states neither a size nor a token.
    pub(in crate::harvest) fn end_of_bare_list(&self, page: PageStep, rules: &Rules) -> PageStep {
        match self.end(page, ListEnd::Token(&Paging::default()), rules) {
            Verdict::End(page) => page,
            other => unreachable!("a list of one page has no size and lacks no page: {other:?}"),
        }
    }

    /// Whether all announced items have come, and so many that it is not by chance.
    fn is_counted(&self) -> bool {
        self.items >= FEW_ITEMS && self.list_size == Some(self.items)
    }

    /// Whether as many items have come as were announced last. Another number proves nothing, and
    /// neither does a size that was announced before the list grew.
    fn is_as_announced(&self, rules: &Rules) -> bool {
        !rules.list_size_lies && self.last_size == Some(self.items)
    }

    /// Whether the list announced more items at its end than have come: it goes on, or new items
    /// appeared where it was already read.
    ///
    /// An open-ended list that grows there is still complete: the next pass brings the new
    /// items. A closed list should not grow at all.
    fn has_grown(&self, rules: &Rules) -> bool {
        let more = self.last_size.is_some_and(|size| self.items < size);
        let is_closed = self.window.span.until.is_some();
        more && !rules.list_size_lies && (is_closed || !self.grows_where_it_was_read(rules))
    }

    /// Whether new items appear at the beginning and move no item that is still to come. If tokens
    /// count items, they do move: such a list is complete only when all its items have come.
    fn grows_where_it_was_read(&self, rules: &Rules) -> bool {
        let tokens_name_items = self.tokens_name_items.unwrap_or(rules.tokens_name_items);
        tokens_name_items && self.order.newest_first() != Some(false)
    }

    /// Whether the list may have moved while an interrupted run did not read it: nobody knows which
    /// items came before, or came twice. The announced number of items is a proof only if the end of
    /// the list still announces it.
    fn may_have_moved(&self, end: ListEnd<'_>, rules: &Rules) -> bool {
        let at_end = match end {
            ListEnd::Token(paging) => paging.complete_list_size,
            ListEnd::NoRecordsMatch => self.last_size,
        };
        let is_counted = self.list_size.is_some() && !rules.list_size_lies;
        let was_cut_off = self.window.token.is_some() && !rules.tokens_name_items;
        was_cut_off && is_counted && at_end != Some(self.items)
    }

    /// The number of this reading, from 1; after a failure it starts again.
    fn number(&self) -> u32 {
        let window = &self.window;
        if window.token.is_some() {
            window.reads
        } else if window.state == WindowState::Failed {
            1
        } else {
            window.reads + 1
        }
    }

    /// The items of the reading before, if that came to its end.
    fn items_before(&self) -> Option<u64> {
        let window = &self.window;
        let ended = window.state == WindowState::Suspicious;
        let before = if window.token.is_some() {
            window.last_items
        } else {
            Some(window.items)
        };
        before.filter(|_| ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::{Datestamp, Granularity, ResumptionToken};
    use crate::store::{PassId, Span, Window, WindowId};

    fn window(state: WindowState, reads: u32, items: u64) -> Window {
        Window {
            id: WindowId(1),
            pass_id: PassId(1),
            set_spec: None,
            span: Span {
                from: Some(Datestamp::from_unix(0)),
                until: None,
            },
            part: false,
            state,
            token: None,
            token_at: None,
            place: None,
            pages: 1,
            items,
            list_size: None,
            bound: None,
            reads,
            last_items: None,
            failures: 0,
            note: None,
        }
    }

    const RULES: Rules = Rules {
        may_split: true,
        granularity: Granularity::Second,
        window_records: 50_000,
        earliest: None,
        ignores_dates: false,
        list_size_lies: false,
        tokens_name_items: false,
        whole_at: None,
        cut_off_at: None,
        short_at: None,
    };

    #[test]
    fn counts_say_how_a_list_ended() {
        use WindowState::{Failed, Open, Suspicious};
        let formal = Paging {
            cursor: Some(0),
            ..Paging::default()
        };
        let counted = Paging {
            complete_list_size: Some(4),
            ..Paging::default()
        };
        let (empty, none) = (ListEnd::Token(&formal), ListEnd::Token(&Paging::default()));
        let lies = Rules {
            list_size_lies: true,
            ..RULES
        };
        let named = Rules {
            tokens_name_items: true,
            ..RULES
        };
        let cut_off = |reads| Window {
            token: ResumptionToken::new("t"),
            ..window(Open, reads, 2)
        };
        let undated = Rules {
            ignores_dates: true,
            may_split: false,
            ..RULES
        };
        let short_at = |items| Rules {
            short_at: Some(items),
            ..RULES
        };
        type Case<'a> = (
            &'a str,
            Window,
            (u64, Option<u64>, bool),
            ListEnd<'a>,
            Rules,
            &'a str,
        );
        let new = || window(Open, 0, 0);
        let cases: Vec<Case<'_>> = vec![
            (
                "nothing announced",
                new(),
                (4, None, false),
                none,
                RULES,
                "complete",
            ),
            (
                "as announced",
                new(),
                (4, Some(4), false),
                empty,
                RULES,
                "complete",
            ),
            (
                "more than announced",
                new(),
                (4, Some(3), false),
                empty,
                RULES,
                "complete",
            ),
            (
                "fewer",
                new(),
                (4, Some(6), false),
                empty,
                RULES,
                "suspicious",
            ),
            (
                "fewer, and that is known",
                new(),
                (4, Some(6), false),
                empty,
                lies,
                "complete",
            ),
            (
                "fewer again",
                window(Suspicious, 1, 4),
                (4, Some(6), false),
                empty,
                RULES,
                "split",
            ),
            (
                "fewer by another number",
                window(Suspicious, 1, 5),
                (4, Some(6), false),
                empty,
                RULES,
                "suspicious",
            ),
            (
                "fewer by a third number",
                window(Suspicious, 2, 5),
                (4, Some(6), false),
                empty,
                RULES,
                "split",
            ),
            (
                "another number than is suspected",
                new(),
                (3, Some(6), false),
                empty,
                short_at(4),
                "complete",
            ),
            (
                "the suspected number",
                new(),
                (4, Some(6), false),
                empty,
                short_at(4),
                "split",
            ),
            (
                "no dates, an empty token",
                window(Suspicious, 1, 4),
                (4, Some(6), false),
                empty,
                undated,
                "complete",
            ),
            (
                "no dates, no token",
                window(Suspicious, 1, 4),
                (4, Some(6), false),
                none,
                undated,
                "suspicious",
            ),
            (
                "no dates, no token, again",
                window(Suspicious, 2, 4),
                (4, Some(6), false),
                none,
                undated,
                "complete",
            ),
            (
                "no dates, never the same",
                window(Suspicious, 3, 5),
                (4, Some(6), false),
                none,
                undated,
                "failed",
            ),
            (
                "after a failure",
                window(Failed, 4, 5),
                (4, Some(6), false),
                none,
                undated,
                "suspicious",
            ),
            (
                "moved",
                new(),
                (4, Some(4), true),
                empty,
                RULES,
                "suspicious",
            ),
            (
                "moved, to the same end",
                window(Suspicious, 1, 4),
                (4, Some(4), true),
                empty,
                RULES,
                "complete",
            ),
            (
                "keeps moving",
                window(Suspicious, 2, 5),
                (4, Some(4), true),
                empty,
                RULES,
                "complete",
            ),
            (
                "cut off, and counted",
                cut_off(1),
                (4, Some(4), false),
                ListEnd::Token(&counted),
                RULES,
                "complete",
            ),
            (
                "cut off, and grown since",
                cut_off(1),
                (5, Some(4), false),
                ListEnd::Token(&counted),
                RULES,
                "suspicious",
            ),
            (
                "cut off, and a bare end",
                cut_off(1),
                (4, Some(4), false),
                none,
                RULES,
                "suspicious",
            ),
            (
                "cut off, never counted",
                cut_off(1),
                (4, None, false),
                none,
                RULES,
                "complete",
            ),
            (
                "cut off, tokens name items",
                cut_off(1),
                (4, Some(4), false),
                none,
                named,
                "complete",
            ),
            (
                "cut off again and again",
                cut_off(3),
                (4, Some(4), false),
                none,
                RULES,
                "complete",
            ),
            (
                "one token too many",
                new(),
                (4, Some(4), false),
                ListEnd::NoRecordsMatch,
                RULES,
                "complete",
            ),
            (
                "one token too many, unannounced",
                new(),
                (4, None, false),
                ListEnd::NoRecordsMatch,
                RULES,
                "suspicious",
            ),
            (
                "one token too many, after more than announced",
                new(),
                (5, Some(4), false),
                ListEnd::NoRecordsMatch,
                RULES,
                "suspicious",
            ),
            (
                "the same again",
                window(Suspicious, 1, 4),
                (4, None, false),
                ListEnd::NoRecordsMatch,
                RULES,
                "complete",
            ),
            (
                "never the same",
                window(Suspicious, 3, 5),
                (4, None, false),
                ListEnd::NoRecordsMatch,
                RULES,
                "failed",
            ),
            (
                "dead token, same place",
                window(Suspicious, 1, 4),
                (4, Some(6), false),
                ListEnd::NoRecordsMatch,
                short_at(3),
                "split",
            ),
        ];
        for (case, window, (items, list_size, moved), end, rules, expected) in cases {
            let mut reading = Reading::new(window, false, None);
            reading.items = items;
            reading.list_size = list_size;
            reading.last_size = list_size;
            reading.moved = moved;
            reading.bound = Some(Datestamp::from_unix(1_000_000));
            let said = match reading.end(PageStep::default(), end, &rules) {
                Verdict::Split { .. } => "split",
                Verdict::End(page) => match page.ending.unwrap() {
                    Ending::Complete => "complete",
                    Ending::Suspicious(_) => "suspicious",
                    Ending::Failed(_) => "failed",
                },
                other => panic!("{case}: {other:?}"),
            };
            assert_eq!(said, expected, "{case}");
        }
    }

    #[test]
    fn an_empty_list_is_believed_where_nothing_depends_on_it() {
        use WindowState::{Failed, Open, Suspicious};
        let part = |window: Window| Window {
            part: true,
            ..window
        };
        let cases = [
            ("a whole list", window(Open, 0, 0), "complete"),
            ("a part", part(window(Open, 0, 0)), "suspicious"),
            ("a part, again", part(window(Suspicious, 1, 0)), "complete"),
            (
                "a part that failed",
                part(window(Failed, 2, 0)),
                "suspicious",
            ),
            ("had records", window(Suspicious, 1, 4), "suspicious"),
            ("had records, once", window(Suspicious, 2, 0), "complete"),
            (
                "the third time",
                part(window(Suspicious, 2, 4)),
                "suspicious",
            ),
            (
                "the fourth time",
                part(window(Suspicious, 3, 0)),
                "complete",
            ),
            ("keeps changing", part(window(Suspicious, 3, 4)), "failed"),
        ];
        for (case, window, expected) in cases {
            let ending = Reading::new(window, true, None).end_of_empty_list();
            let said = match ending {
                Ending::Complete => "complete",
                Ending::Suspicious(_) => "suspicious",
                Ending::Failed(_) => "failed",
            };
            assert_eq!(said, expected, "{case}");
        }
    }

    #[test]
    fn a_list_that_grew_while_it_was_read_is_read_again() {
        use WindowState::{Open, Suspicious};
        let formal = Paging {
            cursor: Some(0),
            ..Paging::default()
        };
        let lies = Rules {
            list_size_lies: true,
            ..RULES
        };
        let named = Rules {
            tokens_name_items: true,
            ..RULES
        };
        let cases = [
            ("grew", window(Open, 0, 0), true, 6, RULES, false),
            (
                "grew, without an end",
                window(Open, 0, 0),
                false,
                6,
                RULES,
                false,
            ),
            (
                "grew at its beginning, without an end",
                window(Open, 0, 0),
                false,
                6,
                named,
                true,
            ),
            (
                "grew at its beginning, up to a time",
                window(Open, 0, 0),
                true,
                6,
                named,
                false,
            ),
            ("as announced", window(Open, 0, 0), true, 4, RULES, true),
            (
                "sizes are not believed",
                window(Open, 0, 0),
                true,
                6,
                lies,
                true,
            ),
            (
                "the same again",
                window(Suspicious, 1, 4),
                true,
                6,
                RULES,
                true,
            ),
        ];
        for (case, mut window, closed, last_size, rules, complete) in cases {
            window.span.until = closed.then(|| Datestamp::from_unix(500_000));
            let mut reading = Reading::new(window, true, None);
            (reading.items, reading.list_size) = (4, Some(4));
            reading.last_size = Some(last_size);
            let Verdict::End(page) =
                reading.end(PageStep::default(), ListEnd::Token(&formal), &rules)
            else {
                panic!("{case}: no end");
            };
            let is_complete = page.ending == Some(Ending::Complete);
            assert_eq!(is_complete, complete, "{case}: {:?}", page.ending);
        }
    }
}
