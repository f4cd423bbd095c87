//! Types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::source::Span;

/// A type. [`Type::Error`] stands for what could not be understood and fits everything, silently.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Something already reported.
    Error,
    /// `true` or `false`
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Float,
    /// Text.
    String,
    /// A size.
    Bytes,
    /// A data rate.
    Rate,
    /// A span of time.
    Duration,
    /// A frequency.
    Frequency,
    /// Hundredths of something.
    Percent,
    /// An address.
    Ip,
    /// A network of addresses.
    Cidr,
    /// A hardware address.
    Mac,
    /// Text of a certain form.
    Text(TextForm),
    /// Values of one type in order.
    List(Box<Type>),
    /// Values by key.
    Map(Box<Type>, Box<Type>),
    /// A value that may be missing.
    Optional(Box<Type>),
    /// `1..100`, both ends included.
    Range(Box<Type>),
    /// Values by field name.
    Record(BTreeMap<String, Type>),
    /// One of these.
    Union(Vec<Type>),
    /// One of several names.
    Enum(Arc<EnumType>),
    /// Some values of a type.
    Refined(Arc<Refined>),
    /// Text that nobody is shown: see [`super::secrets`].
    Secret(Box<Type>),
    /// Something of the spec with members.
    Thing(Thing, Arc<BTreeMap<String, Type>>),
}

/// Forms of text that a literal is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextForm {
    /// `shop.example`
    Domain,
    /// `http://shop.example/`
    Url,
    /// `/etc/hosts`
    Path,
    /// `1.18.0`
    Version,
    /// `^[a-z]+$`
    Regex,
}

/// Things of the spec that expressions can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A step of the same role.
    Step,
    /// A run of the same workload.
    Run,
    /// A group of nodes.
    Group,
    /// One node of a group.
    Member,
    /// `node` in a role.
    Node,
    /// `node.addresses`: a member for each network.
    Addresses,
    /// A network.
    Network,
    /// A hardware.
    Hardware,
    /// An image.
    Image,
    /// A deploy's plan, in tests and policies: its members say which groups, runs and outputs are known.
    Plan,
    /// A node, step, run, group or network of a plan.
    Planned(&'static str),
}

/// An enum.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumType {
    /// Its name.
    pub name: String,
    /// Its variants.
    pub variants: Vec<String>,
    /// What variants hold; those that hold nothing are missing.
    pub data: BTreeMap<String, Vec<(String, Type)>>,
    /// Where it is defined; `None` for those of the language itself.
    pub span: Option<Span>,
}

/// A type with a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Refined {
    /// Its name if it has one: `Port`.
    pub name: Option<String>,
    /// The type whose values these are.
    pub base: Type,
    /// Which of them.
    pub rule: Rule,
    /// Where the rule is written.
    pub span: Span,
}

/// Which values of a type are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// From the first to the second, both included, in base units.
    In(serde_json::Value, serde_json::Value, String),
    /// Text that the pattern matches.
    Matches(String),
    /// Those for which the condition over `it` holds, and how that is written.
    Where(Box<super::typed::Expression>, String),
}

impl Type {
    /// A group of nodes: its members' columns are lists where it is of many.
    pub(crate) fn nodes(many: bool) -> Type {
        let of = |ty: Type| if many { Type::list(ty) } else { ty };
        let addresses = BTreeMap::from([(String::new(), of(Type::Ip))]);
        let mut members = BTreeMap::from([
            ("name".to_owned(), of(Type::String)),
            ("address".to_owned(), of(Type::Ip)),
            (
                "addresses".to_owned(),
                Type::Thing(Thing::Addresses, Arc::new(addresses)),
            ),
            ("leader".to_owned(), Type::member()),
        ]);
        if many {
            members.insert("members".to_owned(), Type::list(Type::member()));
        }
        Type::Thing(Thing::Group, Arc::new(members))
    }

    /// One node of a group.
    pub(crate) fn member() -> Type {
        let addresses = BTreeMap::from([(String::new(), Type::Ip)]);
        let members = BTreeMap::from([
            ("name".to_owned(), Type::String),
            ("address".to_owned(), Type::Ip),
            (
                "addresses".to_owned(),
                Type::Thing(Thing::Addresses, Arc::new(addresses)),
            ),
        ]);
        Type::Thing(Thing::Member, Arc::new(members))
    }

