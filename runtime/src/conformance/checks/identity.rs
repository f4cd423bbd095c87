//! What makes a machine that machine, and that it stays.

use super::super::{Ground, Kept, hold};

pub(super) async fn marks(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let network = bed.lan().await?;
    let made = bed.create("a", 2).await?;
    let before = bed.world().await?;
    let (Some(view), Some(lan)) = (before.machines.get("a"), before.networks.get("lan")) else {
        return Err(format!("what was made is not seen: {before:?}").into());
    };
    hold!(
        view.operation == "make-a",
        "the machine's operation is seen as `{}`, not `make-a`",
        view.operation
    );
    hold!(
        view.digest == "digest-of-a",
        "the machine's digest is seen as `{}`, not `digest-of-a`",
        view.digest
    );
    hold!(
        view.handle == made.handle,
        "the machine's handle was told as `{}` and is seen as `{}`",
        made.handle,
        view.handle
    );
    hold!(
        lan.operation == "make-lan",
        "the network's operation is seen as `{}`, not `make-lan`",
        lan.operation
    );
    hold!(
        lan.handle == network.handle,
        "the network's handle was told as `{}` and is seen as `{}`",
        network.handle,
        lan.handle
    );
    bed.power_off("a").await?;
    bed.start("a", 2).await?;
    let after = bed.world().await?;
    hold!(
        after == before,
        "after a restart it is seen as {after:?}, before as {before:?}"
    );
    Ok(())
}

const WHO: &str = "cat /etc/machine-id; ip -4 -o addr show eth0 | awk '{print $4}'; ip route | head -1";

pub(super) async fn disk(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    let write = "echo kept > /root/note; chown 1000:1001 /root/note; chmod 4711 /root/note; ln -s note /root/link; rm /etc/motd; mkdir -p /srv/deep/er";
    bed.output("a", write).await?;
    let look = format!(
        "{WHO}; stat -c '%u %g %a' /root/note; cat /root/link; test ! -e /etc/motd; test -d /srv/deep/er"
    );
    let before = bed.output("a", &look).await?;
    hold!(
        before.lines().next().is_some_and(|id| id.len() == 32),
        "the machine id is none: {before}"
    );
    for round in 1..=2 {
        bed.power_off("a").await?;
        bed.start("a", 2).await?;
        let after = bed.output("a", &look).await?;
        hold!(
            after == before,
            "after restart {round} it is `{after}`, before it was `{before}`"
        );
    }
    Ok(())
}

pub(super) async fn fresh(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    let first = bed.output("a", "touch /root/note; cat /etc/machine-id").await?;
    bed.create("b", 3).await?;
    let other = bed.output("b", "cat /etc/machine-id").await?;
    hold!(first != other, "two machines have the same id, `{first}`");
    bed.destroy("a").await?;
    let mut again = bed.creation("a", 2)?;
    again.id = "make-a-again".to_owned();
    bed.carry_out(&again).await?;
    let second = bed
        .output("a", "test ! -e /root/note; cat /etc/machine-id")
        .await?;
    hold!(
        first != second,
        "a machine that was made anew has the id of the old one, `{first}`"
    );
    let view = bed.seen("a").await?;
    hold!(
        view.operation == "make-a-again",
        "it carries the old operation: {view:?}"
    );
    Ok(())
}
