//! The fields of a record in the catalogue's index, and their order.

use std::borrow::Cow;
use std::mem::take;

use serde::ser::{Serialize, SerializeMap, Serializer};
use thiserror::Error;

use super::marc;
use super::options::Options;
use super::source::{self, Values};
use super::strings::{self, StringsError};
use crate::record::Resource;
use crate::record::crosswalk::{self, CrosswalkError, Format, Header};

/// The version of the mapping from records to documents. A new version sends all documents again: raise
/// it whenever the same record and options give another document.
pub(super) const MAPPING_VERSION: u32 = 2;

/// A live record of the store.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The OAI identifier.
    pub identifier: &'a str,
    /// The header's datestamp, as written.
    pub datestamp: &'a str,
    /// The metadataPrefix that the metadata came under.
    pub metadata_prefix: &'a str,
    /// The metadata, as received: XML, or DOAJ's JSON.
    pub metadata: &'a str,
    /// When the record was first and last indexed, if changes are tracked.
    pub tracking: Option<Tracking<'a>>,
}

/// The fields of change tracking, as `YYYY-MM-DDThh:mm:ssZ`.
#[derive(Debug, Clone, Copy)]
pub struct Tracking<'a> {
    /// Field `first_indexed`.
    pub first_indexed: &'a str,
    /// Field `last_indexed`.
    pub last_indexed: &'a str,
}

/// Why a record has no document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// The metadata cannot be read.
    #[error(transparent)]
    Metadata(#[from] CrosswalkError),
    /// A title or a name cannot be normalised.
    #[error(transparent)]
    Strings(#[from] StringsError),
}

/// A document to be posted to the index.
///
/// The order of fields is part of it: the index fills `spellingShingle` in this order. Serialised,
/// it is a JSON object, with a list for every multi-valued field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    fields: Vec<Field>,
}

/// One field of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: Cow<'static, str>,
    /// Its values.
    pub values: FieldValues,
}

/// The values of a field; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValues {
    /// Of a single-valued field.
    One(String),
    /// Of a multi-valued field.
    Many(Vec<String>),
}

impl FieldValues {
    /// All values, in order.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// The fields that [`document`] makes before renaming, and whether each can have several values. The
/// fields of change tracking and [`Options::extra_fields`] come on top.
pub const FIELDS: [(&str, bool); 36] = [
    ("id", false),
    ("record_format", false),
    ("allfields", false),
    ("institution", false),
    ("collection", false),
    ("language", true),
    ("format", false),
    ("author", true),
    ("author_sort", false),
    ("author2", true),
    ("author2_role", true),
    ("author_additional", true),
    ("title", false),
    ("title_short", false),
    ("title_sub", false),
    ("title_full", false),
    ("title_sort", false),
    ("title_alt", true),
    ("publisher", false),
    ("series", true),
    ("isbn", true),
    ("issn", true),
    ("edition", false),
    ("physical", true),
    ("publishDate", false),
    ("publishDateSort", false),
    ("description", false),
    ("topic", true),
    ("url", true),
    ("thumbnail", false),
    ("container_title", false),
    ("container_volume", false),
    ("container_issue", false),
    ("container_start_page", false),
    ("doi_str_mv", true),
    ("work_keys_str_mv", true),
];

impl Document {
    /// Adds a single-valued field after all others.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.fields.push(Field {
            name: Cow::Owned(name.into()),
            values: FieldValues::One(value.into()),
        });
    }

    /// The fields in the order in which they are posted.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The document's id, its unique key in the index.
    pub fn id(&self) -> &str {
        self.fields
            .first()
            .and_then(|id| id.values.as_slice().first())
            .map_or("", String::as_str)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for field in &self.fields {
            match &field.values {
                FieldValues::One(value) => map.serialize_entry(&field.name, value)?,
                FieldValues::Many(values) => map.serialize_entry(&field.name, values)?,
            }
        }
        map.end()
    }
}

/// Makes the document of a live record. Tombstones have none: delete
/// [`Options::document_id`] instead.
///
/// `oai_doaj` is read as VuFind's own import reads it, to the byte. Other formats give their fields
/// from their resource: with the type as format, the year as date, and host, ISBNs, DOIs and more in
/// the fields that VuFind has for them.
///
/// # Errors
/// [`DocumentError`], with the reason.
///
/// Source: VuFind's import of DOAJ's articles.
pub fn document(input: Input<'_>, options: &Options) -> Result<Document, DocumentError> {
    enriched_document(input, None, options)
}

