//! Authors of a MARC 21 record in a catalogue, told apart by what they did.

use super::super::document::Post;
use crate::record::marc::{Field, Record};
use crate::record::relator;

/// Relators of those who made a work.
const FIRST: &str = "adp aut cmp cre dub inv";

/// Relators of those who helped to make it.
const SECOND: &str = "\
act anm ann arr acp ar ard aft aud aui aus bjd bpd cll ctg chr cng clb clr cmm cwt com cpl cpt cpe \
ccp cnd cos cot coe cts ctt cte ctb crp cst cov cur dnc dtc dto dfd dft dfe dln dpc dsr drt dis drm \
edt elt egr etr fac fld flm frg ilu ill ins itr ivr ldr lsa led lil lit lie lel let lee lbt lgd ltg \
lyr mrb mte msd mus nrt opn org pta pth prf pht ptf ptt pte prt pop prm pro pmn prd prg pdr pbd ppt \
ren rpt rth rtm res rsp rst rse rpy rsg rev rbr sce sad scr scl spy std sng sds spk stm str stl sht \
ths trl tyd tyg vdg voc wde wdc wam";

/// The fields of authors.
///
/// Source: VuFind's `author-classification.ini` and its rules for relators.
pub(super) fn post(record: &Record, post: &mut Post<'_>) {
    let first = Rule {
        roles: &[FIRST],
        without_role: &["100"],
    };
    let second = Rule {
        roles: &[SECOND],
        without_role: &["700"],
    };
    let corporate = Rule {
        roles: &[FIRST, SECOND],
        without_role: &["110", "111", "710", "711"],
    };
    let people = &[("100", "abcqd"), ("700", "abcqd")];
    let authors = first.names(record, people);
    let sorted = Rule {
        roles: &[FIRST],
        without_role: &["100", "110", "111", "700"],
    };
    let sorted = sorted.names(
        record,
        &[
            ("100", "abcd"),
            ("110", "ab"),
            ("111", "abc"),
            ("700", "abcd"),
        ],
    );
    let bodies = &[("110", "ab"), ("111", "abc"), ("710", "ab"), ("711", "abc")];
    for (name, role, found) in [
        ("author", "author_role", authors),
        ("author2", "author2_role", second.names(record, people)),
        (
            "author_corporate",
            "author_corporate_role",
            corporate.names(record, bodies),
        ),
    ] {
        let (names, roles): (Vec<String>, Vec<String>) = found.into_iter().unzip();
        post.many(name, names);
        // One role for each name, or none: readers go by position.
        if roles.iter().all(|role| !role.is_empty()) {
            post.many(role, roles);
        }
    }
    post.maybe(
        "author_sort",
        sorted.into_iter().next().map(|(name, _)| name),
    );
    post.many("author_additional", super::spec(record, "505r"));
}

/// Which names count.
struct Rule<'r> {
    /// Lists of relators.
    roles: &'r [&'r str],
    /// Tags whose names count without a relator, or with one that nobody knows.
    without_role: &'r [&'r str],
}

impl Rule<'_> {
    /// Names with their relators, in document order; a name with several comes several times.
    fn names(&self, record: &Record, tags: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for field in &record.fields {
            let Some((_, codes)) = tags.iter().find(|(tag, _)| *tag == field.tag) else {
                continue;
            };
            let Some(name) = name(field, codes) else {
                continue;
            };
            for role in self.roles_of(field) {
                found.push((name.clone(), role));
            }
        }
        found
    }

    fn roles_of(&self, field: &Field) -> Vec<String> {
        let free = self.without_role.contains(&field.tag.as_str());
        let stated: Vec<&str> = field.all('e').chain(field.all('4')).collect();
        if stated.is_empty() {
            return match (free, field.tag.as_str()) {
                (false, _) => Vec::new(),
                (true, "100") => vec!["aut".to_owned()],
                (true, _) => vec![String::new()],
            };
        }
        let mut roles: Vec<String> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for text in stated {
            let text = text.rsplit('/').next().unwrap_or(text);
            match relator::code(text) {
                Some(code) if self.has(code) && !roles.iter().any(|known| known == code) => {
                    roles.push(code.to_owned());
                }
                Some(_) => {}
                None if free => unknown.push(text.trim_end_matches(['.', ',']).to_owned()),
                None => {}
            }
        }
        roles.extend(unknown.into_iter().take(1));
        roles
    }

    fn has(&self, code: &str) -> bool {
        self.roles
            .iter()
            .any(|list| list.split(' ').any(|role| role == code))
    }
}

/// Subfields in document order: a comma before $b, $c and $g, a blank before others.
fn name(field: &Field, codes: &str) -> Option<String> {
    let mut name = String::new();
    for (code, text) in &field.subfields {
        if !codes.contains(*code) {
            continue;
        }
        if !name.is_empty() {
            // A comma that the record has itself is enough.
            let separator = match code {
                'b' | 'c' | 'g' if !name.ends_with(',') => ", ",
                _ => " ",
            };
            name.push_str(separator);
        }
        name.push_str(text);
    }
    let name = without_punctuation(&name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Without separators at the end, and without a full stop unless it ends an initial or a title.
fn without_punctuation(name: &str) -> &str {
    let name = name.trim_end_matches([' ', '/', ':', ';', ',', '=', '(', '[']);
    let Some(bare) = name.strip_suffix('.') else {
        return name;
    };
    let last = bare.rsplit([' ', '.', '-']).next().unwrap_or("");
    let abbreviations = ["col", "mr", "mrs", "ms"];
    let kept = last.chars().count() <= 1
        || abbreviations
            .iter()
            .any(|word| last.eq_ignore_ascii_case(word));
    match kept {
        true => name,
        false => bare.trim_end(),
    }
}
