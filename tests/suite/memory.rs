//! Loading a model takes the memory of the model in f32 and little more.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use gpt2_model::Gpt2Config;

use crate::common::say;

/// Writes a checkpoint with zero weights as a sparse file, which takes no disk space.
fn write_zeros(directory: &Path, config: &Gpt2Config, dtype: &str, bytes_per_value: u64) {
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for (name, shape) in config.tensors() {
        let bytes = bytes_per_value * shape.iter().map(|&size| size as u64).product::<u64>();
        let entry =
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + bytes]});
        header.insert(name, entry);
        offset += bytes;
    }
    let header = serde_json::to_vec(&header).unwrap();
    std::fs::create_dir_all(directory).unwrap();
    let mut file = File::create(directory.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(8 + header.len() as u64 + offset).unwrap();
    let json = serde_json::json!({
        "model_type": "gpt2", "n_layer": config.n_layer, "n_embd": config.n_embd, "n_head": config.n_head
    });
    std::fs::write(directory.join("config.json"), json.to_string()).unwrap();
}

/// Peak memory of a process so far, in bytes; `None` after its end.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

#[test]
fn peak_is_the_model_and_300_megabytes() {
    let config = Gpt2Config::new(12, 768, 12, 3072);
    let model_bytes = 4 * config.parameters();
    for (dtype, bytes_per_value) in [("F32", 4), ("F16", 2)] {
        let directory = tempfile::tempdir().unwrap();
        write_zeros(&directory.path().join("model"), &config, dtype, bytes_per_value);
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("gpt2-eval"))
            .args(["--tasks", "lambada", "--model", "zeros=model", "--data", "sample", "--limit", "1"])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The peak only grows and the model stays loaded to the end, so the last reading is the peak.
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak_of(child.id()).unwrap_or(0).max(peak);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(child.wait().unwrap().success());
        say(&format!(
            "117M from {dtype}: peak {} MB, weights in f32 {} MB",
            peak / 1_000_000,
            model_bytes / 1_000_000
        ));
        assert!(peak > model_bytes, "{peak} is less than the model itself: the measurement is wrong");
        assert!(peak <= model_bytes + 300_000_000, "{dtype}: {peak} bytes");
    }
}
