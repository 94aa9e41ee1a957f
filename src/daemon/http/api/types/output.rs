//! Outputs and exports: how far each is, and what it rejected.

use serde::Serialize;
use utoipa::ToSchema;

use super::job::Job;
use super::list;
use super::time::{Timestamp, Version};
use crate::daemon::http::lookup;
use crate::daemon::overview::{ExportView, OutputView};
use crate::store;

/// All outputs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Outputs {
    /// The outputs, by name.
    pub(in crate::daemon::http) outputs: Vec<Output>,
}

/// One output: an index that receives every change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Output {
    name: String,
    /// Pushes to it.
    job: Job,
    /// The output has confirmed every change up to this version.
    position: Version,
    /// When it last confirmed a change.
    confirmed_at: Option<Timestamp>,
    /// Changes of its sources that it has not confirmed, counted up to 100,000.
    #[schema(maximum = 1_000_000)]
    behind_changes: u64,
    /// The age of the oldest of these changes; 0 if there are none.
    #[schema(minimum = 0)]
    behind_seconds: i64,
    /// Documents sent, repetitions included.
    documents: u64,
    /// Deletions sent, repetitions included.
    deletions: u64,
    /// Documents that it rejected and has not accepted since.
    rejected: u64,
}

/// One output and the documents that it rejected.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct OutputDetails {
    #[serde(flatten)]
    output: Output,
    /// The first 500 rejected documents, by their ids.
    rejected_documents: Vec<RejectedDocument>,
}

/// A document that an output rejected.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct RejectedDocument {
    document_id: String,
    source: String,
    identifier: String,
    /// The version of the record.
    version: Version,
    /// Why, in the words of the index or of the crosswalk.
    reason: String,
    rejected_at: Timestamp,
}

/// One scheduled export to files.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Export {
    name: String,
    /// Writing its files.
    job: Job,
    /// The files have every change up to this version.
    position: Version,
    /// When the files last had every change.
    completed_at: Option<Timestamp>,
    /// The newest file.
    file: Option<String>,
    /// Records written, repetitions included.
    records: u64,
    /// Deletions written, repetitions included.
    deletions: u64,
}

impl From<OutputView> for Output {
    fn from(view: OutputView) -> Self {
        let known = view.known;
        Self {
            name: known.name,
            job: view.job.into(),
            position: Version(known.position),
            confirmed_at: known.confirmed_at.map(Timestamp::from_ms),
            behind_changes: view.behind,
            behind_seconds: view.behind_seconds,
            documents: known.added,
            deletions: known.deleted,
            rejected: view.rejected,
        }
    }
}

impl From<lookup::OutputDetails> for OutputDetails {
    fn from(details: lookup::OutputDetails) -> Self {
        Self {
            output: details.output.into(),
            rejected_documents: list(details.rejected_documents),
        }
    }
}

impl From<store::RejectedDocument> for RejectedDocument {
    fn from(document: store::RejectedDocument) -> Self {
        Self {
            document_id: document.document_id,
            source: document.source,
            identifier: document.identifier,
            version: Version(document.version),
            reason: document.reason,
            rejected_at: Timestamp::from_ms(document.at),
        }
    }
}

impl From<ExportView> for Export {
    fn from(view: ExportView) -> Self {
        let known = view.known;
        Self {
            name: known.name,
            job: view.job.into(),
            position: Version(known.position),
            completed_at: known.done_at.map(Timestamp::from_ms),
            file: known.file,
            records: known.records,
            deletions: known.deletions,
        }
    }
}
