//! Whom a file belongs to: what root creates is given to the user whose place it is, and other users are
//! told as whom to run the command.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::folder;

/// The users of the system.
const USERS: &str = "/etc/passwd";

/// A user and a group, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    fn of(found: &Metadata) -> Self {
        Self {
            user: found.uid(),
            group: found.gid(),
        }
    }

    /// The owner of what is created at `path`: that of the file which is there, or else of the folder. A
    /// file of root in the folder of another user counts as that user's.
    pub(super) fn of_place(path: &Path) -> io::Result<Self> {
        match path.symlink_metadata() {
            Ok(found) if found.uid() != 0 => Ok(Self::of(&found)),
            _ => folder(path).metadata().map(|found| Self::of(&found)),
        }
    }

    /// Gives a file of root to this owner, so that the programs of that user can use it. Other users
    /// cannot give files away, and need not.
    ///
    /// # Errors
    /// The system refuses it, as it does for root in some containers and on some network file systems.
    pub(super) fn take(self, file: &File, path: &Path) -> io::Result<()> {
        if self.user == 0 || !is_root() {
            return Ok(());
        }
        let found = file.metadata()?;
        // A second name may be how that user lays hands on a file of root.
        if found.uid() != 0 || found.nlink() > 1 {
            return Ok(());
        }
        fchown(file, Some(self.user), Some(self.group)).map_err(|error| self.refused(path, &error))
    }

    fn refused(self, path: &Path, error: &io::Error) -> io::Error {
        let (path, user) = (path.display(), name(self.user));
        let message = format!(
            "giving {path} to its owner {user}: {error}; {}",
            run_as(&user)
        );
        io::Error::new(error.kind(), message)
    }
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Creates a folder and those above it that are missing. What root creates belongs to the owner of the
/// folder that it is in.
///
/// # Errors
/// It cannot be created, or not be given to that owner.
pub(crate) fn create_folders(path: &Path) -> io::Result<()> {
    if !is_root() {
        return std::fs::create_dir_all(path);
    }
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    for new in missing.into_iter().rev() {
        let owner = Owner::of(&folder(new).metadata()?);
        // Another process may create it at the same time.
        std::fs::create_dir_all(new)?;
        if owner.user != 0 {
            lchown(new, Some(owner.user), Some(owner.group))
                .map_err(|error| owner.refused(new, &error))?;
        }
    }
    Ok(())
}

/// What to do if `path`, or a file beside it, cannot be written or read: the command for the user whose place
/// it is. `None` if it is the place of the one who runs the program, of root, or open to all.
pub(crate) fn advice(path: &Path) -> Option<String> {
    let found = nearest(path)?;
    let place = match found.is_dir() {
        true => found.clone(),
        false => folder(&found).to_owned(),
    };
    let may = |path: &Path, access| rustix::fs::access(path, access).is_ok();
    let is_open = may(&found, Access::READ_OK | Access::WRITE_OK) && may(&place, Access::WRITE_OK);
    let user = Owner::of_place(&found).ok()?.user;
    if is_open || user == 0 || user == rustix::process::geteuid().as_raw() {
        return None;
    }
    let user = name(user);
    Some(format!("it belongs to the user {user}; {}", run_as(&user)))
}

/// `path`, or the nearest folder above it that can be looked at.
fn nearest(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let mut places = path.ancestors();
    places
        .find(|place| place.metadata().is_ok())
        .map(Path::to_owned)
}

fn run_as(user: &str) -> String {
    format!("run the command as that user: sudo -u {user} harvestd ...")
}

/// The name of a user, or its number as `sudo` takes it.
fn name(user: u32) -> String {
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    name_in(&users, user).unwrap_or_else(|| format!("'#{user}'"))
}

/// The name of a user in a list as in passwd(5).
fn name_in(users: &str, user: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(user)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names() {
        let users =
            "root:x:0:0::/root:/bin/sh\n# a comment\nharvestd:x:998:997::/var/lib:/bin/no\n";
        assert_eq!(name_in(users, 998).as_deref(), Some("harvestd"));
        assert_eq!(name_in(users, 997), None, "a group");
        assert_eq!(name(4_000_000_001), "'#4000000001'");
    }

    #[test]
    fn nobody_is_sent_away_from_a_place_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(advice(&folder.path().join("store.db")), None);
        assert_eq!(advice(&folder.path().join("a/b/store.db")), None);
    }
}
