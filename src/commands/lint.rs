//! `rebar lint`

use rebar_compiler::lint::{self, Level};

use super::fix::fix;
use super::{Context, explain};
use crate::cli::{Format, LintArgs};
use crate::exit::Exit;
use crate::report::Failure;

/// Tells what the linter finds, and with `--fix` mends it.
pub(crate) fn run(context: &Context, args: &LintArgs) -> Result<Exit, Failure> {
    if args.list {
        super::print(&list())?;
        return Ok(Exit::Done);
    }
    let analysis = if args.fix {
        fix(context, false)?.0
    } else {
        let mut analysis = super::analyse(context);
        analysis.lint();
        analysis
    };
    let format = args.diagnostics.format;
    let exit = super::show(context, format, &analysis.diagnostics, &analysis.sources)?;
    if analysis.diagnostics.is_empty() && format == Format::Human {
        super::tell("nothing to tell\n");
    }
    Ok(exit)
}

fn list() -> String {
    let lines = lint::all().iter().map(|rule| {
        let level = match rule.level {
            Level::Allow => "allow",
            Level::Warn => "warn",
            Level::Deny => "deny",
        };
        let title = explain::page(rule.code.0).and_then(|page| page.lines().next());
        let title = title.unwrap_or_default().trim_start_matches("# ");
        let title = title.split(" (`").next().unwrap_or(title);
        format!("{}  {:24}  {level:5}  {title}\n", rule.code.0, rule.name)
    });
    lines.collect()
}
