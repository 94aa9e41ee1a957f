//! Sends batches of update commands to an index.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::answer::{cause, is_of_document, names_document, refusals};
use super::check;
use super::client::{Client, Updated};
use super::settings::SolrSettings;
use crate::http::Redactor;
use crate::output::OutputSettings;
use crate::output::target::{
    AuditTarget, Change, OutputError, Refusal, Response, Target, Unsupported,
};
use crate::output::vufind::{Encoding, Frame};
use crate::stop::Stop;
use crate::store::Version;

/// A core or collection.
pub(crate) struct SolrIndex {
    pub(super) client: Client,
    pub(super) settings: SolrSettings,
}

impl SolrSettings {
    pub(crate) fn connect(
        &self,
        output: &OutputSettings,
        stop: Stop,
    ) -> Result<SolrIndex, OutputError> {
        Ok(SolrIndex {
            client: Client::new(self, output, stop)?,
            settings: self.clone(),
        })
    }
}

impl Target for SolrIndex {
    fn send<'a>(
        &'a self,
        batch: &'a [Change],
        _: Option<Version>,
    ) -> BoxFuture<'a, Result<Response, OutputError>> {
        Box::pin(async move {
            Ok(match self.client.update(message(batch)).await? {
                Updated::Done(answer) => {
                    Response::Taken(refused(batch, &answer, &self.client.redactor()))
                }
                Updated::Refused(reason) => {
                    let culprit = batch
                        .iter()
                        .position(|change| names_document(&reason, &change.id));
                    let id = batch
                        .get(culprit.unwrap_or(0))
                        .map_or("", |change| &change.id);
                    Response::Refused {
                        culprit,
                        refusal: refusal(reason, id),
                    }
                }
                Updated::TooLarge => Response::TooLarge,
            })
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, OutputError>> {
        Box::pin(check::check(&self.client, &self.settings))
    }

    fn auditable(&self) -> Result<&dyn AuditTarget, Unsupported> {
        Ok(self)
    }
}

/// The update message of a batch.
fn message(batch: &[Change]) -> Bytes {
    let mut frame = Frame::new(Encoding::Json);
    let bytes: usize = batch.iter().map(|change| change.body.len() + 2).sum();
    let mut message = Vec::with_capacity(bytes + 8);
    for change in batch {
        message.extend_from_slice(frame.before(change.command).as_bytes());
        message.extend_from_slice(&change.body);
    }
    message.extend_from_slice(frame.end().as_bytes());
    Bytes::from(message)
}

/// The changes that a tolerant index left out.
fn refused(
    batch: &[Change],
    answer: &serde_json::Value,
    redactor: &Redactor,
) -> Vec<(usize, Refusal)> {
    let mut reasons: HashMap<String, String> = refusals(answer, redactor)
        .into_iter()
        .map(|refusal| (refusal.id, refusal.reason))
        .collect();
    let refused = batch.iter().enumerate().filter_map(|(number, change)| {
        let reason = reasons.remove(&change.id)?;
        Some((number, refusal(reason, &change.id)))
    });
    refused.collect()
}

fn refusal(reason: String, id: &str) -> Refusal {
    Refusal {
        cause: cause(&reason, id),
        is_of_document: is_of_document(&reason),
        reason,
    }
}
