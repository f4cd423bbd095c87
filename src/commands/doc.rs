//! `rebar doc`

use std::collections::BTreeMap;

use rebar_compiler::Analysis;
use rebar_compiler::document::{self, Page};

use super::Context;
use crate::cli::{DocArgs, DocFormat};
use crate::exit::Exit;
use crate::project::plain;
use crate::report::Failure;

/// Writes the documentation of modules.
pub(crate) fn run(context: &Context, args: &DocArgs) -> Result<Exit, Failure> {
    let project = super::analyse(context);
    let mut all = pages(&project, |name| !name.starts_with("std."));
    all.extend(pages(&library(), |name| name.starts_with("std.")));
    let wanted = |page: &&Page| match &args.module {
        Some(module) => page.module == *module || page.module.starts_with(&format!("{module}.")),
        None => !page.module.starts_with("std."),
    };
    let chosen: Vec<&Page> = all.iter().filter(wanted).collect();
    if let (Some(module), true) = (&args.module, chosen.is_empty()) {
        let names: Vec<&str> = all.iter().map(|p| p.module.as_str()).collect();
        let near = rebar_compiler::diagnostics::nearest(module, names.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        return Err(Failure::new("E1671", format!("there is no module `{module}`"))
            .help(help)
            .exit(Exit::Usage));
    }
    // Links lead to pages beside this one: on standard output there are none.
    let beside: &[Page] = if args.out.is_some() { &all } else { &[] };
    for page in chosen {
        let (text, ending) = match args.format {
            DocFormat::Markdown => (document::markdown(page, beside), "md"),
            DocFormat::Html => (document::html(page, beside), "html"),
        };
        match &args.out {
            None => super::print(&text)?,
            Some(folder) => {
                let path = folder.join(format!("{}.{ending}", page.module));
                let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
                written.map_err(|error| {
                    let message = format!("cannot write `{}`: {}", path.display(), plain(&error));
                    Failure::new("E1672", message).help("give a folder that can be written to: `-o DIR`")
                })?;
                super::tell(&format!("wrote {}\n", path.display()));
            }
        }
    }
    Ok(Exit::Done)
}

fn pages(analysis: &Analysis, wanted: impl Fn(&str) -> bool) -> Vec<Page> {
    document::pages(&analysis.typed, &analysis.sources, wanted)
}

/// The whole library, by way of a spec that uses each of its modules.
fn library() -> Analysis {
    let modules = rebar_stdlib::FILES
        .iter()
        .filter_map(|(name, _)| name.strip_suffix(".rebar"));
    let uses: String = modules
        .filter(|name| *name != "std/prelude")
        .map(|name| format!("use {} {{ }}\n", name.replace('/', ".")))
        .collect();
    super::analyse_alone(&BTreeMap::from([("main.rebar".to_owned(), uses)]))
}
