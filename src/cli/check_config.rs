//! `harvestd check-config`: what would be harvested and pushed, without asking anyone unless told to.

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::exit::Exit;
use crate::config::Config;
use crate::config::DaemonSettings;
use crate::harvest::settings::SourceSettings;
use crate::http::{Credentials, show_url};
use crate::oai::Granularity;
use crate::output::export::settings::ExportSettings;
use crate::output::solr::settings::SolrSettings;
use crate::output::solr::{self, Client};
use crate::output::vufind::DocumentOptions;
use crate::schedule::{DeliverySchedule, Schedule};
use crate::stop::stop_switch;

/// Arguments of `check-config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every fault of the file and the environment is told with its place, and the status is then 2. Secrets
are never shown. Those that cannot be read are only warned of, since a systemd credential is there for
the service alone.

Examples:
  harvestd check-config
  harvestd check-config --online           ask the outputs too: are they there, do the fields fit?
  harvestd check-config --config config/harvestd.toml --json")]
pub struct Args {
    /// Ask each output whether it is there and has every field that documents have
    #[arg(long)]
    pub online: bool,
}

/// Writes the checked configuration to `out`, as text or as one JSON object.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(config: &Config, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let described = describe(config);
    if json {
        serde_json::to_writer_pretty(&mut *out, &described)?;
        writeln!(out)?;
    } else {
        write_text(&described, out)?;
    }
    Ok(())
}

/// The settings by the names and in the notation of the file; `null` for what is not set.
fn describe(config: &Config) -> Value {
    json!({
        "config": config.file,
        "store": config.store,
        "contact": config.contact,
        "log": config.log,
        "vufind": describe_documents(&config.documents),
        "dedup": config.dedup.enabled,
        "dedup_sources": config.dedup.sources,
        "daemon": describe_daemon(&config.daemon),
        "source": config
            .sources
            .iter()
            .map(|source| describe_source(source, config.schedules.get(&source.name)))
            .collect::<Vec<_>>(),
        "output": config.outputs.iter().map(describe_output).collect::<Vec<_>>(),
        "push": config
            .push_schedules
            .iter()
            .map(|(name, schedule)| (name.clone(), describe_delivery(schedule)))
            .collect::<serde_json::Map<_, _>>(),
        "export": config
            .exports
            .iter()
            .map(|(settings, schedule)| describe_export(settings, schedule))
            .collect::<Vec<_>>(),
    })
}

fn describe_delivery(schedule: &DeliverySchedule) -> Value {
    json!({
        "after_pass": schedule.after_pass,
        "schedule": schedule
            .ticks
            .as_ref()
            .map_or_else(|| "never".to_owned(), |cron| cron.pattern.to_string()),
        "time_zone": schedule.time_zone.name(),
        "hours": schedule.hours.to_string(),
    })
}

fn describe_export(settings: &ExportSettings, schedule: &DeliverySchedule) -> Value {
    let mut value = json!({
        "name": settings.name,
        "path": settings.path,
        "format": settings.format.to_possible_value().map(|value| value.get_name().to_owned()),
        "per": settings.per,
        "sources": settings.sources,
        "since_previous": settings.since_previous,
    });
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), describe_delivery(schedule))
    {
        value.extend(more);
    }
    value
}

fn describe_daemon(daemon: &DaemonSettings) -> Value {
    json!({
        "listen": daemon.listen,
        "max_hosts": daemon.max_hosts,
        "history_days": daemon.history_days,
        "tombstone_days": daemon.tombstone_days,
        "search": daemon.search,
        "grace": humantime::format_duration(daemon.grace).to_string(),
        "alert": daemon.alert,
        "webhook": if daemon.webhook.is_some() { "set" } else { "not set" },
        "min_free_bytes": daemon.min_free_bytes,
        "behind_after": humantime::format_duration(daemon.behind_after).to_string(),
        "token": if daemon.token.is_some() { "set" } else { "not set" },
    })
}

