//! Starting one VM: its files, its first process, its cable.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::monit::CONTROL_FILE;
use super::plan::{GATEWAY, GATEWAY_USER, Instance, Monit, Options};
use super::{net, role};
use crate::machines::{inner, lives, output, wait};
use crate::process::{Identity, Launch, Processes};

/// The stemcell's wrapper: it is what operators and tools call. The real one joins a control group first.
const WRAPPER: &str = "/var/vcap/bosh/bin/monit";
const BANNER: &str = "Unauthorized use is strictly prohibited. All access and activity\n\
                      is subject to logging and monitoring.\n";

/// The root of a VM, as seen from outside; what is mounted inside (`/usr`, `/var/vcap/data`) is not there.
pub(super) fn root(lab: &Path, vm: &str) -> PathBuf {
    lab.join("vms").join(vm).join("root")
}

/// Starts a VM and connects it.
pub(super) fn start(
    processes: &Processes,
    switch: Identity,
    options: &Options,
    instance: &Instance,
) -> Result<()> {
    let (lab, vm) = (processes.dir(), instance.vm());
    let root = root(lab, &vm);
    furnish(&root, options, instance)
        .with_context(|| format!("cannot prepare {}", root.display()))?;
    let script = lab.join("vms/init.sh");
    fs::write(&script, include_str!("vm/init.sh")).context("cannot write the VMs' init.sh")?;
    let is_gateway = instance.group == GATEWAY;
    let monit = match options.monit {
        _ if is_gateway => String::new(),
        Monit::Stemcell => "/var/vcap/bosh/bin/monit-actual -I".to_owned(),
        Monit::Debian => format!("/usr/bin/monit -I -c {CONTROL_FILE}"),
    };
    let mut programs = vec![
        "/var/vcap/packages/kubernetes/bin/kube-proxy",
        "/var/vcap/packages/kubernetes/bin/kubelet",
        "/usr/local/bin/docker-proxy",
        "/usr/local/bin/port-holder",
    ];
    if options.monit == Monit::Stemcell {
        programs.push("/var/vcap/bosh/bin/monit-actual");
    }
    let launch = Launch::new(&vm, "unshare")
        .args(["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "sh"])
        .arg(script)
        .env("LAB_VM", &vm)
        .env("LAB_ADDRESS", &instance.address)
        .env("LAB_ROOT", &root)
        .env("LAB_PROGRAM", role::program()?)
        .env("LAB_PROGRAMS", programs.join(" "))
        .env("LAB_MONIT", monit)
        .env("LAB_CONTROLS", format!("{} {}", KUBELET, options.layout.control()))
        .env("LAB_PIDFILE", options.layout.pidfile())
        .at_once();
    let record = processes.start(&launch)?;
    let log = processes.log(&vm);
    let mut first = None;
    wait(Duration::from_secs(20), &format!("{vm} to start"), || {
        lives(record.identity, &vm, &log)?;
        first = inner(record.identity);
        Ok(first.is_some())
    })?;
    net::connect(switch, instance, first.context("no first process")?)
}

/// Waits until its sshd listens, and until monit says that its jobs run.
pub(super) fn wait_ready(
    processes: &Processes,
    options: &Options,
    instance: &Instance,
) -> Result<()> {
    let vm = instance.vm();
    let record = processes.find(&vm)?.context("it was not started")?;
    let log = processes.log(&vm);
    let limit = Duration::from_mins(1) + Duration::from_secs(2 * u64::from(options.poll));
    wait(limit, &format!("sshd and monit of {vm}"), || {
        lives(record.identity, &vm, &log)?;
        let Some(first) = inner(record.identity) else { return Ok(false) };
        if !listens(first, 22) {
            return Ok(false);
        }
        if instance.group == GATEWAY {
            return Ok(true);
        }
        let Ok(said) = output(command(first, WRAPPER).arg("summary")) else { return Ok(false) };
        let job = options.layout.job();
        let running = |line: &&str| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.contains(&"running") || words.get(1) == Some(&"OK")
        };
        let jobs = said.lines().filter(running);
        let named = |line: &str, name: &str| {
            line.split_whitespace().any(|word| word.trim_matches('\'') == name)
        };
        let jobs: Vec<_> = jobs.collect();
        Ok([job, "kubelet"].iter().all(|name| jobs.iter().any(|line| named(line, name))))
    })
}

/// Whether a TCP port is listened on in the network of a process.
pub(super) fn listens(process: Identity, port: u16) -> bool {
    let table = fs::read_to_string(format!("/proc/{}/net/tcp", process.pid)).unwrap_or_default();
    // Local address and port, nobody at the other end, and the state of a listener.
    table.contains(&format!(":{port:04X} 00000000:0000 0A "))
}

/// A program on the VM whose first process this is, in root's login environment.
pub(super) fn command(first: Identity, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &first.pid.to_string()])
        .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--"])
        .args(["/usr/bin/env", "-i", "HOME=/root", "TERM=dumb"])
        .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .arg(program);
    command
}

