//! Repositories that ignore or reject `from` and `until`: their lists cannot be read in parts.

use super::{PassRun, WindowOutcome};
use crate::harvest::commit::Times;
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
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
        Ok(WindowOutcome::Settled)
    }
}
