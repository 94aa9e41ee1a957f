//! Reads what the repository calls its sets: seldom, at the end of a run, and without harm if it fails.

use super::blocking::blocking;
use super::requester::RequestError;
use super::run::{Halt, Run};
use crate::oai::client::Transport;
use crate::oai::{Content, Request};

/// How long names are good.
const EVERY_MS: i64 = 30 * 24 * 3600 * 1000;

/// When to try again after a failure.
const AGAIN_MS: i64 = 24 * 3600 * 1000;

/// The largest list of sets that is read.
const MOST_PAGES: usize = 500;
const MOST_SETS: usize = 100_000;

/// The longest name that is kept, in characters.
const MOST_CHARS: usize = 500;

/// Reads the names of the sets, if they are wanted and due.
///
/// Names that were known stay if the list cannot be read to its end.
///
/// # Errors
/// If the store cannot be written. What the repository answers is never an error.
pub(super) async fn read_set_names<T: Transport>(run: &mut Run<'_, T>) -> Result<(), Halt> {
    let now_ms = run.context.clock.now_ms();
    let due_at = run.repository.traits.set_names_due_at;
    // A clock that was set back must not put it off for longer.
    let is_due = due_at.is_none_or(|due| due <= now_ms || due > now_ms + EVERY_MS);
    if !run.settings.reads_set_names || !is_due || run.context.stop.is_requested() {
        return Ok(());
    }
    let listed = list(run).await;
    if run.context.stop.is_requested() {
        return Ok(());
    }
    let source = run.current_source()?;
    let pause = match listed {
        Ok(names) => {
            blocking(|| run.context.store.put_set_names(source.id, &names))?;
            EVERY_MS
        }
        Err(why) => {
            run.notes
                .note(&format!("the names of the sets could not be read: {why}"));
            AGAIN_MS
        }
    };
    run.repository.traits.set_names_due_at = Some(now_ms + pause);
    run.save_traits(&source)
}

/// The names of all sets, or why there are none.
async fn list<T: Transport>(run: &mut Run<'_, T>) -> Result<Vec<(String, String)>, String> {
    let mut names = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let request = Request::ListSets {
            token: token.clone(),
        };
        let answer = run.requester.ask(&request, 1).await;
        let page = match answer.map(|fetched| fetched.response.content) {
            Ok(Content::Sets(page)) => page,
            // noSetHierarchy.
            Ok(Content::Errors(_)) if token.is_none() => return Ok(names),
            Ok(Content::Errors(errors)) => {
                let first = errors.first().map(|error| error.message.clone());
                return Err(first.unwrap_or_default());
            }
            Ok(_) => return Err("the answer has no sets".to_owned()),
            Err(error) => return Err(why(error)),
        };
        for set in page.items {
            let name = set.set_name.unwrap_or_default();
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if !name.is_empty() && !set.set_spec.is_empty() {
                names.push((set.set_spec, name.chars().take(MOST_CHARS).collect()));
            }
        }
        if names.len() > MOST_SETS {
            return Err(format!("there are more than {MOST_SETS}"));
        }
        // A repeated token would never end.
        if page.token.is_none() || page.token == token {
            return Ok(names);
        }
        token = page.token;
    }
    Err(format!("the list has more than {MOST_PAGES} pages"))
}

/// Why a request has no answer, in words.
fn why(error: RequestError) -> String {
    match error {
        RequestError::Failed { why, .. }
        | RequestError::Refused { why, .. }
        | RequestError::HostPaused { why, .. }
        | RequestError::Held(why) => why,
        RequestError::Store(error) => error.to_string(),
        RequestError::Stopped | RequestError::Unreached(_) => "the run has ended".to_owned(),
    }
}
