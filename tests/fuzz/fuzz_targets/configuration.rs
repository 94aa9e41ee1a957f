//! Configurations: any text is taken, or refused with a place and a reason for each fault.

#![no_main]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use harvestd::config::{ConfigError, Environment, Origin, Overrides, Problem, Secrets, load};
use libfuzzer_sys::fuzz_target;

/// Where the text is written to, since configurations are files. In memory, if the system has such
/// a folder.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.expect("a temporary folder can be made")
});

// Lines that begin with `HARVESTD_` before the first other one are environment variables.
fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut variables = Vec::new();
    let mut file = &*text;
    while file.starts_with("HARVESTD_")
        && let Some((line, rest)) = file.split_once('\n')
        && let Some((name, value)) = line.split_once('=')
    {
        if name != "HARVESTD_CONFIG" {
            variables.push((OsString::from(name), OsString::from(value)));
        }
        file = rest;
    }
    let path = FOLDER.path().join("harvestd.toml");
    std::fs::write(&path, file).expect("the folder can be written");
    let overrides = Overrides {
        config: Some(path.clone()),
        store: Some(PathBuf::from("store.db")),
        ..Overrides::default()
    };
    let environment = Environment::new(variables);
    let loaded = load(&overrides, &environment, Secrets::Unread);
    match &loaded {
        Ok(config) => {
            assert_eq!(config.file.as_deref(), Some(&*path));
            check_problems(file, &config.warnings);
            let names: Vec<&str> = config.sources.iter().map(|source| &*source.name).collect();
            for name in &names {
                assert!(config.source(name).is_ok());
            }
            let again = load(&overrides, &environment, Secrets::Unread);
            assert!(
                again.is_ok_and(|again| again == *config),
                "read again, it is another"
            );
        }
        Err(ConfigError::Invalid(problems)) => {
            assert!(!problems.is_empty(), "refused without a reason");
            check_problems(file, problems);
        }
        Err(error) => panic!("{error}"),
    }
});

fn check_problems(file: &str, problems: &[Problem]) {
    for problem in problems {
        assert!(!problem.message.trim().is_empty());
        if let Origin::File { line, column, .. } = &problem.origin {
            // The end of the text is a place too.
            let lines: Vec<&str> = file.split('\n').collect();
            assert!((1..=lines.len()).contains(line), "{problem}");
            let width = lines[line - 1].chars().count();
            assert!((1..=width + 1).contains(column), "{problem}");
        }
    }
}
