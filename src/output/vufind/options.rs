//! The options of catalogue documents: what may differ between catalogues and between sources.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde::Serialize;
use thiserror::Error;

use super::document::MAPPING_VERSION;
use super::strings::WorkKeyRules;
use crate::output::target::IdPrefixes;
use crate::record::{Kind, language};

/// The options of all documents that one output or export makes.
///
/// A source may have options of its own; every other source has the default ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentOptions {
    /// The options of every source that is not in `by_source`.
    pub default: Options,
    /// The options of the sources that differ from the default, by the source's name.
    pub by_source: BTreeMap<String, Options>,
}

impl From<Options> for DocumentOptions {
    /// The same options for every source.
    fn from(default: Options) -> Self {
        Self {
            default,
            by_source: BTreeMap::new(),
        }
    }
}

impl DocumentOptions {
    /// The options for records of this source.
    pub fn for_source(&self, source: &str) -> &Options {
        self.by_source.get(source).unwrap_or(&self.default)
    }

    /// The default options, then those of single sources.
    pub fn all(&self) -> impl Iterator<Item = &Options> {
        std::iter::once(&self.default).chain(self.by_source.values())
    }

    /// All options, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Options> {
        std::iter::once(&mut self.default).chain(self.by_source.values_mut())
    }

    /// The document id of a record; deletions use it too.
    pub fn document_id(&self, source: &str, identifier: &str) -> String {
        self.for_source(source).document_id(identifier)
    }

    /// The OAI identifiers whose document id this is, in at least one source.
    pub fn identifiers(&self, document_id: &str) -> Vec<String> {
        let mut identifiers = Vec::new();
        for identifier in self
            .all()
            .flat_map(|options| options.identifiers(document_id))
        {
            if !identifiers.contains(&identifier) {
                identifiers.push(identifier);
            }
        }
        identifiers
    }

    /// The records that a person may mean with `text`: those with this identifier, or those with this
    /// document id, with these options or else with the built-in ones. `find` gives the sources and
    /// records of an identifier.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn find_meant<R, E>(
        &self,
        text: &str,
        source_of: impl Fn(&R) -> &str,
        mut find: impl FnMut(&str) -> Result<Vec<R>, E>,
    ) -> Result<Vec<R>, E> {
        let records = find(text)?;
        if !records.is_empty() {
            return Ok(records);
        }
        for options in [self, &Self::default()] {
            for identifier in options.identifiers(text) {
                let mut records = find(&identifier)?;
                records
                    .retain(|record| options.document_id(source_of(record), &identifier) == text);
                if !records.is_empty() {
                    return Ok(records);
                }
            }
        }
        Ok(Vec::new())
    }

    /// The sources in which an identifier gives another document id than in the default ones. Sources
    /// with the same text share their ids.
    pub(crate) fn id_spaces(&self) -> BTreeMap<String, String> {
        let rules = |options: &Options| (options.id_prefix.clone(), options.id_rewrites.clone());
        self.by_source
            .iter()
            .filter(|(_, options)| rules(options) != rules(&self.default))
            .map(|(source, options)| (source.clone(), format!("{:?}", rules(options))))
            .collect()
    }

    /// The beginnings of document ids.
    pub(crate) fn id_prefixes(&self) -> IdPrefixes<'_> {
        let (without, with): (Vec<&Options>, Vec<&Options>) =
            self.all().partition(|options| options.id_prefix.is_empty());
        let rewritten = without.iter().flat_map(|options| &options.id_rewrites);
        let rewritten = rewritten.map(|(_, to)| to.as_str());
        IdPrefixes {
            own: with
                .iter()
                .map(|options| options.id_prefix.as_str())
                .collect(),
            are_complete: without.is_empty(),
            possible: rewritten.filter(|to| !to.is_empty()).collect(),
        }
    }

    /// The mapping's version and all options, as a text with stable names: for fingerprints.
    pub(crate) fn definition(&self) -> String {
        let by_source = self.by_source.iter();
        let by_source = by_source.filter(|(_, options)| **options != self.default);
        let definition = AllDefinitions {
            mapping_version: MAPPING_VERSION,
            default: self.default.definition(),
            by_source: by_source
                .map(|(source, options)| (source.as_str(), options.definition()))
                .collect(),
        };
        serde_json::to_string(&definition).expect("texts can be written")
    }
}

