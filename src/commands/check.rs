//! `rebar check`

use rebar_compiler::plan::Ledger;
use rebar_compiler::{Analysis, Diagnostics, Sources, check, expand, graph, resolve, syntax};

use super::Context;
use super::fix::fix;
use super::show::show_beside;
use crate::cli::{CheckArgs, Format, Stage};
use crate::exit::Exit;
use crate::render::palette::count;
use crate::report::Failure;

/// Checks the spec and lays out every deploy of it, without a look at any machine.
pub(crate) fn run(context: &Context, args: &CheckArgs) -> Result<Exit, Failure> {
    if args.fix {
        let (analysis, any) = fix(context, args.dry_run)?;
        let exit = if args.dry_run {
            show_beside(
                context,
                args.diagnostics.format,
                &analysis.diagnostics,
                &analysis.sources,
            );
            match (any, analysis.diagnostics.has_errors()) {
                (true, _) => Exit::Changes,
                (false, true) => Exit::Failed,
                (false, false) => Exit::Done,
            }
        } else {
            conclude(context, args, &analysis)?
        };
        return Ok(exit);
    }
    let mut analysis = super::analyse(context);
    if let Some(stage) = args.emit {
        return emit(context, args, stage, analysis);
    }
    analysis.examine();
    analysis.lint();
    conclude(context, args, &analysis)
}

/// Shows what was found.
fn conclude(context: &Context, args: &CheckArgs, analysis: &Analysis) -> Result<Exit, Failure> {
    let exit = super::show(
        context,
        args.diagnostics.format,
        &analysis.diagnostics,
        &analysis.sources,
    )?;
    if exit == Exit::Done && args.diagnostics.format == Format::Human {
        let own = analysis
            .sources
            .iter()
            .filter(|(_, source)| !source.name.starts_with("std/"));
        let (files, deploys) = (
            count(own.count(), "file"),
            count(analysis.deploys().len(), "deploy"),
        );
        super::tell(&format!("{files} and {deploys}: no errors\n"));
    }
    Ok(exit)
}

/// Prints the product of one stage; what is to be said about the spec goes to standard error as ever.
fn emit(context: &Context, args: &CheckArgs, stage: Stage, mut analysis: Analysis) -> Result<Exit, Failure> {
    let text = match stage {
        Stage::Syntax => Some(trees(&analysis.sources)),
        Stage::Names => Some(resolve::dump(&analysis.typed.resolved, &analysis.sources)),
        Stage::Types => Some(check::dump(&analysis.typed)),
        Stage::Instances | Stage::Graph => {
            let deploy = deploy(args, &analysis)?;
            let Analysis {
                diagnostics, typed, ..
            } = &mut analysis;
            let instances = if diagnostics.has_errors() {
                None
            } else {
                expand::expand(typed, &deploy, &Ledger::default(), diagnostics)
            };
            instances.map(|instances| match stage {
                Stage::Instances => expand::dump(&instances),
                Stage::Syntax | Stage::Names | Stage::Types | Stage::Graph => {
                    graph::build(instances, diagnostics).dump()
                }
            })
        }
    };
    if let Some(text) = text {
        super::print(&text)?;
    }
    super::show(context, Format::Human, &analysis.diagnostics, &analysis.sources)
}

/// The deploy that was named, or the only one.
fn deploy(args: &CheckArgs, analysis: &Analysis) -> Result<String, Failure> {
    match (&args.deploy, analysis.deploys().as_slice()) {
        (Some(name), _) => Ok(name.clone()),
        (None, [one]) => Ok((*one).to_owned()),
        (None, all) => Err(Failure::new("E1612", "this stage is that of one deploy: name it")
            .help(format!("one of: {}", all.join(", ")))),
    }
}

/// The lossless trees of the project's own files.
fn trees(sources: &Sources) -> String {
    let own = sources
        .iter()
        .filter(|(_, source)| !source.name.starts_with("std/"));
    own.map(|(id, source)| {
        let tree = syntax::parse(sources, id, &mut Diagnostics::default()).tree;
        format!("{}\n{}\n", source.name, tree.dump())
    })
    .collect()
}
