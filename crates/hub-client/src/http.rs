//! Requests to the hub: redirects, retries, and which hosts get the token.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::{HubError, Settings};
use untrusted_input::clipped;

/// Maximum attempts without progress.
pub(super) const ATTEMPTS: u32 = 5;
/// Maximum redirects of one request.
const MAX_REDIRECTS: usize = 10;
/// Maximum wait before a retry, whatever the hub says.
const MAX_WAIT: Duration = Duration::from_mins(2);
/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a response, and of each read of its body.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// HTTP method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Only the headers.
    Head,
    /// The content from this byte offset.
    Get(u64),
}

/// The last response, with the headers of all responses since the first redirect.
pub(super) struct Answer {
    /// The last response: content, or a permanent error.
    pub response: Response<Body>,
    /// `X-Repo-Commit`.
    pub commit: Option<String>,
    /// `X-Linked-Etag`, else the last response's `ETag`.
    pub etag: Option<String>,
    /// `X-Linked-Size`, else the last response's length, in bytes.
    pub size: Option<u64>,
}

/// A connection to the hub.
pub(super) struct Client {
    agent: Agent,
    settings: Settings,
    /// Hosts whose name has no address, with the reason; they are not tried again.
    unresolved: Mutex<BTreeMap<String, String>>,
}

impl Client {
    /// `Err` if the file with certificates cannot be read.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        let mut config = Agent::config_builder()
            .user_agent(concat!("gpt2-eval/", env!("CARGO_PKG_VERSION")))
            // Checksums and lengths must be those of the file, not of a compressed form.
            .accept_encoding("identity")
            .http_status_as_error(false)
            // This client follows redirects: it reads their headers, and sends the token only to the hub.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(RESPONSE_TIMEOUT))
            .timeout_per_read(Some(RESPONSE_TIMEOUT));
        if let Some(path) = &settings.certificates {
            let pem = std::fs::read(path).map_err(|source| HubError::Cache { path: path.clone(), source })?;
            let certificates: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                let path = path.display();
                return Err(HubError::Invalid(format!(
                    "SSL_CERT_FILE is {path}, which has no certificate in PEM format"
                )));
            }
            let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build();
            config = config.tls_config(tls);
        }
        Ok(Self { agent: config.build().into(), settings, unresolved: Mutex::default() })
    }

    /// Requests `url`, and retries temporary errors, until there is content or a permanent error. A host whose name has no
    /// address is tried once by this client, whatever the URL. `what` is the file's
    /// name in messages. `note` gets a message before each retry.
    pub fn request(
        &self,
        method: Method,
        url: &str,
        what: &str,
        note: &mut dyn FnMut(&str),
    ) -> Result<Answer, HubError> {
        let unresolved = || self.unresolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = unresolved().get(origin(url)) {
            return Err(HubError::NoNetwork { host: origin(url).to_owned(), reason: reason.clone() });
        }
        let mut attempt = 1;
        loop {
            let (reason, wait) = match self.follow(method, url, what)? {
                Ok(answer) if !is_temporary(answer.response.status()) => return Ok(answer),
                Ok(answer) => {
                    let status = answer.response.status().as_u16();
                    if attempt == ATTEMPTS {
                        let (what, host) = (what.to_owned(), origin(url).to_owned());
                        return Err(HubError::Server { what, host, status, attempts: attempt });
                    }
                    (format!("HTTP {status}"), retry_after(&answer.response))
                }
                Err(error) => {
                    let reason = clipped(&error.to_string());
                    if is_unresolved(&error) {
                        unresolved().insert(origin(url).to_owned(), reason.clone());
                    }
                    if attempt == ATTEMPTS || !is_worth_a_retry(&error) {
                        return Err(HubError::NoNetwork { host: origin(url).to_owned(), reason });
                    }
                    (reason, None)
                }
            };
            self.wait(attempt, wait, &format!("{what}: {reason}"), note);
            attempt += 1;
        }
    }

    /// Waits before the retry after `attempt`: as long as the hub says, else twice as long each time.
    pub fn wait(&self, attempt: u32, said: Option<Duration>, reason: &str, note: &mut dyn FnMut(&str)) {
        let doubled = self.settings.retry_delay.saturating_mul(1 << (attempt - 1).min(10));
        let wait = said.unwrap_or(doubled).min(MAX_WAIT);
        note(&format!("note: {reason}; retrying in {:.0} s", wait.as_secs_f64().ceil()));
        std::thread::sleep(wait);
    }

    /// Sends one request and follows its redirects.
    fn follow(&self, method: Method, url: &str, what: &str) -> Result<Result<Answer, ureq::Error>, HubError> {
        let unexpected = |reason: String| HubError::UnexpectedResponse { what: what.to_owned(), reason };
        let mut url = url.to_owned();
        let (mut commit, mut linked_etag, mut linked_size) = (None, None, None);
        for _ in 0..MAX_REDIRECTS {
            let response = match self.send(method, &url) {
                Ok(response) => response,
                Err(error) => return Ok(Err(error)),
            };
            let header = |name: &str| {
                response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            };
            commit = commit.or_else(|| header("x-repo-commit"));
            linked_etag = linked_etag.or_else(|| header("x-linked-etag"));
            linked_size = linked_size.or_else(|| header("x-linked-size")?.parse().ok());
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let target = header("location").filter(|_| is_redirect);
            // For a large file the hub's own headers are enough; its store need not be asked.
            let is_known = method == Method::Head && linked_etag.is_some() && linked_size.is_some();
            let Some(target) = target.filter(|_| !is_known) else {
                if is_redirect && !is_known {
                    return Err(unexpected(format!(
                        "HTTP {} without a Location header",
                        response.status().as_u16()
                    )));
                }
                let etag = linked_etag.or_else(|| header("etag")).map(|etag| plain_etag(&etag));
                let size = linked_size.or_else(|| header("content-length")?.parse().ok());
                return Ok(Ok(Answer { response, commit, etag, size }));
            };
            let next = if target.starts_with('/') && !target.starts_with("//") {
                format!("{}{target}", origin(&url))
            } else {
                target
            };
            let is_safe =
                next.starts_with("https://") || (next.starts_with("http://") && url.starts_with("http://"));
            if !is_safe {
                return Err(unexpected(format!("refused an insecure redirect to {}", clipped(&next))));
            }
            url = next;
        }
        Err(unexpected(format!("more than {MAX_REDIRECTS} redirects")))
    }

    fn send(&self, method: Method, url: &str) -> Result<Response<Body>, ureq::Error> {
        let mut request = match method {
            Method::Head => self.agent.head(url),
            Method::Get(_) => self.agent.get(url),
        };
        if let Method::Get(from @ 1..) = method {
            request = request.header("Range", format!("bytes={from}-"));
        }
        if let Some(token) = self.settings.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call()
    }

    /// Whether `url` is on the hub itself and not on one of its stores.
    fn is_hub(&self, url: &str) -> bool {
        origin(url).eq_ignore_ascii_case(origin(&self.settings.endpoint))
    }
}

