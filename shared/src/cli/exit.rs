//! The one way in and out of every binary.

use super::Tool;
use super::complete::{self, Ask, Candidate};
use super::console::{Console, Style};
use super::environment::Environment;
use super::failure::Failure;
use crate::facts::exit::Exit;
use crate::tell::clean;
use crate::tell::colour::When;
use std::ffi::OsString;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::ExitCode;

/// The arguments of a tool.
pub trait CommandLine: clap::Parser {
    /// How it is to be told.
    fn style(&self) -> Style;

    /// Changes flags that several tools share for this one.
    fn shape(command: clap::Command) -> clap::Command {
        command
    }

    /// Values for an argument that only the tool knows: names of presets, contexts, pods.
    ///
    /// Called while somebody types: it must be fast, must not change anything, and says nothing when it fails.
    fn values(ask: &Ask<'_>, environment: &Environment) -> Vec<Candidate> {
        let _ = (ask, environment);
        Vec::new()
    }
}

/// Parses, runs, prints the error if there is one, and gives the exit code.
pub fn main<A: CommandLine>(
    tool: Tool,
    run: impl FnOnce(A, &Console) -> Result<Exit, Failure>,
) -> ExitCode {
    std::panic::set_hook(Box::new(end_by_panic));
    let environment = Environment::read();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let exit = match complete::request(&arguments) {
        Some(words) => answer::<A>(tool, environment, words),
        None => start(tool, environment, arguments, run),
    };
    ExitCode::from(exit.code())
}

fn start<A: CommandLine>(
    tool: Tool,
    environment: Environment,
    arguments: Vec<OsString>,
    run: impl FnOnce(A, &Console) -> Result<Exit, Failure>,
) -> Exit {
    let early = Style { color: early_color(&arguments), quiet: false };
    let mut command = command::<A>(tool);
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|mut matches| A::from_arg_matches_mut(&mut matches))
        .map_err(|error| error.format(&mut command));
    match parsed {
        Ok(args) => {
            let console = Console::open(tool, environment, args.style());
            let result = run(args, &console);
            finish(&console, result)
        }
        Err(error) => {
            let console = Console::open(tool, environment, early);
            // Styles are clap's own; the screen takes them off where they are not wanted.
            let text = error.render().ansi().to_string();
            if error.use_stderr() {
                console.screen.line(text.trim_end());
                finish(&console, Ok(Exit::Usage))
            } else {
                console.data(&text);
                finish(&console, Ok(Exit::Done))
            }
        }
    }
}

/// Says what went wrong, and which code that is.
fn finish(console: &Console, result: Result<Exit, Failure>) -> Exit {
    let lost = console.screen.finish();
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            console.screen.line(&failure.render(&console.tool));
            failure.exit()
        }
    };
    let Some(error) = lost else {
        return exit;
    };
    let failure = Failure::unexpected(format!("cannot write to standard output: {error}"));
    console.screen.line(&failure.render(&console.tool));
    // What was done is done: only a success that nobody could read is none.
    if exit == Exit::Done { failure.exit() } else { exit }
}

/// The tool's clap command, with the names that all tools have in common.
pub fn command<A: CommandLine>(tool: Tool) -> clap::Command {
    A::shape(A::command())
        .name(tool.file)
        .bin_name(tool.name)
        .display_name(tool.name)
        .version(tool.version)
        .max_term_width(100)
}

fn answer<A: CommandLine>(tool: Tool, environment: Environment, words: &[OsString]) -> Exit {
    let words: Vec<String> = words.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    let mut command = command::<A>(tool);
    let text = complete::answer(&mut command, &words, &|ask| A::values(ask, &environment));
    let console = Console::open(tool, environment, Style::default());
    console.data(&text);
    finish(&console, Ok(Exit::Done))
}

