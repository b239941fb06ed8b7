//! Weak points, failures and unread parts of a capture as findings: one for each server and defect.

use super::edges::name;
use super::exempt::Exempt;
use super::flow::{Coverage, Failure, FileCoverage, Flow};
use super::fold::Distinct;
use super::note::Note;
use super::packet::Endpoint;
use super::tls::{Weakness, alert_name, cipher_name, version_name};
use super::words::{address, plural, protocol, socket};
use crate::finding::{self, Code, Finding};
use crate::location::Location;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};

/// The code of a weak point, what it is, and what mends it.
#[derive(Debug)]
struct Row {
    weakness: Weakness,
    code: &'static Code,
    text: &'static str,
    help: &'static str,
}

/// Every weak point. One that has no row here would go unsaid, so a test counts them.
static ROWS: &[Row] = &[
    row(
        Weakness::OldVersion,
        &finding::OLD_TLS_VERSION,
        "negotiated {version}",
        "set the minimum version of both sides to TLS 1.2",
    ),
    row(
        Weakness::WeakCipher,
        &finding::WEAK_CIPHER_SUITE,
        "negotiated the weak cipher suite {cipher}",
        "allow only AEAD suites with ECDHE on both sides",
    ),
    row(
        Weakness::NoForwardSecrecy,
        &finding::NO_FORWARD_SECRECY,
        "negotiated {cipher}, which has no forward secrecy",
        "allow only suites with ECDHE, or TLS 1.3",
    ),
    row(
        Weakness::Downgrade,
        &finding::TLS_DOWNGRADE,
        "negotiated {version}, although the server speaks a newer version and says that it was talked down",
        "find what stands between the two and alters the handshake; raise the minimum version",
    ),
    row(Weakness::Compression, &finding::TLS_COMPRESSION, "negotiated TLS compression", "switch compression off"),
    row(
        Weakness::InsecureRenegotiation,
        &finding::INSECURE_RENEGOTIATION,
        "renegotiated without the protection of RFC 5746",
        "update the older side, or switch renegotiation off",
    ),
    row(
        Weakness::EarlyData,
        &finding::EARLY_DATA,
        "sent 0-RTT data, which can be replayed",
        "switch early data off where requests change anything",
    ),
    row(
        Weakness::Heartbeat,
        &finding::TLS_HEARTBEAT,
        "sent TLS heartbeats",
        "switch the heartbeat extension off; rule CVE-2014-0160 out",
    ),
    row(
        Weakness::CertificateNotValid,
        &finding::CERTIFICATE_NOT_VALID_AT_CAPTURE,
        "showed a certificate that was not valid at that time",
        "renew the certificate, check the clocks of both sides",
    ),
    row(
        Weakness::WeakCertificate,
        &finding::WEAK_CERTIFICATE,
        "showed a certificate with a short RSA key or a SHA-1 or MD5 signature",
        "issue it anew with ECDSA P-256 or RSA of 2048 bits, and SHA-256",
    ),
    row(
        Weakness::SelfSigned,
        &finding::SELF_SIGNED_CERTIFICATE,
        "showed a certificate that signed itself",
        "use a certificate that the mesh's CA issued",
    ),
    row(
        Weakness::ChainFailed,
        &finding::CHAIN_DOES_NOT_BUILD,
        "showed a certificate that does not build to the CA given",
        "compare the issuer with --ca; a peer of another mesh needs its CA there too",
    ),
    row(
        Weakness::PossessionFailed,
        &finding::POSSESSION_NOT_PROVEN,
        "has a client whose signature does not fit its certificate",
        "treat that client as unauthenticated; look at the capture for alteration",
    ),
];

const fn row(weakness: Weakness, code: &'static Code, text: &'static str, help: &'static str) -> Row {
    Row { weakness, code, text, help }
}

/// The name of a weak point's finding.
#[must_use]
pub fn weak_name(weakness: Weakness) -> Option<&'static str> {
    ROWS.iter().find(|row| row.weakness == weakness).map(|row| row.code.name)
}

/// What the flows of a finding have in common: all that its words say, but for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    code: &'static str,
    server: Endpoint,
    /// Version, cipher suite or alert.
    detail: [Option<u16>; 2],
    /// The protocol of what leaked.
    protocol: &'static str,
}

/// What tells most places apart: codes differ in their last characters.
impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [one, two] = self.detail.map(|detail| detail.map_or(0, u64::from));
        let code = self.code.as_bytes().last_chunk().map_or(0, |last: &[u8; 2]| u64::from(u16::from_be_bytes(*last)));
        state.write_u128(u128::from_be_bytes(self.server.address));
        state.write_u64(u64::from(self.server.port) << 48 | code << 32 | one << 16 | two);
    }
}

