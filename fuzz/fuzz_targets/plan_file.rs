//! See `hostile::plan_file`. Changed bytes are seldom JSON, so most changes are made to the values instead.
#![no_main]

#[path = "../../compiler/tests/support/hostile.rs"]
mod hostile;
#[path = "../json.rs"]
mod json;
#[path = "../last_input.rs"]
mod last_input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| last_input::run(hostile::plan_file, bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = (!seed.is_multiple_of(8))
        .then(|| json::change(&data[..size], seed))
        .flatten();
    match changed.filter(|c| c.len() <= max_size) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});
