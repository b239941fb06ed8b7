//! What would mend a CONFLICT: the nearest change, in words.

use super::ambient::{self, Choices, Own, attach, convert};
use super::because::tls_path;
use super::check::{Cell, Matrix, Row, ServiceRows};
use super::client::{Cluster, Decision, Reach, Unknown, Why};
use super::endpoints::{Endpoint, Front, Who};
use super::outcome::{Failure, Wire};
use super::server::policy_meta;
use crate::model::service::Resolution;
use crate::model::{Mesh, MtlsMode, Proxy, Version};

/// The repair of a CONFLICT, naming the objects of this very row.
#[must_use]
pub fn mend(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row, cell: &Cell) -> String {
    let port = endpoint_of(rows, row, cell).map_or(0, |endpoint| endpoint.port);
    let port = if port == 0 { "of the workload".to_owned() } else { port.to_string() };
    mend_at(matrix, rows, row, cell, &port)
}

fn endpoint_of<'a, 'm>(rows: &'a ServiceRows<'m>, row: &Row, cell: &Cell) -> Option<&'a Endpoint<'m>> {
    rows.endpoints.get(row.port as usize)?.get(cell.endpoint? as usize)
}

/// The same where it is about other workload ports than the row's own; `port`: their words.
#[must_use]
pub fn mend_at(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row, cell: &Cell, port: &str) -> String {
    let mesh = matrix.mesh;
    let endpoint = endpoint_of(rows, row, cell);
    let front = endpoint.map(|endpoint| endpoint.front);
    // A proxyless server has no permissive listener: its label says what PERMISSIVE is (1.8).
    let labelled = if let Some(Front::Grpc(listener)) = front { Some(listener.labelled) } else { None };
    let plaintext = if labelled == Some(true) { "DISABLE" } else { "PERMISSIVE" };
    let mutual = if labelled == Some(false) { "STRICT" } else { "PERMISSIVE" };
    let name = |n: u32| {
        let rule = mesh.rules.get(n as usize)?;
        let object = mesh.object_ref(rule.meta.id).filter(|_| rule.made_from.is_some());
        Some(object.map_or_else(|| format!("DestinationRule {}", rule.meta.slash()), |object| object.to_string()))
    };
    let rule = match (row.decision.tls, row.decision.rule) {
        (Some((_, from)), _) => name(from.rule).map(|rule| format!("{rule} ({})", tls_path(from))),
        (None, Some((n, _))) => name(n),
        (None, None) => None,
    };
    let policy = cell.from.and_then(|from| policy_meta(mesh, from)).and_then(|meta| mesh.object_ref(meta.id));
    let policy = policy.map(|object| object.to_string());
    let exception = match mesh.version.reads_peer_authentication() {
        true => {
            let with = if endpoint.is_some_and(|e| opens_all(mesh, e)) { ", mtls mode STRICT" } else { "" };
            format!(
                "a PeerAuthentication with a selector{with} and portLevelMtls {port}: {plaintext} accepts plaintext there"
            )
        }
        false => "a Policy whose targets name the Service and its port, with mtls mode PERMISSIVE".to_owned(),
    };
    let rivals: Vec<String> = row.rivals.iter().take(3).filter_map(|n| name(*n)).collect();
    if !rivals.is_empty() {
        return format!(
            "merge {} into one rule, with tls mode ISTIO_MUTUAL or without tls (automatic mTLS then adapts)",
            rivals.join(" and ")
        );
    }
    if let Some((_, from)) = row.decision.leg.and_then(|leg| leg.tls)
        && cell.outcome.failure != Some(Failure::F8)
    {
        let rule = name(from.rule).unwrap_or_default();
        return format!(
            "remove tls from {rule} ({}): the waypoint takes it, and mutual TLS needs none",
            tls_path(from)
        );
    }
    if let Some(text) = in_old_times(mesh, row, cell, rule.as_deref(), policy.as_deref()) {
        return text;
    }
    if let Some(text) = endpoint.and_then(|endpoint| {
        // With PERMISSIVE, TLS would only come through to the application, which does not speak it (F6).
        let exception = Some(&*exception).filter(|_| cell.wire == Some(Wire::Plaintext));
        in_ambient(matrix, rows, row, endpoint, rule.as_deref(), exception)
    }) {
        return text;
    }
    let by_rule = |what: &str| rule.as_ref().map(|rule| format!("{what} in {rule}"));
    match (cell.outcome.failure, row.decision.reach, row.decision.why) {
        (Some(Failure::F1), Reach::NotCaptured(_), _) => {
            "let the client's sidecar capture the call (its annotations, its interception mode, or the user that it runs as)"
                .to_owned()
        }
        (Some(Failure::F1), ..) => format!("inject the client; or, if it must stay outside, {exception}"),
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotImported(_)), _) => {
            "import the service in the Sidecar's egress.hosts".to_owned()
        }
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotExported), _) => {
            "export the service to the client's namespace (exportTo)".to_owned()
        }
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotMember), _) => {
            "make the service's namespace a member of the mesh (ServiceMeshMemberRoll)".to_owned()
        }
        (Some(Failure::F2), _, Why::NamespaceDisable(_)) => format!(
            "set ISTIO_MUTUAL in a DestinationRule for the service, or remove DISABLE from the wide policy; clients never see {}",
            policy.unwrap_or_default()
        ),
        (Some(Failure::F2), _, Why::Grpc) => {
            "proxyless gRPC needs a DestinationRule with tls mode ISTIO_MUTUAL for the service".to_owned()
        }
        (Some(Failure::F2), _, Why::EndpointWithoutSidecar) => {
            "inject every pod of the service, or set ISTIO_MUTUAL in a DestinationRule".to_owned()
        }
        (Some(Failure::F2), _, Why::CredentialIgnored) => format!(
            "{}: sidecars need a workloadSelector in the rule to read credentialName; towards a mesh service use ISTIO_MUTUAL",
            rule.unwrap_or_default()
        ),
        (Some(Failure::F2), _, Why::AutoOff) => {
            let rule = rule.unwrap_or("a DestinationRule for the service".to_owned());
            format!("set tls mode ISTIO_MUTUAL in {rule}, or enableAutoMtls: true")
        }
        (Some(Failure::F2), ..) => {
            by_rule("remove tls (automatic mTLS adapts) or set mode ISTIO_MUTUAL").unwrap_or(exception)
        }
        (Some(Failure::F3), ..) => match by_rule("remove tls (automatic mTLS adapts)") {
            Some(text) => {
                format!("{text}, or set {mutual} in {}", policy.unwrap_or("a PeerAuthentication".to_owned()))
            }
            None => format!(
                "set {mutual} for workload port {port} in {}",
                policy.unwrap_or("a PeerAuthentication".to_owned())
            ),
        },
        (Some(Failure::F4), ..) if cell.from.is_none() => {
            by_rule("set tls.sni to a host of the Gateway's server").unwrap_or(exception)
        }
        (Some(Failure::F4 | Failure::F5), ..) => {
            by_rule("set mode ISTIO_MUTUAL (with the sni and subjectAltNames that the server has)").unwrap_or(exception)
        }
        (Some(Failure::F6), ..) => {
            let of_service = rule.as_deref().unwrap_or("a DestinationRule for the service");
            let adapts = row.decision.why == Why::Auto && row.decision.tag.is_none();
            let disable = format!("tls DISABLE for that port in {of_service}");
            // Where a rule says the mode, or endpoints have no tag, no policy is asked (2.8).
            match adapts {
                true => format!(
                    "a PeerAuthentication with a selector and portLevelMtls {port}: DISABLE makes automatic mTLS send plaintext; or {disable}"
                ),
                false => format!("set {disable}: the client then sends plaintext"),
            }
        }
        (Some(Failure::F7), Reach::NoProxy | Reach::NotCaptured(_), _) => {
            format!("bring the client into the mesh; or, if it must stay outside, {exception}")
        }
        (Some(Failure::F7), ..) => format!(
            "let the client send HBONE (PILOT_ENABLE_SENDING_HBONE of istiod, ISTIO_META_DISABLE_HBONE_SEND of the proxy), and import and export the service to it; or {exception}"
        ),
        (Some(Failure::F8), ..) => format!(
            "restart the server's pod with ISTIO_META_ENABLE_HBONE=true, so that its sidecar listens for HBONE; until then {exception}"
        ),
        (Some(Failure::F9), ..) => {
            by_rule("inject the server, or take its host out: a rule of its own without tls, beside the one")
                .unwrap_or("inject the server, or remove label security.istio.io/tlsMode: istio from it".to_owned())
        }
        _ => match row.decision.reach {
            Reach::BlackHoled(_) => "import and export the service, or outboundTrafficPolicy ALLOW_ANY".to_owned(),
            _ => by_rule("let rule and policy say the same: remove tls (automatic mTLS adapts)").unwrap_or(exception),
        },
    }
}

