//! References in BibTeX.

use std::fmt::Write;

use super::Item;
use super::date::Parts;
use crate::record::resource::{Agent, IdentifierKind, Role};
use crate::record::{Kind, Resource, doi, isbn, issn};

/// Appends one entry and a blank line.
///
/// The key is source and identifier. Each field ends in a comma, which every reader takes. Names stay as the source writes them; those of bodies, and those
/// that hold the word "and", are in braces. Characters with a meaning in TeX are escaped, others stay as
/// UTF-8. Line breaks become blanks.
///
/// Source: Oren Patashnik, BibTeXing (1988); url, doi, isbn, issn, abstract, keywords and language as in
/// today's styles.
pub fn push_entry(item: Item<'_>, resource: &Resource, out: &mut String) {
    let host = &resource.host;
    let kind = entry_type(resource);
    // Writing to a `String` cannot fail.
    let _ = write!(out, "@{kind}{{{},", key(item));
    let begin = out.len();
    let title = resource.titles.first().map(|title| title.full());
    field(out, "title", title.as_deref());
    names(out, "author", resource.authors());
    let editors = resource.agents.iter();
    names(
        out,
        "editor",
        editors.filter(|agent| agent.role == Role::Editor),
    );
    match kind {
        "article" => field(out, "journal", host.title.as_deref()),
        "incollection" => field(out, "booktitle", host.title.as_deref()),
        "inproceedings" => {
            let book = host.title.as_ref().or(host.conference.as_ref());
            field(out, "booktitle", book.map(String::as_str));
        }
        _ => {}
    }
    let publisher = resource.publisher();
    match kind {
        "phdthesis" | "mastersthesis" => {
            let degree = &resource.degree;
            field(out, "school", degree.grantor.as_deref().or(publisher));
            let named = degree.name.as_deref().or(degree.level.as_deref());
            field(out, "type", Some(named.unwrap_or("Thesis")));
        }
        "techreport" => {
            field(out, "institution", publisher);
            let number = resource.identifiers_of(IdentifierKind::Number).next();
            field(out, "number", number);
        }
        "misc" if resource.kind != Kind::Other => {
            field(out, "howpublished", Some(how_published(resource.kind)));
            field(out, "publisher", publisher);
        }
        _ => field(out, "publisher", publisher),
    }
    let mut places = resource.publishers.iter();
    let place = places.find_map(|publisher| publisher.place.as_deref());
    field(out, "address", place);
    field(out, "year", resource.year());
    if let Some(month) = Parts::of(resource).and_then(|parts| parts.month) {
        const MONTHS: [&str; 12] = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        let _ = write!(out, "\n  month = {},", MONTHS[usize::from(month) - 1]);
    }
    field(out, "volume", host.volume.as_deref());
    if kind != "techreport" {
        field(out, "number", host.issue.as_deref());
    }
    let pages = host.start_page.as_ref().map(|start| match &host.end_page {
        Some(end) => format!("{start}--{end}"),
        None => start.clone(),
    });
    field(out, "pages", pages.as_deref());
    let series = resource.series.first();
    field(out, "series", series.map(|series| series.title.as_str()));
    field(out, "edition", resource.edition.as_deref());
    let issns = joined(host.issns().filter_map(|text| issn::normalise(text)));
    field(out, "issn", issns.as_deref());
    let isbns = resource.identifiers_of(IdentifierKind::Isbn);
    let isbns = isbns.chain(host.isbns.iter().map(String::as_str));
    let isbns = joined(isbns.filter_map(isbn::normalise));
    field(out, "isbn", isbns.as_deref());
    let doi = resource.doi().and_then(doi::normalise);
    verbatim(out, "doi", doi.as_deref());
    verbatim(out, "url", best_link(resource).as_deref());
    let mut languages = resource.languages.iter();
    field(
        out,
        "language",
        languages.next().map(|language| language.code_or_text()),
    );
    let keywords = resource.keywords().chain(resource.headings());
    let keywords = joined(keywords.map(|subject| subject.term.clone()));
    field(out, "keywords", keywords.as_deref());
    let mut abstracts = resource.abstracts.iter();
    field(
        out,
        "abstract",
        abstracts.next().map(|text| text.text.as_str()),
    );
    if out.len() == begin {
        // An entry without fields is none for many readers.
        field(out, "note", Some(item.identifier));
    }
    out.push_str("\n}\n\n");
}

