//! What a pushed output has to be able to do. A new type of output implements these traits.
//!
//! - [`Documents`]: how a record becomes a document; pure
//! - [`Target`]: takes batches of commands and says which documents it refuses
//! - [`AuditTarget`]: lists its documents, so that they can be compared with the store
//! - [`SwapTarget`]: puts a rebuilt index in the place of the live one
//!
//! An output that cannot be audited, rebuilt or swapped returns [`Unsupported`].
//!
//! A table has no documents that a later change replaces: it keeps every change. Such an output implements
//! [`TableTarget`] alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use thiserror::Error;

use super::enrich::Part;
use super::vufind::Command;
use crate::http::ClientError;
use crate::store::{StoreError, StoredRecord, Version};

/// How the records of the store become the documents of an output. Does no I/O.
pub(crate) trait Documents: Send + Sync {
    /// The id of the document of a record. Deletions use it too.
    fn document_id(&self, source: &str, identifier: &str) -> String;

    /// The identifiers of records, of any source, that may have this document.
    fn identifiers(&self, document_id: &str) -> Vec<String>;

    /// Appends the command that adds the document of a live record.
    ///
    /// # Errors
    /// Why the record has no document.
    fn push_add(
        &self,
        record: &StoredRecord,
        enrich: &[Part],
        out: &mut Vec<u8>,
    ) -> Result<(), String>;

    /// Appends the command that deletes a document.
    fn push_delete(&self, id: &str, out: &mut Vec<u8>);

    /// The values that the document of a live record has in some fields, for comparison.
    ///
    /// # Errors
    /// Why the record has no document.
    fn values(
        &self,
        record: &StoredRecord,
        enrich: &[Part],
        fields: &[String],
    ) -> Result<Vec<Vec<String>>, String>;

    /// The sources in which an identifier gives another document id than in the others, each with a
    /// text; sources with the same text share their ids.
    fn id_spaces(&self) -> BTreeMap<String, String>;

    /// How ids begin.
    fn id_prefixes(&self) -> IdPrefixes<'_>;

    /// All options that decide what the documents hold, as a text with stable names.
    fn definition(&self) -> String;
}

/// How the ids of an output's documents begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdPrefixes<'a> {
    /// Configured beginnings: no other documents have them.
    pub(crate) own: Vec<&'a str>,
    /// Whether all ids begin with one of `own`.
    pub(crate) are_complete: bool,
    /// Beginnings that replace those of identifiers, where ids do not begin with one of `own`.
    pub(crate) possible: Vec<&'a str>,
}

/// The state of one document that the target is to reach.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The document's id.
    pub(crate) id: String,
    /// The record's source.
    pub(crate) source: String,
    /// The record's identifier.
    pub(crate) identifier: String,
    /// The record's version.
    pub(crate) version: Version,
    /// The version of the change in the store that led to this one. It is after `version` where a document
    /// goes back to a record of another source. A target that keeps the order of writes goes by it.
    pub(crate) order: Version,
    /// Whether the target's document is known to be wrong, whatever version it has.
    pub(crate) is_repair: bool,
    /// Whether the document is added or deleted.
    pub(crate) command: Command,
    /// The command, as [`Documents`] wrote it.
    pub(crate) body: Bytes,
    /// Why a live record has no document. Its document is deleted if the target has one.
    pub(crate) fault: Option<String>,
}

impl Change {
    /// Whether the document is added.
    pub(crate) fn is_add(&self) -> bool {
        self.command == Command::Add
    }
}

/// The answer of a target to a batch.
#[derive(Debug)]
pub(crate) enum Response {
    /// The target took all changes except those with these positions in the batch.
    Taken(Vec<(usize, Refusal)>),
    /// The target refused the batch because of one document, and may have taken those before it.
    Refused {
        /// The position of this document in the batch, if the target names it.
        culprit: Option<usize>,
        /// The reason.
        refusal: Refusal,
    },
    /// The batch is larger than the target accepts.
    TooLarge,
}

/// Why a target refused a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The target's message.
    pub(crate) reason: String,
    /// The part of the message that is the same for all documents with this fault.
    pub(crate) cause: String,
    /// Whether only this document can be at fault, such as by its size, and not the target's schema.
    pub(crate) is_of_document: bool,
}

/// Takes batches of changes.
pub(crate) trait Target: Send + Sync {
    /// Tells the target that a push begins.
    ///
    /// Nothing was sent to it before if `is_first`, so a target that can be created is created with the
    /// first batch. `newest` is the newest version of the store: what the target has beyond it comes from
    /// another store, or from a later state of this one.
    fn begin(&self, is_first: bool, newest: Version) {
        let _ = (is_first, newest);
    }

