//! From tables as written to the checked settings of sources, outputs, exports and the daemon.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use url::Url;

use super::daemon::DaemonSettings;
use super::file::{Table, Tables};
use super::key::{Scope, nearest};
use super::keys;
use super::reader::{Context, Findings, Reader};
use super::secrets;
use super::values::{self, Table as Lists};

use crate::harvest::settings::SourceSettings;
use crate::http::{ClientSettings, Credentials, Limits, Secret, Timeouts};
use crate::oai::parse::PageLimits;
use crate::output::delta::settings::DeltaSettings;
#[cfg(not(feature = "delta"))]
use crate::output::delta::settings::NOT_BUILT;
use crate::output::enrich::Part;
use crate::output::export::settings::{ExportSettings, check_path};
use crate::output::opensearch::VERSION_FIELD;
use crate::output::opensearch::settings::{DocumentKind, OpenSearchSettings};
use crate::output::solr::settings::SolrSettings;
use crate::output::vufind::strings::WorkKeyRules;
use crate::output::vufind::{DocumentOptions, LanguageMap, Options};
use crate::output::{OutputKind, OutputSettings, OutputType};
use crate::provider::ProviderSettings;
use crate::schedule::{Schedule, SourceSchedule};
use crate::store::{ChangeFilter, Clustering, Per};

/// All tables of a configuration, and where faults go.
pub(crate) struct Builder<'a> {
    /// What all tables have in common.
    pub(crate) context: &'a Context<'a>,
    /// The tables, the environment's values in place.
    pub(crate) tables: &'a Tables,
    /// Where faults go.
    pub(crate) findings: &'a mut Findings,
}

impl<'a> Builder<'a> {
    /// A reader of one table and of the tables that it shares keys with.
    pub(crate) fn reader(&mut self, tables: Vec<&'a Table>) -> Reader<'_> {
        Reader::new(self.context, tables, self.findings)
    }

    /// A reader of a table that there is only one of.
    pub(crate) fn single(&mut self, scope: Scope) -> Reader<'_> {
        let table = self.tables.one(scope);
        self.reader(vec![table])
    }

    /// The settings of every source, in the order of the file.
    ///
    /// One with a fault may be missing; then the fault is among the findings.
    pub(crate) fn sources(&mut self, contact: Option<&str>) -> Vec<SourceSettings> {
        let tables = self.tables;
        let groups = groups(tables);
        let mut found = Vec::new();
        for table in tables.all(Scope::Source) {
            let group = table.text("group");
            if let Some(name) = group.filter(|name| !groups.contains_key(name)) {
                let hint = match nearest(name, groups.keys().copied()) {
                    Some(meant) => format!("; did you mean {meant}?"),
                    None => String::new(),
                };
                let message = format!("no [[group]] is called {name:?}{hint}");
                self.reader(vec![table]).problem("group", message);
            }
            let group = group.and_then(|name| groups.get(name).copied());
            found.extend(source(
                self.reader(of_source(tables, table, group)),
                contact,
            ));
        }
        found
    }

    /// How records are clustered, and what documents of works take from other records.
    pub(crate) fn dedup(&mut self) -> (Clustering, Vec<Part>) {
        let names = self.tables.names(Scope::Source);
        let known: HashSet<&str> = names.iter().copied().collect();
        let mut reader = self.single(Scope::Dedup);
        let order = reader.get(&keys::DEDUP_SOURCES);
        for name in order.iter().flatten() {
            // It may be in the store from earlier times, so this is no error.
            if let Err(message) = check_source(name, &known) {
                reader.warn("sources", message);
            }
        }
        let clustering = Clustering {
            enabled: reader.get(&keys::DEDUP_ENABLED),
            versions: reader.get(&keys::DEDUP_VERSIONS),
            sources: order.unwrap_or_else(|| names.iter().map(|name| name.to_string()).collect()),
        };
        (clustering, reader.get(&keys::DEDUP_ENRICH))
    }

