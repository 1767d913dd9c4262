//! A VM's files and processes, by the script that looks at machines over ssh.

use super::{Bosh, BoshError, Reach};
use crate::facts::bosh::InstanceName;
use crate::facts::host::HostSeen;
use crate::world::clock::{Clock as _, SystemClock};
use crate::world::hosts::ssh;
use std::time::Duration;
use zeroize::Zeroizing;

/// Bytes that the script may say of one VM.
const LIMIT: usize = 8 << 20;
/// A gateway that is busy drops connections; asking again is harmless.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

impl Bosh {
    /// Looks at files by patterns, at what those name, and at processes of these programs. The inner error is about this
    /// VM alone, and the VM is not changed.
    pub fn look(
        &self,
        instance: &InstanceName,
        patterns: &[String],
        programs: &[&str],
        limit: Duration,
    ) -> Result<Result<HostSeen, String>, BoshError> {
        let mark = ssh::mark();
        // The terminal would mix what programs complain of into the answer.
        let script = format!("exec 2>/dev/null\n{}", ssh::script(patterns, programs, &mark));
        let mut waits = BACK_OFF.iter();
        let clock = SystemClock::start();
        loop {
            let from = clock.now().as_second();
            let why = match self.session(instance, &script, limit, true, LIMIT)? {
                Reach::Said(text) => {
                    let text = Zeroizing::new(text);
                    return Ok(seen(&text, &mark, from, clock.now().as_second()));
                }
                Reach::Unreachable(why) => match waits.next() {
                    Some(wait) if !self.interrupt.pause(*wait) => continue,
                    _ if self.interrupt.is_asked() => return Err(BoshError::Stopped),
                    _ => why,
                },
                Reach::Agent(why) => format!("its agent did not let anybody in: {why}"),
                Reach::HostKey(why) | Reach::Gone(why) | Reach::Lost(why) | Reach::Garbled(why) => {
                    why
                }
            };
            return Ok(Err(why));
        }
    }
}

fn seen(text: &str, mark: &str, from: i64, to: i64) -> Result<HostSeen, String> {
    let (mut seen, clock) = ssh::answer::read(text, mark).map_err(|broken| broken.to_string())?;
    // Setting up an account takes the director a while; whatever was read meanwhile is right.
    seen.clock_ahead = clock.map(|clock| clock.saturating_sub(clock.clamp(from, to.max(from))));
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_right_at_some_moment_of_the_look_is_right() {
        let ahead = |clock: i64| seen(&format!("B m\nC {clock}\nE m\n"), "m", 1000, 1090);
        for (clock, expected) in [(1000, 0), (1050, 0), (1090, 0), (1200, 110), (900, -100)] {
            assert_eq!(ahead(clock).map(|seen| seen.clock_ahead), Ok(Some(expected)), "{clock}");
        }
        assert_eq!(
            seen("", "m", 0, 0).err().as_deref(),
            Some("its shell did not run what it was told")
        );
    }
}
