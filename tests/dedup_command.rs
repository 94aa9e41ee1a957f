//! `harvestd dedup` as a user runs it, over a harvest of the demo repository.

use std::collections::{BTreeMap, BTreeSet};
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

/// Runs a filter over lines.
fn filtered(folder: &Path, action: &str, lines: &str) -> Vec<Value> {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .env_clear()
        .current_dir(folder)
        .args(["dedup", action])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = lines.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{action}: {stderr}");
    let out = String::from_utf8(output.stdout).unwrap();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The clusters of lines with cluster, source and identifier.
fn members_by_cluster(rows: &[Value]) -> BTreeSet<BTreeSet<String>> {
    let mut clusters: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap();
        let members = clusters.entry(text("cluster")).or_default();
        members.insert(format!("{}/{}", text("source"), text("identifier")));
    }
    clusters.into_values().collect()
}

#[test]
fn the_filters_find_the_clusters_of_the_store_and_they_can_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    enable(folder);
    let harvest = harvestd(folder, &["harvest", "--demo", "--limit", "3000"]);
    assert_eq!(harvest.status.code(), Some(3));

    // What an engine does between the filters, with maps instead of tables.
    let keyed = filtered(folder, "keys", &text(folder, &["export"]));
    let mut blocks: BTreeMap<String, String> = BTreeMap::new();
    for record in &keyed {
        for key in record["keys"].as_array().unwrap() {
            let key = key.as_str().unwrap();
            let line = serde_json::json!({ "key": key, "record": record["record"],
                "description": record["description"] });
            *blocks.entry(key.to_owned()).or_default() += &format!("{line}\n");
        }
    }
    let blocks: String = blocks.into_values().collect();
    let pairs = filtered(folder, "match", &blocks);
    let mut component: BTreeMap<String, String> = BTreeMap::new();
    for record in &keyed {
        let record = record["record"].as_str().unwrap().to_owned();
        component.insert(record.clone(), record);
    }
    for pair in &pairs {
        let of = |key: &str| component[pair[key].as_str().unwrap()].clone();
        let (a, b) = (of("a"), of("b"));
        let moved = component.values_mut().filter(|name| **name == b);
        moved.for_each(|name| name.clone_from(&a));
    }
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    for item in keyed.iter().chain(&pairs) {
        let record = item["record"].as_str().or(item["a"].as_str()).unwrap();
        let name = &component[record];
        let mut line = item.clone();
        line["component"] = name.as_str().into();
        *parts.entry(name.clone()).or_default() += &format!("{line}\n");
    }
    let parts: String = parts.into_values().collect();
    let rows = filtered(folder, "cluster", &parts);

    let listed = || -> BTreeSet<BTreeSet<String>> {
        let lines = text(folder, &["dedup", "list", "--json"]);
        let clusters = lines.lines().map(|line| {
            let cluster: Value = serde_json::from_str(line).unwrap();
            let members = cluster["members"].as_array().unwrap().iter();
            let name = |member: &Value| {
                let text = |key: &str| member[key].as_str().unwrap();
                format!("{}/{}", text("source"), text("identifier"))
            };
            members.map(name).collect()
        });
        clusters.collect()
    };
    let found = listed();
    assert!(found.len() > 5);
    assert_eq!(members_by_cluster(&rows), found);

    // They change nothing. Other ones do, and are explained and forgotten.
    let path = folder.join("clusters.jsonl");
    let file = path.to_str().unwrap();
    let lines = |rows: &[Value]| -> String { rows.iter().map(|row| format!("{row}\n")).collect() };
    std::fs::write(&path, lines(&rows)).unwrap();
    let told = json(folder, &["dedup", "import", file, "--origin", "spark"]);
    assert_eq!(
        (&told["records"], &told["moved"]),
        (&rows.len().into(), &0.into()),
        "{told}"
    );
    let stats = json(folder, &["dedup", "stats"]);
    assert_eq!(stats["origins"][0]["records"], rows.len());
    let ids = |row: &Value| row["identifier"].as_str().unwrap().to_owned();
    let (a, b) = (ids(&rows[0]), ids(&rows[1]));
    let apart = format!(
        "cluster,source,identifier\n1,demo,{a}\n2,demo,{b}\n2,demo,oai:nowhere.example:1\n"
    );
    std::fs::write(&path, apart).unwrap();
    let told = text(folder, &["dedup", "import", file, "--origin", "spark"]);
    assert!(
        told.starts_with("2 clusters of 2 records imported, 1 records are not"),
        "{told}"
    );
    let told = text(folder, &["dedup", "explain", &a, &b]);
    assert!(
        told.contains("imported: two works by the clusters of spark"),
        "{told}"
    );
    assert!(
        told.contains("cannot be together (imported clusters)"),
        "{told}"
    );
    assert_eq!(text(folder, &["dedup", "list", "--origin", "nobody"]), "");
    text(
        folder,
        &["dedup", "import", "--forget", "--origin", "spark"],
    );
    assert_eq!(listed(), found);

    // A file with a faulty line is not imported at all.
    for (faulty, told) in [
        (
            format!("cluster,source,identifier\n1,demo,{a}\n2,demo,{a}\n"),
            "is there twice",
        ),
        (
            format!("cluster,source\n1,{a}\n"),
            "missing field `identifier`",
        ),
        (
            "{\"cluster\":\"1\",\"source\":\"demo\",\"identifier\":\"x\"}\n{}\n".to_owned(),
            "line 2",
        ),
        (
            "{\"cluster\":\"1\",\"source\":\"demo\",\"identifier\":\"x\"}\n".to_owned(),
            "none of the 1 records",
        ),
    ] {
        std::fs::write(&path, faulty).unwrap();
        let refused = harvestd(folder, &["dedup", "import", file, "--origin", "spark"]);
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
    assert_eq!(listed(), found);
}
