//! Asking for records one by one: those that a list shows without metadata, and those that an
//! earlier pass had to set aside.

use super::windows::{commit, flush};
use super::{Halt, Run};
use crate::harvest::adapt;
use crate::harvest::blocking::blocking;
use crate::harvest::commit::Committer;
use crate::harvest::fetch::Trouble;
use crate::harvest::span;
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::ErrorCode;
use crate::oai::{Content, Datestamp, Record, Request};
use crate::store::{PageStep, Pass, PassId, Source, Span, Step};

/// Items in quarantine that one pass asks for again, at the most.
const MOST_ASKED_AGAIN: u32 = 1_000;

/// Those among them that cannot be had, at the most: each may cost its whole timeout.
const MOST_IN_VAIN: u32 = 50;

/// So many of these, one after the other, end the asking: the host may be down.
const MOST_IN_VAIN_IN_A_ROW: u32 = 5;

/// Pages of identifiers in which one of them is looked for.
const MOST_PAGES_LOOKED_AT: u32 = 20;

/// What asking for one record brought.
pub(super) enum Got {
    /// The record, live or deleted.
    Record(Box<Record>),
    /// The repository says that it does not have it.
    Nothing,
    /// It cannot be had, now.
    Unreadable {
        /// Why.
        reason: String,
        /// What came instead, if anything did.
        body: Option<Vec<u8>>,
        /// Whether the repository answered at all; if not, nothing is known of the record.
        answered: bool,
    },
}

