//! Pages for people: HTML that works without scripts. The templates escape every text, so a title from a
//! repository stays a text.
//!
//! - `status`: the verdict, the outputs in short, and the list of sources
//! - `source`: one source and its commands; `learnt`: what is known of its repository, in sentences
//! - `pass`: one pass and its windows
//! - `outputs`: all outputs and exports; `provider`: who harvests the OAI-PMH provider
//! - `output`: one output and the documents that it rejected
//! - `export`: one scheduled export
//! - `search`: the records that a search found
//! - `record`: one record in every format; `prose`: abstracts without markup; `highlight`: XML in colours
//! - `quarantine`: the items that could not be stored as records
//! - `duplicates`: the works that have several records; `review`: judging a sample of their matches
//! - `api`: where programs find what
//! - `sign_in`: signing in and out
//! - `form`: the forms that send commands
//! - `frame`: what surrounds the content of a page
//! - `failure`: the page that says why a request failed
//! - `verdict`: whether something is wrong, what, and since when
//! - `strip`: the last 30 days of a job in one line
//! - `chart`: the records of each day
//! - `visitor`: who looks at a page, and when
//! - `components`: tables, links and badges that pages share
//! - `words`: numbers, sizes and states in words
//! - `assets`: style sheet, script and icons

mod api;
mod assets;
mod chart;
mod components;
mod duplicates;
mod export;
mod failure;
mod form;
mod frame;
mod highlight;
mod learnt;
mod output;
mod outputs;
mod pass;
mod prose;
mod provider;
mod quarantine;
mod record;
mod review;
mod search;
mod sign_in;
mod source;
mod status;
mod strip;
mod verdict;
mod visitor;
mod words;

pub(super) use api::*;
pub(super) use assets::*;
pub(super) use duplicates::*;
pub(super) use export::*;
pub(super) use failure::page_of;
pub(super) use output::*;
pub(super) use outputs::*;
pub(super) use pass::*;
pub(super) use quarantine::*;
pub(super) use record::*;
pub(super) use review::*;
pub(super) use search::*;
pub(super) use sign_in::*;
pub(super) use source::*;
pub(super) use status::*;
