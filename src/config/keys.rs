//! The table of configuration keys.
//!
//! One row says everything about one key: its name, the tables that it may stand in, its type, its
//! default and what it means. Reading, checks, environment variables, `check-config`, the sample file
//! and `docs/configuration.md` all come from these rows.
//!
//! To add a key, add a row here and read it with [`Reader::get`](super::reader::Reader::get) where
//! [`build`](super::build) fills the setting. Then run the tests with `UPDATE_GENERATED=1`, which writes
//! the sample file and the documentation again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use croner::Cron;
use regex::Regex;
use url::Url;

use super::key::{Key, Reading, Row, Scope, Secrecy, keys};
use super::load::LogFormat;
use super::value::Value;
use super::values::{self as v, Pairs, Table};
use crate::dedup::rules::Versions;
use crate::harvest::Assumption;
use crate::http::Secret;
use crate::oai::{Datestamp, Granularity};
use crate::output::enrich::Part;
use crate::output::opensearch::settings::DocumentKind;
use crate::output::{Format, OutputType};
use crate::provider::ProviderFormat;
use crate::schedule::Hours;
use crate::store::Per;

/// Keys of single sources that `[defaults]` can give for all sources, and a group for its own.
const SOURCES: &[Scope] = &[Scope::Defaults, Scope::Group, Scope::Source];

/// Keys of everything that connects to a server.
const CLIENTS: &[Scope] = &[Scope::Defaults, Scope::Group, Scope::Source, Scope::Output];

/// Keys of everything that the daemon does by schedule.
const SCHEDULED: &[Scope] = &[
    Scope::Defaults,
    Scope::Group,
    Scope::Source,
    Scope::Output,
    Scope::Export,
];

/// Keys of everything that sends credentials.
const LOGINS: &[Scope] = &[Scope::Source, Scope::Output];

/// Keys of everything that reads from the store.
const READERS: &[Scope] = &[Scope::Output, Scope::Export, Scope::Oai];

/// Options of catalogue documents.
const DOCUMENTS: &[Scope] = &[Scope::Vufind, Scope::Output, Scope::Export, Scope::Source];

