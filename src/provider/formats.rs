//! The metadata formats, and records in them.

use std::borrow::Cow;

use quick_xml::events::Event;
use quick_xml::name::PrefixDeclaration;
use quick_xml::reader::Reader as XmlReader;

use super::arguments::is_name;
use super::settings::{ProviderFormat, ProviderSettings};
use crate::output::render::item;
use crate::output::xml::push_element;
use crate::output::{marcxml, oai_dc};
use crate::record::{crosswalk, xml};
use crate::store::{Reader, ServedSource, StoreError, StoredRecord};

/// A format as ListMetadataFormats describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) prefix: String,
    pub(super) schema: String,
    pub(super) namespace: String,
}

const OAI_DC: &str = "oai_dc";
const MARCXML: &str = "marcxml";

impl Described {
    fn new(prefix: &str, schema: &str, namespace: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            schema: schema.to_owned(),
            namespace: namespace.to_owned(),
        }
    }
}

/// Schemas of namespaces whose records often do not name one.
const SCHEMAS: [(&str, &str); 6] = [
    (
        "http://www.openarchives.org/OAI/2.0/oai_dc/",
        "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
    ),
    (
        "http://www.loc.gov/MARC21/slim",
        "http://www.loc.gov/standards/marcxml/schema/MARC21slim.xsd",
    ),
    (
        "http://www.loc.gov/mods/v3",
        "http://www.loc.gov/standards/mods/v3/mods.xsd",
    ),
    (
        "http://doaj.org/features/oai_doaj/1.0/",
        "https://doaj.org/static/doaj/doajArticles.xsd",
    ),
    (
        "http://datacite.org/schema/kernel-4",
        "http://schema.datacite.org/meta/kernel-4/metadata.xsd",
    ),
    (
        "http://namespace.openaire.eu/schema/oaire/",
        "https://www.openaire.eu/schema/repo-lit/4.0/openaire.xsd",
    ),
];

/// How a record is written in a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// As Dublin Core.
    OaiDc,
    /// As MARC 21.
    Marcxml,
    /// As received.
    Native,
}

impl Writing {
    /// How records harvested as `native` are written in the format `prefix`; `None` if they are not.
    pub(super) fn of(settings: &ProviderSettings, native: &str, prefix: &str) -> Option<Self> {
        let is_native = native == prefix && settings.serves(ProviderFormat::Native);
        match prefix {
            OAI_DC => Some(Self::OaiDc),
            MARCXML if settings.serves(ProviderFormat::Marcxml) => Some(Self::Marcxml),
            _ => is_native.then_some(Self::Native),
        }
    }

    /// Whether a record has to be written to know whether it can be.
    pub(super) fn can_fail(self) -> bool {
        self == Self::Marcxml
    }
}

/// The formats of these sources, each once.
pub(super) fn described(
    reader: &Reader,
    settings: &ProviderSettings,
    sources: &[ServedSource],
) -> Result<Vec<Described>, StoreError> {
    let mut formats = vec![Described::new(OAI_DC, SCHEMAS[0].1, SCHEMAS[0].0)];
    if settings.serves(ProviderFormat::Marcxml) {
        formats.push(Described::new(MARCXML, SCHEMAS[1].1, SCHEMAS[1].0));
    }
    for source in sources {
        let prefix = &source.metadata_prefix;
        if !settings.serves(ProviderFormat::Native)
            || !is_name(prefix)
            || formats.iter().any(|format| format.prefix == *prefix)
        {
            continue;
        }
        let sample = reader.sample_of(&source.name)?.unwrap_or_default();
        formats.extend(describe(prefix, &sample));
    }
    Ok(formats)
}

/// A format as one of its records describes it; `None` for a record without a namespace.
fn describe(prefix: &str, sample: &str) -> Option<Described> {
    let root = root_of(sample)?;
    let location = root.schema_location.as_deref().unwrap_or_default();
    let words: Vec<&str> = location.split_whitespace().collect();
    let named = words
        .chunks_exact(2)
        .find(|pair| pair[0] == root.namespace)
        .map(|pair| pair[1]);
    let known = || {
        let known = SCHEMAS
            .iter()
            .find(|(namespace, _)| *namespace == root.namespace);
        known.map(|(_, schema)| *schema)
    };
    let schema = named.or_else(known).unwrap_or(&root.namespace);
    Some(Described::new(prefix, schema, &root.namespace))
}

/// What the root element of a document declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) namespace: String,
    schema_location: Option<String>,
}

/// The root element of a document; `None` if it is in no namespace or cannot be read.
pub(super) fn root_of(document: &str) -> Option<Root> {
    let mut reader = XmlReader::from_str(document);
    loop {
        let start = match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => start,
            Event::Eof => return None,
            _ => continue,
        };
        let name = start.name();
        let prefix = name.prefix();
        let wanted = prefix.map(|prefix| prefix.into_inner());
        let mut root = Root {
            namespace: String::new(),
            schema_location: None,
        };
        for attribute in start.attributes().flatten() {
            let value = || {
                quick_xml::escape::unescape(&attribute.value)
                    .map_or_else(|_| attribute.value.to_string(), Cow::into_owned)
            };
            match attribute.key.as_namespace_binding() {
                Some(PrefixDeclaration::Default) if wanted.is_none() => root.namespace = value(),
                Some(PrefixDeclaration::Named(own)) if Some(own) == wanted => {
                    root.namespace = value();
                }
                None if attribute.key.local_name().into_inner() == "schemaLocation" => {
                    root.schema_location = Some(value());
                }
                _ => {}
            }
        }
        return (!root.namespace.is_empty()).then_some(root);
    }
}

/// Metadata in a format.
pub(super) struct Written<'a> {
    pub(super) metadata: Cow<'a, str>,
    /// Whether it is as received.
    pub(super) is_received: bool,
}

