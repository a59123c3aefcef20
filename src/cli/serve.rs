//! An HTTP server for one page, on 127.0.0.1.
//!
//! It refuses requests whose `Host` is another name, because a web site can point a name of its own to 127.0.0.1 and would
//! then read the page (DNS rebinding).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Maximum bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Time for a client to send its request, and to receive a part of the response.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum open connections; more are closed at once.
const MAX_CONNECTIONS: usize = 32;
/// Time between two checks for a connection or the stop signal.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Server {
    listener: TcpListener,
    port: u16,
    page: Arc<Vec<u8>>,
}

impl Server {
    /// Listens on 127.0.0.1, at any free port if `port` is 0.
    pub fn bind(port: u16, page: Vec<u8>) -> anyhow::Result<Self> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        });
        let (listener, port) = bound.with_context(|| {
            format!("cannot listen on 127.0.0.1:{port}: use another port, or --serve without a port for any free one")
        })?;
        Ok(Self { listener, port, page: Arc::new(page) })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until `is_stopped`.
    pub fn run(&self, is_stopped: impl Fn() -> bool) {
        let open = Arc::new(AtomicUsize::new(0));
        while !is_stopped() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
                        open.fetch_sub(1, Ordering::SeqCst);
                        continue;
                    }
                    let (page, port, count) = (Arc::clone(&self.page), self.port, Arc::clone(&open));
                    let answering = std::thread::Builder::new().spawn(move || {
                        // A client may disconnect at any time.
                        let _ = answer(stream, port, &page);
                        count.fetch_sub(1, Ordering::SeqCst);
                    });
                    if answering.is_err() {
                        open.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    std::thread::sleep(POLL_INTERVAL);
                }
                // The client disconnected before it was accepted, or too many files are open: try again later.
                Err(_) => std::thread::sleep(POLL_INTERVAL),
            }
        }
    }
}

fn answer(mut stream: TcpStream, port: u16, page: &[u8]) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    let head = read_head(&mut stream)?;
    let reply = reply(&head, port);
    stream.write_all(reply.head(page.len()).as_bytes())?;
    match reply {
        Reply::Page { with_content: true } => stream.write_all(page)?,
        Reply::Page { .. } | Reply::Refused { is_head: true, .. } => {}
        Reply::Refused { reason, .. } => stream.write_all(format!("{reason}\n").as_bytes())?,
    }
    stream.flush()?;
    stream.shutdown(std::net::Shutdown::Write)
}

/// The bytes up to the empty line; fewer at a timeout, or after [`MAX_HEAD`] bytes.
fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let end = Instant::now() + CLIENT_TIMEOUT;
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > MAX_HEAD {
            return Ok(head);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(head),
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(head);
            }
            Err(error) => return Err(error),
        }
        if head.windows(4).any(|window| window == b"\r\n\r\n") {
            return Ok(head);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Page { with_content: bool },
    Refused { status: &'static str, reason: &'static str, is_head: bool },
}

impl Reply {
    /// Status line and headers.
    fn head(self, page_length: usize) -> String {
        let (status, kind, length) = match self {
            Self::Page { .. } => ("200 OK", "text/html", page_length),
            Self::Refused { status, reason, .. } => (status, "text/plain", reason.len() + 1),
        };
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\n{allow}\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
             Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n\r\n"
        )
    }
}

/// The reply to the head of a request.
fn reply(head: &[u8], port: u16) -> Reply {
    let refused = |status, reason| Reply::Refused { status, reason, is_head: head.starts_with(b"HEAD ") };
    let bad = refused("400 Bad Request", "not an HTTP request");
    let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if head.len() > MAX_HEAD {
            refused("431 Request Header Fields Too Large", "the request is too long")
        } else {
            bad
        };
    };
    let Ok(text) = std::str::from_utf8(&head[..end]) else { return bad };
    let mut lines = text.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let &[method, path, version] = words.as_slice() else { return bad };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return bad;
    }
    let mut hosts = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return bad };
        if name.eq_ignore_ascii_case("host") {
            hosts.push(value.trim_matches([' ', '\t']));
        }
    }
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let is_own = |host: &str| {
        own.iter().any(|own| own.eq_ignore_ascii_case(host)) || port == 80 && host == "127.0.0.1"
    };
    match hosts.as_slice() {
        [host] if is_own(host) => {}
        _ => return refused("403 Forbidden", "this server accepts only the host 127.0.0.1"),
    }
    match (method, path) {
        ("GET" | "HEAD", "/") => Reply::Page { with_content: method == "GET" },
        ("GET" | "HEAD", _) => refused("404 Not Found", "there is only /"),
        _ => refused("405 Method Not Allowed", "only GET and HEAD"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(request: &str) -> &'static str {
        match reply(request.as_bytes(), 8080) {
            Reply::Page { with_content: true } => "page",
            Reply::Page { with_content: false } => "head",
            Reply::Refused { status, .. } => &status[..3],
        }
    }

    #[test]
    fn only_the_page_is_served() {
        let with = |line: &str, host: &str| {
            status(&format!("{line} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n"))
        };
        assert_eq!(with("GET /", "127.0.0.1:8080"), "page");
        assert_eq!(with("HEAD /", "LOCALHOST:8080"), "head");
        assert_eq!(with("GET /favicon.ico", "127.0.0.1:8080"), "404");
        assert_eq!(with("GET /../manifest.json", "127.0.0.1:8080"), "404");
        assert_eq!(with("GET //", "127.0.0.1:8080"), "404");
        assert_eq!(with("POST /", "127.0.0.1:8080"), "405");
        for host in [
            "evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:8080.evil.example",
            "",
            "[::1]:8080",
        ] {
            assert_eq!(with("GET /", host), "403", "{host}");
        }
    }

    #[test]
    fn invalid_requests_are_refused() {
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "403", "no host");
        assert_eq!(
            status("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nHost: 127.0.0.1:8080\r\n\r\n"),
            "403",
            "two"
        );
        assert_eq!(status("GET /\r\n\r\n"), "400");
        assert_eq!(status("GET / HTTP/2\r\nHost: 127.0.0.1:8080\r\n\r\n"), "400");
        assert_eq!(status("GET / HTTP/1.1\r\nnonsense\r\n\r\n"), "400");
        assert_eq!(status("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"), "400", "cut off");
        assert_eq!(status(&"a".repeat(MAX_HEAD + 1)), "431");
        assert_eq!(status(""), "400");
    }

    proptest! {
        #[test]
        fn any_bytes_get_the_page_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in ".{0,40}") {
            let is_page = matches!(reply(&bytes, 8080), Reply::Page { .. });
            prop_assert!(!is_page);
            let request = format!("{line}\r\nHost: 127.0.0.1:8080\r\n\r\n");
            let is_page = matches!(reply(request.as_bytes(), 8080), Reply::Page { .. });
            prop_assert!(!is_page || line.starts_with("GET / HTTP/1.") || line.starts_with("HEAD / HTTP/1."));
        }
    }
}
