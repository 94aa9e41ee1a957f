//! Sends requests to the nodes of a cluster, and learns which product answers.

use std::fmt::Write as _;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::answer;
use super::settings::OpenSearchSettings;
use crate::http::{Redactor, one_line};
use crate::output::OutputSettings;
use crate::output::answer::Meaning;
use crate::output::client::{self, Body, Request, Retries};
use crate::output::target::OutputError;
use crate::stop::Stop;

const NOT_OPENSEARCH: &str = "check that urls name nodes of OpenSearch or Elasticsearch";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// The product that answers, by the answer of `GET /`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    /// Whether it is OpenSearch; else it is Elasticsearch.
    pub(crate) is_opensearch: bool,
    /// Its version.
    pub(crate) version: String,
}

impl Product {
    fn read(answer: &Value) -> Option<Self> {
        let version = &answer["version"];
        Some(Self {
            is_opensearch: version["distribution"] == "opensearch",
            version: one_line(version["number"].as_str()?),
        })
    }

    /// Major and minor version; zeros if they are not numbers.
    fn numbers(&self) -> (u32, u32) {
        let mut parts = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// Why this version cannot be used, if it cannot. Points in time are the newest that is needed.
    pub(crate) fn problem(&self) -> Option<String> {
        let (name, oldest) = match self.is_opensearch {
            true => ("OpenSearch", (2, 4)),
            false => ("Elasticsearch", (8, 0)),
        };
        (self.numbers() < oldest).then(|| {
            format!(
                "{name} {} is too old; {name} {}.{} is the oldest that is supported",
                self.version, oldest.0, oldest.1
            )
        })
    }
}

/// The answer to a request about something that may not be there.
pub(crate) type Found = Option<Value>;

/// The cluster's decision about a batch.
#[derive(Debug)]
pub(crate) enum Bulk {
    /// The answer about each document.
    Done(Value),
    /// The whole batch is refused, with the message.
    Refused(String),
    /// It is too large.
    TooLarge,
}

/// A client for the nodes of one cluster.
#[derive(Debug)]
pub(crate) struct Client {
    requests: client::Client,
    product: OnceCell<Product>,
}

impl Client {
    /// A client that gives up when `stop` is requested.
    ///
    /// # Errors
    /// If the settings cannot be used; nothing is sent yet.
    pub(crate) fn new(
        settings: &OpenSearchSettings,
        output: &OutputSettings,
        stop: Stop,
    ) -> Result<Self, OutputError> {
        Ok(Self {
            requests: client::Client::new(
                &settings.urls,
                &settings.client,
                output,
                answer::judge,
                stop,
            )?,
            product: OnceCell::new(),
        })
    }

    /// Recognises the secrets of the address that answered last.
    pub(crate) fn redactor(&self) -> Redactor {
        self.requests.redactor()
    }

    /// The pauses between the tries of one task.
    pub(crate) fn retries(&self) -> Retries<'_> {
        self.requests.retries()
    }

    /// Sends bulk actions to an index; gives the address that answered, too.
    ///
    /// With `is_alias`, the cluster refuses actions if the alias has disappeared, instead of creating an
    /// index without our mapping.
    pub(crate) async fn bulk(
        &self,
        index: &str,
        is_alias: bool,
        actions: Bytes,
    ) -> Result<(String, Bulk), OutputError> {
        // What an action that was carried out has beside its status is not needed.
        let mut query = vec![(
            "filter_path",
            "errors,items.*.status,items.*.error".to_owned(),
        )];
        if is_alias {
            query.push(("require_alias", "true".to_owned()));
        }
        let request = Request {
            method: Method::POST,
            path: &format!("{index}/_bulk"),
            query: &query,
            body: Body::Typed(NDJSON, actions),
        };
        match self.requests.send(&request).await? {
            (url, Meaning::Done(answer)) if answer["errors"].is_boolean() => {
                Ok((url, Bulk::Done(answer)))
            }
            (url, Meaning::Refused(message)) => Ok((url, Bulk::Refused(message))),
            (url, Meaning::TooLarge) => Ok((url, Bulk::TooLarge)),
            (url, other) => Err(client::unexpected(url, &other, NOT_OPENSEARCH)),
        }
    }

    /// Sends a request with a JSON body, or without one if it is null.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Value, OutputError> {
        let (address, meaning) = self.send(method, path, query, body).await?;
        match meaning {
            Meaning::Done(answer) => Ok(answer),
            Meaning::Refused(message) => Err(OutputError::Refused { address, message }),
            Meaning::Missing(why) => Err(OutputError::Unusable {
                address,
                why,
                advice: "check index; the first push creates it".to_owned(),
            }),
            other => Err(client::unexpected(address, &other, NOT_OPENSEARCH)),
        }
    }

    /// The same for what may not be there; then the answer is `None`.
    pub(crate) async fn find(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Found, OutputError> {
        let (address, meaning) = self.send(method, path, query, body).await?;
        match meaning {
            Meaning::Done(answer) => Ok(Some(answer)),
            Meaning::Missing(_) => Ok(None),
            Meaning::Refused(message) => Err(OutputError::Refused { address, message }),
            other => Err(client::unexpected(address, &other, NOT_OPENSEARCH)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<(String, Meaning), OutputError> {
        let body = match body {
            Value::Null => Body::None,
            body => Body::Typed(JSON, Bytes::from(body.to_string())),
        };
        let request = Request {
            method,
            path,
            query,
            body,
        };
        self.requests.send(&request).await
    }

    /// The product that answers. It is asked once.
    ///
    /// # Errors
    /// If it cannot be asked, or is neither of the two.
    pub(crate) async fn product(&self) -> Result<&Product, OutputError> {
        let ask = async || {
            let answer = self.ask(Method::GET, "", &[], &Value::Null).await?;
            Product::read(&answer).ok_or_else(|| {
                let mut why = "an answer without a version: ".to_owned();
                let _ = write!(why, "{answer}");
                OutputError::Unusable {
                    address: format!("{:?}", self.requests),
                    why: one_line(&why),
                    advice: NOT_OPENSEARCH.to_owned(),
                }
            })
        };
        self.product.get_or_try_init(ask).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn products_are_recognised() {
        let cases = [
            (
                json!({"version": {"distribution": "opensearch", "number": "2.19.1"}}),
                Some((true, false)),
            ),
            (
                json!({"version": {"distribution": "opensearch", "number": "2.3.0"}}),
                Some((true, true)),
            ),
            (
                json!({"version": {"build_flavor": "default", "number": "8.15.0"}, "tagline": "t"}),
                Some((false, false)),
            ),
            (
                json!({"version": {"build_flavor": "default", "number": "7.17.1"}}),
                Some((false, true)),
            ),
            (json!({"hello": "world"}), None),
        ];
        for (answer, expected) in cases {
            let product = Product::read(&answer);
            let found = product.map(|product| (product.is_opensearch, product.problem().is_some()));
            assert_eq!(found, expected, "{answer}");
        }
    }
}
