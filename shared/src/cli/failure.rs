//! An error on its way out, and how it is printed.

use crate::facts::exit::{Exit, Fault};
use crate::tell::clean;
use anstyle::{AnsiColor, Effects, Style};
use std::error::Error;
use std::fmt;

const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const HINT: Style = AnsiColor::Cyan.on_default().effects(Effects::BOLD);

/// Any expected error: it knows its exit code and what to do next.
///
/// It is no [`Error`] itself, so that `?` turns every [`Fault`] into it.
#[derive(Debug)]
pub struct Failure(Box<dyn Fault + Send + Sync>);

impl<F: Fault + Send + Sync + 'static> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self(Box::new(fault))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Failure {
    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Plain::new(Exit::Usage, message).into()
    }

    /// A precondition, a gate or a confirmation failed.
    pub fn refused(message: impl Into<String>) -> Self {
        Plain::new(Exit::Refused, message).into()
    }

    /// The environment, the API or a bug.
    pub fn unexpected(message: impl Into<String>) -> Self {
        Plain::new(Exit::Unexpected, message).into()
    }

    /// With another exit code than it knows.
    #[must_use]
    pub fn with_exit(self, exit: Exit) -> Self {
        Changed { exit: Some(exit), hint: None, failure: self.0 }.into()
    }

    /// With another advice than it has: `run ...`.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Changed { exit: None, hint: Some(hint.into()), failure: self.0 }.into()
    }

    /// With what was tried, in words that fit `cannot ...`; what failed becomes its cause.
    #[must_use]
    pub fn while_trying(self, what: &str) -> Self {
        Context { what: format!("cannot {what}"), failure: self.0 }.into()
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }

    /// What is printed on stderr, with styles; several lines without the last line feed.
    ///
    /// Text may come from other machines: each line is cleaned. A cause is said once, even by types that repeat it.
    pub fn render(&self, tool: &super::Tool) -> String {
        let mut said = self.0.to_string();
        let head = match self.0.server_reason() {
            Some("") => format!("{BAD}Error from server:{BAD:#}"),
            Some(reason) => format!("{BAD}Error from server ({}):{BAD:#}", clean::line(reason)),
            None => format!("{BAD}error:{BAD:#}"),
        };
        let mut text = format!("{head} {}", clean::line(&said));
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !words.is_empty() && !said.contains(&words) {
                text.push_str("\n  caused by: ");
                text.push_str(&clean::line(&words));
                said.push('\n');
                said.push_str(&words);
            }
            cause = error.source();
        }
        let help = || format!("run `{} --help`", tool.name);
        let hint = self.0.hint().or_else(|| (self.exit() == Exit::Usage).then(help));
        if let Some(hint) = hint {
            text.push('\n');
            text.push_str(&hint_line(&hint));
        }
        text
    }
}

fn hint_line(hint: &str) -> String {
    format!("{HINT}hint:{HINT:#} {}", clean::line(hint))
}

/// An error that is only a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Plain {
    exit: Exit,
    message: String,
}

impl Plain {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl Fault for Plain {
    fn exit(&self) -> Exit {
        self.exit
    }
}

/// An error whose exit code or advice somebody knows better.
#[derive(Debug)]
struct Changed {
    exit: Option<Exit>,
    hint: Option<String>,
    failure: Box<dyn Fault + Send + Sync>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl Error for Changed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

impl Fault for Changed {
    fn exit(&self) -> Exit {
        self.exit.unwrap_or_else(|| self.failure.exit())
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone().or_else(|| self.failure.hint())
    }

    fn server_reason(&self) -> Option<&str> {
        self.failure.server_reason()
    }
}

/// What was tried when an error happened.
#[derive(Debug)]
struct Context {
    what: String,
    failure: Box<dyn Fault + Send + Sync>,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let failure: &(dyn Fault + 'static) = &*self.failure;
        Some(failure)
    }
}

impl Fault for Context {
    fn exit(&self) -> Exit {
        self.failure.exit()
    }

    fn hint(&self) -> Option<String> {
        self.failure.hint()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tool;
    use super::*;

    const TOOL: Tool = Tool { name: "kubectl x", file: "kubectl-x", version: "1.2.3" };

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.render(&TOOL)).to_string()
    }

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("pods \"a\" not found")]
        Server,
        #[error("cannot read the file")]
        Caused(#[source] std::io::Error),
        #[error("cannot read the file: {0}")]
        Repeats(#[source] std::io::Error),
        #[error("said\u{1b}[2J\nthis")]
        Remote,
    }

    impl Fault for Sample {
        fn exit(&self) -> Exit {
            Exit::Unexpected
        }

        fn server_reason(&self) -> Option<&str> {
            matches!(self, Self::Server).then_some("NotFound")
        }
    }

    #[test]
    fn each_error_as_it_is_read() {
        let cause = || std::io::Error::other("no space");
        for (failure, expected) in [
            (Failure::refused("no"), "error: no"),
            (Failure::usage("bad"), "error: bad\nhint: run `kubectl x --help`"),
            (Failure::refused("no").with_hint("run `x`"), "error: no\nhint: run `x`"),
            (Sample::Server.into(), "Error from server (NotFound): pods \"a\" not found"),
            (Sample::Caused(cause()).into(), "error: cannot read the file\n  caused by: no space"),
            (Sample::Repeats(cause()).into(), "error: cannot read the file: no space"),
            (Sample::Remote.into(), "error: said this"),
            (
                Failure::from(Sample::Caused(cause())).while_trying("begin"),
                "error: cannot begin\n  caused by: cannot read the file\n  caused by: no space",
            ),
        ] {
            assert_eq!(plain(&failure), expected);
        }
    }

    #[test]
    fn the_code_is_the_errors_own_unless_somebody_knows_better() {
        let failure = || Failure::from(Sample::Server);
        assert_eq!(failure().exit(), Exit::Unexpected);
        assert_eq!(failure().while_trying("begin").exit(), Exit::Unexpected);
        assert_eq!(failure().with_exit(Exit::Partly).with_hint("run").exit(), Exit::Partly);
    }
}
