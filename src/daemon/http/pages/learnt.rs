//! What harvests have learnt of a repository, as sentences. Pure.

use super::words;
use crate::oai::Granularity;
use crate::store::Traits;

/// The sentences, the most general first.
pub(super) fn sentences(traits: &Traits) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |sentence: String| said.push(sentence);
    let sentence_if = |holds: bool, sentence: &str| holds.then(|| sentence.to_owned());
    if let Some(kept) = &traits.deleted_record {
        say(match kept.as_str() {
            "persistent" => "It keeps tombstones of deleted records for good.".to_owned(),
            "transient" => "It keeps tombstones of deleted records for a while only.".to_owned(),
            "no" => "It does not tell which records were deleted.".to_owned(),
            other => format!("It says of deleted records: {other}."),
        });
    }
    match traits.granularity {
        Some(Granularity::Day) => say("Its datestamps are precise to the day.".to_owned()),
        Some(Granularity::Second) => say("Its datestamps are precise to the second.".to_owned()),
        None => {}
    }
    if let Some(earliest) = traits.earliest {
        say(format!("It says that its oldest datestamp is {earliest}."));
    }
    if let Some(newest) = traits.newest {
        say(format!("The newest datestamp so far is {newest}."));
    }
    if let Some(seconds) = traits
        .longest_quiet_seconds
        .filter(|seconds| *seconds >= 3_600)
    {
        say(format!(
            "The longest time without a change was {}.",
            words::span(seconds)
        ));
    }
    if let Some(size) = traits.page_size {
        say(format!(
            "A full page has {}.",
            words::counted(size, "record", "records")
        ));
    }
    match traits.newest_first {
        Some(true) => say("Its lists begin with the newest record.".to_owned()),
        Some(false) => say("Its lists begin with the oldest record.".to_owned()),
        None => {}
    }
    if let Some(seconds) = traits.delayed_seconds {
        say(format!(
            "It hides the changes of the last {}.",
            words::span(seconds)
        ));
    }
    if let Some(address) = &traits.moved_to {
        say(format!("It has moved to {address}."));
    }
    if let Some(items) = traits.cut_off_at {
        say(format!(
            "Its lists end after {} without saying so.",
            words::counted(items, "record", "records")
        ));
    }
    if let Some(seconds) = traits
        .clock_skew_seconds
        .filter(|seconds| seconds.abs() >= 60)
    {
        let which = if seconds > 0 { "ahead of" } else { "behind" };
        say(format!(
            "Its clock is {} {which} ours.",
            words::span(seconds.abs())
        ));
    }
    let rest = [
        sentence_if(
            traits.ignores_dates,
            "It ignores from and until, so that each pass lists everything.",
        ),
        sentence_if(traits.rejects_until, "It refuses requests with until."),
        sentence_if(
            traits.ignores_sets == Some(true),
            "It ignores set, so that each list has all records.",
        ),
        sentence_if(
            traits.names_sets == Some(false),
            "Its records do not name their sets.",
        ),
        sentence_if(
            traits.list_size_lies,
            "The size that it states for lists is wrong.",
        ),
        sentence_if(
            traits.false_tombstones,
            "It has shown live records as deleted, so each tombstone is confirmed with GetRecord.",
        ),
        sentence_if(
            traits.decodes_tokens,
            "Its resumption tokens have to be percent-decoded first.",
        ),
        sentence_if(
            traits.wants_prefix_with_token,
            "It wants metadataPrefix beside resumption tokens.",
        ),
    ];
    rest.into_iter().flatten().for_each(&mut say);
    if !traits.failing_verbs.is_empty() {
        say(format!(
            "These verbs fail: {}.",
            traits.failing_verbs.join(", ")
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Datestamp;

    #[test]
    fn traits_are_sentences() {
        assert!(sentences(&Traits::default()).is_empty());
        let traits = Traits {
            deleted_record: Some("transient".to_owned()),
            granularity: Some(Granularity::Second),
            earliest: Some(Datestamp::from_unix(0)),
            page_size: Some(300),
            newest_first: Some(true),
            delayed_seconds: Some(30 * 86_400),
            clock_skew_seconds: Some(-300),
            failing_verbs: vec!["ListSets".to_owned(), "GetRecord".to_owned()],
            rejects_until: true,
            ..Traits::default()
        };
        let expected = [
            "It keeps tombstones of deleted records for a while only.",
            "Its datestamps are precise to the second.",
            "It says that its oldest datestamp is 1970-01-01T00:00:00Z.",
            "A full page has 300 records.",
            "Its lists begin with the newest record.",
            "It hides the changes of the last 30 days.",
            "Its clock is 5 min behind ours.",
            "It refuses requests with until.",
            "These verbs fail: ListSets, GetRecord.",
        ];
        assert_eq!(sentences(&traits), expected);
        let exact = Traits {
            clock_skew_seconds: Some(20),
            ..Traits::default()
        };
        assert!(sentences(&exact).is_empty(), "a skew of seconds is none");
    }
}
