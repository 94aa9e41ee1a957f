//! Indices of OpenSearch and Elasticsearch for tests: those that this process imitates, and real ones behind
//! the same front, which breaks them where a test wants that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use url::form_urlencoded;

/// Documents by their ids.
pub type Documents = BTreeMap<String, Value>;

/// An index that this process imitates.
#[derive(Debug, Clone, Default)]
pub struct PlayedIndex {
    /// The documents by their ids, each with its version.
    pub documents: BTreeMap<String, (i64, Value)>,
    /// The versions of deletions.
    pub deleted: BTreeMap<String, i64>,
    /// The body of the request that created it.
    pub definition: Value,
}

/// The script of a front, and the indices of an imitated server.
#[derive(Default)]
pub struct Played {
    /// The indices by their names.
    pub indices: BTreeMap<String, PlayedIndex>,
    /// The aliases, each with its index and its settings.
    pub aliases: BTreeMap<String, (String, Value)>,
    /// Whether it is Elasticsearch.
    pub is_elasticsearch: bool,
    /// The answers to the next bulk requests, which are not carried out: status and body.
    pub scripted: VecDeque<(u16, Value)>,
    /// The errors of the next actions for these documents, which are not carried out: status and type.
    pub item_errors: BTreeMap<String, VecDeque<(u16, &'static str)>>,
    /// The documents that are refused.
    pub refused: BTreeSet<String>,
    /// Whether all documents are refused.
    pub refuses_all: bool,
    /// After so many more bulk requests, this share of one is carried out, and all fails from then on.
    pub outage: Option<(usize, f64)>,
    /// Whether the request of the outage hangs, so that the client can be killed meanwhile.
    pub hangs: bool,
    /// Whether all fails.
    pub is_down: bool,
    /// Larger requests are refused as too large.
    pub most_bytes: Option<usize>,
    /// Whether the next change of aliases is made, and its confirmation lost.
    pub loses_swap: bool,
    /// Whether each point in time is lost after its first page.
    pub loses_points: bool,
    /// The ids in each bulk request that was carried out; deletions have a minus.
    pub bulks: Vec<Vec<String>>,
    /// Method and path of every other request.
    pub asked: Vec<String>,
    /// The headers `Authorization` of bulk requests.
    pub authorization: Vec<Option<String>>,
    /// The points in time that are open.
    pub points: BTreeMap<String, (String, PlayedIndex)>,
    /// Points in time that were opened.
    pub points_opened: usize,
}

struct Front {
    played: Mutex<Played>,
    hung: Notify,
    /// The real server behind it.
    behind: Option<String>,
    client: reqwest::Client,
}

/// A server with a script.
#[derive(Clone)]
pub struct FakeOpenSearch {
    /// The address of its node.
    pub url: String,
    front: Arc<Front>,
}

impl FakeOpenSearch {
    /// Listens on a free loopback port.
    pub async fn start() -> Self {
        Self::before(None).await
    }

    /// Imitates Elasticsearch.
    pub async fn start_as_elasticsearch() -> Self {
        let server = Self::start().await;
        server.state().is_elasticsearch = true;
        server
    }

    /// Listens before a real server, if there is one.
    pub async fn start_before(real: Real) -> Option<Self> {
        let server = Self::before(Some(real.url()?)).await;
        server.state().is_elasticsearch = real == Real::Elasticsearch;
        Some(server)
    }

