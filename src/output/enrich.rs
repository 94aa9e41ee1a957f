//! Enriches the document of a work from the work's other records.
//!
//! A work is written as its preferred record. A part that this record does not have at all comes from
//! the next record that has it, in the order of preference. Parts are taken whole: the volume of one
//! record never appears with the pages of another.

use std::mem::take;

use clap::ValueEnum;

use crate::record::{Article, crosswalk};
use crate::store::{OtherRecord, StoredRecord};

/// A part of an article that can be taken from another record of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Part {
    /// Abstracts.
    Abstract,
    /// Authors, where no author at all is named.
    Authors,
    /// The country of publication.
    Country,
    /// The DOI.
    Doi,
    /// ISSNs.
    Issns,
    /// The title of the journal.
    Journal,
    /// Keywords.
    Keywords,
    /// Languages.
    Languages,
    /// Licences.
    Licences,
    /// Links to the full text and others.
    Links,
    /// Volume, issue and pages.
    Place,
    /// The date of publication.
    Published,
    /// The publisher.
    Publisher,
    /// Subjects.
    Subjects,
}

impl Part {
    /// The name in configurations and on the command line.
    pub(crate) fn name(&self) -> String {
        let value = self.to_possible_value().expect("no part is hidden");
        value.get_name().to_owned()
    }
}

/// Reads a list of parts with commas between them, `all` or `none`.
///
/// # Errors
/// All names, if one of `text` is unknown.
pub fn parts(text: &str) -> Result<Vec<Part>, String> {
    match text.trim() {
        "all" => Ok(Part::value_variants().to_vec()),
        "" | "none" => Ok(Vec::new()),
        names => names.split(',').map(part).collect(),
    }
}

