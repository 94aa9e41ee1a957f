//! The numbers of the imitated repository.

use std::time::Duration;

use crate::oai::Granularity;

const DAY: Duration = Duration::from_secs(86_400);

/// What can be set differently from DOAJ. Start from [`Settings::doaj`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The formats of the repository, in the order of ListMetadataFormats.
    pub formats: Vec<Format>,
    /// Items on a page of ListRecords and ListIdentifiers; 0 counts as 1.
    pub page_size: usize,
    /// Whether lists go down by datestamp and identifier, as DOAJ's do, or up.
    pub newest_first: bool,
    /// Without the premium key, lists end this long before now, on every page, and `<request>`
    /// echoes the lowered `until`. GetRecord is not clamped.
    pub clamp: Option<Duration>,
    /// The value of the argument `api_key` that lifts the clamp. Another value is no error.
    pub premium_key: Option<String>,
    /// How datestamps are written, and which `from` and `until` are accepted.
    pub granularity: Granularity,
    /// Whether a list of identifiers can be resumed without the premium key; if not, the answer
    /// is badArgument.
    pub list_identifiers_resumes: bool,
}

impl Settings {
    /// DOAJ's article endpoint for an anonymous caller, with no premium key set.
    pub fn doaj() -> Self {
        Self {
            formats: vec![Format::oai_dc(), Format::oai_doaj()],
            page_size: 300,
            newest_first: true,
            clamp: Some(30 * DAY),
            premium_key: None,
            granularity: Granularity::Second,
            list_identifiers_resumes: false,
        }
    }

    pub(super) fn format(&self, prefix: &str) -> Option<&Format> {
        self.formats.iter().find(|format| format.prefix == prefix)
    }
}

/// A metadata format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// `metadataPrefix`.
    pub prefix: String,
    /// `schema`.
    pub schema: String,
    /// `metadataNamespace` as announced, which need not be the one that records use.
    pub namespace: String,
    /// The namespace declarations that each header of this format carries, ready to be put into a
    /// start tag: empty, or with a leading blank.
    pub header_declarations: String,
}

impl Format {
    /// Dublin Core, as DOAJ announces it.
    pub fn oai_dc() -> Self {
        Self {
            prefix: "oai_dc".to_owned(),
            schema: "http://www.openarchives.org/OAI/2.0/oai_dc.xsd".to_owned(),
            namespace: "http://www.openarchives.org/OAI/2.0/oai_dc/".to_owned(),
            header_declarations: concat!(
                " xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"",
                " xmlns:dc=\"http://purl.org/dc/elements/1.1/\""
            )
            .to_owned(),
        }
    }

    /// DOAJ's own format. Announced with `https`, used with `http`, as DOAJ does.
    pub fn oai_doaj() -> Self {
        Self {
            prefix: "oai_doaj".to_owned(),
            schema: "https://doaj.org/static/doaj/doajArticles.xsd".to_owned(),
            namespace: "https://doaj.org/features/oai_doaj/1.0/".to_owned(),
            header_declarations: " xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\""
                .to_owned(),
        }
    }
}
