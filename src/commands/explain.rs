//! `rebar explain CODE`: the pages of `docs/errors`, embedded; and modules of the standard library.

use include_dir::{Dir, include_dir};
use rebar_compiler::diagnostics::nearest;

use crate::exit::Exit;
use crate::report::Failure;

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/docs/errors");

/// The page of a code.
pub(crate) fn page(code: &str) -> Option<&'static str> {
    PAGES.get_file(format!("{code}.md"))?.contents_utf8()
}

/// What the families of codes are about.
const FAMILIES: &[(&str, &str)] = &[
    ("E01", "syntax"),
    ("E02", "names"),
    ("E03", "types and values"),
    ("E04", "what a deploy expands to"),
    ("E05", "order"),
    ("E06", "plans"),
    ("E07", "tests and policies"),
    ("E09", "project files"),
    ("E10", "state"),
    ("E11", "plan files"),
    ("E12", "carrying out"),
    ("E13", "the agent on a node"),
    ("E14", "machines and networks"),
    ("E15", "images"),
    ("E16", "the command line"),
    ("E17", "container engines"),
    ("E18", "simulations"),
    ("L", "rules of `rebar lint`"),
];

/// Prints one page, or a list of pages.
pub(crate) fn run(asked: Option<&str>) -> Result<Exit, Failure> {
    let mut pages: Vec<(&str, &str)> = PAGES
        .files()
        .filter_map(|file| Some((file.path().file_stem()?.to_str()?, file.contents_utf8()?)))
        .filter(|(name, _)| name.starts_with(['E', 'L']))
        .collect();
    pages.sort_unstable();
    match asked {
        None => {
            let lists: Vec<String> = FAMILIES.iter().filter_map(|f| list(f, &pages)).collect();
            super::print(&format!("{}\n{USAGE}", lists.join("\n")))?;
        }
        Some(asked) => super::print(&answer(asked, &pages)?)?,
    }
    Ok(Exit::Done)
}

const USAGE: &str = "rebar explain E0201           the page of a code
rebar explain E02             the codes of a family
rebar explain unused-group    the page of a rule of `rebar lint`
rebar explain file            a kind of step: its fields
rebar explain std.linux       a module of the standard library
";

/// What is said of `asked`: a module, a kind, a family, a code or a rule.
fn answer(asked: &str, pages: &[(&str, &str)]) -> Result<String, Failure> {
    if let Some(text) = rebar_stdlib::file(&format!("{}.rebar", asked.replace('.', "/"))) {
        return Ok(text.to_owned());
    }
    if let Some((_, text)) = kinds().into_iter().find(|(name, _)| *name == asked) {
        return Ok(text);
    }
    let upper = asked.to_uppercase();
    let family = FAMILIES.iter().find(|(family, _)| *family == upper);
    if let Some(list) = family.and_then(|family| list(family, pages)) {
        return Ok(list);
    }
    // People remember the number.
    let code = asked
        .parse::<u16>()
        .map_or(upper, |number| format!("E{number:04}"));
    let page = pages
        .iter()
        .find(|(name, page)| *name == code || rule(page) == Some(asked));
    page.map(|(_, page)| (*page).to_owned())
        .ok_or_else(|| unknown(asked, &code, pages))
}

fn unknown(asked: &str, code: &str, pages: &[(&str, &str)]) -> Failure {
    let kinds = kinds();
    let codes = pages.iter().map(|(name, _)| *name);
    let words = pages.iter().filter_map(|(_, page)| rule(page));
    let words = words.chain(kinds.iter().map(|(name, _)| *name));
    let near = nearest(asked, words).or_else(|| nearest(code, codes));
    let help = match near {
        Some(near) => format!("did you mean `{near}`? `rebar explain` lists all codes"),
        None => "`rebar explain` lists all codes, and tells what else can be explained".to_owned(),
    };
    Failure::new("E1602", format!("there is nothing to explain called `{asked}`")).help(help)
}

/// The titles of a family, if it has pages.
fn list((family, about): &(&str, &str), pages: &[(&str, &str)]) -> Option<String> {
    let titles: String = pages
        .iter()
        .filter(|(name, _)| name.starts_with(family))
        .map(|(name, page)| format!("  {name}  {}\n", title(page)))
        .collect();
    (!titles.is_empty()).then(|| format!("{family}: {about}\n{titles}"))
}

fn title(page: &str) -> &str {
    page.lines().next().unwrap_or_default().trim_start_matches("# ")
}

/// The name of the rule that a page is about: `# A group on which nothing runs (`unused-group`)`.
fn rule(page: &str) -> Option<&str> {
    title(page).rsplit_once("(`")?.1.strip_suffix("`)")
}

/// The kinds of the standard library with their text, and what is said before them.
fn kinds() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (path, text) in rebar_stdlib::FILES {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = line.strip_prefix("pub kind ").and_then(|l| l.strip_suffix(" {")) else {
                continue;
            };
            let docs = lines[..at]
                .iter()
                .rev()
                .take_while(|l| l.starts_with("///"))
                .count();
            let end = lines[at..]
                .iter()
                .position(|l| *l == "}")
                .map_or(lines.len(), |n| at + n + 1);
            let module = path.trim_end_matches(".rebar").replace('/', ".");
            let shown = lines[at - docs..end].join("\n");
            all.push((name, format!("// use {module} {{ {name} }}\n{shown}\n")));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_of_a_family() {
        for name in PAGES.files().filter_map(|f| f.path().file_stem()?.to_str()) {
            let known = FAMILIES.iter().any(|(family, _)| name.starts_with(family));
            assert!(known || !name.starts_with(['E', 'L']), "{name}");
        }
    }
}
