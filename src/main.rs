//! The `gpt2-eval` command.

use std::process::ExitCode;

/// Tensors come and go by the hundred a second. The system's allocator gives their pages back each time, and half of a
/// run is then spent in page faults: LAMBADA on tiny-8M takes 25 s with it and 14 s with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gpt2_eval::cli::main()
}
