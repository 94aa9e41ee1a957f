//! The settings of a scheduled export: the keys of one `[[export]]`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::output::Format;
use crate::output::enrich::Part;
use crate::output::fingerprint;
use crate::output::vufind::DocumentOptions;
use crate::schedule::Schedule;
use crate::store::{ChangeFilter, Export, Per, Version};

/// The placeholder in a file's name for the version up to which the file has all changes.
const VERSION: &str = "{version}";

/// The placeholder in a file's name for the time at which the file was begun.
const TIME: &str = "{time}";

/// The settings of one export. Each names the configuration key that sets it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportSettings {
    /// `name`: the store keeps the position under this name.
    pub name: String,
    /// `path`: the file; its name may have `{version}` and `{time}` in it.
    pub path: PathBuf,
    /// `format`: how records are written.
    pub format: Format,
    /// `bom`: whether a table begins with a byte order mark.
    pub bom: bool,
    /// `per`: whether an item is a record or a work.
    pub per: Per,
    /// `enrich` under `[dedup]`: what the document of a work takes from its other records. Empty unless
    /// an item is a work.
    pub enrich: Vec<Part>,
    /// `sources`: the sources whose records are written; all sources, if `sets` is empty too.
    pub sources: Vec<String>,
    /// `sets`: sources of which only the records in these sets are written.
    pub sets: BTreeMap<String, Vec<String>>,
    /// `since_previous`: whether a file only has the changes since the previous one.
    pub since_previous: bool,
    /// The options of catalogue documents.
    pub documents: DocumentOptions,
    /// When the daemon writes the file.
    pub schedule: Schedule,
}

impl ExportSettings {
    /// The changes after `since` that concern this export; `None` for the whole store.
    pub(crate) fn filter(&self, since: Option<Version>) -> ChangeFilter {
        ChangeFilter {
            since,
            sources: self.sources.clone(),
            sets: self.sets.clone(),
            per: self.per,
            with_others: !self.enrich.is_empty(),
            by_identifier: self.format.is_by_identifier(),
            id_spaces: self.format.id_spaces(&self.documents),
        }
    }

    /// The fingerprint of everything that decides what the files contain. Where it changes, the next
    /// file is a whole one.
    pub(crate) fn definition(&self) -> String {
        /// Renaming one of these fields writes all files whole again.
        #[derive(Serialize)]
        struct Definition<'a> {
            format: String,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            bom: bool,
            per: Per,
            enrich: Vec<String>,
            sources: &'a [String],
            sets: &'a BTreeMap<String, Vec<String>>,
            since_previous: bool,
            path: Cow<'a, str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            documents: Option<String>,
        }
        let is_catalogue = self.format.is_catalogue();
        fingerprint::of(&Definition {
            format: self.format.name(),
            bom: self.bom,
            per: self.per,
            enrich: self.enrich.iter().map(Part::name).collect(),
            sources: &self.sources,
            sets: &self.sets,
            since_previous: self.since_previous,
            path: self.path.to_string_lossy(),
            documents: is_catalogue.then(|| self.documents.definition()),
        })
    }

    /// Whether the files of an export were written with these settings. Those of the first release carry
    /// a fingerprint that can no longer be computed; they count as such.
    pub(crate) fn is_position_of(&self, known: &Export) -> bool {
        known.definition == self.definition() || fingerprint::is_of_first_release(&known.definition)
    }

    /// The name of a file that has all changes up to `version` and was begun at `now_ms`.
    pub(crate) fn file(&self, version: Version, now_ms: i64) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let time = DateTime::<Utc>::from_timestamp_millis(now_ms).unwrap_or_default();
        let name = name
            .replace(VERSION, &version.to_string())
            .replace(TIME, &time.format("%Y%m%dT%H%M%SZ").to_string());
        self.path.with_file_name(name)
    }
}

/// Checks a path. With `since_previous`, each file needs its own name: otherwise it would replace a file
/// that has not been read yet.
///
/// # Errors
/// The problem, for people.
pub(crate) fn check_path(path: &Path, since_previous: bool) -> Result<(), String> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err("must be the path of a file, in UTF-8".to_owned());
    };
    let folder = path.parent().map(Path::to_string_lossy).unwrap_or_default();
    let rest = name.replace(VERSION, "").replace(TIME, "");
    if rest.contains(['{', '}']) || folder.contains(['{', '}']) {
        return Err(format!(
            "braces may only stand in the file's name, as {VERSION} and {TIME}"
        ));
    }
    if since_previous && rest == name {
        return Err(format!(
            "with since_previous, the file's name must have {VERSION} or {TIME} in it, so that no \
             file takes the place of one that was not read yet"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ExportSettings {
        ExportSettings {
            name: "all".to_owned(),
            path: "/srv/{time}-{version}.jsonl".into(),
            format: Format::Jsonl,
            bom: false,
            enrich: Vec::new(),
            per: Per::Record,
            sources: Vec::new(),
            sets: BTreeMap::new(),
            since_previous: true,
            documents: DocumentOptions::default(),
            schedule: Schedule::on_request(),
        }
    }

    #[test]
    fn names_are_made_of_versions_and_times() {
        let settings = settings();
        let file = settings.file(Version(42), 1_764_072_000_000);
        assert_eq!(file, Path::new("/srv/20251125T120000Z-42.jsonl"));
    }

    /// A changed value here means that every export of changes writes a whole file after an upgrade.
    #[test]
    fn the_fingerprint_of_known_settings_stays() {
        let settings = ExportSettings {
            path: "/srv/all.json".into(),
            format: Format::VufindJson,
            since_previous: false,
            ..settings()
        };
        assert_eq!(
            settings.definition(),
            "v2:f208b2db15cc6141590b5476cc8c86fa7b29dee2d6989dca05268799119f3349"
        );
    }

    #[test]
    fn sources_with_ids_of_their_own_are_told_apart() {
        let with_prefix = |format, id_prefix: &str| {
            let mut documents = DocumentOptions::default();
            let mut own = documents.default.clone();
            own.id_prefix = id_prefix.to_owned();
            documents.by_source.insert("a".to_owned(), own);
            ExportSettings {
                format,
                documents,
                ..settings()
            }
        };
        let told_apart = |format| {
            let filter = with_prefix(format, "a-").filter(None);
            filter.id_spaces.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(told_apart(Format::VufindJson), ["a"]);
        assert_eq!(told_apart(Format::Marcxml), [""; 0], "by identifier alone");
        for (format, is_other) in [(Format::VufindXml, true), (Format::Jsonl, false)] {
            let [a, b] = ["a-", "b-"].map(|prefix| with_prefix(format, prefix).definition());
            assert_eq!(a != b, is_other, "{format:?}");
        }
    }

    #[test]
    fn files_of_changes_have_names_of_their_own() {
        let cases = [
            ("whole", "/srv/all.jsonl", false, true),
            ("changes", "/srv/{version}.jsonl", true, true),
            ("changes without a name", "/srv/all.jsonl", true, false),
            ("unknown braces", "/srv/{date}.jsonl", true, false),
            ("braces in a folder", "/srv/{time}/all.jsonl", false, false),
            ("no file", "/srv/..", false, false),
        ];
        for (case, path, since_previous, right) in cases {
            let checked = check_path(Path::new(path), since_previous);
            assert_eq!(checked.is_ok(), right, "{case}: {checked:?}");
        }
    }
}
