//! The `gpt2-eval` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpt2_eval::cli::main()
}
