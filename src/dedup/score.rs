//! Measures precision and recall of the rules on a labelled set.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{
    cluster::Partition,
    compare::Comparison,
    description::Description,
    explain::explain,
    labelled::{self, Record, SetError},
    memory,
    rules::Versions,
};

/// The file with the true clusters or pairs.
#[derive(Debug, Clone)]
pub enum Truth {
    /// A table of `id`, `cluster`: all pairs count, records that it does not name are alone. One
    /// whose head line is that of pairs is read as such.
    Clusters(PathBuf),
    /// A table of `id1`, `id2`, `label`: only these pairs count.
    Pairs(PathBuf),
}

/// Why a set could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file could not be read.
    #[error("reading {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// A file has the wrong form.
    #[error("{path}: {error}")]
    Set {
        /// The file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        error: SetError,
    },
    /// The clusters or the report could not be written.
    #[error("writing {what}: {error}")]
    Write {
        /// The file, or `the report`.
        what: String,
        /// The error.
        error: io::Error,
    },
}

/// Numbers of pairs: joined rightly, joined wrongly, missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// True pairs in one cluster.
    pub found: u64,
    /// False pairs in one cluster.
    pub wrong: u64,
    /// True pairs in different clusters.
    pub missed: u64,
}

impl Counts {
    /// Share of the joined pairs that are true; 1 if none was joined.
    pub fn precision(&self) -> f64 {
        share(self.found, self.found + self.wrong)
    }
    /// Share of the true pairs that were joined; 1 if there are none.
    pub fn recall(&self) -> f64 {
        share(self.found, self.found + self.missed)
    }
    /// The harmonic mean of the two.
    pub fn f1(&self) -> f64 {
        share(2 * self.found, 2 * self.found + self.wrong + self.missed)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// A pair on which rules and truth disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The first record's place.
    pub a: u32,
    /// The second record's place.
    pub b: u32,
    /// Whether the pair was joined wrongly; else it was missed.
    pub wrong: bool,
}

/// The outcome over a set.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// Pairs after closure: of two records in one cluster.
    pub counts: Counts,
    /// All disagreements: false merges first, then misses, the most alike in title first.
    pub disagreements: Vec<Disagreement>,
}

/// Scores a partition against the cluster of each record; `None` is a cluster of its own.
pub fn against_clusters(partition: &Partition, truth: &[Option<&str>]) -> Score {
    let ours = cluster_of(partition, truth.len());
    let mut by_cluster: HashMap<&str, Vec<u32>> = HashMap::new();
    for (record, cluster) in (0..).zip(truth) {
        if let Some(cluster) = cluster {
            by_cluster.entry(cluster).or_default().push(record);
        }
    }
    let mut score = Score::default();
    for members in &partition.clusters {
        for (a, b) in pairs(members) {
            let label = truth[a as usize].is_some() && truth[a as usize] == truth[b as usize];
            score.count(a, b, true, label);
        }
    }
    for members in by_cluster.values() {
        for (a, b) in pairs(members).filter(|(a, b)| ours[*a as usize] != ours[*b as usize]) {
            score.count(a, b, false, true);
        }
    }
    score
}

/// Scores a partition of `count` records against labelled pairs.
pub fn against_pairs(partition: &Partition, count: usize, truth: &[(u32, u32, bool)]) -> Score {
    let ours = cluster_of(partition, count);
    let mut score = Score::default();
    for &(a, b, label) in truth {
        score.count(a, b, ours[a as usize] == ours[b as usize], label);
    }
    score
}

impl Score {
    fn count(&mut self, a: u32, b: u32, joined: bool, label: bool) {
        match (joined, label) {
            (true, true) => self.counts.found += 1,
            (true, false) => self.counts.wrong += 1,
            (false, true) => self.counts.missed += 1,
            (false, false) => return,
        }
        if joined != label {
            self.disagreements.push(Disagreement {
                a,
                b,
                wrong: joined,
            });
        }
    }

    /// Puts false merges first, and within both kinds the pairs that are least and most alike.
    fn sort(&mut self, records: &[Description]) {
        self.disagreements.sort_by_cached_key(|d| {
            let c = Comparison::new(
                &records[d.a as usize],
                &records[d.b as usize],
                Versions::default(),
            );
            let alike = (c.title * 1000.0) as i32;
            // The worst false merge is of unlike titles, the worst miss of like ones.
            (!d.wrong, if d.wrong { alike } else { -alike }, d.a, d.b)
        });
    }
}

fn pairs(members: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    members
        .iter()
        .enumerate()
        .flat_map(|(at, a)| members[at + 1..].iter().map(|b| (*a, *b)))
}

