//! Repositories that ignore `set`: each of their sets is the whole, so it is read once.

use super::windows::{commit, flush};
use super::{Halt, Run};
use crate::harvest::adapt;
use crate::harvest::commit::Committer;
use crate::harvest::fetch::{Fetched, Trouble};
use crate::oai::client::Transport;
use crate::oai::response::List;
use crate::oai::{Content, Record, Request};
use crate::store::{NewWindow, Pass, Source, Span, Step, WarningKind, Window};

const IGNORES_SETS: &str =
    "the repository ignores set; everything is read once instead of set by set, and stored whole";

impl<T: Transport> Run<'_, T> {
    /// Whether the repository ignores `set`, by the first page of the list of one.
    ///
    /// Records that name other sets only are a hint. The proof is that the list without a set is the
    /// same one; it is asked for once in the life of a source, and again by a full pass on demand.
    pub(super) async fn ignores_sets(
        &mut self,
        source: &Source,
        window: &Window,
        fetched: &Fetched,
    ) -> Result<bool, Halt> {
        let (Some(set), Content::Records(list)) = (&window.set_spec, &fetched.response.content)
        else {
            return Ok(false);
        };
        if self.lists_identifiers()
            || self.traits.ignores_sets.is_some()
            || !shows_only_others(list, set)
        {
            return Ok(false);
        }
        let prefix = &self.settings.metadata_prefix;
        let whole = Request::ListRecords(adapt::first(prefix, None, window.span, &self.traits));
        let answer = match self.requester.ask(&whole, 1).await {
            Ok(answer) => answer,
            Err(Trouble::Exhausted { .. }) => return Ok(false),
            Err(trouble) if trouble.refuses_the_request().is_some() => return Ok(false),
            Err(trouble) => return Err(Halt::from_trouble(trouble)),
        };
        let Content::Records(whole) = &answer.response.content else {
            return Ok(false);
        };
        let ignores = is_same(list, whole);
        self.traits.ignores_sets = Some(ignores);
        if ignores {
            self.warn(source, WarningKind::IgnoresSets, Some(IGNORES_SETS))?;
        }
        self.save_traits(source)?;
        Ok(ignores)
    }

    /// Replaces the lists of sets by one of everything.
    pub(super) async fn read_without_sets(
        &mut self,
        pass: &Pass,
        committer: &Committer,
    ) -> Result<(), Halt> {
        let pending = self.context.store.pending_windows(pass.id)?;
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
            commit(committer, step, Default::default()).await?;
        }
        flush(committer).await.map(|_| ())
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

/// The least span that covers them all.
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
