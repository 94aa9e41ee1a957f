//! A source from what its repository answers.

use super::starter::{StarterSource, name_of_url};
use crate::cli::identify::survey::{Answer, Survey};
use crate::http::show_url;
use crate::oai::Granularity;

/// The sets that are named in the comment.
const SHOWN_SETS: usize = 12;

/// The source for the repository at `url`, as far as it has answered. `prefix` is the format that was asked for.
pub(super) fn source(url: &url::Url, survey: &Survey, prefix: Option<&str>) -> StarterSource {
    // A redirect that is permanent names the address of the future.
    let moved = survey
        .moved_to
        .as_deref()
        .and_then(|moved| url::Url::parse(moved).ok());
    let shown = show_url(moved.as_ref().unwrap_or(url));
    let mut source = StarterSource {
        name: name_of_url(url),
        ..StarterSource::default()
    };
    if let Some(identify) = survey.identify.given() {
        let name = identify
            .repository_name
            .as_deref()
            .unwrap_or("a repository without a name");
        let mail = identify.admin_emails.first();
        let mail = mail.map_or_else(String::new, |mail| format!(", {mail}"));
        source.comments.push(format!("{name}{mail}"));
    }
    if moved.is_some() {
        source
            .comments
            .push(format!("{} redirects here for good.", show_url(url)));
    }
    source.text("url", &shown);
    let sampled = survey.sample.given().map(|sample| sample.prefix.as_str());
    let prefix = prefix.or(sampled).unwrap_or("oai_dc");
    source.text("metadata_prefix", prefix);
    formats(survey, prefix, &mut source);
    sets(survey, &mut source);
    dates(survey, &mut source);
    size(survey, &mut source);
    source.remarks.push(
        "The pause between two requests; raise it if the repository is slow or small.".to_owned(),
    );
    source.remarks.push("delay = \"1s\"".to_owned());
    source
}

fn formats(survey: &Survey, prefix: &str, source: &mut StarterSource) {
    let others: Vec<&str> = { survey.formats.given().into_iter().flatten() }
        .map(|format| format.metadata_prefix.as_str())
        .filter(|other| *other != prefix)
        .collect();
    if !others.is_empty() {
        source
            .remarks
            .push(format!("It also has the formats {}.", others.join(", ")));
    }
    let first = survey
        .sample
        .given()
        .and_then(|sample| sample.first.as_ref());
    if let Some(Err(why)) = first.map(|first| &first.resource) {
        source.remarks.push(format!(
            "A record in {prefix} cannot be converted ({why}): it can be exported as XML, but not pushed."
        ));
    }
}

fn sets(survey: &Survey, source: &mut StarterSource) {
    let Answer::Given(sets) = &survey.sets else {
        source
            .remarks
            .push("It has no sets, so that everything is harvested.".to_owned());
        return;
    };
    let shown: Vec<String> = { sets.sets.iter().take(SHOWN_SETS) }
        .map(|set| {
            format!(
                "{:?} ({})",
                set.set_spec,
                set.set_name.as_deref().unwrap_or("no name")
            )
        })
        .collect();
    let more = match (sets.sets.len() > SHOWN_SETS, sets.list_size) {
        (false, _) if sets.complete => String::new(),
        (_, Some(all)) => format!(", in all {all}"),
        (_, None) => format!(", at least {}", sets.sets.len()),
    };
    source.remarks.push(format!(
        "Without this line all of it is harvested. Its sets are {}{more}.",
        shown.join(", ")
    ));
    let example = sets
        .sets
        .first()
        .map_or_else(String::new, |set| set.set_spec.clone());
    source.remarks.push(format!("sets = [{example:?}]"));
}

fn dates(survey: &Survey, source: &mut StarterSource) {
    let announced = survey
        .identify
        .given()
        .and_then(|identify| identify.granularity);
    let Some(sample) = survey.sample.given() else {
        return;
    };
    let written = match (sample.days, sample.instants) {
        (days, 0) if days > 0 => Some(Granularity::Day),
        (0, instants) if instants > 0 => Some(Granularity::Second),
        _ => None,
    };
    match (announced, written) {
        (None, Some(written)) => {
            source
                .remarks
                .push("It announces no granularity; its records have this one.".to_owned());
            source.keys.push(("granularity", word(written)));
        }
        (Some(announced), Some(written)) if announced != written => {
            source.remarks.push(format!(
                "It announces dates by the {}, and its records have the other form. If requests are refused:",
                word(announced).trim_matches('"')
            ));
            source
                .remarks
                .push(format!("granularity = {}", word(written)));
        }
        // It is asked for it at each first run.
        _ => {}
    }
}

fn word(granularity: Granularity) -> String {
    match granularity {
        Granularity::Day => "\"day\"",
        Granularity::Second => "\"second\"",
    }
    .to_owned()
}

fn size(survey: &Survey, source: &mut StarterSource) {
    let Some(sample) = survey.sample.given() else {
        return;
    };
    let Some(size) = sample.list_size.filter(|_| sample.records > 0) else {
        return;
    };
    let pages = size.div_ceil(sample.records as u64);
    let hours = pages / 1800;
    let time = match hours {
        0 => "less than an hour".to_owned(),
        hours => format!("at least {hours} hours"),
    };
    source.comments.push(format!(
        "{size} records on {pages} pages: the first run takes {time}, and can be interrupted at any time."
    ));
}
