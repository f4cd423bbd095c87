//! What steps need, held against what the site's backend can do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::deploy::{Layout, not_given};
use crate::check::evaluate::{Scope, Stop, evaluate};
use crate::check::{Backend, Deploy, Expression, Level, Site};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::{Capability, Provided};
use crate::source::Span;

/// How well a site has a capability.
struct Offer {
    level: Level,
    /// Where that is written.
    at: Span,
    /// Whether a condition over the site's settings decided it.
    chosen: bool,
}

impl Layout<'_> {
    /// What the backend provides with the settings of this site; `None` if that cannot be told, which is reported.
    fn provided(
        &mut self,
        backend: &Backend,
        settings: &BTreeMap<String, Expression>,
        site: Span,
    ) -> Option<BTreeMap<String, Offer>> {
        let mut scope = Scope::of(self.typed);
        let mut arguments = Scope::of(self.typed);
        for (name, value) in settings {
            // A broken one has been reported by whoever made the choice of the backend.
            let value = evaluate(value, &mut arguments).ok()?;
            scope.variables.insert(name.clone(), value);
        }
        not_given(&backend.fields, settings, &mut scope.variables);
        let (mut all, mut told) = (BTreeMap::new(), false);
        for (capability, (provision, name)) in &backend.provides {
            match provision.level(&mut scope) {
                Ok((level, chosen)) => {
                    let found = Offer {
                        level: level.clone(),
                        at: chosen.unwrap_or(*name),
                        chosen: chosen.is_some(),
                    };
                    all.insert(capability.clone(), found);
                }
                Err(stop) => {
                    self.stopped(match stop {
                        Stop::Error(wrong) => {
                            Box::new(wrong.label(site, "with the settings of this site")).into()
                        }
                        stop @ Stop::Told => stop,
                    });
                    told = true;
                }
            }
        }
        (!told).then_some(all)
    }

    /// What the steps need, and how far the site has it. Reports what is absent.
    pub(super) fn capabilities(&mut self, site: &Site, deploy: &Deploy) -> BTreeMap<String, Capability> {
        let typed = self.typed;
        let Some((backend, settings, machines)) = &site.backend else {
            return BTreeMap::new();
        };
        let Some(backend) = typed.backends.get(backend) else {
            return BTreeMap::new();
        };
        let Some(provided) = self.provided(backend, settings, *machines) else {
            return BTreeMap::new();
        };
        let mut needed: BTreeMap<String, Capability> = BTreeMap::new();
        let mut used = BTreeSet::new();
        let steps: Vec<_> = self.steps.iter().flatten().copied().collect();
        let mut told = BTreeSet::new();
        for (kind_id, span) in steps {
            let Some(kind) = self.typed.kinds.get(&kind_id) else {
                continue;
            };
            for (capability, required) in &kind.requires {
                let found = provided.get(capability);
                if let Some(known) = needed.get_mut(capability) {
                    if let Err(place) = known.kinds.binary_search(&kind.name) {
                        known.kinds.insert(place, kind.name.clone());
                    }
                    continue;
                }
                let has = match (found.map(|f| &f.level), site.accepted.get(capability)) {
                    (Some(Level::Exact), _) => Provided::Exact,
                    (Some(Level::Emulated(how)), _) => Provided::Emulated(how.clone()),
                    (Some(Level::Absent) | None, Some((because, _))) => {
                        used.insert(capability.clone());
                        let because = self.known(because, &mut Scope::of(self.typed), "a reason");
                        let because = because.as_ref().and_then(Value::as_str).unwrap_or_default();
                        Provided::AcceptedGap(because.to_owned())
                    }
                    (Some(Level::Absent) | None, None) => {
                        if !told.insert((span, capability.clone())) {
                            continue;
                        }
                        let message = format!(
                            "the site `{}` lacks `{capability}`, which this step needs",
                            site.name
                        );
                        let mut diagnostic = Diagnostic::error(codes::CAPABILITY_ABSENT, span, message)
                            .here("needed here")
                            .label(*required, format!("every `{}` requires it", kind.name))
                            .label(*machines, format!("the site uses `{}`", backend.name));
                        if let Some(found) = found {
                            let text = match found.chosen {
                                true => "absent there, with the settings of this site",
                                false => "absent there",
                            };
                            diagnostic = diagnostic.label(found.at, text);
                        }
                        self.report(diagnostic.help(format!(
                            "do without this step on that site, or accept the gap there: \
                             `accept gap {capability} {{ because = \"…\" }}`"
                        )));
                        continue;
                    }
                };
                let kinds = vec![kind.name.clone()];
                needed.insert(capability.clone(), Capability { provided: has, kinds });
            }
        }
        self.unused(site, deploy, &provided, &used);
        needed
    }

    /// Warns of accepted gaps that are none, or that no deploy of the site needs.
    fn unused(
        &mut self,
        site: &Site,
        deploy: &Deploy,
        provided: &BTreeMap<String, Offer>,
        used: &BTreeSet<String>,
    ) {
        let deploys = self
            .typed
            .deploys
            .iter()
            .filter(|d| d.site == deploy.site)
            .count();
        for (capability, (_, span)) in site.accepted.iter().filter(|(c, _)| !used.contains(*c)) {
            let message = match provided.get(capability).map(|p| &p.level) {
                Some(Level::Exact | Level::Emulated(_)) => {
                    format!(
                        "the site `{}` has `{capability}`; there is no gap to accept",
                        site.name
                    )
                }
                // Another deploy of the site may need it.
                _ if deploys > 1 => continue,
                _ => format!("nothing on the site `{}` needs `{capability}`", site.name),
            };
            let warning = Diagnostic::warning(codes::UNUSED_ACCEPT, *span, message);
            self.diagnostics.push(warning.help("take this `accept gap` out"));
        }
    }
}
