//! The rebar runtime: state, journal, executor and backends.

pub mod backend;
