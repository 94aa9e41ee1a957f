//! Indices for tests: one that this process imitates, and a real Solr.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use url::form_urlencoded;

/// The reason why a document is refused, in Solr's words; `None` if it is accepted.
type Poison = Box<dyn Fn(&Value) -> Option<String> + Send>;

/// Documents by their ids.
pub type Documents = BTreeMap<String, Value>;

/// The documents and the script of the imitated index.
#[derive(Default)]
pub struct Played {
    /// The documents of its core `biblio` by their ids.
    pub documents: Documents,
    /// The documents of its other cores or collections.
    pub others: BTreeMap<String, Documents>,
    /// The aliases, each with its collection; `None` for a server without ZooKeeper.
    pub aliases: Option<BTreeMap<String, String>>,
    /// The answers to the next updates, which are not carried out: status and body.
    pub scripted: VecDeque<(u16, String)>,
    /// All updates after this many are answered as if the index were down.
    pub gone_after: Option<usize>,
    /// The update at which the index crashes.
    pub crash: Option<Crash>,
    /// Larger messages are refused as too large.
    pub most_bytes: Option<usize>,
    /// Whether the other documents of a message are added if one is refused.
    pub tolerant: bool,
    /// How long each update takes.
    pub slowness: Option<Duration>,
    /// The documents of the updates in flight; the most updates that were in flight.
    under_way: Vec<Vec<String>>,
    pub most_at_once: usize,
    /// Whether a document arrived while another state of it was in flight.
    pub met_itself: bool,
    /// The answer to changes of cores and collections, which are not carried out.
    pub admin_fails: Option<(u16, String)>,
    /// Whether changes of cores are made, and their confirmation is lost.
    pub admin_is_silent: bool,
    /// The ids in each update that was carried out; deletions have a minus.
    pub updates: Vec<Vec<String>>,
    /// The values of `commitWithin`.
    pub commit_within: Vec<Option<String>>,
    /// The headers `Authorization`.
    pub authorization: Vec<Option<String>>,
    poison: Option<Poison>,
}

/// How an index crashes during an update.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// The number of updates before that one.
    pub after: usize,
    /// The part of its commands that is carried out, from 0 to 1.
    pub share: f64,
    /// Whether the request hangs, so that the client can be killed meanwhile.
    pub hangs: bool,
}

/// An index that behaves as a real Solr did when it was measured.
pub struct FakeSolr {
    /// The address of its core.
    pub url: String,
    /// Tells when an update hangs.
    pub hung: Arc<Notify>,
    played: Arc<Mutex<Played>>,
}

impl FakeSolr {
    /// Listens on a free loopback port.
    pub async fn start() -> Self {
        let played = Arc::new(Mutex::new(Played::default()));
        let hung = Arc::new(Notify::new());
        let app = Router::new()
            .fallback(answer)
            .with_state((Arc::clone(&played), Arc::clone(&hung)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/solr/biblio", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, hung, played }
    }

    /// Its documents and its script.
    pub fn state(&self) -> MutexGuard<'_, Played> {
        self.played.lock().unwrap()
    }

    /// Refuses documents for which `poison` gives a reason.
    pub fn poison(&self, poison: impl Fn(&Value) -> Option<String> + Send + 'static) {
        self.state().poison = Some(Box::new(poison));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.poison = None;
        state.scripted.clear();
        state.gone_after = None;
        state.crash = None;
    }

    /// The ids of its documents.
    pub fn ids(&self) -> Vec<String> {
        self.state().documents.keys().cloned().collect()
    }
}

async fn answer(
    State((played, hung)): State<(Arc<Mutex<Played>>, Arc<Notify>)>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let slow = played.lock().unwrap().begins(&head, &body);
    if let Some((ids, slowness)) = slow {
        tokio::time::sleep(slowness).await;
        played.lock().unwrap().ends(&ids);
    }
    let answer = played.lock().unwrap().answer(&head, &body);
    match answer {
        Some(answer) => answer,
        None => {
            hung.notify_one();
            std::future::pending().await
        }
    }
}

impl Played {
    /// `None` for no answer at all.
    fn answer(&mut self, head: &Parts, body: &[u8]) -> Option<Response> {
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let path = head.uri.path().strip_prefix("/solr/").unwrap_or_default();
        let (core, handler) = path.split_once('/').unwrap_or_default();
        if core == "admin" {
            return Some(self.admin(handler, &form.into_iter().collect()));
        }
        if handler == "update"
            && let Some(crash) = self.crash_is_due()
        {
            self.apply_part(std::str::from_utf8(body).unwrap(), crash.share);
            return (!crash.hangs).then(|| html(503));
        }
        let aliases = self.aliases.iter().flatten();
        let real = aliases.clone().find(|(name, _)| *name == core);
        let core = real.map_or(core, |(_, real)| real).to_owned();
        // From here on, `documents` are those of the requested core.
        let Some(documents) = self.take(&core) else {
            return Some(html(404));
        };
        let live = std::mem::replace(&mut self.documents, documents);
        let answer = self.of_core(handler, head, &query, &form, body);
        let documents = std::mem::replace(&mut self.documents, live);
        self.put(&core, documents);
        Some(answer)
    }

