//! The arguments of a request, and what they ask for.

use percent_encoding::percent_decode;

use super::error::{ErrorCode, OaiError};
use crate::oai::request::Verb;
use crate::oai::{Datestamp, Granularity};
use crate::record::xml::is_xml_char;

/// The longest list of arguments that is read.
const MAX_BYTES: usize = 64 << 10;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Who the repository is.
    Identify,
    /// The formats of one item, or of all.
    ListMetadataFormats { identifier: Option<String> },
    /// The sets, from the beginning or from a token on.
    ListSets { token: Option<String> },
    /// Headers or whole records.
    List { verb: Verb, start: Start },
    /// One record.
    GetRecord {
        identifier: String,
        metadata_prefix: String,
    },
}

/// Where a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At its beginning.
    New(Selection),
    /// At the place in a token.
    Token(String),
}

/// What a list selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) metadata_prefix: String,
    pub(super) set: Option<String>,
    /// The first second.
    pub(super) from: Option<Datestamp>,
    /// The last second.
    pub(super) until: Option<Datestamp>,
}

/// The arguments as they were given: names and values.
pub(super) type Pairs = Vec<(String, String)>;

/// Splits arguments as forms write them: `name=value&name=value`, with `%XX` and `+`.
///
/// # Errors
/// `badArgument` for texts that are not UTF-8 or have characters that XML does not allow.
pub(super) fn split(text: &str) -> Result<Pairs, OaiError> {
    if text.len() > MAX_BYTES {
        return Err(OaiError::bad_argument("the arguments are too long"));
    }
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode(text.as_bytes()).decode_utf8();
        let decoded = decoded.map_err(|_| OaiError::bad_argument("an argument is not UTF-8"))?;
        if decoded.chars().all(is_xml_char) {
            return Ok(decoded.into_owned());
        }
        let message = "an argument has a character that XML does not allow";
        Err(OaiError::bad_argument(message))
    };
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// What the arguments ask for.
///
/// # Errors
/// `badVerb` or `badArgument`.
///
/// Source: OAI-PMH 2.0, 3.1.1 and 4.
pub(super) fn read(pairs: &[(String, String)]) -> Result<Request, OaiError> {
    let mut verbs = pairs.iter().filter(|(name, _)| name == "verb");
    let verb = match (verbs.next(), verbs.next()) {
        (Some((_, verb)), None) => verb,
        (Some(_), Some(_)) => return Err(bad_verb("the verb is given more than once")),
        (None, _) => return Err(bad_verb("the verb is missing")),
    };
    let Some(verb) = Verb::ALL.into_iter().find(|known| known.name() == verb) else {
        let names: Vec<&str> = Verb::ALL.into_iter().map(Verb::name).collect();
        let message = format!("the verb is unknown; there are {}", names.join(", "));
        return Err(bad_verb(&message));
    };
    let allowed: &[&str] = match verb {
        Verb::Identify => &[],
        Verb::ListMetadataFormats => &["identifier"],
        Verb::ListSets => &["resumptionToken"],
        Verb::GetRecord => &["identifier", "metadataPrefix"],
        Verb::ListIdentifiers | Verb::ListRecords => {
            &["metadataPrefix", "set", "from", "until", "resumptionToken"]
        }
    };
    let mut given = Given { values: Vec::new() };
    for (name, value) in pairs.iter().filter(|(name, _)| name != "verb") {
        if !allowed.contains(&name.as_str()) {
            let message = format!("{verb} has no argument {name:?}");
            return Err(OaiError::bad_argument(message));
        }
        if given.values.iter().any(|(known, _)| known == name) {
            let message = format!("the argument {name} is given more than once");
            return Err(OaiError::bad_argument(message));
        }
        if value.is_empty() {
            let message = format!("the argument {name} is empty");
            return Err(OaiError::bad_argument(message));
        }
        let is_sound = match name.as_str() {
            "set" => value.split(':').all(is_name),
            "metadataPrefix" => is_name(value),
            _ => true,
        };
        if !is_sound {
            let message = format!("the argument {name} has characters that it must not have");
            return Err(OaiError::bad_argument(message));
        }
        given.values.push((name.clone(), value.clone()));
    }
    let token = given.take("resumptionToken");
    if token.is_some() && !given.values.is_empty() {
        let message = "no other argument can stand beside resumptionToken";
        return Err(OaiError::bad_argument(message));
    }
    match (verb, token) {
        (Verb::Identify, _) => Ok(Request::Identify),
        (Verb::ListMetadataFormats, _) => Ok(Request::ListMetadataFormats {
            identifier: given.take("identifier"),
        }),
        (Verb::ListSets, token) => Ok(Request::ListSets { token }),
        (Verb::GetRecord, _) => Ok(Request::GetRecord {
            identifier: given.need("identifier")?,
            metadata_prefix: given.need("metadataPrefix")?,
        }),
        (Verb::ListIdentifiers | Verb::ListRecords, Some(token)) => Ok(Request::List {
            verb,
            start: Start::Token(token),
        }),
        (Verb::ListIdentifiers | Verb::ListRecords, None) => {
            let (from, until) = span(given.take("from"), given.take("until"))?;
            let start = Start::New(Selection {
                metadata_prefix: given.need("metadataPrefix")?,
                set: given.take("set"),
                from,
                until,
            });
            Ok(Request::List { verb, start })
        }
    }
}

