//! What must hold of the store, whatever happened: compares it with the truth after each run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use harvestd::end::End;
use harvestd::harvest::Report;
use harvestd::oai::{Datestamp, Granularity};
use harvestd::store::{ChangeFilter, Deletion, Reader, Source, Version};

use crate::repository::{Current, Repository, State};
use crate::wire::Site;

/// A record as the store had it after the last run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    version: Version,
    state: State,
}

/// How far a list of a source was proven, and what that promises.
#[derive(Debug, Clone, Copy)]
struct Proof {
    datestamp: Datestamp,
    version: Version,
    /// Everything that showed by then, and has not changed since, must be stored.
    since: i64,
}

/// What the oracle remembers of one source.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    records: BTreeMap<String, Stored>,
    proofs: BTreeMap<Option<String>, Proof>,
    /// The heads: the same, but for the gaps.
    heads: BTreeMap<Option<String>, Proof>,
    /// When the open pass began, on the repository's clock.
    pub(crate) open_since: Option<i64>,
    /// How many records had changed before the open pass.
    pub(crate) changes_before: Option<u64>,
}

/// How the last run over a source went.
pub(crate) struct Ran<'a> {
    /// `None` if it was cut off.
    pub(crate) report: Option<&'a Report>,
    /// The repository's clock when it began, or the oldest one that a list has shown.
    pub(crate) began: i64,
    /// The repository's clock when it began.
    pub(crate) began_at: i64,
    /// Whether the repository changed meanwhile, or since the open pass began. A tombstone that waits for the end of its
    /// pass, and the record that lives again since, are two changes of one run.
    pub(crate) changed: bool,
    /// Whether only a span was requested for, which leaves an open pass as it is.
    pub(crate) part: bool,
}

/// What the oracle could not hold the store to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Excused {
    /// Records that disappeared without a tombstone and are still live in the store.
    pub(crate) disappeared: u64,
    /// Records that are set aside, for people to see.
    pub(crate) quarantined: u64,
}

