//! A child whose output is taken while it runs, so that only a piece of it is in memory at a time.

use super::{DRAIN, ExecError, Output, PULSE, Program, Running, pause, reader, take};
use crate::world::interrupt::Interrupt;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Pieces that are read before somebody takes them.
const AHEAD: usize = 4;

type Piece = Zeroizing<Vec<u8>>;

/// Runs a program and gives its standard output as it comes; `Output::stdout` stays empty.
///
/// `program.limit` is how long it may say nothing. It is ended when `each` has had enough, or when somebody asks to stop.
pub fn stream(
    program: &Program<'_>,
    stop: Option<&Interrupt>,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Output, ExecError> {
    let mut running = Running::start(program, stop)?;
    let pieces = pieces(running.child.stdout.take());
    let (wake, woken) = mpsc::channel();
    let stderr = reader(running.child.stderr.take(), program.keep, wake);
    let mut enough = false;
    let status = loop {
        match pieces.recv_timeout(PULSE) {
            Ok(piece) => {
                running.heard = running.elapsed();
                enough = enough || each(&piece).is_break();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => pause(PULSE / 10),
        }
        if let Some(status) = running.turn(enough)? {
            break status;
        }
    };
    // What it said last, unless a process that it left behind holds its output open.
    let drained = running.elapsed();
    while !enough && running.elapsed().saturating_sub(drained) < program.limit {
        match pieces.recv_timeout(DRAIN) {
            Ok(piece) => enough = each(&piece).is_break(),
            Err(_) => break,
        }
    }
    let _ = woken.recv_timeout(if enough { Duration::ZERO } else { DRAIN });
    Ok(Output { ended: running.ended(status), stdout: Vec::new(), stderr: take(&stderr) })
}

/// Reads to the end; whoever does not take what is read holds the program up.
fn pieces(stream: Option<impl Read + Send + 'static>) -> Receiver<Piece> {
    let (send, pieces) = mpsc::sync_channel(AHEAD);
    if let Some(mut stream) = stream {
        std::thread::spawn(move || {
            loop {
                let mut piece = Zeroizing::new(vec![0; PIECE]);
                match stream.read(&mut piece) {
                    Ok(0) => break,
                    Ok(length) => {
                        piece.truncate(length);
                        if send.send(piece).is_err() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::Ended;
    use super::*;
    use std::ffi::OsStr;

    fn sh(script: &str, limit: Duration) -> Program<'static> {
        let arguments = vec!["-c".into(), script.into()];
        Program {
            program: OsStr::new("sh"),
            arguments,
            variables: &[],
            input: b"",
            limit,
            keep: 100,
        }
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn all_of_it_is_given_and_none_of_it_is_kept() {
        let mut length = 0;
        let mut most = 0;
        let program = sh("head -c 10000000 /dev/zero; echo why >&2; exit 4", LONG);
        let output = stream(&program, None, |piece| {
            length += piece.len();
            most = most.max(piece.len());
            ControlFlow::Continue(())
        })
        .expect("ran");
        assert_eq!((length, output.ended), (10_000_000, Ended::ByItself(Some(4))));
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b"why\n"[..]));
        assert!(most <= PIECE, "{most}");
    }

    #[test]
    fn its_time_is_that_of_its_silence() {
        let goes_on = "for n in 1 2 3 4 5; do echo $n; sleep 1; done";
        let run = |script: &str| {
            let mut said = Vec::new();
            let program = sh(script, Duration::from_secs(4));
            let output = stream(&program, None, |piece| {
                said.extend_from_slice(piece);
                ControlFlow::Continue(())
            });
            (output.expect("ran").ended, String::from_utf8(said).expect("text"))
        };
        assert_eq!(run(goes_on), (Ended::ByItself(Some(0)), "1\n2\n3\n4\n5\n".to_owned()));
        let silent = run("echo 1; exec sleep 60");
        assert_eq!(silent, (Ended::OutOfTime { killed: false }, "1\n".to_owned()));
    }

    #[test]
    fn it_ends_when_somebody_has_enough_or_asks_to_stop() {
        let output = stream(&sh("exec cat /dev/zero", LONG), None, |_| ControlFlow::Break(()));
        assert_eq!(output.expect("ran").ended, Ended::Stopped { killed: false });
        let interrupt = Interrupt::never();
        interrupt.ask();
        let all = |_: &[u8]| ControlFlow::Continue(());
        let output = stream(&sh("exec sleep 60", LONG), Some(&interrupt), all).expect("ran");
        assert_eq!(output.ended, Ended::Stopped { killed: false });
    }
}
