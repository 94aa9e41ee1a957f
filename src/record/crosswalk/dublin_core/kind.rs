//! Tells what a resource is: from its types, or else from what surrounds it.

use super::words::{fold, has_stem, has_word};
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

/// What one value of `type` says.
#[derive(Debug, PartialEq)]
enum Reading {
    /// A kind, with its rank: a smaller number is stronger.
    Kind(usize, Kind),
    /// That it is text.
    Text,
    /// A version, a state of review, an access level.
    Nothing,
    /// Something that the tables do not have.
    Unknown,
}

fn of_type(value: &str) -> Reading {
    let value = value.trim();
    if let Some(code) = coar_code(value) {
        return COAR.iter().find(|(_, codes)| codes.contains(&code)).map_or(
            Reading::Kind(rank(Kind::Other), Kind::Other),
            |(kind, _)| Reading::Kind(rank(*kind), *kind),
        );
    }
    if value.contains("purl.org/coar/") {
        return Reading::Nothing;
    }
    let bare = without_scheme(value);
    let folded = fold(bare);
    let words = folded.trim();
    if words.is_empty() || NOTHING.contains(&words) {
        return Reading::Nothing;
    }
    if TEXT.contains(&words) {
        return Reading::Text;
    }
    for (kind, names) in NAMES {
        if names.contains(&words) {
            return Reading::Kind(rank(*kind), *kind);
        }
    }
    for (kind, stems) in STEMS {
        if stems.iter().any(|stem| has_stem(&folded, stem)) {
            return Reading::Kind(rank(*kind), *kind);
        }
    }
    if NOTHING_STEMS.iter().any(|stem| has_stem(&folded, stem)) {
        return Reading::Nothing;
    }
    if let Some((media, _)) = bare.split_once('/')
        && let Some((_, kind)) = MEDIA.iter().find(|(name, _)| *name == media)
    {
        return Reading::Kind(rank(*kind), *kind);
    }
    Reading::Unknown
}

/// `c_6501` of `http://purl.org/coar/resource_type/c_6501`.
fn coar_code(value: &str) -> Option<&str> {
    let (_, code) = value.split_once("coar/resource_type/")?;
    Some(code.trim_end_matches('/'))
}

/// The value without the address or name of its vocabulary.
fn without_scheme(value: &str) -> &str {
    for scheme in [
        "info:eu-repo/semantics/",
        "info:ulb-repo/semantics/",
        "doc-type:",
        "dcterms:",
        "dctype:",
        "publication-type:",
        "publications:",
    ] {
        if let Some(at) = value.find(scheme) {
            return &value[at + scheme.len()..];
        }
    }
    if value.starts_with("http://") || value.starts_with("https://") {
        let end = value.trim_end_matches('/');
        return end.rsplit(['/', '#']).next().unwrap_or(end);
    }
    value
}

