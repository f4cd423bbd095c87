//! The standard library, embedded in the program: modules in `.rebar` and the templates they use.

/// Every file of the library: its path below the library's root, such as `std/linux.rebar`, and its text.
pub const FILES: &[(&str, &str)] = &[
    ("std/prelude.rebar", include_str!("../std/prelude.rebar")),
    ("std/linux.rebar", include_str!("../std/linux.rebar")),
    ("std/image.rebar", include_str!("../std/image.rebar")),
    ("std/nginx.rebar", include_str!("../std/nginx.rebar")),
    ("std/haproxy.rebar", include_str!("../std/haproxy.rebar")),
    (
        "std/templates/haproxy.cfg.hbs",
        include_str!("../std/templates/haproxy.cfg.hbs"),
    ),
];

/// The text of one file of the library, if there is such a file.
pub fn file(path: &str) -> Option<&'static str> {
    FILES
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, text)| *text)
}
