//! The repository's clock and the newest datestamp, as the answers of one run show them.

use crate::oai::{Content, Datestamp};

/// The repository's clock and the newest datestamp, as the answers of one run show them.
#[derive(Debug, Default)]
pub(in crate::harvest) struct Clocks {
    /// The repository's clock at the last page of records; `None` if that page told none.
    pub(in crate::harvest) last_page: Option<Datestamp>,
    /// The repository's clock at the last answer that told it.
    pub(in crate::harvest) last_answer: Option<Datestamp>,
    /// The newest datestamp that is not in the repository's future.
    pub(in crate::harvest) newest: Option<Datestamp>,
}

impl Clocks {
    /// Takes up an answer to a list request. `clock` is the repository's, as far as it is believed.
    pub(in crate::harvest) fn hear(&mut self, clock: Option<Datestamp>, content: &Content) {
        self.last_answer = clock.or(self.last_answer);
        let Content::Records(list) = content else {
            return;
        };
        self.last_page = clock;
        let Some(now) = clock else {
            return;
        };
        let newest = list
            .items
            .iter()
            .filter_map(|record| record.header.instant())
            .filter(|at| *at <= now)
            .max();
        self.newest = self.newest.max(newest);
    }
}
