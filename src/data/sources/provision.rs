//! Downloads data sets: chooses a source for each split, downloads its files, and converts them into a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};

use super::directory::{VerifiedFile, VerifiedFiles};
use super::{HubConfig, UpstreamConfig};
use crate::data::{DataConfig, FileConfig, Split};
use crate::download::{Downloads, ListedFile, sha256_of};
use hub_client::{Digest, HubError, Kind, Location, Repository};
use untrusted_input::{write_atomically, write_atomically_with};

/// Version of the conversions; raised when the result of one changes.
const FORMS_VERSION: u32 = 1;

/// A split of a task's data that a run needs.
pub(crate) struct Needed {
    pub task: &'static str,
    pub data: &'static DataConfig,
    pub split: Split,
    /// Protocols of a task may need different files.
    pub protocol: &'static str,
}

/// Where a file is published.
enum Publisher {
    Hub { config: &'static HubConfig, location: Location },
    Upstream(&'static UpstreamConfig),
}

/// A file of the data directory and where it is published.
struct SourceFile {
    /// Path below the data directory.
    name: &'static str,
    publisher: Publisher,
}

/// A dataset source of a split: the file, and its companion if it has one.
type DatasetSource = Vec<SourceFile>;

impl Publisher {
    /// The sha256 that the task config pins.
    fn sha256(&self) -> Option<&str> {
        match self {
            Self::Hub { config, .. } => config.sha256.as_deref(),
            Self::Upstream(config) => config.sha256.as_deref(),
        }
    }

    /// The file's name in messages.
    fn name(&self) -> String {
        match self {
            Self::Hub { config, location } => format!("{location}/{}", config.path),
            Self::Upstream(config) => config.url.clone(),
        }
    }

    fn is_cached(&self, downloads: &Downloads) -> bool {
        match self {
            Self::Hub { config, location } => downloads.cached(location, &config.path).is_some(),
            Self::Upstream(config) => {
                downloads.upstream_path(&config.url, config.sha256.as_deref()).is_file()
            }
        }
    }

    /// The file with its length; `None` if it is not in the cache and downloads are off.
    fn list(&self, downloads: &mut Downloads) -> Result<Option<ListedFile>, HubError> {
        let is_pinned = self.sha256().is_some();
        let listed = match self {
            Self::Hub { config, location } => downloads.list_hub_file(location, &config.path),
            Self::Upstream(config) => {
                let is_cached = self.is_cached(downloads);
                let length = if is_cached { Ok(None) } else { downloads.look_upstream(&config.url) };
                length.map(|bytes| {
                    let bytes = bytes.or(config.bytes);
                    Some(ListedFile { name: config.url.clone(), bytes, is_cached, is_pinned })
                })
            }
        };
        listed.map(|listed| listed.map(|listed| ListedFile { is_pinned, ..listed }))
    }

    /// Whether `error` says that another source has to be tried.
    fn is_unavailable(&self, error: &HubError) -> bool {
        match error {
            HubError::Offline { .. }
            | HubError::NotFound { .. }
            | HubError::NoPermission { .. }
            | HubError::Gone { .. }
            // One host may be down while others are up.
            | HubError::NoNetwork { .. } => true,
            HubError::Server { .. } | HubError::Checksum { .. } => matches!(self, Self::Upstream(_)),
            _ => false,
        }
    }
}

/// The dataset sources of every split, in order of preference: those with pinned checksums first, the hub before
/// upstream files. `Err` names the tasks whose data cannot be downloaded, with what to do.
fn sources_of(needed: &[Needed]) -> anyhow::Result<Vec<Vec<DatasetSource>>> {
    let mut splits = Vec::new();
    let mut by_hand = String::new();
    for needed in needed {
        let files = || needed.data.downloads(needed.split, needed.protocol);
        let hub = files().filter(|file| file.hub.is_some()).map(|file| hub_source(needed.data, file));
        let upstream = files().filter_map(upstream_source).map(Ok);
        let mut sources = hub.chain(upstream).collect::<anyhow::Result<Vec<DatasetSource>>>()?;
        if sources.is_empty() {
            by_hand.push_str(&by_hand_line(needed));
        }
        // The sort is stable.
        sources.sort_by_key(|source| !source.iter().all(|file| file.publisher.sha256().is_some()));
        splits.push(sources);
    }
    if !by_hand.is_empty() {
        bail!(
            "no dataset source is known for some tasks. Put these files into a directory and pass it with --data, for \
             example `--data data`; or leave the tasks out; or use the bundled samples with `--data sample`:{by_hand}"
        );
    }
    Ok(splits)
}

fn hub_source(data: &DataConfig, file: &'static FileConfig) -> anyhow::Result<DatasetSource> {
    let pairs = [(Some(&file.name), &file.hub), (file.with.as_ref(), &file.with_hub)];
    let pairs = pairs.into_iter().filter_map(|(name, hub)| Some((name?, hub.as_ref()?)));
    pairs
        .map(|(name, config)| {
            let repository = config.repository.as_deref().or(data.hub.as_deref()).unwrap_or_default();
            let repository = Repository::new(Kind::Dataset, repository)?;
            let location = Location::new(repository, config.revision.as_deref().unwrap_or("main"))?;
            Ok(SourceFile { name, publisher: Publisher::Hub { config, location } })
        })
        .collect()
}

fn upstream_source(file: &'static FileConfig) -> Option<DatasetSource> {
    let first = SourceFile { name: &file.name, publisher: Publisher::Upstream(file.upstream.as_ref()?) };
    let Some(name) = &file.with else { return Some(vec![first]) };
    let publisher = Publisher::Upstream(file.with_upstream.as_ref()?);
    Some(vec![first, SourceFile { name, publisher }])
}

/// A line for a split that has no dataset source.
fn by_hand_line(needed: &Needed) -> String {
    let mut files = needed.data.of_split(&needed.data.files, needed.split);
    let Some(file) = files.find(|file| file.is_for(needed.protocol)) else {
        return format!("\n  {}: no file of the split `{}`", needed.task, needed.split.as_str());
    };
    let sha256 = file.sha256.as_ref().map(|sha256| format!(", sha256 {sha256}")).unwrap_or_default();
    format!("\n  data/{}{sha256}", file.name)
}

/// The files of the first available source of every split, with their lengths, each once. `Err` has the reason of the first
/// source where none is available.
pub(crate) fn list(needed: &[Needed], downloads: &mut Downloads) -> anyhow::Result<Vec<ListedFile>> {
    let mut known: BTreeMap<String, Option<ListedFile>> = BTreeMap::new();
    let mut listed: Vec<ListedFile> = Vec::new();
    for sources in sources_of(needed)? {
        let mut reason = None;
        let mut found = None;
        for source in sources {
            match list_source(&source, &mut known, downloads)? {
                Ok(files) => found = found.or(files),
                Err(error) => reason = reason.or(Some(error)),
            }
            if found.is_some() {
                break;
            }
        }
        match (found, reason) {
            (Some(files), _) => listed.extend(files),
            (None, Some(reason)) => return Err(reason.into()),
            (None, None) => {}
        }
    }
    Ok(listed)
}

/// The files of a source; `None` if one is not in the cache and downloads are off, the inner `Err` if one is unavailable.
/// Files that are `known` are not asked for again.
fn list_source(
    source: &DatasetSource,
    known: &mut BTreeMap<String, Option<ListedFile>>,
    downloads: &mut Downloads,
) -> Result<Result<Option<Vec<ListedFile>>, HubError>, HubError> {
    let mut files = Vec::new();
    for file in source {
        let name = file.publisher.name();
        if !known.contains_key(&name) {
            match file.publisher.list(downloads) {
                Ok(listed) => known.insert(name.clone(), listed),
                Err(error) if file.publisher.is_unavailable(&error) => return Ok(Err(error)),
                Err(error) => return Err(error),
            };
        }
        match known.get(&name) {
            Some(Some(listed)) => files.push(listed.clone()),
            _ => return Ok(Ok(None)),
        }
    }
    Ok(Ok(Some(files)))
}

/// Names of files that would be downloaded.
pub(crate) fn missing(needed: &[Needed], downloads: &Downloads) -> anyhow::Result<Vec<String>> {
    let is_cached = |source: &DatasetSource| source.iter().all(|file| file.publisher.is_cached(downloads));
    let splits = sources_of(needed)?.into_iter().filter(|sources| !sources.iter().any(is_cached));
    Ok(splits.filter_map(|sources| Some(sources.first()?.first()?.publisher.name())).collect())
}

/// Downloaded files of data sets.
pub(crate) struct Provision(Vec<Downloaded>);

struct Downloaded {
    file: SourceFile,
    path: PathBuf,
    /// Whether it has the sha256 that the task config pins.
    is_pinned: bool,
    /// Identifies the content: its checksum, or commit and path.
    content: String,
}

impl Provision {
    /// Downloads the first available source of every split.
    pub fn download(needed: &[Needed], downloads: &mut Downloads) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        let mut failed = BTreeMap::new();
        for sources in sources_of(needed)? {
            files.extend(first_available(sources, &mut failed, downloads)?);
        }
        Ok(Self(files))
    }

    /// The directory in this program's cache with these files under the names that tasks read, and no others.
    pub fn cached_directory(&self, downloads: &Downloads) -> anyhow::Result<PathBuf> {
        // Its name is a hash of its content, so that runs with other tasks or revisions have other directories.
        let mut hasher = Sha256::new_with_prefix(format!("forms {FORMS_VERSION}\n"));
        for Downloaded { file, content, .. } in &self.0 {
            let conversion = match &file.publisher {
                Publisher::Hub { config, .. } => {
                    format!("{}\t{}", config.form.as_str(), config.column.as_deref().unwrap_or_default())
                }
                Publisher::Upstream(config) => config.member.clone().unwrap_or_default(),
            };
            hasher.update(format!("{}\t{content}\t{conversion}\n", file.name));
        }
        let key = hex::encode(hasher.finalize());
        let directory = downloads.cache().join("data").join(key.get(..16).unwrap_or(&key));
        for downloaded in self.0.iter().filter(|one| !directory.join(one.file.name).is_file()) {
            downloaded.put_into(&directory)?;
        }
        Ok(directory)
    }

    /// Converts the files into `directory`.
    pub fn put_into(&self, directory: &Path) -> anyhow::Result<()> {
        self.0.iter().try_for_each(|downloaded| downloaded.put_into(directory))
    }
}

/// The files of the first source that has them. `failed` has the reasons of files that were not available before; an
/// archive of two tasks is not tried twice.
fn first_available(
    sources: Vec<DatasetSource>,
    failed: &mut BTreeMap<String, String>,
    downloads: &mut Downloads,
) -> anyhow::Result<Vec<Downloaded>> {
    let mut errors: Vec<anyhow::Error> = Vec::new();
    for source in sources {
        let mut files = Vec::new();
        let mut unavailable = None;
        for file in source {
            let name = file.publisher.name();
            if let Some(reason) = failed.get(&name) {
                unavailable = Some(anyhow::anyhow!("{reason}"));
                break;
            }
            match download(&file.publisher, downloads) {
                Ok((path, is_pinned, content)) => files.push(Downloaded { file, path, is_pinned, content }),
                Err(error) => {
                    let known: Option<&HubError> = error.downcast_ref();
                    if !known.is_some_and(|error| file.publisher.is_unavailable(error)) {
                        return Err(error);
                    }
                    failed.insert(name, format!("{error:#}"));
                    unavailable = Some(error);
                    break;
                }
            }
        }
        match unavailable {
            None => return Ok(files),
            Some(error) => errors.push(error),
        }
    }
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { bail!("a task has no file to download") };
    // Each reason once; the first is of the preferred source.
    let mut reasons = vec![format!("{first:#}")];
    for error in errors {
        let reason = format!("{error:#}");
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Err(if reasons.len() == 1 { first } else { anyhow::anyhow!(reasons.join("\nanother source: ")) })
}

/// Path of the download, whether it is the pinned file, and what identifies its content.
fn download(publisher: &Publisher, downloads: &mut Downloads) -> anyhow::Result<(PathBuf, bool, String)> {
    let pinned = publisher.sha256();
    match publisher {
        Publisher::Hub { config, location } => {
            let file = downloads.hub_file(location, &config.path, pinned)?;
            let content = match &file.digest {
                Some(digest) => digest.to_string(),
                None => format!("{}/{}", file.commit, config.path),
            };
            let is_pinned = match pinned {
                Some(pinned) => sha256_of(&file)? == pinned,
                None => false,
            };
            Ok((file.path, is_pinned, content))
        }
        Publisher::Upstream(config) => {
            let (path, digest) = downloads.upstream_file(&config.url, pinned)?;
            Ok((path, pinned.is_some(), digest))
        }
    }
}

impl Downloaded {
    /// Converts the download into the file that its task reads.
    fn put_into(&self, directory: &Path) -> anyhow::Result<()> {
        let path = directory.join(self.file.name);
        let cannot_write = || format!("cannot write {}", path.display());
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).with_context(cannot_write)?;
        let invalid = |reason: String| anyhow::anyhow!("{}: {reason}", self.file.publisher.name());
        match &self.file.publisher {
            Publisher::Hub { config, .. } => {
                let bytes = std::fs::read(&self.path)
                    .with_context(|| format!("cannot read {}", self.path.display()))?;
                let converted = config.convert(bytes).map_err(invalid)?;
                write_atomically(&path, &converted).with_context(cannot_write)?;
            }
            Publisher::Upstream(config) => {
                let extract = |out: &mut _| config.extract(&self.path, out).map_err(invalid);
                write_atomically_with(&path, extract).map_err(|error: anyhow::Error| {
                    if error.is::<std::io::Error>() { error.context(cannot_write()) } else { error }
                })?;
            }
        }
        if self.is_pinned { self.note_verified(directory, &path) } else { Ok(()) }
    }

    /// Notes in `verified.json` that the file at `path` was made from the pinned download.
    fn note_verified(&self, directory: &Path, path: &Path) -> anyhow::Result<()> {
        let publisher = &self.file.publisher;
        let Some(source_sha256) = publisher.sha256().map(str::to_owned) else { return Ok(()) };
        let digest = Digest::sha256_of(path).with_context(|| format!("cannot read {}", path.display()))?;
        let sha256 = digest.value().to_owned();
        let mut files = VerifiedFiles::read(directory);
        files.insert(self.file.name, VerifiedFile { sha256, source: publisher.name(), source_sha256 });
        let (path, json) = files.to_file(directory)?;
        write_atomically(&path, &json).with_context(|| format!("cannot write {}", path.display()))
    }
}
