//! Deduplication in the store: which records form a cluster, kept up to date with each change.
//!
//! - `state`: whether clusters are kept, and whether they are up to date
//! - `keys`: the index of match keys
//! - `graph`: which records the rules or people tie to a record
//! - `seen`: what is made of a record before it is stored
//! - `settle`: what a change of records makes of clusters
//! - `naming`: members, names and ranks as rows
//! - `rebuild`: all clusters anew
//! - `decide`: decisions of people
//! - `read`: clusters for people and outputs

mod decide;
mod graph;
mod keys;
mod naming;
mod read;
mod rebuild;
mod seen;
mod settle;
mod state;

pub use decide::{Decision, Judgement};
pub use read::{Cluster, ClusterFilter, ClusterName, ClusterStats, Member, RecordId};
pub use rebuild::Rebuilt;
pub use state::{ClusterState, Clustering};

pub(super) use keys::Recent;
pub(super) use read::{Peer, metadata_of, peers_of, require_current};
pub(super) use seen::{Seen, seen_of};
pub(super) use settle::{Clusters, Touched, stamp};
