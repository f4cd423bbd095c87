//! Which deploy is meant where none was named.

use super::Context;
use crate::exit::Exit;
use crate::report::Failure;

/// The deploy that was named, or the only one of the spec. What interrupts or takes down does not ask here: it wants the
/// name.
///
/// # Errors
/// `E1612` where none is named and the spec has not exactly one.
pub(crate) fn or_the_only(context: &Context, named: String) -> Result<String, Failure> {
    if !named.is_empty() {
        return Ok(named);
    }
    context.project.exists()?;
    match deploys(context).as_slice() {
        [one] => Ok(one.clone()),
        all => Err(unnamed(all)),
    }
}

/// That a deploy is to be named, and which there are.
pub(crate) fn missing(context: &Context) -> Failure {
    match context.project.exists() {
        Ok(()) => unnamed(&deploys(context)),
        Err(failure) => failure,
    }
}

fn deploys(context: &Context) -> Vec<String> {
    let analysis = super::analyse(context);
    analysis.deploys().into_iter().map(str::to_owned).collect()
}

fn unnamed(all: &[String]) -> Failure {
    let quoted: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
    let (message, help) = match quoted.as_slice() {
        [] => (
            "which deploy? the spec has none".to_owned(),
            "write one: `deploy NAME = WORKLOAD() on SITE`; `rebar check` tells what else is wrong",
        ),
        [one] => (
            format!("which deploy? there is {one}"),
            "name it, so that nothing is changed by mistake",
        ),
        _ => (
            format!("which deploy? there are {}", quoted.join(", ")),
            "name it after the command",
        ),
    };
    Failure::new("E1612", message).help(help).exit(Exit::Usage)
}
