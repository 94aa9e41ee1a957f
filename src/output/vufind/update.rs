//! Writes documents and deletions as update messages for Solr.
//!
//! One file is one message, whole and valid, that a POST to `/update` takes as it is:
//!
//! - JSON, one object whose keys `add` and `delete` recur, a command a line. Solr reads it as a
//!   stream, and it is the only JSON shape that holds both additions and deletions.
//! - XML, one `<update>` with `<add>` and `<delete>` in turn.
//!
//! Commands are encoded apart from their frame, so that many threads can encode and one can write.

use std::io;

use super::{Document, FieldValues};
use crate::output::{json, xml};

/// How every XML message begins.
macro_rules! xml_head {
    () => {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<update>\n"
    };
}

/// The form of an update message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `text/xml`, in UTF-8.
    Xml,
}

/// A kind of command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Adds a document, or replaces the one with its id.
    Add,
    /// Deletes the document with an id.
    Delete,
}

impl Encoding {
    /// Appends the command that adds a document, without its frame.
    ///
    /// Text comes back as it is from either form. XML cannot hold all control characters; those
    /// become U+FFFD.
    pub fn push_add(self, document: &Document, out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                out.extend_from_slice(b"\"add\":{\"doc\":");
                push_object(document, out);
                out.push(b'}');
            }
            Self::Xml => {
                out.extend_from_slice(b"<doc>");
                for field in document.fields() {
                    for value in field.values.as_slice() {
                        out.extend_from_slice(b"<field name=\"");
                        xml::push_attribute(out, &field.name);
                        out.extend_from_slice(b"\">");
                        xml::push_text(out, value);
                        out.extend_from_slice(b"</field>");
                    }
                }
                out.extend_from_slice(b"</doc>\n");
            }
        }
    }

    /// Appends the command that deletes a document by its id, without its frame.
    pub fn push_delete(self, id: &str, out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                out.extend_from_slice(b"\"delete\":{\"id\":");
                json::push_string(out, id);
                out.push(b'}');
            }
            Self::Xml => {
                xml::push_element(out, "id", id);
                out.push(b'\n');
            }
        }
    }
}

/// Appends a document as JSON, as it serialises, without line breaks.
pub(crate) fn push_object(document: &Document, out: &mut Vec<u8>) {
    let mut before = b'{';
    for field in document.fields() {
        out.push(before);
        before = b',';
        json::push_string(out, &field.name);
        out.push(b':');
        match &field.values {
            FieldValues::One(value) => json::push_string(out, value),
            FieldValues::Many(values) => json::push_strings(out, values),
        }
    }
    if before == b'{' {
        out.push(before);
    }
    out.push(b'}');
}

/// Puts commands into the frame of a message.
#[derive(Debug)]
pub struct Frame {
    encoding: Encoding,
    one_line: bool,
    last: Option<Command>,
}

impl Frame {
    /// The frame of a message without commands.
    pub fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            one_line: false,
            last: None,
        }
    }

    /// The same; in JSON, the whole message is one line.
    pub fn in_one_line(encoding: Encoding) -> Self {
        Self {
            one_line: true,
            ..Self::new(encoding)
        }
    }

    /// The text to be written before the next command.
    pub fn before(&mut self, command: Command) -> &'static str {
        let last = self.last.replace(command);
        match (self.encoding, last, command) {
            (Encoding::Json, None, _) if self.one_line => "{",
            (Encoding::Json, Some(_), _) if self.one_line => ",",
            (Encoding::Json, None, _) => "{\n",
            (Encoding::Json, Some(_), _) => ",\n",
            (Encoding::Xml, None, Command::Add) => concat!(xml_head!(), "<add>\n"),
            (Encoding::Xml, None, Command::Delete) => concat!(xml_head!(), "<delete>\n"),
            (Encoding::Xml, Some(Command::Add), Command::Delete) => "</add>\n<delete>\n",
            (Encoding::Xml, Some(Command::Delete), Command::Add) => "</delete>\n<add>\n",
            (Encoding::Xml, Some(_), _) => "",
        }
    }

    /// The text to be written after the last command. A message without commands is valid and changes
    /// nothing.
    pub fn end(self) -> &'static str {
        match (self.encoding, self.last) {
            (Encoding::Json, None) => "{}\n",
            (Encoding::Json, Some(_)) if self.one_line => "}\n",
            (Encoding::Json, Some(_)) => "\n}\n",
            (Encoding::Xml, None) => concat!(xml_head!(), "</update>\n"),
            (Encoding::Xml, Some(Command::Add)) => "</add>\n</update>\n",
            (Encoding::Xml, Some(Command::Delete)) => "</delete>\n</update>\n",
        }
    }
}

/// Writes one message to `out`, a command at a time.
#[derive(Debug)]
pub struct UpdateWriter<W> {
    out: W,
    encoding: Encoding,
    frame: Frame,
    buffer: Vec<u8>,
}

