//! One page's commands, run as printed in a folder of their own.
//!
//! A test must not need the network or install programs. These commands are replaced:
//!
//! - `cargo` does not compile: `cargo build` and `cargo install` make a link to the built program where the
//!   real command would put the program. Other calls go to the real cargo.
//! - `harvestd` uses a repository on loopback in place of DOAJ, without pauses, and an index on loopback in
//!   place of that on port 8983. `harvestd daemon` listens on a free port, and runs in the background as
//!   soon as it is ready.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use regex::Regex;
use tempfile::TempDir;
use tokio::process::Command;

use super::markdown::{Block, Page};

/// A folder with the replaced commands, and the processes that run in it.
pub struct Scenario {
    dir: TempDir,
    variables: Vec<(&'static str, String)>,
    /// The versions that a page shows, and those that the program printed in their places.
    versions: Mutex<BTreeMap<String, String>>,
}

const CARGO: &str = r#"#!/bin/sh
# Stands in for cargo.
case "$1" in
    build) mkdir -p target/release && ln -sf "$STANDIN/harvestd" target/release/harvestd ;;
    install) mkdir -p "$HOME/.cargo/bin" && ln -sf "$STANDIN/harvestd" "$HOME/.cargo/bin/harvestd" ;;
    *) exec "$REAL_CARGO" "$@" ;;
esac
"#;

