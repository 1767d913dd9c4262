//! The double of `bosh` brought into the same situations as the real one was, and its documents compared, but for what
//! is new in each run: UUIDs, addresses, accounts, task numbers, times, and the order of what runs side by side.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use lab::bosh::{BLACK_HOLE, HostKey, InstanceFaults, NOBODY, Vms};
use serde_json::Value;

use crate::Test;

/// One test for each recording.
pub(crate) const ALL: &[(&str, Test)] = &[
    ("deployments", |lab| same(lab, "deployments", &["deployments"], 0)),
    ("vms", |lab| same(lab, "vms", &["vms"], 0)),
    ("instances_without_vm", |lab| {
        faulty(lab, |fault| fault.without_vm = true)?;
        same(lab, "instances-details-without-vm", &["instances", "--ps", "--details"], 0)
    }),
    ("instances_with_a_silent_agent", |lab| {
        faulty(lab, |fault| fault.silent_agent = true)?;
        same(lab, "instances-details-unresponsive", &["instances", "--ps", "--details"], 0)
    }),
    ("instances_with_a_wrong_password", |lab| {
        let mut bosh = bosh(lab, &["instances"])?;
        bosh.env("BOSH_CLIENT_SECRET", "guessed");
        compare("instances-bad-password", &output(&mut bosh)?, 1)
    }),
    ("instances_without_a_director", |lab| {
        let mut bosh = bosh(lab, &["instances"])?;
        bosh.env("BOSH_ENVIRONMENT", "https://127.0.0.1:25556");
        compare("instances-no-director", &output(&mut bosh)?, 1)
    }),
    ("ssh_to_a_group", |lab| {
        same(
            lab,
            "ssh-group-ok",
            &["ssh", "minion", "-r", "-c", "sudo /var/vcap/bosh/bin/monit summary"],
            0,
        )
    }),
    ("ssh_to_one_that_fails", |lab| {
        let script = "test \"$(hostname)\" = minion-1 && exit 7; echo fine";
        same(lab, "ssh-one-fails", &["ssh", "minion", "-r", "-c", script], 1)
    }),
    ("ssh_as_a_stream", stream),
    ("ssh_with_per_cents", |lab| {
        same(lab, "ssh-percent-in-command", &["ssh", "master/0", "-r", "-c", "date +%s; exit 3"], 1)
    }),
    ("ssh_leaves_out_one_without_vm", |lab| {
        faulty(lab, |fault| fault.without_vm = true)?;
        same(lab, "ssh-group-one-without-vm", &["ssh", "minion", "-r", "-c", "echo fine"], 0)
    }),
    ("ssh_with_a_silent_agent", |lab| {
        faulty(lab, |fault| fault.silent_agent = true)?;
        lab.set_faults(|faults| faults.agent_seconds = Some(6))?;
        same(lab, "ssh-unresponsive-agent", &["ssh", "minion", "-r", "-c", "echo fine"], 1)
    }),
    ("ssh_with_an_agent_that_refuses", |lab| {
        faulty(lab, |fault| fault.refusing_agent = true)?;
        same(lab, "ssh-setup-failed", &["ssh", "minion", "-r", "-c", "echo fine"], 1)
    }),
    ("ssh_to_an_unknown_deployment", |lab| {
        same(
            lab,
            "ssh-unknown-deployment",
            &["-d", "nope", "ssh", "minion", "-r", "-c", "echo fine"],
            1,
        )
    }),
    ("ssh_to_an_unknown_group", |lab| {
        same(lab, "ssh-unknown-group", &["ssh", "nosuch", "-r", "-c", "echo fine"], 1)
    }),
    ("ssh_with_a_wrong_host_key", |lab| {
        faulty(lab, |fault| fault.host_key = Some(HostKey::Wrong))?;
        same(lab, "ssh-wrong-host-key", &["ssh", "minion", "-r", "-c", "echo fine"], 1)
    }),
    ("ssh_without_a_host_key", |lab| {
        faulty(lab, |fault| fault.host_key = Some(HostKey::Missing))?;
        same(lab, "ssh-no-host-key", &["ssh", "minion", "-r", "-c", "echo fine"], 1)
    }),
    ("ssh_without_a_route", |lab| {
        faulty(lab, |fault| fault.address = Some(NOBODY.to_owned()))?;
        let words = ["ssh", "minion", "-r", "--opts=-oConnectTimeout=4", "-c", "echo fine"];
        same(lab, "ssh-no-route", &words, 1)
    }),
    ("ssh_into_a_black_hole", |lab| {
        faulty(lab, |fault| fault.address = Some(BLACK_HOLE.to_owned()))?;
        let words = ["ssh", "minion", "-r", "--opts=-oConnectTimeout=4", "-c", "echo fine"];
        same(lab, "ssh-timeout", &words, 1)
    }),
    ("ssh_that_is_refused", |lab| {
        lab.set_service("minion-1", "sshd", false)?;
        let result = same(lab, "ssh-refused", &["ssh", "minion", "-r", "-c", "echo fine"], 1);
        lab.set_service("minion-1", "sshd", true)?;
        crate::eventually("sshd", || reachable(lab))?;
        result
    }),
    ("ssh_to_an_sshd_that_hangs", |lab| {
        lab.make_sick("minion-1", lab::bosh::Sickness::HungSshd)?;
        let words = ["ssh", "minion", "-r", "--opts=-oConnectTimeout=4", "-c", "echo fine"];
        let result = same(lab, "ssh-hung-sshd", &words, 1);
        lab.make_well("minion-1")?;
        crate::eventually("sshd", || reachable(lab))?;
        result
    }),
    ("ssh_that_is_terminated", terminated),
    ("ssh_through_a_gateway_that_drops_connections", gateway),
];

