//! A: how lists end, tokens, paging.
//!
//! | entry | not tested here |
//! |---|---|
//! | A24, shorter pauses before `expirationDate` | the date is read and not acted on: a page is stored while the next is fetched, so nothing but `delay` lies between two requests, and a dead token costs one window |
//! | A25, pages that come slower and slower | there is no trait for it; the timeouts end it, and a window that fails is cut |

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::model::{CompleteListSize, Cursor, Order, Tokens};
use harvestd::end::End;
use harvestd::harvest::RunOptions;
use harvestd::store::WarningKind;

use crate::common::*;

/// Pages by hand for a repository that ignores dates: each with the token that leads to it.
fn pages(pages: &[(&str, &[usize], Option<&str>)]) -> Builder {
    let mut builder = six();
    for (token, numbers, next) in pages {
        let when = if token.is_empty() {
            first_page()
        } else {
            with_token(token)
        };
        builder = builder.always(when, Fault::xml(page(numbers, *next)));
    }
    builder
}

/// Three pages whose tokens are `one` and `two` as they stand in the XML, and are expected back
/// as `one_back` and `two_back`.
fn with_tokens(one: &str, one_back: &str, two: &str, two_back: &str) -> Builder {
    pages(&[
        ("", &[1, 2], Some(&token(one))),
        (one_back, &[3, 4], Some(&token(two))),
        (two_back, &[5, 6], Some("<resumptionToken/>")),
    ])
    .always(resumption(), Fault::bad_resumption_token())
}

#[tokio::test]
async fn a01_html_page_in_mid_list() {
    let xhtml = "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body/></html>";
    for (case, fault) in [
        ("html", Fault::html(200)),
        ("well-formed", Fault::xml(xhtml)),
        (
            "login",
            Fault::xml("<form action='login'><p>Sign in</p></form>"),
        ),
    ] {
        let world = World::of(six().once(When::Page(2), fault.clone())).await;
        world.assert_whole(&world.run().await);
        // For ever on each second page: windows of one page each have none.
        let world = World::of(six().always(When::Page(2), fault.clone())).await;
        world.assert_whole(&world.run().await);
        // And when nothing else is answered any more, what came stays, and is no end.
        let world = World::of(six()).await;
        let broken = fault.clone();
        let report = world
            .run_meddling(3, move |repository| {
                repository.break_with(When::Always, broken.clone())
            })
            .await;
        world.assert_incomplete(&report, &["ListRecords"]);
        assert_eq!(world.live(), "1 2", "{case}");
        world.repository.heal();
        world.assert_whole(&world.run().await);
    }
}

#[tokio::test]
async fn a02_php_warning_before_the_document() {
    let warning =
        Fault::body(|body| [b"<br />\n<b>Warning</b>: foo() in bar.php\n", &body[..]].concat());
    let world = World::of(six().always(When::Always, warning)).await;
    world.assert_whole(&world.run().await);
    let warnings = world.warnings();
    let message = &warnings[WarningKind::RepairedPages.word()];
    assert!(message.contains("before the document"), "{message}");
    world.repository.heal();
    world.run().await;
    assert!(!world.has_warning(WarningKind::RepairedPages));
}

#[tokio::test]
async fn a03_blank_lines_mark_and_junk_around_the_document() {
    for (case, before, after) in [
        ("blank lines", &b"\n\r\n  \n"[..], &b""[..]),
        ("byte order mark", b"\xef\xbb\xbf", b""),
        ("mark and blank line", b"\xef\xbb\xbf\n", b""),
        ("scripts", b"", b"\n<!-- 0.2 s --><script>x && y</script>\n"),
        ("notice", b"", b"\n<br />Notice: undefined index\n"),
    ] {
        let context = Fault::body(move |body| [before, &body[..], after].concat());
        let world = World::of(six().always(When::Always, context)).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        world.assert_whole(&report);
    }
}

#[tokio::test]
async fn a04_body_cut_short_without_a_length() {
    for framing in [Framing::Close, Framing::Chunked] {
        for after in [10, 600, 1_000] {
            let cut = Fault::Cut { after, framing };
            let world = World::of(six().once(When::Page(2), cut.clone())).await;
            world.assert_whole(&world.run().await);
            let world = World::of(six().always(When::Page(2), cut)).await;
            world.assert_whole(&world.run().await);
        }
    }
    let always = Fault::Cut {
        after: 300,
        framing: Framing::Close,
    };
    let world = World::of(six().always(lists(), always)).await;
    world.assert_incomplete(&world.run().await, &["truncated after 300 bytes"]);
    assert_eq!(world.live(), "");
}

#[tokio::test]
async fn a05_body_shorter_than_announced_or_reset() {
    for fault in [
        Fault::Cut {
            after: 700,
            framing: Framing::Length,
        },
        Fault::Reset { after: Some(700) },
        Fault::Reset { after: None },
    ] {
        let world = World::of(six().once(When::Page(2), fault.clone())).await;
        world.assert_whole(&world.run().await);
        let lists = world.repository.count("ListRecords");
        assert_eq!(lists, 4, "only the broken page is asked for again");
        let world = World::of(six()).await;
        let report = world
            .run_meddling(4, move |repository| {
                repository.break_with(When::Always, fault.clone())
            })
            .await;
        world.assert_incomplete(&report, &["the next run resumes"]);
        assert_eq!(world.live(), "1 2 3 4", "pages that came are kept");
    }
}