    /// The settings of the daemon.
    pub(crate) fn daemon(
        &mut self,
        contact: Option<&str>,
        clustering: &Clustering,
    ) -> DaemonSettings {
        let oai = self.oai(contact, clustering);
        let mut reader = self.single(Scope::Daemon);
        let webhook = secrets::secret(&mut reader, &keys::WEBHOOK);
        if let Some(url) = &webhook
            && let Err(message) = values::webhook_url(url.expose())
        {
            let given = reader.given(&keys::WEBHOOK.row);
            let key = given.first().map_or("webhook", String::as_str);
            reader.problem(key, message);
        }
        let listen = reader.get(&keys::LISTEN);
        if !listen.ip().is_loopback() {
            let message = format!(
                "{listen} can be reached from other machines, without encryption; everyone there \
                 can read what is in the store"
            );
            reader.warn("listen", message);
        }
        DaemonSettings {
            listen,
            hosts: reader.get(&keys::HOSTS_ANSWERED),
            max_connections: reader.get(&keys::MAX_CONNECTIONS),
            http2: reader.get(&keys::HTTP2),
            max_hosts: reader.get(&keys::MAX_HOSTS),
            metrics_per_source: reader.get(&keys::METRICS_PER_SOURCE),
            history_days: reader.get(&keys::HISTORY_DAYS),
            tombstone_days: reader.get(&keys::TOMBSTONE_DAYS),
            search: reader.get(&keys::SEARCH),
            time_zone: reader.get(&keys::PAGES_TIME_ZONE),
            grace: reader.get(&keys::GRACE),
            alert: reader.path(&keys::ALERT),
            webhook,
            min_free_bytes: reader.get(&keys::MIN_FREE_BYTES),
            behind_after: reader.get(&keys::BEHIND_AFTER),
            oai,
            token: token(&mut reader),
        }
    }

    /// The settings of the OAI-PMH provider; `None` if it is off.
    fn oai(&mut self, contact: Option<&str>, clustering: &Clustering) -> Option<ProviderSettings> {
        let forgets_deletions = self.single(Scope::Daemon).get(&keys::TOMBSTONE_DAYS) > 0;
        let table = self.tables.one(Scope::Oai);
        if !self.reader(vec![table]).get(&keys::OAI_ENABLED) {
            return None;
        }
        let selection = self.selection(table, clustering, &[]);
        let filter = ChangeFilter {
            sources: selection.sources,
            sets: selection.sets,
            per: selection.per,
            ..ChangeFilter::default()
        };
        let daemon = self.single(Scope::Daemon).get(&keys::LISTEN);
        let mut reader = self.single(Scope::Oai);
        let mut admin_emails = reader.get(&keys::OAI_EMAIL);
        if admin_emails.is_empty() {
            let contact = contact.filter(|contact| values::is_mail_address(contact));
            admin_emails.extend(contact.map(str::to_owned));
        }
        if admin_emails.is_empty() {
            let message = "is missing: Identify must name a mail address, here or as contact at the \
                           top of the file";
            reader.problem("admin_email", message);
        }
        let listen = reader.get(&keys::OAI_LISTEN);
        if listen.is_some_and(|listen| listen == daemon && listen.port() != 0) {
            let message =
                "is the address of the status page; leave this key out to serve both there";
            reader.problem("listen", message);
        }
        Some(ProviderSettings {
            listen,
            path: reader.get(&keys::OAI_PATH),
            repository_name: reader.get(&keys::OAI_NAME),
            admin_emails,
            base_url: reader.get(&keys::OAI_BASE_URL).map(String::from),
            page_size: reader.get(&keys::OAI_PAGE_SIZE),
            formats: reader.get(&keys::OAI_FORMATS),
            filter,
            identifier_namespace: reader.get(&keys::OAI_NAMESPACE),
            forgets_deletions,
        })
    }

