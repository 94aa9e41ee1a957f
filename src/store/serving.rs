//! What the store shows as an OAI-PMH repository: records by version, for a source, a set or everything.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};

use super::open::{Cached, open_for_writing};
use super::payload::Decompressor;
use super::records::{COLUMNS, JOINS, from_row, withhold};
use super::selection::is_within;
use super::upkeep::PRUNED_TO;
use super::{ChangeFilter, Per, Reader, SetMap, SourceId, StoreError, StoredRecord, Version};

/// The last second that a response has named as its time, by its key in `meta`.
const SHOWN_SECOND: &str = "shown_second";

/// How long a response waits for a writer before it names an earlier second as its time.
const PATIENCE: Duration = Duration::from_millis(200);

/// Columns without the content, in the order of [`COLUMNS`].
const BARE_COLUMNS: &str = "record.id, source.name, source.metadata_prefix, record.identifier,
    record.datestamp, record.datestamp_text, set_list.set_specs, record.deleted, record.version,
    record.created_version, NULL, NULL, NULL";

/// The tables of [`BARE_COLUMNS`] beside `record`.
const BARE_JOINS: &str = "JOIN source ON source.id = record.source_id
    JOIN set_list ON set_list.id = record.set_list_id";

/// Whether a record that was stored earlier has the same identifier.
const IS_SECOND: &str = "EXISTS (SELECT 1 FROM record AS other
    WHERE other.identifier = record.identifier AND other.id < record.id)";

/// What a token and a response need to know of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingState {
    /// A random text, which this store alone has.
    pub store_id: [u8; 16],
    /// The key that tokens are signed with.
    pub key: [u8; 32],
    /// The newest version.
    pub newest: Version,
    /// Tombstones up to this version may be forgotten.
    pub forgotten: Version,
    /// The oldest version; `None` for an empty store.
    pub oldest: Option<Version>,
    /// The store's clock in seconds since 1970. Every change that was not in the store when this state
    /// was read gets a version in this second or later, also if the wall clock is set back.
    pub second: i64,
}

/// Which records to list.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// What the repository shows at all: `sources`, `sets` and `per` count.
    pub filter: &'a ChangeFilter,
    /// Only this source.
    pub source: Option<&'a str>,
    /// Only this set and the sets below it, by its setSpec in the source.
    pub set: Option<&'a str>,
    /// Only sources with this metadata format.
    pub metadata_prefix: Option<&'a str>,
    /// Where records of sets are; without it, all records of the sources are looked at.
    pub set_map: Option<&'a SetMap>,
}

/// A source as the repository shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedSource {
    /// Its name.
    pub name: String,
    /// The base URL, without credentials.
    pub base_url: String,
    /// The metadata format.
    pub metadata_prefix: String,
    /// What its repository calls itself.
    pub repository_name: Option<String>,
}

/// A record of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedRecord {
    /// The record. If it has left what was asked for, it is deleted
    /// ([`Deletion::Withheld`](super::Deletion::Withheld)). Its version gives its datestamp.
    pub record: StoredRecord,
    /// Whether a record of another source, stored earlier, has the same identifier.
    pub is_second: bool,
}

/// The clock that responses show. It has a connection of its own, so that it never waits long for a harvest.
#[derive(Debug)]
pub struct ServingClock {
    path: PathBuf,
    connection: Connection,
}

impl ServingClock {
    /// Opens the clock of a store.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_for_writing(path, OpenFlags::empty())?;
        connection
            .busy_timeout(PATIENCE)
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .map_err(|error| StoreError::from_sqlite(path, "opening", error))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Moves the store's clock to `second`, in seconds since 1970, so that later changes get no earlier
    /// one. Leaves it where it is if it is there already, or if a writer is at work.
    pub fn advance(&self, second: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value < excluded.value";
        let is_busy = |error: &rusqlite::Error| {
            let code = error.sqlite_error_code();
            matches!(
                code,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            )
        };
        match self.connection.run(sql, params![SHOWN_SECOND, second]) {
            Err(error) if !is_busy(&error) => {
                let doing = "moving the clock of the store";
                Err(StoreError::from_sqlite(&self.path, doing, error))
            }
            _ => Ok(()),
        }
    }
}

