//! Hardware, networks and images from their fields.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

use super::NetworkInstance;
use super::deploy::Layout;
use crate::check::evaluate::{Scope, as_item};
use crate::check::{Construct, Expression};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{expand as codes, names};
use crate::plan::{Hardware, Image};
use crate::resolve::ItemId;

impl Layout<'_> {
    /// A hardware with its networks, which become networks of the deploy.
    pub(super) fn hardware(&mut self, id: ItemId) -> Option<Hardware> {
        let construct = self.typed.constructs.get(&id)?;
        let cpu = self.amount(construct.fields.get("cpu")?, "number of processors")?;
        let memory = self.amount(construct.fields.get("memory")?, "size of memory")?;
        let Ok(cpu) = u32::try_from(cpu) else {
            let span = construct.fields.get("cpu")?.span;
            self.report(Diagnostic::error(
                codes::BAD_AMOUNT,
                span,
                format!("{cpu} processors are too many"),
            ));
            return None;
        };
        let mut hardware = Hardware {
            name: construct.name.clone(),
            cpu,
            memory,
            disks: BTreeMap::new(),
            nics: BTreeMap::new(),
        };
        for (word, name, fields) in &construct.parts {
            if word == "disk" {
                let size = fields
                    .get("size")
                    .and_then(|size| self.amount(size, "size of a disk"));
                hardware.disks.insert(name.clone(), size.unwrap_or(0));
                continue;
            }
            let Some(field) = fields.get("network") else {
                continue;
            };
            let value = self.evaluate(field, &mut Scope::of(self.typed));
            let Some(network) = value.as_ref().and_then(as_item) else {
                continue;
            };
            let Some(network_name) = self.network(network, field) else {
                continue;
            };
            if let Some((other, _)) = hardware.nics.iter().find(|(_, n)| **n == network_name) {
                let message = format!("`{other}` and `{name}` are on the same network `{network_name}`");
                let help = "a node has one address on a network: put one of them on another network";
                self.report(Diagnostic::error(codes::TWO_INTERFACES, field.span, message).help(help));
                continue;
            }
            hardware.nics.insert(name.clone(), network_name);
        }
        Some(hardware)
    }

    /// A positive number.
    fn amount(&mut self, field: &Expression, what: &str) -> Option<u64> {
        let value = self.known(field, &mut Scope::of(self.typed), what)?;
        match value.as_u64() {
            Some(number) if number > 0 => Some(number),
            _ => {
                let message = format!("the {what} cannot be {value}");
                self.report(
                    Diagnostic::error(codes::BAD_AMOUNT, field.span, message).help("give at least 1"),
                );
                None
            }
        }
    }

    fn network(&mut self, id: ItemId, used: &Expression) -> Option<String> {
        let construct = self.typed.constructs.get(&id)?;
        match self.networks.get(&construct.name) {
            Some((known, _)) if *known == id => return Some(construct.name.clone()),
            Some((_, other)) => {
                let message = format!("two networks of this deploy are called `{}`", construct.name);
                let label = other.span;
                let twice = Diagnostic::error(names::DUPLICATE_NAME, used.span, message);
                self.report(
                    twice
                        .label(construct.span, "this one")
                        .label(label, "and this one"),
                );
                return None;
            }
            None => {}
        }
        let text = |this: &mut Self, name: &str| {
            let field = construct.fields.get(name)?;
            this.known(field, &mut Scope::of(this.typed), "a network")
        };
        let cidr: IpNet = text(self, "cidr")?.as_str()?.parse().ok()?;
        let gateway: Option<std::net::IpAddr> = text(self, "gateway").and_then(|g| g.as_str()?.parse().ok());
        let mtu = match text(self, "mtu").and_then(|m| m.as_i64()) {
            Some(mtu) if (68..=65_535).contains(&mtu) => Some(mtu as u32),
            Some(mtu) => {
                let span = construct.fields.get("mtu")?.span;
                let message = format!("packets cannot be {mtu} bytes large");
                let help = "give 68 to 65535; 1500 is usual";
                self.report(Diagnostic::error(codes::BAD_AMOUNT, span, message).help(help));
                None
            }
            None => None,
        };
        if let Some((unusable, what)) = unusable(&cidr) {
            let at = construct.fields.get("cidr")?.span;
            let message = match cidr.contains(&unusable) && cidr != unusable {
                true => format!("nodes cannot have all addresses of `{cidr}`: `{unusable}` is {what}"),
                false => format!("nodes cannot have addresses of `{cidr}`: `{unusable}` is {what}"),
            };
            let help = match cidr {
                IpNet::V4(_) => "private networks are `10.0.0.0/8`, `172.16.0.0/12` and `192.168.0.0/16`",
                IpNet::V6(_) => "private networks lie in `fd00::/8`",
            };
            self.report(Diagnostic::error(codes::UNUSABLE_NETWORK, at, message).help(help));
            // Its gateway would be a consequence.
            return None;
        }
        let vlan = text(self, "vlan").and_then(|v| u16::try_from(v.as_u64()?).ok());
        if let Some(gateway) = gateway {
            let edge = gateway == cidr.network() || (gateway == cidr.broadcast() && gateway.is_ipv4());
            let host_bits = cidr.max_prefix_len() - cidr.prefix_len();
            if !cidr.contains(&gateway) || (edge && host_bits >= 2) {
                let at = construct.fields.get("gateway")?.span;
                let message = match edge {
                    true => format!("the gateway {gateway} is the first or last address of `{cidr}`"),
                    false => format!("the gateway {gateway} does not lie in `{cidr}`"),
                };
                self.report(
                    Diagnostic::error(codes::GATEWAY, at, message)
                        .label(construct.fields.get("cidr")?.span, "the network's addresses")
                        .help("give an address between the first and the last of the network"),
                );
            }
        }
        let instance = NetworkInstance {
            cidr: cidr.trunc(),
            gateway,
            mtu,
            vlan,
            span: construct.span,
        };
        self.networks.insert(construct.name.clone(), (id, instance));
        Some(construct.name.clone())
    }

    /// Networks of one deploy must not share addresses.
    pub(super) fn check_networks(&mut self) {
        let all: Vec<(String, NetworkInstance)> = self
            .networks
            .iter()
            .map(|(name, (_, network))| (name.clone(), network.clone()))
            .collect();
        for (index, (name, network)) in all.iter().enumerate() {
            for (other, second) in &all[index + 1..] {
                if network.cidr.contains(&second.cidr) || second.cidr.contains(&network.cidr) {
                    let message = format!("the networks `{name}` and `{other}` share addresses");
                    self.report(
                        Diagnostic::error(codes::NETWORKS_OVERLAP, second.span, message)
                            .here(second.cidr.to_string())
                            .label(network.span, network.cidr.to_string())
                            .help("give them addresses that do not overlap"),
                    );
                }
            }
        }
    }

    pub(super) fn image(&mut self, id: ItemId) -> Option<Image> {
        let construct: &Construct = self.typed.constructs.get(&id)?;
        let mut fields = BTreeMap::new();
        for (name, field) in &construct.fields {
            let value = self.known(field, &mut Scope::of(self.typed), "an image");
            fields.insert(name.as_str(), value.unwrap_or(Value::Null));
        }
        let text = |name: &str| {
            fields
                .get(name)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let packages = match fields.get("packages") {
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(|p| p.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        };
        Some(Image {
            name: construct.name.clone(),
            distribution: text("distribution"),
            suite: text("suite"),
            variant: text("variant"),
            packages,
        })
    }
}

/// Addresses that no node can have, and what they are for.
const UNUSABLE: &[(&str, &str)] = &[
    ("0.0.0.0/8", "for \"this host\""),
    ("127.0.0.0/8", "for a host that speaks to itself"),
    ("224.0.0.0/4", "for multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/127", "for a host that speaks to itself"),
    ("::ffff:0:0/96", "IPv4 addresses written as IPv6"),
    ("ff00::/8", "for multicast"),
];

/// The first range of addresses of `cidr` that no node can have.
fn unusable(cidr: &IpNet) -> Option<(IpNet, &'static str)> {
    UNUSABLE
        .iter()
        .filter_map(|(range, what)| Some((range.parse::<IpNet>().ok()?, *what)))
        .find(|(range, _)| range.contains(cidr) || cidr.contains(range))
}