#[tokio::test]
async fn a06_token_refused_in_mid_list() {
    let refused = Fault::bad_resumption_token;
    // Once: the window is read again.
    let world = World::of(six().once(When::Page(3), refused())).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("ListRecords"), 6);
    // Each time at this depth, and each time at all: smaller windows.
    for when in [When::Page(3), resumption()] {
        let world = World::of(six().always(when, refused())).await;
        world.assert_whole(&world.run().await);
    }
    // Where there are none, it ends all the same, and not well.
    let world = World::of(
        six()
            .always(first_page(), Fault::xml(page(&[1, 2], Some(&token("t")))))
            .always(resumption(), refused()),
    )
    .await;
    world.assert_incomplete(&world.run().await, &["badResumptionToken"]);
    assert!(world.repository.requests().len() < 60);
}

#[tokio::test]
async fn a07_dead_token_reported_as_something_else() {
    for (case, fault) in [
        ("noRecordsMatch", Fault::oai_error("noRecordsMatch")),
        ("badArgument", Fault::oai_error("badArgument")),
        ("own code", Fault::oai_error("noDataForResultSet")),
        ("410", Fault::html(410)),
        ("404", Fault::html(404)),
        ("400", Fault::html(400)),
    ] {
        for builder in [
            six().once(When::Page(3), fault.clone()),
            six().always(When::Page(3), fault.clone()),
            six().always(resumption(), fault.clone()),
        ] {
            let world = World::of(builder).await;
            let report = world.run().await;
            assert_eq!(report.end, End::Complete, "{case}");
            world.assert_whole(&report);
        }
    }
}

#[tokio::test]
async fn a08_one_token_too_many() {
    let beyond = |builder: Builder| {
        builder
            .always(
                When::Page(3),
                token_replaced(|element| element.replace("/>", ">beyond</resumptionToken>")),
            )
            .always(with_token("beyond"), Fault::oai_error("noRecordsMatch"))
    };
    let world = World::of(beyond(six())).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("ListRecords"), 4, "the counts agree");
    let size = |size| beyond(six().behaving(move |how| how.complete_list_size = size));
    // Nothing is announced: the same again is enough.
    let world = World::of(size(CompleteListSize::Absent)).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("ListRecords"), 8);
    // More is announced than comes: smaller windows tell.
    let world = World::of(size(CompleteListSize::Wrong(7))).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a08_a_refused_token_behind_the_last_page() {
    use CompleteListSize::{Absent, Exact};
    for (text, size) in [("null", Absent), ("None", Absent), ("x", Exact)] {
        let behind = format!(">{text}</resumptionToken>");
        let builder = six()
            .behaving(move |how| how.complete_list_size = size)
            .always(
                When::Page(3),
                token_replaced(move |element| element.replace("/>", &behind)),
            )
            .always(with_token(text), Fault::bad_resumption_token());
        let world = World::of(builder).await;
        world.assert_whole(&world.run().await);
        assert_eq!(world.repository.count("ListRecords"), 8, "{text}");
    }
}

#[tokio::test]
async fn a09_empty_pages_with_tokens() {
    let world = World::of(pages(&[
        ("", &[1, 2, 3], Some(&token("a"))),
        ("a", &[], Some(&token("b"))),
        ("b", &[], Some(&token("c"))),
        ("c", &[4, 5, 6], None),
    ]))
    .await;
    world.assert_whole(&world.run().await);
    // Without an end, in a repository that has no dates either.
    let endless = page(&[], Some(&token("a")));
    let world = World::of(
        six()
            .always(first_page(), Fault::xml(page(&[1, 2], Some(&token("a")))))
            .always(resumption(), Fault::xml(endless)),
    )
    .await;
    world.assert_incomplete(&world.run().await, &["pages without records in a row"]);
}

#[tokio::test]
async fn a09_empty_list_without_a_token_proves_nothing() {
    // An index that is being built anew: what shows afterwards is older than this list.
    let world = World::of(six().once(lists(), Fault::xml(list("")))).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.watermark(), None);
    world.assert_whole(&world.run().await);
    assert_eq!(world.watermark().as_deref(), Some(NOON));
    // Nor does it once something is proven.
    world.advance(30 * DAY);
    world.repository.break_with(lists(), Fault::xml(list("")));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.watermark().as_deref(), Some(NOON));
}

#[tokio::test]
async fn a09_emptiness_behind_the_watermark_is_asked_for_twice() {
    let empty = || Fault::oai_error("noRecordsMatch");
    // Each part that has records in its turn.
    for number in 1..=3 {
        let seen = AtomicUsize::new(0);
        let nth_part = When::matching(move |request| {
            let is_part = request.argument("from").is_some() && request.argument("until").is_some();
            is_part && seen.fetch_add(1, Ordering::Relaxed) + 1 == number
        });
        let mut world = World::of(six().once(nth_part, empty())).await;
        world.settings.window_records = 3;
        world.assert_whole(&world.run().await);
    }
    // What had records a moment ago.
    let seen = AtomicUsize::new(0);
    let second = When::matching(move |request| {
        let begins = request.argument("resumptionToken").is_none();
        let is_list = request.argument("verb") == Some("ListRecords");
        is_list && begins && seen.fetch_add(1, Ordering::Relaxed) == 1
    });
    let builder = six().once(When::Page(3), Fault::bad_resumption_token());
    let world = World::of(builder.once(second, empty())).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a10_page_of_deleted_records_alone() {
    let world = World::of(six()).await;
    world.repository.with_model(|model| {
        model.delete(&id(3), at(3));
        model.delete(&id(4), at(4));
    });
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.tombstones()),
        ("1 2 5 6".into(), "3 4".into())
    );
}

