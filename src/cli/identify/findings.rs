//! Finds what is unusual about a repository, and says what it means for a harvest.

use url::Url;

use super::survey::{First, Sample, Survey};
use crate::oai::response::{Identify, MetadataFormat};
use crate::oai::{Datestamp, Granularity};
use crate::record::Kind;

/// A smaller difference between the clocks is no finding.
const SKEW_SECONDS: i64 = 300;

/// A list that ends this long before the repository's clock withholds records.
const CLAMP_SECONDS: i64 = 3600;

/// The findings, the most serious first. `base` is the base URL.
pub(super) fn of(base: &Url, survey: &Survey) -> Vec<String> {
    let mut findings = Vec::new();
    endpoint(base, survey, &mut findings);
    if let Some(moved_to) = &survey.moved_to {
        findings.push(format!(
            "it has moved permanently to {moved_to}: configure that URL"
        ));
    }
    let identify = survey.identify.given();
    match identify {
        Some(identify) => identity(base, identify, &mut findings),
        None if survey.sample.given().is_some() => findings.push(
            "Identify fails although lists work: requests use whole days unless the configuration \
             sets granularity"
                .to_owned(),
        ),
        None => {}
    }
    let formats = survey.formats.given().map_or(&[][..], Vec::as_slice);
    if let Some(sample) = survey.sample.given() {
        dates(identify, sample, &mut findings);
        paging(sample, &mut findings);
        namespaces(formats, sample, &mut findings);
    } else if let Some(why) = survey.sample.why_not() {
        findings.push(format!("records cannot be listed: {why}"));
    }
    if !formats.is_empty()
        && formats
            .iter()
            .all(|format| format.metadata_prefix != "oai_dc")
    {
        findings.push("oai_dc is not announced, although every repository must have it".to_owned());
    }
    if let Some(seconds) = survey
        .skew_seconds
        .filter(|skew| skew.abs() >= SKEW_SECONDS)
    {
        let way = if seconds > 0 { "ahead of" } else { "behind" };
        findings.push(format!(
            "its clock is {} {way} ours: harvests use only its clock",
            span(seconds.abs())
        ));
    }
    for (verb, repair) in &survey.repairs {
        let kind = serde_json::to_value(repair.kind).unwrap_or_default();
        findings.push(format!(
            "the answer to {verb} is not well-formed and was repaired: {} ({} times)",
            kind.as_str().unwrap_or_default().replace('_', " "),
            repair.count
        ));
    }
    findings
}

/// Tells whether the URL may be wrong.
fn endpoint(base: &Url, survey: &Survey, findings: &mut Vec<String>) {
    const DOAJ: &str = "DOAJ has articles at https://doaj.org/oai.article and journals at \
                        https://doaj.org/oai";
    let silent = survey.identify.given().is_none()
        && survey.formats.given().is_none()
        && survey.sample.given().is_none();
    let first = survey
        .sample
        .given()
        .and_then(|sample| sample.first.as_ref());
    let journals = matches!(
        first,
        Some(First {
            resource: Ok((Kind::Journal, _)),
            ..
        })
    );
    let host = base.host_str().unwrap_or_default();
    let doaj = host == "doaj.org" || host.ends_with(".doaj.org");
    if silent {
        let hint = if doaj {
            DOAJ
        } else {
            "check that it is the base URL of the OAI-PMH interface"
        };
        findings.push(format!(
            "the server does not answer as an OAI-PMH repository; {hint}"
        ));
    } else if doaj && (journals || base.path().trim_end_matches('/') == "/oai") {
        findings.push(format!("these are journals, not articles: {DOAJ}"));
    } else if journals {
        findings.push("the first record describes a journal, not an article".to_owned());
    }
}

fn identity(base: &Url, identify: &Identify, findings: &mut Vec<String>) {
    match identify.protocol_version.as_deref() {
        Some("2.0") => {}
        Some(other) => findings.push(format!(
            "it uses protocol version {other}, but harvestd supports only 2.0"
        )),
        None => findings.push("it names no protocol version; harvestd assumes 2.0".to_owned()),
    }
    if let Some(base_url) = &identify.base_url
        && !same_url(base, base_url)
    {
        findings.push(format!(
            "its Identify names another base URL, {base_url}: harvestd uses the configured one"
        ));
    }
    match identify.deleted_record.as_deref().map(str::trim) {
        Some("persistent") => {}
        Some("transient") => findings.push(
            "it may forget deletions (deletedRecord is transient): only a reconcile, which lists \
             everything again, finds those"
                .to_owned(),
        ),
        Some("no") => findings.push(
            "it does not announce deletions (deletedRecord is no): only a reconcile, which lists \
             everything again, finds them"
                .to_owned(),
        ),
        other => findings.push(format!(
            "it does not say whether it announces deletions (deletedRecord is {})",
            other.unwrap_or("missing")
        )),
    }
    if identify.granularity.is_none() {
        findings.push("it names no valid granularity: requests use whole days".to_owned());
    }
}