impl<T: Transport> Run<'_, T> {
    /// Asks for one record. What it brings never says how far a list reaches.
    pub(super) async fn get_record(&mut self, identifier: &str) -> Result<Got, Halt> {
        let request = Request::GetRecord {
            identifier: identifier.to_owned(),
            metadata_prefix: self.settings.metadata_prefix.clone(),
        };
        let trouble = match self.requester.ask(&request, 1).await {
            Ok(fetched) => {
                self.note_repairs(&fetched.response.repairs);
                return Ok(match fetched.response.content {
                    // Some repositories answer with another record than was asked for.
                    Content::Record(record) if record.header.identifier == identifier => {
                        Got::Record(record)
                    }
                    Content::Record(record) => unreadable(format!(
                        "GetRecord brought {} instead",
                        record.header.identifier
                    )),
                    Content::Errors(errors) => match errors.first() {
                        Some(error) if error.known_code() == Some(ErrorCode::IdDoesNotExist) => {
                            Got::Nothing
                        }
                        error => {
                            unreadable(error.map_or_else(String::new, |error| error.code.clone()))
                        }
                    },
                    _ => unreadable("no record in the answer".to_owned()),
                });
            }
            Err(trouble) => trouble,
        };
        if let Some(why) = trouble.refuses_the_request() {
            return Ok(unreadable(why.to_owned()));
        }
        match trouble {
            Trouble::Exhausted {
                why,
                body,
                answered,
                ..
            } => Ok(Got::Unreadable {
                reason: why,
                body,
                answered,
            }),
            trouble => Err(Halt::from_trouble(trouble)),
        }
    }

    /// Asks once for each live record that a list shows without metadata. Where that brings none
    /// either, the record stays as it is: live, a header alone.
    pub(super) async fn fill_gaps(&mut self, records: &mut [Record]) -> Result<(), Halt> {
        for record in records {
            let is_gap = record.metadata.is_none() && !record.header.deleted;
            if !is_gap || self.gaps_left == 0 {
                continue;
            }
            self.gaps_left -= 1;
            if let Got::Record(alone) = self.get_record(&record.header.identifier.clone()).await?
                && alone.metadata.is_some()
            {
                *record = *alone;
            }
        }
        Ok(())
    }

    /// Asks again for items that earlier passes had to set aside, as far as they have a name.
    /// Those that can be read now leave the quarantine.
    pub(super) async fn ask_again_for_bad_items(
        &mut self,
        source: &Source,
        pass: &Pass,
        committer: &Committer,
    ) -> Result<(), Halt> {
        let mut items = self
            .context
            .store
            .quarantined_identifiers(source.id, MOST_ASKED_AGAIN)?;
        items.sort_unstable();
        // Not always in the same order, should many be in vain.
        fastrand::shuffle(&mut items);
        let mut records = Vec::new();
        let mut gone = Vec::new();
        let (mut in_vain, mut in_a_row) = (0, 0);
        for (name, datestamp) in items {
            let got = self.get_record(&name).await?;
            in_a_row = match got {
                Got::Unreadable { .. } => in_a_row + 1,
                Got::Record(_) | Got::Nothing => 0,
            };
            match got {
                Got::Record(record) if record.metadata.is_some() || record.header.deleted => {
                    records.push(*record);
                }
                Got::Nothing if !self.may_be_listed(&name, datestamp.as_deref()).await? => {
                    gone.push(name);
                }
                _ => in_vain += 1,
            }
            if in_vain == MOST_IN_VAIN || in_a_row == MOST_IN_VAIN_IN_A_ROW {
                break;
            }
        }
        if !gone.is_empty() && records.is_empty() && !self.knows_its_records(source).await? {
            gone.clear();
        }
        let window = self
            .context
            .store
            .pending_windows(pass.id)?
            .into_iter()
            .next();
        let nothing = records.is_empty() && gone.is_empty();
        let Some(window) = window.filter(|_| !nothing) else {
            return Ok(());
        };
        if !records.is_empty() {
            self.remark(format!(
                "{} items that were set aside are readable now",
                records.len()
            ));
        }
        if !gone.is_empty() {
            self.remark(format!(
                "{} items that were set aside are gone from the repository: {}",
                gone.len(),
                gone.join(", ")
            ));
        }
        // The window has not begun; beginning it sets its counts to zero.
        let page = PageStep {
            window: window.id,
            records,
            gone,
            ..PageStep::default()
        };
        commit(committer, Step::Page(page), Default::default()).await?;
        flush(committer).await.map(|_| ())
    }

    /// Whether lists may still show an item that GetRecord does not know: then it is no less there
    /// than before. Where no list of identifiers can be had, GetRecord has the last word.
    async fn may_be_listed(
        &mut self,
        identifier: &str,
        datestamp: Option<&str>,
    ) -> Result<bool, Halt> {
        let verb = Verb::ListIdentifiers;
        let fails = adapt::is_failing(&self.traits, verb);
        let at = datestamp.and_then(Datestamp::parse);
        let Some((at, _)) = at.filter(|_| !self.traits.ignores_dates && !fails) else {
            return Ok(false);
        };
        let unit = span::unit_seconds(adapt::granularity(&self.traits));
        let context = Span {
            from: Some(at),
            until: Some(at.plus_seconds(unit)),
        };
        let prefix = self.settings.metadata_prefix.clone();
        let mut request =
            Request::ListIdentifiers(adapt::first(&prefix, None, context, &self.traits));
        for _ in 0..MOST_PAGES_LOOKED_AT {
            let list = match self.requester.ask(&request, 1).await {
                Ok(fetched) => match fetched.response.content {
                    Content::Identifiers(list) => list,
                    _ => return Ok(false),
                },
                Err(Trouble::Exhausted { .. }) => return Ok(true),
                Err(trouble) if trouble.refuses_the_request().is_some() => return Ok(false),
                Err(trouble) => return Err(Halt::from_trouble(trouble)),
            };
            let mut headers = list.items.iter();
            if headers.any(|header| header.identifier == identifier) {
                return Ok(true);
            }
            let Some(token) = list.token else {
                return Ok(false);
            };
            request = adapt::resume(verb, &token, &prefix, &self.traits);
        }
        Ok(true)
    }

    /// Whether the repository knows a record that the store has: one whose index is being built
    /// denies them all.
    async fn knows_its_records(&mut self, source: &Source) -> Result<bool, Halt> {
        let Some(any) = blocking(|| self.context.store.any_seen(source.id, PassId(0)))? else {
            return Ok(false);
        };
        Ok(matches!(self.get_record(&any).await?, Got::Record(_)))
    }
}

fn unreadable(reason: String) -> Got {
    Got::Unreadable {
        reason,
        body: None,
        answered: true,
    }
}
