//! Which values the patterns of a `match` leave out, and which patterns never get one: by splitting the values of each
//! type at what the patterns mention, one column after the other.

use serde_json::Value;

use super::typed::Pattern;
use super::types::{Rule, Type};

/// Steps of this search in one `match`; nested alternatives could ask for any number.
pub(super) const BUDGET: usize = 200_000;

/// A part of the values of one type, which the patterns at hand treat alike.
struct Part {
    /// How a pattern for it is written.
    written: String,
    /// What it is made of: names and types.
    fields: Vec<(String, Type)>,
    kind: PartKind,
}

enum PartKind {
    Variant(String),
    Missing,
    Present,
    Value(Value),
    Between(i64, i64),
    /// All that no pattern mentions.
    Rest,
}

static ANY: Pattern = Pattern::Any;

/// Patterns for what is left out, at most a few.
pub(super) fn missing(patterns: &[Pattern], ty: &Type, budget: &mut usize) -> Vec<String> {
    let rows: Vec<Vec<&Pattern>> = patterns.iter().map(|p| vec![p]).collect();
    let found = search(&rows, std::slice::from_ref(ty), budget);
    let mut all: Vec<String> = Vec::new();
    for mut row in found {
        // What lies below and above the numbers that are named is both written `_`.
        let written = row.pop().unwrap_or_default();
        if !all.contains(&written) {
            all.push(written);
        }
    }
    all
}

/// Whether some value gets to `pattern` past those before it.
pub(super) fn reachable(before: &[Pattern], pattern: &Pattern, ty: &Type, budget: &mut usize) -> bool {
    let rows: Vec<Vec<&Pattern>> = before.iter().map(|p| vec![p]).collect();
    gets_there(&rows, vec![pattern], std::slice::from_ref(ty), budget)
}

fn search(rows: &[Vec<&Pattern>], types: &[Type], budget: &mut usize) -> Vec<Vec<String>> {
    let Some((ty, rest)) = types.split_first() else {
        return if rows.is_empty() {
            vec![Vec::new()]
        } else {
            Vec::new()
        };
    };
    if *budget < rows.len() + 1 {
        *budget = 0;
        return Vec::new();
    }
    *budget -= rows.len() + 1;
    let rows = spread(rows);
    let mut found = Vec::new();
    for part in parts(ty, &rows) {
        let inside: Vec<Vec<&Pattern>> = rows.iter().filter_map(|row| enter(row, &part)).collect();
        let types: Vec<Type> = part
            .fields
            .iter()
            .map(|(_, t)| t.clone())
            .chain(rest.iter().cloned())
            .collect();
        for mut row in search(&inside, &types, budget) {
            let behind = row.split_off(part.fields.len().min(row.len()));
            let mut whole = vec![write(&part, &row)];
            whole.extend(behind);
            found.push(whole);
            if found.len() > 16 {
                return found;
            }
        }
    }
    found
}

fn gets_there(rows: &[Vec<&Pattern>], row: Vec<&Pattern>, types: &[Type], budget: &mut usize) -> bool {
    let Some((ty, rest)) = types.split_first() else {
        return rows.is_empty();
    };
    if *budget < rows.len() + 1 {
        *budget = 0;
        return true;
    }
    *budget -= rows.len() + 1;
    let rows = spread(rows);
    for row in spread(&[row]) {
        let mut all = rows.clone();
        all.push(row.clone());
        for part in parts(ty, &all) {
            let Some(own) = enter(&row, &part) else { continue };
            let inside: Vec<Vec<&Pattern>> = rows.iter().filter_map(|row| enter(row, &part)).collect();
            let types: Vec<Type> = part
                .fields
                .iter()
                .map(|(_, t)| t.clone())
                .chain(rest.iter().cloned())
                .collect();
            if gets_there(&inside, own, &types, budget) {
                return true;
            }
        }
    }
    false
}

/// Alternatives in the first column become rows.
fn spread<'p>(rows: &[Vec<&'p Pattern>]) -> Vec<Vec<&'p Pattern>> {
    let mut all = Vec::new();
    for row in rows {
        match row.split_first() {
            Some((Pattern::Either(alternatives), rest)) => {
                let each: Vec<Vec<&Pattern>> = alternatives
                    .iter()
                    .map(|one| std::iter::once(one).chain(rest.iter().copied()).collect())
                    .collect();
                all.extend(spread(&each));
            }
            _ => all.push(row.clone()),
        }
    }
    all
}