    /// The options of catalogue documents for what belongs to no output.
    pub(crate) fn documents(&mut self) -> DocumentOptions {
        self.documents_of(None, &self.tables.names(Scope::Source))
    }

    /// The options of the documents of these sources in one output or export: those of the source
    /// itself win over those of the output, and these over `[vufind]`.
    fn documents_of(&mut self, own: Option<&'a Table>, sources: &[&str]) -> DocumentOptions {
        let tables = self.tables;
        let mut general = vec![tables.one(Scope::Vufind)];
        if let Some(own) = own {
            general.insert(0, own);
        }
        let default = options(&mut self.reader(general.clone()));
        let mut by_source = BTreeMap::new();
        let sources: HashSet<&str> = sources.iter().copied().collect();
        for table in tables.all(Scope::Source) {
            let Some(name) = table.text("name").filter(|name| sources.contains(*name)) else {
                continue;
            };
            let specific = [vec![table], general.clone()].concat();
            let options = options(&mut self.reader(specific));
            if options != default {
                by_source.insert(name.to_owned(), options);
            }
        }
        DocumentOptions { default, by_source }
    }

    /// The settings of every output, in the order of the file.
    pub(crate) fn outputs(
        &mut self,
        clustering: &Clustering,
        enrich: &[Part],
    ) -> Vec<OutputSettings> {
        let outputs = self.tables.all(Scope::Output);
        outputs
            .filter_map(|table| self.output(table, clustering, enrich))
            .collect()
    }

    fn output(
        &mut self,
        table: &'a Table,
        clustering: &Clustering,
        enrich: &[Part],
    ) -> Option<OutputSettings> {
        let selection = self.selection(table, clustering, enrich);
        let documents = self.documents_of(Some(table), &selection.names());
        let mut reader = self.reader(vec![table]);
        let kind = match reader.get(&keys::OUTPUT_TYPE)? {
            OutputType::Solr => OutputKind::Solr(Box::new(solr_settings(&mut reader, documents)?)),
            OutputType::OpenSearch => {
                let settings = opensearch_settings(&mut reader, documents)?;
                OutputKind::OpenSearch(Box::new(settings))
            }
            OutputType::Delta => {
                if selection.per == Per::Cluster {
                    let message = "must be \"record\" for outputs of type \"delta\", which have the \
                                   cluster of every record";
                    reader.problem("per", message);
                }
                OutputKind::Delta(Box::new(delta_settings(&mut reader)?))
            }
        };
        Some(OutputSettings {
            name: reader.get(&keys::NAME)?,
            is_rebuild: false,
            sources: selection.sources,
            sets: selection.sets,
            per: selection.per,
            enrich: selection.enrich,
            parallel_requests: reader.get(&keys::PARALLEL_REQUESTS),
            batch_documents: reader.get(&keys::BATCH_DOCUMENTS),
            batch_bytes: reader.get(&keys::BATCH_BYTES),
            retries: reader.get(&keys::RETRIES),
            retry_pause: reader.get(&keys::RETRY_PAUSE),
            schedule: Schedule {
                after_pass: reader.get(&keys::OUTPUT_AFTER_PASS),
                ticks: reader.get(&keys::OUTPUT_SCHEDULE),
                time_zone: reader.get(&keys::TIME_ZONE),
                hours: reader.get(&keys::HOURS),
                spread: Duration::ZERO,
            },
            kind,
        })
    }

    /// The settings of every export, in the order of the file.
    pub(crate) fn exports(
        &mut self,
        clustering: &Clustering,
        enrich: &[Part],
    ) -> Vec<ExportSettings> {
        let mut found: Vec<ExportSettings> = Vec::new();
        for table in self.tables.all(Scope::Export) {
            let Some(settings) = self.export(table, clustering, enrich) else {
                continue;
            };
            if let Some(other) = found.iter().find(|other| other.path == settings.path) {
                let message = format!("is the path of the export {} too", other.name);
                self.reader(vec![table]).problem("path", message);
            }
            found.push(settings);
        }
        found
    }

