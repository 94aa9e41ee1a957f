//! The verdict over everything: whether something is wrong, what, and since when. Pure: it is made from what
//! was read, and knows no HTML.

use super::components::address;
use super::words;
use crate::daemon::overview::{ExportView, OutputView};
use crate::daemon::status::Reload;
use crate::http::excerpt;
use crate::store::{Job, JobOutcome, SourceRow, SourceState, StateCounts, WarningKind};

/// The longest reason of a problem, in characters.
const REASON_CHARS: usize = 160;

/// How a thing is, as colours show it. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Good,
    Idle,
    Info,
    Warn,
    Bad,
}

impl Tone {
    /// The class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "t-good",
            Self::Idle => "t-idle",
            Self::Info => "t-info",
            Self::Warn => "t-warn",
            Self::Bad => "t-bad",
        }
    }

    /// The tone of a source in this state.
    pub(super) fn of(state: SourceState) -> Self {
        match state {
            SourceState::Failed => Self::Bad,
            SourceState::Held | SourceState::Incomplete => Self::Warn,
            SourceState::New => Self::Info,
            SourceState::Complete => Self::Good,
            SourceState::Paused | SourceState::NotConfigured | SourceState::Forgotten => Self::Idle,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) tone: Tone,
    /// What has the problem; empty for the daemon itself.
    pub(super) name: String,
    /// The address of its page.
    pub(super) href: Option<String>,
    /// What is wrong, without a full stop.
    pub(super) text: String,
    /// Since when, in milliseconds since 1970.
    pub(super) since: Option<i64>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) tone: Tone,
    /// One sentence without a full stop: `All 12 sources are up to date`.
    pub(super) headline: String,
    /// The most urgent problems.
    pub(super) problems: Vec<Problem>,
    /// Sources with problems that are not among these.
    pub(super) more: u64,
    /// What else there is to know, such as `1 paused`.
    pub(super) notes: Vec<String>,
}

/// What the verdict is made from.
pub(super) struct Facts<'a> {
    /// The number of sources in each state.
    pub(super) counts: &'a StateCounts,
    /// The most urgent sources with problems.
    pub(super) sources: &'a [SourceRow],
    pub(super) outputs: &'a [OutputView],
    pub(super) exports: &'a [ExportView],
    /// Why the scheduler cannot do its work.
    pub(super) trouble: Option<&'a str>,
    pub(super) reload: Option<&'a Reload>,
}

/// The verdict over these facts.
pub(super) fn verdict(facts: &Facts<'_>) -> Verdict {
    let mut problems = of_daemon(facts);
    problems.extend(facts.outputs.iter().filter_map(of_output));
    problems.extend(facts.exports.iter().filter_map(of_export));
    let count = |wanted: SourceState| -> u64 {
        let mut counts = facts.counts.iter();
        counts
            .find(|(state, _)| *state == wanted)
            .map_or(0, |(_, count)| *count)
    };
    let wrong = { SourceState::ALL.into_iter() }
        .filter(|state| state.is_problem())
        .map(count)
        .sum::<u64>();
    let all = problems.len() as u64 + wrong;
    problems.extend(facts.sources.iter().filter_map(of_source));
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.tone));
    let (good, new) = (count(SourceState::Complete), count(SourceState::New));
    let mut notes = Vec::new();
    for (state, word) in [
        (SourceState::Paused, "paused"),
        (SourceState::NotConfigured, "not configured any more"),
    ] {
        match count(state) {
            0 => {}
            number => notes.push(format!("{} {word}", words::number(number))),
        }
    }
    if all > 0 && good > 0 {
        let good = words::counted(good, "source is", "sources are");
        notes.insert(0, format!("{good} up to date"));
    }
    if new > 0 && (all > 0 || good > 0) {
        let new = words::counted(new, "source has", "sources have");
        notes.push(format!("{new} no complete list yet"));
    }
    let headline = match (all, good, new) {
        (1.., _, _) => words::counted(all, "problem", "problems"),
        (_, 0, 0) if facts.counts.is_empty() => "No sources yet".to_owned(),
        (_, 0, 0) => "No source is active".to_owned(),
        (_, 0, _) => "The first harvest is under way".to_owned(),
        (_, 1, 0) => "The source is up to date".to_owned(),
        (_, good, 0) => format!("All {} sources are up to date", words::number(good)),
        (_, good, _) => format!(
            "{} up to date",
            words::counted(good, "source is", "sources are")
        ),
    };
    // The headline has said it already.
    if all == 0 && good == 0 {
        notes.retain(|note| !note.ends_with("no complete list yet"));
    }
    let tone = match (all, good) {
        (0, 0) => Tone::Info,
        (0, _) => Tone::Good,
        _ => problems.first().map_or(Tone::Warn, |problem| problem.tone),
    };
    let more = wrong.saturating_sub(facts.sources.len() as u64);
    Verdict {
        tone,
        headline,
        problems,
        more,
        notes,
    }
}

