//! Explains in words why two records match or not.

use std::fmt;

use super::{
    compare::{Agreement, Comparison},
    description::{Description, Fit},
    rules::{Decision, Field, Verdict, Versions, decide_compared},
};

/// A decision, with the fields that its rule compared.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The verdict, and the rule that gave it.
    pub decision: Decision,
    /// The rule's fields in its order.
    pub fields: Vec<Compared>,
}

/// The name of the address of the full text among the fields. Its values are hashes.
pub const ADDRESS: &str = "full-text link";

/// One field of both records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The field's name.
    pub field: &'static str,
    /// Its value in one record, folded; empty if missing.
    pub a: String,
    /// Its value in the other record.
    pub b: String,
    /// The result: `same`, `near`, `missing`, `conflict`, or a similarity in percent.
    pub result: String,
}

/// Decides about two records and says why.
pub fn explain(a: &Description, b: &Description, versions: Versions) -> Explanation {
    let comparison = Comparison::new(a, b, versions);
    let decision = decide_compared(&comparison);
    let fields = decision
        .rule
        .fields
        .iter()
        .map(|field| compared(*field, &comparison))
        .collect();
    Explanation { decision, fields }
}

fn compared(field: Field, c: &Comparison<'_>) -> Compared {
    let (name, agreement) = match field {
        Field::Form => (
            "form",
            match c.fit {
                Fit::Same => Agreement::Same,
                Fit::Loose | Fit::Versions => Agreement::Near,
                Fit::Conflict => Agreement::Conflict,
            },
        ),
        Field::Notice => ("notice", equal(c.a.notice == c.b.notice)),
        Field::Title => ("title", Agreement::Missing),
        Field::Numbers => ("numbers in title", equal(c.numbers)),
        Field::Authors => ("authors", c.authors),
        Field::Year => ("year", c.year),
        Field::Venue => ("journal", c.venue),
        Field::Volume => ("volume", c.volume),
        Field::Issue => ("issue", c.issue),
        Field::FirstPage => ("first page", c.page),
        Field::LastPage => ("last page", c.last_page),
        Field::Issn => ("issn", c.issn),
        Field::Isbn => ("isbn", c.isbn),
        Field::Doi => ("doi", c.doi),
        Field::Address => (ADDRESS, c.address),
    };
    let result = match field {
        Field::Title if c.title > 0.0 => format!("{:.0} % alike", c.title * 100.0),
        Field::Title if c.contained => "one within the other".to_owned(),
        Field::Title => "not alike".to_owned(),
        _ => match agreement {
            Agreement::Same => "same",
            Agreement::Near => "near",
            Agreement::Missing => "missing",
            Agreement::Conflict => "conflict",
        }
        .to_owned(),
    };
    Compared {
        field: name,
        a: value(field, c.a),
        b: value(field, c.b),
        result,
    }
}

fn equal(equal: bool) -> Agreement {
    if equal {
        Agreement::Same
    } else {
        Agreement::Conflict
    }
}

/// The value of a field, for display.
fn value(field: Field, record: &Description) -> String {
    fn list<T: ToString>(values: &[T]) -> String {
        values
            .iter()
            .map(T::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    }
    let text = |value: &Option<Box<str>>| value.as_deref().unwrap_or_default().to_owned();
    match field {
        Field::Form => format!("{:?}", record.form).to_lowercase(),
        Field::Notice => format!("{:?}", record.notice).to_lowercase(),
        Field::Title => record.titles().collect::<Vec<_>>().join(" = "),
        Field::Numbers => record.numbers.to_string(),
        Field::Authors => {
            let names = record.authors.iter();
            list(
                &names
                    .map(|n| format!("{} {}", n.family, n.given))
                    .collect::<Vec<_>>(),
            )
        }
        Field::Year => record.year.map(|year| year.to_string()).unwrap_or_default(),
        Field::Venue => record.venue.to_string(),
        Field::Volume => text(&record.volume),
        Field::Issue => text(&record.issue),
        Field::FirstPage => record
            .pages
            .as_ref()
            .map(|pages| pages.first.to_string())
            .unwrap_or_default(),
        Field::LastPage => record
            .pages
            .as_ref()
            .map(|pages| text(&pages.last))
            .unwrap_or_default(),
        Field::Issn => list(&record.issns),
        Field::Isbn => list(&record.isbns),
        Field::Doi => list(&record.dois),
        Field::Address => record
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
    }
}

impl fmt::Display for Explanation {
    /// One line for the decision, then one line for each field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.decision.verdict() {
            Verdict::Same => "same",
            Verdict::Different => "different",
            Verdict::Unsure => "unsure",
        };
        write!(
            f,
            "{verdict} by {}: {}",
            self.decision.rule.name, self.decision.rule.why
        )?;
        for Compared {
            field,
            a,
            b,
            result,
        } in &self.fields
        {
            write!(f, "\n  {field}: {result}: {a:?} / {b:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Versions, explain};
    use crate::dedup::testing::record;

    #[test]
    fn says_which_rule_fields_and_values() {
        let a = record("title=The heart of the matter in mice; doi=10.1/abc; volume=1; pages=7");
        let b = record("title=The heart of the matter in mice; doi=10.1/abc; volume=2; pages=9");
        let c = record("title=The heart of the matter in mice!; doi=10.1/abc");
        assert_eq!(
            explain(&a, &b, Versions::Together).to_string(),
            "different by place-conflict: other volume and other page\n  \
             volume: conflict: \"1\" / \"2\"\n  first page: conflict: \"7\" / \"9\""
        );
        assert_eq!(
            explain(&a, &c, Versions::Together).to_string(),
            "same by doi: the same DOI, and titles that agree; nearly equal ones if the pages do not \
             agree\n  doi: same: \"10.1/abc\" / \"10.1/abc\"\n  title: 100 % alike: \
             \"the heart of the matter in mice\" / \"the heart of the matter in mice\"\n  \
             first page: missing: \"7\" / \"\""
        );
    }
}
