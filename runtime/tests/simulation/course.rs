//! A story taking its course: each chapter is planned and applied by the real executor in the simulated world, and
//! after each session the oracle looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rebar_compiler::plan::{self, Machine, ObjectVerb, Plan};
use rebar_runtime::backends::sim::{Fault, Faults, Key, Latencies, Settings, Sim};
use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{Context, ExecuteError, Outcome, Status, destroy, execute};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::{State, StateError};

use crate::cone;
use crate::desk::{Desk, Gate, Paper, Seam};
use crate::figures::Figures;
use crate::oracle::Oracle;
use crate::spec::{DEPLOY, SITE, Spec, comparable, differences, wanted};
use crate::story::{Chapter, Drift, Goal, Mishap, Story, Then};

/// No session takes longer, whatever goes wrong.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// So many applies must do when faults have stopped.
const ROUNDS: usize = 3;

/// What is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Job<'a> {
    Apply(&'a Plan),
    Destroy,
}

/// How a session ended; nothing if the program was killed.
pub(crate) type Ended = Option<Result<Outcome, ExecuteError>>;

pub(crate) struct Course {
    pub(crate) sim: Arc<Sim>,
    pub(crate) state: State,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) seam: Seam,
    pub(crate) oracle: Oracle,
    pub(crate) figures: Figures,
    /// The plan that was carried out last, and one that was made and not carried out.
    pub(crate) consumed: Option<Plan>,
    pub(crate) unused: Option<Plan>,
    place: String,
}

/// Plays a story in a runtime of its own, whose time passes by itself.
pub(crate) fn play(story: &Story, seam: Seam) -> Figures {
    let mut figures = alone(async {
        let mut course = Course::begin(story.seed, seam);
        for (number, chapter) in story.chapters.iter().enumerate() {
            course.place = format!("chapter {}", number + 1);
            course.chapter(chapter).await;
            if !course.figures.violations.is_empty() {
                return course.close();
            }
        }
        course.place = "the end".to_owned();
        course
            .converge(&story.chapters[story.chapters.len() - 1].goal)
            .await;
        course.close()
    });
    figures.count("stories");
    figures.add("nodes", story.nodes());
    figures
}

/// Runs something on one thread, with time that passes by itself.
pub(crate) fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

impl Course {
    pub(crate) fn begin(seed: u64, seam: Seam) -> Course {
        let clock = Arc::new(SimClock::new(1_700_000_000_000));
        let sim = Sim::new(Settings {
            seed,
            latencies: Latencies::default(),
            fencing: seam != Seam::NoFence,
            remembering: seam != Seam::Forgetful,
            ..Settings::default()
        });
        Course {
            sim,
            state: State::in_memory(clock.clone(), seed).unwrap(),
            clock,
            seam,
            oracle: Oracle::default(),
            figures: Figures::default(),
            consumed: None,
            unused: None,
            place: String::new(),
        }
    }

    pub(crate) fn close(mut self) -> Figures {
        for (fault, number) in self.sim.injected() {
            self.figures.fault(fault.name(), number);
        }
        self.figures
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.figures.violations.push(what + &format!(" ({})", self.place));
    }

    async fn chapter(&mut self, chapter: &Chapter) {
        self.sim.set_faults(Faults {
            rates: chapter.faults.clone(),
            until: None,
        });
        self.drift(&chapter.before);
        match &chapter.goal {
            Goal::Destroy => {
                let ended = self.session(Job::Destroy, chapter.mishap).await;
                if is_broken_off(&ended) && chapter.then != Then::MoveOn {
                    self.session(Job::Destroy, chapter.again).await;
                }
            }
            Goal::Apply(spec) => {
                let Some(made) = self.plan(spec).await else { return };
                self.drift(&chapter.between);
                if let Some(misuse) = chapter.misuse {
                    self.misuse(misuse, &made).await;
                }
                let ended = self.session(Job::Apply(&made), chapter.mishap).await;
                if is_broken_off(&ended) {
                    match chapter.then {
                        Then::MoveOn => {}
                        Then::Resume => drop(self.session(Job::Apply(&made), chapter.again).await),
                        Then::Replan => {
                            if let Some(made) = self.plan(spec).await {
                                self.session(Job::Apply(&made), chapter.again).await;
                            }
                        }
                    }
                } else if matches!(ended, Some(Ok(_))) {
                    self.consumed = Some(made.clone());
                }
                let mut draft = made;
                draft.spec = "another plan from the same base".to_owned();
                self.unused = Some(draft);
            }
        }
    }

