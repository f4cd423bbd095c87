//! The rebar runtime: state, journal, executor and backends.

pub mod backend;
pub mod backends;
pub mod images;
