//! Calls the scheduler once a minute.
//!
//! A call decides nothing: tokio-cron-scheduler starts a job again while its last run goes on, and reads time
//! zones by the offset of the day on which the job was made. [`crate::schedule`] alone says what is due, and
//! between the calls the scheduler's own timer is exact.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Each minute, at its start.
const EACH_MINUTE: &str = "0 * * * * *";

/// Starts the calls. `shutdown` of the returned value ends them.
pub(in crate::daemon) async fn start(
    ticks: Arc<Notify>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new(EACH_MINUTE, move |_, _| ticks.notify_one())?;
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
