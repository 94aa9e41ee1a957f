//! The formats of a MARC 21 record in a catalogue: books, journals, maps, discs.

use crate::record::marc::Record;

/// The labels of all formats that the record shows, in the order of the rules, each once; `Unknown`
/// if it shows none.
///
/// Source: VuFind's rules for formats, by leader, 007, 008, 086, 111, 711, 245 $h and 502, and its labels.
pub(super) fn formats(record: &Record) -> Vec<String> {
    let (kind, level) = (
        record.leader_at(6).to_ascii_lowercase(),
        record.leader_at(7).to_ascii_lowercase(),
    );
    let mut formats: Vec<&str> = Vec::new();
    if record.first("086").is_some() {
        formats.push("Government Document");
    }
    let thesis = record.first("502").is_some();
    if thesis {
        formats.push("Thesis");
    }
    let electronic_title = record
        .first("245")
        .and_then(|field| field.first('h'))
        .is_some_and(|text| text.to_lowercase().contains("[electronic resource]"));
    if electronic_title || kind == 'm' {
        formats.push("Electronic");
    }
    let conference = record.first("111").is_some() || record.first("711").is_some();
    if conference {
        formats.push("Conference Proceeding");
    }
    let carriers: Vec<Vec<char>> = record
        .control
        .iter()
        .filter(|(tag, _)| tag == "007")
        .map(|(_, text)| text.to_lowercase().chars().collect())
        .collect();
    let mut book = true;
    for carrier in &carriers {
        let code = carrier.first().copied().unwrap_or(' ');
        if matches!(code, 'g' | 'k' | 'm' | 'v') {
            book = false;
        }
        if code == 'v' {
            formats.push("Video");
        }
        formats.extend(by_carrier(code, carrier));
    }
    book &= match kind {
        'm' => matches!(record.fixed_at(26), 'd' | 'i' | 'm' | 'u' | 'z'),
        'e' | 'f' | 'g' | 'i' | 'j' | 'k' | 'r' => false,
        _ => true,
    };
    let has = |codes: &[char]| {
        carriers
            .iter()
            .any(|carrier| carrier.first().is_some_and(|code| codes.contains(code)))
    };
    formats.extend(by_kind(record, kind, thesis, &has));
    formats.extend(by_level(record, kind, level, book, conference));
    if formats.is_empty() {
        formats.push(match (level, kind) {
            ('c' | 'd', _) => "Kit",
            (_, 'a') => "Text",
            _ => "Unknown",
        });
    }
    let mut labels: Vec<String> = Vec::with_capacity(formats.len());
    for format in formats {
        if !labels.iter().any(|known| known == format) {
            labels.push(format.to_owned());
        }
    }
    labels
}

/// By 007.
fn by_carrier(code: char, carrier: &[char]) -> Option<&'static str> {
    let second = carrier.get(1).copied().unwrap_or(' ');
    Some(match (code, second) {
        ('a', _) => "Map",
        // Whatever has an address would be electronic.
        ('c', 'r') => return None,
        ('c', _) => "Software",
        ('d', _) => "Globe",
        ('f', _) => "Braille",
        ('g', 'c' | 'd' | 'f' | 'o') => "Video",
        ('g', _) => "Slide",
        ('h', _) => "Microfilm",
        ('k', _) => "Photo",
        ('m', 'f') => "VHS",
        ('m', _) => "Video",
        ('o', _) => "Kit",
        ('q', _) => "Musical Score",
        ('r', _) => "Sensor Image",
        ('s', 'd') => "CD",
        ('s', 's') => "Cassette",
        ('s', _) => "Audio",
        ('v', 'd') if carrier.get(4) == Some(&'s') => "Blu-ray Disc",
        ('v', 'd') => "DVD",
        ('v', 'f') => "VHS",
        ('v', _) => "Video",
        _ => return None,
    })
}

