//! Parts of plans in expressions: `t.nodes.web`, `t.entry.after(t.pages)`, `deploy.steps`.
//!
//! A plan is no value of the language. Each part of it that an expression names becomes a variable called by its
//! path (`t/nodes/web`), so that only the parts that are used have to be made, by [`crate::verify`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checker;
use super::expressions::error;
use super::typed::{Expression, ExpressionKind};
use super::types::{Thing, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::tests;
use crate::resolve::{Definition, list_of};
use crate::source::Span;
use crate::syntax::ast;

/// Stands between the names of a path; no name of the language has it.
pub(crate) const SEPARATOR: char = '/';

/// What can be said of any plan.
const PLAN_PARTS: [&str; 11] = [
    "name", "workload", "site", "backend", "nodes", "groups", "runs", "steps", "networks", "gaps", "emulated",
];
/// What can be said of the site of a policy.
const SITE_PARTS: [&str; 3] = ["name", "backend", "gaps"];
/// What can be said of a run.
const RUN_PARTS: [&str; 6] = ["name", "role", "group", "nodes", "steps", "after"];

/// A path that begins with a plan, and what is known of that plan.
struct Path<'e> {
    root: &'e ast::Name,
    names: Vec<&'e ast::Name>,
    known: Arc<BTreeMap<String, Type>>,
}

impl Path<'_> {
    /// Whether this is the `site` of a policy.
    fn is_site(&self) -> bool {
        self.known.contains_key("site")
    }

    /// Whether the plan is of any workload.
    fn is_any(&self) -> bool {
        self.known.contains_key("deploy")
    }

    /// Whether what it lacks may be in a statement that was told.
    fn is_half_read(&self) -> bool {
        self.known.contains_key(super::assertions::HALF_READ)
    }

    fn texts(&self) -> Vec<&str> {
        self.names.iter().map(|n| n.text.as_str()).collect()
    }

    /// The names of a space: `web` of `nodes/web`.
    fn known(&self, space: &str) -> Vec<&str> {
        let inner = |key: &'_ String| key.strip_prefix(space)?.strip_prefix(SEPARATOR).map(str::len);
        self.known
            .keys()
            .filter_map(|key| inner(key).map(|length| &key[key.len() - length..]))
            .collect()
    }

    /// The run that these names spell: its name, or that of a run inside of it.
    fn run(&self, names: &[&str]) -> Option<String> {
        let first = names.first()?;
        self.known("run").contains(first).then(|| names.join("."))
    }
}

