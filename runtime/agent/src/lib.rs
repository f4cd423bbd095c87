//! The rebar agent: a small static program that carries out steps on a node, and the protocol to speak to it.
//!
//! The controller needs [`protocol`] alone. The program itself is [`serve`]: it reads one request, acts, and
//! ends. It keeps a journal on the node, so that a crash at any moment leaves behind what happened.

mod accounts;
mod actions;
mod apply;
mod disk;
mod facts;
mod failure;
mod fields;
mod http;
mod init;
mod journal;
pub mod names;
mod ownership;
mod program;
pub mod protocol;
mod root;
pub mod serve;
mod settle;
mod store;
mod text;

pub use init::init;
pub use settle::{Answer, settle};

/// The actions this agent knows, by the name of the kind that uses them.
pub const ACTIONS: &[&str] = &[
    "package",
    "file",
    "directory",
    "link",
    "user",
    "group",
    "service",
    "command",
    "capture",
    "probe",
    "sysctl",
    "host",
];
