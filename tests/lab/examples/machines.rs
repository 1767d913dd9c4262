//! Brings machines up, waits for enter, takes them down.
use lab::machines::{Machines, Options};
fn main() -> anyhow::Result<()> {
    let lab = Machines::start(&Options {
        name: "dev".into(),
        detached: true,
        ..Options::default()
    })?;
    println!("{}", lab.kubeconfig().display());
    Ok(())
}
