//! What the first page of a list says about its repository: clock, delay, address, disproven
//! watermarks.

use super::PassRun;
use crate::harvest::blocking::blocking;
use crate::harvest::learn;
use crate::harvest::progress::Event;
use crate::harvest::request_form;
use crate::harvest::requester::{Fetched, RequestError};
use crate::harvest::run::Halt;
use crate::harvest::watermark::{self, Evidence};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::RequestEcho;
use crate::oai::{Content, Datestamp, Request};
use crate::store::{PassKind, WarningKind, Window};

impl<T: Transport> PassRun<'_, '_, T> {
    /// Learns from the first page of a window; whether the repository ignores sets.
    pub(super) async fn learn_from_beginning(
        &mut self,
        window: &Window,
        sent: &Request,
        fetched: &Fetched,
    ) -> Result<bool, Halt> {
        self.retract_disproven_watermark(window, fetched).await?;
        if self.ignores_sets(window, fetched).await? {
            return Ok(true);
        }
        self.learn_from_first_page(window, sent, fetched)?;
        Ok(false)
    }

    fn learn_from_first_page(
        &mut self,
        window: &Window,
        request: &Request,
        fetched: &Fetched,
    ) -> Result<(), Halt> {
        let Content::Records(list) = &fetched.response.content else {
            return Ok(());
        };
        let run = &mut *self.run;
        if !window.part {
            run.saved.announced = list.paging.complete_list_size;
            let total = Event::Total(run.saved.announced);
            run.context.progress.event(&run.settings.name, total);
        }
        learn::page(&mut run.repository.traits, list);
        let documents = list.items.iter();
        let documents = documents.filter_map(|item| item.metadata.as_deref());
        let prefix = &run.settings.metadata_prefix;
        if let Some(message) = learn::no_crosswalk_in_words(prefix, documents) {
            run.warn(self.source, WarningKind::NoCrosswalk, message.as_deref())?;
        }
        let clock = run.repository_clock(fetched);
        if let Some(told) = clock
            .or(fetched.response.response_date)
            .or(fetched.http_date)
        {
            let skew = told.unix() - run.context.clock.now_seconds();
            let message = learn::skew_in_words(skew, clock.is_some());
            run.repository.traits.clock_skew_seconds = message.is_some().then_some(skew);
            run.warn(self.source, WarningKind::ClockSkew, message.as_deref())?;
        }
        if let Some(moved_to) = &fetched.moved_to {
            run.repository.traits.moved_to = Some(moved_to.clone());
            let message = format!("the repository has moved to {moved_to}: change its url");
            run.warn(self.source, WarningKind::Moved, Some(&message))?;
        }
        self.warn_of_raised_from(window, &fetched.response.request)?;
        let run = &mut *self.run;
        if window.span.until.is_some() {
            return Ok(());
        }
        let asked = request_form::until(request);
        let delay = watermark::delay_seconds(Evidence {
            asked_until: window.span.until,
            asked_text: asked.as_deref(),
            echoed_until: fetched.response.request.until.as_deref(),
            clock,
            ..Evidence::default()
        });
        run.repository.traits.delayed_seconds = delay;
        let has_key = run.settings.client.credentials.api_key.is_some();
        let message = "the api_key has no effect: the repository holds records back as for \
                       anonymous callers; check that the key is valid and of the right kind";
        run.warn(
            self.source,
            WarningKind::CredentialsWithoutEffect,
            (has_key && delay.is_some()).then_some(message),
        )
    }

    /// Warns of a repository that lists nothing older than it likes, whatever `from` asks.
    fn warn_of_raised_from(&mut self, window: &Window, echo: &RequestEcho) -> Result<(), Halt> {
        // earliestDatestamp is only a hint: a later beginning of a whole list proves no loss.
        let hint = self.run.repository.traits.earliest;
        let evidence = Evidence {
            asked_from: window.span.from.or(hint),
            echoed_from: echo.from.as_deref(),
            ..Evidence::default()
        };
        let raised = watermark::raised_from(evidence);
        if window.span.from.is_none() {
            if let Some(raised) = raised {
                self.run.notes.remark(format!(
                    "the list of all records begins at {raised} by its own words: the store lacks what \
                     is older; ask the repository for it"
                ));
            }
            return Ok(());
        }
        // Other parts of a list say nothing about its beginning.
        if raised.is_none() && window.part {
            return Ok(());
        }
        let message = raised.zip(window.span.from).map(|(raised, asked)| {
            format!(
                "asked for records from {asked}, the repository listed only those from {raised}: the \
                 store lacks what changed between, and the watermark stays; ask the repository for it"
            )
        });
        self.run
            .warn(self.source, WarningKind::BeginsLate, message.as_deref())
    }

    /// Takes back a watermark that lies in the repository's future. A pass that began at that
    /// watermark ends.
    ///
    /// A page from a cache is no reason, so Identify has to tell such a date as well.
    async fn retract_disproven_watermark(
        &mut self,
        window: &Window,
        fetched: &Fetched,
    ) -> Result<(), Halt> {
        let (response_date, http_date) = (fetched.response.response_date, fetched.http_date);
        let Some(watermark) =
            self.source
                .watermark(window.set_spec.as_deref())
                .filter(|watermark| {
                    watermark::disproves(response_date, http_date, watermark.datestamp)
                })
        else {
            return Ok(());
        };
        if self.shows_later_clock(watermark.datestamp).await? {
            self.run.notes.note(
                "a page seems to come from a cache: its dates are older than those of other answers",
            );
            return Ok(());
        }
        let begins_there = self.pass.kind != PassKind::Full;
        let source = self.source;
        let store = &self.run.context.store;
        let was_there = blocking(|| store.retract_watermark(source.id, watermark, begins_there))?;
        let told = response_date
            .max(http_date)
            .map_or_else(String::new, |told| told.to_string());
        let why = format!(
            "source {}: the repository's clock says {told}, before the watermark {}, so that a \
             wrong clock must have proven it; the watermark is removed",
            source.name, watermark.datestamp
        );
        if begins_there {
            return Err(Halt::Unfinished(format!(
                "{why}, and the next run reads everything"
            )));
        }
        if was_there {
            self.run.notes.note(&why);
        }
        Ok(())
    }

    /// Whether Identify shows that a watermark is not in the repository's future. If it fails, that may be so, and a
    /// later run asks again, unless Identify never works.
    async fn shows_later_clock(&mut self, watermark: Datestamp) -> Result<bool, Halt> {
        if request_form::is_failing(&self.run.repository.traits, Verb::Identify) {
            return Ok(false);
        }
        match self.run.requester.ask(&Request::Identify, 0).await {
            Ok(answer) => Ok(!watermark::disproves(
                answer.response.response_date,
                answer.http_date,
                watermark,
            )),
            Err(RequestError::Failed { .. }) => Ok(true),
            Err(error) if error.refuses_this_request().is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