fn describe_documents(documents: &DocumentOptions) -> Value {
    let options = &documents.default;
    let pairs = |pairs: &[(String, String)]| -> Value {
        pairs
            .iter()
            .map(|(from, to)| (from.clone(), json!(to)))
            .collect()
    };
    let pattern = |regex: &Option<regex::Regex>| regex.as_ref().map(|regex| regex.to_string());
    json!({
        "institution": options.institution,
        "collection": options.collection,
        "id_rewrites": pairs(&options.id_rewrites),
        "id_prefix": options.id_prefix,
        "record_format": options.record_format,
        "any_language_code": options.languages.any_standard,
        "work_key_include": pattern(&options.work_keys.include),
        "work_key_exclude": pattern(&options.work_keys.exclude),
        "extra_fields": options.extra_fields.iter().cloned().map(|(name, values)| {
            (name, json!(values))
        }).collect::<Value>(),
        "rename_fields": pairs(&options.rename_fields),
        "track_changes": options.track_changes,
    })
}

fn describe_source(source: &SourceSettings, schedule: Option<&Schedule>) -> Value {
    let schedule = schedule.cloned().unwrap_or_default();
    let client = &source.client;
    let (timeouts, limits) = (&client.timeouts, &client.limits);
    let time = |duration: Duration| humantime::format_duration(duration).to_string();
    json!({
        "name": source.name,
        "url": client.url.as_str(),
        "metadata_prefix": source.metadata_prefix,
        "sets": source.sets,
        "from": source.from,
        "until": source.until,
        "granularity": source.granularity.map(|granularity| match granularity {
            Granularity::Day => "day",
            Granularity::Second => "second",
        }),
        "assume": source.assume.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "credentials": credentials(&client.credentials),
        "overlap": time(source.overlap),
        "delay": time(source.delay),
        "window_records": source.window_records,
        "retries": source.retries,
        "retry_pause": time(source.retry_pause),
        "max_wait": time(source.max_wait),
        "connect_timeout": time(timeouts.connect),
        "first_byte_timeout": time(timeouts.first_byte),
        "idle_timeout": time(timeouts.idle),
        "total_timeout": time(timeouts.total),
        "min_bytes_per_second": limits.bytes_per_second,
        "max_body_bytes": limits.body_bytes,
        "max_inflated_bytes": limits.inflated_bytes,
        "max_depth": source.page_limits.depth,
        "max_page_records": source.page_limits.records,
        "schedule": schedule
            .ticks
            .map_or_else(|| "never".to_owned(), |cron| cron.pattern.to_string()),
        "time_zone": schedule.time_zone.name(),
        "spread": time(schedule.spread),
        "hours": schedule.hours.to_string(),
        "reconcile": schedule
            .reconcile
            .map_or_else(|| "never".to_owned(), |cron| cron.pattern.to_string()),
        "reconcile_max_percent": schedule.reconcile_max_percent,
        "ca_file": client.ca_file,
        "proxy": client.proxy.as_ref().map(show_url),
    })
}