fn part(name: &str) -> Result<Part, String> {
    Part::from_str(name.trim(), false).map_err(|_| {
        let names: Vec<String> = Part::value_variants()
            .iter()
            .filter_map(|part| Some(part.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!(
            "{name:?} is no part of a record that can be taken from another one; there are {}",
            names.join(", ")
        )
    })
}

impl Part {
    /// Whether an article has any of it.
    fn is_in(self, article: &Article) -> bool {
        let a = article;
        match self {
            Self::Abstract => a.abstract_text.is_some() || !a.other_abstracts.is_empty(),
            Self::Authors => !a.authors.is_empty(),
            Self::Country => a.country.is_some(),
            Self::Doi => a.doi.is_some(),
            Self::Issns => a.issn.is_some() || a.eissn.is_some() || !a.other_issns.is_empty(),
            Self::Journal => a.journal.is_some(),
            Self::Keywords => !a.keywords.is_empty(),
            Self::Languages => !a.languages.is_empty(),
            Self::Licences => !a.licences.is_empty() || !a.licence_urls.is_empty(),
            Self::Links => !a.links.is_empty(),
            Self::Place => [&a.volume, &a.issue, &a.start_page, &a.end_page]
                .iter()
                .any(|part| part.is_some()),
            Self::Published => a.published.is_some(),
            Self::Publisher => a.publisher.is_some(),
            Self::Subjects => !a.subjects.is_empty(),
        }
    }

    /// Moves it from one article to another that does not have it.
    fn pass(self, from: &mut Article, to: &mut Article) {
        match self {
            Self::Abstract => {
                to.abstract_text = from.abstract_text.take();
                to.other_abstracts = take(&mut from.other_abstracts);
                to.abstracts_by_language = take(&mut from.abstracts_by_language);
            }
            Self::Authors => to.authors = take(&mut from.authors),
            Self::Country => to.country = from.country.take(),
            Self::Doi => to.doi = from.doi.take(),
            Self::Issns => {
                to.issn = from.issn.take();
                to.eissn = from.eissn.take();
                to.other_issns = take(&mut from.other_issns);
            }
            Self::Journal => to.journal = from.journal.take(),
            Self::Keywords => {
                to.keywords = take(&mut from.keywords);
                to.keywords_by_language = take(&mut from.keywords_by_language);
            }
            Self::Languages => to.languages = take(&mut from.languages),
            Self::Licences => {
                to.licences = take(&mut from.licences);
                to.licence_urls = take(&mut from.licence_urls);
            }
            Self::Links => to.links = take(&mut from.links),
            Self::Place => {
                to.volume = from.volume.take();
                to.issue = from.issue.take();
                to.start_page = from.start_page.take();
                to.end_page = from.end_page.take();
            }
            Self::Published => to.published = from.published.take(),
            Self::Publisher => to.publisher = from.publisher.take(),
            Self::Subjects => to.subjects = take(&mut from.subjects),
        }
    }
}

/// What the preferred record of a work gains from the others, as an article with only these parts.
///
/// `None` if it gains nothing or cannot be read. Other records that cannot be read are skipped.
pub fn gains(record: &StoredRecord, parts: &[Part]) -> Option<Article> {
    if record.others.is_empty() || parts.is_empty() {
        return None;
    }
    let metadata = record.metadata.as_deref()?;
    let own = crosswalk::article(&record.metadata_prefix, metadata).ok()?;
    gained(&own, &record.others, parts)
}

/// What an article gains from others; `None` if nothing.
pub(super) fn gained(own: &Article, others: &[OtherRecord], parts: &[Part]) -> Option<Article> {
    let mut missing: Vec<Part> = parts.to_vec();
    missing.retain(|part| !part.is_in(own));
    let mut gains = Article::default();
    let mut any = false;
    for other in others {
        if missing.is_empty() {
            break;
        }
        let Ok(mut other) = crosswalk::article(&other.metadata_prefix, &other.metadata) else {
            continue;
        };
        missing.retain(|part| {
            let found = part.is_in(&other);
            if found {
                part.pass(&mut other, &mut gains);
                any = true;
            }
            !found
        });
    }
    any.then_some(gains)
}

/// Adds to an article what it gains.
pub fn add(article: &mut Article, mut gains: Article) {
    for part in Part::value_variants() {
        if part.is_in(&gains) {
            part.pass(&mut gains, article);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Author, LanguageText, Link, Subject};

    fn other(metadata: &str) -> OtherRecord {
        OtherRecord {
            metadata_prefix: "oai_doaj".to_owned(),
            metadata: format!("<doajArticle>{metadata}</doajArticle>"),
        }
    }

    #[test]
    fn only_what_is_missing_is_taken_from_the_first_that_has_it() {
        let own = Article {
            abstract_text: Some("Own.".to_owned()),
            volume: Some("3".to_owned()),
            ..Article::default()
        };
        let others = [
            OtherRecord {
                metadata_prefix: "mets".to_owned(),
                metadata: "<unreadable".to_owned(),
            },
            other("<abstract>Second.</abstract><doi>10.1/b</doi><startPage>7</startPage>"),
            other("<doi>10.1/c</doi><publisher>P</publisher>"),
        ];
        for (case, parts, want) in [
            (
                "all",
                Part::value_variants(),
                Some(("10.1/b", Some("P"), Some("Own."))),
            ),
            ("one", &[Part::Doi], Some(("10.1/b", None, Some("Own.")))),
            ("none that others have", &[Part::Country], None),
            ("a part is taken whole or not at all", &[Part::Place], None),
            ("nothing asked for", &[], None),
        ] {
            let found = gained(&own, &others, parts).map(|gains| {
                let mut whole = own.clone();
                add(&mut whole, gains);
                whole
            });
            let found = found.as_ref().map(|article| {
                assert_eq!(article.start_page, None, "{case}");
                (
                    article.doi.as_deref().unwrap_or_default(),
                    article.publisher.as_deref(),
                    article.abstract_text.as_deref(),
                )
            });
            assert_eq!(found, want, "{case}");
        }
    }

    #[test]
    fn every_part_is_passed_on_whole() {
        let text = || Some("x".to_owned());
        let full = Article {
            abstract_text: text(),
            other_abstracts: vec!["y".to_owned()],
            abstracts_by_language: vec![LanguageText::default()],
            authors: vec![Author::default()],
            country: text(),
            doi: text(),
            issn: text(),
            eissn: text(),
            other_issns: vec!["z".to_owned()],
            journal: text(),
            keywords: vec!["k".to_owned()],
            keywords_by_language: vec![LanguageText::default()],
            languages: vec!["en".to_owned()],
            licences: vec!["CC BY".to_owned()],
            licence_urls: vec!["https://l.example".to_owned()],
            links: vec![Link::default()],
            volume: text(),
            issue: text(),
            start_page: text(),
            end_page: text(),
            published: text(),
            publisher: text(),
            subjects: vec![Subject::default()],
            ..Article::default()
        };
        for part in Part::value_variants() {
            assert!(part.is_in(&full), "{part:?} is missing in the sample");
            let (mut from, mut to) = (full.clone(), Article::default());
            part.pass(&mut from, &mut to);
            assert!(part.is_in(&to) && !part.is_in(&from), "{part:?}");
            part.pass(&mut to, &mut from);
            assert_eq!((&from, to), (&full, Article::default()), "{part:?}");
        }
        let mut to = Article::default();
        add(&mut to, full.clone());
        assert_eq!(to, full, "all parts together are all fields of the sample");
    }
}
