//! Asks before anything is changed.

use super::console::Console;
use super::failure::Failure;
use crate::facts::words::count;
use crate::tell::clean;
use clap::Args;
use std::io::{self, BufRead};

/// Targets that are listed; more are counted.
const LISTED: usize = 40;

/// Whether to ask.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ConfirmArgs {
    /// Do not ask before changing anything
    #[arg(short, long)]
    pub yes: bool,
}

/// What is about to happen, for a person to judge.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// `recycle`.
    pub verb: &'a str,
    /// What one target is called: `pod`.
    pub noun: &'a str,
    /// The targets, in order.
    pub targets: &'a [String],
    /// What else to know.
    pub notes: &'a [String],
    /// What shows it beforehand: `--dry-run`; `None` where nothing does.
    pub look: Option<&'a str>,
    /// The kubeconfig's context; `None` where there is none.
    pub context: Option<&'a str>,
    /// The server.
    pub server: &'a str,
    /// The namespace; `None` for several.
    pub namespace: Option<&'a str>,
}

impl Question<'_> {
    fn summary(&self) -> String {
        format!("{} {}", self.verb, count(self.targets.len(), self.noun))
    }

    /// What is shown before the answer is read. Where it happens stands last: it is what people get wrong.
    fn text(&self, tool: &str) -> String {
        let mut lines = vec![format!("{tool} is about to {}:", self.summary())];
        let listed = self.targets.iter().take(LISTED);
        lines.extend(listed.map(|target| format!("  {}", clean::line(target))));
        if self.targets.len() > LISTED {
            let more = self.targets.len() - LISTED;
            let look = self.look.map(|look| format!("; `{look}` lists them all"));
            lines.push(format!("  and {more} more{}", look.unwrap_or_default()));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {}", clean::line(note))));
        lines.push(format!("context:   {}", clean::line(self.context.unwrap_or("none"))));
        lines.push(format!("server:    {}", clean::line(self.server)));
        lines.push(format!("namespace: {}", clean::line(self.namespace.unwrap_or("several"))));
        lines.join("\n")
    }
}

/// Asks, unless `--yes` was given. `Ok` means: go on.
pub fn confirm(
    console: &Console,
    args: ConfirmArgs,
    question: &Question<'_>,
) -> Result<(), Failure> {
    answered_by(console, args, question, &mut io::stdin().lock())
}

/// Asks in words of the tool's own, as [`confirm`] does: `summary` says what is about to be done in a few words, `text`
/// everything that a person needs for the answer, `look` what shows it beforehand.
pub fn confirm_text(
    console: &Console,
    args: ConfirmArgs,
    summary: &str,
    text: &str,
    look: &str,
) -> Result<(), Failure> {
    answer(console, args, summary, text, Some(look), &mut io::stdin().lock())
}

fn answered_by(
    console: &Console,
    args: ConfirmArgs,
    question: &Question<'_>,
    input: &mut dyn BufRead,
) -> Result<(), Failure> {
    let text = question.text(console.tool.name);
    answer(console, args, &question.summary(), &text, question.look, input)
}

fn answer(
    console: &Console,
    args: ConfirmArgs,
    summary: &str,
    text: &str,
    look: Option<&str>,
    input: &mut dyn BufRead,
) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !console.can_ask {
        return Err(Failure::refused(format!(
            "cannot ask whether to {summary}: not on a terminal, and no --yes; nothing was changed"
        ))
        .with_hint(match look {
            Some(look) => {
                format!("look at what would be done with {look}, then run it again with --yes")
            }
            None => "run it again with --yes".to_owned(),
        }));
    }
    console.screen.line(text);
    console.screen.ask("continue? (y/N) ");
    let mut answer = String::new();
    if matches!(input.read_line(&mut answer), Ok(0) | Err(_)) {
        // The cursor still stands behind the question.
        console.screen.line("");
    }
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::refused("not confirmed; nothing was changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tool;
    use super::super::environment::Environment;
    use super::*;
    use crate::facts::exit::Exit;
    use crate::tell::human::Manner;
    use crate::tell::screen::tests::screen;

    fn ask(can_ask: bool, yes: bool, answer: &str) -> (Result<(), Failure>, String) {
        let (screen, paper) = screen(true);
        let console = Console {
            tool: Tool { name: "kubectl x", file: "kubectl-x", version: "1" },
            environment: Environment::default(),
            screen,
            manner: Manner::Live,
            can_ask,
        };
        let question = Question {
            verb: "recycle",
            noun: "pod",
            targets: &["pod/a (kube-system)".to_owned(), "pod/b\u{1b}[2J (kube-system)".to_owned()],
            notes: &[],
            look: Some("--dry-run"),
            context: Some("prod"),
            server: "https://api:6443",
            namespace: Some("kube-system"),
        };
        let result = answered_by(&console, ConfirmArgs { yes }, &question, &mut answer.as_bytes());
        (result, paper.text())
    }

    #[test]
    fn shows_what_and_where() {
        let (_, text) = ask(true, false, "y\n");
        let expected = "\
kubectl x is about to recycle 2 pods:
  pod/a (kube-system)
  pod/b (kube-system)
context:   prod
server:    https://api:6443
namespace: kube-system
continue? (y/N) ";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_yes_is_yes() {
        for (answer, agreed) in [
            ("y\n", true),
            ("Y\n", true),
            (" yes \r\n", true),
            ("yes", true),
            ("\n", false),
            ("n\n", false),
            ("yep\n", false),
            ("", false),
        ] {
            let (result, _) = ask(true, false, answer);
            assert_eq!(result.is_ok(), agreed, "{answer:?}");
            if let Err(failure) = result {
                assert_eq!(failure.exit(), Exit::Refused);
            }
        }
    }

    #[test]
    fn without_a_person_only_the_flag_counts() {
        let (result, text) = ask(false, false, "y\n");
        let failure = result.expect_err("refused");
        assert_eq!(failure.exit(), Exit::Refused);
        assert!(failure.to_string().contains("--yes"), "{failure}");
        assert!(text.is_empty(), "nothing was asked");
        let (result, text) = ask(false, true, "");
        assert!(result.is_ok() && text.is_empty());
    }

    #[test]
    fn many_targets_are_counted() {
        let targets: Vec<String> = (0..100).map(|n| format!("pod/{n}")).collect();
        let question = Question {
            verb: "recycle",
            noun: "pod",
            targets: &targets,
            notes: &["one is the last of its kind".to_owned()],
            look: Some("--dry-run"),
            context: None,
            server: "s",
            namespace: None,
        };
        let text = question.text("x");
        assert!(text.contains("and 60 more") && text.contains("note: one is"), "{text}");
    }
}
