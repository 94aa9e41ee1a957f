//! The exit status: what a script may conclude from it.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use thiserror::Error;

use crate::config::ConfigError;
use crate::end::End;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all that was asked for is done; every source is complete.
    Done,
    /// 1: something else went wrong.
    Failed,
    /// 2: wrong usage or configuration; trying again will not help.
    Usage,
    /// 3: some source is incomplete, and what was stored stays for the next run to go on; or some
    /// records could not be written, and all others were.
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

/// Arguments that are each right and make no sense together or with the configuration.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl Exit {
    /// How the program ends after runs that ended so: as the worst of them.
    pub fn after_runs<'a>(mut ends: impl Iterator<Item = &'a End> + Clone) -> Self {
        if ends.clone().any(|end| matches!(end, End::Failed(_))) {
            Self::Failed
        } else if ends.any(|end| *end != End::Complete) {
            Self::Incomplete
        } else {
            Self::Done
        }
    }

    /// How the program ends after `error`.
    ///
    /// A reader that closed our standard output (`harvestd export | head`) has what it wanted.
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
