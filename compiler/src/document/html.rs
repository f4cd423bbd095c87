//! Pages as HTML: the Markdown of a page, rendered, in a page that needs nothing beside it.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html as render};

use super::{Page, markdown};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}\
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f4f2}pre{padding:.75rem;overflow-x:auto}\
table{border-collapse:collapse;margin:0 0 1rem}td,th{border:1px solid #ddd;padding:.25rem .6rem;text-align:left;vertical-align:top}\
h2{margin-top:2.5rem;border-top:1px solid #ddd;padding-top:1rem}a{color:#06c}\
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#262626}td,th,h2{border-color:#444}a{color:#6af}}";

/// One page. HTML in what people wrote is shown, not used; links lead to other pages, the web or nowhere.
pub fn html(page: &Page, all: &[Page]) -> String {
    let text = markdown(page, all);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut heading: Option<(HeadingLevel, String)> = None;
    let mut events = Vec::new();
    for event in Parser::new_ext(&text, options) {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => events.push(Event::Text(raw)),
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level, String::new())),
            Event::End(TagEnd::Heading(level)) => {
                let words = heading.take().map_or(String::new(), |(_, words)| words);
                events.push(Event::Start(Tag::Heading {
                    level,
                    id: Some(CowStr::from(words.to_lowercase().replace(' ', "-"))),
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }));
                events.push(Event::Text(words.into()));
                events.push(Event::End(TagEnd::Heading(level)));
            }
            Event::Text(words) | Event::Code(words) if heading.is_some() => {
                if let Some((_, text)) = &mut heading {
                    text.push_str(&words);
                }
            }
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => events.push(Event::Start(Tag::Link {
                link_type,
                dest_url: target(&dest_url).into(),
                title,
                id,
            })),
            Event::Start(Tag::Image { dest_url, .. }) => events.push(Event::Text(dest_url)),
            Event::End(TagEnd::Image) => {}
            other => events.push(other),
        }
    }
    let mut body = String::new();
    render::push_html(&mut body, events.into_iter());
    let title = escaped(&page.module);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Where a link may lead.
fn target(written: &str) -> String {
    let web = ["https://", "http://", "mailto:"]
        .iter()
        .any(|s| written.starts_with(s));
    if web || written.starts_with('#') {
        return written.to_owned();
    }
    // Anything else with a scheme could run a program.
    if written.contains(':') {
        return "#".to_owned();
    }
    match written.strip_suffix(".md") {
        Some(page) => format!("{page}.html"),
        None => written.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
