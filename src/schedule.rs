//! When a job runs next: a pure function of its schedule, how its last run ended, and the time.
//!
//! Ticks are never counted, only looked for between the end of the last run and now. One run makes up for
//! all ticks that were missed while the machine was off or a run took longer than a day.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Timelike};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

/// The time between two looks for an open hour. Time zones differ by quarters of an hour.
const QUARTER_MS: i64 = 15 * 60 * 1000;

/// When a job runs by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `schedule`: the ticks; `None` for a job that runs only on request or after a pass.
    pub ticks: Option<Cron>,
    /// `time_zone`: the time zone of ticks and hours.
    pub time_zone: Tz,
    /// `spread`: a run begins up to this much after its tick, always by the same part of it, so that
    /// harvesters with the same schedule do not all begin at once.
    pub spread: Duration,
    /// `hours`: when runs may begin.
    pub hours: Hours,
    /// `after_pass`: whether it also runs after each pass that stored something for it.
    pub after_pass: bool,
}

impl Schedule {
    /// The schedule of passes without keys in the configuration.
    pub fn of_passes() -> Self {
        Self {
            ticks: ticks("0 3 * * *").ok().flatten(),
            spread: Duration::from_secs(3600),
            ..Self::on_request()
        }
    }

    /// The schedule of pushes without keys in the configuration.
    pub fn of_pushes() -> Self {
        Self {
            ticks: ticks("0 * * * *").ok().flatten(),
            after_pass: true,
            ..Self::on_request()
        }
    }

    /// A job that runs only on request.
    pub fn on_request() -> Self {
        Self {
            ticks: None,
            time_zone: Tz::UTC,
            spread: Duration::ZERO,
            hours: Hours::ALL,
            after_pass: false,
        }
    }
}

/// When a source is harvested and reconciled.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSchedule {
    /// Its passes.
    pub pass: Schedule,
    /// `reconcile`: its search for records that disappeared.
    pub reconcile: Schedule,
    /// `reconcile_max_percent`: if more of the live records are missing, a person has to confirm.
    pub reconcile_max_percent: u8,
}

impl Default for SourceSchedule {
    fn default() -> Self {
        let pass = Schedule::of_passes();
        Self {
            reconcile: Schedule {
                ticks: None,
                ..pass.clone()
            },
            pass,
            reconcile_max_percent: 5,
        }
    }
}

/// When a failed job runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The pause after the first failure. It doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Whether a tick that comes before the end of the pause ends it.
    pub tick_ends_pause: bool,
}

impl Retry {
    /// The pause after `failures` failed runs in a row, at least one.
    pub fn pause(&self, failures: u32) -> Duration {
        let times = 1_u32.checked_shl(failures.saturating_sub(1));
        let pause = times.and_then(|times| self.first_pause.checked_mul(times));
        pause.map_or(self.longest_pause, |pause| pause.min(self.longest_pause))
    }
}

/// What decides, beside the schedule, when a job runs next. Times are milliseconds since 1970 on our clock.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Situation {
    /// Ticks count from here: the end of the last run.
    pub last_at: i64,
    /// The number of failed runs since one succeeded, if the last one failed.
    pub failures: Option<u32>,
    /// When a failed job runs again; `None` if only a tick or a request starts it.
    pub retry: Option<Retry>,
    /// Whether there is work that an earlier run should have done.
    pub unfinished: bool,
    /// Whether a person requested a run.
    pub requested: bool,
    /// Whether a person paused the job.
    pub paused: bool,
    /// When the pause ends that the host asked for.
    pub host_until: Option<i64>,
    /// The part of the spread by which this job runs late, from 0 to 1.
    pub part_of_spread: f64,
}

/// When a job runs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextRun {
    /// Now.
    Now,
    /// At this time, in milliseconds since 1970.
    At(i64, Reason),
    /// When a person has resumed it.
    Paused,
    /// When a person requests it, or a pass has stored something for it.
    OnRequest,
}

/// Why a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// For its next tick.
    Tick,
    /// To be tried again after a failed run.
    Retry,
    /// For the end of the pause that its host asked for.
    Host,
    /// For the hours in which it may begin.
    Hours,
}

