//! The `rebar` program.
fn main() {}
