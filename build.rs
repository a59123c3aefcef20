//! Tells the program what it was built from, for the manifest of every run.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
    let describe =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]).output();
    if let Ok(output) = describe
        && output.status.success()
    {
        println!("cargo:rustc-env=GPT2_EVAL_GIT_REVISION={}", String::from_utf8_lossy(&output.stdout).trim());
    }
    if let Some(version) = burn_version() {
        println!("cargo:rustc-env=GPT2_EVAL_BURN_VERSION={version}");
    }
}

/// The version of Burn in `Cargo.lock`.
fn burn_version() -> Option<String> {
    let lock = std::fs::read_to_string("Cargo.lock").ok()?;
    let package = lock.split("[[package]]").find(|package| package.contains("name = \"burn\"\n"))?;
    package
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .map(|version| version.trim_matches('"').to_owned())
}
