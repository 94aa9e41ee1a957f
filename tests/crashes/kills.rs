//! Harvests that are killed with SIGKILL, hundreds of times.

use std::time::Duration;

use harvestd::demo::Size;

use crate::twins::{Twin, Twins};

/// The moment at which the program is killed.
enum Moment {
    /// This long after its start.
    Time(Duration),
    /// This long after this number of requests.
    Request(usize, Duration),
}

/// The number of kills by what the program had done.
#[derive(Debug, Default)]
struct Kills {
    /// It had sent no request.
    starting: u32,
    /// It had stored some records, and not all.
    storing: u32,
    /// It had sent requests and stored nothing, or had stored everything.
    other: u32,
    /// It had ended before the kill.
    late: u32,
}

impl Kills {
    fn count(&self) -> u32 {
        self.starting + self.storing + self.other
    }
}

async fn kill_once(twins: &mut Twins, command: &[&str], kills: &mut Kills) {
    let moment = if twins.rng.u8(0..5) == 0 {
        Moment::Time(Duration::from_micros(twins.rng.u64(0..100_000)))
    } else {
        let pause = Duration::from_micros(twins.rng.u64(0..20_000));
        Moment::Request(twins.rng.usize(1..9), pause)
    };
    twins.repository.forget_requests();
    let mut running = twins.disturbed.program(command).spawn();
    match moment {
        Moment::Time(pause) => tokio::time::sleep(pause).await,
        Moment::Request(number, pause) => {
            while twins.repository.requests().len() < number && !running.ended() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::thread::sleep(pause);
        }
    }
    let output = running.kill().await;
    let news = twins.disturbed.news.len();
    twins.disturbed.follow();
    match output.status {
        None if twins.repository.requests().is_empty() => kills.starting += 1,
        None if twins.disturbed.news.len() > news => kills.storing += 1,
        None => kills.other += 1,
        Some(0) => kills.late += 1,
        Some(_) => panic!("{output:#?}"),
    }
}

/// Rounds of changes, each harvested through up to `most` kills and then to its end, until `count`
/// kills have come and enough of them have met the storing of records: on a busy machine a program
/// gets less far before its moment.
async fn kill(mut twins: Twins, count: u32, most: u32) {
    let mut kills = Kills::default();
    let met = |kills: &Kills| kills.storing > count / 20;
    while kills.count() < count || (!met(&kills) && kills.count() < 6 * count) {
        let whole = twins.rng.u8(0..4) == 0;
        for number in 0..twins.rng.u32(1..=most) {
            // A full pass begins once and is resumed after that.
            let command: &[&str] = if whole && number == 0 {
                &["harvest", "--full"]
            } else {
                &["harvest"]
            };
            kill_once(&mut twins, command, &mut kills).await;
            if number % 16 == 0 {
                check(&twins.disturbed);
            }
        }
        twins.disturbed.run(&["harvest"]).await.success();
        twins.compare().await;
        twins.change();
    }
    println!("{kills:?}");
    // The moments are chosen so that most kills hit the program at work.
    assert!(kills.starting < kills.count() / 2, "{kills:?}");
    assert!(met(&kills), "{kills:?}");
}

fn check(twin: &Twin) {
    if twin.place.path().exists() {
        twin.verify();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harvest_that_is_killed_hundreds_of_times() {
    kill(Twins::new(250, Size::Demo, None, "").await, 250, 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harvest_that_is_killed_while_it_clusters() {
    let dedup = "[dedup]\nenabled = true";
    kill(Twins::new(250, Size::Demo, None, dedup).await, 60, 15).await;
}
