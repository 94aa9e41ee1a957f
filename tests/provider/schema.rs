//! Compares answers with the schemas of the protocol, by xmllint.

use std::io::Write;
use std::process::{Command, Stdio};

use super::support::fixture;

/// Checks many answers at once: a process for each would take most of the time of a test.
#[derive(Default)]
pub(crate) struct Answers {
    files: Option<tempfile::TempDir>,
    names: Vec<String>,
}

impl Answers {
    /// Keeps an answer.
    pub(crate) fn add(&mut self, name: &str, body: &[u8]) {
        let files = self
            .files
            .get_or_insert_with(|| tempfile::tempdir().unwrap());
        let file = files.path().join(self.names.len().to_string());
        std::fs::File::create(file)
            .unwrap()
            .write_all(body)
            .unwrap();
        self.names.push(name.to_owned());
    }

    /// Compares all answers with OAI-PMH.xsd, oai_dc.xsd, provenance.xsd and MARC21slim.xsd. Metadata must
    /// be in one of these schemas.
    pub(crate) fn check(&self) {
        let files = self.files.as_ref().expect("there are answers");
        let output = Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema"])
            .arg(fixture("xsd/all.xsd"))
            .args((0..self.names.len()).map(|number| number.to_string()))
            .current_dir(files.path())
            .env("XML_CATALOG_FILES", fixture("xsd/catalog.xml"))
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                println!("SKIPPED: xmllint: {error}");
                return;
            }
        };
        let text = String::from_utf8_lossy(&output.stderr);
        let wrong: Vec<String> = text
            .lines()
            .filter(|line| !line.ends_with(" validates"))
            .map(|line| {
                let number = line.split([':', ' ']).next().unwrap_or_default();
                let name = number.parse().ok().and_then(|at: usize| self.names.get(at));
                format!("{}: {line}", name.map_or("?", String::as_str))
            })
            .collect();
        assert!(output.status.success() && wrong.is_empty(), "{wrong:#?}");
        assert_eq!(text.lines().count(), self.names.len(), "{text}");
    }
}
