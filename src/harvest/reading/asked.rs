//! Records that were not asked for: in another format, or of another set.
//!
//! Some repositories forget both on later pages, and then answer in their default format, or with
//! the records of all sets.

use std::collections::BTreeSet;

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

use crate::oai::response::{BadItem, List};
use crate::oai::{Header, Record};
use crate::store::Traits;

/// At most this many kinds of root elements are remembered: lists of one format have one or two.
const MAX_ROOTS: usize = 16;

/// So many records make it certain that a page has another format, if neither format is a known one.
const MANY: usize = 3;

/// What a list was asked for, as far as its records can be compared with it.
#[derive(Debug, Clone, Default)]
pub(in crate::harvest) struct Asked {
    /// The known format that the metadataPrefix means everywhere.
    format: Option<&'static str>,
    /// The root elements of records that first pages have shown.
    roots: BTreeSet<String>,
    /// The set.
    set: Option<String>,
    /// Whether the records of first pages name the sets that were asked for.
    names_sets: bool,
    /// A later page has shown records of other sets.
    forgets_set: bool,
}

impl Asked {
    /// A list of this format and set. `traits` say what earlier lists have shown.
    pub(in crate::harvest) fn new(
        metadata_prefix: &str,
        set: Option<&str>,
        traits: &Traits,
    ) -> Self {
        Self {
            format: format_of_prefix(metadata_prefix),
            roots: traits.metadata_roots.iter().cloned().collect(),
            set: set.map(str::to_owned),
            names_sets: traits.names_sets == Some(true),
            forgets_set: false,
        }
    }

    /// Why a page is not the requested one: all its records are in another format. Records without
    /// metadata do not count.
    pub(in crate::harvest) fn other_format(&self, records: &[Record]) -> Option<String> {
        // Formats without a known name are told apart only from one that was asked for by name.
        let known = self.format.is_some()
            && !self.roots.is_empty()
            && self.roots.iter().all(|seen| family(seen) == self.format);
        let (mut first, mut count, mut all_are_other) = (None, 0, true);
        for root in records.iter().filter_map(root_of) {
            let is_other = self.is_other(&root);
            if !is_other && (!known || self.roots.contains(&root)) {
                return None;
            }
            all_are_other &= is_other;
            count += 1;
            first.get_or_insert(root);
        }
        let first = first.filter(|_| all_are_other || count >= MANY)?;
        Some(self.in_words(&first))
    }

    /// Why a record is not in the requested format.
    pub(in crate::harvest) fn other_format_of(&self, record: &Record) -> Option<String> {
        let root = root_of(record)?;
        self.is_other(&root).then(|| self.in_words(&root))
    }

    /// Whether a root element belongs to a known format that was not asked for.
    fn is_other(&self, root: &str) -> bool {
        let Some(found) = family(root) else {
            return false;
        };
        if let Some(asked) = self.format {
            return found != asked;
        }
        // The first pages show which format the metadataPrefix stands for.
        !self.roots.is_empty()
            && !self.roots.contains(root)
            && self.roots.iter().all(|seen| family(seen) != Some(found))
    }

    fn in_words(&self, root: &str) -> String {
        let found = in_words(root);
        match (self.format, self.roots.first()) {
            (Some(asked), _) => {
                format!("it is in another format than asked for: {found}, not {asked}")
            }
            (None, Some(seen)) => {
                let seen = in_words(seen);
                format!("it is in another format than before: {found}, not {seen}")
            }
            (None, None) => format!("it is in another format: {found}"),
        }
    }

    /// Moves the records that are in another format to the bad items. The page around them is right.
    pub(in crate::harvest) fn reject_other_formats(&self, list: &mut List<Record>) {
        // Nearly every page has none, and its records begin alike.
        let mut right_tag = None;
        let has_other = list.items.iter().any(|record| {
            let tag = record.metadata.as_deref().and_then(start_tag);
            if tag.is_some() && tag == right_tag {
                return false;
            }
            let is_other = self.other_format_of(record).is_some();
            right_tag = tag.filter(|_| !is_other);
            is_other
        });
        if !has_other {
            return;
        }
        let mut kept = Vec::with_capacity(list.items.len());
        for record in list.items.drain(..) {
            match self.other_format_of(&record) {
                None => kept.push(record),
                Some(reason) => list.bad.push(BadItem {
                    identifier: Some(record.header.identifier),
                    datestamp: Some(record.header.datestamp),
                    reason,
                    raw: record.metadata.unwrap_or_default().into_bytes(),
                }),
            }
        }
        list.items = kept;
    }

