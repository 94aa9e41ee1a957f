//! The text of a first configuration.

use std::fmt::Write as _;

/// A source of a first configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StarterSource {
    /// Its name.
    pub(super) name: String,
    /// What stands above it, one sentence a line.
    pub(super) comments: Vec<String>,
    /// Its keys after `name`, in order, each with its value in TOML.
    pub(super) keys: Vec<(&'static str, String)>,
    /// What stands below its keys, one remark a line.
    pub(super) remarks: Vec<String>,
    /// Files with secrets: the name and the content. They lie beside the configuration.
    pub(super) secrets: Vec<(String, String)>,
    /// Whether a key itself holds a secret, so that nobody else may read the configuration.
    pub(super) has_secret: bool,
}

impl StarterSource {
    /// Adds a key with a text.
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        self.keys.push((key, quoted(text)));
    }

    /// Adds a key with a list of texts.
    pub(super) fn texts(&mut self, key: &'static str, texts: &[String]) {
        let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.keys.push((key, format!("[{}]", texts.join(", "))));
    }
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A name for a source, of any text.
pub(super) fn name_of(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => {
                c.to_ascii_lowercase()
            }
            _ => '-',
        })
        .collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    match name {
        "" => "source".to_owned(),
        name => name.to_owned(),
    }
}

/// The name of a source at this address, such as `ojs.example.org-journal`.
pub(super) fn name_of_url(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    let journal = url.path_segments().and_then(|segments| {
        let mut segments = segments.skip_while(|part| *part != "index.php");
        segments.nth(1)
    });
    match journal.filter(|journal| !matches!(*journal, "index" | "oai" | "")) {
        Some(journal) => name_of(&format!("{host}-{journal}")),
        None => name_of(host),
    }
}

/// Gives sources of the same name different ones.
pub(super) fn make_names_differ(sources: &mut [StarterSource]) {
    let mut used: Vec<String> = Vec::new();
    for source in sources {
        let base = source.name.clone();
        let mut number = 2;
        while used.contains(&source.name) {
            source.name = format!("{base}-{number}");
            number += 1;
        }
        used.push(source.name.clone());
    }
}

const HEAD: &str = "\
# Configuration of harvestd.
# Every key with its default: harvestd check-config --print-sample

# Mail address or web page of the person who runs this harvester. Repositories see it in the User-Agent, and write
# to you before they block you.
#contact = \"library@example.org\"

[defaults]
# When the service harvests: minute hour day month weekday. Starts are spread over the hour that follows.
schedule = \"0 3 * * *\"
spread = \"1h\"
#time_zone = \"Europe/Berlin\"

# The service shows its status at http://127.0.0.1:8017/. With a token, sources can be run and paused there and by
# harvestd run, pause and resume.
[daemon]
#token_file = \"token\"
";

const EXAMPLE: &str = "
# One table for each source. harvestd init URL writes it from what the repository answers.
#[[source]]
#name = \"journals\"
#url = \"https://journals.example.org/index.php/index/oai\"
#metadata_prefix = \"oai_dc\"
";

const TAIL: &str = "
# A VuFind index that gets every change: docs/outputs/solr.md
#[[output]]
#name = \"vufind\"
#type = \"solr\"
#urls = [\"http://localhost:8983/solr/biblio\"]
";

/// A whole configuration with these sources.
pub(super) fn configuration(sources: &[StarterSource]) -> String {
    let tables = match sources.is_empty() {
        true => EXAMPLE.to_owned(),
        false => tables(sources),
    };
    format!("{HEAD}{tables}{TAIL}")
}

/// The tables of the sources alone, to be added to a configuration.
pub(super) fn tables(sources: &[StarterSource]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for source in sources {
        text.push('\n');
        for comment in &source.comments {
            push_comment(comment, &mut text);
        }
        let _ = writeln!(text, "[[source]]\nname = {}", quoted(&source.name));
        for (key, value) in &source.keys {
            let _ = writeln!(text, "{key} = {value}");
        }
        for remark in &source.remarks {
            push_comment(remark, &mut text);
        }
    }
    text
}

/// Adds a comment. Texts of others may have line feeds, which would end it.
fn push_comment(comment: &str, text: &mut String) {
    let line = crate::http::one_line(comment);
    let _ = writeln!(text, "# {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_valid_whatever_a_repository_says() {
        let mut source = StarterSource {
            name: name_of("A \"journal\"\n"),
            comments: vec!["Journal\n[[source]]\nname = 'x'".to_owned()],
            ..StarterSource::default()
        };
        source.text("url", "https://x.org/oai?a=\"b\"");
        source.texts("sets", &["a\nb".to_owned(), "c".to_owned()]);
        let text = configuration(&[source]);
        let value: toml::Value = toml::from_str(&text).unwrap();
        let sources = value["source"].as_array().unwrap();
        assert_eq!(sources.len(), 1, "{text}");
        assert_eq!(sources[0]["name"].as_str(), Some("a--journal"));
        assert_eq!(sources[0]["sets"][0].as_str(), Some("a\nb"));
    }

    #[test]
    fn names_come_from_addresses() {
        let cases = [
            ("https://www.example.org/oai", "example.org"),
            ("https://x.org/index.php/Jour/oai", "x.org-jour"),
            ("https://x.org/index.php/index/oai", "x.org"),
            ("https://x.org/ojs/index.php/a_b/oai", "x.org-a_b"),
        ];
        for (url, expected) in cases {
            assert_eq!(
                name_of_url(&url::Url::parse(url).unwrap()),
                expected,
                "{url}"
            );
        }
        let source = |name: &str| StarterSource {
            name: name.to_owned(),
            ..StarterSource::default()
        };
        let mut sources = [source("a"), source("b"), source("a"), source("a")];
        make_names_differ(&mut sources);
        let names = sources.map(|source| source.name);
        assert_eq!(names, ["a", "b", "a-2", "a-3"]);
    }
}
