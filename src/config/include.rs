//! The files that `include` names, with `*` for any part of a file's name.

use std::io;
use std::path::{Path, PathBuf};

/// The files of a pattern, in the order of their names.
///
/// # Errors
/// If the folder, or the file of a pattern without `*`, cannot be read. A folder that is missing has no files.
pub(crate) fn files(directory: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let path = directory.join(pattern);
    let Some((folder, name)) = split(&path) else {
        return Ok(vec![path]);
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let fits = entry
            .file_name()
            .to_str()
            .is_some_and(|found| fits(found, name));
        if fits {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a pattern names this file.
pub(crate) fn names(directory: &Path, pattern: &str, file: &Path) -> bool {
    let path = directory.join(pattern);
    match split(&path) {
        None => path == file,
        Some((folder, name)) => {
            let found = file.file_name().and_then(|found| found.to_str());
            file.parent() == Some(folder) && found.is_some_and(|found| fits(found, name))
        }
    }
}

/// The folder and the name of a pattern with `*` in its name.
fn split(path: &Path) -> Option<(&Path, &str)> {
    let name = path
        .file_name()?
        .to_str()
        .filter(|name| name.contains('*'))?;
    Some((path.parent()?, name))
}

/// Whether a name fits a pattern. A `*` stands for no dot at the beginning.
fn fits(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        let cases = [
            ("a.toml", "*.toml", true),
            (".a.toml", "*.toml", false),
            ("a.toml~", "*.toml", false),
            ("a.toml", "a.toml", true),
            ("b.toml", "a.toml", false),
            ("de-ojs-2.toml", "de-*-*.toml", true),
            ("de-2.toml", "de-*-*.toml", false),
            (".toml", "*.toml", false),
        ];
        for (name, pattern, expected) in cases {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn files_come_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", "c.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = files(folder.path(), "*.toml").unwrap();
        assert_eq!(
            found,
            ["a.toml", "b.toml"].map(|name| folder.path().join(name))
        );
        assert_eq!(
            files(folder.path(), "none/*.toml").unwrap(),
            <[PathBuf; 0]>::default()
        );
        assert!(names(
            folder.path(),
            "*.toml",
            &folder.path().join("new.toml")
        ));
        assert!(!names(
            folder.path(),
            "*.toml",
            Path::new("/elsewhere/new.toml")
        ));
    }
}
