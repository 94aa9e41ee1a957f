//! Clusters of records that describe one work, updated with each change of a record.
//!
//! - `state`: whether records are clustered, and whether the clusters are up to date
//! - `describe`: descriptions, the part of a record that is compared
//! - `keys`: the index of match keys
//! - `graph`: links between records, by rules and by decisions
//! - `update`: updating the clusters after records have changed
//! - `naming`: members, names and ranks as rows
//! - `rebuild`: the rebuild of all clusters; `renew`: of clusters that are up to date
//! - `decide`: decisions of a person about pairs of records
//! - `imports`: clusters that another program found
//! - `read`: reading clusters
//! - `links`: the matches that hold clusters together; `sample`: samples of them
//! - `review`: a sample that people judge, kept in the store

mod decide;
mod describe;
mod graph;
mod imports;
mod keys;
mod links;
mod naming;
mod read;
mod rebuild;
mod renew;
mod review;
mod sample;
mod state;
mod update;

pub use decide::{Decision, Judgement};
pub use describe::describe_metadata;
pub use imports::{Imported, ImportedCluster, Origin};
pub use read::{
    Cluster, ClusterFilter, ClusterName, ClusterStats, Member, RecentCluster, RecordId, Standing,
};
pub use rebuild::Rebuilt;
pub use review::{PairFilter, Review, ReviewPair, ReviewedRule};
pub use sample::{COMPARED_FIELDS, Compared, Pair, Sample, SampleFilter};
pub use state::{ClusterState, Clustering};

pub(crate) use describe::match_keys;
pub(super) use describe::{PackedDescription, describe_record};
pub(super) use keys::{RecentKeys, index_all};
pub(super) use read::{Peer, metadata_of, peers_of, require_current};
pub(super) use update::{ChangedRecord, Clusters, stamp};
