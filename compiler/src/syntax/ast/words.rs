//! Words that begin items.

/// Words of items that are a name and a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockWord {
    /// L2/L3 network.
    Network,
    /// A requirement on machines.
    Hardware,
    /// A file system that machines start from.
    Image,
    /// A kind of step.
    Kind,
    /// What a backend takes and can do.
    Backend,
    /// Where deploys stand.
    Site,
}

/// Words of items that take parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FunctionWord {
    /// Runs on one node.
    Role,
    /// Groups of nodes and the roles that run on them.
    Workload,
}

/// Words of items that make assertions about plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TestWord {
    /// About plans of its own.
    Test,
    /// About each deploy.
    Policy,
}
