//! Where a window stands after it was read, and the place where a window fails.

use super::PassRun;
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::store::{Cost, Ending, PageStep, Step, WindowId};

/// Where a window stands after it was read.
#[derive(Debug)]
pub(super) enum WindowOutcome {
    /// The ledger says what happens next: the window is complete, is to be read again, or was split.
    Settled,
    /// This run cannot read the window, for this reason.
    Failed(String),
}

impl WindowOutcome {
    /// The outcome of a window that ends with this page.
    pub(super) fn of(page: &PageStep) -> Self {
        match &page.ending {
            Some(Ending::Failed(why)) => Self::Failed(why.clone()),
            _ => Self::Settled,
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
}
