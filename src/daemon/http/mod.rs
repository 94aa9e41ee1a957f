//! HTTP: status pages for people, an API for programs, metrics for Prometheus.
//!
//! - `server`: every route, and serving them
//! - `listener`: takes connections, and closes those that only hold a place
//! - `places`: how many long polls and large answers there may be
//! - `context`: what every handler works with
//! - `guard`: who may change something
//! - `session`: the cookie of people who have signed in
//! - `headers`: the headers of every response
//! - `failure`: the response that says why a request failed
//! - `arguments`: reading queries and forms
//! - `lookup`: finding one thing by its name or number
//! - `render`: records in the formats of the exports
//! - `api`: JSON and the change feed
//! - `pages`: HTML
//! - `metrics`, `exposition`: metrics, and their text format
//! - `provider`: the OAI-PMH provider
//! - `openapi`: the description of all routes

mod api;
mod arguments;
mod context;
mod exposition;
mod failure;
mod guard;
mod headers;
mod listener;
mod lookup;
mod metrics;
mod openapi;
mod pages;
mod places;
mod provider;
mod render;
mod server;
mod session;

use context::{Context, Ctx};
use failure::Failure;

pub(super) use context::Shared;
pub(super) use listener::{Limits, bind};
pub(super) use provider::{Provider, serve_provider};
pub(super) use server::serve;
