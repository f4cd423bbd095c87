//! Networks: machines hear each other by name, reach the outside, and stand in nobody's way.

use std::process::Command;

use rebar_runtime::backend::{InterfaceSpec, NetworkSpec, ObjectAction};

use crate::bed::Bed;

fn ip(arguments: &str) {
    assert!(
        Command::new("ip")
            .args(arguments.split_whitespace())
            .status()
            .unwrap()
            .success(),
        "ip {arguments}"
    );
}

const SERVER: &str = r#"use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
    while (my $c = $s->accept) { my $l = <$c>; print $c "HTTP/1.0 200 OK\r\n\r\nhello from a\n"; close $c }"#;

pub(crate) async fn machines_hear_each_other_and_the_outside() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    bed.create("b", 3).await;
    let names: std::collections::BTreeMap<_, _> = [("a", 2), ("b", 3), ("www.example", 2)]
        .map(|(name, host)| (name.to_owned(), vec![bed.address(host).parse().unwrap()]))
        .into();
    for note in ["written on 2 of 2 machines", "written on 0 of 2 machines"] {
        let applied = bed
            .apply("names", ObjectAction::PublishNames { names: names.clone() })
            .await
            .unwrap();
        assert_eq!(applied.note, note);
    }
    assert_eq!(
        bed.output("b", "getent hosts a www.example | awk '{print $1}' | sort -u")
            .await,
        bed.address(2)
    );
    bed.output("a", &format!("systemd-run --unit=hello perl -e '{SERVER}'"))
        .await;
    let get = "for try in $(seq 50); do exec 3<>/dev/tcp/a/8080 && break; sleep 0.1; done; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    let (code, page, errors) = bed.program("b", &["bash", "-c", get], "").await.unwrap();
    assert!(code == 0 && page.contains("hello from a"), "{page}{errors}");

    // A machine that starts later knows the names too.
    bed.create("c", 4).await;
    assert_eq!(
        bed.output("c", "getent hosts www.example | cut -d' ' -f1").await,
        bed.address(2)
    );
    // Each machine sees its own interfaces alone.
    assert_eq!(
        bed.output("c", "ls /sys/class/net | sort | tr '\\n' ' '").await,
        "eth0 lo"
    );

    // Now and then a mirror leaves apt waiting for ever; it is not what is tried here.
    let update = "for try in 1 2 3; do timeout 60 apt-get -qq update && break; done";
    let install = "timeout 120 apt-get -qq install -y --no-install-recommends iputils-ping >&2";
    bed.output("b", &format!("{update}; {install}")).await;
    bed.output("b", "ping -c 1 -W 2 www.example").await;
}

pub(crate) async fn what_is_left_of_a_network_is_made_whole() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    bed.create("b", 3).await;
    let bridge = bed.world().await.networks["lan"].handle.clone();
    let table = bridge.replace("rb-", "rebar_");
    let knock = format!(
        "timeout 5 bash -c 'echo > /dev/tcp/{}/1' 2>&1; true",
        bed.address(2)
    );
    for (round, damage) in [
        format!("ip link delete {bridge}"),
        format!("nft delete table inet {table}"),
    ]
    .iter()
    .enumerate()
    {
        let mut words = damage.split(' ');
        let program = words.next().unwrap();
        assert!(Command::new(program).args(words).status().unwrap().success());
        assert!(
            !bed.world().await.networks.contains_key("lan"),
            "after `{damage}`"
        );
        let network = bed.network();
        let id = format!("again-{round}");
        bed.apply(&id, ObjectAction::CreateNetwork { network })
            .await
            .unwrap();
        assert!(bed.world().await.networks.contains_key("lan"));
        let answer = bed.output("b", &knock).await;
        assert!(
            answer.contains("refused"),
            "machines hear each other again after `{damage}`: {answer}"
        );
        assert!(
            Command::new("nft")
                .args(["list", "table", "inet", &table])
                .output()
                .unwrap()
                .status
                .success()
        );
    }
}

