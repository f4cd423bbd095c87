//! What steps need, held against what the site's backend can do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::deploy::{Layout, not_given};
use crate::check::evaluate::{Scope, Stop, evaluate};
use crate::check::{Backend, Deploy, Expression, Level, Site};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::Notice;
use crate::source::Span;

/// How well a site has a capability.
struct Provided {
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
    ) -> Option<BTreeMap<String, Provided>> {
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
                    let found = Provided {
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

    /// Reports what is absent; what is emulated or accepted becomes a notice.
    pub(super) fn capabilities(&mut self, site: &Site, deploy: &Deploy) -> Vec<Notice> {
        let typed = self.typed;
        let Some((backend, settings, machines)) = &site.backend else {
            return Vec::new();
        };
        let Some(backend) = typed.backends.get(backend) else {
            return Vec::new();
        };
        let Some(provided) = self.provided(backend, settings, *machines) else {
            return Vec::new();
        };
        let mut notices: BTreeMap<String, String> = BTreeMap::new();
        let mut used = BTreeSet::new();
        let steps: Vec<_> = self.steps.iter().flatten().copied().collect();
        let mut told = BTreeSet::new();
        for (kind_id, span) in steps {
            let Some(kind) = self.typed.kinds.get(&kind_id) else {
                continue;
            };
            for (capability, required) in &kind.requires {
                let found = provided.get(capability);
                match (found.map(|f| &f.level), site.accepted.get(capability)) {
                    (Some(Level::Exact), _) => {}
                    (Some(Level::Emulated(how)), _) => {
                        notices.insert(capability.clone(), format!("emulated: {how}"));
                    }
                    (Some(Level::Absent) | None, Some((because, _))) => {
                        used.insert(capability.clone());
                        let because = self.known(because, &mut Scope::of(self.typed), "a reason");
                        let because = because.as_ref().and_then(Value::as_str).unwrap_or_default();
                        notices.insert(capability.clone(), format!("accepted gap: {because}"));
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
                    }
                }
            }
        }
        self.unused(site, deploy, &provided, &used);
        notices
            .into_iter()
            .map(|(capability, text)| Notice { capability, text })
            .collect()
    }

    /// Warns of accepted gaps that are none, or that no deploy of the site needs.
    fn unused(
        &mut self,
        site: &Site,
        deploy: &Deploy,
        provided: &BTreeMap<String, Provided>,
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
