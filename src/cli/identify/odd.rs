//! What looks odd about a repository, and what that means for a harvest?

use url::Url;

use super::survey::{First, Sample, Survey};
use crate::oai::response::{Identify, MetadataFormat};
use crate::oai::{Datestamp, Granularity};
use crate::record::Kind;

/// Clocks this far apart are worth a word.
const SKEW_SECONDS: i64 = 300;

/// An `until` that is this much before the repository's clock holds something back.
const CLAMP_SECONDS: i64 = 3600;

/// Sentences, the gravest first. `asked` is the base URL.
pub(super) fn oddities(asked: &Url, survey: &Survey) -> Vec<String> {
    let mut odd = Vec::new();
    endpoint(asked, survey, &mut odd);
    if let Some(moved_to) = &survey.moved_to {
        odd.push(format!(
            "it has moved for good to {moved_to}: configure that address"
        ));
    }
    let identify = survey.identify.given();
    match identify {
        Some(identify) => identity(asked, identify, &mut odd),
        None if survey.sample.given().is_some() => odd.push(
            "Identify fails although lists work: dates are asked for by the day unless the \
             configuration sets granularity"
                .to_owned(),
        ),
        None => {}
    }
    let formats = survey.formats.given().map_or(&[][..], Vec::as_slice);
    if let Some(sample) = survey.sample.given() {
        dates(identify, sample, &mut odd);
        paging(sample, &mut odd);
        namespaces(formats, sample, &mut odd);
    } else if let Some(why) = survey.sample.why_not() {
        odd.push(format!("records cannot be listed: {why}"));
    }
    if !formats.is_empty()
        && formats
            .iter()
            .all(|format| format.metadata_prefix != "oai_dc")
    {
        odd.push("oai_dc is not announced, which every repository must have".to_owned());
    }
    if let Some(seconds) = survey
        .skew_seconds
        .filter(|skew| skew.abs() >= SKEW_SECONDS)
    {
        let way = if seconds > 0 { "ahead of" } else { "behind" };
        odd.push(format!(
            "its clock is {} {way} ours: harvests go by its clock alone",
            span(seconds.abs())
        ));
    }
    for (verb, repair) in &survey.repairs {
        let kind = serde_json::to_value(repair.kind).unwrap_or_default();
        odd.push(format!(
            "{verb} is no clean XML and had to be mended: {} ({} times)",
            kind.as_str().unwrap_or_default().replace('_', " "),
            repair.count
        ));
    }
    odd
}

/// Whether this may be the wrong address.
fn endpoint(asked: &Url, survey: &Survey, odd: &mut Vec<String>) {
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
            article: Ok((Kind::Journal, _)),
            ..
        })
    );
    let host = asked.host_str().unwrap_or_default();
    let doaj = host == "doaj.org" || host.ends_with(".doaj.org");
    if silent {
        let hint = if doaj {
            DOAJ
        } else {
            "is it the base URL of the repository's OAI-PMH interface?"
        };
        odd.push(format!("nothing at this address speaks OAI-PMH; {hint}"));
    } else if doaj && (journals || asked.path().trim_end_matches('/') == "/oai") {
        odd.push(format!("these are journals, not articles: {DOAJ}"));
    } else if journals {
        odd.push("the first record is of a journal, not of an article".to_owned());
    }
}

fn identity(asked: &Url, identify: &Identify, odd: &mut Vec<String>) {
    match identify.protocol_version.as_deref() {
        Some("2.0") => {}
        Some(other) => odd.push(format!(
            "it speaks protocol version {other}; only 2.0 is understood"
        )),
        None => odd.push("it names no protocol version; 2.0 is taken for granted".to_owned()),
    }
    if let Some(base_url) = &identify.base_url
        && !same_address(asked, base_url)
    {
        odd.push(format!(
            "it calls itself {base_url}: the address that was asked is used"
        ));
    }
    match identify.deleted_record.as_deref().map(str::trim) {
        Some("persistent") => {}
        Some("transient") => odd.push(
            "it may forget deletions (deletedRecord is transient): only listing everything again \
             finds those"
                .to_owned(),
        ),
        Some("no") => odd.push(
            "it does not tell of deletions (deletedRecord is no): only listing everything again \
             finds them"
                .to_owned(),
        ),
        other => odd.push(format!(
            "it does not say whether it tells of deletions (deletedRecord is {})",
            other.unwrap_or("missing")
        )),
    }
    if identify.granularity.is_none() {
        odd.push("it names no granularity that exists: dates are asked for by the day".to_owned());
    }
}

