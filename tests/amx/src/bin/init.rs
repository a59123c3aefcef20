//! The first process of the emulated machine: runs the tests, and says how they ended.

use std::process::Command;
use std::time::Duration;

fn main() {
    // What the kernel does not know of its command line comes as arguments.
    match Command::new("/kernels").args(std::env::args_os().skip(1)).status() {
        Ok(status) => println!("the tests ended with {status}"),
        Err(error) => println!("the tests ended with {error}"),
    }
    // The machine is switched off from outside: a first process that ends is a panic.
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
