//! Finds out whether refused documents are at fault or the target.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::batch;
use super::deliver::{DeliverError, is_taken};
use crate::output::OutputSettings;
use crate::output::target::{Change, Target};
use crate::store::{OutputId, Store, StoreError, Version};

/// This many documents that were never taken stand for all others.
pub(crate) const LATER_PROBES: usize = 5;

/// Documents that are sent again, alone, to see whether a target takes any.
pub(crate) enum Probes {
    /// A document that the target has taken before.
    Taken(Change),
    /// The target has taken none: some documents that it gets later anyway.
    Later(Vec<Change>),
}

impl Probes {
    /// Whether the target takes at least one of them.
    pub(crate) async fn any_taken(self, target: &dyn Target) -> Result<bool, DeliverError> {
        let documents = match self {
            Self::Taken(known) => vec![known],
            Self::Later(documents) => documents,
        };
        for document in documents {
            if is_taken(target, document).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The newest document that an output has confirmed, except those in `excluded`; if there is none, the
/// newest documents that are still to be sent.
pub(crate) fn find_probes(
    store: &Store,
    settings: &OutputSettings,
    output: OutputId,
    excluded: &HashSet<String>,
) -> Result<Probes, StoreError> {
    let reader = store.reader()?;
    let position = reader.output(&settings.name)?.map(|output| output.position);
    let rejected = reader.rejected(output)?;
    let rejected: HashSet<&str> = rejected
        .iter()
        .map(|document| document.document_id.as_str())
        .collect();
    let filter = settings.filter(None);
    let find = |upto: Version, most: usize| {
        let mut found = Vec::new();
        let done = reader.changes_until(&filter, upto, |record| {
            let change = batch::change(&record, settings);
            let is_excluded =
                rejected.contains(change.id.as_str()) || excluded.contains(&change.id);
            if !is_excluded && change.is_add() {
                found.push(change);
            }
            match found.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        done.map(|()| found)
    };
    match find(position.unwrap_or_default(), 1)?.pop() {
        Some(taken) => Ok(Probes::Taken(taken)),
        None => find(Version(i64::MAX), LATER_PROBES).map(Probes::Later),
    }
}
