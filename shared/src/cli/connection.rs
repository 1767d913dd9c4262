//! kubectl's connection flags, with kubectl's meanings, before or after a subcommand.

use super::console::Console;
use crate::facts::duration::{human, parse_go_or_seconds};
use crate::facts::trace::TraceSink;
use crate::world::cluster::{Connection, InCluster, ProxyEnv, SecretText};
use clap::{ArgAction, Args, ValueHint};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the flags stand under in `--help`; said for each, since a heading of the group would go on after it.
const HEADING: &str = "Connection, as in kubectl";

/// Where Kubernetes puts the credentials of a pod.
const POD_CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The level from which each request is shown.
const SHOW_REQUESTS: u8 = 6;

/// How to reach the cluster.
///
/// `-h` shows the flags of every day, `--help` all of them.
#[derive(Args, Clone, Default)]
pub struct ConnectionArgs {
    /// Kubeconfig file; default: the files of `$KUBECONFIG`, else `~/.kube/config`
    #[arg(help_heading = HEADING, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(help_heading = HEADING, long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Cluster of the kubeconfig
    #[arg(help_heading = HEADING, long, global = true, value_name = "NAME", hide_short_help = true)]
    pub cluster: Option<String>,

    /// User of the kubeconfig
    #[arg(help_heading = HEADING, long, global = true, value_name = "NAME", hide_short_help = true)]
    pub user: Option<String>,

    /// Namespace; default: the context's
    #[arg(help_heading = HEADING, short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Address of the API server
    // A list for tools that ask several; it takes one, as kubectl does, unless a tool says otherwise.
    #[arg(help_heading = HEADING, short, long, global = true, action = ArgAction::Set, value_name = "URL", hide_short_help = true)]
    pub server: Vec<String>,

    /// Name that the server's certificate must carry
    #[arg(help_heading = HEADING, long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,

    /// Do not check the server's certificate: whoever answers gets the credentials
    #[arg(
        help_heading = HEADING, long, global = true, hide_short_help = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t, default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
        value_name = "BOOL"
    )]
    pub insecure_skip_tls_verify: bool,

    /// File of CA certificates to trust
    #[arg(help_heading = HEADING, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,

    /// File of CA certificates to trust besides: during a rotation the old and the new one are both right; repeatable
    #[arg(help_heading = HEADING, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub extra_ca: Vec<PathBuf>,

    /// File with the client certificate
    #[arg(help_heading = HEADING, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub client_certificate: Option<PathBuf>,

    /// File with the client key
    #[arg(help_heading = HEADING, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub client_key: Option<PathBuf>,

    /// Bearer token; other users of this machine can see it while the command runs
    #[arg(help_heading = HEADING, long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub token: Option<String>,

    /// User to act as
    #[arg(help_heading = HEADING, long = "as", global = true, value_name = "USER", hide_short_help = true)]
    pub as_user: Option<String>,

    /// Group to act as; repeatable
    #[arg(help_heading = HEADING, long, global = true, value_name = "GROUP", hide_short_help = true)]
    pub as_group: Vec<String>,

    /// UID to act as
    #[arg(help_heading = HEADING, long, global = true, value_name = "UID", hide_short_help = true)]
    pub as_uid: Option<String>,

    /// Extra field of the user to act as, `KEY=VALUE`; repeatable
    #[arg(help_heading = HEADING, long, global = true, value_name = "KEY=VALUE", hide_short_help = true)]
    pub as_user_extra: Vec<String>,

    /// How long one request may take, `30s` or `1m`; 0 is for ever
    #[arg(help_heading = HEADING, long, global = true, value_name = "DURATION", value_parser = parse_go_or_seconds, hide_short_help = true)]
    pub request_timeout: Option<Duration>,

    /// Proxy to the API server: `http://`, `https://` or `socks5://`
    #[arg(help_heading = HEADING, long, global = true, value_name = "URL", hide_short_help = true)]
    pub proxy_url: Option<String>,

    /// Ask for answers that are not compressed
    #[arg(
        help_heading = HEADING, long, global = true, hide_short_help = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t, default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
        value_name = "BOOL"
    )]
    pub disable_compression: bool,

    /// Nothing is cached; taken so that scripts made for kubectl work
    #[arg(help_heading = HEADING, long, global = true, value_name = "DIRECTORY", hide = true)]
    pub cache_dir: Option<PathBuf>,

    /// How much is told on stderr, as a number; 6 shows each request
    #[arg(
        help_heading = HEADING, short = 'v',
        long = "v",
        global = true,
        value_name = "LEVEL",
        default_value_t,
        hide_default_value = true,
        hide_short_help = true
    )]
    pub verbosity: u8,
}

