//! Tables and sentences of plain text, as wide as the screen that they are written to.

use std::io::{IsTerminal, stdout};

use console::{Alignment, Style, Term, measure_text_width, pad_str, truncate_str};

use super::args::Global;
use super::logging::with_color;
use crate::http::{visible, visible_except};

/// The blanks between two columns.
const GAP: usize = 2;

/// A column that may be cut is left at least this wide.
const NARROWEST: usize = 12;

/// Narrower screens are treated as this wide.
const NARROWEST_SCREEN: usize = 40;

/// What standard output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Characters on a line; `None` if lines may have any length, as in a file.
    pub width: Option<usize>,
    /// Whether it shows colours.
    pub color: bool,
}

impl Screen {
    /// Lines of any length, without colours.
    pub const PLAIN: Self = Self {
        width: None,
        color: false,
    };

    /// The screen behind standard output. Without a terminal, lines have any length.
    pub fn of_stdout(global: &Global) -> Self {
        let terminal = stdout().is_terminal();
        let width = terminal
            .then(|| Term::stdout().size_checked())
            .flatten()
            .map(|(_, columns)| usize::from(columns));
        Self {
            width,
            color: with_color(global.color, terminal, no_color()),
        }
    }

    fn width(self) -> usize {
        self.width
            .map_or(usize::MAX, |width| width.max(NARROWEST_SCREEN))
    }

    /// A text in the colour of `tone`.
    pub fn paint(self, text: &str, tone: Tone) -> String {
        match (self.color, tone.style()) {
            (true, Some(style)) => style.force_styling(true).apply_to(text).to_string(),
            _ => text.to_owned(),
        }
    }

    /// A name that fits beside `taken` other characters on its line. What does not fit is cut out of its middle,
    /// because the ends tell names apart: the source at the front, the number at the back.
    pub fn shorten(self, name: &str, taken: usize) -> String {
        let most = self.width().saturating_sub(taken).max(NARROWEST);
        let width = measure_text_width(name);
        if width <= most {
            return name.to_owned();
        }
        let front = start(name.chars(), most / 2);
        let back = start(name.chars().rev(), most - most / 2 - 1);
        let mut shortened: String = front.into_iter().chain(['…']).collect();
        shortened.extend(back.into_iter().rev());
        shortened
    }

    /// `text` in lines that fit, each with a line feed. The second line and those after it are indented.
    pub fn wrap(self, text: &str, indent: usize) -> String {
        let width = self.width();
        let mut lines = String::new();
        let (lead, rest) = text.split_at(text.len() - text.trim_start_matches(' ').len());
        let mut line = lead.to_owned();
        for word in rest.split(' ') {
            let joined = measure_text_width(&line) + 1 + measure_text_width(word);
            if !line.trim_start().is_empty() && joined > width {
                lines.push_str(line.trim_end());
                lines.push('\n');
                line = " ".repeat(indent);
                line.push_str(word);
            } else {
                if !line.trim_start().is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
        lines
    }
}

/// The first letters that need at most `most` columns.
fn start(letters: impl Iterator<Item = char>, most: usize) -> Vec<char> {
    let mut left = most;
    let fitting = letters.map_while(|letter| {
        left = left.checked_sub(measure_text_width(letter.encode_utf8(&mut [0; 4])))?;
        Some(letter)
    });
    fitting.collect()
}

/// Whether the environment asks for texts without colours.
///
/// Source: no-color.org.
pub(super) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// What a cell says, for its colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Something waits or is incomplete.
    Doubtful,
    /// Something has failed.
    Bad,
    /// Something is going on.
    Active,
}

impl Tone {
    fn style(self) -> Option<Style> {
        Some(match self {
            Self::Plain => return None,
            Self::Good => Style::new().green(),
            Self::Doubtful => Style::new().yellow(),
            Self::Bad => Style::new().red().bold(),
            Self::Active => Style::new().cyan(),
        })
    }

