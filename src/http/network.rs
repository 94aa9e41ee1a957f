//! Keeps redirects out of private networks, unless the configured server is in one.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use url::{Host, Url};

/// Where the configured server is, shared by the resolver and the check of redirects.
///
/// Names are resolved here, and the connection goes to exactly these addresses. So a name cannot
/// be public when it is checked and private when it is used. Whoever answers for a name may mix
/// addresses, so one private address among them is enough to refuse a redirect. Link-local addresses,
/// where clouds serve the keys of a machine, are refused always; only an operator can name one. If a
/// proxy resolves the names, only literal addresses can be checked.
#[derive(Debug, Clone)]
pub(crate) struct NetworkPolicy {
    /// Host names that may be in any network: the server's own and the proxy's.
    configured: Arc<[String]>,
    /// Whether the server itself is in a private network and nowhere else, as far as its name is
    /// resolved.
    private: Arc<AtomicBool>,
}

impl NetworkPolicy {
    /// For the server of this base URL, reached through `proxy`.
    pub(crate) fn new(base: &Url, proxy: Option<&Url>) -> Self {
        let configured = [Some(base), proxy];
        Self {
            configured: configured
                .into_iter()
                .flatten()
                .filter_map(|url| url.host_str().map(canonical))
                .collect(),
            private: Arc::new(AtomicBool::new(is_private_host(base))),
        }
    }

    /// Whether a redirect to `target` is allowed as far as its host name tells. The addresses
    /// behind a name are checked when it is resolved.
    pub(crate) fn allows(&self, target: &Url) -> bool {
        let Some(host) = target.host_str() else {
            return false;
        };
        if literal(target).is_some_and(is_link_local) && !self.is_own(host) {
            return false;
        }
        // The proxy's name may look public, but only we may use it.
        self.is_own(host) || self.is_private() || !(is_private_host(target) || self.knows(host))
    }

    fn is_private(&self) -> bool {
        self.private.load(Ordering::Relaxed)
    }

    fn knows(&self, host: &str) -> bool {
        self.configured.contains(&canonical(host))
    }

    fn is_own(&self, host: &str) -> bool {
        self.configured.first() == Some(&canonical(host))
    }

    /// Of the addresses that `host` resolved to, those that may be connected to.
    fn choose(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
        let is_private = |address: &SocketAddr| is_private_address(address.ip());
        let all_private = !found.is_empty() && found.iter().all(is_private);
        let any_private = found.iter().any(is_private);
        let any_link_local = found.iter().any(|address| is_link_local(address.ip()));
        if self.is_own(host) {
            self.private.store(all_private, Ordering::Relaxed);
        }
        if found.is_empty() {
            return Err(ResolveError::Failed("the name has no address".to_owned()));
        }
        if self.knows(host) {
            // The operator has chosen the name, but not what it resolves to.
            let chosen: Vec<_> = found
                .into_iter()
                .filter(|address| !is_link_local(address.ip()))
                .filter(|address| all_private || !is_private(address))
                .collect();
            return match chosen.is_empty() {
                true => Err(ResolveError::Failed(
                    "the name resolves to a link-local address".to_owned(),
                )),
                false => Ok(chosen),
            };
        }
        if any_link_local || (any_private && !self.is_private()) {
            return Err(ResolveError::Private);
        }
        Ok(found)
    }
}

/// Names that are resolved at the same time. Each takes a thread of the runtime until the system answers.
static RESOLVING: Semaphore = Semaphore::const_new(8);

impl Resolve for NetworkPolicy {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            // The semaphore is never closed. The turn ends with the wait, the system's thread a little later.
            let _turn = RESOLVING.acquire().await;
            // The caller sets the port.
            let found = tokio::net::lookup_host((host, 0))
                .await
                .map_err(|error| ResolveError::Failed(error.to_string()))?;
            let chosen = this.choose(host, found.collect())?;
            Ok(Box::new(chosen.into_iter()) as Addrs)
        })
    }
}

/// Why a name has no address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResolveError {
    /// It does not resolve.
    Failed(String),
    /// It resolves into a private network, and a redirect led to it.
    Private,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Private => f.write_str("the name resolves to a private address"),
        }
    }
}

impl Error for ResolveError {}

fn canonical(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// The address that `url` has in place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    }
}