    /// The type without its rule.
    pub fn base(&self) -> &Type {
        match self {
            Type::Refined(refined) => refined.base.base(),
            other => other,
        }
    }

    /// The enum among several types, if there is one; else the type itself.
    pub(crate) fn enumeration(&self) -> &Type {
        match self.base() {
            Type::Union(members) => {
                let found = members.iter().find(|member| matches!(member, Type::Enum(_)));
                found.unwrap_or(self)
            }
            other => other,
        }
    }

    /// A list of these.
    pub(crate) fn list(of: Type) -> Type {
        Type::List(Box::new(of))
    }

    /// A thing without members, as an expected type.
    pub(crate) fn thing(thing: Thing) -> Type {
        Type::Thing(thing, Arc::default())
    }

    /// Whether values are plain text when they are carried out.
    pub(crate) fn is_textual(&self) -> bool {
        match self.base() {
            Type::String | Type::Text(_) | Type::Ip | Type::Cidr | Type::Mac => true,
            Type::Enum(definition) => definition.data.is_empty(),
            _ => false,
        }
    }

    /// Whether a value of this type can stand in a string.
    pub(crate) fn has_text(&self) -> bool {
        self.is_textual() || matches!(self.base(), Type::Int | Type::Float | Type::Bool | Type::Error)
    }

    /// Whether this is a number with a unit.
    pub(crate) fn is_unit(&self) -> bool {
        matches!(
            self.base(),
            Type::Bytes | Type::Rate | Type::Duration | Type::Frequency | Type::Percent
        )
    }

    /// Whether `<` means something.
    pub(crate) fn is_ordered(&self) -> bool {
        self.is_unit() || matches!(self.base(), Type::Int | Type::Float | Type::Ip)
    }

    /// Whether a value of type `given` is a value of this type as it is, rules aside.
    pub(crate) fn accepts(&self, given: &Type) -> bool {
        match (self, given) {
            (Type::Error, _) | (_, Type::Error) => true,
            (Type::Refined(refined), _) => refined.base.accepts(given),
            (_, Type::Refined(refined)) => self.accepts(&refined.base),
            (Type::Union(members), Type::Union(given)) => {
                given.iter().all(|g| members.iter().any(|m| m.accepts(g)))
            }
            (Type::Union(members), _) => members.iter().any(|m| m.accepts(given)),
            (Type::Optional(inner), Type::Optional(given)) => inner.accepts(given),
            (Type::Optional(inner), _) => inner.accepts(given),
            (Type::List(inner), Type::List(given)) | (Type::Range(inner), Type::Range(given)) => {
                inner.accepts(given)
            }
            (Type::Secret(inner), Type::Secret(given)) => inner.accepts(given),
            (Type::Map(key, value), Type::Map(k, v)) => key.accepts(k) && value.accepts(v),
            (Type::Record(fields), Type::Record(given)) => {
                fields.len() == given.len()
                    && fields
                        .iter()
                        .all(|(name, ty)| given.get(name).is_some_and(|g| ty.accepts(g)))
            }
            // A group of one is its node.
            (Type::Thing(Thing::Member, _), Type::Thing(Thing::Group, members)) => {
                members.get("name") == Some(&Type::String)
            }
            (Type::Thing(thing, _), Type::Thing(given, _)) => thing == given,
            (a, b) => a == b,
        }
    }

