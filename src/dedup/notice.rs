//! Finds titles that announce a notice about another work, or a part that recurs in every issue.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::text::fold;

/// The kind of notice about another work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A work of its own.
    #[default]
    None,
    /// Erratum, corrigendum, correction, addendum.
    Erratum,
    /// Retraction, withdrawal, expression of concern.
    Retraction,
    /// A reply of authors or a response to a letter.
    Reply,
    /// A comment on another work, a letter about it, a review report.
    Comment,
    /// What recurs in the issues of a journal: an editorial, other words of the editor, contents, news,
    /// thanks to reviewers, the whole issue.
    Editorial,
    /// Data that belong to another work.
    Data,
    /// Supplementary material of another work.
    Supplement,
}

impl Notice {
    /// Whether the title of the other work follows it: `Correction: The heart`.
    fn heads_a_title(self) -> bool {
        !matches!(self, Notice::None | Notice::Editorial)
    }

    /// Whether it may follow the title of the other work: `The heart: Reply`.
    fn ends_a_title(self) -> bool {
        matches!(
            self,
            Notice::Erratum | Notice::Retraction | Notice::Reply | Notice::Comment
        )
    }
}

/// Beginnings of titles, in whole words. They announce a notice whatever follows.
///
/// Languages: English, Spanish, Portuguese, French, German, Italian, Russian, Turkish, Indonesian,
/// Polish.
const BEGINNINGS: [(Notice, &[&str]); 7] = [
    (
        Notice::Erratum,
        &[
            "erratum",
            "errata",
            "corrigendum",
            "corrigenda",
            "korrigendum",
            "addendum",
            "addenda",
            "correction to",
            "corrections to",
            "correction for",
            "correction notice",
            "notice of correction",
            "publisher correction",
            "publisher's correction",
            "author correction",
            "publisher's note",
            "fe de errata",
            "fe de erratas",
            "fe de errores",
            "nota de corrección",
            "corrección a",
            "correcciones a",
            "corrección del artículo",
            "correção a",
            "correção do artigo",
            "nota de correção",
            "rectificatif",
            "berichtigung",
            "korrektur zu",
            "nachtrag zu",
            "correzione a",
            "исправление к",
            "исправления к",
            "поправка к",
            "поправки к",
            "опечатки",
            "düzeltme yazısı",
            "ralat",
            "koreksi untuk",
            "koreksi terhadap",
            "sprostowanie",
        ],
    ),
    (
        Notice::Retraction,
        &[
            "retraction",
            "notice of retraction",
            "withdrawal notice",
            "removal notice",
            "expression of concern",
            "editorial expression of concern",
            "publisher expression of concern",
            "retractación",
            "nota de retractación",
            "aviso de retractación",
            "nota de retracción",
            "retracción del artículo",
            "expresión de preocupación",
            "retratação",
            "nota de retratação",
            "expressão de preocupação",
            "avis de rétractation",
            "retraktion",
            "ritrattazione",
            "ретракция",
            "geri çekme",
            "penarikan artikel",
            "pencabutan artikel",
        ],
    ),
    (
        Notice::Reply,
        &[
            "reply to",
            "reply by",
            "reply of the author",
            "reply of the authors",
            "in reply",
            "author's reply",
            "authors' reply",
            "author reply",
            "author's response",
            "authors' response",
            "author response",
            "response to letter",
            "response to the letter",
            "response to comment",
            "response to comments",
            "response of the authors",
            "response from the authors",
            "respuesta a la carta",
            "respuesta de los autores",
            "respuesta del autor",
            "respuesta al comentario",
            "réplica de los autores",
            "resposta dos autores",
            "resposta do autor",
            "resposta à carta",
            "réponse des auteurs",
            "réponse de l'auteur",
            "réponse à la lettre",
            "antwort der autoren",
            "antwort des autors",
            "erwiderung auf",
            "risposta degli autori",
            "risposta dell'autore",
            "ответ авторов",
            "ответ автора",
            "yazarın yanıtı",
            "yazarların yanıtı",
            "yazarın cevabı",
            "tanggapan penulis",
        ],
    ),
    (
        Notice::Comment,
        &[
            "comment on",
            "comments on",
            "comment to",
            "commentary on",
            "commentary to",
            "invited comment",
            "invited commentary",
            "letter to the editor",
            "letters to the editor",
            "letter to editor",
            "carta al editor",
            "cartas al editor",
            "carta a la editora",
            "carta a los editores",
            "carta al director",
            "cartas al director",
            "carta ao editor",
            "cartas ao editor",
            "carta à editora",
            "carta aos editores",
            "lettre à la rédaction",
            "lettre à l'éditeur",
            "lettre au rédacteur",
            "leserbrief",
            "leserbriefe",
            "lettera al direttore",
            "lettere al direttore",
            "lettera all'editore",
            "письмо в редакцию",
            "письмо редактору",
            "editöre mektup",
            "surat kepada editor",
            "surat pembaca",
            "comentario sobre",
            "comentarios sobre",
            "comentario a",
            "comentario al",
            "comentário sobre",
            "comentários sobre",
            "comentário ao",
            "commentaire sur",
            "commentaires sur",
            "kommentar zu",
            "commento a",
            "комментарий к",
            "комментарии к",
            "peer review of",
            "peer review report",
            "peer review for",
            "referee report",
            "reviewer report",
            "reviewer's report",
            "decision letter",
        ],
    ),
    (
        Notice::Editorial,
        &[
            "editorial",
            "editorials",
            "editor's",
            "editor s",
            "editors'",
            "from the editor",
            "from the editors",
            "letter from the editor",
            "letter from the editors",
            "message from the editor",
            "note from the editor",
            "note from the editors",
            "a note from the editor",
            "nota editorial",
            "nota del editor",
            "nota de la editora",
            "nota de los editores",
            "nota del comité editorial",
            "nota do editor",
            "nota da editora",
            "nota dos editores",
            "nota editoriale",
            "carta del editor",
            "carta de la editora",
            "carta editorial",
            "carta del director",
            "carta do editor",
            "carta da editora",
            "palabras del editor",
            "palabras del director",
            "palabras preliminares",
            "palavra do editor",
            "palavras do editor",
            "mot de la rédaction",
            "mot de l'éditeur",
            "mot du rédacteur",
            "note de la rédaction",
            "zum geleit",
            "editoriale",
            "от редакции",
            "от редактора",
            "от главного редактора",
            "от редколлегии",
            "слово редактора",
            "слово главного редактора",
            "колонка редактора",
            "колонка главного редактора",
            "редакционная статья",
            "обращение главного редактора",
            "editörden",
            "editörün notu",
            "editörün mektubu",
            "editör notu",
            "baş editörden",
            "kata pengantar",
            "pengantar redaksi",
            "pengantar editor",
            "dari redaksi",
            "catatan editor",
            "catatan redaksi",
        ],
    ),
    (
        Notice::Editorial,
        &[
            "guest editorial",
            "guest editor",
            "guest editors",
            "guest editor's",
            "guest editors'",
            "introduction to the special issue",
            "introduction to this special issue",
            "introduction to the issue",
            "special issue editorial",
            "letter from the special issue",
            "message from the chair",
            "chair's message",
            "treasurer's message",
            "about this issue",
            "this issue",
            "reminiscences on influential papers",
            "abstracts of the",
            "abstracts from the",
            "proceedings of the",
            "minutes of the",
            "annual report",
            "report of the president",
            "report of the committee",
            "report of the editor",
            "message from the president",
            "letter from the president",
            "president's message",
            "president's page",
            "welcome message",
            "call for papers",
            "news from",
            "books received",
            "resúmenes de",
            "resúmenes del",
            "acta de la asamblea",
            "informe anual",
            "carta del presidente",
            "carta de la presidenta",
            "en este número",
            "libros recibidos",
            "cuerpo editorial",
            "calendario de eventos",
            "resumos de",
            "resumos do",
            "anais do",
            "ata da assembleia",
            "relatório anual",
            "neste número",
            "carta do presidente",
            "corpo editorial",
            "chamada de trabalhos",
            "convocatoria de artículos",
            "dans ce numéro",
            "rapport annuel",
            "résumés des",
            "appel à communications",
            "in diesem heft",
            "jahresbericht",
            "in questo numero",
            "relazione annuale",
            "содержание номера",
            "тезисы докладов",
            "bu sayıda",
            "laporan tahunan",
            "table of contents",
            "acknowledgement of reviewers",
            "acknowledgment of reviewers",
            "acknowledgement to reviewers",
            "acknowledgment to reviewers",
            "acknowledgements to reviewers",
            "acknowledging reviewers",
            "list of reviewers",
            "thanks to reviewers",
            "thanks to our reviewers",
            "thank you to reviewers",
            "thank you to our reviewers",
            "agradecimiento a los revisores",
            "agradecimiento a revisores",
            "agradecimientos a los revisores",
            "agradecimiento a los evaluadores",
            "lista de revisores",
            "lista de evaluadores",
            "agradecimento aos revisores",
            "agradecimento aos pareceristas",
            "agradecimentos aos pareceristas",
            "lista de pareceristas",
            "remerciements aux relecteurs",
            "remerciements aux évaluateurs",
            "dank an die gutachter",
            "ringraziamento ai revisori",
            "hakem listesi",
            "hakemlere teşekkür",
            "daftar mitra bestari",
            "daftar reviewer",
            "благодарность рецензентам",
            "instructions to authors",
            "instructions for authors",
            "guidelines for authors",
            "guide for authors",
            "author guidelines",
            "information for authors",
            "instrucciones para los autores",
            "instrucciones a los autores",
            "normas para autores",
            "normas para los autores",
            "normas de publicación",
            "instruções aos autores",
            "normas para publicação",
            "normas de publicação",
            "instructions aux auteurs",
            "consignes aux auteurs",
            "hinweise für autoren",
            "правила для авторов",
            "yazım kuralları",
            "pedoman penulisan",
            "petunjuk penulisan",
        ],
    ),
    (
        Notice::Supplement,
        &[
            "supplementary material",
            "supplementary materials",
            "supplementary information",
            "supplementary file",
            "supplementary data",
            "supplemental material",
            "supplemental information",
            "supporting information",
            "additional file",
            "electronic supplementary material",
            "material suplementario",
            "material suplementar",
            "matériel supplémentaire",
            "zusatzmaterial",
            "materiale supplementare",
            "дополнительные материалы",
            "ek materyal",
        ],
    ),
];

