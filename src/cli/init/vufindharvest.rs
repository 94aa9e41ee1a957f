//! vufindharvest's `oai.ini` as sources.
//!
//! Source: `etc/oai.ini` of vufindharvest, which describes each option.

use std::path::Path;

use super::starter::{StarterSource, make_names_differ, name_of, quoted};

/// One section: its name, and its options in order. An option with `[]` can come several times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    name: String,
    options: Vec<(String, String)>,
}

impl Section {
    /// The last value of an option. An empty one counts as none.
    fn get(&self, option: &str) -> Option<&str> {
        let mut all = self.all(option).into_iter();
        all.next_back().filter(|value| !value.is_empty())
    }

    /// All values of an option.
    fn all(&self, option: &str) -> Vec<&str> {
        self.options
            .iter()
            .filter(|(name, _)| name == option)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    fn is_on(&self, option: &str) -> bool {
        let off = ["", "0", "false", "off", "no", "none", "null"];
        self.get(option)
            .is_some_and(|value| !off.contains(&value.to_ascii_lowercase().as_str()))
    }
}

/// The sources of an `oai.ini`.
///
/// # Errors
/// If it has no section with a `url`.
pub(super) fn sources(text: &str) -> Result<Vec<StarterSource>, String> {
    let mut sources: Vec<StarterSource> = sections(text).iter().filter_map(source).collect();
    if sources.is_empty() {
        return Err("it has no section with a url".to_owned());
    }
    make_names_differ(&mut sources);
    Ok(sources)
}

/// The sections, as PHP reads them.
fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches('\u{FEFF}').trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            sections.push(Section {
                name: name.0.trim().to_owned(),
                options: Vec::new(),
            });
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim();
        let name = name.strip_suffix("[]").unwrap_or(name).trim_end();
        let value = value.trim();
        let value = match value.strip_prefix(['"', '\'']) {
            // The end of a quoted text is its own quote, not one with a backslash.
            Some(rest) => {
                let quote = value.chars().next().unwrap_or('"');
                let mut escaped = false;
                let end = rest.find(|c| {
                    let ends = c == quote && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                &rest[..end.unwrap_or(rest.len())]
            }
            None => value.split(';').next().unwrap_or_default().trim_end(),
        };
        if let Some(section) = sections.last_mut() {
            section.options.push((name.to_owned(), value.to_owned()));
        }
    }
    sections
}

fn source(section: &Section) -> Option<StarterSource> {
    let url = section.get("url")?;
    let mut source = StarterSource {
        name: name_of(&section.name),
        comments: vec![format!("[{}] of oai.ini", section.name)],
        ..StarterSource::default()
    };
    source.text("url", url);
    source.text(
        "metadata_prefix",
        section.get("metadataPrefix").unwrap_or("oai_dc"),
    );
    let sets = section.all("set").into_iter();
    let sets: Vec<String> = sets
        .filter(|set| !set.is_empty())
        .map(str::to_owned)
        .collect();
    if !sets.is_empty() {
        source.texts("sets", &sets);
    }
    granularity(section, &mut source);
    timeout(section, &mut source);
    login(section, &mut source);
    proxy(section, &mut source);
    certificates(section, &mut source);
    ids(section, &mut source);
    remarks(section, &mut source);
    Some(source)
}

fn granularity(section: &Section, source: &mut StarterSource) {
    match section.get("dateGranularity") {
        Some("YYYY-MM-DD") => source.text("granularity", "day"),
        Some(text) if text.starts_with("YYYY-MM-DDT") => source.text("granularity", "second"),
        // harvestd asks the repository too.
        _ => {}
    }
}

/// The seconds that harvestd waits for the first byte by default.
const FIRST_BYTE: u64 = 120;

fn timeout(section: &Section, source: &mut StarterSource) {
    let Some(text) = section.get("timeout") else {
        return;
    };
    match text.parse::<u64>() {
        Ok(seconds) if seconds > FIRST_BYTE => {
            source
                .keys
                .push(("first_byte_timeout", format!("\"{seconds}s\"")));
        }
        Ok(seconds) => source.remarks.push(format!(
            "timeout = {seconds}: harvestd waits {FIRST_BYTE} s for the first byte, and tries again"
        )),
        Err(_) => source
            .remarks
            .push(format!("timeout = {text}: is not a number")),
    }
}

fn login(section: &Section, source: &mut StarterSource) {
    let Some(user) = section.get("httpUser") else {
        return;
    };
    source.text("user", user);
    let file = format!("{}.password", source.name);
    source.text("password_file", &file);
    let password = section.get("httpPass").unwrap_or_default();
    source.secrets.push((file, password.to_owned()));
}

fn proxy(section: &Section, source: &mut StarterSource) {
    let Some(host) = section.get("proxy_host") else {
        return;
    };
    let port = section.get("proxy_port").unwrap_or("8080");
    match section.get("proxy_user") {
        Some(user) => {
            let escaped = |text: &str| {
                percent_encoding::utf8_percent_encode(text, crate::http::UNRESERVED_ONLY)
                    .to_string()
            };
            let password = escaped(section.get("proxy_pass").unwrap_or_default());
            let proxy = format!("http://{}:{password}@{host}:{port}", escaped(user));
            source.text("proxy", &proxy);
            source.has_secret = true;
        }
        None => source.text("proxy", &format!("http://{host}:{port}")),
    }
    if section
        .get("proxy_auth")
        .is_some_and(|auth| !auth.ends_with("AUTH_BASIC"))
    {
        let remark = "proxy_auth: harvestd logs in to a proxy by HTTP basic authentication alone";
        source.remarks.push(remark.to_owned());
    }
}

/// The certificates of systems, which harvestd trusts anyway.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
];

