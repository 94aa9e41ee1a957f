//! Lists the documents of an index for an audit, in a point in time.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check::properties;
use super::documents::VERSION_FIELD;
use super::index;
use super::target::{OpenSearchIndex, version_of};
use crate::output::target::{
    AuditProblem, AuditTarget, ComparedBy, DocumentPage, DocumentState, OutputError,
};

/// Documents in one page.
const PAGE: usize = 5000;

/// How long the cluster keeps a point in time after each page.
const KEEP_ALIVE: &str = "5m";

/// The place of a page.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// The point in time.
    point: String,
    /// The last id of the page before.
    after: Value,
}

impl AuditTarget for OpenSearchIndex {
    fn compared_fields(&self) -> BoxFuture<'_, Result<ComparedBy, AuditProblem>> {
        Box::pin(async move {
            let Some(fields) = properties(&self.client, &self.settings.index).await? else {
                return Err(AuditProblem::Settings(format!(
                    "there is no index {}",
                    self.settings.index
                )));
            };
            let id = self.id_field();
            for (field, kind) in [(id.as_str(), "keyword"), (VERSION_FIELD, "long")] {
                if fields[field]["type"] != kind {
                    return Err(AuditProblem::Settings(format!(
                        "the index has no field {field} of type {kind}, by which its documents could be \
                         listed"
                    )));
                }
            }
            Ok(ComparedBy::Version(VERSION_FIELD.to_owned()))
        })
    }

    fn knows_own_documents(&self) -> bool {
        self.settings.audit_filter.is_some()
    }

    fn page<'a>(
        &'a self,
        id_prefixes: &'a [String],
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<DocumentPage, OutputError>> {
        Box::pin(async move {
            let cursor: Option<Cursor> = cursor.and_then(|text| serde_json::from_str(text).ok());
            let (mut point, after) = match cursor {
                Some(cursor) => (cursor.point, Some(cursor.after)),
                None => (self.open_point().await?, None),
            };
            let mut answer = self.search(&point, after.as_ref(), id_prefixes).await?;
            if answer.is_none() {
                // A node was restarted, or the point was kept too short. What was read counts.
                point = self.open_point().await?;
                answer = self.search(&point, after.as_ref(), id_prefixes).await?;
            }
            let answer = answer.unwrap_or_default();
            if let Some(renewed) = answer["pit_id"].as_str() {
                point = renewed.to_owned();
            }
            let hits = answer["hits"]["hits"].as_array();
            let hits = hits.map(Vec::as_slice).unwrap_or_default();
            let next = match hits.last() {
                Some(last) if hits.len() == PAGE => Some(Cursor {
                    point,
                    after: last["sort"].clone(),
                }),
                _ => {
                    self.close_point(&point).await;
                    None
                }
            };
            Ok(DocumentPage {
                documents: hits
                    .iter()
                    .map(|hit| state(hit, &hit["fields"][VERSION_FIELD]))
                    .collect(),
                next: next.map(|next| serde_json::to_string(&next).expect("it has only texts")),
            })
        })
    }

    fn get<'a>(
        &'a self,
        ids: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<DocumentState>, OutputError>> {
        Box::pin(async move {
            let documents = self.get_documents(ids).await?;
            Ok(documents
                .iter()
                .map(|document| state(document, &document["_source"][VERSION_FIELD]))
                .collect())
        })
    }
}

impl OpenSearchIndex {
    /// The field that has the document's id, in which ids can be sorted.
    fn id_field(&self) -> String {
        self.settings.id_field()
    }

    /// Opens a point in time, at which all documents show that the index has.
    async fn open_point(&self) -> Result<String, OutputError> {
        let refresh = format!("{}/_refresh", self.settings.index);
        let refreshed = self.client.find(Method::POST, &refresh, &[], &Value::Null);
        if let Err(error) = refreshed.await {
            // Without this right, what searches do not show yet may be told as a difference too late.
            tracing::debug!("the index was not refreshed: {error}");
        }
        let is_opensearch = self.client.product().await?.is_opensearch;
        let (path, name) = match is_opensearch {
            true => ("_search/point_in_time", "pit_id"),
            false => ("_pit", "id"),
        };
        let path = format!("{}/{path}", self.settings.index);
        let query = [("keep_alive", KEEP_ALIVE.to_owned())];
        let answer = self
            .client
            .ask(Method::POST, &path, &query, &Value::Null)
            .await?;
        let point = answer[name].as_str().map(str::to_owned);
        point.ok_or_else(|| OutputError::Unusable {
            address: index::address(&self.settings),
            why: format!("an answer without {name} to {path}"),
            advice: "check the version of the cluster (check-config --online)".to_owned(),
        })
    }

    /// One page; `None` if the point in time is gone.
    async fn search(
        &self,
        point: &str,
        after: Option<&Value>,
        id_prefixes: &[String],
    ) -> Result<Option<Value>, OutputError> {
        let id = self.id_field();
        let own = |prefix: &String| json!({ "prefix": { &id: prefix } });
        let query = match &self.settings.audit_filter {
            Some(filter) => json!({ "query_string": { "query": filter } }),
            None => {
                let own: Vec<Value> = id_prefixes.iter().map(own).collect();
                json!({ "bool": { "should": own, "minimum_should_match": 1 } })
            }
        };
        let mut body = json!({
            "size": PAGE,
            "query": { "bool": { "filter": query } },
            "pit": { "id": point, "keep_alive": KEEP_ALIVE },
            "sort": [{ &id: "asc" }],
            "_source": false,
            "docvalue_fields": [VERSION_FIELD],
            "track_total_hits": false,
        });
        if let Some(after) = after {
            body["search_after"] = after.clone();
        }
        self.client.find(Method::POST, "_search", &[], &body).await
    }

    /// Closes a point in time. A failure costs the cluster some memory for some minutes.
    async fn close_point(&self, point: &str) {
        let Ok(product) = self.client.product().await else {
            return;
        };
        let (path, body) = match product.is_opensearch {
            true => ("_search/point_in_time", json!({ "pit_id": [point] })),
            false => ("_pit", json!({ "id": point })),
        };
        if let Err(error) = self.client.find(Method::DELETE, path, &[], &body).await {
            tracing::debug!("the point in time was not closed: {error}");
        }
    }
}

/// A document with its version, which may be in a list.
fn state(document: &Value, version: &Value) -> DocumentState {
    let version = version_of(version.get(0).unwrap_or(version));
    DocumentState {
        id: document["_id"].as_str().unwrap_or_default().to_owned(),
        values: vec![
            version
                .map(|version| version.to_string())
                .into_iter()
                .collect(),
        ],
    }
}
