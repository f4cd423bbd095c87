//! E05: order.

use super::Code;

/// Something is used above the place where it is written.
pub const FORWARD_REFERENCE: Code = Code("E0501");
/// Runs that wait for each other.
pub const CYCLE: Code = Code("E0502");
/// `after` names something that cannot be waited for.
pub const NOT_A_RUN: Code = Code("E0503");

/// Workloads that run each other in a circle.
pub const WORKLOAD_CYCLE: Code = Code("E0510");
/// Moves that lead back to where they begin.
pub const MOVED_IN_CIRCLE: Code = Code("E0530");

/// Deploys that wait for each other.
pub const DEPLOYS_IN_CIRCLE: Code = Code("E0531");

/// All codes of this list.
pub const ALL: &[Code] = &[
    FORWARD_REFERENCE,
    CYCLE,
    NOT_A_RUN,
    WORKLOAD_CYCLE,
    MOVED_IN_CIRCLE,
    DEPLOYS_IN_CIRCLE,
];