    async fn before(behind: Option<String>) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let front = Arc::new(Front {
            played: Mutex::new(Played::default()),
            hung: Notify::new(),
            behind,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let app = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&front));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, front }
    }

    /// The script, and the indices of an imitated server.
    pub fn state(&self) -> MutexGuard<'_, Played> {
        self.front.played.lock().unwrap()
    }

    /// Waits until a request hangs.
    pub async fn hung(&self) {
        self.front.hung.notified().await;
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.scripted.clear();
        state.item_errors.clear();
        state.refused.clear();
        state.refuses_all = false;
        state.outage = None;
        state.is_down = false;
        state.most_bytes = None;
    }

    /// The documents of an index or alias, also those that searches do not show yet. Blocks the thread.
    pub fn documents(&self, name: &str) -> Documents {
        match &self.front.behind {
            Some(url) => documents_at(url, name),
            None => {
                let state = self.state();
                let Some(index) = state.resolve(name) else {
                    return Documents::new();
                };
                let documents = state.indices[&index].documents.iter();
                documents
                    .map(|(id, (_, document))| (id.clone(), document.clone()))
                    .collect()
            }
        }
    }

    /// Sends a request to the server, past the faults. Blocks the thread.
    pub fn request(&self, method: Method, path: &str, body: &Value) -> Value {
        match &self.front.behind {
            Some(url) => request_at(url, method, path, body),
            None => {
                let bytes = match path.contains("_bulk") {
                    true => body.as_str().unwrap().to_owned(),
                    false => body.to_string(),
                };
                let mut state = self.state();
                let (_, answer) = state.answer(&method, path, &BTreeMap::new(), bytes.as_bytes());
                answer
            }
        }
    }
}

/// Works on another thread, since the server's front needs this one.
fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    });
    thread.join().unwrap()
}

fn request_at(url: &str, method: Method, path: &str, body: &Value) -> Value {
    let url = format!("{url}/{path}");
    let (kind, body) = match body {
        Value::String(lines) => ("application/x-ndjson", lines.clone()),
        Value::Null => ("application/json", String::new()),
        body => ("application/json", body.to_string()),
    };
    apart(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method, &url).header("content-type", kind);
        let text = request.body(body).send().await.unwrap().text().await;
        let text = text.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{url}: {text}"))
    })
}

fn documents_at(url: &str, name: &str) -> Documents {
    request_at(url, Method::POST, &format!("{name}/_refresh"), &Value::Null);
    let all = json!({"size": 10_000, "query": {"match_all": {}}});
    let answer = request_at(url, Method::POST, &format!("{name}/_search"), &all);
    let hits = answer["hits"]["hits"].as_array().cloned();
    hits.unwrap_or_default()
        .into_iter()
        .map(|mut hit| {
            let id = hit["_id"].as_str().unwrap().to_owned();
            (id, hit["_source"].take())
        })
        .collect()
}

/// One action of a bulk request.
struct Action {
    head: Value,
    document: Option<Value>,
}

impl Action {
    fn all(body: &[u8]) -> Vec<Self> {
        let text = std::str::from_utf8(body).unwrap();
        let mut lines = text.lines();
        let mut actions = Vec::new();
        while let Some(line) = lines.next() {
            let head: Value = serde_json::from_str(line).unwrap();
            let document = head.get("index").map(|_| {
                let line = lines.next().expect("a document follows its action");
                serde_json::from_str(line).unwrap()
            });
            actions.push(Self { head, document });
        }
        actions
    }

    fn name(&self) -> &'static str {
        match self.document {
            Some(_) => "index",
            None => "delete",
        }
    }

    fn id(&self) -> String {
        self.head[self.name()]["_id"].as_str().unwrap().to_owned()
    }

    /// Its id, with a minus if it is a deletion.
    fn told(&self) -> String {
        match self.document {
            Some(_) => self.id(),
            None => format!("-{}", self.id()),
        }
    }

    fn lines(&self) -> String {
        match &self.document {
            Some(document) => format!("{}\n{document}\n", self.head),
            None => format!("{}\n", self.head),
        }
    }
}

