//! This machine: CPU, memory, disks, and the environment of a run for its manifest.

use std::path::Path;

use sysinfo::{CpuRefreshKind, Disk, Disks, MemoryRefreshKind, RefreshKind, System};

use crate::record::Environment;
use crate::run::Preflight;
use gpt2_model::ComputeDevice;

pub(super) struct Machine {
    /// `None` on unsupported systems.
    system: Option<System>,
}

impl Machine {
    pub fn new() -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self { system: System::new_with_specifics(kinds).ok() }
    }

    /// Bytes of available memory; 0 if unknown.
    pub fn available_bytes(&self) -> u64 {
        self.system.as_ref().map_or(0, System::available_memory)
    }

    fn cpu(&self) -> String {
        let cpus = self.system.as_ref().map(System::cpus).unwrap_or_default();
        cpus.first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default()
    }

    /// CPU, threads and memory in one line.
    pub fn describe(&self) -> String {
        let memory = self.system.as_ref().map_or(0, System::total_memory);
        format!(
            "{}, {} threads, {} of memory, {} free",
            self.cpu(),
            rayon::current_num_threads(),
            gigabytes(memory),
            gigabytes(self.available_bytes())
        )
    }

    pub fn environment(
        &self,
        preflight: &Preflight,
        device: &ComputeDevice,
        batch_tokens: usize,
    ) -> Environment {
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
            model_notes: preflight.model_notes(),
            data_notes: preflight.data_notes(),
            device: device.to_string(),
            threads: rayon::current_num_threads(),
            batch_tokens,
            cpu: self.cpu(),
            system: format!(
                "{} ({})",
                System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
                std::env::consts::ARCH
            ),
            host: System::host_name().ok(),
        }
    }
}

/// Free bytes of the disk that has, or will have, `path`.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let holds = disks.iter().filter(|disk| existing.starts_with(disk.mount_point()));
    holds.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(Disk::available_space)
}

pub(super) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
