//! Decides whether two records are one work, by the rows of [`super::table::RULES`].
//!
//! The first row that holds decides. A pair for which none holds is [`Verdict::Unsure`] and stays
//! apart, yet unlike [`Verdict::Different`] it does not keep two clusters apart that other pairs
//! join.

use serde::{Deserialize, Serialize};

use super::{compare::Comparison, description::Description, table::RULES};

use self::Field as F;

/// What a preprint or a working paper and the published article are.
///
/// Most catalogues show one work with its versions: a reader looks for the work, and takes the
/// version that is free or has been reviewed. FRBR and DataCite call the versions expressions of one
/// work. A repository that counts publications wants them apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Versions {
    /// One work.
    #[default]
    Together,
    /// Two works.
    Apart,
}

/// The answer of a rule about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// One work.
    Same,
    /// Two works; never in one cluster unless a stored decision says so.
    Different,
    /// Not enough evidence; the records stay apart.
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
    Issue,
    FirstPage,
    LastPage,
    Issn,
    Isbn,
    Doi,
    Address,
}

/// One row of the table.
#[derive(Debug)]
pub struct Rule {
    /// A short name, stable enough to be stored and searched for.
    pub name: &'static str,
    /// The verdict when the rule holds.
    pub verdict: Verdict,
    /// The reason, in words.
    pub why: &'static str,
    /// The fields that the rule reads.
    pub fields: &'static [Field],
    /// Tells whether the rule holds for a pair.
    pub holds: fn(&Comparison<'_>) -> bool,
}

/// The rule that is reported when no row holds.
static NO_RULE: Rule = Rule {
    name: "no-rule",
    verdict: Verdict::Unsure,
    why: "no rule forbids a match, but the evidence is too thin",
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

/// The decision about a pair, and the row that made it.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// The row that decided.
    pub rule: &'static Rule,
    /// Its place in the table; of two decisions for `Same` the lower one is stronger.
    pub rank: u8,
}

impl Decision {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.rule.verdict
    }
}

/// Decides whether two records are one work.
///
/// The result depends on the two descriptions and the setting alone and is symmetric.
pub fn decide(a: &Description, b: &Description, versions: Versions) -> Decision {
    decide_compared(&Comparison::new(a, b, versions))
}

/// Does the same as [`decide`] for a pair that is already compared.
pub fn decide_compared(comparison: &Comparison<'_>) -> Decision {
    let row = RULES
        .iter()
        .zip(0..)
        .find(|(rule, _)| (rule.holds)(comparison));
    let (rule, rank) = row.unwrap_or((&NO_RULE, u8::MAX));
    Decision { rule, rank }
}
