//! What steps need, held against what the site's backend can do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::deploy::Layout;
use crate::check::evaluate::Scope;
use crate::check::{Deploy, Level, Site};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::{Capability, Provided};

impl Layout<'_> {
    /// What the steps need, and how far the site has it. Reports what is absent.
    pub(super) fn capabilities(&mut self, site: &Site, deploy: &Deploy) -> BTreeMap<String, Capability> {
        let Some((backend, _, machines)) = &site.backend else {
            return BTreeMap::new();
        };
        let Some(backend) = self.typed.backends.get(backend) else {
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
                let provided = backend.provides.get(capability);
                if let Some(known) = needed.get_mut(capability) {
                    if let Err(place) = known.kinds.binary_search(&kind.name) {
                        known.kinds.insert(place, kind.name.clone());
                    }
                    continue;
                }
                let has = match (provided.map(|(level, _)| level), site.accepted.get(capability)) {
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
                        if let Some((_, at)) = provided {
                            diagnostic = diagnostic.label(*at, "absent there");
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
        self.unused(site, deploy, &used);
        needed
    }

    /// Warns of accepted gaps that are none, or that no deploy of the site needs.
    fn unused(&mut self, site: &Site, deploy: &Deploy, used: &BTreeSet<String>) {
        let Some((backend, _, _)) = &site.backend else {
            return;
        };
        let deploys = self
            .typed
            .deploys
            .iter()
            .filter(|d| d.site == deploy.site)
            .count();
        for (capability, (_, span)) in site.accepted.iter().filter(|(c, _)| !used.contains(*c)) {
            let level = self
                .typed
                .backends
                .get(backend)
                .and_then(|b| b.provides.get(capability));
            let message = match level {
                Some((Level::Exact | Level::Emulated(_), _)) => {
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