fn same_address(asked: &Url, base_url: &str) -> bool {
    let plain = |url: &Url| {
        let url = url.as_str().trim_end_matches(['/', '?']);
        url.to_owned()
    };
    Url::parse(base_url.trim()).is_ok_and(|theirs| plain(&theirs) == plain(asked))
}

fn dates(identify: Option<&Identify>, sample: &Sample, odd: &mut Vec<String>) {
    let granularity = identify.and_then(|identify| identify.granularity);
    match granularity {
        Some(Granularity::Day) if sample.instants > 0 => odd.push(format!(
            "its granularity is the day, and {} of {} datestamps have a time",
            sample.instants, sample.records
        )),
        Some(Granularity::Second) if sample.days > 0 => odd.push(format!(
            "its granularity is the second, and {} of {} datestamps are days",
            sample.days, sample.records
        )),
        _ => {}
    }
    if sample.undated > 0 {
        odd.push(format!("{} datestamps cannot be read", sample.undated));
    }
    if sample.bad > 0 {
        odd.push(format!(
            "{} records of the first page cannot be read",
            sample.bad
        ));
    }
    let earliest = identify.and_then(|identify| identify.earliest_datestamp.as_deref());
    let oldest = sample.datestamps.map(|(oldest, _)| oldest);
    match earliest.map(|text| (text, Datestamp::parse(text))) {
        Some((text, None)) => odd.push(format!("its earliestDatestamp {text:?} is no date")),
        Some((text, Some((earliest, _)))) if oldest.is_some_and(|oldest| oldest < earliest) => {
            odd.push(format!(
                "it has records from before its earliestDatestamp {text}"
            ));
        }
        _ => {}
    }
    let Some(now) = sample.response_date else {
        odd.push("its answers have no responseDate that can be read".to_owned());
        return;
    };
    if let Some((_, newest)) = sample.datestamps
        && newest > now
    {
        odd.push(format!(
            "the datestamp {newest} is later than its own clock"
        ));
    }
    if let Some(until) = &sample.echo.until
        && let Some((end, _)) = Datestamp::parse(until)
        && now.unix() - end.unix() > CLAMP_SECONDS
    {
        odd.push(format!(
            "lists end at {until}, {} before its clock, although no end was asked for: newer \
             changes are shown later, or to callers with a key",
            span(now.unix() - end.unix())
        ));
    }
}

fn paging(sample: &Sample, odd: &mut Vec<String>) {
    let records = sample.records as u64;
    match (sample.list_size, &sample.token) {
        (Some(size), None) if size > records => odd.push(format!(
            "the list ends after {records} records without a token, though it is said to have {size}"
        )),
        (Some(size), Some(_)) if size <= records => odd.push(format!(
            "completeListSize is {size}, though the first page alone has {records} records and \
             more follow"
        )),
        _ => {}
    }
    if sample.token.is_some() && records > 0 && sample.cursor == Some(records) {
        odd.push("cursor counts to the end of a page, not to its start".to_owned());
    }
    if sample.token.is_some() && records == 0 {
        odd.push("the first page is empty, and more follow".to_owned());
    }
    if sample.deleted > 0 && sample.deleted == sample.records {
        odd.push("all records of the first page are deleted".to_owned());
    }
    if let Some(token) = &sample.token
        && has_escapes(token)
    {
        odd.push("its tokens come percent-encoded already".to_owned());
    }
}

fn namespaces(formats: &[MetadataFormat], sample: &Sample, odd: &mut Vec<String>) {
    let Some(first) = &sample.first else { return };
    if let Err(why) = &first.article {
        odd.push(format!(
            "the first record cannot be read as {}: {why}",
            sample.prefix
        ));
    }
    let announced = formats
        .iter()
        .find(|format| format.metadata_prefix == sample.prefix)
        .and_then(|format| format.metadata_namespace.as_deref());
    match (announced, first.namespace.as_deref()) {
        (Some(announced), Some(served)) if announced.trim() != served.trim() => odd.push(format!(
            "{} is announced with the namespace {announced} and served with {served}",
            sample.prefix
        )),
        (Some(announced), None) => odd.push(format!(
            "{} is announced with the namespace {announced} and served without one",
            sample.prefix
        )),
        _ => {}
    }
}

