//! Who harvests the OAI-PMH provider, and what they got since the daemon started.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oai::request::Verb;
use crate::provider::{Answer, ErrorCode, ListPage};

/// Clients that are told apart. Of more, the one that was away for longest is counted among the others.
const MAX_CLIENTS: usize = 100;

/// What the provider has answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage {
    /// Requests by verb and result; the verb is `None` if the request had no right one.
    pub(super) requests: BTreeMap<(Option<&'static str>, Outcome), u64>,
    /// Records and headers, by verb.
    pub(super) items: BTreeMap<&'static str, u64>,
    /// Bytes of answers, before compression.
    pub(super) bytes: u64,
    /// The clients, the last one first.
    pub(super) clients: Vec<(IpAddr, ClientUsage)>,
    /// Clients that are not told apart any more.
    pub(super) others: ClientUsage,
}

impl Usage {
    /// The number of requests.
    pub(super) fn request_count(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The number of requests that were answered with an error, an empty list included, or not answered.
    pub(super) fn error_count(&self) -> u64 {
        let errors = self.requests.iter();
        let errors = errors.filter(|((_, outcome), _)| *outcome != Outcome::Answered);
        errors.map(|(_, requests)| requests).sum()
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// With what it asked for.
    Answered,
    /// With an error of the protocol.
    Refused(ErrorCode),
    /// With an HTTP error: too many requests at a time, or the store could not be read.
    Unavailable,
}

impl Outcome {
    /// The result in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Refused(code) => code.name(),
            Self::Unavailable => "unavailable",
        }
    }
}

/// What one client got.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ClientUsage {
    /// Requests.
    pub(super) requests: u64,
    /// Requests that were answered with an error, an empty list included.
    pub(super) errors: u64,
    /// Records and headers.
    pub(super) items: u64,
    /// Requests by verb.
    pub(super) verbs: BTreeMap<&'static str, u64>,
    /// When the last request came, in milliseconds since 1970.
    pub(super) last_ms: i64,
    /// The last page of a list.
    pub(super) last_page: Option<(Verb, ListPage)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct UsageCounter(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    sums: Usage,
    clients: HashMap<IpAddr, ClientUsage>,
}

impl UsageCounter {
    /// Counts a request of a client; `None` for a request without an answer of the protocol.
    pub(super) fn count(&self, client: IpAddr, now_ms: i64, answer: Option<&Answer>) {
        let mut counters = self.lock();
        let Counters { sums, clients } = &mut *counters;
        let verb = answer.and_then(|answer| answer.verb);
        let outcome = match answer.map(|answer| answer.error) {
            None => Outcome::Unavailable,
            Some(None) => Outcome::Answered,
            Some(Some(code)) => Outcome::Refused(code),
        };
        *sums
            .requests
            .entry((verb.map(Verb::name), outcome))
            .or_default() += 1;
        sums.bytes += answer.map_or(0, |answer| answer.body.len() as u64);
        if !clients.contains_key(&client) && clients.len() >= MAX_CLIENTS {
            let oldest = clients.iter().min_by_key(|(_, usage)| usage.last_ms);
            if let Some(oldest) = oldest.map(|(address, _)| *address)
                && let Some(usage) = clients.remove(&oldest)
            {
                sums.others.add(usage);
            }
        }
        let usage = clients.entry(client).or_default();
        usage.requests += 1;
        usage.errors += u64::from(outcome != Outcome::Answered);
        usage.last_ms = now_ms;
        if let Some(verb) = verb {
            *usage.verbs.entry(verb.name()).or_default() += 1;
            if let Some(page) = answer.and_then(|answer| answer.page) {
                usage.last_page = Some((verb, page));
                if verb != Verb::ListSets {
                    usage.items += page.items;
                    *sums.items.entry(verb.name()).or_default() += page.items;
                }
            } else if verb == Verb::GetRecord && outcome == Outcome::Answered {
                usage.items += 1;
                *sums.items.entry(verb.name()).or_default() += 1;
            }
        }
    }

    /// Everything that was counted.
    pub(super) fn usage(&self) -> Usage {
        let counters = self.lock();
        let mut usage = counters.sums.clone();
        let clients = counters.clients.iter();
        usage.clients = clients
            .map(|(address, client)| (*address, client.clone()))
            .collect();
        usage
            .clients
            .sort_by_key(|(address, client)| (std::cmp::Reverse(client.last_ms), *address));
        usage
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientUsage {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.items += other.items;
        for (verb, requests) in other.verbs {
            *self.verbs.entry(verb).or_default() += requests;
        }
        if other.last_ms >= self.last_ms {
            self.last_ms = other.last_ms;
            self.last_page = other.last_page;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: Option<ErrorCode>, items: u64) -> Answer {
        Answer {
            body: vec![0; 10],
            verb: Some(Verb::ListRecords),
            error,
            page: error.is_none().then_some(ListPage {
                items,
                ..ListPage::default()
            }),
        }
    }

    #[test]
    fn clients_are_told_apart_up_to_a_number() {
        let counter = UsageCounter::default();
        let client = |number: u8| IpAddr::from([10, 0, 0, number]);
        for number in 0..=100 {
            counter.count(client(number), i64::from(number), Some(&answer(None, 5)));
        }
        counter.count(
            client(100),
            200,
            Some(&answer(Some(ErrorCode::NoRecordsMatch), 0)),
        );
        counter.count(client(100), 201, None);
        let usage = counter.usage();
        assert_eq!(usage.clients.len(), MAX_CLIENTS);
        assert_eq!(usage.clients[0].0, client(100));
        let last = &usage.clients[0].1;
        assert_eq!((last.requests, last.errors, last.items), (3, 2, 5));
        assert_eq!(
            (usage.others.requests, usage.others.items),
            (1, 5),
            "the first one"
        );
        assert_eq!(usage.items["ListRecords"], 505);
        assert_eq!(usage.bytes, 1_020);
        let results: Vec<(&str, u64)> = usage
            .requests
            .iter()
            .map(|((_, outcome), requests)| (outcome.name(), *requests))
            .collect();
        assert_eq!(
            results,
            [("unavailable", 1), ("ok", 101), ("noRecordsMatch", 1)]
        );
    }
}