impl Place {
    fn of(what: Defect, flow: &Flow) -> Self {
        let tls = flow.tls.as_deref();
        let detail = match what {
            Defect::Weak(_) => [tls.and_then(|tls| tls.version), tls.and_then(|tls| tls.cipher)],
            Defect::Leaked => [None; 2],
            Defect::Refused => {
                let alert = tls.and_then(|tls| tls.alert);
                let by_client = tls.is_some_and(|tls| tls.alert_by_client);
                let closed = |by: Note| u16::from(flow.evidence.iter().any(|one| one.note == by));
                let closed = 2 + closed(Note::ClosedByServer) + 2 * closed(Note::ClosedByClient);
                let who = if alert.is_some() { u16::from(by_client) } else { closed };
                [Some(who), alert.and_then(|alert| alert.code).map(u16::from)]
            }
        };
        let protocol = if matches!(what, Defect::Leaked) { protocol(flow) } else { "" };
        Self { code: what.code().code, server: flow.server, detail, protocol }
    }
}

/// Flows of one server with one defect: few bytes, the words are made of the first flow.
#[derive(Debug)]
struct Group {
    what: Defect,
    /// The first flow, by its number in the list.
    first: u32,
    clients: u32,
    flows: u64,
}

/// What a flow has.
#[derive(Clone, Copy, Debug)]
enum Defect {
    Weak(&'static Row),
    Leaked,
    Refused,
}

impl Defect {
    fn code(self) -> &'static Code {
        match self {
            Self::Weak(row) => row.code,
            Self::Leaked => &finding::REFUSED_PLAINTEXT_LEAKED,
            Self::Refused => &finding::HANDSHAKE_REFUSED,
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Weak(row) => row.help,
            Self::Leaked => {
                "give the client a sidecar or a DestinationRule with ISTIO_MUTUAL; replace what leaked, if it is secret"
            }
            Self::Refused => "meshctl explain MC0716 lists what each alert comes from",
        }
    }

    fn text(self, flow: &Flow) -> String {
        match self {
            Self::Weak(row) => weak_text(row, flow),
            Self::Leaked => {
                format!("request in clear ({}) was refused: its bytes leaked", protocol(flow))
            }
            Self::Refused => refused_text(flow),
        }
    }
}

/// The defects of flows, gathered flow by flow.
#[derive(Debug, Default)]
pub struct Defects {
    state: RandomState,
    /// In the order of their first flows.
    groups: Vec<Group>,
    /// Hashes of places, and the groups there.
    places: HashTable<(u64, u32)>,
    clients: Distinct,
}

impl Defects {
    /// Of all flows.
    #[cfg(test)]
    fn of(flows: &[Flow], policy: &super::judge::Policy) -> Self {
        let mut defects = Self::default();
        for (at, flow) in flows.iter().enumerate() {
            defects.add(flows, at, flow, policy.exemptions.of(flow));
        }
        defects
    }

    /// Those of one more flow, the `at`th of `flows`.
    pub fn add(&mut self, flows: &[Flow], at: usize, flow: &Flow, exempt: Option<Exempt>) {
        let weak = flow.tls.iter().flat_map(|tls| &tls.weaknesses);
        for row in weak.filter_map(|weakness| ROWS.iter().find(|row| row.weakness == *weakness)) {
            self.put(flows, at, flow, Defect::Weak(row));
        }
        match flow.failure {
            Some(Failure::RefusedPlaintext) if exempt.is_none() => self.put(flows, at, flow, Defect::Leaked),
            Some(Failure::HandshakeRefused) => self.put(flows, at, flow, Defect::Refused),
            _ => {}
        }
    }

    fn put(&mut self, flows: &[Flow], at: usize, flow: &Flow, what: Defect) {
        let (Ok(first), Ok(next)) = (u32::try_from(at), u32::try_from(self.groups.len())) else { return };
        let place = Place::of(what, flow);
        let hash = self.state.hash_one(place);
        let groups = &self.groups;
        let same = |(other, number): &(u64, u32)| {
            let group = groups.get(*number as usize).filter(|_| *other == hash);
            let first = group.and_then(|group| Some((group.what, flows.get(group.first as usize)?)));
            first.is_some_and(|(what, flow)| Place::of(what, flow) == place)
        };
        let number = self.places.find(hash, same).map_or(next, |(_, number)| *number);
        if number == next {
            self.groups.push(Group { what, first, clients: 0, flows: 0 });
            self.places.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        }
        let Some(group) = self.groups.get_mut(number as usize) else { return };
        group.flows += 1;
        group.clients += u32::from(self.clients.add(number as usize, flow.client.address, 0));
    }

