//! Which statement may stand in which block.

use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::names;
use crate::syntax::ast::{Statement, StatementKind};

/// A block, by what it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Network,
    Hardware,
    Image,
    Kind,
    Backend,
    Site,
    Role,
    Workload,
    Interface,
    /// A signature of an interface.
    Signature,
    /// The block of a deploy.
    Deploy,
    Test,
    Policy,
    /// What must give an error, in a test.
    Expected,
    /// A branch of an `if` in a role.
    RoleBranch,
    /// A branch of an `if` in a workload.
    WorkloadBranch,
    /// What a role does before its node goes, and the branches of an `if` in it.
    OnLeave,
    /// A patch, which holds items.
    Patch,
    /// An item in a patch, which holds changes.
    Patched,
    /// The block of a step, disk, nic, group, run or accepted gap.
    Settings,
}

impl Place {
    /// The blocks of an `if`, `match` or `for` that stands here.
    pub(crate) fn inside(self) -> Place {
        match self {
            Place::Role | Place::RoleBranch => Place::RoleBranch,
            Place::OnLeave | Place::Hardware => self,
            _ => Place::WorkloadBranch,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Field,
    Declaration,
    Let,
    Named,
    Nodes,
    Run,
    Out,
    If,
    Match,
    For,
    Requires,
    Provides,
    Needs,
    AcceptGap,
    OnLeave,
    Choice,
    Signature,
    Deploy,
    Assert,
    Change,
    ExpectError,
    AcceptPolicy,
}

/// What stands where: the one table.
fn allowed(place: Place) -> &'static [Class] {
    use Class::{
        AcceptGap, AcceptPolicy, Assert, Change, Choice, Declaration, Deploy, ExpectError, Field, For, If,
        Let, Match, Named, Needs, Nodes, OnLeave, Out, Provides, Requires, Run, Signature,
    };
    match place {
        Place::Patch => &[Named],
        Place::Patched => &[Change],
        Place::Network | Place::Image | Place::Settings => &[Field],
        Place::Hardware => &[Field, Named, If, Match],
        Place::Kind => &[Field, Declaration, Out, Requires, Needs],
        Place::Backend => &[Declaration, Provides],
        Place::Site => &[Field, AcceptGap, AcceptPolicy, Choice],
        Place::Interface => &[Field, Signature],
        Place::Signature => &[Out],
        Place::Deploy => &[Choice],
        Place::Role => &[Let, Named, Out, If, OnLeave, Match, For],
        Place::Workload => &[Let, Nodes, Run, Out, If, Match, For],
        Place::Test => &[Let, Deploy, Assert, ExpectError],
        Place::Policy => &[Let, Assert],
        Place::Expected => &[Deploy],
        Place::RoleBranch => &[Let, Named, If, OnLeave, Match, For],
        Place::OnLeave => &[Let, Named, If, Match, For],
        Place::WorkloadBranch => &[Let, Nodes, Run, If, Match, For],
    }
}

fn place_noun(place: Place) -> &'static str {
    match place {
        Place::Network => "a network",
        Place::Hardware => "a hardware",
        Place::Image => "an image",
        Place::Kind => "a kind",
        Place::Backend => "a backend",
        Place::Site => "a site",
        Place::Role => "a role",
        Place::Workload => "a workload",
        Place::Interface => "an interface",
        Place::Signature => "a signature",
        Place::Deploy => "a deploy",
        Place::Test => "a test",
        Place::Policy => "a policy",
        Place::Expected => "`expect error`",
        Place::RoleBranch | Place::WorkloadBranch => "such a block",
        Place::OnLeave => "`on leave`",
        Place::Patch => "a patch",
        Place::Patched => "an item of a patch",
        Place::Settings => "this block",
    }
}

fn class_of(statement: &StatementKind) -> Option<(Class, String)> {
    Some(match statement {
        StatementKind::Field { name, .. } => (Class::Field, format!("the field `{}`", name.text)),
        StatementKind::Declaration { parameter, .. } => (
            Class::Declaration,
            format!("the declaration of `{}`", parameter.name.text),
        ),
        StatementKind::Let { .. } => (Class::Let, "`let`".to_owned()),
        StatementKind::Named { word, .. } => (Class::Named, format!("`{}`", word.text())),
        StatementKind::Nodes { many, .. } => {
            (Class::Nodes, if *many { "`nodes`" } else { "`node`" }.to_owned())
        }
        StatementKind::Run { .. } => (Class::Run, "`run`".to_owned()),
        StatementKind::Out { .. } => (Class::Out, "`out`".to_owned()),
        StatementKind::If { .. } => (Class::If, "`if`".to_owned()),
        StatementKind::Match { .. } => (Class::Match, "`match`".to_owned()),
        StatementKind::For { .. } => (Class::For, "`for`".to_owned()),
        StatementKind::Requires { .. } => (Class::Requires, "`requires`".to_owned()),
        StatementKind::Provides { .. } => (Class::Provides, "`provides`".to_owned()),
        StatementKind::Needs { .. } => (Class::Needs, "`needs`".to_owned()),
        StatementKind::AcceptGap { .. } => (Class::AcceptGap, "`accept gap`".to_owned()),
        StatementKind::OnLeave { .. } => (Class::OnLeave, "`on leave`".to_owned()),
        StatementKind::Change(change) => (Class::Change, format!("`{}`", change.verb.word())),
        StatementKind::Choice { .. } => (Class::Choice, "`use … = …`".to_owned()),
        StatementKind::Signature { name, .. } => (Class::Signature, format!("`{}(…)`", name.text)),
        StatementKind::Deploy(_) => (Class::Deploy, "`deploy`".to_owned()),
        StatementKind::Assert { .. } => (Class::Assert, "`assert`".to_owned()),
        StatementKind::ExpectError { .. } => (Class::ExpectError, "`expect error`".to_owned()),
        StatementKind::AcceptPolicy { .. } => (Class::AcceptPolicy, "`accept policy`".to_owned()),
        StatementKind::Error => return None,
    })
}

