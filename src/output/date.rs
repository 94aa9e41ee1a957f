//! The parts of a date of publication, for formats of references.

use crate::record::Resource;

/// Year, month and day, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) year: u16,
    /// From 1 to 12.
    pub(super) month: Option<u8>,
    /// From 1 to 31.
    pub(super) day: Option<u8>,
}

impl Parts {
    /// The date of publication: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, one of these with a time after `T`, or
    /// `YYYYMMDD`. Of other texts only the year.
    pub(super) fn of(resource: &Resource) -> Option<Self> {
        let text = resource.published()?;
        let whole = Self::read(text);
        whole.or_else(|| {
            Some(Self {
                year: resource.year()?.parse().ok()?,
                month: None,
                day: None,
            })
        })
    }

    fn read(text: &str) -> Option<Self> {
        let day = text.split('T').next()?;
        if let ([_, _, _, _, _, _, _, _], true) = (
            day.as_bytes(),
            day.bytes().all(|byte| byte.is_ascii_digit()),
        ) {
            return Self::checked(&day[..4], Some(&day[4..6]), Some(&day[6..]));
        }
        let mut parts = day.split('-');
        let (year, month, day) = (parts.next()?, parts.next(), parts.next());
        match parts.next() {
            None => Self::checked(year, month, day),
            Some(_) => None,
        }
    }

    fn checked(year: &str, month: Option<&str>, day: Option<&str>) -> Option<Self> {
        let number = |text: &str, digits: usize, last: u16| {
            let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_number.then(|| text.parse::<u16>().ok())??;
            (1..=last).contains(&number).then_some(number)
        };
        let small = |text: Option<&str>, last| match text {
            None => Some(None),
            Some(text) => number(text, 2, last).map(|number| u8::try_from(number).ok()),
        };
        Some(Self {
            year: number(year, 4, 2999)?,
            month: small(month, 12)?,
            day: small(day, 31)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates() {
        let cases = [
            ("2015-03-01", Some((2015, Some(3), Some(1)))),
            ("2015-03", Some((2015, Some(3), None))),
            ("2015", Some((2015, None, None))),
            ("2006-01-01T00:00:00Z", Some((2006, Some(1), Some(1)))),
            ("20150131", Some((2015, Some(1), Some(31)))),
            ("Spring 2015", Some((2015, None, None))),
            ("2015-3", Some((2015, None, None))),
            ("2015-13-01", Some((2015, None, None))),
            ("0000-00-00", None),
            ("n. d.", None),
        ];
        for (text, expected) in cases {
            let mut resource = Resource::default();
            resource.publish(text.to_owned());
            let parts = Parts::of(&resource).map(|parts| (parts.year, parts.month, parts.day));
            assert_eq!(parts, expected, "{text}");
        }
    }
}