    /// The narrowest type that has the values of both, if there is one.
    pub(crate) fn join(&self, other: &Type) -> Option<Type> {
        if self == other {
            return Some(self.clone());
        }
        match (self, other) {
            (Type::Error, t) | (t, Type::Error) => Some(t.clone()),
            (Type::Refined(_), _) | (_, Type::Refined(_)) => self.base().join(other.base()),
            (Type::Optional(a), Type::Optional(b)) => Some(Type::Optional(Box::new(a.join(b)?))),
            (Type::Optional(a), b) | (b, Type::Optional(a)) => Some(Type::Optional(Box::new(a.join(b)?))),
            (Type::Secret(a), Type::Secret(b)) => Some(Type::Secret(Box::new(a.join(b)?))),
            (Type::Secret(a), b) | (b, Type::Secret(a)) => Some(Type::Secret(Box::new(a.join(b)?))),
            (Type::Map(k, a), Type::Map(l, b)) => Some(Type::Map(Box::new(k.join(l)?), Box::new(a.join(b)?))),
            (Type::List(a), Type::List(b)) => Some(Type::list(a.join(b)?)),
            (Type::Record(a), Type::Record(b)) if a.len() == b.len() => {
                let mut fields = BTreeMap::new();
                for (name, ty) in a {
                    fields.insert(name.clone(), ty.join(b.get(name)?)?);
                }
                Some(Type::Record(fields))
            }
            _ => None,
        }
    }
}

impl TextForm {
    /// All of them.
    pub(crate) const ALL: [TextForm; 5] = [
        TextForm::Domain,
        TextForm::Url,
        TextForm::Path,
        TextForm::Version,
        TextForm::Regex,
    ];

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            TextForm::Domain => "Domain",
            TextForm::Url => "Url",
            TextForm::Path => "Path",
            TextForm::Version => "Version",
            TextForm::Regex => "Regex",
        }
    }

    /// An example, for help.
    pub(crate) fn example(self) -> &'static str {
        match self {
            TextForm::Domain => "shop.example",
            TextForm::Url => "http://shop.example:8080/",
            TextForm::Path => "/etc/hosts",
            TextForm::Version => "1.18.0",
            TextForm::Regex => "^[a-z]+$",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Step => "Step",
            Thing::Run => "run",
            Thing::Group => "Nodes",
            Thing::Member => "Node",
            Thing::Node => "node",
            Thing::Addresses => "addresses",
            Thing::Network => "network",
            Thing::Hardware => "hardware",
            Thing::Image => "Image",
            Thing::Plan => "plan",
            Thing::Planned(noun) => noun,
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Error => f.write_str("?"),
            Type::Bool => f.write_str("Bool"),
            Type::Int => f.write_str("Int"),
            Type::Float => f.write_str("Float"),
            Type::String => f.write_str("String"),
            Type::Bytes => f.write_str("Bytes"),
            Type::Rate => f.write_str("Rate"),
            Type::Duration => f.write_str("Duration"),
            Type::Frequency => f.write_str("Frequency"),
            Type::Percent => f.write_str("Percent"),
            Type::Ip => f.write_str("Ip"),
            Type::Cidr => f.write_str("Cidr"),
            Type::Mac => f.write_str("Mac"),
            Type::Text(form) => f.write_str(form.name()),
            Type::List(inner) => write!(f, "List<{inner}>"),
            Type::Map(key, value) => write!(f, "Map<{key}, {value}>"),
            Type::Secret(inner) => write!(f, "Secret<{inner}>"),
            Type::Optional(inner) => match &**inner {
                Type::Union(_) => write!(f, "({inner})?"),
                Type::Refined(refined) if refined.name.is_none() => write!(f, "({inner})?"),
                _ => write!(f, "{inner}?"),
            },
            Type::Range(inner) => write!(f, "range of {inner}"),
            Type::Record(fields) if fields.is_empty() => f.write_str("{}"),
            Type::Record(fields) => {
                f.write_str("{ ")?;
                for (index, (name, ty)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {ty}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(" }")
            }
            Type::Union(members) => {
                for (index, ty) in members.iter().enumerate() {
                    write!(f, "{}{ty}", if index > 0 { " | " } else { "" })?;
                }
                Ok(())
            }
            Type::Enum(definition) => f.write_str(&definition.name),
            Type::Refined(refined) => match (&refined.name, &refined.rule) {
                (Some(name), _) => f.write_str(name),
                (None, Rule::In(_, _, range)) => write!(f, "{} in {range}", refined.base),
                (None, Rule::Where(_, shown)) => write!(f, "{} where {shown}", refined.base),
                (None, Rule::Matches(pattern)) => write!(f, "{} matches \"{pattern}\"", refined.base),
            },
            Type::Thing(thing, _) => write!(f, "{thing}"),
        }
    }
}
