//! Rollouts while they go on: who is away, who may go next, and whether anybody may.
//!
//! A change of a serving node takes it away from its beginning until the run is done on it, and has been looked at
//! where it settles. What failed stays away; so does what was down before, until it has come back. All limits of a
//! group are held against the same account, whichever run a change belongs to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rebar_compiler::plan::{Plan, Rollout};

use super::graph::{Graph, RolloutJobs, Standing};
use super::outcome::Failure;

/// So many of the first failures are named as a cause.
const NAMED: usize = 3;

/// Whether a job may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now.
    Now,
    /// Not as long as others are away.
    Wait,
    /// Not at all: what failed.
    Never(String),
}

/// Why a member does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Away {
    /// It has never served: no limit of changes counts it, but a quorum does.
    New,
    /// It is being changed, or was down before.
    Gone,
    /// This failed on it.
    Failed(String),
}

/// The members of one group that do not serve.
#[derive(Debug, Default)]
struct Account {
    members: usize,
    away: BTreeMap<String, Away>,
    domains: BTreeMap<String, String>,
}

impl Account {
    /// How many serving nodes are away from the domain of `node`.
    fn unavailable(&self, node: &str) -> usize {
        let domain = self.domains.get(node);
        let gone = self.away.iter().filter(|(_, away)| **away != Away::New);
        gone.filter(|(name, _)| self.domains.get(*name) == domain).count()
    }

    fn serving(&self) -> usize {
        self.members.saturating_sub(self.away.len())
    }

    /// Whether one more may go.
    fn allows(&self, limits: &Rollout, node: &str) -> bool {
        let most = limits.max_unavailable.map_or(usize::MAX, |most| most as usize);
        let quorum = limits.quorum.map_or(0, |quorum| quorum as usize);
        // Who is away already takes nothing more away.
        self.away.contains_key(node) || self.unavailable(node) < most && self.serving() > quorum
    }
}

