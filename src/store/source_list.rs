//! The list of sources as pages show it: one row for each source with its state, filtered, sorted and cut
//! into pages by SQLite. One statement reads all sources; the rest depends on the size of a page alone.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, named_params, params};
use serde::Serialize;

use super::days::day_of;
use super::jobs::{Job, JobKey, JobKind, by_key as job_by_key};
use super::quarantine::QuarantinedItem;
use super::{Reader, StoreError, Version, WarningKind};
use crate::oai::Datestamp;

/// The state of a source in one word, for all who show it. The order is that of urgency. Whether a run goes on is not
/// part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Its last harvest or reconcile failed.
    Failed,
    /// It waits for a person to confirm something.
    Held,
    /// It has gaps, a warning that is a problem, or an interrupted run that nothing continues by itself.
    Incomplete,
    /// No list of it was ever complete.
    New,
    /// None of the others.
    Complete,
    /// A person paused it.
    Paused,
    /// The store has it, and the configuration does not.
    NotConfigured,
    /// It was forgotten: only tombstones are left.
    Forgotten,
}

impl SourceState {
    /// All of them, by urgency.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::Held,
        Self::Incomplete,
        Self::New,
        Self::Complete,
        Self::Paused,
        Self::NotConfigured,
        Self::Forgotten,
    ];

    /// The word for it in JSON, addresses, options and labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Incomplete => "incomplete",
            Self::New => "new",
            Self::Complete => "complete",
            Self::Paused => "paused",
            Self::NotConfigured => "not_configured",
            Self::Forgotten => "forgotten",
        }
    }

    /// The word for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotConfigured => "not configured",
            other => other.word(),
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether a person should look at it.
    pub fn is_problem(self) -> bool {
        self <= Self::Incomplete
    }

    fn at(rank: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(rank).ok()?).copied()
    }
}

/// The order of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceListOrder {
    /// The most urgent state first, then by name.
    #[default]
    State,
    /// By name.
    Name,
    /// The most live records first.
    Records,
    /// The most new and changed records of today first.
    Today,
    /// The oldest watermark first; sources without one before all others.
    Behind,
    /// The soonest next run first; sources without one last.
    Next,
}

impl SourceListOrder {
    /// Neither names nor values of a caller go into it.
    fn sql(self) -> &'static str {
        match self {
            Self::State => "state, name",
            Self::Name => "name",
            Self::Records => "coalesce(live_records, 0) DESC, name",
            Self::Today => "today DESC, name",
            Self::Behind => "watermark, name",
            Self::Next => "next_at IS NULL, next_at, name",
        }
    }
}

/// Which rows of the list to read.
#[derive(Debug, Clone, Default)]
pub struct SourceListQuery {
    /// The names of the configured sources, as a JSON array. The list also has the others in the store.
    pub configured: String,
    /// Only sources whose name or base URL contains this, in any case; empty for all.
    pub text: String,
    /// Only sources in one of these states; empty for all.
    pub states: Vec<SourceState>,
    /// The order.
    pub order: SourceListOrder,
    /// Rows to leave out before the first.
    pub offset: u64,
    /// The largest number of rows.
    pub limit: u32,
    /// The present time, in milliseconds since 1970, which says what "today" is.
    pub now_ms: i64,
}

/// One source in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: SourceState,
    /// The repository, without credentials; empty if it was never reached.
    pub base_url: String,
    /// Its harvest, as planned and as last run.
    pub harvest: Job,
    /// Its reconcile.
    pub reconcile: Job,
    /// Live records.
    pub live_records: u64,
    /// Tombstones.
    pub deleted_records: u64,
    /// New records of today.
    pub new_today: u64,
    /// New and changed records and deletions of today.
    pub today: u64,
    /// The least watermark of its present lists.
    pub watermark: Option<Datestamp>,
    /// Spans that could not be read.
    pub gaps: u64,
    /// Quarantined items.
    pub quarantined: u64,
    /// Its warnings that are problems, the oldest first: kind, message, since when.
    pub warnings: Vec<(WarningKind, String, i64)>,
}

