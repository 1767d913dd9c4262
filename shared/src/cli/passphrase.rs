//! Secrets that a person types: nobody else sees them on the terminal, and they are wiped.

use super::console::Console;
use super::failure::Failure;
use crate::facts::exit::Exit;
use crate::world::interrupt::Interrupt;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Characters that a passphrase may have.
const LIMIT: u64 = 4096;

/// How often it is looked whether somebody asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Asks for a passphrase on the terminal.
pub fn ask(
    console: &Console,
    interrupt: &Interrupt,
    question: &str,
) -> Result<Zeroizing<String>, Failure> {
    // Not before echo is off: what is typed at once would be shown.
    let line = without_echo(
        interrupt,
        || console.screen.line(question),
        || {
            let mut line = Zeroizing::new(String::with_capacity(4097));
            io::stdin().lock().take(LIMIT).read_line(&mut line)?;
            Ok::<_, io::Error>(line)
        },
    )?;
    let line =
        line.map_err(|why| Failure::unexpected(format!("cannot read from the terminal: {why}")))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Runs something that reads standard input; what is typed meanwhile on a terminal is not shown. `begin` runs when
/// nothing is shown any more.
///
/// Reading cannot be stopped, so it has a thread of its own: when somebody asks to stop, the terminal is made as it was,
/// and the program ends under the reader.
pub fn without_echo<T: Send + 'static>(
    interrupt: &Interrupt,
    begin: impl FnOnce(),
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    if !io::stdin().is_terminal() {
        begin();
        return Ok(read());
    }
    let _silent = Silent::begin()?;
    begin();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(read()));
    loop {
        match told.recv_timeout(LOOK) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) if !interrupt.is_asked() => {}
            Err(RecvTimeoutError::Timeout) => {
                return Err(Failure::unexpected("interrupted; nothing was changed")
                    .with_exit(Exit::Interrupted)
                    .with_hint("run the same command again"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::unexpected("what was to be typed could not be read"));
            }
        }
    }
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