fn same_url(base: &Url, base_url: &str) -> bool {
    let plain = |url: &Url| {
        let url = url.as_str().trim_end_matches(['/', '?']);
        url.to_owned()
    };
    Url::parse(base_url.trim()).is_ok_and(|theirs| plain(&theirs) == plain(base))
}

fn dates(identify: Option<&Identify>, sample: &Sample, findings: &mut Vec<String>) {
    let granularity = identify.and_then(|identify| identify.granularity);
    match granularity {
        Some(Granularity::Day) if sample.instants > 0 => findings.push(format!(
            "its granularity is the day, but {} of {} datestamps have a time",
            sample.instants, sample.records
        )),
        Some(Granularity::Second) if sample.days > 0 => findings.push(format!(
            "its granularity is the second, but {} of {} datestamps are days",
            sample.days, sample.records
        )),
        _ => {}
    }
    if sample.undated > 0 {
        findings.push(format!("{} datestamps are unreadable", sample.undated));
    }
    if sample.bad > 0 {
        findings.push(format!(
            "{} records of the first page are unreadable",
            sample.bad
        ));
    }
    let earliest = identify.and_then(|identify| identify.earliest_datestamp.as_deref());
    let oldest = sample.datestamps.map(|(oldest, _)| oldest);
    match earliest.map(|text| (text, Datestamp::parse(text))) {
        Some((text, None)) => {
            findings.push(format!("its earliestDatestamp {text:?} is not a date"))
        }
        Some((text, Some((earliest, _)))) if oldest.is_some_and(|oldest| oldest < earliest) => {
            findings.push(format!(
                "it has records older than its earliestDatestamp {text}"
            ));
        }
        _ => {}
    }
    let Some(now) = sample.response_date else {
        findings.push("its answers have no readable responseDate".to_owned());
        return;
    };
    if let Some((_, newest)) = sample.datestamps
        && newest > now
    {
        findings.push(format!(
            "the datestamp {newest} is later than its own clock"
        ));
    }
    if let Some(until) = &sample.echo.until
        && let Some((end, _)) = Datestamp::parse(until)
        && now.unix() - end.unix() > CLAMP_SECONDS
    {
        findings.push(format!(
            "lists end at {until}, {} before its clock, although the request had no until: newer \
             changes appear later, or only to clients with a key",
            span(now.unix() - end.unix())
        ));
    }
}

fn paging(sample: &Sample, findings: &mut Vec<String>) {
    let records = sample.records as u64;
    match (sample.list_size, &sample.token) {
        (Some(size), None) if size > records => findings.push(format!(
            "the list ends after {records} records without a token, but its completeListSize is {size}"
        )),
        (Some(size), Some(_)) if size <= records => findings.push(format!(
            "completeListSize is {size}, but the first page alone has {records} records and more \
             pages follow"
        )),
        _ => {}
    }
    if sample.token.is_some() && records > 0 && sample.cursor == Some(records) {
        findings.push("cursor counts to the end of a page, not to its start".to_owned());
    }
    if sample.token.is_some() && records == 0 {
        findings.push("the first page is empty, but more pages follow".to_owned());
    }
    if sample.deleted > 0 && sample.deleted == sample.records {
        findings.push("all records of the first page are deleted".to_owned());
    }
    if let Some(token) = &sample.token
        && has_escapes(token)
    {
        findings.push("its resumption tokens are already percent-encoded".to_owned());
    }
}

fn namespaces(formats: &[MetadataFormat], sample: &Sample, findings: &mut Vec<String>) {
    let Some(first) = &sample.first else { return };
    if let Err(why) = &first.resource {
        findings.push(format!(
            "the first record is unreadable as {}: {why}",
            sample.prefix
        ));
    }
    let announced = formats
        .iter()
        .find(|format| format.metadata_prefix == sample.prefix)
        .and_then(|format| format.metadata_namespace.as_deref());
    match (announced, first.namespace.as_deref()) {
        (Some(announced), Some(served)) if announced.trim() != served.trim() => {
            findings.push(format!(
                "{} is announced with the namespace {announced} but served with {served}",
                sample.prefix
            ))
        }
        (Some(announced), None) => findings.push(format!(
            "{} is announced with the namespace {announced} but served without one",
            sample.prefix
        )),
        _ => {}
    }
}

