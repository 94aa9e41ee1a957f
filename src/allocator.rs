//! How the allocator treats blocks that are freed.

/// Blocks from this size on go back to the system when they are freed.
#[cfg(target_env = "gnu")]
const LARGE_BLOCK: libc::c_int = 1 << 20;

/// Freed memory below this size stays with the program. Each page of a list needs as much again; to get it
/// from the system each time cost a fifth of the processor time of a list without news.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 64 << 20;

/// Threads share this many heaps. By default there are up to eight for each core, and each keeps what its
/// threads have freed.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 2;

/// Lets the allocator give each large block back as soon as it is freed, and keep small ones for the next
/// use. By default it learns from large blocks to keep them, so that a few large answers of repositories
/// would take several times their size.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator's own function has no other form")]
pub fn tune() {
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, LARGE_BLOCK),
        (libc::M_TRIM_THRESHOLD, KEPT),
        (libc::M_ARENA_MAX, HEAPS),
    ] {
        // SAFETY: it takes no pointer, and the allocator guards itself against other threads.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators do that without a call.
#[cfg(not(target_env = "gnu"))]
pub fn tune() {}
