//! Kubeconfig files, flags, credential plugins, proxies.

use crate::setup::{Files, error, through};
use double::{Api, kubeconfig};
use rotation_core::facts::exit::{Exit, Fault as _};
use rotation_core::world::cluster::{
    Cluster, ClusterError, Connection, InCluster, ProxyEnv, SecretText,
};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

const USER: &str = "username: u\npassword: p";

fn say(error: &ClusterError) -> String {
    format!("{error} | {}", error.hint().unwrap_or_default())
}

#[test]
fn the_files_of_the_variable_are_merged_and_the_first_wins() {
    let api = Api::start();
    let files = Files::new();
    std::fs::create_dir(files.path("sub")).expect("made");
    let one = files.write("one", "apiVersion: v1\nkind: Config\ncurrent-context: double\n");
    let two = files.write("two", &kubeconfig(&api.url(), "certificate-authority: ca.pem", ""));
    let three = files.write("sub/three", &kubeconfig("http://127.0.0.1:1", "", ""));
    let ca = double::tls::Authority::new("kubernetes");
    files.write("ca.pem", &ca.pem());
    let listed = std::env::join_paths([files.path("missing"), one, "".into(), two, three]);
    let connection = Connection {
        kubeconfig: None,
        kubeconfig_env: Some(listed.expect("paths")),
        ..through(&files.path("unused"))
    };
    let cluster = Cluster::connect(&connection).expect("relative paths start at their file");
    cluster.version().expect("the second file's server");
    assert_eq!(cluster.context(), Some("double"));
    assert_eq!(cluster.default_namespace(), "default");
}

#[test]
fn the_flag_beats_the_variable_and_the_variable_the_home() {
    let files = Files::new();
    let write = |name: &str, port: u16| {
        files.write(name, &kubeconfig(&format!("https://127.0.0.1:{port}"), "", ""))
    };
    std::fs::create_dir(files.path(".kube")).expect("made");
    write(".kube/config", 3);
    let mut connection = Connection {
        kubeconfig: Some(write("flag", 1)),
        kubeconfig_env: Some(write("env", 2).into()),
        home: Some(files.dir.path().to_owned()),
        in_cluster: Some(in_cluster(&files)),
        ..Connection::default()
    };
    let server = |c: &Connection| Cluster::connect(c).expect("a client").server().to_owned();
    assert_eq!(server(&connection), "https://127.0.0.1:1");
    connection.kubeconfig = None;
    assert_eq!(server(&connection), "https://127.0.0.1:2");
    connection.kubeconfig_env = Some(OsString::new());
    assert_eq!(server(&connection), "https://127.0.0.1:3");
}

fn in_cluster(files: &Files) -> InCluster {
    files.write("token", "pod-token\n");
    files.write("namespace", "of-the-pod");
    files.write("ca.crt", &double::tls::Authority::new("kubernetes").pem());
    InCluster {
        host: "fd00::1".to_owned(),
        port: "443".to_owned(),
        directory: files.dir.path().to_owned(),
    }
}

#[test]
fn a_pods_own_account_is_used_only_where_there_is_no_kubeconfig_at_all() {
    let files = Files::new();
    let mut connection = Connection {
        home: Some(files.dir.path().to_owned()),
        in_cluster: Some(in_cluster(&files)),
        ..Connection::default()
    };
    let cluster = Cluster::connect(&connection).expect("a client");
    assert_eq!(cluster.server(), "https://[fd00::1]:443");
    assert_eq!(cluster.default_namespace(), "of-the-pod");

    connection.kubeconfig_env = Some(files.path("missing").into());
    assert!(matches!(error(Cluster::connect(&connection)), ClusterError::NoKubeconfig { .. }));
    connection.kubeconfig_env = Some(files.write("broken", "a: [").into());
    assert!(matches!(error(Cluster::connect(&connection)), ClusterError::Kubeconfig { .. }));
}

