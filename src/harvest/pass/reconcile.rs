//! Finding records that vanished without a word: a full list, and a question for each record that
//! it did not show.

use std::time::Instant;

use super::alone::Got;
use super::windows::{commit, flush};
use super::{Context, Halt, Run};
use crate::end::End;
use crate::harvest::blocking::blocking;
use crate::harvest::commit::Committer;
use crate::harvest::plan::RunOptions;
use crate::harvest::progress::Event;
use crate::harvest::settings::SourceSettings;
use crate::oai::client::Transport;
use crate::store::{Cost, Counts, Pass, PassId, Source, Step, WarningKind};

/// So many questions without a clear answer, one after the other, mean that there is no point in
/// asking on.
const MOST_UNCLEAR: u32 = 20;

/// Records asked for between two commits.
const TOGETHER: u32 = 50;

/// What may be buried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletionPolicy {
    /// The share of the live records, from 0 to 1, above which a person has to confirm.
    pub max_share: f64,
    /// A person has confirmed.
    pub confirmed: bool,
    /// Let an earlier list be whose missing records wait for a person: list everything again.
    pub start_over: bool,
}

/// What reconciling one source came to.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconcileReport {
    /// The source.
    pub source: String,
    /// How it ended.
    pub end: End,
    /// What became of the records, those of the list included.
    pub counts: Counts,
    /// Live records that the list did not show.
    pub not_listed: u64,
    /// Of those: still there when asked for alone.
    pub found: u64,
    /// Of those: buried, because the repository does not know them.
    pub deleted: u64,
    /// Of those: neither; left as they are.
    pub unclear: u64,
    /// Nothing was buried, because so many are missing that a person has to confirm.
    pub held: bool,
}

/// Lists a source from the beginning, and buries what neither the list nor GetRecord shows.
///
/// A record that the list does not show may only be hidden: DOAJ hides one that was updated in the
/// last 30 days from callers without a key, and GetRecord still gives it. What was cut off goes on
/// where it stood: the list at its token, the questions at the first that is open.
///
/// It lists identifiers alone where that works, else whole records: DOAJ refuses to go on with a list
/// of identifiers for callers without a key.
pub async fn reconcile<T: Transport>(
    context: &Context,
    transport: &T,
    settings: &SourceSettings,
    policy: DeletionPolicy,
) -> ReconcileReport {
    let begun = Instant::now();
    let options = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    context
        .progress
        .event(&settings.name, Event::Started { total: None });
    let mut run = Run::new(context, transport, settings, &options);
    let mut outcome = ReconcileReport {
        source: settings.name.clone(),
        end: End::Complete,
        counts: Counts::default(),
        not_listed: 0,
        found: 0,
        deleted: 0,
        unclear: 0,
        held: false,
    };
    if let Err(halt) = run.reconcile(policy, &mut outcome).await {
        outcome.end = halt.end(&context.store, context.clock.now_ms());
    }
    outcome.counts = run.counts;
    context
        .progress
        .event(&settings.name, Event::Ended(outcome.end.clone()));
    tracing::debug!(source.id = %settings.name, "reconciled in {:?}", begun.elapsed());
    outcome
}

