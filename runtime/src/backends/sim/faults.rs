//! What can go wrong in a simulated world, and when. Whether a fault strikes is a pure function of the seed, the fault,
//! what it is about and how often that came up before: another order of the same events meets the same faults.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The backend answers 500, or refuses the connection. Nothing was done.
    Refused,
    /// The backend answers 429. Nothing was done.
    Busy,
    /// The call times out. Nothing was done.
    TimedOut,
    /// The call was carried out, its answer is an error.
    AnswerLost,
    /// The call was broken off: what it made is half there.
    Half,
    /// The answer takes twenty times as long.
    Slow,
    /// The node cannot be reached for a while.
    Unreachable,
    /// The line to the agent breaks in the middle of a segment.
    LineBreaks,
    /// The agent is killed inside a step.
    AgentKilled,
    /// The machine reboots inside a step.
    Reboot,
    /// A step fails in a way that passes by itself.
    StepBusy,
    /// A step fails for good.
    StepFails,
    /// The agent's answer comes twice.
    Duplicated,
    /// The list of what is there lags behind: what was just made is missing, what was just removed is still there.
    StaleListing,
    /// Somebody else's object has the name.
    NameTaken,
    /// Somebody stops a machine behind our back.
    Stopped,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 16] = [
        Fault::Refused,
        Fault::Busy,
        Fault::TimedOut,
        Fault::AnswerLost,
        Fault::Half,
        Fault::Slow,
        Fault::Unreachable,
        Fault::LineBreaks,
        Fault::AgentKilled,
        Fault::Reboot,
        Fault::StepBusy,
        Fault::StepFails,
        Fault::Duplicated,
        Fault::StaleListing,
        Fault::NameTaken,
        Fault::Stopped,
    ];

    /// `answer-lost`
    pub fn name(self) -> &'static str {
        match self {
            Fault::Refused => "refused",
            Fault::Busy => "busy",
            Fault::TimedOut => "timed-out",
            Fault::AnswerLost => "answer-lost",
            Fault::Half => "half",
            Fault::Slow => "slow",
            Fault::Unreachable => "unreachable",
            Fault::LineBreaks => "line-breaks",
            Fault::AgentKilled => "agent-killed",
            Fault::Reboot => "reboot",
            Fault::StepBusy => "step-busy",
            Fault::StepFails => "step-fails",
            Fault::Duplicated => "duplicated",
            Fault::StaleListing => "stale-listing",
            Fault::NameTaken => "name-taken",
            Fault::Stopped => "stopped",
        }
    }

    /// Whether somebody has to do something before another attempt can succeed.
    pub fn is_lasting(self) -> bool {
        matches!(self, Fault::StepFails | Fault::NameTaken)
    }

    /// The fault that a message of the simulated world is about, if it says so.
    pub fn of_message(message: &str) -> Option<Fault> {
        let words = [
            (Fault::Refused, "answers 500"),
            (Fault::Busy, "answers 429"),
            (Fault::TimedOut, "the call timed out"),
            (Fault::AnswerLost, "the answer was lost"),
            (Fault::Half, "the call was broken off"),
            (Fault::Unreachable, "no route to the machine"),
            (Fault::Stopped, "the machine does not run"),
            (Fault::NameTaken, "somebody else has this name"),
            (Fault::StepBusy, "would succeed later"),
            (Fault::StepFails, "fails for good"),
        ];
        let told = words.into_iter().find(|(_, words)| message.contains(words));
        told.map(|(fault, _)| fault)
    }

    /// What happens, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Fault::Refused => "the backend refuses a call",
            Fault::Busy => "the backend has too many calls",
            Fault::TimedOut => "a call times out before it does anything",
            Fault::AnswerLost => "a call is carried out and its answer is lost",
            Fault::Half => "a call is broken off half-way",
            Fault::Slow => "a call takes twenty times as long",
            Fault::Unreachable => "a node cannot be reached for half a minute",
            Fault::LineBreaks => "the line to a node breaks",
            Fault::AgentKilled => "the agent is killed inside a step",
            Fault::Reboot => "a machine reboots inside a step",
            Fault::StepBusy => "a step fails and would succeed later",
            Fault::StepFails => "a step fails for good",
            Fault::Duplicated => "an answer comes twice",
            Fault::StaleListing => "the list of machines lags behind",
            Fault::NameTaken => "somebody else has the name",
            Fault::Stopped => "somebody stops a machine",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How probable each fault is, wherever it can strike.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Faults {
    /// From 0 (never) to 1 (always).
    pub rates: BTreeMap<Fault, f64>,
    /// So long after the world began faults stop; nothing: never.
    pub until: Option<Duration>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// Everything goes wrong now and then, but for what lasts.
    pub fn passing(rate: f64) -> Faults {
        let passing = Fault::ALL.into_iter().filter(|fault| !fault.is_lasting());
        Faults {
            rates: passing.map(|fault| (fault, rate)).collect(),
            until: None,
        }
    }
}