/// How a bulk request is treated.
enum Treatment {
    /// It is not carried out, and has this answer.
    Answer(u16, Value),
    /// So many of its actions are carried out, and it has no answer.
    Crash(usize),
    Carry,
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let is_bulk = path.ends_with("_bulk");
    if front.played.lock().unwrap().is_down {
        return (StatusCode::SERVICE_UNAVAILABLE, "down").into_response();
    }
    if !is_bulk {
        let told = format!("{} /{path}", head.method);
        front.played.lock().unwrap().asked.push(told);
        let loses = path == "_aliases" && front.played.lock().unwrap().loses_swap;
        let answer = front.carry(&head, &path, body.to_vec()).await;
        if loses {
            front.played.lock().unwrap().loses_swap = false;
            return (StatusCode::GATEWAY_TIMEOUT, "lost").into_response();
        }
        return answer;
    }
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.headers[CONTENT_TYPE], "application/x-ndjson");
    let authorization = head.headers.get(AUTHORIZATION);
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    let mut actions = Action::all(&body);
    let treatment = {
        let mut played = front.played.lock().unwrap();
        played.authorization.push(authorization);
        played.treat(&actions, body.len())
    };
    match treatment {
        Treatment::Answer(status, body) => json_answer(status, &body),
        Treatment::Crash(some) => {
            actions.truncate(some);
            if !actions.is_empty() {
                front.bulk(&head, &path, actions).await;
            }
            if front.played.lock().unwrap().hangs {
                front.hung.notify_one();
                std::future::pending::<()>().await;
            }
            (StatusCode::SERVICE_UNAVAILABLE, "down").into_response()
        }
        Treatment::Carry => {
            let told = actions.iter().map(Action::told).collect();
            front.played.lock().unwrap().bulks.push(told);
            front.bulk(&head, &path, actions).await
        }
    }
}

impl Front {
    /// Carries out bulk actions, apart from those that the script refuses.
    async fn bulk(&self, head: &Parts, path: &str, mut actions: Vec<Action>) -> Response {
        let mut errors: BTreeMap<usize, Value> = BTreeMap::new();
        {
            let mut played = self.played.lock().unwrap();
            for (number, action) in actions.iter_mut().enumerate() {
                let id = action.id();
                if let Some((status, kind)) = played
                    .item_errors
                    .get_mut(&id)
                    .and_then(VecDeque::pop_front)
                {
                    let error = json!({"type": kind, "reason": "as the script says"});
                    let outcome = json!({"status": status, "error": error});
                    errors.insert(number, json!({ action.name(): outcome }));
                }
                let is_refused = played.refuses_all || played.refused.contains(&id);
                if let Some(document) = action.document.as_mut().filter(|_| is_refused) {
                    // Neither a real index nor an imitated one takes this.
                    document["datestamp"] = json!("not a date");
                }
            }
        }
        let carried: String = actions
            .iter()
            .enumerate()
            .filter(|(number, _)| !errors.contains_key(number))
            .map(|(_, action)| action.lines())
            .collect();
        if errors.is_empty() {
            return self.carry(head, path, carried.into_bytes()).await;
        }
        let mut items = VecDeque::new();
        if !carried.is_empty() {
            let answer = self.carry(head, path, carried.into_bytes()).await;
            let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
            let answer: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
            items.extend(answer["items"].as_array().unwrap().clone());
        }
        let items: Vec<Value> = (0..actions.len())
            .map(|number| match errors.remove(&number) {
                Some(error) => error,
                None => items.pop_front().unwrap(),
            })
            .collect();
        json_answer(200, &json!({"errors": true, "items": items}))
    }

