//! See `hostile::syntax`.
#![no_main]

#[path = "../../compiler/tests/support/hostile.rs"]
mod hostile;
#[path = "../last_input.rs"]
mod last_input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| last_input::run(hostile::syntax, bytes));
