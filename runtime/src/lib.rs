//! The rebar runtime: state, journal, executor and backends.

pub mod backend;
pub mod journal;
pub mod state;
