//! The built program under crashes: it is killed at random moments, and its disk fills up, is read-only,
//! locked or damaged. Its store is compared with that of an undisturbed program.
//!
//! `CRASHES_SEED=n` chooses other moments. What the program does at these moments depends on the machine.

#![allow(
    unreachable_pub,
    reason = "what the files of this crate share is seen by them alone"
)]

mod disk;
mod kills;
#[path = "../support/mod.rs"]
mod support;
mod twins;