/// The number of sources in each state, by urgency; states without a source are left out.
pub type StateCounts = Vec<(SourceState, u64)>;

/// A part of the list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// The rows.
    pub rows: Vec<SourceRow>,
    /// All sources that match the filter.
    pub matching: u64,
    /// The states of all sources, whatever the filter.
    pub counts: StateCounts,
}

/// The changes among which the newest records of a source are looked for.
const LOOKED_AT: u32 = 5_000;

/// A record that has changed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its identifier.
    pub identifier: String,
    /// Its last change.
    pub version: Version,
    /// Whether it is deleted.
    pub deleted: bool,
}

/// The number of quarantined items of one source.
pub type QuarantineGroup = (String, u64);

/// Whether a watermark or a gap, joined to its source, belongs to a list that passes read at present.
pub(super) const PRESENT: &str =
    "CASE WHEN sets = '[]' OR traits ->> 'ignores_sets' IS 1 THEN set_spec = ''
        ELSE set_spec IN (SELECT value FROM json_each(sets)) END";

/// One row for each source, with what the filter and the orders need. Its `CASE` is the rule for the states, which
/// are numbered as in [`SourceState::ALL`]. Runs that wait for a person fail, so that they are held is said first.
///
/// The index of names is given, because statistics of a store that had few sources once make SQLite scan them
/// all for each of them.
const SOURCES: &str = "
WITH known (name, configured) AS (
    SELECT value, 1 FROM json_each(:configured)
        WHERE :only IS NULL OR value IN (SELECT value FROM json_each(:only))
    UNION ALL
    SELECT name, 0 FROM source WHERE name NOT IN (SELECT value FROM json_each(:configured))
        AND (:only IS NULL OR name IN (SELECT value FROM json_each(:only)))),
row AS MATERIALIZED (
    SELECT known.name, source.id, base_url, live_records, deleted_records, harvest.next_at,
        (SELECT min(datestamp) FROM watermark
            WHERE watermark.source_id = source.id AND {present}) AS watermark,
        (SELECT count(*) FROM gap WHERE gap.source_id = source.id AND {present}) AS gaps,
        coalesce(source_day.created, 0) AS new_today,
        coalesce(source_day.created + source_day.changed + source_day.deleted, 0) AS today,
        known.configured, harvest.paused_at,
        coalesce(harvest.outcome = 'failed' OR reconcile.outcome = 'failed', 0) AS has_failed,
        EXISTS (SELECT 1 FROM warning WHERE warning.source_id = source.id
            AND kind IN (SELECT value FROM json_each(:problems))) AS is_warned,
        EXISTS (SELECT 1 FROM warning WHERE warning.source_id = source.id
            AND kind IN (SELECT value FROM json_each(:holds))) AS is_held,
        coalesce((SELECT state = 'open' FROM pass WHERE pass.source_id = source.id
            ORDER BY pass.id DESC LIMIT 1), 0)
            AND (harvest.name IS NULL OR harvest.state = 'on_demand' OR (harvest.state = 'running'
                AND known.name NOT IN (SELECT value FROM json_each(:running)))) AS is_left,
        coalesce(live_records, 0) = 0 AND deleted_records > 0 AS has_tombstones_alone,
        harvest.name IS NOT NULL AS has_job
    FROM known
    LEFT JOIN source INDEXED BY sqlite_autoindex_source_1 ON source.name = known.name
    LEFT JOIN source_day ON source_day.source_id = source.id AND source_day.day = :today
    LEFT JOIN job AS harvest ON harvest.kind = 'harvest' AND harvest.name = known.name
    LEFT JOIN job AS reconcile ON reconcile.kind = 'reconcile' AND reconcile.name = known.name),
listed AS (
    SELECT name, id, base_url, live_records, deleted_records, next_at, watermark, gaps, new_today,
        today,
        CASE WHEN NOT configured THEN iif(has_tombstones_alone AND watermark IS NULL, 7, 6)
            WHEN paused_at IS NOT NULL THEN 5 WHEN is_held THEN 1 WHEN has_failed THEN 0
            WHEN is_warned OR gaps > 0 OR is_left THEN 2
            WHEN has_tombstones_alone AND watermark IS NULL AND NOT has_job THEN 7
            WHEN watermark IS NULL THEN 3 ELSE 4 END AS state
    FROM row)
