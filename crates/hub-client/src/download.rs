//! Files of the hub: from the cache, else downloaded, verified and added to the cache.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::cache::{CachedFile, Folder, create_parent, lock, lock_blob, remove};
use super::http::{ATTEMPTS, Answer, Client, Method, origin};
use super::repository::{Location, is_commit};
use super::{Digest, HubError, Settings};
use untrusted_input::{clipped, thousands};
use untrusted_input::{is_plain_name, path_below};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 17;

/// Observes downloads, for example for a progress bar.
pub trait Watch {
    /// The download of a file of `bytes` bytes starts or resumes at the byte offset `at`.
    fn begin(&mut self, name: &str, bytes: Option<u64>, at: u64);
    /// `bytes` more bytes arrived.
    fn advance(&mut self, bytes: u64);
    /// The file is complete and verified.
    fn end(&mut self);
    /// A note or warning for the user.
    fn note(&mut self, text: &str);
}

/// A file as the hub announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The commit of the revision.
    pub commit: String,
    /// Name of its content in the cache.
    pub etag: String,
    /// Its length, if the hub announces it.
    pub bytes: Option<u64>,
}

/// The hub and the local cache.
pub struct Hub {
    settings: Settings,
    client: Client,
}

/// A file to download.
struct Download<'a> {
    /// Its name in messages.
    what: &'a str,
    url: &'a str,
    remote: &'a RemoteFile,
    /// Its repository; `None` outside the hub.
    location: Option<&'a Location>,
    /// Path of the incomplete download.
    incomplete: &'a Path,
    /// Path of the verified file.
    complete: &'a Path,
}

/// Outcome of one range request.
enum Outcome {
    /// All announced bytes arrived.
    Complete,
    /// Some bytes are missing, for this reason.
    Interrupted(String),
}