/// Whether a text can be a metadataPrefix, or a part of a setSpec.
///
/// Source: metadataPrefixType and setSpecType in OAI-PMH.xsd.
pub(super) fn is_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c);
    !text.is_empty() && text.chars().all(is_allowed)
}

/// Whether a text can be an identifier in the `request` element, once what must be escaped is escaped.
///
/// Source: RFC 3986, 3; xs:anyURI.
pub(super) fn is_uri(text: &str) -> bool {
    let hex = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = text.match_indices('%').map(|(at, _)| at);
    if !escapes.all(|at| hex(at + 1) && hex(at + 2)) || text.contains(['[', ']']) {
        return false;
    }
    let (reference, fragment) = text.split_once('#').unwrap_or((text, ""));
    let before_path = reference.split(['/', '?']).next().unwrap_or_default();
    let rest = match before_path.split_once(':') {
        None => reference,
        Some((scheme, _)) => {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
            let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
            if !begins || !scheme.chars().all(is_allowed) {
                return false;
            }
            &reference[scheme.len() + 1..]
        }
    };
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    !fragment.contains('#') && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn bad_verb(message: &str) -> OaiError {
    OaiError::new(ErrorCode::BadVerb, message)
}

/// The arguments beside the verb.
struct Given {
    values: Vec<(String, String)>,
}

impl Given {
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.values.iter().position(|(known, _)| known == name)?;
        Some(self.values.swap_remove(at).1)
    }

    fn need(&mut self, name: &str) -> Result<String, OaiError> {
        self.take(name)
            .ok_or_else(|| OaiError::bad_argument(format!("the argument {name} is missing")))
    }
}

/// The seconds that `from` and `until` mean, both included.
///
/// Source: OAI-PMH 2.0, 2.7.1 and 3.3.1: both have the same granularity, and from is not after until.
fn span(
    from: Option<String>,
    until: Option<String>,
) -> Result<(Option<Datestamp>, Option<Datestamp>), OaiError> {
    let read = |name: &str, text: Option<String>| {
        text.map(|text| {
            datestamp(&text).ok_or_else(|| {
                let message = format!("{name} is neither YYYY-MM-DD nor YYYY-MM-DDThh:mm:ssZ");
                OaiError::bad_argument(message)
            })
        })
        .transpose()
    };
    let (from, until) = (read("from", from)?, read("until", until)?);
    if let (Some((from, of_from)), Some((until, of_until))) = (from, until) {
        if of_from != of_until {
            let message = "from and until differ in granularity";
            return Err(OaiError::bad_argument(message));
        }
        if from > until {
            return Err(OaiError::bad_argument("from is after until"));
        }
    }
    let last = |(until, granularity): (Datestamp, Granularity)| match granularity {
        Granularity::Day => until.day_end(),
        Granularity::Second => until,
    };
    Ok((from.map(|(from, _)| from), until.map(last)))
}

