//! When is a source due? A pure function of its schedule, what the store says of its last pass, the
//! pause that its host asked for, and the time.
//!
//! Ticks are never counted, only looked for between the end of the last pass and now. So ticks that
//! were missed, because the machine was off or the pass took longer than a day, are made up by one
//! pass.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Timelike};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

/// A pass that failed is tried again after so long, unless the schedule says sooner.
pub const AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// How often hours are looked at for an open one. Time zones differ by quarters of an hour.
const QUARTER_MS: i64 = 15 * 60 * 1000;

/// When one source is harvested.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `schedule`: the ticks; `None` for a source that is harvested only on demand.
    pub ticks: Option<Cron>,
    /// `time_zone`: whose clock ticks and hours are read on.
    pub time_zone: Tz,
    /// `spread`: passes begin up to this much after the tick, always by the same part of it, so
    /// that harvesters with the same schedule do not come at once.
    pub spread: Duration,
    /// `hours`: when passes may run.
    pub hours: Hours,
    /// `reconcile`: when to look for records that vanished; `None` for never by itself.
    pub reconcile: Option<Cron>,
    /// `reconcile_max_percent`: if more of the live records are missing, a person has to confirm.
    pub reconcile_max_percent: u8,
}

impl Schedule {
    /// The same for reconciling.
    pub fn of_reconciling(&self) -> Self {
        Self {
            ticks: self.reconcile.clone(),
            ..self.clone()
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            ticks: ticks("0 3 * * *").ok().flatten(),
            time_zone: Tz::UTC,
            spread: Duration::from_secs(3600),
            hours: Hours::ALL,
            reconcile: None,
            reconcile_max_percent: 5,
        }
    }
}

/// When something is delivered: an output is pushed to, or a file is written.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliverySchedule {
    /// `after_pass`: whenever a pass has stored something for it.
    pub after_pass: bool,
    /// `schedule`: at these ticks too; `None` for no others.
    pub ticks: Option<Cron>,
    /// `time_zone`: whose clock ticks and hours are read on.
    pub time_zone: Tz,
    /// `hours`: when it may be done.
    pub hours: Hours,
}

impl Default for DeliverySchedule {
    fn default() -> Self {
        Self {
            after_pass: true,
            ticks: ticks("0 * * * *").ok().flatten(),
            time_zone: Tz::UTC,
            hours: Hours::ALL,
        }
    }
}

/// What is to be known of a delivery to say whether it is due. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryStanding {
    /// When it last ended well, or when it was first looked at.
    pub last_ms: i64,
    /// There is something that it should have had.
    pub behind: bool,
    /// Someone asked for it.
    pub asked: bool,
    /// It failed, and is to be tried again then.
    pub retry_at: Option<i64>,
}

/// Says whether a delivery is due at `now_ms`.
///
/// After a failure only its own time counts, so that an index that is down is not asked at each
/// tick. A wish overrides that and the hours.
pub fn delivery_verdict(
    schedule: &DeliverySchedule,
    standing: &DeliveryStanding,
    now_ms: i64,
) -> Verdict {
    if standing.asked {
        return Verdict::Due;
    }
    let (at, reason) = match (standing.retry_at, &schedule.ticks) {
        (Some(retry_at), _) => (retry_at, Reason::Again),
        (None, _) if standing.behind => (now_ms, Reason::Tick),
        (None, None) => return Verdict::OnDemand,
        (None, Some(cron)) => {
            let last_ms = on_our_clock(standing.last_ms, now_ms);
            let tick = tick_after(cron, schedule.time_zone, last_ms);
            (tick, Reason::Tick)
        }
    };
    let open = schedule
        .hours
        .first_open(at.max(now_ms), schedule.time_zone);
    if open > at.max(now_ms) {
        Verdict::At(open, Reason::Hours)
    } else if at <= now_ms {
        Verdict::Due
    } else {
        Verdict::At(at, reason)
    }
}

