//! A plan as a graph: DOT, Mermaid, or SVG. Nodes are runs on groups, edges are waits with their reasons.

use std::fmt::Write;

use rebar_compiler::plan::Plan;

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
pub(crate) fn dot(plan: &Plan) -> String {
    let (boxes, arrows) = drawing(plan);
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n",
        quoted(&plan.deploy)
    );
    for item in &boxes {
        let label = format!("{}\n{}", item.title, item.group);
        let _ = writeln!(out, "  {} [label={}];", item.id, quoted(&label));
    }
    for arrow in &arrows {
        let style = if arrow.hard { "solid" } else { "dashed" };
        let label = quoted(&arrow.text);
        let _ = writeln!(
            out,
            "  {} -> {} [label={label}, style={style}];",
            arrow.from, arrow.to
        );
    }
    out.push_str("}\n");
    out
}

/// Mermaid notation.
pub(crate) fn mermaid(plan: &Plan) -> String {
    let (boxes, arrows) = drawing(plan);
    let mut out = String::from("flowchart LR\n");
    for item in &boxes {
        let _ = writeln!(
            out,
            "  {}[\"{}<br/>{}\"]",
            item.id,
            escaped(&item.title),
            escaped(item.group)
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
    out
}

/// A picture, laid out without any other program.
///
/// # Errors
/// The layout's words, should it not read the graph.
pub(crate) fn svg(plan: &Plan) -> Result<String, String> {
    // The layout library knows no styles of edges and draws `\n` literally when escaped; feed it plain DOT.
    let mut parser = layout::gv::DotParser::new(&dot(plan));
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
            let id = format!("run_{index}_{}", segment.run);
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
    with_run.map(|(index, _)| format!("run_{index}_{run}")).collect()
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
