//! Other ways to put a request that a repository refused, for repositories that read it otherwise
//! than the protocol says.

use percent_encoding::percent_decode_str;

use super::span;
use crate::oai::request::{Selection, Verb};
use crate::oai::response::{ErrorCode, OaiError};
use crate::oai::{Content, Granularity, Request, ResumptionToken};
use crate::store::{Span, Traits};

/// What is learnt, or unlearnt, when another way works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lesson {
    /// Dates are taken in this granularity.
    Granularity(Granularity),
    /// Whether tokens are percent-decoded before they are sent.
    DecodesTokens(bool),
    /// Whether `metadataPrefix` goes with every token.
    WantsPrefixWithToken(bool),
}

impl Lesson {
    /// What worked instead.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Granularity(Granularity::Day) => "dates by the day work",
            Self::Granularity(Granularity::Second) => "dates by the second work",
            Self::DecodesTokens(true) => "tokens work when they are percent-decoded first",
            Self::DecodesTokens(false) => "tokens work as they stand",
            Self::WantsPrefixWithToken(true) => "tokens work with metadataPrefix beside them",
            Self::WantsPrefixWithToken(false) => "tokens work without metadataPrefix beside them",
        }
    }

    /// Whether a request that was put in this way was understood, by what it brought. That nothing
    /// lies between two dates is an answer to them; to a token it is one fault more.
    pub(super) fn is_taught_by(self, content: &Content) -> bool {
        let Content::Errors(errors) = content else {
            return true;
        };
        let says_none = |error: &OaiError| error.known_code() == Some(ErrorCode::NoRecordsMatch);
        matches!(self, Self::Granularity(_)) && !errors.is_empty() && errors.iter().all(says_none)
    }

    /// Adds the lesson to what is known.
    pub(super) fn note(self, traits: &mut Traits) {
        match self {
            Self::Granularity(granularity) => traits.granularity = Some(granularity),
            Self::DecodesTokens(decodes) => traits.decodes_tokens = decodes,
            Self::WantsPrefixWithToken(wants) => traits.wants_prefix_with_token = wants,
        }
    }
}

/// Whether a verb is known to fail.
pub(super) fn is_failing(traits: &Traits, verb: Verb) -> bool {
    traits
        .failing_verbs
        .iter()
        .any(|known| known == verb.name())
}

/// The granularity to write dates in: a day is what every repository must understand.
pub(super) fn granularity(traits: &Traits) -> Granularity {
    traits.granularity.unwrap_or(Granularity::Day)
}

/// The first request of a list.
pub(super) fn first(
    metadata_prefix: &str,
    set: Option<&str>,
    span: Span,
    traits: &Traits,
) -> Selection {
    let (from, until) = if traits.ignores_dates {
        (None, None)
    } else {
        span::render(span, granularity(traits))
    };
    Selection {
        metadata_prefix: metadata_prefix.to_owned(),
        set: set.map(str::to_owned),
        from,
        until,
    }
}

/// The first request of a list of records or identifiers.
pub(super) fn list(verb: Verb, selection: Selection) -> Request {
    match verb {
        Verb::ListIdentifiers => Request::ListIdentifiers(selection),
        _ => Request::ListRecords(selection),
    }
}

/// The request for a later page, as this repository wants it.
pub(super) fn resume(
    verb: Verb,
    token: &ResumptionToken,
    metadata_prefix: &str,
    traits: &Traits,
) -> Request {
    Request::Resume {
        verb,
        token: if traits.decodes_tokens {
            decoded(token)
        } else {
            token.clone()
        },
        metadata_prefix: traits
            .wants_prefix_with_token
            .then(|| metadata_prefix.to_owned()),
    }
}

