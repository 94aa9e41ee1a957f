//! What is done about windows that fail: read again, cut smaller, read record by record.

use super::windows::{commit, flush};
use super::{Halt, Run};
use crate::harvest::adapt;
use crate::harvest::commit::Committer;
use crate::harvest::fetch::Trouble;
use crate::harvest::span;
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::{BadItem, ErrorCode};
use crate::oai::{Content, Header, Record, Request};
use crate::store::{
    Cost, Ending, NewWindow, PageStep, Pass, Source, Span, Step, WarningKind, Window,
};

/// A window that ends without another try in this run.
const MOST_RESTARTS: u32 = 3;

/// So many windows are cut because they fail before a run gives up on them.
const MOST_FAILING_CUTS: u32 = 400;

/// Records of one second (or day) that are asked for one by one, at the most.
const MOST_ONE_BY_ONE: usize = 3_000;

/// What asking for one record brought.
pub(super) enum Got {
    Record(Box<Record>),
    /// The repository does not have it any more.
    Nothing,
    /// It cannot be had, now.
    Unreadable {
        reason: String,
        body: Option<Vec<u8>>,
    },
}

impl<T: Transport> Run<'_, T> {
    /// The token is dead: the window begins again, and if that keeps happening it is cut.
    pub(super) async fn restart(
        &mut self,
        window: Window,
        note: String,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        let restarts = self.restarts.entry(window.id).or_default();
        *restarts += 1;
        if *restarts > MOST_RESTARTS {
            return self.mend(window, note, Cost::default(), committer).await;
        }
        self.note(&format!("{note}; reading this window again"));
        commit(
            committer,
            Step::Restart {
                window: window.id,
                note,
            },
            Default::default(),
        )
        .await?;
        flush(committer).await?;
        Ok(None)
    }

    /// A window fails where the repository as such answers: cut it, so that the rest of it is
    /// stored and only the part with the fault stays open.
    pub(super) async fn mend(
        &mut self,
        window: Window,
        why: String,
        cost: Cost,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        let alive = match self.asker.ask(&Request::Identify, 0).await {
            Ok(fetched) => fetched,
            // Not this window, but the repository: there is no point in going on.
            Err(Trouble::Exhausted { .. }) => return Err(Halt::Down(why)),
            Err(trouble) => return Err(Halt::from_trouble(trouble)),
        };
        self.failing_cuts += 1;
        let now = alive.response.response_date.or(alive.http_date);
        let spans = now
            .filter(|_| !self.traits.ignores_dates && self.failing_cuts <= MOST_FAILING_CUTS)
            .and_then(|now| {
                let granularity = adapt::granularity(&self.traits);
                span::cut(window.span, now, self.traits.earliest, granularity)
            });
        if let Some(mut spans) = spans {
            // Only the list itself proves how far it reaches: its end stays what it was.
            if let Some(last) = spans.last_mut() {
                last.until = window.span.until;
            }
            self.note(&format!("{why}; reading smaller windows"));
            let into = spans
                .into_iter()
                .map(|span| NewWindow {
                    set_spec: window.set_spec.clone(),
                    span,
                })
                .collect();
            let step = Step::Split {
                window: window.id,
                into,
                note: why,
            };
            commit(committer, step, Default::default()).await?;
            flush(committer).await?;
            return Ok(None);
        }
        match self.read_one_by_one(&window, &why).await? {
            Ok(page) => {
                commit(committer, Step::Page(page), Default::default()).await?;
                flush(committer).await?;
                Ok(None)
            }
            Err(note) => {
                let why = format!("{why}; and one by one: {note}");
                let ending = Ending::Failed(why.clone());
                let step = Step::End {
                    window: window.id,
                    ending,
                    cost,
                };
                commit(committer, step, Default::default()).await?;
                flush(committer).await?;
                Ok(Some(why))
            }
        }
    }

    /// Reads a window that cannot be cut any further: lists its identifiers and asks for each
    /// record. Those that cannot be had are set aside, so that they alone are missing, and seen.
    ///
    /// The inner error says why that does not work either.
    async fn read_one_by_one(
        &mut self,
        window: &Window,
        why: &str,
    ) -> Result<Result<PageStep, String>, Halt> {
        let headers = match self.list_identifiers(window).await? {
            Ok(headers) => headers,
            Err(note) => return Ok(Err(note)),
        };
        let mut page = PageStep {
            window: window.id,
            begins: Some(None),
            ending: Some(Ending::Complete),
            ..PageStep::default()
        };
        let most_bad = headers.len() / 4 + 3;
        for header in headers {
            if header.deleted {
                page.records.push(Record::tombstone(header));
                continue;
            }
            match self.get_record(&header.identifier).await? {
                Got::Record(record) => page.records.push(*record),
                Got::Nothing => {}
                Got::Unreadable { reason, body } => {
                    page.bad.push(BadItem {
                        reason: format!("its page: {why}; alone: {reason}"),
                        // Without a body the item is still told from others by its name.
                        raw: body.unwrap_or_else(|| header.identifier.clone().into_bytes()),
                        identifier: Some(header.identifier),
                        datestamp: Some(header.datestamp),
                    });
                    if page.bad.len() > most_bad {
                        let count = page.bad.len();
                        return Ok(Err(format!(
                            "{count} records failed, one of them: {reason}"
                        )));
                    }
                }
            }
        }
        Ok(Ok(page))
    }

    pub(super) async fn get_record(&mut self, identifier: &str) -> Result<Got, Halt> {
        let request = Request::GetRecord {
            identifier: identifier.to_owned(),
            metadata_prefix: self.settings.metadata_prefix.clone(),
        };
        match self.asker.ask(&request, 1).await {
            Ok(fetched) => Ok(match fetched.response.content {
                Content::Record(record) => Got::Record(record),
                Content::Errors(errors) => match errors.first() {
                    Some(error) if error.known_code() == Some(ErrorCode::IdDoesNotExist) => {
                        Got::Nothing
                    }
                    error => Got::Unreadable {
                        reason: error.map_or_else(String::new, |error| error.code.clone()),
                        body: None,
                    },
                },
                _ => Got::Unreadable {
                    reason: "no record in the answer".to_owned(),
                    body: None,
                },
            }),
            Err(Trouble::Exhausted { why, body, .. }) => Ok(Got::Unreadable { reason: why, body }),
            Err(trouble) => Err(Halt::from_trouble(trouble)),
        }
    }

    async fn list_identifiers(
        &mut self,
        window: &Window,
    ) -> Result<Result<Vec<Header>, String>, Halt> {
        let prefix = self.settings.metadata_prefix.clone();
        let set = window.set_spec.as_deref();
        let mut request =
            Request::ListIdentifiers(adapt::first(&prefix, set, window.span, &self.traits));
        let mut headers = Vec::new();
        loop {
            let fetched = match self.asker.ask(&request, 1).await {
                Ok(fetched) => fetched,
                Err(Trouble::Exhausted { why, .. }) => return Ok(Err(why)),
                Err(trouble) => return Err(Halt::from_trouble(trouble)),
            };
            match fetched.response.content {
                Content::Identifiers(list) => {
                    headers.extend(list.items);
                    if headers.len() > MOST_ONE_BY_ONE {
                        return Ok(Err(format!("more than {MOST_ONE_BY_ONE} identifiers")));
                    }
                    let Some(token) = list.token else {
                        return Ok(Ok(headers));
                    };
                    request = adapt::resume(Verb::ListIdentifiers, &token, &prefix, &self.traits);
                }
                Content::Errors(errors) => {
                    let said = errors
                        .first()
                        .map_or("an error without a code", |e| &e.code);
                    return Ok(Err(format!("ListIdentifiers: {said}")));
                }
                _ => return Ok(Err("ListIdentifiers brought no identifiers".to_owned())),
            }
        }
    }

    /// `from` and `until` have no effect: the parts of a list are all the whole list, so it is read
    /// as one.
    pub(super) async fn read_without_dates(
        &mut self,
        source: &Source,
        pass: &Pass,
        window: &Window,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        self.traits.ignores_dates = true;
        let message = "the repository ignores from and until; each pass reads everything";
        self.warn(source, WarningKind::IgnoresDates, Some(message))?;
        let pending = self.around.store.pending_windows(pass.id)?;
        for other in pending
            .iter()
            .filter(|other| other.set_spec == window.set_spec)
        {
            let into = if other.id == window.id {
                vec![NewWindow {
                    set_spec: window.set_spec.clone(),
                    span: Span::default(),
                }]
            } else {
                Vec::new()
            };
            let step = Step::Split {
                window: other.id,
                into,
                note: message.to_owned(),
            };
            commit(committer, step, Default::default()).await?;
        }
        flush(committer).await?;
        Ok(None)
    }
}
