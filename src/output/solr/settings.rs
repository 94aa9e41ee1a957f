//! What an index is told: where it is, what it gets, in which portions.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::http::{ClientSettings, Timeouts};
use crate::output::enrich::Part;
use crate::output::vufind::DocumentOptions;
use crate::store::{ChangeFilter, Per, Version};

/// What the name of a rebuild ends with; no configured name can.
pub(crate) const REBUILD: &str = "@rebuild";

/// The settings of one output of type `solr`. Each names the configuration key that sets it.
#[derive(Debug, Clone, PartialEq)]
pub struct SolrSettings {
    /// `name`: the store knows its position by it.
    pub name: String,
    /// `urls`: addresses of one core or collection, at least one; each is tried in turn.
    pub urls: Vec<Url>,
    /// How to connect; its own URL is the first of `urls`.
    pub client: ClientSettings,
    /// Whether this is a second index that is to take the place of the output's own.
    pub is_rebuild: bool,
    /// `sources`: whose records are sent; of all sources, if `sets` is empty too.
    pub sources: Vec<String>,
    /// `sets`: sources of which only the records in these sets are sent.
    pub sets: BTreeMap<String, Vec<String>>,
    /// `per`: what one document is.
    pub per: Per,
    /// `enrich` under `[dedup]`: what the document of a work takes from its other records; none
    /// unless one document is a work.
    pub enrich: Vec<Part>,
    /// `parallel_requests`: how many requests are under way at a time, at least one.
    pub parallel_requests: usize,
    /// `batch_documents`: at most so many commands in one request, at least one.
    pub batch_documents: usize,
    /// `batch_bytes`: a request is sent once it is this large. One document may be larger.
    pub batch_bytes: u64,
    /// `commit_within`: until searches show a change; `None` leaves commits to the index.
    pub commit_within: Option<Duration>,
    /// `retries`: how often a request that failed is tried again.
    pub retries: u32,
    /// `retry_pause`: before the first such try; it doubles each time.
    pub retry_pause: Duration,
    /// `version_field`: a field that every document gets, with the record's version.
    pub version_field: Option<String>,
    /// `audit_filter`: a query for those documents of the index that are ours.
    pub audit_filter: Option<String>,
    /// `compare_fields`: what an audit compares where there is no `version_field`.
    pub compare_fields: Vec<String>,
    /// The options of the documents.
    pub documents: DocumentOptions,
}

impl SolrSettings {
    /// The defaults for an index at `url`.
    pub fn new(name: impl Into<String>, url: Url) -> Self {
        let mut client = ClientSettings::new(url.clone());
        client.timeouts = Timeouts {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(300),
            ..Timeouts::default()
        };
        Self {
            name: name.into(),
            urls: vec![url],
            client,
            is_rebuild: false,
            sources: Vec::new(),
            sets: BTreeMap::new(),
            per: Per::Record,
            enrich: Vec::new(),
            parallel_requests: 2,
            batch_documents: 500,
            batch_bytes: 8 << 20,
            commit_within: Some(Duration::from_secs(60)),
            retries: 6,
            retry_pause: Duration::from_secs(2),
            version_field: None,
            audit_filter: None,
            compare_fields: ["title_full", "author", "publishDate", "url"]
                .map(str::to_owned)
                .to_vec(),
            documents: DocumentOptions::default(),
        }
    }

    /// The same output, built anew in another core. It has a position of its own.
    pub fn rebuild(&self, target: Url) -> Self {
        let mut client = self.client.clone();
        client.url = target.clone();
        Self {
            name: format!("{}{REBUILD}", self.name),
            urls: vec![target],
            client,
            is_rebuild: true,
            ..self.clone()
        }
    }

    /// The changes after `since` that concern this output; `None` for what there is at all.
    pub(crate) fn filter(&self, since: impl Into<Option<Version>>) -> ChangeFilter {
        ChangeFilter {
            since: since.into(),
            sources: self.sources.clone(),
            sets: self.sets.clone(),
            per: self.per,
            with_others: !self.enrich.is_empty(),
            // What the last request brought is settled with this one's changes.
            by_identifier: false,
            id_spaces: self.documents.id_spaces(),
        }
    }

    /// All that decides which documents the index gets, as one text: when it changes, what was sent
    /// before is no longer what would be sent now.
    pub(crate) fn definition(&self) -> String {
        // Where documents go is no part of it, since an index may move; but a second attempt at a
        // rebuild elsewhere begins with nothing.
        let mut definition = format!(
            "{:?}",
            (
                self.is_rebuild.then_some(&self.urls),
                &self.sources,
                self.per,
                &self.version_field,
                self.documents.fingerprint(),
            )
        );
        // Not a part of the others, so that outputs without either need not be sent again.
        if !self.sets.is_empty() || !self.enrich.is_empty() {
            definition.push_str(&format!("{:?}", (&self.sets, &self.enrich)));
        }
        blake3::hash(definition.as_bytes()).to_hex().to_string()
    }
}
