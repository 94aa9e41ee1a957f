//! Why a run stops before its end.

use std::fmt;

use crate::end::End;
use crate::harvest::commit::StoringStopped;
use crate::harvest::first_contact::Unreached;
use crate::harvest::requester::RequestError;
use crate::store::StoreError;

/// The saved records of the current pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::harvest) struct Saved {
    /// The records of the pass, also of earlier runs.
    pub(in crate::harvest) records: u64,
    /// The size of its list, if the repository announced one.
    pub(in crate::harvest) announced: Option<u64>,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = grouped(self.records);
        match self.announced.filter(|announced| *announced > self.records) {
            Some(announced) => write!(f, "{records} of {} records saved", grouped(announced)),
            None => write!(f, "{records} records saved"),
        }
    }
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Why a run stops before its end.
#[derive(Debug)]
pub(in crate::harvest) enum Halt {
    /// The program was told to stop.
    Stopped,
    /// The limit of items is reached.
    LimitReached,
    /// The host wants a longer pause than this run waits.
    HostPaused {
        /// The end of the pause, in milliseconds since 1970 on our clock.
        until_ms: i64,
        /// The answer of the host.
        why: String,
        /// Whether it keeps programs out, by a challenge for people.
        challenges: bool,
    },
    /// The repository refuses every request, for this reason.
    Refused(String),
    /// The repository does not answer, for this reason.
    Unavailable(String),
    /// A part of the lists could not be read, for this reason.
    Unfinished(String),
    /// All lists were read but for their gaps, which are these.
    GapsLeft(String),
    /// The repository cannot list identifiers alone, for this reason.
    CannotListIdentifiers(String),
    /// The run waits for a person, for this reason.
    Held(String),
    /// The store failed.
    Store(StoreError),
    /// The source was never reached, and no repository is at its address.
    Unreached(Unreached),
    /// The storing thread has stopped; its own error says why.
    StoringStopped,
}

/// The note of a pass that stopped at its limit of items.
pub(in crate::harvest) const LIMIT_REACHED: &str = "limit reached";

impl Halt {
    /// The end of the run for its report. `saved` says how many records are saved.
    pub(in crate::harvest) fn into_end(self, saved: Saved, now_ms: i64) -> End {
        match self {
            Self::Stopped => End::Incomplete(format!("interrupted: {saved}; run again to resume")),
            Self::LimitReached => {
                End::Incomplete(format!("{LIMIT_REACHED}: {saved}; run again to resume"))
            }
            Self::HostPaused { until_ms, why, .. } => {
                let minutes = until_ms.saturating_sub(now_ms).max(0) / 60_000 + 1;
                End::Incomplete(format!(
                    "{why}; the host is not asked again for {minutes} minutes"
                ))
            }
            Self::Refused(why) => End::Incomplete(format!(
                "{why}; the next run resumes once that is corrected"
            )),
            Self::Unavailable(why) => End::Incomplete(format!("{why}; the next run resumes")),
            Self::Unfinished(why) | Self::CannotListIdentifiers(why) => End::Incomplete(format!(
                "{why}; the watermark stays where it is; the next run resumes"
            )),
            Self::Held(why) => End::Incomplete(why),
            Self::GapsLeft(gaps) => End::GapsLeft(gaps),
            Self::Unreached(Unreached { why, .. }) => {
                End::Failed(format!("{why}; nothing was stored"))
            }
            Self::Store(error) if error.is_transient() => End::Incomplete(error.to_string()),
            Self::Store(error @ StoreError::SourceLocked { .. }) => {
                End::Incomplete(error.to_string())
            }
            Self::Store(error) => End::Failed(error.to_string()),
            Self::StoringStopped => End::Failed("storing stopped without a reason".to_owned()),
        }
    }

    /// Whether the repository answers, and refuses every request.
    pub(in crate::harvest) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Unreached(Unreached {
                    has_server: true,
                    ..
                })
                | Self::HostPaused {
                    challenges: true,
                    ..
                }
        )
    }

    /// The note that the pass keeps in its history.
    pub(in crate::harvest) fn note(&self) -> String {
        match self {
            Self::Stopped => "stopped".to_owned(),
            Self::LimitReached => LIMIT_REACHED.to_owned(),
            Self::HostPaused { why, .. }
            | Self::Refused(why)
            | Self::Unavailable(why)
            | Self::Unfinished(why)
            | Self::Held(why)
            | Self::GapsLeft(why)
            | Self::CannotListIdentifiers(why)
            | Self::Unreached(Unreached { why, .. }) => why.clone(),
            Self::Store(error) => error.to_string(),
            Self::StoringStopped => "storing stopped".to_owned(),
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StoringStopped> for Halt {
    fn from(_: StoringStopped) -> Self {
        Self::StoringStopped
    }
}

impl From<RequestError> for Halt {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Stopped => Self::Stopped,
            RequestError::HostPaused {
                until_ms,
                why,
                challenges,
            } => Self::HostPaused {
                until_ms,
                why,
                challenges,
            },
            RequestError::Refused { why, .. } => Self::Refused(why),
            RequestError::Failed { why, .. } => Self::Unavailable(why),
            RequestError::Held(why) => Self::Held(why),
            RequestError::Unreached(unreached) => Self::Unreached(unreached),
            RequestError::Store(error) => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_says_how_many_records_are_saved() {
        let cases = [
            (0, None, "0 records saved"),
            (999, None, "999 records saved"),
            (1_185, Some(2_937), "1,185 of 2,937 records saved"),
            (1_234_567, Some(1_000), "1,234,567 records saved"),
        ];
        for (records, announced, expected) in cases {
            let saved = Saved { records, announced };
            assert_eq!(saved.to_string(), expected);
        }
    }
}