/// The row inside of a part, if its first pattern fits it.
fn enter<'p>(row: &[&'p Pattern], part: &Part) -> Option<Vec<&'p Pattern>> {
    let (first, rest) = row.split_first()?;
    let any = || part.fields.iter().map(|_| &ANY);
    let mut inside: Vec<&Pattern> = match (first, &part.kind) {
        (Pattern::Any | Pattern::Name(_), _) => any().collect(),
        (Pattern::Missing, PartKind::Missing) => Vec::new(),
        (Pattern::Missing, _) | (_, PartKind::Missing) => return None,
        (pattern, PartKind::Present) => vec![pattern],
        (Pattern::Variant(name, fields), PartKind::Variant(other)) if name == other => part
            .fields
            .iter()
            .map(|(field, _)| fields.get(field).unwrap_or(&ANY))
            .collect(),
        (Pattern::Literal(value), PartKind::Value(other)) if value == other => Vec::new(),
        (Pattern::Range(low, high), PartKind::Value(value)) if super::rules::within(value, low, high) => {
            Vec::new()
        }
        (Pattern::Literal(value), PartKind::Between(low, high))
            if value.as_i64().is_some_and(|v| v <= *low && *high <= v) =>
        {
            Vec::new()
        }
        (Pattern::Range(from, to), PartKind::Between(low, high))
            if from.as_i64().is_some_and(|f| f <= *low) && to.as_i64().is_some_and(|t| *high <= t) =>
        {
            Vec::new()
        }
        _ => return None,
    };
    inside.extend(rest);
    Some(inside)
}

fn parts(ty: &Type, rows: &[Vec<&Pattern>]) -> Vec<Part> {
    let part = |written: &str, kind| Part {
        written: written.to_owned(),
        fields: Vec::new(),
        kind,
    };
    let rest = || part("_", PartKind::Rest);
    let heads: Vec<&Pattern> = rows.iter().filter_map(|row| row.first().copied()).collect();
    if heads.iter().all(|p| matches!(p, Pattern::Any | Pattern::Name(_)))
        && !(rows.is_empty() && matches!(ty.base(), Type::Enum(_) | Type::Bool | Type::Optional(_)))
    {
        return vec![rest()];
    }
    match ty.base() {
        Type::Optional(inner) => vec![
            part("None", PartKind::Missing),
            Part {
                written: String::new(),
                fields: vec![(String::new(), (**inner).clone())],
                kind: PartKind::Present,
            },
        ],
        Type::Bool => [true, false]
            .into_iter()
            .map(|yes| part(if yes { "true" } else { "false" }, PartKind::Value(yes.into())))
            .collect(),
        Type::Enum(definition) => definition
            .variants
            .iter()
            .map(|name| Part {
                written: name.clone(),
                fields: definition.data.get(name).cloned().unwrap_or_default(),
                kind: PartKind::Variant(name.clone()),
            })
            .collect(),
        Type::Int => intervals(ty, &heads),
        _ => {
            let mut values: Vec<Part> = Vec::new();
            for head in heads {
                if let Pattern::Literal(value) = head
                    && !values
                        .iter()
                        .any(|p| matches!(&p.kind, PartKind::Value(v) if v == value))
                {
                    values.push(part(&value.to_string(), PartKind::Value(value.clone())));
                }
            }
            values.push(rest());
            values
        }
    }
}

/// Whole numbers, cut where a pattern begins or ends.
fn intervals(ty: &Type, heads: &[&Pattern]) -> Vec<Part> {
    let (lowest, highest) = domain(ty);
    let mut cuts = vec![lowest];
    for head in heads {
        let ends = match head {
            Pattern::Literal(value) => (value.as_i64(), value.as_i64()),
            Pattern::Range(low, high) => (low.as_i64(), high.as_i64()),
            _ => continue,
        };
        cuts.extend(ends.0.filter(|low| (lowest..=highest).contains(low)));
        cuts.extend(
            ends.1
                .and_then(|high| high.checked_add(1))
                .filter(|n| (lowest..=highest).contains(n)),
        );
    }
    cuts.sort_unstable();
    cuts.dedup();
    let ends = cuts.iter().skip(1).map(|next| next - 1).chain([highest]);
    cuts.iter()
        .zip(ends)
        .map(|(low, high)| Part {
            written: match (*low, high) {
                (i64::MIN, _) | (_, i64::MAX) => "_".to_owned(),
                (low, high) if low == high => low.to_string(),
                (low, high) => format!("{low}..{high}"),
            },
            fields: Vec::new(),
            kind: PartKind::Between(*low, high),
        })
        .collect()
}

fn domain(ty: &Type) -> (i64, i64) {
    match ty {
        Type::Refined(refined) => {
            let (low, high) = domain(&refined.base);
            match &refined.rule {
                Rule::In(from, to, _) => (
                    from.as_i64().map_or(low, |f| f.max(low)),
                    to.as_i64().map_or(high, |t| t.min(high)),
                ),
                _ => (low, high),
            }
        }
        _ => (i64::MIN, i64::MAX),
    }
}

fn write(part: &Part, inside: &[String]) -> String {
    if let PartKind::Present = part.kind {
        return inside.first().cloned().unwrap_or_default();
    }
    if part.fields.is_empty() {
        return part.written.clone();
    }
    let fields: Vec<String> = part
        .fields
        .iter()
        .zip(inside)
        .map(|((name, _), pattern)| match pattern.as_str() {
            "_" => name.clone(),
            pattern => format!("{name} = {pattern}"),
        })
        .collect();
    format!("{}({})", part.written, fields.join(", "))
}
