//! What the repository serves, and under which name.

use std::net::SocketAddr;

use crate::store::ChangeFilter;

/// The checked keys of `[daemon.oai]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSettings {
    /// `listen`: an address of its own; `None` for the address of the status page.
    pub listen: Option<SocketAddr>,
    /// `path`: the path of the base URL, which begins with a slash.
    pub path: String,
    /// `repository_name`: the name in Identify.
    pub repository_name: String,
    /// `admin_email`: the mail addresses in Identify, at least one.
    pub admin_emails: Vec<String>,
    /// `base_url`: the URL in Identify; `None` for the one that a request was sent to.
    pub base_url: Option<String>,
    /// `page_size`: the number of records or headers on a full page.
    pub page_size: usize,
    /// `formats`: the formats that are served beside `oai_dc`.
    pub formats: Vec<ProviderFormat>,
    /// `sources`, `sets` and `per`: what is served.
    pub filter: ChangeFilter,
    /// `identifier_namespace`: the second part of identifiers that are made because two sources have the
    /// same identifier.
    pub identifier_namespace: String,
    /// `tombstone_days` of `[daemon]` is set: tombstones are forgotten after some time.
    pub forgets_deletions: bool,
}

/// A group of formats that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderFormat {
    /// Dublin Core. It is always served.
    OaiDc,
    /// MARC 21, written from every record that can be read.
    Marcxml,
    /// The metadata as received, under the metadataPrefix that it was harvested with.
    Native,
}

impl ProviderFormat {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::OaiDc, Self::Marcxml, Self::Native];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::OaiDc => "oai_dc",
            Self::Marcxml => "marcxml",
            Self::Native => "native",
        }
    }
}

impl ProviderSettings {
    /// Whether a group of formats is served.
    pub(super) fn serves(&self, format: ProviderFormat) -> bool {
        format == ProviderFormat::OaiDc || self.formats.contains(&format)
    }

    /// A number that differs if lists of these settings have other records.
    pub(super) fn fingerprint(&self) -> u64 {
        let filter = &self.filter;
        let text = format!(
            "{:?} {:?} {:?} {:?} {}",
            filter.sources, filter.sets, filter.per, self.formats, self.identifier_namespace
        );
        let hash = blake3::hash(text.as_bytes());
        u64::from_le_bytes(
            hash.as_bytes()[..8]
                .try_into()
                .expect("a hash has 32 bytes"),
        )
    }
}
