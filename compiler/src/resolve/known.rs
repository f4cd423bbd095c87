//! Functions over values that are known. Their names are not taken: a spec's own `max` or `values` goes before them.

/// One of these functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Each is what its name in the language says, and the reference has a table of them.
pub enum Known {
    Lower,
    Upper,
    Trim,
    Split,
    Replace,
    StartsWith,
    EndsWith,
    Contains,
    Sort,
    Unique,
    Reverse,
    Sum,
    Min,
    Max,
    Flatten,
    Keys,
    Values,
}

impl Known {
    /// All of them with their names and what they take.
    pub(crate) const ALL: [(&'static str, Known, &'static [&'static str]); 17] = [
        ("lower", Known::Lower, &["text"]),
        ("upper", Known::Upper, &["text"]),
        ("trim", Known::Trim, &["text"]),
        ("split", Known::Split, &["text", "separator"]),
        ("replace", Known::Replace, &["text", "from", "to"]),
        ("starts_with", Known::StartsWith, &["text", "start"]),
        ("ends_with", Known::EndsWith, &["text", "end"]),
        ("contains", Known::Contains, &["text", "part"]),
        ("sort", Known::Sort, &["list"]),
        ("unique", Known::Unique, &["list"]),
        ("reverse", Known::Reverse, &["list"]),
        ("sum", Known::Sum, &["list"]),
        ("min", Known::Min, &["list"]),
        ("max", Known::Max, &["list"]),
        ("flatten", Known::Flatten, &["lists"]),
        ("keys", Known::Keys, &["map"]),
        ("values", Known::Values, &["map"]),
    ];

    /// The function called `name`.
    pub(crate) fn find(name: &str) -> Option<Known> {
        let mut all = Known::ALL.into_iter();
        all.find(|(text, ..)| *text == name).map(|(_, known, _)| known)
    }

    /// Its name and its parameters.
    pub(crate) fn usage(self) -> (&'static str, &'static [&'static str]) {
        let mut all = Known::ALL.into_iter();
        all.find(|(_, known, _)| *known == self)
            .map_or(("", &[]), |(name, _, takes)| (name, takes))
    }
}
