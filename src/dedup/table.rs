//! The rules: when two records are one work, when they are not.
//!
//! A decision table, read from the top: the first row that holds decides. Rows that forbid stand
//! before the rows that they can overrule.
//!
//! Each row is what a cataloguer would say of two entries; none is a weight or a score. A false
//! merge hurts more than a missed one, so wherever evidence is thin the answer is no.

use super::{
    compare::{Agreement, Comparison, Wording},
    description::{Fit, Form},
    notice::Notice,
    rules::{
        Field as F, Rule,
        Verdict::{Different, Same},
        Versions,
    },
};

/// Likeness of titles that are the same but for slips and spelling.
const NEARLY_EQUAL: f64 = 0.95;

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
        why: "two journals of the same title and one publisher, one of them without ISSN",
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
        why: "a thesis, a data set, a program, an image and an article are different things, and \
              so are article, conference paper, chapter and book unless the same DOI or the same \
              place shows that only the label differs",
        fields: &[F::Form, F::Doi, F::Volume, F::FirstPage, F::Issn],
        holds: |c| {
            let one_place =
                c.same_place() && c.year.close() && (c.same_journal() || c.same_range());
            let one_thing = c.doi.same() || one_place;
            c.fit == Fit::Conflict || (c.fit == Fit::Loose && !one_thing)
        },
    },
    Rule {
        name: "versions-apart",
        verdict: Different,
        why: "a preprint or report and a published text, which the configuration keeps apart",
        fields: &[F::Form],
        holds: |c| c.versions == Versions::Apart && c.are_versions(),
    },
    Rule {
        name: "notice-conflict",
        verdict: Different,
        why: "an erratum, a retraction, a reply, a comment, an editorial, data or a supplement is \
              not the work itself",
        fields: &[F::Notice, F::Title],
        holds: |c| {
            // `Data from: The heart` and the data set `The heart` are one.
            let data = c.a.form == Form::Data && c.b.form == Form::Data;
            let named = |notice| notice == Notice::None || notice == Notice::Data;
            let one_data_set = data && named(c.a.notice) && named(c.b.notice);
            c.a.notice != c.b.notice && !one_data_set
        },
    },
    Rule {
        name: "place-conflict",
        verdict: Different,
        why: "other volume and other page",
        fields: &[F::Volume, F::FirstPage],
        holds: |c| c.volume.conflicts() && c.page.conflicts(),
    },
    Rule {
        name: "issue-conflict",
        verdict: Different,
        why: "other issue of the same volume, or of a journal without volumes, and neither the \
              same DOI nor the same first page above 10: pages may begin anew in each issue",
        fields: &[F::Volume, F::Issue, F::FirstPage, F::Doi],
        holds: |c| {
            let no_volumes = c.a.volume.is_none() && c.b.volume.is_none();
            let one_volume = c.volume.same() || no_volumes;
            c.issue.conflicts() && one_volume && !c.doi.same() && !c.page_tells()
        },
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
        why: "other ISBN, and not the same DOI",
        fields: &[F::Isbn, F::Doi],
        holds: |c| c.isbn.conflicts() && !c.doi.same(),
    },
    Rule {
        name: "numbers-conflict",
        verdict: Different,
        why: "other numbers in the titles, as of parts of a series, and not the same volume and page",
        fields: &[F::Title, F::Numbers, F::Volume, F::FirstPage],
        holds: |c| {
            let excused = c.same_place() || (c.doi.same() && c.contained);
            !c.numbers && !excused
        },
    },
    Rule {
        name: "doi",
        verdict: Same,
        why: "the same DOI, and titles that agree; nearly equal ones if the pages do not agree",
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
        why: "other first page, and not one long title with all authors, the same year, volume and issue",
        fields: &[
            F::FirstPage,
            F::Title,
            F::Authors,
            F::Year,
            F::Volume,
            F::Issue,
        ],
        holds: |c| {
            let one_issue = c.year.same() && c.volume.same() && c.issue.same();
            let one_text = c.long_title() && c.all_authors;
            c.page.conflicts() && !(one_issue && one_text)
        },
    },
    Rule {
        name: "volume-conflict",
        verdict: Different,
        why: "other volume, and not the same first page and year: what appears each year may begin on \
              one page",
        fields: &[F::Volume, F::FirstPage, F::Year],
        holds: |c| c.volume.conflicts() && !(c.page.same() && c.year.same()),
    },
    Rule {
        name: "year-conflict",
        verdict: Different,
        why: "years more than one apart, and not the same volume and page",
        fields: &[F::Year, F::Volume, F::FirstPage],
        holds: |c| c.year.conflicts() && !c.same_place(),
    },
    Rule {
        name: "journal-conflict",
        verdict: Different,
        why: "other journal, and not the same volume and page",
        fields: &[F::Issn, F::Venue, F::Volume, F::FirstPage],
        holds: |c| c.journals_conflict() && !c.same_place(),
    },
    Rule {
        name: "companion",
        verdict: Different,
        why: "titles that differ in a telling word, and neither the same volume and page nor the \
              same DOI: the study of men and the study of women",
        fields: &[F::Title, F::Volume, F::FirstPage, F::Doi],
        holds: |c| {
            let nearly = c.title >= NEARLY_EQUAL && c.title < 1.0;
            nearly && !c.same_place() && !c.doi.same() && c.wording() == Wording::Other
        },
    },
    Rule {
        name: "doi-conflict",
        verdict: Different,
        why: "other DOI, and not the same volume, the same pages and a title that is long enough",
        fields: &[F::Doi, F::Volume, F::FirstPage, F::LastPage, F::Title],
        holds: |c| {
            let one_place = c.volume.same() && c.same_pages();
            c.doi.conflicts() && (!one_place || c.short)
        },
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
        why: "nearly equal titles that are long enough, the same volume and first page, and the same \
              year or journal",
        fields: &[
            F::Title,
            F::Authors,
            F::Volume,
            F::FirstPage,
            F::Year,
            F::Issn,
            F::Venue,
        ],
        holds: |c| {
            let when = c.year.close() || c.same_journal();
            nearly_equal(c) && !c.short && c.same_place() && when
        },
    },
    Rule {
        name: "short-title-and-place",
        verdict: Same,
        why: "nearly equal short titles, the same volume, first page and year, and common authors or the \
              same journal and last page: two book reviews may share a page; of an editorial, also one \
              issue, or none in both",
        fields: &[
            F::Title,
            F::Authors,
            F::Volume,
            F::Issue,
            F::FirstPage,
            F::LastPage,
            F::Year,
            F::Issn,
        ],
        holds: |c| {
            let told_apart = c.authors.same() || (c.same_journal() && c.same_range());
            nearly_equal(c)
                && c.short
                && c.same_place()
                && c.year.close()
                && told_apart
                && one_issue(c)
        },
    },
    Rule {
        name: "title-author-journal",
        verdict: Same,
        why: "nearly equal titles that are long enough, common authors, years at most one apart, and the \
              same journal, volume or page; two of these if a year is missing; a volume or page if one \
              title has words more",
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
            let placed = || c.volume.same() || c.page.same() || c.wording() == Wording::Same;
            nearly_equal(c) && !c.short && c.authors.same() && enough && placed()
        },
    },
    Rule {
        name: "full-text-link",
        verdict: Same,
        why: "one address of the full text, and the same title: nearly the same or one within the other, \
              with common authors and not other years; or one of 40 letters and the same year, if a \
              record names no authors; or one of three words, all authors and the same year: the \
              address may be that of the whole issue",
        fields: &[
            F::Address,
            F::Title,
            F::Authors,
            F::Year,
            F::Volume,
            F::FirstPage,
        ],
        holds: |c| {
            let same_or_missing = |field: Agreement| field.same() || field == Agreement::Missing;
            let one_title = !c.short && (c.contained || (nearly_equal(c) && worded_alike(c)));
            let signed = || one_title && c.authors.same() && same_or_missing(c.year);
            // What appears in each issue is signed by nobody, or by the same person.
            let named = || !c.a.authors.is_empty() || !c.b.authors.is_empty();
            let placed = || c.volume.same() || c.page.same();
            let long = || c.long_title() && c.year.same() && (named() || placed());
            let short = || c.plain_title() && c.all_authors && c.year.same();
            c.address.same() && (signed() || long() || short())
        },
    },
    Rule {
        name: "title-alike-and-range",
        verdict: Same,
        why: "titles that agree, the same volume, first and last page, and the same year or journal; the \
              same DOI or several common authors if the titles are only alike: one author may review \
              two books on a page",
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
                && (c.contained || nearly_equal(c) || !one_author(c) || c.doi.same())
        },
    },
    Rule {
        name: "title-page-journal",
        verdict: Same,
        why: "titles that agree, the same first page, journal and year, and more than one page or \
              nearly equal titles that are long enough",
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
                && (c.same_range() || (nearly_equal(c) && !c.short))
                && c.page.same()
                && c.same_journal()
                && c.year.same()
                && (c.contained || nearly_equal(c) || !one_author(c) || c.doi.same())
                && one_issue(c)
        },
    },
    Rule {
        name: "short-title-and-volume",
        verdict: Same,
        why: "one short title, all authors, journal, volume, issue and year, and one record has \
              no pages",
        fields: &[
            F::Title,
            F::Authors,
            F::Year,
            F::Volume,
            F::Issue,
            F::FirstPage,
            F::Issn,
        ],
        holds: |c| {
            let unpaged = c.a.pages.is_none() || c.b.pages.is_none();
            let in_volume = c.year.close() && c.volume.same() && c.same_journal();
            let unnamed = c.a.issue.is_none() && c.b.issue.is_none();
            let in_issue = c.issue.same() || unnamed;
            nearly_equal(c) && c.all_authors && in_volume && in_issue && unpaged
        },
    },
    Rule {
        name: "title-author-alone",
        verdict: Same,
        why: "nearly equal titles that are long enough and all authors, and one record names no journal \
              and has the same year, or both name none and are at most one year apart",
        fields: &[F::Title, F::Authors, F::Year, F::Venue, F::Issn],
        holds: |c| {
            let alone = (c.year.same() && c.bare()) || (c.year.close() && c.both_bare());
            nearly_equal(c) && !c.short && c.all_authors && alone && c.wording() == Wording::Same
        },
    },
    Rule {
        name: "title-authors-year",
        verdict: Same,
        why: "the same title of 40 letters and all authors, one that is long enough and two authors \
              or more, or a short one and three authors or more, and the same year; nothing else conflicts",
        fields: &[
            F::Title,
            F::Authors,
            F::Year,
            F::Volume,
            F::FirstPage,
            F::Issn,
            F::Doi,
        ],
        holds: |c| {
            let long = || c.long_title() && (c.all_authors || c.shared_authors());
            let some = || nearly_equal(c) && !c.short && c.shared_authors() && worded_alike(c);
            let short = || c.plain_title() && c.all_authors && c.a.authors.len() > 2;
            let conflicts = [c.doi, c.volume, c.issue, c.page, c.issn];
            let conflicts = conflicts.iter().any(|field| field.conflicts());
            c.year.same() && !conflicts && (long() || some() || short())
        },
    },
    Rule {
        name: "version",
        verdict: Same,
        why: "a preprint or report and a published text: nearly equal titles that are long enough, common \
              authors, all of them if the titles differ, and years at most two apart",
        fields: &[F::Form, F::Title, F::Authors, F::Year],
        holds: |c| {
            let authors = c.all_authors || (c.title == 1.0 && c.authors.same());
            let one_text = nearly_equal(c) && !c.short && c.wording() == Wording::Same;
            c.are_versions() && one_text && authors && c.year.close()
        },
    },
    Rule {
        name: "doi-and-authors",
        verdict: Same,
        why: "the same DOI, all authors or the same place, years at most one apart, and titles \
              in two languages or scripts: the abstracts of a supplement may have the same DOI",
        fields: &[
            F::Doi,
            F::Authors,
            F::Year,
            F::Volume,
            F::FirstPage,
            F::Title,
        ],
        holds: |c| {
            let one_place = c.same_place() && c.authors.same();
            let one_work = c.all_authors || one_place || c.authors_in_two_scripts();
            c.doi.same() && one_work && c.year.close() && c.translated()
        },
    },
    Rule {
        name: "range-and-authors",
        verdict: Same,
        why: "the same journal, volume, first and last page, year and all authors of two or more, and \
              titles in two languages",
        fields: &[
            F::Authors,
            F::Issn,
            F::Volume,
            F::FirstPage,
            F::LastPage,
            F::Year,
        ],
        holds: |c| {
            c.issn.same()
                && c.same_place()
                && c.same_range()
                && c.year.same()
                && c.several_authors()
                && c.translated()
        },
    },
];

