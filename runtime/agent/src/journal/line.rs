//! One line of the journal: sixteen hexadecimal digits of its SHA-256, a space, JSON, a newline.

use crate::text;

use super::state::Entry;

/// Digits of the checksum.
const DIGITS: usize = 16;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// All good lines.
    pub(crate) entries: Vec<Entry>,
    /// Bytes that they take up; what follows is torn.
    pub(crate) length: u64,
}

/// The bytes of a line.
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    // An entry is text, numbers and maps with text keys, which always have a JSON form.
    let json = serde_json::to_string(entry).unwrap_or_default();
    format!("{} {json}\n", &text::digest(json.as_bytes())[..DIGITS]).into_bytes()
}

/// All good lines up to a torn end, which is what one write left and so no more than one line. The error is the number
/// of a bad line that another follows: taking that for a torn end would forget what was done here.
pub(crate) fn decode(bytes: &[u8]) -> Result<Reading, usize> {
    let mut entries = Vec::new();
    let mut length = 0;
    let mut bad = None;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match (decode_line(line), bad) {
            (Some(entry), None) => {
                entries.push(entry);
                length += line.len() as u64;
            }
            (_, Some(number)) => return Err(number),
            (None, None) => bad = Some(index + 1),
        }
    }
    Ok(Reading { entries, length })
}

fn decode_line(line: &[u8]) -> Option<Entry> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = line.split_at_checked(DIGITS)?;
    let json = json.strip_prefix(' ')?;
    if text::digest(json.as_bytes())[..DIGITS] != *sum {
        return None;
    }
    serde_json::from_str(json).ok()
}
