//! The arguments of a query: each at most once, none that is not known.

use axum::http::StatusCode;
use url::form_urlencoded;

use super::Failure;

/// Arguments by name.
#[derive(Debug, Default)]
pub(super) struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads a query; an argument that is not among `known` would be overlooked, so it is refused.
    /// Those among `many` may come again.
    pub(super) fn read(
        query: Option<&str>,
        known: &[&str],
        many: &[&str],
    ) -> Result<Self, Failure> {
        let mut arguments = Self::default();
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        for (name, value) in pairs {
            let is_many = many.contains(&&*name);
            if !known.contains(&&*name) && !is_many {
                let all: Vec<&str> = known.iter().chain(many).copied().collect();
                let message = format!("unknown argument {name:?}; there is {}", all.join(", "));
                return Err(Failure::new(StatusCode::BAD_REQUEST, message));
            }
            if !is_many && arguments.text(&name).is_some() {
                let message = format!("argument {name:?} is given twice");
                return Err(Failure::new(StatusCode::BAD_REQUEST, message));
            }
            arguments.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(arguments)
    }

    /// The value of `name`, if it was given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// All values of `name`.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let of_name = self.0.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, value)| value.clone()).collect()
    }

    /// The value of `name` as a whole number from 0 on, if it was given.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.text(name).map(|text| whole(name, text)).transpose()
    }
}

/// A text of argument `name` as a whole number from 0 on.
pub(super) fn whole(name: &str, text: &str) -> Result<u64, Failure> {
    if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit()) {
        let message = format!("{name}={text:?} is not a whole number");
        return Err(Failure::new(StatusCode::BAD_REQUEST, message));
    }
    // More than this is as much as this to everybody who asks.
    Ok(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused() {
        let cases = [
            ("none", None, Ok((None, 0))),
            ("number", Some("since=5"), Ok((Some(5), 0))),
            ("several", Some("source=a&source=b"), Ok((None, 2))),
            (
                "unknown",
                Some("sinse=5"),
                Err("unknown argument \"sinse\"; there is since, source"),
            ),
            (
                "twice",
                Some("since=5&since=6"),
                Err("argument \"since\" is given twice"),
            ),
            (
                "very large",
                Some("since=99999999999999999999999"),
                Ok((Some(u64::MAX), 0)),
            ),
            (
                "no number",
                Some("since=-1"),
                Err("since=\"-1\" is not a whole number"),
            ),
        ];
        for (case, query, expected) in cases {
            let read = Arguments::read(query, &["since"], &["source"])
                .and_then(|read| Ok((read.number("since")?, read.texts("source").len())))
                .map_err(|failure| failure.message);
            assert_eq!(read, expected.map_err(str::to_owned), "{case}");
        }
    }
}
