//! The rebar runtime: state, journal, executor and backends.

pub mod agent_program;
pub mod backend;