impl ConnectionArgs {
    /// What flags and environment say together.
    pub fn connection(&self, console: &Console) -> Connection {
        let environment = &console.environment;
        let filled = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
        let in_cluster = environment.service_host.clone().zip(environment.service_port.clone());
        Connection {
            kubeconfig: self.kubeconfig.clone().filter(|path| !path.as_os_str().is_empty()),
            kubeconfig_env: environment.kubeconfig.clone(),
            home: environment.home.clone(),
            in_cluster: in_cluster.map(|(host, port)| InCluster {
                host,
                port,
                directory: PathBuf::from(POD_CREDENTIALS),
            }),
            context: filled(&self.context),
            cluster: filled(&self.cluster),
            user: filled(&self.user),
            namespace: filled(&self.namespace),
            server: filled(&self.server.first().cloned()),
            tls_server_name: filled(&self.tls_server_name),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            certificate_authority: self.certificate_authority.clone(),
            extra_ca: self.extra_ca.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            token: filled(&self.token).map(SecretText::new),
            as_user: filled(&self.as_user),
            as_groups: self.as_group.clone(),
            as_uid: filled(&self.as_uid),
            as_user_extra: self.as_user_extra.clone(),
            request_timeout: self.request_timeout,
            proxy_url: filled(&self.proxy_url),
            proxy_env: ProxyEnv {
                https_proxy: environment.https_proxy.clone(),
                no_proxy: environment.no_proxy.clone(),
            },
            disable_compression: self.disable_compression,
            user_agent: console.tool.user_agent(),
            trace: self.trace(console),
        }
    }

    /// Who is told of each request; `None` below `-v 6`.
    fn trace(&self, console: &Console) -> Option<TraceSink> {
        let screen = console.screen.clone();
        (self.verbosity >= SHOW_REQUESTS).then(|| -> TraceSink {
            Arc::new(move |request| {
                let status = request.status.map_or_else(|| "no answer".into(), |s| s.to_string());
                screen.line(&format!(
                    "{} {} {status} in {}ms",
                    request.method,
                    request.path,
                    request.took.as_millis()
                ));
            })
        })
    }

    /// The flags that another command needs to reach the same cluster: for hints that are commands.
    ///
    /// Without `--token`, which must not be printed.
    pub fn for_hint(&self) -> String {
        let path = |path: &PathBuf| path.display().to_string();
        [
            ("--kubeconfig", self.kubeconfig.as_ref().map(path)),
            ("--context", self.context.clone()),
            ("--cluster", self.cluster.clone()),
            ("--user", self.user.clone()),
            ("--as", self.as_user.clone()),
            ("--namespace", self.namespace.clone()),
            ("--request-timeout", self.request_timeout.map(human)),
        ]
        .into_iter()
        .chain(self.server.iter().map(|server| ("--server", Some(server.clone()))))
        .filter_map(|(flag, value)| value.map(|value| format!(" {flag} {value}")))
        .collect()
    }
}