impl<T: Transport> Run<'_, T> {
    async fn reconcile(
        &mut self,
        policy: DeletionPolicy,
        outcome: &mut ReconcileReport,
    ) -> Result<(), Halt> {
        let _lock = self.begin().await?;
        let source = self.current_source()?;
        if self.traits.reconciling_since.is_none() {
            self.traits.reconciling_since = Some(self.context.clock.now_ms());
            if policy.start_over {
                self.traits.settling = None;
            }
            self.save_traits(&source)?;
        }
        let pass = self.listed_pass().await?;
        let source = self.current_source()?;
        outcome.not_listed = blocking(|| self.context.store.count_unseen(source.id, pass.id))?;
        if let Err(held) = self.hold_too_many(&source, policy, outcome.not_listed) {
            outcome.held = true;
            self.reconciling_is_over(&source)?;
            return Err(held);
        }
        self.ask_for_unseen(&source, pass.id, outcome).await?;
        self.traits.settling = None;
        self.reconciling_is_over(&source)?;
        if outcome.unclear > 0 {
            return Err(Halt::Left(format!(
                "{} records were neither found nor denied, and stay as they are",
                outcome.unclear
            )));
        }
        Ok(())
    }

    fn reconciling_is_over(&mut self, source: &Source) -> Result<(), Halt> {
        self.traits.reconciling_since = None;
        self.traits.reconciled_at = Some(self.context.clock.now_ms());
        self.save_traits(source)
    }

    /// A full pass whose list is complete: the one whose missing records were being asked for, or
    /// else a new one.
    async fn listed_pass(&mut self) -> Result<Pass, Halt> {
        let store = &self.context.store;
        let source = self.current_source()?;
        let newest = store.last_whole_list(source.id)?;
        // Its questions are still open, and no newer list knows better.
        if let Some(newest) = newest.filter(|newest| self.traits.settling == Some(newest.id.0)) {
            self.note("going on with the questions of an earlier list");
            return Ok(newest);
        }
        if !self.list_all_identifiers().await? {
            self.read_all().await?;
        }
        let listed = store.last_whole_list(source.id)?.ok_or_else(|| {
            Halt::Left(format!("source {} has no complete full list", source.name))
        })?;
        self.traits.settling = Some(listed.id.0);
        self.save_traits(&source)?;
        Ok(listed)
    }

    /// A list that misses very much is more likely broken than true.
    fn hold_too_many(
        &self,
        source: &Source,
        policy: DeletionPolicy,
        unseen: u64,
    ) -> Result<(), Halt> {
        let share = unseen as f64 / source.live_records.max(1) as f64;
        let held = !policy.confirmed && share > policy.max_share;
        let message = format!(
            "{unseen} of {} live records are not in the list; nothing is buried until that is \
             confirmed with harvestd reconcile {} --confirm",
            source.live_records, source.name
        );
        self.warn(
            source,
            WarningKind::HeldDeletions,
            held.then_some(message.as_str()),
        )?;
        if held {
            Err(Halt::Left(message))
        } else {
            Ok(())
        }
    }

    async fn ask_for_unseen(
        &mut self,
        source: &Source,
        pass: PassId,
        outcome: &mut ReconcileReport,
    ) -> Result<(), Halt> {
        let committer = self.committer(source, pass)?;
        let asked = self.ask_in_order(source, pass, &committer, outcome).await;
        let totals = committer.finish().await?;
        self.counts.add(&totals.counts);
        asked
    }

    /// While a repository's index is being built, its list is short and GetRecord denies what it
    /// has. So before anything is buried, a record that the list did show has to be known.
    async fn check_that_records_are_known(
        &mut self,
        source: &Source,
        pass: PassId,
    ) -> Result<(), Halt> {
        let Some(listed) = blocking(|| self.context.store.any_seen(source.id, pass))? else {
            return Err(Halt::Left(
                "the list showed no live record at all".to_owned(),
            ));
        };
        match self.get_record(&listed).await? {
            Got::Record(_) => Ok(()),
            Got::Nothing => Err(Halt::Left(format!(
                "GetRecord does not know {listed}, which the list has just shown; nothing is buried"
            ))),
            Got::Unreadable { reason, .. } => Err(Halt::Left(format!(
                "GetRecord of {listed}, which the list has just shown: {reason}; nothing is buried"
            ))),
        }
    }

    async fn ask_in_order(
        &mut self,
        source: &Source,
        pass: PassId,
        committer: &Committer,
        outcome: &mut ReconcileReport,
    ) -> Result<(), Halt> {
        let mut after = 0;
        let mut unclear_in_a_row = 0;
        loop {
            let store = &self.context.store;
            let batch = blocking(|| store.unseen(source.id, pass, after, TOGETHER))?;
            let Some((last, _)) = batch.last() else {
                return Ok(());
            };
            after = *last;
            let mut found = Vec::new();
            let mut gone = Vec::new();
            let mut halt = None;
            for (_, identifier) in batch {
                match self.get_record(&identifier).await {
                    Ok(Got::Record(record)) => {
                        unclear_in_a_row = 0;
                        found.push(*record);
                    }
                    Ok(Got::Nothing) => {
                        unclear_in_a_row = 0;
                        gone.push(identifier);
                    }
                    Ok(Got::Unreadable { reason, .. }) => {
                        outcome.unclear += 1;
                        unclear_in_a_row += 1;
                        if unclear_in_a_row >= MOST_UNCLEAR {
                            halt = Some(Halt::Down(format!("GetRecord keeps failing: {reason}")));
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
                self.check_that_records_are_known(source, pass).await?;
            }
            outcome.found += found.len() as u64;
            outcome.deleted += gone.len() as u64;
            let step = Step::Reconcile {
                found,
                gone,
                cost: Cost::default(),
            };
            commit(committer, step, Default::default()).await?;
            flush(committer).await?;
            if let Some(halt) = halt {
                return Err(halt);
            }
        }
    }
}
