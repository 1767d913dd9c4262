//! Whether a proxy stands between: the flag, the kubeconfig, then the environment with its exceptions.

use super::connection::{Connection, ProxyEnv};
use super::fault::ClusterError;
use http::Uri;
use std::net::IpAddr;

/// The proxy to go through, if any.
pub(super) fn choose(
    connection: &Connection,
    kubeconfig: Option<&str>,
    server: &Uri,
) -> Result<Option<Uri>, ClusterError> {
    let set = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    if let Some(url) = set(connection.proxy_url.as_deref()) {
        return parse(&url, "--proxy-url").map(Some);
    }
    if let Some(url) = set(kubeconfig) {
        return parse(&url, "the kubeconfig").map(Some);
    }
    let ProxyEnv { https_proxy, no_proxy } = &connection.proxy_env;
    let applies = server.scheme_str() == Some("https");
    match set(https_proxy.as_deref()).filter(|_| applies) {
        Some(url) if !is_exempt(no_proxy.as_deref().unwrap_or(""), server) => {
            let url = if url.contains("://") { url } else { format!("http://{url}") };
            parse(&url, "HTTPS_PROXY").map(Some)
        }
        _ => Ok(None),
    }
}

/// Never repeats the text: it can hold a password.
fn parse(url: &str, origin: &'static str) -> Result<Uri, ClusterError> {
    let fail = |reason: &str| ClusterError::Proxy { origin, reason: reason.to_owned() };
    // Names are resolved by the proxy in both spellings.
    let url = url
        .strip_prefix("socks5h://")
        .map_or_else(|| url.to_owned(), |rest| format!("socks5://{rest}"));
    let uri: Uri = url.parse().map_err(|_| fail("it is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") if uri.host().is_some_and(|h| !h.is_empty()) => Ok(uri),
        Some("http" | "https" | "socks5") => Err(fail("it names no host")),
        Some(_) => Err(fail("its scheme is none of http, https, socks5, socks5h")),
        None => Err(fail("it has no scheme")),
    }
}

/// Whether `NO_PROXY` exempts the server: `*`, addresses, networks, names with everything below them; with a port if it names one.
fn is_exempt(no_proxy: &str, server: &Uri) -> bool {
    let host = server
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let port =
        server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(str::trim)
        .filter(|rule| !rule.is_empty())
        .any(|rule| rule_matches(&rule.to_ascii_lowercase(), &host, address, port))
}

fn rule_matches(rule: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if rule == "*" {
        return true;
    }
    if let Some((network, bits)) = rule.split_once('/') {
        let (Some(address), Ok(network), Ok(bits)) = (address, network.parse(), bits.parse())
        else {
            return false;
        };
        return in_network(address, network, bits);
    }
    let bare = rule.trim_matches(['[', ']']);
    if let Ok(wanted) = bare.parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let (name, wanted_port) = match rule.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(number) => (name, Some(number)),
            Err(_) => return false,
        },
        None => (rule, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_matches(['[', ']']);
    if let Ok(wanted) = name.parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        // `.example.com` means what is below it, not the name itself.
        Some(below) => {
            host.strip_suffix(below).is_some_and(|front| front.ends_with('.') && front.len() > 1)
        }
        None => host == name || host.strip_suffix(name).is_some_and(|front| front.ends_with('.')),
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    if bits > width {
        return false;
    }
    let shift = width - bits;
    shift == 128 || address >> shift == network >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_matched_against_the_server() {
        for (rules, server, exempt) in [
            ("", "https://api.example.com:6443", false),
            ("*", "https://api.example.com", true),
            ("api.example.com", "https://api.example.com:6443", true),
            ("example.com", "https://api.example.com:6443", true),
            (".example.com", "https://api.example.com", true),
            (".example.com", "https://example.com", false),
            ("*.example.com", "https://api.example.com", true),
            ("ample.com", "https://api.example.com", false),
            ("API.Example.COM", "https://api.example.com", true),
            ("api.example.com:6443", "https://api.example.com:6443", true),
            ("api.example.com:443", "https://api.example.com:6443", false),
            ("api.example.com:443", "https://api.example.com", true),
            ("10.0.0.0/8", "https://10.1.2.3:6443", true),
            ("10.0.0.0/8", "https://11.1.2.3:6443", false),
            ("0.0.0.0/0", "https://11.1.2.3:6443", true),
            ("10.1.2.3", "https://10.1.2.3:6443", true),
            ("10.1.2.3:6443", "https://10.1.2.3:6443", true),
            ("fd00::/8", "https://[fd00::1]:6443", true),
            ("fd00::1", "https://[fd00::1]:6443", true),
            ("[fd00::1]:6443", "https://[fd00::1]:6443", true),
            ("10.0.0.0/33", "https://10.1.2.3", false),
            ("other.org,", "https://api.example.com", false),
            (" localhost , ,10.1.2.3,", "https://10.1.2.3", true),
            ("", "https://localhost:6443", true),
            ("", "https://127.0.0.1:6443", true),
        ] {
            let uri: Uri = server.parse().expect(server);
            assert_eq!(is_exempt(rules, &uri), exempt, "`{rules}` {server}");
        }
    }

    #[test]
    fn the_flag_wins_and_has_no_exceptions() {
        let server: Uri = "https://api.example.com".parse().expect("uri");
        let mut connection = Connection {
            proxy_env: ProxyEnv {
                https_proxy: Some("http://env:1".to_owned()),
                no_proxy: Some("*".to_owned()),
            },
            ..Connection::default()
        };
        let chosen = |c: &Connection, k: Option<&str>| {
            choose(c, k, &server).expect("valid").map(|u| u.to_string())
        };
        assert_eq!(chosen(&connection, None), None);
        assert_eq!(
            chosen(&connection, Some("socks5h://conf:2")).as_deref(),
            Some("socks5://conf:2/")
        );
        connection.proxy_url = Some("https://flag:3".to_owned());
        assert_eq!(chosen(&connection, Some("http://conf:2")).as_deref(), Some("https://flag:3/"));
        connection.proxy_url = None;
        connection.proxy_env.no_proxy = None;
        connection.proxy_env.https_proxy = Some("env:1".to_owned());
        assert_eq!(chosen(&connection, None).as_deref(), Some("http://env:1/"));
    }

    #[test]
    fn a_password_in_a_proxy_is_never_repeated() {
        let server: Uri = "https://api.example.com".parse().expect("uri");
        for url in ["ftp://me:hunter2@host", "me:hunter2@host", "http://me:hunter2@"] {
            let connection =
                Connection { proxy_url: Some(url.to_owned()), ..Connection::default() };
            let error = choose(&connection, None, &server).expect_err(url);
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
