use super::super::dump::{self, Wanted};
use super::super::fake::shared;
use super::super::model::Validation;
use super::*;

#[test]
fn dumps_agree_with_what_was_asked_for() {
    let files = shared("fixtures/configdump", ".truth.json");
    let mut facts = 0;
    for path in &files {
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = truth["file"].as_str().unwrap();
        let bytes = std::fs::read(path.with_file_name(name)).unwrap();
        let proxy = dump::from_slice(name, &bytes, Wanted { endpoints: true });
        let judged = judge(&proxy);
        for want in truth["outbound"].as_array().unwrap() {
            let text = |key: &str| want[key].as_str().unwrap_or_default();
            let effective = text("effective");
            let wire = match effective {
                _ if effective.starts_with("mTLS (HBONE") => "hbone",
                _ if effective.starts_with("mTLS") => "mtls",
                _ if effective.starts_with("one-way TLS") => "tls",
                _ => "plaintext",
            };
            let upstream = judged.iter().find(|one| proxy.clusters[one.cluster].name == text("cluster")).unwrap();
            let endpoint =
                upstream.endpoints.iter().find(|one| format!("{}:{}", one.address, one.port) == text("endpoint"));
            assert_eq!(endpoint.unwrap().wire.map(Wire::word), Some(wire), "{name} {}", text("cluster"));
            assert_eq!(upstream.host.as_deref(), want["service"].as_str(), "{name}");
            assert_eq!(upstream.port.map(u64::from), want["port"].as_u64(), "{name}");
            if wire != "plaintext" {
                assert_eq!(upstream.sni.as_deref(), want["sni"].as_str(), "{name}");
            }
            let how = match text("tls_mode") {
                "auto" => "auto mTLS",
                "DISABLE" => "no TLS",
                "ISTIO_MUTUAL" => "always mTLS",
                "SIMPLE" => "always TLS without a client certificate",
                _ => "",
            };
            assert!(upstream.how.starts_with(how), "{name} {}: {} is not {how}", text("cluster"), upstream.how);
            facts += 1;
        }
    }
    assert!(facts > 0 || files.is_empty());
}

fn tls(secret: Option<&str>) -> Socket {
    let certificates = secret.map(|name| CertificateRef::Secret(name.to_owned())).into_iter().collect();
    let validation = Some(Validation { secret: Some("ROOTCA".to_owned()), ..Validation::default() });
    Socket::Tls(Box::new(Tls { certificates, validation, ..Tls::default() }))
}

fn endpoint(address: Address, labels: &[(&str, &str)]) -> Endpoint {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Endpoint { address, labels, tunnel: None, labels_known: true }
}

fn wire_of(cluster: Cluster) -> Option<Wire> {
    let proxy = Proxy { clusters: vec![cluster], ..Proxy::default() };
    judge(&proxy)[0].endpoints[0].wire
}

#[test]
fn the_wire_follows_from_the_socket() {
    let socket = Address::Socket("10.0.0.1".to_owned(), 80);
    let tunnel = Address::Internal("connect_originate".to_owned(), "10.0.0.1:80".to_owned());
    let inside = Address::Internal("main_internal".to_owned(), String::new());
    let internal = |inner| Socket::Internal(Box::new(inner));
    for (socket, address, want) in [
        (Socket::Raw, &socket, Some(Wire::Plaintext)),
        (tls(None), &socket, Some(Wire::Tls)),
        (tls(Some("default")), &socket, Some(Wire::Mtls)),
        (tls(Some("kubernetes://mine")), &socket, Some(Wire::MutualTls)),
        (tls(Some("file-cert:/etc/certs/cert-chain.pem~/etc/certs/key.pem")), &socket, Some(Wire::Mtls)),
        (Socket::StartTls(Box::default()), &socket, None),
        (Socket::Unknown("x".to_owned()), &socket, None),
        (internal(Socket::Raw), &tunnel, Some(Wire::Hbone)),
        (internal(tls(None)), &tunnel, Some(Wire::Hbone)),
        (internal(Socket::Raw), &inside, None),
        (internal(Socket::Raw), &socket, None),
    ] {
        let endpoints = vec![endpoint(address.clone(), &[])];
        let shown = format!("{socket:?} {address:?}");
        assert_eq!(wire_of(Cluster { socket, endpoints, ..Cluster::default() }), want, "{shown}");
    }
}

#[test]
fn unknown_labels_leave_the_wire_undecided() {
    let when = vec![("tlsMode".to_owned(), "istio".to_owned())];
    let one = |when, socket| super::super::model::SocketMatch { name: String::new(), when, socket };
    let matches = vec![one(when, tls(Some("default"))), one(Vec::new(), Socket::Raw)];
    for (labels, labels_known, want) in [
        (&[("tlsMode", "istio")][..], true, Some(Wire::Mtls)),
        (&[("tlsMode", "disabled")], true, Some(Wire::Plaintext)),
        (&[], true, Some(Wire::Plaintext)),
        (&[], false, None),
    ] {
        let known = endpoint(Address::Socket("10.0.0.1".to_owned(), 80), labels);
        let endpoints = vec![Endpoint { labels_known, ..known }];
        assert_eq!(wire_of(Cluster { matches: matches.clone(), endpoints, ..Cluster::default() }), want);
    }
}

#[test]
fn a_check_without_a_ca_is_none() {
    assert_eq!(Judge::new(&Proxy::default()).verified_by(None), Some(false));
    let ca = || Some(CertificateRef::File("/ca.pem".to_owned()));
    for (validation, want) in [
        (Validation::default(), Some(false)),
        (Validation { names: vec!["exact a".to_owned()], ..Validation::default() }, Some(false)),
        (Validation { ca: ca(), ..Validation::default() }, Some(true)),
        (Validation { ca: ca(), accept_untrusted: true, ..Validation::default() }, Some(false)),
        (Validation { pins: 1, ..Validation::default() }, Some(true)),
        (Validation { unknown_validator: Some("x".to_owned()), ..Validation::default() }, None),
    ] {
        let shown = format!("{validation:?}");
        assert_eq!(Judge::new(&Proxy::default()).verified_by(Some(validation)), want, "{shown}");
    }
}

impl Judge<'_> {
    fn verified_by(&self, validation: Option<Validation>) -> Option<bool> {
        self.verified(&Tls { validation, ..Tls::default() })
    }
}

#[test]
fn names_of_clusters_are_taken_apart() {
    for (name, host, port, subset) in [
        ("outbound|80|v1|a.b", Some("a.b"), Some(80), Some("v1")),
        ("outbound|80||a.b", Some("a.b"), Some(80), None),
        ("outbound_.80_._.a.b", Some("a.b"), Some(80), None),
        ("inbound|80||", None, None, None),
        ("agent", None, None, None),
    ] {
        let (got_host, got_port, got_subset) = service(name);
        assert_eq!((got_host.as_deref(), got_port, got_subset.as_deref()), (host, port, subset), "{name}");
    }
}