/// Says when a job runs next, at `now_ms`.
///
/// A request overrides schedule, hours, retry pause and a person's pause, but not the host's pause.
pub fn next_run(schedule: &Schedule, situation: &Situation, now_ms: i64) -> NextRun {
    let last_at = on_our_clock(situation.last_at, now_ms);
    let tick = schedule
        .ticks
        .as_ref()
        .map(|cron| next_tick(cron, schedule, situation.part_of_spread, last_at));
    let (mut at, mut reason) = if situation.requested {
        (now_ms, Reason::Tick)
    } else if situation.paused {
        return NextRun::Paused;
    } else {
        match (situation.failures, situation.retry, tick) {
            (Some(failures), Some(retry), tick) => {
                let retry_at = last_at.saturating_add(millis(retry.pause(failures)));
                match tick.filter(|tick| retry.tick_ends_pause && *tick <= retry_at) {
                    Some(tick) => (tick, Reason::Tick),
                    None => (retry_at, Reason::Retry),
                }
            }
            _ if situation.unfinished => (now_ms, Reason::Tick),
            (_, _, Some(tick)) => (tick, Reason::Tick),
            (_, _, None) => return NextRun::OnRequest,
        }
    };
    if let Some(until) = situation.host_until.filter(|until| *until > at.max(now_ms)) {
        (at, reason) = (until, Reason::Host);
    }
    if !situation.requested {
        let open = schedule
            .hours
            .first_open(at.max(now_ms), schedule.time_zone);
        if open > at.max(now_ms) {
            (at, reason) = (open, Reason::Hours);
        }
    }
    if at <= now_ms {
        NextRun::Now
    } else {
        NextRun::At(at, reason)
    }
}

/// Reads a cron expression of five fields, or of six with seconds first, or `never`.
/// The error says what is wrong with it, for people.
pub fn ticks(text: &str) -> Result<Option<Cron>, String> {
    if text == "never" {
        return Ok(None);
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        // POSIX runs on either day if a day of the month and a day of the week are given; people mean both.
        .dom_and_dow(true)
        .build();
    let cron = parser.parse(text).map_err(|_| {
        format!(
            "{text:?} is not a cron expression; write minute, hour, day of the month, month and day of \
             the week, such as \"0 3 * * *\", or \"never\""
        )
    })?;
    // "0 0 30 2 *" is well-formed, but February has no 30th.
    let epoch = DateTime::from_timestamp_millis(0).unwrap_or_default();
    match cron.find_next_occurrence(&epoch, true) {
        Ok(_) => Ok(Some(cron)),
        Err(_) => Err(format!(
            "{text:?} never comes; write \"never\" if that is meant"
        )),
    }
}

/// The hours of a day in which a job may begin, in its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours([bool; 24]);

/// The spans, as the configuration has them.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut hour = 0;
        while hour < 24 {
            let length = self.0[hour..].iter().take_while(|open| **open).count();
            if length > 0 {
                write!(f, "{separator}{hour}-{}", hour + length)?;
                separator = ",";
            }
            hour += length + 1;
        }
        Ok(())
    }
}

impl Hours {
    /// Always.
    pub const ALL: Self = Self([true; 24]);

    /// Reads `22-6` (from 22:00 to 6:00) or `0-6,20-24`.
    /// The error says what is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is not a list of hours; write \"22-6\" or \"0-6,20-24\", for example")
        };
        let mut open = [false; 24];
        for span in text.split(',') {
            let (from, until) = span.trim().split_once('-').ok_or_else(wrong)?;
            let hour = |text: &str| text.trim().parse::<usize>().ok().filter(|hour| *hour <= 24);
            let (from, until) = hour(from).zip(hour(until)).ok_or_else(wrong)?;
            if from == until || from == 24 {
                return Err(wrong());
            }
            let length = (until + 24 - from) % 24;
            let length = if length == 0 { 24 } else { length };
            for step in 0..length {
                open[(from + step) % 24] = true;
            }
        }
        Ok(Self(open))
    }

    /// The first instant from `at_ms` on at which a job may begin.
    fn first_open(&self, at_ms: i64, zone: Tz) -> i64 {
        if self.open(at_ms, zone) {
            return at_ms;
        }
        let quarter = at_ms.div_euclid(QUARTER_MS);
        // Two days hold every hour at least once, whatever the clocks do.
        (1..=2 * 24 * 4)
            .map(|step| (quarter + step) * QUARTER_MS)
            .find(|at_ms| self.open(*at_ms, zone))
            .unwrap_or(at_ms)
    }

    /// Whether a job may begin at this time.
    pub fn open(&self, at_ms: i64, zone: Tz) -> bool {
        DateTime::from_timestamp_millis(at_ms)
            .and_then(|at| self.0.get(at.with_timezone(&zone).hour() as usize))
            .is_none_or(|open| *open)
    }
}

