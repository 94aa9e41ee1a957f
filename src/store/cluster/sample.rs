//! Samples of the matches that hold clusters together, and matched records side by side for people.

use crate::dedup::evidence::{Sampler, Stratum};
use crate::dedup::place::{self, Issn};
use crate::dedup::text::fold;
use crate::dedup::{doi, name};
use crate::record::crosswalk;
use crate::record::flat::Flat;
use crate::store::{Member, Reader, StoreError};

/// The largest clusters that a sample names.
const LARGEST: usize = 20;

/// What is shown of each of two records.
pub const COMPARED_FIELDS: [&str; 13] = [
    "source",
    "identifier",
    "kind",
    "title",
    "authors",
    "journal",
    "year",
    "volume",
    "issue",
    "pages",
    "doi",
    "issn",
    "url",
];

/// Of a record, these tell where it is, and differ always.
const NOT_COMPARED: [&str; 3] = ["source", "identifier", "url"];

/// Which matches to draw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleFilter {
    /// At most so many matches of each rule.
    pub size: usize,
    /// Only matches of this rule.
    pub rule: Option<String>,
    /// Only matches with a record of this source.
    pub source: Option<String>,
    /// Each number draws another sample.
    pub seed: u64,
}

/// Two records that a rule has matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name of their cluster.
    pub cluster: String,
    /// One record.
    pub a: Member,
    /// The other one, of a lower rank.
    pub b: Member,
}

/// A sample of the matches of a store, and what was counted meanwhile.
#[derive(Debug, Default)]
pub struct Sample {
    /// The rules with their samples, the weakest rule first.
    pub strata: Vec<Stratum<Pair>>,
    /// Clusters of two records or more.
    pub clusters: u64,
    /// Records in them.
    pub clustered: u64,
    /// Clusters of records of two sources or more.
    pub across_sources: u64,
    /// The largest clusters by their preferred records, with their sizes, the largest first.
    pub largest: Vec<(Member, u64)>,
}

/// Two records field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The values of [`COMPARED_FIELDS`] of one record; empty where it has none.
    pub a: [String; COMPARED_FIELDS.len()],
    /// Those of the other one.
    pub b: [String; COMPARED_FIELDS.len()],
    /// The names of the fields of which both have a value, and not the same one.
    pub differs: Vec<&'static str>,
}

impl Compared {
    /// The values of one of [`COMPARED_FIELDS`]; empty for other names.
    pub fn values(&self, field: &str) -> (&str, &str) {
        let at = COMPARED_FIELDS.iter().position(|name| *name == field);
        at.map_or(("", ""), |at| (&self.a[at], &self.b[at]))
    }
}

/// What ends the reading of all clusters.
enum Interrupted {
    Stopped,
    Failed(StoreError),
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Reader {
    /// Draws a sample of the matches of each rule. All clusters are read for it, and counted. `None` if
    /// `is_stopped` says so in between.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] if the clusters are not up to date.
    pub fn draw_sample(
        &self,
        filter: &SampleFilter,
        is_stopped: impl Fn() -> bool,
    ) -> Result<Option<Sample>, StoreError> {
        let mut sampler = Sampler::new(filter.size);
        let mut sample = Sample::default();
        let read = self.visit_links(|cluster, links| {
            if is_stopped() {
                return Err(Interrupted::Stopped);
            }
            sample.count(&cluster.members);
            for link in links {
                let (a, b) = (&cluster.members[link.a], &cluster.members[link.b]);
                let of_rule = |name: &String| *name == link.decision.rule.name;
                let of_source = |name: &String| [&a.source, &b.source].contains(&name);
                if filter.rule.as_ref().is_none_or(of_rule)
                    && filter.source.as_ref().is_none_or(of_source)
                {
                    sampler.add(link.decision, key(filter.seed, a, b), || Pair {
                        cluster: cluster.name.to_string(),
                        a: a.clone(),
                        b: b.clone(),
                    });
                }
            }
            Ok(())
        });
        match read {
            Ok(()) => {}
            Err(Interrupted::Stopped) => return Ok(None),
            Err(Interrupted::Failed(error)) => return Err(error),
        }
        sample.keep_largest();
        sample.strata = sampler.finish();
        Ok(Some(sample))
    }

    /// Two records side by side. The fields of a record that is deleted, or that no crosswalk reads, are
    /// empty.
    pub fn compared(&self, a: &Member, b: &Member) -> Result<Compared, StoreError> {
        let (a, b) = (fields(self, a)?, fields(self, b)?);
        let differs = differing(&a, &b);
        Ok(Compared { a, b, differs })
    }
}

impl Sample {
    fn count(&mut self, members: &[Member]) {
        let [preferred, others @ ..] = members else {
            return;
        };
        self.clusters += 1;
        self.clustered += members.len() as u64;
        let is_across = others.iter().any(|other| other.source != preferred.source);
        self.across_sources += u64::from(is_across);
        self.largest.push((preferred.clone(), members.len() as u64));
        if self.largest.len() > 8 * LARGEST {
            self.keep_largest();
        }
    }