    /// The tone of a run that ended as `end`.
    pub fn of(end: &crate::end::End) -> Self {
        match end {
            crate::end::End::Complete => Self::Good,
            crate::end::End::GapsLeft(_) | crate::end::End::Incomplete(_) => Self::Doubtful,
            crate::end::End::Failed(_) => Self::Bad,
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in the colour of `tone`.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Names and sentences.
    Left,
    /// Numbers.
    Right,
}

/// What becomes of a column when the screen is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Narrow {
    /// It stays.
    Keep,
    /// Its texts are cut.
    Cut,
    /// It is left out, those of higher numbers first.
    Drop(u8),
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    align: Align,
    narrow: Narrow,
}

impl Column {
    /// A column of names or sentences.
    pub fn left(heading: &'static str) -> Self {
        Self {
            heading,
            align: Align::Left,
            narrow: Narrow::Keep,
        }
    }

    /// A column of numbers.
    pub fn right(heading: &'static str) -> Self {
        Self {
            align: Align::Right,
            ..Self::left(heading)
        }
    }

    /// On a narrow screen its texts are cut.
    pub fn cut(self) -> Self {
        Self {
            narrow: Narrow::Cut,
            ..self
        }
    }

    /// On a narrow screen it is left out; the column with the highest number first.
    pub fn drop(self, number: u8) -> Self {
        Self {
            narrow: Narrow::Drop(number),
            ..self
        }
    }
}

/// Lays out `rows` under the headings of `columns`: two blanks between columns, no rules, no
/// trailing blanks, a line feed after each line. Short rows are filled with empty cells. Control
/// characters, which repositories may send, are shown as their codes.
///
/// If the table is wider than the screen, columns are left out and then cut, as the columns say.
pub fn fit(columns: &[Column], rows: &[Vec<Cell>], screen: Screen) -> String {
    let texts: Vec<Vec<(String, Tone)>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| (printable(&cell.text), cell.tone))
                .collect()
        })
        .collect();
    let mut shown: Vec<(usize, Column, usize)> = columns
        .iter()
        .enumerate()
        .map(|(number, column)| {
            let cells = texts.iter().filter_map(|row| row.get(number));
            let widest = cells.map(|(text, _)| measure_text_width(text)).max();
            let heading = measure_text_width(column.heading);
            (number, *column, heading.max(widest.unwrap_or_default()))
        })
        .collect();
    make_fit(&mut shown, screen.width());
    let line = |cell: &dyn Fn(usize, &Column) -> (String, Tone)| {
        let mut line = String::new();
        for (place, (number, column, width)) in shown.iter().enumerate() {
            let (text, tone) = cell(*number, column);
            let text = truncate_str(&text, *width, "…");
            let align = match column.align {
                Align::Left => Alignment::Left,
                Align::Right => Alignment::Right,
            };
            let last = place + 1 == shown.len();
            let padded = match (last, column.align) {
                (true, Align::Left) => text,
                _ => pad_str(&text, *width, align, None).into_owned().into(),
            };
            line.push_str(&screen.paint(&padded, tone));
            if !last {
                line.push_str(&" ".repeat(GAP));
            }
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&|_, column| (column.heading.to_owned(), Tone::Plain));
    for row in &texts {
        text.push_str(&line(&|number, _| {
            row.get(number).cloned().unwrap_or_default()
        }));
    }
    text
}

/// Leaves out and cuts columns until a line has at most `most` characters, as far as that goes.
fn make_fit(shown: &mut Vec<(usize, Column, usize)>, most: usize) {
    let total = |shown: &[(usize, Column, usize)]| {
        let widths: usize = shown.iter().map(|(.., width)| *width).sum();
        widths + GAP * shown.len().saturating_sub(1)
    };
    while total(shown) > most {
        let first = shown
            .iter()
            .enumerate()
            .filter_map(|(place, (_, column, _))| match column.narrow {
                Narrow::Drop(number) => Some((number, place)),
                Narrow::Keep | Narrow::Cut => None,
            })
            .max();
        let Some((_, place)) = first else {
            break;
        };
        shown.remove(place);
    }
    while total(shown) > most {
        let surplus = total(shown) - most;
        let widest = shown
            .iter_mut()
            .filter(|(_, column, width)| column.narrow == Narrow::Cut && *width > NARROWEST)
            .max_by_key(|(.., width)| *width);
        let Some((.., width)) = widest else {
            break;
        };
        // One character at a time where several are as wide, so that they stay alike.
        *width -= if surplus > *width / 2 {
            1
        } else {
            surplus.min(*width - NARROWEST)
        };
    }
}

/// A text from a repository, made safe for a terminal: control characters become visible, as
/// `<U+001B>`.
pub(crate) fn printable(text: &str) -> String {
    visible(text).into_owned()
}

