//! A capability that a backend says it has is used by the real agent, and its effect is looked for on the node by other
//! means. One that it says it lacks must not be half there: what is said to be done must be done.

use serde_json::json;

use super::super::bed::StepEnd;
use super::super::{Bed, Ground, Kept, Stop, hold, project};

async fn with_machine(ground: &Ground, capability: &str) -> Result<Bed, Stop> {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    if bed.needs(capability).is_err() {
        tracing::debug!(
            capability,
            "absent; what the agent says must be true all the same"
        );
    }
    Ok(bed)
}

/// The step is done and its effect is there; or the backend lacks this, and the step says that it failed.
async fn held(bed: &Bed, capability: &str, end: StepEnd, look: &str, wanted: &str) -> Kept {
    match end {
        StepEnd::Done => {
            let ended = bed.shell("a", look).await?;
            let found = ended.output.trim();
            hold!(
                ended.code == 0 && found == wanted,
                "the agent says that it is done, and `{look}` says `{found}{}`, not `{wanted}`",
                ended.errors.trim()
            );
            bed.needs(capability)
        }
        StepEnd::Failed(message) => {
            bed.needs(capability)?;
            Err(format!("`{capability}` is promised, and the agent says: {message}").into())
        }
    }
}

pub(super) async fn told(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let language = project::capabilities(&bed.target().name)?;
    for (name, levels) in &language {
        let own = project::level(&bed.capability(name));
        hold!(
            levels.contains(own),
            "`{name}` is {} in the language and {own} in the backend",
            levels.iter().copied().collect::<Vec<_>>().join(" or ")
        );
    }
    Ok(())
}

pub(super) async fn files(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.files").await?;
    let content = "one\ntwo ü\n";
    let fields = json!({ "path": "/etc/check.conf", "content": content, "mode": "0640", "owner": "root", "group": "daemon" });
    let end = bed.step("a", "file", "/etc/check.conf", fields).await?;
    let look = "stat -c '%a %U %G %s' /etc/check.conf; cat /etc/check.conf";
    held(&bed, "node.files", end, look, "640 root daemon 11\none\ntwo ü").await
}

pub(super) async fn users(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.users").await?;
    let fields = json!({ "name": "checker", "uid": 4711, "group": "daemon", "groups": [], "shell": "/bin/sh", "system": false });
    let end = bed.step("a", "user", "checker", fields).await?;
    let look = "id -u checker; id -gn checker; su checker -c 'id -u'";
    held(&bed, "node.users", end, look, "4711\ndaemon\n4711").await
}

pub(super) async fn commands(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.commands").await?;
    let run = "echo ran >> /srv/ran";
    let fields = json!({ "run": run, "creates": "/srv/ran" });
    let end = bed.step("a", "command", run, fields.clone()).await?;
    held(&bed, "node.commands", end, "cat /srv/ran", "ran").await?;
    let end = bed.step("a", "command", run, fields).await?;
    held(&bed, "node.commands", end, "cat /srv/ran", "ran").await
}

pub(super) async fn services(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.services").await?;
    let unit = "[Unit]\\nDescription=Check\\n[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n";
    bed.output(
        "a",
        &format!("printf '{unit}' > /etc/systemd/system/check.service; systemctl daemon-reload"),
    )
    .await?;
    let fields = json!({ "name": "check", "running": true, "enabled": true, "reload_on": [] });
    let end = bed.step("a", "service", "check", fields).await?;
    let look = "systemctl is-active check; systemctl is-enabled check; pgrep -xc sleep";
    held(&bed, "node.services", end, look, "active\nenabled\n1").await?;
    // Enabled means: after a restart of the machine too.
    bed.power_off("a").await?;
    bed.start("a", 2).await?;
    let said = bed
        .output(
            "a",
            "systemctl is-system-running --wait >/dev/null; systemctl is-active check",
        )
        .await?;
    hold!(
        said == "active",
        "after a restart the enabled service is `{said}`"
    );
    Ok(())
}

pub(super) async fn packages(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.packages").await?;
    bed.output("a", "! command -v tree").await?;
    let end = bed
        .step("a", "package", "tree", json!({ "name": "tree" }))
        .await?;
    let look = "tree --noreport -L 1 /srv; dpkg-query -W -f '${Status}' tree";
    held(&bed, "node.packages", end, look, "/srv\ninstall ok installed").await
}

