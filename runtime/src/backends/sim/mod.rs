//! The backend `sim`: a world in memory, with seeded latencies and faults. Rehearsals carry out real plans on it with
//! the real executor, and the tests of the invariants hold the executor against everything that can go wrong.
//!
//! With tokio's time paused and a state in memory a run is a pure function of plan and seed.

mod faults;
mod latency;
mod moments;
mod node;
mod standing;
mod world;

pub use faults::{Fault, Faults, chance};
pub use latency::Latencies;
pub use moments::{Leaves, Moments};
pub use node::Node;
pub use world::{Key, Machine, Network, Picture, World, subject};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use rebar_agent::protocol::FailureClass;
use tokio::time::Instant;

use crate::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, FindingState, ObjectAction, Operation,
    Probed, Process, Progress, Scope,
};
use world::error;

/// A node that cannot be reached comes back after so long; a machine that reboots, too.
const AWAY: Duration = Duration::from_secs(30);

/// A request whose sender was killed may still be on its way so long.
const LATE: Duration = Duration::from_secs(3);

/// How a simulated world behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// How long things take.
    pub latencies: Latencies,
    /// How many machines may be made at a time.
    pub parallelism: usize,
    /// Whether agents refuse an older writer, as real ones do. Without it the harness must see the damage.
    pub fencing: bool,
    /// Whether nodes keep their journal. Without it the harness must see steps that have their effect twice.
    pub remembering: bool,
    /// Whether to keep a log of everything that was done.
    pub log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 1,
            faults: Faults::none(),
            latencies: Latencies::default(),
            parallelism: 8,
            fencing: true,
            remembering: true,
            log: false,
        }
    }
}

/// A simulated world behind the contract of backends.
#[derive(Debug)]
pub struct Sim {
    this: Weak<Sim>,
    settings: Settings,
    faults: Mutex<Faults>,
    world: Mutex<World>,
    begun: Instant,
    moments: Moments,
}

impl Sim {
    /// A world with nothing in it. It must be made inside a tokio runtime.
    pub fn new(settings: Settings) -> Arc<Sim> {
        Arc::new_cyclic(|this| Sim {
            this: this.clone(),
            faults: Mutex::new(settings.faults.clone()),
            settings,
            world: Mutex::default(),
            begun: Instant::now(),
            moments: Moments::default(),
        })
    }

    /// Looks into the world, or changes it.
    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that is there, but for its history.
    pub fn picture(&self) -> Picture {
        self.world(|world| world.picture())
    }

    /// How often each fault has struck.
    pub fn injected(&self) -> BTreeMap<Fault, u64> {
        self.world(|world| world.injected.clone())
    }

    /// The moments at which the program can be ended.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// From now on other things go wrong.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// A fault that strikes so often from now on, whatever the rates: `about` is what it is about, such as
    /// `create machine/web-1` for a call, `web-1/pages.page` for a step, `machine/web-1` for a node.
    pub fn doom(&self, fault: Fault, about: &str, times: u32) {
        self.world(|world| world.doomed.insert((fault, about.to_owned()), times));
    }

    fn remembers(&self) -> bool {
        self.settings.remembering
    }

    fn fences(&self) -> bool {
        self.settings.fencing
    }

    fn log(&self, entry: impl FnOnce() -> String) {
        if self.settings.log {
            self.world(|world| world.log.push(entry()));
        }
    }

    /// How often this came up before.
    fn count(&self, about: &str, subject: &str) -> u64 {
        self.world(|world| {
            let count = world.counts.entry(format!("{about} {subject}")).or_default();
            *count += 1;
            *count
        })
    }

    /// A whole number below `below`.
    fn drawn(&self, about: &str, subject: &str, below: u64) -> u64 {
        let number = self.count(about, subject);
        (chance(self.settings.seed, about, subject, number) * below as f64) as u64
    }

    /// Whether a fault strikes now; it is counted if it does.
    fn strikes(&self, fault: Fault, subject: &str) -> bool {
        let rate = {
            let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            let over = faults.until.is_some_and(|until| self.begun.elapsed() >= until);
            let rate = faults.rates.get(&fault).copied().unwrap_or(0.0);
            if over { 0.0 } else { rate }
        };
        let doomed = self.world(|world| world.is_doomed(fault, subject));
        if rate <= 0.0 && !doomed {
            return false;
        }
        let number = self.count(fault.name(), subject);
        let strikes = doomed || chance(self.settings.seed, fault.name(), subject, number) < rate;
        if strikes {
            let (when, about) = (self.begun.elapsed(), subject.to_owned());
            self.world(|world| {
                *world.injected.entry(fault).or_default() += 1;
                if self.settings.log {
                    world.struck.push((when, fault, about));
                }
            });
        }
        strikes
    }

    /// Takes as long as `what` takes.
    async fn take_time(&self, what: &str, subject: &str) {
        if self.settings.latencies.none {
            return;
        }
        let number = self.count("latency", subject);
        let mut time = self
            .settings
            .latencies
            .of(self.settings.seed, what, subject, number);
        if self.strikes(Fault::Slow, subject) {
            time *= 20;
        }
        tokio::time::sleep(time).await;
    }

    /// A machine is not to be reached for a while.
    fn away(&self, key: &Key) {
        let until = Instant::now() + AWAY;
        self.world(|world| {
            if let Some(machine) = world.machines.get_mut(key) {
                machine.away = Some(until);
            }
        });
    }