#[tokio::test]
async fn a11_same_token_and_same_page_for_ever() {
    let again = Fault::xml(page(&[1, 2], Some(&token("t"))));
    // Windows of one page need no token.
    let world = World::of(six().always(resumption(), again.clone())).await;
    world.assert_whole(&world.run().await);
    let world = World::of(six().always(lists(), again)).await;
    world.assert_incomplete(&world.run().await, &["goes in circles"]);
    assert!(world.repository.requests().len() < 60);
    // Datestamps that are always now do not hide it.
    let ticking = Fault::Transform(std::sync::Arc::new({
        let count = AtomicUsize::new(10);
        move |mut reply| {
            let count = count.fetch_add(1, Ordering::Relaxed);
            let now = format!("2026-05-01T{:02}:{:02}:00Z", count / 60 % 24, count % 60);
            let text = page(&[1, 2], Some(&token("t"))).replace(&at(1).to_string(), &now);
            reply.body = text.into_bytes();
            reply
        }
    }));
    let world = World::of(six().always(lists(), ticking)).await;
    world.assert_incomplete(&world.run().await, &["goes in circles"]);
}

#[tokio::test]
async fn a12_same_token_and_new_page() {
    let world = World::of(six().behaving(|how| how.tokens = Tokens::Session)).await;
    world.assert_whole(&world.run().await);
    let tokens = world.asked("resumptionToken");
    assert!(tokens.len() == 2 && tokens[0] == tokens[1], "{tokens:?}");
}

#[tokio::test]
async fn a13_tokens_in_a_cycle() {
    let world = World::of(pages(&[
        ("", &[1, 2], Some(&token("a"))),
        ("a", &[3, 4], Some(&token("b"))),
        ("b", &[5, 6], Some(&token("a"))),
    ]))
    .await;
    world.assert_incomplete(&world.run().await, &["goes in circles"]);
    assert_eq!(world.live(), "1 2 3 4 5 6", "what came is kept");
    assert!(world.repository.requests().len() < 60);
}

#[tokio::test]
async fn a14_list_size_lies() {
    let lying = |size| six().behaving(move |how| how.complete_list_size = size);
    let world = World::of(lying(CompleteListSize::Wrong(10_000))).await;
    world.assert_whole(&world.run().await);
    assert!(world.has_warning(WarningKind::CountsDisagree));
    assert!(world.source().traits.list_size_lies);
    // Known by now: the next full pass reads once.
    world.repository.forget_requests();
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&full).await.end, End::Complete);
    assert_eq!(world.repository.count("ListRecords"), 3);
    // Too low a number stops nothing.
    let world = World::of(lying(CompleteListSize::Wrong(1))).await;
    world.assert_whole(&world.run().await);
    // Other numbers on other pages.
    let changing = six()
        .always(
            When::Page(1),
            swap("completeListSize=\"6\"", "completeListSize=\"60\""),
        )
        .always(
            When::Page(2),
            swap("completeListSize=\"6\"", "completeListSize=\"9\""),
        );
    let world = World::of(changing).await;
    world.assert_whole(&world.run().await);
    // And a list that does stop early, in due form, each time: smaller windows bring the rest.
    let short = six().always(
        When::Page(2),
        token_replaced(|element| {
            let (open, _) = element.split_once('>').unwrap();
            format!("{}/>", open.trim_end_matches('/'))
        }),
    );
    let world = World::of(short).await;
    world.assert_whole(&world.run().await);
    assert!(!world.source().traits.list_size_lies);
}

#[tokio::test]
async fn a15_cursor_is_wrong() {
    for builder in [
        six().behaving(|how| how.cursor = Cursor::PageEnd),
        six().always(When::Always, swap("cursor=\"2\"", "cursor=\"0\"")),
        six().always(When::Always, swap("cursor=\"2\"", "cursor=\"x\"")),
    ] {
        let world = World::of(builder).await;
        world.assert_whole(&world.run().await);
        assert_eq!(world.repository.count("ListRecords"), 3);
    }
}

#[tokio::test]
async fn a16_list_cut_off_without_a_token() {
    let cut_off = Repository::of(model(350, 100)).always(When::Always, without_token());
    let world = World::of(cut_off).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 350);
    assert_eq!(world.source().traits.cut_off_at, Some(100));
    // A whole list of a round size costs one probe, and none in later passes but full ones.
    let world = World::of(Repository::of(model(100, 100))).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert!(world.repository.count("ListRecords") > 1);
    assert_eq!(world.source().traits.whole_at, Some(100));
    world.repository.forget_requests();
    let since = RunOptions {
        from: Some(at(1)),
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&since).await.end, End::Complete);
    assert_eq!(world.repository.count("ListRecords"), 1);
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&full).await.end, End::Complete);
    assert!(world.repository.count("ListRecords") > 2);
}

/// Records of which all but the first share a datestamp, so that no window is smaller than they are.
fn crowd(count: usize) -> Builder {
    let mut model = model(count, 100);
    model.restamp_bulk((2..=count).map(id), at(2));
    Repository::of(model)
}

