//! One run over one source: plans a pass, reads its windows, and says how it went.

mod alone;
mod identifiers;
mod mend;
mod observe;
mod reconcile;
mod sets;
mod windows;

pub use reconcile::{DeletionPolicy, ReconcileReport, reconcile};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assume;
use super::blocking::blocking;
use super::commit::{CommitMode, Committer};
use super::fetch::{Fetched, Requester, Trouble};
use super::learn;
use super::pace::Pace;
use super::plan::{Plan, RunOptions, plan};
use super::progress::{Event, Progress};
use super::reading::Doubt;
use super::settings::SourceSettings;
use super::watermark::next_watermark;
use crate::clock::Clock;
use crate::end::End;
use crate::http::show_url;
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::RepairKind;
use crate::oai::{Content, Datestamp, Request};
use crate::stop::Stop;
use crate::store::{
    Counts, Pass, PassId, PassKind, PassPacker, PassWriter, Source, SourceDefinition, SourceLock,
    Store, StoreError, Traits, Watermark, WindowId,
};

/// Records that a list shows without metadata are asked for one by one, so many in a run at most.
const MOST_GAPS: u32 = 50;

/// What every run needs.
#[derive(Clone)]
pub struct Context {
    /// Where records go.
    pub store: Arc<Store>,
    /// Our clock.
    pub clock: Clock,
    /// When to stop.
    pub stop: Stop,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// How often hosts are asked.
    pub pace: Pace,
    /// Where what comes is stored.
    pub commit_mode: CommitMode,
}

