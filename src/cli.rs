//! The command line: what can be typed, and the help that teaches it.

mod checks;
mod records;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use checks::{DOC_HELP, LINT_HELP, TEST_HELP};
pub(crate) use checks::{DocArgs, DocFormat, LintArgs, TestArgs};
use records::{HISTORY_HELP, LOGS_HELP, STATE_HELP};
pub(crate) use records::{HistoryArgs, LogsArgs, StateArgs, StateCommand};

/// One spec, every scale: describe hardware, networks and workloads once, and carry them out anywhere.
#[derive(Debug, Parser)]
#[command(name = "rebar", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// The project: a folder with a main.rebar, or a folder below it.
    #[arg(
        short = 'C',
        long = "project",
        global = true,
        value_name = "DIR",
        default_value = "."
    )]
    pub(crate) project: PathBuf,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Tell more of what happens inside, on standard error (-vv: everything).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Refuse whatever would change rebar.lock: for CI.
    #[arg(long, global = true)]
    pub(crate) locked: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
A first session, in a folder with a main.rebar:
  rebar check                 is the spec right?
  rebar plan my_deploy        what would change, in which order, and why
  rebar apply my_deploy       change it
  rebar drift my_deploy       is it still as applied?
  rebar destroy my_deploy     take it down again

Exit codes: 0 done · 1 failed · 2 wrong usage · 3 changes found (plan --exit-code, compare, drift, fmt --check)
            4 refused · 5 partly done · 6 interrupted · 7 a node could not be asked

Traces on standard error: -v, or REBAR_LOG=rebar_runtime=info; REBAR_LOG_FORMAT=json writes JSON lines";

/// A whole number that is not 0.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "it is no whole number".to_owned())?;
    if number == 0 {
        return Err("nothing would ever begin".to_owned());
    }
    Ok(number)
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new project in a folder of its own.
    New {
        /// The folder, which must not be there yet; its last part names the package.
        folder: PathBuf,
    },
    /// Make a project in this folder.
    Init,
    /// Check a spec and show every error.
    Check(CheckArgs),
    /// Tell what works and is probably not meant; `rebar check` tells it as well.
    #[command(after_help = LINT_HELP)]
    Lint(LintArgs),
    /// Write the documentation of modules, from their `///` lines.
    #[command(after_help = DOC_HELP)]
    Doc(DocArgs),
    /// Run the spec's tests, and hold its policies against every deploy. Nothing is touched.
    #[command(after_help = TEST_HELP)]
    Test(TestArgs),
    /// Bring specs into the one format, keeping comments and line breaks.
    Fmt(FmtArgs),
    /// Show what an apply would change, in which order, and why.
    Plan(PlanArgs),
    /// Compare two deploys of the spec, or two plan files: is it the same system, and where is it not?
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Carry out a deploy, or a plan that was written to a file.
    Apply(ApplyArgs),
    /// Show what stands.
    Status(StatusArgs),
    /// Get all packages, and write rebar.lock.
    Lock,
    /// Take packages as they are now, and write rebar.lock.
    Update(UpdateArgs),
    /// Copy all packages into vendor/, which is used from then on: no network is needed.
    Vendor,
    /// Compare what stands with what was applied, and change nothing.
    Drift(DriftArgs),
    /// Take a deploy down: its machines, networks and everything on them.
    Destroy(DestroyArgs),
    /// Show what was done here, run by run: when, by whom, and how it ended.
    #[command(after_help = HISTORY_HELP)]
    History(HistoryArgs),
    /// Show what an apply heard of its nodes: steps, their progress, and why something failed.
    #[command(after_help = LOGS_HELP)]
    Logs(LogsArgs),
    /// Look into the state, copy it, and mend it.
    #[command(after_help = STATE_HELP)]
    State(StateArgs),
    /// Run a program on a node.
    Exec(ExecArgs),
    /// Open a shell on a node.
    Shell(ShellArgs),
    /// Carry out a deploy's plan in simulated worlds where things go wrong, hundreds of times, and report.
    #[command(after_help = REHEARSE_HELP)]
    Rehearse(RehearseArgs),
    /// Draw a plan: what runs where, and what waits for what.
    Graph(GraphArgs),
    /// Tell what this machine lacks, and the command that adds it.
    Doctor(DoctorArgs),
    /// Hold a backend against one suite: what it promises, and what it keeps.
    #[command(after_help = CONFORMANCE_HELP)]
    Conformance(ConformanceArgs),
    /// Explain an error code, a rule of `lint`, a kind of step or a module of the standard library.
    Explain {
        /// A code (E0201), a family of codes (E02), a rule (unused-group), a kind (file) or a module (std.linux).
        /// Without it: a list of all codes.
        code: Option<String>,
    },
    /// Print a published JSON Schema.
    Schema {
        /// Of what.
        #[arg(value_enum, default_value_t = SchemaOf::Plan)]
        of: SchemaOf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Print the product of a compiler stage instead.
    #[arg(long, value_enum, value_name = "STAGE")]
    pub(crate) emit: Option<Stage>,
    /// The deploy, for the stages `instances` and `graph`. Without it every deploy is planned as a check.
    pub(crate) deploy: Option<String>,
    /// Write all mends that are certain into the files of the project, and check again.
    #[arg(long, conflicts_with = "emit")]
    pub(crate) fix: bool,
    /// With `--fix`: print what would change, change nothing, and exit 3 if anything would.
    #[arg(long, requires = "fix")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) diagnostics: DiagnosticsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Only these packages.
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
    /// Accept what patches stand at as it is now.
    #[arg(long)]
    pub(crate) accept_patches: bool,
}