/// Reads a cron expression of five fields, or of six with seconds first, or `never`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn ticks(text: &str) -> Result<Option<Cron>, String> {
    if text == "never" {
        return Ok(None);
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        // POSIX takes either of a day of the month and a day of the week; who writes both means both.
        .dom_and_dow(true)
        .build();
    let cron = parser.parse(text).map_err(|_| {
        format!(
            "{text:?} is not a cron expression; write minute, hour, day of the month, month and day of \
             the week, such as \"0 3 * * *\", or \"never\""
        )
    })?;
    // "0 0 30 2 *" is well-formed and never comes.
    let epoch = DateTime::from_timestamp_millis(0).unwrap_or_default();
    match cron.find_next_occurrence(&epoch, true) {
        Ok(_) => Ok(Some(cron)),
        Err(_) => Err(format!(
            "{text:?} never comes; write \"never\" if that is meant"
        )),
    }
}

/// The hours of a day in which passes may run, on the clock of the source's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours([bool; 24]);

/// The spans, as they are written.
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
    ///
    /// # Errors
    /// What is wrong with it, for people.
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

    /// The first instant from `at_ms` on at which passes may run.
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

    /// Whether passes may run at this time.
    pub fn open(&self, at_ms: i64, zone: Tz) -> bool {
        DateTime::from_timestamp_millis(at_ms)
            .and_then(|at| self.0.get(at.with_timezone(&zone).hour() as usize))
            .is_none_or(|open| *open)
    }
}

/// How the last pass over a source ended, and when: milliseconds since 1970 on our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It is complete.
    Complete(i64),
    /// It was cut off by our own end, and waits to be gone on with.
    CutOff,
    /// It could not go on.
    Failed(i64),
}

/// What is to be known of a source to say whether it is due.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// The last pass; `None` if there never was one, and then it is due at once.
    pub last: Option<Last>,
    /// Someone asked for a pass.
    pub asked: bool,
    /// Someone forbade passes.
    pub paused: bool,
    /// The host is to be left alone until then, in milliseconds since 1970.
    pub host_until: Option<i64>,
    /// By how much of the spread this source is late, from 0 to 1.
    pub part_of_spread: f64,
}

/// Whether a source is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Now.
    Due,
    /// At this time, in milliseconds since 1970.
    At(i64, Reason),
    /// Not until someone resumes it.
    Paused,
    /// Not until someone asks for it.
    OnDemand,
}

/// What a source waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its next tick.
    Tick,
    /// To be tried again.
    Again,
    /// Its host.
    Host,
    /// The hours in which it may run.
    Hours,
}

/// Says whether a source is due at `now_ms`.
///
/// A wish overrides schedule, hours and pause, but not the host's.
pub fn verdict(schedule: &Schedule, standing: &Standing, now_ms: i64) -> Verdict {
    let (mut at, mut reason) = if standing.asked {
        (now_ms, Reason::Tick)
    } else if standing.paused {
        return Verdict::Paused;
    } else {
        let Some(cron) = &schedule.ticks else {
            return Verdict::OnDemand;
        };
        let tick = |after_ms| next_tick(cron, schedule, standing.part_of_spread, after_ms);
        match standing.last {
            None | Some(Last::CutOff) => (now_ms, Reason::Tick),
            Some(Last::Complete(ended_ms)) => (tick(on_our_clock(ended_ms, now_ms)), Reason::Tick),
            Some(Last::Failed(ended_ms)) => {
                let ended_ms = on_our_clock(ended_ms, now_ms);
                let again = ended_ms.saturating_add(millis(AGAIN_AFTER));
                let tick = tick(ended_ms);
                if tick <= again {
                    (tick, Reason::Tick)
                } else {
                    (again, Reason::Again)
                }
            }
        }
    };
    if let Some(until_ms) = standing
        .host_until
        .filter(|until_ms| *until_ms > at.max(now_ms))
    {
        (at, reason) = (until_ms, Reason::Host);
    }
    if !standing.asked {
        let open = schedule
            .hours
            .first_open(at.max(now_ms), schedule.time_zone);
        if open > at.max(now_ms) {
            (at, reason) = (open, Reason::Hours);
        }
    }
    if at <= now_ms {
        Verdict::Due
    } else {
        Verdict::At(at, reason)
    }
}

/// By so much a time server may set our clock back without another thought.
const SLACK_MS: i64 = 60_000;