    /// Plans; nothing if the backend could not be asked.
    pub(crate) async fn plan(&mut self, spec: &Spec) -> Option<Plan> {
        let snapshot = match observe(&self.state, self.sim.as_ref(), DEPLOY, SITE, Depth::Nodes).await {
            Ok(snapshot) => snapshot,
            Err(_) => {
                self.figures.count("plans that could not be made");
                return None;
            }
        };
        let unknown = snapshot
            .nodes
            .values()
            .filter(|node| node.live == Machine::Unknown)
            .count();
        self.figures.add("nodes unknown at planning", unknown as u64);
        Some(spec.plan(&snapshot, &self.state.ledger(SITE).await.unwrap()))
    }

    fn drift(&mut self, drifts: &[Drift]) {
        for drift in drifts {
            self.figures.fault("drift", 1);
            let touched = self.sim.world(|world| {
                let pick = |which: u64| -> Option<Key> {
                    let keys: Vec<&Key> = world.machines.keys().collect();
                    (!keys.is_empty()).then(|| keys[which as usize % keys.len()].clone())
                };
                match *drift {
                    Drift::Removed(which) => {
                        let key = pick(which)?;
                        world.machines.remove(&key);
                        Some(key.1)
                    }
                    Drift::Stopped(which) => {
                        let key = pick(which)?;
                        world.machines.get_mut(&key)?.running = false;
                        Some(key.1)
                    }
                    Drift::Changed(which) => {
                        let key = pick(which)?;
                        let node = Arc::clone(&world.machines.get(&key)?.node);
                        let mut node = node.lock().unwrap();
                        *node.things.values_mut().next()? = "changed".into();
                        Some(key.1)
                    }
                    Drift::Taken(which) => {
                        world.foreign.insert(format!("machine/g0-{}", 1 + which % 5));
                        None
                    }
                }
            });
            self.oracle.touched.extend(touched);
        }
    }

    pub(crate) fn context(&self, gate: Option<Arc<Gate>>, full_at: Option<u64>) -> Context {
        let desk = Desk {
            sim: Arc::clone(&self.sim),
            gate: gate.clone(),
            seam: self.seam,
        };
        let mut context = Context::new(self.state.clone(), Arc::new(desk));
        let paper = Paper {
            sim: Arc::clone(&self.sim),
            gate,
            seam: self.seam,
            full_at,
            acknowledged: Arc::clone(&self.oracle.acknowledged),
        };
        context.journal = Some(paper.layer());
        context
    }

    /// One session of the program, with what goes wrong in it; then the oracle looks.
    pub(crate) async fn session(&mut self, job: Job<'_>, mishap: Mishap) -> Ended {
        self.figures.count("sessions");
        let before = self.objects();
        let ended = match tokio::time::timeout(LONGEST, self.carried_out(job, mishap)).await {
            Ok(ended) => ended,
            Err(_) => {
                self.violated("I9: a session does not end".to_owned());
                None
            }
        };
        if self.seam == Seam::LostLines {
            tokio::task::yield_now().await;
        }
        self.judge(job, &ended, &before);
        for violation in self.oracle.violations(&self.state, &self.sim).await {
            self.violated(violation);
        }
        ended
    }

    async fn carried_out(&mut self, job: Job<'_>, mishap: Mishap) -> Ended {
        match mishap {
            Mishap::None => Some(carry_out(job, &self.context(None, None)).await),
            Mishap::Kill(at, leaves) => {
                let moments = self.sim.moments();
                moments.end_at(moments.passed() + at, leaves);
                let context = self.context(None, None);
                let ended = tokio::select! {
                    biased;
                    ended = carry_out(job, &context) => Some(ended),
                    () = moments.ended() => None,
                };
                drop(context);
                // What was spawned goes when the runtime has seen it; a killed process takes no time for that.
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                moments.revive();
                if ended.is_none() {
                    self.figures.fault("kill", 1);
                }
                ended
            }
            Mishap::Cancel(at, twice) => {
                let gate = Gate::new(at, false);
                let context = self.context(Some(Arc::clone(&gate)), None);
                let cancel = context.cancel.clone();
                let work = carry_out(job, &context);
                tokio::pin!(work);
                let ended = tokio::select! {
                    biased;
                    ended = &mut work => ended,
                    () = gate.reached.notified() => {
                        self.figures.fault("ctrl-c", 1);
                        cancel.request();
                        if twice {
                            tokio::select! {
                                biased;
                                ended = &mut work => ended,
                                () = tokio::time::sleep(Duration::from_millis(at * 37 % 900)) => {
                                    cancel.request();
                                    work.await
                                }
                            }
                        } else {
                            work.await
                        }
                    }
                };
                Some(ended)
            }
            Mishap::Full(at) => {
                let ended = carry_out(job, &self.context(None, Some(at))).await;
                if matches!(ended, Err(ExecuteError::State(StateError::Full { .. }))) {
                    self.figures.fault("disk-full", 1);
                }
                Some(ended)
            }
            Mishap::Jump(at, minutes) => {
                let gate = Gate::new(at, false);
                let context = self.context(Some(Arc::clone(&gate)), None);
                let work = carry_out(job, &context);
                tokio::pin!(work);
                let ended = tokio::select! {
                    biased;
                    ended = &mut work => ended,
                    () = gate.reached.notified() => {
                        self.figures.fault("clock-jump", 1);
                        self.clock.jump(minutes * 60_000);
                        work.await
                    }
                };
                Some(ended)
            }
            Mishap::Paused(at) => self.paused(job, at).await,
        }
    }