/// `--color` before anything is parsed: for the errors of parsing.
fn early_color(arguments: &[OsString]) -> When {
    let mut color = When::Auto;
    let mut words = arguments.iter().map(|word| word.to_string_lossy()).peekable();
    while let Some(word) = words.next() {
        let value = match word.as_ref() {
            "--" => break,
            "--color" => words.peek().map(ToString::to_string),
            other => other.strip_prefix("--color=").map(str::to_owned),
        };
        color = match value.as_deref() {
            Some("always") => When::Always,
            Some("never") => When::Never,
            _ => color,
        };
    }
    color
}

/// A bug. The process ends here, also from another thread: nothing more is changed by code that is known to be wrong.
///
/// Release builds abort on a panic, which is no exit code that a runbook could read; so this is the one other exit.
#[expect(clippy::exit, reason = "the hook runs before the abort that no destructor survives")]
fn end_by_panic(info: &PanicHookInfo<'_>) {
    use std::io::Write as _;
    let what = info.payload_as_str().unwrap_or("unknown");
    let place = info.location().map_or_else(String::new, |place| {
        let file = Path::new(place.file()).file_name().unwrap_or_default();
        format!(" ({}:{})", file.to_string_lossy(), place.line())
    });
    let text = format!(
        "\nerror: internal error: {}{place}\nhint: this is a bug in the tool; what it did until now is done, nothing \
         more will be; look before you run it again\n",
        clean::line(what)
    );
    // Not through the screen, whose lock the panicking thread may hold.
    let _ = std::io::stderr().write_all(text.as_bytes());
    std::process::exit(Exit::Unexpected.code().into());
}

#[cfg(test)]
mod tests {
    use super::super::output::OutputArgs;
    use super::*;
    use crate::tell::human::Manner;
    use crate::tell::screen::tests::{failing, screen};
    use clap::CommandFactory as _;
    use std::io::ErrorKind;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        output: OutputArgs,
    }

    impl CommandLine for Cli {
        fn style(&self) -> Style {
            (&self.output).into()
        }
    }

    const TOOL: Tool = Tool { name: "kubectl x", file: "kubectl-x", version: "1.2.3" };

    fn console(screen: crate::tell::screen::Screen) -> Console {
        Console {
            tool: TOOL,
            environment: Environment::default(),
            screen,
            manner: Manner::Plain,
            can_ask: false,
        }
    }

    #[test]
    fn each_result_has_its_code_and_errors_are_said() {
        for exit in Exit::ALL {
            let (screen, paper) = screen(false);
            assert_eq!(finish(&console(screen), Ok(exit)), exit);
            assert_eq!(paper.text(), "");
            let (screen, paper) = self::screen(false);
            let failure = Failure::unexpected("it broke").with_exit(exit);
            assert_eq!(finish(&console(screen), Err(failure)), exit);
            assert!(paper.text().starts_with("error: it broke\n"), "{}", paper.text());
        }
    }

    #[test]
    fn what_could_not_be_written_is_no_success_unless_nobody_listened() {
        for (kind, result, expected) in [
            (ErrorKind::BrokenPipe, Exit::Done, Exit::Done),
            (ErrorKind::BrokenPipe, Exit::Partly, Exit::Partly),
            (ErrorKind::StorageFull, Exit::Done, Exit::Unexpected),
            (ErrorKind::StorageFull, Exit::Partly, Exit::Partly),
        ] {
            let console = console(failing(kind));
            console.data("x");
            assert_eq!(finish(&console, Ok(result)), expected, "{kind:?}");
        }
    }

    #[test]
    fn colours_of_parse_errors_follow_the_flag_too() {
        for (line, expected) in [
            ("x --color=never --what", When::Never),
            ("x --color always --what", When::Always),
            ("x --what", When::Auto),
            ("x -- --color=never", When::Auto),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(early_color(&words), expected, "{line}");
        }
    }

    #[test]
    fn help_says_what_people_type() {
        Cli::command().debug_assert();
        let mut command = command::<Cli>(TOOL);
        assert!(command.render_usage().to_string().contains("kubectl x"));
        assert_eq!(command.render_version(), "kubectl x 1.2.3\n");
    }
}
