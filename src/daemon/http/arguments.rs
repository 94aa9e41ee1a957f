//! Reading the arguments of a query, or the fields of a form, into a type.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};

use super::Failure;

/// Reads arguments from `text`, which has the form of a query: `name=value&name=value`.
///
/// Unknown, missing, repeated and malformed arguments are errors that name the argument.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let deserializer = serde_html_form::Deserializer::from_bytes(text.as_bytes());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let argument = error.path().to_string();
        let reason = error.into_inner().to_string();
        let reason = match reason.as_str() {
            "unsupported value" => "it is given more than once".to_owned(),
            _ => reason.replacen(" field `", " argument `", 1),
        };
        // An error about a value does not say which argument has it.
        Failure::bad_request(
            if argument == "." || reason.contains(&format!("`{argument}`")) {
                reason
            } else {
                format!("argument `{argument}`: {reason}")
            },
        )
    })
}

/// Reads the fields of a form from the body of a request.
pub(super) fn read_form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Failure::bad_request("the form is not encoded as UTF-8"))?;
    read(text)
}

/// A whole number from 0 on. Numbers above 2^64 are read as the largest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl Number {
    /// Reads a number that consists of digits only.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Err(format!("{text:?} is not a whole number"));
        }
        Ok(Self(text.parse().unwrap_or(u64::MAX)))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Left,
        Right,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        since: Option<Number>,
        #[serde(default)]
        source: Vec<String>,
        choice: Option<Choice>,
    }

    #[test]
    fn arguments_are_read_or_refused() {
        let example = |since, source: &[&str]| {
            Ok(Example {
                since,
                source: source.iter().map(|name| (*name).to_owned()).collect(),
                choice: None,
            })
        };
        let refused = |message: &str| Err(message.to_owned());
        let cases = [
            ("none", "", example(None, &[])),
            ("a number", "since=5", example(Some(Number(5)), &[])),
            ("several", "source=a&source=b", example(None, &["a", "b"])),
            (
                "unknown",
                "sinse=5",
                refused("unknown argument `sinse`, expected one of `since`, `source`, `choice`"),
            ),
            (
                "twice",
                "since=5&since=6",
                refused("argument `since`: it is given more than once"),
            ),
            (
                "very large",
                "since=99999999999999999999999",
                example(Some(Number(u64::MAX)), &[]),
            ),
            (
                "not a number",
                "since=-1",
                refused("argument `since`: \"-1\" is not a whole number"),
            ),
            (
                "empty",
                "since=",
                refused("argument `since`: \"\" is not a whole number"),
            ),
            (
                "not a choice",
                "choice=up",
                refused("argument `choice`: unknown variant `up`, expected `left` or `right`"),
            ),
        ];
        for (case, query, expected) in cases {
            let read = read(query).map_err(|failure| failure.message);
            assert_eq!(read, expected, "{case}");
        }
    }
}
