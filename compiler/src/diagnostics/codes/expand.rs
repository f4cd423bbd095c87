//! E04: expansion of a deploy.

use super::Code;

/// Something that decides the shape depends on the node.
pub const DEPENDS_ON_NODE: Code = Code("E0401");
/// A step needs what the site's backend cannot do.
pub const CAPABILITY_ABSENT: Code = Code("E0402");
/// A gap is accepted that is none.
pub const UNUSED_ACCEPT: Code = Code("E0403");
/// Two steps manage the same thing on one node.
pub const SAME_THING_TWICE: Code = Code("E0404");
/// A gateway that is no address of its network.
pub const GATEWAY: Code = Code("E0405");
/// More nodes than a network has addresses.
pub const NETWORK_FULL: Code = Code("E0406");
/// Two networks of one deploy share addresses.
pub const NETWORKS_OVERLAP: Code = Code("E0407");
/// A deploy that is not in the spec.
pub const UNKNOWN_DEPLOY: Code = Code("E0408");
/// A size or count out of its bounds.
pub const BAD_AMOUNT: Code = Code("E0409");
/// A node without an interface on a network is asked for its address there.
pub const NO_INTERFACE: Code = Code("E0410");
/// A division by zero, or a number that is too large.
pub const ARITHMETIC: Code = Code("E0411");
/// One value would depend on two nodes of one group at once.
pub const TWO_NODES_AT_ONCE: Code = Code("E0412");
/// A hardware with two interfaces on one network.
pub const TWO_INTERFACES: Code = Code("E0413");

/// A type, value or deploy that is larger than the compiler takes.
pub const TOO_LARGE: Code = Code("E0414");
/// A name that no host can have.
pub const NAME_TOO_LONG: Code = Code("E0415");
/// A network of addresses that nodes cannot have.
pub const UNUSABLE_NETWORK: Code = Code("E0416");

/// A rollout that takes away more members than the quorum leaves.
pub const BREAKS_QUORUM: Code = Code("E0417");

/// Two groups or runs of a deploy come to the same name.
pub const SAME_NAME: Code = Code("E0430");
/// An interface of which no implementation is chosen.
pub const NO_IMPLEMENTATION: Code = Code("E0431");
/// Two implementations are chosen for one signature.
pub const CHOSEN_TWICE: Code = Code("E0432");
/// A leader is asked for in a group without nodes.
pub const NO_LEADER: Code = Code("E0434");
/// A step that would have to be removed before something that has to come before its removal.
pub const REMOVED_IN_CIRCLE: Code = Code("E0440");
/// A kind whose steps would have to be replaced, and cannot be.
pub const NOT_REPLACEABLE: Code = Code("E0441");
/// A thing that goes over to another step and would have to be replaced.
pub const HANDED_OVER: Code = Code("E0442");
/// A move to something that is recorded already.
pub const MOVED_BOTH_RECORDED: Code = Code("E0450");

/// An argument for a parameter that the workload does not have.
pub const UNKNOWN_ARGUMENT: Code = Code("E0451");
/// Outputs of a deploy that does not stand.
pub const NOT_APPLIED_YET: Code = Code("E0452");

/// All codes of this list.
pub const ALL: &[Code] = &[
    DEPENDS_ON_NODE,
    CAPABILITY_ABSENT,
    UNUSED_ACCEPT,
    SAME_THING_TWICE,
    GATEWAY,
    NETWORK_FULL,
    NETWORKS_OVERLAP,
    UNKNOWN_DEPLOY,
    BAD_AMOUNT,
    NO_INTERFACE,
    ARITHMETIC,
    TWO_NODES_AT_ONCE,
    TWO_INTERFACES,
    TOO_LARGE,
    NAME_TOO_LONG,
    UNUSABLE_NETWORK,
    BREAKS_QUORUM,
    SAME_NAME,
    NO_IMPLEMENTATION,
    CHOSEN_TWICE,
    NO_LEADER,
    REMOVED_IN_CIRCLE,
    NOT_REPLACEABLE,
    MOVED_BOTH_RECORDED,
    UNKNOWN_ARGUMENT,
    NOT_APPLIED_YET,
];
