//! Secrets, out of the tree. A private key is never among what is kept of one.

use super::model::{CertificateRef, Secret, SecretContent, State, Validation};
use super::tls;
use super::tree::Node;
use crate::pki::Certificate;

/// `version_info` of a secret that is asked for and not delivered (Envoy, `secret_manager_impl`).
const UNINITIALIZED: &str = "uninitialized";

/// Reads the `secret` of an entry of `SecretsConfigDump`, or a static secret of the bootstrap.
pub fn read(node: &Node<'_>, name: &str, state: State, version: &str, path: &str) -> Secret {
    let own = node.get("name").text().unwrap_or_default();
    Secret {
        name: if name.is_empty() { own } else { name }.to_owned(),
        state,
        version: version.to_owned(),
        path: path.to_owned(),
        content: content(node, state, version),
    }
}

fn content(node: &Node<'_>, state: State, version: &str) -> SecretContent {
    if node.has("tls_certificate") {
        return certificate(node.get("tls_certificate"));
    }
    let context = node.get("validation_context");
    if !context.is_null() {
        let read = tls::validation(context);
        return match unreadable(&read) {
            Some(why) => SecretContent::Unreadable(why),
            None => SecretContent::Validation(read),
        };
    }
    // Session tickets and generic secrets are skipped while reading: nothing of them is in the tree.
    if version == UNINITIALIZED || state == State::Warming || node.is_null() {
        SecretContent::Missing
    } else {
        SecretContent::Other
    }
}

/// A `TlsCertificate`. Of a PEM file that holds the key too, only the certificates are kept.
fn certificate(node: &Node<'_>) -> SecretContent {
    let chain = node.get("certificate_chain");
    if let Some(file) = chain.get("filename").text() {
        return SecretContent::File(file.to_owned());
    }
    match tls::pem_bytes(chain).map(|pem| Certificate::read_pem(&pem)) {
        Some(Ok(certificates)) => SecretContent::Certificate(certificates),
        Some(Err(why)) => SecretContent::Unreadable(why),
        None if chain.is_null() => SecretContent::Unreadable("it has no certificate_chain".to_owned()),
        None => SecretContent::Unreadable("certificate_chain holds no certificate that can be read".to_owned()),
    }
}

/// Why the CAs of a validation context could not be read, where it has some.
fn unreadable(context: &Validation) -> Option<String> {
    if matches!(&context.ca, Some(CertificateRef::Inline(read)) if read.is_empty()) {
        return Some("trusted_ca holds no certificate that can be read".to_owned());
    }
    let broken = context.trust_domains.iter().find(|(_, bundle)| bundle.is_empty());
    broken.map(|(domain, _)| format!("the bundle of trust domain {domain} holds no certificate that can be read"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;
    use serde::de::DeserializeSeed;

    fn pem(name: &str) -> String {
        std::fs::read_to_string(format!("{}/testdata/pki/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn secret(text: &str, state: State, version: &str) -> Secret {
        let tree = Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
        read(&tree, "", state, version, "configs[0].secret")
    }

    fn kind(content: &SecretContent) -> &'static str {
        match content {
            SecretContent::Missing => "missing",
            SecretContent::Certificate(_) => "certificate",
            SecretContent::File(_) => "file",
            SecretContent::Validation(_) => "validation",
            SecretContent::Other => "other",
            SecretContent::Unreadable(_) => "unreadable",
        }
    }

    #[test]
    fn what_a_secret_holds() {
        let inline =
            serde_json::json!({"tls_certificate": {"certificate_chain": {"inline_string": pem("leaf")}}}).to_string();
        let ca = serde_json::json!({"validationContext": {"trustedCa": {"inlineString": pem("root")}}}).to_string();
        let bytes = data_encoding::BASE64.encode(pem("leaf").as_bytes());
        let bytes = serde_json::json!({"tlsCertificate": {"certificateChain": {"inlineBytes": bytes}}}).to_string();
        for (text, state, version, want) in [
            (&*inline, State::Active, "1", "certificate"),
            (&bytes, State::Static, "", "certificate"),
            (&ca, State::Active, "1", "validation"),
            (r#"{"validation_context": {}}"#, State::Active, "1", "validation"),
            (r#"{"validation_context": {"trusted_ca": {"inline_bytes": "???"}}}"#, State::Active, "1", "unreadable"),
            (r#"{"tls_certificate": {"certificate_chain": {"filename": "/c.pem"}}}"#, State::Active, "1", "file"),
            (r#"{"tls_certificate": {"certificate_chain": {"inline_string": "x"}}}"#, State::Active, "1", "unreadable"),
            (r#"{"tls_certificate": {"private_key": {"inline_string": "x"}}}"#, State::Active, "1", "unreadable"),
            (r#"{"name": "default"}"#, State::Active, "uninitialized", "missing"),
            (r#"{"name": "default"}"#, State::Warming, "", "missing"),
            (r#"{"session_ticket_keys": {"keys": []}}"#, State::Active, "1", "other"),
        ] {
            assert_eq!(kind(&secret(text, state, version).content), want, "{text}");
        }
    }

    #[test]
    fn a_key_in_the_bundle_is_not_kept() {
        let bundle = format!("-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n{}", pem("leaf"));
        let text = serde_json::json!({"name": "x", "tls_certificate": {
            "certificate_chain": {"inline_string": bundle}, "private_key": {"inline_string": "SECRET"}}});
        let read = secret(&text.to_string(), State::Active, "1");
        assert_eq!((&*read.name, kind(&read.content)), ("x", "certificate"));
        assert!(!format!("{read:?}").contains("SECRET") && !format!("{read:?}").contains("U0VDUkVU"));
    }
}