/// Scheme, host and port of a URL.
pub(super) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// Whether a retry may get another status.
fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a retry may succeed. It cannot if the host does not exist or refuses connections.
fn is_worth_a_retry(error: &ureq::Error) -> bool {
    match error {
        _ if is_unresolved(error) => false,
        ureq::Error::Timeout(_) | ureq::Error::BodyStalled | ureq::Error::Protocol(_) => true,
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}

/// Whether a host name has no address. The resolver's error has no kind of its own.
fn is_unresolved(error: &ureq::Error) -> bool {
    /// Windows: no such host, no answer of the name server, no data.
    const WINDOWS: [i32; 3] = [11001, 11002, 11004];
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Timeout(timeout) => matches!(timeout, ureq::Timeout::Resolve),
        ureq::Error::Io(error) => {
            error.to_string().starts_with("failed to lookup address information")
                || error.raw_os_error().is_some_and(|code| cfg!(windows) && WINDOWS.contains(&code))
        }
        _ => false,
    }
}

/// `Retry-After` in seconds. The hub does not use its other form, a date.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An `ETag` without its quotes and the prefix of a weak one.
fn plain_etag(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_or_a_subdomain_is_another_host() {
        assert_eq!(origin("https://huggingface.co/a/b?c"), "https://huggingface.co");
        assert_eq!(origin("http://localhost:80"), "http://localhost:80");
        for other in ["http://h", "https://h:1", "https://h.evil", "https://cdn.h", "https://h@evil"] {
            assert_ne!(origin(other), "https://h");
        }
        assert_eq!(plain_etag("W/\"abc\""), "abc");
    }
}
