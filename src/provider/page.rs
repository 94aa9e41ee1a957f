//! Fills a page of a list. While one group of records is read, earlier ones are written on other cores.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, sync_channel};

use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

use super::formats::Writing;
use crate::store::{ServedRecord, Version};

/// Records that are written together.
const GROUP: usize = 32;

/// A group is complete when its metadata has so many bytes, also if it has fewer records.
const GROUP_BYTES: usize = 1 << 20;

/// Groups of fewer records are written faster than another thread wakes up.
const SHARED: usize = 8;

/// Groups of one page that other threads write or that wait there.
const MAX_WAITING: usize = 2;

/// Threads that write records for all pages.
const MAX_WRITERS: usize = 8;

/// The threads that write records; `None` if there is no second core for them.
static WRITERS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let pool = ThreadPoolBuilder::new()
        .num_threads(cores.min(MAX_WRITERS))
        .thread_name(|number| format!("provider-{number}"));
    // Without threads, whoever reads the records writes them too.
    (cores > 1).then(|| pool.build().ok()).flatten()
});

/// What a page can hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Records.
    pub(super) items: usize,
    /// The page ends with the record that reaches this size.
    pub(super) bytes: usize,
}

/// A page that is being filled, by version.
pub(super) struct Page<'a, 'scope, W> {
    room: Room,
    /// Appends a record to a text.
    write: &'scope W,
    /// Where groups can be written on other threads.
    scope: Option<&'a Scope<'scope>>,
    out: &'a mut Vec<u8>,
    begin: usize,
    group: Vec<(ServedRecord, Writing)>,
    group_bytes: usize,
    /// The groups that are not in `out` yet, in order.
    groups: VecDeque<Group>,
    /// The version of the last record that was added.
    newest: Version,
    /// The number of records that were added and are not in `out` yet.
    added: usize,
    /// The number of records on the page.
    pub(super) items: usize,
    /// The version of the last record on the page.
    pub(super) last: Version,
    /// Whether a record did not fit.
    pub(super) has_more: bool,
}

/// A group that is complete.
enum Group {
    Written(Text),
    /// Another thread writes it.
    Waiting(Receiver<Text>),
}

/// The records of a group, one after the other, with the version and the end of each.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    ends: Vec<(Version, usize)>,
}

/// Calls `fill` with a scope for [`Page::new`]. `None` if records are written faster where they are read:
/// unless `is_slow`, and with one core.
pub(super) fn with_writers<'scope, T>(
    is_slow: bool,
    fill: impl FnOnce(Option<&Scope<'scope>>) -> T,
) -> T {
    match WRITERS.as_ref().filter(|_| is_slow) {
        Some(writers) => writers.in_place_scope(|scope| fill(Some(scope))),
        None => fill(None),
    }
}

impl<'a, 'scope, W> Page<'a, 'scope, W>
where
    W: Fn(&ServedRecord, Writing, &mut Vec<u8>) + Sync,
{
    /// An empty page behind the version `after`. Records are appended to `out`.
    pub(super) fn new(
        room: Room,
        after: Version,
        write: &'scope W,
        scope: Option<&'a Scope<'scope>>,
        out: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            room,
            write,
            scope,
            begin: out.len(),
            out,
            group: Vec::with_capacity(GROUP),
            group_bytes: 0,
            groups: VecDeque::new(),
            newest: after,
            added: 0,
            items: 0,
            last: after,
            has_more: false,
        }
    }

    /// Adds a record, and breaks if the page is full. Records of one version are on one page.
    pub(super) fn add(&mut self, record: ServedRecord, writing: Writing) -> ControlFlow<()> {
        let version = record.record.version;
        let is_full = self.items + self.added >= self.room.items || self.is_long();
        if is_full && version > self.newest {
            self.has_more = true;
            return ControlFlow::Break(());
        }
        self.newest = version;
        self.added += 1;
        self.group_bytes += record.record.metadata.as_ref().map_or(0, String::len);
        self.group.push((record, writing));
        if self.group.len() >= GROUP || self.group_bytes >= GROUP_BYTES {
            self.end_group();
            self.append_written();
        }
        match self.has_more {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn is_long(&self) -> bool {
        self.out.len() - self.begin >= self.room.bytes
    }

    /// Has the group written: by another thread if there is one and it is not behind.
    fn end_group(&mut self) {
        let group = std::mem::replace(&mut self.group, Vec::with_capacity(GROUP));
        self.group_bytes = 0;
        let waiting = self
            .groups
            .iter()
            .filter(|group| matches!(group, Group::Waiting(_)));
        let is_shared = group.len() >= SHARED && waiting.count() < MAX_WAITING;
        let write = self.write;
        self.groups.push_back(match self.scope {
            Some(scope) if is_shared => {
                let (sender, written) = sync_channel(1);
                // The page may have ended with an earlier group.
                scope.spawn(move |_| drop(sender.send(text(&group, write))));
                Group::Waiting(written)
            }
            _ => Group::Written(text(&group, write)),
        });
    }

    /// Appends the first groups, as far as they are written.
    fn append_written(&mut self) {
        while let Some(first) = self.groups.pop_front() {
            let text = match first {
                Group::Written(text) => text,
                Group::Waiting(written) => match written.try_recv() {
                    Ok(text) => text,
                    Err(_) => {
                        self.groups.push_front(Group::Waiting(written));
                        return;
                    }
                },
            };
            self.append(&text);
        }
    }

    /// Appends all records that were added.
    pub(super) fn flush(&mut self) {
        self.end_group();
        while let Some(group) = self.groups.pop_front() {
            let text = match group {
                Group::Written(text) => text,
                // There is none if the thread has panicked. The scope passes the panic on when it ends.
                Group::Waiting(written) => written.recv().unwrap_or_default(),
            };
            self.append(&text);
        }
    }

    fn append(&mut self, text: &Text) {
        let mut begin = 0;
        self.added -= text.ends.len();
        for (version, end) in &text.ends {
            if self.is_long() && *version > self.last {
                self.has_more = true;
                break;
            }
            self.out.extend_from_slice(&text.bytes[begin..*end]);
            begin = *end;
            self.items += 1;
            self.last = *version;
        }
    }
}

fn text(
    group: &[(ServedRecord, Writing)],
    write: &impl Fn(&ServedRecord, Writing, &mut Vec<u8>),
) -> Text {
    let mut bytes = Vec::new();
    let ends = group.iter().map(|(record, writing)| {
        write(record, *writing, &mut bytes);
        (record.record.version, bytes.len())
    });
    let ends = ends.collect();
    Text { bytes, ends }
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
            let (items, last, has_more) = with_writers(is_slow, |scope| {
                let mut page = Page::new(room, Version(0), &write, scope, &mut out);
                for (version, bytes) in records {
                    if page
                        .add(record(*version, *bytes), Writing::OaiDc)
                        .is_break()
                    {
                        break;
                    }
                }
                page.flush();
                (page.items, page.last, page.has_more)
            });
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
