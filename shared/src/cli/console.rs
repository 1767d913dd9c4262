//! What a command talks through: the screen, the keyboard, and what the environment said.

use super::Tool;
use super::environment::Environment;
use super::failure::Failure;
use super::output::OutputArgs;
use crate::tell::clean;
use crate::tell::colour::{self, When, is_dumb};
use crate::tell::event::Listeners;
use crate::tell::human::{Human, Manner};
use crate::tell::json::{self, Format};
use crate::tell::screen::{Screen, Stream};
use crate::tell::table::{Layout, Table, Tone};
use serde::Serialize;
use std::io::{self, IsTerminal as _};

/// How much is said, and in which colours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// `--color`.
    pub color: When,
    /// `--quiet`.
    pub quiet: bool,
}

impl From<&OutputArgs> for Style {
    fn from(args: &OutputArgs) -> Self {
        Self { color: args.color, quiet: args.quiet }
    }
}

/// What a command talks through.
pub struct Console {
    /// Which binary this is.
    pub tool: Tool,
    /// What the environment says.
    pub environment: Environment,
    /// Stdout and stderr.
    pub screen: Screen,
    /// How a run is told.
    pub manner: Manner,
    /// Whether a person can be asked: stdin and stderr are both a terminal.
    pub can_ask: bool,
}

impl Console {
    /// The console of this process.
    pub fn open(tool: Tool, environment: Environment, style: Style) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let watched = stderr.is_terminal();
        let wanted = |terminal: bool| colour::wanted(style.color, &environment.colours, terminal);
        let screen = Screen::new(
            Stream {
                terminal: stdout.is_terminal(),
                colour: wanted(stdout.is_terminal()),
                writer: Box::new(stdout),
            },
            Stream { terminal: watched, colour: wanted(watched), writer: Box::new(stderr) },
            columns(environment.columns),
        );
        let moves = watched && !environment.colours.term.as_deref().is_none_or(is_dumb);
        let manner = match (style.quiet, moves) {
            (true, _) => Manner::Quiet,
            (false, true) => Manner::Live,
            (false, false) => Manner::Plain,
        };
        let can_ask = watched && io::stdin().is_terminal();
        Self { tool, environment, screen, manner, can_ask }
    }

    /// Data for stdout, as it stands.
    pub fn data(&self, text: &str) {
        self.screen.data(text);
    }

    /// A line on stderr, unless `--quiet`. Cleaned: it may hold what another machine said.
    pub fn note(&self, text: &str) {
        if self.manner != Manner::Quiet {
            self.screen.line(&clean::line(text));
        }
    }

    /// A warning on stderr, always. Cleaned as well.
    pub fn warn(&self, text: &str) {
        self.screen.line(&format!("{} {}", Tone::Warning.paint("warning:"), clean::line(text)));
    }

    /// A table on stdout.
    pub fn table(&self, table: &Table, no_headers: bool) {
        let layout = Layout { width: self.screen.table_width(), headers: !no_headers };
        self.data(&table.render(layout));
    }

    /// A document on stdout.
    pub fn document<T: Serialize>(&self, value: &T, format: Format) -> Result<(), Failure> {
        let text = json::document(value, format)
            .map_err(|error| Failure::unexpected(error.to_string()))?;
        self.data(&text);
        Ok(())
    }

    /// The log file alone, if there is one: for commands that have no run to tell people of.
    pub fn log(&self, output: &OutputArgs) -> Result<Listeners, Failure> {
        let mut listeners = Listeners::default();
        if let Some(path) = &output.log_file {
            listeners.0.push(Box::new(json::Lines::new(super::log_file::open(path)?)));
        }
        Ok(listeners)
    }

    /// Who is told of a run: people, and the log file if there is one.
    pub fn listeners(&self, output: &OutputArgs) -> Result<Listeners, Failure> {
        // First what can fail: nothing may have been said by then.
        let mut listeners = self.log(output)?;
        listeners.0.push(Box::new(Human::new(self.screen.clone(), self.manner)));
        Ok(listeners)
    }
}

/// What the terminal says, else `COLUMNS`, else 80.
fn columns(variable: Option<usize>) -> Box<dyn Fn() -> usize + Send> {
    Box::new(move || {
        let size = terminal_size::terminal_size_of(io::stderr())
            .or_else(|| terminal_size::terminal_size_of(io::stdout()));
        size.map(|(width, _)| usize::from(width.0))
            .filter(|width| *width > 0)
            .or(variable)
            .unwrap_or(80)
    })
}
