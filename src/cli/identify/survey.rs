//! Surveys a repository: Identify, its formats, its sets, the first page of its records.
//!
//! The requests are independent: if one fails, the others are still sent.

use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::harvest::settings::SourceSettings;
use crate::http::Redactor;
use crate::oai::client::Transport;
use crate::oai::error::FetchError;
use crate::oai::parse::{self, Hints};
use crate::oai::request::{Request, Selection, Verb};
use crate::oai::response::{Identify, MetadataFormat, Repair, RequestEcho, Set};
use crate::oai::{Content, Datestamp, Granularity, List, Record, Response};
use crate::record::{Kind, crosswalk};

/// The most pages of sets that are read.
const SET_PAGES: usize = 10;

/// If a server asks for a longer pause, there is no second attempt.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The results of a survey.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Survey {
    /// Identify.
    pub(in crate::cli) identify: Answer<Identify>,
    /// The announced formats.
    pub(in crate::cli) formats: Answer<Vec<MetadataFormat>>,
    /// The sets.
    pub(in crate::cli) sets: Answer<Sets>,
    /// The first page of records.
    pub(in crate::cli) sample: Answer<Sample>,
    /// The repository's clock minus ours, in seconds.
    pub(in crate::cli) skew_seconds: Option<i64>,
    /// The new base URL if the repository has moved permanently.
    pub(in crate::cli) moved_to: Option<String>,
    /// The repairs, by verb.
    pub(in crate::cli) repairs: Vec<(Verb, Repair)>,
}

/// The result of one request. The default is a request that was not sent.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Answer<T> {
    /// The answer.
    Given(T),
    /// An error of the protocol: code and message.
    Refused(String, String),
    /// No readable answer: the reason.
    Failed(String),
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self::Failed("the request was not sent".to_owned())
    }
}

impl<T> Answer<T> {
    /// The answer, if there is one.
    pub(in crate::cli) fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Refused(..) | Self::Failed(_) => None,
        }
    }

    /// Why there is no answer.
    pub(in crate::cli) fn why_not(&self) -> Option<String> {
        match self {
            Self::Given(_) => None,
            Self::Refused(code, message) if message.is_empty() => Some(code.clone()),
            Self::Refused(code, message) => Some(format!("{code}: {message}")),
            Self::Failed(why) => Some(why.clone()),
        }
    }
}

/// The sets, as far as they were read.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Sets {
    /// In the order of the list.
    pub(in crate::cli) sets: Vec<Set>,
    /// Whether the list was read to its end.
    pub(in crate::cli) complete: bool,
    /// `completeListSize`.
    pub(in crate::cli) list_size: Option<u64>,
}

/// The first page of records.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Sample {
    /// The requested format.
    pub(in crate::cli) prefix: String,
    /// The number of records, with unreadable ones.
    pub(in crate::cli) records: usize,
    /// The number of unreadable records.
    pub(in crate::cli) bad: usize,
    /// The number of tombstones.
    pub(in crate::cli) deleted: usize,
    /// The first record that is not deleted.
    pub(in crate::cli) first: Option<First>,
    /// The resumption token.
    pub(in crate::cli) token: Option<String>,
    /// `completeListSize`.
    pub(in crate::cli) list_size: Option<u64>,
    /// `cursor`.
    pub(in crate::cli) cursor: Option<u64>,
    /// The request as the repository understood it.
    pub(in crate::cli) echo: RequestEcho,
    /// The repository's clock.
    pub(in crate::cli) response_date: Option<Datestamp>,
    /// The oldest and the newest datestamp of the page.
    pub(in crate::cli) datestamps: Option<(Datestamp, Datestamp)>,
    /// The number of datestamps that are days.
    pub(in crate::cli) days: usize,
    /// The number of datestamps with a time.
    pub(in crate::cli) instants: usize,
    /// The number of unreadable datestamps.
    pub(in crate::cli) undated: usize,
}

/// A record in short.
#[derive(Debug, Clone)]
pub(in crate::cli) struct First {
    /// Its identifier.
    pub(in crate::cli) identifier: String,
    /// Its datestamp as written.
    pub(in crate::cli) datestamp: String,
    /// The kind and title of the described work, or why it is unreadable.
    pub(in crate::cli) resource: Result<(Kind, Option<String>), String>,
    /// The namespace of its metadata.
    pub(in crate::cli) namespace: Option<String>,
}

