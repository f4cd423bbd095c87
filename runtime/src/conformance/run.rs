//! Carrying out checks one after the other, and taking away what they made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;

use super::{Check, Ground, Outcome, Premises, Report, Stop, Target, Verdict};
use crate::backend::{Backend, BackendError, Folders, ObjectAction, Operation, Scope};

/// What is told while the suite runs.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// What an earlier run that was killed had left is taken away.
    Sweeping,
    /// Some of it cannot be taken away.
    Stays(&'a str),
    /// The image is looked for, and built if it is not there; a line of its builder.
    Image(&'a str),
    /// A check begins.
    Begun(&'a Check),
    /// It has ended.
    Ended(&'a Verdict),
}

/// Carries out the checks in the order given, on `premises`, and takes away what they made.
///
/// # Errors
/// When the suite cannot begin: no image, no free addresses, no folder. What a backend does wrong is no error, but
/// stands in the report.
pub async fn run(
    target: &Target,
    premises: &Arc<Premises>,
    checks: &[&Check],
    tell: &(dyn Fn(Told<'_>) + Send + Sync),
) -> Result<Report, String> {
    for left in Premises::abandoned(&target.base) {
        tell(Told::Sweeping);
        if let Err(what) = sweep(target, &left).await {
            // It has been told now; what this backend cannot remove must not stand in the way of every run to come.
            tell(Told::Stays(&what));
            left.remove()?;
        }
    }
    let ground = Ground {
        target: target.clone(),
        premises: Arc::clone(premises),
        range: free_range()?,
        beds: AtomicU8::new(1),
    };
    prepare_image(&ground, tell).await?;
    let mut report = Report {
        backend: target.name.clone(),
        verdicts: Vec::new(),
    };
    for check in checks {
        tell(Told::Begun(check));
        let begun = Instant::now();
        let outcome = examine(&ground, check).await;
        let verdict = verdict(check.id, check.title, check.promise, outcome, begun);
        tell(Told::Ended(&verdict));
        report.verdicts.push(verdict);
    }
    let begun = Instant::now();
    let outcome = match sweep(target, premises).await {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed { why },
    };
    let (id, title) = (
        "leaks.nothing",
        "when all is destroyed, nothing is left on this host",
    );
    let verdict = verdict(id, title, "I1; what is destroyed is gone", outcome, begun);
    tell(Told::Ended(&verdict));
    report.verdicts.push(verdict);
    Ok(report)
}

fn verdict(id: &str, title: &str, promise: &str, outcome: Outcome, begun: Instant) -> Verdict {
    Verdict {
        id: id.to_owned(),
        title: title.to_owned(),
        promise: promise.to_owned(),
        outcome,
        seconds: begun.elapsed().as_secs_f64(),
    }
}

async fn prepare_image(ground: &Ground, tell: &(dyn Fn(Told<'_>) + Send + Sync)) -> Result<(), String> {
    let bed = ground
        .bed()
        .map_err(|_| "the folder of the suite cannot be written".to_owned())?;
    let image = super::project::image().map_err(|error| format!("{error:?}"))?;
    let operation = bed.operation("image", ObjectAction::PrepareImage { image });
    let progress = |line: &str| tell(Told::Image(line));
    let made = bed.backend().apply(bed.scope(), &operation, &progress).await;
    made.map(drop)
        .map_err(|error| format!("the image cannot be made: {}", words(&error)))
}

/// One check, and what it leaves.
async fn examine(ground: &Ground, check: &Check) -> Outcome {
    let before = ground.premises.scopes().len();
    let patience = Duration::from_secs(check.patience);
    let examined = std::panic::AssertUnwindSafe((check.examine)(ground)).catch_unwind();
    let result = match tokio::time::timeout(patience, examined).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Stop::Failed("the check itself broke off".to_owned())),
        Err(_) => Err(Stop::Failed(format!(
            "it did not end within {} s",
            patience.as_secs()
        ))),
    };
    let scopes = ground.premises.scopes().split_off(before);
    let left = clear(&ground.target, &ground.folders(), &scopes).await;
    match (result, left) {
        (Err(Stop::Failed(why)), Err(left)) => Outcome::Failed {
            why: format!("{why}; and {left}"),
        },
        (_, Err(why)) | (Err(Stop::Failed(why)), _) => Outcome::Failed { why },
        (Err(Stop::DoesNotApply(because)), _) => Outcome::DoesNotApply { because },
        (Ok(()), Ok(())) => Outcome::Passed,
    }
}

/// Destroys everything that the suite made on these premises, and the premises themselves.
///
/// # Errors
/// Naming what could not be removed; the premises stay then, so that the next run tries again.
pub async fn sweep(target: &Target, premises: &Premises) -> Result<(), String> {
    clear(target, &premises.folders(&target.cache), &premises.scopes()).await?;
    premises.remove()
}

/// Destroys everything of these scopes, and looks whether anything is left of them.
async fn clear(target: &Target, folders: &Folders, scopes: &[Scope]) -> Result<(), String> {
    let backend = (target.make)(folders);
    let mut told = Vec::new();
    for scope in scopes {
        if let Err(error) = empty(&*backend, scope).await {
            told.push(format!("`{}` cannot be emptied: {}", scope.deploy, words(&error)));
        }
    }
    let left = target.host.left(folders, scopes, "").await;
    told.extend(left.into_iter().map(|trace| format!("left behind: {trace}")));
    if told.is_empty() {
        Ok(())
    } else {
        Err(told.join("; "))
    }
}

/// Destroys machines, then networks: those that are seen, and halves that only their names tell of.
async fn empty(backend: &dyn Backend, scope: &Scope) -> Result<(), BackendError> {
    let world = backend.observe(scope).await?;
    let machines = world
        .machines
        .into_keys()
        .map(|name| ObjectAction::DestroyMachine { name });
    let mut networks: Vec<String> = world.networks.into_keys().collect();
    for known in super::bed::NETWORKS {
        if !networks.iter().any(|name| name == known) {
            networks.push(known.to_owned());
        }
    }
    let networks = networks
        .into_iter()
        .map(|name| ObjectAction::DestroyNetwork { name });
    for action in machines.chain(networks) {
        let operation = Operation {
            id: uuid::Uuid::new_v4().to_string(),
            epoch: super::bed::LAST_EPOCH,
            action,
        };
        backend.apply(scope, &operation, &|_| {}).await?;
    }
    Ok(())
}

fn words(error: &BackendError) -> String {
    match Stop::from(error.clone()) {
        Stop::Failed(text) | Stop::DoesNotApply(text) => text,
    }
}

/// A range `10.x` that no route of this host leads to. Where one begins to look differs, so that two runs at a time
/// seldom meet; should they, the backends refuse the second network.
fn free_range() -> Result<u8, String> {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let start = std::process::id() as u8 ^ NEXT.fetch_add(1, Ordering::Relaxed);
    (0..64_u8)
        .map(|step| 180 + start.wrapping_add(step) % 64)
        .find(|second| !taken(&routes, *second))
        .ok_or_else(|| "no addresses are free: routes lead to 10.180 to 10.243".to_owned())
}

/// Whether a route leads into `10.<second>`. The kernel writes destinations as little-endian numbers.
fn taken(routes: &str, second: u8) -> bool {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    routes.lines().skip(1).any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(destination), Some(mask)) = (
            words.get(1).copied().and_then(number),
            words.get(7).copied().and_then(number),
        ) else {
            return false;
        };
        let ours = u32::from_be_bytes([10, second, 0, 0]);
        let both = mask & 0xffff_0000;
        // The way out leads everywhere and is in nobody's way.
        mask != 0 && destination & both == ours & both
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_a_route_leads_to_are_taken() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
            eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n\
            rb-1\t0001B50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        assert!(taken(routes, 181));
        assert!(!taken(routes, 180) && !taken(routes, 182));
        assert!(!taken("", 181));
    }
}