/// How one run over one source went.
#[derive(Debug, Clone)]
pub struct Report {
    /// The source.
    pub source: String,
    /// How it ended.
    pub end: End,
    /// What became of the records of this run.
    pub counts: Counts,
    /// Where the watermarks stand now.
    pub watermarks: Vec<Watermark>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// The report on a run that could not begin.
    pub(in crate::harvest) fn without_start(settings: &SourceSettings, end: End) -> Self {
        Self {
            source: settings.name.clone(),
            end,
            counts: Counts::default(),
            watermarks: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }
}

/// Why a run stopped before its end.
enum Halt {
    Stopped,
    Limit,
    Parked {
        until_ms: i64,
        why: String,
    },
    Refused(String),
    Down(String),
    Left(String),
    /// Identifiers alone cannot be listed.
    NoIdentifiers(String),
    Store(StoreError),
    /// The storing thread has stopped, and knows why.
    CommitterGone,
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Harvests one source: goes on with a pass that was cut off, and then reads what has changed
/// since.
pub async fn harvest<T: Transport>(
    context: &Context,
    transport: &T,
    settings: &SourceSettings,
    options: &RunOptions,
) -> Report {
    let begun = Instant::now();
    context
        .progress
        .event(&settings.name, Event::Started { total: None });
    let mut run = Run::new(context, transport, settings, options);
    let result = run.run().await;
    let end = match result {
        Ok(()) => End::Complete,
        Err(halt) => halt.end(&context.store, context.clock.now_ms()),
    };
    context
        .progress
        .event(&settings.name, Event::Ended(end.clone()));
    let watermarks = match context.store.source(&settings.name) {
        Ok(Some(source)) => source.watermarks,
        _ => Vec::new(),
    };
    Report {
        source: settings.name.clone(),
        end,
        counts: run.counts,
        watermarks,
        elapsed: begun.elapsed(),
    }
}

impl Halt {
    fn end(self, store: &Store, now_ms: i64) -> End {
        let kept = format!(
            "what came is in {}, the next run goes on",
            store.path().display()
        );
        match self {
            Self::Stopped => End::Incomplete(format!("stopped; {kept}")),
            Self::Limit => End::Incomplete(format!("limit reached; {kept}")),
            Self::Parked { until_ms, why } => {
                let minutes = until_ms.saturating_sub(now_ms).max(0) / 60_000 + 1;
                End::Incomplete(format!(
                    "{why}; not asked again for {minutes} minutes; {kept}"
                ))
            }
            Self::Refused(why) => End::Incomplete(format!("{why}; {kept} once that is mended")),
            Self::Down(why) => End::Incomplete(format!("{why}; {kept}")),
            Self::Left(why) | Self::NoIdentifiers(why) => {
                End::Incomplete(format!("{why}; watermark unmoved; {kept}"))
            }
            Self::Store(error) if error.is_transient() => End::Incomplete(error.to_string()),
            Self::Store(error @ StoreError::SourceLocked { .. }) => {
                End::Incomplete(error.to_string())
            }
            Self::Store(error) => End::Failed(error.to_string()),
            Self::CommitterGone => End::Failed("storing stopped without a reason".to_owned()),
        }
    }
}

struct Run<'a, T> {
    context: &'a Context,
    settings: &'a SourceSettings,
    options: &'a RunOptions,
    requester: Requester<'a, T>,
    traits: Traits,
    saved_traits: Traits,
    counts: Counts,
    /// Items that may still be read.
    left: Option<u64>,
    /// A resumption has worked, so tokens need no other ways.
    tokens_work: bool,
    /// A list that may not have been whole, and the changes stored until then.
    probe: Option<(Doubt, u64)>,
    /// A list may be cut off, and no smaller window could show it.
    doubtful: bool,
    /// The pass at hand began in this run.
    reads_from_the_start: bool,
    /// The repository has shown in this run that it ignores dates, whatever is configured.
    dates_disproven: bool,
    failing_cuts: u32,
    /// Windows that failed since the last page that was stored.
    failing_in_a_row: u32,
    /// The repository's clock at the last page.
    heard_at: Option<Datestamp>,
    /// The same at the last answer of any kind.
    told_at: Option<Datestamp>,
    /// The newest datestamp of this run that is not in the repository's future.
    newest: Option<Datestamp>,
    /// Records without metadata that may still be asked for one by one.
    gaps_left: u32,
    /// What had to be mended in this run.
    mended: BTreeMap<RepairKind, u64>,
    restarts: HashMap<WindowId, u32>,
    /// What the lists of the pass at hand are asked for with.
    verb: Verb,
    /// A token of theirs has brought a page.
    has_resumed: bool,
    /// What was said of windows that do not go well, and how often more it could have been.
    troubles: BTreeMap<String, u32>,
    /// What the pass's history is to keep.
    remarks: Vec<String>,
    /// The pass at hand was cut off by a limit, and so between two requests.
    cut_by_limit: bool,
}

/// Why a pass stopped that reached its limit.
const LIMIT_REACHED: &str = "limit reached";

impl<'a, T: Transport> Run<'a, T> {
    fn new(
        context: &'a Context,
        transport: &'a T,
        settings: &'a SourceSettings,
        options: &'a RunOptions,
    ) -> Self {
        let requester = Requester::new(
            transport,
            settings,
            &context.store,
            &context.clock,
            &context.stop,
            &*context.progress,
            &context.pace,
        );
        Self {
            context,
            settings,
            options,
            requester,
            traits: Traits::default(),
            saved_traits: Traits::default(),
            counts: Counts::default(),
            left: options.limit,
            tokens_work: false,
            probe: None,
            doubtful: false,
            reads_from_the_start: false,
            dates_disproven: false,
            failing_cuts: 0,
            failing_in_a_row: 0,
            heard_at: None,
            told_at: None,
            newest: None,
            gaps_left: MOST_GAPS,
            mended: BTreeMap::new(),
            restarts: HashMap::new(),
            verb: Verb::ListRecords,
            has_resumed: false,
            troubles: BTreeMap::new(),
            remarks: Vec::new(),
            cut_by_limit: false,
        }
    }

    async fn run(&mut self) -> Result<(), Halt> {
        let _lock = self.begin().await?;
        self.read_all().await
    }

    /// Takes the source for this process, and waits for its host.
    async fn begin(&mut self) -> Result<SourceLock, Halt> {
        let store = &self.context.store;
        let lock = store.lock_source(&self.settings.name)?;
        let (source, change) = blocking(|| store.register_source(&definition(self.settings)))?;
        self.traits.clone_from(&source.traits);
        self.saved_traits.clone_from(&source.traits);
        self.put_configured_traits();
        if let Some(change) = change {
            self.note(&format!("{change}; everything is read again"));
        }
        self.requester
            .wait_for_host()
            .await
            .map_err(Halt::from_trouble)?;
        Ok(lock)
    }

