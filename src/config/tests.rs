//! Whole files and environments: what they are checked into, or exactly what is said of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::harvest::settings::SourceSettings;
use crate::http::{ClientSettings, Secret};
use crate::oai::Granularity;
use crate::output::opensearch::settings::{DocumentKind, OpenSearchSettings};
use crate::output::solr::settings::SolrSettings;
use crate::output::{OutputKind, OutputSettings};
use crate::schedule::SourceSchedule;
use crate::store::Per;

/// The smallest right source, for the cases to add to.
const SOURCE: &str = "[[source]]\nname = 'a'\nurl = 'https://a.org/oai'\n";

type Variables<'a> = &'a [(&'a str, &'a str)];

/// A directory for the files of one case.
struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, private).unwrap();
        }
        path
    }

    fn load(&self, file: &str, variables: Variables<'_>) -> Result<Config, ConfigError> {
        self.load_with(file, variables, Secrets::Required)
    }

    fn load_with(
        &self,
        file: &str,
        variables: Variables<'_>,
        secrets: Secrets,
    ) -> Result<Config, ConfigError> {
        let overrides = Overrides {
            config: Some(self.write("c.toml", file)),
            store: Some("/store.db".into()),
            ..Overrides::default()
        };
        load(&overrides, &environment(variables), secrets)
    }

    /// The error's lines without the directory.
    fn error(&self, file: &str, variables: Variables<'_>) -> String {
        self.shown(self.load(file, variables).unwrap_err())
    }

    fn shown(&self, text: impl ToString) -> String {
        let directory = format!("{}/", self.directory.path().display());
        text.to_string().replace(&directory, "")
    }
}

fn environment(variables: Variables<'_>) -> Environment {
    Environment::new(
        variables
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    )
}

fn built_in() -> SourceSettings {
    let client = ClientSettings::new("https://a.org/oai".parse().unwrap());
    SourceSettings::new("a", client, "oai_dc")
}

#[test]
fn a_small_source_has_all_defaults() {
    let config = Case::new().load(SOURCE, &[]).unwrap();
    assert_eq!(config.sources, [built_in()]);
    assert_eq!(config.warnings, []);
}

/// Layers below the configuration have defaults of their own, for those who use them without one.
#[test]
fn defaults_of_the_table_are_those_of_the_settings() {
    let config = Case::new().load(OUTPUT, &[]).unwrap();
    let url = "https://s.org/solr/biblio".parse().unwrap();
    let solr = OutputKind::Solr(Box::new(SolrSettings::new(url)));
    assert_eq!(config.outputs, [OutputSettings::new("v", solr)]);
    assert_eq!(config.sources[0].schedule, SourceSchedule::default());
    assert_eq!(config.documents, Default::default());
}

