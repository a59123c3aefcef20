//! A model for the commands that talk to one: by size, path or name on the hub, loaded.

use anyhow::{Context, bail};

use super::arguments::ModelArguments;
use super::models::{Place, WantedModel, models_of};
use super::remote::Remote;
use super::resolve::check_precision;
use gpt2_model::engine::{Engine, check_device, default_batch_tokens};
use gpt2_model::{Checkpoint, ComputeDevice, DeviceRequest, LanguageModel};

/// A model that is ready to read and write.
pub(super) struct OneModel {
    /// Its name in output.
    pub label: String,
    pub checkpoint: Checkpoint,
    device: ComputeDevice,
    model: LanguageModel,
    batch_tokens: usize,
}

impl OneModel {
    /// Finds, fetches if need be, checks and loads the model.
    pub fn load(arguments: &ModelArguments) -> anyhow::Result<Self> {
        let WantedModel { label, place } = wanted(arguments)?;
        let precision = arguments.precision;
        check_precision(precision, &arguments.device)?;
        let request: DeviceRequest = arguments.device.parse()?;
        start_threads(arguments.threads)?;
        let device = request.open()?;
        let checkpoint = match place {
            Place::Bundled => Checkpoint::bundled(&label).context("no such bundled model")??,
            Place::Directory(directory) => Checkpoint::open(&directory)?,
            Place::Hub(location) => {
                Checkpoint::open(&Remote::new(arguments.offline, false)?.model(&location)?)?
            }
        };
        if !device.is_host() {
            check_device(&device)?;
        }
        let free = super::provenance::Machine::new().available_bytes();
        let batch_tokens =
            default_batch_tokens(std::iter::once(&checkpoint.config), free, device.largest_buffer_bytes());
        let model = checkpoint.load_for(&device, precision)?;
        Ok(Self { label, checkpoint, device, model, batch_tokens })
    }

    /// The engine that runs it.
    pub fn engine(&self) -> Engine<'_> {
        Engine::new(&self.model, &self.checkpoint.tokenizer, &self.device, self.batch_tokens)
    }
}

/// Gives the CPU work so many threads; one a core without a number.
pub(super) fn start_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("cannot start the threads")
}

fn wanted(arguments: &ModelArguments) -> anyhow::Result<WantedModel> {
    let mut models =
        models_of(arguments.size.as_slice(), arguments.model.as_slice(), Some(&arguments.models_dir))?;
    match (models.pop(), models.len()) {
        (Some(model), 0) => Ok(model),
        (None, _) => bail!(
            "no model: say which with --size, for example `--size tiny-8M` or `--size 117M`, or with --model PATH"
        ),
        (Some(_), more) => bail!("{} models: expected one, such as `--size tiny-8M`", more + 1),
    }
}
