//! Why records are one work, or are not.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::bail;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::find::{self, name};
use crate::cli::exit::UsageError;
use crate::cli::table::printable;
use crate::dedup::description::Description;
use crate::dedup::explain::{ADDRESS, Explanation, explain};
use crate::dedup::rules::Verdict;
use crate::store::{Cluster, Decision, ImportedCluster, Judgement, Member, Reader};

/// Writes the cluster of a record, or of a name of a cluster, and why each member is in it.
pub(super) fn one(
    reader: &Reader,
    text: &str,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let clusters = clusters(reader, text)?;
    for (at, cluster) in clusters.iter().enumerate() {
        let told = Told::read(reader, cluster)?;
        if as_json {
            writeln!(out, "{}", told.as_value())?;
        } else {
            if at > 0 {
                writeln!(out)?;
            }
            told.write(out)?;
        }
    }
    Ok(())
}

/// The clusters that a text can mean: more than one if it is an identifier in several sources.
fn clusters(reader: &Reader, text: &str) -> anyhow::Result<Vec<Cluster>> {
    let mut records = find::all(reader, text)?;
    let mut generation = 0;
    if records.is_empty()
        && let Some((record, number)) = text.rsplit_once('~')
        && let Ok(number) = number.parse()
    {
        records = find::all(reader, record)?;
        generation = number;
    }
    if records.is_empty() {
        return Err(UsageError(format!("no record {text:?} in the store")).into());
    }
    let mut found: Vec<Cluster> = Vec::new();
    for member in &records {
        let own = match generation {
            0 => reader.cluster_of(member.record)?,
            _ => None,
        };
        // A cluster keeps its name when the record leaves that it is named after.
        let named = reader.cluster_named(member.record, generation)?;
        for cluster in own.into_iter().chain(named) {
            if found.iter().all(|other| other.name != cluster.name) {
                found.push(cluster);
            }
        }
    }
    if found.is_empty() {
        return Err(
            UsageError(format!("record {text:?} is deleted, and so is its cluster")).into(),
        );
    }
    Ok(found)
}

/// A cluster and all there is to say about it.
struct Told<'a> {
    cluster: &'a Cluster,
    preference: String,
    /// Of each member the strongest reason to be with another one; `None` where people or an import joined it.
    reasons: Vec<(&'a Member, Option<(&'a Member, Explanation)>)>,
    /// Of each member its imported clusters.
    imported: Vec<(&'a Member, Vec<ImportedCluster>)>,
    decisions: Vec<Decision>,
}

impl<'a> Told<'a> {
    fn read(reader: &Reader, cluster: &'a Cluster) -> anyhow::Result<Self> {
        let mut described = Vec::new();
        let mut decisions: Vec<Decision> = Vec::new();
        let mut imported = Vec::new();
        for member in &cluster.members {
            described.push((
                member,
                reader.description(member.record)?.unwrap_or_default(),
            ));
            imported.push((member, reader.imported_clusters(member.record)?));
            let new = reader.decisions(member.record)?;
            for new in new {
                // Each stands with both of its records.
                if !decisions.contains(&new) {
                    decisions.push(new);
                }
            }
        }
        let versions = reader.versions()?;
        let mut reasons = Vec::new();
        for (member, description) in described.iter().skip(1) {
            let others = described.iter().filter(|(other, _)| other != member);
            let strongest = others
                .map(|(other, there)| (*other, explain(description, there, versions)))
                .filter(|(_, explanation)| explanation.decision.verdict() == Verdict::Same)
                .min_by_key(|(_, explanation)| explanation.decision.rank);
            let strongest = match strongest {
                Some((other, explanation)) => {
                    Some((other, with_addresses(reader, member, other, explanation)?))
                }
                None => None,
            };
            reasons.push((*member, strongest));
        }
        Ok(Self {
            cluster,
            preference: preference(&described, &reader.preferred_sources()?),
            reasons,
            imported,
            decisions,
        })
    }

    fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let count = self.cluster.members.len();
        let title = printable(&self.cluster.name.to_string());
        let records = if count == 1 { "record" } else { "records" };
        writeln!(out, "cluster {title}, {count} {records}")?;
        if let Some(first) = self.cluster.members.first() {
            writeln!(out, "preferred {}: {}", name(first), self.preference)?;
        }
        for (member, reason) in &self.reasons {
            writeln!(out, "member {}", name(member))?;
            match reason {
                Some((other, explanation)) => {
                    writeln!(out, "  with {}", name(other))?;
                    for line in explanation.to_string().lines() {
                        writeln!(out, "  {line}")?;
                    }
                }
                None => match self.origin_of(member) {
                    Some((origin, other)) => {
                        writeln!(out, "  with {}", name(other))?;
                        writeln!(out, "  by the clusters of {}", printable(origin))?;
                    }
                    None => writeln!(out, "  by decision")?,
                },
            }
        }
        write_decisions(&self.decisions, out)
    }

    /// The origin that has a member and another one in one cluster, and this other one.
    fn origin_of(&self, member: &Member) -> Option<(&str, &Member)> {
        let (_, own) = self.imported.iter().find(|(other, _)| *other == member)?;
        let others = || self.imported.iter().filter(|(other, _)| *other != member);
        own.iter().find_map(|cluster| {
            let joined = others().find(|(_, theirs)| cluster.joins(theirs) == Some(true));
            joined.map(|(other, _)| (cluster.origin.as_str(), *other))
        })
    }

    fn as_value(&self) -> Value {
        let reasons = self.reasons.iter().map(|(member, reason)| {
            json!({
                "origin": self.origin_of(member).map(|(origin, _)| origin),
                "record": name(member),
                "with": reason.as_ref().map(|(other, _)| name(other)),
                "reason": reason.as_ref().map(|(_, explanation)| as_value(explanation)),
            })
        });
        json!({
            "cluster": self.cluster.name.to_string(),
            "members": self.cluster.members.iter().map(name).collect::<Vec<_>>(),
            "preferred": self.preference,
            "reasons": reasons.collect::<Vec<_>>(),
            "decisions": self.decisions,
        })
    }
}

/// The explanation with addresses as written, where the rules have hashes.
fn with_addresses(
    reader: &Reader,
    a: &Member,
    b: &Member,
    mut explanation: Explanation,
) -> anyhow::Result<Explanation> {
    let mut fields = explanation.fields.iter_mut();
    if let Some(address) = fields.find(|field| field.field == ADDRESS) {
        let compared = reader.compared(a, b)?;
        let (of_a, of_b) = compared.values("url");
        (address.a, address.b) = (of_a.to_owned(), of_b.to_owned());
    }
    Ok(explanation)
}

/// Explains why the first member is the canonical record.
fn preference(members: &[(&Member, Description)], order: &[String]) -> String {
    let [(first, description), others @ ..] = members else {
        return String::new();
    };
    if others.is_empty() {
        return "the only member".to_owned();
    }
    let others: Vec<_> = others
        .iter()
        .filter(|(_, other)| description.filled() == 0 || other.filled() > 0)
        .collect();
    if others.is_empty() {
        return "the only member that the rules can read".to_owned();
    }
    let place = |member: &Member| order.iter().position(|source| *source == member.source);
    if place(first).is_some() && others.iter().all(|(other, _)| place(other) != place(first)) {
        return format!(
            "source {} comes first in the configured order",
            first.source
        );
    }
    let filled = description.filled();
    // Members of less preferred sources may have more fields; they do not compete.
    let rivals: Vec<_> = others
        .iter()
        .filter(|(other, _)| place(other) == place(first))
        .collect();
    if rivals.iter().all(|(_, rival)| rival.filled() < filled) {
        return format!(
            "{filled} known fields, more than the other members of equally preferred sources"
        );
    }
    format!("{filled} known fields, as many as any other member, and stored first")
}

