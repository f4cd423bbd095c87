//! Integration tests: the real program, the house rules, and the examples.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bad_input;
mod change;
mod codes;
mod conformance;
mod damage;
mod examples;
mod formats;
mod forty;
mod hostile_input;
mod kills;
mod language;
mod many;
#[cfg(feature = "otlp")]
mod otlp;
mod packages;
mod parts;
mod records;
mod rehearse;
mod secrets;
mod shop;
mod support;
mod survive;
mod tidy;
mod tutorial;
mod which;
