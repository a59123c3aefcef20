//! Models and data of the hub, brought to this machine before a run begins.

mod originals;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};

use super::downloads::Downloads;
use super::models::{PAPER_SIZES, Place};
use super::parts::{From, Part, Way, parts_of, put};
use super::resolve::{Wanted, WantedData};
use crate::plan::{DataSource, ModelSource, Plan, PlannedModel, PlannedTask};
use crate::record::HubFile;
use hub_client::{CachedFile, Digest, FirstUse, FirstUses, Hub, HubError, Location, Settings, Watch};
use untrusted_input::clipped;
use untrusted_input::{is_plain_name, read_bounded};

/// Version of what is made of the hub's files; raised when a form changes.
const FORMS_VERSION: u32 = 1;
/// What every model's repository has.
pub(super) const CONFIG_FILE: &str = "config.json";
/// Files of weights, in order of preference.
pub(super) const WEIGHT_FILES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// Most bytes of an index of weights.
const MAX_INDEX_BYTES: u64 = 10_000_000;
/// Files of a tokenizer, in order of preference; without any it is GPT-2's own.
pub(super) const TOKENIZER_FILES: [&[&str]; 2] = [&["tokenizer.json"], &["vocab.json", "merges.txt"]];

/// The plan with everything on this machine, and the files of the hub that it uses.
pub(super) fn bring(wanted: Wanted, offline: bool, quiet: bool) -> anyhow::Result<(Plan, Vec<HubFile>)> {
    let Wanted { models, data, mut plan } = wanted;
    let is_on_hub = |model: &super::models::WantedModel| matches!(model.place, Place::Hub(_));
    if data != WantedData::Hub && !models.iter().any(is_on_hub) {
        // Whatever is wrong with the settings of the hub, it is no matter here.
        if let WantedData::Source(source) = data {
            plan.data = source;
        }
        for model in models {
            let source = match model.place {
                Place::Directory(directory) => ModelSource::Directory(directory),
                Place::Bundled | Place::Hub(_) => ModelSource::Bundled,
            };
            plan.models.push(PlannedModel { label: model.label, source });
        }
        return Ok((plan, Vec::new()));
    }
    let mut remote = Remote::new(offline, quiet)?;
    // Data first: they are small, and what is wrong with them shows before gigabytes have come.
    plan.data = match data {
        WantedData::Source(source) => source,
        WantedData::Hub => DataSource::Directory(remote.data(&plan.tasks)?),
    };
    for model in models {
        let source = match model.place {
            Place::Bundled => ModelSource::Bundled,
            Place::Directory(directory) => ModelSource::Directory(directory),
            Place::Hub(location) => ModelSource::Directory(
                remote.model(&location).with_context(|| format!("model {}", model.label))?,
            ),
        };
        plan.models.push(PlannedModel { label: model.label, source });
    }
    Ok((plan, remote.files))
}

/// The hub, its cache, and what is taken from it.
pub(super) struct Remote {
    pub hub: Hub,
    pub watch: Downloads,
    uses: FirstUses,
    /// This program's own cache.
    ours: PathBuf,
    /// Where files outside the hub are taken from instead of their own hosts: `MIRROR/HOST/PATH`.
    mirror: Option<String>,
    /// Whether files that are not those that cards pin are taken, with a warning.
    takes_other_files: bool,
    files: Vec<HubFile>,
    /// Whether the sums of what is in the cache are computed, too.
    pub checks: bool,
}

impl Remote {
    /// As the environment says.
    pub fn new(offline: bool, quiet: bool) -> anyhow::Result<Self> {
        let get = |name: &str| std::env::var(name).ok();
        let mut settings = Settings::from_environment(&get)?;
        settings.offline |= offline;
        let ours = own_cache(&get)
            .context("no place for this program's cache: set GPT2_EVAL_CACHE to a directory")?;
        let mirror = get("GPT2_EVAL_MIRROR").map(|mirror| mirror.trim_end_matches('/').to_owned());
        let mirror = mirror.filter(|mirror| !mirror.is_empty());
        let takes_other_files = get("GPT2_EVAL_OTHER_FILES").is_some_and(|value| value == "1");
        let uses = FirstUses::open(&ours.join("hub.lock.json"))?;
        let watch = Downloads::new(quiet);
        Ok(Self {
            hub: Hub::new(settings)?,
            watch,
            uses,
            ours,
            mirror,
            takes_other_files,
            files: Vec::new(),
            checks: false,
        })
    }

