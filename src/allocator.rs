//! How the allocator treats large blocks.

/// Blocks from this size on go back to the system when they are freed.
#[cfg(target_env = "gnu")]
const LARGE_BLOCK: libc::c_int = 1 << 20;

/// Lets the allocator give each large block back as soon as it is freed. By default it learns from large
/// blocks to keep them, for each thread of its own, so that a few large answers of repositories would
/// take several times their size.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator's own function has no other form")]
pub fn give_large_blocks_back() {
    // SAFETY: it takes no pointer, and the allocator guards itself against other threads.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK) };
}

/// Other allocators do that without a call.
#[cfg(not(target_env = "gnu"))]
pub fn give_large_blocks_back() {}
