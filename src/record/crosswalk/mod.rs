//! From metadata to the resource model: one file for each metadata format.

mod checks;
pub mod datacite;
pub mod doaj_json;
pub mod dublin_core;
#[cfg(test)]
mod format_samples;
pub mod jats;
mod kinds;
pub mod marc21;
pub mod mods;
pub mod oai_doaj;
pub mod openaire;
mod relators;
pub mod uketd_dc;
mod values;
mod words;

use thiserror::Error;

pub use dublin_core::Header;

use crate::record::Resource;
use crate::record::xml::{Element, Namespace, Token, Walker, XmlError};

/// Why metadata could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CrosswalkError {
    /// Not well-formed.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not JSON, or JSON of another shape.
    #[error("unreadable DOAJ JSON: {0}")]
    Json(String),
    /// The format is known, but what it is about is missing.
    #[error("the metadata has no {0}")]
    Empty(&'static str),
    /// A format without a crosswalk.
    #[error("no crosswalk for metadata format {metadata_prefix:?} with {root}")]
    UnknownFormat {
        /// The metadataPrefix it came under.
        metadata_prefix: String,
        /// How the document begins, for error messages.
        root: String,
    },
}

/// The metadata formats that have a crosswalk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// DOAJ's own, `oai_doaj`.
    OaiDoaj,
    /// Dublin Core in the container of `oai_dc`.
    OaiDc,
    /// Dublin Core in another container, simple or qualified: `dc`, `qdc`, `oai_qdc`.
    QualifiedDc,
    /// DSpace's intermediate format.
    Dim,
    /// DSpace's internal format.
    Xoai,
    /// ETD-MS, for theses.
    EtdMs,
    /// DOAJ's JSON: of its API, its public data dump and older ones.
    DoajJson,
    /// MARC 21 in MARCXML.
    Marc21,
    /// MODS.
    Mods,
    /// DataCite, bare or in the envelope of `oai_datacite`.
    DataCite,
    /// The literature guidelines of OpenAIRE, version 4.
    OpenAire,
    /// JATS, or the NLM's format before it.
    Jats,
    /// Theses of the United Kingdom, `uketd_dc`.
    UketdDc,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 13] = [
        Self::OaiDoaj,
        Self::OaiDc,
        Self::QualifiedDc,
        Self::Dim,
        Self::Xoai,
        Self::EtdMs,
        Self::DoajJson,
        Self::Marc21,
        Self::Mods,
        Self::DataCite,
        Self::OpenAire,
        Self::Jats,
        Self::UketdDc,
    ];
}

/// Reads a metadata document, whatever its format.
///
/// `metadata` is a document of its own, as stored: XML, or a JSON object.
///
/// # Errors
/// [`CrosswalkError`]; never a partial resource.
pub fn resource(metadata_prefix: &str, metadata: &str) -> Result<Resource, CrosswalkError> {
    resource_of(metadata_prefix, metadata, Header::default())
}

/// As [`resource`], of a record whose header is known, which may tell what the metadata does not.
///
/// # Errors
/// As [`resource`].
pub fn resource_of(
    metadata_prefix: &str,
    metadata: &str,
    header: Header<'_>,
) -> Result<Resource, CrosswalkError> {
    read(format(metadata_prefix, metadata)?, metadata, header)
}

/// Reads a metadata document of a known format.
///
/// # Errors
/// As [`resource`].
pub fn read(
    format: Format,
    metadata: &str,
    header: Header<'_>,
) -> Result<Resource, CrosswalkError> {
    match format {
        Format::OaiDoaj => oai_doaj::resource(metadata),
        Format::OaiDc | Format::QualifiedDc | Format::Dim | Format::Xoai | Format::EtdMs => {
            dublin_core::resource_with_header(metadata, header)
        }
        Format::DoajJson => doaj_json::resource(metadata),
        Format::Marc21 => marc21::resource(metadata),
        Format::Mods => mods::resource(metadata),
        Format::DataCite => datacite::resource(metadata),
        Format::OpenAire => openaire::resource(metadata),
        Format::Jats => jats::resource(metadata),
        Format::UketdDc => uketd_dc::resource(metadata),
    }
}

