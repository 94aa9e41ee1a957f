//! `dedup report`: a sample of matches for people to judge, and what a judged sample says.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::cli::exit::UsageError;
use crate::cli::table::{Cell, Column, Screen, fit, printable};
use crate::dedup::evidence::{Estimate, Judged, Stratum, estimate};
use crate::dedup::rules::Verdict;
use crate::dedup::table::RULES;
use crate::output::csv::for_spreadsheets;
use crate::store::{COMPARED_FIELDS, Compared, Pair, Reader, SampleFilter, StoreError};

/// What to draw.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    /// At most N matches of each rule
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub sample: usize,
    /// Only matches of this rule; `dedup explain` names the rules
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// Only matches with a record of this source
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Draw another sample for each number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Write the sample to this file, instead of the standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// The columns before those of the records.
const HEAD: [&str; 6] = ["same", "rule", "why", "matches", "cluster", "differs"];

/// Writes a sample of matches by rule, the weakest rule first: as CSV with an empty column `same`, or as
/// one JSON object per line.
///
/// # Errors
/// If there is no such rule, if the clusters are not up to date, or if the file cannot be written.
pub(super) fn sample(
    reader: &Reader,
    args: &SampleArgs,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if let Some(name) = &args.rule {
        check_rule(name)?;
    }
    let strata = draw(reader, args)?;
    let Some(path) = &args.out else {
        return write_sample(reader, &strata, as_json, out);
    };
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut file = io::BufWriter::new(file);
    write_sample(reader, &strata, as_json, &mut file)?;
    file.flush()
        .with_context(|| format!("writing {}", path.display()))?;
    let drawn: usize = strata.iter().map(|stratum| stratum.sample.len()).sum();
    let path = printable(&path.display().to_string());
    writeln!(
        out,
        "{drawn} matches of {} rules in {path}: write y or n into the column `same`, then run\n  \
         harvestd dedup report --judged {path}",
        strata.len()
    )?;
    Ok(())
}

fn check_rule(name: &str) -> Result<(), UsageError> {
    let mut joining = RULES.iter().filter(|rule| rule.verdict == Verdict::Same);
    if joining.any(|rule| rule.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = RULES
        .iter()
        .filter(|rule| rule.verdict == Verdict::Same)
        .map(|rule| rule.name)
        .collect();
    Err(UsageError(format!(
        "no rule {name:?} joins records; these do: {}",
        names.join(", ")
    )))
}

fn draw(reader: &Reader, args: &SampleArgs) -> Result<Vec<Stratum<Pair>>, StoreError> {
    let filter = SampleFilter {
        size: args.sample,
        rule: args.rule.clone(),
        source: args.source.clone(),
        seed: args.seed,
    };
    let sample = reader.draw_sample(&filter, || false)?;
    Ok(sample.unwrap_or_default().strata)
}

/// A pair of the sample as it is written.
struct Row<'a> {
    stratum: &'a Stratum<Pair>,
    pair: &'a Pair,
    sides: Compared,
}

impl<'a> Row<'a> {
    fn read(
        reader: &Reader,
        stratum: &'a Stratum<Pair>,
        pair: &'a Pair,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            stratum,
            pair,
            sides: reader.compared(&pair.a, &pair.b)?,
        })
    }

    fn cells(&self) -> impl Iterator<Item = String> {
        let rule = self.stratum.decision.rule;
        let head = [
            String::new(),
            rule.name.to_owned(),
            rule.why.to_owned(),
            self.stratum.links.to_string(),
            self.pair.cluster.clone(),
            self.sides.differs.join(", "),
        ];
        let sides = self.sides.a.iter().zip(&self.sides.b);
        let sides = sides.flat_map(|(a, b)| [a.clone(), b.clone()]);
        head.into_iter()
            .chain(sides)
            .map(|cell| for_spreadsheets(&cell).into_owned())
    }

    fn as_value(&self) -> Value {
        let rule = self.stratum.decision.rule;
        let side = |values: &[String]| -> Value {
            let named = COMPARED_FIELDS.iter().zip(values);
            named
                .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
                .collect::<Map<_, _>>()
                .into()
        };
        json!({
            "rule": rule.name,
            "why": rule.why,
            "matches": self.stratum.links,
            "cluster": self.pair.cluster,
            "differs": self.sides.differs,
            "a": side(&self.sides.a),
            "b": side(&self.sides.b),
        })
    }
}

fn heading() -> impl Iterator<Item = String> {
    let sides = COMPARED_FIELDS
        .iter()
        .flat_map(|name| [format!("{name}_a"), format!("{name}_b")]);
    HEAD.iter().map(|name| (*name).to_owned()).chain(sides)
}

