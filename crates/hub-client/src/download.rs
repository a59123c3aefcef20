//! Files of the hub: looked for in the cache, else downloaded, checked, and put there.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::cache::{CachedFile, Folder, lock, lock_blob, make_room_for, remove};
use super::http::{ATTEMPTS, Answer, Client, Method, origin};
use super::repository::{Location, is_commit};
use super::{Digest, HubError, Settings};
use untrusted_input::{clipped, thousands};
use untrusted_input::{is_plain_name, path_below};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 17;

/// Sees how a download goes on.
pub trait Watch {
    /// A file of so many bytes begins, or goes on behind `at` of them.
    fn begin(&mut self, name: &str, bytes: Option<u64>, at: u64);
    /// So many bytes more.
    fn advance(&mut self, bytes: u64);
    /// The file is whole.
    fn end(&mut self);
    /// Something that the user should know.
    fn note(&mut self, text: &str);
}

/// What the hub says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The commit that the revision is.
    pub commit: String,
    /// Name of its content in the cache.
    pub etag: String,
    /// Its length, where the hub tells.
    pub bytes: Option<u64>,
}

/// The hub, with its cache on this disk.
pub struct Hub {
    settings: Settings,
    client: Client,
}

/// Content that is to come.
struct Wanted<'a> {
    /// Its name in messages.
    what: &'a str,
    url: &'a str,
    remote: &'a RemoteFile,
    /// The repository it is of; none outside the hub.
    location: Option<&'a Location>,
    /// Where it grows.
    incomplete: &'a Path,
    /// Where it lies when it is whole.
    whole: &'a Path,
}

/// What came of one request for content.
enum Part {
    /// As much as was announced.
    All,
    /// Less, because of this.
    BrokenOff(String),
}

