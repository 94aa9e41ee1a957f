//! Redirects: whatever a public repository names as target, it leads to no private address, and to no
//! other site with a secret.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use harvestd::http::{ClientSettings, Secret, redirect_target};
use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

/// The secret that was sent with the request.
const KEY: &str = "a1b2c3d4e5f6";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for base in [
        "https://x.example/oai",
        "http://x.example/oai",
        "http://192.168.0.7/oai",
    ] {
        let mut settings = ClientSettings::new(Url::parse(base).expect("a URL"));
        settings.credentials.api_key = Some(Secret::new(KEY));
        // As it is, as a host, and beside the secret.
        for location in [
            text.to_string(),
            format!("http://{text}/"),
            format!("//{text}:80/oai?{text}"),
            format!("https://y.example/{text}?a={KEY}&{text}={KEY}"),
        ] {
            match redirect_target(&settings, &location) {
                Ok(target) => check(base, &target),
                Err(fault) => assert!(!fault.to_string().contains(KEY), "{fault}"),
            }
        }
    }
});

fn check(base: &str, target: &Url) {
    assert!(matches!(target.scheme(), "http" | "https"), "{target}");
    assert!(
        !base.starts_with("https:") || target.scheme() == "https",
        "{target}"
    );
    assert!(
        target.username().is_empty() && target.password().is_none(),
        "{target}"
    );
    let own = ["x.example", "www.x.example", "192.168.0.7"];
    if !target
        .host_str()
        .is_some_and(|host| own.contains(&host.trim_end_matches('.')))
    {
        for (name, value) in target.query_pairs() {
            // `+` is a blank here alone.
            assert!(!name.contains(KEY) && !value.contains(KEY), "{target}");
        }
    }
    let address = match target.host().expect("such a URL has a host") {
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let is_local = name == "localhost" || name.ends_with(".localhost");
            assert!(!is_local || base.contains("192.168"), "{target}");
            return;
        }
    };
    let wrapped = match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => address.to_ipv4().unwrap_or(Ipv4Addr::new(1, 1, 1, 1)),
    };
    assert!(!wrapped.is_link_local(), "{target}");
    if !base.contains("192.168") {
        assert!(!wrapped.is_private() && !wrapped.is_loopback(), "{target}");
        assert!(
            !wrapped.is_unspecified() && !wrapped.is_broadcast(),
            "{target}"
        );
        if let IpAddr::V6(address) = address {
            assert!(
                !address.is_loopback() && !address.is_unique_local(),
                "{target}"
            );
        }
    }
    if let IpAddr::V6(address) = address {
        assert!(!address.is_unicast_link_local(), "{target}");
    }
}
