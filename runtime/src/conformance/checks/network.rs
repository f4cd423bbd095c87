//! Networks and names: who hears whom.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::{Bed, Ground, Kept, Stop, hold};
use crate::backend::{Capability, InterfaceSpec, NetworkSpec, ObjectAction};

/// Knocks at a port where nobody listens: whoever is there refuses at once, whoever is not stays silent.
fn knock(address: impl std::fmt::Display) -> String {
    format!("timeout 3 bash -c 'echo > /dev/tcp/{address}/1' 2>&1; true")
}

async fn two(bed: &Bed) -> Kept {
    bed.lan().await?;
    bed.create("a", 2).await?;
    bed.create("b", 3).await?;
    Ok(())
}

async fn hears(bed: &Bed, from: &str, address: impl std::fmt::Display) -> Result<bool, Stop> {
    Ok(bed.output(from, &knock(address)).await?.contains("refused"))
}

pub(super) async fn addresses(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.needs("network.addresses")?;
    two(&bed).await?;
    for (name, host) in [("a", 2), ("b", 3)] {
        let said = bed
            .output(name, "ip -4 -o addr show eth0 | awk '{print $4}'")
            .await?;
        let wanted = format!("{}/24", bed.address(host));
        hold!(said == wanted, "`{name}` has {said}, not {wanted}");
        let said = bed
            .output(name, "ip route show default | awk '{print $3}'")
            .await?;
        hold!(
            said == bed.address(1).to_string(),
            "the way out of `{name}` is by `{said}`"
        );
    }
    hold!(
        hears(&bed, "a", bed.address(3)).await? && hears(&bed, "b", bed.address(2)).await?,
        "two machines of one network do not hear each other"
    );
    hold!(
        !hears(&bed, "a", bed.address(77)).await?,
        "an address that nobody has answers"
    );
    // A real conversation, not only a refusal.
    let listen = r#"systemd-run -q --unit=ear perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while (my $c = $s->accept) { print $c "hello from a\n"; close $c }'"#;
    bed.output("a", listen).await?;
    let get = format!(
        "for try in $(seq 50); do exec 3<>/dev/tcp/{}/8080 && break; sleep 0.1; done; cat <&3",
        bed.address(2)
    );
    let ended = bed.program("b", &["bash", "-c", &get], b"").await?;
    hold!(
        ended.output == "hello from a\n",
        "`b` hears `{}{}` from `a`",
        ended.output,
        ended.errors
    );
    Ok(())
}

pub(super) async fn names(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.needs("node.names")?;
    two(&bed).await?;
    let table = |names: &[(&str, u8)]| -> BTreeMap<String, Vec<IpAddr>> {
        names
            .iter()
            .map(|(name, host)| ((*name).to_owned(), vec![bed.address(*host)]))
            .collect()
    };
    let lookup = |name: &str| format!("getent hosts {name} | awk '{{print $1}}' | sort -u");
    let names = table(&[("a", 2), ("b", 3), ("www.example", 2)]);
    bed.output("a", "echo '192.0.2.9 mine.example' >> /etc/hosts")
        .await?;
    for _ in 0..2 {
        bed.apply("names-1", ObjectAction::PublishNames { names: names.clone() })
            .await?;
    }
    for machine in ["a", "b"] {
        for (name, host) in [("a", 2), ("b", 3), ("www.example", 2)] {
            let said = bed.output(machine, &lookup(name)).await?;
            hold!(
                said == bed.address(host).to_string(),
                "on `{machine}`, `{name}` is `{said}`"
            );
        }
    }
    let said = bed.output("a", &lookup("mine.example")).await?;
    hold!(
        said == "192.0.2.9",
        "the machine's own line of the host table is gone"
    );
    bed.create("c", 4).await?;
    let said = bed.output("c", &lookup("www.example")).await?;
    hold!(
        said == bed.address(2).to_string(),
        "on a machine that came later, `www.example` is `{said}`"
    );
    // A name that leaves the table leaves the machines, and a restart keeps the rest.
    let all = table(&[("a", 2), ("b", 3), ("c", 4)]);
    bed.apply("names-2", ObjectAction::PublishNames { names: all.clone() })
        .await?;
    bed.power_off("b").await?;
    bed.start("b", 3).await?;
    if bed.capability("node.names") != Capability::Exact {
        // Where a start loses the names, they come back with the next publication.
        bed.apply("names-3", ObjectAction::PublishNames { names: all })
            .await?;
    }
    for machine in ["a", "b", "c"] {
        // In the table itself: a name that is not there is asked for outside, for a long time where nobody answers.
        let said = bed
            .output(machine, "grep -w www.example /etc/hosts; true")
            .await?;
        hold!(
            said.is_empty(),
            "on `{machine}`, a name that is no more is `{said}`"
        );
        let said = bed.output(machine, &lookup("c")).await?;
        hold!(
            said == bed.address(4).to_string(),
            "on `{machine}`, `c` is `{said}`"
        );
    }
    Ok(())
}