fn write_sample(
    reader: &Reader,
    strata: &[Stratum<Pair>],
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let pairs = strata
        .iter()
        .flat_map(|stratum| stratum.sample.iter().map(move |pair| (stratum, pair)));
    if as_json {
        for (stratum, pair) in pairs {
            writeln!(out, "{}", Row::read(reader, stratum, pair)?.as_value())?;
        }
        return Ok(());
    }
    // Spreadsheets read UTF-8 only after this mark.
    out.write_all("\u{feff}".as_bytes())?;
    let mut rows = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(out);
    rows.write_record(heading())?;
    for (stratum, pair) in pairs {
        rows.write_record(Row::read(reader, stratum, pair)?.cells())?;
    }
    rows.flush()?;
    Ok(())
}

/// Reads a judged sample, and writes how many matches are right by rule, an estimate for the whole store,
/// and the commands that part the wrong pairs.
///
/// # Errors
/// If the file cannot be read, is no such sample, or nothing in it is judged.
pub(super) fn judged(
    path: &Path,
    as_json: bool,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let shown = printable(&path.display().to_string());
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    let sample = JudgedSample::read(&text).with_context(|| format!("reading {shown}"))?;
    let numbers: Vec<Judged> = sample.rules.iter().map(|(_, judged)| *judged).collect();
    let Some(estimate) = estimate(&numbers) else {
        return Err(UsageError(format!(
            "nothing is judged in {shown}: the column `same` takes y for one work and n for two"
        ))
        .into());
    };
    if as_json {
        writeln!(out, "{}", sample.as_value(estimate))?;
        return Ok(());
    }
    sample.write(estimate, screen, out)
}

/// What people found in a sample.
#[derive(Debug, Default, PartialEq)]
struct JudgedSample {
    /// By rule, in the order of the file.
    rules: Vec<(String, Judged)>,
    /// The pairs that are two works, as `SOURCE/IDENTIFIER`, and the rules that matched them.
    wrong: Vec<(String, String, String)>,
}

impl JudgedSample {
    /// Reads a sample that a spreadsheet may have saved: with commas, semicolons or tabs between the
    /// cells, and in any order of columns.
    fn read(text: &str) -> anyhow::Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let first_line = text.lines().next().unwrap_or_default();
        let separator = [b',', b';', b'\t']
            .into_iter()
            .max_by_key(|separator| first_line.bytes().filter(|byte| byte == separator).count())
            .unwrap_or(b',');
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .from_reader(text.as_bytes());
        let heading = rows.headers()?.clone();
        let place = |name: &str| {
            heading
                .iter()
                .position(|cell| cell.trim() == name)
                .with_context(|| format!("there is no column `{name}`"))
        };
        let (same, rule, matches) = (place("same")?, place("rule")?, place("matches")?);
        let sides = [
            (place("source_a")?, place("identifier_a")?),
            (place("source_b")?, place("identifier_b")?),
        ];
        let mut sample = Self::default();
        for row in rows.records() {
            let row = row?;
            let line = row.position().map_or(0, csv::Position::line);
            let cell = |at: usize| row.get(at).unwrap_or_default().trim();
            let name = cell(rule);
            let links: u64 = cell(matches).parse().with_context(|| {
                format!(
                    "line {line}: `matches` is {:?}, not a number",
                    cell(matches)
                )
            })?;
            let judged = sample.of_rule(name, links);
            match cell(same).to_lowercase().as_str() {
                "" => {}
                "y" | "yes" | "1" | "true" => judged.judged += 1,
                "n" | "no" | "0" | "false" => {
                    judged.judged += 1;
                    judged.wrong += 1;
                    let record =
                        |(source, identifier)| format!("{}/{}", cell(source), cell(identifier));
                    let [a, b] = sides.map(record);
                    sample.wrong.push((a, b, name.to_owned()));
                }
                other => anyhow::bail!("line {line}: `same` is {other:?}; it takes y or n"),
            }
        }
        Ok(sample)
    }

    fn of_rule(&mut self, name: &str, links: u64) -> &mut Judged {
        let known = self.rules.iter().position(|(rule, _)| rule == name);
        let at = known.unwrap_or_else(|| {
            let judged = Judged {
                links,
                judged: 0,
                wrong: 0,
            };
            self.rules.push((name.to_owned(), judged));
            self.rules.len() - 1
        });
        &mut self.rules[at].1
    }

    fn write(
        &self,
        estimate: Estimate,
        screen: Screen,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let columns = [
            Column::left("rule").cut(),
            Column::right("matches"),
            Column::right("judged"),
            Column::right("wrong"),
        ];
        let rows: Vec<Vec<Cell>> = self
            .rules
            .iter()
            .map(|(rule, judged)| {
                let numbers = [judged.links, judged.judged, judged.wrong];
                let numbers = numbers.iter().map(|number| number.to_string().into());
                std::iter::once(Cell::from(rule.as_str()))
                    .chain(numbers)
                    .collect()
            })
            .collect();
        out.write_all(fit(&columns, &rows, screen).as_bytes())?;
        writeln!(
            out,
            "\nabout {} of the matches are right; with 95 % certainty between {} and {}",
            percent(estimate.share),
            percent(estimate.low),
            percent(estimate.high)
        )?;
        let left_out: u64 = self
            .rules
            .iter()
            .filter(|(_, judged)| judged.judged == 0)
            .map(|(_, judged)| judged.links)
            .sum();
        if left_out > 0 {
            writeln!(
                out,
                "not counted: {left_out} matches of rules of which nothing is judged"
            )?;
        }
        if !self.wrong.is_empty() {
            writeln!(out, "\nto part the wrong ones:")?;
        }
        for (a, b, rule) in &self.wrong {
            writeln!(
                out,
                "  harvestd dedup split {} {} --why \"judged as two works ({})\"",
                shell_word(a),
                shell_word(b),
                printable(rule)
            )?;
        }
        Ok(())
    }

    fn as_value(&self, estimate: Estimate) -> Value {
        let rules = self.rules.iter().map(|(rule, judged)| {
            json!({
                "rule": rule,
                "matches": judged.links,
                "judged": judged.judged,
                "wrong": judged.wrong,
            })
        });
        let wrong = self
            .wrong
            .iter()
            .map(|(a, b, rule)| json!({ "a": a, "b": b, "rule": rule }));
        json!({
            "rules": rules.collect::<Vec<_>>(),
            "right": { "share": estimate.share, "low": estimate.low, "high": estimate.high },
            "wrong": wrong.collect::<Vec<_>>(),
        })
    }
}

