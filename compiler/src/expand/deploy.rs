//! The body of a workload, for one deploy.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::workloads::Frame;
use super::{GroupInstance, Instances, NetworkInstance, RunInstance};
use crate::check::evaluate::{Scope, Stop, as_item, evaluate, known, truth};
use crate::check::{Choice, Deploy, Expression, Parameter, SignatureName, Site, Statement, Typed};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::plan::{BackendChoice, Ledger, Template};
use crate::resolve::ItemId;
use crate::source::Span;

/// More groups and runs than this cannot come of workloads that run others.
const MAX_STATEMENTS: usize = 10_000;
/// More waits than this cannot come of them.
const MAX_WAITS: usize = 200_000;
/// Calls that are shown with an error.
const CALLS_SHOWN: usize = 8;

/// The state of laying out one deploy.
pub(super) struct Layout<'a> {
    pub(super) typed: &'a Typed,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) failed: bool,
    pub(super) networks: BTreeMap<String, (ItemId, NetworkInstance)>,
    pub(super) groups: Vec<GroupInstance>,
    /// The number of nodes of each group.
    pub(super) counts: Vec<u64>,
    pub(super) runs: Vec<RunInstance>,
    /// The quorum of each group that has one, and where it is written.
    pub(super) quorums: Vec<Option<(u32, Span)>>,
    /// For each run: each step's kind and the place where it is written.
    pub(super) steps: Vec<Vec<(ItemId, Span)>>,
    /// The role of each run.
    pub(super) roles: Vec<ItemId>,
    pub(super) outputs: BTreeMap<String, Template>,
    /// Branches that were taken.
    pub(super) branches: BTreeSet<(Span, usize)>,
    /// How many more parts values of roles may have.
    pub(super) parts: usize,
    /// Where the steps are written that find something out, by `run.step`.
    pub(super) later: BTreeMap<String, Span>,
    /// Where each group stands in the list.
    pub(super) by_name: HashMap<String, usize>,
    /// Where the runs are written, by name.
    pub(super) run_places: HashMap<String, Span>,
    /// The path to each group, with the keys of its turns as they are: `web[eu-west]`, `kv[tea].disk`.
    pub(super) spelled: Vec<String>,
    /// Workloads that were put in, and what stands before the names of their runs: `kv.`.
    pub(super) put_in: Vec<(ItemId, String)>,
    /// For each group and each run: the calls of workloads that led to it, the outermost first.
    pub(super) group_calls: Vec<Vec<Span>>,
    pub(super) run_calls: Vec<Vec<Span>>,
    /// The calls of workloads around what is laid out now.
    pub(super) calls: Vec<Span>,
    /// Which implementation each signature has in this deploy.
    pub(super) chosen: BTreeMap<SignatureName, ItemId>,
    /// How many more groups and runs workloads may be made into, and how many more waits.
    pub(super) room: Room,
}

/// What a deploy may still grow by: a few workloads that run each other twice are a million runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) statements: usize,
    pub(super) waits: usize,
}

pub(super) fn lay_out(
    typed: &Typed,
    deploy: &Deploy,
    ledger: &Ledger,
    diagnostics: &mut Diagnostics,
) -> Option<Instances> {
    let mut layout = Layout {
        typed,
        diagnostics,
        failed: false,
        networks: BTreeMap::new(),
        groups: Vec::new(),
        counts: Vec::new(),
        quorums: Vec::new(),
        runs: Vec::new(),
        steps: Vec::new(),
        roles: Vec::new(),
        outputs: BTreeMap::new(),
        branches: BTreeSet::new(),
        parts: Scope::of(typed).left,
        later: BTreeMap::new(),
        by_name: HashMap::new(),
        run_places: HashMap::new(),
        spelled: Vec::new(),
        put_in: Vec::new(),
        group_calls: Vec::new(),
        run_calls: Vec::new(),
        calls: Vec::new(),
        chosen: BTreeMap::new(),
        room: Room {
            statements: MAX_STATEMENTS,
            waits: MAX_WAITS,
        },
    };
    let site = typed.sites.get(&deploy.site)?;
    layout.chosen = chosen(typed, deploy, site);
    let backend = layout.backend(site);
    let workload = typed.functions.get(&deploy.workload)?;
    let mut scope = Scope::of(typed);
    let mut arguments = Scope::of(typed);
    layout.recorded_outputs(deploy, &mut arguments);
    for (name, value) in &deploy.arguments {
        if let Some(value) = layout.evaluate(value, &mut arguments) {
            scope.variables.insert(name.clone(), value);
        }
    }
    let given = super::arguments::given(deploy, &scope.variables);
    let reads = super::arguments::reads(typed, deploy, &arguments.variables);
    not_given(&workload.parameters, &deploy.arguments, &mut scope.variables);
    let mut frame = Frame::of_deploy(deploy.workload);
    layout.statements(&workload.body, &mut scope, &mut frame);
    layout.outputs = frame.outputs;
    let capabilities = layout.capabilities(site, deploy);
    layout.same_things();
    layout.check_networks();
    let (moves, moved_at) = layout.moves(deploy);
    let moved = layout.moved_ledger(&deploy.name, ledger, &moves, &moved_at);
    let ledger = moved.as_ref().unwrap_or(ledger);
    let ledger = match layout.failed {
        true => None,
        false => layout.addresses(&deploy.name, ledger),
    };
    let (ledger, backend) = (ledger?, backend?);
    layout.sample();
    if layout.failed {
        return None;
    }
    Some(Instances {
        deploy: deploy.name.clone(),
        site: site.name.clone(),
        spec: typed.spec.clone(),
        backend,
        networks: layout
            .networks
            .into_iter()
            .map(|(name, (_, network))| (name, network))
            .collect(),
        groups: layout.groups,
        runs: layout.runs,
        branches: layout.branches,
        outputs: layout.outputs,
        ledger,
        capabilities,
        moves,
        moved_at,
        arguments: given,
        reads,
    })
}