#[tokio::test]
async fn a16_list_cut_off_in_a_window_that_cannot_be_cut() {
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    // Identifiers are listed whole.
    let cut_off = crowd(251).always(When::Verb("ListRecords"), without_token());
    let whole = cut_off.behaving(|how| how.list_identifiers_resumes = true);
    let world = World::of(whole).await;
    for _ in 0..2 {
        assert_eq!(world.run_with(&full).await.end, End::Complete);
        assert_eq!(world.source().live_records, 251);
        assert!(!world.has_warning(WarningKind::MayBeCutOff));
    }
    // They cannot be listed at all, which ends no run.
    for status in [400, 404, 500] {
        let unlisted = crowd(251)
            .always(When::Verb("ListRecords"), without_token())
            .always(
                When::Verb("ListIdentifiers"),
                Fault::status(status, &[], "no"),
            );
        let world = World::of(unlisted).await;
        assert_eq!(world.run().await.end, End::Complete, "{status}");
        assert_eq!(world.source().live_records, 101);
        assert!(world.has_warning(WarningKind::MayBeCutOff));
    }
    // They are cut off as well: nothing tells at first, and it is said.
    let world = World::of(crowd(251).always(lists(), without_token())).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 101);
    assert_eq!(world.source().traits.whole_at, None);
    assert!(world.has_warning(WarningKind::MayBeCutOff));
    // What is known to be cut off is no whole list.
    assert_eq!(world.source().traits.cut_off_at, Some(100));
    let since = RunOptions {
        from: Some(at(1)),
        ..RunOptions::default()
    };
    let report = world.run_with(&since).await;
    assert_incomplete(&report, &["cut off", "cut_off_at=no"]);
    // Nor is a list that is whole, and looks like that, taken for another.
    let world = World::of(crowd(100)).await;
    assert_eq!(world.run().await.end, End::Complete);
    world.run_with(&full).await;
    assert_eq!(world.source().live_records, 100);
    assert_eq!(world.source().traits.cut_off_at, None);
}

#[tokio::test]
async fn a17_tokens_with_odd_characters() {
    for (odd, escaped) in [
        ("a+b c=d", "a+b c=d"),
        ("a&b", "a&amp;b"),
        ("50%#?/;:@,!'()*$~", "50%#?/;:@,!'()*$~"),
        ("Zürich \u{6f22}", "Z&#xFC;rich \u{6f22}"),
        ("<x>\"y\"", "&lt;x&gt;\"y\""),
        ("a%26b", "a%26b"),
    ] {
        let second = format!("{odd}2");
        let world = World::of(with_tokens(escaped, odd, &format!("{escaped}2"), &second)).await;
        world.assert_whole(&world.run().await);
        assert_eq!(world.asked("resumptionToken"), [odd, &second]);
    }
}

#[tokio::test]
async fn a18_token_that_is_encoded_already() {
    // Expects back what the text means, and not the text.
    let world = World::of(with_tokens("%7Ba%7D", "{a}", "%7Bb%7D", "{b}")).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.asked("resumptionToken"), ["%7Ba%7D", "{a}", "{b}"]);
    assert!(world.source().traits.decodes_tokens);
    // Expects back the text as it stands.
    let world = World::of(with_tokens("%7Ba%7D", "%7Ba%7D", "%7Bb%7D", "%7Bb%7D")).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.asked("resumptionToken"), ["%7Ba%7D", "%7Bb%7D"]);
}

#[tokio::test]
async fn a19_white_space_around_a_token() {
    let world = World::of(with_tokens("\n  a b \t", "a b", " c\r\n", "c")).await;
    world.assert_whole(&world.run().await);
    let blank = pages(&[
        ("", &[1, 2, 3], Some(&token("a"))),
        ("a", &[4, 5, 6], Some(&token(" \n\t "))),
    ]);
    let world = World::of(blank).await;
    world.assert_whole(&world.run().await);
    assert_eq!(
        world.repository.count("ListRecords"),
        2,
        "nothing but blanks is an end"
    );
}

