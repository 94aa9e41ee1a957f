//! Requests that show why a dated list fails: its records are broken, the dates are, or there is just
//! nothing new.
//!
//! Some repositories answer a span without records by HTTP 500, 204 or an unknown error. Others fail at
//! every `from` or `until`. Both look like a broken record, and neither gets better by smaller windows.

use std::collections::BTreeMap;

use super::{PassRun, WindowOutcome};
use crate::harvest::request_form;
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::oai::response::List;
use crate::oai::{Content, Datestamp, Record, Request};
use crate::store::{NewWindow, Span, Step, Window};

/// What the requests show.
enum Finding {
    /// A longer span can be read, and is short enough to be read in place of the window.
    Longer(Span),
    /// Requests with `until` fail.
    RejectsUntil,
    /// Requests with `from` fail.
    RejectsFrom,
    /// The list itself is broken, as far as these requests show.
    Broken,
}

impl<T: Transport> PassRun<'_, '_, T> {
    /// Does what helps if the failure of `window` comes from its dates. `None` if it does not.
    pub(super) async fn recover_from_dates(
        &mut self,
        window: &Window,
        why: &str,
    ) -> Result<Option<WindowOutcome>, Halt> {
        match self.probe(window).await? {
            Finding::Broken => Ok(None),
            Finding::Longer(span) => {
                self.run.notes.trouble(why, "reading a longer span");
                let longer = NewWindow {
                    set_spec: window.set_spec.clone(),
                    span,
                };
                let step = Step::Split {
                    window: window.id,
                    into: vec![longer],
                    note: why.to_owned(),
                    has_failed: true,
                };
                self.committer.store(step).await?;
                Ok(Some(WindowOutcome::Done))
            }
            Finding::RejectsUntil => Ok(Some(self.read_without_until(window).await?)),
            Finding::RejectsFrom => Ok(Some(self.read_without_from(window).await?)),
        }
    }

    /// Asks each failing list for what is newer than its pending windows, and for the whole list if that
    /// brings nothing: at most two requests a list.
    ///
    /// An interrupted pass may have no windows left but those that fail. Without these requests it looks as
    /// if the repository fails, the pass is resumed for ever, and nothing newer is read.
    pub(super) async fn try_newer_records(&mut self) -> Result<(), Halt> {
        let mut newest: BTreeMap<Option<String>, Window> = BTreeMap::new();
        for window in self.run.context.store.pending_windows(self.pass.id)? {
            let is_newer = newest
                .get(&window.set_spec)
                .is_none_or(|known| last_datestamp(&window) > last_datestamp(known));
            if is_newer {
                newest.insert(window.set_spec.clone(), window);
            }
        }
        for window in newest.into_values() {
            let newer = last_datestamp(&window).map(|from| Span {
                from: Some(from),
                until: None,
            });
            for span in newer.into_iter().chain([Span::default()]) {
                if self.first_page_of_span(&window, span).await?.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Asks for other spans than that of `window`, at most ten times.
    async fn probe(&mut self, window: &Window) -> Result<Finding, Halt> {
        let span = window.span;
        let is_dated = span.from.is_some() || span.until.is_some();
        if !is_dated || self.run.repository.traits.ignores_dates {
            return Ok(Finding::Broken);
        }
        if span.until.is_some() {
            let open = Span {
                until: None,
                ..span
            };
            if let Some(list) = self.first_page_of_span(window, open).await? {
                if self.is_short(&list) {
                    return Ok(Finding::Longer(open));
                }
                let now = Span {
                    until: self.run.clocks.last_answer,
                    ..span
                };
                if now.until.is_some() && self.fails_beside(window, now, open).await? {
                    return Ok(Finding::RejectsUntil);
                }
            }
        }
        let newest = self.run.repository.traits.newest;
        if let Some(newest) = newest.filter(|newest| Some(*newest) < span.from) {
            let known = Span {
                from: Some(newest),
                ..span
            };
            if let Some(list) = self.first_page_of_span(window, known).await?
                && self.is_short(&list)
            {
                return Ok(Finding::Longer(known));
            }
        }
        if let Some(from) = span.from
            && let Some(list) = self.first_page_of_span(window, Span::default()).await?
        {
            let all = Span {
                from: Some(self.earliest()),
                until: None,
            };
            if self.fails_beside(window, all, Span::default()).await? {
                return Ok(Finding::RejectsFrom);
            }
            let newest_first = self.run.repository.traits.newest_first == Some(true);
            let newest = newest_in(&list, newest_first);
            if let Some(newest) = newest.filter(|newest| *newest < from) {
                let known = Span {
                    from: Some(newest),
                    ..span
                };
                if let Some(list) = self.first_page_of_span(window, known).await?
                    && self.is_short(&list)
                {
                    return Ok(Finding::Longer(known));
                }
            }
        }
        Ok(Finding::Broken)
    }

    /// Whether the list of one span fails, while that of another works, which is the same list with one date
    /// less. The other one has just been answered. Both are asked for once more, so that a fault that passes
    /// is not taken for a rule of the repository.
    async fn fails_beside(
        &mut self,
        window: &Window,
        failing: Span,
        working: Span,
    ) -> Result<bool, Halt> {
        for span in [failing, working, failing] {
            let is_answered = self.first_page_of_span(window, span).await?.is_some();
            if is_answered != (span == working) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The datestamp with which the repository's lists begin.
    fn earliest(&self) -> Datestamp {
        let earliest = self.run.repository.traits.earliest;
        earliest.unwrap_or(Datestamp::from_unix(0))
    }

    /// Whether a list is short enough to be read as a whole.
    fn is_short(&self, list: &List<Record>) -> bool {
        match (&list.token, list.paging.complete_list_size) {
            (None, _) => true,
            (Some(_), Some(size)) => size <= self.run.settings.window_records,
            (Some(_), None) => false,
        }
    }

    /// The first page of another span than that of `window`; `None` if there is no page of records.
    pub(super) async fn first_page_of_span(
        &mut self,
        window: &Window,
        span: Span,
    ) -> Result<Option<List<Record>>, Halt> {
        let run = &mut *self.run;
        let request = Request::ListRecords(request_form::first(
            &run.settings.metadata_prefix,
            window.set_spec.as_deref(),
            span,
            &run.repository.traits,
        ));
        match run.requester.content(&request, 0).await? {
            Some(Content::Records(list)) if !list.is_empty() => {
                self.list_was_answered(window);
                Ok(Some(list))
            }
            _ => Ok(None),
        }
    }
}

/// The newest datestamp of a list, if its first page shows it: it is the only page, or begins with the
/// newest records, as all lists of the repository do if `newest_first`.
fn newest_in(list: &List<Record>, newest_first: bool) -> Option<Datestamp> {
    let instants = || {
        list.items
            .iter()
            .filter_map(|record| record.header.instant())
    };
    let newest = instants().max()?;
    let first_is_newest =
        instants().next() == Some(newest) && instants().next_back() < Some(newest);
    (list.token.is_none() || newest_first || first_is_newest).then_some(newest)
}

/// The last datestamp that a window names.
fn last_datestamp(window: &Window) -> Option<Datestamp> {
    window.span.until.or(window.span.from)
}