/// As [`resource`], but parts that only readers of a record need may be missing: abstracts, keywords,
/// all of authors but their names, flags. For deduplication, which reads each record.
///
/// # Errors
/// As [`resource`], of the same documents.
pub(crate) fn outline(metadata_prefix: &str, metadata: &str) -> Result<Resource, CrosswalkError> {
    match format(metadata_prefix, metadata)? {
        Format::OaiDoaj => oai_doaj::outline(metadata),
        format => read(format, metadata, Header::default()),
    }
}

/// The format of a metadata document.
///
/// The namespace of the root element decides, since repositories name formats as they like (`dc` for
/// `oai_dc`). `metadata_prefix` decides if the namespace is unknown.
///
/// # Errors
/// [`CrosswalkError::Xml`] if there is no root element, [`CrosswalkError::UnknownFormat`] if
/// neither tells.
pub fn format(metadata_prefix: &str, metadata: &str) -> Result<Format, CrosswalkError> {
    if metadata
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with(['{', '['])
    {
        return Ok(Format::DoajJson);
    }
    let root = match Walker::new(metadata).next()? {
        Some(Token::Start(root)) => root,
        _ => return Err(unknown(metadata_prefix, "no root element".to_owned())),
    };
    match (root.namespace, root.local_name()) {
        (Namespace::OaiDoaj | Namespace::None | Namespace::OaiPmh, "doajArticle") => {
            Ok(Format::OaiDoaj)
        }
        (Namespace::OaiDc, _) => Ok(Format::OaiDc),
        (
            Namespace::Dc | Namespace::None | Namespace::OaiPmh | Namespace::Other,
            "dc" | "qualifieddc" | "dcterms",
        ) => Ok(Format::QualifiedDc),
        (_, "dim") => Ok(Format::Dim),
        (_, "thesis") => Ok(Format::EtdMs),
        // Other formats have an element of this name too; what is in it tells.
        (Namespace::Other | Namespace::None, "metadata") if is_xoai(metadata) => Ok(Format::Xoai),
        (Namespace::Marc, _) => Ok(Format::Marc21),
        (Namespace::Mods, _) | (_, "mods" | "modsCollection") => Ok(Format::Mods),
        (Namespace::DataCite, _) | (_, "oai_datacite") => Ok(Format::DataCite),
        (Namespace::OpenAire, _) => Ok(Format::OpenAire),
        (Namespace::Uketd, _) | (_, "uketddc" | "uketd_dc") => Ok(Format::UketdDc),
        // Names that several formats have: what is in the element tells.
        (_, "record" | "collection")
            if begins_with(metadata, &["leader", "controlfield", "datafield"]) =>
        {
            Ok(Format::Marc21)
        }
        (_, "article") if begins_with(metadata, &["front", "front-stub"]) => Ok(Format::Jats),
        (_, "resource") if begins_with(metadata, &["creators", "titles", "resourceType"]) => {
            Ok(Format::DataCite)
        }
        _ => match metadata_prefix.to_ascii_lowercase().as_str() {
            "oai_doaj" if is_doaj(&root) => Ok(Format::OaiDoaj),
            "oai_dc" | "dc" | "qdc" | "oai_qdc" | "dcterms" => Ok(Format::QualifiedDc),
            _ => Err(unknown(
                metadata_prefix,
                format!("root element {:?}", root.local_name()),
            )),
        },
    }
}

