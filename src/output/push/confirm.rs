//! Stores what a target has taken or refused, together with the output's position.

use tokio::sync::mpsc;

use super::deliver::Delivered;
use super::{PushContext, PushProgress, with_store};
use crate::output::target::Change;
use crate::store::{Delivery, Output, RejectedDocument, StoreError, Version};

/// The result of some changes, without their bodies.
#[derive(Debug)]
pub(crate) struct Confirmation {
    /// The number of records that were read for them.
    records: u64,
    delivery: Delivery,
}

impl Confirmation {
    /// The result of changes of `records` records at a time in milliseconds since 1970. It confirms all
    /// changes up to `upto`; `None` moves no position.
    pub(crate) fn new(delivered: Delivered, records: u64, upto: Option<Version>, at: i64) -> Self {
        Self {
            records,
            delivery: delivery(delivered, upto, at),
        }
    }
}

/// The result of changes as the store keeps it.
pub(crate) fn delivery(delivered: Delivered, upto: Option<Version>, at: i64) -> Delivery {
    let mut delivery = Delivery {
        upto,
        at,
        ..Delivery::default()
    };
    for change in delivered.taken {
        match change.is_add() {
            true => delivery.added += 1,
            false => delivery.deleted += 1,
        }
        match &change.fault {
            Some(fault) => delivery.rejected.push(rejected(&change, fault, at)),
            None => delivery.accepted.push(change.id),
        }
    }
    for (change, reason) in &delivered.refused {
        delivery.rejected.push(rejected(change, reason, at));
    }
    delivery
}

/// Stores confirmations and counts them.
pub(crate) struct Confirmer<'a> {
    pub(crate) context: &'a PushContext,
    pub(crate) output: &'a Output,
    pub(crate) progress: PushProgress,
}

impl Confirmer<'_> {
    /// Stores all confirmations until the channel is closed. After an error, the receiver is dropped.
    pub(crate) async fn all(
        &mut self,
        mut confirmations: mpsc::Receiver<Confirmation>,
    ) -> Result<(), StoreError> {
        while let Some(confirmation) = confirmations.recv().await {
            self.one(confirmation).await?;
        }
        Ok(())
    }

    /// Stores one confirmation, all of it or nothing.
    pub(crate) async fn one(&mut self, confirmation: Confirmation) -> Result<(), StoreError> {
        let Confirmation { records, delivery } = confirmation;
        for document in &delivery.rejected {
            let (output, id) = (&self.output.name, &document.document_id);
            tracing::warn!(output, "rejected {id}: {}", document.reason);
        }
        let mut progress = self.progress;
        progress.done += records;
        progress.added += delivery.added;
        progress.deleted += delivery.deleted;
        progress.rejected += delivery.rejected.len() as u64;
        let id = self.output.id;
        with_store(self.context, move |store| store.confirm(id, &delivery)).await?;
        self.progress = progress;
        (self.context.progress)(progress);
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
