//! The person's terminal: raw while a shell on a node has it, and put back whatever happens.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// While this lives, keys go to the node as they are typed.
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Switches standard input to raw.
    pub(crate) fn enter() -> io::Result<RawTerminal> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(RawTerminal { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing can be done if the terminal has gone away.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
