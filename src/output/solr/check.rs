//! Checks whether the schema of an index fits the documents.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::client::Client;
use super::settings::SolrSettings;
use crate::http::one_line;
use crate::output::target::OutputError;
use crate::output::vufind::{FIELDS, Options};

/// The schema of an index.
#[derive(Debug)]
pub(crate) struct Schema {
    unique_key: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    /// The name; of a dynamic field its pattern, with a `*` at one end.
    name: String,
    /// The class of its type, without the package; empty if the schema does not say.
    class: String,
    multi_valued: bool,
    stored: bool,
    /// Whether a whole value is one term, which must be short.
    is_term: bool,
    /// Whether a document without it is refused.
    required: bool,
}

/// Fields whose texts can be longer than a term may be: a whole record, an abstract.
const LONG: [&str; 2] = ["allfields", "description"];

impl Field {
    /// The values that fields of this type accept, if they do not accept texts.
    fn takes_only(&self) -> Option<&'static str> {
        let class = self.class.as_str();
        let any = |parts: &[&str]| parts.iter().any(|part| class.contains(part));
        match () {
            () if any(&["Date"]) => Some("dates"),
            () if any(&["PointField", "Trie"]) => Some("numbers"),
            () if any(&["Bool"]) => Some("true and false"),
            () if any(&["Binary", "UUID", "Enum", "Currency", "LatLon", "Vector"]) => {
                Some("values of its own kind")
            }
            () => None,
        }
    }
}

impl Schema {
    /// Reads the index's schema.
    pub(crate) async fn of(client: &Client) -> Result<Self, OutputError> {
        Ok(Self::read(&client.read("schema").await?["schema"]))
    }

    fn read(schema: &Value) -> Self {
        let list = |name: &str| schema[name].as_array().into_iter().flatten();
        let kind_of = |field: &Value| list("fieldTypes").find(|kind| kind["name"] == field["type"]);
        let property = |field: &Value, name: &str, default: bool| {
            let of_type = kind_of(field).and_then(|kind| kind[name].as_bool());
            field[name].as_bool().or(of_type).unwrap_or(default)
        };
        let class = |field: &Value| {
            let class = kind_of(field).and_then(|kind| kind["class"].as_str());
            class
                .and_then(|class| class.rsplit('.').next())
                .unwrap_or_default()
                .to_owned()
        };
        let fields = list("fields").chain(list("dynamicFields"));
        Self {
            unique_key: schema["uniqueKey"].as_str().unwrap_or_default().to_owned(),
            fields: fields
                .map(|field| Field {
                    name: field["name"].as_str().unwrap_or_default().to_owned(),
                    class: class(field),
                    multi_valued: property(field, "multiValued", false),
                    stored: property(field, "stored", true),
                    is_term: class(field) == "StrField"
                        && (property(field, "indexed", true)
                            || property(field, "docValues", false)),
                    required: property(field, "required", false) && field["default"].is_null(),
                })
                .collect(),
        }
    }

    /// The definition of the field of this name; exact names go before patterns, and of patterns
    /// the longest.
    fn field(&self, name: &str) -> Option<&Field> {
        let exact = self.fields.iter().find(|field| field.name == name);
        exact.or_else(|| {
            let fitting = self.fields.iter().filter(|field| fits(&field.name, name));
            fitting.max_by_key(|field| field.name.len())
        })
    }

    /// Whether the index has a field of this name and stores it.
    pub(crate) fn is_stored(&self, name: &str) -> bool {
        self.field(name).is_some_and(|field| field.stored)
    }

    /// The differences between documents and schema, one line each.
    pub(crate) fn misfits(&self, settings: &SolrSettings) -> Vec<String> {
        let mut misfits = Vec::new();
        for options in settings.documents.all() {
            for misfit in self.misfits_of(options, settings.version_field.as_deref()) {
                if !misfits.contains(&misfit) {
                    misfits.push(misfit);
                }
            }
        }
        misfits
    }

