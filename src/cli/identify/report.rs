//! The report, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::findings::token_form;
use super::survey::{Answer, Sample, Sets, Survey};
use crate::cli::table::{Cell, Column, Screen, fit, printable};
use crate::oai::Granularity;
use crate::oai::response::{Identify, MetadataFormat};

/// The number of sets that are shown.
const SHOWN_SETS: usize = 20;

/// The report as text: one part for each request, then the findings.
pub(super) fn as_text(url: &str, survey: &Survey, findings: &[String], screen: Screen) -> String {
    let mut text = format!("{}\n", printable(url));
    match &survey.identify {
        Answer::Given(identify) => identity(identify, &mut text),
        other => unanswered("Identify", other.why_not(), &mut text),
    }
    text.push_str("\nformats\n");
    match &survey.formats {
        Answer::Given(formats) => push_indented(&format_table(formats, inner(screen)), &mut text),
        other => unanswered("ListMetadataFormats", other.why_not(), &mut text),
    }
    match &survey.sets {
        Answer::Given(sets) => push_sets(sets, screen, &mut text),
        Answer::Refused(code, _) if code == "noSetHierarchy" => text.push_str("\nno sets\n"),
        other => {
            text.push_str("\nsets\n");
            unanswered("ListSets", other.why_not(), &mut text);
        }
    }
    match &survey.sample {
        Answer::Given(sample) => push_sample(sample, &mut text),
        other => {
            text.push_str("\nrecords\n");
            unanswered("ListRecords", other.why_not(), &mut text);
        }
    }
    if findings.is_empty() {
        text.push_str("\nno findings\n");
    } else {
        text.push_str("\nfindings\n");
        for finding in findings {
            // Writing to a string never fails.
            let _ = writeln!(text, "  - {}", printable(finding));
        }
    }
    text
}

/// Adds what harvests have learnt of the repository.
pub(super) fn push_learnt(learnt: &[String], text: &mut String) {
    if !learnt.is_empty() {
        text.push_str("\nlearnt by harvests\n");
        for trait_ in learnt {
            let _ = writeln!(text, "  - {}", printable(trait_));
        }
    }
}

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<13} {}", printable(value));
}

fn unanswered(verb: &str, why: Option<String>, text: &mut String) {
    field(
        text,
        verb,
        &format!("no answer: {}", why.unwrap_or_default()),
    );
}

fn identity(identify: &Identify, text: &mut String) {
    let granularity = identify.granularity.map(granularity_name);
    let emails = identify.admin_emails.join(", ");
    let compressions = identify.compressions.join(", ");
    for (name, value) in [
        ("name", identify.repository_name.as_deref()),
        ("base URL", identify.base_url.as_deref()),
        ("protocol", identify.protocol_version.as_deref()),
        ("earliest", identify.earliest_datestamp.as_deref()),
        ("deletions", identify.deleted_record.as_deref()),
        ("granularity", granularity),
        ("mail", Some(emails.as_str())),
        ("compression", Some(compressions.as_str())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            field(text, name, value);
        }
    }
}

fn granularity_name(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Day => "day",
        Granularity::Second => "second",
    }
}

fn format_table(formats: &[MetadataFormat], screen: Screen) -> String {
    let columns = [Column::left("prefix"), Column::left("namespace").cut()];
    let rows: Vec<Vec<Cell>> = formats
        .iter()
        .map(|format| {
            let namespace = format.metadata_namespace.clone();
            vec![
                format.metadata_prefix.clone().into(),
                namespace.unwrap_or_default().into(),
            ]
        })
        .collect();
    fit(&columns, &rows, screen)
}

/// The screen without the two blanks before each line.
fn inner(screen: Screen) -> Screen {
    Screen {
        width: screen.width.map(|width| width.saturating_sub(2)),
        ..screen
    }
}

/// The report in lines that fit the screen.
pub(super) fn wrapped(text: &str, screen: Screen) -> String {
    let lines = text.lines().map(|line| {
        let indent = match () {
            () if line.starts_with("  - ") => 4,
            // Values stand behind their names.
            () if line.starts_with("  ") => 16,
            () => 2,
        };
        screen.wrap(line, indent)
    });
    lines.collect()
}

