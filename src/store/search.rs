//! The search index: finds records by words of their titles, by DOI, or by the end of the identifier.
//!
//! The index is a file beside the store, `<store>.search`, and follows the changes of the store as an
//! output does. It never slows a harvest, and it is rebuilt if it is deleted. Every result is checked
//! against the store, so an index that is behind can miss records but gives no wrong ones.
//!
//! A record is one row of an FTS5 table that stores no texts. Its words are those of its titles and up
//! to four hashes: of the DOI, of the end of the identifier, and of whole titles. FTS5 writes words in
//! large sorted segments, so hashes cause no random writes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::Serialize;

use super::payload::Decompressor;
use super::records::{COLUMNS, JOINS, from_row, numbers_of};
use super::{ChangeFilter, Reader, StoreError, StoredRecord, Version};
use crate::dedup::text::fold;
use crate::files;
use crate::record::{Resource, crosswalk, doi};

/// The version of the way in which words are made from a record. A new version rebuilds the index.
const FORMAT: i64 = 2;

/// The number of words of a title that can be searched.
const MOST_WORDS: usize = 64;

/// The shortest beginning of a word that is searched. Shorter ones match half of all records.
const SHORTEST_BEGINNING: usize = 4;

/// The kinds of hashes among the words of the index.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Doi,
    LastPart,
    Title,
}

/// The index, open for writing.
#[derive(Debug)]
pub struct SearchIndex {
    path: PathBuf,
    connection: Connection,
}

/// The result of one step of following the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowResult {
    /// Records that were indexed.
    pub records: u64,
    /// The version up to which the index has all changes.
    pub position: Version,
    /// Whether the index has all changes of the store.
    pub done: bool,
}

/// The state of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IndexState {
    /// The version up to which all changes can be found.
    pub position: Version,
    /// Changes that the index lacks, counted up to [`IndexState::MOST_BEHIND`].
    pub behind: u64,
    /// Size of the file.
    pub bytes: u64,
}

impl IndexState {
    /// To count more would take time and tell nothing new.
    pub const MOST_BEHIND: u64 = 100_000;
}

/// A search.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The search text: an identifier, the end of one, a DOI, or words of a title.
    pub text: String,
    /// Identifiers that the text can mean, such as that of a catalogue's id.
    pub identifiers: Vec<String>,
    /// The largest number of records.
    pub most: usize,
    /// Only records of this source.
    pub source: Option<String>,
    /// Only records that are deleted, or only those that are not.
    pub deleted: Option<bool>,
    /// Whether to count what matches by source and state, whatever the filters above.
    pub counts: bool,
}

/// How many records match a search. Those that have changed since the index read them are counted too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchCounts {
    /// The numbers of records by source and by whether they are deleted.
    pub groups: BTreeMap<(String, bool), u64>,
    /// Whether more match than were counted, which are the newest.
    pub more: bool,
}

impl MatchCounts {
    /// So many matches are counted at most, since each has to be looked up.
    pub const MOST: usize = 10_000;

    fn add(&mut self, source: &str, deleted: bool) {
        *self.groups.entry((source.to_owned(), deleted)).or_default() += 1;
    }
}

/// The way in which a record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// By its identifier.
    Identifier,
    /// By its DOI.
    Doi,
    /// By the end of its identifier.
    LastPart,
    /// By the words of its titles.
    Title,
}

/// The result of a search.
#[derive(Debug, Clone, Default)]
pub struct Found<T> {
    /// What was made of the records, the best match first.
    pub records: Vec<T>,
    /// Whether there are more.
    pub more: bool,
    /// How many records match, if that was asked for.
    pub counts: Option<MatchCounts>,
    /// The state of the index; `None` if there is none and only whole identifiers were searched.
    pub index: Option<IndexState>,
}

/// The path of the index of a store.
fn path_of(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".search");
    PathBuf::from(path)
}

impl SearchIndex {
    /// Opens the index of the store at `store`, and creates it if it is missing. A damaged index is replaced
    /// by a new one, since everything in it comes from the store.
    pub fn open(store: &Path) -> Result<Self, StoreError> {
        let path = path_of(store);
        match Self::prepare(&path, store) {
            Err(StoreError::Damaged { .. } | StoreError::NotAStore { .. }) => {
                remove(&path)?;
                Self::prepare(&path, store)
            }
            opened => opened,
        }
    }

