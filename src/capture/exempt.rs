//! Which plaintext is so by design, or because the user says so.

use super::flow::{Failure, Flow, Leg, Verdict};
use super::note::Note;
use super::packet::{Endpoint, Medium};
use super::signature::SIGNATURES;
use std::net::IpAddr;

/// Why a plaintext flow does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exempt {
    /// On the loopback interface, or with a loopback address: it never leaves the host or pod.
    Loopback,
    /// From an application to its own sidecar.
    AppToSidecar,
    /// A health check of the proxy.
    Probe,
    /// A scrape of metrics.
    Metrics,
    /// Name resolution.
    Dns,
    /// The user's rule of that number.
    User(u16),
}

/// Ports of Istio's proxies and of istiod that answer plain HTTP whatever the policies say, and what for: excluded from
/// interception (Istio, `tools/istio-iptables/pkg/cmd/root.go` and the sidecar injector's `excludeInboundPorts`), 15014
/// being istiod's own. 15020 serves health checks and merged metrics, and is called `probe`.
const PORTS: &[(u16, Exempt)] =
    &[(15014, Exempt::Metrics), (15020, Exempt::Probe), (15021, Exempt::Probe), (15090, Exempt::Metrics)];

/// Tokens that `protocol=` takes, sorted: those of protocols in clear.
fn protocols() -> Vec<&'static str> {
    let clear = SIGNATURES.iter().filter(|row| !row.encrypted);
    let mut tokens: Vec<&str> = clear.map(|row| row.token).collect();
    tokens.sort_unstable();
    tokens
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    address: u128,
    /// Leading bits that count, of 128.
    bits: u32,
}

impl Net {
    /// `10.0.0.0/8`, `fd00::/8`, or one address.
    fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let ip: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        let most: u32 = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| format!("/{bits} is no prefix length: 0 to {most}"))?,
        };
        Ok(Self { address: u128::from_be_bytes(Endpoint::new(ip, 0).address), bits: bits + 128 - most })
    }

    fn holds(self, endpoint: Endpoint) -> bool {
        let differ = self.address ^ u128::from_be_bytes(endpoint.address);
        differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
    }
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// The server's port.
    Port(u16),
    /// Both ends lie in it.
    Net(Net),
    Client(Net),
    Server(Net),
    Protocol(&'static str),
}

impl Term {
    fn parse(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
            .ok_or_else(|| format!("{text:?} is no condition: write KEY=VALUE, such as port=9100"))?;
        let of = |why: String| format!("{key}: {why}");
        match key {
            "port" => value
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .map(Self::Port)
                .ok_or_else(|| format!("port: {value:?} is no port: 1 to 65535")),
            "net" => Net::parse(value).map(Self::Net).map_err(of),
            "client" => Net::parse(value).map(Self::Client).map_err(of),
            "server" => Net::parse(value).map(Self::Server).map_err(of),
            "protocol" => protocols()
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(value))
                .map(Self::Protocol)
                .ok_or_else(|| format!("protocol: {value:?} is no plaintext protocol: {}", protocols().join(", "))),
            _ => Err(format!("{key:?} is no condition: port, net, client, server, protocol")),
        }
    }

    fn fits(&self, flow: &Flow) -> bool {
        match self {
            Self::Port(port) => flow.server.port == *port,
            Self::Net(net) => net.holds(flow.client) && net.holds(flow.server),
            Self::Client(net) => net.holds(flow.client),
            Self::Server(net) => net.holds(flow.server),
            Self::Protocol(protocol) => flow.protocol == Some(protocol),
        }
    }
}

/// A rule of the user's: conditions that must all fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: String,
    terms: Vec<Term>,
}

impl Rule {
    /// `port=9100`, `client=10.0.0.0/8,protocol=http`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(|term| Term::parse(term.trim())).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), terms })
    }
}

/// The exemptions of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exemptions {
    /// Those of [`Exempt`] but the user's own count.
    pub built_in: bool,
    /// Loopback and the legs between application and sidecar are judged like any flow.
    pub judge_loopback: bool,
    /// The user's.
    pub rules: Vec<Rule>,
}

