//! Shows runs while they go on: bars on a terminal, log lines elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::{Term, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::{debug, info, warn};

use super::table::printable;
use super::tally::{Tally, short};
use crate::end::End;
use crate::harvest::progress::{Event, Progress};

/// The most characters of a name beside its bar.
const MOST_NAME: usize = 24;

/// How often the log says how far a run is.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Draws bars on standard error, or nowhere if it is no terminal or `shown` is false. Log lines have to
/// be written through the same object, so that they do not tear the bars.
pub fn bars(shown: bool) -> MultiProgress {
    MultiProgress::with_draw_target(if shown {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    })
}

/// Bars if they can be seen, else log lines at level `info`.
pub fn display(bars: &MultiProgress) -> Arc<dyn Progress> {
    if bars.is_hidden() {
        lines()
    } else {
        Arc::new(Bars::new(bars.clone()))
    }
}

/// Log lines at level `info`, also on a terminal.
pub fn lines() -> Arc<dyn Progress> {
    Arc::new(Lines::new(LOG_EVERY))
}

/// One run that is shown.
struct Row<B> {
    tally: Tally,
    started: Instant,
    /// The display's own state of the run.
    shown: B,
}

impl<B> Row<B> {
    fn new(shown: B) -> Self {
        Self {
            tally: Tally::default(),
            started: Instant::now(),
            shown,
        }
    }

    fn line(&self) -> String {
        self.tally.line(self.started.elapsed())
    }
}

/// The rows, also after a panic in another thread: no row is ever half done.
fn lock<B>(rows: &Mutex<HashMap<String, Row<B>>>) -> MutexGuard<'_, HashMap<String, Row<B>>> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One bar for each source.
pub struct Bars {
    bars: MultiProgress,
    rows: Mutex<HashMap<String, Row<ProgressBar>>>,
}

impl Bars {
    /// A display without bars yet.
    pub fn new(bars: MultiProgress) -> Self {
        Self {
            bars,
            rows: Mutex::default(),
        }
    }

    fn row(&self, source: &str) -> Row<ProgressBar> {
        Row::new(named(&self.bars, source))
    }
}

/// A line for something with this name: a spinner and a message that is cut at the edge of the screen. See
/// [`set_total`] for a bar in the spinner's place.
pub(super) fn named(bars: &MultiProgress, name: &str) -> ProgressBar {
    let prefix = truncate_str(name, MOST_NAME, "…").into_owned();
    let bar = bars.add(ProgressBar::no_length().with_prefix(prefix));
    bar.set_style(style("{prefix} {spinner} {wide_msg}"));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Draws a bar of this length in the place of the spinner, or the spinner again if there is no total.
pub(super) fn set_total(bar: &ProgressBar, total: Option<u64>) {
    match total {
        Some(total) => {
            if bar.length().is_none() {
                let width = bar_width(Term::stderr().size().1);
                bar.set_style(style(&format!("{{prefix}} [{{bar:{width}}}] {{wide_msg}}")));
            }
            bar.set_length(total);
        }
        None if bar.length().is_some() => {
            bar.unset_length();
            bar.set_style(style("{prefix} {spinner} {wide_msg}"));
        }
        None => {}
    }
}

/// The width of a bar on a screen of so many columns. What it says needs the rest.
pub(super) fn bar_width(columns: u16) -> u16 {
    match columns {
        ..80 => 6,
        80..120 => 10,
        _ => 20,
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates of this file are right")
        .progress_chars("=> ")
}

impl Progress for Bars {
    fn event(&self, source: &str, event: Event) {
        let mut rows = lock(&self.rows);
        let row = rows
            .entry(source.to_owned())
            .or_insert_with(|| self.row(source));
        match event {
            Event::Started { total } => {
                row.started = Instant::now();
                row.tally = Tally::default();
                row.tally.set_total(total);
                redraw(row);
            }
            Event::Page(page) => {
                row.tally.add(&page);
                redraw(row);
            }
            Event::Total(total) => {
                row.tally.set_total(total);
                redraw(row);
            }
            Event::Waiting { pause, why } => {
                let line = format!("{}; waiting {} for {why}", row.line(), short(pause));
                row.shown.set_message(printable(&line));
            }
            Event::Note(note) => {
                // The log line is written through the bars, so their lock must be free.
                drop(rows);
                info!(source.id = source, "{note}");
            }
            Event::Ended(ending) => {
                let line = ended(&ending, &row.line());
                row.shown.set_style(style("{prefix} {wide_msg}"));
                row.shown.finish_with_message(line);
                rows.remove(source);
            }
        }
    }
}

fn redraw(row: &Row<ProgressBar>) {
    set_total(&row.shown, row.tally.total());
    row.shown.set_position(row.tally.records());
    row.shown.set_message(row.line());
}

fn ended(ending: &End, line: &str) -> String {
    match ending {
        End::Complete => format!("complete: {line}"),
        End::GapsLeft(why) | End::Incomplete(why) => format!("incomplete ({why}): {line}"),
        End::Failed(why) => format!("failed ({why}): {line}"),
    }
}

/// Log lines: start, end, waits and, now and then, how far a run is.
pub struct Lines {
    every: Duration,
    rows: Mutex<HashMap<String, Row<Logged>>>,
}

/// The log lines of a run so far.
struct Logged {
    /// The last line that said how far the run is.
    at: Instant,
    /// Each reason for a wait, and how many waits were not logged.
    waits: BTreeMap<String, u32>,
}

impl Logged {
    fn nothing() -> Self {
        Self {
            at: Instant::now(),
            waits: BTreeMap::new(),
        }
    }
}

impl Lines {
    /// A display that logs the pages of a run once in `every`.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            rows: Mutex::default(),
        }
    }
}

