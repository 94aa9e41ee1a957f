//! Sources: their definitions, watermarks, learned traits and warnings.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::open::Cached;
use super::source_list::PRESENT;
use super::window::words;
use super::{Reader, Store, StoreError, Version};
use crate::oai::{Datestamp, Granularity};

/// A source in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceId(pub i64);

/// The settings that define a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDefinition {
    /// Its name, unique in the store.
    pub name: String,
    /// The repository, without credentials.
    pub base_url: String,
    /// The metadata format.
    pub metadata_prefix: String,
    /// The sets; empty for all.
    pub sets: Vec<String>,
    /// The earliest datestamp that is requested.
    pub floor: Option<Datestamp>,
}

/// How far a source, or one set of it, is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Watermark {
    /// The set; `None` for a source without sets.
    pub set_spec: Option<String>,
    /// Every change that the repository has shown with a datestamp up to here is stored.
    pub datestamp: Datestamp,
    /// The newest change that the proving pass wrote.
    pub version: Version,
}

/// How far a list with gaps is proven outside of its gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The set; `None` for a source without sets.
    pub set_spec: Option<String>,
    /// Every change that the repository has shown with a datestamp up to here is stored, unless it lies
    /// in a gap.
    pub datestamp: Datestamp,
}

/// A source as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Its number.
    pub id: SourceId,
    /// Its name.
    pub name: String,
    /// The repository, without credentials.
    pub base_url: String,
    /// The metadata format.
    pub metadata_prefix: String,
    /// The sets; empty for all.
    pub sets: Vec<String>,
    /// The earliest datestamp that is requested.
    pub floor: Option<Datestamp>,
    /// The watermarks, one for each list that has proven one.
    pub watermarks: Vec<Watermark>,
    /// The heads, one for each list with gaps.
    pub heads: Vec<Head>,
    /// Live records.
    pub live_records: u64,
    /// Tombstones.
    pub deleted_records: u64,
    /// What was learned about the repository.
    pub traits: Traits,
}

/// What all sources of a store have together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// Live records.
    pub live_records: u64,
    /// Tombstones.
    pub deleted_records: u64,
    /// Spans of present lists that could not be read.
    pub gaps: u64,
    /// Quarantined items.
    pub quarantined: u64,
}

impl Source {
    /// A source that the store does not have yet.
    pub fn unknown(name: String) -> Self {
        Self {
            id: SourceId(0),
            name,
            base_url: String::new(),
            metadata_prefix: String::new(),
            sets: Vec::new(),
            floor: None,
            watermarks: Vec::new(),
            heads: Vec::new(),
            live_records: 0,
            deleted_records: 0,
            traits: Traits::default(),
        }
    }

    /// The watermark of the list of `set`.
    pub fn watermark(&self, set: Option<&str>) -> Option<&Watermark> {
        self.watermarks
            .iter()
            .find(|watermark| watermark.set_spec.as_deref() == set)
    }

    /// How far the list of `set` is proven outside of its gaps. `None` if nothing is proven.
    pub fn head(&self, set: Option<&str>) -> Option<Datestamp> {
        let head = self
            .heads
            .iter()
            .find(|head| head.set_spec.as_deref() == set);
        match head {
            Some(head) => Some(head.datestamp),
            None => Some(self.watermark(set)?.datestamp),
        }
    }

    /// Whether each set is a list of its own.
    pub fn is_read_by_sets(&self) -> bool {
        !self.sets.is_empty() && self.traits.ignores_sets != Some(true)
    }

    /// The lowest watermark of its present sets, which holds for the source as a whole.
    pub fn least_watermark(&self) -> Option<&Watermark> {
        self.watermarks
            .iter()
            .filter(|watermark| self.has_list(watermark.set_spec.as_ref()))
            .min_by_key(|watermark| watermark.datestamp)
    }

    /// Whether the list of `set` is one that passes read at present.
    pub fn has_list(&self, set: Option<&String>) -> bool {
        match set {
            Some(set) => self.is_read_by_sets() && self.sets.contains(set),
            None => !self.is_read_by_sets(),
        }
    }
}

