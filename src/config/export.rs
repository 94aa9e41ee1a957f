//! From what is written to the checked settings of one scheduled export, and when outputs and exports
//! are due.

use super::checked::{Common, Findings, Reader, Table};
use super::documents;
use super::output::{known_sources, per, read_sets};
use super::raw::{Layer, Value};
use super::values;
use crate::output::Format;
use crate::output::enrich::Part;
use crate::output::export::settings::{ExportSettings, check_path};
use crate::schedule::{DeliverySchedule, Hours, ticks};
use crate::store::Per;

/// Checks one export; `None` if something in it is wrong, which is then among the findings.
///
/// `sources` are the names of all configured sources; `enrich` is what works take from other
/// records, `None` where records are not clustered.
pub(crate) fn export(
    common: &Common<'_>,
    layers: [&Layer; 3],
    sources: &[&str],
    enrich: Option<&[Part]>,
    findings: &mut Findings,
) -> Option<(ExportSettings, DeliverySchedule)> {
    let found_before = findings.problems.len();
    let mut reader = Reader::new(common, layers, Table::Export, findings);
    let name = reader.required("name", values::name);
    let path = reader.path("path");
    let since_previous = reader.read("since_previous", values::truth);
    match &path {
        None => reader.problem_at("path", "is missing".to_owned()),
        Some(path) => {
            if let Err(message) = check_path(path, since_previous.unwrap_or(false)) {
                reader.problem_at("path", message);
            }
        }
    }
    let format = reader.read("format", format);
    let per = reader.read("per", |value| per(value, enrich.is_some()));
    let wanted = reader.read("sources", |value| known_sources(value, sources));
    let sets = read_sets(&mut reader, sources, wanted.as_deref());
    let built_in = DeliverySchedule {
        after_pass: false,
        ticks: ticks("0 5 * * *").ok().flatten(),
        ..DeliverySchedule::default()
    };
    let schedule = read_schedule(&mut reader, built_in);
    let documents = documents::read(&mut reader);
    if findings.problems.len() > found_before {
        return None;
    }
    let per = per.unwrap_or_default();
    let settings = ExportSettings {
        name: name?,
        path: path?,
        format: format.unwrap_or(Format::Jsonl),
        per,
        enrich: match per {
            Per::Record => Vec::new(),
            Per::Cluster => enrich.unwrap_or_default().to_vec(),
        },
        sources: wanted.unwrap_or_default(),
        sets,
        since_previous: since_previous.unwrap_or(false),
        documents: documents.into(),
    };
    Some((settings, schedule))
}

/// When an output is pushed to, with its name; what is wrong is among the findings.
pub(crate) fn push_schedule(
    common: &Common<'_>,
    layers: [&Layer; 2],
    findings: &mut Findings,
) -> Option<(String, DeliverySchedule)> {
    let name = layers[1].text("name")?.to_owned();
    let none = Layer::empty();
    let layers = [layers[0], layers[1], &none];
    let mut reader = Reader::new(common, layers, Table::Output, findings);
    let schedule = read_schedule(&mut reader, DeliverySchedule::default());
    Some((name, schedule))
}

fn read_schedule(reader: &mut Reader<'_>, built_in: DeliverySchedule) -> DeliverySchedule {
    DeliverySchedule {
        after_pass: reader
            .read("after_pass", values::flag)
            .unwrap_or(built_in.after_pass),
        ticks: reader
            .read("schedule", |value| ticks(&values::text(value)?))
            .unwrap_or(built_in.ticks),
        time_zone: reader
            .read("time_zone", values::time_zone)
            .unwrap_or(built_in.time_zone),
        hours: reader
            .read("hours", |value| Hours::parse(&values::text(value)?))
            .unwrap_or(built_in.hours),
    }
}

/// The format of this name, as the command line has it.
fn format(value: &Value) -> Result<Format, String> {
    let text = values::text(value)?;
    Format::from_name(&text).map_err(|names| format!("{text:?} is no format; there is {names}"))
}
