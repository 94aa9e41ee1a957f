//! A disk that fills up, and stores that are read-only, locked or damaged: the program says so, loses no
//! record, and continues.

use std::path::Path;
use std::time::Duration;

use harvestd::demo::Size;

use crate::support::{Output, SmallDisk};
use crate::twins::Twins;

/// Records so large that they fill the disk even when compressed.
const SIZE: Size = Size::Bytes(20_000);

/// Twins whose disturbed store is on a small disk.
async fn on(disk: &SmallDisk) -> Twins {
    let store = disk.path().join("harvest.db");
    Twins::new(150, SIZE, Some(store), "").await
}

fn one_line(output: &Output) -> String {
    output
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_at_random_moments() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let mut twins = on(&disk).await;
    let (mut full, mut untouched) = (0, 0);
    while full < 25 {
        for _ in 0..twins.rng.usize(1..5) {
            let number = twins.rng.usize(1..25);
            let pause = Duration::from_micros(twins.rng.u64(0..5_000));
            let spare = twins.rng.usize(0..40) * 4096;
            twins.repository.forget_requests();
            let mut running = twins.disturbed.program(&["harvest"]).spawn();
            while twins.repository.requests().len() < number && !running.ended() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::thread::sleep(pause);
            disk.fill(spare);
            let output = running.wait().await;
            match output.status {
                Some(0) => untouched += 1,
                Some(3) => {
                    full += 1;
                    let told = one_line(&output);
                    assert!(
                        told.contains("disk full; what was committed is kept, free some space"),
                        "{output:#?}"
                    );
                }
                _ => panic!("{output:#?}"),
            }
            disk.clear();
            twins.disturbed.follow();
            twins.disturbed.verify();
        }
        twins.disturbed.run(&["harvest"]).await.success();
        twins.compare().await;
        twins.change();
    }
    println!("{full} runs met a full disk, {untouched} ended before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_from_the_start() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let mut twins = on(&disk).await;
    // With and without an existing store.
    for round in 0..2 {
        for spare in (0..16).map(|pages| pages * 4096) {
            disk.fill(spare);
            let output = twins.disturbed.run(&["harvest"]).await;
            assert!([Some(1), Some(3)].contains(&output.status), "{output:#?}");
            assert!(
                one_line(&output).contains("disk full"),
                "{spare} bytes: {output:#?}"
            );
            if round > 0 {
                // The stored records can be read all the same.
                twins.disturbed.run(&["status"]).await.success();
                twins.disturbed.follow();
            }
            disk.clear();
        }
        twins.disturbed.run(&["harvest"]).await.success();
        twins.compare().await;
        twins.change();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_continues_once_there_is_space_again() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let mut twins = on(&disk).await;
    twins.disturbed.run(&["harvest"]).await.success();
    twins.compare().await;
    let log = twins.disturbed.place.dir().join("log");
    let told = |what: &str| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.contains(what)
    };
    // Without space at its start the daemon ends, and its service manager restarts it.
    disk.fill(0);
    let output = twins.disturbed.run(&["daemon"]).await.failure(1);
    assert!(one_line(&output).contains("disk full"), "{output:#?}");
    disk.clear();
    for _ in 0..3 {
        twins.change();
        let now = twins.pass(1);
        let number = twins.repository.requests().len() + twins.rng.usize(1..10);
        let daemon = twins.disturbed.program(&["daemon"]).log_to(&log).spawn();
        until("it is at work", || {
            twins.repository.requests().len() >= number
        })
        .await;
        disk.fill(twins.rng.usize(0..10) * 4096);
        until("it says so", || told("disk full")).await;
        disk.clear();
        until("it goes on", || twins.disturbed.watermark() == Some(now)).await;
        assert_eq!(daemon.insist("TERM").await.status, Some(0));
        twins.compare().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_read_only() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let mut twins = on(&disk).await;
    disk.remount("ro");
    let output = twins.disturbed.run(&["harvest"]).await.failure(1);
    assert!(
        one_line(&output).contains("cannot be written"),
        "{output:#?}"
    );
    disk.remount("rw");
    twins.disturbed.run(&["harvest"]).await.success();
    twins.compare().await;
    twins.change();
    disk.remount("ro");
    let output = twins.disturbed.run(&["harvest"]).await.failure(1);
    assert!(
        one_line(&output).contains("cannot be written"),
        "{output:#?}"
    );
    // The stored records can be read.
    twins.disturbed.run(&["status"]).await.success();
    twins.disturbed.run(&["verify"]).await.success();
    disk.remount("rw");
    twins.disturbed.run(&["harvest"]).await.success();
    twins.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_another_program_has_locked() {
    let mut twins = Twins::new(50, Size::Demo, None, "").await;
    twins.disturbed.run(&["harvest"]).await.success();
    twins.compare().await;
    twins.change();
    let path = twins.disturbed.place.path();
    let lock = || {
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    };
    // Locked for longer than the program waits.
    let other = lock();
    let output = twins.disturbed.run(&["harvest"]).await;
    let told = one_line(&output);
    assert!(
        told.contains(
            "locked by another process; nothing was written, try again when it has finished"
        ),
        "{output:#?}"
    );
    assert!([Some(1), Some(3)].contains(&output.status), "{output:#?}");
    drop(other);
    // Locked for a shorter time.
    let other = lock();
    let running = twins.disturbed.program(&["harvest"]).spawn();
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(other);
    running.wait().await.success();
    twins.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_damaged() {
    let mut twins = Twins::new(250, Size::Demo, None, "").await;
    twins.disturbed.run(&["harvest"]).await.success();
    twins.compare().await;
    twins.change();
    let path = twins.disturbed.place.path();
    let whole = std::fs::read(&path).unwrap();
    const PAGE: usize = 8192;
    let mut told_of_damage = 0;
    for page in (1..whole.len() / PAGE).step_by(4) {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        replace(&path, &damaged);
        let output = twins.disturbed.run(&["harvest"]).await;
        let told = one_line(&output);
        if told.contains("damaged (") {
            told_of_damage += 1;
            assert!(
                told.contains("restore it from a copy, or move it away and harvest again"),
                "{output:#?}"
            );
            assert_eq!(output.status, Some(1), "{output:#?}");
        } else {
            // A harvest does not read each page of the file. A command that does finds the damage.
            output.success();
            let output = twins.disturbed.run(&["verify"]).await;
            assert_eq!(output.status, Some(1), "page {page}: {output:#?}");
        }
    }
    assert!(told_of_damage > 0);
    for cut in [50, PAGE, whole.len() / 2] {
        replace(&path, &whole[..cut]);
        let output = twins.disturbed.run(&["harvest"]).await.failure(1);
        assert!(one_line(&output).contains("damaged ("), "{output:#?}");
    }
    replace(&path, &whole);
    twins.disturbed.run(&["harvest"]).await.success();
    twins.compare().await;
}

/// Replaces the bytes of a store's file.
fn replace(store: &Path, bytes: &[u8]) {
    for beside in ["-wal", "-shm"] {
        let mut path = store.as_os_str().to_owned();
        path.push(beside);
        // A store that was closed cleanly has no such file.
        let _ = std::fs::remove_file(path);
    }
    std::fs::write(store, bytes).unwrap();
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "{what}: did not come to pass");
}
