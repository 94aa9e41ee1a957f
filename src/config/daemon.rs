//! The checked keys of `[daemon]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::http::Secret;

/// The checked keys of `[daemon]`. Its `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonSettings {
    /// `listen`: where HTTP is served; port 0 is any free one.
    pub listen: SocketAddr,
    /// `max_hosts`: at most so many hosts are harvested at a time; from 1 on.
    pub max_hosts: usize,
    /// `history_days`: ended passes are forgotten after so many days; 0 keeps them all.
    pub history_days: u32,
    /// `tombstone_days`: deleted records are forgotten after so many days; 0 keeps them all.
    pub tombstone_days: u32,
    /// `search`: whether titles, DOIs and ends of identifiers can be searched.
    pub search: bool,
    /// `grace`: the time that the current page may take when the daemon stops.
    pub grace: Duration,
    /// `alert`: the program that is run when something begins to be wrong, or is right again.
    pub alert: Option<PathBuf>,
    /// `webhook`: the URL that the same is posted to, as JSON.
    pub webhook: Option<Secret>,
    /// `min_free_bytes`: with less free space where the store is, people are told.
    pub min_free_bytes: u64,
    /// `behind_after`: people are told of an output that has not had a change for so long.
    pub behind_after: Duration,
    /// `token`: what requests that change something have to bring; `None` refuses them all.
    pub token: Option<Secret>,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8017).into(),
            max_hosts: 4,
            history_days: 400,
            tombstone_days: 0,
            search: true,
            grace: Duration::from_secs(5),
            alert: None,
            webhook: None,
            min_free_bytes: 1 << 30,
            behind_after: Duration::from_secs(24 * 3600),
            token: None,
        }
    }
}