";

/// Whether a row matches the filter.
const MATCHES: &str = "
    (:text = '' OR instr(lower(name), :text) > 0 OR instr(lower(coalesce(base_url, '')), :text) > 0)
    AND (:states = '[]' OR state IN (SELECT value FROM json_each(:states)))";

impl Reader {
    /// A part of the list of sources.
    pub fn source_list(&self, query: &SourceListQuery) -> Result<Listed, StoreError> {
        let running = self.running_harvests()?;
        let mut listed = self.read("reading the list of sources", |connection| {
            list(connection, query, &running)
        })?;
        for row in &mut listed.rows {
            for job in [&mut row.harvest, &mut row.reconcile] {
                if job.is_running() {
                    self.correct(job);
                }
            }
        }
        Ok(listed)
    }

    /// The states of sources by name: of all in the store and in `configured`, or only of those in `only`.
    pub fn source_states(
        &self,
        configured: &[&str],
        only: Option<&[&str]>,
    ) -> Result<BTreeMap<String, SourceState>, StoreError> {
        let running = self.running_harvests()?;
        let sources = SOURCES.replace("{present}", PRESENT);
        self.read("reading the states of sources", |connection| {
            connection
                .prepare_cached(&format!("{sources} SELECT name, state FROM listed"))?
                .query_map(
                    named_params! {
                        ":configured": json_array(configured),
                        ":only": only.map(json_array),
                        ":running": json_array(&running),
                        ":problems": kinds(&WarningKind::PROBLEMS),
                        ":holds": kinds(&WarningKind::HOLDS),
                        ":today": 0,
                    },
                    |row| Ok((row.get(0)?, state(row, 1)?)),
                )?
                .collect()
        })
    }

