//! Colours, or none: output reads the same without them.

/// Paints text when colour is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    /// Whether to paint.
    pub(crate) color: bool,
}

impl Palette {
    /// Something that comes into being.
    pub(crate) fn create(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Something that changes.
    pub(crate) fn change(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Something that goes, or an error.
    pub(crate) fn remove(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Less important.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A heading.
    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Text from elsewhere (engines, agents, programs on nodes) as it may go to a terminal: one line, in which nothing moves
/// the cursor, changes colours or turns the direction of writing.
pub(crate) fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(harmful) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' => out.push(' '),
            c if harmful(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.into()
}

/// `1 node`, `2 nodes`, `0 fixes`, `2 directories`.
pub(crate) fn count(number: usize, singular: &str) -> String {
    let plural = match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ if singular.ends_with(['s', 'x', 'z']) || singular.ends_with("ch") || singular.ends_with("sh") => {
            format!("{singular}es")
        }
        _ => format!("{singular}s"),
    };
    format!("{number} {}", if number == 1 { singular } else { &plural })
}

/// `web-1`, `web-1 and web-2`, `web-1, web-2 … web-40`.
pub(crate) fn names(list: &[&str]) -> String {
    match list {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, .., last] => format!("{one}, {two} … {last}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_from_elsewhere_reaches_the_terminal_raw() {
        assert_eq!(super::plain("grüße ✓"), "grüße ✓");
        assert_eq!(
            super::plain("\x1b[31mred\x07\r\nnext"),
            "\\u{1b}[31mred\\u{7}  next"
        );
        assert_eq!(super::plain("\u{9b}2J\u{202e}x"), "\\u{9b}2J\\u{202e}x");
    }

    #[test]
    fn counts_and_names_read_well() {
        assert_eq!(super::count(1, "node"), "1 node");
        assert_eq!(super::count(0, "directory"), "0 directories");
        assert_eq!(super::count(0, "fix"), "0 fixes");
        assert_eq!(super::count(2, "patched place"), "2 patched places");
        assert_eq!(super::count(2, "patch"), "2 patches");
        assert_eq!(super::names(&["a", "b", "c", "d"]), "a, b … d");
    }
}
