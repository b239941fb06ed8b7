use super::super::dump::{self, Wanted};
use super::super::fake::shared;
use super::super::model::{Chain, Listener};
use super::*;

fn read(names: &[&str]) -> Vec<Certificate> {
    let one = |name: &&str| {
        let path = format!("{}/testdata/pki/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        Certificate::read_pem(&std::fs::read(path).unwrap()).unwrap().remove(0)
    };
    names.iter().map(one).collect()
}

fn secret(name: &str, content: SecretContent) -> Secret {
    Secret { name: name.to_owned(), content, ..Secret::default() }
}

fn identity(name: &str, chain: &[&str]) -> Secret {
    secret(name, SecretContent::Certificate(read(chain)))
}

fn bundle(name: &str, cas: &[&str]) -> Secret {
    let ca = Some(CertificateRef::Inline(read(cas)));
    secret(name, SecretContent::Validation(Validation { ca, ..Validation::default() }))
}

fn held(secrets: Vec<Secret>, at: i64) -> Vec<HeldCertificate> {
    let proxy = Proxy { secrets, ..Proxy::default() };
    judge(&proxy, &Query { at, ..Query::default() })
}

/// A time at which every certificate of the test data is valid.
fn now() -> i64 {
    read(&["own"])[0].not_before + 3600
}

fn words(chain: &ChainCheck) -> &'static str {
    match chain {
        ChainCheck::Verified => "verified",
        ChainCheck::Failed(_) => "failed",
        ChainCheck::NotChecked => "not-checked",
    }
}

#[test]
fn dumps_agree_with_what_was_asked_for() {
    let files = shared("fixtures/configdump", ".truth.json");
    let mut dumps = 0;
    for path in &files {
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = truth["file"].as_str().unwrap();
        let bytes = std::fs::read(path.with_file_name(name)).unwrap();
        let proxy = dump::from_slice(name, &bytes, Wanted { endpoints: true });
        let at = time::parse(truth["generated_at"].as_str().unwrap()).unwrap();
        let held = judge(&proxy, &Query { at, ..Query::default() });
        for (secret, want) in truth["certificates"].as_object().unwrap() {
            let got = held.iter().find(|one| one.name == *secret && !one.is_ca).unwrap();
            let plain = |text: &str| text.trim_start_matches('0').to_ascii_lowercase();
            assert_eq!(plain(got.serial.as_deref().unwrap()), plain(want["serial"].as_str().unwrap()), "{name}");
            let sans = want["san"].as_array().unwrap().iter().filter_map(|san| san.as_str()?.strip_prefix("URI:"));
            assert_eq!(got.spiffe_id.as_deref(), sans.clone().next(), "{name}");
            assert_eq!(got.not_after.map(time::format).as_deref(), want["notAfter"].as_str(), "{name}");
            assert_eq!(got.subject.as_deref(), want["subject"].as_str(), "{name}");
            if secret != "default" {
                assert_eq!(words(&got.chain), "not-checked", "{name}");
                continue;
            }
            let wrong_ca = name.contains("wrong-ca");
            assert_eq!(words(&got.chain), if wrong_ca { "failed" } else { "verified" }, "{name}: {:?}", got.chain);
            let length = truth["certificate_chain_length"].as_u64().unwrap();
            assert_eq!(got.intermediates.len() as u64 + 1, length, "{name}");
            let state = truth["certificate_state"].as_str().unwrap().split(' ').next().unwrap();
            let soon = judge(&proxy, &Query { at, warn_within: Some(6 * 3600), ..Query::default() });
            let soon = soon.iter().find(|one| one.name == *secret && !one.is_ca).unwrap();
            assert_eq!(soon.state.word(), state, "{name}");
        }
        dumps += 1;
    }
    assert!(dumps > 0 || files.is_empty());
}

#[test]
fn a_chain_of_the_mesh_builds_to_its_ca() {
    for (name, chain, ca, cas, want) in [
        ("default", &["leaf", "middle"][..], "ROOTCA", &["root"][..], "verified"),
        ("default", &["leaf", "middle"], "ROOTCA", &["own"], "failed"),
        ("default", &["leaf", "middle"], "other", &[], "not-checked"),
        ("kubernetes://web", &["leaf", "middle"], "ROOTCA", &["root"], "not-checked"),
        ("kubernetes://web", &["leaf", "middle"], "kubernetes://web-cacert", &["root"], "verified"),
        ("kubernetes://web", &["leaf", "middle"], "kubernetes://web-cacert", &["own"], "not-checked"),
        ("default", &["leaf", "middle"], "kubernetes://web-cacert", &["root"], "not-checked"),
    ] {
        let held = held(vec![identity(name, chain), bundle(ca, cas)], now());
        let one = held.iter().find(|one| one.name == name).unwrap();
        assert_eq!(words(&one.chain), want, "{name} {ca} {cas:?}: {:?}", one.chain);
    }
}

