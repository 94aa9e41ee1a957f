//! Reads subject headings and keywords.

use super::statements::Statement;
use crate::record::resource::Subject;

/// The subjects of a record in document order.
///
/// DOAJ gives a subject of the Library of Congress Classification twice, as term and as code, each
/// with a type; other subjects with their scheme before a colon. OpenAIRE has classes as
/// `info:eu-repo/classification/SCHEME/CODE`. All others are keywords.
pub(super) fn subjects(statements: &[&Statement]) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Vec::new();
    // The last subject of a scheme that has no code yet.
    let mut open: Option<usize> = None;
    for statement in statements {
        let text = statement.text.clone();
        if let Some(scheme) = &statement.scheme {
            let scheme = match scheme.rsplit(':').next() {
                // DOAJ calls the classification so.
                Some("LCSH" | "LCC") => "LCC".to_owned(),
                _ => scheme.clone(),
            };
            if let Some(at) = open.take()
                && scheme == "LCC"
                && is_lcc_code(&text)
            {
                subjects[at].code = Some(text);
                continue;
            }
            open = Some(subjects.len());
            subjects.push(Subject {
                scheme: Some(scheme),
                term: text,
                ..Subject::default()
            });
            continue;
        }
        open = None;
        let subject = classified(&text).unwrap_or_else(|| Subject {
            term: text.clone(),
            language: statement.language.clone(),
            ..Subject::default()
        });
        subjects.push(subject);
    }
    subjects
}

fn classified(text: &str) -> Option<Subject> {
    if let Some((scheme @ ("DOAJ" | "LCC"), term)) = text.split_once(':') {
        return Some(Subject {
            scheme: Some(scheme.to_owned()),
            term: term.trim().to_owned(),
            ..Subject::default()
        });
    }
    let rest = text.strip_prefix("info:eu-repo/classification/")?;
    let (scheme, code) = rest.split_once('/')?;
    Some(Subject {
        scheme: Some(scheme.to_owned()),
        code: Some(code.to_owned()),
        ..Subject::default()
    })
}

/// One to three capitals, then nothing or a number or a range: `R`, `RC31-1245`, `QH301-705.5`.
fn is_lcc_code(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = text.len() - digits.len();
    (1..=3).contains(&letters)
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'(' | b')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(scheme: Option<&str>, text: &str) -> Statement {
        Statement {
            scheme: scheme.map(str::to_owned),
            text: text.to_owned(),
            ..Statement::default()
        }
    }

    #[test]
    fn reads_subjects() {
        let lcc = Some("dcterms:LCSH");
        let statements = [
            statement(None, "k1"),
            statement(None, "DOAJ:Public Health"),
            statement(lcc, "Internal medicine"),
            statement(lcc, "RC31-1245"),
            statement(lcc, "Medicine"),
            statement(None, "info:eu-repo/classification/ddc/363"),
        ];
        let found: Vec<_> = subjects(&statements.iter().collect::<Vec<_>>())
            .into_iter()
            .map(|subject| (subject.scheme, subject.code, subject.term))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                (None, None, "k1".to_owned()),
                (text("DOAJ"), None, "Public Health".to_owned()),
                (
                    text("LCC"),
                    text("RC31-1245"),
                    "Internal medicine".to_owned()
                ),
                (text("LCC"), None, "Medicine".to_owned()),
                (text("ddc"), text("363"), String::new()),
            ]
        );
    }
}
