//! Requests: whatever a token or an identifier holds, the server reads it as it was given.

#![no_main]

use harvestd::http::Secret;
use harvestd::oai::client::request_url;
use harvestd::oai::request::{Request, ResumptionToken, Selection, Verb};
use libfuzzer_sys::fuzz_target;
use url::{Url, form_urlencoded};

// Lines: the base URL, the request's kind, its texts.
fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (base, kind) = (line(), line());
    let texts = [line(), line(), line()];
    for text in texts {
        let token = ResumptionToken::new(text);
        assert_eq!(token.is_none(), text.trim().is_empty());
        assert!(token.is_none_or(|token| token.as_str() == text.trim()));
    }
    let Ok(base) = Url::parse(base) else { return };
    if base.cannot_be_a_base() {
        return;
    }
    let Some(request) = request(kind, texts) else {
        return;
    };
    let key = kind.contains('k').then(|| Secret::new(texts[2]));
    let url = request_url(&base, &request, key.as_ref());

    assert_eq!(url.path(), base.path());
    assert_eq!(url.host(), base.host());
    assert_eq!(url.fragment(), None);
    // It is the same address when it is read again, as each proxy on the way will do.
    assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url));
    let pairs = |url: &Url| -> Vec<(String, String)> {
        let query = url.query().unwrap_or_default().as_bytes();
        form_urlencoded::parse(query).into_owned().collect()
    };
    let mut expected = pairs(&base);
    for (name, value) in request.arguments() {
        assert!(!value.is_empty(), "{name} is empty");
        expected.push((name.to_owned(), value.to_owned()));
    }
    if let Some(key) = &key {
        expected.push(("api_key".to_owned(), key.expose().to_owned()));
    }
    assert_eq!(pairs(&url), expected);
});

fn request(kind: &str, [one, two, three]: [&str; 3]) -> Option<Request> {
    let owned = |text: &str| Some(text.to_owned());
    let selection = Selection {
        metadata_prefix: one.to_owned(),
        set: owned(two),
        from: owned(three),
        until: owned(two),
    };
    Some(match kind.bytes().next()? {
        b'i' => Request::Identify,
        b'f' => Request::ListMetadataFormats {
            identifier: owned(one),
        },
        b's' => Request::ListSets {
            token: ResumptionToken::new(one),
        },
        b'h' => Request::ListIdentifiers(selection),
        b'l' => Request::ListRecords(selection),
        b'g' => Request::GetRecord {
            identifier: one.to_owned(),
            metadata_prefix: two.to_owned(),
        },
        _ => Request::Resume {
            verb: Verb::ListRecords,
            token: ResumptionToken::new(one)?,
            metadata_prefix: kind.contains('p').then(|| two.to_owned()),
        },
    })
}
