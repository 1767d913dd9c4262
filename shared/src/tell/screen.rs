//! Stdout and stderr in one hand: whatever is printed first takes the live display away and then puts it back.
//!
//! Printing cannot fail for the caller. A change that is under way must not stop because somebody closed a pipe: the
//! first failure of stdout is kept, and the exit point asks for it. A closed pipe (`| head`) is no failure.

use super::{colour, width};
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A stream to write to, and what it is.
pub struct Stream {
    /// Where the bytes go.
    pub writer: Box<dyn Write + Send>,
    /// Whether a person looks at it.
    pub terminal: bool,
    /// Whether it gets colours.
    pub colour: bool,
}

/// How many columns the terminal has right now; asked again before each drawing, since windows are resized.
pub type Columns = Box<dyn Fn() -> usize + Send>;

/// Both streams. Clones share them.
#[derive(Clone)]
pub struct Screen(Arc<Mutex<State>>);

struct State {
    stdout: Stream,
    stderr: Stream,
    columns: Columns,
    /// The live display as it should be.
    live: Vec<String>,
    /// Lines of it that are on the terminal now.
    drawn: usize,
    failure: Option<io::Error>,
    closed: bool,
}

impl Screen {
    /// Takes the streams.
    pub fn new(stdout: Stream, stderr: Stream, columns: Columns) -> Self {
        Self(Arc::new(Mutex::new(State {
            stdout,
            stderr,
            columns,
            live: Vec::new(),
            drawn: 0,
            failure: None,
            closed: false,
        })))
    }

    /// One that prints nowhere, for tests and for commands that only compute.
    pub fn nowhere() -> Self {
        let stream = || Stream { writer: Box::new(io::sink()), terminal: false, colour: false };
        Self::new(stream(), stream(), Box::new(|| 80))
    }

    /// Data: text for stdout as it stands.
    pub fn data(&self, text: &str) {
        self.lock().data(text);
    }

    /// Conversation: one line for stderr; the line feed is added.
    pub fn line(&self, text: &str) {
        self.lock().say(&format!("{text}\n"));
    }

    /// A question: stderr, without a line feed.
    pub fn ask(&self, text: &str) {
        self.lock().say(text);
    }

    /// Replaces the live display; no lines take it away. Off a terminal nothing is drawn.
    pub fn live(&self, lines: Vec<String>) {
        let mut state = self.lock();
        if state.stderr.terminal && state.live != lines {
            state.live = lines;
            state.say("");
        }
    }

    /// A line for stderr, and the live display that belongs below it, in one write.
    pub fn line_above(&self, text: &str, lines: Vec<String>) {
        let mut state = self.lock();
        if state.stderr.terminal {
            state.live = lines;
        }
        state.say(&format!("{text}\n"));
    }

    /// Columns for a table on stdout; `None` where no terminal cuts lines.
    pub fn table_width(&self) -> Option<usize> {
        let state = self.lock();
        state.stdout.terminal.then(|| (state.columns)())
    }

    /// Whether stderr is a terminal.
    pub fn is_watched(&self) -> bool {
        self.lock().stderr.terminal
    }

    /// Flushes stdout and gives the first failure of it, other than a closed pipe.
    pub fn finish(&self) -> Option<io::Error> {
        let mut state = self.lock();
        state.live.clear();
        state.say("");
        let flushed = state.stdout.writer.flush();
        state.note(flushed);
        state.failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half-done here that would matter more than its message.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn data(&mut self, text: &str) {
        if self.closed || self.failure.is_some() {
            return;
        }
        if self.drawn > 0 && self.stdout.terminal {
            let erase = self.erase();
            self.put(&erase);
        }
        let text = colour::fit(text, self.stdout.colour);
        let written = self.stdout.writer.write_all(text.as_bytes());
        self.note(written);
        if self.stdout.terminal && !self.live.is_empty() {
            let flushed = self.stdout.writer.flush();
            self.note(flushed);
            self.say("");
        }
    }

    /// Takes the live display away, writes, and puts it back, in one write: nothing flickers.
    fn say(&mut self, text: &str) {
        let mut all = self.erase();
        all.push_str(&colour::fit(text, self.stderr.colour));
        let columns = (self.columns)().max(2) - 1;
        for line in &self.live {
            all.push_str(&width::shorten(line, columns));
            all.push('\n');
        }
        self.drawn = self.live.len();
        self.put(&all);
    }

    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\r\u{1b}[{lines}A\u{1b}[J"),
        }
    }

    fn put(&mut self, text: &str) {
        if !text.is_empty() {
            // There is nobody left to tell.
            let _ = self.stderr.writer.write_all(text.as_bytes());
            let _ = self.stderr.writer.flush();
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stream that remembers, or fails.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>, Option<ErrorKind>);

    impl Paper {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("paper").clone()).expect("text")
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(kind) = self.1 {
                return Err(kind.into());
            }
            self.0.lock().expect("paper").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A screen whose both streams go to one paper, as on a terminal.
    pub(crate) fn screen(terminal: bool) -> (Screen, Paper) {
        let paper = Paper::default();
        let stream = || Stream { writer: Box::new(paper.clone()), terminal, colour: false };
        (Screen::new(stream(), stream(), Box::new(|| 20)), paper)
    }

    /// A screen whose stdout fails.
    pub(crate) fn failing(kind: ErrorKind) -> Screen {
        let stream =
            |writer: Box<dyn Write + Send>| Stream { writer, terminal: false, colour: false };
        let stdout = stream(Box::new(Paper(Arc::default(), Some(kind))));
        Screen::new(stdout, stream(Box::new(io::sink())), Box::new(|| 80))
    }

    #[test]
    fn whatever_is_printed_the_display_comes_back_below() {
        let (screen, paper) = screen(true);
        screen.live(vec!["one".into(), "two".into()]);
        screen.line("said");
        screen.data("data\n");
        screen.live(vec![]);
        let erase = "\r\u{1b}[2A\u{1b}[J";
        assert_eq!(
            paper.text(),
            format!("one\ntwo\n{erase}said\none\ntwo\n{erase}data\none\ntwo\n{erase}")
        );
    }

    #[test]
    fn a_line_of_the_display_never_wraps() {
        let (screen, paper) = screen(true);
        screen.live(vec!["a line that is much too long".into()]);
        assert_eq!(paper.text(), "a line that is muc…\n");
    }

    #[test]
    fn off_a_terminal_nothing_moves() {
        let (screen, paper) = screen(false);
        screen.live(vec!["one".into()]);
        screen.line("\u{1b}[31msaid\u{1b}[0m");
        assert!(screen.finish().is_none());
        assert_eq!(paper.text(), "said\n");
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        let screen = failing(ErrorKind::BrokenPipe);
        screen.data("a");
        screen.data("b");
        assert!(screen.finish().is_none());
        let screen = failing(ErrorKind::StorageFull);
        screen.data("a");
        assert_eq!(screen.finish().expect("kept").kind(), ErrorKind::StorageFull);
    }
}