/// The parts of a fingerprint. Renaming a field sends all documents again.
#[derive(Serialize)]
struct AllDefinitions<'a> {
    mapping_version: u32,
    default: Definition<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    by_source: BTreeMap<&'a str, Definition<'a>>,
}

/// The parts of a fingerprint that [`Options`] give. Renaming a field sends all documents again.
#[derive(Serialize)]
struct Definition<'a> {
    institution: &'a str,
    collection: Option<&'a str>,
    id_rewrites: &'a [(String, String)],
    id_prefix: &'a str,
    record_format: Option<&'a str>,
    format_names: &'a [(String, String)],
    language_map: Option<&'a BTreeMap<String, String>>,
    any_language_code: bool,
    work_key_include: Option<&'a str>,
    work_key_exclude: Option<&'a str>,
    extra_fields: &'a [(String, Vec<String>)],
    rename_fields: &'a [(String, String)],
    track_changes: bool,
}

/// The options for the records of one source. The defaults are those of a VuFind catalogue with
/// DOAJ's articles, except for the institution.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Field `institution`; left out if empty.
    pub institution: String,
    /// Field `collection`; left out if empty. `None`: `DOAJ` for DOAJ's records, none for others.
    pub collection: Option<String>,
    /// How identifiers become document ids: the first pair whose first text an identifier begins
    /// with has that text replaced by the second.
    pub id_rewrites: Vec<(String, String)>,
    /// Put before every document id, after the rewriting.
    pub id_prefix: String,
    /// Field `record_format`. `None`: `Article` for DOAJ's records, the metadataPrefix for others.
    pub record_format: Option<String>,
    /// Field `format`: the name of a type ([`Kind::name`]) and the text for it. Types that are missing
    /// have VuFind's names.
    pub format_names: Vec<(String, String)>,
    /// Names of languages.
    pub languages: LanguageMap,
    /// How work keys are normalised.
    pub work_keys: WorkKeyRules,
    /// Fields that every document gets, after all others, in this order; values for a field that
    /// is there already join its own.
    pub extra_fields: Vec<(String, Vec<String>)>,
    /// Fields to be posted under another name, such as `series` as `container_title`.
    pub rename_fields: Vec<(String, String)>,
    /// Whether documents have `first_indexed` and `last_indexed`.
    pub track_changes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            institution: String::new(),
            collection: None,
            id_rewrites: vec![("oai:doaj.org/article:".to_owned(), "doaj-art-".to_owned())],
            id_prefix: String::new(),
            record_format: None,
            format_names: Vec::new(),
            languages: LanguageMap::default(),
            work_keys: WorkKeyRules::default(),
            extra_fields: Vec::new(),
            rename_fields: Vec::new(),
            track_changes: false,
        }
    }
}

impl Options {
    /// The document id of an OAI identifier; deletions use it too.
    pub fn document_id(&self, identifier: &str) -> String {
        let rewritten = self.id_rewrites.iter().find_map(|(from, to)| {
            let rest = identifier.strip_prefix(from.as_str())?;
            Some(format!("{}{to}{rest}", self.id_prefix))
        });
        rewritten.unwrap_or_else(|| format!("{}{identifier}", self.id_prefix))
    }

    /// The OAI identifiers whose document id this may be, in the order of the rewrites.
    pub fn identifiers(&self, document_id: &str) -> Vec<String> {
        let Some(rest) = document_id.strip_prefix(self.id_prefix.as_str()) else {
            return Vec::new();
        };
        let rewritten = self.id_rewrites.iter().filter_map(|(from, to)| {
            let rest = rest.strip_prefix(to.as_str())?;
            Some(format!("{from}{rest}"))
        });
        rewritten
            .chain([rest.to_owned()])
            .filter(|identifier| self.document_id(identifier) == document_id)
            .collect()
    }

