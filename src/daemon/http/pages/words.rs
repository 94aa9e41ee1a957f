//! Numbers, times and states in words.

use super::visitor::Times;
use crate::daemon::overview::{JobView, SourceView};
use crate::daemon::status::JobProgress;
use crate::oai::response::RepairKind;
use crate::store::{JobKind, JobState};

/// `40 s`, `5 min`, `3 h`, `12 days`: one unit, rounded down.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1 234 567`, with narrow non-breaking spaces.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// `3 pages`, `1 page`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `1.2 GiB`, `340 MiB`, `12 KiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, power) in units {
        let tenths = (bytes * 10) >> power;
        if tenths >= 10 {
            return match tenths {
                10..100 => format!("{}.{} {unit}", tenths / 10, tenths % 10),
                _ => format!("{} {unit}", number(tenths / 10)),
            };
        }
    }
    counted(bytes, "byte", "bytes")
}

/// A kind of repair, such as `control characters`.
pub(super) fn repair(kind: RepairKind) -> String {
    let word = serde_json::to_value(kind).unwrap_or_default();
    word.as_str().unwrap_or_default().replace('_', " ")
}

/// What a source is doing: a sentence without a full stop.
pub(super) fn source(source: &SourceView, times: Times) -> String {
    if !source.configured {
        "Removed from the configuration; its records stay in the store".to_owned()
    } else if source.reconcile.job.is_running() {
        job(&source.reconcile, times)
    } else {
        job(&source.pass, times)
    }
}

/// What a job is doing: a sentence without a full stop.
pub(super) fn job(view: &JobView, times: Times) -> String {
    let now_ms = times.now_ms;
    let left = |until_ms: i64| span((until_ms - now_ms + 999) / 1000);
    let job = &view.job;
    let next = job.next_at.unwrap_or(now_ms);
    let reason = job.reason.as_deref().unwrap_or_default();
    match job.state {
        JobState::Running => {
            let begun = job.started_at.unwrap_or(now_ms);
            running(job.key.kind, view.progress.as_ref(), begun, now_ms)
        }
        JobState::Due => format!("Due, but {reason}"),
        JobState::Waiting => format!(
            "Next {} in {} ({}): {reason}",
            job.key.kind.word(),
            left(next),
            times.text(next)
        ),
        JobState::Retrying => format!(
            "Failing: {}, next in {}",
            counted(u64::from(job.failures), "attempt", "attempts"),
            left(next)
        ),
        JobState::Paused => match job.paused_at {
            Some(at) => format!("Paused since {}", times.text(at)),
            None => "Paused".to_owned(),
        },
        JobState::OnDemand => format!("No {} is planned", job.key.kind.word()),
    }
}

fn running(kind: JobKind, progress: Option<&JobProgress>, begun: i64, now_ms: i64) -> String {
    let verb = match kind {
        JobKind::Harvest => "Harvesting",
        JobKind::Reconcile => "Reconciling",
        JobKind::Push => "Pushing",
        JobKind::Export => "Exporting",
    };
    let since = span((now_ms - begun) / 1000);
    let Some(progress) = progress else {
        return format!("{verb} for {since} in another process");
    };
    let mut text = match kind {
        JobKind::Harvest | JobKind::Reconcile => format!(
            "{verb} for {since}: {}, {}",
            counted(progress.pages, "page", "pages"),
            counted(progress.done, "record", "records")
        ),
        JobKind::Push | JobKind::Export => format!(
            "{verb} for {since}: {} of {} changes",
            number(progress.done),
            number(progress.total)
        ),
    };
    let pause = progress.waiting.as_ref();
    if let Some(wait) = pause.filter(|wait| wait.until_ms > now_ms) {
        let left = span((wait.until_ms - now_ms + 999) / 1000);
        text.push_str(&format!("; paused for {left} ({})", wait.why));
    }
    if progress.stopping {
        text.push_str(match kind {
            JobKind::Harvest | JobKind::Reconcile => "; stopping after this page",
            JobKind::Push | JobKind::Export => "; stopping after this batch",
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::status::{JobStatus, Wait};
    use crate::store::{Job, JobKey};

    #[test]
    fn numbers_and_spans() {
        let cases = [
            (0, "0", "0 s"),
            (119, "119", "119 s"),
            (3_600, "3\u{202f}600", "60 min"),
            (172_799, "172\u{202f}799", "47 h"),
            (1_234_567, "1\u{202f}234\u{202f}567", "14 days"),
        ];
        for (value, grouped, time) in cases {
            assert_eq!(number(value), grouped);
            assert_eq!(span(value.cast_signed()), time);
        }
        let sizes = [
            (1, "1 byte"),
            (1_535, "1.4 KiB"),
            (340 << 20, "340 MiB"),
            (5 << 29, "2.5 GiB"),
        ];
        for (size, expected) in sizes {
            assert_eq!(bytes(size), expected);
        }
    }

    #[test]
    fn states_are_sentences() {
        let view = |state, reason: &str, next_at| JobView {
            job: Job {
                state,
                reason: Some(reason.to_owned()),
                next_at,
                started_at: Some(0),
                failures: 8,
                ..Job::unknown(JobKey::new(JobKind::Harvest, "a"))
            },
            progress: None,
            status: JobStatus::default(),
        };
        let running = JobView {
            progress: Some(JobProgress {
                pages: 1,
                done: 1_200,
                waiting: Some(Wait {
                    until_ms: 70_000,
                    why: "HTTP 503".to_owned(),
                }),
                stopping: true,
                ..JobProgress::default()
            }),
            ..view(JobState::Running, "", None)
        };
        let cases = [
            (
                running,
                "Harvesting for 60 s: 1 page, 1\u{202f}200 records; paused for 10 s (HTTP 503); \
                 stopping after this page",
            ),
            (
                view(JobState::Running, "", None),
                "Harvesting for 60 s in another process",
            ),
            (
                view(JobState::Waiting, "by its schedule", Some(7_260_000)),
                "Next harvest in 2 h (1970-01-01 02:01 UTC): by its schedule",
            ),
            (
                view(JobState::Retrying, "", Some(63_000)),
                "Failing: 8 attempts, next in 3 s",
            ),
            (
                view(JobState::Due, "its harvest comes first", None),
                "Due, but its harvest comes first",
            ),
            (view(JobState::OnDemand, "", None), "No harvest is planned"),
        ];
        for (view, expected) in cases {
            let times = Times {
                now_ms: 60_000,
                zone: chrono_tz::Tz::UTC,
            };
            assert_eq!(job(&view, times), expected);
        }
    }
}
