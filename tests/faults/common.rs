//! A small world for one fault: six records on three pages, a store, and a harvester that does not
//! wait.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::http::LoggedRequest;
use crate::support::model::{Behaviour, Item, Model, Reply};
use harvestd::clock::Clock;
use harvestd::end::End;
use harvestd::harvest::progress::{Event, Progress};
use harvestd::harvest::settings::SourceSettings;
use harvestd::harvest::{CommitMode, Context, Pace, Place, Report, RunOptions, harvest};
use harvestd::http::ClientSettings;
use harvestd::oai::client::{Answer, Client, Transport};
use harvestd::oai::error::FetchError;
use harvestd::oai::{Datestamp, Request};
use harvestd::stop::stop_switch;
use harvestd::store::{
    ChangeFilter, Pass, QuarantinedItem, Reader, Source, Store, StoredRecord, WarningKind,
};

pub use crate::support::fault::Framing;
pub use crate::support::repository::Builder;
pub use crate::support::{Fault, NOW, Repository, TempStore, When, temp_store};

pub const DAY: i64 = 86_400;

/// The repository's clock at the start, which is what an undisturbed list proves.
pub const NOON: &str = "2026-06-01T12:00:00Z";

/// The identifier of record `number`.
pub fn id(number: usize) -> String {
    format!("oai:x:{number}")
}

/// When record `number` changed last: a day after the one before it, more than a year ago.
pub fn at(number: usize) -> Datestamp {
    Datestamp::from_unix(NOW - (400 - number as i64) * DAY)
}

/// The metadata of a record.
pub fn metadata(title: &str) -> Vec<(String, Arc<str>)> {
    let xml = format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title></oai_dc:dc>"
    );
    vec![("oai_dc".to_owned(), xml.into())]
}

/// Record `number`.
pub fn item(number: usize) -> Item {
    Item {
        identifier: id(number),
        datestamp: at(number),
        set_specs: Vec::new(),
        deleted: false,
        metadata: metadata(&format!("Title {number}")),
    }
}

/// A repository of `count` records in pages of `page_size`, otherwise by the book.
pub fn model(count: usize, page_size: usize) -> Model {
    let mut model = Model::new(Behaviour {
        page_size,
        ..Behaviour::plain()
    });
    (1..=count).for_each(|number| model.insert(item(number)));
    model
}

/// Six records on three pages.
pub fn six() -> Builder {
    Repository::of(model(6, 2))
}

/// A whole page by hand: these records and, unless it is `None`, this token element.
pub fn page(numbers: &[usize], token: Option<&str>) -> String {
    let records: String = numbers
        .iter()
        .map(|number| {
            let item = item(*number);
            record(
                &item.identifier,
                &at(*number).to_string(),
                &item.metadata[0].1,
            )
        })
        .collect();
    list(&format!("{records}{}", token.unwrap_or_default()))
}

/// A record by hand.
pub fn record(identifier: &str, datestamp: &str, metadata: &str) -> String {
    format!(
        "<record><header><identifier>{identifier}</identifier><datestamp>{datestamp}</datestamp>\
         </header><metadata>{metadata}</metadata></record>"
    )
}

/// A ListRecords answer around `content`.
pub fn list(content: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n\
         <OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\"><responseDate>{NOON}</responseDate>\
         <request verb=\"ListRecords\" metadataPrefix=\"oai_dc\">http://x.example/oai</request>\
         <ListRecords>{content}</ListRecords></OAI-PMH>"
    )
}

/// A token element.
pub fn token(text: &str) -> String {
    format!("<resumptionToken>{text}</resumptionToken>")
}

/// Requests that resume a list with exactly this token, decoded once.
pub fn with_token(text: &str) -> When {
    let text = text.to_owned();
    When::matching(move |request| request.argument("resumptionToken") == Some(&text))
}

/// Requests that ask for lists, also of identifiers.
pub fn lists() -> When {
    When::matching(is_list)
}

/// Requests that begin a list.
pub fn first_page() -> When {
    When::matching(|request| is_list(request) && request.argument("resumptionToken").is_none())
}

fn is_list(request: &LoggedRequest) -> bool {
    let verb = request.argument("verb");
    matches!(verb, Some("ListRecords" | "ListIdentifiers"))
}