    /// A request that outlives its sender.
    fn carry_out_later(&self, scope: &Scope, operation: &Operation) {
        let Some(this) = self.this.upgrade() else { return };
        let (scope, operation) = (scope.clone(), operation.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LATE).await;
            // Nobody hears what came of it.
            this.world(|world| {
                world.late.insert(operation.id.clone());
                if world.admit(&scope, &operation, this.settings.fencing).is_ok() {
                    drop(world.carry_out(&scope, &operation, false));
                }
            });
        });
    }

    /// What goes wrong with a call before it does anything.
    fn fails(&self, scope: &Scope, operation: &Operation) -> Result<(), BackendError> {
        let (verb, name) = subject(&operation.action);
        let about = format!("{verb} {name}");
        for (fault, class, message) in [
            (Fault::Refused, FailureClass::Transient, "the backend answers 500"),
            (Fault::Busy, FailureClass::Busy, "the backend answers 429"),
            (Fault::TimedOut, FailureClass::Ambiguous, "the call timed out"),
        ] {
            if self.strikes(fault, &about) {
                return Err(error(class, message));
            }
        }
        if verb == "create"
            && self.world(|world| {
                !world
                    .machines
                    .contains_key(&(scope.deploy_id.clone(), name.clone()))
            })
            && self.strikes(Fault::NameTaken, &about)
        {
            self.world(|world| world.foreign.insert(name));
        }
        Ok(())
    }
}

/// A settled change, as a backend tells it.
fn applied(verb: &str, name: &str) -> Applied {
    Applied {
        handle: format!("sim-{}", name.split('/').next_back().unwrap_or(name)),
        note: verb.to_owned(),
    }
}

#[async_trait]
impl Backend for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        BTreeMap::new()
    }

    fn parallelism(&self) -> usize {
        self.settings.parallelism
    }

    async fn examine(&self) -> Vec<Finding> {
        vec![Finding {
            subject: "world".to_owned(),
            state: FindingState::Good,
            text: "it is in memory and needs nothing".to_owned(),
            command: None,
        }]
    }

    async fn observe(&self, scope: &Scope) -> Result<crate::backend::World, BackendError> {
        self.moments.pass().await;
        if self.strikes(Fault::Refused, "observe") {
            return Err(error(FailureClass::Transient, "the backend answers 500"));
        }
        let lagging = self.strikes(Fault::StaleListing, "observe");
        Ok(self.world(|world| world.view(scope, lagging)))
    }

    async fn apply(
        &self,
        scope: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        let (verb, name) = subject(&operation.action);
        let about = format!("{verb} {name}");
        self.moments.pass().await;
        progress("simulated");
        let what = match &operation.action {
            ObjectAction::PrepareImage { .. } => about.clone(),
            ObjectAction::PublishNames { .. } => "publish names".to_owned(),
            _ => format!("{verb} {}", name.split('/').next().unwrap_or_default()),
        };
        self.take_time(&what, &about).await;
        self.world(|world| world.admit(scope, operation, self.settings.fencing))?;
        self.fails(scope, operation)?;
        // Whoever is killed here leaves nothing, a half or the whole behind.
        if let Some(leaves) = self.moments.inside() {
            match leaves {
                Leaves::Nothing => {}
                Leaves::Half => drop(self.world(|world| world.carry_out(scope, operation, true))),
                Leaves::Whole => drop(self.world(|world| world.carry_out(scope, operation, false))),
                Leaves::Late => self.carry_out_later(scope, operation),
            }
            self.moments.stay().await;
        }
        if self.strikes(Fault::Half, &about) {
            self.world(|world| world.carry_out(scope, operation, true))?;
            return Err(error(FailureClass::Transient, "the call was broken off"));
        }
        self.world(|world| world.carry_out(scope, operation, false))?;
        if self.strikes(Fault::AnswerLost, &about) {
            return Err(error(FailureClass::Ambiguous, "the answer was lost"));
        }
        self.moments.pass().await;
        Ok(applied(verb, &name))
    }

    async fn probe(&self, scope: &Scope, operation: &Operation) -> Result<Probed, BackendError> {
        self.moments.pass().await;
        if self.strikes(Fault::Refused, "probe") {
            return Err(error(FailureClass::Transient, "the backend answers 500"));
        }
        Ok(self.world(|world| world.probe(scope, operation)))
    }

    async fn open(&self, scope: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError> {
        self.moments.pass().await;
        if !command.arguments.is_empty() {
            let message = "a simulated machine runs nothing but the agent";
            return Err(error(FailureClass::Terminal, message));
        }
        let key = (scope.deploy_id.clone(), machine.to_owned());
        let about = format!("machine/{machine}");
        if self.strikes(Fault::Stopped, &about) {
            self.world(|world| world.machines.get_mut(&key).map(|m| m.running = false));
        }
        let away = self.strikes(Fault::Unreachable, &about);
        let now = Instant::now();
        let node = self.world(|world| {
            let Some(there) = world.machines.get_mut(&key).filter(|there| there.running) else {
                return Err(error(FailureClass::Terminal, "the machine does not run"));
            };
            if away {
                there.away = Some(now + AWAY);
            }
            match there.away {
                Some(until) if until > now => Err(error(FailureClass::Transient, "no route to the machine")),
                Some(_) | None => Ok(Arc::clone(&there.node)),
            }
        })?;
        let this = self
            .this
            .upgrade()
            .ok_or_else(|| error(FailureClass::Terminal, "the world has ended"))?;
        Ok(node::serve(this, key, node))
    }
}