impl Exemptions {
    /// Why a flow is exempt. Only plaintext ever is: what was not recognised, or failed, is never made good by a rule.
    #[must_use]
    pub fn of(&self, flow: &Flow) -> Option<Exempt> {
        if flow.verdict != Verdict::Plaintext {
            return None;
        }
        let by_user = || {
            let at = self.rules.iter().position(|rule| rule.terms.iter().all(|term| term.fits(flow)))?;
            u16::try_from(at).ok().map(Exempt::User)
        };
        self.local(flow).or_else(|| self.by_design(flow)).or_else(by_user)
    }

    fn local(&self, flow: &Flow) -> Option<Exempt> {
        if !self.built_in || self.judge_loopback {
            return None;
        }
        match flow.leg {
            Some(Leg::AppToSidecar) => return Some(Exempt::AppToSidecar),
            Some(Leg::SidecarToApp) => return Some(Exempt::Loopback),
            None => {}
        }
        let local = flow.medium == Medium::Lo || is_loopback(flow.client) || is_loopback(flow.server);
        local.then_some(Exempt::Loopback)
    }

    /// A port says what a flow is for only together with its protocol; a request that was refused is none of these.
    fn by_design(&self, flow: &Flow) -> Option<Exempt> {
        if !self.built_in || flow.failure == Some(Failure::RefusedPlaintext) {
            return None;
        }
        match flow.protocol {
            // Other datagrams between the two ports are not DNS's by design.
            Some("dns") if flow.evidence.iter().all(|one| one.note != Note::Others) => Some(Exempt::Dns),
            Some("http") => PORTS.iter().find(|(port, _)| *port == flow.server.port).map(|(_, exempt)| *exempt),
            _ => None,
        }
    }

    /// The word in every output: the user's rule as typed.
    #[must_use]
    pub fn word(&self, exempt: Exempt) -> &str {
        match exempt {
            Exempt::Loopback => "loopback",
            Exempt::AppToSidecar => "app-to-sidecar",
            Exempt::Probe => "probe",
            Exempt::Metrics => "metrics",
            Exempt::Dns => "dns",
            Exempt::User(at) => self.rules.get(usize::from(at)).map_or("", |rule| &rule.text),
        }
    }
}

