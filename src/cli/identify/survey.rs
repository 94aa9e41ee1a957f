//! Asks a repository about itself: who it is, its formats, its sets, the first page of its records.
//!
//! Each question stands for itself: one that is not answered does not keep the others back.

use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::harvest::settings::SourceSettings;
use crate::oai::client::Transport;
use crate::oai::error::FetchError;
use crate::oai::parse::{self, Hints};
use crate::oai::request::{Request, Selection, Verb};
use crate::oai::response::{Identify, MetadataFormat, Repair, RequestEcho, Set};
use crate::oai::{Content, Datestamp, Granularity, List, Record, Response};
use crate::record::{Kind, crosswalk};

/// Pages of sets that are read.
const SET_PAGES: usize = 10;

/// Longer pauses are not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// All that was found out.
#[derive(Debug, Clone, Default)]
pub(super) struct Survey {
    /// What Identify says, or why it says nothing.
    pub(super) identify: Answer<Identify>,
    /// The formats announced.
    pub(super) formats: Answer<Vec<MetadataFormat>>,
    /// The sets.
    pub(super) sets: Answer<Sets>,
    /// The first page of records.
    pub(super) sample: Answer<Sample>,
    /// The repository's clock less ours, in seconds.
    pub(super) skew_seconds: Option<i64>,
    /// Where the base URL has moved to for good.
    pub(super) moved_to: Option<String>,
    /// What had to be mended, by verb.
    pub(super) repairs: Vec<(Verb, Repair)>,
}

/// What came of a question; by default, that it was not asked.
#[derive(Debug, Clone)]
pub(super) enum Answer<T> {
    /// The answer.
    Given(T),
    /// The repository refuses in the words of the protocol: code and message.
    Refused(String, String),
    /// There is no answer that can be read, and why.
    Failed(String),
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self::Failed("not asked".to_owned())
    }
}

impl<T> Answer<T> {
    /// The answer, if there is one.
    pub(super) fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Refused(..) | Self::Failed(_) => None,
        }
    }

    /// Why there is none.
    pub(super) fn why_not(&self) -> Option<String> {
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
pub(super) struct Sets {
    /// In the order in which they came.
    pub(super) sets: Vec<Set>,
    /// Whether the list was read to its end.
    pub(super) complete: bool,
    /// How many the repository says that there are.
    pub(super) list_size: Option<u64>,
}

/// What the first page of records shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// The format asked for.
    pub(super) prefix: String,
    /// Records on the page, unreadable ones included.
    pub(super) records: usize,
    /// Those that cannot be read.
    pub(super) bad: usize,
    /// Tombstones among them.
    pub(super) deleted: usize,
    /// The first one that is not deleted.
    pub(super) first: Option<First>,
    /// How to go on.
    pub(super) token: Option<String>,
    /// `completeListSize`.
    pub(super) list_size: Option<u64>,
    /// `cursor`.
    pub(super) cursor: Option<u64>,
    /// What the repository says that it was asked.
    pub(super) echo: RequestEcho,
    /// The repository's clock.
    pub(super) response_date: Option<Datestamp>,
    /// The oldest and the newest datestamp of the page.
    pub(super) datestamps: Option<(Datestamp, Datestamp)>,
    /// Datestamps that are days, instants, and neither.
    pub(super) days: usize,
    /// See `days`.
    pub(super) instants: usize,
    /// See `days`.
    pub(super) undated: usize,
}

/// A record, in brief.
#[derive(Debug, Clone)]
pub(super) struct First {
    /// Its identifier.
    pub(super) identifier: String,
    /// Its datestamp as written.
    pub(super) datestamp: String,
    /// What it describes, or why it cannot be read.
    pub(super) article: Result<(Kind, Option<String>), String>,
    /// The namespace of its metadata.
    pub(super) namespace: Option<String>,
}

