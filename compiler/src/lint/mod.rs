//! Beside the road: the linter. What works and is probably not meant, told as warnings with names, each of which a
//! project can allow, warn of or deny, and a comment can allow at one place with a reason.
//!
//! Rules look at the syntax and at what names stand for. They run only where the spec has no errors.

mod allow;
mod look;
mod rules;

pub use allow::ALLOW_WORD;

use std::collections::BTreeMap;

pub use crate::manifest::LintLevel as Level;

use crate::check::Typed;
use crate::diagnostics::{Code, Diagnostic, Diagnostics, Severity};
use crate::manifest::Manifest;
use crate::parallel;
use crate::source::Sources;

use look::Look;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable code; `docs/errors` has its page.
    pub code: Code,
    /// Its name, for people and `rebar.toml`.
    pub name: &'static str,
    /// Its level where nothing else is said.
    pub level: Level,
    /// Finds it in one module; rules about allowing are held by the engine.
    check: Option<fn(&Look<'_>) -> Vec<Diagnostic>>,
}

/// How strict to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Levels by the name or code of a rule; `all` is that of every rule that is not named.
    pub levels: BTreeMap<String, Level>,
    /// Whether modules of the standard library are looked at as well.
    pub library: bool,
}

impl Config {
    fn level(&self, rule: &Rule) -> Level {
        let named = self
            .levels
            .get(rule.name)
            .or_else(|| self.levels.get(rule.code.0));
        let level = named.or_else(|| self.levels.get("all"));
        level.copied().unwrap_or(rule.level)
    }

    /// What `[lint]` of `rebar.toml` says. Names of no rule are told.
    pub fn of_manifest(manifest: &Manifest, diagnostics: &mut Diagnostics) -> Config {
        let mut config = Config::default();
        for (name, span, level) in &manifest.lint {
            if name != "all" && rule(name).is_none() {
                let message = format!("there is no lint `{name}`");
                diagnostics.push(
                    Diagnostic::warning(rules::codes::UNKNOWN_LINT, *span, message).suggest(name, names()),
                );
            }
            config.levels.insert(name.clone(), *level);
        }
        config
    }
}

/// All rules in the order of their codes.
pub fn all() -> &'static [Rule] {
    rules::ALL
}

/// The rule of a name or code.
pub fn rule(name: &str) -> Option<&'static Rule> {
    rules::ALL.iter().find(|r| r.name == name || r.code.0 == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    rules::ALL.iter().map(|r| r.name)
}

/// Everything that the rules find and no comment allows, in the project's own modules.
pub fn lint(typed: &Typed, sources: &Sources, config: &Config) -> Vec<Diagnostic> {
    let facts = look::Facts::of(typed, config.library);
    let modules: Vec<usize> = (0..typed.resolved.modules.list.len()).collect();
    let found = parallel::each(&modules, |module| {
        let looked_at = &typed.resolved.modules.list[*module];
        match looked_at.is_own() || config.library {
            true => of_module(
                &Look {
                    typed,
                    sources,
                    facts: &facts,
                    module: looked_at,
                    index: *module,
                },
                config,
            ),
            false => Vec::new(),
        }
    });
    found.into_iter().flatten().collect()
}

/// Everything that the rules find in one module and no comment allows.
fn of_module(look: &Look<'_>, config: &Config) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let mut found: Vec<(&Rule, Diagnostic)> = Vec::new();
    for rule in rules::ALL {
        let check = rule.check.filter(|_| config.level(rule) != Level::Allow);
        found.extend(check.into_iter().flat_map(|check| check(look)).map(|d| (rule, d)));
    }
    let allowed = allow::allowed(look);
    found.retain(|(rule, diagnostic)| !allow::takes(&allowed, rule, diagnostic));
    for (code, diagnostic) in allow::told(&allowed) {
        let rule = rules::ALL.iter().find(|r| r.code == code);
        found.extend(rule.map(|rule| (rule, diagnostic)));
    }
    for (rule, mut diagnostic) in found {
        diagnostic.severity = match config.level(rule) {
            Level::Allow => continue,
            Level::Warn => Severity::Warning,
            Level::Deny => Severity::Error,
        };
        diagnostic.message = format!("{} ({})", diagnostic.message, rule.name);
        all.push(diagnostic);
    }
    all
}
