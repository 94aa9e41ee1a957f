//! Secrets: written in the configuration, or kept in a file or a systemd credential.
//!
//! No message quotes a secret, nor the text of a key that should have held one.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use reqwest::header::{self, HeaderName};

use super::key::{Key, Way};
use super::keys;
use super::load::Secrets;
use super::problem::{Origin, Problem};
use super::reader::Reader;
use super::value::{Entry, Value};
use super::values;
use crate::http::{Credentials, Secret};

/// No secret is larger; a larger file was named by mistake.
const MAX_BYTES: u64 = 64 << 10;

/// Headers that the client itself has to set.
const RESERVED: [HeaderName; 7] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

/// Reads all credentials of a source or output; faults go to the reader.
pub(crate) fn credentials(reader: &mut Reader<'_>, api_key: Option<Secret>) -> Credentials {
    let user = reader.get(&keys::USER);
    let password = secret(reader, &keys::PASSWORD);
    let bearer = secret(reader, &keys::BEARER);
    let headers = read_headers(reader);

    let has_user = reader.entry("user").is_some();
    let password_key = reader.given(&keys::PASSWORD.row).into_iter().next();
    match (has_user, password_key) {
        (true, None) => reader.problem("user", "needs a password beside it"),
        (false, Some(key)) => reader.problem(&key, "needs a user beside it"),
        _ => {}
    }
    let own_authorization = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str()));
    let ways = [
        has_user.then(|| "user".to_owned()),
        reader.given(&keys::BEARER.row).into_iter().next(),
        own_authorization.then(|| "headers".to_owned()),
    ];
    let mut ways = ways.into_iter().flatten();
    if let (Some(_), Some(second)) = (ways.next(), ways.next()) {
        reader.problem(
            &second,
            "only one of user, bearer and a header Authorization can be sent",
        );
    }
    Credentials {
        api_key,
        basic: user.zip(password),
        bearer,
        headers,
    }
}

/// The credentials of an output that can send an API key of its own as `Authorization: ApiKey`.
pub(crate) fn with_api_key(reader: &mut Reader<'_>, api_key: Option<Secret>) -> Credentials {
    let mut credentials = credentials(reader, None);
    let Some(key) = reader.given(&keys::OUTPUT_API_KEY.row).into_iter().next() else {
        return credentials;
    };
    let has_authorization =
        |(name, _): &(String, Secret)| name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str());
    let has_other = reader.entry("user").is_some()
        || !reader.given(&keys::BEARER.row).is_empty()
        || credentials.headers.iter().any(has_authorization);
    if has_other {
        reader.problem(
            &key,
            "only one of api_key, user, bearer and a header Authorization can be sent",
        );
    } else if let Some(secret) = api_key {
        let value = Secret::new(format!("ApiKey {}", secret.expose()));
        credentials
            .headers
            .push((header::AUTHORIZATION.to_string(), value));
    }
    credentials
}

/// The one secret of three keys. The most specific table that gives one of the three wins.
pub(crate) fn secret(reader: &mut Reader<'_>, key: &Key<Option<Secret>>) -> Option<Secret> {
    let given = reader.given(&key.row);
    if let [first, second, ..] = given.as_slice() {
        reader.problem(
            second,
            format!("{first} gives the same secret; keep one of them"),
        );
        return None;
    }
    let name = given.first()?;
    reader.note_secret(name);
    let (_, way) = key
        .row
        .names()
        .into_iter()
        .find(|(known, _)| known == name)?;
    let (table, entry) = reader.entry(name)?;
    match way {
        Way::Value => reader.get(key),
        way => {
            let text = values::text(&entry.value).ok()?;
            let read = stored(reader, &entry.origin, &text, way)?;
            report(reader, read, |message| table.problem(name, message))
        }
    }
}

/// A secret with a warning about it, or why it cannot be read.
type ReadSecret = Result<(Secret, Option<String>), String>;

/// Reads the secret in a file or systemd credential of this name; `None` if it is to stay unread.
fn stored(reader: &Reader<'_>, origin: &Origin, name: &str, way: Way) -> Option<ReadSecret> {
    if reader.context.secrets == Secrets::Unread {
        return None;
    }
    let path = match way {
        Way::Credential => credential_path(reader.context.credentials_directory, name),
        _ => Ok(reader.resolve(origin, Path::new(name))),
    };
    Some(match path.and_then(|path| from_file(&path)) {
        // systemd sees to the permissions of a credential.
        Ok((secret, warning)) => Ok((secret, warning.filter(|_| way == Way::File))),
        Err(error) => Err(error),
    })
}

