//! The page of one scheduled file: the newest one, and a button to write it now.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::form::{Said, Sent, buttons};
use super::status::export_summary;
use super::{Frame, address, frame, or_failed, respond};
use crate::daemon::http::api::send;
use crate::daemon::http::arguments::Arguments;
use crate::daemon::http::{Context, Ctx, Failure};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind};

/// `GET /export/{name}`
pub(in crate::daemon::http) async fn export(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let arguments = Arguments::read(query.as_deref(), &["done"], &[])?;
        let done = arguments.text("done").filter(|done| *done == "run");
        let said = done.map(|_| Said::done("It is written now, unless it is as it would be."));
        show(&context, &name, StatusCode::OK, said).await
    };
    or_failed(answer.await)
}

/// `POST /export/{name}`: `action` and `token` as the form on the page sends them.
pub(in crate::daemon::http) async fn write(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        let sent = Sent::read(&body)?;
        sent.expect("run")?;
        let to = address("export", &name);
        let sending = send(&context, Command::Run(JobKey::new(JobKind::Export, &name)));
        let show = |status, said| show(&context, &name, status, said);
        sent.answer(&context, &to, sending, show).await
    };
    or_failed(answer.await)
}

async fn show(
    context: &Context,
    name: &str,
    status: StatusCode,
    said: Option<Said>,
) -> Result<Response, Failure> {
    let overview = context.overview().await?;
    let mut exports = overview.exports.iter();
    let Some(view) = exports.find(|view| view.known.name == name) else {
        let message = format!("There is no export {name}.");
        return Err(Failure::new(StatusCode::NOT_FOUND, message));
    };
    let has_token = context.shared.registry.token().is_some();
    let content = html! {
        h1 { (name) }
        @if let Some(said) = &said { (said.markup()) }
        (export_summary(view, overview.now_ms))
        (buttons(&address("export", name), has_token, &html! {
            button name="action" value="run" { "Write now" }
        }))
    };
    Ok(respond(status, frame(name, &Frame::default(), &content)))
}
