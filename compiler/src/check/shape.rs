//! What decides what there is: which parameters of roles and workloads must be known before anything runs, and whether
//! what exists only later is given to one of them or decides something itself.
//!
//! Bodies are gone through with *phases* in place of values: what each part of a value hangs on. A role or workload that is
//! run is gone through with the phases of its arguments, so what it decides by them is found where it stands. All of it
//! is bounded; what is too large to be gone through is told when it is laid out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use super::bounds;
use super::hangs::{Depends, Phase};
use super::operators;
use super::phases::{NotKnown, later_decides, later_rule, must_be_known, not_known};
use super::typed::{
    Callee, Expression, ExpressionKind, Parameter, Pattern, Requirement, Run, Statement, Step, Typed,
};
use super::types::{Rule, Thing, Type};
use crate::diagnostics::Diagnostic;
use crate::plan::Function;
use crate::resolve::{ItemId, Known};
use crate::source::Span;
use crate::syntax::ast::BinaryOperator;

/// Parts of bodies that are gone through for all roles and workloads of a spec together.
pub(super) const MAX_WORK: usize = 1_000_000;
/// Roles and workloads within each other, and functions within functions.
const MAX_WITHIN: usize = 64;

/// What a `known` parameter, or a parameter that must be, is used for.
struct Use {
    at: Span,
    decides: String,
}

/// The names of a body.
#[derive(Default)]
struct Names {
    phases: BTreeMap<String, Phase>,
    /// Groups of several nodes.
    many: BTreeSet<String>,
    /// What the body at hand hands out.
    outputs: BTreeMap<String, Phase>,
}

/// Goes through the roles and workloads that are `own`; says what is wrong, and how much was gone through.
pub(super) fn check(
    typed: &Typed,
    own_items: &dyn Fn(ItemId) -> bool,
    public: &dyn Fn(ItemId) -> bool,
) -> (Vec<Diagnostic>, usize) {
    let mut shapes = Shapes {
        typed,
        left: MAX_WORK,
        within: 0,
        uses: BTreeMap::new(),
        told: HashSet::new(),
        found: Vec::new(),
    };
    for (id, function) in typed.functions.iter().filter(|(id, _)| own_items(**id)) {
        shapes.uses.clear();
        let phases = function.parameters.iter().enumerate();
        let phases = phases.map(|(number, parameter)| (parameter.name.clone(), own(parameter, number)));
        shapes.body(*id, phases.collect());
        let uses = std::mem::take(&mut shapes.uses);
        for (number, used) in uses.into_iter().filter(|_| public(*id)) {
            let parameter = function.parameters.get(number).filter(|p| !p.known);
            let told = parameter.and_then(|p| must_be_known(p, used.at, &used.decides));
            shapes.found.extend(told);
        }
    }
    (shapes.found, MAX_WORK - shapes.left)
}

/// What a parameter hangs on where it is declared.
fn own(parameter: &Parameter, number: usize) -> Phase {
    match parameter.ty.base() {
        Type::Thing(Thing::Group, _) => Phase::of_node(),
        // Nobody can make one of them of what is not known.
        Type::Thing(..) | Type::Error => Phase::known(),
        _ => Phase::Flat(Rc::new(Depends {
            parameters: BTreeSet::from([number]),
            ..Depends::default()
        })),
    }
}

fn is_many(parameter: &Parameter) -> bool {
    match parameter.ty.base() {
        Type::Thing(Thing::Group, members) => matches!(members.get("name"), Some(Type::List(_))),
        _ => false,
    }
}

/// What is known while bodies are gone through.
pub(super) struct Shapes<'a> {
    typed: &'a Typed,
    /// How much more may be gone through.
    pub(super) left: usize,
    /// Bodies around the one at hand.
    within: usize,
    /// For what parameters of the role or workload that is looked at must be known; the first use of each.
    uses: BTreeMap<usize, Use>,
    /// What has been told: where it is defined, and where it decides.
    told: HashSet<(Span, Span)>,
    found: Vec<Diagnostic>,
}

