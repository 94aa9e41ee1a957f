//! Delivers one batch, and finds those of its documents that the index refuses.

use std::collections::{HashMap, VecDeque};

use thiserror::Error;

use super::answer::{cause, names_document, refusals};
use super::batch::{Change, message};
use super::client::{Client, SolrError, Updated};
use crate::output::vufind::Command;

/// So many documents refused one after the other for one cause, and none taken between: then the
/// cause is not in the documents.
const SUSPICIOUS: usize = 20;

const TOO_LARGE: &str = "the document is larger than the server takes";

/// Whether a reason lies in the size of one document, whatever the index is like.
fn is_of_the_document(reason: &str) -> bool {
    reason == TOO_LARGE || reason.contains("immense term")
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Delivered<'a> {
    /// What the index took.
    pub(crate) taken: Vec<&'a Change>,
    /// What it refused, with its reasons.
    pub(crate) refused: Vec<(&'a Change, String)>,
}

/// Why a batch was not delivered.
#[derive(Debug, Error)]
pub(crate) enum DeliverError {
    /// The index could not be asked.
    #[error(transparent)]
    Solr(#[from] SolrError),
    /// It refuses everything alike, so that no single document is to blame.
    #[error(
        "the index refuses document after document for one cause ({cause}), the first of them {id}; \
         mend its schema or this output's settings (check-config --online compares them); nothing \
         was set aside"
    )]
    Misfit {
        /// The first document.
        id: String,
        /// What Solr said of it.
        cause: String,
    },
}

/// Refusals for one cause without a document that was taken between them, over many batches.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    cause: String,
    first: String,
    length: usize,
}

impl Streak {
    fn refused(&mut self, change: &Change, reason: &str) -> Result<(), DeliverError> {
        if is_of_the_document(reason) {
            self.length = 0;
            return Ok(());
        }
        let cause = cause(reason, &change.id);
        if self.length == 0 || self.cause != cause {
            *self = Self {
                cause,
                first: change.id.clone(),
                length: 0,
            };
        }
        self.length += 1;
        if self.length >= SUSPICIOUS {
            return Err(self.misfit());
        }
        Ok(())
    }

    fn taken(&mut self) {
        self.length = 0;
    }

    fn misfit(&self) -> DeliverError {
        DeliverError::Misfit {
            id: self.first.clone(),
            cause: self.cause.clone(),
        }
    }
}

/// Sends `changes` and, where the index refuses some, the others again.
///
/// What was refused is found by the message, which names the document in most cases, else by
/// halving. Sending a document twice does no harm.
pub(crate) async fn deliver<'a>(
    client: &Client,
    changes: impl IntoIterator<Item = &'a Change>,
    streak: &mut Streak,
) -> Result<Delivered<'a>, DeliverError> {
    let mut delivered = Delivered::default();
    let mut waiting = VecDeque::from([changes.into_iter().collect::<Vec<_>>()]);
    while let Some(mut group) = waiting.pop_front() {
        if group.is_empty() {
            continue;
        }
        let reason = match client.update(message(group.iter().copied())).await? {
            Updated::Done(answer) => {
                take(group, &answer, &mut delivered, streak)?;
                continue;
            }
            Updated::Refused(reason) => reason,
            Updated::TooLarge => TOO_LARGE.to_owned(),
        };
        let named = group
            .iter()
            .position(|change| names_document(&reason, &change.id));
        match (named, group.len()) {
            (Some(number), _) => {
                // Those before it were taken, though they will be sent again with those after it.
                if group[..number].iter().any(|change| is_add(change)) {
                    streak.taken();
                }
                let change = group.remove(number);
                streak.refused(change, &reason)?;
                delivered.refused.push((change, reason));
                waiting.push_front(group);
            }
            (None, 1) => {
                let change = group.remove(0);
                streak.refused(change, &reason)?;
                delivered.refused.push((change, reason));
            }
            (None, length) => {
                let rest = group.split_off(length / 2);
                waiting.push_front(rest);
                waiting.push_front(group);
            }
        }
    }
    let refused = delivered.refused.len();
    let alike = refused > 1 && streak.length >= refused;
    if alike && !delivered.taken.iter().any(|change| is_add(change)) {
        return Err(streak.misfit());
    }
    Ok(delivered)
}

/// Sorts a group that went through, but for what a tolerant index lists as left out.
fn take<'a>(
    group: Vec<&'a Change>,
    answer: &serde_json::Value,
    delivered: &mut Delivered<'a>,
    streak: &mut Streak,
) -> Result<(), DeliverError> {
    let mut reasons: HashMap<String, String> = refusals(answer)
        .into_iter()
        .map(|refusal| (refusal.id, refusal.reason))
        .collect();
    for change in group {
        match reasons.remove(&change.id) {
            Some(reason) => {
                streak.refused(change, &reason)?;
                delivered.refused.push((change, reason));
            }
            None => {
                if is_add(change) {
                    streak.taken();
                }
                delivered.taken.push(change);
            }
        }
    }
    Ok(())
}

fn is_add(change: &Change) -> bool {
    change.command == Command::Add
}
