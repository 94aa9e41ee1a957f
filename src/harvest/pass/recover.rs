//! What happens to a window that fails: it is read again, with other dates, split, or read record by
//! record. A window for which nothing of that helps fails.

use super::window_identifiers::{MAX_IDENTIFIERS, WindowIdentifiers};
use super::{PassRun, PassStart, WindowOutcome};
use crate::harvest::learn;
use crate::harvest::reading::Asked;
use crate::harvest::request_form;
use crate::harvest::requester::RequestError;
use crate::harvest::run::{Halt, SingleRecord};
use crate::harvest::span;
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::BadItem;
use crate::oai::{Content, Datestamp, Header, Record, Request};
use crate::store::{Cost, Ending, NewWindow, PageOrder, PageStep, Span, Step, Window};

/// Reading record by record ends for now after this many records without any answer.
const MAX_UNANSWERED: u32 = 5;

/// Windows are not read record by record before they are split, after this many records of windows of which none
/// could be read so.
const MAX_UNREAD_BY_NAME: usize = 5;

/// At most this many pages of the list of one unit are read.
const MAX_UNIT_PAGES: usize = 10;

/// Why a window fails.
pub(super) struct Failure {
    /// The answer, or what is wrong with it.
    pub(super) why: String,
    /// The cost of the failed requests, as far as it is not stored yet.
    pub(super) cost: Cost,
    /// The first request of the window failed.
    pub(super) at_first_page: bool,
}

impl Failure {
    /// A page that was answered, and cannot be used.
    pub(super) fn of_page(why: String) -> Self {
        Self {
            why,
            cost: Cost::default(),
            at_first_page: false,
        }
    }
}

/// What reading a window record by record brought.
enum RecordByRecord {
    /// The last page of the window.
    Read(Box<PageStep>),
    /// The identifiers have other dates than were asked for.
    OtherDates,
    /// Nothing, for this reason.
    Failed(String),
}

/// What reading a window of few records record by record brought, before it is split.
enum FewRecords {
    /// The window was read, or is read in another way.
    Recovered(WindowOutcome),
    /// It has to be split. These are the datestamps of records that could not be read; none if the records are
    /// not few, or not known.
    Split(Vec<Datestamp>),
}

/// What asking for each record of a window brought.
struct ByName {
    /// What was read. It is the last page of the window if no record is left without an answer.
    page: PageStep,
    /// The datestamps of the records that were not read.
    unread: Vec<Datestamp>,
    /// So many answers cannot be read that it is no fault of single records.
    too_bad: Option<String>,
}

impl<T: Transport> PassRun<'_, '_, T> {
    /// Reads a window again from its beginning. A window that began again too often is recovered.
    pub(super) async fn restart(
        &mut self,
        window: Window,
        note: String,
    ) -> Result<WindowOutcome, Halt> {
        // Items that an earlier run has read come again, and do not count against the limit.
        if window.token.is_some() {
            self.run.budget.give_back(window.items);
        }
        if !self.run.budget.take_restart(window.id) {
            return self.recover(window, Failure::of_page(note)).await;
        }
        self.run.notes.trouble(&note, "reading the window again");
        let step = Step::Restart {
            window: window.id,
            note,
        };
        self.committer.store(step).await?;
        Ok(WindowOutcome::Done)
    }

