//! Errors of the store, by what the caller does next.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::ClusterState;
use crate::files;

/// An error of the store. The operation that returns it has written nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file, and the operation creates none.
    #[error("store {path}: no such file; a harvest creates it")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The store has records, and the operation fills an empty one.
    #[error(
        "store {path}: it has records already; left as it is, restore into a new file (--store)"
    )]
    NotEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a store.
    #[error("store {path}: not a harvestd store ({found}); left as it is")]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The file has the schema of an older program.
    #[error(
        "store {path}: schema {found} is older than this program needs ({needed}); left as it is, run \
         `harvestd migrate`, which also keeps a copy of the file"
    )]
    OlderSchema {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: i64,
        /// The schema that this program needs.
        needed: i64,
    },
    /// The disk has no room for the copy of the file that a migration keeps.
    #[error(
        "store {path}: not migrated to a new schema, because that needs {} of free space beside it, for \
         a copy of the file and for new indices, and {} are free; nothing was changed, free some space \
         and run `harvestd migrate`",
        bytesize::ByteSize(*needed_bytes), bytesize::ByteSize(*free_bytes)
    )]
    NoRoomToMigrate {
        /// The file.
        path: PathBuf,
        /// The space that is needed, in bytes.
        needed_bytes: u64,
        /// The space that is free, in bytes.
        free_bytes: u64,
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
    /// Another process has locked the file for longer than we wait.
    #[error(
        "store {path}: locked by another process; nothing was written, try again when it has finished"
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
    /// Another daemon uses the store.
    #[error("store {path}: another daemon uses it; not started twice")]
    DaemonLocked {
        /// The file.
        path: PathBuf,
    },
    /// Another process has begun to rebuild the clusters.
    #[error(
        "store {path}: another process has begun to rebuild the clusters; this rebuild has stopped and \
         leaves the work to it"
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
    #[error(
        "store {path}: cannot be written ({reason}); nothing was changed{}",
        after_semicolon(advice)
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// The error message of the system.
        reason: String,
        /// Who can write it, if that is another user.
        advice: Option<String>,
    },
    /// The store cannot be read, because nothing can be written beside it.
    #[error(
        "store {path}: cannot be read here ({reason}); {}",
        advice.as_deref().unwrap_or(
            "reading a store that may be in use needs files beside it; make its folder writable, or read \
             a copy that `harvestd backup` has written"
        )
    )]
    UnwritableFolder {
        /// The file.
        path: PathBuf,
        /// The error message of the system.
        reason: String,
        /// Who can write there, if that is another user.
        advice: Option<String>,
    },
    /// SQLite finds the file damaged.
    #[error(
        "store {path}: damaged ({reason}); restore it from a copy, or move it away and harvest again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error message of SQLite.
        reason: String,
    },
    /// The operation needs clusters, and they are not up to date.
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
        /// The state of the clusters.
        state: ClusterState,
    },
    /// Any other error of SQLite.
    #[error("store {path}: {doing}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: String,
        /// The error of SQLite.
        error: rusqlite::Error,
    },
    /// The operating system refused a file.
    #[error("store {path}: {doing}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: String,
        /// The error message of the system.
        error: std::io::Error,
    },
}

impl StoreError {
    /// The same error once more, if it is about the whole file: whatever else is written would fail too.
    pub fn for_all_writers(&self) -> Option<Self> {
        Some(match self {
            Self::Locked { path } => Self::Locked { path: path.clone() },
            Self::Full { path } => Self::Full { path: path.clone() },
            Self::ReadOnly {
                path,
                reason,
                advice,
            } => Self::ReadOnly {
                path: path.clone(),
                reason: reason.clone(),
                advice: advice.clone(),
            },
            Self::Damaged { path, reason } => Self::Damaged {
                path: path.clone(),
                reason: reason.clone(),
            },
            Self::NewerSchema { path, found, known } => Self::NewerSchema {
                path: path.clone(),
                found: *found,
                known: *known,
            },
            _ => return None,
        })
    }

    /// The store's error for an error of SQLite.
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
                    advice: files::advice(&path),
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
            // SQLite can report a full disk as a plain I/O error.
            ErrorCode::SystemIoFailure if no_space_left(&error) => Self::Full { path },
            _ => Self::Sqlite {
                path,
                doing: doing.to_owned(),
                error,
            },
        }
    }

    /// The store's error for an error of the operating system.
    pub(super) fn from_io(path: &Path, doing: String, error: std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly {
                advice: files::advice(&path),
                path,
                reason: format!("{doing}: {error}"),
            },
            _ => Self::Io { path, doing, error },
        }
    }

    /// Whether waiting can help: another process has locked the file, or the disk is full.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Full { .. })
    }
}

fn after_semicolon(advice: &Option<String>) -> String {
    advice
        .as_ref()
        .map_or_else(String::new, |advice| format!("; {advice}"))
}

fn no_space_left(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        // A full disk or quota gives SQLITE_IOERR_WRITE, _FSYNC, _TRUNCATE or, for the -shm file,
        // _SHMSIZE.
        matches!(error.extended_code >> 8, 3 | 4 | 6 | 19)
    })
}