/// When something ended. If that lies ahead of our clock, the clock was set back: it counts as long ago
/// then, and what follows it is due at once. Who waited for the next time on the clock as it is would
/// wait anew at each look, until the clock has come to where it was.
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
            ..Schedule::default()
        }
    }

    #[test]
    fn a_delivery_is_due_when_it_should_be() {
        let hourly = DeliverySchedule::default();
        let nights = DeliverySchedule {
            hours: Hours::parse("22-6").unwrap(),
            ..DeliverySchedule::default()
        };
        let on_demand = DeliverySchedule {
            ticks: None,
            ..DeliverySchedule::default()
        };
        let now_ms = at("2026-06-10T12:10:00Z");
        let done = |text| DeliveryStanding {
            last_ms: at(text),
            ..DeliveryStanding::default()
        };
        let rest = done("2026-06-10T12:05:00Z");
        let behind = DeliveryStanding {
            behind: true,
            ..rest
        };
        let failed = DeliveryStanding {
            retry_at: Some(at("2026-06-10T12:20:00Z")),
            ..behind
        };
        let asked = DeliveryStanding {
            asked: true,
            ..failed
        };
        let tick = Verdict::At(at("2026-06-10T13:00:00Z"), Reason::Tick);
        let night = Verdict::At(at("2026-06-10T22:00:00Z"), Reason::Hours);
        let again = Verdict::At(at("2026-06-10T12:20:00Z"), Reason::Again);
        let cases = [
            ("nothing to do", &hourly, rest, tick),
            (
                "a tick has come",
                &hourly,
                done("2026-06-10T11:59:00Z"),
                Verdict::Due,
            ),
            (
                "a day was missed",
                &hourly,
                done("2026-06-08T11:59:00Z"),
                Verdict::Due,
            ),
            (
                "ended in the future",
                &hourly,
                done("2031-01-01T00:00:00Z"),
                Verdict::Due,
            ),
            (
                "ended by a clock that was put right",
                &hourly,
                done("2026-06-10T12:10:59Z"),
                tick,
            ),
            ("behind", &hourly, behind, Verdict::Due),
            ("behind by day", &nights, behind, night),
            ("failed", &hourly, failed, again),
            ("failed without ticks", &on_demand, failed, again),
            ("asked for", &nights, asked, Verdict::Due),
            ("no ticks", &on_demand, rest, Verdict::OnDemand),
            ("no ticks, behind", &on_demand, behind, Verdict::Due),
        ];
        for (case, schedule, standing, expected) in cases {
            assert_eq!(
                delivery_verdict(schedule, &standing, now_ms),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn a_source_is_due_when_it_should_be() {
        use Reason::{Again, Host, Tick};
        let daily = schedule("0 3 * * *", Tz::UTC, "");
        let berlin = schedule("30 2 * * *", Tz::Europe__Berlin, "");
        let nights = schedule("0 12 * * *", Tz::Europe__Berlin, "22-6");
        let seconds = schedule("*/5 * * * * *", Tz::UTC, "");
        let never = schedule("never", Tz::UTC, "");
        let half_late = Schedule {
            spread: Duration::from_secs(3600),
            ..daily.clone()
        };
        let last = |last| Standing {
            last,
            ..Standing::default()
        };
        let complete = |text| last(Some(Last::Complete(at(text))));
        let now = "2026-06-10T12:00:00Z";
        let cases = [
            ("never run", &daily, last(None), now, Verdict::Due),
            (
                "run today",
                &daily,
                complete("2026-06-10T03:20:00Z"),
                now,
                Verdict::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "three ticks missed",
                &daily,
                complete("2026-06-07T03:20:00Z"),
                now,
                Verdict::Due,
            ),
            (
                "and made up by one pass",
                &daily,
                complete("2026-06-10T11:59:00Z"),
                now,
                Verdict::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "a pass over a tick",
                &daily,
                complete("2026-06-10T03:00:00Z"),
                now,
                Verdict::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "ended in the future",
                &daily,
                complete("2031-01-01T00:00:00Z"),
                now,
                Verdict::Due,
            ),
            (
                "ended by a clock that was put right",
                &daily,
                complete("2026-06-10T12:00:59Z"),
                now,
                Verdict::At(at("2026-06-11T03:00:00Z"), Tick),
            ),
            (
                "failed in the future",
                &daily,
                last(Some(Last::Failed(at("2031-01-01T00:00:00Z")))),
                now,
                Verdict::Due,
            ),
            (
                "seconds",
                &seconds,
                complete("2026-06-10T11:59:58Z"),
                "2026-06-10T11:59:59Z",
                Verdict::At(at("2026-06-10T12:00:00Z"), Tick),
            ),
            (
                "cut off",
                &daily,
                last(Some(Last::CutOff)),
                now,
                Verdict::Due,
            ),
            (
                "failed just now",
                &daily,
                last(Some(Last::Failed(at("2026-06-10T11:30:00Z")))),
                now,
                Verdict::At(at("2026-06-10T12:30:00Z"), Again),
            ),
            (
                "failed before a tick",
                &daily,
                last(Some(Last::Failed(at("2026-06-10T02:30:00Z")))),
                "2026-06-10T02:31:00Z",
                Verdict::At(at("2026-06-10T03:00:00Z"), Tick),
            ),
            (
                "spread",
                &half_late,
                Standing {
                    part_of_spread: 0.5,
                    ..complete("2026-06-10T03:10:00Z")
                },
                "2026-06-10T03:11:00Z",
                Verdict::At(at("2026-06-10T03:30:00Z"), Tick),
            ),
            (
                "time zone in summer",
                &berlin,
                complete("2026-06-10T10:00:00Z"),
                now,
                Verdict::At(at("2026-06-11T00:30:00Z"), Tick),
            ),
            (
                "time zone in winter",
                &berlin,
                complete("2026-01-10T10:00:00Z"),
                "2026-01-10T12:00:00Z",
                Verdict::At(at("2026-01-11T01:30:00Z"), Tick),
            ),
            (
                "hours",
                &nights,
                complete("2026-06-09T12:00:00Z"),
                now,
                Verdict::At(at("2026-06-10T20:00:00Z"), Reason::Hours),
            ),
            (
                "within the hours",
                &nights,
                complete("2026-06-09T12:00:00Z"),
                "2026-06-10T23:00:00Z",
                Verdict::Due,
            ),
            (
                "host",
                &daily,
                Standing {
                    host_until: Some(at("2026-06-10T18:00:00Z")),
                    ..last(None)
                },
                now,
                Verdict::At(at("2026-06-10T18:00:00Z"), Host),
            ),
            (
                "host's pause is over",
                &daily,
                Standing {
                    host_until: Some(at("2026-06-10T11:00:00Z")),
                    ..last(None)
                },
                now,
                Verdict::Due,
            ),
            (
                "asked for, by day, although it is paused",
                &nights,
                Standing {
                    asked: true,
                    paused: true,
                    ..complete("2026-06-10T11:59:00Z")
                },
                now,
                Verdict::Due,
            ),
            (
                "asked for, but the host wants quiet",
                &daily,
                Standing {
                    asked: true,
                    host_until: Some(at("2026-06-10T13:00:00Z")),
                    ..last(None)
                },
                now,
                Verdict::At(at("2026-06-10T13:00:00Z"), Host),
            ),
            (
                "paused",
                &daily,
                Standing {
                    paused: true,
                    ..last(None)
                },
                now,
                Verdict::Paused,
            ),
            ("on demand", &never, last(None), now, Verdict::OnDemand),
        ];
        for (case, schedule, standing, now, expected) in cases {
            assert_eq!(verdict(schedule, &standing, at(now)), expected, "{case}");
        }
    }

    #[test]
    fn a_tick_in_the_skipped_hour_comes_once() {
        // 2026-03-29, 02:30 does not exist in Berlin.
        let berlin = schedule("30 2 * * *", Tz::Europe__Berlin, "");
        let standing = |ended_ms| Standing {
            last: Some(Last::Complete(ended_ms)),
            ..Standing::default()
        };
        let mut now = at("2026-03-28T12:00:00Z");
        let mut days = Vec::new();
        for _ in 0..3 {
            let Verdict::At(tick, Reason::Tick) = verdict(&berlin, &standing(now), now) else {
                panic!("a tick lies ahead");
            };
            assert!(tick > now);
            days.push(tick.div_euclid(86_400_000) - now.div_euclid(86_400_000));
            now = tick + 60_000;
        }
        assert_eq!(days, [1, 1, 1]);
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
}
