//! Names: where they come from, what would be lost, what is no name.

use super::sets::two;
use super::shop::{EC, Shop, shown};
use crate::harness::labs::current;
use crate::harness::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_name_is_never_lost_silently;
        names_are_compared_with_a_certificate_elsewhere;
        what_is_no_name_is_said;
        machines_and_addresses_of_a_running_cluster;
    ]
}

fn a_name_is_never_lost_silently() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop.generate("--layout two.toml --san old.example,10.0.0.9 -o out").exits(0);
    let leaf = shop.text("out/leaf.crt");
    let lost = shop.generate("--layout two.toml --san new.example --force-regen -o out");
    lost.exits(4).says("names of today's certificates would be lost: `leaf` would lose DNS:old.example, IP:10.0.0.9");
    lost.says("hint: add --keep-sans to keep them, or --drop-san NAME for each that may go");
    assert_eq!(shop.text("out/leaf.crt"), leaf);
    let half = "--layout two.toml --san new.example --force-regen --drop-san old.example -o out";
    shop.generate(half).exits(4).says("would lose IP:10.0.0.9");
    shop.generate("--layout two.toml --san new.example --keep-sans --force-regen -o out")
        .exits(0)
        .says("`leaf` gets names: DNS:new.example");
    let text = shown(&shop, "out/leaf.crt");
    assert!(
        text.contains("DNS:leaf.example, DNS:new.example, DNS:old.example, IP Address:10.0.0.9"),
        "{text}"
    );
    shop.generate(
        "--layout two.toml --drop-san new.example,old.example,10.0.0.9 --force-regen -o out",
    )
    .exits(0)
    .says("`leaf` loses names: DNS:new.example, DNS:old.example, IP:10.0.0.9");
}

fn names_are_compared_with_a_certificate_elsewhere() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop.openssl_ca("theirs", EC, "-addext subjectAltName=DNS:leaf.example,DNS:kept.example");
    shop.generate("--layout two.toml --compare leaf=theirs.crt -o out")
        .exits(4)
        .says("`leaf` would lose DNS:kept.example");
    assert!(!shop.path("out").exists());
    shop.generate("--layout two.toml --compare leaf=theirs.crt --keep-sans -o out").exits(0);
    assert!(shown(&shop, "out/leaf.crt").contains("DNS:kept.example"));
}

fn what_is_no_name_is_said() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    for (san, words) in [
        ("a..b", "`a..b` is no host name"),
        ("DNS:10.0.0.1", "`10.0.0.1` is neither an address nor a host name"),
        ("10.0.0.256", "`10.0.0.256` is neither an address nor a host name"),
        ("10.0.0.0/8", "`10.0.0.0/8` is a range of addresses; name each address"),
        ("*.com", "`*.com` has a wildcard that clients do not understand"),
        ("a*.b.example", "has a wildcard that clients do not understand"),
        ("-a.example", "`-a.example` is no host name"),
    ] {
        shop.generate(&format!("--layout two.toml --san={san} -o out")).exits(2).says(words);
    }
    assert!(!shop.path("out").exists());
    // The same name twice, in two ways of writing, is one name.
    shop.generate("--layout two.toml --san LEAF.example,a.example,a.example. -o out").exits(0);
    let text = shown(&shop, "out/leaf.crt");
    assert!(text.contains("DNS:a.example, DNS:leaf.example\n"), "{text}");
    for (subnet, words) in [
        ("10.0.0.0/8", "it has 16777216 addresses, and at most 1024 go into one certificate"),
        ("10.9.20.5/24", "write 10.9.20.0/24"),
    ] {
        shop.generate(&format!("--layout bosh --ca-cert x --ca-key x --subnet {subnet} -o b"))
            .exits(2)
            .says(words);
    }
}

fn machines_and_addresses_of_a_running_cluster() {
    let lab = current();
    let shop = Shop::new();
    let kubeconfig = &lab.kubeconfig;
    let line = format!(
        "--layout kubeadm --from-cluster --kubeconfig {} --key-type ecdsa-p256 -o out",
        kubeconfig.display()
    );
    let done = shop.generate(&line);
    // The lab's nodes are simulated; none of them runs the control plane.
    done.exits(2).says("no machine is named as one of the control plane");
    let line = format!(
        "--layout salt --from-cluster --kubeconfig {} --key-type ecdsa-p256 -o out",
        kubeconfig.display()
    );
    shop.generate(&line).exits(0).says("machines of https://");
    let text = shown(&shop, "out/pki/default/server.crt");
    let config = std::fs::read_to_string(kubeconfig).unwrap();
    let server = config.split("https://").nth(1).unwrap();
    let address = server.split(':').next().unwrap();
    assert!(text.contains(&format!("IP Address:{address}")), "{address}:\n{text}");
    assert!(!text.contains("10.254.0.1"), "the cluster's own service address wins:\n{text}");
}
