//! What can be typed about the state, the history and the logs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) const STATE_HELP: &str = "\
The state is one SQLite file, .rebar/state.db: names and addresses that were given, every change that was begun and how it
ended, and what stands. Other commands keep it; these are for the days on which something went wrong.

  rebar state show                       what is recorded, and who is at work
  rebar state backup                     a copy, also while an apply is at work
  rebar state export --out state.json    everything as one JSON document (see `rebar schema state`)
  rebar state import state.json          into a project without a state, or one that is older
  rebar state move shop store            the deploy was renamed in the spec: nothing is made anew
  rebar state forget shop/web-2          a machine that rebar shall not care for any more; it stays as it is
  rebar state rebuild shop               the state is lost, the machines stand: from their labels

Before anything is taken out of the record a backup is written to .rebar/backups. `rebar history` tells who did what.";

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    pub(crate) command: StateCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Show what is recorded: machines, networks, steps, operations without an end, who holds the lease.
    Show {
        /// The deploy; without it all, in short.
        deploy: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write everything as one JSON document with a hash over its content (see `rebar schema state`).
    Export {
        /// A private file, which is replaced if it is there; without it standard output.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take a document over that `export` wrote. What is here must be an earlier state of the same project, or nothing.
    Import {
        /// The document.
        file: PathBuf,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Copy the state, also while it is in use. The copy is private, and read in full before it gets its name.
    Backup {
        /// The copy, which must not be there yet [default: .rebar/backups/<time>-backup.db].
        file: Option<PathBuf>,
    },
    /// Give a deploy the name that it has now in the spec. Its machines and networks stay as they are.
    Move {
        /// The name that is recorded.
        deploy: String,
        /// The name from now on.
        to: String,
    },
    /// Forget a deploy or a node, and leave what stands. Tells what that is, and how it is removed by hand.
    Forget {
        /// The deploy, or one of its nodes.
        #[arg(value_name = "DEPLOY[/NODE]")]
        what: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Make the record anew from what stands: after the state was lost.
    ///
    /// Takes only what carries the marks of one deploy, and makes nothing. Steps are not known then: the next apply ensures
    /// all of them, which changes nothing where they are as they should be.
    Rebuild {
        /// The deploy, as it is called in the spec.
        deploy: String,
        /// The id that its objects carry, where several deploys of the name are found, or it had another name.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

pub(crate) const HISTORY_HELP: &str = "\
Examples:
  rebar history                    the latest runs of all deploys
  rebar history shop -n 5          the latest five of one
  rebar history --run 3f2a         what this run began, in order, and how each ended

A run is one apply or destroy, or one change of the record (`rebar state`). Its id may be cut short.";

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The deploy; without it all.
    pub(crate) deploy: Option<String>,
    /// The journal of this run, line by line.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// How many runs, or lines from the end.
    #[arg(short, long, value_name = "N")]
    pub(crate) number: Option<u32>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const LOGS_HELP: &str = "\
Examples:
  rebar logs shop                  all that the latest run heard
  rebar logs shop web-1 edge       of two nodes
  rebar logs shop --step pages     of one run's steps, or of one step: pages.index
  rebar logs shop --follow         and what comes, until the run ends
  rebar logs shop --since 10m      of all runs of the last ten minutes

Logs are kept for each run in .rebar/logs, private, up to 16 MiB a run; the 50 latest runs are kept.";

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The deploy; without it that of the latest run.
    pub(crate) deploy: Option<String>,
    /// Only of these nodes.
    #[arg(value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    /// Of this run; its id may be cut short.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Only of this step (`pages.index`), or of the steps of this run (`pages`).
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Go on with what comes, until the run ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Of all runs, what is younger than this: `90s`, `10m`, `2h`, `3d`.
    #[arg(long, value_name = "AGE")]
    pub(crate) since: Option<String>,
    /// The lines as they are kept: one JSON object each.
    #[arg(long)]
    pub(crate) json: bool,
}
