//! The coded parts of a MARC record that follow from its type: leader, 006, 008, 336 to 338.

use crate::record::{Kind, Resource};

/// The leader: type of record (06), bibliographic level (07), punctuation of ISBD (18).
pub(super) fn leader(resource: &Resource) -> String {
    let form = type_of_record(resource.kind);
    let level = level(resource);
    format!("00000n{form}{level} a2200000ui 4500")
}

fn type_of_record(kind: Kind) -> char {
    match kind {
        Kind::Map => 'e',
        Kind::Video => 'g',
        Kind::Audio => 'i',
        Kind::Image => 'k',
        Kind::Dataset | Kind::Software => 'm',
        _ => 'a',
    }
}

/// A part of a serial (`b`), of a monograph (`a`), a serial (`s`) or a monograph (`m`).
fn level(resource: &Resource) -> char {
    match resource.kind {
        Kind::Journal => 's',
        Kind::Article => 'b',
        Kind::Chapter => 'a',
        _ if resource.host.title.is_none() => 'm',
        _ if resource.host.kind == Some(Kind::Journal) => 'b',
        _ => 'a',
    }
}

/// Whether there is an address where it can be read.
pub(super) fn is_online(resource: &Resource) -> bool {
    !resource.links.is_empty() || resource.address().is_some()
}

/// 006 for the computer file that a text, picture or recording is too.
pub(super) fn additional_material(resource: &Resource) -> Option<&'static str> {
    (type_of_record(resource.kind) != 'm').then_some("m     o  d        ")
}

/// 008: forty characters. Date entered, date of publication, language, and what belongs to the type
/// of record; a fill character where the metadata does not say.
pub(super) fn fixed_data(resource: &Resource, changed: Option<&str>) -> String {
    let entered = changed
        .and_then(|digits| digits.get(2..8))
        .unwrap_or("      ");
    let (status, year) = match resource.year() {
        Some(year) if resource.kind != Kind::Journal => ("s", year),
        _ if resource.kind == Kind::Journal => ("u", "uuuu"),
        _ => ("n", "uuuu"),
    };
    let ended = if status == "s" { "    " } else { "uuuu" };
    let language = resource.languages.first();
    let language = language.and_then(|language| language.code.as_deref());
    let language = current_code(language.unwrap_or("und"));
    let material = material(resource);
    format!("{entered}{status}{year}{ended}xx {material}{language} d")
}

/// 008/18-34.
fn material(resource: &Resource) -> String {
    let form = if is_online(resource) { 'o' } else { '|' };
    match (type_of_record(resource.kind), level(resource)) {
        // Frequency and regularity unknown, periodical, form of the original and of the item.
        ('a', 'b' | 's') => format!("uu p{form}{form}    ||   ||"),
        ('a', _) => {
            let contents = match resource.kind {
                Kind::Thesis => "m   ",
                _ => "||||",
            };
            let conference = match resource.kind {
                Kind::ConferencePaper => '1',
                _ => '|',
            };
            format!("|||||{form}{contents}|{conference}|| ||")
        }
        ('m', _) => {
            let file = match resource.kind {
                Kind::Software => 'b',
                _ => 'u',
            };
            format!("    |{form}  {file} |      ")
        }
        ('e', _) => format!("|||||| |  |{form} | ||"),
        ('g' | 'k', _) => {
            let material = match resource.kind {
                Kind::Video => 'v',
                _ => '|',
            };
            format!("||| |     |{form}   {material}|")
        }
        _ => format!("|||||{form}|||||||| | "),
    }
}

/// 336, 337 and 338: term, code and source of each.
pub(super) fn content_media_carrier(resource: &Resource) -> [(&'static str, [&'static str; 3]); 3] {
    let (content, code) = match resource.kind {
        Kind::Map => ("cartographic image", "cri"),
        Kind::Video => ("two-dimensional moving image", "tdi"),
        Kind::Audio => ("sounds", "snd"),
        Kind::Image => ("still image", "sti"),
        Kind::Dataset => ("computer dataset", "cod"),
        Kind::Software => ("computer program", "cop"),
        Kind::Other => ("unspecified", "zzz"),
        _ => ("text", "txt"),
    };
    let (media, carrier) = match is_online(resource) {
        true => (["computer", "c"], ["online resource", "cr"]),
        false => (["unspecified", "z"], ["unspecified", "zu"]),
    };
    [
        ("336", [content, code, "rdacontent"]),
        ("337", [media[0], media[1], "rdamedia"]),
        ("338", [carrier[0], carrier[1], "rdacarrier"]),
    ]
}

/// The code that MARC uses today for a language with an obsolete one.
///
/// Source: MARC code list for languages, obsolete codes.
pub(super) fn current_code(code: &str) -> &str {
    match code {
        "scr" => "hrv",
        "scc" => "srp",
        "mol" => "rum",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Link;

    fn of(kind: Kind, published: &str, online: bool) -> Resource {
        let mut resource = Resource {
            kind,
            ..Resource::default()
        };
        resource.publish(published.to_owned());
        if online {
            resource.links.push(Link::default());
        }
        resource
    }

    #[test]
    fn coded_parts_have_their_length() {
        for kind in Kind::ALL {
            for online in [true, false] {
                for published in ["2015", "20150301", "n. d."] {
                    let resource = of(kind, published, online);
                    for changed in [None, Some("20200102030405"), Some("1")] {
                        let data = fixed_data(&resource, changed);
                        assert_eq!(data.len(), 40, "{kind:?} {data:?}");
                    }
                    assert_eq!(leader(&resource).len(), 24);
                    let material = additional_material(&resource);
                    assert!(material.is_none_or(|material| material.len() == 18));
                }
            }
        }
    }

    #[test]
    fn the_type_decides() {
        let cases = [
            (
                Kind::Article,
                "00000nab a2200000ui 4500",
                "uu poo    ||   ||",
            ),
            (
                Kind::Journal,
                "00000nas a2200000ui 4500",
                "uu poo    ||   ||",
            ),
            (
                Kind::Thesis,
                "00000nam a2200000ui 4500",
                "|||||om   |||| ||",
            ),
            (
                Kind::Dataset,
                "00000nmm a2200000ui 4500",
                "    |o  u |      ",
            ),
            (Kind::Map, "00000nem a2200000ui 4500", "|||||| |  |o | ||"),
            (Kind::Image, "00000nkm a2200000ui 4500", "||| |     |o   ||"),
            (Kind::Audio, "00000nim a2200000ui 4500", "|||||o|||||||| | "),
        ];
        for (kind, leader_text, material_text) in cases {
            let resource = of(kind, "2015", true);
            assert_eq!(leader(&resource), leader_text, "{kind:?}");
            assert_eq!(material(&resource), material_text, "{kind:?}");
        }
    }

    #[test]
    fn a_part_of_a_book_is_one_of_a_monograph() {
        let mut resource = of(Kind::ConferencePaper, "2015", false);
        assert_eq!(level(&resource), 'm');
        resource.host.title = Some("Proceedings".to_owned());
        assert_eq!(level(&resource), 'a');
        resource.host.kind = Some(Kind::Journal);
        assert_eq!(level(&resource), 'b');
    }
}
