//! Finding one thing by its name or number, for the API and the pages alike.

use super::{Context, Failure};
use crate::daemon::overview::{ExportView, OutputView, SourceView};
use crate::output::vufind::DocumentOptions;
use crate::store::{
    Pass, PassId, QuarantinedItem, Reader, RejectedDocument, StoreError, StoredRecord, Window,
    WindowState,
};

/// The most windows of a pass, or rejected documents of an output, in one response.
pub(super) const MAX_ROWS: u32 = 500;

/// Something, and the daemon's time when it was so, in milliseconds since 1970.
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) now_ms: i64,
}

/// The source of this name.
pub(super) async fn source(context: &Context, name: &str) -> Result<At<SourceView>, Failure> {
    let overview = context.overview().await?;
    let mut sources = overview.sources.into_iter();
    let found = sources.find(|source| source.name == name);
    found
        .map(|value| At {
            value,
            now_ms: overview.now_ms,
        })
        .ok_or_else(|| Failure::not_found("no source has this name"))
}

/// The export of this name.
pub(super) async fn export(context: &Context, name: &str) -> Result<At<ExportView>, Failure> {
    let overview = context.overview().await?;
    let mut exports = overview.exports.into_iter();
    let found = exports.find(|view| view.known.name == name);
    found
        .map(|value| At {
            value,
            now_ms: overview.now_ms,
        })
        .ok_or_else(|| Failure::not_found("no export has this name"))
}

/// An output and the documents that it rejected.
pub(super) struct OutputDetails {
    pub(super) output: OutputView,
    /// At most [`MAX_ROWS`] documents, by their ids.
    pub(super) rejected_documents: Vec<RejectedDocument>,
}

/// The output of this name.
pub(super) async fn output(context: &Context, name: &str) -> Result<At<OutputDetails>, Failure> {
    let overview = context.overview().await?;
    let mut outputs = overview.outputs.into_iter();
    let Some(output) = outputs.find(|view| view.known.name == name) else {
        return Err(Failure::not_found("no output has this name"));
    };
    let id = output.known.id;
    let mut rejected_documents = context.read(move |reader| reader.rejected(id)).await?;
    rejected_documents.truncate(MAX_ROWS as usize);
    Ok(At {
        value: OutputDetails {
            output,
            rejected_documents,
        },
        now_ms: overview.now_ms,
    })
}

/// A pass and its windows.
pub(super) struct PassDetails {
    pub(super) pass: Pass,
    /// At most [`MAX_ROWS`] windows, by set and span.
    pub(super) windows: Vec<Window>,
    /// The number of windows in each state.
    pub(super) window_states: Vec<(WindowState, u64)>,
}

impl PassDetails {
    /// Whether the pass has more windows than `windows`.
    pub(super) fn has_more_windows(&self) -> bool {
        let all: u64 = self.window_states.iter().map(|(_, count)| count).sum();
        all > self.windows.len() as u64
    }
}

/// The pass of this number over the source of this name.
pub(super) async fn pass(context: &Context, name: &str, id: &str) -> Result<PassDetails, Failure> {
    let unknown = || Failure::not_found("the source has no pass of this number; it may be too old");
    let id = id.parse().map(PassId).map_err(|_| unknown())?;
    let name = name.to_owned();
    let details = context
        .read(move |reader| {
            let mut sources = reader.sources()?.into_iter();
            let Some(source) = sources.find(|source| source.name == name) else {
                return Ok(None);
            };
            let Some(pass) = reader.pass(source.id, id)? else {
                return Ok(None);
            };
            let (windows, window_states) = reader.windows(pass.id, MAX_ROWS)?;
            Ok(Some(PassDetails {
                pass,
                windows,
                window_states,
            }))
        })
        .await?;
    details.ok_or_else(unknown)
}

/// The item in quarantine of this number, and its bytes.
pub(super) async fn quarantined_item(
    context: &Context,
    number: &str,
) -> Result<(QuarantinedItem, Vec<u8>), Failure> {
    let unknown = || Failure::not_found("no item of this number is in quarantine");
    let number: u64 = number.parse().map_err(|_| unknown())?;
    let found = context.read(move |reader| reader.quarantined_item(number));
    found.await?.ok_or_else(unknown)
}

/// Finds the records that an OAI identifier, or an id in the catalogue, stands for: one for each
/// source, or only that of `source`.
pub(super) fn records(
    documents: &DocumentOptions,
    identifier: &str,
    source: Option<&str>,
) -> impl FnOnce(&Reader) -> Result<Vec<StoredRecord>, StoreError> + Send + use<> {
    let documents = documents.clone();
    let text = identifier.to_owned();
    let source = source.map(str::to_owned);
    move |reader| {
        documents.find_meant(
            &text,
            |record: &StoredRecord| record.source.as_str(),
            |identifier| {
                let mut found = reader.find(identifier)?;
                found.retain(|record| source.as_ref().is_none_or(|name| *name == record.source));
                Ok(found)
            },
        )
    }
}
