//! Looks at processes of this host.

use std::fs;

/// `PF_EXITING` of the kernel's `include/linux/sched.h`: the process is on its way out.
const EXITING: u64 = 0x4;

/// When a process was started, in ticks since boot; none if it is gone or only waits to be collected.
pub(super) fn start_time(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    let flags: u64 = fields.nth(5)?.parse().ok()?;
    // The first process of a machine can take seconds to end, while its children are collected.
    if matches!(state, "Z" | "X") || flags & EXITING != 0 {
        return None;
    }
    fields.nth(12)?.parse().ok()
}

/// This host's boot.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The capabilities that a process and its children can ever have.
pub(super) fn bounding_set(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}
