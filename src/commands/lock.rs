//! `rebar lock`, `rebar update` and `rebar vendor`: which packages a project uses, and copies of them.

use std::path::Path;

use rebar_compiler::diagnostics::Severity;

use super::{Context, analyse, show, tell};
use crate::cli::{Format, UpdateArgs};
use crate::exit::Exit;
use crate::packages::{self, Policy, Update};
use crate::project::plain;
use crate::render::palette::count;
use crate::report::Failure;

/// Gets what is missing and writes `rebar.lock`.
pub(crate) fn lock(context: &Context) -> Result<Exit, Failure> {
    locked_with(context, context.project.policy.clone())
}

/// Takes packages as they are now.
pub(crate) fn update(context: &Context, args: &UpdateArgs) -> Result<Exit, Failure> {
    let known = packages::load(&context.project.root, &context.project, &lenient(context));
    let unknown = args.packages.iter().find(|name| {
        let old = known
            .old
            .as_ref()
            .is_some_and(|lock| lock.packages.contains_key(*name));
        !old && !known.packages.iter().any(|p| p.name == **name)
    });
    if let Some(name) = unknown {
        let used: Vec<&str> = known.packages.iter().map(|p| p.name.as_str()).collect();
        return Err(
            Failure::new("E1662", format!("this project uses no package `{name}`"))
                .help(match used.is_empty() {
                    true => "it uses none".to_owned(),
                    false => format!("it uses {}", used.join(", ")),
                })
                .exit(Exit::Usage),
        );
    }
    let update = match args.packages.as_slice() {
        // Alone it accepts what patches stand at, and nothing else.
        [] if args.accept_patches => Update::Nothing,
        [] => Update::All,
        some => Update::Only(some.to_vec()),
    };
    locked_with(
        context,
        Policy {
            update,
            accept_patches: args.accept_patches,
            // Copies are what was locked; what is there now is at the origin.
            from_origin: !args.accept_patches || !args.packages.is_empty(),
            ..context.project.policy.clone()
        },
    )
}

fn lenient(context: &Context) -> Policy {
    Policy {
        update: Update::Nothing,
        ..context.project.policy.clone()
    }
}

fn locked_with(context: &Context, policy: Policy) -> Result<Exit, Failure> {
    let mut context = context.clone();
    let vendored = policy.from_origin && context.project.root.join("vendor").is_dir();
    context.project.policy = policy;
    let analysis = analyse(&context);
    let exit = show(&context, Format::Human, &analysis.diagnostics, &analysis.sources)?;
    if exit == Exit::Done {
        for (name, version, shown) in &analysis.typed.resolved.modules.packages {
            tell(&format!("{name} {version}  {shown}\n"));
        }
        let (packages, patches) = (
            count(analysis.typed.resolved.modules.packages.len(), "package"),
            count(analysis.typed.resolved.modules.patched.len(), "patched place"),
        );
        tell(&format!("rebar.lock is up to date: {packages}, {patches}\n"));
        if vendored {
            tell("the copies in vendor/ are older: `rebar vendor` makes them anew\n");
        }
    }
    Ok(exit)
}

/// Copies all packages into `vendor/`.
pub(crate) fn vendor(context: &Context) -> Result<Exit, Failure> {
    let policy = Policy {
        from_origin: true,
        ..context.project.policy.clone()
    };
    let root = &context.project.root;
    let mut loaded = packages::load(root, &context.project, &policy);
    if !loaded.diagnostics.has_errors() {
        let mut diagnostics = std::mem::take(&mut loaded.diagnostics);
        packages::keep(root, &loaded, &policy, &mut diagnostics);
        loaded.diagnostics = diagnostics;
    }
    let exit = show(context, Format::Human, &loaded.diagnostics, &loaded.sources)?;
    let worst = loaded.diagnostics.sorted().iter().map(|d| d.severity).min();
    if exit != Exit::Done || worst == Some(Severity::Error) {
        return Ok(exit);
    }
    let folder = root.join("vendor");
    write_all(&folder, &loaded.packages).map_err(|error| {
        let message = format!("cannot write `{}`: {}", folder.display(), plain(&error));
        Failure::new("E1604", message).help("run `rebar vendor` again when that is mended")
    })?;
    for package in &loaded.packages {
        tell(&format!("vendor/{}  {}\n", package.name, package.version));
    }
    tell(&format!(
        "{} in vendor/\n",
        count(loaded.packages.len(), "package")
    ));
    Ok(Exit::Done)
}

/// Each copy is written beside its place and renamed; copies of packages that are used no more go.
fn write_all(folder: &Path, all: &[packages::Had]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for package in all {
        let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(folder)?;
        let copy = scratch.path().join("copy");
        std::fs::create_dir(&copy)?;
        package.tree.write(&copy)?;
        let place = folder.join(&package.name);
        if std::fs::symlink_metadata(&place).is_ok() {
            std::fs::rename(&place, scratch.path().join("old"))?;
        }
        std::fs::rename(&copy, &place)?;
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let used = all.iter().any(|p| *p.name == *name);
        // Only what looks like a copy: whatever else somebody keeps there stays.
        if !used && entry.file_type()?.is_dir() && entry.path().join("rebar.toml").is_file() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