    /// Takes up what the first page of a list shows.
    pub(super) fn learn(&mut self, records: &[Record]) {
        for root in records.iter().filter_map(root_of) {
            if self.roots.len() < MAX_ROOTS {
                self.roots.insert(root);
            }
        }
        if let Some(set) = &self.set {
            // A deleted record without sets says nothing.
            let tells =
                |record: &&Record| !record.header.deleted || !record.header.set_specs.is_empty();
            let telling = || records.iter().filter(tells);
            if telling().next().is_some() {
                self.names_sets = telling().all(|record| names(&record.header, set));
            }
        }
    }

    /// Adds to `traits` what first pages have shown; whether that is new.
    pub(super) fn teach(&self, traits: &mut Traits) -> bool {
        let roots: Vec<String> = self.roots.iter().cloned().collect();
        let names_sets = match self.set {
            Some(_) => Some(self.names_sets),
            None => traits.names_sets,
        };
        let is_news = traits.metadata_roots != roots || traits.names_sets != names_sets;
        traits.metadata_roots = roots;
        traits.names_sets = names_sets;
        is_news
    }

    /// The first record that names only other sets, if the records of first pages name theirs and no
    /// such record came before.
    pub(in crate::harvest) fn record_of_other_set<'r>(
        &self,
        records: &'r [Record],
    ) -> Option<&'r Header> {
        let set = self.set.as_ref().filter(|_| self.names_sets)?;
        let mut headers = records.iter().map(|record| &record.header);
        headers.find(|header| !self.forgets_set && names_only_others(header, set))
    }

    /// From here on, records of other sets are left out: later pages forget the set.
    pub(super) fn leave_out(&mut self) {
        self.forgets_set = true;
    }

    /// From here on, the list is believed, whatever sets its records name.
    pub(super) fn trust_list(&mut self) {
        self.names_sets = false;
    }

    /// Whether a later page has shown records of other sets.
    pub(in crate::harvest) fn forgets_set(&self) -> bool {
        self.forgets_set
    }

    /// Removes the records of other sets, if the list forgets its set.
    ///
    /// Deleted records often name no set, so those stay.
    pub(super) fn leave_out_other_sets(&self, records: &mut Vec<Record>) {
        let Some(set) = self.set.as_ref().filter(|_| self.forgets_set) else {
            return;
        };
        records.retain(|record| {
            let has_none = record.header.set_specs.is_empty();
            names(&record.header, set) || (has_none && record.header.deleted)
        });
    }
}

