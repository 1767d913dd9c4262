//! The kubeadm set on machines: real kubelets and static pods, with every file of `/etc/kubernetes` another one.

use super::shop::Shop;
use crate::harness::{Case, Need, cases, within};
use lab::machines::{Machines, Options, POD_IMAGE, Role};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        kubelets_and_static_pods_start_on_the_kubeadm_set: Need::Machines;
    ]
}

/// Kubelets hold back what ended, and the computer is small.
const LIMIT: Duration = Duration::from_mins(5);

/// The load balancer before the lab's API servers.
const ENDPOINT: &str = "10.77.0.1:6443";

fn hosts(lab: &Machines) -> String {
    let mut text = format!(
        "sans = ['127.0.0.1', 'localhost', '10.77.0.1']\n[inputs]\nendpoint = '{ENDPOINT}'\n\
         api-service-address = '10.201.0.1'\n"
    );
    for machine in lab.machines() {
        let _ = writeln!(
            text,
            "[[host]]\nname = '{}'\naddresses = ['{}']\ncontrol-plane = {}",
            machine.name,
            machine.address(),
            machine.role == Role::ControlPlane
        );
    }
    text
}

/// What an operator does on each machine once the set was copied: what runs on the files before ends.
fn put_in_place(lab: &Machines, shop: &Shop) {
    for machine in lab.machines() {
        let there = lab.root_of(&machine.name).unwrap().join("etc/kubernetes");
        shop.run(&format!("cp -rL out/current/{}/. {}/", machine.name, there.display()));
        // The kubelet would go on with what it once got from the CA before.
        let mut script = "rm -f /var/lib/kubelet/pki/kubelet-client-*".to_owned();
        for program in ["etcd", "kube-apiserver", "kube-controller", "kube-scheduler"] {
            let _ = write!(script, "; pkill -KILL -x {program}");
        }
        let _ = lab.exec(&machine.name, &["sh", "-c", &script]).unwrap();
        lab.restart(&machine.name, "kubelet").unwrap();
    }
}

/// The administrator's new file, through the port by which this computer reaches the machines.
fn become_administrator(lab: &Machines, shop: &Shop) {
    let before = fs::read_to_string(lab.kubeconfig()).unwrap();
    let server = before.split("server: ").nth(1).unwrap().lines().next().unwrap();
    let text = shop.text("out/current/control-1/admin.conf");
    let inside = format!("\"https://{ENDPOINT}\"");
    assert!(text.contains(&inside), "the endpoint is the load balancer");
    fs::write(lab.kubeconfig(), text.replace(&inside, server)).unwrap();
}

fn kubelets_and_static_pods_start_on_the_kubeadm_set() {
    let name = format!("t-certs-{}", std::process::id());
    let options = Options { name, control_planes: 1, workers: 1, ..Options::default() };
    let lab = Machines::start(&options).unwrap();
    let shop = Shop::new();
    shop.write("hosts.toml", &hosts(&lab));
    shop.generate("--layout kubeadm --hosts hosts.toml --key-type ecdsa-p256 -o out").exits(0);
    put_in_place(&lab, &shop);
    become_administrator(&lab, &shop);
    within(LIMIT, "the API server is ready on the new set, with etcd behind it", || {
        lab.kubectl(&["get", "--raw=/readyz"]).unwrap().status.success()
    });
    // The API server shows its client certificate to the kubelets, and the kubelets know its CA.
    for machine in lab.machines() {
        let health = format!("--raw=/api/v1/nodes/{}/proxy/healthz", machine.name);
        within(LIMIT, "the API server is let in by the kubelet", || {
            lab.kubectl(&["get", &health]).unwrap().status.success()
        });
    }
    // Scheduler, controller manager and kubelet: each has its part in a new pod.
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: fresh}}\nspec:\n  terminationGracePeriodSeconds: 0\n  \
         containers: [{{name: main, image: '{POD_IMAGE}', imagePullPolicy: Never, args: [http, ':8080']}}]\n"
    );
    within(LIMIT, "a pod can be made", || lab.apply(&pod).is_ok());
    within(LIMIT, "it is Ready", || {
        let wait = ["wait", "--for=condition=Ready", "pod/fresh", "--timeout=5s"];
        lab.kubectl(&wait).unwrap().status.success()
    });
    let said = lab.kubectl_text(&["logs", "fresh"]).unwrap();
    assert!(said.contains("serving on :8080"), "{said}");
    // Kubelets renew by themselves: the controller manager signs with the key of the new CA.
    within(LIMIT, "a kubelet has a certificate of the new CA", || {
        let list = lab.exec("worker-1", &["ls", "/var/lib/kubelet/pki"]).unwrap();
        String::from_utf8_lossy(&list.stdout).contains("kubelet-client-current.pem")
    });
    let pem = lab.exec("worker-1", &["cat", "/var/lib/kubelet/pki/kubelet-client-current.pem"]);
    shop.write("client.pem", &String::from_utf8(pem.unwrap().stdout).unwrap());
    shop.run("openssl verify -CAfile out/current/worker-1/pki/ca.crt client.pem");
    lab.down().unwrap();
}
