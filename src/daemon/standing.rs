//! What the store and this process know of the last pass over a source, and by how much the source is
//! late.

use crate::schedule::Last;
use crate::store::{Pass, PassState, Reader, Source, StoreError};

/// So many passes are looked at for one that brings records.
const NEWEST: u32 = 10;

/// How the last pass over a source ended; `last_run` is the end of this process's last run.
///
/// # Errors
/// As any read.
pub(super) fn last_pass(
    reader: &Reader,
    source: Option<&Source>,
    last_run: Option<Last>,
    now_ms: i64,
) -> Result<Option<Last>, StoreError> {
    let pass = match source {
        // A list of identifiers alone brings no records.
        Some(source) => reader
            .passes(source.id, NEWEST)?
            .into_iter()
            .find(|pass| pass.kind.word() != "identifiers"),
        None => None,
    };
    Ok(latest(pass.map(|pass| stored(&pass)), last_run, now_ms))
}

/// How reconciling a source ended last; `last_run` is its last end in this process.
///
/// One that never was counts as if it had ended when the source was first harvested, so that it
/// comes with the next time of its schedule; of a source that never was, there is none.
///
/// # Errors
/// As any read.
pub(super) fn last_reconcile(
    reader: &Reader,
    source: Option<&Source>,
    last_run: Option<Last>,
    now_ms: i64,
) -> Result<Option<Last>, StoreError> {
    let Some(source) = source else {
        return Ok(None);
    };
    let (traits, failed) = (&source.traits, matches!(last_run, Some(Last::Failed(_))));
    if traits.reconciling_since.is_some() {
        return Ok(if failed { last_run } else { Some(Last::CutOff) });
    }
    let ended = match traits.reconciled_at {
        Some(ended_ms) => Some(ended_ms),
        None => reader.first_pass_at(source.id)?,
    };
    // A failure to begin, such as a host that cannot be reached, is in no store.
    Ok(match (ended, last_run) {
        (Some(ended_ms), Some(Last::Failed(failed_ms)))
            if failed_ms > ended_ms || ended_ms > now_ms =>
        {
            last_run
        }
        (ended, _) => ended.map(Last::Complete),
    })
}

/// How a pass in the store ended.
fn stored(pass: &Pass) -> Last {
    match (pass.state, pass.ended_at) {
        // Its process was killed, or another one is at it.
        (PassState::Open, None) => Last::CutOff,
        (PassState::Open, Some(_)) if pass.note.as_deref() == Some("stopped") => Last::CutOff,
        (PassState::Open, Some(ended_ms)) => Last::Failed(ended_ms),
        (PassState::Complete | PassState::Abandoned, ended) => {
            Last::Complete(ended.unwrap_or(pass.started_at))
        }
    }
}

/// The later of both.
///
/// A run can end without a pass, because the repository could not be reached at all; and a pass of
/// another process can be newer than any run of this one. One that ended ahead of our clock, which was
/// set back since, is not.
fn latest(stored: Option<Last>, last_run: Option<Last>, now_ms: i64) -> Option<Last> {
    match (stored, last_run) {
        (Some(Last::Complete(stored)), Some(Last::Failed(run)))
            if run < stored && stored <= now_ms =>
        {
            Some(Last::Complete(stored))
        }
        // It was told to stop before it had begun a pass, or on the last page.
        (Some(Last::Complete(stored)), Some(Last::CutOff)) => Some(Last::Complete(stored)),
        (stored, None) => stored,
        (_, run) => run,
    }
}

/// When the last pass ended, to let those that waited longest go first.
pub(super) fn ended_at(last: Option<Last>) -> i64 {
    match last {
        Some(Last::Complete(ended_ms) | Last::Failed(ended_ms)) => ended_ms,
        Some(Last::CutOff) | None => i64::MIN,
    }
}

/// By which part of the spread a source is late, from 0 to 1: always the same one in one store,
/// another one in each store.
pub(super) fn part_of_spread(seed: i64, name: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut bytes = [0; 4];
    hasher.finalize_xof().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Last::{Complete, CutOff, Failed};
    use super::*;

    #[test]
    fn the_later_end_counts() {
        let cases = [
            ("nothing yet", None, None, None),
            (
                "after a restart",
                Some(Complete(5)),
                None,
                Some(Complete(5)),
            ),
            ("killed", Some(CutOff), None, Some(CutOff)),
            (
                "not reached after a good pass",
                Some(Complete(5)),
                Some(Failed(9)),
                Some(Failed(9)),
            ),
            (
                "another process was more lucky",
                Some(Complete(9)),
                Some(Failed(5)),
                Some(Complete(9)),
            ),
            (
                "another process was, on a clock that was ahead",
                Some(Complete(10)),
                Some(Failed(5)),
                Some(Failed(5)),
            ),
            ("never reached", None, Some(Failed(5)), Some(Failed(5))),
            (
                "told to stop on the last page",
                Some(Complete(9)),
                Some(CutOff),
                Some(Complete(9)),
            ),
            ("told to stop", Some(CutOff), Some(CutOff), Some(CutOff)),
            (
                "another process is at it",
                Some(CutOff),
                Some(Failed(5)),
                Some(Failed(5)),
            ),
        ];
        for (case, stored, run, expected) in cases {
            assert_eq!(latest(stored, run, 9), expected, "{case}");
        }
    }

    #[test]
    fn sources_and_stores_are_spread() {
        let parts: Vec<f64> = (0..100).map(|seed| part_of_spread(seed, "a")).collect();
        assert!(parts.iter().all(|part| (0.0..=1.0).contains(part)));
        let early = parts.iter().filter(|part| **part < 0.5).count();
        assert!((30..70).contains(&early), "{early} of 100");
        assert_eq!(part_of_spread(1, "a").to_bits(), parts[1].to_bits());
        assert_ne!(part_of_spread(1, "b").to_bits(), parts[1].to_bits());
    }
}