    fn crash_is_due(&mut self) -> Option<Crash> {
        let crash = self.crash.as_mut()?;
        match crash.after {
            0 => self.crash.take(),
            _ => {
                crash.after -= 1;
                None
            }
        }
    }

    /// Carries out the first commands of an update, as an index that crashes does.
    fn apply_part(&mut self, message: &str, share: f64) {
        let commands = commands(message);
        let some = (commands.len() as f64 * share) as usize;
        for command in &commands[..some] {
            if self.command(command).is_err() {
                return;
            }
        }
    }

    /// Carries out one command; the error is the reason of a refusal.
    fn command(&mut self, command: &Value) -> Result<(), String> {
        let Some(document) = command["add"].get("doc") else {
            self.documents
                .remove(command["delete"]["id"].as_str().unwrap());
            return Ok(());
        };
        if let Some(reason) = self.poison.as_ref().and_then(|poison| poison(document)) {
            return Err(reason);
        }
        let id = document["id"].as_str().unwrap().to_owned();
        self.documents.insert(id, document.clone());
        Ok(())
    }
}

impl Played {
    fn of_core(
        &mut self,
        handler: &str,
        head: &Parts,
        query: &BTreeMap<String, String>,
        form: &[(String, String)],
        body: &[u8],
    ) -> Response {
        let played = self;
        match handler {
            "update" => {
                let header = |name| {
                    head.headers
                        .get(name)
                        .map(|value| value.to_str().unwrap().to_owned())
                };
                assert_eq!(head.method, Method::POST);
                let authorization = header("authorization");
                played.authorization.push(authorization);
                played
                    .commit_within
                    .push(query.get("commitWithin").cloned());
                if head.headers[CONTENT_TYPE] != "application/json" {
                    return json_answer(200, &json!({"responseHeader": {"status": 0}}));
                }
                played.update(std::str::from_utf8(body).unwrap())
            }
            "get" => {
                let wanted = form.iter().filter(|(name, _)| name == "id");
                let found: Vec<&Value> = wanted
                    .clone()
                    .filter_map(|(_, id)| played.documents.get(id))
                    .collect();
                let answer = match wanted.count() {
                    1 => json!({"doc": found.first()}),
                    _ => json!({"response": {"docs": found}}),
                };
                let with_header = form.contains(&("omitHeader".to_owned(), "false".to_owned()));
                json_answer(200, &if with_header { done(answer) } else { answer })
            }
            "select" => played.select(form),
            "schema" => {
                let field = |name: &str| json!({"name": name, "type": "strings", "stored": true});
                let schema = json!({
                    "uniqueKey": "id",
                    "fieldTypes": [{"name": "strings", "multiValued": true}],
                    "fields": harvestd::output::vufind::FIELDS.iter().map(|(name, _)| field(name))
                        .collect::<Vec<_>>(),
                    "dynamicFields": [field("*_str")],
                });
                json_answer(200, &done(json!({ "schema": schema })))
            }
            _ => html(404),
        }
    }

