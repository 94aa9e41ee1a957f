//! Tells someone when a source begins to fail, and when it works again: by running a program.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;

use super::board::Board;

/// A program that takes longer is ended, lest alerts pile up behind it.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// Alerts that may wait for the program; more than this say nothing new.
pub(super) const WAITING: usize = 64;

/// A change that people may want to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alert {
    /// The source.
    pub(super) source: String,
    /// Why it fails; `None` if it works again.
    pub(super) failure: Option<String>,
}

/// What a run that ended means after what was known before; `None` if it is nothing new.
///
/// The first failure is told, and the first complete run after it; not that a source works from
/// the start. A run that was told to stop says nothing.
pub(super) fn alert(source: &str, failing: &mut bool, failure: Option<&str>) -> Option<Alert> {
    let fails = failure.is_some();
    if std::mem::replace(failing, fails) == fails {
        return None;
    }
    Some(Alert {
        source: source.to_owned(),
        failure: failure.map(str::to_owned),
    })
}

/// Runs the configured program for each alert, one after the other. Ends only with its task.
pub(super) async fn tell(mut alerts: mpsc::Receiver<Alert>, board: Arc<Board>) {
    while let Some(alert) = alerts.recv().await {
        let Some(program) = board.config().daemon.alert.clone() else {
            continue;
        };
        if let Err(why) = run(&program, &alert).await {
            tracing::error!(
                source.id = %alert.source,
                "telling of it with {}: {why}", program.display()
            );
        }
    }
}

/// Runs `program` without arguments and without a shell; what there is to say is in its environment,
/// so that no text of a repository is ever read as a command.
async fn run(program: &PathBuf, alert: &Alert) -> Result<(), String> {
    let (state, message) = match &alert.failure {
        Some(why) => ("failing", why.as_str()),
        None => ("working", ""),
    };
    let mut child = Command::new(program)
        .env("HARVESTD_ALERT_SOURCE", &alert.source)
        .env("HARVESTD_ALERT_STATE", state)
        // An environment cannot hold a NUL.
        .env("HARVESTD_ALERT_MESSAGE", message.replace('\0', " "))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(LONGEST_RUN, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not done after {} s, ended", LONGEST_RUN.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told() {
        let runs = [
            ("works from the start", None, None),
            ("first failure", Some("no"), Some(Some("no"))),
            ("second failure", Some("no way"), None),
            ("works again", None, Some(None)),
            ("still works", None, None),
        ];
        let mut failing = false;
        for (case, failure, expected) in runs {
            let told = alert("a", &mut failing, failure).map(|alert| alert.failure);
            assert_eq!(
                told,
                expected.map(|failure| failure.map(str::to_owned)),
                "{case}"
            );
        }
    }

    #[tokio::test]
    async fn programs_hear_what_happened() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (program, heard) = (folder.path().join("tell"), folder.path().join("heard"));
        let script = format!(
            "#!/bin/sh\nprintf '%s|%s|%s' \"$HARVESTD_ALERT_SOURCE\" \"$HARVESTD_ALERT_STATE\" \
             \"$HARVESTD_ALERT_MESSAGE\" > '{}'\n\n",
            heard.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let alert = Alert {
            source: "a".into(),
            failure: Some("HTTP 500 $(reboot)".into()),
        };
        run(&program, &alert).await.unwrap();
        let text = std::fs::read_to_string(&heard).unwrap();
        assert_eq!(text, "a|failing|HTTP 500 $(reboot)");
        let missing = run(&folder.path().join("none"), &alert).await;
        assert!(missing.unwrap_err().contains("No such file"));
    }
}
