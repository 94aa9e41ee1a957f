//! Records of one article in three formats form one cluster.

use harvestd::dedup::{description::Description, memory::cluster_all};
use harvestd::demo::{Article, Author, Link};
use harvestd::record::resource::{IdentifierKind, Kind, Resource};

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn authors(names: &[&str]) -> Vec<Author> {
    names
        .iter()
        .map(|name| Author {
            name: (*name).to_owned(),
            ..Author::default()
        })
        .collect()
}

/// From DOAJ's `oai_doaj`: every value in its field.
fn oai_doaj() -> Resource {
    let article = Article {
        title: text("Effects of <i>Trichoderma</i> on β-glucan content of oats: Part 2"),
        authors: authors(&["Anna Müller", "José de la Cruz"]),
        journal: text("Acta Agronomica"),
        publisher: text("Example Press"),
        issn: text("03008428"),
        eissn: text("14351803"),
        doi: text("10.1234/Agro.2020.15"),
        published: text("2020-05-01"),
        volume: text("12"),
        issue: text("3"),
        start_page: text("101"),
        end_page: text("109"),
        ..Article::default()
    };
    article.resource()
}

/// From `oai_dc`: fewer fields, and identifiers of unknown kind.
fn oai_dc() -> Resource {
    let article = Article {
        title: text("Effects of Trichoderma on beta-glucan content of oats: part 2"),
        authors: authors(&["Müller, Anna", "de la Cruz, José"]),
        journal: text("Acta Agronomica, Vol 12, Iss 3, Pp 101-109 (2020)"),
        issn: text("0300-8428"),
        published: text("2020-05-01T00:00:00Z"),
        ..Article::default()
    };
    let mut resource = article.resource();
    resource.identify(
        IdentifierKind::Other,
        "https://doi.org/10.1234/agro.2020.15",
    );
    resource
}

/// From DOAJ's JSON: names as typed, the ISSN of the other edition, the DOI in a link.
fn doaj_json() -> Resource {
    let article = Article {
        title: text("Effects of Trichoderma on β-glucan content of oats. Part II"),
        authors: authors(&["A. Müller", "J. de la Cruz"]),
        journal: text("Acta Agronomica"),
        eissn: text("1435-1803"),
        published: text("2020"),
        volume: text("12"),
        start_page: text("101"),
        links: vec![Link {
            url: "https://doi.org/10.1234/agro.2020.15".to_owned(),
            ..Link::default()
        }],
        ..Article::default()
    };
    article.resource()
}

fn clusters(resources: &[Resource]) -> Vec<Vec<u32>> {
    let records: Vec<Description> = resources.iter().map(Description::from_resource).collect();
    cluster_all(&records, &[]).clusters
}

fn without_doi(resource: Resource) -> Resource {
    Resource {
        identifiers: Vec::new(),
        links: Vec::new(),
        ..resource
    }
}

#[test]
fn three_formats_are_one_work() {
    assert_eq!(clusters(&[oai_doaj(), oai_dc(), doaj_json()]), [[0, 1, 2]]);
}

#[test]
fn three_formats_are_one_work_without_the_doi() {
    let shapes = [oai_doaj(), oai_dc(), doaj_json()].map(without_doi);
    assert_eq!(clusters(&shapes), [[0, 1, 2]]);
}

#[test]
fn another_part_is_another_work() {
    let mut first = without_doi(oai_dc());
    first.titles[0].text =
        "Effects of Trichoderma on beta-glucan content of oats: part 1".to_owned();
    first.host.title = text("Acta Agronomica, Vol 12, Iss 3, Pp 91-100 (2020)");
    assert_eq!(clusters(&[oai_doaj(), first]), [[0], [1]]);
}

#[test]
fn a_journal_is_no_article() {
    let journal = Resource {
        kind: Kind::Journal,
        ..oai_doaj()
    };
    let mut electronic = journal.clone();
    electronic.host.issn = None;
    assert_eq!(
        clusters(&[journal, oai_doaj(), electronic]),
        [vec![0, 2], vec![1]]
    );
}
