//! Which jobs have to be looked at, when, and which of them are due. The cost of each step does not grow with
//! the number of jobs.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use crate::store::{JobKey, JobKind};

/// Jobs that share their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// Pushes and exports. They take no place of a host.
    Delivery,
    /// Passes and reconciles of hosts that went well last time, or that a person wants now.
    Harvest,
    /// Passes and reconciles that failed last time. Their places are others and fewer.
    Probe,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Delivery, Self::Harvest, Self::Probe];
}

/// A job that should run now. Their order is that in which they begin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DueJob {
    pub(super) class: Class,
    /// No person requested it.
    pub(super) unasked: bool,
    /// When its last run ended.
    pub(super) last_at: i64,
    pub(super) key: JobKey,
}

/// What is known of a job.
enum Entry {
    Waits(i64),
    Due(DueJob),
}

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    entries: HashMap<JobKey, Entry>,
    times: BTreeSet<(i64, JobKey)>,
    due: BTreeSet<DueJob>,
    marked: BTreeSet<JobKey>,
}

impl Queue {
    /// Something has happened to this job: it has to be looked at.
    pub(super) fn mark(&mut self, key: &JobKey) {
        self.marked.insert(key.clone());
    }

    /// The jobs that have to be looked at now.
    pub(super) fn take_marked(&mut self, now_ms: i64) -> BTreeSet<JobKey> {
        while let Some((at, key)) = self.times.first()
            && *at <= now_ms
        {
            let key = key.clone();
            self.remove(&key);
            self.marked.insert(key);
        }
        std::mem::take(&mut self.marked)
    }

    /// Nothing is known of this job any more.
    pub(super) fn remove(&mut self, key: &JobKey) {
        match self.entries.remove(key) {
            Some(Entry::Waits(at)) => drop(self.times.remove(&(at, key.clone()))),
            Some(Entry::Due(job)) => drop(self.due.remove(&job)),
            None => {}
        }
    }

    /// The job has to be looked at again at this time.
    pub(super) fn wait(&mut self, key: &JobKey, at_ms: i64) {
        self.remove(key);
        self.times.insert((at_ms, key.clone()));
        self.entries.insert(key.clone(), Entry::Waits(at_ms));
    }

    /// The job is due.
    pub(super) fn set_due(&mut self, job: DueJob) {
        self.remove(&job.key);
        self.due.insert(job.clone());
        self.entries.insert(job.key.clone(), Entry::Due(job));
    }

    /// The due job of this name.
    pub(super) fn due(&self, key: &JobKey) -> Option<&DueJob> {
        match self.entries.get(key)? {
            Entry::Due(job) => Some(job),
            Entry::Waits(_) => None,
        }
    }

    /// The first due job of a class, or the first one behind `after`.
    pub(super) fn next_due(&self, class: Class, after: Option<&DueJob>) -> Option<&DueJob> {
        let next = match after {
            Some(after) => {
                let behind = (Bound::Excluded(after), Bound::Unbounded);
                self.due.range::<DueJob, _>(behind).next()
            }
            None => self.due.range(first_of(class)..).next(),
        };
        next.filter(|job| job.class == class)
    }

    /// When the next job has to be looked at.
    pub(super) fn next_at(&self) -> Option<i64> {
        self.times.first().map(|(at, _)| *at)
    }
}

/// Before every job of a class.
fn first_of(class: Class) -> DueJob {
    DueJob {
        class,
        unasked: false,
        last_at: i64::MIN,
        key: JobKey {
            kind: JobKind::Harvest,
            name: String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(class: Class, last_at: i64, name: &str) -> DueJob {
        DueJob {
            class,
            unasked: true,
            last_at,
            key: JobKey::new(JobKind::Harvest, name),
        }
    }

    #[test]
    fn jobs_are_looked_at_when_their_time_has_come() {
        let mut queue = Queue::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| JobKey::new(JobKind::Harvest, name));
        queue.wait(&a, 10);
        queue.wait(&b, 20);
        queue.wait(&a, 30);
        assert_eq!(queue.next_at(), Some(20));
        queue.mark(&c);
        assert_eq!(queue.take_marked(19), BTreeSet::from([c]));
        assert_eq!(queue.take_marked(30), BTreeSet::from([a, b]));
        assert_eq!((queue.take_marked(99).len(), queue.next_at()), (0, None));
    }

    #[test]
    fn the_job_that_has_waited_longest_comes_first() {
        let mut queue = Queue::default();
        let [first, second, probe] = [
            due(Class::Harvest, 1, "first"),
            due(Class::Harvest, 2, "second"),
            due(Class::Probe, 0, "probe"),
        ];
        let asked = DueJob {
            unasked: false,
            ..due(Class::Harvest, 9, "asked")
        };
        for job in [&second, &probe, &asked, &first] {
            queue.set_due(job.clone());
        }
        queue.set_due(due(Class::Harvest, 3, "gone"));
        queue.remove(&JobKey::new(JobKind::Harvest, "gone"));
        let mut found = Vec::new();
        for class in Class::ALL {
            let mut after = None;
            while let Some(job) = queue.next_due(class, after.as_ref()) {
                found.push(job.clone());
                after = Some(job.clone());
            }
        }
        assert_eq!(found, [asked, first.clone(), second, probe]);
        // A job stands in the queue once.
        queue.wait(&first.key, 5);
        assert_eq!(queue.due(&first.key), None);
        queue.set_due(first.clone());
        assert_eq!(
            (queue.due(&first.key), queue.next_at()),
            (Some(&first), None)
        );
    }
}
