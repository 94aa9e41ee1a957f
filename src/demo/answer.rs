//! What the repository answers to a request: the six verbs and their refusals.

use std::collections::BTreeSet;

use super::model::Model;
use super::{page, token, xml};
use crate::oai::request::Verb;
use crate::oai::{Datestamp, Granularity};

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status; the model itself always answers 200, refusals included.
    pub status: u16,
    /// Header fields beside those of the connection.
    pub headers: Vec<(String, String)>,
    /// The document.
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply of status 200 with `body` as `text/xml`.
    pub fn xml(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: vec![(
                "content-type".to_owned(),
                "text/xml; charset=utf-8".to_owned(),
            )],
            body: body.into(),
        }
    }
}

/// An error of the protocol: code and explanation.
pub(super) type Refusal = (&'static str, &'static str);

const BAD_VERB: Refusal = (
    "badVerb",
    "The verb is missing, repeated or not one of the six.",
);
pub(super) const BAD_ARGUMENT: Refusal = (
    "badArgument",
    "An argument is missing, repeated, out of place or badly written.",
);
pub(super) const BAD_TOKEN: Refusal = (
    "badResumptionToken",
    "The resumptionToken is unknown or has expired.",
);
pub(super) const CANNOT_DISSEMINATE: Refusal = (
    "cannotDisseminateFormat",
    "There is no such format, or the item is not to be had in it.",
);
const NO_SUCH_ID: Refusal = ("idDoesNotExist", "There is no item with this identifier.");
pub(super) const NO_MATCH: Refusal = ("noRecordsMatch", "No record matches all of the arguments.");
const NO_FORMATS: Refusal = ("noMetadataFormats", "The item is to be had in no format.");
const NO_SETS: Refusal = ("noSetHierarchy", "This repository has no sets.");

const REPOSITORY_NAME: &str = "Directory of Open Access Journals (imitation)";

/// The arguments of a request, as they came.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a>(&'a [(String, String)]);

impl<'a> Arguments<'a> {
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    pub(super) fn has_any(self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }
}

impl Model {
    /// Answers one request, given by its arguments in any order, at `now`.
    ///
    /// As at DOAJ, verbs match in any case, and of a repeated argument the first is used. Unknown
    /// arguments are ignored, and a `from` after `until` matches nothing.
    pub fn answer(&self, arguments: &[(String, String)], now: Datestamp) -> Reply {
        let arguments = Arguments(arguments);
        let mut out = String::new();
        let answered = match verb(arguments) {
            None => Err(BAD_VERB),
            Some(Verb::Identify) => {
                self.identify(&mut out, now);
                Ok(())
            }
            Some(Verb::ListMetadataFormats) => self.list_formats(&mut out, arguments, now),
            Some(Verb::ListSets) => self.list_sets(&mut out, arguments, now),
            Some(Verb::GetRecord) => self.get_record(&mut out, arguments, now),
            Some(verb @ (Verb::ListIdentifiers | Verb::ListRecords)) => {
                self.list(&mut out, verb, arguments, now)
            }
        };
        match answered {
            Ok(()) => {
                page::close(&mut out);
                Reply::xml(out)
            }
            Err((code, explanation)) => self.refuse(code, explanation, now),
        }
    }

    /// The answer with an OAI error.
    pub fn refuse(&self, code: &str, explanation: &str, now: Datestamp) -> Reply {
        let mut out = String::new();
        page::open(&mut out, &self.base_url, now, &[]);
        out.push_str("<error");
        xml::attribute(&mut out, "code", code);
        out.push('>');
        xml::text(&mut out, explanation);
        out.push_str("</error>");
        page::close(&mut out);
        Reply::xml(out)
    }

