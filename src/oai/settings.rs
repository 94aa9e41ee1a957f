//! How a client may behave towards one repository: address, credentials, times and limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::client::show_url;

/// A text that never shows: `Debug` and `Display` print `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Who we are to a repository.
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

/// How long a client waits. Each names the configuration key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// `connect_timeout`: until the connection stands.
    pub connect: Duration,
    /// `first_byte_timeout`: from sending the request to the answer's headers.
    pub first_byte: Duration,
    /// `idle_timeout`: between two pieces of the body.
    pub idle: Duration,
    /// `total_timeout`: the whole answer, so that a server that drips bytes cannot hold us.
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

/// How much a client takes. Each names the configuration key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `max_body_bytes`: bytes on the wire.
    pub body_bytes: u64,
    /// `max_inflated_bytes`: bytes after decompression.
    pub inflated_bytes: u64,
    /// `max_depth`: nesting of elements.
    pub depth: usize,
    /// `max_page_records`: items in one response.
    pub page_records: usize,
    /// `min_bytes_per_second`: slower answers are given up, measured after the first
    /// [`Timeouts::idle`]; 0 takes any speed.
    pub bytes_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 << 20,
            inflated_bytes: 512 << 20,
            depth: 256,
            page_records: 200_000,
            bytes_per_second: 64,
        }
    }
}

/// All that an HTTP client needs to know of one repository.
#[derive(Clone, PartialEq)]
pub struct ClientSettings {
    /// The base URL; a query string that it already has is kept.
    pub url: Url,
    /// Who we are.
    pub credentials: Credentials,
    /// Mail address or URL of whoever runs this harvester, for the User-Agent.
    pub contact: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    /// A PEM file with certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// An HTTP, HTTPS or SOCKS5 proxy for this source.
    pub proxy: Option<Url>,
}

impl fmt::Debug for ClientSettings {
    /// Shows both addresses without logins and keys.
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
