//! The address of the full text, so that its spellings are one.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// The address of a record's full text, or of a page about it, as a hash.
///
/// Rules only ask whether two addresses are equal. The text would make descriptions a quarter larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(u64);

impl Address {
    /// Bits of the hash: two addresses of a hundred million have the same one by chance in one of ten
    /// thousand cases, and then the titles have to agree too.
    const BITS: u32 = 40;

    /// The address in a text; `None` for what identifies no text: other schemes, the front page of a
    /// site, the resolver of DOIs.
    pub(super) fn read(raw: &str) -> Option<Address> {
        let text = normalised(raw)?;
        let hash = blake3::hash(text.as_bytes());
        let (first, _) = hash
            .as_bytes()
            .split_first_chunk()
            .expect("a hash has 32 bytes");
        Some(Address(u64::from_be_bytes(*first) >> (64 - Self::BITS)))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    pub(super) fn from_number(number: u64) -> Address {
        Address(number)
    }
}

impl fmt::Display for Address {
    /// Ten hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}", self.0)
    }
}

/// An address of the web without scheme, `www.`, fragment and final slash, its host in lower case.
fn normalised(raw: &str) -> Option<String> {
    let url = Url::parse(raw.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https" | "ftp") {
        return None;
    }
    let host = url.host_str()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let path = url.path().trim_end_matches('/');
    let resolves_dois = matches!(host, "doi.org" | "dx.doi.org");
    if resolves_dois || (path.is_empty() && url.query().is_none()) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}"));
    let query = url.query().map(|query| format!("?{query}"));
    Some(
        [
            host,
            &port.unwrap_or_default(),
            path,
            &query.unwrap_or_default(),
        ]
        .concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_equal() {
        let plain = "example.org/index.php/a/article/view/12";
        for raw in [
            "https://example.org/index.php/a/article/view/12",
            " http://WWW.Example.org:80/index.php/a/article/view/12/ ",
            "HTTPS://example.org/index.php/a/article/view/12#abstract",
            "https://example.org/index.php/./a/article/view/12//",
        ] {
            assert_eq!(normalised(raw).as_deref(), Some(plain), "{raw}");
        }
        let of = |raw| Address::read(raw);
        assert_eq!(of("http://a.org/x"), of("https://www.a.org/x/"));
        for other in [
            "http://a.org/X",
            "http://a.org/x?id=1",
            "http://a.org:8080/x",
            "http://b.org/x",
        ] {
            assert_ne!(of("http://a.org/x"), of(other), "{other}");
            assert!(of(other).is_some(), "{other}");
        }
    }

    #[test]
    fn some_addresses_are_no_evidence() {
        for raw in [
            "https://doi.org/10.1000/182",
            "http://dx.doi.org/10.1000/182",
            "https://example.org/",
            "https://www.example.org#top",
            "mailto:a@example.org",
            "example.org/x",
            "",
        ] {
            assert_eq!(Address::read(raw), None, "{raw}");
        }
    }
}
