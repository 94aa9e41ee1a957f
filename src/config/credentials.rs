//! Who we are to a repository: the credential keys of one source.

use std::path::{Path, PathBuf};

use reqwest::header::{self, HeaderName};

use super::checked::Reader;
use super::load::Secrets;
use super::raw::{Entry, Value};
use super::secret;
use super::values;
use crate::http::{Credentials, Secret};

/// The three keys that can give one secret.
pub(crate) struct SecretKeys {
    inline: &'static str,
    file: &'static str,
    credential: &'static str,
}

const API_KEY: SecretKeys = SecretKeys {
    inline: "api_key",
    file: "api_key_file",
    credential: "api_key_credential",
};
const PASSWORD: SecretKeys = SecretKeys {
    inline: "password",
    file: "password_file",
    credential: "password_credential",
};
const BEARER: SecretKeys = SecretKeys {
    inline: "bearer",
    file: "bearer_file",
    credential: "bearer_credential",
};

/// Where alerts are posted to; what may post there is often a part of the URL.
pub(crate) const WEBHOOK: SecretKeys = SecretKeys {
    inline: "webhook",
    file: "webhook_file",
    credential: "webhook_credential",
};

/// What requests to the daemon that change something have to bring.
pub(crate) const TOKEN: SecretKeys = SecretKeys {
    inline: "token",
    file: "token_file",
    credential: "token_credential",
};

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

/// Reads all credentials of one source; faults go to the reader.
pub(crate) fn read(reader: &mut Reader<'_>) -> Credentials {
    let api_key = read_secret(reader, &API_KEY);
    let user = reader.read("user", |value| {
        let user = values::text(value)?;
        if user.contains(':') {
            return Err("must not hold a colon, which ends it (RFC 7617)".to_owned());
        }
        Ok(user)
    });
    let password = read_secret(reader, &PASSWORD);
    let bearer = read_secret(reader, &BEARER);
    let headers = read_headers(reader);

    let has_user = reader.entry("user").is_some();
    let password_key = given_key(reader, &PASSWORD);
    match (has_user, password_key) {
        (true, None) => reader.problem_at("user", "needs a password beside it".to_owned()),
        (false, Some(key)) => reader.problem_at(key, "needs a user beside it".to_owned()),
        _ => {}
    }
    let own_authorization = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str()));
    let ways = [
        has_user.then_some("user"),
        given_key(reader, &BEARER),
        own_authorization.then_some("headers"),
    ];
    let mut ways = ways.into_iter().flatten();
    if let (Some(_), Some(second)) = (ways.next(), ways.next()) {
        reader.problem_at(
            second,
            "only one of user, bearer and a header Authorization can be sent".to_owned(),
        );
    }
    Credentials {
        api_key,
        basic: user.zip(password),
        bearer,
        headers,
    }
}

/// The key under which a secret is given, if it is.
fn given_key(reader: &Reader<'_>, keys: &SecretKeys) -> Option<&'static str> {
    [keys.inline, keys.file, keys.credential]
        .into_iter()
        .find(|key| reader.entry(key).is_some())
}

/// The one secret of three keys. The environment overrides all three of the file.
pub(crate) fn read_secret(reader: &mut Reader<'_>, keys: &SecretKeys) -> Option<Secret> {
    let names = [keys.inline, keys.file, keys.credential];
    let given = reader.first_layer(&names);
    if let [first, second, ..] = given.as_slice() {
        reader.problem_at(
            second,
            format!("{first} gives the same secret; keep one of them"),
        );
        return None;
    }
    let key = *given.first()?;
    reader.note_secret(key);
    let entry = reader.entry(key)?.clone();
    if key == keys.inline {
        let result = plain(&entry.value);
        return reader.take(key, &entry, result);
    }
    stored(reader, key, &entry, key == keys.credential)
}

fn plain(value: &Value) -> Result<Secret, String> {
    match value {
        Value::Text(text) => secret::from_text(text),
        _ => Err("must be a text in quotes".to_owned()),
    }
}

/// A secret in a file or systemd credential that `entry` names.
fn stored(
    reader: &mut Reader<'_>,
    key: &str,
    entry: &Entry,
    is_credential: bool,
) -> Option<Secret> {
    let name = reader.take(key, entry, values::text(&entry.value))?;
    if reader.secrets() == Secrets::Unread {
        return None;
    }
    let path = if is_credential {
        secret::credential_path(reader.credentials_directory(), &name)
    } else {
        Ok(reader.resolve(&entry.origin, Path::new(&name)))
    };
    match path.and_then(|path: PathBuf| secret::from_file(&path)) {
        Ok((secret, warning)) => {
            if let Some(warning) = warning.filter(|_| !is_credential) {
                reader.warn(key, entry, warning);
            }
            Some(secret)
        }
        Err(error) if reader.secrets() == Secrets::Reported => {
            reader.warn(key, entry, error);
            None
        }
        Err(error) => reader.take(key, entry, Err(error)),
    }
}

/// `headers`: a table of names to texts or `{ file = ... }` or `{ credential = ... }`; in the
/// environment, lines of `Name: value`.
fn read_headers(reader: &mut Reader<'_>) -> Vec<(String, Secret)> {
    let Some(entry) = reader.entry("headers").cloned() else {
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
                (
                    name.trim().to_owned(),
                    Entry {
                        value,
                        origin: entry.origin.clone(),
                    },
                )
            })
            .collect(),
        _ => {
            let message = "must be a table, such as { X-Token = \"...\" }";
            reader.take::<()>("headers", &entry, Err(message.to_owned()));
            return Vec::new();
        }
    };
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, value) in fields {
        let key = format!("headers.{name}");
        let Ok(parsed) = HeaderName::try_from(&name) else {
            let message = "is not the name of a header".to_owned();
            reader.take::<()>(&key, &value, Err(message));
            continue;
        };
        if RESERVED.contains(&parsed) {
            let message = "is set by harvestd itself".to_owned();
            reader.take::<()>(&key, &value, Err(message));
            continue;
        }
        if headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(&name))
        {
            let message = "is given twice".to_owned();
            reader.take::<()>(&key, &value, Err(message));
            continue;
        }
        if let Some(secret) = header_value(reader, &key, &value) {
            headers.push((name, secret));
        }
    }
    headers
}

fn header_value(reader: &mut Reader<'_>, key: &str, entry: &Entry) -> Option<Secret> {
    match &entry.value {
        Value::Text(text) => reader.take(key, entry, secret::from_text(text)),
        Value::Table(fields) => match fields.as_slice() {
            [(name, place)] if name == "file" => stored(reader, key, place, false),
            [(name, place)] if name == "credential" => stored(reader, key, place, true),
            _ => reader.take(
                key,
                entry,
                Err("must hold either file or credential and nothing else".to_owned()),
            ),
        },
        _ => reader.take(
            key,
            entry,
            Err("must be a text, { file = \"...\" } or { credential = \"...\" }".to_owned()),
        ),
    }
}
