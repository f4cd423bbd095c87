//! What stands on a simulated node, and the agent's protocol answered from it: what is done is kept under its
//! operation, a newer writer shuts out an older one, one agent is at work at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rebar_agent::protocol::{
    Event, FailureClass, Observation, OperationState, PROTOCOL, PlannedStep, Prior, Request, Step, Verb,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::Sim;
use super::faults::Fault;
use super::world::Key;
use crate::backend::Process;

/// A node's own memory. It survives reboots.
#[derive(Debug, Default)]
pub struct Node {
    /// What stands, by kind and key.
    pub things: BTreeMap<String, serde_json::Value>,
    /// What was there before, of what we changed.
    pub prior: BTreeMap<String, Prior>,
    /// Its journal: the last word on each operation.
    pub operations: BTreeMap<String, OperationState>,
    /// Commands that may run once and were broken off.
    pub ambiguous: BTreeSet<String>,
    /// How often each operation has had its effect.
    pub effects: BTreeMap<String, u32>,
    /// Whether an agent is at work.
    pub busy: bool,
    /// The newest writer's epoch.
    pub epoch: u64,
    /// The deploy that it belongs to.
    pub deploy: Option<String>,
    /// How often it was started.
    pub boots: u64,
    /// The networks that it is on.
    pub networks: BTreeSet<String>,
}

impl Node {
    pub(super) fn on(networks: BTreeSet<String>) -> Node {
        Node {
            networks,
            ..Node::default()
        }
    }
}

/// What a step is about.
pub(super) fn thing(step: &Step) -> String {
    format!("{} {}", step.action, step.key)
}

/// The line broke, or the agent is gone.
struct Broken;

/// Answers one request on the other end of a pipe.
pub(super) fn serve(sim: Arc<Sim>, key: Key, node: Arc<Mutex<Node>>) -> Process {
    let (input, mut requests) = tokio::io::duplex(1 << 20);
    let (answers, output) = tokio::io::duplex(1 << 20);
    let (tell, exit) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut line = String::new();
        let read = BufReader::new(&mut requests).read_line(&mut line).await;
        let request = read
            .ok()
            .and_then(|_| serde_json::from_str::<Request>(&line).ok());
        if let Some(request) = request {
            let about = format!("{}/agent", key.1);
            let breaks = sim.strikes(Fault::LineBreaks, &about);
            let left = breaks.then(|| 1 + sim.drawn("line", &about, 6));
            let agent = Agent {
                sim,
                name: key.1.clone(),
                key,
                node,
            };
            let mut out = Out { answers, left };
            // A broken line ends the agent, as on a real node.
            drop(agent.answer(request, &mut out).await);
        }
        // Whoever asked may be gone.
        let _ = tell.send(0);
    });
    Process {
        input: Box::pin(input),
        output: Box::pin(output),
        errors: Box::pin(tokio::io::empty()),
        exit: Box::pin(async move { Ok(exit.await.unwrap_or(137)) }),
    }
}

struct Out {
    answers: DuplexStream,
    /// After so many events the line breaks.
    left: Option<u64>,
}

impl Out {
    async fn say(&mut self, event: &Event) -> Result<(), Broken> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return Err(Broken);
            }
            *left -= 1;
        }
        let mut text = serde_json::to_vec(event).map_err(|_| Broken)?;
        text.push(b'\n');
        self.answers.write_all(&text).await.map_err(|_| Broken)
    }
}

struct Agent {
    sim: Arc<Sim>,
    key: Key,
    name: String,
    node: Arc<Mutex<Node>>,
}

