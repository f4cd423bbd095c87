//! What waits for what: segments (a run on a group) as nodes, waits as edges with a reason and a place.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::diagnostics::codes::order;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::expand::Instances;
use crate::plan::GateMode;
use crate::source::Span;

/// A run on a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The run.
    pub run: String,
    /// The group.
    pub group: String,
}

/// Why one segment comes after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Whether it waits for the whole run; else it is only the written order on nodes that both share.
    pub gate: bool,
    /// How much of the run is waited for.
    pub mode: GateMode,
    /// In words: "`entry` uses the output `url` of `pages`".
    pub reason: String,
    /// Where that is written.
    pub span: Span,
    /// `main.rebar:31:27`
    pub place: String,
}

/// The order of a deploy. It has no cycles; edges point from what comes first to what comes after.
#[derive(Debug, Clone)]
pub struct Graph {
    /// What it was made from.
    pub instances: Instances,
    /// Segments and edges.
    pub order: DiGraph<Segment, Edge>,
}

/// Orders the runs of a deploy.
pub fn build(instances: Instances, diagnostics: &mut Diagnostics) -> Graph {
    let mut order: DiGraph<Segment, Edge> = DiGraph::new();
    let mut nodes: BTreeMap<&str, NodeIndex> = BTreeMap::new();
    // The last segment of each group.
    let mut lanes: BTreeMap<&str, NodeIndex> = BTreeMap::new();
    for run in &instances.runs {
        let node = order.add_node(Segment {
            run: run.name.clone(),
            group: run.group.clone(),
        });
        nodes.insert(&run.name, node);
    }
    for run in &instances.runs {
        let node = nodes[run.name.as_str()];
        for wait in &run.waits {
            let Some(first) = nodes.get(wait.run.as_str()) else {
                continue;
            };
            let edge = Edge {
                gate: true,
                mode: wait.mode,
                reason: wait.reason.clone(),
                span: wait.span,
                place: wait.place.clone(),
            };
            order.add_edge(*first, node, edge);
        }
        if let Some(before) = lanes.insert(&run.group, node)
            && !order.contains_edge(before, node)
        {
            let reason = format!(
                "`{}` is written after `{}`, on the same nodes",
                run.name, order[before].run
            );
            order.add_edge(
                before,
                node,
                Edge {
                    gate: false,
                    mode: GateMode::All,
                    reason,
                    span: run.span,
                    place: String::new(),
                },
            );
        }
    }
    let mut graph = Graph { instances, order };
    graph.break_cycles(diagnostics);
    graph
}

impl Graph {
    /// The written order is a valid one, so that a spec has no cycles; instances made by other means may have.
    /// Each is reported as an ordered path, and taken out.
    fn break_cycles(&mut self, diagnostics: &mut Diagnostics) {
        while let Err(cycle) = petgraph::algo::toposort(&self.order, None) {
            let path = self.path_back(cycle.node_id());
            let Some(last) = path.last().copied() else { return };
            let names: Vec<String> = path
                .iter()
                .filter_map(|e| self.order.edge_endpoints(*e))
                .map(|(from, _)| format!("`{}`", self.order[from].run))
                .collect();
            let message = format!(
                "these runs wait for each other: {} → {}",
                names.join(" → "),
                names[0]
            );
            let mut diagnostic = Diagnostic::error(order::CYCLE, self.order[path[0]].span, message)
                .here(self.order[path[0]].reason.clone());
            for edge in &path[1..] {
                diagnostic = diagnostic.label(self.order[*edge].span, self.order[*edge].reason.clone());
            }
            diagnostics.push(diagnostic);
            self.order.remove_edge(last);
        }
    }

    /// The edges of a shortest way from a node back to itself.
    fn path_back(&self, start: NodeIndex) -> Vec<petgraph::graph::EdgeIndex> {
        let mut reached: BTreeMap<NodeIndex, petgraph::graph::EdgeIndex> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for edge in self.order.edges(node) {
                if reached.contains_key(&edge.target()) {
                    continue;
                }
                reached.insert(edge.target(), edge.id());
                queue.push_back(edge.target());
            }
        }
        let mut path = Vec::new();
        let mut node = start;
        while let Some(edge) = reached.get(&node) {
            path.push(*edge);
            node = match self.order.edge_endpoints(*edge) {
                Some((from, _)) => from,
                None => break,
            };
            if node == start {
                break;
            }
        }
        path.reverse();
        path
    }

    /// `--emit graph`: each segment with what it waits for.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for node in self.order.node_indices() {
            let segment = &self.order[node];
            let _ = writeln!(text, "{} on {}", segment.run, segment.group);
            let mut edges: Vec<_> = self
                .order
                .edges_directed(node, petgraph::Direction::Incoming)
                .collect();
            edges.sort_by_key(|e| e.source());
            for edge in edges {
                let kind = match edge.weight() {
                    Edge { gate: true, mode, .. } => format!("after {}", mode.words()),
                    Edge { gate: false, .. } => "after".to_owned(),
                };
                let _ = writeln!(
                    text,
                    "  {kind} {}: {}",
                    self.order[edge.source()].run,
                    edge.weight().reason
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::{RunInstance, WaitInstance};

    fn run(name: &str, waits: &[&str]) -> RunInstance {
        let wait = |run: &&str| WaitInstance {
            run: (*run).to_owned(),
            mode: GateMode::All,
            reason: format!("`{name}` uses `{run}`"),
            span: Span::default(),
            place: String::new(),
        };
        RunInstance {
            name: name.to_owned(),
            role: "r".to_owned(),
            group: name.to_owned(),
            hash: String::new(),
            steps: Vec::new(),
            spans: Vec::new(),
            rollout: crate::plan::Rollout::default(),
            waits: waits.iter().map(wait).collect(),
            span: Span::default(),
        }
    }

    #[test]
    fn a_cycle_is_told_as_a_path() {
        let instances = Instances {
            deploy: "d".into(),
            site: "s".into(),
            spec: String::new(),
            backend: crate::plan::BackendChoice {
                name: "local".into(),
                image: None,
                settings: BTreeMap::new(),
            },
            networks: BTreeMap::new(),
            groups: Vec::new(),
            runs: vec![run("a", &["c"]), run("b", &["a"]), run("c", &["b"])],
            branches: std::collections::BTreeSet::new(),
            outputs: BTreeMap::new(),
            ledger: crate::plan::Ledger::default(),
            capabilities: BTreeMap::new(),
            moves: Vec::new(),
            moved_at: Vec::new(),
            arguments: BTreeMap::new(),
            reads: BTreeMap::new(),
        };
        let mut diagnostics = Diagnostics::default();
        let graph = build(instances, &mut diagnostics);
        assert!(petgraph::algo::toposort(&graph.order, None).is_ok());
        let all = diagnostics.sorted();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].code.0, "E0502");
        assert_eq!(all[0].labels.len(), 3);
        assert!(all[0].message.contains("→"), "{}", all[0].message);
    }
}
