//! What users type.

mod hub;
mod texts;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use hub::{DoctorArguments, FetchArguments};
pub use texts::{
    CompletionsArguments, GenerateArguments, GenerateFormat, ManualArguments, ModelArguments,
    ScoreTextArguments, ScoreTextFormat,
};

use crate::report::Format;
use gpt2_kernels::Precision;

/// Measures GPT-2 models zero-shot, exactly as the GPT-2 paper did, and prints the paper's table beside its own.
#[derive(Debug, Parser)]
#[command(name = "gpt2-eval", version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  gpt2-eval --tasks all --sizes tiny --data sample        the bundled models on the bundled samples
  gpt2-eval --tasks lambada --model mine=out/checkpoint --data data
                                                          your checkpoint on data/lambada/lambada_test.jsonl
  gpt2-eval --tasks lambada,lambada:harness --sizes 117M --data data
                                                          the paper's protocol and lm-evaluation-harness's
  gpt2-eval --task-file my.toml --sizes tiny              a task of your own (docs/custom-tasks.md)
  gpt2-eval fetch --tasks lambada,wikitext2 --sizes all   download and check it all, for --offline later
  gpt2-eval doctor --tasks lambada --sizes all            what this machine lacks for that run
  gpt2-eval generate --size tiny-8M --prompt \"Once upon\"  what a model writes
  gpt2-eval score-text FILE --size 117M                   perplexity of any text, and what surprised the model
  gpt2-eval ls                                            tasks, protocols, data and models at hand
  gpt2-eval show lambada --limit 3                        what the model sees
  gpt2-eval score results/lambada-117M-1a2b3c4d           the scores of a run again, from its journals alone
  gpt2-eval report results/A results/B --format latex     runs of several days or machines in one table
  gpt2-eval view results/lambada-117M-1a2b3c4d            every sample of a run in the browser: prompt, answer, tokens
  gpt2-eval compare results/OLD results/NEW --models old=new
                                                          two runs: every difference, and the samples that changed
  gpt2-eval check results/baselines/NAME.json results/NEW
                                                          exit code 1 if the run is worse (docs/ci.md)

Exit codes: 0 success, 1 a gate failed, 2 wrong input, 3 incomplete (run the same command again to continue) or with
samples that failed")]
pub struct Arguments {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The run.
    #[command(flatten)]
    pub run: RunArguments,
}

/// Verbs beside the run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List tasks and protocols, and which data and models are at hand
    Ls(ListArguments),
    /// Show what the model sees: prompt and target as tokens, white space visible
    Show(ShowArguments),
    /// Download and check everything that a run needs, for later use without a network
    Fetch(FetchArguments),
    /// Say what this machine has, and what it lacks for a run with the same arguments: devices, memory, disk, network, files
    Doctor(DoctorArguments),
    /// Let a model write: continue a prompt, token by token
    Generate(GenerateArguments),
    /// Say how probable a model finds a text: perplexity, bits per byte, the most surprising tokens
    ScoreText(ScoreTextArguments),
    /// Compute all scores of a run again from its journals alone, without data or model
    Score(ScoreArguments),
    /// Show what a checkpoint is: format, shape, parameters, types, sha256, tokenizer
    Inspect(InspectArguments),
    /// Put the shards of a run together
    Merge(MergeArguments),
    /// Write the scores of a run, or of several in one table: table, markdown, latex, csv, json, html, eee (Every Eval
    /// Ever), svg and png (figures)
    Report(ReportArguments),
    /// Show a run in the browser: tables, manifest, and every sample with prompt, answer and log-probabilities
    View(ViewArguments),
    /// Compare two runs sample by sample: every metric with the interval and p of its difference, and what changed most
    Compare(CompareArguments),
    /// Print what `check` needs of a run, small enough for a repository
    Baseline(BaselineArguments),
    /// Hold a run against a baseline: exit code 1 if a metric is significantly worse, or missing
    Check(CheckArguments),
    /// Print the script that completes these commands in a shell: bash, zsh, fish, powershell, elvish
    Completions(CompletionsArguments),
    /// Print the manual page, or write all of them
    Man(ManualArguments),
}

