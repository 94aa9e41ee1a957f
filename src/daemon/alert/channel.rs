//! The channels of alerts: a program that is run, and a URL that is posted to.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::process::Command;
use url::Url;

use crate::config::Config;
use crate::http::{Client, ClientSettings, Protocol, Secret, error_text, one_line};

/// The longest run of the program. A longer one is killed, so that alerts do not pile up behind it.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// The longest time for a whole request to a webhook.
const LONGEST_POST: Duration = Duration::from_secs(30);

/// A channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// `alert`.
    Command,
    /// `webhook`.
    Webhook,
}

impl Channel {
    /// All channels.
    pub(super) const ALL: [Self; 2] = [Self::Command, Self::Webhook];

    /// The word for it in the store.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Webhook => "webhook",
        }
    }

    /// Whether it is configured.
    pub(super) fn is_configured(self, config: &Config) -> bool {
        match self {
            Self::Command => config.daemon.alert.is_some(),
            Self::Webhook => config.daemon.webhook.is_some(),
        }
    }

    /// Sends an alert, which is JSON.
    pub(super) async fn send(self, config: &Config, body: &str) -> Result<(), Undelivered> {
        match (self, &config.daemon.alert, &config.daemon.webhook) {
            (Self::Command, Some(program), _) => {
                run(program, body).await.map_err(|error| Undelivered {
                    why: format!("{}: {}", program.display(), error.why),
                    ..error
                })
            }
            (Self::Webhook, _, Some(url)) => post(url, body).await,
            _ => Ok(()),
        }
    }
}

/// Why an alert was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undelivered {
    /// The reason, for people: one line without secrets.
    pub(super) why: String,
    /// Whether this alert is at fault, so that other alerts may pass. Else it is the way to deliver it.
    pub(super) is_of_alert: bool,
}

impl Undelivered {
    /// The channel does not work at the moment.
    fn of_channel(why: impl Display) -> Self {
        Self {
            why: one_line(&why.to_string()),
            is_of_alert: false,
        }
    }

    /// The channel does not take this alert.
    fn of_alert(why: impl Display) -> Self {
        Self {
            is_of_alert: true,
            ..Self::of_channel(why)
        }
    }
}

/// The variables of our own environment that a program which is told an alert gets too: they say where the
/// store is. All others of ours are settings, secrets among them.
const PASSED_ON: [&str; 2] = ["HARVESTD_CONFIG", "HARVESTD_STORE"];

/// Runs `program` without arguments and without a shell. The alert is in its environment, so that no text of a
/// repository is read as a command.
async fn run(program: &Path, body: &str) -> Result<(), Undelivered> {
    let alert: Value = serde_json::from_str(body).map_err(Undelivered::of_alert)?;
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("HARVESTD_") && !PASSED_ON.contains(&&*name) {
            command.env_remove(&variable);
        }
    }
    for (variable, key) in [
        ("HARVESTD_ALERT_SUBJECT", "subject"),
        ("HARVESTD_ALERT_NAME", "name"),
        ("HARVESTD_ALERT_CONDITION", "condition"),
        ("HARVESTD_ALERT_STATE", "state"),
        ("HARVESTD_ALERT_MESSAGE", "message"),
    ] {
        // An environment cannot hold a NUL.
        let text = alert[key].as_str().unwrap_or_default().replace('\0', " ");
        command.env(variable, text);
    }
    let mut child = command
        .env("HARVESTD_ALERT", body)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            // The system limits the size of a variable.
            ErrorKind::ArgumentListTooLong | ErrorKind::InvalidInput => {
                Undelivered::of_alert(error)
            }
            _ => Undelivered::of_channel(error),
        })?;
    match tokio::time::timeout(LONGEST_RUN, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Undelivered::of_channel(status)),
        Ok(Err(error)) => Err(Undelivered::of_channel(error)),
        Err(_) => Err(Undelivered::of_channel(format!(
            "killed after {} s",
            LONGEST_RUN.as_secs()
        ))),
    }
}

/// Posts `body`, and accepts each answer of 2xx. Redirects are not followed: a POST would lose its body.
async fn post(url: &Secret, body: &str) -> Result<(), Undelivered> {
    let url = Url::parse(url.expose())
        .map_err(|error| Undelivered::of_channel(format!("the webhook: {error}")))?;
    // The path may be a secret, so only the host is shown.
    let shown = url.host_str().unwrap_or("the webhook").to_owned();
    let settings = ClientSettings::new(url.clone());
    let protocol = Protocol {
        accept: "*/*",
        arguments: &[],
        is_whole: |_| false,
    };
    let client = Client::new(&settings, protocol)
        .map_err(|error| Undelivered::of_channel(format!("{shown}: {error}")))?;
    let request = client
        .request(Method::POST, url)
        .header(CONTENT_TYPE, "application/json")
        .timeout(LONGEST_POST)
        .body(body.to_owned());
    match client.send(request).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let why = format!("{shown}: HTTP {}", answer.status());
            Err(match answer.status().as_u16() {
                // Other statuses of 4xx are about the address, the login or the time.
                400 | 405 | 406 | 410..=417 | 422 | 431 | 451 => Undelivered::of_alert(why),
                _ => Undelivered::of_channel(why),
            })
        }
        Err(error) => {
            let why = error_text(&error.without_url());
            Err(Undelivered::of_channel(format!("{shown}: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_get_the_alert_in_their_environment() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (program, heard) = (folder.path().join("tell"), folder.path().join("heard"));
        let script = format!(
            "#!/bin/sh\nprintf '%s|' \"$HARVESTD_ALERT_SUBJECT\" \"$HARVESTD_ALERT_NAME\" \
             \"$HARVESTD_ALERT_CONDITION\" \"$HARVESTD_ALERT_STATE\" \
             \"$HARVESTD_ALERT_MESSAGE\" > '{}'\n\n",
            heard.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let body = r#"{"subject": "source", "name": "a", "condition": "failing",
            "state": "begun", "message": "HTTP 500 $(reboot)\u0000"}"#;
        run(&program, body).await.unwrap();
        let text = std::fs::read_to_string(&heard).unwrap();
        assert_eq!(text, "source|a|failing|begun|HTTP 500 $(reboot) |");
        let missing = run(&folder.path().join("none"), body).await.unwrap_err();
        assert!(missing.why.contains("No such file"), "{missing:?}");
        assert!(!missing.is_of_alert, "the program may come back");
        let large = body.replace("HTTP 500", &"x".repeat(140_000));
        let refused = run(&program, &large).await.unwrap_err();
        assert!(refused.is_of_alert, "{refused:?}");
        assert!(run(&program, "{").await.unwrap_err().is_of_alert);
    }

    #[tokio::test]
    async fn errors_show_no_secret() {
        // Nothing listens at port 1.
        let url = Secret::new("http://127.0.0.1:1/hooks/s3cret?key=s3cret");
        let Undelivered { why, is_of_alert } = post(&url, "{}").await.unwrap_err();
        assert!(!is_of_alert);
        assert!(why.starts_with("127.0.0.1: "), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
}