/// A time server may set our clock back by this much without consequences.
const SLACK_MS: i64 = 60_000;

/// When a run ended, as our clock now counts. An end in the future means that the clock was set back: the
/// run counts as long ago, so that the next one is due at once. Otherwise the job would wait until the
/// clock has reached the old time again.
fn on_our_clock(ended_ms: i64, now_ms: i64) -> i64 {
    if ended_ms > now_ms.saturating_add(SLACK_MS) {
        0
    } else {
        ended_ms.min(now_ms)
    }
}

/// The first tick after `after_ms`, spread included.
fn next_tick(cron: &Cron, schedule: &Schedule, part_of_spread: f64, after_ms: i64) -> i64 {
    let late_ms = millis(schedule.spread.mul_f64(part_of_spread.clamp(0.0, 1.0)));
    let after_ms = after_ms.saturating_sub(late_ms);
    tick_after(cron, schedule.time_zone, after_ms).saturating_add(late_ms)
}

/// The first tick after `after_ms`.
fn tick_after(cron: &Cron, time_zone: Tz, after_ms: i64) -> i64 {
    DateTime::from_timestamp_millis(after_ms)
        .map(|after| after.with_timezone(&time_zone))
        .and_then(|after| cron.find_next_occurrence(&after, false).ok())
        // Only for years that no clock shows.
        .map_or(i64::MAX, |tick| tick.timestamp_millis())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The part of the spread, from 0 to 1, by which a source runs late: always the same one in one store,
/// another one in each store.
pub fn part_of_spread(seed: i64, name: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut bytes = [0; 4];
    hasher.finalize_xof().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    fn schedule(cron: &str, zone: Tz, hours: &str) -> Schedule {
        Schedule {
            ticks: ticks(cron).unwrap(),
            time_zone: zone,
            spread: Duration::ZERO,
            hours: if hours.is_empty() {
                Hours::ALL
            } else {
                Hours::parse(hours).unwrap()
            },
            ..Schedule::on_request()
        }
    }

    #[test]
    fn pushes_run_when_they_are_due() {
        let hourly = Schedule::of_pushes();
        let nights = Schedule {
            hours: Hours::parse("22-6").unwrap(),
            ..Schedule::of_pushes()
        };
        let on_demand = Schedule {
            ticks: None,
            ..Schedule::of_pushes()
        };
        let now_ms = at("2026-06-10T12:10:00Z");
        let pushes = Situation {
            retry: Some(Retry {
                first_pause: Duration::from_secs(600),
                longest_pause: Duration::from_secs(1800),
                tick_ends_pause: false,
            }),
            ..Situation::default()
        };
        let done = |text| Situation {
            last_at: at(text),
            ..pushes
        };
        let rest = done("2026-06-10T12:05:00Z");
        let behind = Situation {
            unfinished: true,
            ..rest
        };
        let failed = Situation {
            failures: Some(2),
            ..behind
        };
        let requested = Situation {
            requested: true,
            ..failed
        };
        let tick = NextRun::At(at("2026-06-10T13:00:00Z"), Reason::Tick);
        let night = NextRun::At(at("2026-06-10T22:00:00Z"), Reason::Hours);
        let again = NextRun::At(at("2026-06-10T12:25:00Z"), Reason::Retry);
        let cases = [
            ("nothing to do", &hourly, rest, tick),
            (
                "a tick has come",
                &hourly,
                done("2026-06-10T11:59:00Z"),
                NextRun::Now,
            ),
            (
                "a day was missed",
                &hourly,
                done("2026-06-08T11:59:00Z"),
                NextRun::Now,
            ),
            (
                "ended in the future",
                &hourly,
                done("2031-01-01T00:00:00Z"),
                NextRun::Now,
            ),
            (
                "ended by a clock that was put right",
                &hourly,
                done("2026-06-10T12:10:59Z"),
                tick,
            ),
            ("behind", &hourly, behind, NextRun::Now),
            ("behind by day", &nights, behind, night),
            ("failed", &hourly, failed, again),
            ("failed without ticks", &on_demand, failed, again),
            ("requested", &nights, requested, NextRun::Now),
            ("no ticks", &on_demand, rest, NextRun::OnRequest),
            ("no ticks, behind", &on_demand, behind, NextRun::Now),
        ];
        for (case, schedule, situation, expected) in cases {
            assert_eq!(next_run(schedule, &situation, now_ms), expected, "{case}");
        }
    }

    #[test]
    fn passes_run_when_they_are_due() {
        use Reason::{Host, Retry as Again, Tick};
        let daily = schedule("0 3 * * *", Tz::UTC, "");
        let berlin = schedule("30 2 * * *", Tz::Europe__Berlin, "");
        let nights = schedule("0 12 * * *", Tz::Europe__Berlin, "22-6");
        let seconds = schedule("*/5 * * * * *", Tz::UTC, "");
        let never = schedule("never", Tz::UTC, "");
        let half_late = Schedule {
            spread: Duration::from_secs(3600),
            ..daily.clone()
        };
        let passes = Situation {
            retry: Some(Retry {
                first_pause: Duration::from_secs(3600),
                longest_pause: Duration::from_secs(3600),
                tick_ends_pause: true,
            }),
            ..Situation::default()
        };
        let complete = |text| Situation {
            last_at: at(text),
            ..passes
        };
        let failed = |text| Situation {
            failures: Some(1),
            ..complete(text)
        };
        let unfinished = Situation {
            unfinished: true,
            ..passes
        };
        let now = "2026-06-10T12:00:00Z";
        let cases = [
            ("never run", &daily, unfinished, now, NextRun::Now),
            (
                "run today",
                &daily,
                complete("2026-06-10T03:20:00Z"),
                now,
                NextRun::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "three ticks missed",
                &daily,
                complete("2026-06-07T03:20:00Z"),
                now,
                NextRun::Now,
            ),
            (
                "and made up by one pass",
                &daily,
                complete("2026-06-10T11:59:00Z"),
                now,
                NextRun::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "a pass over a tick",
                &daily,
                complete("2026-06-10T03:00:00Z"),
                now,
                NextRun::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "ended in the future",
                &daily,
                complete("2031-01-01T00:00:00Z"),
                now,
                NextRun::Now,
            ),
            (
                "ended by a clock that was put right",
                &daily,
                complete("2026-06-10T12:00:59Z"),
                now,
                NextRun::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "failed in the future",
                &daily,
                failed("2031-01-01T00:00:00Z"),
                now,
                NextRun::Now,
            ),
            (
                "seconds",
                &seconds,
                complete("2026-06-10T11:59:58Z"),
                "2026-06-10T11:59:59Z",
                NextRun::At(at("2026-06-10T12:00:00Z"), Tick),
            ),
            ("interrupted", &daily, unfinished, now, NextRun::Now),
            (
                "failed just now",
                &daily,
                failed("2026-06-10T11:30:00Z"),
                now,
                NextRun::At(at("2026-06-10T12:30:00Z"), Again),
            ),
            (
                "failed before a tick",
                &daily,
                failed("2026-06-10T02:30:00Z"),
                "2026-06-10T02:31:00Z",
                NextRun::At(at("2026-06-10T03:00:00Z"), Tick),
            ),
            (
                "spread",
                &half_late,
                Situation {
                    part_of_spread: 0.5,
                    ..complete("2026-06-10T03:10:00Z")
                },
                "2026-06-10T03:11:00Z",
                NextRun::At(at("2026-06-10T03:30:00Z"), Tick),
            ),
            (
                "time zone in summer",
                &berlin,
                complete("2026-06-10T10:00:00Z"),
                now,
                NextRun::At(at("2026-06-11T00:30:00Z"), Tick),
            ),
            (
                "time zone in winter",
                &berlin,
                complete("2026-01-10T10:00:00Z"),
                "2026-01-10T12:00:00Z",
                NextRun::At(at("2026-01-11T01:30:00Z"), Tick),
            ),
            (
                "hours",
                &nights,
                complete("2026-06-09T12:00:00Z"),
                now,
                NextRun::At(at("2026-06-10T20:00:00Z"), Reason::Hours),
            ),
            (
                "within the hours",
                &nights,
                complete("2026-06-09T12:00:00Z"),
                "2026-06-10T23:00:00Z",
                NextRun::Now,
            ),
            (
                "host",
                &daily,
                Situation {
                    host_until: Some(at("2026-06-10T18:00:00Z")),
                    ..unfinished
                },
                now,
                NextRun::At(at("2026-06-10T18:00:00Z"), Host),
            ),
            (
                "host's pause is over",
                &daily,
                Situation {
                    host_until: Some(at("2026-06-10T11:00:00Z")),
                    ..unfinished
                },
                now,
                NextRun::Now,
            ),
            (
                "requested, by day, although it is paused",
                &nights,
                Situation {
                    requested: true,
                    paused: true,
                    ..complete("2026-06-10T11:59:00Z")
                },
                now,
                NextRun::Now,
            ),
            (
                "requested, but the host wants quiet",
                &daily,
                Situation {
                    requested: true,
                    host_until: Some(at("2026-06-10T13:00:00Z")),
                    ..unfinished
                },
                now,
                NextRun::At(at("2026-06-10T13:00:00Z"), Host),
            ),
            (
                "paused",
                &daily,
                Situation {
                    paused: true,
                    ..unfinished
                },
                now,
                NextRun::Paused,
            ),
            ("on request", &never, passes, now, NextRun::OnRequest),
        ];
        for (case, schedule, situation, now, expected) in cases {
            assert_eq!(next_run(schedule, &situation, at(now)), expected, "{case}");
        }
    }

    #[test]
    fn a_tick_in_the_skipped_hour_comes_once() {
        // 2026-03-29, 02:30 does not exist in Berlin.
        let berlin = schedule("30 2 * * *", Tz::Europe__Berlin, "");
        let situation = |last_at| Situation {
            last_at,
            ..Situation::default()
        };
        let mut now = at("2026-03-28T12:00:00Z");
        let mut days = Vec::new();
        for _ in 0..3 {
            let NextRun::At(tick, Reason::Tick) = next_run(&berlin, &situation(now), now) else {
                panic!("a tick lies ahead");
            };
            assert!(tick > now);
            days.push(tick.div_euclid(86_400_000) - now.div_euclid(86_400_000));
            now = tick + 60_000;
        }
        assert_eq!(days, [1, 1, 1]);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry {
            first_pause: Duration::from_secs(128),
            longest_pause: Duration::from_secs(1800),
            tick_ends_pause: false,
        };
        let pauses = [1, 2, 3, 4, 5, 40, u32::MAX].map(|failures| retry.pause(failures).as_secs());
        assert_eq!(pauses, [128, 256, 512, 1024, 1800, 1800, 1800]);
    }

    #[test]
    fn ticks_are_read_or_refused() {
        let cases = [
            ("five fields", "0 3 * * *", true),
            ("six fields", "*/2 * * * * *", true),
            ("names", "0 3 * * MON-FRI", true),
            ("never", "never", true),
            ("nothing", "", false),
            ("words", "daily at three", false),
            ("out of range", "0 25 * * *", false),
            ("a day that never comes", "0 0 30 2 *", false),
        ];
        for (case, text, right) in cases {
            assert_eq!(ticks(text).is_ok(), right, "{case}: {:?}", ticks(text));
        }
    }

    #[test]
    fn hours_are_read_or_refused() {
        let cases = [
            ("over midnight", "22-6", Some("2223000102030405")),
            ("two spans", "0-2, 22-24", Some("00012223")),
            ("no end", "22", None),
            ("empty span", "5-5", None),
            ("too late", "20-25", None),
            ("words", "night", None),
            ("nothing", "", None),
        ];
        for (case, text, expected) in cases {
            let hours = Hours::parse(text).ok();
            let sorted = |text: &str| {
                let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
                let mut hours: Vec<String> =
                    digits.chunks(2).map(|pair| pair.iter().collect()).collect();
                hours.sort();
                hours
            };
            let open = hours.map(|hours| {
                let open = (0..24).filter(|hour| hours.0[*hour]);
                open.map(|hour| format!("{hour:02}")).collect::<Vec<_>>()
            });
            assert_eq!(open, expected.map(sorted), "{case}");
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
