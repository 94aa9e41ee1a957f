//! How a client reaches one server: address, credentials, timeouts and limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::redact::show_url;
use super::secret::Secret;

/// What identifies us to a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Sent as the query argument `api_key` with every request (DOAJ's premium key).
    pub api_key: Option<Secret>,
    /// HTTP basic authentication: user (without a colon) and password.
    pub basic: Option<(String, Secret)>,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// Further headers, sent as they are.
    pub headers: Vec<(String, Secret)>,
}

/// How long a client waits. Each field names the configuration key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// `connect_timeout`: until the connection is open.
    pub connect: Duration,
    /// `first_byte_timeout`: from the request to the headers of the reply.
    pub first_byte: Duration,
    /// `idle_timeout`: between two pieces of the body.
    pub idle: Duration,
    /// `total_timeout`: the whole reply, so that a slow trickle of bytes ends too.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(900),
        }
    }
}

/// How large and how slow a body may be. Each field names the configuration key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `max_body_bytes`: bytes on the wire.
    pub body_bytes: u64,
    /// `max_inflated_bytes`: bytes after decompression, and again as UTF-8.
    pub inflated_bytes: u64,
    /// `min_bytes_per_second`: the slowest transfer, measured after the first
    /// [`Timeouts::idle`]; 0 accepts any speed.
    pub bytes_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 << 20,
            inflated_bytes: 96 << 20,
            bytes_per_second: 64,
        }
    }
}

/// Everything that a client needs to know of one server.
#[derive(Clone, PartialEq)]
pub struct ClientSettings {
    /// The base URL. Its own query string is kept.
    pub url: Url,
    /// What identifies us.
    pub credentials: Credentials,
    /// Mail address or URL of the operator, sent in the User-Agent.
    pub contact: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How large and how slow a body may be.
    pub limits: Limits,
    /// A PEM file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// An HTTP, HTTPS or SOCKS5 proxy.
    pub proxy: Option<Url>,
}

impl fmt::Debug for ClientSettings {
    /// Shows both URLs without logins and keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("url", &show_url(&self.url))
            .field("credentials", &self.credentials)
            .field("contact", &self.contact)
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .field("ca_file", &self.ca_file)
            .field("proxy", &self.proxy.as_ref().map(show_url))
            .finish()
    }
}

impl ClientSettings {
    /// The defaults for `url`.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            credentials: Credentials::default(),
            contact: None,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            ca_file: None,
            proxy: None,
        }
    }
}
