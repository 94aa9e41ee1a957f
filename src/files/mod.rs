//! Files that are written for people and other programs: whole or not at all, and never over a file that
//! the program itself needs.
//!
//! The owner of a folder may be somebody else than the one who runs the program: root runs a command by
//! hand beside a service with its own user, or a folder is open to all. So links of other users are not
//! followed, and what root creates belongs to the owner of the file that it replaces, or else of the folder.

mod owner;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use tempfile::NamedTempFile;

use owner::Owner;
pub(crate) use owner::{advice, create_folders};

/// The end of the name of a file that is being written.
const PART: &str = ".part";

/// The number of random letters in the name of such a file.
const RANDOM_LETTERS: usize = 6;

/// The most links in one path, as in Linux.
const MAX_LINKS: usize = 40;

/// Files that must not be written over: the store and the files beside it, and others by their names.
#[derive(Debug, Clone)]
pub struct Protected {
    store: PathBuf,
    others: Vec<(PathBuf, String)>,
}

impl Protected {
    /// The files of the store at `store`: its log, its locks, its search index.
    pub fn of_store(store: &Path) -> Self {
        Self {
            store: store.to_owned(),
            others: Vec::new(),
        }
    }

    /// Protects a further file, which people know as `what`.
    pub fn and(mut self, path: &Path, what: impl Into<String>) -> Self {
        self.others.push((path.to_owned(), what.into()));
        self
    }

    /// Refuses a protected file, by its name or because it is the same file under another name.
    ///
    /// # Errors
    /// What the file is.
    pub fn check(&self, target: &Path) -> io::Result<()> {
        let refuse = |what: &str| {
            let message = format!("this is {what}, which must not be overwritten");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        };
        let target = place(target);
        let found = std::fs::metadata(&target).ok();
        let is_same = |path: &Path| {
            let other = std::fs::metadata(path).ok();
            let inode =
                |file: &Option<Metadata>| file.as_ref().map(|file| (file.dev(), file.ino()));
            target == place(path) || (found.is_some() && inode(&found) == inode(&other))
        };
        if is_same(&self.store) {
            return refuse("the store");
        }
        let store = place(&self.store);
        if target.parent() == store.parent() && is_of_store(&store, &target) {
            return refuse("a file of the store");
        }
        for path in beside_store(&store) {
            if is_same(&path) {
                return refuse("a file of the store");
            }
        }
        for (path, what) in &self.others {
            if is_same(path) {
                return refuse(what);
            }
        }
        Ok(())
    }
}

/// Whether the name of `path` is that of a file that the program keeps beside the store.
fn is_of_store(store: &Path, path: &Path) -> bool {
    let name = |path: &Path| path.file_name().unwrap_or_default().as_bytes().to_owned();
    let (store, name) = (name(store), name(path));
    let Some(rest) = name.strip_prefix(store.as_slice()) else {
        return false;
    };
    let rest = rest.strip_prefix(b".search").unwrap_or(rest);
    matches!(rest, b"" | b"-wal" | b"-shm" | b"-journal")
        || (rest.starts_with(b".") && rest.ends_with(b".lock"))
}

/// The files beside the store that have the name of a lock file for one source, one output or the daemon, as
/// earlier programs had. Those of a store whose name begins as that of this one are left out.
pub(crate) fn old_locks(store: &Path) -> Vec<PathBuf> {
    let is_old = |path: &PathBuf| {
        let of_other = path.with_extension("");
        path.extension().is_some_and(|end| end == "lock") && of_other != store && !of_other.exists()
    };
    let store = &place(store);
    let paths = beside_store(store).into_iter();
    paths.filter(is_old).collect()
}

/// The files that are beside the store now.
fn beside_store(store: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder(store)) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| is_of_store(store, path)).collect()
}