pub(super) async fn apart(ground: &Ground) -> Kept {
    let (one, other) = (ground.bed()?, ground.bed()?);
    for bed in [&one, &other] {
        bed.lan().await?;
        bed.create("a", 2).await?;
    }
    hold!(
        !hears(&one, "a", other.address(2)).await?,
        "a machine of another deploy answers"
    );
    hold!(
        !hears(&other, "a", one.address(2)).await?,
        "a machine of another deploy answers"
    );
    let said = one.output("a", "cat /etc/hosts").await?;
    hold!(
        !said.contains(&other.address(2).to_string()),
        "another deploy's names resolve: {said}"
    );
    Ok(())
}

pub(super) async fn inner(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let network = NetworkSpec {
        gateway: None,
        ..bed.network()?
    };
    bed.apply("make-lan", ObjectAction::CreateNetwork { network })
        .await?;
    for (name, host) in [("a", 2), ("b", 3)] {
        let mut machine = bed.machine(name, host)?;
        for interface in &mut machine.interfaces {
            interface.gateway = None;
        }
        let machine = Box::new(machine);
        bed.apply(&format!("make-{name}"), ObjectAction::CreateMachine { machine })
            .await?;
    }
    hold!(
        hears(&bed, "a", bed.address(3)).await?,
        "two machines of an inner network do not hear each other"
    );
    // The place that `outbound` reaches; a machine may make itself a route, and still nobody carries its packets on.
    let way = format!("ip route add default via {} 2>/dev/null", bed.address(1));
    let update = "timeout 8 apt-get -qq -o Acquire::Retries=0 -o APT::Update::Error-Mode=any update";
    let ended = bed.shell("a", &format!("{way}; {update}")).await?;
    hold!(
        ended.code != 0,
        "a machine of an inner network reaches the package sources"
    );
    Ok(())
}

/// What this host itself reaches is reached from a machine.
pub(super) async fn outbound(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.needs("network.outbound")?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    // The package sources: the one place outside that every machine is set up for.
    let update = "for try in 1 2 3; do timeout 45 apt-get -qq -o APT::Update::Error-Mode=any update && exit 0; done; exit 1";
    bed.output("a", update).await?;
    Ok(())
}

pub(super) async fn mtu(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let inner = NetworkSpec {
        name: "inner".into(),
        cidr: "fd77:7e5c::/64"
            .parse()
            .map_err(|_| "these addresses are none".to_owned())?,
        gateway: None,
        mtu: Some(1400),
    };
    bed.apply(
        "make-inner",
        ObjectAction::CreateNetwork {
            network: inner.clone(),
        },
    )
    .await?;
    for (name, host) in [("a", 2_u8), ("b", 3)] {
        let mut machine = bed.machine(name, host)?;
        let address = format!("fd77:7e5c::{host}")
            .parse()
            .map_err(|_| "this address is none".to_owned())?;
        machine.interfaces.push(InterfaceSpec {
            name: "eth1".into(),
            network: "inner".into(),
            cidr: inner.cidr,
            address,
            gateway: None,
            mtu: inner.mtu,
        });
        let machine = Box::new(machine);
        bed.apply(&format!("make-{name}"), ObjectAction::CreateMachine { machine })
            .await?;
    }
    let said = bed
        .output(
            "a",
            "cat /sys/class/net/eth1/mtu; ip -6 route show default | wc -l",
        )
        .await?;
    hold!(
        said == "1400\n0",
        "largest packet and ways out of the second network are {said:?}"
    );
    hold!(
        hears(&bed, "a", "fd77:7e5c::3").await?,
        "machines do not hear each other on a second network, with IPv6"
    );
    Ok(())
}