impl Checker<'_> {
    /// The part of a plan that `of.name` is; `None` if this is something else.
    pub(super) fn plan_member(
        &mut self,
        of: &ast::Expression,
        name: &ast::Name,
        span: Span,
    ) -> Option<Expression> {
        let mut path = self.path(of)?;
        path.names.push(name);
        let texts = path.texts();
        let is_site = path.is_site();
        let found = match texts.as_slice() {
            [part] if is_site && SITE_PARTS.contains(part) => {
                let name = if *part == "name" { "site" } else { part };
                Some((name.to_owned(), site_part(part)))
            }
            [_] if is_site => None,
            _ if is_site => return None,
            ["outputs"] if !path.is_any() => return Some(self.outputs(&path, span)),
            ["outputs", output] => {
                let ty = path.known.get(&format!("outputs/{output}")).cloned();
                ty.map(|ty| (format!("outputs/{output}"), ty))
            }
            [part] if PLAN_PARTS.contains(part) => Some(((*part).to_owned(), plan_part(part))),
            ["networks", network] => Some((format!("networks/{network}"), network_type())),
            ["nodes", group] => {
                // Groups that come from a loop or an inner workload are called by what they come from.
                let known = path.known("nodes");
                let derived = |k: &&str| group.strip_prefix(*k).is_some_and(|rest| rest.starts_with('_'));
                let fits = known.contains(group)
                    || known.iter().any(derived)
                    || path.known("run").iter().any(derived);
                (fits || path.is_any()).then(|| (format!("nodes/{group}"), Type::list(node_type())))
            }
            [run @ .., part] if RUN_PARTS.contains(part) && !run.is_empty() => {
                let run = path.run(run)?;
                (*part != "after").then(|| (format!("run/{run}/{part}"), run_part(part)))
            }
            [first, ..] if texts.len() > 1 && (PLAN_PARTS.contains(first) || *first == "outputs") => {
                return None;
            }
            names => match path.run(names) {
                Some(run) => {
                    let message = format!("the run `{run}` is no value");
                    let help = format!(
                        "say what of it: `{}.{}.nodes`, or whether it waits for another: `….after(…)`",
                        path.root.text,
                        names.join(".")
                    );
                    self.report(Diagnostic::error(tests::NOT_A_VALUE, span, message).help(help));
                    return Some(error(span));
                }
                None => None,
            },
        };
        let Some((part, ty)) = found else {
            self.no_part(&path);
            return Some(error(span));
        };
        Some(variable(&path, &part, ty, span))
    }

    /// `t.entry.after(t.pages)`; `None` if this is something else.
    pub(super) fn plan_call(
        &mut self,
        callee: &ast::Expression,
        arguments: &[ast::Argument],
        span: Span,
    ) -> Option<Expression> {
        let ast::ExpressionKind::Member { of, name } = &callee.kind else {
            return None;
        };
        let path = self.path(of)?;
        let later = path.run(&path.texts());
        if later.is_none() && name.text == "after" {
            self.no_part(&path);
            return Some(error(span));
        }
        let (Some(later), "after") = (later, name.text.as_str()) else {
            let message = format!("`{}` cannot be called", name.text);
            let help = format!(
                "of a run one can ask: `{}.entry.after({0}.pages)`",
                path.root.text
            );
            self.report(Diagnostic::error(tests::NO_PART, name.span, message).help(help));
            return Some(error(span));
        };
        let earlier = match arguments {
            [one] if one.name.is_none() => self
                .path(&one.value)
                .filter(|p| p.root.text == path.root.text)
                .and_then(|p| p.run(&p.texts())),
            _ => None,
        };
        let Some(earlier) = earlier else {
            if path.is_half_read() {
                return Some(error(span));
            }
            let place = arguments.first().map_or(name.span, |a| a.span);
            let message = "`after` takes one run of the same plan";
            let known = path.known("run");
            let names: Vec<String> = known.iter().map(|r| format!("{}.{r}", path.root.text)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let wrong = Diagnostic::error(tests::NO_PART, place, message);
            self.report(wrong.help(format!("one of {}", list_of(&names))));
            return Some(error(span));
        };
        Some(variable(
            &path,
            &format!("after/{later}/{earlier}"),
            Type::Bool,
            span,
        ))
    }

    /// The error for a plan that stands as a value.
    pub(super) fn plan_as_value(&mut self, name: &ast::Name, span: Span) -> Expression {
        let message = format!("the plan `{}` is no value", name.text);
        let help = format!(
            "say what of it: `{}.nodes`, `{0}.steps`, `{0}.networks`",
            name.text
        );
        self.report(Diagnostic::error(tests::NOT_A_VALUE, span, message).help(help));
        error(span)
    }

    fn path<'e>(&self, of: &'e ast::Expression) -> Option<Path<'e>> {
        let mut names = Vec::new();
        let mut at = of;
        loop {
            match &at.kind {
                ast::ExpressionKind::Member { of, name } => {
                    names.push(name);
                    at = of;
                }
                ast::ExpressionKind::Name(root) => {
                    let Some(Definition::Local(declared)) = self.resolved.references.get(&root.span) else {
                        return None;
                    };
                    let Some(Type::Thing(Thing::Plan, known)) = self.locals.get(declared) else {
                        return None;
                    };
                    names.reverse();
                    let known = known.clone();
                    return Some(Path { root, names, known });
                }
                _ => return None,
            }
        }
    }

    /// All outputs as a record.
    fn outputs(&mut self, path: &Path<'_>, span: Span) -> Expression {
        let mut fields = BTreeMap::new();
        let mut types = BTreeMap::new();
        for name in path.known("outputs") {
            let part = format!("outputs/{name}");
            let ty = path.known.get(&part).cloned().unwrap_or(Type::Error);
            fields.insert(name.to_owned(), variable(path, &part, ty.clone(), span));
            types.insert(name.to_owned(), ty);
        }
        Expression {
            kind: ExpressionKind::Record(fields),
            ty: Type::Record(types),
            span,
        }
    }

    fn no_part(&mut self, path: &Path<'_>) {
        if path.is_half_read() {
            return;
        }
        let texts = path.texts();
        let (Some(last), root) = (path.names.last(), &path.root.text) else {
            return;
        };
        let (space, what) = match texts.as_slice() {
            ["outputs"] => {
                let message = "what a deploy hands out hangs on its workload; a policy speaks of any";
                self.report(Diagnostic::error(tests::NO_PART, last.span, message));
                return;
            }
            ["nodes", _] => ("nodes", "group"),
            ["outputs", _] => ("outputs", "output"),
            _ => ("run", "run or other part"),
        };
        let mut known = path.known(space);
        if texts.len() == 1 && path.is_site() {
            known.extend(SITE_PARTS);
        } else if texts.len() == 1 {
            known.extend(PLAN_PARTS);
        }
        let room = self.diagnostics.look_through(known.len());
        let message = format!("the plan `{root}` has no {what} `{}`", last.text);
        let unknown = Diagnostic::error(tests::NO_PART, last.span, message)
            .suggest(&last.text, known.iter().copied().take(room));
        self.report(match unknown.help {
            Some(_) => unknown,
            None => unknown.help(format!("it has {}", list_of(&known))),
        });
    }
}