const KUBELET: &str = "/var/vcap/jobs/kubernetes-minion/bin/kubelet_ctl";

/// Everything that the VM finds in its own directories.
fn furnish(root: &Path, options: &Options, instance: &Instance) -> Result<()> {
    for folder in [
        ".outside",
        ".usr",
        "dev",
        "etc/pam.d",
        "etc/security",
        "etc/skel",
        "etc/ssh",
        "etc/sudoers.d",
        "etc/default",
        "home",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr",
        "var/lib/monit",
        "var/log",
        "var/tmp",
        "var/vcap/bosh/bin",
        "var/vcap/bosh/etc",
        "var/vcap/bosh_ssh",
        "var/vcap/data",
        "var/vcap/lab/down",
        "var/vcap/lab/proxy",
        "var/vcap/monit/job",
        "var/vcap/packages/kubernetes/bin",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    symlink("../run", root.join("var/run"))?;
    symlink("data/sys", root.join("var/vcap/sys"))?;
    for folder in ["bin", "sbin", "lib", "lib64"] {
        // Today's systems have links into /usr; on others the directories themselves are mounted.
        if let Ok(target) = fs::read_link(Path::new("/").join(folder)) {
            symlink(target, root.join(folder))?;
        }
    }
    copy_links(Path::new("/etc/alternatives"), &root.join("etc/alternatives"))?;
    for file in ["etc/ld.so.cache", "etc/ld.so.conf", "etc/login.defs", "etc/default/useradd"] {
        if Path::new("/").join(file).exists() {
            fs::copy(Path::new("/").join(file), root.join(file))?;
        }
    }
    accounts(root, instance)?;
    let job = options.layout.job();
    let (control, pidfile) = (options.layout.control(), options.layout.pidfile());
    let minion = |name: &str, control: &str, pidfile: &str| {
        format!(
            "check process {name}\n  with pidfile {pidfile}\n  \
             start program \"{control} start\" with timeout {} seconds\n  \
             stop program \"{control} stop\" with timeout 60 seconds\n  group vcap\n",
            options.start_timeout
        )
    };
    let script = match options.layout {
        super::Layout::Gov => include_str!("vm/proxy_ctl"),
        super::Layout::Cfcr => include_str!("vm/kube_proxy_ctl"),
    };
    let wrapper = match options.monit {
        Monit::Stemcell => "#!/bin/sh\nexec /var/vcap/bosh/bin/monit-actual \"$@\"\n".to_owned(),
        Monit::Debian => format!("#!/bin/sh\nexec /usr/bin/monit -c {CONTROL_FILE} \"$@\"\n"),
    };
    let control_file = format!(
        "set daemon {}\nset logfile /var/vcap/monit/monit.log\nset pidfile /run/monit.pid\n\
         set idfile /var/lib/monit/id\nset statefile /var/lib/monit/state\n\
         set httpd port 2822 and\n  use address 127.0.0.1\n  allow cleartext /var/vcap/monit/monit.user\n\
         include /var/vcap/monit/job/*.monitrc\n",
        options.poll
    );
    let kubelet = include_str!("vm/kubelet_ctl");
    let files = [
        (CONTROL_FILE, 0o700, control_file),
        ("/var/vcap/monit/monit.user", 0o600, "vcap:lab\n".to_owned()),
        (WRAPPER, 0o755, wrapper),
        (control, 0o755, script.to_owned()),
        (KUBELET, 0o755, kubelet.to_owned()),
        (
            "/var/vcap/monit/job/0000_kubelet.monitrc",
            0o600,
            minion("kubelet", KUBELET, "/var/vcap/sys/run/kubelet/kubelet.pid"),
        ),
        ("/var/vcap/monit/job/0001_proxy.monitrc", 0o600, minion(job, control, pidfile)),
    ];
    for (path, mode, content) in files {
        write(root, path, mode, &content)?;
    }
    if options.monit == Monit::Debian {
        write(root, "/var/vcap/lab/daemonize", 0o644, "")?;
    }
    Ok(())
}

/// Accounts, and what lets them in: as on a stemcell, and without anything of this computer's own.
fn accounts(root: &Path, instance: &Instance) -> Result<()> {
    let vm = instance.vm();
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
         vcap:x:1000:1000::/home/vcap:/bin/bash\n{GATEWAY_USER}:x:1001:1001::/home/{GATEWAY_USER}:/bin/bash\n\
         nobody:x:65534:65534::/:/usr/sbin/nologin\n"
    );
    let group = format!(
        "root:x:0:\ntty:x:5:\nadmin:x:999:\nvcap:x:1000:\n{GATEWAY_USER}:x:1001:\nbosh_sshers:x:1002:{GATEWAY_USER}\n\
         bosh_sudoers:x:1003:\nusers:x:100:\nnogroup:x:65534:\n"
    );
    let shadow = "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\nvcap:*:19000:0:99999:7:::\n\
                  jumpbox:*:19000:0:99999:7:::\n";
    let pam = "auth required pam_permit.so\naccount required pam_permit.so\n\
               password required pam_permit.so\nsession required pam_permit.so\n";
    let sudoers = "Defaults env_reset\nDefaults secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\
                   root ALL=(ALL:ALL) ALL\n%bosh_sudoers ALL=(ALL) NOPASSWD: ALL\n";
    let files = [
        ("/etc/passwd", 0o644, passwd),
        ("/etc/group", 0o644, group),
        ("/etc/shadow", 0o640, shadow.to_owned()),
        ("/etc/gshadow", 0o640, String::new()),
        ("/etc/hosts", 0o644, format!("127.0.0.1 localhost {vm}\n")),
        ("/etc/hostname", 0o644, format!("{vm}\n")),
        (
            "/etc/nsswitch.conf",
            0o644,
            "passwd: files\ngroup: files\nshadow: files\nhosts: files\n".to_owned(),
        ),
        ("/etc/resolv.conf", 0o644, "# no name server: the lab has no way out\n".to_owned()),
        ("/etc/issue.net", 0o644, BANNER.to_owned()),
        ("/etc/sudoers", 0o440, sudoers.to_owned()),
        ("/etc/ssh/sshd_config", 0o644, include_str!("vm/sshd_config").to_owned()),
        ("/etc/pam.d/sshd", 0o644, pam.to_owned()),
        ("/etc/pam.d/sudo", 0o644, pam.to_owned()),
        ("/etc/pam.d/su", 0o644, pam.to_owned()),
        ("/etc/pam.d/other", 0o644, pam.to_owned()),
        ("/etc/profile", 0o644, String::new()),
    ];
    for (path, mode, content) in files {
        write(root, path, mode, &content)?;
    }
    fs::create_dir_all(root.join("home/vcap"))?;
    let home = root.join(format!("home/{GATEWAY_USER}"));
    fs::create_dir_all(home.join(".ssh"))?;
    if instance.group == GATEWAY {
        let lab = root.ancestors().nth(3).context("a VM without a lab")?;
        fs::copy(lab.join("gateway-key.pub"), home.join(".ssh/authorized_keys"))?;
        for path in [home.clone(), home.join(".ssh"), home.join(".ssh/authorized_keys")] {
            std::os::unix::fs::chown(path, Some(1001), Some(1001))?;
        }
    }
    Ok(())
}

/// Writes a file of a VM.
pub(super) fn write(root: &Path, path: &str, mode: u32, content: &str) -> Result<()> {
    let path = root.join(path.trim_start_matches('/'));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// awk, for one, is a link to a link there.
fn copy_links(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        if let Ok(target) = fs::read_link(entry.path()) {
            symlink(target, to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