    fn misfits_of(&self, options: &Options, version_field: Option<&str>) -> Vec<String> {
        let mut misfits = Vec::new();
        let id = options.field_name("id");
        if self.unique_key != id {
            misfits.push(format!("the unique key is {:?}, not {id}", self.unique_key));
        }
        let posted = posted(options, version_field);
        for (name, several) in &posted {
            let Some(field) = self.field(name) else {
                misfits.push(format!("there is no field {name}, which documents have"));
                continue;
            };
            if *several && !field.multi_valued {
                misfits.push(format!(
                    "field {name} takes one value, and documents may have several"
                ));
            }
            if let Some(what) = field.takes_only()
                && is_text(options, name)
            {
                let class = &field.class;
                misfits.push(format!(
                    "field {name} takes {what} alone ({class}), and documents have texts in it"
                ));
            }
            if field.is_term && LONG.iter().any(|long| options.field_name(long) == *name) {
                misfits.push(format!(
                    "field {name} is one term (StrField), which must not be longer than 32,766 bytes, \
                     and documents have longer texts in it"
                ));
            }
        }
        for field in self.fields.iter().filter(|field| field.required) {
            if posted.iter().all(|(name, _)| *name != field.name) && !field.name.contains('*') {
                misfits.push(format!(
                    "field {} is required, and documents do not have it",
                    field.name
                ));
            }
        }
        misfits
    }
}

/// Asks an index for its schema, and gives the differences to the documents, one line each.
///
/// # Errors
/// If it cannot be asked.
pub(super) async fn check(
    client: &Client,
    settings: &SolrSettings,
) -> Result<Vec<String>, OutputError> {
    let schema = Schema::of(client).await?;
    let mut misfits = schema.misfits(settings);
    if settings.version_field.is_none() {
        for name in &settings.compare_fields {
            if !schema.is_stored(name) {
                misfits.push(format!("field {name} of compare_fields is not stored"));
            }
        }
    }
    // The schema says nothing of who may write. A message without a command changes nothing.
    client.update(Bytes::from_static(b"{}")).await?;
    // They quote names of the schema.
    Ok(misfits.iter().map(|misfit| one_line(misfit)).collect())
}

/// The fields that documents can have, and whether each can have several values.
fn posted(options: &Options, version_field: Option<&str>) -> Vec<(String, bool)> {
    let mut posted: Vec<(String, bool)> = FIELDS
        .iter()
        .filter(|(name, _)| match *name {
            "institution" => !options.institution.is_empty(),
            "collection" => options.collection.as_deref() != Some(""),
            _ => true,
        })
        .map(|(name, several)| {
            let posted = options.field_name(name).into_owned();
            // Only documents of DOAJ have another field's name for it, and one value.
            let is_other = posted != *name && FIELDS.iter().any(|(other, _)| *other == posted);
            (posted, *several && !is_other)
        })
        .collect();
    let mut known = BTreeSet::new();
    posted.retain(|(name, _)| known.insert(name.clone()));
    if options.track_changes {
        for name in ["first_indexed", "last_indexed"] {
            posted.push((options.field_name(name).into_owned(), false));
        }
    }
    for (name, values) in &options.extra_fields {
        match posted.iter_mut().find(|(known, _)| known == name) {
            // Their values join those that are there.
            Some((_, several)) => *several = true,
            None => posted.push((name.clone(), values.len() > 1)),
        }
    }
    posted.extend(version_field.map(|name| (name.to_owned(), false)));
    posted
}

