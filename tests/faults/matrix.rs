//! H: the table of common faults in `docs/faults.md`, row by row: six records on three pages, one fault
//! that stays, one run.

use std::time::Duration;

use crate::support::model::{Model, Tokens};
use harvestd::end::End;

use crate::common::*;

/// One row: its name, the repository, and what the store has in the end beside "1 2 3 4 5 6".
struct Row {
    name: &'static str,
    builder: Builder,
    live: &'static str,
}

fn row(name: &'static str, builder: Builder) -> Row {
    Row {
        name,
        builder,
        live: "1 2 3 4 5 6",
    }
}

/// Three pages by hand, with these tokens in between and this end.
fn by_hand(first: &str, first_back: &str, second: &str, second_back: &str, end: &str) -> Builder {
    six()
        .always(with_token("beyond"), Fault::oai_error("noRecordsMatch"))
        .always(first_page(), Fault::xml(page(&[1, 2], Some(&token(first)))))
        .always(
            with_token(first_back),
            Fault::xml(page(&[3, 4], Some(&token(second)))),
        )
        .always(
            with_token(second_back),
            Fault::xml(page(&[5, 6], Some(end))),
        )
        .always(resumption(), Fault::bad_resumption_token())
}

fn title(new: &[u8]) -> Builder {
    six().always(When::Always, swap_bytes(b"Title 3", new))
}

fn datestamp(new: &str) -> Builder {
    let old = format!("<datestamp>{}<", at(3));
    six().always(When::Always, swap(&old, &format!("<datestamp>{new}<")))
}

fn before(text: &'static str) -> Builder {
    six().always(
        When::Always,
        Fault::body(move |body| [text.as_bytes(), &body[..]].concat()),
    )
}

fn after(text: &'static str) -> Builder {
    six().always(
        When::Always,
        Fault::body(move |body| [&body[..], text.as_bytes()].concat()),
    )
}

fn with_deleted() -> Model {
    let mut model = model(6, 10);
    model.delete(&id(3), at(3));
    model
}

fn quiet_day(status: u16) -> Fault {
    match Fault::oai_error("noRecordsMatch") {
        Fault::Reply(mut reply) => {
            reply.status = status;
            Fault::Reply(reply)
        }
        _ => unreachable!("an error is a reply"),
    }
}

