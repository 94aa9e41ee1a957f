//! Tables of plain text.

use comfy_table::{CellAlignment, Table as Grid};

use crate::http::{visible, visible_except};

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Names and sentences.
    Left,
    /// Numbers.
    Right,
}

/// Lays out `rows` under the headings of `columns`: two blanks between columns, no rules, no
/// trailing blanks, a line feed after each line. Short rows are filled with empty cells. Control
/// characters, which repositories may send, are shown as their codes.
pub fn render(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let mut grid = Grid::new();
    grid.load_style(comfy_table::presets::NOTHING);
    grid.set_header(columns.iter().map(|(heading, _)| (*heading).to_owned()));
    for row in rows {
        let cells = row.iter().map(|text| printable(text));
        let missing = columns.len().saturating_sub(row.len());
        grid.add_row(cells.chain(std::iter::repeat_n(String::new(), missing)));
    }
    for (column, (_, align)) in grid.column_iter_mut().zip(columns) {
        column.set_padding((0, 2));
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    grid.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
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
            ("source", Align::Left),
            ("records", Align::Right),
            ("state", Align::Left),
        ];
        let rows = [
            vec![
                "doaj".to_owned(),
                "11,000,000".to_owned(),
                "complete".to_owned(),
            ],
            vec!["日本".to_owned(), "7".to_owned(), "bad\x1b[31m".to_owned()],
            vec!["short".to_owned()],
        ];
        assert_eq!(
            render(&columns, &rows),
            "source     records  state\n\
             doaj    11,000,000  complete\n\
             日本             7  bad<U+001B>[31m\n\
             short\n"
        );
        assert_eq!(render(&columns, &[]), "source  records  state\n");
    }
}
