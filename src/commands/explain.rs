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

/// Prints one page, or the list of all.
pub(crate) fn run(code: Option<&str>) -> Result<Exit, Failure> {
    let mut pages: Vec<(&str, &str)> = PAGES
        .files()
        .filter_map(|file| Some((file.path().file_stem()?.to_str()?, file.contents_utf8()?)))
        .filter(|(name, _)| name.starts_with(['E', 'L']))
        .collect();
    pages.sort_unstable();
    let Some(code) = code else {
        let titles = pages.iter().map(|(name, page)| {
            format!(
                "{name}  {}\n",
                page.lines().next().unwrap_or_default().trim_start_matches("# ")
            )
        });
        super::print(&titles.collect::<String>())?;
        return Ok(Exit::Done);
    };
    if let Some(text) = rebar_stdlib::file(&format!("{}.rebar", code.replace('.', "/"))) {
        super::print(text)?;
        return Ok(Exit::Done);
    }
    // People remember the number.
    let wanted = match code.parse::<u16>() {
        Ok(number) => format!("E{number:04}"),
        Err(_) => code.to_uppercase(),
    };
    match pages.iter().find(|(name, _)| *name == wanted) {
        Some((_, page)) => super::print(page)?,
        None => {
            let near = nearest(&wanted, pages.iter().map(|(name, _)| *name));
            let help = match near {
                Some(near) => format!("did you mean `{near}`? `rebar explain` lists all codes"),
                None => "`rebar explain` lists all codes".to_owned(),
            };
            return Err(Failure::new("E1602", format!("there is no code `{code}`")).help(help));
        }
    }
    Ok(Exit::Done)
}