async fn rows() -> Vec<Row> {
    let end = "<resumptionToken/>";
    let second = || When::Page(2);
    let cut = |framing| Fault::Cut {
        after: 700,
        framing,
    };
    let same = Fault::xml(page(&[1, 2], Some(&token("t"))));
    let inner = |element: &str| swap("</oai_dc:dc>", &format!("{element}</oai_dc:dc>"));
    let oai = "xmlns=\"http://www.openarchives.org/OAI/2.0/\"";
    let tombstone = format!(
        "<record><header status=\"deleted\"><identifier>{}</identifier><datestamp>{}</datestamp>\
         </header></record>",
        id(3),
        at(7)
    );
    let version =
        |title: &str, day: usize| record(&id(3), &at(day).to_string(), &metadata(title)[0].1);
    let named = list("").replace(
        "<ListRecords></ListRecords>",
        &format!("<GetRecord>{tombstone}</GetRecord>"),
    );
    let moved = six().start().await;
    let to = moved.base_url();
    // It answers as long as the test runs.
    std::mem::forget(moved);
    vec![
        row(
            "A1 HTML, 200, page 2",
            six().always(second(), Fault::html(200)),
        ),
        row(
            "A2 PHP warning first",
            before("<br />\n<b>Warning</b>: foo()\n"),
        ),
        row("A3 blank lines first", before("\n\n \n")),
        row("A3 junk after root", after("<script>x</script>")),
        row(
            "A4 cut, no length",
            six().always(second(), cut(Framing::Close)),
        ),
        row(
            "A5 shorter than Content-Length",
            six().always(second(), cut(Framing::Length)),
        ),
        row(
            "A6 badResumptionToken",
            six().always(second(), Fault::bad_resumption_token()),
        ),
        row(
            "A8 noRecordsMatch at end",
            by_hand("a", "a", "b", "b", &token("beyond")),
        ),
        row(
            "A9 empty page + token",
            six()
                .always(
                    first_page(),
                    Fault::xml(page(&[1, 2, 3], Some(&token("a")))),
                )
                .always(with_token("a"), Fault::xml(page(&[], Some(&token("b")))))
                .always(with_token("b"), Fault::xml(page(&[4, 5, 6], Some(end)))),
        ),
        row(
            "A11 same token, same page",
            six().always(resumption(), same),
        ),
        row(
            "A12 same token, new page",
            six().behaving(|how| how.tokens = Tokens::Session),
        ),
        row("A13 token cycle", by_hand("a", "a", "b", "b", &token("a"))),
        row(
            "A17 odd characters in token",
            by_hand("a+&amp;=%#?/ ü", "a+&=%#?/ ü", "&amp;", "&", end),
        ),
        row(
            "A19 space round token",
            by_hand(" \na ", "a", "\tb", "b", end),
        ),
        row("A20 token `0`", by_hand("0", "0", "00", "00", end)),
        row(
            "A21 empty token, last page",
            by_hand("a", "a", "b", "b", end),
        ),
        row(
            "A27 11 MB text node",
            six()
                .always(When::Always, {
                    swap(
                        "</oai_dc:dc>",
                        &format!("<x>{}</x></oai_dc:dc>", "long ".repeat(2_200_000)),
                    )
                })
                .page_size(6),
        ),
        row(
            "A28 error inside list",
            six().always(
                second(),
                swap("</ListRecords>", "<error code=\"x\"/></ListRecords>"),
            ),
        ),
        row(
            "A31 token only in `<request>`",
            six()
                .always(first_page(), token_in_request(&[1, 2], "a"))
                .always(with_token("a"), token_in_request(&[3, 4], "b"))
                .always(with_token("b"), Fault::xml(page(&[5, 6], None))),
        ),
        row(
            "A34 later pages in MARC",
            six().always(resumption(), in_marc()),
        ),
        row("A34 all pages in MARC", six().always(lists(), in_marc())),
        row(
            "B11 fraction in datestamp",
            datestamp("2025-04-30T12:00:00.123Z"),
        ),
        row(
            "B11 offset / empty datestamp",
            datestamp("").always(When::Always, swap("Z</datestamp>", "+00:00</datestamp>")),
        ),
        row(
            "C1 503, Retry-After date",
            six().once(
                second(),
                Fault::unavailable(Some("Mon, 01 Jun 2026 12:00:01 GMT")),
            ),
        ),
        row(
            "C3 429, Retry-After",
            six().once(second(), Fault::status(429, &[("retry-after", "1")], "")),
        ),
        row(
            "C7 noRecordsMatch as 422",
            six().always(first_page_with_dates(), quiet_day(422)),
        ),
        row(
            "C10 403 challenge page",
            six().always(
                second(),
                Fault::status(403, &[("cf-mitigated", "challenge")], "<html/>"),
            ),
        ),
        row(
            "C10 202 empty",
            six().always(lists(), Fault::status(202, &[], "")),
        ),
        row(
            "C12 301 redirect",
            six().always(When::Always, Fault::redirect(301, &to)),
        ),
        row(
            "C13 POST refused",
            six().always(
                When::matching(|request| request.method == "POST"),
                Fault::html(405),
            ),
        ),
        row(
            "C17 unadvertised gzip",
            six().always(When::Always, Fault::unadvertised_gzip()),
        ),
        row(
            "C23 malformed header lines",
            six().always(
                When::Always,
                Fault::header_lines("PHP Warning:  x in y on line 0\r\nA : 1\r\n folded"),
            ),
        ),
        row(
            "C24 no last chunk",
            six().always(
                When::Always,
                Fault::Cut {
                    after: usize::MAX,
                    framing: Framing::Chunked,
                },
            ),
        ),
        row(
            "C25 proof of work, 200, page 2",
            six().always(
                second(),
                Fault::status(200, &[], "<html><script id=\"anubis_challenge\"></script>"),
            ),
        ),
        row(
            "C26 cookie wall",
            six().always(
                When::matching(|request| request.header("cookie").is_none()),
                Fault::status(302, &[("location", "/oai"), ("set-cookie", "a=1")], ""),
            ),
        ),
        row("D1 raw control character", title(b"Title\x0b3")),
        row("D1 `&#x1;`", title(b"Title&#x1;3")),
        row(
            "D1 surrogates as references",
            title(b"Title &#xD83D;&#xDE00;"),
        ),
        row("D2 CESU-8", title(b"Title \xED\xA0\xBD\xED\xB8\x80")),
        row("D2 bad UTF-8 byte", title(b"Title \xfc")),
        row("D5 bare `&`", title(b"A & B")),
        row("D6 HTML entity", title(b"caf&eacute;")),
        row(
            "D8 DTD",
            six().always(
                When::Always,
                swap("'UTF-8'?>", "'UTF-8'?><!DOCTYPE x [<!ENTITY y \"z\">]>"),
            ),
        ),
        row(
            "D10 no namespace",
            six().always(When::Always, swap(oai, "")),
        ),
        row(
            "D11 nested `record`",
            six().always(
                When::Always,
                inner(&format!("<record {oai}><header/></record>")),
            ),
        ),
        row(
            "D11 inner `error`",
            six().always(When::Always, inner(&format!("<error {oai} code=\"x\"/>"))),
        ),
        Row {
            live: "1 2 4 5 6",
            ..row(
                "D12 deleted record between others",
                Repository::of(with_deleted()),
            )
        },
        Row {
            live: "1 2 4 5 6",
            ..row(
                "D14 no header",
                six().always(When::Always, without_header(3)),
            )
        },
        row(
            "D15 no metadata, not deleted",
            six().always(lists(), without_metadata(3)),
        ),
        row(
            "E10 duplicate across pages",
            six()
                .always(
                    first_page(),
                    Fault::xml(page(&[1, 2, 3], Some(&token("a")))),
                )
                .always(with_token("a"), Fault::xml(page(&[3, 4, 5, 6], Some(end)))),
        ),
        row(
            "E16 live, and deleted later in the list",
            six().always(When::Page(3), beside_the_last(&tombstone)),
        ),
        row(
            "E16 deleted, and live on the next page",
            six().always(When::Page(1), beside_the_last(&tombstone)),
        ),
        row(
            "E18 three versions in one list",
            six()
                .always(When::Page(1), beside_the_last(&version("Oldest", 1)))
                .always(When::Page(3), beside_the_last(&version("Older", 2))),
        ),
        Row {
            live: "1 2 4 5 6",
            ..row(
                "E19 header alone, GetRecord says deleted",
                six()
                    .always(lists(), without_metadata(3))
                    .always(When::Verb("GetRecord"), Fault::xml(named)),
            )
        },
    ]
}

