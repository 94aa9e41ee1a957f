//! The rules: when two records are one work, when they are not.
//!
//! [`RULES`] is a decision table, read from the top: the first row that holds decides. Rows that
//! forbid stand before the rows that they can overrule. A pair for which no row holds is
//! [`Verdict::Unsure`] and stays apart, yet unlike [`Verdict::Different`] it does not keep two
//! clusters apart that other pairs join.
//!
//! Each row is what a cataloguer would say of two entries; none is a weight or a score. A false
//! merge hurts more than a missed one, so wherever evidence is thin the answer is no.

use super::{
    compare::{Agreement, Comparison},
    description::{Description, Form},
};

/// What a rule says of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// One work.
    Same,
    /// Two works; never in one cluster unless a stored decision says so.
    Different,
    /// Not enough to say; kept apart.
    Unsure,
}

/// A field that a rule looks at, for explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Field {
    Form,
    Notice,
    Title,
    Numbers,
    Authors,
    Year,
    Venue,
    Volume,
    FirstPage,
    LastPage,
    Issn,
    Isbn,
    Doi,
}

/// One row of the table.
#[derive(Debug)]
pub struct Rule {
    /// A short name, stable enough to be stored and searched for.
    pub name: &'static str,
    /// What it says when it holds.
    pub verdict: Verdict,
    /// The reason, in words.
    pub why: &'static str,
    /// The fields that it looks at.
    pub fields: &'static [Field],
    /// Whether it holds.
    pub holds: fn(&Comparison<'_>) -> bool,
}

/// Likeness of titles that are the same but for slips and spelling.
const NEARLY_EQUAL: f64 = 0.95;

use Field as F;
use Verdict::{Different, Same};

/// The table. Of rows that say `Same`, an earlier one is the stronger evidence.
pub const RULES: &[Rule] = &[
    Rule {
        name: "journal-or-article",
        verdict: Different,
        why: "a journal is not an article",
        fields: &[F::Form],
        holds: |c| (c.a.form == Form::Journal) != (c.b.form == Form::Journal),
    },
    Rule {
        name: "journals-issn",
        verdict: Same,
        why: "two journals with one ISSN and titles that agree",
        fields: &[F::Form, F::Issn, F::Title],
        holds: |c| journals(c) && c.issn.same() && alike_or_contained(c),
    },
    Rule {
        name: "journals-no-issn",
        verdict: Same,
        why: "two journals of one title and one publisher, one of them without ISSN",
        fields: &[F::Form, F::Title, F::Venue],
        holds: |c| journals(c) && c.issn == Agreement::Missing && c.title == 1.0 && c.venue.same(),
    },
    Rule {
        name: "journals-issn-conflict",
        verdict: Different,
        why: "two journals without a common ISSN",
        fields: &[F::Form, F::Issn],
        holds: |c| journals(c) && c.issn.conflicts(),
    },
    Rule {
        name: "form-conflict",
        verdict: Different,
        why: "an article, a chapter, a book, a data set and a supplement are different things",
        fields: &[F::Form],
        holds: |c| c.forms_conflict(),
    },
    Rule {
        name: "notice-conflict",
        verdict: Different,
        why: "an erratum, a retraction, a reply, a comment or an editorial is not the work itself",
        fields: &[F::Notice, F::Title],
        holds: |c| c.a.notice != c.b.notice,
    },
    Rule {
        name: "place-conflict",
        verdict: Different,
        why: "other volume and other page",
        fields: &[F::Volume, F::FirstPage],
        holds: |c| c.volume.conflicts() && c.page.conflicts(),
    },
    Rule {
        name: "journal-and-place-conflict",
        verdict: Different,
        why: "other journal, and other volume or page",
        fields: &[F::Issn, F::Venue, F::Volume, F::FirstPage],
        holds: |c| c.journals_conflict() && (c.volume.conflicts() || c.page.conflicts()),
    },
    Rule {
        name: "isbn-conflict",
        verdict: Different,
        why: "other ISBN, and not one DOI",
        fields: &[F::Isbn, F::Doi],
        holds: |c| c.isbn.conflicts() && !c.doi.same(),
    },
    Rule {
        name: "numbers-conflict",
        verdict: Different,
        why: "other numbers in the titles, as of parts of a series, and not one volume and page",
        fields: &[F::Title, F::Numbers, F::Volume, F::FirstPage],
        holds: |c| {
            let excused = c.same_place() || (c.doi.same() && c.contained);
            !c.numbers && !excused
        },
    },
    Rule {
        name: "doi",
        verdict: Same,
        why: "one DOI, and titles that agree; nearly equal ones if the pages do not agree",
        fields: &[F::Doi, F::Title, F::FirstPage],
        holds: |c| {
            c.doi.same()
                && alike_or_contained(c)
                && (c.title >= NEARLY_EQUAL || !c.page.conflicts())
        },
    },
    Rule {
        name: "page-conflict",
        verdict: Different,
        why: "other first page",
        fields: &[F::FirstPage],
        holds: |c| c.page.conflicts(),
    },
    Rule {
        name: "volume-conflict",
        verdict: Different,
        why: "other volume, and not one first page",
        fields: &[F::Volume, F::FirstPage],
        holds: |c| c.volume.conflicts() && !c.page.same(),
    },
    Rule {
        name: "year-conflict",
        verdict: Different,
        why: "years more than one apart, and not one volume and page",
        fields: &[F::Year, F::Volume, F::FirstPage],
        holds: |c| c.year.conflicts() && !c.same_place(),
    },
    Rule {
        name: "journal-conflict",
        verdict: Different,
        why: "other journal, and not one volume and page",
        fields: &[F::Issn, F::Venue, F::Volume, F::FirstPage],
        holds: |c| c.journals_conflict() && !c.same_place(),
    },
    Rule {
        name: "doi-conflict",
        verdict: Different,
        why: "other DOI, and not one volume and the same pages",
        fields: &[F::Doi, F::Volume, F::FirstPage, F::LastPage],
        holds: |c| c.doi.conflicts() && !(c.volume.same() && c.same_pages()),
    },
    Rule {
        name: "authors-conflict",
        verdict: Different,
        why: "no author in common, and not one long title, volume, first and last page and year",
        fields: &[
            F::Authors,
            F::Title,
            F::Volume,
            F::FirstPage,
            F::LastPage,
            F::Year,
        ],
        holds: |c| {
            let one_place = c.volume.same() && c.same_range() && c.year.same();
            c.authors.conflicts() && !(one_place && nearly_equal(c) && !c.short)
        },
    },
    Rule {
        name: "title-and-place",
        verdict: Same,
        why: "nearly one title, one volume and first page, and one year or journal",
        fields: &[
            F::Title,
            F::Authors,
            F::Volume,
            F::FirstPage,
            F::Year,
            F::Issn,
            F::Venue,
        ],
        holds: |c| nearly_equal(c) && c.same_place() && (c.year.close() || c.same_journal()),
    },
    Rule {
        name: "title-author-journal",
        verdict: Same,
        why: "nearly one title of some length, common authors, years at most one apart, and one \
              journal, volume or page; two of these if a year is missing",
        fields: &[
            F::Title,
            F::Authors,
            F::Year,
            F::Issn,
            F::Venue,
            F::Volume,
            F::FirstPage,
        ],
        holds: |c| {
            let agreeing = [c.same_journal(), c.volume.same(), c.page.same()];
            let agreeing = agreeing.iter().filter(|agrees| **agrees).count();
            let enough = match c.year {
                Agreement::Same | Agreement::Near => agreeing >= 1,
                Agreement::Missing => agreeing >= 2,
                Agreement::Conflict => false,
            };
            nearly_equal(c) && !c.short && c.authors.same() && enough
        },
    },
    Rule {
        name: "title-alike-and-range",
        verdict: Same,
        why: "titles that agree, one volume, first and last page, and one year or journal",
        fields: &[
            F::Title,
            F::Authors,
            F::Volume,
            F::FirstPage,
            F::LastPage,
            F::Year,
            F::Issn,
        ],
        holds: |c| {
            alike_or_contained(c)
                && c.same_place()
                && (c.same_range() || c.contained)
                && (c.year.close() || c.same_journal())
        },
    },
    Rule {
        name: "title-page-journal",
        verdict: Same,
        why: "titles that agree, one first page, journal and year, and more than one page or \
              nearly one title",
        fields: &[
            F::Title,
            F::Authors,
            F::FirstPage,
            F::LastPage,
            F::Year,
            F::Issn,
            F::Venue,
        ],
        holds: |c| {
            alike_or_contained(c)
                && (c.same_range() || nearly_equal(c))
                && c.page.same()
                && c.same_journal()
                && c.year.same()
        },
    },
    Rule {
        name: "short-title-and-volume",
        verdict: Same,
        why: "one short title, all authors, journal, volume and year, a page missing",
        fields: &[F::Title, F::Authors, F::Year, F::Volume, F::Issn, F::Venue],
        holds: |c| {
            nearly_equal(c)
                && c.all_authors
                && c.year.close()
                && c.volume.same()
                && c.same_journal()
        },
    },
    Rule {
        name: "title-author-alone",
        verdict: Same,
        why: "nearly one title of some length and all authors, and one record names no journal \
              and has the same year, or both name none and are at most one year apart",
        fields: &[F::Title, F::Authors, F::Year, F::Venue, F::Issn],
        holds: |c| {
            let alone = (c.year.same() && c.bare()) || (c.year.close() && c.both_bare());
            nearly_equal(c) && !c.short && c.all_authors && alone
        },
    },
    Rule {
        name: "range-and-authors",
        verdict: Same,
        why: "one journal, volume, first and last page, year and all authors: a translated title",
        fields: &[
            F::Authors,
            F::Issn,
            F::Volume,
            F::FirstPage,
            F::LastPage,
            F::Year,
        ],
        holds: |c| {
            (c.issn.same() || c.doi.same())
                && c.same_place()
                && c.same_range()
                && c.year.same()
                && c.all_authors
        },
    },
];

/// What stands for the rule when no row holds.
static NO_RULE: Rule = Rule {
    name: "no-rule",
    verdict: Verdict::Unsure,
    why: "nothing forbids that they are one, but too little says so",
    fields: &[
        F::Title,
        F::Authors,
        F::Year,
        F::Volume,
        F::FirstPage,
        F::Doi,
    ],
    holds: |_| true,
};

fn journals(c: &Comparison<'_>) -> bool {
    c.a.form == Form::Journal && c.b.form == Form::Journal
}

fn alike_or_contained(c: &Comparison<'_>) -> bool {
    c.title > 0.0 || c.contained
}

fn nearly_equal(c: &Comparison<'_>) -> bool {
    c.title >= NEARLY_EQUAL && c.numbers
}

/// What was decided of a pair, and by which row.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// The row that decided.
    pub rule: &'static Rule,
    /// Its place in the table; of two decisions for `Same` the lower one is stronger.
    pub rank: u8,
}

impl Decision {
    /// What was decided.
    pub fn verdict(&self) -> Verdict {
        self.rule.verdict
    }
}

/// Decides whether two records are one work.
///
/// The same with both exchanged, and a function of the two descriptions alone.
pub fn decide(a: &Description, b: &Description) -> Decision {
    decide_compared(&Comparison::new(a, b))
}

/// Decides as [`decide`] does, of a pair already compared.
pub fn decide_compared(comparison: &Comparison<'_>) -> Decision {
    let row = RULES
        .iter()
        .zip(0..)
        .find(|(rule, _)| (rule.holds)(comparison));
    let (rule, rank) = row.unwrap_or((&NO_RULE, u8::MAX));
    Decision { rule, rank }
}
