//! `--dry-run`: bare means `client`, as kubectl has it.

use clap::{Args, ValueEnum};

/// How far a change goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// All the way
    #[default]
    None,
    /// Show what would be done; ask the server to change nothing
    Client,
    /// Send each change for the server to check and not to make
    Server,
}

/// Whether anything is changed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct DryRunArgs {
    /// Change nothing: `client` shows what would be done, `server` also lets the server check each change
    #[arg(
        long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true, default_value = "none",
        default_missing_value = "client", hide_default_value = true
    )]
    pub dry_run: DryRun,
}

impl DryRun {
    /// What follows a result, in kubectl's words.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
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
        dry_run: DryRunArgs,
        #[arg(short)]
        quiet: bool,
        names: Vec<String>,
    }

    #[test]
    fn every_spelling() {
        for (line, mode, names) in [
            ("x dns", DryRun::None, &["dns"][..]),
            ("x --dry-run dns", DryRun::Client, &["dns"]),
            ("x dns --dry-run", DryRun::Client, &["dns"]),
            ("x --dry-run -q dns", DryRun::Client, &["dns"]),
            ("x --dry-run=client dns", DryRun::Client, &["dns"]),
            ("x -q dns --dry-run=server", DryRun::Server, &["dns"]),
            ("x --dry-run=none dns", DryRun::None, &["dns"]),
            ("x --dry-run client", DryRun::Client, &["client"]),
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(cli.dry_run.dry_run, mode, "{line}");
            assert_eq!(cli.names, names, "{line}");
        }
        for line in [
            "x --dry-run=",
            "x --dry-run=true",
            "x --dry-run=Client",
            "x --dryrun",
            "x --dry-run --dry-run=none",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
