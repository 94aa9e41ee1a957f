//! What to ask a repository next, and the passes that ask it.
//!
//! - `plan`: what the next pass reads (pure)
//! - `reading`: what a page means for its window, and how windows end (pure)
//! - `watermark`: how far lists are proven, and where the watermark stands (pure)
//! - `span`: cutting windows (pure)
//! - `assume`: what the configuration says of a repository (pure)
//! - `adapt`: other ways to put a refused request (pure)
//! - `resume`: whether a list that was cut off is gone on with (pure)
//! - `learn`: what answers teach about a repository (pure)
//! - `blocking`: what the store does on shared threads
//! - `fetch`: one request with its tries and pauses
//! - `pace`: how often hosts are asked
//! - `commit`: the storing thread
//! - `pass`: one run over one source
//! - `run`: one run over many sources
//! - `preview`: what a pass would ask, without storing anything

mod adapt;
mod assume;
mod blocking;
mod commit;
mod fetch;
mod learn;
mod pace;
mod pass;
mod plan;
mod preview;
pub mod progress;
mod reading;
mod resume;
mod run;
pub mod settings;
mod span;
mod watermark;

pub use assume::Assumption;
pub use commit::CommitMode;
pub use fetch::host;
pub use pace::Pace;
pub use pass::{Context, DeletionPolicy, ReconcileReport, Report, definition, harvest, reconcile};
pub use plan::RunOptions;
pub use preview::{Preview, PreviewedList, preview};
pub use run::harvest_all;
pub use watermark::next_watermark;
