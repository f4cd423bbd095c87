//! Changes of JSON values: a value goes, comes twice, takes the place of another one, or becomes an odd one.

use serde_json::{Value, json};

/// Random numbers that depend on the seed alone (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// The JSON with one to four changes; `None` if it is none.
pub fn change(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    let mut random = Random(u64::from(seed) * 2 + 1);
    for _ in 0..1 + random.below(4) {
        let count = count(&value);
        let donor = nth(&mut value, random.below(count))?.clone();
        let place = random.below(count);
        let target = nth(&mut value, place)?;
        match random.below(6) {
            0 => *target = donor,
            1 => *target = odd(&mut random),
            2 => match target {
                Value::Array(list) if !list.is_empty() => {
                    let at = random.below(list.len());
                    let again = list[at].clone();
                    list.insert(at, again);
                }
                Value::Object(map) => {
                    map.insert(format!("x{}", random.below(4)), donor);
                }
                other => *other = json!([donor]),
            },
            3 => match target {
                Value::Array(list) if !list.is_empty() => {
                    list.remove(random.below(list.len()));
                }
                Value::Object(map) if !map.is_empty() => {
                    let key = map.keys().nth(random.below(map.len()))?.clone();
                    map.remove(&key);
                }
                other => *other = odd(&mut random),
            },
            4 => match target {
                Value::String(text) => {
                    let mut at = random.below(text.len() + 1);
                    while !text.is_char_boundary(at) {
                        at -= 1;
                    }
                    let piece = PIECES[random.below(PIECES.len())];
                    text.insert_str(at, piece);
                }
                other => *other = donor,
            },
            _ => *target = template(&mut random, donor),
        }
    }
    serde_json::to_vec(&value).ok()
}

const PIECES: &[&str] = &[
    "{{a}}",
    "{{#each a}}",
    "{{/each}}",
    "{{#if a}}",
    "{{/if}}",
    "{{lookup a \"b\"}}",
    "{{> x}}",
    "{{{a}}}",
    "{{../a}}",
    "{{@index}}",
    "/",
    "..",
    "é",
    "\u{0}",
    "-",
    ".",
    "1",
    "http://",
    ":",
    "[",
    "%",
];

fn odd(random: &mut Random) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(u64::MAX),
        5 => json!(1.5e300),
        6 => json!(""),
        7 => json!([]),
        8 => json!({}),
        9 => json!("../../x"),
        10 => json!("web-1"),
        _ => json!("10.0.0.1"),
    }
}

/// A template of a plan around `inner`.
fn template(random: &mut Random, inner: Value) -> Value {
    let functions = [
        "concat",
        "render",
        "url_scheme",
        "url_host",
        "url_port",
        "url_path",
        "length",
        "join",
    ];
    let groups = ["web", "edge", "n", "a", "b"];
    let group = groups[random.below(groups.len())];
    match random.below(7) {
        0 => json!({ "each": { "group": group, "element": inner } }),
        1 => json!({ "list": [inner.clone(), inner] }),
        2 => json!({ "record": { "a": inner } }),
        3 => json!({ "value": inner }),
        4 => json!({ "column": { "node": { "member": group }, "column": "address" } }),
        5 => json!({ "column": { "node": "own", "column": { "address_on": "front" } } }),
        _ => {
            let function = functions[random.below(functions.len())];
            json!({ "apply": { "function": function, "arguments": [inner.clone(), inner] } })
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that comes as number `index`, outer ones before inner ones.
fn nth(value: &mut Value, mut index: usize) -> Option<&mut Value> {
    if index == 0 {
        return Some(value);
    }
    index -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    for part in inner {
        let size = count(part);
        if index < size {
            return nth(part, index);
        }
        index -= size;
    }
    None
}