    fn export(
        &mut self,
        table: &'a Table,
        clustering: &Clustering,
        enrich: &[Part],
    ) -> Option<ExportSettings> {
        let selection = self.selection(table, clustering, enrich);
        let documents = self.documents_of(Some(table), &selection.names());
        let mut reader = self.reader(vec![table]);
        let since_previous = reader.get(&keys::SINCE_PREVIOUS);
        let path = reader.path(&keys::EXPORT_PATH)?;
        if let Err(message) = check_path(&path, since_previous) {
            reader.problem("path", message);
        }
        Some(ExportSettings {
            name: reader.get(&keys::NAME)?,
            path,
            format: reader.get(&keys::FORMAT),
            bom: reader.get(&keys::BOM),
            per: selection.per,
            enrich: selection.enrich,
            sources: selection.sources,
            sets: selection.sets,
            since_previous,
            documents,
            schedule: Schedule {
                after_pass: reader.get(&keys::EXPORT_AFTER_PASS),
                ticks: reader.get(&keys::EXPORT_SCHEDULE),
                time_zone: reader.get(&keys::TIME_ZONE),
                hours: reader.get(&keys::HOURS),
                spread: Duration::ZERO,
            },
        })
    }

    /// Which records an output or export has.
    fn selection(
        &mut self,
        table: &'a Table,
        clustering: &Clustering,
        enrich: &[Part],
    ) -> Selection<'a> {
        let names = self.tables.names(Scope::Source);
        let known: HashSet<&str> = names.iter().copied().collect();
        let mut reader = self.reader(vec![table]);
        let sources = reader.get(&keys::READER_SOURCES);
        for name in &sources {
            if let Err(message) = check_source(name, &known) {
                reader.problem("sources", message);
            }
        }
        let sets: Lists = reader.get(&keys::READER_SETS);
        for (name, _) in &sets {
            if sources.contains(name) {
                let message =
                    format!("{name} stands in sources too, which takes all of its records");
                reader.problem("sets", message);
            } else if let Err(message) = check_source(name, &known) {
                reader.problem("sets", message);
            }
        }
        let per = reader.get(&keys::PER);
        if per == Per::Cluster && !clustering.enabled {
            reader.problem("per", "\"cluster\" needs enabled = true under [dedup]");
        }
        Selection {
            known: names,
            sources,
            sets: sets.into_iter().collect(),
            per,
            enrich: match per {
                Per::Record => Vec::new(),
                Per::Cluster => enrich.to_vec(),
            },
        }
    }
}

/// The groups by their names.
pub(crate) fn groups(tables: &Tables) -> HashMap<&str, &Table> {
    let groups = tables.all(Scope::Group);
    groups
        .filter_map(|table| Some((table.text("name")?, table)))
        .collect()
}

/// The tables that give the keys of a source, the most specific one first.
pub(crate) fn of_source<'t>(
    tables: &'t Tables,
    source: &'t Table,
    group: Option<&'t Table>,
) -> Vec<&'t Table> {
    let defaults = tables.one(Scope::Defaults);
    [Some(source), group, Some(defaults)]
        .into_iter()
        .flatten()
        .collect()
}

/// Which records an output or export has.
struct Selection<'a> {
    /// All configured sources.
    known: Vec<&'a str>,
    sources: Vec<String>,
    sets: BTreeMap<String, Vec<String>>,
    per: Per,
    enrich: Vec<Part>,
}

impl Selection<'_> {
    /// The sources whose records it has.
    fn names(&self) -> Vec<&str> {
        let is_all = self.sources.is_empty() && self.sets.is_empty();
        let sources: HashSet<&str> = self.sources.iter().map(String::as_str).collect();
        let chosen =
            |name: &&str| is_all || sources.contains(name) || self.sets.contains_key(*name);
        self.known.iter().copied().filter(chosen).collect()
    }
}

