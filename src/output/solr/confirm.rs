//! What an index has taken or refused, noted in the store with the output's position.

use tokio::sync::mpsc;

use super::batch::Change;
use super::deliver::Delivered;
use super::push::{PushProgress, PushSurroundings, with_store};
use crate::output::vufind::Command;
use crate::store::{Delivery, Output, RejectedDocument, StoreError, Version};

/// What the index has made of some changes, without what was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// How many records they were read from.
    records: u64,
    delivery: Delivery,
}

impl Sent {
    /// What became of the changes that `records` records gave, at a time of our clock in milliseconds
    /// since 1970. All changes up to `upto` are dealt with then; `None` moves no position.
    pub(crate) fn new(delivered: Delivered, records: u64, upto: Option<Version>, at: i64) -> Self {
        let mut delivery = Delivery {
            upto,
            at,
            ..Delivery::default()
        };
        for change in delivered.taken {
            match change.command {
                Command::Add => delivery.added += 1,
                Command::Delete => delivery.deleted += 1,
            }
            match &change.fault {
                Some(fault) => delivery.rejected.push(rejected(&change, fault, at)),
                None => delivery.settled.push(change.id),
            }
        }
        for (change, reason) in &delivered.refused {
            delivery.rejected.push(rejected(change, reason, at));
        }
        Self { records, delivery }
    }
}

/// Writes down how far a push is.
pub(crate) struct Confirmer<'a> {
    /// The store, and who is told.
    pub(crate) around: &'a PushSurroundings,
    /// The output.
    pub(crate) output: &'a Output,
    /// How far it is.
    pub(crate) progress: PushProgress,
}

impl Confirmer<'_> {
    /// Notes whatever comes, until nothing can come any more.
    ///
    /// # Errors
    /// As any write; then nobody listens any more.
    pub(crate) async fn all(&mut self, mut sent: mpsc::Receiver<Sent>) -> Result<(), StoreError> {
        while let Some(sent) = sent.recv().await {
            self.one(sent).await?;
        }
        Ok(())
    }

    /// Notes what became of some changes, all of it or nothing.
    ///
    /// # Errors
    /// As any write.
    pub(crate) async fn one(&mut self, sent: Sent) -> Result<(), StoreError> {
        let Sent { records, delivery } = sent;
        for document in &delivery.rejected {
            let (output, id) = (&self.output.name, &document.document_id);
            tracing::warn!(output, "set aside {id}: {}", document.reason);
        }
        let mut progress = self.progress;
        progress.done += records;
        progress.added += delivery.added;
        progress.deleted += delivery.deleted;
        progress.rejected += delivery.rejected.len() as u64;
        let id = self.output.id;
        with_store(self.around, move |store| store.confirm(id, &delivery)).await?;
        self.progress = progress;
        (self.around.progress)(progress);
        Ok(())
    }
}

fn rejected(change: &Change, reason: &str, at: i64) -> RejectedDocument {
    RejectedDocument {
        document_id: change.id.clone(),
        source: change.source.clone(),
        identifier: change.identifier.clone(),
        version: change.version,
        reason: reason.to_owned(),
        at,
    }
}
