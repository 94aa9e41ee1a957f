//! Which formats are there to write records in, and what do they do with tombstones?

use clap::ValueEnum;

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
    /// What this format does with tombstones.
    pub fn tombstones(self) -> Tombstones {
        match self {
            Self::Jsonl | Self::Xml | Self::OaiDc | Self::Csv => Tombstones::Listed,
            Self::VufindJson | Self::VufindXml | Self::Marcxml => Tombstones::TakenAway,
            Self::Ris => Tombstones::Unspoken,
        }
    }
}