    /// Notes the begin of a slow update.
    fn begins(&mut self, head: &Parts, body: &[u8]) -> Option<(Vec<String>, Duration)> {
        let slowness = self.slowness?;
        if !head.uri.path().ends_with("/update") {
            return None;
        }
        let message = std::str::from_utf8(body).unwrap();
        let ids: Vec<String> = commands(message).iter().map(id_of_command).collect();
        self.met_itself |= self.under_way.iter().flatten().any(|id| ids.contains(id));
        self.under_way.push(ids.clone());
        self.most_at_once = self.most_at_once.max(self.under_way.len());
        Some((ids, slowness))
    }

    fn ends(&mut self, ids: &[String]) {
        let place = self.under_way.iter().position(|under_way| under_way == ids);
        self.under_way.remove(place.unwrap());
    }

    fn take(&mut self, core: &str) -> Option<Documents> {
        match core {
            "biblio" if self.aliases.is_none() => Some(std::mem::take(&mut self.documents)),
            _ => self.others.remove(core),
        }
    }

    fn put(&mut self, core: &str, documents: Documents) {
        match core {
            "biblio" if self.aliases.is_none() => self.documents = documents,
            _ => drop(self.others.insert(core.to_owned(), documents)),
        }
    }

    /// SWAP for cores, aliases for collections.
    fn admin(&mut self, handler: &str, arguments: &BTreeMap<String, String>) -> Response {
        if let (Some((status, body)), true) =
            (&self.admin_fails, arguments["action"] != "LISTALIASES")
        {
            let status = StatusCode::from_u16(*status).unwrap();
            return (status, body.clone()).into_response();
        }
        let refused = |message: &str| {
            let error = json!({"msg": message, "code": 400});
            json_answer(
                400,
                &json!({"responseHeader": {"status": 400}, "error": error}),
            )
        };
        match (handler, arguments["action"].as_str(), &mut self.aliases) {
            ("collections", _, None) => refused("Solr instance is not running in SolrCloud mode."),
            ("collections", "LISTALIASES", Some(aliases)) => {
                json_answer(200, &done(json!({ "aliases": aliases })))
            }
            ("collections", "CREATEALIAS", Some(aliases)) => {
                aliases.insert(arguments["name"].clone(), arguments["collections"].clone());
                json_answer(200, &done(json!({})))
            }
            ("cores", "SWAP", None) => {
                let names = [&arguments["core"], &arguments["other"]];
                let both: Vec<_> = names.iter().map(|name| self.take(name)).collect();
                let [Some(one), Some(other)] = &both[..] else {
                    return refused("No such core");
                };
                self.put(names[0], other.clone());
                self.put(names[1], one.clone());
                match self.admin_is_silent {
                    true => html(503),
                    false => json_answer(200, &done(json!({}))),
                }
            }
            _ => refused("not played"),
        }
    }
}

fn done(mut answer: Value) -> Value {
    answer["responseHeader"] = json!({"status": 0});
    answer
}

fn json_answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

fn html(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body = format!("<html><body><h2>HTTP ERROR {status}</h2></body></html>");
    (status, [(CONTENT_TYPE, "text/html")], body).into_response()
}

impl Played {
    fn update(&mut self, message: &str) -> Response {
        if self
            .gone_after
            .is_some_and(|most| self.updates.len() >= most)
        {
            return html(503);
        }
        if let Some((status, body)) = self.scripted.pop_front() {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, body).into_response();
        }
        if self.most_bytes.is_some_and(|most| message.len() > most) {
            return html(413);
        }
        let commands = commands(message);
        self.updates
            .push(commands.iter().map(id_of_command).collect());
        let mut errors = Vec::new();
        for command in &commands {
            let Err(reason) = self.command(command) else {
                continue;
            };
            if !self.tolerant {
                return json_answer(400, &json!({"error": {"msg": reason, "code": 400}}));
            }
            let id = id_of_command(command);
            errors.push(json!({"type": "ADD", "id": id, "message": reason}));
        }
        json_answer(
            200,
            &json!({"responseHeader": {"status": 0, "errors": errors}}),
        )
    }

