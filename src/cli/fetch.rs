//! `gpt2-eval fetch`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::compute::Trimmed;
use super::machine::{free_space, gigabytes};
use super::models::{SizesArgument, models_of};
use super::output::say;
use super::progress::{Progress, size};
use super::tasks::{needed, set_split, task_parser, tasks_of, with_shots};
use crate::data::{Split, sources};
use crate::download::{Downloads, ListedFile};
use crate::models::{self, ModelOrigin};
use crate::tasks::Registry;
use untrusted_input::thousands;

#[derive(Debug, Args)]
pub(super) struct FetchArguments {
    /// Tasks, comma-separated, or a group: all, paper, lm, cbt, wmt14
    #[arg(short, long, value_delimiter = ',', value_name = "TASK,…", value_parser = task_parser(), hide_possible_values = true)]
    tasks: Vec<String>,
    #[command(flatten)]
    models: SizesArgument,
    /// A model of the hub; may be repeated
    #[arg(short, long, value_name = "[LABEL=]hf:OWNER/NAME[@REVISION]")]
    model: Vec<String>,
    /// Split to fetch [default: the paper's]
    #[arg(long)]
    split: Option<Split>,
    /// Few-shot examples, as for a run: their split is fetched too [default: as the protocol says, mostly 0]
    #[arg(long, visible_alias = "num-fewshot", value_delimiter = ',', value_name = "K,…", value_parser = Trimmed(clap::value_parser!(u16)))]
    shots: Vec<u16>,
    /// Also write plain directories: DIR/data for --data and DIR/models for --models-dir
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print no progress, only the list of files
    #[arg(short, long)]
    quiet: bool,
}

/// Lists the files that a run needs, downloads and checks them, and prints where they are.
pub(super) fn fetch(arguments: &FetchArguments) -> anyhow::Result<String> {
    let registry = Registry::default();
    let mut tasks = tasks_of(&arguments.tasks, &registry)?;
    if let Some(split) = arguments.split {
        set_split(&mut tasks, split, &registry)?;
    }
    let tasks = with_shots(tasks, &arguments.shots, &registry)?;
    let needed = needed(&tasks);
    // Without --models-dir: a size is downloaded even if `models/` has it.
    let models: Vec<_> = models_of(&arguments.models.sizes, &arguments.model, None)?
        .into_iter()
        .filter_map(|model| match model.origin {
            ModelOrigin::Hub(location) => Some((model.label, location)),
            ModelOrigin::Bundled | ModelOrigin::Directory(_) => None,
        })
        .collect();
    if needed.is_empty() && models.is_empty() {
        bail!(
            "nothing to fetch: choose with --tasks or --sizes, for example `gpt2-eval fetch --tasks lambada --sizes 117M`"
        );
    }
    let mut downloads = Downloads::new(false, Box::new(Progress::of_downloads(arguments.quiet)))?;
    let mut listed = sources::list(&needed, &mut downloads)?;
    for (_, location) in &models {
        listed.extend(models::list(location, &mut downloads)?);
    }
    let mut names: Vec<String> = Vec::new();
    listed.retain(|file| {
        let is_new = !names.contains(&file.name);
        names.push(file.name.clone());
        is_new
    });
    let bytes = listed.iter().filter(|file| !file.is_cached).filter_map(|file| file.bytes).sum();
    say(&table(&listed, bytes));
    let cache = &downloads.settings().cache;
    if let Some(free) = free_space(cache).filter(|free| *free < bytes) {
        bail!(
            "need {} for the download, but {} has only {} free: make room, or set HF_HUB_CACHE to another directory",
            gigabytes(bytes),
            cache.display(),
            gigabytes(free)
        );
    }
    downloads.recheck_cache();
    let mut text = String::new();
    let data = sources::Provision::download(&needed, &mut downloads)?;
    if !needed.is_empty() {
        text.push_str(&format!("data    {}\n", data.cached_directory(&downloads)?.display()));
    }
    for (label, location) in models {
        let directory =
            models::download(&location, &mut downloads).with_context(|| format!("model {label}"))?;
        text.push_str(&format!("{label:<7} {}\n", directory.display()));
        if let Some(out) = &arguments.out {
            models::copy(&location, &directory, &out.join("models").join(label), &mut downloads)?;
        }
    }
    if let Some(out) = &arguments.out {
        data.put_into(&out.join("data"))?;
        text.push_str(&format!("copies  {}: use --data {0}/data --models-dir {0}/models\n", out.display()));
    }
    text.push_str("all files are checked; the same --tasks, --shots and --sizes now work with --offline\n");
    Ok(text)
}

fn table(listed: &[ListedFile], bytes: u64) -> String {
    let count = listed.iter().filter(|file| !file.is_cached).count();
    let width = listed.iter().map(|file| file.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for file in listed {
        let state = if file.is_cached { "  in the cache" } else { "" };
        let pin = if file.is_pinned { "" } else { "  unverified" };
        text.push_str(&format!("{:<width$} {:>12}{state}{pin}\n", file.name, size(file.bytes)));
    }
    text.push_str(&format!("{} of {} files to download, {} bytes", count, listed.len(), thousands(bytes)));
    text
}