fn variable(path: &Path<'_>, part: &str, ty: Type, span: Span) -> Expression {
    Expression {
        kind: ExpressionKind::Variable(format!("{}{SEPARATOR}{part}", path.root.text)),
        ty,
        span,
    }
}

fn plan_part(part: &str) -> Type {
    match part {
        "nodes" => Type::list(node_type()),
        "groups" => Type::list(group_type()),
        "runs" => Type::list(run_type()),
        "steps" => Type::list(step_type()),
        "networks" => Type::list(network_type()),
        "gaps" | "emulated" => Type::list(Type::String),
        _ => Type::String,
    }
}

fn site_part(part: &str) -> Type {
    match part {
        "gaps" => Type::list(Type::String),
        _ => Type::String,
    }
}

fn run_part(part: &str) -> Type {
    match part {
        "nodes" => Type::list(node_type()),
        "steps" => Type::list(step_type()),
        _ => Type::String,
    }
}

fn record<const N: usize>(fields: [(&str, Type); N]) -> Type {
    Type::Record(
        fields
            .into_iter()
            .map(|(name, ty)| (name.to_owned(), ty))
            .collect(),
    )
}

/// A thing of a plan: what it is, and its members.
fn planned<const N: usize>(noun: &'static str, members: [(&str, Type); N]) -> Type {
    let members = members.into_iter().map(|(name, ty)| (name.to_owned(), ty));
    Type::Thing(Thing::Planned(noun), Arc::new(members.collect()))
}

fn map(of: Type) -> Type {
    Type::Map(Box::new(Type::String), Box::new(of))
}

fn perhaps(ty: Type) -> Type {
    Type::Optional(Box::new(ty))
}

fn node_type() -> Type {
    let hardware = record([
        ("name", Type::String),
        ("cpu", Type::Int),
        ("memory", Type::Bytes),
        ("disks", map(Type::Bytes)),
        ("nics", map(Type::String)),
    ]);
    planned(
        "node",
        [
            ("name", Type::String),
            ("group", Type::String),
            ("address", perhaps(Type::Ip)),
            ("addresses", map(Type::Ip)),
            ("hardware", hardware),
            ("runs", Type::list(Type::String)),
        ],
    )
}

fn group_type() -> Type {
    planned(
        "group",
        [
            ("name", Type::String),
            ("many", Type::Bool),
            ("count", Type::Int),
            ("spread", perhaps(Type::String)),
        ],
    )
}

fn run_type() -> Type {
    planned(
        "run",
        [
            ("name", Type::String),
            ("role", Type::String),
            ("group", Type::String),
            ("after", Type::list(Type::String)),
            ("steps", Type::list(Type::String)),
            ("canary", perhaps(Type::Int)),
            ("batch", perhaps(Type::Int)),
        ],
    )
}

fn step_type() -> Type {
    planned(
        "step",
        [
            ("name", Type::String),
            ("kind", Type::String),
            ("run", Type::String),
            ("role", Type::String),
            ("group", Type::String),
            ("node", Type::String),
            ("fields", map(Type::String)),
        ],
    )
}

fn network_type() -> Type {
    planned(
        "network",
        [
            ("name", Type::String),
            ("cidr", Type::Cidr),
            ("gateway", perhaps(Type::Ip)),
            ("mtu", perhaps(Type::Int)),
            ("vlan", perhaps(Type::Int)),
        ],
    )
}
