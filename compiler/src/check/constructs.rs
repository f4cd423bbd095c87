//! What networks, hardware, images, groups and runs take: tables.

use serde_json::Value;

use super::Checker;
use super::typed::{Expression, ExpressionKind, Parameter};
use super::types::{Thing, Type};
use crate::source::Span;

/// A block of the language with a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    Network,
    Hardware,
    Disk,
    Nic,
    Image,
    Nodes,
    Node,
    Run,
    /// A run of a workload.
    Call,
    Gap,
}

/// How a field is given.
enum Given {
    Always,
    Perhaps,
    OrElse(fn() -> Value),
}

/// The type of a field; [`FieldType::Prelude`] and [`FieldType::IntOr`] name types of the library.
enum FieldType {
    Is(fn() -> Type),
    Prelude(&'static str),
    /// A number, or one of an enum of the library.
    IntOr(&'static str),
}

type Row = (&'static str, FieldType, Given);

fn rows(schema: Schema) -> Vec<Row> {
    use FieldType::{IntOr, Is, Prelude};
    let part = || Is(|| Type::Union(vec![Type::Int, Type::Percent]));
    use Given::{Always, OrElse, Perhaps};
    match schema {
        Schema::Network => vec![
            ("cidr", Is(|| Type::Cidr), Always),
            ("gateway", Is(|| Type::Ip), Perhaps),
            ("mtu", Is(|| Type::Int), Perhaps),
            ("vlan", Prelude("Vlan"), Perhaps),
        ],
        Schema::Hardware => {
            vec![
                ("cpu", Is(|| Type::Int), Always),
                ("memory", Is(|| Type::Bytes), Always),
            ]
        }
        Schema::Disk => vec![("size", Is(|| Type::Bytes), Always)],
        Schema::Nic => vec![("network", Is(|| Type::thing(Thing::Network)), Always)],
        Schema::Image => vec![
            ("distribution", Is(|| Type::String), Always),
            ("suite", Is(|| Type::String), Always),
            ("variant", Is(|| Type::String), OrElse(|| "minbase".into())),
            (
                "packages",
                Is(|| Type::list(Type::String)),
                OrElse(|| Value::Array(Vec::new())),
            ),
        ],
        Schema::Nodes => vec![
            ("count", Is(|| Type::Int), Always),
            ("hardware", Is(|| Type::thing(Thing::Hardware)), Always),
            ("spread", Prelude("Spread"), Perhaps),
            ("quorum", IntOr("Quorum"), Perhaps),
        ],
        Schema::Node => vec![
            ("hardware", Is(|| Type::thing(Thing::Hardware)), Always),
            ("spread", Prelude("Spread"), Perhaps),
            ("quorum", IntOr("Quorum"), Perhaps),
        ],
        Schema::Run => vec![
            ("canary", Is(|| Type::Int), Perhaps),
            ("batch", part(), Perhaps),
            ("settle", Is(|| Type::Duration), Perhaps),
            ("max_unavailable", part(), Perhaps),
            ("error_budget", part(), Perhaps),
            ("quorum", IntOr("Quorum"), Perhaps),
        ],
        // Its runs have settings of their own.
        Schema::Call => Vec::new(),
        Schema::Gap => vec![("because", Is(|| Type::String), Always)],
    }
}

impl Checker<'_> {
    fn prelude(&mut self, name: &str) -> Type {
        match self.resolved.prelude_item(name) {
            Some(id) => self.type_of_item(id),
            None => Type::Error,
        }
    }

    /// The declarations of a table.
    pub(super) fn schema(&mut self, schema: Schema) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for (name, ty, given) in rows(schema) {
            let ty = match ty {
                FieldType::Is(ty) => ty(),
                FieldType::Prelude(name) => self.prelude(name),
                FieldType::IntOr(name) => Type::Union(vec![Type::Int, self.prelude(name)]),
            };
            let (ty, default) = match given {
                Given::Always => (ty, None),
                Given::Perhaps => (Type::Optional(Box::new(ty)), None),
                Given::OrElse(value) => {
                    let kind = ExpressionKind::Value(value());
                    (
                        ty.clone(),
                        Some(Expression {
                            kind,
                            ty,
                            span: Span::default(),
                        }),
                    )
                }
            };
            parameters.push(Parameter {
                name: name.to_owned(),
                ty,
                default,
                key: false,
                known: false,
                span: None,
            });
        }
        parameters
    }
}