/// How diagnostics are written.
#[derive(Debug, Args, Clone, Copy)]
pub(crate) struct DiagnosticsArgs {
    /// How errors are written.
    #[arg(
        long,
        value_enum,
        default_value_t = Format::Human,
        value_name = "FORMAT",
        env = "REBAR_FORMAT"
    )]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, on standard error.
    Human,
    /// A JSON array on standard output.
    Json,
    /// A SARIF 2.1.0 log on standard output, for code hosts and editors.
    Sarif,
    /// Workflow commands on standard output, which GitHub's runner turns into annotations.
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The lossless tree.
    Syntax,
    /// What every name means.
    Names,
    /// The types.
    Types,
    /// Groups, nodes, addresses and symbolic steps.
    Instances,
    /// What waits for what.
    Graph,
}

#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// Files; without any, all .rebar files of the project. `-` reads standard input and prints the result.
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; exit 3 and name the files that are not in the format.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) diagnostics: DiagnosticsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// A deploy of the spec, such as `laptop_shop`; not needed where the spec has only one.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) deploy: String,
    /// Write the plan to a file, for `rebar apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the plan as JSON (see `rebar schema plan`).
    #[arg(long)]
    pub(crate) json: bool,
    /// Print facts of the plan as JSON instead: expected duration, critical path, effect of workers, practice (see
    /// `rebar schema facts`).
    #[arg(long, conflicts_with = "json")]
    pub(crate) facts: bool,
    /// Exit 3 when there is something to do.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// What to look at before planning.
    #[arg(long, value_enum, default_value_t = Refresh::Nodes, value_name = "DEPTH")]
    pub(crate) refresh: Refresh,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) diagnostics: DiagnosticsArgs,
    #[command(flatten)]
    pub(crate) arguments: ArgumentArgs,
}

/// What a deploy is given beside its spec.
#[derive(Debug, Args, Default, Clone)]
#[command(next_help_heading = "Arguments of the deploy")]
pub(crate) struct ArgumentArgs {
    /// Give a parameter of the deploy's workload a value, such as `replicas=5`; may be given several times. Stronger
    /// than `--args`, than REBAR_ARG_<NAME> in the environment, and than the spec.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) arg: Vec<String>,
    /// Take values of parameters from a file: a JSON record, or TOML where its name ends in `.toml`.
    #[arg(long, value_name = "FILE")]
    pub(crate) args: Vec<PathBuf>,
    /// Go back to what the spec says for what the last apply was given and is not given now.
    #[arg(long)]
    pub(crate) drop_args: bool,
}

/// Which part of a plan is wanted.
#[derive(Debug, Args, Default)]
pub(crate) struct SelectArgs {
    /// Only these nodes; all others are left alone. Names, groups, or patterns such as `web-*`; several with commas.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Not these nodes.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub(crate) except: Vec<String>,
    /// Destroy these nodes' machines and make them anew, whatever they are like. This interrupts.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub(crate) replace: Vec<String>,
    /// Let these nodes of groups go, and no others: with a smaller `count` it is they who leave, with the same one new
    /// nodes take their places.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub(crate) retire: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The first deploy, or a file that `rebar plan -o` wrote.
    #[arg(value_name = "DEPLOY|FILE")]
    pub(crate) left: String,
    /// The second.
    #[arg(value_name = "DEPLOY|FILE")]
    pub(crate) right: String,
    /// As JSON (see `rebar schema compare`).
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) arguments: ArgumentArgs,
}

const COMPARE_HELP: &str = "\
A pattern is all that is done to each node of a group: runs, steps and their fields. It leaves out on what
and on how many nodes that is done, so that a laptop and a rack can have the same one. Where two patterns
differ, the first differing place of each field is shown. Backend, image, networks and hardware are listed
apart, and so is what each site emulates or lacks.

  rebar compare laptop_shop lab_shop      is what is tried on the laptop what the lab will get?
  rebar compare before.plan lab_shop      what does this change of the spec do to the steps?

Neither machines nor the state are looked at. Exit codes: 0 all patterns agree · 3 they differ · 1 there is no plan to compare";