#[test]
fn every_bad_kubeconfig_is_named_with_its_reason_and_what_to_do() {
    let good = kubeconfig("https://127.0.0.1:1", "", "");
    let rows: [(&str, &str, &[&str]); 8] = [
        (
            "broken YAML",
            "clusters: [\n  - {",
            &["cannot use kubeconfig", "line", "kubectl config view"],
        ),
        ("not a kubeconfig", "just text", &["cannot use kubeconfig"]),
        ("empty", "", &["no context in", "--kubeconfig"]),
        (
            "no such current context",
            &good.replace("current-context: double", "current-context: other"),
            &["no context `other`", "contexts there are: double"],
        ),
        (
            "no current context",
            &good.replace("current-context: double", "current-context: ''"),
            &["no context is chosen", "--context", "double"],
        ),
        (
            "no such cluster",
            &good.replace("    cluster: double", "    cluster: gone"),
            &["no cluster `gone`", "clusters there are: double"],
        ),
        (
            "no such user",
            &good.replace("    user: double", "    user: gone"),
            &["no user `gone`", "users there are: double"],
        ),
        (
            "no scheme",
            &good.replace("https://127.0.0.1:1", "127.0.0.1:6443"),
            &["`127.0.0.1:6443` does not begin with https://", "https://host:6443"],
        ),
    ];
    for (name, text, expected) in rows {
        let files = Files::with(text);
        let error = error(Cluster::connect(&files.connection()));
        let said = say(&error);
        for part in expected.iter().chain(&[files.path("config").to_str().expect("text")]) {
            assert!(said.contains(part), "{name}: `{part}` is not in: {said}");
        }
        assert_eq!(error.exit(), Exit::Unexpected);
    }
}

#[test]
fn missing_and_unreadable_files_are_told_apart() {
    let files = Files::new();
    let said = say(&error(Cluster::connect(&through(&files.path("none")))));
    assert!(said.contains("none: no such file or directory"), "{said}");
    let said = say(&error(Cluster::connect(&through(files.dir.path()))));
    assert!(said.contains("is a directory"), "{said}");
    let connection =
        Connection { home: Some(files.dir.path().to_owned()), ..Connection::default() };
    let said = say(&error(Cluster::connect(&connection)));
    assert!(
        said.contains(".kube/config does not exist") && said.contains("--kubeconfig"),
        "{said}"
    );
}

#[test]
fn flags_are_put_over_the_file() {
    let api = Api::start();
    let files = Files::with(&kubeconfig("http://127.0.0.1:1", "tls-server-name: x", USER));
    let connection = Connection {
        server: Some(api.url()),
        namespace: Some("flagged".to_owned()),
        token: Some(SecretText::new("flag-token")),
        as_user: Some("jane".to_owned()),
        as_groups: vec!["a".to_owned(), "b".to_owned()],
        as_uid: Some("7".to_owned()),
        as_user_extra: vec![
            "scopes=x".to_owned(),
            "scopes=y".to_owned(),
            "Example.com/k=z".to_owned(),
        ],
        ..files.connection()
    };
    let cluster = Cluster::connect(&connection).expect("a client");
    cluster.version().expect("asked");
    assert_eq!(cluster.default_namespace(), "flagged");
    let headers = &api.requests()[0].headers;
    let header = |name: &str| headers.get(name).map(String::as_str);
    assert_eq!(header("authorization"), Some("Bearer flag-token"));
    assert_eq!(header("impersonate-user"), Some("jane"));
    assert_eq!(header("impersonate-group"), Some("a,b"));
    assert_eq!(header("impersonate-uid"), Some("7"));
    assert_eq!(header("impersonate-extra-scopes"), Some("x,y"));
    assert_eq!(header("impersonate-extra-example.com%2fk"), Some("z"));
    assert_eq!(header("user-agent"), Some("test/1"));
}

