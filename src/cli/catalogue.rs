//! The options of catalogue documents on the command line. They override the configuration.

use std::path::PathBuf;

use super::exit::UsageError;
use regex::Regex;

use crate::output::vufind::{DocumentOptions, LanguageMap, Options};

/// Options for catalogue documents, the same for all commands that make them.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    next_help_heading = "Catalogue documents (default: the table [vufind] of the configuration)"
)]
pub struct CatalogueArgs {
    /// The field institution; empty leaves it out
    #[arg(long, value_name = "TEXT")]
    pub institution: Option<String>,
    /// The field collection; empty leaves it out. Without it, records of DOAJ have "DOAJ"
    #[arg(long, value_name = "TEXT")]
    pub collection: Option<String>,
    /// The field record_format. Without it, "Article" for DOAJ, else the metadataPrefix
    #[arg(long, value_name = "TEXT")]
    pub record_format: Option<String>,
    /// Put before every document id
    #[arg(long, value_name = "TEXT")]
    pub id_prefix: Option<String>,
    /// Replaces the beginning of identifiers by another text; can be repeated, the first that fits
    /// counts
    #[arg(long = "id-rewrite", value_name = "FROM=TO", value_parser = pair)]
    pub id_rewrites: Vec<(String, String)>,
    /// A file with names of languages, in lines `eng = English`
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub language_map: Option<PathBuf>,
    /// Gives codes of ISO 639-1 and 639-3 names too
    #[arg(long)]
    pub any_language_code: bool,
    /// Adds first_indexed and last_indexed
    #[arg(long)]
    pub track_changes: bool,
    /// Keeps of work keys only what this matches
    #[arg(long, value_name = "REGEX")]
    pub work_key_include: Option<String>,
    /// Deletes from work keys what this matches
    #[arg(long, value_name = "REGEX")]
    pub work_key_exclude: Option<String>,
    /// Adds a field to every document; can be repeated, also for more values
    #[arg(long = "extra-field", value_name = "FIELD=VALUE", value_parser = named)]
    pub extra_fields: Vec<(String, String)>,
    /// Writes a field under another name; can be repeated
    #[arg(long = "rename-field", value_name = "FROM=TO", value_parser = named)]
    pub rename_fields: Vec<(String, String)>,
}

/// Two texts around the last `=`, since identifiers may have one in them.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((from, to)) => Ok((from.to_owned(), to.to_owned())),
        None => Err("not two texts with = between them".to_owned()),
    }
}

/// A name and a text around the first `=`.
fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("not a name and a text with = between them".to_owned()),
    }
}

impl CatalogueArgs {
    /// The configured options with these over them, for every source. Lists replace lists.
    ///
    /// # Errors
    /// [`UsageError`] if a file or an expression is wrong.
    pub fn over(&self, configured: &DocumentOptions) -> Result<DocumentOptions, UsageError> {
        let languages = match &self.language_map {
            Some(path) => Some(LanguageMap::read(path).map_err(UsageError)?),
            None => None,
        };
        let include = regex("--work-key-include", self.work_key_include.as_deref())?;
        let exclude = regex("--work-key-exclude", self.work_key_exclude.as_deref())?;
        let mut documents = configured.clone();
        for options in documents.all_mut() {
            self.replace(options);
            if let Some(languages) = &languages {
                let any_standard = options.languages.any_standard;
                options.languages.clone_from(languages);
                options.languages.any_standard = any_standard;
            }
            options.languages.any_standard |= self.any_language_code;
            if include.is_some() {
                options.work_keys.include.clone_from(&include);
            }
            if exclude.is_some() {
                options.work_keys.exclude.clone_from(&exclude);
            }
        }
        Ok(documents)
    }

