//! How much a run may bring, compared with what is known: a list of ever new records has to end.

use crate::harvest::settings::SourceSettings;

/// A source whose list was complete once may bring this part of the limits, or more if it is large.
const PART: u64 = 20;

/// How many times the known records a run may list.
const TIMES: u64 = 10;

/// How many bytes a record takes on the wire, at most, on average. Common records take 1 to 8 KiB.
const RECORD_BYTES: u64 = 16 << 10;

/// How much a run may still bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::harvest) struct Growth {
    most_records: u64,
    most_bytes: u64,
    records: u64,
    bytes: u64,
}

impl Growth {
    /// A run over a source with `known` records, live and deleted. `is_complete` if a list of everything
    /// has ended once, so that `known` tells how large the source is.
    pub(in crate::harvest) fn new(
        settings: &SourceSettings,
        known: u64,
        is_complete: bool,
    ) -> Self {
        let part = if is_complete { PART } else { 1 };
        let most_records = known.saturating_mul(TIMES);
        Self {
            most_records: most_records.max(settings.max_run_records / part),
            most_bytes: most_records
                .saturating_mul(RECORD_BYTES)
                .max(settings.max_run_bytes / part),
            records: 0,
            bytes: 0,
        }
    }

    /// Without any limit.
    pub(in crate::harvest) fn unlimited() -> Self {
        Self {
            most_records: u64::MAX,
            most_bytes: u64::MAX,
            records: 0,
            bytes: 0,
        }
    }

    /// Counts an answer.
    ///
    /// # Errors
    /// The limit that is exceeded, in words.
    pub(in crate::harvest) fn add(&mut self, records: u64, bytes: u64) -> Result<(), String> {
        self.records = self.records.saturating_add(records);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.records > self.most_records {
            return Err(format!(
                "the repository lists more than {} records in one run (max_run_records)",
                self.most_records
            ));
        }
        if self.bytes > self.most_bytes {
            return Err(format!(
                "the repository sends more than {} MiB in one run (max_run_bytes)",
                self.most_bytes >> 20
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ClientSettings;

    #[test]
    fn limits_follow_what_is_known() {
        let client = ClientSettings::new("https://x.example/oai".parse().unwrap());
        let settings = SourceSettings {
            max_run_records: 2_000,
            max_run_bytes: 40 << 20,
            ..SourceSettings::new("a", client, "oai_dc")
        };
        // Known records, whether a list was complete; the most records and MiB.
        let cases = [
            ("a new source", 0, false, 2_000, 40),
            ("after a part of its first list", 150, false, 2_000, 40),
            ("a small source", 5, true, 100, 2),
            ("a large source", 1_000_000, true, 10_000_000, 156_250),
            ("an unfinished large one", 1_000, false, 10_000, 156),
        ];
        for (case, known, is_complete, records, mib) in cases {
            let mut growth = Growth::new(&settings, known, is_complete);
            assert_eq!(growth.add(records, mib << 20), Ok(()), "{case}");
            let why = growth.add(1, 0).unwrap_err();
            assert!(why.contains("max_run_records"), "{case}: {why}");
            let mut growth = Growth::new(&settings, known, is_complete);
            let why = growth.add(0, (mib + 1) << 20).unwrap_err();
            assert!(why.contains("max_run_bytes"), "{case}: {why}");
        }
        assert_eq!(Growth::unlimited().add(1 << 60, 1 << 60), Ok(()));
    }
}
