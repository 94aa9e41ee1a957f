//! One run over one source: its connections, its limits, and what it has learnt.
//!
//! - `repository`: traits of the repository
//! - `clocks`: the repository's clock
//! - `budget`: limits, and how much of them is left
//! - `growth`: how much a run may bring before it waits for a person
//! - `size_check`: lists of doubtful size
//! - `notes`: what the run says about itself
//! - `single_record`: asking for one record
//! - `halt`: why a run stops before its end

mod budget;
mod clocks;
mod growth;
mod halt;
mod notes;
mod repository;
mod single_record;
mod size_check;

pub(super) use growth::Growth;
pub(super) use halt::{Halt, LIMIT_REACHED, Saved};
pub(super) use single_record::SingleRecord;
pub(super) use size_check::SizeVerdict;

use std::sync::Arc;

use budget::Budget;
use clocks::Clocks;
use notes::Notes;
use repository::Repository;
use size_check::SizeCheck;

use super::blocking::blocking;
use super::commit::Committer;
use super::context::Context;
use super::learn;
use super::requester::{Fetched, RequestError, Requester};
use super::settings::{SourceSettings, definition};
use super::watermark::{self, proven};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::{Content, Datestamp, Request};
use crate::store::{Counts, PassId, PassPacker, PassWriter, Source, SourceLock, WarningKind};

/// One run over one source.
pub(super) struct Run<'a, T> {
    pub(super) context: &'a Context,
    pub(super) settings: &'a SourceSettings,
    pub(super) requester: Requester<'a, T>,
    pub(super) repository: Repository<'a>,
    pub(super) clocks: Clocks,
    pub(super) budget: Budget,
    pub(super) size_check: SizeCheck,
    pub(super) notes: Notes<'a>,
    /// What became of the records of this run.
    pub(super) counts: Counts,
    /// Records that the repository has refused to give.
    refused_records: u32,
    /// The saved records of the current pass.
    pub(super) saved: Saved,
    /// Why the end of a list could not be read, so that nothing shows how far it reaches.
    pub(super) unread_end: Option<String>,
}

impl<'a, T: Transport> Run<'a, T> {
    /// A run that has not begun. `limit` is the number of items after which it stops.
    pub(super) fn new(
        context: &'a Context,
        transport: &'a T,
        settings: &'a SourceSettings,
        limit: Option<u64>,
    ) -> Self {
        Self {
            context,
            settings,
            requester: Requester::new(context, transport, settings),
            repository: Repository::new(settings),
            clocks: Clocks::default(),
            budget: Budget::new(limit),
            size_check: SizeCheck::default(),
            notes: Notes::new(&*context.progress, &settings.name),
            counts: Counts::default(),
            refused_records: 0,
            saved: Saved::default(),
            unread_end: None,
        }
    }

    /// Takes the source for this process, and waits for its host.
    pub(super) async fn begin(&mut self) -> Result<SourceLock, Halt> {
        let store = &self.context.store;
        let lock = store.lock_source(&self.settings.name)?;
        let (source, change) = blocking(|| store.register_source(&definition(self.settings)))?;
        if let Some(held) = store.warning(source.id, WarningKind::HeldGrowth)? {
            return Err(Halt::Held(held));
        }
        let known = source.live_records + source.deleted_records;
        let is_complete = store.last_whole_list(source.id)?.is_some();
        self.requester.growth = Growth::new(self.settings, known, is_complete);
        self.requester.first_contact = blocking(|| store.was_never_reached(&source))?;
        self.repository.load(&source.traits);
        if let Some(change) = change {
            self.notes
                .note(&format!("{change}; everything is read again"));
        }
        self.requester.wait_for_host().await?;
        Ok(lock)
    }

    /// The source as the store has it now.
    pub(super) fn current_source(&self) -> Result<Source, Halt> {
        self.context
            .store
            .source(&self.settings.name)?
            .ok_or_else(|| {
                Halt::Unfinished(format!(
                    "source {} was removed from the store",
                    self.settings.name
                ))
            })
    }

