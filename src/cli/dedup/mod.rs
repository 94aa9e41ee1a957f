//! `harvestd dedup`: which records describe one work, and why; decisions about them.

mod explain;
mod find;
mod list;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::{ArgGroup, Subcommand};

use super::exit::UsageError;
use crate::config::Config;
use crate::dedup::score::{self, Truth};
use crate::store::{ClusterState, Clustering, Judgement, Reader, RecordId, Store, StoreError};

/// Arguments of `dedup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Records are named by their OAI identifier, or by SOURCE/IDENTIFIER where several sources have it.

Examples:
  harvestd dedup explain oai:doaj.org/article:0123456789abcdef0123456789abcdef
  harvestd dedup list --min-size 3
  harvestd dedup split oai:x.org:1 oai:x.org:2 --why \"two editions\"")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What `dedup` can do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the cluster of a record and why each member is in it, or why two records are one work or
    /// not
    Explain {
        /// One record or two; one may also be the name of a cluster, an old one included
        #[arg(value_name = "ID", num_args = 1..=2, required = true)]
        records: Vec<String>,
    },
    /// List the clusters of two records or more
    List {
        /// Only those with a record of this source
        #[arg(long, value_name = "SOURCE")]
        source: Option<String>,
        /// Only those with at least N records
        #[arg(long, value_name = "N", default_value_t = 2)]
        min_size: u32,
        /// At most N clusters
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Decide that records are different works: one from all others of its cluster, or several from
    /// each other
    Split {
        /// The records
        #[arg(value_name = "ID", required = true)]
        records: Vec<String>,
        /// Who decided it, and why
        #[command(flatten)]
        reason: Reason,
    },
    /// Decide that records are one work
    Join {
        /// The records
        #[arg(value_name = "ID", num_args = 2.., required = true)]
        records: Vec<String>,
        /// Who decided it, and why
        #[command(flatten)]
        reason: Reason,
    },
    /// Make all clusters anew; names and decisions stay
    Rebuild,
    /// Count clusters
    Stats,
    /// Measure the rules on records of which it is known which are one work
    #[command(group = ArgGroup::new("truth").required(true))]
    Score {
        /// The records, one JSON object in each line
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        records: PathBuf,
        /// The truth, as a table of record and cluster; one of pairs is known by its head line
        #[arg(long, value_name = "FILE", group = "truth", value_hint = clap::ValueHint::FilePath)]
        clusters: Option<PathBuf>,
        /// The truth, as a table of pairs and whether they are one work
        #[arg(long, value_name = "FILE", group = "truth", value_hint = clap::ValueHint::FilePath)]
        pairs: Option<PathBuf>,
        /// Where to write the clusters that the rules make
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// How many pairs to show on which rules and truth disagree
        #[arg(long, value_name = "N", default_value_t = 10)]
        worst: usize,
    },
}

