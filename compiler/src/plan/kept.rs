//! Rules of types that are kept by what steps find out: it is held against them when it is filled in.

use serde_json::{Value, json};

use super::functions::FunctionError;
use crate::check::{Check, Requirement, Rule, TextForm, rules};

/// Letters of a value that a message shows.
const SHOWN: usize = 80;

/// The rule as an argument of [`super::Function::Keep`]. `None` for a condition of the language, which a plan cannot
/// hold. Which step finds out the value is not said here: it may be called otherwise one day.
pub(crate) fn rule(check: &Check) -> Option<Value> {
    let of = match &check.requirement {
        Requirement::Rule(Rule::In(low, high, shown)) => json!({ "in": [low, high, shown] }),
        Requirement::Rule(Rule::Matches(pattern)) => json!({ "matches": pattern }),
        Requirement::Form(form) => json!({ "form": form.name() }),
        Requirement::Rule(Rule::Where(..)) => return None,
    };
    Some(json!({ "type": check.name, "rule": of }))
}

/// The value, if it keeps the rule.
pub(super) fn keep(rule: &Value, value: &Value) -> Result<Value, FunctionError> {
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let requirement = rule.get("rule").and_then(requirement);
    let (Some(name), Some(requirement)) = (text(rule, "type"), requirement) else {
        return Err(FunctionError::Arguments("keep"));
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    let Err((_, whole, help)) = rules::holds(value, &requirement, &name) else {
        return Ok(value.clone());
    };
    let cut = rules::holds(&shortened(value), &requirement, &name);
    let message = cut
        .err()
        .map_or_else(|| cut_to_size(&whole), |(_, message, _)| message);
    let must = match (&requirement, help) {
        (Requirement::Rule(Rule::Matches(_)), Some(help)) => format!(", {help}"),
        _ => String::new(),
    };
    Err(FunctionError::Refused(format!("{message}{must}")))
}

/// A value of which no more than a message shows is left.
fn shortened(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if text.chars().count() > SHOWN => {
            format!("{}…", text.chars().take(SHOWN).collect::<String>()).into()
        }
        _ => value.clone(),
    }
}

/// Where the beginning of a value would be right, the message is cut instead.
fn cut_to_size(message: &str) -> String {
    message.chars().take(2 * SHOWN).collect()
}

fn requirement(of: &Value) -> Option<Requirement> {
    if let Some([low, high, Value::String(shown)]) = of.get("in").and_then(Value::as_array).map(Vec::as_slice)
    {
        return Some(Requirement::Rule(Rule::In(
            low.clone(),
            high.clone(),
            shown.clone(),
        )));
    }
    if let Some(pattern) = of.get("matches").and_then(Value::as_str) {
        return Some(Requirement::Rule(Rule::Matches(pattern.to_owned())));
    }
    let form = of.get("form")?.as_str()?;
    let known = TextForm::ALL.into_iter().find(|known| known.name() == form);
    known.map(Requirement::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let port = json!({ "type": "Port", "rule": { "in": [1, 65535, "1..65535"] } });
        assert_eq!(keep(&port, &json!(80)), Ok(json!(80)));
        let refused = keep(&port, &json!(70000)).unwrap_err().to_string();
        assert_eq!(refused, "`70000` is no `Port`: it is not in `1..65535`");
    }

    #[test]
    fn long_values_are_cut_in_messages_and_whole_in_rules() {
        let long = json!({ "type": "", "rule": { "matches": "^a{100}$" } });
        assert!(keep(&long, &json!("a".repeat(100))).is_ok());
        let refused = keep(&long, &json!("b".repeat(10_000))).unwrap_err();
        assert!(refused.to_string().len() < 300);
    }

    #[test]
    fn rules_of_hostile_plans_are_told() {
        for rule in [json!(null), json!({ "type": "b", "rule": { "form": "No" } })] {
            assert!(keep(&rule, &json!("a")).is_err());
        }
    }
}