/// The time for the next versions: `now_ms`, or the last second that was shown if the clock was set back.
pub(super) fn not_before_shown(connection: &Connection, now_ms: i64) -> rusqlite::Result<i64> {
    let shown: Option<i64> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([SHOWN_SECOND], |row| row.get(0))
        .optional()?;
    Ok(shown.map_or(now_ms, |second| now_ms.max(second.saturating_mul(1000))))
}

/// How a record stands to what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It belongs to it.
    In,
    /// It belonged to it.
    Left,
    /// It never did.
    Never,
}

/// Tells how records stand. Remembers each combination of sets.
struct Standings<'a> {
    served: Served<'a>,
    lists: HashMap<i64, Vec<String>>,
}

impl<'a> Standings<'a> {
    fn new(served: Served<'a>) -> Self {
        Self {
            served,
            lists: HashMap::new(),
        }
    }

    /// The standing of a record of `source` with these combinations of present and former sets.
    fn of(
        &mut self,
        connection: &Connection,
        source: &str,
        set_list: i64,
        former: Option<i64>,
    ) -> rusqlite::Result<Standing> {
        let shown = self.served.filter.sets.get(source);
        let asked = self.served.set.map(|set| vec![set.to_owned()]);
        let mut standing = Standing::In;
        for sets in shown.into_iter().chain(asked.as_ref()) {
            let own = if self.is_in(connection, set_list, sets)? {
                Standing::In
            } else if let Some(former) = former
                && self.is_in(connection, former, sets)?
            {
                Standing::Left
            } else {
                Standing::Never
            };
            standing = standing.max(own);
        }
        Ok(standing)
    }

    fn is_in(
        &mut self,
        connection: &Connection,
        list: i64,
        sets: &[String],
    ) -> rusqlite::Result<bool> {
        let specs = match self.lists.entry(list) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let text: String = connection
                    .prepare_cached("SELECT set_specs FROM set_list WHERE id = ?1")?
                    .query_row([list], |row| row.get(0))?;
                free.insert(text.lines().map(str::to_owned).collect())
            }
        };
        Ok(specs
            .iter()
            .any(|spec| sets.iter().any(|set| is_within(spec, set))))
    }
}

impl Served<'_> {
    /// Whether the repository shows records of a source at all.
    fn has(&self, name: &str, metadata_prefix: &str) -> bool {
        self.filter.shows(name)
            && self.source.is_none_or(|source| source == name)
            && self
                .metadata_prefix
                .is_none_or(|prefix| prefix == metadata_prefix)
    }

    /// The parts of a span of versions in which records of a source can belong to the list.
    fn spans(
        &self,
        connection: &Connection,
        source: SourceId,
        name: &str,
        (after, upto): (Version, Version),
    ) -> rusqlite::Result<Vec<(i64, i64)>> {
        let asked = self.set.map(|set| vec![set.to_owned()]);
        let sets = asked.as_ref().or_else(|| self.filter.sets.get(name));
        match self.set_map.zip(sets) {
            Some((map, sets)) => map.spans(connection, source, sets, (after.0, upto.0)),
            None => Ok(vec![(after.0, upto.0)]),
        }
    }

    /// Whether every record of the sources belongs to the list.
    fn has_whole_sources(&self) -> bool {
        self.filter.sets.is_empty() && self.set.is_none()
    }
}

