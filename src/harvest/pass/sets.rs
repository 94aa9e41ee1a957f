//! Repositories that ignore `set`: the list of each set is the list of everything.

use super::{PassRun, WindowOutcome};
use crate::harvest::commit::Times;
use crate::harvest::reading::{names, names_only_others};
use crate::harvest::request_form;
use crate::harvest::requester::Fetched;
use crate::harvest::run::Halt;
use crate::harvest::span;
use crate::oai::client::Transport;
use crate::oai::response::{ErrorCode, List, OaiError, Paging};
use crate::oai::{Content, Header, Record, Request};
use crate::store::{NewWindow, Span, Step, WarningKind, Window};

const IGNORES_SETS: &str =
    "the repository ignores set; everything is read once instead of set by set, and stored whole";

impl<T: Transport> PassRun<'_, '_, T> {
    /// Whether the repository ignores `set`, by the first page of the list of one set.
    ///
    /// Records that name only other sets are a hint. The proof is that the list without a set is the
    /// same list. It is asked for once in the life of a source, and again by a requested full pass.
    pub(super) async fn ignores_sets(
        &mut self,
        window: &Window,
        fetched: &Fetched,
    ) -> Result<bool, Halt> {
        let (Some(set), Content::Records(list)) = (&window.set_spec, &fetched.response.content)
        else {
            return Ok(false);
        };
        if self.lists_identifiers()
            || self.run.repository.traits.ignores_sets.is_some()
            || !shows_only_others(list, set)
        {
            return Ok(false);
        }
        let run = &mut *self.run;
        let prefix = &run.settings.metadata_prefix;
        let traits = &run.repository.traits;
        let whole = Request::ListRecords(request_form::first(prefix, None, window.span, traits));
        let Some(Content::Records(whole)) = run.requester.content(&whole, 1).await? else {
            return Ok(false);
        };
        let ignores = is_same(list, &whole);
        run.repository.traits.ignores_sets = Some(ignores);
        if ignores {
            run.warn(self.source, WarningKind::IgnoresSets, Some(IGNORES_SETS))?;
        }
        self.save_traits()?;
        Ok(ignores)
    }

    /// What it means that a later page of a set's list shows a record of other sets, although the first page had
    /// none, perhaps by chance.
    ///
    /// The list of the set at the datestamp of `other`, the first such record, tells, and the list of the window. If
    /// first pages show such records and are those of the list of everything, the repository ignores sets. If they
    /// show them and differ from that list, the set has another name in headers. If they show none and differ,
    /// later pages forget the set.
    pub(super) async fn meaning_of_other_sets(
        &mut self,
        window: &Window,
        other: &Header,
    ) -> Result<OtherSets, Halt> {
        match self.run.repository.traits.ignores_sets {
            Some(true) => return Ok(OtherSets::Ignored),
            Some(false) => return Ok(OtherSets::Forgotten),
            None => {}
        }
        let Some(set) = window.set_spec.as_deref() else {
            return Ok(OtherSets::Unclear);
        };
        let traits = &self.run.repository.traits;
        let unit = span::unit_seconds(request_form::granularity(traits));
        let at = other.instant().filter(|_| !traits.ignores_dates);
        let at = at.map(|at| Span {
            from: Some(at),
            until: Some(at.plus_seconds(unit)),
        });
        let mut shows_others = false;
        let mut meaning = OtherSets::Unclear;
        for span in at.into_iter().chain([window.span]) {
            let Some(compared) = self.compare_with_whole(span, set).await? else {
                continue;
            };
            shows_others |= compared.shows_others;
            meaning = match (shows_others, compared.is_whole) {
                // At one datestamp, there may be records of the set alone.
                (true, true) if span != window.span => OtherSets::Unclear,
                (true, true) => OtherSets::Ignored,
                (true, false) => OtherSets::Renamed,
                (false, true) => OtherSets::Unclear,
                (false, false) => OtherSets::Forgotten,
            };
            if meaning != OtherSets::Unclear {
                break;
            }
        }
        match meaning {
            OtherSets::Unclear => self.note_other_sets(window, meaning)?,
            OtherSets::Renamed => {}
            OtherSets::Ignored | OtherSets::Forgotten => {
                let ignores = meaning == OtherSets::Ignored;
                self.run.repository.traits.ignores_sets = Some(ignores);
                self.save_traits()?;
                if ignores {
                    self.run
                        .warn(self.source, WarningKind::IgnoresSets, Some(IGNORES_SETS))?;
                }
            }
        }
        Ok(meaning)
    }