    /// Goes on with a pass that was cut off, then reads what has changed since.
    async fn read_all(&mut self) -> Result<(), Halt> {
        let store = &self.context.store;
        let mut options = self.options.clone();
        loop {
            let mut source = self.current_source()?;
            let open = store.open_pass(source.id)?;
            if options.full {
                // Whoever wants everything wants it as the repository is now.
                let goes_on = open
                    .as_ref()
                    .is_some_and(|open| open.kind == PassKind::Full);
                self.forget_what_lists_show(&source, goes_on)?;
            }
            source.traits.clone_from(&self.traits);
            match plan(&source, open, self.settings, &options) {
                Plan::Resume(pass) => {
                    self.note("going on with the pass that was cut off");
                    blocking(|| store.resume_pass(pass.id))?;
                    self.cut_by_limit = pass.note.as_deref() == Some(LIMIT_REACHED);
                    self.read_pass(&source, &pass, false).await?;
                    // The cut may be old: what has changed since is read as well, but not
                    // everything once more.
                    options.full = false;
                }
                Plan::Nothing => {
                    self.note("nothing lies between the dates asked for");
                    return Ok(());
                }
                Plan::Begin {
                    kind,
                    windows,
                    moves_watermark,
                    replaces_open,
                } => {
                    if kind == PassKind::Full || self.traits.granularity.is_none() {
                        self.identify(&source).await?;
                    }
                    let now_ms = self.context.clock.now_ms();
                    let pass = blocking(|| {
                        store.begin_pass(
                            source.id,
                            kind,
                            moves_watermark,
                            replaces_open,
                            &windows,
                            now_ms,
                        )
                    })?;
                    let pass = store.pass(pass)?;
                    return self.read_pass(&source, &pass, true).await;
                }
            }
        }
    }

    fn current_source(&self) -> Result<Source, Halt> {
        self.context
            .store
            .source(&self.settings.name)?
            .ok_or_else(|| {
                Halt::Left(format!(
                    "source {} was removed from the store",
                    self.settings.name
                ))
            })
    }

    /// Asks who the repository is. Its answer only helps: a list can be read without it.
    async fn identify(&mut self, source: &Source) -> Result<(), Halt> {
        match self
            .requester
            .ask(&Request::Identify, self.settings.retries.min(2))
            .await
        {
            Ok(Fetched {
                response, moved_to, ..
            }) => match response.content {
                Content::Identify(identify) => {
                    if let Some(version) = identify
                        .protocol_version
                        .as_deref()
                        .filter(|version| version.starts_with("1."))
                    {
                        return Err(Halt::Refused(format!(
                            "source {}: the repository speaks OAI-PMH {version}, not 2.0",
                            self.settings.name
                        )));
                    }
                    learn::identity(&mut self.traits, identify, moved_to);
                    self.traits
                        .failing_verbs
                        .retain(|verb| verb != Verb::Identify.name());
                }
                _ => learn::failing_verb(&mut self.traits, Verb::Identify),
            },

            Err(trouble) => {
                let why = match &trouble {
                    Trouble::Exhausted { why, .. } => Some(why.as_str()),
                    other => other.refuses_the_request(),
                };
                let Some(why) = why else {
                    return Err(Halt::from_trouble(trouble));
                };
                self.note(&format!(
                    "Identify does not work ({why}); going on without it"
                ));
                learn::failing_verb(&mut self.traits, Verb::Identify);
            }
        }
        self.save_traits(source)
    }

    /// What is configured wins over what was learnt, but for dates that have shown to be of no use:
    /// a list would be cut for ever.
    fn put_configured_traits(&mut self) {
        if self.settings.granularity.is_some() {
            self.traits.granularity = self.settings.granularity;
        }
        assume::apply(&self.settings.assume, &mut self.traits);
        self.traits.ignores_dates |= self.dates_disproven;
    }

    /// Puts to the test again at what size the repository's lists end and, unless a list that was cut off
    /// `goes_on`, whether it ignores dates and sets.
    fn forget_what_lists_show(&mut self, source: &Source, goes_on: bool) -> Result<(), Halt> {
        if !goes_on {
            self.traits.ignores_dates = false;
            self.traits.ignores_sets = None;
        }
        self.traits.whole_at = None;
        self.traits.cut_off_at = None;
        self.save_traits(source)
    }

