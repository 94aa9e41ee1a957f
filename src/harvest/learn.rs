//! What answers teach about a repository, kept as its traits.

use crate::oai::request::Verb;
use crate::oai::response::{Identify, List};
use crate::oai::{Datestamp, Record};
use crate::store::Traits;

/// A clock that is further away than this is worth a warning.
const SKEW_SECONDS: i64 = 300;

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

/// A verb that should work and does not.
pub(super) fn failing_verb(traits: &mut Traits, verb: Verb) {
    let name = verb.name();
    if traits.failing_verbs.iter().all(|known| known != name) {
        traits.failing_verbs.push(name.to_owned());
    }
}

/// From the first page of a list: how long a page is, and which way the list runs.
pub(super) fn page(traits: &mut Traits, list: &List<Record>) {
    if list.token.is_some() {
        traits.page_size = Some(list.len() as u64);
    }
    let mut instants = list
        .items
        .iter()
        .filter_map(|record| record.header.instant());
    if let (Some(first), Some(last)) = (instants.next(), instants.next_back())
        && first != last
    {
        traits.newest_first = Some(first > last);
    }
}

/// How far the repository's clock is from ours, if that is worth a warning. `seconds` is theirs
/// less ours.
pub(super) fn skew_in_words(seconds: i64, is_believed: bool) -> Option<String> {
    let minutes = seconds.abs() / 60;
    let way = if seconds > 0 { "ahead of" } else { "behind" };
    let use_of_it = if is_believed {
        "only its own is used"
    } else {
        "nothing else of it says so, and it proves nothing"
    };
    (seconds.abs() >= SKEW_SECONDS)
        .then(|| format!("the repository's clock is {minutes} minutes {way} ours; {use_of_it}"))
}
