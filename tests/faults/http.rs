//! C: HTTP and the network.
//!
//! | entry | not tested here |
//! |---|---|
//! | C18, certificates | the scripted repository speaks no TLS; the client's own tests have an authority that is trusted only when named, and there is no switch that turns verification off |
//! | C21, "gone" after days | one run says what failed and keeps its windows; slow probes over days belong to a schedule, which `harvest` alone does not have |

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use harvestd::end::End;
use harvestd::harvest::settings::SourceSettings;
use harvestd::harvest::{RunOptions, harvest_all};
use harvestd::http::Secret;
use harvestd::store::WarningKind;
use std::num::NonZeroUsize;

use crate::common::*;
use crate::support::Program;

/// The repository's clock, and a second later, as HTTP writes them.
const NOON_HTTP: &str = "Mon, 01 Jun 2026 12:00:00 GMT";
const SECOND_LATER: &str = "Mon, 01 Jun 2026 12:00:01 GMT";

const MANY: NonZeroUsize = NonZeroUsize::new(64).unwrap();

#[tokio::test]
async fn c01_unavailable_until_a_date() {
    for (until, at_least) in [
        (SECOND_LATER, Duration::from_millis(950)),
        // In the past: at once, but for the usual pause.
        (NOON_HTTP, Duration::ZERO),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Duration::ZERO),
    ] {
        let world = World::of(six().once(When::Page(2), Fault::unavailable(Some(until)))).await;
        world.assert_whole(&world.run().await);
        let requests = world.repository.requests();
        let pause = requests[3].at - requests[2].at;
        assert!(
            pause >= at_least && pause < Duration::from_secs(4),
            "{until}: {pause:?}"
        );
    }
}

#[tokio::test]
async fn c02_unavailable_without_a_date() {
    let world = World::of(six().times(2, When::Page(2), Fault::unavailable(None))).await;
    world.assert_whole(&world.run().await);
    // For ever: pauses that double, and an end.
    let mut world = World::of(six().failing_after_page(1)).await;
    world.settings.retry_pause = Duration::from_millis(100);
    world.settings.max_wait = Duration::from_millis(300);
    world.assert_incomplete(&world.run().await, &["HTTP 503", "not asked again"]);
    assert_eq!(world.live(), "1 2");
    assert!(world.repository.requests().len() <= 6);
}

#[tokio::test]
async fn c03_pause_of_a_day() {
    let world = World::of(six()).await;
    world
        .run_with(&RunOptions {
            limit: Some(2),
            ..RunOptions::default()
        })
        .await;
    for status in [429, 503] {
        let ban = Fault::status(status, &[("retry-after", "86400")], "go away");
        world.repository.break_with(When::Always, ban);
        world.repository.forget_requests();
        let report = world.run().await;
        world.assert_incomplete(&report, &["not asked again for 1441 minutes"]);
        assert_eq!(world.repository.requests().len(), 1);
        // Later processes know, and so do other sources of this host.
        world.repository.heal();
        world.advance(43_200);
        assert_incomplete(&world.run().await, &["a pause of 86400 s"]);
        let context = world.context();
        let second = settings("second", &world.repository.base_url());
        let reports = harvest_all(&context, &[second], &RunOptions::default(), MANY).await;
        assert_incomplete(&reports[0], &["a pause of 86400 s"]);
        assert_eq!(
            world.repository.requests().len(),
            1,
            "the ban is not prolonged"
        );
        let pauses = world.reader().host_pauses().unwrap();
        assert!(pauses[0].reason.contains(&status.to_string()));
        world.advance(43_201);
    }
    let report = world.run().await;
    assert_eq!(
        (report.end, world.live()),
        (End::Complete, "1 2 3 4 5 6".into())
    );
    assert!(world.reader().host_pauses().unwrap().is_empty());
}

#[tokio::test]
async fn c03_pause_is_kept_by_whoever_is_started_meanwhile() {
    let mut world = World::of(six()).await;
    let busy = Fault::unavailable(Some("40"));
    world.repository.break_with(When::Page(2), busy);
    world.settings.max_wait = Duration::from_secs(60);
    // Killed while it waits.
    let waits = || {
        let reader = harvestd::store::Reader::open(&world.place.path());
        reader.is_ok_and(|reader| reader.host_pauses().is_ok_and(|pauses| !pauses.is_empty()))
    };
    tokio::select! {
        report = world.run() => panic!("it does not wait: {report:?}"),
        () = until("the pause", waits) => {}
    }
    until("the first page is stored", || world.live() == "1 2").await;
    let count = world.repository.requests().len();
    world.repository.heal();
    world.settings.max_wait = Duration::from_secs(5);
    world.assert_incomplete(&world.run().await, &["HTTP 503", "not asked again"]);
    assert_eq!(world.repository.requests().len(), count);
    world.advance(41);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert!(world.reader().host_pauses().unwrap().is_empty());
}

