//! What values hang on: names of nodes, steps that find them out, parameters; each part of a value on its own.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::shape::Shapes;
use crate::source::Span;

/// What a value hangs on.
#[derive(Debug, Clone, Default)]
pub(super) struct Depends {
    /// Names or addresses of nodes.
    pub(super) node: bool,
    /// A step that finds it out: its name, and where it stands.
    pub(super) later: Option<(Rc<str>, Span)>,
    /// Parameters of the role or workload that is looked at, by number.
    pub(super) parameters: BTreeSet<usize>,
}

/// What the parts of a value hang on.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// All parts on the same.
    Flat(Rc<Depends>),
    /// A record, each field on its own; and all of them.
    Record(Rc<(BTreeMap<String, Phase>, Rc<Depends>)>),
    /// A list: which elements there are, and what any of them is; and all of it.
    List(Rc<(Rc<Depends>, Phase, Rc<Depends>)>),
}

impl Phase {
    pub(super) fn known() -> Phase {
        Phase::Flat(Rc::default())
    }

    pub(super) fn of_node() -> Phase {
        Phase::Flat(Rc::new(Depends {
            node: true,
            ..Depends::default()
        }))
    }

    /// What the value as a whole hangs on.
    pub(super) fn whole(&self) -> &Rc<Depends> {
        match self {
            Phase::Flat(all) => all,
            Phase::Record(record) => &record.1,
            Phase::List(list) => &list.2,
        }
    }

    /// What it hangs on how many elements, or which fields, there are.
    pub(super) fn shape(&self) -> Rc<Depends> {
        match self {
            Phase::Flat(all) => all.clone(),
            Phase::Record(_) => Rc::default(),
            Phase::List(list) => list.0.clone(),
        }
    }

    /// What any of the elements is.
    pub(super) fn element(&self, shapes: &mut Shapes<'_>) -> Phase {
        match self {
            Phase::Flat(_) => self.clone(),
            Phase::Record(record) => shapes.any(record.0.values()),
            Phase::List(list) => list.1.clone(),
        }
    }
}

impl Shapes<'_> {
    /// Takes some of what is left; `false` if that was all.
    pub(super) fn spend(&mut self, work: usize) -> bool {
        self.left = self.left.saturating_sub(work);
        self.left > 0
    }

    /// What hangs on all of these.
    pub(super) fn all<'d>(&mut self, parts: impl IntoIterator<Item = &'d Rc<Depends>>) -> Rc<Depends> {
        let mut result: Rc<Depends> = Rc::default();
        for part in parts {
            let plain = |d: &Depends| !d.node && d.later.is_none() && d.parameters.is_empty();
            if plain(part) || Rc::ptr_eq(&result, part) || !self.spend(1 + part.parameters.len()) {
                continue;
            }
            if plain(&result) {
                result = part.clone();
                continue;
            }
            let sum = Rc::make_mut(&mut result);
            sum.node |= part.node;
            sum.later = sum.later.take().or_else(|| part.later.clone());
            sum.parameters.extend(&part.parameters);
        }
        result
    }

    pub(super) fn record(&mut self, fields: BTreeMap<String, Phase>) -> Phase {
        let all = self.all(fields.values().map(Phase::whole));
        Phase::Record(Rc::new((fields, all)))
    }

    pub(super) fn list(&mut self, shape: Rc<Depends>, element: Phase) -> Phase {
        let all = self.all([&shape, element.whole()]);
        Phase::List(Rc::new((shape, element, all)))
    }

    /// A value that is one of these.
    pub(super) fn any<'p>(&mut self, phases: impl Iterator<Item = &'p Phase>) -> Phase {
        let mut result: Option<Phase> = None;
        for phase in phases {
            result = Some(match result {
                None => phase.clone(),
                Some(before) => self.either(&before, phase),
            });
        }
        result.unwrap_or_else(Phase::known)
    }

    pub(super) fn either(&mut self, left: &Phase, right: &Phase) -> Phase {
        if !self.spend(1) {
            return Phase::known();
        }
        match (left, right) {
            (Phase::Record(a), Phase::Record(b)) if !Rc::ptr_eq(a, b) => {
                let mut fields = a.0.clone();
                for (name, phase) in &b.0 {
                    let both = match fields.get(name) {
                        Some(before) => self.either(&before.clone(), phase),
                        None => phase.clone(),
                    };
                    fields.insert(name.clone(), both);
                }
                self.record(fields)
            }
            (Phase::List(a), Phase::List(b)) if !Rc::ptr_eq(a, b) => {
                let shape = self.all([&a.0, &b.0]);
                let element = self.either(&a.1, &b.1);
                self.list(shape, element)
            }
            (Phase::Record(_), Phase::Record(_)) | (Phase::List(_), Phase::List(_)) => left.clone(),
            _ => Phase::Flat(self.all([left.whole(), right.whole()])),
        }
    }
}
