//! The rebar runtime: state, journal, executor and backends.

pub mod agent_program;
pub mod backend;
pub mod backends;
pub mod clock;
pub mod conformance;
pub mod execute;
pub mod forecast;
pub mod images;
pub mod journal;
pub mod logs;
pub mod observe;
pub mod plan_file;
pub mod rehearse;
pub mod secrets;
pub mod state;