    /// All options, under names that stay the same.
    fn definition(&self) -> Definition<'_> {
        Definition {
            institution: &self.institution,
            collection: self.collection.as_deref(),
            id_rewrites: &self.id_rewrites,
            id_prefix: &self.id_prefix,
            record_format: self.record_format.as_deref(),
            format_names: &self.format_names,
            language_map: self.languages.own.as_ref(),
            any_language_code: self.languages.any_standard,
            work_key_include: self.work_keys.include.as_ref().map(Regex::as_str),
            work_key_exclude: self.work_keys.exclude.as_ref().map(Regex::as_str),
            extra_fields: &self.extra_fields,
            rename_fields: &self.rename_fields,
            track_changes: self.track_changes,
        }
    }

    /// The text of field `format` for a type.
    pub(super) fn format_name(&self, kind: Kind) -> &str {
        let own = self.format_names.iter();
        let own = own.rev().find(|(name, _)| name == kind.name());
        own.map_or_else(|| vufind_format(kind), |(_, format)| format)
    }

    /// The name under which a field is posted.
    pub(crate) fn field_name(&self, name: &'static str) -> Cow<'static, str> {
        match self.rename_fields.iter().find(|(from, _)| from == name) {
            Some((_, to)) => Cow::Owned(to.clone()),
            None => Cow::Borrowed(name),
        }
    }
}

/// VuFind's own name of a format.
///
/// Source: the formats that VuFind's import of MARC knows and translates, as far as it has the type.
fn vufind_format(kind: Kind) -> &'static str {
    match kind {
        Kind::Article => "Article",
        Kind::Book => "Book",
        Kind::Chapter => "Book Chapter",
        Kind::Thesis => "Thesis",
        Kind::ConferencePaper => "Conference Proceeding",
        Kind::Report => "Report",
        Kind::Preprint => "Preprint",
        Kind::Dataset => "Dataset",
        Kind::Image => "Image",
        Kind::Audio => "Sound Recording",
        Kind::Video => "Video",
        Kind::Map => "Map",
        Kind::Software => "Software",
        Kind::Journal => "Journal",
        Kind::Other => "Unknown",
    }
}

/// A line of a language map has no separator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "line {line} of the language map is neither \"code = name\" nor \"code<TAB>name\": {text:?}"
)]
pub struct LanguageMapError {
    /// Which line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// How language codes become names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LanguageMap {
    /// Read from a file; without one, MARC's codes with their English names.
    own: Option<BTreeMap<String, String>>,
    /// Whether codes of ISO 639-1 and 639-3 are understood too. Catalogues today show these bare
    /// (`deu`, `EN`), which is why it is off by default.
    pub any_standard: bool,
}