fn certificates(section: &Section, source: &mut StarterSource) {
    match section.get("sslcafile") {
        Some(file) if !SYSTEM_CERTIFICATES.contains(&file) => source.text("ca_file", file),
        _ => {}
    }
    if let Some(folder) = section.get("sslcapath")
        && Path::new(folder) != Path::new("/etc/ssl/certs")
    {
        source.remarks.push(format!(
            "sslcapath = {folder}: harvestd trusts the certificates of the system; add others with ca_file"
        ));
    }
    if section.get("sslverifypeer").is_some() && !section.is_on("sslverifypeer") {
        source.remarks.push(
            "sslverifypeer = false: is not possible; put the server's certificate into a PEM file and name \
             it as ca_file"
                .to_owned(),
        );
    }
}

/// The document ids: regular expressions that only replace a beginning become `id_rewrites`.
fn ids(section: &Section, source: &mut StarterSource) {
    let mut rewrites: Vec<(String, String)> = Vec::new();
    if let Some(prefix) = section.get("idPrefix") {
        rewrites.push((prefix.to_owned(), String::new()));
    }
    let replacements = section.all("idReplace");
    for (number, search) in section.all("idSearch").into_iter().enumerate() {
        let replacement = replacements.get(number).copied().unwrap_or_default();
        let beginning = literal_beginning(search).filter(|_| !replacement.contains(['$', '\\']));
        match beginning {
            Some(beginning) => rewrites.push((beginning, replacement.to_owned())),
            None => source.remarks.push(format!(
                "idSearch[] = {search}, idReplace[] = {replacement}: harvestd replaces beginnings of ids alone"
            )),
        }
    }
    if !rewrites.is_empty() {
        let pairs: Vec<String> = rewrites
            .iter()
            .map(|(from, to)| format!("{} = {}", quoted(from), quoted(to)))
            .collect();
        source
            .keys
            .push(("id_rewrites", format!("{{ {} }}", pairs.join(", "))));
    }
}

/// The text that a regular expression such as `/^oai:x\.org:/` looks for; `None` if it is more than a text that
/// identifiers begin with.
fn literal_beginning(pattern: &str) -> Option<String> {
    let delimiter = pattern
        .chars()
        .next()
        .filter(|c| c.is_ascii_punctuation())?;
    let inner = pattern[1..].strip_suffix(delimiter)?;
    let anchored = inner.strip_prefix('^');
    let mut literal = String::new();
    let mut rest = anchored.unwrap_or(inner).chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => literal.push(rest.next().filter(char::is_ascii_punctuation)?),
            '^' | '$' | '|' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' => return None,
            c => literal.push(c),
        }
    }
    let begins = anchored.is_some() || literal.starts_with("oai:");
    (begins && !literal.is_empty()).then_some(literal)
}