    /// Starts storing the steps of a pass.
    pub(super) fn committer(&self, source: &Source, pass: PassId) -> Result<Committer, Halt> {
        let store = &self.context.store;
        Ok(Committer::start(
            &self.context.commit_mode,
            PassPacker::new(Arc::clone(store), source.id, &source.metadata_prefix)?,
            PassWriter::new(Arc::clone(store), source.id, pass, proven),
            self.context.clock.clone(),
            self.settings.name.clone(),
            Arc::clone(&self.context.progress),
        ))
    }

    /// Sends Identify and learns from its answer. Lists can be read without it.
    pub(super) async fn identify(&mut self, source: &Source) -> Result<(), Halt> {
        let retries = self.settings.retries.min(2);
        let traits = &mut self.repository.traits;
        match self.requester.ask(&Request::Identify, retries).await {
            Ok(Fetched {
                response, moved_to, ..
            }) => match response.content {
                Content::Identify(identify) => {
                    if let Some(version) = identify
                        .protocol_version
                        .as_deref()
                        .filter(|version| version.starts_with("1."))
                    {
                        return Err(Halt::Refused(format!(
                            "source {}: the repository speaks OAI-PMH {version}, not 2.0",
                            self.settings.name
                        )));
                    }
                    learn::identity(traits, identify, moved_to);
                    learn::working_verb(traits, Verb::Identify);
                }
                _ => learn::failing_verb(traits, Verb::Identify),
            },
            Err(error) => {
                let why = match &error {
                    RequestError::Failed { why, .. } => Some(why.as_str()),
                    other => other.refuses_this_request(),
                };
                let Some(why) = why else {
                    return Err(error.into());
                };
                self.notes.note(&format!(
                    "Identify does not work ({why}); continuing without it"
                ));
                learn::failing_verb(traits, Verb::Identify);
            }
        }
        self.save_traits(source)
    }

    /// Stores the traits of the repository if they have changed.
    pub(super) fn save_traits(&mut self, source: &Source) -> Result<(), Halt> {
        if let Some(traits) = self.repository.unsaved() {
            blocking(|| self.context.store.set_traits(source.id, traits))?;
            self.repository.set_saved();
        }
        Ok(())
    }

    /// The repository's clock by an answer, as far as it is believed.
    pub(super) fn repository_clock(&self, fetched: &Fetched) -> Option<Datestamp> {
        let ours = Datestamp::from_unix(self.context.clock.now_seconds());
        watermark::clock(fetched.response.response_date, fetched.http_date, ours)
    }

    /// Lets the source wait for a person, if that is why the run halts.
    pub(super) fn hold(&self, halt: Halt) -> Halt {
        let Halt::Held(why) = halt else {
            return halt;
        };
        let name = &self.settings.name;
        let held = |why: &str| -> Result<String, Halt> {
            let source = self.current_source()?;
            let store = &self.context.store;
            // A run that did not begin says why once more.
            if let Some(message) = store.warning(source.id, WarningKind::HeldGrowth)? {
                return Ok(message);
            }
            let message = format!(
                "{why}; {} records are known. Nothing more is requested until that is confirmed with \
                 harvestd harvest {name} --confirm",
                source.live_records + source.deleted_records
            );
            self.warn(&source, WarningKind::HeldGrowth, Some(&message))?;
            Ok(message)
        };
        match held(&why) {
            Ok(message) => Halt::Held(message),
            Err(halt) => halt,
        }
    }

    /// Raises a warning, or lowers it if there is no message.
    pub(super) fn warn(
        &self,
        source: &Source,
        kind: WarningKind,
        message: Option<&str>,
    ) -> Result<(), Halt> {
        let now_ms = self.context.clock.now_ms();
        let store = &self.context.store;
        if blocking(|| store.set_warning(source.id, kind, message, now_ms))?
            && let Some(message) = message
        {
            self.notes.note(message);
        }
        Ok(())
    }

    /// The announced size of a list was wrong twice.
    pub(super) fn warn_of_wrong_sizes(
        &mut self,
        source: &Source,
        items: u64,
        size: u64,
    ) -> Result<(), Halt> {
        self.repository.traits.list_size_lies = true;
        let message = format!(
            "the repository announced {size} records and listed {items}, twice; \
             its completeListSize is ignored from now on"
        );
        self.warn(source, WarningKind::CountsDisagree, Some(&message))
    }
}
