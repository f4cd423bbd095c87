//! The life of machines and networks.

use crate::bed::Bed;

pub(crate) async fn a_machine_lives_and_leaves_nothing() {
    let bed = Bed::new();
    bed.create_network().await;
    let applied = bed.create("web-1", 2).await;
    println!("        {}", applied.note);
    assert_eq!(
        bed.output("web-1", "systemctl is-system-running --wait").await,
        "running"
    );
    assert_eq!(bed.output("web-1", "hostname; id -u").await, "web-1\n0");
    bed.destroy("web-1").await;
}