    /// The directory of a model in the cache, with all its files.
    pub fn model(&mut self, location: &Location) -> anyhow::Result<PathBuf> {
        if let Some(location) = self.under_old_name(location)? {
            return self.model(&location);
        }
        let first = self.file(location, CONFIG_FILE, None)?;
        // One commit for all files, even if the branch moves meanwhile.
        let commit = location.at(&first.commit);
        for names in TOKENIZER_FILES {
            let mut found = true;
            for name in names {
                found &= self.hub.fetch_optional(&commit, name, &mut self.watch)?.is_some();
            }
            if found {
                names.iter().try_for_each(|name| self.file(&commit, name, None).map(|_| ()))?;
                break;
            }
        }
        let size = PAPER_SIZES.iter().find(|size| {
            [size.location(), size.old_location()]
                .into_iter()
                .any(|known| known.is_ok_and(|known| known == commit))
        });
        for name in self.weights(&commit)? {
            let pinned = size.filter(|_| name == "model.safetensors").map(|size| size.sha256);
            self.file(&commit, &name, pinned)?;
        }
        let directory = first.path.parent().map(Path::to_owned);
        directory.with_context(|| format!("{} has no directory", first.path.display()))
    }

    /// Where the cache has one of the paper's models under its old name, if it does not have it under the new one.
    pub fn under_old_name(&self, location: &Location) -> anyhow::Result<Option<Location>> {
        let [config, weights] = [CONFIG_FILE, "model.safetensors"];
        let has = |location: &Location| {
            [config, weights].iter().all(|name| self.hub.cached(location, name).is_some())
        };
        let Some(size) =
            PAPER_SIZES.iter().find(|size| size.location().is_ok_and(|known| known == *location))
        else {
            return Ok(None);
        };
        let old = size.old_location()?;
        Ok(Some(old).filter(|old| !has(location) && has(old)))
    }

    /// The files of a model's weights: one, or an index and what it names. An index is fetched, nothing else.
    pub fn weights(&mut self, location: &Location) -> anyhow::Result<Vec<String>> {
        for name in WEIGHT_FILES {
            if !name.ends_with(".index.json") {
                let is_here = self.hub.cached(location, name).is_some();
                if is_here || self.has(location, name)? {
                    return Ok(vec![name.to_owned()]);
                }
            } else if let Some(index) = self.hub.fetch_optional(location, name, &mut self.watch)? {
                let mut names = vec![name.to_owned()];
                names.extend(files_of_index(&index.path)?);
                return Ok(names);
            }
        }
        let first = WEIGHT_FILES.first().copied().unwrap_or_default();
        if self.hub.settings().offline {
            let cache = self.hub.settings().cache.clone();
            return Err(HubError::Offline { what: format!("{location}/{first}"), cache }.into());
        }
        bail!(
            "{location}: the repository has no weights that are read: expected one of {}",
            WEIGHT_FILES.join(", ")
        )
    }

