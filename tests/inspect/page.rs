//! `--html FILE`: what is on the page, that it is written whole or not at all, and that nobody else writes markup into it.

use crate::mixed::{mixed, page};
use crate::world::{Set, World};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

/// What a page may be, for any cluster.
const LIMIT: usize = 1_000_000;

#[test]
fn a_page_says_what_is_wrong_where_and_what_to_type() {
    let world = mixed();
    let (page, outcome) = page(&world, "inspect");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(outcome.stderr.ends_with("the page is in page.html\n"), "{}", outcome.text());
    assert!(outcome.stdout.starts_with("PLACE"), "{}", outcome.text());
    for told in [
        "The CA of the cluster is torn.",
        "bring both CAs to every place that trusts, before anything else",
        "on w07 and w11",
        "<code>chmod 600 /etc/kubernetes/pki/apiserver.key</code>",
        "ends in 4 days",
        "trust-lacks-ca",
        "lacks the new one, which is shown",
        "CN=kubernetes-g1 (old) is trusted by: ",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    is_fit(&page);
    // The same for `check`, which ends as it would without.
    let (other, outcome) = crate::mixed::page(&world, "check");
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    assert_eq!(other.replace("rotate-certs check</p>", "rotate-certs inspect</p>"), page);
}

#[test]
fn a_page_about_health_says_so() {
    let set = Set::new();
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    let (page, _) = page(&world, "inspect");
    assert!(page.contains("Nothing is wrong") && page.contains("Nothing was found."), "{page}");
    assert!(!page.contains("verdict bad"), "{page}");
    is_fit(&page);
}

#[test]
fn exceptions_are_told_with_their_reason() {
    let world = mixed();
    world.file(
        "w.toml",
        "[[waiver]]\nid = \"key-mode\"\nuntil = \"2026-12-31\"\nreason = \"<known> to us\"\n",
    );
    let (page, _) = page(&world, "check --waivers w.toml");
    assert!(page.contains("Left out by exceptions: 1 finding"), "{page}");
    assert!(page.contains("until 2026-12-31: &lt;known&gt; to us"), "{page}");
}

#[test]
fn what_many_machines_have_in_common_is_told_once() {
    let set = Set::new();
    let hosts: Vec<String> = (1..=1000).map(|n| format!("m{n:04}")).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let world = World::new(&names);
    // Each has a client of its own.
    for host in &names {
        world.node(host, &set);
    }
    world.write("m0500:/etc/kubernetes/pki/ca.crt", &Set::old().cluster.pem());
    let (page, outcome) = page(&world, "inspect -o json");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for told in
        ["m0001 to m1000", "m0001 to m0499 and m0501 to m1000", "1,000 machines", "on m0500"]
    {
        assert!(page.contains(told), "{told}");
    }
    is_fit(&page);
    assert!(page.len() < LIMIT / 10, "{} bytes", page.len());
}

#[test]
fn what_has_nothing_in_common_is_bounded() {
    let (old, set) = (Set::old(), Set::new());
    let hosts: Vec<String> =
        (1..=300).map(|n| format!("{:x}", 0x9e37_79b9_u32.wrapping_mul(n))).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let world = World::new(&names);
    for (index, host) in names.iter().enumerate() {
        world.minion(host, if index % 2 == 0 { &old } else { &set });
        for n in 0..5 {
            let path = format!("{host}:/etc/cni/net.d/{host}-{n}-kubeconfig");
            world.kubeconfig(&path, &set, &format!("{host} {n}"), &[]);
        }
    }
    let (page, outcome) = page(&world, "inspect -o json");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    is_fit(&page);
    assert!(page.len() < LIMIT, "{} bytes", page.len());
}

#[test]
fn nobody_else_writes_markup() {
    let set =
        Set::of("<script>alert(1)</script>\"><img src=x onerror=alert(1)>", "20260601000000Z");
    let world = World::new(&["n1", "n2"]);
    world.minion("n1", &set);
    world.minion("n2", &Set::of("\u{202e}evil\u{7}'\"&<!--", "20260701000000Z"));
    world.kubeconfig(
        "n1:/etc/cni/net.d/x\"><script>y</script>\u{1b}[2J\nkubeconfig",
        &set,
        "</style><script>",
        &["https://outside.example/x"],
    );
    world.process("n1", 812, 60, "kubelet --client-ca-file=/srv/\"<svg/onload=x>.crt");
    let (page, outcome) = page(&world, "inspect");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    is_fit(&page);
    for shown in ["&lt;script&gt;alert(1)&lt;/script&gt;", "\\u{202e}evil\\u{7}", "&lt;svg/"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
    for bad in ["<img", "<svg/", "<!--"] {
        assert!(!page.contains(bad), "{bad}: {page}");
    }
}

#[test]
fn a_page_is_for_its_user_alone_and_replaced_as_a_whole() {
    let world = mixed();
    world.file("page.html", "an older one");
    let (page, _) = page(&world, "inspect");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    let path = world.directory().join("page.html");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names = fs::read_dir(world.directory()).unwrap().map(|e| e.unwrap().file_name());
    let beside: Vec<_> = names.filter(|n| n.to_string_lossy().contains("html")).collect();
    assert_eq!(beside, ["page.html"]);
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_anything_is_looked_at() {
    let set = Set::new();
    let world = World::new(&["n1"]);
    world.minion("n1", &set);
    symlink("/nowhere", world.directory().join("link")).unwrap();
    for (file, code, why) in [
        ("no/such/page.html", 1, "cannot write no/such/page.html"),
        ("n1", 1, "cannot write n1"),
        ("link", 1, "symbolic link"),
        ("-", 2, "--html needs a file"),
    ] {
        for verb in ["inspect", "check"] {
            let outcome = world.run(&format!("{verb} --html {file}"));
            assert_eq!(outcome.code, code, "{}", outcome.text());
            assert_eq!(outcome.stdout, "", "{}", outcome.text());
            assert!(outcome.stderr.contains(why), "{why}: {}", outcome.text());
            assert!(outcome.stderr.contains("hint: "), "{}", outcome.text());
        }
    }
}

#[test]
fn a_full_disk_leaves_the_older_page() {
    let world = mixed();
    world.file("page.html", "an older one");
    // A bound on files stands for a disk that is full: what is written fails in the middle.
    let words = "ulimit -f 8; trap '' XFSZ; exec \"$@\"";
    let outcome = world.run_within(&["sh", "-c", words, "sh"], "inspect --html page.html");
    assert_eq!(outcome.code, 1, "{}", outcome.text());
    assert!(outcome.stderr.contains("cannot write page.html"), "{}", outcome.text());
    assert!(outcome.stdout.starts_with("PLACE"), "what was found is told all the same");
    let path = world.directory().join("page.html");
    assert_eq!(fs::read_to_string(path).unwrap(), "an older one");
    let ls = Command::new("ls").arg("-a").arg(world.directory()).output().unwrap();
    assert!(!String::from_utf8(ls.stdout).unwrap().contains(".page.html"));
}

/// What holds for every page.
#[track_caller]
fn is_fit(page: &str) {
    assert!(page.len() < LIMIT, "{} bytes", page.len());
    for bad in [
        "<script",
        " onload=",
        " onerror=",
        "javascript:",
        "url(",
        "@import",
        " style=\"",
        "PRIVATE KEY",
    ] {
        let quoted = page.replace("&quot;", "");
        let tags = quoted.split('<').filter_map(|tag| tag.split_once('>'));
        let markup: String = tags.flat_map(|(tag, _)| ["<", tag, ">"]).collect();
        assert!(!markup.contains(bad), "{bad}");
    }
    // Links lead into the page.
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with('#'), "{}", &link[..link.len().min(80)]);
    }
    for id in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    // Headings in order.
    let levels: Vec<u32> =
        page.split("<h").skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10)).collect();
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1 && pair[1] > 1), "{levels:?}");
    for (open, close) in [
        ("<table", "</table>"),
        ("<svg", "</svg>"),
        ("<section", "</section>"),
        ("<tr", "</tr>"),
        ("<li", "</li>"),
    ] {
        let opened =
            page.matches(&format!("{open} ")).count() + page.matches(&format!("{open}>")).count();
        assert_eq!(opened, page.matches(close).count(), "{open}");
    }
}
