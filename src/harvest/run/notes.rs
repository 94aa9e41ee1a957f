//! What one run says about itself: notes, repeated troubles, repairs, remarks for the history.

use std::collections::BTreeMap;

use crate::harvest::progress::{Event, Progress};
use crate::oai::response::{Repair, RepairKind};

/// What one run says about itself.
pub(in crate::harvest) struct Notes<'a> {
    progress: &'a dyn Progress,
    source: &'a str,
    /// Each trouble that was noted, and how often it came again.
    troubles: BTreeMap<String, u32>,
    /// Remarks for the history of the pass.
    remarks: Vec<String>,
    /// Repairs that made answers readable.
    repairs: BTreeMap<RepairKind, u64>,
}

impl<'a> Notes<'a> {
    /// No notes yet on the run over `source`.
    pub(in crate::harvest) fn new(progress: &'a dyn Progress, source: &'a str) -> Self {
        Self {
            progress,
            source,
            troubles: BTreeMap::new(),
            remarks: Vec::new(),
            repairs: BTreeMap::new(),
        }
    }

    /// Notes something for people.
    pub(in crate::harvest) fn note(&self, message: &str) {
        self.progress
            .event(self.source, Event::Note(message.to_owned()));
    }

    /// Notes something for people and for the history of the pass.
    pub(in crate::harvest) fn remark(&mut self, remark: String) {
        self.note(&remark);
        self.remarks.push(remark);
    }

    /// Takes the remarks for the history of the pass; `None` if there are none.
    pub(in crate::harvest) fn take_remarks(&mut self) -> Option<String> {
        let remarks = std::mem::take(&mut self.remarks);
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }

    /// Notes why a window fails and what happens next. The same trouble of another window is only
    /// counted: one record can break many windows before it is found.
    pub(in crate::harvest) fn trouble(&mut self, why: &str, what_next: &str) {
        // The request differs from window to window.
        let answer = why.split_once(" answered ").map_or(why, |(_, after)| after);
        let key = format!("{answer}; {what_next}");
        if let Some(more) = self.troubles.get_mut(&key) {
            *more += 1;
            tracing::debug!(source.id = %self.source, "{why}; {what_next}");
            return;
        }
        self.note(&format!("{why}; {what_next}"));
        self.troubles.insert(key, 0);
    }

    /// Says how often each trouble came again.
    pub(in crate::harvest) fn sum_up_troubles(&mut self) {
        for (trouble, more) in std::mem::take(&mut self.troubles) {
            if more > 0 {
                self.note(&format!("{more} more times: {trouble}"));
            }
        }
    }

    /// Counts the repairs of an answer.
    pub(in crate::harvest) fn add_repairs(&mut self, repairs: &[Repair]) {
        for repair in repairs {
            *self.repairs.entry(repair.kind).or_default() += repair.count;
        }
    }

    /// The repairs of the run in words; `None` if there were none.
    pub(in crate::harvest) fn repairs_in_words(&self) -> Option<String> {
        let repairs: Vec<String> = self
            .repairs
            .iter()
            .map(|(kind, count)| format!("{} ({count})", repair_in_words(*kind)))
            .collect();
        (!repairs.is_empty()).then(|| repairs.join(", "))
    }
}

fn repair_in_words(kind: RepairKind) -> &'static str {
    match kind {
        RepairKind::UncleanEnd => "responses whose transport did not end properly",
        RepairKind::LeadingJunk => "text before the document",
        RepairKind::TrailingJunk => "text after the document",
        RepairKind::Encoding => "an encoding that is not the declared one",
        RepairKind::InvalidUtf8 => "bytes that are no UTF-8",
        RepairKind::SurrogatePair => "characters written as surrogates",
        RepairKind::ForbiddenCharacter => "characters that XML forbids",
        RepairKind::BareAmpersand => "bare ampersands",
        RepairKind::BareLessThan => "bare less-than signs",
        RepairKind::HtmlEntity => "entities of HTML",
        RepairKind::InnerDeclaration => "XML declarations in mid-document",
        RepairKind::DocumentType => "document type declarations",
        RepairKind::EnvelopeNamespace => "a wrong or missing namespace",
        RepairKind::UndeclaredPrefix => "prefixes that are not declared",
    }
}