impl Hub {
    /// A hub that is reached as `settings` say. Nothing is asked of it yet.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        let client = Client::new(settings.clone())?;
        Ok(Self { settings, client })
    }

    /// How it is reached.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file `path` of a repository if it is in the cache; nothing is asked of the hub.
    pub fn cached(&self, location: &Location, path: &str) -> Option<CachedFile> {
        Folder::new(&self.settings.cache, location).find(&location.revision, path)
    }

    /// What the hub says of a file; nothing is downloaded. `Err` says why it cannot be had.
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
        path_below(Path::new(""), path).map_err(HubError::Name)?;
        let url = location.url(&self.settings.endpoint, path);
        let answer = self.client.ask(Method::Head, &url, &what, &mut |text| watch.note(text))?;
        self.refuse_errors(&answer, location, &what)?;
        let odd = |reason: &str| {
            let reason = format!("{reason}; is HF_ENDPOINT a Hugging Face hub?");
            HubError::Odd { what: what.clone(), reason }
        };
        let commit = answer.commit.filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| odd("an answer without X-Repo-Commit"))?;
        if location.is_commit() && commit != location.revision {
            return Err(odd(&format!("an answer of the commit {commit}, which was not asked for")));
        }
        let etag = answer.etag.filter(|etag| is_plain_name(etag) && etag.len() <= 200);
        let etag = etag.ok_or_else(|| odd("an answer without ETag"))?;
        Ok(RemoteFile { commit, etag, bytes: answer.size })
    }

    /// The file `path` of a repository: from the cache, else from the hub. What was downloaded of it before is
    /// continued, and nothing is taken for the file before its length and sum are right.
    ///
    /// A branch is looked up on the hub each time; if that cannot be reached, the state that is in the cache is taken,
    /// with a note.
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
                watch.note(&format!("note: {error}; {path} is taken from the cache, where it is {commit}"));
                return Ok(file);
            }
            (looked, _) => looked?,
        };
        let folder = Folder::new(&self.settings.cache, location);
        let blob = folder.blob(&remote.etag);
        if !is_whole(&blob, &remote) {
            make_room_for(&blob)?;
            let _lock = lock_blob(&self.settings.cache, location, &remote.etag)?;
            if !is_whole(&blob, &remote) {
                // Of the commit: the branch may move meanwhile.
                let url = location.at(&remote.commit).url(&self.settings.endpoint, path);
                let (what, incomplete) = (format!("{location}/{path}"), folder.incomplete(&remote.etag));
                let wanted = Wanted {
                    what: &what,
                    url: &url,
                    remote: &remote,
                    location: Some(location),
                    incomplete: &incomplete,
                    whole: &blob,
                };
                self.download(&wanted, watch)?;
            }
        }
        folder.link(&location.revision, &remote.commit, path, &remote.etag)?;
        folder.find(&remote.commit, path).ok_or_else(|| HubError::of_disk(&blob, ErrorKind::NotFound.into()))
    }

    /// [`Self::fetch`] of a file that a commit need not have; `Ok(None)` if it has none.
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

    /// [`Self::fetch`], and the sum of what was in the cache already, too; a file that is damaged is fetched again.
    pub fn fetch_checked(
        &self,
        location: &Location,
        path: &str,
        watch: &mut dyn Watch,
    ) -> Result<CachedFile, HubError> {
        let file = self.fetch(location, path, watch)?;
        let sound = |file: &CachedFile| match &file.digest {
            None => Ok(true),
            Some(digest) => digest
                .again(&file.path)
                .map(|found| found == *digest)
                .map_err(|error| HubError::of_disk(&file.path, error)),
        };
        if sound(&file)? {
            return Ok(file);
        }
        watch.note(&format!("note: {} is damaged and is fetched again", file.path.display()));
        remove(&file.path)?;
        self.fetch(location, path, watch)
    }

    /// A file outside the hub, such as its makers have put it on the web, at `path`: what is there already, else
    /// downloaded from `url` and held against `sha256`, if that is known.
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
        make_room_for(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _lock = lock(&path.with_file_name(format!("{name}.lock")))?;
        if path.is_file() {
            return Ok(());
        }
        let etag = sha256.unwrap_or_default().to_owned();
        let incomplete = path.with_file_name(format!("{name}.incomplete"));
        let bytes = self.look_url(url, watch)?;
        let remote = RemoteFile { commit: String::new(), etag, bytes };
        let (incomplete, whole) = (incomplete.as_path(), path);
        self.download(&Wanted { what: url, url, remote: &remote, location: None, incomplete, whole }, watch)
    }

    /// The length of a file outside the hub, where its host tells; nothing is downloaded. `Err` if it cannot be had.
    pub fn look_url(&self, url: &str, watch: &mut dyn Watch) -> Result<Option<u64>, HubError> {
        if self.settings.offline {
            return Err(HubError::Offline { what: url.to_owned(), cache: self.settings.cache.clone() });
        }
        let answer = self.client.ask(Method::Head, url, url, &mut |text| watch.note(text))?;
        refuse_errors_elsewhere(&answer, url)?;
        Ok(answer.size)
    }

    /// `Err` for an answer that is an error.
    fn refuse_errors(&self, answer: &Answer, location: &Location, what: &str) -> Result<(), HubError> {
        let status = answer.response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let code = answer.response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        let not_found = |missing, hint| HubError::NotFound { what: what.to_owned(), missing, hint };
        let has_token = self.settings.token.is_some();
        let no_token = ", or set HF_TOKEN if it is a private one";
        Err(match (status.as_u16(), code.unwrap_or_default()) {
            (401 | 403 | 404, "RepoNotFound") if !has_token => not_found("repository", no_token),
            (404, "RepoNotFound") => not_found("repository", " and what the token in HF_TOKEN may read"),
            (404, "RevisionNotFound") => not_found("revision", ""),
            (404, _) => not_found("file", ""),
            (401 | 403, _) => {
                let page = format!("{}/{}", self.settings.endpoint, location.repository.path());
                let hint = if has_token { "; the present one may not" } else { "" };
                HubError::NoPermission { what: what.to_owned(), status: status.as_u16(), page, hint }
            }
            (status, _) => {
                let reason = format!("HTTP {status}; is HF_ENDPOINT a Hugging Face hub?");
                HubError::Odd { what: what.to_owned(), reason }
            }
        })
    }

    /// Downloads content, behind what is there of it.
    fn download(&self, wanted: &Wanted<'_>, watch: &mut dyn Watch) -> Result<(), HubError> {
        let Wanted { what, url, remote, incomplete, .. } = *wanted;
        let on_disk = |error| HubError::of_disk(incomplete, error);
        let mut began_with = length(incomplete);
        watch.begin(what, remote.bytes, began_with);
        let mut attempt = 1;
        loop {
            let before = length(incomplete);
            let is_there = remote.bytes.is_some_and(|bytes| bytes == before);
            let part = if is_there { Part::All } else { self.part(wanted, watch)? };
            if let Part::BrokenOff(reason) = part {
                // A try that brought something is none in vain.
                attempt = if length(incomplete) > before { 1 } else { attempt + 1 };
                if attempt > ATTEMPTS {
                    return Err(HubError::NoNetwork { host: origin(url).to_owned(), reason });
                }
                self.client.wait(attempt, None, &format!("{what}: {reason}"), &mut |text| watch.note(text));
                continue;
            }
            match wrong_sum(incomplete, remote).map_err(on_disk)? {
                None => break,
                Some((expected, found)) => {
                    std::fs::remove_file(incomplete).map_err(on_disk)?;
                    if began_with == 0 {
                        return Err(HubError::Checksum { what: what.to_owned(), expected, found });
                    }
                    // What was there before may be of something else.
                    began_with = 0;
                    watch.note(&format!("note: {what}: the part that was here did not fit; beginning anew"));
                    watch.begin(what, remote.bytes, 0);
                }
            }
        }
        File::open(incomplete).and_then(|file| file.sync_all()).map_err(on_disk)?;
        std::fs::rename(incomplete, wanted.whole).map_err(on_disk)?;
        watch.end();
        Ok(())
    }

    /// One request for what is missing, written as it comes.
    fn part(&self, wanted: &Wanted<'_>, watch: &mut dyn Watch) -> Result<Part, HubError> {
        let Wanted { what, url, remote, incomplete, .. } = *wanted;
        let on_disk = |error| HubError::of_disk(incomplete, error);
        let mut file = OpenOptions::new().create(true).append(true).open(incomplete).map_err(on_disk)?;
        let mut have = length(incomplete);
        if remote.bytes.is_some_and(|bytes| have > bytes) {
            file.set_len(0).map_err(on_disk)?;
            have = 0;
        }
        let mut answer = self.client.ask(Method::Get(have), url, what, &mut |text| watch.note(text))?;
        if answer.response.status() == 416 {
            file.set_len(0).map_err(on_disk)?;
            return Ok(Part::BrokenOff("HTTP 416: the part that was here did not fit".to_owned()));
        }
        match wanted.location {
            Some(location) => self.refuse_errors(&answer, location, what)?,
            None => refuse_errors_elsewhere(&answer, what)?,
        }
        let is_rest = answer.response.status() == 206
            && begins_at(
                answer.response.headers().get("content-range").and_then(|range| range.to_str().ok()),
            ) == Some(have);
        if have > 0 && !is_rest {
            // All of it comes, not the rest.
            file.set_len(0).map_err(on_disk)?;
            watch.begin(what, remote.bytes, 0);
            if answer.response.status() == 206 {
                return Ok(Part::BrokenOff("another part than the one that was asked for".to_owned()));
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
                Err(error) => return Ok(Part::BrokenOff(clipped(&error.to_string()))),
            };
            have += count as u64;
            if let Some(bytes) = remote.bytes.filter(|bytes| have > *bytes) {
                drop(file);
                std::fs::remove_file(incomplete).map_err(on_disk)?;
                let expected = format!("{} bytes", thousands(bytes));
                let found = "more".to_owned();
                return Err(HubError::Checksum { what: what.to_owned(), expected, found });
            }
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(on_disk)?;
            watch.advance(count as u64);
        }
        match remote.bytes {
            Some(bytes) if have < bytes => Ok(Part::BrokenOff(format!(
                "the connection ended after {} of {} bytes",
                thousands(have),
                thousands(bytes)
            ))),
            _ => Ok(Part::All),
        }
    }
}

/// `Err` for an answer that is an error, of a place that is not the hub.
fn refuse_errors_elsewhere(answer: &Answer, url: &str) -> Result<(), HubError> {
    let status = answer.response.status();
    if status.is_success() {
        return Ok(());
    }
    Err(HubError::Gone { url: url.to_owned(), status: status.as_u16() })
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Whether a blob is there, with the length that the hub says.
fn is_whole(blob: &Path, remote: &RemoteFile) -> bool {
    std::fs::metadata(blob)
        .is_ok_and(|metadata| metadata.is_file() && remote.bytes.is_none_or(|bytes| bytes == metadata.len()))
}

/// The sum that was expected and the one that was found, if they differ.
fn wrong_sum(path: &Path, remote: &RemoteFile) -> std::io::Result<Option<(String, String)>> {
    let Some(expected) = Digest::of_etag(&remote.etag) else { return Ok(None) };
    let found = expected.again(path)?;
    Ok((found != expected).then(|| (expected.to_string(), found.to_string())))
}

/// The first byte of `bytes FIRST-LAST/ALL`.
fn begins_at(range: Option<&str>) -> Option<u64> {
    range?.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