/// A run.
#[derive(Debug, Args)]
// Each is a switch of its own.
#[allow(clippy::struct_excessive_bools)]
pub struct RunArguments {
    /// Tasks, comma-separated: `task` or `task:protocol`, or a group: all, paper, lm, cbt, wmt14, custom
    /// [default: custom, with --task-file]
    #[arg(short, long, value_delimiter = ',', value_name = "TASK[:PROTOCOL],…")]
    pub tasks: Vec<String>,
    /// Task config of a custom task (docs/custom-tasks.md), for `--tasks NAME` or the group `custom`; may be repeated
    #[arg(long, value_name = "FILE")]
    pub task_file: Vec<PathBuf>,
    /// Models by size: 117M, 345M, 762M, 1542M (also 124M…1558M, small…xl, gpt2…gpt2-xl), `all` for these four, or the
    /// bundled tiny-3M and tiny-8M, `tiny` for both
    #[arg(short, long, value_delimiter = ',', value_name = "SIZE,…")]
    pub sizes: Vec<String>,
    /// Any GPT-2 checkpoint, a directory, a file, or a repository of the hub, under a label of your choice: safetensors,
    /// PyTorch's, nanoGPT's, llm.c's, TensorFlow's or Burn's; may be repeated
    #[arg(short, long, value_name = "[LABEL=]PATH|hf:OWNER/NAME[@REVISION]")]
    pub model: Vec<String>,
    /// Directory with <size>/config.json, <size>/model.safetensors… for --sizes, or any other format in <size>/; what
    /// it lacks is taken from the hub
    #[arg(long, value_name = "DIR", env = "GPT2_EVAL_MODELS", default_value = "models")]
    pub models_dir: PathBuf,
    /// Where the examples are: `sample` (bundled), a directory with <task>/<file>, or `hub`, from which they are
    /// downloaded once
    #[arg(short, long, value_name = "sample|DIR|hub", default_value = "hub")]
    pub data: String,
    /// Download nothing: take models and data of the hub from its cache, where `gpt2-eval fetch` puts them
    #[arg(long)]
    pub offline: bool,
    /// What to compute on: flex (CPU), ndarray (CPU, deprecated), wgpu or wgpu:N (GPU), cuda or cuda:N
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// How exactly the weights are kept and multiplied, on the CPU: f32; bf16x3, two bf16 numbers a factor, for processors
    /// with AMX; bf16, half the memory and faster where the processor has AVX512-BF16 or AMX, at the cost of exactness
    /// (docs/performance.md)
    #[arg(long, value_name = "MODE", default_value = "f32", value_parser = precision)]
    pub precision: Precision,
    /// Most tokens in one forward pass [default: from the memory that is free]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch_tokens: Option<usize>,
    /// Threads of the CPU work [default: one a core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Only N samples of each task: a seeded subset that grows with N
    #[arg(short, long, value_name = "N", value_parser = positive)]
    pub limit: Option<usize>,
    /// Tokens between two windows of the perplexity tasks, from 1 to 1024 [default: 32, the paper's; 1024 is the
    /// cheapest]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub stride: Option<u16>,
    /// Solved examples in the prompt, for the tasks that have them; several numbers make several rows: 0,1,5 [default:
    /// what the protocol has, mostly 0]
    #[arg(long, value_delimiter = ',', value_name = "K,…")]
    pub shots: Vec<u16>,
    /// Split to measure: test, validation or train [default: the paper's]
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<String>,
    /// Completions sampled for one item, for the tasks that sample: mean and spread are reported [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub repeats: Option<usize>,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Run directory [default: results/<name of the run>]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Formats in which the run directory gets the scores when the run ends, comma-separated: table, markdown, latex, csv,
    /// json, eee (docs/results.md); scores.csv, breakdowns.csv and table.md are there anyway
    #[arg(long, value_delimiter = ',', value_name = "FORMAT,…", value_parser = format)]
    pub format: Vec<Format>,
    /// Delete what an earlier run left in the run directory, instead of continuing it
    #[arg(long)]
    pub fresh: bool,
    /// End the run at the first sample or task that fails, instead of going on without it
    #[arg(long)]
    pub fail_fast: bool,
    /// Measure only part I of N of every task, I from 0 (docs/shards.md); `auto` takes both from Slurm's array variables
    /// or Kubernetes' `JOB_COMPLETION_INDEX` and `GPT2_EVAL_SHARD_COUNT`. `gpt2-eval merge` puts the parts together
    #[arg(long, value_name = "I/N|auto")]
    pub shard: Option<String>,
    /// No progress, only the table
    #[arg(short, long)]
    pub quiet: bool,
}

/// `gpt2-eval ls`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Task config of a custom task (docs/custom-tasks.md); may be repeated
    #[arg(long, value_name = "FILE")]
    pub task_file: Vec<PathBuf>,
    /// Directory in which to look for data
    #[arg(short, long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Directory in which to look for models
    #[arg(long, value_name = "DIR", env = "GPT2_EVAL_MODELS", default_value = "models")]
    pub models_dir: PathBuf,
}

/// `gpt2-eval show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Task, with its protocol behind a colon
    #[arg(value_name = "TASK[:PROTOCOL]")]
    pub task: String,
    /// Task config of a custom task (docs/custom-tasks.md); may be repeated
    #[arg(long, value_name = "FILE")]
    pub task_file: Vec<PathBuf>,
    /// Where the examples are: `sample` (bundled), a directory with <task>/<file>, or `hub`
    #[arg(short, long, value_name = "sample|DIR|hub", default_value = "sample")]
    pub data: String,
    /// How many samples
    #[arg(short, long, value_name = "N", default_value = "3", value_parser = positive)]
    pub limit: usize,
    /// Solved examples in the prompt [default: what the protocol has]
    #[arg(long, value_name = "K")]
    pub shots: Option<u16>,
    /// Split to show: test, validation or train [default: the paper's]
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<String>,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Tokenizer of this model directory [default: GPT-2's]
    #[arg(short, long, value_name = "PATH")]
    pub model: Option<PathBuf>,
}

