//! Mistakes that people make, each as a change of one place of a good spec.

use rebar_compiler::syntax::{self, TokenKind};
use rebar_compiler::{Diagnostics, Sources};

/// A change of the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// What kind of mistake it is.
    pub(crate) kind: &'static str,
    /// Bytes that are replaced.
    pub(crate) from: usize,
    /// One past them.
    pub(crate) to: usize,
    /// What stands there instead.
    pub(crate) text: String,
    /// The pair of brackets that it breaks, by its opening one.
    pub(crate) pair: Option<usize>,
}

/// A token that is no trivia.
#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    kind: TokenKind,
    text: &'t str,
    from: usize,
    to: usize,
}

/// Fields that are required wherever they stand in one of the kinds named.
const REQUIRED: &[(&str, &str)] = &[
    ("package", "name"),
    ("file", "path"),
    ("file", "content"),
    ("service", "name"),
    ("directory", "path"),
    ("user", "name"),
    ("network", "cidr"),
    ("disk", "size"),
    ("nic", "network"),
    ("nodes", "hardware"),
    ("nodes", "count"),
    ("site", "machines"),
];

/// Fields of kinds that take text only.
const TEXTS: &[&str] = &["name", "path", "content", "mode", "shell"];

/// All faults that can be planted in a text.
pub(crate) fn all(text: &str) -> Vec<Fault> {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    let syntax = syntax::parse(&sources, id, &mut Diagnostics::default());
    let words: Vec<Word<'_>> = syntax
        .tree
        .tokens()
        .iter()
        .filter(|t| !t.is_trivia())
        .map(|t| Word {
            kind: t.kind,
            text: t.text(text),
            from: t.start as usize,
            to: t.end as usize,
        })
        .collect();
    let mut faults = Vec::new();
    for at in 0..words.len() {
        names(&words, at, &mut faults);
        punctuation(&words, at, &mut faults);
        values(&words, at, &mut faults);
        calls(&words, at, &mut faults);
        fields(&words, at, text, &mut faults);
        habits(&words, at, text, &mut faults);
    }
    faults.retain(|f| text[f.from..f.to] != f.text);
    faults
}

fn text_at<'t>(words: &[Word<'t>], at: usize) -> &'t str {
    words.get(at).map_or("", |w| w.text)
}

/// The word that opened the innermost block around `at`, such as `file` or `nodes`.
fn block<'t>(words: &[Word<'t>], at: usize) -> &'t str {
    let mut depth = 0;
    for before in (0..at).rev() {
        match words[before].text {
            "}" | ")" | "]" => depth += 1,
            "{" | "(" | "[" if depth > 0 => depth -= 1,
            "{" => return before.checked_sub(2).map_or("", |k| words[k].text),
            "(" | "[" => return "",
            _ => {}
        }
    }
    ""
}

fn is_definition(words: &[Word<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |b| words[b].text);
    let defining = [
        "let", "network", "hardware", "role", "workload", "site", "deploy", "run", "node", "nodes", "enum",
        "type", "out", "for", "kind", "key",
    ];
    defining.contains(&before) || text_at(words, at + 1) == ":" || text_at(words, at + 1) == "="
}

fn misspelt(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    letters.swap(1, 2);
    let swapped: String = letters.iter().collect();
    if swapped == name {
        format!("{name}x")
    } else {
        swapped
    }
}