/// As [`document`], with what the record gains from other records of its work: see
/// [`crate::output::enrich::gains`].
///
/// # Errors
/// As [`document`].
pub fn enriched_document(
    input: Input<'_>,
    gains: Option<&Resource>,
    options: &Options,
) -> Result<Document, DocumentError> {
    let id = options.document_id(input.identifier);
    let header = Header {
        identifier: input.identifier,
        set_specs: &[],
    };
    let Input {
        datestamp,
        metadata_prefix,
        metadata,
        tracking,
        ..
    } = input;
    let format = crosswalk::format(metadata_prefix, metadata)?;
    let mut values = match format {
        Format::Marc21 => {
            let post = marc::document(id, metadata, gains, options)?;
            return Ok(post.finish(tracking));
        }
        Format::OaiDoaj => source::from_oai_doaj(&id, datestamp, metadata)?,
        format @ Format::DoajJson => {
            let resource = crosswalk::read(format, metadata, header)?;
            source::from_json(&id, datestamp, metadata, resource)?
        }
        format => {
            let resource = crosswalk::read(format, metadata, header)?;
            source::from_xml(&id, datestamp, metadata, resource)?
        }
    };
    if let Some(gains) = gains {
        values.gain(gains);
    }
    let is_doaj = matches!(format, Format::OaiDoaj | Format::DoajJson)
        || input.identifier.starts_with("oai:doaj.org/");
    let record_format = match &options.record_format {
        Some(name) => name.clone(),
        None if is_doaj => "Article".to_owned(),
        None => metadata_prefix.to_owned(),
    };
    let collection = match &options.collection {
        Some(name) => name,
        None if is_doaj => "DOAJ",
        None => "",
    };
    let head = Head {
        id,
        record_format,
        collection,
    };
    fields(head, values, tracking, options)
}

/// The fields of a document that do not come from its metadata alone.
struct Head<'a> {
    id: String,
    record_format: String,
    /// Empty for none.
    collection: &'a str,
}

fn fields(
    head: Head<'_>,
    values: Values,
    tracking: Option<Tracking<'_>>,
    options: &Options,
) -> Result<Document, DocumentError> {
    let mut post = Post::new(options, values.more.is_some());
    let title = values.titles.first();
    let stripped = title.map(|title| strings::strip_articles(title));
    post.one("id", head.id);
    post.one("record_format", head.record_format);
    post.many("allfields", vec![values.all]);
    for (name, value) in [
        ("institution", options.institution.as_str()),
        ("collection", head.collection),
    ] {
        if !value.is_empty() {
            post.many(name, vec![value.to_owned()]);
        }
    }
    let languages = values.languages.iter();
    let languages = languages
        .map(|code| {
            options
                .languages
                .name(&strings::normalize_space(code))
                .to_owned()
        })
        .collect();
    post.many("language", languages);
    let format = options.format_name(values.kind);
    post.many("format", vec![format.to_owned()]);
    let names: Vec<_> = values
        .names
        .iter()
        .map(|name| strings::normalize_space(name))
        .collect();
    let first = names.first().filter(|name| !name.is_empty()).cloned();
    post.many(
        "author",
        names.into_iter().filter(|name| !name.is_empty()).collect(),
    );
    post.maybe("author_sort", first);
    let mut more = values.more;
    let has_more = more.is_some();
    let more = more.as_deref_mut().map(take).unwrap_or_default();
    post.many("author2", more.author2);
    post.many("author2_role", more.author2_role);
    post.many("author_additional", more.author_additional);
    post.maybe("title", title.cloned());
    post.maybe(
        "title_short",
        match has_more {
            true => more.title_short,
            false => title.cloned(),
        },
    );
    post.maybe("title_sub", more.title_sub);
    post.maybe("title_full", title.cloned());
    if let Some(stripped) = &stripped {
        post.one("title_sort", strings::title_sort_of_stripped(stripped)?);
    }
    let work_keys = work_keys(&values.titles, stripped, &values.names, options)?;
    post.many("title_alt", more.title_alt);
    post.many("publisher", values.publisher.into_iter().collect());
    post.many(
        "series",
        values.journal.into_iter().chain(more.series).collect(),
    );
    post.many("isbn", more.isbns);
    let issns = values.issns.into_iter().flatten();
    post.many("issn", issns.chain(more.issns).collect());
    post.maybe("edition", more.edition);
    post.many("physical", more.physical);
    post.many("publishDate", values.date.iter().cloned().collect());
    post.maybe("publishDateSort", values.date);
    post.maybe("description", values.description);
    post.many("topic", values.topics);
    post.many("url", values.urls);
    post.maybe("thumbnail", more.thumbnail);
    for (name, value) in [
        "container_title",
        "container_volume",
        "container_issue",
        "container_start_page",
    ]
    .into_iter()
    .zip(more.container)
    {
        post.maybe(name, value);
    }
    post.many("doi_str_mv", more.dois);
    post.many("work_keys_str_mv", work_keys);
    Ok(post.finish(tracking))
}

