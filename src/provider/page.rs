//! Fills a page of a list. Records are written in groups, each on two processor cores.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::formats::Writing;
use crate::store::{ServedRecord, Version};

/// Records that are written together.
const GROUP: usize = 64;

/// A group is complete when its metadata has so many bytes, also if it has fewer records.
const GROUP_BYTES: usize = 1 << 20;

/// Groups of fewer records are written faster than another thread starts.
const SHARED: usize = 8;

/// Whether there is a second core.
static HAS_CORES: LazyLock<bool> =
    LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1));

/// What a page can hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Records.
    pub(super) items: usize,
    /// The page ends with the record that reaches this size.
    pub(super) bytes: usize,
}

/// A page that is being filled, by version.
pub(super) struct Page<'a, W> {
    room: Room,
    /// Appends a record to a text.
    write: &'a W,
    /// Whether records take long to write.
    is_slow: bool,
    out: &'a mut Vec<u8>,
    begin: usize,
    group: Vec<(ServedRecord, Writing)>,
    group_bytes: usize,
    /// The version of the last record that was added.
    newest: Version,
    /// The number of records on the page.
    pub(super) items: usize,
    /// The version of the last record on the page.
    pub(super) last: Version,
    /// Whether a record did not fit.
    pub(super) has_more: bool,
}

