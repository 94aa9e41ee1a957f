//! The exit status of the program.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use thiserror::Error;

use crate::config::ConfigError;
use crate::end::End;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything is done, and every source is complete.
    Done,
    /// 1: the command failed for another reason.
    Failed,
    /// 2: wrong usage or configuration; a retry does not help.
    Usage,
    /// 3: some source is incomplete, and the next run resumes it; or some records could not be written,
    /// and all others were.
    Incomplete,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Incomplete => 3,
        })
    }
}

/// Arguments that contradict each other or the configuration.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl Exit {
    /// The exit status after several runs: that of the worst one.
    pub fn after_runs<'a>(mut ends: impl Iterator<Item = &'a End> + Clone) -> Self {
        if ends.clone().any(|end| matches!(end, End::Failed(_))) {
            Self::Failed
        } else if ends.any(|end| *end != End::Complete) {
            Self::Incomplete
        } else {
            Self::Done
        }
    }

    /// The exit status after `error`.
    ///
    /// A reader that closes our standard output (`harvestd export | head`) has all it wants.
    pub fn after(error: &anyhow::Error) -> Self {
        if error.chain().any(is_closed_pipe) {
            Self::Done
        } else if error.chain().any(is_usage) {
            Self::Usage
        } else {
            Self::Failed
        }
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn is_usage(error: &(dyn Error + 'static)) -> bool {
    error.is::<UsageError>() || error.is::<ConfigError>()
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn errors_have_their_status() {
        let io = |kind| anyhow::Error::from(io::Error::from(kind));
        let cases = [
            (
                "closed pipe",
                io(io::ErrorKind::BrokenPipe).context("writing"),
                Exit::Done,
            ),
            ("disk", io(io::ErrorKind::StorageFull), Exit::Failed),
            ("usage", UsageError("no".into()).into(), Exit::Usage),
            (
                "configuration",
                Err::<(), _>(ConfigError::NoStore)
                    .context("starting")
                    .unwrap_err(),
                Exit::Usage,
            ),
            ("anything", anyhow::anyhow!("no"), Exit::Failed),
        ];
        for (case, error, expected) in cases {
            assert_eq!(Exit::after(&error), expected, "{case}");
        }
    }
}
