//! Locks: one process for each source, each output and the daemon. The operating system releases a lock
//! when its process ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Store, StoreError};
use crate::files;

/// The lock of a source that is being harvested, released on drop.
///
/// The lock file beside the store is empty and is never removed: otherwise two processes could lock two
/// files of the same name.
#[derive(Debug)]
pub struct SourceLock {
    _file: File,
}

/// The lock of an output that is being pushed to; as [`SourceLock`].
#[derive(Debug)]
pub struct OutputLock {
    _file: File,
}

/// The lock of the daemon; as [`SourceLock`].
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

impl Store {
    /// Takes the lock of the source called `name`.
    ///
    /// # Errors
    /// `SourceLocked` if another process has it.
    pub fn lock_source(&self, name: &str) -> Result<SourceLock, StoreError> {
        let path = lock_path(self.path(), &source_lock(name));
        let file = self.take(&path, &format!("source {name}"))?;
        let file = file.ok_or_else(|| StoreError::SourceLocked {
            source_name: name.to_owned(),
            path: self.path().to_owned(),
        })?;
        Ok(SourceLock { _file: file })
    }

    /// Takes the lock of the output called `name`.
    ///
    /// # Errors
    /// `OutputLocked` if another process has it.
    pub fn lock_output(&self, name: &str) -> Result<OutputLock, StoreError> {
        let path = lock_path(self.path(), &output_lock(name));
        let file = self.take(&path, &format!("output {name}"))?;
        let file = file.ok_or_else(|| StoreError::OutputLocked {
            output: name.to_owned(),
            path: self.path().to_owned(),
        })?;
        Ok(OutputLock { _file: file })
    }

    /// Takes the lock of the daemon. Two daemons would send every alert twice.
    ///
    /// # Errors
    /// `DaemonLocked` if another process has it.
    pub fn lock_daemon(&self) -> Result<DaemonLock, StoreError> {
        let path = lock_path(self.path(), DAEMON);
        let file = self.take(&path, "the daemon")?;
        let file = file.ok_or_else(|| StoreError::DaemonLocked {
            path: self.path().to_owned(),
        })?;
        Ok(DaemonLock { _file: file })
    }

    /// Takes the lock of a file; `None` if another process has it.
    fn take(&self, path: &Path, what: &str) -> Result<Option<File>, StoreError> {
        let io = |error| {
            let doing = format!("locking {what} with {}", path.display());
            StoreError::from_io(self.path(), doing, error)
        };
        let file = files::open_own(path).map_err(io)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(TRY_PAUSE),
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        Ok(None)
    }

    /// Whether a process is harvesting or reconciling a source.
    pub fn source_is_locked(&self, name: &str) -> bool {
        is_held(self.path(), &source_lock(name))
    }

    /// Whether a process is using an output.
    pub fn output_is_locked(&self, name: &str) -> bool {
        is_held(self.path(), &output_lock(name))
    }
}

/// Attempts to take a lock. [`is_held`] in another process has it for an instant.
const TRIES: u32 = 3;

/// The pause between two attempts.
const TRY_PAUSE: Duration = Duration::from_millis(20);

/// The lock of the daemon.
pub(super) const DAEMON: &str = "the daemon";

/// The lock of a source.
pub(super) fn source_lock(name: &str) -> String {
    name.to_owned()
}

/// The lock of an output. Names of sources have no blanks, so an output may have the name of a source.
pub(super) fn output_lock(name: &str) -> String {
    format!("output {name}")
}

/// Whether a process holds a lock of the store. A lock that cannot be looked at counts as free.
pub(super) fn is_held(store: &Path, lock: &str) -> bool {
    match File::open(lock_path(store, lock)) {
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

fn lock_path(store: &Path, name: &str) -> PathBuf {
    let mut file = store.as_os_str().to_owned();
    file.push(format!(".{name}.lock"));
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let first = store.lock_source("doaj").unwrap();
        let error = store.lock_source("doaj").unwrap_err();
        assert!(matches!(error, StoreError::SourceLocked { .. }), "{error}");
        store.lock_source("another").unwrap();
        let output = store.lock_output("doaj").unwrap();
        let error = store.lock_output("doaj").unwrap_err();
        assert!(matches!(error, StoreError::OutputLocked { .. }), "{error}");
        drop(output);
        drop(first);
        store.lock_source("doaj").unwrap();
    }
}
