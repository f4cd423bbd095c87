//! Many machines at once. `REBAR_TEST_NODES` chooses how many.

use std::time::Instant;

use futures::stream::{self, StreamExt};
use rebar_runtime::backend::{Backend, ObjectAction};

use crate::bed::Bed;

pub(crate) async fn ten_machines_at_once() {
    let count: u32 = std::env::var("REBAR_TEST_NODES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10);
    let bed = Bed::new();
    bed.create_network().await;
    let names: Vec<String> = (1..=count).map(|number| format!("web-{number}")).collect();
    let at_once = bed.backend.parallelism();
    let begun = Instant::now();
    stream::iter(names.iter().zip(2..))
        .map(|(name, host)| bed.create(name, host))
        .buffer_unordered(at_once)
        .collect::<Vec<_>>()
        .await;
    let up = begun.elapsed();
    for name in &names {
        assert_eq!(
            bed.output(name, "systemctl is-system-running --wait").await,
            "running"
        );
    }
    let each = names.iter().map(|name| bed.memory(name)).sum::<u64>() / u64::from(count);
    let table = names
        .iter()
        .zip(2..)
        .map(|(name, host)| (name.clone(), vec![bed.address(host).parse().unwrap()]));
    let publishing = Instant::now();
    bed.apply(
        "names",
        ObjectAction::PublishNames {
            names: table.collect(),
        },
    )
    .await
    .unwrap();
    let published = publishing.elapsed();
    let (first, last) = (names.first().unwrap(), names.last().unwrap());
    assert_eq!(
        bed.output(first, &format!("getent hosts {last} | cut -d' ' -f1"))
            .await,
        bed.address(count + 1)
    );
    let asking = Instant::now();
    for _ in 0..20 {
        bed.output(first, "true").await;
    }
    let asked = asking.elapsed() / 20;
    let ending = Instant::now();
    stream::iter(&names)
        .map(|name| bed.destroy(name))
        .buffer_unordered(at_once)
        .collect::<Vec<_>>()
        .await;
    println!(
        "        {count} machines: up in {:.1} s, {} MB each; names in {} ms; a program in {} ms; gone in {:.1} s",
        up.as_secs_f64(),
        each >> 20,
        published.as_millis(),
        asked.as_millis(),
        ending.elapsed().as_secs_f64()
    );
}
