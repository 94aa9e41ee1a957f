//! The OAI-PMH provider: who harvests it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::time::Timestamp;
use crate::daemon::usage::Usage;
use crate::store::Harvester;

/// The use of the OAI-PMH provider. The sums are since the daemon started, those of a client since its first
/// request.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Provider {
    /// Requests.
    requests: u64,
    /// Requests that were answered with an error of the protocol, or not answered.
    errors: u64,
    /// Records and headers in answers.
    items: u64,
    /// Bytes of answers, before compression.
    bytes: u64,
    /// The clients, the last one first; 100 at most.
    clients: Vec<ProviderClient>,
}

/// A client of the OAI-PMH provider.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct ProviderClient {
    /// The address, or the network of 64 bits of version 6.
    #[schema(example = "192.0.2.7")]
    address: String,
    /// Requests.
    requests: u64,
    /// Requests that were answered with an error of the protocol, or not answered.
    errors: u64,
    /// Records and headers in answers.
    items: u64,
    /// Requests by verb.
    verbs: BTreeMap<String, u64>,
    /// The first request.
    first_at: Timestamp,
    /// The last request.
    last_at: Timestamp,
    /// The last page of a list; null if there was none.
    last_page: Option<ProviderPage>,
}

/// How far a client has read a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct ProviderPage {
    #[schema(example = "ListRecords")]
    verb: String,
    /// Items of the list up to the end of the page.
    items: u64,
    /// Items of the list; null if that is not known.
    total: Option<u64>,
    /// Whether it is the last page.
    is_last: bool,
    /// The resumption token on the page; null on the last page.
    token: Option<String>,
}

impl From<Usage> for Provider {
    fn from(usage: Usage) -> Self {
        Self {
            requests: usage.request_count(),
            errors: usage.error_count(),
            items: usage.items.values().sum(),
            bytes: usage.bytes,
            clients: usage.clients.into_iter().map(client).collect(),
        }
    }
}

fn client(usage: Harvester) -> ProviderClient {
    ProviderClient {
        address: usage.client,
        requests: usage.requests,
        errors: usage.errors,
        items: usage.items,
        verbs: usage.verbs,
        first_at: Timestamp::from_ms(usage.first_ms),
        last_at: Timestamp::from_ms(usage.last_ms),
        last_page: usage.last_page.map(|page| ProviderPage {
            verb: page.verb,
            items: page.items,
            total: page.total,
            is_last: page.token.is_none(),
            token: page.token,
        }),
    }
}