/// `gpt2-eval inspect`.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// Directory of a model, the file with its weights, or the name of a bundled model
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// How to print it
    #[arg(long, default_value = "table")]
    pub format: InspectFormat,
}

/// How a checkpoint's description is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// A table for the terminal.
    Table,
    /// JSON.
    Json,
}

/// `gpt2-eval score`.
#[derive(Debug, Args)]
pub struct ScoreArguments {
    /// Run directory
    #[arg(value_name = "DIR")]
    pub run: PathBuf,
}

/// `gpt2-eval merge`.
#[derive(Debug, Args)]
pub struct MergeArguments {
    /// The run directory that all shards share, or their directories
    #[arg(value_name = "DIR", required = true)]
    pub directories: Vec<PathBuf>,
    /// Where to write the whole run [default: the directory that all shards share]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `gpt2-eval report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Run directories; several become one table
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Formats, comma-separated: table, markdown, latex, csv, json, html for one page with every sample (docs/page.md), eee
    /// for the schema of Every Eval Ever (docs/results.md), and svg and png for figures (docs/figures.md)
    #[arg(short, long, value_delimiter = ',', value_name = "FORMAT,…", default_value = "table", value_parser = format)]
    pub format: Vec<Format>,
    /// Directory for the files, made if need be; with one format also a file, if the name has an extension [default:
    /// standard output, for one format]
    #[arg(short, long, value_name = "DIR|FILE")]
    pub out: Option<PathBuf>,
    /// Who made the run, for eee, which wants a name
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    pub organization: String,
}

/// `gpt2-eval view`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval view results/RUN                    writes results/RUN/report.html and opens it
  gpt2-eval view results/RUN --no-open          only writes it
  gpt2-eval view results/RUN --serve 8080       serves it at http://127.0.0.1:8080/ until Ctrl-C, and writes nothing")]
pub struct ViewArguments {
    /// Run directories; several are shown on one page
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// File to write [default: report.html in the run directory, for one run]
    #[arg(short, long, value_name = "FILE", conflicts_with = "serve")]
    pub out: Option<PathBuf>,
    /// Serve the page on 127.0.0.1 only, at PORT or any that is free, until Ctrl-C
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    pub serve: Option<u16>,
    /// Open no browser
    #[arg(long)]
    pub no_open: bool,
}

fn format(text: &str) -> Result<Format, String> {
    Format::find(text).ok_or_else(|| format!("expected {}", Format::ALL.map(Format::as_str).join(", ")))
}

/// `gpt2-eval compare`.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Run directory that is compared with
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// The other run directory
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Models that have another label in NEW; two runs of one model each need no map
    #[arg(long, value_delimiter = ',', value_name = "OLD=NEW,…")]
    pub models: Vec<String>,
    /// Samples to show of each task, for each way in which they changed; 0 for none
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub samples: usize,
    /// Compare runs on other data or protocols too, on the samples of the same name
    #[arg(long)]
    pub force: bool,
    /// How to print it
    #[arg(long, default_value = "text")]
    pub format: CompareFormat,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// Tables for the terminal.
    Text,
    /// Markdown.
    Markdown,
    /// JSON, with every number in full.
    Json,
}

/// `gpt2-eval baseline`.
#[derive(Debug, Args)]
pub struct BaselineArguments {
    /// Run directory
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

/// `gpt2-eval check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// File of `gpt2-eval baseline`, or a run directory
    #[arg(value_name = "BASELINE")]
    pub baseline: PathBuf,
    /// Run directory
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// How much worse a metric may be: `task.metric=0.5%` of its value, `task.metric=0.5` in its unit, `*` for any task or
    /// metric; may be repeated [default: 0]
    #[arg(long, value_name = "TASK.METRIC=AMOUNT")]
    pub tolerance: Vec<String>,
    /// Models that have another label in RUN; one model each needs no map
    #[arg(long, value_delimiter = ',', value_name = "OLD=NEW,…")]
    pub models: Vec<String>,
    /// Demand that every record is the same, bit for bit
    #[arg(long)]
    pub exact: bool,
    /// How to print it
    #[arg(long, default_value = "text")]
    pub format: CheckFormat,
    /// Write it to a file too: JUnit if it ends in .xml, Markdown in .md, text in .txt, else as --format says; may be
    /// repeated
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
}

/// How a gate's decision is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// A table for the terminal.
    Text,
    /// Markdown, for the summary of a job.
    Markdown,
    /// JUnit XML, which CI systems show as tests.
    Junit,
}

fn precision(text: &str) -> Result<Precision, String> {
    Precision::find(text)
        .ok_or_else(|| format!("expected {}", Precision::ALL.map(Precision::as_str).join(", ")))
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
