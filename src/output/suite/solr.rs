//! The scripted Solr of the tests of the whole program.

use std::collections::BTreeMap;

use super::Subject;
use crate::output::push::tests::settings;
use crate::output::{OutputKind, OutputSettings};

#[path = "../../../tests/support/solr.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the file is shared with the tests of the whole program, which use all of it"
)]
mod scripted;

use scripted::{Crash, FakeSolr, commands};

/// The title of the document in a command.
pub(super) fn title(command: &str) -> String {
    let command = commands(command).pop().expect("this is a command");
    title_of(&command["add"]["doc"])
}

fn title_of(document: &serde_json::Value) -> String {
    let title = document["title"].as_str();
    title.expect("each document has a title").to_owned()
}

/// A Solr that this process imitates.
pub(super) struct ScriptedSolr(FakeSolr);

impl Subject for ScriptedSolr {
    async fn start() -> Self {
        Self(FakeSolr::start().await)
    }

    fn settings(&self) -> OutputSettings {
        let mut settings = settings();
        let OutputKind::Solr(solr) = &mut settings.kind else {
            panic!("these are settings of Solr");
        };
        **solr = solr.at(&self.0.url.parse().expect("it has a URL"));
        settings
    }

    fn documents(&self) -> BTreeMap<String, String> {
        let state = self.0.state();
        let documents = state.documents.iter();
        documents
            .map(|(id, document)| (id.clone(), title_of(document)))
            .collect()
    }

    fn arrived(&self) -> Vec<String> {
        self.0.state().updates.concat()
    }

    fn fail_after(&self, batches: usize, share: f64) {
        let mut state = self.0.state();
        state.crash = Some(Crash {
            after: batches,
            share,
            hangs: false,
        });
        state.gone_after = Some(state.updates.len() + batches);
    }

    fn refuse(&self, id: &str) {
        let id = id.to_owned();
        self.0.poison(move |document| {
            let is_refused = document["id"] == id.as_str();
            is_refused.then(|| format!("ERROR: [doc={id}] not wanted"))
        });
    }

    fn heal(&self) {
        self.0.heal();
    }
}
