//! A local server with the part of the hub's protocol that downloads need, and faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

/// The commit of every branch.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A fault that the server shows once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Responds with this status and these headers.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// Ends the connection after this number of bytes of content.
    CutAfter(usize),
    /// Sends other content of the same length.
    Corrupt,
    /// Ignores the requested range and sends everything.
    IgnoreRange,
}

/// A received request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
    /// Whether the store of large files, another host, received it.
    pub at_store: bool,
}

#[derive(Default)]
struct State {
    /// By `REPOSITORY:PATH`; datasets as `datasets/…`.
    files: BTreeMap<String, File>,
    /// By method and path of the file.
    faults: BTreeMap<(String, String), VecDeque<Fault>>,
    seen: Vec<Seen>,
    token: Option<String>,
}

#[derive(Clone)]
struct File {
    content: Vec<u8>,
    etag: String,
    is_large: bool,
}

/// A running server; dropping it stops it.
pub struct HubServer {
    hub: SocketAddr,
    store: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

impl HubServer {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [hub, store] = [&listeners[0], &listeners[1]].map(|listener| listener.local_addr().unwrap());
        for (at_store, listener) in [false, true].into_iter().zip(listeners) {
            let (state, is_over) = (Arc::clone(&state), Arc::clone(&is_over));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || serve(&stream.unwrap(), &state, at_store, store));
                }
            });
        }
        Self { hub, store, state, is_over }
    }

    /// For `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    /// Adds a file in git, whose `ETag` is its blob hash.
    pub fn add_small(&self, repository: &str, path: &str, content: &[u8]) {
        let mut hasher = sha1::Sha1::new();
        hasher.update(format!("blob {}\0", content.len()));
        hasher.update(content);
        self.add(repository, path, content, &hex::encode(hasher.finalize()), false);
    }

    /// Adds a file in large-file storage: its `X-Linked-Etag` is its sha256, and the store has its content.
    pub fn add_large(&self, repository: &str, path: &str, content: &[u8]) {
        self.add(repository, path, content, &hex::encode(Sha256::digest(content)), true);
    }

    /// Adds an upstream file below `/mirror`; `url` has no `https://`.
    pub fn add_plain(&self, url: &str, content: &[u8]) {
        self.add("mirror", url, content, "no-checksum", false);
    }

    fn add(&self, repository: &str, path: &str, content: &[u8], etag: &str, is_large: bool) {
        let file = File { content: content.to_vec(), etag: etag.to_owned(), is_large };
        self.state.lock().unwrap().files.insert(format!("{repository}:{path}"), file);
    }

    /// The next request of this method for `path` gets this fault; each fault is used once.
    pub fn fail(&self, method: &str, path: &str, fault: Fault) {
        let key = (method.to_owned(), path.to_owned());
        self.state.lock().unwrap().faults.entry(key).or_default().push_back(fault);
    }

    /// Refuses requests without this token.
    pub fn demand_token(&self, token: &str) {
        self.state.lock().unwrap().token = Some(token.to_owned());
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Requests for content, at the hub or its store.
    pub fn gets(&self) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|seen| seen.method == "GET" && (seen.at_store || seen.path.starts_with("/api")))
            .collect()
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        for address in [self.hub, self.store] {
            let _ = TcpStream::connect(address);
        }
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>, at_store: bool, store: SocketAddr) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let (mut range, mut authorization) = (None, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "range" => range = Some(value.to_owned()),
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let seen =
        Seen { method: method.clone(), path: path.clone(), range: range.clone(), authorization, at_store };
    // A client may close the connection early.
    let _ = answer(stream, &mut state.lock().unwrap(), seen, store);
}