/// The metadata of a live record; `None` if it cannot be written.
pub(super) fn write(record: &StoredRecord, writing: Writing) -> Option<Written<'_>> {
    let metadata = record.metadata.as_deref().unwrap_or_default();
    match writing {
        Writing::OaiDc => Some(dublin_core(record, metadata)),
        Writing::Marcxml => marc(record, metadata)
            .or_else(|| received(metadata).filter(|_| record.metadata_prefix == MARCXML)),
        Writing::Native => received(metadata),
    }
}

fn dublin_core<'m>(record: &StoredRecord, metadata: &'m str) -> Written<'m> {
    match oai_dc::record(&record.metadata_prefix, metadata) {
        Ok(Cow::Borrowed(text)) if is_element(text) => Written {
            metadata: Cow::Borrowed(text),
            is_received: true,
        },
        Ok(Cow::Owned(text)) => Written {
            metadata: Cow::Owned(text),
            is_received: false,
        },
        // Every item must have Dublin Core. All that is certain of it is what it is called.
        Ok(Cow::Borrowed(_)) | Err(_) => {
            let mut out =
                b"<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
                            xmlns:dc=\"http://purl.org/dc/elements/1.1/\">"
                    .to_vec();
            push_element(&mut out, "dc:identifier", &record.identifier);
            out.extend_from_slice(b"</oai_dc:dc>");
            Written {
                metadata: Cow::Owned(String::from_utf8_lossy(&out).into_owned()),
                is_received: false,
            }
        }
    }
}

fn marc<'m>(record: &StoredRecord, metadata: &'m str) -> Option<Written<'m>> {
    if let Some(metadata) = marcxml::as_received(&record.metadata_prefix, metadata) {
        return Some(Written {
            is_received: matches!(metadata, Cow::Borrowed(_)),
            metadata: in_own_namespace(metadata),
        });
    }
    let resource = crosswalk::resource_of(&record.metadata_prefix, metadata, record.header());
    let mut out = Vec::with_capacity(4096);
    marcxml::push_record(item(record), &resource.ok()?, &mut out);
    Some(Written {
        metadata: Cow::Owned(String::from_utf8_lossy(&out).trim_end().to_owned()),
        is_received: false,
    })
}

fn received(metadata: &str) -> Option<Written<'_>> {
    if !is_element(metadata) || xml::check(metadata).is_err() {
        return None;
    }
    Some(Written {
        metadata: in_own_namespace(Cow::Borrowed(metadata)),
        is_received: true,
    })
}

/// Whether a document begins with its root element, and can so be a part of another one.
fn is_element(document: &str) -> bool {
    let text = document.trim_start();
    text.starts_with('<') && !text.starts_with("<?") && !text.starts_with("<!")
}

/// A document that stays in no namespace if it is in none: within the answer it would inherit that of the
/// protocol.
fn in_own_namespace(metadata: Cow<'_, str>) -> Cow<'_, str> {
    let begin = metadata.len() - metadata.trim_start().len() + 1;
    let rest = &metadata[begin..];
    let end = rest.find(|c: char| c == '>' || c == '/' || c.is_whitespace());
    let Some((name, end)) = end.map(|end| (&rest[..end], begin + end)) else {
        return metadata;
    };
    if name.contains(':') || declares_default(&metadata) {
        return metadata;
    }
    Cow::Owned(format!(
        "{} xmlns=\"\"{}",
        &metadata[..end],
        &metadata[end..]
    ))
}

fn declares_default(document: &str) -> bool {
    let mut reader = XmlReader::from_str(document);
    let Ok(Event::Start(start) | Event::Empty(start)) = reader.read_event() else {
        return root_of(document).is_some();
    };
    let mut attributes = start.attributes().flatten();
    attributes
        .any(|attribute| attribute.key.as_namespace_binding() == Some(PrefixDeclaration::Default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_describes_its_format() {
        let cases = [
            (
                "<m:mods xmlns:m=\"http://www.loc.gov/mods/v3\"/>",
                Some((
                    "http://www.loc.gov/standards/mods/v3/mods.xsd",
                    "http://www.loc.gov/mods/v3",
                )),
            ),
            (
                "<a xmlns='urn:a' xmlns:x='http://www.w3.org/2001/XMLSchema-instance' \
                 x:schemaLocation='urn:b b.xsd urn:a a.xsd'/>",
                Some(("a.xsd", "urn:a")),
            ),
            ("<a xmlns='urn:a'/>", Some(("urn:a", "urn:a"))),
            ("<a/>", None),
            ("", None),
            ("<a xmlns:b='urn:b'/>", None),
        ];
        for (sample, expected) in cases {
            let expected =
                expected.map(|(schema, namespace)| Described::new("p", schema, namespace));
            assert_eq!(describe("p", sample), expected, "{sample}");
        }
    }

    #[test]
    fn elements_without_namespace_do_not_inherit_one() {
        for (metadata, expected) in [
            ("<a/>", "<a xmlns=\"\"/>"),
            (" <a b=\"c\">d</a>", " <a xmlns=\"\" b=\"c\">d</a>"),
            ("<a>\n</a>", "<a xmlns=\"\">\n</a>"),
            ("<a xmlns=\"urn:a\"/>", "<a xmlns=\"urn:a\"/>"),
            ("<p:a xmlns:p=\"urn:a\"/>", "<p:a xmlns:p=\"urn:a\"/>"),
            (
                "<a xmlns:p=\"urn:a\"/>",
                "<a xmlns=\"\" xmlns:p=\"urn:a\"/>",
            ),
        ] {
            assert_eq!(in_own_namespace(Cow::Borrowed(metadata)), expected);
        }
    }
}
