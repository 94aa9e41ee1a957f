//! What the program writes to a terminal fits its width.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::model::{Behaviour, Model};
use support::solr::FakeSolr;
use support::{Repository, temp_store};

/// The widths of the terminals.
const WIDTHS: [usize; 4] = [60, 80, 120, 200];

/// Runs the program with these arguments in a terminal of this width, and gives what it writes there, its error
/// messages only with `with_errors`. `None` if there is no `script` to make a terminal.
async fn in_terminal(
    folder: &Path,
    columns: usize,
    arguments: &str,
    with_errors: bool,
) -> Option<String> {
    let errors = if with_errors { "" } else { "2>/dev/null" };
    let program = env!("CARGO_BIN_EXE_harvestd");
    let line = format!("stty cols {columns} rows 50; {program} {arguments} {errors}; true");
    let folder = folder.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(folder)
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .output()
    });
    match run.await.unwrap() {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        other => {
            assert!(std::env::var_os("CI").is_none(), "{other:?}");
            eprintln!("SKIPPED: no terminal can be made: {other:?}");
            None
        }
    }
}

/// The lines on the screen, also those that were written over later, without colours.
fn lines(text: &str) -> Vec<String> {
    let plain = console::strip_ansi_codes(text);
    let lines = plain.split(['\n', '\r']);
    lines
        .map(str::to_owned)
        .filter(|line| !line.trim().is_empty())
        .collect()
}

fn assert_fits(text: &str, columns: usize, what: &str) {
    // An identifier or an address is not broken.
    let breakable = |line: &String| line.trim().contains(' ');
    for line in lines(text).into_iter().filter(breakable) {
        let width = console::measure_text_width(&line);
        assert!(
            width <= columns,
            "{what}, {columns}: {width} columns: {line}\n{text}"
        );
    }
}

#[tokio::test]
async fn tables_and_bars_fit_the_screen() {
    let repository = Repository::of(Model::new(Behaviour::plain())).start().await;
    let more = Repository::with_records(250).start().await;
    let store = temp_store();
    let folder = store.dir();
    let source = |name: &str, url: &str| {
        format!(
            "[[source]]\nname = '{name}'\nurl = '{url}'\nmetadata_prefix = 'oai_doaj'\ndelay = '0s'\n\
             retries = 0\nretry_pause = '10ms'\n"
        )
    };
    let config = [
        "store = 's.db'\n[dedup]\nenabled = true\n".to_owned(),
        source(
            "a-source-with-a-name-of-more-than-forty-letters",
            &more.base_url(),
        ),
        source("empty", &repository.base_url()),
        source("down", "http://127.0.0.1:9/oai"),
        "[[output]]\nname = 'a-catalogue-with-a-long-name'\ntype = 'solr'\nretries = 0\n\
         urls = ['http://127.0.0.1:9/solr/a-core-with-a-long-name']\n"
            .to_owned(),
    ];
    std::fs::write(folder.join("c.toml"), config.concat()).unwrap();
    for columns in WIDTHS {
        for arguments in [
            "harvest",
            "push",
            "push --dry-run",
            "reconcile a-source-with-a-name-of-more-than-forty-letters",
            "status",
            "sources",
            "dedup stats",
            "identify a-source-with-a-name-of-more-than-forty-letters",
        ] {
            let line = format!("{arguments} --config c.toml");
            let Some(text) = in_terminal(folder, columns, &line, false).await else {
                return;
            };
            assert!(lines(&text).len() > 1, "{arguments}: {text}");
            assert_fits(&text, columns, arguments);
        }
        let store = format!("bars-{columns}.db");
        let line = format!("harvest --demo --limit 600 --store {store}");
        let Some(text) = in_terminal(folder, columns, &line, true).await else {
            return;
        };
        let bars: Vec<String> = lines(&text)
            .into_iter()
            .filter(|line| line.starts_with("demo ") && line.contains('['))
            .collect();
        assert!(!bars.is_empty(), "{text}");
        assert_fits(&bars.join("\n"), columns, "bars");
    }
}

#[tokio::test]
async fn clusters_and_pushes_fit_the_screen() {
    let solr = FakeSolr::start().await;
    let folder = temp_store();
    let folder = folder.dir();
    let config = |output: &str| {
        format!(
            "store = 's.db'\n[dedup]\nenabled = true\n[[output]]\ntype = 'solr'\nname = '{output}'\n\
             urls = ['{}']\n",
            solr.url
        )
    };
    std::fs::write(folder.join("c.toml"), config("unused")).unwrap();
    let harvest = "harvest --demo --limit 1500 --quiet --config c.toml --store s.db";
    if in_terminal(folder, 80, harvest, false).await.is_none() {
        return;
    }
    for columns in WIDTHS {
        let list = "dedup list --config c.toml";
        let text = in_terminal(folder, columns, list, false).await.unwrap();
        let listed = lines(&text);
        assert!(listed.iter().any(|line| line.contains("preferred")));
        // A name has no blank, so each line is measured here.
        for line in &listed {
            let width = console::measure_text_width(line);
            assert!(width <= columns, "{columns}: {width}: {line}");
        }
        // The lead, the source and an identifier of this demo have 71 characters.
        let is_cut = listed.iter().any(|line| line.contains('…'));
        assert_eq!(is_cut, columns < 71, "{columns}: {text}");

        let name = format!("a-catalogue-with-a-name-of-many-letters-{columns}");
        let file = format!("{columns}.toml");
        std::fs::write(folder.join(&file), config(&name)).unwrap();
        let push = format!("push --config {file}");
        let text = in_terminal(folder, columns, &push, true).await.unwrap();
        assert_fits(&text, columns, "push");
        let bars: Vec<String> = lines(&text)
            .into_iter()
            .filter(|line| line.starts_with("a-catalogue-with-a-name") && line.contains('['))
            .collect();
        let shown = bars.iter().any(|bar| bar.contains(" of 1,"));
        assert!(shown, "{text}");
    }
}

#[tokio::test]
async fn states_have_colours_unless_somebody_asks_for_none() {
    let store = temp_store();
    let config = "store = 's.db'\n[[source]]\nname = 'down'\nurl = 'http://127.0.0.1:9/oai'\n";
    std::fs::write(store.dir().join("c.toml"), config).unwrap();
    for (setting, has_colours) in [("", true), ("NO_COLOR=1", false)] {
        let line = format!(
            "stty cols 80; env {setting} {} harvest --config c.toml 2>/dev/null; true",
            env!("CARGO_BIN_EXE_harvestd")
        );
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(store.dir())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: no terminal can be made");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("failed"), "{text}");
        assert_eq!(
            text.contains("\u{1b}[31"),
            has_colours,
            "{setting}: {text:?}"
        );
    }
}
