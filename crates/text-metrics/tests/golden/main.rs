//! The metrics against their reference implementations.
//!
//! The `make_*.py` beside this file wrote the JSON files. Two tests need reference data that cannot be redistributed;
//! they read it from `GPT2_EVAL_SHARED` (default: `shared` beside the repository).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod bleu;
mod moses;
mod rouge;

use std::io::Write;
use std::path::{Path, PathBuf};

/// Prints a message that the test runner does not capture.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

/// A file of the reference data. If it is missing, `None` with a message, or with `GPT2_EVAL_REQUIRE_SHARED` a failure.
fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("GPT2_EVAL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    let is_required = std::env::var_os("GPT2_EVAL_REQUIRE_SHARED").is_some_and(|value| value != "0");
    assert!(!is_required, "no {} although GPT2_EVAL_REQUIRE_SHARED is set", path.display());
    say(&format!("SKIPPED: no {} (set GPT2_EVAL_SHARED)", path.display()));
    None
}