/// Whole titles, beginnings before a colon or a dash, and, of some kinds, endings after one.
///
/// Without such a mark many of them begin titles of works (`Correction of myopia`).
const HEADS: [(Notice, &[&str]); 7] = [
    (
        Notice::Erratum,
        &[
            "correction",
            "corrections",
            "erratum to",
            "corrigendum to",
            "corrección",
            "correcciones",
            "rectificación",
            "enmienda",
            "aclaración",
            "correção",
            "correções",
            "retificação",
            "correctif",
            "correctifs",
            "korrektur",
            "nachtrag",
            "correzione",
            "rettifica",
            "errata corrige",
            "исправление",
            "исправления",
            "поправка",
            "опечатка",
            "düzeltme",
            "koreksi",
            "perbaikan",
            "oprava",
            "rättelse",
            "rectificatie",
            "erratum à",
            "corrigendum à",
            "correction à",
        ],
    ),
    (
        Notice::Retraction,
        &[
            "withdrawal",
            "retracción",
            "retiro",
            "retiro de artículo",
            "retração",
            "rétractation",
            "zurückziehung",
            "rückzug",
            "ritiro",
            "отзыв статьи",
            "penarikan",
            "pencabutan",
            "retraction note to",
        ],
    ),
    (
        Notice::Reply,
        &[
            "reply",
            "replies",
            "response",
            "responses",
            "response to",
            "responses to",
            "rejoinder",
            "rebuttal",
            "respuesta",
            "respuesta a",
            "respuestas",
            "réplica",
            "contestación",
            "resposta",
            "resposta a",
            "respostas",
            "réponse",
            "réponse à",
            "réplique",
            "antwort",
            "antwort auf",
            "erwiderung",
            "replik",
            "schlusswort",
            "risposta",
            "risposta a",
            "replica",
            "ответ",
            "ответ на",
            "cevap",
            "yanıt",
            "tanggapan",
            "balasan",
        ],
    ),
    (
        Notice::Comment,
        &[
            "comment",
            "comments",
            "commentary",
            "commentaries",
            "letter",
            "letters",
            "discussion",
            "discussion of",
            "discussion on",
            "re",
            "regarding",
            "concerning",
            "comentario",
            "comentarios",
            "carta",
            "cartas",
            "discusión",
            "comentário",
            "comentários",
            "discussão",
            "commentaire",
            "commentaires",
            "lettre",
            "lettres",
            "kommentar",
            "kommentare",
            "diskussion",
            "commento",
            "commenti",
            "lettera",
            "discussione",
            "комментарий",
            "комментарии",
            "обсуждение",
            "yorum",
            "tartışma",
            "komentar",
            "peer review report on",
            "peer review",
            "review report",
        ],
    ),
    (
        Notice::Editorial,
        &[
            "contents",
            "preface",
            "foreword",
            "introduction",
            "in this issue",
            "news",
            "news and notes",
            "announcement",
            "announcements",
            "index",
            "author index",
            "subject index",
            "cover",
            "front cover",
            "back cover",
            "cover page",
            "masthead",
            "colophon",
            "imprint",
            "in memoriam",
            "book review",
            "book reviews",
            "reviews",
            "book notes",
            "reviewers",
            "acknowledgements",
            "acknowledgments",
            "editorial board",
            "editorial team",
            "contributors",
            "notes on contributors",
            "list of contributors",
            "about the authors",
            "about the contributors",
            "calendar",
            "abstracts",
            "front matter",
            "frontmatter",
            "back matter",
            "backmatter",
            "issue information",
            "full issue",
            "complete issue",
            "whole issue",
            "entire issue",
            "miscellanea",
            "varia",
            "presentación",
            "prólogo",
            "prefacio",
            "introducción",
            "índice",
            "sumario",
            "contenido",
            "noticias",
            "novedades",
            "portada",
            "créditos",
            "reseña",
            "reseñas",
            "comité editorial",
            "consejo editorial",
            "agradecimientos",
            "número completo",
            "revista completa",
            "edición completa",
            "apresentação",
            "prefácio",
            "introdução",
            "sumário",
            "expediente",
            "capa",
            "notícias",
            "resenha",
            "resenhas",
            "edição completa",
            "conselho editorial",
            "agradecimentos",
            "avant-propos",
            "présentation",
            "préface",
            "sommaire",
            "table des matières",
            "nouvelles",
            "actualités",
            "compte rendu",
            "comptes rendus",
            "numéro complet",
            "remerciements",
            "vorwort",
            "geleitwort",
            "einleitung",
            "inhalt",
            "inhaltsverzeichnis",
            "impressum",
            "titelblatt",
            "nachrichten",
            "rezension",
            "rezensionen",
            "buchbesprechungen",
            "mitteilungen",
            "gesamtheft",
            "gesamtausgabe",
            "presentazione",
            "prefazione",
            "premessa",
            "introduzione",
            "sommario",
            "indice",
            "notizie",
            "recensione",
            "recensioni",
            "copertina",
            "numero completo",
            "предисловие",
            "содержание",
            "оглавление",
            "вступительное слово",
            "к читателям",
            "новости",
            "хроника",
            "рецензия",
            "рецензии",
            "полный выпуск",
            "önsöz",
            "sunuş",
            "içindekiler",
            "kapak",
            "jenerik",
            "künye",
            "haberler",
            "kitap tanıtımı",
            "tam sayı",
            "daftar isi",
            "pengantar",
            "prakata",
            "sampul",
            "dewan redaksi",
            "halaman judul",
            "berita",
        ],
    ),
    (
        Notice::Data,
        &[
            "data from",
            "data for",
            "data",
            "dataset",
            "dataset for",
            "dataset from",
            "data set for",
            "research data",
            "research data for",
            "replication data",
            "replication data for",
            "replication package for",
            "raw data for",
            "datos",
            "datos de",
            "dados",
            "dados de",
            "données",
            "données de",
            "daten zu",
            "forschungsdaten zu",
            "dati",
            "данные",
            "data penelitian",
        ],
    ),
    (
        Notice::Supplement,
        &[
            "appendix",
            "appendix to",
            "annex",
            "supplement",
            "supplement to",
            "anexo",
            "apéndice",
            "apêndice",
            "annexe",
            "anhang",
            "appendice",
            "приложение",
            "lampiran",
        ],
    ),
];

