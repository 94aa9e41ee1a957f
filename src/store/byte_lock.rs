//! Locks of single bytes of one file. Each belongs to an open file, as a lock of a whole file does, and the
//! operating system releases it when the file is closed.
//!
//! These are "open file description locks" of `fcntl`. Its older locks belong to a process, and are lost when
//! any descriptor of the file is closed. A byte need not exist to be locked.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Locks a byte, so that no other open file can. `file` is open for writing. Returns whether it could be locked;
/// it is released when `file` is closed.
///
/// # Errors
/// The file system has no such locks.
pub(super) fn try_lock(file: &File, byte: i64) -> io::Result<bool> {
    match fcntl(file, libc::F_OFD_SETLK, &mut exclusive(byte)) {
        Ok(()) => Ok(true),
        Err(error) if is_conflict(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another open file has locked a byte. `file` may be open for reading only.
///
/// # Errors
/// As [`try_lock`].
pub(super) fn is_locked(file: &File, byte: i64) -> io::Result<bool> {
    let mut lock = exclusive(byte);
    fcntl(file, libc::F_OFD_GETLK, &mut lock)?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

fn is_conflict(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

/// The lock of one byte.
fn exclusive(byte: i64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

#[expect(unsafe_code, reason = "rustix locks whole files only")]
fn fcntl(file: &File, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed, and both commands take a `flock`, which is
    // there for the whole call.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) };
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks");
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(&path)
                .unwrap()
        };
        let (first, second) = (open(), open());
        assert!(try_lock(&first, 5).unwrap());
        assert!(!try_lock(&second, 5).unwrap());
        assert!(try_lock(&second, i64::MAX - 1).unwrap(), "another byte");
        let looking = File::open(&path).unwrap();
        assert!(is_locked(&looking, 5).unwrap());
        assert!(!is_locked(&looking, 6).unwrap());
        // To look takes no lock, and to close another file releases none.
        assert!(try_lock(&second, 6).unwrap());
        drop(looking);
        drop(open());
        assert!(!try_lock(&second, 5).unwrap());
        drop(first);
        assert!(try_lock(&second, 5).unwrap());
    }
}
