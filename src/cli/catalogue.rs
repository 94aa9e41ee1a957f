//! The options that say what is particular to a catalogue; they override the table `[vufind]`.

use std::path::PathBuf;

use super::exit::UsageError;
use crate::output::vufind::{Options, Settings};

/// Options for catalogue documents, the same for all commands that make them.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    next_help_heading = "Catalogue documents (default: the table [vufind] of the configuration)"
)]
pub struct CatalogueArgs {
    /// The field institution; empty leaves it out
    #[arg(long, value_name = "TEXT")]
    pub institution: Option<String>,
    /// The field collection; empty leaves it out
    #[arg(long, value_name = "TEXT")]
    pub collection: Option<String>,
    /// The field record_format
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
    /// The settings of the configuration with these options over them. Lists replace lists.
    pub fn over(&self, configured: &Settings) -> Settings {
        let or = |option: &Option<String>, configured: &String| {
            option.clone().unwrap_or_else(|| configured.clone())
        };
        let mut settings = Settings {
            institution: or(&self.institution, &configured.institution),
            collection: or(&self.collection, &configured.collection),
            record_format: or(&self.record_format, &configured.record_format),
            id_prefix: or(&self.id_prefix, &configured.id_prefix),
            language_map: self
                .language_map
                .clone()
                .or_else(|| configured.language_map.clone()),
            any_language_code: self.any_language_code || configured.any_language_code,
            track_changes: self.track_changes || configured.track_changes,
            ..configured.clone()
        };
        for (option, setting) in [
            (&self.work_key_include, &mut settings.work_key_include),
            (&self.work_key_exclude, &mut settings.work_key_exclude),
        ] {
            if option.is_some() {
                setting.clone_from(option);
            }
        }
        if !self.id_rewrites.is_empty() {
            settings.id_rewrites.clone_from(&self.id_rewrites);
        }
        if !self.rename_fields.is_empty() {
            settings.rename_fields.clone_from(&self.rename_fields);
        }
        if !self.extra_fields.is_empty() {
            settings.extra_fields.clear();
        }
        for (name, value) in &self.extra_fields {
            let fields = &mut settings.extra_fields;
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.clone()),
                None => fields.push((name.clone(), vec![value.clone()])),
            }
        }
        settings
    }
}

/// The options that settings come to.
///
/// # Errors
/// [`UsageError`] if a file or an expression is wrong.
pub(super) fn options(settings: &Settings) -> Result<Options, UsageError> {
    settings
        .options()
        .map_err(|error| UsageError(error.to_string()))
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
        let configured = Settings {
            institution: "A".to_owned(),
            id_prefix: "x.".to_owned(),
            track_changes: true,
            extra_fields: vec![("building".to_owned(), vec!["Old".to_owned()])],
            work_key_exclude: Some("x".to_owned()),
            ..Settings::default()
        };
        let nothing = Line::parse_from(["p"]).catalogue;
        assert_eq!(nothing.over(&configured), configured);
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
            "l.ini",
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
        let expected = Settings {
            institution: "B".to_owned(),
            collection: String::new(),
            record_format: "R".to_owned(),
            id_prefix: String::new(),
            id_rewrites: pairs(&[("oai:a=b:", "c"), ("oai:", "")]),
            language_map: Some("l.ini".into()),
            any_language_code: true,
            track_changes: true,
            work_key_include: Some("[a-z]".to_owned()),
            work_key_exclude: Some("x".to_owned()),
            extra_fields: vec![(
                "building".to_owned(),
                vec!["New=Wing".to_owned(), "Old".to_owned()],
            )],
            rename_fields: pairs(&[("series", "container_title")]),
        };
        assert_eq!(line.catalogue.over(&configured), expected);
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
