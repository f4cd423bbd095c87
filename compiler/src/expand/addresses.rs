//! Names and addresses: what the ledger holds stays, what is new takes the lowest that is free.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::deploy::Layout;
use super::{GroupInstance, NetworkInstance, NodeInstance};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::{Addresses, Ledger, LedgerNode};

/// Letters of a host's name (a label of DNS, and of the kernel's).
pub(crate) const MAX_HOST_NAME: usize = 63;

impl Layout<'_> {
    /// Names and addresses all nodes; returns the ledger as it is then. `None` if that is not possible.
    pub(super) fn addresses(&mut self, deploy: &str, ledger: &Ledger) -> Option<Ledger> {
        let empty = BTreeMap::new();
        let recorded = ledger.deploys.get(deploy).unwrap_or(&empty);
        let names: Vec<Vec<String>> = self
            .groups
            .iter()
            .zip(&self.counts)
            .map(|(g, count)| names(g, *count, recorded))
            .collect();
        if !self.names_fit(&names) {
            return None;
        }
        let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
        for (name, (_, network)) in &self.networks {
            // Addresses of nodes that leave stay taken until they are gone.
            let taken = recorded
                .values()
                .filter_map(|n| n.addresses.get(name))
                .copied()
                .collect();
            pools.insert(name.clone(), Pool::new(network, taken));
        }
        if !self.room(&names, recorded, &pools) {
            return None;
        }
        if !self.leaders(&names, recorded) {
            return None;
        }
        let mut nodes: Vec<(String, LedgerNode)> = Vec::new();
        for (group, names) in self.groups.iter_mut().zip(names) {
            let networks: Vec<Arc<str>> = group.hardware.nics.values().map(|n| n.as_str().into()).collect();
            let leader = group.leader.as_ref().map(|leader| &leader.node);
            group.nodes.reserve(names.len());
            nodes.reserve(names.len());
            for name in names {
                let before = recorded.get(&name).filter(|n| n.group == group.name);
                let mut pairs = Vec::with_capacity(networks.len());
                for network in &networks {
                    let pool = pools.get_mut(&**network)?;
                    let kept = before
                        .and_then(|n| n.addresses.get(network))
                        .filter(|a| pool.usable(**a));
                    pairs.push((network.clone(), kept.copied().or_else(|| pool.take())?));
                }
                let addresses: Addresses = pairs.into_iter().collect();
                let held = LedgerNode {
                    group: group.name.clone(),
                    addresses: addresses.clone(),
                    leader: leader == Some(&name),
                    retired: false,
                };
                nodes.push((name.clone(), held));
                group.nodes.push(NodeInstance { name, addresses });
            }
        }
        // A map is made from a whole list faster than name by name.
        let mut nodes: BTreeMap<String, LedgerNode> = nodes.into_iter().collect();
        // That they leave is kept until they are gone, whoever plans meanwhile.
        let retired = recorded.iter().filter(|(_, node)| node.retired);
        for (name, node) in retired {
            nodes.entry(name.clone()).or_insert_with(|| node.clone());
        }
        if ledger.deploys.get(deploy) == Some(&nodes) {
            return Some(ledger.clone());
        }
        let others = ledger.deploys.iter().filter(|(name, _)| *name != deploy);
        let mut deploys: BTreeMap<_, _> = others
            .map(|(name, nodes)| (name.clone(), nodes.clone()))
            .collect();
        deploys.insert(deploy.to_owned(), nodes);
        let version = ledger.version + 1;
        Some(Ledger { version, deploys })
    }

    /// Whether every name can be that of a host.
    fn names_fit(&mut self, names: &[Vec<String>]) -> bool {
        let mut long = Vec::new();
        for (group, names) in self.groups.iter().zip(names) {
            let Some(name) = names
                .iter()
                .max_by_key(|n| n.len())
                .filter(|n| n.len() > MAX_HOST_NAME)
            else {
                continue;
            };
            let message = format!("no host can be called `{name}`: that has {} letters", name.len());
            let room = MAX_HOST_NAME.saturating_sub(name.len().saturating_sub(group.name.len()));
            let help = format!(
                "names of hosts have at most {MAX_HOST_NAME} letters, so that of this group at most {room}"
            );
            long.push(Diagnostic::error(codes::NAME_TOO_LONG, group.span, message).help(help));
        }
        let fit = long.is_empty();
        long.into_iter().for_each(|d| self.report(d));
        fit
    }

    /// Whether every network has an address for every node.
    fn room(
        &mut self,
        names: &[Vec<String>],
        recorded: &BTreeMap<String, LedgerNode>,
        pools: &BTreeMap<String, Pool>,
    ) -> bool {
        let mut wanted: BTreeMap<&str, u128> = BTreeMap::new();
        for (group, names) in self.groups.iter().zip(names) {
            for network in group.hardware.nics.values() {
                let Some(pool) = pools.get(network) else { continue };
                let holds = |name: &&String| {
                    let address = recorded.get(*name).and_then(|n| n.addresses.get(network));
                    !address.is_some_and(|a| pool.usable(*a))
                };
                *wanted.entry(network).or_default() += names.iter().filter(holds).count() as u128;
            }
        }
        let mut full = Vec::new();
        for (name, pool) in pools {
            let wanted = wanted.get(name.as_str()).copied().unwrap_or(0);
            if wanted > pool.free() {
                let network = &self.networks[name].1;
                let message = format!(
                    "the network `{name}` ({}) is too small: {wanted} more address{} needed, {} free",
                    network.cidr,
                    if wanted == 1 { " is" } else { "es are" },
                    pool.free()
                );
                full.push(
                    Diagnostic::error(codes::NETWORK_FULL, network.span, message)
                        .here(match pool.capacity() {
                            0 => "there is no room for a node".to_owned(),
                            1 => "room for one node in all".to_owned(),
                            many => format!("room for {many} nodes in all"),
                        })
                        .help("give the network a larger `cidr`, or the groups a smaller `count`"),
                );
            }
        }
        let fits = full.is_empty();
        full.into_iter().for_each(|d| self.report(d));
        fits
    }
}