/// Other ways to put `request`, each to be tried once, after it was refused with `code`. `listed` is
/// the token that it resumes with, as the list had it.
///
/// Each way does one thing otherwise than is known to work, so that what was learnt of a repository
/// is unlearnt when it has changed.
pub(super) fn other_ways(
    request: &Request,
    code: Option<ErrorCode>,
    span: Span,
    listed: Option<&ResumptionToken>,
    metadata_prefix: &str,
    traits: &Traits,
) -> Vec<(Request, Lesson)> {
    match (request, code) {
        (
            Request::Resume { verb, .. },
            Some(ErrorCode::BadResumptionToken | ErrorCode::BadArgument),
        ) => {
            let Some(listed) = listed else {
                return Vec::new();
            };
            [
                Lesson::DecodesTokens(!traits.decodes_tokens),
                Lesson::WantsPrefixWithToken(!traits.wants_prefix_with_token),
            ]
            .into_iter()
            .map(|lesson| {
                let mut other = traits.clone();
                lesson.note(&mut other);
                (resume(*verb, listed, metadata_prefix, &other), lesson)
            })
            // Most tokens read the same either way.
            .filter(|(way, _)| way != request)
            .collect()
        }
        (
            Request::ListRecords(selection) | Request::ListIdentifiers(selection),
            Some(ErrorCode::BadArgument),
        ) if selection.from.is_some() || selection.until.is_some() => {
            let other = match granularity(traits) {
                Granularity::Day => Granularity::Second,
                Granularity::Second => Granularity::Day,
            };
            let (from, until) = span::render(span, other);
            let way = list(
                request.verb(),
                Selection {
                    from,
                    until,
                    ..selection.clone()
                },
            );
            vec![(way, Lesson::Granularity(other))]
        }
        _ => Vec::new(),
    }
}

fn decoded(token: &ResumptionToken) -> ResumptionToken {
    percent_decode_str(token.as_str())
        .decode_utf8()
        .ok()
        .and_then(|text| ResumptionToken::new(&text))
        .unwrap_or_else(|| token.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Datestamp;

    #[test]
    fn each_refusal_has_its_other_ways() {
        let token = |text| ResumptionToken::new(text).unwrap();
        let resume = |text| {
            super::resume(
                Verb::ListRecords,
                &token(text),
                "oai_dc",
                &Traits::default(),
            )
        };
        let span = Span {
            from: Datestamp::parse("2024-05-01").map(|(at, _)| at),
            until: None,
        };
        let list = Request::ListRecords(first("oai_dc", None, span, &Traits::default()));
        let open = Request::ListRecords(first("oai_dc", None, Span::default(), &Traits::default()));
        use ErrorCode::{BadArgument, BadResumptionToken, NoRecordsMatch};
        use Lesson::{DecodesTokens, WantsPrefixWithToken};
        let listed = |text| Some(token(text));
        let cases = [
            (
                "plain token",
                resume("abc"),
                listed("abc"),
                BadResumptionToken,
                vec![WantsPrefixWithToken(true)],
            ),
            (
                "encoded token",
                resume("%7Ba%7D"),
                listed("%7Ba%7D"),
                BadResumptionToken,
                vec![DecodesTokens(true), WantsPrefixWithToken(true)],
            ),
            (
                "token and arguments",
                resume("abc"),
                listed("abc"),
                BadArgument,
                vec![WantsPrefixWithToken(true)],
            ),
            (
                "end of the list",
                resume("abc"),
                listed("abc"),
                NoRecordsMatch,
                vec![],
            ),
            (
                "a day",
                list,
                None,
                BadArgument,
                vec![Lesson::Granularity(Granularity::Second)],
            ),
            ("no dates", open, None, BadArgument, vec![]),
        ];
        for (case, request, listed, code, expected) in cases {
            let ways = other_ways(
                &request,
                Some(code),
                span,
                listed.as_ref(),
                "oai_dc",
                &Traits::default(),
            );
            let lessons: Vec<Lesson> = ways.into_iter().map(|(_, lesson)| lesson).collect();
            assert_eq!(lessons, expected, "{case}");
        }
    }

    #[test]
    fn what_was_learnt_is_tried_without() {
        use Lesson::{DecodesTokens, WantsPrefixWithToken};
        let listed = ResumptionToken::new("%7Ba%7D").unwrap();
        let traits = Traits {
            decodes_tokens: true,
            wants_prefix_with_token: true,
            ..Traits::default()
        };
        let request = super::resume(Verb::ListRecords, &listed, "oai_dc", &traits);
        let ways = other_ways(
            &request,
            Some(ErrorCode::BadArgument),
            Span::default(),
            Some(&listed),
            "oai_dc",
            &traits,
        );
        let expected = [
            (
                Request::Resume {
                    verb: Verb::ListRecords,
                    token: listed.clone(),
                    metadata_prefix: Some("oai_dc".to_owned()),
                },
                DecodesTokens(false),
            ),
            (
                Request::Resume {
                    verb: Verb::ListRecords,
                    token: ResumptionToken::new("{a}").unwrap(),
                    metadata_prefix: None,
                },
                WantsPrefixWithToken(false),
            ),
        ];
        assert_eq!(ways, expected);
    }
}
