//! A Delta Lake table, in a folder or on object storage.
//!
//! The table is append-only: every change of a record is a row of its own. One commit has the rows of one
//! push, or a part of a long one, together with the note up to which version they are complete.
//!
//! - `settings`: where the table is, and how to sign in there
//! - `storage`: the storage of a table
//! - `columns`: the columns of the table
//! - `row`: how a change becomes a row
//! - `file`: writes rows into files
//! - `table`: creates the table, reads the note and commits files
//! - `restore`: reads a table back into an empty store
//!
//! All but the settings are left out of a build without the feature `delta`.

#[cfg(feature = "delta")]
mod columns;
#[cfg(feature = "delta")]
mod file;
#[cfg(feature = "delta")]
mod restore;
#[cfg(feature = "delta")]
mod row;
pub mod settings;
#[cfg(feature = "delta")]
mod storage;
#[cfg(feature = "delta")]
mod table;
#[cfg(all(test, feature = "delta"))]
mod tests;

use std::sync::Arc;

use thiserror::Error;

use self::settings::DeltaSettings;
use super::OutputError;
use crate::stop::Stop;
use crate::store::{SourceDefinition, Store, StoreError};

/// What to restore.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// The sources; all of the store if empty.
    pub sources: Vec<String>,
    /// The store, if the table has several: its id as 32 hexadecimal digits.
    pub store_id: Option<String>,
    /// The configured sources, for those whose definition the table does not tell.
    pub configured: Vec<SourceDefinition>,
}

/// What was restored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// The id of the store, as 32 hexadecimal digits.
    pub store_id: String,
    /// The number of sources.
    pub sources: usize,
    /// The number of states of records that were read: a record has one for each of its changes.
    pub states: u64,
    /// The sources whose watermark the table does not tell, so that the next harvest lists everything.
    pub without_watermark: Vec<String>,
}

/// Why nothing, or not everything, was restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The store cannot be written, or has records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table cannot be read.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// There is no table.
    #[error("{url}: there is no table")]
    NoTable {
        /// The folder.
        url: String,
    },
    /// The table has something that harvestd does not write.
    #[error("{url}: {what}")]
    Damaged {
        /// The folder.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The table has no rows of the source.
    #[error("the table has no source {0}")]
    NoSource(String),
    /// The table has no rows of the store.
    #[error("the table has no such store with these sources; it has{0}")]
    NoStore(String),
    /// It is not clear which store is meant.
    #[error("the table has several stores; choose one with --store-id:{0}")]
    SeveralStores(String),
    /// Neither the table nor the configuration tells where the source is.
    #[error(
        "source {0}: the table does not say where its repository is; configure the source first"
    )]
    Unknown(String),
}

/// Makes the records of an empty store from a table: with metadata, tombstones, versions and watermarks. Calls
/// `progress` with the number of states read so far. Blocks its thread.
///
/// The store gets the id of the lost one, so that outputs to the table continue where that one stopped.
///
/// # Errors
/// [`RestoreError`]. Unless it is about choices, the store may have some of the records then, but no
/// watermark.
#[cfg(feature = "delta")]
pub fn restore(
    store: &Arc<Store>,
    settings: &DeltaSettings,
    options: &RestoreOptions,
    stop: &Stop,
    progress: &dyn Fn(u64),
) -> Result<RestoreReport, RestoreError> {
    restore::restore(store, settings, options, stop, progress)
}

/// Says that this build cannot read tables.
#[cfg(not(feature = "delta"))]
pub fn restore(
    _: &Arc<Store>,
    settings: &DeltaSettings,
    _: &RestoreOptions,
    _: &Stop,
    _: &dyn Fn(u64),
) -> Result<RestoreReport, RestoreError> {
    Err(settings.not_built().into())
}
