//! From text to syntax: a lossless tree and the AST.

pub mod ast;