impl Verdict {
    /// Whether something is wrong.
    pub(super) fn is_alarming(&self) -> bool {
        self.tone >= Tone::Warn
    }
}

fn of_daemon(facts: &Facts<'_>) -> Vec<Problem> {
    let own = |tone, text: String, since| Problem {
        tone,
        name: String::new(),
        href: None,
        text,
        since,
    };
    let mut problems = Vec::new();
    if let Some(trouble) = facts.trouble {
        problems.push(own(Tone::Bad, format!("No job can start: {trouble}"), None));
    }
    if let Some(reload) = facts.reload
        && let Some(why) = &reload.refused
    {
        let text =
            format!("The reload of the configuration failed, so the old one stays in use: {why}");
        problems.push(own(Tone::Warn, text, Some(reload.at_ms)));
    }
    problems
}

fn of_source(row: &SourceRow) -> Option<Problem> {
    let (text, since) = reason(row)?;
    Some(Problem {
        tone: Tone::of(row.state),
        href: Some(address("source", &row.name)),
        name: row.name.clone(),
        text,
        since,
    })
}

/// Why a source has a problem, and since when; `None` if it has none.
pub(super) fn reason(row: &SourceRow) -> Option<(String, Option<i64>)> {
    match row.state {
        SourceState::Failed => {
            let jobs = [&row.harvest, &row.reconcile];
            let job = jobs.into_iter().find(|job| has_failed(job))?;
            Some((failure(job), job.failing_since.or(job.ended_at)))
        }
        SourceState::Incomplete if row.gaps > 0 => {
            let gaps = words::counted(row.gaps, "span of time", "spans of time");
            let of = row.harvest.message.as_deref();
            let text = match of {
                Some(message) => short(message),
                None => format!("{gaps} could not be read"),
            };
            Some((text, None))
        }
        SourceState::Held => {
            let held = |kind| WarningKind::HOLDS.contains(kind);
            let (_, message, since) = row.warnings.iter().find(|(kind, ..)| held(kind))?;
            Some((short(message), Some(*since)))
        }
        SourceState::Incomplete => match row.warnings.first() {
            Some((_, message, since)) => Some((short(message), Some(*since))),
            None => {
                let text = "the last run was interrupted; the next one continues";
                Some((text.to_owned(), row.harvest.ended_at))
            }
        },
        _ => None,
    }
}

fn has_failed(job: &Job) -> bool {
    job.outcome == Some(JobOutcome::Failed)
}

/// Why the last run of a job failed.
fn failure(job: &Job) -> String {
    match &job.message {
        Some(message) => short(message),
        None => format!("the last {} failed", job.key.kind.word()),
    }
}

fn short(message: &str) -> String {
    let message = excerpt(message.trim(), REASON_CHARS);
    message.trim_end_matches('.').to_owned()
}

fn of_output(view: &OutputView) -> Option<Problem> {
    let name = &view.known.name;
    let problem = |tone, text, since| Problem {
        tone,
        name: name.clone(),
        href: Some(address("output", name)),
        text,
        since,
    };
    if has_failed(&view.job.job) {
        let job = &view.job.job;
        let mut text = failure(job);
        if view.behind > 0 {
            text.push_str(&format!(
                ", {} behind",
                words::counted(view.behind, "change", "changes")
            ));
        }
        return Some(problem(Tone::Bad, text, job.failing_since.or(job.ended_at)));
    }
    (view.rejected > 0).then(|| {
        let text = words::counted(
            view.rejected,
            "document was rejected",
            "documents were rejected",
        );
        problem(Tone::Warn, text, None)
    })
}

