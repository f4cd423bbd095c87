//! Keeps the input at hand: a stack that overflows leaves no other trace.

/// Runs the target; with `LAST_INPUT=file` in the environment the input is written there before.
pub fn run(target: fn(&[u8]), bytes: &[u8]) {
    if let Some(path) = std::env::var_os("LAST_INPUT") {
        // Without the file the run is as good as before.
        let _ = std::fs::write(path, bytes);
    }
    target(bytes);
}
