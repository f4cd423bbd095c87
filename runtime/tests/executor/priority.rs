//! In which order work begins: the longest remaining path first, by what was measured.

use std::time::Duration;

use rebar_runtime::execute::{ForecastJob, Slot, Status, execute, forecast_jobs};
use rebar_runtime::state::{Durations, FILE, State};

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

/// Makes it so that steps of `run` took so many milliseconds each before.
fn took(durations: &mut Durations, run: &str, millis: u64) {
    for (name, kind) in [("install", "package"), ("page", "file"), ("serve", "service")] {
        let what = format!("step {kind} {run}.{name}");
        durations.samples.insert(what, vec![millis; 3]);
    }
}

/// Writes durations where the state keeps them.
fn record(folder: &std::path::Path, durations: &Durations) {
    let connection = rusqlite::Connection::open(folder.join(FILE)).unwrap();
    for (what, samples) in &durations.samples {
        let samples = serde_json::to_string(samples).unwrap();
        connection
            .execute(
                "INSERT INTO duration (backend, what, count, total, samples) VALUES ('test', ?1, 3, 0, ?2)",
                [what, &samples],
            )
            .unwrap();
    }
}

/// Lanes in the order in which they began.
async fn order(durations: &Durations) -> (Vec<String>, Vec<ForecastJob>) {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    record(folder.path(), durations);
    let spec = Spec {
        aside: 2,
        ..Spec::default()
    };
    let first = plan(&state, &world, &spec).await;
    let jobs = forecast_jobs(&first, &state.durations("test").await.unwrap()).unwrap();
    let mut context = context(&state, &world);
    context.parallelism = 1;
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let lanes = world
        .log()
        .iter()
        .filter_map(|entry| entry.strip_prefix("begin ")?.strip_suffix(".install"))
        .map(str::to_owned)
        .collect();
    (lanes, jobs)
}

/// Of lanes that may all begin, those of the same rank order as the forecast says.
fn forecast(jobs: &[ForecastJob]) -> Vec<String> {
    let mut lanes: Vec<&ForecastJob> = jobs.iter().filter(|job| job.slot == Slot::Lane).collect();
    lanes.sort_by_key(|job| job.rank);
    lanes.into_iter().map(|job| job.subject.clone()).collect()
}

#[tokio::test]
async fn the_longest_remaining_path_begins_first_by_what_was_measured() {
    // Nothing measured: others wait for `pages`, so it goes first.
    let (lanes, jobs) = order(&Durations::default()).await;
    assert_eq!(
        lanes,
        [
            "web-1/pages",
            "web-2/pages",
            "aside-1/aside",
            "aside-2/aside",
            "edge/entry"
        ]
    );
    assert_eq!(
        forecast(&jobs),
        [
            "web-1/pages",
            "web-2/pages",
            "aside-1/aside",
            "aside-2/aside",
            "edge/entry"
        ]
    );
    // `aside` took an hour: it goes before everything, although nothing waits for it.
    let mut durations = Durations::default();
    took(&mut durations, "aside", 1_200_000);
    took(&mut durations, "pages", 10);
    took(&mut durations, "entry", 10);
    let (lanes, jobs) = order(&durations).await;
    assert_eq!(lanes[..2], ["aside-1/aside", "aside-2/aside"]);
    assert_eq!(forecast(&jobs)[..2], ["aside-1/aside", "aside-2/aside"]);
    let aside = jobs.iter().find(|job| job.subject == "aside-1/aside").unwrap();
    assert_eq!(aside.weight, Duration::from_secs(3600));
    assert_eq!(aside.node.as_deref(), Some("aside-1"));
}

#[tokio::test]
async fn a_forecast_has_every_job_once_and_waits_for_what_the_executor_waits_for() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let first = plan(&state, &world, &Spec::default()).await;
    let jobs = forecast_jobs(&first, &Durations::default()).unwrap();
    let mut ranks: Vec<usize> = jobs.iter().map(|job| job.rank).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, (0..jobs.len()).collect::<Vec<_>>());
    let at = |subject: &str| jobs.iter().position(|job| job.subject == subject).unwrap();
    let gate = at("gate entry after pages");
    assert!(jobs[at("edge/entry")].after.contains(&gate));
    assert_eq!(jobs[gate].slot, Slot::Free);
    for lane in ["web-1/pages", "web-2/pages"] {
        assert!(jobs[gate].after.contains(&at(lane)));
    }
    let machine = &jobs[at("machine/web-1")];
    assert_eq!(
        (machine.slot, machine.node.as_deref()),
        (Slot::Object, Some("web-1"))
    );
    // What waits is preferred less than what it waits for.
    for job in &jobs {
        assert!(
            job.after
                .iter()
                .all(|on| jobs[*on].rank < job.rank || jobs[*on].weight.is_zero())
        );
    }
}

#[tokio::test]
async fn a_failure_domain_can_be_limited() {
    for (limit, most) in [(None, 4), (Some(1), 1), (Some(3), 3)] {
        let (folder, mut world) = (folder(), TestWorld::new());
        std::sync::Arc::get_mut(&mut world).unwrap().step_time = Duration::from_millis(2);
        let state = State::in_folder(folder.path()).unwrap();
        let spec = Spec {
            web: 4,
            aside: 2,
            ..Spec::default()
        };
        let mut first = plan(&state, &world, &spec).await;
        first.groups.get_mut("web").unwrap().spread = Some("rack".to_owned());
        let mut context = context(&state, &world);
        context.per_domain = limit;
        let outcome = execute(&first, &context).await.unwrap();
        assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
        let (mut at_work, mut highest) = (0_i32, 0);
        for entry in world.log() {
            at_work += i32::from(entry.starts_with("begin web-") && entry.ends_with(".install"));
            at_work -= i32::from(entry.starts_with("end web-") && entry.ends_with(".serve"));
            highest = highest.max(at_work);
        }
        assert_eq!(highest, most, "{limit:?}");
    }
}
