//! What a new configuration changes while the daemon runs, and when it is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Conductor, Entry, pause_key};
use crate::config::Config;
use crate::daemon::systemd;
use crate::schedule::Last;
use crate::store::StoreError;

impl Conductor {
    /// Reads the configuration again; one that is wrong or needs a restart changes nothing.
    pub(super) fn reload(&mut self) {
        systemd::reloading();
        let refused = match (self.service.reload)() {
            Ok(config) => self.refusal(&config).map_or_else(
                || self.take_over(config).err().map(|error| error.to_string()),
                Some,
            ),
            Err(why) => Some(why),
        };
        match &refused {
            None => {
                tracing::info!("the new configuration is in force");
                for warning in &self.config.warnings {
                    tracing::warn!("{warning}");
                }
            }
            Some(why) => {
                for line in why.lines() {
                    tracing::error!("the configuration is refused, the old one stays: {line}");
                }
            }
        }
        self.board.set_reload(refused);
        systemd::ready();
    }

    /// Why a configuration cannot be taken over by a running daemon.
    fn refusal(&self, new: &Config) -> Option<String> {
        let old = &self.config;
        if old.store != new.store {
            return Some(format!(
                "store: it was {} and is {}, which needs a restart",
                old.store.display(),
                new.store.display()
            ));
        }
        if old.daemon.listen != new.daemon.listen {
            return Some(format!(
                "daemon: listen: it was {} and is {}, which needs a restart",
                old.daemon.listen, new.daemon.listen
            ));
        }
        None
    }

    /// Puts `config` into force. Passes over sources that it does not change go on; others stop
    /// after the page at hand.
    pub(super) fn take_over(&mut self, config: Config) -> Result<(), StoreError> {
        // What can fail comes first, so that a failure changes nothing.
        let mut paused = BTreeMap::new();
        for source in &config.sources {
            let since = self.reader.meta_value(&pause_key(&source.name))?;
            paused.insert(source.name.clone(), since);
        }
        let mut gone = std::mem::take(&mut self.entries);
        for settings in &config.sources {
            let name = settings.name.clone();
            let schedule = config.schedules.get(&name).cloned().unwrap_or_default();
            let mut entry = match gone.remove(&name) {
                Some(entry) => entry,
                None => Entry {
                    paused_since: paused.remove(&name).flatten(),
                    settings: settings.clone(),
                    schedule: schedule.clone(),
                    asked: false,
                    reconcile_asked: None,
                    last_run: None,
                    last_reconcile: None,
                    running: None,
                },
            };
            if entry.settings != *settings {
                tracing::info!(source.id = %name, "its settings have changed");
                if let Some(running) = &mut entry.running {
                    running.stop();
                }
                // The new settings may mend what failed.
                if let Some(Last::Failed(_)) = entry.last_run {
                    entry.last_run = Some(Last::CutOff);
                }
                entry.last_reconcile = None;
            }
            entry.settings = settings.clone();
            entry.schedule = schedule;
            self.entries.insert(name, entry);
        }
        for (name, mut entry) in gone {
            if let Some(running) = &mut entry.running {
                tracing::info!(source.id = %name, "no longer configured; it stops after this page");
                running.stop();
            }
        }
        let entries = &self.entries;
        self.board.retain(|name| entries.contains_key(name));
        self.board.set_config(Arc::new(config.clone()));
        self.config = config;
        Ok(())
    }
}
