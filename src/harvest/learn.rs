//! Learns traits of a repository from its answers.

use super::request_form;
use crate::oai::request::Verb;
use crate::oai::response::{Identify, List};
use crate::oai::{Datestamp, Record};
use crate::record::crosswalk::{self, CrosswalkError};
use crate::store::Traits;

/// A larger difference between the clocks is worth a warning.
const MIN_SKEW_SECONDS: i64 = 300;

/// From Identify: granularity, the oldest datestamp, the policy on deletions.
pub(super) fn identity(traits: &mut Traits, identify: Identify, moved_to: Option<String>) {
    traits.repository_name = identify.repository_name;
    if identify.granularity.is_some() {
        traits.granularity = identify.granularity;
    }
    traits.earliest = identify
        .earliest_datestamp
        .and_then(|text| Datestamp::parse(&text))
        .map(|(at, _)| at);
    traits.deleted_record = identify.deleted_record;
    traits.moved_to = moved_to;
}

/// From Identify in the middle of a pass: as [`identity`], but what the answer leaves out stays, and so does a
/// known granularity. Requests may have shown that the repository takes another one than it declares, and
/// the windows of the pass end at its units.
pub(super) fn identity_again(traits: &mut Traits, identify: Identify, moved_to: Option<String>) {
    let before = traits.clone();
    identity(traits, identify, moved_to);
    traits.granularity = before.granularity.or(traits.granularity);
    traits.repository_name = traits.repository_name.take().or(before.repository_name);
    traits.earliest = traits.earliest.or(before.earliest);
    traits.deleted_record = traits.deleted_record.take().or(before.deleted_record);
    traits.moved_to = traits.moved_to.take().or(before.moved_to);
    working_verb(traits, Verb::Identify);
}

/// Notes that a verb works.
pub(super) fn working_verb(traits: &mut Traits, verb: Verb) {
    traits
        .failing_verbs
        .retain(|failing| failing != verb.name());
}

/// Notes a verb that should work and does not.
pub(super) fn failing_verb(traits: &mut Traits, verb: Verb) {
    if !request_form::is_failing(traits, verb) {
        traits.failing_verbs.push(verb.name().to_owned());
    }
}

/// A shorter time without new datestamps is not worth a warning.
const MIN_STALL_SECONDS: i64 = 30 * 86_400;

/// From a complete pass: its newest datestamp. A first pass does not tell how often records change.
pub(super) fn newest(traits: &mut Traits, newest: Option<Datestamp>) {
    let Some(newest) = newest.filter(|newest| Some(*newest) > traits.newest) else {
        return;
    };
    if let Some(before) = traits.newest.replace(newest) {
        let quiet = newest.unix() - before.unix();
        traits.longest_quiet_seconds = traits.longest_quiet_seconds.max(Some(quiet));
    }
}

/// Says that datestamps no longer move, if the time without changes up to `reached` is several times
/// the longest one before.
pub(super) fn stall_in_words(traits: &Traits, reached: Datestamp) -> Option<String> {
    let (newest, longest) = traits.newest.zip(traits.longest_quiet_seconds)?;
    let quiet = reached.unix() - newest.unix();
    let days = |seconds: i64| seconds / 86_400;
    (quiet > longest.saturating_mul(4).max(MIN_STALL_SECONDS)).then(|| {
        format!(
            "nothing has a datestamp after {newest}, for {} days, where it was {} days at the most \
             before; ask the repository whether it still sets them",
            days(quiet),
            days(longest)
        )
    })
}

/// From the first page of a list: the number of items on a page.
pub(super) fn page(traits: &mut Traits, list: &List<Record>) {
    if list.token.is_some() {
        traits.page_size = Some(list.len() as u64);
    }
}

/// Says that the metadata of a first page is of a format that cannot be converted.
///
/// The inner value is `None` if at least one record can be. The outer one is `None` if no record has
/// metadata, which tells nothing.
pub(super) fn no_crosswalk_in_words<'m>(
    prefix: &str,
    documents: impl Iterator<Item = &'m str>,
) -> Option<Option<String>> {
    let mut unknown = None;
    for metadata in documents {
        match crosswalk::format(prefix, metadata) {
            Err(error @ CrosswalkError::UnknownFormat { .. }) => {
                unknown.get_or_insert(error);
            }
            // A broken document is a matter of that record.
            Ok(_) | Err(_) => return Some(None),
        }
    }
    unknown.map(|error| {
        Some(format!(
            "{error}: the records are stored and exported as received, but cannot be converted to \
             catalogue documents, MARC, CSV or references; harvest another metadataPrefix for these"
        ))
    })
}