/// Reads a datestamp in exactly one of the two forms.
fn datestamp(text: &str) -> Option<(Datestamp, Granularity)> {
    if let Some(second) = Datestamp::canonical(text) {
        return Some((second, Granularity::Second));
    }
    let (day, granularity) = Datestamp::parse(text)?;
    let is_exact = granularity == Granularity::Day && day.render(Granularity::Day) == text;
    is_exact.then_some((day, granularity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Request, ErrorCode> {
        split(text)
            .and_then(|pairs| read(&pairs))
            .map_err(|error| error.code)
    }

    #[test]
    fn wrong_arguments_have_their_codes() {
        use ErrorCode::{BadArgument, BadVerb};
        let list = "verb=ListRecords&metadataPrefix=oai_dc";
        let cases = [
            (String::new(), BadVerb),
            ("verb=".into(), BadVerb),
            ("verb=identify".into(), BadVerb),
            ("verb=Identify&verb=Identify".into(), BadVerb),
            ("verb=Identify&verb=ListSets".into(), BadVerb),
            ("verb=Identify&set=a".into(), BadArgument),
            ("verb=Identify&extra".into(), BadArgument),
            ("verb=GetRecord".into(), BadArgument),
            ("verb=GetRecord&identifier=a".into(), BadArgument),
            ("verb=GetRecord&metadataPrefix=a".into(), BadArgument),
            ("verb=ListRecords".into(), BadArgument),
            ("verb=ListSets&set=a".into(), BadArgument),
            (format!("{list}&metadataPrefix=oai_dc"), BadArgument),
            (format!("{list}&resumptionToken=a"), BadArgument),
            ("verb=ListRecords&resumptionToken=".into(), BadArgument),
            (format!("{list}&set="), BadArgument),
            (format!("{list}&from=2020"), BadArgument),
            (format!("{list}&from=2020-02-30"), BadArgument),
            (format!("{list}&from=2020-1-1"), BadArgument),
            (format!("{list}&from=2020-01-01T00:00:00"), BadArgument),
            (
                format!("{list}&from=2020-01-01T00:00:00%2B01:00"),
                BadArgument,
            ),
            (format!("{list}&from=2020-01-01T00:00:00.5Z"), BadArgument),
            (
                format!("{list}&from=2020-01-02&until=2020-01-01"),
                BadArgument,
            ),
            (
                format!("{list}&from=2020-01-01&until=2020-01-02T00:00:00Z"),
                BadArgument,
            ),
            (format!("{list}&set=%01"), BadArgument),
            (format!("{list}&set=%EF%BF%BF"), BadArgument),
            (format!("{list}&set=%FF"), BadArgument),
            (format!("{list}&set=a::b"), BadArgument),
            (format!("{list}&set=a/b"), BadArgument),
            ("verb=ListRecords&metadataPrefix=a:b".into(), BadArgument),
            (format!("{list}&{}", "a".repeat(MAX_BYTES)), BadArgument),
        ];
        for (text, code) in cases {
            assert_eq!(answer(&text), Err(code), "{text:.80}");
        }
    }

    #[test]
    fn identifiers_are_uris() {
        for (text, expected) in [
            ("oai:a.org:1", true),
            ("a b", true),
            ("a/b:c", true),
            ("http://a.org:80/x?y:z#w", true),
            ("10.1000/182", true),
            ("ä<>\"{}", true),
            ("http://a:x/", false),
            ("::", false),
            ("1a:b", false),
            ("%zz", false),
            ("%4", false),
            ("#a#b", false),
            ("[x]", false),
        ] {
            assert_eq!(is_uri(text), expected, "{text}");
        }
    }

    #[test]
    fn arguments_become_requests() {
        assert_eq!(answer("verb=Identify"), Ok(Request::Identify));
        assert_eq!(answer("&verb=Identify&"), Ok(Request::Identify));
        let one = answer("metadataPrefix=oai_dc&identifier=oai%3aa%3A1%2B+2&verb=GetRecord");
        assert_eq!(
            one,
            Ok(Request::GetRecord {
                identifier: "oai:a:1+ 2".into(),
                metadata_prefix: "oai_dc".into(),
            })
        );
        let list = answer(
            "verb=ListIdentifiers&metadataPrefix=x&set=a:b&from=2020-01-01&until=2020-01-01",
        );
        let Ok(Request::List {
            start: Start::New(list),
            ..
        }) = list
        else {
            panic!("{list:?}");
        };
        assert_eq!(list.from.unwrap().to_string(), "2020-01-01T00:00:00Z");
        assert_eq!(list.until.unwrap().to_string(), "2020-01-01T23:59:59Z");
    }
}
