//! From arguments to a [`Plan`]: tasks and protocols, models, data.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::EnumValueParser;

use super::compute::{ComputeArguments, Trimmed, positive};
use super::models::{SizesArgument, models_of};
use super::progress::Progress;
use super::tasks::{drop_defaults, needed, set_option, set_split, task_parser, tasks_of, with_shots};
use crate::data::Split;
use crate::data::sources::Provision;
use crate::download::Downloads;
use crate::models::{self, ModelChoice, ModelOrigin};
use crate::plan::{CustomTaskFile, DataSource, ModelSource, Plan, PlannedModel, PlannedTask};
use crate::record::{HubFile, Shard};
use crate::report::Format;
use crate::tasks::{CUSTOM_GROUP, Registry};
use gpt2_kernels::Precision;
use untrusted_input::did_you_mean;

/// A run.
#[derive(Debug, Args)]
// Each is an independent switch.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct RunArguments {
    /// Tasks, comma-separated: `task` or `task:protocol`, or a group: all, paper, lm, cbt, wmt14, custom [default: custom,
    /// with --task-file]
    #[arg(short, long, value_delimiter = ',', value_name = "TASK[:PROTOCOL],…", value_parser = task_parser(), hide_possible_values = true)]
    pub tasks: Vec<String>,
    /// Task config of a custom task (docs/custom-tasks.md), for `--tasks NAME` or the group `custom`; may be repeated
    #[arg(long, value_name = "FILE")]
    pub task_file: Vec<PathBuf>,
    #[command(flatten)]
    pub models: SizesArgument,
    /// Any GPT-2 checkpoint with a label of your choice: a directory, a file, or a repository of the hub, in the format of
    /// safetensors, PyTorch, nanoGPT, llm.c, TensorFlow or Burn; may be repeated
    #[arg(short, long, value_name = "[LABEL=]PATH|hf:OWNER/NAME[@REVISION]")]
    pub model: Vec<String>,
    /// Data: `sample` (bundled), a directory with <task>/<file>, or `hub` (downloaded once)
    #[arg(short, long, value_name = "sample|DIR|hub", default_value = "hub")]
    pub data: String,
    #[command(flatten)]
    pub compute: ComputeArguments,
    /// Maximum tokens in one forward pass [default: from the free memory]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch_tokens: Option<usize>,
    /// Measure N samples of each task: a seeded subset that grows with N
    #[arg(short, long, value_name = "N", value_parser = positive)]
    pub limit: Option<usize>,
    /// Tokens between the starts of two windows of the perplexity tasks, from 1 to the tokens of a window [default: 32, as in
    /// the paper; the length of a window, mostly 1024, is the fastest]
    #[arg(long, value_name = "S", value_parser = positive)]
    pub stride: Option<usize>,
    /// Few-shot examples in the prompt, for tasks that support them; several numbers give several rows: 0,1,5 [default:
    /// as the protocol says, mostly 0]
    #[arg(long, visible_alias = "num-fewshot", value_delimiter = ',', value_name = "K,…", value_parser = Trimmed(clap::value_parser!(u16)))]
    pub shots: Vec<u16>,
    /// Split to measure [default: the paper's]
    #[arg(long)]
    pub split: Option<Split>,
    /// Completions sampled for one item, for tasks that sample; mean and spread are reported [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub repeats: Option<usize>,
    /// Keeps only the first N records of every CORE task after nanochat's shuffle, as its --max-per-task. Few-shot examples come
    /// from these too.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_per_task: Option<u32>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Run directory [default: results/<name of the run>]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Formats to export when the run ends, comma-separated (docs/results.md); scores.csv, breakdowns.csv and table.md
    /// are always written
    #[arg(long, value_delimiter = ',', value_name = "FORMAT,…", value_parser = Trimmed(EnumValueParser::<Format>::new()))]
    pub format: Vec<Format>,
    /// Delete an earlier run in the run directory instead of continuing it
    #[arg(long)]
    pub fresh: bool,
    /// Stop at the first sample or task that fails instead of continuing without it
    #[arg(long)]
    pub fail_fast: bool,
    /// Measure only part I of N of every task, I from 0 (docs/shards.md). `auto` takes both from the variables of a Slurm
    /// array, or from JOB_COMPLETION_INDEX of Kubernetes and GPT2_EVAL_SHARD_COUNT. `gpt2-eval merge` merges the parts
    #[arg(long, value_name = "I/N|auto")]
    pub shard: Option<String>,
    /// Print no progress, only the table
    #[arg(short, long)]
    pub quiet: bool,
}

/// Tasks, models and data of a run, possibly not downloaded yet.
pub(super) struct RunChoice {
    models: Vec<ModelChoice>,
    tasks: Vec<PlannedTask>,
    custom_tasks: Vec<CustomTaskFile>,
    data: DataChoice,
    limit: Option<usize>,
    seed: u64,
    precision: Precision,
    shard: Option<Shard>,
}

impl RunChoice {
    pub fn new(arguments: &RunArguments) -> anyhow::Result<Self> {
        let models =
            models_of(&arguments.models.sizes, &arguments.model, Some(&arguments.compute.models_dir))?;
        Self::with_models(arguments, models)
    }

