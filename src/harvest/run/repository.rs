//! What one run knows of its repository.

use crate::harvest::assume::{self, Assumption};
use crate::harvest::reading::Rules;
use crate::harvest::request_form;
use crate::harvest::settings::SourceSettings;
use crate::store::Traits;

/// What one run knows of its repository: stored traits, new ones, and configured ones over both.
pub(in crate::harvest) struct Repository<'a> {
    settings: &'a SourceSettings,
    /// The traits as they are known now.
    pub(in crate::harvest) traits: Traits,
    /// The traits as the store has them.
    saved: Traits,
    /// Lists of this run have shown that `from` and `until` have no effect.
    dates_disproven: bool,
    /// Later pages of a set's list have shown records of other sets in this run.
    pub(in crate::harvest) sets_forgotten: bool,
    /// A page of this run was in another format than asked for.
    pub(in crate::harvest) shows_other_format: bool,
    /// A list of this run had nothing.
    pub(in crate::harvest) had_empty_list: bool,
    /// A resumption has worked in this run, so that its form is right.
    pub(in crate::harvest) tokens_work: bool,
    /// Its `<request>` shows other tokens than were sent, also when asked again.
    pub(in crate::harvest) echoes_other_tokens: bool,
}

impl<'a> Repository<'a> {
    /// A repository of which nothing is known.
    pub(in crate::harvest) fn new(settings: &'a SourceSettings) -> Self {
        Self {
            settings,
            traits: Traits::default(),
            saved: Traits::default(),
            dates_disproven: false,
            sets_forgotten: false,
            shows_other_format: false,
            had_empty_list: false,
            tokens_work: false,
            echoes_other_tokens: false,
        }
    }

    /// Takes over the traits of the store.
    pub(in crate::harvest) fn load(&mut self, stored: &Traits) {
        self.traits.clone_from(stored);
        self.saved.clone_from(stored);
        self.apply_configuration();
    }

    /// The traits to store; `None` if the store has them already.
    pub(in crate::harvest) fn unsaved(&mut self) -> Option<&Traits> {
        self.apply_configuration();
        (self.traits != self.saved).then_some(&self.traits)
    }

    /// The traits are stored.
    pub(in crate::harvest) fn set_saved(&mut self) {
        self.saved.clone_from(&self.traits);
    }

    /// Lists have shown that `from` and `until` have no effect.
    pub(in crate::harvest) fn disprove_dates(&mut self) {
        self.traits.ignores_dates = true;
        self.dates_disproven = true;
    }

    /// Whether an earlier run has taken `from` or `until` to have no effect or to fail, and neither this run nor a person
    /// says so.
    pub(in crate::harvest) fn doubts_dates(&self) -> bool {
        let is_assumed =
            |assumption: &Assumption| matches!(assumption, Assumption::IgnoresDates(_));
        (self.traits.ignores_dates || self.traits.rejects_until)
            && !self.dates_disproven
            && !self.settings.assume.iter().any(is_assumed)
    }

    /// Requests with `from` and `until` work.
    pub(in crate::harvest) fn trust_dates(&mut self) {
        self.traits.ignores_dates = false;
        self.traits.rejects_until = false;
    }

    /// Forgets the traits that a full list shows again: the size at which lists end and, for a new
    /// list, whether dates and sets have no effect.
    pub(in crate::harvest) fn forget_list_traits(&mut self, is_new_list: bool) {
        if is_new_list {
            self.traits.ignores_dates = false;
            self.traits.rejects_until = false;
            self.traits.ignores_sets = None;
            self.traits.metadata_roots.clear();
        }
        self.traits.whole_at = None;
        self.traits.cut_off_at = None;
    }

    /// The rules for reading lists. `short_at` is explained at [`Rules::short_at`].
    pub(in crate::harvest) fn rules(&self, short_at: Option<u64>) -> Rules {
        let traits = &self.traits;
        Rules {
            granularity: request_form::granularity(traits),
            window_records: self.settings.window_records,
            earliest: traits.earliest,
            may_split: !traits.ignores_dates && !traits.rejects_until,
            ignores_dates: traits.ignores_dates,
            list_size_lies: traits.list_size_lies,
            tokens_name_items: traits.tokens_name_items == Some(true),
            whole_at: traits.whole_at,
            cut_off_at: traits.cut_off_at,
            short_at,
        }
    }

    /// Configured traits win, except for dates that this run has disproven: a list would be split for
    /// ever.
    fn apply_configuration(&mut self) {
        if self.settings.granularity.is_some() {
            self.traits.granularity = self.settings.granularity;
        }
        assume::apply(&self.settings.assume, &mut self.traits);
        self.traits.ignores_dates |= self.dates_disproven;
    }
}