#[tokio::test]
async fn a20_token_is_zero() {
    let world = World::of(with_tokens("0", "0", "00", "00")).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a21_empty_token_on_the_last_page() {
    for end in [
        "<resumptionToken/>",
        "<resumptionToken></resumptionToken>",
        "<resumptionToken cursor='4'/>",
    ] {
        let world = World::of(pages(&[
            ("", &[1, 2, 3], Some(&token("a"))),
            ("a", &[4, 5, 6], Some(end)),
        ]))
        .await;
        world.assert_whole(&world.run().await);
        assert_eq!(world.repository.count("ListRecords"), 2);
    }
}

#[tokio::test]
async fn a22_other_arguments_wanted_with_the_token() {
    let bare = When::matching(|request| {
        request.argument("resumptionToken").is_some()
            && request.argument("metadataPrefix").is_none()
    });
    let strict = six().always(bare, Fault::oai_error("badArgument"));
    let strict = strict
        .always(first_page(), Fault::xml(page(&[1, 2], Some(&token("a")))))
        .always(
            with_token("a"),
            Fault::xml(page(&[3, 4], Some(&token("b")))),
        )
        .always(with_token("b"), Fault::xml(page(&[5, 6], None)));
    let world = World::of(strict).await;
    world.assert_whole(&world.run().await);
    assert!(world.source().traits.wants_prefix_with_token);
    assert_eq!(
        world.repository.count("ListRecords"),
        4,
        "asked once in vain"
    );
}

#[tokio::test]
async fn a22_what_was_learnt_of_tokens_is_unlearnt() {
    let with_prefix = |wanted: bool| {
        When::matching(move |request| {
            request.argument("resumptionToken").is_some()
                && request.argument("metadataPrefix").is_some() != wanted
        })
    };
    let paged = || {
        [
            (
                first_page(),
                Fault::xml(page(&[1, 2, 3], Some(&token("%7Ba%7D")))),
            ),
            (with_token("%7Ba%7D"), Fault::xml(page(&[4, 5, 6], None))),
            (with_token("{a}"), Fault::xml(page(&[4, 5, 6], None))),
        ]
    };
    let world = World::of(six()).await;
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    for (wants_prefix, decodes) in [(true, false), (false, false), (false, true), (false, false)] {
        world.repository.heal();
        let refused = Fault::oai_error("badArgument");
        world
            .repository
            .break_with(with_prefix(wants_prefix), refused.clone());
        let other = if decodes { "%7Ba%7D" } else { "{a}" };
        world.repository.break_with(with_token(other), refused);
        for (when, fault) in paged() {
            world.repository.break_with(when, fault);
        }
        world.assert_whole(&world.run_with(&full).await);
        let traits = world.source().traits;
        assert_eq!(
            (traits.wants_prefix_with_token, traits.decodes_tokens),
            (wants_prefix, decodes)
        );
    }
}

#[tokio::test]
async fn a23_single_use_tokens() {
    // The answer is lost on its way, and the token with it.
    let cut = Fault::Cut {
        after: 500,
        framing: Framing::Length,
    };
    let used = six()
        .once(When::Page(2), cut.clone())
        .once(When::Page(2), Fault::bad_resumption_token());
    let world = World::of(used).await;
    world.assert_whole(&world.run().await);
    // A cursor on the server that has moved on instead: the retry brings the page after it.
    let session = six()
        .behaving(|how| how.tokens = Tokens::Session)
        .once(When::Page(2), cut);
    let world = World::of(session).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a24_short_lived_tokens() {
    let session = six().behaving(|how| {
        how.tokens = Tokens::Session;
        how.token_lifetime = Some(Duration::from_secs(300));
    });
    let world = World::of(session).await;
    let some = RunOptions {
        limit: Some(2),
        ..RunOptions::default()
    };
    assert_incomplete(&world.run_with(&some).await, &["limit"]);
    assert_eq!((world.live(), world.watermark()), ("1 2".into(), None));
    world.advance(3_600);
    world.repository.forget_requests();
    let report = world.run().await;
    assert_eq!(
        (report.end, world.live()),
        (End::Complete, "1 2 3 4 5 6".into())
    );
    let first = world.repository.requests().remove(0);
    assert_eq!(
        first.argument("resumptionToken"),
        None,
        "it is dead, and not asked with in vain"
    );
}

#[tokio::test]
async fn a24_session_and_a_limit_come_to_an_end() {
    for pause in [0, 3_600] {
        let session = six().behaving(|how| {
            how.tokens = Tokens::Session;
            how.token_lifetime = Some(Duration::from_secs(300));
        });
        let world = World::of(session).await;
        let some = RunOptions {
            limit: Some(2),
            ..RunOptions::default()
        };
        for stored in ["1 2", "1 2 3 4", "1 2 3 4 5 6"] {
            world.run_with(&some).await;
            assert_eq!(world.live(), stored, "{pause} s between two runs");
            world.advance(pause);
        }
    }
}

#[tokio::test]
async fn a29_list_that_moved_between_two_runs() {
    // Tokens count, and nobody says how many there are.
    let counting = || six().behaving(|how| how.complete_list_size = CompleteListSize::Absent);
    let some = RunOptions {
        limit: Some(2),
        ..RunOptions::default()
    };
    let world = World::of(counting()).await;
    assert_incomplete(&world.run_with(&some).await, &["limit"]);
    world.advance(DAY);
    let now = world.repository.clock().now();
    world
        .repository
        .with_model(|model| model.remove(&id(1), now));
    world.repository.forget_requests();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        world.live(),
        "1 2 3 4 5 6",
        "3 has moved up, and is not skipped"
    );
    assert_eq!(
        world.asked("resumptionToken").len(),
        2,
        "read from its start"
    );
    // At once, the token is as good as between two pages.
    let world = World::of(counting()).await;
    assert_incomplete(&world.run_with(&some).await, &["limit"]);
    world.advance(60);
    world.repository.forget_requests();
    world.run().await;
    let first = world.repository.requests().remove(0);
    assert!(first.argument("resumptionToken").is_some());
}

#[tokio::test]
async fn a29_list_of_tokens_that_name_a_datestamp() {
    // DOAJ's tokens count among the items that share the datestamp of the last one.
    let doaj = || six().behaving(|how| how.tokens = Tokens::Doaj);
    let some = |limit| RunOptions {
        limit: Some(limit),
        ..RunOptions::default()
    };
    let world = World::of(doaj()).await;
    let then = world.repository.clock().now().plus_seconds(-60 * DAY);
    let names: Vec<String> = (2..=5).map(id).collect();
    world.repository.with_model(|model| {
        model.restamp_bulk(names.iter().map(String::as_str), then);
    });
    // Page by page, with a night between two runs, one of those before the place leaves it each time.
    assert_incomplete(&world.run_with(&some(4)).await, &["limit"]);
    let traits = world.source().traits;
    assert!(traits.tokens_name_items == Some(true) && traits.tokens_name_datestamps);
    for gone in [2, 3] {
        world.advance(DAY);
        let now = world.repository.clock().now();
        world
            .repository
            .with_model(|model| model.remove(&id(gone), now));
        world.repository.forget_requests();
        world.run_with(&some(1)).await;
        let first = world.repository.requests().remove(0);
        assert_eq!(first.argument("resumptionToken"), None, "{}", world.live());
        assert!(first.argument("from").is_some(), "not from the beginning");
    }
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
}

#[tokio::test]
async fn a25_deep_pages_fail() {
    for status in [500, 502, 504] {
        let world = World::of(six().always(When::AfterPage(1), Fault::html(status))).await;
        world.assert_whole(&world.run().await);
    }
    // In windows, no list is deep.
    let deep = Repository::of(model(60, 5)).always(When::AfterPage(3), Fault::html(500));
    let world = World::of(deep).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 60);
}

