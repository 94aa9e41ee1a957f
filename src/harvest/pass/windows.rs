//! Reads windows: requests one page after the other, and does what the verdict on each page says.

use std::collections::HashMap;

use super::recover::Failure;
use super::sets::OtherSets;
use super::{PassRun, PassStart, WindowOutcome};
use crate::harvest::commit::Times;
use crate::harvest::reading::{
    Asked, ListAnswer, Reading, Rules, SizeDoubt, Verdict, identifiers_to_records, names_another,
};
use crate::harvest::request_form;
use crate::harvest::requester::{Fetched, RequestError};
use crate::harvest::resume::{self, Resumption};
use crate::harvest::run::Halt;
use crate::oai::client::Transport;
use crate::oai::response::{ErrorCode, OaiError};
use crate::oai::{Content, Record, Request, ResumptionToken};
use crate::store::{Cost, Ending, NewWindow, PageStep, Span, Step, Window, WindowId};

/// After this many gaps that fail again, the others wait for the next run.
const MAX_FAILED_GAPS: usize = 10;

/// At most this many records are expected to come several times in one list.
const MAX_EXPECTED: u32 = 10_000;

/// A request that the repository refused.
struct Refusal {
    sent: Request,
    error: OaiError,
    cost: Cost,
}

impl<T: Transport> PassRun<'_, '_, T> {
    /// Reads one window after the other until none is left.
    pub(super) async fn read_windows(&mut self) -> Result<(), Halt> {
        let mut failed: HashMap<WindowId, String> = HashMap::new();
        let mut last_set = None;
        loop {
            let pending = self.run.context.store.pending_windows(self.pass.id)?;
            let Some(window) = pending
                .into_iter()
                .find(|window| !failed.contains_key(&window.id))
            else {
                break;
            };
            let id = window.id;
            if !self.lists_gaps() && last_set.as_ref() != Some(&window.set_spec) {
                last_set = Some(window.set_spec.clone());
                self.run.budget.begin_list();
            }
            let outcome = match self.read_window(window).await {
                // Another list has just been read, so that this gap makes the repository fail.
                Err(Halt::Unavailable(why) | Halt::Refused(why)) if self.lists_gaps() => {
                    self.fail_window(id, why, Cost::default()).await?
                }
                outcome => outcome?,
            };
            self.save_traits()?;
            if let WindowOutcome::Failed(why) = outcome {
                failed.insert(id, why);
                if self.lists_gaps() && failed.len() == MAX_FAILED_GAPS {
                    break;
                }
            }
        }
        self.leave_failed_windows(&failed).await
    }

