//! Secrets: written in the configuration, or kept in a file or a systemd credential.
//!
//! No message quotes one, nor the text of a key that should have held one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::http::Secret;

/// No secret is larger; a larger file was named by mistake.
const MAX_BYTES: u64 = 64 << 10;

/// Checks a secret that is at hand: one line, not empty.
pub(crate) fn from_text(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.contains(char::is_control) {
        return Err("holds control characters, such as a second line".to_owned());
    }
    Ok(Secret::new(text))
}

/// The secret in a file, without one line ending after it. The second value is a warning.
pub(crate) fn from_file(path: &Path) -> Result<(Secret, Option<String>), String> {
    let shown = path.display();
    let failed = |error| format!("cannot read the secret in {shown}: {error}");
    let file = File::open(path).map_err(failed)?;
    let warning = readable_by_all(&file)
        .then(|| format!("every user of this machine can read {shown}; chmod o-r would end that"));
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("{shown} is too large for a secret"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let secret = from_text(line).map_err(|error| format!("the secret in {shown} {error}"))?;
    Ok((secret, warning))
}

/// Where systemd has put the credential `name`.
///
/// Source: systemd.exec(5), `LoadCredential=`.
pub(crate) fn credential_path(directory: Option<&Path>, name: &str) -> Result<PathBuf, String> {
    if name.contains('/') || name == "." || name == ".." {
        return Err(format!("{name:?} is not the name of a credential"));
    }
    match directory {
        Some(directory) => Ok(directory.join(name)),
        None => Err(format!(
            "no credential {name}: $CREDENTIALS_DIRECTORY is not set, as it is in a systemd unit \
             with LoadCredential={name}:..."
        )),
    }
}

/// Whether others than owner and group may read the file.
#[cfg(unix)]
pub(crate) fn readable_by_all(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Only Unix has the permission bits to tell.
#[cfg(not(unix))]
pub(crate) fn readable_by_all(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let long = "x".repeat(MAX_BYTES as usize + 1);
        let cases: [(&str, &[u8], Result<&str, &str>); 8] = [
            ("bare", b"hush", Ok("hush")),
            ("newline", b"hush\n", Ok("hush")),
            ("carriage return", b"hush\r\n", Ok("hush")),
            ("blanks stay", b" hu sh \n", Ok(" hu sh ")),
            (
                "two lines",
                b"hush\nhush2\n",
                Err("holds control characters, such as a second line"),
            ),
            ("empty", b"\n", Err("is empty")),
            ("not UTF-8", b"hush\xff", Err("did not contain valid UTF-8")),
            (
                "too long",
                long.as_bytes(),
                Err("is too large for a secret"),
            ),
        ];
        for (case, content, expected) in cases {
            let path = directory.path().join("secret");
            std::fs::write(&path, content).unwrap();
            match (from_file(&path), expected) {
                (Ok((secret, _)), Ok(expected)) => assert_eq!(secret.expose(), expected, "{case}"),
                (Err(error), Err(expected)) => {
                    assert!(error.contains(expected), "{case}: {error}");
                    assert!(!error.contains("hush"), "{case}: {error}");
                }
                (found, _) => panic!("{case}: {found:?}"),
            }
        }
        assert!(
            from_file(&directory.path().join("none"))
                .unwrap_err()
                .contains("none")
        );
    }

    #[cfg(unix)]
    #[test]
    fn open_permissions_are_warned_of() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "hush").unwrap();
        for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(from_file(&path).unwrap().1.is_some(), warned, "{mode:o}");
        }
    }

    #[test]
    fn credentials_stay_in_their_directory() {
        let directory = Path::new("/run/credentials/harvestd.service");
        assert_eq!(
            credential_path(Some(directory), "doaj"),
            Ok(directory.join("doaj"))
        );
        assert!(credential_path(Some(directory), "../shadow").is_err());
        assert!(credential_path(Some(directory), "..").is_err());
        assert!(
            credential_path(None, "doaj")
                .unwrap_err()
                .contains("LoadCredential=doaj")
        );
    }
}
