//! Logging: which lines are written, in which format, and how they share a terminal with progress bars.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;

use super::args::{Color, Global};
use crate::config::{self, Config, LogFormat};
use crate::http::visible_except;

/// The default filter: our own passes, and only warnings of libraries.
const DEFAULT_FILTER: &str = "warn,harvestd=info";

/// The settings that follow from arguments, configuration and environment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    filter: String,
    format: LogFormat,
    color: bool,
    /// Whether lines start with the time. The systemd journal adds its own.
    time: bool,
}

/// Starts logging to standard error, above `bars`.
///
/// # Errors
/// If the filter is invalid, which a checked configuration rules out, or if this is called twice.
pub fn init(global: &Global, config: &Config, bars: &MultiProgress) -> anyhow::Result<()> {
    let settings = Settings {
        filter: filter(global, config.log.as_deref()),
        format: global.log_format.unwrap_or(config.log_format),
        color: with_color(
            global.color,
            io::stderr().is_terminal(),
            super::table::no_color(),
        ),
        time: std::env::var_os("JOURNAL_STREAM").is_none(),
    };
    let subscriber = subscriber(&settings, AboveBars(bars.clone()))?;
    tracing::subscriber::set_global_default(subscriber).context("logging is already set up")
}

/// Tells whether progress bars are shown: not with `--quiet`, not with JSON logs.
pub fn bars_fit(global: &Global, config: &Config) -> bool {
    let format = global.log_format.unwrap_or(config.log_format);
    !global.quiet && format == LogFormat::Text
}

/// The arguments win over the configuration.
fn filter(global: &Global, configured: Option<&str>) -> String {
    match (global.quiet, global.verbose) {
        (true, _) => "warn",
        (false, 0) => configured.unwrap_or(DEFAULT_FILTER),
        (false, 1) => "warn,harvestd=debug",
        (false, _) => "debug,harvestd=trace",
    }
    .to_owned()
}

/// Source: no-color.org.
pub(super) fn with_color(color: Color, terminal: bool, no_color: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !no_color,
    }
}

fn subscriber<W>(
    settings: &Settings,
    writer: W,
) -> anyhow::Result<Box<dyn Subscriber + Send + Sync>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = config::log_filter(&settings.filter)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("invalid log filter {:?}", settings.filter))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(settings.color);
    Ok(match (settings.format, settings.time) {
        (LogFormat::Json, _) => Box::new(lines.json().flatten_event(true).finish()),
        (LogFormat::Text, true) => Box::new(lines.compact().with_target(false).finish()),
        (LogFormat::Text, false) => {
            Box::new(lines.compact().with_target(false).without_time().finish())
        }
    })
}

/// A line of the log that stays one, whatever text of a repository is in it. Escape characters are the log's
/// own colours: `tracing-subscriber` has escaped those of texts.
fn safe_line(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (&*line, ""),
    };
    format!("{}{end}", visible_except(text, |c| c == '\u{1b}'))
}

/// Writes to standard error while the progress bars are suspended.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for AboveBars {
    /// `tracing-subscriber` writes whole lines, so one call is one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = safe_line(line);
        self.0
            .suspend(|| io::stderr().lock().write_all(shown.as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    /// Lines in memory.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Write for Memory {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_text_forges_a_line() {
        let line = "\x1b[32m INFO\x1b[0m x\n ERROR y\u{9b}2J\u{202e}\n";
        assert_eq!(
            safe_line(line.as_bytes()),
            "\x1b[32m INFO\x1b[0m x<U+000A> ERROR y<U+009B>2J<U+202E>\n"
        );
        // What is left to the library.
        let text = "\u{1b}[2J";
        let lines = written(&settings(LogFormat::Text), || {
            tracing::info!(text, "{text}")
        });
        assert!(!lines.concat().contains('\u{1b}'), "{lines:?}");
    }

    fn written(settings: &Settings, work: impl FnOnce()) -> Vec<String> {
        let memory = Memory::default();
        let subscriber = subscriber(settings, memory.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn settings(format: LogFormat) -> Settings {
        Settings {
            filter: DEFAULT_FILTER.to_owned(),
            format,
            color: false,
            time: false,
        }
    }

    /// The lines that `work` logs, as text without time.
    pub(in crate::cli) fn captured(work: impl FnOnce()) -> Vec<String> {
        written(&settings(LogFormat::Text), work)
    }

    #[test]
    fn lines_are_for_people_or_programs() {
        let log = || {
            tracing::info!(source.id = "a", page = 3, "page stored");
            tracing::debug!("not shown");
            tracing::info!(target: "hyper", "not shown");
        };
        assert_eq!(
            written(&settings(LogFormat::Text), log),
            [" INFO page stored source.id=\"a\" page=3"]
        );
        let lines = written(&settings(LogFormat::Json), log);
        assert_eq!(lines.len(), 1);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "page stored");
        assert_eq!(line["source.id"], "a");
        assert_eq!(line["page"], 3);
    }

    #[test]
    fn arguments_win_over_the_configured_filter() {
        let cases = [
            ("default", "status", None, DEFAULT_FILTER),
            ("configured", "status", Some("trace"), "trace"),
            ("quiet", "status -q", Some("trace"), "warn"),
            ("verbose", "status -v", Some("error"), "warn,harvestd=debug"),
            ("very verbose", "status -vvv", None, "debug,harvestd=trace"),
        ];
        for (case, line, configured, expected) in cases {
            let line = std::iter::once("harvestd").chain(line.split(' '));
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(filter(&cli.global, configured), expected, "{case}");
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        let cases = [
            ("terminal", Color::Auto, true, false, true),
            ("file", Color::Auto, false, false, false),
            ("NO_COLOR", Color::Auto, true, true, false),
            ("forced", Color::Always, false, true, true),
            ("forbidden", Color::Never, true, false, false),
        ];
        for (case, color, terminal, no_color, expected) in cases {
            assert_eq!(with_color(color, terminal, no_color), expected, "{case}");
        }
    }
}
