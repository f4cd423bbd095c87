//! The jobs that may begin, and what those that go on hold: the limits.
//!
//! A job takes all that it needs or nothing. One that has to wait stops no other, except that nobody overtakes it to
//! what it waits for: of a failure domain's places, the jobs with the best ranks get them. So none starves.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Slot;

/// How much goes on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Lanes in all.
    pub(super) lanes: usize,
    /// Machines and networks that are made or destroyed.
    pub(super) objects: usize,
    /// Jobs on nodes of one failure domain, if that is limited.
    pub(super) per_domain: Option<usize>,
}

/// What a job takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) slot: Slot,
    /// Of each node one job at a time.
    pub(super) node: Option<String>,
    /// Its failure domain, if that is limited.
    pub(super) domain: Option<String>,
}

#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    needs: Vec<Need>,
    /// Job by rank, and rank by job.
    order: Vec<usize>,
    ranks: Vec<usize>,
    /// Ranks of jobs that may begin, by what they count against.
    ready: BTreeMap<Slot, BTreeSet<usize>>,
    /// The same by failure domain.
    by_domain: BTreeMap<String, BTreeSet<usize>>,
    /// Ranks of jobs that wait for a node.
    parked: BTreeMap<String, Vec<usize>>,
    /// Which job works on each node.
    nodes: BTreeMap<String, usize>,
    taken: BTreeMap<Slot, usize>,
    in_domain: BTreeMap<String, usize>,
    /// Whether each job holds a slot now.
    seated: Vec<bool>,
}

impl Queue {
    /// `ranks` gives each job its place in the order of preference, each place once.
    pub(super) fn new(limits: Limits, needs: Vec<Need>, ranks: Vec<usize>) -> Queue {
        let mut order = vec![0; ranks.len()];
        for (job, rank) in ranks.iter().enumerate() {
            order[*rank] = job;
        }
        Queue {
            limits,
            seated: vec![false; needs.len()],
            needs,
            order,
            ranks,
            ready: BTreeMap::new(),
            by_domain: BTreeMap::new(),
            parked: BTreeMap::new(),
            nodes: BTreeMap::new(),
            taken: BTreeMap::new(),
            in_domain: BTreeMap::new(),
        }
    }

    /// A job may begin, or go on.
    pub(super) fn add(&mut self, job: usize) {
        let rank = self.ranks[job];
        let need = &self.needs[job];
        self.ready.entry(need.slot).or_default().insert(rank);
        if let Some(domain) = &need.domain {
            self.by_domain.entry(domain.clone()).or_default().insert(rank);
        }
    }

    /// The best job for which there is room; it has taken what it needs.
    pub(super) fn next(&mut self) -> Option<usize> {
        let best = [Slot::Free, Slot::Object, Slot::Lane]
            .into_iter()
            .filter_map(|slot| self.best(slot))
            .min()?;
        let job = self.order[best];
        self.unqueue(best);
        let need = &self.needs[job];
        *self.taken.entry(need.slot).or_default() += 1;
        if let Some(domain) = &need.domain {
            *self.in_domain.entry(domain.clone()).or_default() += 1;
        }
        if let Some(node) = &need.node {
            self.nodes.insert(node.clone(), job);
        }
        self.seated[job] = true;
        Some(job)
    }

    /// A job only waits: what it holds goes to others, but for its node.
    pub(super) fn leave(&mut self, job: usize) {
        if !std::mem::take(&mut self.seated[job]) {
            return;
        }
        let need = &self.needs[job];
        if let Some(taken) = self.taken.get_mut(&need.slot) {
            *taken = taken.saturating_sub(1);
        }
        if let Some(taken) = need.domain.as_ref().and_then(|d| self.in_domain.get_mut(d)) {
            *taken = taken.saturating_sub(1);
        }
    }

    /// A job has ended.
    pub(super) fn end(&mut self, job: usize) {
        self.leave(job);
        // One that was to go on, and was ended instead.
        self.unqueue(self.ranks[job]);
        let Some(node) = self.needs[job].node.clone() else {
            return;
        };
        if self.nodes.get(&node) == Some(&job) {
            self.nodes.remove(&node);
            for rank in self.parked.remove(&node).unwrap_or_default() {
                self.add(self.order[rank]);
            }
        }
    }

    fn unqueue(&mut self, rank: usize) {
        let need = &self.needs[self.order[rank]];
        if let Some(ready) = self.ready.get_mut(&need.slot) {
            ready.remove(&rank);
        }
        if let Some(waiting) = need.domain.as_ref().and_then(|d| self.by_domain.get_mut(d)) {
            waiting.remove(&rank);
        }
    }

