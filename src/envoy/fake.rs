//! Proxies for tests, and the dumps beside the package.

use super::judged::{
    Authz, ChainCheck, ClientCertificate, HeldCertificate, Judged, Link, ModeSource, Port, Row, Side, Upstream,
    UpstreamEndpoint, Validity, Wire,
};
use super::model::{
    Action, CertificateRef, Chain, Cluster, Layer, Listener, Match, Mode, NodeInfo, Proxy, ProxyKind, Section, Socket,
    Tls, Unread, Validation,
};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The files with that ending in a folder of dumps beside the package, sorted; a clean clone has none, which is said on the
/// terminal.
pub fn shared(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(folder);
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    if files.is_empty() {
        // Past libtest, which swallows what a test that passes prints.
        let line = format!("skipped: there is no {}\n", folder.display());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    files
}

/// TLS that demands a client certificate and verifies it.
pub fn tls() -> Tls {
    Tls {
        certificates: vec![CertificateRef::Secret("default".into())],
        validation: Some(Validation { secret: Some("ROOTCA".into()), ..Validation::default() }),
        require_client_certificate: true,
        ..Tls::default()
    }
}

/// A step of authorization.
pub fn step(action: Action, policies: &[&str]) -> Authz {
    Authz {
        layer: Layer::Http,
        action,
        enforced: true,
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        denies_all: policies.is_empty(),
        bad_provider: false,
        fails_open: false,
        needs_identity: false,
        rules: Vec::new(),
        route: None,
        off: false,
    }
}

/// A sidecar with one STRICT port and one outbound listener.
pub fn strict() -> Judged {
    let matches = Match { port: Some(9080), transport: Some("tls".into()), ..Match::default() };
    let chain =
        Chain { name: "0.0.0.0_9080".into(), matches, socket: Socket::Tls(Box::new(tls())), ..Chain::default() };
    let inbound = Listener {
        name: "virtualInbound".into(),
        path: "configs[1]".into(),
        chains: vec![chain],
        ..Listener::default()
    };
    let outbound = Listener { name: "0.0.0.0_80".into(), chains: vec![Chain::default()], ..Listener::default() };
    let node = NodeInfo {
        id: "sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local".into(),
        kind: ProxyKind::Sidecar,
        ip: "10.0.0.1".into(),
        pod: "web-1".into(),
        namespace: "shop".into(),
        service_account: Some("web".into()),
        ..NodeInfo::default()
    };
    let proxy = Proxy {
        path: "a.json".into(),
        node: Some(node),
        sections: vec![Section::Bootstrap, Section::Listeners],
        listeners: vec![inbound, outbound],
        ..Proxy::default()
    };
    let row = Row {
        side: Side::Inbound,
        port: Some(9080),
        mtls: Some(true),
        client_certificate: ClientCertificate::Required,
        accepts_plaintext: Some(false),
        mode: Some(Mode::Strict),
        mode_source: Some(ModeSource::Inferred),
        certificates: vec!["default".into()],
        trusted_ca: Some("ROOTCA".into()),
        authz: vec![step(Action::Deny, &["shop/no-outsiders"]), step(Action::Allow, &[])],
        ..Row::default()
    };
    let out = Row { listener: 1, mtls: Some(false), accepts_plaintext: Some(true), ..Row::default() };
    let port = Port {
        port: Some(9080),
        side: Side::Inbound,
        protocol: "http",
        mode: Some(Mode::Strict),
        mode_source: Some(ModeSource::Inferred),
        plaintext: Some(false),
        rows: vec![0],
        text: "9080 http STRICT: plaintext is reset".into(),
        ..Port::default()
    };
    let mut judged = Judged { proxy, rows: vec![row, out], ports: vec![port], ..Judged::default() };
    judged.set_certificates(vec![held()]);
    judged
}

/// A workload certificate with 23 hours left at 1,000,000.
pub fn held() -> HeldCertificate {
    HeldCertificate {
        name: "default".into(),
        spiffe_id: Some("spiffe://cluster.local/ns/shop/sa/web".into()),
        not_before: Some(900_000),
        not_after: Some(1_000_000 + 23 * 3600),
        state: Validity::Valid,
        chain: ChainCheck::Verified,
        ..HeldCertificate::default()
    }
}

/// A proxy with a text in every place that holds text from outside.
pub fn evil(text: &str) -> Judged {
    let evil = || text.to_owned();
    let mut judged = strict();
    let node = judged.proxy.node.get_or_insert_default();
    (node.id, node.ip, node.pod, node.istio_version) = (evil(), evil(), evil(), Some(evil()));
    judged.proxy.path = text.into();
    for listener in &mut judged.proxy.listeners {
        listener.name = evil();
        for chain in &mut listener.chains {
            chain.name = evil();
            chain.matches = Match {
                ranges: vec![evil()],
                sni: vec![evil()],
                transport: Some(evil()),
                alpn: vec![evil()],
                source: vec![evil()],
                ..Match::default()
            };
        }
    }
    for row in &mut judged.rows {
        row.certificates = vec![evil()];
        row.trusted_ca = Some(evil());
        row.jwt = vec![evil()];
        row.doubts = vec![evil()];
        for step in &mut row.authz {
            (step.policies, step.rules, step.route) = (vec![evil()], vec![evil()], Some(evil()));
        }
    }
    for port in &mut judged.ports {
        (port.text, port.accepted_by, port.ranges) = (evil(), vec![evil()], vec![evil()]);
    }
    judged.proxy.clusters =
        vec![Cluster { name: evil(), destination_rule: Some(evil()), path: evil(), ..Cluster::default() }];
    judged.upstreams = vec![Upstream {
        host: Some(evil()),
        subset: Some(evil()),
        how: evil(),
        sni: Some(evil()),
        alpn: vec![evil()],
        expected_sans: vec![evil()],
        endpoints: vec![UpstreamEndpoint { address: evil(), port: 1, wire: Some(Wire::Mtls) }],
        ..Upstream::default()
    }];
    let link = Link { subject: evil(), issuer: evil(), serial: evil(), ..Link::default() };
    judged.set_certificates(vec![HeldCertificate {
        name: evil(),
        subject: Some(evil()),
        issuer: Some(evil()),
        spiffe_id: Some(evil()),
        serial: Some(evil()),
        key: Some(evil()),
        chain: ChainCheck::Failed(evil()),
        intermediates: vec![link],
        state: Validity::Expired,
        ..HeldCertificate::default()
    }]);
    judged.proxy.unread = vec![Unread { path: evil(), kind: evil(), why: evil() }];
    judged.findings = super::findings::find(&judged, &super::Query::default());
    judged
}
