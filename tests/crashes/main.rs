//! The built program and what it cannot be spared: it is killed at random moments, and its disk
//! fills up, is read-only, locked or damaged. Its store is compared with one that nothing befell.
//!
//! `CRASHES_SEED=n` decides the moments anew; where they fall within the program's work is the
//! machine's to say.

#![allow(
    unreachable_pub,
    reason = "what the files of this crate share is seen by them alone"
)]

mod disk;
mod kills;
#[path = "../support/mod.rs"]
mod support;
mod twins;
