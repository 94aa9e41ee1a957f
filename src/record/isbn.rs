//! Finds and checks ISBNs.

/// The ISBN in a text: ten or thirteen characters without hyphens, whose check digit is true.
///
/// Of several the first is taken. `None` if there is none.
///
/// Source: ISO 2108.
pub fn normalise(text: &str) -> Option<String> {
    let runs = text.split(|c: char| !(is_digit(c) || is_separator(c) || c == ' '));
    for run in runs {
        let whole: String = run.chars().filter(|c| is_digit(*c)).collect();
        let parts = run.split(' ').map(|part| {
            let digits = part.chars().filter(|c| is_digit(*c));
            digits.collect::<String>()
        });
        let mut candidates = parts.chain([whole]).map(|digits| digits.to_uppercase());
        if let Some(isbn) = candidates.find(|digits| is_valid(digits)) {
            return Some(isbn);
        }
    }
    None
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, 'X' | 'x')
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Whether these are an ISBN without separators: ten digits modulo 11, of which the last can be X, or
/// thirteen that begin with 978 or 979 modulo 10. Zeros alone are none.
pub(crate) fn is_valid(digits: &str) -> bool {
    let values: Option<Vec<u32>> = digits
        .chars()
        .enumerate()
        .map(|(at, c)| match c {
            'X' | 'x' if at == 9 && digits.len() == 10 => Some(10),
            c => c.to_digit(10),
        })
        .collect();
    let Some(values) = values else { return false };
    match values.len() {
        10 => {
            let weighted = values.iter().zip((1..=10).rev());
            let sum: u32 = weighted.map(|(value, weight)| value * weight).sum();
            sum.is_multiple_of(11) && values.iter().any(|value| *value != 0)
        }
        13 => {
            let weighted = values.iter().zip([1, 3].into_iter().cycle());
            let sum: u32 = weighted.map(|(value, weight)| value * weight).sum();
            sum.is_multiple_of(10) && matches!(&digits[..3], "978" | "979")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_isbns() {
        let cases = [
            ("ten", "0-306-40615-2", Some("0306406152")),
            ("X", "ISBN 0-8044-2957-x", Some("080442957X")),
            (
                "thirteen",
                "978-3-16-148410-0 (print)",
                Some("9783161484100"),
            ),
            ("blanks", "978 3 16 148410 0", Some("9783161484100")),
            ("prefix", "ISBN-13: 9783161484100", Some("9783161484100")),
            (
                "number before",
                "ISBN 13 9783161484100",
                Some("9783161484100"),
            ),
            ("URN", "urn:isbn:9783161484100", Some("9783161484100")),
            ("two", "0306406152; 9783161484100", Some("0306406152")),
            ("wrong check digit", "978-3-16-148410-1", None),
            ("EAN of other goods", "4006381333931", None),
            ("zeros", "0000000000", None),
            ("ISSN", "1932-6203", None),
            ("empty", "", None),
        ];
        for (case, text, expected) in cases {
            assert_eq!(normalise(text).as_deref(), expected, "{case}");
        }
    }
}
