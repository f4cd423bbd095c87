//! Hostile specs through the real program, with little memory: no abort, no hang, no flood.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::World;

/// Address space of the program, in KiB.
const MEMORY: usize = 3 << 20;

/// Whatever it is given, it ends; the limit only keeps a test that hangs from hanging for ever.
const LONGEST: Duration = Duration::from_secs(300);

/// Bytes that may be printed.
const MOST_PRINTED: u64 = 2 << 20;

fn holds(name: &str, text: &[u8]) {
    let world = World::of_spec("");
    fs::write(world.project.join("main.rebar"), text).unwrap();
    // All formats show the same: those for programs are tried where there is much to show.
    let formats: &[&str] = match name {
        "100,000 errors" => &["check", "check --format json", "check --format github"],
        _ if text.len() > 100_000 => &["check"],
        _ => &["check", "fmt --check"],
    };
    for arguments in formats {
        let (out, err) = (world.folder.path().join("out"), world.folder.path().join("err"));
        let script = format!("ulimit -v {MEMORY}; ulimit -c 0; exec \"$0\" -C \"$1\" {arguments}");
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_rebar")])
            .arg(&world.project)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > LONGEST {
                child.kill().unwrap();
                panic!("{name}: `{arguments}` goes on and on");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let printed = fs::metadata(&out).unwrap().len() + fs::metadata(&err).unwrap().len();
        let said = fs::read(&err).unwrap();
        let said = String::from_utf8_lossy(&said[..said.len().min(2000)]).into_owned();
        assert!(
            matches!(status.code(), Some(0 | 1 | 3)),
            "{name}: `{arguments}` ended with {status:?}\n{said}"
        );
        assert!(!said.contains("panicked"), "{name}: {said}");
        let limit = MOST_PRINTED * if arguments.ends_with("json") { 8 } else { 1 };
        assert!(printed <= limit, "{name}: `{arguments}` printed {printed} bytes");
    }
}

#[test]
fn deep_nesting() {
    let deep = 100_000;
    for (name, open, close) in [
        ("parentheses", "(", ")"),
        ("brackets", "[", "]"),
        ("braces", "{a={", "}}"),
        ("types", "List<", ">"),
        ("not", "not ", ""),
        ("minus", "- ", ""),
        ("if", "if true then ", " else 1"),
        ("members", "a.", ""),
        ("interpolation", "\"{(", ")}\""),
        ("comments", "/*", "*/"),
    ] {
        let value = format!("{}1{}", open.repeat(deep), close.repeat(deep));
        let kind = if name == "types" { "type T = " } else { "let a = " };
        holds(name, format!("{kind}{value}\n").as_bytes());
        holds(name, format!("{kind}{}\n", open.repeat(deep)).as_bytes());
    }
    let blocks = "if true {\n".repeat(deep) + &"}\n".repeat(deep);
    holds("blocks", format!("role r() {{\n{blocks}}}\n").as_bytes());
    holds(
        "22 parentheses",
        format!("let a = {}1{}\n", "(".repeat(22), ")".repeat(22)).as_bytes(),
    );
}

#[test]
fn large_files() {
    holds("50 MB", "let a = 1\n".repeat(5_000_000).as_bytes());
    holds(
        "one line of 10 MB",
        format!("let a = \"{}\"\n", "x".repeat(10_000_000)).as_bytes(),
    );
    holds(
        "one line of 10 MB, open",
        format!("let a = {}\n", "1 + ".repeat(2_500_000)).as_bytes(),
    );
}

#[test]
fn many_items_and_many_errors() {
    let items: String = (0..100_000).map(|i| format!("let a{i} = {i}\n")).collect();
    holds("100,000 items", items.as_bytes());
    let errors: String = (0..100_000).map(|i| format!("let a{i} = b{i}\n")).collect();
    holds("100,000 errors", errors.as_bytes());
    holds("100,000 bad lines", ") let = { \"\n".repeat(100_000).as_bytes());
}

#[test]
fn bytes_that_are_no_text() {
    holds("invalid UTF-8", b"let a = \"\xff\xfe\"\n");
    holds("NUL", b"let a = 1\0\nlet b = \"\0\"\n");
    holds("byte order mark", "\u{feff}let a = 1\n".as_bytes());
    holds("CRLF", b"role r() {\r\n  let a = 1\r\n  out b: Int = a\r\n}\r\n");
    holds("empty", b"");
    holds("half a character", &"let a = \"é".as_bytes()[..10]);
}

#[test]
fn values_that_grow() {
    let mut laughs = "let a0 = \"ha\"\n".to_owned();
    for i in 1..60 {
        laughs.push_str(&format!("let a{i} = \"{{a{}}}{{a{}}}\"\n", i - 1, i - 1));
    }
    holds("a billion laughs", laughs.as_bytes());
}