impl Shapes<'_> {
    /// Something that must be known decides here.
    fn decides(&mut self, on: &Rc<Depends>, at: Span, decides: &str) {
        for number in &on.parameters {
            self.uses.entry(*number).or_insert_with(|| Use {
                at,
                decides: decides.to_owned(),
            });
        }
        if let Some((step, defined)) = &on.later
            && self.told.insert((*defined, at))
        {
            self.found.push(*later_decides(step, Some(defined), at, decides));
        }
    }

    /// A role or workload whose parameters have these phases; what it hands out.
    fn body(&mut self, id: ItemId, parameters: BTreeMap<String, Phase>) -> BTreeMap<String, Phase> {
        let Some(function) = self.typed.functions.get(&id) else {
            return BTreeMap::new();
        };
        if self.within >= MAX_WITHIN || !self.spend(1) {
            return BTreeMap::new();
        }
        let mut names = Names {
            phases: parameters,
            ..Names::default()
        };
        let many = function.parameters.iter().filter(|p| is_many(p));
        names.many.extend(many.map(|p| p.name.clone()));
        self.within += 1;
        bounds::with_stack(|| self.statements(&function.body, &mut names));
        self.within -= 1;
        names.outputs
    }

    fn statements(&mut self, body: &[Statement], names: &mut Names) {
        for statement in body {
            if !self.spend(1) {
                return;
            }
            match statement {
                Statement::Let(name, value) => {
                    let phase = self.phase(value, names);
                    names.phases.insert(name.clone(), phase);
                }
                Statement::Step(step) => self.step(step, names),
                Statement::Group(group) => {
                    for (field, value) in &group.fields {
                        let phase = self.phase(value, names);
                        let what = match field.as_str() {
                            "count" => "the number of nodes",
                            "spread" => "how nodes are spread",
                            "quorum" => "a quorum",
                            _ => "the hardware of nodes",
                        };
                        self.decides(phase.whole(), value.span, what);
                    }
                    names.phases.insert(group.name.clone(), Phase::of_node());
                    if group.many {
                        names.many.insert(group.name.clone());
                    }
                }
                Statement::Run(run) => self.run(run, names),
                Statement::Out(name, value) => {
                    let phase = self.phase(value, names);
                    names.outputs.insert(name.clone(), phase);
                }
                Statement::If(branches, otherwise) => {
                    for (condition, body) in branches {
                        let phase = self.phase(condition, names);
                        self.decides(phase.whole(), condition.span, "a condition");
                        bounds::with_stack(|| self.statements(body, names));
                    }
                    bounds::with_stack(|| self.statements(otherwise, names));
                }
                Statement::Match(subject, arms) => {
                    let value = self.phase(subject, names);
                    for (pattern, body) in arms {
                        self.pattern(pattern, &value, subject.span, names);
                        bounds::with_stack(|| self.statements(body, names));
                    }
                }
                Statement::For(turns) => {
                    let list = self.phase(&turns.list, names);
                    self.decides(&list.shape(), turns.list.span, "what a `for` goes through");
                    let element = list.element(self);
                    if let Some(name) = &turns.key_variable {
                        names.phases.insert(name.clone(), Phase::Flat(list.shape()));
                    }
                    let of_map = matches!(turns.list.ty.base(), Type::Map(..));
                    names.phases.insert(turns.variable.clone(), element.clone());
                    match &turns.by {
                        Some(by) => {
                            let key = self.phase(by, names);
                            self.decides(key.whole(), by.span, "a key");
                        }
                        None if !of_map => self.decides(element.whole(), turns.list.span, "a key"),
                        None => {}
                    }
                    bounds::with_stack(|| self.statements(&turns.body, names));
                }
                Statement::OnLeave(body) => bounds::with_stack(|| self.statements(body, names)),
            }
        }
    }

    fn step(&mut self, step: &Step, names: &mut Names) {
        let typed = self.typed;
        let Some(kind) = typed.kinds.get(&step.kind) else {
            return;
        };
        let mut members = BTreeMap::new();
        for (name, value) in &step.fields {
            let phase = self.phase(value, names);
            if kind.fields.iter().any(|f| f.key && f.name == *name) {
                self.decides(phase.whole(), value.span, "the key of a step");
            }
            members.insert(name.clone(), phase);
        }
        for output in kind.outputs.keys() {
            let later = Depends {
                node: true,
                later: Some((step.name.as_str().into(), step.span)),
                ..Depends::default()
            };
            members.insert(output.clone(), Phase::Flat(Rc::new(later)));
        }
        let phase = self.record(members);
        names.phases.insert(step.name.clone(), phase);
    }

    fn run(&mut self, run: &Run, names: &mut Names) {
        for value in run.fields.values() {
            let phase = self.phase(value, names);
            self.decides(phase.whole(), value.span, "a rollout");
        }
        let mut arguments: BTreeMap<String, Phase> = BTreeMap::new();
        for (name, value) in &run.arguments {
            let phase = self.phase(value, names);
            arguments.insert(name.clone(), phase);
        }
        let typed = self.typed;
        let (id, parameters) = match &run.callee {
            Callee::Function(id) => (Some(*id), typed.functions.get(id).map(|f| &f.parameters)),
            // Who implements it is chosen by deploys and sites.
            Callee::Signature(name) => {
                let interface = typed.interfaces.get(&name.interface);
                let signature = interface.and_then(|i| i.signatures.get(&name.name));
                (None, signature.map(|s| &s.parameters))
            }
        };
        for parameter in parameters.into_iter().flatten() {
            let Some(phase) = arguments.get_mut(&parameter.name) else {
                continue;
            };
            match (parameter.known, run.arguments.get(&parameter.name)) {
                (true, Some(value)) => {
                    let given = std::mem::replace(phase, Phase::known());
                    self.given_to_known(parameter, &given, value.span);
                }
                // A group is one, whatever it is called.
                _ if matches!(parameter.ty.base(), Type::Thing(..)) => *phase = own(parameter, 0),
                _ => {}
            }
        }
        let mut outputs = id.map_or_else(BTreeMap::new, |id| self.body(id, arguments));
        if run.group.as_ref().is_some_and(|group| names.many.contains(group)) {
            for value in outputs.values_mut() {
                *value = self.list(Phase::of_node().whole().clone(), value.clone());
            }
        }
        let phase = self.record(outputs);
        names.phases.insert(run.name.clone(), phase);
    }

    /// A value for a parameter that is marked `known`.
    fn given_to_known(&mut self, parameter: &Parameter, given: &Phase, at: Span) {
        let on = given.whole().clone();
        let wrong = match &on.later {
            Some((_, step)) => Some(NotKnown::Later(Some(*step))),
            None => on.node.then_some(NotKnown::OfNode),
        };
        if let Some(wrong) = wrong
            && self.told.insert((at, at))
        {
            self.found.push(not_known(parameter, at, wrong));
        }
        let known = Rc::new(Depends {
            later: None,
            ..(*on).clone()
        });
        self.decides(&known, at, &format!("the parameter `{}`", parameter.name));
    }

    /// Gives names to parts of a value; what the pattern looks at must be known.
    fn pattern(&mut self, pattern: &Pattern, value: &Phase, at: Span, names: &mut Names) {
        match pattern {
            Pattern::Any | Pattern::Missing => {}
            Pattern::Name(name) => {
                names.phases.insert(name.clone(), value.clone());
            }
            Pattern::Literal(_) | Pattern::Range(..) => {
                self.decides(value.whole(), at, "which arm is meant");
            }
            Pattern::Variant(name, fields) => {
                let inside = match value {
                    Phase::Record(record) => record.0.get(name).cloned(),
                    other => {
                        self.decides(other.whole(), at, "which arm is meant");
                        Some(other.clone())
                    }
                };
                for (field, pattern) in fields {
                    let part = match &inside {
                        Some(Phase::Record(record)) => record.0.get(field).cloned(),
                        other => other.clone(),
                    };
                    self.pattern(pattern, &part.unwrap_or_else(Phase::known), at, names);
                }
            }
            Pattern::Either(all) => all.iter().for_each(|one| self.pattern(one, value, at, names)),
        }
    }

    fn phase(&mut self, expression: &Expression, names: &mut Names) -> Phase {
        match self.spend(1) {
            true => bounds::with_stack(|| self.phase_of(expression, names)),
            false => Phase::known(),
        }
    }

    /// Several values that are put into one.
    fn together<'e>(
        &mut self,
        parts: impl Iterator<Item = &'e Expression>,
        names: &mut Names,
    ) -> Rc<Depends> {
        let phases: Vec<Phase> = parts.map(|part| self.phase(part, names)).collect();
        self.all(phases.iter().map(Phase::whole))
    }

    fn fields(&mut self, fields: &BTreeMap<String, Expression>, names: &mut Names) -> Phase {
        let mut phases = BTreeMap::new();
        for (name, value) in fields {
            let phase = self.phase(value, names);
            phases.insert(name.clone(), phase);
        }
        self.record(phases)
    }

    /// Values of which each must be known here; so what is made of them is, or it has been told.
    fn needed<'e>(
        &mut self,
        parts: impl Iterator<Item = &'e Expression>,
        decides: &str,
        names: &mut Names,
    ) -> Phase {
        for part in parts {
            let phase = self.phase(part, names);
            self.decides(phase.whole(), part.span, decides);
        }
        Phase::known()
    }

    fn phase_of(&mut self, expression: &Expression, names: &mut Names) -> Phase {
        use ExpressionKind as E;
        match &expression.kind {
            E::Error | E::Value(_) | E::Item(..) | E::Secret(_) | E::StepName(_) => Phase::known(),
            E::Column(_) => Phase::of_node(),
            E::Variable(name) => names.phases.get(name).cloned().unwrap_or_else(Phase::known),
            E::Concat(parts) => Phase::Flat(self.together(parts.iter(), names)),
            E::Member(of, name) => match self.phase(of, names) {
                Phase::Record(record) => record.0.get(name).cloned().unwrap_or_else(Phase::known),
                other => Phase::Flat(other.whole().clone()),
            },
            E::List(elements) => {
                let phases: Vec<Phase> = elements.iter().map(|e| self.phase(e, names)).collect();
                let element = self.any(phases.iter());
                self.list(Rc::default(), element)
            }
            E::Record(fields) => self.fields(fields, names),
            E::Variant(name, fields) => {
                let inside = self.fields(fields, names);
                self.record(BTreeMap::from([(name.clone(), inside)]))
            }
            E::Index(of, key) => {
                let map = self.phase(of, names);
                self.needed(std::iter::once(&**key), "a key", names);
                map.element(self)
            }
            E::IfPresent(of, name, then) => {
                let value = self.phase(of, names);
                names.phases.insert(name.clone(), value);
                self.phase(then, names)
            }
            E::Match(subject, arms) => {
                let value = self.phase(subject, names);
                let mut phases = Vec::new();
                for (pattern, arm) in arms {
                    self.pattern(pattern, &value, subject.span, names);
                    phases.push(self.phase(arm, names));
                }
                self.any(phases.iter())
            }
            E::Call(id, _, arguments) => {
                let mut given = BTreeMap::new();
                for (name, value) in arguments {
                    let phase = self.phase(value, names);
                    given.insert(name.clone(), phase);
                }
                let function = self.typed.pure.get(id).filter(|_| self.within < MAX_WITHIN);
                let Some(function) = function else {
                    return Phase::known();
                };
                let mut inside = Names {
                    phases: given,
                    ..Names::default()
                };
                self.within += 1;
                let value = self.phase(&function.body, &mut inside);
                self.within -= 1;
                value
            }
            E::Comprehension {
                key,
                element,
                key_variable,
                variable,
                list,
                condition,
            } => {
                let through = self.phase(list, names);
                if key.is_some() || key_variable.is_some() {
                    self.decides(&through.shape(), list.span, "what a `for` goes through");
                }
                if let Some(name) = key_variable {
                    names.phases.insert(name.clone(), Phase::Flat(through.shape()));
                }
                let one = through.element(self);
                names.phases.insert(variable.clone(), one);
                if let Some(condition) = condition {
                    self.needed(std::iter::once(&**condition), "which elements stay", names);
                }
                if let Some(key) = key {
                    self.needed(std::iter::once(&**key), "a key", names);
                }
                let element = self.phase(element, names);
                self.list(through.shape(), element)
            }
            E::If(condition, then, otherwise) => {
                let condition = std::iter::once(&**condition);
                self.needed(condition, "which of the two is meant", names);
                let sides = [self.phase(then, names), self.phase(otherwise, names)];
                self.any(sides.iter())
            }
            E::Unary(_, operand) => self.needed(std::iter::once(&**operand), "this operator", names),
            E::Binary(operator, left, right) => self.binary(*operator, left, right, names),
            E::Apply(Function::Length, list) => {
                let lists: Vec<Phase> = list.iter().map(|e| self.phase(e, names)).collect();
                let shapes: Vec<Rc<Depends>> = lists.iter().map(Phase::shape).collect();
                Phase::Flat(self.all(&shapes))
            }
            E::Apply(_, arguments) => Phase::Flat(self.together(arguments.iter(), names)),
            E::Known(Known::Flatten, arguments) => Phase::Flat(self.together(arguments.iter(), names)),
            E::Known(function, arguments) => {
                self.needed(arguments.iter(), &format!("`{}`", function.usage().0), names)
            }
            E::OfNetwork(_, arguments) => self.needed(arguments.iter(), "a part of a network", names),
            E::Render(_, _, record) => Phase::Flat(self.together(std::iter::once(&**record), names)),
            E::JoinText(list, separator) => {
                Phase::Flat(self.together([&**list, &**separator].into_iter(), names))
            }
            E::Checked(inner, check) => {
                let value = self.phase(inner, names);
                if let (Requirement::Rule(Rule::Where(..)), Some((step, defined))) =
                    (&check.requirement, &value.whole().later)
                    && self.told.insert((*defined, inner.span))
                {
                    self.found
                        .push(*later_rule(check, step, Some(defined), inner.span));
                }
                value
            }
        }
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        names: &mut Names,
    ) -> Phase {
        let plain = match operator {
            BinaryOperator::Otherwise => true,
            BinaryOperator::Add => matches!(left.ty.base(), Type::List(_)),
            _ => false,
        };
        if plain {
            let sides = [self.phase(left, names), self.phase(right, names)];
            return match (operator, &sides) {
                (BinaryOperator::Otherwise, _) => self.any(sides.iter()),
                (_, [a, b]) => {
                    let shape = self.all([&a.shape(), &b.shape()]);
                    let elements = [a.element(self), b.element(self)];
                    let element = self.any(elements.iter());
                    self.list(shape, element)
                }
            };
        }
        self.needed([left, right].into_iter(), operators::decides(operator), names)
    }
}
