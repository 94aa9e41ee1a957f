//! `dedup list` and `dedup stats`: lists and counts clusters.

use std::io::Write;

use serde_json::json;

use super::find::name;
use crate::cli::table::{self, Align, printable};
use crate::store::{ClusterFilter, ClusterState, Reader};

/// Writes the clusters of two records or more: as JSON one per line, else with the members below.
pub(super) fn clusters(
    reader: &Reader,
    filter: &ClusterFilter,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    for cluster in reader.clusters(filter)? {
        if as_json {
            let members = cluster
                .members
                .iter()
                .map(|member| json!({ "source": member.source, "identifier": member.identifier }));
            let value = json!({
                "cluster": cluster.name.to_string(),
                "members": members.collect::<Vec<_>>(),
            });
            writeln!(out, "{value}")?;
            continue;
        }
        let title = printable(&cluster.name.to_string());
        writeln!(out, "{title}: {} records", cluster.members.len())?;
        for (member, rank) in cluster.members.iter().zip(0..) {
            let mark = if rank == 0 { "preferred" } else { "" };
            writeln!(out, "  {mark:<9}  {}", name(member))?;
        }
    }
    Ok(())
}

/// Writes how many clusters there are.
pub(super) fn stats(reader: &Reader, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let stats = reader.cluster_stats()?;
    if as_json {
        writeln!(out, "{}", serde_json::to_string(&stats)?)?;
        return Ok(());
    }
    let state = match stats.state {
        ClusterState::Current => "up to date",
        ClusterState::Due => "not up to date: run `harvestd dedup rebuild`",
        ClusterState::Off => "off",
    };
    let numbers = [
        ("records compared", stats.described),
        ("works", stats.works),
        ("clusters", stats.clusters),
        ("records in them", stats.clustered),
        ("records of the largest", stats.largest),
        ("clusters across sources", stats.across_sources),
        ("names that lead to another", stats.redirects),
        ("decisions", stats.decisions),
    ];
    let mut rows: Vec<Vec<String>> = numbers
        .iter()
        .map(|(what, number)| vec![(*what).to_owned(), number.to_string()])
        .collect();
    for origin in &stats.origins {
        let what = format!("clusters imported from {}", printable(&origin.name));
        rows.push(vec![what, origin.clusters.to_string()]);
    }
    let columns = [("deduplication", Align::Left), (state, Align::Right)];
    out.write_all(table::render(&columns, &rows).as_bytes())?;
    Ok(())
}