    /// Documents in the order of ids whose ids start as the filter says, from the cursor on.
    fn select(&self, form: &[(String, String)]) -> Response {
        let argument = |name: &str| {
            let found = form.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let cursor = argument("cursorMark");
        let filter = argument("fq").replace('\\', "");
        let prefixes: Vec<&str> = filter
            .split(" OR ")
            .map(|query| query.trim_start_matches("id:").trim_end_matches('*'))
            .collect();
        let found = self
            .documents
            .iter()
            .filter(|(id, _)| prefixes.iter().any(|prefix| id.starts_with(prefix)));
        let page: Vec<&Value> = found
            .clone()
            .filter(|(id, _)| cursor == "*" || id.as_str() > cursor)
            .map(|(_, document)| document)
            .take(argument("rows").parse().unwrap())
            .collect();
        let next = page
            .last()
            .map_or(cursor, |document| document["id"].as_str().unwrap());
        let response = json!({"numFound": found.count(), "docs": page});
        let body = json!({"response": response, "nextCursorMark": next});
        json_answer(200, &done(body))
    }
}

/// The commands of a message. Keys are repeated, so it is read line by line: one command each.
pub fn commands(message: &str) -> Vec<Value> {
    let lines = message.lines().filter(|line| line.starts_with('"'));
    let command = |line: &str| {
        let command = format!("{{{}}}", line.trim_end_matches(','));
        serde_json::from_str(&command).unwrap()
    };
    lines.map(command).collect()
}

fn id_of_command(command: &Value) -> String {
    match command["add"]["doc"]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("-{}", command["delete"]["id"].as_str().unwrap()),
    }
}

/// A real Solr. It ends when the value is dropped.
pub struct RealSolr {
    /// The address of its core.
    pub url: String,
    configuration: PathBuf,
    server: Child,
    home: TempDir,
}

impl RealSolr {
    /// Starts a core with this configuration; `None`, with a message, if `tests/solr/prepare` has not made
    /// the server.
    pub async fn start(configuration: PathBuf) -> Option<Self> {
        Self::start_as(configuration, &[]).await
    }

    /// Starts a SolrCloud of one node, whose `biblio` is an alias of the collection `biblio_1`.
    pub async fn start_cloud(configuration: PathBuf) -> Option<Self> {
        Self::start_as(configuration, &["cloud"]).await
    }