fn answer(stream: &TcpStream, state: &mut State, seen: Seen, store: SocketAddr) -> std::io::Result<()> {
    let Seen { method, path, range, authorization, at_store } = seen.clone();
    state.seen.push(seen);
    let is_plain = path.starts_with("/mirror/");
    let is_inner = at_store || is_plain || path.starts_with("/api/resolve-cache/");
    // `/REPOSITORY/resolve/REVISION/PATH`, also after `/store` or `/api/resolve-cache`.
    let plain =
        path.trim_start_matches("/store").trim_start_matches("/api/resolve-cache").trim_start_matches('/');
    let plain =
        plain.replace("%2F", "/").replace("mirror/", if is_plain { "mirror/resolve/x/" } else { "mirror/" });
    let Some((repository, rest)) = plain.split_once("/resolve/") else {
        return respond(stream, 404, &[], b"", &method);
    };
    let revision =
        rest.strip_prefix("refs/convert/parquet/").or_else(|| rest.split_once('/').map(|(_, path)| path));
    let name = revision.unwrap_or_default().to_owned();
    // A branch is always the same commit; a commit is itself.
    let first = rest.split('/').next().unwrap_or_default();
    let is_commit = first.len() == 40 && first.bytes().all(|byte| byte.is_ascii_hexdigit());
    let commit = if is_commit { first } else { COMMIT };
    let demanded = state.token.as_ref().filter(|_| !at_store).map(|token| format!("Bearer {token}"));
    if demanded.is_some() && demanded != authorization {
        return respond(stream, 401, &[("X-Error-Code", "GatedRepo")], b"", &method);
    }
    let known = state.files.keys().any(|key| key.starts_with(&format!("{repository}:")));
    let Some(file) = state.files.get(&format!("{repository}:{name}")).cloned() else {
        let code = if known { "EntryNotFound" } else { "RepoNotFound" };
        let status = if known || is_plain { 404 } else { 401 };
        return respond(stream, status, &[("X-Error-Code", code), ("X-Repo-Commit", commit)], b"", &method);
    };
    let content_is_next = is_inner || method == "HEAD";
    let faults = state
        .faults
        .get_mut(&(method.clone(), name))
        .filter(|_| content_is_next && !(is_inner && method == "HEAD"));
    let fault = faults.and_then(VecDeque::pop_front);
    if let Some(Fault::Status(status, headers)) = &fault {
        return respond(stream, *status, headers, b"", &method);
    }
    let size = file.content.len().to_string();
    let quoted = format!("\"{}\"", file.etag);
    if !is_inner && file.is_large {
        let location = format!("http://{store}/store{path}");
        let headers = [
            ("Location", location.as_str()),
            ("X-Repo-Commit", commit),
            ("X-Linked-Etag", &quoted),
            ("X-Linked-Size", &size),
        ];
        return respond(stream, 302, &headers, b"", &method);
    }
    if !is_inner {
        let location = format!("/api/resolve-cache{path}");
        let headers = [("Location", location.as_str()), ("X-Repo-Commit", commit)];
        return respond(stream, 307, &headers, b"", &method);
    }
    let mut content = file.content.clone();
    let from =
        range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok());
    let from: usize = if matches!(fault, Some(Fault::IgnoreRange)) { 0 } else { from.unwrap_or(0) };
    if from > 0 && from >= content.len() {
        return respond(stream, 416, &[], b"", &method);
    }
    if matches!(fault, Some(Fault::Corrupt)) {
        let last = content.last_mut().unwrap();
        *last = last.wrapping_add(1);
    }
    let content_range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
    let mut headers = vec![("ETag", quoted.as_str()), ("Accept-Ranges", "bytes")];
    if from > 0 {
        headers.push(("Content-Range", &content_range));
    }
    let status = if from > 0 { 206 } else { 200 };
    let body = &content[from..];
    if let Some(Fault::CutAfter(bytes)) = fault {
        return respond_part(stream, status, &headers, body, bytes.min(body.len()), &method);
    }
    respond(stream, status, &headers, body, &method)
}

fn respond(
    stream: &TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    method: &str,
) -> std::io::Result<()> {
    respond_part(stream, status, headers, body, body.len(), method)
}

fn respond_part(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    sent: usize,
    method: &str,
) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&body[..sent])?;
    }
    stream.flush()?;
    stream.shutdown(std::net::Shutdown::Write)
}
