//! The embedded agent on a real node: packages, services, accounts. Needs root, mmdebstrap and namespaces;
//! where one is missing the test says so and passes.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // The helpers of a test may fail as the test itself may.

mod node;

use node::Node;
use rebar_agent::protocol::{Event, FailureClass};
use serde_json::{Value, json};

fn planned(verb: &str, operation: &str, address: &str, action: &str, fields: Value) -> Value {
    let key = ["path", "name", "run", "url"]
        .iter()
        .find_map(|name| fields.get(name))
        .unwrap()
        .clone();
    let removal = match action {
        "package" | "user" | "group" => "remove",
        "command" => "forget",
        _ => "restore",
    };
    json!({ "operation": operation, "verb": verb, "address": address, "action": action, "key": key,
            "fields": fields, "removal": removal })
}

fn apply(steps: &[Value]) -> Value {
    json!({ "request": "apply", "protocol": 1, "deploy": "d", "epoch": 1, "steps": steps })
}

/// Whether it was changed, and the note, of each step; all must be done.
fn done(events: &[Event], count: usize) -> Vec<(bool, String)> {
    let done: Vec<(bool, String)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Done { changed, note, .. } => Some((*changed, note.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(done.len(), count, "{events:#?}");
    done
}

fn failure(events: &[Event]) -> (FailureClass, String, String) {
    let found = events.iter().find_map(|event| match event {
        Event::Failed {
            class,
            message,
            detail,
            ..
        } => Some((*class, message.clone(), detail.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{events:#?}"))
}

fn observed(node: &Node, steps: &[Value]) -> Vec<String> {
    let events = node.ask(&json!({ "request": "observe", "protocol": 1, "deploy": "d", "steps": steps }));
    let states = events.iter().filter_map(|event| match event {
        Event::Observed { state, .. } => Some(match serde_json::to_value(state).unwrap() {
            Value::Object(state) => {
                let words = state
                    .get("what")
                    .or(state.get("because"))
                    .unwrap_or(&state["state"]);
                words.as_str().unwrap().to_owned()
            }
            other => panic!("{other}"),
        }),
        _ => None,
    });
    states.collect()
}

#[test]
fn the_agent_keeps_a_real_node() {
    let node = match Node::boot() {
        Ok(node) => node,
        Err(lack) => {
            let required = std::env::var_os("REBAR_TEST_REQUIRE_ALL").is_some();
            assert!(!required, "the agent cannot be tried on a real node: {lack}");
            // Past the harness, which keeps what `eprintln!` prints to itself.
            let text = format!("SKIPPED: the agent was not tried on a real node: {lack}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            return;
        }
    };
    accounts_and_commands(&node);
    services(&node);
    packages(&node);
    broken_off_installations(&node);
}

fn packages(node: &Node) {
    let before = node.text("dpkg-query -W -f='${Package}\\n'");
    let step = |verb, operation| planned(verb, operation, "r.cron", "package", json!({ "name": "cron" }));
    let steps = done(&node.ask(&apply(&[step("ensure", "p1")])), 1);
    assert!(
        steps[0].0 && steps[0].1.starts_with("installed cron "),
        "{steps:?}"
    );
    assert_eq!(observed(node, &[step("ensure", "p1")]), ["in_sync"]);
    assert_eq!(
        done(&node.ask(&apply(&[step("ensure", "p2")])), 1),
        [(false, "already installed".into())]
    );
    let steps = done(&node.ask(&apply(&[step("remove", "p3")])), 1);
    assert!(steps[0].1.starts_with("purged"), "{steps:?}");
    assert_eq!(node.text("dpkg-query -W -f='${Package}\\n'"), before);
    assert_eq!(observed(node, &[step("ensure", "p1")]), ["not installed"]);

    // What was there before is never removed.
    let present = |verb, operation| planned(verb, operation, "r.tar", "package", json!({ "name": "tar" }));
    let steps = done(
        &node.ask(&apply(&[present("ensure", "p4"), present("remove", "p5")])),
        2,
    );
    assert_eq!(steps[1].1, "left: it was there before rebar");

    // What another step came to need stays when the one that brought it goes.
    let helper = |verb, operation| {
        planned(
            verb,
            operation,
            "r.s",
            "package",
            json!({ "name": "sensible-utils" }),
        )
    };
    done(
        &node.ask(&apply(&[
            step("ensure", "p7"),
            helper("ensure", "p8"),
            step("remove", "p9"),
        ])),
        3,
    );
    assert_eq!(
        observed(node, &[step("ensure", "x"), helper("ensure", "x")]),
        ["not installed", "in_sync"]
    );
    node.text("apt-get purge -y sensible-utils 2>&1");

    let unknown = planned(
        "ensure",
        "p6",
        "r.no",
        "package",
        json!({ "name": "no-such-package" }),
    );
    let (class, message, _) = failure(&node.ask(&apply(&[unknown])));
    assert_eq!(class, FailureClass::Terminal);
    assert!(message.contains("no package `no-such-package`"), "{message}");
}

fn broken_off_installations(node: &Node) {
    let before = node.text("dpkg-query -W -f='${Package}\\n'");
    // Unpacked and not configured, as a crash of dpkg leaves it.
    node.text(
        "cd /root && apt-get download cron cron-daemon-common sensible-utils >/dev/null 2>&1 && \
         dpkg -i cron-daemon-common_*.deb sensible-utils_*.deb && dpkg --unpack cron_*.deb && rm *.deb",
    );
    let step =
        |verb, operation: &str| planned(verb, operation, "r.cron", "package", json!({ "name": "cron" }));
    assert_eq!(
        observed(node, &[step("ensure", "b1")]),
        ["half installed (unpacked)"]
    );
    done(&node.ask(&apply(&[step("ensure", "b1")])), 1);
    assert_eq!(node.text("dpkg --audit"), "");
    node.text("apt-get purge -y --autoremove cron cron-daemon-common sensible-utils 2>&1");
    done(&node.ask(&apply(&[step("remove", "b2")])), 1);

    // The agent and all it runs, killed at several moments; then a run that is left alone.
    for (index, pause) in ["0.3", "0.6", "0.9", "1.2"].iter().enumerate() {
        let operation = format!("k{index}");
        let mut child = node.start(&apply(&[step("ensure", &operation)]));
        node.text(&format!(
            "sleep {pause}; pkill -9 -x 'rebar-agent|apt-get|dpkg|http|dpkg-deb|tar' || true"
        ));
        let _ = child.wait();
        done(&node.ask(&apply(&[step("ensure", &operation)])), 1);
        assert_eq!(
            node.text("dpkg --audit; dpkg-query -W -f='${db:Status-Status}' cron"),
            "installed"
        );
        done(&node.ask(&apply(&[step("remove", &format!("{operation}r"))])), 1);
        assert_eq!(
            node.text("dpkg-query -W -f='${Package}\\n'"),
            before,
            "killed after {pause} s"
        );
    }
}

fn accounts_and_commands(node: &Node) {
    let before = node.text("cat /etc/passwd /etc/group");
    let steps = |verb: &str| {
        let name = |step: &str| format!("{verb}-{step}");
        vec![
            planned(
                verb,
                &name("g"),
                "r.g",
                "group",
                json!({ "name": "ops", "gid": 2000 }),
            ),
            planned(
                verb,
                &name("u"),
                "r.u",
                "user",
                json!({ "name": "app", "uid": 1500, "groups": ["ops"], "home": "/srv/app", "shell": "/bin/sh" }),
            ),
            planned(
                verb,
                &name("s"),
                "r.s",
                "user",
                json!({ "name": "quiet", "system": true }),
            ),
            planned(
                verb,
                &name("c"),
                "r.c",
                "command",
                json!({ "run": "id > who", "creates": "/srv/app/who", "user": "app", "directory": "/srv/app" }),
            ),
        ]
    };
    done(&node.ask(&apply(&steps("ensure"))), 4);
    assert_eq!(
        node.text("cat /srv/app/who"),
        "uid=1500(app) gid=1500(app) groups=1500(app),2000(ops)"
    );
    assert_eq!(observed(node, &steps("ensure")), ["in_sync"; 4]);
    node.text("usermod --shell /bin/false app");
    assert_eq!(
        observed(node, &steps("ensure"))[1],
        "shell `/bin/false`, not `/bin/sh`"
    );
    assert!(done(&node.ask(&apply(&steps("ensure"))), 4)[1].0);
    let removals: Vec<Value> = steps("remove").into_iter().rev().collect();
    done(&node.ask(&apply(&removals)), 4);
    assert_eq!(node.text("cat /etc/passwd /etc/group"), before);
}

const UNIT: &str = "[Service]
ExecStart=/bin/sh -c 'cat /etc/app.conf >> /run/app.loaded; exec sleep 1000000'
ExecReload=/bin/sh -c 'cat /etc/app.conf >> /run/app.loaded'
[Install]
WantedBy=multi-user.target
";

fn services(node: &Node) {
    let unit = |verb, operation: &str, text: &str| {
        planned(
            verb,
            operation,
            "r.unit",
            "file",
            json!({ "path": "/usr/lib/systemd/system/app.service", "content": text }),
        )
    };
    let conf = |verb, operation: &str, text: &str| {
        planned(
            verb,
            operation,
            "r.conf",
            "file",
            json!({ "path": "/etc/app.conf", "content": text }),
        )
    };
    let service = |verb, operation: &str, digest: &str| {
        let mut step = planned(verb, operation, "r.app", "service", json!({ "name": "app" }));
        step["loads"] = json!({ "r.conf": digest });
        step
    };
    let events = node.ask(&apply(&[
        unit("ensure", "s1", UNIT),
        conf("ensure", "s2", "one\n"),
        service("ensure", "s3", "d1"),
    ]));
    assert_eq!(done(&events, 3)[2], (true, "enabled, started".into()));
    assert_eq!(observed(node, &[service("ensure", "x", "d1")]), ["in_sync"]);

    // A change is loaded, and only once.
    let events = node.ask(&apply(&[
        conf("ensure", "s4", "two\n"),
        service("ensure", "s5", "d2"),
    ]));
    assert_eq!(done(&events, 2)[1], (true, "reloaded".into()));
    assert_eq!(
        done(&node.ask(&apply(&[service("ensure", "s6", "d2")])), 1)[0],
        (false, "as desired".into())
    );
    assert_eq!(node.text("cat /run/app.loaded"), "one\ntwo");

    // A file that is mended back to the same digest is loaded, also when the run broke off in between.
    node.text("echo drift > /etc/app.conf; systemctl reload app");
    done(&node.ask(&apply(&[conf("ensure", "s7", "two\n")])), 1);
    assert_eq!(
        observed(node, &[service("ensure", "x", "d2")]),
        ["has not loaded `r.conf`"]
    );
    assert_eq!(
        done(&node.ask(&apply(&[service("ensure", "s8", "d2")])), 1)[0],
        (true, "reloaded".into())
    );
    assert_eq!(node.text("cat /run/app.loaded"), "one\ntwo\ndrift\ntwo");

    // Drift of the service itself.
    node.text("systemctl stop app; systemctl disable app; systemctl mask app");
    assert_eq!(
        observed(node, &[service("ensure", "x", "d2")]),
        ["masked, stopped"]
    );
    assert_eq!(
        done(&node.ask(&apply(&[service("ensure", "s9", "d2")])), 1)[0].1,
        "unmasked, enabled, started"
    );

    // One that fails says why.
    let broken = planned(
        "ensure",
        "f1",
        "r.bad",
        "file",
        json!({ "path": "/etc/systemd/system/bad.service",
                "content": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no luck today; exit 3'\n" }),
    );
    let start = planned(
        "ensure",
        "f2",
        "r.start",
        "service",
        json!({ "name": "bad", "enabled": false }),
    );
    let (class, message, detail) = failure(&node.ask(&apply(&[broken, start])));
    assert_eq!(
        (class, message.as_str()),
        (FailureClass::Terminal, "`systemctl start bad` failed")
    );
    assert!(detail.contains("no luck today"), "{detail}");
    let missing = planned("ensure", "f3", "r.none", "service", json!({ "name": "none" }));
    assert!(
        failure(&node.ask(&apply(&[missing])))
            .1
            .contains("there is no service `none`")
    );

    // Removal leaves nothing of it.
    let events = node.ask(&apply(&[
        service("remove", "r1", "d2"),
        conf("remove", "r2", "two\n"),
        unit("remove", "r3", UNIT),
    ]));
    assert_eq!(done(&events, 3)[0].1, "stopped, disabled");
    assert_eq!(
        node.text("ls /etc/app.conf /usr/lib/systemd/system/app.service 2>/dev/null | wc -l"),
        "0"
    );
}