/// All rollouts of a run.
pub(super) struct Rollouts<'a> {
    rollouts: &'a [RolloutJobs],
    accounts: HashMap<&'a str, Account>,
    /// By the job that begins a change, that ends one, or that brings a node back: its rollout and its node.
    begins: HashMap<usize, (usize, &'a str)>,
    ends: HashMap<usize, (usize, &'a str)>,
    back: HashMap<usize, (usize, &'a str)>,
    barriers: HashMap<usize, usize>,
    /// Changes that have begun.
    begun: BTreeSet<(usize, &'a str)>,
    /// By rollout, the nodes that failed in it and what failed, in that order.
    failed: Vec<Vec<(String, String)>>,
}

impl<'a> Rollouts<'a> {
    /// Who is away before anything has begun.
    pub(super) fn new(graph: &'a Graph, plan: &'a Plan, standing: &Standing) -> Rollouts<'a> {
        let rollouts = graph.rollouts.as_slice();
        let mut accounts: HashMap<&str, Account> = HashMap::new();
        let (mut begins, mut ends, mut back) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut barriers = HashMap::new();
        for (index, rollout) in rollouts.iter().enumerate() {
            let account = accounts.entry(&rollout.group).or_insert_with(|| {
                let group = plan.groups.get(&rollout.group);
                Account {
                    members: group.map_or(0, |group| group.nodes.len()),
                    away: BTreeMap::new(),
                    domains: group.map(|group| group.domains.clone()).unwrap_or_default(),
                }
            });
            for (node, begin, end) in &rollout.changes {
                begins.insert(*begin, (index, node.as_str()));
                ends.insert(*end, (index, node.as_str()));
                if standing.replaced.contains(node) || standing.begun.contains(node) {
                    account.away.insert(node.clone(), Away::Gone);
                }
            }
            for (node, job) in &rollout.coming {
                let known = standing.served.contains_key(node);
                // A node on which there is nothing to do for a new run serves as before.
                if known && !standing.down.contains(node) {
                    continue;
                }
                let away = if known { Away::Gone } else { Away::New };
                account.away.entry(node.clone()).or_insert(away);
                if let Some(job) = job {
                    back.insert(*job, (index, node.as_str()));
                }
            }
            barriers.extend(rollout.barriers.iter().map(|barrier| (*barrier, index)));
        }
        Rollouts {
            rollouts,
            accounts,
            begins,
            ends,
            back,
            barriers,
            begun: BTreeSet::new(),
            failed: vec![Vec::new(); rollouts.len()],
        }
    }

    /// Whether a job that waits for nothing else may begin. When it may, it is taken for begun.
    pub(super) fn turn(&mut self, job: usize) -> Turn {
        if let Some(index) = self.barriers.get(&job) {
            return self.spent(*index).map_or(Turn::Now, Turn::Never);
        }
        let Some((index, node)) = self.begins.get(&job).copied() else {
            return Turn::Now;
        };
        if let Some(cause) = self.spent(index) {
            return Turn::Never(cause);
        }
        let rollout = &self.rollouts[index];
        let Some(account) = self.accounts.get_mut(rollout.group.as_str()) else {
            return Turn::Now;
        };
        if !account.allows(&rollout.limits, node) {
            return Turn::Wait;
        }
        account.away.entry(node.to_owned()).or_insert(Away::Gone);
        self.begun.insert((index, node));
        Turn::Now
    }

    /// What the budget was spent on, when it is. A run that sets no pace has none.
    fn spent(&self, index: usize) -> Option<String> {
        let limits = &self.rollouts[index].limits;
        let paced = limits.canary.is_some() || limits.batch.is_some() || limits.max_unavailable.is_some();
        let budget = limits.error_budget.or(paced.then_some(0))? as usize;
        let failed = &self.failed[index];
        (failed.len() > budget).then(|| causes(failed.iter().map(|(_, cause)| cause.as_str())))
    }

    /// Takes note of a job that ended; `failed` says what failed. `true` if others may have come to their turn.
    pub(super) fn ended(&mut self, job: usize, failed: Option<&str>) -> bool {
        let mut known = false;
        if let Some((index, node)) = self.back.get(&job).copied() {
            self.back_again(index, node, failed);
            known = true;
        }
        if let Some((index, node)) = self.ends.get(&job).copied() {
            let begun = self.begun.contains(&(index, node));
            match failed {
                Some(cause) if begun || concerns(cause, node) => {
                    self.failed[index].push((node.to_owned(), cause.to_owned()));
                    self.back_again(index, node, failed);
                }
                // What it waits for failed elsewhere: it serves as before.
                Some(_) => {}
                None => self.back_again(index, node, None),
            }
            known = true;
        }
        known
    }

    fn back_again(&mut self, index: usize, node: &str, failed: Option<&str>) {
        let Some(account) = self.accounts.get_mut(self.rollouts[index].group.as_str()) else {
            return;
        };
        match failed {
            None => {
                account.away.remove(node);
            }
            Some(cause) => {
                let away = Away::Failed(cause.to_owned());
                account.away.insert(node.to_owned(), away);
            }
        }
    }

    /// Why a job that waits for its turn will never have it, when nothing goes on any more: what failed, or a
    /// failure to tell where nothing did.
    pub(super) fn stuck(&self, job: usize) -> (String, Option<Failure>) {
        let Some((index, node)) = self.begins.get(&job).copied() else {
            return (String::new(), None);
        };
        let rollout = &self.rollouts[index];
        let away = self
            .accounts
            .get(rollout.group.as_str())
            .map(|account| &account.away);
        let away = away.into_iter().flatten().filter(|(name, _)| *name != node);
        let (mut failed, mut names) = (Vec::new(), Vec::new());
        for (name, why) in away {
            match why {
                Away::Failed(cause) => failed.push(cause.as_str()),
                Away::New | Away::Gone => names.push(name.as_str()),
            }
        }
        if !failed.is_empty() {
            return (causes(failed.into_iter()), None);
        }
        let subject = format!("rollout/{}", rollout.run);
        let limit = match (rollout.limits.quorum, rollout.limits.max_unavailable) {
            (Some(quorum), _) => format!("{quorum} members of `{}` must serve", rollout.group),
            (None, most) => format!("only {} of `{}` may be away", most.unwrap_or(0), rollout.group),
        };
        let failure = Failure {
            node: subject.clone(),
            step: None,
            message: format!("{limit}, and these are down: {}", causes(names.into_iter())),
            detail: String::new(),
            help: Some(
                "bring them back (plan and apply start stopped machines), then apply again".to_owned(),
            ),
            code: "E1221".to_owned(),
        };
        (subject, Some(failure))
    }
}

/// Whether what failed is of this node: `web-1`, `machine/web-1`, `web-1/pages.page`.
fn concerns(cause: &str, node: &str) -> bool {
    let name = cause.strip_prefix("machine/").unwrap_or(cause);
    name.split('/').next() == Some(node)
}

/// The first of many, in words.
fn causes<'c>(all: impl Iterator<Item = &'c str>) -> String {
    let all: Vec<&str> = all.collect();
    let mut text = all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text.push_str(&format!(" and {} more", all.len() - NAMED));
    }
    text
}
