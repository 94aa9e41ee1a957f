//! Indices for tests: one that is played by this process, and a real Solr.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::form_urlencoded;

/// Says of a document why it is refused, in Solr's words; `None` if it is fine.
type Poison = Box<dyn Fn(&Value) -> Option<String> + Send>;

/// What the played index holds and does.
#[derive(Default)]
pub struct Played {
    /// The documents by their ids.
    pub documents: BTreeMap<String, Value>,
    /// Answers to the next updates, instead of what they ask for: status and body.
    pub scripted: VecDeque<(u16, String)>,
    /// Answers to all updates after so many, as if the index had gone.
    pub gone_after: Option<usize>,
    /// Longer messages are too large.
    pub most_bytes: Option<usize>,
    /// Whether documents that are refused do not hold up the others.
    pub tolerant: bool,
    /// The ids in each update that was looked at, deletions with a minus.
    pub updates: Vec<Vec<String>>,
    /// The values of `commitWithin`.
    pub commit_within: Vec<Option<String>>,
    /// The headers `Authorization`.
    pub authorization: Vec<Option<String>>,
    poison: Option<Poison>,
}

/// An index that behaves as Solr does, as far as it was measured on one.
pub struct FakeSolr {
    /// The address of its core.
    pub url: String,
    played: Arc<Mutex<Played>>,
}

impl FakeSolr {
    /// Listens on a free loopback port.
    pub async fn start() -> Self {
        let played = Arc::new(Mutex::new(Played::default()));
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&played));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/solr/biblio", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, played }
    }

    /// Looks at what it holds, or changes it.
    pub fn state(&self) -> MutexGuard<'_, Played> {
        self.played.lock().unwrap()
    }

    /// Refuses documents from now on.
    pub fn poison(&self, poison: impl Fn(&Value) -> Option<String> + Send + 'static) {
        self.state().poison = Some(Box::new(poison));
    }

    /// Refuses none any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.poison = None;
        state.scripted.clear();
        state.gone_after = None;
    }

    /// The ids of its documents.
    pub fn ids(&self) -> Vec<String> {
        self.state().documents.keys().cloned().collect()
    }
}

async fn answer(State(played): State<Arc<Mutex<Played>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let mut played = played.lock().unwrap();
    let path = head.uri.path().to_owned();
    match path.strip_prefix("/solr/biblio/") {
        Some("update") => {
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
            played.update(std::str::from_utf8(&body).unwrap())
        }
        Some("get") => {
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
        Some("select") => played.select(&form),
        Some("schema") => {
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
        // A key may recur, so the message is read command by command; each has its line.
        let commands: Vec<Value> = message
            .lines()
            .filter(|line| line.starts_with('"'))
            .map(|line| {
                let command = format!("{{{}}}", line.trim_end_matches(','));
                serde_json::from_str(&command).unwrap()
            })
            .collect();
        self.updates
            .push(commands.iter().map(id_of_command).collect());
        let mut errors = Vec::new();
        for command in &commands {
            if let Some(document) = command["add"].get("doc") {
                let id = document["id"].as_str().unwrap().to_owned();
                match self.poison.as_ref().and_then(|poison| poison(document)) {
                    Some(reason) if self.tolerant => {
                        errors.push(json!({"type": "ADD", "id": id, "message": reason}));
                    }
                    Some(reason) => {
                        let error = json!({"error": {"msg": reason, "code": 400}});
                        return json_answer(400, &error);
                    }
                    None => {
                        self.documents.insert(id, document.clone());
                    }
                }
            } else {
                self.documents
                    .remove(command["delete"]["id"].as_str().unwrap());
            }
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
        let page: Vec<&Value> = self
            .documents
            .iter()
            .filter(|(id, _)| cursor == "*" || id.as_str() > cursor)
            .filter(|(id, _)| prefixes.iter().any(|prefix| id.starts_with(prefix)))
            .map(|(_, document)| document)
            .take(argument("rows").parse().unwrap())
            .collect();
        let next = page
            .last()
            .map_or(cursor, |document| document["id"].as_str().unwrap());
        let body = json!({"response": {"docs": page}, "nextCursorMark": next});
        json_answer(200, &done(body))
    }
}

fn id_of_command(command: &Value) -> String {
    match command["add"]["doc"]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("-{}", command["delete"]["id"].as_str().unwrap()),
    }
}

/// A real Solr of its own; it ends with the value.
pub struct RealSolr {
    /// The address of its core.
    pub url: String,
    server: Child,
    home: TempDir,
}

impl RealSolr {
    /// Starts a core with this configuration; `None`, and a word about it, where `tests/solr/prepare`
    /// has not made the server.
    pub async fn start(configuration: PathBuf) -> Option<Self> {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/solr/run");
        if !run.exists() {
            eprintln!("SKIPPED: NO REAL SOLR TO TEST AGAINST; tests/solr/prepare makes it");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let mut server = Command::new(run)
            .arg(configuration)
            .arg(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = server.stdout.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            line.trim().to_owned()
        });
        let url = reading.await.unwrap();
        assert!(url.starts_with("http://"), "Solr did not start: {url:?}");
        Some(Self { url, server, home })
    }

    /// Its own configuration.
    pub fn own_configuration() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/solr/conf")
    }

    /// Makes all that was sent visible, and gives every document by its id.
    pub async fn documents(&self) -> BTreeMap<String, Value> {
        self.post("update?commit=true", "{}").await;
        let answer = self.post("select?rows=10000", "{\"query\":\"*:*\"}").await;
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
        // It ends by itself when its input does, but not before this process goes on.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
