//! What lists and their counts say about a repository, as traits and warnings.

use super::windows::asked_until;
use super::{Halt, Run};
use crate::harvest::blocking::blocking;
use crate::harvest::commit::Totals;
use crate::harvest::fetch::Fetched;
use crate::harvest::learn;
use crate::harvest::progress::Event;
use crate::harvest::reading::{Doubt, Reading};
use crate::harvest::watermark::{self, Evidence};
use crate::oai::client::Transport;
use crate::oai::response::{Repair, RepairKind};
use crate::oai::{Content, Datestamp, Request};
use crate::store::{Counts, Pass, PassKind, Source, WarningKind, Window};

impl<T: Transport> Run<'_, T> {
    /// What the first page of a list says about its repository.
    pub(super) fn learn_from_first_page(
        &mut self,
        source: &Source,
        window: &Window,
        request: &Request,
        fetched: &Fetched,
    ) -> Result<(), Halt> {
        let Content::Records(list) = &fetched.response.content else {
            return Ok(());
        };
        let size = list.paging.complete_list_size;
        if !window.part {
            self.context
                .progress
                .event(&self.settings.name, Event::Total(size));
        }
        learn::page(&mut self.traits, list);
        let clock = self.repository_clock(fetched);
        if let Some(told) = clock
            .or(fetched.response.response_date)
            .or(fetched.http_date)
        {
            let skew = told.unix() - self.context.clock.now_seconds();
            let message = learn::skew_in_words(skew, clock.is_some());
            self.traits.clock_skew_seconds = message.is_some().then_some(skew);
            self.warn(source, WarningKind::ClockSkew, message.as_deref())?;
        }
        if let Some(moved_to) = &fetched.moved_to {
            self.traits.moved_to = Some(moved_to.clone());
            let message = format!("the repository has moved to {moved_to}: change its url");
            self.warn(source, WarningKind::Moved, Some(&message))?;
        }
        if window.span.until.is_some() {
            return Ok(());
        }
        let asked = asked_until(request);
        self.traits.delayed_seconds = watermark::delay_seconds(Evidence {
            asked_until: window.span.until,
            asked_text: asked.as_deref(),
            echoed_until: fetched.response.request.until.as_deref(),
            clock,
        });
        let useless_key = self.settings.client.credentials.api_key.is_some()
            && self.traits.delayed_seconds.is_some();
        let message = "the api_key has no effect: the repository holds records back as for \
                       anonymous callers; check that the key is valid and of the right kind";
        self.warn(
            source,
            WarningKind::CredentialsWithoutEffect,
            useless_key.then_some(message),
        )
    }

    /// The repository's clock by an answer, as far as it is believed.
    pub(super) fn repository_clock(&self, fetched: &Fetched) -> Option<Datestamp> {
        let ours = Datestamp::from_unix(self.context.clock.now_seconds());
        watermark::clock(fetched.response.response_date, fetched.http_date, ours)
    }

    /// Notes how late it is, and how new what is listed.
    pub(super) fn note_dates(&mut self, clock: Option<Datestamp>, fetched: &Fetched) {
        self.told_at = clock.or(self.told_at);
        let (Some(now), Content::Records(list)) = (clock, &fetched.response.content) else {
            return;
        };
        let newest = list
            .items
            .iter()
            .filter_map(|record| record.header.instant())
            .filter(|at| *at <= now)
            .max();
        self.newest = self.newest.max(newest);
    }

    /// Takes back a watermark that lies in the repository's future, and the pass that began there.
    pub(super) fn retract_disproven(
        &self,
        source: &Source,
        pass: &Pass,
        window: &Window,
        fetched: &Fetched,
    ) -> Result<(), Halt> {
        let (response_date, http_date) = (fetched.response.response_date, fetched.http_date);
        let Some(watermark) = source
            .watermark(window.set_spec.as_deref())
            .filter(|watermark| {
                watermark::disproves(response_date, http_date, watermark.datestamp)
            })
        else {
            return Ok(());
        };
        let begins_there = pass.kind != PassKind::Full;
        let store = &self.context.store;
        let stood = blocking(|| store.retract_watermark(source.id, watermark, begins_there))?;
        let told = response_date
            .max(http_date)
            .map_or_else(String::new, |told| told.to_string());
        let why = format!(
            "source {}: the repository's clock says {told}, before the watermark {}, so that a \
             wrong clock must have proven it; it is taken back",
            source.name, watermark.datestamp
        );
        if begins_there {
            return Err(Halt::Left(format!(
                "{why}, and the next run reads everything"
            )));
        }
        if stood {
            self.note(&why);
        }
        Ok(())
    }

    /// A complete list whose counts are odd all the same.
    pub(super) fn check_counts(
        &mut self,
        source: &Source,
        pass: &Pass,
        reading: &Reading,
        empty: bool,
    ) -> Result<(), Halt> {
        if self.lists_identifiers() {
            return Ok(());
        }
        // Where smaller windows are to show it, they have the last word.
        if let Some((items, size)) = reading.contradicts_size()
            && !self.traits.list_size_lies
            && self.probe.is_none()
        {
            self.list_size_lies(source, items, size)?;
        }
        let Some(set) = &reading.window.set_spec else {
            return Ok(());
        };
        if pass.kind == PassKind::Full && !reading.window.part {
            let had_some = source.watermark(Some(set)).is_some();
            let message = format!("set {set} had records and has none now");
            let raise = empty && had_some;
            self.warn(
                source,
                WarningKind::EmptySet,
                raise.then_some(message.as_str()),
            )?;
        }
        Ok(())
    }

    /// What a complete pass says about the source.
    pub(super) fn take_stock(
        &mut self,
        source: &Source,
        pass: &Pass,
        totals: &Totals,
    ) -> Result<(), Halt> {
        if let Some((doubt, before)) = self.probe.take() {
            let more = changes(&totals.counts) > before;
            match doubt {
                Doubt::RoundCount(count) if more => self.traits.cut_off_at = Some(count),
                // Where smaller windows may be cut off as well, they show nothing.
                Doubt::RoundCount(_) if self.doubtful => {}
                Doubt::RoundCount(count) => self.traits.whole_at = Some(count),
                // Not a trait: each list that is cut off shows it by its own count.
                Doubt::Short { .. } if more => {}
                Doubt::Short { items, size } => self.list_size_lies(source, items, size)?,
            }
        }
        self.save_traits(source)?;
        if pass.kind == PassKind::Identifiers {
            return Ok(());
        }
        self.warn_of_repaired_pages(source)?;
        if pass.kind == PassKind::Full && self.reads_from_the_start && !self.doubtful {
            self.warn(source, WarningKind::MayBeCutOff, None)?;
        }
        if let Some(told_at) = self.told_at.filter(|_| pass.kind != PassKind::Part) {
            learn::newest(&mut self.traits, self.newest);
            self.save_traits(source)?;
            let delay = self.traits.delayed_seconds.unwrap_or(0);
            let message = learn::stall_in_words(&self.traits, told_at.plus_seconds(-delay));
            self.warn(source, WarningKind::Stalled, message.as_deref())?;
        }
        // Of the whole pass, also of the runs in which it was cut off.
        let seen = self.context.store.pass(pass.id)?.counts.records();
        let stored = source.live_records + source.deleted_records;
        if pass.kind == PassKind::Full {
            // A full list has put them to the test.
            if !self.traits.ignores_dates {
                self.warn(source, WarningKind::IgnoresDates, None)?;
            }
            if self.traits.ignores_sets != Some(true) {
                self.warn(source, WarningKind::IgnoresSets, None)?;
            }
            let fewer = seen * 2 < stored;
            let message = format!("a full list showed {seen} records, the store has {stored}");
            self.warn(
                source,
                WarningKind::FewerRecords,
                fewer.then_some(message.as_str()),
            )?;
        }
        let unproven = pass.moves_watermark && seen > 0 && totals.watermarks.is_empty();
        let message = "the repository gives no date with its lists that can be believed, so nothing \
                       is proven: each pass reads everything";
        self.warn(source, WarningKind::NoProof, unproven.then_some(message))
    }

    fn list_size_lies(&mut self, source: &Source, items: u64, size: u64) -> Result<(), Halt> {
        self.traits.list_size_lies = true;
        let message = format!(
            "the repository announced {size} records and listed {items}, twice; \
             its completeListSize is not believed any more"
        );
        self.warn(source, WarningKind::CountsDisagree, Some(&message))
    }

    /// Counts what had to be mended to read an answer.
    pub(super) fn note_repairs(&mut self, repairs: &[Repair]) {
        for repair in repairs {
            *self.mended.entry(repair.kind).or_default() += repair.count;
        }
    }

    fn warn_of_repaired_pages(&mut self, source: &Source) -> Result<(), Halt> {
        let mended: Vec<String> = self
            .mended
            .iter()
            .map(|(kind, count)| format!("{} ({count})", repair_in_words(*kind)))
            .collect();
        let message = format!(
            "pages had to be mended to be read: {}; tell the repository",
            mended.join(", ")
        );
        let raise = !mended.is_empty();
        self.warn(
            source,
            WarningKind::RepairedPages,
            raise.then_some(message.as_str()),
        )
    }

    /// The warning stays until a full pass meets no such list.
    pub(super) fn warn_of_doubtful_list(
        &mut self,
        source: &Source,
        items: u64,
    ) -> Result<(), Halt> {
        self.doubtful = true;
        let message = format!(
            "a list of exactly {items} items came without a token, and no smaller one can be asked \
             for: it may be cut off; see whether the repository has more, and assume cut_off_at=no \
             if not"
        );
        self.warn(source, WarningKind::MayBeCutOff, Some(&message))
    }

    pub(super) fn warn(
        &self,
        source: &Source,
        kind: WarningKind,
        message: Option<&str>,
    ) -> Result<(), Halt> {
        let now_ms = self.context.clock.now_ms();
        let store = &self.context.store;
        if blocking(|| store.set_warning(source.id, kind, message, now_ms))?
            && let Some(message) = message
        {
            self.note(message);
        }
        Ok(())
    }
}

fn repair_in_words(kind: RepairKind) -> &'static str {
    match kind {
        RepairKind::LeadingJunk => "text before the document",
        RepairKind::TrailingJunk => "text after the document",
        RepairKind::Encoding => "an encoding that is not the declared one",
        RepairKind::InvalidUtf8 => "bytes that are no UTF-8",
        RepairKind::ForbiddenCharacter => "characters that XML forbids",
        RepairKind::BareAmpersand => "bare ampersands",
        RepairKind::BareLessThan => "bare less-than signs",
        RepairKind::HtmlEntity => "entities of HTML",
        RepairKind::InnerDeclaration => "XML declarations in mid-document",
        RepairKind::DocumentType => "document type declarations",
        RepairKind::EnvelopeNamespace => "a wrong or missing namespace",
        RepairKind::UndeclaredPrefix => "prefixes that are not declared",
    }
}

/// Records that are not as they were.
pub(super) fn changes(counts: &Counts) -> u64 {
    counts.new + counts.changed + counts.deleted
}