pub(crate) async fn a_foreign_bridge_is_left_alone() {
    let bed = Bed::new();
    bed.create_network().await;
    let name = bed.world().await.networks["lan"].handle.clone();
    bed.apply("gone", ObjectAction::DestroyNetwork { name: "lan".into() })
        .await
        .unwrap();
    ip(&format!("link add {name} type bridge"));
    let error = bed
        .apply(
            "net-1",
            ObjectAction::CreateNetwork {
                network: bed.network(),
            },
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1406", "{error}");
    let refused = bed
        .apply("gone", ObjectAction::DestroyNetwork { name: "lan".into() })
        .await;
    // Still there, or this fails.
    ip(&format!("link delete {name}"));
    assert!(refused.is_err_and(|error| error.code == "E1406"));
}

pub(crate) async fn a_foreign_folder_is_left_alone() {
    let bed = Bed::new();
    bed.create_network().await;
    let folder = bed
        .folders
        .data
        .join("local")
        .join(&bed.scope.deploy_id)
        .join("machines/a");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("thesis.tex"), "years").unwrap();
    let machine = Box::new(bed.machine("a", 2));
    for action in [
        ObjectAction::CreateMachine { machine },
        ObjectAction::DestroyMachine { name: "a".into() },
    ] {
        assert_eq!(bed.apply("x", action).await.unwrap_err().code, "E1406");
    }
    assert_eq!(
        std::fs::read_to_string(folder.join("thesis.tex")).unwrap(),
        "years"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

pub(crate) async fn collisions_are_refused() {
    let (one, mut two) = (Bed::new(), Bed::new());
    one.create_network().await;
    // Another deploy with the same addresses, in the same data folder: found by its record.
    two.share_folders(&one);
    two.third = one.third;
    let error = two
        .apply(
            "net-1",
            ObjectAction::CreateNetwork {
                network: two.network(),
            },
        )
        .await
        .unwrap_err();
    assert!(
        error.code == "E1405" && error.message.contains(&one.scope.deploy),
        "{error}"
    );

    // In another data folder: found by its route.
    let mut three = Bed::new();
    three.third = one.third;
    let error = three
        .apply(
            "net-1",
            ObjectAction::CreateNetwork {
                network: three.network(),
            },
        )
        .await
        .unwrap_err();
    assert!(
        error.code == "E1405" && error.message.contains("route"),
        "{error}"
    );
    assert!(three.world().await.networks.is_empty());
}

pub(crate) async fn a_second_network_without_a_way_out() {
    let bed = Bed::new();
    bed.create_network().await;
    let inner = NetworkSpec {
        name: "inner".into(),
        cidr: "fd77:77::/64".parse().unwrap(),
        gateway: None,
        mtu: Some(1400),
    };
    bed.apply(
        "net-2",
        ObjectAction::CreateNetwork {
            network: inner.clone(),
        },
    )
    .await
    .unwrap();
    for (name, host) in [("a", 2), ("b", 3)] {
        let mut machine = bed.machine(name, host);
        machine.interfaces.push(InterfaceSpec {
            name: "eth1".into(),
            network: "inner".into(),
            cidr: inner.cidr,
            address: format!("fd77:77::{host}").parse().unwrap(),
            gateway: None,
            mtu: inner.mtu,
        });
        let machine = Box::new(machine);
        bed.apply(&format!("make-{name}"), ObjectAction::CreateMachine { machine })
            .await
            .unwrap();
    }
    assert_eq!(
        bed.output(
            "a",
            "cat /sys/class/net/eth1/mtu; ip -6 route show default | wc -l"
        )
        .await,
        "1400\n0"
    );
    let refused = "timeout 5 bash -c 'echo > /dev/tcp/fd77:77::3/1' 2>&1; true";
    assert!(bed.output("a", refused).await.contains("refused"), "b answers");
    bed.destroy("a").await;
    let mut machine = bed.machine("a", 2);
    machine.interfaces[0].name = "eth0 up\nlink delete eth0".into();
    let action = ObjectAction::CreateMachine {
        machine: Box::new(machine),
    };
    assert_eq!(bed.apply("make-a", action).await.unwrap_err().code, "E1416");
}