    /// Recovers what can be read of a window that failed, if the repository answers at all: by the same
    /// request once more, by other dates, by smaller windows, or record by record.
    pub(super) async fn recover(
        &mut self,
        window: Window,
        failure: Failure,
    ) -> Result<WindowOutcome, Halt> {
        let Failure {
            why,
            cost,
            at_first_page,
        } = failure;
        if self.lists_identifiers() && self.run.clocks.last_page.is_none() {
            return Err(Halt::CannotListIdentifiers(why));
        }
        // An answer since the window before failed shows it too.
        let now = if std::mem::take(&mut self.has_answered) {
            self.run.clocks.last_answer
        } else {
            self.check_that_it_answers(&why).await?
        };
        self.reconsider_dates(&window).await?;
        let is_dated = window.span.from.is_some() || window.span.until.is_some();
        // Smaller windows fail too often for that, and so do gaps. An interrupted pass may have no others left,
        // so its first failure counts.
        let is_first_failure = self.start != PassStart::New && self.asked_again.is_empty();
        let is_whole = (window.failures == 0 || is_first_failure)
            && !self.lists_gaps()
            && !self.lists_identifiers();
        if at_first_page && is_dated && is_whole {
            if self.asked_again.insert(window.id) && window.failures == 0 {
                // The answer that was just seen counts for the next failure as well.
                self.has_answered = true;
                self.run.notes.trouble(&why, "asking once more");
                let step = Step::Restart {
                    window: window.id,
                    note: why,
                };
                self.committer.store(step).await?;
                return Ok(WindowOutcome::Done);
            }
            if let Some(outcome) = self.recover_from_dates(&window, &why).await? {
                return Ok(outcome);
            }
        }
        if !self.run.budget.take_failure() {
            if window.failures > 0 {
                return self.fail_window(window.id, why, cost).await;
            }
            return Err(Halt::Unavailable(format!(
                "{why}; {} windows in a row failed",
                self.run.budget.failures_in_a_row()
            )));
        }
        if self.run.repository.traits.granularity.is_none() {
            // Otherwise windows end at a day.
            self.run.identify(self.source).await?;
        }
        let mut into = now.and_then(|now| self.smaller_windows(&window, now, &[]));
        if into.is_some() && !self.lists_identifiers() {
            match self.read_few_records(&window, &why).await? {
                FewRecords::Recovered(outcome) => return Ok(outcome),
                FewRecords::Split(around) => {
                    into = now.and_then(|now| self.smaller_windows(&window, now, &around));
                }
            }
        }
        if let Some(into) = into {
            self.run.notes.trouble(&why, "reading smaller windows");
            let step = Step::Split {
                window: window.id,
                into,
                note: why,
                has_failed: true,
            };
            self.committer.store(step).await?;
            return Ok(WindowOutcome::Done);
        }
        let read = if self.lists_identifiers() {
            RecordByRecord::Failed("only done for whole records".to_owned())
        } else {
            self.read_record_by_record(&window, &why).await?
        };
        match read {
            RecordByRecord::Read(page) => self.end_recovered(*page).await,
            RecordByRecord::OtherDates => self.read_without_dates(&window).await,
            RecordByRecord::Failed(note) => {
                self.read_single_units(&window).await?;
                let why = format!("{why}; reading record by record failed too: {note}");
                self.fail_window(window.id, why, cost).await
            }
        }
    }

    /// Stores what can be read of a failing window of two units (seconds or days) by lists of one unit each.
    ///
    /// The window fails all the same. Some repositories leave the last unit of a list out, so that such lists prove
    /// nothing.
    async fn read_single_units(&mut self, window: &Window) -> Result<(), Halt> {
        let traits = &self.run.repository.traits;
        let (Some(from), Some(until)) = (window.span.from, window.span.until) else {
            return Ok(());
        };
        if self.lists_identifiers() || traits.ignores_dates || traits.rejects_until {
            return Ok(());
        }
        let unit = span::unit_seconds(request_form::granularity(traits));
        let number = |at: Datestamp| at.unix().div_euclid(unit);
        if number(until) - number(from) != 1 {
            return Ok(());
        }
        for at in [from, until] {
            let is_in_unit = |record: &Record| {
                let instant = record.header.instant();
                instant.is_some_and(|instant| number(instant) == number(at))
            };
            self.read_single_unit(window, at, is_in_unit).await?;
        }
        Ok(())
    }

    /// Stores the first pages of the list of one unit, as far as they have only records that were asked for.
    async fn read_single_unit(
        &mut self,
        window: &Window,
        at: Datestamp,
        is_in_unit: impl Fn(&Record) -> bool,
    ) -> Result<(), Halt> {
        let traits = &self.run.repository.traits;
        let (prefix, set) = (
            &self.run.settings.metadata_prefix,
            window.set_spec.as_deref(),
        );
        let asked = Asked::new(prefix, set, traits);
        let span = Span {
            from: Some(at),
            until: Some(at),
        };
        let mut request = Request::ListRecords(request_form::first(prefix, set, span, traits));
        for _ in 0..MAX_UNIT_PAGES {
            let Some(Content::Records(mut list)) = self.run.requester.content(&request, 0).await?
            else {
                break;
            };
            let is_asked_for = list.items.iter().all(&is_in_unit)
                && asked.other_format(&list.items).is_none()
                && asked.record_of_other_set(&list.items).is_none();
            if !is_asked_for {
                break;
            }
            asked.reject_other_formats(&mut list);
            let page = PageStep {
                window: window.id,
                records: list.items,
                is_list: true,
                bad: list.bad,
                ..PageStep::default()
            };
            self.committer.store(Step::Page(page)).await?;
            let Some(token) = list.token else {
                break;
            };
            request = self.request(window, Some(&token));
        }
        Ok(())
    }

