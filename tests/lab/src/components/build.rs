//! Runs the Go compiler, tells how far it is, and says in plain words what is missing when it fails.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::recipe::{STAGES, Step};
use super::{Set, say};

/// How often a long build says that it lives.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The oldest Go that understands the module files and fetches the Go version they ask for by itself.
const OLDEST_GO: u32 = 21;

const GET_GO: &str = "get Go 1.21 or newer from https://go.dev/dl/, or `apt-get install golang-go` (on Debian 12 with -t bookworm-backports)";

/// The version of the compiler that will be used for the module in `sources`.
pub(super) fn compiler(sources: &Path) -> Result<String> {
    let found = match Command::new("go").arg("version").current_dir("/").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("the lab compiles Kubernetes from source, but `go` is not on PATH: {GET_GO}")
        }
        Err(error) => return Err(error).context("cannot run `go version`"),
    };
    let minor = minor(&found)
        .with_context(|| format!("cannot read a version from `go version`: {}", found.trim()))?;
    ensure!(
        minor >= OLDEST_GO,
        "Go 1.{minor} is too old to compile the lab's components: {GET_GO}"
    );
    capture(sources, &["env", "GOVERSION", "GOOS", "GOARCH"])
        .map(|text| text.trim().replace('\n', " "))
}

fn minor(text: &str) -> Option<u32> {
    let digits = text.split("go1.").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Compiles all of `steps` into `into` and makes the links beside the programs.
pub(super) fn run(set: Set, sources: &Path, steps: &[Step], into: &Path) -> Result<()> {
    if steps.iter().any(|step| step.cgo) {
        for_seccomp()?;
    }
    for step in steps {
        step_once(sources, step, into)?;
        for link in step.links {
            std::os::unix::fs::symlink(step.target, into.join(link))
                .with_context(|| format!("cannot link {link}"))?;
        }
    }
    if set == Set::Current {
        copy_stages(sources, &into.join("stages"))?;
    }
    Ok(())
}

/// runc is linked with libseccomp; better said before a minute of compiling than after.
fn for_seccomp() -> Result<()> {
    let hint = "runc needs it: apt-get install libseccomp-dev pkg-config gcc";
    let runs = |program: &str, argument: &[&str]| {
        Command::new(program)
            .args(argument)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    ensure!(runs("pkg-config", &["--version"]), "pkg-config is not installed, and {hint}");
    ensure!(
        runs("pkg-config", &["--exists", "libseccomp"]),
        "libseccomp's headers are not installed, and {hint}"
    );
    ensure!(runs("gcc", &["--version"]), "gcc is not installed, and {hint}");
    Ok(())
}

fn step_once(sources: &Path, step: &Step, into: &Path) -> Result<()> {
    let began = Instant::now();
    say(&format!("compiling {} (once; minutes on a small machine)", step.what));
    let mut list = vec!["list", "-deps"];
    if !step.tags.is_empty() {
        list.extend(["-tags", step.tags]);
    }
    list.extend(step.packages);
    let total = capture(sources, &list)?.lines().count();

    let mut output = into.join(step.output).into_os_string();
    if step.output.ends_with('/') {
        fs::create_dir_all(&output).context("cannot make the folder of the programs")?;
        output.push("/"); // joined away for "./", and it is what makes `go build` see a folder
    }
    let mut command = go(sources);
    command.env("CGO_ENABLED", if step.cgo { "1" } else { "0" });
    command.args(["build", "-v", "-trimpath", "-ldflags", &step.ldflags, "-tags", step.tags]);
    command.arg("-o").arg(output).args(step.packages);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `go build`")?;
    let pipe = child.stderr.take().context("`go build` has no stderr")?;
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });

    let (mut done, mut other) = (0, Vec::new());
    let mut next = began + TELL_EVERY;
    loop {
        match lines.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(line) if is_package(&line) => done += 1,
            Ok(line) => other.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= next {
            next += TELL_EVERY;
            let secs = began.elapsed().as_secs();
            say(&format!("compiling {}: {done} of at most {total} packages, {secs} s", step.what));
        }
    }
    let _ = reader.join();
    let status = child.wait().context("cannot wait for `go build`")?;
    if status.success() {
        say(&format!("compiled {} in {:.0} s", step.what, began.elapsed().as_secs_f64()));
        return Ok(());
    }
    bail!("`go build` of {} failed ({status}){}\n{}", step.what, hint(&other), last(&other))
}

/// `go build -v` prints one import path a line; whatever holds a space is something else.
fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.contains([' ', '\t', '#'])
}

fn hint(lines: &[String]) -> String {
    let said = |text: &str| lines.iter().any(|line| line.contains(text));
    let advice = if said("no space left on device") {
        "the disk is full: free 5 GB where `go env GOCACHE` and the temporary directory are, then run it again"
    } else if said("dial tcp") || said("no such host") || said("i/o timeout") {
        "modules could not be fetched: see `go env GOPROXY`, then run it again"
    } else if said("signal: killed") {
        "the compiler was killed, most likely for want of memory: it needs 4 GB"
    } else {
        return String::new();
    };
    format!(": {advice}")
}

/// The end of what the compiler said; the beginning is repetition.
fn last(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn copy_stages(sources: &Path, into: &Path) -> Result<()> {
    let module = capture(sources, &["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"])?;
    let from = PathBuf::from(module.trim()).join("kustomize/stage");
    fs::create_dir(into).with_context(|| format!("cannot make {}", into.display()))?;
    for (name, path) in STAGES {
        let text = fs::read(from.join(path))
            .with_context(|| format!("kwok's module has no stage {path}"))?;
        fs::write(into.join(name), text).with_context(|| format!("cannot write stage {name}"))?;
    }
    Ok(())
}

/// The compiler with everything that could lead it elsewhere taken out of its environment.
fn go(sources: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(sources).env("GOFLAGS", "-mod=readonly").env("GOWORK", "off");
    command.env_remove("GOOS").env_remove("GOARCH");
    command
}

fn capture(sources: &Path, arguments: &[&str]) -> Result<String> {
    let output =
        go(sources).args(arguments).stdin(Stdio::null()).output().with_context(|| {
            format!("cannot run `go {}` in {}", arguments[0], sources.display())
        })?;
    if !output.status.success() {
        let said: Vec<String> =
            String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
        bail!(
            "`go {}` failed in {}{}\n{}",
            arguments[0],
            sources.display(),
            hint(&said),
            last(&said)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_go_writes_them() {
        assert_eq!(minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.19 linux/amd64"), Some(19));
        assert_eq!(minor("go version devel go1.27-abc linux/amd64"), Some(27));
        assert_eq!(minor("gccgo"), None);
    }

    #[test]
    fn packages_are_told_from_messages() {
        assert!(is_package("k8s.io/kubernetes/pkg/kubelet"));
        assert!(!is_package("# k8s.io/kubernetes/pkg/kubelet"));
        assert!(!is_package("go: downloading k8s.io/api v0.36.3"));
    }

    #[test]
    fn a_full_disk_is_named() {
        let full = ["write /tmp/x: no space left on device".to_owned()];
        assert!(hint(&full).contains("the disk is full"));
        assert_eq!(hint(&[]), "");
    }
}
