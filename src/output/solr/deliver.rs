//! Delivers one batch, and finds those of its documents that the index refuses.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;

use super::answer::{cause, names_document, refusals};
use super::batch::{Change, message};
use super::client::{Client, SolrError, Updated};
use crate::output::vufind::Command;

/// So many documents refused one after the other, and none taken between: then the cause may not be in
/// the documents.
const SUSPICIOUS: usize = 20;

const TOO_LARGE: &str = "the document is larger than the server takes";

/// Whether a reason lies in the size of one document, whatever the index is like.
fn is_of_the_document(reason: &str) -> bool {
    reason == TOO_LARGE || reason.contains("immense term")
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// What the index took; without its JSON if there is no doubt.
    pub(crate) taken: Vec<Change>,
    /// What it refused, with its reasons.
    pub(crate) refused: Vec<(Change, String)>,
    /// Why the index may be to blame and not the documents: it took none, or many in a row not.
    pub(crate) doubt: Option<Doubt>,
    /// What was not sent because of the doubt.
    pub(crate) rest: Vec<Change>,
}

impl Delivered {
    /// A document that the index took.
    pub(crate) fn any_added(&self) -> Option<&Change> {
        self.taken.iter().rfind(|change| is_add(change))
    }

    /// Adds what became of the rest.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.taken.append(&mut other.taken);
        self.refused.append(&mut other.refused);
        self.doubt = other.doubt;
        self.rest = other.rest;
    }
}

/// Documents were refused and none was taken.
#[derive(Debug)]
pub(crate) struct Doubt {
    /// What is to be said if the index is to blame.
    pub(crate) misfit: DeliverError,
    /// Whether there were several.
    pub(crate) are_several: bool,
}

/// Why a batch was not delivered.
#[derive(Debug, Error)]
pub(crate) enum DeliverError {
    /// The index could not be asked.
    #[error(transparent)]
    Solr(#[from] SolrError),
    /// It refuses everything alike, so that no single document is to blame.
    #[error(
        "the index refuses document after document, the first of them {id} ({cause}); \
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

/// Refusals without a document that was taken between them, over many batches, of which several may be
/// under way.
#[derive(Debug, Default)]
pub(crate) struct Streak(Mutex<Row>);

#[derive(Debug, Default)]
struct Row {
    cause: String,
    first: String,
    length: usize,
}

impl Streak {
    /// Begins anew, since the documents were to blame.
    pub(crate) fn end(&self) {
        self.row().taken();
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn refused(&mut self, change: &Change, reason: &str) {
        let is_own_fault = is_of_the_document(reason);
        if self.first.is_empty() || (self.length == 0 && !is_own_fault) {
            self.cause = cause(reason, &change.id);
            self.first.clone_from(&change.id);
        }
        if !is_own_fault {
            self.length += 1;
        }
    }

    fn is_suspicious(&self) -> bool {
        self.length >= SUSPICIOUS
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

/// Sends `changes` and, where the index refuses some, the others again.
///
/// What was refused is found by the message, which names the document in most cases, else by
/// halving. Sending a document twice does no harm. After too many refusals in a row it stops with a
/// doubt: whoever finds that the documents are to blame sends the rest.
///
/// `whole` is the message of all of them, where it has been made already.
pub(crate) async fn deliver(
    client: &Client,
    changes: Vec<Change>,
    mut whole: Option<Bytes>,
    streak: &Streak,
) -> Result<Delivered, DeliverError> {
    let mut delivered = Delivered::default();
    let mut waiting = VecDeque::from([changes]);
    while let Some(mut group) = waiting.pop_front() {
        if group.is_empty() {
            continue;
        }
        if !delivered.refused.is_empty() && streak.row().is_suspicious() {
            waiting.push_front(group);
            break;
        }
        let message = whole.take().unwrap_or_else(|| message(&group));
        let reason = match client.update(message).await? {
            Updated::Done(answer) => {
                take(group, &answer, &mut delivered, streak);
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
                if group[..number].iter().any(is_add) {
                    streak.row().taken();
                }
                let change = group.remove(number);
                streak.row().refused(&change, &reason);
                delivered.refused.push((change, reason));
                waiting.push_front(group);
            }
            (None, 1) => {
                let change = group.remove(0);
                streak.row().refused(&change, &reason);
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
    let row = streak.row();
    // Nothing but documents that are too large may come from a proxy that takes next to nothing.
    let is_odd = row.length > 0 || refused >= SUSPICIOUS;
    let none_taken = is_odd && delivered.any_added().is_none();
    if refused > 0 && (none_taken || row.is_suspicious()) {
        delivered.doubt = Some(Doubt {
            misfit: row.misfit(),
            are_several: refused > 1,
        });
    }
    drop(row);
    if delivered.doubt.is_none() {
        // It is not sent again, and may have to wait long for what was sent before it.
        for change in &mut delivered.taken {
            change.json = Bytes::new();
        }
    }
    delivered.rest = waiting.into_iter().flatten().collect();
    Ok(delivered)
}

/// Whether the index takes a document when it is sent alone.
pub(crate) async fn is_taken(client: &Client, document: Change) -> Result<bool, DeliverError> {
    let delivered = deliver(client, vec![document], None, &Streak::default()).await?;
    Ok(!delivered.taken.is_empty())
}

/// Sorts a group that went through, but for what a tolerant index lists as left out.
fn take(
    group: Vec<Change>,
    answer: &serde_json::Value,
    delivered: &mut Delivered,
    streak: &Streak,
) {
    let mut reasons: HashMap<String, String> = refusals(answer)
        .into_iter()
        .map(|refusal| (refusal.id, refusal.reason))
        .collect();
    for change in group {
        match reasons.remove(&change.id) {
            Some(reason) => {
                streak.row().refused(&change, &reason);
                delivered.refused.push((change, reason));
            }
            None => {
                if is_add(&change) {
                    streak.row().taken();
                }
                delivered.taken.push(change);
            }
        }
    }
}

fn is_add(change: &Change) -> bool {
    change.command == Command::Add
}
