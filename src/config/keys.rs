//! Which keys there are, where each may stand, and which one a misspelt key meant.

use rapidfuzz::distance::damerau_levenshtein;

/// Keys at the top of the file. Each can also be set as `HARVESTD_<KEY>`.
pub(crate) const TOP: &[&str] = &["store", "contact", "log", "log_format"];

/// Keys of `[daemon]`. Each can also be set as `HARVESTD_DAEMON_<KEY>`.
pub(crate) const DAEMON: &[&str] = &[
    "listen",
    "max_hosts",
    "history_days",
    "tombstone_days",
    "search",
    "grace",
    "alert",
    "webhook",
    "webhook_file",
    "webhook_credential",
    "min_free_bytes",
    "behind_after",
    "token",
    "token_file",
    "token_credential",
];

/// Tables at the top of the file.
pub(crate) const TABLES: &[&str] = &[
    "daemon", "defaults", "dedup", "export", "output", "source", "vufind",
];

/// Keys of `[dedup]`.
pub(crate) const DEDUP: &[&str] = &["enabled", "sources", "enrich"];

/// Keys that only a `[[source]]` has: what one source is, and who we are to it.
///
/// Credentials are not taken from `[defaults]`, where they would be sent to every repository.
pub(crate) const SOURCE_ONLY: &[&str] = &[
    "name",
    "url",
    "api_key",
    "api_key_file",
    "api_key_credential",
    "user",
    "password",
    "password_file",
    "password_credential",
    "bearer",
    "bearer_file",
    "bearer_credential",
    "headers",
];

/// Keys of a `[[source]]` that `[defaults]` may give for all.
pub(crate) const SHARED: &[&str] = &[
    "metadata_prefix",
    "sets",
    "from",
    "until",
    "granularity",
    "assume",
    "overlap",
    "delay",
    "window_records",
    "retries",
    "retry_pause",
    "max_wait",
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
    "min_bytes_per_second",
    "max_body_bytes",
    "max_inflated_bytes",
    "max_depth",
    "max_page_records",
    "ca_file",
    "proxy",
    "schedule",
    "time_zone",
    "spread",
    "hours",
    "reconcile",
    "reconcile_max_percent",
];

/// Keys of an `[[output]]`, beside those of [`documents::KEYS`](super::documents::KEYS).
pub(crate) const OUTPUT: &[&str] = &[
    "name",
    "type",
    "urls",
    "user",
    "password",
    "password_file",
    "password_credential",
    "bearer",
    "bearer_file",
    "bearer_credential",
    "headers",
    "sources",
    "sets",
    "per",
    "batch_documents",
    "batch_bytes",
    "parallel_requests",
    "commit_within",
    "retries",
    "retry_pause",
    "connect_timeout",
    "total_timeout",
    "ca_file",
    "proxy",
    "version_field",
    "audit_filter",
    "compare_fields",
    "after_pass",
    "schedule",
    "time_zone",
    "hours",
];

/// Keys of an `[[export]]`.
pub(crate) const EXPORT: &[&str] = &[
    "name",
    "path",
    "format",
    "per",
    "sources",
    "sets",
    "since_previous",
    "after_pass",
    "schedule",
    "time_zone",
    "hours",
];

/// The kinds of table that a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Before the first table.
    Top,
    /// `[defaults]`.
    Defaults,
    /// `[dedup]`.
    Dedup,
    /// `[daemon]`.
    Daemon,
    /// `[[source]]`.
    Source,
    /// `[vufind]`.
    Vufind,
    /// `[[output]]`.
    Output,
    /// `[[export]]`.
    Export,
}

impl Scope {
    /// The name of its table; of the keys before the first one, what they are part of.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Top => "file",
            Self::Defaults => "defaults",
            Self::Dedup => "dedup",
            Self::Daemon => "daemon",
            Self::Source => "source",
            Self::Vufind => "vufind",
            Self::Output => "output",
            Self::Export => "export",
        }
    }

    /// The key of this name, if it may stand here.
    pub(crate) fn find(self, name: &str) -> Option<&'static str> {
        self.keys().find(|key| *key == name)
    }

    /// Every key that may stand here.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'static str> {
        let lists: [&[&str]; 2] = match self {
            Self::Top => [TOP, &[]],
            Self::Defaults => [SHARED, &[]],
            Self::Dedup => [DEDUP, &[]],
            Self::Daemon => [DAEMON, &[]],
            Self::Source => [SOURCE_ONLY, SHARED],
            Self::Vufind => [super::documents::KEYS, &[]],
            Self::Output => [OUTPUT, super::documents::KEYS],
            Self::Export => [EXPORT, super::documents::KEYS],
        };
        lists.into_iter().flatten().copied()
    }

    /// What to tell whoever wrote `name` here, where it is not known.
    pub(crate) fn unknown(self, name: &str) -> String {
        if self != Self::Top && TOP.contains(&name) {
            return "belongs at the top of the file, before the first table".to_owned();
        }
        if self != Self::Daemon && DAEMON.contains(&name) {
            return "belongs in [daemon]".to_owned();
        }
        if matches!(self, Self::Top | Self::Daemon) && Self::Source.find(name).is_some() {
            return "belongs in a [[source]] or, for all sources, in [defaults]".to_owned();
        }
        if name == "renames" {
            return "is called rename_fields now".to_owned();
        }
        if !matches!(self, Self::Vufind | Self::Output | Self::Export)
            && super::documents::KEYS.contains(&name)
        {
            return "belongs in the table [vufind]".to_owned();
        }
        if self == Self::Defaults && SOURCE_ONLY.contains(&name) {
            return "belongs in one [[source]]; [defaults] is for all of them".to_owned();
        }
        let tables: &[&str] = if self == Self::Top { TABLES } else { &[] };
        match nearest(name, self.keys().chain(tables.iter().copied())) {
            Some(meant) => format!("unknown key; did you mean {meant}?"),
            None if self == Self::Top && Self::Output.find(name).is_some() => {
                "belongs in an [[output]]".to_owned()
            }
            None => "unknown key".to_owned(),
        }
    }
}

/// The candidate that `name` is most likely a misspelling of, if one is near.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| {
            (
                damerau_levenshtein::distance(name.chars(), candidate.chars()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.len() / 4 + 1)
        // Of one or two letters, everything would be near everything.
        .filter(|(distance, candidate)| distance * 2 < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_find_what_was_meant() {
        let cases = [
            (
                "letter",
                Scope::Source,
                "overlop",
                "unknown key; did you mean overlap?",
            ),
            (
                "swapped",
                Scope::Defaults,
                "dealy",
                "unknown key; did you mean delay?",
            ),
            (
                "hyphen",
                Scope::Source,
                "api-key",
                "unknown key; did you mean api_key?",
            ),
            (
                "plural table",
                Scope::Top,
                "sources",
                "unknown key; did you mean source?",
            ),
            ("nothing near", Scope::Source, "colour", "unknown key"),
            (
                "top key below",
                Scope::Source,
                "store",
                "belongs at the top of the file, before the first table",
            ),
            (
                "source key at top",
                Scope::Top,
                "delay",
                "belongs in a [[source]] or, for all sources, in [defaults]",
            ),
            (
                "catalogue key of a source",
                Scope::Source,
                "institution",
                "belongs in the table [vufind]",
            ),
            (
                "secret for all",
                Scope::Defaults,
                "api_key",
                "belongs in one [[source]]; [defaults] is for all of them",
            ),
        ];
        for (case, scope, name, expected) in cases {
            assert_eq!(scope.unknown(name), expected, "{case}");
        }
    }
}
