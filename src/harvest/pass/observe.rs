//! What lists and their counts say about a repository, as traits and warnings.

use super::windows::asked_until;
use super::{Halt, Run};
use crate::harvest::commit::Totals;
use crate::harvest::fetch::Fetched;
use crate::harvest::learn;
use crate::harvest::progress::Event;
use crate::harvest::proof::{self, Evidence};
use crate::harvest::reading::Reading;
use crate::oai::client::Transport;
use crate::oai::{Content, Request};
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
            self.around
                .progress
                .event(&self.settings.name, Event::Total(size));
        }
        learn::page(&mut self.traits, list);
        let response_date = fetched.response.response_date.or(fetched.http_date);
        if let Some(response_date) = response_date {
            let skew = response_date.unix() - self.around.clock.now_ms() / 1000;
            self.traits.clock_skew_seconds = (skew.abs() >= 300).then_some(skew);
            let message = learn::skew_in_words(skew);
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
        self.traits.delayed_seconds = proof::delay_seconds(Evidence {
            asked_until: window.span.until,
            asked_text: asked.as_deref(),
            echoed_until: fetched.response.request.until.as_deref(),
            response_date,
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

    /// A complete list whose counts are odd all the same.
    pub(super) fn check_counts(
        &mut self,
        source: &Source,
        pass: &Pass,
        reading: &Reading,
        empty: bool,
    ) -> Result<(), Halt> {
        if let Some((items, size)) = reading.contradicts_size()
            && !self.traits.list_size_lies
        {
            self.traits.list_size_lies = true;
            let message = format!(
                "the repository announced {size} records and listed {items}, twice; \
                 its completeListSize is not believed any more"
            );
            self.warn(source, WarningKind::CountsDisagree, Some(&message))?;
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
        if let Some((count, before)) = self.probe.take() {
            if changes(&totals.counts) > before {
                self.traits.cut_off_at = Some(count);
            } else {
                self.traits.whole_at = Some(count);
            }
        }
        self.save_traits(source)?;
        let seen = totals.counts.records();
        let stored = source.live_records + source.deleted_records;
        let whole = pass.kind == PassKind::Full && pass.moves_watermark;
        if whole {
            let fewer = seen * 2 < stored;
            let message = format!("a full list showed {seen} records, the store has {stored}");
            self.warn(
                source,
                WarningKind::FewerRecords,
                fewer.then_some(message.as_str()),
            )?;
        }
        let unproven = pass.moves_watermark && seen > 0 && totals.watermarks.is_empty();
        let message = "the repository gives no date with its lists, so nothing is proven: \
                       each pass reads everything";
        self.warn(source, WarningKind::NoProof, unproven.then_some(message))
    }

    pub(super) fn warn(
        &self,
        source: &Source,
        kind: WarningKind,
        message: Option<&str>,
    ) -> Result<(), Halt> {
        let now_ms = self.around.clock.now_ms();
        if self
            .around
            .store
            .set_warning(source.id, kind, message, now_ms)?
            && let Some(message) = message
        {
            self.note(message);
        }
        Ok(())
    }
}

/// Records that are not as they were.
pub(super) fn changes(counts: &Counts) -> u64 {
    counts.new + counts.changed + counts.deleted
}