#[test]
fn every_key_reaches_its_setting() {
    let case = Case::new();
    let config = case
        .load(
            "store = 'data/h.db'
             contact = 'mail@library.org'
             log = 'harvestd=debug'
             log_format = 'json'
             [[source]]
             name = 'a'
             url = 'https://a.org/oai?x=1'
             metadata_prefix = 'oai_doaj'
             sets = ['s1', 's2:t']
             from = 2020-01-01
             until = '2020-12-31'
             granularity = 'day'
             overlap = '3d'
             delay = '250ms'
             window_records = 1000
             retries = 0
             retry_pause = '1s'
             max_wait = '1h'
             connect_timeout = '1s'
             first_byte_timeout = '2s'
             idle_timeout = '3s'
             total_timeout = '4s'
             min_bytes_per_second = 0
             max_body_bytes = '1 MiB'
             max_inflated_bytes = 2000
             max_depth = 9
             max_page_records = 8
             max_run_records = 7
             max_run_bytes = '1 KiB'
             ca_file = 'ca.pem'
             proxy = 'socks5://me:hush@proxy:1080'
             api_key = 'k'
             user = 'u'
             password = 'p'
             headers = { X-A = 'b' }",
            &[],
        )
        .unwrap();
    let mut expected = built_in();
    expected.metadata_prefix = "oai_doaj".into();
    expected.sets = vec!["s1".into(), "s2:t".into()];
    expected.from = crate::oai::Datestamp::parse("2020-01-01T00:00:00Z").map(|(d, _)| d);
    expected.until = crate::oai::Datestamp::parse("2020-12-31T23:59:59Z").map(|(d, _)| d);
    expected.granularity = Some(Granularity::Day);
    expected.overlap = Duration::from_secs(3 * 86_400);
    expected.delay = Duration::from_millis(250);
    expected.window_records = 1000;
    expected.retries = 0;
    expected.retry_pause = Duration::from_secs(1);
    expected.max_wait = Duration::from_secs(3600);
    expected.page_limits.depth = 9;
    expected.page_limits.records = 8;
    expected.page_limits.bytes = 2000;
    expected.max_run_records = 7;
    expected.max_run_bytes = 1 << 10;
    let client = &mut expected.client;
    client.url = "https://a.org/oai?x=1".parse().unwrap();
    client.contact = Some("mail@library.org".into());
    client.timeouts.connect = Duration::from_secs(1);
    client.timeouts.first_byte = Duration::from_secs(2);
    client.timeouts.idle = Duration::from_secs(3);
    client.timeouts.total = Duration::from_secs(4);
    client.limits.bytes_per_second = 0;
    client.limits.body_bytes = 1 << 20;
    client.limits.inflated_bytes = 2000;
    client.ca_file = Some(case.directory.path().join("ca.pem"));
    client.proxy = Some("socks5://me:hush@proxy:1080".parse().unwrap());
    client.credentials.api_key = Some(Secret::new("k"));
    client.credentials.basic = Some(("u".into(), Secret::new("p")));
    client.credentials.headers = vec![("X-A".into(), Secret::new("b"))];
    assert_eq!(config.sources, [expected]);
    assert_eq!(
        config.store,
        Path::new("/store.db"),
        "the command line wins"
    );
    assert_eq!(config.log.as_deref(), Some("harvestd=debug"));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn faults_are_told_exactly() {
    let cases = [
        (
            "no keys",
            "[[source]]\n",
            "c.toml:1:1: name: is missing\nc.toml:1:1: url: is missing",
        ),
        (
            "all at once",
            "contact = 'nobody'\n[defaults]\ndelay = 5\n[[source]]\nname = 'a b'\nurl = 'ftp://x/'\n\
             max_depth = 0\nretries = -1\nlog = 'info'\n",
            "c.toml:1:11: contact: \"nobody\" is neither a mail address nor a URL in ASCII\n\
             c.toml:3:9: delay: 5 has no unit; write a number and a unit, such as \
             \"250ms\", \"1s\", \"48h\" or \"2d\"\n\
             c.toml:5:8: source a b: name: \"a b\" must start with a letter or digit and have only \
             ASCII letters, digits, '-', '_' and '.'\n\
             c.toml:6:7: source a b: url: scheme \"ftp\" is not one of http, https\n\
             c.toml:7:13: source a b: max_depth: must be at least 1\n\
             c.toml:8:11: source a b: retries: -1 is less than 0\n\
             c.toml:9:1: source a b: log: belongs at the top of the file, before the first table",
        ),
        (
            "same name",
            "[[source]]\nname = 'a'\nurl = 'https://a.org/'\n[[source]]\nname = 'a'\nurl = \
             'https://b.org/'\n",
            "c.toml:5:8: source a: name: the source at c.toml:1:1 has this name already",
        ),
        (
            "empty prefix",
            "[[source]]\nname = 'a'\nurl = 'https://a.org/'\nmetadata_prefix = ' '\n",
            "c.toml:4:19: source a: metadata_prefix: must not be empty",
        ),
        (
            "from after until",
            "[[source]]\nname = 'a'\nurl = 'https://a.org/'\nfrom = '2021-01-01'\nuntil = \
             '2020-12-31'\n",
            "c.toml:4:8: source a: from: 2021-01-01T00:00:00Z is after until, which is \
             2020-12-31T23:59:59Z",
        ),
        (
            "contact that looks like a robot's",
            "contact = 'abbott@a.org'\n",
            "c.toml:1:11: contact: it contains \"bot\" or \"spider\", and DOAJ and other servers refuse \
             such a User-Agent: use another address",
        ),
        (
            "key of another table",
            "[[export]]\nname = 'e'\npath = 'e.jsonl'\nurl = 'https://a.org/'\nrenames = {}\n",
            "c.toml:4:1: export e: url: belongs in [[source]] or in [[output]]\n\
             c.toml:5:1: export e: renames: is now called rename_fields",
        ),
        (
            "retries too large",
            "[[source]]\nname = 'a'\nurl = 'https://a.org/'\nretries = 5000000000\n",
            "c.toml:4:11: source a: retries: 5000000000 is too large",
        ),
        (
            "log filter",
            "log = 'harvestd=loud'\n",
            "c.toml:1:7: log: \"harvestd=loud\" is not a log filter; write a level (error, warn, info, \
             debug, trace or off), or parts with levels, such as \"info,harvestd::oai=debug\"",
        ),
        (
            "log filter that the library panics over",
            "log = 'a\u{2013}=\u{2013}'\n",
            "c.toml:1:7: log: \"a\u{2013}=\u{2013}\" is not a log filter: it has other letters than those of ASCII",
        ),
        (
            "log format",
            "log_format = 'xml'\n",
            "c.toml:1:14: log_format: \"xml\" is neither \"text\" nor \"json\"",
        ),
    ];
    for (name, file, expected) in cases {
        assert_eq!(Case::new().error(file, &[]), expected, "{name}");
    }
}

#[test]
fn faulty_credentials_are_told_and_never_shown() {
    let cases = [
        (
            "twice",
            "api_key = 'hush'\napi_key_file = 'hush.txt'",
            "c.toml:5:16: source a: api_key_file: api_key gives the same secret; keep one of them",
        ),
        (
            "number",
            "api_key = 12345",
            "c.toml:4:11: source a: api_key: must be a text in quotes, not a number",
        ),
        (
            "empty",
            "api_key = ''",
            "c.toml:4:11: source a: api_key: must not be empty",
        ),
        (
            "two lines",
            "bearer = \"hush\\nhush\"\nuser = \"a\\nb\"",
            "c.toml:4:10: source a: bearer: must be one line without control characters\n\
             c.toml:4:10: source a: bearer: only one of user, bearer and a header Authorization can \
             be sent\n\
             c.toml:5:8: source a: user: must not contain control characters\n\
             c.toml:5:8: source a: user: needs a password beside it",
        ),
        (
            "user alone",
            "user = 'me'",
            "c.toml:4:8: source a: user: needs a password beside it",
        ),
        (
            "password alone",
            "password = 'hush'",
            "c.toml:4:12: source a: password: needs a user beside it",
        ),
        (
            "colon",
            "user = 'me:hush'\npassword = 'hush'",
            "c.toml:4:8: source a: user: must not contain a colon, which would end it (RFC 7617)",
        ),
        (
            "no such file",
            "api_key_file = 'none.txt'",
            "c.toml:4:16: source a: api_key_file: cannot read the secret in none.txt: No such file \
             or directory (os error 2)",
        ),
        (
            "no credentials",
            "api_key_credential = 'doaj'",
            "c.toml:4:22: source a: api_key_credential: no credential doaj: $CREDENTIALS_DIRECTORY \
             is not set, as it is in a systemd unit with LoadCredential=doaj:...",
        ),
        (
            "headers",
            "headers = { 'X Y' = 'hush', Host = 'hush', X-A = 1, x-a = { file = 'f', credential = \
             'c' } }",
            "c.toml:4:21: source a: headers.X Y: is not the name of a header\n\
             c.toml:4:36: source a: headers.Host: is set by harvestd itself\n\
             c.toml:4:50: source a: headers.X-A: must be a text, { file = \"...\" } or { credential \
             = \"...\" }\n\
             c.toml:4:59: source a: headers.x-a: must hold either file or credential and nothing \
             else",
        ),
    ];
    for (name, keys, expected) in cases {
        let shown = Case::new().error(&format!("{SOURCE}{keys}\n"), &[]);
        assert_eq!(shown, expected, "{name}");
        assert!(!shown.replace("hush.txt", "").contains("hush"), "{name}");
    }
}

#[test]
fn secrets_come_from_three_places_and_never_show() {
    let case = Case::new();
    case.write("key.txt", "hush-file\n");
    case.write("doaj", "hush-credential\n");
    let credentials = case.directory.path().to_str().unwrap().to_owned();
    let cases: [(&str, &str, Variables<'_>, &str); 5] = [
        ("written", "api_key = 'hush-written'", &[], "hush-written"),
        ("file", "api_key_file = 'key.txt'", &[], "hush-file"),
        (
            "credential",
            "api_key_credential = 'doaj'",
            &[("CREDENTIALS_DIRECTORY", &credentials)],
            "hush-credential",
        ),
        (
            "variable",
            "",
            &[("HARVESTD_SOURCE_A_API_KEY", "hush-env")],
            "hush-env",
        ),
        (
            "variable over file",
            "api_key_file = 'none'",
            &[("HARVESTD_SOURCE_A_API_KEY", "hush-env")],
            "hush-env",
        ),
    ];
    for (name, keys, variables, expected) in cases {
        let config = case.load(&format!("{SOURCE}{keys}\n"), variables).unwrap();
        let key = config.sources[0].client.credentials.api_key.as_ref();
        assert_eq!(key.map(Secret::expose), Some(expected), "{name}");
        let shown = format!("{config:?} {config:#?}");
        assert!(!shown.contains("hush"), "{name}: {shown}");
    }
    let keys = "headers = { X-A = 'hush', X-B = { file = 'key.txt' } }\nbearer = 'hush'\nproxy = \
                'http://me:hush@p/'";
    let config = case.load(&format!("{SOURCE}{keys}\n"), &[]).unwrap();
    let headers: Vec<_> = config.sources[0]
        .client
        .credentials
        .headers
        .iter()
        .collect();
    assert_eq!(headers[1].1.expose(), "hush-file");
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn unreadable_secrets_stop_only_those_who_need_them() {
    let case = Case::new();
    let file = format!("{SOURCE}api_key_credential = 'doaj'\n");
    assert!(case.load_with(&file, &[], Secrets::Required).is_err());
    let reported = case.load_with(&file, &[], Secrets::Reported).unwrap();
    assert_eq!(reported.warnings.len(), 1);
    let unread = case.load_with(&file, &[], Secrets::Unread).unwrap();
    assert_eq!(unread.warnings, []);
}

#[test]
fn the_environment_overrides_the_file() {
    let case = Case::new();
    let file = format!(
        "contact = 'file@a.org'\n[defaults]\ndelay = '5s'\nretries = 1\n{SOURCE}delay = '4s'\n"
    );
    let config = case
        .load(
            &file,
            &[
                ("HARVESTD_CONTACT", "env@a.org"),
                ("HARVESTD_SOURCE_A_DELAY", "3s"),
                ("HARVESTD_SOURCE_A_SETS", "s1 s2"),
                ("HARVESTD_SOURCE_A_MAX_DEPTH", "7"),
                ("HARVESTD_SOURCE_A_HEADERS", "X-A: b: c\nX-B: d"),
            ],
        )
        .unwrap();
    let source = &config.sources[0];
    assert_eq!(config.contact.as_deref(), Some("env@a.org"));
    assert_eq!(source.client.contact.as_deref(), Some("env@a.org"));
    assert_eq!(source.delay, Duration::from_secs(3));
    assert_eq!(source.retries, 1);
    assert_eq!(source.sets, ["s1", "s2"]);
    assert_eq!(source.page_limits.depth, 7);
    let headers = &source.client.credentials.headers;
    assert_eq!(headers[0], ("X-A".to_owned(), Secret::new("b: c")));
    assert_eq!(headers[1], ("X-B".to_owned(), Secret::new("d")));

    let error = case.error(
        &file,
        &[
            ("HARVESTD_SOURCE_A_DELAY", "soon"),
            ("HARVESTD_SOURCE_A_DEALY", "1s"),
        ],
    );
    assert_eq!(
        error,
        "environment variable HARVESTD_SOURCE_A_DEALY: a source has no key dealy; did you mean \
         HARVESTD_SOURCE_A_DELAY?\n\
         environment variable HARVESTD_SOURCE_A_DELAY: source a: delay: \"soon\" is not a length of \
         time; write a number and a unit, such as \"250ms\", \"1s\", \"48h\" or \"2d\""
    );
}

#[test]
fn warnings_do_not_stop() {
    let cases = [
        (
            "secret without encryption",
            SOURCE.replace("https", "http") + "api_key = 'hush'\n",
            "c.toml:4:11: source a: api_key: is sent without encryption, since the URL is http; use \
             https if there is one",
        ),
        (
            "address that others can reach",
            "[daemon]\nlisten = '0.0.0.0:80'\n".to_owned(),
            "c.toml:2:10: listen: 0.0.0.0:80 can be reached from other machines, without encryption; \
             everyone there can read what is in the store",
        ),
    ];
    for (name, file, expected) in cases {
        let case = Case::new();
        let config = case.load(&file, &[]).unwrap();
        let shown: Vec<String> = config.warnings.iter().map(|w| case.shown(w)).collect();
        assert_eq!(shown, [expected], "{name}");
    }
    let loopback = SOURCE.replace("https://a.org", "http://127.0.0.1:8080") + "api_key = 'k'\n";
    assert_eq!(Case::new().load(&loopback, &[]).unwrap().warnings, []);
}

#[cfg(unix)]
#[test]
fn written_secrets_in_an_open_file_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new();
    let file = "[daemon]\nwebhook = 'https://hush.org/'\ntoken_file = 'f'\n[[source]]\nname = 'a'\n\
                url = 'https://a.org/oai'\napi_key = 'hush'\nheaders = { X-A = 'hush' }\n\
                proxy = 'http://me:hush@p/'\n[[output]]\nname = 'v'\ntype = 'solr'\n\
                urls = ['https://s.org/b']\nheaders = { X-A = { file = 'g' } }\n\
                proxy = 'http://p/'\nbearer = 'hush'\n";
    let path = case.write("open.toml", file);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let overrides = Overrides {
        config: Some(path),
        store: Some("/store.db".into()),
        ..Overrides::default()
    };
    let config = load(&overrides, &environment(&[]), Secrets::Unread).unwrap();
    let shown: Vec<String> = config.warnings.iter().map(|w| case.shown(w)).collect();
    let places = [
        "2:11: webhook",
        "7:11: source a: api_key",
        "8:11: source a: headers",
        "9:9: source a: proxy",
        "16:10: output v: bearer",
    ];
    let told = "every user of this machine can read this file; to change that: chmod o-r";
    assert_eq!(
        shown,
        places.map(|place| format!("open.toml:{place}: {told}"))
    );
}

#[test]
fn files_are_found_by_environment() {
    let case = Case::new();
    let home = case.directory.path();
    let variables = |extra: &[(&str, &str)]| {
        let home = home.to_str().unwrap();
        let mut all = vec![("HOME", home), ("XDG_CONFIG_HOME", home)];
        all.extend(extra);
        environment(&all)
    };
    let none = Overrides::default();
    std::fs::create_dir(home.join("harvestd")).unwrap();
    case.write(
        "harvestd/harvestd.toml",
        &format!("store = 'h.db'\n{SOURCE}"),
    );
    let config = load(&none, &variables(&[]), Secrets::Required).unwrap();
    assert_eq!(config.file, Some(home.join("harvestd/harvestd.toml")));
    assert_eq!(config.store, home.join("harvestd/h.db"), "beside its file");

    let other = case.write("other.toml", "");
    let set = [
        ("HARVESTD_CONFIG", other.to_str().unwrap()),
        ("HARVESTD_STORE", "h.db"),
    ];
    let config = load(&none, &variables(&set), Secrets::Required).unwrap();
    assert_eq!(config.file.as_deref(), Some(other.as_path()));
    assert_eq!(
        config.store,
        Path::new("h.db"),
        "from the working directory"
    );

    let missing = Overrides {
        config: Some(home.join("missing.toml")),
        store: None,
        ..Overrides::default()
    };
    let error = load(&missing, &variables(&[]), Secrets::Required).unwrap_err();
    assert_eq!(
        case.shown(error),
        "cannot read the configuration missing.toml: No such file or directory (os error 2)"
    );
}

#[test]
fn a_source_is_found_by_name() {
    let config = Case::new()
        .load(&SOURCE.replace("'a'", "'doaj-articles'"), &[])
        .unwrap();
    assert_eq!(
        config.source("doaj-articles").unwrap().name,
        "doaj-articles"
    );
    assert_eq!(
        config.source("doaj-article").unwrap_err().to_string(),
        "command line: no source \"doaj-article\" is configured; did you mean doaj-articles?"
    );
    assert_eq!(
        config.source("x").unwrap_err().to_string(),
        "command line: no source \"x\" is configured; there is doaj-articles"
    );
}

const OUTPUT: &str = "[[source]]\nname = 'a'\nurl = 'https://a.org/oai'\n[[output]]\nname = 'v'\n\
                      type = 'solr'\nurls = ['https://s.org/solr/biblio/']\n";

fn solr(output: &OutputSettings) -> &SolrSettings {
    match &output.kind {
        OutputKind::Solr(solr) => solr,
        other => panic!("not Solr: {other:?}"),
    }
}

#[test]
fn an_output_to_opensearch_has_its_keys() {
    let case = Case::new();
    case.write("key", "c2VjcmV0\n");
    let text = "[[output]]\nname = 'o'\ntype = 'opensearch'\nurls = ['http://localhost:9200/', \
                'http://127.0.0.1:9201']\nindex = 'records'\n";
    let keys = "document = 'vufind'\naudit_filter = 'source:a'\napi_key_file = 'key'\nid_prefix = 'p.'\n\
                total_timeout = '2s'\n";
    let config = case.load(&format!("{text}{keys}"), &[]).unwrap();
    let OutputKind::OpenSearch(index) = &config.outputs[0].kind else {
        panic!("not OpenSearch: {config:?}");
    };
    let urls: Vec<&str> = index.urls.iter().map(url::Url::as_str).collect();
    assert_eq!(urls, ["http://localhost:9200/", "http://127.0.0.1:9201/"]);
    assert_eq!(index.index, "records");
    assert_eq!(index.document, DocumentKind::Vufind);
    assert_eq!(index.audit_filter.as_deref(), Some("source:a"));
    assert_eq!(index.client.timeouts.total, Duration::from_secs(2));
    assert_eq!(index.documents.default.id_prefix, "p.");
    let (name, value) = &index.client.credentials.headers[0];
    assert_eq!(
        (name.as_str(), value.expose()),
        ("authorization", "ApiKey c2VjcmV0")
    );
    let defaults = case.load(text, &[]).unwrap();
    let url = "http://localhost:9200/".parse().unwrap();
    let mut expected = OpenSearchSettings::new(url, "records");
    expected
        .urls
        .push("http://127.0.0.1:9201/".parse().unwrap());
    let expected = OutputKind::OpenSearch(Box::new(expected));
    assert_eq!(defaults.outputs, [OutputSettings::new("o", expected)]);
    let cases = [
        (
            "commit_within = '1s'",
            "commit_within: outputs of type \"opensearch\" do not have this key",
        ),
        (
            "user = 'u'\npassword = 'p'\napi_key = 'k'",
            "api_key: only one of api_key, user, bearer",
        ),
        (
            "document = 'marc'",
            "document: \"marc\" is not a kind of document",
        ),
        (
            "document = 'vufind'\nextra_fields = { version = '1' }",
            "document: documents have the record's",
        ),
    ];
    for (keys, expected) in cases {
        let error = case.load(&format!("{text}{keys}\n"), &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{keys}: {error}");
    }
    for (index, expected) in [
        ("index = 'Records'", "must not have 'R'"),
        ("index = '_all'", "must not begin with"),
        ("", "index: is missing"),
    ] {
        let text = text.replace("index = 'records'", index);
        let error = case.load(&text, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{index}: {error}");
    }
}

#[test]
fn every_key_of_an_output_has_its_effect() {
    let case = Case::new();
    case.write("languages", "eng = Anglais\n");
    let keys = "sources = ['a']\nbatch_documents = 7\nbatch_bytes = '1 MiB'\n\
                per = 'cluster'\nparallel_requests = 3\n\
                commit_within = 'none'\nretries = 1\nretry_pause = '1ms'\nconnect_timeout = '1s'\n\
                total_timeout = '2s'\nuser = 'u'\npassword = 'p'\ntrack_changes = true\n\
                version_field = 'v_str'\naudit_filter = 'collection:X'\ncompare_fields = ['title']\n\
                institution = 'I'\ncollection = ''\nid_prefix = 'p.'\nrecord_format = 'R'\n\
                id_rewrites = { 'oai:b' = 'b', 'oai:a' = 'a' }\nlanguage_map = 'languages'\n\
                any_language_code = true\nwork_key_include = '[a-z]+'\nwork_key_exclude = 'x'\n\
                extra_fields = { b_str = 'one', a_str_mv = ['two', 'three'] }\n\
                rename_fields = { series = 'container_title' }\n[dedup]\nenabled = true\n";
    let config = case.load(&format!("{OUTPUT}{keys}"), &[]).unwrap();
    let output = config.output("v").unwrap();
    let solr = solr(output);
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(solr.urls[0].as_str(), "https://s.org/solr/biblio");
    assert_eq!(output.sources, ["a"]);
    assert_eq!((output.batch_documents, output.batch_bytes), (7, 1 << 20));
    assert_eq!((output.per, output.parallel_requests), (Per::Cluster, 3));
    assert_eq!((solr.commit_within, output.retries), (None, 1));
    assert_eq!(output.retry_pause, Duration::from_millis(1));
    assert_eq!(solr.client.timeouts.connect, Duration::from_secs(1));
    assert_eq!(solr.client.timeouts.total, Duration::from_secs(2));
    assert!(solr.client.credentials.basic.is_some());
    assert!(solr.documents.default.track_changes);
    assert_eq!(solr.version_field.as_deref(), Some("v_str"));
    assert_eq!(solr.audit_filter.as_deref(), Some("collection:X"));
    assert_eq!(solr.compare_fields, ["title"]);
    let documents = &solr.documents.default;
    assert_eq!(documents.institution, "I");
    assert_eq!(documents.collection.as_deref(), Some(""));
    assert_eq!(
        (
            documents.id_prefix.as_str(),
            documents.record_format.as_deref().unwrap_or_default()
        ),
        ("p.", "R")
    );
    assert_eq!(
        documents.id_rewrites,
        [pair("oai:b", "b"), pair("oai:a", "a")]
    );
    assert!(documents.languages.any_standard);
    assert!(documents.languages != Default::default());
    assert_eq!(
        documents.work_keys.include.as_ref().unwrap().as_str(),
        "[a-z]+"
    );
    assert_eq!(documents.work_keys.exclude.as_ref().unwrap().as_str(), "x");
    let values = vec!["two".to_owned(), "three".to_owned()];
    let extra = [
        ("b_str".to_owned(), vec!["one".to_owned()]),
        ("a_str_mv".to_owned(), values),
    ];
    assert_eq!(documents.extra_fields, extra);
    assert_eq!(documents.rename_fields, [pair("series", "container_title")]);
}

#[test]
fn the_environment_overrides_outputs() {
    let case = Case::new();
    let variables = [
        ("HARVESTD_OUTPUT_V_INSTITUTION", "E"),
        ("HARVESTD_OUTPUT_V_BEARER", "hush"),
        (
            "HARVESTD_OUTPUT_V_RENAME_FIELDS",
            "series = container_title\n",
        ),
        (
            "HARVESTD_OUTPUT_V_URLS",
            "http://127.0.0.1/solr/a http://127.0.0.1/solr/b",
        ),
    ];
    let config = case.load(OUTPUT, &variables).unwrap();
    let output = solr(&config.outputs[0]);
    assert_eq!(output.documents.default.institution, "E");
    assert_eq!(output.documents.default.rename_fields.len(), 1);
    assert_eq!(output.urls.len(), 2);
    assert!(!format!("{config:?}").contains("hush"));
    let error = case.error(OUTPUT, &[("HARVESTD_OUTPUT_V_DELAY", "1s")]);
    assert_eq!(
        error,
        "environment variable HARVESTD_OUTPUT_V_DELAY: an output has no key delay"
    );
}

#[test]
fn faults_of_outputs_are_told() {
    let cases = [
        (
            "no type",
            "[[output]]\nname = 'v'\nurls = ['http://s/solr/b']\n",
            "c.toml:1:1: output v: type: is missing",
        ),
        (
            "other type",
            "[[output]]\nname = 'v'\ntype = 'mysql'\nurls = ['http://s/solr/b']\n",
            "c.toml:3:8: output v: type: \"mysql\" is not a type of output; there is \"solr\", \"opensearch\", \"delta\"",
        ),
        (
            "handler",
            "[[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s/solr/b/update']\n",
            "c.toml:4:8: output v: urls: must be addresses of a core, such as http://localhost:8983/solr/biblio",
        ),
        (
            "unknown source",
            "[[source]]\nname = 'doaj'\nurl = 'https://a.org/'\n[[output]]\nname = 'v'\ntype = 'solr'\n\
             urls = ['http://s/solr/b']\nsources = ['doai']\n",
            "c.toml:8:11: output v: sources: no source \"doai\" is configured; did you mean doaj?",
        ),
        (
            "pattern",
            "[[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s/solr/b']\nwork_key_include = '('\n",
            "c.toml:5:20: output v: work_key_include: \"(\" is not a regular expression: unclosed group",
        ),
        (
            "time",
            "[[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s/solr/b']\ncommit_within = 'soon'\n",
            "c.toml:5:17: output v: commit_within: \"soon\" is not a length of time; write a number and a \
             unit, such as \"250ms\", \"1s\", \"48h\" or \"2d\", or \"none\"",
        ),
        (
            "same name",
            "[[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s/solr/b']\n[[output]]\nname = 'v'\n\
             type = 'solr'\nurls = ['http://s/solr/b']\n",
            "c.toml:6:8: output v: name: the output at c.toml:1:1 has this name already",
        ),
    ];
    for (name, file, expected) in cases {
        assert_eq!(Case::new().error(file, &[]), expected, "{name}");
    }
}

#[test]
fn works_need_clusters() {
    let output =
        "[[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s/solr/b']\nper = 'cluster'\n";
    let export = "[[export]]\nname = 'v'\npath = 'v.jsonl'\nper = 'cluster'\n";
    for (file, place) in [(output, "5:7: output v: "), (export, "4:7: export v: ")] {
        for off in ["", "[dedup]\nenabled = false\n"] {
            assert_eq!(
                Case::new().error(&format!("{file}{off}"), &[]),
                format!("c.toml:{place}per: \"cluster\" needs enabled = true under [dedup]")
            );
        }
        let clustered = format!("{file}[dedup]\nenabled = true\n");
        Case::new().load(&clustered, &[]).unwrap();
    }
}

#[test]
fn errors_are_in_our_own_words() {
    let mut lines = "log = 'a=b=c'\nlog_format = 3\n[daemon]\nlisten = 'x'\nmax_hosts = 'x'\n\
                     grace = 'x'\nmin_free_bytes = 'x'\nsearch = 'x'\n[dedup]\nenrich = ['x']\n"
        .to_owned();
    lines.push_str(SOURCE);
    for key in [
        "delay",
        "overlap",
        "window_records",
        "retries",
        "max_body_bytes",
        "max_depth",
        "from",
        "until",
        "schedule",
        "time_zone",
        "hours",
        "reconcile",
        "reconcile_max_percent",
        "proxy",
        "granularity",
        "any_language_code",
    ] {
        lines.push_str(&format!("{key} = 'x'\n"));
    }
    lines.push_str("assume = ['cut_off_at=x']\nwork_key_include = '('\n");
    let shown = Case::new().error(&lines, &[]);
    assert_eq!(shown.lines().count(), 26, "{shown}");
    for part in [
        "invalid digit",
        "provided string",
        "found in string",
        "parse error",
        "parsing",
        "relative URL",
        "invalid value",
        "Invalid",
        "error:",
    ] {
        assert!(!shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn the_most_specific_document_option_wins() {
    let file = "[vufind]\ninstitution = 'global'\ncollection = 'global'\nid_prefix = 'g.'\n\
                [[source]]\nname = 'a'\nurl = 'https://a.org/oai'\ncollection = 'of a'\nid_prefix = 'a.'\n\
                [[source]]\nname = 'b'\nurl = 'https://b.org/oai'\nid_prefix = 'b.'\n\
                [[source]]\nname = 'c'\nurl = 'https://c.org/oai'\n\
                [[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s.org/solr/b']\n\
                collection = 'of v'\nrecord_format = 'V'\n\
                [[output]]\nname = 'w'\ntype = 'solr'\nurls = ['http://s.org/solr/b']\nsources = ['a']\n\
                [[export]]\nname = 'e'\npath = 'e.json'\ninstitution = 'of e'\n";
    let variables = [("HARVESTD_SOURCE_B_INSTITUTION", "of b")];
    let config = Case::new().load(file, &variables).unwrap();
    let shown = |documents: &crate::output::vufind::DocumentOptions, source: &str| {
        let options = documents.for_source(source);
        let format = options.record_format.as_deref().unwrap_or("Article");
        let prefix = &options.id_prefix;
        format!(
            "{} {} {prefix} {format}",
            options.institution,
            options.collection.as_deref().unwrap_or_default()
        )
    };
    let [v, w] = [0, 1].map(|number| solr(&config.outputs[number]));
    let (v, w) = (&v.documents, &w.documents);
    let e = &config.exports[0].documents;
    let cases = [
        ("source over output", v, "a", "global of a a. V"),
        ("variable of a source", v, "b", "of b of v b. V"),
        ("output over all", v, "c", "global of v g. V"),
        ("another output", w, "a", "global of a a. Article"),
        ("export over all", e, "c", "of e global g. Article"),
        ("source over export", e, "b", "of b global b. Article"),
        ("neither", &config.documents, "a", "global of a a. Article"),
    ];
    for (case, documents, source, expected) in cases {
        assert_eq!(shown(documents, source), expected, "{case}");
    }
    let own: Vec<&String> = w.by_source.keys().collect();
    assert_eq!(own, ["a"], "no other source goes there");
}