impl LanguageMap {
    /// Reads a map in VuFind's own form, `code = name` a line, or with a tab between the two.
    /// Blank lines and lines that begin with `#` do not count; of a code given twice the last name
    /// holds.
    ///
    /// # Errors
    /// [`LanguageMapError`] for the first line that is neither.
    pub fn parse(text: &str) -> Result<Self, LanguageMapError> {
        let mut own = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let (code, name) = line
                .split_once('=')
                .or_else(|| line.split_once('\t'))
                .ok_or_else(|| LanguageMapError {
                    line: at + 1,
                    text: line.to_owned(),
                })?;
            own.insert(code.trim().to_owned(), name.trim().to_owned());
        }
        Ok(Self {
            own: Some(own),
            any_standard: false,
        })
    }

    /// Reads a file for [`parse`](Self::parse).
    ///
    /// # Errors
    /// Why it cannot be read, with its path.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the language map {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The name of a language; a code that is not known stays as it is.
    pub(super) fn name<'a>(&'a self, code: &'a str) -> &'a str {
        let look_up = |code| match &self.own {
            Some(own) => own.get(code).map(String::as_str),
            None => language::marc_name(code),
        };
        if let Some(name) = look_up(code) {
            return name;
        }
        if !self.any_standard {
            return code;
        }
        language::marc_code(code)
            .and_then(look_up)
            .or_else(|| language::name(code))
            .unwrap_or(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_document_ids() {
        let mut options = Options::default();
        assert_eq!(
            options.document_id("oai:doaj.org/article:e07f"),
            "doaj-art-e07f"
        );
        assert_eq!(options.document_id("oai:x:1"), "oai:x:1");
        options.id_prefix = "x.".to_owned();
        options.id_rewrites.push(("oai:".to_owned(), String::new()));
        assert_eq!(
            options.document_id("oai:doaj.org/article:e07f"),
            "x.doaj-art-e07f"
        );
        assert_eq!(options.document_id("oai:x:1"), "x.x:1");
        let cases = [
            (
                "x.doaj-art-e07f",
                vec![
                    "oai:doaj.org/article:e07f",
                    "oai:doaj-art-e07f",
                    "doaj-art-e07f",
                ],
            ),
            ("x.x:1", vec!["oai:x:1", "x:1"]),
            ("doaj-art-e07f", vec![]),
        ];
        for (id, identifiers) in cases {
            assert_eq!(options.identifiers(id), identifiers, "{id}");
        }
    }

    #[test]
    fn sources_have_options_of_their_own() {
        let prefixed = |id_prefix: &str, institution: &str| Options {
            id_prefix: id_prefix.to_owned(),
            id_rewrites: Vec::new(),
            institution: institution.to_owned(),
            ..Options::default()
        };
        let options = DocumentOptions {
            default: prefixed("", "Default"),
            by_source: [
                ("a".to_owned(), prefixed("a.", "A")),
                ("b".to_owned(), prefixed("a.", "B")),
                ("c".to_owned(), prefixed("", "C")),
            ]
            .into(),
        };
        assert_eq!(options.for_source("a").institution, "A");
        assert_eq!(options.for_source("other").institution, "Default");
        assert_eq!(options.document_id("b", "x"), "a.x");
        assert_eq!(options.document_id("other", "x"), "x");
        assert_eq!(options.identifiers("a.x"), ["a.x", "x"]);
        let spaces = options.id_spaces();
        assert_eq!(spaces.len(), 2, "c makes the same ids as the default");
        assert_eq!(spaces["a"], spaces["b"]);
        let mut other = options.clone();
        assert_eq!(other.definition(), options.definition());
        other.by_source.remove("c");
        assert_ne!(other.definition(), options.definition());
    }

    #[test]
    fn names_languages() {
        let exact = LanguageMap::default();
        let proper = LanguageMap {
            any_standard: true,
            ..LanguageMap::default()
        };
        let mut own = LanguageMap::parse("# ours\neng = Anglais\n\nger\tAllemand\n").unwrap();
        let cases = [
            ("eng", "English", "English", "Anglais"),
            ("deu", "deu", "German", "deu"),
            ("nld", "nld", "Dutch", "nld"),
            ("hbs", "hbs", "Serbo-Croatian", "hbs"),
            ("EN", "EN", "English", "EN"),
            ("xyz", "xyz", "xyz", "xyz"),
            ("", "", "", ""),
        ];
        for (code, by_exact, by_proper, by_own) in cases {
            assert_eq!(exact.name(code), by_exact, "{code}");
            assert_eq!(proper.name(code), by_proper, "{code}");
            assert_eq!(own.name(code), by_own, "{code}");
        }
        own.any_standard = true;
        assert_eq!(own.name("deu"), "Allemand");
        assert_eq!(own.name("fra"), "French");
        let error = LanguageMap::parse("eng = English\nnonsense").unwrap_err();
        assert_eq!(error.line, 2);
    }
}
