//! What repositories and networks do wrong, one test for each way, against the scripted
//! repository over real HTTP: what is in the store in the end, how the run ended, and that the
//! watermark only moves as far as the repository has proven.
//!
//! The letters and numbers name the faults; `docs/faults.md` has the table of what harvestd does about the
//! commonest ones, and `matrix.rs` keeps that table true.

#![allow(
    unreachable_pub,
    reason = "what the files of this crate share is seen by them alone"
)]

mod bytes;
mod common;
mod contradictions;
mod dates;
mod deletions;
mod gaps;
mod http;
mod identify;
mod lists;
mod matrix;
mod own;
#[path = "../support/mod.rs"]
mod support;
