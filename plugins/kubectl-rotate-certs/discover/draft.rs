//! The draft, as text. It is read back before it is printed: what cannot be used is no draft.

use super::candidates::{Candidate, Way};
use crate::TOOL;
use rotation_core::tell::clean;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// Everything that stands in it.
pub(crate) struct Draft<'a> {
    /// Where it comes from, in words.
    pub(crate) from: &'a str,
    pub(crate) machines: &'a [Candidate],
    pub(crate) ssh_options: &'a [String],
    pub(crate) sudo: bool,
    /// The operator's kubeconfig files, and the machine of the file on which each stands, if it is one of them.
    pub(crate) consumers: &'a [(String, Option<String>)],
}

/// The text, and how many gaps it has.
pub(crate) fn text(draft: &Draft<'_>) -> (String, usize) {
    let mut out = Out::default();
    out.comment(&format!(
        "The machines of the cluster, drafted by `{} discover` from {}.",
        TOOL.name, draft.from
    ));
    out.comment("Lines with CHECK are gaps or guesses: look at them, then at `kubectl rotate-certs plan`, which changes nothing.");
    ssh(draft, &mut out);
    let mut taken = BTreeSet::new();
    for (index, machine) in draft.machines.iter().enumerate() {
        host(machine, index, &mut taken, &mut out);
    }
    restarts(draft.machines, &mut out);
    consumers(draft, &mut out);
    (out.text, out.gaps)
}

#[derive(Default)]
struct Out {
    text: String,
    gaps: usize,
}

impl Out {
    /// Nothing that a machine said ends a comment.
    fn comment(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {}", clean::line(text));
    }

