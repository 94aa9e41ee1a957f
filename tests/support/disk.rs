//! A disk that can be filled, made writable only in part, and grown.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, as long as the value lives.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// A disk of this size, such as `2m`; `None` if this process may not mount one.
    pub fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("the system has a directory for temporary files");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: A SMALL FILE SYSTEM CANNOT BE MOUNTED HERE");
        }
        mounted.then(|| Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Mounts it anew with other options, such as `size=32m` or `ro`.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mounted = Command::new("mount")
            .args(["-o", &options])
            .arg(self.path())
            .status();
        assert!(mounted.expect("the system has mount").success());
    }

    /// Fills it but for so many bytes, rounded to pages.
    pub fn fill(&self, spare: usize) {
        let mut file = File::create(self.filling()).expect("an empty file needs no space");
        let page = [0_u8; 4096];
        while file.write(&page).is_ok_and(|written| written > 0) {}
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let length = length.saturating_sub(spare as u64);
        file.set_len(length).expect("a file can be cut");
    }

    /// Takes back what [`SmallDisk::fill`] took.
    pub fn clear(&self) {
        // It may never have been filled.
        let _ = std::fs::remove_file(self.filling());
    }

    fn filling(&self) -> PathBuf {
        self.path().join("filling")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What stays mounted goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
