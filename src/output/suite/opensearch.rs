//! An imitated OpenSearch, and real servers behind a front that breaks them.

use std::collections::BTreeMap;

use super::Subject;
use crate::output::opensearch::settings::OpenSearchSettings;
use crate::output::{OutputKind, OutputSettings};

#[path = "../../../tests/support/opensearch.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the file is shared with the tests of the whole program, which use all of it"
)]
mod scripted;

use scripted::{FakeOpenSearch, Real, index_name};

/// An OpenSearch that this process imitates.
pub(super) struct Scripted(Index);

/// A real OpenSearch.
pub(super) struct RealOpenSearch(Index);

/// A real Elasticsearch.
pub(super) struct RealElasticsearch(Index);

struct Index {
    server: FakeOpenSearch,
    name: String,
}

impl Index {
    fn settings(&self) -> OutputSettings {
        let url = self.server.url.parse().expect("it has a URL");
        let settings = OpenSearchSettings::new(url, &self.name);
        OutputSettings::new("v", OutputKind::OpenSearch(Box::new(settings)))
    }

    fn documents(&self) -> BTreeMap<String, String> {
        let title = |document: &serde_json::Value| {
            let title = document["resource"]["titles"][0]["text"].as_str();
            title.expect("each document has a title").to_owned()
        };
        let documents = self.server.documents(&self.name);
        documents
            .iter()
            .map(|(id, document)| (id.clone(), title(document)))
            .collect()
    }

    fn arrived(&self) -> Vec<String> {
        self.server.state().bulks.concat()
    }

    fn fail_after(&self, batches: usize, share: f64) {
        self.server.state().outage = Some((batches, share));
    }

    fn refuse(&self, id: &str) {
        self.server.state().refused.insert(id.to_owned());
    }
}

/// Implements a subject by its index.
macro_rules! subject {
    ($subject:ty, $start:expr, $is_available:expr) => {
        impl Subject for $subject {
            fn is_available() -> bool {
                $is_available
            }

            async fn start() -> Self {
                Self(Index {
                    server: $start,
                    name: index_name(),
                })
            }

            fn settings(&self) -> OutputSettings {
                self.0.settings()
            }

            fn documents(&self) -> BTreeMap<String, String> {
                self.0.documents()
            }

            fn arrived(&self) -> Vec<String> {
                self.0.arrived()
            }

            fn fail_after(&self, batches: usize, share: f64) {
                self.0.fail_after(batches, share);
            }

            fn refuse(&self, id: &str) {
                self.0.refuse(id);
            }

            fn heal(&self) {
                self.0.server.heal();
            }
        }
    };
}

subject!(Scripted, FakeOpenSearch::start().await, true);
subject!(
    RealOpenSearch,
    before(Real::OpenSearch).await,
    Real::OpenSearch.url().is_some()
);
subject!(
    RealElasticsearch,
    before(Real::Elasticsearch).await,
    Real::Elasticsearch.url().is_some()
);

async fn before(real: Real) -> FakeOpenSearch {
    let server = FakeOpenSearch::start_before(real).await;
    server.expect("only available servers are tested")
}
