//! One run over many sources: those of one host one after the other, hosts side by side.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::fetch::host;
use super::pass::{Context, Report, harvest};
use super::plan::RunOptions;
use super::settings::SourceSettings;
use crate::end::End;
use crate::oai::client::Client;

/// Harvests `sources`, and gives a report for each, in their order.
///
/// A host is never asked by two sources at once: limits of rate are per client address.
pub async fn harvest_all(
    context: &Context,
    sources: &[SourceSettings],
    options: &RunOptions,
) -> Vec<Report> {
    let mut hosts: BTreeMap<String, Vec<(usize, SourceSettings)>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        hosts
            .entry(host(source))
            .or_default()
            .push((number, source.clone()));
    }
    let mut tasks = JoinSet::new();
    for sources in hosts.into_values() {
        let (context, options) = (context.clone(), options.clone());
        tasks.spawn(async move {
            let mut reports = Vec::new();
            for (number, source) in sources {
                reports.push((number, harvest_one(&context, &source, &options).await));
            }
            reports
        });
    }
    let mut reports: Vec<(usize, Report)> = tasks.join_all().await.into_iter().flatten().collect();
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}

async fn harvest_one(context: &Context, source: &SourceSettings, options: &RunOptions) -> Report {
    match Client::new(&source.client) {
        Ok(client) => harvest(context, &client, source, options).await,
        Err(error) => Report::without_start(source, End::Incomplete(error.to_string())),
    }
}
