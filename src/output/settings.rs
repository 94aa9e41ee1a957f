//! The settings of an output that is pushed to: which changes it gets, in which batches, and where it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::delta::settings::DeltaSettings;
use super::enrich::Part;
use super::fingerprint;
use super::jsonl::SCHEMA_VERSION;
use super::opensearch::settings::OpenSearchSettings;
use super::solr::settings::SolrSettings;
use super::target::{Connection, Documents, OutputError, SwapError, SwapTarget, Unsupported};
use crate::schedule::Schedule;
use crate::stop::Stop;
use crate::store::{ChangeFilter, Output, Per, Version};

/// The end of the name of a rebuild. Configured names cannot contain `@`.
const REBUILD: &str = "@rebuild";

/// The settings of one `[[output]]`. Each names the configuration key that sets it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSettings {
    /// `name`: the store keeps the position under this name.
    pub name: String,
    /// Whether this is a second index that is to replace the output's own.
    pub is_rebuild: bool,
    /// `sources`: the sources whose records are sent; all sources, if `sets` is empty too.
    pub sources: Vec<String>,
    /// `sets`: sources of which only the records in these sets are sent.
    pub sets: BTreeMap<String, Vec<String>>,
    /// `per`: whether a document stands for a record or for a cluster.
    pub per: Per,
    /// `enrich` under `[dedup]`: what the document of a cluster takes from its other records. Empty
    /// unless `per` is a cluster.
    pub enrich: Vec<Part>,
    /// `parallel_requests`: the number of batches in flight, at least one.
    pub parallel_requests: usize,
    /// `batch_documents`: the most documents in one batch, at least one.
    pub batch_documents: usize,
    /// `batch_bytes`: a batch is full at this size. A single document may be larger.
    pub batch_bytes: u64,
    /// `retries`: how often a failed request is repeated.
    pub retries: u32,
    /// `retry_pause`: the pause before the first repetition; it doubles each time.
    pub retry_pause: Duration,
    /// When the daemon pushes.
    pub schedule: Schedule,
    /// `type`, and the settings that only this type has.
    pub kind: OutputKind,
}

/// `type`: the type of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// An index in VuFind's schema.
    Solr,
    /// An index of OpenSearch or Elasticsearch.
    OpenSearch,
    /// A Delta Lake table.
    Delta,
}

impl OutputType {
    /// All types.
    pub const ALL: [Self; 3] = [Self::Solr, Self::OpenSearch, Self::Delta];

    /// The configured name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solr => "solr",
            Self::OpenSearch => "opensearch",
            Self::Delta => "delta",
        }
    }
}

/// The settings that only outputs of one type have.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputKind {
    /// Those of [`OutputType::Solr`].
    Solr(Box<SolrSettings>),
    /// Those of [`OutputType::OpenSearch`].
    OpenSearch(Box<OpenSearchSettings>),
    /// Those of [`OutputType::Delta`].
    Delta(Box<DeltaSettings>),
}

impl OutputKind {
    /// The type of the output.
    pub fn output_type(&self) -> OutputType {
        match self {
            Self::Solr(_) => OutputType::Solr,
            Self::OpenSearch(_) => OutputType::OpenSearch,
            Self::Delta(_) => OutputType::Delta,
        }
    }

    /// How records become documents; `None` for a table, whose rows are the changes themselves.
    pub(crate) fn documents(&self) -> Option<&dyn Documents> {
        match self {
            Self::Solr(solr) => Some(&**solr),
            Self::OpenSearch(index) => Some(&**index),
            Self::Delta(_) => None,
        }
    }
}

impl OutputSettings {
    /// The defaults of an output.
    pub fn new(name: impl Into<String>, kind: OutputKind) -> Self {
        Self {
            name: name.into(),
            is_rebuild: false,
            sources: Vec::new(),
            sets: BTreeMap::new(),
            per: Per::Record,
            enrich: Vec::new(),
            parallel_requests: 2,
            batch_documents: 500,
            batch_bytes: 8 << 20,
            retries: 6,
            retry_pause: Duration::from_secs(2),
            schedule: Schedule::of_pushes(),
            kind,
        }
    }

