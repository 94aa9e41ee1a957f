//! What to ask a repository next, and the passes that ask it.

pub mod settings;
