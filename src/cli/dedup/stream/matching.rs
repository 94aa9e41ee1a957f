//! From the records of one key to the pairs that a rule calls the same.

use std::borrow::Cow;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::{Filter, Group, LineError, Name, from_text, write_line};
use crate::dedup::description::Description;
use crate::dedup::memory::KEY_CAP;
use crate::dedup::rules::{Verdict, Versions, decide};

/// A record under one of its keys.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    record: Cow<'a, str>,
    #[serde(borrow)]
    description: Cow<'a, str>,
}

/// Two records that a rule calls the same.
#[derive(Serialize)]
struct Pair<'a> {
    /// The earlier record in canonical order.
    a: &'a str,
    b: &'a str,
    /// The rule's name.
    rule: &'static str,
    /// The rule's place in the table; a lower one is stronger.
    rank: u8,
}

/// Compares the records of each block: the lines with one key, which stand next to each other. A block of more
/// than [`KEY_CAP`] records gives no pairs, as in a store.
#[derive(Debug)]
pub(in crate::cli::dedup) struct Blocks {
    versions: Versions,
    group: Group,
    /// At most [`KEY_CAP`] and one more.
    block: Vec<(Name, Description)>,
    blocks: u64,
    too_large: u64,
    compared: u64,
    same: u64,
}

impl Blocks {
    pub(in crate::cli::dedup) fn new(versions: Versions) -> Self {
        Self {
            versions,
            group: Group::default(),
            block: Vec::new(),
            blocks: 0,
            too_large: 0,
            compared: 0,
            same: 0,
        }
    }

    fn compare(&mut self, out: &mut impl Write) -> Result<(), LineError> {
        let mut block = std::mem::take(&mut self.block);
        self.blocks += 1;
        if block.len() > KEY_CAP {
            self.too_large += 1;
            return Ok(());
        }
        block.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (at, (a, one)) in block.iter().enumerate() {
            for (b, other) in &block[at + 1..] {
                self.compared += 1;
                let decision = decide(one, other, self.versions);
                if decision.verdict() != Verdict::Same {
                    continue;
                }
                self.same += 1;
                let pair = Pair {
                    a: &a.text(),
                    b: &b.text(),
                    rule: decision.rule.name,
                    rank: decision.rank,
                };
                write_line(out, &pair)?;
            }
        }
        Ok(())
    }
}

impl Filter for Blocks {
    fn line(&mut self, line: &str, out: &mut impl Write) -> Result<(), LineError> {
        let line: Line<'_> = serde_json::from_str(line)?;
        if self.group.begins(&line.key) {
            self.compare(out)?;
        }
        if self.block.len() <= KEY_CAP {
            let name = Name::read(&line.record)?;
            // A record that a list has twice is one record.
            if self.block.iter().all(|(other, _)| *other != name) {
                self.block.push((name, from_text(&line.description)?));
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut impl Write) -> Result<(), LineError> {
        match self.group.key {
            Some(_) => self.compare(out),
            None => Ok(()),
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} blocks, {} pairs compared, {} match; {} blocks of more than {KEY_CAP} records were left out",
            self.blocks, self.compared, self.same, self.too_large
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::filtered;
    use super::super::to_text;
    use super::*;
    use crate::cli::exit::Exit;
    use crate::dedup::testing::record;

    const HEART: &str =
        "title=The heart of the matter in small mammals; author=Li, W; year=2001; doi=10.1/abc";

    fn line(key: &str, name: &str, text: &str) -> String {
        let description = to_text(&record(text));
        json!({ "key": key, "record": name, "description": description }).to_string() + "\n"
    }

    #[test]
    fn the_records_of_one_key_are_compared() {
        let lines = [
            line("1", "b/1", HEART),
            line("1", "a/1", HEART),
            line("1", "a/1", HEART),
            line(
                "1",
                "a/2",
                "title=Another matter altogether, and at length; year=1999",
            ),
            // The same record, but not the same key.
            line("2", "c/1", HEART),
        ];
        let (found, exit) = filtered(Blocks::new(Versions::Together), &lines.concat());
        assert_eq!(exit, Exit::Done);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (&found[0]["a"], &found[0]["b"]),
            (&json!("a/1"), &json!("b/1"))
        );
        let decision = decide(&record(HEART), &record(HEART), Versions::Together);
        assert_eq!(found[0]["rule"], decision.rule.name);
        assert_eq!(found[0]["rank"], decision.rank);
    }

    #[test]
    fn a_key_of_too_many_records_gives_no_pairs() {
        let block = |count: usize| -> String {
            let lines = (0..count).map(|number| line("1", &format!("a/{number}"), HEART));
            lines.collect::<String>() + &line("2", "b/1", HEART)
        };
        let (found, _) = filtered(Blocks::new(Versions::Together), &block(KEY_CAP));
        assert_eq!(found.len(), KEY_CAP * (KEY_CAP - 1) / 2);
        let (found, exit) = filtered(Blocks::new(Versions::Together), &block(KEY_CAP + 1));
        assert_eq!((found.len(), exit), (0, Exit::Done));
    }

    #[test]
    fn bad_lines_do_not_part_a_block() {
        let bad = json!({ "key": "1", "record": "a", "description": "" }).to_string() + "\n";
        let lines = [
            line("1", "a/1", HEART),
            bad,
            "{}\n".to_owned(),
            line("1", "b/1", HEART),
        ];
        let (found, exit) = filtered(Blocks::new(Versions::Together), &lines.concat());
        assert_eq!((found.len(), exit), (1, Exit::Incomplete));
    }

    #[test]
    fn versions_may_be_kept_apart() {
        let with = |kind: &str| format!("{HEART}; type={kind}");
        let lines = [
            line("1", "a/1", &with("preprint")),
            line("1", "b/1", &with("article")),
        ];
        for (versions, pairs) in [(Versions::Together, 1), (Versions::Apart, 0)] {
            assert_eq!(
                filtered(Blocks::new(versions), &lines.concat()).0.len(),
                pairs
            );
        }
    }
}
