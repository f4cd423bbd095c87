//! What people see: plans, orders, graphs and progress, as text.

mod changes;
pub(crate) mod compare;
pub(crate) mod duration;
pub(crate) mod facts;
pub(crate) mod findings;
pub(crate) mod graph;
pub(crate) mod order;
pub(crate) mod palette;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod rehearsal;
pub(crate) mod template;
#[cfg(test)]
mod tests;