    /// Connects to the target. No request is sent yet.
    ///
    /// # Errors
    /// [`OutputError::Settings`].
    pub(crate) fn connect(&self, stop: Stop) -> Result<Connection, OutputError> {
        Ok(match &self.kind {
            OutputKind::Solr(solr) => Connection::Index(Box::new(solr.connect(self, stop)?)),
            OutputKind::OpenSearch(index) => {
                Connection::Index(Box::new(index.connect(self, stop)?))
            }
            OutputKind::Delta(table) => {
                let (table, output) = (table.clone(), self.clone());
                Connection::Table(Box::new(move || table.connect(&output, stop)))
            }
        })
    }

    /// Why a table has no `operation`.
    pub(crate) fn table_has_no(&self, operation: &'static str) -> Unsupported {
        Unsupported {
            kind: self.kind.output_type().name(),
            operation,
            reason: "a table keeps every change, and commits changes and position together; \
                     `harvestd push --all` appends everything again",
        }
    }

    /// The settings of the same output, rebuilt at another address with a position of its own.
    ///
    /// # Errors
    /// [`Unsupported`] by outputs that cannot be rebuilt beside the live one.
    pub fn rebuild(&self, address: &Url) -> Result<Self, Unsupported> {
        Ok(Self {
            name: format!("{}{REBUILD}", self.name),
            is_rebuild: true,
            kind: match &self.kind {
                OutputKind::Solr(solr) => OutputKind::Solr(Box::new(solr.at(address))),
                OutputKind::OpenSearch(index) => {
                    OutputKind::OpenSearch(Box::new(index.at(address)))
                }
                OutputKind::Delta(_) => return Err(self.table_has_no("rebuild")),
            },
            ..self.clone()
        })
    }

    /// Connects to the server that can put the index at `address` in the place of the live one.
    ///
    /// # Errors
    /// [`SwapError`], above all if both are not on one server.
    pub(crate) fn connect_swap(
        &self,
        address: &Url,
        stop: &Stop,
    ) -> Result<Box<dyn SwapTarget>, SwapError> {
        match &self.kind {
            OutputKind::Solr(solr) => Ok(Box::new(solr.connect_swap(self, address, stop)?)),
            OutputKind::OpenSearch(index) => Ok(Box::new(index.connect_swap(self, address, stop)?)),
            OutputKind::Delta(_) => Err(self.table_has_no("swap").into()),
        }
    }

    /// The name of the output that a rebuild is for; `None` if `name` is not that of a rebuild.
    pub fn rebuilt_output(name: &str) -> Option<&str> {
        name.strip_suffix(REBUILD)
    }

    /// Whether this output has an address.
    pub fn has_address(&self, address: &Url) -> bool {
        self.addresses().contains(address)
    }

