//! What people and bodies did, by the relators of MARC 21.

use crate::record::relator;
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
        other => Role::Other(match relator::name(other) {
            Some(name) => name.to_lowercase(),
            None => other.to_owned(),
        }),
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