    /// Carries out a request on the real server or the imitated one.
    async fn carry(&self, head: &Parts, path: &str, body: Vec<u8>) -> Response {
        let Some(behind) = &self.behind else {
            let query = head.uri.query().unwrap_or_default();
            let query = form_urlencoded::parse(query.as_bytes()).into_owned();
            let query = query.collect();
            let mut played = self.played.lock().unwrap();
            let (status, answer) = played.answer(&head.method, path, &query, &body);
            return json_answer(status, &answer);
        };
        if path.is_empty() && self.played.lock().unwrap().is_elasticsearch {
            return self.root(behind).await;
        }
        let query = head.uri.query().unwrap_or_default();
        let url = format!("{behind}/{path}?{query}");
        let mut request = self.client.request(head.method.clone(), url);
        if let Some(kind) = head.headers.get(CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap();
        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

impl Front {
    /// Answers `GET /` in the place of an Elasticsearch that lacks the module which does.
    async fn root(&self, behind: &str) -> Response {
        let url = format!("{behind}/_nodes/_local");
        let answer = self.client.get(url).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let nodes = answer["nodes"].as_object().unwrap();
        let node = nodes.values().next().unwrap();
        let version = json!({"number": node["version"], "build_flavor": node["build_flavor"]});
        json_answer(200, &json!({ "version": version }))
    }
}

fn json_answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let json = [(CONTENT_TYPE, "application/json")];
    (status, json, body.to_string()).into_response()
}

fn error(status: u16, kind: &str, reason: &str) -> (u16, Value) {
    let error = json!({"type": kind, "reason": reason});
    (status, json!({"error": error, "status": status}))
}

fn no_index(name: &str) -> (u16, Value) {
    error(
        404,
        "index_not_found_exception",
        &format!("no such index [{name}]"),
    )
}

impl Played {
    fn treat(&mut self, actions: &[Action], bytes: usize) -> Treatment {
        if let Some((status, body)) = self.scripted.pop_front() {
            return Treatment::Answer(status, body);
        }
        if self.most_bytes.is_some_and(|most| bytes > most) {
            return Treatment::Answer(413, json!("too large"));
        }
        match &mut self.outage {
            None => Treatment::Carry,
            Some((batches, _)) if *batches > 0 => {
                *batches -= 1;
                Treatment::Carry
            }
            Some((_, share)) => {
                let some = (actions.len() as f64 * *share) as usize;
                self.outage = None;
                self.is_down = !self.hangs;
                Treatment::Crash(some)
            }
        }
    }

    /// The index of this name or alias.
    fn resolve(&self, name: &str) -> Option<String> {
        let index = self.aliases.get(name).map_or(name, |(index, _)| index);
        self.indices.contains_key(index).then(|| index.to_owned())
    }

    /// Answers as the real server did when it was asked.
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> (u16, Value) {
        let parsed = || serde_json::from_slice::<Value>(body).unwrap();
        let (name, handler) = path.split_once('/').unwrap_or((path, ""));
        match (method.as_str(), name, handler) {
            ("GET", "", "") => {
                let version = match self.is_elasticsearch {
                    true => json!({"number": "8.15.0", "build_flavor": "default"}),
                    false => json!({"number": "2.19.1", "distribution": "opensearch"}),
                };
                (200, json!({ "version": version }))
            }
            ("POST", "_aliases", "") => self.change_aliases(&parsed()),
            ("POST", "_search", "") => self.search(&parsed()),
            ("DELETE", "_search", "point_in_time") if !self.is_elasticsearch => {
                self.points.remove(parsed()["pit_id"][0].as_str().unwrap());
                (200, json!({}))
            }
            ("DELETE", "_pit", "") if self.is_elasticsearch => {
                self.points.remove(parsed()["id"].as_str().unwrap());
                (200, json!({"succeeded": true}))
            }
            ("PUT", name, "") => self.create(name, parsed()),
            ("DELETE", name, "") if self.indices.remove(name).is_some() => {
                self.aliases.retain(|_, (index, _)| index != name);
                (200, json!({"acknowledged": true}))
            }
            ("POST", name, "_bulk") => {
                if query
                    .get("require_alias")
                    .is_some_and(|value| value == "true")
                {
                    assert!(self.aliases.contains_key(name), "{name} is no alias");
                }
                self.bulk(name, &Action::all(body))
            }
            (_, name, handler) => match self.resolve(name) {
                Some(index) => self.of_index(name, &index, handler, &parsed, query),
                None if handler == "_mget" => (200, json!({"docs": []})),
                None => no_index(name),
            },
        }
    }

    fn of_index(
        &mut self,
        name: &str,
        index: &str,
        handler: &str,
        body: &dyn Fn() -> Value,
        query: &BTreeMap<String, String>,
    ) -> (u16, Value) {
        let found = &self.indices[index];
        match (handler, self.is_elasticsearch) {
            ("_alias", _) => {
                let aliases = self.aliases.iter().filter(|(_, (of, _))| of == index);
                let aliases: Map<String, Value> = aliases
                    .map(|(alias, (_, settings))| (alias.clone(), settings.clone()))
                    .collect();
                (200, json!({ index: { "aliases": aliases } }))
            }
            ("_mapping", _) => {
                let mappings = &found.definition["mappings"];
                (200, json!({ index: { "mappings": mappings } }))
            }
            ("_refresh", _) => (200, json!({})),
            ("_count", _) => (200, json!({"count": found.documents.len()})),
            ("_mget", _) => {
                let body = body();
                let ids = body["ids"].as_array().unwrap();
                let document = |id: &Value| match found.documents.get(id.as_str().unwrap()) {
                    Some((version, document)) => {
                        let field = &query["_source_includes"];
                        let source = json!({ field: document[field] });
                        json!({"_id": id, "_version": version, "found": true, "_source": source})
                    }
                    None => json!({"_id": id, "found": false}),
                };
                let documents: Vec<Value> = ids.iter().map(document).collect();
                (200, json!({ "docs": documents }))
            }
            ("_search/point_in_time", false) | ("_pit", true) => {
                self.points_opened += 1;
                let point = format!("point {}", self.points_opened);
                let kept = (name.to_owned(), found.clone());
                self.points.insert(point.clone(), kept);
                let field = if self.is_elasticsearch {
                    "id"
                } else {
                    "pit_id"
                };
                (200, json!({ field: point }))
            }
            _ => error(400, "illegal_argument_exception", handler),
        }
    }

    fn create(&mut self, name: &str, definition: Value) -> (u16, Value) {
        if self.indices.contains_key(name) || self.aliases.contains_key(name) {
            return error(
                400,
                "resource_already_exists_exception",
                &format!("index [{name}] already exists"),
            );
        }
        for (alias, settings) in definition["aliases"].as_object().into_iter().flatten() {
            let place = (name.to_owned(), settings.clone());
            self.aliases.insert(alias.clone(), place);
        }
        let index = PlayedIndex {
            definition,
            ..PlayedIndex::default()
        };
        self.indices.insert(name.to_owned(), index);
        (200, json!({"acknowledged": true}))
    }

    /// Carries out all of the changes or none.
    fn change_aliases(&mut self, body: &Value) -> (u16, Value) {
        for action in body["actions"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            if let Some(remove) = action.get("remove") {
                let alias = text(&remove["alias"]);
                let index = self.aliases.get(&alias).map(|(index, _)| index.as_str());
                if index != remove["index"].as_str() {
                    return error(404, "aliases_not_found_exception", "aliases missing");
                }
                self.aliases.remove(&alias);
            } else {
                let mut add = action["add"].as_object().unwrap().clone();
                let alias = text(&add.remove("alias").unwrap());
                let index = text(&add.remove("index").unwrap());
                self.aliases.insert(alias, (index, Value::Object(add)));
            }
        }
        (200, json!({"acknowledged": true}))
    }

    fn bulk(&mut self, name: &str, actions: &[Action]) -> (u16, Value) {
        // A real server creates a missing index on its own.
        let index = match self.resolve(name) {
            Some(index) => index,
            None => {
                self.create(name, json!({}));
                name.to_owned()
            }
        };
        let index = self.indices.get_mut(&index).unwrap();
        let items: Vec<Value> = actions.iter().map(|action| index.apply(action)).collect();
        let is_error = |item: &Value| item.to_string().contains("\"error\"");
        let errors = items.iter().any(is_error);
        (200, json!({"took": 1, "errors": errors, "items": items}))
    }

    fn search(&mut self, body: &Value) -> (u16, Value) {
        let point = body["pit"]["id"].as_str().unwrap();
        let Some((_, index)) = self.points.get(point) else {
            return error(404, "search_context_missing_exception", "No search context");
        };
        let filter = &body["query"]["bool"]["filter"];
        let prefixes: Vec<&str> = filter["bool"]["should"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|query| query["prefix"]["id"].as_str().unwrap())
            .collect();
        let after = body["search_after"][0].as_str().unwrap_or_default();
        let field = body["docvalue_fields"][0].as_str().unwrap();
        let hits: Vec<Value> = index
            .documents
            .iter()
            .filter(|(id, _)| prefixes.iter().any(|prefix| id.starts_with(prefix)))
            .filter(|(id, _)| id.as_str() > after)
            .take(body["size"].as_u64().unwrap() as usize)
            .map(|(id, (_, document))| {
                json!({"_id": id, "sort": [id], "fields": {field: [document[field]]}})
            })
            .collect();
        if self.loses_points {
            self.points.remove(point);
        }
        (200, json!({"pit_id": point, "hits": {"hits": hits}}))
    }
}

impl PlayedIndex {
    fn apply(&mut self, action: &Action) -> Value {
        let id = action.id();
        let head = &action.head[action.name()];
        let known = self.documents.get(&id).map(|(version, _)| *version);
        let current = known.or_else(|| self.deleted.get(&id).copied());
        let outcome = |status: u16, error: Option<(&str, String)>| {
            let mut outcome = json!({"_id": id, "status": status});
            if let Some((kind, reason)) = error {
                outcome["error"] = json!({"type": kind, "reason": reason});
            }
            json!({ action.name(): outcome })
        };
        let version = match head["version"].as_i64() {
            None => current.unwrap_or(0) + 1,
            Some(version) => {
                assert_eq!(head["version_type"], "external_gte");
                if let Some(current) = current.filter(|current| *current > version) {
                    let reason = format!(
                        "[{id}]: version conflict, current version [{current}] is higher than the one \
                         provided [{version}]"
                    );
                    return outcome(409, Some(("version_conflict_engine_exception", reason)));
                }
                version
            }
        };
        match &action.document {
            None => {
                self.deleted.insert(id.clone(), version);
                let known = self.documents.remove(&id);
                outcome(if known.is_some() { 200 } else { 404 }, None)
            }
            Some(document) if document["datestamp"] == "not a date" => {
                let reason = format!(
                    "failed to parse field [datestamp] of type [date] in document with id '{id}'. \
                     Preview of field's value: 'not a date'"
                );
                outcome(400, Some(("mapper_parsing_exception", reason)))
            }
            Some(document) => {
                self.deleted.remove(&id);
                let stored = (version, document.clone());
                let before = self.documents.insert(id.clone(), stored);
                outcome(if before.is_some() { 200 } else { 201 }, None)
            }
        }
    }
}

/// A server that `tests/opensearch/prepare` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Real {
    OpenSearch,
    Elasticsearch,
}

/// A process that ends with the input that this process gives it.
struct Server {
    url: String,
    _process: Child,
    _home: TempDir,
}

/// Numbers for names of indices.
static INDICES: AtomicUsize = AtomicUsize::new(1);

impl Real {
    /// The address of a server that all tests of this process share; `None`, with a message, if it was not
    /// made.
    pub fn url(self) -> Option<String> {
        static OPENSEARCH: OnceLock<Option<Server>> = OnceLock::new();
        static ELASTICSEARCH: OnceLock<Option<Server>> = OnceLock::new();
        let (server, name) = match self {
            Self::OpenSearch => (&OPENSEARCH, "opensearch"),
            Self::Elasticsearch => (&ELASTICSEARCH, "elasticsearch"),
        };
        let server = server.get_or_init(|| Server::start(name)).as_ref();
        server.map(|server| server.url.clone())
    }
}

impl Server {
    fn start(name: &str) -> Option<Self> {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/{name}/run"));
        if !run.exists() {
            let name = name.to_uppercase();
            eprintln!("SKIPPED: NO REAL {name} TO TEST AGAINST; tests/opensearch/prepare makes it");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let mut process = Command::new(run)
            .arg(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().to_owned();
        assert!(url.starts_with("http://"), "{name} did not start: {url:?}");
        Some(Self {
            url,
            _process: process,
            _home: home,
        })
    }
}

/// A name of an index that no other test of this process has.
pub fn index_name() -> String {
    format!("records{}", INDICES.fetch_add(1, Ordering::Relaxed))
}
