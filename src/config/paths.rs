//! Where configuration and store are when nobody says so.
//!
//! | what | the first of these |
//! |---|---|
//! | configuration | `--config`; `HARVESTD_CONFIG`; `$XDG_CONFIG_HOME/harvestd/harvestd.toml` (`~/.config` if unset); `/etc/harvestd/harvestd.toml` |
//! | store | `--store`; `HARVESTD_STORE`; the key `store`; `$STATE_DIRECTORY/harvestd.db`; `/var/lib/harvestd/harvestd.db` with the configuration in `/etc/harvestd`; `$XDG_DATA_HOME/harvestd/harvestd.db` (`~/.local/share` if unset) |
//!
//! systemd sets `$STATE_DIRECTORY` for a unit with `StateDirectory=`. The store goes with the
//! configuration in `/etc`, so that an administrator at the shell sees what the service writes.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::load::Overrides;
use super::problem::ConfigError;

const SYSTEM_CONFIG: &str = "/etc/harvestd/harvestd.toml";
const SYSTEM_STORE: &str = "/var/lib/harvestd/harvestd.db";

/// The configuration files to look for, best first.
pub(crate) fn config_candidates(environment: &Environment) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(base) = base(environment, "XDG_CONFIG_HOME", ".config") {
        candidates.push(base.join("harvestd/harvestd.toml"));
    }
    candidates.push(PathBuf::from(SYSTEM_CONFIG));
    candidates
}

/// The file that a first configuration is written to: the one that is named, or the first of the usual places
/// (for root, the last: that of the service).
///
/// # Errors
/// If there is neither a name nor a home directory.
pub fn init_path(overrides: &Overrides, environment: &Environment) -> Result<PathBuf, ConfigError> {
    if let Some(path) = overrides.config.clone().or_else(|| environment.config()) {
        return Ok(path);
    }
    let mut candidates = config_candidates(environment).into_iter();
    let place = match rustix::process::geteuid().is_root() {
        true => candidates.next_back(),
        false => candidates.next(),
    };
    place.ok_or(ConfigError::NoStore)
}

/// The store's place when neither arguments nor configuration name one; `None` without a home
/// directory.
pub(crate) fn default_store(environment: &Environment, config: Option<&Path>) -> Option<PathBuf> {
    if let Some(directories) = environment.path("STATE_DIRECTORY") {
        // A unit with several state directories has them separated by colons.
        let first = std::env::split_paths(&directories).next()?;
        return Some(first.join("harvestd.db"));
    }
    if config == Some(Path::new(SYSTEM_CONFIG)) {
        return Some(PathBuf::from(SYSTEM_STORE));
    }
    base(environment, "XDG_DATA_HOME", ".local/share").map(|base| base.join("harvestd/harvestd.db"))
}

/// Source: XDG Base Directory Specification, "Environment variables".
fn base(environment: &Environment, variable: &str, below_home: &str) -> Option<PathBuf> {
    environment.absolute_path(variable).or_else(|| {
        environment
            .absolute_path("HOME")
            .map(|home| home.join(below_home))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Case, variables, configuration, where configurations are looked for, where the store is.
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        Option<&'static str>,
        &'static [&'static str],
        Option<&'static str>,
    );

    #[test]
    fn places_follow_the_environment() {
        let cases: [Case; 6] = [
            (
                "home",
                &[("HOME", "/home/me")],
                None,
                &["/home/me/.config/harvestd/harvestd.toml", SYSTEM_CONFIG],
                Some("/home/me/.local/share/harvestd/harvestd.db"),
            ),
            (
                "XDG",
                &[
                    ("HOME", "/home/me"),
                    ("XDG_CONFIG_HOME", "/c"),
                    ("XDG_DATA_HOME", "/d"),
                ],
                None,
                &["/c/harvestd/harvestd.toml", SYSTEM_CONFIG],
                Some("/d/harvestd/harvestd.db"),
            ),
            (
                "relative XDG is void",
                &[
                    ("HOME", "/home/me"),
                    ("XDG_CONFIG_HOME", "c"),
                    ("XDG_DATA_HOME", "d"),
                ],
                None,
                &["/home/me/.config/harvestd/harvestd.toml", SYSTEM_CONFIG],
                Some("/home/me/.local/share/harvestd/harvestd.db"),
            ),
            (
                "service",
                &[
                    ("HOME", "/"),
                    ("STATE_DIRECTORY", "/var/lib/harvestd:/var/lib/other"),
                ],
                None,
                &["/.config/harvestd/harvestd.toml", SYSTEM_CONFIG],
                Some("/var/lib/harvestd/harvestd.db"),
            ),
            (
                "system configuration",
                &[("HOME", "/home/admin")],
                Some(SYSTEM_CONFIG),
                &["/home/admin/.config/harvestd/harvestd.toml", SYSTEM_CONFIG],
                Some(SYSTEM_STORE),
            ),
            ("no home", &[], None, &[SYSTEM_CONFIG], None),
        ];
        for (case, variables, config, configs, store) in cases {
            let environment = Environment::new(
                variables
                    .iter()
                    .map(|(name, value)| (name.into(), value.into())),
            );
            let expected: Vec<PathBuf> = configs.iter().map(PathBuf::from).collect();
            assert_eq!(config_candidates(&environment), expected, "{case}");
            let found = default_store(&environment, config.map(Path::new));
            assert_eq!(found, store.map(PathBuf::from), "{case}");
        }
    }
}
