//! What the script of [`super`] says, read.

use crate::facts::host::{FileFault, FileSeen, HOST_FILE_LIMIT, HostSeen, ProcessSeen};
use crate::world::hosts::local::{boot_time, started_at};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// Why an answer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::world::hosts) enum Broken {
    /// The script did not begin: what came is somebody else's.
    #[error("its shell did not run what it was told")]
    NoBegin,
    /// It did not come to its end.
    #[error("its answer is cut off")]
    NoEnd,
    /// A line that no script of ours writes.
    #[error("its answer is damaged")]
    Damaged,
}

/// Reads an answer; the second value is the machine's clock in seconds.
pub(in crate::world::hosts) fn read(
    text: &str,
    mark: &str,
) -> Result<(HostSeen, Option<i64>), Broken> {
    let (begin, end) = (format!("B {mark}"), format!("E {mark}"));
    // A shell's start-up files may say something first.
    let mut lines = text.lines().skip_while(|line| line.trim_end() != begin);
    lines.next().ok_or(Broken::NoBegin)?;
    let (mut seen, mut clock, mut boot) = (HostSeen::default(), None, None);
    let mut starts: Vec<String> = Vec::new();
    loop {
        let line = lines.next().ok_or(Broken::NoEnd)?;
        if line == end {
            break;
        }
        match line.split_once(' ') {
            Some(("F", rest)) => {
                let (path, file) = file(rest, &mut lines)?;
                seen.files.entry(path).or_insert(file);
            }
            Some(("P", rest)) => {
                let (process, stat) = process(rest).ok_or(Broken::Damaged)?;
                seen.processes.push(process);
                starts.push(stat);
            }
            Some(("btime", _)) => boot = boot_time(line),
            Some(("C", second)) => clock = second.parse().ok(),
            _ => return Err(Broken::Damaged),
        }
    }
    if let Some(boot) = boot {
        for (process, stat) in seen.processes.iter_mut().zip(&starts) {
            process.started = started_at(stat, boot);
        }
    }
    Ok((seen, clock))
}

fn file<'a>(
    rest: &str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<(String, FileSeen), Broken> {
    let fields: Vec<&str> = rest.split(' ').collect();
    let [name, link, moved, mode, user, modified, kind] = fields.as_slice() else {
        return Err(Broken::Damaged);
    };
    let content = match (*kind, kind.split_once(':')) {
        ("data", _) => data(lines)?,
        ("absent", _) => Err(FileFault::Absent),
        ("denied", _) => Err(FileFault::Denied),
        ("directory", _) => Err(FileFault::Directory),
        ("special", _) => Err(FileFault::Special),
        ("loop", _) => Err(FileFault::Loop),
        (_, Some(("large", size))) => {
            Err(FileFault::TooLarge(size.parse().map_err(|_| Broken::Damaged)?))
        }
        _ => return Err(Broken::Damaged),
    };
    let second = |text: &str| text.parse().ok().and_then(|s| Timestamp::from_second(s).ok());
    let link = if *link == "-" { None } else { Some(decode(link)?.trim_end().to_owned()) };
    let moved = if link.is_some() { second(moved) } else { None };
    let seen = FileSeen {
        link,
        mode: u32::from_str_radix(mode, 8).ok(),
        user: user.parse().ok(),
        modified: second(modified).max(moved),
        content,
    };
    Ok((decode(name)?, seen))
}

/// Lines of base64 up to one with a full stop.
fn data<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Result<Zeroizing<Vec<u8>>, FileFault>, Broken> {
    let mut text = Zeroizing::new(String::new());
    loop {
        match lines.next().ok_or(Broken::NoEnd)? {
            "." => break,
            line => text.push_str(line),
        }
    }
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| Broken::Damaged)?;
    if bytes.len() > HOST_FILE_LIMIT {
        return Ok(Err(FileFault::TooLarge(bytes.len() as u64)));
    }
    Ok(Ok(Zeroizing::new(bytes)))
}

fn process(rest: &str) -> Option<(ProcessSeen, String)> {
    let mut fields = rest.split(' ');
    let (pid, line, stat) = (fields.next()?, fields.next()?, fields.next()?);
    let arguments = decode(line).ok()?.lines().map(str::to_owned).collect();
    let process = ProcessSeen { pid: pid.parse().ok()?, started: None, arguments };
    Some((process, decode(stat).ok()?))
}

/// A word: as it is behind `=`, else in base64.
fn decode(text: &str) -> Result<String, Broken> {
    if let Some(plain) = text.strip_prefix('=') {
        return Ok(plain.to_owned());
    }
    let bytes = STANDARD.decode(text).map_err(|_| Broken::Damaged)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn an_answer_is_read_between_its_marks() {
        let (ca, link, key) = (encode("/ca.crt"), encode("x\n"), encode("/ca.key"));
        let (words, stat) = (
            encode("kubelet\n--x"),
            encode("7 (a b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 6000 0"),
        );
        let text = format!(
            "motd\nB m\nF {ca} {link} 5 644 0 3 data\naGVs\nbG8=\n.\nF =/plain - 0 - - - absent\nF {key} - 0 - - - denied\nP 7 {words} {stat}\n\
             btime 100\nC 1700000000\nE m\n"
        );
        let (seen, clock) = read(&text, "m").expect("good");
        let file = &seen.files["/ca.crt"];
        assert_eq!(file.content.as_ref().expect("data").as_slice(), b"hello");
        assert_eq!((file.link.as_deref(), file.mode, file.user), (Some("x"), Some(0o644), Some(0)));
        assert_eq!(file.modified, Timestamp::from_second(5).ok(), "the link is newer");
        assert_eq!(seen.files["/plain"].content.as_ref().err(), Some(&FileFault::Absent));
        assert_eq!(seen.files["/ca.key"].content.as_ref().err(), Some(&FileFault::Denied));
        assert_eq!(seen.processes[0].arguments, ["kubelet", "--x"]);
        assert_eq!(seen.processes[0].started, Timestamp::from_second(160).ok());
        assert_eq!(clock, Some(1_700_000_000));
    }

    #[test]
    fn what_is_damaged_is_not_believed() {
        let ca = encode("/ca.crt");
        for (text, expected) in [
            (String::new(), Broken::NoBegin),
            ("B other\nE other\n".to_owned(), Broken::NoBegin),
            ("B m\n".to_owned(), Broken::NoEnd),
            (format!("B m\nF {ca} - 0 644 0 3 data\naGVs\n"), Broken::NoEnd),
            (format!("B m\nF {ca} - 0 644 0 3 data\n!\n.\nE m\n"), Broken::Damaged),
            (format!("B m\nF {ca} - 0 644 0 3 odd\nE m\n"), Broken::Damaged),
            (format!("B m\nF {ca}\nE m\n"), Broken::Damaged),
            ("B m\n\u{1b}[2J\nE m\n".to_owned(), Broken::Damaged),
        ] {
            assert_eq!(read(&text, "m").err(), Some(expected), "{text:?}");
        }
    }
}