pub(super) async fn sysctl(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.sysctl").await?;
    let (key, path) = (
        "net.ipv4.tcp_keepalive_time",
        "/proc/sys/net/ipv4/tcp_keepalive_time",
    );
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let end = bed
        .step("a", "sysctl", key, json!({ "key": key, "value": "4711" }))
        .await?;
    let here = std::fs::read_to_string(path).unwrap_or_default();
    hold!(
        here == before,
        "a setting of a node's network was set on this host: {}, before {}",
        here.trim(),
        before.trim()
    );
    held(&bed, "node.sysctl", end, &format!("cat {path}"), "4711").await
}

/// What containers share with their host cannot be set from them; saying that it was set would be worse than failing.
pub(super) async fn kernel(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.sysctl").await?;
    let (key, path) = ("kernel.panic", "/proc/sys/kernel/panic");
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let end = bed
        .step("a", "sysctl", key, json!({ "key": key, "value": "4711" }))
        .await?;
    let here = std::fs::read_to_string(path).unwrap_or_default();
    hold!(
        here == before,
        "a node has set a setting of this host's kernel: {}, before {}",
        here.trim(),
        before.trim()
    );
    match end {
        StepEnd::Failed(_) => Ok(()),
        StepEnd::Done => {
            let found = bed.output("a", &format!("cat {path}")).await?;
            hold!(
                found == "4711",
                "the agent says that `{key}` is set, and on the node it is `{found}`"
            );
            Ok(())
        }
    }
}

pub(super) async fn probe(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "node.network").await?;
    let serve = r#"systemd-run -q --unit=page perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while (my $c = $s->accept) { my $l = <$c>; print $c "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"; close $c }'"#;
    bed.output("a", serve).await?;
    let ask = |port: u16| {
        let url = format!("http://{}:{port}/", bed.address(2));
        (
            url.clone(),
            json!({ "url": url, "within": 5_000_000_000_u64, "every": 200_000_000_u64, "contains": "hello" }),
        )
    };
    let (url, fields) = ask(8080);
    let end = bed.step("a", "probe", &url, fields).await?;
    held(&bed, "node.network", end, "systemctl is-active page", "active").await?;
    let (url, mut fields) = ask(8081);
    fields["within"] = json!(1_000_000_000_u64);
    let end = bed.step("a", "probe", &url, fields).await?;
    hold!(
        matches!(end, StepEnd::Failed(_)),
        "a port where nobody listens is said to answer"
    );
    Ok(())
}

/// 256 MiB were asked for, so 700 MiB must not fit.
pub(super) async fn memory(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "machine.memory").await?;
    bed.needs("machine.memory")?;
    let fill = |megabytes: u32| format!("head -c {megabytes}M /dev/zero | tail -c {megabytes}M | wc -c");
    let ended = bed.shell("a", &fill(50)).await?;
    hold!(
        ended.output.trim() == "52428800",
        "50 MiB do not fit into 256 MiB: {}{}",
        ended.output,
        ended.errors
    );
    let ended = bed.shell("a", &fill(700)).await?;
    hold!(
        ended.output.trim() != "734003200",
        "700 MiB fit into a machine of 256 MiB"
    );
    let said = bed.output("a", "cat /proc/1/comm").await?;
    hold!(said == "systemd", "the machine has not survived it");
    Ok(())
}

/// One processor was asked for, so two busy loops together get no more than that. Where the host is busy they get less.
pub(super) async fn cpu(ground: &Ground) -> Kept {
    let bed = with_machine(ground, "machine.cpu").await?;
    bed.needs("machine.cpu")?;
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err(Stop::DoesNotApply("this host has one processor".to_owned()));
    }
    let spin = "for n in 1 2 3; do timeout 3 sh -c 'while :; do :; done' & done; wait; cut -d' ' -f16,17 /proc/$$/stat";
    let before = std::time::Instant::now();
    let said = bed.output("a", spin).await?;
    let wall = before.elapsed().as_secs_f64();
    // Ticks of its children, of which Linux counts a hundred a second for everybody.
    let ticks = said
        .split_whitespace()
        .filter_map(|word| word.parse::<f64>().ok());
    let used = ticks.sum::<f64>() / 100.0;
    hold!(used > 0.1, "busy loops used no time: {said}");
    hold!(
        used <= wall * 1.15 + 0.2,
        "{used:.1} s of processor time in {wall:.1} s, with one processor"
    );
    Ok(())
}