    fn keep_largest(&mut self) {
        // Of clusters of one size, the older ones come first.
        self.largest
            .sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        self.largest.truncate(LARGEST);
    }
}

/// A number by chance for a pair, the same each time.
fn key(seed: u64, a: &Member, b: &Member) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for member in [a, b] {
        for text in [&member.source, &member.identifier] {
            hasher.update(text.as_bytes());
            hasher.update(&[0]);
        }
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    key
}

/// The values of [`COMPARED_FIELDS`], for people.
fn fields(reader: &Reader, member: &Member) -> Result<[String; COMPARED_FIELDS.len()], StoreError> {
    let mut found = reader.find(&member.identifier)?.into_iter();
    let record = found.find(|record| record.source == member.source);
    let resource = record.and_then(|record| {
        let metadata = record.metadata.as_deref()?;
        crosswalk::resource_of(&record.metadata_prefix, metadata, record.header()).ok()
    });
    let flat = resource.as_ref().map(Flat::from);
    let text =
        |value: fn(&Flat<'_>) -> Option<String>| flat.as_ref().and_then(value).unwrap_or_default();
    Ok([
        member.source.clone(),
        member.identifier.clone(),
        text(|flat| Some(flat.kind.to_owned())),
        text(|flat| flat.title.as_deref().map(str::to_owned)),
        text(|flat| {
            let names = flat.authors.iter().map(|author| author.name);
            Some(names.collect::<Vec<_>>().join("; "))
        }),
        text(|flat| flat.journal.map(str::to_owned)),
        text(|flat| flat.published.map(|date| date.chars().take(4).collect())),
        text(|flat| flat.volume.map(str::to_owned)),
        text(|flat| flat.issue.map(str::to_owned)),
        text(|flat| {
            let ends = [flat.start_page, flat.end_page];
            Some(ends.into_iter().flatten().collect::<Vec<_>>().join("-"))
        }),
        text(|flat| flat.doi.map(str::to_owned)),
        text(|flat| {
            let first = [flat.issn, flat.eissn];
            let issns = first.into_iter().flatten();
            let others = flat.other_issns.iter().map(String::as_str);
            Some(issns.chain(others).collect::<Vec<_>>().join(" "))
        }),
        resource
            .as_ref()
            .and_then(|resource| {
                let first = || resource.links.first().map(|link| link.url.as_str());
                resource.reading_url().or_else(first)
            })
            .unwrap_or_default()
            .to_owned(),
    ])
}

/// The fields of which both records have a value, and not the same one.
fn differing(a: &[String], b: &[String]) -> Vec<&'static str> {
    let values = COMPARED_FIELDS.iter().zip(a.iter().zip(b));
    values
        .filter(|(name, (a, b))| {
            let are_known = !a.is_empty() && !b.is_empty();
            let is_same = || normalised(name, a) == normalised(name, b);
            !NOT_COMPARED.contains(name) && are_known && !is_same()
        })
        .map(|(name, _)| *name)
        .collect()
}

/// A value of a field as the rules compare it, so that `10.1000/182` and `https://doi.org/10.1000/182` are one.
fn normalised(field: &str, value: &str) -> String {
    let read = match field {
        "doi" => doi::read(value).map(String::from),
        "issn" => {
            let mut issns: Vec<Issn> = value.split(' ').filter_map(Issn::read).collect();
            issns.sort_unstable();
            issns.dedup();
            (!issns.is_empty()).then(|| format!("{issns:?}"))
        }
        "authors" => {
            let names: Vec<_> = value.split("; ").filter_map(name::read).collect();
            (!names.is_empty()).then(|| format!("{names:?}"))
        }
        "volume" => place::volume(value).map(String::from),
        "issue" => place::issue(value).map(String::from),
        "pages" => place::pages(value).map(|pages| format!("{pages:?}")),
        _ => None,
    };
    read.unwrap_or_else(|| fold(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_value_do_not_differ() {
        for (field, a, b, differ) in [
            ("doi", "10.1000/182", "https://doi.org/10.1000/182", false),
            ("doi", "doi:10.1000/ABC", "10.1000/abc", false),
            ("doi", "10.1000/182", "10.1000/183", true),
            ("doi", "none", "None", false),
            ("issn", "0300-8428 1435-1803", "14351803 0300-8428", false),
            ("issn", "0300-8428", "1435-1803", true),
            (
                "authors",
                "Wei Li; Smith, Jane",
                "Li, Wei; Jane Smith",
                false,
            ),
            ("authors", "Li, Wei", "Li, Na", true),
            ("volume", "Vol 92", "092", false),
            ("issue", "SUPPL. 01", "S1", false),
            ("pages", "139-54", "139–154", false),
            ("pages", "139-54", "139-155", true),
            ("title", "The Heart!", "the heart", false),
            ("title", "The heart", "The hearts", true),
            ("year", "2001", "2002", true),
            ("year", "2001", "", false),
        ] {
            let side = |value: &str| -> [String; COMPARED_FIELDS.len()] {
                COMPARED_FIELDS.map(|name| match name == field {
                    true => value.to_owned(),
                    false => String::new(),
                })
            };
            let found = differing(&side(a), &side(b));
            assert_eq!(found.contains(&field), differ, "{field}: {a} / {b}");
        }
    }
}
