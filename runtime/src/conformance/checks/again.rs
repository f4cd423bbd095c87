//! Doing it twice is doing it once.

use super::super::{Bed, Ground, Kept, Stop, hold};
use crate::backend::{ObjectAction, World};

/// When the machine's first process began: another boot has another.
async fn boot(bed: &Bed) -> Result<String, Stop> {
    bed.output(
        "a",
        "touch -a /root/mark; cut -d' ' -f22 /proc/1/stat; stat -c %W%Y /root/mark",
    )
    .await
}

fn alone(world: &World) -> Kept {
    hold!(
        world.machines.len() == 1 && world.machines.contains_key("a"),
        "there is not one machine: {:?}",
        world.machines
    );
    Ok(())
}

pub(super) async fn create(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let first = bed.lan().await?;
    let again = bed.lan().await?;
    hold!(
        first.handle == again.handle,
        "the network's handle was `{}` and is `{}`",
        first.handle,
        again.handle
    );
    let first = bed.create("a", 2).await?;
    let mark = boot(&bed).await?;
    let before = bed.world().await?;
    for _ in 0..2 {
        let again = bed.create("a", 2).await?;
        hold!(
            first.handle == again.handle,
            "the handle was `{}` and is `{}`",
            first.handle,
            again.handle
        );
    }
    let after = bed.world().await?;
    alone(&after)?;
    hold!(after == before, "it is seen as {after:?}, before as {before:?}");
    let now = boot(&bed).await?;
    hold!(
        now == mark,
        "the machine was booted or made anew: `{mark}`, then `{now}`"
    );
    Ok(())
}

pub(super) async fn other(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    let mark = boot(&bed).await?;
    let network = bed.network()?;
    let refused = bed
        .apply("another", ObjectAction::CreateNetwork { network })
        .await;
    hold!(
        refused.is_err(),
        "a network was made a second time under another operation"
    );
    let machine = Box::new(bed.machine("a", 2)?);
    let refused = bed
        .apply("another", ObjectAction::CreateMachine { machine })
        .await;
    hold!(
        refused.is_err(),
        "a machine was made a second time under another operation"
    );
    alone(&bed.world().await?)?;
    hold!(
        bed.seen("a").await?.operation == "make-a",
        "the operation was overwritten"
    );
    hold!(
        boot(&bed).await? == mark,
        "the refused creation touched the machine"
    );
    Ok(())
}

pub(super) async fn start(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let made = bed.create("a", 2).await?;
    let mark = boot(&bed).await?;
    let started = bed.start("a", 2).await?;
    hold!(
        started.handle == made.handle,
        "the handle was `{}` and is `{}`",
        made.handle,
        started.handle
    );
    hold!(boot(&bed).await? == mark, "starting a running machine booted it");
    alone(&bed.world().await?)?;
    let machine = Box::new(bed.machine("b", 3)?);
    let refused = bed.apply("start-b", ObjectAction::StartMachine { machine }).await;
    hold!(refused.is_err(), "a machine that is not there was started");
    Ok(())
}

pub(super) async fn destroy(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.destroy("a").await?;
    bed.destroy_network("lan").await?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    for _ in 0..2 {
        bed.destroy("a").await?;
    }
    for _ in 0..2 {
        bed.destroy_network("lan").await?;
    }
    hold!(
        bed.world().await? == World::default(),
        "something is left: {:?}",
        bed.world().await?
    );
    Ok(())
}
