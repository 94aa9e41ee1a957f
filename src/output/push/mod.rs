//! Pushes all changes since an output's position, batch by batch. The position follows what the target
//! has confirmed.
//!
//! - `batch`: the changes of the store, as batches of commands
//! - `deliver`: one batch, and which of its documents the target refuses
//! - `doubt`: whether refused documents are at fault or the target
//! - `in_flight`: batches that are sent, whose results arrive in any order
//! - `confirm`: the results, stored with the position
//! - `preview`: what a push would send
//! - `table`: pushes to a table, which keeps every change

pub(crate) mod batch;
pub(crate) mod confirm;
pub(crate) mod deliver;
pub(crate) mod doubt;
mod in_flight;
mod preview;
mod table;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use self::batch::Batch;
use self::confirm::{Confirmation, Confirmer};
use self::deliver::{DeliverError, Delivered, Doubt, Streak, deliver};
use self::doubt::{LATER_PROBES, Probes, find_probes};
use self::in_flight::{BatchResult, InFlight, SentBatch};
pub use self::preview::{PushPreview, preview};
use super::OutputSettings;
use super::target::{Change, Connection, OutputError, Target};
use crate::clock::Clock;
use crate::end::End;
use crate::stop::Stop;
use crate::store::{ChangeFilter, Output, OutputLock, Reader, Store, StoreError, Version};

/// Batches that are read before the target can take another one.
const READ_AHEAD: usize = 1;

/// Documents that are looked up in one request.
const LOOKED_UP: usize = 500;

/// Finished batches that may wait for the result of an earlier one. An index that writes its memory
/// to disk within a request takes several others meanwhile.
const FINISHED_WAITING: usize = 8;

/// What to push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Set the position to this version first; zero is the beginning.
    pub from: Option<Version>,
    /// Send rejected documents again before everything else.
    pub retry_rejected: bool,
}

/// The progress of a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushProgress {
    /// Changes that were sent.
    pub done: u64,
    /// Changes that were to be sent when the push began.
    pub total: u64,
    /// Documents that the target added.
    pub added: u64,
    /// Documents that it deleted.
    pub deleted: u64,
    /// Documents that were rejected.
    pub rejected: u64,
}

/// The result of a push.
#[derive(Debug, Clone, PartialEq)]
pub struct PushReport {
    /// The output.
    pub output: String,
    /// The number of changes sent.
    pub progress: PushProgress,
    /// The output's position now.
    pub position: Version,
    /// The number of changes that are still to be sent.
    pub behind: u64,
    /// Whether everything was sent again because the settings have changed.
    pub starts_over: bool,
    /// The time it took.
    pub elapsed: Duration,
    /// How it ended.
    pub end: End,
}

/// What a push needs beside its settings.
#[derive(Clone)]
pub struct PushContext {
    /// The store.
    pub store: Arc<Store>,
    /// Dates what is stored.
    pub clock: Clock,
    /// Stops a push after the batches in flight.
    pub stop: Stop,
    /// Called after each batch.
    pub progress: Arc<dyn Fn(PushProgress) + Send + Sync>,
}

/// Why a push ends before it is complete.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("stopped before everything was sent; the next push continues")]
    Stopped,
}

impl PushError {
    fn end(&self) -> End {
        let text = self.to_string();
        match self {
            Self::Stopped
            | Self::Deliver(DeliverError::Output(
                OutputError::Unavailable { .. } | OutputError::Stopped,
            )) => End::Incomplete(text),
            // The next harvest may build the clusters.
            Self::Store(StoreError::NotClustered { .. }) => End::Incomplete(text),
            Self::Store(error) if error.is_transient() => End::Incomplete(text),
            _ => End::Failed(text),
        }
    }
}

/// Sends an output everything that has changed since its position.
///
/// Ends when nothing is left to be sent, when `context.stop` says so, or with the error in the report.
/// A batch that a stop interrupts is sent again next time. Does not block its thread.
///
/// # Errors
/// [`StoreError`] if the store cannot be read or written, or another process pushes to this output.
/// Errors of the target and of the settings are in the report.
pub async fn push(
    context: &PushContext,
    settings: &OutputSettings,
    options: &PushOptions,
) -> Result<PushReport, StoreError> {
    match settings.connect(context.stop.clone()) {
        Ok(Connection::Table(connect)) => table::push(context, settings, options, connect).await,
        Ok(Connection::Index(target)) => push_to(context, settings, options, Ok(target)).await,
        Err(error) => push_to(context, settings, options, Err(error)).await,
    }
}

