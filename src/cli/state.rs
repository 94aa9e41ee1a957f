//! Each source with its state and the sentence behind it: the same for every command.

use std::collections::BTreeMap;

use super::table::{Cell, Tone};
use crate::config::Config;
use crate::harvest::gaps_in_words;
use crate::harvest::settings::definition;
use crate::store::{
    Job, JobKey, JobKind, JobOutcome, Reader, Source, SourceState, StoreError, WarningKind,
};

/// The colour of a state.
fn tone(state: SourceState) -> Tone {
    match state {
        SourceState::Failed => Tone::Bad,
        SourceState::Held
        | SourceState::Incomplete
        | SourceState::NotConfigured
        | SourceState::Paused => Tone::Doubtful,
        SourceState::New | SourceState::Forgotten => Tone::Plain,
        SourceState::Complete => Tone::Good,
    }
}

/// A source of the configuration or of the store.
#[derive(Debug)]
pub struct SourceView {
    /// As the store has it. A source that was never harvested has no records and no traits.
    pub source: Source,
    /// Its state.
    pub state: SourceState,
    /// Whether it is being harvested.
    pub is_running: bool,
    /// Why it is in this state, if that needs a sentence.
    pub why: Option<String>,
    /// Its harvests, as far as the store knows them.
    pub job: Option<Job>,
}

impl SourceView {
    /// Its state for a table: `complete`, `failed, running`.
    pub fn cell(&self) -> Cell {
        match self.is_running {
            true => Cell::new(format!("{}, running", self.state.text()), Tone::Active),
            false => Cell::new(self.state.text(), self.tone()),
        }
    }

    /// The colour of its state.
    pub fn tone(&self) -> Tone {
        tone(self.state)
    }
}

/// All sources of the configuration and of the store: problems first, then by name. Without a store, those of
/// the configuration.
///
/// # Errors
/// If the store cannot be read.
pub fn sources(
    config: &Config,
    reader: Option<&Reader>,
    now_ms: i64,
) -> Result<Vec<SourceView>, StoreError> {
    match reader {
        Some(reader) => reader.snapshot(|reader| read_sources(config, Some(reader), now_ms)),
        None => read_sources(config, None, now_ms),
    }
}

fn read_sources(
    config: &Config,
    reader: Option<&Reader>,
    now_ms: i64,
) -> Result<Vec<SourceView>, StoreError> {
    let mut stored: BTreeMap<String, Source> = BTreeMap::new();
    let mut jobs: BTreeMap<JobKey, Job> = BTreeMap::new();
    if let Some(reader) = reader {
        for source in reader.sources()? {
            stored.insert(source.name.clone(), source);
        }
        for job in reader.jobs()? {
            jobs.insert(job.key.clone(), job);
        }
    }
    for settings in &config.sources {
        stored.entry(settings.name.clone()).or_insert_with(|| {
            let definition = definition(settings);
            Source {
                base_url: definition.base_url,
                metadata_prefix: definition.metadata_prefix,
                sets: definition.sets,
                ..Source::unknown(definition.name)
            }
        });
    }
    let configured: Vec<&str> = match config.file {
        Some(_) => { config.sources.iter() }
            .map(|settings| settings.name.as_str())
            .collect(),
        // Without a file, every source comes from a command line.
        None => stored.keys().map(String::as_str).collect(),
    };
    let states = match reader {
        Some(reader) => reader.source_states(&configured, None)?,
        None => BTreeMap::new(),
    };
    let mut views = Vec::new();
    for source in stored.into_values() {
        let job = jobs.remove(&JobKey::new(JobKind::Harvest, &source.name));
        let reconcile = jobs.remove(&JobKey::new(JobKind::Reconcile, &source.name));
        let state = states.get(&source.name).copied();
        let state = state.unwrap_or(SourceState::New);
        let why = match reader {
            Some(reader) => why(
                reader,
                &source,
                state,
                [job.as_ref(), reconcile.as_ref()],
                now_ms,
            )?,
            None => None,
        };
        views.push(SourceView {
            is_running: job.as_ref().is_some_and(Job::is_running),
            source,
            state,
            why,
            job,
        });
    }
    views.sort_by_key(|view| {
        if view.state.is_problem() {
            view.state
        } else {
            SourceState::Complete
        }
    });
    Ok(views)
}

/// The sentence behind a state.
fn why(
    reader: &Reader,
    source: &Source,
    state: SourceState,
    jobs: [Option<&Job>; 2],
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    let warning = |kinds: &[WarningKind]| -> Result<Option<String>, StoreError> {
        let warnings = reader.warnings(source.id)?;
        let mut these = warnings.into_iter().filter(|it| kinds.contains(&it.kind));
        Ok(these.next().map(|warning| warning.message))
    };
    let note = || -> Result<Option<String>, StoreError> {
        let last = reader.passes(source.id, 1)?.into_iter().next();
        Ok(last.and_then(|pass| pass.note))
    };
    match state {
        SourceState::Failed => {
            let mut jobs = jobs.into_iter().flatten();
            let failed = jobs.find(|job| job.outcome == Some(JobOutcome::Failed));
            Ok(failed.and_then(|job| job.message.clone()))
        }
        SourceState::Held => warning(&WarningKind::HOLDS),
        SourceState::Incomplete => {
            let gaps = reader.gaps(source)?;
            if let Some(words) = gaps_in_words(source, &gaps, now_ms) {
                return Ok(Some(words));
            }
            match warning(&WarningKind::PROBLEMS)? {
                Some(message) => Ok(Some(message)),
                None => note(),
            }
        }
        SourceState::New if source.id.0 != 0 => note(),
        _ => Ok(None),
    }
}
