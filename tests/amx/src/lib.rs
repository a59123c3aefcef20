//! The kernels of gpt2-eval, under the name that their tests know.

#[path = "../../../src/kernels/mod.rs"]
pub mod kernels;