    /// Reads a window to its end, or as far as it can be read.
    async fn read_window(&mut self, window: Window) -> Result<WindowOutcome, Halt> {
        match resume::resumption(
            &window,
            self.run.context.clock.now_ms(),
            &self.run.repository.traits,
            self.run.settings.window_records,
        ) {
            Resumption::Continue => {}
            Resumption::Restart(why) => return self.restart(window, why).await,
            Resumption::Rest(span, why) => return self.read_rest(window, span, why).await,
        }
        let asked_already = self.start != PassStart::LimitReached;
        let newest_first = self.run.repository.traits.newest_first;
        let asked = Asked::new(
            &self.run.settings.metadata_prefix,
            window.set_spec.as_deref(),
            &self.run.repository.traits,
        );
        let mut reading = Reading::new(window, asked_already, newest_first).comparing(asked);
        let store = &self.run.context.store;
        reading.expect_again(&store.other_states(self.source.id, MAX_EXPECTED)?);
        let mut request = self.request(&reading.window, reading.window.token.as_ref());
        loop {
            if self.run.context.stop.is_requested() {
                return Err(Halt::Stopped);
            }
            let (sent, mut fetched) = match self.ask(&request, &reading).await {
                Ok(answered) => answered,
                Err(error) => return self.unanswered(error, reading).await,
            };
            identifiers_to_records(&mut fetched.response.content);
            let times = fetched.times;
            let cost = fetched.cost;
            let first = reading.is_first();
            if !first {
                self.run.repository.tokens_work = true;
                if let Some(other) = reading.record_of_other_set(&fetched.response.content) {
                    match self.meaning_of_other_sets(&reading.window, other).await? {
                        OtherSets::Ignored => return self.read_without_sets().await,
                        OtherSets::Forgotten => reading.leave_out_other_sets(),
                        OtherSets::Renamed => reading.trust_list_of_set(),
                        OtherSets::Unclear => {}
                    }
                }
            } else if self
                .learn_from_beginning(&reading.window, &sent, &fetched)
                .await?
            {
                return self.read_without_sets().await;
            }
            match self.judge(&mut reading, &sent, fetched).await? {
                Verdict::Continue(page, token) => {
                    let items = page.items();
                    self.committer.send(Step::Page(page), times).await?;
                    self.run.budget.spend(items)?;
                    request = self.request(&reading.window, Some(&token));
                }
                Verdict::End(page) => {
                    if matches!(page.ending, Some(Ending::Complete)) {
                        // Also by an empty list, which shows that not every list fails.
                        self.list_was_answered(&reading.window);
                        let is_empty = first && page.items() == 0;
                        self.run.repository.had_empty_list |= is_empty && !reading.window.part;
                        self.check_counts(&reading, is_empty)?;
                    }
                    return self.end_window(page, times).await;
                }
                Verdict::CutOff { page, why, known } => {
                    let items = page.items();
                    if !known && !self.is_cut_off(&reading.window, items).await? {
                        self.warn_of_doubtful_list(items)?;
                        let rules = self.rules();
                        let page = reading.end_of_bare_list(page, &rules);
                        return self.end_window(page, times).await;
                    }
                    // The records of the page are kept, whatever happens to the rest of the list.
                    self.committer.send(Step::Page(page), times).await?;
                    self.run.budget.spend(items)?;
                    let why =
                        format!("{why}; if lists of that size are whole, assume cut_off_at=no");
                    return self.recover(reading.window, Failure::of_page(why)).await;
                }
                Verdict::Split {
                    mut page,
                    into,
                    note,
                    doubt,
                    token,
                } => {
                    let Some(why) = self.is_split_in_vain(&reading, &page, token.is_some()) else {
                        return self.split(page, into, note, doubt, times).await;
                    };
                    self.run
                        .notes
                        .trouble(&why, "the list is read without splitting it");
                    if !page.records.iter().any(has_instant) {
                        return self.read_without_dates(&reading.window).await;
                    }
                    let Some(token) = token else {
                        return self.fail_window(reading.window.id, why, page.cost).await;
                    };
                    page.token = Some(token.clone());
                    let items = page.items();
                    self.committer.send(Step::Page(page), times).await?;
                    self.run.budget.spend(items)?;
                    request = self.request(&reading.window, Some(&token));
                }
                // The first token of a list of identifiers that was ever sent.
                Verdict::Restart(why)
                    if self.lists_identifiers()
                        && reading.window.token.is_none()
                        && !self.has_resumed =>
                {
                    return Err(Halt::CannotListIdentifiers(why));
                }
                Verdict::Restart(note) => return self.restart(reading.window, note).await,
                Verdict::Fail(why) => {
                    return self.recover(reading.window, Failure::of_page(why)).await;
                }
                Verdict::OtherFormat(why) if !reading.window.part => {
                    return Err(Halt::Refused(self.in_other_format(&why)));
                }
                Verdict::OtherFormat(why) => {
                    return self.recover(reading.window, Failure::of_page(why)).await;
                }
                Verdict::IgnoresDates => return self.read_without_dates(&reading.window).await,
                Verdict::Refused(error) => {
                    let refusal = Refusal { sent, error, cost };
                    return self.refuse(&reading.window, refusal).await;
                }
            }
        }
    }

    /// Notes that the list of a window can be read, at least in part.
    pub(super) fn list_was_answered(&mut self, window: &Window) {
        self.run.budget.list_was_answered();
        self.answered_lists.insert(window.set_spec.clone());
    }

