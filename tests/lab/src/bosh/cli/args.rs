//! Flags and commands, with the environment variables that stand for them. Flags win.

use std::ffi::OsString;

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) environment: Option<String>,
    /// A path, or the certificate itself.
    pub(super) ca: Option<String>,
    pub(super) client: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) deployment: Option<String>,
    pub(super) json: bool,
    pub(super) tty: bool,
    pub(super) verb: Verb,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Verb {
    #[default]
    Version,
    Deployments,
    Locks,
    Instances {
        processes: bool,
        details: bool,
        failing: bool,
    },
    Vms,
    /// `GET` of a path, whatever it is.
    Curl(String),
    Ssh(Ssh),
}

/// `bosh ssh`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ssh {
    /// `GROUP`, `GROUP/ID`, `GROUP/INDEX`, or nothing for all.
    pub(super) target: String,
    /// The pieces of the command; ssh puts blanks between them.
    pub(super) command: Vec<String>,
    pub(super) results: bool,
    /// Given to ssh as they are.
    pub(super) options: Vec<String>,
    pub(super) gateway: Gateway,
}

/// The way through a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) disable: bool,
    pub(super) host: Option<String>,
    pub(super) user: Option<String>,
    pub(super) key: Option<String>,
}

const VALUES: [&str; 21] = [
    "--environment",
    "--ca-cert",
    "--client",
    "--client-secret",
    "--deployment",
    "--config",
    "--column",
    "--parallel",
    "--command",
    "--opts",
    "--gw-host",
    "--gw-user",
    "--gw-private-key",
    "--gw-socks5",
    "--private-key",
    "--username",
    "--sha2",
    "--tag",
    "--num",
    "--dir",
    "--results-file",
];
const SWITCHES: [&str; 16] = [
    "--json",
    "--tty",
    "--no-color",
    "--non-interactive",
    "--version",
    "--help",
    "--ps",
    "--details",
    "--failing",
    "--dns",
    "--vitals",
    "--results",
    "--gw-disable",
    "--cloud-config",
    "--all",
    "--recent",
];

/// As go-flags says it.
const NO_PATH: &str =
    "the required argument `PATH (URL path which can include query string)` was not provided";

impl Args {
    /// Reads a command line.
    pub(super) fn parse(
        words: &[OsString],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if variable("BOSH_CA_CERT").is_some_and(|text| text.is_empty()) {
            return Err("Expected CA certificate to be non-empty".to_owned());
        }
        let mut args = Self {
            environment: set("BOSH_ENVIRONMENT"),
            ca: set("BOSH_CA_CERT"),
            client: set("BOSH_CLIENT"),
            secret: set("BOSH_CLIENT_SECRET"),
            deployment: set("BOSH_DEPLOYMENT"),
            tty: set("BOSH_TTY").is_some(),
            ..Self::default()
        };
        let mut ssh = Ssh {
            gateway: Gateway {
                disable: set("BOSH_GW_DISABLE").is_some_and(|value| value == "true"),
                host: set("BOSH_GW_HOST"),
                user: set("BOSH_GW_USER"),
                key: set("BOSH_GW_PRIVATE_KEY"),
            },
            ..Ssh::default()
        };
        let (mut ps, mut details, mut failing, mut version) = (false, false, false, false);
        let mut plain: Vec<String> = Vec::new();
        let mut words = words.iter().map(|word| word.to_string_lossy().into_owned());
        while let Some(word) = words.next() {
            if word == "--" {
                plain.extend(words.by_ref());
                break;
            }
            if !word.starts_with('-') || word == "-" {
                plain.push(word);
                continue;
            }
            let (name, mut value) = match word.split_once('=') {
                Some((name, value)) if word.starts_with("--") => {
                    (long(name)?, Some(value.to_owned()))
                }
                _ => (long(&word)?, None),
            };
            if VALUES.contains(&name.as_str()) && value.is_none() {
                let next =
                    words.next().ok_or(format!("expected argument for flag `{}'", shown(&name)))?;
                // go-flags takes no argument that looks like an option.
                if next.starts_with('-') {
                    return Err(format!(
                        "expected argument for flag `{}', but got option `{next}'",
                        shown(&name)
                    ));
                }
                value = Some(next);
            }
            match (name.as_str(), value.unwrap_or_default()) {
                ("--environment", value) => args.environment = Some(value),
                ("--ca-cert", value) => args.ca = Some(value),
                ("--client", value) => args.client = Some(value),
                ("--client-secret", value) => args.secret = Some(value),
                ("--deployment", value) => args.deployment = Some(value),
                ("--command", value) => ssh.command.push(value),
                ("--opts", value) => ssh.options.push(value),
                ("--gw-host", value) => ssh.gateway.host = Some(value),
                ("--gw-user", value) => ssh.gateway.user = Some(value),
                ("--gw-private-key", value) => ssh.gateway.key = Some(value),
                ("--gw-disable", _) => ssh.gateway.disable = true,
                ("--results", _) => ssh.results = true,
                ("--json", _) => args.json = true,
                ("--tty", _) => args.tty = true,
                ("--ps", _) => ps = true,
                ("--details", _) => details = true,
                ("--failing", _) => failing = true,
                ("--version", _) => version = true,
                _ => {}
            }
        }
        let mut plain = plain.into_iter();
        args.verb = match plain.next().as_deref() {
            _ if version => Verb::Version,
            Some("deployments" | "ds") => Verb::Deployments,
            Some("locks") => Verb::Locks,
            Some("instances" | "is") => Verb::Instances { processes: ps, details, failing },
            Some("vms") => Verb::Vms,
            Some("curl") => Verb::Curl(plain.next().ok_or(NO_PATH)?),
            Some("ssh") => {
                ssh.target = plain.next().unwrap_or_default();
                ssh.command.extend(plain);
                Verb::Ssh(ssh)
            }
            Some(word) => {
                return Err(format!(
                    "Unknown command `{word}'. Please specify one command of: curl, deployments, instances, locks, ssh or vms"
                ));
            }
            None => {
                return Err(
                    "Please specify one command of: curl, deployments, instances, locks, ssh or vms"
                        .to_owned(),
                );
            }
        };
        Ok(args)
    }
}

