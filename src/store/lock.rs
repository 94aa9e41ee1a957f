//! Locks: one process for each source, each output and the daemon. The operating system releases a lock
//! when its process ends.
//!
//! All are in one empty file beside the store, each at a byte of its own. The file is never removed: otherwise
//! two processes could lock two files of the same name.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Store, StoreError, byte_lock};
use crate::files;

/// The lock of a source that is being harvested, released on drop.
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
    /// `SourceLocked` if it is taken already.
    pub fn lock_source(&self, name: &str) -> Result<SourceLock, StoreError> {
        let file = self.take(&source_lock(name), &format!("source {name}"))?;
        let file = file.ok_or_else(|| StoreError::SourceLocked {
            source_name: name.to_owned(),
            path: self.path().to_owned(),
        })?;
        Ok(SourceLock { _file: file })
    }

    /// Takes the lock of the output called `name`.
    ///
    /// # Errors
    /// `OutputLocked` if it is taken already.
    pub fn lock_output(&self, name: &str) -> Result<OutputLock, StoreError> {
        let file = self.take(&output_lock(name), &format!("output {name}"))?;
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
        let file = self.take(DAEMON, "the daemon")?;
        let file = file.ok_or_else(|| StoreError::DaemonLocked {
            path: self.path().to_owned(),
        })?;
        Ok(DaemonLock { _file: file })
    }

    /// Takes a lock; `None` if it is taken already.
    fn take(&self, lock: &str, what: &str) -> Result<Option<File>, StoreError> {
        let path = lock_path(self.path());
        let locked = files::open_own_like(&path, self.path())
            .and_then(|file| Ok(byte_lock::try_lock(&file, byte_of(lock))?.then_some(file)));
        locked.map_err(|error| {
            let doing = format!("locking {what} in {}", path.display());
            StoreError::from_io(self.path(), doing, error)
        })
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
    File::open(lock_path(store))
        .and_then(|file| byte_lock::is_locked(&file, byte_of(lock)))
        .unwrap_or(false)
}

/// The byte of a lock: a hash of its name with 62 bits, so that no two locks of a store share one.
fn byte_of(lock: &str) -> i64 {
    let hash = blake3::hash(lock.as_bytes());
    let (first, _) = hash
        .as_bytes()
        .split_first_chunk()
        .expect("it has 32 bytes");
    (u64::from_le_bytes(*first) >> 2) as i64
}

fn lock_path(store: &Path) -> PathBuf {
    let mut file = store.as_os_str().to_owned();
    file.push(".lock");
    file.into()
}

/// Removes the lock files that earlier programs had, one for each source and output. For the process that has
/// just migrated the store: those programs cannot write to it any more.
pub(super) fn remove_old_files(store: &Path) {
    for path in files::old_locks(store) {
        let is_free = || {
            let file = File::open(&path)?;
            file.try_lock_shared()?;
            Ok::<_, std::io::Error>(file.metadata()?.len() == 0)
        };
        if is_free().unwrap_or(false) {
            // One that stays does no harm.
            let _ = std::fs::remove_file(&path);
        }
    }
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
        assert!(store.source_is_locked("doaj") && store.output_is_locked("doaj"));
        assert!(!store.source_is_locked("another"));
        drop(output);
        drop(first);
        assert!(!store.source_is_locked("doaj"));
        store.lock_source("doaj").unwrap();
    }

    #[test]
    fn many_sources_have_one_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let names: Vec<String> = (0..500).map(|number| format!("source-{number}")).collect();
        let lock = |name: &String| store.lock_source(name).unwrap();
        let locks: Vec<SourceLock> = names.iter().map(lock).collect();
        assert!(names.iter().all(|name| store.source_is_locked(name)));
        drop(locks);
        assert!(!names.iter().any(|name| store.source_is_locked(name)));
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let locks: Vec<String> = names.filter(|name| name.ends_with("lock")).collect();
        assert_eq!(locks, ["store.db.lock"]);
    }

    #[test]
    fn lock_files_of_earlier_programs_go_unless_they_are_locked() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let store = at("store.db");
        let held = File::create(at("store.db.b.lock")).unwrap();
        held.lock().unwrap();
        for name in [
            "store.db",
            "store.db.lock",
            "store.db.a.lock",
            "store.db.output x.lock",
            "store.db.the daemon.lock",
            "store.db.other",
            "store.db.other.lock",
        ] {
            File::create(at(name)).unwrap();
        }
        std::fs::write(at("store.db.notes.lock"), "somebody's text").unwrap();
        remove_old_files(&store);
        let left = std::fs::read_dir(folder.path()).unwrap();
        let mut left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
        left.sort();
        // The fourth may be the lock of another store.
        let expected = [
            "store.db",
            "store.db.b.lock",
            "store.db.lock",
            "store.db.notes.lock",
            "store.db.other",
            "store.db.other.lock",
        ];
        assert_eq!(left, expected);
    }
}