/// Pushes to a table that is connected in another way than the settings say.
#[cfg(all(test, feature = "delta"))]
pub(super) async fn push_to_table(
    context: &PushContext,
    settings: &OutputSettings,
    connect: super::target::ConnectTable,
) -> Result<PushReport, StoreError> {
    table::push(context, settings, &PushOptions::default(), connect).await
}

/// Pushes to an index that is connected already, if it could be.
pub(super) async fn push_to(
    context: &PushContext,
    settings: &OutputSettings,
    options: &PushOptions,
    target: Result<Box<dyn Target>, OutputError>,
) -> Result<PushReport, StoreError> {
    let started = Instant::now();
    let options = *options;
    let known = settings.clone();
    let begun = with_store(context, move |store| begin(store, &known, &options)).await?;
    let (end, progress) = match target {
        Ok(target) => {
            target.begin(begun.output.position == Version::default(), begun.newest);
            let run = Run {
                context,
                is_new: begun.output.position == Version::default() && !settings.sets.is_empty(),
                target: &*target,
                settings,
                output: &begun.output,
            };
            let mut confirmer = Confirmer {
                context,
                output: &begun.output,
                progress: PushProgress {
                    total: begun.total,
                    ..PushProgress::default()
                },
            };
            let end = match run.all(&options, &mut confirmer).await {
                Ok(()) => End::Complete,
                Err(error) => error.end(),
            };
            (end, confirmer.progress)
        }
        Err(error) => (End::Failed(error.to_string()), PushProgress::default()),
    };
    let known = settings.clone();
    let (position, behind) =
        with_store(context, move |store| position_and_rest(store, &known)).await?;
    Ok(PushReport {
        output: settings.name.clone(),
        progress,
        position,
        behind,
        starts_over: begun.starts_over,
        elapsed: started.elapsed(),
        end,
    })
}

/// The state of an output when a push begins.
struct Begun {
    /// Keeps other processes from pushing to the output.
    _lock: OutputLock,
    output: Output,
    starts_over: bool,
    /// The number of changes that are to be sent.
    total: u64,
    /// The newest version of the store.
    newest: Version,
}

fn begin(
    store: &Store,
    settings: &OutputSettings,
    options: &PushOptions,
) -> Result<Begun, StoreError> {
    let lock = store.lock_output(&settings.name)?;
    let (mut output, starts_over) = register(store, settings)?;
    if let Some(from) = options.from {
        store.set_position(output.id, from)?;
        output.position = from;
    }
    let forgotten = store.reader()?.min_since()?;
    if output.position > Version::default() && output.position < forgotten {
        tracing::warn!(
            output = settings.name,
            "tombstones up to version {forgotten} were pruned, and this output has only been sent \
             those up to {}: its index may contain deleted documents; `harvestd audit --repair` \
             finds them",
            output.position
        );
    }
    Ok(Begun {
        _lock: lock,
        total: behind(store, settings, output.position)?,
        newest: store.reader()?.last_version()?,
        output,
        starts_over,
    })
}

/// The output in the store, registered if it is new, and whether its settings have changed, so that it
/// starts over.
pub(crate) fn register(
    store: &Store,
    settings: &OutputSettings,
) -> Result<(Output, bool), StoreError> {
    let definition = settings.definition();
    if let Some(known) = store.reader()?.output(&settings.name)?
        && known.definition != definition
        && settings.is_position_of(&known)
    {
        store.set_definition(known.id, &definition)?;
    }
    store.register_output(&settings.name, &definition)
}

/// The output's position, and the number of changes after it.
fn position_and_rest(
    store: &Store,
    settings: &OutputSettings,
) -> Result<(Version, u64), StoreError> {
    let output = store.reader()?.output(&settings.name)?;
    let position = output.map_or_else(Version::default, |output| output.position);
    Ok((position, behind(store, settings, position)?))
}

fn behind(store: &Store, settings: &OutputSettings, position: Version) -> Result<u64, StoreError> {
    store.reader()?.count_changes(&settings.filter(position))
}

