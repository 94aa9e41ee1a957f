//! A metadata document as a tree, for formats whose elements refer to each other.

use std::borrow::Cow;

use super::xml::{Element, Token, Walker, XmlError};

/// An element with all that is in it.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Its name, namespace and attributes.
    pub(crate) element: Element<'a>,
    content: Vec<Content<'a>>,
}

#[derive(Debug)]
enum Content<'a> {
    Node(Node<'a>),
    Text(Cow<'a, str>),
}

/// Reads a whole document.
///
/// # Errors
/// If the document is malformed anywhere.
pub(crate) fn parse(document: &str) -> Result<Node<'_>, XmlError> {
    let mut walker = Walker::new(document);
    // Elements that are still open, the outermost first.
    let mut open: Vec<Node<'_>> = Vec::new();
    let mut root = None;
    while let Some(token) = walker.next()? {
        match token {
            Token::Start(element) => open.push(Node {
                element,
                content: Vec::new(),
            }),
            Token::Text(text) => {
                if let Some(node) = open.last_mut() {
                    node.content.push(Content::Text(text));
                }
            }
            Token::End => {
                let ended = open.pop();
                match (ended, open.last_mut()) {
                    (Some(node), Some(parent)) => parent.content.push(Content::Node(node)),
                    (Some(node), None) => root = Some(node),
                    (None, _) => {}
                }
            }
        }
    }
    root.ok_or_else(|| XmlError {
        offset: 0,
        reason: "no element".to_owned(),
    })
}

impl<'a> Node<'a> {
    /// The name without prefix.
    pub(crate) fn name(&self) -> &str {
        self.element.local_name()
    }

    /// The value of an attribute, whatever its prefix, without white space at its ends; `None` if
    /// it is blank.
    pub(crate) fn attribute(&self, local_name: &str) -> Option<String> {
        let value = self.element.attribute(local_name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Whether an attribute has a value, in any case of letters.
    pub(crate) fn has(&self, local_name: &str, value: &str) -> bool {
        self.attribute(local_name)
            .is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    /// The elements in it, in document order.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Node<'a>> {
        self.content.iter().filter_map(|content| match content {
            Content::Node(node) => Some(node),
            Content::Text(_) => None,
        })
    }

    /// The elements in it with this name.
    pub(crate) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Node<'a>> {
        self.children().filter(move |child| child.name() == name)
    }

    /// The first element in it with this name.
    pub(crate) fn first(&self, name: &str) -> Option<&Node<'a>> {
        self.children().find(|child| child.name() == name)
    }

    /// The elements at the end of a path, in document order.
    pub(crate) fn path<'s>(&'s self, path: &[&str]) -> Vec<&'s Node<'a>> {
        let mut nodes = vec![self];
        for name in path {
            nodes = nodes
                .into_iter()
                .flat_map(|node| node.children().filter(|child| child.name() == *name))
                .collect();
        }
        nodes
    }

    /// The first text that is not blank at the end of a path.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<String> {
        self.path(path).into_iter().find_map(Node::text)
    }

    /// The first element with this name at any depth, itself included.
    pub(crate) fn find(&self, name: &str) -> Option<&Node<'a>> {
        if self.name() == name {
            return Some(self);
        }
        self.children().find_map(|child| child.find(name))
    }

    /// All text in it, descendants included; `None` if it is blank.
    ///
    /// White space at the ends is left out. A run of white space with a line feed is one blank,
    /// since it comes from indentation.
    pub(crate) fn text(&self) -> Option<String> {
        self.text_without(&[])
    }

    /// As [`Node::text`], without what is in elements of these names.
    pub(crate) fn text_without(&self, skipped: &[&str]) -> Option<String> {
        let mut text = String::new();
        self.collect(skipped, &mut text);
        let text = unwrap_lines(&text);
        (!text.is_empty()).then_some(text)
    }

    fn collect(&self, skipped: &[&str], text: &mut String) {
        for content in &self.content {
            match content {
                Content::Text(piece) => text.push_str(piece),
                Content::Node(node) if skipped.contains(&node.name()) => {}
                Content::Node(node) => {
                    let block = BLOCKS.contains(&node.name());
                    if block {
                        text.push('\n');
                    }
                    node.collect(skipped, text);
                    if block {
                        text.push('\n');
                    }
                }
            }
        }
    }
}

/// Elements in a text that stand on lines of their own.
const BLOCKS: [&str; 7] = ["br", "break", "p", "sec", "title", "list-item", "li"];

/// Makes one blank of each run of white space that has a line feed or a tab, and none at the ends.
fn unwrap_lines(text: &str) -> String {
    let text = text.trim();
    if !text.contains(['\n', '\t', '\r']) {
        return text.to_owned();
    }
    let mut unwrapped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(char::is_whitespace) {
        let (before, after) = rest.split_at(at);
        let end = after
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(after.len());
        let (space, after) = after.split_at(end);
        unwrapped.push_str(before);
        match space.contains(['\n', '\t', '\r']) {
            true => unwrapped.push(' '),
            false => unwrapped.push_str(space),
        }
        rest = after;
    }
    unwrapped.push_str(rest);
    unwrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_elements_and_texts() {
        let document = "<a><b x:y=' 1 ' z=''>one<c>two</c></b><b>\n  three\n  four  five </b></a>";
        let root = parse(document).unwrap();
        let first = root.first("b").unwrap();
        assert_eq!(first.attribute("y").as_deref(), Some("1"));
        assert_eq!(first.attribute("z"), None);
        assert!(first.has("y", "1") && !first.has("z", ""));
        assert_eq!(first.text().as_deref(), Some("onetwo"));
        assert_eq!(first.text_without(&["c"]).as_deref(), Some("one"));
        assert_eq!(root.all("b").count(), 2);
        assert_eq!(root.text_at(&["b", "c"]).as_deref(), Some("two"));
        assert_eq!(root.find("c").unwrap().name(), "c");
        let last = root.children().last().unwrap();
        assert_eq!(last.text().as_deref(), Some("three four  five"));
    }

    #[test]
    fn refuses_broken_documents() {
        for document in ["", "<a>", "<a/><b/>", "<a>&x;</a>"] {
            assert!(parse(document).is_err(), "{document}");
        }
    }
}
