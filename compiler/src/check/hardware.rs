//! Networks, hardware and images. What `if` and `match` in hardware hold is chosen when the spec is checked, since only values of the spec are known
//! in an item. What is not chosen is checked as well, but for what it lacks.

use std::collections::BTreeMap;

use super::choose::fits;
use super::constructs::Schema;
use super::evaluate::{Scope, Stop, evaluate, truth};
use super::fields::{Owner, unreadable};
use super::typed::{Construct, Expression, ExpressionKind, Pattern};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{names, types};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::ast::{self, StatementKind};

/// The statements of a hardware that are there.
#[derive(Default)]
struct Chosen {
    block: ast::Block,
    /// Of statements in arms that name parts of a value: the value and its pattern, from the outermost.
    named: Vec<(Span, Vec<(Expression, Pattern)>)>,
}

impl Chosen {
    /// A field as its arm sees it.
    fn in_arm(&self, statement: Span, field: Expression) -> Expression {
        match self.named.iter().find(|(span, _)| *span == statement) {
            Some((_, arms)) => in_arms(arms, field),
            None => field,
        }
    }

    /// The fields of the hardware itself, as their arms see them.
    fn in_their_arms(&self, fields: BTreeMap<String, Expression>) -> BTreeMap<String, Expression> {
        let statement = |field: &str| {
            let named = |s: &&ast::Statement| matches!(&s.kind, StatementKind::Field { name, .. } if name.text == field);
            self.block.statements.iter().find(named).map(|s| s.span)
        };
        let fields = fields.into_iter();
        fields
            .map(|(name, value)| match statement(&name) {
                Some(span) => (name, self.in_arm(span, value)),
                None => (name, value),
            })
            .collect()
    }
}

/// A value with the names that the arms around it give.
fn in_arms(arms: &[(Expression, Pattern)], value: Expression) -> Expression {
    arms.iter()
        .rev()
        .fold(value, |value, (subject, pattern)| Expression {
            ty: value.ty.clone(),
            span: value.span,
            kind: ExpressionKind::Match(Box::new(subject.clone()), vec![(pattern.clone(), value)]),
        })
}

