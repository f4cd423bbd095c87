//! A failure amid a thousand nodes.

use std::collections::BTreeSet;

use rebar_runtime::backends::sim::Fault;
use rebar_runtime::execute::Status;

use crate::course::{Course, Job, alone};
use crate::desk::Seam;
use crate::spec::{Group, Kind, Run, Spec};
use crate::story::Mishap;

/// Ten groups of a hundred; each run waits for one or two runs of other groups.
fn spec() -> Spec {
    let mut spec = Spec::three();
    spec.groups.clear();
    spec.runs.clear();
    // 0 → 1 → 3 → 5 → 7, 0 → 2 → 4 → 6, 5 and 6 → 8; 9 stands alone.
    let waits: [&[usize]; 10] = [&[], &[0], &[0], &[1], &[2], &[3], &[4], &[5], &[5, 6], &[]];
    for (number, waits) in waits.iter().enumerate() {
        spec.groups.push(Group {
            name: format!("g{number}"),
            network: "net0".to_owned(),
            count: 100,
            memory: 1,
        });
        spec.runs.push(Run {
            name: format!("r{number}"),
            group: format!("g{number}"),
            content: 1,
            steps: vec![Kind::File, Kind::Service],
            after: waits.iter().map(|after| format!("r{after}")).collect(),
            canary: 0,
            batch: 0,
        });
    }
    spec
}

pub(crate) fn thousand() -> Result<(), String> {
    alone(async {
        let mut course = Course::begin(1, Seam::None);
        let made = course.plan(&spec()).await.ok_or("no plan")?;
        course.sim.doom(Fault::StepFails, "g5-50/r5.s0", 1);
        let ended = course.session(Job::Apply(&made), Mishap::None).await;
        let Some(Ok(outcome)) = ended else {
            return Err(format!("{ended:?}"));
        };
        let blocked: BTreeSet<String> = outcome
            .blocked
            .iter()
            .map(|blocked| blocked.subject.clone())
            .collect();
        let expected: BTreeSet<String> = [7, 8]
            .iter()
            .flat_map(|group| (1..=100).map(move |n| format!("g{group}-{n}/r{group}")))
            .collect();
        let named = outcome
            .blocked
            .iter()
            .filter(|blocked| blocked.cause == "g5-50/r5.s0")
            .count();
        println!(
            "1000 nodes: {} changed, {} failed, {} blocked, of which {named} name the cause",
            outcome.changed,
            outcome.failed.len(),
            outcome.blocked.len()
        );
        if outcome.status != Status::Partial || blocked != expected || named != expected.len() {
            return Err(format!("{:?}, blocked: {:?}", outcome.status, outcome.blocked));
        }
        course.figures.violations.first().cloned().map_or(Ok(()), Err)
    })
}