/// The order of kinds, the most telling first.
fn rank(kind: Kind) -> usize {
    const ORDER: [Kind; 15] = [
        Kind::Thesis,
        Kind::Chapter,
        Kind::Dataset,
        Kind::Software,
        Kind::Map,
        Kind::Video,
        Kind::Audio,
        Kind::Journal,
        Kind::ConferencePaper,
        Kind::Preprint,
        Kind::Report,
        Kind::Book,
        Kind::Article,
        Kind::Image,
        Kind::Other,
    ];
    // A score is no picture, though its scan is; `other` said outright comes before `image`.
    match kind {
        Kind::Other => 26,
        Kind::Image => 28,
        _ => 2 * ORDER.iter().position(|other| *other == kind).unwrap_or(14),
    }
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
    let mut kinds = evidence.formats.iter().filter_map(|format| {
        let (media, _) = format.trim().split_once('/')?;
        MEDIA
            .iter()
            .find(|(name, _)| *name == media)
            .map(|(_, kind)| *kind)
    });
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

/// The first part of a media type.
const MEDIA: &[(&str, Kind)] = &[
    ("audio", Kind::Audio),
    ("video", Kind::Video),
    ("image", Kind::Image),
];

/// COAR resource types, version 3. Those that are missing are of other kinds.
const COAR: &[(Kind, &[&str])] = &[
    (
        Kind::Article,
        &[
            "c_6501",
            "c_2df8fbb1",
            "c_3e5a",
            "c_dcae04bc",
            "c_b239",
            "c_545b",
            "c_beb9",
            "c_7bab",
            "c_ba08",
            "c_998f",
            "c_26e4",
            "c_7acd",
        ],
    ),
    (Kind::Thesis, &["c_46ec", "c_db06", "c_bdcc", "c_7a1f"]),
    (Kind::Book, &["c_2f33"]),
    (Kind::Chapter, &["c_3248"]),
    (
        Kind::ConferencePaper,
        &[
            "c_5794",
            "c_6670",
            "c_c94f",
            "c_f744",
            "c_18cp",
            "c_18co",
            "R60J-J5BD",
        ],
    ),
    (
        Kind::Report,
        &[
            "c_93fc", "c_18gh", "c_8042", "c_18ws", "c_186u", "c_18hj", "c_18op", "c_18wz",
            "c_18wq", "c_18ww", "c_ba1f",
        ],
    ),
    (Kind::Preprint, &["c_816b"]),
    (Kind::Dataset, &["c_ddb1"]),
    (Kind::Image, &["c_c513", "c_ecc8"]),
    (Kind::Audio, &["c_18cc", "c_18cd"]),
    (Kind::Video, &["c_12ce", "c_8a7e"]),
    (Kind::Map, &["c_12cd", "c_12cc"]),
    (Kind::Software, &["c_5ce6"]),
    (Kind::Journal, &["c_0640", "c_2659", "c_2fe3"]),
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

/// Values that say text and no more, folded.
const TEXT: &[&str] = &[
    "text",
    "texte",
    "texto",
    "testo",
    "tekst",
    "document",
    "documento",
    "text text",
];

/// Values of other vocabularies, folded: versions, review, access, embargo.
const NOTHING: &[&str] = &[
    "final",
    "oneyear",
    "none",
    "untilarticleappears",
    "until article appears",
    "one year",
    "reviewed",
    "unreviewed",
    "published",
    "draft",
    "doctoral",
    "phd",
    "ph d",
    "masters",
    "collection",
    "n a",
    "electronic",
    "electronic resource",
    "online resource",
    "digital",
    "version",
    "custom",
    "postprint",
    "post print",
];

/// Beginnings of words in such values.
const NOTHING_STEMS: &[&str] = &[
    "published version",
    "accepted version",
    "submitted version",
    "updated version",
    "draft version",
    "peer reviewed",
    "avaliado p",
    "evaluado p",
    "revisado p",
    "peer review",
    "non peer",
    "not peer",
    "refereed",
    "not reviewed",
    "no revisado",
    "open access",
    "closed access",
    "restricted access",
    "embargoed access",
    "publishedversion",
    "acceptedversion",
    "version publicada",
    "version of record",
    "vor",
    "final published",
];

/// Whole values, folded, that stems would read otherwise or not at all.
const NAMES: &[(Kind, &[&str])] = &[
    (
        Kind::Journal,
        &[
            "journal",
            "journals",
            "magazine",
            "zeitschrift",
            "revista",
            "revue",
            "serial",
            "newsletter",
            "newspaper",
            "newspapers",
            "dergi",
            "журнал",
        ],
    ),
    (
        Kind::Map,
        &[
            "map", "maps", "karte", "karten", "mapa", "mapy", "carte", "carta",
        ],
    ),
    (
        Kind::Article,
        &[
            "article",
            "journal paginated",
            "contribution to journal",
            "art",
            "review",
            "editorial",
            "letter to editor",
            "departmental bulletin paper",
            "data paper",
            "zeitschriftenartikel",
            "zeitschriftenaufsatz",
            "zeitungsartikel",
            "tidskriftsartikel",
            "tidsskriftartikel",
            "note",
            "book review",
            "bookreview",
            "comentario",
            "news article",
            "newspaper article",
            "magazine article",
            "review article",
        ],
    ),
    (
        Kind::Chapter,
        &[
            "couv",
            "in book",
            "inbook",
            "incollection",
            "book item",
            "book chapter",
            "bookchapter",
        ],
    ),
    (
        Kind::ConferencePaper,
        &[
            "comm",
            "conference",
            "misc conference",
            "abstract",
            "presentation",
            "poster",
            "talk",
            "meeting abstract",
            "proceedings",
        ],
    ),
    (
        Kind::Book,
        &[
            "ouv",
            "book",
            "monograph",
            "libro",
            "livro",
            "livre",
            "buch",
            "boek",
            "ksiazka",
            "kitap",
            "книга",
            "buku",
            "図書",
            "monograph or book",
            "edited book",
            "ebook",
            "e book",
            "monographie",
            "monografia",
            "kniha",
            "knyga",
            "bok",
            "bog",
            "kirja",
            "knjiga",
            "könyv",
            "konyv",
            "βιβλιο",
            "책",
            "图书",
        ],
    ),
    (
        Kind::Report,
        &[
            "report",
            "rapport",
            "informe",
            "relatorio",
            "bericht",
            "отчет",
            "rapor",
        ],
    ),
    (
        Kind::Other,
        &[
            "misc",
            "other",
            "others",
            "otro",
            "outro",
            "autre",
            "sonstiges",
            "diger",
            "lecture",
            "patent",
            "manuscript",
            "correspondence",
            "letters",
            "notated music",
            "musical notation",
            "learning object",
            "course material",
            "project",
            "event",
            "website",
            "web page",
            "physical object",
            "score",
            "interactive resource",
            "text other",
        ],
    ),
    (
        Kind::Image,
        &[
            "image",
            "images",
            "still image",
            "stillimage",
            "photo",
            "photos",
            "picture",
            "pictures",
            "bild",
            "imagen",
            "imagem",
            "grafika",
            "figure",
            "drawing",
            "painting",
            "poster image",
        ],
    ),
    (
        Kind::Audio,
        &["sound", "audio", "music", "sonido", "som", "ton", "son"],
    ),
    (
        Kind::Video,
        &["video", "film", "movie", "moving image", "movingimage"],
    ),
    (
        Kind::Dataset,
        &["data", "dane", "daten", "database", "statistics"],
    ),
    (
        Kind::Thesis,
        &[
            "etd", "these", "tese", "tesi", "tez", "hdr", "mem", "tfg", "tfm", "tcc", "gradu",
        ],
    ),
    (
        Kind::Preprint,
        &["preprint", "pre print", "eprint", "e print", "undefined"],
    ),
];

/// Beginnings of words, folded, in the order in which they are tried.
const STEMS: &[(Kind, &[&str])] = &[
    (
        Kind::Thesis,
        &[
            "thesis",
            "theses",
            "these ",
            "dissertation",
            "dissertac",
            "tesis",
            "tese ",
            "teses",
            "tesi ",
            "memoire",
            "hochschulschrift",
            "doktora",
            "yuksek lisans",
            "диссертаци",
            "дисертаци",
            "автореферат",
            "дипломн",
            "skripsi",
            "luan van",
            "luan an",
            "学位論文",
            "学位论文",
            "博士",
            "硕士",
            "학위논문",
            "studythesis",
            "doctoral thes",
            "licentiat",
            "doktorsavhandling",
            "avhandling",
            "praca doktorsk",
            "praca magistersk",
            "rozprawa",
            "proefschrift",
            "scriptie",
            "vaitoskirja",
            "diplomarbeit",
            "masterarbeit",
            "bachelorarbeit",
            "magisterarbeit",
            "studienarbeit",
            "habilitation",
            "disertac",
            "disertace",
            "diplomova prace",
            "bakalarska prace",
            "diplomsko delo",
            "magistrsko delo",
            "diplomski rad",
            "zavrsni rad",
            "trabajo fin",
            "trabajo de fin",
            "trabajo de grado",
            "trabalho de conclus",
            "proyecto fin",
            "opinnaytety",
            "masteroppgave",
            "speciale",
            "szakdolgozat",
            "doktori",
            "διδακτορικ",
            "διατριβ",
            "διπλωματικ",
            "tugas akhir",
            "tezi",
            "رساله",
            "رسالة",
            "پایان",
        ],
    ),
    (
        Kind::Chapter,
        &[
            "book section",
            "book part",
            "bookpart",
            "part of book",
            "part of a book",
            "book chapter",
            "chapter",
            "capitulo",
            "capitol",
            "chapitre",
            "buchkapitel",
            "kapitel",
            "hoofdstuk",
            "rozdzial",
            "глава",
            "розділ",
            "bolum",
            "buchbeitrag",
            "beitrag in",
            "sammelband",
            "sammelwerk",
            "teil eines buches",
            "contribution to book",
            "contribution to a book",
            "osa kirja",
            "del av bok",
            "章",
        ],
    ),
    (
        Kind::Dataset,
        &[
            "dataset",
            "data set",
            "research data",
            "researchdata",
            "data collection",
            "data paper set",
            "survey data",
            "census",
            "records data",
            "conjunto de d",
            "jeu de donnees",
            "donnees",
            "forschungsdaten",
            "veri seti",
            "набор данных",
            "数据集",
            "データ",
            "raw data",
            "observational data",
            "experimental data",
            "clinical data",
            "aggregate data",
            "event transaction data",
        ],
    ),
    (
        Kind::Software,
        &[
            "software",
            "computer program",
            "toolservice",
            "tool service",
            "source code",
            "sourcecode",
            "logiciel",
            "computersoftware",
            "programa de computador",
            "yazilim",
        ],
    ),
    (
        Kind::Map,
        &["cartograph", "map ", "kartograf", "cartograf", "atlas"],
    ),
    (
        Kind::ConferencePaper,
        &[
            "conference",
            "conferencia",
            "conferencia",
            "proceeding",
            "inproceedings",
            "in proceedings",
            "poster",
            "ponencia",
            "comunicacao",
            "comunicacion",
            "communication dans un congres",
            "konferenz",
            "konferen",
            "konferanse",
            "konferens",
            "конференц",
            "bildiri",
            "congress",
            "congreso",
            "evento",
            "workshop",
            "symposium",
            "presentation",
            "会議",
            "会议",
            "prosiding",
            "trabajo de congreso",
            "trabalho em",
            "tagungsbeitrag",
            "vortrag",
        ],
    ),
    (
        Kind::Preprint,
        &["preprint", "pre print", "e print", "eprint", "препринт"],
    ),
    (
        Kind::Video,
        &[
            "video",
            "moving image",
            "movingimage",
            "film",
            "videorecording",
            "видео",
        ],
    ),
    (
        Kind::Audio,
        &[
            "sound",
            "audio",
            "recording",
            "musical recording",
            "grabacion sonora",
            "document sonore",
            "enregistrement",
        ],
    ),
    (
        Kind::Report,
        &[
            "report",
            "technical",
            "working paper",
            "workingpaper",
            "discussion paper",
            "white paper",
            "mpra paper",
            "policy paper",
            "research paper",
            "rapport",
            "informe",
            "relatorio",
            "bericht",
            "arbeitspapier",
            "documento de trabajo",
            "documento de trabalho",
            "отчет",
            "raport",
            "научный доклад",
            "laporan",
            "technical documentation",
        ],
    ),
    (
        Kind::Article,
        &[
            "article",
            "articulo",
            "artigo",
            "articolo",
            "artikel",
            "artykul",
            "aufsatz",
            "makale",
            "стать",
            "статт",
            "άρθρο",
            "αρθρο",
            "論文",
            "论文",
            "journal article",
            "postprint",
            "cikk",
            "clanak",
            "clanek",
            "straipsnis",
            "artikkel",
            "artikkeli",
            "contribution to period",
            "contributiontoperiodical",
            "review",
            "editorial",
            "research article",
            "مقاله",
            "مقالة",
            "bai bao",
            "논문",
            "resena",
            "resenha",
            "recension",
            "rezension",
            "peer reviewed article",
        ],
    ),
    (
        Kind::Book,
        &[
            "book",
            "monograph",
            "libro",
            "livro",
            "livre",
            "monografi",
            "textbook",
            "монографи",
        ],
    ),
    (
        Kind::Journal,
        &[
            "periodical",
            "newspaper",
            "newsletter",
            "serial",
            "printed serial",
            "publication en serie",
            "czasopism",
            "journal issue",
            "periodik",
            "periodico",
            "zeitschrift",
            "zeitung",
            "gazet",
            "газет",
            "журнал",
        ],
    ),
    (
        Kind::Image,
        &[
            "image",
            "still image",
            "stillimage",
            "photograph",
            "photo",
            "picture",
            "postcard",
            "stereograph",
            "pocztowk",
            "grafik",
            "fotograf",
            "gravure",
            "estampe",
            "print ",
            "negative",
            "slide",
            "drawing",
            "ansichtskarte",
            "portrait",
            "фотограф",
        ],
    ),
    (
        Kind::Other,
        &[
            "manuscript",
            "correspondence",
            "letter",
            "notated music",
            "score",
            "learning object",
            "lecture",
            "patent",
            "web page",
            "website",
            "oral histor",
            "teaching",
            "course",
            "interview",
            "other",
            "otros",
            "outros",
            "blog",
            "archival",
            "ephemera",
        ],
    ),
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
