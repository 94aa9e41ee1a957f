//! Requests that show why a dated list fails: its records are broken, the dates are, or there is just
//! nothing new.
//!
//! Some repositories answer a span without records by HTTP 500, 204 or an unknown error. Others fail at
//! every `from` or `until`. Both look like a broken record, and neither gets better by smaller windows.

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
                Ok(Some(WindowOutcome::Settled))
            }
            Finding::RejectsUntil => Ok(Some(self.read_without_until(window).await?)),
            Finding::RejectsFrom => Ok(Some(self.read_without_from(window).await?)),
        }
    }

    /// Asks for other spans than that of `window`, at most five times.
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
                // Both lists are the same, but for `until`.
                if now.until.is_some() && self.first_page_of_span(window, now).await?.is_none() {
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
        if span.from.is_some() {
            let undated = Span::default();
            if self.first_page_of_span(window, undated).await?.is_some() {
                let all = Span {
                    from: Some(self.earliest()),
                    until: None,
                };
                // Both lists are the same, but for `from`.
                if self.first_page_of_span(window, all).await?.is_none() {
                    return Ok(Finding::RejectsFrom);
                }
            }
        }
        Ok(Finding::Broken)
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
    async fn first_page_of_span(
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