    fn has(&mut self, location: &Location, name: &str) -> anyhow::Result<bool> {
        match self.hub.look(location, name, &mut self.watch) {
            Ok(_) => Ok(true),
            Err(HubError::NotFound { missing: "file", .. } | HubError::Offline { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A directory with the files of the tasks, under the names that their readers look for; nothing else is in it.
    pub fn data(&mut self, tasks: &[PlannedTask]) -> anyhow::Result<PathBuf> {
        let mut found = Vec::new();
        for ways in parts_of(tasks)? {
            found.extend(self.first_there(ways)?);
        }
        // Named by its content, so that runs of other tasks or states of the hub do not meet in it.
        let mut hasher = Sha256::new_with_prefix(format!("forms {FORMS_VERSION}\n"));
        for (part, file) in &found {
            let how = match &part.from {
                From::Hub { config, .. } => {
                    format!("{}\t{}", config.form.as_str(), config.column.as_deref().unwrap_or_default())
                }
                From::Original(original) => original.member.clone().unwrap_or_default(),
            };
            hasher.update(format!("{}\t{}\t{how}\n", part.name, file.content));
        }
        let key = hex::encode(hasher.finalize());
        let directory = self.ours.join("data").join(key.get(..16).unwrap_or(&key));
        for (part, file) in found.iter().filter(|(part, _)| !directory.join(part.name).is_file()) {
            put(&directory, part, &file.path, file.is_pinned)?;
        }
        Ok(directory)
    }

    /// Copies what [`Self::data`] makes into a directory of the user's.
    pub fn data_into(&mut self, tasks: &[PlannedTask], directory: &Path) -> anyhow::Result<()> {
        for ways in parts_of(tasks)? {
            for (part, file) in self.first_there(ways)? {
                put(directory, &part, &file.path, file.is_pinned)?;
            }
        }
        Ok(())
    }

    /// Whether a file need not be downloaded any more.
    pub fn is_here(&self, from: &From) -> bool {
        match from {
            From::Hub { config, location } => self.hub.cached(location, &config.path).is_some(),
            From::Original(original) => self.place_of(original).is_file(),
        }
    }

    /// Of several ways to get a split, the first that is open.
    fn first_there(&mut self, ways: Vec<Way>) -> anyhow::Result<Vec<(Part, Fetched)>> {
        let mut first_error = None;
        for way in ways {
            let is_hub = matches!(way.first().map(|part| &part.from), Some(From::Hub { .. }));
            match way.into_iter().map(|part| self.bring(&part).map(|file| (part, file))).collect() {
                Ok(found) => return Ok(found),
                Err(error) => {
                    let is_closed =
                        error.downcast_ref().is_some_and(|error: &HubError| is_closed(error, is_hub));
                    if !is_closed {
                        return Err(error);
                    }
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or_else(|| anyhow::anyhow!("a task has no file to download")))
    }

    fn bring(&mut self, part: &Part) -> anyhow::Result<Fetched> {
        match &part.from {
            From::Hub { config, location } => {
                let file = self.file(location, &config.path, config.sha256.as_deref())?;
                let content = file
                    .digest
                    .as_ref()
                    .map_or_else(|| format!("{}/{}", file.commit, config.path), ToString::to_string);
                let is_pinned = match &config.sha256 {
                    Some(pinned) => sha256_of(&file)? == *pinned,
                    None => false,
                };
                Ok(Fetched { path: file.path, is_pinned, content })
            }
            From::Original(original) => self.original(original),
        }
    }

    /// A file of the hub, noted for the manifest and held against its first use.
    fn file(&mut self, location: &Location, path: &str, sha256: Option<&str>) -> anyhow::Result<CachedFile> {
        let file = if self.checks {
            self.hub.fetch_checked(location, path, &mut self.watch)?
        } else {
            self.hub.fetch(location, path, &mut self.watch)?
        };
        if let Some(expected) = sha256
            && let found = sha256_of(&file)?
            && found != expected
        {
            let what = format!(
                "{location}/{path}: its sha256 is {found}, and {expected} is the published file's: this is another file"
            );
            if !self.takes_other_files {
                bail!(
                    "{what}; is HF_ENDPOINT a mirror of your own? Set GPT2_EVAL_OTHER_FILES=1 to measure with what it has"
                );
            }
            self.watch.note(&format!("warning: {what}"));
        }
        let noted = HubFile {
            repository: location.repository.to_string(),
            revision: location.revision.clone(),
            commit: file.commit.clone(),
            path: path.to_owned(),
            digest: file.digest.as_ref().map(ToString::to_string),
            first_digest: None,
        };
        self.note(noted, &format!("{}@{}:{path}", location.repository, location.revision))?;
        Ok(file)
    }

    /// Notes a file for the manifest; one that has changed since its first use is pointed out.
    fn note(&mut self, mut noted: HubFile, key: &str) -> anyhow::Result<()> {
        if let Some(digest) = &noted.digest {
            let now = FirstUse { digest: digest.clone(), commit: noted.commit.clone() };
            if let Some(first) = self.uses.check(key, now)? {
                self.watch.note(&format!(
                    "warning: {key} has changed: {} at its first use here (commit {}), now {digest} (commit {}); results \
                     are not comparable with earlier ones. Delete its entry in {} to accept it",
                    first.digest,
                    first.commit,
                    noted.commit,
                    self.uses.path().display()
                ));
                noted.first_digest = Some(first.digest);
            }
        }
        if !self.files.contains(&noted) {
            self.files.push(noted);
        }
        Ok(())
    }
}

/// sha256 of a file of the hub, as the hub says or as it is.
fn sha256_of(file: &CachedFile) -> anyhow::Result<String> {
    let digest = match &file.digest {
        Some(digest @ Digest::Sha256(_)) => digest.clone(),
        _ => Digest::sha256_of(&file.path).with_context(|| format!("cannot read {}", file.path.display()))?,
    };
    Ok(digest.value().to_owned())
}

/// Whether an error says no more than that this is not the way to get a file.
fn is_closed(error: &HubError, is_hub: bool) -> bool {
    match error {
        HubError::Offline { .. }
        | HubError::NotFound { .. }
        | HubError::NoPermission { .. }
        | HubError::Gone { .. } => true,
        // Each of the makers' hosts may be down by itself; the hub is one for all.
        HubError::NoNetwork { .. } | HubError::Server { .. } | HubError::Checksum { .. } => !is_hub,
        _ => false,
    }
}

/// A file that was downloaded.
struct Fetched {
    path: PathBuf,
    /// Whether it is what the card pins.
    is_pinned: bool,
    /// Its sum, or what else tells its content from others.
    content: String,
}

/// The files that an index of weights names, each once; plain names only.
fn files_of_index(path: &Path) -> anyhow::Result<Vec<String>> {
    let wrong = || format!("{}: not an index of weights", path.display());
    let bytes = read_bounded(path, MAX_INDEX_BYTES).with_context(wrong)?;
    let index: serde_json::Value = serde_json::from_slice(&bytes).with_context(wrong)?;
    let map = index.get("weight_map").and_then(serde_json::Value::as_object).with_context(wrong)?;
    let mut names: Vec<String> = map.values().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
        bail!("{}: `{}` is no name of a file beside it", path.display(), clipped(name));
    }
    Ok(names)
}

/// `GPT2_EVAL_CACHE`, else `XDG_CACHE_HOME/gpt2-eval`, else `~/.cache/gpt2-eval`.
fn own_cache(get: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || path("HOME").or_else(|| path("USERPROFILE"));
    path("GPT2_EVAL_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("gpt2-eval")))
        .or_else(|| home().map(|home| home.join(".cache").join("gpt2-eval")))
}