#[tokio::test]
async fn c04_too_many_requests_without_a_time() {
    let world = World::of(six().times(2, When::Page(2), Fault::too_many_requests())).await;
    world.assert_whole(&world.run().await);
    let at: Vec<_> = world
        .repository
        .requests()
        .iter()
        .map(|request| request.at)
        .collect();
    // Identify, page 1, page 2 in vain, again, and then for good; slower from then on.
    assert_eq!(at.len(), 6);
    assert!(at[4] - at[3] >= Duration::from_millis(190), "doubled twice");
    assert!(
        at[5] - at[4] >= Duration::from_millis(170),
        "recovers slowly"
    );
}

#[tokio::test]
async fn c04_two_sources_of_one_host_keep_one_pace() {
    let world = World::of(six()).await;
    let base = world.repository.base_url();
    let sources = ["one", "other"].map(|name| SourceSettings {
        delay: Duration::from_millis(150),
        ..settings(name, &base)
    });
    let reports = harvest_all(&world.context(), &sources, &RunOptions::default(), MANY).await;
    assert!(reports.iter().all(|report| report.end == End::Complete));
    let requests = world.repository.requests();
    assert_eq!(requests.len(), 8);
    for pair in requests.windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!(pause >= Duration::from_millis(140), "{pause:?}");
    }
}

#[tokio::test]
async fn c05_server_errors_under_load() {
    for status in [500, 502, 504, 408, 520] {
        let world = World::of(six().once(When::Page(2), Fault::html(status))).await;
        world.assert_whole(&world.run().await);
        let world = World::of(six().always(When::Page(2), Fault::html(status))).await;
        world.assert_whole(&world.run().await);
        let world = World::of(six().always(lists(), Fault::html(status))).await;
        world.assert_incomplete(&world.run().await, &[&format!("HTTP {status}")]);
        assert!(world.repository.requests().len() < 250);
    }
}

#[tokio::test]
async fn c06_retry_that_succeeds() {
    let world = World::of(
        six()
            .once(When::Page(1), Fault::html(500))
            .once(When::Page(2), Fault::html(500))
            .once(When::Page(3), Fault::html(500)),
    )
    .await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("ListRecords"), 6);
}

fn oai_error_with(status: u16, code: &str) -> Fault {
    match Fault::oai_error(code) {
        Fault::Reply(mut reply) => {
            reply.status = status;
            Fault::Reply(reply)
        }
        _ => unreachable!("an error is a reply"),
    }
}

#[tokio::test]
async fn c07_protocol_errors_with_a_status() {
    for status in [400, 404, 422, 500] {
        // A quiet day.
        let world = World::of(six()).await;
        world.run().await;
        world.repository.break_with(
            When::Verb("ListRecords"),
            oai_error_with(status, "noRecordsMatch"),
        );
        world.advance(DAY);
        assert_eq!(world.run().await.end, End::Complete, "{status}");
        assert_eq!(
            world.watermark().as_deref(),
            Some(NOON),
            "it proves nothing"
        );
        let world =
            World::of(six().once(When::Page(3), oai_error_with(status, "badResumptionToken")))
                .await;
        world.assert_whole(&world.run().await);
    }
}

