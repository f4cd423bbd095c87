//! What is called like ours and does not carry our marks is somebody else's.

use super::super::{Foreign, Ground, Kept, Stop, hold};
use crate::backend::ObjectAction;

const CANNOT: &str = "nothing of somebody else's can be put in the way of this backend from here";

pub(super) async fn network(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let handle = bed.lan_seen().await?.handle;
    bed.destroy_network("lan").await?;
    let foreign = Foreign::Network {
        name: "lan".into(),
        handle,
    };
    let planted = bed
        .target()
        .host
        .plant(bed.folders(), bed.scope(), &foreign)
        .await?;
    let Some(planted) = planted else {
        return Err(Stop::DoesNotApply(CANNOT.to_owned()));
    };
    hold!(
        !bed.world().await?.networks.contains_key("lan"),
        "somebody else's network is seen as ours"
    );
    let network = bed.network()?;
    let made = bed
        .apply("make-lan", ObjectAction::CreateNetwork { network })
        .await;
    hold!(
        made.is_err(),
        "somebody else's network was taken for ours, or written over"
    );
    hold!(
        planted.harm().is_none(),
        "it was harmed by a creation: {:?}",
        planted.harm()
    );
    let gone = bed.destroy_network("lan").await;
    hold!(
        planted.harm().is_none(),
        "it was harmed by a destruction: {:?}",
        planted.harm()
    );
    hold!(gone.is_err(), "somebody else's network was said to be destroyed");
    Ok(())
}

pub(super) async fn machine(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    let handle = bed.seen("a").await?.handle;
    bed.destroy("a").await?;
    let foreign = Foreign::Machine {
        name: "a".into(),
        handle,
    };
    let planted = bed
        .target()
        .host
        .plant(bed.folders(), bed.scope(), &foreign)
        .await?;
    let Some(planted) = planted else {
        return Err(Stop::DoesNotApply(CANNOT.to_owned()));
    };
    let world = bed.world().await?;
    hold!(
        !world.machines.contains_key("a"),
        "somebody else's machine is seen as ours: {world:?}"
    );
    let made = bed.carry_out(&bed.creation("a", 2)?).await;
    hold!(
        made.is_err(),
        "somebody else's machine was taken for ours, or written over"
    );
    hold!(
        planted.harm().is_none(),
        "it was harmed by a creation: {:?}",
        planted.harm()
    );
    let gone = bed.destroy("a").await;
    hold!(
        planted.harm().is_none(),
        "it was harmed by a destruction: {:?}",
        planted.harm()
    );
    hold!(gone.is_err(), "somebody else's machine was said to be destroyed");
    hold!(
        bed.shell("a", "true").await.is_err(),
        "a program was run on somebody else's machine"
    );
    Ok(())
}

pub(super) async fn copy(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    let before = bed.world().await?;
    let handle = bed.seen("a").await?.handle;
    let planted = bed
        .target()
        .host
        .plant(bed.folders(), bed.scope(), &Foreign::Copy { handle })
        .await?;
    let Some(planted) = planted else {
        return Err(Stop::DoesNotApply(CANNOT.to_owned()));
    };
    let world = bed.world().await?;
    hold!(
        world.machines == before.machines,
        "the copy of a machine is taken for a machine: {world:?}"
    );
    hold!(
        bed.shell("a", "true").await.is_ok(),
        "beside its copy the machine is not found any more"
    );
    bed.destroy("a").await?;
    hold!(
        planted.harm().is_none(),
        "the copy was harmed by the machine's destruction: {:?}",
        planted.harm()
    );
    Ok(())
}
