//! Puts an index that was built beside the live one in its place.

use std::sync::Arc;

use url::Url;

use super::client::{Client, SolrError};
use super::settings::SolrSettings;
use crate::http::ClientError;
use crate::stop::Stop;
use crate::store::{Store, StoreError, Version};

/// Why two cores were not swapped.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// They cannot be: the reason, for a person.
    #[error("{0}")]
    Unfit(String),
    /// The settings cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server could not be asked, or would not.
    #[error(transparent)]
    Solr(#[from] SolrError),
    /// The server was asked to swap, and what became of it is not known.
    #[error(
        "no answer says whether they were swapped: {why}; see which index is at {target}. The next push \
         sends the live one all that either of them may lack, and a rebuild of {target} starts over"
    )]
    Unknown {
        /// The address of the index that was to go live.
        target: String,
        /// What came instead of an answer.
        why: SolrError,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where the index is that was live before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// Two cores have swapped their names: it is at the address of the target now.
    Cores,
    /// An alias has moved: it is the collection of this name still.
    Alias(String),
}

/// Puts the index at `target`, which a push has filled, in the place of the live one of `settings`,
/// and makes its position that of the output.
///
/// Both have to be on one server. Without ZooKeeper they are cores, which swap their names. In a
/// SolrCloud `urls` have to name an alias, which moves to the target's collection.
///
/// # Errors
/// See [`SwapError`]. If it is not known what became of the swap, the output's position has gone back
/// as far as it has to for either index, and the rebuild starts over: what is sent twice does no harm.
pub async fn swap(
    store: &Arc<Store>,
    settings: &SolrSettings,
    target: &Url,
    stop: &Stop,
) -> Result<Swapped, SwapError> {
    let rebuild = settings.rebuild(target.clone());
    let (server, live, next) = cores(settings, target)?;
    // Neither index may get anything between the look at the positions and the swap.
    let _locks = (
        store.lock_output(&settings.name)?,
        store.lock_output(&rebuild.name)?,
    );
    let (old, _) = store.register_output(&settings.name, &settings.definition())?;
    let (new, starts_over) = store.register_output(&rebuild.name, &rebuild.definition())?;
    if starts_over || new.position.0 == 0 {
        return Err(SwapError::Unfit(format!(
            "{target} has not been pushed to with the settings as they are now; not swapped"
        )));
    }
    let admin_settings = SolrSettings {
        urls: vec![server],
        ..settings.clone()
    };
    let admin = Client::new(&admin_settings, stop.clone())?;
    let alias = alias(&admin, &live).await?;
    let commit = [("commit", "true".to_owned())];
    let filled = Client::new(&rebuild, stop.clone())?;
    filled.ask("update", &commit).await?;
    let found = documents(&filled).await?;
    let served = documents(&Client::new(settings, stop.clone())?).await?;
    if found < served / 2 {
        return Err(SwapError::Unfit(format!(
            "{target} has {found} documents and the live index {served}: not swapped. If it was emptied \
             since it was pushed to, or the live one has documents of others, push to it again with \
             --all and add those"
        )));
    }
    // A crash from here on must not leave a position that is ahead of whichever index is live then,
    // nor one that takes the old index for the new one.
    store.set_position(old.id, old.position.min(new.position))?;
    store.set_position(new.id, Version::default())?;
    let done = match &alias {
        // A second swap would undo one whose answer was lost.
        None => {
            let once = SolrSettings {
                retries: 0,
                ..admin_settings
            };
            swap_cores(&Client::new(&once, stop.clone())?, live, next).await
        }
        Some(collection) if *collection == next => Ok(()), // an earlier attempt came so far
        Some(_) => move_alias(&admin, live, next).await,
    };
    if let Err(error) = done {
        if matches!(
            error,
            SolrError::Refused { .. } | SolrError::Unusable { .. }
        ) {
            store.set_position(old.id, old.position)?;
            store.set_position(new.id, new.position)?;
            return Err(error.into());
        }
        return Err(SwapError::Unknown {
            target: target.to_string(),
            why: error,
        });
    }
    store.replace_output(old.id, new.id, new.position)?;
    Ok(alias.map_or(Swapped::Cores, Swapped::Alias))
}

/// How many documents an index has.
async fn documents(index: &Client) -> Result<u64, SolrError> {
    let all = [
        ("q", "*:*".to_owned()),
        ("defType", "lucene".to_owned()),
        ("rows", "0".to_owned()),
    ];
    let answer = index.ask("select", &all).await?;
    Ok(answer["response"]["numFound"].as_u64().unwrap_or_default())
}

/// The collection that `live` is an alias of; `None` for a core of a server without ZooKeeper.
async fn alias(admin: &Client, live: &str) -> Result<Option<String>, SwapError> {
    let list = [("action", "LISTALIASES".to_owned())];
    let answer = match admin.ask("admin/collections", &list).await {
        Err(SolrError::Refused { message, .. }) if message.contains("not running in SolrCloud") => {
            return Ok(None);
        }
        answer => answer?,
    };
    match answer["aliases"][live].as_str() {
        Some(collection) if !collection.contains(',') => Ok(Some(collection.to_owned())),
        Some(several) => Err(SwapError::Unfit(format!(
            "{live} is an alias of several collections ({several}); not swapped"
        ))),
        None => Err(SwapError::Unfit(format!(
            "{live} is a collection, which cannot give away its name; make an alias of it \
             (admin/collections?action=CREATEALIAS&name=ALIAS&collections={live}), name that in urls \
             and in VuFind, and swap then"
        ))),
    }
}

async fn swap_cores(admin: &Client, live: String, next: String) -> Result<(), SolrError> {
    let swap = [
        ("action", "SWAP".to_owned()),
        ("core", live),
        ("other", next),
    ];
    admin.ask("admin/cores", &swap).await.map(drop)
}

async fn move_alias(admin: &Client, live: String, next: String) -> Result<(), SolrError> {
    let create = [
        ("action", "CREATEALIAS".to_owned()),
        ("name", live),
        ("collections", next),
    ];
    admin.ask("admin/collections", &create).await.map(drop)
}

/// The server that has both indices, the name of the live one and that of the other.
fn cores(settings: &SolrSettings, target: &Url) -> Result<(Url, String, String), SwapError> {
    let split = |url: &Url| -> Option<(Url, String)> {
        let (server, core) = url.path().rsplit_once('/')?;
        let mut base = url.clone();
        base.set_path(server);
        Some((base, core.to_owned()))
    };
    let unfit = || {
        SwapError::Unfit(format!(
            "{target} is no other core or collection of a server in urls of output {}, and only those \
             of one server can be swapped",
            settings.name
        ))
    };
    let (server, next) = split(target).ok_or_else(unfit)?;
    let live = settings.urls.iter().filter_map(split);
    let (_, live) = live
        .into_iter()
        .find(|(base, core)| *base == server && *core != next)
        .ok_or_else(unfit)?;
    Ok((server, live, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_of_one_server_can_be_swapped() {
        let mut settings = SolrSettings::new("v", "http://a:8983/solr/biblio".parse().unwrap());
        settings
            .urls
            .push("http://b:8983/solr/biblio".parse().unwrap());
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
            let found = cores(&settings, &target.parse().unwrap()).ok();
            let found = found
                .as_ref()
                .map(|(server, live, next)| (server.as_str(), live.as_str(), next.as_str()));
            assert_eq!(found, expected, "{target}");
        }
    }
}
