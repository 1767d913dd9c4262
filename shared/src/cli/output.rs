//! How results are printed.

use super::Tool;
use super::failure::Failure;
use crate::tell::colour::When;
use crate::tell::json::Format;
use clap::{ArgAction, Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// What the flags stand under in `--help`; said for each, since a heading of the group would go on after it.
const HEADING: &str = "Output";

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// One `kind/name` a line
    Name,
    /// The table with more columns
    Wide,
    /// One document
    Json,
    /// The same document as YAML
    Yaml,
}

impl OutputFormat {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    /// The format of a document, where it is one.
    pub fn document(self) -> Option<Format> {
        match self {
            Self::Json => Some(Format::Json),
            Self::Yaml => Some(Format::Yaml),
            Self::Name | Self::Wide => None,
        }
    }
}

impl ValueEnum for When {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let word = match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        };
        Some(clap::builder::PossibleValue::new(word))
    }
}

/// How results are printed.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Format of the result; scripts can rely on `name`, `json` and `yaml`
    #[arg(
        help_heading = HEADING, short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true,
        help = "Format of the result: name, wide, json or yaml"
    )]
    pub output: Option<OutputFormat>,

    /// Print tables without headers
    #[arg(
        help_heading = HEADING, long, global = true, hide_short_help = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t, default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
        value_name = "BOOL"
    )]
    pub no_headers: bool,

    /// Tell failures and warnings only
    #[arg(help_heading = HEADING, short, long, global = true)]
    pub quiet: bool,

    /// Colours: auto, always or never; `NO_COLOR` is honoured
    #[arg(
        help_heading = HEADING, long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub color: When,

    /// Append each event as a line of JSON to this file
    #[arg(help_heading = HEADING, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub log_file: Option<PathBuf>,
}

impl OutputArgs {
    /// The format, if this command has it; otherwise a usage error that names those it has.
    pub fn among(
        &self,
        known: &[OutputFormat],
        tool: &Tool,
        verb: &str,
    ) -> Result<Option<OutputFormat>, Failure> {
        match self.output {
            Some(format) if !known.contains(&format) => {
                let command = format!("{} {verb}", tool.name);
                let known: Vec<&str> = known.iter().map(|k| k.as_str()).collect();
                Err(Failure::usage(format!(
                    "`{}` has no output `{}`; it has {}",
                    command.trim_end(),
                    format.as_str(),
                    known.join(", ")
                )))
            }
            format => Ok(format),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        output: OutputArgs,
    }

    const TOOL: Tool = Tool { name: "kubectl x", file: "kubectl-x", version: "1.2.3" };

    #[test]
    fn formats_that_a_command_does_not_have_are_named() {
        let cli = Cli::parse_from(["x", "-ojson"]);
        let known = [OutputFormat::Name, OutputFormat::Wide];
        let failure = cli.output.among(&known, &TOOL, "list").expect_err("refused");
        assert_eq!(failure.to_string(), "`kubectl x list` has no output `json`; it has name, wide");
        assert_eq!(
            cli.output.among(&[OutputFormat::Json], &TOOL, "").expect("known"),
            Some(OutputFormat::Json)
        );
    }

    #[test]
    fn formats_that_nobody_has_are_refused_by_name() {
        let error = Cli::try_parse_from(["x", "-o", "jsonpath={.x}"]).expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("jsonpath={.x}") && text.contains("--output"), "{text}");
        assert_eq!(Cli::parse_from(["x", "--color=never", "-q"]).output.color, When::Never);
    }
}
