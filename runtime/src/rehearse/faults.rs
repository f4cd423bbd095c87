//! What goes wrong in rehearsals: the faults of the simulated world, and the death of the program itself.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::backends::sim::{Fault, Faults};

/// The name of the fault that the program itself is killed.
pub const KILLED: &str = "controller-killed";

/// How often things go wrong unless something else is asked for: a bad day on machines that mostly work. Each is a
/// share of the occasions at which it can happen (a call, a step, a conversation with a node).
const USUAL: [(Fault, f64); 13] = [
    (Fault::Refused, 0.01),
    (Fault::Busy, 0.01),
    (Fault::TimedOut, 0.005),
    (Fault::AnswerLost, 0.005),
    (Fault::Half, 0.005),
    (Fault::Slow, 0.01),
    (Fault::Unreachable, 0.01),
    (Fault::LineBreaks, 0.01),
    (Fault::AgentKilled, 0.002),
    (Fault::Reboot, 0.002),
    (Fault::StepBusy, 0.01),
    (Fault::Duplicated, 0.005),
    (Fault::StaleListing, 0.01),
];

/// So many of the runs lose their program.
const USUAL_KILLS: f64 = 0.05;

/// Faults with their rates.
#[derive(Debug, Clone, PartialEq)]
pub struct RehearsedFaults {
    /// Those of the world.
    pub world: Faults,
    /// In which share of the runs the program is killed, at a moment of its first apply.
    pub killed: f64,
}

impl RehearsedFaults {
    /// Nothing goes wrong.
    pub fn none() -> RehearsedFaults {
        RehearsedFaults {
            world: Faults::none(),
            killed: 0.0,
        }
    }

    /// What goes wrong unless something else is asked for.
    pub fn usual() -> RehearsedFaults {
        let rates = BTreeMap::from(USUAL);
        RehearsedFaults {
            world: Faults { rates, until: None },
            killed: USUAL_KILLS,
        }
    }

    /// The same, and the program lives.
    pub(super) fn without_kills(&self) -> RehearsedFaults {
        RehearsedFaults {
            killed: 0.0,
            ..self.clone()
        }
    }

    /// All rates by name.
    pub fn rates(&self) -> BTreeMap<String, f64> {
        let rates = self.world.rates.iter();
        let rates = rates.map(|(fault, rate)| (fault.name().to_owned(), *rate));
        let killed = (KILLED.to_owned(), self.killed);
        rates.chain([killed]).filter(|(_, rate)| *rate > 0.0).collect()
    }

    /// Every fault by name: what happens, and its usual rate.
    pub fn list() -> Vec<(&'static str, &'static str, f64)> {
        let usual = RehearsedFaults::usual();
        let rate = |fault: &Fault| usual.world.rates.get(fault).copied().unwrap_or(0.0);
        let mut list: Vec<_> = Fault::ALL
            .iter()
            .map(|fault| (fault.name(), fault.meaning(), rate(fault)))
            .collect();
        list.push((
            KILLED,
            "rebar itself is killed at some moment of the first apply (a share of the runs)",
            USUAL_KILLS,
        ));
        list
    }
}

impl FromStr for RehearsedFaults {
    type Err = String;

    /// `usual`, `none`, `passing=2%`, `all=1%`, or faults with their rates, as `usual,half=5%,controller-killed=20%`.
    /// Later parts override earlier ones.
    fn from_str(text: &str) -> Result<RehearsedFaults, String> {
        let mut faults = RehearsedFaults::none();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "usual" {
                faults = RehearsedFaults::usual();
            } else if part == "none" {
                faults = RehearsedFaults::none();
            } else if part.split('=').next() == Some(KILLED) {
                // One reader of rates: that of the world's faults.
                let rate = part.replacen(KILLED, Fault::Half.name(), 1).parse::<Faults>()?;
                faults.killed = rate.rates.get(&Fault::Half).copied().unwrap_or(0.0);
            } else {
                let named = part.parse::<Faults>();
                let named = named.map_err(|error| {
                    error.replace("there are: ", "there are: usual, none, controller-killed, ")
                })?;
                faults.world.rates.extend(named.rates);
            }
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_the_left() {
        let faults: RehearsedFaults = "usual, half=5%, controller-killed=0.2".parse().unwrap();
        assert_eq!(faults.rates()["half"], 0.05);
        assert_eq!(faults.rates()["slow"], 0.01);
        assert_eq!(faults.killed, 0.2);
        assert_eq!(
            "none".parse::<RehearsedFaults>().unwrap().rates(),
            BTreeMap::new()
        );
        assert!(
            "controller-killed=2"
                .parse::<RehearsedFaults>()
                .unwrap_err()
                .contains("no rate")
        );
        assert!(
            "halv"
                .parse::<RehearsedFaults>()
                .unwrap_err()
                .contains("controller-killed")
        );
    }
}
