//! Tests of the executor over a scripted world.

#[path = "../support/mod.rs"]
mod support;

mod crashes;
mod order;
