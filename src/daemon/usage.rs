//! Who harvests the OAI-PMH provider, and what they got.
//!
//! Clients are stored, so that `harvestd status` shows them, and a restart of the daemon forgets nobody.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::status::StatusRegistry;
use crate::oai::request::Verb;
use crate::provider::{Answer, ErrorCode};
use crate::store::{HarvestedPage, Harvester, Store, StoreError};

/// How often the clients are stored.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// A client that was away for longer is not told apart any more. Addresses are data of people.
const FORGET_MS: i64 = 90 * 24 * 3600 * 1000;

/// Clients that are told apart. Of more, the one that was away for longest is counted among the others.
const MAX_CLIENTS: usize = 100;

/// What the provider has answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage {
    /// Requests since the daemon started, by verb and result; the verb is `None` if the request had no right
    /// one.
    pub(super) requests: BTreeMap<(Option<&'static str>, Outcome), u64>,
    /// Records and headers since the daemon started, by verb.
    pub(super) items: BTreeMap<&'static str, u64>,
    /// Bytes of answers since the daemon started, before compression.
    pub(super) bytes: u64,
    /// The clients, the last one first, each since its first request.
    pub(super) clients: Vec<Harvester>,
    /// Clients that are not told apart any more.
    pub(super) others: Harvester,
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

/// See the module.
#[derive(Debug, Default)]
pub(super) struct UsageCounter(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    sums: Usage,
    clients: HashMap<String, Harvester>,
    /// Whether something is not stored yet.
    is_new: bool,
}

impl UsageCounter {
    /// Counts a request of a client; `None` for a request without an answer of the protocol. `bytes` is the
    /// size of the answer before compression.
    pub(super) fn count(&self, client: IpAddr, now_ms: i64, answer: Option<(&Answer, usize)>) {
        let mut counters = self.lock();
        counters.is_new = true;
        let Counters { sums, clients, .. } = &mut *counters;
        let bytes = answer.map_or(0, |(_, bytes)| bytes as u64);
        let answer = answer.map(|(answer, _)| answer);
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
        sums.bytes += bytes;
        let client = client.to_string();
        if !clients.contains_key(&client) && clients.len() >= MAX_CLIENTS {
            let oldest = clients.values().min_by_key(|usage| usage.last_ms);
            if let Some(oldest) = oldest.map(|oldest| oldest.client.clone())
                && let Some(usage) = clients.remove(&oldest)
            {
                add(&mut sums.others, usage);
            }
        }
        let usage = clients
            .entry(client)
            .or_insert_with_key(|client| Harvester {
                client: client.clone(),
                first_ms: now_ms,
                ..Harvester::default()
            });
        usage.requests += 1;
        usage.errors += u64::from(outcome != Outcome::Answered);
        usage.last_ms = now_ms;
        if let Some(verb) = verb {
            *usage.verbs.entry(verb.name().to_owned()).or_default() += 1;
            if let Some(page) = answer.and_then(|answer| answer.page.as_ref()) {
                usage.last_page = Some(HarvestedPage {
                    verb: verb.name().to_owned(),
                    items: page.cursor + page.items,
                    total: page.total,
                    token: page.token.clone(),
                });
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
        usage.clients = counters.clients.values().cloned().collect();
        usage
            .clients
            .sort_by(|a, b| (b.last_ms, &a.client).cmp(&(a.last_ms, &b.client)));
        usage
    }

    /// Takes over the clients of the last run.
    pub(super) fn load(&self, known: Vec<Harvester>) {
        let mut counters = self.lock();
        for harvester in known {
            if harvester.client.is_empty() {
                counters.sums.others = harvester;
            } else {
                counters.clients.insert(harvester.client.clone(), harvester);
            }
        }
    }

    /// Stores the clients if one has asked since the last time.
    pub(super) fn save(&self, store: &Store, now_ms: i64) -> Result<(), StoreError> {
        let all = {
            let mut counters = self.lock();
            if !std::mem::take(&mut counters.is_new) {
                return Ok(());
            }
            let Counters { sums, clients, .. } = &mut *counters;
            let away = clients.extract_if(|_, usage| usage.last_ms < now_ms - FORGET_MS);
            for (_, usage) in away {
                add(&mut sums.others, usage);
            }
            let others = (sums.others.requests > 0).then(|| sums.others.clone());
            clients.values().cloned().chain(others).collect::<Vec<_>>()
        };
        store
            .put_harvesters(&all)
            .inspect_err(|_| self.lock().is_new = true)
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores the clients from time to time. Ends only with its task.
pub(super) async fn save_always(store: Arc<Store>, registry: Arc<StatusRegistry>) {
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        let (store, registry) = (Arc::clone(&store), Arc::clone(&registry));
        let save = move || registry.usage().save(&store, registry.now_ms());
        match tokio::task::spawn_blocking(save).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{error}"),
            Err(error) => tracing::error!("storing who harvests: {error}"),
        }
    }
}

/// Adds a client to those that are not told apart.
fn add(others: &mut Harvester, other: Harvester) {
    if others.requests == 0 || other.first_ms < others.first_ms {
        others.first_ms = other.first_ms;
    }
    others.requests += other.requests;
    others.errors += other.errors;
    others.items += other.items;
    for (verb, requests) in other.verbs {
        *others.verbs.entry(verb).or_default() += requests;
    }
    if other.last_ms >= others.last_ms {
        others.last_ms = other.last_ms;
        others.last_page = other.last_page;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ListPage;

    fn answer(error: Option<ErrorCode>, items: u64) -> Answer {
        Answer {
            body: Vec::new(),
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
            counter.count(
                client(number),
                i64::from(number),
                Some((&answer(None, 5), 10)),
            );
        }
        counter.count(
            client(100),
            200,
            Some((&answer(Some(ErrorCode::NoRecordsMatch), 0), 10)),
        );
        counter.count(client(100), 201, None);
        let usage = counter.usage();
        assert_eq!(usage.clients.len(), MAX_CLIENTS);
        let last = &usage.clients[0];
        assert_eq!(last.client, "10.0.0.100");
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

    #[test]
    fn the_next_daemon_goes_on_counting() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let first = UsageCounter::default();
        let client = |number: u8| IpAddr::from([10, 0, 0, number]);
        first.count(client(1), 100, Some((&answer(None, 5), 10)));
        first.count(client(2), 200, Some((&answer(None, 7), 10)));
        first.save(&store, 300).unwrap();
        let next = UsageCounter::default();
        next.load(store.reader().unwrap().harvesters().unwrap());
        next.count(client(1), FORGET_MS + 150, None);
        // The other one was away for too long.
        next.save(&store, FORGET_MS + 250).unwrap();
        let known = store.reader().unwrap().harvesters().unwrap();
        let told: Vec<_> = known
            .iter()
            .map(|one| {
                (
                    one.client.as_str(),
                    one.requests,
                    one.errors,
                    one.items,
                    one.first_ms,
                )
            })
            .collect();
        assert_eq!(told, [("10.0.0.1", 2, 1, 5, 100), ("", 1, 0, 7, 200)]);
        // Nothing is written without need.
        store.put_harvesters(&[]).unwrap();
        next.save(&store, FORGET_MS + 250).unwrap();
        assert!(store.reader().unwrap().harvesters().unwrap().is_empty());
    }
}
