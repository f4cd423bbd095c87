//! The product of checking tests and policies.

use super::typed::{Deploy, Expression, Typed};
use crate::diagnostics::Diagnostic;
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::ast;

impl Typed {
    /// All policies.
    pub fn policies(&self) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(|t| t.word == ast::TestWord::Policy)
    }

    /// The name of the module of an item.
    pub fn module_of(&self, id: ItemId) -> &str {
        &self.resolved.modules.list[id.module].name
    }
}

/// A test or a policy.
#[derive(Debug, Clone)]
pub struct Test {
    /// The item.
    pub item: ItemId,
    /// Which of the two.
    pub word: ast::TestWord,
    /// Its title.
    pub title: String,
    /// Where that is written.
    pub span: Span,
    /// What is in it.
    pub statements: Vec<TestStatement>,
}

/// A statement of a test or policy.
#[derive(Debug, Clone)]
pub enum TestStatement {
    /// A deploy of this test alone.
    Deploy(Deploy),
    /// A value with a name.
    Let(String, Expression),
    /// What must hold.
    Assert(Assertion),
    /// An error that must come.
    ExpectError {
        /// Its code.
        code: String,
        /// Where that is written.
        span: Span,
        /// What must give it.
        deploys: Vec<Deploy>,
        /// What has been found so far.
        found: Vec<Diagnostic>,
    },
}

/// What must hold of a plan.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// With types; parts of plans are variables called by their paths.
    pub condition: Expression,
    /// As it is written.
    pub written: ast::Expression,
    /// Why it must hold.
    pub because: Option<String>,
}