/// Marks of a retracted work, before its title or after it in brackets. It stays that work.
const RETRACTED: [&str; 11] = [
    "retracted article",
    "retracted chapter",
    "retracted paper",
    "retracted",
    "withdrawn article",
    "withdrawn",
    "artículo retractado",
    "retractado",
    "artigo retratado",
    "retratado",
    "geri çekildi",
];

/// Notes in brackets after a title, as databases add them, by their beginnings.
const NOTES: [&str; 21] = [
    "review",
    "erratum appears in",
    "erratum in",
    "published erratum",
    "corrected",
    "see comment",
    "see comments",
    "comment in",
    "comment on",
    "summary for patients in",
    "retraction in",
    "retracted by",
    "article in",
    "author's transl",
    "proceedings",
    "in process citation",
    "meeting abstract",
    "letter",
    "editorial",
    "reprinted from",
    "republished",
];

/// Texts by their first words.
struct Table {
    beginnings: HashMap<String, Vec<(String, Notice)>>,
    heads: HashMap<String, Notice>,
    retracted: Vec<String>,
    notes: Vec<String>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let folded = |texts: &[&str]| texts.iter().map(|text| fold(text)).collect();
    let mut beginnings: HashMap<String, Vec<(String, Notice)>> = HashMap::new();
    let mut heads = HashMap::new();
    for (notice, texts) in BEGINNINGS {
        for text in texts.iter().map(|text| fold(text)) {
            let first = text.split(' ').next().unwrap_or_default().to_owned();
            beginnings.entry(first).or_default().push((text, notice));
        }
    }
    for (notice, texts) in HEADS {
        heads.extend(texts.iter().map(|text| (fold(text), notice)));
    }
    Table {
        beginnings,
        heads,
        retracted: folded(&RETRACTED),
        notes: folded(&NOTES),
    }
});

