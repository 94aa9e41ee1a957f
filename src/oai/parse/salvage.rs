//! Finds the end of a broken item, so that parsing continues after it.

use memchr::{memchr, memmem};

use super::chars::{is_blank, skip_blanks};

/// How many closing tags are tried.
const MAX_TRIES: usize = 10_000;

/// How many bytes of a comment or a tag are examined.
const WINDOW_BYTES: usize = 64 << 10;

/// An item and its list, names as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'t> {
    /// The item's element, such as `record` or `oai:record`.
    pub(super) name: &'t str,
    /// The list's element, such as `ListRecords`.
    pub(super) list: &'t str,
    /// The first child of each item, such as the `header` of a record.
    pub(super) first: Option<&'static str>,
}

/// The end of the broken item that starts at `start`, and the start of the tag after it.
///
/// The end is the first closing tag of that name before another item, the token or the end of the
/// list. Metadata may contain elements of the same name, as MARC does, but those are followed by
/// other tags. `None` if there is no end: the list itself is broken. `None` too if another item
/// begins before the end, since it would be lost with the broken one.
pub(super) fn find_end(text: &str, start: usize, item: Item<'_>) -> Option<(usize, usize)> {
    let closing = format!("</{}", item.name);
    let tail = &text[start..];
    let mut tries = memmem::find_iter(tail.as_bytes(), closing.as_bytes()).take(MAX_TRIES);
    let (end, next) = tries.find_map(|at| {
        let rest = skip_blanks(&tail[at + closing.len()..]).strip_prefix('>')?;
        let next = skip_comments(rest);
        list_continues(next, item).then(|| (text.len() - rest.len(), text.len() - next.len()))
    })?;
    let opening = format!("<{}", item.name);
    let inside = &text[start + 1..end];
    let holds_another = item.first.is_some()
        && memmem::find_iter(inside.as_bytes(), opening.as_bytes())
            .any(|at| is_item(&inside[at + 1..], item));
    (!holds_another).then_some((end, next))
}

/// The prefix of the item's name with its colon.
fn prefix<'t>(item: Item<'t>) -> &'t str {
    &item.name[..item.name.find(':').map_or(0, |colon| colon + 1)]
}

fn list_continues(next: &str, item: Item<'_>) -> bool {
    if next
        .strip_prefix("</")
        .is_some_and(|tag| starts_with_name(tag, "", item.list))
    {
        return true;
    }
    let Some(tag) = next.strip_prefix('<') else {
        return false;
    };
    starts_with_name(tag, prefix(item), "resumptionToken") || is_item(tag, item)
}

/// Whether `tag`, the text after `<`, is the start of an item.
fn is_item(tag: &str, item: Item<'_>) -> bool {
    if !starts_with_name(tag, "", item.name) {
        return false;
    }
    let window = &tag.as_bytes()[..tag.len().min(WINDOW_BYTES)];
    let inside = memchr(b'>', window).map_or("", |end| &tag[end + 1..]);
    item.first.is_none_or(|first| {
        skip_comments(inside)
            .strip_prefix('<')
            .is_some_and(|tag| starts_with_name(tag, prefix(item), first))
    })
}

fn starts_with_name(tag: &str, prefix: &str, name: &str) -> bool {
    tag.strip_prefix(prefix)
        .and_then(|tag| tag.strip_prefix(name))
        .and_then(|rest| rest.bytes().next())
        .is_some_and(|byte| is_blank(byte) || matches!(byte, b'>' | b'/'))
}

fn skip_comments(mut text: &str) -> &str {
    loop {
        text = skip_blanks(text);
        let Some(comment) = text.strip_prefix("<!--") else {
            return text;
        };
        let window = &comment.as_bytes()[..comment.len().min(WINDOW_BYTES)];
        match memmem::find(window, b"-->") {
            Some(end) => text = &comment[end + 3..],
            None => return text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_a_broken_item() {
        let item = Item {
            name: "record",
            list: "ListRecords",
            first: Some("header"),
        };
        let cases = [
            (
                "next item",
                "<record><a></record> <record><header/>",
                Some("<record><a></record>"),
            ),
            (
                "list ends",
                "<record><a></record ></ListRecords>",
                Some("<record><a></record >"),
            ),
            (
                "token",
                "<record></record><!-- --><resumptionToken>",
                Some("<record></record>"),
            ),
            (
                "inner element of that name",
                "<record><m><record></record></m></record></ListRecords>",
                Some("<record><m><record></record></m></record>"),
            ),
            (
                "inner list",
                "<record><record></record><record><leader/>",
                None,
            ),
            (
                "another item before the end",
                "<record><header/><a> <record><header/></record></ListRecords>",
                None,
            ),
            ("longer name", "<record></records></ListRecords>", None),
            ("never closed", "<record><a></ListRecords>", None),
            ("nothing follows", "<record></record>", None),
        ];
        for (case, text, expected) in cases {
            let end = find_end(text, 0, item).map(|(end, _)| &text[..end]);
            assert_eq!(end, expected, "{case}");
        }
        let prefixed = Item {
            name: "o:record",
            list: "o:ListRecords",
            first: Some("header"),
        };
        let text = "<o:record><a></o:record>\n<o:resumptionToken/>";
        let (end, next) = find_end(text, 0, prefixed).unwrap();
        assert_eq!(
            (&text[end..next], &text[next..]),
            ("\n", "<o:resumptionToken/>")
        );
    }
}
