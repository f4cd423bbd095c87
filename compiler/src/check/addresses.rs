//! Arithmetic of addresses, and the parts of networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::Value;

use super::rules::ip;
use super::types::Type;
use crate::syntax::ast::BinaryOperator;

/// What a network has, with its type.
pub(super) fn member_type(name: &str) -> Option<Type> {
    match name {
        "network" | "first" | "last" | "broadcast" | "netmask" => Some(Type::Ip),
        "prefix" | "size" => Some(Type::Int),
        "next" => Some(Type::Cidr),
        _ => None,
    }
}

/// The members of a network.
pub(super) const MEMBERS: [&str; 8] = [
    "network",
    "prefix",
    "first",
    "last",
    "broadcast",
    "netmask",
    "size",
    "next",
];

/// The type of `address + 1`, `address - 1` and `address - address`.
pub(super) fn result_type(operator: BinaryOperator, left: &Type, right: &Type) -> Option<Type> {
    match (operator, left, right) {
        (BinaryOperator::Add | BinaryOperator::Subtract, Type::Ip, Type::Int) => Some(Type::Ip),
        (BinaryOperator::Subtract, Type::Ip, Type::Ip) => Some(Type::Int),
        _ => None,
    }
}

/// What [`result_type`] has a type for; the error is a message.
pub(super) fn compute(
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
) -> Option<Result<Value, String>> {
    let from = ip(left)?;
    if let Some(to) = ip(right) {
        if from.is_ipv4() != to.is_ipv4() {
            return Some(Err(format!("there is no distance between `{to}` and `{from}`")));
        }
        let (a, b) = (number(from), number(to));
        let distance = i64::try_from(a.abs_diff(b)).ok();
        let signed = distance.map(|d| if a < b { -d } else { d });
        return Some(
            signed
                .map(Value::from)
                .ok_or_else(|| format!("the distance between `{to}` and `{from}` is too large")),
        );
    }
    let by = right.as_i64()?;
    let up = (operator == BinaryOperator::Add) == (by >= 0);
    let symbol = if operator == BinaryOperator::Add { '+' } else { '-' };
    Some(
        moved(from, u128::from(by.unsigned_abs()), up)
            .map(|address| address.to_string().into())
            .ok_or_else(|| format!("there is no address `{from} {symbol} {by}`")),
    )
}

/// A member of the network; the error is a message.
pub(super) fn member(net: IpNet, name: &str) -> Result<Value, String> {
    let whole = net.prefix_len() + 1 >= net.max_prefix_len();
    let inner = |address: IpAddr, up: bool| match whole {
        true => address,
        false => moved(address, 1, up).unwrap_or(address),
    };
    Ok(match name {
        "network" => net.network().to_string().into(),
        "prefix" => net.prefix_len().into(),
        "first" => inner(net.network(), true).to_string().into(),
        // Networks of IPv6 have no broadcast, and so their last address is one like others.
        "last" if !net.network().is_ipv4() => net.broadcast().to_string().into(),
        "last" => inner(net.broadcast(), false).to_string().into(),
        "broadcast" if net.network().is_ipv4() => net.broadcast().to_string().into(),
        "broadcast" => return Err(format!("`{net}` has no broadcast address: IPv6 has none")),
        "netmask" => net.netmask().to_string().into(),
        "size" => match size(net).and_then(|size| i64::try_from(size).ok()) {
            Some(size) => size.into(),
            None => return Err(format!("the size of `{net}` is too large: numbers have 64 bits")),
        },
        _ => {
            let next = size(net).and_then(|size| moved(net.network(), size, true));
            match next.and_then(|next| IpNet::new(next, net.prefix_len()).ok()) {
                Some(next) => next.to_string().into(),
                None => return Err(format!("there is no network behind `{net}`")),
            }
        }
    })
}

/// The address at `index` of the network, from 0.
pub(super) fn host(net: IpNet, index: i64) -> Result<Value, String> {
    let count = size(net).unwrap_or(u128::MAX);
    let found = u128::try_from(index).ok().filter(|index| *index < count);
    match found.and_then(|index| moved(net.network(), index, true)) {
        Some(address) => Ok(address.to_string().into()),
        None => Err(format!(
            "`{net}` has no address `{index}`: they go from 0 to {}",
            count - 1
        )),
    }
}

/// The part at `index`, from 0, of those with this prefix.
pub(super) fn subnet(net: IpNet, prefix: i64, index: i64) -> Result<Value, String> {
    let (from, to) = (net.prefix_len(), net.max_prefix_len());
    let Some(length) = u8::try_from(prefix).ok().filter(|p| (from..=to).contains(p)) else {
        return Err(format!(
            "`{net}` has no networks with the prefix `{prefix}`: give one from {from} to {to}"
        ));
    };
    let count = 1_u128.checked_shl(u32::from(length - from)).unwrap_or(u128::MAX);
    let one = 1_u128.checked_shl(u32::from(to - length));
    let found = u128::try_from(index).ok().filter(|index| *index < count);
    let start = match (found, one) {
        (Some(index), Some(one)) => index
            .checked_mul(one)
            .and_then(|by| moved(net.network(), by, true)),
        // All of IPv6 has itself as its only part.
        (Some(_), None) => Some(net.network()),
        (None, _) => None,
    };
    match start.and_then(|start| IpNet::new(start, length).ok()) {
        Some(part) => Ok(part.to_string().into()),
        None => Err(format!(
            "`{net}` has no `/{length}` at `{index}`: they go from 0 to {}",
            count - 1
        )),
    }
}

/// How many addresses there are; `None` for all of IPv6.
fn size(net: IpNet) -> Option<u128> {
    1_u128.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len()))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn moved(address: IpAddr, by: u128, up: bool) -> Option<IpAddr> {
    let from = number(address);
    let to = if up {
        from.checked_add(by)?
    } else {
        from.checked_sub(by)?
    };
    match address {
        IpAddr::V4(_) => u32::try_from(to).ok().map(|to| Ipv4Addr::from(to).into()),
        IpAddr::V6(_) => Some(Ipv6Addr::from(to).into()),
    }
}