#[tokio::test]
async fn a26_huge_page() {
    // Too large in one, small enough in windows.
    let mut world = World::of(Repository::of(model(60, 1_000))).await;
    world.settings.client.limits.body_bytes = 9_000;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 60);
    let mut world = World::of(Repository::of(model(60, 1_000))).await;
    world.settings.page_limits.records = 20;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 60);
    // No window is small enough.
    let mut world = World::of(six()).await;
    world.settings.client.limits.body_bytes = 300;
    world.assert_incomplete(&world.run().await, &["larger than max_body_bytes = 300"]);
}

#[tokio::test]
async fn a27_text_of_eleven_megabytes() {
    let long = "long ".repeat(2_200_000);
    let world = World::of(six().always(When::Always, swap("Title 3", &long))).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert_eq!(world.title(3).len(), long.len());
}

#[tokio::test]
async fn a28_error_behind_the_records_of_a_list() {
    for place in ["</ListRecords>", "</OAI-PMH>"] {
        let broken = swap(
            place,
            &format!("<error code=\"internalError\">database</error>{place}"),
        );
        for when in [When::Page(1), When::Page(2)] {
            let world = World::of(six().once(when, broken.clone())).await;
            world.assert_whole(&world.run().await);
        }
        let world = World::of(six().always(When::Page(2), broken.clone())).await;
        world.assert_whole(&world.run().await);
    }
    // Nor is it an end if it calls itself one.
    for place in ["</ListRecords>", "</OAI-PMH>"] {
        let no_match = swap(
            place,
            &format!("<error code=\"noRecordsMatch\">none</error>{place}"),
        );
        for when in [When::Page(1), When::Page(2)] {
            let world = World::of(six().once(when, no_match.clone())).await;
            world.assert_whole(&world.run().await);
        }
        let world = World::of(six().always(When::Page(2), no_match.clone())).await;
        world.assert_whole(&world.run().await);
        let world = World::of(six().always(lists(), no_match)).await;
        let report = world.run().await;
        // Lists of identifiers have but the latter place.
        match place {
            "</OAI-PMH>" => world.assert_incomplete(&report, &["noRecordsMatch", "none"]),
            _ => assert_eq!(
                (report.end, world.live()),
                (End::Complete, "1 2 3 4 5 6".into())
            ),
        }
    }
    let broken = swap(
        "</OAI-PMH>",
        "<error code=\"internalError\">database</error></OAI-PMH>",
    );
    let world = World::of(six().always(lists(), broken)).await;
    world.assert_incomplete(&world.run().await, &["internalError", "database"]);
    let count = world.repository.requests().len();
    assert!(count < 250, "{count} requests");
    // A second document behind the first says so.
    let second =
        "<OAI-PMH xmlns='http://www.openarchives.org/OAI/2.0/'><error code='x'/></OAI-PMH>";
    let behind = Fault::body(move |body| [&body[..], second.as_bytes()].concat());
    let world = World::of(six().always(When::Page(2), behind)).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a29_list_of_identifiers_that_moves_is_read_again() {
    let mut model = model(3, 100);
    model.restamp_bulk([id(2), id(3)], at(2));
    // Two records of one second that have to be asked for one by one, and one is listed in the place of
    // the other.
    let builder = Repository::of(model)
        .always(
            When::Verb("ListRecords"),
            instead_if_listed(&[2, 3], html(500)),
        )
        .once(
            When::Verb("ListIdentifiers"),
            swap("<identifier>oai:x:3<", "<identifier>oai:x:2<"),
        )
        .once(
            When::Verb("ListIdentifiers"),
            swap("<identifier>oai:x:3<", "<identifier>oai:x:2<"),
        );
    let world = World::of(builder).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3");
}

#[tokio::test]
async fn a29_records_change_while_the_list_is_read() {
    // Oldest first: what changed goes to the end, and all behind it moves up by one.
    let world = World::of(six()).await;
    let report = world
        .run_meddling(3, |repository| {
            let now = repository.clock().now();
            repository.with_model(|model| model.restamp_bulk([id(1)], now));
        })
        .await;
    world.assert_whole(&report);
    // Newest first, and one disappears that was shown already.
    let world = World::of(six().behaving(|how| how.order = Order::NewestFirst)).await;
    let report = world
        .run_meddling(3, |repository| {
            let now = repository.clock().now();
            repository.with_model(|model| model.remove(&id(6), now));
        })
        .await;
    world.assert_whole(&report);
    // Newest first, and one is added.
    let world = World::of(six().behaving(|how| how.order = Order::NewestFirst)).await;
    let report = world
        .run_meddling(3, |repository| {
            let mut new = item(7);
            new.datestamp = repository.clock().now();
            repository.with_model(|model| model.insert(new.clone()));
        })
        .await;
    assert_eq!(report.end, End::Complete);
    world.run().await;
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
}

#[tokio::test]
async fn a30_newest_first() {
    let world = World::of(six().behaving(|how| how.order = Order::NewestFirst)).await;
    let some = RunOptions {
        limit: Some(2),
        ..RunOptions::default()
    };
    assert_incomplete(&world.run_with(&some).await, &["limit"]);
    assert_eq!((world.live(), world.watermark()), ("5 6".into(), None));
    world.assert_whole(&world.run().await);
    assert_eq!(world.source().traits.newest_first, Some(true));
    // The token is gone as well: the window is read again.
    let world = World::of(six().behaving(|how| how.order = Order::NewestFirst)).await;
    world.run_with(&some).await;
    world
        .repository
        .break_with(resumption(), Fault::bad_resumption_token());
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a31_token_in_an_unusual_place() {
    let refused = || six().always(with_token("none"), Fault::bad_resumption_token());
    let world = World::of(
        refused()
            .always(first_page(), token_in_request(&[1, 2], "a"))
            .always(with_token("a"), token_in_request(&[3, 4], "b"))
            .always(with_token("b"), token_in_request(&[5, 6], "b")),
    )
    .await;
    world.assert_whole(&world.run().await);
    assert_eq!(
        world.repository.requests().len(),
        5,
        "the second page is asked for twice; the last one repeats what was sent"
    );
    // The last page shows a text that leads nowhere, or to the same page again.
    for odd in ["none", "c"] {
        let world = World::of(
            refused()
                .always(
                    first_page(),
                    Fault::xml(page(&[1, 2, 3], Some(&token("a")))),
                )
                .always(with_token("a"), token_in_request(&[4, 5, 6], odd))
                .always(with_token("c"), token_in_request(&[4, 5, 6], "c")),
        )
        .await;
        world.assert_whole(&world.run().await);
        assert!(world.repository.requests().len() < 8, "{odd}");
    }
    // Elsewhere.
    for element in [
        "<resumptionToken token=\"a\"/>",
        "<resumptiontoken>a</resumptiontoken>",
        "<resumptionToken><value>a</value></resumptionToken>",
    ] {
        let world = World::of(
            refused()
                .always(first_page(), Fault::xml(page(&[1, 2, 3], Some(element))))
                .always(
                    with_token("a"),
                    Fault::xml(page(&[4, 5, 6], Some("<resumptionToken/>"))),
                ),
        )
        .await;
        world.assert_whole(&world.run().await);
    }
    let attribute =
        page(&[1, 2, 3], None).replacen("<ListRecords>", "<ListRecords resumptionToken=\"a\">", 1);
    let world = World::of(
        refused()
            .always(first_page(), Fault::xml(attribute))
            .always(
                with_token("a"),
                Fault::xml(page(&[4, 5, 6], Some("<resumptionToken/>"))),
            ),
    )
    .await;
    world.assert_whole(&world.run().await);
}

/// A page by hand of records in sets.
fn page_of_sets(records: &[(usize, &str)], token: Option<&str>) -> Fault {
    let records: String = records
        .iter()
        .map(|(number, set)| {
            let item = item(*number);
            let set = format!("<setSpec>{set}</setSpec></header>");
            record(
                &item.identifier,
                &at(*number).to_string(),
                &item.metadata[0].1,
            )
            .replacen("</header>", &set, 1)
        })
        .collect();
    Fault::xml(list(&format!("{records}{}", token.unwrap_or_default())))
}

#[tokio::test]
async fn a32_later_pages_forget_the_set() {
    let end = Some("<resumptionToken/>");
    let whole = When::matching(|request| {
        request.argument("set").is_none() && request.argument("resumptionToken").is_none()
    });
    let mut world = World::of(
        six()
            .always(whole, page_of_sets(&[(3, "a:b"), (4, "b")], end))
            .always(
                first_page(),
                page_of_sets(&[(1, "a"), (3, "a:b")], Some(&token("t"))),
            )
            .always(
                with_token("t"),
                page_of_sets(&[(3, "a:b"), (4, "b")], Some(&token("u"))),
            )
            .always(with_token("u"), page_of_sets(&[(5, "a"), (6, "ab")], end)),
    )
    .await;
    world.settings.sets = vec!["a".to_owned()];
    let report = world.run().await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.live(), "1 3 5");
    let warning = &world.warnings()[WarningKind::ForgetsSet.word()];
    assert!(warning.contains("records of other sets"), "{warning}");
    assert_eq!(world.source().traits.ignores_sets, Some(false));
    // It stands until a full list shows otherwise.
    world.advance(DAY);
    world.run().await;
    assert!(world.has_warning(WarningKind::ForgetsSet));
    world.repository.heal();
    let a = page_of_sets(&[(1, "a"), (3, "a"), (5, "a")], end);
    world.repository.break_with(lists(), a);
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&full).await.end, End::Complete);
    assert!(!world.has_warning(WarningKind::ForgetsSet));
}

