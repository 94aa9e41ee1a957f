//! Which formats are there to write records in, and what do they do with tombstones?

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::vufind::DocumentOptions;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object for each record, one in each line.
    Jsonl,
    /// The metadata as the repositories sent it, in one XML document.
    Xml,
    /// Catalogue documents as an update message for Solr, in JSON.
    VufindJson,
    /// Catalogue documents as an update message for Solr, in XML.
    VufindXml,
    /// Dublin Core, in one XML document.
    #[value(name = "oai_dc")]
    OaiDc,
    /// MARC 21, as one MARCXML collection.
    Marcxml,
    /// One row for each record, with a heading.
    Csv,
    /// References for reference managers.
    Ris,
}

/// What a format does with tombstones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// It lists them among the records.
    Listed,
    /// It takes away what was there: without an earlier state, there is nothing to say.
    TakenAway,
    /// It has no way to speak of them.
    Unspoken,
}

impl Format {
    /// All formats with the names that command line, configuration and service know them by.
    pub fn named() -> impl Iterator<Item = (Self, String)> {
        Self::value_variants().iter().filter_map(|format| {
            let value = format.to_possible_value()?;
            Some((*format, value.get_name().to_owned()))
        })
    }

    /// The format of this name.
    ///
    /// # Errors
    /// With the names that there are, as a list in a sentence.
    pub fn from_name(name: &str) -> Result<Self, String> {
        Self::from_str(name, false).map_err(|_| {
            let names: Vec<String> = Self::named().map(|(_, name)| name).collect();
            names.join(", ")
        })
    }

    /// What this format does with tombstones.
    pub fn tombstones(self) -> Tombstones {
        match self {
            Self::Jsonl | Self::Xml | Self::OaiDc | Self::Csv => Tombstones::Listed,
            Self::VufindJson | Self::VufindXml | Self::Marcxml => Tombstones::TakenAway,
            Self::Ris => Tombstones::Unspoken,
        }
    }

    /// Whether it has catalogue documents.
    pub fn is_catalogue(self) -> bool {
        matches!(self, Self::VufindJson | Self::VufindXml)
    }

    /// See [`ChangeFilter::id_spaces`](crate::store::ChangeFilter::id_spaces).
    pub(crate) fn id_spaces(self, documents: &DocumentOptions) -> BTreeMap<String, String> {
        match self.is_catalogue() {
            true => documents.id_spaces(),
            false => BTreeMap::new(),
        }
    }

    /// Whether its records are known by their identifiers alone, whatever source they are of.
    pub fn is_by_identifier(self) -> bool {
        self.tombstones() == Tombstones::TakenAway
    }
}
