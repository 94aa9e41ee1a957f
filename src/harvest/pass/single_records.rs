//! Records that are asked for by name: records that a list shows without metadata, and items that an
//! earlier pass quarantined.

use super::PassRun;
use crate::harvest::blocking::blocking;
use crate::harvest::request_form;
use crate::harvest::requester::RequestError;
use crate::harvest::run::{Halt, SingleRecord};
use crate::harvest::span;
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::{Content, Datestamp, Request};
use crate::store::{PageStep, PassId, Span, Step, WarningKind};

/// One pass asks for at most this many quarantined items.
const MAX_RETRIED: u32 = 1_000;

/// Asking ends after this many unreadable items: each may cost its whole timeout.
const MAX_UNREADABLE: u32 = 50;

/// Asking ends after this many unreadable items in a row: the host may be down.
const MAX_UNREADABLE_IN_A_ROW: u32 = 5;

/// At most this many records in doubt are counted.
const MAX_DOUBTED: u32 = 10_000;

/// One run asks for at most this many records in doubt.
const MAX_ASKED: usize = 500;

/// An item is looked for in at most this many pages of identifiers.
const MAX_PAGES: u32 = 20;

impl<T: Transport> PassRun<'_, '_, T> {
    /// Asks once for each live record that a page shows without metadata. GetRecord may show metadata,
    /// or that the record is deleted. If it shows a header alone as well, the record is one.
    pub(super) async fn fetch_missing_metadata(&mut self, page: &mut PageStep) -> Result<(), Halt> {
        for record in &mut page.records {
            let is_missing = record.metadata.is_none() && !record.header.deleted;
            if !is_missing || !self.run.budget.take_missing_metadata() {
                continue;
            }
            let answer = self.run.get_record(&record.header.identifier).await?;
            if let SingleRecord::Found(mut found) = answer {
                page.by_name.insert(record.header.identifier.clone());
                if found.metadata.is_some() || found.header.deleted {
                    found.header.complete_from(&record.header);
                    *record = *found;
                }
            }
        }
        Ok(())
    }

    /// Asks for records about which lists contradict themselves, a limited number in each run. Without
    /// an answer they stay as they are, a warning says so, and the next run asks again.
    pub(super) async fn resolve_contradictions(&mut self) -> Result<(), Halt> {
        let store = &self.run.context.store;
        // They wait for windows that cannot be read now. What nothing contradicts so far is stored.
        if store.has_held_states(self.source.id)? {
            let nothing = Step::ResolveContradictions {
                found: Vec::new(),
                unknown: Vec::new(),
            };
            self.committer.store(nothing).await?;
        }
        let mut doubted = store.doubted_identifiers(self.source.id, MAX_DOUBTED)?;
        if doubted.is_empty() {
            return self.warn_of_doubts();
        }
        // Another order each time, in case GetRecord never answers about some.
        fastrand::shuffle(&mut doubted);
        doubted.truncate(MAX_ASKED);
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        let mut in_a_row = 0;
        for identifier in doubted {
            match self.run.get_record(&identifier).await? {
                SingleRecord::Found(record) => {
                    in_a_row = 0;
                    if !record.header.deleted
                        && store.is_listed_as_deleted(self.source, &identifier)?
                    {
                        self.run.repository.traits.false_tombstones = true;
                    }
                    found.push(*record);
                }
                SingleRecord::Unknown => {
                    in_a_row = 0;
                    unknown.push(identifier);
                }
                SingleRecord::Unreadable { .. } => in_a_row += 1,
            }
            if in_a_row == MAX_UNREADABLE_IN_A_ROW {
                break;
            }
        }
        if !unknown.is_empty() && found.is_empty() && !self.knows_its_records().await? {
            unknown.clear();
        }
        self.committer
            .store(Step::ResolveContradictions { found, unknown })
            .await?;
        self.warn_of_doubts()
    }

    /// Warns of records in doubt, as long as there are any.
    fn warn_of_doubts(&mut self) -> Result<(), Halt> {
        let store = &self.run.context.store;
        let doubted = store.doubted_identifiers(self.source.id, MAX_DOUBTED)?;
        let message = doubted.first().map(|any| {
            format!(
                "{} records are listed in several states, live and deleted for example, and \
                 GetRecord gives no answer about them; they stay as they are, {any} among them, and \
                 the next run asks again",
                doubted.len()
            )
        });
        let kind = WarningKind::ContradictoryLists;
        self.run.warn(self.source, kind, message.as_deref())
    }

