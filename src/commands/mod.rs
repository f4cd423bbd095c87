//! One file per subcommand; what several of them need is here.

mod apply;
mod ask;
mod carry;
mod check;
mod compare;
mod compile;
mod completions;
mod conformance;
mod destroy;
mod doc;
mod doctor;
mod drift;
mod exec;
mod expect;
mod explain;
mod fix;
mod fmt;
mod given;
mod graph;
mod history;
mod lint;
mod lock;
mod logs;
mod new;
mod node;
mod plan;
mod rebuild;
mod rehearse;
mod replace;
mod schema;
mod secrets;
mod select;
mod show;
mod state;
mod status;
mod test;
mod which;

use std::io::{IsTerminal, Write};

use rebar_compiler::source::{Embedded, Files};
use rebar_compiler::{Analysis, Diagnostics, Options, Sources};

use rebar_compiler::resolve::GivenArguments;

use crate::cli::{Cli, Color, Command, Format};
use crate::exit::Exit;
use crate::packages;
use crate::project::Project;
use crate::render::palette::Palette;
use crate::report::Failure;

/// What every subcommand gets.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The project on disk.
    pub(crate) project: Project,
    /// Colours of standard output.
    pub(crate) out: Palette,
    /// Colours of standard error.
    pub(crate) err: Palette,
}

/// Runs what was typed. Returns the exit code: that of [`Exit`], or of the program that `exec` ran.
pub(crate) fn run(cli: Cli) -> Result<u8, Failure> {
    let context = Context {
        project: Project {
            policy: packages::Policy {
                locked: cli.locked,
                ..packages::Policy::default()
            },
            ..Project::find(&cli.project)
        },
        out: Palette {
            color: colored(cli.color, std::io::stdout().is_terminal()),
        },
        err: Palette {
            color: colored(cli.color, std::io::stderr().is_terminal()),
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(
            "E1613",
            format!("cannot start: {}", crate::project::plain(&error)),
        )
    })?;
    let code = runtime.block_on(dispatch(&context, cli.command));
    // A thread that still waits for standard input must not hold the program.
    runtime.shutdown_background();
    code
}

async fn dispatch(context: &Context, command: Command) -> Result<u8, Failure> {
    let exit = match command {
        Command::New { folder } => new::new(&folder),
        Command::Init => new::init(context),
        Command::Lock => lock::lock(context),
        Command::Update(args) => lock::update(context, &args),
        Command::Vendor => lock::vendor(context),
        Command::Check(args) => check::run(context, &args),
        Command::Doc(args) => doc::run(context, &args),
        Command::Lint(args) => lint::run(context, &args),
        Command::Test(args) => test::run(context, &args),
        Command::Fmt(args) => fmt::run(context, &args),
        Command::Plan(mut args) => {
            args.deploy = which::or_the_only(context, args.deploy)?;
            plan::run(context, &args).await
        }
        Command::Compare(args) => compare::run(context, &args).await,
        Command::Apply(args) if args.what.is_empty() => Err(which::missing(context)),
        Command::Destroy(args) if args.deploy.is_empty() => Err(which::missing(context)),
        Command::Apply(args) => apply::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Drift(mut args) => {
            args.deploy = which::or_the_only(context, args.deploy)?;
            drift::run(context, &args).await
        }
        Command::Destroy(args) => destroy::run(context, &args).await,
        Command::History(args) => history::run(context, &args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::State(args) => state::run(context, &args.command).await,
        Command::Exec(args) => return exec::run(context, &args).await,
        Command::Shell(args) => return exec::shell(context, &args).await,
        Command::Graph(mut args) => {
            args.deploy = which::or_the_only(context, args.deploy)?;
            graph::run(context, &args).await
        }
        Command::Rehearse(args) => rehearse::run(context, &args).await,
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Conformance(args) => conformance::run(context, &args).await,
        Command::Explain { code } => explain::run(code.as_deref()),
        Command::Schema { of } => schema::run(of),
        Command::Completions { shell } => completions::run(shell),
    };
    exit.map(Exit::code)
}

/// Whether to paint a stream.
pub(crate) fn colored(choice: Color, terminal: bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Reads and checks the project.
pub(crate) fn analyse(context: &Context) -> Analysis {
    analyse_files(&context.project, &context.project)
}

/// Reads and checks a project whose files are elsewhere than on the disk, or changed.
pub(crate) fn analyse_files(project: &Project, files: &dyn Files) -> Analysis {
    analyse_given(project, files, GivenArguments::default())
}

/// Reads and checks a project, with arguments for one of its deploys.
pub(crate) fn analyse_given(project: &Project, files: &dyn Files, given: GivenArguments) -> Analysis {
    packages::analyse(
        &project.root,
        files,
        &STANDARD_LIBRARY,
        &project.policy,
        &options(given),
    )
}

/// Reads and checks files that belong to no project on the disk, and so use no packages.
pub(crate) fn analyse_alone(files: &dyn Files) -> Analysis {
    let library = rebar_compiler::Library {
        project: files,
        std: &STANDARD_LIBRARY,
        packages: rebar_compiler::resolve::Packages::default(),
    };
    rebar_compiler::analyse_with(&library, &options(GivenArguments::default()))
}

/// What the agent of this program can do.
fn options(given: GivenArguments) -> Options {
    let actions = rebar_agent::ACTIONS.iter().map(|action| (*action).to_owned());
    Options {
        actions: Some(actions.collect()),
        given,
    }
}

/// Whether an argument that can name a deploy or a plan file names a file.
pub(crate) fn is_file(what: &str) -> bool {
    what.contains(['/', '.']) || std::path::Path::new(what).is_file()
}

/// The standard library of this program.
const STANDARD_LIBRARY: Embedded = Embedded(rebar_stdlib::FILES);

/// Shows what was said of the project ([`show::show`]).
pub(crate) fn show(
    context: &Context,
    format: Format,
    diagnostics: &Diagnostics,
    sources: &Sources,
) -> Result<Exit, Failure> {
    show::show(
        context,
        format,
        &show::project_folder(context),
        diagnostics,
        sources,
    )
}

/// Writes data to standard output. A reader that has gone away is not an error worth telling.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(
            "E1601",
            format!(
                "cannot write to standard output: {}",
                crate::project::plain(&error)
            ),
        )),
    }
}

/// Says something on standard error. Where nobody can hear it the work goes on: `eprint!` would end the program.
pub(crate) fn tell(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Columns of the terminal, 100 where there is none.
pub(crate) fn width() -> usize {
    console::Term::stderr()
        .size_checked()
        .map_or(100, |(_, columns)| usize::from(columns).clamp(40, 140))
}
