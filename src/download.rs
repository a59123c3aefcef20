//! Downloads into the caches of this machine. Checksums are pinned on first use in `hub.lock.json`, and every file is
//! noted for the manifest.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};

use crate::record::HubFile;
use hub_client::{CachedFile, Digest, Hub, HubError, Location, Pin, Pins, RemoteFile, Settings, Watch};

/// The hub client, this program's own cache, and the files used so far.
pub(crate) struct Downloads {
    hub: Hub,
    watch: Box<dyn Watch>,
    pins: Pins,
    /// This program's own cache.
    cache: PathBuf,
    /// Base URL that serves upstream files as `MIRROR/HOST/PATH`.
    mirror: Option<String>,
    /// Whether a file with another sha256 than the published one is used, with a warning.
    accepts_other_files: bool,
    /// Whether checksums of cached files are computed again.
    rechecks_cache: bool,
    used: Vec<HubFile>,
}

/// A file that a run needs.
#[derive(Clone)]
pub(crate) struct ListedFile {
    pub name: String,
    pub bytes: Option<u64>,
    pub is_cached: bool,
    /// Whether its checksum is known before the download.
    pub is_pinned: bool,
}

impl Downloads {
    /// Reads the settings from the environment.
    pub fn new(offline: bool, watch: Box<dyn Watch>) -> anyhow::Result<Self> {
        let get = |name: &str| std::env::var(name).ok();
        let mut settings = Settings::from_environment(&get)?;
        settings.offline |= offline;
        let cache = cache_directory(&get)
            .context("no directory for this program's cache: set GPT2_EVAL_CACHE to a directory")?;
        let mirror = get("GPT2_EVAL_MIRROR").map(|mirror| mirror.trim_end_matches('/').to_owned());
        Ok(Self {
            hub: Hub::new(settings)?,
            watch,
            pins: Pins::open(&cache.join("hub.lock.json"))?,
            cache,
            mirror: mirror.filter(|mirror| !mirror.is_empty()),
            accepts_other_files: get("GPT2_EVAL_OTHER_FILES").is_some_and(|value| value == "1"),
            rechecks_cache: false,
            used: Vec::new(),
        })
    }

    /// From now on, checksums of cached files are computed again.
    pub fn recheck_cache(&mut self) {
        self.rechecks_cache = true;
    }

    pub fn settings(&self) -> &Settings {
        self.hub.settings()
    }

    /// This program's own cache.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The files used so far, for the manifest.
    pub fn into_used(self) -> Vec<HubFile> {
        self.used
    }

    pub fn cached(&self, location: &Location, path: &str) -> Option<CachedFile> {
        self.hub.cached(location, path)
    }

    /// Asks the hub for commit and length of a file.
    pub fn look(&mut self, location: &Location, path: &str) -> Result<RemoteFile, HubError> {
        self.hub.look(location, path, self.watch.as_mut())
    }

    /// Downloads a file of the hub without noting it; `Ok(None)` if the repository has no such file.
    pub fn optional_file(&mut self, location: &Location, path: &str) -> Result<Option<CachedFile>, HubError> {
        self.hub.fetch_optional(location, path, self.watch.as_mut())
    }

    /// Downloads a file of the hub. `Err` if its sha256 is not `sha256`, unless such files are accepted.
    pub fn hub_file(
        &mut self,
        location: &Location,
        path: &str,
        sha256: Option<&str>,
    ) -> anyhow::Result<CachedFile> {
        let file = if self.rechecks_cache {
            self.hub.fetch_checked(location, path, self.watch.as_mut())?
        } else {
            self.hub.fetch(location, path, self.watch.as_mut())?
        };
        if let Some(expected) = sha256
            && let found = sha256_of(&file)?
            && found != expected
        {
            let what = format!(
                "{location}/{path}: sha256 is {found}, but the published file has {expected}: this is another file"
            );
            if !self.accepts_other_files {
                bail!(
                    "{what}; check whether HF_ENDPOINT is a mirror, or set GPT2_EVAL_OTHER_FILES=1 to use the file anyway"
                );
            }
            self.watch.note(&format!("warning: {what}"));
        }
        let used = HubFile {
            repository: location.repository.to_string(),
            revision: location.revision.clone(),
            commit: file.commit.clone(),
            path: path.to_owned(),
            checksum: file.digest.as_ref().map(ToString::to_string),
            pinned_checksum: None,
        };
        self.note_used(used, &format!("{}@{}:{path}", location.repository, location.revision))?;
        Ok(file)
    }

