//! All checks, as data, in the order in which they are carried out.

mod again;
mod capability;
mod fence;
mod foreign;
mod identity;
mod killed;
mod life;
mod network;
mod plan;
mod program;

use futures::future::FutureExt;

use super::Check;

macro_rules! checks {
    ($($module:ident :: $name:ident $patience:literal $title:literal $promise:literal)*) => {
        &[$(Check {
            id: concat!(stringify!($module), ".", stringify!($name)),
            title: $title,
            promise: $promise,
            patience: $patience,
            examine: |ground| $module::$name(ground).boxed(),
        }),*]
    };
}

/// Every check.
pub const CHECKS: &[Check] = checks![
    life::machine 120 "a machine is made, seen, and gone again" "observe, probe"
    life::network 60 "a network is made, seen, and gone again" "observe, probe"
    life::order 120 "a network with machines stays, a machine without its network is not made" "apply: no half worlds"
    life::stopped 120 "a stopped machine is seen as stopped, and starts again" "observe, StartMachine"
    life::names_of_scopes 120 "what is of one scope is of no other" "Scope: others are foreign"
    life::many 180 "as many machines as it says can be made at a time, and each is whole" "parallelism"
    identity::marks 120 "operation, digest and handle are carried by the object and stay" "observe: operation, digest, handle"
    identity::disk 180 "a restart keeps the disk, the machine id, the addresses and the owners of files" "StartMachine: disk as it is"
    identity::fresh 180 "a machine made anew is another one: new id, empty disk" "CreateMachine, DestroyMachine"
    again::create 120 "the same creation twice is one machine, untouched" "I2; apply: same id twice"
    again::other 120 "a creation under another operation is refused" "I2"
    again::start 120 "starting what runs does nothing" "StartMachine"
    again::destroy 120 "destroying what is gone is fine" "DestroyMachine, DestroyNetwork"
    fence::stale 60 "a writer with an older epoch is refused" "I6"
    fence::across 120 "the epoch is kept by the objects, not by the process" "I6; stateless between calls"
    foreign::network 60 "somebody else's network of our name is neither taken nor removed" "I10; foreign objects"
    foreign::machine 120 "somebody else's machine of our name is neither taken nor removed" "I10; foreign objects"
    foreign::copy 120 "a copy that somebody makes of a machine is neither seen nor removed" "foreign objects: marks alone do not make ours"
    program::codes 120 "exit codes, signals and both outputs are told apart" "open: exit, output, errors"
    program::large 120 "16 MiB go in and come out unchanged" "open: input, output"
    program::hidden 120 "standard input ends, arguments and environment arrive as they are" "open: arguments, environment"
    program::terminal 120 "a terminal is one, and has its size" "open: terminal"
    program::unknown 120 "unknown programs, machines and stopped machines are refused" "open: errors"
    program::root 120 "programs are the machine's root, beside systemd" "open: as its root"
    program::agent 120 "no arguments run the agent of this build" "open: the rebar agent"
    network::addresses 120 "machines have the addresses they were given, and hear each other" "network.addresses"
    network::names 120 "published names resolve everywhere, also on later machines" "node.names; PublishNames"
    network::apart 120 "two deploys do not hear each other" "Scope: others are foreign"
    network::inner 120 "a network without a gateway has no way out" "NetworkSpec: gateway"
    network::outbound 180 "a network with a gateway has a way out" "network.outbound"
    network::mtu 120 "the largest packet is as asked" "NetworkSpec: mtu"
    capability::told 60 "what the backend says of itself is what the language says of it" "capabilities"
    capability::files 120 "files: written by the agent, found on the node" "node.files"
    capability::users 120 "users: made by the agent, known to the node" "node.users"
    capability::commands 120 "commands: run by the agent, their effect is there" "node.commands"
    capability::services 120 "services: started by the agent, running under systemd" "node.services"
    capability::packages 300 "packages: installed by the agent, usable on the node" "node.packages"
    capability::sysctl 120 "settings of the network: set by the agent, in force on the node, not on the host" "node.sysctl"
    capability::kernel 120 "settings of the kernel as a whole are never said to be set when they are not" "node.sysctl: not half"
    capability::probe 120 "probes: an answer is heard, silence is told" "node.network"
    capability::memory 120 "memory is limited to what was asked" "machine.memory"
    capability::cpu 120 "processors are limited to what was asked" "machine.cpu"
    killed::creating 300 "a controller killed while it makes a machine: probe tells, apply settles" "probe; I4"
    killed::destroying 300 "a controller killed while it destroys a machine: apply settles" "probe; I4"
    killed::networking 120 "a controller killed while it makes a network: apply settles" "probe; I4"
    killed::half 180 "a half is destroyed like a whole" "I4, I1"
    killed::cancelled 180 "a call that is given up leaves a half at most, and apply settles it" "apply: cancelling"
    plan::applied 180 "a plan is applied, planned again as empty, destroyed" "I3, I5"
    plan::boundaries 900 "the program killed at every line of the journal: nothing twice, nothing lost" "I1, I2, I4, I5"
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CHECKS;

    #[test]
    fn every_check_is_named_once_and_says_what_it_holds() {
        let ids: BTreeSet<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for check in CHECKS {
            assert!(check.id.contains('.') && check.title.len() > 10 && !check.promise.is_empty());
        }
    }
}
