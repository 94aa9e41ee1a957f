//! What a record of MARC 21 describes.

use crate::record::marc::Record;
use crate::record::resource::{Kind, Resource};

use super::host::has_issue;
use super::is_invenio;

/// The kind by leader, 006, 007, 008 and 502; of Invenio's records, by 980.
///
/// `Other` where these do not tell, as for scores, kits and objects.
pub(super) fn kind(record: &Record) -> Kind {
    if is_invenio(record) {
        return collection(record);
    }
    match record.leader_at(6) {
        'a' | 't' => text(record),
        'e' | 'f' => Kind::Map,
        'g' => projected(record),
        'i' | 'j' => Kind::Audio,
        'k' => Kind::Image,
        'm' => computer_file(record),
        _ => Kind::Other,
    }
}

/// Language material.
fn text(record: &Record) -> Kind {
    match record.leader_at(7) {
        's' => match record.fixed_at(21) {
            // A series of monographs, a database, a website are no journals.
            ' ' | 'n' | 'p' => Kind::Journal,
            _ => Kind::Other,
        },
        'b' => Kind::Article,
        'a' => part(record),
        'm' => {
            let contents: Vec<char> = (24..28).map(|place| record.fixed_at(place)).collect();
            let is_thesis = record.first("502").is_some()
                || contents.contains(&'m')
                || has_genre(record, &THESES);
            if is_thesis {
                Kind::Thesis
            } else if record.fixed_at(29) == '1' || has_genre(record, &CONFERENCES) {
                Kind::ConferencePaper
            } else if contents.contains(&'t') {
                Kind::Report
            } else {
                Kind::Book
            }
        }
        _ => Kind::Other,
    }
}

const THESES: [&str; 5] = [
    "hochschulschrift",
    "academic theses",
    "theses",
    "disertace",
    "thèses et écrits académiques",
];

const CONFERENCES: [&str; 4] = [
    "konferenzschrift",
    "conference papers and proceedings",
    "conference proceedings",
    "sborníky konferencí",
];

/// Whether 655 has one of these genres.
fn has_genre(record: &Record, genres: &[&str]) -> bool {
    record.all(&["655"]).any(|field| {
        field.first('a').is_some_and(|text| {
            let text = text.trim_end_matches(['.', ' ']).to_lowercase();
            genres.contains(&text.as_str())
        })
    })
}

/// A part that the leader calls one of a monograph. Many catalogues write so of articles too: the
/// linking entry tells.
fn part(record: &Record) -> Kind {
    let Some(host) = record.first("773") else {
        return Kind::Chapter;
    };
    let level = host.first('7').and_then(|codes| codes.chars().nth(3));
    match level {
        Some('s') => Kind::Article,
        Some('m') => Kind::Chapter,
        _ if host.has('z') => Kind::Chapter,
        // Books have no issues.
        _ if host.has('x') || has_issue(host) => Kind::Article,
        _ => Kind::Chapter,
    }
}

/// Films, slides and transparencies.
fn projected(record: &Record) -> Kind {
    let film = |text: &str| text.starts_with(['v', 'm']);
    match record.fixed_at(33) {
        'm' | 'v' => Kind::Video,
        's' | 't' | 'f' | 'i' | 'p' => Kind::Image,
        _ if record
            .control
            .iter()
            .any(|(tag, text)| tag == "007" && film(text)) =>
        {
            Kind::Video
        }
        _ => Kind::Other,
    }
}

fn computer_file(record: &Record) -> Kind {
    match record.fixed_at(26) {
        'a' | 'e' => Kind::Dataset,
        'b' | 'g' => Kind::Software,
        'c' => Kind::Image,
        'h' => Kind::Audio,
        _ => Kind::Other,
    }
}

/// Invenio's collections.
fn collection(record: &Record) -> Kind {
    if record.first("502").is_some() {
        return Kind::Thesis;
    }
    let mut kind = Kind::Other;
    for field in record.all(&["980"]) {
        let words = field.all('a').chain(field.all('b'));
        for word in words {
            let found = match word.to_ascii_lowercase().replace([' ', '-'], "").as_str() {
                "thesis" => Kind::Thesis,
                "conferencepaper" | "proceedings" | "poster" | "presentation" | "slides" => {
                    Kind::ConferencePaper
                }
                "book" => Kind::Book,
                "bookchapter" | "section" => Kind::Chapter,
                "report" | "note" | "workingpaper" | "technicalnote" => Kind::Report,
                "dataset" | "data" => Kind::Dataset,
                "software" => Kind::Software,
                "video" | "movie" => Kind::Video,
                "image" | "photo" | "photos" | "figure" => Kind::Image,
                "preprint" => Kind::Preprint,
                "article" | "published" | "scoap3" => Kind::Article,
                _ => continue,
            };
            // `Published` and `ARTICLE` are weaker than what an item is by itself; an article that
            // was a preprint is an article.
            let weak = |kind| matches!(kind, Kind::Other | Kind::Preprint | Kind::Article);
            let stronger = match (kind, found) {
                (Kind::Other, _) => true,
                (Kind::Preprint, Kind::Article) => true,
                (Kind::Article, Kind::Preprint) => false,
                (known, found) => weak(known) && !weak(found),
            };
            if stronger {
                kind = found;
            }
        }
    }
    // A journal, volume and pages make an article.
    let published = record
        .all(&["773"])
        .any(|field| field.has('p') && field.has('c') && (field.has('v') || field.has('n')));
    match kind {
        Kind::Other | Kind::Preprint if published => Kind::Article,
        kind => kind,
    }
}

/// 655, and Invenio's 980.
pub(super) fn stated_types(record: &Record, invenio: bool, resource: &mut Resource) {
    for field in record.all(&["655"]) {
        let term = field.first('a').map(super::super::values::without_stop);
        add(resource, term);
    }
    if invenio {
        for field in record.all(&["980"]) {
            for text in field.all('a').chain(field.all('b')) {
                add(resource, Some(text));
            }
        }
    }
}

fn add(resource: &mut Resource, text: Option<&str>) {
    if let Some(text) = text
        && !resource.stated_types.iter().any(|known| known == text)
    {
        resource.stated_types.push(text.to_owned());
    }
}
