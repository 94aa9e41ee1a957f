//! References in CSL-JSON, the data of citation processors.

use serde::Serialize;

use super::Item;
use super::bibtex::best_link;
use super::date::Parts;
use crate::record::resource::{Agent, IdentifierKind, Role};
use crate::record::{Kind, Resource, doi, isbn, issn};

/// One item. Values that the record does not have are left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Reference {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    author: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    editor: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    translator: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contributor: Vec<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<Issued>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    genre: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher_place: Option<String>,
    #[serde(rename = "DOI", skip_serializing_if = "Option::is_none")]
    doi: Option<String>,
    #[serde(rename = "ISBN", skip_serializing_if = "Option::is_none")]
    isbn: Option<String>,
    #[serde(rename = "ISSN", skip_serializing_if = "Option::is_none")]
    issn: Option<String>,
    #[serde(rename = "PMID", skip_serializing_if = "Option::is_none")]
    pmid: Option<String>,
    #[serde(rename = "PMCID", skip_serializing_if = "Option::is_none")]
    pmcid: Option<String>,
    #[serde(rename = "URL", skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyword: Option<String>,
    #[serde(rename = "abstract", skip_serializing_if = "Option::is_none")]
    abstract_text: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Name {
    Parts {
        family: String,
        given: String,
    },
    /// A body, or a person whose name is not told apart.
    Literal {
        literal: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Issued {
    date_parts: [Vec<u16>; 1],
}

/// Appends one item as a JSON object, without a line feed.
///
/// The id is source and identifier. Names with a comma have family and given names; others stay whole,
/// as `literal`.
///
/// Source: csl-data.json of Citation Style Language 1.0.2.
pub fn push_item(item: Item<'_>, resource: &Resource, out: &mut Vec<u8>) {
    let reference = reference(item, resource);
    // Writing to memory cannot fail, and every key is a text.
    serde_json::to_writer(out, &reference).expect("references serialise");
}

fn reference(item: Item<'_>, resource: &Resource) -> Reference {
    let host = &resource.host;
    let of_role = |role: Role| {
        names(
            resource
                .agents
                .iter()
                .filter(move |agent| agent.role == role),
        )
    };
    let host_title = || host.title.clone();
    let identifier = |kind| resource.identifiers_of(kind).next().map(str::to_owned);
    let isbns = resource.identifiers_of(IdentifierKind::Isbn);
    let isbns = isbns.chain(host.isbns.iter().map(String::as_str));
    let series = resource.series.first();
    let degree = &resource.degree;
    let mut places = resource.publishers.iter();
    let is_thesis = resource.kind == Kind::Thesis;
    let keywords = resource.keywords().chain(resource.headings());
    let keywords: Vec<&str> = keywords
        .map(|subject| subject.term.as_str())
        .filter(|term| !term.is_empty())
        .collect();
    let grantor = degree.grantor.clone().filter(|_| is_thesis);
    Reference {
        id: format!("{}:{}", item.source, item.identifier),
        kind: csl_type(resource.kind),
        title: resource
            .titles
            .first()
            .map(|title| title.full().into_owned()),
        author: of_role(Role::Author),
        editor: of_role(Role::Editor),
        translator: of_role(Role::Translator),
        contributor: of_role(Role::Contributor),
        container_title: host_title().filter(|_| resource.kind != Kind::Journal),
        collection_title: series.map(|series| series.title.clone()),
        collection_number: series.and_then(|series| series.number.clone()),
        event_title: host.conference.clone(),
        issued: Parts::of(resource).map(|parts| {
            let rest = [parts.month, parts.day];
            let rest = rest.into_iter().map_while(|part| part.map(u16::from));
            Issued {
                date_parts: [[parts.year].into_iter().chain(rest).collect()],
            }
        }),
        volume: host.volume.clone(),
        issue: host.issue.clone(),
        page: host.start_page.as_ref().map(|start| match &host.end_page {
            Some(end) => format!("{start}-{end}"),
            None => start.clone(),
        }),
        number: identifier(IdentifierKind::Number),
        edition: resource.edition.clone(),
        genre: degree.name.clone().or_else(|| degree.level.clone()),
        publisher: grantor.or_else(|| resource.publisher().map(str::to_owned)),
        publisher_place: places.find_map(|publisher| publisher.place.clone()),
        doi: resource.doi().and_then(doi::normalise),
        isbn: isbns.into_iter().find_map(isbn::normalise),
        issn: host.issns().find_map(|text| issn::normalise(text)),
        pmid: identifier(IdentifierKind::Pmid),
        pmcid: identifier(IdentifierKind::Pmcid),
        url: best_link(resource),
        language: resource
            .languages
            .first()
            .map(|language| language.code_or_text().to_owned()),
        keyword: (!keywords.is_empty()).then(|| keywords.join(", ")),
        abstract_text: resource.abstracts.first().map(|text| text.text.clone()),
    }
}

fn names<'a>(agents: impl Iterator<Item = &'a Agent>) -> Vec<Name> {
    agents
        .filter(|agent| !agent.name.trim().is_empty())
        .map(|agent| {
            let literal = || Name::Literal {
                literal: agent.name.trim().to_owned(),
            };
            if agent.organisation {
                return literal();
            }
            if let (Some(family), Some(given)) = (&agent.family, &agent.given) {
                return Name::Parts {
                    family: family.clone(),
                    given: given.clone(),
                };
            }
            match agent.name.split_once(',') {
                Some((family, given))
                    if !given.contains(',')
                        && !family.trim().is_empty()
                        && !given.trim().is_empty() =>
                {
                    Name::Parts {
                        family: family.trim().to_owned(),
                        given: given.trim().to_owned(),
                    }
                }
                _ => literal(),
            }
        })
        .collect()
}

fn csl_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Article => "article-journal",
        Kind::Book => "book",
        Kind::Chapter => "chapter",
        Kind::Thesis => "thesis",
        Kind::ConferencePaper => "paper-conference",
        Kind::Report => "report",
        Kind::Preprint => "article",
        Kind::Dataset => "dataset",
        Kind::Image => "graphic",
        Kind::Audio => "song",
        Kind::Video => "motion_picture",
        Kind::Map => "map",
        Kind::Software => "software",
        Kind::Journal => "periodical",
        Kind::Other => "document",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::crosswalk;
    use crate::record::resource::{Degree, Publisher, Title};

    fn written(resource: &Resource) -> Value {
        let item = Item {
            source: "doaj",
            identifier: "oai:x:1",
            datestamp: "2020",
            deleted: false,
            version: 1,
            metadata_prefix: "oai_doaj",
            set_specs: &[],
        };
        let mut out = Vec::new();
        push_item(item, resource, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn writes_an_article() {
        let article = crosswalk::resource(
            "oai_doaj",
            "<doajArticle><language>deu</language><publisher>P</publisher>\
             <journalTitle>J</journalTitle><issn>19326203</issn>\
             <publicationDate>2015-03-01</publicationDate><volume>10</volume><issue>1</issue>\
             <startPage>3</startPage><endPage>5</endPage><doi>https://doi.org/10.1/X</doi>\
             <title>T</title><authors><author><name>Smith, A.</name></author>\
             <author><name>Rock Band</name></author><author><name> </name></author></authors>\
             <abstract>D</abstract><fullTextUrl>http://x.y</fullTextUrl>\
             <keywords><keyword>k</keyword><keyword>l</keyword></keywords></doajArticle>",
        )
        .unwrap();
        assert_eq!(
            written(&article),
            json!({
                "id": "doaj:oai:x:1", "type": "article-journal", "title": "T",
                "author": [{"family": "Smith", "given": "A."}, {"literal": "Rock Band"}],
                "container-title": "J", "issued": {"date-parts": [[2015, 3, 1]]}, "volume": "10",
                "issue": "1", "page": "3-5", "publisher": "P", "DOI": "10.1/x", "ISSN": "1932-6203",
                "URL": "http://x.y", "language": "ger", "keyword": "k, l", "abstract": "D",
            })
        );
    }

    #[test]
    fn a_thesis_has_its_university() {
        let thesis = Resource {
            kind: Kind::Thesis,
            titles: vec![Title {
                text: "T".to_owned(),
                subtitle: Some("s".to_owned()),
                language: None,
            }],
            agents: vec![Agent {
                name: "University, The".to_owned(),
                organisation: true,
                ..Agent::default()
            }],
            publishers: vec![Publisher {
                name: Some("P".to_owned()),
                place: Some("Bonn".to_owned()),
                country: None,
            }],
            degree: Degree {
                level: Some("doctor".to_owned()),
                grantor: Some("U".to_owned()),
                ..Degree::default()
            },
            ..Resource::default()
        };
        assert_eq!(
            written(&thesis),
            json!({
                "id": "doaj:oai:x:1", "type": "thesis", "title": "T: s",
                "author": [{"literal": "University, The"}], "genre": "doctor", "publisher": "U",
                "publisher-place": "Bonn",
            })
        );
    }
}
