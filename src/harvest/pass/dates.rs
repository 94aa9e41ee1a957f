//! Repositories that ignore `from` and `until`: each part of a list is the whole list.

use super::{PassRun, WindowOutcome};
use crate::harvest::commit::Times;
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::store::{NewWindow, Span, Step, WarningKind, Window};

const IGNORES_DATES: &str = "the repository ignores from and until; each pass reads everything";

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
        let pending = self.run.context.store.pending_windows(self.pass.id)?;
        for other in pending
            .iter()
            .filter(|other| other.set_spec == window.set_spec)
        {
            let into = if other.id == window.id {
                vec![NewWindow {
                    set_spec: window.set_spec.clone(),
                    span: Span::default(),
                }]
            } else {
                Vec::new()
            };
            let step = Step::Split {
                window: other.id,
                into,
                note: IGNORES_DATES.to_owned(),
            };
            self.committer.send(step, Times::default()).await?;
        }
        self.committer.flush().await?;
        Ok(WindowOutcome::Settled)
    }
}