fn check_source(name: &str, known: &HashSet<&str>) -> Result<(), String> {
    if known.contains(name) {
        return Ok(());
    }
    Err(match nearest(name, known.iter().copied()) {
        Some(meant) => format!("no source {name:?} is configured; did you mean {meant}?"),
        None => format!("no source {name:?} is configured"),
    })
}

/// The settings of one source; `None` if something that it needs is missing or wrong.
pub(crate) fn source(mut reader: Reader<'_>, contact: Option<&str>) -> Option<SourceSettings> {
    let api_key = secrets::secret(&mut reader, &keys::API_KEY);
    let credentials = secrets::credentials(&mut reader, api_key);
    let url = reader.get(&keys::URL);
    reader.warn_of_unencrypted(url.as_slice());
    let (from, until) = (reader.get(&keys::FROM), reader.get(&keys::UNTIL));
    if let (Some(from), Some(until)) = (from, until)
        && from > until
    {
        reader.problem("from", format!("{from} is after until, which is {until}"));
    }
    let client = ClientSettings {
        url: url?,
        credentials,
        contact: contact.map(str::to_owned),
        timeouts: Timeouts {
            connect: reader.get(&keys::SOURCE_CONNECT_TIMEOUT),
            first_byte: reader.get(&keys::FIRST_BYTE_TIMEOUT),
            idle: reader.get(&keys::IDLE_TIMEOUT),
            total: reader.get(&keys::SOURCE_TOTAL_TIMEOUT),
        },
        limits: Limits {
            body_bytes: reader.get(&keys::MAX_BODY_BYTES),
            inflated_bytes: reader.get(&keys::MAX_INFLATED_BYTES),
            bytes_per_second: reader.get(&keys::MIN_BYTES_PER_SECOND),
        },
        ca_file: reader.path(&keys::CA_FILE),
        proxy: reader.get(&keys::PROXY),
    };
    let pass = Schedule {
        ticks: reader.get(&keys::SOURCE_SCHEDULE),
        time_zone: reader.get(&keys::TIME_ZONE),
        spread: reader.get(&keys::SPREAD),
        hours: reader.get(&keys::HOURS),
        after_pass: false,
    };
    Some(SourceSettings {
        name: reader.get(&keys::NAME)?,
        client,
        metadata_prefix: reader.get(&keys::METADATA_PREFIX),
        sets: reader.get(&keys::SOURCE_SETS),
        from,
        until,
        granularity: reader.get(&keys::GRANULARITY),
        assume: reader.get(&keys::ASSUME),
        overlap: reader.get(&keys::OVERLAP),
        delay: reader.get(&keys::DELAY),
        window_records: reader.get(&keys::WINDOW_RECORDS),
        retries: reader.get(&keys::RETRIES),
        retry_pause: reader.get(&keys::RETRY_PAUSE),
        max_wait: reader.get(&keys::MAX_WAIT),
        max_run_records: reader.get(&keys::MAX_RUN_RECORDS),
        max_run_bytes: reader.get(&keys::MAX_RUN_BYTES),
        page_limits: PageLimits {
            depth: reader.get(&keys::MAX_DEPTH),
            records: reader.get(&keys::MAX_PAGE_RECORDS),
            bytes: reader.get(&keys::MAX_INFLATED_BYTES),
        },
        schedule: SourceSchedule {
            reconcile: Schedule {
                ticks: reader.get(&keys::RECONCILE),
                ..pass.clone()
            },
            pass,
            reconcile_max_percent: reader.get(&keys::RECONCILE_MAX_PERCENT),
        },
        // The tables of the daemon decide.
        reads_set_names: false,
        known_as: None,
    })
}

