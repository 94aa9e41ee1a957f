//! What reading a window came to, and how failed windows are left when their pass ends.

use std::collections::HashMap;

use super::PassRun;
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::store::{Cost, Ending, PageStep, Step, WindowId};

/// What reading a window came to.
#[derive(Debug)]
pub(super) enum WindowOutcome {
    /// The stored state of the window says what happens next: it is complete, is to be read again, or was split.
    Done,
    /// This run cannot read the window, for this reason.
    Failed(String),
}

impl WindowOutcome {
    /// The outcome of a window that ends with this page.
    pub(super) fn of(page: &PageStep) -> Self {
        match &page.ending {
            Some(Ending::Failed(why)) => Self::Failed(why.clone()),
            _ => Self::Done,
        }
    }
}

impl<T: Transport> PassRun<'_, '_, T> {
    /// Marks a window as failed: the pass stays open, and a later run reads the window again.
    pub(super) async fn fail_window(
        &mut self,
        window: WindowId,
        why: String,
        cost: Cost,
    ) -> Result<WindowOutcome, Halt> {
        let step = Step::End {
            window,
            ending: Ending::Failed(why.clone()),
            cost,
        };
        self.committer.store(step).await?;
        Ok(WindowOutcome::Failed(why))
    }

    /// Ends the pass although windows of it failed. They become gaps, which hold up nothing but
    /// themselves.
    ///
    /// A pass over identifiers stays open, since it has to show all of them. So does a pass of which no
    /// list was answered: then the repository fails, not these windows. If one list of several was not
    /// answered, the next pass reads it from where this one began.
    pub(super) async fn leave_failed_windows(
        &mut self,
        failed: &HashMap<WindowId, String>,
    ) -> Result<(), Halt> {
        let Some(why) = failed.values().next() else {
            return Ok(());
        };
        let message = format!(
            "{} windows could not be read, one of them: {why}",
            failed.len()
        );
        if self.lists_identifiers() {
            return Err(Halt::Unfinished(message));
        }
        if !self.lists_gaps() {
            if self.answered_lists.is_empty() {
                self.try_newer_records().await?;
            }
            if self.answered_lists.is_empty() {
                return Err(Halt::Unfinished(message));
            }
        }
        let mut unanswered = Vec::new();
        for window in self.run.context.store.pending_windows(self.pass.id)? {
            let is_answered = self.lists_gaps() || self.answered_lists.contains(&window.set_spec);
            if window.span.until.is_none() || !is_answered {
                self.run.unread_end = Some(message.clone());
            }
            if !is_answered && !unanswered.contains(&window.set_spec) {
                unanswered.push(window.set_spec);
            }
        }
        self.committer.store(Step::LeaveGaps { unanswered }).await?;
        Ok(())
    }
}