    /// The program stands still; another host takes over when the lease has run out, and then the first goes on.
    async fn paused(&mut self, job: Job<'_>, at: u64) -> Ended {
        let gate = Gate::new(at, true);
        let context = self.context(Some(Arc::clone(&gate)), None);
        let work = carry_out(job, &context);
        tokio::pin!(work);
        let early = tokio::select! {
            biased;
            ended = &mut work => Some(ended),
            () = gate.reached.notified() => None,
        };
        if early.is_some() {
            return early;
        }
        self.figures.fault("paused-holder", 1);
        // The other host sees a lease that counts, until it has run out.
        let mut other = self.context(None, None);
        other.state = self.state.seen_from("host-2");
        let refused = carry_out(job, &other).await;
        if !matches!(refused, Err(ExecuteError::State(StateError::Leased { .. }))) {
            self.violated(format!(
                "I6: a lease in its term was not respected: {}",
                said(&refused)
            ));
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
        let taken = carry_out(job, &other).await;
        self.figures.count("leases taken over");
        gate.release();
        let late = work.await;
        let refused = matches!(
            late,
            Err(ExecuteError::State(
                StateError::LeaseLost { .. } | StateError::Refused(_)
            )) | Err(ExecuteError::Backend { .. })
        );
        if !refused {
            self.violated(format!(
                "I6: a holder that was replaced ended with: {}",
                said(&late)
            ));
        }
        Some(taken)
    }

    /// What is there, by operation.
    fn objects(&self) -> BTreeMap<String, String> {
        self.sim.world(|world| {
            let machines = world.machines.iter();
            let machines =
                machines.map(|(key, machine)| (format!("machine/{}", key.1), machine.operation.clone()));
            let networks = world.networks.iter();
            let networks =
                networks.map(|(key, network)| (format!("network/{}", key.1), network.operation.clone()));
            let foreign = world
                .foreign
                .iter()
                .map(|name| (format!("foreign {name}"), String::new()));
            machines.chain(networks).chain(foreign).collect()
        })
    }

    /// Checks what a session said and did.
    fn judge(&mut self, job: Job<'_>, ended: &Ended, before: &BTreeMap<String, String>) {
        let outcome = match ended {
            None => "killed",
            Some(Ok(outcome)) => match outcome.status {
                Status::Done => "done",
                Status::Failed => "failed",
                Status::Partial => "partial",
                Status::Interrupted => "interrupted",
                Status::Refused => "refused",
            },
            Some(Err(error)) => match error.status() {
                Status::Interrupted => "interrupted",
                Status::Refused => "refused",
                Status::Done | Status::Failed | Status::Partial => "halted",
            },
        };
        self.figures.count(&format!("sessions {outcome}"));
        match ended {
            Some(Err(ExecuteError::Malformed(why))) => self.violated(format!("I5: not well formed: {why}")),
            Some(Err(ExecuteError::State(error @ StateError::Contradiction { .. }))) => {
                self.violated(format!("I5: {error}"));
            }
            Some(Ok(outcome)) => {
                if let Some(defect) = outcome.failed.iter().find(|failure| failure.code == "E1208") {
                    self.violated(format!("I8: {}", defect.message));
                }
                if let Job::Apply(plan) = job {
                    for violation in cone::violations(plan, outcome) {
                        self.violated(violation);
                    }
                }
            }
            None | Some(Err(_)) => {}
        }
        let after = self.objects();
        for (name, operation) in before {
            if after.get(name) == Some(operation) {
                continue;
            }
            let planned = match job {
                _ if name.starts_with("foreign ") => false,
                Job::Destroy => true,
                Job::Apply(plan) => may_go(plan, name),
            };
            if !planned {
                self.violated(format!("I10: {name} is gone, and nobody planned that"));
            }
        }
    }

    /// Faults have stopped: a few applies must lead to what the spec says, and the next plan is empty.
    pub(crate) async fn converge(&mut self, goal: &Goal) {
        self.sim.set_faults(Faults::none());
        // What was on its way arrives; whoever was away is back.
        tokio::time::sleep(Duration::from_secs(900)).await;
        // Somebody clears up what is his, and says what became of commands that may run once.
        self.sim.world(|world| {
            world.foreign.clear();
            world.doomed.clear();
            for machine in world.machines.values() {
                machine.node.lock().unwrap().ambiguous.clear();
            }
        });
        match goal {
            Goal::Apply(spec) => self.converge_on(spec).await,
            Goal::Destroy => {
                let mut last = None;
                for _ in 0..ROUNDS {
                    last = self.session(Job::Destroy, Mishap::None).await;
                    let unknown = matches!(last, Some(Err(ExecuteError::UnknownDeploy(_))));
                    if self.sim.picture().is_empty() && (unknown || is_done(&last)) {
                        return;
                    }
                }
                let left = self.sim.picture().keys().cloned().collect::<Vec<_>>().join(" ");
                let said = last.as_ref().map_or("killed".to_owned(), said);
                self.violated(format!(
                    "I9: after {ROUNDS} destroys there is still: {left}; {said}"
                ));
            }
        }
    }

    async fn converge_on(&mut self, spec: &Spec) {
        let mut last = String::new();
        for round in 1..=ROUNDS {
            let Some(made) = self.plan(spec).await else {
                return self.violated("I9: without faults no plan could be made".to_owned());
            };
            let ended = self.session(Job::Apply(&made), Mishap::None).await;
            let Some(next) = self.plan(spec).await else { return };
            let (found, expected) = (comparable(self.sim.picture()), wanted(&made));
            if is_done(&ended) && plan::is_empty(&next) && found == expected {
                self.figures.count(&format!("converged in {round}"));
                return;
            }
            last = match &ended {
                ended if !is_done(ended) => ended.as_ref().map_or("killed".to_owned(), said),
                _ if found != expected => format!("I4: {}", differences(&found, &expected)),
                _ => format!("the next plan is not empty: {:?}", plan::counts(&next)),
            };
        }
        self.violated(format!(
            "I9: {ROUNDS} applies without faults do not suffice: {last}"
        ));
    }
}

async fn carry_out(job: Job<'_>, context: &Context) -> Result<Outcome, ExecuteError> {
    match job {
        Job::Apply(plan) => execute(plan, context).await,
        Job::Destroy => destroy(DEPLOY, context).await,
    }
}

fn is_done(ended: &Ended) -> bool {
    matches!(ended, Some(Ok(outcome)) if outcome.status == Status::Done)
}

/// Whether the run is still open, as far as one can see from outside.
fn is_broken_off(ended: &Ended) -> bool {
    match ended {
        None | Some(Err(_)) => true,
        Some(Ok(outcome)) => outcome.status == Status::Interrupted,
    }
}

/// How a session ended, for people.
pub(crate) fn said(ended: &Result<Outcome, ExecuteError>) -> String {
    match ended {
        Err(error) => format!("{} {error}", error.code()),
        Ok(outcome) => match outcome.failed.first() {
            None => format!("{:?}", outcome.status).to_lowercase(),
            Some(failure) => format!("{:?}: {} {}", outcome.status, failure.subject(), failure.message),
        },
    }
}

/// Whether the plan says that an object goes, or that something else is to be in its place.
fn may_go(plan: &Plan, name: &str) -> bool {
    let stays = |verb: &ObjectVerb| matches!(verb, ObjectVerb::Keep | ObjectVerb::Start);
    match name.split_once('/') {
        Some(("machine", name)) => !plan
            .nodes
            .iter()
            .any(|row| row.name == name && stays(&row.machine)),
        Some((_, name)) => !plan
            .networks
            .get(name)
            .is_some_and(|network| stays(&network.verb)),
        None => false,
    }
}

/// A fault that strikes with certainty.
pub(crate) fn doom(course: &Course, fault: Fault, about: &str) {
    course.sim.doom(fault, about, 1);
}
