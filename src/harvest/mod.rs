//! Harvests repositories: chooses what to ask next, reads passes, reconciles.
//!
//! Entry points:
//!
//! - `driver`: one run over many sources, or one
//! - `reconcile`: finds records that have disappeared
//! - `preview`: shows the requests of the next pass, and stores nothing
//! - `forget`: deletes the records of a source, and what was learnt of it
//!
//! One run:
//!
//! - `plan`: the next pass over a source (pure)
//! - `run`: what one run over a source knows and may still do
//! - `pass`: reads the windows of a pass, recovers those that fail, and finishes the pass
//! - `set_names`: what the repository calls its sets
//! - `list_identifiers`: a pass over identifiers alone
//! - `requester`: one request, with its retries and pauses
//! - `commit`: stores steps while the next page is fetched
//! - `first_contact`: what answers at an address, if it is no repository
//!
//! Decisions, all pure:
//!
//! - `reading`: the verdict on each page, and how a window ends
//! - `watermark`: how far lists are proven, and where the watermark stands
//! - `resume`: how an interrupted window goes on
//! - `gaps`: which gaps are due, and gaps in words
//! - `span`: splits windows
//! - `request_form`: how requests are written for this repository
//! - `learn`: what answers teach about a repository
//! - `assume`: traits that the configuration sets
//!
//! What they share: `context`, `settings`, `progress`, `pace`, `place`, `blocking`.

mod assume;
mod blocking;
mod commit;
mod context;
mod driver;
mod first_contact;
mod forget;
mod gaps;
mod learn;
mod list_identifiers;
mod pace;
mod pass;
mod place;
mod plan;
mod preview;
pub mod progress;
mod reading;
mod reconcile;
mod request_form;
mod requester;
mod resume;
mod run;
mod set_names;
pub mod settings;
mod span;
mod watermark;

pub use assume::Assumption;
pub use commit::{CommitMode, Pool};
pub use context::Context;
pub use driver::{Report, harvest, harvest_all};
pub use first_contact::{Unreached, first_contact};
pub use forget::{Forgotten, forget};
pub use gaps::gaps_in_words;
pub use pace::Pace;
pub use place::{Place, has_room};
pub use plan::RunOptions;
pub use preview::{Preview, PreviewedList, preview};
pub use reconcile::{DeletionPolicy, ReconcileReport, reconcile};
pub use requester::host;
pub use settings::definition;
pub use watermark::proven;