#[tokio::test]
async fn c08_name_of_the_harvester() {
    let robots = When::matching(|request| {
        let name = request
            .user_agent
            .clone()
            .unwrap_or_default()
            .to_lowercase();
        [
            "bot", "spider", "crawler", "python", "go-http", "curl", "reqwest",
        ]
        .iter()
        .any(|word| name.contains(word))
            || !name.starts_with("harvestd/")
            || !name.contains("librarian@x.example")
    });
    let world = World::of(six().always(robots, Fault::html(403))).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn c09_forbidden() {
    let world = World::of(six().always(When::Always, Fault::html(403))).await;
    world.assert_incomplete(&world.run().await, &["HTTP 403", "allow-list"]);
    // A proxy for one source.
    let mut world = World::of(six()).await;
    world.settings.client.proxy = Some(world.repository.base_url().parse().unwrap());
    world.settings.client.url = "http://repository.invalid/oai".parse().unwrap();
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn c10_challenge_for_browsers() {
    for (case, status, header) in [
        ("Cloudflare", 403, ("cf-mitigated", "challenge")),
        ("AWS WAF", 202, ("x-amzn-waf-action", "challenge")),
    ] {
        let world =
            World::of(six().always(When::AfterPage(1), Fault::status(status, &[header], ""))).await;
        let report = world.run().await;
        world.assert_incomplete(
            &report,
            &[case, "exempt", "not asked again for 361 minutes"],
        );
        let count = world.repository.requests().len();
        world.advance(3_600);
        world.run().await;
        assert_eq!(
            world.repository.requests().len(),
            count,
            "left alone for hours"
        );
        world.repository.heal();
        world.advance(6 * 3_600);
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.live(), "1 2 3 4 5 6");
    }
    let world = World::of(six().always(When::Always, Fault::status(202, &[], ""))).await;
    world.assert_incomplete(&world.run().await, &["HTTP 202", "not ready"]);
}

#[tokio::test]
async fn c11_empty_body() {
    for body in ["", " \r\n", "\u{feff}"] {
        let empty = Fault::status(200, &[("content-type", "text/xml")], body);
        let world = World::of(six().once(When::Page(2), empty.clone())).await;
        world.assert_whole(&world.run().await);
        let world = World::of(six().always(lists(), empty)).await;
        world.assert_incomplete(&world.run().await, &["empty"]);
    }
}

#[tokio::test]
async fn c12_redirects() {
    for (status, moves) in [(301, true), (308, true), (302, false), (307, false)] {
        let target = six().start().await;
        // The target loses the arguments.
        let old = six().always(When::Always, Fault::redirect(status, &target.base_url()));
        let world = World::of(old).await;
        world.assert_whole(&world.run().await);
        assert_eq!(target.count("ListRecords"), 3);
        assert_eq!(world.has_warning(WarningKind::Moved), moves, "{status}");
    }
    let world = World::of(six()).await;
    let round = Fault::redirect(301, &world.repository.base_url());
    world.repository.break_with(When::Always, round);
    world.assert_incomplete(&world.run().await, &["more than 5 redirects"]);
}

#[tokio::test]
async fn c13_post_refused() {
    let post = When::matching(|request| request.method != "GET");
    let world = World::of(six().always(post, Fault::html(405))).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn c14_order_of_arguments() {
    let late = When::matching(|request| {
        request
            .arguments
            .first()
            .is_none_or(|(name, _)| name != "verb")
    });
    let world = World::of(six().always(late, Fault::oai_error("badVerb"))).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn c15_base_url_with_arguments() {
    let without = When::matching(|request| request.argument("apikey") != Some("k 1"));
    let builder = six()
        .behaving(|how| how.lenient = true)
        .always(without, Fault::html(401));
    let mut world = World::of(builder).await;
    let url = format!("{}?apikey=k%201", world.repository.base_url());
    world.settings.client.url = url.parse().unwrap();
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn c16_silence_and_slow_drip() {
    let drip = Fault::Drip {
        bytes: 1,
        pause: Duration::from_millis(40),
    };
    for fault in [
        Fault::Hang { after: None },
        Fault::Hang { after: Some(300) },
        drip,
    ] {
        let mut world = World::of(six().once(When::Page(2), fault)).await;
        let timeouts = &mut world.settings.client.timeouts;
        timeouts.first_byte = Duration::from_millis(700);
        timeouts.connect = Duration::from_millis(300);
        timeouts.idle = Duration::from_millis(1_000);
        timeouts.total = Duration::from_millis(2_000);
        world.assert_whole(&world.run().await);
    }
}

#[tokio::test]
async fn c17_compression_and_its_headers() {
    let gzip = |body: Vec<u8>| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).unwrap();
        encoder.finish().unwrap()
    };
    let deflate = |body: Vec<u8>| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).unwrap();
        encoder.finish().unwrap()
    };
    let zlib = |body: Vec<u8>| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).unwrap();
        encoder.finish().unwrap()
    };
    let named = |name: Option<&'static str>, press: fn(Vec<u8>) -> Vec<u8>| {
        Fault::Transform(Arc::new(move |mut reply| {
            reply.body = press(reply.body);
            let header = name.map(|name| ("content-encoding".to_owned(), name.to_owned()));
            reply.headers.extend(header);
            reply
        }))
    };
    for (case, fault) in [
        ("not announced", Fault::unadvertised_gzip()),
        ("announced and not done", named(Some("gzip"), |body| body)),
        ("x-gzip", named(Some("x-gzip"), gzip)),
        ("gzip", named(Some("gzip"), gzip)),
        ("deflate", named(Some("deflate"), deflate)),
        ("deflate as zlib", named(Some("deflate"), zlib)),
    ] {
        let world = World::of(six().always(When::Always, fault)).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        world.assert_whole(&report);
    }
    // A bomb is no page.
    let bomb = named(Some("gzip"), |_| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&vec![b' '; 4 << 20]).unwrap();
        encoder.finish().unwrap()
    });
    let mut world = World::of(six().always(lists(), bomb)).await;
    world.settings.client.limits.inflated_bytes = 1 << 20;
    world.assert_incomplete(&world.run().await, &["max_inflated_bytes"]);
}

