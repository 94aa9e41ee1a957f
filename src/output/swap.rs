//! Puts an index that a push has filled in the place of the live one, with its position.

use std::sync::Arc;

use url::Url;

use super::OutputSettings;
use super::push::register;
use super::target::{OutputError, SwapError, Swapped};
use crate::stop::Stop;
use crate::store::{Store, Version};

/// Puts the index at `address`, which a push has filled, in the place of the live one of `settings`. Its
/// position becomes that of the output.
///
/// # Errors
/// See [`SwapError`]. If it is not known whether the indices were swapped, the output's position goes
/// back as far as either index needs it, and the rebuild starts over: sending twice does no harm.
pub async fn swap(
    store: &Arc<Store>,
    settings: &OutputSettings,
    address: &Url,
    stop: &Stop,
) -> Result<Swapped, SwapError> {
    let rebuild = settings.rebuild(address)?;
    let mut target = settings.connect_swap(address, stop)?;
    // Neither index may be sent anything between the look at the positions and the swap.
    let _locks = (
        store.lock_output(&settings.name)?,
        store.lock_output(&rebuild.name)?,
    );
    let (old, _) = register(store, settings)?;
    let (new, starts_over) = register(store, &rebuild)?;
    if starts_over || new.position == Version::default() {
        return Err(SwapError::Unfit(format!(
            "{address} has not been pushed to with the present settings; not swapped"
        )));
    }
    let counts = target.prepare().await?;
    if counts.rebuilt < counts.live / 2 {
        return Err(SwapError::Unfit(format!(
            "{address} has {} documents and the live index {}: not swapped. If it was emptied since it \
             was pushed to, or the live one has documents of others, push to it again with --all and \
             add those",
            counts.rebuilt, counts.live
        )));
    }
    // After a crash, no position may be ahead of the index that is live then, nor may the old index
    // pass for the rebuilt one.
    store.set_position(old.id, old.position.min(new.position))?;
    store.set_position(new.id, Version::default())?;
    match target.swap().await {
        Ok(swapped) => {
            store.replace_output(old.id, new.id, new.position)?;
            Ok(swapped)
        }
        Err(error @ (OutputError::Refused { .. } | OutputError::Unusable { .. })) => {
            store.set_position(old.id, old.position)?;
            store.set_position(new.id, new.position)?;
            Err(error.into())
        }
        Err(why) => Err(SwapError::Unknown {
            address: address.to_string(),
            why,
        }),
    }
}