/// The difference between the repository's clock and ours, if it is worth a warning. `seconds` is
/// theirs less ours.
pub(super) fn skew_in_words(seconds: i64, is_believed: bool) -> Option<String> {
    let minutes = seconds.abs() / 60;
    let way = if seconds > 0 { "ahead of" } else { "behind" };
    let use_of_it = if is_believed {
        "only the repository's clock is used"
    } else {
        "no other date confirms it, so it proves nothing"
    };
    (seconds.abs() >= MIN_SKEW_SECONDS)
        .then(|| format!("the repository's clock is {minutes} minutes {way} ours; {use_of_it}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Granularity;

    #[test]
    fn identify_in_the_middle_of_a_pass_keeps_what_is_known() {
        let day = |number: i64| Datestamp::from_unix(number * 86_400);
        let mut traits = Traits::default();
        failing_verb(&mut traits, Verb::Identify);
        let declared = Identify {
            granularity: Some(Granularity::Second),
            earliest_datestamp: Some("1970-01-03".to_owned()),
            deleted_record: Some("persistent".to_owned()),
            ..Identify::default()
        };
        identity_again(
            &mut traits,
            declared.clone(),
            Some("http://b.org/".to_owned()),
        );
        assert_eq!(traits.granularity, Some(Granularity::Second));
        assert_eq!(traits.earliest, Some(day(2)));
        assert_eq!(traits.deleted_record.as_deref(), Some("persistent"));
        assert!(traits.failing_verbs.is_empty());
        // Requests have shown that only days work.
        traits.granularity = Some(Granularity::Day);
        let known = traits.clone();
        identity_again(&mut traits, Identify::default(), None);
        assert_eq!(traits, known);
        let newer = Identify {
            deleted_record: Some("transient".to_owned()),
            ..declared
        };
        identity_again(&mut traits, newer, None);
        assert_eq!(traits.granularity, Some(Granularity::Day));
        assert_eq!(traits.deleted_record.as_deref(), Some("transient"));
        assert_eq!(traits.moved_to.as_deref(), Some("http://b.org/"));
    }

    #[test]
    fn formats_without_a_crosswalk_are_named() {
        let says =
            |documents: &[&'static str]| no_crosswalk_in_words("mets", documents.iter().copied());
        let (mets, dc) = ("<mets/>", "<dc/>");
        assert_eq!(says(&[]), None);
        assert_eq!(says(&[mets, dc]), Some(None));
        assert_eq!(says(&["<cut"]), Some(None));
        let words = says(&[mets, mets]).unwrap().unwrap();
        let start = "no crosswalk for metadata format \"mets\" with root element \"mets\": ";
        assert!(words.starts_with(start), "{words}");
    }

    #[test]
    fn a_stall_is_measured_by_the_longest_quiet_before_it() {
        let day = |number: i64| Datestamp::from_unix(number * 86_400);
        let mut traits = Traits::default();
        newest(&mut traits, Some(day(1_000)));
        assert_eq!(
            stall_in_words(&traits, day(9_000)),
            None,
            "nothing to compare"
        );
        newest(&mut traits, Some(day(1_010)));
        newest(&mut traits, Some(day(1_005)));
        newest(&mut traits, None);
        newest(&mut traits, Some(day(1_012)));
        assert_eq!(traits.newest, Some(day(1_012)));
        for (reached, stalls) in [(1_012, false), (1_052, false), (1_053, true)] {
            let words = stall_in_words(&traits, day(reached));
            assert_eq!(words.is_some(), stalls, "{reached}: {words:?}");
        }
        // Where something changes each day, a week is no stall yet.
        let daily = Traits {
            newest: Some(day(1_000)),
            longest_quiet_seconds: Some(86_400),
            ..Traits::default()
        };
        assert_eq!(stall_in_words(&daily, day(1_030)), None);
        assert!(stall_in_words(&daily, day(1_031)).is_some());
    }
}