#[test]
fn flags_that_make_no_sense_are_a_matter_of_usage() {
    let files = Files::with(&kubeconfig("http://127.0.0.1:1", "", ""));
    let base = files.connection();
    for connection in [
        Connection { as_groups: vec!["g".to_owned()], ..base.clone() },
        Connection { as_uid: Some("1".to_owned()), ..base.clone() },
        Connection {
            as_user: Some("u".to_owned()),
            as_user_extra: vec!["x".to_owned()],
            ..base.clone()
        },
        Connection { server: Some("host:6443".to_owned()), ..base.clone() },
        Connection { server: Some("https://u:hunter2@host".to_owned()), ..base.clone() },
    ] {
        let error = error(Cluster::connect(&connection));
        assert_eq!(error.exit(), Exit::Usage, "{error}");
        assert!(!say(&error).contains("hunter2"));
    }
}

#[test]
fn a_server_on_the_command_line_needs_no_file() {
    let api = Api::start();
    let connection = Connection { server: Some(api.url()), ..Connection::default() };
    Cluster::connect(&connection).expect("a client").version().expect("asked");
}

#[test]
fn basic_authentication_and_token_files() {
    let api = Api::start();
    let files = Files::with(&kubeconfig(&api.url(), "", USER));
    Cluster::connect(&files.connection()).expect("a client").version().expect("asked");
    files.write("t", "  from-file\n");
    let config = files.write("config2", &kubeconfig(&api.url(), "", "tokenFile: t"));
    Cluster::connect(&through(&config)).expect("a client").version().expect("asked");
    let config = files.write("config3", &kubeconfig(&api.url(), "", "tokenFile: t\ntoken: inline"));
    Cluster::connect(&through(&config)).expect("a client").version().expect("asked");
    let sent: Vec<String> =
        api.requests().iter().map(|r| r.headers["authorization"].clone()).collect();
    assert_eq!(sent, ["Basic dTpw", "Bearer from-file", "Bearer inline"]);
}

#[test]
fn a_renewed_token_file_is_read_again() {
    let api = Api::setup().token("second").start();
    let files = Files::with(&kubeconfig(&api.url(), "", "tokenFile: t"));
    files.write("t", "first");
    let cluster = Cluster::connect(&files.connection()).expect("a client");
    assert!(cluster.version().is_err());
    files.write("t", "second");
    cluster.version().expect("the new token");
}

fn plugin(script: &std::path::Path) -> String {
    format!(
        "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: {}\n  args: [one]\n  env:\n  - {{name: EXTRA, value: set}}\n  interactiveMode: IfAvailable\n  installHint: install it from there",
        script.display()
    )
}

