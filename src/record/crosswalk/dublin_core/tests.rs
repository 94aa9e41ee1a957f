//! Whole records of Dublin Core.

use serde_json::Value;

use super::*;
use crate::record::resource::{
    Agent, Date, DateKind, Host, Identifier, Language, Link, Rights, Subject,
};

fn read(inner: &str) -> Resource {
    resource(&format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{inner}</oai_dc:dc>"
    ))
    .unwrap()
}

#[test]
fn reads_an_article_of_doaj() {
    let resource = read(
        "<dc:title>\n  T\n</dc:title><dc:identifier>0102-311X</dc:identifier>\
         <dc:identifier>1678-4464</dc:identifier><dc:identifier>10.1/x</dc:identifier>\
         <dc:identifier>https://doaj.org/article/2f03</dc:identifier>\
         <dc:date>2006-01-01T00:00:00Z</dc:date><dc:relation>http://s.br/1</dc:relation>\
         <dc:description>D</dc:description><dc:creator>A</dc:creator>\
         <dc:creator id=\"https://orcid.org/0000-0002-1825-0097\">B</dc:creator>\
         <dc:publisher>P</dc:publisher><dc:type>article</dc:type>\
         <dc:subject>k1</dc:subject><dc:subject>DOAJ:Public Health</dc:subject>\
         <dc:subject xsi:type=\"dcterms:LCSH\">Internal medicine</dc:subject>\
         <dc:subject xsi:type=\"dcterms:LCSH\">RC31-1245</dc:subject>\
         <dc:subject xsi:type=\"dcterms:LCSH\">Medicine</dc:subject>\
         <dc:subject xsi:type=\"dcterms:LCSH\">R</dc:subject>\
         <dc:language>English</dc:language><dc:language>Spanish</dc:language>\
         <dc:source>Cadernos, Rio, Vol 22, Iss 8, Pp 1-9 (2006)</dc:source>\
         <dc:rights>CC BY</dc:rights>",
    );
    let text = |text: &str| Some(text.to_owned());
    let subject = |scheme: &str, code: Option<&str>, term: &str| Subject {
        scheme: text(scheme),
        code: code.map(str::to_owned),
        term: term.to_owned(),
        language: None,
    };
    let agent = |name: &str, orcid: Option<&str>| Agent {
        name: name.to_owned(),
        orcid: orcid.map(str::to_owned),
        ..Agent::default()
    };
    let expected = Resource {
        kind: Kind::Article,
        stated_types: vec!["article".to_owned()],
        titles: vec![Title::from("T".to_owned())],
        agents: vec![
            agent("A", None),
            agent("B", Some("https://orcid.org/0000-0002-1825-0097")),
        ],
        dates: vec![Date {
            kind: DateKind::Published,
            text: "2006-01-01T00:00:00Z".to_owned(),
        }],
        host: Host {
            title: text("Cadernos, Rio"),
            kind: Some(Kind::Journal),
            issn: text("0102-311X"),
            eissn: text("1678-4464"),
            volume: text("22"),
            issue: text("8"),
            start_page: text("1"),
            end_page: text("9"),
            ..Host::default()
        },
        identifiers: vec![Identifier {
            kind: IdentifierKind::Doi,
            value: "10.1/x".to_owned(),
        }],
        links: vec![
            Link {
                url: "http://s.br/1".to_owned(),
                format: None,
                purpose: LinkPurpose::FullText,
            },
            Link {
                url: "https://doaj.org/article/2f03".to_owned(),
                format: None,
                purpose: LinkPurpose::Landing,
            },
        ],
        languages: ["English", "Spanish"]
            .map(|name| Language::read(name.to_owned()))
            .to_vec(),
        subjects: vec![
            Subject {
                term: "k1".to_owned(),
                ..Subject::default()
            },
            subject("DOAJ", None, "Public Health"),
            subject("LCC", Some("RC31-1245"), "Internal medicine"),
            subject("LCC", Some("R"), "Medicine"),
        ],
        abstracts: vec![Text {
            text: "D".to_owned(),
            language: None,
        }],
        rights: vec![Rights {
            text: text("CC BY"),
            url: None,
        }],
        publishers: vec![Publisher {
            name: text("P"),
            ..Publisher::default()
        }],
        citations: vec!["Cadernos, Rio, Vol 22, Iss 8, Pp 1-9 (2006)".to_owned()],
        flags: vec!["which ISSN is which is not said".to_owned()],
        ..Resource::default()
    };
    assert_eq!(resource, expected);
}

