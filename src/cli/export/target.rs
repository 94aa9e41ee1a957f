//! The target of an export: a stream, a file that is replaced at the end, or a file that grows.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::files::{self, NewFile, Protected};
use anyhow::Context;

const BUFFER_BYTES: usize = 256 << 10;

/// An open target.
pub(super) enum Target<W: Write> {
    /// Standard output.
    Stream(BufWriter<W>),
    /// A device, a pipe, or a file that grows: written directly.
    Direct(BufWriter<File>),
    /// A temporary file that replaces another one at the end.
    Replaced(BufWriter<NewFile>, PathBuf),
}

impl<W: Write> Target<W> {
    /// Standard output.
    pub(super) fn stream(out: W) -> Self {
        Self::Stream(BufWriter::with_capacity(BUFFER_BYTES, out))
    }

    /// The file at `path`, to be written whole. What is there already stays until
    /// [`Target::finish`], unless it is a device or a pipe. A new file has the permissions of the store at
    /// `store`.
    ///
    /// # Errors
    /// If the file, or one beside it, cannot be created; if it is protected, or behind a link of another
    /// user.
    pub(super) fn replacing(
        path: &Path,
        protected: &Protected,
        store: &Path,
    ) -> anyhow::Result<Self> {
        // Replace the target of a link, not the link.
        let path = permitted(path, protected)?;
        if path
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir())
        {
            let file = OpenOptions::new()
                .write(true)
                .open(&path)
                .with_context(|| format!("opening {}", path.display()))?;
            return Ok(Self::Direct(BufWriter::with_capacity(BUFFER_BYTES, file)));
        }
        anyhow::ensure!(!path.is_dir(), "{} is a folder", path.display());
        let file = NewFile::beside(&path, store)
            .with_context(|| format!("creating {}", path.display()))?;
        Ok(Self::Replaced(
            BufWriter::with_capacity(BUFFER_BYTES, file),
            path,
        ))
    }

    /// The file at `path`, to be written at its end, and whether nothing is in it yet.
    ///
    /// # Errors
    /// If it cannot be opened; if it is protected, or behind a link of another user.
    pub(super) fn appending(path: &Path, protected: &Protected) -> anyhow::Result<(Self, bool)> {
        let path = &permitted(path, protected)?;
        let open = || {
            let file = files::append_to(path)?;
            let empty = file.metadata()?.len() == 0;
            io::Result::Ok((file, empty))
        };
        let (file, empty) = open().with_context(|| format!("opening {}", path.display()))?;
        let target = Self::Direct(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok((target, empty))
    }

    /// Ends the writing, and moves a temporary file to its place.
    ///
    /// # Errors
    /// If something could not be written; the earlier file stays then.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stream(mut out) => out.flush()?,
            Self::Direct(mut out) => out.flush()?,
            Self::Replaced(out, path) => {
                let doing = || format!("writing {}", path.display());
                let file = out
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .with_context(doing)?;
                file.finish(&path).with_context(doing)?;
            }
        }
        Ok(())
    }
}

/// `path` without links, if it may be written.
fn permitted(path: &Path, protected: &Protected) -> anyhow::Result<PathBuf> {
    let doing = || format!("writing {}", path.display());
    protected.check(path).with_context(doing)?;
    files::resolve(path).with_context(doing)
}

impl<W: Write> Write for Target<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(out) => out.write(bytes),
            Self::Direct(out) => out.write(bytes),
            Self::Replaced(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(out) => out.flush(),
            Self::Direct(out) => out.flush(),
            Self::Replaced(out, _) => out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    type OfFile = Target<Vec<u8>>;

    fn replacing(path: &Path) -> anyhow::Result<OfFile> {
        let store = Path::new("/none");
        OfFile::replacing(path, &Protected::of_store(store), store)
    }

    #[test]
    fn a_file_is_replaced_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "old").unwrap();
        let mut given_up = replacing(&path).unwrap();
        given_up.write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let mut target = replacing(&path).unwrap();
        target.write_all(b"new").unwrap();
        target.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode() & 0o400, 0o400);
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        replacing(&path).unwrap().finish().unwrap();
        assert_eq!(mode(), 0o600, "what only its owner could read stays so");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("out"), folder.path().join("link"));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut target = replacing(&link).unwrap();
        target.write_all(b"new").unwrap();
        target.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn devices_are_written_and_folders_refused() {
        replacing(Path::new("/dev/null")).unwrap().finish().unwrap();
        assert!(!Path::new("/dev/null").is_file());
        assert!(replacing(Path::new("/")).is_err());
        assert!(replacing(Path::new("/no/such/folder/out")).is_err());
    }

    #[test]
    fn a_followed_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for (text, first) in [("a", true), ("b", false)] {
            let (mut target, empty) =
                OfFile::appending(&path, &Protected::of_store(Path::new("/none"))).unwrap();
            assert_eq!(empty, first);
            target.write_all(text.as_bytes()).unwrap();
            target.finish().unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "ab");
    }
}
