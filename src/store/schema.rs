//! Tables, and the migrations that make them. Migrations are only ever added.

use rusqlite::{Connection, ErrorCode};

use super::cluster;

/// Marks the file as a harvestd store: `hvst` in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x6876_7374;

/// The newest schema that this program knows.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

const MIGRATIONS: [&str; 21] = [
    INITIAL,
    CLUSTERS,
    OUTPUTS,
    RESUMING,
    SERVICE,
    KEYS,
    TURNS,
    RESTS,
    IDENTIFIERS,
    PLAIN_INDICES,
    JOBS,
    GAPS,
    OTHER_STATES,
    DAYS,
    HEALTH,
    SOURCE_VERSIONS,
    PROVIDER,
    IMPORTED,
    SERVED,
    REVIEW,
    NAMES,
];

/// The schema from which on identifiers are unique by an index, and match keys have a plain index.
const WITH_PLAIN_INDICES: i64 = 10;

/// Brings a store from schema `from` to [`NEWEST`], inside the caller's transaction.
pub(super) fn migrate(connection: &Connection, from: i64) -> rusqlite::Result<()> {
    for (number, migration) in (1_i64..).zip(MIGRATIONS) {
        if number > from {
            connection.execute_batch(migration)?;
            if number == WITH_PLAIN_INDICES {
                make_identifiers_unique(connection)?;
                cluster::index_all(connection)?;
            }
        }
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", NEWEST)
}

/// Creates the index of identifiers. If a source has an identifier more than once, its newest record
/// stays.
fn make_identifiers_unique(connection: &Connection) -> rusqlite::Result<()> {
    match connection.execute_batch(UNIQUE_IDENTIFIERS) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            remove_duplicates(connection)?;
            connection.execute_batch(UNIQUE_IDENTIFIERS)
        }
        created => created,
    }
}

/// Removes the records of which the same source has a newer one with the same identifier.
///
/// The clusters of a removed record are removed too, and a rebuild becomes due.
fn remove_duplicates(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("CREATE INDEX duplicate ON record (identifier, source_id)")?;
    let duplicates: Vec<(i64, i64, String, String)> = connection
        .prepare(
            "SELECT record.id, record.version, record.identifier, source.name FROM record
             JOIN source ON source.id = record.source_id
             WHERE EXISTS (SELECT 1 FROM record AS newer
                 WHERE newer.identifier = record.identifier
                   AND newer.source_id = record.source_id AND newer.version > record.version)
             ORDER BY record.id",
        )?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (id, version, identifier, source) in duplicates {
        tracing::warn!(
            "source {source}: the store has {identifier} more than once; its newest record is kept, \
             record {id} with version {version} is removed"
        );
        for statement in [
            "UPDATE source SET live_records = live_records - (record.deleted = 0),
                               deleted_records = deleted_records - (record.deleted <> 0)
             FROM record WHERE record.id = ?1 AND source.id = record.source_id",
            "DELETE FROM cluster_member WHERE record_id = ?1
                OR cluster_id IN (SELECT id FROM cluster WHERE record_id = ?1)",
            "DELETE FROM cluster WHERE record_id = ?1",
            "DELETE FROM cluster_redirect WHERE record_id = ?1 OR to_record_id = ?1",
            "DELETE FROM record WHERE id = ?1",
        ] {
            connection.prepare_cached(statement)?.execute([id])?;
        }
    }
    connection
        .execute_batch("DROP INDEX duplicate; UPDATE dedup SET state = 'due' WHERE state <> 'off'")
}

// Datestamps are seconds, `*_at` milliseconds, both since 1970 in UTC.
const INITIAL: &str = "
-- Single values, such as the last version that was given out.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('last_version', 0);

CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    base_url TEXT NOT NULL,
    metadata_prefix TEXT NOT NULL,
    sets TEXT NOT NULL,               -- JSON array
    floor INTEGER,                    -- nothing older is asked for
    live_records INTEGER NOT NULL DEFAULT 0,
    deleted_records INTEGER NOT NULL DEFAULT 0,
    traits TEXT NOT NULL DEFAULT '{}' -- JSON object
) STRICT;

