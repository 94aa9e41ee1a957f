//! What may be configured of catalogue documents, as it is written, and the options that come of it?

use std::path::{Path, PathBuf};

use regex::Regex;
use thiserror::Error;

use super::{LanguageMap, LanguageMapError, Options};

/// The settings of catalogue documents. Each names the key of `[vufind]` that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `institution`: field `institution`; left out if empty.
    pub institution: String,
    /// `collection`: field `collection`; left out if empty.
    pub collection: String,
    /// `record_format`: field `record_format`.
    pub record_format: String,
    /// `id_rewrites`: see [`Options::id_rewrites`].
    pub id_rewrites: Vec<(String, String)>,
    /// `id_prefix`: see [`Options::id_prefix`].
    pub id_prefix: String,
    /// `language_map`: a file for [`LanguageMap::parse`]; `None` for the built-in map.
    pub language_map: Option<PathBuf>,
    /// `any_language_code`: see [`LanguageMap::any_standard`].
    pub any_language_code: bool,
    /// `track_changes`: whether documents have `first_indexed` and `last_indexed`.
    pub track_changes: bool,
    /// `work_key_include`: a regular expression; of work keys only what it matches is kept.
    pub work_key_include: Option<String>,
    /// `work_key_exclude`: a regular expression; what it matches is deleted from work keys.
    pub work_key_exclude: Option<String>,
    /// `extra_fields`: see [`Options::extra_fields`].
    pub extra_fields: Vec<(String, Vec<String>)>,
    /// `rename_fields`: see [`Options::renames`].
    pub rename_fields: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        let options = Options::default();
        Self {
            institution: options.institution,
            collection: options.collection,
            record_format: options.record_format,
            id_rewrites: options.id_rewrites,
            id_prefix: options.id_prefix,
            language_map: None,
            any_language_code: false,
            track_changes: false,
            work_key_include: None,
            work_key_exclude: None,
            extra_fields: options.extra_fields,
            rename_fields: options.renames,
        }
    }
}

/// Why no options can be made of settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The language map cannot be read.
    #[error("language map {}: {error}", path.display())]
    LanguageFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The language map is none.
    #[error("{}: {error}", path.display())]
    LanguageMap {
        /// The file.
        path: PathBuf,
        /// The line that is wrong.
        error: LanguageMapError,
    },
    /// A regular expression is none.
    #[error("{key}: {error}")]
    Regex {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: regex::Error,
    },
}

impl Settings {
    /// The options, with the language map read from its file.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn options(&self) -> Result<Options, SettingsError> {
        let mut languages = match &self.language_map {
            Some(path) => read_languages(path)?,
            None => LanguageMap::default(),
        };
        languages.any_standard = self.any_language_code;
        let mut options = Options {
            institution: self.institution.clone(),
            collection: self.collection.clone(),
            id_rewrites: self.id_rewrites.clone(),
            id_prefix: self.id_prefix.clone(),
            record_format: self.record_format.clone(),
            languages,
            extra_fields: self.extra_fields.clone(),
            renames: self.rename_fields.clone(),
            ..Options::default()
        };
        options.work_keys.include = regex("work_key_include", self.work_key_include.as_deref())?;
        options.work_keys.exclude = regex("work_key_exclude", self.work_key_exclude.as_deref())?;
        Ok(options)
    }
}

fn read_languages(path: &Path) -> Result<LanguageMap, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|error| SettingsError::LanguageFile {
        path: path.to_owned(),
        error,
    })?;
    LanguageMap::parse(&text).map_err(|error| SettingsError::LanguageMap {
        path: path.to_owned(),
        error,
    })
}

fn regex(key: &'static str, text: Option<&str>) -> Result<Option<Regex>, SettingsError> {
    text.map(Regex::new)
        .transpose()
        .map_err(|error| SettingsError::Regex { key, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_options() {
        let options = Settings::default().options().unwrap();
        assert_eq!(
            format!("{options:?}"),
            format!("{:?}", Options::default()),
            "a key is not passed on"
        );
    }

    #[test]
    fn faults_name_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("languages.ini");
        std::fs::write(&file, "eng = English\nnonsense").unwrap();
        let settings = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings
        };
        let broken_map = Settings {
            language_map: Some(file),
            ..Settings::default()
        };
        let cases = [
            (
                "regular expression",
                settings(|settings| settings.work_key_include = Some("[".to_owned())),
                "work_key_include: regex parse error",
            ),
            (
                "no such file",
                settings(|settings| settings.language_map = Some("/no/such/map".into())),
                "language map /no/such/map: ",
            ),
            (
                "line of a map",
                broken_map,
                "languages.ini: language map, line 2",
            ),
        ];
        for (case, settings, expected) in cases {
            let error = settings.options().expect_err(case).to_string();
            assert!(error.contains(expected), "{case}: {error}");
        }
    }
}