fn of_export(view: &ExportView) -> Option<Problem> {
    let job = &view.job.job;
    has_failed(job).then(|| Problem {
        tone: Tone::Bad,
        name: view.known.name.clone(),
        href: Some(address("export", &view.known.name)),
        text: failure(job),
        since: job.failing_since.or(job.ended_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::overview::JobView;
    use crate::daemon::status::JobStatus;
    use crate::store::{JobKey, JobKind, Output, WarningKind};

    fn row(name: &str, state: SourceState) -> SourceRow {
        SourceRow {
            name: name.to_owned(),
            state,
            base_url: String::new(),
            harvest: Job::unknown(JobKey::new(JobKind::Harvest, name)),
            reconcile: Job::unknown(JobKey::new(JobKind::Reconcile, name)),
            live_records: 0,
            deleted_records: 0,
            new_today: 0,
            today: 0,
            watermark: None,
            gaps: 0,
            quarantined: 0,
            warnings: Vec::new(),
        }
    }

    fn failed(kind: JobKind, name: &str, message: &str, since: i64) -> Job {
        Job {
            outcome: Some(JobOutcome::Failed),
            message: Some(message.to_owned()),
            failing_since: Some(since),
            ..Job::unknown(JobKey::new(kind, name))
        }
    }

    fn output(job: Job, behind: u64, rejected: u64) -> OutputView {
        OutputView {
            known: Output::unknown("vufind".to_owned()),
            job: JobView {
                job,
                progress: None,
                status: JobStatus::default(),
            },
            behind,
            behind_seconds: 0,
            rejected,
        }
    }

    fn judge(
        counts: &[(SourceState, u64)],
        sources: &[SourceRow],
        outputs: &[OutputView],
    ) -> Verdict {
        verdict(&Facts {
            counts: &counts.to_vec(),
            sources,
            outputs,
            exports: &[],
            trouble: None,
            reload: None,
        })
    }

    /// Counts, and the headline, the notes and the tone that they give.
    type Case<'a> = (&'a [(SourceState, u64)], &'a str, &'a str, Tone);

    #[test]
    fn the_headline_says_whether_something_is_wrong() {
        use SourceState::{Complete, Failed, Incomplete, New, NotConfigured, Paused};
        let cases: [Case<'_>; 9] = [
            (&[], "No sources yet", "", Tone::Info),
            (&[(Complete, 1)], "The source is up to date", "", Tone::Good),
            (
                &[(Complete, 12)],
                "All 12 sources are up to date",
                "",
                Tone::Good,
            ),
            (
                &[(New, 1)],
                "The first harvest is under way",
                "",
                Tone::Info,
            ),
            (
                &[(New, 1), (Complete, 2)],
                "2 sources are up to date",
                "1 source has no complete list yet",
                Tone::Good,
            ),
            (
                &[(Complete, 3), (Paused, 1)],
                "All 3 sources are up to date",
                "1 paused",
                Tone::Good,
            ),
            (
                &[(NotConfigured, 2)],
                "No source is active",
                "2 not configured any more",
                Tone::Info,
            ),
            (
                &[(Incomplete, 1), (Complete, 1)],
                "1 problem",
                "1 source is up to date",
                Tone::Warn,
            ),
            (
                &[(Failed, 2), (New, 1), (Complete, 297)],
                "2 problems",
                "297 sources are up to date; 1 source has no complete list yet",
                Tone::Warn,
            ),
        ];
        for (counts, headline, notes, tone) in cases {
            let verdict = judge(counts, &[], &[]);
            assert_eq!(verdict.headline, headline);
            assert_eq!(verdict.notes.join("; "), notes, "{headline}");
            assert_eq!(verdict.tone, tone, "{headline}");
            assert_eq!(verdict.is_alarming(), headline.contains("problem"));
        }
    }

    #[test]
    fn problems_say_what_is_wrong_since_when_the_worst_first() {
        let warned = SourceRow {
            warnings: vec![(
                WarningKind::NoCrosswalk,
                "xoai cannot be converted.".to_owned(),
                5,
            )],
            ..row("strange", SourceState::Incomplete)
        };
        let gapped = SourceRow {
            gaps: 2,
            ..row("holes", SourceState::Incomplete)
        };
        let down = SourceRow {
            harvest: failed(JobKind::Harvest, "old", "HTTP 500", 7),
            ..row("old", SourceState::Failed)
        };
        let outputs = [output(
            failed(JobKind::Push, "vufind", "connection refused", 8),
            117,
            3,
        )];
        let counts = [
            (SourceState::Failed, 1),
            (SourceState::Incomplete, 4),
            (SourceState::Complete, 9),
        ];
        let verdict = judge(&counts, &[down, warned, gapped], &outputs);
        let said: Vec<(&str, &str, Option<i64>)> = verdict
            .problems
            .iter()
            .map(|problem| (problem.name.as_str(), problem.text.as_str(), problem.since))
            .collect();
        assert_eq!(
            said,
            [
                ("vufind", "connection refused, 117 changes behind", Some(8)),
                ("old", "HTTP 500", Some(7)),
                ("strange", "xoai cannot be converted", Some(5)),
                ("holes", "2 spans of time could not be read", None),
            ]
        );
        assert_eq!((verdict.headline.as_str(), verdict.more), ("6 problems", 2));
        assert_eq!(verdict.tone, Tone::Bad);
        assert_eq!(verdict.problems[1].href.as_deref(), Some("/source/old"));

        let rejecting = [output(
            Job::unknown(JobKey::new(JobKind::Push, "vufind")),
            0,
            3,
        )];
        let verdict = judge(&[(SourceState::Complete, 1)], &[], &rejecting);
        assert_eq!(verdict.problems[0].text, "3 documents were rejected");
        assert_eq!(verdict.tone, Tone::Warn);
    }
}
