//! Files of a service that has its own user, while root or somebody else runs commands by hand.

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::temp_store;

/// A user that no system has.
const SERVICE: u32 = 48_123;

/// Another one.
const VISITOR: u32 = 48_124;

/// A folder that everybody can reach, with the program and a folder of the service.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// `None`, said on standard error, unless the tests run as root.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: files of other users need root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder };
        open_to_all(machine.at(""));
        std::fs::copy(env!("CARGO_BIN_EXE_harvestd"), machine.at("harvestd")).unwrap();
        std::fs::create_dir(machine.at("data")).unwrap();
        chown(machine.at("data"), Some(SERVICE), Some(SERVICE)).unwrap();
        Some(machine)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program as this user.
    fn run(&self, user: u32, arguments: &[&str]) -> Output {
        Command::new(self.at("harvestd"))
            .args(arguments)
            .arg("--store")
            .arg(self.at("data/new/harvest.db"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("NO_COLOR", "1")
            .uid(user)
            .gid(user)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Harvests some records as this user.
    fn harvest_some(&self, user: u32) {
        let output = self.run(user, &["harvest", "--demo", "--limit", "200"]);
        // A pass that stops at its limit is incomplete.
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }

    /// The files and folders of the service that belong to somebody else.
    fn lost(&self) -> Vec<PathBuf> {
        let mut lost = Vec::new();
        let mut folders = vec![self.at("data")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let found = path.symlink_metadata().unwrap();
                if (found.uid(), found.gid()) != (SERVICE, SERVICE) {
                    lost.push(path.clone());
                }
                if found.is_dir() {
                    folders.push(path);
                }
            }
        }
        lost
    }
}

fn open_to_all(path: impl AsRef<Path>) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_root_writes_beside_the_service_belongs_to_it() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let export = machine.at("data/all.jsonl");
    let backup = machine.at("data/copy.db");
    machine.harvest_some(0);
    assert_eq!(machine.lost(), Vec::<PathBuf>::new());
    let runs: [&[&str]; 2] = [
        &["backup", backup.to_str().unwrap()],
        &["export", "--output", export.to_str().unwrap()],
    ];
    for arguments in runs {
        let output = machine.run(0, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(machine.lost(), Vec::<PathBuf>::new(), "{arguments:?}");
    }
    for path in [&export, &backup] {
        assert!(path.metadata().unwrap().len() > 0, "{path:?}");
    }
    let output = machine.run(SERVICE, &["harvest", "--demo"]);
    assert!(output.status.success(), "{output:?}");
    // A file of root that replaces one of the service stays the service's, wherever it is.
    let elsewhere = machine.at("elsewhere.jsonl");
    std::fs::write(&elsewhere, "").unwrap();
    chown(&elsewhere, Some(SERVICE), Some(SERVICE)).unwrap();
    let output = machine.run(0, &["export", "--output", elsewhere.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(elsewhere.metadata().unwrap().uid(), SERVICE);
}

#[test]
fn files_beside_a_store_in_a_folder_of_root_belong_to_its_owner() {
    let Some(machine) = Machine::new() else {
        return;
    };
    machine.harvest_some(SERVICE);
    let folder = machine.at("data/new");
    chown(&folder, Some(0), Some(SERVICE)).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o775)).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "lock") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let output = machine.run(0, &["harvest", "--demo"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.lost(), [folder]);
}

#[test]
fn other_users_are_told_as_whom_to_run_the_command() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let advice = format!("sudo -u '#{SERVICE}' harvestd ...");
    let refused = |arguments: &[&str]| {
        let output = machine.run(VISITOR, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(&advice), "{arguments:?}: {stderr}");
    };
    refused(&["harvest", "--demo"]);
    assert_eq!(std::fs::read_dir(machine.at("data")).unwrap().count(), 0);
    machine.harvest_some(SERVICE);
    refused(&["harvest", "--demo"]);
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(machine.at("data"), closed).unwrap();
    refused(&["status"]);
    refused(&["harvest", "--demo"]);
    // Who owns a place is not sent away from it.
    let missing = temp_store();
    let output = Command::new(machine.at("harvestd"))
        .args(["status", "--store", &missing.argument()])
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert!(stderr.contains("no such file"), "{stderr}");
    assert!(!stderr.contains("sudo"), "{stderr}");
}
