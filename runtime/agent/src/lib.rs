//! The rebar agent: a small static program that carries out steps on a node, and the protocol to speak to it.

pub mod protocol;

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
    "probe",
    "sysctl",
    "host",
];
