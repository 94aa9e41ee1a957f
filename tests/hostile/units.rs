//! What the systemd units deny.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harvestd::config::DaemonSettings;

const UNITS: [&str; 2] = ["harvestd.service", "harvestd-harvest@.service"];

fn text(unit: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    std::fs::read_to_string(folder.join(unit)).unwrap()
}

/// The values of a key of a unit.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect()
}

#[test]
fn the_units_deny_what_the_program_does_not_need() {
    for unit in UNITS {
        let text = text(unit);
        for (key, value) in [
            ("LimitCORE", "0"),
            ("LimitNOFILE", "65536"),
            ("MemorySwapMax", "0"),
            ("SocketBindDeny", "any"),
            ("IPAddressDeny", "link-local"),
        ] {
            assert_eq!(values(&text, key), [value], "{key} of {unit}");
        }
    }
    let port = DaemonSettings::default().listen.port();
    let service = text(UNITS[0]);
    assert_eq!(values(&service, "SocketBindAllow"), [format!("tcp:{port}")]);
    assert_eq!(values(&text(UNITS[1]), "SocketBindAllow"), [""; 0]);
}

#[test]
fn a_service_that_always_fails_stays_down() {
    let service = text(UNITS[0]);
    let only = |key: &str| values(&service, key).pop().unwrap();
    let time = |key: &str| humantime::parse_duration(&only(key)).unwrap();
    let count: u32 = only("StartLimitBurst").parse().unwrap();
    // The watchdog ends a run after this time at the latest.
    let run = time("WatchdogSec") + Duration::from_secs(30);
    let all = (time("RestartSec") + run) * count;
    assert!(all < time("StartLimitIntervalSec"), "{all:?} for {count}");
}

/// The units, with a program that is there.
fn installed(folder: &Path) -> Vec<PathBuf> {
    let write = |unit: &str| {
        let program = env!("CARGO_BIN_EXE_harvestd");
        let path = folder.join(unit.replace('@', "@a"));
        std::fs::write(&path, text(unit).replace("/usr/bin/harvestd", program)).unwrap();
        path
    };
    UNITS.map(write).into()
}

#[test]
fn systemd_accepts_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for unit in installed(folder.path()) {
        let analyze = |arguments: &[&str]| {
            let mut command = Command::new("systemd-analyze");
            command.args(arguments).arg(&unit).output()
        };
        let Ok(verified) = analyze(&["verify", "--man=no"]) else {
            println!("SKIPPED: there is no systemd-analyze");
            return;
        };
        let told = String::from_utf8_lossy(&verified.stderr);
        // Units of the machine may have faults of their own.
        let name = unit.file_name().unwrap().to_str().unwrap();
        let own: Vec<&str> = told.lines().filter(|line| line.contains(name)).collect();
        assert_eq!(own, [""; 0], "{told}");
        let rated =
            analyze(&["security", "--offline=true", "--threshold=15", "--no-pager"]).unwrap();
        let told = String::from_utf8_lossy(&rated.stdout);
        assert!(rated.status.success(), "{told}");
    }
}
