//! The conditions that are wrong now, and how they differ from those that were reported.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::config::Config;
use crate::harvest::gaps_in_words;
use crate::http::excerpt;
use crate::store::{Condition, Job, JobOutcome, Reader, Source, StoreError, WarningKind};

/// A condition that can hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    /// `source`, `output`, `export` or `store`.
    pub(super) subject: &'static str,
    /// Which one.
    pub(super) name: String,
    /// The condition, in one word.
    pub(super) kind: &'static str,
    /// Whether it holds.
    pub(super) holds: Holds,
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holds {
    /// It holds; the text is for people.
    Yes(String),
    /// It does not hold.
    No,
    /// It is not known, so it stays as it was.
    Unknown,
}

impl Holds {
    fn of(message: Option<String>) -> Self {
        message.map_or(Self::No, Self::Yes)
    }
}

/// The conditions that have changed since they were reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Those that have begun.
    pub(super) begun: Vec<Condition>,
    /// Those that are over.
    pub(super) over: Vec<Condition>,
    /// Those that are no longer observed, since their source or output is not configured any more. They are
    /// not reported.
    pub(super) dropped: Vec<Condition>,
}

/// Compares the reported conditions with the observed ones.
pub(super) fn changes(told: &[Condition], observed: &[Observed], now_ms: i64) -> Changes {
    let mut changes = Changes::default();
    let mut unseen: HashMap<(&str, &str, &str), &Condition> = told
        .iter()
        .map(|told| {
            let key = (
                told.subject.as_str(),
                told.name.as_str(),
                told.kind.as_str(),
            );
            (key, told)
        })
        .collect();
    for one in observed {
        let known = unseen.remove(&(one.subject, one.name.as_str(), one.kind));
        match (&one.holds, known) {
            (Holds::Yes(message), None) => changes.begun.push(Condition {
                subject: one.subject.to_owned(),
                name: one.name.clone(),
                kind: one.kind.to_owned(),
                message: message.clone(),
                since_at: now_ms,
            }),
            (Holds::No, Some(known)) => changes.over.push(known.clone()),
            _ => {}
        }
    }
    let is_gone = |told: &&Condition| {
        let key = (
            told.subject.as_str(),
            told.name.as_str(),
            told.kind.as_str(),
        );
        unseen.contains_key(&key)
    };
    changes.dropped = told.iter().filter(is_gone).cloned().collect();
    changes
}

/// The longest message of an alert, in characters.
const MESSAGE_CHARS: usize = 2_000;

