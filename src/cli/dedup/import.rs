//! `dedup import`: takes the clusters that another program found as decisions of a named origin.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ArgGroup;
use serde::Deserialize;
use serde_json::json;

use crate::cli::exit::UsageError;
use crate::config::Config;
use crate::dedup::cluster::MAX_MEMBERS;
use crate::store::{ClusterState, Reader, RecordId, Store};

/// Arguments of `dedup import`.
#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "\
A file is JSON lines or CSV with a head line, and has for each record the columns cluster, source and identifier.
Records that the store does not have are left out. The records of one cluster are one work then, and those of two
clusters are two. Records that the files do not name are clustered by the rules, as before. Decisions by dedup join
and dedup split win over imported clusters.

An import replaces the earlier one of the same origin as a whole. A file with a faulty line is not imported.

Examples:
  harvestd dedup import clusters/*.json --origin spark
  harvestd dedup import --forget --origin spark"
)]
pub struct ImportArgs {
    /// The files; - for standard input
    #[arg(value_name = "FILE", group = "what", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The name of what has found the clusters
    #[arg(long, value_name = "NAME")]
    pub origin: String,
    /// Forget the clusters of this origin
    #[arg(long, group = "what")]
    pub forget: bool,
}

/// A row of a file.
#[derive(Debug, Deserialize)]
struct Row {
    cluster: String,
    source: String,
    identifier: String,
}

/// What the files have.
#[derive(Debug, Default)]
struct Found {
    rows: u64,
    /// Those whose records are in the store.
    known: u64,
    clusters: Vec<Vec<RecordId>>,
}

/// Imports the clusters, or forgets the origin, and writes what has changed.
///
/// # Errors
/// If there is no store, or if a file cannot be read or has a faulty line; then nothing is imported.
pub(super) fn run(
    args: &ImportArgs,
    config: &Config,
    as_json: bool,
    now_ms: i64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    // Opening for writing would create a missing store.
    let reader = Reader::open(&config.store)?;
    let origin = args.origin.trim();
    if origin.is_empty() {
        return Err(UsageError("--origin needs a name".to_owned()).into());
    }
    let found = match args.forget {
        true if reader.origins()?.iter().all(|known| known.name != origin) => {
            let why = format!("no clusters of the origin {origin:?} are in the store");
            return Err(UsageError(why).into());
        }
        true => Found::default(),
        false => read(&args.files, &reader)?,
    };
    if !args.forget && found.known == 0 {
        let why = format!(
            "none of the {} records is in the store {}; nothing is imported",
            found.rows,
            config.store.display()
        );
        return Err(UsageError(why).into());
    }
    let store = Store::open(&config.store)?;
    let imported = store.import_clusters(origin, &found.clusters, now_ms)?;
    let state = store.cluster_state()?;
    if as_json {
        let value = json!({
            "origin": origin,
            "rows": found.rows,
            "records": found.known,
            "unknown": found.rows - found.known,
            "clusters": found.clusters.len(),
            "changed": imported.changed,
            "moved": imported.moved,
            "state": state,
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    if args.forget {
        write!(out, "the clusters of {origin} are forgotten: ")?;
    } else {
        write!(
            out,
            "{} clusters of {} records imported, {} records are not in the store: ",
            found.clusters.len(),
            found.known,
            found.rows - found.known
        )?;
    }
    match state {
        ClusterState::Current => {
            writeln!(out, "{} records moved to another cluster", imported.moved)?
        }
        ClusterState::Off => writeln!(
            out,
            "deduplication is off: set enabled = true in [dedup], then run `harvestd dedup rebuild`"
        )?,
        ClusterState::Due => writeln!(
            out,
            "clusters are out of date: run `harvestd dedup rebuild` to apply it"
        )?,
    }
    Ok(())
}

/// The clusters of all files, as far as the store has their records.
fn read(files: &[PathBuf], reader: &Reader) -> anyhow::Result<Found> {
    let mut found = Found::default();
    // A cluster's name can be long, and a hash of 128 bits is never that of another one.
    let mut places: HashMap<[u8; 16], Vec<RecordId>> = HashMap::new();
    let mut taken = HashSet::new();
    for path in files {
        let mut take = |row: Row| {
            found.rows += 1;
            let Some(record) = reader.record_id(&row.source, &row.identifier)? else {
                return Ok(());
            };
            if !taken.insert(record) {
                return usage(format!(
                    "record {}/{} is there twice",
                    row.source, row.identifier
                ));
            }
            found.known += 1;
            let hash = blake3::hash(row.cluster.as_bytes());
            let (name, _) = hash.as_bytes().split_first_chunk().expect("32 bytes");
            let members = places.entry(*name).or_default();
            members.push(record);
            if members.len() > MAX_MEMBERS {
                return usage(format!(
                    "cluster {:?} has more than {MAX_MEMBERS} records; no work has so many",
                    row.cluster
                ));
            }
            Ok(())
        };
        rows_of(path, &mut take).with_context(|| format!("reading {}", path.display()))?;
    }
    // In the order of records, so that two imports of one file do the same.
    let mut clusters: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for (_, members) in places {
        let first = members.iter().copied().min().expect("each has a member");
        clusters.insert(first, members);
    }
    found.clusters = clusters.into_values().collect();
    Ok(found)
}

fn usage<T>(why: String) -> anyhow::Result<T> {
    Err(UsageError(why).into())
}

/// Calls `take` with each row of a file: JSON lines if its first character is a brace, else CSV.
fn rows_of(path: &Path, take: &mut dyn FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let input: Box<dyn Read> = match path.as_os_str().to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path)?),
    };
    let mut input = BufReader::new(input);
    let is_json = input
        .fill_buf()?
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        == Some(&b'{');
    if is_json {
        for (line, number) in input.lines().zip(1_u64..) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let row = serde_json::from_str(&line)
                .map_err(|error| UsageError(format!("line {number}: {error}")));
            take(row?).with_context(|| format!("line {number}"))?;
        }
        return Ok(());
    }
    let mut rows = csv::ReaderBuilder::new().from_reader(input);
    for row in rows.deserialize() {
        let row = row.map_err(|error| UsageError(error.to_string()))?;
        take(row)?;
    }
    Ok(())
}
