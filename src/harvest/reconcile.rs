//! Finds records that have disappeared: lists everything, and asks for each record that the list did
//! not show.

use std::time::Instant;

use super::blocking::blocking;
use super::commit::Committer;
use super::context::Context;
use super::driver::{end_with_gaps, read_passes};
use super::list_identifiers::list_all_identifiers;
use super::plan::RunOptions;
use super::progress::Event;
use super::run::{Halt, Run, SingleRecord};
use super::settings::SourceSettings;
use crate::end::End;
use crate::oai::client::Transport;
use crate::store::{Cost, Counts, Pass, PassId, PassState, Source, Step, WarningKind};

/// Reconciling ends after this many unclear answers in a row.
const MAX_UNCLEAR_IN_A_ROW: u32 = 20;

/// Records that are asked for between two commits.
const BATCH: u32 = 50;

/// Which disappeared records may be deleted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletionPolicy {
    /// The share of the live records, from 0 to 1, above which a person has to confirm.
    pub max_share: f64,
    /// A person has confirmed.
    pub confirmed: bool,
    /// List everything again, also if the missing records of an earlier list wait for a person.
    pub start_over: bool,
}

/// The result of reconciling one source.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconcileReport {
    /// The source.
    pub source: String,
    /// How the run ended.
    pub end: End,
    /// What became of the records, also of those in the list.
    pub counts: Counts,
    /// Live records that the list did not show.
    pub not_listed: u64,
    /// The number of them that GetRecord found.
    pub found: u64,
    /// The number of them that were deleted, because the repository does not know them.
    pub deleted: u64,
    /// The number of them without a clear answer; they stay as they are.
    pub unclear: u64,
    /// One of these, and what GetRecord said of it.
    pub unclear_example: Option<String>,
    /// Nothing was deleted, because so many are missing that a person has to confirm.
    pub held: bool,
}

/// Lists a source from the beginning, and deletes the records that neither the list nor GetRecord
/// shows.
///
/// A record that the list does not show may only be hidden: DOAJ hides records that were updated in
/// the last 30 days from callers without a key, and GetRecord still gives them. An interrupted run
/// goes on where it stood: the list at its token, the requests at the first one without an answer.
///
/// It lists identifiers alone if that works, else whole records: DOAJ refuses to resume a list of
/// identifiers for callers without a key. If a list of whole records leaves gaps, records whose datestamps lie
/// in a gap stay as they are, and the run ends with [`End::GapsLeft`].
pub async fn reconcile<T: Transport>(
    context: &Context,
    transport: &T,
    settings: &SourceSettings,
    policy: DeletionPolicy,
) -> ReconcileReport {
    let begun = Instant::now();
    context
        .progress
        .event(&settings.name, Event::Started { total: None });
    let mut run = Run::new(context, transport, settings, None);
    let mut report = ReconcileReport {
        source: settings.name.clone(),
        end: End::Complete,
        counts: Counts::default(),
        not_listed: 0,
        found: 0,
        deleted: 0,
        unclear: 0,
        unclear_example: None,
        held: false,
    };
    if let Err(halt) = reconcile_source(&mut run, policy, &mut report).await {
        report.end = run.hold(halt).into_end(run.saved, context.clock.now_ms());
    }
    report.counts = run.counts;
    context
        .progress
        .event(&settings.name, Event::Ended(report.end.clone()));
    tracing::debug!(source.id = %settings.name, "reconciled in {:?}", begun.elapsed());
    report
}

async fn reconcile_source<T: Transport>(
    run: &mut Run<'_, T>,
    policy: DeletionPolicy,
    report: &mut ReconcileReport,
) -> Result<(), Halt> {
    let _lock = run.begin().await?;
    let source = run.current_source()?;
    let traits = &mut run.repository.traits;
    if traits.reconciling_since.is_none() {
        traits.reconciling_since = Some(run.context.clock.now_ms());
        if policy.start_over {
            traits.reconciling_pass = None;
        }
        run.save_traits(&source)?;
    }
    let pass = listed_pass(run).await?;
    let source = run.current_source()?;
    report.not_listed = blocking(|| run.context.store.count_unseen(source.id, pass.id))?;
    if let Err(held) = hold_too_many(run, &source, policy, report.not_listed) {
        report.held = true;
        end_reconciling(run, &source)?;
        return Err(held);
    }
    ask_for_missing(run, &source, pass.id, report).await?;
    run.repository.traits.reconciling_pass = None;
    end_reconciling(run, &source)?;
    if report.unclear > 0 {
        return Err(Halt::Unfinished(format!(
            "{} records have no clear answer, and stay as they are; one of them: {}",
            report.unclear,
            report.unclear_example.as_deref().unwrap_or_default()
        )));
    }
    if pass.state == PassState::Incomplete {
        return end_with_gaps(run);
    }
    Ok(())
}

fn end_reconciling<T: Transport>(run: &mut Run<'_, T>, source: &Source) -> Result<(), Halt> {
    let traits = &mut run.repository.traits;
    traits.reconciling_since = None;
    traits.reconciled_at = Some(run.context.clock.now_ms());
    run.save_traits(source)
}