    fn replace(&self, options: &mut Options) {
        for (argument, option) in [
            (&self.institution, &mut options.institution),
            (&self.id_prefix, &mut options.id_prefix),
        ] {
            if let Some(text) = argument {
                option.clone_from(text);
            }
        }
        for (argument, option) in [
            (&self.collection, &mut options.collection),
            (&self.record_format, &mut options.record_format),
        ] {
            if argument.is_some() {
                option.clone_from(argument);
            }
        }
        options.track_changes |= self.track_changes;
        if !self.id_rewrites.is_empty() {
            options.id_rewrites.clone_from(&self.id_rewrites);
        }
        if !self.rename_fields.is_empty() {
            options.rename_fields.clone_from(&self.rename_fields);
        }
        if !self.extra_fields.is_empty() {
            options.extra_fields.clear();
        }
        for (name, value) in &self.extra_fields {
            let fields = &mut options.extra_fields;
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.clone()),
                None => fields.push((name.clone(), vec![value.clone()])),
            }
        }
    }
}

fn regex(argument: &str, text: Option<&str>) -> Result<Option<Regex>, UsageError> {
    text.map(Regex::new)
        .transpose()
        .map_err(|error| UsageError(format!("{argument}: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        catalogue: CatalogueArgs,
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn options_override_the_configuration() {
        let mut configured = Options {
            institution: "A".to_owned(),
            id_prefix: "x.".to_owned(),
            track_changes: true,
            extra_fields: vec![("building".to_owned(), vec!["Old".to_owned()])],
            ..Options::default()
        };
        configured.work_keys.exclude = Some(Regex::new("x").unwrap());
        let of_source = Options {
            id_prefix: "y.".to_owned(),
            collection: Some("C".to_owned()),
            ..configured.clone()
        };
        let configured = DocumentOptions {
            default: configured,
            by_source: [("s".to_owned(), of_source)].into(),
        };
        let nothing = Line::parse_from(["p"]).catalogue;
        assert_eq!(nothing.over(&configured).unwrap(), configured);
        let folder = tempfile::tempdir().unwrap();
        let map = folder.path().join("l.ini");
        std::fs::write(&map, "eng = Anglais").unwrap();
        let line = Line::parse_from([
            "p",
            "--institution",
            "B",
            "--collection",
            "",
            "--id-prefix",
            "",
            "--id-rewrite",
            "oai:a=b:=c",
            "--id-rewrite",
            "oai:=",
            "--language-map",
            map.to_str().unwrap(),
            "--any-language-code",
            "--work-key-include",
            "[a-z]",
            "--extra-field",
            "building=New=Wing",
            "--extra-field",
            "building=Old",
            "--rename-field",
            "series=container_title",
            "--record-format",
            "R",
        ]);
        let mut expected = Options {
            institution: "B".to_owned(),
            collection: Some(String::new()),
            record_format: Some("R".to_owned()),
            id_prefix: String::new(),
            id_rewrites: pairs(&[("oai:a=b:", "c"), ("oai:", "")]),
            languages: LanguageMap::parse("eng = Anglais").unwrap(),
            track_changes: true,
            extra_fields: vec![(
                "building".to_owned(),
                vec!["New=Wing".to_owned(), "Old".to_owned()],
            )],
            rename_fields: pairs(&[("series", "container_title")]),
            ..Options::default()
        };
        expected.languages.any_standard = true;
        expected.work_keys.include = Some(Regex::new("[a-z]").unwrap());
        expected.work_keys.exclude = Some(Regex::new("x").unwrap());
        let documents = line.catalogue.over(&configured).unwrap();
        assert_eq!(documents.default, expected);
        assert_eq!(documents.for_source("s"), &expected, "for every source");
    }

    #[test]
    fn wrong_files_and_expressions_are_refused() {
        for (case, argument, part) in [
            ("expression", "--work-key-include=[", "--work-key-include: "),
            (
                "file",
                "--language-map=/none.ini",
                "language map /none.ini: ",
            ),
        ] {
            let line = Line::parse_from(["p", argument]);
            let error = line.catalogue.over(&DocumentOptions::default());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(part), "{case}: {error}");
        }
    }

    #[test]
    fn pairs_need_both_parts() {
        for (case, argument) in [
            ("no sign", "--id-rewrite=oai:"),
            ("no name", "--extra-field==x"),
            ("no value", "--rename-field=series="),
        ] {
            assert!(Line::try_parse_from(["p", argument]).is_err(), "{case}");
        }
    }
}