impl Progress for Lines {
    fn event(&self, source: &str, event: Event) {
        let mut rows = lock(&self.rows);
        let row = rows
            .entry(source.to_owned())
            .or_insert_with(|| Row::new(Logged::nothing()));
        match event {
            Event::Started { total } => {
                *row = Row::new(Logged::nothing());
                row.tally.set_total(total);
                info!(source.id = source, "pass started");
            }
            Event::Page(page) => {
                row.tally.add(&page);
                if row.shown.at.elapsed() >= self.every {
                    row.shown.at = Instant::now();
                    info!(source.id = source, "{}", row.line());
                }
            }
            Event::Total(total) => row.tally.set_total(total),
            Event::Waiting { pause, why } => {
                // One fault can make many windows wait, which would hide all other lines.
                let again = row.shown.waits.get_mut(answer_in(&why));
                match again.filter(|_| pause < LOG_EVERY) {
                    Some(more) => {
                        *more += 1;
                        debug!(source.id = source, "waiting {} for {why}", short(pause));
                    }
                    None => {
                        info!(source.id = source, "waiting {} for {why}", short(pause));
                        let what = answer_in(&why).to_owned();
                        row.shown.waits.entry(what).or_default();
                    }
                }
            }
            Event::Note(note) => info!(source.id = source, "{note}"),
            Event::Ended(ending) => {
                for (what, more) in &row.shown.waits {
                    if *more > 0 {
                        info!(source.id = source, "waited {more} times more for: {what}");
                    }
                }
                let line = ended(&ending, &row.line());
                match ending {
                    End::Failed(_) => warn!(source.id = source, "pass {line}"),
                    End::Complete | End::GapsLeft(_) | End::Incomplete(_) => {
                        info!(source.id = source, "pass {line}");
                    }
                }
                rows.remove(source);
            }
        }
    }
}

