//! `gpt2-eval fetch`.

use std::path::Path;

use anyhow::{Context, bail};

use super::arguments::FetchArguments;
use super::doctor::{free_space, gigabytes};
use super::downloads::size;
use super::models::{Place, WantedModel, models_of};
use super::parts::{From, parts_of};
use super::remote::{CONFIG_FILE, Remote, TOKENIZER_FILES};
use super::resolve::{set_split, tasks_of};
use crate::tasks::Registry;
use hub_client::{HubError, Location};
use untrusted_input::thousands;

/// One file as it stands in the list.
pub(super) struct Listed {
    pub place: String,
    pub bytes: Option<u64>,
    pub is_here: bool,
    /// Whether its sha256 is known beforehand.
    pub is_pinned: bool,
}

/// Lists what a run needs with its size, brings it, checks it, and says where it is.
pub(super) fn fetch(arguments: &FetchArguments) -> anyhow::Result<String> {
    let mut tasks = tasks_of(&arguments.tasks, &Registry::default())?;
    if let Some(split) = &arguments.split {
        set_split(&mut tasks, split, &Registry::default())?;
    }
    // What is in `models/` already is to be fetched all the same: it is what the user asks for.
    let models = models_of(&arguments.sizes, &arguments.model, None)?;
    let models: Vec<(&str, &Location)> = models
        .iter()
        .filter_map(|WantedModel { label, place }| match place {
            Place::Hub(location) => Some((label.as_str(), location)),
            Place::Bundled | Place::Directory(_) => None,
        })
        .collect();
    if tasks.is_empty() && models.is_empty() {
        bail!(
            "nothing to fetch: say what with --tasks or --sizes, for example `gpt2-eval fetch --tasks lambada --sizes 117M`"
        );
    }
    let mut remote = Remote::new(false, arguments.quiet)?;
    let wanted = parts_of(&tasks)?;
    let mut listed: Vec<Listed> = Vec::new();
    for ways in &wanted {
        for way in ways {
            let mut of_way = Vec::new();
            for part in way {
                of_way.extend(list_part(&mut remote, &part.from)?);
            }
            if of_way.len() == way.len() {
                listed.append(&mut of_way);
                break;
            }
        }
    }
    for (_, location) in &models {
        listed.extend(list(&mut remote, location, CONFIG_FILE)?);
        for name in remote.weights(location)? {
            listed.extend(list(&mut remote, location, &name)?);
        }
        for names in TOKENIZER_FILES {
            let mut of_tokenizer = Vec::new();
            for name in names {
                of_tokenizer.extend(list(&mut remote, location, name)?);
            }
            let all = of_tokenizer.len() == names.len();
            listed.append(&mut of_tokenizer);
            if all {
                break;
            }
        }
    }
    super::say(&table(&mut listed));
    let to_come: u64 = listed.iter().filter(|file| !file.is_here).filter_map(|file| file.bytes).sum();
    let cache = &remote.hub.settings().cache;
    if let Some(free) = free_space(cache).filter(|free| *free < to_come) {
        bail!(
            "{} are to come and the disk of {} has {} free: make room, or name another place with HF_HUB_CACHE",
            gigabytes(to_come),
            cache.display(),
            gigabytes(free)
        );
    }
    remote.checks = true;
    let mut text = String::new();
    if !tasks.is_empty() {
        let directory = remote.data(&tasks)?;
        text.push_str(&format!("data    {}\n", directory.display()));
    }
    let mut places = Vec::new();
    for (label, location) in models {
        let directory = remote.model(location).with_context(|| format!("model {label}"))?;
        text.push_str(&format!("{label:<7} {}\n", directory.display()));
        places.push((label, directory, remote.weights(location)?));
    }
    if let Some(out) = &arguments.out {
        if !tasks.is_empty() {
            remote.data_into(&tasks, &out.join("data"))?;
        }
        for (label, directory, weights) in &places {
            copy_model(directory, &out.join("models").join(label), weights)?;
        }
        text.push_str(&format!("copies  {}: use --data {0}/data --models-dir {0}/models\n", out.display()));
    }
    text.push_str("all is checked; the same --tasks and --sizes work with --offline now\n");
    Ok(text)
}

/// A file with its size; `None` if the hub has no such file.
fn list_part(remote: &mut Remote, from: &From) -> anyhow::Result<Option<Listed>> {
    match from {
        From::Hub { config, location } => match list(remote, location, &config.path) {
            Ok(listed) => Ok(listed.map(|listed| Listed { is_pinned: config.sha256.is_some(), ..listed })),
            Err(error)
                if matches!(
                    error.downcast_ref(),
                    Some(HubError::NotFound { .. } | HubError::NoPermission { .. })
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        },
        From::Original(original) => remote.look_original(original),
    }
}

/// A file of the hub with its size; `None` if the hub has no such file, or if that was found before.
fn list(remote: &mut Remote, location: &Location, path: &str) -> anyhow::Result<Option<Listed>> {
    let place = format!("{location}/{path}");
    if remote.hub.settings().offline {
        let cached = remote.hub.cached(location, path);
        return Ok(cached.map(|file| Listed {
            place,
            bytes: Some(file.bytes),
            is_here: true,
            is_pinned: true,
        }));
    }
    match remote.hub.look(location, path, &mut remote.watch) {
        Ok(found) => {
            let is_here = remote.hub.cached(&location.at(&found.commit), path).is_some();
            Ok(Some(Listed { place, bytes: found.bytes, is_here, is_pinned: true }))
        }
        Err(HubError::NotFound { missing: "file", .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn table(listed: &mut Vec<Listed>) -> String {
    let mut seen: Vec<String> = Vec::new();
    listed.retain(|file| {
        let is_new = !seen.contains(&file.place);
        seen.push(file.place.clone());
        is_new
    });
    let to_come: u64 = listed.iter().filter(|file| !file.is_here).filter_map(|file| file.bytes).sum();
    let count = listed.iter().filter(|file| !file.is_here).count();
    let width = listed.iter().map(|file| file.place.len()).max().unwrap_or(0);
    let mut text = String::new();
    for file in listed.iter() {
        let state = if file.is_here { "  in the cache" } else { "" };
        let pin = if file.is_pinned { "" } else { "  unverified" };
        text.push_str(&format!("{:<width$} {:>12}{state}{pin}\n", file.place, size(file.bytes)));
    }
    text.push_str(&format!("{} of {} files to download, {} bytes", count, listed.len(), thousands(to_come)));
    text
}

/// Copies the files of a model that are read.
fn copy_model(from: &Path, to: &Path, weights: &[String]) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot write {}", to.display()))?;
    let names = weights.iter().map(String::as_str).chain([CONFIG_FILE]);
    let names = names.chain(TOKENIZER_FILES.into_iter().flatten().copied());
    for name in names.filter(|name| from.join(name).is_file()) {
        let target = to.join(name);
        std::fs::copy(from.join(name), &target)
            .with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}