/// Whether a push would have something to send.
///
/// If not, the position moves over the changes that do not concern the output once they are
/// [`PASSED_OVER_AFTER_MS`] ahead of it: whoever counts from it later has less to look through.
pub(crate) fn has_changes(
    store: &Store,
    reader: &Reader,
    settings: &OutputSettings,
) -> Result<bool, StoreError> {
    let known = reader.output(&settings.name)?;
    let Some(known) = known.filter(|known| settings.is_position_of(known)) else {
        // Everything is sent, for the first time or again.
        return Ok(reader.first_change(&ChangeFilter::default())?.is_some());
    };
    // Read first, so that it is not after the changes that the filter has seen.
    let newest = reader.last_version()?;
    if reader
        .first_change(&settings.filter(known.position))?
        .is_some()
    {
        return Ok(true);
    }
    if newest.unix_ms() - known.position.unix_ms() > PASSED_OVER_AFTER_MS {
        store.pass_over(&known, newest)?;
    }
    Ok(false)
}

/// How far the store is ahead of the position of an output that nothing concerns, by the clock of versions
/// in milliseconds, before the position moves. Each move is a write.
const PASSED_OVER_AFTER_MS: i64 = 60_000;

/// Works on the store without blocking the caller's thread.
pub(crate) async fn with_store<T: Send + 'static>(
    context: &PushContext,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let store = Arc::clone(&context.store);
    let done = spawn_blocking(move || work(&store)).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

struct Run<'a> {
    context: &'a PushContext,
    /// Whether the index may lack the documents that are to be deleted.
    is_new: bool,
    target: &'a dyn Target,
    settings: &'a OutputSettings,
    output: &'a Output,
}