/// The form of a resumption token, for people.
pub(super) fn token_form(token: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let bare = token.trim_end_matches(['=', '~']);
    let decoded = URL_SAFE_NO_PAD
        .decode(bare)
        .or_else(|_| STANDARD_NO_PAD.decode(bare))
        .ok();
    let json = decoded
        .as_deref()
        .is_some_and(|bytes| serde_json::from_slice::<serde_json::Map<_, _>>(bytes).is_ok());
    let form = if json {
        "JSON in base64: the token holds the request"
    } else if token.bytes().all(|byte| byte.is_ascii_digit()) {
        "a number"
    } else if has_escapes(token) {
        "percent-encoded text"
    } else if token
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    {
        "a key: the repository holds the request"
    } else {
        "text"
    };
    format!("{} characters, {form}", token.chars().count())
}

fn has_escapes(token: &str) -> bool {
    token.split('%').skip(1).any(|rest| {
        let digits = rest.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    })
}

/// A duration in its largest unit.
fn span(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        _ => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::survey::Answer;
    use super::*;
    use crate::oai::request::Verb;
    use crate::oai::response::{Repair, RepairKind, RequestEcho};

    /// A repository without findings.
    fn sound() -> Survey {
        let at = |text| Datestamp::parse(text).unwrap().0;
        Survey {
            identify: Answer::Given(Identify {
                base_url: Some("https://x.org/oai/".to_owned()),
                protocol_version: Some("2.0".to_owned()),
                earliest_datestamp: Some("2010-01-01".to_owned()),
                deleted_record: Some("persistent".to_owned()),
                granularity: Some(Granularity::Second),
                ..Identify::default()
            }),
            formats: Answer::Given(vec![MetadataFormat {
                metadata_prefix: "oai_dc".to_owned(),
                schema: None,
                metadata_namespace: Some("http://n/".to_owned()),
            }]),
            sets: Answer::default(),
            sample: Answer::Given(Sample {
                prefix: "oai_dc".to_owned(),
                records: 100,
                instants: 100,
                first: Some(First {
                    identifier: "oai:x:1".to_owned(),
                    datestamp: "2020-01-01T00:00:00Z".to_owned(),
                    resource: Ok((Kind::Article, Some("T".to_owned()))),
                    namespace: Some("http://n/".to_owned()),
                }),
                token: Some("abc".to_owned()),
                list_size: Some(1_000),
                cursor: Some(0),
                response_date: Some(at("2026-06-01T12:00:00Z")),
                datestamps: Some((at("2020-01-01"), at("2026-01-01"))),
                ..Sample::default()
            }),
            skew_seconds: Some(-20),
            ..Survey::default()
        }
    }

    fn change_identify(survey: &mut Survey, change: impl FnOnce(&mut Identify)) {
        match &mut survey.identify {
            Answer::Given(identify) => change(identify),
            other => panic!("{other:?}"),
        }
    }

    fn change_sample(survey: &mut Survey, change: impl FnOnce(&mut Sample)) {
        match &mut survey.sample {
            Answer::Given(sample) => change(sample),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sound_repository_has_no_findings() {
        let base = Url::parse("https://x.org/oai").unwrap();
        assert_eq!(of(&base, &sound()), [""; 0]);
    }

    #[test]
    fn each_problem_is_a_finding() {
        type Change = fn(&mut Survey);
        let cases: [(&str, Change, &str); 21] = [
            (
                "moved",
                |s| s.moved_to = Some("https://y.org/".to_owned()),
                "moved permanently to https://y.org/",
            ),
            (
                "Identify fails",
                |s| s.identify = Answer::Failed("HTTP 504".to_owned()),
                "Identify fails although lists work",
            ),
            (
                "version",
                |s| change_identify(s, |i| i.protocol_version = Some("1.1".to_owned())),
                "protocol version 1.1",
            ),
            (
                "base URL",
                |s| change_identify(s, |i| i.base_url = Some("http://x.org/oai".to_owned())),
                "another base URL, http://x.org/oai",
            ),
            (
                "transient",
                |s| change_identify(s, |i| i.deleted_record = Some("transient".to_owned())),
                "may forget deletions",
            ),
            (
                "no deletions",
                |s| change_identify(s, |i| i.deleted_record = Some("no".to_owned())),
                "does not announce deletions",
            ),
            (
                "no policy",
                |s| change_identify(s, |i| i.deleted_record = None),
                "deletedRecord is missing",
            ),
            (
                "no granularity",
                |s| change_identify(s, |i| i.granularity = None),
                "names no valid granularity",
            ),
            (
                "times for days",
                |s| change_identify(s, |i| i.granularity = Some(Granularity::Day)),
                "100 of 100 datestamps have a time",
            ),
            (
                "days for times",
                |s| change_sample(s, |p| p.days = 3),
                "3 of 100 datestamps are days",
            ),
            (
                "earliest is late",
                |s| change_identify(s, |i| i.earliest_datestamp = Some("2021-01-01".to_owned())),
                "older than its earliestDatestamp",
            ),
            (
                "earliest is none",
                |s| change_identify(s, |i| i.earliest_datestamp = Some("soon".to_owned())),
                "\"soon\" is not a date",
            ),
            (
                "clamp",
                |s| {
                    change_sample(s, |p| {
                        p.echo = RequestEcho {
                            until: Some("2026-05-02T12:00:00Z".to_owned()),
                            ..RequestEcho::default()
                        }
                    })
                },
                "lists end at 2026-05-02T12:00:00Z, 30 days before its clock",
            ),
            (
                "cut off",
                |s| change_sample(s, |p| p.token = None),
                "ends after 100 records without a token, but its completeListSize is 1000",
            ),
            (
                "size lies",
                |s| change_sample(s, |p| p.list_size = Some(100)),
                "completeListSize is 100",
            ),
            (
                "cursor",
                |s| change_sample(s, |p| p.cursor = Some(100)),
                "cursor counts to the end",
            ),
            (
                "token",
                |s| change_sample(s, |p| p.token = Some("a%3Db".to_owned())),
                "percent-encoded",
            ),
            (
                "namespace",
                |s| {
                    change_sample(s, |p| {
                        if let Some(first) = &mut p.first {
                            first.namespace = Some("https://n/".to_owned());
                        }
                    })
                },
                "oai_dc is announced with the namespace http://n/ but served with https://n/",
            ),
            (
                "refused",
                |s| s.sample = Answer::Refused("cannotDisseminateFormat".to_owned(), String::new()),
                "records cannot be listed: cannotDisseminateFormat",
            ),
            (
                "clock",
                |s| s.skew_seconds = Some(-7_200),
                "its clock is 2 hours behind ours",
            ),
            (
                "repaired",
                |s| {
                    s.repairs.push((
                        Verb::ListRecords,
                        Repair {
                            kind: RepairKind::BareAmpersand,
                            count: 2,
                        },
                    ))
                },
                "the answer to ListRecords is not well-formed and was repaired: bare ampersand (2 times)",
            ),
        ];
        let base = Url::parse("https://x.org/oai").unwrap();
        for (case, change, expected) in cases {
            let mut survey = sound();
            change(&mut survey);
            let findings = of(&base, &survey);
            assert_eq!(findings.len(), 1, "{case}: {findings:?}");
            assert!(findings[0].contains(expected), "{case}: {findings:?}");
        }
    }

    #[test]
    fn wrong_urls_are_findings() {
        let journal = |survey: &mut Survey| {
            change_sample(survey, |sample| {
                if let Some(first) = &mut sample.first {
                    first.resource = Ok((Kind::Journal, None));
                }
            });
        };
        let first_finding =
            |url: &str, survey: &Survey| of(&Url::parse(url).unwrap(), survey).into_iter().next();
        let silent = Survey::default();
        assert!(
            first_finding("https://doaj.org/", &silent)
                .unwrap()
                .contains("https://doaj.org/oai.article")
        );
        assert!(
            first_finding("https://x.org/", &silent)
                .unwrap()
                .contains("OAI-PMH repository; check")
        );
        let mut journals = sound();
        journal(&mut journals);
        assert!(
            first_finding("https://x.org/oai", &journals)
                .unwrap()
                .contains("describes a journal")
        );
        assert!(
            first_finding("https://doaj.org/oai", &journals)
                .unwrap()
                .contains("not articles: DOAJ has")
        );
        let articles = first_finding("https://doaj.org/oai.article", &sound()).unwrap();
        assert!(
            articles.starts_with("its Identify names another base URL"),
            "{articles}"
        );
    }

    #[test]
    fn tokens_have_forms() {
        let cases = [
            (
                "eyJtIjoib2FpX2RjIn0",
                "19 characters, JSON in base64: the token holds the request",
            ),
            ("100", "3 characters, a number"),
            (
                "0a1b-2c",
                "7 characters, a key: the repository holds the request",
            ),
            ("a%3Db", "5 characters, percent-encoded text"),
            ("oai_dc/100?x", "12 characters, text"),
        ];
        for (token, expected) in cases {
            assert_eq!(token_form(token), expected);
        }
    }
}
