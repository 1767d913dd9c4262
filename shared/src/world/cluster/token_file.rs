//! A token in a file that somebody else renews.
#![expect(
    clippy::disallowed_methods,
    reason = "the token file of a kubeconfig is part of the connection, and its age is measured here"
)]

use super::connection::Connection;
use super::fault::ClusterError;
use super::trust;
use crate::facts::jwt::Claims;
use http::HeaderValue;
use kube::config::AuthInfo;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a token is used before its file is read again.
const FRESH: Duration = Duration::from_secs(30);

/// The file and what it held last.
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<(Instant, HeaderValue)>,
}

impl TokenFile {
    /// Takes the token file out of the user's settings, if it is what counts there: a token in the kubeconfig or on the
    /// command line wins.
    pub(super) fn take(
        connection: &Connection,
        user: &mut AuthInfo,
    ) -> Result<Option<Self>, ClusterError> {
        let Some(path) = user.token_file.take().filter(|p| !p.is_empty()) else {
            return Ok(None);
        };
        let basic = user.username.is_some() && user.password.is_some();
        if connection.token.is_some() || user.token.is_some() || basic {
            return Ok(None);
        }
        let path = PathBuf::from(path);
        let header = read(&path).map_err(|reason| ClusterError::Material {
            what: format!("token file {}", path.display()),
            reason,
        })?;
        Ok(Some(Self { path, last: Mutex::new((Instant::now(), header)) }))
    }

    /// The header, from the file if it was not read for a while. A file that went away leaves the last token in use.
    pub(super) fn header(&self) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.0.elapsed() > FRESH {
            let token = read(&self.path).unwrap_or_else(|_| last.1.clone());
            *last = (Instant::now(), token);
        }
        last.1.clone()
    }

    /// What the token says of itself.
    pub(super) fn claims(&self) -> Option<Claims> {
        let header = self.header();
        Claims::read(header.to_str().ok()?.strip_prefix("Bearer ")?)
    }

    /// Reads the file now; `Some` if it holds another token than before.
    pub(super) fn reread(&self) -> Option<()> {
        let new = read(&self.path).ok()?;
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = last.1 != new;
        *last = (Instant::now(), new);
        changed.then_some(())
    }
}

fn read(path: &std::path::Path) -> Result<HeaderValue, String> {
    let bytes = trust::read(path).map_err(|e| trust::io_reason(&e))?;
    let token = bytes.trim_ascii();
    if token.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat())
        .map_err(|_| "it holds characters that no token has".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