#[tokio::test]
async fn c19_credentials() {
    type Give = fn(&mut harvestd::http::Credentials);
    let cases: [(&str, Give, &str); 3] = [
        (
            "basic",
            |own| own.basic = Some(("me".into(), Secret::new("hush:hush"))),
            "Basic bWU6aHVzaDpodXNo",
        ),
        (
            "bearer",
            |own| own.bearer = Some(Secret::new("hush-token")),
            "Bearer hush-token",
        ),
        ("key", |own| own.api_key = Some(Secret::new("hush key")), ""),
    ];
    for (case, give, header) in cases {
        let wrong = When::matching(move |request| {
            if header.is_empty() {
                request.argument("api_key") != Some("hush key")
            } else {
                request.header("authorization") != Some(header)
            }
        });
        let mut world = World::of(six().always(wrong, Fault::html(401))).await;
        world.assert_incomplete(&world.run().await, &["HTTP 401", "credentials"]);
        give(&mut world.settings.client.credentials);
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        world.assert_whole(&report);
    }
}

#[tokio::test]
async fn c20_many_sources_of_one_host() {
    let world =
        World::of(six().always(When::Always, Fault::Delay(Duration::from_millis(30)))).await;
    let base = world.repository.base_url();
    let mut all = vec![
        settings("a", &base),
        settings("b", &base),
        settings("c", &base),
    ];
    all[0].client.contact = Some("a@x.example".to_owned());
    all[1].client.contact = Some("b@x.example".to_owned());
    let reports = harvest_all(&world.context(), &all, &RunOptions::default(), MANY).await;
    assert!(reports.iter().all(|report| report.end == End::Complete));
    let requests = world.repository.requests();
    for pair in requests.windows(2) {
        assert!(
            pair[1].at - pair[0].at >= Duration::from_millis(29),
            "never two at once"
        );
    }
    let mut names: Vec<_> = requests
        .iter()
        .map(|request| request.user_agent.clone())
        .collect();
    names.dedup();
    assert_eq!(names.len(), 3, "one source after the other");
}

#[tokio::test]
async fn c21_host_is_gone() {
    let mut world = World::of(six()).await;
    world.run().await;
    let (records, proven) = (world.live(), world.watermark());
    // Nothing listens there, or no such name exists, or the domain is parked.
    world
        .repository
        .break_with(When::Always, Fault::Reset { after: None });
    assert_incomplete(&world.run().await, &["connection", "the next run resumes"]);
    world.repository.heal();
    world.repository.break_with(When::Always, Fault::html(200));
    assert_incomplete(&world.run().await, &["HTML page"]);
    assert_eq!((world.live(), world.watermark()), (records, proven));
    world.settings.client.url = "http://repository.invalid/oai".parse().unwrap();
    assert_incomplete(&world.run().await, &["repository.invalid"]);
    assert_eq!(world.live(), "1 2 3 4 5 6");
}

#[tokio::test]
async fn c22_forbidden_is_an_answer() {
    let repository = six().always(When::Always, Fault::html(403)).start().await;
    let place = temp_store();
    let arguments = [
        "harvest",
        &repository.base_url(),
        "--store",
        &place.argument(),
    ];
    let output = Program::new(&arguments).run().await.failure(3);
    assert!(output.stderr.contains("HTTP 403"), "{}", output.stderr);
    assert!(
        repository.requests().len() <= 2,
        "asked once, and not around it"
    );
    assert!(
        repository
            .requests()
            .iter()
            .all(|request| request.argument("verb").is_some())
    );
}

