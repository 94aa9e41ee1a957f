//! Reading windows: asks for one page after the other and does what each page means.

use std::collections::HashMap;
use std::time::Duration;

use super::observe::changes;
use super::{Halt, Run, identifiers};
use crate::harvest::adapt;
use crate::harvest::commit::{Committer, Totals};
use crate::harvest::fetch::{Fetched, Trouble};
use crate::harvest::reading::{Arrival, Doubt, Reading, Rules, Verdict};
use crate::harvest::resume::{self, Resumption};
use crate::oai::client::Transport;
use crate::oai::response::{ErrorCode, OaiError};
use crate::oai::{Content, Request, ResumptionToken};
use crate::store::{Cost, Ending, NewWindow, PageStep, Pass, Source, Span, Step, Window, WindowId};

/// A request that the repository refused.
struct Refusal {
    sent: Request,
    error: OaiError,
    cost: Cost,
}

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
            let pending = self.context.store.pending_windows(pass.id)?;
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
        match resume::resumption(
            &window,
            self.context.clock.now_ms(),
            &self.traits,
            self.settings.window_records,
        ) {
            Resumption::Go => {}
            Resumption::Restart(why) => return self.restart(window, why, committer).await,
            Resumption::Rest(span, why) => {
                return self.read_rest(window, span, why, committer).await;
            }
        }
        let mut reading = Reading::new(window, !self.cut_by_limit, self.traits.newest_first);
        let mut request = self.request(&reading.window, reading.window.token.as_ref());
        loop {
            if self.context.stop.is_requested() {
                return Err(Halt::Stopped);
            }
            let (sent, mut fetched) = match self.ask(&request, &reading).await {
                Ok(answered) => answered,
                Err(trouble) => return self.unanswered(trouble, reading, committer).await,
            };
            identifiers::as_records(&mut fetched);
            let times = (fetched.server_time, fetched.own_time);
            let cost = fetched.cost;
            let first = reading.is_first();
            if !first {
                self.tokens_work = true;
            } else if self
                .learn_from_beginning(source, pass, &reading.window, &sent, &fetched)
                .await?
            {
                self.read_without_sets(pass, committer).await?;
                return Ok(None);
            }
            match self.judge(source, &mut reading, &sent, fetched).await? {
                Verdict::Go(page, token) => {
                    let items = items_of(&page);
                    commit(committer, Step::Page(page), times).await?;
                    self.spend(items)?;
                    request = self.request(&reading.window, Some(&token));
                }
                Verdict::End(page) => {
                    if matches!(page.ending, Some(Ending::Complete)) {
                        let empty = first && items_of(&page) == 0;
                        self.check_counts(source, pass, &reading, empty)?;
                    }
                    return self.end(page, times, committer).await;
                }
                Verdict::CutOff { page, why, known } => {
                    let items = items_of(&page);
                    if !known && !self.is_cut_off(&reading.window, items).await? {
                        self.warn_of_doubtful_list(source, items)?;
                        let page = reading.end_of_bare_list(page, &self.rules());
                        return self.end(page, times, committer).await;
                    }
                    // What came is kept, whatever becomes of the rest.
                    commit(committer, Step::Page(page), times).await?;
                    self.spend(items)?;
                    let why =
                        format!("{why}; if lists of that size are whole, assume cut_off_at=no");
                    return self
                        .mend(reading.window, why, Cost::default(), committer)
                        .await;
                }
                Verdict::Cut {
                    page,
                    into,
                    note,
                    doubt,
                } => {
                    return self.cut(page, into, note, doubt, times, committer).await;
                }
                // The first token of such lists that was ever sent.
                Verdict::Restart(why)
                    if self.lists_identifiers()
                        && reading.window.token.is_none()
                        && !self.has_resumed =>
                {
                    return Err(Halt::NoIdentifiers(why));
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
                        .read_without_dates(source, &reading.window, committer)
                        .await;
                }
                Verdict::Refused(error) => {
                    let refusal = Refusal { sent, error, cost };
                    return self.refuse(&reading.window, refusal, committer).await;
                }
            }
        }
    }

    /// A request got no answer: the window is cut, read again, or left, by whose fault that is.
    async fn unanswered(
        &mut self,
        trouble: Trouble,
        reading: Reading,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        match trouble {
            Trouble::Exhausted { why, cost, .. } => {
                self.mend(reading.window, why, cost, committer).await
            }
            trouble => match trouble.refuses_the_request() {
                // Some repositories refuse a dead token by an HTTP status.
                Some(why) if !reading.is_first() => {
                    let why = why.to_owned();
                    self.restart(reading.window, why, committer).await
                }
                _ => Err(Halt::from_trouble(trouble)),
            },
        }
    }

    /// What the first page of a window says of its repository; whether that ignores sets.
    async fn learn_from_beginning(
        &mut self,
        source: &Source,
        pass: &Pass,
        window: &Window,
        sent: &Request,
        fetched: &Fetched,
    ) -> Result<bool, Halt> {
        self.retract_disproven(source, pass, window, fetched)?;
        if self.ignores_sets(source, window, fetched).await? {
            return Ok(true);
        }
        self.learn_from_first_page(source, window, sent, fetched)?;
        Ok(false)
    }

    /// What an answer means for its window, with all that it teaches noted.
    async fn judge(
        &mut self,
        source: &Source,
        reading: &mut Reading,
        sent: &Request,
        fetched: Fetched,
    ) -> Result<Verdict, Halt> {
        let clock = self.repository_clock(&fetched);
        self.note_dates(clock, &fetched);
        if matches!(fetched.response.content, Content::Records(_)) {
            self.heard_at = clock;
            self.has_resumed |= !reading.is_first();
        }
        self.note_repairs(&fetched.response.repairs);
        let arrival = Arrival {
            asked_until: asked_until(sent),
            response: fetched.response,
            clock,
            cost: fetched.cost,
        };
        let mut verdict = reading.judge(arrival, &self.rules());
        if let Verdict::Go(page, _)
        | Verdict::End(page)
        | Verdict::CutOff { page, .. }
        | Verdict::Cut { page, .. } = &mut verdict
        {
            if !page.records.is_empty() {
                self.failing_in_a_row = 0;
                self.failing_cuts = 0;
            }
            page.only_headers = self.lists_identifiers();
            if !page.only_headers {
                self.fill_gaps(&mut page.records).await?;
            }
        }
        if reading.has_strangers() {
            self.ignores_dates(source)?;
        }
        if reading.teach(&mut self.traits) {
            // Whoever goes on after a crash in this list needs to know.
            self.save_traits(source)?;
        }
        Ok(verdict)
    }

    /// Stores the last page of a window.
    async fn end(
        &mut self,
        page: PageStep,
        times: (Duration, Duration),
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        let items = items_of(&page);
        let failed = match &page.ending {
            Some(Ending::Failed(why)) => Some(why.clone()),
            _ => None,
        };
        commit(committer, Step::Page(page), times).await?;
        let complete = flush(committer).await?.complete;
        if !complete {
            self.spend(items)?;
        }
        Ok(failed)
    }

    /// Reads the rest of a window as a list of its own.
    async fn read_rest(
        &mut self,
        window: Window,
        span: Span,
        why: String,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        // Items that come again are not what a limit is for.
        if let (Some(left), Some(place)) = (&mut self.left, window.place) {
            *left += place.items;
        }
        let note = format!("{why}: reading what is left");
        tracing::debug!(source.id = %self.settings.name, window = window.id.0, "{note}");
        let rest = NewWindow {
            set_spec: window.set_spec,
            span,
        };
        let step = Step::Split {
            window: window.id,
            into: vec![rest],
            note,
        };
        commit(committer, step, Default::default()).await?;
        flush(committer).await?;
        Ok(None)
    }

    /// Stores a page whose window is to be read in parts.
    async fn cut(
        &mut self,
        page: PageStep,
        into: Vec<NewWindow>,
        note: String,
        doubt: Option<Doubt>,
        times: (Duration, Duration),
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        tracing::debug!(
            source.id = %self.settings.name, window = page.window.0,
            "cut into {} windows: {note}", into.len()
        );
        let window = page.window;
        let items = items_of(&page);
        commit(committer, Step::Page(page), times).await?;
        let step = Step::Split { window, into, note };
        commit(committer, step, Default::default()).await?;
        let totals = flush(committer).await?;
        // Whether parts show more is told by what changes in the store, and identifiers change nothing.
        if let Some(doubt) = doubt.filter(|_| !self.lists_identifiers()) {
            self.probe.get_or_insert((doubt, changes(&totals.counts)));
        }
        self.spend(items)?;
        Ok(None)
    }

    /// The repository refuses a window: that ends the run, unless others may be answered.
    async fn refuse(
        &mut self,
        window: &Window,
        refusal: Refusal,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        let why = self.refused(&refusal.sent, &refusal.error);
        if self.lists_identifiers() {
            return Err(Halt::NoIdentifiers(why));
        }
        let alone = !window.part && self.settings.sets.len() < 2;
        let format = ErrorCode::CannotDisseminateFormat;
        if alone || refusal.error.known_code() == Some(format) {
            return Err(Halt::Refused(why));
        }
        let step = Step::End {
            window: window.id,
            ending: Ending::Failed(why.clone()),
            cost: refusal.cost,
        };
        commit(committer, step, Default::default()).await?;
        flush(committer).await?;
        Ok(Some(why))
    }

    fn request(&self, window: &Window, token: Option<&ResumptionToken>) -> Request {
        let prefix = &self.settings.metadata_prefix;
        match token {
            Some(token) => adapt::resume(self.verb, token, prefix, &self.traits),
            None => adapt::list(
                self.verb,
                adapt::first(
                    prefix,
                    window.set_spec.as_deref(),
                    window.span,
                    &self.traits,
                ),
            ),
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
        let fetched = self.requester.ask(request, tries).await?;
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
            let mut other = match self.requester.ask(&way, tries).await {
                Ok(other) => other,
                // Another way that works even less says nothing about the first.
                Err(Trouble::Exhausted { .. }) => continue,
                Err(trouble) if trouble.refuses_the_request().is_some() => continue,
                Err(trouble) => return Err(trouble),
            };
            cost = cost.plus(other.cost);
            if lesson.is_taught_by(&other.response.content) {
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
            tokens_name_items: self.traits.tokens_name_items == Some(true),
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

/// Items of a page, readable or not.
fn items_of(page: &PageStep) -> u64 {
    (page.records.len() + page.bad.len()) as u64
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
        Request::ListRecords(selection) | Request::ListIdentifiers(selection) => {
            selection.until.clone()
        }
        _ => None,
    }
}