#[tokio::test]
async fn a32_headers_name_the_set_in_another_way() {
    let end = Some("<resumptionToken/>");
    let of_everything = When::matching(|request| {
        request.argument("set").is_none() && request.argument("resumptionToken").is_none()
    });
    let dated = When::matching(|request| request.argument("from").is_some());
    let mut world = World::of(
        six()
            .always(dated, page_of_sets(&[(5, "A")], end))
            .always(
                of_everything,
                page_of_sets(&[(1, "a"), (2, "b"), (3, "a")], Some(&token("t"))),
            )
            .always(
                first_page(),
                page_of_sets(&[(1, "a"), (3, "a")], Some(&token("u"))),
            )
            .always(with_token("u"), page_of_sets(&[(5, "A")], end)),
    )
    .await;
    world.settings.sets = vec!["a".to_owned()];
    let report = world.run().await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.live(), "1 3 5");
    assert_ne!(world.source().traits.ignores_sets, Some(true));
    assert!(!world.has_warning(WarningKind::IgnoresSets));
    assert!(!world.has_warning(WarningKind::ForgetsSet));
}

#[tokio::test]
async fn a33_later_pages_forget_the_dates() {
    let world = World::of(six()).await;
    world.assert_whole(&world.run().await);
    world.advance(3 * DAY);
    let now = world.repository.clock().now();
    let changed = |number: usize, days: i64| {
        let mut item = item(number);
        item.datestamp = now.plus_seconds(-days * DAY);
        world.repository.with_model(|model| model.insert(item));
    };
    changed(7, 2);
    changed(8, 1);
    changed(9, 1);
    let at = |number: usize, days: i64| {
        let item = item(number);
        let at = now.plus_seconds(-days * DAY).to_string();
        record(&item.identifier, &at, &item.metadata[0].1)
    };
    let new = |numbers: &[usize], next: Option<&str>| {
        let records: String = numbers
            .iter()
            .map(|n| at(*n, if *n == 7 { 2 } else { 1 }))
            .collect();
        Fault::xml(list(&format!(
            "{records}{}",
            next.unwrap_or("<resumptionToken/>")
        )))
    };
    // The first page keeps to the dates; the others are those of the whole list, from its third item on.
    let rules = [
        (first_page(), new(&[7, 8], Some(&token("2")))),
        (
            with_token("2"),
            Fault::xml(page(&[3, 4], Some(&token("4")))),
        ),
        (
            with_token("4"),
            Fault::xml(page(&[5, 6], Some(&token("6")))),
        ),
        (with_token("6"), new(&[7, 8], Some(&token("8")))),
        (with_token("8"), new(&[9], None)),
    ];
    for (when, fault) in rules {
        world.repository.break_with(when, fault);
    }
    let report = world.run().await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7 8 9");
    assert!(world.has_warning(WarningKind::IgnoresDates));
}

