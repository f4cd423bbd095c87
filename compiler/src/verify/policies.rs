//! Policies: held against each deploy that is planned.

use serde_json::Value;

use crate::check::evaluate::{Scope, Stop, evaluate, known};
use crate::check::{Deploy, Expression, ExpressionKind, Test, TestStatement, Type, Typed};
use crate::diagnostics::codes::tests as codes;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::graph::Graph;
use crate::plan::Template;

use super::view::View;
use super::{Checking, Outcome};

/// Holds all policies against a deploy. What is broken and not accepted by the site is reported.
pub fn policies(typed: &Typed, deploy: &Deploy, graph: &Graph, diagnostics: &mut Diagnostics) {
    for policy in typed.policies() {
        let outcome = hold(typed, policy, deploy, graph);
        match (&outcome.accepted, outcome.holds()) {
            (None, _) => outcome.diagnostics.into_iter().for_each(|d| diagnostics.push(d)),
            (Some(_), true) => not_needed(typed, policy, deploy, diagnostics),
            (Some(_), false) => {}
        }
    }
}

/// Holds one policy against a deploy.
pub(super) fn hold(typed: &Typed, policy: &Test, deploy: &Deploy, graph: &Graph) -> Outcome {
    let mut outcome = super::outcome(policy, Some(deploy));
    let site = typed.sites.get(&deploy.site);
    if let Some((because, _)) = site.and_then(|s| s.accepted_policies.get(&policy.title)) {
        let mut scope = Scope::of(typed);
        let because = evaluate(because, &mut scope).and_then(|b| known(b, because.span, "a reason", &scope));
        outcome.accepted = Some(match because {
            Ok(Value::String(because)) => because,
            _ => String::new(),
        });
    }
    let views = ["deploy", "site"].map(|name| (name.to_owned(), View::new(typed, deploy, graph)));
    let mut checking = Checking::new(typed, &views);
    for statement in &policy.statements {
        match statement {
            TestStatement::Let(name, value) => match checking.value(value) {
                Ok(value) => {
                    checking.scope.variables.insert(name.clone(), value);
                }
                Err(Stop::Error(wrong)) => outcome.diagnostics.push(*wrong),
                Err(Stop::Told) => {}
            },
            TestStatement::Assert(assertion) => {
                outcome.looked_at += 1;
                let message = format!(
                    "the deploy `{}` breaks the policy `{}`",
                    deploy.name, policy.title
                );
                let failed = checking.assertion(assertion, codes::POLICY_BROKEN, message);
                let Some(mut failed) = failed else { continue };
                if failed.code == codes::POLICY_BROKEN {
                    let culprit = culprit(&assertion.condition, &mut checking.scope);
                    failed = pointed(failed, culprit, &views[0].1);
                    failed = failed.label(deploy.span, "this deploy breaks it");
                    let name = site.map_or("", |s| s.name.as_str());
                    failed = failed.help(format!(
                        "mend what breaks it, or let the site `{name}` accept it: `accept policy \"{}\" {{ because = \"…\" }}`",
                        policy.title
                    ));
                }
                outcome.diagnostics.push(failed);
            }
            TestStatement::Deploy(_) | TestStatement::ExpectError { .. } => {}
        }
    }
    outcome
}

/// A warning where a site accepts what no deploy of it breaks.
fn not_needed(typed: &Typed, policy: &Test, deploy: &Deploy, diagnostics: &mut Diagnostics) {
    let Some(site) = typed.sites.get(&deploy.site) else {
        return;
    };
    // Another deploy of the site may break it.
    let deploys = typed.deploys.iter().filter(|d| d.site == deploy.site).count();
    if let (1, Some((_, span))) = (deploys, site.accepted_policies.get(&policy.title)) {
        let message = format!(
            "nothing on the site `{}` breaks the policy `{}`",
            site.name, policy.title
        );
        let warning = Diagnostic::warning(codes::UNUSED_WAIVER, *span, message);
        diagnostics.push(warning.help("take this `accept policy` out"));
    }
}

/// The first element for which a comprehension of conditions is false, or the first that one finds.
fn culprit(expression: &Expression, scope: &mut Scope<'_>) -> Option<Value> {
    let value = |scope: &mut Scope<'_>, e: &Expression| match evaluate(e, scope) {
        Ok(Template::Value(Value::Array(list))) => Some(list),
        _ => None,
    };
    if let ExpressionKind::Comprehension {
        key: None,
        element,
        key_variable: None,
        variable,
        list,
        condition,
    } = &expression.kind
    {
        scope.left = crate::check::MAX_PARTS;
        // `[n for n in … if …]`: what is found is what breaks it.
        if element.kind == ExpressionKind::Variable(variable.clone()) && condition.is_some() {
            return value(scope, expression)?.into_iter().next();
        }
        if element.ty.base() != &Type::Bool {
            return None;
        }
        let holds = value(scope, expression)?;
        let mut elements = value(scope, list)?;
        // Where some are left out the places do not agree: those that stay are found by the same conditions.
        if condition.is_some() {
            let mut stays = expression.clone();
            if let ExpressionKind::Comprehension {
                element, variable, ..
            } = &mut stays.kind
            {
                element.kind = ExpressionKind::Variable(variable.clone());
            }
            elements = value(scope, &stays)?;
        }
        let at = holds.iter().position(|h| *h == Value::Bool(false))?;
        return elements.into_iter().nth(at);
    }
    expression
        .children()
        .into_iter()
        .find_map(|child| culprit(child, scope))
}

/// Points at what breaks the policy, where that is a node, a step or a network.
fn pointed(diagnostic: Diagnostic, culprit: Option<Value>, view: &View<'_>) -> Diagnostic {
    let Some(culprit) = culprit else { return diagnostic };
    let text = |name: &str| culprit.get(name).and_then(Value::as_str);
    let Some(name) = text("name") else {
        return diagnostic;
    };
    if let Some(run) = text("run").and_then(|r| view.run(r)) {
        let node = text("node").unwrap_or_default();
        return diagnostic.label(run.span, format!("the step `{name}` of this run, on `{node}`"));
    }
    match text("group").and_then(|g| view.group(g)) {
        Some(group) => diagnostic.label(group.span, format!("`{name}` is of this group")),
        None => match view.group(name) {
            Some(group) => diagnostic.label(group.span, "this group"),
            None => diagnostic,
        },
    }
}
