//! `dedup keys`, `dedup match` and `dedup cluster`: the steps of deduplication as filters of JSON lines, for
//! engines that distribute them.
//!
//! Each is a pure function of standard input. It opens no store and keeps no state, so any number of them can
//! run at the same time, each on a part of the records. Together they give the clusters that a store with the
//! same records has.
//!
//! - `keys`: from a record to its match keys and its description
//! - `matching`: from the records of one key to the pairs that a rule calls the same
//! - `clusters`: from the records and pairs of one component to clusters

mod clusters;
mod keys;
mod matching;

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;

pub(super) use clusters::Components;
pub(super) use keys::Keys;
pub(super) use matching::Blocks;

use crate::cli::exit::Exit;
use crate::dedup::VERSION;
use crate::dedup::description::Description;
use crate::dedup::packed;

/// Bad lines that are reported one by one. The others are only counted: a file of another kind has no good one.
const REPORTED: u64 = 20;

/// A filter of lines.
pub(super) trait Filter {
    /// Takes one line, without its line feed, and writes what is complete.
    ///
    /// # Errors
    /// [`LineError::Bad`] if the line is not what the filter reads; the next lines can be read all the same.
    fn line(&mut self, line: &str, out: &mut impl Write) -> Result<(), LineError>;

    /// Writes what is left after the last line.
    ///
    /// # Errors
    /// As [`Filter::line`].
    fn end(&mut self, out: &mut impl Write) -> Result<(), LineError>;

    /// What it did, in words.
    fn summary(&self) -> String;
}

/// Why a filter does not go on with a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// The line is bad, and why.
    #[error("{0}")]
    Bad(String),
    /// The output cannot be written.
    #[error(transparent)]
    Out(#[from] io::Error),
}

impl From<serde_json::Error> for LineError {
    fn from(error: serde_json::Error) -> Self {
        Self::Bad(error.to_string())
    }
}

/// Runs a filter over all lines of `input`. Bad lines are reported with their numbers and left out, and make
/// the exit status 3. Blank lines are passed over.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub(super) fn run(
    mut filter: impl Filter,
    mut input: impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    let (mut number, mut bad) = (0_u64, 0_u64);
    let mut check = |number: u64, result: Result<(), LineError>| match result {
        Ok(()) => Ok(()),
        Err(LineError::Out(error)) => Err(error),
        Err(LineError::Bad(why)) => {
            bad += 1;
            if bad <= REPORTED {
                tracing::error!("line {number}: {why}; the line is left out");
            }
            Ok(())
        }
    };
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        let done = match std::str::from_utf8(&line) {
            Ok(text) if text.trim().is_empty() => Ok(()),
            Ok(text) => filter.line(text.trim_end_matches(['\n', '\r']), &mut out),
            Err(error) => Err(LineError::Bad(format!("not UTF-8: {error}"))),
        };
        check(number, done)?;
        line.clear();
    }
    check(number, filter.end(&mut out))?;
    out.flush()?;
    tracing::info!("{}", filter.summary());
    if bad == 0 {
        return Ok(Exit::Done);
    }
    tracing::error!("{bad} of {number} lines are bad and were left out");
    Ok(Exit::Incomplete)
}

/// A description as text: the version of the rules, a dot, and the packed description as base64.
fn to_text(description: &Description) -> String {
    let mut text = format!("{VERSION}.");
    STANDARD_NO_PAD.encode_string(packed::pack(description), &mut text);
    text
}

/// Reads what [`to_text`] writes.
///
/// # Errors
/// [`LineError::Bad`] for any other text, and for the descriptions of other rules.
fn from_text(text: &str) -> Result<Description, LineError> {
    let bad = || LineError::Bad("the description is not one of `harvestd dedup keys`".to_owned());
    let (version, packed) = text.split_once('.').ok_or_else(bad)?;
    if version.parse() != Ok(VERSION) {
        return Err(LineError::Bad(format!(
            "the description was made by rules of version {version}, and this harvestd has version \
             {VERSION}: run `harvestd dedup keys` again"
        )));
    }
    let packed = STANDARD_NO_PAD.decode(packed).map_err(|_| bad())?;
    packed::unpack(&packed).ok_or_else(bad)
}

/// A record's source and identifier; their order is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    source: Box<str>,
    identifier: Box<str>,
}

impl Name {
    /// Reads `source/identifier`; no source's name has a slash.
    fn read(text: &str) -> Result<Self, LineError> {
        let (source, identifier) = text.split_once('/').ok_or_else(|| {
            LineError::Bad(format!("{text:?} is not a record as SOURCE/IDENTIFIER"))
        })?;
        Ok(Self {
            source: source.into(),
            identifier: identifier.into(),
        })
    }

    fn text(&self) -> String {
        format!("{}/{}", self.source, self.identifier)
    }
}

/// Takes the lines of one group together: lines with one key, which stand next to each other.
#[derive(Debug, Default)]
struct Group {
    key: Option<String>,
}

impl Group {
    /// Whether the line with this key begins another group; then the one before is complete.
    fn begins(&mut self, key: &str) -> bool {
        if self.key.as_deref() == Some(key) {
            return false;
        }
        self.key.replace(key.to_owned()).is_some()
    }
}

/// Writes one line of JSON.
fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), LineError> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// A text of a line that is there and not empty.
fn needed<'a>(text: &'a Option<Cow<'_, str>>, what: &str) -> Result<&'a str, LineError> {
    let text = text.as_deref().filter(|text| !text.is_empty());
    text.ok_or_else(|| LineError::Bad(format!("no {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::testing::record;

    /// What a filter makes of lines, and the exit status.
    pub(super) fn filtered(filter: impl Filter, lines: &str) -> (Vec<serde_json::Value>, Exit) {
        let mut out = Vec::new();
        let exit = run(filter, lines.as_bytes(), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        (lines.collect(), exit)
    }

    #[test]
    fn descriptions_are_read_back() {
        let one = record("title=The heart of the matter; author=Li, Wei; doi=10.1000/182");
        assert_eq!(from_text(&to_text(&one)).unwrap(), one);
        for (case, text, want) in [
            ("other rules", "4.AAA", "version 4"),
            ("no version", "AAA", "not one of"),
            ("no base64", &format!("{VERSION}.§"), "not one of"),
            ("cut", &format!("{VERSION}.AAA"), "not one of"),
        ] {
            let error = from_text(text).unwrap_err().to_string();
            assert!(error.contains(want), "{case}: {error}");
        }
    }

    #[test]
    fn the_order_of_names_is_that_of_source_then_identifier() {
        let name = |text| Name::read(text).unwrap();
        assert!(name("a/z/1") < name("a-b/a"));
        assert_eq!(name("a/z/1").text(), "a/z/1");
        assert!(matches!(Name::read("a"), Err(LineError::Bad(_))));
    }
}
