//! Finds the ISSN in a text and verifies its check digit.

use thiserror::Error;

/// Why a text is not an ISSN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IssnError {
    /// It does not have the form of an ISSN.
    #[error("has not the form of an ISSN")]
    Form,
    /// The check digit is wrong.
    #[error("its check digit should be {expected}")]
    CheckDigit {
        /// The right check digit.
        expected: char,
    },
}

/// The ISSN in `text` as `NNNN-NNNC`, with a capital X.
///
/// `ISSN` or `urn:issn:` may precede it. Blanks, hyphens and dashes of any kind may be in it.
///
/// # Errors
/// [`IssnError`] if the text has no valid ISSN.
///
/// Source: ISO 3297; weights 8 to 2, modulus 11.
pub fn parse(text: &str) -> Result<String, IssnError> {
    let upper = text.trim().to_uppercase();
    let bare = upper.strip_prefix("URN:").unwrap_or(&upper);
    let bare = bare.strip_prefix("ISSN").unwrap_or(bare);
    let digits: Vec<char> = bare
        .chars()
        .filter(|c| {
            !c.is_whitespace()
                && !matches!(
                    c,
                    ':' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}'
                )
        })
        .collect();
    let (check, head) = digits.split_last().ok_or(IssnError::Form)?;
    if head.len() != 7 || !(check.is_ascii_digit() || *check == 'X') {
        return Err(IssnError::Form);
    }
    let mut sum = 0;
    for (digit, weight) in head.iter().zip((2..=8).rev()) {
        sum += digit.to_digit(10).ok_or(IssnError::Form)? * weight;
    }
    let expected = match (11 - sum % 11) % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).ok_or(IssnError::Form)?,
    };
    if *check != expected {
        return Err(IssnError::CheckDigit { expected });
    }
    let head: String = head.iter().collect();
    Ok(format!("{}-{}{check}", &head[..4], &head[4..]))
}

/// The ISSN in `text` if it is valid; see [`parse`].
pub fn normalise(text: &str) -> Option<String> {
    parse(text).ok()
}

/// Whether a text has the form of an ISSN; the check digit may be wrong.
pub(crate) fn looks_like_one(text: &str) -> bool {
    !matches!(parse(text), Err(IssnError::Form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_issn() {
        let cases = [
            ("plain", "1932-6203", Ok("1932-6203")),
            ("no hyphen", "19326203", Ok("1932-6203")),
            ("X", "2529-850x", Ok("2529-850X")),
            ("labelled", "ISSN: 1932-6203", Ok("1932-6203")),
            ("urn", "urn:issn:1932-6203", Ok("1932-6203")),
            ("en dash", " 1932–6203 ", Ok("1932-6203")),
            ("zero as check digit", "0000-0000", Ok("0000-0000")),
            (
                "wrong check digit",
                "1932-6204",
                Err(IssnError::CheckDigit { expected: '3' }),
            ),
            ("short", "1932-620", Err(IssnError::Form)),
            ("letters", "ABCD-EFGH", Err(IssnError::Form)),
            ("X within", "19X2-6203", Err(IssnError::Form)),
            ("other digits", "١٩٣٢-٦٢٠٣", Err(IssnError::Form)),
            ("empty", "", Err(IssnError::Form)),
        ];
        for (case, text, expected) in cases {
            assert_eq!(parse(text), expected.map(str::to_owned), "{case}");
        }
    }
}