fn belongs(class: Class, place: Place) -> &'static str {
    match (class, place) {
        (Class::Change, _) => {
            return "changes belong into a patch: `patch ceph@1.2 { role osd { before service osd { … } } }`";
        }
        (_, Place::Patch) => return "a patch names the items that it changes: `role osd { … }`",
        (_, Place::Patched) => {
            return "what is put in stands in a change: `before service osd { … }`, `after`, `replace` or `set`";
        }
        _ => {}
    }
    match class {
        Class::Change => "changes belong into a patch",
        Class::Field => match place {
            Place::Role | Place::RoleBranch | Place::OnLeave => {
                "a role is made of steps, `let`, `if` and `out`; fields belong into the block of a step"
            }
            Place::Workload | Place::WorkloadBranch => {
                "a workload is made of `nodes`, `node`, `run`, `let`, `if` and `out`; use `let` to name a value"
            }
            Place::Backend => "a backend declares what it takes with a type: `image: Image`",
            _ => "fields belong into networks, hardware, images, kinds, sites and the blocks of steps",
        },
        Class::Declaration => {
            "a `:` gives a type, and belongs into kinds and backends; use `=` to give a value"
        }
        Class::Let => "`let` belongs into roles and workloads, or to the top of a file",
        Class::Named => match place {
            Place::Workload | Place::WorkloadBranch => {
                "a step belongs into a role, which describes one node; a workload runs roles on groups: `run … on …`"
            }
            _ => "steps belong into roles, `disk` and `nic` into hardware",
        },
        Class::Nodes => "groups of nodes belong into a workload; a role describes a single node",
        Class::Run => {
            "a `run` belongs into a workload; a role describes what is done on one node, and cannot run others"
        }
        Class::Out => match place {
            Place::RoleBranch | Place::WorkloadBranch => {
                "an output is always there: write it beside the block, with `if … then … else …` or a comprehension as its value"
            }
            _ => "outputs belong into roles, workloads and kinds",
        },
        Class::If => {
            "`if` with blocks belongs into roles, workloads and hardware; for a value write `if … then … else …`"
        }
        Class::Match => {
            "`match` with blocks belongs into roles, workloads and hardware; for a value write `match … { A => 1 }`"
        }
        Class::For => {
            "`for` with a block belongs into roles and workloads; for a value write `[… for x in list]` or `{ for x in list: key = value }`"
        }
        Class::Requires => "`requires` belongs into a kind: it says what its steps need of a backend",
        Class::Provides => "`provides` belongs into a backend",
        Class::Needs => "`needs` belongs into a kind: it says which fields a step cannot leave out",
        Class::Choice => "`use … = …` chooses an implementation, and belongs into a deploy or a site",
        Class::Signature => {
            "roles and workloads stand at the top of a file; what others must offer belongs into an `interface`"
        }
        Class::AcceptGap => "gaps are accepted by a site",
        Class::OnLeave => "`on leave` belongs into a role: it says what is done on a node before it goes",
        Class::Deploy => match place {
            Place::Policy => "a policy speaks of every deploy: `deploy.nodes`, `deploy.steps`, `site.name`",
            _ => "a `deploy` stands at the top of a file, or in a test",
        },
        Class::Assert => match place {
            Place::Expected => "what gives an error has no plan to make assertions about",
            _ => "`assert` belongs into a test or a policy",
        },
        Class::ExpectError => "`expect error` belongs into a test",
        Class::AcceptPolicy => "policies are accepted as broken by a site",
    }
}

/// The error for a statement that cannot stand here; `None` if it can.
pub(crate) fn misplaced(place: Place, statement: &Statement) -> Option<Diagnostic> {
    let (class, words) = class_of(&statement.kind)?;
    if allowed(place).contains(&class) {
        return None;
    }
    let message = format!("{words} cannot stand in {}", place_noun(place));
    Some(Diagnostic::error(names::MISPLACED_STATEMENT, head(statement), message).help(belongs(class, place)))
}

/// The place to point at: names rather than whole blocks, so that the label stays short.
fn head(statement: &Statement) -> crate::source::Span {
    let to = |end: crate::source::Span| crate::source::Span {
        end: end.end,
        ..statement.span
    };
    match &statement.kind {
        StatementKind::Named { name, .. } | StatementKind::Nodes { name, .. } => to(name.span),
        StatementKind::Run { name, on, .. } => to(on.as_ref().map_or(name.span, |on| on.span)),
        StatementKind::If { branches, .. } => branches.first().map_or(statement.span, |(c, _)| to(c.span)),
        StatementKind::Match { subject, .. } => to(subject.span),
        StatementKind::For { list, .. } => to(list.span),
        StatementKind::AcceptGap { capability, .. } => to(capability.span),
        StatementKind::Change(change) => to(change.anchor.as_ref().map_or(change.verb_span, |a| a.span)),
        StatementKind::OnLeave { block } | StatementKind::Signature { block, .. } => crate::source::Span {
            end: block.span.start,
            ..statement.span
        },
        _ => statement.span,
    }
}