/// The longest head of a title that can be a notice, in bytes.
const HEAD_BYTES: usize = 64;

/// A title without notices and notes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parted<'a> {
    /// The title of the work, or of the one that the notice is about.
    pub(super) title: &'a str,
    /// The notice that was before or after it.
    pub(super) notice: Notice,
}

/// Parts a title as written, without markup, from the notice before or after it and from the notes that databases
/// add in brackets.
///
/// A title that is a notice and no more stays as it is: `Editorial`, `Reply to Smith`.
pub(super) fn part(raw: &str) -> Parted<'_> {
    let (title, bracketed) = without_notes(raw.trim());
    let (title, before) = without_head(title);
    let (title, after) = match before {
        Notice::None => without_tail(title),
        _ => (title, Notice::None),
    };
    let found = [before, bracketed, after];
    let notice = found.into_iter().find(|notice| *notice != Notice::None);
    Parted {
        title,
        notice: notice.unwrap_or_default(),
    }
}

/// The notice that folded words announce by how they begin, or because they are one and no more.
pub(super) fn of_words(folded: &str) -> Notice {
    if let Some(notice) = TABLE.heads.get(folded) {
        return *notice;
    }
    begins_as(folded).unwrap_or_default()
}

/// Folded words without a mark of retraction before them.
pub(super) fn without_mark(folded: &str) -> &str {
    let mark = |mark: &String| folded.strip_prefix(mark.as_str())?.strip_prefix(' ');
    TABLE.retracted.iter().find_map(mark).unwrap_or(folded)
}