/// Whether documents have texts in this field which the settings do not choose.
fn is_text(options: &Options, name: &str) -> bool {
    let names = FIELDS.iter().map(|(name, _)| *name);
    names
        .map(|known| options.field_name(known))
        .any(|known| known == name)
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_that_refuse_texts_are_told() {
        let mut settings = SolrSettings::new("http://localhost/solr/b".parse().unwrap());
        settings.documents.default.collection = Some(String::new());
        settings.documents.default.track_changes = true;
        settings.documents.default.extra_fields = vec![("floor".to_owned(), vec!["3".to_owned()])];
        let mut fields: Vec<Value> = FIELDS
            .iter()
            .map(|(name, _)| json!({"name": name, "type": "texts"}))
            .chain(
                ["first_indexed", "last_indexed"].map(|name| json!({"name": name, "type": "date"})),
            )
            .collect();
        fields.push(json!({"name": "floor", "type": "number"}));
        let schema = |fields: &[Value]| {
            Schema::read(&json!({
                "uniqueKey": "id",
                "fieldTypes": [
                    {"name": "texts", "class": "solr.TextField", "multiValued": true},
                    {"name": "date", "class": "solr.DatePointField"},
                    {"name": "number", "class": "org.apache.solr.schema.IntPointField"},
                    {"name": "term", "class": "solr.StrField"},
                ],
                "fields": fields,
            }))
        };
        assert_eq!(schema(&fields).misfits(&settings), [""; 0]);
        let mut set = |name: &str, kind: &str| {
            let field = fields.iter_mut().find(|field| field["name"] == name);
            *field.unwrap() = json!({"name": name, "type": kind});
        };
        set("publishDate", "date");
        set("series", "number");
        set("description", "term");
        fields.push(json!({"name": "building", "type": "texts", "required": true}));
        fields.push(json!({"name": "shelf", "type": "texts", "required": true, "default": "A"}));
        assert_eq!(
            schema(&fields).misfits(&settings),
            [
                "field series takes one value, and documents may have several",
                "field series takes numbers alone (IntPointField), and documents have texts in it",
                "field publishDate takes dates alone (DatePointField), and documents have texts in it",
                "field description is one term (StrField), which must not be longer than 32,766 \
                 bytes, and documents have longer texts in it",
                "field building is required, and documents do not have it",
            ]
        );
    }

    #[test]
    fn misfits_are_told() {
        let field = |name: &str| json!({"name": name, "type": "string"});
        let mut fields: Vec<Value> = FIELDS
            .iter()
            .map(|(name, several)| {
                json!({"name": name, "type": if *several { "strings" } else { "string" }})
            })
            .filter(|field| field["name"] != "work_keys_str_mv")
            .collect();
        let schema = |fields: &[Value], key: &str| {
            Schema::read(&json!({
                "uniqueKey": key,
                "fieldTypes": [
                    {"name": "string"}, {"name": "strings", "multiValued": true},
                ],
                "fields": fields,
                "dynamicFields": [
                    {"name": "*_str_mv", "type": "string", "multiValued": true},
                    {"name": "*_str", "type": "string", "stored": false},
                ],
            }))
        };
        let mut settings = SolrSettings::new("http://localhost/solr/b".parse().unwrap());
        assert_eq!(schema(&fields, "id").misfits(&settings), [""; 0]);
        settings.version_field = Some("version_str".to_owned());
        settings.documents.default.track_changes = true;
        settings.documents.default.institution = "I".to_owned();
        settings.documents.default.rename_fields =
            vec![("series".to_owned(), "container".to_owned())];
        settings.documents.default.extra_fields =
            vec![("collection".to_owned(), vec!["more".to_owned()])];
        fields.retain(|field| field["name"] != "topic");
        fields.push(field("topic"));
        let schema = schema(&fields, "key");
        assert_eq!(
            schema.misfits(&settings),
            [
                "the unique key is \"key\", not id",
                "field collection takes one value, and documents may have several",
                "there is no field container, which documents have",
                "field topic takes one value, and documents may have several",
                "there is no field first_indexed, which documents have",
                "there is no field last_indexed, which documents have",
            ]
        );
        assert!(!schema.is_stored("version_str") && schema.is_stored("x_str_mv"));
        assert!(!schema.is_stored("nothing"));
    }
}