impl Reader {
    /// What tokens and responses need to know of the store, from one snapshot.
    pub fn serving_state(&self) -> Result<ServingState, StoreError> {
        self.read("reading the state of the store", |connection| {
            let (store_id, key) =
                connection.one("SELECT store_id, signing_key FROM provider", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let newest = Version::last(connection)?;
            let value = |key: &str| {
                connection
                    .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                    .query_row([key], |row| row.get::<_, i64>(0))
                    .optional()
            };
            let shown = value(SHOWN_SECOND)?.unwrap_or_default();
            let oldest = connection
                .prepare_cached("SELECT version FROM record ORDER BY version LIMIT 1")?
                .query_row([], |row| row.get(0).map(Version))
                .optional()?;
            Ok(ServingState {
                store_id,
                key,
                newest,
                forgotten: Version(value(PRUNED_TO)?.unwrap_or_default()),
                oldest,
                second: shown.max(newest.unix_ms().div_euclid(1000)),
            })
        })
    }

    /// Calls `each` with the records whose version is above `after` and at most `upto`, by version, until
    /// `each` breaks. Without `content`, metadata stays empty.
    ///
    /// With [`Per::Cluster`], several records can have the same version: the newest one of a work's
    /// records decides about all of them.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] with [`Per::Cluster`] if the clusters are not up to date.
    pub fn served(
        &self,
        served: Served<'_>,
        (after, upto): (Version, Version),
        content: bool,
        mut each: impl FnMut(ServedRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if served.filter.per == Per::Cluster {
            return self.served_works(served, (after, upto), each);
        }
        let mut decompressor = self.decompressor.take();
        let read = self.read("listing records", |connection| {
            let (sources, all) = chosen(connection, &served)?;
            if sources.is_empty() {
                return Ok(());
            }
            let mut standings = Standings::new(served);
            let (columns, joins) = match content {
                true => (COLUMNS, JOINS),
                false => (BARE_COLUMNS, BARE_JOINS),
            };
            // In a store with one source, no identifier is there twice.
            let is_second = if all == 1 { "0" } else { IS_SECOND };
            let single = match sources.len() {
                many if many == all => Some("INDEXED BY record_version WHERE ?1 = ?1 AND"),
                1 => Some("INDEXED BY record_source_version WHERE record.source_id = ?1 AND"),
                _ => None,
            };
            if let Some(from) = single.filter(|_| served.has_whole_sources()) {
                let (index, condition) = from.split_once(" WHERE ").expect("written above");
                let mut statement = connection.prepare_cached(&format!(
                    "SELECT {columns}, {is_second} FROM record {index} {joins}
                     WHERE {condition} record.version > ?2 AND record.version <= ?3
                     ORDER BY record.version"
                ))?;
                let mut rows = statement.query(params![sources[0].0, after.0, upto.0])?;
                while let Some(row) = rows.next()? {
                    let record = ServedRecord {
                        record: from_row(connection, row, &mut decompressor)?,
                        is_second: row.get(13)?,
                    };
                    if each(record).is_break() {
                        break;
                    }
                }
                return Ok(());
            }
            let names: HashMap<i64, &str> = sources
                .iter()
                .map(|(id, name)| (*id, name.as_str()))
                .collect();
            let mut whole = connection.prepare_cached(&format!(
                "SELECT {columns}, {is_second} FROM record {joins} WHERE record.id = ?1"
            ))?;
            let mut entries = Vec::with_capacity(sources.len());
            for (id, name) in &sources {
                let spans = served.spans(connection, SourceId(*id), name, (after, upto))?;
                entries.push(Entries {
                    source: *id,
                    spans: spans.into(),
                    batch: VecDeque::new(),
                });
            }
            by_version(connection, entries, |key| {
                let name = names[&key.source];
                let standing = standings.of(connection, name, key.set_list, key.former)?;
                if standing == Standing::Never {
                    return Ok(ControlFlow::Continue(()));
                }
                let mut record = whole.query_row([key.record], |row| {
                    Ok(ServedRecord {
                        record: from_row(connection, row, &mut decompressor)?,
                        is_second: row.get(13)?,
                    })
                })?;
                if standing == Standing::Left && record.record.deletion.is_none() {
                    withhold(&mut record.record);
                }
                Ok(each(record))
            })
        });
        self.decompressor.replace(decompressor);
        read
    }

    /// [`Self::served`] with [`Per::Cluster`], from the change feed.
    fn served_works(
        &self,
        served: Served<'_>,
        span: (Version, Version),
        mut each: impl FnMut(ServedRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // A change of a record elsewhere can be one of an item.
        let is_own = !served.filter.is_linked();
        let spans = match served.source.filter(|_| is_own && served.set.is_some()) {
            Some(name) => self.read("looking for records of a set", |connection| {
                let (sources, _) = chosen(connection, &served)?;
                match sources.iter().find(|(_, own)| own == name) {
                    Some((id, name)) => served.spans(connection, SourceId(*id), name, span),
                    None => Ok(Vec::new()),
                }
            })?,
            None => vec![(span.0.0, span.1.0)],
        };
        let mut standings = Standings::new(served);
        let (mut failed, mut has_ended) = (None, false);
        for (after, upto) in spans {
            let span = (Version(after), Version(upto));
            self.changes_between(served.filter, span, |record| {
                if !served.has(&record.source, &record.metadata_prefix) {
                    return ControlFlow::Continue(());
                }
                let flow = match stand(&self.connection, &mut standings, record) {
                    Ok(Some(record)) => each(record),
                    Ok(None) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                };
                has_ended |= flow.is_break();
                flow
            })?;
            if has_ended {
                break;
            }
        }
        match failed {
            Some(error) => Err(StoreError::from_sqlite(
                &self.path,
                "listing records",
                error,
            )),
            None => Ok(()),
        }
    }

    /// The records with this identifier that the repository shows, or has shown, whatever their versions.
    pub fn served_items(
        &self,
        filter: &ChangeFilter,
        identifier: &str,
    ) -> Result<Vec<ServedRecord>, StoreError> {
        let served = Served {
            filter,
            source: None,
            set: None,
            metadata_prefix: None,
            set_map: None,
        };
        let records = self.find_items(identifier, filter)?;
        self.read("reading a record", |connection| {
            let mut standings = Standings::new(served);
            let mut items = Vec::new();
            for record in records {
                items.extend(stand(connection, &mut standings, record)?);
            }
            Ok(items)
        })
    }

    /// The number of records of a list, tombstones included, where that is cheap to tell: it has all
    /// records of its sources.
    pub fn count_served(&self, served: Served<'_>) -> Result<Option<u64>, StoreError> {
        if served.filter.per == Per::Cluster || !served.has_whole_sources() {
            return Ok(None);
        }
        self.read("counting records", |connection| {
            let mut sum = 0;
            let mut statement = connection.prepare_cached(
                "SELECT name, metadata_prefix, live_records + deleted_records FROM source",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (name, prefix): (String, String) = (row.get(0)?, row.get(1)?);
                if served.has(&name, &prefix) {
                    sum += row.get::<_, u64>(2)?;
                }
            }
            Ok(Some(sum))
        })
    }

    /// The sources that a repository with this filter shows, by name.
    pub fn served_sources(&self, filter: &ChangeFilter) -> Result<Vec<ServedSource>, StoreError> {
        self.read("reading sources", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, base_url, metadata_prefix, traits ->> 'repository_name' FROM source
                 ORDER BY name",
            )?;
            let mut rows = statement.query([])?;
            let mut sources = Vec::new();
            while let Some(row) = rows.next()? {
                if filter.shows(row.get_ref(0)?.as_str()?) {
                    sources.push(ServedSource {
                        name: row.get(0)?,
                        base_url: row.get(1)?,
                        metadata_prefix: row.get(2)?,
                        repository_name: row.get(3)?,
                    });
                }
            }
            Ok(sources)
        })
    }

    /// The setSpecs that records of a source have or have had, each once, sorted.
    pub fn sets_of(&self, source: &str) -> Result<Vec<String>, StoreError> {
        self.read("reading the sets of a source", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT set_list.set_specs FROM source_set_list
                 JOIN source ON source.id = source_set_list.source_id
                 JOIN set_list ON set_list.id = source_set_list.set_list_id
                 WHERE source.name = ?1",
            )?;
            let mut rows = statement.query([source])?;
            let mut specs = BTreeSet::new();
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str()?;
                specs.extend(text.lines().map(str::to_owned));
            }
            Ok(specs.into_iter().collect())
        })
    }

    /// The metadata of a live record of a source, one of the newest; `None` if the newest thousand
    /// records are all deleted.
    pub fn sample_of(&self, source: &str) -> Result<Option<String>, StoreError> {
        self.read("reading a record of a source", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT payload.dictionary_id, payload.metadata FROM record
                    INDEXED BY record_source_version
                 LEFT JOIN payload ON payload.record_id = record.id
                 WHERE record.source_id = (SELECT id FROM source WHERE name = ?1)
                 ORDER BY record.version DESC LIMIT 1000",
            )?;
            let mut rows = statement.query([source])?;
            while let Some(row) = rows.next()? {
                let (Some(dictionary), Some(bytes)) =
                    (row.get(0)?, row.get_ref(1)?.as_blob_or_null()?)
                else {
                    continue;
                };
                let bytes = Decompressor::default().decompress(connection, dictionary, bytes)?;
                return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
            }
            Ok(None)
        })
    }
}

