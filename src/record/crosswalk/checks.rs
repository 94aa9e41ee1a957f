//! Flags implausible values of resources.

use crate::record::resource::Role;
use crate::record::{Resource, doi, issn};

/// Flags implausible values. Changes none of them.
pub(super) fn flag_odd_values(resource: &mut Resource) {
    let mut flags = Vec::new();
    if resource.titles.is_empty() {
        flags.push("no title".to_owned());
    }
    if let Some(text) = resource.doi()
        && doi::normalise(text).is_none()
    {
        flags.push(format!("{text:?} is no DOI"));
    }
    let issns = [
        ("issn", &resource.host.issn),
        ("eissn", &resource.host.eissn),
    ];
    for (name, text) in issns
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_ref()?)))
    {
        if let Err(error) = issn::parse(text) {
            flags.push(format!("{name} {text:?}: {error}"));
        }
    }
    if let Some(date) = resource.published()
        && !is_date(date)
    {
        flags.push(format!("date of publication {date:?} is no date"));
    }
    for author in &resource.agents {
        if author.name.is_empty() && author.role == Role::Author {
            flags.push("author without a name".to_owned());
        }
        if let Some(orcid) = &author.orcid
            && !is_orcid(orcid)
        {
            flags.push(format!("{orcid:?} is no ORCID iD"));
        }
    }
    for link in &resource.links {
        if !link.url.contains("://") {
            flags.push(format!("link {:?} has no scheme", link.url));
        }
    }
    for flag in flags {
        resource.flag(flag);
    }
}

/// `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or one of these with a time after `T`.
fn is_date(text: &str) -> bool {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    let mut parts = day.split('-');
    let in_range = |part: Option<&str>, digits: usize, last: u32| match part {
        None => true,
        Some(part) => {
            part.len() == digits
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && part
                    .parse::<u32>()
                    .is_ok_and(|number| (1..=last).contains(&number))
        }
    };
    in_range(parts.next(), 4, 9999)
        && in_range(parts.next(), 2, 12)
        && in_range(parts.next(), 2, 31)
        && parts.next().is_none()
}

/// Sixteen characters with hyphens, bare or as a URL, with a true check character.
///
/// Source: ORCID, structure of the identifier (ISO 7064 mod 11-2).
fn is_orcid(text: &str) -> bool {
    let bare = text
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if bare.len() != 19 || !bare.is_ascii() {
        return false;
    }
    let mut total = 0;
    for (at, byte) in bare.bytes().enumerate() {
        match (at, byte) {
            (4 | 9 | 14, b'-') => {}
            (4 | 9 | 14, _) => return false,
            (18, _) => {
                let check = (12 - total % 11) % 11;
                return byte.to_ascii_uppercase() == if check == 10 { b'X' } else { b'0' + check };
            }
            (_, b'0'..=b'9') => total = (total + (byte - b'0')) * 2 % 11,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_orcids() {
        let cases = [
            ("url", "https://orcid.org/0000-0002-1825-0097", true),
            ("bare", "0000-0002-1825-0097", true),
            ("X", "0000-0002-1694-233X", true),
            ("wrong check digit", "0000-0002-1825-0098", false),
            ("no hyphens", "0000000218250097", false),
            ("words", "not applicable", false),
            ("empty", "", false),
        ];
        for (case, text, expected) in cases {
            assert_eq!(is_orcid(text), expected, "{case}");
        }
    }

    #[test]
    fn knows_dates() {
        let cases = [
            ("2015-01-01", true),
            ("2015-01", true),
            ("2015", true),
            ("2006-01-01T00:00:00Z", true),
            ("2015-13-01", false),
            ("2015-1-1", false),
            ("0000-00-00", false),
            ("", false),
            ("n. d.", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_date(text), expected, "{text}");
        }
    }
}