/// How deep to look before planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Refresh {
    /// Nothing: plan from what is recorded.
    None,
    /// Machines and networks.
    Objects,
    /// Machines, networks and every step on every node.
    Nodes,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// Let this node go without the steps of `on leave`; may be given several times.
    #[arg(long = "no-drain", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The deploy, or a file that `rebar plan -o` wrote. It is always named, also where the spec has only one.
    #[arg(value_name = "DEPLOY|FILE", default_value = "", hide_default_value = true)]
    pub(crate) what: String,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// First install the Debian packages that `rebar doctor` names.
    #[arg(long)]
    pub(crate) install: bool,
    /// Events as JSON lines on standard output instead of progress.
    #[arg(long)]
    pub(crate) json: bool,
    /// How many nodes are worked on at a time [default: 32].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) parallel: Option<usize>,
    /// How many nodes of one failure domain are worked on at a time [default: no limit]. A group with a `spread` counts
    /// as one domain.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) parallel_per_domain: Option<usize>,
    /// Say whether a command that must run only once, and was broken off, has happened (see `rebar explain E1204`).
    /// On a terminal you are asked.
    #[arg(long, value_name = "NODE/RUN.STEP=done|not-done")]
    pub(crate) assume: Vec<String>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) diagnostics: DiagnosticsArgs,
    #[command(flatten)]
    pub(crate) arguments: ArgumentArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The deploy; without it all.
    pub(crate) deploy: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    /// The deploy; not needed where the spec has only one.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) deploy: String,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DestroyArgs {
    /// The deploy. It is always named, also where the spec has only one.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) deploy: String,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Events as JSON lines on standard output instead of progress.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The deploy.
    pub(crate) deploy: String,
    /// The node.
    pub(crate) node: String,
    /// The program and its arguments. Its exit code becomes that of rebar.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// The deploy.
    pub(crate) deploy: String,
    /// The node.
    pub(crate) node: String,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The deploy; not needed where the spec has only one.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) deploy: String,
    /// The notation.
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot, value_name = "FORMAT")]
    pub(crate) format: GraphFormat,
    #[command(flatten)]
    pub(crate) arguments: ArgumentArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz.
    Dot,
    /// Mermaid, as Markdown viewers draw it.
    Mermaid,
    /// A picture.
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Only this backend. Without it all are looked at, and a part that is missing counts where this project deploys
    /// with that backend, or, where there is no project, for `local`.
    pub(crate) backend: Option<String>,
    /// Install the Debian packages that are missing.
    #[arg(long)]
    pub(crate) install: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const CONFORMANCE_HELP: &str = "\
Makes real machines and networks on this machine, in a folder of its own, kills the programs that make them, and
destroys everything again, whatever comes. Machines of your deploys are not touched. All checks take a few minutes.

  rebar conformance local                          everything
  rebar conformance docker --only life.,network.   what is called like this
  rebar conformance local --list                   the names of all checks, and what each holds the backend to

Exit codes: 0 every promise is kept · 1 one is broken · 4 this machine lacks a part (see `rebar doctor`) · 6 interrupted";

#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// The backend, such as `local`.
    pub(crate) backend: String,
    /// Only name the checks; nothing is made.
    #[arg(long)]
    pub(crate) list: bool,
    /// Only checks whose id contains this; several with commas.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Option<String>,
    /// The outcome (or the list) as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

const REHEARSE_HELP: &str = "\
The plan is real and so is what carries it out; machines, faults and time are simulated, and as slow
as they were measured to be in earlier applies. Nothing is touched, nobody needs to be root, and any
backend's plan can be rehearsed. A run that is not done is applied again, up to three times. What came of it is
kept in the project's state, and `rebar plan` mentions it.

  rebar rehearse my_deploy                            the change that an apply would make now
  rebar rehearse my_deploy --from-scratch             all of it, as if nothing stood
  rebar rehearse my_deploy --faults usual,reboot=5%   what can go wrong: `--faults list`
  rebar rehearse my_deploy --seed 7 --run 12          the story of one run

Exit codes: 0 every run was done in the end · 1 some never were · 2 wrong usage";

#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// The deploy; not needed where the spec has only one, nor for `--faults list`.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) deploy: String,
    /// How many runs.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: u64,
    /// What goes wrong, and how often: `usual`, `none`, `passing=2%`, or faults with rates. `list` explains all.
    #[arg(long, value_name = "SPEC", default_value = "usual")]
    pub(crate) faults: String,
    /// The same seed rehearses the same.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many nodes are worked on at a time [default: 32].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) parallel: Option<usize>,
    /// Only this run, with its story.
    #[arg(long, value_name = "K", conflicts_with = "runs", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) run: Option<u64>,
    /// As if nothing had ever been applied.
    #[arg(long)]
    pub(crate) from_scratch: bool,
    /// The report as JSON (see `rebar schema rehearsal`); with `--run`, what happened, a line each.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) arguments: ArgumentArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Plans: `plan --json` and plan files.
    Plan,
    /// Comparisons: `compare --json`.
    Compare,
    /// The whole state: `state export`.
    State,
    /// Facts of a plan: `plan --facts`.
    Facts,
    /// Rehearsals: `rehearse --json`.
    Rehearsal,
}
