//! Passes git revision and versions of dependencies to the program, for the manifest of every run.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
    // A change of any of these can change whether the tree is dirty.
    for path in [
        "Cargo.toml",
        "src",
        "crates",
        "tasks",
        "models",
        "results/paper.csv",
        "results/published.csv",
        "results/references.toml",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if let Some(revision) = git(&["rev-parse", "HEAD"]) {
        println!("cargo:rustc-env=GPT2_EVAL_GIT_REVISION={revision}");
    }
    if let Some(changes) = git(&["status", "--porcelain", "--untracked-files=no"]) {
        println!("cargo:rustc-env=GPT2_EVAL_GIT_DIRTY={}", !changes.is_empty());
    }
    println!("cargo:rustc-env=GPT2_EVAL_DEPENDENCIES={}", dependencies());
}

/// Versions of Burn, its backends and the tokenizer in `Cargo.lock`: `burn=0.22.1,burn-flex=0.22.1`.
fn dependencies() -> String {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = |name: &str| {
        let package =
            lock.split("[[package]]").find(|package| package.contains(&format!("name = \"{name}\"\n")))?;
        package
            .lines()
            .find_map(|line| line.strip_prefix("version = "))
            .map(|version| version.trim_matches('"'))
    };
    ["burn", "burn-flex", "burn-ndarray", "burn-wgpu", "burn-cuda", "cubecl", "tokenizers", "wgpu"]
        .into_iter()
        .filter_map(|name| Some(format!("{name}={}", version(name)?)))
        .collect::<Vec<_>>()
        .join(",")
}
