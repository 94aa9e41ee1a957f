//! Records of sample pages, for tests: no parser of the protocol, which has its own tests.

#[path = "../../tests/support/shared_data.rs"]
mod shared_data;

use std::path::{Path, PathBuf};

pub(crate) use shared_data::shared_data;

/// A record of a sample page.
pub(crate) struct Sample {
    pub(crate) identifier: String,
    pub(crate) datestamp: String,
    /// A document of its own, with the declarations that it inherited.
    pub(crate) metadata: String,
}

/// The live records of a page in which `<record>` has no prefix.
pub(crate) fn records(page: &str) -> Vec<Sample> {
    let root = page
        .find("<OAI-PMH")
        .and_then(|at| page[at..].split('>').next())
        .unwrap_or("");
    let mut samples = Vec::new();
    for record in page.split("<record>").skip(1) {
        let record = record.split("</record>").next().unwrap();
        let (Some(identifier), Some(datestamp)) = (
            between(record, "<identifier>", "</identifier>"),
            between(record, "<datestamp>", "</datestamp>"),
        ) else {
            continue;
        };
        let Some((_, rest)) = record.split_once("<metadata") else {
            continue;
        };
        let (attributes, rest) = rest.split_once('>').unwrap();
        let metadata = rest.split("</metadata>").next().unwrap().trim();
        samples.push(Sample {
            identifier: identifier.trim().to_owned(),
            datestamp: datestamp.trim().to_owned(),
            metadata: with_declarations(metadata, &[attributes, root]),
        });
    }
    samples
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?
        .1
        .split_once(end)
        .map(|(inner, _)| inner)
}

/// Adds the declarations of outer tags that the root does not have itself.
fn with_declarations(metadata: &str, tags: &[&str]) -> String {
    let name_end = metadata.find([' ', '>', '/', '\n']).unwrap_or(0);
    let root = metadata.split('>').next().unwrap();
    let mut added = String::new();
    for declaration in tags.iter().flat_map(|tag| tag.split_whitespace()) {
        if let Some((name, _)) = declaration.split_once('=')
            && name.starts_with("xmlns")
            && !root.contains(&format!("{name}="))
            && !added.contains(&format!("{name}="))
        {
            added.push(' ');
            added.push_str(declaration);
        }
    }
    format!("{}{added}{}", &metadata[..name_end], &metadata[name_end..])
}

/// The path of a file or folder of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}
