//! The store: one SQLite file that holds what the repositories showed, and how far they proved it.
//!
//! - `open`: opening, creating, checking and closing the file
//! - `schema`: tables and migrations
//! - `clock`: versions, and what is left of pauses
//! - `ledger`: passes and windows as types, `passes` as rows
//! - `step`: what a pass finds out, as types
//! - `pack`: such steps made ready, `apply`: written in transactions
//! - `payload`: compression of metadata
//! - `identifiers`: which records have an identifier, `runs`: an index of hashes that is written in bulk
//! - `cluster`: which records are one work
//! - `sources`: sources, watermarks, traits, warnings
//! - `records`: reading records and changes
//! - `vanished`: what a full list did not show
//! - `hosts`: how long to leave a host alone
//! - `outputs`: positions of outputs, and what they did not take
//! - `exports`: files that are written by schedule
//! - `alerts`: what people were told and are still to be told
//! - `search`: the search index beside the store
//! - `lock`: one process for each source and each output
//! - `upkeep`: copies, checks, history

mod alerts;
mod apply;
mod clock;
mod cluster;
mod error;
mod exports;
mod hosts;
mod identifiers;
mod ledger;
mod listed;
mod lock;
mod open;
mod outputs;
mod pack;
mod passes;
mod payload;
mod records;
mod runs;
mod schema;
mod search;
mod selection;
mod sources;
mod step;
mod upkeep;
mod vanished;

pub use alerts::{Condition, PendingAlert};
pub use apply::PassWriter;
pub use clock::{Version, pause_left};
pub use cluster::{
    Cluster, ClusterFilter, ClusterName, ClusterState, ClusterStats, Clustering, Decision,
    Judgement, Member, Rebuilt, RecordId,
};
pub use error::StoreError;
pub use exports::{Export, Exported};
pub use hosts::HostPause;
pub use ledger::{
    Ending, ListState, NewWindow, NextWatermark, Pass, PassId, PassKind, PassState, Place, Span,
    UnchangedBecause, WatermarkRule, Window, WindowId, WindowState,
};
pub use lock::{DaemonLock, OutputLock, SourceLock};
pub use open::{Reader, Store};
pub use outputs::{Delivery, Output, OutputId, RejectedDocument};
pub use pack::{PackedStep, PassPacker};
pub use passes::{Day, WindowCounts};
pub use records::{
    ChangeFilter, Deletion, Mended, OtherRecord, Per, QuarantinedItem, RecordState, StoredRecord,
};
pub use search::{Followed, Found, FoundBy, IndexState, Query, SearchIndex};
pub use selection::set_of_source;
pub use sources::{Source, SourceDefinition, SourceId, Traits, Warning, WarningKind, Watermark};
pub use step::{Applied, Cost, Counts, PageStep, Step};
pub use upkeep::Verified;