/// Before Istio 1.26 a rule's ISTIO_MUTUAL comes before HBONE (istio/istio#53526).
pub(super) fn mutual_first(mesh: &Mesh, decision: &Decision) -> bool {
    decision.cluster == Cluster::IstioMutual && decision.why == Why::Rule && !mesh.version.tunnels_istio_mutual()
}

/// The repair of a proxy's call that comes to ztunnel without HBONE: all that keeps the client from sending it (2.8),
/// and what opens the port, where it is plaintext that is refused (`exception`).
fn in_ambient(
    matrix: &Matrix<'_>,
    rows: &ServiceRows<'_>,
    row: &Row,
    endpoint: &Endpoint<'_>,
    rule: Option<&str>,
    exception: Option<&str>,
) -> Option<String> {
    let (mesh, decision) = (matrix.mesh, &row.decision);
    let Front::Ambient(demand) = endpoint.front else { return None };
    let open = demand.refused == Some(false);
    if decision.reach != Reach::Known || decision.leg.is_some() {
        return None;
    }
    let class = matrix.classes.get(row.sample as usize)?;
    let rule = rule.unwrap_or("the DestinationRule");
    let mut steps: Vec<String> = Vec::new();
    if class.proxy == Proxy::Grpc {
        steps.push("give the client a sidecar: proxyless gRPC sends no HBONE".to_owned());
    } else if !class.hbone {
        steps.push(
            "let the client send HBONE (PILOT_ENABLE_SENDING_HBONE of istiod, ISTIO_META_DISABLE_HBONE_SEND of the proxy)"
                .to_owned(),
        );
    }
    if endpoint.hbone && !endpoint.hbone_tag {
        steps.push(
            "remove label security.istio.io/tlsMode: istio from the captured pod, which comes before HBONE (or set PILOT_PREFER_SENDING_HBONE of istiod)"
                .to_owned(),
        );
    }
    if mutual_first(mesh, decision) {
        steps.push(format!("remove tls from {rule}: before Istio 1.26 its ISTIO_MUTUAL comes before HBONE"));
    }
    let resolution = mesh.services.get(rows.service as usize)?.resolution;
    let headless = resolution == Resolution::Headless && !mesh.options.env.headless_eds;
    if class.proxy != Proxy::Gateway && (headless || resolution == Resolution::Passthrough) {
        steps.push(
            "give the Service a cluster IP: no sidecar sends HBONE to pods that it addresses directly".to_owned(),
        );
    } else if steps.is_empty() && endpoint.hbone_tag && !decision.tunnel {
        steps.push(format!("remove loadBalancer PASSTHROUGH from {rule}, with which pods get no HBONE"));
    }
    if steps.is_empty() {
        return None;
    }
    let text = steps.join("; and ");
    Some(match exception {
        Some(exception) => format!("{text}; or {exception}"),
        None if open && decision.tls.is_some() && !mutual_first(mesh, decision) => {
            format!("{text}; or set tls DISABLE for that port in {rule}: plaintext is let through")
        }
        None => text,
    })
}

