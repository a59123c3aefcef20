//! The model of a command that runs one model.

use anyhow::{Context, bail};
use clap::Args;

use super::compute::ComputeArguments;
use super::machine::Machine;
use super::models::{Size, models_of};
use super::output::say;
use super::progress::Progress;
use crate::download::Downloads;
use crate::models::{self, ModelChoice, ModelOrigin};
use gpt2_model::engine::{Backend, Engine, check_device, default_batch_tokens};
use gpt2_model::{Checkpoint, ComputeDevice};

#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    /// Model by size: 117M, 345M, 762M, 1542M (also 124M…1558M, small…xl, gpt2…gpt2-xl), or the bundled tiny-3M, tiny-8M
    #[arg(
        short,
        long,
        visible_alias = "sizes",
        value_name = "SIZE",
        ignore_case = true,
        hide_possible_values = true
    )]
    size: Option<Size>,
    /// Any GPT-2 checkpoint, as for a run
    #[arg(short, long, value_name = "[LABEL=]PATH|hf:OWNER/NAME[@REVISION]", conflicts_with = "size")]
    model: Option<String>,
    #[command(flatten)]
    compute: ComputeArguments,
    /// Print only the result
    #[arg(short, long)]
    pub quiet: bool,
}

/// A loaded model.
pub(super) struct OneModel {
    pub label: String,
    pub checkpoint: Checkpoint,
    backend: Box<dyn Backend>,
    batch_tokens: usize,
}

impl OneModel {
    /// Downloads the model if necessary, checks and loads it.
    pub fn load(arguments: &ModelArguments) -> anyhow::Result<Self> {
        let choice = choice(arguments)?;
        let device = arguments.compute.open_device()?;
        Self::open(choice, &arguments.compute, &device, arguments.quiet)
    }

    /// The model on a device that is open.
    pub fn open(
        choice: ModelChoice,
        compute: &ComputeArguments,
        device: &ComputeDevice,
        is_quiet: bool,
    ) -> anyhow::Result<Self> {
        let ModelChoice { label, origin } = choice;
        let checkpoint = match origin {
            ModelOrigin::Bundled => Checkpoint::bundled(&label).context("no such bundled model")??,
            ModelOrigin::Directory(directory) => Checkpoint::open(&directory)?,
            ModelOrigin::Hub(location) => {
                let progress = Progress::of_downloads(is_quiet);
                let mut downloads = Downloads::new(compute.offline, Box::new(progress))?;
                Checkpoint::open(&models::download(&location, &mut downloads)?)?
            }
        };
        if !is_quiet {
            checkpoint.notes.iter().for_each(|note| say(&format!("note: {note}")));
        }
        if !device.is_host() {
            check_device(device)?;
        }
        let configs = std::iter::once(&checkpoint.config);
        let batch_tokens =
            default_batch_tokens(configs, Machine::new().available_bytes(), device.largest_buffer_bytes());
        let backend = gpt2_model::engine::load(&checkpoint, device, compute.precision)?;
        Ok(Self { label, checkpoint, backend, batch_tokens })
    }

    pub fn engine(&self) -> Engine<'_> {
        Engine::new(&*self.backend, &self.checkpoint.tokenizer, self.batch_tokens)
    }
}

fn choice(arguments: &ModelArguments) -> anyhow::Result<ModelChoice> {
    let models = models_of(
        arguments.size.as_slice(),
        arguments.model.as_slice(),
        Some(&arguments.compute.models_dir),
    )?;
    match <[ModelChoice; 1]>::try_from(models) {
        Ok([model]) => Ok(model),
        Err(none) if none.is_empty() => bail!(
            "no model: choose one with --size, for example `--size tiny-8M` or `--size 117M`, or with --model PATH"
        ),
        Err(several) => bail!("{} models: expected one, such as `--size tiny-8M`", several.len()),
    }
}
