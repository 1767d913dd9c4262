//! An `ssh` that answers for machines whose files lie in a tree: late, as a far one does, and with next to no work.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where answers are: one file for each machine.
pub(crate) const ANSWERS: &str = "BENCH_ANSWERS";
/// How far away machines are.
const LATENCY: Duration = Duration::from_millis(50);

/// Plays ssh, where this program is started under that name.
pub(crate) fn play() -> Option<Result<()>> {
    let mut words = std::env::args();
    let is_ssh = words.next().is_some_and(|name| name == "ssh" || name.ends_with("/ssh"));
    is_ssh.then(|| say(&words.collect::<Vec<_>>()))
}

fn say(words: &[String]) -> Result<()> {
    std::thread::sleep(LATENCY);
    let [.., machine, command] = words else { anyhow::bail!("no machine") };
    let encoded = command.split_whitespace().max_by_key(|word| word.len()).context("no script")?;
    let script = String::from_utf8(STANDARD.decode(encoded)?)?;
    let mark = script.split("echo \"B ").nth(1).and_then(|rest| rest.split('"').next());
    let mark = mark.context("the script has no mark")?;
    let answers = PathBuf::from(std::env::var_os(ANSWERS).context("no answers")?);
    let answer = std::fs::read_to_string(answers.join(machine))?;
    print!("B {mark}\n{answer}C {}\nE {mark}\n", jiff::Timestamp::now().as_second());
    Ok(())
}

/// What the tool's script would say of the files below a directory.
pub(crate) fn answer(root: &Path) -> Result<String> {
    let mut answer = String::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let meta = std::fs::metadata(&path)?;
            if meta.is_dir() {
                folders.push(path);
                continue;
            }
            let name = format!("/{}", path.strip_prefix(root)?.display());
            let link = std::fs::read_link(&path).ok();
            let link = link.map(|to| STANDARD.encode(to.display().to_string()));
            let (mode, user) = (meta.mode() & 0o7777, meta.uid());
            let _ = writeln!(
                answer,
                "F {} {} {} {mode:o} {user} {} data\n{}\n.",
                STANDARD.encode(name),
                link.as_deref().unwrap_or("-"),
                meta.mtime(),
                meta.mtime(),
                STANDARD.encode(std::fs::read(&path)?),
            );
        }
    }
    Ok(answer)
}
