//! F: Identify, formats, requests.
//!
//! | entry | not tested here |
//! |---|---|
//! | F9, title of the first record | `--dry-run` shows request, size and reach of each list, not a title |

use harvestd::end::End;
use harvestd::store::WarningKind;

use crate::common::*;
use crate::support::Program;
use crate::support::model::{Format, Item};

#[tokio::test]
async fn f01_base_url_of_identify_differs() {
    let world = World::of(six().always(
        When::Verb("Identify"),
        Fault::body(|body| {
            let text = String::from_utf8(body).unwrap();
            let url = part(&text, "<baseURL>", "</baseURL>").unwrap().to_owned();
            text.replace(&url, "<baseURL>http://repository.invalid/</baseURL>")
                .into_bytes()
        }),
    ))
    .await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn f02_identify_fails() {
    for fault in [
        Fault::html(504),
        Fault::html(404),
        Fault::html(200),
        Fault::oai_error("badVerb"),
        Fault::xml("<OAI-PMH/>"),
    ] {
        let world = World::of(six().always(When::Verb("Identify"), fault.clone())).await;
        world.assert_whole(&world.run().await);
        assert_eq!(world.source().traits.failing_verbs, ["Identify"]);
        // Nor is it needed to read around a fault.
        let world = World::of(
            six()
                .always(When::Verb("Identify"), fault)
                .always(When::Page(2), Fault::html(500)),
        )
        .await;
        let report = world.run().await;
        assert_eq!(
            (report.end, world.live()),
            (End::Complete, "1 2 3 4 5 6".into())
        );
    }
}

#[tokio::test]
async fn f03_format_is_not_served() {
    let mut world = World::of(six()).await;
    world.settings.metadata_prefix = "mods".to_owned();
    let report = world.run().await;
    world.assert_incomplete(&report, &["metadataPrefix=mods", "cannotDisseminateFormat"]);
    // Served and not listed: it is just asked for.
    let world = World::of(six().always(When::Verb("ListMetadataFormats"), Fault::html(500))).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("ListMetadataFormats"), 0);
}

#[tokio::test]
async fn f03_format_that_cannot_be_converted() {
    let mut model = model(0, 2);
    model.behaviour.formats = vec![Format {
        prefix: "mets".to_owned(),
        schema: "http://www.loc.gov/standards/mets/mets.xsd".to_owned(),
        namespace: "http://www.loc.gov/METS/".to_owned(),
        header_declarations: String::new(),
    }];
    let mets = "<mets xmlns=\"http://www.loc.gov/METS/\"><metsHdr/></mets>";
    for number in 1..=3 {
        model.insert(Item {
            metadata: vec![("mets".to_owned(), mets.into())],
            ..item(number)
        });
    }
    let mut world = World::of(Repository::of(model)).await;
    world.settings.metadata_prefix = "mets".to_owned();
    let report = world.run().await;
    assert_eq!((report.end, world.live()), (End::Complete, "1 2 3".into()));
    let warnings = world.warnings();
    let message = &warnings[WarningKind::NoCrosswalk.word()];
    assert!(message.contains("root element \"mets\""), "{message}");
    let world = World::of(six()).await;
    world.assert_whole(&world.run().await);
    assert!(!world.has_warning(WarningKind::NoCrosswalk));
}

#[tokio::test]
async fn f04_protocol_of_another_version() {
    let old = swap("<protocolVersion>2.0<", "<protocolVersion>1.1<");
    let world = World::of(six().always(When::Verb("Identify"), old)).await;
    world.assert_incomplete(&world.run().await, &["OAI-PMH 1.1, not 2.0"]);
    let root = "<Identify xmlns='http://www.openarchives.org/OAI/1.1/OAI_Identify'/>";
    let world = World::of(six().always(When::Always, Fault::xml(root))).await;
    assert_unreached(&world, &world.run().await, &["OAI/1.1", "not OAI-PMH 2.0"]);
}

#[tokio::test]
async fn f05_static_repository() {
    let root = "<Repository xmlns='http://www.openarchives.org/OAI/2.0/static-repository'/>";
    let world = World::of(six().always(When::Always, Fault::xml(root))).await;
    assert_unreached(
        &world,
        &world.run().await,
        &["\"Repository\"", "not OAI-PMH 2.0"],
    );
}

#[tokio::test]
async fn f06_schemas_are_not_fetched() {
    let world = World::of(six()).await;
    let dead = format!("{}/schema.xsd", world.repository.base_url());
    let location = format!("http://www.openarchives.org/OAI/2.0/ {dead}");
    world.repository.break_with(
        When::Always,
        swap(
            "http://www.openarchives.org/OAI/2.0/ http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd",
            &location,
        ),
    );
    world.assert_whole(&world.run().await);
    let requests = world.repository.requests();
    assert_eq!(requests.len(), 4);
    assert!(
        requests
            .iter()
            .all(|request| request.argument("verb").is_some())
    );
}

#[tokio::test]
async fn f07_empty_arguments() {
    let empty =
        When::matching(|request| request.arguments.iter().any(|(_, value)| value.is_empty()));
    let mut world = World::of(six().always(empty, Fault::oai_error("badArgument"))).await;
    world.settings.sets = vec![String::new()];
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
}

#[tokio::test]
async fn f08_requests_are_what_the_protocol_knows() {
    let mut world = World::of(six().behaving(|how| how.sets = true)).await;
    world.settings.window_records = 2;
    world.run().await;
    world.run().await;
    for request in world.repository.requests() {
        for (name, value) in &request.arguments {
            let known = match name.as_str() {
                "verb" => ["Identify", "ListRecords"].contains(&value.as_str()),
                "metadataPrefix" => value == "oai_dc",
                "from" | "until" => value.len() == "2026-06-01T12:00:00Z".len(),
                "resumptionToken" => request.arguments.len() == 2,
                _ => false,
            };
            assert!(known, "{name}={value}");
        }
    }
}

#[tokio::test]
async fn f09_wrong_endpoint() {
    for (fault, status, [harvested, previewed]) in [
        (Fault::html(404), 1, ["HTTP 404", "base URLs often end in"]),
        (Fault::html(200), 1, ["a web page"; 2]),
        (
            Fault::oai_error("cannotDisseminateFormat"),
            3,
            ["cannotDisseminateFormat"; 2],
        ),
    ] {
        let repository = six().always(When::Always, fault).start().await;
        let place = temp_store();
        let config = config(&place, &repository.base_url(), "");
        for (further, status, words) in
            [(None, status, harvested), (Some("--dry-run"), 3, previewed)]
        {
            let store = place.argument();
            let mut arguments = vec!["harvest", "--config", &config, "--store", &store];
            arguments.extend(further);
            let output = Program::new(&arguments).run().await.failure(status);
            let all = output.stderr + &output.stdout;
            assert!(all.contains(words), "{all}");
        }
    }
}