/// As [`printable`], but with its lines and tabs.
pub(crate) fn printable_lines(text: &str) -> String {
    visible_except(text, |c| matches!(c, '\n' | '\t')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_width_on_screen() {
        let columns = [
            Column::left("source"),
            Column::right("records"),
            Column::left("state"),
        ];
        let rows = [
            vec!["doaj".into(), "11,000,000".into(), "complete".into()],
            vec!["日本".into(), "7".into(), "bad\x1b[31m".into()],
            vec!["short".into()],
        ];
        assert_eq!(
            fit(&columns, &rows, Screen::PLAIN),
            "source     records  state\n\
             doaj    11,000,000  complete\n\
             日本             7  bad<U+001B>[31m\n\
             short\n"
        );
        assert_eq!(
            fit(&columns, &[], Screen::PLAIN),
            "source  records  state\n"
        );
    }

    #[test]
    fn a_narrow_screen_loses_columns_and_then_the_ends_of_texts() {
        let columns = [
            Column::left("source").cut(),
            Column::right("live"),
            Column::left("state"),
            Column::left("url").drop(2),
            Column::left("next").drop(1),
        ];
        let row = |name: &str| -> Vec<Cell> {
            vec![
                name.into(),
                "1,000".into(),
                Cell::new("failed", Tone::Bad),
                "https://repository.example.org/oai".into(),
                "tomorrow".into(),
            ]
        };
        let rows = [row("a"), row("a-name-that-is-longer-than-most-names-are")];
        let at = |width| {
            let screen = Screen {
                width: Some(width),
                color: false,
            };
            fit(&columns, &rows, screen)
        };
        assert!(at(200).contains("/oai") && at(200).contains("tomorrow"));
        assert!(!at(80).contains("/oai") && at(80).contains("tomorrow"));
        assert!(!at(60).contains("tomorrow") && at(60).contains("names-are"));
        assert!(at(50).contains('…') && at(50).contains("failed"));
        for width in 45..200 {
            let widest = at(width).lines().map(measure_text_width).max();
            assert!(widest.unwrap() <= width, "{width}\n{}", at(width));
        }
    }

    #[test]
    fn colours_do_not_change_the_layout() {
        let columns = [Column::left("state"), Column::right("live")];
        let rows = [vec![Cell::new("failed", Tone::Bad), "1".into()]];
        let plain = fit(&columns, &rows, Screen::PLAIN);
        let colored = fit(
            &columns,
            &rows,
            Screen {
                width: Some(80),
                color: true,
            },
        );
        assert!(colored.contains("\u{1b}["), "{colored:?}");
        assert_eq!(console::strip_ansi_codes(&colored), plain);
    }

    #[test]
    fn names_lose_their_middle_on_a_narrow_screen() {
        let screen = Screen {
            width: Some(40),
            color: false,
        };
        let name = "a-source/oai:repository.example.org:10.5555/123456789";
        assert_eq!(screen.shorten("a-source/1", 13), "a-source/1");
        assert_eq!(screen.shorten(name, 13), "a-source/oai:…555/123456789");
        assert_eq!(Screen::PLAIN.shorten(name, 13), name);
        for taken in 0..60 {
            for name in [name, "日本語日本語日本語日本語日本語日本語日本語日本語"]
            {
                let width = measure_text_width(&screen.shorten(name, taken));
                let most = 40_usize.saturating_sub(taken).max(NARROWEST);
                assert!(width <= most && width + 2 >= most, "{taken}: {width}");
            }
        }
    }

    #[test]
    fn sentences_are_wrapped_between_words() {
        let screen = Screen {
            width: Some(40),
            color: false,
        };
        let text = "doaj: the repository answers HTTP 503 to every request since yesterday";
        let wrapped = screen.wrap(text, 2);
        assert!(wrapped.lines().all(|line| line.len() <= 40), "{wrapped}");
        assert_eq!(wrapped.lines().nth(1).map(|line| &line[..2]), Some("  "));
        assert_eq!(Screen::PLAIN.wrap(text, 2), format!("{text}\n"));
        let indented = screen.wrap(&format!("  - {text}"), 4);
        assert!(indented.starts_with("  - doaj"), "{indented}");
        assert!(indented.lines().all(|line| line.len() <= 40), "{indented}");
    }
}
