//! Files in places that others can write, and paths that a hand got wrong.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::support::daemon::{Daemon, eventually, source, write_config};
use crate::support::{Program, Repository, TempStore, harvestd, temp_store};

/// Every second.
const OFTEN: &str = "*/1 * * * * *";

/// Users that nobody has to have.
const SERVICE: u32 = 61_234;
const OTHER: u32 = 61_235;

/// Whether the test can do what only root can.
fn is_root(store: &TempStore) -> bool {
    let is_root = std::fs::metadata(store.dir()).unwrap().uid() == 0;
    if !is_root {
        println!("SKIPPED: only root can make files of other users");
    }
    is_root
}

/// A store with some records, its configuration, and what the keys of `more` add.
async fn harvested(store: &TempStore, more: &str) -> PathBuf {
    let repository = Repository::with_records(20).start().await;
    let parts = [
        source("a", &repository.base_url(), "never", ""),
        more.to_owned(),
    ];
    let config = write_config(store, "", &parts);
    run(&config, &["harvest"]).await.success();
    config
}

async fn run(config: &Path, arguments: &[&str]) -> crate::support::Output {
    let config = ["--config", config.to_str().unwrap()];
    harvestd(&[arguments, &config].concat()).await
}

/// The names in the folder that are no files of the store.
fn unfinished(store: &TempStore) -> Vec<String> {
    let entries = std::fs::read_dir(store.dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".part")).collect()
}

#[tokio::test]
async fn the_store_and_what_belongs_to_it_are_not_written_over() {
    let store = temp_store();
    let exports = "[[export]]\nname = 'all'\npath = 'all.jsonl'\nschedule = 'never'\n";
    let config = harvested(&store, exports).await;
    let at = |name: &str| store.dir().join(name);
    std::fs::hard_link(store.path(), at("hard")).unwrap();
    std::fs::hard_link(at("harvest.db.lock"), at("hard-lock")).unwrap();
    symlink(store.path(), at("soft")).unwrap();
    let before = std::fs::read(store.path()).unwrap();
    for name in [
        "harvest.db",
        "harvest.db-wal",
        "harvest.db-shm",
        "harvest.db.lock",
        "harvest.db.search",
        "harvestd.toml",
        "all.jsonl",
        "hard",
        "hard-lock",
        "soft",
    ] {
        let path = at(name);
        let inode = std::fs::metadata(&path).map(|file| file.ino()).ok();
        let path = path.to_str().unwrap();
        for arguments in [
            vec!["export", "-o", path],
            vec!["backup", path],
            vec!["export", "--follow", "-o", path],
        ] {
            let output = run(&config, &arguments).await.failure(1);
            assert!(
                output.stderr.contains("must not be overwritten"),
                "{arguments:?}: {output:?}"
            );
        }
        let after = std::fs::metadata(path).map(|file| file.ino()).ok();
        assert_eq!(after, inode, "{name}");
    }
    assert_eq!(std::fs::read(store.path()).unwrap(), before);
    run(&config, &["verify"]).await.success();
    assert_eq!(unfinished(&store), [""; 0]);
}

#[tokio::test]
async fn scheduled_files_do_not_replace_the_store_or_each_other() {
    let store = temp_store();
    std::fs::create_dir(store.dir().join("out")).unwrap();
    symlink("out", store.dir().join("link")).unwrap();
    let export = |name: &str, path: &str| {
        format!("[[export]]\nname = '{name}'\npath = '{path}'\nschedule = '{OFTEN}'\n")
    };
    let exports = [
        export("store", "harvest.db"),
        export("first", "out/all.jsonl"),
        export("second", "link/all.jsonl"),
        export("right", "out/right.jsonl"),
    ];
    let config = harvested(&store, &exports.concat()).await;
    let daemon = Daemon::start(&store, &config).await;
    eventually("three are refused and one is written", async || {
        let status = daemon.json("/api/v1/status").await;
        let exports = status["exports"].as_array()?.clone();
        let refused = exports.iter().filter(|export| {
            let message = export["job"]["message"].as_str().unwrap_or_default();
            message.contains("must not be overwritten")
        });
        let is_written = store.dir().join("out/right.jsonl").exists();
        (refused.count() == 3 && is_written).then_some(())
    })
    .await;
    daemon.terminate().await;
    assert!(!store.dir().join("out/all.jsonl").exists());
    run(&config, &["verify"]).await.success();
    // Two equal paths are a fault of the configuration.
    let twice = [export("a", "out/x"), export("b", "out/x")].concat();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + &twice).unwrap();
    let output = run(&config, &["check-config"]).await;
    assert_ne!(output.status, Some(0));
    let told = [output.stdout, output.stderr].concat();
    assert!(told.contains("is the path of the export a too"), "{told}");
}