/// The options that need no key, each with the reason.
fn remarks(section: &Section, source: &mut StarterSource) {
    let mut said: Vec<&str> = Vec::new();
    for (name, value) in &section.options {
        let reason = match name.as_str() {
            "combineRecords" | "combineRecordsTag" => {
                "harvestd export --format xml writes one document with all records"
            }
            "injectDate"
            | "injectId"
            | "injectSetName"
            | "injectSetSpec"
            | "injectHeaderElements" => {
                "exports have identifier, datestamp and sets beside the metadata, which stays as received"
            }
            "harvestedIdLog" => "harvestd export --format csv lists the identifiers",
            "verbose" => "use harvestd -v",
            "autosslca" => "the certificates of the system are always trusted",
            "sanitize" | "sanitizeRegex" | "badXMLLog" => {
                "always on: characters that XML forbids are repaired, and unreadable records are quarantined"
            }
            "stopAfter" => "use harvestd harvest --limit",
            "globalSearch" | "globalReplace" => {
                "has no equal: metadata is kept as received, and the crosswalks read it"
            }
            "url" | "metadataPrefix" | "set" | "dateGranularity" | "timeout" | "httpUser"
            | "httpPass" | "proxy_host" | "proxy_port" | "proxy_user" | "proxy_pass"
            | "proxy_auth" | "sslcafile" | "sslcapath" | "sslverifypeer" | "idPrefix"
            | "idSearch" | "idReplace" => continue,
            _ => "is not an option of vufindharvest",
        };
        if !said.contains(&name.as_str()) {
            said.push(name);
            source.remarks.push(format!("{name} = {value}: {reason}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::starter::configuration;
    use super::*;

    const INI: &str = r#"
; a comment
[OJS]
url = http://ojs.example.edu/oai ; the journals
metadataPrefix = oai_dc
set[] = one
set[] = "two"
timeout = 300
idSearch[] = "/^oai:example.edu:/"
idReplace[] = "ojs-"
idSearch[] = "/\//"
idReplace[] = "-"
injectId = "identifier"
injectDate = "datestamp"
dateGranularity = YYYY-MM-DD
httpUser = me
httpPass = "pass;word"
proxy_host = "my.proxy.host"
proxy_port = 3128
proxy_user = "alice"
proxy_pass = "p@ss"
sslverifypeer = false
sslcafile = /etc/library/ca.pem
sanitize = true
unheardOf = 1

[no url]
metadataPrefix = oai_dc

[Second source]
url = "https://second.example.edu/oai"
idPrefix = "oai:second:"
"#;

    #[test]
    fn each_option_has_an_equal_or_a_reason() {
        let sources = sources(INI).unwrap();
        let text = configuration(&sources);
        let value: toml::Value = toml::from_str(&text).unwrap();
        let tables = value["source"].as_array().unwrap();
        let names: Vec<_> = tables
            .iter()
            .map(|table| table["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["ojs", "second-source"]);
        let first = &tables[0];
        for (key, expected) in [
            ("url", "http://ojs.example.edu/oai"),
            ("metadata_prefix", "oai_dc"),
            ("first_byte_timeout", "300s"),
            ("granularity", "day"),
            ("user", "me"),
            ("password_file", "ojs.password"),
            ("proxy", "http://alice:p%40ss@my.proxy.host:3128"),
            ("ca_file", "/etc/library/ca.pem"),
        ] {
            assert_eq!(first[key].as_str(), Some(expected), "{key}");
        }
        assert_eq!(first["sets"].as_array().unwrap().len(), 2);
        assert_eq!(
            first["id_rewrites"]["oai:example.edu:"].as_str(),
            Some("ojs-")
        );
        assert_eq!(tables[1]["id_rewrites"]["oai:second:"].as_str(), Some(""));
        assert_eq!(
            sources[0].secrets,
            [("ojs.password".to_owned(), "pass;word".to_owned())]
        );
        assert!(sources[0].has_secret && !sources[1].has_secret);
        for option in [
            "injectId",
            "injectDate",
            "sanitize",
            "sslverifypeer",
            "unheardOf",
        ] {
            assert!(text.contains(&format!("# {option}")), "{option} in {text}");
        }
        assert!(text.contains("# idSearch[] = /\\//"), "{text}");
        assert!(!text.contains("pass;word"), "{text}");
    }

    #[test]
    fn only_beginnings_are_rewritten() {
        let cases = [
            ("/^oai:x.org:/", Some("oai:x.org:")),
            ("/oai:x\\.org:/", Some("oai:x.org:")),
            ("#^oai:x/y#", Some("oai:x/y")),
            ("/x/", None),
            ("/^oai:[a-z]+:/", None),
            ("/^/", None),
            ("/^oai:x:/i", None),
            ("", None),
        ];
        for (pattern, expected) in cases {
            assert_eq!(literal_beginning(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
