//! The top-level modules import each other in one direction, without a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn top_level_modules_have_no_cycle() {
    let mut imports = read_imports();
    assert!(imports.len() > 10, "{imports:?}");
    assert_eq!(imports["http"], BTreeSet::new(), "imports of http");
    // Removes the modules that import no remaining module, until nothing or a cycle is left.
    loop {
        let free: Vec<String> = imports
            .iter()
            .filter(|(_, imported)| imported.is_empty())
            .map(|(module, _)| module.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        imports.retain(|module, _| !free.contains(module));
        for imported in imports.values_mut() {
            imported.retain(|module| !free.contains(module));
        }
    }
    assert!(
        imports.is_empty(),
        "in a circle, or above one: {imports:#?}"
    );
}

/// The top-level modules that each top-level module imports.
fn read_imports() -> Imports {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = Imports::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let imported = imports.entry(module.clone()).or_default();
        read_folder(&path, imported);
        imported.remove(&module);
    }
    let modules: BTreeSet<String> = imports.keys().cloned().collect();
    for imported in imports.values_mut() {
        // Macros and items of the crate root are not modules.
        imported.retain(|name| modules.contains(name));
    }
    imports
}

fn read_folder(path: &Path, imported: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read_folder(&entry.unwrap().path(), imported);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).unwrap();
        let code = text.lines().map(|line| line.split("//").next().unwrap());
        read_names(&code.collect::<Vec<_>>().join("\n"), imported);
    }
}

/// Adds the names after each `crate::`, also those of a group: `crate::{clock::Clock, stop}`.
fn read_names(code: &str, imported: &mut BTreeSet<String>) {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            imported.extend(after.split(|c| !is_part(c)).next().map(str::to_owned));
            continue;
        };
        let mut depth = 1;
        let mut starts_name = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => starts_name = depth == 1,
                _ if starts_name && is_part(c) => {
                    let name = group[at..].split(|c| !is_part(c)).next();
                    imported.extend(name.map(str::to_owned));
                    starts_name = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let cases = [
        ("one", "use crate::store::Store;", vec!["store"]),
        ("inline", "let a = crate::oai::Verb::Identify;", vec!["oai"]),
        (
            "group",
            "use crate::{clock::{Clock, Other}, stop};",
            vec!["clock", "stop"],
        ),
        (
            "visibility",
            "pub(in crate::harvest) fn a() {}",
            vec!["harvest"],
        ),
        ("other crate", "use harvestd::store;", vec![]),
    ];
    for (case, code, expected) in cases {
        let mut imported = BTreeSet::new();
        read_names(code, &mut imported);
        assert!(imported.iter().eq(&expected), "{case}: {imported:?}");
    }
}
