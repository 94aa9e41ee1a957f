//! The settings that only outputs of type `opensearch` have.

use std::time::Duration;

use url::Url;

use crate::http::{ClientSettings, Timeouts};
use crate::output::vufind::DocumentOptions;

/// `document`: what a document is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DocumentKind {
    /// The record's data and its resource, as in a line of the JSONL export.
    #[default]
    Resource,
    /// VuFind's document, as in an index of Solr.
    Vufind,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Resource, Self::Vufind];

    /// The configured name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Vufind => "vufind",
        }
    }
}

/// The settings of an index. Each names the configuration key that sets it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSearchSettings {
    /// `urls`: addresses of nodes of one cluster, at least one; each is tried in turn.
    pub urls: Vec<Url>,
    /// `index`: an alias of one index, or an index.
    pub index: String,
    /// Whether the index is built beside a live one, so it is created without an alias.
    pub is_beside: bool,
    /// How to connect; its own URL is the first of `urls`.
    pub client: ClientSettings,
    /// `document`: what a document is.
    pub document: DocumentKind,
    /// `audit_filter`: a query for the documents of this output.
    pub audit_filter: Option<String>,
    /// The options of documents. Of these, resources have only the ids.
    pub documents: DocumentOptions,
}

impl OpenSearchSettings {
    /// The defaults for an index of the node at `url`.
    pub fn new(url: Url, index: impl Into<String>) -> Self {
        let mut client = ClientSettings::new(url.clone());
        client.timeouts = Timeouts {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(300),
            ..Timeouts::default()
        };
        Self {
            urls: vec![url],
            index: index.into(),
            is_beside: false,
            client,
            document: DocumentKind::default(),
            audit_filter: None,
            documents: DocumentOptions::default(),
        }
    }

    /// The same settings for an index beside this one: the last part of the address is its name, and
    /// what is before it is the node. Without a name the index is empty, and cannot be connected to.
    pub(crate) fn at(&self, address: &Url) -> Self {
        let (node, index) = split(address);
        let mut client = self.client.clone();
        client.url = node.clone();
        Self {
            urls: vec![node],
            index,
            is_beside: true,
            client,
            ..self.clone()
        }
    }

    /// The addresses of the index.
    pub(crate) fn addresses(&self) -> Vec<Url> {
        let address = |node: &Url| {
            let mut url = node.clone();
            url.set_path(&format!(
                "{}/{}",
                node.path().trim_end_matches('/'),
                self.index
            ));
            url
        };
        self.urls.iter().map(address).collect()
    }
}

/// The node of an address, and the name of the index there.
fn split(address: &Url) -> (Url, String) {
    let path = address.path().trim_end_matches('/');
    let (before, index) = path.rsplit_once('/').unwrap_or(("", path));
    let mut node = address.clone();
    node.set_path(before);
    (node, index.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_node_and_an_index() {
        let live = OpenSearchSettings::new("http://a:9200".parse().unwrap(), "records");
        let cases = [
            ("http://a:9200/next", "http://a:9200/", "next"),
            ("http://a:9200/next/", "http://a:9200/", "next"),
            ("https://a/search/next", "https://a/search", "next"),
            ("http://a:9200", "http://a:9200/", ""),
        ];
        for (address, node, index) in cases {
            let address: Url = address.parse().unwrap();
            let beside = live.at(&address);
            assert_eq!(beside.urls[0].as_str(), node, "{address}");
            assert_eq!(beside.index, index, "{address}");
            let shown = beside.addresses()[0].to_string();
            assert_eq!(
                shown.trim_end_matches('/'),
                address.as_str().trim_end_matches('/')
            );
        }
    }
}
