//! `rebar doctor`: what this machine lacks, and the command that adds it.

use std::collections::BTreeSet;
use std::process::Command;

use rebar_runtime::backend::{Finding, FindingState};

use super::Context;
use crate::backends;
use crate::cli::DoctorArgs;
use crate::exit::Exit;
use crate::project::plain;
use crate::render::findings::findings;
use crate::report::Failure;

/// Examines the backends of this build, or the one that was asked for; with `--install` adds the packages first.
pub(crate) async fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    let count = match &args.backend {
        Some(asked) => BTreeSet::from([asked.clone()]),
        None => used(context),
    };
    if args.install {
        for name in &count {
            install(context, name).await?;
        }
    }
    let asked = args.backend.as_ref().map(|name| vec![name.as_str()]);
    let mut all = Vec::new();
    for name in asked.unwrap_or_else(|| backends::NAMES.to_vec()) {
        let backend = backends::backend(name, &context.project.folders()?)?;
        all.push((name, backend.examine().await));
    }
    if args.json {
        let object: serde_json::Map<String, serde_json::Value> = all
            .iter()
            .map(|(name, list)| ((*name).to_owned(), serde_json::json!(list)))
            .collect();
        super::print(&format!("{:#}\n", serde_json::Value::Object(object)))?;
    } else {
        for (name, list) in &all {
            let unused = if count.contains(*name) {
                ""
            } else {
                " (not used here)"
            };
            let text = format!("backend {name}{unused}\n{}", findings(list, context.out));
            super::print(&text)?;
        }
    }
    let missing = all
        .iter()
        .filter(|(name, _)| count.contains(*name))
        .flat_map(|(_, list)| list)
        .any(|f| f.state == FindingState::Missing);
    Ok(if missing { Exit::Failed } else { Exit::Done })
}

/// The backends that the project's deploys stand on; `local` where there are none.
fn used(context: &Context) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    if context.project.exists().is_ok() {
        // What is wrong with the spec is not this command's to tell; what can be understood of it counts.
        let typed = super::analyse(context).typed;
        for deploy in &typed.deploys {
            let site = typed.sites.get(&deploy.site);
            let backend = site.and_then(|site| typed.backends.get(&site.backend.as_ref()?.0));
            used.extend(backend.map(|backend| backend.name.clone()));
        }
        used.retain(|name| backends::NAMES.contains(&name.as_str()));
    }
    if used.is_empty() {
        used.insert("local".to_owned());
    }
    used
}

/// Installs the Debian packages that the findings of a backend name, and says so.
///
/// # Errors
/// `E1606` when apt-get is not there or fails.
pub(crate) async fn install(context: &Context, backend: &str) -> Result<(), Failure> {
    let findings = backends::backend(backend, &context.project.folders()?)?
        .examine()
        .await;
    let packages = packages(&findings);
    if packages.is_empty() {
        return Ok(());
    }
    super::tell(&format!("installing Debian packages: {}\n", packages.join(" ")));
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(packages.iter().map(String::as_str));
    apt(&install)
}

/// Packages named by `apt-get install -y …` commands of what is missing.
fn packages(findings: &[Finding]) -> Vec<String> {
    let mut packages: Vec<String> = findings
        .iter()
        .filter(|f| f.state == FindingState::Missing)
        .filter_map(|f| f.command.as_deref()?.split_once("apt-get install -y "))
        .flat_map(|(_, names)| names.split_whitespace().map(str::to_owned))
        .collect();
    packages.sort();
    packages.dedup();
    packages
}

fn apt(arguments: &[&str]) -> Result<(), Failure> {
    let line = format!("apt-get {}", arguments.join(" "));
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| {
            Failure::new("E1606", format!("cannot run `{line}`: {}", plain(&error)))
                .help("this needs a Debian system; install the packages by hand")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let mut failure =
        Failure::new("E1606", format!("`{line}` failed")).help("packages can only be installed as root");
    failure.detail = String::from_utf8_lossy(&output.stderr)
        .lines()
        .rev()
        .take(8)
        .collect::<Vec<_>>()
        .join("\n");
    Err(failure)
}
