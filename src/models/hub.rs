//! Checkpoints of the Hugging Face hub.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use super::PAPER_SIZES;
use crate::download::{Downloads, ListedFile};
use gpt2_model::adapter_message;
use hub_client::{HubError, Kind, Location};
use untrusted_input::{clipped, is_plain_name, read_bounded};

const CONFIG_FILE: &str = "config.json";
const ADAPTER_CONFIG_FILE: &str = "adapter_config.json";
const SAFETENSORS_FILE: &str = "model.safetensors";
/// Weight files in order of preference; an index names the files of a checkpoint in several parts.
const WEIGHT_FILES: [&str; 4] =
    [SAFETENSORS_FILE, "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// Tokenizer files in order of preference; a repository without any uses GPT-2's tokenizer.
const TOKENIZER_FILES: [&[&str]; 2] = [&["tokenizer.json"], &["vocab.json", "merges.txt"]];
/// Files that change what a tokenizer does, or say where a text begins and ends.
const SIDE_FILES: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json"];
/// Maximum bytes of an index of weights.
const MAX_INDEX_BYTES: u64 = 10_000_000;

/// Downloads a model and returns its directory in the hub's cache.
pub(crate) fn download(location: &Location, downloads: &mut Downloads) -> anyhow::Result<PathBuf> {
    let old_name = cached_under_old_name(location, downloads)?;
    let location = old_name.as_ref().unwrap_or(location);
    let config = match downloads.hub_file(location, CONFIG_FILE, None) {
        Err(error) if error.downcast_ref().is_some_and(HubError::is_missing_file) => {
            return Err(adapter(location, downloads)?.unwrap_or(error));
        }
        config => config?,
    };
    // One commit for all files, even if the branch moves meanwhile.
    let commit = location.at(&config.commit);
    for names in TOKENIZER_FILES {
        let mut all = true;
        for name in names {
            all &= downloads.optional_file(&commit, name)?.is_some();
        }
        if all {
            names.iter().try_for_each(|name| downloads.hub_file(&commit, name, None).map(drop))?;
            break;
        }
    }
    for name in SIDE_FILES {
        match downloads.optional_file(&commit, name) {
            Ok(Some(_)) => drop(downloads.hub_file(&commit, name, None)?),
            // Another program may have filled the cache without them.
            Ok(None) | Err(HubError::Offline { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let size = PAPER_SIZES.iter().find(|size| {
        [size.location(), size.old_location()]
            .into_iter()
            .any(|known| known.is_ok_and(|known| known == commit))
    });
    for name in weight_files(&commit, downloads)? {
        let pinned = size.filter(|_| name == SAFETENSORS_FILE).map(|size| size.sha256);
        downloads.hub_file(&commit, &name, pinned)?;
    }
    let directory = config.path.parent().map(Path::to_owned);
    directory.with_context(|| format!("{} has no directory", config.path.display()))
}

/// The error of a repository with an adapter instead of a model.
fn adapter(location: &Location, downloads: &mut Downloads) -> anyhow::Result<Option<anyhow::Error>> {
    let config = downloads.optional_file(location, ADAPTER_CONFIG_FILE)?;
    let directory = config.as_ref().and_then(|config| config.path.parent());
    Ok(directory.map(|directory| anyhow!("{location}: {}", adapter_message(directory))))
}

/// The files of a model with their lengths.
pub(crate) fn list(location: &Location, downloads: &mut Downloads) -> anyhow::Result<Vec<ListedFile>> {
    let mut listed = Vec::new();
    listed.extend(downloads.list_hub_file(location, CONFIG_FILE)?);
    for name in weight_files(location, downloads)? {
        listed.extend(downloads.list_hub_file(location, &name)?);
    }
    for names in TOKENIZER_FILES {
        let count = listed.len();
        for name in names {
            listed.extend(downloads.list_hub_file(location, name)?);
        }
        if listed.len() == count + names.len() {
            break;
        }
    }
    for name in SIDE_FILES {
        listed.extend(downloads.list_hub_file(location, name)?);
    }
    Ok(listed)
}

/// Files of a model that are not in the cache.
pub(crate) struct Missing {
    pub files: Vec<String>,
    /// Whether the configuration is cached, but no tokenizer.
    pub is_tokenizer_missing: bool,
}

pub(crate) fn missing(location: &Location, downloads: &Downloads) -> Missing {
    let old_name = cached_under_old_name(location, downloads).ok().flatten();
    let location = old_name.as_ref().unwrap_or(location);
    let is_cached = |name: &str| downloads.cached(location, name).is_some();
    let mut files = Vec::new();
    if !is_cached(CONFIG_FILE) {
        files.push(format!("{location}/{CONFIG_FILE}"));
    }
    if !WEIGHT_FILES.into_iter().any(is_cached) {
        files.push(format!("{location}/{SAFETENSORS_FILE}"));
    }
    let has_tokenizer = TOKENIZER_FILES.iter().any(|names| names.iter().all(|name| is_cached(name)));
    Missing { files, is_tokenizer_missing: is_cached(CONFIG_FILE) && !has_tokenizer }
}

/// Asks the hub for the commit of a repository's main branch.
pub(crate) fn current_commit(repository: &str, downloads: &mut Downloads) -> Result<String, HubError> {
    let location = Location::parse(Kind::Model, repository)?;
    downloads.look(&location, CONFIG_FILE).map(|found| found.commit)
}

/// Copies the files of the downloaded model in `from` that are read.
pub(crate) fn copy(
    location: &Location,
    from: &Path,
    to: &Path,
    downloads: &mut Downloads,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot write {}", to.display()))?;
    let weights = weight_files(location, downloads)?;
    let names = weights.iter().map(String::as_str).chain([CONFIG_FILE]);
    let names = names.chain(TOKENIZER_FILES.into_iter().flatten().copied()).chain(SIDE_FILES);
    for name in names.filter(|name| from.join(name).is_file()) {
        let target = to.join(name);
        std::fs::copy(from.join(name), &target)
            .with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

/// Location of one of the paper's models under its old name, if the cache has it only there.
fn cached_under_old_name(location: &Location, downloads: &Downloads) -> anyhow::Result<Option<Location>> {
    let is_cached = |location: &Location| {
        [CONFIG_FILE, SAFETENSORS_FILE].iter().all(|name| downloads.cached(location, name).is_some())
    };
    let is_known = |known: anyhow::Result<Location>| known.is_ok_and(|known| known == *location);
    let Some(size) = PAPER_SIZES.iter().find(|size| is_known(size.location())) else { return Ok(None) };
    let old = size.old_location()?;
    Ok(Some(old).filter(|old| !is_cached(location) && is_cached(old)))
}

/// Names of the weight files: one, or an index and the files that it names. Downloads an index, but no weights.
fn weight_files(location: &Location, downloads: &mut Downloads) -> anyhow::Result<Vec<String>> {
    for name in WEIGHT_FILES {
        if !name.ends_with(".index.json") {
            if downloads.cached(location, name).is_some() || is_on_hub(location, name, downloads)? {
                return Ok(vec![name.to_owned()]);
            }
        } else if let Some(index) = downloads.optional_file(location, name)? {
            let mut names = vec![name.to_owned()];
            names.extend(files_of_index(&index.path)?);
            return Ok(names);
        }
    }
    if downloads.settings().offline {
        let cache = downloads.settings().cache.clone();
        return Err(HubError::Offline { what: format!("{location}/{SAFETENSORS_FILE}"), cache }.into());
    }
    bail!("{location}: the repository has no supported weights: expected one of {}", WEIGHT_FILES.join(", "))
}

fn is_on_hub(location: &Location, name: &str, downloads: &mut Downloads) -> anyhow::Result<bool> {
    match downloads.look(location, name) {
        Ok(_) => Ok(true),
        Err(HubError::NotFound { missing: "file", .. } | HubError::Offline { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The files that an index of weights names, each once.
fn files_of_index(path: &Path) -> anyhow::Result<Vec<String>> {
    let invalid = || format!("{}: not an index of weights", path.display());
    let bytes = read_bounded(path, MAX_INDEX_BYTES).with_context(invalid)?;
    let index: serde_json::Value = serde_json::from_slice(&bytes).with_context(invalid)?;
    let map = index.get("weight_map").and_then(serde_json::Value::as_object).with_context(invalid)?;
    let mut names: Vec<String> = map.values().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
        bail!("{}: `{}` is not the name of a file in the same directory", path.display(), clipped(name));
    }
    Ok(names)
}
