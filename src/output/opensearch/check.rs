//! Checks whether the mapping of an index fits the documents.

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::client::{Bulk, Client};
use super::index::{self, Name, look_up};
use super::settings::{DocumentKind, OpenSearchSettings};
use crate::http::one_line;
use crate::output::target::OutputError;

/// The id of a document that no output has.
const NO_DOCUMENT: &str = "harvestd check-config";

/// The mapping of an index.
pub(super) async fn mapping(client: &Client, name: &str) -> Result<Option<Value>, OutputError> {
    let path = format!("{name}/_mapping");
    let answer = client.find(Method::GET, &path, &[], &Value::Null).await?;
    let first = answer
        .as_ref()
        .and_then(|answer| answer.as_object()?.values().next());
    Ok(first.map(|index| index["mappings"].clone()))
}

/// The fields in the mapping of an index; `None` if there is no such index.
pub(super) async fn properties(client: &Client, name: &str) -> Result<Option<Value>, OutputError> {
    let mapping = mapping(client, name).await?;
    Ok(mapping.map(|mapping| mapping["properties"].clone()))
}

impl OpenSearchSettings {
    /// The field that has the document's id.
    pub(super) fn id_field(&self) -> String {
        match self.document {
            DocumentKind::Resource => "id".to_owned(),
            DocumentKind::Vufind => self.documents.default.field_name("id").into_owned(),
        }
    }
}

/// Asks a cluster for its version and for the mapping of the index, and tries whether it may be written
/// to: one line for each problem. A missing index is none, since the first push creates it.
///
/// # Errors
/// If the cluster cannot be asked.
pub(super) async fn check(
    client: &Client,
    settings: &OpenSearchSettings,
) -> Result<Vec<String>, OutputError> {
    let mut problems: Vec<String> = client.product().await?.problem().into_iter().collect();
    let name = &settings.index;
    let is_alias = match look_up(client, name).await? {
        Name::Free => return Ok(problems),
        Name::Several(indices) => {
            let indices = indices.join(", ");
            problems.push(format!("{name} is an alias of several indices ({indices})"));
            return Ok(problems);
        }
        Name::Index => {
            problems.push(format!(
                "{name} is an index, not an alias, so no rebuilt index can take its place"
            ));
            false
        }
        Name::Alias(..) => true,
    };
    if let Some(mapping) = mapping(client, name).await? {
        problems.extend(misfits(&mapping, settings));
    }
    // The mapping says nothing of who may write. There is no such document, so nothing changes.
    let action = format!("{{\"delete\":{{\"_id\":\"{NO_DOCUMENT}\"}}}}\n");
    match client.bulk(name, is_alias, Bytes::from(action)).await? {
        (_, Bulk::Done(answer)) => {
            let outcome = &answer["items"][0]["delete"];
            if outcome["error"].is_object() {
                problems.push(super::answer::reason(&outcome["error"], &client.redactor()));
            }
        }
        (_, Bulk::Refused(message)) => problems.push(message),
        (_, Bulk::TooLarge) => problems.push("it takes not even one deletion".to_owned()),
    }
    Ok(problems.iter().map(|problem| one_line(problem)).collect())
}

/// The differences between the mapping that documents need and the one of an index.
fn misfits(mapping: &Value, settings: &OpenSearchSettings) -> Vec<String> {
    let needed = index::definition(settings.document);
    let mut misfits = Vec::new();
    let id = settings.id_field();
    for (field, kind) in [(id.as_str(), "keyword"), ("version", "long")] {
        let found = &mapping["properties"][field]["type"];
        if found != kind {
            let found = found.as_str().unwrap_or("not in the mapping");
            misfits.push(format!(
                "field {field} is {found}; audits need it as {kind}"
            ));
        }
    }
    let renamed = settings
        .documents
        .all()
        .flat_map(|options| &options.rename_fields);
    let renamed: Vec<&str> = match settings.document {
        DocumentKind::Resource => Vec::new(),
        DocumentKind::Vufind => renamed.map(|(from, _)| from.as_str()).collect(),
    };
    let needed = needed["mappings"]["properties"].as_object();
    for (name, field) in needed.into_iter().flatten() {
        if name != &id && name != "version" && !renamed.contains(&name.as_str()) {
            compare(name, field, mapping, name, &mut misfits);
        }
    }
    misfits
}

/// Compares a field, and those in it, with the field `name` of `parent`. `path` is its full name.
fn compare(name: &str, needed: &Value, parent: &Value, path: &str, misfits: &mut Vec<String>) {
    let found = &parent["properties"][name];
    if found.is_null() {
        // Other values of this setting take the field in or ignore it.
        if parent["dynamic"] == "strict" {
            misfits.push(format!(
                "there is no field {path}, which documents have, and the mapping is strict"
            ));
        }
        return;
    }
    let inner = needed["properties"].as_object();
    let is_object = inner.is_some() || matches!(needed["type"].as_str(), Some("object" | "nested"));
    let kind = found["type"].as_str().unwrap_or("object");
    let takes_objects = matches!(kind, "object" | "nested" | "flattened" | "flat_object");
    match (is_object, takes_objects) {
        (true, false) => misfits.push(format!(
            "field {path} is {kind}, and documents have objects in it"
        )),
        (false, true) => misfits.push(format!(
            "field {path} is {kind}, and documents have single values in it"
        )),
        (true, true) => {
            for (name, field) in inner.into_iter().flatten() {
                compare(name, field, found, &format!("{path}.{name}"), misfits);
            }
        }
        (false, false) => {
            let is_text = matches!(needed["type"].as_str(), Some("keyword" | "text"));
            if is_text && takes_no_text(kind) && found["ignore_malformed"] != true {
                misfits.push(format!(
                    "field {path} is {kind}, and documents have texts in it"
                ));
            }
        }
    }
}

/// Whether fields of this type refuse most texts.
fn takes_no_text(kind: &str) -> bool {
    matches!(
        kind,
        "long"
            | "integer"
            | "short"
            | "byte"
            | "double"
            | "float"
            | "half_float"
            | "scaled_float"
            | "unsigned_long"
            | "date"
            | "date_nanos"
            | "boolean"
            | "ip"
            | "binary"
            | "geo_point"
            | "geo_shape"
            | "integer_range"
            | "date_range"
            | "knn_vector"
            | "dense_vector"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn misfits_are_told() {
        let settings = OpenSearchSettings::new("http://localhost:9200".parse().unwrap(), "records");
        let shipped = index::definition(DocumentKind::Resource)["mappings"].clone();
        assert_eq!(misfits(&shipped, &settings), [""; 0]);
        let empty = json!({"properties": {"id": {"type": "text"}}});
        assert_eq!(
            misfits(&empty, &settings),
            [
                "field id is text; audits need it as keyword",
                "field version is not in the mapping; audits need it as long",
            ]
        );
        let mut changed = shipped;
        let resource = &mut changed["properties"]["resource"];
        resource["properties"]["agents"] = json!({"type": "keyword"});
        resource["properties"]["titles"]["properties"]["text"] = json!({"type": "date"});
        resource["properties"]["edition"] = json!({"properties": {"a": {"type": "text"}}});
        changed["dynamic"] = json!("strict");
        changed["properties"]
            .as_object_mut()
            .unwrap()
            .remove("set_specs");
        let mut found = misfits(&changed, &settings);
        found.sort();
        assert_eq!(
            found,
            [
                "field resource.agents is keyword, and documents have objects in it",
                "field resource.edition is object, and documents have single values in it",
                "field resource.titles.text is date, and documents have texts in it",
                "there is no field set_specs, which documents have, and the mapping is strict",
            ]
        );
    }
}