    /// The addresses of the index or table.
    fn addresses(&self) -> Cow<'_, [Url]> {
        match &self.kind {
            OutputKind::Solr(solr) => Cow::Borrowed(&solr.urls),
            OutputKind::OpenSearch(index) => Cow::Owned(index.addresses()),
            OutputKind::Delta(table) => Cow::Owned(vec![table.url.clone()]),
        }
    }

    /// Whether both outputs write to one index.
    pub(crate) fn shares_index_with(&self, other: &Self) -> bool {
        let others = other.addresses();
        let is_same_type = self.kind.output_type() == other.kind.output_type();
        is_same_type && self.addresses().iter().any(|url| others.contains(url))
    }

    /// How records become documents of this output, which is an index.
    pub(crate) fn documents(&self) -> &dyn Documents {
        let documents = self.kind.documents();
        documents.expect("whoever asks for documents is connected to an index")
    }

    /// The changes after `since` that concern this output; `None` for the whole store.
    pub(crate) fn filter(&self, since: impl Into<Option<Version>>) -> ChangeFilter {
        ChangeFilter {
            since: since.into(),
            sources: self.sources.clone(),
            sets: self.sets.clone(),
            per: self.per,
            with_others: !self.enrich.is_empty(),
            // The push looks for namesakes itself, batch by batch.
            by_identifier: false,
            id_spaces: self
                .kind
                .documents()
                .map(Documents::id_spaces)
                .unwrap_or_default(),
        }
    }

    /// The fingerprint of everything that decides which documents the target gets. Where it changes,
    /// everything is sent again.
    pub(crate) fn definition(&self) -> String {
        /// Renaming one of these fields sends all documents of all outputs again.
        #[derive(Serialize)]
        struct Definition<'a> {
            kind: &'static str,
            /// A live index may move to another address; a rebuild elsewhere begins with nothing.
            #[serde(skip_serializing_if = "Option::is_none")]
            rebuild_at: Option<String>,
            sources: &'a [String],
            sets: &'a BTreeMap<String, Vec<String>>,
            per: Per,
            enrich: Vec<String>,
            documents: String,
        }
        let rebuild_at = self.is_rebuild.then(|| {
            let addresses = self.addresses();
            let texts: Vec<&str> = addresses.iter().map(Url::as_str).collect();
            texts.join(" ")
        });
        fingerprint::of(&Definition {
            kind: self.kind.output_type().name(),
            rebuild_at,
            sources: &self.sources,
            sets: &self.sets,
            per: self.per,
            enrich: self.enrich.iter().map(Part::name).collect(),
            documents: match self.kind.documents() {
                Some(documents) => documents.definition(),
                None => SCHEMA_VERSION.to_string(),
            },
        })
    }

    /// Whether the output's position counts for these settings. If not, everything is to be sent.
    ///
    /// Positions of the first release carry a fingerprint that can no longer be computed. They count,
    /// except those of rebuilds, whose address they do not tell.
    pub(crate) fn is_position_of(&self, known: &Output) -> bool {
        known.definition == self.definition()
            || (fingerprint::is_of_first_release(&known.definition) && !self.is_rebuild)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::push::tests::settings;

    /// A changed value here means that every output sends all its documents again after an upgrade.
    #[test]
    fn the_fingerprint_of_known_settings_stays() {
        assert_eq!(
            settings().definition(),
            "v2:73a8bcfffba84b79a47e8d8ba3ed5c1192e45025125efa62e518c193b74bc4d8"
        );
    }

    #[test]
    fn what_decides_about_documents_is_in_the_fingerprint() {
        let solr = |settings: &mut OutputSettings, change: fn(&mut SolrSettings)| {
            let OutputKind::Solr(solr) = &mut settings.kind else {
                panic!("these are settings of Solr");
            };
            change(solr);
        };
        type Case<'a> = (&'a str, bool, &'a dyn Fn(&mut OutputSettings));
        let cases: [Case<'_>; 10] = [
            ("sources", true, &|s| s.sources = vec!["a".to_owned()]),
            ("sets", true, &|s| {
                drop(s.sets.insert("a".to_owned(), Vec::new()))
            }),
            ("per", true, &|s| s.per = Per::Cluster),
            ("enrich", true, &|s| s.enrich = vec![Part::Doi]),
            ("version field", true, &|s| {
                solr(s, |solr| solr.version_field = Some("v".to_owned()));
            }),
            ("options", true, &|s| {
                solr(s, |solr| {
                    solr.documents.default.institution = "I".to_owned()
                });
            }),
            ("options of a source", true, &|s| {
                solr(s, |solr| {
                    let mut own = solr.documents.default.clone();
                    own.institution = "I".to_owned();
                    solr.documents.by_source.insert("a".to_owned(), own);
                });
            }),
            ("name", false, &|s| s.name = "w".to_owned()),
            ("batches", false, &|s| s.batch_documents = 1),
            ("address", false, &|s| {
                solr(s, |solr| {
                    *solr = solr.at(&"http://other/solr/b".parse().unwrap())
                });
            }),
        ];
        for (case, is_in, change) in cases {
            let mut changed = settings();
            change(&mut changed);
            let differs = changed.definition() != settings().definition();
            assert_eq!(differs, is_in, "{case}");
        }
    }

    #[test]
    fn a_rebuild_at_another_address_begins_with_nothing() {
        let rebuild = |url: &str| settings().rebuild(&url.parse().unwrap()).unwrap();
        let next = rebuild("http://localhost/solr/next");
        assert_eq!(OutputSettings::rebuilt_output(&next.name), Some("v"));
        assert_ne!(next.definition(), settings().definition());
        let other = rebuild("http://localhost/solr/other");
        assert_ne!(next.definition(), other.definition());
    }
}
