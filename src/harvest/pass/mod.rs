//! One pass: reads its windows, and finishes it when none is left.
//!
//! - `windows`: reads the windows of a pass, page by page
//! - `recover`: what happens to a window that fails
//! - `probe`: whether a window fails because of its dates
//! - `first_page`: what the first page of a list says about its repository
//! - `dates`, `sets`: repositories that ignore dates or sets
//! - `window_identifiers`: the identifiers of one window
//! - `single_records`: records that are asked for by name, those in doubt among them
//! - `outcome`: where a window stands after it was read, and where it fails
//! - `finish`: what a complete pass says about its source

mod dates;
mod finish;
mod first_page;
mod outcome;
mod probe;
mod recover;
mod sets;
mod single_records;
mod window_identifiers;
mod windows;

use std::collections::{HashMap, HashSet};

use outcome::WindowOutcome;

use super::blocking::blocking;
use super::commit::Committer;
use super::run::{Halt, Run};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::store::{Pass, PassKind, Source, Span, WindowId};

/// Whether a pass begins or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassStart {
    /// The pass begins in this run.
    New,
    /// An earlier run was interrupted in the pass, perhaps during a request.
    Interrupted,
    /// An earlier run stopped in the pass at its limit of items, so between two requests.
    LimitReached,
}

/// The pass that a run reads now.
struct PassRun<'p, 'a, T> {
    run: &'p mut Run<'a, T>,
    source: &'p Source,
    pass: &'p Pass,
    start: PassStart,
    committer: &'p Committer,
    /// A resumption token of this pass has brought a page in this run.
    has_resumed: bool,
    /// The sets whose lists were answered in this run, at least in part; `None` for the whole source.
    answered_lists: HashSet<Option<String>>,
    /// Lists of identifiers fail as well, at least some of them.
    identifiers_fail: bool,
    /// The number of records that could not be read by name, in windows of which none could be.
    unread_by_name: usize,
    /// A request was answered since a window last failed.
    has_answered: bool,
    /// It was tried in this pass whether dates work after all.
    dates_are_tried: bool,
    /// The windows that were requested once more as a whole.
    asked_again: HashSet<WindowId>,
    /// The first pages of lists that were split for their size, by a hash of their items, each with the
    /// span of its list.
    split_pages: HashMap<u64, Span>,
    /// How often lists were split for their size.
    splits: u64,
    /// The size of the largest list that was split.
    largest_list: u64,
}

/// Reads a pass to its end, or as far as it can be read.
pub(super) async fn read_pass<T: Transport>(
    run: &mut Run<'_, T>,
    source: &Source,
    pass: &Pass,
    start: PassStart,
) -> Result<(), Halt> {
    let committer = run.committer(source, pass.id)?;
    let mut reading = PassRun {
        run: &mut *run,
        source,
        pass,
        start,
        committer: &committer,
        has_resumed: false,
        answered_lists: HashSet::new(),
        identifiers_fail: false,
        unread_by_name: 0,
        has_answered: false,
        dates_are_tried: false,
        asked_again: HashSet::new(),
        split_pages: HashMap::new(),
        splits: 0,
        largest_list: 0,
    };
    let read = reading.read().await;
    run.notes.sum_up_troubles();
    let stored = committer.finish().await;
    let now_ms = run.context.clock.now_ms();
    // The error of the storing thread says more than that it stopped.
    let totals = stored?;
    run.counts.add(&totals.counts);
    run.save_traits(source)?;
    let store = &run.context.store;
    if let Err(halt) = read {
        run.saved.records = store.pass(pass.id)?.counts.records();
        blocking(|| store.note_interruption(pass.id, &halt.note(), now_ms))?;
        return Err(halt);
    }
    if let Some(remarks) = run.notes.take_remarks() {
        blocking(|| store.note_completion(pass.id, &remarks))?;
    }
    finish::finish_pass(run, source, pass, start, &totals)?;
    match run.unread_end.take() {
        Some(why) => Err(Halt::Unfinished(why)),
        None => Ok(()),
    }
}

impl<T: Transport> PassRun<'_, '_, T> {
    async fn read(&mut self) -> Result<(), Halt> {
        if self.start == PassStart::New && !self.lists_identifiers() && !self.lists_gaps() {
            self.retry_quarantined_items().await?;
        }
        let read = self.read_windows().await;
        match &read {
            Ok(()) | Err(Halt::Unfinished(_)) => self.resolve_contradictions().await?,
            Err(_) => {}
        }
        read
    }

    /// Whether the pass lists the gaps of earlier passes.
    fn lists_gaps(&self) -> bool {
        self.pass.kind == PassKind::Gaps
    }

    /// Whether the pass lists identifiers alone.
    fn lists_identifiers(&self) -> bool {
        self.pass.kind == PassKind::Identifiers
    }

    /// The verb of the pass's list requests.
    fn verb(&self) -> Verb {
        if self.lists_identifiers() {
            Verb::ListIdentifiers
        } else {
            Verb::ListRecords
        }
    }

    fn save_traits(&mut self) -> Result<(), Halt> {
        self.run.save_traits(self.source)
    }
}
