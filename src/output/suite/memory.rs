//! A target in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;

use super::solr::title;
use super::{PushOptions, Scene, Subject, Version};
use crate::output::OutputSettings;
use crate::output::push::tests::settings;
use crate::output::target::{
    AuditTarget, Change, OutputError, Refusal, Response, Target, Unsupported,
};
use crate::stop::Stop;

/// A map of documents that takes the batches of an output.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    documents: BTreeMap<String, String>,
    arrived: Vec<String>,
    /// What each batch proved, in the order of arrival.
    proven: Vec<Option<Version>>,
    refused: BTreeSet<String>,
    /// The batches until an outage, and the part of the next one that is applied.
    outage: Option<(usize, f64)>,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test holds the lock while it fails")
    }
}

impl State {
    fn apply(&mut self, change: &Change) {
        match change.is_add() {
            true => {
                let body = std::str::from_utf8(&change.body).expect("documents are UTF-8");
                self.arrived.push(change.id.clone());
                self.documents.insert(change.id.clone(), title(body));
            }
            false => {
                self.arrived.push(format!("-{}", change.id));
                self.documents.remove(&change.id);
            }
        }
    }

    fn take(&mut self, batch: &[Change], proves: Option<Version>) -> Result<Response, OutputError> {
        let taken = match &mut self.outage {
            None => batch.len(),
            Some((batches, _)) if *batches > 0 => {
                *batches -= 1;
                batch.len()
            }
            Some((_, share)) => {
                let part = (batch.len() as f64 * std::mem::take(share)) as usize;
                for change in &batch[..part] {
                    self.apply(change);
                }
                return Err(OutputError::Unavailable {
                    address: "memory".to_owned(),
                    why: "down".to_owned(),
                    tries: 1,
                });
            }
        };
        let mut refused = Vec::new();
        for (number, change) in batch[..taken].iter().enumerate() {
            if change.is_add() && self.refused.contains(&change.id) {
                let refusal = Refusal {
                    reason: "not wanted".to_owned(),
                    cause: "not wanted".to_owned(),
                    is_of_document: false,
                };
                refused.push((number, refusal));
            } else {
                self.apply(change);
            }
        }
        self.proven.push(proves);
        Ok(Response::Taken(refused))
    }
}

impl Target for Memory {
    fn send<'a>(
        &'a self,
        batch: &'a [Change],
        proves: Option<Version>,
    ) -> BoxFuture<'a, Result<Response, OutputError>> {
        Box::pin(async move { self.state().take(batch, proves) })
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, OutputError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn auditable(&self) -> Result<&dyn AuditTarget, Unsupported> {
        Err(Unsupported {
            kind: "memory",
            operation: "audit",
            reason: "it is gone with the test",
        })
    }
}

impl Subject for Memory {
    async fn start() -> Self {
        Self::default()
    }

    fn settings(&self) -> OutputSettings {
        // Only the documents of these settings are used.
        settings()
    }

    fn connect(&self, _: &OutputSettings, _: Stop) -> Box<dyn Target> {
        Box::new(self.clone())
    }

    fn documents(&self) -> BTreeMap<String, String> {
        self.state().documents.clone()
    }

    fn arrived(&self) -> Vec<String> {
        self.state().arrived.clone()
    }

    fn fail_after(&self, batches: usize, share: f64) {
        self.state().outage = Some((batches, share));
    }

    fn refuse(&self, id: &str) {
        self.state().refused.insert(id.to_owned());
    }

    fn heal(&self) {
        let mut state = self.state();
        state.refused.clear();
        state.outage = None;
    }
}

/// A table that commits a position with each batch can compare it with the one in the store.
#[tokio::test]
async fn a_batch_proves_the_position_that_its_confirmation_stores() {
    let mut scene = Scene::<Memory>::with(8).await;
    let report = scene.push_complete().await;
    let proven: Vec<Version> = scene
        .subject
        .state()
        .proven
        .iter()
        .flatten()
        .copied()
        .collect();
    assert_eq!(proven.len(), 3, "one for each batch");
    assert!(proven.is_sorted());
    assert_eq!(proven.last(), Some(&report.position));

    // Documents that were rejected are sent again without a position.
    scene.subject.refuse(&super::id(1));
    scene.put(1, "Second");
    scene.push_complete().await;
    scene.subject.heal();
    scene.subject.state().proven.clear();
    let options = PushOptions {
        retry_rejected: true,
        ..PushOptions::default()
    };
    scene.push(options).await;
    assert_eq!(scene.subject.state().proven, [None]);
}