/// Whether a header names a set or one below it.
pub(in crate::harvest) fn names(header: &Header, set: &str) -> bool {
    header.set_specs.iter().any(|spec| {
        spec.strip_prefix(set)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}

pub(in crate::harvest) fn names_only_others(header: &Header, set: &str) -> bool {
    !header.set_specs.is_empty() && !names(header, set)
}

/// The start tag of the root, if nothing is before it.
fn start_tag(metadata: &str) -> Option<&str> {
    let is_tag =
        metadata.starts_with('<') && !metadata.starts_with("<?") && !metadata.starts_with("<!");
    Some(&metadata[..=metadata.find('>')?]).filter(|_| is_tag)
}

fn root_of(record: &Record) -> Option<String> {
    root(record.metadata.as_deref()?)
}

/// The root element of a document as `{namespace}name`; `None` if it is no XML.
fn root(metadata: &str) -> Option<String> {
    let mut reader = NsReader::from_str(metadata);
    loop {
        let (namespace, event) = reader.read_resolved_event().ok()?;
        let element = match event {
            Event::Start(element) | Event::Empty(element) => element,
            Event::Eof | Event::End(_) => return None,
            _ => continue,
        };
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.as_ref().trim().to_owned(),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
        };
        let name = element.local_name();
        return Some(format!("{{{namespace}}}{}", name.as_ref()));
    }
}

/// The parts of a root as [`root`] writes it.
fn parts(root: &str) -> (&str, &str) {
    root.strip_prefix('{')
        .and_then(|rest| rest.rsplit_once('}'))
        .unwrap_or(("", root))
}

fn in_words(root: &str) -> String {
    match (family(root), parts(root)) {
        (Some(family), _) => family.to_owned(),
        (None, ("", name)) => format!("<{name}>"),
        (None, (namespace, name)) => format!("<{name}> of {namespace}"),
    }
}

const OAI_DC: &str = "oai_dc";

/// The known format of a root element.
fn family(root: &str) -> Option<&'static str> {
    let (namespace, name) = parts(root);
    let namespace = namespace.to_ascii_lowercase();
    // Parts of the namespaces, since versions and schemes differ.
    const KNOWN: [(&str, &str); 12] = [
        ("openarchives.org/oai/2.0/oai_dc", OAI_DC),
        ("loc.gov/marc21", "MARC"),
        ("marcxchange", "MARC"),
        ("loc.gov/mods", "MODS"),
        ("doaj.org/features/oai_doaj", "oai_doaj"),
        ("dspace.org/xmlns/dspace/dim", "DIM"),
        ("lyncode.com/xoai", "xoai"),
        ("datacite.org/", "DataCite"),
        ("namespace.openaire.eu/schema/oaire", "OpenAIRE"),
        ("ndltd.org/standards/metadata/etdms", "ETD-MS"),
        ("jats.nlm.nih.gov", "JATS"),
        ("dtd.nlm.nih.gov", "JATS"),
    ];
    let known = KNOWN.iter().find(|(part, _)| namespace.contains(part));
    match known {
        Some((_, family)) => Some(family),
        // Written without its namespace, or in that of the envelope.
        None if name == "dc" => Some(OAI_DC),
        None => None,
    }
}