/// Whether one of the first elements of a document, at any depth, has one of these names.
fn begins_with(metadata: &str, names: &[&str]) -> bool {
    const ELEMENTS: usize = 16;
    let mut walker = Walker::new(metadata);
    let mut seen = 0;
    while seen < ELEMENTS {
        match walker.next() {
            Ok(Some(Token::Start(element))) => {
                if names.contains(&element.local_name()) {
                    return true;
                }
                seen += 1;
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    false
}

/// Whether the root's first child is an element named `element`.
fn is_xoai(metadata: &str) -> bool {
    let mut walker = Walker::new(metadata);
    let mut starts = 0;
    while let Ok(Some(token)) = walker.next() {
        if let Token::Start(element) = token {
            starts += 1;
            if starts == 2 {
                return element.local_name() == "element";
            }
        }
    }
    false
}

fn unknown(metadata_prefix: &str, root: String) -> CrosswalkError {
    CrosswalkError::UnknownFormat {
        metadata_prefix: metadata_prefix.to_owned(),
        root,
    }
}

/// Whether an element may be one of DOAJ's: in its namespace under either scheme, in none, or in
/// the envelope's, which elements without prefix inherit.
pub(crate) fn is_doaj(element: &Element<'_>) -> bool {
    matches!(
        element.namespace,
        Namespace::OaiDoaj | Namespace::None | Namespace::OaiPmh
    )
}

/// A text without the white space around it; `None` if nothing is left.
fn non_blank(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::record::samples;

    #[test]
    fn recognises_formats() {
        let cases = [
            (
                "oai_doaj",
                r#"<d:doajArticle xmlns:d="https://doaj.org/features/oai_doaj/1.0/"/>"#,
                Format::OaiDoaj,
            ),
            (
                "oai_dc",
                r#"<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"/>"#,
                Format::OaiDc,
            ),
            (
                "dc",
                r#"<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"/>"#,
                Format::OaiDc,
            ),
            ("whatever", "<dc/>", Format::QualifiedDc),
            ("oai_dc", "<doajArticle/>", Format::OaiDoaj),
            ("dc", "<metadata/>", Format::QualifiedDc),
            (
                "qdc",
                r#"<q:qualifieddc xmlns:q="http://dspace.org/qualifieddc/"/>"#,
                Format::QualifiedDc,
            ),
            (
                "dim",
                r#"<dim:dim xmlns:dim="http://www.dspace.org/xmlns/dspace/dim"/>"#,
                Format::Dim,
            ),
            (
                "xoai",
                r#"<metadata xmlns="http://www.lyncode.com/xoai"><element name="dc"/></metadata>"#,
                Format::Xoai,
            ),
            (
                "oai_etdms",
                r#"<thesis xmlns="http://www.ndltd.org/standards/metadata/etdms/1.0/"/>"#,
                Format::EtdMs,
            ),
            ("json", " {}", Format::DoajJson),
            (
                "a",
                r#"<m:record xmlns:m="https://www.loc.gov/MARC21/slim/"/>"#,
                Format::Marc21,
            ),
            (
                "b",
                r#"<record xmlns="info:lc/xmlns/marcxchange-v1"/>"#,
                Format::Marc21,
            ),
            ("c", "<record><leader/></record>", Format::Marc21),
            (
                "d",
                "<collection><record><controlfield tag='001'/></record></collection>",
                Format::Marc21,
            ),
            (
                "e",
                r#"<x:modsCollection xmlns:x="http://www.loc.gov/mods/v3"/>"#,
                Format::Mods,
            ),
            ("f", "<mods/>", Format::Mods),
            (
                "g",
                r#"<resource xmlns="http://datacite.org/schema/kernel-2.2"/>"#,
                Format::DataCite,
            ),
            (
                "h",
                r#"<oai_datacite xmlns="http://schema.datacite.org/oai/oai-1.0/"/>"#,
                Format::DataCite,
            ),
            (
                "i",
                "<resource><identifier/><creators/></resource>",
                Format::DataCite,
            ),
            (
                "j",
                r#"<resource xmlns="http://namespace.openaire.eu/schema/oaire/"/>"#,
                Format::OpenAire,
            ),
            ("k", "<article><front/></article>", Format::Jats),
            (
                "l",
                r#"<uketddc xmlns="http://naca.central.cranfield.ac.uk/ethos-oai/2.0/"/>"#,
                Format::UketdDc,
            ),
        ];
        for (prefix, metadata, expected) in cases {
            assert_eq!(
                format(prefix, metadata),
                Ok(expected),
                "{prefix} {metadata}"
            );
        }
    }

    #[test]
    fn names_what_it_cannot_read() {
        let cases = [
            (
                "unknown",
                "marc21",
                "<record/>",
                r#"no crosswalk for metadata format "marc21" with root element "record""#,
            ),
            ("empty", "oai_dc", "", "malformed XML at byte 0: no element"),
            (
                "text",
                "oai_dc",
                "hello",
                "malformed XML at byte 5: text outside of the root element",
            ),
            ("cut off", "oai_doaj", "<doajArticle><title>x", "not closed"),
            (
                "JSON of another shape",
                "doaj_json",
                "{\"a\":1}",
                "unreadable DOAJ JSON: no bibjson",
            ),
            (
                "broken JSON",
                "doaj_json",
                "{\"bibjson\":",
                "unreadable DOAJ JSON: EOF",
            ),
        ];
        for (case, prefix, metadata, expected) in cases {
            let error = resource(prefix, metadata).expect_err(case).to_string();
            assert!(error.contains(expected), "{case}: {error}");
        }
    }

    /// Every record of the samples in these formats is read, and has a title unless it has none.
    #[test]
    fn reads_all_samples() {
        let pages = [
            ("oai_doaj", "doaj-2017-page.xml", 100),
            ("oai_doaj", "doaj-docs-article.xml", 1),
            ("oai_dc", "doaj-docs-journal.xml", 1),
        ];
        for (prefix, name, count) in pages {
            let page = fs::read_to_string(samples::fixture(name)).unwrap();
            let records = samples::records(&page);
            assert_eq!(records.len(), count, "{name}");
            for record in records {
                let resource = resource(prefix, &record.metadata).unwrap();
                assert!(resource.title().is_some(), "{name} {}", record.identifier);
            }
        }
    }

    /// Whatever other repositories put into `oai_dc` is read without an error.
    #[test]
    fn reads_dublin_core_of_other_repositories() {
        assert_eq!(titles_in(&samples::fixture("oai_dc")), 13);
        if let Some(folder) = samples::shared_data("corpus/oai-listrecords") {
            let titles = titles_in(&folder);
            assert!(titles > 200, "only {titles}");
        }
    }

    /// The number of `oai_dc` records with a title in the pages of a folder.
    fn titles_in(folder: &Path) -> usize {
        let mut read = 0;
        for path in fs::read_dir(folder).unwrap() {
            let path = path.unwrap().path();
            let Ok(page) = fs::read_to_string(&path) else {
                continue;
            };
            for record in samples::records(&page) {
                if !record.metadata.starts_with("<oai_dc:dc") {
                    continue;
                }
                let resource = resource("oai_dc", &record.metadata)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                read += usize::from(resource.title().is_some());
            }
        }
        read
    }

    #[test]
    fn reads_all_sample_json() {
        assert_eq!(json_records_in(&samples::fixture("doaj_json")), 5);
        if let Some(folder) = samples::shared_data("corpus/doaj-json") {
            let records = json_records_in(&folder);
            assert!(records > 290, "only {records}");
        }
    }

    /// The number of DOAJ's JSON records in the files of a folder, each of which must have what
    /// every catalogue needs.
    fn json_records_in(folder: &Path) -> usize {
        let mut read = 0;
        for path in fs::read_dir(folder).unwrap() {
            let path = path.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let documents: Vec<serde_json::Value> = match serde_json::from_str(&text) {
                Ok(document) => vec![document],
                Err(_) => text
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect(),
            };
            for mut document in documents {
                let records = match document.get_mut("results") {
                    Some(results) => results.as_array().unwrap().clone(),
                    None => vec![document],
                };
                for record in records {
                    let resource = doaj_json::from_value(record).unwrap();
                    assert!(
                        resource.title().is_some(),
                        "{}: {resource:?}",
                        path.display()
                    );
                    assert!(
                        resource.host.issns().next().is_some(),
                        "{}: {resource:?}",
                        path.display()
                    );
                    read += 1;
                }
            }
        }
        read
    }
}
