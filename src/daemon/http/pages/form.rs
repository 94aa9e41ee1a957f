//! Forms that bring the token themselves: what they send, and what came of it.

use std::future::Future;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};

use super::respond;
use crate::daemon::http::arguments::Arguments;
use crate::daemon::http::{Context, Failure, guard};

/// What came of a wish.
pub(super) struct Said {
    good: bool,
    text: String,
}

impl Said {
    pub(super) fn done(text: &str) -> Self {
        Self {
            good: true,
            text: text.to_owned(),
        }
    }

    fn refused(failure: &Failure) -> Self {
        Self {
            good: false,
            text: failure.message.clone(),
        }
    }

    pub(super) fn markup(&self) -> Markup {
        html! {
            p class=(if self.good { "good" } else { "bad" }) role="status" { (self.text) }
        }
    }
}

/// Buttons for those who have the token. Browsers may keep it as they keep passwords; here, nothing
/// is kept.
pub(super) fn buttons(to: &str, has_token: bool, buttons: &Markup) -> Markup {
    html! {
        h2 { "Change something" }
        @if has_token {
            form class="wishes" method="post" action=(to) {
                label for="token" { "Token" }
                input id="token" type="password" name="token" autocomplete="current-password" required;
                div { (buttons) }
            }
        } @else {
            p class="hint" {
                "No token is configured, so nothing can be changed from here; see " code { "token" }
                " under " code { "[daemon]" } "."
            }
        }
    }
}

/// A form as it was sent.
pub(super) struct Sent {
    /// The button.
    pub(super) action: String,
    token: Option<String>,
}

impl Sent {
    /// # Errors
    /// If it is none of ours.
    pub(super) fn read(body: &Bytes) -> Result<Self, Failure> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the form is not in UTF-8"))?;
        let arguments = Arguments::read(Some(text), &["action", "token"], &[])?;
        Ok(Self {
            action: arguments.text("action").unwrap_or_default().to_owned(),
            token: arguments.text("token").map(str::to_owned),
        })
    }

    /// # Errors
    /// If another button than `action` was pressed, on a page that has no other.
    pub(super) fn expect(&self, action: &str) -> Result<(), Failure> {
        if self.action == action {
            return Ok(());
        }
        let message = format!("the form needs an action: {action}");
        Err(Failure::new(StatusCode::BAD_REQUEST, message))
    }

    /// Does what is wished if the form brings the token, and goes to the page `to`. What comes of a
    /// refusal is said on the page that `show` draws.
    ///
    /// # Errors
    /// Those of `show`.
    pub(super) async fn answer<Shown>(
        &self,
        context: &Context,
        to: &str,
        wish: impl Future<Output = Result<(), Failure>>,
        show: impl FnOnce(StatusCode, Option<Said>) -> Shown,
    ) -> Result<Response, Failure>
    where
        Shown: Future<Output = Result<Response, Failure>>,
    {
        let done = match self.check(context) {
            Ok(()) => wish.await,
            Err(failure) => Err(failure),
        };
        let Err(failure) = done else {
            return self.done(to);
        };
        let mut response = show(failure.status, Some(Said::refused(&failure))).await?;
        failure.challenge(&mut response);
        Ok(response)
    }

    /// Whether it brings the token.
    ///
    /// # Errors
    /// If not.
    fn check(&self, context: &Context) -> Result<(), Failure> {
        let token = context.shared.registry.token();
        guard::brings_token(self.token.as_deref(), token.as_ref())
    }

    /// To the page `to`, which says that it was done.
    fn done(&self, to: &str) -> Result<Response, Failure> {
        let to = HeaderValue::from_str(&format!("{to}?done={}", self.action))
            .map_err(|_| Failure::new(StatusCode::NOT_FOUND, "there is nothing of this name"))?;
        let mut response = respond(StatusCode::SEE_OTHER, html! {});
        response.headers_mut().insert(header::LOCATION, to);
        Ok(response)
    }
}
