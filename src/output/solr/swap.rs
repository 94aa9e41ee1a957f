//! Puts an index that was built beside the live one in its place.

use std::sync::Arc;

use url::Url;

use super::client::{Client, SolrError};
use super::settings::SolrSettings;
use crate::harvest::Stop;
use crate::oai::error::ClientError;
use crate::store::{Store, StoreError};

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
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Swaps the live core of `settings` with the one at `target`, which a push has filled, and makes
/// the position of the new index that of the output. The old index is then at `target`.
///
/// Both have to be cores of one server without ZooKeeper.
///
/// # Errors
/// See [`SwapError`]. If the swap itself fails, the output's position may have gone back to that of
/// the new index: the next push sends again what is between, which does no harm.
pub async fn swap(
    store: &Arc<Store>,
    settings: &SolrSettings,
    target: &Url,
    stop: &Stop,
) -> Result<(), SwapError> {
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
    let commit = [("commit", "true".to_owned())];
    Client::new(&rebuild, stop.clone())?
        .ask("update", &commit)
        .await?;
    // First the position, then the swap: a crash between them only sends things twice.
    store.set_position(old.id, old.position.min(new.position))?;
    let admin = SolrSettings {
        urls: vec![server],
        ..settings.clone()
    };
    let swap = [
        ("action", "SWAP".to_owned()),
        ("core", live),
        ("other", next),
    ];
    Client::new(&admin, stop.clone())?
        .ask("admin/cores", &swap)
        .await?;
    store.replace_output(old.id, new.id)?;
    Ok(())
}

/// The server that has both cores, the name of the live one and that of the other.
fn cores(settings: &SolrSettings, target: &Url) -> Result<(Url, String, String), SwapError> {
    let split = |url: &Url| -> Option<(Url, String)> {
        let (server, core) = url.path().rsplit_once('/')?;
        let mut base = url.clone();
        base.set_path(server);
        Some((base, core.to_owned()))
    };
    let unfit = || {
        SwapError::Unfit(format!(
            "{target} is no other core of a server in urls of output {}, and only cores of one \
             server can be swapped",
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