fn describe_output(output: &SolrSettings) -> Value {
    let time = |duration: Duration| humantime::format_duration(duration).to_string();
    let mut value = json!({
        "name": output.name,
        "type": "solr",
        "urls": output.urls.iter().map(show_url).collect::<Vec<_>>(),
        "credentials": credentials(&output.client.credentials),
        "sources": output.sources,
        "sets": output.sets,
        "per": output.per,
        "batch_documents": output.batch_documents,
        "batch_bytes": output.batch_bytes,
        "parallel_requests": output.parallel_requests,
        "commit_within": output.commit_within.map_or_else(|| "none".to_owned(), time),
        "retries": output.retries,
        "retry_pause": time(output.retry_pause),
        "connect_timeout": time(output.client.timeouts.connect),
        "total_timeout": time(output.client.timeouts.total),
        "ca_file": output.client.ca_file,
        "proxy": output.client.proxy.as_ref().map(show_url),
        "version_field": output.version_field,
        "audit_filter": output.audit_filter,
        "compare_fields": output.compare_fields,
    });
    if let (Some(value), Value::Object(more)) =
        (value.as_object_mut(), describe_documents(&output.documents))
    {
        value.extend(more);
    }
    value
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
        // Whoever checks wants to know how it is now.
        let settings = SolrSettings {
            retries: 0,
            ..output.clone()
        };
        let found = match Client::new(&settings, stop.clone()) {
            Ok(client) => solr::check(&client, &settings)
                .await
                .unwrap_or_else(|error| vec![error.to_string()]),
            Err(error) => vec![error.to_string()],
        };
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

/// Which credentials are sent, without what they are.
fn credentials(credentials: &Credentials) -> Vec<String> {
    let Credentials {
        api_key,
        basic,
        bearer,
        headers,
    } = credentials;
    let mut kinds = Vec::new();
    kinds.extend(api_key.as_ref().map(|_| "api_key".to_owned()));
    kinds.extend(basic.as_ref().map(|(user, _)| format!("user {user}")));
    kinds.extend(bearer.as_ref().map(|_| "bearer".to_owned()));
    kinds.extend(headers.iter().map(|(name, _)| format!("header {name}")));
    kinds
}

fn write_text(described: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let none = Vec::new();
    let sources = described["source"].as_array().unwrap_or(&none);
    write_fields(described, out)?;
    writeln!(out)?;
    write_fields(&described["daemon"], out)?;
    for source in sources {
        writeln!(out)?;
        write_fields(source, out)?;
    }
    if described["vufind"] != describe_documents(&DocumentOptions::default()) {
        writeln!(out, "\n[vufind]")?;
        write_fields(&described["vufind"], out)?;
    }
    for output in described["output"].as_array().unwrap_or(&none) {
        writeln!(out)?;
        write_fields(output, out)?;
    }
    if sources.is_empty() {
        writeln!(out, "\nno sources; only base URLs can be harvested")?;
    }
    Ok(())
}

/// One `key: value` in each line, of those that are set.
fn write_fields(table: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    for (key, value) in table.as_object().into_iter().flatten() {
        let shown = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) if items.iter().all(Value::is_string) && !items.is_empty() => {
                let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                texts.join(", ")
            }
            Value::Null | Value::Array(_) => continue,
            Value::Object(_) if key == "vufind" => continue,
            Value::Object(fields) if fields.is_empty() => continue,
            other => other.to_string(),
        };
        writeln!(out, "{key:<21} {shown}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides, Secrets, load};

    fn checked(json: bool) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        let file = "[[source]]\nname = 'a'\nurl = 'https://a.org/oai'\nsets = ['s', 't']\n\
                    api_key = 'hush'\nuser = 'me'\npassword = 'hush'\nheaders = { X-A = 'hush' }\n\
                    proxy = 'http://me:hush@proxy'\n";
        std::fs::write(&path, file).unwrap();
        let overrides = Overrides {
            config: Some(path),
            store: Some("/store.db".into()),
            ..Overrides::default()
        };
        let mut config = load(&overrides, &Environment::default(), Secrets::Reported).unwrap();
        config.file = Some("c.toml".into());
        let mut out = Vec::new();
        run(&config, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_shows_what_would_be_done_and_no_secret() {
        let text = checked(false);
        for line in [
            "config                c.toml",
            "store                 /store.db",
            "name                  a",
            "url                   https://a.org/oai",
            "sets                  s, t",
            "credentials           api_key, user me, header X-A",
            "overlap               2days",
            "listen                127.0.0.1:8017",
            "schedule              0 3 * * *",
            "hours                 0-24",
            "proxy                 http://proxy/",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        assert!(!text.contains("hush"));
    }

    #[test]
    fn json_has_the_keys_of_the_file() {
        let text = checked(true);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["source"][0]["metadata_prefix"], "oai_dc");
        assert_eq!(value["source"][0]["max_depth"], 256);
        assert_eq!(value["source"][0]["from"], Value::Null);
        assert!(!text.contains("hush"));
    }
}
