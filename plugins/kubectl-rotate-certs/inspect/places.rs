//! Which files a machine has, and what stands there by right: data, with the tool or from the user.

use rotation_core::facts::sighting::{Component, Domain, Part, Role};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as WordError;

/// What comes with the tool: name and text.
const EMBEDDED: [(&str, &str); 6] = [
    ("kubeadm", include_str!("../places/kubeadm.toml")),
    ("kubelet", include_str!("../places/kubelet.toml")),
    ("salt", include_str!("../places/salt.toml")),
    ("cfcr", include_str!("../places/cfcr.toml")),
    ("bosh", include_str!("../places/bosh.toml")),
    ("k3s", include_str!("../places/k3s.toml")),
];

/// The files of one kind of cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Places {
    /// What it is for; completion shows it.
    pub(crate) about: String,
    /// Machines by what they do; one machine can be several.
    #[serde(rename = "machine")]
    pub(crate) machines: Vec<Machine>,
}

/// What a machine does, and which files follow from that.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Machine {
    /// What it is called.
    pub(crate) name: String,
    /// A machine that has one of these does this.
    pub(crate) marks: Vec<String>,
    /// Its files.
    pub(crate) files: Vec<Wanted>,
}

/// A file, or files that fit a pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Wanted {
    /// An absolute path; `*` stands for a part of a name.
    pub(crate) path: String,
    /// What it is.
    pub(crate) is: Is,
    /// How it is read.
    #[serde(default)]
    pub(crate) form: Form,
    /// Whether its absence is worth a row.
    #[serde(default)]
    pub(crate) required: bool,
    /// Where a link at this path leads by right.
    #[serde(default)]
    pub(crate) link: Option<String>,
    /// Whether clients have a CA of their own.
    #[serde(default)]
    pub(crate) clients: bool,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// PEM or DER.
    #[default]
    Pem,
    /// A kubeconfig.
    Kubeconfig,
    /// The manifest of a static pod: flags.
    Manifest,
    /// The kubelet's configuration.
    KubeletConfig,
}

/// `COMPONENT DOMAIN PART`, or the component alone where the form says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Is {
    /// Whose.
    pub(crate) component: Component,
    /// Of which CA, and what.
    pub(crate) rest: Option<(Domain, Part)>,
}

impl TryFrom<String> for Is {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (component, rest) = match words.as_slice() {
            [component] => (component, None),
            [component, domain, part] => (component, Some((word(domain)?, word(part)?))),
            _ => return Err(format!("`{text}` is neither COMPONENT nor COMPONENT DOMAIN PART")),
        };
        Ok(Self { component: word(component)?, rest })
    }
}

/// One word of a closed list.
pub(crate) fn word<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|why: WordError| why.to_string())
}

impl Is {
    /// The role of a file that is read as PEM.
    pub(crate) fn role(self) -> Role {
        let (domain, part) = self.rest.unwrap_or((Domain::Other, Part::Anything));
        Role::new(self.component, domain, part)
    }
}

impl Places {
    /// The names of those that come with the tool.
    pub(crate) fn names() -> Vec<&'static str> {
        EMBEDDED.iter().map(|(name, _)| *name).collect()
    }

    /// One that comes with the tool.
    pub(crate) fn embedded(name: &str) -> Option<Self> {
        let (name, text) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(text).unwrap_or_else(|why| unreachable!("places of {name}: {why}")))
    }

    /// Reads a file of places.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let places: Self = toml::from_str(text).map_err(|why| why.to_string())?;
        for machine in &places.machines {
            let files = machine.files.iter();
            let links = machine.files.iter().filter_map(|file| file.link.as_ref());
            for path in files.map(|file| &file.path).chain(&machine.marks).chain(links) {
                if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
                    return Err(format!("`{path}` is no absolute path"));
                }
            }
            if let Some(path) = machine.marks.iter().find(|mark| mark.contains('*')) {
                return Err(format!(
                    "the mark `{path}` of `{}` is a pattern; marks are paths",
                    machine.name
                ));
            }
            for file in &machine.files {
                if (file.form == Form::Pem) != file.is.rest.is_some() {
                    return Err(format!(
                        "`{}` needs `is = \"COMPONENT DOMAIN PART\"`, or a form and the component alone",
                        file.path
                    ));
                }
            }
        }
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_comes_along_is_good() {
        for name in Places::names() {
            let places = Places::embedded(name).expect(name);
            assert!(!places.about.is_empty() && !places.machines.is_empty(), "{name}");
            for machine in &places.machines {
                assert!(!machine.marks.is_empty() && !machine.files.is_empty(), "{}", machine.name);
            }
        }
    }

    /// Every path that the two runbooks compare by hand.
    #[test]
    fn the_places_of_the_runbooks_are_there() {
        let all: Vec<Wanted> = Places::names()
            .into_iter()
            .filter_map(Places::embedded)
            .flat_map(|places| places.machines)
            .flat_map(|machine| machine.files)
            .collect();
        for path in [
            "/srv/kubernetes/ca.crt",
            "/usr/local/share/ca-certificates/kubernetes-ca.crt",
            "/etc/ssl/certs/kubernetes.pem",
            "/etc/ssl/certs/ca-certificates.crt",
            "/var/lib/kubelet/ca.crt",
            "/var/salt/k8s-helper/pki/*/ca.crt",
            "/var/vcap/jobs/kubernetes-master/certs/ca.pem",
            "/var/vcap/jobs/kubernetes-master/certs/kubernetes.pem",
            "/var/vcap/jobs/kubernetes-master/certs/kubernetes-key.pem",
            "/etc/kubernetes/pki/ca.crt",
            "/var/lib/kubelet/pki/kubelet-client-current.pem",
        ] {
            assert!(all.iter().any(|wanted| wanted.path == path), "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |file: &str| {
            Places::parse(&format!(
                "about = \"x\"\n[[machine]]\nname = \"m\"\nmarks = [\"/m\"]\nfiles = [{file}]\n"
            ))
        };
        for (file, word) in [
            ("{ path = \"etc/x\", is = \"kubelet cluster trust\" }", "no absolute path"),
            ("{ path = \"/a/../x\", is = \"kubelet cluster trust\" }", "no absolute path"),
            ("{ path = \"/x\", is = \"kubelet\" }", "COMPONENT DOMAIN PART"),
            ("{ path = \"/x\", is = \"kubelet cluster\" }", "neither"),
            ("{ path = \"/x\", is = \"kublet cluster trust\" }", "kublet"),
            ("{ path = \"/x\", is = \"kubelet cluster trust\", form = \"kubeconfig\" }", "alone"),
            ("{ path = \"/x\", is = \"kubelet cluster trust\", of = 1 }", "unknown field"),
        ] {
            let why = with(file).expect_err(file);
            assert!(why.contains(word), "{file}: {why}");
        }
        assert!(with("{ path = \"/x/*\", is = \"cni\", form = \"kubeconfig\" }").is_ok());
    }
}
