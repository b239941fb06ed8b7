//! Who a proxy is: `bootstrap.node`.

use super::super::model::{NodeInfo, ProxyKind};
use super::super::tree::Node;

/// Reads `bootstrap.node`. Istio writes the ID as `type~ip~pod.namespace~domain`; the metadata say more, under older
/// names before 1.5 (`POD_NAME`, `CONFIG_NAMESPACE`, `ISTIO_PROXY_VERSION`).
pub(super) fn read(node: &Node<'_>) -> NodeInfo {
    let id = node.get("id").text().unwrap_or_default();
    let parts: Vec<&str> = id.split('~').collect();
    let (kind, ip, name) = match *parts.as_slice() {
        [kind, ip, name, _] => (kind, ip, name),
        _ => ("", "", ""),
    };
    let metadata = node.get("metadata");
    let said = |keys: &[&str]| {
        let texts = keys.iter().filter_map(|key| metadata.get(key).text());
        texts.map(str::to_owned).find(|text| !text.is_empty())
    };
    let (pod, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
    let or = |text: &str, keys: &[&str]| {
        if text.is_empty() { said(keys).unwrap_or_default() } else { text.to_owned() }
    };
    // A text with commas, in some dumps a list.
    let listed = metadata.get("INSTANCE_IPS").texts();
    let listed = if listed.iter().all(|text| text.trim().is_empty()) { vec![ip.to_owned()] } else { listed };
    NodeInfo {
        id: id.to_owned(),
        kind: match kind {
            "sidecar" => ProxyKind::Sidecar,
            "router" | "ingress" => ProxyKind::Router,
            "waypoint" => ProxyKind::Waypoint,
            _ => ProxyKind::Unknown,
        },
        ip: ip.to_owned(),
        addresses: listed.iter().flat_map(|text| text.split(',')).filter_map(|ip| ip.trim().parse().ok()).collect(),
        pod: or(pod, &["NAME", "POD_NAME"]),
        namespace: or(namespace, &["NAMESPACE", "CONFIG_NAMESPACE"]),
        workload: said(&["WORKLOAD_NAME"]),
        service_account: said(&["SERVICE_ACCOUNT"]),
        istio_version: said(&["ISTIO_VERSION", "ISTIO_PROXY_VERSION"]),
        mesh_id: said(&["MESH_ID"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::*;
    use serde::de::DeserializeSeed;

    fn node(text: &str) -> NodeInfo {
        read(&Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap())
    }

    #[test]
    fn ids_of_every_kind_are_read() {
        for (id, kind, ip, pod, namespace) in [
            ("sidecar~10.0.0.1~a-1.b~b.svc.cluster.local", ProxyKind::Sidecar, "10.0.0.1", "a-1", "b"),
            ("sidecar~fd00::1~a.x.b~b.svc", ProxyKind::Sidecar, "fd00::1", "a.x", "b"),
            ("router~10.0.0.1~gw.istio-system~x", ProxyKind::Router, "10.0.0.1", "gw", "istio-system"),
            ("ingress~10.0.0.1~gw.istio-system~x", ProxyKind::Router, "10.0.0.1", "gw", "istio-system"),
            ("waypoint~10.0.0.1~w.b~x", ProxyKind::Waypoint, "10.0.0.1", "w", "b"),
            ("sidecar~10.0.0.1~nodots~x", ProxyKind::Sidecar, "10.0.0.1", "nodots", ""),
            ("test-id", ProxyKind::Unknown, "", "", ""),
            ("a~b~c~d~e", ProxyKind::Unknown, "", "", ""),
            ("", ProxyKind::Unknown, "", "", ""),
        ] {
            let read = node(&format!(r#"{{"id": "{id}"}}"#));
            assert_eq!((read.kind, &*read.ip, &*read.pod, &*read.namespace), (kind, ip, pod, namespace), "{id}");
            assert_eq!(read.addresses.len(), usize::from(!ip.is_empty()), "{id}");
        }
    }

    #[test]
    fn metadata_of_every_era_are_read() {
        let new = node(
            r#"{"id": "sidecar~10.0.0.1~a.b~c", "metadata": {"INSTANCE_IPS": "10.0.0.1, fd00::1,x", "ISTIO_VERSION": "1.20.8",
                "SERVICE_ACCOUNT": "sa", "WORKLOAD_NAME": "w", "MESH_ID": "td", "NAME": "other", "NAMESPACE": "other"}}"#,
        );
        assert_eq!((new.addresses.len(), &*new.pod, &*new.namespace), (2, "a", "b"));
        assert_eq!(new.istio_version.as_deref(), Some("1.20.8"));
        assert_eq!((new.service_account.as_deref(), new.mesh_id.as_deref()), (Some("sa"), Some("td")));
        let old = node(
            r#"{"id": "x", "metadata": {"POD_NAME": "p", "CONFIG_NAMESPACE": "n", "ISTIO_PROXY_VERSION": "1.1.1", "INSTANCE_IPS": ["10.0.0.2"]}}"#,
        );
        assert_eq!((&*old.pod, &*old.namespace, old.addresses.len()), ("p", "n", 1));
        assert_eq!(old.istio_version.as_deref(), Some("1.1.1"));
    }
}