#[test]
fn a_credential_plugin_runs_exactly_once() {
    let api = Api::setup().token("plugged").start();
    let files = Files::new();
    let log = files.path("log");
    let script = files.script(
        "plugin",
        &format!(
            "echo \"$1 $EXTRA $KUBERNETES_EXEC_INFO\" >> {}\necho 'kind: ExecCredential'\necho 'status: {{token: plugged, expirationTimestamp: \"2999-01-01T00:00:00Z\"}}'",
            log.display()
        ),
    );
    let config = files.write("config", &kubeconfig(&api.url(), "", &plugin(&script)));
    let cluster = Cluster::connect(&through(&config)).expect("a client");
    cluster.version().expect("asked");
    cluster.identity().expect("asked");
    let log = std::fs::read_to_string(log).expect("the plugin ran");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.starts_with("one set {") && log.contains(r#""interactive":"#), "{log}");
}

#[test]
fn a_credential_that_ends_is_asked_for_again() {
    let api = Api::setup().token("plugged").start();
    let files = Files::new();
    let log = files.path("log");
    let script = files.script(
        "plugin",
        &format!(
            "echo x >> {}\necho '{{\"status\":{{\"token\":\"plugged\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}}}'",
            log.display()
        ),
    );
    let config = files.write("config", &kubeconfig(&api.url(), "", &plugin(&script)));
    Cluster::connect(&through(&config)).expect("a client").version().expect("asked");
    assert_eq!(std::fs::read_to_string(log).expect("ran").lines().count(), 2);
}

#[test]
fn a_plugins_certificate_is_shown() {
    let ca = double::tls::Authority::new("kubernetes");
    let client = ca.issue("jane", &double::tls::Wanted::client());
    let api = Api::setup().mutual_tls(&ca.localhost(), &ca).start();
    let files = Files::new();
    files.write("ca.pem", &ca.pem());
    let (cert, key) =
        (files.write("c.pem", &client.pem()), files.write("k.pem", &client.key_pem()));
    let json = "sed ':a;N;$!ba;s/\\n/\\\\n/g'";
    let script = files.script(
        "plugin",
        &format!(
            "c=$({json} {})\nk=$({json} {})\nprintf '{{\"status\":{{\"clientCertificateData\":\"%s\",\"clientKeyData\":\"%s\"}}}}' \"$c\" \"$k\"",
            cert.display(),
            key.display()
        ),
    );
    let config = files.write(
        "config",
        &kubeconfig(&api.url(), "certificate-authority: ca.pem", &plugin(&script)),
    );
    Cluster::connect(&through(&config)).expect("a client").version().expect("accepted");
}

#[test]
fn a_failing_plugin_is_named_and_its_output_is_shown_to_nobody() {
    let files = Files::new();
    for (script, expected) in [
        ("echo hunter2; echo hunter2 >&2; exit 3", "failed (exit status: 3)"),
        ("echo hunter2", "no ExecCredential"),
        ("echo '{\"kind\":\"hunter2\"}'", "without a credential"),
        ("echo '{\"status\":{}}'", "without a credential"),
        (
            "echo '{\"status\":{\"token\":\"hunter2\",\"expirationTimestamp\":\"hunter2\"}}'",
            "no date",
        ),
    ] {
        let script = files.script("plugin", script);
        let config = files.write("config", &kubeconfig("http://127.0.0.1:1", "", &plugin(&script)));
        let error = error(Cluster::connect(&through(&config)));
        let said = format!("{} {error:?}", say(&error));
        assert!(said.contains(expected) && said.contains("install it from there"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let config =
        files.write("config", &kubeconfig("http://127.0.0.1:1", "", &plugin(&files.path("gone"))));
    let said = say(&error(Cluster::connect(&through(&config))));
    assert!(said.contains("is not installed"), "{said}");
}

/// Takes one connection, keeps what is said first, answers.
fn listener(answer: &'static [u8]) -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut said = vec![0; 1024];
        let count = stream.read(&mut said).expect("something");
        said.truncate(count);
        stream.write_all(answer).expect("answered");
        said
    });
    (port, thread)
}

#[test]
fn proxies_are_asked_for_the_server() {
    let refusal: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    for (scheme, answer) in [("http", refusal), ("socks5", b"\x05\xff"), ("socks5h", b"\x05\xff")] {
        let (port, proxy) = listener(answer);
        let files = Files::with(&kubeconfig("https://api.example.com:6443", "", ""));
        let connection = Connection {
            proxy_url: Some(format!("{scheme}://me:hunter2@127.0.0.1:{port}")),
            ..files.connection()
        };
        let error =
            Cluster::connect(&connection).expect("a client").version().expect_err("refused");
        let said = format!("{} {error:?}", say(&error));
        assert!(said.contains("proxy") && !said.contains("hunter2"), "{scheme} {said}");
        let asked = proxy.join().expect("asked");
        if scheme == "http" {
            let asked = String::from_utf8_lossy(&asked);
            assert!(asked.starts_with("CONNECT api.example.com:6443"), "{asked}");
            assert!(
                asked.to_lowercase().contains("proxy-authorization: basic bwu6ahvudgvymg=="),
                "{asked}"
            );
        } else {
            assert_eq!(asked[0], 5);
        }
    }
}

#[test]
fn the_environments_proxy_has_exceptions_by_the_servers_name() {
    let files = Files::with(&kubeconfig("https://api.example.com:6443", "", ""));
    let connection = |no_proxy: &str| Connection {
        proxy_env: ProxyEnv {
            https_proxy: Some("gopher://nonsense".to_owned()),
            no_proxy: Some(no_proxy.to_owned()),
        },
        ..files.connection()
    };
    Cluster::connect(&connection("localhost,.example.com,")).expect("the proxy is not even read");
    assert!(matches!(
        error(Cluster::connect(&connection("localhost,"))),
        ClusterError::Proxy { .. }
    ));
}