/// The address of the full text, or else of a page about it, or else of its DOI or handle.
pub(super) fn best_link(resource: &Resource) -> Option<String> {
    use crate::record::resource::LinkPurpose;
    let mut links = resource.links.iter();
    let landing = links.find(|link| link.purpose == LinkPurpose::Landing);
    resource
        .fulltext_url()
        .or(landing.map(|link| link.url.as_str()))
        .map(str::to_owned)
        .or_else(|| resource.address())
}

fn entry_type(resource: &Resource) -> &'static str {
    match resource.kind {
        Kind::Article => "article",
        Kind::Book => "book",
        Kind::Chapter => "incollection",
        Kind::ConferencePaper => "inproceedings",
        Kind::Report => "techreport",
        Kind::Thesis => {
            let degree = &resource.degree;
            let words = [&degree.name, &degree.level];
            let mut words = words.into_iter().flatten().map(|word| word.to_lowercase());
            match words.any(|word| word.contains("master")) {
                true => "mastersthesis",
                false => "phdthesis",
            }
        }
        _ => "misc",
    }
}

fn how_published(kind: Kind) -> &'static str {
    match kind {
        Kind::Preprint => "Preprint",
        Kind::Dataset => "Dataset",
        Kind::Image => "Image",
        Kind::Audio => "Audio",
        Kind::Video => "Video",
        Kind::Map => "Map",
        Kind::Software => "Software",
        Kind::Journal => "Journal",
        _ => "",
    }
}

/// Source and identifier, with hyphens for characters that keys cannot have.
fn key(item: Item<'_>) -> String {
    let text = format!("{}:{}", item.source, item.identifier);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '/');
    text.chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect()
}

fn joined(texts: impl Iterator<Item = String>) -> Option<String> {
    let texts: Vec<_> = texts.filter(|text| !text.trim().is_empty()).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn names<'a>(out: &mut String, name: &str, agents: impl Iterator<Item = &'a Agent>) {
    let names: Vec<String> = agents
        .filter(|agent| !agent.name.trim().is_empty())
        .map(|agent| {
            let text = escaped(&agent.name);
            let splits = text.split(' ').any(|word| word.eq_ignore_ascii_case("and"));
            let is_odd = text.matches(',').count() > 2;
            match agent.organisation || splits || is_odd {
                true => format!("{{{text}}}"),
                false => text,
            }
        })
        .collect();
    if !names.is_empty() {
        let _ = write!(out, "\n  {name} = {{{}}},", names.join(" and "));
    }
}

/// Writes one field; none for a blank value.
fn field(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value.map(escaped).filter(|value| !value.is_empty()) {
        let _ = write!(out, "\n  {name} = {{{value}}},");
    }
}

/// Writes an address, in which only what would end the field is encoded.
fn verbatim(out: &mut String, name: &str, value: Option<&str>) {
    let Some(value) = value.filter(|value| !value.trim().is_empty()) else {
        return;
    };
    let mut encoded = String::with_capacity(value.len());
    for c in value.trim().chars() {
        match c {
            '{' => encoded.push_str("%7B"),
            '}' => encoded.push_str("%7D"),
            '\\' => encoded.push_str("%5C"),
            c if c.is_whitespace() || c.is_control() => encoded.push_str("%20"),
            c => encoded.push(c),
        }
    }
    let _ = write!(out, "\n  {name} = {{{encoded}}},");
}

