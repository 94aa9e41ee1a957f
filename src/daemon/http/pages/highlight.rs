//! XML in colours: names of elements, attributes, values and comments, without a script. Pure.

use maud::{Markup, html};

/// Longer texts are shown without colours after this many bytes, since each piece takes some forty bytes.
const MOST_BYTES: usize = 24 << 10;

/// What a piece of XML is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text, blanks and signs.
    Plain,
    /// `<name`, `</name`, `>` and `/>`.
    Name,
    /// The name of an attribute.
    Attribute,
    /// The value of an attribute, with its quotation marks.
    Value,
    /// A comment, an instruction or a declaration.
    Comment,
}

/// The text in colours. It need not be well-formed.
pub(super) fn xml(text: &str) -> Markup {
    let mut end = text.len().min(MOST_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (coloured, rest) = text.split_at(end);
    html! {
        @for (kind, piece) in pieces(coloured) {
            @match kind {
                Kind::Plain => (piece),
                Kind::Name => { span class="n" { (piece) } }
                Kind::Attribute => { span class="a" { (piece) } }
                Kind::Value => { span class="v" { (piece) } }
                Kind::Comment => { span class="c" { (piece) } }
            }
        }
        (rest)
    }
}

fn pieces(text: &str) -> Vec<(Kind, &str)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let begins_tag = |rest: &str| {
            let after = rest[1..].trim_start_matches('/').chars().next();
            after.is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '!' | '?'))
        };
        if rest.starts_with('<') && begins_tag(rest) {
            rest = tag(rest, &mut pieces);
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let end = rest[first..].find('<').map_or(rest.len(), |at| first + at);
            pieces.push((Kind::Plain, &rest[..end]));
            rest = &rest[end..];
        }
    }
    pieces
}

/// Takes one tag from the start of `rest`, and gives what follows it.
fn tag<'a>(rest: &'a str, pieces: &mut Vec<(Kind, &'a str)>) -> &'a str {
    for (begin, close) in [("<!--", "-->"), ("<?", "?>"), ("<!", ">")] {
        if rest.starts_with(begin) {
            let end = rest.find(close).map_or(rest.len(), |at| at + close.len());
            pieces.push((Kind::Comment, &rest[..end]));
            return &rest[end..];
        }
    }
    let end = rest
        .find(|c: char| c.is_whitespace() || c == '>')
        .map_or(rest.len(), |at| {
            at + usize::from(rest.as_bytes()[at] == b'>')
        });
    pieces.push((Kind::Name, &rest[..end]));
    let is_over = rest[..end].ends_with('>');
    let mut rest = &rest[end..];
    while !is_over && !rest.is_empty() {
        let first = rest.chars().next().unwrap_or('>');
        let (kind, end) = match first {
            '>' => (Kind::Name, 1),
            '/' if rest.starts_with("/>") => (Kind::Name, 2),
            '"' | '\'' => {
                let end = rest[1..].find(first).map_or(rest.len(), |at| at + 2);
                (Kind::Value, end)
            }
            c if c.is_whitespace() || matches!(c, '=' | '/') => (Kind::Plain, c.len_utf8()),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "=>/\"'".contains(c));
                (Kind::Attribute, end.unwrap_or(rest.len()))
            }
        };
        pieces.push((kind, &rest[..end]));
        rest = &rest[end..];
        if kind == Kind::Name {
            break;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_xml_have_kinds() {
        let text = "<?xml?><dc:a b='1' c=\"<2>\"><!-- no -->x &amp; < y<d/></dc:a>";
        let named: Vec<(Kind, &str)> = pieces(text)
            .into_iter()
            .filter(|(kind, _)| *kind != Kind::Plain)
            .collect();
        assert_eq!(
            named,
            [
                (Kind::Comment, "<?xml?>"),
                (Kind::Name, "<dc:a"),
                (Kind::Attribute, "b"),
                (Kind::Value, "'1'"),
                (Kind::Attribute, "c"),
                (Kind::Value, "\"<2>\""),
                (Kind::Name, ">"),
                (Kind::Comment, "<!-- no -->"),
                (Kind::Name, "<d/>"),
                (Kind::Name, "</dc:a>"),
            ]
        );
    }

    #[test]
    fn nothing_is_lost_or_run() {
        let long = format!("<a>{}</a>", "ü<b/>".repeat(10_000));
        let cases = [
            "",
            "<",
            "<<",
            "<a",
            "<a b",
            "<a b='",
            "</",
            "<!--",
            "é<é é='é'>é",
            "< a",
            "a<b c=d>",
            "<script>alert(1)</script>",
            &long,
        ];
        for text in cases {
            let whole: String = pieces(text).iter().map(|(_, piece)| *piece).collect();
            assert_eq!(whole, text);
            let drawn = xml(text).into_string();
            assert!(!drawn.contains("<script"), "{drawn}");
        }
        assert!(xml(&long).into_string().len() < 8 * long.len());
    }
}