/// The names of a group: those of the ledger with the lowest numbers, then the lowest that are free.
fn names(group: &GroupInstance, count: u64, recorded: &BTreeMap<String, LedgerNode>) -> Vec<String> {
    let mut held: Vec<(u64, &String)> = recorded
        .iter()
        .filter(|(_, n)| n.group == group.name)
        .filter_map(|(name, _)| Some((number(name)?, name)))
        .collect();
    held.sort_unstable();
    // A group that had another name keeps nodes that are called by that; another group may have taken a name so.
    let foreign = |name: &str| recorded.get(name).is_some_and(|n| n.group != group.name);
    if !group.many {
        let own = recorded.get(&group.name).filter(|n| n.group == group.name);
        let moved = recorded.iter().find(|(_, n)| n.group == group.name);
        let name = match (own, moved) {
            (None, Some((name, _))) => name.clone(),
            (Some(_), _) => group.name.clone(),
            (None, None) => std::iter::once(group.name.clone())
                .chain((2..).map(|n: u64| format!("{}-{n}", group.name)))
                .find(|name| !foreign(name))
                .unwrap_or_else(|| group.name.clone()),
        };
        return vec![name];
    }
    let taken: HashSet<u64> = held.iter().map(|(number, _)| *number).collect();
    held.retain(|(_, name)| !recorded.get(*name).is_some_and(|node| node.retired));
    held.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let missing = count - held.len() as u64;
    let mut names: Vec<(u64, String)> = held.into_iter().map(|(n, name)| (n, name.clone())).collect();
    let new = (1..)
        .filter(|n| !taken.contains(n))
        .map(|n| (n, format!("{}-{n}", group.name)))
        .filter(|(_, name)| !foreign(name));
    names.extend(new.take(usize::try_from(missing).unwrap_or(0)));
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

/// The number of a node: 3 of `web-3`.
fn number(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// The addresses of a network that nodes can have.
struct Pool {
    version_4: bool,
    /// The first and the last.
    first: u128,
    last: u128,
    gateway: Option<u128>,
    taken: HashSet<u128>,
    /// Nothing below is free. It only grows, so that giving out addresses takes linear time.
    next: u128,
}

impl Pool {
    fn new(network: &NetworkInstance, taken: Vec<IpAddr>) -> Pool {
        let cidr = network.cidr;
        let (mut first, mut last) = (bits(cidr.network()), bits(cidr.broadcast()));
        // A pair of addresses (/31, /127) has neither network nor broadcast address; a single one is itself.
        if cidr.max_prefix_len() - cidr.prefix_len() >= 2 {
            first += 1;
            last -= 1;
        }
        let gateway = network.gateway.map(bits).filter(|g| (first..=last).contains(g));
        let version_4 = cidr.addr().is_ipv4();
        let mut pool = Pool {
            version_4,
            first,
            last,
            gateway,
            taken: HashSet::new(),
            next: first,
        };
        pool.taken = taken.into_iter().filter(|a| pool.usable(*a)).map(bits).collect();
        pool
    }

    /// Whether a node can have this address.
    fn usable(&self, address: IpAddr) -> bool {
        let number = bits(address);
        address.is_ipv4() == self.version_4
            && (self.first..=self.last).contains(&number)
            && self.gateway != Some(number)
    }

    fn capacity(&self) -> u128 {
        // The whole of IPv6 has one address too many for the count; nobody has that network.
        (self.last - self.first).saturating_add(1) - u128::from(self.gateway.is_some())
    }

    fn free(&self) -> u128 {
        self.capacity().saturating_sub(self.taken.len() as u128)
    }

    fn take(&mut self) -> Option<IpAddr> {
        while self.next <= self.last {
            let number = self.next;
            self.next += 1;
            if self.gateway != Some(number) && !self.taken.contains(&number) {
                return Some(match self.version_4 {
                    true => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).ok()?)),
                    false => IpAddr::V6(Ipv6Addr::from(number)),
                });
            }
        }
        None
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}