impl Hub {
    /// Sends no request yet. `Err` if the file with certificates cannot be read.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        let client = Client::new(settings.clone())?;
        Ok(Self { settings, client })
    }

    /// Endpoint, cache and the other settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file `path` of a repository if it is in the cache; sends no request.
    pub fn cached(&self, location: &Location, path: &str) -> Option<CachedFile> {
        Folder::new(&self.settings.cache, location).find(&location.revision, path)
    }

    /// Asks the hub for commit, `ETag` and length of a file; downloads nothing.
    pub fn look(
        &self,
        location: &Location,
        path: &str,
        watch: &mut dyn Watch,
    ) -> Result<RemoteFile, HubError> {
        let what = format!("{location}/{path}");
        if self.settings.offline {
            return Err(HubError::Offline { what, cache: self.settings.cache.clone() });
        }
        path_below(Path::new(""), path).map_err(HubError::Invalid)?;
        let url = location.url(&self.settings.endpoint, path);
        let answer = self.client.request(Method::Head, &url, &what, &mut |text| watch.note(text))?;
        self.check_status(&answer, location, &what)?;
        let unexpected = |reason: &str| {
            let reason = format!("{reason}; check whether HF_ENDPOINT is a Hugging Face hub");
            HubError::UnexpectedResponse { what: what.clone(), reason }
        };
        let commit = answer.commit.filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| unexpected("the response has no valid X-Repo-Commit header"))?;
        if location.is_commit() && commit != location.revision {
            return Err(unexpected(&format!(
                "the response is of commit {commit}, expected {}",
                location.revision
            )));
        }
        let etag = answer.etag.filter(|etag| is_plain_name(etag) && etag.len() <= 200);
        let etag = etag.ok_or_else(|| unexpected("the response has no valid ETag header"))?;
        Ok(RemoteFile { commit, etag, bytes: answer.size })
    }

    /// The file `path` of a repository: from the cache, else from the hub. Resumes an interrupted download. The file is
    /// added to the cache only after its length and checksum are verified.
    ///
    /// A branch is looked up on the hub each time. If the hub cannot be reached, the cached commit is used, with a note.
    pub fn fetch(
        &self,
        location: &Location,
        path: &str,
        watch: &mut dyn Watch,
    ) -> Result<CachedFile, HubError> {
        let cached = self.cached(location, path);
        match cached {
            Some(file) if location.is_commit() || self.settings.offline => return Ok(file),
            _ => {}
        }
        let remote = match (self.look(location, path, watch), cached) {
            (Err(error @ (HubError::NoNetwork { .. } | HubError::Server { .. })), Some(file)) => {
                let commit = location.at(&file.commit);
                watch.note(&format!("note: {error}; using the cached {path} of {commit}"));
                return Ok(file);
            }
            (looked, _) => looked?,
        };
        let folder = Folder::new(&self.settings.cache, location);
        let blob = folder.blob(&remote.etag);
        if !is_complete(&blob, &remote) {
            create_parent(&blob)?;
            let _lock = lock_blob(&self.settings.cache, location, &remote.etag)?;
            if !is_complete(&blob, &remote) {
                // By the commit, because the branch may move meanwhile.
                let url = location.at(&remote.commit).url(&self.settings.endpoint, path);
                let (what, incomplete) = (format!("{location}/{path}"), folder.incomplete(&remote.etag));
                let download = Download {
                    what: &what,
                    url: &url,
                    remote: &remote,
                    location: Some(location),
                    incomplete: &incomplete,
                    complete: &blob,
                };
                self.download(&download, watch)?;
            }
        }
        folder.link(&location.revision, &remote.commit, path, &remote.etag)?;
        folder.find(&remote.commit, path).ok_or_else(|| HubError::of_disk(&blob, ErrorKind::NotFound.into()))
    }

    /// [`Self::fetch`] of an optional file; `Ok(None)` if the commit lacks it.
    pub fn fetch_optional(
        &self,
        location: &Location,
        path: &str,
        watch: &mut dyn Watch,
    ) -> Result<Option<CachedFile>, HubError> {
        let folder = Folder::new(&self.settings.cache, location);
        if folder.is_missing(&location.revision, path) {
            return Ok(None);
        }
        match self.fetch(location, path, watch) {
            Err(error) if error.is_missing_file() => {
                if location.is_commit() {
                    folder.note_missing(&location.revision, path)?;
                }
                Ok(None)
            }
            fetched => fetched.map(Some),
        }
    }

    /// [`Self::fetch`], and verifies a cached file's checksum again. A damaged file is downloaded again.
    pub fn fetch_checked(
        &self,
        location: &Location,
        path: &str,
        watch: &mut dyn Watch,
    ) -> Result<CachedFile, HubError> {
        let file = self.fetch(location, path, watch)?;
        let is_intact = |file: &CachedFile| match &file.digest {
            None => Ok(true),
            Some(digest) => digest
                .recompute(&file.path)
                .map(|found| found == *digest)
                .map_err(|error| HubError::of_disk(&file.path, error)),
        };
        if is_intact(&file)? {
            return Ok(file);
        }
        watch.note(&format!("note: {} is damaged; downloading it again", file.path.display()));
        remove(&file.path)?;
        self.fetch(location, path, watch)
    }

    /// Downloads a file outside the hub from `url` to `path`, unless it exists there, and verifies `sha256`, if given.
    pub fn fetch_url(
        &self,
        url: &str,
        sha256: Option<&str>,
        path: &Path,
        watch: &mut dyn Watch,
    ) -> Result<(), HubError> {
        if path.is_file() {
            return Ok(());
        }
        if self.settings.offline {
            let cache = path.parent().unwrap_or(path).to_owned();
            return Err(HubError::Offline { what: url.to_owned(), cache });
        }
        create_parent(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _lock = lock(&path.with_file_name(format!("{name}.lock")))?;
        if path.is_file() {
            return Ok(());
        }
        let etag = sha256.unwrap_or_default().to_owned();
        let incomplete = path.with_file_name(format!("{name}.incomplete"));
        let bytes = self.look_url(url, watch)?;
        let remote = RemoteFile { commit: String::new(), etag, bytes };
        let (incomplete, complete) = (incomplete.as_path(), path);
        self.download(
            &Download { what: url, url, remote: &remote, location: None, incomplete, complete },
            watch,
        )
    }

    /// Length of a file outside the hub, if its host announces it; downloads nothing.
    pub fn look_url(&self, url: &str, watch: &mut dyn Watch) -> Result<Option<u64>, HubError> {
        if self.settings.offline {
            return Err(HubError::Offline { what: url.to_owned(), cache: self.settings.cache.clone() });
        }
        let answer = self.client.request(Method::Head, url, url, &mut |text| watch.note(text))?;
        check_upstream_status(&answer, url)?;
        Ok(answer.size)
    }

    /// `Err` for an error status of the hub.
    fn check_status(&self, answer: &Answer, location: &Location, what: &str) -> Result<(), HubError> {
        let status = answer.response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let code = answer.response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        let not_found = |missing, hint| HubError::NotFound { what: what.to_owned(), missing, hint };
        let has_token = self.settings.token.is_some();
        let no_token = ", or set HF_TOKEN if the repository is private";
        Err(match (status.as_u16(), code.unwrap_or_default()) {
            (401 | 403 | 404, "RepoNotFound") if !has_token => not_found("repository", no_token),
            (404, "RepoNotFound") => not_found("repository", " and the permissions of the token in HF_TOKEN"),
            (404, "RevisionNotFound") => not_found("revision", ""),
            (404, _) => not_found("file", ""),
            (401 | 403, _) => {
                let page = format!("{}/{}", self.settings.endpoint, location.repository.path());
                let hint = if has_token { "; the current token has no access" } else { "" };
                HubError::NoPermission { what: what.to_owned(), status: status.as_u16(), page, hint }
            }
            (status, _) => {
                let reason = format!("HTTP {status}; check whether HF_ENDPOINT is a Hugging Face hub");
                HubError::UnexpectedResponse { what: what.to_owned(), reason }
            }
        })
    }

    /// Downloads a file, resuming after the bytes in `download.incomplete`.
    fn download(&self, download: &Download<'_>, watch: &mut dyn Watch) -> Result<(), HubError> {
        let Download { what, url, remote, incomplete, .. } = *download;
        let on_disk = |error| HubError::of_disk(incomplete, error);
        let mut began_with = length(incomplete);
        watch.begin(what, remote.bytes, began_with);
        let mut attempt = 1;
        loop {
            let before = length(incomplete);
            let is_there = remote.bytes.is_some_and(|bytes| bytes == before);
            let outcome = if is_there { Outcome::Complete } else { self.request_rest(download, watch)? };
            if let Outcome::Interrupted(reason) = outcome {
                // Attempts with progress do not count.
                attempt = if length(incomplete) > before { 1 } else { attempt + 1 };
                if attempt > ATTEMPTS {
                    return Err(HubError::NoNetwork { host: origin(url).to_owned(), reason });
                }
                self.client.wait(attempt, None, &format!("{what}: {reason}"), &mut |text| watch.note(text));
                continue;
            }
            match wrong_checksum(incomplete, remote).map_err(on_disk)? {
                None => break,
                Some((expected, found)) => {
                    std::fs::remove_file(incomplete).map_err(on_disk)?;
                    if began_with == 0 {
                        return Err(HubError::Checksum { what: what.to_owned(), expected, found });
                    }
                    // The part from an earlier download may be of another file.
                    began_with = 0;
                    watch.note(&format!("note: {what}: the checksum of the resumed download is wrong; restarting it from the beginning"));
                    watch.begin(what, remote.bytes, 0);
                }
            }
        }
        File::open(incomplete).and_then(|file| file.sync_all()).map_err(on_disk)?;
        std::fs::rename(incomplete, download.complete).map_err(on_disk)?;
        watch.end();
        Ok(())
    }

    /// Requests the missing bytes and appends them to `download.incomplete` as they arrive.
    fn request_rest(&self, download: &Download<'_>, watch: &mut dyn Watch) -> Result<Outcome, HubError> {
        let Download { what, url, remote, incomplete, .. } = *download;
        let on_disk = |error| HubError::of_disk(incomplete, error);
        let mut file = OpenOptions::new().create(true).append(true).open(incomplete).map_err(on_disk)?;
        let mut have = length(incomplete);
        if remote.bytes.is_some_and(|bytes| have > bytes) {
            file.set_len(0).map_err(on_disk)?;
            have = 0;
        }
        let mut answer = self.client.request(Method::Get(have), url, what, &mut |text| watch.note(text))?;
        if answer.response.status() == 416 {
            file.set_len(0).map_err(on_disk)?;
            return Ok(Outcome::Interrupted(
                "HTTP 416: the file on disk does not match the server's; restarting".to_owned(),
            ));
        }
        match download.location {
            Some(location) => self.check_status(&answer, location, what)?,
            None => check_upstream_status(&answer, what)?,
        }
        let is_rest = answer.response.status() == 206
            && begins_at(
                answer.response.headers().get("content-range").and_then(|range| range.to_str().ok()),
            ) == Some(have);
        if have > 0 && !is_rest {
            // The server sends the whole file or another part.
            file.set_len(0).map_err(on_disk)?;
            watch.begin(what, remote.bytes, 0);
            if answer.response.status() == 206 {
                return Ok(Outcome::Interrupted("the server sent another part than requested".to_owned()));
            }
            have = 0;
        }
        let mut body = answer.response.body_mut().as_reader();
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Outcome::Interrupted(clipped(&error.to_string()))),
            };
            have += count as u64;
            if let Some(bytes) = remote.bytes.filter(|bytes| have > *bytes) {
                drop(file);
                std::fs::remove_file(incomplete).map_err(on_disk)?;
                let expected = format!("{} bytes", thousands(bytes));
                let found = "more bytes".to_owned();
                return Err(HubError::Checksum { what: what.to_owned(), expected, found });
            }
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(on_disk)?;
            watch.advance(count as u64);
        }
        match remote.bytes {
            Some(bytes) if have < bytes => Ok(Outcome::Interrupted(format!(
                "the connection ended after {} of {} bytes",
                thousands(have),
                thousands(bytes)
            ))),
            _ => Ok(Outcome::Complete),
        }
    }
}

/// `Err` for an error status of an upstream host.
fn check_upstream_status(answer: &Answer, url: &str) -> Result<(), HubError> {
    let status = answer.response.status();
    if status.is_success() {
        return Ok(());
    }
    Err(HubError::Gone { url: url.to_owned(), status: status.as_u16() })
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Whether a blob exists with the announced length.
fn is_complete(blob: &Path, remote: &RemoteFile) -> bool {
    std::fs::metadata(blob)
        .is_ok_and(|metadata| metadata.is_file() && remote.bytes.is_none_or(|bytes| bytes == metadata.len()))
}

/// The expected and the found checksum, if they differ.
fn wrong_checksum(path: &Path, remote: &RemoteFile) -> std::io::Result<Option<(String, String)>> {
    let Some(expected) = Digest::of_etag(&remote.etag) else { return Ok(None) };
    let found = expected.recompute(path)?;
    Ok((found != expected).then(|| (expected.to_string(), found.to_string())))
}

/// The first byte of `bytes FIRST-LAST/ALL`.
fn begins_at(range: Option<&str>) -> Option<u64> {
    range?.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
