//! `harvestd check-config`: checks the configuration and prints the values in force.

use std::io::Write;

use serde_json::{Value, json};

use super::exit::Exit;
use crate::config::{Config, Origin, effective_json};
use crate::output::check;
use crate::provider;
use crate::stop::stop_switch;
use crate::store::Reader;

/// Arguments of `check-config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints every value in force as TOML, with the line or variable that it comes from; a value without a
comment is a default. With [daemon.oai], the Identify that the provider would answer follows. All errors are reported at once with their places, and the exit status is then 2.
Secrets are never shown. A secret that cannot be read is only a warning, since a systemd credential is
there for the service alone.

Examples:
  harvestd check-config
  harvestd check-config --online           ask the outputs too: are they there, do the fields fit?
  harvestd check-config --config config/harvestd.toml --json
  harvestd check-config --print-sample > harvestd.toml       a file to start with, with every key")]
pub struct Args {
    /// Ask each output whether it is there and has every field that documents have
    #[arg(long)]
    pub online: bool,
    /// Print a commented sample file with every key, and check nothing
    #[arg(long, conflicts_with = "online")]
    pub print_sample: bool,
    /// Print the documentation of every key in Markdown, and check nothing
    #[arg(long, conflicts_with_all = ["online", "print_sample"])]
    pub print_reference: bool,
}

/// Writes the checked configuration to `out`, as text or as one JSON object.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(config: &Config, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let mut object = effective_json(&config.effective);
        object.insert("config".to_owned(), json!(config.file));
        object.insert("store".to_owned(), json!(config.store));
        object.insert("identify".to_owned(), json!(identify(config)));
        serde_json::to_writer_pretty(&mut *out, &object)?;
        writeln!(out)?;
    } else {
        write_text(config, out)?;
    }
    Ok(())
}

/// The values in force as TOML, with a comment on each that is no default.
fn write_text(config: &Config, out: &mut dyn Write) -> std::io::Result<()> {
    match &config.file {
        Some(file) => writeln!(out, "# configuration: {}", file.display())?,
        None => writeln!(out, "# configuration: there is no file")?,
    }
    writeln!(out, "# store: {}", config.store.display())?;
    for table in &config.effective {
        writeln!(out)?;
        if let Some(heading) = &table.heading {
            writeln!(out, "{heading}")?;
        }
        for key in table.keys.iter().filter(|key| !key.value.is_null()) {
            let line = match key.is_secret {
                // As a setting it would look like the secret.
                true => format!("# {} is set", key.name),
                false => format!("{} = {}", key.name, as_toml(&key.value)),
            };
            match &key.origin {
                Some(origin) => writeln!(out, "{line:<50} # {}", place(origin))?,
                None => writeln!(out, "{line}")?,
            }
        }
    }
    if config.sources.is_empty() {
        writeln!(
            out,
            "\n# there is no source; only base URLs can be harvested"
        )?;
    }
    if let Some(identify) = identify(config) {
        writeln!(out, "\n# the OAI-PMH provider answers Identify with:")?;
        for line in identify.lines() {
            writeln!(out, "#   {line}")?;
        }
    }
    Ok(())
}

/// The Identify element that the daemon would serve; `None` if the provider is off. The earliest datestamp
/// is missing if the store cannot be read.
fn identify(config: &Config) -> Option<String> {
    let settings = config.daemon.oai.as_ref()?;
    let listen = settings.listen.unwrap_or(config.daemon.listen);
    let own = || format!("http://{listen}{}", settings.path);
    let base_url = settings.base_url.clone().unwrap_or_else(own);
    let state = Reader::open(&config.store).and_then(|reader| reader.serving_state());
    let oldest = state.ok().and_then(|state| state.oldest);
    let oldest = oldest.map(|version| version.unix_ms().div_euclid(1000));
    Some(provider::identify(settings, &base_url, oldest))
}

/// Where a value was written; the file is named above.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::File { line, .. } => format!("line {line}"),
        origin => origin.to_string(),
    }
}

/// A value as TOML in one line.
fn as_toml(value: &Value) -> String {
    let bare = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !name.is_empty() && name.chars().all(plain)
    };
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| match bare(name) {
                true => format!("{name} = {}", as_toml(value)),
                false => format!("{} = {}", json!(name), as_toml(value)),
            });
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        // A text of JSON is one of TOML.
        other => other.to_string(),
    }
}

