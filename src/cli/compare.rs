//! `gpt2-eval compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::gate::{CompareOptions, ModelMap, Side, compare as compare_sides};
use crate::gate::{comparison_markdown, comparison_text};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// Run directory to compare with
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The other run directory
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Models that have another label in NEW; not needed if both runs have one model
    #[arg(long, value_delimiter = ',', value_name = "OLD=NEW,…")]
    models: Vec<String>,
    /// Samples to show per task and kind of change; 0 for none
    #[arg(long, value_name = "N", default_value_t = 5)]
    samples: usize,
    /// Compare runs with different data or protocols too, by sample id
    #[arg(long)]
    force: bool,
    /// Output format
    #[arg(long, default_value = "text")]
    format: CompareFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompareFormat {
    Text,
    Markdown,
    /// All numbers in full precision
    Json,
}

/// Compares two runs.
pub(super) fn compare(arguments: &CompareArguments) -> anyhow::Result<String> {
    let models = ModelMap::parse(&arguments.models)?;
    let (base, new) = (Side::of_run(&arguments.base)?, Side::of_run(&arguments.new)?);
    let options = CompareOptions { models, force: arguments.force, samples: arguments.samples };
    let comparison = compare_sides(&base, &new, &options)?;
    Ok(match arguments.format {
        CompareFormat::Text => comparison_text(&comparison, Screen::of_standard_output()),
        CompareFormat::Markdown => comparison_markdown(&comparison),
        CompareFormat::Json => serde_json::to_string_pretty(&comparison)? + "\n",
    })
}
