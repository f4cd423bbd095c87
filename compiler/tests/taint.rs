//! Secrets through random chains of all that makes values of values: what is made of a secret is taken where secrets are
//! taken, refused everywhere else, and stands in no plan; what is made of none is taken everywhere.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rebar_compiler::plan::{self, Filler, Ledger, Snapshot};

/// What the secret is, for whoever opens what the plan has sealed.
const MARKER: &str = "Zq7MarkerOfTheSecret";

const ITEMS: &str = r#"
use std.image { bookworm }
use std.linux { command, file, package }

network  front { cidr = 10.20.0.0/24 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
site     lab   { machines = local(image = bookworm) }

enum Box { Full(text: Secret<String>), Open(text: String), Empty }
fn wrapped(text: String): String = "<{text}>"
fn hidden(text: Secret<String>): Secret<String> = "<{text}>"
fn either(one: Secret<String>, other: Secret<String>, first: Bool): Secret<String> = if first then one else other
role plain(text: String) { file plain { path = "/plain", content = text } }
role closed(text: Secret<String>) { file closed { path = "/closed", content = text } }
"#;

/// One link of a chain: what is done, and with which of the values before.
type Link = (u8, usize, usize);

/// The `let`s of a chain, and for each value whether its type is that of a secret, and whether there is one in it (a
/// choice may have taken the other side). The first value is a secret and the second is none.
fn chain(links: &[Link]) -> (String, Vec<bool>, Vec<bool>) {
    let mut lines = "  let v0 = password\n  let v1 = greeting\n".to_owned();
    let mut secret = vec![true, false];
    let mut real = vec![true, false];
    for (what, left, right) in links {
        let (a, b) = (left % secret.len(), right % secret.len());
        let (at, (sa, sb)) = (secret.len(), (secret[a], secret[b]));
        let (ra, rb) = (real[a], real[b]);
        real.push(match what % 12 {
            0 | 7 => ra || rb,
            4 => rb,
            10 if !(sa && sb) => rb,
            // The rest takes the first, and the flag is set.
            _ => ra,
        });
        let function = if sa { "hidden" } else { "wrapped" };
        let variant = if sa { "Full" } else { "Open" };
        let (value, is) = match what % 12 {
            0 => (format!("\"a {{v{a}}} and {{v{b}}}\""), sa || sb),
            1 => (format!("{function}(v{a})"), sa),
            2 => (
                format!("join([\"{{each}}!\" for each in [v{a}, v{a}]], \" \")"),
                sa,
            ),
            3 => (format!("{{ one = v{a}, two = v{b} }}.one"), sa),
            4 => (format!("{{ one = v{a}, two = v{b} }}.two"), sb),
            5 => (format!("{variant}(text = v{a})"), true),
            6 => (
                format!(
                    "{{ for each in [{{ key = \"k\", value = v{a} }}]: each.key = each.value }}[\"k\"] ?? \"{{v{a}}}\""
                ),
                sa,
            ),
            7 => (
                format!("template(\"t.hbs\", {{ a = v{a}, list = [{{ b = v{b} }}] }})"),
                sa || sb,
            ),
            8 => (format!("if flag then \"{{v{a}}}\" else \"{{v{b}}}\""), sa || sb),
            9 => (format!("[{{ text = v{a} }}, {{ text = v{a} }}]"), sa),
            10 if sa && sb => (format!("either(v{a}, v{b}, flag)"), true),
            10 => (format!("\"{{v{b}}}{{v{b}}}\""), sb),
            _ => (
                format!("if 1 + 1 == 2 then {{ x = v{a}, y = \"y\" }}.x else v{a}"),
                sa,
            ),
        };
        // A list is taken apart again at once.
        match what % 12 {
            9 => {
                lines.push_str(&format!("  let l{at} = {value}\n"));
                lines.push_str(&format!(
                    "  let v{at} = join([each.text for each in l{at}], \",\")\n"
                ));
            }
            5 => {
                lines.push_str(&format!(
                    "  let b{at}: Box = {value}\n  let v{at} = match b{at} {{ "
                ));
                lines.push_str("Full(text) => text, Open(text) => text, Empty => \"\" }\n");
            }
            3 | 4 => {
                let (record, field) = value.rsplit_once('.').unwrap();
                lines.push_str(&format!("  let r{at} = {record}\n  let v{at} = r{at}.{field}\n"));
            }
            6 => {
                let (map, rest) = value.rsplit_once("[\"k\"]").unwrap();
                lines.push_str(&format!(
                    "  let m{at} = {map}\n  let v{at} = m{at}[\"k\"]{rest}\n"
                ));
            }
            11 => {
                lines.push_str(&format!("  let r{at} = {{ x = v{a}, y = \"y\" }}\n"));
                lines.push_str(&format!("  let v{at} = if 1 + 1 == 2 then r{at}.x else v{a}\n"));
            }
            _ => lines.push_str(&format!("  let v{at} = {value}\n")),
        }
        secret.push(is);
    }
    (lines, secret, real)
}

/// A spec in which a role ends in `sink`.
fn spec(lines: &str, sink: &str) -> BTreeMap<String, String> {
    let main = format!(
        "{ITEMS}\nrole all(password: Secret<String>, greeting: String, known flag: Bool) {{\n{lines}{sink}}}\n\
         workload w(known flag: Bool) {{\n  node one {{ hardware = small }}\n  \
         run all = all(secret(\"token\"), greeting = \"hello\", flag) on one\n}}\ndeploy d = w(true) on lab\n"
    );
    let template = "{{a}}{{#each list}} {{b}}{{/each}}\n".to_owned();
    BTreeMap::from([
        ("main.rebar".to_owned(), main),
        ("templates/t.hbs".to_owned(), template),
    ])
}

/// Where no secret may stand; `V` is the value.
const SINKS: &[&str] = &[
    "  command c { run = \"echo {V}\", once = true }\n",
    "  command c { run = \"true\", unless = \"test {V}\" }\n",
    "  file f { path = \"/srv/{V}\", content = \"\" }\n",
    "  file f { path = \"/f\", content = \"\", owner = \"{V}\" }\n",
    "  package p { name = \"{V}\" }\n",
    "  if V == \"a\" {\n    file f { path = \"/f\", content = \"\" }\n  }\n",
    "  out o: String = \"{V}\"\n",
    "  let x: String = V\n  file f { path = \"/f\", content = x }\n",
    "  let x = wrapped(V)\n  file f { path = \"/f\", content = x }\n",
    "  for each in [\"{V}\"] {\n    file f { path = \"/f/{each}\", content = \"\" }\n  }\n",
    "  let x = if V == \"a\" then 1 else 2\n  file f { path = \"/f\", content = \"{x}\" }\n",
    "  let x = contains(\"{V}\", \"a\")\n  file f { path = \"/f\", content = \"{x}\" }\n",
];

/// Where one may.
const TAKERS: &str = "  file f { path = \"/f\", content = V }\n  \
     command c { run = \"true\", once = true, environment = { TEXT = V } }\n  out o: Secret<String> = \"{password}{V}\"\n";

fn links() -> impl Strategy<Value = Vec<Link>> {
    prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_of_a_secret_goes_where_secrets_go(links in links()) {
        let (lines, secret, real) = chain(&links);
        let last = format!("v{}", secret.len() - 1);
        let project = spec(&lines, &TAKERS.replace('V', &last));
        let mut analysis = support::Given::of(&project).analyse();
        let plan = analysis.plan("d", &Ledger::default(), &Snapshot::default());
        let said = support::render(&analysis.sources, &analysis.diagnostics);
        prop_assert!(plan.is_some(), "{}\n{}", project["main.rebar"], said);
        let plan = plan.unwrap();
        let written = String::from_utf8(plan::canonical_bytes(&plan)).unwrap();
        prop_assert!(!written.contains(MARKER));
        for row in &plan.nodes {
            for filled in Filler::new(&plan).steps(row).unwrap() {
                for (field, value) in &filled.step.fields {
                    let holds = !plan::secrets_in(value).is_empty();
                    let taker = matches!(field.as_str(), "content" | "environment");
                    prop_assert!(taker || !holds, "`{}` holds a secret", field);
                    let (may, is) = (*secret.last().unwrap(), *real.last().unwrap());
                    prop_assert!(may || !is);
                    prop_assert!(!taker || holds == is, "`{}`: {} in\n{}", field, value, project["main.rebar"]);
                    prop_assert!(!value.to_string().contains(MARKER));
                    if holds {
                        let id = plan::secrets_in(value).first().unwrap().id();
                        let values = BTreeMap::from([(id, MARKER.to_owned())]);
                        let opened = plan::open(value, &values).unwrap().to_string();
                        prop_assert!(opened.contains(MARKER));
                    }
                }
            }
        }
    }

    #[test]
    fn no_other_place_takes_one(links in links(), sink in 0..SINKS.len()) {
        let (lines, secret, _) = chain(&links);
        let is = *secret.last().unwrap();
        let last = format!("v{}", secret.len() - 1);
        let project = spec(&lines, &SINKS[sink].replace('V', &last));
        let mut analysis = support::Given::of(&project).analyse();
        analysis.examine();
        let said = support::render(&analysis.sources, &analysis.diagnostics);
        let codes: Vec<&str> = analysis.diagnostics.sorted().iter().map(|d| d.code.0).collect();
        let told = |d: &&rebar_compiler::diagnostics::Diagnostic| match d.code.0 {
            "E0375" | "E0376" | "E0377" => true,
            // Any text with a blank is no key either.
            "E0340" => d.message.contains("Secret"),
            _ => false,
        };
        let refused = analysis.diagnostics.sorted().iter().any(told);
        prop_assert_eq!(refused, is, "{:?} in\n{}\n{}", codes, project["main.rebar"], said);
    }
}