    fn identify(&self, out: &mut String, now: Datestamp) {
        let granularity = self.settings.granularity;
        let live = self.items().filter(|item| !item.deleted);
        let earliest = live.map(|item| item.datestamp).min().unwrap_or(now);
        page::open(out, &self.base_url, now, &[("verb", Some("Identify"))]);
        out.push_str("<Identify>");
        for (name, text) in [
            ("repositoryName", REPOSITORY_NAME),
            ("baseURL", &self.base_url),
            ("protocolVersion", "2.0"),
            ("adminEmail", "repository@repository.example"),
            ("earliestDatestamp", &earliest.render(granularity)),
            ("deletedRecord", "transient"),
            (
                "granularity",
                match granularity {
                    Granularity::Day => "YYYY-MM-DD",
                    Granularity::Second => "YYYY-MM-DDThh:mm:ssZ",
                },
            ),
        ] {
            xml::element(out, name, text);
        }
        out.push_str("</Identify>");
    }

    fn list_formats(
        &self,
        out: &mut String,
        arguments: Arguments<'_>,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        let identifier = arguments.get("identifier");
        let item = match identifier {
            Some(identifier) => Some(self.item(identifier).ok_or(NO_SUCH_ID)?),
            None => None,
        };
        let of_item =
            |prefix: &str| item.is_none_or(|item| item.deleted || item.metadata(prefix).is_some());
        let mut formats = self.settings.formats.clone();
        formats.retain(|format| of_item(&format.prefix));
        if formats.is_empty() {
            return Err(NO_FORMATS);
        }
        let attributes = [
            ("verb", Some("ListMetadataFormats")),
            ("identifier", identifier),
        ];
        page::open(out, &self.base_url, now, &attributes);
        out.push_str("<ListMetadataFormats>");
        for format in formats {
            out.push_str("<metadataFormat>");
            xml::element(out, "metadataPrefix", &format.prefix);
            xml::element(out, "schema", &format.schema);
            xml::element(out, "metadataNamespace", &format.namespace);
            out.push_str("</metadataFormat>");
        }
        out.push_str("</ListMetadataFormats>");
        Ok(())
    }

    fn list_sets(
        &self,
        out: &mut String,
        arguments: Arguments<'_>,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        if arguments.get("resumptionToken").is_some() {
            return Err(BAD_TOKEN);
        }
        let live = self.items().filter(|item| !item.deleted);
        let specs: BTreeSet<&str> = live
            .flat_map(|item| item.set_specs.iter().map(String::as_str))
            .collect();
        if specs.is_empty() {
            return Err(NO_SETS);
        }
        page::open(out, &self.base_url, now, &[("verb", Some("ListSets"))]);
        out.push_str("<ListSets>");
        for spec in specs {
            out.push_str("<set>");
            xml::element(out, "setSpec", spec);
            let name = token::read_set_spec(spec);
            xml::element(out, "setName", name.as_deref().unwrap_or(spec));
            out.push_str("</set>");
        }
        out.push_str("</ListSets>");
        Ok(())
    }

    fn get_record(
        &self,
        out: &mut String,
        arguments: Arguments<'_>,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        let identifier = arguments.get("identifier").ok_or(BAD_ARGUMENT)?;
        let prefix = arguments.get("metadataPrefix").ok_or(BAD_ARGUMENT)?;
        let format = self.settings.format(prefix).ok_or(CANNOT_DISSEMINATE)?;
        let stored = self.get(identifier).ok_or(NO_SUCH_ID)?;
        if !stored.item.deleted && stored.item.metadata(prefix).is_none() {
            return Err(CANNOT_DISSEMINATE);
        }
        let attributes = [
            ("verb", Some("GetRecord")),
            ("identifier", Some(identifier)),
            ("metadataPrefix", Some(prefix)),
        ];
        page::open(out, &self.base_url, now, &attributes);
        out.push_str("<GetRecord>");
        page::record(out, stored, format);
        out.push_str("</GetRecord>");
        Ok(())
    }
}

fn verb(arguments: Arguments<'_>) -> Option<Verb> {
    let name = arguments.get("verb")?;
    [
        Verb::Identify,
        Verb::ListMetadataFormats,
        Verb::ListSets,
        Verb::ListIdentifiers,
        Verb::ListRecords,
        Verb::GetRecord,
    ]
    .into_iter()
    .find(|verb| verb.name().eq_ignore_ascii_case(name))
}