    /// Stores what was read of a window record by record.
    async fn end_recovered(&mut self, page: PageStep) -> Result<WindowOutcome, Halt> {
        let outcome = WindowOutcome::of(&page);
        let budget = &mut self.run.budget;
        budget.read_by_name(page.records.len(), page.bad.len());
        // Windows that bring nothing but unreadable records count as failed.
        let is_bad = page.records.is_empty() && !page.bad.is_empty();
        if matches!(outcome, WindowOutcome::Done) && !is_bad {
            budget.window_was_recovered();
        }
        self.committer.store(Step::Page(page)).await?;
        Ok(outcome)
    }

    /// Reads a window record by record if it has few records: that takes fewer requests than smaller windows.
    ///
    /// If some have no answer, the others are stored, and the window has to be split. A list may show what
    /// GetRecord does not.
    async fn read_few_records(&mut self, window: &Window, why: &str) -> Result<FewRecords, Halt> {
        let cannot_list =
            request_form::is_failing(&self.run.repository.traits, Verb::ListIdentifiers);
        if self.identifiers_fail || cannot_list {
            return Ok(FewRecords::Split(Vec::new()));
        }
        let (headers, lowered) = match self.list_few_identifiers(window).await? {
            WindowIdentifiers::Listed {
                headers, lowered, ..
            } => (headers, lowered),
            WindowIdentifiers::OtherDates => {
                return self
                    .read_without_dates(window)
                    .await
                    .map(FewRecords::Recovered);
            }
            WindowIdentifiers::TooMany => return Ok(FewRecords::Split(Vec::new())),
            WindowIdentifiers::Failed(_) => {
                self.identifiers_fail = true;
                return Ok(FewRecords::Split(Vec::new()));
            }
        };
        let ByName {
            mut page,
            unread,
            too_bad,
        } = self.read_by_name(window, headers, lowered, why).await?;
        let is_whole = too_bad.is_none() && matches!(page.ending, Some(Ending::Complete));
        // Where no record can be had alone, smaller lists may still show some.
        if is_whole && (page.bad.is_empty() || !page.records.is_empty()) {
            return self.end_recovered(page).await.map(FewRecords::Recovered);
        }
        if page.records.is_empty() {
            self.unread_by_name += unread.len();
            self.identifiers_fail = self.unread_by_name >= MAX_UNREAD_BY_NAME;
        } else {
            page.ending = None;
            page.bad.clear();
            self.end_recovered(page).await?;
        }
        Ok(FewRecords::Split(unread))
    }

