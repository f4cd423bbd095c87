//! A plan as a graph: DOT, Mermaid, or SVG. Nodes are runs on groups, edges are waits with their reasons. What lies on
//! the longest path is drawn in red, and each node tells how long it is expected to take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute::ForecastJob;
use rebar_runtime::forecast::critical_path;

use super::duration::spoken;

/// How long the boxes of a drawing take, and which of them are on the longest path.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Milliseconds on the slowest node, by box.
    takes: BTreeMap<String, u64>,
    critical: BTreeSet<String>,
    /// What the drawing's legend says.
    legend: String,
}

impl Expected {
    /// From the jobs of the plan; `basis` says what their durations come from.
    pub(crate) fn of(plan: &Plan, jobs: &[ForecastJob], basis: &str) -> Expected {
        let boxes: Vec<Option<String>> = jobs.iter().map(|job| box_of(plan, job)).collect();
        let mut takes: BTreeMap<String, u64> = BTreeMap::new();
        for (job, id) in jobs.iter().zip(&boxes) {
            if let Some(id) = id {
                let longest = takes.entry(id.clone()).or_default();
                *longest = (*longest).max(job.weight.as_millis() as u64);
            }
        }
        let path = critical_path(jobs);
        let length: u64 = path.iter().map(|at| jobs[*at].weight.as_millis() as u64).sum();
        Expected {
            takes,
            critical: path.iter().filter_map(|at| boxes[*at].clone()).collect(),
            legend: format!("red: the longest path, {} in all ({basis})", spoken(length)),
        }
    }

    fn is_critical(&self, id: &str) -> bool {
        self.critical.contains(id)
    }

    /// An empty text, or ` ~13 s` on the slowest node.
    fn text(&self, id: &str) -> String {
        let takes = self.takes.get(id).filter(|takes| **takes > 0);
        takes.map_or(String::new(), |takes| format!(", ~{}", spoken(*takes)))
    }
}

/// The box in which a job is drawn: networks, the image and names are in none.
fn box_of(plan: &Plan, job: &ForecastJob) -> Option<String> {
    let pattern_of = |name: &str| {
        let at = plan
            .nodes
            .binary_search_by(|row| row.name.as_str().cmp(name))
            .ok()?;
        Some(plan.nodes[at].pattern)
    };
    match job.subject.split_once('/')? {
        ("machine", name) => Some(format!("machines_{}", pattern_of(name)?)),
        (name, run) => {
            let pattern = pattern_of(name)?;
            let known = plan
                .patterns
                .get(pattern)?
                .segments
                .iter()
                .any(|segment| segment.run == run);
            known.then(|| id_of(pattern, run))
        }
    }
}

/// A node of the drawing.
struct Node<'a> {
    id: String,
    group: &'a str,
    title: String,
}

/// An edge of the drawing.
struct Arrow {
    from: String,
    to: String,
    text: String,
    hard: bool,
}

/// Graphviz notation.
pub(crate) fn dot(plan: &Plan, expected: &Expected) -> String {
    let (boxes, arrows) = drawing(plan);
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n",
        quoted(&plan.deploy)
    );
    for item in &boxes {
        let label = format!("{}\n{}{}", item.title, item.group, expected.text(&item.id));
        let red = if expected.is_critical(&item.id) {
            ", color=red, penwidth=2"
        } else {
            ""
        };
        let _ = writeln!(out, "  {} [label={}{red}];", item.id, quoted(&label));
    }
    for arrow in &arrows {
        let style = if arrow.hard { "solid" } else { "dashed" };
        let label = quoted(&arrow.text);
        let _ = writeln!(
            out,
            "  {} -> {} [label={label}, style={style}{}];",
            arrow.from,
            arrow.to,
            if on_path(arrow, expected) {
                ", color=red"
            } else {
                ""
            }
        );
    }
    let _ = writeln!(out, "  legend [label={}, color=gray];", quoted(&expected.legend));
    out.push_str("}\n");
    out
}