/// The long name of a flag.
fn long(word: &str) -> Result<String, String> {
    let name = match word {
        "-e" => "--environment",
        "-d" => "--deployment",
        "-n" => "--non-interactive",
        "-c" => "--command",
        "-r" => "--results",
        "-i" => "--details",
        "-p" => "--ps",
        "-f" => "--failing",
        "-v" => "--version",
        "-h" => "--help",
        "-l" => "--username",
        long => long,
    };
    if VALUES.contains(&name) || SWITCHES.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("unknown flag `{}'", name.trim_start_matches('-')))
}

/// As messages name it.
fn shown(name: &str) -> String {
    let short = match name {
        "--environment" => "-e, ",
        "--deployment" => "-d, ",
        "--command" => "-c, ",
        _ => "",
    };
    format!("{short}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Args::parse(&words, |name| {
            (name == "BOSH_DEPLOYMENT").then(|| "from-environment".to_owned())
        })
    }

    #[test]
    fn a_command_as_the_tool_sends_it() {
        let args =
            parse("-n --json -d other ssh minion/1 -r -c one -c two --opts=-oConnectTimeout=4")
                .unwrap();
        assert_eq!(args.deployment.as_deref(), Some("other"));
        let Verb::Ssh(ssh) = args.verb else { panic!("{args:?}") };
        assert_eq!(ssh.target, "minion/1");
        assert_eq!(ssh.command, ["one", "two"]);
        assert_eq!(ssh.options, ["-oConnectTimeout=4"]);
        assert!(args.json && ssh.results);
    }

    #[test]
    fn curl_wants_a_path() {
        let args = parse("--json --deployment=k curl /deployments/k/instances").unwrap();
        assert_eq!(args.verb, Verb::Curl("/deployments/k/instances".to_owned()));
        assert!(parse("curl").unwrap_err().contains("PATH"));
    }

    #[test]
    fn options_for_ssh_need_the_equals_sign() {
        let said = parse("ssh minion --opts -oConnectTimeout=4").unwrap_err();
        assert!(said.contains("--opts") && said.contains("-oConnectTimeout=4"), "{said}");
        assert!(parse("proxy-restart").unwrap_err().starts_with("Unknown command"));
    }
}