#[test]
fn reads_a_journal() {
    let resource = read(
        "<dc:title>J</dc:title><dc:identifier>1330-4860</dc:identifier>\
         <dc:identifier>https://doaj.org/toc/1330-4860</dc:identifier>\
         <dc:type>journal</dc:type><dc:publisher>P</dc:publisher>\
         <dc:relation>http://j.hr/</dc:relation><dc:relation>http://j.hr/</dc:relation>\
         <dc:publisher>P</dc:publisher><dc:rights>CC BY</dc:rights>",
    );
    assert_eq!(resource.kind, Kind::Journal);
    assert_eq!(resource.host.title.as_deref(), Some("J"));
    assert_eq!(resource.links.len(), 2);
    assert_eq!(resource.links[0].url, "http://j.hr/");
    assert_eq!(resource.fulltext_url(), None);
    assert_eq!(resource.publishers.len(), 1);
    assert!(resource.further.is_empty(), "{:?}", resource.further);
}

#[test]
fn keeps_what_has_no_place() {
    let resource = read(
        "<dc:title xml:lang=\"en\">T</dc:title><dc:title>U</dc:title>\
         <dc:contributor>C D</dc:contributor><dc:coverage>x</dc:coverage><dc:coverage>y</dc:coverage>\
         <dc:type>Text</dc:type><dc:type>Review</dc:type><dc:relation>vol 3</dc:relation>\
         <dc:identifier>local:1</dc:identifier><dc:date>2001</dc:date><dc:date>2002</dc:date>\
         <dc:source>Some collection</dc:source><z:odd xmlns:z=\"urn:z\">o</z:odd>",
    );
    assert_eq!(resource.titles[1].text, "U");
    assert_eq!(resource.titles[0].language.as_deref(), Some("en"));
    assert_eq!(resource.contributors().next().unwrap().name, "C D");
    assert_eq!(resource.identifiers[0].value, "local:1");
    assert_eq!(resource.stated_types, ["Text", "Review"]);
    assert_eq!(resource.dates.len(), 2);
    assert_eq!(resource.related[0].text, "vol 3");
    assert_eq!(resource.host, Host::default());
    assert_eq!(
        Value::Object(resource.further),
        serde_json::json!({
            "coverage": ["x", "y"], "odd": "o", "source": "Some collection",
        })
    );
}

#[test]
fn shows_the_title_in_the_records_language_first() {
    let resource = read(
        "<dc:title xml:lang=\"en-US\">Words</dc:title><dc:title xml:lang=\"pt-BR\">Palavras</dc:title>\
         <dc:language>por</dc:language>",
    );
    assert_eq!(resource.title(), Some("Palavras"));
    assert_eq!(resource.titles[1].text, "Words");
    let tagged = read("<dc:title>[en] Words</dc:title>");
    assert_eq!(tagged.title(), Some("Words"));
    assert_eq!(tagged.titles[0].language.as_deref(), Some("en"));
}

/// DOIs of other works: in a description, in several relations, beside a data set, of Zenodo's
/// other versions.
#[test]
fn takes_no_doi_of_another_work() {
    let cases = [
        (
            "one relation",
            "<dc:type>article</dc:type><dc:relation>10.1234/a</dc:relation>",
            Some("10.1234/a"),
        ),
        (
            "twice the same",
            "<dc:type>article</dc:type><dc:relation>10.1234/a</dc:relation>\
             <dc:relation>https://doi.org/10.1234/A</dc:relation>",
            Some("10.1234/a"),
        ),
        (
            "two relations",
            "<dc:type>article</dc:type><dc:relation>10.1234/a</dc:relation><dc:relation>10.1234/b</dc:relation>",
            None,
        ),
        (
            "data set",
            "<dc:type>Dataset</dc:type><dc:relation>doi:10.1234/a</dc:relation>",
            None,
        ),
        (
            "thesis",
            "<dc:type>Thesis</dc:type><dc:relation>doi:10.1234/a</dc:relation>",
            None,
        ),
        (
            "description",
            "<dc:type>article</dc:type><dc:description>doi:10.1234/a</dc:description>",
            None,
        ),
        (
            "source",
            "<dc:type>article</dc:type><dc:source>J 3 (2), doi:10.1234/a</dc:source>",
            None,
        ),
        (
            "alternative identifier",
            "<dc:relation>info:eu-repo/semantics/altIdentifier/doi/10.1234/a</dc:relation>\
             <dc:relation>10.1234/b</dc:relation>",
            Some("10.1234/a"),
        ),
    ];
    for (case, inner, expected) in cases {
        let resource = read(inner);
        assert_eq!(resource.doi(), expected, "{case}");
        if expected.is_none() {
            assert!(resource.links.is_empty(), "{case}: {:?}", resource.links);
        }
    }
    let zenodo =
        "<dc:title>T</dc:title><dc:type>article</dc:type><dc:relation>10.1234/a</dc:relation>";
    let header = Header {
        identifier: "oai:zenodo.org:1",
        set_specs: &[],
    };
    let metadata = format!("<dc xmlns:dc=\"http://purl.org/dc/elements/1.1/\">{zenodo}</dc>");
    assert_eq!(resource_with_header(&metadata, header).unwrap().doi(), None);
}

