//! Reading windows: asks for one page after the other and does what each page means.

use std::collections::HashMap;
use std::time::Duration;

use super::observe::changes;
use super::{Halt, Run};
use crate::harvest::adapt;
use crate::harvest::commit::{Committer, Totals};
use crate::harvest::fetch::{Fetched, Trouble};
use crate::harvest::reading::{Arrival, Doubt, Reading, Rules, Verdict};
use crate::harvest::resume;
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::{ErrorCode, OaiError};
use crate::oai::{Content, Request, ResumptionToken};
use crate::store::{Cost, Ending, Pass, Source, Step, Window, WindowId};

impl<T: Transport> Run<'_, T> {
    /// Reads one window after the other until none is left.
    pub(super) async fn read_windows(
        &mut self,
        source: &Source,
        pass: &Pass,
        committer: &Committer,
    ) -> Result<(), Halt> {
        let mut given_up: HashMap<WindowId, String> = HashMap::new();
        loop {
            let pending = self.around.store.pending_windows(pass.id)?;
            let Some(window) = pending
                .into_iter()
                .find(|window| !given_up.contains_key(&window.id))
            else {
                break;
            };
            let id = window.id;
            if let Some(why) = self.read_window(source, pass, window, committer).await? {
                given_up.insert(id, why);
            }
            self.save_traits(source)?;
        }
        let Some(why) = given_up.values().next() else {
            return Ok(());
        };
        Err(Halt::Left(format!(
            "{} windows could not be read, one of them: {why}",
            given_up.len()
        )))
    }

    /// Reads a window to its end, or says why it is given up for this run.
    async fn read_window(
        &mut self,
        source: &Source,
        pass: &Pass,
        window: Window,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        if let Some(doubt) = resume::doubt(
            &window,
            self.around.clock.now_ms(),
            self.traits.tokens_name_items == Some(true),
            self.settings.window_records,
        ) {
            return self.restart(window, doubt, committer).await;
        }
        let mut reading = Reading::new(window, !self.cut_by_limit);
        let mut request = self.request(&reading.window, reading.window.token.as_ref());
        loop {
            if self.around.stop.is_requested() {
                return Err(Halt::Stopped);
            }
            let (request_sent, fetched) = match self.ask(&request, &reading).await {
                Ok(answered) => answered,
                Err(Trouble::Exhausted { why, cost, .. }) => {
                    return self.mend(reading.window, why, cost, committer).await;
                }
                Err(trouble) => {
                    // Some repositories refuse a dead token by an HTTP status.
                    if let Some(why) = trouble.refuses_the_request()
                        && !reading.is_first()
                    {
                        let why = why.to_owned();
                        return self.restart(reading.window, why, committer).await;
                    }
                    return Err(Halt::from_trouble(trouble));
                }
            };
            let clock = self.repository_clock(&fetched);
            if matches!(fetched.response.content, Content::Records(_)) {
                self.heard_at = clock;
            }
            self.note_repairs(&fetched.response.repairs);
            let times = (fetched.server_time, fetched.own_time);
            let cost = fetched.cost;
            let first = reading.is_first();
            if first {
                self.retract_disproven(source, pass, &reading.window, &fetched)?;
                if self.ignores_sets(source, &reading.window, &fetched).await? {
                    self.read_without_sets(pass, committer).await?;
                    return Ok(None);
                }
                self.learn_from_first_page(source, &reading.window, &request_sent, &fetched)?;
            } else {
                self.tokens_work = true;
            }
            let arrival = Arrival {
                asked_until: asked_until(&request_sent),
                response: fetched.response,
                clock,
                cost: fetched.cost,
            };
            let mut verdict = reading.judge(arrival, &self.rules());
            if let Verdict::Go(page, _) | Verdict::End(page) | Verdict::Cut { page, .. } =
                &mut verdict
            {
                if !page.records.is_empty() {
                    self.failing_in_a_row = 0;
                    self.failing_cuts = 0;
                }
                self.fill_gaps(&mut page.records).await?;
            }
            if reading.has_strangers() {
                self.ignores_dates(source)?;
            }
            if reading.tokens_name_items().is_some()
                && reading.tokens_name_items() != self.traits.tokens_name_items
            {
                self.traits.tokens_name_items = reading.tokens_name_items();
                // Whoever goes on after a crash in this list needs to know.
                self.save_traits(source)?;
            }
            match verdict {
                Verdict::Go(page, token) => {
                    let items = (page.records.len() + page.bad.len()) as u64;
                    commit(committer, Step::Page(page), times).await?;
                    self.spend(items)?;
                    request = self.request(&reading.window, Some(&token));
                }
                Verdict::End(page) => {
                    let items = (page.records.len() + page.bad.len()) as u64;
                    if matches!(page.ending, Some(Ending::Complete)) {
                        self.check_counts(source, pass, &reading, first && items == 0)?;
                    }
                    let failed = match &page.ending {
                        Some(Ending::Failed(why)) => Some(why.clone()),
                        _ => None,
                    };
                    commit(committer, Step::Page(page), times).await?;
                    let complete = flush(committer).await?.complete;
                    if !complete {
                        self.spend(items)?;
                    }
                    return Ok(failed);
                }
                Verdict::Cut {
                    page,
                    into,
                    note,
                    doubt,
                } => {
                    tracing::debug!(
                        source.id = %self.settings.name, pass.id = pass.id.0,
                        "cut into {} windows: {note}", into.len()
                    );
                    let window = page.window;
                    let items = (page.records.len() + page.bad.len()) as u64;
                    commit(committer, Step::Page(page), times).await?;
                    let step = Step::Split { window, into, note };
                    commit(committer, step, Default::default()).await?;
                    let totals = flush(committer).await?;
                    if let Some(doubt) = doubt {
                        self.probe.get_or_insert((doubt, changes(&totals.counts)));
                    }
                    self.spend(items)?;
                    return Ok(None);
                }
                Verdict::Restart(note) => {
                    return self.restart(reading.window, note, committer).await;
                }
                Verdict::Fail(why) => {
                    return self
                        .mend(reading.window, why, Cost::default(), committer)
                        .await;
                }
                Verdict::IgnoresDates => {
                    return self
                        .read_without_dates(source, pass, &reading.window, committer)
                        .await;
                }
                Verdict::Refused(error) => {
                    let why = self.refused(&request_sent, &error);
                    // Other windows and other sets may be answered.
                    let alone = !reading.window.part && self.settings.sets.len() < 2;
                    if alone || error.known_code() == Some(ErrorCode::CannotDisseminateFormat) {
                        return Err(Halt::Refused(why));
                    }
                    let ending = Ending::Failed(why.clone());
                    let step = Step::End {
                        window: reading.window.id,
                        ending,
                        cost,
                    };
                    commit(committer, step, times).await?;
                    flush(committer).await?;
                    return Ok(Some(why));
                }
            }
        }
    }

    fn request(&self, window: &Window, token: Option<&ResumptionToken>) -> Request {
        let prefix = &self.settings.metadata_prefix;
        match token {
            Some(token) => adapt::resume(Verb::ListRecords, token, prefix, &self.traits),
            None => Request::ListRecords(adapt::first(
                prefix,
                window.set_spec.as_deref(),
                window.span,
                &self.traits,
            )),
        }
    }

    /// Sends a request, and where it is refused, the other ways to put it.
    async fn ask(
        &mut self,
        request: &Request,
        reading: &Reading,
    ) -> Result<(Request, Fetched), Trouble> {
        // Where windows have been failing, waiting long for each of them again helps nobody.
        let tries = if self.failing_cuts > 0 {
            self.settings.retries.min(1)
        } else {
            self.settings.retries
        };
        let fetched = self.asker.ask(request, tries).await?;
        let Content::Errors(errors) = &fetched.response.content else {
            return Ok((request.clone(), fetched));
        };
        if !reading.is_first() && self.tokens_work {
            return Ok((request.clone(), fetched));
        }
        let code = errors.iter().find_map(OaiError::known_code);
        let ways = adapt::other_ways(
            request,
            code,
            reading.window.span,
            reading.token(),
            &self.settings.metadata_prefix,
            &self.traits,
        );
        let mut cost = fetched.cost;
        for (way, lesson) in ways {
            let mut other = match self.asker.ask(&way, tries).await {
                Ok(other) => other,
                // Another way that works even less says nothing about the first.
                Err(Trouble::Exhausted { .. }) => continue,
                Err(trouble) if trouble.refuses_the_request().is_some() => continue,
                Err(trouble) => return Err(trouble),
            };
            cost = cost.plus(other.cost);
            if !matches!(other.response.content, Content::Errors(_)) {
                lesson.note(&mut self.traits);
                self.note(&format!("a request was refused, and {}", lesson.in_words()));
                other.cost = cost;
                return Ok((way, other));
            }
        }
        Ok((request.clone(), Fetched { cost, ..fetched }))
    }

    fn rules(&self) -> Rules {
        Rules {
            granularity: adapt::granularity(&self.traits),
            window_records: self.settings.window_records,
            earliest: self.traits.earliest,
            ignores_dates: self.traits.ignores_dates,
            list_size_lies: self.traits.list_size_lies,
            whole_at: self.traits.whole_at,
            cut_off_at: self.traits.cut_off_at,
            short_at: match self.probe {
                Some((Doubt::Short { items, .. }, _)) => Some(items),
                _ => None,
            },
        }
    }

    /// Counts items against the limit.
    fn spend(&mut self, items: u64) -> Result<(), Halt> {
        let Some(left) = &mut self.left else {
            return Ok(());
        };
        *left = left.saturating_sub(items);
        if *left == 0 { Err(Halt::Limit) } else { Ok(()) }
    }

    fn refused(&self, request: &Request, error: &OaiError) -> String {
        let arguments: Vec<String> = request
            .arguments()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut why = format!(
            "source {}: {} with {}: the repository answers {}",
            self.settings.name,
            request.verb(),
            arguments[1..].join("&"),
            error.code
        );
        if !error.message.is_empty() {
            why.push_str(&format!(" ({})", error.message));
        }
        why
    }
}

pub(super) async fn commit(
    committer: &Committer,
    step: Step,
    (server_time, own_time): (Duration, Duration),
) -> Result<(), Halt> {
    committer
        .send(step, server_time, own_time)
        .await
        .ok_or(Halt::CommitterGone)
}

pub(super) async fn flush(committer: &Committer) -> Result<Totals, Halt> {
    committer.flush().await.ok_or(Halt::CommitterGone)
}

pub(super) fn asked_until(request: &Request) -> Option<String> {
    match request {
        Request::ListRecords(selection) => selection.until.clone(),
        _ => None,
    }
}