/// What was learned about a repository, for later passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traits {
    /// `repositoryName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_name: Option<String>,
    /// The granularity that the repository accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<Granularity>,
    /// `earliestDatestamp`; only a hint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Datestamp>,
    /// `deletedRecord` as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_record: Option<String>,
    /// The new base URL after a permanent redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// The repository lowers `until` by this many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delayed_seconds: Option<i64>,
    /// Tokens work only when percent-decoded first.
    #[serde(skip_serializing_if = "is_false")]
    pub decodes_tokens: bool,
    /// Tokens work only with `metadataPrefix` beside them.
    #[serde(skip_serializing_if = "is_false")]
    pub wants_prefix_with_token: bool,
    /// Whether tokens name the item after which the list continues. Other tokens may count items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_name_items: Option<bool>,
    /// Tokens name the datestamp of that item, and the number of items with the same datestamp.
    #[serde(skip_serializing_if = "is_false")]
    pub tokens_name_datestamps: bool,
    /// `from` and `until` have no effect.
    #[serde(skip_serializing_if = "is_false")]
    pub ignores_dates: bool,
    /// Requests with `until` fail.
    #[serde(skip_serializing_if = "is_false")]
    pub rejects_until: bool,
    /// Whether `set` has no effect; `None` if not tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignores_sets: Option<bool>,
    /// Whether the records of a set's list name the set; `None` if no set was listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names_sets: Option<bool>,
    /// The root elements of metadata on first pages, as `{namespace}name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata_roots: Vec<String>,
    /// The number of passes in a row in which a list had nothing.
    #[serde(skip_serializing_if = "is_zero")]
    pub empty_passes: u32,
    /// Lists of this many items that end without a token are known to be complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_at: Option<u64>,
    /// Lists are truncated at this many items, without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_off_at: Option<u64>,
    /// Lists have shown live records as deleted, so that GetRecord confirms each tombstone.
    #[serde(skip_serializing_if = "is_false")]
    pub false_tombstones: bool,
    /// `completeListSize` contradicts the lists.
    #[serde(skip_serializing_if = "is_false")]
    pub list_size_lies: bool,
    /// Items on a full page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u64>,
    /// Whether lists are sorted newest first; `None` if unknown or unsorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_first: Option<bool>,
    /// The full pass whose list is complete and whose missing records are being requested by name.
    /// Stores written earlier call it `settling`.
    #[serde(alias = "settling", skip_serializing_if = "Option::is_none")]
    pub reconciling_pass: Option<i64>,
    /// When the present reconciling began, in milliseconds since 1970 on our clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciling_since: Option<i64>,
    /// When reconciling last ended, also if its deletions wait for confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<i64>,
    /// The verbs that fail although the repository should support them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failing_verbs: Vec<String>,
    /// The newest listed datestamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Datestamp>,
    /// The longest time that one datestamp stayed the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_quiet_seconds: Option<i64>,
    /// The repository's clock minus ours in the last response, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i64>,
    /// When the names of the sets are to be read again, in milliseconds since 1970 on our clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_names_due_at: Option<i64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

words! {
    /// Kinds of warnings. A warning stays until its cause is gone.
    #[derive(PartialOrd, Ord)]
    WarningKind {
        /// A key is configured, and the repository ignores it.
        CredentialsWithoutEffect = "credentials_without_effect",
        /// A list does not prove how far it reaches.
        NoProof = "no_proof",
        /// Lists begin later than was asked.
        BeginsLate = "begins_late",
        /// Far fewer records than before.
        FewerRecords = "fewer_records",
        /// No record has changed for far longer than ever before.
        Stalled = "stalled",
        /// A set that had records is empty.
        EmptySet = "empty_set",
        /// `from` and `until` have no effect.
        IgnoresDates = "ignores_dates",
        /// `set` has no effect.
        IgnoresSets = "ignores_sets",
        /// Later pages of a set's list show records of other sets.
        ForgetsSet = "forgets_set",
        /// The base URL redirects permanently.
        Moved = "moved",
        /// The repository's clock differs from ours by minutes.
        ClockSkew = "clock_skew",
        /// The source has more or fewer records than the repository states.
        CountsDisagree = "counts_disagree",
        /// A list has the size at which lists are truncated, and it cannot be split further.
        MayBeCutOff = "may_be_cut_off",
        /// A full list lacks so many records that their deletion waits for confirmation.
        HeldDeletions = "held_deletions",
        /// A run brought so many records that the next one waits for confirmation.
        HeldGrowth = "held_growth",
        /// Records are listed in several states, and GetRecord does not say which one holds.
        ContradictoryLists = "contradictory_lists",
        /// Pages had to be repaired to be read.
        RepairedPages = "repaired_pages",
        /// The metadata is of a format that cannot be converted.
        NoCrosswalk = "no_crosswalk",
    }
}