impl Layout<'_> {
    /// Reports what is wrong, and the calls of workloads that led there.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        let diagnostic = with_calls(diagnostic, &self.calls);
        self.diagnostics.push(diagnostic);
    }

    /// What stopped an evaluation, unless that has been told.
    pub(super) fn stopped(&mut self, stop: Stop) {
        self.failed = true;
        if let Stop::Error(diagnostic) = stop {
            self.report(*diagnostic);
        }
    }

    /// The value, or `None` when there is none and that has been reported.
    pub(super) fn evaluate(&mut self, expression: &Expression, scope: &mut Scope<'_>) -> Option<Template> {
        evaluate(expression, scope)
            .map_err(|stop| self.stopped(stop))
            .ok()
    }

    /// A value that decides the shape; `None` if it is missing or was reported.
    pub(super) fn known(
        &mut self,
        expression: &Expression,
        scope: &mut Scope<'_>,
        decides: &str,
    ) -> Option<Value> {
        let value =
            evaluate(expression, scope).and_then(|value| known(value, expression.span, decides, scope));
        value
            .map_err(|stop| self.stopped(stop))
            .ok()
            .filter(|value| !value.is_null())
    }

    pub(super) fn branch<'s>(
        &mut self,
        branches: &'s [(Expression, Vec<Statement>)],
        otherwise: &'s [Statement],
        scope: &mut Scope<'_>,
    ) -> &'s [Statement] {
        let place = branches.first().map(|(first, _)| first.span).unwrap_or_default();
        for (index, (condition, body)) in branches.iter().enumerate() {
            match truth(condition, scope, "a condition") {
                Ok(true) => {
                    self.branches.insert((place, index));
                    return body;
                }
                Ok(false) => {}
                Err(stop) => {
                    self.stopped(stop);
                    return &[];
                }
            }
        }
        self.branches.insert((place, branches.len()));
        otherwise
    }

    fn backend(&mut self, site: &Site) -> Option<BackendChoice> {
        let (id, fields, _) = site.backend.as_ref()?;
        let mut choice = BackendChoice {
            name: self.typed.backends.get(id)?.name.clone(),
            image: None,
            settings: BTreeMap::new(),
        };
        let mut scope = Scope::of(self.typed);
        for (name, field) in fields {
            let Some(value) = self.evaluate(field, &mut scope) else {
                continue;
            };
            if let Some(item) = as_item(&value) {
                choice.image = self.image(item);
            } else if let Template::Value(value) = value {
                choice.settings.insert(name.clone(), value);
            }
        }
        Some(choice)
    }
}

/// Optional parameters that nobody gave are missing values.
pub(super) fn not_given(
    parameters: &[Parameter],
    given: &BTreeMap<String, Expression>,
    values: &mut BTreeMap<String, Template>,
) {
    for parameter in parameters.iter().filter(|p| !given.contains_key(&p.name)) {
        values.insert(parameter.name.clone(), Template::Value(Value::Null));
    }
}

/// Labels for the calls of workloads that led to a place, the innermost first.
pub(super) fn with_calls(diagnostic: Diagnostic, calls: &[Span]) -> Diagnostic {
    let shown = calls.iter().rev().take(CALLS_SHOWN);
    shown.fold(diagnostic, |diagnostic, call| {
        diagnostic.label(*call, "the workload is run here")
    })
}

/// Which implementation each signature has: the deploy says, then the site, then the interface.
fn chosen(typed: &Typed, deploy: &Deploy, site: &Site) -> BTreeMap<SignatureName, ItemId> {
    let defaults = typed
        .interfaces
        .values()
        .flat_map(|interface| &interface.defaults);
    let all = defaults.chain(&site.choices).chain(&deploy.choices);
    all.map(
        |Choice {
             signature,
             implementation,
             ..
         }| (signature.clone(), *implementation),
    )
    .collect()
}