/// Removes a store and the files that the program keeps beside it.
///
/// # Errors
/// One of them cannot be removed.
pub(crate) fn remove_store(store: &Path) -> io::Result<()> {
    let real = resolve(store)?;
    for path in beside_store(&real) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A path whose links are resolved, as far as there is something.
fn place(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (folder(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// `path` without links. Its last part need not exist.
///
/// # Errors
/// A link belongs to another user than root and the one who runs the program.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let mut links = 0;
    let mut resolved = match path.is_absolute() {
        true => PathBuf::from("/"),
        false => PathBuf::from("."),
    };
    let mut rest: Vec<OsString> = parts(path);
    while let Some(part) = rest.pop() {
        if part == ".." {
            // What is resolved has no links, except that a relative path begins in the current folder.
            resolved = resolved.join("..").canonicalize()?;
            continue;
        }
        let next = resolved.join(&part);
        let Ok(found) = next.symlink_metadata() else {
            resolved = next;
            continue;
        };
        if !found.is_symlink() {
            resolved = next;
            continue;
        }
        if found.uid() != user && found.uid() != 0 {
            let message = format!("{} is a link that another user made", next.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("too many links"));
        }
        if next.canonicalize().is_err() && next.metadata().is_ok() {
            // A link to a pipe, as in /dev/fd, has no path behind it.
            resolved = next;
            continue;
        }
        let to = next.read_link()?;
        if to.is_absolute() {
            resolved = PathBuf::from("/");
        }
        rest.extend(parts(&to));
    }
    Ok(resolved)
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

/// A file that takes its name only when it is whole.
///
/// Until then it is beside its target, and is removed with the value. What a killed run left of an earlier
/// one is removed too.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: NamedTempFile,
}

impl NewFile {
    /// Begins a file that will be at `target`, or beside it under another name.
    ///
    /// It has the permissions of the file that is there, or else those of `model`, whatever the umask. If
    /// root creates it, it has the owner of that file too, or else of the folder.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn beside(target: &Path, model: &Path) -> io::Result<Self> {
        let there = target.symlink_metadata().ok().filter(Metadata::is_file);
        Self::create(target, there.map_or_else(|| model.metadata(), Ok))
    }

    /// As [`Self::beside`], always with the permissions of `model`.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn like(target: &Path, model: &Path) -> io::Result<Self> {
        Self::create(target, model.metadata())
    }

    fn create(target: &Path, model: io::Result<Metadata>) -> io::Result<Self> {
        remove_leftovers(target);
        let permissions = model.map_or(0o600, |found| found.permissions().mode() & 0o666);
        loop {
            let file = tempfile::Builder::new()
                .prefix(&prefix(target))
                .suffix(PART)
                .rand_bytes(RANDOM_LETTERS)
                .permissions(Permissions::from_mode(0o600))
                .tempfile_in(folder(target))?;
            // Another process may take it for a leftover before it is locked.
            file.as_file().lock()?;
            if file.as_file().metadata()?.nlink() > 0 {
                Owner::of_place(target)?.take(file.as_file(), target)?;
                let permissions = Permissions::from_mode(permissions);
                file.as_file().set_permissions(permissions)?;
                return Ok(Self { file });
            }
        }
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Moves it to `target`, in the same folder, once it is safe on the disk.
    ///
    /// # Errors
    /// It cannot be written or named. What was at `target` stays then.
    pub(crate) fn finish(self, target: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(target).map_err(|error| error.error)?;
        File::open(folder(target))?.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The beginning of the names of a target's unfinished files.
fn prefix(target: &Path) -> OsString {
    let name = target.file_name().unwrap_or_default();
    [OsStr::new("."), name, OsStr::new(".")]
        .into_iter()
        .collect()
}

/// Removes the unfinished files that killed runs have left of `target`. What is being written is locked, and
/// stays.
pub(crate) fn remove_leftovers(target: &Path) {
    let prefix = prefix(target);
    let is_unfinished = |name: &OsStr| {
        let middle = name
            .as_bytes()
            .strip_prefix(prefix.as_bytes())
            .and_then(|rest| rest.strip_suffix(PART.as_bytes()));
        middle.is_some_and(|middle| {
            middle.len() == RANDOM_LETTERS && middle.iter().all(u8::is_ascii_alphanumeric)
        })
    };
    let Ok(entries) = std::fs::read_dir(folder(target)) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_unfinished(&entry.file_name()) {
            continue;
        }
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!("removed {}, which a killed run left", path.display()),
                Err(error) => tracing::warn!("removing {}: {error}", path.display()),
            }
        }
    }
}

/// Opens or creates a file beside the store at `store` for writing. It has to belong to the owner of the store.
///
/// # Errors
/// It cannot be opened, is a link, or root cannot give it to that owner.
pub(crate) fn open_own(path: &Path, store: &Path) -> io::Result<File> {
    let owner = Owner::of_place(store)?;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = open_without_links(&mut options, path)?;
    owner.take(&file, path)?;
    Ok(file)
}

/// As [`open_own`]. A new file gets the permissions of the store, whatever the umask, so that whoever can write the
/// store can write it as well.
///
/// # Errors
/// As [`open_own`].
pub(crate) fn open_own_like(path: &Path, store: &Path) -> io::Result<File> {
    let owner = Owner::of_place(store)?;
    let mut options = std::fs::OpenOptions::new();
    let file = match open_without_links(options.create_new(true).write(true), path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return open_own(path, store),
        created => created?,
    };
    let mode = store.metadata()?.permissions().mode();
    file.set_permissions(Permissions::from_mode(mode & 0o666))?;
    owner.take(&file, path)?;
    Ok(file)
}

/// Opens a file that is no link.
fn open_without_links(options: &mut std::fs::OpenOptions, path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits();
    options.custom_flags(i32::try_from(flags).unwrap_or_default());
    options.open(path)
}

/// Creates a file beside the store, if root does it: what SQLite creates belongs to root then.
///
/// # Errors
/// As [`open_own`]; nothing is written then.
pub(crate) fn prepare_own(path: &Path, store: &Path) -> io::Result<()> {
    if owner::is_root() {
        open_own(path, store)?;
    }
    Ok(())
}

/// Opens a file to write at its end. If root creates it, it belongs to the owner of its folder.
///
/// # Errors
/// It cannot be opened, or not be given to that owner.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    let owner = Owner::of_place(path)?;
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    owner.take(&file, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_that_the_program_needs_are_protected() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let store = at("harvest.db");
        for name in [
            "harvest.db",
            "harvest.db-wal",
            "harvest.db.a.lock",
            "all.jsonl",
        ] {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::hard_link(&store, at("hard")).unwrap();
        std::fs::hard_link(at("harvest.db-wal"), at("hard-log")).unwrap();
        std::fs::hard_link(at("harvest.db.a.lock"), at("hard-lock")).unwrap();
        symlink(&store, at("soft")).unwrap();
        symlink(folder.path(), at("loop")).unwrap();
        let protected = Protected::of_store(&store)
            .and(&at("all.jsonl"), "the file of the export all")
            .and(&at("later.jsonl"), "the file of the export later");
        let cases = [
            ("harvest.db", true),
            ("harvest.db-wal", true),
            ("harvest.db-shm", true),
            ("harvest.db-journal", true),
            ("harvest.db.lock", true),
            ("harvest.db.the daemon.lock", true),
            ("harvest.db.output x.lock", true),
            ("harvest.db.search", true),
            ("harvest.db.search-wal", true),
            ("loop/harvest.db", true),
            ("loop/harvest.db-shm", true),
            ("soft", true),
            ("hard", true),
            ("hard-log", true),
            ("hard-lock", true),
            ("all.jsonl", true),
            ("loop/all.jsonl", true),
            ("later.jsonl", true),
            ("loop/later.jsonl", true),
            ("harvest.db.bak", false),
            ("harvest.dbx", false),
            ("another.db", false),
            ("none/harvest.db", false),
        ];
        for (name, is_protected) in cases {
            let checked = protected.check(&at(name));
            assert_eq!(checked.is_err(), is_protected, "{name}: {checked:?}");
        }
        let message = protected.check(&at("all.jsonl")).unwrap_err().to_string();
        assert!(message.contains("the file of the export all"), "{message}");
    }

    #[test]
    fn links_of_our_own_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("sub")).unwrap();
        symlink("sub", real.join("soft")).unwrap();
        symlink("../sub/./../soft/file", real.join("sub/again")).unwrap();
        symlink(real.join("sub"), real.join("absolute")).unwrap();
        symlink("round", real.join("round")).unwrap();
        let cases = [
            ("file", Some("file")),
            ("soft/file", Some("sub/file")),
            ("sub/again", Some("sub/file")),
            ("absolute/../file", Some("file")),
            ("none/file", Some("none/file")),
            ("round", None),
        ];
        for (name, expected) in cases {
            let resolved = resolve(&real.join(name)).ok();
            assert_eq!(resolved, expected.map(|name| real.join(name)), "{name}");
        }
        assert_eq!(resolve(Path::new("a/b")).unwrap(), Path::new("./a/b"));
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
        let resolved = resolve(&pipe).unwrap();
        assert!(!resolved.metadata().unwrap().is_file(), "{resolved:?}");
    }

    #[test]
    fn leftovers_are_removed_and_files_in_work_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let target = at("all.jsonl");
        for name in [
            ".all.jsonl.a1B2c3.part",
            ".all.jsonl.part",
            ".all.jsonl.x.part",
            ".b.a1B2c3.part",
        ] {
            std::fs::write(at(name), "half").unwrap();
        }
        std::fs::write(at("model"), "").unwrap();
        std::fs::set_permissions(at("model"), Permissions::from_mode(0o640)).unwrap();
        let first = NewFile::beside(&target, &at("model")).unwrap();
        let mut second = NewFile::beside(&target, &at("model")).unwrap();
        assert!(first.path().exists(), "it is being written");
        second.write_all(b"whole").unwrap();
        second.finish(&target).unwrap();
        drop(first);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "whole");
        let mode = target.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let rest = [
            ".all.jsonl.part",
            ".all.jsonl.x.part",
            ".b.a1B2c3.part",
            "all.jsonl",
            "model",
        ];
        assert_eq!(names, rest);
    }
}