    /// The choice of these models, whatever the arguments name.
    pub fn with_models(arguments: &RunArguments, models: Vec<ModelChoice>) -> anyhow::Result<Self> {
        let registry = Registry::read(&arguments.task_file)?;
        let tasks = planned_tasks(arguments, &registry)?;
        if tasks.is_empty() {
            bail!(
                "no tasks: choose some with --tasks, for example `--tasks all` (`gpt2-eval ls` lists them)"
            );
        }
        let data = DataChoice::new(&arguments.data, &tasks, &registry)?;
        if models.is_empty() {
            bail!(
                "no model: choose one with --sizes, for example `--sizes tiny` or `--sizes all`, or with --model LABEL=PATH"
            );
        }
        Ok(Self {
            models,
            custom_tasks: registry.files_of(&tasks),
            tasks,
            data,
            limit: arguments.limit,
            seed: arguments.seed,
            precision: arguments.compute.precision,
            shard: arguments.shard.as_deref().map(super::shard::shard).transpose()?,
        })
    }

    /// Downloads what is missing. Returns the plan, and the files of the hub and of upstream sites that it uses.
    pub fn provision(self, offline: bool, is_quiet: bool) -> anyhow::Result<(Plan, Vec<HubFile>)> {
        let is_on_hub = |model: &ModelChoice| matches!(model.origin, ModelOrigin::Hub(_));
        // Without downloads, wrong settings of the hub do not matter.
        let mut downloads = if self.data == DataChoice::Hub || self.models.iter().any(is_on_hub) {
            Some(Downloads::new(offline, Box::new(Progress::of_downloads(is_quiet)))?)
        } else {
            None
        };
        // Data first: they are small, and errors in them show before gigabytes are downloaded.
        let data = match (self.data, &mut downloads) {
            (DataChoice::Local(source), _) => source,
            (DataChoice::Hub, Some(downloads)) => downloaded_data(&self.tasks, downloads)?,
            (DataChoice::Hub, None) => bail!("data of the hub without a connection"),
        };
        let mut models = Vec::new();
        for ModelChoice { label, origin } in self.models {
            let source = match (origin, &mut downloads) {
                (ModelOrigin::Directory(directory), _) => ModelSource::Directory(directory),
                (ModelOrigin::Hub(location), Some(downloads)) => ModelSource::Directory(
                    models::download(&location, downloads).with_context(|| format!("model {label}"))?,
                ),
                (ModelOrigin::Bundled | ModelOrigin::Hub(_), _) => ModelSource::Bundled,
            };
            models.push(PlannedModel { label, source });
        }
        let plan = Plan {
            models,
            tasks: self.tasks,
            custom_tasks: self.custom_tasks,
            data,
            limit: self.limit,
            seed: self.seed,
            precision: self.precision,
            shard: self.shard,
        };
        Ok((plan, downloads.map(Downloads::into_used).unwrap_or_default()))
    }
}

/// Downloads the data of the tasks into a directory of this program's cache.
pub(super) fn downloaded_data(
    tasks: &[PlannedTask],
    downloads: &mut Downloads,
) -> anyhow::Result<DataSource> {
    let files = Provision::download(&needed(tasks), downloads)?;
    Ok(DataSource::Directory(files.cached_directory(downloads)?))
}

/// The tasks of the command line with all their options; none if it names none.
pub(super) fn planned_tasks(
    arguments: &RunArguments,
    registry: &Registry,
) -> anyhow::Result<Vec<PlannedTask>> {
    let mut tasks = match (arguments.tasks.is_empty(), arguments.task_file.is_empty()) {
        (true, true) => return Ok(Vec::new()),
        (true, false) => tasks_of(&[CUSTOM_GROUP.to_owned()], registry)?,
        (false, _) => tasks_of(&arguments.tasks, registry)?,
    };
    if let Some(stride) = arguments.stride {
        set_option(&mut tasks, ("stride", &stride.to_string()), registry)?;
    }
    if let Some(max) = arguments.max_per_task {
        set_option(&mut tasks, ("max_per_task", &max.to_string()), registry)?;
    }
    if let Some(repeats) = arguments.repeats {
        set_option(&mut tasks, ("repeats", &repeats.to_string()), registry)?;
    }
    if let Some(split) = arguments.split {
        set_split(&mut tasks, split, registry)?;
    }
    let mut tasks = with_shots(tasks, &arguments.shots, registry)?;
    drop_defaults(&mut tasks, registry);
    Ok(tasks)
}

/// The data of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DataChoice {
    Local(DataSource),
    /// Downloaded from the hub, or from upstream sites.
    Hub,
}

impl DataChoice {
    /// `sample`, `hub` or a directory. Custom tasks alone need only the files beside their task configs.
    pub fn new(given: &str, tasks: &[PlannedTask], registry: &Registry) -> anyhow::Result<Self> {
        Ok(match given {
            "sample" | "hub" if tasks.iter().all(|planned| registry.is_custom(&planned.task)) => {
                Self::Local(DataSource::TaskFiles)
            }
            "sample" => Self::Local(DataSource::Sample),
            "hub" => Self::Hub,
            directory => {
                let path = PathBuf::from(directory);
                if !path.is_dir() {
                    let hint = did_you_mean(given, ["sample", "hub"]);
                    bail!(
                        "no data directory at {}{hint}; expected `sample`, `hub` or a directory",
                        path.display()
                    );
                }
                Self::Local(DataSource::Directory(path))
            }
        })
    }
}