    /// Does what follows when a request has no answer: the window is recovered, read again, or left.
    async fn unanswered(
        &mut self,
        error: RequestError,
        reading: Reading,
    ) -> Result<WindowOutcome, Halt> {
        match error {
            RequestError::Failed { why, cost, .. } => {
                let failure = Failure {
                    why,
                    cost,
                    at_first_page: reading.is_first(),
                };
                self.recover(reading.window, failure).await
            }
            error => {
                let Some(why) = error.refuses_this_request().map(str::to_owned) else {
                    return self.refused_by_status(error, reading).await;
                };
                if !reading.is_first() {
                    // Some repositories refuse an expired token by an HTTP status.
                    return self.restart(reading.window, why).await;
                }
                match self.recover_from_dates(&reading.window, &why).await? {
                    Some(outcome) => Ok(outcome),
                    None => self.refused_by_status(error, reading).await,
                }
            }
        }
    }

    /// Does what follows when a request is refused by its HTTP status, or redirected to nowhere. That can be the whole
    /// repository, one of its sets, or one record that a firewall dislikes.
    async fn refused_by_status(
        &mut self,
        error: RequestError,
        reading: Reading,
    ) -> Result<WindowOutcome, Halt> {
        let RequestError::Refused { why, .. } = &error else {
            return Err(error.into());
        };
        if self.lists_identifiers() {
            return Err(error.into());
        }
        let why = why.clone();
        let at_first_page = reading.is_first();
        let window = reading.window;
        self.run.requester.isolates_refusals = true;
        if self.answers_others_of_list(&window).await? {
            let failure = Failure {
                why,
                cost: Cost::default(),
                at_first_page,
            };
            return self.recover(window, failure).await;
        }
        let is_isolated = self.answers_other_sets(&window).await?;
        self.run.requester.isolates_refusals = is_isolated;
        if is_isolated {
            return self.fail_window(window.id, why, Cost::default()).await;
        }
        Err(error.into())
    }

    /// Whether the repository answers other requests for the list of `window`, of which one was refused.
    async fn answers_others_of_list(&mut self, window: &Window) -> Result<bool, Halt> {
        if self.answered_lists.contains(&window.set_spec) {
            return self.still_answers().await;
        }
        let is_dated = window.span.from.is_some() || window.span.until.is_some();
        Ok(is_dated && self.answers_whole_list(window).await?)
    }

