//! Networks, groups and rollouts.

use ipnet::IpNet;

use crate::diagnostics::Diagnostic;
use crate::lint::look::{Look, field, number};
use crate::syntax::ast::{Block, BlockWord, DottedName, ItemKind, Name, StatementKind};

use super::codes as c;

/// A group: its name, whether it is `nodes`, its settings.
type GroupOf<'a> = (&'a Name, bool, &'a Block);
/// A run: its role, the name of its group, its settings.
type RunOf<'a> = (&'a DottedName, &'a Name, &'a Block);

fn groups<'a>(look: &Look<'a>, block: &'a Block) -> Vec<GroupOf<'a>> {
    let groups = look.statements(block).into_iter().filter_map(|s| match &s.kind {
        StatementKind::Nodes { many, name, block } => Some((name, *many, block)),
        _ => None,
    });
    groups.collect()
}

fn runs<'a>(look: &Look<'a>, block: &'a Block) -> Vec<RunOf<'a>> {
    let runs = look.statements(block).into_iter().filter_map(|s| match &s.kind {
        StatementKind::Run { role, on, block, .. } => Some((role, on.as_ref()?, block)),
        _ => None,
    });
    runs.collect()
}

/// L0015
pub(super) fn count_of_one(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        for (name, many, block) in groups(look, function.block) {
            if let Some(count) = field(block, "count").filter(|c| many && number(Some(c)) == Some(1)) {
                let message = format!("`{}` is always one node", name.text);
                all.push(
                    Diagnostic::warning(c::COUNT_OF_ONE, count.span, message).help(format!(
                        "write `node {} {{ … }}`: its outputs are then single values, no lists of one",
                        name.text
                    )),
                );
            }
        }
    }
    all
}

/// L0019
pub(super) fn no_gateway(look: &Look<'_>) -> Vec<Diagnostic> {
    let resolved = &look.typed.resolved;
    let mut all = Vec::new();
    for item in look.items() {
        let ItemKind::Block {
            word: BlockWord::Hardware,
            name,
            block,
        } = &item.kind
        else {
            continue;
        };
        let mut networks = Vec::new();
        for statement in &block.statements {
            if let StatementKind::Named { block: nic, .. } = &statement.kind
                && let Some(value) = field(nic, "network")
                && let crate::syntax::ast::ExpressionKind::Name(used) = &value.kind
                && let Some(crate::resolve::Definition::Item(id)) = resolved.references.get(&used.span)
                && let ItemKind::Block { name, block, .. } = &resolved.item(*id).kind
            {
                networks.push((name, field(block, "gateway").is_some()));
            }
        }
        if let Some((network, _)) = networks.first().filter(|_| networks.iter().all(|(_, has)| !has)) {
            let message = format!("nodes of `{}` reach nothing outside of their networks", name.text);
            all.push(
                Diagnostic::warning(c::NO_GATEWAY, name.span, message)
                    .label(network.span, "this network has no gateway")
                    .help("give a network a `gateway`, so that packages can be fetched; allow this where it is meant"),
            );
        }
    }
    all
}

/// L0020
pub(super) fn overlapping_networks(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let mut networks: Vec<&(Name, IpNet)> = look.facts.networks.iter().collect();
    networks.sort_by_key(|(name, cidr)| (cidr.network(), cidr.prefix_len(), name.span));
    // Networks are disjoint or within each other: what overlaps stands between the wider one and its last address.
    let mut open: Vec<&(Name, IpNet)> = Vec::new();
    for one in networks {
        open.retain(|wide| wide.1.contains(&one.1.network()));
        if let Some(wide) = open.last()
            && one.0.span.source == look.module.source
        {
            let message = format!("`{}` shares addresses with `{}`", one.0.text, wide.0.text);
            all.push(
                Diagnostic::warning(c::OVERLAPPING_NETWORKS, one.0.span, message)
                    .here(one.1.to_string())
                    .label(wide.0.span, wide.1.to_string())
                    .help("no deploy can use both; give them addresses of their own"),
            );
        }
        open.push(one);
    }
    all
}

/// L0021
pub(super) fn even_quorum(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        for (name, _, block) in groups(look, function.block) {
            let count = field(block, "count");
            let even = number(count).is_some_and(|n| n > 0 && n % 2 == 0);
            if let (Some(count), Some(quorum), true) = (count, field(block, "quorum"), even) {
                let message = format!(
                    "an even number of members gives `{}` no more safety than one fewer",
                    name.text
                );
                all.push(
                    Diagnostic::warning(c::EVEN_QUORUM, count.span, message)
                        .label(quorum.span, "decided by a quorum")
                        .help("take an odd number: 3 bear the loss of one, 4 do as well, and 5 that of two"),
                );
            }
        }
    }
    all
}

/// L0022
pub(super) fn canary_of_all(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        let groups = groups(look, function.block);
        for (_, on, settings) in runs(look, function.block) {
            let group = groups.iter().find(|(name, _, _)| name.text == on.text);
            let count = group.and_then(|(_, many, block)| match many {
                true => number(field(block, "count")),
                false => Some(1),
            });
            let canary = field(settings, "canary");
            if let (Some(count), Some(wanted), Some(canary)) = (count, number(canary), canary)
                && wanted >= count
                && count > 0
            {
                let message = format!("the canary is all of `{}`", on.text);
                all.push(
                    Diagnostic::warning(c::CANARY_OF_ALL, canary.span, message)
                        .label(
                            on.span,
                            if count == 1 {
                                "one node".to_owned()
                            } else {
                                format!("{count} nodes")
                            },
                        )
                        .help("let fewer go first, or leave `canary` out"),
                );
            }
        }
    }
    all
}

/// L0023
pub(super) fn settle_without_probe(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        for (role, _, settings) in runs(look, function.block) {
            let Some(settle) = field(settings, "settle") else {
                continue;
            };
            let Some(ItemKind::Function { block, name, .. }) = look.item_of(role).map(|i| &i.kind) else {
                continue;
            };
            if !look.has_step(block, "probe") {
                let message = format!("after the rest nothing of `{}` is looked at", name.text);
                all.push(
                    Diagnostic::warning(c::SETTLE_WITHOUT_PROBE, settle.span, message)
                        .label(name.span, "this role has no probe")
                        .help("give the role a `probe`, so that a batch that went bad is seen before the next one"),
                );
            }
        }
    }
    all
}