/// Keys that works have in common: each title with each author. Titles are those of the record and
/// the first without its article, each normal form once; one whose normal form is empty or `0`
/// gives none.
pub(super) fn work_keys(
    titles: &[String],
    stripped: Option<String>,
    names: &[String],
    options: &Options,
) -> Result<Vec<String>, StringsError> {
    let mut keys = Vec::new();
    if names.is_empty() {
        return Ok(keys);
    }
    let rules = &options.work_keys;
    let mut normal_titles = Vec::with_capacity(2);
    for title in titles.iter().chain(&stripped) {
        let title = rules.normalise(title)?;
        if !title.is_empty() && title != "0" && !normal_titles.contains(&title) {
            normal_titles.push(title);
        }
    }
    let names: Vec<_> = names
        .iter()
        .map(|name| rules.normalise(name))
        .collect::<Result<_, _>>()?;
    keys.reserve_exact(normal_titles.len() * names.len());
    for title in &normal_titles {
        for name in &names {
            keys.push(["AT ", name, " ", title].concat());
        }
    }
    Ok(keys)
}

/// The fields of a document that is being made.
pub(super) struct Post<'a> {
    options: &'a Options,
    /// Whether the document can have every field of [`FIELDS`].
    has_more: bool,
    fields: Vec<Field>,
}

impl<'a> Post<'a> {
    pub(super) fn new(options: &'a Options, has_more: bool) -> Self {
        Self {
            options,
            has_more,
            fields: Vec::with_capacity(28),
        }
    }

    /// The document, with the fields of change tracking and constant fields at its end.
    fn finish(mut self, tracking: Option<Tracking<'_>>) -> Document {
        if let Some(tracking) = tracking {
            self.one("first_indexed", tracking.first_indexed.to_owned());
            self.one("last_indexed", tracking.last_indexed.to_owned());
        }
        for (name, values) in &self.options.extra_fields {
            self.extra(name, values);
        }
        Document {
            fields: self.fields,
        }
    }

    /// The name to post a field under. DOAJ's journals are in `series`, which catalogues rename to
    /// `container_title`. Other documents have both fields, and `series` keeps its name.
    fn name(&self, name: &'static str) -> Cow<'static, str> {
        let renamed = self.options.field_name(name);
        let is_taken = || FIELDS.iter().any(|(other, _)| *other == renamed);
        match self.has_more && renamed != name && is_taken() {
            true => Cow::Borrowed(name),
            false => renamed,
        }
    }

    pub(super) fn one(&mut self, name: &'static str, value: String) {
        let name = self.name(name);
        self.fields.push(Field {
            name,
            values: FieldValues::One(value),
        });
    }

    pub(super) fn maybe(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.one(name, value);
        }
    }

    /// A constant field of the options; its values join those of a field of that name.
    fn extra(&mut self, name: &str, more: &[String]) {
        if more.is_empty() {
            return;
        }
        match self.fields.iter_mut().find(|field| field.name == name) {
            Some(field) => {
                let mut values = field.values.as_slice().to_vec();
                values.extend_from_slice(more);
                field.values = FieldValues::Many(values);
            }
            None => self.fields.push(Field {
                name: Cow::Owned(name.to_owned()),
                values: FieldValues::Many(more.to_vec()),
            }),
        }
    }

