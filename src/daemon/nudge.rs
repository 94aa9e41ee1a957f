//! Ticks: once a minute the conductor is told to look which sources are due.
//!
//! A tick decides nothing. The scheduler starts a job again while its last run goes on, and reads
//! time zones by the offset of the day on which the job was made; what is due is told by
//! [`super::schedule`] alone. Between ticks the conductor's own timer is exact.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Each minute, at its start.
const LOOK: &str = "0 * * * * *";

/// Starts the ticks; whoever holds the scheduler ends them with `shutdown`.
///
/// # Errors
/// If the scheduler cannot be started.
pub(super) async fn start(look: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new(LOOK, move |_, _| look.notify_one())?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_start_and_end() {
        let mut scheduler = start(Arc::default()).await.unwrap();
        let next = scheduler.time_till_next_job().await.unwrap();
        assert!(next.is_some_and(|left| left.as_secs() <= 60), "{next:?}");
        scheduler.shutdown().await.unwrap();
    }
}
