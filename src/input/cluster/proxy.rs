//! Which proxy the API server is reached through: the kubeconfig's, else the one that the environment names.
//!
//! The environment is read as Go's programs read it (`golang.org/x/net/http/httpproxy`), so that what works with kubectl
//! works here: NO_PROXY is held against the API server, never against the proxy.

use std::net::IpAddr;

/// The proxy that the environment names for a server, as a URL.
pub(super) fn from_environment(server: &http::Uri, get: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let secure = server.scheme_str() != Some("http");
    let names = if secure { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let any = |names: [&str; 2]| names.into_iter().find_map(|name| get(name).filter(|text| !text.trim().is_empty()));
    let proxy = any(names)?;
    let host = server.host()?.trim_matches(['[', ']']);
    let port = server.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let exempt = any(["NO_PROXY", "no_proxy"]).is_some_and(|list| is_exempt(&list, host, port));
    (!exempt && !is_local(host)).then(|| with_scheme(proxy.trim()))
}

/// A proxy without a scheme is an HTTP proxy; `socks5h` is what `socks5` does anyway: names are resolved by the proxy.
pub(super) fn with_scheme(proxy: &str) -> String {
    match proxy.split_once("://") {
        None => format!("http://{proxy}"),
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => proxy.to_owned(),
    }
}

/// This machine is never reached through a proxy.
fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an entry of NO_PROXY covers the server: `*`, an address, a network, a domain (`a.b`: it and what is below;
/// `.a.b` and `*.a.b`: only what is below), each but the network with a port if wanted.
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let ip: Option<IpAddr> = host.parse().ok();
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/')
            && let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>())
        {
            return ip.is_some_and(|ip| covers(network, bits, ip));
        }
        let (name, wanted) = name_and_port(&entry);
        if wanted.is_some_and(|wanted| wanted != port) {
            return false;
        }
        match (name.parse::<IpAddr>(), ip) {
            (Ok(entry), ip) => ip == Some(entry),
            (Err(_), Some(_)) => false,
            (Err(_), None) => {
                let below = name.strip_prefix("*.").or(name.strip_prefix('.'));
                let suffix = format!(".{}", below.unwrap_or(name));
                host.ends_with(&suffix) || below.is_none() && host == name
            }
        }
    })
}

/// `host:port`, `[::1]:port`, or either without a port.
fn name_and_port(entry: &str) -> (&str, Option<u16>) {
    if entry.parse::<IpAddr>().is_ok() {
        return (entry, None);
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
        _ => (entry, None),
    };
    (name.trim_matches(['[', ']']), port)
}

fn covers(network: IpAddr, bits: u32, ip: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| bits <= width && (bits == 0 || (a ^ b) >> (width - bits) == 0);
    match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_held_against_the_server() {
        for (list, host, port, want) in [
            ("*", "api.example.com", 6443, true),
            ("api.example.com", "api.example.com", 6443, true),
            ("example.com", "api.example.com", 6443, true),
            (".example.com", "api.example.com", 6443, true),
            ("*.example.com", "api.example.com", 6443, true),
            (".example.com", "example.com", 6443, false),
            ("*.example.com", "example.com", 6443, false),
            ("ample.com", "api.example.com", 6443, false),
            ("API.Example.com.", "api.example.com", 6443, false),
            ("API.Example.com", "api.example.com.", 6443, true),
            ("api.example.com:6443", "api.example.com", 6443, true),
            ("api.example.com:443", "api.example.com", 6443, false),
            ("a.b, 10.0.0.0/8 ,c.d", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.0.0.0/8", "10.example.com", 443, false),
            ("0.0.0.0/0", "11.1.2.3", 443, true),
            ("10.0.0.0/99", "10.0.0.0", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3:443", "10.1.2.3", 443, true),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("[fd00::1]:443", "fd00::1", 443, true),
            ("fd00::1", "fd00::1", 443, true),
            ("2.3", "10.1.2.3", 443, false),
            ("proxy.example:3128", "api.example.com", 6443, false),
            ("", "api.example.com", 6443, false),
            (" , ", "api.example.com", 6443, false),
        ] {
            assert_eq!(is_exempt(list, host, port), want, "{list:?} {host}:{port}");
        }
    }

    #[test]
    fn the_environment_names_the_proxy_by_the_server_s_scheme() {
        let all: &[(&str, &str)] = &[("HTTPS_PROXY", "http://p:3128"), ("http_proxy", "q:3128")];
        for (env, server, want) in [
            (all, "https://api.example.com:6443", Some("http://p:3128")),
            (all, "http://api.example.com", Some("http://q:3128")),
            (all, "https://127.0.0.1:6443", None),
            (all, "https://[::1]:6443", None),
            (all, "https://localhost:6443", None),
            (&[("https_proxy", "socks5h://p:1080")], "https://a.b", Some("socks5://p:1080")),
            (&[("HTTPS_PROXY", " ")], "https://a.b", None),
            (&[("HTTPS_PROXY", "p:1"), ("no_proxy", "a.b")], "https://a.b", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "p")], "https://a.b", Some("http://p:1")),
            (&[], "https://a.b", None),
        ] {
            let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(from_environment(&server.parse().unwrap(), &get).as_deref(), want, "{env:?} {server}");
        }
    }
}
