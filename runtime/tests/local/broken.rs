//! Starts that are broken off at any moment, in each of the ways that happen, and done anew.

use std::time::Duration;

use rebar_runtime::backend::{Backend, ObjectAction, Operation, Probed};

use crate::bed::{self, Bed};

const DELAYS: [u64; 8] = [3, 10, 20, 35, 60, 100, 160, 260];

fn making(bed: &Bed) -> Operation {
    let machine = Box::new(bed.machine("a", 2));
    Operation {
        id: "make-a".into(),
        epoch: 1,
        action: ObjectAction::CreateMachine { machine },
    }
}

/// What was left must be seen for what it is, and the same operation must bring the machine up.
async fn mend(bed: &Bed, delay: u64, states: &mut Vec<String>) {
    let probed = bed.backend.probe(&bed.scope, &making(bed)).await.unwrap();
    let seen = bed.world().await;
    match &probed {
        Probed::Absent => assert!(seen.machines.is_empty()),
        Probed::Partial => assert!(!seen.machines["a"].complete),
        Probed::Complete(_) => assert!(seen.machines["a"].running),
    }
    let word = match probed {
        Probed::Absent => "absent",
        Probed::Partial => "partial",
        Probed::Complete(_) => "complete",
    };
    states.push(format!("{delay} ms: {word}"));
    bed.create("a", 2).await;
    assert_eq!(
        bed.output("a", "systemctl is-system-running --wait").await,
        "running"
    );
    assert_eq!(bed.ranges(), 1, "what was begun before has given its ids back");
    bed.destroy("a").await;
}

pub(crate) async fn the_controller_is_killed() {
    let bed = Bed::new();
    bed.create_network().await;
    let mut states = Vec::new();
    for delay in DELAYS {
        let mut controller = bed.controller(&making(&bed));
        tokio::time::sleep(Duration::from_millis(delay)).await;
        controller.kill().unwrap();
        controller.wait().unwrap();
        mend(&bed, delay, &mut states).await;
    }
    println!("        {}", states.join(", "));
}

pub(crate) async fn the_launcher_is_killed() {
    let bed = Bed::new();
    bed.create_network().await;
    let mut states = Vec::new();
    for delay in DELAYS {
        let operation = making(&bed);
        let (outcome, ()) = tokio::join!(bed.backend.apply(&bed.scope, &operation, &|_| {}), async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            bed::kill_helpers();
        });
        if let Err(error) = outcome {
            assert_eq!(error.code, "E1415", "{error}");
        }
        mend(&bed, delay, &mut states).await;
    }
    println!("        {}", states.join(", "));
}

pub(crate) async fn the_call_is_cancelled() {
    let bed = Bed::new();
    bed.create_network().await;
    let mut states = Vec::new();
    for delay in DELAYS {
        let operation = making(&bed);
        let call = bed.backend.apply(&bed.scope, &operation, &|_| {});
        if tokio::time::timeout(Duration::from_millis(delay), call)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(
                bed.processes("a"),
                0,
                "a call that was given up after {delay} ms leaves no process"
            );
        }
        mend(&bed, delay, &mut states).await;
    }
    println!("        {}", states.join(", "));
}

pub(crate) async fn a_half_is_destroyed_like_a_whole() {
    let bed = Bed::new();
    bed.create_network().await;
    for delay in [20, 60, 120] {
        let mut controller = bed.controller(&making(&bed));
        tokio::time::sleep(Duration::from_millis(delay)).await;
        controller.kill().unwrap();
        controller.wait().unwrap();
        bed.destroy("a").await;
        assert!(bed.world().await.machines.is_empty());
        assert_eq!((bed.processes("a"), bed.ranges()), (0, 0));
    }
}