-- How far completed lists have proven a source: a row for each set, '' for the whole source.
CREATE TABLE watermark (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    set_spec TEXT NOT NULL,
    datestamp INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (source_id, set_spec)
) STRICT, WITHOUT ROWID;

CREATE TABLE warning (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    since_at INTEGER NOT NULL,
    PRIMARY KEY (source_id, kind)
) STRICT, WITHOUT ROWID;

-- One row for each run over a source.
CREATE TABLE pass (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    moves_watermark INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    note TEXT,
    requests INTEGER NOT NULL DEFAULT 0,
    pages INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    wait_ms INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    repaired INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX pass_source ON pass (source_id, id);

-- The windows of a pass, and how each of them ended.
CREATE TABLE window (
    id INTEGER PRIMARY KEY,
    pass_id INTEGER NOT NULL REFERENCES pass ON DELETE CASCADE,
    set_spec TEXT,
    from_datestamp INTEGER,
    until_datestamp INTEGER,
    part INTEGER NOT NULL,            -- 1 if it is a part of a split window
    state TEXT NOT NULL,
    token TEXT,
    pages INTEGER NOT NULL DEFAULT 0,
    items INTEGER NOT NULL DEFAULT 0,
    list_size INTEGER,                -- the smallest that the repository stated
    bound INTEGER,                    -- proven by its first page; NULL where its until is proven
    reads INTEGER NOT NULL DEFAULT 0, -- how often it was begun
    last_items INTEGER,               -- items of the reading before this one
    note TEXT
) STRICT;
CREATE INDEX window_pass ON window (pass_id, state);

-- Which sets a record is in: a few thousand combinations serve millions of records.
CREATE TABLE set_list (
    id INTEGER PRIMARY KEY,
    set_specs TEXT NOT NULL UNIQUE    -- one a line
) STRICT;

CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    identifier TEXT NOT NULL,
    datestamp INTEGER,                -- NULL if it cannot be read
    datestamp_text TEXT,              -- as written, where that is not YYYY-MM-DDThh:mm:ssZ
    set_list_id INTEGER NOT NULL REFERENCES set_list,
    deleted INTEGER NOT NULL,         -- 0 live, 1 deleted by the repository, 2 disappeared
    content_hash BLOB NOT NULL,
    version INTEGER NOT NULL,
    created_version INTEGER NOT NULL,
    seen_pass INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_identifier ON record (identifier, source_id);
CREATE UNIQUE INDEX record_version ON record (version);

CREATE TABLE payload (
    record_id INTEGER PRIMARY KEY REFERENCES record ON DELETE CASCADE,
    dictionary_id INTEGER NOT NULL,   -- 0 for none
    metadata BLOB,                    -- zstd
    extra BLOB                        -- zstd
) STRICT;

CREATE TABLE dictionary (
    id INTEGER PRIMARY KEY,
    metadata_prefix TEXT NOT NULL,
    stage INTEGER NOT NULL,           -- the newest stage is the one in use
    bytes BLOB NOT NULL,
    UNIQUE (metadata_prefix, stage)
) STRICT;

-- The repairs that were needed to read a record, with the record as received.
CREATE TABLE repair (
    record_id INTEGER PRIMARY KEY REFERENCES record ON DELETE CASCADE,
    repairs TEXT NOT NULL,            -- JSON array
    raw BLOB NOT NULL                 -- zstd
) STRICT;

-- Items that could not become records.
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    identifier TEXT,
    datestamp_text TEXT,
    reason TEXT NOT NULL,
    raw BLOB NOT NULL,                -- zstd
    raw_hash BLOB NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    UNIQUE (source_id, raw_hash)
) STRICT;
CREATE INDEX quarantine_identifier ON quarantine (source_id, identifier);

