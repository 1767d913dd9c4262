//! Every environment variable that the tools read, in one place, read once.

use super::failure::Failure;
use crate::tell::colour::Wishes;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables and what they mean, for the documentation.
pub const VARIABLES: [(&str, &str); 16] = [
    (KUBECONFIG, "kubeconfig files, separated by `:`; merged as kubectl merges them"),
    (HOME, "where `.kube/config` is looked for"),
    (XDG_STATE_HOME, "where journals are kept; `~/.local/state` where it is not set"),
    (HTTPS_PROXY, "the proxy to the API server"),
    (HTTPS_PROXY_LOWER, "the same, where `HTTPS_PROXY` is not set"),
    (NO_PROXY, "hosts that are reached without the proxy"),
    (NO_PROXY_LOWER, "the same, where `NO_PROXY` is not set"),
    (SERVICE_HOST, "the API server, in a pod that has no kubeconfig"),
    (SERVICE_PORT, "its port"),
    (NO_COLOR, "no colours, if not empty"),
    (CLICOLOR, "no colours, if `0`"),
    (CLICOLOR_FORCE, "colours even off a terminal, if neither empty nor `0`"),
    (TERM, "no colours and no live display, if `dumb`"),
    (COLUMNS, "width of the terminal, where the terminal does not say"),
    (PATH, "where the tool's own file is looked for by `completion --install`"),
    (BOSH_DEPLOYMENT, "the deployment, where `-d` names none"),
];

const KUBECONFIG: &str = "KUBECONFIG";
const HOME: &str = "HOME";
const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
const HTTPS_PROXY: &str = "HTTPS_PROXY";
const HTTPS_PROXY_LOWER: &str = "https_proxy";
const NO_PROXY: &str = "NO_PROXY";
const NO_PROXY_LOWER: &str = "no_proxy";
const SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
const SERVICE_PORT: &str = "KUBERNETES_SERVICE_PORT";
const NO_COLOR: &str = "NO_COLOR";
const CLICOLOR: &str = "CLICOLOR";
const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";
const TERM: &str = "TERM";
const COLUMNS: &str = "COLUMNS";
const PATH: &str = "PATH";
const BOSH_DEPLOYMENT: &str = "BOSH_DEPLOYMENT";

/// What the environment says. An empty variable counts as not set, except where its convention says otherwise.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg_state_home: Option<PathBuf>,
    /// `HTTPS_PROXY`, else `https_proxy`. May hold a password: not for printing.
    pub https_proxy: Option<String>,
    /// `NO_PROXY`, else `no_proxy`.
    pub no_proxy: Option<String>,
    /// `KUBERNETES_SERVICE_HOST`.
    pub service_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`.
    pub service_port: Option<String>,
    /// What it says about colours.
    pub colours: Wishes,
    /// `COLUMNS`.
    pub columns: Option<usize>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `BOSH_DEPLOYMENT`; all others of BOSH are its own CLI's.
    pub bosh_deployment: Option<String>,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the door: the environment is read here and nowhere else"
    )]
    pub fn read() -> Self {
        Self::from(|name| std::env::var_os(name))
    }

    /// Reads from anything that knows variables.
    pub fn from(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        let filled = |name| text(name).filter(|value| !value.is_empty());
        let path = |name| variable(name).filter(|value| !value.is_empty());
        Self {
            kubeconfig: path(KUBECONFIG),
            home: path(HOME).map(PathBuf::from),
            xdg_state_home: path(XDG_STATE_HOME).map(PathBuf::from),
            https_proxy: filled(HTTPS_PROXY).or_else(|| filled(HTTPS_PROXY_LOWER)),
            no_proxy: filled(NO_PROXY).or_else(|| filled(NO_PROXY_LOWER)),
            service_host: filled(SERVICE_HOST),
            service_port: filled(SERVICE_PORT),
            colours: Wishes {
                no_color: text(NO_COLOR),
                clicolor_force: text(CLICOLOR_FORCE),
                clicolor: text(CLICOLOR),
                term: text(TERM),
            },
            columns: filled(COLUMNS).and_then(|value| value.parse().ok()).filter(|n| *n > 0),
            path: path(PATH),
            bosh_deployment: filled(BOSH_DEPLOYMENT),
        }
    }

    /// Where tools keep what they must remember. A relative `XDG_STATE_HOME` counts as not set, as its convention says.
    pub fn state_home(&self) -> Result<PathBuf, Failure> {
        let given = self.xdg_state_home.clone().filter(|path| path.is_absolute());
        given.or_else(|| self.home.as_ref().map(|home| home.join(".local/state"))).ok_or_else(
            || {
                Failure::unexpected(
                    "neither XDG_STATE_HOME nor HOME is set: there is no place for the journal",
                )
                .with_hint("set XDG_STATE_HOME to a directory of your own")
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    #[test]
    fn reads_exactly_what_is_documented() {
        let read = RefCell::new(BTreeSet::new());
        Environment::from(|name| {
            read.borrow_mut().insert(name.to_owned());
            None
        });
        let documented: BTreeSet<String> =
            VARIABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(read.into_inner(), documented);
    }

    #[test]
    fn empty_is_not_set_and_capitals_win() {
        let of = |pairs: &[(&str, &str)]| {
            Environment::from(|name| {
                pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
            })
        };
        let environment = of(&[("KUBECONFIG", ""), ("HTTPS_PROXY", ""), ("https_proxy", "low")]);
        assert_eq!(environment.kubeconfig, None);
        assert_eq!(environment.https_proxy.as_deref(), Some("low"));
        let environment = of(&[("NO_PROXY", "up"), ("no_proxy", "low"), ("NO_COLOR", "")]);
        assert_eq!(environment.no_proxy.as_deref(), Some("up"));
        assert_eq!(environment.colours.no_color.as_deref(), Some(""));
        assert_eq!(of(&[("COLUMNS", "0")]).columns, None);
        assert_eq!(of(&[("COLUMNS", "72")]).columns, Some(72));
    }
}
