//! The protocol of a port, as far as it decides filter chains.

/// Family of a port's protocol (`pilot/pkg/networking/networking.go : ModelProtocolToListenerProtocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP, HTTP/2, gRPC, gRPC-Web: the proxy reads it.
    Http,
    /// TLS that the application itself speaks: `https`, `tls`.
    Tls,
    /// Any other named layer-4 protocol.
    Tcp,
    /// No known name: the proxy sniffs.
    Auto,
}

/// Ports that are TCP when nothing names their protocol (SMTP, DNS, MySQL, MongoDB):
/// server-first protocols, where sniffing would hang.
const WELL_KNOWN_TCP: [u32; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// The protocol of a Service port from its `appProtocol`, else its name, else its number
    /// (`pkg/config/kube/conversion.go : ConvertProtocol`).
    #[must_use]
    pub fn of_port(name: &str, app_protocol: Option<&str>, number: u32) -> Self {
        match app_protocol {
            Some("kubernetes.io/h2c" | "kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Tls,
            _ => {}
        }
        let name = app_protocol.unwrap_or(name).to_ascii_lowercase();
        if name.starts_with("grpc-web") {
            return Self::Http;
        }
        match Self::parse(name.split('-').next().unwrap_or("")) {
            Self::Auto if WELL_KNOWN_TCP.contains(&number) => Self::Tcp,
            protocol => protocol,
        }
    }

    /// A protocol by its name (`pkg/config/protocol/instance.go : Parse`), any case.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "http" | "http2" | "grpc" | "grpc-web" | "http_proxy" => Self::Http,
            "https" | "tls" => Self::Tls,
            "tcp" | "mongo" | "redis" | "mysql" => Self::Tcp,
            _ => Self::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_prefix_decides_unless_app_protocol_does() {
        for (name, app, number, want) in [
            ("http", None, 80, Protocol::Http),
            ("http-web", None, 80, Protocol::Http),
            ("HTTP2", None, 80, Protocol::Http),
            ("grpc-web-x", None, 80, Protocol::Http),
            ("https", None, 443, Protocol::Tls),
            ("tcp-db", None, 9000, Protocol::Tcp),
            ("p9000", None, 9000, Protocol::Auto),
            ("", None, 3306, Protocol::Tcp),
            ("web", None, 27017, Protocol::Tcp),
            ("http", Some("tcp"), 80, Protocol::Tcp),
            ("tcp", Some("kubernetes.io/h2c"), 80, Protocol::Http),
            ("http", Some("example.com/own"), 80, Protocol::Auto),
        ] {
            assert_eq!(Protocol::of_port(name, app, number), want, "{name} {app:?} {number}");
        }
    }
}
