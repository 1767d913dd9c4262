//! What the script of [`super`] says, line by line: values as `etcdctl -w json` writes them, or why there are none.

use super::ContainerError;
use crate::tell::clean;
use crate::world::etcd::answer::Range;
use crate::world::snapshot::Stored;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::ops::ControlFlow;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes that one line may have: all values of a page, of the largest kind, in base64.
const LARGEST: usize = 64 << 20;

/// An answer that is being read.
pub(super) struct Answer<'a, F> {
    mark: &'a str,
    each: F,
    line: Zeroizing<Vec<u8>>,
    begun: bool,
    ended: bool,
    damaged: Option<&'static str>,
    fault: Option<ContainerError>,
}

impl<'a, F: FnMut(Stored)> Answer<'a, F> {
    pub(super) fn new(mark: &'a str, each: F) -> Self {
        let line = Zeroizing::default();
        Self { mark, each, line, begun: false, ended: false, damaged: None, fault: None }
    }

    /// Reads what came; no more is wanted after a line that is too long.
    pub(super) fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        let mut rest = piece;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(at);
            rest = behind.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                self.line(line);
            } else {
                self.keep(line);
                let mut whole = std::mem::take(&mut self.line);
                self.line(&whole);
                // Its room serves the next one.
                whole.zeroize();
                self.line = whole;
            }
        }
        self.keep(rest);
        if self.line.len() > LARGEST {
            self.damaged = Some("one of its answers is too long");
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Keeps the begin of a line. What it had too little room in is wiped.
    fn keep(&mut self, bytes: &[u8]) {
        let needed = self.line.len() + bytes.len();
        if needed > self.line.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.line);
            self.line = larger;
        }
        self.line.extend_from_slice(bytes);
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !self.begun {
            // A shell's start-up files may say something first.
            self.begun = line.strip_prefix(b"B ") == Some(self.mark.as_bytes());
        } else if line.is_empty() || self.ended {
        } else if line.strip_prefix(b"E ") == Some(self.mark.as_bytes()) {
            self.ended = true;
        } else if let Some(fault) = line.strip_prefix(b"X ") {
            self.fault = fault_of(fault);
        } else {
            // A page that broke off: its reason comes behind it.
            let range = serde_json::from_slice::<Range>(line);
            if range.map_or(true, |range| range.each(&mut self.each).is_err()) {
                self.damaged = Some("its answer is damaged");
            }
        }
    }

    /// How it went; `reason` makes more of an answer that is not whole.
    pub(super) fn end(self, reason: impl Fn(&str) -> String) -> Result<(), ContainerError> {
        let broken = match (self.fault, self.damaged) {
            (Some(fault), _) => return Err(fault),
            (None, Some(damaged)) => return Err(ContainerError::Machine(damaged.to_owned())),
            (None, None) if !self.begun => "its shell did not run what it was told",
            (None, None) if !self.ended => "its answer is cut off",
            (None, None) => return Ok(()),
        };
        Err(ContainerError::Machine(reason(broken)))
    }
}

/// `KIND` and what was said, in base64.
fn fault_of(line: &[u8]) -> Option<ContainerError> {
    let text = std::str::from_utf8(line).ok()?;
    let (kind, said) = text.split_once(' ')?;
    let said = STANDARD.decode(said).unwrap_or_default();
    let said = clean::line(String::from_utf8_lossy(&said).trim()).into_owned();
    Some(match kind {
        "none" => ContainerError::NoEtcd,
        "bare" => ContainerError::Bare(said),
        "runtime" if said.is_empty() => ContainerError::NoRuntime,
        "runtime" => ContainerError::Runtime(said),
        "etcdctl" => ContainerError::NoEtcdctl(said),
        "empty" => ContainerError::Empty(said),
        _ => ContainerError::Refused(said),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> String {
        let key = STANDARD.encode(format!("/registry/secrets/default/{name}"));
        let value = STANDARD.encode("k8s:enc:aescbc:v1:one:xyz");
        format!("{{\"kvs\":[{{\"key\":\"{key}\",\"value\":\"{value}\"}}]}}\n")
    }

    /// Names that were given, and how it ended, whatever pieces it comes in.
    fn read(text: &str) -> (Vec<String>, Result<(), String>) {
        let mut all = Vec::new();
        for size in [1, 7, 1 << 20] {
            let mut names = Vec::new();
            let mut answer = Answer::new("m", |stored: Stored| names.push(stored.key.name));
            for piece in text.as_bytes().chunks(size) {
                assert!(answer.take(piece).is_continue());
            }
            let end = answer.end(str::to_owned).map_err(|why| why.to_string());
            all.push((names, end));
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        all.remove(0)
    }

    #[test]
    fn lines_are_pages_until_the_end() {
        let text = format!("motd {{\nB m\n{}\n{}E m\nmore\n", page("a"), page("b"));
        assert_eq!(read(&text), (vec!["a".to_owned(), "b".to_owned()], Ok(())));
    }

    #[test]
    fn what_is_not_whole_is_said_to_be_so() {
        let x = |kind: &str, said: &str| format!("X {kind} {}\n", STANDARD.encode(said));
        let half = &page("b")[..30];
        for (text, said) in [
            (String::new(), "did not run"),
            ("B other\nE other\n".to_owned(), "did not run"),
            (format!("B m\n{}", page("a")), "cut off"),
            (format!("B m\n{}{half}\nE m\n", page("a")), "damaged"),
            (
                format!("B m\n{}{half}\n{}E m\n", page("a"), x("refused", "\u{1b}[2Jno")),
                "etcd refused: ",
            ),
            (format!("B m\n{}E m\n", x("none", "")), "no etcd runs there"),
            (
                format!("B m\n{}E m\n", x("bare", "812")),
                "etcd (PID 812) runs there in no container",
            ),
            (format!("B m\n{}E m\n", x("runtime", "")), "none of crictl, docker and ctr"),
            (
                format!("B m\n{}E m\n", x("runtime", "docker: why")),
                "cannot be reached: docker: why",
            ),
            (format!("B m\n{}E m\n", x("etcdctl", "none")), "no `etcdctl` of etcd 3"),
            (format!("B m\n{}E m\n", x("empty", "/r")), "nothing below `/r`"),
        ] {
            let why = read(&text).1.expect_err(&text);
            assert!(why.contains(said) && !why.contains('\u{1b}'), "{text:?}: {why}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut answer = Answer::new("m", |_: Stored| {});
        let _ = answer.take(b"B m\n");
        let piece = vec![b'{'; 1 << 20];
        let taken = (0..100).take_while(|_| answer.take(&piece).is_continue()).count();
        assert_eq!(taken, LARGEST >> 20);
        assert!(answer.end(str::to_owned).expect_err("too long").to_string().contains("too long"));
    }
}
