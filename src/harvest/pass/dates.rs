//! Repositories that ignore or reject `from` and `until`: their lists cannot be read in parts.
//!
//! A fault may have looked like that, so the dates are tried once more where a list without them fails.

use super::{PassRun, WindowOutcome};
use crate::harvest::commit::Times;
use crate::harvest::request_form;
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::oai::response::{ErrorCode, OaiError};
use crate::oai::{Content, Request};
use crate::store::{NewWindow, Span, Step, WarningKind, Window};

const IGNORES_DATES: &str = "the repository ignores from and until; each pass reads everything";

const REJECTS_FROM: &str = "requests with from fail, and those without are answered; each pass reads \
                            everything";

const REJECTS_UNTIL: &str = "requests with until fail, and those without are answered; lists are read \
                             without an end, and are not split";

impl<T: Transport> PassRun<'_, '_, T> {
    /// Notes that `from` and `until` have no effect.
    pub(super) fn note_ignored_dates(&mut self) -> Result<(), Halt> {
        self.run.repository.disprove_dates();
        self.run
            .warn(self.source, WarningKind::IgnoresDates, Some(IGNORES_DATES))
    }

    /// Tries whether dates work after all, with one request that should bring nothing: once in a pass, and only if
    /// an earlier run took them not to.
    pub(super) async fn reconsider_dates(&mut self, window: &Window) -> Result<(), Halt> {
        let run = &mut *self.run;
        let Some(clock) = run.clocks.last_answer else {
            return Ok(());
        };
        if !run.repository.doubts_dates() || std::mem::replace(&mut self.dates_are_tried, true) {
            return Ok(());
        }
        let mut traits = run.repository.traits.clone();
        traits.ignores_dates = false;
        traits.rejects_until = false;
        // Where records are held back, nobody may ask for newer ones.
        let at = Some(clock.plus_seconds(-traits.delayed_seconds.unwrap_or(0)));
        let request = Request::ListRecords(request_form::first(
            &run.settings.metadata_prefix,
            window.set_spec.as_deref(),
            Span {
                from: at,
                until: at,
            },
            &traits,
        ));
        let says_none = |error: &OaiError| error.known_code() == Some(ErrorCode::NoRecordsMatch);
        if let Some(Content::Errors(errors)) = run.requester.content(&request, 0).await?
            && errors.iter().all(says_none)
        {
            run.repository.trust_dates();
            run.notes
                .note("from and until work after all; lists can be read in parts");
            run.warn(self.source, WarningKind::IgnoresDates, None)?;
        }
        Ok(())
    }

    /// Replaces all windows of a list by one without dates.
    pub(super) async fn read_without_dates(
        &mut self,
        window: &Window,
    ) -> Result<WindowOutcome, Halt> {
        self.note_ignored_dates()?;
        self.replace_list(window, Span::default(), IGNORES_DATES)
            .await
    }

    /// Replaces all windows of a list by one without dates, because requests with `from` fail.
    pub(super) async fn read_without_from(
        &mut self,
        window: &Window,
    ) -> Result<WindowOutcome, Halt> {
        self.run.repository.disprove_dates();
        self.run
            .warn(self.source, WarningKind::IgnoresDates, Some(REJECTS_FROM))?;
        self.replace_list(window, Span::default(), REJECTS_FROM)
            .await
    }

    /// Replaces all windows of a list by one without an end, because requests with `until` fail.
    pub(super) async fn read_without_until(
        &mut self,
        window: &Window,
    ) -> Result<WindowOutcome, Halt> {
        self.run.repository.traits.rejects_until = true;
        self.save_traits()?;
        self.run.notes.note(REJECTS_UNTIL);
        let pending = self.run.context.store.pending_windows(self.pass.id)?;
        let of_list = pending
            .iter()
            .filter(|other| other.set_spec == window.set_spec);
        let span = Span {
            from: of_list.map(|other| other.span.from).min().flatten(),
            until: None,
        };
        self.replace_list(window, span, REJECTS_UNTIL).await
    }

    /// Replaces all windows of the list of `window` by one.
    async fn replace_list(
        &mut self,
        window: &Window,
        span: Span,
        note: &str,
    ) -> Result<WindowOutcome, Halt> {
        let pending = self.run.context.store.pending_windows(self.pass.id)?;
        for other in pending
            .iter()
            .filter(|other| other.set_spec == window.set_spec)
        {
            let into = if other.id == window.id {
                vec![NewWindow {
                    set_spec: window.set_spec.clone(),
                    span,
                }]
            } else {
                Vec::new()
            };
            let step = Step::Split {
                window: other.id,
                into,
                note: note.to_owned(),
                has_failed: false,
            };
            self.committer.send(step, Times::default()).await?;
        }
        self.committer.flush().await?;
        Ok(WindowOutcome::Done)
    }
}