keys! {
    /// The database file.
    ///
    /// Without this key it is `$STATE_DIRECTORY/harvestd.db` in a systemd unit with StateDirectory=,
    /// /var/lib/harvestd/harvestd.db if the configuration is /etc/harvestd/harvestd.toml, and
    /// ~/.local/share/harvestd/harvestd.db otherwise (`$XDG_DATA_HOME` counts).
    STORE: PathBuf = "store" in [Scope::Top], v::PATH, example "\"/var/lib/harvestd/harvestd.db\"";

    /// Mail address or web page of the person who runs this harvester.
    ///
    /// It is part of the User-Agent, so that the staff of a repository can write to you before they
    /// block you. It must not contain "bot" or "spider": DOAJ and others refuse such requests.
    CONTACT: String = "contact" in [Scope::Top], v::CONTACT, example "\"library@example.org\"";

    /// Further files with [[source]] and [[group]] tables; `*` stands for any part of a file's name.
    ///
    /// The files of a pattern are read in the order of their names. A file that is missing is an error, a pattern
    /// that fits no file is none. `harvestd sources import` writes such files.
    INCLUDE: Vec<String> = "include" in [Scope::Top], v::TEXTS, default "[]",
        example "[\"sources.d/*.toml\"]";

    /// What is logged: error, warn, info, debug or trace.
    ///
    /// Parts of the program can have levels of their own: "info,harvestd::oai=debug". The options -q
    /// and -v override it.
    LOG: String = "log" in [Scope::Top], v::LOG_FILTER, example "\"info\"";

    /// The form of log lines: "text", or "json" for one object a line.
    LOG_FORMAT: LogFormat = "log_format" in [Scope::Top], v::LOG_FORMAT, default "\"text\"";

    /// Whether records that describe the same work are found and clustered.
    ///
    /// This happens while records are stored. It costs about 300 bytes a record. Storing takes a quarter
    /// more time for large records, and twice the time for small ones. If it was off for some time, run
    /// `harvestd dedup rebuild` once.
    DEDUP_ENABLED: bool = "enabled" in [Scope::Dedup], v::FLAG, default "false";

    /// The order of preference of the sources: whose record stands for a work.
    ///
    /// Without this key it is the order of the sources in this file. Sources that are not listed come
    /// last; among them the most complete record is preferred. A record that cannot be read for
    /// deduplication comes after all others.
    DEDUP_SOURCES: Vec<String> = "sources" in [Scope::Dedup], v::TEXTS,
        example "[\"doaj-articles\", \"doaj-journals\"]";

    /// Whether a preprint or working paper and the published text are one work: "together" or "apart".
    ///
    /// Together is what most catalogues want: one entry for the work, with all its versions. Apart is
    /// for those who count publications. An erratum, a thesis and a data set are always works of their
    /// own. After a change the clusters have to be rebuilt.
    DEDUP_VERSIONS: Versions = "versions" in [Scope::Dedup], v::VERSIONS, default "\"together\"";

    /// What the document of a work takes from its other records where the preferred one lacks it.
    ///
    /// Any of "abstract", "authors", "country", "doi", "issns", "journal", "keywords", "languages",
    /// "licences", "links", "place" (volume, issue and pages), "published", "publisher" and "subjects",
    /// or "all". Each part is taken whole, from the next preferred record that has it. It counts for
    /// outputs and exports with per = "cluster".
    DEDUP_ENRICH: Vec<Part> = "enrich" in [Scope::Dedup], v::PARTS, default "[]";

    /// The address of the status page, the metrics and the API.
    ///
    /// Everyone who can reach this address can read what is in the store.
    LISTEN: SocketAddr = "listen" in [Scope::Daemon], v::ADDRESS, default "\"127.0.0.1:8017\"";

    /// The names by which the status page and the API are called, as in the Host header of requests.
    ///
    /// If `listen` is an address of this machine alone, requests under other names are refused, apart
    /// from localhost and the machine's own addresses. A page of another site could otherwise give its
    /// name this address and read what is in the store. Write the name here under which a reverse proxy
    /// passes requests on. With this key it counts for any `listen`.
    HOSTS_ANSWERED: Vec<String> = "hosts" in [Scope::Daemon], v::HOST_NAMES, default "[]",
        example "[\"harvest.example.org\"]";

    /// The number of HTTP connections at the same time.
    ///
    /// If there are more, the one is closed that has waited longest for its client. Half of this number
    /// may wait for changes (`wait=` of the change feed), and a quarter for one client.
    MAX_CONNECTIONS: usize = "max_connections" in [Scope::Daemon], v::some_count(), default "128";

    /// Whether HTTP/2 without encryption is spoken besides HTTP/1.1.
    HTTP2: bool = "http2" in [Scope::Daemon], v::FLAG, default "false";

    /// The number of hosts that are harvested at the same time, also by `harvestd harvest`.
    ///
    /// Sources on the same host always take turns. A host that does not answer for ten seconds, or asked for
    /// a pause, does not count.
    MAX_HOSTS: usize = "max_hosts" in [Scope::Daemon], v::some_count(), default "64";

    /// `/metrics` has series for each source up to this number of sources; 0 for none.
    ///
    /// With more sources it has only their sums and how many are in each state.
    METRICS_PER_SOURCE: usize = "metrics_per_source" in [Scope::Daemon], v::count(), default "500";

    /// Ended passes are deleted after this number of days; 0 keeps them all.
    ///
    /// The newest ten passes of each source always stay.
    HISTORY_DAYS: u32 = "history_days" in [Scope::Daemon], v::count(), default "400", unit "days";

    /// Tombstones are deleted after this number of days; 0 keeps them all.
    ///
    /// A tombstone stays until every configured output and export has read it. A reader of the change
    /// feed that was away for longer must start again.
    TOMBSTONE_DAYS: u32 = "tombstone_days" in [Scope::Daemon], v::count(), default "0", unit "days";

    /// The time zone of the times on the pages, such as "Europe/Berlin".
    PAGES_TIME_ZONE: Tz = "time_zone" in [Scope::Daemon], v::TIME_ZONE, default "\"UTC\"";

    /// Whether the daemon keeps a search index beside the store.
    ///
    /// The status page and the API then find records by DOI, by words of their titles and by the end of
    /// their identifiers. The index is a file with the name of the store and ".search", about 110 bytes
    /// a record. Without it only whole identifiers are found.
    SEARCH: bool = "search" in [Scope::Daemon], v::FLAG, default "true";

    /// How long the current page may take when the service stops.
    ///
    /// After that the page is given up. The next start requests it again.
    GRACE: Duration = "grace" in [Scope::Daemon], v::DURATION, default "\"5s\"";

    /// A program that is run, without arguments, when a fault begins and when it is over.
    ///
    /// It finds HARVESTD_ALERT_SUBJECT, _NAME, _CONDITION, _STATE ("begun" or "over") and _MESSAGE in
    /// its environment, and everything as JSON in HARVESTD_ALERT.
    ALERT: PathBuf = "alert" in [Scope::Daemon], v::PATH, example "\"/etc/harvestd/alert\"";

    /// A URL to which the same JSON is posted.
    WEBHOOK: Secret = "webhook" in [Scope::Daemon], v::SECRET,
        example "\"https://chat.example.org/hooks/0123456789abcdef\"", secrecy Secrecy::Secret;

    /// The store's disk counts as nearly full when it has less free space.
    MIN_FREE_BYTES: u64 = "min_free_bytes" in [Scope::Daemon], v::SIZE, default "\"1 GiB\"";

    /// An output counts as behind when a change has waited for this long.
    BEHIND_AFTER: Duration = "behind_after" in [Scope::Daemon], v::TIMEOUT, default "\"24h\"";

    /// The token that requests need to run, pause or resume something.
    ///
    /// They send it as `Authorization: Bearer`. It has at least 16 characters. Without this key all such
    /// requests are refused.
    TOKEN: Secret = "token" in [Scope::Daemon], v::SECRET, example "\"0123456789abcdef\"",
        secrecy Secrecy::Secret;

    /// The metadata format to request.
    METADATA_PREFIX: String = "metadata_prefix" in SOURCES, v::PREFIX, default "\"oai_dc\"";

    /// The setSpecs of the sets to harvest, one after the other; none for the whole repository.
    SOURCE_SETS: Vec<String> = "sets" in SOURCES, v::TEXTS, default "[]";

    /// Only records with this datestamp or a later one: a day or an instant.
    FROM: Datestamp = "from" in SOURCES, v::LOWER_BOUND, example "\"2020-01-01\"";

    /// Only records with this datestamp or an earlier one: a day or an instant.
    UNTIL: Datestamp = "until" in SOURCES, v::UPPER_BOUND, example "\"2020-12-31T23:59:59Z\"";

    /// The precision of dates in requests, "day" or "second".
    ///
    /// Only for repositories that announce a wrong one.
    GRANULARITY: Granularity = "granularity" in SOURCES, v::GRANULARITY, example "\"day\"";

    /// What to assume of a repository, whatever it has shown: "trait=yes" or "trait=no".
    ///
    /// The traits are ignores_dates, ignores_sets, list_size_lies, decodes_tokens,
    /// wants_prefix_with_token and tokens_name_items, and cut_off_at=N for lists that end after N
    /// records. `harvestd status` shows the traits that were learnt.
    ASSUME: Vec<Assumption> = "assume" in SOURCES, v::ASSUMPTIONS, default "[]";

    /// How far before the watermark the next pass starts; with gaps, before the newest date that was read.
    ///
    /// For repositories that show a record later than its datestamp says. Records that are already in
    /// the store are recognised and cost only their transfer.
    OVERLAP: Duration = "overlap" in SOURCES, v::DURATION, default "\"48h\"";

    /// The pause between the end of one request and the start of the next.
    DELAY: Duration = "delay" in SOURCES, v::DURATION, default "\"1s\"";

    /// A list of more records is cut into spans of time that are harvested one by one.
    WINDOW_RECORDS: u64 = "window_records" in SOURCES, v::some_count(), default "50000";

    /// The number of attempts after a request has failed.
    RETRIES: u32 = "retries" in CLIENTS, v::count(), default "6";

    /// The pause before the first of these attempts. It doubles each time.
    RETRY_PAUSE: Duration = "retry_pause" in CLIENTS, v::TIMEOUT, default "\"2s\"";

    /// The longest pause that a repository can ask for (Retry-After) within a pass.
    ///
    /// If it asks for a longer one, the pass ends and continues later.
    MAX_WAIT: Duration = "max_wait" in SOURCES, v::DURATION, default "\"15m\"";

    /// The longest wait for the connection.
    SOURCE_CONNECT_TIMEOUT: Duration = "connect_timeout" in SOURCES, v::TIMEOUT, default "\"20s\"";

    /// The longest wait for the start of a response.
    FIRST_BYTE_TIMEOUT: Duration = "first_byte_timeout" in SOURCES, v::TIMEOUT, default "\"2m\"";

    /// The longest wait between two pieces of a response.
    IDLE_TIMEOUT: Duration = "idle_timeout" in SOURCES, v::TIMEOUT, default "\"1m\"";

    /// The longest wait for a whole response.
    SOURCE_TOTAL_TIMEOUT: Duration = "total_timeout" in SOURCES, v::TIMEOUT, default "\"15m\"";

    /// A response that is slower, measured after the first idle_timeout, is given up; 0 takes any.
    MIN_BYTES_PER_SECOND: u64 = "min_bytes_per_second" in SOURCES, v::SIZE, default "64",
        unit "bytes a second";

    /// The largest response, as transferred.
    MAX_BODY_BYTES: u64 = "max_body_bytes" in SOURCES, v::SOME_SIZE, default "\"256 MiB\"";

    /// The largest response, after decompression, and again as UTF-8.
    ///
    /// Reading and storing a response takes at most three times this. One response of more than 4 MiB is
    /// read at a time.
    MAX_INFLATED_BYTES: u64 = "max_inflated_bytes" in SOURCES, v::SOME_SIZE, default "\"96 MiB\"";

    /// The most records that the first run over a source may list.
    ///
    /// A run that lists more is held until a person confirms with `harvestd harvest SOURCE --confirm`.
    /// Later runs may list a twentieth of this, or ten times the records that the source has.
    MAX_RUN_RECORDS: u64 = "max_run_records" in SOURCES, v::some_count(), default "20000000";

    /// The most bytes that the first run over a source may receive, counted as max_run_records.
    MAX_RUN_BYTES: u64 = "max_run_bytes" in SOURCES, v::SOME_SIZE, default "\"200 GiB\"";

    /// The deepest nesting of elements in a response.
    MAX_DEPTH: usize = "max_depth" in SOURCES, v::some_count(), default "256", unit "levels";

    /// The largest number of records in one response.
    MAX_PAGE_RECORDS: usize = "max_page_records" in SOURCES, v::some_count(), default "200000";

    /// A PEM file with certificates to trust besides those of the system.
    CA_FILE: PathBuf = "ca_file" in CLIENTS, v::PATH, example "\"/etc/harvestd/ca.pem\"";

    /// A proxy: http, https, socks5 or socks5h, with user and password if it needs them.
    PROXY: Url = "proxy" in CLIENTS, v::PROXY_URL, example "\"http://proxy.example.org:3128\"",
        secrecy Secrecy::Login;

    /// When the daemon harvests, as a cron expression, or "never".
    ///
    /// The fields are minute, hour, day of the month, month and day of the week; a sixth field before
    /// them is seconds. One pass makes up for all that were missed. A source that was never harvested
    /// starts at once.
    SOURCE_SCHEDULE: Option<Cron> = "schedule" in SOURCES, v::CRON, default "\"0 3 * * *\"";

    /// The time zone of schedule and hours, such as "Europe/Berlin".
    TIME_ZONE: Tz = "time_zone" in SCHEDULED, v::TIME_ZONE, default "\"UTC\"";

    /// Passes start up to this long after the time of the schedule.
    ///
    /// The delay of a source is always the same. It keeps harvesters with the same schedule from
    /// meeting at a repository at the same moment.
    SPREAD: Duration = "spread" in SOURCES, v::DURATION, default "\"1h\"";

    /// The hours of the day in which this may run.
    ///
    /// A pass that is still running at the end of these hours continues when they begin again.
    HOURS: Hours = "hours" in SCHEDULED, v::HOURS, default "\"0-24\"", example "\"0-6,20-24\"";

    /// When the daemon looks for records that have disappeared without a tombstone, or "never".
    ///
    /// A cron expression: "0 4 3 * *" is 4:00 on the 3rd of each month. It lists the whole source, as
    /// `harvestd reconcile` does. Only repositories that do not keep tombstones need it; `harvestd
    /// identify` shows whether yours does.
    RECONCILE: Option<Cron> = "reconcile" in SOURCES, v::CRON, default "\"never\"";

    /// If more percent of the live records have disappeared, none is deleted until a person confirms it.
    RECONCILE_MAX_PERCENT: u8 = "reconcile_max_percent" in SOURCES, v::PERCENT, default "5",
        unit "percent";

    /// The name: letters, digits, "-", "_" and ".". The store knows this table by it, so keep it.
    NAME: String = "name" in [Scope::Source, Scope::Group, Scope::Output, Scope::Export], v::NAME,
        example "\"doaj-articles\"", required true;

    /// The group of sources that it belongs to: the name of a [[group]], whose values then hold for it.
    GROUP: String = "group" in [Scope::Source], v::NAME, example "\"germany\"";

    /// The base URL, without verb and arguments.
    URL: Url = "url" in [Scope::Source], v::BASE_URL, example "\"https://doaj.org/oai.article\"",
        required true;

    /// DOAJ's premium key, sent as the argument api_key of each request.
    ///
    /// Without it DOAJ shows a change 30 days later.
    API_KEY: Secret = "api_key" in [Scope::Source], v::SECRET, example "\"0123456789abcdef\"",
        secrecy Secrecy::Secret;

    /// The user for HTTP basic authentication; password belongs to it.
    USER: String = "user" in LOGINS, v::USER, example "\"library\"";

    /// The password of this user.
    PASSWORD: Secret = "password" in LOGINS, v::SECRET, example "\"secret\"",
        secrecy Secrecy::Secret;

    /// A token, sent as `Authorization: Bearer`.
    BEARER: Secret = "bearer" in LOGINS, v::SECRET, example "\"0123456789abcdef\"",
        secrecy Secrecy::Secret;

    /// Further headers; a value can be in a file or credential too.
    ///
    /// In the environment: lines of "Name: value".
    HEADERS: () = "headers" in LOGINS, v::HEADERS,
        example "{ X-Client = \"library\", X-Token = { file = \"/etc/harvestd/token\" } }",
        secrecy Secrecy::Hidden;

    /// The field institution; empty for none.
    INSTITUTION: String = "institution" in DOCUMENTS, v::TEXT_OR_EMPTY, default "\"\"";

    /// The field collection; empty for none.
    ///
    /// Without it, records of DOAJ have "DOAJ" and others have no such field.
    COLLECTION: String = "collection" in DOCUMENTS, v::TEXT_OR_EMPTY, example "\"DOAJ\"";

    /// The field record_format, by which VuFind chooses how to show a record.
    ///
    /// Without it, records of DOAJ have "Article" and others have their metadataPrefix. VuFind shows both
    /// from the fields of the document.
    RECORD_FORMAT: String = "record_format" in DOCUMENTS, v::TEXT, example "\"Article\"";

    /// The field format for types of records, where your catalogue has other words than VuFind.
    ///
    /// The types are article, book, chapter, thesis, conference paper, report, preprint, dataset, image,
    /// audio, video, map, software, journal and other.
    FORMAT_NAMES: Pairs = "format_names" in DOCUMENTS, v::FORMAT_NAMES,
        default "{}", example "{ thesis = \"Dissertation\", other = \"Online\" }";

    /// How identifiers become document ids: the first text here that an identifier begins with is
    /// replaced.
    ID_REWRITES: Pairs = "id_rewrites" in DOCUMENTS, v::PAIRS,
        default "{ \"oai:doaj.org/article:\" = \"doaj-art-\" }";

    /// A text before every document id, after the replacement.
    ID_PREFIX: String = "id_prefix" in DOCUMENTS, v::TEXT_OR_EMPTY, default "\"\"";

    /// A file with the names of languages, in lines of "code = name".
    ///
    /// VuFind's own files have this form. Without it, MARC's codes have their English names.
    LANGUAGE_MAP: PathBuf = "language_map" in DOCUMENTS, v::PATH,
        example "\"language_map.properties\"";

    /// Whether codes of ISO 639-1 and 639-3 ("en", "deu") get names too.
    ///
    /// VuFind's own import leaves these codes as they are.
    ANY_LANGUAGE_CODE: bool = "any_language_code" in DOCUMENTS, v::FLAG, default "false";

    /// Whether documents have first_indexed and last_indexed.
    ///
    /// These are the times at which the record came into the store and at which it last changed.
    TRACK_CHANGES: bool = "track_changes" in DOCUMENTS, v::FLAG, default "false";

    /// A regular expression: of work keys only what it matches is kept.
    WORK_KEY_INCLUDE: Regex = "work_key_include" in DOCUMENTS, v::REGEX, example "\"[0-9A-Za-z]+\"";

    /// A regular expression: what it matches is then deleted from work keys.
    WORK_KEY_EXCLUDE: Regex = "work_key_exclude" in DOCUMENTS, v::REGEX, example "\"[.]\"";

    /// Fields that every document gets: a text or a list of texts for each.
    EXTRA_FIELDS: Table = "extra_fields" in DOCUMENTS, v::FIELDS, default "{}";

    /// Fields that are written under another name, such as { series = "container_title" }.
    RENAME_FIELDS: Pairs = "rename_fields" in DOCUMENTS, v::FIELD_NAMES, default "{}";

    /// The type of the output: "solr", "opensearch" or "delta".
    ///
    /// "solr" is for VuFind's documents in a Solr core or collection, "opensearch" for an index of OpenSearch
    /// or Elasticsearch 8, "delta" for a Delta Lake table in a folder or on object storage.
    OUTPUT_TYPE: OutputType = "type" in [Scope::Output], v::OUTPUT_TYPE, example "\"solr\"", required true;

    /// Addresses of the core or collection, or of nodes of the cluster. Of several, each is tried in turn.
    ///
    /// Types "solr" and "opensearch" need them. The address of a node of OpenSearch has no index in it, such as "http://localhost:9200".
    OUTPUT_URLS: Vec<Url> = "urls" in [Scope::Output], v::CORE_URLS,
        example "[\"http://localhost:8983/solr/biblio\"]";

    /// The folder of the table, for type "delta".
    ///
    /// It begins with file://, s3://, az://, abfss:// or gs://. The first push creates the table.
    TABLE_URL: Url = "url" in [Scope::Output], v::TABLE_URL,
        example "\"s3://library/records\"";

    /// The address of the storage, for type "delta", if it is not the one of the cloud itself.
    ///
    /// Such as "http://localhost:9000" for MinIO.
    ENDPOINT: Url = "endpoint" in [Scope::Output], v::HTTP_URL, example "\"https://s3.example.org\"";

    /// The region of the bucket, for type "delta".
    REGION: String = "region" in [Scope::Output], v::TEXT, example "\"eu-central-1\"";

    /// Whether the endpoint has the bucket in its host name, for type "delta". If not, the bucket is in the path.
    VIRTUAL_HOSTED: bool = "virtual_hosted" in [Scope::Output], v::FLAG, default "false";

    /// The id of the access key, for type "delta"; with az:// the name of the storage account.
    ///
    /// Without it, credentials come from the environment (AWS_ACCESS_KEY_ID and so on), or from the machine
    /// in the cloud.
    ACCESS_KEY_ID: String = "access_key_id" in [Scope::Output], v::TEXT, example "\"harvestd\"";

    /// The secret access key, for type "delta"; with az:// the account key, with gs:// the service account as
    /// JSON.
    SECRET_ACCESS_KEY: Secret = "secret_access_key" in [Scope::Output], v::SECRET,
        example "\"0123456789abcdef\"", secrecy Secrecy::Secret;

    /// The index, for type "opensearch": an alias of one index, or an index.
    ///
    /// If there is none, the first push creates an index with "-1" after this name, and this name as its
    /// alias.
    INDEX: String = "index" in [Scope::Output], v::INDEX, example "\"records\"";

    /// What a document is, for type "opensearch": "resource" or "vufind".
    ///
    /// "resource" is the record's data and its resource, as in a line of the format jsonl. "vufind" is the
    /// document that an output of type "solr" sends.
    DOCUMENT: DocumentKind = "document" in [Scope::Output], v::DOCUMENT, default "\"resource\"";

    /// An API key, sent as `Authorization: ApiKey`, for type "opensearch".
    ///
    /// It is the encoded form, which Elasticsearch gives beside id and key.
    OUTPUT_API_KEY: Secret = "api_key" in [Scope::Output], v::SECRET, example "\"0123456789abcdef\"",
        secrecy Secrecy::Secret;

    /// The file to write.
    ///
    /// In its name, {version} is the version up to which the file is complete, and {time} is the time at
    /// which it was begun, such as 20251125T120000Z. The file is written beside its place and gets its
    /// name when it is complete.
    EXPORT_PATH: PathBuf = "path" in [Scope::Export], v::PATH,
        example "\"/srv/harvestd/{time}.jsonl\"", required true;

    /// The format, as for `harvestd export --format`.
    FORMAT: Format = "format" in [Scope::Export], v::FORMAT, default "\"jsonl\"";

    /// Whether a file of format csv begins with a byte order mark, by which Excel recognises UTF-8.
    BOM: bool = "bom" in [Scope::Export], v::FLAG, default "false";

    /// The sources whose records are sent. With neither sources nor sets, it is all sources.
    READER_SOURCES: Vec<String> = "sources" in READERS, v::TEXTS, default "[]";

    /// For further sources, the sets whose records are sent, as setSpecs.
    ///
    /// What is below a set belongs to it. A record that leaves these sets is deleted from the output.
    /// These are the sets that records name in their headers. In the environment: lines of "source =
    /// setSpec setSpec".
    READER_SETS: Table = "sets" in READERS, v::SETS,
        default "{}", example "{ doaj-journals = [\"TENDOk1lZGljaW5l\", \"TENDOlNjaWVuY2U~\"] }";

    /// What one document is: "record", or "cluster" for the preferred record of each work.
    ///
    /// When another record takes its place, the old document is deleted. "cluster" needs enabled = true
    /// under [dedup].
    PER: Per = "per" in READERS, v::PER, default "\"record\"";

    /// Whether a file has only the changes since the previous file, with deletions.
    ///
    /// Without changes no file is written. Otherwise a file has everything, and is not written again
    /// while it would be the same.
    SINCE_PREVIOUS: bool = "since_previous" in [Scope::Export], v::FLAG, default "false";

    /// The largest number of documents and deletions in one request.
    BATCH_DOCUMENTS: usize = "batch_documents" in [Scope::Output], v::some_count(), default "500";

    /// A request is sent earlier when it reaches this size.
    BATCH_BYTES: u64 = "batch_bytes" in [Scope::Output], v::SOME_SIZE, default "\"8 MiB\"";

    /// The number of requests that are sent at the same time, from 1 to 16.
    ///
    /// One request keeps one processor of the index busy.
    PARALLEL_REQUESTS: usize = "parallel_requests" in [Scope::Output], v::PARALLEL_REQUESTS,
        default "2";

    /// How soon searches show a change, for type "solr"; "none" leaves that to the index's own autoCommit.
    COMMIT_WITHIN: Option<Duration> = "commit_within" in [Scope::Output], v::COMMIT_WITHIN,
        default "\"60s\"";

    /// The longest wait for the connection.
    OUTPUT_CONNECT_TIMEOUT: Duration = "connect_timeout" in [Scope::Output], v::TIMEOUT,
        default "\"10s\"";

    /// The longest wait for a whole response.
    OUTPUT_TOTAL_TIMEOUT: Duration = "total_timeout" in [Scope::Output], v::TIMEOUT,
        default "\"5m\"";

    /// A field that every document gets, for type "solr", with the version of the record in the store.
    ///
    /// It must be a single-valued text field. `harvestd audit` then finds every document that is out of
    /// date. VuFind's schema takes any name that ends in _str.
    VERSION_FIELD: String = "version_field" in [Scope::Output], v::TEXT,
        example "\"harvestd_version_str\"";

    /// Which documents of the index are ours, as a query in Lucene's syntax, for `harvestd audit`.
    ///
    /// Without it: the documents whose ids begin with id_prefix or with what id_rewrites puts there.
    AUDIT_FILTER: String = "audit_filter" in [Scope::Output], v::TEXT,
        example "\"collection:DOAJ\"";

    /// The stored fields that `harvestd audit` compares when there is no version_field, for type "solr".
    ///
    /// A change in other fields is not noticed. Each field makes the audit slower.
    COMPARE_FIELDS: Vec<String> = "compare_fields" in [Scope::Output], v::TEXTS,
        default "[\"title_full\", \"author\", \"publishDate\", \"url\"]";

    /// Whether the daemon pushes after each pass that has changed something.
    OUTPUT_AFTER_PASS: bool = "after_pass" in [Scope::Output], v::FLAG, default "true";

    /// When else the daemon pushes, as a cron expression, or "never".
    ///
    /// This also sends what a long pass has stored so far. While the index cannot be reached, the
    /// pauses between attempts grow up to half an hour.
    OUTPUT_SCHEDULE: Option<Cron> = "schedule" in [Scope::Output], v::CRON,
        default "\"0 * * * *\"";

    /// Whether the daemon writes the file after each pass that has changed something.
    EXPORT_AFTER_PASS: bool = "after_pass" in [Scope::Export], v::FLAG, default "false";

    /// When else the daemon writes the file, as a cron expression, or "never".
    ///
    /// One run makes up for all that were missed.
    EXPORT_SCHEDULE: Option<Cron> = "schedule" in [Scope::Export], v::CRON,
        default "\"0 5 * * *\"";

    /// Whether the daemon serves the store as an OAI-PMH repository.
    ///
    /// Everyone who can reach its address can then harvest what is served. docs/provider.md says how
    /// harvesters see the store.
    OAI_ENABLED: bool = "enabled" in [Scope::Oai], v::FLAG, default "false";

    /// The path of the base URL.
    OAI_PATH: String = "path" in [Scope::Oai], v::URL_PATH, default "\"/oai\"";

    /// An address of its own, with nothing else there, so that the status page can stay private.
    ///
    /// Without this key it is the address of the status page.
    OAI_LISTEN: SocketAddr = "listen" in [Scope::Oai], v::ADDRESS, example "\"0.0.0.0:8018\"";

    /// The base URL that Identify names, if a reverse proxy passes requests on.
    ///
    /// Without this key it is the URL that a request was sent to.
    OAI_BASE_URL: Url = "base_url" in [Scope::Oai], v::BASE_URL,
        example "\"https://harvest.example.org/oai\"";

    /// The name of the repository.
    OAI_NAME: String = "repository_name" in [Scope::Oai], v::TEXT, default "\"harvestd\"";

    /// The mail addresses of the people who run the repository.
    ///
    /// Without this key it is `contact`, if that is a mail address.
    OAI_EMAIL: Vec<String> = "admin_email" in [Scope::Oai], v::MAIL_ADDRESSES, default "[]",
        example "[\"library@example.org\"]";

    /// The number of records on a page of a list, from 100 to 1,000.
    ///
    /// A page with large records ends sooner.
    OAI_PAGE_SIZE: usize = "page_size" in [Scope::Oai], v::OAI_PAGE_SIZE, default "200";

    /// The metadata formats: "oai_dc", which must be there, "marcxml", and "native".
    ///
    /// "native" is the metadata as it was received, under the metadata_prefix of its source.
    OAI_FORMATS: Vec<ProviderFormat> = "formats" in [Scope::Oai], v::OAI_FORMATS,
        default "[\"oai_dc\", \"marcxml\", \"native\"]";

    /// The second part of identifiers that harvestd makes, as a domain name.
    ///
    /// Records keep their identifiers. Only if the store has the identifier from another source already,
    /// a record gets a new one: "oai:NAMESPACE:SOURCE:IDENTIFIER". A later change of this key changes
    /// these identifiers.
    OAI_NAMESPACE: String = "identifier_namespace" in [Scope::Oai], v::DOMAIN,
        default "\"harvestd.invalid\"", example "\"harvest.example.org\"";
}
