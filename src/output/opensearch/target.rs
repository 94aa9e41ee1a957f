//! Sends batches of bulk actions to an index.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::answer::is_of_document;
use super::bulk::{self, Decisions, MAX_ID_BYTES, Open};
use super::check;
use super::client::{Bulk, Client};
use super::documents::VERSION_FIELD;
use super::index;
use super::settings::OpenSearchSettings;
use crate::output::OutputSettings;
use crate::output::target::{AuditTarget, Change, OutputError, Response, Target, Unsupported};
use crate::stop::Stop;
use crate::store::Version;

/// A conflict that comes back this often has another writer behind it.
const CONFLICTS: u32 = 5;

/// An index.
pub(crate) struct OpenSearchIndex {
    pub(super) client: Client,
    pub(super) settings: OpenSearchSettings,
    /// Whether a missing index is created.
    may_create: AtomicBool,
    /// The newest version of the store when the push began.
    newest: AtomicI64,
    /// Whether the configured name is an alias, once the index is known to be there.
    is_alias: OnceCell<bool>,
}

impl OpenSearchSettings {
    pub(crate) fn connect(
        &self,
        output: &OutputSettings,
        stop: Stop,
    ) -> Result<OpenSearchIndex, OutputError> {
        if self.index.is_empty() {
            return Err(OutputError::Unusable {
                address: index::address(self),
                why: "the address names no index".to_owned(),
                advice: "write it after the node, such as http://localhost:9200/next".to_owned(),
            });
        }
        Ok(OpenSearchIndex {
            client: Client::new(self, output, stop)?,
            settings: self.clone(),
            may_create: AtomicBool::new(false),
            newest: AtomicI64::new(0),
            is_alias: OnceCell::new(),
        })
    }
}

impl Target for OpenSearchIndex {
    fn begin(&self, is_first: bool, newest: Version) {
        self.may_create.store(is_first, Ordering::Relaxed);
        self.newest.store(newest.0, Ordering::Relaxed);
    }

    fn send<'a>(
        &'a self,
        batch: &'a [Change],
        _: Option<Version>,
    ) -> BoxFuture<'a, Result<Response, OutputError>> {
        Box::pin(self.deliver(batch))
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, OutputError>> {
        Box::pin(check::check(&self.client, &self.settings))
    }

    fn auditable(&self) -> Result<&dyn AuditTarget, Unsupported> {
        Ok(self)
    }
}

impl OpenSearchIndex {
    /// Sends a batch until the index has decided about each change.
    async fn deliver(&self, batch: &[Change]) -> Result<Response, OutputError> {
        let open = |(position, change): (usize, &Change)| Open {
            position,
            version: change.order.max(change.version).0.max(1),
        };
        let mut open: Vec<Open> = batch.iter().enumerate().map(open).collect();
        let mut refused = Vec::new();
        let is_alias = self.ready().await?;
        let mut retries = self.client.retries();
        let mut conflicts = 0;
        while !open.is_empty() {
            let actions = bulk::actions(batch, &open);
            let sent = self
                .client
                .bulk(&self.settings.index, is_alias, actions)
                .await?;
            let (url, answer) = match sent {
                (url, Bulk::Done(answer)) => (url, answer),
                (_, Bulk::Refused(reason)) => return Ok(refused_batch(batch, reason)),
                (_, Bulk::TooLarge) => return Ok(Response::TooLarge),
            };
            let redactor = self.client.redactor();
            let Some(decisions) = bulk::decisions(batch, &open, &answer, &redactor) else {
                return Err(OutputError::Unusable {
                    address: url,
                    why: "an answer that does not tell about each document".to_owned(),
                    advice: "check what is between this program and the cluster".to_owned(),
                });
            };
            let Decisions {
                refused: new,
                conflicts: in_conflict,
                waiting,
                why,
                stop,
            } = decisions;
            if let Some((why, advice)) = stop {
                return Err(OutputError::Unusable {
                    address: url,
                    why,
                    advice: advice.to_owned(),
                });
            }
            refused.extend(new);
            open = self.overdue(batch, in_conflict).await?;
            conflicts += u32::from(!open.is_empty());
            if !waiting.is_empty() {
                retries.wait(url, why, None).await?;
                open.extend(waiting);
                open.sort_unstable_by_key(|open| open.position);
            } else if conflicts > CONFLICTS {
                let why = "another program writes the same documents".to_owned();
                retries.wait(url, why, None).await?;
            }
        }
        refused.sort_unstable_by_key(|(position, _)| *position);
        Ok(Response::Taken(refused))
    }