    /// Compares the first page of the list of a set with that of the list of everything. `None` if one of them cannot
    /// be read, or if they differ and the list of the set does not stay the same.
    async fn compare_with_whole(
        &mut self,
        span: Span,
        set: &str,
    ) -> Result<Option<Compared>, Halt> {
        let Some(of_set) = self.first_page(span, Some(set)).await? else {
            return Ok(None);
        };
        let Some(whole) = self.first_page(span, None).await? else {
            return Ok(None);
        };
        let is_whole = is_same(&of_set, &whole);
        // The lists differ, or the repository changed between the two answers.
        if !is_whole {
            let again = self.first_page(span, Some(set)).await?;
            if !again.is_some_and(|again| is_same(&of_set, &again)) {
                return Ok(None);
            }
        }
        let mut records = of_set.items.iter();
        Ok(Some(Compared {
            shows_others: records.any(|record| names_only_others(&record.header, set)),
            is_whole,
        }))
    }

    /// The first page of a list; empty if nothing matches, twice. `None` if it cannot be read.
    async fn first_page(
        &mut self,
        span: Span,
        set: Option<&str>,
    ) -> Result<Option<List<Record>>, Halt> {
        let run = &mut *self.run;
        let prefix = &run.settings.metadata_prefix;
        let traits = &run.repository.traits;
        let request = Request::ListRecords(request_form::first(prefix, set, span, traits));
        for _ in 0..2 {
            match run.requester.content(&request, 1).await? {
                Some(Content::Records(list)) => return Ok(Some(list)),
                Some(Content::Errors(errors)) if says_none(&errors) => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(List {
            items: Vec::new(),
            bad: Vec::new(),
            token: None,
            paging: Paging::default(),
        }))
    }

    /// Warns that later pages of a set's list show records of other sets.
    pub(super) fn note_other_sets(
        &mut self,
        window: &Window,
        meaning: OtherSets,
    ) -> Result<(), Halt> {
        self.run.repository.sets_forgotten = true;
        let set = window.set_spec.as_deref().unwrap_or_default();
        let follows = match meaning {
            OtherSets::Forgotten => "these are left out",
            OtherSets::Ignored | OtherSets::Renamed | OtherSets::Unclear => {
                "these are stored, since the repository may ignore sets"
            }
        };
        let message = format!(
            "later pages of the list of set {set} show records of other sets; {follows}; tell the \
             repository that its tokens forget the set"
        );
        self.run
            .warn(self.source, WarningKind::ForgetsSet, Some(&message))
    }

    /// Replaces the lists of all sets by one list of everything, which also covers the gaps of the sets.
    pub(super) async fn read_without_sets(&mut self) -> Result<WindowOutcome, Halt> {
        let pending = self.run.context.store.pending_windows(self.pass.id)?;
        // The source as it was when the pass began still has the lists of its sets.
        let gaps = self.run.context.store.gaps(self.source)?;
        let of_sets: Vec<&Window> = pending
            .iter()
            .filter(|window| window.set_spec.is_some())
            .collect();
        let windows = of_sets.iter().map(|window| window.span);
        let whole = NewWindow {
            set_spec: None,
            span: hull(windows.chain(gaps.iter().map(|gap| gap.span))),
        };
        let mut into = vec![whole];
        for window in of_sets {
            let step = Step::Split {
                window: window.id,
                into: std::mem::take(&mut into),
                note: IGNORES_SETS.to_owned(),
                has_failed: false,
            };
            self.committer.send(step, Times::default()).await?;
        }
        self.committer.flush().await?;
        Ok(WindowOutcome::Done)
    }
}

/// What records of other sets on later pages of a set's list mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherSets {
    /// The repository ignores `set`, and the first page had none of them by chance.
    Ignored,
    /// Later pages forget the set.
    Forgotten,
    /// The list is right, and headers name its set in another way.
    Renamed,
    /// One or the other.
    Unclear,
}

