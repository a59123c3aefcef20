//! Says why a directory has no weights that can be read, and which path to give instead.

use std::cmp::Reverse;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use untrusted_input::clipped;

use super::explain::{ADAPTER_CONFIG, adapter_message};
use super::registry::FORMATS;
use super::{locate, mistaken};

/// Maximum number of entries of a directory that are looked at.
const MAX_ENTRIES: usize = 1000;

/// Maximum number of names in a message.
const MAX_NAMES: usize = 5;

/// Usual extensions of weight files that are read.
const WEIGHT_EXTENSIONS: [&str; 7] = ["safetensors", "bin", "pt", "pth", "ckpt", "index", "bpk"];

/// Extensions of other formats and of archives.
const OTHER_EXTENSIONS: [&str; 12] =
    ["h5", "keras", "msgpack", "gguf", "ggml", "onnx", "gz", "tgz", "xz", "zst", "bz2", "tar"];

/// The file names of a directory, sorted.
pub(super) fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(directory)?
        .take(MAX_ENTRIES)
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Why `directory`, which has the entries `names`, has no weights.
pub(super) fn explain(directory: &Path, names: &[String]) -> String {
    let has = |name: &str| names.iter().any(|known| known == name);
    if has(ADAPTER_CONFIG) || names.iter().any(|name| name.starts_with("adapter_model.")) {
        return adapter_message(directory);
    }
    if let Some(message) = broken_link(directory) {
        return message;
    }
    let below = models_below(directory, names);
    if !below.is_empty() {
        return below_message(&below);
    }
    if let Some(shard) = names.iter().find_map(|name| Shard::parse(name)) {
        let there =
            names.iter().filter_map(|name| Shard::parse(name)).filter(|other| other.stem == shard.stem);
        return format!(
            "the directory has {} of {} shards, such as {}, without their index {}: download the index, and all shards that \
             it names, from the same place",
            there.count(),
            shard.count,
            shard.name,
            shard.index()
        );
    }
    if let Some(message) = names.iter().find_map(|name| known_name(directory, name)) {
        return message;
    }
    let formats: Vec<&str> = FORMATS.iter().flat_map(|format| format.file_names).copied().collect();
    let first = formats.first().copied().unwrap_or_default();
    if names.is_empty() {
        return format!("the directory is empty; expected weights, such as {first}, and config.json");
    }
    format!(
        "{first} is missing; the directory has no other weights either, such as {}; it has {}",
        formats.get(1..).unwrap_or_default().join(", "),
        listed(names)
    )
}

/// The files of trainers beside the weights: `optimizer.pt`, `rng_state_0.pth`.
pub(super) fn is_trainer_state(name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let stem = stem.trim_end_matches(|character: char| character.is_ascii_digit() || character == '_');
    matches!(extension, "pt" | "pth" | "bin" | "pkl")
        && matches!(
            stem,
            "optimizer"
                | "scheduler"
                | "scaler"
                | "rng_state"
                | "random_states"
                | "training_args"
                | "sampler"
        )
}

/// One file of weights in several, `model-00001-of-00002.safetensors`.
pub(super) struct Shard<'a> {
    pub name: &'a str,
    stem: &'a str,
    pub count: usize,
    extension: &'a str,
}

impl<'a> Shard<'a> {
    pub fn parse(name: &'a str) -> Option<Self> {
        let (rest, extension) = name.rsplit_once('.')?;
        let (rest, count) = rest.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let _: usize = number.parse().ok()?;
        matches!(extension, "safetensors" | "bin").then_some(())?;
        Some(Self { name, stem, count: count.parse().ok()?, extension })
    }

    /// The name of the index of its model.
    pub fn index(&self) -> String {
        format!("{}.{}.index.json", self.stem, self.extension)
    }
}

/// The message for a usual name that is a link to nothing, as in a hub cache whose blobs are deleted.
fn broken_link(directory: &Path) -> Option<String> {
    let mut names = FORMATS.iter().flat_map(|format| format.file_names);
    names.find_map(|name| Some(format!("{name} is {}", broken_link_at(&directory.join(name))?)))
}