    fn check(&mut self, text: &str) {
        self.gaps += 1;
        self.comment(&format!("CHECK: {text}"));
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn ssh(draft: &Draft<'_>, out: &mut Out) {
    if draft.machines.iter().all(|machine| matches!(machine.way, Way::Root(_))) {
        return;
    }
    out.line("");
    out.comment("By your own ssh, with its keys, jump hosts and known host keys. Files and restarts need root there: log in");
    out.comment("as root, or let `sudo = true` run everything by `sudo -n`.");
    out.line("[ssh]");
    let options: Vec<String> = draft.ssh_options.iter().map(|option| quoted(option)).collect();
    out.line(&format!("options = [{}]", options.join(", ")));
    out.line(&format!("sudo = {}", draft.sudo));
}

fn host(machine: &Candidate, index: usize, taken: &mut BTreeSet<IpAddr>, out: &mut Out) {
    out.line("");
    out.line("[[host]]");
    match &machine.probe {
        None => out.comment("not looked at: `--probe` asks it what runs there, and how"),
        Some(Err(why)) => out.check(&format!("it could not be looked at: {why}")),
        Some(Ok(probe)) => {
            out.comment(match machine.way {
                Way::Root(_) => "its files were looked at; it runs:",
                Way::Address | Way::Ssh(_) => "reached by ssh; it runs:",
            });
            for (program, by) in &probe.components {
                out.comment(&format!("  {program} ({})", by.words()));
            }
            if probe.components.is_empty() {
                out.check("no component that is known: not as this user, or not with these paths");
            }
        }
    }
    for check in &machine.checks {
        out.check(check);
    }
    out.line(&format!("name = {}", quoted(&machine.name)));
    addresses(machine, index, taken, out);
    if machine.control_plane {
        out.line("control-plane = true");
    }
    match &machine.way {
        Way::Address => {
            out.comment("ssh is given its first address; another name: `ssh = \"NAME\"`");
        }
        Way::Ssh(name) => out.line(&format!("ssh = {}", quoted(name))),
        Way::Root(root) => out.line(&format!("root = {}", quoted(&root.to_string_lossy()))),
    }
    let Some(Ok(probe)) = &machine.probe else { return };
    if let Some(file) = &probe.flags {
        out.comment("the controller manager's flags stand there; they are changed for as long as two CAs are trusted");
        out.line(&format!("flags = {{ kube-controller-manager = {} }}", quoted(file)));
    }
    if probe.flags_missing {
        out.check("the controller manager has no manifest, and no file with its flags, written `--flag=value`, was found; name it:");
        out.comment("flags = { kube-controller-manager = \"FILE\" }");
    }
}

/// Each machine has an address of its own, or the file would not be taken.
fn addresses(machine: &Candidate, index: usize, taken: &mut BTreeSet<IpAddr>, out: &mut Out) {
    let mut own: Vec<IpAddr> = Vec::new();
    let told = machine.probe.iter().flatten().flat_map(|probe| &probe.addresses);
    let told: Vec<IpAddr> = if machine.addresses.is_empty() {
        told.copied().collect()
    } else {
        machine.addresses.clone()
    };
    for address in told {
        if taken.insert(address) {
            own.push(address);
        } else if !own.contains(&address) {
            out.check(&format!("address {address} is that of another machine as well"));
        }
    }
    if own.is_empty() {
        // 192.0.2.0/24 is nobody's: whoever asks there learns that it is wrong.
        let [high, low] = u16::try_from(index + 1).unwrap_or(u16::MAX).to_be_bytes();
        let placeholder = IpAddr::from(if high == 0 {
            Ipv4Addr::new(192, 0, 2, low)
        } else {
            Ipv4Addr::new(198, 18, high, low)
        });
        out.check(
            "nobody said its address, by which its servers are asked; this one is a placeholder",
        );
        own.push(placeholder);
    }
    let words: Vec<String> = own.iter().map(|address| format!("\"{address}\"")).collect();
    out.line(&format!("addresses = [{}]", words.join(", ")));
}

/// A command is for all machines. Where they differ, none is drafted: a process is ended, and its supervisor starts it.
fn restarts(machines: &[Candidate], out: &mut Out) {
    let mut commands: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for probe in machines.iter().filter_map(|machine| machine.probe.as_ref()?.as_ref().ok()) {
        for (program, by) in &probe.components {
            commands.entry(program).or_default().extend(by.restart());
        }
    }
    commands.retain(|_, commands| !commands.is_empty());
    if commands.is_empty() {
        return;
    }
    out.line("");
    out.comment("How components are restarted that no kubelet runs. Without a line, a process is ended and its supervisor starts it.");
    out.line("[restart]");
    for (program, commands) in commands {
        let all: Vec<&String> = commands.iter().collect();
        if let [one] = all.as_slice() {
            out.line(&format!("{program} = {}", quoted(one)));
            continue;
        }
        out.check(&format!(
            "{program} is restarted in several ways, and a line is for all machines:"
        ));
        for command in all {
            out.comment(&format!("{program} = {}", quoted(command)));
        }
    }
}

fn consumers(draft: &Draft<'_>, out: &mut Out) {
    out.line("");
    out.comment("Who uses the cluster from outside: each of these kubeconfig files is renewed as well. Add those of pipelines,");
    out.comment("monitoring and colleagues: whoever is not listed is locked out when the old CA is dropped.");
    if draft.consumers.is_empty() {
        out.comment("[[consumer]]");
        out.comment("name = \"operator\"");
        out.comment("kubeconfig = \"/root/.kube/config\"");
    }
    for (index, (path, host)) in draft.consumers.iter().enumerate() {
        let name =
            if index == 0 { "operator".to_owned() } else { format!("operator-{}", index + 1) };
        out.line("[[consumer]]");
        out.line(&format!("name = {}", quoted(&name)));
        out.line(&format!("kubeconfig = {}", quoted(path)));
        match host {
            Some(host) => out.line(&format!("host = {}", quoted(host))),
            None => out.comment("on this machine; on one of those above: `host = \"NAME\"`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::Probe;
    use super::super::supervision::Supervisor;
    use super::*;
    use crate::layout::hosts::Hosts;

    fn machine(name: &str, addresses: &[&str], way: Way) -> Candidate {
        Candidate {
            name: name.to_owned(),
            addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
            control_plane: name.starts_with('m'),
            way,
            probe: None,
            checks: Vec::new(),
        }
    }

    fn drafted(machines: &[Candidate]) -> (String, usize, Hosts) {
        let draft = Draft {
            from: "a test\n[[host]]",
            machines,
            ssh_options: &["ProxyCommand=\"x y\"".to_owned()],
            sudo: true,
            consumers: &[
                ("/home/ann/.kube/config".to_owned(), None),
                ("/k".to_owned(), Some("m1".to_owned())),
            ],
        };
        let (text, gaps) = text(&draft);
        let hosts = Hosts::parse(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        (text, gaps, hosts)
    }

    #[test]
    fn what_was_found_stands_in_the_fields() {
        let by = |unit: &str| Supervisor::Systemd(unit.to_owned());
        let probe = |kubelet: &str| Probe {
            components: vec![
                (
                    "etcd".to_owned(),
                    Supervisor::StaticPod("/etc/kubernetes/manifests/etcd.yaml".to_owned()),
                ),
                ("kube-controller-manager".to_owned(), by("kcm.service")),
                ("kubelet".to_owned(), by(kubelet)),
            ],
            flags: Some("/etc/default/kcm".to_owned()),
            ..Probe::default()
        };
        let mut m1 = machine("m1", &["10.0.0.1"], Way::Ssh("ann@m1".to_owned()));
        m1.probe = Some(Ok(probe("kubelet.service")));
        let mut w1 = machine("w1", &["10.0.0.2"], Way::Address);
        w1.probe = Some(Ok(probe("k8s-kubelet.service")));
        let (text, gaps, hosts) = drafted(&[m1, w1]);
        assert_eq!(hosts.ssh.options, ["ProxyCommand=\"x y\""]);
        assert!(
            hosts.ssh.sudo && hosts.machines[0].control_plane && !hosts.machines[1].control_plane
        );
        assert_eq!(hosts.machines[0].ssh.as_deref(), Some("ann@m1"));
        assert_eq!(hosts.machines[0].flags["kube-controller-manager"], "/etc/default/kcm");
        assert_eq!(hosts.restart["kube-controller-manager"], "systemctl restart kcm.service");
        assert!(!hosts.restart.contains_key("kubelet"), "they differ: {text}");
        assert!(!hosts.restart.contains_key("etcd"), "the kubelet does: {text}");
        assert_eq!(hosts.consumers[1].host.as_deref(), Some("m1"));
        assert_eq!(gaps, 1, "{text}");
        assert_eq!(text.matches("CHECK:").count(), 1, "{text}");
    }

    #[test]
    fn gaps_are_said_and_the_file_is_taken_all_the_same() {
        let mut m1 = machine("m1", &["10.0.0.1"], Way::Address);
        m1.probe = Some(Err("odd\n[[host]]\nname = 'x'".to_owned()));
        let w1 = machine("w1", &["10.0.0.1"], Way::Address);
        let mut w2 = machine("w2", &[], Way::Root("/copies/w 2".into()));
        w2.probe = Some(Ok(Probe { flags_missing: true, ..Probe::default() }));
        let (text, gaps, hosts) = drafted(&[m1, w1, w2]);
        assert_eq!(hosts.machines.len(), 3);
        assert_eq!(hosts.machines[1].addresses[0].to_string(), "192.0.2.2");
        assert_eq!(hosts.machines[2].root.as_deref(), Some("/copies/w 2"));
        // m1 not reached; w1 shares an address, and has none; w2 has none, no component, no flags.
        assert_eq!(gaps, 6, "{text}");
    }
}
