//! I7: plans that must be refused, and change nothing.

use std::sync::Arc;

use rebar_compiler::plan::Plan;
use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{ExecuteError, execute};
use rebar_runtime::plan_file::{self, PlanFileError};
use rebar_runtime::state::{State, StateError};

use crate::course::{Course, said};
use crate::spec::DEPLOY;
use crate::story::Misuse;

impl Course {
    /// Does something with plans that nobody should; `fresh` has just been made.
    pub(crate) async fn misuse(&mut self, misuse: Misuse, fresh: &Plan) {
        let (world, lines) = (self.sim.picture(), self.lines().await);
        let mut context = self.context(None, None);
        let ended = match misuse {
            Misuse::Consumed => match self.consumed.clone() {
                Some(plan) => execute(&plan, &context).await,
                None => return,
            },
            Misuse::Stale => match self.unused.clone() {
                Some(plan) if plan.base.serial < fresh.base.serial => execute(&plan, &context).await,
                Some(_) | None => return,
            },
            Misuse::Elsewhere => {
                if fresh.base.deploy_id.is_none() {
                    return;
                }
                context.state = State::in_memory(Arc::new(SimClock::new(0)), 4711).unwrap();
                execute(fresh, &context).await
            }
            Misuse::Edited => return self.edited(fresh),
        };
        self.figures.count("plans misused");
        // A run that was broken off may be gone on with by its own plan: that is no misuse.
        let refused = matches!(&ended, Err(ExecuteError::State(StateError::Refused(_))));
        let changed = self.sim.picture() != world || self.lines().await != lines;
        if !refused || changed {
            let more = if changed {
                ", and something was changed"
            } else {
                ""
            };
            self.violated(format!("I7: {misuse:?} plan: {}{more}", said(&ended)));
        }
    }

    fn edited(&mut self, plan: &Plan) {
        self.figures.count("plans misused");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        plan_file::write(&path, plan).unwrap();
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"cpu\": 1", "\"cpu\": 64");
        std::fs::write(&path, text).unwrap();
        if !matches!(plan_file::read(&path), Err(PlanFileError::Edited { .. })) {
            self.violated("I7: a plan that was edited was read".to_owned());
        }
    }

    async fn lines(&self) -> usize {
        let mut lines = 0;
        for run in self.state.runs(DEPLOY, 10_000).await.unwrap() {
            lines += 1 + self.state.lines(&run.id).await.unwrap().len();
        }
        lines
    }
}