fn percent(share: f64) -> String {
    // Rounded down: 99.996 % is not all.
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

/// A text as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    let text = printable(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judged_sample_is_read_as_spreadsheets_save_it() {
        let expected = JudgedSample {
            rules: vec![
                (
                    "weak".to_owned(),
                    Judged {
                        links: 40,
                        judged: 2,
                        wrong: 1,
                    },
                ),
                (
                    "doi".to_owned(),
                    Judged {
                        links: 900,
                        judged: 1,
                        wrong: 0,
                    },
                ),
            ],
            wrong: vec![("s/1".to_owned(), "t/2".to_owned(), "weak".to_owned())],
        };
        let commas = "same,rule,matches,source_a,identifier_a,source_b,identifier_b\r\n\
                      N,weak,40,s,1,t,2\r\nyes,weak,40,s,3,t,4\r\n1,doi,900,s,5,t,6\r\n\
                      ,doi,900,s,7,t,8\r\n";
        let semicolons = "\u{feff}rule;same;matches;source_a;identifier_a;source_b;identifier_b;note\n\
                          weak;n;40;s;1;t;2;\"other; volume\"\nweak;Y;40;s;3;t;4;\n\
                          doi;true;900;s;5;t;6\ndoi;;900;s;7;t;8\n";
        for text in [commas, semicolons] {
            assert_eq!(JudgedSample::read(text).unwrap(), expected);
        }
    }

    #[test]
    fn a_sample_that_cannot_be_read_is_explained() {
        for (text, expected) in [
            ("", "there is no column `same`"),
            ("same,rule\ny,doi\n", "there is no column `matches`"),
            (
                "same,rule,matches,source_a,identifier_a,source_b,identifier_b\n\
                 y,doi,many,s,1,t,2\n",
                "line 2: `matches` is \"many\", not a number",
            ),
            (
                "same,rule,matches,source_a,identifier_a,source_b,identifier_b\n\
                 y,doi,3,s,1,t,2\nmaybe,doi,3,s,1,t,2\n",
                "line 3: `same` is \"maybe\"; it takes y or n",
            ),
        ] {
            let error = JudgedSample::read(text).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn shares_are_never_rounded_up_to_all() {
        assert_eq!(percent(0.999_96), "99.99 %");
        assert_eq!(percent(1.0), "100.00 %");
    }

    #[test]
    fn identifiers_are_one_word_for_a_shell() {
        assert_eq!(shell_word("s/oai:x.org:1"), "s/oai:x.org:1");
        assert_eq!(shell_word("s/it's $HOME"), r"'s/it'\''s $HOME'");
    }
}
