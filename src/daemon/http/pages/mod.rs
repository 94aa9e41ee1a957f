//! Pages for people: plain HTML without scripts. The templates escape every text, so a title from a
//! repository stays a text.
//!
//! - `status`: everything at a glance
//! - `source`: one source and its commands
//! - `pass`: one pass and its windows
//! - `output`: one output and the documents that it rejected
//! - `export`: one scheduled export
//! - `search`: the records that a search found
//! - `record`: one record in every format
//! - `quarantine`: one item that could not be stored as a record
//! - `form`: the forms that send commands
//! - `frame`: what surrounds the content of a page
//! - `failure`: the page that says why a request failed
//! - `components`: tables, links and times that pages share
//! - `words`: numbers, times and states in words
//! - `chart`: bar charts
//! - `assets`: style sheet and icon

mod assets;
mod chart;
mod components;
mod export;
mod failure;
mod form;
mod frame;
mod output;
mod pass;
mod quarantine;
mod record;
mod search;
mod source;
mod status;
mod words;

pub(super) use assets::*;
pub(super) use export::*;
pub(super) use output::*;
pub(super) use pass::*;
pub(super) use quarantine::*;
pub(super) use record::*;
pub(super) use search::*;
pub(super) use source::*;
pub(super) use status::*;
