//! Listing identifiers alone, which is much less than records, to see what has vanished.

use super::{Halt, Run};
use crate::harvest::adapt;
use crate::harvest::blocking::blocking;
use crate::harvest::fetch::Fetched;
use crate::harvest::learn;
use crate::harvest::plan::{Plan, RunOptions, plan};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::List;
use crate::oai::{Content, Record};
use crate::store::{PassKind, Source};

impl<T: Transport> Run<'_, T> {
    /// Lists the identifiers of everything, or goes on with such a list that was cut off.
    ///
    /// Gives `false` where the repository cannot do that: DOAJ refuses to go on with such a list for
    /// callers without a key.
    pub(super) async fn list_all_identifiers(&mut self) -> Result<bool, Halt> {
        // With a key, it may have become possible.
        let has_key = self.settings.client.credentials.api_key.is_some();
        if adapt::is_failing(&self.traits, Verb::ListIdentifiers) && !has_key {
            return Ok(false);
        }
        let source = self.current_source()?;
        self.verb = Verb::ListIdentifiers;
        let read = self.read_identifiers(&source).await;
        self.verb = Verb::ListRecords;
        // Tokens of the other verb may want another form.
        (self.tokens_work, self.has_resumed) = (false, false);
        match read {
            Ok(()) => {
                let works = Verb::ListIdentifiers.name();
                self.traits.failing_verbs.retain(|verb| verb != works);
                self.save_traits(&source)?;
                Ok(true)
            }
            Err(Halt::NoIdentifiers(why)) => {
                learn::failing_verb(&mut self.traits, Verb::ListIdentifiers);
                self.save_traits(&source)?;
                let store = &self.context.store;
                if let Some(pass) = store.open_identifiers_pass(source.id)? {
                    let now_ms = self.context.clock.now_ms();
                    blocking(|| store.abandon_pass(pass.id, &why, now_ms))?;
                }
                self.note(&format!(
                    "identifiers alone cannot be listed ({why}); listing whole records"
                ));
                Ok(false)
            }
            Err(halt) => Err(halt),
        }
    }

    async fn read_identifiers(&mut self, source: &Source) -> Result<(), Halt> {
        let store = &self.context.store;
        if let Some(pass) = store.open_identifiers_pass(source.id)? {
            self.note("going on with the list of identifiers that was cut off");
            blocking(|| store.resume_pass(pass.id))?;
            return self.read_pass(source, &pass, false).await;
        }
        let options = RunOptions {
            full: true,
            ..RunOptions::default()
        };
        let Plan::Begin { windows, .. } = plan(source, None, self.settings, &options) else {
            return Err(Halt::Left(format!(
                "source {}: nothing to list",
                source.name
            )));
        };
        let now_ms = self.context.clock.now_ms();
        let kind = PassKind::Identifiers;
        let pass = blocking(|| store.begin_pass(source.id, kind, false, false, &windows, now_ms))?;
        let pass = store.pass(pass)?;
        self.read_pass(source, &pass, false).await
    }

    /// Whether only identifiers are listed.
    pub(super) fn lists_identifiers(&self) -> bool {
        self.verb == Verb::ListIdentifiers
    }
}

/// A page of identifiers as one of records that are headers alone, so that both are judged alike.
pub(super) fn as_records(fetched: &mut Fetched) {
    let content = &mut fetched.response.content;
    if let Content::Identifiers(list) = content {
        let list = List {
            items: std::mem::take(&mut list.items)
                .into_iter()
                .map(Record::tombstone)
                .collect(),
            bad: std::mem::take(&mut list.bad),
            token: list.token.take(),
            paging: std::mem::take(&mut list.paging),
        };
        *content = Content::Records(list);
    }
}
