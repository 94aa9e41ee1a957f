//! `harvestd dedup` as a user runs it, over a harvest of the demo repository.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn harvestd(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .env_clear()
        .env("HOME", folder)
        .env("USER", "librarian")
        .args(arguments)
        .arg("--store")
        .arg(folder.join("store.db"))
        .output()
        .unwrap()
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = harvestd(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&text(folder, &arguments)).unwrap()
}

/// Turns deduplication on: by default it is off.
fn enable(folder: &Path) {
    let place = folder.join(".config/harvestd");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("harvestd.toml"), "[dedup]\nenabled = true\n").unwrap();
}

#[test]
fn clusters_are_listed_explained_and_decided() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    enable(folder);
    let missing = harvestd(folder, &["dedup", "stats"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no such file"));

    // A pass that stops at its limit is incomplete: the exit status says so.
    let harvest = harvestd(folder, &["harvest", "--demo", "--limit", "1500"]);
    assert_eq!(harvest.status.code(), Some(3));
    let stats = json(folder, &["dedup", "stats"]);
    assert_eq!(stats["state"], "current");
    let clusters = stats["clusters"].as_u64().unwrap();
    assert!(clusters > 3, "{stats}");
    assert!(text(folder, &["dedup", "stats"]).contains("up to date"));

    // One line for each work: several records of one work give one line.
    let lines = |unit: &str| {
        let lines = text(folder, &["export", "--per", unit]);
        lines
            .lines()
            .filter(|line| line.contains("\"deleted\":false"))
            .count() as u64
    };
    assert!(lines("cluster") < lines("record"), "{stats}");

    // Enrichment is for works only, and its parts have fixed names.
    for (arguments, told) in [
        (&["export", "--enrich", "all"][..], "--per cluster"),
        (
            &["export", "--per", "cluster", "--enrich", "abstracts"],
            "there are abstract, authors",
        ),
    ] {
        let refused = harvestd(folder, arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(stderr.contains(told), "{stderr}");
    }
    let plain = text(folder, &["export", "--per", "cluster"]);
    let filled = text(folder, &["export", "--per", "cluster", "--enrich", "all"]);
    assert_eq!(plain.lines().count(), filled.lines().count());
    assert!(filled.len() >= plain.len());

    let listed = text(folder, &["dedup", "list", "--json"]);
    assert_eq!(listed.lines().count() as u64, clusters);
    let first: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let member = |at: usize| {
        first["members"][at]["identifier"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (a, b) = (member(0), member(1));
    let shown = text(
        folder,
        &["dedup", "list", "--limit", "1", "--source", "demo"],
    );
    assert!(shown.contains(&format!("preferred  demo/{a}")), "{shown}");

    let told = text(folder, &["dedup", "explain", &b]);
    assert!(told.contains(&format!("preferred demo/{a}: ")), "{told}");
    assert!(told.contains("same by "), "{told}");
    let told = json(folder, &["dedup", "explain", &a, &format!("demo/{b}")]);
    assert_eq!(told["rules"]["verdict"], "same");
    assert_eq!(told["one_cluster"], true);

    let unknown = harvestd(folder, &["dedup", "split", "nobody", "--why", "x"]);
    assert_eq!(unknown.status.code(), Some(2));
    text(folder, &["dedup", "split", &a, "--why", "two editions"]);
    let told = text(folder, &["dedup", "explain", &a, &b]);
    assert!(told.contains("split by librarian"), "{told}");
    assert!(told.contains("cannot be together (a decision)"), "{told}");
    let rebuilt = json(folder, &["dedup", "rebuild"]);
    assert_eq!(rebuilt["moved"], 0, "{rebuilt}");
    // Keep it apart from each of the others.
    let others = first["members"].as_array().unwrap().len() - 1;
    assert_eq!(rebuilt["clusters"]["decisions"], others);
    text(
        folder,
        &[
            "dedup",
            "join",
            &a,
            &b,
            "--why",
            "one after all",
            "--who",
            "me",
        ],
    );
    let told = json(folder, &["dedup", "explain", &a]);
    assert_eq!(told["members"].as_array().unwrap().len(), 2);
    assert_eq!(told["decisions"][0]["who"], "me");

    // To join three records replaces the earlier decision about one of them.
    let second: Value = serde_json::from_str(listed.lines().nth(1).unwrap()).unwrap();
    let c = second["members"][0]["identifier"].as_str().unwrap();
    let join = ["dedup", "join", &a, &b, c, "--why", "one work"];
    let members = || {
        let told = json(folder, &["dedup", "explain", &b]);
        told["members"].as_array().unwrap().len()
    };
    let told = text(folder, &join);
    assert!(!told.contains("in the way"), "{told}");
    let together = members();
    assert!(together > 2, "{together}");
    text(folder, &["dedup", "split", &a, "--why", "two works"]);
    assert_eq!(members(), together - 1);
    // The cluster had the name of the record that left, and that name still finds it.
    let told = text(folder, &["dedup", "explain", &a]);
    assert_eq!(told.matches("cluster ").count(), 2, "{told}");
    text(folder, &join);
    assert_eq!(members(), together);
}

#[test]
fn rules_are_scored_against_labelled_records() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let records = folder.join("records.jsonl");
    let record = |id: &str, title: &str| {
        format!("{{\"id\":\"{id}\",\"title\":\"{title}\",\"doi\":\"10.1/abcdef\"}}\n")
    };
    let title = "The heart of the matter in small mammals";
    std::fs::write(&records, record("a", title) + &record("b", title)).unwrap();
    let truth = folder.join("clusters.tsv");
    std::fs::write(&truth, "id\tcluster\na\t1\nb\t1\n").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let score = || {
        let (records, truth) = (path(&records), path(&truth));
        let sets = ["--records", &records, "--clusters", &truth];
        text(folder, &[&["dedup", "score"], &sets[..]].concat())
    };
    let report = score();
    assert!(report.contains("precision"), "{report}");
    assert!(!report.contains("unknown"), "{report}");
    // Labels about records that do not exist would count as a perfect score.
    std::fs::write(&truth, "id\tcluster\na\t1\nb\t1\nc\t1\nd\t1\n").unwrap();
    let report = score();
    assert!(
        report.contains("unknown    2  (in the truth and not among the records, as c)"),
        "{report}"
    );
}

#[test]
fn a_sample_of_matches_is_drawn_judged_and_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    enable(folder);
    let harvest = harvestd(folder, &["harvest", "--demo", "--limit", "1500"]);
    assert_eq!(harvest.status.code(), Some(3));
    let stats = json(folder, &["dedup", "stats"]);
    let number = |name: &str| stats[name].as_u64().unwrap();
    let matches = number("clustered") - number("clusters");

    let path = folder.join("sample.csv");
    let file = path.to_str().unwrap();
    let told = text(
        folder,
        &["dedup", "report", "--sample", "1000", "--out", file],
    );
    assert!(
        told.starts_with(&format!("{matches} matches of ")),
        "{told}"
    );
    let drawn = std::fs::read_to_string(&path).unwrap();
    assert!(drawn.starts_with("\u{feff}same,rule,why,matches,cluster,differs,source_a,source_b,"));
    assert_eq!(drawn.lines().count() as u64, 1 + matches);
    assert_eq!(
        text(folder, &["dedup", "report", "--sample", "1000"]),
        drawn
    );

    // JSON has the same pairs; those of one rule alone are fewer, and another seed draws others.
    let pairs = |arguments: &[&str]| -> Vec<Value> {
        let arguments = [&["dedup", "report", "--json"], arguments].concat();
        let lines = text(folder, &arguments);
        let lines = lines.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = pairs(&["--sample", "1000"]);
    assert_eq!(all.len() as u64, matches);
    let weakest = all[0]["rule"].as_str().unwrap();
    let strongest = all[all.len() - 1]["rule"].as_str().unwrap();
    assert_ne!(weakest, strongest);
    let of_strongest = pairs(&["--rule", strongest, "--sample", "2"]);
    assert_eq!(of_strongest.len(), 2);
    assert!(of_strongest.iter().all(|pair| pair["rule"] == strongest));
    assert_ne!(
        of_strongest,
        pairs(&["--rule", strongest, "--sample", "2", "--seed", "1"])
    );
    assert!(pairs(&["--source", "elsewhere"]).is_empty());
    let unknown = harvestd(folder, &["dedup", "report", "--rule", "magic"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains(weakest));

    // Nothing is judged yet.
    let empty = harvestd(folder, &["dedup", "report", "--judged", file]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("nothing is judged"));

    // A librarian finds one wrong match, and takes the proposed command.
    let mut lines = drawn.lines();
    let heading = lines.next().unwrap();
    let judged: String = lines
        .enumerate()
        .map(|(at, line)| format!("{}{line}\r\n", if at == 0 { "n" } else { "y" }))
        .collect();
    std::fs::write(&path, format!("{heading}\r\n{judged}")).unwrap();
    let told = json(folder, &["dedup", "report", "--judged", file]);
    #[expect(clippy::cast_precision_loss, reason = "a few matches")]
    let expected = (matches - 1) as f64 / matches as f64;
    let share = told["right"]["share"].as_f64().unwrap();
    assert!((share - expected).abs() < 1e-9, "{told}");
    let (a, b) = (&told["wrong"][0]["a"], &told["wrong"][0]["b"]);
    let (a, b) = (a.as_str().unwrap(), b.as_str().unwrap());
    let told = text(folder, &["dedup", "report", "--judged", file]);
    assert!(
        told.contains(&format!("harvestd dedup split {a} {b} --why ")),
        "{told}"
    );
    text(
        folder,
        &["dedup", "split", a, b, "--why", "judged as two works"],
    );
    assert_eq!(pairs(&["--sample", "1000"]).len() as u64, matches - 1);
}