/// By leader 06.
fn by_kind(
    record: &Record,
    kind: char,
    thesis: bool,
    has: &dyn Fn(&[char]) -> bool,
) -> Option<&'static str> {
    Some(match kind {
        'c' | 'd' => "Musical Score",
        'e' | 'f' => match record.fixed_at(25) {
            'd' => "Globe",
            _ => "Map",
        },
        'g' => match (record.fixed_at(33), record.fixed_at(34)) {
            ('f' | 'm' | 'v', _) => "Video",
            ('t', _) => "Slide",
            (_, 'a' | 'c' | 'l' | 'u' | 'z') => "Video",
            _ if has(&['g', 'm', 'v']) => return None,
            _ => "Projected Medium",
        },
        'i' | 'j' => "Audio",
        'k' => match record.fixed_at(33) {
            'l' | 'n' | 'o' => "Photo",
            _ if has(&['k']) => return None,
            _ => "Image",
        },
        'm' => match record.fixed_at(26) {
            'a' | 'e' => "Data Set",
            'b' | 'f' | 'i' => "Software",
            'c' => "Image",
            'g' => "Video Game",
            'h' => "Audio",
            _ => return None,
        },
        'o' | 'p' => "Kit",
        'r' => "Physical Object",
        't' if !thesis => "Manuscript",
        _ => return None,
    })
}

/// By leader 07.
fn by_level(
    record: &Record,
    kind: char,
    level: char,
    book: bool,
    conference: bool,
) -> Option<&'static str> {
    let online = |place| matches!(record.fixed_at(place), 'o' | 'q' | 's');
    Some(match level {
        'a' => match record.all(&["773"]).any(|field| field.has('g')) {
            true => "Article",
            false => "Book Chapter",
        },
        'b' => "Article",
        'i' => match record.fixed_at(21) {
            'h' | 'w' if kind == 'a' => "Website",
            _ if kind == 'a' && online(22) => "Online Integrating Resource",
            _ => "Physical Integrating Resource",
        },
        'm' if book => match kind {
            'a' | 't' if online(23) => "eBook",
            'm' => "eBook",
            _ => "Book",
        },
        's' => match record.fixed_at(21) {
            'n' if kind == 'a' => "Newspaper",
            'p' if kind == 'a' => "Journal",
            _ if !conference => "Serial",
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(leader: &str, fixed: &[(usize, char)], others: &[(&str, &str)]) -> Record {
        let mut data = vec![' '; 40];
        for (place, code) in fixed {
            data[*place] = *code;
        }
        let mut record = Record {
            leader: format!("00000n{leader} a2200000 a 4500"),
            ..Record::default()
        };
        record
            .control
            .push(("008".to_owned(), data.into_iter().collect()));
        for (tag, text) in others {
            record.control.push(((*tag).to_owned(), (*text).to_owned()));
        }
        record
    }

    #[test]
    fn follows_leader_and_fixed_fields() {
        let cases: [(&str, Record, &[&str]); 9] = [
            ("book", record("am", &[], &[("007", "ta")]), &["Book"]),
            (
                "online book",
                record("am", &[(23, 'o')], &[("007", "cr")]),
                &["eBook"],
            ),
            ("journal", record("as", &[(21, 'p')], &[]), &["Journal"]),
            ("serial", record("as", &[], &[]), &["Serial"]),
            ("article", record("ab", &[], &[]), &["Article"]),
            ("chapter", record("aa", &[], &[]), &["Book Chapter"]),
            (
                "DVD",
                record("gm", &[(33, 'v')], &[("007", "vd cv")]),
                &["Video", "DVD"],
            ),
            ("map", record("em", &[], &[("007", "aj")]), &["Map"]),
            (
                "data",
                record("mm", &[(26, 'a')], &[]),
                &["Electronic", "Data Set"],
            ),
        ];
        for (case, record, expected) in cases {
            assert_eq!(formats(&record), expected, "{case}");
        }
    }
}
