//! What can be typed for tests, the linter and documentation.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DiagnosticsArgs;

pub(super) const TEST_HELP: &str = "\
Tests look at plans: no machine and no backend is needed, and nothing is recorded.

  rebar test                   all tests, and all policies on all deploys
  rebar test entry             those with `entry` in their title; `main: ` before it names the module
  rebar test --coverage        and what of the spec no test planned

Exit codes: 0 all hold · 1 one does not, or the spec has errors · 2 no test has such a title";

pub(super) const LINT_HELP: &str = "\
  rebar lint --list            all rules with their levels
  rebar lint --fix             mend what can be mended for certain
  rebar explain L0018          the page of a rule

`[lint]` in rebar.toml sets levels: `missing-docs = \"deny\"`, `all = \"allow\"`. At one place a comment allows it:
  // lint: allow(fixed-address) because the printer has always had it

Exit codes: 0 nothing, or only warnings · 1 a rule that is denied found something, or the spec has errors";

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Mend what can be mended for certain, in the files.
    #[arg(long)]
    pub(crate) fix: bool,
    /// List all rules.
    #[arg(long, conflicts_with = "fix")]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) diagnostics: DiagnosticsArgs,
}

pub(super) const DOC_HELP: &str = "\
  rebar doc                              the modules of the project, as Markdown on standard output
  rebar doc std.linux                    one module, of the project or the library
  rebar doc --format html -o pages       a page for each module, in a folder

Public items are shown, and of main.rebar all. Errors of the spec do not keep pages from being written.";

#[derive(Debug, Args)]
pub(crate) struct DocArgs {
    /// Only this module, and those below it.
    #[arg(value_name = "MODULE")]
    pub(crate) module: Option<String>,
    /// How pages are written.
    #[arg(long, value_enum, default_value_t = DocFormat::Markdown, value_name = "FORMAT")]
    pub(crate) format: DocFormat,
    /// Write a file for each module into this folder instead.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocFormat {
    /// For people and forges.
    Markdown,
    /// For browsers: each page needs nothing beside it.
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Only tests and policies with this in their title, or in `module: title`; several widen it.
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// List roles, workloads, steps, groups, runs and branches that no test planned.
    #[arg(long)]
    pub(crate) coverage: bool,
    #[command(flatten)]
    pub(crate) diagnostics: DiagnosticsArgs,
}