/// Asks everything, one request after the other, with the source's pause between them. `prefix` is
/// the format to look at; `None` for the best one announced. `now_seconds` is our clock.
pub(super) async fn survey<T: Transport>(
    transport: &T,
    settings: &SourceSettings,
    prefix: Option<&str>,
    now_seconds: impl Fn() -> i64,
) -> Survey {
    let mut asker = Asker {
        transport,
        settings,
        asked: false,
        now_seconds,
        survey: Survey::default(),
    };
    let identify = asker.ask(&Request::Identify).await;
    asker.survey.identify = identify.and_then(|response| match response.content {
        Content::Identify(identify) => Some(identify),
        _ => None,
    });
    let formats = Request::ListMetadataFormats { identifier: None };
    let formats = asker.ask(&formats).await;
    asker.survey.formats = formats.and_then(|response| match response.content {
        Content::MetadataFormats(formats) => Some(formats),
        _ => None,
    });
    let announced = asker.survey.formats.given().map_or(&[][..], Vec::as_slice);
    let prefix = prefix.map_or_else(|| likely_prefix(announced), str::to_owned);
    asker.survey.sets = asker.sets().await;
    let selection = Selection {
        metadata_prefix: prefix.clone(),
        ..Selection::default()
    };
    let records = asker.ask(&Request::ListRecords(selection)).await;
    asker.survey.sample = records.and_then(|response| {
        let (echo, response_date) = (response.request, response.response_date);
        match response.content {
            Content::Records(list) => Some(sample(&prefix, &list, echo, response_date)),
            _ => None,
        }
    });
    asker.survey
}

/// The format that says most of those announced; the one that every repository must have if none is.
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

struct Asker<'a, T, F> {
    transport: &'a T,
    settings: &'a SourceSettings,
    /// Whether a request was sent, after which a pause is due.
    asked: bool,
    now_seconds: F,
    survey: Survey,
}

impl<T> Answer<T> {
    /// The answer to the verb that was asked; an answer to another one is none.
    fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Answer<U> {
        match self {
            Self::Given(value) => read(value).map_or_else(
                || Answer::Failed("an answer to another question came".to_owned()),
                Answer::Given,
            ),
            Self::Refused(code, message) => Answer::Refused(code, message),
            Self::Failed(why) => Answer::Failed(why),
        }
    }
}

impl<T: Transport, F: Fn() -> i64> Asker<'_, T, F> {
    /// Asks once, and a second time after a fault of the network or server.
    async fn ask(&mut self, request: &Request) -> Answer<Response> {
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
        if std::mem::replace(&mut self.asked, true) {
            tokio::time::sleep(self.settings.delay).await;
        }
        self.transport.send(request).await
    }

    /// The sets of the first pages. What was read before a page that fails is kept.
    async fn sets(&mut self) -> Answer<Sets> {
        let mut sets = Sets::default();
        let mut token = None;
        for _ in 0..SET_PAGES {
            let request = Request::ListSets {
                token: token.clone(),
            };
            let page = self.ask(&request).await;
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
            // A token that leads to itself leads nowhere.
            if sets.complete || page.token == token {
                break;
            }
            token = page.token;
        }
        Answer::Given(sets)
    }
}

/// How long to wait before a second try, if one makes sense.
fn pause_after(error: &FetchError, retry_pause: Duration) -> Option<Duration> {
    match error {
        FetchError::Wait { .. } | FetchError::Retry { .. } => {
            let pause = error.retry_after().unwrap_or(retry_pause);
            (pause <= LONGEST_PAUSE).then_some(pause)
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
    let article = metadata
        .ok_or_else(|| "it has no metadata".to_owned())
        .and_then(|metadata| {
            crosswalk::article(prefix, metadata).map_err(|error| error.to_string())
        });
    First {
        identifier: record.header.identifier.clone(),
        datestamp: record.header.datestamp.clone(),
        article: article.map(|article| (article.kind, article.title)),
        namespace: metadata.and_then(root_namespace),
    }
}

/// The namespace of a document's root element; `None` if it has none.
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
