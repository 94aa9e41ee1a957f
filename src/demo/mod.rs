//! The sample repository of `--demo`: it behaves as DOAJ does.
//!
//! [`Model`] is the repository without network or clock: what it holds and what it answers.
//! [`Server`] puts a model on a loopback port. [`sample`] makes articles to fill it.

pub mod answer;
pub mod article;
mod journal;
mod list;
pub mod model;
mod page;
mod prose;
pub mod sample;
pub mod server;
pub mod settings;
#[cfg(test)]
mod tests;
mod token;
mod vocabulary;
pub mod xml;

use std::io;
use std::time::Duration;

use crate::clock::Clock;
use crate::oai::Datestamp;

pub use answer::Reply;
pub use article::{Article, Author, Link};
pub use model::{Item, Model};
pub use sample::{Sample, Size, articles};
pub use server::Server;
pub use settings::{Format, Settings};

/// Articles in the demo repository, live and deleted.
pub const DEMO_ARTICLES: usize = 3_000;

/// The key that lifts the demo repository's clamp.
pub const DEMO_KEY: &str = "demo";

const DEMO_SEED: u64 = 2002;
const THREE_YEARS: i64 = 3 * 365 * 86_400;

/// Starts the demo repository on a free loopback port.
///
/// # Errors
/// If no loopback port can be had.
pub async fn start() -> io::Result<Server> {
    let now = Datestamp::from_unix(Clock::System.now_seconds());
    Server::start(model(now)).await
}

/// The demo repository: [`DEMO_ARTICLES`] articles changed within the three years before `now`,
/// one in forty deleted, six batches of 100 that share a second as DOAJ's clean-up leaves them,
/// and [`DEMO_KEY`] as premium key.
///
/// The newest month, about 80 articles, is hidden by the clamp.
pub fn model(now: Datestamp) -> Model {
    let mut model = Model::new(Settings {
        premium_key: Some(DEMO_KEY.to_owned()),
        ..Settings::doaj()
    });
    let mut rng = fastrand::Rng::with_seed(DEMO_SEED);
    let mut batch = None;
    for (number, sample) in articles(DEMO_ARTICLES, DEMO_SEED, Size::Demo).enumerate() {
        let alone = now.plus_seconds(-rng.i64(60..THREE_YEARS));
        let at = match number % 500 {
            0 => *batch.insert(alone),
            1..100 => batch.unwrap_or(alone),
            _ => alone,
        };
        model.insert(Item {
            deleted: number % 40 == 39,
            ..sample.into_item(at, &["oai_doaj", "oai_dc"])
        });
    }
    model
}

/// `duration` in whole seconds, as far as dates reach.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
