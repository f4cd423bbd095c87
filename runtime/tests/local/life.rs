//! The life of machines and networks, told by `observe` and `probe` at each turn.

use rebar_runtime::backend::{Backend, ObjectAction, Operation, Probed};

use crate::bed::Bed;

fn operation(id: &str, epoch: u64, action: ObjectAction) -> Operation {
    Operation {
        id: id.into(),
        epoch,
        action,
    }
}

pub(crate) async fn a_machine_lives_and_leaves_nothing() {
    let bed = Bed::new();
    let make = operation(
        "make-web-1",
        1,
        ObjectAction::CreateMachine {
            machine: Box::new(bed.machine("web-1", 2)),
        },
    );
    let gone = operation("gone", 1, ObjectAction::DestroyMachine { name: "web-1".into() });
    let probe = |operation: Operation| {
        let (backend, scope) = (&bed.backend, &bed.scope);
        async move { backend.probe(scope, &operation).await.unwrap() }
    };
    assert_eq!(probe(make.clone()).await, Probed::Absent);
    bed.create_network().await;
    bed.create("web-1", 2).await;
    assert_eq!(
        bed.output("web-1", "systemctl is-system-running --wait").await,
        "running"
    );
    assert_eq!(
        bed.output("web-1", "hostname; id -u; cat /proc/1/comm").await,
        "web-1\n0\nsystemd"
    );

    let world = bed.world().await;
    let seen = &world.machines["web-1"];
    assert_eq!(
        (seen.operation.as_str(), seen.digest.as_str()),
        ("make-web-1", "digest of web-1")
    );
    assert!(seen.running && seen.complete);
    assert_eq!(world.networks["lan"].operation, "net-1");
    assert!(matches!(probe(make.clone()).await, Probed::Complete(_)));
    assert_eq!(probe(gone.clone()).await, Probed::Absent);

    bed.destroy("web-1").await;
    assert!(bed.world().await.machines.is_empty());
    assert!(matches!(probe(gone).await, Probed::Complete(_)));
    assert_eq!(probe(make).await, Probed::Absent);
    bed.apply("net-gone", ObjectAction::DestroyNetwork { name: "lan".into() })
        .await
        .unwrap();
    assert!(
        !bed.folders.data.exists(),
        "the data folder goes with the last object"
    );
}

pub(crate) async fn doing_it_twice_is_doing_it_once() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create_network().await;
    let first = bed.create("a", 2).await;
    let boot = bed
        .output(
            "a",
            "cat /proc/sys/kernel/random/boot_id /proc/1/stat | cut -d' ' -f22",
        )
        .await;
    assert_eq!(bed.create("a", 2).await, first);
    bed.start("a", 2).await.unwrap();
    assert_eq!(
        bed.output(
            "a",
            "cat /proc/sys/kernel/random/boot_id /proc/1/stat | cut -d' ' -f22"
        )
        .await,
        boot
    );

    let machine = Box::new(bed.machine("a", 2));
    let error = bed
        .apply("another", ObjectAction::CreateMachine { machine })
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1412", "{error}");
    let error = bed
        .apply(
            "another",
            ObjectAction::CreateNetwork {
                network: bed.network(),
            },
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1412", "{error}");
    let error = bed
        .apply("x", ObjectAction::DestroyNetwork { name: "lan".into() })
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1414", "{error}");

    for note in ["removed", "was gone"] {
        let applied = bed
            .apply("gone", ObjectAction::DestroyMachine { name: "a".into() })
            .await
            .unwrap();
        assert_eq!(applied.note, note);
    }
    for _ in 0..2 {
        bed.apply("gone", ObjectAction::DestroyNetwork { name: "lan".into() })
            .await
            .unwrap();
    }
}

pub(crate) async fn a_stale_writer_is_refused() {
    let bed = Bed::new();
    let network = |epoch| {
        operation(
            "net-1",
            epoch,
            ObjectAction::CreateNetwork {
                network: bed.network(),
            },
        )
    };
    bed.backend.apply(&bed.scope, &network(5), &|_| {}).await.unwrap();
    let error = bed
        .backend
        .apply(&bed.scope, &network(4), &|_| {})
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1408", "{error}");
}

pub(crate) async fn what_an_enemy_puts_on_its_disk_harms_nobody() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    let planted = std::env::temp_dir().join(format!("rebar-planted-{}", bed.scope.deploy_id));
    std::fs::write(&planted, "untouched").unwrap();
    bed.output(
        "a",
        &format!("rm /etc/hosts; ln -s {} /etc/hosts", planted.display()),
    )
    .await;
    let names = |name: &str| [(name.to_owned(), vec![bed.address(2).parse().unwrap()])].into();
    // It was started with these names, so nobody looks.
    let same = bed.apply("names", ObjectAction::PublishNames { names: names("a") });
    assert_eq!(same.await.unwrap().note, "written on 0 of 1 machines");
    let error = bed
        .apply("names", ObjectAction::PublishNames { names: names("b") })
        .await
        .unwrap_err();
    assert!(error.code == "E1411" && error.message.contains("`a`"), "{error}");
    bed.output("a", "rm /etc/hosts; mkfifo /etc/hosts").await;
    let error = bed
        .apply("names", ObjectAction::PublishNames { names: names("c") })
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1411", "{error}");

    // Links in place of the folders that are mounted on when it starts.
    bed.output("a", "rm /etc/hosts; touch /etc/hosts").await;
    let _ = bed.shell("a", "systemctl poweroff --force").await;
    bed.wait_until_stopped("a").await;
    let root = bed
        .folders
        .data
        .join("local")
        .join(&bed.scope.deploy_id)
        .join("machines/a/disk/upper");
    for name in ["dev", "run", "proc"] {
        let _ = std::fs::remove_dir_all(root.join(name));
        std::os::unix::fs::symlink(std::env::temp_dir(), root.join(name)).unwrap();
    }
    bed.start("a", 2).await.unwrap();
    assert_eq!(
        bed.output("a", "test -c /dev/null && echo device").await,
        "device"
    );
    assert_eq!(std::fs::read_to_string(&planted).unwrap(), "untouched");
    std::fs::remove_file(planted).unwrap();
}

pub(crate) async fn everything_comes_back_after_a_reboot_of_this_host() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    bed.output("a", "echo kept > /root/note; sync").await;
    // What a loss of power leaves: the folders, and nothing that the kernel kept.
    let bridge = bed.world().await.networks["lan"].handle.clone();
    let _ = bed
        .shell("a", "kill -9 -1; systemctl poweroff --force --force")
        .await;
    bed.wait_until_stopped("a").await;
    for (program, arguments) in [
        ("ip", format!("link delete {bridge}")),
        (
            "nft",
            format!("delete table inet {}", bridge.replace("rb-", "rebar_")),
        ),
    ] {
        let status = std::process::Command::new(program)
            .args(arguments.split(' '))
            .status()
            .unwrap();
        assert!(status.success());
    }

    let world = bed.world().await;
    assert!(world.networks.is_empty());
    assert!(world.machines["a"].complete && !world.machines["a"].running);
    assert_eq!(
        bed.start("a", 2).await.unwrap_err().code,
        "E1414",
        "a machine is not started without its network"
    );
    bed.apply(
        "net-2",
        ObjectAction::CreateNetwork {
            network: bed.network(),
        },
    )
    .await
    .unwrap();
    assert_eq!(bed.world().await.networks["lan"].operation, "net-2");
    bed.start("a", 2).await.unwrap();
    assert_eq!(bed.output("a", "cat /root/note").await, "kept");
}