/// The list of a set beside the list of everything, by their first pages.
struct Compared {
    /// The list of the set shows records of other sets.
    shows_others: bool,
    /// Both lists are the same.
    is_whole: bool,
}

fn says_none(errors: &[OaiError]) -> bool {
    let none = Some(ErrorCode::NoRecordsMatch);
    !errors.is_empty() && errors.iter().all(|error| error.known_code() == none)
}

/// Whether the records of a list name sets, and neither `set` nor one below it.
fn shows_only_others(list: &List<Record>, set: &str) -> bool {
    let mut records = list.items.iter();
    let names_any = records.any(|record| !record.header.set_specs.is_empty());
    names_any && !list.items.iter().any(|record| names(&record.header, set))
}

/// Whether two first pages begin the same list.
fn is_same(one: &List<Record>, other: &List<Record>) -> bool {
    let identifiers = |list: &List<Record>| -> Vec<String> {
        list.items
            .iter()
            .map(|record| record.header.identifier.clone())
            .collect()
    };
    one.paging.complete_list_size == other.paging.complete_list_size
        && one.token.is_some() == other.token.is_some()
        && identifiers(one) == identifiers(other)
}

/// The smallest span that covers all spans.
fn hull(spans: impl Iterator<Item = Span> + Clone) -> Span {
    // `None` is the lowest `from`, and the highest `until`.
    let from = spans.clone().map(|span| span.from).min().flatten();
    let until = spans
        .map(|span| span.until)
        .reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)))
        .flatten();
    Span { from, until }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Datestamp;

    fn list(sets: &[&[&str]]) -> List<Record> {
        let record = |(number, sets): (usize, &&[&str])| {
            Record::tombstone(Header {
                identifier: format!("oai:x:{number}"),
                datestamp: "2024-01-01".to_owned(),
                set_specs: sets.iter().map(|set| (*set).to_owned()).collect(),
                deleted: false,
            })
        };
        List {
            items: sets.iter().enumerate().map(record).collect(),
            bad: Vec::new(),
            token: None,
            paging: Paging::default(),
        }
    }

    #[test]
    fn records_that_name_only_other_sets_are_a_hint() {
        let cases: [(&str, &[&[&str]], bool); 6] = [
            ("the set itself", &[&["b"], &["a"]], false),
            ("one below it", &[&["a:sub"], &["b"]], false),
            ("a name that only begins so", &[&["ab"]], true),
            ("others", &[&["b"], &["c", "d"]], true),
            ("none at all", &[&[], &[]], false),
            ("no records", &[], false),
        ];
        for (case, sets, expected) in cases {
            assert_eq!(shows_only_others(&list(sets), "a"), expected, "{case}");
        }
    }

    #[test]
    fn a_hull_covers_all_spans() {
        let at = |unix| Some(Datestamp::from_unix(unix));
        let span = |from, until| Span { from, until };
        let cases = [
            (
                vec![span(at(5), at(9)), span(at(3), at(7))],
                span(at(3), at(9)),
            ),
            (vec![span(at(5), None), span(None, at(7))], span(None, None)),
            (vec![span(at(5), at(9))], span(at(5), at(9))),
        ];
        for (spans, expected) in cases {
            assert_eq!(hull(spans.iter().copied()), expected, "{spans:?}");
        }
    }
}
