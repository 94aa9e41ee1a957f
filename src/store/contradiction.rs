//! Lists that contradict themselves: which of two states of one record is stored, and when a tombstone
//! is believed.
//!
//! A list can name one identifier several times: versions of a record, or a record and its tombstone.
//! The lists of two sets can do so too. Both rules here are pure, so that a pass gives the same result
//! each time nothing has changed.

/// What distinguishes two states of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) deleted: bool,
    /// In seconds since 1970; `None` if it cannot be read.
    pub(super) datestamp: Option<i64>,
}

/// When the stored state of a record was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Not by this pass.
    Before,
    /// By this pass, but not by the present reading: by another window, another set, or before an
    /// interruption.
    ThisPass,
    /// By the present reading of a list.
    ThisReading,
}

/// What becomes of a listed state that differs from the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is stored.
    Take,
    /// It is stored, and the state before loses: it is ignored when it is listed again.
    Replace,
    /// It is stored, and the tombstone before is in doubt: GetRecord decides.
    Revive,
    /// It loses.
    Keep,
    /// It is in doubt: GetRecord decides.
    Doubt,
    /// It is the tombstone of a live record, or older than the stored state, and waits until nothing in the pass can
    /// contradict it any more.
    Hold,
}

/// Chooses between the stored state of a record and another state that a list shows.
///
/// Of two states in one pass the newer one wins. A state that is older than the stored one can be the
/// present one all the same: the repository may have gone back to a copy of itself.
pub(super) fn choose(stored: State, listed: State, shown: Shown) -> Choice {
    let is_older = matches!(
        (listed.datestamp, stored.datestamp),
        (Some(listed), Some(stored)) if listed < stored
    );
    match (stored.deleted, listed.deleted, shown) {
        (false, true, _) => Choice::Hold,
        (false, false, Shown::Before) if is_older => Choice::Hold,
        (true, false, _) if is_older => Choice::Hold,
        // The lists of two sets can have tombstones of one record. The newer one stays in each pass.
        (true, true, _) if is_older => Choice::Keep,
        (_, _, Shown::Before) => Choice::Take,
        (true, false, _) => Choice::Revive,
        (false, false, Shown::ThisReading) if is_older => Choice::Keep,
        (false, false, Shown::ThisPass) if is_older => Choice::Doubt,
        _ => Choice::Replace,
    }
}

/// What is known about a tombstone when its pass is over, or cannot go on for now, and the record is
/// stored live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// The pass that showed the tombstone, or a later one, showed the record live.
    pub(super) is_listed_live: bool,
    /// The list of another configured set shows the record live, as far as is known, and does not call
    /// it deleted.
    pub(super) is_in_other_set: bool,
    /// GetRecord was to decide before and gave no answer, or has shown other records of the source live
    /// that were listed as deleted.
    pub(super) doubted: bool,
    /// The list that shows the tombstone was not read to its end, which may show the record live.
    pub(super) is_unfinished: bool,
    /// The tombstone is older than the stored state, whose time the pass has not listed: a list from a cache, for
    /// example, or of a gap.
    pub(super) is_outdated: bool,
    /// The pass is complete and listed everything.
    pub(super) is_whole: bool,
}

/// What becomes of a tombstone that waited for the end of its pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is stored.
    Believe,
    /// GetRecord decides.
    Ask,
}

/// Decides about a tombstone. It is believed where nothing contradicts it. A complete list of everything
/// without the live record takes a doubt away.
pub(super) fn decide(held: Held) -> Decision {
    let may_be_contradicted =
        held.is_listed_live || held.is_in_other_set || held.is_unfinished || held.is_outdated;
    if may_be_contradicted || (held.doubted && !held.is_whole) {
        Decision::Ask
    } else {
        Decision::Believe
    }
}

/// Where a record comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShownBy<'a> {
    /// Whether a list shows it in this state. If not, GetRecord gave it, whose word is final.
    pub(super) is_list: bool,
    /// The set of the list; empty for the whole repository, or without a list.
    pub(super) set: &'a str,
}

