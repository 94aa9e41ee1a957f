//! What complete lists and passes say about their source: traits and warnings.

use super::{PassRun, PassStart};
use crate::harvest::commit::Totals;
use crate::harvest::learn;
use crate::harvest::reading::Reading;
use crate::harvest::run::{Halt, Run, SizeVerdict};
use crate::oai::client::Transport;
use crate::store::{Pass, PassKind, PassState, Source, WarningKind};

impl<T: Transport> PassRun<'_, '_, T> {
    /// Checks the counts of a complete list. `is_empty` if its first page was its last and had no
    /// items.
    pub(super) fn check_counts(&mut self, reading: &Reading, is_empty: bool) -> Result<(), Halt> {
        if self.lists_identifiers() {
            return Ok(());
        }
        let (run, source) = (&mut *self.run, self.source);
        // Smaller windows have the last word on a list that they replace.
        if let Some((items, size)) = reading.contradicts_size()
            && !run.repository.traits.list_size_lies
            && !run.size_check.is_watching()
        {
            run.warn_of_wrong_sizes(source, items, size)?;
        }
        let Some(set) = &reading.window.set_spec else {
            return Ok(());
        };
        if self.pass.kind == PassKind::Full && !reading.window.part {
            let had_some = source.watermark(Some(set)).is_some();
            let message = format!("set {set} had records and has none now");
            let raise = is_empty && had_some;
            run.warn(
                source,
                WarningKind::EmptySet,
                raise.then_some(message.as_str()),
            )?;
        }
        Ok(())
    }

    /// Warns that a list may be cut off. The warning stays until a full pass meets no such list.
    pub(super) fn warn_of_doubtful_list(&mut self, items: u64) -> Result<(), Halt> {
        self.run.size_check.is_unresolved = true;
        let message = format!(
            "a list of exactly {items} items came without a token, and no smaller one can be asked \
             for: it may be cut off; see whether the repository has more, and assume cut_off_at=no \
             if not"
        );
        self.run
            .warn(self.source, WarningKind::MayBeCutOff, Some(&message))
    }
}

/// Takes up what a complete pass says about its source.
pub(super) fn finish_pass<T: Transport>(
    run: &mut Run<'_, T>,
    source: &Source,
    pass: &Pass,
    start: PassStart,
    totals: &Totals,
) -> Result<(), Halt> {
    match run.size_check.conclude(&totals.counts) {
        SizeVerdict::Unknown => {}
        SizeVerdict::CutOffAt(count) => run.repository.traits.cut_off_at = Some(count),
        SizeVerdict::WholeAt(count) => run.repository.traits.whole_at = Some(count),
        SizeVerdict::WrongAnnouncement { items, size } => {
            run.warn_of_wrong_sizes(source, items, size)?;
        }
    }
    if matches!(pass.kind, PassKind::Since | PassKind::Full) {
        let traits = &mut run.repository.traits;
        traits.empty_passes = match run.repository.had_empty_list {
            true => traits.empty_passes.saturating_add(1),
            false => 0,
        };
    }
    run.save_traits(source)?;
    if pass.kind == PassKind::Identifiers {
        return Ok(());
    }
    warn_of_repairs(run, source)?;
    let is_full = pass.kind == PassKind::Full;
    if is_full && start == PassStart::New && !run.size_check.is_unresolved {
        run.warn(source, WarningKind::MayBeCutOff, None)?;
    }
    warn_of_stall(run, source, pass)?;
    // The counts of the whole pass, also of the runs in which it was interrupted.
    let ended = run.context.store.pass(pass.id)?;
    if is_full {
        check_full_list(run, source, &ended)?;
    }
    let seen = ended.counts.records();
    let proves_nothing = totals.watermarks.is_empty() && run.current_source()?.heads.is_empty();
    let unproven = pass.moves_watermark && seen > 0 && proves_nothing;
    let message = "no answer proves how far its list reaches, so the watermark does not move: the \
                   next pass begins where this one began";
    run.warn(source, WarningKind::NoProof, unproven.then_some(message))
}

fn warn_of_repairs<T: Transport>(run: &Run<'_, T>, source: &Source) -> Result<(), Halt> {
    let message = run.notes.repairs_in_words().map(|repairs| {
        format!("pages had to be repaired to be readable: {repairs}; tell the repository")
    });
    run.warn(source, WarningKind::RepairedPages, message.as_deref())
}

/// Warns of a repository whose datestamps no longer move.
fn warn_of_stall<T: Transport>(
    run: &mut Run<'_, T>,
    source: &Source,
    pass: &Pass,
) -> Result<(), Halt> {
    let now = run
        .clocks
        .last_answer
        .filter(|_| pass.kind != PassKind::Part);
    let Some(now) = now else {
        return Ok(());
    };
    learn::newest(&mut run.repository.traits, run.clocks.newest);
    run.save_traits(source)?;
    let traits = &run.repository.traits;
    let delay = traits.delayed_seconds.unwrap_or(0);
    let message = learn::stall_in_words(traits, now.plus_seconds(-delay));
    run.warn(source, WarningKind::Stalled, message.as_deref())
}

/// What to say of a full list that announced more records than the store has after it. Fewer than one in a
/// thousand may have been removed while the list was read.
fn missing_in_words(announced: Option<u64>, stored: u64) -> Option<String> {
    let announced = announced?;
    let missing = announced.saturating_sub(stored);
    (missing > announced / 1_000).then(|| {
        format!(
            "the full list announced {announced} records, and the store has {stored}: {missing} were not \
             shown, or several share an identifier; compare with the repository's own number"
        )
    })
}

/// Lowers the warnings that a full list has put to the test, and warns if it showed few records.
fn check_full_list<T: Transport>(
    run: &Run<'_, T>,
    source: &Source,
    pass: &Pass,
) -> Result<(), Halt> {
    let traits = &run.repository.traits;
    if !traits.ignores_dates {
        run.warn(source, WarningKind::IgnoresDates, None)?;
    }
    if traits.ignores_sets != Some(true) {
        run.warn(source, WarningKind::IgnoresSets, None)?;
    }
    if !run.repository.sets_forgotten {
        run.warn(source, WarningKind::ForgetsSet, None)?;
    }
    // The unread parts of an incomplete list may have more.
    if pass.state == PassState::Incomplete {
        return Ok(());
    }
    if !traits.list_size_lies {
        let stored = run.current_source()?;
        let stored = stored.live_records + stored.deleted_records + pass.counts.quarantined;
        let message =
            missing_in_words(run.saved.announced, stored).filter(|_| run.settings.sets.is_empty());
        run.warn(source, WarningKind::CountsDisagree, message.as_deref())?;
    }
    let seen = pass.counts.records();
    let stored = source.live_records + source.deleted_records;
    let message = format!("a full list showed {seen} records, the store has {stored}");
    let fewer = seen * 2 < stored;
    run.warn(
        source,
        WarningKind::FewerRecords,
        fewer.then_some(message.as_str()),
    )
}