/// The JSON of an alert: a condition has begun or is over.
pub(super) fn body(condition: &Condition, over: bool, now_ms: i64) -> String {
    let state = if over { "over" } else { "begun" };
    let text = |at_ms: i64| {
        let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
        at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    let Condition {
        subject,
        name,
        kind,
        message,
        since_at,
    } = condition;
    // It may be made of many texts, and a variable of a program's environment has a limit.
    let message = excerpt(message, MESSAGE_CHARS);
    let seed = format!("{subject}\n{name}\n{kind}\n{state}\n{now_ms}");
    json!({
        "id": &blake3::hash(seed.as_bytes()).to_hex()[..16],
        "at": text(now_ms),
        "subject": subject,
        "name": name,
        "condition": kind,
        "state": state,
        "since": text(*since_at),
        "message": message,
        "text": match over {
            true => format!("harvestd: {subject} {name}: no longer {}", kind.replace('_', " ")),
            false => format!("harvestd: {subject} {name}: {}: {message}", kind.replace('_', " ")),
        },
        "program": concat!("harvestd ", env!("CARGO_PKG_VERSION")),
    })
    .to_string()
}

/// Looks at everything that can be wrong with the configured sources, outputs and exports, and the store.
/// `free_bytes` is the space that is left for the store.
pub(super) fn observe(
    reader: &Reader,
    config: &Config,
    free_bytes: Option<u64>,
    now_ms: i64,
) -> Result<Vec<Observed>, StoreError> {
    let mut observed = vec![store(config, free_bytes)];
    let jobs = last_jobs(reader.jobs()?);
    let troubled = reader.troubled_sources()?;
    let known: BTreeMap<String, Source> = reader
        .sources()?
        .into_iter()
        .map(|source| (source.name.clone(), source))
        .collect();
    let mut observe = |subject, name: &str, kind, holds| {
        observed.push(Observed {
            subject,
            name: name.to_owned(),
            kind,
            holds,
        });
    };
    for settings in &config.sources {
        let name = &settings.name;
        // Nearly all sources have nothing to look at.
        let known = known.get(name);
        let known = known.filter(|source| troubled.contains(&source.id));
        let warnings = match known {
            Some(source) => reader.warnings(source.id)?,
            None => Vec::new(),
        };
        let warned = |kinds: &[WarningKind]| {
            let of_kind = warnings
                .iter()
                .filter(|warning| kinds.contains(&warning.kind));
            let messages: Vec<&str> = of_kind.map(|warning| warning.message.as_str()).collect();
            Holds::of((!messages.is_empty()).then(|| messages.join("; ")))
        };
        let suspicious = warned(&[
            WarningKind::FewerRecords,
            WarningKind::EmptySet,
            WarningKind::CountsDisagree,
            WarningKind::NoProof,
            WarningKind::BeginsLate,
        ]);
        let held = warned(&[WarningKind::HeldDeletions]);
        let growth = warned(&[WarningKind::HeldGrowth]);
        let without_effect = warned(&[WarningKind::CredentialsWithoutEffect]);
        let gaps = match known {
            Some(source) => gaps_in_words(source, &reader.gaps(source)?, now_ms),
            None => None,
        };
        observe("source", name, "failing", failing(&jobs, "source", name));
        observe("source", name, "gaps", Holds::of(gaps));
        observe("source", name, "suspicious", suspicious);
        observe("source", name, "held_deletions", held);
        observe("source", name, "held_growth", growth);
        observe("source", name, "key_without_effect", without_effect);
    }
    for output in &config.outputs {
        let name = &output.name;
        observe("output", name, "failing", failing(&jobs, "output", name));
        observe("output", name, "rejecting", rejecting(reader, name)?);
        observe(
            "output",
            name,
            "behind",
            behind(reader, config, name, now_ms)?,
        );
    }
    for export in &config.exports {
        let name = &export.name;
        observe("export", name, "failing", failing(&jobs, "export", name));
    }
    Ok(observed)
}

/// The job of each source, output and export that ended last, by its kind and name.
fn last_jobs(jobs: Vec<Job>) -> HashMap<(&'static str, String), Job> {
    let mut last: HashMap<(&'static str, String), Job> = HashMap::new();
    for job in jobs {
        let key = (job.key.kind.subject(), job.key.name.clone());
        let is_newer = |other: &Job| job.ended_at >= other.ended_at;
        if last.get(&key).is_none_or(is_newer) {
            last.insert(key, job);
        }
    }
    last
}

/// Whether the job that ended last of this subject has failed. An interrupted one says nothing.
fn failing(
    jobs: &HashMap<(&'static str, String), Job>,
    subject: &'static str,
    name: &str,
) -> Holds {
    let last = jobs.get(&(subject, name.to_owned()));
    match last.and_then(|job| Some((job.outcome?, &job.message))) {
        Some((JobOutcome::Succeeded, _)) => Holds::No,
        Some((JobOutcome::Failed, message)) => Holds::Yes(message.clone().unwrap_or_default()),
        Some((JobOutcome::Interrupted, _)) | None => Holds::Unknown,
    }
}

fn store(config: &Config, free_bytes: Option<u64>) -> Observed {
    let least = config.daemon.min_free_bytes;
    let mib = |bytes: u64| bytes >> 20;
    Observed {
        subject: "store",
        name: config.store.display().to_string(),
        kind: "nearly_full",
        holds: match free_bytes {
            None => Holds::Unknown,
            Some(free) => Holds::of((free < least).then(|| {
                format!(
                    "{} MiB are free where the store is, less than min_free_bytes ({} MiB)",
                    mib(free),
                    mib(least)
                )
            })),
        },
    }
}

fn rejecting(reader: &Reader, name: &str) -> Result<Holds, StoreError> {
    let rejected = match reader.output(name)? {
        Some(output) => reader.count_rejected(output.id)?,
        None => 0,
    };
    Ok(Holds::of((rejected > 0).then(|| {
        format!("{rejected} documents are rejected; harvestd rejected {name} says why")
    })))
}

fn behind(reader: &Reader, config: &Config, name: &str, now_ms: i64) -> Result<Holds, StoreError> {
    let Ok(settings) = config.output(name) else {
        return Ok(Holds::Unknown);
    };
    let filter = settings.filter(reader.output(name)?.map(|output| output.position));
    let waited_ms = reader
        .first_change(&filter)?
        .map_or(0, |first| now_ms - first.unix_ms());
    let limit = i64::try_from(config.daemon.behind_after.as_millis()).unwrap_or(i64::MAX);
    Ok(Holds::of((waited_ms > limit).then(|| {
        format!("a change has waited for {} hours", waited_ms / 3_600_000)
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, kind: &'static str, holds: Holds) -> Observed {
        Observed {
            subject: "source",
            name: name.to_owned(),
            kind,
            holds,
        }
    }

    fn yes(message: &str) -> Holds {
        Holds::Yes(message.to_owned())
    }

    #[test]
    fn only_changes_are_reported() {
        let failing = Condition {
            subject: "source".to_owned(),
            name: "a".to_owned(),
            kind: "failing".to_owned(),
            message: "HTTP 500".to_owned(),
            since_at: 5,
        };
        let one = || vec![failing.clone()];
        // What was told, what is seen; what has begun, what is over, what is dropped.
        let cases = [
            ("works", vec![], seen("a", "failing", Holds::No), [0, 0, 0]),
            (
                "unknown",
                vec![],
                seen("a", "failing", Holds::Unknown),
                [0, 0, 0],
            ),
            (
                "begins",
                vec![],
                seen("a", "failing", yes("HTTP 500")),
                [1, 0, 0],
            ),
            (
                "goes on",
                one(),
                seen("a", "failing", yes("HTTP 502")),
                [0, 0, 0],
            ),
            (
                "still unknown",
                one(),
                seen("a", "failing", Holds::Unknown),
                [0, 0, 0],
            ),
            ("is over", one(), seen("a", "failing", Holds::No), [0, 1, 0]),
            (
                "another one",
                one(),
                seen("b", "failing", yes("x")),
                [1, 0, 1],
            ),
        ];
        for (case, told, observed, expected) in cases {
            let changes = changes(&told, &[observed], 5);
            let counts = [&changes.begun, &changes.over, &changes.dropped].map(Vec::len);
            assert_eq!(counts, expected, "{case}");
            if case == "begins" {
                assert_eq!(changes.begun, one());
            }
        }
    }

    #[test]
    fn an_alert_is_json_with_all_there_is_to_say() {
        let condition = Condition {
            subject: "output".to_owned(),
            name: "vufind".to_owned(),
            kind: "rejecting".to_owned(),
            message: "3 documents \"rejected\"".to_owned(),
            since_at: 1_764_072_000_000,
        };
        let body: serde_json::Value =
            serde_json::from_str(&body(&condition, true, 1_764_072_060_000)).unwrap();
        assert_eq!(body["state"], "over");
        assert_eq!(body["at"], "2025-11-25T12:01:00Z");
        assert_eq!(body["since"], "2025-11-25T12:00:00Z");
        assert_eq!(body["message"], "3 documents \"rejected\"");
        assert_eq!(body["text"], "harvestd: output vufind: no longer rejecting");
        assert_eq!(body["id"].as_str().unwrap().len(), 16);
    }
}
