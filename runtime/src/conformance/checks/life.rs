//! The life of machines and networks, told by `observe` and `probe` at each turn.

use super::super::{Ground, Kept, hold};
use crate::backend::{ObjectAction, Probed};

/// Nothing, there, gone: `observe` and `probe` agree at each turn.
pub(super) async fn machine(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let make = bed.creation("a", 2)?;
    let action = ObjectAction::DestroyMachine { name: "a".into() };
    let gone = bed.operation("destroy-a", action);
    hold!(
        bed.world().await? == Default::default(),
        "a new scope is not empty: {:?}",
        bed.world().await?
    );
    hold!(
        bed.probe(&make).await? == Probed::Absent,
        "a creation that never was is probed as {:?}",
        bed.probe(&make).await?
    );
    bed.lan().await?;
    bed.create("a", 2).await?;

    let world = bed.world().await?;
    let Some(view) = world.machines.get("a") else {
        return Err(format!("a machine that was made is not seen: {world:?}").into());
    };
    hold!(
        view.running && view.complete,
        "a machine that was made is seen as {view:?}"
    );
    hold!(
        world.machines.len() == 1 && world.networks.len() == 1,
        "one machine and one network are seen as {world:?}"
    );
    let probed = bed.probe(&make).await?;
    hold!(
        matches!(probed, Probed::Complete(_)),
        "a finished creation is probed as {probed:?}"
    );
    let probed = bed.probe(&gone).await?;
    hold!(
        probed == Probed::Absent,
        "a destruction that never was is probed as {probed:?}"
    );
    let said = bed.output("a", "hostname; cat /proc/1/comm").await?;
    hold!(said == "a\nsystemd", "host name and first process are `{said}`");

    bed.destroy("a").await?;
    let world = bed.world().await?;
    hold!(
        world.machines.is_empty(),
        "a destroyed machine is still seen: {world:?}"
    );
    let probed = bed.probe(&gone).await?;
    hold!(
        matches!(probed, Probed::Complete(_)),
        "a finished destruction is probed as {probed:?}"
    );
    let probed = bed.probe(&make).await?;
    hold!(
        probed == Probed::Absent,
        "the creation of what is gone is probed as {probed:?}"
    );
    bed.destroy_network("lan").await?;
    let world = bed.world().await?;
    hold!(
        world == Default::default(),
        "an emptied scope is not empty: {world:?}"
    );
    Ok(())
}

pub(super) async fn network(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let network = bed.network()?;
    let make = bed.operation(
        "make-lan",
        ObjectAction::CreateNetwork {
            network: network.clone(),
        },
    );
    let gone = bed.operation("destroy-lan", ObjectAction::DestroyNetwork { name: "lan".into() });
    let probed = bed.probe(&make).await?;
    hold!(
        probed == Probed::Absent,
        "a creation that never was is probed as {probed:?}"
    );
    bed.carry_out(&make).await?;
    let world = bed.world().await?;
    let Some(view) = world.networks.get("lan") else {
        return Err(format!("a network that was made is not seen: {world:?}").into());
    };
    hold!(
        view.cidr == network.cidr,
        "its addresses are seen as {}, not {}",
        view.cidr,
        network.cidr
    );
    let probed = bed.probe(&make).await?;
    hold!(
        matches!(probed, Probed::Complete(_)),
        "a finished creation is probed as {probed:?}"
    );
    let probed = bed.probe(&gone).await?;
    hold!(
        probed == Probed::Absent,
        "a destruction that never was is probed as {probed:?}"
    );
    bed.carry_out(&gone).await?;
    let world = bed.world().await?;
    hold!(
        world == Default::default(),
        "a destroyed network is still seen: {world:?}"
    );
    let probed = bed.probe(&gone).await?;
    hold!(
        matches!(probed, Probed::Complete(_)),
        "a finished destruction is probed as {probed:?}"
    );
    let probed = bed.probe(&make).await?;
    hold!(
        probed == Probed::Absent,
        "the creation of what is gone is probed as {probed:?}"
    );
    Ok(())
}

