//! Tests of state, journal and executor, the latter over a scripted world.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod cone;
mod crashes;
mod faults;
mod files;
mod journal;
mod later;
mod leave;
mod moved;
mod order;
mod priority;
mod project;
mod refusals;
mod retired;
mod rollout;
mod selection;
mod shared;
mod surgery;
mod waits;