/// A record as the repository shows it; `None` if it never belonged to what is shown.
fn stand(
    connection: &Connection,
    standings: &mut Standings<'_>,
    mut record: StoredRecord,
) -> rusqlite::Result<Option<ServedRecord>> {
    let sql =
        format!("SELECT set_list_id, former_list_id, {IS_SECOND} FROM record WHERE record.id = ?1");
    let (set_list, former, is_second): (i64, Option<i64>, bool) =
        connection.one(&sql, [record.number], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    match standings.of(connection, &record.source, set_list, former)? {
        Standing::Never => return Ok(None),
        Standing::Left if record.deletion.is_none() => withhold(&mut record),
        _ => {}
    }
    Ok(Some(ServedRecord { record, is_second }))
}

/// The numbers and names of the sources of a list, and how many sources the store has.
fn chosen(
    connection: &Connection,
    served: &Served<'_>,
) -> rusqlite::Result<(Vec<(i64, String)>, usize)> {
    let mut statement =
        connection.prepare_cached("SELECT id, name, metadata_prefix FROM source ORDER BY id")?;
    let mut rows = statement.query([])?;
    let (mut sources, mut all) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        all += 1;
        let (name, prefix): (String, String) = (row.get(1)?, row.get(2)?);
        if served.has(&name, &prefix) {
            sources.push((row.get(0)?, name));
        }
    }
    Ok((sources, all))
}

