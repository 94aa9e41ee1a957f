//! Helpers of whole-program tests: a scripted repository, a place for a store, the program.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file is a crate of its own and uses a part of this"
)]

pub mod clock;
pub mod daemon;
pub mod disk;
pub mod fault;
pub mod http;
pub mod model;
pub mod opensearch;
pub mod program;
pub mod repository;
pub mod shared_data;
pub mod solr;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub use disk::SmallDisk;
pub use fault::{Fault, When};
pub use opensearch::FakeOpenSearch;
pub use program::{Output, Program, harvestd};
pub use repository::{NOW, Repository};
pub use shared_data::shared_data;
pub use solr::{FakeSolr, RealSolr};

/// A directory for one test's store. It is deleted when the value is dropped.
pub struct TempStore {
    dir: TempDir,
}

/// A place for a store that does not exist yet.
pub fn temp_store() -> TempStore {
    let dir = tempfile::tempdir().expect("the system has a directory for temporary files");
    TempStore { dir }
}

impl TempStore {
    /// The store's file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("harvest.db")
    }

    /// The store's file as text, for arguments.
    pub fn argument(&self) -> String {
        self.path()
            .to_str()
            .expect("temporary paths are text")
            .to_owned()
    }

    /// The directory, for other files of the test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}