impl Agent {
    fn node(&self) -> MutexGuard<'_, Node> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request, out: &mut Out) -> Result<(), Broken> {
        out.say(&Event::Hello {
            protocol: PROTOCOL,
            version: "sim".to_owned(),
        })
        .await?;
        match request {
            Request::Apply {
                deploy, epoch, steps, ..
            } => match self.admit(deploy, epoch) {
                Ok(()) => {
                    let done = self.apply(steps, out).await;
                    self.node().busy = false;
                    done?;
                }
                Err(refused) => out.say(&refused).await?,
            },
            Request::Observe { steps, .. } => {
                for step in steps {
                    let state = self.observe(&step);
                    let address = step.address;
                    out.say(&Event::Observed { address, state }).await?;
                }
            }
            Request::Probe { operations, .. } => {
                for operation in operations {
                    let state = self.look_up(&operation);
                    out.say(&Event::Operation { operation, state }).await?;
                }
            }
            // Nothing here runs only once.
            Request::Settle { deploy, epoch, .. } => match self.admit(deploy, epoch) {
                Ok(()) => self.node().busy = false,
                Err(refused) => out.say(&refused).await?,
            },
            Request::Facts { .. } => {
                let boot = serde_json::Value::from(self.node().boots);
                let facts = BTreeMap::from([("boot_id".to_owned(), boot)]);
                out.say(&Event::Facts { facts }).await?;
            }
        }
        out.say(&Event::End).await
    }

    /// Lets in the node's own deploy with the newest epoch, one at a time.
    fn admit(&self, deploy: String, epoch: u64) -> Result<(), Event> {
        let refused = |code: &str, message: String| Event::Refused {
            code: code.to_owned(),
            message,
        };
        let mut node = self.node();
        if node.deploy.as_ref().is_some_and(|owner| *owner != deploy) {
            return Err(refused("E1303", "this node belongs to another deploy".to_owned()));
        }
        if node.busy {
            return Err(refused(
                "E1305",
                "another agent is at work on this node".to_owned(),
            ));
        }
        if epoch < node.epoch && self.sim.fences() {
            let message = format!(
                "this node has been changed by a newer writer (epoch {})",
                node.epoch
            );
            return Err(refused("E1304", message));
        }
        if epoch < node.epoch {
            let message = format!(
                "I6: epoch {epoch} changed {} after epoch {}",
                self.name, node.epoch
            );
            self.sim.world(|world| world.violations.push(message));
        }
        node.deploy = Some(deploy);
        node.epoch = node.epoch.max(epoch);
        node.busy = true;
        Ok(())
    }

    fn observe(&self, step: &Step) -> Observation {
        let found = self.node().things.get(&thing(step)).cloned();
        let wanted = wanted(step);
        let differs = |what: &str| Observation::Differs {
            what: what.to_owned(),
        };
        match found {
            Some(found) if found == wanted => Observation::InSync,
            Some(_) => differs("content differs"),
            None => differs("is gone"),
        }
    }

    fn look_up(&self, operation: &str) -> OperationState {
        if !self.sim.remembers() {
            return OperationState::Unseen;
        }
        let node = self.node();
        match node.operations.get(operation) {
            Some(OperationState::Running) if !node.busy => OperationState::Broken,
            Some(state) => state.clone(),
            None => OperationState::Unseen,
        }
    }

    async fn apply(&self, steps: Vec<PlannedStep>, out: &mut Out) -> Result<(), Broken> {
        for planned in steps {
            if !self.step(planned, out).await? {
                break;
            }
        }
        Ok(())
    }

    /// Carries out one step; `false` if it failed.
    async fn step(&self, planned: PlannedStep, out: &mut Out) -> Result<bool, Broken> {
        let PlannedStep {
            operation,
            verb,
            step,
        } = planned;
        let subject = format!("{}/{}", self.name, step.address);
        let known = self.node().operations.get(&operation).cloned();
        let known = known.filter(|_| self.sim.remembers());
        if let Some(OperationState::Done {
            changed,
            prior,
            outputs,
        }) = known
            && (verb == Verb::Remove || self.observe(&step) == Observation::InSync)
        {
            out.say(&done(operation, changed, prior, outputs)).await?;
            return Ok(true);
        }
        let once = step.fields.get("once") == Some(&serde_json::Value::Bool(true));
        if once && self.node().ambiguous.contains(&thing(&step)) {
            let message = "it was broken off, and may run only once".to_owned();
            self.fail(out, operation, FailureClass::Ambiguous, message)
                .await?;
            return Ok(false);
        }
        self.note(&operation, OperationState::Running);
        self.sim.log(|| format!("begin {subject}"));
        // The step in hand is finished before a broken line ends the agent.
        let started = out
            .say(&Event::Started {
                operation: operation.clone(),
            })
            .await;
        let what = match verb {
            Verb::Ensure => format!("step {} {}", step.action, step.address),
            Verb::Remove => format!("removal {}", step.action),
        };
        self.sim.take_time(&what, &subject).await;
        if self.sim.strikes(Fault::AgentKilled, &subject) {
            return self.broken_off(&step, once, &subject);
        }
        if self.sim.strikes(Fault::Reboot, &subject) {
            self.node().boots += 1;
            self.sim.away(&self.key);
            return self.broken_off(&step, once, &subject);
        }
        for (fault, class) in [
            (Fault::StepBusy, FailureClass::Transient),
            (Fault::StepFails, FailureClass::Terminal),
        ] {
            if self.sim.strikes(fault, &subject) {
                self.sim.log(|| format!("fail {subject}"));
                let message = fault.meaning().to_owned();
                self.note(
                    &operation,
                    OperationState::Failed {
                        message: message.clone(),
                    },
                );
                started?;
                self.say_failed(out, operation, class, message).await?;
                return Ok(false);
            }
        }
        let (changed, prior) = self.change(&operation, verb, &step);
        let outputs = self.found_out(verb, &step);
        self.note(
            &operation,
            OperationState::Done {
                changed,
                prior,
                outputs: outputs.clone(),
            },
        );
        self.sim.log(|| format!("end {subject}"));
        started?;
        let told = done(operation, changed, prior, outputs);
        out.say(&told).await?;
        if self.sim.strikes(Fault::Duplicated, &subject) {
            out.say(&told).await?;
        }
        Ok(true)
    }

    /// The agent dies inside the step: its effect may be there, its end is not in the journal.
    fn broken_off(&self, step: &Step, once: bool, subject: &str) -> Result<bool, Broken> {
        let effect = self.sim.drawn("killed", subject, 2) == 1;
        let mut node = self.node();
        if effect {
            let wanted = wanted(step);
            node.things.insert(thing(step), wanted);
        }
        if once {
            node.ambiguous.insert(thing(step));
        }
        drop(node);
        self.sim.log(|| format!("killed {subject}"));
        Err(Broken)
    }

    fn change(&self, operation: &str, verb: Verb, step: &Step) -> (bool, Prior) {
        let mut node = self.node();
        *node.effects.entry(operation.to_owned()).or_default() += 1;
        match verb {
            Verb::Ensure => {
                let wanted = wanted(step);
                let before = node.things.insert(thing(step), wanted.clone());
                (before != Some(wanted), Prior::Absent)
            }
            Verb::Remove => (node.things.remove(&thing(step)).is_some(), Prior::Absent),
        }
    }

    /// What a step finds out: the same whenever it looks.
    fn found_out(&self, verb: Verb, step: &Step) -> BTreeMap<String, serde_json::Value> {
        match (verb, step.action.as_str()) {
            (Verb::Ensure, "capture") => {
                let text = format!("{} of {}", step.key, self.name);
                BTreeMap::from([("text".to_owned(), text.into())])
            }
            _ => BTreeMap::new(),
        }
    }

    async fn fail(
        &self,
        out: &mut Out,
        operation: String,
        class: FailureClass,
        message: String,
    ) -> Result<(), Broken> {
        self.note(
            &operation,
            OperationState::Failed {
                message: message.clone(),
            },
        );
        self.say_failed(out, operation, class, message).await
    }

    async fn say_failed(
        &self,
        out: &mut Out,
        operation: String,
        class: FailureClass,
        message: String,
    ) -> Result<(), Broken> {
        let detail = String::new();
        out.say(&Event::Failed {
            operation,
            class,
            message,
            detail,
        })
        .await
    }

    fn note(&self, operation: &str, state: OperationState) {
        self.node().operations.insert(operation.to_owned(), state);
    }
}

fn done(
    operation: String,
    changed: bool,
    prior: Prior,
    outputs: BTreeMap<String, serde_json::Value>,
) -> Event {
    Event::Done {
        operation,
        changed,
        note: "simulated".to_owned(),
        prior,
        outputs,
    }
}

/// What a step wants, without its secrets: it is not sent them when it only looks.
fn wanted(step: &Step) -> serde_json::Value {
    let shown = step.fields.iter().filter(|(name, _)| !step.secret.contains(name));
    serde_json::to_value(shown.collect::<BTreeMap<_, _>>()).unwrap_or_default()
}
