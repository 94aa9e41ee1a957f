//! README.md and docs/: links have targets, commands work as printed, and shown output is what the program
//! prints.
//!
//! Blocks of `sh` are commands. Blocks of `console` are commands after `$ ` with their output, which is
//! compared. A page's blocks run in order in one folder. `scenario` says what replaces the network and
//! installations.

#![allow(
    unreachable_pub,
    reason = "what the files of this crate share is seen by them alone"
)]

mod markdown;
mod scenario;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Parser as _;
use harvestd::cli::args::Cli;
use markdown::{Block, Page};
use scenario::Scenario;
use support::{FakeSolr, Program, Repository, fixture};

/// The most words that README.md may have.
const README_WORDS: usize = 1_500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> Page {
    Page::read(&root().join(name))
}

/// Every page of the documentation.
fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ]
    .map(|name| root().join(name))
    .into();
    paths.push(fixture("README.md"));
    for folder in ["docs", "docs/outputs"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        paths.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    paths.sort();
    let pages: Vec<Page> = paths.iter().map(|path| Page::read(path)).collect();
    assert!(pages.len() > 15, "only {}", pages.len());
    pages
}

#[test]
fn every_link_has_a_target() {
    let mut faults = Vec::new();
    let mut followed = 0;
    for page in pages() {
        for (line, link) in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                if url::Url::parse(&link).is_err() {
                    faults.push(format!("{page}:{line}: {link} is no address"));
                }
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            if !target.exists() {
                faults.push(format!("{page}:{line}: there is no {file}"));
            } else if !anchor.is_empty() && !Page::read(&target).anchors().contains(anchor) {
                faults.push(format!("{page}:{line}: {link}: no heading gives #{anchor}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(followed > 50, "only {followed} links");
}

#[test]
fn the_list_of_contents_has_every_page() {
    let contents = page("docs/README.md");
    let folder = contents.path.parent().unwrap().to_owned();
    let listed: BTreeSet<PathBuf> = contents
        .links()
        .into_iter()
        .map(|(_, link)| folder.join(link))
        .collect();
    for page in pages() {
        let wanted = page.path.starts_with(&folder) && page.path != contents.path;
        assert!(
            !wanted || listed.contains(&page.path),
            "{page} is not listed"
        );
    }
}

#[test]
fn the_readme_is_short() {
    let words = page("README.md").text.split_whitespace().count();
    assert!(words <= README_WORDS, "{words} words");
}

/// The commands of README.md, in a copy of what they need of a checkout.
#[tokio::test]
async fn the_readme_works_as_printed() {
    let scenario = Scenario::new();
    scenario.copy_of_checkout(&["Cargo.toml", "tests/try", "tests/install-deps"]);
    assert_eq!(scenario.run(&page("README.md")).await, 4);
    let status = scenario.page("/").await;
    assert!(status.contains("demo"), "{status}");
}

/// The quick start, with a repository that behaves as DOAJ does and an index on loopback.
#[tokio::test]
async fn the_quick_start_works_as_printed() {
    let doaj = Repository::with_records(2_000).like_doaj().start().await;
    let solr = FakeSolr::start().await;
    let mut scenario = Scenario::new();
    scenario.copy_of_checkout(&["Cargo.toml", "tests/install-deps"]);
    scenario.doaj(&doaj.base_url());
    scenario.solr(&solr.url);
    assert!(scenario.run(&page("docs/quick-start.md")).await > 10);
    assert_eq!(solr.ids().len(), 2_000);
}

/// The output on other pages is compared too, with the store of the demo.
#[tokio::test]
async fn output_shown_on_other_pages_is_what_the_program_prints() {
    for page in pages() {
        let own_test = ["README.md", "docs/quick-start.md"].map(|name| root().join(name));
        let shown = |block: &Block| block.language == "console";
        if own_test.contains(&page.path) || !page.blocks().iter().any(shown) {
            continue;
        }
        let scenario = Scenario::new();
        let demo = ["harvest", "--demo", "--store", "demo.db", "-q"];
        let harvested = Program::new(&demo).current_dir(scenario.folder());
        harvested.run().await.success();
        for block in page.blocks().iter().filter(|block| shown(block)) {
            scenario.compare(&page, block).await;
        }
    }
}

/// Blocks of `sh` outside README.md and the quick start are not run. Each call of the program in them
/// must be one that it accepts.
#[test]
fn every_command_is_accepted() {
    let mut accepted = 0;
    for page in pages() {
        let blocks = page.blocks();
        for block in blocks.iter().filter(|block| block.language == "sh") {
            for (line, call) in block.calls("harvestd") {
                let parsed = Cli::try_parse_from(call.iter());
                if let Err(error) = parsed {
                    panic!("{page}:{line}: {call:?}: {error}");
                }
                accepted += 1;
            }
        }
    }
    assert!(accepted > 40, "only {accepted} calls");
}

/// Blocks of `toml` are parts of a configuration that the program accepts.
#[tokio::test]
async fn every_configuration_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("harvestd.toml");
    let mut accepted = 0;
    for page in pages() {
        let blocks = page.blocks();
        for block in blocks.iter().filter(|block| block.language == "toml") {
            // Other parts name these sources, and clusters that are on.
            let mut text = block.text.clone();
            for source in ["doaj-articles", "our-repository", "repository"] {
                if !text.contains("[[source]]") {
                    text += &format!("\n[[source]]\nname = '{source}'\nurl = 'https://x.org/'\n");
                }
            }
            fs::write(&file, &text).unwrap();
            let check = ["check-config", "--config", file.to_str().unwrap()];
            let output = Program::new(&check).run().await;
            if !cfg!(feature = "delta") && text.contains("type = \"delta\"") {
                assert!(output.stderr.contains("built without the delta output"));
                continue;
            }
            assert_eq!(
                output.status,
                Some(0),
                "{page}:{}: {}",
                block.line,
                output.stderr
            );
            accepted += 1;
        }
    }
    assert!(accepted > 5, "only {accepted} blocks");
}
