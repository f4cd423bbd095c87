//! Words of other languages, and what is written for them here: for help at a name that is not known.

/// The setting of a run that is meant.
pub(crate) fn setting(word: &str) -> Option<&'static str> {
    match word {
        "depends_on" | "dependsOn" | "depends" | "requires" | "require" | "needs" => Some("after"),
        _ => None,
    }
}

/// What is written for a value of another language.
pub(crate) fn value(word: &str) -> Option<&'static str> {
    Some(match word {
        "null" | "nil" | "none" | "undefined" => "a value that is not there is `None`",
        "each" => "a `for` names its element: `for shop in shops by shop.name { … }` has `shop`",
        "count" => "`nodes web { count = 3, … }` makes three nodes, and in a role `node` is the one at hand",
        "var" => "parameters and values have no word before them: write `replicas` for `var.replicas`",
        "local" | "locals" => "a `let` has no word before it: write `total` for `local.total`",
        "data" => {
            "`import(\"file.json\")` reads a file beside the spec, `outputs(database).url` what another deploy hands out"
        }
        "module" => "a run hands out its outputs: `run db = database()`, then `db.url`",
        "self" | "this" => "in a role `node` is the node at hand; steps and runs are called by their names",
        _ => return None,
    })
}

/// What is written for a function of another language.
pub(crate) fn function(word: &str) -> Option<&'static str> {
    Some(match word {
        "length" | "size" | "strlen" => "write `len(x)`",
        "concat" => "lists are put together by `+`: `[1] + [2]`, and many by `flatten(lists)`",
        "format" | "printf" | "sprintf" | "str" | "tostring" => {
            "values are put into text by braces: `\"{name}-{port}\"`"
        }
        "cidrsubnet" | "cidrsubnets" => "a `Cidr` has its parts: `cidr.subnet(28, 3)`",
        "cidrhost" => "a `Cidr` has its addresses: `cidr.host(5)`",
        "lookup" | "get" => "write `map[\"key\"] ?? default`",
        "range" => "lists are written out, `[1, 2, 3]`: a range such as `1..3` says what a value may be",
        "element" => "elements have no numbers: go through them, `[x for x in list]`, or make a map of them",
        "coalesce" | "try" | "default" => "write `value ?? default`",
        "templatefile" => "write `template(\"file\", { name = value })`",
        "lowercase" | "toLower" => "write `lower(text)`",
        "uppercase" | "toUpper" => "write `upper(text)`",
        "distinct" => "write `unique(list)`",
        "startswith" | "startsWith" => "write `starts_with(text, start)`",
        "endswith" | "endsWith" => "write `ends_with(text, end)`",
        "jsondecode" | "yamldecode" | "file" => {
            "`import(\"file.json\")` reads JSON and TOML that lie beside the spec"
        }
        "jsonencode" | "yamlencode" | "toset" | "tolist" | "tomap" => NOTHING,
        _ => return None,
    })
}

const NOTHING: &str = "there is no such function here: text is written with `{…}` in it, or by a `template`";

/// What is written for an item of another language.
pub(crate) fn item(word: &str) -> Option<&'static str> {
    Some(match word {
        "resource" => "what a machine is to have are steps of a `role`: `role page() { file index { … } }`",
        "variable" | "param" | "parameter" | "input" => {
            "a workload has parameters: `workload shop(replicas: Int = 2) { … }`"
        }
        "locals" | "local" | "const" | "var" => "a value is named by `let`: `let total = 3`",
        "module" | "include" | "require" | "from" => {
            "names of other files are taken by `use`: `use std.linux { file }`"
        }
        "output" => "a role or workload hands out by `out`: `out url: Url = \"http://{node.address}/\"`",
        "data" => {
            "`let racks: List<Rack> = import(\"racks.json\")` reads a file, `outputs(database).url` what another \
             deploy hands out"
        }
        "provider" => "machines come from a `site`: `site lab { machines = docker(image = bookworm) }`",
        _ => return None,
    })
}
