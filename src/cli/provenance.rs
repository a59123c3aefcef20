//! What a run was made with, for its manifest.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::record::Environment;
use crate::run::Preflight;
use gpt2_model::ComputeDevice;

/// Facts about this machine.
pub(super) struct Machine {
    /// `None` where the system does not tell.
    system: Option<System>,
}

impl Machine {
    /// Asks the system.
    pub fn new() -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self { system: System::new_with_specifics(kinds).ok() }
    }

    /// Bytes of memory that are free for a program; 0 if the system does not tell.
    pub fn available_bytes(&self) -> u64 {
        self.system.as_ref().map_or(0, System::available_memory)
    }

    /// CPU, threads and memory in a line.
    pub fn describe(&self) -> String {
        let cpus = self.system.as_ref().map(System::cpus).unwrap_or_default();
        let cpu = cpus.first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default();
        let memory = self.system.as_ref().map_or(0, System::total_memory);
        format!(
            "{cpu}, {} threads, {:.1} GB of memory, {:.1} GB free",
            rayon::current_num_threads(),
            memory as f64 / 1e9,
            self.available_bytes() as f64 / 1e9
        )
    }

    /// The environment of a run.
    pub fn environment(
        &self,
        preflight: &Preflight,
        device: &ComputeDevice,
        batch_tokens: usize,
    ) -> Environment {
        let cpus = self.system.as_ref().map(System::cpus).unwrap_or_default();
        let cpu = cpus.first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default();
        let dependencies = option_env!("GPT2_EVAL_DEPENDENCIES").unwrap_or_default().split(',');
        Environment {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            git_revision: option_env!("GPT2_EVAL_GIT_REVISION").map(str::to_owned),
            git_dirty: option_env!("GPT2_EVAL_GIT_DIRTY").map(|dirty| dirty == "true"),
            dependencies: dependencies
                .filter_map(|dependency| dependency.split_once('='))
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .collect(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            files: preflight.files(),
            hub: Vec::new(),
            device: device.to_string(),
            threads: rayon::current_num_threads(),
            batch_tokens,
            cpu,
            system: format!(
                "{} ({})",
                System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
                std::env::consts::ARCH
            ),
            host: System::host_name().ok(),
        }
    }
}
