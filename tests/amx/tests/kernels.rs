//! The tests of the kernels, as in the suite.

#[path = "../../suite/kernels/mod.rs"]
mod kernels;

#[test]
fn this_machine_has_amx() {
    assert!(gpt2_eval::kernels::SimdLevel::Amx.is_available());
}
