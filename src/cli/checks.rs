//! What can be typed for tests.

use clap::Args;

use super::DiagnosticsArgs;

pub(super) const TEST_HELP: &str = "\
Tests look at plans: no machine and no backend is needed, and nothing is recorded.

  rebar test                   all tests, and all policies on all deploys
  rebar test entry             those with `entry` in their title; `main: ` before it names the module
  rebar test --coverage        and what of the spec no test planned

Exit codes: 0 all hold · 1 one does not, or the spec has errors · 2 no test has such a title";

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
