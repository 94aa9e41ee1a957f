//! Puts an index that was rebuilt beside the live one in its place.
//!
//! Both have to be on one server. Without ZooKeeper they are cores, which exchange their names. In a
//! SolrCloud, `urls` have to name an alias, which moves to the rebuilt collection.

use futures_util::future::BoxFuture;
use url::Url;

use super::client::Client;
use super::settings::SolrSettings;
use crate::http::one_line;
use crate::output::OutputSettings;
use crate::output::target::{DocumentCounts, OutputError, SwapError, SwapTarget, Swapped};
use crate::stop::Stop;

/// Two cores or collections of one server.
pub(crate) struct SolrSwap {
    admin: Client,
    /// Without retries: a second swap would undo one whose answer was lost.
    admin_once: Client,
    live: Client,
    rebuilt: Client,
    live_name: String,
    rebuilt_name: String,
    /// The collection that the live name is an alias of; `None` for cores.
    collection: Option<String>,
}

impl SolrSettings {
    pub(crate) fn connect_swap(
        &self,
        output: &OutputSettings,
        address: &Url,
        stop: &Stop,
    ) -> Result<SolrSwap, SwapError> {
        let (server, live_name, rebuilt_name) = cores(&self.urls, address).ok_or_else(|| {
            SwapError::Unfit(format!(
                "{address} is not another core or collection of a server in urls of output {}, and only \
                 those of one server can be swapped",
                output.name
            ))
        })?;
        let admin = SolrSettings {
            urls: vec![server],
            ..self.clone()
        };
        let once = OutputSettings {
            retries: 0,
            ..output.clone()
        };
        Ok(SolrSwap {
            admin: Client::new(&admin, output, stop.clone())?,
            admin_once: Client::new(&admin, &once, stop.clone())?,
            live: Client::new(self, output, stop.clone())?,
            rebuilt: Client::new(&self.at(address), output, stop.clone())?,
            live_name,
            rebuilt_name,
            collection: None,
        })
    }
}

impl SwapTarget for SolrSwap {
    fn prepare(&mut self) -> BoxFuture<'_, Result<DocumentCounts, SwapError>> {
        Box::pin(async move {
            self.collection = collection(&self.admin, &self.live_name).await?;
            let commit = [("commit", "true".to_owned())];
            self.rebuilt.ask("update", &commit).await?;
            Ok(DocumentCounts {
                rebuilt: count(&self.rebuilt).await?,
                live: count(&self.live).await?,
            })
        })
    }

    fn swap(&self) -> BoxFuture<'_, Result<Swapped, OutputError>> {
        Box::pin(async move {
            let Some(collection) = &self.collection else {
                let swap = [
                    ("action", "SWAP".to_owned()),
                    ("core", self.live_name.clone()),
                    ("other", self.rebuilt_name.clone()),
                ];
                self.admin_once.ask("admin/cores", &swap).await?;
                return Ok(Swapped::Exchanged);
            };
            // After an interrupted attempt, the alias may have moved already.
            if *collection != self.rebuilt_name {
                let create = [
                    ("action", "CREATEALIAS".to_owned()),
                    ("name", self.live_name.clone()),
                    ("collections", self.rebuilt_name.clone()),
                ];
                self.admin.ask("admin/collections", &create).await?;
            }
            Ok(Swapped::AliasMoved(collection.clone()))
        })
    }
}

/// The number of documents in an index.
async fn count(index: &Client) -> Result<u64, OutputError> {
    let all = [
        ("q", "*:*".to_owned()),
        ("defType", "lucene".to_owned()),
        ("rows", "0".to_owned()),
    ];
    let answer = index.ask("select", &all).await?;
    Ok(answer["response"]["numFound"].as_u64().unwrap_or_default())
}

/// The collection that `live` is an alias of; `None` for a core of a server without ZooKeeper.
async fn collection(admin: &Client, live: &str) -> Result<Option<String>, SwapError> {
    let list = [("action", "LISTALIASES".to_owned())];
    let answer = match admin.ask("admin/collections", &list).await {
        Err(OutputError::Refused { message, .. })
            if message.contains("not running in SolrCloud") =>
        {
            return Ok(None);
        }
        answer => answer?,
    };
    match answer["aliases"][live].as_str() {
        Some(collection) if !collection.contains(',') => Ok(Some(collection.to_owned())),
        Some(several) => Err(SwapError::Unfit(format!(
            "{live} is an alias of several collections ({}); not swapped",
            one_line(several)
        ))),
        None => Err(SwapError::Unfit(format!(
            "{live} is a collection, which cannot give away its name; make an alias of it \
             (admin/collections?action=CREATEALIAS&name=ALIAS&collections={live}), name that in urls \
             and in VuFind, and swap then"
        ))),
    }
}

/// The server that has both indices, the name of the live one and that of the rebuilt one; `None` if
/// there is no such server.
fn cores(urls: &[Url], rebuilt: &Url) -> Option<(Url, String, String)> {
    let split = |url: &Url| -> Option<(Url, String)> {
        let (server, core) = url.path().rsplit_once('/')?;
        let mut base = url.clone();
        base.set_path(server);
        Some((base, core.to_owned()))
    };
    let (server, next) = split(rebuilt)?;
    let (_, live) = urls
        .iter()
        .filter_map(split)
        .find(|(base, core)| *base == server && *core != next)?;
    Some((server, live, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_of_one_server_can_be_swapped() {
        let urls = ["http://a:8983/solr/biblio", "http://b:8983/solr/biblio"];
        let urls = urls.map(|url| url.parse().unwrap());
        let cases = [
            (
                "http://b:8983/solr/next",
                Some(("http://b:8983/solr", "biblio", "next")),
            ),
            ("http://c:8983/solr/next", None),
            ("http://a:8983/solr/biblio", None),
            ("http://a:8984/solr/next", None),
        ];
        for (target, expected) in cases {
            let found = cores(&urls, &target.parse().unwrap());
            let found = found
                .as_ref()
                .map(|(server, live, next)| (server.as_str(), live.as_str(), next.as_str()));
            assert_eq!(found, expected, "{target}");
        }
    }
}
