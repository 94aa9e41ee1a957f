//! What types mean: the concepts of COAR, names of other vocabularies, plain words in many languages.
//!
//! The tables are those of all formats. A format with a closed vocabulary of its own has its table in
//! its file.

use super::words::{fold, has_stem};
use crate::record::resource::Kind;

/// What one value of `type` says.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// A kind, with its rank: a smaller number is stronger.
    Kind(usize, Kind),
    /// That it is text.
    Text,
    /// A version, a state of review, an access level.
    Nothing,
    /// Something that the tables do not have.
    Unknown,
}

/// Reads one statement of a type: an address of COAR, a name of a vocabulary, or words.
pub(super) fn of_type(value: &str) -> Reading {
    let value = value.trim();
    if coar_code(value).is_some() {
        let kind = kind_of_coar(value).unwrap_or(Kind::Other);
        return Reading::Kind(rank(kind), kind);
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
    kind_of_media(bare).map_or(Reading::Unknown, |kind| Reading::Kind(rank(kind), kind))
}

/// The kind that words for a type tell, such as `Journal article` or `doctoralThesis`; `None` if they
/// tell none, also if they only say text or something else.
pub(super) fn kind_of_words(text: &str) -> Option<Kind> {
    match of_type(text) {
        Reading::Kind(_, kind) if kind != Kind::Other => Some(kind),
        _ => None,
    }
}

/// The kind that a concept of COAR's vocabulary means; `None` for other concepts and other addresses.
pub(super) fn kind_of_coar(uri: &str) -> Option<Kind> {
    let code = coar_code(uri)?;
    let found = COAR.iter().find(|(_, codes)| codes.contains(&code));
    found.map(|(kind, _)| *kind)
}

/// The kind of what has a media type, unless it is a text or a program.
pub(super) fn kind_of_media(media_type: &str) -> Option<Kind> {
    let (media, _) = media_type.split_once('/')?;
    let found = MEDIA.iter().find(|(name, _)| *name == media);
    found.map(|(_, kind)| *kind)
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
            "c_efa0",
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
    (Kind::Journal, &["c_0640", "c_2659", "c_2cd9", "c_2fe3"]),
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
            "map",
            "maps",
            "karte",
            "karten",
            "mapa",
            "mapas",
            "mapy",
            "carte",
            "carta",
            "карта",
            "harita",
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
    (Kind::Dataset, &["data", "dane", "daten", "database"]),
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
            "lizentiat",
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
            "doctoralthes",
            "masterthes",
            "mastersthes",
            "bachelorthes",
            "phdthes",
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
            "bokkapitel",
            "boekdeel",
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
            "datensatz",
            "conjunto di dati",
            "zestaw danych",
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
            "programa informatic",
            "программа для эвм",
            "ソフトウェア",
            "yazilim",
        ],
    ),
    (
        Kind::Map,
        &[
            "cartograph",
            "map ",
            "kartograf",
            "cartograf",
            "atlas",
            "carte geograph",
            "landkarte",
            "地図",
        ],
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
            "atti di convegno",
            "convegno",
            "colloque",
            "kongress",
            "konferenc",
            "vortrag",
        ],
    ),
    (
        Kind::Preprint,
        &[
            "preprint",
            "pre print",
            "e print",
            "eprint",
            "препринт",
            "prepublicac",
            "prepublication",
            "vorabdruck",
            "プレプリント",
            "预印本",
        ],
    ),
    (
        Kind::Video,
        &[
            "video",
            "moving image",
            "movingimage",
            "motion picture",
            "film",
            "videorecording",
            "видео",
            "pelicula",
            "動画",
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
            "tonaufnahme",
            "gravacao",
            "registrazione sonora",
            "звукозапись",
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
            "document de travail",
            "documento di lavoro",
            "рабочий документ",
            "отчет",
            "raport",
            "научный доклад",
            "laporan",
            "technical documentation",
            "project deliverable",
            "discussionpaper",
            "researchreport",
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
            "journalarticle",
            "researcharticle",
            "reviewarticle",
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
            "noviny",
            "casopis",
            "雑誌",
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
            "estampa",
            "画像",
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

    #[test]
    fn words_of_every_vocabulary_tell_kinds() {
        for (kind, words) in [
            (
                Kind::Article,
                "Article,Journal Article,journalarticle,article-journal,Book review,Editorial,Data paper,\
                 Newspaper article,Contribution to journal,research-article",
            ),
            (Kind::Book, "book,Monograph,eBook,books,Könyv"),
            (
                Kind::Chapter,
                "Book chapter,bookPart,Book Section,incollection,InBook,Kapitel,Bokkapitel",
            ),
            (
                Kind::Thesis,
                "Doctoral Thesis,doctoralthesis,phdthesis,Academic theses,Thesis or Dissertation,\
                 Electronic Thesis or Dissertation,mastersThesis,Habilitation,Rozprawa doktorska,\
                 Lizentiatsarbeit",
            ),
            (
                Kind::ConferencePaper,
                "Conference paper,conferenceObject,conference publication,Poster,inproceedings,\
                 Conference Paper in Proceedings,Contributo in atti di convegno",
            ),
            (
                Kind::Report,
                "Technical report,Working Paper,workingPaper,discussionpaper,Project deliverable,\
                 research report",
            ),
            (
                Kind::Preprint,
                "Preprint,preprint,Prepublicación,Vorabdruck",
            ),
            (
                Kind::Dataset,
                "Dataset,Data set,research data,data,Datensatz",
            ),
            (
                Kind::Image,
                "still image,Photographs,Drawing,painting,Postcard,picture",
            ),
            (
                Kind::Audio,
                "Sound recording,Audio,musical sound,Tonaufnahme,Gravação de som",
            ),
            (
                Kind::Video,
                "Moving Image,motion picture,videorecording,Film,Película",
            ),
            (
                Kind::Map,
                "map,Maps,cartographic,Atlas,Carte géographique,Landkarte,Карта,Harita",
            ),
            (
                Kind::Software,
                "Software,Computer Program,source code,Software package,Programa informático",
            ),
            (Kind::Journal, "Periodical,newspaper,Magazine,serial,Noviny"),
        ] {
            for text in words.split(',') {
                assert_eq!(kind_of_words(text), Some(kind), "{text}");
            }
        }
        // Contents, versions and things that are none of these.
        for text in [
            "statistics",
            "Text",
            "Other",
            "publishedVersion",
            "letter",
            "fiction",
            "",
        ] {
            assert_eq!(kind_of_words(text), None, "{text}");
        }
    }

    #[test]
    fn concepts_of_coar_tell_kinds() {
        for (code, kind) in [
            ("c_6501", Some(Kind::Article)),
            ("c_efa0", Some(Kind::Article)),
            ("c_2cd9/", Some(Kind::Journal)),
            ("c_1843", None),
        ] {
            let uri = format!("http://purl.org/coar/resource_type/{code}");
            assert_eq!(kind_of_coar(&uri), kind, "{code}");
        }
        assert_eq!(kind_of_coar("http://purl.org/coar/version/c_6501"), None);
    }
}
