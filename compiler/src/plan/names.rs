//! Names in plans: of runs (`pages`, `kv.install`, `pages[shop]`), of steps, and their addresses (`kv.install.conf`).

/// Bytes of a name: what a file system takes.
pub(super) const MAX_NAME: usize = 255;

/// The run and the step of an address: what stands before and after the last dot outside of brackets, which hold the
/// key of an element of a loop and may have dots in them.
pub fn split_address(address: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let dot = address.char_indices().rev().find(|(_, c)| {
        match c {
            ']' => depth += 1,
            '[' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == '.' && depth == 0
    });
    let (at, _) = dot?;
    Some((&address[..at], &address[at + 1..]))
}

/// Whether it can be the name of a group, node or network.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Whether it can be the name of a run or step: names joined by dots, each perhaps with keys in brackets.
pub(super) fn is_run_or_step(name: &str) -> bool {
    if name.len() > MAX_NAME {
        return false;
    }
    let mut rest = name;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if !is_name(&rest[..end]) {
            return false;
        }
        rest = &rest[end..];
        while let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = inner.find(']') else { return false };
            let fits = |c: char| !c.is_control() && c != '[';
            if end == 0 || !inner[..end].chars().all(fits) {
                return false;
            }
            rest = &inner[end + 1..];
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None => return rest.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fall_apart_at_the_last_dot_outside_of_keys() {
        for (address, run, step) in [
            ("pages.web", "pages", "web"),
            ("kv.install.web", "kv.install", "web"),
            ("pages.web[shop.example]", "pages", "web[shop.example]"),
            ("pages[a.b].kv.web[c.d]", "pages[a.b].kv", "web[c.d]"),
        ] {
            assert_eq!(split_address(address), Some((run, step)), "{address}");
        }
        assert_eq!(split_address("pages"), None);
        assert_eq!(split_address("pages[a.b]"), None);
    }

    #[test]
    fn names_of_runs_are_names_with_dots_and_keys() {
        for good in ["pages", "kv.install", "pages[shop.example]", "a[1][x y].b_c"] {
            assert!(is_run_or_step(good), "{good}");
        }
        for bad in [
            "", ".", "a.", "a..b", "a[", "a[]", "a]", "a[b]c", "../a", "a/b", "a[b\n]", "1",
        ] {
            assert!(!is_run_or_step(bad), "{bad}");
        }
    }
}
