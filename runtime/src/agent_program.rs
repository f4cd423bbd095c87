//! The agent, as it is put on nodes: a static program that needs nothing there.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The program's bytes.
pub static PROGRAM: &[u8] = include_bytes!(env!("REBAR_AGENT_PROGRAM"));

/// SHA-256 of [`PROGRAM`] in hexadecimal digits. An agent on a node is the right one exactly when its
/// `Hello.version` ends with `+` and this: see [`is_version_of_program`].
pub fn fingerprint() -> &'static str {
    static FINGERPRINT: LazyLock<String> = LazyLock::new(|| {
        let digest = Sha256::digest(PROGRAM);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    });
    &FINGERPRINT
}

/// Whether an agent that greets with this version is the embedded one, byte for byte.
pub fn is_version_of_program(version: &str) -> bool {
    version
        .split_once('+')
        .is_some_and(|(_, digest)| digest == fingerprint())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn it_is_a_small_static_program_for_linux() {
        assert_eq!(&PROGRAM[..4], b"\x7fELF");
        assert!(
            PROGRAM.len() < 2_000_000,
            "the agent has grown to {} bytes",
            PROGRAM.len()
        );
        assert!(!needs_a_loader(PROGRAM), "the agent is not static");
    }

    /// Whether one of the program headers (of a 64-bit little-endian ELF file) names an interpreter.
    fn needs_a_loader(program: &[u8]) -> bool {
        const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();
        let number = |at: usize, length: usize| {
            program[at..at + length]
                .iter()
                .rev()
                .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        (0..count).any(|index| program[table + index * size..][..4] == INTERPRETER)
    }

    #[test]
    fn the_check_for_a_loader_finds_one() {
        let shell = std::fs::read("/bin/sh").unwrap();
        assert!(needs_a_loader(&shell));
    }

    #[test]
    fn it_greets_with_its_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rebar-agent");
        std::fs::write(&path, PROGRAM).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let version = String::from_utf8(output.stdout).unwrap();
        assert!(
            is_version_of_program(version.trim()),
            "{version} is not {}",
            fingerprint()
        );
        assert!(!is_version_of_program("0.1.0"));
    }
}
