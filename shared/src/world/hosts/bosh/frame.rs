//! A script's way to a VM and its output's way back, through a terminal that neither side wanted.
//!
//! `bosh ssh` always forces a terminal: standard output and error become one, lines end in `\r\n` or `\r\r\n`, banners,
//! complaints of sudo and messages to all users stand in between. So scripts go as base64 in one argument, and what they
//! say comes back as base64 between two marks that nobody can guess, with a checksum.
//!
//! The script runs in a session of its own: where the connection breaks, it goes on to its end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes of a script's output that come back where nobody says otherwise; the rest is cut off on the VM.
pub(super) const LIMIT: usize = 65_536;

/// What runs as root and hands the worker's output back. `$1` is the mark, `$2` the worker, `$3` how much comes back.
///
/// No file is written: the disk of the VM may be full. `head` bounds what comes back.
const CARRIER: &str = r#"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
worker=$(printf %s "$2" | base64 -d) || exit 3
session=$(command -v setsid)
data=$($session /bin/sh -c "$worker" worker </dev/null 2>&1 | head -c "$3" | base64)
sum=$(printf %s "$data" | cksum)
printf '\n@begin %s\n%s\n@end %s %s\n' "$1" "$data" "$1" "${sum%% *}"
"#;

/// The command for the remote login shell that runs `worker`, a script for any POSIX shell, as root.
pub(super) fn command(worker: &str, mark: &str, limit: usize) -> String {
    let carrier = STANDARD.encode(CARRIER);
    let worker = STANDARD.encode(worker);
    format!(
        "sudo -n /bin/sh -c \"$(echo {carrier} | base64 -d)\" carrier {mark} {worker} {limit} </dev/null"
    )
}

/// Why there is no output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// There is no end mark: the script did not run, or its end did not come through.
    NoEnd,
    /// What stands between the marks is not what was sent.
    Damaged,
}

/// The output of the script, out of everything that came through the terminal.
pub(super) fn read(terminal: &str, mark: &str, limit: usize) -> Result<Zeroizing<String>, Broken> {
    let text = Zeroizing::new(terminal.replace('\r', ""));
    let (begin, end) = (format!("@begin {mark}"), format!("@end {mark} "));
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.ends_with(&begin)).skip(1);
    let mut data: Vec<&str> = Vec::new();
    let sum = loop {
        let line = lines.next().ok_or(Broken::NoEnd)?;
        match line.split_once(&end) {
            Some(("", sum)) => break sum.trim().parse::<u32>().map_err(|_| Broken::Damaged)?,
            Some(_) => return Err(Broken::Damaged),
            // Somebody's message to all users of the machine.
            None if !line.bytes().all(is_base64) => {}
            None => data.push(line),
        }
    };
    let data = Zeroizing::new(data.join("\n"));
    let data = data.trim();
    if cksum(data.as_bytes()) != sum {
        return Err(Broken::Damaged);
    }
    let joined = Zeroizing::new(data.replace('\n', ""));
    let bytes = Zeroizing::new(STANDARD.decode(&*joined).map_err(|_| Broken::Damaged)?);
    if bytes.len() > limit {
        return Err(Broken::Damaged);
    }
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The checksum of POSIX `cksum`: CRC-32 with polynomial 0x04C11DB7 over the bytes and then their count.
fn cksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: u8| {
        let mut crc = crc ^ (u32::from(byte) << 24);
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
        }
        crc
    };
    let crc = bytes.iter().fold(0, |crc, byte| step(crc, *byte));
    // The count, lowest byte first, as many bytes as it needs.
    let count = bytes.len().to_le_bytes();
    let used = count.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    !count[..used].iter().fold(crc, |crc, byte| step(crc, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::exec::{self, Ended, Program};
    use std::ffi::OsStr;
    use std::time::Duration;

    /// Runs the command as a login shell would, without sudo.
    fn run(worker: &str) -> String {
        let command = command(worker, "m1", LIMIT).replace("sudo -n ", "");
        let program = Program {
            program: OsStr::new("bash"),
            arguments: vec!["-c".into(), command.into()],
            variables: &[],
            input: b"",
            limit: Duration::from_mins(1),
            keep: 1_000_000,
        };
        let output = exec::run(&program, None).expect("bash runs");
        assert_eq!(output.ended, Ended::ByItself(Some(0)), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn said_by(terminal: &str, mark: &str) -> Result<String, Broken> {
        read(terminal, mark, LIMIT).map(|text| text.to_string())
    }

    #[test]
    fn what_a_script_says_comes_back_whole() {
        for (script, said) in [
            ("printf 'a\\tb\\n'; echo error >&2", "a\tb\nerror\n"),
            ("echo \"it's $((1 + 1)) %s $HOME\" | sed 's#/.*#x#'", "it's 2 %s x\n"),
            ("cat; echo over", "over\n"),
            (":", ""),
        ] {
            assert_eq!(said_by(&run(script), "m1").as_deref(), Ok(said), "{script}");
        }
        let much =
            said_by(&run("head -c 200000 /dev/zero | tr '\\0' x"), "m1").expect("cut, not lost");
        assert_eq!(much.len(), LIMIT);
    }

    #[test]
    fn noise_of_a_terminal_is_passed_over_and_damage_is_seen() {
        let clean = run("echo hello; head -c 300 /dev/zero | tr '\\0' x");
        let expected = said_by(&clean, "m1").expect("clean");
        let noisy =
            format!("Unauthorized use!\nsudo: unable to resolve host x{clean}Connection closed.\n");
        let noisy = noisy.replace('\n', "\r\r\n");
        assert_eq!(said_by(&noisy, "m1").as_ref(), Ok(&expected));
        let (head, tail) = clean.split_once("eHh4eHh4").expect("base64 of x");
        let at = head.rfind('\n').expect("lines");
        let shout = format!(
            "{}\r\nBroadcast message from root@vm:\r\n{}eHh4eHh4{tail}",
            &head[..at],
            &head[at + 1..]
        );
        assert_eq!(said_by(&shout, "m1").as_ref(), Ok(&expected));
        assert_eq!(said_by(&format!("{head}eHh5eHh4{tail}"), "m1"), Err(Broken::Damaged));
        assert_eq!(said_by(&clean, "m2"), Err(Broken::NoEnd));
        assert_eq!(said_by(&clean[..clean.len() - 20], "m1"), Err(Broken::NoEnd));
        assert_eq!(said_by("", "m1"), Err(Broken::NoEnd));
    }

    #[test]
    fn the_checksum_is_posix_s() {
        // As `printf %s 123456789 | cksum` prints it.
        assert_eq!(cksum(b"123456789"), 930_766_865);
        assert_eq!(cksum(b""), 4_294_967_295);
    }

    #[test]
    fn the_command_survives_one_shell_and_a_format_string() {
        let command = command("echo '%h' \"$x\" `id`", "m1", LIMIT);
        assert!(
            !command.contains('%') && !command.contains('`') && !command.contains('\''),
            "{command}"
        );
    }
}