/// The number of the cluster of each record.
fn cluster_of(partition: &Partition, count: usize) -> Vec<u32> {
    let mut ours = vec![u32::MAX; count];
    for (number, members) in (0..).zip(&partition.clusters) {
        for member in members {
            ours[*member as usize] = number;
        }
    }
    ours
}

/// Clusters the records of a file, compares with the truth and writes a report.
///
/// The report has the counts, how many names of the truth are those of no record, and at most `worst` disagreements with their explanations. `out` gets
/// one line `id<TAB>cluster` for each record, in the file's order; clusters are numbered.
///
/// # Errors
/// Files that cannot be read, are no such sets, or cannot be written.
pub fn run(
    records: &Path,
    truth: &Truth,
    out: Option<&Path>,
    worst: usize,
    report: &mut dyn Write,
) -> Result<Counts, ScoreError> {
    let set = |path: &Path| {
        let path = path.to_owned();
        move |error| ScoreError::Set { path, error }
    };
    let in_file = labelled::read_records(&read(records)?).map_err(set(records))?;
    // Canonical order is by name, whatever the order of the file.
    let mut sorted: Vec<&Record> = in_file.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let descriptions = memory::describe_all(&sorted, |record| record.describe());
    let partition = memory::cluster_all(&descriptions, &[]);
    let numbers: HashMap<&str, u32> = sorted
        .iter()
        .zip(0..)
        .map(|(record, number)| (record.id.as_str(), number))
        .collect();
    let mut unknown = BTreeSet::new();
    let mut known = |name: &String| {
        if !numbers.contains_key(name.as_str()) {
            unknown.insert(name.clone());
        }
    };
    let (Truth::Clusters(path) | Truth::Pairs(path)) = truth;
    let text = read(path)?;
    let mut score = match truth {
        Truth::Clusters(_) if !labelled::has_pairs(&text) => {
            let clusters = labelled::read_clusters(&text).map_err(set(path))?;
            clusters.keys().for_each(&mut known);
            let truth: Vec<Option<&str>> = sorted
                .iter()
                .map(|record| clusters.get(&record.id).map(String::as_str))
                .collect();
            against_clusters(&partition, &truth)
        }
        Truth::Clusters(_) | Truth::Pairs(_) => {
            let pairs = labelled::read_pairs(&text).map_err(set(path))?;
            pairs
                .iter()
                .flat_map(|(a, b, _)| [a, b])
                .for_each(&mut known);
            let pairs = pairs.iter().filter_map(|(a, b, label)| {
                Some((*numbers.get(a.as_str())?, *numbers.get(b.as_str())?, *label))
            });
            against_pairs(&partition, sorted.len(), &pairs.collect::<Vec<_>>())
        }
    };
    score.sort(&descriptions);
    if let Some(path) = out {
        let ours = cluster_of(&partition, sorted.len());
        let lines: String = in_file
            .iter()
            .map(|record| {
                format!(
                    "{}\t{}\n",
                    record.id,
                    ours[numbers[record.id.as_str()] as usize]
                )
            })
            .collect();
        let failed = |error| ScoreError::Write {
            what: path.display().to_string(),
            error,
        };
        fs::write(path, lines).map_err(failed)?;
    }
    let set = Scored {
        records: &sorted,
        descriptions: &descriptions,
        partition: &partition,
        unknown: &unknown,
    };
    write_report(&score, &set, worst, report).map_err(|error| ScoreError::Write {
        what: "the report".to_owned(),
        error,
    })?;
    Ok(score.counts)
}

fn read(path: &Path) -> Result<String, ScoreError> {
    fs::read_to_string(path).map_err(|error| ScoreError::Read {
        path: path.to_owned(),
        error,
    })
}

/// What a report is about.
struct Scored<'a> {
    records: &'a [&'a Record],
    descriptions: &'a [Description],
    partition: &'a Partition,
    /// Ids in the truth that no record has.
    unknown: &'a BTreeSet<String>,
}

