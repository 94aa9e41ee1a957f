//! HTTP as a client: set-up, TLS, proxies, limits, redirects, decompression, redaction.
//!
//! - `settings`, `secret`: how to reach one server, and within which limits
//! - `client`: requests and their replies
//! - `setup`: settings as a client of the HTTP library
//! - `address`: arguments of requests in URLs
//! - `network`, `redirect`: which redirects are followed
//! - `body`, `decompress`: bodies within limits, without compression
//! - `cookies`: the cookies of one client
//! - `head`: status and headers of a reply
//! - `exchange`: a request and its reply, for error messages
//! - `turn`: one large body at a time
//! - `error`, `failure`: why a request brought no reply
//! - `redact`: addresses and texts without secrets
//! - `line`: texts of other programs as one short line

mod address;
mod body;
mod client;
mod cookies;
mod decompress;
mod error;
mod exchange;
mod failure;
mod head;
mod line;
mod network;
mod redact;
mod redirect;
mod secret;
mod settings;
mod setup;
mod turn;

pub(crate) use address::{UNRESERVED_ONLY, with_arguments, without_secrets};
pub use client::Times;
pub(crate) use client::{Client, NoReply, Protocol, Reply};
pub use error::{ClientError, Fault, RedirectFault};
pub(crate) use error::{Failure, seconds};
pub use exchange::Exchange;
pub(crate) use exchange::html_title;
pub(crate) use failure::error_text;
pub(crate) use head::{Head, retry_after};
pub use line::{LINE_CHARS, one_line};
pub(crate) use line::{excerpt, visible, visible_except};
pub use redact::Redactor;
pub(crate) use redact::show_url;
pub use redirect::redirect_target;
pub use secret::Secret;
pub use settings::{ClientSettings, Credentials, Limits, Timeouts};
#[cfg(feature = "delta")]
pub(crate) use setup::storage_client;
pub(crate) use setup::user_agent;
pub use turn::Turn;

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::decompress::tests::gzip;
    pub(crate) use super::head::tests::head;
}
