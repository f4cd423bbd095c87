//! Symbolic values in words: `http://{node.address}:80/`.

use rebar_compiler::plan::{Column, Function, NodeReference, Template, shown};

/// A template as a person would write it, cut to `width` characters.
pub(crate) fn describe(template: &Template, width: usize) -> String {
    let text = text(template).replace('\n', "⏎");
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn text(template: &Template) -> String {
    match template {
        Template::Value(serde_json::Value::String(text)) => text.clone(),
        Template::Value(value) => shown(value).to_string(),
        Template::Column { node, column } => format!("{{{}}}", column_text(node, column)),
        Template::Output { node, step, output } => {
            let owner = match node {
                NodeReference::Own => String::new(),
                NodeReference::Member(group) => format!("{group}/"),
                NodeReference::Leader(group) => format!("{group}.leader/"),
            };
            format!("{{{owner}{step}.{output}}}")
        }
        Template::Secret(reference) => format!("({reference})"),
        Template::Each { group, element } => format!("[{} for each of {group}]", text(element)),
        Template::Apply { function, arguments } => apply(*function, arguments),
        Template::List(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Template::Record(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, v)| format!("{name} = {}", text(v)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

fn column_text(node: &NodeReference, column: &Column) -> String {
    let owner = match node {
        NodeReference::Own => "node",
        NodeReference::Member(group) => group,
        NodeReference::Leader(group) => &format!("{group}.leader"),
    };
    match column {
        Column::Name => format!("{owner}.name"),
        Column::Address => format!("{owner}.address"),
        Column::AddressOn(network) => format!("{owner}.addresses.{network}"),
    }
}

fn apply(function: Function, arguments: &[Template]) -> String {
    let member = |name: &str| format!("{{{}.{name}}}", arguments.first().map_or(String::new(), text));
    match function {
        Function::Concat => arguments.iter().map(text).collect(),
        Function::Render => match arguments.get(1) {
            Some(record) => format!("rendered from {}", text(record)),
            None => "rendered".to_owned(),
        },
        Function::UrlScheme => member("scheme"),
        Function::UrlHost => member("host"),
        Function::UrlPort => member("port"),
        Function::UrlPath => member("path"),
        Function::Length => member("length"),
        Function::Keep => arguments.get(1).map_or_else(String::new, text),
        Function::Join => arguments.iter().map(text).collect::<Vec<_>>().join(" + "),
    }
}
