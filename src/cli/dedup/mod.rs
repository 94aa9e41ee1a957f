//! `harvestd dedup`: shows which records describe one work and why, and takes decisions about them.

mod explain;
mod find;
mod import;
mod list;
mod report;
mod stream;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::{ArgGroup, Subcommand};

use super::exit::{Exit, UsageError};
use super::table::Screen;
use crate::config::Config;
use crate::dedup::rules::Versions;
use crate::dedup::score::{self, Truth};
use crate::store::{
    ClusterFilter, ClusterState, Clustering, Judgement, Reader, RecordId, Store, StoreError,
};

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
    /// Explain the cluster of a record, or why two records match or not
    Explain {
        /// One record or two; a single ID may also be the id of a cluster, also a former one
        #[arg(value_name = "ID", num_args = 1..=2, required = true)]
        records: Vec<String>,
    },
    /// List the clusters of two records or more
    List {
        /// Only those with a record of this source
        #[arg(long, value_name = "SOURCE")]
        source: Option<String>,
        /// Only those with a record that this origin of imported clusters names
        #[arg(long, value_name = "ORIGIN")]
        origin: Option<String>,
        /// Only those with at least N records
        #[arg(long, value_name = "N", default_value_t = 2)]
        min_size: u32,
        /// At most N clusters
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Decide that records are different works: one record and all others of its cluster, or several
    /// records and each other
    Split {
        /// The records
        #[arg(value_name = "ID", required = true)]
        records: Vec<String>,
        /// The reason for the decision
        #[command(flatten)]
        reason: Reason,
    },
    /// Decide that records are one work
    Join {
        /// The records
        #[arg(value_name = "ID", num_args = 2.., required = true)]
        records: Vec<String>,
        /// The reason for the decision
        #[command(flatten)]
        reason: Reason,
    },
    /// Rebuild all clusters; ids and decisions stay
    Rebuild,
    /// Count clusters
    Stats,
    /// Draw a sample of matches for people to judge, the weakest rules first; or read a judged sample
    ///
    /// The sample is CSV: two records side by side, and an empty column `same` for y or n. With
    /// --judged, such a file gives an estimate of how many matches of the store are right.
    Report {
        /// What to draw
        #[command(flatten)]
        sample: report::SampleArgs,
        /// Read a judged sample: how many matches are right by rule, and in the whole store
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
              conflicts_with_all = ["sample", "rule", "source", "seed", "out"])]
        judged: Option<PathBuf>,
    },
    /// Take the clusters that another program found as decisions of a named origin
    Import(import::ImportArgs),
    /// Write the match keys and the description of each record; a filter of JSON lines
    ///
    /// Reads lines of harvestd export --format jsonl, or objects with source, identifier, metadata_prefix and
    /// metadata. Writes record (SOURCE/IDENTIFIER), keys and description. Opens no store.
    Keys,
    /// Compare the records of each key, and write the pairs that match; a filter of JSON lines
    ///
    /// Reads objects with key, record and description. Lines with one key stand next to each other; more than 64 of
    /// them give no pairs, as in a store. Writes a, b, rule and rank; the strongest rule has the lowest rank.
    /// Opens no store.
    Match {
        /// What a preprint and the published article are: one work (together) or two (apart)
        #[arg(long, value_name = "HOW", default_value = "together", value_parser = versions)]
        versions: Versions,
    },
    /// Make clusters of the pairs that match; a filter of JSON lines
    ///
    /// Reads, for each connected component, its records as objects with component, record and description, and its
    /// pairs with component, a, b and rank. Lines of one component stand next to each other. Writes the members of
    /// clusters of two records or more, with cluster, source and identifier. Opens no store.
    Cluster {
        /// What a preprint and the published article are: one work (together) or two (apart)
        #[arg(long, value_name = "HOW", default_value = "together", value_parser = versions)]
        versions: Versions,
    },
    /// Measure the rules on a labelled set of records
    #[command(group = ArgGroup::new("truth").required(true))]
    Score {
        /// The records, one JSON object per line
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        records: PathBuf,
        /// The true clusters, as a table of record and cluster; a table of pairs is recognised by its
        /// header
        #[arg(long, value_name = "FILE", group = "truth", value_hint = clap::ValueHint::FilePath)]
        clusters: Option<PathBuf>,
        /// The true pairs, as a table of two records and a label
        #[arg(long, value_name = "FILE", group = "truth", value_hint = clap::ValueHint::FilePath)]
        pairs: Option<PathBuf>,
        /// Write the clusters that the rules build to this file
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// Show at most this many pairs that the rules get wrong
        #[arg(long, value_name = "N", default_value_t = 10)]
        worst: usize,
    },
}

impl Action {
    /// Whether it is a filter of lines, which needs neither a configuration nor a store.
    pub fn is_filter(&self) -> bool {
        matches!(self, Self::Keys | Self::Match { .. } | Self::Cluster { .. })
    }
}

fn versions(text: &str) -> Result<Versions, String> {
    match text {
        "together" => Ok(Versions::Together),
        "apart" => Ok(Versions::Apart),
        _ => Err("together or apart expected".to_owned()),
    }
}