    /// The best rank of those that count against `slot`, if there is room for any.
    fn best(&mut self, slot: Slot) -> Option<usize> {
        let limit = match slot {
            Slot::Lane => self.limits.lanes.max(1),
            Slot::Object => self.limits.objects.max(1),
            Slot::Free => usize::MAX,
        };
        if self.taken.get(&slot).copied().unwrap_or(0) >= limit {
            return None;
        }
        let mut from = 0;
        while let Some(rank) = self
            .ready
            .get(&slot)
            .and_then(|r| r.range(from..).next().copied())
        {
            from = rank + 1;
            let job = self.order[rank];
            let need = &self.needs[job];
            let holder = need.node.as_ref().and_then(|node| self.nodes.get(node));
            if holder.is_some_and(|holder| *holder != job) {
                // It comes back when the node is free, and until then stands in nobody's way.
                let node = need.node.clone().unwrap_or_default();
                self.unqueue(rank);
                self.parked.entry(node).or_default().push(rank);
            } else if self.domain_has_room(need, rank) {
                return Some(rank);
            }
        }
        None
    }

    /// Whether the job of this rank is among those to which its failure domain's free places belong.
    fn domain_has_room(&self, need: &Need, rank: usize) -> bool {
        let (Some(limit), Some(domain)) = (self.limits.per_domain, &need.domain) else {
            return true;
        };
        let free = limit
            .max(1)
            .saturating_sub(self.in_domain.get(domain).copied().unwrap_or(0));
        let waiting = self.by_domain.get(domain);
        waiting.is_some_and(|waiting| waiting.iter().take(free).any(|first| *first == rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(slot: Slot, node: &str, domain: &str) -> Need {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Need {
            slot,
            node: some(node),
            domain: some(domain),
        }
    }

    fn queue(lanes: usize, objects: usize, per_domain: Option<usize>, needs: Vec<Need>) -> Queue {
        let limits = Limits {
            lanes,
            objects,
            per_domain,
        };
        let ranks = (0..needs.len()).collect();
        let mut queue = Queue::new(limits, needs, ranks);
        for job in 0..queue.needs.len() {
            queue.add(job);
        }
        queue
    }

    fn all(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn a_job_that_waits_for_a_limit_does_not_stop_others() {
        let lane = |node| need(Slot::Lane, node, "");
        let needs = vec![
            lane("a"),
            lane("b"),
            need(Slot::Object, "c", ""),
            need(Slot::Free, "", ""),
        ];
        let mut queue = queue(1, 1, None, needs);
        assert_eq!(all(&mut queue), [0, 2, 3]);
        queue.end(0);
        assert_eq!(all(&mut queue), [1]);
    }

    #[test]
    fn of_each_node_one_job_at_a_time_whatever_it_is() {
        let needs = vec![
            need(Slot::Object, "a", ""),
            need(Slot::Lane, "a", ""),
            need(Slot::Lane, "a", ""),
            need(Slot::Lane, "b", ""),
        ];
        let mut queue = queue(9, 9, None, needs);
        assert_eq!(all(&mut queue), [0, 3]);
        // One that only waits keeps its node.
        queue.leave(0);
        assert!(all(&mut queue).is_empty());
        queue.add(0);
        assert_eq!(all(&mut queue), [0]);
        queue.end(0);
        assert_eq!(all(&mut queue), [1]);
        queue.end(1);
        assert_eq!(all(&mut queue), [2]);
    }

    #[test]
    fn a_domain_takes_no_more_than_its_limit_and_nobody_overtakes_to_it() {
        let needs = vec![
            need(Slot::Lane, "x", ""),
            need(Slot::Lane, "a", "rack"),
            need(Slot::Object, "b", "rack"),
            need(Slot::Object, "c", "rack"),
        ];
        let mut queue = queue(1, 9, Some(1), needs);
        // The lane of job 1 is taken, and yet the place in the domain is kept for it.
        assert_eq!(all(&mut queue), [0]);
        queue.end(0);
        assert_eq!(all(&mut queue), [1]);
        queue.leave(1);
        assert_eq!(all(&mut queue), [2], "who waits keeps nothing but its node");
        queue.add(1);
        assert!(all(&mut queue).is_empty());
        queue.end(2);
        assert_eq!(all(&mut queue), [1], "and comes back in its old place");
        queue.end(1);
        assert_eq!(all(&mut queue), [3]);
    }

    #[test]
    fn what_ended_holds_nothing() {
        let needs = vec![need(Slot::Lane, "a", "rack"), need(Slot::Lane, "b", "rack")];
        let mut queue = queue(1, 1, Some(1), needs);
        assert_eq!(all(&mut queue), [0]);
        queue.leave(0);
        queue.leave(0);
        queue.end(0);
        assert_eq!(all(&mut queue), [1]);
        queue.end(1);
        assert!(
            queue
                .taken
                .values()
                .chain(queue.in_domain.values())
                .all(|held| *held == 0)
        );
        assert!(queue.nodes.is_empty() && queue.parked.is_empty());
    }
}