/// Surveys a repository, with the source's pause between the requests. `prefix` is the format of the
/// records; `None` for the best one announced. `now_seconds` is our clock.
pub(in crate::cli) async fn survey<T: Transport>(
    transport: &T,
    settings: &SourceSettings,
    prefix: Option<&str>,
    now_seconds: impl Fn() -> i64,
) -> Survey {
    let mut requester = Requester {
        transport,
        settings,
        redactor: Redactor::new(&settings.client),
        has_sent: false,
        now_seconds,
        survey: Survey::default(),
    };
    let identify = requester.request(&Request::Identify).await;
    requester.survey.identify = identify.and_then(|response| match response.content {
        Content::Identify(identify) => Some(identify),
        _ => None,
    });
    let formats = Request::ListMetadataFormats { identifier: None };
    let formats = requester.request(&formats).await;
    requester.survey.formats = formats.and_then(|response| match response.content {
        Content::MetadataFormats(formats) => Some(formats),
        _ => None,
    });
    let announced = requester
        .survey
        .formats
        .given()
        .map_or(&[][..], Vec::as_slice);
    let prefix = prefix.map_or_else(|| likely_prefix(announced), str::to_owned);
    requester.survey.sets = requester.sets().await;
    let selection = Selection {
        metadata_prefix: prefix.clone(),
        ..Selection::default()
    };
    let records = requester.request(&Request::ListRecords(selection)).await;
    requester.survey.sample = records.and_then(|response| {
        let (echo, response_date) = (response.request, response.response_date);
        match response.content {
            Content::Records(list) => Some(sample(&prefix, &list, echo, response_date)),
            _ => None,
        }
    });
    requester.survey
}

/// The richest known format among those announced; `oai_dc` if none is, since it is mandatory.
fn likely_prefix(formats: &[MetadataFormat]) -> String {
    let has = |prefix: &&str| {
        formats
            .iter()
            .any(|format| format.metadata_prefix == *prefix)
    };
    let known = ["oai_doaj", "oai_dc"].into_iter().find(has);
    let first = formats
        .first()
        .map(|format| format.metadata_prefix.as_str());
    known.or(first).unwrap_or("oai_dc").to_owned()
}

struct Requester<'a, T, F> {
    transport: &'a T,
    settings: &'a SourceSettings,
    redactor: Redactor,
    /// Whether a request was sent, so that the next one needs a pause.
    has_sent: bool,
    now_seconds: F,
    survey: Survey,
}

impl<T> Answer<T> {
    /// The part of the answer that `read` finds; an answer to another verb has none.
    fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Answer<U> {
        match self {
            Self::Given(value) => read(value).map_or_else(
                || Answer::Failed("the answer belongs to another verb".to_owned()),
                Answer::Given,
            ),
            Self::Refused(code, message) => Answer::Refused(code, message),
            Self::Failed(why) => Answer::Failed(why),
        }
    }
}

impl<T: Transport, F: Fn() -> i64> Requester<'_, T, F> {
    /// Sends a request, and once more if the network or the server fails.
    async fn request(&mut self, request: &Request) -> Answer<Response> {
        let mut answer = self.send(request).await;
        if let Err(error) = &answer
            && let Some(pause) = pause_after(error, self.settings.retry_pause)
        {
            tokio::time::sleep(pause).await;
            answer = self.send(request).await;
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        if let Some(moved_to) = &answer.moved_to {
            self.survey.moved_to = Some(moved_to.to_string());
        }
        let verb = request.verb();
        let hints = Hints {
            verb,
            charset: answer.charset.as_deref(),
            limits: self.settings.page_limits,
            redactor: Some(&self.redactor),
        };
        let response = match parse::parse(&answer.body, hints) {
            Ok(response) => response,
            Err(error) => return Answer::Failed(format!("{verb}: {error}")),
        };
        if let Some(theirs) = response.response_date.or(answer.date) {
            self.survey.skew_seconds = Some(theirs.unix() - (self.now_seconds)());
        }
        let repairs = response.repairs.iter().map(|repair| (verb, repair.clone()));
        self.survey.repairs.extend(repairs);
        match response.content {
            Content::Errors(errors) => errors.into_iter().next().map_or_else(
                || Answer::Failed("an error without a code".to_owned()),
                |error| Answer::Refused(error.code, error.message),
            ),
            content => Answer::Given(Response {
                content,
                ..response
            }),
        }
    }

    async fn send(&mut self, request: &Request) -> Result<crate::oai::client::Answer, FetchError> {
        if std::mem::replace(&mut self.has_sent, true) {
            tokio::time::sleep(self.settings.delay).await;
        }
        self.transport.send(request).await
    }

    /// The sets of the first pages. If a page fails, the pages before it count.
    async fn sets(&mut self) -> Answer<Sets> {
        let mut sets = Sets::default();
        let mut token = None;
        for _ in 0..SET_PAGES {
            let request = Request::ListSets {
                token: token.clone(),
            };
            let page = self.request(&request).await;
            let page = page.and_then(|response| match response.content {
                Content::Sets(page) => Some(page),
                _ => None,
            });
            let page = match page {
                Answer::Given(page) => page,
                Answer::Refused(code, message) if token.is_none() => {
                    return Answer::Refused(code, message);
                }
                Answer::Failed(why) if token.is_none() => return Answer::Failed(why),
                Answer::Refused(..) | Answer::Failed(_) => break,
            };
            sets.list_size = sets.list_size.or(page.paging.complete_list_size);
            sets.sets.extend(page.items);
            sets.complete = page.token.is_none();
            // A repeated token would never end.
            if sets.complete || page.token == token {
                break;
            }
            token = page.token;
        }
        Answer::Given(sets)
    }
}