/// The answer with another record before its last one.
fn beside_the_last(record: &str) -> Fault {
    let record = record.to_owned();
    Fault::body(move |body| {
        let mut text = String::from_utf8(body).unwrap();
        let at = text.rfind("<record>").unwrap();
        text.insert_str(at, &record);
        text.into_bytes()
    })
}

fn first_page_with_dates() -> When {
    When::matching(has_dates)
}

/// What the second and the third column of the table say about a row.
async fn outcome(row: Row) -> (String, usize) {
    let quiet_day = row.name.starts_with("C7");
    let world = World::of(row.builder).await;
    let mut report = world.run().await;
    if quiet_day {
        assert_eq!(report.end, End::Complete);
        world.advance(DAY);
        report = world.run().await;
    }
    let outcome = match report.end {
        End::Complete => {
            assert_eq!(world.live(), row.live, "{}", row.name);
            let mut numbers = vec![1, 2, 4, 5, 6];
            // Other rows change its title.
            if row.name.starts_with('E') && row.live.contains('3') {
                numbers.push(3);
            }
            for number in numbers {
                assert_eq!(
                    world.title(number),
                    format!("Title {number}"),
                    "{}",
                    row.name
                );
            }
            assert_eq!(world.watermark().as_deref(), Some(NOON), "{}", row.name);
            "ok".to_owned()
        }
        End::GapsLeft(_) | End::Incomplete(_) => {
            assert_eq!(world.watermark(), None, "{}", row.name);
            format!("err, {} stored", world.stored().len())
        }
        End::Failed(_) if report.unreached.is_some() => "unreached".to_owned(),
        End::Failed(why) => panic!("{}: {why}", row.name),
    };
    (outcome, world.repository.requests().len())
}

/// The first three cells of a line of the table, and the rest; `None` for other lines.
fn cells(line: &str) -> Option<[&str; 4]> {
    let mut cells = line.strip_prefix("| ")?.splitn(4, " | ");
    let [name, outcome, requests, how] = std::array::from_fn(|_| cells.next().unwrap_or_default());
    let is_row = matches!(name.as_bytes(), [b'A'..=b'E', b'0'..=b'9', ..]);
    is_row.then_some([name, outcome, requests, how])
}

/// With `UPDATE_GENERATED=1`, the requests in the table become those that were sent.
#[tokio::test]
async fn the_table_is_true() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found = Vec::new();
    for row in rows().await {
        let name = row.name;
        let outcome = tokio::time::timeout(Duration::from_secs(60), outcome(row));
        let (outcome, requests) = outcome.await.expect("each row ends");
        found.push([name.to_owned(), outcome, requests.to_string()]);
    }
    assert_eq!(found.len(), 54);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        let mut rows = found.iter();
        let lines = text.lines().map(|line| match cells(line) {
            Some([name, outcome, _, how]) => {
                let requests = &rows.next().expect("a row for each line")[2];
                format!("| {name} | {outcome} | {requests} | {how}\n")
            }
            None => format!("{line}\n"),
        });
        let updated: String = lines.collect();
        std::fs::write(&path, updated).unwrap();
        return;
    }
    let told: Vec<_> = text
        .lines()
        .filter_map(cells)
        .map(|[name, outcome, requests, _]| [name, outcome, requests].map(str::to_owned))
        .collect();
    assert_eq!(told, found);
}