    /// A file of the hub with its length; `None` if the repository has no such file.
    pub fn list_hub_file(&mut self, location: &Location, path: &str) -> Result<Option<ListedFile>, HubError> {
        let name = format!("{location}/{path}");
        let listed = |bytes, is_cached| ListedFile { name, bytes, is_cached, is_pinned: true };
        if self.settings().offline {
            return Ok(self.cached(location, path).map(|file| listed(Some(file.bytes), true)));
        }
        match self.look(location, path) {
            Ok(found) => {
                let is_cached = self.cached(&location.at(&found.commit), path).is_some();
                Ok(Some(listed(found.bytes, is_cached)))
            }
            Err(HubError::NotFound { missing: "file", .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the download of an upstream file is cached.
    pub fn upstream_path(&self, url: &str, sha256: Option<&str>) -> PathBuf {
        let key = hex::encode(Sha256::digest(url));
        let folder = sha256.unwrap_or(&key);
        let name = url.rsplit('/').next().unwrap_or_default();
        let directory = self.cache.join("downloads").join(folder.get(..16).unwrap_or(folder));
        let path = directory.join(name);
        if sha256.is_none() || path.is_file() {
            return path;
        }
        // Another host may have the same file under another name.
        complete_download(&directory).unwrap_or(path)
    }

    /// Downloads an upstream file. Returns its path and its checksum, such as `sha256 01ab…`.
    pub fn upstream_file(&mut self, url: &str, sha256: Option<&str>) -> anyhow::Result<(PathBuf, String)> {
        let path = self.upstream_path(url, sha256);
        self.hub.fetch_url(&self.mirrored(url), sha256, &path, self.watch.as_mut())?;
        let digest = match sha256 {
            Some(sha256) if !self.rechecks_cache => format!("sha256 {sha256}"),
            _ => Digest::sha256_of(&path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .to_string(),
        };
        if let Some(sha256) = sha256.filter(|sha256| digest != format!("sha256 {sha256}")) {
            std::fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
            bail!(
                "{} is damaged ({digest}, expected sha256 {sha256}) and was deleted: run the same command again",
                path.display()
            );
        }
        let (origin, rest) = split_url(url);
        let used = HubFile {
            repository: origin.to_owned(),
            revision: String::new(),
            commit: String::new(),
            path: rest.to_owned(),
            checksum: Some(digest.clone()),
            pinned_checksum: None,
        };
        self.note_used(used, url)?;
        Ok((path, digest))
    }

    /// Asks the host of an upstream file for its length.
    pub fn look_upstream(&mut self, url: &str) -> Result<Option<u64>, HubError> {
        self.hub.look_url(&self.mirrored(url), self.watch.as_mut())
    }

    /// The URL with the mirror instead of its host, if there is a mirror.
    fn mirrored(&self, url: &str) -> String {
        let (origin, rest) = split_url(url);
        match &self.mirror {
            Some(mirror) => format!("{mirror}/{}/{rest}", origin.rsplit('/').next().unwrap_or_default()),
            None => url.to_owned(),
        }
    }

    /// Notes a file for the manifest and compares its checksum with the one pinned as `key` on first use.
    fn note_used(&mut self, mut used: HubFile, key: &str) -> anyhow::Result<()> {
        if let Some(digest) = &used.checksum {
            let now = Pin { digest: digest.clone(), commit: used.commit.clone() };
            if let Some(first) = self.pins.check(key, now)? {
                self.watch.note(&format!(
                    "warning: {key} has changed: {} at its first use here (commit {}), now {digest} (commit {}); results \
                     are not comparable with earlier ones. Delete its entry in {} to accept it",
                    first.digest,
                    first.commit,
                    used.commit,
                    self.pins.path().display()
                ));
                used.pinned_checksum = Some(first.digest);
            }
        }
        if !self.used.contains(&used) {
            self.used.push(used);
        }
        Ok(())
    }
}

/// sha256 of a file of the hub, as the hub announced it or computed.
pub(crate) fn sha256_of(file: &CachedFile) -> anyhow::Result<String> {
    let digest = match &file.digest {
        Some(digest @ Digest::Sha256(_)) => digest.clone(),
        _ => Digest::sha256_of(&file.path).with_context(|| format!("cannot read {}", file.path.display()))?,
    };
    Ok(digest.value().to_owned())
}

/// The first complete file of a directory of downloads, by name.
fn complete_download(directory: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let is_complete = |path: &PathBuf| {
        let is_own = path.extension().is_some_and(|ending| ending == "lock" || ending == "incomplete");
        !is_own && path.is_file()
    };
    entries.filter(is_complete).min()
}

/// Scheme and host of a URL, and the path without its first slash.
fn split_url(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
    (url.get(..end).unwrap_or(url), url.get(end + 1..).unwrap_or_default())
}

/// `GPT2_EVAL_CACHE`, else `XDG_CACHE_HOME/gpt2-eval`, else `~/.cache/gpt2-eval`.
fn cache_directory(get: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || path("HOME").or_else(|| path("USERPROFILE"));
    path("GPT2_EVAL_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("gpt2-eval")))
        .or_else(|| home().map(|home| home.join(".cache").join("gpt2-eval")))
}
