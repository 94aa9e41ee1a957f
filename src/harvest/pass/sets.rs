//! Repositories that ignore `set`: the list of each set is the list of everything.

use super::{PassRun, WindowOutcome};
use crate::harvest::commit::Times;
use crate::harvest::request_form;
use crate::harvest::requester::{Fetched, RequestError};
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::oai::response::List;
use crate::oai::{Content, Record, Request};
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
        let traits = &mut run.repository.traits;
        let whole = Request::ListRecords(request_form::first(prefix, None, window.span, traits));
        let answer = match run.requester.ask(&whole, 1).await {
            Ok(answer) => answer,
            Err(RequestError::Failed { .. }) => return Ok(false),
            Err(error) if error.refuses_this_request().is_some() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Content::Records(whole) = &answer.response.content else {
            return Ok(false);
        };
        let ignores = is_same(list, whole);
        traits.ignores_sets = Some(ignores);
        if ignores {
            run.warn(self.source, WarningKind::IgnoresSets, Some(IGNORES_SETS))?;
        }
        self.save_traits()?;
        Ok(ignores)
    }

    /// Replaces the lists of all sets by one list of everything.
    pub(super) async fn read_without_sets(&mut self) -> Result<WindowOutcome, Halt> {
        let pending = self.run.context.store.pending_windows(self.pass.id)?;
        let of_sets: Vec<&Window> = pending
            .iter()
            .filter(|window| window.set_spec.is_some())
            .collect();
        let whole = NewWindow {
            set_spec: None,
            span: hull(of_sets.iter().map(|window| window.span)),
        };
        let mut into = vec![whole];
        for window in of_sets {
            let step = Step::Split {
                window: window.id,
                into: std::mem::take(&mut into),
                note: IGNORES_SETS.to_owned(),
            };
            self.committer.send(step, Times::default()).await?;
        }
        self.committer.flush().await?;
        Ok(WindowOutcome::Settled)
    }
}

/// Whether the records of a list name sets, and neither `set` nor one below it.
fn shows_only_others(list: &List<Record>, set: &str) -> bool {
    let is_in = |spec: &String| {
        spec.strip_prefix(set)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let mut specs = list
        .items
        .iter()
        .flat_map(|record| &record.header.set_specs)
        .peekable();
    specs.peek().is_some() && !specs.any(is_in)
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
    use crate::oai::response::Paging;
    use crate::oai::{Datestamp, Header};

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
