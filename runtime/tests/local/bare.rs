//! Machines whose image has no service manager: the agent program is their first process.

use rebar_agent::protocol::{PROTOCOL, PlannedStep, Removal, Request, Step, Verb};
use rebar_compiler::plan::Image;
use rebar_runtime::backend::{MachineSpec, ObjectAction};

use crate::bed::{self, Bed};

pub(crate) fn image() -> Image {
    Image {
        name: "bookworm_bare".into(),
        packages: ["iproute2", "ca-certificates", "procps"]
            .map(str::to_owned)
            .into(),
        ..bed::image()
    }
}

pub(crate) fn machine(bed: &Bed, name: &str, host: u32) -> MachineSpec {
    MachineSpec {
        image: image(),
        ..bed.machine(name, host)
    }
}

pub(crate) async fn create(bed: &Bed, name: &str, host: u32) {
    let machine = Box::new(machine(bed, name, host));
    bed.apply(&format!("make-{name}"), ObjectAction::CreateMachine { machine })
        .await
        .unwrap();
}

pub(crate) async fn a_machine_without_a_service_manager() {
    let bed = Bed::with_the_real_agent();
    bed.create_network().await;
    create(&bed, "a", 2).await;
    create(&bed, "b", 3).await;
    let first = bed.output(
        "a",
        "cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline; ls /sbin/init 2>&1 | wc -l",
    );
    assert_eq!(first.await, "rebar-init\nrebar-agent init 1");
    assert_eq!(
        bed.output("a", "hostname; id -u; ip -4 -o addr show eth0 | grep -c 10.77")
            .await,
        "a\n0\n1"
    );
    let refused = format!(
        "bash -c 'exec 3<>/dev/tcp/{}/1' 2>&1 | grep -o refused | head -1",
        bed.address(3)
    );
    assert_eq!(
        bed.output("a", &refused).await,
        "refused",
        "the other machine does not answer"
    );

    // Orphans are collected, and it sleeps meanwhile.
    bed.output("a", "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; sleep 0.4")
        .await;
    assert_eq!(bed.output("a", "ps -eo stat= | grep -c '^Z' || true").await, "0");
    let worked = "awk '{print $14 + $15}' /proc/1/stat";
    let before = bed.output("a", worked).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(bed.output("a", worked).await, before);
    println!("        an idle machine takes {} kB", bed.memory("b") >> 10);

    // There are no services to manage, and it says so.
    let service = Step {
        address: "r.web".into(),
        action: "service".into(),
        key: "nginx".into(),
        fields: [("name".to_owned(), "nginx".into())].into(),
        removal: Removal::Restore,
        secret: Vec::new(),
        replaced: false,
        loads: [].into(),
    };
    let request = Request::Apply {
        protocol: PROTOCOL,
        deploy: bed.scope.deploy_id.clone(),
        epoch: 1,
        steps: vec![PlannedStep {
            operation: "o".into(),
            verb: Verb::Ensure,
            step: service,
        }],
    };
    let request = serde_json::to_string(&request).unwrap() + "\n";
    let (_, said, _) = bed.program("b", &[], &request).await.unwrap();
    assert!(
        said.contains("systemd is not the first process of this node"),
        "{said}"
    );

    // It ends when it is asked to, with programs that do not want to, and comes back with its disk.
    bed.output(
        "a",
        "echo kept > /root/kept; (trap '' TERM; sleep 1000) > /dev/null 2>&1 &",
    )
    .await;
    bed.shell("a", "kill -TERM 1").await;
    bed.wait_until_stopped("a").await;
    let machine = Box::new(machine(&bed, "a", 2));
    bed.apply("start", ObjectAction::StartMachine { machine })
        .await
        .unwrap();
    assert_eq!(
        bed.output("a", "cat /root/kept; cat /proc/1/comm").await,
        "kept\nrebar-init"
    );
    bed.destroy("a").await;
    bed.destroy("b").await;
}