impl Run<'_> {
    async fn all(
        &self,
        options: &PushOptions,
        confirmer: &mut Confirmer<'_>,
    ) -> Result<(), PushError> {
        if options.retry_rejected {
            self.retry_rejected(confirmer).await?;
        }
        let (sender, batches) = mpsc::channel(READ_AHEAD);
        let (settings, position) = (self.settings.clone(), self.output.position);
        let reading = with_store(self.context, move |store| {
            read_all(store, &settings, position, &sender)
        });
        let (sender, receiver) = mpsc::channel(self.settings.parallel_requests);
        let confirming = confirmer.all(receiver);
        // Each ends when the next one stops receiving, so that the error of any of them ends all, and
        // whatever the target has taken is confirmed.
        let (sent, confirmed, read) =
            tokio::join!(self.send_all(batches, sender), confirming, reading);
        confirmed?;
        sent?;
        Ok(read?)
    }

    /// Sends batches, several at a time, and passes on their results in order.
    async fn send_all(
        &self,
        mut batches: mpsc::Receiver<Batch>,
        confirmations: mpsc::Sender<Confirmation>,
    ) -> Result<(), PushError> {
        let streak = Streak::default();
        let mut requests = FuturesUnordered::new();
        let mut in_flight = InFlight::default();
        let mut waiting: Option<Batch> = None;
        let mut is_open = true;
        while is_open || waiting.is_some() || in_flight.len() > 0 {
            if let Some(batch) = waiting.take_if(|batch| !in_flight.has_any_of(batch)) {
                if self.context.stop.is_requested() {
                    return Err(PushError::Stopped);
                }
                let number = in_flight.start(&batch);
                let delivery = self.deliver(batch.changes, batch.upto, &streak);
                requests.push(async move { (number, delivery.await) });
            }
            // A finished batch that waits for an earlier one frees its request.
            let parallel = self.settings.parallel_requests;
            let is_free =
                requests.len() < parallel && in_flight.len() < parallel + FINISHED_WAITING;
            tokio::select! {
                Some((number, result)) = requests.next(), if !requests.is_empty() => {
                    in_flight.finish(number, result);
                    while let Some((sent, result)) = in_flight.take_finished() {
                        let confirmation = self.resolve_doubts(sent, result, &in_flight, &streak).await?;
                        if confirmations.send(confirmation).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                batch = batches.recv(), if is_open && is_free && waiting.is_none() => {
                    is_open = batch.is_some();
                    waiting = batch;
                }
            }
        }
        Ok(())
    }

    /// Delivers a batch. An index that has never confirmed anything gets only those deletions whose
    /// documents it has: an output that is limited to sets reads each record outside of them as a
    /// deletion.
    async fn deliver(
        &self,
        mut changes: Vec<Change>,
        upto: Version,
        streak: &Streak,
    ) -> Result<Delivered, DeliverError> {
        if self.is_new {
            changes = without_needless_deletions(self.target, changes).await?;
        }
        deliver(self.target, changes, Some(upto), streak).await
    }

    /// Resolves the doubts about a batch, and sends what was held back because of them.
    async fn resolve_doubts(
        &self,
        sent: SentBatch,
        result: BatchResult,
        in_flight: &InFlight,
        streak: &Streak,
    ) -> Result<Confirmation, PushError> {
        let mut delivered = result?;
        while let Some(doubt) = delivered.doubt.take() {
            let unconfirmed = in_flight
                .unconfirmed_ids()
                .chain(&sent.ids)
                .cloned()
                .collect();
            self.check_target(doubt, &delivered, unconfirmed).await?;
            streak.end();
            let rest = std::mem::take(&mut delivered.rest);
            if !rest.is_empty() {
                delivered.append(deliver(self.target, rest, Some(sent.upto), streak).await?);
            }
        }
        let now = self.context.clock.now_ms();
        Ok(Confirmation::new(
            delivered,
            sent.records,
            Some(sent.upto),
            now,
        ))
    }

    /// Finds out whether the target is at fault, by sending it again a document that it has taken
    /// before or, if there is none, some that it gets later.
    async fn check_target(
        &self,
        doubt: Doubt,
        delivered: &Delivered,
        unconfirmed: HashSet<String>,
    ) -> Result<(), PushError> {
        let (settings, id) = (self.settings.clone(), self.output.id);
        let mut probes = match delivered.any_added() {
            Some(taken) => Probes::Taken(taken.clone()),
            None => {
                with_store(self.context, move |store| {
                    find_probes(store, &settings, id, &unconfirmed)
                })
                .await?
            }
        };
        let proves_something = match &mut probes {
            Probes::Taken(_) => true,
            Probes::Later(documents) => {
                let unsent = delivered.rest.iter().rev();
                let adds = unsent.filter(|change| change.is_add());
                documents.extend(adds.take(LATER_PROBES).cloned());
                doubt.are_several || !documents.is_empty()
            }
        };
        let is_any_taken = probes.any_taken(self.target).await?;
        match proves_something && !is_any_taken {
            true => Err(doubt.misfit.into()),
            false => Ok(()),
        }
    }

    /// Sends the present state of all rejected documents. The position stays.
    async fn retry_rejected(&self, confirmer: &mut Confirmer<'_>) -> Result<(), PushError> {
        let (settings, id) = (self.settings.clone(), self.output.id);
        let changes = with_store(self.context, move |store| {
            let reader = store.reader()?;
            let filter = settings.filter(None);
            let mut changes = Vec::new();
            let mut seen = HashSet::new();
            for rejected in reader.rejected(id)? {
                if !seen.insert(rejected.document_id.clone()) {
                    continue;
                }
                let records = reader.find_items(&rejected.identifier, &filter)?;
                let record = records
                    .iter()
                    .find(|record| record.source == rejected.source);
                changes.extend(record.map(|record| batch::change(record, &settings)));
            }
            batch::last_of_each_document(&reader, &settings, changes)
        })
        .await?;
        for change in changes {
            if self.context.stop.is_requested() {
                return Err(PushError::Stopped);
            }
            // All of these were refused before, so a streak of refusals proves nothing.
            let delivered = deliver(self.target, vec![change], None, &Streak::default()).await?;
            let now = self.context.clock.now_ms();
            confirmer
                .one(Confirmation::new(delivered, 0, None, now))
                .await?;
        }
        Ok(())
    }
}

/// `changes` without the deletions of documents that the target does not have, as far as it can tell.
async fn without_needless_deletions(
    target: &dyn Target,
    mut changes: Vec<Change>,
) -> Result<Vec<Change>, OutputError> {
    let Ok(index) = target.auditable() else {
        return Ok(changes);
    };
    let deletions = changes.iter().filter(|change| !change.is_add());
    let ids: Vec<&str> = deletions.map(|change| change.id.as_str()).collect();
    let mut present = HashSet::new();
    for ids in ids.chunks(LOOKED_UP) {
        match index.get(ids).await {
            Ok(found) => present.extend(found.into_iter().map(|document| document.id)),
            Err(error @ (OutputError::Unavailable { .. } | OutputError::Stopped)) => {
                return Err(error);
            }
            // It cannot look documents up; a needless deletion does no harm.
            Err(_) => return Ok(changes),
        }
    }
    changes.retain(|change| change.is_add() || present.contains(&change.id));
    Ok(changes)
}

fn read_all(
    store: &Store,
    settings: &OutputSettings,
    mut position: Version,
    sender: &mpsc::Sender<Batch>,
) -> Result<(), StoreError> {
    let reader = store.reader()?;
    loop {
        // One snapshot for each batch: a long push must not keep the write-ahead log from being
        // checkpointed.
        let batch = batch::read(&reader, settings, position)?;
        position = batch.upto;
        let last = batch.last;
        if sender.blocking_send(batch).is_err() || last {
            return Ok(());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::harvest::proven;
    use crate::oai::{Header, Record};
    use crate::output::OutputKind;
    use crate::output::solr::settings::SolrSettings;
    use crate::store::{
        NewWindow, PageStep, PassKind, PassPacker, PassWriter, SourceDefinition, Span, Step,
    };

    pub(crate) fn settings() -> OutputSettings {
        let url = "http://localhost/solr/b".parse().expect("this is a URL");
        OutputSettings::new("v", OutputKind::Solr(Box::new(SolrSettings::new(url))))
    }

    fn is_send<T: Send>(_: &T) {}

    /// The scheduler runs pushes as tasks on several threads.
    #[test]
    fn pushes_can_move_between_threads() {
        let folder = tempfile::tempdir().expect("the system has a place for temporary files");
        let (_switch, stop) = crate::stop::stop_switch();
        let settings = settings();
        let store = Store::open(&folder.path().join("store.db")).expect("a store can be made");
        let context = PushContext {
            store: Arc::new(store),
            clock: Clock::System,
            stop,
            progress: Arc::new(|_| {}),
        };
        is_send(&push(&context, &settings, &PushOptions::default()));
    }

    /// Stores a record of the source a.
    fn put_record(store: &Arc<Store>) {
        let definition = SourceDefinition {
            name: "a".to_owned(),
            base_url: "https://a.example/oai".to_owned(),
            metadata_prefix: "oai_dc".to_owned(),
            sets: Vec::new(),
            floor: None,
        };
        let (source, _) = store.register_source(&definition).unwrap();
        let span = Span {
            from: None,
            until: None,
        };
        let whole = NewWindow {
            set_spec: None,
            span,
        };
        let pass = store
            .begin_pass(source.id, PassKind::Full, false, true, &[whole], 1)
            .unwrap();
        let header = Header {
            identifier: "oai:1".to_owned(),
            datestamp: "2026-01-01T00:00:00Z".to_owned(),
            set_specs: Vec::new(),
            deleted: true,
        };
        let page = PageStep {
            window: store.pending_windows(pass).unwrap()[0].id,
            records: vec![Record::tombstone(header)],
            ..PageStep::default()
        };
        let mut packer = PassPacker::new(Arc::clone(store), source.id, "oai_dc").unwrap();
        let packed = packer.pack(Step::Page(page)).unwrap();
        PassWriter::new(Arc::clone(store), source.id, pass, proven)
            .apply(&[packed], 1_780_272_000_000)
            .unwrap();
    }

    #[test]
    fn a_position_moves_over_changes_that_concern_another_output() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store.db")).unwrap());
        put_record(&store);
        let reader = store.reader().unwrap();
        let newest = reader.last_version().unwrap();
        let position = |name: &str| reader.output(name).unwrap().map(|output| output.position);

        let own = settings();
        register(&store, &own).unwrap();
        assert!(has_changes(&store, &reader, &own).unwrap());
        assert_eq!(position("v"), Some(Version(0)));

        let mut other = settings();
        other.name = "w".to_owned();
        other.sources = vec!["nobody".to_owned()];
        register(&store, &other).unwrap();
        assert!(!has_changes(&store, &reader, &other).unwrap());
        assert_eq!(position("w"), Some(newest));

        // Another process has set the position meanwhile.
        let known = reader.output("w").unwrap().unwrap();
        store.set_position(known.id, Version(1)).unwrap();
        store.pass_over(&known, newest).unwrap();
        assert_eq!(position("w"), Some(Version(1)));
    }

    #[test]
    fn a_position_of_the_first_release_is_adopted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let settings = settings();
        let rebuild = settings
            .rebuild(&"http://localhost/solr/next".parse().unwrap())
            .unwrap();
        let old = "0123456789abcdef".repeat(4);
        for (settings, is_adopted) in [(&settings, true), (&rebuild, false)] {
            let (output, _) = store.register_output(&settings.name, &old).unwrap();
            store.set_position(output.id, Version(7)).unwrap();
            let (output, starts_over) = register(&store, settings).unwrap();
            assert_eq!(starts_over, !is_adopted);
            assert_eq!(output.position, Version(if is_adopted { 7 } else { 0 }));
            assert_eq!(output.definition, settings.definition());
        }
    }
}
