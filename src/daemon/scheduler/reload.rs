//! What a new configuration changes while the daemon runs, and when it is refused.

use std::sync::Arc;

use super::{JobSettings, Queue, ScheduledJob, Scheduler};
use crate::config::{Config, DaemonSettings};
use crate::daemon::systemd;
use crate::schedule::Schedule;

impl Scheduler {
    /// Reads the configuration again. A wrong one, or one that needs a restart, changes nothing.
    pub(super) fn reload(&mut self) {
        systemd::reloading();
        let read = (self.reload)();
        let accepted = read.and_then(|config| match self.refusal(&config) {
            Some(why) => Err(why),
            None => Ok(config),
        });
        let refused = match accepted {
            Ok(config) => {
                self.take_over(Arc::new(config));
                tracing::info!("the new configuration is in force");
                for warning in &self.config.warnings {
                    tracing::warn!("{warning}");
                }
                None
            }
            Err(why) => {
                for line in why.lines() {
                    tracing::error!("the configuration is refused, the old one stays: {line}");
                }
                Some(why)
            }
        };
        self.registry.set_reload(refused);
        systemd::ready();
    }

    /// Why a running daemon cannot take over a configuration; `None` if it can.
    fn refusal(&self, new: &Config) -> Option<String> {
        let old = &self.config;
        if old.store != new.store {
            return Some(format!(
                "store: it was {} and is {}, which needs a restart",
                old.store.display(),
                new.store.display()
            ));
        }
        // The listener has these from the start on.
        let (old, new) = (&old.daemon, &new.daemon);
        let changed = [
            ("listen", old.listen.to_string(), new.listen.to_string()),
            (
                "max_connections",
                old.max_connections.to_string(),
                new.max_connections.to_string(),
            ),
            ("http2", old.http2.to_string(), new.http2.to_string()),
            ("oai.listen or oai.path", oai_place(old), oai_place(new)),
        ];
        let (key, old, new) = changed.into_iter().find(|(_, old, new)| old != new)?;
        Some(format!(
            "daemon: {key}: it was {old} and is {new}, which needs a restart"
        ))
    }

    /// Puts `config` into force. Runs of jobs that it changes or leaves out stop after their page or batch;
    /// the others go on.
    pub(super) fn take_over(&mut self, config: Arc<Config>) {
        let mut old = std::mem::take(&mut self.jobs);
        for (settings, schedule) in jobs(&config) {
            let key = settings.key();
            let scheduled = match old.remove(&key) {
                Some(known) if known.settings == settings => ScheduledJob { schedule, ..known },
                Some(known) => {
                    tracing::info!("{key}: its settings have changed");
                    self.stop(&key);
                    ScheduledJob {
                        requested: known.requested,
                        // The new settings may put right what failed.
                        retry_now: true,
                        ..ScheduledJob::new(settings, schedule)
                    }
                }
                None => ScheduledJob::new(settings, schedule),
            };
            self.jobs.insert(key, scheduled);
        }
        for key in old.into_keys() {
            if self.is_running(&key) {
                tracing::info!("{key}: no longer configured; it stops after its page or batch");
                self.stop(&key);
            }
        }
        let after_pass = self.jobs.iter().filter(|(_, job)| job.schedule.after_pass);
        self.after_pass = after_pass.map(|(key, _)| key.clone()).collect();
        self.queue = Queue::default();
        self.all_looked_at = None;
        let jobs = &self.jobs;
        self.registry.retain(|key| jobs.contains_key(key));
        self.registry.set_config(Arc::clone(&config));
        self.config = config;
    }
}

/// Where the OAI-PMH provider is served.
fn oai_place(daemon: &DaemonSettings) -> String {
    match &daemon.oai {
        None => "off".to_owned(),
        Some(oai) => match oai.listen {
            Some(listen) => format!("{listen}{}", oai.path),
            None => oai.path.clone(),
        },
    }
}

impl ScheduledJob {
    fn new(settings: JobSettings, schedule: Schedule) -> Self {
        Self {
            requested: None,
            // A push or an export may have missed something while no daemon ran.
            maybe_behind: schedule.after_pass,
            // A restart may follow the repair of an index. A repository is not asked sooner for it.
            retry_now: !settings.harvests(),
            idle_at: None,
            settings,
            schedule,
        }
    }
}

/// The jobs of a configuration. Their own settings lose the schedule, so that a run goes on where only
/// the schedule changes.
fn jobs(config: &Config) -> Vec<(JobSettings, Schedule)> {
    let mut jobs = Vec::new();
    for source in &config.sources {
        let mut source = Box::new(source.clone());
        let schedule = std::mem::take(&mut source.schedule);
        jobs.push((JobSettings::Harvest(source.clone()), schedule.pass));
        let reconcile = JobSettings::Reconcile(source, schedule.reconcile_max_percent);
        jobs.push((reconcile, schedule.reconcile));
    }
    for output in &config.outputs {
        let mut output = Box::new(output.clone());
        let schedule = std::mem::replace(&mut output.schedule, Schedule::on_request());
        jobs.push((JobSettings::Push(output), schedule));
    }
    for export in &config.exports {
        let mut export = Box::new(export.clone());
        let schedule = std::mem::replace(&mut export.schedule, Schedule::on_request());
        jobs.push((JobSettings::Export(export), schedule));
    }
    jobs
}