    /// Sends a batch as one request and waits until the target has confirmed it. Repeats the request
    /// while the target is unavailable. A batch may arrive twice, and must then change nothing.
    ///
    /// `proves` is the version up to which the target has all changes once it has taken this batch and
    /// all batches that were sent before. It is `None` for repairs, for documents that are sent again,
    /// and for a batch that was divided, except its last part. With one request at a time it never goes
    /// back within a push, so a target can commit it together with the batch.
    ///
    /// # Errors
    /// [`OutputError`] if the target did not decide about the batch.
    fn send<'a>(
        &'a self,
        batch: &'a [Change],
        proves: Option<Version>,
    ) -> BoxFuture<'a, Result<Response, OutputError>>;

    /// Asks whether the target accepts documents of this output: one line for each problem.
    ///
    /// # Errors
    /// [`OutputError`] if the target cannot be asked.
    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, OutputError>>;

    /// The part of the target that audits read.
    ///
    /// # Errors
    /// [`Unsupported`] if the target cannot look up documents.
    fn auditable(&self) -> Result<&dyn AuditTarget, Unsupported>;
}

/// Lists the documents of a target.
pub(crate) trait AuditTarget: Send + Sync {
    /// The fields by which documents are compared. [`DocumentState::values`] has their values.
    ///
    /// # Errors
    /// [`AuditProblem::Settings`] if the target cannot give the values of a field.
    fn compared_fields(&self) -> BoxFuture<'_, Result<ComparedBy, AuditProblem>>;

    /// Whether the settings say which documents are those of this output. Otherwise
    /// [`AuditTarget::page`] needs the beginnings of their ids.
    fn knows_own_documents(&self) -> bool;

    /// One page of this output's documents. `cursor` is [`DocumentPage::next`] of the page before.
    ///
    /// # Errors
    /// [`OutputError`] if the target cannot be asked.
    fn page<'a>(
        &'a self,
        id_prefixes: &'a [String],
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<DocumentPage, OutputError>>;

    /// The documents with these ids, also those that searches do not show yet.
    ///
    /// # Errors
    /// [`OutputError`] if the target cannot be asked.
    fn get<'a>(
        &'a self,
        ids: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<DocumentState>, OutputError>>;
}

/// How an audit compares a document with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ComparedBy {
    /// By the record's version, which the target keeps in this field.
    Version(String),
    /// By the values of these fields.
    Fields(Vec<String>),
}

/// A document as the target has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentState {
    /// Its id.
    pub(crate) id: String,
    /// The values of the compared fields, in their order.
    pub(crate) values: Vec<Vec<String>>,
}

/// One page of a target's documents.
#[derive(Debug, Default)]
pub(crate) struct DocumentPage {
    /// The documents, in the order of their ids.
    pub(crate) documents: Vec<DocumentState>,
    /// Where the next page begins; `None` after the last one.
    pub(crate) next: Option<String>,
}

/// Why a target cannot be audited.
#[derive(Debug, Error)]
pub(crate) enum AuditProblem {
    /// The target cannot be asked.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The settings do not fit the target.
    #[error("{0}")]
    Settings(String),
}

/// A change as a table gets it.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "delta"),
    expect(dead_code, reason = "only tables read it")
)]
pub(crate) struct TableRow {
    /// The record after the change.
    pub(crate) record: StoredRecord,
    /// The name of its cluster; `None` if it is deleted, or without deduplication.
    pub(crate) cluster_id: Option<String>,
    /// Whether it is the preferred record of its cluster.
    pub(crate) is_canonical: bool,
    /// Its match keys, each as ten hexadecimal digits; none if it is deleted.
    pub(crate) match_keys: Vec<String>,
    /// The state of its source when the push began; `None` if the output gets only some of the
    /// source's records.
    pub(crate) source_state: Option<Arc<SourceState>>,
}

/// How far a source was harvested when a push began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceState {
    /// The output's name: its note says which versions the table has.
    pub(crate) output: String,
    /// The least of its watermarks, as `YYYY-MM-DDThh:mm:ssZ`.
    pub(crate) watermark: Option<String>,
    /// A table that has all changes up to this version has all that the watermarks prove.
    pub(crate) complete_at: Version,
    /// Its definition and watermarks, as JSON.
    pub(crate) state: String,
}

/// A table that changes are appended to. What was appended becomes visible with a commit, all at once.
///
/// All methods wait for the storage and block their thread. Requests are repeated while the storage is
/// unavailable.
pub(crate) trait TableTarget: Send {
    /// Tells the table that the store with this id pushes, at a time in milliseconds since 1970. Returns the
    /// version up to which the table has all changes that the store has sent under the output's name, as
    /// its last commit says. `None` if there is no such commit, or no table. Creates no table.
    ///
    /// # Errors
    /// [`OutputError`] if the table cannot be read, or is not one of ours.
    fn begin(&mut self, store_id: &[u8; 16], at_ms: i64) -> Result<Option<Version>, OutputError>;

