//! Secrets that a person types: nobody else sees them on the terminal, and they are wiped.

use super::console::Console;
use super::failure::Failure;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use zeroize::Zeroizing;

/// Characters that a passphrase may have.
const LIMIT: u64 = 4096;

/// Asks for a passphrase on the terminal.
pub fn ask(console: &Console, question: &str) -> Result<Zeroizing<String>, Failure> {
    let line = without_echo(|| {
        // Not before: what is typed at once would be shown.
        console.screen.line(question);
        let mut line = Zeroizing::new(String::with_capacity(4097));
        io::stdin().lock().take(LIMIT).read_line(&mut line)?;
        Ok::<_, io::Error>(line)
    })?;
    let line =
        line.map_err(|why| Failure::unexpected(format!("cannot read from the terminal: {why}")))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Runs something that reads standard input; what is typed meanwhile on a terminal is not shown.
pub fn without_echo<T>(read: impl FnOnce() -> T) -> Result<T, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(read());
    }
    let silent = Silent::begin()?;
    let value = read();
    drop(silent);
    Ok(value)
}

/// A terminal that shows nothing until this is dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> Result<Self, Failure> {
        let fail = |why: rustix::io::Errno| {
            Failure::unexpected(format!(
                "cannot keep the terminal from showing what is typed: {why}"
            ))
        };
        let before = tcgetattr(io::stdin()).map_err(fail)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).map_err(fail)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
