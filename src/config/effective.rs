//! The configuration in force, key by key, with where each value comes from. Secrets are not in it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value as Json, json};

use super::build::{groups, of_source};
use super::file::{Table, Tables};
use super::key::{Kind, Row, Scope, Secrecy, Way};
use super::problem::Origin;
use super::reader::{Context, Findings, Reader};
use super::value::{Entry, Value};
use super::values;
use crate::http::show_url;

/// The keys of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveTable {
    /// The heading of the table; `None` before the first table.
    pub heading: Option<String>,
    /// The name of the table, and whether there can be several.
    scope: Scope,
    /// The keys, in the order of the sample file.
    pub keys: Vec<EffectiveKey>,
}

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveKey {
    /// Its name.
    pub name: String,
    /// Its value; null if it has none. Of a secret only that it is set, of headers the names.
    pub value: Json,
    /// Whether it holds secrets.
    pub is_secret: bool,
    /// Where the value is written; `None` for a default.
    pub origin: Option<Origin>,
}

/// The tables with their values in force.
pub(crate) fn tables(context: &Context<'_>, tables: &Tables) -> Vec<EffectiveTable> {
    let mut findings = Findings::default();
    let scopes = Scope::ALL.into_iter();
    // What [defaults] and groups say stands in every source.
    let scopes = scopes.filter(|scope| !matches!(scope, Scope::Defaults | Scope::Group));
    let mut effective = Vec::new();
    let groups = groups(tables);
    for table in scopes.flat_map(|scope| tables.all(scope)) {
        let read = match table.scope {
            Scope::Source => {
                let group = table.text("group").and_then(|name| groups.get(name));
                of_source(tables, table, group.copied())
            }
            Scope::Output | Scope::Export => vec![table, tables.one(Scope::Vufind)],
            _ => vec![table],
        };
        let reader = Reader::new(context, read, &mut findings);
        let keys = table.scope.rows().flat_map(|row| keys(&reader, table, row));
        effective.push(EffectiveTable {
            heading: (table.scope != Scope::Top).then(|| table.scope.heading()),
            scope: table.scope,
            keys: keys.collect(),
        });
    }
    effective
}

/// The same as one object, by the names of the file.
pub fn as_json(tables: &[EffectiveTable]) -> Map<String, Json> {
    let mut object = Map::new();
    for scope in [Scope::Source, Scope::Output, Scope::Export] {
        object.insert(scope.name().to_owned(), json!([]));
    }
    for table in tables {
        let keys = table.keys.iter();
        let keys: Map<String, Json> = keys
            .map(|key| (key.name.clone(), key.value.clone()))
            .collect();
        let name = table.scope.name();
        match (table.scope, object.get_mut(name)) {
            (Scope::Top, _) => object.extend(keys),
            (_, Some(Json::Array(array))) => array.push(keys.into()),
            (Scope::Oai, _) => {
                if let Some(Json::Object(daemon)) = object.get_mut(Scope::Daemon.name()) {
                    daemon.insert("oai".to_owned(), keys.into());
                }
            }
            _ => drop(object.insert(name.to_owned(), keys.into())),
        }
    }
    object
}

/// A row as it counts for one table. A secret has up to three names, of which only the given one is
/// shown, and an option of documents counts for a source only where the source sets it.
fn keys(reader: &Reader<'_>, table: &Table, row: &'static Row) -> Vec<EffectiveKey> {
    let names = row.names();
    let is_given = |name: &String| reader.entry(name).is_some();
    if table.scope == Scope::Source && row.is_of_documents() && !is_given(&names[0].0) {
        return Vec::new();
    }
    let given = names.iter().find(|(name, _)| is_given(name));
    let (name, way) = given.unwrap_or(&names[0]);
    let (value, origin) = match reader.entry(name) {
        Some((_, entry)) => (shown(reader, row, *way, entry), Some(entry.origin.clone())),
        None => (default(row), None),
    };
    vec![EffectiveKey {
        name: name.clone(),
        value,
        is_secret: matches!(row.secrecy, Secrecy::Secret | Secrecy::Hidden) && *way == Way::Value,
        origin,
    }]
}

/// The default of a row. Each is read once, since every source has all of them.
fn default(row: &'static Row) -> Json {
    static READ: LazyLock<Mutex<HashMap<(Kind, &str), Json>>> = LazyLock::new(Mutex::default);
    let Some(toml) = row.default else {
        return Json::Null;
    };
    // Each entry is complete by itself.
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let read = read.entry((row.kind, toml));
    read.or_insert_with(|| plain(row.kind, &Value::of_toml(toml)))
        .clone()
}

fn shown(reader: &Reader<'_>, row: &Row, way: Way, entry: &Entry) -> Json {
    let text = values::text(&entry.value).unwrap_or_default();
    let is_path = (row.kind == Kind::Path && way == Way::Value) || way == Way::File;
    match row.secrecy {
        _ if is_path => json!(reader.resolve(&entry.origin, text.as_ref())),
        _ if way == Way::Credential => json!(text),
        Secrecy::Secret => json!("set"),
        Secrecy::Hidden => match &entry.value {
            Value::Table(parts) => parts.iter().map(|(name, _)| json!(name)).collect(),
            _ => text
                .lines()
                .map(|line| json!(line.split(':').next().unwrap_or_default().trim()))
                .collect(),
        },
        Secrecy::Login => match text.parse() {
            Ok(url) => json!(show_url(&url)),
            Err(_) => Json::Null,
        },
        Secrecy::Public => plain(row.kind, &entry.value),
    }
}

/// A value as JSON, also where the environment has a text for it.
fn plain(kind: Kind, value: &Value) -> Json {
    match (kind, value) {
        (Kind::Number | Kind::Flag | Kind::Size, Value::Text(text)) => {
            let parsed = serde_json::from_str(text.trim()).ok();
            let bare = parsed.filter(|json: &Json| json.is_number() || json.is_boolean());
            bare.unwrap_or_else(|| json!(text.trim()))
        }
        (Kind::List, Value::Text(list)) => {
            list.split_whitespace().map(|text| json!(text)).collect()
        }
        (Kind::Table, Value::Text(lines)) => {
            let lines = lines.lines().filter_map(|line| line.split_once('='));
            lines
                .map(|(name, text)| (name.trim().to_owned(), json!(text.trim())))
                .collect::<Map<_, _>>()
                .into()
        }
        (_, Value::Text(text) | Value::Datetime(text)) => json!(text),
        (_, Value::Integer(number)) => json!(number),
        (_, Value::Boolean(truth)) => json!(truth),
        (_, Value::List(items)) => items
            .iter()
            .map(|item| plain(Kind::Text, &item.value))
            .collect(),
        (_, Value::Table(parts)) => parts
            .iter()
            .map(|(name, part)| (name.clone(), plain(Kind::Text, &part.value)))
            .collect::<Map<_, _>>()
            .into(),
        (_, Value::Other(_)) => Json::Null,
    }
}