    /// How many findings they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.groups.len()
    }

    /// As findings, sorted by file and frame, of each code no more than `most`; and how many of which code are left out.
    #[must_use]
    pub fn findings(
        &self,
        flows: &[Flow],
        coverage: &Coverage,
        most: usize,
    ) -> (Vec<Finding>, BTreeMap<&'static str, usize>) {
        let mut findings: Vec<Finding> = coverage.files.iter().filter_map(unread).collect();
        let mut of_code: BTreeMap<&'static str, usize> = BTreeMap::new();
        for group in &self.groups {
            let count = of_code.entry(group.what.code().code).or_default();
            *count += 1;
            if *count <= most {
                findings.extend(flows.get(group.first as usize).map(|first| found(group, first, coverage)));
            }
        }
        finding::sort(&mut findings);
        of_code.retain(|_, count| *count > most);
        of_code.values_mut().for_each(|count| *count -= most);
        (findings, of_code)
    }
}

fn weak_text(row: &Row, flow: &Flow) -> String {
    let tls = flow.tls.as_deref();
    let version = tls.and_then(|tls| tls.version).map(version_name).unwrap_or("an old version".into());
    let cipher = tls.and_then(|tls| tls.cipher).map(cipher_name).unwrap_or("a suite".into());
    row.text.replace("{version}", &version).replace("{cipher}", &cipher)
}

fn refused_text(flow: &Flow) -> String {
    let tls = flow.tls.as_deref();
    let Some(alert) = tls.and_then(|tls| tls.alert) else {
        let has = |note: Note| flow.evidence.iter().any(|one| one.note == note);
        let who = match (has(Note::ClosedByServer), has(Note::ClosedByClient)) {
            (true, false) => " by the server",
            (false, true) => " by the client",
            _ => "",
        };
        return format!("TLS handshake was refused{who}: closed without an alert");
    };
    let who = if tls.is_some_and(|tls| tls.alert_by_client) { "client" } else { "server" };
    let what = match alert.code {
        Some(code) => alert_name(code).map_or_else(|| format!("alert {code}"), |name| format!("alert {name}")),
        None => "an alert that is encrypted".to_owned(),
    };
    format!("TLS handshake was refused by the {who}: {what}")
}

fn found(group: &Group, first: &Flow, coverage: &Coverage) -> Finding {
    let (frame, flows) = (first.first_frame, plural(group.flows, "flow"));
    let text = group.what.text(first);
    let message = match group.clients {
        1 => format!("{}: {text} ({flows}, first in frame {frame})", name(first.client, first.server)),
        clients => format!(
            "{clients} clients -> {}: {text} ({flows}, first of {} in frame {frame})",
            socket(first.server),
            address(first.client)
        ),
    };
    Finding::new(group.what.code(), place(frame, coverage), message, group.what.help())
}

/// The place of a frame, which is numbered over all files: the file, and as the line the frame's number within it, as
/// every reader of captures counts. The column is always 1.
fn place(frame: u64, coverage: &Coverage) -> Location {
    let mut left = frame;
    for file in &coverage.files {
        if left <= file.frames {
            return at(file, left);
        }
        left -= file.frames;
    }
    coverage.files.first().map_or_else(Location::unknown, |file| at(file, frame))
}

fn at(file: &FileCoverage, frame: u64) -> Location {
    let line = u32::try_from(frame).unwrap_or(u32::MAX).max(1);
    Location { file: file.path.as_str().into(), line, column: 1 }
}