impl WarningKind {
    /// The kinds after which nothing goes on until a person confirms it.
    pub const HOLDS: [Self; 2] = [Self::HeldGrowth, Self::HeldDeletions];

    /// The kinds after which a person should do something. The others are properties of a repository that
    /// the program lives with.
    pub const PROBLEMS: [Self; 13] = [
        Self::CredentialsWithoutEffect,
        Self::NoProof,
        Self::BeginsLate,
        Self::FewerRecords,
        Self::Stalled,
        Self::EmptySet,
        Self::Moved,
        Self::CountsDisagree,
        Self::MayBeCutOff,
        Self::HeldDeletions,
        Self::HeldGrowth,
        Self::ContradictoryLists,
        Self::NoCrosswalk,
    ];
}

/// A warning about a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Its kind.
    pub kind: WarningKind,
    /// What is wrong and what to do.
    pub message: String,
    /// When it was raised, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub since_at: i64,
}

impl Store {
    /// The source of this name, registered if it is new.
    ///
    /// If its repository (host and path), format or floor has changed, its watermarks are deleted, so
    /// that the next pass reads everything; records stay. The second value is then the reason.
    pub fn register_source(
        &self,
        definition: &SourceDefinition,
    ) -> Result<(Source, Option<String>), StoreError> {
        let SourceDefinition {
            name,
            base_url,
            metadata_prefix,
            sets,
            floor,
        } = definition;
        let sets = serde_json::Value::from(sets.clone()).to_string();
        let floor = floor.map(Datestamp::unix);
        self.write("registering a source", |transaction| {
            let known = source_by_name(transaction, name)?;
            let Some(known) = known else {
                transaction.run(
                    "INSERT INTO source (name, base_url, metadata_prefix, sets, floor)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![name, base_url, metadata_prefix, sets, floor],
                )?;
                let source = source_by_name(transaction, name)?
                    .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                return Ok((source, None));
            };
            let change = change_of_source(&known, definition);
            if change.is_some() || known.sets != definition.sets {
                transaction.run(
                    "UPDATE pass SET state = 'abandoned', note = ?2
                     WHERE source_id = ?1 AND state = 'open'",
                    params![
                        known.id.0,
                        change.as_deref().unwrap_or("its sets have changed")
                    ],
                )?;
            }
            if change.is_some() {
                for table in ["watermark", "head", "gap"] {
                    let delete = format!("DELETE FROM {table} WHERE source_id = ?1");
                    transaction.run(&delete, [known.id.0])?;
                }
                let mut traits = known.traits.clone();
                if host_and_path(&known.base_url) != host_and_path(base_url) {
                    traits = Traits::default();
                }
                put_traits(transaction, known.id, &traits)?;
            }
            transaction.run(
                "UPDATE source SET base_url = ?2, metadata_prefix = ?3, sets = ?4, floor = ?5
                 WHERE id = ?1",
                params![known.id.0, base_url, metadata_prefix, sets, floor],
            )?;
            let source =
                source_by_name(transaction, name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            Ok((source, change))
        })
    }

    /// Deletes a watermark that is disproven. With `abandons_pass`, also abandons the open pass, which
    /// began at it. Returns whether the store still had the watermark.
    pub fn retract_watermark(
        &self,
        source: SourceId,
        watermark: &Watermark,
        abandons_pass: bool,
    ) -> Result<bool, StoreError> {
        self.write("deleting a watermark", |transaction| {
            let deleted = transaction.run(
                "DELETE FROM watermark
                 WHERE source_id = ?1 AND set_spec = coalesce(?2, '') AND datestamp = ?3",
                params![source.0, watermark.set_spec, watermark.datestamp.unix()],
            )?;
            transaction.run(
                "DELETE FROM head WHERE source_id = ?1 AND set_spec = coalesce(?2, '')",
                params![source.0, watermark.set_spec],
            )?;
            transaction.run(
                "UPDATE pass SET state = 'abandoned', note = 'its watermark was disproven'
                 WHERE source_id = ?1 AND state = 'open' AND ?2",
                params![source.0, abandons_pass],
            )?;
            Ok(deleted > 0)
        })
    }

    /// Stores what was learned about a repository.
    pub fn set_traits(&self, source: SourceId, traits: &Traits) -> Result<(), StoreError> {
        self.write("storing traits", |transaction| {
            put_traits(transaction, source, traits)
        })
    }

    /// Raises a warning, or clears it with `None`. A warning that is raised already keeps its time.
    /// Returns whether the warning is new.
    pub fn set_warning(
        &self,
        source: SourceId,
        kind: WarningKind,
        message: Option<&str>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let present = self.warning(source, kind)?;
        // Most calls change nothing; a write would wait for the disk.
        if present.as_deref() == message {
            return Ok(false);
        }
        self.write("storing a warning", |transaction| match message {
            Some(message) => transaction.run(
                "INSERT INTO warning (source_id, kind, message, since_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (source_id, kind) DO UPDATE SET message = excluded.message",
                params![source.0, kind.word(), message, now_ms],
            ),
            None => transaction.run(
                "DELETE FROM warning WHERE source_id = ?1 AND kind = ?2",
                params![source.0, kind.word()],
            ),
        })?;
        Ok(present.is_none())
    }

    /// The message of a warning that is raised; `None` if it is not.
    pub fn warning(
        &self,
        source: SourceId,
        kind: WarningKind,
    ) -> Result<Option<String>, StoreError> {
        self.read("reading a warning", |connection| {
            connection
                .prepare_cached("SELECT message FROM warning WHERE source_id = ?1 AND kind = ?2")?
                .query_row(params![source.0, kind.word()], |row| row.get(0))
                .optional()
        })
    }

    /// Lets a source go on that waits for a person since a run brought too many records. Returns whether
    /// it waited.
    pub fn release_growth(&self, name: &str, now_ms: i64) -> Result<bool, StoreError> {
        let Some(source) = self.source(name)? else {
            return Ok(false);
        };
        let held = self.warning(source.id, WarningKind::HeldGrowth)?.is_some();
        if held {
            self.set_warning(source.id, WarningKind::HeldGrowth, None, now_ms)?;
        }
        Ok(held)
    }

    /// Whether no request to this source was ever answered, as far as the store knows.
    pub fn was_never_reached(&self, source: &Source) -> Result<bool, StoreError> {
        // A verb that fails is learnt from no answer.
        let learnt = Traits {
            failing_verbs: Vec::new(),
            ..source.traits.clone()
        };
        let unknown = learnt == Traits::default()
            && source.watermarks.is_empty()
            && source.live_records + source.deleted_records == 0;
        if !unknown {
            return Ok(false);
        }
        self.read("looking for answers of a source", |connection| {
            connection.one(
                "SELECT NOT EXISTS (SELECT 1 FROM pass WHERE source_id = ?1 AND pages > 0)",
                [source.id.0],
                |row| row.get(0),
            )
        })
    }

    /// The source called `name`.
    pub fn source(&self, name: &str) -> Result<Option<Source>, StoreError> {
        self.read("reading a source", |connection| {
            source_by_name(connection, name)
        })
    }

    /// Whether the store has no record of a source, not even a deleted one.
    pub(super) fn is_empty(&self, source: SourceId) -> Result<bool, StoreError> {
        self.read("counting the records of a source", |connection| {
            connection.one(
                "SELECT live_records + deleted_records = 0 FROM source WHERE id = ?1",
                [source.0],
                |row| row.get(0),
            )
        })
    }
}

impl Reader {
    /// The source called `name`.
    pub fn source(&self, name: &str) -> Result<Option<Source>, StoreError> {
        self.read("reading a source", |connection| {
            source_by_name(connection, name)
        })
    }

