//! What the script answers, read.

use super::order::State;
use crate::tell::clean;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// It was carried out.
    Made,
    /// It was so already.
    Same,
    /// It makes no sense there: no process runs in a tree of files.
    Skipped,
    /// What stands there.
    Looked(Looked),
    /// Who came; `None` where no API server writes an audit log that names certificates.
    Clients(Option<Came>),
}

/// What audit logs of a machine's API servers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// Since when they were read: only the end of each is.
    pub read_from: String,
    /// Who came.
    pub clients: Vec<Client>,
}

/// Somebody who came to an API server with a client certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// SHA-256 of the certificate, in hexadecimal digits.
    pub certificate: String,
    /// As whom.
    pub user: String,
    /// From which address, as the server saw it.
    pub from: String,
    /// When first, in UTC as the audit log writes it: an order of letters is one of time.
    pub first: String,
    /// When last.
    pub last: String,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What.
    pub state: State,
    /// Permission bits, octal; empty where nothing stands.
    pub mode: String,
    /// `USER:GROUP` in numbers; empty where nothing stands.
    pub owner: String,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) did: Vec<Did>,
    /// Which order failed, and why.
    pub(super) failed: Option<(usize, String)>,
}

/// Reads an answer to so many orders; the error says what is wrong with it.
pub(super) fn read(text: &str, mark: &str, orders: usize) -> Result<Answer, &'static str> {
    let (begin, end) = (format!("B {mark}"), format!("E {mark}"));
    // A shell's start-up files may say something first.
    let mut lines = text.lines().skip_while(|line| line.trim_end() != begin);
    lines.next().ok_or("its shell did not run what it was told")?;
    let mut answer = Answer { did: Vec::new(), failed: None };
    for line in lines {
        if line == end {
            let whole = answer.failed.is_some() || answer.did.len() == orders;
            return if whole { Ok(answer) } else { Err("its answer is cut off") };
        }
        let damaged = "its answer is damaged";
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["C", _] => {}
            ["O", _, "made"] => answer.did.push(Did::Made),
            ["O", _, "same"] => answer.did.push(Did::Same),
            ["O", _, "skipped"] => answer.did.push(Did::Skipped),
            ["O", _, "clients", "none"] => answer.did.push(Did::Clients(None)),
            ["O", _, "clients", rows] => {
                let rows = STANDARD.decode(rows).map_err(|_| damaged)?;
                let rows = String::from_utf8_lossy(&rows).into_owned();
                answer.did.push(Did::Clients(Some(came(&rows))));
            }
            ["O", _, state, mode, owner] => {
                let word = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
                let state = State::read(state).ok_or(damaged)?;
                answer.did.push(Did::Looked(Looked {
                    state,
                    mode: word(mode),
                    owner: word(owner),
                }));
            }
            ["X", order, why] => {
                let order: usize = order.parse().map_err(|_| damaged)?;
                let why = STANDARD.decode(why).map_err(|_| damaged)?;
                let why = clean::line(String::from_utf8_lossy(&why).trim()).into_owned();
                answer.failed = Some((order.saturating_sub(1), why));
            }
            _ => return Err(damaged),
        }
    }
    Err("its answer is cut off")
}

fn came(rows: &str) -> Came {
    let begins = rows.lines().filter_map(|row| row.strip_prefix("=\t"));
    Came {
        read_from: begins.max().map(|text| clean::line(text).into_owned()).unwrap_or_default(),
        clients: rows.lines().filter_map(client).collect(),
    }
}

/// A row of a client. What others wrote into a log is no text of ours.
fn client(row: &str) -> Option<Client> {
    let mut words = row.split('\t').map(|word| clean::line(word).into_owned());
    let mut next = || words.next();
    let (certificate, user, from) = (next()?, next()?, next()?);
    let client = Client { certificate, user, from, first: next()?, last: next()? };
    Some(client).filter(|client| client.certificate.len() == 64)
}