#[tokio::test]
async fn a34_later_pages_in_another_format() {
    // metadataPrefix beside the token helps.
    let without_prefix = When::matching(|request| {
        request.argument("resumptionToken").is_some()
            && request.argument("metadataPrefix").is_none()
    });
    let builder = six()
        .always(first_page(), Fault::xml(page(&[1, 2], Some(&token("a")))))
        .always(
            without_prefix,
            Fault::xml(marc(&page(&[3, 4], Some(&token("b"))))),
        )
        .always(
            with_token("a"),
            Fault::xml(page(&[3, 4], Some(&token("b")))),
        )
        .always(with_token("b"), Fault::xml(page(&[5, 6], None)));
    let world = World::of(builder).await;
    world.assert_whole(&world.run().await);
    assert!(world.source().traits.wants_prefix_with_token);
    assert_eq!(world.repository.requests().len(), 5);
    // Nothing helps but lists of one page.
    let world = World::of(six().always(resumption(), in_marc())).await;
    world.assert_whole(&world.run().await);
    // Nor dates nor ListIdentifiers: the list still shows which records there are.
    let world = World::of(
        six()
            .behaving(|how| how.ignores_from = true)
            .always(When::Verb("ListIdentifiers"), Fault::oai_error("badVerb"))
            .always(resumption(), in_marc()),
    )
    .await;
    let report = world.run().await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert_eq!(world.title(6), "Title 6");
    // A later page has it only once.
    let world = World::of(six().once(When::Page(2), in_marc())).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a34_everything_in_another_format() {
    let world = World::of(six().always(lists(), in_marc())).await;
    let report = world.run().await;
    world.assert_incomplete(
        &report,
        &["another format", "oai_dc", "MARC", "metadata_prefix"],
    );
    assert_eq!(world.live(), "", "nothing is stored under a false format");
    assert!(world.repository.requests().len() <= 3);
    world.repository.heal();
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn a34_one_record_in_another_format() {
    let third = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        let marc = "<record xmlns=\"http://www.loc.gov/MARC21/slim\"/>";
        match part(&text, "<oai_dc:dc", "</oai_dc:dc>") {
            Some(first) if text.contains(&format!("<identifier>{}<", id(3))) => {
                text.replacen(first, marc, 1).into_bytes()
            }
            _ => text.into_bytes(),
        }
    });
    let world = World::of(six().always(When::Always, third)).await;
    let report = world.run().await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.live(), "1 2 4 5 6");
    let item = &world.quarantine()[0];
    assert!(item.reason.contains("another format"), "{item:?}");
}

#[tokio::test]
async fn a35_items_that_are_no_records() {
    let other = page(&[1, 2, 3, 4, 5, 6], None)
        .replace("<record>", "<Record>")
        .replace("</record>", "</Record>");
    let world = World::of(six()).await;
    world
        .repository
        .break_with(lists(), Fault::xml(other.clone()));
    world.assert_incomplete(&world.run().await, &["Record in place of its items"]);
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    // Later, it is no quiet day either.
    world.advance(DAY);
    world.repository.break_with(lists(), Fault::xml(other));
    assert_incomplete(&world.run().await, &["Record in place of its items"]);
}

#[tokio::test]
async fn a36_smaller_lists_show_less_than_announced() {
    let without = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        let Some(place) = text.find(&id(3)) else {
            return text.into_bytes();
        };
        let begin = text[..place].rfind("<record").unwrap();
        let end = place + text[place..].find("</record>").unwrap() + "</record>".len();
        [&text[..begin], &text[end..]].concat().into_bytes()
    });
    let smaller = When::matching(|request| {
        ["until", "resumptionToken"]
            .into_iter()
            .any(|name| request.argument(name).is_some())
    });
    let mut world = World::of(six().always(smaller, without)).await;
    world.settings.window_records = 3;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 4 5 6");
    let warning = &world.warnings()[WarningKind::CountsDisagree.word()];
    assert!(warning.contains("announced 6 records"), "{warning}");
}

#[tokio::test]
async fn a37_page_of_another_caller() {
    let other = page(&[9], Some("<resumptionToken/>"));
    let other = other.replacen(
        "<request verb",
        "<request resumptionToken=\"theirs\" verb",
        1,
    );
    let world = World::of(six().once(When::Page(2), Fault::xml(other))).await;
    world.assert_whole(&world.run().await);
}