#[tokio::test]
async fn new_files_are_as_private_as_the_store() {
    let store = temp_store();
    let config = harvested(&store, "").await;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(store.path(), private).unwrap();
    for (name, command) in [("all.jsonl", "export"), ("copy.db", "backup")] {
        let path = store.dir().join(name);
        let path = path.to_str().unwrap();
        let arguments: &[&str] = match command {
            "export" => &["export", "-o", path],
            _ => &["backup", path],
        };
        run(&config, arguments).await.success();
        let mode = std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{command}: {mode:o}");
    }
}

#[tokio::test]
async fn a_link_of_another_user_is_not_followed() {
    let store = temp_store();
    if !is_root(&store) {
        return;
    }
    let config = harvested(&store, "").await;
    let (victim, link) = (store.dir().join("victim"), store.dir().join("link"));
    let folder = store.dir().join("folder");
    std::fs::write(&victim, "of root").unwrap();
    symlink(&victim, &link).unwrap();
    symlink(store.dir(), &folder).unwrap();
    for link in [&link, &folder] {
        std::os::unix::fs::lchown(link, Some(OTHER), Some(OTHER)).unwrap();
    }
    for path in [link.clone(), folder.join("victim")] {
        let path = path.to_str().unwrap();
        for arguments in [
            vec!["export", "-o", path],
            vec!["backup", path],
            vec!["export", "--follow", "-o", path],
        ] {
            let output = run(&config, &arguments).await.failure(1);
            let told = "is a link that another user made";
            assert!(output.stderr.contains(told), "{arguments:?}: {output:?}");
        }
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "of root");
    // A lock in a folder of the service can be a link, too.
    let lock = store.dir().join("harvest.db.lock");
    std::fs::remove_file(&lock).unwrap();
    symlink(&victim, &lock).unwrap();
    let output = run(&config, &["harvest"]).await;
    assert_ne!(output.status, Some(0), "{output:?}");
    assert_eq!(std::fs::metadata(&victim).unwrap().uid(), 0);
}

#[tokio::test]
async fn what_killed_runs_left_is_removed() {
    let store = temp_store();
    let exports =
        format!("[[export]]\nname = 'all'\npath = 'all-{{version}}.jsonl'\nschedule = '{OFTEN}'\n");
    let config = harvested(&store, &exports).await;
    for name in [
        ".copy.db.a1B2c3.part",
        ".one.jsonl.a1B2c3.part",
        ".all-{version}.jsonl.a1B2c3.part",
    ] {
        std::fs::write(store.dir().join(name), "half").unwrap();
    }
    for (command, option, name) in [("backup", "--", "copy.db"), ("export", "-o", "one.jsonl")] {
        let path = store.dir().join(name);
        let path = path.to_str().unwrap();
        // The options of a command stand before what is not one.
        let config = ["--config", config.to_str().unwrap()];
        let arguments = [&[command], config.as_slice(), &[option, path]].concat();
        harvestd(&arguments).await.success();
    }
    assert_eq!(unfinished(&store), [".all-{version}.jsonl.a1B2c3.part"]);
    let daemon = Daemon::start(&store, &config).await;
    assert_eq!(unfinished(&store), [""; 0]);
    daemon.terminate().await;
}

#[tokio::test]
async fn a_run_as_root_does_not_lock_the_service_out() {
    let store = temp_store();
    if !is_root(&store) {
        return;
    }
    let folder = store.dir().join("state");
    std::fs::create_dir(&folder).unwrap();
    chown(&folder, Some(SERVICE), Some(SERVICE)).unwrap();
    let repository = Repository::with_records(20).start().await;
    let config = store.dir().join("harvestd.toml");
    let text = format!(
        "store = '{}'\n[daemon]\nlisten = '127.0.0.1:0'\n{}",
        folder.join("harvest.db").display(),
        source("a", &repository.base_url(), "never", "")
    );
    std::fs::write(&config, text).unwrap();
    run(&config, &["harvest"]).await.success();
    let program = Program::new(&["daemon", "--config", config.to_str().unwrap()]);
    let daemon = Daemon::of(program, &store).await;
    eventually("there is a search index", async || {
        folder.join("harvest.db.search").exists().then_some(())
    })
    .await;
    let owners = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        let owner = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let file = entry.metadata().unwrap();
            (
                entry.file_name().into_string().unwrap(),
                file.uid(),
                file.gid(),
            )
        };
        entries.map(owner).collect::<Vec<_>>()
    };
    let during = owners();
    daemon.terminate().await;
    let all = [during, owners()].concat();
    assert!(all.len() > 6, "{all:?}");
    for (name, user, group) in all {
        assert_eq!((user, group), (SERVICE, SERVICE), "{name}");
    }
}
