//! Whoever writes with an epoch that has passed is refused.

use super::super::{Bed, Ground, Kept, hold};
use crate::backend::{ObjectAction, Operation};

fn with_epoch(mut operation: Operation, epoch: u64) -> Operation {
    operation.epoch = epoch;
    operation
}

fn network(bed: &Bed) -> Result<Operation, super::super::Stop> {
    let network = bed.network()?;
    Ok(bed.operation("make-lan", ObjectAction::CreateNetwork { network }))
}

pub(super) async fn stale(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.carry_out(&with_epoch(network(&bed)?, 5)).await?;
    let refused = bed.carry_out(&with_epoch(network(&bed)?, 4)).await;
    hold!(refused.is_err(), "epoch 4 was obeyed after epoch 5");
    let gone = bed.operation("destroy-lan", ObjectAction::DestroyNetwork { name: "lan".into() });
    let refused = bed.carry_out(&with_epoch(gone.clone(), 4)).await;
    hold!(
        refused.is_err(),
        "a destruction of epoch 4 was obeyed after epoch 5"
    );
    hold!(
        bed.world().await?.networks.contains_key("lan"),
        "a refused destruction took the network"
    );
    bed.carry_out(&with_epoch(gone, 5)).await?;
    Ok(())
}

/// Another process, with nothing of the first one's memory, and a machine that carries the epoch.
pub(super) async fn across(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.carry_out(&with_epoch(network(&bed)?, 3)).await?;
    bed.carry_out(&with_epoch(bed.creation("a", 2)?, 7)).await?;
    let anew = (bed.target().make)(bed.folders());
    let gone = |epoch| {
        with_epoch(
            bed.operation("destroy-a", ObjectAction::DestroyMachine { name: "a".into() }),
            epoch,
        )
    };
    let refused = anew.apply(bed.scope(), &gone(6), &|_| {}).await;
    hold!(
        refused.is_err(),
        "a destruction of epoch 6 was obeyed after epoch 7"
    );
    bed.output("a", "true").await?;
    anew.apply(bed.scope(), &gone(7), &|_| {}).await?;
    Ok(())
}