#[test]
fn reads_volume_and_issue_of_addresses() {
    let resource = read(
        "<dc:title>T</dc:title><dc:type>text</dc:type><dc:source>Linguistic Portfolios</dc:source>\
         <dc:identifier>http://r.edu/ling/vol4/iss1/10</dc:identifier>",
    );
    assert_eq!(resource.kind, Kind::Article);
    assert_eq!(
        resource.host.title.as_deref(),
        Some("Linguistic Portfolios")
    );
    assert_eq!(resource.host.volume.as_deref(), Some("4"));
    assert_eq!(resource.host.issue.as_deref(), Some("1"));
}

#[test]
fn qualified_elements_say_what_they_are() {
    let resource = resource(
        "<dim:dim xmlns:dim=\"http://www.dspace.org/xmlns/dspace/dim\">\
         <dim:field mdschema=\"dc\" element=\"title\">T</dim:field>\
         <dim:field mdschema=\"dc\" element=\"contributor\" qualifier=\"author\">A, B</dim:field>\
         <dim:field mdschema=\"dc\" element=\"contributor\" qualifier=\"advisor\">C, D</dim:field>\
         <dim:field mdschema=\"dc\" element=\"date\" qualifier=\"accessioned\">2001-01-01T00:00:00Z</dim:field>\
         <dim:field mdschema=\"dc\" element=\"date\" qualifier=\"issued\">2005</dim:field>\
         <dim:field mdschema=\"dc\" element=\"identifier\" qualifier=\"issn\">19326203</dim:field>\
         <dim:field mdschema=\"dc\" element=\"relation\" qualifier=\"ispartofseries\">Papers;7</dim:field>\
         <dim:field mdschema=\"dc\" element=\"type\">Thesis</dim:field>\
         <dim:field mdschema=\"thesis\" element=\"degree\" qualifier=\"grantor\">U</dim:field>\
         </dim:dim>",
    )
    .unwrap();
    assert_eq!(resource.kind, Kind::Thesis);
    assert_eq!(resource.published(), Some("2005"));
    assert_eq!(resource.agents[0].role, Role::Author);
    assert_eq!(resource.agents[1].role, Role::Advisor);
    assert_eq!(resource.host.issn.as_deref(), Some("1932-6203"));
    assert_eq!(resource.series[0].title, "Papers");
    assert_eq!(resource.series[0].number.as_deref(), Some("7"));
    assert_eq!(resource.degree.grantor.as_deref(), Some("U"));
}

#[test]
fn elements_of_their_own_are_the_citation() {
    let resource = read(
        "<dc:title>T</dc:title><dc:type>Статья</dc:type><dc:source>Журнал</dc:source>\
         <volume xmlns=\"\">5</volume><issue xmlns=\"\">2</issue><pages xmlns=\"\">10-15</pages>\
         <eissn xmlns=\"\">1932-6203</eissn>",
    );
    let host = &resource.host;
    assert_eq!(host.title.as_deref(), Some("Журнал"));
    assert_eq!(host.volume.as_deref(), Some("5"));
    assert_eq!(host.issue.as_deref(), Some("2"));
    assert_eq!(host.start_page.as_deref(), Some("10"));
    assert_eq!(host.end_page.as_deref(), Some("15"));
    assert_eq!(host.eissn.as_deref(), Some("1932-6203"));
    assert_eq!(host.issn, None);
}