pub(super) async fn order(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let early = bed.carry_out(&bed.creation("a", 2)?).await;
    hold!(
        early.is_err(),
        "a machine was made on a network that is not there"
    );
    let world = bed.world().await?;
    hold!(
        world.machines.values().all(|view| !view.complete),
        "what was refused is seen as whole: {world:?}"
    );
    bed.lan().await?;
    bed.create("a", 2).await?;
    hold!(
        bed.destroy_network("lan").await.is_err(),
        "a network was destroyed under a machine"
    );
    let world = bed.world().await?;
    hold!(
        world.networks.contains_key("lan"),
        "a refused destruction took the network: {world:?}"
    );
    hold!(
        bed.output("a", "cat /sys/class/net/eth0/operstate").await? == "up",
        "and the machine is off its network"
    );
    Ok(())
}

pub(super) async fn stopped(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    let machine = Box::new(bed.machine("a", 2)?);
    let start = bed.operation("start-a", ObjectAction::StartMachine { machine });
    bed.power_off("a").await?;
    let seen = bed.seen("a").await?;
    hold!(
        seen.complete && !seen.running,
        "a stopped machine is seen as {seen:?}"
    );
    let probed = bed.probe(&start).await?;
    hold!(
        probed == Probed::Absent,
        "a start that never was is probed as {probed:?}"
    );
    bed.carry_out(&start).await?;
    let seen = bed.seen("a").await?;
    hold!(
        seen.running && seen.complete,
        "a started machine is seen as {seen:?}"
    );
    let probed = bed.probe(&start).await?;
    hold!(
        matches!(probed, Probed::Complete(_)),
        "a finished start is probed as {probed:?}"
    );
    let said = bed
        .output("a", "systemctl is-system-running --wait || true")
        .await?;
    hold!(said == "running", "a started machine is `{said}`");
    bed.power_off("a").await?;
    bed.destroy("a").await?;
    hold!(
        bed.world().await?.machines.is_empty(),
        "a stopped machine cannot be destroyed"
    );
    Ok(())
}

/// Two deploys use the same names, and neither sees or touches what the other has.
pub(super) async fn names_of_scopes(ground: &Ground) -> Kept {
    let (one, two) = (ground.bed()?, ground.bed()?);
    one.lan().await?;
    one.create("a", 2).await?;
    let make = one.creation("a", 2)?;
    hold!(
        two.world().await? == Default::default(),
        "a scope sees what another has: {:?}",
        two.world().await?
    );
    let probed = two.probe(&make).await?;
    hold!(
        probed == Probed::Absent,
        "another scope's creation is probed as {probed:?}"
    );
    hold!(
        two.shell("a", "true").await.is_err(),
        "a program was run on another scope's machine"
    );
    // As a deploy of this name is destroyed that never had such a machine.
    two.destroy("a").await?;
    two.destroy_network("lan").await?;
    let world = one.world().await?;
    hold!(
        world.machines.contains_key("a") && world.networks.contains_key("lan"),
        "another scope's destruction took it: {world:?}"
    );
    two.lan().await?;
    two.create("a", 2).await?;
    two.destroy("a").await?;
    one.output("a", "true").await?;
    Ok(())
}

pub(super) async fn many(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    // More than eight say nothing more, and take memory.
    let count = bed.backend().parallelism().clamp(1, 8);
    let names: Vec<String> = (1..=count).map(|number| format!("m-{number}")).collect();
    let makings = names.iter().zip(2..).map(|(name, host)| bed.create(name, host));
    futures::future::try_join_all(makings).await?;
    let world = bed.world().await?;
    let whole = world
        .machines
        .values()
        .filter(|view| view.running && view.complete)
        .count();
    hold!(whole == count, "of {count} machines {whole} are whole: {world:?}");
    for name in &names {
        let said = bed.output(name, "hostname").await?;
        hold!(said == *name, "`{name}` says that it is `{said}`");
    }
    let endings = names.iter().map(|name| bed.destroy(name));
    futures::future::try_join_all(endings).await?;
    hold!(
        bed.world().await?.machines.is_empty(),
        "not all are gone: {:?}",
        bed.world().await?
    );
    Ok(())
}
