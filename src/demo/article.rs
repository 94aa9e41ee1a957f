//! An invented article, with the fields that DOAJ has.

use crate::record::resource::{
    self, Agent, Date, DateKind, Host, IdentifierKind, Kind, Language, LinkPurpose, Publisher,
    Resource, Subject, Text, Title,
};

/// One article as DOAJ has it: every field once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Article {
    /// Title.
    pub title: Option<String>,
    /// Further titles.
    pub other_titles: Vec<String>,
    /// Authors in order.
    pub authors: Vec<Author>,
    /// The journal's title.
    pub journal: Option<String>,
    /// The publisher.
    pub publisher: Option<String>,
    /// Print ISSN.
    pub issn: Option<String>,
    /// Electronic ISSN.
    pub eissn: Option<String>,
    /// DOI.
    pub doi: Option<String>,
    /// Date of publication.
    pub published: Option<String>,
    /// Volume.
    pub volume: Option<String>,
    /// Issue.
    pub issue: Option<String>,
    /// First page.
    pub start_page: Option<String>,
    /// Last page.
    pub end_page: Option<String>,
    /// Codes of languages.
    pub languages: Vec<String>,
    /// Abstract.
    pub abstract_text: Option<String>,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Subjects of the Library of Congress Classification.
    pub subjects: Vec<Subject>,
    /// The full text.
    pub links: Vec<Link>,
    /// The publisher's own record number.
    pub publisher_record_id: Option<String>,
}

/// An author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// ORCID iD, as a URL.
    pub orcid: Option<String>,
    /// Affiliations.
    pub affiliations: Vec<String>,
    /// Mail address.
    pub email: Option<String>,
}

/// The address of a full text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The URL.
    pub url: String,
    /// The format.
    pub format: Option<String>,
}

impl Article {
    /// The article as a crosswalk gives it.
    pub fn resource(&self) -> Resource {
        let titles = self.title.iter().chain(&self.other_titles).cloned();
        let keywords = self.keywords.iter().map(|keyword| Subject {
            term: keyword.clone(),
            ..Subject::default()
        });
        let mut resource = Resource {
            kind: Kind::Article,
            titles: titles.map(Title::from).collect(),
            agents: self.authors.iter().map(Author::agent).collect(),
            host: Host {
                title: self.journal.clone(),
                kind: Some(Kind::Journal),
                issn: self.issn.clone(),
                eissn: self.eissn.clone(),
                volume: self.volume.clone(),
                issue: self.issue.clone(),
                start_page: self.start_page.clone(),
                end_page: self.end_page.clone(),
                ..Host::default()
            },
            links: self.links.iter().map(Link::link).collect(),
            languages: self.languages.iter().cloned().map(Language::read).collect(),
            subjects: keywords.chain(self.subjects.iter().cloned()).collect(),
            abstracts: self.abstract_text.iter().cloned().map(text).collect(),
            ..Resource::default()
        };
        resource.dates = self.published.iter().cloned().map(published).collect();
        resource.publishers = self.publisher.iter().cloned().map(publisher).collect();
        for (kind, value) in [
            (IdentifierKind::Doi, &self.doi),
            (IdentifierKind::Publisher, &self.publisher_record_id),
        ] {
            if let Some(value) = value {
                resource.identify(kind, value.clone());
            }
        }
        resource
    }
}

impl Author {
    fn agent(&self) -> Agent {
        Agent {
            name: self.name.clone(),
            orcid: self.orcid.clone(),
            affiliations: self.affiliations.clone(),
            email: self.email.clone(),
            ..Agent::default()
        }
    }
}

impl Link {
    fn link(&self) -> resource::Link {
        resource::Link {
            url: self.url.clone(),
            purpose: LinkPurpose::FullText,
            format: self.format.clone(),
        }
    }
}

fn text(text: String) -> Text {
    Text {
        text,
        language: None,
    }
}

fn published(text: String) -> Date {
    Date {
        kind: DateKind::Published,
        text,
    }
}

fn publisher(name: String) -> Publisher {
    Publisher {
        name: Some(name),
        ..Publisher::default()
    }
}