fn faulty(lab: &Vms, change: impl FnOnce(&mut InstanceFaults)) -> Result<()> {
    lab.set_faults(|faults| change(faults.instances.entry("minion-1".to_owned()).or_default()))
}

fn reachable(lab: &Vms) -> Result<bool> {
    Ok(output(&mut bosh(lab, &["ssh", "minion", "-r", "-c", "true"])?)?.status.success())
}

fn bosh(lab: &Vms, words: &[&str]) -> Result<Command> {
    plainly(lab, &[&["--json"], words].concat())
}

fn plainly(lab: &Vms, words: &[&str]) -> Result<Command> {
    let home = lab.dir().join("home");
    std::fs::create_dir_all(&home)?;
    let mut command = Command::new(lab.bosh());
    command.arg("-n").args(words).env_clear();
    command.envs(lab.environment()).env("HOME", home).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    Ok(command)
}

fn output(command: &mut Command) -> Result<Output> {
    command.stdin(std::process::Stdio::null()).output().context("cannot run bosh")
}

fn same(lab: &Vms, recording: &str, words: &[&str], code: i32) -> Result<()> {
    compare(recording, &output(&mut bosh(lab, words)?)?, code)
}

fn compare(recording: &str, ours: &Output, code: i32) -> Result<()> {
    ensure!(ours.status.code() == Some(code), "it ended with {}", ours.status);
    ensure!(ours.stderr.is_empty(), "{}", String::from_utf8_lossy(&ours.stderr));
    let theirs = plain(&read(recording)?);
    let ours = plain(&String::from_utf8_lossy(&ours.stdout));
    ensure!(document(&ours)? == document(&theirs)?, "ours:\n{ours}\ntheirs:\n{theirs}");
    // The same order of keys and the same indentation, whatever the order of rows.
    let keys = |text: &str| {
        let key = |line: &str| line.split_once("\": ").map(|(key, _)| key.to_owned());
        text.lines().filter_map(key).collect::<Vec<_>>()
    };
    ensure!(keys(&ours) == keys(&theirs), "ours:\n{ours}\ntheirs:\n{theirs}");
    Ok(())
}