    async fn start_as(configuration: PathBuf, more: &[&str]) -> Option<Self> {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/solr/run");
        if !run.exists() {
            eprintln!("SKIPPED: NO REAL SOLR TO TEST AGAINST; tests/solr/prepare makes it");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let server = Command::new(run)
            .arg(&configuration)
            .arg(home.path())
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut solr = Self {
            url: String::new(),
            configuration,
            server,
            home,
        };
        solr.is_ready().await;
        Some(solr)
    }

    async fn is_ready(&mut self) {
        let stdout = self.server.stdout.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            line.trim().to_owned()
        });
        self.url = reading.await.unwrap();
        assert!(
            self.url.starts_with("http://"),
            "Solr did not start: {:?}",
            self.url
        );
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again after a kill, with the same port and data.
    pub async fn start_again(&mut self) {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/solr/run");
        let url: url::Url = self.url.parse().unwrap();
        self.server = Command::new(run)
            .arg(&self.configuration)
            .arg(self.home.path())
            .env("SOLR_PORT", url.port().unwrap().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        self.is_ready().await;
        self.has_replayed().await;
    }

    /// Waits until the cores have replayed their update logs. Before that they answer without the last
    /// acknowledged updates.
    async fn has_replayed(&self) {
        const ACTIVE: u64 = 3;
        for _ in 0..600 {
            let answer = self
                .post("../admin/metrics?group=core&prefix=TLOG.state", "")
                .await;
            let cores = answer["metrics"].as_object().unwrap();
            assert!(!cores.is_empty(), "no core has an update log: {answer}");
            if cores.values().all(|core| core["TLOG.state"] == ACTIVE) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("Solr does not end replaying its update log");
    }

    /// Copies a core's index, or restores the index from that copy.
    pub async fn copy(&self, core: &str, back: bool) {
        let (order, state) = match back {
            false => ("backup", "details"),
            true => ("restore", "restorestatus"),
        };
        let ask = async |words: &str| self.post(&format!("../{core}/{words}"), "{}").await;
        ask("update?commit=true").await;
        ask(&format!("replication?command={order}&name=copy")).await;
        for _ in 0..600 {
            let answer = ask(&format!("replication?command={state}")).await;
            let state = match back {
                false => &answer["details"]["backup"]["status"],
                true => &answer["restorestatus"]["status"],
            };
            if state == "success" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{order} of {core} does not end");
    }

    /// Its own configuration.
    pub fn own_configuration() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/solr/conf")
    }

    /// Makes all that was sent visible, and gives every document by its id.
    pub async fn documents(&self) -> Documents {
        self.documents_of("biblio").await
    }

    /// The same of another core.
    pub async fn documents_of(&self, core: &str) -> Documents {
        self.post(&format!("../{core}/update?commit=true"), "{}")
            .await;
        let select = format!("../{core}/select?rows=10000");
        let answer = self.post(&select, "{\"query\":\"*:*\"}").await;
        let documents = answer["response"]["docs"].as_array().unwrap().clone();
        documents
            .into_iter()
            .map(|document| (document["id"].as_str().unwrap().to_owned(), document))
            .collect()
    }

    /// Makes another core like the first one, and gives its address.
    pub async fn another_core(&self, name: &str) -> String {
        let conf = |core: &str| self.home.path().join(core).join("conf");
        std::fs::create_dir_all(conf(name)).unwrap();
        for file in std::fs::read_dir(conf("biblio")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), conf(name).join(file.file_name())).unwrap();
        }
        let create = format!("../admin/cores?action=CREATE&name={name}&instanceDir={name}");
        let answer = self.post(&create, "").await;
        assert_eq!(answer["responseHeader"]["status"], 0, "{answer}");
        self.url.replace("/biblio", &format!("/{name}"))
    }

    /// Makes another collection like the first one, and gives its address.
    pub async fn another_collection(&self, name: &str) -> String {
        let create = format!(
            "../admin/collections?action=CREATE&name={name}&numShards=1&replicationFactor=1\
             &collection.configName=biblio"
        );
        let answer = self.post(&create, "").await;
        assert_eq!(answer["responseHeader"]["status"], 0, "{answer}");
        self.url.replace("/biblio", &format!("/{name}"))
    }

    /// Deletes every document.
    pub async fn empty(&self) {
        self.post("update?commit=true", "{\"delete\":{\"query\":\"*:*\"}}")
            .await;
    }

    /// Posts JSON to a handler of the core.
    pub async fn post(&self, handler: &str, body: &str) -> Value {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("{}/{handler}", self.url))
            .header("content-type", "application/json")
            .body(body.to_owned());
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{handler}: {text}"))
    }
}

impl Drop for RealSolr {
    fn drop(&mut self) {
        // It also ends when its input is closed, but later.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