/// What a token looks like, for people.
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
        "JSON in base64, so it keeps what was asked"
    } else if token.bytes().all(|byte| byte.is_ascii_digit()) {
        "a number"
    } else if has_escapes(token) {
        "percent-encoded text"
    } else if token
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    {
        "a key, so the repository keeps what was asked"
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

/// A length of time in its greatest unit.
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

    /// A repository by the book.
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
                    article: Ok((Kind::Article, Some("T".to_owned()))),
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
    fn a_sound_repository_has_none() {
        let asked = Url::parse("https://x.org/oai").unwrap();
        assert_eq!(oddities(&asked, &sound()), [""; 0]);
    }

    #[test]
    fn each_oddity_is_told() {
        type Change = fn(&mut Survey);
        let cases: [(&str, Change, &str); 21] = [
            (
                "moved",
                |s| s.moved_to = Some("https://y.org/".to_owned()),
                "moved for good to https://y.org/",
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
                "it calls itself http://x.org/oai",
            ),
            (
                "transient",
                |s| change_identify(s, |i| i.deleted_record = Some("transient".to_owned())),
                "may forget deletions",
            ),
            (
                "no deletions",
                |s| change_identify(s, |i| i.deleted_record = Some("no".to_owned())),
                "does not tell of deletions",
            ),
            (
                "no policy",
                |s| change_identify(s, |i| i.deleted_record = None),
                "deletedRecord is missing",
            ),
            (
                "no granularity",
                |s| change_identify(s, |i| i.granularity = None),
                "names no granularity",
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
                "from before its earliestDatestamp",
            ),
            (
                "earliest is none",
                |s| change_identify(s, |i| i.earliest_datestamp = Some("soon".to_owned())),
                "\"soon\" is no date",
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
                "ends after 100 records without a token, though it is said to have 1000",
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
                "oai_dc is announced with the namespace http://n/ and served with https://n/",
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
                "mended",
                |s| {
                    s.repairs.push((
                        Verb::ListRecords,
                        Repair {
                            kind: RepairKind::BareAmpersand,
                            count: 2,
                        },
                    ))
                },
                "ListRecords is no clean XML and had to be mended: bare ampersand (2 times)",
            ),
        ];
        let asked = Url::parse("https://x.org/oai").unwrap();
        for (case, change, expected) in cases {
            let mut survey = sound();
            change(&mut survey);
            let odd = oddities(&asked, &survey);
            assert_eq!(odd.len(), 1, "{case}: {odd:?}");
            assert!(odd[0].contains(expected), "{case}: {odd:?}");
        }
    }

    #[test]
    fn wrong_addresses_are_told() {
        let journal = |survey: &mut Survey| {
            change_sample(survey, |sample| {
                if let Some(first) = &mut sample.first {
                    first.article = Ok((Kind::Journal, None));
                }
            });
        };
        let first_odd = |url: &str, survey: &Survey| {
            oddities(&Url::parse(url).unwrap(), survey)
                .into_iter()
                .next()
        };
        let silent = Survey::default();
        assert!(
            first_odd("https://doaj.org/", &silent)
                .unwrap()
                .contains("https://doaj.org/oai.article")
        );
        assert!(
            first_odd("https://x.org/", &silent)
                .unwrap()
                .contains("speaks OAI-PMH; is it")
        );
        let mut journals = sound();
        journal(&mut journals);
        assert!(
            first_odd("https://x.org/oai", &journals)
                .unwrap()
                .contains("of a journal")
        );
        assert!(
            first_odd("https://doaj.org/oai", &journals)
                .unwrap()
                .contains("not articles: DOAJ has")
        );
        let articles = first_odd("https://doaj.org/oai.article", &sound()).unwrap();
        assert!(articles.starts_with("it calls itself"), "{articles}");
    }

    #[test]
    fn tokens_have_forms() {
        let cases = [
            (
                "eyJtIjoib2FpX2RjIn0",
                "19 characters, JSON in base64, so it keeps what was asked",
            ),
            ("100", "3 characters, a number"),
            (
                "0a1b-2c",
                "7 characters, a key, so the repository keeps what was asked",
            ),
            ("a%3Db", "5 characters, percent-encoded text"),
            ("oai_dc/100?x", "12 characters, text"),
        ];
        for (token, expected) in cases {
            assert_eq!(token_form(token), expected);
        }
    }
}
