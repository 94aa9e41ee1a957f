//! Test data in `../shared`: sets beside the project that are too large for it or under another licence.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the library's own tests and each test file use a part of this"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The path of a file or folder of `../shared`, or `None` after a line on standard error.
///
/// The small fixtures in `tests/fixtures` cover what such a skipped test would compare.
///
/// # Panics
/// If `CI` is set and `../shared` is there, but this part of it cannot be read or is empty: in CI a
/// test must not pass because its data got lost.
pub fn shared_data(part: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = folder.join(part);
    let has_data = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some())
        }
        Ok(metadata) => metadata.len() > 0 && fs::File::open(&path).is_ok(),
        Err(_) => false,
    };
    if has_data {
        return Some(path);
    }
    assert!(
        env::var_os("CI").is_none() || !folder.exists(),
        "CI is set and {} is there, but {part} is missing, empty or unreadable in it",
        folder.display()
    );
    // Not `eprintln!`, which the test runner hides for tests that pass.
    let _ = writeln!(
        io::stderr(),
        "SKIPPED: {} IS NOT THERE; ITS CASES ARE NOT TESTED",
        path.display()
    );
    None
}

/// The text of a file of `../shared`; see [`shared_data`].
pub fn shared_text(part: &str) -> Option<String> {
    shared_data(part).map(|path| {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}