/// Asks every output whether it is there and fits, and writes what each said to `out`.
///
/// # Errors
/// When `out` cannot be written. An output that does not answer or does not fit makes the exit
/// status 1.
pub async fn ask_outputs(
    config: &Config,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let (_switch, stop) = stop_switch();
    let mut answers = Vec::new();
    for output in &config.outputs {
        let found = check(output, &stop)
            .await
            .unwrap_or_else(|error| vec![error.to_string()]);
        if !found.is_empty() {
            exit = Exit::Failed;
        }
        answers.push((&output.name, found));
    }
    if json {
        let answers: Value = answers
            .iter()
            .map(|(name, found)| ((*name).clone(), json!(found)))
            .collect();
        writeln!(out, "{}", json!({ "online": answers }))?;
        return Ok(exit);
    }
    writeln!(out)?;
    for (name, found) in &answers {
        if found.is_empty() {
            writeln!(
                out,
                "output {name}: answers, and has every field of the documents"
            )?;
        }
        for line in found {
            writeln!(out, "output {name}: {line}")?;
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides, Secrets, load};

    fn checked(json: bool) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        let file = "[defaults]\ndelay = '3s'\n[[source]]\nname = 'a'\nurl = 'https://a.org/oai'\n\
                    sets = ['s', 't']\napi_key = 'hush'\nuser = 'me'\npassword = 'hush'\n\
                    headers = { X-A = 'hush' }\nproxy = 'http://me:hush@proxy'\ncollection = 'A'\n\
                    [[output]]\nname = 'v'\ntype = 'solr'\nurls = ['http://s.org/solr/b']\n\
                    id_rewrites = { 'oai:x:' = 'x-' }\n[vufind]\ninstitution = 'I'\n";
        std::fs::write(&path, file).unwrap();
        let overrides = Overrides {
            config: Some(path),
            store: Some("/store.db".into()),
            ..Overrides::default()
        };
        let environment = Environment::new([
            ("HARVESTD_SOURCE_A_MAX_DEPTH".into(), "7".into()),
            (
                "HARVESTD_SOURCE_A_EXTRA_FIELDS".into(),
                "building = B".into(),
            ),
        ]);
        let mut config = load(&overrides, &environment, Secrets::Reported).unwrap();
        config.file = Some("c.toml".into());
        let mut out = Vec::new();
        run(&config, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_shows_the_values_in_force_and_no_secret() {
        let text = checked(false);
        for line in [
            "# configuration: c.toml",
            "# store: /store.db",
            "[[source]]",
            "name = \"a\"                                         # line 4",
            "sets = [\"s\", \"t\"]                                  # line 6",
            "# api_key is set                                   # line 7",
            "# headers is set                                   # line 10",
            "user = \"me\"                                        # line 8",
            "delay = \"3s\"                                       # line 2",
            "overlap = \"48h\"",
            "max_depth = 7                                      # environment variable \
             HARVESTD_SOURCE_A_MAX_DEPTH",
            "listen = \"127.0.0.1:8017\"",
            "schedule = \"0 3 * * *\"",
            "proxy = \"http://proxy/\"                            # line 11",
            "collection = \"A\"                                   # line 12",
            "id_rewrites = { \"oai:x:\" = \"x-\" }                  # line 17",
            "institution = \"I\"                                  # line 19",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        assert!(!text.contains("hush"));
        let toml = toml::de::DeTable::parse(&text);
        assert!(toml.is_ok(), "{:?} in\n{text}", toml.err());
    }

    #[test]
    fn identify_is_shown_as_it_would_be_served() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        let file = "contact = 'a@b.org'\n[daemon]\ntombstone_days = 30\n[daemon.oai]\n\
                    enabled = true\nrepository_name = 'R & D'\nlisten = '127.0.0.1:8018'\n";
        std::fs::write(&path, file).unwrap();
        let overrides = Overrides {
            config: Some(path),
            store: Some("/store.db".into()),
            ..Overrides::default()
        };
        let config = load(&overrides, &Environment::default(), Secrets::Reported).unwrap();
        let mut out = Vec::new();
        run(&config, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "[daemon.oai]",
            "#   <repositoryName>R &amp; D</repositoryName>",
            "#   <baseURL>http://127.0.0.1:8018/oai</baseURL>",
            "#   <adminEmail>a@b.org</adminEmail>",
            "#   <deletedRecord>transient</deletedRecord>",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        let toml = toml::de::DeTable::parse(&text);
        assert!(toml.is_ok(), "{:?} in\n{text}", toml.err());
        let mut out = Vec::new();
        run(&config, true, &mut out).unwrap();
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["daemon"]["oai"]["page_size"], 200);
        assert!(value["identify"].as_str().unwrap().contains("R &amp; D"));
    }

    #[test]
    fn json_has_the_keys_of_the_file() {
        let text = checked(true);
        let value: Value = serde_json::from_str(&text).unwrap();
        let source = &value["source"][0];
        assert_eq!(value["config"], "c.toml");
        assert_eq!(source["metadata_prefix"], "oai_dc");
        assert_eq!(source["max_depth"], 7);
        assert_eq!(source["from"], Value::Null);
        assert_eq!(source["api_key"], "set");
        assert_eq!(source["headers"], json!(["X-A"]));
        assert_eq!(source["extra_fields"], json!({"building": "B"}));
        assert_eq!(source["institution"], Value::Null, "it sets none itself");
        assert_eq!(value["output"][0]["institution"], "I");
        assert_eq!(value["daemon"]["max_hosts"], 64);
        assert_eq!(value["export"], json!([]));
        assert!(!text.contains("hush"));
    }
}