impl ShownBy<'_> {
    /// GetRecord, without a list.
    pub(super) const BY_NAME: ShownBy<'static> = ShownBy {
        is_list: false,
        set: "",
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_states_one_is_chosen() {
        let state = |deleted, datestamp| State { deleted, datestamp };
        let live = |at| state(false, Some(at));
        let dead = |at| state(true, Some(at));
        let undated = state(false, None);
        use Choice::*;
        use Shown::*;
        let cases = [
            ("a change", live(1), live(2), Before, Take),
            ("an older copy, or version", live(2), live(1), Before, Hold),
            ("a revival", dead(1), live(2), Before, Take),
            (
                "an older copy lives, or a version",
                dead(2),
                live(1),
                Before,
                Hold,
            ),
            ("another tombstone", dead(1), dead(2), Before, Take),
            (
                "the older one of another set",
                dead(2),
                dead(1),
                Before,
                Keep,
            ),
            ("a deletion", live(1), dead(2), Before, Hold),
            ("a tombstone of old", live(2), dead(1), Before, Hold),
            ("live and then deleted", live(1), dead(2), ThisReading, Hold),
            ("live in another list", live(1), dead(2), ThisPass, Hold),
            (
                "deleted and then live",
                dead(2),
                live(2),
                ThisReading,
                Revive,
            ),
            (
                "deleted and then live before that",
                dead(2),
                live(1),
                ThisReading,
                Hold,
            ),
            (
                "deleted in another list",
                dead(1),
                live(2),
                ThisPass,
                Revive,
            ),
            ("a newer version", live(1), live(2), ThisReading, Replace),
            (
                "a version of the same time",
                live(1),
                live(1),
                ThisReading,
                Replace,
            ),
            ("an older version", live(2), live(1), ThisReading, Keep),
            (
                "a version without a date",
                live(2),
                undated,
                ThisReading,
                Replace,
            ),
            ("a change in mid-pass", live(1), live(2), ThisPass, Replace),
            (
                "the same, within a second",
                live(1),
                live(1),
                ThisPass,
                Replace,
            ),
            (
                "an older state in mid-pass",
                live(2),
                live(1),
                ThisPass,
                Doubt,
            ),
            ("a newer tombstone", dead(1), dead(2), ThisReading, Replace),
            ("an older tombstone", dead(2), dead(1), ThisReading, Keep),
            (
                "an older one of another list",
                dead(2),
                dead(1),
                ThisPass,
                Keep,
            ),
        ];
        for (case, stored, listed, shown, expected) in cases {
            assert_eq!(choose(stored, listed, shown), expected, "{case}");
        }
    }

    #[test]
    fn a_tombstone_is_believed_where_nothing_contradicts_it() {
        use Decision::*;
        // Listed live, in another set, in doubt, list not finished, the pass listed everything.
        let cases = [
            (
                "an ordinary deletion",
                [false, false, false, false, false],
                Believe,
            ),
            (
                "the same in a full pass",
                [false, false, false, false, true],
                Believe,
            ),
            (
                "a list that broke off",
                [false, false, false, true, false],
                Ask,
            ),
            (
                "listed live as well",
                [true, false, false, false, false],
                Ask,
            ),
            (
                "the same in a full pass",
                [true, false, false, false, true],
                Ask,
            ),
            (
                "still in another set",
                [false, true, false, false, false],
                Ask,
            ),
            (
                "the same in a full pass",
                [false, true, false, false, true],
                Ask,
            ),
            ("without an answer", [false, false, true, false, false], Ask),
            (
                "not live in a whole list",
                [false, false, true, false, true],
                Believe,
            ),
            (
                "still live in a whole list",
                [true, false, true, false, true],
                Ask,
            ),
            (
                "in another set, without an answer",
                [false, true, true, false, true],
                Ask,
            ),
        ];
        for (case, facts, expected) in cases {
            let [
                is_listed_live,
                is_in_other_set,
                doubted,
                is_unfinished,
                is_whole,
            ] = facts;
            let held = Held {
                is_outdated: false,
                is_listed_live,
                is_in_other_set,
                doubted,
                is_unfinished,
                is_whole,
            };
            assert_eq!(decide(held), expected, "{case}");
            let outdated = Held {
                is_outdated: true,
                ..held
            };
            assert_eq!(decide(outdated), Ask, "{case}, outdated");
        }
    }
}
