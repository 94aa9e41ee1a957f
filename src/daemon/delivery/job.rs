//! One run of one delivery: a push to an output, or a file.

use std::sync::Arc;
use std::time::Duration;

use super::any_change;
use crate::clock::Clock;
use crate::daemon::board::{Board, DeliveryKind, DeliverySums};
use crate::end::End;
use crate::output::export::settings::ExportSettings;
use crate::output::export::write_file;
use crate::output::solr::settings::SolrSettings;
use crate::output::solr::{PushProgress, PushSurroundings, PushWishes, push};
use crate::stop::Stop;
use crate::store::{ChangeFilter, Reader, Store, StoreError};

/// The first pause after a file could not be written.
const EXPORT_PAUSE: Duration = Duration::from_secs(60);

/// What is delivered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// An index gets what has changed.
    Push(Box<SolrSettings>),
    /// A file is written.
    Export(Box<ExportSettings>),
}

/// What a run needs.
pub(super) struct Around {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) board: Arc<Board>,
    pub(super) stop: Stop,
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything that there was has been delivered.
    Complete(DeliverySums),
    /// It was told to stop.
    Stopped(DeliverySums),
    /// Another process is at it.
    Busy(String),
    /// Not everything, and why.
    Failed(DeliverySums, String),
}

impl Job {
    /// Whether the store has something that was not delivered.
    pub(super) fn lacks_something(&self, reader: &Reader) -> Result<bool, StoreError> {
        match self {
            Self::Push(settings) => match reader.output(&settings.name)? {
                Some(known) if known.definition == settings.definition() => {
                    any_change(reader, &settings.filter(known.position))
                }
                // Everything is to be sent again, or for the first time.
                _ => any_change(reader, &ChangeFilter::default()),
            },
            Self::Export(settings) => {
                let known = reader.export(&settings.name)?;
                let known = known.filter(|known| known.definition == settings.definition());
                let position = known.map(|known| known.position);
                any_change(reader, &settings.filter(position))
            }
        }
    }

    /// The pause after the first failure. A push has tried with shorter ones by itself, so that its
    /// pauses go on doubling.
    pub(super) fn first_pause(&self) -> Duration {
        match self {
            Self::Push(settings) => {
                let times = 1_u32.checked_shl(settings.retries).unwrap_or(u32::MAX);
                settings.retry_pause.saturating_mul(times)
            }
            Self::Export(_) => EXPORT_PAUSE,
        }
    }

    /// Delivers what there is.
    pub(super) async fn run(self, around: Around) -> Outcome {
        match self {
            Self::Push(settings) => push_to(around, settings).await,
            Self::Export(settings) => {
                let written = tokio::task::spawn_blocking(move || export(&around, &settings));
                written.await.unwrap_or_else(|error| {
                    let why = format!("it broke off: {error}");
                    Outcome::Failed(DeliverySums::default(), why)
                })
            }
        }
    }
}

async fn push_to(around: Around, settings: Box<SolrSettings>) -> Outcome {
    let stop = around.stop.clone();
    let (board, key) = (around.board, (DeliveryKind::Output, settings.name.clone()));
    let surroundings = PushSurroundings {
        store: around.store,
        clock: around.clock,
        stop: around.stop,
        progress: Arc::new(move |progress: PushProgress| {
            board.delivery_progress(&key, progress.done, progress.total.max(progress.done));
        }),
    };
    let report = match push(&surroundings, &settings, &PushWishes::default()).await {
        Ok(report) => report,
        Err(error @ StoreError::OutputLocked { .. }) => return Outcome::Busy(error.to_string()),
        Err(error) => return Outcome::Failed(DeliverySums::default(), error.to_string()),
    };
    if report.starts_over {
        tracing::info!(
            "output {}: its settings have changed, so everything is sent again",
            report.output
        );
    }
    let sums = DeliverySums {
        records: report.progress.added,
        deletions: report.progress.deleted,
        set_aside: report.progress.rejected,
    };
    match report.end {
        End::Complete => Outcome::Complete(sums),
        End::Incomplete(_) if stop.is_requested() => Outcome::Stopped(sums),
        End::Incomplete(why) | End::Failed(why) => Outcome::Failed(sums, why),
    }
}

fn export(around: &Around, settings: &ExportSettings) -> Outcome {
    let key = (DeliveryKind::Export, settings.name.clone());
    let now_ms = around.clock.now_ms();
    let written = write_file(&around.store, settings, &around.stop, now_ms, |read| {
        around.board.delivery_progress(&key, read, read);
    });
    match written {
        Ok(report) => {
            let sums = DeliverySums {
                records: report.records,
                deletions: report.deletions,
                set_aside: report.failed,
            };
            match report.stopped {
                true => Outcome::Stopped(DeliverySums::default()),
                false => Outcome::Complete(sums),
            }
        }
        Err(error) => {
            let why = error.to_string();
            let noted = around
                .store
                .note_export_error(&settings.name, &why, around.clock.now_ms());
            if let Err(error) = noted {
                tracing::warn!("export {}: {error}", settings.name);
            }
            Outcome::Failed(DeliverySums::default(), why)
        }
    }
}
