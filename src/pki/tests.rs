use super::*;

fn read(name: &str) -> Certificate {
    let path = format!("{}/testdata/pki/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    Certificate::read_pem(&std::fs::read(path).unwrap()).unwrap().remove(0)
}

/// A time at which every certificate of the test data is valid.
fn now() -> i64 {
    read("own").not_before + 3600
}

fn built(chain: &[&str], root: &str) -> Result<(), String> {
    let chain: Vec<Certificate> = chain.iter().map(|name| read(name)).collect();
    verify(&chain, &[read("ed"), read(root)], now())
}

#[test]
fn names_keys_and_identities_are_read() {
    let leaf = read("leaf");
    assert_eq!((&*leaf.subject, &*leaf.issuer), ("CN=leaf,O=cluster.local", "CN=middle,O=cluster.local"));
    assert_eq!(leaf.spiffe_id.as_deref(), Some("spiffe://cluster.local/ns/shop/sa/leaf"));
    assert_eq!(leaf.trust_domain(), Some("cluster.local"));
    assert_eq!((leaf.key, leaf.key_bits, leaf.scheme), (KeyKind::P256, 256, Scheme::Ecdsa(Hash::Sha384)));
    assert!(!leaf.is_ca && !leaf.is_weak() && !leaf.is_self_signed() && leaf.version == 3);
    assert_eq!(leaf.not_after - leaf.not_before, 30 * 86_400);
    let middle = read("middle");
    assert_eq!((middle.key, middle.is_ca, middle.path_length), (KeyKind::P384, true, Some(0)));
    assert_eq!((read("weak").key, read("weak").key_bits, read("weak").is_weak()), (KeyKind::Rsa, 1024, true));
    assert_eq!((read("ed").key, read("ed").spiffe_id.is_some()), (KeyKind::Ed25519, true));
    assert!(read("own").is_self_signed() && read("root").is_self_signed());
    assert!(read("sha1").is_weak() && !read("root").is_weak());
    assert_eq!(read("rsaroot").subject, "CN=\\ R#,O=rsa\\, inc./CN=x");
    assert_eq!(read("pss").scheme, Scheme::RsaPss(Hash::Sha256));
}

#[test]
fn validity_includes_both_ends() {
    let leaf = read("leaf");
    assert!(leaf.is_valid_at(leaf.not_before) && leaf.is_valid_at(leaf.not_after));
    assert!(!leaf.is_valid_at(leaf.not_before - 1) && !leaf.is_valid_at(leaf.not_after + 1));
}

#[test]
fn chains_build_to_the_ca_that_signed_them() {
    assert_eq!(built(&["leaf", "middle"], "root"), Ok(()));
    assert_eq!(built(&["leaf", "root", "own", "middle"], "root"), Ok(()), "in any order, with others between");
    assert_eq!(built(&["leaf"], "middle"), Ok(()), "a CA in the middle may be what is trusted");
    for name in ["weak", "named"] {
        assert_eq!(built(&[name], "root").is_ok(), name == "weak", "{name}");
    }
    assert_eq!(built(&["pss"], "rsaroot"), Ok(()));
    assert_eq!(built(&["pkcs"], "rsaroot"), Ok(()));
    assert_eq!(built(&["ed"], "root"), Ok(()));
    assert_eq!(built(&["own"], "own"), Ok(()), "trusted by itself");
}

#[test]
fn chains_that_do_not_build_say_why() {
    let why = |chain: &[&str], root: &str| built(chain, root).unwrap_err();
    assert!(why(&["leaf"], "root").contains("CN=middle,O=cluster.local"));
    assert!(why(&["leaf", "middle"], "stranger").contains("not signed by the key"), "the same name, another key");
    assert!(why(&["deep", "lower", "middle"], "root").contains("path length"));
    assert!(why(&["below", "leaf", "middle"], "root").contains("is no CA"));
    assert!(why(&["named"], "root").contains("1.2.3.4"));
    assert!(why(&["sha1"], "root").contains("broken hash"));
    assert!(why(&["own"], "root").contains("none of the CAs"));
    assert!(verify::<Certificate>(&[], &[read("root")], now()).is_err());
    assert!(verify(&[read("ed")], &[], now()).is_err());
    let leaf = [read("leaf"), read("middle")];
    let roots = [read("root")];
    assert!(verify(&leaf, &roots, leaf[0].not_after + 1).unwrap_err().contains("had expired"));
    assert!(verify(&leaf, &roots, leaf[0].not_before - 90_000_000).unwrap_err().contains("not valid yet"));
}

#[test]
fn a_chain_made_to_be_hard_ends_soon() {
    let mut chain = vec![read("leaf")];
    chain.extend((0..200).map(|_| read("middle")));
    chain.extend((0..200).map(|_| read("stranger")));
    assert!(verify(&chain, &[read("own")], now()).is_err());
}

#[test]
fn private_keys_beside_certificates_are_passed_over() {
    let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let path = format!("{}/testdata/pki/leaf.pem", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let both = format!("{key}{text}{key}{text}");
    assert_eq!(Certificate::read_pem(both.as_bytes()).unwrap().len(), 2);
    assert!(Certificate::read_pem(key.as_bytes()).is_err());
    assert!(Certificate::read_pem(b"").is_err());
    assert_eq!(Certificate::read_pem(&read("leaf").der).unwrap()[0], read("leaf"), "DER is read too");
}

#[test]
fn hostile_certificates_are_refused_without_harm() {
    let der = read("leaf").der;
    for end in 0..der.len() {
        assert!(Certificate::read(&der[..end]).is_err());
    }
    let signed = read("leaf").parts.signed;
    for at in 0..der.len() {
        for bit in [1_u8, 0x80] {
            let mut changed = der.clone();
            changed[at] ^= bit;
            let Ok(read_anyway) = Certificate::read(&changed) else { continue };
            let result = verify(&[read_anyway, read("middle")], &[read("root")], now());
            assert!(result.is_err() || !signed.contains(&at), "{at}");
        }
    }
    assert!(Certificate::read(&[&*der, &[0]].concat()).is_err());
}

#[test]
fn the_same_bytes_are_read_once() {
    let der = read("leaf").der;
    let (one, two) = (Certificate::read_shared(&der).unwrap(), Certificate::read_shared(&der).unwrap());
    assert!(Arc::ptr_eq(&one, &two) && *one == read("leaf"));
    assert!(Certificate::read_shared(b"x").is_err());
}

#[test]
fn a_spiffe_id_has_a_trust_domain() {
    assert_eq!(trust_domain("spiffe://west.local/ns/a/sa/b"), Some("west.local"));
    assert_eq!(trust_domain("spiffe://west.local"), Some("west.local"));
    assert_eq!(trust_domain("spiffe:///ns/a"), None);
    assert_eq!(trust_domain("https://west.local/"), None);
}

#[test]
fn identities_are_short_only_in_the_default_trust_domain() {
    for (id, text) in [
        ("spiffe://cluster.local/ns/shop/sa/web", "shop/web"),
        ("spiffe://td1/ns/shop/sa/web", "td1/ns/shop/sa/web"),
        ("spiffe://cluster.local/ns/shop/sa/web/x", "cluster.local/ns/shop/sa/web/x"),
        ("urn:x", "urn:x"),
    ] {
        assert_eq!(short_identity(id), text);
    }
}