/// Explains why two records match or not, and what else keeps them apart.
pub(super) fn pair(
    reader: &Reader,
    a: &str,
    b: &str,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (a, b) = (find::one(reader, a)?, find::one(reader, b)?);
    let mut unread = Vec::new();
    let mut described = |member: &Member| -> anyhow::Result<Description> {
        let name = name(member);
        if member.deleted {
            bail!("record {name} is deleted, so there is nothing to compare");
        }
        let description = reader.description(member.record)?;
        Ok(description.unwrap_or_else(|| {
            unread.push(name);
            Description::default()
        }))
    };
    let explanation = explain(&described(&a)?, &described(&b)?, reader.versions()?);
    let explanation = with_addresses(reader, &a, &b, explanation)?;
    let mut decisions = reader.decisions(a.record)?;
    decisions.retain(|decision| [decision.a.record, decision.b.record].contains(&b.record));
    let imported = imported(reader, &a, &b)?;
    let together = together(reader, &a, &b)?;
    if as_json {
        let value = json!({
            "a": name(&a),
            "b": name(&b),
            "rules": as_value(&explanation),
            "unread": unread,
            "decisions": decisions,
            "imported": imported.iter().map(|(by, joins)| json!({
                "origin": by.origin,
                "at": time(by.at),
                "joins": joins,
            })).collect::<Vec<_>>(),
            "one_cluster": together.is_none(),
            "apart_because": together.as_ref().map(Apart::to_string),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(out, "{}\n{}\n{explanation}", name(&a), name(&b))?;
    for name in unread {
        writeln!(
            out,
            "the rules cannot read {name}: only a decision (dedup join) can match it"
        )?;
    }
    write_decisions(&decisions, out)?;
    for (by, joins) in &imported {
        let works = if *joins { "one work" } else { "two works" };
        let origin = printable(&by.origin);
        writeln!(
            out,
            "imported: {works} by the clusters of {origin} at {}",
            time(by.at)
        )?;
    }
    match together {
        None => writeln!(out, "they are in one cluster")?,
        Some(apart) => writeln!(out, "they are in two clusters: {apart}")?,
    }
    Ok(())
}

/// What imported clusters say about two records: of each origin that has both, whether they are one work.
fn imported(
    reader: &Reader,
    a: &Member,
    b: &Member,
) -> anyhow::Result<Vec<(ImportedCluster, bool)>> {
    let of_b = reader.imported_clusters(b.record)?;
    let of_a = reader.imported_clusters(a.record)?.into_iter();
    let both = of_a.filter_map(|cluster| {
        let joins = cluster.joins(&of_b)?;
        Some((cluster, joins))
    });
    Ok(both.collect())
}

/// The reason why two records are in different clusters.
enum Apart {
    /// No rule and no decision joins them.
    Nothing,
    /// Two members of their clusters, possibly the records themselves, that may not be together.
    Veto(String, String, &'static str),
    /// The rules match them, but their keys are too common or the cluster would be too large.
    Unseen,
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => write!(f, "no rule and no decision joins them"),
            Self::Veto(a, b, why) => write!(f, "{a} and {b} cannot be together ({why})"),
            Self::Unseen => write!(
                f,
                "their match keys are shared by too many records, or their cluster would be too large"
            ),
        }
    }
}

/// The reason why two records are in different clusters; `None` if they are in one.
fn together(reader: &Reader, a: &Member, b: &Member) -> anyhow::Result<Option<Apart>> {
    let (Some(left), Some(right)) = (reader.cluster_of(a.record)?, reader.cluster_of(b.record)?)
    else {
        return Ok(Some(Apart::Nothing));
    };
    if left.name == right.name {
        return Ok(None);
    }
    let mut describe = Vec::new();
    for member in left.members.iter().chain(&right.members) {
        describe.push(reader.description(member.record)?.unwrap_or_default());
    }
    let (there, here) = (describe.split_off(left.members.len()), describe);
    let clusters = |members: &[Member]| -> anyhow::Result<Vec<Vec<ImportedCluster>>> {
        let of = members
            .iter()
            .map(|member| reader.imported_clusters(member.record));
        Ok(of.collect::<Result<_, _>>()?)
    };
    let (imported_left, imported_right) = (clusters(&left.members)?, clusters(&right.members)?);
    let mut split = BTreeSet::new();
    for member in &left.members {
        for decision in reader.decisions(member.record)? {
            if decision.judgement == Judgement::Split {
                split.insert((decision.a.record, decision.b.record));
            }
        }
    }
    let versions = reader.versions()?;
    let mut same = false;
    for ((x, one), of_x) in left.members.iter().zip(&here).zip(&imported_left) {
        for ((y, other), of_y) in right.members.iter().zip(&there).zip(&imported_right) {
            let pair = (x.record.min(y.record), x.record.max(y.record));
            if split.contains(&pair) {
                return Ok(Some(Apart::Veto(name(x), name(y), "a decision")));
            }
            if of_x
                .iter()
                .any(|cluster| cluster.joins(of_y) == Some(false))
            {
                return Ok(Some(Apart::Veto(name(x), name(y), "imported clusters")));
            }
            let decision = explain(one, other, versions).decision;
            match decision.verdict() {
                Verdict::Different => {
                    return Ok(Some(Apart::Veto(name(x), name(y), decision.rule.why)));
                }
                Verdict::Same => same = true,
                Verdict::Unsure => {}
            }
        }
    }
    Ok(Some(if same { Apart::Unseen } else { Apart::Nothing }))
}

fn write_decisions(decisions: &[Decision], out: &mut impl Write) -> anyhow::Result<()> {
    for decision in decisions {
        let verb = match decision.judgement {
            Judgement::Join => "joined",
            Judgement::Split => "split",
        };
        let at = time(decision.at);
        writeln!(
            out,
            "decision: {} and {} {verb} by {} at {at}: {}",
            name(&decision.a),
            name(&decision.b),
            decision.who,
            decision.why
        )?;
    }
    Ok(())
}

/// A time in milliseconds since 1970, for people.
fn time(at: i64) -> String {
    DateTime::from_timestamp_millis(at).map_or_else(
        || "?".to_owned(),
        |at| at.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

fn as_value(explanation: &Explanation) -> Value {
    let verdict = match explanation.decision.verdict() {
        Verdict::Same => "same",
        Verdict::Different => "different",
        Verdict::Unsure => "unsure",
    };
    let fields = explanation.fields.iter().map(
        |field| json!({ "field": field.field, "a": field.a, "b": field.b, "result": field.result }),
    );
    json!({
        "verdict": verdict,
        "rule": explanation.decision.rule.name,
        "why": explanation.decision.rule.why,
        "fields": fields.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use crate::store::RecordId;

    use super::*;

    #[test]
    fn preference_says_what_decided() {
        let member = |source: &str| Member {
            record: RecordId(1),
            source: source.to_owned(),
            identifier: "a".to_owned(),
            deleted: false,
        };
        let known = |fields: usize| Description {
            year: (fields > 0).then_some(2001),
            volume: (fields > 1).then(|| "7".into()),
            ..Description::default()
        };
        for (members, expected) in [
            (vec![("b", 1)], "the only member"),
            (
                vec![("b", 1), ("a", 0)],
                "the only member that the rules can read",
            ),
            (
                vec![("a", 1), ("b", 2), ("a", 0)],
                "source a comes first in the configured order",
            ),
            (
                vec![("a", 2), ("a", 1)],
                "2 known fields, more than the other members of equally preferred sources",
            ),
            (
                vec![("b", 0), ("b", 0)],
                "0 known fields, as many as any other member, and stored first",
            ),
        ] {
            let members: Vec<(Member, Description)> = members
                .into_iter()
                .map(|(source, fields)| (member(source), known(fields)))
                .collect();
            let members: Vec<(&Member, Description)> = members
                .iter()
                .map(|(member, description)| (member, description.clone()))
                .collect();
            assert_eq!(preference(&members, &["a".to_owned()]), expected);
        }
    }
}
