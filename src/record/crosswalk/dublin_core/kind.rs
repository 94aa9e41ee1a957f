//! Tells what a resource is: from its types, or else from what surrounds it.

use super::words::{fold, has_stem, has_word};
use crate::record::crosswalk::kinds::{Reading, kind_of_media, of_type};
use crate::record::resource::Kind;

/// What is known beside the types.
#[derive(Debug, Default)]
pub(super) struct Evidence<'a> {
    /// The values of `type`.
    pub(super) types: Vec<&'a str>,
    /// Media types and formats.
    pub(super) formats: Vec<&'a str>,
    /// Values of `source` and series.
    pub(super) sources: Vec<&'a str>,
    /// The OAI identifier.
    pub(super) identifier: &'a str,
    /// The sets, decoded where they are in hexadecimal digits.
    pub(super) sets: Vec<String>,
    /// Whether a citation in a journal was found.
    pub(super) cited: bool,
    /// Whether an agent was interviewed.
    pub(super) interview: bool,
    /// Whether the format is for theses only.
    pub(super) thesis: bool,
}

/// What a resource is; [`Kind::Other`] if nothing tells.
///
/// The strongest type counts, wherever it stands; types that only name a version, a review or the
/// access do not. A type `text` alone is an article unless series, sets or the identifier say
/// otherwise. Without any type it is one only if it is cited in a journal.
pub(super) fn kind(evidence: &Evidence<'_>) -> Kind {
    if evidence.thesis {
        return Kind::Thesis;
    }
    let of_sets = evidence.sets.iter().filter_map(|set| of_set(set));
    let mut found: Vec<(usize, Kind)> = of_sets.collect();
    let mut text = false;
    let mut unknown = false;
    for value in &evidence.types {
        match of_type(value) {
            Reading::Kind(rank, kind) => found.push((rank, kind)),
            Reading::Text => text = true,
            Reading::Nothing => {}
            Reading::Unknown => unknown = true,
        }
    }
    if let Some((_, kind)) = found.iter().min_by_key(|(rank, _)| *rank) {
        return *kind;
    }
    if unknown {
        return of_title_list(evidence).unwrap_or(if evidence.cited {
            Kind::Article
        } else {
            Kind::Other
        });
    }
    if let Some(kind) = of_surroundings(evidence) {
        return kind;
    }
    if text || evidence.cited {
        Kind::Article
    } else {
        Kind::Other
    }
}

/// A set of journal titles with the type `title`, as HeinOnline has.
fn of_title_list(evidence: &Evidence<'_>) -> Option<Kind> {
    let titles = evidence.types.iter().any(|text| text.trim() == "title");
    let journals = evidence
        .sets
        .iter()
        .any(|set| has_word(&fold(set), "journals"));
    (titles && journals).then_some(Kind::Journal)
}

/// What the name of a set says for certain: HAL's, EPrints' and Zenodo's.
fn of_set(set: &str) -> Option<(usize, Kind)> {
    if let Some(name) = set.strip_prefix("type:") {
        let (_, kind) = HAL.iter().find(|(code, _)| *code == name)?;
        return Some((0, *kind));
    }
    if let Some(name) = set.strip_prefix("types=") {
        return match of_type(name) {
            Reading::Kind(rank, kind) => Some((rank, kind)),
            _ => None,
        };
    }
    match set {
        "software" => Some((0, Kind::Software)),
        "openaire_data" => Some((1, Kind::Dataset)),
        _ => None,
    }
}

/// What series, sets, identifier and formats say where the types do not.
fn of_surroundings(evidence: &Evidence<'_>) -> Option<Kind> {
    if evidence.identifier.to_lowercase().starts_with("oai:arxiv") {
        return Some(Kind::Preprint);
    }
    if evidence.interview {
        return Some(Kind::Other);
    }
    let sets = evidence.sets.iter().map(String::as_str);
    let places: Vec<String> = evidence
        .sources
        .iter()
        .copied()
        .chain(sets)
        .map(fold)
        .collect();
    for (kind, stems) in PLACES {
        // Proceedings with volume and issue are a journal.
        if evidence.cited && *kind != Kind::Thesis {
            continue;
        }
        if places
            .iter()
            .any(|place| stems.iter().any(|stem| has_stem(place, stem)))
        {
            return Some(*kind);
        }
    }
    let formats = evidence.formats.iter();
    let mut kinds = formats.filter_map(|format| kind_of_media(format.trim()));
    if !evidence.types.is_empty() {
        return kinds.find(|kind| *kind != Kind::Image);
    }
    kinds.next()
}

