//! Models and data of the hub, brought to this machine before a run begins.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::downloads::Downloads;
use super::models::Place;
use super::resolve::{Wanted, WantedData};
use crate::data::{DataCard, FileCard, HubCard, Split};
use crate::hub::{
    CachedFile, FirstUse, FirstUses, Hub, HubError, Kind, Location, Repository, Settings, Watch,
};
use crate::plan::{DataSource, ModelSource, Plan, PlannedModel, PlannedTask};
use crate::record::HubFile;
use crate::run::write_atomically;
use crate::tasks;
use crate::text::hexadecimal;

/// Version of what is made of the hub's files; raised when a form changes.
const FORMS_VERSION: u32 = 1;
/// The files that a model must have.
pub(super) const MODEL_FILES: [&str; 2] = ["config.json", "model.safetensors"];
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

/// A file of the hub as a task reads it: a path below the data directory, and what it is made from.
pub(super) struct Part<'a> {
    pub name: &'a str,
    pub hub: &'a HubCard,
    pub location: Location,
}

/// The hub, its cache, and what is taken from it.
pub(super) struct Remote {
    pub hub: Hub,
    pub watch: Downloads,
    uses: FirstUses,
    /// This program's own cache.
    ours: PathBuf,
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
        let uses = FirstUses::open(&ours.join("hub.lock.json"))?;
        let watch = Downloads::new(quiet);
        Ok(Self { hub: Hub::new(settings)?, watch, uses, ours, files: Vec::new(), checks: false })
    }

    /// The directory of a model in the cache, with all its files.
    pub fn model(&mut self, location: &Location) -> anyhow::Result<PathBuf> {
        let [config, weights] = MODEL_FILES;
        let first = self.file(location, config)?;
        // One commit for all files, even if the branch moves meanwhile.
        let commit = location.at(&first.commit);
        for names in TOKENIZER_FILES {
            let mut found = true;
            for name in names {
                found &= self.hub.fetch_optional(&commit, name, &mut self.watch)?.is_some();
            }
            if found {
                names.iter().try_for_each(|name| self.file(&commit, name).map(|_| ()))?;
                break;
            }
        }
        self.file(&commit, weights).map_err(explain_weights)?;
        let directory = first.path.parent().map(Path::to_owned);
        directory.with_context(|| format!("{} has no directory", first.path.display()))
    }

    /// A directory with the files of the tasks, under the names that their readers look for; nothing else is in it.
    pub fn data(&mut self, tasks: &[PlannedTask]) -> anyhow::Result<PathBuf> {
        let wanted = parts_of(tasks)?;
        let mut found: Vec<(Part<'_>, CachedFile)> = Vec::new();
        for choice in wanted {
            found.extend(self.first_there(choice)?);
        }
        // Named by its content, so that runs of other tasks or states of the hub do not meet in it.
        let mut hasher = Sha256::new_with_prefix(format!("forms {FORMS_VERSION}\n"));
        for (part, file) in &found {
            let content = file
                .digest
                .as_ref()
                .map_or_else(|| format!("{}/{}", file.commit, part.hub.path), ToString::to_string);
            let column = part.hub.column.as_deref().unwrap_or_default();
            hasher.update(format!("{}\t{content}\t{}\t{column}\n", part.name, part.hub.form.as_str()));
        }
        let key = hexadecimal(&hasher.finalize());
        let directory = self.ours.join("data").join(key.get(..16).unwrap_or(&key));
        for (part, file) in found.iter().filter(|(part, _)| !directory.join(part.name).is_file()) {
            put(&directory, part, file)?;
        }
        Ok(directory)
    }

    /// Copies what [`Self::data`] makes into a directory of the user's.
    pub fn data_into(&mut self, tasks: &[PlannedTask], directory: &Path) -> anyhow::Result<()> {
        for choice in parts_of(tasks)? {
            for (part, file) in self.first_there(choice)? {
                put(directory, &part, &file)?;
            }
        }
        Ok(())
    }

    /// Of several places that a file can be made from, the first that the hub has.
    fn first_there<'a>(&mut self, choice: Vec<Vec<Part<'a>>>) -> anyhow::Result<Vec<(Part<'a>, CachedFile)>> {
        let mut missing = None;
        for parts in choice {
            let mut found = Vec::new();
            for part in parts {
                match self.file(&part.location, &part.hub.path) {
                    Ok(file) => found.push((part, file)),
                    Err(error)
                        if matches!(
                            error.downcast_ref(),
                            Some(HubError::Offline { .. } | HubError::NotFound { missing: "file", .. })
                        ) =>
                    {
                        missing.get_or_insert(error);
                        found.clear();
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(missing.unwrap_or_else(|| anyhow::anyhow!("a task has no file on the hub")))
    }

    /// A file of the hub, noted for the manifest and held against its first use.
    fn file(&mut self, location: &Location, path: &str) -> anyhow::Result<CachedFile> {
        let file = if self.checks {
            self.hub.fetch_checked(location, path, &mut self.watch)?
        } else {
            self.hub.fetch(location, path, &mut self.watch)?
        };
        let digest = file.digest.as_ref().map(ToString::to_string);
        let mut first_digest = None;
        if let Some(digest) = &digest {
            let key = format!("{}@{}:{path}", location.repository, location.revision);
            let now = FirstUse { digest: digest.clone(), commit: file.commit.clone() };
            if let Some(first) = self.uses.check(&key, now)? {
                self.watch.note(&format!(
                    "warning: {location}/{path} has changed: {} at its first use here (commit {}), now {digest} (commit \
                     {}); results are not comparable with earlier ones. Delete its entry in {} to accept it",
                    first.digest,
                    first.commit,
                    file.commit,
                    self.uses.path().display()
                ));
                first_digest = Some(first.digest);
            }
        }
        let noted = HubFile {
            repository: location.repository.to_string(),
            revision: location.revision.clone(),
            commit: file.commit.clone(),
            path: path.to_owned(),
            digest,
            first_digest,
        };
        if !self.files.contains(&noted) {
            self.files.push(noted);
        }
        Ok(file)
    }
}

/// What to say of a repository without weights that are read.
fn explain_weights(error: anyhow::Error) -> anyhow::Error {
    if error.downcast_ref().is_some_and(HubError::is_missing_file) {
        return error.context("only repositories with a single model.safetensors are read");
    }
    error
}

/// `GPT2_EVAL_CACHE`, else `XDG_CACHE_HOME/gpt2-eval`, else `~/.cache/gpt2-eval`.
fn own_cache(get: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || path("HOME").or_else(|| path("USERPROFILE"));
    path("GPT2_EVAL_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("gpt2-eval")))
        .or_else(|| home().map(|home| home.join(".cache").join("gpt2-eval")))
}

/// What the tasks need of the hub: for each split of each, the ways to get it, best first, each with its files.
///
/// Examples of few-shot prompts are among it wherever a card has them, so that a result does not depend on what
/// happens to be on a machine. `Err` names the tasks whose data are not on the hub, with what to do.
pub(super) fn parts_of(tasks: &[PlannedTask]) -> anyhow::Result<Vec<Vec<Vec<Part<'static>>>>> {
    let mut wanted = Vec::new();
    let mut seen: Vec<(&str, Split)> = Vec::new();
    let mut by_hand: Vec<String> = Vec::new();
    for planned in tasks {
        let Some(task) = tasks::find(&planned.task) else { continue };
        let card = task.card();
        let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
        let measured = split.unwrap_or(card.data.split);
        let takes_shots = card
            .protocol(&planned.protocol.name)
            .is_some_and(|protocol| protocol.options.iter().any(|option| option == "shots"));
        let examples = DataCard::example_splits(measured)
            .filter(|split| takes_shots && card.data.on_hub(*split).next().is_some())
            .take(1);
        for split in std::iter::once(measured).chain(examples) {
            if seen.contains(&(card.name.as_str(), split)) {
                continue;
            }
            seen.push((&card.name, split));
            let ways: anyhow::Result<Vec<Vec<Part<'_>>>> =
                card.data.on_hub(split).map(|file| parts(&card.data, file)).collect();
            let ways = ways?;
            if ways.is_empty() {
                by_hand.push(by_hand_text(&card.name, &card.data, split));
            } else {
                wanted.push(ways);
            }
        }
    }
    if !by_hand.is_empty() {
        bail!(
            "the hub has no published copy of the data of some tasks that this version knows. Put these files into a \
             directory and name it, for example `--data data`, or leave the tasks out, or use the bundled samples with \
             `--data sample`:{}",
            by_hand.concat()
        );
    }
    Ok(wanted)
}

/// The files of one way to get a split: the file and its companion.
fn parts(data: &DataCard, file: &'static FileCard) -> anyhow::Result<Vec<Part<'static>>> {
    let pairs = [(Some(&file.name), &file.hub), (file.with.as_ref(), &file.with_hub)];
    let pairs = pairs.into_iter().filter_map(|(name, hub)| Some((name?, hub.as_ref()?)));
    pairs
        .map(|(name, hub)| {
            let repository = hub.repository.as_deref().or(data.hub.as_deref()).unwrap_or_default();
            let repository = Repository::new(Kind::Dataset, repository)?;
            let location = Location::new(repository, hub.revision.as_deref().unwrap_or("main"))?;
            Ok(Part { name, hub, location })
        })
        .collect()
}

/// A line for a file that is to be had elsewhere only.
fn by_hand_text(task: &str, data: &DataCard, split: Split) -> String {
    let mut files = data.files.iter().filter(|file| file.split.unwrap_or(data.split) == split);
    let Some(file) = files.next() else {
        return format!("\n  {task}: no file of the split `{}`", split.as_str());
    };
    let sum = file.sha256.as_ref().map(|sum| format!(", sha256 {sum}")).unwrap_or_default();
    format!("\n  data/{}{sum}", file.name)
}

/// Puts a file into the data directory, in the form that its task reads.
fn put(directory: &Path, part: &Part<'_>, file: &CachedFile) -> anyhow::Result<()> {
    let path = directory.join(part.name);
    let place = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(place)?;
    }
    let bytes = std::fs::read(&file.path).with_context(|| format!("cannot read {}", file.path.display()))?;
    let converted = part
        .hub
        .convert(bytes)
        .map_err(|reason| anyhow::anyhow!("{}/{}: {reason}", part.location, part.hub.path))?;
    write_atomically(&path, &converted)?;
    Ok(())
}