fn write_report(
    score: &Score,
    set: &Scored<'_>,
    worst: usize,
    report: &mut dyn Write,
) -> io::Result<()> {
    let counts = score.counts;
    writeln!(report, "records    {}", set.records.len())?;
    if let Some(first) = set.unknown.first() {
        writeln!(
            report,
            "unknown    {}  (in the truth and not among the records, as {first})",
            set.unknown.len()
        )?;
    }
    writeln!(
        report,
        "precision  {:.4}  ({} wrong)",
        counts.precision(),
        counts.wrong
    )?;
    writeln!(
        report,
        "recall     {:.4}  ({} missed)",
        counts.recall(),
        counts.missed
    )?;
    writeln!(
        report,
        "f1         {:.4}  ({} found)",
        counts.f1(),
        counts.found
    )?;
    let mut pair = |kind: &str, a: u32, b: u32| -> io::Result<()> {
        let (a, b) = (a as usize, b as usize);
        writeln!(
            report,
            "\n{kind}: {} {}",
            set.records[a].id, set.records[b].id
        )?;
        writeln!(
            report,
            "{}",
            explain(
                &set.descriptions[a],
                &set.descriptions[b],
                Versions::default()
            )
        )
    };
    for Disagreement { a, b, wrong } in score.disagreements.iter().take(worst) {
        pair(if *wrong { "false merge" } else { "missed" }, *a, *b)?;
        // The pair itself may agree and only others in the two clusters be in conflict.
        let refused = set
            .partition
            .refusals
            .iter()
            .find(|r| (r.edge.a, r.edge.b) == (*a, *b));
        if let Some(refusal) = refused {
            pair("kept apart by", refusal.between.0, refusal.between.1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(clusters: &[&[u32]]) -> Partition {
        let clusters = clusters.iter().map(|members| members.to_vec()).collect();
        Partition {
            clusters,
            refusals: Vec::new(),
        }
    }

    #[test]
    fn counts_pairs_after_closure() {
        let truth = [Some("x"), Some("x"), Some("x"), Some("y"), None];
        let score = against_clusters(&of(&[&[0, 1, 3], &[2], &[4]]), &truth);
        assert_eq!(
            score.counts,
            Counts {
                found: 1,
                wrong: 2,
                missed: 2
            }
        );
        assert_eq!(score.counts.precision(), 1.0 / 3.0);
        assert_eq!(score.counts.recall(), 1.0 / 3.0);
        assert_eq!(score.counts.f1(), 1.0 / 3.0);
        let alone = against_clusters(&of(&[&[0, 1]]), &[None, None]);
        assert_eq!(
            alone.counts,
            Counts {
                found: 0,
                wrong: 1,
                missed: 0
            }
        );
    }

    #[test]
    fn counts_listed_pairs_alone() {
        let truth = [(0, 1, true), (0, 2, false), (3, 4, true), (2, 3, false)];
        let score = against_pairs(&of(&[&[0, 1, 2], &[3], &[4]]), 5, &truth);
        assert_eq!(
            score.counts,
            Counts {
                found: 1,
                wrong: 1,
                missed: 1
            }
        );
        assert_eq!(Counts::default().precision(), 1.0);
    }

    #[test]
    fn reports_false_merges_first_and_writes_clusters() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let title = "The heart of the matter in small mammals";
        let record = |id: &str, volume: &str| {
            let fields = r#""authors":["Li"],"year":2001,"venue":"Heart""#;
            format!("{{\"id\":\"{id}\",\"title\":\"{title}\",{fields},\"volume\":\"{volume}\"}}\n")
        };
        let records = record("z", "3") + &record("a", "") + &record("m", "4");
        fs::write(path("records.jsonl"), records).unwrap();
        fs::write(path("clusters.tsv"), "id\tcluster\na\tc\nm\tc\n").unwrap();
        let truth = Truth::Clusters(path("clusters.tsv"));
        let mut report = Vec::new();
        let out = path("out.tsv");
        let counts = run(&path("records.jsonl"), &truth, Some(&out), 9, &mut report).unwrap();
        // The record without a volume goes to the first of the two others.
        assert_eq!(
            counts,
            Counts {
                found: 1,
                wrong: 0,
                missed: 0
            }
        );
        assert_eq!(fs::read_to_string(&out).unwrap(), "z\t1\na\t0\nm\t0\n");

        fs::write(
            path("pairs.tsv"),
            "id1\tid2\tlabel\na\tm\t0\na\tz\t1\nq\tz\t1\n",
        )
        .unwrap();
        let truth = Truth::Pairs(path("pairs.tsv"));
        let report = |truth: &Truth| {
            let mut report = Vec::new();
            run(&path("records.jsonl"), truth, None, 9, &mut report).unwrap();
            String::from_utf8(report).unwrap()
        };
        let named = Truth::Clusters(path("pairs.tsv"));
        assert_eq!(report(&named), report(&truth), "a table of pairs is known");
        let report = report(&truth);
        let order: Vec<&str> = report
            .lines()
            .filter(|line| {
                ["false merge", "missed", "kept apart"]
                    .iter()
                    .any(|k| line.starts_with(k))
            })
            .collect();
        assert_eq!(
            order,
            ["false merge: a m", "missed: a z", "kept apart by: m z"]
        );
    }

    #[test]
    fn names_the_file_that_cannot_be_read() {
        let missing = Path::new("/nonexistent/records.jsonl");
        let truth = Truth::Pairs(missing.into());
        let error = run(missing, &truth, None, 0, &mut Vec::new()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("reading /nonexistent/records.jsonl: ")
        );
    }
}