fn names(words: &[Word<'_>], at: usize, faults: &mut Vec<Fault>) {
    let word = words[at];
    if word.kind != TokenKind::Word || is_definition(words, at) {
        return;
    }
    let mut plant = |kind, text: String| {
        faults.push(Fault {
            kind,
            from: word.from,
            to: word.to,
            text,
            pair: None,
        });
    };
    let before = at.checked_sub(1).map_or("", |b| words[b].text);
    let after = text_at(words, at + 1);
    let capital = word.text.starts_with(|c: char| c.is_ascii_uppercase());
    if capital && before == ":" && word.text.len() > 3 {
        plant("typo in a type", misspelt(word.text));
    } else if capital && matches!(before, "=" | "==") && after != "(" {
        plant("wrong enum variant", misspelt(word.text));
        plant("lower-case variant", word.text.to_lowercase());
    } else if !capital && word.text.len() > 3 {
        let value = matches!(before, "=" | "on") && !matches!(after, "." | "{" | "then");
        if value && !matches!(word.text, "true" | "false" | "not" | "none") && word.text != "if" {
            plant("typo in a name", misspelt(word.text));
        }
        if before != "use" && after != "=" && text_at(words, at + 2) == "{" && block_word(word.text) {
            plant("typo in a kind", misspelt(word.text));
        }
    }
}

/// The word of the bracket that opens the pair which the bracket at `at` belongs to.
fn pair(words: &[Word<'_>], at: usize) -> Option<usize> {
    match words[at].text {
        "(" | "[" | "{" => Some(at),
        ")" | "]" | "}" => (0..at).rev().find(|open| closes(words, *open, at)),
        _ => None,
    }
}

fn block_word(word: &str) -> bool {
    ["package", "file", "service", "directory", "user", "nodes", "disk"].contains(&word)
}

fn punctuation(words: &[Word<'_>], at: usize, faults: &mut Vec<Fault>) {
    let word = words[at];
    let mut plant = |kind, text: &str| {
        faults.push(Fault {
            kind,
            from: word.from,
            to: word.to,
            text: text.to_owned(),
            pair: pair(words, at),
        });
    };
    let within = block(words, at);
    match word.text {
        "{" if text_at(words, at + 1) != "}" => {
            plant("missing opening brace", "");
            plant("swapped bracket", "(");
        }
        "}" => {
            plant("missing brace", "");
            plant("swapped bracket", ")");
        }
        ")" => {
            plant("missing parenthesis", "");
            plant("swapped bracket", "]");
        }
        "," if !within.is_empty() && text_at(words, at + 2) == "=" => plant("missing comma", ""),
        "=" => {
            plant("deleted =", "");
            if !within.is_empty() {
                plant(": for =", ":");
            }
        }
        "==" => plant("= for ==", "="),
        "on" => plant("deleted on", ""),
        _ => {}
    }
}

fn values(words: &[Word<'_>], at: usize, faults: &mut Vec<Fault>) {
    let word = words[at];
    let mut plant = |kind, text: String| {
        faults.push(Fault {
            kind,
            from: word.from,
            to: word.to,
            text,
            pair: None,
        });
    };
    let field = (at > 1 && words[at - 1].text == "=").then(|| words[at - 2].text);
    let unit = word.text.trim_start_matches(|c: char| c.is_ascii_digit());
    match (word.kind, field) {
        (TokenKind::Number, Some("cidr")) => {
            plant("bad cidr", word.text.replace("/24", "/99"));
            plant("bad cidr", word.text.replace(".0.0/", ".0.300/"));
            plant("bad cidr", word.text.replace(".0/", ".7/"));
        }
        (TokenKind::Number, Some("memory" | "size")) => {
            plant("wrong unit", word.text.replace(unit, "s"));
            plant("wrong unit", word.text.replace(unit, "MBytes"));
            plant("missing unit", word.text.replace(unit, ""));
        }
        (TokenKind::Number, Some("cpu" | "count")) => plant("wrong type", "\"two\"".to_owned()),
        (TokenKind::Number, Some("replicas")) => plant("wrong range", "99999999".to_owned()),
        (TokenKind::String, Some(name)) if TEXTS.contains(&name) && !word.text.contains('{') => {
            plant("wrong type", "17".to_owned());
            plant("unclosed string", word.text[..word.text.len() - 1].to_owned());
        }
        _ => {}
    }
}

fn calls(words: &[Word<'_>], at: usize, faults: &mut Vec<Fault>) {
    if words[at].text != "(" || at < 3 || words[at - 2].text != "=" {
        return;
    }
    if !matches!(words[at - 4].text, "run" | "deploy") {
        return;
    }
    let Some(end) = (at..words.len()).find(|i| words[*i].text == ")" && closes(words, at, *i)) else {
        return;
    };
    let comma = if end == at + 1 { "" } else { ", " };
    faults.push(Fault {
        kind: "extra argument",
        from: words[end].from,
        to: words[end].from,
        text: format!("{comma}colour = 7"),
        pair: None,
    });
    let alone = end == at + 2;
    if alone && words[at - 4].text == "run" {
        faults.push(Fault {
            kind: "missing argument",
            from: words[at + 1].from,
            to: words[at + 1].to,
            text: String::new(),
            pair: None,
        });
    }
}

fn closes(words: &[Word<'_>], open: usize, close: usize) -> bool {
    let depth = |range: &[Word<'_>]| {
        range.iter().fold(0_i32, |depth, w| match w.text {
            "(" | "[" | "{" => depth + 1,
            ")" | "]" | "}" => depth - 1,
            _ => depth,
        })
    };
    depth(&words[open..=close]) == 0
}

fn fields(words: &[Word<'_>], at: usize, text: &str, faults: &mut Vec<Fault>) {
    let word = words[at];
    if word.kind != TokenKind::Word || text_at(words, at + 1) != "=" {
        return;
    }
    let within = block(words, at);
    let known = REQUIRED.iter().any(|(kind, _)| *kind == within);
    if !known {
        return;
    }
    if word.text.len() > 3 {
        faults.push(Fault {
            kind: "typo in a field",
            from: word.from,
            to: word.to,
            text: misspelt(word.text),
            pair: None,
        });
    }
    faults.push(Fault {
        kind: "unknown field",
        from: word.from,
        to: word.from,
        text: "colour = 7, ".to_owned(),
        pair: None,
    });
    let simple = words.get(at + 2).is_some_and(|value| {
        let rest = text[value.to..].trim_start_matches(' ');
        rest.starts_with([',', '\n', '}'])
    });
    if simple {
        faults.push(Fault {
            kind: "field given twice",
            from: word.from,
            to: word.from,
            text: format!("{} = {}, ", word.text, text_at(words, at + 2)),
            pair: None,
        });
    }
    if REQUIRED.contains(&(within, word.text)) && simple {
        let mut to = words[at + 2].to;
        if text[to..].starts_with(", ") {
            to += 2;
        }
        faults.push(Fault {
            kind: "missing field",
            from: word.from,
            to,
            text: String::new(),
            pair: None,
        });
    }
}

fn habits(words: &[Word<'_>], at: usize, text: &str, faults: &mut Vec<Fault>) {
    let word = words[at];
    let line_end = text[word.to..].find('\n').map_or(text.len(), |n| word.to + n);
    let line_start = text[..word.from].rfind('\n').map_or(0, |n| n + 1);
    let line = &text[line_start..line_end];
    let first = text[line_start..word.from].trim().is_empty();
    if !first {
        return;
    }
    let statement = ["let", "run", "package", "user", "directory", "network", "node"].contains(&word.text);
    if statement && line.matches('{').count() == line.matches('}').count() {
        faults.push(Fault {
            kind: "duplicate name",
            from: line_end,
            to: line_end,
            text: format!("\n{line}"),
            pair: None,
        });
        if line.ends_with(['"', ')', '}']) {
            faults.push(Fault {
                kind: "semicolon",
                from: line_end,
                to: line_end,
                text: ";".to_owned(),
                pair: None,
            });
        }
    }
    let item = ["role", "workload", "hardware", "network", "deploy", "site"].contains(&word.text);
    if item && line_start == word.from {
        faults.push(Fault {
            kind: "typo in a word of the language",
            from: word.from,
            to: word.to,
            text: misspelt(word.text),
            pair: None,
        });
    }
}
