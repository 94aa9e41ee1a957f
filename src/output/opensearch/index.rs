//! Whether the index is there, and how it is created.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::settings::{DocumentKind, OpenSearchSettings};
use crate::http::one_line;
use crate::output::target::OutputError;

/// What a configured name stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Name {
    /// Nothing.
    Free,
    /// An index.
    Index,
    /// An alias of this one index, with the alias's own settings.
    Alias(String, Value),
    /// An alias of several indices.
    Several(Vec<String>),
}

/// Looks up what a name stands for.
pub(crate) async fn look_up(client: &Client, name: &str) -> Result<Name, OutputError> {
    let path = format!("{name}/_alias");
    let found = client.find(Method::GET, &path, &[], &Value::Null).await?;
    Ok(found.map_or(Name::Free, |answer| stands_for(&answer, name)))
}

fn stands_for(answer: &Value, name: &str) -> Name {
    let indices: Vec<(&String, &Value)> = answer.as_object().into_iter().flatten().collect();
    match indices.as_slice() {
        [] => Name::Free,
        [(index, _)] if *index == name => Name::Index,
        [(index, aliases)] => Name::Alias((*index).clone(), aliases["aliases"][name].clone()),
        several => Name::Several(several.iter().map(|(index, _)| one_line(index)).collect()),
    }
}

/// The settings and the mapping of an index of these documents.
pub(crate) fn definition(document: DocumentKind) -> Value {
    let text = match document {
        DocumentKind::Resource => include_str!("../../../config/opensearch/resource.json"),
        DocumentKind::Vufind => include_str!("../../../config/opensearch/vufind.json"),
    };
    serde_json::from_str(text).expect("a test reads the files")
}

/// Makes sure that documents can be written, and gives whether the configured name is an alias.
///
/// A missing index is created if `may_create`. The configured name is then an alias of an index with
/// `-1` after it, so that a rebuilt index can take its place. An index beside a live one has no alias.
///
/// # Errors
/// [`OutputError`] if the index is missing, if the name is an alias of several indices, or if the cluster
/// cannot be asked.
pub(crate) async fn ready(
    client: &Client,
    settings: &OpenSearchSettings,
    may_create: bool,
) -> Result<bool, OutputError> {
    let name = &settings.index;
    let unusable = |why: String, advice: String| OutputError::Unusable {
        address: address(settings),
        why,
        advice,
    };
    match look_up(client, name).await? {
        Name::Index => return Ok(false),
        Name::Alias(..) => return Ok(true),
        Name::Several(indices) => {
            return Err(unusable(
                format!(
                    "{name} is an alias of several indices ({})",
                    indices.join(", ")
                ),
                "make it an alias of one".to_owned(),
            ));
        }
        Name::Free if !may_create => {
            return Err(unusable(
                "the index has disappeared".to_owned(),
                "push with --all: it creates the index and fills it".to_owned(),
            ));
        }
        Name::Free => {}
    }
    let mut body = definition(settings.document);
    let created = match settings.is_beside {
        true => name.clone(),
        false => {
            body["aliases"] = json!({ name: {} });
            format!("{name}-1")
        }
    };
    match client.ask(Method::PUT, &created, &[], &body).await {
        Ok(_) => {
            tracing::info!("{}: created index {created}", address(settings));
            Ok(!settings.is_beside)
        }
        Err(OutputError::Refused { message, .. })
            if message.contains("resource_already_exists_exception") =>
        {
            // Another process was faster, or the index has lost its alias.
            match look_up(client, name).await? {
                Name::Alias(..) => Ok(true),
                Name::Index => Ok(false),
                _ => Err(unusable(
                    format!("there is an index {created}, but no alias {name}"),
                    format!("make {name} an alias of {created}, or delete that index"),
                )),
            }
        }
        Err(error) => Err(error),
    }
}

/// The first address of the index, for messages.
pub(crate) fn address(settings: &OpenSearchSettings) -> String {
    let addresses = settings.addresses();
    addresses
        .first()
        .map(crate::http::show_url)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_indices_or_aliases() {
        let cases = [
            (json!({}), Name::Free),
            (json!({"r": {"aliases": {}}}), Name::Index),
            (
                json!({"r-1": {"aliases": {"r": {"is_write_index": true}}}}),
                Name::Alias("r-1".to_owned(), json!({"is_write_index": true})),
            ),
            (
                json!({"r-1": {"aliases": {"r": {}}}, "r-2": {"aliases": {"r": {}}}}),
                Name::Several(vec!["r-1".to_owned(), "r-2".to_owned()]),
            ),
        ];
        for (answer, expected) in cases {
            assert_eq!(stands_for(&answer, "r"), expected, "{answer}");
        }
    }

    #[test]
    fn definitions_can_be_read() {
        for document in DocumentKind::ALL {
            let properties = &definition(document)["mappings"]["properties"];
            assert_eq!(properties["id"]["type"], "keyword");
            assert_eq!(properties["version"]["type"], "long");
        }
    }
}