const HARVESTD: &str = r#"#!/usr/bin/env bash
# Stands in for harvestd.
words=()
for word in "$@"; do
    [ -z "${DOAJ:-}" ] || word=${word//https:\/\/doaj.org\/oai.article/$DOAJ}
    words+=("$word")
done
# Without a configuration, there is nothing that they could override.
[ -f ~/.config/harvestd/harvestd.toml ] || unset "${!HARVESTD_SOURCE_@}" "${!HARVESTD_OUTPUT_@}"
[ "${1:-}" = daemon ] || exec "$REAL_HARVESTD" "${words[@]}"
setsid "$REAL_HARVESTD" "${words[@]}" >"$STANDIN/daemon.log" 2>&1 </dev/null &
echo $! >>"$STANDIN/daemons"
for _ in $(seq 600); do
    grep -q 'status at' "$STANDIN/daemon.log" && exit 0
    kill -0 $! 2>/dev/null || break
    sleep 0.1
done
cat "$STANDIN/daemon.log" >&2
exit 1
"#;

/// A version of the store.
const VERSION: &str = r"\b\d{19}\b";

impl Scenario {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["bin", "home", "work"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for (name, text) in [("cargo", CARGO), ("harvestd", HARVESTD)] {
            let path = dir.path().join("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let variables = vec![("HARVESTD_DAEMON_LISTEN", "127.0.0.1:0".to_owned())];
        Self {
            dir,
            variables,
            versions: Mutex::default(),
        }
    }

    /// The folder in which the commands run.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Copies these files of the project.
    pub fn copy_of_checkout(&self, files: &[&str]) {
        for file in files {
            let to = self.folder().join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), to).unwrap();
        }
    }

    /// Sets the repository that replaces DOAJ's articles.
    pub fn doaj(&mut self, url: &str) {
        self.variables.extend([
            ("DOAJ", url.to_owned()),
            ("HARVESTD_SOURCE_DOAJ_ARTICLES_URL", url.to_owned()),
            ("HARVESTD_SOURCE_DOAJ_ARTICLES_DELAY", "0s".to_owned()),
        ]);
    }

    /// Sets the index that replaces that of the catalogue.
    pub fn solr(&mut self, url: &str) {
        self.variables
            .push(("HARVESTD_OUTPUT_VUFIND_URLS", url.to_owned()));
    }

    /// Runs all blocks of commands of a page, and gives the number of commands and scripts.
    pub async fn run(&self, page: &Page) -> usize {
        let mut run = 0;
        for block in page.blocks() {
            match block.language.as_str() {
                "sh" => {
                    self.script(page, &block).await;
                    run += block
                        .text
                        .lines()
                        .filter(|line| !line.trim().is_empty())
                        .count();
                }
                "console" => run += self.compare(page, &block).await,
                _ => {}
            }
        }
        run
    }

    /// The text of a page of the daemon that was started last.
    pub async fn page(&self, path: &str) -> String {
        let log = fs::read_to_string(self.dir.path().join("bin/daemon.log")).unwrap();
        let (_, rest) = log.rsplit_once("status at ").expect("the daemon is ready");
        let base = rest
            .split_whitespace()
            .next()
            .unwrap()
            .trim_end_matches('/');
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = http.get(format!("{base}{path}")).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.text().await.unwrap()
    }

    /// Runs a block of `sh`, which must succeed.
    async fn script(&self, page: &Page, block: &Block) {
        let (status, output) = self.shell(&block.text).await;
        assert_eq!(status, Some(0), "{page}:{}: {output}", block.line);
    }

    /// Runs a block of `console`, and compares what it shows. Gives the number of commands.
    pub async fn compare(&self, page: &Page, block: &Block) -> usize {
        let dialogue = block.dialogue();
        assert!(!dialogue.is_empty(), "{page}:{}: no command", block.line);
        for (command, shown) in &dialogue {
            let (_, output) = self.shell(&self.with_versions(command)).await;
            let same = matches(&steady(shown), &steady(&output));
            let printed: Vec<&str> = output.lines().take(20).collect();
            assert!(
                same,
                "{page}:{}: $ {command}\nprints:\n{}\nbut the page shows:\n{shown}",
                block.line,
                printed.join("\n")
            );
            let mut versions = self.versions.lock().unwrap();
            versions.extend(std::iter::zip(versions_in(shown), versions_in(&output)));
        }
        dialogue.len()
    }

    /// The command with the versions that the program printed in place of those on the page.
    fn with_versions(&self, command: &str) -> String {
        let versions = self.versions.lock().unwrap();
        versions
            .iter()
            .fold(command.to_owned(), |command, (shown, printed)| {
                command.replace(shown, printed)
            })
    }

    /// Runs a script as a person would, and gives its exit status and what a terminal would show.
    async fn shell(&self, script: &str) -> (Option<i32>, String) {
        let (bin, home) = (self.dir.path().join("bin"), self.dir.path().join("home"));
        let path = std::env::var("PATH").unwrap_or_default();
        let log = fs::File::create(self.dir.path().join("output")).unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-eu", "-o", "pipefail", "-c", script])
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", &home)
            // `tests/try` puts its bin folder before everything else.
            .env("CARGO_HOME", home.join(".cargo"))
            .env("NO_COLOR", "1")
            .env("LANG", "C.UTF-8")
            .env("STANDIN", &bin)
            .env("REAL_HARVESTD", env!("CARGO_BIN_EXE_harvestd"))
            .env("REAL_CARGO", env!("CARGO"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        // rustup finds its toolchains by HOME unless told otherwise.
        let rustup = std::env::var_os("RUSTUP_HOME")
            .or_else(|| std::env::home_dir().map(|home| home.join(".rustup").into_os_string()));
        if let Some(rustup) = rustup {
            command.env("RUSTUP_HOME", rustup);
        }
        let status = command.status().await.unwrap();
        let output = fs::read_to_string(self.dir.path().join("output")).unwrap();
        let folder = self.folder().canonicalize().unwrap();
        let output = output
            .replace(folder.to_str().unwrap(), "/home/you/harvestd")
            .replace(home.to_str().unwrap(), "/home/you");
        (status.code(), output)
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let daemons = fs::read_to_string(self.dir.path().join("bin/daemons")).unwrap_or_default();
        for daemon in daemons.lines() {
            let mut kill = std::process::Command::new("kill");
            // It may have ended by itself.
            let _ = kill.args(["-KILL", daemon]).stderr(Stdio::null()).status();
        }
    }
}

/// The versions in a text, in order.
fn versions_in(text: &str) -> Vec<String> {
    let versions = Regex::new(VERSION).unwrap();
    let found = versions.find_iter(text);
    found.map(|found| found.as_str().to_owned()).collect()
}

/// A text without the parts that differ between runs: times, versions, durations, rates, addresses.
fn steady(text: &str) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\d{4}-\d\d-\d\d", "DAY"),
        (VERSION, "VERSION"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"\d+/s\b", "RATE"),
        (r"\b\d+(\.\d+)? ?(ms|s|min)\b", "DURATION"),
        (r"[ \t]+", " "),
    ];
    let steady = rules.iter().fold(text.to_owned(), |text, (rule, name)| {
        Regex::new(rule)
            .unwrap()
            .replace_all(&text, *name)
            .into_owned()
    });
    let lines = steady.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether an output is the shown one, in which a line `...` stands for any lines.
fn matches(shown: &str, output: &str) -> bool {
    fn rest(shown: &[&str], output: &[&str]) -> bool {
        match shown.split_first() {
            None => output.is_empty(),
            Some((&"...", shown)) => (0..=output.len()).any(|at| rest(shown, &output[at..])),
            Some((line, shown)) => output.first() == Some(line) && rest(shown, &output[1..]),
        }
    }
    let shown: Vec<&str> = shown.lines().collect();
    let output: Vec<&str> = output.lines().collect();
    rest(&shown, &output)
}

#[test]
fn outputs_are_compared() {
    let cases = [
        ("equal", "a\nb", "a\nb", true),
        ("one more", "a\n", "a\nb", false),
        ("one less", "a\nb", "a\n", false),
        ("any lines", "a\n...\nc", "a\nb\nb\nc", true),
        ("any lines, but another end", "a\n...\nc", "a\nb\nd", false),
        ("other numbers", "1,185 records", "1,186 records", false),
        (
            "times",
            "at 2026-11-29T20:51:37Z in 3 s",
            "at 2025-01-01T00:00:00Z in 14.2 s",
            true,
        ),
        (
            "versions",
            "--since 1883227292915728390",
            "--since 1883227292915728391",
            true,
        ),
        ("blanks", "a   b", "a b", true),
    ];
    for (case, shown, output, same) in cases {
        assert_eq!(matches(&steady(shown), &steady(output)), same, "{case}");
    }
}
