//! Completion: what may come next on a command line, read off the tool's own clap command.
//!
//! kubectl runs `kubectl_complete-NAME WORD...`; the scripts of `completion` run the tool with `__complete WORD...`. The
//! last word is the one being typed. The answer has a line for each candidate, `value<TAB>description`, and ends with
//! `:4`, or with `:0` where names of files may come.

use clap::{Arg, ArgAction, Command, ValueHint};
use std::ffi::OsString;
use std::path::Path;

/// A value that may come next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What is typed.
    pub value: String,
    /// What it means.
    pub help: String,
}

impl Candidate {
    /// A value and its meaning.
    pub fn new(value: impl Into<String>, help: impl Into<String>) -> Self {
        Self { value: value.into(), help: help.into() }
    }
}

/// For which argument values are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The subcommands, outermost first.
    pub verbs: &'a [String],
    /// The id of the argument: the name of its field.
    pub argument: &'a str,
    /// All words, for flags that say where to look.
    pub words: &'a [String],
}

/// The words to complete, if this run is asked for that.
pub fn request(arguments: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = arguments.split_first()?;
    let file = Path::new(program).file_name()?.to_string_lossy();
    if file.starts_with("kubectl_complete-") {
        return Some(rest);
    }
    rest.split_first().filter(|(first, _)| *first == "__complete").map(|(_, words)| words)
}

/// The answer to these words.
pub fn answer(
    command: &mut Command,
    words: &[String],
    values: &dyn Fn(&Ask<'_>) -> Vec<Candidate>,
) -> String {
    command.build();
    let (typed, before) = words.split_last().map_or(("", &[][..]), |(w, b)| (w.as_str(), b));
    let position = Position::after(command, before);
    let of = |argument: &Arg, prefix: &str| {
        let ask = Ask { verbs: &position.verbs, argument: argument.get_id().as_str(), words };
        let mut candidates = possible(argument);
        candidates.extend(values(&ask));
        for candidate in &mut candidates {
            candidate.value.insert_str(0, prefix);
        }
        (candidates, wants_file(argument))
    };
    let (mut candidates, files) = if let Some(argument) = position.expects {
        of(argument, "")
    } else if let Some((argument, prefix)) = position.with_equals(typed) {
        of(argument, prefix)
    } else if typed.starts_with('-') && !position.only_positionals {
        (position.flags(), false)
    } else {
        let (mut candidates, files) =
            position.positional().map_or_else(Default::default, |argument| of(argument, ""));
        if position.positionals == 0 && !position.only_positionals {
            candidates.extend(position.subcommands());
        }
        (candidates, files)
    };
    candidates.retain(|candidate| candidate.value.starts_with(typed));
    candidates.dedup();
    let mut text = String::new();
    for Candidate { value, help } in &candidates {
        let help = help.lines().next().unwrap_or_default();
        text.push_str(&crate::tell::clean::line(value));
        if !help.is_empty() {
            text.push('\t');
            text.push_str(&crate::tell::clean::line(help));
        }
        text.push('\n');
    }
    text.push_str(if files { ":0\n" } else { ":4\n" });
    text
}

/// Where on the command line the next word stands.
struct Position<'a> {
    command: &'a Command,
    verbs: Vec<String>,
    /// The flag before it takes a value.
    expects: Option<&'a Arg>,
    positionals: usize,
    only_positionals: bool,
}

impl<'a> Position<'a> {
    fn after(command: &'a Command, words: &[String]) -> Self {
        let mut position = Self {
            command,
            verbs: Vec::new(),
            expects: None,
            positionals: 0,
            only_positionals: false,
        };
        for word in words {
            position.pass(word);
        }
        position
    }