fn unread(file: &FileCoverage) -> Option<Finding> {
    let problem = match (&file.problem, file.valid) {
        (Some(problem), _) => problem.as_str(),
        (None, false) => "not a capture file",
        (None, true) => return None,
    };
    let message = if problem.starts_with("after frame") {
        format!("reading ends {problem}")
    } else if file.valid {
        format!("reading ends after {}: {problem}", plural(file.frames, "frame"))
    } else {
        format!("could not be read: {problem}")
    };
    let help = "capture again, or copy the file again; tcpdump -U writes each packet at once";
    Some(Finding::new(&finding::CAPTURE_INCOMPLETE, at(file, file.frames), message, help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{flow, mtls, plain};
    use crate::capture::flow::{Tls, Verdict};
    use crate::capture::judge::Policy;
    use crate::capture::tls::Alert;
    use crate::finding::CODES;

    fn weak(client: &str, frame: u64, weakness: Weakness) -> Flow {
        let mut flow = mtls(client, "10.0.0.2:80");
        flow.first_frame = frame;
        flow.tls.as_mut().unwrap().weaknesses.push(weakness);
        flow
    }

    fn findings(flows: &[Flow], coverage: &Coverage) -> Vec<Finding> {
        Defects::of(flows, &Policy::default()).findings(flows, coverage, usize::MAX).0
    }

    fn files() -> Coverage {
        let file =
            |path: &str, frames| FileCoverage { path: path.to_owned(), frames, valid: true, ..Default::default() };
        Coverage { files: vec![file("a.pcap", 100), file("b.pcap", 100)], ..Coverage::default() }
    }

    #[test]
    fn every_weak_point_has_a_code_of_its_own() {
        use Weakness as W;
        let all = [
            W::OldVersion,
            W::WeakCipher,
            W::NoForwardSecrecy,
            W::Downgrade,
            W::Compression,
            W::InsecureRenegotiation,
            W::EarlyData,
            W::Heartbeat,
            W::CertificateNotValid,
            W::WeakCertificate,
            W::SelfSigned,
            W::ChainFailed,
            W::PossessionFailed,
        ];
        assert_eq!(ROWS.iter().map(|row| row.weakness).collect::<Vec<_>>(), all);
        let codes: Vec<&str> = CODES.iter().map(|code| code.code).filter(|code| code.starts_with("MC07")).collect();
        assert_eq!(ROWS.iter().map(|row| row.code.code).collect::<Vec<_>>(), codes[..all.len()]);
        for weakness in all {
            let findings = findings(&[weak("10.0.0.1:1", 1, weakness)], &files());
            assert_eq!(findings.len(), 1, "{weakness:?}");
        }
    }

    #[test]
    fn flows_to_a_server_are_one_finding_at_the_first_frame() {
        let mut other = weak("10.0.0.3:8", 150, Weakness::EarlyData);
        other.server.port = 81;
        let flows = [
            weak("10.0.0.1:7", 5, Weakness::EarlyData),
            weak("10.0.0.1:8", 20, Weakness::EarlyData),
            weak("10.0.0.3:8", 120, Weakness::EarlyData),
            other,
        ];
        let findings = findings(&flows, &files());
        let shown: Vec<_> = findings.iter().map(|f| (f.at.to_string(), f.message.as_str())).collect();
        let text = "sent 0-RTT data, which can be replayed";
        assert_eq!(
            shown,
            [
                (
                    "a.pcap:5:1".to_owned(),
                    &*format!("2 clients -> 10.0.0.2:80: {text} (3 flows, first of 10.0.0.1 in frame 5)")
                ),
                ("b.pcap:50:1".to_owned(), &*format!("10.0.0.3 -> 10.0.0.2:81: {text} (1 flow, first in frame 150)")),
            ]
        );
    }

    #[test]
    fn what_a_finding_says_is_true_of_all_its_flows() {
        let mut old = [0x0302, 0x0302, 0x0301].map(|version| {
            let mut flow = weak("10.0.0.1:7", 5, Weakness::OldVersion);
            flow.tls.as_mut().unwrap().version = Some(version);
            flow
        });
        old[1].client.address[15] = 9;
        let findings = findings(&old, &files());
        let starts: Vec<_> = findings.iter().map(|f| f.message.split(" (").next().unwrap()).collect();
        assert_eq!(
            starts,
            ["10.0.0.1 -> 10.0.0.2:80: negotiated TLSv1.0", "2 clients -> 10.0.0.2:80: negotiated TLSv1.1"]
        );
    }

    #[test]
    fn failures_and_unread_files_are_findings() {
        let mut refused = plain("10.0.0.1:1", "10.0.0.2:9080", "http");
        refused.failure = Some(Failure::RefusedPlaintext);
        let mut local = refused.clone();
        local.client = Endpoint::new([127, 0, 0, 1].into(), 1);
        let mut alert = flow("10.0.0.1:1", "10.0.0.2:9080", Verdict::FailedHandshake);
        alert.failure = Some(Failure::HandshakeRefused);
        let code = Some(Alert { code: None, side: 1, frame: 9 });
        alert.tls = Some(Box::new(Tls { alert: code, ..Tls::default() }));
        let mut coverage = files();
        coverage.files[1].problem = Some("the last record is cut off".to_owned());
        let findings = findings(&[refused, local, alert], &coverage);
        let shown: Vec<_> = findings.iter().map(|f| (f.code.code, f.at.to_string())).collect();
        let place = |text: &str| text.to_owned();
        assert_eq!(
            shown,
            [("MC0715", place("a.pcap:1:1")), ("MC0716", place("a.pcap:1:1")), ("MC0714", place("b.pcap:100:1"))]
        );
        assert!(findings[1].message.contains("refused by the server: an alert that is encrypted"));
    }

    #[test]
    fn findings_of_one_code_are_counted_where_they_are_left_out() {
        let flows: Vec<Flow> = (0..300)
            .map(|port| {
                let mut flow = weak("10.0.0.1:1", 3, Weakness::Heartbeat);
                flow.server.port = port;
                flow
            })
            .collect();
        let defects = Defects::of(&flows, &Policy::default());
        let (some, left) = defects.findings(&flows, &files(), 20);
        assert_eq!((some.len(), left), (20, [("MC0708", 280)].into()));
        let (all, left) = defects.findings(&flows, &files(), usize::MAX);
        assert_eq!((all.len(), left.len()), (300, 0));
    }
}