impl<'a, W> Page<'a, W>
where
    W: Fn(&ServedRecord, Writing, &mut Vec<u8>) + Sync,
{
    /// An empty page behind the version `after`. Records are appended to `out`.
    pub(super) fn new(
        room: Room,
        after: Version,
        write: &'a W,
        is_slow: bool,
        out: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            room,
            write,
            is_slow,
            begin: out.len(),
            out,
            group: Vec::with_capacity(GROUP),
            group_bytes: 0,
            newest: after,
            items: 0,
            last: after,
            has_more: false,
        }
    }

    /// Adds a record, and breaks if the page is full. Records of one version are on one page.
    pub(super) fn add(&mut self, record: ServedRecord, writing: Writing) -> ControlFlow<()> {
        let version = record.record.version;
        let is_full = self.items + self.group.len() >= self.room.items
            || self.group.is_empty() && self.is_long();
        if is_full && version > self.newest {
            self.has_more = true;
            return ControlFlow::Break(());
        }
        self.newest = version;
        self.group_bytes += record.record.metadata.as_ref().map_or(0, String::len);
        self.group.push((record, writing));
        if self.group.len() >= GROUP || self.group_bytes >= GROUP_BYTES {
            self.flush();
        }
        match self.has_more {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn is_long(&self) -> bool {
        self.out.len() - self.begin >= self.room.bytes
    }

    /// Writes the records that were added.
    pub(super) fn flush(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        let is_shared = self.is_slow && group.len() >= SHARED && *HAS_CORES;
        let (first, second) = group.split_at(match is_shared {
            true => group.len() / 2,
            false => group.len(),
        });
        let (first, second) = std::thread::scope(|scope| {
            let other = is_shared.then(|| scope.spawn(|| written(second, self.write)));
            let first = written(first, self.write);
            let second = other.map(|other| match other.join() {
                Ok(second) => second,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            (first, second.unwrap_or_default())
        });
        let texts = texts(&first).chain(texts(&second));
        for ((record, _), text) in group.iter().zip(texts) {
            let version = record.record.version;
            if self.is_long() && version > self.last {
                self.has_more = true;
                break;
            }
            self.out.extend_from_slice(text);
            self.items += 1;
            self.last = version;
        }
    }
}

/// Records, one after the other, and the end of each.
type Texts = (Vec<u8>, Vec<usize>);

fn written(
    group: &[(ServedRecord, Writing)],
    write: &impl Fn(&ServedRecord, Writing, &mut Vec<u8>),
) -> Texts {
    let mut text = Vec::new();
    let ends = group.iter().map(|(record, writing)| {
        write(record, *writing, &mut text);
        text.len()
    });
    let ends = ends.collect();
    (text, ends)
}

fn texts((text, ends): &Texts) -> impl Iterator<Item = &[u8]> {
    let begins = std::iter::once(&0).chain(ends);
    begins.zip(ends).map(|(begin, end)| &text[*begin..*end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoredRecord;

    fn record(version: i64, bytes: usize) -> ServedRecord {
        ServedRecord {
            record: StoredRecord {
                number: 1,
                source: "a".to_owned(),
                metadata_prefix: "oai_dc".to_owned(),
                identifier: String::new(),
                datestamp: String::new(),
                set_specs: Vec::new(),
                deletion: None,
                version: Version(version),
                created_version: Version(version),
                metadata: Some("x".repeat(bytes)),
                extra: None,
                others: Vec::new(),
            },
            is_second: false,
        }
    }

    /// The versions on a page, and whether there are more.
    fn fill(room: Room, records: &[(i64, usize)]) -> (Vec<i64>, bool) {
        let write = |record: &ServedRecord, _: Writing, out: &mut Vec<u8>| {
            let metadata = record.record.metadata.as_deref().unwrap_or_default();
            out.extend_from_slice(format!("{} {metadata}\n", record.record.version).as_bytes());
        };
        let mut pages = Vec::new();
        for is_slow in [false, true] {
            let mut out = b"before\n".to_vec();
            let mut page = Page::new(room, Version(0), &write, is_slow, &mut out);
            for (version, bytes) in records {
                if page
                    .add(record(*version, *bytes), Writing::OaiDc)
                    .is_break()
                {
                    break;
                }
            }
            page.flush();
            let (items, last, has_more) = (page.items, page.last, page.has_more);
            let text = String::from_utf8(out).unwrap();
            let versions: Vec<i64> = { text.lines().skip(1) }
                .map(|line| line.split_once(' ').unwrap().0.parse().unwrap())
                .collect();
            assert_eq!(versions.len(), items);
            assert_eq!(versions.last().map_or(0, |last| *last), last.0);
            pages.push((versions, has_more));
        }
        assert_eq!(pages[0], pages[1]);
        pages.remove(0)
    }

    #[test]
    fn a_page_ends_where_it_is_full() {
        let room = |items, bytes| Room { items, bytes };
        let each = |to: i64, bytes: usize| (1..=to).map(|at| (at, bytes)).collect::<Vec<_>>();
        let upto = |to: i64| (1..=to).collect::<Vec<_>>();
        for (case, room, records, expected) in [
            ("nothing", room(100, 1 << 20), each(0, 0), (upto(0), false)),
            (
                "exactly full",
                room(100, 1 << 20),
                each(100, 9),
                (upto(100), false),
            ),
            (
                "one more",
                room(100, 1 << 20),
                each(101, 9),
                (upto(100), true),
            ),
            (
                "several groups",
                room(200, 1 << 20),
                each(150, 9),
                (upto(150), false),
            ),
            (
                "long by bytes",
                room(100, 1_000),
                each(90, 497),
                (upto(2), true),
            ),
            (
                "long within a group",
                room(200, 768),
                each(70, 9),
                (upto(60), true),
            ),
            (
                "long at the end of a group",
                room(200, 823),
                each(70, 9),
                (upto(64), true),
            ),
            (
                "one huge record",
                room(100, 1_000),
                each(2, 5_000),
                (upto(1), true),
            ),
            (
                "huge records",
                room(100, 4 << 20),
                each(9, 2 << 20),
                (upto(2), true),
            ),
            (
                "one version is not split",
                room(2, 1 << 20),
                vec![(1, 1), (2, 1), (2, 1), (2, 1), (3, 1)],
                (vec![1, 2, 2, 2], true),
            ),
            (
                "nor by bytes",
                room(100, 10),
                vec![(1, 20), (1, 20), (2, 1)],
                (vec![1, 1], true),
            ),
        ] {
            assert_eq!(fill(room, &records), expected, "{case}");
        }
    }
}
