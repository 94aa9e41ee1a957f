//! `dedup list` and `dedup stats`: lists and counts clusters.

use std::io::Write;

use serde_json::json;

use super::find::name;
use crate::cli::table::{Cell, Column, Screen, fit, printable};
use crate::store::{ClusterFilter, ClusterState, Reader};

/// Writes the clusters of two records or more: as JSON one per line, else with the members below. Names that are
/// too long for the screen lose their middle.
pub(super) fn clusters(
    reader: &Reader,
    filter: &ClusterFilter,
    as_json: bool,
    screen: Screen,
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
        let size = format!(": {} records", cluster.members.len());
        writeln!(out, "{}{size}", screen.shorten(&title, size.len()))?;
        for (member, rank) in cluster.members.iter().zip(0..) {
            let mark = if rank == 0 { "preferred" } else { "" };
            let lead = format!("  {mark:<9}  ");
            writeln!(out, "{lead}{}", screen.shorten(&name(member), lead.len()))?;
        }
    }
    Ok(())
}

/// Writes how many clusters there are.
pub(super) fn stats(
    reader: &Reader,
    as_json: bool,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<()> {
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
    let mut rows: Vec<Vec<Cell>> = numbers
        .iter()
        .map(|(what, number)| vec![(*what).into(), number.to_string().into()])
        .collect();
    for origin in &stats.origins {
        let what = format!("clusters imported from {}", printable(&origin.name));
        rows.push(vec![what.into(), origin.clusters.to_string().into()]);
    }
    let columns = [Column::left("deduplication").cut(), Column::right(state)];
    out.write_all(fit(&columns, &rows, screen).as_bytes())?;
    Ok(())
}
