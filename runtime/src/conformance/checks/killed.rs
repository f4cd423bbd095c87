//! Whoever uses the backend is killed in the middle of an operation, or gives it up: `probe` tells what became of it,
//! and the same operation once more settles it.

use std::time::{Duration, Instant};

use super::super::controller::{self, Errand};
use super::super::{Bed, Ground, Kept, Stop, hold};
use crate::backend::{ObjectAction, Operation, Probed};

/// So many moments are spread over the time that the operation takes undisturbed.
const MOMENTS: u32 = 6;

/// Starts the operation in a process of its own and kills that after `wait`.
async fn kill_after(bed: &Bed, operation: &Operation, wait: Duration) -> Kept {
    let errand = Errand::Apply {
        scope: bed.scope().clone(),
        operation: Box::new(operation.clone()),
    };
    let mut child = controller::start(bed, errand).await?;
    tokio::time::sleep(wait).await;
    let ended = child.kill().await;
    ended.map_err(|error| Stop::Failed(format!("the controller cannot be killed: {error}")))
}

/// The moments, from at once to just before the end.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (0..MOMENTS).map(move |moment| whole * (2 * moment + 1) / (2 * MOMENTS))
}

/// What `probe` says must be what `observe` sees; then the same operation brings the machine up.
async fn settled(bed: &Bed, make: &Operation, when: &str) -> Kept {
    let probed = bed.probe(make).await?;
    let world = bed.world().await?;
    let seen = world.machines.get("a");
    match &probed {
        Probed::Absent => hold!(seen.is_none(), "{when}: probed as absent and seen as {seen:?}"),
        Probed::Partial => hold!(
            seen.is_none_or(|view| !view.complete),
            "{when}: probed as a half and seen as {seen:?}"
        ),
        Probed::Complete(_) => hold!(
            seen.is_some_and(|view| view.complete && view.running),
            "{when}: probed as complete and seen as {seen:?}"
        ),
    }
    hold!(
        world.machines.len() <= 1,
        "{when}: {} machines",
        world.machines.len()
    );
    bed.carry_out(make).await?;
    let world = bed.world().await?;
    hold!(
        world.machines.len() == 1,
        "{when}, and made anew: {:?}",
        world.machines
    );
    let said = bed
        .output("a", "systemctl is-system-running --wait || true")
        .await?;
    hold!(
        said == "running",
        "{when}, and made anew: the machine is `{said}`"
    );
    let probed = bed.probe(make).await?;
    hold!(
        matches!(probed, Probed::Complete(_)),
        "{when}, and made anew: probed as {probed:?}"
    );
    Ok(())
}

/// How long the operation takes in a process of its own.
async fn undisturbed(bed: &Bed, operation: &Operation) -> Result<Duration, Stop> {
    let begun = Instant::now();
    let errand = Errand::Apply {
        scope: bed.scope().clone(),
        operation: Box::new(operation.clone()),
    };
    let mut child = controller::start(bed, errand).await?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    hold!(
        status.success(),
        "the controller, undisturbed, ended with {status}"
    );
    Ok(begun.elapsed())
}

pub(super) async fn creating(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let make = bed.creation("a", 2)?;
    let whole = undisturbed(&bed, &make).await?;
    bed.destroy("a").await?;
    for moment in moments(whole) {
        kill_after(&bed, &make, moment).await?;
        settled(&bed, &make, &format!("killed after {} ms", moment.as_millis())).await?;
        bed.destroy("a").await?;
    }
    Ok(())
}

pub(super) async fn destroying(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let gone = bed.operation("destroy-a", ObjectAction::DestroyMachine { name: "a".into() });
    bed.create("a", 2).await?;
    let whole = undisturbed(&bed, &gone).await?;
    for moment in moments(whole) {
        bed.create("a", 2).await?;
        kill_after(&bed, &gone, moment).await?;
        let when = format!("killed after {} ms", moment.as_millis());
        let probed = bed.probe(&gone).await?;
        let seen = bed.world().await?.machines.remove("a");
        if let Probed::Complete(_) = probed {
            hold!(seen.is_none(), "{when}: probed as gone and seen as {seen:?}");
        }
        bed.carry_out(&gone).await?;
        let seen = bed.world().await?.machines.remove("a");
        hold!(seen.is_none(), "{when}, and destroyed again: seen as {seen:?}");
        let left = bed
            .target()
            .host
            .left(bed.folders(), std::slice::from_ref(bed.scope()), "process");
        let processes = left.await;
        hold!(processes.is_empty(), "{when}, and destroyed again: {processes:?}");
    }
    Ok(())
}

pub(super) async fn networking(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let network = bed.network()?;
    let make = bed.operation("make-lan", ObjectAction::CreateNetwork { network });
    let gone = bed.operation("destroy-lan", ObjectAction::DestroyNetwork { name: "lan".into() });
    let whole = undisturbed(&bed, &make).await?;
    bed.carry_out(&gone).await?;
    for moment in moments(whole) {
        let when = format!("killed after {} ms", moment.as_millis());
        kill_after(&bed, &make, moment).await?;
        let probed = bed.probe(&make).await?;
        let seen = bed.world().await?.networks.remove("lan");
        match probed {
            Probed::Complete(_) => hold!(seen.is_some(), "{when}: probed as complete and not seen"),
            Probed::Absent | Probed::Partial => hold!(
                seen.is_none(),
                "{when}: probed as {probed:?} and seen as {seen:?}"
            ),
        }
        bed.carry_out(&make).await?;
        let seen = bed.lan_seen().await?;
        hold!(seen.operation == "make-lan", "{when}, and made anew: {seen:?}");
        kill_after(&bed, &gone, moment).await?;
        bed.carry_out(&gone).await?;
        let world = bed.world().await?;
        hold!(
            world == Default::default(),
            "{when}, and destroyed again: {world:?}"
        );
    }
    Ok(())
}

pub(super) async fn half(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let make = bed.creation("a", 2)?;
    let whole = undisturbed(&bed, &make).await?;
    bed.destroy("a").await?;
    for moment in moments(whole).skip(1).step_by(2) {
        kill_after(&bed, &make, moment).await?;
        bed.destroy("a").await?;
        let seen = bed.world().await?.machines;
        hold!(
            seen.is_empty(),
            "a half, left after {} ms, is still there: {seen:?}",
            moment.as_millis()
        );
        let probed = bed.probe(&make).await?;
        hold!(
            probed == Probed::Absent,
            "a half that was destroyed is probed as {probed:?}"
        );
    }
    Ok(())
}

pub(super) async fn cancelled(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    let make = bed.creation("a", 2)?;
    let begun = Instant::now();
    bed.carry_out(&make).await?;
    let whole = begun.elapsed();
    bed.destroy("a").await?;
    for moment in moments(whole) {
        // Dropped when the time is over, as the executor does when it leaves at once.
        let _ = tokio::time::timeout(moment, bed.carry_out(&make)).await;
        settled(&bed, &make, &format!("given up after {} ms", moment.as_millis())).await?;
        bed.destroy("a").await?;
    }
    Ok(())
}