/// Requests that resume a list.
pub fn resumption() -> When {
    When::matching(|request| request.argument("resumptionToken").is_some())
}

/// The answer with a text replaced where it has it.
pub fn swap(old: &str, new: &str) -> Fault {
    swap_bytes(old.as_bytes(), new.as_bytes())
}

/// The answer with bytes replaced where it has them.
pub fn swap_bytes(old: &[u8], new: &[u8]) -> Fault {
    let (old, new) = (old.to_vec(), new.to_vec());
    Fault::body(move |body| replace(&body, &old, &new))
}

fn replace(body: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(found) = rest.windows(old.len()).position(|bytes| bytes == old) {
        out.extend_from_slice(&rest[..found]);
        out.extend_from_slice(new);
        rest = &rest[found + old.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// What stands from `start` to the end of the first `end` after it.
pub fn part<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)?;
    let to = from + text[from..].find(end)? + end.len();
    Some(&text[from..to])
}

/// A page by hand whose token stands only in its request element.
pub fn token_in_request(numbers: &[usize], token: &str) -> Fault {
    let attribute = format!("<request resumptionToken=\"{token}\" verb");
    Fault::xml(page(numbers, None).replacen("<request verb", &attribute, 1))
}

/// The answer with Dublin Core replaced by MARC.
pub fn in_marc() -> Fault {
    Fault::body(|body| marc(&String::from_utf8(body).unwrap()).into_bytes())
}

/// A page with Dublin Core replaced by MARC.
pub fn marc(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(start) = rest.find("<oai_dc:dc") {
        let end = "</oai_dc:dc>";
        let stop = start + rest[start..].find(end).unwrap() + end.len();
        out.push_str(&rest[..start]);
        out.push_str("<record xmlns=\"http://www.loc.gov/MARC21/slim\"><leader/></record>");
        rest = &rest[stop..];
    }
    out + rest
}

/// The answer without its token element.
pub fn without_token() -> Fault {
    token_replaced(|_| String::new())
}

/// The answer with its token element, if it has one, replaced by what `change` makes of it.
pub fn token_replaced(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Fault {
    Fault::body(move |body| {
        let text = String::from_utf8(body).unwrap();
        let element = part(&text, "<resumptionToken", "</resumptionToken>")
            .or_else(|| part(&text, "<resumptionToken", "/>"));
        match element.map(str::to_owned) {
            Some(element) => text.replace(&element, &change(&element)).into_bytes(),
            None => text.into_bytes(),
        }
    })
}

/// The answer with record `number`, where it has it, stripped of its metadata.
pub fn without_metadata(number: usize) -> Fault {
    stripped(number, "<metadata>", "</metadata>")
}

/// The answer with record `number`, where it has it, stripped of its header.
pub fn without_header(number: usize) -> Fault {
    stripped(number, "<header", "</header>")
}

fn stripped(number: usize, start: &'static str, end: &'static str) -> Fault {
    let identifier = format!("<identifier>{}</identifier>", id(number));
    Fault::body(move |body| {
        let text = String::from_utf8(body).unwrap();
        let record = text
            .find(&identifier)
            .and_then(|at| text[..at].rfind("<record>"));
        let Some(at) = record else {
            return text.into_bytes();
        };
        let element = part(&text[at..], start, end).unwrap();
        format!("{}{}", &text[..at], text[at..].replacen(element, "", 1)).into_bytes()
    })
}

/// This instead of any answer to a list that shows one of these records.
pub fn instead_if_listed(numbers: &[usize], reply: Reply) -> Fault {
    let wanted: Vec<String> = numbers
        .iter()
        .map(|number| format!("<identifier>{}</identifier>", id(*number)))
        .collect();
    Fault::Transform(Arc::new(move |answer| {
        let text = String::from_utf8_lossy(&answer.body);
        if wanted.iter().any(|identifier| text.contains(identifier)) {
            reply.clone()
        } else {
            answer
        }
    }))
}

/// A reply of this status with a page of HTML.
pub fn html(status: u16) -> Reply {
    match Fault::html(status) {
        Fault::Reply(reply) => reply,
        _ => unreachable!("a page of HTML is a reply"),
    }
}

/// Notes what a pass tells.
#[derive(Default)]
pub struct Notes(Mutex<Vec<Event>>);

impl Progress for Notes {
    fn event(&self, _: &str, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A repository, a store, and one source that harvests the one into the other.
pub struct World {
    pub repository: Arc<Repository>,
    pub place: TempStore,
    pub settings: SourceSettings,
    pub now_ms: Arc<AtomicI64>,
    pub notes: Arc<Notes>,
}

impl World {
    pub async fn of(builder: Builder) -> Self {
        let repository = Arc::new(builder.start().await);
        let settings = settings("x", &repository.base_url());
        Self {
            repository,
            place: temp_store(),
            settings,
            now_ms: Arc::new(AtomicI64::new(NOW * 1000)),
            notes: Arc::default(),
        }
    }

    /// Both clocks move on.
    pub fn advance(&self, seconds: i64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
        let now = self.repository.clock().now().plus_seconds(seconds);
        self.repository.clock().set(now);
    }

    /// One run, as of a process that has just started.
    pub async fn run(&self) -> Report {
        self.run_with(&RunOptions::default()).await
    }

    pub async fn run_with(&self, options: &RunOptions) -> Report {
        let client = Client::new(&self.settings.client).unwrap();
        self.run_by(&client, options).await
    }

    pub async fn run_by(&self, transport: &impl Transport, options: &RunOptions) -> Report {
        let context = self.context();
        let report = harvest(&context, transport, &self.settings, options);
        tokio::time::timeout(Duration::from_secs(60), report)
            .await
            .expect("a run ends")
    }

    /// A run that does something just before it sends request `number`.
    pub async fn run_meddling(
        &self,
        number: usize,
        meddle: impl Fn(&Repository) + Send + Sync + 'static,
    ) -> Report {
        let transport = Meddling {
            client: Client::new(&self.settings.client).unwrap(),
            repository: self.repository.clone(),
            number,
            sent: AtomicI64::new(0),
            meddle: Box::new(meddle),
        };
        self.run_by(&transport, &RunOptions::default()).await
    }

    pub fn context(&self) -> Context {
        let (switch, stop) = stop_switch();
        // Nobody stops this run.
        drop(switch);
        Context {
            pace: Pace::default(),
            place: Place::default(),
            commit_mode: CommitMode::default(),
            store: Arc::new(Store::open(&self.place.path()).unwrap()),
            clock: Clock::Manual(self.now_ms.clone()),
            stop,
            progress: self.notes.clone(),
        }
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.place.path()).unwrap()
    }

    pub fn source(&self) -> Source {
        let sources = self.reader().sources().unwrap();
        sources
            .into_iter()
            .find(|source| source.name == self.settings.name)
            .expect("the source is stored")
    }

    /// All records of the store by identifier.
    pub fn stored(&self) -> BTreeMap<String, StoredRecord> {
        let mut records = BTreeMap::new();
        self.reader()
            .changes(&ChangeFilter::default(), |record| {
                records.insert(record.identifier.clone(), record);
                ControlFlow::Continue(())
            })
            .unwrap();
        records
    }

    /// Identifiers of live records, without what they have in common, in order.
    pub fn live(&self) -> String {
        self.identifiers(false)
    }

    /// Identifiers of tombstones, likewise.
    pub fn tombstones(&self) -> String {
        self.identifiers(true)
    }

    fn identifiers(&self, deleted: bool) -> String {
        let stored = self.stored();
        let wanted = stored
            .values()
            .filter(|record| record.deletion.is_some() == deleted);
        let short: Vec<&str> = wanted
            .map(|record| record.identifier.trim_start_matches("oai:x:"))
            .collect();
        short.join(" ")
    }

    /// The title of a stored record.
    pub fn title(&self, number: usize) -> String {
        let record = self.stored().remove(&id(number)).expect("it is stored");
        let metadata = record.metadata.unwrap_or_default();
        let element = part(&metadata, "<dc:title>", "</dc:title>").unwrap_or_default();
        element
            .trim_start_matches("<dc:title>")
            .trim_end_matches("</dc:title>")
            .to_owned()
    }

    pub fn watermark(&self) -> Option<String> {
        let source = self.source();
        source
            .least_watermark()
            .map(|watermark| watermark.datestamp.to_string())
    }

    pub fn last_pass(&self) -> Pass {
        let passes = self.reader().passes(self.source().id, 1).unwrap();
        passes.into_iter().next().expect("there was a pass")
    }

    pub fn quarantine(&self) -> Vec<QuarantinedItem> {
        self.reader().quarantine(self.source().id, 100).unwrap()
    }

    pub fn warnings(&self) -> BTreeMap<&'static str, String> {
        let warnings = self.reader().warnings(self.source().id).unwrap();
        warnings
            .into_iter()
            .map(|warning| (WarningKind::word(warning.kind), warning.message))
            .collect()
    }

    pub fn has_warning(&self, kind: WarningKind) -> bool {
        self.warnings().contains_key(kind.word())
    }

    /// An argument of each request so far that has it.
    pub fn asked(&self, name: &str) -> Vec<String> {
        let requests = self.repository.requests();
        let values = requests.iter().filter_map(|request| request.argument(name));
        values.map(str::to_owned).collect()
    }

    /// Everything is stored, and the watermark is where the repository's clock stood.
    #[track_caller]
    pub fn assert_whole(&self, report: &Report) {
        assert_eq!(report.end, End::Complete);
        assert_eq!(self.live(), "1 2 3 4 5 6");
        for number in 1..=6 {
            assert_eq!(self.title(number), format!("Title {number}"));
        }
        assert_eq!(self.watermark().as_deref(), Some(NOON));
    }

    /// The run is incomplete for a reason with all of `words`. Either nothing is proven, or the store has
    /// gaps.
    #[track_caller]
    pub fn assert_incomplete(&self, report: &Report, words: &[&str]) {
        assert_incomplete(report, words);
        let gaps = self.reader().gaps(&self.source()).unwrap();
        match report.end {
            End::GapsLeft(_) => assert!(!gaps.is_empty()),
            _ => assert_eq!(self.watermark(), None),
        }
    }
}

/// There is no repository, and the run says what is there with all of `words`. Nothing is stored.
#[track_caller]
pub fn assert_unreached(world: &World, report: &Report, words: &[&str]) {
    let Some(unreached) = &report.unreached else {
        panic!("{:?} instead of unreached: {words:?}", report.end);
    };
    for word in words {
        assert!(
            unreached.why.contains(word),
            "{word:?} is not in {:?}",
            unreached.why
        );
    }
    assert!(world.reader().sources().unwrap().is_empty());
}

/// The run did not reach its end, and says why with all of `words`.
#[track_caller]
pub fn assert_incomplete(report: &Report, words: &[&str]) {
    let (End::GapsLeft(why) | End::Incomplete(why)) = &report.end else {
        panic!("{:?} instead of incomplete: {words:?}", report.end);
    };
    for word in words {
        assert!(why.contains(word), "{word:?} is not in {why:?}");
    }
}

/// A source that waits for nothing.
pub fn settings(name: &str, base_url: &str) -> SourceSettings {
    let mut client = ClientSettings::new(base_url.parse().unwrap());
    client.contact = Some("librarian@x.example".to_owned());
    SourceSettings {
        delay: Duration::ZERO,
        retries: 1,
        retry_pause: Duration::from_millis(1),
        max_wait: Duration::from_secs(5),
        ..SourceSettings::new(name, client, "oai_dc")
    }
}

/// The real client, and something that happens before one of its requests.
struct Meddling {
    client: Client,
    repository: Arc<Repository>,
    number: usize,
    sent: AtomicI64,
    meddle: Box<dyn Fn(&Repository) + Send + Sync>,
}

impl Transport for Meddling {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        if number == self.number as i64 {
            (self.meddle)(&self.repository);
        }
        self.client.send(request).await
    }
}

/// Whether a request asks for dates.
pub fn has_dates(request: &LoggedRequest) -> bool {
    request.argument("from").is_some() || request.argument("until").is_some()
}

/// A configuration with one source `x` that waits for nothing, and these further lines for it.
pub fn config(place: &TempStore, base_url: &str, further: &str) -> String {
    let path = place.dir().join("harvestd.toml");
    let text = format!(
        "contact = \"librarian@x.example\"\n[[source]]\nname = \"x\"\nurl = \"{base_url}\"\n\
         metadata_prefix = \"oai_dc\"\ndelay = \"0s\"\nretries = 1\nretry_pause = \"1ms\"\n\
         {further}\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Waits until something holds that another task or process is about to bring about.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{what} did not come to pass");
}
