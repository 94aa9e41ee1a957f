//! The formats of files, and what they do with tombstones.

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
    /// References for LaTeX.
    Bibtex,
    /// References for citation processors, as one JSON list.
    CslJson,
}

/// What a format does with tombstones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// It lists them among the records.
    Listed,
    /// It deletes the earlier state of a record, so a file without earlier states has none.
    AsDeletions,
    /// It cannot express them.
    Omitted,
}

impl Format {
    /// All formats with their names.
    pub fn named() -> impl Iterator<Item = (Self, String)> {
        let formats = Self::value_variants().iter();
        formats.map(|format| (*format, format.name()))
    }

    /// The name on the command line, in configurations and in the service.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no format is hidden");
        value.get_name().to_owned()
    }

    /// The format of this name.
    ///
    /// # Errors
    /// All names, as a list in a sentence.
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
            Self::VufindJson | Self::VufindXml | Self::Marcxml => Tombstones::AsDeletions,
            Self::Ris | Self::Bibtex | Self::CslJson => Tombstones::Omitted,
        }
    }

    /// Whether it contains catalogue documents.
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

    /// Whether readers know its records by their identifiers alone, without the source.
    pub fn is_by_identifier(self) -> bool {
        self.tombstones() == Tombstones::AsDeletions
    }
}
