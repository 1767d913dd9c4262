//! The verbs for token secrets, the key that signs them and the CA beside them.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand, ValueEnum};

use super::Named;
use crate::loopback::{Inside, Loopback, OldTokens, Reads, Roots};
use crate::machines::Machines;
use crate::talk::say;

#[derive(Debug, Args)]
pub(super) struct Tokens {
    #[command(flatten)]
    named: Named,
    /// Put secrets of each awkward kind into this namespace, and pods that name them.
    #[arg(long, value_name = "NAMESPACE")]
    awkward: Option<String>,
    /// Make so many namespaces, team-000 and so on, each with a token.
    #[arg(long, value_name = "N", default_value_t = 0)]
    namespaces: u32,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Another key signs tokens; API servers and controller manager are restarted with it.
    SigningKey(Key),
    /// Another root CA is published; API servers present certificates of it.
    RootCa(RootCa),
}

#[derive(Debug, Args)]
struct Key {
    #[command(flatten)]
    named: Named,
    /// Tokens of the key before go on working: it stays the second one of the API servers.
    #[arg(long)]
    keep_old: bool,
    /// Only this API server, counted from 1, accepts the new key: tokens then work on some servers only.
    #[arg(long, value_name = "N", conflicts_with = "keep_old", value_parser = clap::value_parser!(u32).range(1..))]
    only_server: Option<u32>,
}

#[derive(Debug, Args)]
struct RootCa {
    #[command(flatten)]
    named: Named,
    /// Which CAs pods find in kube-root-ca.crt and in token secrets.
    #[arg(long, value_name = "old|both|new", default_value = "new")]
    publish: Publish,
    /// Leave the API servers' certificates as they are.
    #[arg(long)]
    publish_only: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Publish {
    Old,
    Both,
    New,
}

impl Tokens {
    pub(super) fn run(&self) -> Result<()> {
        let lab = Loopback::open(&self.named.name)?;
        if let Some(namespace) = &self.awkward {
            lab.awkward_secrets(namespace)?;
            say(&format!("awkward secrets are in {namespace}"));
        }
        if self.namespaces > 0 {
            lab.many_token_namespaces(self.namespaces)?;
            say(&format!("{} namespaces have a token each", self.namespaces));
        }
        if self.awkward.is_none() && self.namespaces == 0 {
            lab.use_token_secrets()?;
            say("the pods of the runbooks' world mount token secrets");
        }
        Ok(())
    }
}

impl Rotate {
    pub(super) fn run(&self) -> Result<()> {
        match &self.what {
            What::SigningKey(key) => key.run(),
            What::RootCa(ca) => ca.run(),
        }
    }
}

impl Key {
    fn run(&self) -> Result<()> {
        let old = if self.keep_old { OldTokens::Accepted } else { OldTokens::Refused };
        if let Ok(machines) = Machines::open(&self.named.name) {
            ensure!(self.only_server.is_none(), "on machines, all API servers get the new key");
            machines.rotate_signing_key(old)?;
            say(&format!("tokens are signed with another key, those before are {}", old.told()));
            return Ok(());
        }
        let lab = Loopback::open(&self.named.name)?;
        let mut number = 1;
        while lab.dir().join(format!("keys-key-{number}")).exists() {
            number += 1;
        }
        let name = format!("key-{number}");
        let Some(server) = self.only_server else {
            lab.rotate_signing_key(&name, old)?;
            say(&format!("tokens are signed with {name}, those before are {}", old.told()));
            return Ok(());
        };
        let servers = lab.settings().api_servers;
        ensure!(server <= servers, "there is no API server {server}: this lab has {servers}");
        let key = lab.new_signing_key(&name)?;
        lab.accept_keys(server - 1, &[&key])?;
        lab.sign_with(&key)?;
        say(&format!("tokens are signed with {name}, which API server {server} alone accepts"));
        Ok(())
    }
}

impl RootCa {
    fn run(&self) -> Result<()> {
        let lab = Loopback::open(&self.named.name)?;
        let ca = lab.second_ca("second")?;
        let roots = match self.publish {
            Publish::Old => Roots::Old,
            Publish::Both => Roots::Both,
            Publish::New => Roots::New,
        };
        if self.publish_only {
            lab.publish(&ca, roots)?;
        } else {
            lab.rotate_ca(&ca, roots)?;
        }
        say(&format!("published: {}", ca.file(roots).display()));
        Ok(())
    }
}

/// What an API server says to each pod's program: a table.
pub(super) fn inside(named: &Named) -> Result<String> {
    let lab = Loopback::open(&named.name)?;
    let inside = Inside::resume(&lab)?;
    let mut rows =
        vec![["NAMESPACE", "POD", "CREDENTIAL", "READ ONCE", "READ AGAIN"].map(str::to_owned)];
    let (once, again) = (inside.ask(0, Reads::Once)?, inside.ask(0, Reads::Again)?);
    for ((client, first), (_, then)) in once.into_iter().zip(again) {
        let credential = client.credential.to_string();
        rows.push([client.namespace, client.pod, credential, first.to_string(), then.to_string()]);
    }
    let widths: [usize; 5] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].len()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    Ok(text)
}
