//! The store: one SQLite file with the records of all sources, and how far each source is proven.
//!
//! - `open`: opening and checking the file, write transactions, readers
//! - `schema`: tables and migrations; `migrate`: migrating an older store
//! - `copy`: copies of the file
//! - `clock`: versions, and the rest of a pause
//! - `window`: passes and windows as types; `passes`: as rows
//! - `step`: the steps of a pass as types
//! - `pack`: preparing steps outside of transactions; `apply`: storing them in one
//! - `record_writer`: storing the records of a step; `listed`: the items of the present reading
//! - `contradiction`: which of two listed states is stored; `other_states`: the other states as rows;
//!   `resolve`: deciding about them
//! - `quarantine`: items that could not become records
//! - `payload`: compression of metadata
//! - `records`: reading single records; `changes`: the change feed
//! - `selection`: which records a reader gets; `serving`: what the store shows as a repository;
//!   `set_map`: where records of a set are
//! - `cluster`: which records describe one work
//! - `sources`: sources, watermarks, traits, warnings
//! - `set_names`: what repositories call their sets
//! - `disappeared`: records that a full list did not show
//! - `forget`: removing what is known of a source; `restore`: filling an empty store from a copy
//! - `hosts`: pauses of hosts; `harvesters`: who harvests the OAI-PMH provider
//! - `days`: what each day brought to sources and jobs; `source_list`: the list of sources for pages
//! - `jobs`: the plan and the last run of each pass, reconcile, push and export
//! - `outputs`: positions of outputs, and rejected documents
//! - `exports`: scheduled exports
//! - `alerts`: conditions that were reported, and alerts to be sent
//! - `search`: the search index beside the store
//! - `lock`: one process for each source, output and daemon
//! - `upkeep`: checks, history, checkpoints

mod alerts;
mod apply;
mod byte_lock;
mod changes;
mod clock;
mod cluster;
mod contradiction;
mod copy;
mod days;
mod disappeared;
mod error;
mod exports;
mod forget;
mod gaps;
mod harvesters;
mod hosts;
mod jobs;
mod listed;
mod lock;
mod migrate;
mod open;
mod other_states;
mod outputs;
mod pack;
mod passes;
mod payload;
mod quarantine;
mod record_writer;
mod records;
mod report;
mod resolve;
mod restore;
mod schema;
mod search;
mod selection;
mod serving;
mod set_map;
mod set_names;
mod source_list;
mod sources;
mod step;
mod upkeep;
mod window;

pub use alerts::{Condition, PendingAlert};
pub use apply::{Batch, PassWriter};
pub use changes::{ChangeFilter, Per};
pub use clock::{Version, pause_left};
pub(crate) use cluster::match_keys;
pub use cluster::{
    COMPARED_FIELDS, Cluster, ClusterFilter, ClusterName, ClusterState, ClusterStats, Clustering,
    Compared, Decision, Imported, ImportedCluster, Judgement, Member, Origin, Pair, PairFilter,
    Rebuilt, RecentCluster, RecordId, Review, ReviewPair, ReviewedRule, Sample, SampleFilter,
    Standing, describe_metadata,
};
pub use days::{RunDay, day_of};
pub use error::StoreError;
pub use exports::{Export, ExportRun};
pub use forget::Removed;
pub use harvesters::{HarvestedPage, Harvester};
pub use hosts::HostPause;
pub use jobs::{Health, Job, JobChange, JobKey, JobKind, JobOutcome, JobPlan, JobState, Runner};
pub use lock::{DaemonLock, OutputLock, SourceLock};
pub use migrate::Migration;
pub use open::{Reader, Store};
pub use outputs::{Delivery, Output, OutputId, RejectedDocument};
pub use pack::{PackedStep, PassPacker};
pub use passes::{Day, WindowCounts};
pub use quarantine::QuarantinedItem;
pub use records::{Deletion, OtherRecord, RecordState, RepairedRecord, StoredRecord};
pub use report::PeriodTotals;
pub use restore::{RestoredRecord, RestoredSource, Restoring};
pub use search::{FollowResult, Found, FoundBy, IndexState, MatchCounts, Query, SearchIndex};
pub use selection::set_of_source;
pub use serving::{Served, ServedRecord, ServedSource, ServingClock, ServingState};
pub use set_map::{SetMap, with_ancestors};
pub use source_list::{
    Listed as SourceList, NewRecord, QuarantineGroup, SourceListOrder, SourceListQuery, SourceRow,
    SourceState, StateCounts,
};
pub use sources::{
    Head, Source, SourceDefinition, SourceId, SourceTotals, Traits, Warning, WarningKind, Watermark,
};
pub use step::{Applied, Cost, Counts, PageOrder, PageStep, Step};
pub use upkeep::Verified;
pub use window::{
    Ending, Gap, ListState, NewWindow, Pass, PassId, PassKind, PassState, Place, ProofRule, Proven,
    Span, Window, WindowId, WindowState,
};
