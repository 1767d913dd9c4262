//! The command `completion`: scripts for shells, and the link by which kubectl finds the completion of a plugin.

use super::console::Console;
use super::failure::Failure;
use super::install;
use crate::facts::exit::Exit;
use clap::{Args, ValueEnum};

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// What `completion` is asked for.
#[derive(Args, Clone, Copy, Debug)]
#[group(required = true, multiple = false)]
pub struct CompletionArgs {
    /// Print the script for this shell
    #[arg(value_enum)]
    pub shell: Option<Shell>,

    /// Create the link beside this file by which `kubectl` finds the completion
    #[arg(long)]
    pub install: bool,
}

/// Runs the command.
pub fn run(args: CompletionArgs, console: &Console) -> Result<Exit, Failure> {
    if let Some(shell) = args.shell {
        console.data(&script(shell, console.tool.file));
        return Ok(Exit::Done);
    }
    let program = std::env::args_os().next().unwrap_or_default();
    let link = install::link(program.as_ref(), console.environment.path.as_deref())?;
    console.note(&format!("kubectl completes `{}` by {}", console.tool.name, link.display()));
    Ok(Exit::Done)
}

/// The script: it asks the tool, so that it never goes stale.
pub fn script(shell: Shell, file: &str) -> String {
    let template = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    };
    template.replace("@FILE@", file).replace("@NAME@", &file.replace('-', "_"))
}

// bash cuts words at `=` as well: words are cut again here, and what stands before `=` is not typed twice.
const BASH: &str = r#"# bash completion for @FILE@: source it, for example from ~/.bashrc.
_@NAME@() {
    local words current line last
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ "${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
    current="${words[${#words[@]} - 1]}"
    COMPREPLY=()
    while IFS= read -r line; do
        last="$line"
        [[ "$line" == :[0-9] ]] && continue
        line="${line%%$'\t'*}"
        [[ "$current" == *=* ]] && line="${line#*=}"
        COMPREPLY+=("$line")
    done < <(@FILE@ __complete "${words[@]:1}" 2>/dev/null)
    if [[ "$last" == ":0" ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${current#*=}")
    fi
}
complete -F _@NAME@ @FILE@
"#;

const ZSH: &str = r#"#compdef @FILE@
# zsh completion for @FILE@: source it after compinit, or put it into $fpath as _@FILE@.
_@NAME@() {
    local -a lines candidates
    local line value
    lines=("${(@f)$(@FILE@ __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)lines[1,-2]}"; do
        value="${${line%%$'\t'*}//:/\\:}"
        if [[ "$line" == *$'\t'* ]]; then
            candidates+=("$value:${line#*$'\t'}")
        else
            candidates+=("$value")
        fi
    done
    (( ${#candidates} )) && _describe 'value' candidates
    [[ "${lines[-1]}" == ":0" ]] && _files
    return 0
}
if [[ "${funcstack[1]}" == "_@FILE@" ]]; then
    _@NAME@ "$@"
else
    compdef _@NAME@ @FILE@
fi
"#;

const FISH: &str = r#"# fish completion for @FILE@: source it, or put it into ~/.config/fish/completions.
function __@NAME@_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (@FILE@ __complete $words[2..-1] "$current" 2>/dev/null)
    for line in $lines
        string match -qr '^:[0-9]$' -- $line; or echo $line
    end
    if test "$lines[-1]" = ":0"
        __fish_complete_path "$current"
    end
end
complete -c @FILE@ -f -a '(__@NAME@_complete)'
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: CompletionArgs,
    }

    #[test]
    fn a_shell_or_the_link() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert_eq!(parse("x bash").expect("bash").args.shell, Some(Shell::Bash));
        assert!(parse("x --install").expect("install").args.install);
        for line in ["x", "x bash --install", "x tcsh"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn each_script_asks_the_tool() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = script(shell, "kubectl-rotate_certs");
            assert!(text.contains("kubectl-rotate_certs __complete"), "{text}");
            assert!(!text.contains('@') || !text.contains("@FILE@") && !text.contains("@NAME@"));
        }
    }
}
