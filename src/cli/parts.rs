//! What tasks need that is not on this machine: files of the hub, and files where their makers have put them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};

use crate::data::{DataConfig, FileConfig, HubConfig, Split, UpstreamConfig, VerifiedFile, VerifiedFiles};
use crate::plan::PlannedTask;
use crate::run::write_atomically;
use crate::tasks;
use hub_client::{Digest, Kind, Location, Repository};

/// Where a file comes from.
pub(super) enum From {
    /// The hub.
    Hub { config: &'static HubConfig, location: Location },
    /// Elsewhere on the web.
    Original(&'static UpstreamConfig),
}

impl From {
    /// sha256 that the card pins.
    pub fn sha256(&self) -> Option<&str> {
        match self {
            Self::Hub { config, .. } => config.sha256.as_deref(),
            Self::Original(original) => original.sha256.as_deref(),
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Hub { config, location } => format!("{location}/{}", config.path),
            Self::Original(original) => original.url.clone(),
        }
    }
}

/// A file as a task reads it: a path below the data directory, and what it is made from.
pub(super) struct Part {
    pub name: &'static str,
    pub from: From,
}

/// A way to get a split: the files that it takes.
pub(super) type Way = Vec<Part>;

/// What the tasks need: for each split of each, the ways to get it, best first: those whose sums are known before others,
/// the hub's before the makers' own.
///
/// Examples of few-shot prompts are among it wherever a card has them, so that a result does not depend on what
/// happens to be on a machine. `Err` names the tasks whose data cannot be downloaded, with what to do.
pub(super) fn parts_of(planned: &[PlannedTask]) -> anyhow::Result<Vec<Vec<Way>>> {
    let mut wanted = Vec::new();
    let mut seen: Vec<(&str, Split)> = Vec::new();
    let mut by_hand: Vec<String> = Vec::new();
    for planned in planned {
        // Users' own tasks have their data beside their cards.
        let Some(task) = tasks::find(&planned.task) else { continue };
        let config = task.config();
        let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
        let measured = split.unwrap_or(config.data.split);
        let takes_shots = config
            .protocol(&planned.protocol.name)
            .is_some_and(|protocol| protocol.options.iter().any(|option| option == "shots"));
        let examples = DataConfig::example_splits(measured)
            .filter(|split| takes_shots && config.data.downloads(*split).next().is_some())
            .take(1);
        for split in std::iter::once(measured).chain(examples) {
            if seen.contains(&(config.name.as_str(), split)) {
                continue;
            }
            seen.push((&config.name, split));
            let ways = ways(&config.data, split)?;
            if ways.is_empty() {
                by_hand.push(by_hand_text(&config.name, &config.data, split));
            } else {
                wanted.push(ways);
            }
        }
    }
    if !by_hand.is_empty() {
        bail!(
            "this version knows no place to download the data of some tasks from. Put these files into a directory and \
             name it, for example `--data data`, or leave the tasks out, or use the bundled samples with `--data \
             sample`:{}",
            by_hand.concat()
        );
    }
    Ok(wanted)
}

fn ways(data: &'static DataConfig, split: Split) -> anyhow::Result<Vec<Way>> {
    let hub = data.downloads(split).filter(|file| file.hub.is_some()).map(|file| hub_way(data, file));
    let originals = data.downloads(split).filter_map(original_way).map(Ok);
    let mut ways = hub.chain(originals).collect::<anyhow::Result<Vec<Way>>>()?;
    // The sort is stable.
    ways.sort_by_key(|way| !way.iter().all(|part| part.from.sha256().is_some()));
    Ok(ways)
}

/// The file and its companion, of the hub.
fn hub_way(data: &DataConfig, file: &'static FileConfig) -> anyhow::Result<Way> {
    let pairs = [(Some(&file.name), &file.hub), (file.with.as_ref(), &file.with_hub)];
    let pairs = pairs.into_iter().filter_map(|(name, hub)| Some((name?, hub.as_ref()?)));
    pairs
        .map(|(name, config)| {
            let repository = config.repository.as_deref().or(data.hub.as_deref()).unwrap_or_default();
            let repository = Repository::new(Kind::Dataset, repository)?;
            let location = Location::new(repository, config.revision.as_deref().unwrap_or("main"))?;
            Ok(Part { name, from: From::Hub { config, location } })
        })
        .collect()
}

/// The file and its companion, of their makers.
fn original_way(file: &'static FileConfig) -> Option<Way> {
    let first = Part { name: &file.name, from: From::Original(file.original.as_ref()?) };
    let Some(name) = &file.with else { return Some(vec![first]) };
    Some(vec![first, Part { name, from: From::Original(file.with_original.as_ref()?) }])
}

/// A line for a file that is to be had by hand only.
fn by_hand_text(task: &str, data: &DataConfig, split: Split) -> String {
    let mut files = data.files.iter().filter(|file| file.split.unwrap_or(data.split) == split);
    let Some(file) = files.next() else {
        return format!("\n  {task}: no file of the split `{}`", split.as_str());
    };
    let sum = file.sha256.as_ref().map(|sum| format!(", sha256 {sum}")).unwrap_or_default();
    format!("\n  data/{}{sum}", file.name)
}

/// Puts what was downloaded to `downloaded` into the data directory, in the form that its task reads; `is_pinned` if it
/// is what the card pins.
pub(super) fn put(directory: &Path, part: &Part, downloaded: &Path, is_pinned: bool) -> anyhow::Result<()> {
    let path = directory.join(part.name);
    let place = || format!("cannot write {}", path.display());
    let parent = path.parent().unwrap_or(directory);
    std::fs::create_dir_all(parent).with_context(place)?;
    let wrong = |reason: String| anyhow::anyhow!("{}: {reason}", part.from.name());
    // Whole or not at all.
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{file}.{}.tmp", std::process::id()));
    let write = || {
        let mut out = BufWriter::new(File::create(&temporary).with_context(place)?);
        match &part.from {
            From::Hub { config, .. } => {
                let bytes = std::fs::read(downloaded)
                    .with_context(|| format!("cannot read {}", downloaded.display()))?;
                out.write_all(&config.convert(bytes).map_err(wrong)?).with_context(place)?;
            }
            From::Original(original) => original.extract(downloaded, &mut out).map_err(wrong)?,
        }
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).with_context(place)?;
        std::fs::rename(&temporary, &path).with_context(place)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })?;
    if is_pinned { note_verified(directory, part, &path) } else { Ok(()) }
}

/// Notes in the data directory that the file at `path` is made from what its card pins.
fn note_verified(directory: &Path, part: &Part, path: &Path) -> anyhow::Result<()> {
    let Some(source_sha256) = part.from.sha256().map(str::to_owned) else { return Ok(()) };
    let sum = Digest::sha256_of(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Digest::Sha256(sha256) = sum else { return Ok(()) };
    let mut files = VerifiedFiles::of(directory);
    files.add(part.name, VerifiedFile { sha256, source: part.from.name(), source_sha256 });
    let (path, json) = files.to_file(directory)?;
    Ok(write_atomically(&path, &json)?)
}