    fn prepare(path: &Path, store: &Path) -> Result<Self, StoreError> {
        let fail = |error| StoreError::from_sqlite(path, "preparing the search index", error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        files::resolve(path)
            .and_then(|real| files::prepare_own(&real, store))
            .map_err(|error| {
                StoreError::from_io(path, "creating the search index".to_owned(), error)
            })?;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection
            .busy_timeout(super::open::BUSY_TIMEOUT)
            .and_then(|()| connection.pragma_update(None, "journal_mode", "WAL"))
            // A lost transaction is made again from the store.
            .and_then(|()| connection.pragma_update(None, "synchronous", "NORMAL"))
            .and_then(|()| connection.pragma_update(None, "cache_size", -4_000))
            .and_then(|()| connection.pragma_update(None, "journal_size_limit", 16 << 20))
            .map_err(fail)?;
        let format: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(fail)?;
        if format != FORMAT {
            make_tables(&mut connection).map_err(fail)?;
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Indexes the next `limit` changes of the store in one transaction.
    ///
    /// An index that is ahead of the store, or belongs to another store, starts from the beginning.
    pub fn follow(&mut self, reader: &Reader, limit: usize) -> Result<FollowResult, StoreError> {
        let mark = reader.meta_value("spread_seed")?.unwrap_or_default();
        let newest = reader.last_version()?;
        let fail =
            |path: &Path, error| StoreError::from_sqlite(path, "reading the search index", error);
        let (known_mark, mut position) =
            read_state(&self.connection).map_err(|error| fail(&self.path, error))?;
        if position > newest || (known_mark != mark && position > Version(0)) {
            make_tables(&mut self.connection).map_err(|error| fail(&self.path, error))?;
            position = Version(0);
        }
        let (entries, last) =
            reader.read("reading changes for the search index", |connection| {
                let mut decompressor = Decompressor::default();
                let mut statement = connection.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM record INDEXED BY record_version {JOINS}
                 WHERE record.version > ?1 ORDER BY record.version LIMIT ?2"
                ))?;
                let mut rows = statement.query(params![position.0, limit])?;
                let mut entries = Vec::new();
                let mut last = position;
                while let Some(row) = rows.next()? {
                    let number: i64 = row.get(0)?;
                    // A record that cannot be read can still be found by its identifier.
                    let record = from_row(connection, row, &mut decompressor);
                    last = Version(row.get("version")?);
                    let words = match record {
                        Ok(record) => words_of(&record),
                        Err(_) => words_of_identifier(&row.get::<_, String>("identifier")?),
                    };
                    entries.push((number, words));
                }
                let done = entries.len() < limit;
                Ok((entries, if done { last.max(newest) } else { last }))
            })?;
        let done = entries.len() < limit;
        let records = entries.len() as u64;
        // Without changes nothing is written.
        if records > 0 || last != position || mark != known_mark {
            self.write(&entries, mark, last).map_err(|error| {
                StoreError::from_sqlite(&self.path, "writing the search index", error)
            })?;
        }
        Ok(FollowResult {
            records,
            position: last,
            done,
        })
    }

    fn write(
        &mut self,
        entries: &[(i64, String)],
        mark: i64,
        position: Version,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut replace = transaction
                .prepare_cached("INSERT OR REPLACE INTO entry (rowid, words) VALUES (?1, ?2)")?;
            for (number, words) in entries {
                replace.execute(params![number, words])?;
            }
        }
        transaction.execute(
            "UPDATE state SET mark = ?1, position = ?2",
            params![mark, position.0],
        )?;
        transaction.commit()
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Io {
                    path: path.to_owned(),
                    doing: "removing a damaged search index".to_owned(),
                    error,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "DROP TABLE IF EXISTS entry;
         DROP TABLE IF EXISTS state;
         CREATE VIRTUAL TABLE entry USING fts5 (
             words, content = '', contentless_delete = 1, detail = none,
             tokenize = 'ascii');
         CREATE TABLE state (
             id INTEGER PRIMARY KEY CHECK (id = 1),
             mark INTEGER NOT NULL,            -- a number that other stores do not have
             position INTEGER NOT NULL         -- a version: what it follows
         ) STRICT;
         INSERT INTO state VALUES (1, 0, 0);",
    )?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

fn read_state(connection: &Connection) -> rusqlite::Result<(i64, Version)> {
    connection.query_row("SELECT mark, position FROM state", [], |row| {
        Ok((row.get(0)?, Version(row.get(1)?)))
    })
}

impl Reader {
    /// The state of the search index; `None` if there is none.
    pub fn search_index(&self) -> Result<Option<IndexState>, StoreError> {
        let Some(index) = self.open_index()? else {
            return Ok(None);
        };
        self.index_state(&index).map(Some)
    }

    /// The records that match `query`: by identifier, by DOI, by the end of the identifier, or by all words
    /// of a title. If no title has all words, the last word can be the beginning of a word. Records with
    /// exactly this title come first, then the newest.
    ///
    /// Without an index, or if `use_index` is false, only whole identifiers are searched. `show` takes what
    /// is needed of each record, so that only one is in memory as a whole.
    pub fn search<T>(
        &self,
        query: &Query,
        use_index: bool,
        show: impl Fn(FoundBy, StoredRecord) -> T,
    ) -> Result<Found<T>, StoreError> {
        let mut collected = Collected::new(query, show);
        let text = query.text.trim();
        for identifier in [text]
            .into_iter()
            .chain(query.identifiers.iter().map(String::as_str))
        {
            for number in self.numbers_of(identifier)? {
                collected.add(self, FoundBy::Identifier, number, |_| true)?;
            }
        }
        let index = if use_index { self.open_index()? } else { None };
        let Some(index) = index else {
            return Ok(collected.found(None));
        };
        let state = self.index_state(&index)?;
        if !collected.is_empty() {
            return Ok(collected.found(Some(state)));
        }
        if let Some(wanted) = doi::normalise(text) {
            let words = hash(Kind::Doi, &wanted);
            for number in self.matches(&index, &words, query, &mut collected)? {
                let same = |record: &StoredRecord| doi_of(record).as_deref() == Some(&*wanted);
                collected.add(self, FoundBy::Doi, number, same)?;
            }
            return Ok(collected.found(Some(state)));
        }
        if let Some(part) = last_part(text).filter(|_| !text.contains(char::is_whitespace)) {
            let words = hash(Kind::LastPart, &part);
            for number in self.matches(&index, &words, query, &mut collected)? {
                let same =
                    |record: &StoredRecord| last_part(&record.identifier).as_ref() == Some(&part);
                collected.add(self, FoundBy::LastPart, number, same)?;
            }
        }
        let folded = fold(text);
        let words = title_words(&folded);
        if words.is_empty() {
            return Ok(collected.found(Some(state)));
        }
        let all: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let mut tries = vec![hash(Kind::Title, &folded), all.join(" AND ")];
        if words
            .last()
            .is_some_and(|last| last.chars().count() >= SHORTEST_BEGINNING)
        {
            tries.push(format!("{} *", all.join(" AND ")));
        }
        for wanted in tries {
            // Beginnings of words are slow, so they are searched only if whole words found nothing.
            if wanted.ends_with('*') && !collected.is_empty() {
                break;
            }
            let last = words.last().copied().filter(|_| wanted.ends_with('*'));
            for number in self.matches(&index, &wanted, query, &mut collected)? {
                let fits = |record: &StoredRecord| has_words(record, &words, last);
                collected.add(self, FoundBy::Title, number, fits)?;
            }
        }
        Ok(collected.found(Some(state)))
    }

    fn open_index(&self) -> Result<Option<Connection>, StoreError> {
        let path = path_of(&self.path);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Option<Connection>> {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(super::open::BUSY_TIMEOUT)?;
            connection.pragma_update(None, "cache_size", -4_000)?;
            // An index of another format has other words, and an index under construction has none.
            let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            Ok((format == FORMAT).then_some(connection))
        };
        open().map_err(|error| StoreError::from_sqlite(&path, "opening the search index", error))
    }

    fn index_state(&self, index: &Connection) -> Result<IndexState, StoreError> {
        let path = path_of(&self.path);
        let (_, position) = read_state(index)
            .map_err(|error| StoreError::from_sqlite(&path, "reading the search index", error))?;
        let since = ChangeFilter {
            since: Some(position),
            ..ChangeFilter::default()
        };
        Ok(IndexState {
            position,
            behind: self.pending_changes(&since, IndexState::MOST_BEHIND)?.0,
            bytes: std::fs::metadata(&path).map_or(0, |metadata| metadata.len()),
        })
    }

    /// The numbers of the records whose words match and that fit the filters, the newest first, at most one more than
    /// are wanted. If the query asks for it, all that match are counted.
    fn matches<T, S>(
        &self,
        index: &Connection,
        words: &str,
        query: &Query,
        collected: &mut Collected<'_, T, S>,
    ) -> Result<Vec<i64>, StoreError> {
        let is_filtered = query.source.is_some() || query.deleted.is_some();
        if !query.counts && !is_filtered {
            return self.newest_matches(index, words, query.most);
        }
        let mut numbers = self.newest_matches(index, words, MatchCounts::MOST)?;
        collected.counts.more |= numbers.len() > MatchCounts::MOST;
        numbers.truncate(MatchCounts::MOST);
        let places = self.read("looking up what matches", |connection| {
            // In the order of the numbers, since they are the outer loop.
            connection
                .prepare_cached(
                    "SELECT record.id, source.name, record.deleted <> 0 FROM json_each(?1) AS wanted
                     CROSS JOIN record ON record.id = wanted.value
                     CROSS JOIN source ON source.id = record.source_id",
                )?
                .query_map([serde_json::Value::from(numbers).to_string()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<rusqlite::Result<Vec<(i64, String, bool)>>>()
        })?;
        let mut fitting = Vec::new();
        for (number, source, deleted) in places {
            if collected.counted.insert(number) {
                collected.counts.add(&source, deleted);
            }
            let fits = query.source.as_ref().is_none_or(|wanted| *wanted == source)
                && query.deleted.is_none_or(|wanted| wanted == deleted);
            if fits && fitting.len() <= query.most {
                fitting.push(number);
            }
        }
        Ok(fitting)
    }

    /// The numbers of the records whose words match, the newest first, at most one more than `limit`.
    fn newest_matches(
        &self,
        index: &Connection,
        words: &str,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let read = || -> rusqlite::Result<Vec<i64>> {
            index
                .prepare_cached(
                    "SELECT rowid FROM entry WHERE entry MATCH ?1 ORDER BY rowid DESC LIMIT ?2",
                )?
                .query_map(params![words, limit + 1], |row| row.get(0))?
                .collect()
        };
        read().map_err(|error| {
            StoreError::from_sqlite(&path_of(&self.path), "reading the search index", error)
        })
    }

    fn numbers_of(&self, identifier: &str) -> Result<Vec<i64>, StoreError> {
        self.read("looking up an identifier", |connection| {
            numbers_of(connection, identifier)
        })
    }

    fn record_of(&self, number: i64) -> Result<Option<StoredRecord>, StoreError> {
        self.read("reading a record", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM record {JOINS} WHERE record.id = ?1"
                ))?
                .query_row([number], |row| {
                    from_row(connection, row, &mut Decompressor::default())
                })
                .optional()
        })
    }
}

/// Records found so far, each once.
struct Collected<'a, T, S> {
    query: &'a Query,
    show: S,
    numbers: BTreeSet<i64>,
    records: Vec<T>,
    more: bool,
    counts: MatchCounts,
    counted: BTreeSet<i64>,
}