    fn pass(&mut self, word: &str) {
        if self.expects.take().is_some() {
        } else if self.only_positionals {
            self.positionals += 1;
        } else if word == "--" {
            self.only_positionals = true;
        } else if let Some(long) = word.strip_prefix("--") {
            self.expects = self.argument(|a| a.get_long() == Some(long)).filter(|a| takes_next(a));
        } else if let Some(short) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            self.expects = self.after_shorts(short);
        } else if let Some(verb) =
            self.command.find_subcommand(word).filter(|_| self.positionals == 0)
        {
            self.command = verb;
            self.verbs.push(verb.get_name().to_owned());
        } else {
            self.positionals += 1;
        }
    }

    /// `-qn` awaits a value for `n`; `-nfoo` has it.
    fn after_shorts(&self, shorts: &str) -> Option<&'a Arg> {
        let mut shorts = shorts.chars();
        while let Some(short) = shorts.next() {
            let argument = self.argument(|a| a.get_short() == Some(short))?;
            if takes_next(argument) {
                return shorts.as_str().is_empty().then_some(argument);
            }
        }
        None
    }

    fn argument(&self, which: impl Fn(&Arg) -> bool) -> Option<&'a Arg> {
        self.command.get_arguments().find(|argument| which(argument))
    }

    /// `--flag=va`: the argument, and what stands before its value.
    fn with_equals<'t>(&self, typed: &'t str) -> Option<(&'a Arg, &'t str)> {
        let (flag, _) = typed.split_once('=').filter(|_| !self.only_positionals)?;
        let long = flag.strip_prefix("--")?;
        let argument = self.argument(|a| a.get_long() == Some(long))?;
        Some((argument, &typed[..=flag.len()]))
    }

    fn positional(&self) -> Option<&'a Arg> {
        let mut positionals = self.command.get_positionals();
        let nth = positionals.nth(self.positionals);
        nth.or_else(|| self.command.get_positionals().last().filter(|last| repeats(last)))
    }

    fn flags(&self) -> Vec<Candidate> {
        let visible = self.command.get_arguments().filter(|argument| !argument.is_hide_set());
        visible
            .filter_map(|argument| {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                argument.get_long().map(|long| Candidate::new(format!("--{long}"), help))
            })
            .collect()
    }

    fn subcommands(&self) -> Vec<Candidate> {
        // clap's own `help` would stand among the names of targets.
        let visible = self.command.get_subcommands();
        let visible = visible.filter(|c| !c.is_hide_set() && c.get_name() != "help");
        visible
            .map(|command| {
                let help = command.get_about().map(ToString::to_string).unwrap_or_default();
                Candidate::new(command.get_name(), help)
            })
            .collect()
    }
}

/// Whether the next word is its value.
fn takes_next(argument: &Arg) -> bool {
    argument.get_action().takes_values() && !argument.is_require_equals_set()
}

fn repeats(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
        || argument.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn possible(argument: &Arg) -> Vec<Candidate> {
    let values = argument.get_possible_values();
    values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            Candidate::new(value.get_name(), help)
        })
        .collect()
}

fn wants_file(argument: &Arg) -> bool {
    matches!(
        argument.get_value_hint(),
        ValueHint::FilePath | ValueHint::AnyPath | ValueHint::DirPath | ValueHint::ExecutablePath
    )
}

#[cfg(test)]
mod tests {
    use super::super::connection::ConnectionArgs;
    use super::super::dry_run::DryRunArgs;
    use super::super::output::OutputArgs;
    use super::*;
    use clap::{CommandFactory, Parser, Subcommand};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        _connection: ConnectionArgs,
        #[command(flatten)]
        _output: OutputArgs,
        #[command(flatten)]
        _dry_run: DryRunArgs,
        /// What to recycle
        _targets: Vec<String>,
        #[command(subcommand)]
        _verb: Option<Verb>,
    }

    #[derive(Subcommand)]
    enum Verb {
        /// List the presets
        Presets,
        /// Something old
        #[command(hide = true)]
        Old,
    }

    fn of(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
        let values = |ask: &Ask<'_>| match ask.argument {
            "_targets" => {
                vec![Candidate::new("dns", "the cluster's DNS"), Candidate::new("canal", "")]
            }
            "context" => vec![Candidate::new("prod", "")],
            _ => vec![],
        };
        answer(&mut Cli::command(), &words, &values).lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_may_come_next() {
        for (line, expected) in [
            ("x ", &["dns\tthe cluster's DNS", "canal", "presets\tList the presets", ":4"][..]),
            ("x d", &["dns\tthe cluster's DNS", ":4"]),
            ("x dns c", &["canal", ":4"]),
            ("x dns p", &[":4"]),
            ("x p", &["presets\tList the presets", ":4"]),
            ("x --context ", &["prod", ":4"]),
            ("x --context=p", &["--context=prod", ":4"]),
            ("x --context prod d", &["dns\tthe cluster's DNS", ":4"]),
            ("x --kubeconfig ", &[":0"]),
            ("x --kubeconfig=", &[":0"]),
            ("x -o j", &["json\tOne document", ":4"]),
            ("x -qo n", &["name\tOne `kind/name` a line", ":4"]),
            ("x -ojson d", &["dns\tthe cluster's DNS", ":4"]),
            ("x --dry-run d", &["dns\tthe cluster's DNS", ":4"]),
            (
                "x --dry-run=s",
                &[
                    "--dry-run=server\tSend each change for the server to check and not to make",
                    ":4",
                ],
            ),
            ("x presets --contex", &["--context\tContext of the kubeconfig", ":4"]),
            ("x -- --c", &[":4"]),
            ("x -n kube-system --quie", &["--quiet\tTell failures and warnings only", ":4"]),
        ] {
            assert_eq!(of(line), expected, "{line}");
        }
        assert!(!of("x --").iter().any(|line| line.contains("cache-dir")), "hidden");
    }

    #[test]
    fn kubectl_and_the_scripts_ask_differently() {
        let count = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            request(&words).map(<[OsString]>::len)
        };
        assert_eq!(count("/a/kubectl_complete-x dns "), Some(2));
        assert_eq!(count("kubectl-x __complete dns "), Some(2));
        assert_eq!(count("kubectl-x dns __complete"), None);
        assert_eq!(count("kubectl-x"), None);
    }
}