/// The pause before a second attempt, if one makes sense.
fn pause_after(error: &FetchError, retry_pause: Duration) -> Option<Duration> {
    match error {
        FetchError::Wait { .. } | FetchError::Retry { .. } => {
            let pause = error.retry_after().unwrap_or(retry_pause);
            (pause <= MAX_PAUSE).then_some(pause)
        }
        _ => None,
    }
}

fn sample(
    prefix: &str,
    list: &List<Record>,
    echo: RequestEcho,
    response_date: Option<Datestamp>,
) -> Sample {
    let headers = || list.items.iter().map(|record| &record.header);
    let dates: Vec<_> = headers()
        .map(|header| Datestamp::parse(&header.datestamp))
        .collect();
    let of = |wanted| {
        let has = |date: &&Option<(Datestamp, Granularity)>| {
            date.map(|(_, granularity)| granularity) == wanted
        };
        dates.iter().filter(has).count()
    };
    let instants = || dates.iter().flatten().map(|(at, _)| *at);
    let live = list.items.iter().find(|record| !record.header.deleted);
    Sample {
        prefix: prefix.to_owned(),
        records: list.len(),
        bad: list.bad.len(),
        deleted: headers().filter(|header| header.deleted).count(),
        first: live.map(|record| first(prefix, record)),
        token: list.token.as_ref().map(|token| token.as_str().to_owned()),
        list_size: list.paging.complete_list_size,
        cursor: list.paging.cursor,
        echo,
        response_date,
        datestamps: instants().min().zip(instants().max()),
        days: of(Some(Granularity::Day)),
        instants: of(Some(Granularity::Second)),
        undated: of(None),
    }
}

fn first(prefix: &str, record: &Record) -> First {
    let metadata = record.metadata.as_deref();
    let resource = metadata
        .ok_or_else(|| "it has no metadata".to_owned())
        .and_then(|metadata| {
            crosswalk::resource(prefix, metadata).map_err(|error| error.to_string())
        });
    First {
        identifier: record.header.identifier.clone(),
        datestamp: record.header.datestamp.clone(),
        resource: resource.map(|resource| {
            let title = resource.title().map(str::to_owned);
            (resource.kind, title)
        }),
        namespace: metadata.and_then(root_namespace),
    }
}

/// The namespace of a document's root element, if it has one.
fn root_namespace(metadata: &str) -> Option<String> {
    let mut reader = Reader::from_str(metadata);
    loop {
        match reader.read_event().ok()? {
            Event::Start(root) | Event::Empty(root) => return namespace_of(&root),
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn namespace_of(root: &BytesStart<'_>) -> Option<String> {
    let prefix = root
        .name()
        .prefix()
        .map(|prefix| prefix.into_inner().to_owned());
    let declaration = match prefix {
        Some(prefix) => format!("xmlns:{prefix}"),
        None => "xmlns".to_owned(),
    };
    let declared = root.attributes().flatten();
    let mut declared = declared.filter(|attribute| attribute.key.0 == declaration);
    let value = declared.next()?.value;
    Some(quick_xml::escape::unescape(&value).map_or_else(|_| value.to_string(), Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_namespace_of_the_root() {
        let cases = [
            (
                "prefix",
                "<a:b xmlns:a=\"u&amp;v\" xmlns=\"w\"/>",
                Some("u&v"),
            ),
            (
                "no prefix",
                "<b xmlns:a=\"u\" xmlns=\"w\"><c/></b>",
                Some("w"),
            ),
            ("undeclared", "<a:b/>", None),
            ("nothing", "", None),
        ];
        for (case, metadata, expected) in cases {
            assert_eq!(root_namespace(metadata).as_deref(), expected, "{case}");
        }
    }

    #[test]
    fn looks_at_the_format_that_says_most() {
        let cases: [(&[&str], &str); 4] = [
            (&["oai_dc", "oai_doaj"], "oai_doaj"),
            (&["marc21", "oai_dc"], "oai_dc"),
            (&["marc21", "mods"], "marc21"),
            (&[], "oai_dc"),
        ];
        for (announced, expected) in cases {
            let formats: Vec<_> = announced
                .iter()
                .map(|prefix| MetadataFormat {
                    metadata_prefix: (*prefix).to_owned(),
                    ..MetadataFormat::default()
                })
                .collect();
            assert_eq!(likely_prefix(&formats), expected, "{announced:?}");
        }
    }
}