impl<W: io::Write> UpdateWriter<W> {
    /// Begins a message; nothing is written before the first command.
    pub fn new(out: W, encoding: Encoding) -> Self {
        Self {
            out,
            encoding,
            frame: Frame::new(encoding),
            buffer: Vec::new(),
        }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// Those of the underlying writer, here and below.
    pub fn add(&mut self, document: &Document) -> io::Result<()> {
        self.buffer.clear();
        self.encoding.push_add(document, &mut self.buffer);
        self.command(Command::Add)
    }

    /// Deletes a document.
    ///
    /// # Errors
    /// As [`UpdateWriter::add`].
    pub fn delete(&mut self, id: &str) -> io::Result<()> {
        self.buffer.clear();
        self.encoding.push_delete(id, &mut self.buffer);
        self.command(Command::Delete)
    }

    fn command(&mut self, command: Command) -> io::Result<()> {
        self.out.write_all(self.frame.before(command).as_bytes())?;
        self.out.write_all(&self.buffer)
    }

    /// Ends the message and hands the writer back, flushed.
    ///
    /// # Errors
    /// As [`UpdateWriter::add`].
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(self.frame.end().as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::vufind::{Input, Options, document};

    fn message(encoding: Encoding, commands: &[(Command, &str)]) -> String {
        let mut writer = UpdateWriter::new(Vec::new(), encoding);
        for (command, text) in commands {
            match command {
                Command::Add => {
                    let metadata =
                        format!("<doajArticle><abstract>{text}</abstract></doajArticle>");
                    let options = Options {
                        collection: Some(String::new()),
                        ..Options::default()
                    };
                    let input = Input {
                        identifier: "1",
                        datestamp: "",
                        metadata_prefix: "oai_doaj",
                        metadata: &metadata,
                        tracking: None,
                    };
                    writer.add(&document(input, &options).unwrap()).unwrap();
                }
                Command::Delete => writer.delete(text).unwrap(),
            }
        }
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn writes_json() {
        let add = r#""add":{"doc":{"id":"1","record_format":"Article","allfields":["1a"],"format":["Article"],"description":"a\r\n"}}"#;
        let cases: [(&str, &[_], String); 4] = [
            ("nothing", &[], "{}\n".to_owned()),
            (
                "one",
                &[(Command::Add, "a&#13;\n")],
                format!("{{\n{add}\n}}\n"),
            ),
            (
                "delete",
                &[(Command::Delete, "x\"y")],
                "{\n\"delete\":{\"id\":\"x\\\"y\"}\n}\n".to_owned(),
            ),
            (
                "both",
                &[
                    (Command::Add, "a&#13;\n"),
                    (Command::Delete, "x"),
                    (Command::Add, "a&#13;\n"),
                ],
                format!("{{\n{add},\n\"delete\":{{\"id\":\"x\"}},\n{add}\n}}\n"),
            ),
        ];
        for (case, commands, expected) in cases {
            let message = message(Encoding::Json, commands);
            assert_eq!(message, expected, "{case}");
            serde_json::from_str::<serde_json::Value>(&message).expect(case);
        }
    }

    #[test]
    fn writes_documents_as_they_serialise() {
        let mut document = Document::default();
        let check = |document: &Document| {
            let mut out = Vec::new();
            push_object(document, &mut out);
            assert_eq!(out, serde_json::to_vec(document).unwrap());
        };
        check(&document);
        document.push("na\"me", "va\nlue");
        check(&document);
        let input = Input {
            identifier: "1",
            datestamp: "",
            metadata_prefix: "oai_doaj",
            metadata: "<doajArticle><title>T \"é\"</title></doajArticle>",
            tracking: None,
        };
        check(&super::super::document(input, &Options::default()).unwrap());
    }

    #[test]
    fn writes_xml() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<update>\n";
        let add = "<doc><field name=\"id\">1</field><field name=\"record_format\">Article</field>\
                   <field name=\"allfields\">1a &lt; b</field><field name=\"format\">Article</field>\
                   <field name=\"description\">a&#13;\n&lt; b</field></doc>\n";
        let cases: [(&str, &[_], String); 4] = [
            ("nothing", &[], format!("{head}</update>\n")),
            (
                "two",
                &[
                    (Command::Add, "a&#13;\n&lt; b"),
                    (Command::Add, "a&#13;\n&lt; b"),
                ],
                format!("{head}<add>\n{add}{add}</add>\n</update>\n"),
            ),
            (
                "deletes",
                &[(Command::Delete, "x"), (Command::Delete, "y&")],
                format!("{head}<delete>\n<id>x</id>\n<id>y&amp;</id>\n</delete>\n</update>\n"),
            ),
            (
                "in turn",
                &[
                    (Command::Delete, "x"),
                    (Command::Add, "a&#13;\n&lt; b"),
                    (Command::Delete, "y"),
                ],
                format!(
                    "{head}<delete>\n<id>x</id>\n</delete>\n<add>\n{add}</add>\n<delete>\n\
                     <id>y</id>\n</delete>\n</update>\n"
                ),
            ),
        ];
        for (case, commands, expected) in cases {
            assert_eq!(message(Encoding::Xml, commands), expected, "{case}");
        }
    }
}
