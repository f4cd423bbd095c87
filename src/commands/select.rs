//! The part of a plan that was asked for: `--only`, `--except`, `--replace`, `--retire`.

use rebar_compiler::plan::{Ledger, Plan, SelectError, Snapshot, Wanted, select};

use crate::cli::SelectArgs;
use crate::exit::Exit;
use crate::report::Failure;

/// Takes the wanted part of a plan that was just made.
///
/// # Errors
/// `E1631` where nothing is called like that, `E1632` where the part cannot be carried out without the rest.
pub(crate) fn part(plan: &mut Plan, args: &SelectArgs, snapshot: &Snapshot) -> Result<(), Failure> {
    select(plan, &wanted(args), snapshot).map_err(|error| failure(&error))
}

/// A plan file is carried out as it is, or not at all.
///
/// # Errors
/// `E1633` if a part of it is asked for.
pub(crate) fn refuse_for_file(args: &SelectArgs) -> Result<(), Failure> {
    if wanted(args).is_everything() && args.retire.is_empty() {
        return Ok(());
    }
    Err(Failure::new("E1633", "a plan file is carried out as a whole")
        .help("choose the nodes when it is made: `rebar plan DEPLOY --only … -o FILE`")
        .exit(Exit::Usage))
}

/// Marks nodes as those that are to leave, before a plan is made.
///
/// # Errors
/// `E1631` where there is no such node.
pub(crate) fn retire(ledger: &mut Ledger, deploy: &str, nodes: &[String]) -> Result<(), Failure> {
    for node in nodes {
        if !ledger.retire(deploy, node) {
            let known = ledger.deploys.get(deploy).into_iter().flatten();
            let known = known.map(|(name, _)| name.clone()).collect();
            return Err(failure(&SelectError::Unknown {
                pattern: node.clone(),
                known,
            }));
        }
    }
    Ok(())
}

/// Whoever was to leave and stays is the only node of its kind.
///
/// # Errors
/// `E1632` then.
pub(crate) fn only_nodes_that_can_leave(plan: &Plan, retired: &[String]) -> Result<(), Failure> {
    match retired
        .iter()
        .find(|node| plan.nodes.iter().any(|row| row.name == **node))
    {
        None => Ok(()),
        Some(node) => Err(Failure::new(
            "E1632",
            format!("`{node}` cannot be retired: it is a single `node`, and not one of several"),
        )
        .help("take it out of the spec, or have it made anew with `--replace`")
        .exit(Exit::Usage)),
    }
}

fn wanted(args: &SelectArgs) -> Wanted {
    Wanted {
        only: args.only.clone(),
        except: args.except.clone(),
        replace: args.replace.clone(),
    }
}

fn failure(error: &SelectError) -> Failure {
    let (code, help) = match error {
        SelectError::Unknown { known, .. } => {
            let shown: Vec<&str> = known.iter().take(12).map(String::as_str).collect();
            let more = if known.len() > shown.len() { ", …" } else { "" };
            ("E1631", format!("there are: {}{more}", shown.join(", ")))
        }
        SelectError::Network { network, .. } => (
            "E1632",
            format!("select all nodes on `{network}`, or leave the network as it was"),
        ),
        SelectError::Leaves(_) => (
            "E1632",
            "apply without `--replace`: it is destroyed, as it left the spec".to_owned(),
        ),
        SelectError::Both(_) => ("E1632", "name it in only one of the two".to_owned()),
    };
    Failure::new(code, error.to_string()).help(help).exit(Exit::Usage)
}
