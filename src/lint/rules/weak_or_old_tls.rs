//! MC0216: TLS versions below 1.2 and weak cipher suites, where Istio lets them be set: `Gateway.servers[].tls`,
//! `meshMTLS` and `tlsDefaults` (`api:networking/v1alpha3/gateway.proto`, `mesh/v1alpha1/config.proto`).

use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::ObjectId;
use crate::yaml::{Node, parse_text};

/// Reports each such setting.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for (id, gateway) in lint.objects("Gateway") {
        let servers = gateway.find("spec.servers");
        for (at, server) in servers.into_iter().flat_map(Node::items).enumerate() {
            let Some(tls) = server.get("tls") else { continue };
            let path = Path::new("spec.servers").index(at).key("tls");
            for weak in weaknesses(tls) {
                out.add(id, path.key(weak.field), format!("the server {}", weak.message), weak.help);
            }
        }
    }
    if let Some(id) = lint.mesh.config_from {
        mesh_config(lint, out, id);
    }
}

/// The mesh's settings are a text inside a ConfigMap: what is wrong stands on a line of that text.
fn mesh_config(lint: &Lint<'_>, out: &mut Out<'_>, id: ObjectId) {
    let path = Path::new("data.mesh");
    let text = lint.node(id).and_then(|node| node.find("data.mesh")).and_then(Node::as_str);
    let Some(tree) = text.and_then(parse_text) else { return };
    for (name, other, what) in [
        ("meshMTLS", "mesh_mTLS", "meshMTLS, the mutual TLS of sidecars,"),
        ("tlsDefaults", "tls_defaults", "tlsDefaults, all TLS that is not the mesh's own,"),
    ] {
        let root = tree.root();
        let Some(settings) = root.get(name).or_else(|| root.get(other)) else { continue };
        for weak in weaknesses(settings) {
            let at = lint.mesh.locate_word(id, &path, &weak.value);
            let finding = out.add(id, path.clone(), format!("{what} {}", weak.message), weak.help);
            finding.at = at;
        }
    }
}

struct Weak {
    field: &'static str,
    /// The text that stands there.
    value: String,
    message: String,
    help: String,
}

/// Versions before 1.2, by both fields that bound them.
const VERSIONS: [(&str, &str); 2] = [("TLSV1_0", "TLS 1.0"), ("TLSV1_1", "TLS 1.1")];

fn weaknesses(tls: Node<'_>) -> Vec<Weak> {
    let snake = |field: &str| match field {
        "minProtocolVersion" => "min_protocol_version",
        "maxProtocolVersion" => "max_protocol_version",
        _ => "cipher_suites",
    };
    let get = |field: &'static str| tls.get(field).or_else(|| tls.get(snake(field)));
    let mut found = Vec::new();
    for (field, word) in [("minProtocolVersion", "allows"), ("maxProtocolVersion", "allows nothing above")] {
        let Some(value) = get(field).and_then(Node::as_str) else { continue };
        let Some((_, name)) = VERSIONS.iter().find(|(version, _)| *version == value) else { continue };
        found.push(Weak {
            field,
            value: value.to_owned(),
            message: format!("{word} {name}, which is deprecated (RFC 8996)"),
            help: format!("replace {field}: {value} by TLSV1_2, or remove it"),
        });
    }
    let written: Vec<&str> = get("cipherSuites").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
    let suites: Vec<(&str, &str)> = written
        .iter()
        .flat_map(|item| item.split(['[', ']', '|']))
        .filter_map(|suite| Some((suite, weak_suite(suite.trim())?)))
        .collect();
    if let Some((first, _)) = suites.first() {
        let names: Vec<String> = suites.iter().map(|(suite, why)| format!("{suite} ({why})")).collect();
        let only: Vec<&str> = suites.iter().map(|(suite, _)| *suite).collect();
        found.push(Weak {
            field: "cipherSuites",
            value: (*first).to_owned(),
            message: format!("accepts {}", names.join(", ")),
            help: format!("remove {} from cipherSuites", only.join(", ")),
        });
    }
    found
}

/// Words of suites that are broken, and what they mean.
const BROKEN: [(&str, &str); 8] = [
    ("NULL", "no encryption"),
    ("EXP", "export-grade key"),
    ("RC4", "RC4 is broken"),
    ("MD5", "MD5 is broken"),
    ("DES", "64-bit blocks"),
    ("ADH", "no authentication"),
    ("AECDH", "no authentication"),
    ("ANON", "no authentication"),
];

/// Why a suite is weak; both OpenSSL's and IANA's names.
fn weak_suite(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    if name.is_empty() {
        return None;
    }
    let words = || name.split(['-', '_']);
    if let Some((_, why)) =
        BROKEN.iter().find(|(word, _)| words().any(|w| w == *word || (*word == "DES" && w == "3DES")))
    {
        return Some(why);
    }
    let modern = ["TLS_AES_", "TLS_CHACHA20_"].iter().any(|start| name.starts_with(start));
    if !modern && !words().any(|word| word == "ECDHE" || word == "DHE") {
        return Some("no forward secrecy");
    }
    (name.ends_with("-SHA") || name.ends_with("_SHA")).then_some("CBC with SHA-1")
}

#[cfg(test)]
mod tests {
    use super::weak_suite;
    use crate::lint::blocks::tests::codes;

    #[test]
    fn suites() {
        for (name, want) in [
            ("ECDHE-RSA-AES128-GCM-SHA256", None),
            ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", None),
            ("TLS_AES_128_GCM_SHA256", None),
            ("", None),
            ("ECDHE-ECDSA-AES128-SHA", Some("CBC with SHA-1")),
            ("AES128-GCM-SHA256", Some("no forward secrecy")),
            ("DES-CBC3-SHA", Some("64-bit blocks")),
            ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", Some("64-bit blocks")),
            ("TLS_ECDHE_RSA_WITH_RC4_128_SHA", Some("RC4 is broken")),
            ("AECDH-NULL-SHA", Some("no encryption")),
        ] {
            assert_eq!(weak_suite(name), want, "{name}");
        }
    }

    #[test]
    fn gateways_and_the_mesh() {
        let gateway = |tls: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: a, namespace: shop}}\nspec: {{servers: \
                 [{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [a.example], tls: {{{tls}}}}}]}}\n"
            )
        };
        let config = |text: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {text}\n"
            )
        };
        for (text, want) in [
            (gateway("minProtocolVersion: TLSV1_0"), "MC0216 spec.servers[0].tls.minProtocolVersion"),
            (gateway("minProtocolVersion: TLSV1_2"), ""),
            (gateway("maxProtocolVersion: TLSV1_1"), "MC0216 spec.servers[0].tls.maxProtocolVersion"),
            (gateway("cipherSuites: [AES128-SHA, DES-CBC3-SHA]"), "MC0216 spec.servers[0].tls.cipherSuites"),
            (config("tlsDefaults: {minProtocolVersion: TLSV1_1}"), "MC0216 data.mesh"),
            (config("meshMTLS: {cipherSuites: [AES128-SHA]}"), "MC0216 data.mesh"),
            (config("meshMTLS: {minProtocolVersion: TLSV1_3}"), ""),
        ] {
            assert_eq!(codes(&text, &["MC0216"]), want, "{text}");
        }
    }
}