fn push_indented(lines: &str, text: &mut String) {
    for line in lines.lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn push_sets(sets: &Sets, screen: Screen, text: &mut String) {
    let count = sets.sets.len();
    let whole = match (sets.complete, sets.list_size) {
        (true, _) => count.to_string(),
        (false, Some(size)) => format!("more than {count}, {size} according to the repository"),
        (false, None) => format!("more than {count}"),
    };
    let shown = if count > SHOWN_SETS {
        format!("; the first {SHOWN_SETS}")
    } else {
        String::new()
    };
    let _ = writeln!(text, "\nsets: {whole}{shown}");
    let columns = [Column::left("spec").cut(), Column::left("name").cut()];
    let rows: Vec<Vec<Cell>> = sets
        .sets
        .iter()
        .take(SHOWN_SETS)
        .map(|set| {
            vec![
                set.set_spec.clone().into(),
                set.set_name.clone().unwrap_or_default().into(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        push_indented(&fit(&columns, &rows, inner(screen)), text);
    }
}

fn push_sample(sample: &Sample, text: &mut String) {
    let _ = writeln!(text, "\nfirst page of {}", printable(&sample.prefix));
    let size = match sample.list_size {
        Some(size) => format!("{} of {size}", sample.records),
        None => sample.records.to_string(),
    };
    field(text, "records", &size);
    if let Some((oldest, newest)) = &sample.datestamps {
        field(text, "datestamps", &format!("{oldest} to {newest}"));
    }
    let token = sample.token.as_deref().map(token_form);
    field(
        text,
        "token",
        token.as_deref().unwrap_or("none: the list ends here"),
    );
    let Some(first) = &sample.first else { return };
    field(text, "first record", &first.identifier);
    match &first.resource {
        Ok((kind, title)) => {
            field(text, "type", kind.name());
            field(text, "title", title.as_deref().unwrap_or("none"));
        }
        Err(why) => field(text, "unreadable", why),
    }
}

/// The report as one JSON object. A part without an answer is `null`, with its reason in `failed`.
pub(super) fn as_json(url: &str, survey: &Survey, findings: &[String]) -> Value {
    let identify = survey.identify.given().map(|identify| {
        json!({
            "repository_name": identify.repository_name,
            "base_url": identify.base_url,
            "protocol_version": identify.protocol_version,
            "earliest_datestamp": identify.earliest_datestamp,
            "deleted_record": identify.deleted_record,
            "granularity": identify.granularity.map(granularity_name),
            "admin_emails": identify.admin_emails,
            "compressions": identify.compressions,
        })
    });
    let sets = survey.sets.given().map(|sets| {
        json!({
            "count": sets.sets.len(),
            "complete": sets.complete,
            "first": &sets.sets[..sets.sets.len().min(SHOWN_SETS)],
        })
    });
    let failed: serde_json::Map<String, Value> = [
        ("identify", survey.identify.why_not()),
        ("formats", survey.formats.why_not()),
        ("sets", survey.sets.why_not()),
        ("sample", survey.sample.why_not()),
    ]
    .into_iter()
    .filter_map(|(name, why)| Some((name.to_owned(), why?.into())))
    .collect();
    json!({
        "url": url,
        "identify": identify,
        "formats": survey.formats.given(),
        "sets": sets,
        "sample": survey.sample.given().map(sample_as_json),
        "clock_skew_seconds": survey.skew_seconds,
        "moved_to": survey.moved_to,
        "findings": findings,
        "failed": failed,
    })
}

fn sample_as_json(sample: &Sample) -> Value {
    let first = sample.first.as_ref().map(|first| {
        let resource = first.resource.as_ref();
        json!({
            "identifier": first.identifier,
            "datestamp": first.datestamp,
            "kind": resource.ok().map(|(kind, _)| kind.name()),
            "title": resource.ok().and_then(|(_, title)| title.as_ref()),
            "error": resource.err(),
            "namespace": first.namespace,
        })
    });
    json!({
        "metadata_prefix": sample.prefix,
        "records": sample.records,
        "deleted": sample.deleted,
        "unreadable": sample.bad,
        "list_size": sample.list_size,
        "token": sample.token,
        "echoed_until": sample.echo.until,
        "response_date": sample.response_date,
        "oldest_datestamp": sample.datestamps.map(|(oldest, _)| oldest),
        "newest_datestamp": sample.datestamps.map(|(_, newest)| newest),
        "first": first,
    })
}
