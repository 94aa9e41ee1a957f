//! What can go wrong with the store, by what the caller does next.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::ClusterState;

/// A failure of the store. Nothing was written by the operation that returned it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file, and the operation does not create one.
    #[error("store {path}: no such file; a harvest creates it")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("store {path}: not a harvestd store ({found}); left as it is")]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: String,
    },
    /// The file was written by a newer program.
    #[error(
        "store {path}: schema {found} is newer than this program knows (up to {known}); \
         left as it is, use a newer harvestd"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: i64,
        /// The newest schema of this program.
        known: i64,
    },
    /// Another process holds the file for longer than we wait.
    #[error(
        "store {path}: locked by another process; nothing was written, try again when it is done"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Another process harvests this source.
    #[error(
        "source {source_name}: another process is harvesting it into {path}; not started twice"
    )]
    SourceLocked {
        /// The source.
        source_name: String,
        /// The file.
        path: PathBuf,
    },
    /// Another process pushes to this output.
    #[error("output {output}: another process is pushing from {path}; not started twice")]
    OutputLocked {
        /// The output.
        output: String,
        /// The file.
        path: PathBuf,
    },
    /// Another daemon works on the store.
    #[error("store {path}: another daemon works on it; not started twice")]
    DaemonLocked {
        /// The file.
        path: PathBuf,
    },
    /// Another process makes the clusters anew.
    #[error(
        "store {path}: another process has begun to make its clusters anew too; this one has left it \
         to that one"
    )]
    RebuiltElsewhere {
        /// The file.
        path: PathBuf,
    },
    /// No space left.
    #[error("store {path}: disk full; what was committed is kept, free some space and run again")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error("store {path}: cannot be written ({reason}); nothing was changed")]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// SQLite finds the file damaged.
    #[error(
        "store {path}: damaged ({reason}); restore it from a copy, or move it away and harvest again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// Clusters are asked for that are not up to date.
    #[error(
        "store {path}: {}", match state {
            ClusterState::Off => "records are not clustered; set enabled = true under [dedup] and \
                                  run `harvestd dedup rebuild`",
            _ => "its clusters are not up to date; run `harvestd dedup rebuild`",
        }
    )]
    NotClustered {
        /// The file.
        path: PathBuf,
        /// How far they are.
        state: ClusterState,
    },
    /// Anything else.
    #[error("store {path}: {doing}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: String,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// The operating system refused a file.
    #[error("store {path}: {doing}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: String,
        /// What the system said.
        error: std::io::Error,
    },
}

impl StoreError {
    /// Sorts an SQLite error by what can be done about it.
    pub(super) fn from_sqlite(path: &Path, doing: &str, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let Some(code) = error.sqlite_error_code() else {
            return Self::Sqlite {
                path,
                doing: doing.to_owned(),
                error,
            };
        };
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked { path },
            ErrorCode::DiskFull => Self::Full { path },
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                Self::ReadOnly {
                    path,
                    reason: error.to_string(),
                }
            }
            ErrorCode::DatabaseCorrupt => Self::Damaged {
                path,
                reason: error.to_string(),
            },
            ErrorCode::NotADatabase => Self::NotAStore {
                path,
                found: "no SQLite database".into(),
            },
            // SQLite reports a write that the disk had no room for as a plain I/O error at times.
            ErrorCode::SystemIoFailure if no_space_left(&error) => Self::Full { path },
            _ => Self::Sqlite {
                path,
                doing: doing.to_owned(),
                error,
            },
        }
    }

    /// Sorts an error of the operating system in the same way.
    pub(super) fn from_io(path: &Path, doing: String, error: std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly {
                path,
                reason: format!("{doing}: {error}"),
            },
            _ => Self::Io { path, doing, error },
        }
    }

    /// Whether waiting may help: another process or a full disk.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Full { .. })
    }
}

fn no_space_left(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        // SQLITE_IOERR_WRITE, _FSYNC, _TRUNCATE and, for the file beside the log, _SHMSIZE are what a
        // full disk or quota gives.
        matches!(error.extended_code >> 8, 3 | 4 | 6 | 19)
    })
}