    /// Writes rows where no reader sees them yet. Creates the table if there is none.
    ///
    /// # Errors
    /// [`OutputError`] if they cannot be written. Everything since the last commit is lost then.
    fn append(&mut self, rows: &[TableRow]) -> Result<(), OutputError>;

    /// Whether a commit has as much as it should have.
    fn is_full(&self) -> bool;

    /// Makes everything appended visible, with the note that the table now has all changes up to `upto`.
    /// After it, [`TableTarget::begin`] returns `upto`, which can also be less than before: then the
    /// changes after it are sent again.
    ///
    /// # Errors
    /// [`OutputError`] if the commit failed. After [`OutputError::Unavailable`] it may have succeeded.
    fn commit(&mut self, upto: Version) -> Result<(), OutputError>;

    /// Asks whether the table can take rows: one line for each problem.
    ///
    /// # Errors
    /// [`OutputError`] if the storage cannot be asked.
    fn check(&mut self) -> Result<Vec<String>, OutputError>;
}

/// A connected output.
pub(crate) enum Connection {
    /// An index of documents.
    Index(Box<dyn Target>),
    /// A table of changes, which is connected where blocking is allowed.
    Table(ConnectTable),
}

/// Connects to a table. No request is sent yet.
///
/// Fails with [`OutputError::Unusable`] in a build without such tables, and if the settings do not fit the
/// storage. The table is to be used and dropped on a thread that may block.
pub(crate) type ConnectTable =
    Box<dyn FnOnce() -> Result<Box<dyn TableTarget>, OutputError> + Send>;

/// Puts a rebuilt index in the place of the live one.
pub(crate) trait SwapTarget: Send + Sync {
    /// Makes everything in the rebuilt index visible and counts the documents of both indices.
    ///
    /// # Errors
    /// [`SwapError`] if the indices cannot be swapped. Nothing has changed then.
    fn prepare(&mut self) -> BoxFuture<'_, Result<DocumentCounts, SwapError>>;

    /// Swaps the indices, after [`SwapTarget::prepare`].
    ///
    /// # Errors
    /// [`OutputError::Refused`] and [`OutputError::Unusable`] if nothing was swapped. After any other
    /// error, the indices may have been swapped or not.
    fn swap(&self) -> BoxFuture<'_, Result<Swapped, OutputError>>;
}

/// The number of documents of two indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DocumentCounts {
    /// Of the live index.
    pub(crate) live: u64,
    /// Of the rebuilt index.
    pub(crate) rebuilt: u64,
}

/// Where the index is that was live before a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// At the address of the rebuilt index: the two have exchanged their names.
    Exchanged,
    /// Under this name, as before: an alias has moved to the rebuilt index.
    AliasMoved(String),
}

/// An operation that outputs of this type do not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("outputs of type {kind} have no {operation}: {reason}")]
pub struct Unsupported {
    /// The configured type.
    pub kind: &'static str,
    /// The operation, such as `audit`.
    pub operation: &'static str,
    /// The reason, and what to do instead.
    pub reason: &'static str,
}

/// Why a target could not be asked.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The target does not answer, or cannot work now. A later attempt may succeed.
    #[error("{address}: {why}{}", after_tries(*tries))]
    Unavailable {
        /// The address that was asked last.
        address: String,
        /// The last failure.
        why: String,
        /// The number of requests, over all addresses.
        tries: u32,
    },
    /// No attempt succeeds until somebody has changed something.
    #[error("{address}: {why}; {advice}")]
    Unusable {
        /// The address.
        address: String,
        /// The failure.
        why: String,
        /// What to change.
        advice: String,
    },
    /// The target refused the request.
    #[error("{address}: refused: {message}")]
    Refused {
        /// The address.
        address: String,
        /// The target's message.
        message: String,
    },
    /// The program was told to stop.
    #[error("stopped")]
    Stopped,
    /// No client can be made from the settings.
    #[error(transparent)]
    Settings(#[from] ClientError),
}

/// What one try alone leaves unsaid.
fn after_tries(tries: u32) -> String {
    match tries {
        0 | 1 => String::new(),
        tries => format!(", after {tries} tries"),
    }
}

/// Why two indices were not swapped.
#[derive(Debug, Error)]
pub enum SwapError {
    /// They cannot be swapped, for this reason.
    #[error("{0}")]
    Unfit(String),
    /// Outputs of this type cannot be swapped.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The server could not be asked, or refused.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The server was asked to swap, and the result is not known.
    #[error(
        "it is not known whether the indices were swapped: {why}; look which index is at {address}. \
         The next push sends the live one everything that either may lack, and a rebuild at \
         {address} starts over"
    )]
    Unknown {
        /// The address of the index that was to go live.
        address: String,
        /// The failure.
        why: OutputError,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