impl FromStr for Faults {
    type Err = String;

    /// `none`, `passing=0.02`, or faults with their rates: `half=0.1,busy=5%`.
    fn from_str(text: &str) -> Result<Faults, String> {
        let mut faults = Faults::none();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "none" {
                continue;
            }
            let (name, rate) = part.split_once('=').unwrap_or((part, "2%"));
            let number = match rate.strip_suffix('%') {
                Some(percent) => percent.parse::<f64>().map(|n| n / 100.0),
                None => rate.parse::<f64>(),
            };
            let rate = number
                .ok()
                .filter(|rate| (0.0..=1.0).contains(rate))
                .ok_or_else(|| format!("`{rate}` is no rate: write 0.05 or 5%"))?;
            let named: Vec<Fault> = match name {
                "all" => Fault::ALL.to_vec(),
                "passing" => Fault::ALL.into_iter().filter(|f| !f.is_lasting()).collect(),
                name => Fault::ALL.into_iter().filter(|f| f.name() == name).collect(),
            };
            if named.is_empty() {
                let known = Fault::ALL.map(Fault::name).join(", ");
                return Err(format!("`{name}` is no fault; there are: passing, all, {known}"));
            }
            faults.rates.extend(named.into_iter().map(|fault| (fault, rate)));
        }
        Ok(faults)
    }
}

/// A number from 0 up to, not including, 1, decided by its arguments alone: FNV-1a over the text, finished with the
/// mixer of SplitMix64 (Steele, Lea, Flood 2014).
pub fn chance(seed: u64, about: &str, subject: &str, number: u64) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    let bytes = about.bytes().chain([0]).chain(subject.bytes()).chain([0]);
    for byte in bytes.chain(number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let mut mixed = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let faults: Faults = "half=0.1, busy=5%,slow".parse().unwrap();
        let rates: Vec<(Fault, f64)> = faults.rates.into_iter().collect();
        assert_eq!(
            rates,
            [(Fault::Busy, 0.05), (Fault::Half, 0.1), (Fault::Slow, 0.02)]
        );
        assert!("half=2".parse::<Faults>().unwrap_err().contains("no rate"));
        assert!("halv=0.1".parse::<Faults>().unwrap_err().contains("half"));
        assert_eq!("none".parse::<Faults>().unwrap(), Faults::none());
        assert!(
            !"passing"
                .parse::<Faults>()
                .unwrap()
                .rates
                .contains_key(&Fault::StepFails)
        );
    }

    #[test]
    fn chances_are_spread_evenly() {
        let struck = (0..10_000)
            .filter(|n| chance(1, "half", "machine/a", *n) < 0.1)
            .count();
        assert!((900..1100).contains(&struck), "{struck}");
        assert!((chance(1, "a", "b", 2) - chance(1, "a", "b", 2)).abs() < f64::EPSILON);
    }
}
