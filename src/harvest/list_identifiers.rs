//! A pass over identifiers alone, which is much smaller than one over records. It shows which records
//! have disappeared.

use super::blocking::blocking;
use super::learn;
use super::pass::{PassStart, read_pass};
use super::plan::{Plan, RunOptions, plan};
use super::request_form;
use super::run::{Halt, Run};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::store::{PassKind, Source};

/// Lists the identifiers of everything, or goes on with an interrupted pass over them.
///
/// Gives `false` if the repository cannot do that: DOAJ refuses to resume such a list for callers
/// without a key.
pub(super) async fn list_all_identifiers<T: Transport>(run: &mut Run<'_, T>) -> Result<bool, Halt> {
    // With a key, it may have become possible.
    let has_key = run.settings.client.credentials.api_key.is_some();
    if request_form::is_failing(&run.repository.traits, Verb::ListIdentifiers) && !has_key {
        return Ok(false);
    }
    let source = run.current_source()?;
    let read = read_identifiers(run, &source).await;
    // Tokens of ListRecords may want another form.
    run.repository.tokens_work = false;
    match read {
        Ok(()) => {
            learn::working_verb(&mut run.repository.traits, Verb::ListIdentifiers);
            run.save_traits(&source)?;
            Ok(true)
        }
        Err(Halt::CannotListIdentifiers(why)) => {
            learn::failing_verb(&mut run.repository.traits, Verb::ListIdentifiers);
            run.save_traits(&source)?;
            let store = &run.context.store;
            if let Some(pass) = store.open_identifiers_pass(source.id)? {
                let now_ms = run.context.clock.now_ms();
                blocking(|| store.abandon_pass(pass.id, &why, now_ms))?;
            }
            run.notes.note(&format!(
                "the repository cannot list identifiers alone ({why}); listing whole records"
            ));
            Ok(false)
        }
        Err(halt) => Err(halt),
    }
}

async fn read_identifiers<T: Transport>(run: &mut Run<'_, T>, source: &Source) -> Result<(), Halt> {
    let store = &run.context.store;
    if let Some(pass) = store.open_identifiers_pass(source.id)? {
        run.notes
            .note("resuming the interrupted list of identifiers");
        blocking(|| store.resume_pass(pass.id))?;
        return read_pass(run, source, &pass, PassStart::Interrupted).await;
    }
    let options = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    let Plan::Begin { windows, .. } = plan(source, None, &[], run.settings, &options) else {
        return Err(Halt::Unfinished(format!(
            "source {}: nothing to list",
            source.name
        )));
    };
    let now_ms = run.context.clock.now_ms();
    let kind = PassKind::Identifiers;
    let pass = blocking(|| store.begin_pass(source.id, kind, false, false, &windows, now_ms))?;
    let pass = store.pass(pass)?;
    read_pass(run, source, &pass, PassStart::New).await
}
