//! The frame of a file: its head, the separators between records, and its end.

use super::vufind::{Command, Encoding, Frame};
use super::{Format, csv, marcxml};

/// The head of the document of formats `xml` and `oai_dc`.
const RECORDS_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<records>\n";

/// The end of that document.
const RECORDS_TAIL: &str = "</records>\n";

/// The frame of one file or message. Nothing is written before the first record, so that an empty
/// message can be left out.
#[derive(Debug)]
pub struct Container {
    kind: Kind,
    begun: bool,
}

#[derive(Debug)]
enum Kind {
    /// No frame.
    Bare,
    /// A text before the records and one after them.
    Wrapped(&'static str, &'static str),
    /// A heading before the records.
    Headed(String),
    /// A JSON list of the records.
    List,
    /// An update message.
    Update(Frame),
}

impl Container {
    /// The frame of a whole file.
    pub fn new(format: Format) -> Self {
        let kind = match format {
            Format::Jsonl | Format::Ris | Format::Bibtex => Kind::Bare,
            Format::CslJson => Kind::List,
            Format::Xml | Format::OaiDc => Kind::Wrapped(RECORDS_HEAD, RECORDS_TAIL),
            Format::Marcxml => Kind::Wrapped(marcxml::HEAD, marcxml::TAIL),
            Format::Csv => {
                let mut heading = String::new();
                csv::push_heading(&mut heading);
                Kind::Headed(heading)
            }
            Format::VufindJson => Kind::Update(Frame::new(Encoding::Json)),
            Format::VufindXml => Kind::Update(Frame::new(Encoding::Xml)),
        };
        Self { kind, begun: false }
    }

    /// The same with a byte order mark before the heading of a table, by which spreadsheets recognise
    /// UTF-8. Other formats have none.
    pub fn with_bom(mut self, bom: bool) -> Self {
        if let (Kind::Headed(heading), true) = (&mut self.kind, bom) {
            heading.insert(0, '\u{feff}');
        }
        self
    }

    /// The frame of one of several messages in a row. A message in JSON is a line; in XML it is a
    /// document with its own last line. Only the `first` message gets a heading.
    pub fn message(format: Format, first: bool) -> Self {
        match format {
            Format::VufindJson => Self {
                kind: Kind::Update(Frame::in_one_line(Encoding::Json)),
                begun: false,
            },
            Format::Csv if !first => Self {
                kind: Kind::Bare,
                begun: false,
            },
            format => Self::new(format),
        }
    }

    /// The text to be written before the next record.
    pub fn before(&mut self, command: Command) -> &str {
        let begins = !std::mem::replace(&mut self.begun, true);
        match &mut self.kind {
            Kind::Update(frame) => frame.before(command),
            Kind::Wrapped(head, _) if begins => head,
            Kind::Headed(heading) if begins => heading,
            Kind::List if begins => "[\n",
            Kind::List => ",\n",
            Kind::Bare | Kind::Wrapped(..) | Kind::Headed(_) => "",
        }
    }

    /// Whether a record was written.
    pub fn begun(&self) -> bool {
        self.begun
    }

    /// The text to be written at the end. It makes a file without records valid, too.
    pub fn end(self) -> String {
        match self.kind {
            Kind::Bare => String::new(),
            Kind::Update(frame) => frame.end().to_owned(),
            Kind::Wrapped(_, tail) if self.begun => tail.to_owned(),
            Kind::Wrapped(head, tail) => format!("{head}{tail}"),
            Kind::List if self.begun => "\n]\n".to_owned(),
            Kind::List => "[]\n".to_owned(),
            Kind::Headed(_) if self.begun => String::new(),
            Kind::Headed(heading) => heading,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mut container: Container, commands: &[Command]) -> String {
        let mut text = String::new();
        for command in commands {
            text.push_str(container.before(*command));
            text.push('#');
        }
        text + &container.end()
    }

    #[test]
    fn files_have_head_and_end() {
        let two = [Command::Add, Command::Delete];
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let cases = [
            (Format::Jsonl, "##".to_owned(), String::new()),
            (Format::Ris, "##".to_owned(), String::new()),
            (Format::Bibtex, "##".to_owned(), String::new()),
            (
                Format::CslJson,
                "[\n#,\n#\n]\n".to_owned(),
                "[]\n".to_owned(),
            ),
            (
                Format::Xml,
                format!("{xml}<records>\n##</records>\n"),
                format!("{xml}<records>\n</records>\n"),
            ),
            (
                Format::VufindJson,
                "{\n#,\n#\n}\n".to_owned(),
                "{}\n".to_owned(),
            ),
            (
                Format::VufindXml,
                format!("{xml}<update>\n<add>\n#</add>\n<delete>\n#</delete>\n</update>\n"),
                format!("{xml}<update>\n</update>\n"),
            ),
        ];
        for (format, full, empty) in cases {
            assert_eq!(written(Container::new(format), &two), full, "{format:?}");
            assert_eq!(written(Container::new(format), &[]), empty, "{format:?}");
        }
        let marked = written(Container::new(Format::Csv).with_bom(true), &two);
        assert!(marked.starts_with("\u{feff}source,"), "{marked}");
        assert_eq!(
            written(Container::new(Format::Jsonl).with_bom(true), &two),
            "##"
        );
        let heading = written(Container::new(Format::Csv), &[]);
        assert!(heading.starts_with("source,identifier,"), "{heading}");
        assert_eq!(
            written(Container::new(Format::Csv), &two),
            format!("{heading}##")
        );
    }

    #[test]
    fn messages_follow_each_other() {
        let two = [Command::Add, Command::Delete];
        let json = written(Container::message(Format::VufindJson, false), &two);
        assert_eq!(json, "{#,#}\n");
        assert_eq!(written(Container::message(Format::Csv, false), &two), "##");
        assert!(written(Container::message(Format::Csv, true), &two).starts_with("source,"));
    }
}
