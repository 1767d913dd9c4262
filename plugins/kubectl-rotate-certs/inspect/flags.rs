//! Which files a component uses: by its command line, its manifest, or its configuration.

use super::places::{Form, word};
use rotation_core::facts::host::Invocation;
use rotation_core::facts::sighting::{Component, Domain, Part, Role};
use serde::Deserialize;
use serde_json::Value;

/// A file that a component names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// Its path.
    pub(crate) path: String,
    /// What the component takes it for; `None` for a kubeconfig.
    pub(crate) role: Option<Role>,
    /// Whether it looks at the file again by itself.
    pub(crate) reloads: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    program: Vec<Known>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Known {
    name: String,
    hyperkube: Option<String>,
    component: Component,
    flags: Vec<Flag>,
    #[serde(default)]
    settings: Vec<Flag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Flag {
    name: String,
    is: Option<String>,
    #[serde(default)]
    form: Form,
    #[serde(default)]
    reloads: bool,
}

/// The components that are known.
pub(crate) struct Programs(Table);

impl Programs {
    /// Those that come with the tool.
    pub(crate) fn embedded() -> Self {
        let table = toml::from_str(include_str!("../places/flags.toml"));
        Self(table.unwrap_or_else(|why| unreachable!("the table of flags: {why}")))
    }

    /// Whether a command line is that of a component.
    pub(crate) fn knows(&self, arguments: &[String]) -> bool {
        self.find(arguments).is_some()
    }

    /// Names of programs, that of the one that is all of them as well.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.program.iter().map(|known| known.name.as_str()).chain(["hyperkube"]).collect()
    }

    fn find<'a>(&self, arguments: &'a [String]) -> Option<(&Known, &'a [String])> {
        let name = |word: &'a str| word.rsplit('/').next().unwrap_or(word);
        let (first, rest) = arguments.split_first()?;
        if name(first) == "hyperkube" {
            let (second, rest) = rest.split_first()?;
            let fits = |known: &&Known| {
                known.hyperkube.as_deref() == Some(second) || known.name == *second
            };
            return self.0.program.iter().find(fits).map(|known| (known, rest));
        }
        self.0.program.iter().find(|known| known.name == name(first)).map(|known| (known, rest))
    }

    /// Reads a command line.
    pub(crate) fn invocation(&self, arguments: &[String]) -> Option<Invocation> {
        let (known, rest) = self.find(arguments)?;
        let mut settings = Vec::new();
        let mut words = rest.iter().peekable();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                continue;
            };
            let (flag, value) = match flag.split_once('=') {
                Some((flag, value)) => (flag, value.to_owned()),
                // Go's flags take the next word; a switch alone means true.
                None => match words.next_if(|next| !next.starts_with('-')) {
                    Some(next) => (flag, next.clone()),
                    None => (flag, "true".to_owned()),
                },
            };
            settings.push((flag.to_owned(), value));
        }
        Some(told(known.component, settings))
    }

    /// The components of a static pod's manifest; `None` for what is no YAML.
    pub(crate) fn manifest(&self, bytes: &[u8]) -> Option<Vec<Invocation>> {
        let value: Value = serde_saphyr::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
        let containers = value.pointer("/spec/containers").and_then(Value::as_array);
        let words = |container: &Value, key: &str| -> Vec<String> {
            let list = container.get(key).and_then(Value::as_array);
            let words = list.into_iter().flatten().filter_map(Value::as_str);
            words.flat_map(shell).collect()
        };
        let all = containers.into_iter().flatten().filter_map(|container| {
            self.invocation(&[words(container, "command"), words(container, "args")].concat())
        });
        Some(all.collect())
    }

    /// The kubelet's configuration; `None` for what is no YAML.
    pub(crate) fn kubelet_config(bytes: &[u8]) -> Option<Invocation> {
        let value: Value = serde_saphyr::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
        let mut settings = Vec::new();
        flatten("", &value, &mut settings);
        Some(told(Component::Kubelet, settings))
    }

    /// The files that a component names.
    pub(crate) fn uses(&self, invocation: &Invocation) -> Vec<Use> {
        let Some(known) =
            self.0.program.iter().find(|known| known.component == invocation.component)
        else {
            return Vec::new();
        };
        let mut uses = Vec::new();
        for (name, value) in &invocation.settings {
            let flags = known.flags.iter().chain(&known.settings);
            let Some(flag) = flags.into_iter().find(|flag| flag.name == *name) else { continue };
            if !value.starts_with('/') {
                continue;
            }
            let role = match flag.form {
                Form::Kubeconfig => None,
                Form::Pem | Form::Manifest | Form::KubeletConfig => {
                    flag.is.as_deref().and_then(|is| role(known.component, is))
                }
            };
            uses.push(Use { path: value.clone(), role, reloads: flag.reloads });
        }
        uses
    }
}

