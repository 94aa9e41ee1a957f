//! The forms of list requests. A repository that does not follow the protocol may understand another
//! form of a request that it refused.

use percent_encoding::percent_decode_str;

use super::span;
use crate::oai::request::{Selection, Verb};
use crate::oai::response::{ErrorCode, OaiError};
use crate::oai::{Content, Granularity, Request, ResumptionToken};
use crate::store::{Span, Traits};

/// A lesson that another form of a request teaches if it works.
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
    /// The lesson in words.
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

    /// Whether the repository understood the form, by its answer. `noRecordsMatch` is an answer to
    /// dates; to a token it is another fault.
    pub(super) fn is_taught_by(self, content: &Content) -> bool {
        let Content::Errors(errors) = content else {
            return true;
        };
        let says_none = |error: &OaiError| error.known_code() == Some(ErrorCode::NoRecordsMatch);
        matches!(self, Self::Granularity(_)) && !errors.is_empty() && errors.iter().all(says_none)
    }

    /// Adds the lesson to the traits.
    pub(super) fn apply(self, traits: &mut Traits) {
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

/// The granularity of dates in requests. Every repository must understand days.
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
        let (from, until) = span::render(span, granularity(traits));
        (from, until.filter(|_| !traits.rejects_until))
    };
    Selection {
        metadata_prefix: metadata_prefix.to_owned(),
        set: set.map(str::to_owned),
        from,
        until,
    }
}

/// The `until` of a list request as it is sent; `None` for a resumption or an open list.
pub(super) fn until(request: &Request) -> Option<String> {
    match request {
        Request::ListRecords(selection) | Request::ListIdentifiers(selection) => {
            selection.until.clone()
        }
        _ => None,
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

/// Other forms of a `request` that was refused with `code`, to be tried once each. `listed` is the
/// token of the request as the list had it.
///
/// Each form differs in one point from the form that is known to work. So a lesson is unlearnt when
/// the repository has changed.
pub(super) fn other_forms(
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
                lesson.apply(&mut other);
                (resume(*verb, listed, metadata_prefix, &other), lesson)
            })
            // Most tokens read the same either way.
            .filter(|(form, _)| form != request)
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
            let form = list(
                request.verb(),
                Selection {
                    from,
                    until,
                    ..selection.clone()
                },
            );
            vec![(form, Lesson::Granularity(other))]
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
    fn each_refusal_has_its_other_forms() {
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
            let forms = other_forms(
                &request,
                Some(code),
                span,
                listed.as_ref(),
                "oai_dc",
                &Traits::default(),
            );
            let lessons: Vec<Lesson> = forms.into_iter().map(|(_, lesson)| lesson).collect();
            assert_eq!(lessons, expected, "{case}");
        }
    }

    #[test]
    fn a_lesson_is_unlearnt_when_the_repository_has_changed() {
        use Lesson::{DecodesTokens, WantsPrefixWithToken};
        let listed = ResumptionToken::new("%7Ba%7D").unwrap();
        let traits = Traits {
            decodes_tokens: true,
            wants_prefix_with_token: true,
            ..Traits::default()
        };
        let request = super::resume(Verb::ListRecords, &listed, "oai_dc", &traits);
        let forms = other_forms(
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
        assert_eq!(forms, expected);
    }
}