/// Mermaid notation.
pub(crate) fn mermaid(plan: &Plan, expected: &Expected) -> String {
    let (boxes, arrows) = drawing(plan);
    let mut out = String::from("flowchart LR\n");
    for item in &boxes {
        let _ = writeln!(
            out,
            "  {}[\"{}<br/>{}{}\"]",
            item.id,
            escaped(&item.title),
            escaped(item.group),
            expected.text(&item.id)
        );
    }
    for arrow in &arrows {
        let line = if arrow.hard { "-->" } else { "-.->" };
        let _ = writeln!(
            out,
            "  {} {line}|\"{}\"| {}",
            arrow.from,
            escaped(&arrow.text),
            arrow.to
        );
    }
    let _ = writeln!(out, "  legend[\"{}\"]", escaped(&expected.legend));
    let critical: Vec<&str> = boxes
        .iter()
        .map(|item| item.id.as_str())
        .filter(|id| expected.is_critical(id))
        .collect();
    if !critical.is_empty() {
        let _ = writeln!(out, "  classDef critical stroke:#c00,stroke-width:3px");
        let _ = writeln!(out, "  class {} critical", critical.join(","));
    }
    let red: Vec<String> = (0..arrows.len())
        .filter(|at| on_path(&arrows[*at], expected))
        .map(|at| at.to_string())
        .collect();
    if !red.is_empty() {
        let _ = writeln!(out, "  linkStyle {} stroke:#c00", red.join(","));
    }
    out
}

/// Whether both ends of an arrow are on the longest path.
fn on_path(arrow: &Arrow, expected: &Expected) -> bool {
    expected.is_critical(&arrow.from) && expected.is_critical(&arrow.to)
}

/// A picture, laid out without any other program.
///
/// # Errors
/// The layout's words, should it not read the graph.
pub(crate) fn svg(plan: &Plan, expected: &Expected) -> Result<String, String> {
    // The layout library knows no styles of edges and draws `\n` literally when escaped; feed it plain DOT.
    let mut parser = layout::gv::DotParser::new(&dot(plan, expected));
    let graph = parser.process()?;
    let mut builder = layout::gv::GraphBuilder::new();
    builder.visit_graph(&graph);
    let mut visual = builder.get();
    let mut writer = layout::backends::svg::SVGWriter::new();
    visual.do_it(false, false, false, &mut writer);
    Ok(writer.finalize())
}

fn drawing(plan: &Plan) -> (Vec<Node<'_>>, Vec<Arrow>) {
    let mut boxes: Vec<Node<'_>> = Vec::new();
    let mut arrows = Vec::new();
    for (index, pattern) in plan.patterns.iter().enumerate() {
        let nodes = plan.nodes.iter().filter(|n| n.pattern == index).count();
        let mut before = format!("machines_{index}");
        boxes.push(Node {
            id: before.clone(),
            group: &pattern.group,
            title: super::palette::count(nodes, "machine"),
        });
        for segment in &pattern.segments {
            let id = id_of(index, &segment.run);
            let title = format!(
                "{} = {}, {}",
                segment.run,
                segment.role,
                super::palette::count(segment.steps.len(), "step")
            );
            boxes.push(Node {
                id: id.clone(),
                group: &pattern.group,
                title,
            });
            arrows.push(Arrow {
                from: before,
                to: id.clone(),
                text: "same node".to_owned(),
                hard: false,
            });
            before = id;
        }
    }
    for gate in &plan.gates {
        for from in ids(plan, &gate.after) {
            for to in ids(plan, &gate.of) {
                arrows.push(Arrow {
                    from: from.clone(),
                    to,
                    text: gate.reason.replace('`', ""),
                    hard: true,
                });
            }
        }
    }
    (boxes, arrows)
}

/// The boxes of one run: one for each pattern that has it.
fn ids(plan: &Plan, run: &str) -> Vec<String> {
    let with_run = plan
        .patterns
        .iter()
        .enumerate()
        .filter(|(_, p)| p.segments.iter().any(|s| s.run == run));
    with_run.map(|(index, _)| id_of(index, run)).collect()
}

/// The box of one run of one pattern. Names of runs in workloads (`kv.serve`) have dots, and those of a `for` have keys
/// (`pages[tea]`), which no notation takes: a dot becomes `_o_`, any other sign its number, as `_5b_`, and underscores of
/// the name are doubled, so that two names never have one box.
fn id_of(pattern: usize, run: &str) -> String {
    let mut id = format!("run_{pattern}_");
    for sign in run.chars() {
        match sign {
            '_' => id.push_str("__"),
            '.' => id.push_str("_o_"),
            plain if plain.is_ascii_alphanumeric() => id.push(plain),
            other => {
                let _ = write!(id, "_{:x}_", u32::from(other));
            }
        }
    }
    id
}

fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
}
