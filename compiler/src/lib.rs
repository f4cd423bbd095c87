//! The rebar compiler: text in, [`plan::Plan`] out.
//!
//! A spec passes through one folder after the other, and each stage hands one noun to the next:
//!
//! | stage | function | product |
//! |---|---|---|
//! | [`syntax`] | [`syntax::parse`] | [`syntax::Syntax`]: lossless tree and AST |
//! | [`resolve`] | [`resolve::resolve`] | [`resolve::Resolved`]: every name has a definition |
//! | [`check`] | [`check::check`] | [`check::Typed`]: every expression has a type |
//! | [`expand`] | [`expand::expand`] | [`expand::Instances`]: groups, nodes, addresses, symbolic steps |
//! | [`graph`] | [`graph::build`] | [`graph::Graph`]: what waits for what, and why |
//! | [`plan`] | [`plan::plan`] | [`plan::Plan`]: lane patterns, gates and a table of nodes |
//!
//! Beside the road stands [`format`], which uses syntax alone.
//!
//! Stages take `&mut Diagnostics`, never stop at the first error and always return a value.
//! Nothing here reads files, the clock, the environment or the network: callers pass all of it in.

pub mod diagnostics;
pub mod format;
pub mod plan;
pub mod source;
pub mod syntax;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use source::{Files, SourceId, Sources, Span};
