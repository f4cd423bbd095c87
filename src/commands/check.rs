//! `rebar check`

use rebar_compiler::plan::{Ledger, Snapshot};
use rebar_compiler::{Analysis, Diagnostics, Sources, check, expand, graph, resolve, syntax};

use super::compile::{Made, plan_on};
use super::Context;
use crate::cli::{CheckArgs, Format, Stage};
use crate::exit::Exit;
use crate::render::palette::count;
use crate::report::Failure;

/// Checks the spec and plans every deploy of it, without a look at any machine.
pub(crate) fn run(context: &Context, args: &CheckArgs) -> Result<Exit, Failure> {
    let analysis = super::analyse(context);
    if let Some(stage) = args.emit {
        return emit(context, args, stage, analysis);
    }
    let Analysis { sources, mut diagnostics, typed } = analysis;
    if !diagnostics.has_errors() {
        for deploy in &typed.deploys {
            expand_one(context, &typed, &deploy.name, &mut diagnostics);
        }
    }
    let exit = super::show(context, args.diagnostics.format, &diagnostics, &sources)?;
    if exit == Exit::Done && args.diagnostics.format == Format::Human {
        let files = sources.iter().filter(|(_, source)| !source.name.starts_with("std/")).count();
        let text = format!("{} and {}: no errors", count(files, "file"), count(typed.deploys.len(), "deploy"));
        eprintln!("{text}");
    }
    Ok(exit)
}

fn expand_one(
    context: &Context,
    typed: &check::Typed,
    deploy: &str,
    diagnostics: &mut Diagnostics,
) -> Option<(expand::Instances, graph::Graph)> {
    let library = super::library(context);
    let instances = expand::expand(typed, deploy, &Ledger::default(), &library, diagnostics)?;
    let graph = graph::build(&instances, diagnostics);
    Some((instances, graph))
}

fn emit(context: &Context, args: &CheckArgs, stage: Stage, analysis: Analysis) -> Result<Exit, Failure> {
    let format = args.diagnostics.format;
    let Analysis { sources, mut diagnostics, typed } = analysis;
    match stage {
        Stage::Syntax => {
            let text = trees(&sources);
            super::print(&text)?;
        }
        Stage::Names => super::print(&resolve::dump(&typed.resolved, &sources))?,
        Stage::Types => super::print(&check::dump(&typed, &sources))?,
        Stage::Instances | Stage::Graph => {
            let Some(deploy) = args.deploy.as_deref().or(match typed.deploys.as_slice() {
                [one] => Some(one.name.as_str()),
                _ => None,
            }) else {
                return Err(Failure::new("E1612", "this stage is that of one deploy: name it")
                    .help(format!("one of: {}", typed.deploys.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", "))));
            };
            if !diagnostics.has_errors()
                && let Some((instances, graph)) = expand_one(context, &typed, deploy, &mut diagnostics)
            {
                let text = match stage {
                    Stage::Instances => expand::dump(&instances),
                    _ => graph::dump(&graph, &sources),
                };
                super::print(&text)?;
            }
        }
    }
    let exit = super::show(context, if format == Format::Json { Format::Human } else { format }, &diagnostics, &sources)?;
    Ok(exit)
}

/// The lossless trees of the project's own files.
fn trees(sources: &Sources) -> String {
    let own = sources.iter().filter(|(_, source)| !source.name.starts_with("std/"));
    own.map(|(id, source)| {
        let tree = syntax::parse(sources, id, &mut Diagnostics::default()).tree;
        format!("{}\n{}\n", source.name, tree.dump(&source.text))
    })
    .collect()
}