    /// Whether a repository that has answered in this run does so now. It may have begun to refuse everything.
    async fn still_answers(&mut self) -> Result<bool, Halt> {
        match self.run.requester.ask(&Request::Identify, 0).await {
            Ok(_) => Ok(true),
            Err(RequestError::Failed { .. } | RequestError::Refused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the repository answers the list of `window` without dates, with records.
    async fn answers_whole_list(&mut self, window: &Window) -> Result<bool, Halt> {
        let list = self.first_page_of_span(window, Span::default()).await?;
        Ok(list.is_some())
    }

    /// Whether the repository answers the list of another set than that of `window`.
    async fn answers_other_sets(&mut self, window: &Window) -> Result<bool, Halt> {
        if window.set_spec.is_none() {
            return Ok(false);
        }
        if !self.answered_lists.is_empty() {
            return self.still_answers().await;
        }
        let mut sets = self.run.settings.sets.iter();
        let Some(other) = sets.find(|set| Some(*set) != window.set_spec.as_ref()) else {
            return Ok(false);
        };
        let request = Request::ListRecords(request_form::first(
            &self.run.settings.metadata_prefix,
            Some(other),
            Span::default(),
            &self.run.repository.traits,
        ));
        let content = self.run.requester.content(&request, 0).await?;
        Ok(matches!(content, Some(Content::Records(_))))
    }

    /// Judges an answer and takes up all that it teaches.
    async fn judge(
        &mut self,
        reading: &mut Reading,
        sent: &Request,
        fetched: Fetched,
    ) -> Result<Verdict, Halt> {
        self.has_answered = true;
        let clock = self.run.repository_clock(&fetched);
        self.run.clocks.hear(clock, &fetched.response.content);
        if matches!(fetched.response.content, Content::Records(_)) {
            self.has_resumed |= !reading.is_first();
        }
        self.run.notes.add_repairs(&fetched.response.repairs);
        let answer = ListAnswer {
            asked_until: request_form::until(sent),
            response: fetched.response,
            clock,
            cost: fetched.cost,
        };
        let mut verdict = reading.judge(answer, &self.rules());
        if let Some(page) = verdict.page_mut() {
            if !page.records.is_empty() {
                self.answered_lists.insert(reading.window.set_spec.clone());
            }
            let identifiers = page.records.iter().map(|record| &record.header.identifier);
            self.run.budget.records_were_read(identifiers);
            page.only_headers = self.lists_identifiers();
            if !page.only_headers {
                self.fetch_missing_metadata(page).await?;
            }
        }
        if reading.shows_other_dates() {
            self.note_ignored_dates()?;
        }
        if reading.forgets_set() {
            self.note_other_sets(&reading.window, OtherSets::Forgotten)?;
        }
        if reading.teach(&mut self.run.repository.traits) {
            // A run that goes on with this list after a crash needs them.
            self.save_traits()?;
        }
        Ok(verdict)
    }

    /// Stores the last page of a window.
    async fn end_window(&mut self, page: PageStep, times: Times) -> Result<WindowOutcome, Halt> {
        let items = page.items();
        let outcome = WindowOutcome::of(&page);
        self.committer.send(Step::Page(page), times).await?;
        let complete = self.committer.flush().await?.complete;
        if !complete {
            self.run.budget.spend(items)?;
        }
        Ok(outcome)
    }

    /// Reads the rest of a window as a list of its own.
    async fn read_rest(
        &mut self,
        window: Window,
        span: Span,
        why: String,
    ) -> Result<WindowOutcome, Halt> {
        // Items that come again do not count against the limit.
        if let Some(place) = window.place {
            self.run.budget.give_back(place.items);
        }
        let note = format!("{why}: reading the rest");
        tracing::debug!(source.id = %self.run.settings.name, window = window.id.0, "{note}");
        let rest = NewWindow {
            set_spec: window.set_spec,
            span,
        };
        let step = Step::Split {
            window: window.id,
            into: vec![rest],
            note,
            has_failed: false,
        };
        self.committer.store(step).await?;
        Ok(WindowOutcome::Done)
    }

    /// Why it does not help to split a list for its size, by what splitting has brought so far. `None` if
    /// it may help.
    fn is_split_in_vain(
        &mut self,
        reading: &Reading,
        page: &PageStep,
        has_token: bool,
    ) -> Option<String> {
        let span = reading.window.span;
        self.splits += 1;
        let size = page.list_size.unwrap_or_default();
        self.largest_list = self.largest_list.max(size);
        // Without a token, the list may be cut off, and smaller windows show what is behind.
        if let Some(other) = self.split_pages.insert(reading.last_page(), span)
            && (has_token || !page.records.iter().any(has_instant))
            && share_at_most_a_day(other, span)
        {
            return Some(format!(
                "two spans of datestamps show the same {} items",
                page.items()
            ));
        }
        let most = most_splits(self.largest_list, self.run.settings.window_records);
        (self.splits > most).then(|| {
            format!(
                "a list of {} items was split {most} times and its parts are not smaller",
                self.largest_list
            )
        })
    }

    /// Stores a page, and smaller windows in place of the window.
    async fn split(
        &mut self,
        page: PageStep,
        into: Vec<NewWindow>,
        note: String,
        doubt: Option<SizeDoubt>,
        times: Times,
    ) -> Result<WindowOutcome, Halt> {
        tracing::debug!(
            source.id = %self.run.settings.name, window = page.window.0,
            "split into {} windows: {note}", into.len()
        );
        let window = page.window;
        let items = page.items();
        self.committer.send(Step::Page(page), times).await?;
        let step = Step::Split {
            window,
            into,
            note,
            has_failed: false,
        };
        self.committer.send(step, Times::default()).await?;
        let totals = self.committer.flush().await?;
        // Changes in the store show whether smaller windows have more. Identifiers change nothing.
        if let Some(doubt) = doubt.filter(|_| !self.lists_identifiers()) {
            self.run.size_check.watch(doubt, &totals.counts);
        }
        self.run.budget.spend(items)?;
        Ok(WindowOutcome::Done)
    }

    /// Whether the repository serves the requested format, although it denies that for the list of `window`: a single
    /// record may lack it, and some repositories answer so if there are no records.
    async fn serves_format(&mut self, window: &Window) -> Result<bool, Halt> {
        if self.answered_lists.contains(&window.set_spec) {
            return Ok(true);
        }
        let is_dated = window.span.from.is_some() || window.span.until.is_some();
        Ok(is_dated && self.answers_whole_list(window).await?)
    }

    /// Does what follows when the repository refuses a window: the run ends, unless other windows may
    /// be answered.
    async fn refuse(&mut self, window: &Window, refusal: Refusal) -> Result<WindowOutcome, Halt> {
        let why = self.refused(&refusal.sent, &refusal.error);
        if self.lists_identifiers() {
            return Err(Halt::CannotListIdentifiers(why));
        }
        let concerns_dates = refusal.error.known_code() != Some(ErrorCode::CannotDisseminateFormat);
        if !concerns_dates && self.serves_format(window).await? {
            let failure = Failure {
                why,
                cost: refusal.cost,
                at_first_page: true,
            };
            return self.recover(window.clone(), failure).await;
        }
        if concerns_dates && let Some(outcome) = self.recover_from_dates(window, &why).await? {
            return Ok(outcome);
        }
        let is_only_list = !window.part && self.run.settings.sets.len() < 2;
        let format = ErrorCode::CannotDisseminateFormat;
        let is_format = refusal.error.known_code() == Some(format);
        if is_only_list || (is_format && !self.answers_other_sets(window).await?) {
            return Err(Halt::Refused(why));
        }
        self.fail_window(window.id, why, refusal.cost).await
    }

    pub(super) fn request(&self, window: &Window, token: Option<&ResumptionToken>) -> Request {
        let prefix = &self.run.settings.metadata_prefix;
        let traits = &self.run.repository.traits;
        match token {
            Some(token) => request_form::resume(self.verb(), token, prefix, traits),
            None => request_form::list(
                self.verb(),
                request_form::first(prefix, window.set_spec.as_deref(), window.span, traits),
            ),
        }
    }

    /// Sends a request and, if it is refused, its other forms.
    async fn ask(
        &mut self,
        request: &Request,
        reading: &Reading,
    ) -> Result<(Request, Fetched), RequestError> {
        let run = &mut *self.run;
        let retries = run.budget.retries(run.settings.retries);
        let mut fetched = run.requester.ask(request, retries).await?;
        let echo = &fetched.response.request.resumption_token;
        if names_another(echo.as_deref(), reading.token()) && !run.repository.echoes_other_tokens {
            // A proxy may have mixed up two callers. Asked again, it gives the right page; a repository
            // that always echoes another token does so again.
            let again = run.requester.ask(request, retries).await?;
            let cost = fetched.cost.plus(again.cost);
            let is_error = matches!(again.response.content, Content::Errors(_));
            run.repository.echoes_other_tokens =
                is_error || again.response.request.resumption_token == *echo;
            fetched = if is_error { fetched } else { again };
            fetched.cost = cost;
        }
        let code = match &fetched.response.content {
            Content::Errors(_) if !reading.is_first() && run.repository.tokens_work => {
                return Ok((request.clone(), fetched));
            }
            Content::Errors(errors) => errors.iter().find_map(OaiError::known_code),
            content if reading.is_in_other_format(content) => {
                run.repository.shows_other_format = true;
                if reading.is_first() {
                    // Only once: a cache may have answered.
                    let again = run.requester.ask(request, retries).await?;
                    let cost = fetched.cost.plus(again.cost);
                    return Ok((request.clone(), Fetched { cost, ..again }));
                }
                // As if the token had been refused: it lacks its format.
                Some(ErrorCode::BadResumptionToken)
            }
            _ => return Ok((request.clone(), fetched)),
        };
        let forms = request_form::other_forms(
            request,
            code,
            reading.window.span,
            reading.token(),
            &run.settings.metadata_prefix,
            &run.repository.traits,
        );
        let mut cost = fetched.cost;
        for (form, lesson) in forms {
            let mut other = match run.requester.ask(&form, retries).await {
                Ok(other) => other,
                // A form that has no answer says nothing about the first one.
                Err(RequestError::Failed { .. }) => continue,
                Err(error) if error.refuses_this_request().is_some() => continue,
                Err(error) => return Err(error),
            };
            cost = cost.plus(other.cost);
            if lesson.is_taught_by(&other.response.content)
                && !reading.is_in_other_format(&other.response.content)
            {
                lesson.apply(&mut run.repository.traits);
                run.notes
                    .note(&format!("a request was refused, and {}", lesson.in_words()));
                other.cost = cost;
                return Ok((form, other));
            }
        }
        Ok((request.clone(), Fetched { cost, ..fetched }))
    }

    fn rules(&self) -> Rules {
        self.run.repository.rules(self.run.size_check.short_at())
    }

    fn in_other_format(&self, why: &str) -> String {
        format!(
            "source {}: {why}; nothing of it is stored. Check metadata_prefix; if the repository has \
             changed the format on purpose, run `harvestd harvest --full`",
            self.run.settings.name
        )
    }

    fn refused(&self, request: &Request, error: &OaiError) -> String {
        let arguments: Vec<String> = request
            .arguments()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut why = format!(
            "source {}: {} with {}: the repository answers {}",
            self.run.settings.name,
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

fn has_instant(record: &Record) -> bool {
    record.header.instant().is_some()
}

/// Whether two spans are neighbours, or further apart.
fn share_at_most_a_day(one: Span, other: Span) -> bool {
    const DAY: i64 = 86_400;
    let begins = one.from.max(other.from);
    // `None` is the greatest end.
    let ends = [one.until, other.until].into_iter().flatten().min();
    ends.zip(begins)
        .is_some_and(|(ends, begins)| ends.unix() - begins.unix() <= DAY)
}

/// How often lists may be split for their size in one run. Halving reaches a single second within 30
/// steps, so a list of `size` items needs fewer.
fn most_splits(size: u64, window_records: u64) -> u64 {
    const EACH: u64 = 60;
    (size / window_records.max(1) + 2) * EACH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Datestamp;

    #[test]
    fn neighbours_share_at_most_a_day() {
        let span = |from: Option<i64>, until: Option<i64>| Span {
            from: from.map(Datestamp::from_unix),
            until: until.map(Datestamp::from_unix),
        };
        let day = 86_400;
        let cases = [
            (
                "neighbours",
                span(None, Some(day)),
                span(Some(day), None),
                true,
            ),
            (
                "apart",
                span(Some(5 * day), None),
                span(Some(0), Some(day)),
                true,
            ),
            (
                "parent and child",
                span(None, None),
                span(None, Some(9 * day)),
                false,
            ),
            (
                "parent and last child",
                span(Some(0), Some(9 * day)),
                span(Some(5 * day), Some(9 * day)),
                false,
            ),
        ];
        for (case, one, other, expected) in cases {
            assert_eq!(share_at_most_a_day(one, other), expected, "{case}");
            assert_eq!(share_at_most_a_day(other, one), expected, "{case}");
        }
    }

    #[test]
    fn splits_are_bounded_by_the_size_of_the_list() {
        assert_eq!(most_splits(100_000, 50_000), 240);
        assert_eq!(most_splits(11_000_000, 50_000), 13_320);
        assert_eq!(most_splits(5, 0), 420);
    }
}
