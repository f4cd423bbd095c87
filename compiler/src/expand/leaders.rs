//! Who leads a group: a choice that is recorded, so that others who come and go change nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::{Layout, with_calls};
use super::groups::leaders;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::{Leader, LedgerNode};

impl Layout<'_> {
    /// Finds the leaders of groups in which something uses one, or one was chosen before. `names` has the nodes of each
    /// group. `false` if one is asked for and there is none, which is reported.
    pub(super) fn leaders(&mut self, names: &[Vec<String>], recorded: &BTreeMap<String, LedgerNode>) -> bool {
        let mut used = BTreeSet::new();
        let steps = self.runs.iter().flat_map(|run| &run.steps);
        for value in steps
            .flat_map(|step| step.fields.values())
            .chain(self.outputs.values())
        {
            leaders(value, &mut used);
        }
        let before: BTreeMap<&str, &String> = recorded
            .iter()
            .filter(|(_, node)| node.leader)
            .map(|(name, node)| (node.group.as_str(), name))
            .collect();
        let mut without = Vec::new();
        for (index, (group, names)) in self.groups.iter_mut().zip(names).enumerate() {
            let before = before.get(group.name.as_str()).copied();
            let uses = used.contains(&group.name);
            group.leader = match before {
                // It is kept while nobody asks, too: who asks again gets the same one.
                Some(leader) if names.contains(leader) => Some(Leader {
                    node: leader.clone(),
                    instead_of: None,
                }),
                _ if !uses => None,
                before => choose(&group.name, names, recorded).map(|node| Leader {
                    node,
                    instead_of: before.cloned(),
                }),
            };
            if uses && group.leader.is_none() {
                without.push(index);
            }
        }
        let found = without.is_empty();
        for index in without {
            let group = &self.groups[index];
            let message = format!("`{}` has no nodes, and its leader is asked for", group.name);
            let wrong = Diagnostic::error(codes::NO_LEADER, group.span, message);
            let wrong = with_calls(wrong, &self.group_calls[index]);
            self.report(wrong.help("give the group nodes, or use its leader only where it has some"));
        }
        found
    }
}

/// A member that is known already, if there is one: it stands, and may have what a leader needs.
fn choose(group: &str, names: &[String], recorded: &BTreeMap<String, LedgerNode>) -> Option<String> {
    let known = |name: &&String| recorded.get(*name).is_some_and(|node| node.group == group);
    names.iter().find(known).or(names.first()).cloned()
}