impl Checker<'_> {
    /// A network, a hardware or an image.
    pub(super) fn construct(&mut self, id: ItemId, name: &ast::Name, block: &ast::Block, schema: Schema) {
        let word = match schema {
            Schema::Network => "network",
            Schema::Image => "image",
            _ => "hardware",
        };
        let owner = Owner {
            noun: format!("{} {word}", if schema == Schema::Image { "an" } else { "a" }),
            field: "field",
            declared: None,
            at: name.span,
            lenient: unreadable(block),
            also: &[],
        };
        let declared = self.schema(schema);
        let chosen = self.chosen_parts(block);
        let fields = self.fields(&chosen.block, &declared, &owner);
        let fields = chosen.in_their_arms(fields);
        let mut parts: Vec<(String, String, BTreeMap<String, Expression>)> = Vec::new();
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        for statement in &chosen.block.statements {
            let StatementKind::Named { word, name, block } = &statement.kind else {
                continue;
            };
            let Some((schema, text)) = self.part_of_hardware(word) else {
                continue;
            };
            if let Some(first) = places.insert(format!("{text} {}", name.text), name.span) {
                let message = format!("the {text} `{}` is there twice", name.text);
                let twice = Diagnostic::error(names::DUPLICATE_NAME, name.span, message);
                self.report(twice.here("here again").label(first, "first defined here"));
                continue;
            }
            let owner = Owner {
                noun: format!("a {text}"),
                field: "field",
                declared: None,
                at: name.span,
                lenient: unreadable(block),
                also: &[],
            };
            let declared = self.schema(schema);
            let fields = self.fields(block, &declared, &owner).into_iter();
            let fields = fields.map(|(field, value)| (field, chosen.in_arm(statement.span, value)));
            let fields = fields.collect();
            parts.push((text.to_owned(), name.text.clone(), fields));
        }
        let construct = Construct {
            name: name.text.clone(),
            span: name.span,
            fields,
            parts,
        };
        self.typed.constructs.insert(id, construct);
    }

    /// What a part is; `None` if a hardware has none such, which is reported.
    fn part_of_hardware(&mut self, word: &ast::DottedName) -> Option<(Schema, &'static str)> {
        match word.text().as_str() {
            "disk" => Some((Schema::Disk, "disk")),
            "nic" => Some((Schema::Nic, "nic")),
            other => {
                let message = format!("a hardware has no part `{other}`");
                let unknown = Diagnostic::error(types::UNKNOWN_FIELD, word.span, message)
                    .suggest(other, ["disk", "nic"]);
                let bare = unknown.help.is_none();
                self.report(match bare {
                    true => unknown.help("it has `disk` and `nic`"),
                    false => unknown,
                });
                None
            }
        }
    }

    /// What of the block of a hardware is there.
    fn chosen_parts(&mut self, block: &ast::Block) -> Chosen {
        let mut chosen = Chosen::default();
        chosen.block.span = block.span;
        self.choose_parts(block, &mut Vec::new(), Some(&mut chosen));
        chosen
    }

    /// Without `chosen` the block is not there, and only checked.
    fn choose_parts(
        &mut self,
        block: &ast::Block,
        arms_around: &mut Vec<(Expression, Pattern)>,
        mut chosen: Option<&mut Chosen>,
    ) {
        for statement in &block.statements {
            match (&statement.kind, &mut chosen) {
                (StatementKind::If { branches, otherwise }, _) => {
                    let mut open = chosen.is_some();
                    for (condition, body) in branches {
                        let condition = self.expression(condition, &Expected::of(Type::Bool));
                        let condition = in_arms(arms_around, condition);
                        let mut scope = Scope::of(&self.typed);
                        let holds = match open {
                            true => truth(&condition, &mut scope, "a condition"),
                            false => Ok(false),
                        };
                        let here = matches!(holds, Ok(true));
                        // Where this cannot be told nothing is there, and that has been told.
                        open &= matches!(holds, Ok(false));
                        self.not_known(holds.map(drop));
                        self.choose_parts(body, arms_around, chosen.as_deref_mut().filter(|_| here));
                    }
                    if let Some(body) = otherwise {
                        self.choose_parts(body, arms_around, chosen.as_deref_mut().filter(|_| open));
                    }
                }
                (StatementKind::Match { subject, arms }, _) => {
                    let subject = self.infer(subject, None);
                    let patterns = self.patterns(&subject, arms, statement.span, "{}");
                    let mut scope = Scope::of(&self.typed);
                    let subject = in_arms(arms_around, subject);
                    let mut value = match chosen.is_some() {
                        true => evaluate(&subject, &mut scope).map(Some),
                        false => Ok(None),
                    };
                    for (pattern, arm) in patterns.into_iter().zip(arms) {
                        let scope = Scope::of(&self.typed);
                        let fit = match &value {
                            Ok(Some(value)) => fits(&pattern, value, subject.span, &scope),
                            _ => Ok(None),
                        };
                        let here = matches!(fit, Ok(Some(_)));
                        if here {
                            value = Ok(None);
                        }
                        self.not_known(fit.map(drop));
                        arms_around.push((subject.clone(), pattern));
                        self.choose_parts(&arm.value, arms_around, chosen.as_deref_mut().filter(|_| here));
                        arms_around.pop();
                    }
                    self.not_known(value.map(drop));
                }
                (_, Some(chosen)) => {
                    chosen.block.statements.push(statement.clone());
                    if !arms_around.is_empty() {
                        chosen.named.push((statement.span, arms_around.clone()));
                    }
                }
                (_, None) => {}
            }
        }
        if chosen.is_none() {
            self.parts_not_there(block);
        }
    }

    fn not_known(&mut self, stopped: Result<(), Stop>) {
        if let Err(Stop::Error(diagnostic)) = stopped {
            self.report(*diagnostic);
        }
    }

    /// Checks the fields of what is not there; nothing is missing in it.
    fn parts_not_there(&mut self, block: &ast::Block) {
        let mut owner = Owner {
            noun: "a hardware".to_owned(),
            field: "field",
            declared: None,
            at: block.span,
            lenient: true,
            also: &[],
        };
        let declared = self.schema(Schema::Hardware);
        let _ = self.fields(block, &declared, &owner);
        for statement in &block.statements {
            if let StatementKind::Named { word, block, .. } = &statement.kind
                && let Some((schema, text)) = self.part_of_hardware(word)
            {
                let declared = self.schema(schema);
                owner.noun = format!("a {text}");
                let _ = self.fields(block, &declared, &owner);
            }
        }
    }
}