    /// Creates the index if that is necessary and allowed; gives whether the configured name is an alias.
    async fn ready(&self) -> Result<bool, OutputError> {
        let may_create = self.may_create.load(Ordering::Relaxed);
        let ready = || index::ready(&self.client, &self.settings, may_create);
        self.is_alias.get_or_try_init(ready).await.copied()
    }

    /// Of changes that are older than what the index has, those that are to be written all the same,
    /// with the index's version.
    ///
    /// A document with a version that the store has not reached is left alone. Any other document is not
    /// newer than the store, whatever version the index has: somebody has edited or deleted it, an audit has
    /// repaired it, or it stands for another record or for a whole cluster.
    async fn overdue(
        &self,
        batch: &[Change],
        conflicts: Vec<Open>,
    ) -> Result<Vec<Open>, OutputError> {
        if conflicts.is_empty() {
            return Ok(conflicts);
        }
        let ids: Vec<&str> = conflicts
            .iter()
            .map(|open| batch[open.position].id.as_str())
            .collect();
        let found = self.get_documents(&ids).await?;
        let found: HashMap<&str, &Value> = found
            .iter()
            .filter_map(|document| Some((document["_id"].as_str()?, document)))
            .collect();
        let newest = self.newest.load(Ordering::Relaxed);
        let is_overdue = |open: &Open| {
            let change = &batch[open.position];
            match found.get(change.id.as_str()) {
                // Deleted already.
                None if !change.is_add() => false,
                None => true,
                Some(document) => {
                    let record = version_of(&document["_source"][VERSION_FIELD]);
                    change.is_repair
                        || record.is_none_or(|record| record <= newest.max(change.order.0))
                }
            }
        };
        let with_version = |mut open: Open| {
            let document = found.get(batch[open.position].id.as_str());
            let current = document.and_then(|document| document["_version"].as_i64());
            open.version = current.unwrap_or_default().max(open.version);
            open
        };
        Ok(conflicts
            .into_iter()
            .filter(is_overdue)
            .map(with_version)
            .collect())
    }

    /// The documents with these ids that exist, with the field of the version, also those that searches
    /// do not show yet.
    pub(super) async fn get_documents(&self, ids: &[&str]) -> Result<Vec<Value>, OutputError> {
        let path = format!("{}/_mget", self.settings.index);
        let query = [("_source_includes", VERSION_FIELD.to_owned())];
        let body = json!({ "ids": ids });
        let mut answer = self.client.ask(Method::POST, &path, &query, &body).await?;
        let documents = match answer["docs"].take() {
            Value::Array(documents) => documents,
            _ => Vec::new(),
        };
        Ok(documents
            .into_iter()
            .filter(|document| document["found"] == true)
            .collect())
    }
}

/// The version in a document, which may be a text.
pub(super) fn version_of(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    }
}

/// The response if a cluster refuses a whole batch. It does so for a single id that is too long.
fn refused_batch(batch: &[Change], reason: String) -> Response {
    let is_long = |change: &Change| change.is_add() && change.id.len() > MAX_ID_BYTES;
    let culprit = batch.iter().position(is_long);
    Response::Refused {
        culprit: culprit.filter(|_| is_of_document(&reason)),
        refusal: bulk::refusal(reason),
    }
}