/// Why a decision was made, and by whom.
#[derive(Debug, clap::Args)]
pub struct Reason {
    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who decided it [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
}

/// A store with at most so many live records is clustered anew at once where that is due: it takes
/// seconds.
const SOON_DONE: u64 = 250_000;

/// Has a store cluster the records that come, as configured; to be called before a harvest.
///
/// Where a rebuild is due, does it if the store is small. Otherwise warns, and records are stored
/// without being clustered until somebody runs it.
///
/// # Errors
/// As any write.
pub fn prepare(store: &Store, wanted: &Clustering, now_ms: i64) -> Result<(), StoreError> {
    if store.set_clustering(wanted)? != ClusterState::Due {
        return Ok(());
    }
    let sources = store.reader()?.sources()?;
    let records: u64 = sources.iter().map(|source| source.live_records).sum();
    if records > SOON_DONE {
        tracing::warn!(
            "the clusters of {records} records are not up to date, and records are stored without \
             being clustered until `harvestd dedup rebuild` has been run"
        );
        return Ok(());
    }
    let rebuilt = match store.rebuild_clusters(now_ms, |_| ()) {
        // It takes in what is stored meanwhile.
        Err(error @ StoreError::RebuiltElsewhere { .. }) => {
            tracing::info!("{error}");
            return Ok(());
        }
        rebuilt => rebuilt?,
    };
    tracing::info!(
        "clustered the {} records of the store anew",
        rebuilt.records
    );
    Ok(())
}

/// Does what was asked for and writes what came of it to `out`; with `json` as JSON, but for the
/// report of `score`.
///
/// # Errors
/// If there is no store, if its clusters are not up to date where they are needed, or if a record
/// is not in it.
pub fn run(
    args: &Args,
    config: &Config,
    json: bool,
    now_ms: i64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match &args.action {
        Action::Explain { records } => {
            let reader = Reader::open(&config.store)?;
            match records.as_slice() {
                [a, b] => explain::pair(&reader, a, b, json, out),
                records => records
                    .iter()
                    .try_for_each(|id| explain::one(&reader, id, json, out)),
            }
        }
        Action::List {
            source,
            min_size,
            limit,
        } => {
            let reader = Reader::open(&config.store)?;
            list::clusters(&reader, source.as_deref(), *min_size, *limit, json, out)
        }
        Action::Split { records, reason } => {
            let reader = Reader::open(&config.store)?;
            let pairs = apart(&reader, records)?;
            judge(config, &pairs, Judgement::Split, reason, now_ms, out)
        }
        Action::Join { records, reason } => {
            let reader = Reader::open(&config.store)?;
            let found = found(&reader, records)?;
            judge(config, &pairs(&found), Judgement::Join, reason, now_ms, out)?;
            say_who_is_apart(config, records, &found, out)
        }
        Action::Rebuild => rebuild(config, json, now_ms, out),
        Action::Stats => list::stats(&Reader::open(&config.store)?, json, out),
        Action::Score {
            records,
            clusters,
            pairs,
            out: file,
            worst,
        } => {
            let truth = match (clusters, pairs) {
                (Some(path), _) => Truth::Clusters(path.clone()),
                (None, Some(path)) => Truth::Pairs(path.clone()),
                (None, None) => return usage("--clusters or --pairs is missing"),
            };
            score::run(records, &truth, file.as_deref(), *worst, out)?;
            Ok(())
        }
    }
}

fn usage<T>(message: &str) -> anyhow::Result<T> {
    Err(UsageError(message.to_owned()).into())
}

fn found(reader: &Reader, records: &[String]) -> anyhow::Result<Vec<RecordId>> {
    let mut ids = Vec::new();
    for text in records {
        let id = find::one(reader, text)?.record;
        if ids.contains(&id) {
            return usage(&format!("record {text} is given twice"));
        }
        ids.push(id);
    }
    Ok(ids)
}

/// The pairs that are to be kept apart.
fn apart(reader: &Reader, records: &[String]) -> anyhow::Result<Vec<(RecordId, RecordId)>> {
    let ids = found(reader, records)?;
    if let [alone] = ids[..] {
        let members = reader
            .cluster_of(alone)?
            .map_or_else(Vec::new, |cluster| cluster.members);
        let others = members.iter().map(|member| member.record);
        let pairs: Vec<_> = others
            .filter(|other| *other != alone)
            .map(|other| (alone, other))
            .collect();
        if pairs.is_empty() {
            return usage(&format!("record {} is alone already", records[0]));
        }
        return Ok(pairs);
    }
    Ok(pairs(&ids))
}

/// Each with each.
fn pairs(ids: &[RecordId]) -> Vec<(RecordId, RecordId)> {
    let pairs = ids
        .iter()
        .enumerate()
        .flat_map(|(at, a)| ids[at + 1..].iter().map(move |b| (*a, *b)));
    pairs.collect()
}

/// Tells which of the joined records are not with the first one: an earlier decision about another
/// record of its cluster may be in the way.
fn say_who_is_apart(
    config: &Config,
    records: &[String],
    ids: &[RecordId],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    if reader.cluster_state()? != ClusterState::Current {
        return Ok(());
    }
    let cluster = reader.cluster_of(ids[0])?;
    let members = cluster.map_or_else(Vec::new, |cluster| cluster.members);
    let is_apart = |id: &RecordId| members.iter().all(|member| member.record != *id);
    let others = records.iter().zip(ids).skip(1);
    for (record, _) in others.filter(|(_, id)| is_apart(id)) {
        writeln!(
            out,
            "{record} is not in the cluster of {first}: `harvestd dedup explain {first} {record}` \
             says what is in the way",
            first = records[0]
        )?;
    }
    Ok(())
}

fn judge(
    config: &Config,
    pairs: &[(RecordId, RecordId)],
    judgement: Judgement,
    reason: &Reason,
    now_ms: i64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let Some(who) = reason.who.clone().or(user) else {
        return usage("$USER is not set; say with --who who decided this");
    };
    let store = Store::open(&config.store)?;
    let moved = store.judge(pairs, judgement, &who, &reason.why, now_ms)?;
    match store.cluster_state()? {
        ClusterState::Current => writeln!(out, "stored; {moved} records have another place now")?,
        ClusterState::Off | ClusterState::Due => writeln!(
            out,
            "stored; clusters are not up to date, so it takes effect with `harvestd dedup rebuild`"
        )?,
    }
    Ok(())
}

fn rebuild(config: &Config, json: bool, now_ms: i64, out: &mut impl Write) -> anyhow::Result<()> {
    if !config.dedup.enabled {
        return usage("deduplication is off; set enabled = true under [dedup]");
    }
    // Opening it for writing would make a store where there is none.
    let reader = Reader::open(&config.store)?;
    let store = Store::open(&config.store)?;
    let begun = Instant::now();
    let mut told = 0;
    store.set_clustering(&config.dedup)?;
    let rebuilt = store.rebuild_clusters(now_ms, |records| {
        if records >= told + 500_000 {
            told = records;
            tracing::info!("{records} records read");
        }
    })?;
    let stats = reader.cluster_stats()?;
    if json {
        let value = serde_json::json!({
            "records": rebuilt.records,
            "described": rebuilt.described,
            "moved": rebuilt.moved,
            "seconds": begun.elapsed().as_secs_f64(),
            "clusters": stats,
        });
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{} records in {:.1} s: {} works, {} clusters of {} records; {} records have another \
             place now",
            rebuilt.records,
            begun.elapsed().as_secs_f64(),
            stats.works,
            stats.clusters,
            stats.clustered,
            rebuilt.moved
        )?;
    }
    Ok(())
}
