//! The first process of the emulated machine: runs the tests, and prints how they ended.

use std::process::Command;
use std::time::Duration;

fn main() {
    // The kernel passes words of its command line that it does not know as arguments.
    let mut tests = Command::new("/kernels");
    match tests.args(std::env::args_os().skip(1)).env("GPT2_EVAL_REQUIRE_AMX", "1").status() {
        Ok(status) => println!("the tests ended with {status}"),
        Err(error) => println!("the tests ended with {error}"),
    }
    // The machine is switched off from outside. If the first process ended, the kernel would panic.
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