/// Where it stands, and which files it names, is filled in by who knows.
fn told(component: Component, settings: Vec<(String, String)>) -> Invocation {
    Invocation { place: String::new(), component, settings, files: Vec::new() }
}

/// `DOMAIN PART`.
fn role(component: Component, is: &str) -> Option<Role> {
    let (domain, part) = is.split_once(' ')?;
    let domain: Domain = word(domain).ok()?;
    let part: Part = word(part).ok()?;
    // A CA that signs, and the keys of tokens, are nobody's in particular.
    let component = match (domain, part) {
        (_, Part::Authority | Part::AuthorityKey)
        | (Domain::Tokens, Part::TokenSigner | Part::TokenVerifier) => Component::Authority,
        _ => component,
    };
    Some(Role::new(component, domain, part))
}

/// A word of a manifest, which can be a whole line for a shell.
fn shell(word: &str) -> Vec<String> {
    if word.contains(" --") {
        word.split_whitespace().map(str::to_owned).collect()
    } else {
        vec![word.to_owned()]
    }
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&below, value, into);
            }
        }
        Value::String(text) => into.push((path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => into.push((path.to_owned(), value.to_string())),
        Value::Array(_) | Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_flag_of_the_table_has_a_role_or_a_form() {
        let programs = Programs::embedded();
        for known in &programs.0.program {
            for flag in known.flags.iter().chain(&known.settings) {
                let role = flag.is.as_deref().map(|is| role(known.component, is));
                let good = match role {
                    None => flag.form == Form::Kubeconfig,
                    Some(role) => role.is_some() && flag.form == Form::Pem,
                };
                assert!(good, "{} {}", known.name, flag.name);
            }
        }
    }

    #[test]
    fn command_lines_are_read_as_go_reads_them() {
        let programs = Programs::embedded();
        let line = "/usr/bin/kube-apiserver --client-ca-file=/a --tls-cert-file /b --insecure-port 0 \
                    -v=2 --anonymous-auth --tls-private-key-file=relative --client-ca-file=/c";
        let invocation = programs.invocation(&words(line)).expect("known");
        assert_eq!(invocation.value("client-ca-file"), Some("/c"));
        assert_eq!(invocation.value("anonymous-auth"), Some("true"));
        assert_eq!(invocation.value("insecure-port"), Some("0"));
        let paths: Vec<String> = programs.uses(&invocation).into_iter().map(|u| u.path).collect();
        assert_eq!(paths, ["/a", "/b", "/c"]);
        for (line, known) in [
            ("/hyperkube apiserver --x", true),
            ("hyperkube kubelet", true),
            ("/hyperkube", false),
            ("proxy --kubeconfig=/a", false),
            ("/usr/local/bin/kube-proxy", true),
            ("sh -c kubelet", false),
            ("", false),
        ] {
            assert_eq!(programs.knows(&words(line)), known, "{line}");
        }
    }

    #[test]
    fn manifests_and_configurations() {
        let programs = Programs::embedded();
        let manifest = "\
spec:
  containers:
  - command: [kube-scheduler, --kubeconfig=/etc/kubernetes/scheduler.conf]
  - command: [/bin/sh, -c]
    args: ['exec etcd --cert-file=/x']
  - command: [etcd]
    args: [--trusted-ca-file=/ca]
";
        let found = programs.manifest(manifest.as_bytes()).expect("YAML");
        let uses: Vec<Use> = found.iter().flat_map(|i| programs.uses(i)).collect();
        assert_eq!(uses.len(), 2);
        assert_eq!((uses[0].role, uses[0].path.as_str()), (None, "/etc/kubernetes/scheduler.conf"));
        assert!(programs.manifest(b"\tno: [yaml").is_none());
        let config = "authentication: {x509: {clientCAFile: /ca.crt}}\nserverTLSBootstrap: true\n";
        let invocation = Programs::kubelet_config(config.as_bytes()).expect("YAML");
        assert_eq!(invocation.value("serverTLSBootstrap"), Some("true"));
        let uses = programs.uses(&invocation);
        assert_eq!((uses.len(), uses[0].path.as_str(), uses[0].reloads), (1, "/ca.crt", true));
    }
}
