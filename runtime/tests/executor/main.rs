//! Tests of state, journal and executor, the latter over a scripted world.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../support/mod.rs"]
mod support;

mod crashes;
mod faults;
mod files;
mod journal;
mod leave;
mod order;
mod project;
mod refusals;
mod rollout;