/// Whether a policy of the pod's own that opens one port would open every port: istiod names a policy for ztunnel that
/// it does not make, where the namespace's own sets no mode below a STRICT mesh (1.9, H4).
fn opens_all(mesh: &Mesh, endpoint: &Endpoint<'_>) -> bool {
    let (Front::Ambient(_), Who::Workload(number)) = (endpoint.front, endpoint.who) else { return false };
    let Some(workload) = mesh.workloads.get(number as usize) else { return false };
    let mode = |number: Option<u32>| mesh.policies.get(number? as usize).map(|policy| policy.mode);
    let ports = [(endpoint.port, Some(MtlsMode::Permissive))];
    let namespace = &workload.meta.namespace;
    let choices = Choices::new(mesh, namespace, &ambient::own(mesh, namespace, &workload.labels));
    choices.at(mesh, endpoint.port).any(|levels| {
        let own = Own { mode: mode(levels.own).flatten(), ports: &ports };
        let attached = attach(mode(levels.mesh.0), mode(levels.namespace.0), Some(own));
        let made = || convert(mode(levels.mesh.1), mode(levels.namespace.1), own);
        attached.converted && !attached.fixed && made().is_none()
    })
}

/// The repair in Istio 1.0 to 1.5, where it differs: nothing adapts by itself, and servers go by Policies.
fn in_old_times(mesh: &Mesh, row: &Row, cell: &Cell, rule: Option<&str>, policy: Option<&str>) -> Option<String> {
    if !mesh.version.reads_legacy_policies() || row.decision.reach != Reach::Known {
        return None;
    }
    let rule = rule.unwrap_or("a DestinationRule for the service");
    let policy = policy.unwrap_or("a Policy for the service");
    match cell.outcome.failure? {
        Failure::F2 if mesh.version < Version::one(4) || row.decision.tls.is_some() => {
            Some(format!("set tls mode ISTIO_MUTUAL in {rule}"))
        }
        Failure::F3 | Failure::F6 => {
            Some(format!("write peers with mtls in {policy}, or set tls mode DISABLE in {rule}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Options, load_text};
    use crate::mtls::check::check;

    const STATUS: &str = "status: {phase: Running, podIP: ";

    fn pod(name: &str, namespace: &str, labels: &str, annotations: &str, proxy: &str, ip: &str) -> String {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}{labels}}}, annotations: {{{annotations}}}}}, spec: {{containers: [{{name: a}}{proxy}]}}, {STATUS}{ip}}}}}\n"
        )
    }

    fn policy(namespace: &str, spec: &str) -> String {
        format!(
            "---\n{{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {{name: default, namespace: {namespace}}}, spec: {spec}}}\n"
        )
    }

    /// The mends of calls of the one client to a captured pod; `service`: more of its spec, `client`: more annotations.
    fn mends(labels: &str, service: &str, client: Option<&str>, more: &str, version: Option<Version>) -> String {
        let (sidecar, side) = (", {name: istio-proxy, image: p}", "sidecar.istio.io/status: '{}'");
        let client = client.map_or_else(
            || pod("cli", "out", "", "", "", "10.0.0.1"),
            |more| {
                pod("cli", "sc", ", security.istio.io/tlsMode: istio", &format!("{side}{more}"), sidecar, "10.0.0.1")
            },
        );
        let text = client
            + &pod("web", "shop", labels, "ambient.istio.io/redirection: enabled", "", "10.0.0.2")
            + &format!(
                "---\n{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: shop}}, spec: {{{service}selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}}}\n"
            )
            + more;
        let mesh = load_text(text, Options { version, ..Options::default() });
        let matrix = check(&mesh);
        let mut found = Vec::new();
        for rows in &matrix.services {
            for row in &rows.rows {
                let failed = |cell: &&Cell| cell.outcome.failure.is_some();
                found.extend(row.cells.iter().filter(failed).map(|cell| {
                    format!("{:?}: {}", cell.outcome.failure.expect("a failure"), mend(&matrix, rows, row, cell))
                }));
            }
        }
        found.join(" | ")
    }

    #[test]
    fn calls_to_captured_pods_are_mended_by_what_keeps_the_client_from_hbone() {
        const LABEL: &str = ", security.istio.io/tlsMode: istio";
        const OFF: &str = ", proxy.istio.io/config: \"proxyMetadata: {ISTIO_META_DISABLE_HBONE_SEND: 'true'}\"";
        const RULE: &str = "---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop}, spec: {host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}\n";
        let strict = policy("shop", "{mtls: {mode: STRICT}}");
        let unset = policy("istio-system", "{mtls: {mode: STRICT}}") + &policy("shop", "{}");
        let (open, direct, old) = ("PERMISSIVE accepts", "give the Service a cluster IP", Some(Version::one(25)));
        // Labels, Service, the client, more objects, version; what the mend has, and has not.
        type Case<'a> = (&'a str, &'a str, Option<&'a str>, String, Option<Version>, &'a [&'a str], &'a [&'a str]);
        let rows: [Case<'_>; 9] = [
            (
                LABEL,
                "",
                Some(""),
                strict.clone(),
                None,
                &["F7: remove label security.istio.io/tlsMode"],
                &[open, direct],
            ),
            (LABEL, "clusterIP: None, ", Some(""), strict.clone(), None, &["F7: remove label", direct], &[open]),
            ("", "clusterIP: None, ", Some(""), strict.clone() + RULE, None, &["F7: give"], &[open, "remove tls"]),
            ("", "", Some(""), strict.clone() + RULE, old, &["F7: remove tls from DestinationRule shop/web"], &[open]),
            ("", "", Some(OFF), strict.clone() + RULE, None, &["F7: let the client send HBONE"], &[open]),
            ("", "", Some(OFF), strict.clone(), None, &["F7: let the client send HBONE", open], &["mode STRICT"]),
            (
                "",
                "",
                Some(OFF),
                RULE.to_owned(),
                None,
                &["F6: let the client send HBONE", "set tls DISABLE for that port in DestinationRule shop/web"],
                &["portLevelMtls"],
            ),
            ("", "", None, strict, None, &["F7: bring the client", open], &["mode STRICT"]),
            (
                "",
                "",
                None,
                unset,
                None,
                &["F7: bring the client", "with a selector, mtls mode STRICT and portLevelMtls 8080"],
                &[],
            ),
        ];
        for (labels, service, client, more, version, has, not) in rows {
            let text = mends(labels, service, client, &more, version);
            assert!(has.iter().all(|word| text.contains(word)), "{has:?} in {text:?}: {more}");
            assert!(!not.iter().any(|word| text.contains(word)), "{not:?} not in {text:?}: {more}");
        }
    }
}