fn begins_as(folded: &str) -> Option<Notice> {
    let first = folded.split(' ').next().unwrap_or_default();
    let texts = TABLE.beginnings.get(first)?;
    let begins = |text: &str| {
        let rest = folded.strip_prefix(text);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let found = texts.iter().find(|(text, _)| begins(text));
    found.map(|(_, notice)| *notice)
}

/// The title before the notes in brackets at its end, and the notice that one of them is.
fn without_notes(raw: &str) -> (&str, Notice) {
    let (mut title, mut notice) = (raw, Notice::None);
    loop {
        let bare = title.trim_end_matches([' ', '.']);
        let open = match bare.chars().next_back() {
            Some(']') => '[',
            Some(')') => '(',
            _ => return (title, notice),
        };
        let Some(at) = bare.rfind(open).filter(|at| *at > 0) else {
            return (title, notice);
        };
        let text = &bare[at + 1..bare.len() - 1];
        let found = match note(text, open == '[') {
            Some(found) => found,
            None => return (title, notice),
        };
        if notice == Notice::None {
            notice = found;
        }
        title = bare[..at].trim_end();
    }
}

/// Whether a text in brackets is a note, and the notice that it is.
fn note(text: &str, square: bool) -> Option<Notice> {
    let folded = fold(text);
    let starts = |start: &String| {
        let rest = folded.strip_prefix(start.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    // `(vol 8, e60001, 2013)`: the place of the work that is corrected.
    if !square && folded.starts_with("vol ") && folded.ends_with(|c: char| c.is_ascii_digit()) {
        return Some(Notice::Erratum);
    }
    if folded.starts_with("retraction of ") {
        return Some(Notice::Retraction);
    }
    if TABLE.retracted.iter().any(starts) {
        return Some(Notice::None);
    }
    let refs = folded.strip_suffix(" refs").or(folded.strip_suffix(" ref"));
    if refs.is_some_and(|count| count.bytes().all(|byte| byte.is_ascii_digit())) {
        return Some(Notice::None);
    }
    // In round brackets `(review)` and `(letter)` may be the author's words.
    let noted = || TABLE.notes.iter().any(starts);
    if square && noted() || !square && folded.starts_with("reprinted from ") {
        return Some(Notice::None);
    }
    let whole = TABLE.heads.get(&folded).copied();
    let whole = whole.or_else(|| begins_as(&folded).filter(|_| !folded.contains(' ')));
    whole.filter(|notice| notice.ends_a_title())
}

/// The title after a notice with a colon, a dash or an opening quotation mark.
fn without_head(raw: &str) -> (&str, Notice) {
    let marks = raw
        .char_indices()
        .take_while(|(at, _)| *at <= HEAD_BYTES)
        .filter(|(at, c)| is_mark(raw, *at, *c));
    for (at, mark) in marks {
        let folded = fold(&raw[..at]);
        let rest = raw[at + mark.len_utf8()..].trim_matches([' ', '"', '»', '”', '“', '\'']);
        let notice = of_words(&folded);
        // `Reply to Smith et al.: …` names no title, so all of its words count.
        let is_head = TABLE.heads.contains_key(&folded) || is_beginning(&folded);
        if notice.heads_a_title() && is_head && rest.chars().any(char::is_alphabetic) {
            return (rest, notice);
        }
    }
    (raw, Notice::None)
}

fn is_beginning(folded: &str) -> bool {
    let texts = folded.split(' ').next();
    let texts = texts.and_then(|first| TABLE.beginnings.get(first));
    // `Fe de erratas`, `Retraction note`, and `Erratum to`.
    texts.is_some_and(|texts| {
        texts.iter().any(|(text, _)| {
            let rest = folded.strip_prefix(text.as_str());
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(' ') && !rest[1..].contains(' ')
            })
        })
    })
}

/// A colon, a quotation mark, a full stop at the end of a word, or a dash between blanks.
fn is_mark(raw: &str, at: usize, c: char) -> bool {
    match c {
        '.' => raw[at..].starts_with(". "),
        // `Letters, words and images` is a title, `Erratum, the heart` is none.
        ',' => begins_as(&fold(&raw[..at])).is_some(),
        ':' | '：' | '«' | '“' | '"' => true,
        '-' | '–' | '—' | '|' => raw[..at].ends_with(' '),
        _ => false,
    }
}

/// The title before a notice that ends it, after a colon, a full stop or a dash.
fn without_tail(raw: &str) -> (&str, Notice) {
    let bare = raw.trim_end_matches(['.', ' ']);
    let Some(at) = bare.rfind([':', '.', '–', '—', '-']) else {
        return (raw, Notice::None);
    };
    let mark = bare[at..].chars().next().map_or(1, char::len_utf8);
    let tail = &bare[at + mark..];
    if tail.len() > HEAD_BYTES || !tail.starts_with(' ') {
        return (raw, Notice::None);
    }
    let folded = fold(tail);
    let one_word = || begins_as(&folded).filter(|_| !folded.contains(' '));
    let notice = TABLE.heads.get(&folded).copied().or_else(one_word);
    match notice.filter(|notice| notice.ends_a_title()) {
        Some(notice) if at > 0 => (bare[..at].trim_end(), notice),
        _ => (raw, Notice::None),
    }
}

/// The notice that folded document types name.
///
/// Only those count that may bear the very title of the work they are about; editorials and letters
/// are typed by some sources and not by others.
pub(super) fn typed(folded: &[String]) -> Notice {
    let has = |words: &[&str]| {
        let mut types = folded.iter();
        types.any(|folded| words.iter().any(|word| folded.contains(word)))
    };
    if has(&["erratum", "errata", "corrigend", "correction"]) {
        Notice::Erratum
    } else if has(&["retraction"]) {
        Notice::Retraction
    } else {
        Notice::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_parted_from_titles() {
        for (raw, title, notice) in [
            ("The heart", "The heart", Notice::None),
            ("Correction: The heart", "The heart", Notice::Erratum),
            ("Erratum to: The heart", "The heart", Notice::Erratum),
            (
                "Erratum: The heart (vol 8, e60001, 2013)",
                "The heart",
                Notice::Erratum,
            ),
            (
                "The heart (vol 8, e60001, 2013)",
                "The heart",
                Notice::Erratum,
            ),
            ("The heart (Erratum)", "The heart", Notice::Erratum),
            ("The heart [Correction]", "The heart", Notice::Erratum),
            ("The heart. Corrigendum", "The heart", Notice::Erratum),
            ("Fe de erratas: El corazón", "El corazón", Notice::Erratum),
            ("Corrección: El corazón", "El corazón", Notice::Erratum),
            ("Errata: O coração", "O coração", Notice::Erratum),
            ("Corrigendum à «Le cœur»", "Le cœur", Notice::Erratum),
            ("Berichtigung zu: Das Herz", "Das Herz", Notice::Erratum),
            ("Errata corrige: Il cuore", "Il cuore", Notice::Erratum),
            ("Исправление: Сердце", "Сердце", Notice::Erratum),
            ("Düzeltme: Kalp", "Kalp", Notice::Erratum),
            ("Ralat: Jantung", "Jantung", Notice::Erratum),
            (
                "Retraction Note: The heart",
                "The heart",
                Notice::Retraction,
            ),
            ("Retratação: O coração", "O coração", Notice::Retraction),
            ("Reply: The heart", "The heart", Notice::Reply),
            ("Response to: The heart", "The heart", Notice::Reply),
            ("The heart: Reply", "The heart", Notice::Reply),
            ("Comment: The heart", "The heart", Notice::Comment),
            ("Kommentar: Das Herz", "Das Herz", Notice::Comment),
            ("Data from: The heart", "The heart", Notice::Data),
            (
                "Supplementary material: The heart",
                "The heart",
                Notice::Supplement,
            ),
            (
                "Correction of myopia by surgery",
                "Correction of myopia by surgery",
                Notice::None,
            ),
            (
                "Data from satellites: a survey",
                "Data from satellites: a survey",
                Notice::None,
            ),
            (
                "Introduction: The heart",
                "Introduction: The heart",
                Notice::None,
            ),
            ("The heart [Review] [75 refs]", "The heart", Notice::None),
            (
                "The heart [Erratum appears in Heart. 2001;3:7]",
                "The heart",
                Notice::None,
            ),
            ("The heart (Retracted)", "The heart", Notice::None),
            ("The heart (a review)", "The heart (a review)", Notice::None),
            ("[The heart]", "[The heart]", Notice::None),
        ] {
            assert_eq!(part(raw), Parted { title, notice }, "{raw}");
        }
    }

    #[test]
    fn words_that_are_a_notice() {
        for (raw, notice) in [
            ("Editorial", Notice::Editorial),
            ("Editorial: ten years", Notice::Editorial),
            ("Nota del comité editorial de la revista", Notice::Editorial),
            ("Presentación", Notice::Editorial),
            ("Presentación clínica de la rosácea", Notice::None),
            ("От редакции", Notice::Editorial),
            ("Daftar Isi", Notice::Editorial),
            ("Reply to Smith et al.", Notice::Reply),
            ("Re-evaluation of the heart", Notice::None),
            ("Response of the heart to stress", Notice::None),
            ("Editöre mektup", Notice::Comment),
        ] {
            assert_eq!(of_words(&fold(raw)), notice, "{raw}");
        }
    }
}
