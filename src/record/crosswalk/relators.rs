//! What people and bodies did, by the relators of MARC 21.

use crate::record::resource::Role;

/// The code in a text that may be a URI.
pub(super) fn relator_code(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text).trim()
}

/// The part that a relator code tells; an unknown code stands for itself.
///
/// Source: MARC Code List for Relators.
pub(super) fn by_code(code: &str) -> Role {
    match code {
        "aut" | "cre" | "cmp" | "art" | "pht" | "ctg" | "dis" | "prg" => Role::Author,
        "edt" | "edc" | "pbd" => Role::Editor,
        "trl" => Role::Translator,
        "ths" | "dgs" | "dgc" | "opn" => Role::Advisor,
        "ctb" => Role::Contributor,
        "aft" => Role::Other("author of afterword".to_owned()),
        "aui" => Role::Other("author of introduction".to_owned()),
        "com" => Role::Other("compiler".to_owned()),
        "cnd" => Role::Other("conductor".to_owned()),
        "drt" => Role::Other("director".to_owned()),
        "fnd" => Role::Other("funder".to_owned()),
        "hst" | "his" => Role::Other("host institution".to_owned()),
        "ill" => Role::Other("illustrator".to_owned()),
        "isb" => Role::Other("issuing body".to_owned()),
        "ivr" => Role::Other("interviewer".to_owned()),
        "ive" => Role::Other("interviewee".to_owned()),
        "nrt" => Role::Other("narrator".to_owned()),
        "pbl" => Role::Other("publisher".to_owned()),
        "prf" => Role::Other("performer".to_owned()),
        "pro" => Role::Other("producer".to_owned()),
        "prt" => Role::Other("printer".to_owned()),
        "sng" => Role::Other("singer".to_owned()),
        "spn" => Role::Other("sponsor".to_owned()),
        "rev" => Role::Other("reviewer".to_owned()),
        other => Role::Other(other.to_owned()),
    }
}

/// The part that a relator term tells, in the languages met; any other term is a part of its own.
pub(super) fn by_term(term: &str) -> Role {
    match term.to_lowercase().as_str() {
        "author" | "joint author" | "aut" | "verfasser" | "verfasserin" | "verf" | "auteur"
        | "autor" | "autora" | "autore" | "composer" | "komponist" | "kirjoittaja" | "creator"
        | "artist" | "photographer" | "cartographer" => Role::Author,
        "editor"
        | "ed"
        | "eds"
        | "joint editor"
        | "hrsg"
        | "herausgeber"
        | "herausgeberin"
        | "éditeur scientifique"
        | "toimittaja"
        | "redaktor"
        | "edt"
        | "redakteur" => Role::Editor,
        "translator" | "tr" | "trans" | "übers" | "übersetzer" | "übersetzerin" | "traducteur"
        | "kääntäjä" | "překladatel" | "trl" => Role::Translator,
        "thesis advisor"
        | "degree supervisor"
        | "supervisor"
        | "dir"
        | "advisor"
        | "akademischer betreuer"
        | "betreuer"
        | "betreuerin"
        | "opponent"
        | "thesis director"
        | "major professor"
        | "committee chair"
        | "directeur de thèse" => Role::Advisor,
        "contributor" | "mitwirkender" | "mitwirkende" => Role::Contributor,
        _ => Role::Other(term.to_owned()),
    }
}
