//! The first place where two symbolic values differ.

use std::collections::BTreeSet;

use serde_json::Value;

use super::template::{Function, Template};

/// Where two templates differ, and what stands there in each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// The way there in words, such as `servers, each of web, port` or `line 3`; empty for the whole.
    pub(super) at: String,
    /// What the first has there.
    pub(super) left: Option<Template>,
    /// What the second has there.
    pub(super) right: Option<Template>,
}

/// Where `left` and `right`, which are not equal, differ first.
pub(super) fn first_difference(left: &Template, right: &Template) -> Place {
    let (mut way, mut pair) = (Vec::new(), (left.clone(), right.clone()));
    // Not recursive, so that depth does not matter: a plan file may hold anything.
    loop {
        match step_into(&pair.0, &pair.1) {
            Some((step, Some(left), Some(right))) => {
                way.extend((!step.is_empty()).then_some(step));
                pair = (left, right);
            }
            Some((step, left, right)) => {
                way.push(step);
                return Place {
                    at: way.join(", "),
                    left,
                    right,
                };
            }
            None => {
                return Place {
                    at: way.join(", "),
                    left: Some(pair.0),
                    right: Some(pair.1),
                };
            }
        }
    }
}

type Step = (String, Option<Template>, Option<Template>);

/// One step towards the first difference; `None` when the two differ as a whole.
fn step_into(left: &Template, right: &Template) -> Option<Step> {
    match (left, right) {
        (Template::Value(one), Template::Value(other)) => step_into_values(one, other),
        (
            Template::Each { group, element },
            Template::Each {
                group: second,
                element: other,
            },
        ) if group == second => Some((
            format!("each of {group}"),
            Some((**element).clone()),
            Some((**other).clone()),
        )),
        (Template::List(one), Template::List(other)) => step_into_lists(one, other, Clone::clone),
        (Template::Record(one), Template::Record(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let name = names
                .into_iter()
                .find(|name| one.get(*name) != other.get(*name))?;
            Some((name.clone(), one.get(name).cloned(), other.get(name).cloned()))
        }
        // Of text that is put together from parts the whole says more than the part.
        (
            Template::Apply {
                function: Function::Render,
                arguments,
            },
            Template::Apply {
                function: Function::Render,
                arguments: others,
            },
        ) if arguments.len() == 2 && others.len() == 2 => {
            let index = (0..2).find(|index| arguments[*index] != others[*index])?;
            let step = if index == 0 { "the template" } else { "" };
            Some((
                step.to_owned(),
                Some(arguments[index].clone()),
                Some(others[index].clone()),
            ))
        }
        _ => None,
    }
}

fn step_into_values(left: &Value, right: &Value) -> Option<Step> {
    match (left, right) {
        (Value::Array(one), Value::Array(other)) => {
            step_into_lists(one, other, |value| Template::Value(value.clone()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let name = names
                .into_iter()
                .find(|name| one.get(*name) != other.get(*name))?;
            let value = |map: &serde_json::Map<String, Value>| map.get(name).cloned().map(Template::Value);
            Some((name.clone(), value(one), value(other)))
        }
        (Value::String(one), Value::String(other)) if one.contains('\n') || other.contains('\n') => {
            let mut lines = (one.split('\n'), other.split('\n'));
            let mut number = 1;
            loop {
                let (left, right) = (lines.0.next(), lines.1.next());
                if left != right {
                    let line = |text: &str| Template::Value(text.into());
                    return Some((format!("line {number}"), left.map(line), right.map(line)));
                }
                // Equal texts have no difference to find.
                left?;
                number += 1;
            }
        }
        _ => None,
    }
}

/// The first element that differs, or that only one has.
fn step_into_lists<T: PartialEq>(left: &[T], right: &[T], template: impl Fn(&T) -> Template) -> Option<Step> {
    let longer = left.len().max(right.len());
    let index = (0..longer).find(|index| left.get(*index) != right.get(*index))?;
    let at = |list: &[T]| list.get(index).map(&template);
    Some((format!("element {}", index + 1), at(left), at(right)))
}

#[cfg(test)]
mod tests {
    use super::{Template, first_difference};
    use serde_json::json;

    fn place(left: serde_json::Value, right: serde_json::Value) -> (String, String) {
        let found = first_difference(&Template::Value(left), &Template::Value(right));
        (
            found.at,
            serde_json::to_string(&(found.left, found.right)).unwrap(),
        )
    }

    #[test]
    fn the_first_place_is_found() {
        let (at, shown) = place(json!({"a": [1, 2], "b": 1}), json!({"a": [1, 3], "b": 2}));
        assert_eq!(
            (at.as_str(), shown.as_str()),
            ("a, element 2", r#"[{"value":2},{"value":3}]"#)
        );
        let (at, shown) = place(json!("a\nb\nc"), json!("a\nb"));
        assert_eq!(
            (at.as_str(), shown.as_str()),
            ("line 3", r#"[{"value":"c"},null]"#)
        );
        let (at, shown) = place(json!("a"), json!("b"));
        assert_eq!(
            (at.as_str(), shown.as_str()),
            ("", r#"[{"value":"a"},{"value":"b"}]"#)
        );
        assert_eq!(place(json!([1]), json!([1, 2])).0, "element 2");
    }
}
