//! Shows the next pass over a source: sends the first request of each list, and stores nothing.

use super::learn;
use super::plan::{Plan, RunOptions, plan};
use super::request_form;
use super::requester::read_body;
use super::settings::SourceSettings;
use super::watermark::{self, Evidence};
use crate::clock::Clock;
use crate::http::Redactor;
use crate::oai::client::Transport;
use crate::oai::{Content, Datestamp, Request, Response};
use crate::store::{Gap, NewWindow, PassKind, Source, Traits};

/// The next pass over one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Everything, or the changes.
    pub kind: PassKind,
    /// Its lists.
    pub lists: Vec<PreviewedList>,
}

/// The beginning of one list.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewedList {
    /// The arguments of the request.
    pub request: String,
    /// Records on the first page.
    pub first_page: u64,
    /// The announced size of the list.
    pub list_size: Option<u64>,
    /// Whether the list ends with its first page.
    pub ends: bool,
    /// The datestamp to which the watermark would move.
    pub bound: Option<Datestamp>,
    /// The least number of windows into which the list would be split.
    pub windows: u64,
    /// The error of the repository in place of a list.
    pub refused: Option<String>,
}

/// Requests the first page of each list of the next pass, once, and stores nothing.
///
/// `source` and `gaps` are the source in the store and its gaps; `None` for a new one. A run would first go on with an
/// interrupted pass; the preview shows the pass after it.
///
/// # Errors
/// Why the repository gave no list at all.
pub async fn preview<T: Transport>(
    transport: &T,
    source: Option<&Source>,
    gaps: &[Gap],
    settings: &SourceSettings,
    options: &RunOptions,
    clock: &Clock,
) -> Result<Preview, String> {
    let mut traits = source.map_or_else(Traits::default, |source| source.traits.clone());
    if traits.granularity.is_none() {
        // Without a granularity, dates are requested by the day.
        if let Ok((response, _)) = ask(transport, settings, &Request::Identify).await
            && let Content::Identify(identify) = response.content
        {
            learn::identity(&mut traits, identify, None);
        }
    }
    let nothing = Source::unknown(settings.name.clone());
    let Plan::Begin { kind, windows, .. } =
        plan(source.unwrap_or(&nothing), None, gaps, settings, options)
    else {
        return Err("there is nothing to plan".to_owned());
    };
    let mut lists = Vec::new();
    for window in windows {
        lists.push(preview_list(transport, settings, &traits, &window, clock).await?);
    }
    Ok(Preview { kind, lists })
}

async fn preview_list<T: Transport>(
    transport: &T,
    settings: &SourceSettings,
    traits: &Traits,
    window: &NewWindow,
    clock: &Clock,
) -> Result<PreviewedList, String> {
    let selection = request_form::first(
        &settings.metadata_prefix,
        window.set_spec.as_deref(),
        window.span,
        traits,
    );
    let asked_until = selection.until.clone();
    let request = Request::ListRecords(selection);
    let text: Vec<String> = request
        .arguments()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let (response, http_date) = ask(transport, settings, &request).await?;
    let bound = watermark::bound(Evidence {
        asked_from: window.span.from,
        echoed_from: response.request.from.as_deref(),
        asked_until: window.span.until,
        asked_text: asked_until.as_deref(),
        echoed_until: response.request.until.as_deref(),
        clock: watermark::clock(
            response.response_date,
            http_date,
            Datestamp::from_unix(clock.now_seconds()),
        ),
    });
    let mut list = PreviewedList {
        request: text.join("&"),
        first_page: 0,
        list_size: None,
        ends: true,
        bound: None,
        windows: 1,
        refused: None,
    };
    match response.content {
        Content::Records(records) => {
            list.first_page = records.len() as u64;
            list.list_size = records.paging.complete_list_size;
            list.ends = records.token.is_none();
            list.bound = bound;
            let size = list.list_size.unwrap_or(0);
            if !list.ends && size > settings.window_records {
                list.windows = size.div_ceil(settings.window_records.max(1));
            }
        }
        Content::Errors(errors) => {
            list.refused = errors
                .first()
                .map(|error| format!("{} ({})", error.code, error.message));
        }
        _ => list.refused = Some("an answer to another verb".to_owned()),
    }
    Ok(list)
}

async fn ask<T: Transport>(
    transport: &T,
    settings: &SourceSettings,
    request: &Request,
) -> Result<(Response, Option<Datestamp>), String> {
    let answer = transport
        .send(request)
        .await
        .map_err(|error| error.to_string())?;
    read_body(
        request.verb(),
        &answer.body,
        answer.charset.as_deref(),
        settings.page_limits,
        &Redactor::new(&settings.client),
    )
    .map(|response| (response, answer.date))
    .map_err(|error| format!("{}: {error}", request.verb()))
}
