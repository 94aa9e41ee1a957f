//! The state of a source in one word, and the sentence behind it: the same for every command.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::table::Tone;
use crate::config::Config;
use crate::harvest::gaps_in_words;
use crate::harvest::settings::definition;
use crate::store::{
    Job, JobKey, JobKind, JobOutcome, JobState, PassState, Reader, Source, StoreError, WarningKind,
};

/// The state of a source. The worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum SourceState {
    /// Its last run failed.
    Failed,
    /// It waits for a person to confirm something.
    Held,
    /// A run was interrupted, or it has gaps.
    Incomplete,
    /// The store has it, and the configuration does not.
    NotConfigured,
    /// A person has paused it.
    Paused,
    /// It is being harvested.
    Running,
    /// It was never harvested.
    New,
    /// The last run was complete.
    Complete,
    /// It has no record any more and is not configured.
    Forgotten,
}

impl SourceState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Incomplete => "incomplete",
            Self::NotConfigured => "not configured",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::New => "new",
            Self::Complete => "complete",
            Self::Forgotten => "forgotten",
        }
    }

    /// Its colour.
    pub fn tone(self) -> Tone {
        match self {
            Self::Failed => Tone::Bad,
            Self::Held | Self::Incomplete | Self::NotConfigured | Self::Paused => Tone::Doubtful,
            Self::Running => Tone::Active,
            Self::New | Self::Forgotten => Tone::Plain,
            Self::Complete => Tone::Good,
        }
    }

    /// Whether a person should look at it.
    pub fn is_problem(self) -> bool {
        self <= Self::Incomplete
    }
}

/// A source of the configuration or of the store.
#[derive(Debug)]
pub struct SourceView {
    /// As the store has it. A source that was never harvested has no records and no traits.
    pub source: Source,
    /// Its state.
    pub state: SourceState,
    /// Why it is in this state, if that needs a sentence.
    pub why: Option<String>,
    /// Its harvests, as far as the store knows them.
    pub job: Option<Job>,
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
    let mut configured = HashSet::new();
    for settings in &config.sources {
        configured.insert(settings.name.as_str());
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
    let mut views = Vec::new();
    for source in stored.into_values() {
        let job = jobs.remove(&JobKey::new(JobKind::Harvest, &source.name));
        // Without a file, every source comes from a command line.
        let gone = config.file.is_some() && !configured.contains(source.name.as_str());
        let (state, why) = state(reader, &source, job.as_ref(), gone, now_ms)?;
        views.push(SourceView {
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

fn state(
    reader: Option<&Reader>,
    source: &Source,
    job: Option<&Job>,
    gone: bool,
    now_ms: i64,
) -> Result<(SourceState, Option<String>), StoreError> {
    let (Some(reader), true) = (reader, source.id.0 != 0) else {
        // Its first run failed before there was anything to store.
        let failed = job.filter(|job| job.outcome == Some(JobOutcome::Failed));
        return Ok(match failed {
            Some(job) => (SourceState::Failed, job.message.clone()),
            None => (SourceState::New, None),
        });
    };
    if let Some(job) = job {
        if job.is_running() {
            return Ok((SourceState::Running, None));
        }
        if job.paused_at.is_some() || job.state == JobState::Paused {
            return Ok((SourceState::Paused, None));
        }
    }
    if gone {
        let is_empty = source.live_records == 0 && source.watermarks.is_empty();
        let state = match is_empty && source.deleted_records > 0 {
            true => SourceState::Forgotten,
            false => SourceState::NotConfigured,
        };
        return Ok((state, None));
    }
    let held = [WarningKind::HeldGrowth, WarningKind::HeldDeletions];
    let warnings = reader.warnings(source.id)?;
    if let Some(warning) = warnings.iter().find(|warning| held.contains(&warning.kind)) {
        return Ok((SourceState::Held, Some(warning.message.clone())));
    }
    if let Some(job) = job.filter(|job| job.outcome == Some(JobOutcome::Failed)) {
        return Ok((SourceState::Failed, job.message.clone()));
    }
    let gaps = reader.gaps(source)?;
    if let Some(words) = gaps_in_words(source, &gaps, now_ms) {
        return Ok((SourceState::Incomplete, Some(words)));
    }
    let last = reader.passes(source.id, 1)?.into_iter().next();
    Ok(match last {
        Some(pass) if pass.state == PassState::Open => (SourceState::Incomplete, pass.note),
        Some(_) if !source.watermarks.is_empty() => (SourceState::Complete, None),
        _ if source.live_records == 0 && source.deleted_records > 0 && job.is_none() => {
            (SourceState::Forgotten, None)
        }
        Some(pass) => (SourceState::Incomplete, pass.note),
        None => (SourceState::New, None),
    })
}
