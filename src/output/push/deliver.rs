//! Delivers one batch, and finds those of its documents that the target refuses.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;

use crate::output::target::{Change, OutputError, Refusal, Response, Target};
use crate::store::Version;

/// After this many refusals in a row, the cause may lie in the target instead of the documents.
const SUSPICIOUS: usize = 20;

/// The result of a batch that was delivered.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// The changes that the target took; without their bodies if there is no doubt.
    pub(crate) taken: Vec<Change>,
    /// The changes that it refused, each with the reason.
    pub(crate) refused: Vec<(Change, String)>,
    /// Set if the target may be at fault: it took no document, or refused many in a row.
    pub(crate) doubt: Option<Doubt>,
    /// The changes that were not sent because of the doubt.
    pub(crate) rest: Vec<Change>,
}

impl Delivered {
    /// A document that the target took.
    pub(crate) fn any_added(&self) -> Option<&Change> {
        self.taken.iter().rfind(|change| change.is_add())
    }

    /// Adds the result of a later part.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.taken.append(&mut other.taken);
        self.refused.append(&mut other.refused);
        self.doubt = other.doubt;
        self.rest = other.rest;
    }

    fn refuse(&mut self, change: Change, refusal: Refusal, streak: &Streak) {
        streak.run().refused(&change, &refusal);
        self.refused.push((change, refusal.reason));
    }

    fn take(&mut self, change: Change, streak: &Streak) {
        if change.is_add() {
            streak.run().taken();
        }
        self.taken.push(change);
    }
}

/// Documents were refused, and it is not known whether they are at fault or the target.
#[derive(Debug)]
pub(crate) struct Doubt {
    /// The error if the target is at fault.
    pub(crate) misfit: DeliverError,
    /// Whether several documents were refused.
    pub(crate) are_several: bool,
}

/// Why a batch was not delivered.
#[derive(Debug, Error)]
pub(crate) enum DeliverError {
    /// The target did not decide about the batch.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The target refuses all documents alike, so no single document is at fault.
    #[error(
        "the index refuses document after document, the first of them {id} ({cause}); \
         correct its schema or this output's settings (check-config --online compares them); no \
         document was rejected"
    )]
    Misfit {
        /// The first document.
        id: String,
        /// The target's reason.
        cause: String,
    },
}

/// The refusals since the last document that was taken, over all batches in flight.
#[derive(Debug, Default)]
pub(crate) struct Streak(Mutex<Refusals>);

#[derive(Debug, Default)]
struct Refusals {
    cause: String,
    first: String,
    count: usize,
}

impl Streak {
    /// Ends the streak, once the documents have been found to be at fault.
    pub(crate) fn end(&self) {
        self.run().taken();
    }

    fn run(&self) -> MutexGuard<'_, Refusals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusals {
    fn refused(&mut self, change: &Change, refusal: &Refusal) {
        let proves_nothing = refusal.is_of_document;
        if self.first.is_empty() || (self.count == 0 && !proves_nothing) {
            self.cause.clone_from(&refusal.cause);
            self.first.clone_from(&change.id);
        }
        if !proves_nothing {
            self.count += 1;
        }
    }

    fn is_suspicious(&self) -> bool {
        self.count >= SUSPICIOUS
    }

    fn taken(&mut self) {
        *self = Self::default();
    }

    fn misfit(&self) -> DeliverError {
        DeliverError::Misfit {
            id: self.first.clone(),
            cause: self.cause.clone(),
        }
    }
}

/// Sends `changes` and, where the target refuses some, the others again. Once the target has taken the
/// last of them, it has all changes up to `proves`, see [`Target::send`].
///
/// Refused documents are found by the target's answer, else by bisection. Sending a document twice does
/// no harm. After too many refusals in a row, the delivery ends with a doubt: if the caller finds that
/// the documents are at fault, it sends [`Delivered::rest`].
pub(crate) async fn deliver(
    target: &dyn Target,
    changes: Vec<Change>,
    proves: Option<Version>,
    streak: &Streak,
) -> Result<Delivered, DeliverError> {
    let mut delivered = Delivered::default();
    let mut waiting = VecDeque::from([changes]);
    while let Some(mut group) = waiting.pop_front() {
        if group.is_empty() {
            continue;
        }
        if !delivered.refused.is_empty() && streak.run().is_suspicious() {
            waiting.push_front(group);
            break;
        }
        let proves = proves.filter(|_| waiting.is_empty());
        let (culprit, refusal) = match target.send(&group, proves).await? {
            Response::Taken(refused) => {
                let mut refused = refused.into_iter().peekable();
                for (number, change) in group.into_iter().enumerate() {
                    match refused.next_if(|(position, _)| *position == number) {
                        Some((_, refusal)) => delivered.refuse(change, refusal, streak),
                        None => delivered.take(change, streak),
                    }
                }
                continue;
            }
            Response::Refused { culprit, refusal } => (culprit, refusal),
            Response::TooLarge => (None, too_large()),
        };
        match (culprit, group.len()) {
            (Some(number), _) => {
                // Those before it were taken, though they are sent again with those after it.
                if group[..number].iter().any(Change::is_add) {
                    streak.run().taken();
                }
                let change = group.remove(number);
                delivered.refuse(change, refusal, streak);
                waiting.push_front(group);
            }
            (None, 1) => delivered.refuse(group.remove(0), refusal, streak),
            (None, length) => {
                let rest = group.split_off(length / 2);
                waiting.push_front(rest);
                waiting.push_front(group);
            }
        }
    }
    let refused = delivered.refused.len();
    let run = streak.run();
    // If all documents are too large, a proxy may be at fault that accepts next to nothing.
    let is_odd = run.count > 0 || refused >= SUSPICIOUS;
    let none_taken = is_odd && delivered.any_added().is_none();
    if refused > 0 && (none_taken || run.is_suspicious()) {
        delivered.doubt = Some(Doubt {
            misfit: run.misfit(),
            are_several: refused > 1,
        });
    }
    drop(run);
    if delivered.doubt.is_none() {
        // They are not sent again, and may wait long for the batches before this one.
        for change in &mut delivered.taken {
            change.body = Bytes::new();
        }
    }
    delivered.rest = waiting.into_iter().flatten().collect();
    Ok(delivered)
}

/// Whether the target takes a document that is sent alone.
pub(crate) async fn is_taken(target: &dyn Target, document: Change) -> Result<bool, DeliverError> {
    let delivered = deliver(target, vec![document], None, &Streak::default()).await?;
    Ok(!delivered.taken.is_empty())
}

fn too_large() -> Refusal {
    let reason = "the document is larger than the server takes";
    Refusal {
        reason: reason.to_owned(),
        cause: reason.to_owned(),
        is_of_document: true,
    }
}
