//! What nothing uses.

use crate::diagnostics::Diagnostic;
use crate::lint::look::Look;
use crate::syntax::ast::{BlockWord, ItemKind, StatementKind, TestWord};

use super::codes as c;

/// L0001
pub(super) fn parameters(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        // One that begins with `_` says so itself.
        let unused = |p: &&crate::syntax::ast::Parameter| {
            !look.facts.used_locals.contains(&p.name.span) && !p.name.text.starts_with('_')
        };
        for parameter in function.parameters.iter().filter(unused) {
            let message = format!("the parameter `{}` is not used", parameter.name.text);
            all.push(
                Diagnostic::warning(c::UNUSED_PARAMETER, parameter.name.span, message)
                    .help("take it out, or use it; callers think that it does something"),
            );
        }
    }
    all
}

/// L0002
pub(super) fn values(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let mut told = |name: &crate::syntax::ast::Name| {
        let message = format!("the value `{}` is not used", name.text);
        all.push(Diagnostic::warning(c::UNUSED_VALUE, name.span, message).help("take it out"));
    };
    for (index, item) in look.items().iter().enumerate() {
        match &item.kind {
            ItemKind::Let { name, .. } if !item.public && !look.is_used(index) => told(name),
            ItemKind::Function { block, .. } | ItemKind::Test { block, .. } => {
                for statement in look.statements(block) {
                    if let StatementKind::Let { name, .. } = &statement.kind
                        && !look.facts.used_locals.contains(&name.span)
                        && !name.text.starts_with('_')
                    {
                        told(name);
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// L0003
pub(super) fn types(look: &Look<'_>) -> Vec<Diagnostic> {
    private(
        look,
        |kind| matches!(kind, ItemKind::Type { .. } | ItemKind::Enum { .. }),
        |name, noun| {
            let message = format!("{noun} `{}` is not used", name.text);
            Diagnostic::warning(c::UNUSED_TYPE, name.span, message).help("take it out, or mark it `pub`")
        },
    )
}

/// L0004
pub(super) fn roles(look: &Look<'_>) -> Vec<Diagnostic> {
    private(
        look,
        |kind| matches!(kind, ItemKind::Function { .. }),
        |name, noun| {
            let message = format!("{noun} `{}` is not used", name.text);
            let help = "run it, deploy it, or mark it `pub` if another module is to use it";
            Diagnostic::warning(c::UNUSED_ROLE, name.span, message).help(help)
        },
    )
}

/// L0005
pub(super) fn items(look: &Look<'_>) -> Vec<Diagnostic> {
    let wanted = |kind: &ItemKind| {
        matches!(
            kind,
            ItemKind::Block {
                word: BlockWord::Network
                    | BlockWord::Hardware
                    | BlockWord::Image
                    | BlockWord::Kind
                    | BlockWord::Site,
                ..
            }
        )
    };
    private(look, wanted, |name, noun| {
        let message = format!("{noun} `{}` is not used", name.text);
        Diagnostic::warning(c::UNUSED_ITEM, name.span, message).help("take it out, or mark it `pub`")
    })
}

fn private(
    look: &Look<'_>,
    wanted: impl Fn(&ItemKind) -> bool,
    told: impl Fn(&crate::syntax::ast::Name, &str) -> Diagnostic,
) -> Vec<Diagnostic> {
    let items = look.items().iter().enumerate();
    items
        .filter(|(index, item)| wanted(&item.kind) && !item.public && !look.is_used(*index))
        .filter_map(|(_, item)| {
            let noun = crate::resolve::noun(item);
            let (_, noun) = noun.split_once(' ').unwrap_or(("", noun));
            Some(told(crate::resolve::name_of(item)?, &format!("the {noun}")))
        })
        .collect()
}

/// L0006
pub(super) fn groups(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        for statement in look.statements(function.block) {
            if let StatementKind::Nodes { name, .. } = &statement.kind
                && !look.facts.used_locals.contains(&name.span)
            {
                let message = format!("nothing runs on the group `{}`", name.text);
                all.push(
                    Diagnostic::warning(c::UNUSED_GROUP, name.span, message)
                        .help("its machines would stand idle: run a role on it, or take it out"),
                );
            }
        }
    }
    all
}

/// L0007
pub(super) fn outputs(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions().filter(|f| f.role && !f.item.public) {
        for statement in &function.block.statements {
            if let StatementKind::Out { name, .. } = &statement.kind
                && !look.facts.members.contains(&name.text)
            {
                let message = format!(
                    "nothing takes the output `{}` of `{}`",
                    name.text, function.name.text
                );
                all.push(Diagnostic::warning(c::UNUSED_OUTPUT, name.span, message).help("take it out"));
            }
        }
    }
    all
}

/// L0031
pub(super) fn tests_without_assertion(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for item in look.items() {
        let ItemKind::Test { word, title, block } = &item.kind else {
            continue;
        };
        let holds = |kind: &StatementKind| {
            matches!(
                kind,
                StatementKind::Assert { .. } | StatementKind::ExpectError { .. }
            )
        };
        if !look.statements(block).iter().any(|s| holds(&s.kind)) {
            let what = match word {
                TestWord::Test => "test",
                TestWord::Policy => "policy",
            };
            let message = format!("the {what} `{}` holds nothing", title.text);
            all.push(
                Diagnostic::warning(c::TEST_WITHOUT_ASSERTION, title.span, message)
                    .help("say what must be: `assert …`"),
            );
        }
    }
    all
}

/// L0032
pub(super) fn empty_roles(look: &Look<'_>) -> Vec<Diagnostic> {
    let empty = look.functions().filter(|f| f.block.statements.is_empty());
    empty
        .map(|f| {
            let what = if f.role { "role" } else { "workload" };
            let message = format!("the {what} `{}` does nothing", f.name.text);
            Diagnostic::warning(c::EMPTY_ROLE, f.name.span, message)
                .help("give it something to do, or take it out")
        })
        .collect()
}