/// A record as the index of its source has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct IndexEntry {
    version: i64,
    record: i64,
    source: i64,
    set_list: i64,
    former: Option<i64>,
}

impl IndexEntry {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            version: row.get(0)?,
            record: row.get(1)?,
            source: row.get(2)?,
            set_list: row.get(3)?,
            former: row.get(4)?,
        })
    }
}

/// How many entries of an index are read together.
const BATCH: usize = 256;

/// The records of a source by version, as its index has them.
struct Entries {
    source: i64,
    /// The spans that are not read yet.
    spans: VecDeque<(i64, i64)>,
    /// Entries that are read.
    batch: VecDeque<IndexEntry>,
}

impl Entries {
    fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<IndexEntry>> {
        while self.batch.is_empty()
            && let Some((after, upto)) = self.spans.front_mut()
        {
            let mut statement = connection.prepare_cached(
                "SELECT version, id, source_id, set_list_id, former_list_id
                 FROM record INDEXED BY record_source_version
                 WHERE source_id = ?1 AND version > ?2 AND version <= ?3
                 ORDER BY version LIMIT ?4",
            )?;
            let mut rows = statement.query(params![self.source, *after, *upto, BATCH as i64])?;
            while let Some(row) = rows.next()? {
                self.batch.push_back(IndexEntry::from_row(row)?);
            }
            match self.batch.back() {
                Some(last) if self.batch.len() == BATCH => *after = last.version,
                _ => drop(self.spans.pop_front()),
            }
        }
        Ok(self.batch.pop_front())
    }
}

/// Calls `each` with the records of these sources by version. Reads the index of each source, side by side.
fn by_version(
    connection: &Connection,
    mut sources: Vec<Entries>,
    mut each: impl FnMut(IndexEntry) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<()> {
    let mut heads = BinaryHeap::new();
    for (number, source) in sources.iter_mut().enumerate() {
        if let Some(entry) = source.next(connection)? {
            heads.push(Reverse((entry, number)));
        }
    }
    while let Some(Reverse((entry, number))) = heads.pop() {
        if each(entry)?.is_break() {
            break;
        }
        if let Some(entry) = sources[number].next(connection)? {
            heads.push(Reverse((entry, number)));
        }
    }
    Ok(())
}