#[test]
fn a_certificate_that_has_expired_is_told_apart_from_one_of_another_ca() {
    let late = read(&["leaf"])[0].not_after + 1;
    let verified = held(vec![identity("default", &["leaf", "middle"]), bundle("ROOTCA", &["root"])], late);
    let failed = held(vec![identity("default", &["leaf", "middle"]), bundle("ROOTCA", &["own"])], late);
    let one = |held: &[HeldCertificate]| {
        let one = held.iter().find(|one| one.name == "default").unwrap();
        (one.state, words(&one.chain))
    };
    assert_eq!(one(&verified), (Validity::Expired, "verified"));
    assert_eq!(one(&failed), (Validity::Expired, "failed"));
}

#[test]
fn what_is_not_there_is_missing() {
    let broken = secret("broken", SecretContent::Unreadable("why".to_owned()));
    let secrets = vec![secret("default", SecretContent::Missing), broken, secret("ROOTCA", SecretContent::Missing)];
    let held = held(secrets, now());
    let got: Vec<_> =
        held.iter().map(|one| (&*one.name, one.is_ca, one.state.word(), one.problem.as_deref())).collect();
    assert_eq!(
        got,
        [
            ("ROOTCA", true, "missing", None),
            ("broken", false, "missing", Some("why")),
            ("default", false, "missing", None)
        ]
    );
}

#[test]
fn what_cannot_be_read_is_unread_and_not_only_missing() {
    let chain = |certificates: Vec<CertificateRef>, ca: Option<CertificateRef>| {
        let validation = Some(Validation { ca, ..Validation::default() });
        let tls = Tls { certificates, validation, ..Tls::default() };
        Chain { socket: Socket::Tls(Box::new(tls)), ..Chain::default() }
    };
    let none = || CertificateRef::Inline(Vec::new());
    let listener = |chain: Chain| Listener { path: "here".to_owned(), chains: vec![chain], ..Listener::default() };
    let secrets = |content: SecretContent| vec![Secret { path: "there".to_owned(), ..secret("default", content) }];
    for (secrets, listeners, problems, unread_paths) in [
        (secrets(SecretContent::Unreadable("cut".to_owned())), vec![], vec!["cut"], vec!["there"]),
        (secrets(SecretContent::Certificate(Vec::new())), vec![], vec![NO_CERTIFICATE], vec!["there"]),
        (secrets(SecretContent::Missing), vec![], vec![], vec![]),
        (vec![], vec![listener(chain(vec![none()], None))], vec![NO_CERTIFICATE], vec!["here"]),
        (vec![], vec![listener(chain(vec![], Some(none())))], vec![NO_CERTIFICATE], vec![]),
    ] {
        let proxy = Proxy { secrets, listeners, ..Proxy::default() };
        let held = judge(&proxy, &Query::default());
        let found: Vec<&str> = held.iter().filter_map(|one| one.problem.as_deref()).collect();
        assert_eq!(found, problems);
        let unread = unread(&proxy);
        assert_eq!(unread.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), unread_paths);
    }
}

#[test]
fn files_are_known_by_what_is_served() {
    let tls = Tls { certificates: vec![CertificateRef::File("/c.pem".to_owned())], ..Tls::default() };
    let chain = Chain { socket: Socket::Tls(Box::new(tls)), ..Chain::default() };
    let listener = Listener { chains: vec![chain.clone(), chain], ..Listener::default() };
    let mut proxy = Proxy { listeners: vec![listener], ..Proxy::default() };
    let at = time::parse("2026-11-22T12:00:00Z").unwrap();
    let query = Query { at, ..Query::default() };
    let held = judge(&proxy, &query);
    assert_eq!((held.len(), &*held[0].name, held[0].state), (1, "/c.pem", Validity::Missing));
    proxy.served.push(ServedCertificate {
        path: "/c.pem".to_owned(),
        serial: "0A".to_owned(),
        valid_from: "2026-11-22T00:00:00Z".to_owned(),
        expiration_time: "2026-11-23T00:00:00Z".to_owned(),
        ..ServedCertificate::default()
    });
    let held = judge(&proxy, &query);
    assert_eq!((held.len(), held[0].serial.as_deref(), held[0].state), (1, Some("0a"), Validity::Valid));
    assert_eq!(held[0].subject, None);
}
