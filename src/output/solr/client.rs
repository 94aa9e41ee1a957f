//! Sends requests to an index of Solr.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::answer;
use super::settings::SolrSettings;
use crate::http::Redactor;
use crate::output::OutputSettings;
use crate::output::answer::Meaning;
use crate::output::client::{self, Body, Request};
use crate::output::target::OutputError;
use crate::stop::Stop;

const NOT_SOLR: &str = "check that urls name a core of Solr";

/// The index's decision about an update.
#[derive(Debug)]
pub(crate) enum Updated {
    /// Taken; the answer may list documents that were left out.
    Done(Value),
    /// Refused, with the message.
    Refused(String),
    /// Too large for the server.
    TooLarge,
}

/// A client for one core or collection.
#[derive(Debug)]
pub(crate) struct Client {
    requests: client::Client,
    commit_within: Option<Duration>,
}

impl Client {
    /// A client that gives up when `stop` is requested.
    ///
    /// # Errors
    /// If the settings cannot be used; nothing is sent yet.
    pub(crate) fn new(
        settings: &SolrSettings,
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
            commit_within: settings.commit_within,
        })
    }

    /// Recognises the secrets of the address that answered last.
    pub(crate) fn redactor(&self) -> Redactor {
        self.requests.redactor()
    }

    /// Sends an update message in JSON.
    pub(crate) async fn update(&self, message: Bytes) -> Result<Updated, OutputError> {
        let mut query = vec![("wt", "json".to_owned())];
        if let Some(within) = self.commit_within {
            query.push(("commitWithin", within.as_millis().to_string()));
        }
        let request = Request {
            method: Method::POST,
            path: "update",
            query: &query,
            // Any other type, and Solr takes the message for a form, says yes and does nothing.
            body: Body::Typed("application/json", message),
        };
        match self.requests.send(&request).await? {
            (_, Meaning::Done(answer)) => Ok(Updated::Done(answer)),
            (_, Meaning::Refused(message)) => Ok(Updated::Refused(message)),
            (_, Meaning::TooLarge) => Ok(Updated::TooLarge),
            (url, other) => Err(client::unexpected(url, &other, NOT_SOLR)),
        }
    }

    /// Asks a handler of the core, such as `select`. The arguments are sent as a form: servers limit the
    /// length of addresses.
    pub(crate) async fn ask(
        &self,
        handler: &str,
        arguments: &[(&str, String)],
    ) -> Result<Value, OutputError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("wt", "json")
            .extend_pairs(arguments)
            .finish();
        let request = Request {
            method: Method::POST,
            path: handler,
            query: &[],
            body: Body::Typed("application/x-www-form-urlencoded", Bytes::from(form)),
        };
        self.answered(&request).await
    }

    /// Reads a resource of the core that takes no arguments, such as `schema`.
    pub(crate) async fn read(&self, handler: &str) -> Result<Value, OutputError> {
        let request = Request {
            method: Method::GET,
            path: handler,
            query: &[("wt", "json".to_owned())],
            body: Body::None,
        };
        self.answered(&request).await
    }

    async fn answered(&self, request: &Request<'_>) -> Result<Value, OutputError> {
        match self.requests.send(request).await? {
            (_, Meaning::Done(answer)) => Ok(answer),
            (address, Meaning::Refused(message)) => Err(OutputError::Refused { address, message }),
            (url, other) => Err(client::unexpected(url, &other, NOT_SOLR)),
        }
    }
}