/// The message for a link that cannot be followed.
pub(super) fn broken_link_at(path: &Path) -> Option<String> {
    let target = std::fs::read_link(path).ok()?;
    let error = std::fs::metadata(path).err()?;
    let why = match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read ({error})"),
    };
    Some(format!("a link to {}, which {why}: copy or download the file again", target.display()))
}

/// The directories below that have weights: `checkpoint-500`, and `snapshots/…` of a hub cache. Those with the highest
/// number come first.
fn models_below(directory: &Path, names: &[String]) -> Vec<PathBuf> {
    let snapshots = directory.join("snapshots");
    let cached = self::names(&snapshots).unwrap_or_default();
    let cached = cached.iter().map(|name| snapshots.join(name));
    let mut found: Vec<PathBuf> = names
        .iter()
        .map(|name| directory.join(name))
        .chain(cached)
        .filter(|path| path.is_dir() && locate::has_model(path))
        .collect();
    found.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits: String = name.chars().rev().take_while(char::is_ascii_digit).collect();
        (Reverse(digits.chars().rev().collect::<String>().parse::<u64>().ok()), name)
    });
    found
}

fn below_message(found: &[PathBuf]) -> String {
    let names: Vec<String> = found
        .iter()
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let first = found.first().map(|path| path.display().to_string()).unwrap_or_default();
    match names.as_slice() {
        [one] => format!("the weights are in the directory {one} below: give {first}"),
        names => format!(
            "there are weights in {} directories below, {}: give one, such as {first}",
            names.len(),
            listed(names)
        ),
    }
}

/// The message for a file or directory whose name says what it is.
fn known_name(directory: &Path, name: &str) -> Option<String> {
    let is_distributed =
        name.ends_with(".distcp") || name.starts_with("pytorch_model_fsdp") && directory.join(name).is_dir();
    if is_distributed {
        return Some(format!(
            "{name} is a distributed checkpoint of PyTorch: make one file of it with \
             `python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIR model.pt`"
        ));
    }
    if name == "zero_to_fp32.py" || name.contains("zero_pp_rank_") {
        return Some(
            "a checkpoint of DeepSpeed ZeRO: make one file of it with `python zero_to_fp32.py . pytorch_model.bin`"
                .to_owned(),
        );
    }
    let path = directory.join(name);
    if !path.is_file() || !has_extension(name, &WEIGHT_EXTENSIONS) && !has_extension(name, &OTHER_EXTENSIONS)
    {
        return None;
    }
    let beginning = locate::beginning(&path)?;
    if beginning.is_empty() {
        return Some(format!("{name} is empty: copy or download it again"));
    }
    let found = mistaken::placeholder(&beginning).or_else(|| mistaken::other_format(&beginning))?;
    Some(format!("{name} is {found}"))
}

/// Whether a name ends as those of weight files do.
pub(super) fn looks_like_weights(name: &str) -> bool {
    has_extension(name, &WEIGHT_EXTENSIONS) && !is_trainer_state(name)
}

pub(super) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

/// The first of some names.
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| clipped(name)).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shards() {
        let shard = Shard::parse("model-00002-of-00003.safetensors").unwrap();
        assert_eq!((shard.count, shard.index()), (3, "model.safetensors.index.json".to_owned()));
        let shard = Shard::parse("pytorch_model-00001-of-00002.bin").unwrap();
        assert_eq!(shard.index(), "pytorch_model.bin.index.json");
        for other in ["model.safetensors", "best-of-3.bin", "a-x-of-2.bin", "model.ckpt.data-00000-of-00001"]
        {
            assert!(Shard::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn names_of_trainers() {
        for name in ["optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth", "training_args.bin"]
        {
            assert!(is_trainer_state(name), "{name}");
        }
        for name in ["pytorch_model.bin", "optimizer_sweep_3.ckpt", "model_19072.pt", "last.pt"] {
            assert!(!is_trainer_state(name), "{name}");
        }
    }
}