/// What only an output of type `solr` has.
fn solr_settings(reader: &mut Reader<'_>, documents: DocumentOptions) -> Option<SolrSettings> {
    refuse_keys(
        reader,
        OutputType::Solr,
        &[
            "index",
            "document",
            "api_key",
            "api_key_file",
            "api_key_credential",
        ],
    );
    refuse_keys(reader, OutputType::Solr, &TABLE_KEYS);
    let credentials = secrets::credentials(reader, None);
    let (urls, client) = index_client(reader, credentials)?;
    Some(SolrSettings {
        urls,
        client,
        commit_within: reader.get(&keys::COMMIT_WITHIN),
        version_field: reader.get(&keys::VERSION_FIELD),
        audit_filter: reader.get(&keys::AUDIT_FILTER),
        compare_fields: reader.get(&keys::COMPARE_FIELDS),
        documents,
    })
}

/// What only an output of type `opensearch` has.
fn opensearch_settings(
    reader: &mut Reader<'_>,
    documents: DocumentOptions,
) -> Option<OpenSearchSettings> {
    refuse_keys(
        reader,
        OutputType::OpenSearch,
        &["commit_within", "version_field", "compare_fields"],
    );
    refuse_keys(reader, OutputType::OpenSearch, &TABLE_KEYS);
    let api_key = secrets::secret(reader, &keys::OUTPUT_API_KEY);
    let credentials = secrets::with_api_key(reader, api_key);
    let client = index_client(reader, credentials);
    let Some(index) = reader.get(&keys::INDEX) else {
        if reader.entry("index").is_none() {
            reader.problem(
                "index",
                "is missing; outputs of type \"opensearch\" need it",
            );
        }
        return None;
    };
    let document = reader.get(&keys::DOCUMENT);
    let has_version = |options: &Options| {
        let mut names = options.extra_fields.iter().map(|(name, _)| name);
        let mut renamed = options.rename_fields.iter().map(|(_, to)| to);
        names.any(|name| name == VERSION_FIELD) || renamed.any(|name| name == VERSION_FIELD)
    };
    if document == DocumentKind::Vufind && documents.all().any(has_version) {
        reader.problem(
            "document",
            format!(
                "documents have the record's version in the field {VERSION_FIELD}; use another name"
            ),
        );
    }
    let (urls, client) = client?;
    Some(OpenSearchSettings {
        urls,
        index,
        is_beside: false,
        client,
        document,
        audit_filter: reader.get(&keys::AUDIT_FILTER),
        documents,
    })
}

/// Keys that only outputs of type `delta` have.
const TABLE_KEYS: [&str; 8] = [
    "url",
    "endpoint",
    "region",
    "virtual_hosted",
    "access_key_id",
    "secret_access_key",
    "secret_access_key_file",
    "secret_access_key_credential",
];

/// What only an output of type `delta` has.
fn delta_settings(reader: &mut Reader<'_>) -> Option<DeltaSettings> {
    refuse_keys(
        reader,
        OutputType::Delta,
        &[
            "urls",
            "index",
            "document",
            "api_key",
            "api_key_file",
            "api_key_credential",
            "user",
            "password",
            "password_file",
            "password_credential",
            "bearer",
            "bearer_file",
            "bearer_credential",
            "headers",
            "commit_within",
            "version_field",
            "audit_filter",
            "compare_fields",
            "parallel_requests",
        ],
    );
    #[cfg(not(feature = "delta"))]
    reader.problem("type", NOT_BUILT);
    let secret_access_key = secrets::secret(reader, &keys::SECRET_ACCESS_KEY);
    let endpoint = reader.get(&keys::ENDPOINT);
    reader.warn_of_unencrypted(endpoint.as_slice());
    let url = reader.get(&keys::TABLE_URL);
    if reader.entry("url").is_none() {
        reader.problem("url", "is missing; outputs of type \"delta\" need it");
    }
    let url = url?;
    let client = ClientSettings {
        timeouts: Timeouts {
            connect: reader.get(&keys::OUTPUT_CONNECT_TIMEOUT),
            total: reader.get(&keys::OUTPUT_TOTAL_TIMEOUT),
            ..Timeouts::default()
        },
        ca_file: reader.path(&keys::CA_FILE),
        proxy: reader.get(&keys::PROXY),
        ..ClientSettings::new(endpoint.clone().unwrap_or_else(|| url.clone()))
    };
    let settings = DeltaSettings {
        url,
        endpoint,
        region: reader.get(&keys::REGION),
        virtual_hosted: reader.get(&keys::VIRTUAL_HOSTED),
        access_key_id: reader.get(&keys::ACCESS_KEY_ID),
        secret_access_key,
        client,
    };
    if settings.url.scheme() == "file" {
        for name in &TABLE_KEYS[1..] {
            if reader.entry(name).is_some() {
                reader.problem(name, "is for object storage; a folder needs no such key");
            }
        }
    }
    Some(settings)
}