-- Pauses of hosts.
CREATE TABLE host (
    host TEXT PRIMARY KEY,
    not_before_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

const CLUSTERS: &str = "
-- The state of deduplication; one row.
CREATE TABLE dedup (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL,              -- off, due (to be rebuilt), current
    rules_version INTEGER NOT NULL,   -- the rules that made the rows below; 0 for none
    sources TEXT NOT NULL,            -- JSON array: the preferred sources
    recent_token INTEGER NOT NULL     -- a random number, new after each change of the keys
) STRICT;
INSERT INTO dedup VALUES (1, 'off', 0, '[]', 0);

-- Descriptions of live records, which the rules compare.
CREATE TABLE description (
    record_id INTEGER PRIMARY KEY REFERENCES record ON DELETE CASCADE,
    packed BLOB NOT NULL
) STRICT;

CREATE TABLE match_key (
    key INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    PRIMARY KEY (key, record_id)
) STRICT, WITHOUT ROWID;

-- Keys that are not in match_key yet: put there one by one, each would write a page of its own.
CREATE TABLE recent_keys (
    record_id INTEGER PRIMARY KEY,
    keys BLOB NOT NULL                -- eight bytes each, the least first
) STRICT;

-- A cluster's name is a record and a number. A record that is alone and was never named after
-- another one has no rows here: its cluster is (record, 0).
CREATE TABLE cluster (
    id INTEGER PRIMARY KEY,
    record_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    UNIQUE (record_id, generation)
) STRICT;

CREATE TABLE cluster_member (
    record_id INTEGER PRIMARY KEY,
    cluster_id INTEGER NOT NULL,
    rank INTEGER NOT NULL             -- 0 for the preferred record
) STRICT;
CREATE INDEX cluster_member_cluster ON cluster_member (cluster_id, rank);

-- Names of clusters that were merged away.
CREATE TABLE cluster_redirect (
    record_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    to_record_id INTEGER NOT NULL,
    to_generation INTEGER NOT NULL,
    PRIMARY KEY (record_id, generation)
) STRICT, WITHOUT ROWID;

-- Decisions of a person about two records; they override every rule.
CREATE TABLE decision (
    a INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
    b INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
    must INTEGER NOT NULL,            -- 1 together, 0 apart
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    PRIMARY KEY (a, b),
    CHECK (a < b)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_b ON decision (b);
";

const OUTPUTS: &str = "
-- Outputs, and how far each has confirmed the changes.
CREATE TABLE output (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL,         -- what decides which documents it gets
    position INTEGER NOT NULL DEFAULT 0,
    confirmed_at INTEGER,             -- when the position was last confirmed
    last_error TEXT,                  -- why the last push stopped; NULL if it did not
    error_at INTEGER,
    added INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Documents that an output rejected, or that could not be made.
CREATE TABLE rejected (
    output_id INTEGER NOT NULL REFERENCES output ON DELETE CASCADE,
    document_id TEXT NOT NULL,
    source TEXT NOT NULL,
    identifier TEXT NOT NULL,
    version INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (output_id, document_id)
) STRICT, WITHOUT ROWID;
";

const RESUMING: &str = "
ALTER TABLE window ADD COLUMN token_at INTEGER; -- when its token came
";

const SERVICE: &str = "
-- Scheduled exports, and the version up to which their files reach.
CREATE TABLE export (
    name TEXT PRIMARY KEY,
    definition TEXT NOT NULL,         -- what decides which records it gets, and how
    position INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER,                  -- when it last had everything
    file TEXT,                        -- the newest file
    records INTEGER NOT NULL DEFAULT 0,
    deletions INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    error_at INTEGER
) STRICT, WITHOUT ROWID;

-- Problems that were reported and persist.
CREATE TABLE condition (
    subject TEXT NOT NULL,            -- source, output, export or store
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    since_at INTEGER NOT NULL,
    PRIMARY KEY (subject, name, kind)
) STRICT, WITHOUT ROWID;

-- Alerts that are not delivered yet, one row for each channel.
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    way TEXT NOT NULL,
    body TEXT NOT NULL,               -- JSON
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL
) STRICT;
";

// A rebuild makes the keys again; it is due because the rules have changed.
const KEYS: &str = "
DROP TABLE match_key;
DROP TABLE recent_keys;

-- The holders of keys, in equal parts by the upper bits of the keys.
CREATE TABLE match_keys (
    part INTEGER PRIMARY KEY,
    entries BLOB NOT NULL             -- eight bytes each: the lower 32 bits of the key, the record
) STRICT;

-- The keys of records up to this one are stored; the keys of later ones are made from descriptions.
ALTER TABLE dedup ADD COLUMN indexed_to INTEGER NOT NULL DEFAULT 0;
";

// The number of a part now also tells the number of parts.
const TURNS: &str = "
UPDATE match_keys SET part = part + (SELECT max(part) + 1 FROM match_keys);
";

const RESTS: &str = "
ALTER TABLE window ADD COLUMN place_datestamp INTEGER; -- of the last item before the token, in a sorted list
ALTER TABLE window ADD COLUMN place_items INTEGER;     -- items of this datestamp so far
";

const IDENTIFIERS: &str = "
DROP INDEX record_identifier;

-- Without this value, a running process of an older release cannot write.
UPDATE meta SET key = 'newest_version' WHERE key = 'last_version';

-- The records with an identifier, by its hash, as in match_keys.
CREATE TABLE identifiers (
    part INTEGER PRIMARY KEY,
    entries BLOB NOT NULL             -- eight bytes each: the lower 32 bits of the hash, the record
) STRICT;

-- Records that are not in the table identifiers yet.
CREATE TABLE recent_identifier (
    hash INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    PRIMARY KEY (hash, record_id)
) STRICT, WITHOUT ROWID;

-- The newest record that is in the table identifiers.
INSERT INTO meta VALUES ('identified_to', 0);
";

const PLAIN_INDICES: &str = "
DROP TABLE identifiers;
DROP TABLE recent_identifier;
DELETE FROM meta WHERE key = 'identified_to';

DROP TABLE match_keys;
-- The holders of keys among the records up to dedup.indexed_to.
CREATE TABLE match_key (
    key INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    PRIMARY KEY (key, record_id)
) STRICT, WITHOUT ROWID;

UPDATE warning SET kind = 'repaired_pages' WHERE kind = 'mended_pages';
";

// Every source has an identifier once. The identifier comes first, so that the same index finds the
// records of all sources with an identifier.
const UNIQUE_IDENTIFIERS: &str =
    "CREATE UNIQUE INDEX record_identifier ON record (identifier, source_id)";

const JOBS: &str = "
-- What the daemon runs: one row for each harvest, reconcile, push and export.
CREATE TABLE job (
    kind TEXT NOT NULL,               -- harvest, reconcile, push or export
    name TEXT NOT NULL,               -- of the source, output or export
    state TEXT NOT NULL DEFAULT 'on_demand',
                                      -- running, due, waiting, retrying, paused or on_demand
    reason TEXT,                      -- why it waits, for people
    next_at INTEGER,                  -- when it runs next
    paused_at INTEGER,                -- when a person paused it
    runner TEXT,                      -- which process runs it, or ran it last: daemon or command
    started_at INTEGER,               -- when the newest run began
    ended_at INTEGER,                 -- when the last run ended
    outcome TEXT,                     -- how: succeeded, failed or interrupted
    message TEXT,                     -- why it did not succeed
    failures INTEGER NOT NULL DEFAULT 0,
                                      -- failed runs since one succeeded
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- The last runs, as far as the store knows them.
INSERT INTO job (kind, name, started_at, ended_at, outcome, message)
SELECT 'harvest', source.name, pass.started_at, coalesce(pass.ended_at, pass.started_at),
    CASE WHEN pass.state <> 'open' THEN 'succeeded'
        WHEN pass.ended_at IS NULL OR pass.note = 'stopped' THEN 'interrupted'
        ELSE 'failed' END,
    CASE WHEN pass.state = 'open' THEN pass.note END
FROM source JOIN pass ON pass.id = (SELECT max(id) FROM pass AS any_pass
    WHERE any_pass.source_id = source.id AND any_pass.kind <> 'identifiers');

INSERT INTO job (kind, name, ended_at, outcome)
SELECT 'reconcile', name,
    coalesce(traits ->> 'reconciling_since', traits ->> 'reconciled_at'),
    CASE WHEN traits ->> 'reconciling_since' IS NULL THEN 'succeeded' ELSE 'interrupted' END
FROM source
WHERE coalesce(traits ->> 'reconciling_since', traits ->> 'reconciled_at') IS NOT NULL;

INSERT INTO job (kind, name, ended_at, outcome, message, failures)
SELECT 'push', name, coalesce(error_at, confirmed_at),
    CASE WHEN last_error IS NULL THEN 'succeeded' ELSE 'failed' END, last_error,
    last_error IS NOT NULL
FROM output WHERE coalesce(error_at, confirmed_at) IS NOT NULL;

INSERT INTO job (kind, name, ended_at, outcome, message, failures)
SELECT 'export', name, coalesce(error_at, done_at),
    CASE WHEN last_error IS NULL THEN 'succeeded' ELSE 'failed' END, last_error,
    last_error IS NOT NULL
FROM export WHERE coalesce(error_at, done_at) IS NOT NULL;

ALTER TABLE output DROP COLUMN last_error;
ALTER TABLE output DROP COLUMN error_at;
ALTER TABLE export DROP COLUMN last_error;
ALTER TABLE export DROP COLUMN error_at;

INSERT INTO job (kind, name, paused_at)
SELECT kinds.kind, substr(meta.key, 8), meta.value
FROM meta, (SELECT 'harvest' AS kind UNION ALL SELECT 'reconcile') AS kinds
WHERE meta.key LIKE 'paused:%'
ON CONFLICT (kind, name) DO UPDATE SET paused_at = excluded.paused_at;
DELETE FROM meta WHERE key LIKE 'paused:%';
";

const GAPS: &str = "
-- Spans of datestamps that could not be read. A gap holds up nothing but itself.
CREATE TABLE gap (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    set_spec TEXT NOT NULL,           -- '' for the whole source
    from_datestamp INTEGER,           -- NULL for the beginning
    until_datestamp INTEGER NOT NULL,
    reason TEXT NOT NULL,             -- why the last attempt failed
    attempts INTEGER NOT NULL,        -- failed attempts
    empty_reads INTEGER NOT NULL,     -- attempts that brought an empty list
    first_at INTEGER NOT NULL,        -- the first failed attempt
    next_at INTEGER NOT NULL          -- no attempt before
) STRICT;
CREATE INDEX gap_source ON gap (source_id, set_spec);

-- How far the lists with gaps are proven outside of their gaps. Other lists are proven up to their
-- watermark, and have no row.
CREATE TABLE head (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    set_spec TEXT NOT NULL,
    datestamp INTEGER NOT NULL,
    PRIMARY KEY (source_id, set_spec)
) STRICT, WITHOUT ROWID;

ALTER TABLE window ADD COLUMN failures INTEGER NOT NULL DEFAULT 0; -- failed windows that it is a part of

-- The first stores with jobs had another word for it.
UPDATE job SET kind = 'harvest' WHERE kind = 'pass';
";

const OTHER_STATES: &str = "
ALTER TABLE pass ADD COLUMN after_version INTEGER NOT NULL DEFAULT 0; -- the last version before it

-- The configured sets whose lists show the record as it is stored, live or deleted; NULL if the source
-- is not read by sets, or if they are not known yet.
ALTER TABLE record ADD COLUMN listed_in INTEGER REFERENCES set_list;

-- Other states of stored records that lists have shown: states that wait for the end of their pass,
-- states in doubt, and states that have lost.
CREATE TABLE rival (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    record_id INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
    set_spec TEXT NOT NULL,           -- of the list; '' for the whole repository
    content_hash BLOB NOT NULL,
    datestamp INTEGER,
    datestamp_text TEXT,              -- as in record
    set_list_id INTEGER NOT NULL REFERENCES set_list,
    deleted INTEGER NOT NULL,         -- 1 for a tombstone
    state TEXT NOT NULL,              -- held, doubted, refused
    own INTEGER NOT NULL,             -- 1 if the same list shows the record live
    listed_live INTEGER NOT NULL,     -- 1 if a pass showed the record live as well
    seen_pass INTEGER NOT NULL,
    window_id INTEGER,                -- whose reading showed it, while it waits
    dictionary_id INTEGER,            -- as in payload; NULL for states without content, and if refused
    metadata BLOB,
    extra BLOB,
    PRIMARY KEY (record_id, set_spec, content_hash)
) STRICT;
CREATE INDEX rival_state ON rival (source_id, state);
";

const DAYS: &str = "
-- The records that each day brought to a source. A day is days since 1970 in UTC.
CREATE TABLE source_day (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    day INTEGER NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (source_id, day)
) STRICT, WITHOUT ROWID;

-- How the runs of a job ended on each day. A source that never answered has no row in source.
CREATE TABLE job_day (
    kind TEXT NOT NULL,               -- as in job
    name TEXT NOT NULL,
    day INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,      -- that left something, such as a gap
    failed INTEGER NOT NULL,
    PRIMARY KEY (kind, name, day)
) STRICT, WITHOUT ROWID;

ALTER TABLE job ADD COLUMN failing_since INTEGER; -- the first of its failures
UPDATE job SET failing_since = ended_at WHERE failures > 0;

-- As far as the store still has the passes.
INSERT INTO source_day
SELECT source_id, started_at / 86400000, sum(created), sum(changed), sum(deleted)
FROM pass GROUP BY 1, 2 HAVING sum(created + changed + deleted) > 0;

INSERT INTO job_day
SELECT CASE pass.kind WHEN 'identifiers' THEN 'reconcile' ELSE 'harvest' END, source.name,
    coalesce(ended_at, started_at) / 86400000,
    count(*) FILTER (WHERE state = 'complete'), count(*) FILTER (WHERE state = 'incomplete'),
    count(*) FILTER (WHERE state = 'open' AND note <> 'stopped')
FROM pass JOIN source ON source.id = source_id GROUP BY 1, 2, 3;
";

const IMPORTED: &str = "
-- Programs whose clusters were imported.
CREATE TABLE origin (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    imported_at INTEGER NOT NULL
) STRICT;

-- Imported clusters. They override every rule, and decisions of a person override them.
CREATE TABLE imported (
    record_id INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
    origin_id INTEGER NOT NULL REFERENCES origin ON DELETE CASCADE,
    cluster INTEGER NOT NULL,         -- one number for each cluster of the origin
    PRIMARY KEY (record_id, origin_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX imported_cluster ON imported (origin_id, cluster);

-- Records whose imported clusters have changed, and that are not clustered again yet.
CREATE TABLE unclustered (
    record_id INTEGER PRIMARY KEY REFERENCES record ON DELETE CASCADE
) STRICT;
";

const SOURCE_VERSIONS: &str = "
-- The changes of one source, so that those of others cost its readers nothing.
CREATE UNIQUE INDEX record_source_version ON record (source_id, version);
";

const PROVIDER: &str = "
-- The sets that the record was in and is not in any more; NULL if there is none.
ALTER TABLE record ADD COLUMN former_list_id INTEGER REFERENCES set_list;

-- The combinations of sets that records of a source have or have had.
CREATE TABLE source_set_list (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    set_list_id INTEGER NOT NULL REFERENCES set_list,
    PRIMARY KEY (source_id, set_list_id)
) STRICT, WITHOUT ROWID;
INSERT INTO source_set_list SELECT DISTINCT source_id, set_list_id FROM record;

-- What resumption tokens are made with; one row.
CREATE TABLE provider (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    store_id BLOB NOT NULL,           -- 16 random bytes
    signing_key BLOB NOT NULL         -- 32 random bytes
) STRICT;
INSERT INTO provider VALUES (1, randomblob(16), randomblob(32));
";

const SERVED: &str = "
-- What repositories call their sets.
CREATE TABLE set_name (
    source_id INTEGER NOT NULL REFERENCES source ON DELETE CASCADE,
    set_spec TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (source_id, set_spec)
) STRICT, WITHOUT ROWID;

-- Who harvests the OAI-PMH provider.
CREATE TABLE harvester (
    client TEXT PRIMARY KEY,          -- an address or its network; '' for all that are not told apart
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    items INTEGER NOT NULL,
    verbs TEXT NOT NULL,              -- JSON object: requests by verb
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    last_page TEXT                    -- JSON; the last page of a list
) STRICT, WITHOUT ROWID;

-- Lists of sets read this index alone.
DROP INDEX record_source_version;
CREATE INDEX record_source_version ON record (source_id, version, set_list_id, former_list_id);
";

const REVIEW: &str = "
-- The last report on duplicates: one row, or none.
CREATE TABLE review (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    drawn_at INTEGER NOT NULL,
    clusters INTEGER NOT NULL,        -- of two records or more
    clustered INTEGER NOT NULL,       -- records in them
    across_sources INTEGER NOT NULL   -- clusters with records of several sources
) STRICT;

-- Its largest clusters, by their preferred records.
CREATE TABLE review_cluster (
    record_id INTEGER PRIMARY KEY REFERENCES record ON DELETE CASCADE,
    size INTEGER NOT NULL
) STRICT;

-- The matches of each rule that joins records. The lower the rank, the stronger the rule.
CREATE TABLE review_rule (
    rank INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    links INTEGER NOT NULL
) STRICT;

-- A sample of these matches.
CREATE TABLE review_pair (
    id INTEGER PRIMARY KEY,
    rank INTEGER NOT NULL REFERENCES review_rule,
    a INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
    b INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
    is_right INTEGER,                 -- NULL until a person has judged it
    UNIQUE (a, b)
) STRICT;
CREATE INDEX review_pair_b ON review_pair (b);
";

/// Creates the tables of schema 9 in an empty file.
const NAMES: &str = "
ALTER TABLE rival RENAME TO other_state;
DROP INDEX rival_state;
CREATE INDEX other_state_standing ON other_state (source_id, state);
";

#[cfg(test)]
pub(super) fn create_schema_9(connection: &Connection) {
    for migration in &MIGRATIONS[..9] {
        connection.execute_batch(migration).unwrap();
    }
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .and_then(|()| connection.pragma_update(None, "user_version", 9))
        .unwrap();
}

const HEALTH: &str = "
-- Whether the repository refuses every request, and the last runs as bits, the newest is the lowest: 1 for a
-- failed run.
ALTER TABLE job ADD COLUMN is_refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN recent_failures INTEGER NOT NULL DEFAULT 0;
UPDATE job SET recent_failures = 1 WHERE failures > 0;

-- For when the first pass of a source began.
CREATE INDEX pass_start ON pass (source_id, started_at);
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_store_is_at_the_newest_schema() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, 0).unwrap();
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(version, NEWEST);
        migrate(&connection, NEWEST).unwrap();
    }

    #[test]
    fn the_job_of_a_source_is_its_harvest() {
        let connection = Connection::open_in_memory().unwrap();
        create_schema_9(&connection);
        for migration in &MIGRATIONS[9..11] {
            connection.execute_batch(migration).unwrap();
        }
        connection
            .execute_batch("INSERT INTO job (kind, name) VALUES ('pass', 'a'), ('push', 'a')")
            .unwrap();
        migrate(&connection, 11).unwrap();
        let kinds: String = connection
            .query_row(
                "SELECT group_concat(kind, ' ') FROM (SELECT kind FROM job ORDER BY kind)",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(kinds, "harvest push");
    }

    #[test]
    fn the_last_runs_of_an_older_store_become_jobs() {
        let connection = Connection::open_in_memory().unwrap();
        create_schema_9(&connection);
        connection.execute_batch(PLAIN_INDICES).unwrap();
        connection
            .execute_batch(
                "INSERT INTO source (id, name, base_url, metadata_prefix, sets, traits)
                 VALUES (1, 'a', '', '', '[]', '{\"reconciled_at\":7}'), (2, 'b', '', '', '[]', '{}');
                 INSERT INTO pass (source_id, kind, state, moves_watermark, started_at, ended_at, note)
                 VALUES (1, 'full', 'complete', 1, 1, 2, NULL), (1, 'full', 'open', 1, 3, 4, 'down'),
                    (2, 'full', 'open', 1, 5, NULL, NULL);
                 INSERT INTO output (name, definition, confirmed_at) VALUES ('v', '', 8);
                 INSERT INTO export (name, definition, last_error, error_at) VALUES ('e', '', 'full', 9);
                 INSERT INTO meta VALUES ('paused:b', 6);",
            )
            .unwrap();
        connection.execute_batch(JOBS).unwrap();
        let jobs: Vec<String> = connection
            .prepare(
                "SELECT kind || ' ' || name || ' ' || coalesce(outcome, '-') || ' ' ||
                    coalesce(ended_at, '-') || ' ' || coalesce(message, '-') || ' ' ||
                    coalesce(paused_at, '-')
                 FROM job ORDER BY kind, name",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            jobs,
            [
                "export e failed 9 full -",
                "harvest a failed 4 down -",
                "harvest b interrupted 5 - 6",
                "push v succeeded 8 - -",
                "reconcile a succeeded 7 - -",
                "reconcile b - - - 6",
            ]
        );
        let left: i64 = connection
            .query_row(
                "SELECT count(*) FROM meta WHERE key LIKE 'paused:%'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(left, 0);
    }

    /// A store of schema 9 with two sources.
    fn before_plain_indices() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        create_schema_9(&connection);
        connection
            .execute_batch(
                "INSERT INTO source (id, name, base_url, metadata_prefix, sets, live_records,
                    deleted_records) VALUES (1, 'a', 'https://a.org/oai', 'oai_dc', '[]', 3, 1),
                                            (2, 'b', 'https://b.org/oai', 'oai_dc', '[]', 1, 0);
                 INSERT INTO set_list VALUES (1, '');
                 UPDATE dedup SET state = 'current';",
            )
            .unwrap();
        connection
    }

    fn insert(connection: &Connection, records: &[(i64, i64, &str, i64, bool)]) {
        for record in records {
            connection
                .execute(
                    "INSERT INTO record (id, source_id, identifier, version, deleted, set_list_id,
                        content_hash, created_version, seen_pass)
                     VALUES (?1, ?2, ?3, ?4, ?5, 1, x'00', 1, 1)",
                    *record,
                )
                .unwrap();
        }
    }

    fn numbers(connection: &Connection, sql: &str) -> Vec<i64> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn of_records_with_one_identifier_the_newest_stays() {
        let connection = before_plain_indices();
        insert(
            &connection,
            &[
                (1, 1, "oai:1", 30, false),
                (2, 1, "oai:1", 10, true),
                (3, 1, "oai:2", 20, false),
                (4, 1, "oai:1", 40, false),
                (5, 2, "oai:1", 15, false),
            ],
        );
        connection
            .execute_batch(
                "INSERT INTO cluster VALUES (1, 1, 0), (2, 3, 0);
                 INSERT INTO cluster_member VALUES (1, 1, 0), (5, 1, 1), (3, 2, 0);
                 INSERT INTO cluster_redirect VALUES (3, 1, 1, 0);
                 INSERT INTO payload VALUES (1, 0, x'00', NULL);",
            )
            .unwrap();
        migrate(&connection, 9).unwrap();
        assert_eq!(
            numbers(&connection, "SELECT id FROM record ORDER BY id"),
            [3, 4, 5]
        );
        assert_eq!(
            numbers(&connection, "SELECT live_records FROM source ORDER BY id"),
            [2, 1]
        );
        assert_eq!(
            numbers(
                &connection,
                "SELECT deleted_records FROM source ORDER BY id"
            ),
            [0, 0]
        );
        assert_eq!(numbers(&connection, "SELECT id FROM cluster"), [2]);
        assert_eq!(
            numbers(&connection, "SELECT record_id FROM cluster_member"),
            [3]
        );
        assert_eq!(
            numbers(&connection, "SELECT count(*) FROM cluster_redirect"),
            [0]
        );
        assert_eq!(numbers(&connection, "SELECT count(*) FROM payload"), [0]);
        assert_eq!(numbers(&connection, "SELECT state = 'due' FROM dedup"), [1]);
    }

    #[test]
    fn clusters_stay_up_to_date_without_duplicates() {
        let connection = before_plain_indices();
        insert(
            &connection,
            &[(1, 1, "oai:1", 30, false), (2, 2, "oai:1", 10, false)],
        );
        migrate(&connection, 9).unwrap();
        assert_eq!(
            numbers(&connection, "SELECT id FROM record ORDER BY id"),
            [1, 2]
        );
        assert_eq!(
            numbers(&connection, "SELECT state = 'current' FROM dedup"),
            [1]
        );
        let twice = connection.execute(
            "INSERT INTO record SELECT 3, source_id, identifier, NULL, NULL, 1, 0, x'00', 50, 1, 1, NULL, NULL
             FROM record WHERE id = 1",
            [],
        );
        let code = twice.unwrap_err().sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::ConstraintViolation));
    }
}
