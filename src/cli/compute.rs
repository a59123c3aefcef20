//! Options of the commands that run a model: where models are, and what they run on.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use gpt2_kernels::Precision;
use gpt2_model::{ComputeDevice, DeviceRequest};

#[derive(Debug, Clone, Args)]
pub(super) struct ComputeArguments {
    /// Directory with the models of --sizes as <size>/config.json, <size>/model.safetensors and so on; any supported
    /// format. Sizes that it lacks are downloaded from the hub
    #[arg(long, value_name = "DIR", env = "GPT2_EVAL_MODELS", default_value = "models")]
    pub models_dir: PathBuf,
    /// Download nothing; use the files that `gpt2-eval fetch` has downloaded
    #[arg(long)]
    pub offline: bool,
    /// Device: cpu (same as flex), gpu (same as wgpu), flex, ndarray (deprecated), wgpu[:N], cuda[:N]
    #[arg(long, default_value = "flex", value_parser = device(), hide_possible_values = true)]
    pub device: DeviceRequest,
    /// Number format of weights and products, on the CPU: f32; bf16x3, two bf16 numbers per factor, for CPUs with AMX;
    /// bf16, half the memory, faster on CPUs with AVX512-BF16 or AMX, less exact (docs/performance.md)
    #[arg(long, value_name = "FORMAT", default_value = "f32", value_parser = precision())]
    pub precision: Precision,
    /// CPU threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}

impl ComputeArguments {
    /// Starts the threads and opens the device.
    pub fn open_device(&self) -> anyhow::Result<ComputeDevice> {
        self.check_precision()?;
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build_global().with_context(|| format!("cannot start {threads} threads"))?;
        }
        Ok(self.device.open()?)
    }

    /// `Err` if the device does not support the precision.
    pub fn check_precision(&self) -> anyhow::Result<()> {
        if self.precision != Precision::F32 && self.device.backend() != "flex" {
            bail!(
                "--precision {} is not supported by --device {}: use --device cpu, or leave --precision out",
                self.precision.as_str(),
                self.device
            );
        }
        Ok(())
    }
}

fn device() -> Suggested<impl TypedValueParser<Value = DeviceRequest>> {
    Suggested {
        values: || ["cpu", "gpu", "flex", "ndarray", "wgpu", "cuda"].map(str::to_owned).to_vec(),
        parser: |text: &str| text.parse::<DeviceRequest>(),
    }
}

fn precision() -> impl TypedValueParser<Value = Precision> {
    let names = Precision::ALL.map(Precision::as_str);
    PossibleValuesParser::new(names).try_map(|name| Precision::find(&name).ok_or("no such format"))
}

pub(super) fn positive(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("expected a whole number from 1")
}

/// A parser of the items of a list that ignores spaces around them, as in `"117M, 345M"`.
#[derive(Clone)]
pub(super) struct Trimmed<P>(pub P);

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let value = value.to_str().map_or(value, |text| text.trim().as_ref());
        self.0.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

/// A parser with values for shell completion that also accepts others.
#[derive(Clone)]
pub(super) struct Suggested<P> {
    pub values: fn() -> Vec<String>,
    pub parser: P,
}

impl<P: TypedValueParser> TypedValueParser for Suggested<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        self.parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.values)().into_iter().map(PossibleValue::new)))
    }
}