/// 127.0.0.0/8 (with 127.0.0.6, which Istio's proxies call their application from), ::1, and ::6, its counterpart.
fn is_loopback(endpoint: Endpoint) -> bool {
    match endpoint.ip() {
        IpAddr::V4(four) => four.is_loopback(),
        IpAddr::V6(six) => six.is_loopback() || six.segments() == [0, 0, 0, 0, 0, 0, 0, 6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{flow, mtls, plain};

    fn built_in() -> Exemptions {
        Exemptions { built_in: true, ..Exemptions::default() }
    }

    #[test]
    fn what_is_plaintext_by_design_is_exempt_with_its_word() {
        let all = built_in();
        let word = |flow: &Flow| all.of(flow).map(|exempt| all.word(exempt));
        for (client, server, protocol, want) in [
            ("10.0.0.9:4000", "10.0.0.2:15021", "http", Some("probe")),
            ("10.0.0.9:4000", "10.0.0.2:15020", "http", Some("probe")),
            ("10.0.0.9:4000", "10.0.0.2:15090", "http", Some("metrics")),
            ("10.0.0.9:4000", "10.0.0.2:15014", "http", Some("metrics")),
            // A port alone is none.
            ("10.0.0.9:4000", "10.0.0.2:15090", "redis", None),
            ("10.0.0.9:4000", "10.0.0.2:15010", "http2", None),
            ("10.0.0.9:15090", "10.0.0.2:80", "http", None),
            ("10.0.0.9:4000", "10.96.0.10:53", "dns", Some("dns")),
            ("10.0.0.9:4000", "10.96.0.10:5353", "dns", Some("dns")),
            ("10.0.0.9:4000", "10.96.0.10:53", "http", None),
            ("127.0.0.6:4000", "10.0.0.2:9080", "http", Some("loopback")),
            ("[::6]:4000", "[fd00::2]:9080", "http", Some("loopback")),
            ("[::1]:4000", "[::1]:9080", "redis", Some("loopback")),
            ("[::7]:4000", "[fd00::2]:9080", "http", None),
        ] {
            assert_eq!(word(&plain(client, server, protocol)), want, "{client} {server} {protocol}");
        }
        let mut lo = plain("10.0.0.1:1", "10.0.0.1:80", "mysql");
        lo.medium = Medium::Lo;
        assert_eq!(word(&lo), Some("loopback"));
        lo.leg = Some(Leg::AppToSidecar);
        assert_eq!(word(&lo), Some("app-to-sidecar"));
        lo.leg = Some(Leg::SidecarToApp);
        assert_eq!(word(&lo), Some("loopback"));
    }

    #[test]
    fn only_plaintext_is_exempt() {
        let all = Exemptions { rules: vec![Rule::parse("net=0.0.0.0/0").unwrap()], ..built_in() };
        for verdict in Verdict::ALL {
            let mut flow = flow("127.0.0.1:1", "127.0.0.1:53", verdict);
            flow.protocol = Some("dns");
            assert_eq!(all.of(&flow).is_some(), verdict == Verdict::Plaintext, "{verdict:?}");
        }
        assert_eq!(all.of(&mtls("127.0.0.1:1", "127.0.0.1:2")), None);
    }

    #[test]
    fn a_refused_request_is_exempt_on_loopback_only() {
        let mut flow = plain("10.0.0.1:1", "10.0.0.2:15021", "http");
        flow.failure = Some(Failure::RefusedPlaintext);
        assert_eq!(built_in().of(&flow), None);
        flow.medium = Medium::Lo;
        assert_eq!(built_in().of(&flow), Some(Exempt::Loopback));
    }

    #[test]
    fn flags_take_exemptions_back() {
        let mut lo = plain("127.0.0.1:1", "127.0.0.1:80", "http");
        lo.leg = Some(Leg::AppToSidecar);
        let dns = plain("127.0.0.1:1", "127.0.0.53:53", "dns");
        let judged = Exemptions { judge_loopback: true, ..built_in() };
        assert_eq!((judged.of(&lo), judged.of(&dns)), (None, Some(Exempt::Dns)));
        let none = Exemptions { rules: vec![Rule::parse("port=80").unwrap()], ..Exemptions::default() };
        assert_eq!((none.of(&lo), none.of(&dns)), (Some(Exempt::User(0)), None));
        assert_eq!(none.word(Exempt::User(0)), "port=80");
    }

    #[test]
    fn every_condition_of_a_rule_must_fit() {
        let flow = plain("10.1.2.3:4000", "10.2.0.1:9100", "http");
        let six = plain("[fd00::1]:4000", "[fd00::2]:9100", "http");
        for (rule, four, other) in [
            ("port=9100", true, true),
            ("port=4000", false, false),
            ("net=10.0.0.0/8", true, false),
            ("net=10.1.0.0/16", false, false),
            ("client=10.1.0.0/16", true, false),
            ("client=10.1.255.255/16", true, false),
            ("server=10.2.0.1", true, false),
            ("server=10.2.0.2", false, false),
            ("net=fd00::/8", false, true),
            ("net=0.0.0.0/0", true, false),
            ("net=::/0", true, true),
            ("protocol=HTTP", true, true),
            ("protocol=dns", false, false),
            ("port=9100, protocol=http,client=10.1.2.3", true, false),
            ("port=9100,protocol=dns", false, false),
        ] {
            let all = Exemptions { rules: vec![Rule::parse(rule).unwrap()], ..Exemptions::default() };
            assert_eq!((all.of(&flow).is_some(), all.of(&six).is_some()), (four, other), "{rule}");
        }
    }

    #[test]
    fn a_wrong_rule_says_what_is_wrong() {
        for (rule, why) in [
            ("", "is no condition: write KEY=VALUE"),
            ("9100", "is no condition: write KEY=VALUE"),
            ("port=9100,", "is no condition: write KEY=VALUE"),
            ("port=http", "is no port"),
            ("port=0", "is no port"),
            ("port=70000", "is no port"),
            ("net=10.0.0.0/33", "is no prefix length: 0 to 32"),
            ("net=fd00::/129", "0 to 128"),
            ("client=web", "client: \"web\" is no IP address"),
            ("protocol=tls", "is no plaintext protocol"),
            ("host=a", "\"host\" is no condition: port, net, client, server, protocol"),
        ] {
            let error = Rule::parse(rule).unwrap_err();
            assert!(error.contains(why), "{rule}: {error}");
        }
    }
}