    /// Starts storing the steps of a pass.
    fn committer(&self, source: &Source, pass: PassId) -> Result<Committer, Halt> {
        let store = &self.context.store;
        Ok(Committer::start(
            self.context.commit_mode,
            PassPacker::new(Arc::clone(store), &source.metadata_prefix)?,
            PassWriter::new(Arc::clone(store), source.id, pass, next_watermark),
            self.context.clock.clone(),
            self.settings.name.clone(),
            Arc::clone(&self.context.progress),
        ))
    }

    async fn read_pass(&mut self, source: &Source, pass: &Pass, is_new: bool) -> Result<(), Halt> {
        self.reads_from_the_start = is_new;
        let committer = self.committer(source, pass.id)?;
        let again = if is_new {
            self.ask_again_for_bad_items(source, pass, &committer).await
        } else {
            Ok(())
        };
        let read = match again {
            Ok(()) => self.read_windows(source, pass, &committer).await,
            Err(halt) => Err(halt),
        };
        self.sum_up_troubles();
        let stored = committer.finish().await;
        let now_ms = self.context.clock.now_ms();
        // Why storing stopped says more than that it did.
        let totals = stored?;
        self.counts.add(&totals.counts);
        self.save_traits(source)?;
        if let Err(halt) = read {
            let store = &self.context.store;
            blocking(|| store.note_interruption(pass.id, &halt.in_words(), now_ms))?;
            return Err(halt);
        }
        let remarks = std::mem::take(&mut self.remarks);
        if !remarks.is_empty() {
            let store = &self.context.store;
            blocking(|| store.note_completion(pass.id, &remarks.join("; ")))?;
        }
        self.take_stock(source, pass, &totals)
    }

    /// Notes something, also in the history of the pass.
    fn remark(&mut self, remark: String) {
        self.note(&remark);
        self.remarks.push(remark);
    }

    pub(super) fn note(&self, message: &str) {
        self.context
            .progress
            .event(&self.settings.name, Event::Note(message.to_owned()));
    }

    /// Notes why a window does not go well and what is done about it. The same of another window is
    /// only counted: one record can break many windows before it stands alone.
    pub(super) fn note_trouble(&mut self, why: &str, what_next: &str) {
        // What was asked differs from window to window.
        let came_back = why.split_once(" answered ").map_or(why, |(_, after)| after);
        let key = format!("{came_back}; {what_next}");
        if let Some(more) = self.troubles.get_mut(&key) {
            *more += 1;
            tracing::debug!(source.id = %self.settings.name, "{why}; {what_next}");
            return;
        }
        self.note(&format!("{why}; {what_next}"));
        self.troubles.insert(key, 0);
    }

    /// Says how often more what was noted came to pass.
    pub(super) fn sum_up_troubles(&mut self) {
        for (what, more) in std::mem::take(&mut self.troubles) {
            if more > 0 {
                self.note(&format!("{more} times more: {what}"));
            }
        }
    }

    pub(super) fn save_traits(&mut self, source: &Source) -> Result<(), Halt> {
        self.put_configured_traits();
        if self.traits != self.saved_traits {
            blocking(|| self.context.store.set_traits(source.id, &self.traits))?;
            self.saved_traits.clone_from(&self.traits);
        }
        Ok(())
    }
}

impl Halt {
    fn from_trouble(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Stopped => Self::Stopped,
            Trouble::Parked { until_ms, why } => Self::Parked { until_ms, why },
            Trouble::Refused { why, .. } => Self::Refused(why),
            Trouble::Exhausted { why, .. } => Self::Down(why),
            Trouble::Store(error) => Self::Store(error),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Stopped => "stopped".to_owned(),
            Self::Limit => LIMIT_REACHED.to_owned(),
            Self::Parked { why, .. }
            | Self::Refused(why)
            | Self::Down(why)
            | Self::Left(why)
            | Self::NoIdentifiers(why) => why.clone(),
            Self::Store(error) => error.to_string(),
            Self::CommitterGone => "storing stopped".to_owned(),
        }
    }
}

/// What the store remembers of a source: nothing secret. The other arguments of its URL stay, since
/// they may choose the repository.
pub fn definition(settings: &SourceSettings) -> SourceDefinition {
    SourceDefinition {
        name: settings.name.clone(),
        base_url: settings
            .known_as
            .clone()
            .unwrap_or_else(|| show_url(&settings.client.url)),
        metadata_prefix: settings.metadata_prefix.clone(),
        sets: settings.sets.clone(),
        floor: settings.from,
    }
}
