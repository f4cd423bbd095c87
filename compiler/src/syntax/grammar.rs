//! The parser that pest makes of `rebar.pest`, and the binding strength of operators.

// The derive makes public items without documentation.
#![allow(missing_docs, unreachable_pub)]

use std::sync::LazyLock;

use pest::pratt_parser::{Assoc, Op, PrattParser};

#[derive(pest_derive::Parser)]
#[grammar = "syntax/rebar.pest"]
pub(super) struct Grammar;

/// From the loosest binding to the tightest.
pub(super) static OPERATORS: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(Op::infix(Rule::otherwise, Assoc::Right))
        .op(left(Rule::or))
        .op(left(Rule::and))
        .op(Op::prefix(Rule::not))
        .op(left(Rule::equal)
            | left(Rule::not_equal)
            | left(Rule::less)
            | left(Rule::less_equal)
            | left(Rule::greater)
            | left(Rule::greater_equal)
            | left(Rule::contained))
        .op(left(Rule::range))
        .op(left(Rule::add) | left(Rule::subtract))
        .op(left(Rule::multiply) | left(Rule::divide) | left(Rule::modulo))
        .op(Op::prefix(Rule::negate))
});