/// The reason of a decision, and its author.
#[derive(Debug, clap::Args)]
pub struct Reason {
    /// The reason, stored with the decision
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// The person who decided it [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
}

/// The largest number of live records for which clusters are rebuilt at once: it takes seconds.
const REBUILD_AT_ONCE: u64 = 250_000;

/// Turns deduplication on or off as configured; called before a harvest.
///
/// If a rebuild is due, a small store is rebuilt at once. For a large store a warning is logged, and
/// records are stored without clusters until `harvestd dedup rebuild` is run.
///
/// # Errors
/// If the store cannot be written.
pub fn prepare(store: &Store, wanted: &Clustering, now_ms: i64) -> Result<(), StoreError> {
    if store.set_clustering(wanted)? != ClusterState::Due {
        // An import may have been interrupted.
        store.finish_imports(now_ms)?;
        return Ok(());
    }
    let sources = store.reader()?.sources()?;
    let records: u64 = sources.iter().map(|source| source.live_records).sum();
    if records > REBUILD_AT_ONCE {
        tracing::warn!(
            "the clusters of {records} records are out of date; records are stored without clusters \
             until you run `harvestd dedup rebuild`"
        );
        return Ok(());
    }
    let rebuilt = match store.rebuild_clusters(now_ms, |_| ()) {
        // The other rebuild includes the records that are stored meanwhile.
        Err(error @ StoreError::RebuiltElsewhere { .. }) => {
            tracing::info!("{error}");
            return Ok(());
        }
        rebuilt => rebuilt?,
    };
    tracing::info!("rebuilt the clusters of {} records", rebuilt.records);
    Ok(())
}

/// Runs the subcommand and writes the result to `out`; with `json` as JSON, except the report of
/// `score`. Filters read standard input, and always write JSON.
///
/// # Errors
/// If there is no store, if a record is not in it, or if clusters are needed and out of date.
pub fn run(
    args: &Args,
    config: &Config,
    json: bool,
    now_ms: i64,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Keys => stream::run(stream::Keys::default(), io::stdin().lock(), out),
        Action::Match { versions } => {
            stream::run(stream::Blocks::new(*versions), io::stdin().lock(), out)
        }
        Action::Cluster { versions } => {
            stream::run(stream::Components::new(*versions), io::stdin().lock(), out)
        }
        action => with_store(action, config, json, now_ms, screen, out).map(|()| Exit::Done),
    }
}

fn with_store(
    action: &Action,
    config: &Config,
    json: bool,
    now_ms: i64,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match action {
        Action::Keys | Action::Match { .. } | Action::Cluster { .. } => Ok(()),
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
            origin,
            min_size,
            limit,
        } => {
            let reader = Reader::open(&config.store)?;
            let filter = ClusterFilter {
                source: source.clone(),
                origin: origin.clone(),
                min_size: *min_size,
                limit: *limit,
            };
            list::clusters(&reader, &filter, json, screen, out)
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
            report_not_joined(config, records, &found, out)
        }
        Action::Rebuild => rebuild(config, json, now_ms, out),
        Action::Import(args) => import::run(args, config, json, now_ms, out),
        Action::Report {
            judged: Some(path), ..
        } => report::judged(path, json, screen, out),
        Action::Report { sample, .. } => {
            report::sample(&Reader::open(&config.store)?, sample, json, out)
        }
        Action::Stats => list::stats(&Reader::open(&config.store)?, json, screen, out),
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

/// The pairs to split.
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
            return usage(&format!(
                "record {} is alone in its cluster already",
                records[0]
            ));
        }
        return Ok(pairs);
    }
    Ok(pairs(&ids))
}

/// All pairs of the records.
fn pairs(ids: &[RecordId]) -> Vec<(RecordId, RecordId)> {
    let pairs = ids
        .iter()
        .enumerate()
        .flat_map(|(at, a)| ids[at + 1..].iter().map(move |b| (*a, *b)));
    pairs.collect()
}

/// Lists the joined records that are not in the cluster of the first one: an earlier decision about
/// another record of the cluster may prevent it.
fn report_not_joined(
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
             explains why",
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
        return usage("$USER is not set; name the person who decided this with --who");
    };
    let store = Store::open(&config.store)?;
    let moved = store.judge(pairs, judgement, &who, &reason.why, now_ms)?;
    match store.cluster_state()? {
        ClusterState::Current => writeln!(
            out,
            "decision stored; {moved} records moved to another cluster"
        )?,
        ClusterState::Off | ClusterState::Due => writeln!(
            out,
            "decision stored; clusters are out of date: run `harvestd dedup rebuild` to apply it"
        )?,
    }
    Ok(())
}

fn rebuild(config: &Config, json: bool, now_ms: i64, out: &mut impl Write) -> anyhow::Result<()> {
    if !config.dedup.enabled {
        return usage("deduplication is off; set enabled = true under [dedup]");
    }
    // Opening for writing would create a missing store.
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
            "{} records in {:.1} s: {} works, {} clusters of {} records; {} records moved to \
             another cluster",
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
