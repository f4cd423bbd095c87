//! What a rehearsal tells, as data. Times are milliseconds of simulated time. Every entry names a run: with the same
//! seed, faults and number it can be played again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const REPORT_FORMAT: u32 = 1;

/// What came of all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: u32,
    /// The deploy.
    pub deploy: String,
    /// Its site.
    pub site: String,
    /// The backend that was rehearsed for.
    pub backend: String,
    /// SHA-256 (hex) of the plan of the first apply.
    pub plan_hash: String,
    /// Changes of objects and steps that the plan has.
    pub changes: u64,
    /// What everything that was left to chance followed from.
    pub seed: u64,
    /// How many runs there were; their numbers are 1 to this.
    pub runs: u64,
    /// Rates of the faults, from 0 to 1.
    pub faults: BTreeMap<String, f64>,
    /// How many lanes were carried out at a time.
    pub parallelism: u64,
    /// Whether durations of earlier applies with this backend were known; otherwise those that are usual were taken.
    pub measured: bool,
    /// Runs that the first apply completed.
    pub done_first: u64,
    /// Runs that were completed by applying again, up to three times.
    pub done_again: u64,
    /// Runs that were never completed, by number.
    pub never_done: Vec<u64>,
    /// The run in which nothing goes wrong.
    pub calm: u64,
    /// How long the applies of a run took together, over the runs that were completed.
    pub times: Option<Times>,
    /// The same as a histogram.
    pub histogram: Vec<Bucket>,
    /// What failed for good in some apply, the most frequent first.
    pub failures: Vec<FailureGroup>,
    /// What was tried again, the most frequent first.
    pub retries: Vec<RetryGroup>,
    /// What stood out.
    pub worst: Worst,
    /// Faults that struck, by name.
    pub injected: BTreeMap<String, Injected>,
    /// What more and fewer workers would do.
    pub workers: Vec<Prospect>,
    /// Nodes on which each pattern was carried out to its end, and on which it failed.
    pub practised: Vec<Practised>,
}

/// How long runs took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Half of the runs took no longer.
    pub p50: u64,
    /// Nine of ten took no longer.
    pub p90: u64,
    /// Ninety-nine of a hundred took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// The run that took longest.
    pub slowest: u64,
}

/// A bar of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// From, inclusive.
    pub from: u64,
    /// To, exclusive but for the last.
    pub to: u64,
    /// How many runs.
    pub runs: u64,
    /// One of them.
    pub run: Option<u64>,
}

/// Something that failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureGroup {
    /// `pages.nginx` (run and step), `machine of web`, `network/front`, `rebar apply`.
    pub what: String,
    /// Why, in words.
    pub because: String,
    /// A stable code.
    pub code: String,
    /// The fault behind it, where that is known.
    pub fault: Option<String>,
    /// How often.
    pub count: u64,
    /// In how many runs.
    pub runs: u64,
    /// One of them.
    pub run: u64,
}

/// Something that was tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryGroup {
    /// As in a failure.
    pub what: String,
    /// Why, in words.
    pub because: String,
    /// How often.
    pub count: u64,
    /// One of the runs.
    pub run: u64,
}

/// What stood out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worst {
    /// What failed or was tried again most often.
    pub troubled: Option<Standout>,
    /// What took most time, over all nodes of a run.
    pub slow: Option<Standout>,
}

/// Something that stood out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Standout {
    /// As in a failure.
    pub what: String,
    /// How often it failed or was tried again; or milliseconds per run.
    pub value: u64,
    /// A run that shows it.
    pub run: u64,
}

/// A fault that struck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Injected {
    /// How often, over all runs.
    pub count: u64,
    /// A run in which it did.
    pub run: u64,
}

/// How long runs take with a number of workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prospect {
    /// How many lanes at a time.
    pub workers: u64,
    /// Half of the runs took no longer.
    pub p50: u64,
    /// How many runs were tried, from number 1, without killing the program.
    pub runs: u64,
}

/// How a pattern fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Practised {
    /// The pattern's hash.
    pub pattern: String,
    /// Its role.
    pub role: String,
    /// Nodes on which it was carried out to its end.
    pub done: u64,
    /// Nodes on which it failed.
    pub failed: u64,
}

/// The JSON Schema of reports.
pub fn report_schema() -> schemars::Schema {
    schemars::schema_for!(Report)
}