macro_rules! demand {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// Checks everything that must hold after any run, and remembers what the next check needs.
pub(crate) fn check(
    memory: &mut Memory,
    repository: &Repository,
    name: &str,
    reader: &Reader,
    ran: &Ran<'_>,
) -> Result<(), String> {
    let records = stored(reader, name)?;
    let sources = reader.sources().map_err(|error| error.to_string())?;
    let Some(source) = sources.iter().find(|source| source.name == name) else {
        return Ok(());
    };
    let before = std::mem::take(&mut memory.records);
    let moved = check_records(&before, &records, repository, ran)?;
    check_counts(&before, &records, source, moved, ran)?;
    check_end(reader, source, ran)?;
    check_watermarks(memory, &records, repository, source, reader, ran)?;
    memory.records = records;
    let open = open_pass(reader, source)?;
    memory.open_since = open.then(|| memory.open_since.unwrap_or(ran.began).min(ran.began));
    Ok(())
}

/// Whether a pass of the source is open; one over a span that was requested for leaves it so.
fn open_pass(reader: &Reader, source: &Source) -> Result<bool, String> {
    let passes = reader
        .passes(source.id, 50)
        .map_err(|error| error.to_string())?;
    Ok(passes
        .iter()
        .any(|pass| pass.state == harvestd::store::PassState::Open))
}

/// Every record is as the item once was; versions move with the content, and only with it. Gives
/// how many moved.
fn check_records(
    before: &BTreeMap<String, Stored>,
    records: &BTreeMap<String, Stored>,
    repository: &Repository,
    ran: &Ran<'_>,
) -> Result<u64, String> {
    let mut moved = 0;
    for (identifier, stored) in records {
        let known = before.get(identifier);
        if known == Some(stored) {
            continue;
        }
        // What is true, and was true when the run began, is kept, whatever comes from a cache. Only its datestamp may
        // be that of the cache.
        let was_true = known.is_some_and(|known| {
            let is_other = content(&known.state) != content(&stored.state);
            is_other
                && repository.current.get(identifier).is_some_and(|current| {
                    current.visible_at <= ran.began_at
                        && repository.state(&current.item) == known.state
                        && !repository.has_second_states(identifier)
                })
        });
        demand!(
            !was_true,
            "{identifier} was stored as it is, {known:?}, and went back to {:?}",
            stored.state
        );
        // A record that comes first as a tombstone may live; one that was stored live may not be deleted for that,
        // unless nothing else is left of it.
        let was_live = known.is_some_and(|known| !known.state.deleted);
        let is_false = (!was_live || repository.disappeared.contains_key(identifier))
            && repository.was_second_state(identifier, &stored.state);
        demand!(
            is_false || repository.ever(identifier, &stored.state),
            "{identifier} is stored as it never was: {:?}",
            stored.state
        );
        let Some(known) = known else {
            moved += 1;
            continue;
        };
        demand!(
            stored.version >= known.version,
            "{identifier}: version went from {} back to {}",
            known.version,
            stored.version
        );
        let same = content(&stored.state) == content(&known.state);
        if stored.version == known.version {
            demand!(
                same,
                "{identifier} changed and kept version {}",
                stored.version
            );
        } else {
            moved += 1;
            demand!(
                !same
                    || repository.contents(identifier) > 1
                    || (!repository.sets.is_empty() && repository.has_second_states(identifier)),
                "{identifier} never changed and got version {} after {}",
                stored.version,
                known.version
            );
        }
    }
    for identifier in before.keys() {
        demand!(
            records.contains_key(identifier),
            "{identifier} is gone from the store"
        );
    }
    Ok(moved)
}

fn content(state: &State) -> (bool, &[String], Option<&str>) {
    (state.deleted, &state.set_specs, state.metadata.as_deref())
}

fn check_counts(
    before: &BTreeMap<String, Stored>,
    records: &BTreeMap<String, Stored>,
    source: &Source,
    moved: u64,
    ran: &Ran<'_>,
) -> Result<(), String> {
    let deleted = records
        .values()
        .filter(|stored| stored.state.deleted)
        .count() as u64;
    let live = records.len() as u64 - deleted;
    demand!(
        (source.live_records, source.deleted_records) == (live, deleted),
        "the source counts {} live and {} deleted records, the store has {live} and {deleted}",
        source.live_records,
        source.deleted_records
    );
    let Some(report) = ran.report else {
        return Ok(());
    };
    let new = (records.len() - before.len()) as u64;
    let counts = report.counts;
    demand!(
        counts.new == new,
        "{} new records reported, {new} stored",
        counts.new
    );
    let reported = counts.new + counts.changed + counts.deleted;
    demand!(
        reported == moved || (ran.changed && reported > moved),
        "{reported} changes reported, {moved} versions moved"
    );
    Ok(())
}

fn check_end(reader: &Reader, source: &Source, ran: &Ran<'_>) -> Result<(), String> {
    let Some(report) = ran.report else {
        return Ok(());
    };
    match &report.end {
        End::GapsLeft(_) => {
            let gaps = reader.gaps(source).map_err(|error| error.to_string())?;
            demand!(!gaps.is_empty(), "gaps are left, and the store has none");
            demand!(
                ran.part || !open_pass(reader, source)?,
                "a run that leaves gaps leaves its pass open"
            );
            Ok(())
        }
        End::Complete => {
            let gaps = reader.gaps(source).map_err(|error| error.to_string())?;
            demand!(
                ran.part || gaps.is_empty(),
                "a complete run leaves gaps: {gaps:?}"
            );
            demand!(
                ran.part || !open_pass(reader, source)?,
                "a complete run leaves its pass open"
            );
            for pass in reader
                .passes(source.id, 50)
                .map_err(|error| error.to_string())?
            {
                if pass.state == harvestd::store::PassState::Complete {
                    let pending = reader
                        .pending_windows(pass.id)
                        .map_err(|error| error.to_string())?;
                    demand!(
                        pending.is_empty(),
                        "a complete pass has pending windows: {pending:?}"
                    );
                }
            }
            Ok(())
        }
        End::Incomplete(why) if why.trim().is_empty() => Err("no reason for the end".to_owned()),
        End::Incomplete(_) => Ok(()),
        // The first answers were no answers of a repository.
        End::Failed(_) if report.unreached.is_some() => Ok(()),
        End::Failed(why) => Err(format!("broken: {why}")),
    }
}

/// Nothing with a later datestamp than this shows.
fn last_shown(repository: &Repository) -> i64 {
    let behaviour = &repository.model.behaviour;
    let Some(clamp) = behaviour.clamp else {
        return repository.now;
    };
    let at = repository.now - clamp.as_secs().cast_signed();
    match behaviour.granularity {
        // What is clamped to a day is clamped to its end.
        Granularity::Day => Datestamp::from_unix(at)
            .day_end()
            .unix()
            .min(repository.now),
        Granularity::Second => at,
    }
}

/// Watermarks move forward only, never beyond what is proven, and what they promise is there.
fn check_watermarks(
    memory: &mut Memory,
    records: &BTreeMap<String, Stored>,
    repository: &Repository,
    source: &Source,
    reader: &Reader,
    ran: &Ran<'_>,
) -> Result<(), String> {
    let since = memory.open_since.unwrap_or(ran.began).min(ran.began);
    let limit = last_shown(repository);
    for set in memory.proofs.keys() {
        demand!(
            source.watermark(set.as_deref()).is_some(),
            "the watermark of {set:?} is gone"
        );
    }
    for watermark in &source.watermarks {
        demand!(
            watermark.datestamp.unix() <= limit,
            "the watermark {} lies beyond {}",
            watermark.datestamp,
            Datestamp::from_unix(limit)
        );
        let proof = memory
            .proofs
            .entry(watermark.set_spec.clone())
            .or_insert(Proof {
                datestamp: watermark.datestamp,
                version: watermark.version,
                since,
            });
        demand!(
            watermark.datestamp >= proof.datestamp && watermark.version >= proof.version,
            "the watermark went back from {proof:?} to {watermark:?}"
        );
        let moved = watermark.datestamp > proof.datestamp;
        if moved {
            *proof = Proof {
                datestamp: watermark.datestamp,
                version: watermark.version,
                since,
            };
        }
    }
    let gaps = reader.gaps(source).map_err(|error| error.to_string())?;
    let in_gap = |set: &Option<String>, at: Datestamp| {
        gaps.iter().any(|gap| {
            // A gap is as wide as the unit of its dates.
            gap.set_spec == *set
                && gap.span.from.is_none_or(|from| from.day_start() <= at)
                && gap.span.until.is_none_or(|until| at <= until.day_end())
        })
    };
    memory
        .heads
        .retain(|set, _| source.heads.iter().any(|head| head.set_spec == *set));
    for head in &source.heads {
        demand!(
            head.datestamp.unix() <= limit,
            "the head {} lies beyond {}",
            head.datestamp,
            Datestamp::from_unix(limit)
        );
        let proof = Proof {
            datestamp: head.datestamp,
            version: Version(0),
            since,
        };
        let known = memory.heads.entry(head.set_spec.clone()).or_insert(proof);
        demand!(
            head.datestamp >= known.datestamp,
            "the head went back from {known:?} to {head:?}"
        );
        if head.datestamp > known.datestamp {
            *known = proof;
        }
    }
    let aside = set_aside(reader, source)?;
    let heads = memory.heads.iter().map(|head| (true, head));
    let proofs = memory.proofs.iter().map(|proof| (false, proof));
    for (is_head, (set, proof)) in heads.chain(proofs) {
        // What was proven of sets counts no more where they turn out to be ignored.
        if !source.has_list(set.as_ref()) {
            continue;
        }
        for (identifier, current) in &repository.current {
            // Of a set that a record has left, only the list of that set tells.
            let has_left = repository.has_left(identifier);
            let promised = current.visible_at <= proof.since
                && current.item.datestamp <= proof.datestamp
                && !has_left
                && repository.listed(&current.item, set.as_deref());
            if !promised
                || aside.contains(identifier)
                || (is_head && in_gap(set, current.item.datestamp))
            {
                continue;
            }
            let state = repository.state(&current.item);
            let stored = records.get(identifier);
            demand!(
                stored.is_some_and(|stored| is_as(repository, identifier, stored, &state)),
                "{identifier} lies before the watermark {} of {set:?} proven by a pass of {}, shows since {}, and is \
                 not stored as {state:?} but as {stored:?}",
                proof.datestamp,
                Datestamp::from_unix(proof.since),
                Datestamp::from_unix(current.visible_at)
            );
        }
    }
    Ok(())
}

/// When all is quiet: the store has what the repository shows, and nothing else.
pub(crate) fn check_equal(
    repository: &mut Repository,
    name: &str,
    reader: &Reader,
) -> Result<Excused, String> {
    let sources = reader.sources().map_err(|error| error.to_string())?;
    let source = sources
        .iter()
        .find(|source| source.name == name)
        .ok_or("the source is not in the store")?;
    let mut records = stored(reader, name)?;
    let aside = set_aside(reader, source)?;
    let mut excused = Excused::default();
    let now = Datestamp::from_unix(repository.now);
    for item in repository.model.visible(now) {
        if !repository.listed(&item, None) {
            continue;
        }
        let expected = repository.state(&item);
        let found = records.remove(&item.identifier);
        if found
            .as_ref()
            .is_some_and(|stored| is_as(repository, &item.identifier, stored, &expected))
        {
            continue;
        }
        if aside.contains(&item.identifier) {
            excused.quarantined += 1;
            continue;
        }
        return Err(format!(
            "{} shows as {expected:?} and is stored as {found:?}",
            item.identifier
        ));
    }
    for (identifier, stored) in records {
        // A tombstone shows in every format, and when it lives again, only in those it has; a list
        // taken down before shows it once more, without metadata.
        let hidden = |current: &Current| !repository.listed(&current.item, None);
        let revived = stored.state.metadata.is_none()
            && repository.current.get(&identifier).is_some_and(hidden);
        demand!(
            revived
                || repository.disappeared.contains_key(&identifier)
                || repository.strangers.contains(&identifier),
            "{identifier} does not show and is stored as {stored:?}"
        );
        excused.disappeared += 1;
    }
    Ok(excused)
}

/// Whether a record is stored in a state. A list from a cache can put back the datestamp of a record that got a new
/// one without another change.
fn is_as(repository: &Repository, identifier: &str, stored: &Stored, state: &State) -> bool {
    let was_cached = repository.has_cache && repository.ever(identifier, &stored.state);
    stored.state == *state || (was_cached && content(&stored.state) == content(state))
}

/// While faults last: everything that can be read is in the store after the next run.
pub(crate) fn check_readable(site: &mut Site, name: &str, reader: &Reader) -> Result<(), String> {
    let records = stored(reader, name)?;
    let now = Datestamp::from_unix(site.repository.now);
    let visible = site.repository.model.visible(now);
    let repository = &site.repository;
    for item in visible {
        if !repository.listed(&item, None)
            || repository.has_left(&item.identifier)
            || !site.is_readable(&item)
        {
            continue;
        }
        let expected = repository.state(&item);
        let found = records.get(&item.identifier);
        demand!(
            found.is_some_and(|found| found.state == expected),
            "while faults last, {} can be read as {expected:?} and is stored as {found:?}",
            item.identifier
        );
    }
    Ok(())
}

/// The records of a source, in words, by their versions.
pub(crate) fn versions(
    reader: &Reader,
    name: &str,
) -> Result<BTreeMap<String, (Version, String)>, String> {
    let records = stored(reader, name)?.into_iter();
    Ok(records
        .map(|(identifier, stored)| (identifier, (stored.version, format!("{:?}", stored.state))))
        .collect())
}

fn stored(reader: &Reader, name: &str) -> Result<BTreeMap<String, Stored>, String> {
    let mut records = BTreeMap::new();
    let mut versions = BTreeSet::new();
    let mut fault = None;
    let filter = ChangeFilter {
        since: None,
        sources: vec![name.to_owned()],
        ..ChangeFilter::default()
    };
    let upto = reader
        .changes(&filter, |record| {
            if record.deletion == Some(Deletion::Disappeared) {
                fault = Some(format!(
                    "{} was deleted without being asked for",
                    record.identifier
                ));
            }
            if !versions.insert(record.version) || record.created_version > record.version {
                fault = Some(format!("{} has an odd version", record.identifier));
            }
            let state = State {
                datestamp: record.datestamp,
                deleted: record.deletion.is_some(),
                set_specs: record.set_specs,
                metadata: record.metadata,
            };
            records.insert(
                record.identifier,
                Stored {
                    version: record.version,
                    state,
                },
            );
            ControlFlow::Continue(())
        })
        .map_err(|error| error.to_string())?;
    let beyond = records.values().any(|stored| stored.version > upto);
    demand!(!beyond, "a record's version is beyond the store's last");
    fault.map_or(Ok(records), Err)
}

/// The identifiers in quarantine, and those about which lists contradict themselves and GetRecord has not
/// answered: people see both.
fn set_aside(reader: &Reader, source: &Source) -> Result<BTreeSet<String>, String> {
    let items = reader
        .quarantine(source.id, 10_000)
        .map_err(|error| error.to_string())?;
    let undecided = reader
        .undecided_identifiers(source.id, 10_000)
        .map_err(|error| error.to_string())?;
    Ok(items
        .into_iter()
        .filter_map(|item| item.identifier)
        .chain(undecided)
        .collect())
}