/// The known format that repositories mean by a metadataPrefix. Only names that mean the same
/// everywhere: `openaire`, for one, is Dublin Core in some.
fn format_of_prefix(metadata_prefix: &str) -> Option<&'static str> {
    let prefix = metadata_prefix.to_ascii_lowercase();
    Some(match prefix.as_str() {
        "oai_dc" => OAI_DC,
        "oai_doaj" => "oai_doaj",
        "marc21" | "marcxml" | "marc21xml" | "marc_xml" | "marc21-xml" => "MARC",
        "mods" | "mods3" | "mods_v3" | "oai_mods" => "MODS",
        "dim" => "DIM",
        "xoai" => "xoai",
        "datacite" | "oai_datacite" | "datacite3" | "datacite4" | "oai_datacite3"
        | "oai_datacite4" => "DataCite",
        "etdms" | "oai_etdms" => "ETD-MS",
        "jats" | "oai_jats" => "JATS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::response::Paging;

    const DC: &str = "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"/>";
    const MARC: &str = "<record xmlns=\"http://www.loc.gov/MARC21/slim\"/>";
    const MODS: &str = "<m:mods xmlns:m=\"http://www.loc.gov/mods/v3\"/>";
    const OWN: &str = "<x:work xmlns:x=\"http://x.example/1\"/>";
    const METS: &str = "<mets xmlns=\"http://www.loc.gov/METS/\"/>";

    fn record(metadata: Option<&str>, sets: &[&str], deleted: bool) -> Record {
        Record {
            metadata: metadata.map(str::to_owned),
            ..Record::tombstone(Header {
                identifier: "oai:x:1".to_owned(),
                datestamp: "2024-01-01".to_owned(),
                set_specs: sets.iter().map(|set| (*set).to_owned()).collect(),
                deleted,
            })
        }
    }

    fn page(metadata: &[&str]) -> Vec<Record> {
        let record = |text: &&str| {
            record(
                Some(text).filter(|text| !text.is_empty()).copied(),
                &[],
                false,
            )
        };
        metadata.iter().map(record).collect()
    }

    fn asked(prefix: &str, first: &[&str]) -> Asked {
        let mut asked = Asked::new(prefix, None, &Traits::default());
        asked.learn(&page(first));
        asked
    }

    #[test]
    fn a_page_in_another_format_is_noticed() {
        type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str], bool);
        let cases: &[Case<'_>] = &[
            ("as asked", "marc21", &[MARC], &[MARC, MARC], false),
            ("the first page", "marc21", &[], &[DC, DC], true),
            ("a later page", "marc21", &[MARC], &[DC], true),
            (
                "Dublin Core instead of MODS",
                "mods",
                &[MODS],
                &["<dc/>"],
                true,
            ),
            (
                "MARC instead of Dublin Core",
                "oai_dc",
                &[DC],
                &[MARC],
                true,
            ),
            ("wrapped", "mods", &[], &[METS], false),
            ("a format of their own", "work", &[OWN], &[OWN], false),
            ("no longer their own", "work", &[OWN], &[DC, ""], true),
            ("a prefix of their own", "kdc", &[], &[DC], false),
            ("still theirs", "kdc", &[DC], &["<dc/>"], false),
            ("two of their own", "work", &[OWN], &["<other/>"; 5], false),
            (
                "something unknown instead",
                "oai_dc",
                &[DC],
                &["<other/>"; 3],
                true,
            ),
            ("an odd record alone", "oai_dc", &[DC], &["<other/>"], false),
            ("some records", "marc21", &[MARC], &[MARC, DC], false),
            ("nothing to compare", "marc21", &[MARC], &["", ""], false),
            ("no XML", "marc21", &[MARC], &["{}"], false),
        ];
        for (case, prefix, first, later, expected) in cases {
            let found = asked(prefix, first).other_format(&page(later));
            assert_eq!(found.is_some(), *expected, "{case}: {found:?}");
        }
        let why = asked("marc21", &[MARC]).other_format(&page(&[DC])).unwrap();
        assert_eq!(
            why,
            "it is in another format than asked for: oai_dc, not MARC"
        );
    }

    #[test]
    fn records_in_another_format_become_bad_items() {
        let mut list = List {
            items: page(&[MARC, DC, "", OWN]),
            bad: Vec::new(),
            token: None,
            paging: Paging::default(),
        };
        asked("marc21", &[MARC]).reject_other_formats(&mut list);
        let left: Vec<_> = list
            .items
            .iter()
            .map(|record| record.metadata.as_deref())
            .collect();
        assert_eq!(left, [Some(MARC), None, Some(OWN)]);
        assert_eq!(list.bad[0].raw, DC.as_bytes());
    }

    #[test]
    fn traits_remember_what_first_pages_have_shown() {
        let mut traits = Traits::default();
        asked("work", &[OWN]).teach(&mut traits);
        assert_eq!(traits.metadata_roots, ["{http://x.example/1}work"]);
        let later = Asked::new("work", None, &traits);
        assert!(later.other_format(&page(&[DC])).is_some());
        assert!(later.other_format(&page(&[OWN])).is_none());
    }

    #[test]
    fn records_of_other_sets_are_left_out_once_a_list_forgets_its_set() {
        let of = |sets: &[&str]| record(None, sets, false);
        let gone = |sets: &[&str]| record(None, sets, true);
        type Case<'a> = (&'a str, Vec<Record>, Vec<Record>, usize);
        let cases: Vec<Case<'_>> = vec![
            (
                "kept",
                vec![of(&["a"])],
                vec![of(&["a:sub"]), of(&["b", "a"])],
                0,
            ),
            (
                "forgotten",
                vec![of(&["a"])],
                vec![of(&["a"]), of(&["b"])],
                1,
            ),
            (
                "with records without sets",
                vec![of(&["a"])],
                vec![of(&["b"]), of(&[])],
                2,
            ),
            (
                "without any other set",
                vec![of(&["a"])],
                vec![of(&[]), of(&["a"])],
                0,
            ),
            (
                "deleted",
                vec![of(&["a"])],
                vec![of(&["b"]), gone(&["b"]), gone(&[])],
                2,
            ),
            ("never named", vec![of(&["A"])], vec![of(&["b"])], 0),
            ("never named at all", vec![of(&[])], vec![of(&["b"])], 0),
            ("nothing known", vec![], vec![of(&["b"])], 0),
        ];
        for (case, first, mut later, expected) in cases {
            let mut asked = Asked::new("oai_dc", Some("a"), &Traits::default());
            asked.learn(&first);
            let found = asked.record_of_other_set(&later).is_some();
            assert_eq!(found, expected > 0, "{case}");
            if found {
                asked.leave_out();
            }
            assert!(
                asked.record_of_other_set(&later).is_none(),
                "{case}: only once"
            );
            let before = later.len();
            asked.leave_out_other_sets(&mut later);
            assert_eq!(before - later.len(), expected, "{case}");
        }
    }
}