/// The answer in `why`, without the request: that differs from page to page.
fn answer_in(why: &str) -> &str {
    let asked = why
        .strip_prefix("GET ")
        .and_then(|asked| asked.split_once(' '));
    match asked {
        Some((_, rest)) => rest,
        None => why,
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::cli::logging;
    use crate::harvest::progress::Page;

    fn page(records: u64) -> Event {
        Event::Page(Page {
            records,
            new: records,
            server_wait: Duration::from_secs(2),
            ..Page::default()
        })
    }

    fn memory(term: &InMemoryTerm) -> MultiProgress {
        // Every change is drawn: without a limit of frames there is nothing to wait for.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
        MultiProgress::with_draw_target(target)
    }

    #[test]
    fn bars_follow_the_events() {
        let term = InMemoryTerm::new(10, 120);
        let display = Bars::new(memory(&term));
        display.event("a", Event::Started { total: Some(40) });
        display.event("a", page(10));
        display.event("a", Event::Total(Some(5)));
        display.event("b", Event::Started { total: None });
        display.event("b", page(3));
        display.event("a", Event::Ended(End::Complete));
        let why = "the limit".to_owned();
        display.event("b", Event::Ended(End::Incomplete(why)));
        assert_eq!(
            term.contents(),
            "a complete: 10 records, 10 new; server 2s, processing 0s\n\
             b incomplete (the limit): 3 records, 3 new; server 2s, processing 0s"
        );
    }

    #[test]
    fn bars_are_drawn_only_for_totals_that_can_be_true() {
        let term = InMemoryTerm::new(10, 120);
        let display = Bars::new(memory(&term));
        let drawn = |event| {
            display.event("a", event);
            let rows = lock(&display.rows);
            rows["a"].shown.force_draw();
            term.contents()
        };
        drawn(Event::Started { total: Some(40) });
        let shown = drawn(page(20));
        assert!(
            shown.starts_with("a [==") && shown.contains("] 20 of 40 records"),
            "{shown}"
        );
        let shown = drawn(page(21));
        assert!(!shown.contains('['), "{shown}");
        let shown = drawn(Event::Waiting {
            pause: Duration::from_secs(90),
            why: "Retry-After".to_owned(),
        });
        assert!(shown.ends_with("waiting 1m 30s for Retry-After"), "{shown}");
    }

    #[test]
    fn lines_tell_the_same_without_a_terminal() {
        let lines = logging::tests::captured(|| {
            let display = display(&bars(false));
            display.event("a", Event::Started { total: None });
            display.event("a", page(10));
            display.event("a", Event::Note("no sets".to_owned()));
            let why = "HTTP 500".to_owned();
            display.event("a", Event::Ended(End::Failed(why)));
            let often = Lines::new(Duration::ZERO);
            often.event("b", page(3));
        });
        let expected = [
            "INFO pass started source.id=\"a\"",
            "INFO no sets source.id=\"a\"",
            "WARN pass failed (HTTP 500): 10 records, 10 new; server 2s, processing 0s source.id=\"a\"",
            "INFO 3 records, 3 new; server 2s, processing 0s source.id=\"b\"",
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.trim_end().ends_with(expected), "{line}");
        }
    }

    #[test]
    fn a_fault_that_many_requests_wait_for_is_logged_once_and_counted() {
        let lines = logging::tests::captured(|| {
            let display = display(&bars(false));
            display.event("a", Event::Started { total: None });
            let wait = |seconds, why: String| {
                let pause = Duration::from_secs(seconds);
                display.event("a", Event::Waiting { pause, why });
            };
            for page in 0..20 {
                wait(2, format!("GET http://x/oai?page={page} answered HTTP 500"));
            }
            wait(2, "GET http://x/oai?page=7: no connection".to_owned());
            // A long pause is worth a line of its own: nothing else happens meanwhile.
            wait(600, "GET http://x/oai?page=8 answered HTTP 500".to_owned());
            display.event("a", Event::Ended(End::Complete));
            display.event("a", Event::Started { total: None });
            wait(2, "GET http://x/oai answered HTTP 500".to_owned());
        });
        let expected = [
            "INFO pass started source.id=\"a\"",
            "INFO waiting 2s for GET http://x/oai?page=0 answered HTTP 500 source.id=\"a\"",
            "INFO waiting 2s for GET http://x/oai?page=7: no connection source.id=\"a\"",
            "INFO waiting 10m 0s for GET http://x/oai?page=8 answered HTTP 500 source.id=\"a\"",
            "INFO waited 19 times more for: answered HTTP 500 source.id=\"a\"",
            "INFO pass complete: 0 records; server 0s, processing 0s source.id=\"a\"",
            "INFO pass started source.id=\"a\"",
            "INFO waiting 2s for GET http://x/oai answered HTTP 500 source.id=\"a\"",
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.trim_end().ends_with(expected), "{line}");
        }
    }
}