/// Whether the host of `url` is a literal private address or `localhost`.
fn is_private_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => literal(url).is_some_and(is_private_address),
        Some(Host::Domain(name)) => {
            let name = canonical(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Whether an address is not public: loopback, private, link-local, shared, reserved, multicast or
/// unspecified, also wrapped into IPv6. Written by hand: `Ipv4Addr::is_global` is unstable.
///
/// Source: the IANA registries of special-purpose addresses.
fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

/// Whether an address is link-local, also wrapped into IPv6.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || wrapped_v4(address).is_some_and(|address| address.is_link_local())
        }
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 or 6to4.
fn wrapped_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        // Unspecified and loopback are of this form too: 0.0.0.0 and 0.0.0.1.
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(v4(g, h)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || a == 0
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
        || a >= 224
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = wrapped_v4(address) {
        return is_private_v4(address);
    }
    let [a, b, c, ..] = address.segments();
    match [a, b, c] {
        // NAT64 within a network.
        [0x64, 0xff9b, 1] => true,
        // Teredo: a tunnel to an address that only the relay reads.
        [0x2001, 0, _] => true,
        // fc00::/7 unique local, fe80::/10 link-local, fec0::/10 site-local, ff00::/8 multicast.
        _ => a & 0xfe00 == 0xfc00 || a & 0xff80 == 0xfe80 || a & 0xff00 == 0xff00,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let ip = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
        texts.iter().map(ip).collect()
    }

    #[test]
    fn recognises_private_addresses() {
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:a00:1::",
            "2002:7f00:1::1",
            "2001::1",
        ];
        for address in private {
            assert!(is_private_address(address.parse().unwrap()), "{address}");
        }
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "192.0.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:db8::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "fbff::1",
        ];
        for address in public {
            assert!(!is_private_address(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn allows_targets_by_host_name() {
        let public = "https://x.org/oai";
        let private = "http://192.168.1.2/oai";
        let cases = [
            ("public to public", public, "https://y.org/", true),
            ("public to loopback", public, "http://127.0.0.1/", false),
            ("public to localhost", public, "http://localhost./", false),
            (
                "public to a name under localhost",
                public,
                "http://a.localhost/",
                false,
            ),
            ("public to a number", public, "http://2130706433/", false),
            ("public to octal", public, "http://0177.0.0.1/", false),
            ("public to IPv6 loopback", public, "http://[::1]/", false),
            (
                "public to mapped",
                public,
                "http://[::ffff:10.0.0.1]/",
                false,
            ),
            (
                "public to metadata service",
                public,
                "http://169.254.169.254/",
                false,
            ),
            ("private to private", private, "http://10.0.0.1/", true),
            ("private to public", private, "http://1.1.1.1/", true),
            (
                "localhost to loopback",
                "http://localhost/",
                "http://127.0.0.1/",
                true,
            ),
            ("back to itself", "http://x.org/", "https://x.org/", true),
            ("to the proxy", public, "http://proxy.lan/", false),
            ("private to the proxy", private, "http://proxy.lan/", true),
            (
                "public literal to private",
                "http://1.1.1.1/",
                "http://10.0.0.1/",
                false,
            ),
        ];
        for (case, base, target, expected) in cases {
            let proxy = url("http://proxy.lan:3128");
            let network = NetworkPolicy::new(&url(base), Some(&proxy));
            assert_eq!(network.allows(&url(target)), expected, "{case}");
        }
    }

    #[test]
    fn filters_resolved_addresses() {
        let network = || {
            let proxy = url("http://proxy.lan:3128");
            NetworkPolicy::new(&url("https://x.org/oai"), Some(&proxy))
        };
        let mixed = addresses(&["10.0.0.1", "1.1.1.1"]);
        let private = addresses(&["10.0.0.1", "::1"]);
        let public = addresses(&["1.1.1.1"]);
        let cloud = addresses(&["1.1.1.1", "169.254.169.254", "fe80::1"]);
        let cases = [
            (
                "other host, mixed",
                "y.org",
                &mixed,
                Err(ResolveError::Private),
            ),
            (
                "other host, link-local among others",
                "y.org",
                &cloud,
                Err(ResolveError::Private),
            ),
            ("server itself, mixed", "x.org", &mixed, Ok(&public)),
            (
                "server itself, link-local among others",
                "x.org",
                &cloud,
                Ok(&public),
            ),
            (
                "other host, private",
                "y.org",
                &private,
                Err(ResolveError::Private),
            ),
            ("other host, public", "y.org", &public, Ok(&public)),
            ("server itself, private", "X.org.", &private, Ok(&private)),
            ("proxy, private", "proxy.lan", &private, Ok(&private)),
        ];
        for (case, host, found, expected) in cases {
            let chosen = network().choose(host, found.clone());
            assert_eq!(chosen, expected.cloned(), "{case}");
        }
        assert!(matches!(
            network().choose("y.org", Vec::new()),
            Err(ResolveError::Failed(_))
        ));
    }

    #[test]
    fn a_server_in_a_private_network_may_redirect_within_it() {
        let network = NetworkPolicy::new(&url("http://repository.lan/oai"), None);
        let private = addresses(&["10.0.0.1"]);
        assert!(
            !network.allows(&url("http://10.0.0.2/")),
            "before it is resolved"
        );
        network.choose("repository.lan", private.clone()).unwrap();
        assert!(
            network.allows(&url("http://10.0.0.2/")),
            "once it is resolved"
        );
        assert_eq!(network.choose("other.lan", private.clone()), Ok(private));
        for (target, addresses_of_it) in [
            ("http://169.254.169.254/", ["10.0.0.1", "169.254.169.254"]),
            (
                "http://[::ffff:169.254.1.1]/",
                ["::ffff:169.254.1.1", "1.1.1.1"],
            ),
            ("http://[fe80::1]/", ["fe80::1", "fd00::1"]),
            (
                "http://[64:ff9b::a9fe:a9fe]/",
                ["64:ff9b::a9fe:a9fe", "10.0.0.1"],
            ),
        ] {
            assert!(!network.allows(&url(target)), "{target}");
            let chosen = network.choose("other.lan", addresses(&addresses_of_it));
            assert_eq!(chosen, Err(ResolveError::Private), "{target}");
        }
        // One that answers for its name with both cannot lead elsewhere in the private network.
        network
            .choose("repository.lan", addresses(&["1.1.1.1", "10.0.0.1"]))
            .unwrap();
        assert!(!network.allows(&url("http://10.0.0.2/")), "mixed");
        network
            .choose("repository.lan", addresses(&["1.1.1.1"]))
            .unwrap();
        assert!(!network.allows(&url("http://10.0.0.2/")), "after it moved");
    }
}
