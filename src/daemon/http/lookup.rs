//! Finding one thing by its name or number, for the API and the pages alike.

use std::sync::Arc;

use super::{Context, Failure};
use crate::daemon::overview::{self, ExportView, OutputView, SourceView};
use crate::output::vufind::DocumentOptions;
use crate::store::{
    Pass, PassId, QuarantinedItem, Reader, RejectedDocument, StoreError, StoredRecord, Window,
    WindowState,
};

/// The most windows of a pass, or rejected documents of an output, in one response.
pub(super) const MAX_ROWS: u32 = 500;

/// The source of this name.
pub(super) async fn source(context: &Context, name: &str) -> Result<SourceView, Failure> {
    let registry = Arc::clone(&context.shared.registry);
    let name = name.to_owned();
    let found = context.read(move |reader| overview::one_source(reader, &registry, &name));
    found
        .await?
        .ok_or_else(|| Failure::not_found("no source has this name"))
}

/// The export of this name.
pub(super) async fn export(context: &Context, name: &str) -> Result<ExportView, Failure> {
    let registry = Arc::clone(&context.shared.registry);
    let name = name.to_owned();
    let found = context.read(move |reader| overview::exports(reader, &registry, Some(&name)));
    let first = found.await?.into_iter().next();
    first.ok_or_else(|| Failure::not_found("no export has this name"))
}

/// An output and the documents that it rejected.
pub(super) struct OutputDetails {
    pub(super) output: OutputView,
    /// At most [`MAX_ROWS`] documents, by their ids.
    pub(super) rejected_documents: Vec<RejectedDocument>,
}

/// The output of this name.
pub(super) async fn output(context: &Context, name: &str) -> Result<OutputDetails, Failure> {
    let registry = Arc::clone(&context.shared.registry);
    let name = name.to_owned();
    let found = context.read(move |reader| {
        let outputs = overview::outputs(reader, &registry, Some(&name))?;
        let Some(output) = outputs.into_iter().next() else {
            return Ok(None);
        };
        let mut rejected_documents = reader.rejected(output.known.id)?;
        rejected_documents.truncate(MAX_ROWS as usize);
        Ok(Some(OutputDetails {
            output,
            rejected_documents,
        }))
    });
    found
        .await?
        .ok_or_else(|| Failure::not_found("no output has this name"))
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
            let Some(source) = reader.source(&name)? else {
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