/// A full pass whose list is complete but for its gaps: an earlier one with records that were not asked for
/// yet, or else a new one.
async fn listed_pass<T: Transport>(run: &mut Run<'_, T>) -> Result<Pass, Halt> {
    let store = &run.context.store;
    let source = run.current_source()?;
    let newest = store.last_full_list(source.id)?;
    let reconciling_pass = run.repository.traits.reconciling_pass;
    if let Some(newest) = newest.filter(|newest| reconciling_pass == Some(newest.id.0)) {
        run.notes
            .note("asking for the missing records of an earlier list");
        return Ok(newest);
    }
    if !list_all_identifiers(run).await? {
        let everything = RunOptions {
            full: true,
            ..RunOptions::default()
        };
        match read_passes(run, everything).await {
            Err(Halt::GapsLeft(_)) => run
                .notes
                .note("records whose datestamps lie in a gap are not looked for"),
            read => read?,
        }
    }
    let listed = store.last_full_list(source.id)?.ok_or_else(|| {
        Halt::Unfinished(format!("source {} has no complete full list", source.name))
    })?;
    run.repository.traits.reconciling_pass = Some(listed.id.0);
    run.save_traits(&source)?;
    Ok(listed)
}

/// Stops before too many deletions: a list that misses very much is more likely broken than true.
fn hold_too_many<T: Transport>(
    run: &Run<'_, T>,
    source: &Source,
    policy: DeletionPolicy,
    missing: u64,
) -> Result<(), Halt> {
    let share = missing as f64 / source.live_records.max(1) as f64;
    let held = !policy.confirmed && share > policy.max_share;
    let message = format!(
        "{missing} of {} live records are not in the list; nothing is deleted until that is \
         confirmed with harvestd reconcile {} --confirm",
        source.live_records, source.name
    );
    run.warn(
        source,
        WarningKind::HeldDeletions,
        held.then_some(message.as_str()),
    )?;
    if held {
        Err(Halt::Unfinished(message))
    } else {
        Ok(())
    }
}

async fn ask_for_missing<T: Transport>(
    run: &mut Run<'_, T>,
    source: &Source,
    pass: PassId,
    report: &mut ReconcileReport,
) -> Result<(), Halt> {
    let committer = run.committer(source, pass)?;
    let asked = ask_in_order(run, source, pass, &committer, report).await;
    let totals = committer.finish().await?;
    run.counts.add(&totals.counts);
    asked
}

async fn ask_in_order<T: Transport>(
    run: &mut Run<'_, T>,
    source: &Source,
    pass: PassId,
    committer: &Committer,
    report: &mut ReconcileReport,
) -> Result<(), Halt> {
    let store = &run.context.store;
    let mut after = 0;
    let mut unclear_in_a_row = 0;
    loop {
        let batch = blocking(|| store.unseen(source.id, pass, after, BATCH))?;
        let Some((last, _)) = batch.last() else {
            return Ok(());
        };
        after = *last;
        let mut found = Vec::new();
        let mut gone = Vec::new();
        let mut halt = None;
        for (_, identifier) in batch {
            match run.get_record(&identifier).await {
                Ok(SingleRecord::Found(record)) => {
                    unclear_in_a_row = 0;
                    found.push(*record);
                }
                Ok(SingleRecord::Unknown) => {
                    unclear_in_a_row = 0;
                    gone.push(identifier);
                }
                Ok(SingleRecord::Unreadable { reason, .. }) => {
                    report.unclear += 1;
                    report
                        .unclear_example
                        .get_or_insert_with(|| format!("{identifier}: {reason}"));
                    unclear_in_a_row += 1;
                    if unclear_in_a_row >= MAX_UNCLEAR_IN_A_ROW {
                        let why = format!("GetRecord keeps failing: {reason}");
                        halt = Some(Halt::Unavailable(why));
                        break;
                    }
                }
                Err(stopped) => {
                    halt = Some(stopped);
                    break;
                }
            }
        }
        if !gone.is_empty() {
            check_that_records_are_known(run, source, pass).await?;
        }
        report.found += found.len() as u64;
        report.deleted += gone.len() as u64;
        let step = Step::Reconcile {
            found,
            gone,
            cost: Cost::default(),
        };
        committer.store(step).await?;
        if let Some(halt) = halt {
            return Err(halt);
        }
    }
}

/// Checks that GetRecord knows a record of the list. While a repository builds its index, its list is
/// short and GetRecord denies records that exist.
async fn check_that_records_are_known<T: Transport>(
    run: &mut Run<'_, T>,
    source: &Source,
    pass: PassId,
) -> Result<(), Halt> {
    let Some(listed) = blocking(|| run.context.store.any_seen(source.id, pass))? else {
        return Err(Halt::Unfinished(
            "the list showed no live record".to_owned(),
        ));
    };
    match run.get_record(&listed).await? {
        SingleRecord::Found(_) => Ok(()),
        SingleRecord::Unknown => Err(Halt::Unfinished(format!(
            "GetRecord does not know {listed}, which the list has just shown; nothing is deleted"
        ))),
        SingleRecord::Unreadable { reason, .. } => Err(Halt::Unfinished(format!(
            "GetRecord of {listed}, which the list has just shown: {reason}; nothing is deleted"
        ))),
    }
}
