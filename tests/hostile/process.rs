//! What a process uses, as the system counts it.

use crate::support::daemon::Daemon;

/// The memory of the daemon in MiB: now, or the most so far.
pub fn memory_mib(daemon: &Daemon, field: Memory) -> u64 {
    let path = format!("/proc/{}/status", daemon.process.id());
    let text = std::fs::read_to_string(path).unwrap();
    let name = match field {
        Memory::Now => "VmRSS:",
        Memory::Most => "VmHWM:",
    };
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() / 1024
}

/// Which memory.
#[derive(Debug, Clone, Copy)]
pub enum Memory {
    /// What is in use.
    Now,
    /// The most that was in use since the start.
    Most,
}

/// The number of files and connections that the daemon has open.
pub fn open_files(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/fd", daemon.process.id());
    std::fs::read_dir(path).unwrap().count()
}