/// Lines on stdout as they come, and what is said at the end on stderr.
fn stream(lab: &Vms) -> Result<()> {
    let script = "test \"$(hostname)\" = minion-1 && exit 7; echo fine";
    let ours = output(&mut plainly(lab, &["ssh", "minion", "-c", script])?)?;
    ensure!(ours.status.code() == Some(1), "it ended with {}", ours.status);
    let theirs = std::fs::read_to_string(folder().join("ssh-one-fails.stream.txt"))?;
    let (out, said) = theirs.split_once("\n--- standard error\n").context("two parts")?;
    let sorted = |text: &str| {
        let mut lines: Vec<_> = plain(text).trim().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    ensure!(sorted(&String::from_utf8_lossy(&ours.stdout)) == sorted(out), "{ours:?}");
    ensure!(sorted(&String::from_utf8_lossy(&ours.stderr)) == sorted(said), "{ours:?}");
    Ok(())
}

fn terminated(lab: &Vms) -> Result<()> {
    let mut command = bosh(lab, &["ssh", "minion", "-r", "-c", "sleep 30; echo done"])?;
    let child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    crate::eventually("the command on all VMs", || {
        for vm in ["minion-0", "minion-1", "minion-2"] {
            if !lab.exec(vm, &["pgrep", "-f", "^sleep 30$"])?.status.success() {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    let identity = lab::process::Identity::of(child.id()).context("it has ended")?;
    identity.signal(rustix::process::Signal::TERM)?;
    compare("ssh-terminated", &child.wait_with_output()?, 1)
}

/// Each row is one of those that were recorded: with a gateway that drops connections, and with one that does not.
fn gateway(lab: &Vms) -> Result<()> {
    lab.set_faults(|faults| faults.gateway = true)?;
    let theirs: Value = serde_json::from_str(&plain(&read("ssh-gateway-maxstartups")?))?;
    for (overloaded, code) in [(true, 1), (false, 0)] {
        lab.overload_gateway(overloaded)?;
        let mut command = bosh(lab, &["ssh", "minion", "-r", "-c", "hostname"])?;
        command.env("BOSH_GW_PRIVATE_KEY", lab.gateway_key());
        let ours = output(&mut command)?;
        let text = plain(&String::from_utf8_lossy(&ours.stdout));
        ensure!(ours.status.code() == Some(code), "{text}");
        let ours: Value = serde_json::from_str(&text)?;
        for row in rows(&ours) {
            let known = |one: &&Value| {
                one["stderr"] == as_read(&row["stderr"]) && one["exit_code"] == row["exit_code"]
            };
            let found = rows(&theirs).iter().find(known);
            let found = found.with_context(|| format!("nothing like it was recorded: {row}"))?;
            let begin = |row: &Value| {
                let text = row["error"].as_str().unwrap_or_default();
                text.split("IdentityFile=KEY").next().unwrap_or_default().to_owned()
            };
            ensure!(begin(found) == begin(row), "ours:\n{row}\ntheirs:\n{found}");
        }
        ensure!(rows(&ours).len() == 3);
    }
    Ok(())
}

/// When its gateway has closed the pipe, ssh says so either while it writes its banner or while it reads the other one:
/// which of the two is a matter of moments. The recording has the second.
fn as_read(stderr: &Value) -> String {
    stderr.as_str().unwrap_or_default().replace(
        "banner exchange: Connection to UNKNOWN port 65535: Broken pipe\r\n",
        "kex_exchange_identification: Connection closed by remote host\r\n\
         Connection closed by UNKNOWN port 65535\r\n",
    )
}

fn rows(document: &Value) -> &[Value] {
    document["Tables"][0]["Rows"].as_array().map_or(&[], Vec::as_slice)
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bosh")
}

fn read(recording: &str) -> Result<String> {
    let path = folder().join(recording).with_extension("json");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Without the order of rows, and of errors within a line.
fn document(text: &str) -> Result<Value> {
    let mut value: Value = serde_json::from_str(text).context("it is no JSON")?;
    let sort = |list: &mut Value| {
        if let Some(list) = list.as_array_mut() {
            list.sort_by_key(ToString::to_string);
        }
    };
    for table in value["Tables"].as_array_mut().into_iter().flatten() {
        sort(&mut table["Rows"]);
    }
    for line in value["Lines"].as_array_mut().into_iter().flatten() {
        let text = line.as_str().unwrap_or_default();
        if text.contains("\n\t* ") {
            let mut parts: Vec<&str> = text.split('\n').collect();
            parts.sort_unstable();
            *line = Value::String(parts.join("\n"));
        }
    }
    Ok(value)
}

/// Without what is new in each run.
fn plain(text: &str) -> String {
    static RULES: std::sync::OnceLock<Vec<(regex::Regex, &str)>> = std::sync::OnceLock::new();
    let rules = RULES.get_or_init(|| {
        [
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
            (r"vm-[0-9a-f]{8}", "CID"),
            (r"bosh_[0-9a-f]{15}", "USER"),
            (r#"[^ ='"]*/ssh-priv-key[0-9a-f]+"#, "KEY"),
            (r#"[^ ='"]*/ssh-known-hosts[0-9a-f]+"#, "HOSTS"),
            (r"HOSTS:\d", "HOSTS"),
            (r"192\.0\.2\.\d+", "ADDRESS"),
            (r"minion-\d+", "VM"),
            (r"SHA256:[0-9A-Za-z+/]{43}", "FINGERPRINT"),
            (r"\(0x[0-9a-f]+\)", "(POINTER)"),
            (r"(T|t)ask '?\d+'?", "Task NUMBER"),
            (r"\d\d:\d\d:\d\d", "CLOCK"),
            (r"\w{3} \w{3} [ \d]\d CLOCK UTC \d{4}", "DAY"),
            (r"\b1[78]\d{8}\b", "SECONDS"),
        ]
        .into_iter()
        .map(|(rule, by)| (regex::Regex::new(rule).expect("a rule"), by))
        .collect()
    });
    rules.iter().fold(text.to_owned(), |text, (rule, by)| rule.replace_all(&text, *by).into_owned())
}