    /// All sources, by name.
    pub fn sources(&self) -> Result<Vec<Source>, StoreError> {
        self.read("reading the sources", |connection| {
            let names: Vec<String> = connection
                .prepare_cached("SELECT name FROM source ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            names
                .iter()
                .filter_map(|name| source_by_name(connection, name).transpose())
                .collect()
        })
    }

    /// The names of all sources, in their order.
    pub fn source_names(&self) -> Result<BTreeSet<String>, StoreError> {
        self.read("reading the names of the sources", |connection| {
            connection
                .prepare_cached("SELECT name FROM source")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// What all sources have together.
    pub fn source_totals(&self) -> Result<SourceTotals, StoreError> {
        self.read("adding up the sources", |connection| {
            let gaps = format!(
                "SELECT count(*) FROM gap JOIN source ON source.id = gap.source_id WHERE {PRESENT}"
            );
            let gaps = connection.one(&gaps, [], |row| row.get(0))?;
            let quarantined =
                connection.one("SELECT count(*) FROM quarantine", [], |row| row.get(0))?;
            connection.one(
                "SELECT coalesce(sum(live_records), 0), coalesce(sum(deleted_records), 0) FROM source",
                [],
                |row| {
                    Ok(SourceTotals {
                        live_records: row.get(0)?,
                        deleted_records: row.get(1)?,
                        gaps,
                        quarantined,
                    })
                },
            )
        })
    }

    /// The sources that have gaps or warnings.
    pub fn troubled_sources(&self) -> Result<HashSet<SourceId>, StoreError> {
        self.read(
            "reading which sources have gaps or warnings",
            |connection| {
                connection
                    .prepare_cached(
                        "SELECT source_id FROM gap UNION SELECT source_id FROM warning",
                    )?
                    .query_map([], |row| row.get(0).map(SourceId))?
                    .collect()
            },
        )
    }

    /// The warnings of a source.
    pub fn warnings(&self, source: SourceId) -> Result<Vec<Warning>, StoreError> {
        self.read("reading warnings", |connection| {
            let rows: Vec<Option<Warning>> = connection
                .prepare_cached("SELECT kind, message, since_at FROM warning WHERE source_id = ?1")?
                .query_map([source.0], |row| {
                    let kind: String = row.get(0)?;
                    let (message, since_at) = (row.get(1)?, row.get(2)?);
                    // A kind that this program does not know is left out.
                    Ok(WarningKind::from_word(&kind).map(|kind| Warning {
                        kind,
                        message,
                        since_at,
                    }))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows.into_iter().flatten().collect())
        })
    }
}

/// Why the definition means another source than the stored one; `None` if it means the same.
fn change_of_source(known: &Source, definition: &SourceDefinition) -> Option<String> {
    if host_and_path(&known.base_url) != host_and_path(&definition.base_url) {
        return Some(format!(
            "its URL was {} and is {}",
            known.base_url, definition.base_url
        ));
    }
    if known.metadata_prefix != definition.metadata_prefix {
        return Some(format!(
            "its metadata prefix was {} and is {}",
            known.metadata_prefix, definition.metadata_prefix
        ));
    }
    // `None` is the lowest floor.
    if definition.floor < known.floor {
        let text = |floor: Option<Datestamp>| {
            floor.map_or_else(|| "the beginning".to_owned(), |floor| floor.to_string())
        };
        return Some(format!(
            "it began at {} and now begins at {}",
            text(known.floor),
            text(definition.floor)
        ));
    }
    None
}

/// The host and path of a URL. A change from http to https does not count.
fn host_and_path(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

pub(super) fn put_traits(
    connection: &Connection,
    source: SourceId,
    traits: &Traits,
) -> rusqlite::Result<()> {
    let text = serde_json::to_string(traits).expect("traits are plain values");
    connection.run(
        "UPDATE source SET traits = ?2 WHERE id = ?1",
        params![source.0, text],
    )?;
    Ok(())
}

fn source_by_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<Source>> {
    let source = connection
        .prepare_cached(
            "SELECT id, name, base_url, metadata_prefix, sets, floor, live_records,
                    deleted_records, traits
             FROM source WHERE name = ?1",
        )?
        .query_row([name], from_row)
        .optional()?;
    let Some(mut source) = source else {
        return Ok(None);
    };
    source.watermarks = connection
        .prepare_cached(
            "SELECT set_spec, datestamp, version FROM watermark
             WHERE source_id = ?1 ORDER BY set_spec",
        )?
        .query_map([source.id.0], |row| {
            let set_spec: String = row.get(0)?;
            Ok(Watermark {
                set_spec: (!set_spec.is_empty()).then_some(set_spec),
                datestamp: Datestamp::from_unix(row.get(1)?),
                version: Version(row.get(2)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    source.heads = connection
        .prepare_cached(
            "SELECT set_spec, datestamp FROM head WHERE source_id = ?1 ORDER BY set_spec",
        )?
        .query_map([source.id.0], |row| {
            let set_spec: String = row.get(0)?;
            Ok(Head {
                set_spec: (!set_spec.is_empty()).then_some(set_spec),
                datestamp: Datestamp::from_unix(row.get(1)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(source))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Source> {
    let sets: String = row.get(4)?;
    let traits: String = row.get(8)?;
    Ok(Source {
        id: SourceId(row.get(0)?),
        name: row.get(1)?,
        base_url: row.get(2)?,
        metadata_prefix: row.get(3)?,
        sets: json(4, &sets)?,
        floor: row.get::<_, Option<i64>>(5)?.map(Datestamp::from_unix),
        watermarks: Vec::new(),
        heads: Vec::new(),
        live_records: row.get::<_, i64>(6)?.cast_unsigned(),
        deleted_records: row.get::<_, i64>(7)?.cast_unsigned(),
        traits: json(8, &traits)?,
    })
}

fn json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}
