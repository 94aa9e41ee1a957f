//! Puts an index that was rebuilt beside the live one in its place: the alias moves.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::client::Client;
use super::index::{Name, look_up};
use super::settings::OpenSearchSettings;
use crate::output::OutputSettings;
use crate::output::target::{DocumentCounts, OutputError, SwapError, SwapTarget, Swapped};
use crate::stop::Stop;

/// Two indices of one cluster.
pub(crate) struct OpenSearchSwap {
    client: Client,
    live: String,
    rebuilt: String,
    /// The index that the live name is an alias of, with the alias's own settings.
    alias: Option<(String, Value)>,
}

impl OpenSearchSettings {
    pub(crate) fn connect_swap(
        &self,
        output: &OutputSettings,
        address: &Url,
        stop: &Stop,
    ) -> Result<OpenSearchSwap, SwapError> {
        let rebuilt = self.at(address);
        let is_here = self.urls.iter().any(|url| {
            let url = url.as_str().trim_end_matches('/');
            url == rebuilt.urls[0].as_str().trim_end_matches('/')
        });
        if !is_here || rebuilt.index.is_empty() || rebuilt.index == self.index {
            return Err(SwapError::Unfit(format!(
                "{address} is not another index of a node in urls of output {}, and only indices of one \
                 cluster can be swapped",
                output.name
            )));
        }
        Ok(OpenSearchSwap {
            client: Client::new(self, output, stop.clone())?,
            live: self.index.clone(),
            rebuilt: rebuilt.index,
            alias: None,
        })
    }
}

impl SwapTarget for OpenSearchSwap {
    fn prepare(&mut self) -> BoxFuture<'_, Result<DocumentCounts, SwapError>> {
        Box::pin(async move {
            let (live, rebuilt) = (&self.live, &self.rebuilt);
            self.alias = match look_up(&self.client, live).await? {
                Name::Alias(index, settings) => Some((index, settings)),
                Name::Index => {
                    return Err(SwapError::Unfit(format!(
                        "{live} is an index, which cannot give away its name; give it another name \
                         (POST /{live}/_clone/{live}-1 once writes are blocked, delete {live}), make \
                         {live} an alias of that, and swap then"
                    )));
                }
                Name::Several(indices) => {
                    return Err(SwapError::Unfit(format!(
                        "{live} is an alias of several indices ({}); not swapped",
                        indices.join(", ")
                    )));
                }
                Name::Free => {
                    return Err(SwapError::Unfit(format!(
                        "there is no alias {live} that could move; push to it first"
                    )));
                }
            };
            let path = format!("{rebuilt}/_refresh");
            self.client
                .ask(Method::POST, &path, &[], &Value::Null)
                .await?;
            Ok(DocumentCounts {
                rebuilt: count(&self.client, rebuilt).await?,
                live: count(&self.client, live).await?,
            })
        })
    }

    fn swap(&self) -> BoxFuture<'_, Result<Swapped, OutputError>> {
        Box::pin(async move {
            let Some((index, settings)) = &self.alias else {
                return Err(OutputError::Unusable {
                    address: self.live.clone(),
                    why: "the swap was not prepared".to_owned(),
                    advice: "prepare it first".to_owned(),
                });
            };
            // After an interrupted attempt, the alias may have moved already.
            if *index != self.rebuilt {
                let body = actions(&self.live, index, &self.rebuilt, settings);
                let moved = self.client.ask(Method::POST, "_aliases", &[], &body).await;
                // The answer to an earlier try may be lost; then the old index has no alias to remove.
                if let Err(error) = moved
                    && !self.has_moved().await
                {
                    return Err(error);
                }
            }
            Ok(Swapped::AliasMoved(index.clone()))
        })
    }
}

impl OpenSearchSwap {
    /// Whether the alias is known to be that of the rebuilt index.
    async fn has_moved(&self) -> bool {
        let now = look_up(&self.client, &self.live).await;
        matches!(now, Ok(Name::Alias(index, _)) if index == self.rebuilt)
    }
}

/// The request that moves an alias with its settings from one index to another, both at once.
fn actions(alias: &str, from: &str, to: &str, settings: &Value) -> Value {
    let mut add = match settings {
        Value::Object(settings) => settings.clone(),
        _ => serde_json::Map::new(),
    };
    add.insert("index".to_owned(), json!(to));
    add.insert("alias".to_owned(), json!(alias));
    json!({ "actions": [
        { "remove": { "index": from, "alias": alias } },
        { "add": add },
    ] })
}

/// The number of documents in an index.
async fn count(client: &Client, index: &str) -> Result<u64, OutputError> {
    let path = format!("{index}/_count");
    let answer = client.ask(Method::GET, &path, &[], &Value::Null).await?;
    Ok(answer["count"].as_u64().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_keeps_its_settings() {
        let body = actions("r", "r-1", "r-2", &json!({"is_write_index": true}));
        let expected = json!({"actions": [
            {"remove": {"index": "r-1", "alias": "r"}},
            {"add": {"index": "r-2", "alias": "r", "is_write_index": true}},
        ]});
        assert_eq!(body, expected);
    }
}