    pub(super) fn many(&mut self, name: &'static str, values: Vec<String>) {
        if !values.is_empty() {
            let name = self.name(name);
            self.fields.push(Field {
                name,
                values: FieldValues::Many(values),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::record::samples::{self, Sample};

    fn kabale() -> Options {
        Options {
            institution: "Kabale University".to_owned(),
            ..Options::default()
        }
    }

    fn input(sample: &Sample) -> Input<'_> {
        Input {
            identifier: &sample.identifier,
            datestamp: &sample.datestamp,
            metadata_prefix: "oai_doaj",
            metadata: &sample.metadata,
            tracking: None,
        }
    }

    /// The document with a list for every field, as text, so that the order of fields counts.
    fn as_lists(document: &Document) -> String {
        let fields = document.fields().iter();
        let lists = fields.map(|field| {
            let values = serde_json::to_string(field.values.as_slice()).unwrap();
            format!("{}:{values}", serde_json::to_string(&field.name).unwrap())
        });
        format!("{{{}}}", lists.collect::<Vec<_>>().join(","))
    }

    fn check_page(page: &str, documents: &str) {
        let samples = samples::records(page);
        assert_eq!(samples.len(), documents.lines().count());
        for (sample, expected) in samples.iter().zip(documents.lines()) {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(sample.identifier, expected["identifier"]);
            let document = document(input(sample), &kabale()).unwrap();
            assert_eq!(
                as_lists(&document),
                expected["doc"].to_string(),
                "{}",
                sample.identifier
            );
        }
    }

    #[test]
    fn makes_all_documents_of_the_page() {
        check_page(
            include_str!("../../../tests/fixtures/doaj-2017-page.xml"),
            include_str!("../../../tests/fixtures/vufind-docs-2017.jsonl"),
        );
    }

    #[test]
    fn the_list_of_fields_is_whole() {
        for sample in samples::records(include_str!(
            "../../../tests/fixtures/oai_doaj-2017-ten.xml"
        )) {
            let document = document(input(&sample), &kabale()).unwrap();
            for field in document.fields() {
                let known = FIELDS.iter().find(|(name, _)| *name == field.name);
                let (name, several) = known.expect("every posted field is listed");
                assert!(*several || field.values.as_slice().len() == 1, "{name}");
            }
        }
    }

    /// The index adds copies of fields and leaves out two that it does not store.
    #[test]
    fn makes_the_document_of_a_real_catalogue() {
        let samples = samples::records(include_str!("../../../tests/fixtures/seed-record.xml"));
        let stored = include_str!("../../../tests/fixtures/seed-solr-doc.json");
        let stored: Value = serde_json::from_str(stored).unwrap();
        let document = document(input(&samples[0]), &kabale()).unwrap();
        let posted = serde_json::to_value(&document).unwrap();
        let names: Vec<_> = document
            .fields()
            .iter()
            .map(|field| field.name.as_ref())
            .collect();
        assert_eq!(
            names.join(" "),
            "id record_format allfields institution collection language format author author_sort \
             title title_short title_full title_sort publisher series issn publishDate \
             publishDateSort description url work_keys_str_mv"
        );
        assert_eq!(document.id(), stored["id"]);
        assert_eq!(posted["allfields"], stored["spelling"]);
        assert_eq!(posted["publishDateSort"], "2015-01-01");
        for name in names
            .into_iter()
            .filter(|name| !["allfields", "publishDateSort"].contains(name))
        {
            assert_eq!(posted[name], stored[name], "{name}");
        }
    }

    fn of(inner: &str, options: &Options) -> Value {
        let metadata = format!(
            "<d:doajArticle xmlns:d=\"http://doaj.org/features/oai_doaj/1.0/\">{inner}</d:doajArticle>"
        );
        let input = Input {
            identifier: "oai:doaj.org/article:1",
            datestamp: "2020-01-01T00:00:00Z",
            metadata_prefix: "oai_doaj",
            metadata: &metadata,
            tracking: None,
        };
        serde_json::to_value(document(input, options).unwrap()).unwrap()
    }

    #[test]
    fn follows_the_rules_at_their_edges() {
        let cases = [
            ("nothing", "", "author", Value::Null),
            (
                "blank first author",
                "<d:authors><d:author><d:name> </d:name></d:author><d:author><d:name> B  C</d:name></d:author></d:authors>",
                "author",
                json!(["B C"]),
            ),
            (
                "no author to sort by",
                "<d:authors><d:author><d:name> </d:name></d:author><d:author><d:name>B</d:name></d:author></d:authors>",
                "author_sort",
                Value::Null,
            ),
            (
                "blank author in keys",
                "<d:title>T</d:title><d:authors><d:author><d:name/></d:author><d:author><d:name>B</d:name></d:author></d:authors>",
                "work_keys_str_mv",
                json!(["AT  t", "AT b t"]),
            ),
            (
                "article in keys",
                "<d:title>The T</d:title><d:authors><d:author><d:name>B</d:name></d:author></d:authors>",
                "work_keys_str_mv",
                json!(["AT b thet", "AT b t"]),
            ),
            (
                "title of punctuation",
                "<d:title>!!!</d:title><d:authors><d:author><d:name>B</d:name></d:author></d:authors>",
                "work_keys_str_mv",
                Value::Null,
            ),
            (
                "title of zero",
                "<d:title>0.</d:title><d:authors><d:author><d:name>B</d:name></d:author></d:authors>",
                "work_keys_str_mv",
                Value::Null,
            ),
            (
                "no author",
                "<d:title>T</d:title>",
                "work_keys_str_mv",
                Value::Null,
            ),
            (
                "raw title",
                "<d:title> </d:title><d:title> A\n B </d:title>",
                "title",
                json!(" A\n B "),
            ),
            (
                "title with markup",
                "<d:title>A <d:i>b</d:i><!-- x --> c</d:title>",
                "title",
                json!("A b c"),
            ),
            (
                "nested names count once",
                "<d:title>A<d:title>B</d:title></d:title>",
                "title",
                json!("AB"),
            ),
            (
                "title elsewhere",
                "<d:x><d:title>A</d:title></d:x>",
                "title",
                Value::Null,
            ),
            (
                "foreign title",
                "<title xmlns=\"urn:x\">A</title>",
                "title",
                Value::Null,
            ),
            (
                "same ISSN twice",
                "<d:eissn>1</d:eissn><d:issn>1</d:issn>",
                "issn",
                json!(["1", "1"]),
            ),
            (
                "blank ISSN",
                "<d:issn> </d:issn><d:eissn>2</d:eissn>",
                "issn",
                json!(["2"]),
            ),
            (
                "empty date",
                "<d:publicationDate/>",
                "publishDate",
                json!([""]),
            ),
            (
                "empty date to sort by",
                "<d:publicationDate/>",
                "publishDateSort",
                json!(""),
            ),
            (
                "empty abstract",
                "<d:abstract/><d:abstract>x</d:abstract>",
                "description",
                json!(""),
            ),
            (
                "line ends",
                "<d:abstract>a&#13;\nb\r\nc</d:abstract>",
                "description",
                json!("a\r\nb\nc"),
            ),
            (
                "blank keyword",
                "<d:keywords><d:keyword/><d:keyword> </d:keyword><d:keyword> k  l</d:keyword></d:keywords>",
                "topic",
                json!(["", "k l"]),
            ),
            (
                "no scheme",
                "<d:fullTextUrl>x.y</d:fullTextUrl>",
                "url",
                json!(["http://x.y"]),
            ),
            (
                "raw address",
                "<d:fullTextUrl> https://x.y </d:fullTextUrl>",
                "url",
                json!([" https://x.y "]),
            ),
            (
                "language",
                "<d:language> eng </d:language><d:language>deu</d:language><d:language/>",
                "language",
                json!(["English", "deu"]),
            ),
            (
                "all text",
                "\n<d:x>a</d:x> <d:y>b<z xmlns=\"urn:z\">c</z></d:y>",
                "allfields",
                json!(["doaj-art-12020-01-01T00:00:00Z a bc"]),
            ),
        ];
        for (case, inner, field, expected) in cases {
            assert_eq!(of(inner, &Options::default())[field], expected, "{case}");
        }
    }

    #[test]
    fn follows_the_options() {
        let options = Options {
            institution: String::new(),
            collection: Some("C".to_owned()),
            record_format: Some("R".to_owned()),
            extra_fields: vec![
                ("building".to_owned(), vec!["b".to_owned()]),
                ("format".to_owned(), vec!["Electronic".to_owned()]),
            ],
            rename_fields: vec![("series".to_owned(), "container_title".to_owned())],
            ..Options::default()
        };
        let document = of("<d:journalTitle>J</d:journalTitle>", &options);
        assert_eq!(document["collection"], json!(["C"]));
        assert_eq!(document["record_format"], "R");
        assert_eq!(document["container_title"], json!(["J"]));
        assert_eq!(document["building"], json!(["b"]));
        assert_eq!(document["format"], json!(["Article", "Electronic"]));
        assert_eq!(document.get("institution"), None);
        assert_eq!(document.get("series"), None);
    }

    fn posted(prefix: &str, metadata: &str, options: &Options) -> Value {
        let input = Input {
            identifier: "oai:x:1",
            datestamp: "2020",
            metadata_prefix: prefix,
            metadata,
            tracking: Some(Tracking {
                first_indexed: "f",
                last_indexed: "l",
            }),
        };
        serde_json::to_value(document(input, options).unwrap()).unwrap()
    }

    const DUBLIN_CORE: &str = "<oai_dc:dc \
         xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>The T</dc:title>\
         <dc:identifier>1932-6203</dc:identifier><dc:identifier>10.1/X</dc:identifier>\
         <dc:creator>B</dc:creator><dc:contributor>C</dc:contributor>\
         <dc:date>2001-02-03</dc:date><dc:type>article</dc:type>\
         <dc:source>J, Vol 5, Iss 1, Pp 25-29 (2001)</dc:source>\
         <dc:language>English</dc:language><dc:language>en</dc:language>\
         <dc:subject>s</dc:subject></oai_dc:dc>";

    #[test]
    fn makes_the_document_of_a_resource() {
        let mut document = posted("oai_dc", DUBLIN_CORE, &Options::default());
        document.as_object_mut().unwrap().remove("work_keys_str_mv");
        assert_eq!(
            document,
            json!({
                "id": "oai:x:1", "record_format": "oai_dc",
                "allfields": ["oai:x:1 2020 The T 1932-6203 10.1/X B C 2001-02-03 article J, Vol 5, \
                    Iss 1, Pp 25-29 (2001) English en s"],
                "language": ["English"], "format": ["Article"],
                "author": ["B"], "author_sort": "B", "author_additional": ["C"],
                "title": "The T", "title_short": "The T", "title_full": "The T", "title_sort": "t",
                "issn": ["1932-6203"], "publishDate": ["2001"], "publishDateSort": "2001",
                "topic": ["s"], "url": ["https://doi.org/10.1/x"], "container_title": "J",
                "container_volume": "5", "container_issue": "1", "container_start_page": "25",
                "doi_str_mv": ["10.1/x"], "first_indexed": "f", "last_indexed": "l",
            })
        );
    }

    #[test]
    fn only_records_of_doaj_are_of_collection_doaj() {
        let json_record = r#"{"bibjson":{"title":"T"}}"#;
        let set = Options {
            collection: Some("C".to_owned()),
            record_format: Some("R".to_owned()),
            ..Options::default()
        };
        let empty = Options {
            collection: Some(String::new()),
            ..Options::default()
        };
        for (prefix, metadata, options, collection, record_format) in [
            (
                "oai_dc",
                DUBLIN_CORE,
                &Options::default(),
                Value::Null,
                "oai_dc",
            ),
            ("oai_dc", DUBLIN_CORE, &set, json!(["C"]), "R"),
            (
                "doaj_json",
                json_record,
                &Options::default(),
                json!(["DOAJ"]),
                "Article",
            ),
            ("doaj_json", json_record, &empty, Value::Null, "Article"),
        ] {
            let document = posted(prefix, metadata, options);
            assert_eq!(document["collection"], collection, "{prefix}");
            assert_eq!(document["record_format"], record_format, "{prefix}");
        }
        let of_doaj = Input {
            identifier: "oai:doaj.org/article:1",
            datestamp: "2020",
            metadata_prefix: "oai_dc",
            metadata: DUBLIN_CORE,
            tracking: None,
        };
        let document = document(of_doaj, &Options::default()).unwrap();
        let document = serde_json::to_value(document).unwrap();
        assert_eq!(document["collection"], json!(["DOAJ"]));
        assert_eq!(document["record_format"], "Article");
    }

    #[test]
    fn formats_have_the_names_of_the_options() {
        let options = Options {
            format_names: vec![("article".to_owned(), "Paper".to_owned())],
            ..Options::default()
        };
        let document = posted("oai_dc", DUBLIN_CORE, &options);
        assert_eq!(document["format"], json!(["Paper"]));
    }

    #[test]
    fn a_renamed_series_takes_no_other_field() {
        let options = Options {
            rename_fields: vec![
                ("series".to_owned(), "container_title".to_owned()),
                ("topic".to_owned(), "subject_str_mv".to_owned()),
            ],
            ..Options::default()
        };
        let document = posted("oai_dc", DUBLIN_CORE, &options);
        assert_eq!(document["container_title"], "J");
        assert_eq!(document["subject_str_mv"], json!(["s"]));
    }

    #[test]
    fn json_of_doaj_gives_the_fields_of_doaj() {
        let json_record =
            json!({"id": "1", "bibjson": {"title": "The T", "year": "2001", "month": "2",
            "identifier": [{"type": "pissn", "id": "1932-6203"}], "author": [{"name": "B"}],
            "journal": {"title": "J", "language": ["EN"]}, "keywords": ["s"],
            "link": [{"type": "fulltext", "url": "http://x.y"}]}})
            .to_string();
        let document = posted("doaj_json", &json_record, &Options::default());
        assert_eq!(
            document,
            json!({
                "id": "oai:x:1", "record_format": "Article",
                "allfields": ["oai:x:1 2020 1 The T 2001 2 pissn 1932-6203 B J EN s fulltext http://x.y"],
                "collection": ["DOAJ"], "language": ["English"], "format": ["Article"],
                "author": ["B"], "author_sort": "B", "title": "The T", "title_short": "The T",
                "title_full": "The T", "title_sort": "t", "series": ["J"], "issn": ["1932-6203"],
                "publishDate": ["2001-02"], "publishDateSort": "2001-02", "topic": ["s"],
                "url": ["http://x.y"], "work_keys_str_mv": ["AT b thet", "AT b t"],
                "first_indexed": "f", "last_indexed": "l",
            })
        );
    }

    #[test]
    fn names_what_is_wrong() {
        let input = Input {
            identifier: "oai:x:1",
            datestamp: "2020",
            metadata_prefix: "oai_doaj",
            metadata: "<doajArticle><title>T",
            tracking: None,
        };
        let error = document(input, &Options::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, "malformed XML at byte 21: 2 elements are not closed");
    }

    /// Damage: at a place in a text, so many bytes are replaced by something else.
    fn damaged(text: &str, at: usize, width: usize, by: &str) -> String {
        let boundary = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(at % text.len());
        let end = boundary((start + width).min(text.len())).max(start);
        format!("{}{by}{}", &text[..start], &text[end..])
    }

    proptest! {
        /// Whatever arrives, there is a document or an error.
        #[test]
        fn survives_damage(
            json in any::<bool>(),
            at in any::<usize>(),
            width in 0_usize..40,
            by in "[<>/&;#x0-9a-z\"{}\\[\\]:, é]{0,6}",
        ) {
            let sound = samples::records(include_str!("../../../tests/fixtures/seed-record.xml"));
            let (prefix, sound) = match json {
                true => ("doaj_json", r#"{"bibjson":{"title":"T","month":4,"identifier":[{"type":"doi","id":"10.1/x"}],"author":[{"name":"B"}],"journal":{"issns":["1"],"license":[{}]},"keywords":["s"],"link":[{"type":"fulltext","url":"u"}]}}"#),
                false => ("oai_doaj", sound[0].metadata.as_str()),
            };
            let metadata = damaged(sound, at, width, &by);
            let input = Input {
                identifier: "1",
                datestamp: "",
                metadata_prefix: prefix,
                metadata: &metadata,
                tracking: None,
            };
            if let Ok(document) = document(input, &Options::default()) {
                prop_assert_eq!(document.id(), "1");
                // What makes a document makes a resource too.
                let resource = crosswalk::resource(prefix, &metadata);
                prop_assert!(resource.is_ok(), "{resource:?}");
                prop_assert!(crate::output::oai_dc::record(prefix, &metadata).is_ok());
            }
        }
    }
}