fn journals(c: &Comparison<'_>) -> bool {
    c.a.form == Form::Journal && c.b.form == Form::Journal
}

/// An editorial in the same issue, or in journals that name none. Each issue may have one on its first page.
fn one_issue(c: &Comparison<'_>) -> bool {
    let unnamed = c.a.issue.is_none() && c.b.issue.is_none();
    c.a.notice != Notice::Editorial || c.issue.same() || unnamed || c.page_tells()
}

/// At most one author is known of a record.
fn one_author(c: &Comparison<'_>) -> bool {
    c.a.authors.len().min(c.b.authors.len()) < 2
}

fn worded_alike(c: &Comparison<'_>) -> bool {
    c.wording() == Wording::Same
}

fn alike_or_contained(c: &Comparison<'_>) -> bool {
    c.title > 0.0 || c.contained
}

fn nearly_equal(c: &Comparison<'_>) -> bool {
    c.title >= NEARLY_EQUAL && c.numbers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dedup::{
        description::Description,
        rules::{Verdict, decide},
        testing::record,
    };

    const T: &str = "title=The heart of the matter in small mammals";
    const LONG: &str = "title=The heart of the matter in small mammals of the tropics";
    /// One letter off.
    const NEAR: &str = "title=The heart of the mater in small mammals";
    /// Alike, no more.
    const ALIKE: &str = "title=The hearts and the matter in small mammals";

    fn decided(a: &str, b: &str) -> &'static str {
        decided_with(a, b, Versions::Together)
    }

    fn decided_with(a: &str, b: &str, versions: Versions) -> &'static str {
        let (a, b) = (record(a), record(b));
        let (there, back) = (decide(&a, &b, versions), decide(&b, &a, versions));
        assert_eq!(there.rule.name, back.rule.name, "{a:?} {b:?}");
        there.rule.name
    }

    /// For each rule a pair that it decides, and the nearest pair that it leaves to another.
    #[test]
    fn each_rule_decides_its_pairs_and_no_others() {
        let with = |title: &str, rest: &str| format!("{title}; {rest}");
        let j = |rest: &str| format!("type=journal; title=Heart; {rest}");
        #[rustfmt::skip]
        let rows: Vec<(&str, [String; 2], &str, [String; 2])> = vec![
            ("journal-or-article",
                [j(""), with("title=Heart", "")],
                "no-rule", [j(""), j("issn=0300-8428")]),
            ("journals-issn",
                [j("issn=0300-8428"), j("issn=0300-8428; issn=1435-1803")],
                "no-rule", [j("issn=0300-8428"), "type=journal; title=Fungi; issn=0300-8428".into()]),
            ("journals-no-issn",
                [j("venue=Elsevier"), j("venue=Elsevier; issn=0300-8428")],
                "no-rule", [j("venue=Elsevier"), j("venue=Wiley; issn=0300-8428")]),
            ("journals-issn-conflict",
                [j("issn=0300-8428"), j("issn=1435-1803")],
                "journals-issn", [j("issn=0300-8428"), j("issn=0300-8428")]),
            ("form-conflict",
                [with(T, "type=dataset; doi=10.1/abc"), with(T, "type=article; doi=10.1/abc")],
                "doi", [with(T, "type=chapter; doi=10.1/abc"), with(T, "type=article; doi=10.1/abc")]),
            ("versions-apart",
                [with(T, "type=preprint; author=Li; year=2001"), with(T, "type=article; author=Li; year=2001")],
                "title-author-alone",
                [with(T, "type=article; author=Li; year=2001"), with(T, "type=article; author=Li; year=2001")]),
            ("notice-conflict",
                ["title=Erratum: The heart of the matter; doi=10.1/abc".into(),
                 "title=The heart of the matter; doi=10.1/abc".into()],
                "doi", ["title=Erratum: The heart of the matter; doi=10.1/abc".into(),
                        "title=Erratum, The heart of the matter; doi=10.1/abc".into()]),
            ("place-conflict",
                [with(T, "doi=10.1/abc; volume=1; pages=7"), with(T, "doi=10.1/abc; volume=2; pages=9")],
                "doi", [with(T, "doi=10.1/abc; volume=1; pages=7"), with(T, "doi=10.1/abc; volume=2; pages=7")]),
            ("issue-conflict",
                [with(T, "author=Li; year=2001; volume=3; issue=1; pages=7"),
                 with(T, "author=Li; year=2001; volume=3; issue=2; pages=7")],
                "title-and-place",
                [with(T, "author=Li; year=2001; volume=3; issue=1; pages=17"),
                 with(T, "author=Li; year=2001; volume=3; issue=2; pages=17")]),
            ("journal-and-place-conflict",
                [with(T, "doi=10.1/abc; issn=0300-8428; pages=7"), with(T, "doi=10.1/abc; issn=1435-1803; pages=9")],
                "doi", [with(T, "doi=10.1/abc; issn=0300-8428; pages=7; venue=Basic Res Cardiol"),
                        with(T, "doi=10.1/abc; issn=1435-1803; pages=9; venue=Basic research in cardiology")]),
            ("isbn-conflict",
                [with(T, "author=Li; year=2001; isbn=0306406152"), with(T, "author=Li; year=2001; isbn=080442957X")],
                "doi", [with(T, "doi=10.1/abc; isbn=0306406152"), with(T, "doi=10.1/abc; isbn=080442957X")]),
            ("numbers-conflict",
                ["title=The heart of the matter, part I; author=Li; year=2001; volume=3; issn=0300-8428".into(),
                 "title=The heart of the matter, part II; author=Li; year=2001; volume=3; issn=0300-8428".into()],
                "title-author-journal",
                ["title=The heart of the whole matter in small mammals, part 2; author=Li; year=2001; volume=3; issn=0300-8428".into(),
                 "title=The heart of the whole matter in small mammals, part II; author=Li; year=2001; volume=3; issn=0300-8428".into()]),
            ("doi",
                [with(T, "doi=10.1/abc"), with(ALIKE, "doi=https://doi.org/10.1/ABC")],
                "page-conflict", [with(T, "doi=10.1/abc; pages=7"), with(ALIKE, "doi=10.1/abc; pages=9")]),
            ("page-conflict",
                [with(T, "author=Li; year=2001; volume=3; pages=7"), with(T, "author=Li; year=2001; volume=3; pages=9")],
                "title-author-journal",
                [with(T, "author=Li; year=2001; volume=3; pages=1-3"), with(T, "author=Li; year=2001; volume=3; pages=e9")]),
            ("volume-conflict",
                [with(T, "author=Li; year=2001; volume=3"), with(T, "author=Li; year=2001; volume=4")],
                "title-author-journal",
                [with(T, "author=Li; year=2001; volume=3; pages=7"), with(T, "author=Li; year=2001; volume=4; pages=7")]),
            ("year-conflict",
                [with(T, "author=Li; year=2001; issn=0300-8428"), with(T, "author=Li; year=2003; issn=0300-8428")],
                "title-author-journal",
                [with(T, "author=Li; year=2001; issn=0300-8428"), with(T, "author=Li; year=2002; issn=0300-8428")]),
            ("journal-conflict",
                [with(T, "author=Li; year=2001; issn=0300-8428"), with(T, "author=Li; year=2001; issn=1435-1803")],
                "title-author-journal",
                [with(T, "author=Li; year=2001; issn=0300-8428; venue=Heart"),
                 with(T, "author=Li; year=2001; issn=1435-1803; venue=Heart")]),
            ("companion",
                ["title=Distribution of seabirds along the whole northern coast; author=Li; year=2001; venue=Seabird".into(),
                 "title=Distribution of seabirds along the whole southern coast; author=Li; year=2001; venue=Seabird".into()],
                "title-author-journal",
                ["title=Distribution of seabirds along the whole northern coast; author=Li; year=2001; venue=Seabird".into(),
                 "title=Distribution of seabirds along the whole northen coast; author=Li; year=2001; venue=Seabird".into()]),
            ("doi-conflict",
                [with(T, "author=Li; year=2001; issn=0300-8428; doi=10.1/abc"),
                 with(T, "author=Li; year=2001; issn=0300-8428; doi=10.1/xyz")],
                "title-and-place",
                [with(T, "year=2001; volume=3; pages=7-9; doi=10.1/abc"),
                 with(T, "year=2001; volume=3; pages=7-9; doi=10.1/xyz")]),
            ("authors-conflict",
                [with(T, "author=Koniurev, E; year=2001; volume=3; pages=7"),
                 with(T, "author=Konorev, E; year=2001; volume=3; pages=7")],
                "title-and-place",
                [with(T, "author=Koniurev, E; year=2001; volume=3; pages=7-9"),
                 with(T, "author=Konorev, E; year=2001; volume=3; pages=7-9")]),
            ("title-and-place",
                [with(T, "year=2001; volume=3; pages=7"), with(NEAR, "year=2002; volume=3; pages=7")],
                "no-rule", [with(T, "year=2001; volume=3; pages=7"), with(NEAR, "volume=3; pages=7")]),
            ("short-title-and-place",
                ["title=Book review; author=Li; year=2001; volume=3; pages=7".into(),
                 "title=Book review; author=Li; year=2001; volume=3; pages=7".into()],
                "no-rule", ["title=Book review; year=2001; volume=3; pages=7; issn=0300-8428".into(),
                            "title=Book review; year=2001; volume=3; pages=7; issn=0300-8428".into()]),
            ("title-author-journal",
                [with(T, "author=Li; year=2001; issn=0300-8428"), with(NEAR, "author=Li; year=2002; issn=0300-8428")],
                "no-rule", [with(T, "author=Li; issn=0300-8428"), with(NEAR, "author=Li; year=2002; issn=0300-8428")]),
            ("full-text-link",
                ["title=The heart of the matter in small mammals: a field study; author=Li; url=http://a.org/1.pdf".into(),
                 with(T, "author=Li; year=2001; url=https://www.a.org/1.pdf#page=2")],
                "no-rule",
                // What each issue has, at the address of the journal.
                [with(LONG, "year=2001; url=http://a.org/issues"), with(LONG, "year=2001; url=http://a.org/issues")]),
            ("title-alike-and-range",
                [with(T, "author=Li; author=Wu; year=2001; volume=3; pages=7-19"),
                 with(ALIKE, "author=Li; author=Wu; year=2001; volume=3; pages=7-19")],
                "no-rule",
                // Two reviews by one author on one page.
                ["title=Review of the history of all France; author=Li; year=2001; volume=3; pages=7-19".into(),
                 "title=Review of the history of all Spain; author=Li; year=2001; volume=3; pages=7-19".into()]),
            ("title-page-journal",
                [with(T, "author=Li; author=Wu; year=2001; pages=7-19; venue=Heart"),
                 with(ALIKE, "author=Li; author=Wu; year=2001; pages=7-19; venue=Heart")],
                "no-rule", [with(T, "year=2001; pages=7; venue=Heart"), with(ALIKE, "year=2001; pages=7; venue=Heart")]),
            ("short-title-and-volume",
                ["title=Rosacea; author=Li, W; year=2001; volume=3; venue=Skin".into(),
                 "title=Rosacea; author=Li, W; year=2001; volume=3; venue=Skin; pages=7".into()],
                "no-rule", ["title=Rosacea; author=Li, W; year=2001; venue=Skin".into(),
                            "title=Rosacea; author=Li, W; year=2001; volume=3; venue=Skin; pages=7".into()]),
            ("title-author-alone",
                [with(T, "author=Li, W; author=Smith, J; year=2001"),
                 with(T, "author=Li, W; author=Smith, J; year=2001; issn=0300-8428; volume=3; pages=7")],
                "no-rule",
                [with(T, "author=Li, W; year=2001"),
                 with(T, "author=Li, W; author=Smith, J; year=2001; issn=0300-8428; volume=3; pages=7")]),
            ("title-authors-year",
                [with(LONG, "author=Li, W; year=2001; venue=Heart"), with(LONG, "author=Li, W; year=2001; issn=0300-8428")],
                "no-rule",
                [with(LONG, "author=Li, W; year=2001; venue=Heart"), with(LONG, "author=Li, W; year=2002; issn=0300-8428")]),
            ("version",
                [with(T, "type=preprint; author=Li; year=2001; venue=Series; volume=9; pages=4"),
                 with(T, "type=article; author=Li; year=2003; venue=Heart; volume=3; pages=7")],
                "place-conflict",
                [with(T, "type=article; author=Li; year=2001; venue=Series; volume=9; pages=4"),
                 with(T, "type=article; author=Li; year=2003; venue=Heart; volume=3; pages=7")]),
            ("doi-and-authors",
                ["title=Das Herz der Materie bei kleinen Tieren; author=Li, W; author=Wu, S; year=2001; doi=10.1/abc".into(),
                 with(T, "author=Li, W; author=Wu, S; year=2001; doi=10.1/abc")],
                // Two abstracts of one supplement.
                "no-rule",
                ["title=Another thing about the rivers of the north; author=Li, W; year=2001; doi=10.1/abc".into(),
                 with(T, "author=Li, W; year=2001; doi=10.1/abc")]),
            ("range-and-authors",
                ["title=Das Herz der Materie; author=Li, W; author=Wu, S; year=2001; volume=3; pages=7-19; issn=0300-8428".into(),
                 with(T, "author=Li, W; author=Wu, S; year=2001; volume=3; pages=7-19; issn=0300-8428")],
                "no-rule",
                ["title=Das Herz der Materie; author=Li, W; year=2001; volume=3; pages=7-19; issn=0300-8428".into(),
                 with(T, "author=Li, W; year=2001; volume=3; pages=7-19; issn=0300-8428")]),
        ];
        for (rule, [a, b], other, [c, d]) in &rows {
            let versions = match *rule {
                "versions-apart" => Versions::Apart,
                _ => Versions::Together,
            };
            assert_eq!(decided_with(a, b, versions), *rule, "{a} / {b}");
            assert_eq!(decided_with(c, d, versions), *other, "{c} / {d}");
        }
        let tested: BTreeSet<&str> = rows.iter().map(|(rule, ..)| *rule).collect();
        let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(tested, all);
    }

    #[test]
    fn conference_abstract_and_article_stay_apart() {
        let article = "title=Opioid-induced preconditioning is dependent on caveolin-3 expression; \
            author=Tsutsumi, Y. M.; author=Patel, H. H.; year=2010; volume=111; pages=1117-21; \
            venue=Anesth Analg";
        let talk = "title=Opioid-induced preconditioning is dependent on caveolin-3 expression; \
            author=Tsutsumi, Y. M.; author=Patel, H. H.; year=2009; venue=The FASEB Journal";
        assert_eq!(decided(article, talk), "no-rule");
    }

    #[test]
    fn recurring_titles_stay_apart() {
        let in_issue = |rest: &str| {
            decided(
                &format!("title=Editorial; {rest}"),
                "title=Editorial; year=2001; volume=3; pages=2; venue=Heart",
            )
        };
        assert_eq!(
            in_issue("year=2001; volume=4; pages=2; venue=Heart"),
            "no-rule"
        );
        assert_eq!(in_issue("year=2001; venue=Heart"), "no-rule");
        assert_eq!(
            in_issue("year=2001; volume=3; pages=90; venue=Heart"),
            "page-conflict"
        );
    }

    #[test]
    fn a_translated_title_is_one_of_several() {
        use crate::record::resource::{Agent, IdentifierKind, Resource, Title};
        let article = |title: &str, other: &[&str]| {
            let titles = [title].into_iter().chain(other.iter().copied());
            let mut resource = Resource {
                titles: titles.map(|title| Title::from(title.to_owned())).collect(),
                agents: vec![Agent {
                    name: "Li, W.".to_owned(),
                    ..Agent::default()
                }],
                ..Resource::default()
            };
            resource.identify(IdentifierKind::Doi, "10.1/abc");
            Description::from_resource(&resource)
        };
        let german = article("Das Herz der Materie bei kleinen Tieren", &[]);
        let both = article(
            "The heart of the matter",
            &["Das Herz der Materie bei kleinen Tieren"],
        );
        assert_eq!(decide(&german, &both, Versions::Together).rule.name, "doi");
        let english = article("The heart of the matter", &[]);
        assert_eq!(
            decide(&german, &english, Versions::Together).verdict(),
            Verdict::Unsure
        );
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }
}