    /// Asks again for quarantined items that have an identifier. Items that can be read now, or that
    /// the repository does not have any more, leave the quarantine.
    pub(super) async fn retry_quarantined_items(&mut self) -> Result<(), Halt> {
        let mut items = self
            .run
            .context
            .store
            .quarantined_identifiers(self.source.id, MAX_RETRIED)?;
        items.sort_unstable();
        // Another order each time, in case many are unreadable.
        fastrand::shuffle(&mut items);
        let mut records = Vec::new();
        let mut gone = Vec::new();
        let (mut unreadable, mut in_a_row) = (0, 0);
        for (identifier, datestamp) in items {
            let answer = self.run.get_record(&identifier).await?;
            in_a_row = match answer {
                SingleRecord::Unreadable { .. } => in_a_row + 1,
                SingleRecord::Found(_) | SingleRecord::Unknown => 0,
            };
            match answer {
                SingleRecord::Found(mut record)
                    if record.metadata.is_some() || record.header.deleted =>
                {
                    if record.header.instant().is_none()
                        && let Some(listed) = datestamp
                    {
                        record.header.datestamp = listed;
                    }
                    records.push(*record);
                }
                SingleRecord::Unknown
                    if !self
                        .may_be_listed(&identifier, datestamp.as_deref())
                        .await? =>
                {
                    gone.push(identifier);
                }
                _ => unreadable += 1,
            }
            if unreadable == MAX_UNREADABLE || in_a_row == MAX_UNREADABLE_IN_A_ROW {
                break;
            }
        }
        if !gone.is_empty() && records.is_empty() && !self.knows_its_records().await? {
            gone.clear();
        }
        let store = &self.run.context.store;
        let window = store.pending_windows(self.pass.id)?.into_iter().next();
        let nothing = records.is_empty() && gone.is_empty();
        let Some(window) = window.filter(|_| !nothing) else {
            return Ok(());
        };
        if !records.is_empty() {
            self.run.notes.remark(format!(
                "{} quarantined items are readable now",
                records.len()
            ));
        }
        if !gone.is_empty() {
            self.run.notes.remark(format!(
                "{} quarantined items are gone from the repository: {}",
                gone.len(),
                gone.join(", ")
            ));
        }
        // The window has not begun; its first page sets its counts to zero.
        let page = PageStep {
            window: window.id,
            records,
            gone,
            ..PageStep::default()
        };
        self.committer.store(Step::Page(page)).await?;
        Ok(())
    }

    /// Whether lists may still show an item that GetRecord does not know. Where identifiers cannot be
    /// listed, GetRecord has the last word.
    async fn may_be_listed(
        &mut self,
        identifier: &str,
        datestamp: Option<&str>,
    ) -> Result<bool, Halt> {
        let run = &mut *self.run;
        let traits = &run.repository.traits;
        let verb = Verb::ListIdentifiers;
        let fails = request_form::is_failing(traits, verb);
        let at = datestamp.and_then(Datestamp::parse);
        let Some((at, _)) = at.filter(|_| !traits.ignores_dates && !fails) else {
            return Ok(false);
        };
        let unit = span::unit_seconds(request_form::granularity(traits));
        let span = Span {
            from: Some(at),
            until: Some(at.plus_seconds(unit)),
        };
        let prefix = &run.settings.metadata_prefix;
        let mut request = Request::ListIdentifiers(request_form::first(prefix, None, span, traits));
        for _ in 0..MAX_PAGES {
            let list = match run.requester.ask(&request, 1).await {
                Ok(fetched) => match fetched.response.content {
                    Content::Identifiers(list) => list,
                    _ => return Ok(false),
                },
                Err(RequestError::Failed { .. }) => return Ok(true),
                Err(error) if error.refuses_this_request().is_some() => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let mut headers = list.items.iter();
            if headers.any(|header| header.identifier == identifier) {
                return Ok(true);
            }
            let Some(token) = list.token else {
                return Ok(false);
            };
            request = request_form::resume(verb, &token, prefix, traits);
        }
        Ok(true)
    }

    /// Whether GetRecord knows any record of the store. While a repository builds its index, it knows
    /// none.
    async fn knows_its_records(&mut self) -> Result<bool, Halt> {
        let store = &self.run.context.store;
        let Some(any) = blocking(|| store.any_seen(self.source.id, PassId(0)))? else {
            return Ok(false);
        };
        Ok(matches!(
            self.run.get_record(&any).await?,
            SingleRecord::Found(_)
        ))
    }
}
