//! The settings that only outputs of type `solr` have.

use std::time::Duration;

use url::Url;

use crate::http::{ClientSettings, Timeouts};
use crate::output::vufind::DocumentOptions;

/// The settings of an index. Each names the configuration key that sets it.
#[derive(Debug, Clone, PartialEq)]
pub struct SolrSettings {
    /// `urls`: addresses of one core or collection, at least one; each is tried in turn.
    pub urls: Vec<Url>,
    /// How to connect; its own URL is the first of `urls`.
    pub client: ClientSettings,
    /// `commit_within`: until searches show a change; `None` leaves commits to the index.
    pub commit_within: Option<Duration>,
    /// `version_field`: a field of every document for the record's version.
    pub version_field: Option<String>,
    /// `audit_filter`: a query for the documents of this output.
    pub audit_filter: Option<String>,
    /// `compare_fields`: the fields that an audit compares if there is no `version_field`.
    pub compare_fields: Vec<String>,
    /// The options of documents.
    pub documents: DocumentOptions,
}

impl SolrSettings {
    /// The defaults for an index at `url`.
    pub fn new(url: Url) -> Self {
        let mut client = ClientSettings::new(url.clone());
        client.timeouts = Timeouts {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(300),
            ..Timeouts::default()
        };
        Self {
            urls: vec![url],
            client,
            commit_within: Some(Duration::from_secs(60)),
            version_field: None,
            audit_filter: None,
            compare_fields: ["title_full", "author", "publishDate", "url"]
                .map(str::to_owned)
                .to_vec(),
            documents: DocumentOptions::default(),
        }
    }

    /// The same settings for an index at another address.
    pub(crate) fn at(&self, url: &Url) -> Self {
        let mut client = self.client.clone();
        client.url = url.clone();
        Self {
            urls: vec![url.clone()],
            client,
            ..self.clone()
        }
    }
}
