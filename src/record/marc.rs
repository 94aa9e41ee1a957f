//! A MARC 21 record read from MARCXML: leader, control fields, data fields.

use super::crosswalk::CrosswalkError;
use super::xml::{Element, Token, Walker, XmlError};

/// A record, its fields in document order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The leader with its blanks; empty if there is none.
    pub(crate) leader: String,
    /// Tag and text of control fields, with their blanks.
    pub(crate) control: Vec<(String, String)>,
    /// Data fields.
    pub(crate) fields: Vec<Field>,
    /// How many records the document has beside this one, the first.
    pub(crate) others: usize,
}

/// A data field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Field {
    /// Three characters.
    pub(crate) tag: String,
    /// The first indicator.
    pub(crate) first: char,
    /// The second indicator.
    pub(crate) second: char,
    /// Code and text of subfields that are not blank, without white space at the ends.
    pub(crate) subfields: Vec<(char, String)>,
}

/// Reads the first record of a document: `record` itself, or one in a `collection` or another
/// element.
///
/// Elements count by their local names, whatever their namespace: repositories use several for
/// the same schema.
///
/// # Errors
/// If the document is malformed, or if it has no `record` with a field.
pub(crate) fn parse(metadata: &str) -> Result<Record, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut found: Option<Record> = None;
    while let Some(token) = walker.next()? {
        match token {
            Token::Start(element) if element.local_name() == "record" => match &mut found {
                None => found = Some(record(&mut walker)?),
                Some(found) => {
                    found.others += 1;
                    walker.skip()?;
                }
            },
            _ => {}
        }
    }
    let mut record = found.unwrap_or_default();
    // Some write the leader without its first five places, the length of the record.
    if record.leader.starts_with(|c: char| c.is_ascii_lowercase()) {
        record.leader.insert_str(0, "     ");
    }
    if record.fields.is_empty() && record.control.is_empty() {
        return Err(CrosswalkError::Empty("a record with fields"));
    }
    Ok(record)
}

fn record(walker: &mut Walker<'_>) -> Result<Record, XmlError> {
    let mut record = Record::default();
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        let Some(Token::Start(element)) = walker.next()? else {
            continue;
        };
        match element.local_name() {
            "leader" => record.leader = fixed(&walker.text()?),
            "controlfield" => {
                let tag = tag(&element);
                let text = fixed(&walker.text()?);
                record.control.push((tag, text));
            }
            "datafield" => {
                let field = field(walker, &element)?;
                if !field.subfields.is_empty() {
                    record.fields.push(field);
                }
            }
            _ => walker.skip()?,
        }
    }
    Ok(record)
}

fn field(walker: &mut Walker<'_>, element: &Element<'_>) -> Result<Field, XmlError> {
    let mut field = Field {
        tag: tag(element),
        first: indicator(element, "ind1"),
        second: indicator(element, "ind2"),
        subfields: Vec::new(),
    };
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        let Some(Token::Start(element)) = walker.next()? else {
            continue;
        };
        if element.local_name() != "subfield" {
            walker.skip()?;
            continue;
        }
        let code = element.attribute("code").unwrap_or_default();
        let text = walker.text()?;
        let text = clean(&text);
        if let (Some(code), false) = (code.trim().chars().next(), text.is_empty()) {
            field.subfields.push((code, text));
        }
    }
    Ok(field)
}

fn tag(element: &Element<'_>) -> String {
    let tag = element.attribute("tag").unwrap_or_default();
    tag.trim().to_owned()
}

/// A blank may be written as nothing, `#`, `\`, `^` or `_`.
fn indicator(element: &Element<'_>, name: &str) -> char {
    let text = element.attribute(name).unwrap_or_default();
    match text.trim().chars().next() {
        None | Some('#' | '\\' | '^' | '_' | '|') => ' ',
        Some(c) => c,
    }
}

/// A text of fixed places: only line breaks around it are left out.
fn fixed(text: &str) -> String {
    let text = text.trim_matches(['\n', '\r', '\t']);
    match text.starts_with("  ") && text.len() > 60 {
        // Indented by an editor.
        true => text.trim().to_owned(),
        false => text.trim_start_matches(['\n', '\r', '\t']).to_owned(),
    }
}

/// Without white space at the ends, and without the controls that mark words for sorting.
fn clean(text: &str) -> String {
    let text = text.trim();
    let lines = text.contains(['\n', '\t']);
    if !lines && !text.contains(['\u{88}', '\u{89}', '\u{98}', '\u{9c}']) {
        return text.to_owned();
    }
    let kept: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{88}' | '\u{89}' | '\u{98}' | '\u{9c}'))
        .collect();
    match lines {
        true => kept.split_whitespace().collect::<Vec<_>>().join(" "),
        false => kept,
    }
}

impl Record {
    /// The first control field with this tag.
    pub(crate) fn control(&self, tag: &str) -> Option<&str> {
        let mut fields = self.control.iter();
        fields
            .find(|(candidate, _)| candidate == tag)
            .map(|(_, text)| text.as_str())
    }