impl<'a, T, S: Fn(FoundBy, StoredRecord) -> T> Collected<'a, T, S> {
    fn new(query: &'a Query, show: S) -> Self {
        Self {
            query,
            show,
            numbers: BTreeSet::new(),
            records: Vec::new(),
            more: false,
            counts: MatchCounts::default(),
            counted: BTreeSet::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn add(
        &mut self,
        reader: &Reader,
        found_by: FoundBy,
        number: i64,
        fits: impl Fn(&StoredRecord) -> bool,
    ) -> Result<(), StoreError> {
        if !self.numbers.insert(number) {
            return Ok(());
        }
        if self.records.len() >= self.query.most {
            self.more = true;
            return Ok(());
        }
        let Some(record) = reader.record_of(number)?.filter(fits) else {
            return Ok(());
        };
        let deleted = record.deletion.is_some();
        if self.counted.insert(number) {
            self.counts.add(&record.source, deleted);
        }
        let Query {
            source,
            deleted: state,
            ..
        } = self.query;
        let is_wanted = source
            .as_ref()
            .is_none_or(|wanted| *wanted == record.source)
            && state.is_none_or(|wanted| wanted == deleted);
        if is_wanted {
            self.records.push((self.show)(found_by, record));
        }
        Ok(())
    }

    fn found(self, index: Option<IndexState>) -> Found<T> {
        Found {
            records: self.records,
            more: self.more,
            counts: self.query.counts.then_some(self.counts),
            index,
        }
    }
}

fn resource_of(record: &StoredRecord) -> Option<Resource> {
    let metadata = record.metadata.as_deref()?;
    crosswalk::resource_of(&record.metadata_prefix, metadata, record.header()).ok()
}

/// Titles with their subtitles.
fn titles(resource: &Resource) -> impl Iterator<Item = Cow<'_, str>> {
    resource.titles.iter().map(|title| title.full())
}

fn doi_of(record: &StoredRecord) -> Option<String> {
    doi::normalise(resource_of(record)?.doi()?)
}

/// Whether all of `words` are in the titles; `beginning` may be the beginning of one.
fn has_words(record: &StoredRecord, words: &[&str], beginning: Option<&str>) -> bool {
    let Some(resource) = resource_of(record) else {
        return false;
    };
    let folded: Vec<String> = titles(&resource)
        .flat_map(|title| foldings(&title))
        .collect();
    let held: BTreeSet<&str> = folded.iter().flat_map(|title| title_words(title)).collect();
    words.iter().all(|word| {
        let begins = |held: &&str| held.starts_with(word);
        held.contains(word) || (Some(*word) == beginning && held.iter().any(begins))
    })
}

/// The words of a record in the index, as one text.
fn words_of(record: &StoredRecord) -> String {
    let mut text = words_of_identifier(&record.identifier);
    let Some(resource) = resource_of(record) else {
        return text;
    };
    let mut words: BTreeSet<String> = BTreeSet::new();
    if let Some(doi) = resource.doi().and_then(doi::normalise) {
        words.insert(hash(Kind::Doi, &doi));
    }
    for title in titles(&resource) {
        for folded in foldings(&title) {
            words.insert(hash(Kind::Title, &folded));
            words.extend(title_words(&folded).into_iter().map(str::to_owned));
        }
    }
    for word in words {
        text.push(' ');
        text.push_str(&word);
    }
    text
}

fn words_of_identifier(identifier: &str) -> String {
    last_part(identifier).map_or_else(String::new, |part| hash(Kind::LastPart, &part))
}

/// A title as it is folded, which joins what an apostrophe parts (`letude` for `L'étude`), and, if it has
/// one, also with the parts as words of their own (`l etude`). Blank ones are left out.
fn foldings(title: &str) -> Vec<String> {
    let apostrophes = ['\'', '\u{2018}', '\u{2019}', '\u{2bc}', '`', '\u{b4}'];
    let mut foldings = vec![fold(title)];
    if title.contains(apostrophes) {
        foldings.push(fold(&title.replace(apostrophes, " ")));
    }
    foldings.retain(|folded| !folded.is_empty());
    foldings
}

/// The words of a folded title. In scripts without spaces, each letter is a word.
fn title_words(folded: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        let mut begin = 0;
        for (place, letter) in word.char_indices() {
            if is_ideograph(letter) {
                words.extend((begin < place).then(|| &word[begin..place]));
                begin = place + letter.len_utf8();
                words.push(&word[place..begin]);
            }
        }
        words.extend((begin < word.len()).then(|| &word[begin..]));
    }
    words.truncate(MOST_WORDS);
    words
}

/// Han, Hiragana and Katakana.
fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// The part of an identifier or URL after its last separator, in lower case.
fn last_part(identifier: &str) -> Option<String> {
    let part = identifier
        .trim_end_matches(['/', '#'])
        .rsplit([':', '/', '#', '?', '='])
        .next()?
        .trim();
    (!part.is_empty()).then(|| part.to_lowercase())
}

/// The hash of a whole text as a word of the index. No word of a title has its form.
fn hash(kind: Kind, text: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut word = String::from(match kind {
        Kind::Doi => "qd",
        Kind::LastPart => "qi",
        Kind::Title => "qt",
    });
    // 40 bits: with ten million records, one search in a hundred thousand finds a wrong record, which
    // the check then leaves out.
    let hash = blake3::hash(text.as_bytes());
    let number = hash.as_bytes()[..5]
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    for place in (0..8).rev() {
        let digit = (number >> (5 * place)) & 31;
        word.push(char::from(
            DIGITS[usize::try_from(digit).unwrap_or_default()],
        ));
    }
    word
}
