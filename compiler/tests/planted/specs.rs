//! Good specs in which faults are planted: the examples, cases, and larger ones that are generated from a seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::support;

/// A small generator of pseudo-random numbers (splitmix64), so that a seed means the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    /// One of `all`.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A project: its files.
pub(crate) type Project = BTreeMap<String, String>;

/// Specs that people wrote.
pub(crate) fn written() -> Vec<Project> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = [
        "good_after",
        "good_comprehensions",
        "good_enums_and_records",
        "good_group_addresses",
        "good_if_in_a_role",
        "good_rollout",
        "good_same_step_in_two_runs",
        "good_two_networks",
    ];
    let mut all = vec![support::folder(&root.join("../examples/shop"))];
    all.extend(
        cases
            .iter()
            .map(|c| support::folder(&root.join("tests/meaning").join(c))),
    );
    all
}

/// A spec of `roles` roles and as many workloads, with what belongs to them.
pub(crate) fn generated(seed: u64, roles: usize) -> Project {
    let mut random = Random(seed);
    let mut text = String::from(
        "use std.linux { package, file, directory, service, user, command }\nuse std.image { bookworm }\n\n",
    );
    let _ = writeln!(text, "enum Tier {{ Basic, Silver, Golden }}\n");
    let _ = writeln!(text, "type Limits = {{ memory: Bytes, wait: Duration }}\n");
    for i in 0..roles {
        network(&mut text, i);
        role(&mut text, &mut random, i);
        workload(&mut text, &mut random, i);
    }
    let _ = writeln!(text, "site laptop {{ machines = local(image = bookworm) }}\n");
    for i in 0..roles {
        let _ = writeln!(
            text,
            "deploy lab{i} = shop{i}(replicas = {}) on laptop",
            1 + i % 4
        );
    }
    BTreeMap::from([("main.rebar".to_owned(), text)])
}

fn network(text: &mut String, i: usize) {
    let _ = write!(
        text,
        "network front{i} {{ cidr = 10.{i}.0.0/24, gateway = 10.{i}.0.1 }}

hardware small{i} {{
  cpu = 2, memory = {}MiB
  disk root {{ size = 8GiB }}
  nic eth0 {{ network = front{i} }}
}}

let greeting{i} = \"hello from {i}\"
let limits{i}: Limits = {{ memory = 64MiB, wait = 30s }}

",
        256 + i
    );
}

fn role(text: &mut String, random: &mut Random, i: usize) {
    let _ = write!(
        text,
        "/// Web servers of kind {i}.
role page{i}(greeting: String, tier: Tier, port: Port = 80) {{
  package nginx {{ name = \"nginx-light\" }}
"
    );
    for step in 0..1 + random.below(3) {
        let _ = match random.below(3) {
            0 => writeln!(
                text,
                "  user person{step} {{ name = \"web{step}\", shell = \"/bin/sh\" }}"
            ),
            1 => writeln!(
                text,
                "  directory folder{step} {{ path = \"/srv/{step}\", mode = \"0750\" }}"
            ),
            _ => writeln!(
                text,
                "  file extra{step} {{
    path    = \"/etc/extra{step}.conf\"
    content = \"listen {{port}}; # {{greeting}}\"
  }}\n"
            ),
        };
    }
    let _ = write!(
        text,
        "  file page {{
    path    = \"/var/www/html/index.html\"
    content = if tier == Golden then \"gold {{greeting}}\" else greeting
    mode    = \"0644\"
  }}
  service web {{ name = \"nginx\", reload_on = [page] }}
  out address: String = \"http://{{node.address}}:{{port}}/\"
}}

"
    );
}

fn workload(text: &mut String, random: &mut Random, i: usize) {
    let tier = random.pick(&["Basic", "Silver", "Golden"]);
    let _ = write!(
        text,
        "workload shop{i}(replicas: Int in 1..20 = 2, tier: Tier = {tier}) {{
  nodes web {{ count = replicas, hardware = small{i}, spread = Rack }}
  node edge {{ hardware = small{i} }}
  run pages = page{i}(greeting{i}, tier = tier) on web {{ canary = 1, batch = 25%, settle = limits{i}.wait }}
  run entry = page{i}(greeting = join(pages.address, \" \"), tier = Basic, port = 8080) on edge
  out urls: List<String> = pages.address
}}

"
    );
}
