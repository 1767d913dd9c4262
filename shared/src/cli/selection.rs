//! Which objects: `-A` and `-l` as kubectl means them.

use crate::facts::selector::Selector;
use clap::{ArgAction, Args};

/// What the flags stand under in `--help`; said for each, since a heading of the group would go on after it.
const HEADING: &str = "Selection";

/// Which objects.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArgs {
    /// All namespaces; `-n` then does not matter
    #[arg(
        help_heading = HEADING, short = 'A', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t,
        default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL"
    )]
    pub all_namespaces: bool,

    /// Labels: `app=a`, `app!=a`, `app in (a,b)`, `app notin (a)`, `app`, `!app`; all of them must match
    #[arg(help_heading = HEADING, short = 'l', long, value_name = "SELECTOR", value_parser = Selector::parse)]
    pub selector: Option<Selector>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        selection: SelectionArgs,
        names: Vec<String>,
    }

    #[test]
    fn as_kubectl_means_them() {
        let of = |line: &[&str]| Cli::try_parse_from(line);
        let cli = of(&["x", "-A", "pod"]).expect("bare -A");
        assert!(cli.selection.all_namespaces);
        assert_eq!(cli.names, ["pod"]);
        assert!(!of(&["x", "--all-namespaces=false"]).expect("said").selection.all_namespaces);
        let cli = of(&["x", "-l", "a in (b,c),!d"]).expect("a selector");
        assert_eq!(cli.selection.selector.map(|s| s.to_string()).as_deref(), Some("a in (b,c),!d"));
        let error = of(&["x", "-l", "a in b"]).expect_err("not a selector").to_string();
        assert!(error.contains("a in b"), "{error}");
    }
}