#[tokio::test]
async fn c23_malformed_header_lines() {
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (case, lines) in [
        (
            "a warning of PHP",
            "PHP Warning:  Module 'intl' already loaded in Unknown on line 0",
        ),
        ("no header", "this is no header"),
        ("a blank before the colon", "Cache-Control : no-cache"),
        ("folded", "Server: Apache\r\n  (Unix)\r\n\tmod_x"),
        ("many", many.as_str()),
    ] {
        let world = World::of(six().always(When::Always, Fault::header_lines(lines))).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        world.assert_whole(&report);
        assert_eq!(
            world.repository.requests().len(),
            4,
            "{case}: nothing is asked twice"
        );
    }
    // What no client reads is called by its name.
    let nul = Fault::header_lines("x: \0");
    let world = World::of(six().always(When::Always, nul)).await;
    world.assert_incomplete(&world.run().await, &["a header line is malformed"]);
    let nowhere = Fault::redirect(302, "http://[");
    let world = World::of(six().always(When::Always, nowhere)).await;
    world.assert_incomplete(&world.run().await, &["redirected to a malformed address"]);
}

#[tokio::test]
async fn c24_whole_document_with_a_bad_end() {
    for framing in [Framing::TooLong, Framing::Chunked] {
        let fault = Fault::Cut {
            after: usize::MAX,
            framing,
        };
        let world = World::of(six().always(When::Always, fault)).await;
        world.assert_whole(&world.run().await);
        assert_eq!(world.repository.requests().len(), 4, "{framing:?}");
        let warning = &world.warnings()[WarningKind::RepairedPages.word()];
        assert!(
            warning.contains("transport did not end properly"),
            "{warning}"
        );
        // The same, but the document is not whole.
        let cut = Fault::Cut {
            after: 300,
            framing,
        };
        let world = World::of(six().always(lists(), cut)).await;
        world.assert_incomplete(&world.run().await, &["truncated"]);
        assert_eq!(world.live(), "");
    }
}

#[tokio::test]
async fn c25_challenge_with_success() {
    let anubis = "<!doctype html><html><head><title>Making sure you&#39;re not a bot!</title>\
                  <script id=\"anubis_challenge\" type=\"application/json\">{}</script></head>";
    let f5 = "<html><head><title>Request Rejected</title></head><body>The requested URL was \
              rejected. Please consult with your administrator. Your support ID is: 12</body>";
    for (case, page) in [("Anubis", anubis), ("F5", f5)] {
        let page = Fault::status(200, &[("content-type", "text/html")], page);
        let world = World::of(six().always(When::AfterPage(1), page)).await;
        let report = world.run().await;
        world.assert_incomplete(
            &report,
            &[case, "exempt", "not asked again for 361 minutes"],
        );
        assert_eq!(world.live(), "1 2", "{case}");
        let count = world.repository.requests().len();
        assert_eq!(count, 3, "{case}: asked once");
        world.advance(3_600);
        world.run().await;
        assert_eq!(
            world.repository.requests().len(),
            count,
            "{case}: left alone for hours"
        );
        let pauses = world.reader().host_pauses().unwrap();
        assert!(pauses[0].reason.contains("exempt"), "{case}: {pauses:?}");
        world.repository.heal();
        world.advance(6 * 3_600);
        let report = world.run().await;
        assert_eq!(
            (report.end, world.live()),
            (End::Complete, "1 2 3 4 5 6".into())
        );
    }
}

#[tokio::test]
async fn c26_session_in_a_cookie() {
    let without = |text: &'static str| {
        When::matching(move |request| {
            let sent = request.header("cookie").unwrap_or_default();
            !sent.contains(text)
        })
    };
    let set = |text: &str| {
        let header = ("set-cookie".to_owned(), text.to_owned());
        Fault::Transform(Arc::new(move |mut reply| {
            reply.headers.push(header.clone());
            reply
        }))
    };
    // Tokens live in a session.
    let stranger = When::matching(|request| {
        request.argument("resumptionToken").is_some() && request.header("cookie").is_none()
    });
    let builder = six()
        .always(stranger, Fault::bad_resumption_token())
        .always(When::Always, set("JSESSIONID=node1; Path=/; HttpOnly"));
    let world = World::of(builder).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.requests().len(), 4);
    // The next run is another session.
    world.repository.forget_requests();
    world.advance(DAY);
    world.run().await;
    assert_eq!(world.repository.requests()[0].header("cookie"), None);
    // A wall in front of everything, which redirects to itself.
    let wall = Fault::status(
        302,
        &[("location", "/oai"), ("set-cookie", "seen=yes; Path=/")],
        "",
    );
    let world = World::of(six().always(without("seen=yes"), wall)).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.requests().len(), 5, "the wall is met once");
}