impl std::fmt::Debug for ConnectionArgs {
    /// A token and a proxy's password are in here.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionArgs")
            .field("context", &self.context)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tool;
    use super::super::environment::Environment;
    use super::*;
    use crate::facts::trace::RequestTrace;
    use crate::tell::human::Manner;
    use crate::tell::screen::tests::screen;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(subcommand)]
        verb: Option<Verb>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Verb {
        Do { names: Vec<String> },
    }

    fn console(environment: Environment) -> Console {
        let (screen, _) = screen(false);
        Console { tool: TOOL, environment, screen, manner: Manner::Plain, can_ask: false }
    }

    const TOOL: Tool = Tool { name: "kubectl x", file: "kubectl-x", version: "1.2.3" };

    fn connection(line: &str) -> Connection {
        let cli = Cli::try_parse_from(line.split(' ')).expect(line);
        cli.connection.connection(&console(Environment::default()))
    }

    #[test]
    fn every_flag_of_kubectl_is_taken_before_and_after_the_verb() {
        let flags = "--kubeconfig k --context c --cluster cl --user u -n ns -s https://s --tls-server-name t \
            --insecure-skip-tls-verify --certificate-authority ca --extra-ca e1 --extra-ca=e2 --client-certificate cc \
            --client-key ck --token secret --as a --as-group g1 --as-group g2 --as-uid id --as-user-extra x=y \
            --request-timeout 5s --proxy-url http://p --disable-compression --cache-dir d -v 6";
        for line in [format!("x {flags} do pod"), format!("x do pod {flags}")] {
            let c = connection(&line);
            assert_eq!(c.kubeconfig.as_deref(), Some("k".as_ref()));
            assert_eq!(c.context.as_deref(), Some("c"));
            assert_eq!(c.cluster.as_deref(), Some("cl"));
            assert_eq!(c.user.as_deref(), Some("u"));
            assert_eq!(c.namespace.as_deref(), Some("ns"));
            assert_eq!(c.server.as_deref(), Some("https://s"));
            assert_eq!(c.tls_server_name.as_deref(), Some("t"));
            assert!(c.insecure_skip_tls_verify && c.disable_compression);
            assert_eq!(c.certificate_authority.as_deref(), Some("ca".as_ref()));
            assert_eq!(c.extra_ca, [PathBuf::from("e1"), PathBuf::from("e2")]);
            assert_eq!(c.client_certificate.as_deref(), Some("cc".as_ref()));
            assert_eq!(c.client_key.as_deref(), Some("ck".as_ref()));
            assert!(c.token.is_some());
            assert_eq!(c.as_user.as_deref(), Some("a"));
            assert_eq!(c.as_groups, ["g1", "g2"]);
            assert_eq!(c.as_uid.as_deref(), Some("id"));
            assert_eq!(c.as_user_extra, ["x=y"]);
            assert_eq!(c.request_timeout, Some(Duration::from_secs(5)));
            assert_eq!(c.proxy_url.as_deref(), Some("http://p"));
            assert_eq!(c.user_agent, "kubectl-x/1.2.3");
        }
    }

    #[test]
    fn values_as_kubectl_takes_them() {
        assert!(!connection("x --insecure-skip-tls-verify=false").insecure_skip_tls_verify);
        assert_eq!(
            connection("x --request-timeout 7").request_timeout,
            Some(Duration::from_secs(7))
        );
        assert_eq!(connection("x --request-timeout=0").request_timeout, Some(Duration::ZERO));
        assert_eq!(connection("x -nfoo").namespace.as_deref(), Some("foo"));
        assert_eq!(connection("x --namespace=").namespace, None);
        assert_eq!(Cli::parse_from(["x", "-v6"]).connection.verbosity, 6);
        assert_eq!(Cli::parse_from(["x", "--v=8"]).connection.verbosity, 8);
    }

    #[test]
    fn a_token_is_never_shown() {
        let cli = Cli::parse_from(["x", "--token", "secret", "--proxy-url", "http://u:pass@p"]);
        let shown = format!("{cli:?}{}", cli.connection.for_hint());
        assert!(!shown.contains("secret") && !shown.contains("pass"), "{shown}");
    }

    #[test]
    fn the_short_help_shows_the_flags_of_every_day() {
        let short = Cli::command().render_help().to_string();
        assert!(short.contains("--context") && !short.contains("--as-uid"), "{short}");
        let long = Cli::command().render_long_help().to_string();
        assert!(long.contains("--as-uid") && !long.contains("--cache-dir"), "{long}");
    }

    #[test]
    fn a_pod_knows_its_server() {
        let environment = Environment {
            service_host: Some("10.0.0.1".to_owned()),
            service_port: Some("443".to_owned()),
            ..Environment::default()
        };
        let found = ConnectionArgs::default().connection(&console(environment)).in_cluster;
        assert_eq!(found.expect("in a pod").host, "10.0.0.1");
    }

    #[test]
    fn requests_are_shown_from_level_6() {
        let request = RequestTrace {
            method: "GET".into(),
            path: "/api/v1/pods?limit=500".into(),
            status: Some(200),
            took: Duration::from_millis(12),
        };
        let (screen, paper) = screen(false);
        let console = Console { screen, ..console(Environment::default()) };
        for (level, expected) in
            [("-v5", None), ("-v6", Some("GET /api/v1/pods?limit=500 200 in 12ms\n"))]
        {
            let trace = Cli::parse_from(["x", level]).connection.connection(&console).trace;
            assert_eq!(trace.is_some(), expected.is_some());
            if let Some(trace) = trace {
                trace(&request);
            }
            assert_eq!(paper.text(), expected.unwrap_or_default());
        }
    }
}
