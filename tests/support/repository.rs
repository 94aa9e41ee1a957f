//! The scripted repository: a model on a loopback port, with faults where the script has them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use harvestd::demo::{Item, Reply, Size, articles};
use harvestd::oai::Datestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::clock::Clock;
use super::fault::{Fault, When};
use super::http::{self, LoggedRequest};
use super::model::{Behaviour, Model};

/// 2026-06-01T12:00:00Z, where the clock of a scripted repository stands unless told otherwise.
pub const NOW: i64 = 1_780_315_200;

/// A running scripted repository; it stops with the value.
pub struct Repository {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// A repository and its script, before it runs.
pub struct Builder {
    model: Model,
    clock: Clock,
    rules: Vec<Rule>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    model: Model,
    rules: Vec<Rule>,
    requests: Vec<LoggedRequest>,
    /// Pages of the present list that were delivered.
    delivered: usize,
}

struct Rule {
    when: When,
    fault: Fault,
    /// How often it still applies.
    left: usize,
}

impl Repository {
    /// A repository by the book with so many articles in pages of 100, `oai_doaj` and `oai_dc`:
    /// the first changed 400 days before [`NOW`], each a minute after the one before.
    pub fn with_records(count: usize) -> Builder {
        let mut model = Model::new(Behaviour::plain());
        let first = Datestamp::from_unix(NOW - 400 * 86_400);
        for (number, article) in articles(count, 1, Size::Demo).enumerate() {
            let at = first.plus_seconds(60 * number as i64);
            model.insert(article.into_item(at, &["oai_doaj", "oai_dc"]));
        }
        Self::of(model)
    }

    /// A repository that holds and does what `model` does.
    pub fn of(model: Model) -> Builder {
        Builder {
            model,
            clock: Clock::at(Datestamp::from_unix(NOW)),
            rules: Vec::new(),
        }
    }

    /// A repository whose every list is the page in `file`, made a complete list by emptying its
    /// token. Other verbs are answered by an empty model.
    pub fn serving_file(file: impl AsRef<Path>) -> Builder {
        let file = file.as_ref();
        let page = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", file.display()));
        let page = match (
            page.rfind("<resumptionToken"),
            page.rfind("</resumptionToken>"),
        ) {
            (Some(start), Some(end)) => {
                let open = start + page[start..].find('>').expect("a start tag ends") + 1;
                format!("{}{}", &page[..open], &page[end..])
            }
            _ => page,
        };
        Self::of(Model::new(Behaviour::plain())).always(When::matching(is_list), Fault::xml(page))
    }

    /// The base URL to harvest.
    pub fn base_url(&self) -> String {
        base_url(self.address)
    }

    /// Stops all faults, for good.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// Adds a fault that stays until [`Repository::heal`].
    pub fn break_with(&self, when: When, fault: Fault) {
        self.state().rules.push(Rule {
            when,
            fault,
            left: usize::MAX,
        });
    }

    /// The requests so far, spoiled ones included, in the order in which they arrived.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.state().requests.clone()
    }

    /// How many requests had this verb.
    pub fn count(&self, verb: &str) -> usize {
        let state = self.state();
        let asked = |request: &&LoggedRequest| request.argument("verb") == Some(verb);
        state.requests.iter().filter(asked).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    /// Looks into the model or changes it, between requests.
    pub fn with_model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.state().model)
    }

    /// What a harvester without a key should have by now, in order of identifier.
    pub fn visible(&self) -> Vec<Item> {
        let now = self.shared.clock.now();
        self.with_model(|model| model.visible(now))
    }

    /// The repository's clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Builder {
    /// Items on a page.
    pub fn page_size(self, page_size: usize) -> Self {
        self.behaving(|behaviour| behaviour.page_size = page_size)
    }

    /// Behaves as DOAJ does, with its clamp and its pages of 300.
    pub fn like_doaj(self) -> Self {
        self.behaving(|behaviour| *behaviour = Behaviour::doaj())
    }

    /// Changes how it behaves.
    pub fn behaving(mut self, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(&mut self.model.behaviour);
        self
    }

    /// Goes by this clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Answers 503 to whatever asks for a page of a list after the nth, until healed.
    pub fn failing_after_page(self, page: usize) -> Self {
        self.always(When::AfterPage(page), Fault::unavailable(None))
    }

    /// Adds a fault that stays until [`Repository::heal`]. Of several that apply, the first does.
    pub fn always(self, when: When, fault: Fault) -> Self {
        self.times(usize::MAX, when, fault)
    }

    /// Adds a fault that happens once.
    pub fn once(self, when: When, fault: Fault) -> Self {
        self.times(1, when, fault)
    }

    /// Adds a fault that happens so many times.
    pub fn times(mut self, times: usize, when: When, fault: Fault) -> Self {
        self.rules.push(Rule {
            when,
            fault,
            left: times,
        });
        self
    }

    /// Listens on a free loopback port.
    pub async fn start(mut self) -> Repository {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("the system has a free loopback port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        self.model.set_base_url(base_url(address));
        let shared = Arc::new(Shared {
            clock: self.clock,
            state: Mutex::new(State {
                model: self.model,
                rules: self.rules,
                requests: Vec::new(),
                delivered: 0,
            }),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Repository {
            address,
            shared,
            accepting,
        }
    }
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/oai")
}

/// Serves each connection in a task of its own; they end with this one.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut rest = Vec::new();
    // A client that breaks the connection ends it; that is all there is to say of it.
    while let Ok(Some(request)) = http::read_request(&mut stream, &mut rest).await {
        let (reply, fault) = shared.answer(request);
        let unix = u64::try_from(shared.clock.now().unix()).unwrap_or_default();
        let date = UNIX_EPOCH + Duration::from_secs(unix);
        match http::send(&mut stream, &reply, fault.as_ref(), date).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test holds the lock while it fails")
    }

    /// The reply to a request, and what is to happen to it on its way.
    fn answer(&self, request: LoggedRequest) -> (Reply, Option<Fault>) {
        let mut state = self.state();
        let page = is_list(&request).then(|| match request.argument("resumptionToken") {
            None => 1,
            Some(_) => state.delivered + 1,
        });
        let number = state.requests.len() + 1;
        let rule = state
            .rules
            .iter_mut()
            .find(|rule| rule.left > 0 && rule.when.holds(&request, number, page));
        let fault = rule.map(|rule| {
            rule.left -= 1;
            rule.fault.clone()
        });
        if let Some(page) = page.filter(|_| fault.as_ref().is_none_or(Fault::delivers)) {
            state.delivered = page;
        }
        let reply = match &fault {
            Some(Fault::Reply(reply)) => reply.clone(),
            Some(Fault::Answer(answer)) => answer(&request),
            other => {
                let answer = state.model.answer(&request.arguments, self.clock.now());
                match other {
                    Some(Fault::Transform(change)) => change(answer),
                    _ => answer,
                }
            }
        };
        state.requests.push(request);
        (reply, fault)
    }
}

fn is_list(request: &LoggedRequest) -> bool {
    matches!(
        request.argument("verb"),
        Some("ListRecords" | "ListIdentifiers")
    )
}