    /// The repository's clock, from an answer that shows that not every request fails. If that is an answer to
    /// Identify, the run learns from it.
    async fn check_that_it_answers(&mut self, why: &str) -> Result<Option<Datestamp>, Halt> {
        let run = &mut *self.run;
        // Where Identify never works, its failure shows nothing. A page shows as much.
        if request_form::is_failing(&run.repository.traits, Verb::Identify)
            && let Some(clock) = run.clocks.last_page
        {
            return Ok(Some(clock));
        }
        match run.requester.ask(&Request::Identify, 0).await {
            Ok(answer) => {
                let clock = run.repository_clock(&answer);
                run.clocks.last_answer = clock.or(run.clocks.last_answer);
                if let Content::Identify(identify) = answer.response.content {
                    let traits = &mut run.repository.traits;
                    learn::identity_again(traits, identify, answer.moved_to);
                }
                Ok(clock)
            }
            // The repository fails, not this window.
            Err(RequestError::Failed { .. }) => Err(Halt::Unavailable(why.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// The windows into which a failed window is split: halves, or those that set the datestamps of `around`
    /// apart. `None` if it cannot be split. `now` is the repository's clock.
    fn smaller_windows(
        &self,
        window: &Window,
        now: Datestamp,
        around: &[Datestamp],
    ) -> Option<Vec<NewWindow>> {
        let traits = &self.run.repository.traits;
        if traits.ignores_dates || traits.rejects_until || !self.run.budget.may_split() {
            return None;
        }
        // Records that are held back show in no part but the last, which has no end. A part that is
        // empty only now would count as read, although it shows records later. Where no delay is
        // known, the overlap covers such records: they are younger than the pass is old.
        let delay = traits.delayed_seconds.unwrap_or(0);
        let shown = now.plus_seconds(delay.saturating_neg());
        let granularity = request_form::granularity(traits);
        let mut spans = span::around(window.span, shown, around, granularity)
            .or_else(|| span::split(window.span, shown, traits.earliest, granularity))?;
        // Only the list itself proves how far it reaches, so its end stays. An end in the repository's
        // future bounds nothing, and a part would be taken to prove it.
        if let Some(last) = spans.last_mut() {
            last.until = window.span.until.filter(|until| *until <= now);
        }
        let part = |span: Span| NewWindow {
            set_spec: window.set_spec.clone(),
            span,
        };
        Some(spans.into_iter().map(part).collect())
    }

    /// Reads a window that cannot be split: lists its identifiers and asks for each record.
    ///
    /// Records that the repository answers about and that cannot be read are quarantined, so that only
    /// they are missing, and visibly so. If a record has no answer at all, the window stays open: the
    /// record may be whole, and nobody has seen it.
    async fn read_record_by_record(
        &mut self,
        window: &Window,
        why: &str,
    ) -> Result<RecordByRecord, Halt> {
        let (headers, lowered) = match self.list_identifiers_at_rest(window).await? {
            WindowIdentifiers::Listed {
                headers, lowered, ..
            } => (headers, lowered),
            WindowIdentifiers::OtherDates => return Ok(RecordByRecord::OtherDates),
            WindowIdentifiers::TooMany => {
                return Ok(RecordByRecord::Failed(format!(
                    "more than {MAX_IDENTIFIERS} identifiers"
                )));
            }
            WindowIdentifiers::Failed(note) => return Ok(RecordByRecord::Failed(note)),
        };
        let read = self.read_by_name(window, headers, lowered, why).await?;
        Ok(match read.too_bad {
            Some(why) => RecordByRecord::Failed(why),
            None => RecordByRecord::Read(Box::new(read.page)),
        })
    }

    /// Asks for each record of a window by name.
    async fn read_by_name(
        &mut self,
        window: &Window,
        headers: Vec<Header>,
        lowered: Option<Datestamp>,
        why: &str,
    ) -> Result<ByName, Halt> {
        let mut unread = Vec::new();
        let mut too_bad = None;
        let mut page = PageStep {
            window: window.id,
            order: PageOrder::First { bound: lowered },
            is_list: true,
            ending: Some(Ending::Complete),
            ..PageStep::default()
        };
        let max_bad = self.run.budget.may_be_bad(headers.len());
        let mut unanswered = 0;
        for header in headers {
            if header.deleted {
                page.records.push(Record::tombstone(header));
                continue;
            }
            let datestamp = header.instant();
            match self.run.get_record(&header.identifier).await? {
                SingleRecord::Found(mut record) => {
                    record.header.complete_from(&header);
                    page.by_name.insert(header.identifier);
                    page.records.push(*record);
                }
                SingleRecord::Unreadable {
                    reason,
                    answered: false,
                    ..
                } => {
                    unanswered += 1;
                    unread.extend(datestamp);
                    page.ending = Some(Ending::Failed(format!(
                        "{why}; record by record: no answer about {unanswered} records, one of them \
                         {}: {reason}",
                        header.identifier
                    )));
                    if unanswered == MAX_UNANSWERED {
                        break;
                    }
                }
                answer => {
                    unread.extend(datestamp);
                    // A list shows the record, so that GetRecord does not know it is a fault too.
                    let (reason, body) = match answer {
                        SingleRecord::Unreadable { reason, body, .. } => (reason, body),
                        _ => ("GetRecord does not know it".to_owned(), None),
                    };
                    page.bad.push(BadItem {
                        reason: format!("page: {why}; GetRecord: {reason}"),
                        // Without a body, the identifier still tells the item from others.
                        raw: body.unwrap_or_else(|| header.identifier.clone().into_bytes()),
                        identifier: Some(header.identifier),
                        datestamp: Some(header.datestamp),
                    });
                    if page.bad.len() > max_bad {
                        let count = page.bad.len();
                        too_bad = Some(format!("{count} records failed, one of them: {reason}"));
                        break;
                    }
                }
            }
        }
        Ok(ByName {
            page,
            unread,
            too_bad,
        })
    }
}