/// The secret that was read; `at` makes problems and warnings of what is to be told.
fn report(
    reader: &mut Reader<'_>,
    read: ReadSecret,
    at: impl Fn(String) -> Problem,
) -> Option<Secret> {
    match read {
        Ok((secret, warning)) => {
            reader.findings.warnings.extend(warning.map(at));
            Some(secret)
        }
        Err(message) => {
            match reader.context.secrets {
                Secrets::Reported => reader.findings.warnings.push(at(message)),
                _ => reader.findings.problems.push(at(message)),
            }
            None
        }
    }
}

/// `headers`: a table of names to texts or `{ file = ... }` or `{ credential = ... }`; in the
/// environment, lines of `Name: value`.
fn read_headers(reader: &mut Reader<'_>) -> Vec<(String, Secret)> {
    let Some((table, entry)) = reader.entry("headers") else {
        return Vec::new();
    };
    let fields: Vec<(String, Entry)> = match &entry.value {
        Value::Table(fields) => fields.clone(),
        Value::Text(lines) => lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let value = Value::Text(value.trim().to_owned());
                let origin = entry.origin.clone();
                (name.trim().to_owned(), Entry { value, origin })
            })
            .collect(),
        _ => Vec::new(),
    };
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, part) in fields {
        let problem = |message: String| Problem {
            subject: table.subject(),
            ..Problem::new(part.origin.clone(), message).of_key(&format!("headers.{name}"))
        };
        let secret = match header_name(&name, &headers).and_then(|()| header_value(&part.value)) {
            Ok(HeaderPart::Written(secret)) => Some(secret),
            Ok(HeaderPart::Stored(place, way)) => stored(reader, &part.origin, &place, way)
                .and_then(|read| report(reader, read, problem)),
            Err(message) => {
                reader.findings.problems.push(problem(message));
                None
            }
        };
        headers.extend(secret.map(|secret| (name, secret)));
    }
    headers
}

/// The value of a header, or where it is kept.
enum HeaderPart {
    Written(Secret),
    Stored(String, Way),
}

fn header_name(name: &str, known: &[(String, Secret)]) -> Result<(), String> {
    let parsed =
        HeaderName::try_from(name).map_err(|_| "is not the name of a header".to_owned())?;
    if RESERVED.contains(&parsed) {
        return Err("is set by harvestd itself".to_owned());
    }
    match known.iter().any(|(known, _)| parsed == known.as_str()) {
        true => Err("is given twice".to_owned()),
        false => Ok(()),
    }
}

fn header_value(value: &Value) -> Result<HeaderPart, String> {
    match value {
        Value::Text(_) => values::secret(value).map(HeaderPart::Written),
        Value::Table(fields) => match fields.as_slice() {
            [(name, place)] if name == "file" => {
                Ok(HeaderPart::Stored(values::text(&place.value)?, Way::File))
            }
            [(name, place)] if name == "credential" => Ok(HeaderPart::Stored(
                values::text(&place.value)?,
                Way::Credential,
            )),
            _ => Err("must hold either file or credential and nothing else".to_owned()),
        },
        _ => Err("must be a text, { file = \"...\" } or { credential = \"...\" }".to_owned()),
    }
}

/// The secret in a file, without one line ending after it. The second value is a warning.
pub(crate) fn from_file(path: &Path) -> Result<(Secret, Option<String>), String> {
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::InvalidData => format!("the secret in {shown} must be UTF-8"),
        _ => format!("cannot read the secret in {shown}: {error}"),
    };
    let file = File::open(path).map_err(failed)?;
    let warning = readable_by_all(&file)
        .then(|| format!("every user of this machine can read {shown}; to change that: chmod o-r"));
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("{shown} is too large for a secret"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let secret = values::secret(&Value::Text(line.to_owned()))
        .map_err(|error| format!("the secret in {shown} {error}"))?;
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
                Err("must be one line without control characters"),
            ),
            ("empty", b"\n", Err("must not be empty")),
            ("not UTF-8", b"hush\xff", Err("must be UTF-8")),
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