    /// The newest records of a source, the newest first, at most `limit`. Only the newest changes of the whole
    /// store are looked at, so the result can be empty for a source that has not changed for long.
    pub fn newest_records(&self, source: &str, limit: u32) -> Result<Vec<NewRecord>, StoreError> {
        self.read("reading the newest records", |connection| {
            connection
                .prepare_cached(
                    "SELECT identifier, version, deleted <> 0 FROM
                        (SELECT * FROM record ORDER BY version DESC LIMIT ?3)
                     WHERE source_id = (SELECT id FROM source WHERE name = ?1) LIMIT ?2",
                )?
                .query_map(params![source, limit, LOOKED_AT], |row| {
                    Ok(NewRecord {
                        identifier: row.get(0)?,
                        version: Version(row.get(1)?),
                        deleted: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// The sources that have items in quarantine, with their numbers of items, by name.
    pub fn quarantine_groups(&self) -> Result<Vec<QuarantineGroup>, StoreError> {
        self.read("counting the quarantine", |connection| {
            connection
                .prepare_cached(
                    "SELECT source.name, items FROM source JOIN
                        (SELECT source_id, count(*) AS items FROM quarantine GROUP BY source_id)
                        ON source_id = source.id
                     ORDER BY source.name",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Items in quarantine with lower numbers than `before`, the highest first, at most `limit`; only those
    /// of one source, if it is given.
    pub fn quarantine_page(
        &self,
        source: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<QuarantinedItem>, StoreError> {
        let before = before.and_then(|number| i64::try_from(number).ok());
        self.read("reading the quarantine", |connection| {
            // The numbers come from an index. The rows have the bytes of the items and are large.
            let which = match source {
                Some(_) => {
                    "SELECT id FROM quarantine INDEXED BY quarantine_identifier
                     WHERE source_id = (SELECT id FROM source WHERE name = ?1) AND id < ?2
                     ORDER BY id DESC LIMIT ?3"
                }
                None => "SELECT id FROM quarantine WHERE ?1 IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3",
            };
            connection
                .prepare_cached(&format!(
                    "SELECT {} FROM quarantine JOIN source ON source.id = source_id
                     WHERE quarantine.id IN ({which}) ORDER BY quarantine.id DESC",
                    super::quarantine::COLUMNS
                ))?
                .query_map(
                    params![source, before.unwrap_or(i64::MAX), limit],
                    super::quarantine::from_row,
                )?
                .collect()
        })
    }
}

/// Texts as a JSON array.
fn json_array(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    serde_json::Value::from(texts).to_string()
}

fn kinds(kinds: &[WarningKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    json_array(&words)
}

fn list(
    connection: &Connection,
    query: &SourceListQuery,
    running: &[String],
) -> rusqlite::Result<Listed> {
    let rank = |state: &SourceState| SourceState::ALL.iter().position(|other| other == state);
    let states: Vec<usize> = query.states.iter().filter_map(rank).collect();
    let sources = SOURCES.replace("{present}", PRESENT);
    let order = query.order.sql();
    // The counts and the rows are of one reading of all sources.
    let mut statement = connection.prepare_cached(&format!(
        "{sources} SELECT state, count(*), count(*) FILTER (WHERE {MATCHES}),
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM listed GROUP BY state
         UNION ALL SELECT * FROM (
            SELECT state, NULL, NULL, name, id, base_url, live_records, deleted_records, watermark, gaps,
                new_today, today
            FROM listed WHERE {MATCHES} ORDER BY {order} LIMIT :limit OFFSET :offset)"
    ))?;
    let mut rows = statement.query(named_params! {
        ":configured": query.configured,
        ":only": None::<String>,
        ":running": json_array(running),
        ":problems": kinds(&WarningKind::PROBLEMS),
        ":holds": kinds(&WarningKind::HOLDS),
        ":today": day_of(query.now_ms),
        ":text": query.text.to_lowercase(),
        ":states": serde_json::Value::from(states).to_string(),
        ":limit": query.limit,
        ":offset": i64::try_from(query.offset).unwrap_or(i64::MAX),
    })?;
    let mut listed = Listed::default();
    while let Some(row) = rows.next()? {
        match row.get::<_, Option<u64>>(1)? {
            Some(count) => {
                listed.counts.push((state(row, 0)?, count));
                listed.matching += row.get::<_, u64>(2)?;
            }
            None => listed.rows.push(source_row(connection, row)?),
        }
    }
    listed.counts.sort_unstable_by_key(|(state, _)| *state);
    Ok(listed)
}

fn source_row(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<SourceRow> {
    let name: String = row.get(3)?;
    let id: Option<i64> = row.get(4)?;
    let count = |column: usize| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<u64>>(column)?.unwrap_or(0))
    };
    let job = |kind| {
        let key = JobKey::new(kind, &name);
        Ok::<_, rusqlite::Error>(job_by_key(connection, &key)?.unwrap_or_else(|| Job::unknown(key)))
    };
    let quarantined = connection
        .prepare_cached("SELECT count(*) FROM quarantine WHERE source_id = ?1")?
        .query_row([id], |row| row.get(0))?;
    Ok(SourceRow {
        state: state(row, 0)?,
        base_url: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        live_records: count(6)?,
        deleted_records: count(7)?,
        watermark: row.get::<_, Option<i64>>(8)?.map(Datestamp::from_unix),
        gaps: count(9)?,
        new_today: count(10)?,
        today: count(11)?,
        quarantined,
        warnings: problems_of(connection, id)?,
        harvest: job(JobKind::Harvest)?,
        reconcile: job(JobKind::Reconcile)?,
        name,
    })
}

/// The warnings of a source that are problems, the oldest first.
fn problems_of(
    connection: &Connection,
    source: Option<i64>,
) -> rusqlite::Result<Vec<(WarningKind, String, i64)>> {
    let warnings = connection
        .prepare_cached(
            "SELECT kind, message, since_at FROM warning WHERE source_id = ?1
             ORDER BY since_at, kind",
        )?
        .query_map([source], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, i64)>>>()?;
    let known = warnings.into_iter().filter_map(|(kind, message, since)| {
        Some((WarningKind::from_word(&kind)?, message, since))
    });
    Ok(known
        .filter(|(kind, ..)| WarningKind::PROBLEMS.contains(kind))
        .collect())
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<SourceState> {
    let rank: i64 = row.get(column)?;
    SourceState::at(rank).ok_or_else(|| unreadable(column, format!("{rank} is no state")))
}

fn unreadable(column: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{JobChange, JobOutcome, SourceDefinition, Store};

    const DAY_MS: i64 = 24 * 3600 * 1000;

    fn register(store: &Store, name: &str) -> i64 {
        let definition = SourceDefinition {
            name: name.to_owned(),
            base_url: format!("https://{name}.example.org/OAI"),
            metadata_prefix: "oai_dc".to_owned(),
            sets: Vec::new(),
            floor: None,
        };
        store.register_source(&definition).unwrap().0.id.0
    }

    fn ended(store: &Store, name: &str, outcome: JobOutcome, now_ms: i64) {
        let message = (outcome == JobOutcome::Failed).then(|| "HTTP 500".to_owned());
        let change = JobChange::Ended { outcome, message };
        let key = JobKey::new(JobKind::Harvest, name);
        store.change_jobs(&[(key, change)], now_ms).unwrap();
    }

    fn names(listed: &Listed) -> Vec<&str> {
        listed.rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn sources_are_listed_by_urgency_filtered_and_cut_into_pages() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        let ids =
            ["alpha", "beta", "delta", "gamma", "old", "still"].map(|name| register(&store, name));
        store
            .write("testing", |connection| {
                for (place, id) in ids.into_iter().enumerate() {
                    let at = 1_000 + i64::try_from(place).unwrap_or(0);
                    connection.execute("INSERT INTO watermark VALUES (?1, '', ?2, 1)", [id, at])?;
                    connection.execute(
                        "UPDATE source SET live_records = ?2 WHERE id = ?1",
                        [id, 10 * id],
                    )?;
                }
                connection.execute("INSERT INTO source_day VALUES (?1, 7, 4, 2, 1)", [ids[0]])?;
                connection.execute(
                    "INSERT INTO gap (source_id, set_spec, until_datestamp, reason, attempts,
                        empty_reads, first_at, next_at) VALUES (?1, '', 5, 'HTTP 500', 1, 0, 1, 1)",
                    [ids[3]],
                )
            })
            .unwrap();
        let set = |name: usize, kind| {
            let source = super::super::SourceId(ids[name]);
            store.set_warning(source, kind, Some("look"), 3).unwrap();
        };
        set(1, WarningKind::IgnoresDates);
        set(2, WarningKind::NoCrosswalk);
        for name in ["alpha", "beta", "delta", "gamma", "old"] {
            ended(&store, name, JobOutcome::Succeeded, 7 * DAY_MS);
        }
        ended(&store, "never", JobOutcome::Failed, 7 * DAY_MS + 9);
        let pause = JobChange::Paused(true);
        let still = JobKey::new(JobKind::Harvest, "still");
        store.change_jobs(&[(still, pause)], 8).unwrap();

        let query = SourceListQuery {
            configured: r#"["alpha","beta","delta","gamma","never","still","young"]"#.to_owned(),
            limit: 100,
            now_ms: 7 * DAY_MS + 10,
            ..SourceListQuery::default()
        };
        let all = reader.source_list(&query).unwrap();
        let urgent = [
            "never", "delta", "gamma", "young", "alpha", "beta", "still", "old",
        ];
        assert_eq!(names(&all), urgent);
        assert_eq!(all.matching, 8);
        let expected: StateCounts = vec![
            (SourceState::Failed, 1),
            (SourceState::Incomplete, 2),
            (SourceState::New, 1),
            (SourceState::Complete, 2),
            (SourceState::Paused, 1),
            (SourceState::NotConfigured, 1),
        ];
        assert_eq!(all.counts, expected);
        let row = |name: &str| all.rows.iter().find(|row| row.name == name).unwrap();
        let alpha = row("alpha");
        assert_eq!(
            (alpha.new_today, alpha.today, alpha.live_records),
            (4, 7, 10 * ids[0].unsigned_abs())
        );
        assert_eq!(alpha.watermark, Some(Datestamp::from_unix(1_000)));
        assert_eq!(row("gamma").gaps, 1);
        let warning = (WarningKind::NoCrosswalk, "look".to_owned(), 3);
        assert_eq!(row("delta").warnings, [warning]);
        assert!(row("beta").warnings.is_empty(), "no problem");
        let never = &row("never").harvest;
        assert_eq!(
            (never.message.as_deref(), never.failing_since),
            (Some("HTTP 500"), Some(7 * DAY_MS + 9))
        );
        assert_eq!(row("young").harvest.outcome, None);

        let cases = [
            (
                "a text",
                SourceListQuery {
                    text: "ET".into(),
                    ..query.clone()
                },
                vec!["beta"],
                1,
            ),
            (
                "an address",
                SourceListQuery {
                    text: "gamma.example.org/oai".into(),
                    ..query.clone()
                },
                vec!["gamma"],
                1,
            ),
            (
                "no pattern",
                SourceListQuery {
                    text: "%".into(),
                    ..query.clone()
                },
                vec![],
                0,
            ),
            (
                "states",
                SourceListQuery {
                    states: vec![SourceState::Failed, SourceState::Paused],
                    ..query.clone()
                },
                vec!["never", "still"],
                2,
            ),
            (
                "the second page",
                SourceListQuery {
                    offset: 3,
                    limit: 2,
                    ..query.clone()
                },
                vec!["young", "alpha"],
                8,
            ),
            (
                "by name",
                SourceListQuery {
                    order: SourceListOrder::Name,
                    limit: 3,
                    ..query.clone()
                },
                vec!["alpha", "beta", "delta"],
                8,
            ),
            (
                "by records",
                SourceListQuery {
                    order: SourceListOrder::Records,
                    limit: 2,
                    ..query.clone()
                },
                vec!["still", "old"],
                8,
            ),
            (
                "by new records",
                SourceListQuery {
                    order: SourceListOrder::Today,
                    limit: 2,
                    ..query.clone()
                },
                vec!["alpha", "beta"],
                8,
            ),
            (
                "by age",
                SourceListQuery {
                    order: SourceListOrder::Behind,
                    limit: 3,
                    ..query.clone()
                },
                vec!["never", "young", "alpha"],
                8,
            ),
        ];
        for (case, query, expected, matching) in cases {
            let listed = reader.source_list(&query).unwrap();
            assert_eq!(names(&listed), expected, "{case}");
            assert_eq!(listed.matching, matching, "{case}");
            assert_eq!(listed.counts, all.counts, "{case}");
        }
    }

    #[test]
    fn thousands_of_sources_are_listed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let names: Vec<String> = (0..6_000)
            .map(|number| format!("source-{number:04}"))
            .collect();
        store
            .write("testing", |connection| {
                for name in &names {
                    connection.execute(
                        "INSERT INTO source (name, base_url, metadata_prefix, sets)
                         VALUES (?1, '', '', '[]')",
                        [name],
                    )?;
                    connection.execute(
                        "INSERT INTO job (kind, name, outcome) VALUES ('harvest', ?1, 'succeeded')",
                        [name],
                    )?;
                }
                connection.execute("INSERT INTO watermark SELECT id, '', id, 1 FROM source", [])
            })
            .unwrap();
        // As after an analysis while the store had one source.
        store
            .write("testing", |connection| {
                connection.execute_batch(
                    "ANALYZE; DELETE FROM sqlite_stat1;
                     INSERT INTO sqlite_stat1 VALUES ('source', 'sqlite_autoindex_source_1', '1 1')",
                )
            })
            .unwrap();
        let query = SourceListQuery {
            configured: serde_json::Value::from(names.clone()).to_string(),
            offset: 5_950,
            limit: 100,
            ..SourceListQuery::default()
        };
        let reader = store.reader().unwrap();
        let begun = std::time::Instant::now();
        let listed = reader.source_list(&query).unwrap();
        let took = begun.elapsed();
        assert_eq!(listed.rows.len(), 50);
        assert_eq!(listed.counts, [(SourceState::Complete, 6_000)]);
        // A statement for each source, or a scan for each, would take seconds.
        assert!(took < std::time::Duration::from_secs(1), "{took:?}");
    }
}
