//! Values for people, as the language writes them, short enough for a label.

use serde_json::Value;

use crate::check::Type;

/// Characters of a value in a label.
const LONGEST: usize = 60;

/// The value as one short line.
pub(super) fn shown(value: &Value, ty: &Type) -> String {
    let text = written(value, ty, 0);
    if text.chars().count() <= LONGEST {
        return text;
    }
    let mut short: String = text.chars().take(LONGEST - 1).collect();
    short.push('…');
    short
}

fn written(value: &Value, ty: &Type, depth: usize) -> String {
    if depth > 4 {
        return "…".to_owned();
    }
    let inner = |value: &Value, ty: &Type| written(value, ty, depth + 1);
    match (value, ty.base()) {
        (Value::Null, _) => "None".to_owned(),
        (_, Type::Optional(of)) => written(value, of, depth),
        (Value::Number(n), Type::Bytes) => unit(n.as_u64(), &SIZES, "B"),
        (Value::Number(n), Type::Duration) => unit(n.as_u64(), &TIMES, "ns"),
        (Value::Number(n), Type::Rate) => unit(n.as_u64(), &RATES, "bps"),
        (Value::Number(n), Type::Frequency) => unit(n.as_u64(), &FREQUENCIES, "Hz"),
        (Value::Number(n), Type::Percent) => format!("{n}%"),
        (Value::String(text), Type::String | Type::Text(_)) => format!("{text:?}"),
        (Value::String(text), _) => text.clone(),
        (Value::Array(list), of) => {
            let element = match of {
                Type::List(element) => element,
                _ => &Type::Error,
            };
            let parts: Vec<String> = list.iter().take(20).map(|v| inner(v, element)).collect();
            let more = if list.len() > 20 { ", …" } else { "" };
            format!("[{}{more}]", parts.join(", "))
        }
        (Value::Object(map), of) => {
            // Nodes, steps and networks are called by their names.
            if let Some(Value::String(name)) = map.get("name") {
                return match map.get("node") {
                    Some(Value::String(node)) => format!("{node}/{name}"),
                    _ => name.clone(),
                };
            }
            let ty_of = |name: &String| match of {
                Type::Record(fields) => fields.get(name).cloned().unwrap_or(Type::Error),
                Type::Map(_, value) => (**value).clone(),
                _ => Type::Error,
            };
            let parts: Vec<String> = map
                .iter()
                .take(8)
                .map(|(name, v)| format!("{name} = {}", inner(v, &ty_of(name))))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
        (other, _) => other.to_string(),
    }
}

const SIZES: [(u64, &str); 8] = [
    (1 << 40, "TiB"),
    (1_000_000_000_000, "TB"),
    (1 << 30, "GiB"),
    (1_000_000_000, "GB"),
    (1 << 20, "MiB"),
    (1_000_000, "MB"),
    (1 << 10, "KiB"),
    (1000, "kB"),
];
const TIMES: [(u64, &str); 5] = [
    (3_600_000_000_000, "h"),
    (60_000_000_000, "min"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1000, "us"),
];
const RATES: [(u64, &str); 3] = [(1_000_000_000, "Gbps"), (1_000_000, "Mbps"), (1000, "kbps")];
const FREQUENCIES: [(u64, &str); 3] = [(1_000_000_000, "GHz"), (1_000_000, "MHz"), (1000, "kHz")];

/// A number of bytes as the language writes it: `256MiB`.
pub fn size(bytes: u64) -> String {
    unit(Some(bytes), &SIZES, "B")
}

/// The number in the largest unit that it is a whole multiple of.
fn unit(value: Option<u64>, units: &[(u64, &str)], base: &str) -> String {
    let Some(value) = value else {
        return "?".to_owned();
    };
    for (size, name) in units {
        if value != 0 && value % size == 0 {
            return format!("{}{name}", value / size);
        }
    }
    format!("{value}{base}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_in_the_language() {
        assert_eq!(shown(&(512u64 << 20).into(), &Type::Bytes), "512MiB");
        assert_eq!(shown(&8_000_000_000u64.into(), &Type::Bytes), "8GB");
        assert_eq!(shown(&90_000_000_000u64.into(), &Type::Duration), "90s");
        assert_eq!(shown(&"a".into(), &Type::String), "\"a\"");
        assert_eq!(shown(&Value::Null, &Type::Optional(Box::new(Type::Ip))), "None");
        let nodes = serde_json::json!([{ "name": "web-1" }, { "name": "web-2" }]);
        assert_eq!(shown(&nodes, &Type::Error), "[web-1, web-2]");
        assert!(shown(&"long ".repeat(100).into(), &Type::String).chars().count() <= LONGEST);
    }
}