/// Words in the names of series and sets.
const PLACES: &[(Kind, &[&str])] = &[
    (
        Kind::Thesis,
        &[
            "theses",
            "thesis",
            "dissertation",
            "etd",
            "etds",
            "edissertation",
            "tesis",
            "teses",
            "memoires",
            "electronic thes",
            "doctoral",
            "hochschulschrift",
            "capstone",
        ],
    ),
    (Kind::Other, &["oral histor"]),
    (
        Kind::Report,
        &[
            "report",
            "technical paper",
            "working paper",
            "discussion paper",
            "white paper",
            "informes",
            "arbeitspapier",
        ],
    ),
    (
        Kind::ConferencePaper,
        &[
            "conference",
            "proceedings",
            "symposium",
            "symposia",
            "congress",
            "posters",
            "workshop",
            "congreso",
            "colloque",
        ],
    ),
    // It may be either.
    (Kind::Other, &["books and"]),
    (Kind::Chapter, &["book chapters", "book sections"]),
    (Kind::Book, &["books", "monographs"]),
    (
        Kind::Image,
        &["photograph", "photo collection", "postcards"],
    ),
];

/// HAL's sets of types.
const HAL: &[(&str, Kind)] = &[
    ("ART", Kind::Article),
    ("NOTE", Kind::Article),
    ("THESE", Kind::Thesis),
    ("HDR", Kind::Thesis),
    ("MEM", Kind::Thesis),
    ("ETABTHESE", Kind::Thesis),
    ("COUV", Kind::Chapter),
    ("OUV", Kind::Book),
    ("COMM", Kind::ConferencePaper),
    ("POSTER", Kind::ConferencePaper),
    ("PRESCONF", Kind::ConferencePaper),
    ("PROCEEDINGS", Kind::ConferencePaper),
    ("REPORT", Kind::Report),
    ("CREPORT", Kind::Report),
    ("IMG", Kind::Image),
    ("VIDEO", Kind::Video),
    ("SON", Kind::Audio),
    ("MAP", Kind::Map),
    ("SOFTWARE", Kind::Software),
    ("ISSUE", Kind::Journal),
    ("PATENT", Kind::Other),
    ("LECTURE", Kind::Other),
    ("OTHER", Kind::Other),
    ("BLOG", Kind::Other),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(types: &[&str]) -> Kind {
        kind(&Evidence {
            types: types.to_vec(),
            ..Evidence::default()
        })
    }

    #[test]
    fn reads_types() {
        let cases: [(&[&str], Kind); 47] = [
            (
                &["http://purl.org/coar/resource_type/c_6501"],
                Kind::Article,
            ),
            (
                &["https://purl.org/coar/resource_type/c_db06/"],
                Kind::Thesis,
            ),
            (&["doctoral thesis"], Kind::Thesis),
            (&["conference poster"], Kind::ConferencePaper),
            (&["text", "info:eu-repo/semantics/bookPart"], Kind::Chapter),
            (
                &[
                    "info:eu-repo/semantics/workingPaper",
                    "info:eu-repo/semantics/submittedVersion",
                ],
                Kind::Report,
            ),
            (&["http://purl.org/dc/dcmitype/StillImage"], Kind::Image),
            (
                &["http://purl.org/eprint/type/JournalArticle"],
                Kind::Article,
            ),
            (&["doc-type:doctoralThesis"], Kind::Thesis),
            (&["publications:dataset"], Kind::Dataset),
            (&["Journal (Paginated)"], Kind::Article),
            (&["journal"], Kind::Journal),
            (&["Artículo"], Kind::Article),
            (&["Статья"], Kind::Article),
            (&["Стаття"], Kind::Article),
            (&["Άρθρο"], Kind::Article),
            (&["学位論文"], Kind::Thesis),
            (&["論文"], Kind::Article),
            (
                &["Thèse ou Mémoire numérique / Electronic Thesis or Dissertation"],
                Kind::Thesis,
            ),
            (&["Yüksek lisans"], Kind::Thesis),
            (&["Luận văn"], Kind::Thesis),
            (&["Licentiate thesis, monograph"], Kind::Thesis),
            (&["Conference or Workshop Item"], Kind::ConferencePaper),
            (&["Part of book - chapter"], Kind::Chapter),
            (&["bookChapter"], Kind::Chapter),
            (&["Technical Report"], Kind::Report),
            (&["Image", "Map"], Kind::Map),
            (&["Notated Music", "Image"], Kind::Other),
            (&["pocztówki"], Kind::Image),
            (&["Dataset", "oneyear"], Kind::Dataset),
            (
                &["Version révisée par les pairs / Postprint"],
                Kind::Article,
            ),
            (&["printed serial"], Kind::Journal),
            (&["Periodical"], Kind::Journal),
            (&["Thesis", "doctoral", "PhD"], Kind::Thesis),
            (&["research-article"], Kind::Article),
            (&["Monograph or Book"], Kind::Book),
            (&["administrative records data"], Kind::Dataset),
            (&["web page capture"], Kind::Other),
            (&["Notice of something"], Kind::Other),
            (&["info:eu-repo/semantics/other"], Kind::Other),
            (
                &["info:eu-repo/semantics/openAccess", "Peer-reviewed Article"],
                Kind::Article,
            ),
            (&["Text"], Kind::Article),
            (&["video/mp4"], Kind::Video),
            (&["Zeitschriftenartikel"], Kind::Article),
            (&["Letter"], Kind::Other),
            (&["document sonore"], Kind::Audio),
            (&[], Kind::Other),
        ];
        for (types, expected) in cases {
            assert_eq!(of(types), expected, "{types:?}");
        }
    }

    #[test]
    fn reads_what_surrounds_a_text() {
        let with = |change: fn(&mut Evidence<'static>)| {
            let mut evidence = Evidence {
                types: vec!["text"],
                ..Evidence::default()
            };
            change(&mut evidence);
            kind(&evidence)
        };
        assert_eq!(
            with(|e| e.identifier = "oai:arXiv.org:1507.03011"),
            Kind::Preprint
        );
        assert_eq!(
            with(|e| e.sets = vec!["publication:gc_etds".into()]),
            Kind::Thesis
        );
        assert_eq!(
            with(|e| e.sources = vec!["Doctorate (DSW) Dissertations"]),
            Kind::Thesis
        );
        assert_eq!(
            with(|e| e.sources = vec!["Transportation Center Research Report"]),
            Kind::Report
        );
        assert_eq!(
            with(|e| e.sources = vec!["Adult Education Research Conference"]),
            Kind::ConferencePaper
        );
        assert_eq!(
            with(|e| {
                e.sources = vec!["SFC Proceedings"];
                e.cited = true
            }),
            Kind::Article
        );
        assert_eq!(
            with(|e| e.sources = vec!["Faculty Publications"]),
            Kind::Article
        );
        assert_eq!(
            with(|e| {
                e.types.clear();
                e.formats = vec!["audio/x-wav"]
            }),
            Kind::Audio
        );
        assert_eq!(
            with(|e| {
                e.types.clear();
                e.cited = true
            }),
            Kind::Article
        );
        assert_eq!(with(|e| e.thesis = true), Kind::Thesis);
    }

    #[test]
    fn sets_tell_more_than_types() {
        let cases = [
            ("type:COUV", "info:eu-repo/semantics/article", Kind::Chapter),
            ("software", "info:eu-repo/semantics/other", Kind::Software),
            (
                "types=conference_item",
                "NonPeerReviewed",
                Kind::ConferencePaper,
            ),
            ("col_1", "Article", Kind::Article),
        ];
        for (set, stated, expected) in cases {
            let evidence = Evidence {
                types: vec![stated],
                sets: vec![set.to_owned()],
                ..Evidence::default()
            };
            assert_eq!(kind(&evidence), expected, "{set}");
        }
    }
}