/// A text in one line with TeX's characters escaped. Braces are written as commands, so that those of
/// the field stay balanced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.trim().chars() {
        if c.is_whitespace() || c.is_control() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) && !escaped.is_empty() {
            escaped.push(' ');
        }
        match c {
            '&' | '%' | '$' | '#' | '_' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '{' => escaped.push_str("\\textbraceleft{}"),
            '}' => escaped.push_str("\\textbraceright{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::crosswalk;
    use crate::record::resource::{Degree, Title};

    fn item() -> Item<'static> {
        Item {
            source: "doaj",
            identifier: "oai:x:1,2",
            datestamp: "2020",
            deleted: false,
            version: 1,
            metadata_prefix: "oai_doaj",
            set_specs: &[],
        }
    }

    fn entry(resource: &Resource) -> String {
        let mut out = String::new();
        push_entry(item(), resource, &mut out);
        out
    }

    #[test]
    fn writes_an_article() {
        let article = crosswalk::resource(
            "oai_doaj",
            "<doajArticle><language>eng</language><publisher>P &amp; Q</publisher>\
             <journalTitle>J</journalTitle><issn>1932-6203</issn><eissn>wrong</eissn>\
             <publicationDate>2015-03-01</publicationDate><volume>10</volume><issue>1</issue>\
             <startPage>3</startPage><endPage>5</endPage><doi>https://doi.org/10.1/X_y</doi>\
             <title>100% {of} A_b ~\\</title><authors><author><name>Smith, A.</name></author>\
             <author><name>Rock and Roll</name></author><author><name> </name></author></authors>\
             <abstract>One&#13;\n two</abstract><fullTextUrl>http://x.y/a_b?c={d}</fullTextUrl>\
             <keywords><keyword>k</keyword><keyword>l</keyword></keywords></doajArticle>",
        )
        .unwrap();
        assert_eq!(
            entry(&article),
            "@article{doaj:oai:x:1-2,\n  \
             title = {100\\% \\textbraceleft{}of\\textbraceright{} A\\_b \\textasciitilde{}\\textbackslash{}},\n  \
             author = {Smith, A. and {Rock and Roll}},\n  journal = {J},\n  \
             publisher = {P \\& Q},\n  year = {2015},\n  month = mar,\n  volume = {10},\n  \
             number = {1},\n  pages = {3--5},\n  issn = {1932-6203},\n  doi = {10.1/x_y},\n  \
             url = {http://x.y/a_b?c=%7Bd%7D},\n  language = {eng},\n  keywords = {k, l},\n  \
             abstract = {One two},\n}\n\n"
        );
    }

    #[test]
    fn types_have_their_entries() {
        let mut thesis = Resource {
            kind: Kind::Thesis,
            titles: vec![Title::from("T".to_owned())],
            degree: Degree {
                name: Some("Master of Science".to_owned()),
                grantor: Some("U".to_owned()),
                ..Degree::default()
            },
            ..Resource::default()
        };
        let written = entry(&thesis);
        assert!(written.starts_with("@mastersthesis{"), "{written}");
        assert!(
            written.contains("school = {U},\n  type = {Master of Science}"),
            "{written}"
        );
        thesis.degree = Degree::default();
        let written = entry(&thesis);
        assert!(written.starts_with("@phdthesis{"), "{written}");
        assert!(written.contains("type = {Thesis}"), "{written}");
        let nothing = entry(&Resource::default());
        assert!(nothing.contains("\n  note = {oai:x:1"), "{nothing}");
        for (kind, beginning) in [
            (Kind::Book, "@book{"),
            (Kind::Chapter, "@incollection{"),
            (Kind::ConferencePaper, "@inproceedings{"),
            (Kind::Report, "@techreport{"),
            (Kind::Dataset, "@misc{"),
            (Kind::Other, "@misc{"),
        ] {
            let resource = Resource {
                kind,
                ..Resource::default()
            };
            let written = entry(&resource);
            assert!(written.starts_with(beginning), "{written}");
        }
    }
}
