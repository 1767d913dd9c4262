//! The promise of a rolling rotation, from outside: a running cluster gets a new CA, and no client of the API servers sees
//! a request fail. Alone on the computer, since what is counted is time.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests start processes, write files and say what they counted"
)]

use lab::machines::{ALONE, CLIENTS, Clients, Counted, Kind, Machines, Options, Scope};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
const RECYCLE: &str = env!("CARGO_BIN_EXE_kubectl-recycle");
/// Fewer requests would prove little.
const ENOUGH: u64 = 20_000;
/// A kubelet restarts, and who asks it by its own port just then is refused.
const KUBELET: &str = ":10250";
/// What a client says that was not answered.
const LATE: &str = "no answer within";
/// One request in so many may be late.
const LATE_OF: u64 = 1000;

/// Somebody whom no file, no object and no register knows, with a certificate of the old CA.
const CERTIFICATE_OF_ANN: &str = "cd /root && export OPENSSL_CONF=/dev/null && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout ann.key -subj /CN=ann -out ann.csr && openssl x509 -req -in ann.csr -CA /etc/kubernetes/pki/ca.crt \
    -CAkey /etc/kubernetes/pki/ca.key -CAcreateserial -CAserial ann.srl -days 30 -out ann.crt";
/// It is used.
const ANN_COMES: &str = "cd /root && kubectl --kubeconfig /dev/null --certificate-authority /etc/kubernetes/pki/ca.crt \
    --client-certificate ann.crt --client-key ann.key --server https://127.0.0.1:6443 get --raw /api";

fn main() -> ExitCode {
    let missing = lab::machines::advice(&lab::machines::missing());
    let trial =
        Trial::ignorable_test("no_request_fails_while_the_ca_is_replaced", move || match missing {
            Some(reason) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                Err(Failed::from(format!("skipped, which is a failure with CI=true: {reason}")))
            }
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => {
                no_request_fails_while_the_ca_is_replaced();
                Ok(Completion::Completed)
            }
        });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

/// Runs a tool at the desk, demands this exit code, and returns what it said.
fn ends(lab: &Machines, program: &str, folder: &Path, words: &str, code: i32) -> String {
    let mut command = lab.at_desk(program).unwrap();
    command.args(words.split_whitespace()).arg("--kubeconfig").arg(lab.desk_kubeconfig());
    let temporary = folder.join("tmp");
    let output = command.current_dir(folder).env("TMPDIR", &temporary).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let data = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{words}\n{said}{data}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{words} leaves something behind");
    eprintln!("{said}");
    said
}

/// Runs a script on the first machine, and returns what it says.
fn on_the_first(lab: &Machines, script: &str) -> String {
    let machine = &lab.machines()[0].name;
    let output = lab.command_on(machine, "sh").unwrap().args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many times somebody came to the first machine by ssh.
fn logins(lab: &Machines) -> usize {
    let log = on_the_first(lab, "cat /var/log/sshd.log");
    log.lines().filter(|line| line.starts_with("Accepted publickey")).count()
}

/// What failed, but for what asks a kubelet: what was refused, broken off or not let in; and how many had no answer in
/// time, which is how a computer fails that is too busy.
fn failures(counted: &Counted) -> (Vec<String>, u64) {
    let failed = counted.rows().filter(|(kind, target, tally)| {
        tally.failed > 0 && !(*kind == Kind::Scrape && target.ends_with(KUBELET))
    });
    let (mut refused, mut late) = (Vec::new(), 0);
    for (kind, target, tally) in failed {
        if tally.error.as_deref().is_some_and(|error| error.starts_with(LATE)) {
            late += tally.failed;
        } else {
            refused.push(format!("{} {target}: {tally:?}", kind.name()));
        }
    }
    (refused, late)
}

fn no_request_fails_while_the_ca_is_replaced() {
    let name = format!("t-rolling-{}", std::process::id());
    let lab = Machines::start(&Options { name, audit: true, ..Options::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.toml"), lab.cluster_file()).unwrap();
    fs::create_dir(folder.path().join("tmp")).unwrap();
    let run = |program, words: &str, code| ends(&lab, program, folder.path(), words, code);

    on_the_first(&lab, CERTIFICATE_OF_ANN);

    let clients = Clients::start(&lab, Scope::Core).unwrap();
    run(CERTS, "apply --rotate cluster,front-proxy --yes", 0);
    // One connection is enough, and another one where recycling pods took long.
    let logins = logins(&lab);
    eprintln!("{logins} connections to the first machine");
    assert!((1..=2).contains(&logins), "{logins} connections to one machine");
    on_the_first(&lab, ANN_COMES);
    // One pod reads its CA once, and nobody makes it again; and one user is known to nobody but the audit logs: both are
    // named, and nothing is dropped.
    let said = run(CERTS, "finish --yes", 4);
    assert!(said.contains(&format!("pod {CLIENTS}/{ALONE}: ")), "{said}");
    assert!(said.contains("client `ann` from "), "{said}");
    assert!(said.contains("2 still need the old generation; nothing was dropped"), "{said}");
    run(RECYCLE, &format!("pod/{ALONE} -n {CLIENTS} --allow bare --yes"), 0);
    run(CERTS, "finish --yes --waive `ann`", 0);
    let counted = clients.stop().unwrap();
    eprintln!("{}", counted.table());
    let (refused, late) = failures(&counted);
    assert_eq!(refused, Vec::<String>::new(), "{}", counted.targets());
    let all = counted.all().requests;
    assert!(late * LATE_OF <= all, "{late} of {all} had no answer in time\n{}", counted.targets());
    assert!(all >= ENOUGH, "{}", counted.table());
    lab.down().unwrap();
}
