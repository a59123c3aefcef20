//! What users type of the commands that prepare a run.

use std::path::PathBuf;

use clap::Args;

use super::RunArguments;

/// `gpt2-eval fetch`.
#[derive(Debug, Args)]
pub struct FetchArguments {
    /// Tasks, comma-separated, or a group: all, paper, lm, cbt, wmt14
    #[arg(short, long, value_delimiter = ',', value_name = "TASK,…")]
    pub tasks: Vec<String>,
    /// Models by size, as for a run
    #[arg(short, long, value_delimiter = ',', value_name = "SIZE,…")]
    pub sizes: Vec<String>,
    /// A model of the hub; may be repeated
    #[arg(short, long, value_name = "[LABEL=]hf:OWNER/NAME[@REVISION]")]
    pub model: Vec<String>,
    /// Split to fetch: test, validation or train [default: the paper's]
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<String>,
    /// Also write plain directories: DIR/data for --data and DIR/models for --models-dir
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// No progress, only the list
    #[arg(short, long)]
    pub quiet: bool,
}

/// `gpt2-eval doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// The run that is to be made.
    #[command(flatten)]
    pub run: RunArguments,
}