    /// The fields with one of these tags, in document order.
    pub(crate) fn all<'r>(&'r self, tags: &'r [&str]) -> impl Iterator<Item = &'r Field> {
        self.fields
            .iter()
            .filter(|field| tags.contains(&field.tag.as_str()))
    }

    /// The first field with this tag.
    pub(crate) fn first(&self, tag: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.tag == tag)
    }

    /// The character at a place of the leader; a blank if there is none, or a fill character.
    pub(crate) fn leader_at(&self, place: usize) -> char {
        at(&self.leader, place)
    }

    /// The character at a place of 008, as [`Record::leader_at`].
    pub(crate) fn fixed_at(&self, place: usize) -> char {
        self.control("008").map_or(' ', |text| at(text, place))
    }

    /// Places `start..end` of 008; `None` if they are not there or blank.
    pub(crate) fn fixed_data(&self, start: usize, end: usize) -> Option<String> {
        let text: String = self
            .control("008")?
            .chars()
            .skip(start)
            .take(end - start)
            .collect();
        let text = text.trim();
        (text.chars().count() == end - start).then(|| text.to_owned())
    }
}

impl Record {
    /// The record in MARCXML, without a prefix before the names of elements.
    pub(crate) fn to_xml(&self) -> String {
        let mut xml = String::from("<record xmlns=\"http://www.loc.gov/MARC21/slim\">");
        let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
        xml.push_str(&format!("<leader>{}</leader>", escape(&self.leader)));
        for (tag, text) in &self.control {
            xml.push_str(&format!(
                "<controlfield tag=\"{}\">{}</controlfield>",
                escape(tag),
                escape(text)
            ));
        }
        for field in &self.fields {
            xml.push_str(&format!(
                "<datafield tag=\"{}\" ind1=\"{}\" ind2=\"{}\">",
                escape(&field.tag),
                escape(&field.first.to_string()),
                escape(&field.second.to_string())
            ));
            for (code, text) in &field.subfields {
                xml.push_str(&format!(
                    "<subfield code=\"{}\">{}</subfield>",
                    escape(&code.to_string()),
                    escape(text)
                ));
            }
            xml.push_str("</datafield>");
        }
        xml.push_str("</record>");
        xml
    }
}

fn at(text: &str, place: usize) -> char {
    match text.chars().nth(place) {
        None | Some('|' | '#' | '^') => ' ',
        Some(c) => c,
    }
}

impl Field {
    /// The first subfield with this code.
    pub(crate) fn first(&self, code: char) -> Option<&str> {
        self.all(code).next()
    }

    /// The subfields with this code.
    pub(crate) fn all(&self, code: char) -> impl Iterator<Item = &str> {
        self.subfields
            .iter()
            .filter(move |(candidate, _)| *candidate == code)
            .map(|(_, text)| text.as_str())
    }

    /// Whether it has a subfield with this code.
    pub(crate) fn has(&self, code: char) -> bool {
        self.first(code).is_some()
    }

    /// The subfields with one of these codes in document order, with `separator` between them;
    /// `None` if there are none.
    pub(crate) fn joined(&self, codes: &str, separator: &str) -> Option<String> {
        let mut joined: Option<String> = None;
        for (code, text) in &self.subfields {
            if codes.contains(*code) {
                match &mut joined {
                    None => joined = Some(text.clone()),
                    Some(joined) => {
                        joined.push_str(separator);
                        joined.push_str(text);
                    }
                }
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_of_any_namespace() {
        let inner = "<leader>00000nam a22 4500</leader>\
            <controlfield tag='008'>150126s2014    xr</controlfield>\
            <datafield tag='245' ind1='1' ind2='#'><subfield code='a'> Title\n  of it </subfield>\
            <subfield code='b'> </subfield></datafield>\
            <datafield tag='500' ind1=' '><subfield code='a'/></datafield>";
        let documents = [
            format!("<record>{inner}</record>"),
            format!("<record xmlns='info:lc/xmlns/marcxchange-v1'>{inner}</record>"),
            format!("<m:record xmlns:m='http://www.loc.gov/MARC21/slim'>{inner}</m:record>"),
            format!("<collection><record>{inner}</record></collection>"),
        ];
        for document in documents {
            let record = parse(&document).unwrap();
            assert_eq!(record.leader_at(6), 'a');
            assert_eq!(record.fixed_data(7, 11).as_deref(), Some("2014"));
            assert_eq!(record.fixed_at(90), ' ');
            assert_eq!(record.fields.len(), 1);
            let field = record.first("245").unwrap();
            assert_eq!((field.first, field.second), ('1', ' '));
            assert_eq!(field.first('a'), Some("Title of it"));
        }
    }

    #[test]
    fn counts_further_records() {
        let one = "<record><controlfield tag='001'>1</controlfield></record>";
        let record = parse(&format!("<collection>{one}{one}{one}</collection>")).unwrap();
        assert_eq!(record.others, 2);
    }

    #[test]
    fn refuses_documents_without_a_record() {
        for document in ["<collection/>", "<record/>", "<record><leader>x</leader>"] {
            assert!(parse(document).is_err(), "{document}");
        }
    }
}