/// Where an index is, and how to connect to it.
fn index_client(
    reader: &mut Reader<'_>,
    credentials: Credentials,
) -> Option<(Vec<Url>, ClientSettings)> {
    let urls = reader.get(&keys::OUTPUT_URLS);
    if reader.entry("urls").is_none() {
        reader.problem("urls", "is missing");
    }
    reader.warn_of_unencrypted(urls.as_deref().unwrap_or_default());
    let urls = urls?;
    let client = ClientSettings {
        credentials,
        timeouts: Timeouts {
            connect: reader.get(&keys::OUTPUT_CONNECT_TIMEOUT),
            total: reader.get(&keys::OUTPUT_TOTAL_TIMEOUT),
            ..Timeouts::default()
        },
        ca_file: reader.path(&keys::CA_FILE),
        proxy: reader.get(&keys::PROXY),
        ..ClientSettings::new(urls.first()?.clone())
    };
    Some((urls, client))
}

/// Notes keys that outputs of this type do not have.
fn refuse_keys(reader: &mut Reader<'_>, kind: OutputType, names: &[&str]) {
    for name in names {
        if reader.entry(name).is_some() {
            let message = format!("outputs of type {:?} do not have this key", kind.name());
            reader.problem(name, message);
        }
    }
}

/// The shortest token, in characters.
const MIN_TOKEN: usize = 16;

/// The token of the daemon. A short one can be guessed.
fn token(reader: &mut Reader<'_>) -> Option<Secret> {
    let token = secrets::secret(reader, &keys::TOKEN)?;
    if token.expose().chars().count() < MIN_TOKEN {
        let key = reader.given(&keys::TOKEN.row).into_iter().next();
        reader.problem(
            key.as_deref().unwrap_or("token"),
            format!(
                "must have at least {MIN_TOKEN} characters, so that nobody guesses it; \
                 openssl rand -hex 16 prints one"
            ),
        );
    }
    Some(token)
}

/// The options of catalogue documents; a language map is read from its file.
fn options(reader: &mut Reader<'_>) -> Options {
    let mut languages = LanguageMap::default();
    if let Some(path) = reader.path(&keys::LANGUAGE_MAP) {
        match LanguageMap::read(&path) {
            Ok(read) => languages = read,
            Err(message) => reader.problem("language_map", message),
        }
    }
    languages.any_standard = reader.get(&keys::ANY_LANGUAGE_CODE);
    Options {
        institution: reader.get(&keys::INSTITUTION),
        collection: reader.get(&keys::COLLECTION),
        id_rewrites: reader.get(&keys::ID_REWRITES),
        id_prefix: reader.get(&keys::ID_PREFIX),
        record_format: reader.get(&keys::RECORD_FORMAT),
        format_names: reader.get(&keys::FORMAT_NAMES),
        languages,
        work_keys: WorkKeyRules {
            include: reader.get(&keys::WORK_KEY_INCLUDE),
            exclude: reader.get(&keys::WORK_KEY_EXCLUDE),
        },
        extra_fields: reader.get(&keys::EXTRA_FIELDS),
        rename_fields: reader.get(&keys::RENAME_FIELDS),
        track_changes: reader.get(&keys::TRACK_CHANGES),
    }
}
