//! The channels of alerts: a program that is run, and a URL that is posted to.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::process::Command;
use url::Url;

use crate::config::Config;
use crate::http::{Client, ClientSettings, Protocol, Secret, error_text};

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

    /// Sends an alert, which is JSON. The error is for people and has no secrets.
    pub(super) async fn send(self, config: &Config, body: &str) -> Result<(), String> {
        match (self, &config.daemon.alert, &config.daemon.webhook) {
            (Self::Command, Some(program), _) => run(program, body)
                .await
                .map_err(|why| format!("{}: {why}", program.display())),
            (Self::Webhook, _, Some(url)) => post(url, body).await,
            _ => Ok(()),
        }
    }
}

/// Runs `program` without arguments and without a shell. The alert is in its environment, so that no text of a
/// repository is read as a command.
async fn run(program: &Path, body: &str) -> Result<(), String> {
    let alert: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
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
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(LONGEST_RUN, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("killed after {} s", LONGEST_RUN.as_secs())),
    }
}

/// Posts `body`, and accepts each answer of 2xx. Redirects are not followed: a POST would lose its body.
async fn post(url: &Secret, body: &str) -> Result<(), String> {
    let url = Url::parse(url.expose()).map_err(|error| format!("the webhook: {error}"))?;
    // The path may be a secret, so only the host is shown.
    let shown = url.host_str().unwrap_or("the webhook").to_owned();
    let settings = ClientSettings::new(url.clone());
    let protocol = Protocol {
        accept: "*/*",
        arguments: &[],
    };
    let client = Client::new(&settings, protocol).map_err(|error| format!("{shown}: {error}"))?;
    let request = client
        .request(Method::POST, url)
        .header(CONTENT_TYPE, "application/json")
        .timeout(LONGEST_POST)
        .body(body.to_owned());
    match client.send(request).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("{shown}: HTTP {}", answer.status())),
        Err(error) => Err(format!("{shown}: {}", error_text(&error.without_url()))),
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
        let missing = run(&folder.path().join("none"), body).await;
        assert!(missing.unwrap_err().contains("No such file"));
    }

    #[tokio::test]
    async fn errors_show_no_secret() {
        // Nothing listens at port 1.
        let url = Secret::new("http://127.0.0.1:1/hooks/s3cret?key=s3cret");
        let why = post(&url, "{}").await.unwrap_err();
        assert!(why.starts_with("127.0.0.1: "), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
}
